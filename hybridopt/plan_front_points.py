"""Points of a front, dispatched over the day and verified."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hybridopt.dispatch import Dispatcher
from hybridopt.network_built import settle
from hybridopt.solvers.pool import pool_of
from hybridopt.verify import Verification, verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridopt.grid import Plan
    from hybridopt.network_scenario import Scenario
    from hybridopt.progress import Progress
    from hybridopt.result import Dispatch
    from hybridopt.solvers.pool import Wanted


@dataclass(frozen=True, eq=False)
class FrontPoint:
    """A plan of the front, dispatched over the day.

    Attributes
    ----------
    objectives : their values, as the search found them
    scenario, plan : with the lines that the plan builds, and every rating
    """

    objectives: tuple[float, ...]
    scenario: Scenario
    plan: Plan
    dispatch: Dispatch
    verification: Verification
    status: str


class _Dispatching:
    """Plan -> its day, verified; a picklable description that compiles once per process."""

    def __init__(self, scenario: Scenario) -> None:
        self.scenario = scenario
        self._dispatcher: Dispatcher | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Compiled models stay in their process."""
        return {**self.__dict__, "_dispatcher": None}

    def __call__(self, plan: Plan) -> tuple[Scenario | None, Plan, Dispatch, Verification]:
        """Dispatch a plan with all ratings; the scenario comes back where lines are built in it."""
        settled, plan = settle(self.scenario, plan)
        if settled is not self.scenario or self._dispatcher is None:
            dispatcher = Dispatcher(
                settled.damaged, settled.space.sites, settled.horizon, settled.settings
            )
        else:
            dispatcher = self._dispatcher
        if settled is self.scenario:
            self._dispatcher = dispatcher
        dispatch = dispatcher.dispatch_feasible(plan)
        found = verify(settled, dispatch)
        return (None if settled is self.scenario else settled), plan, dispatch, found


def dispatched(
    scenario: Scenario,
    found: Sequence[tuple[tuple[float, ...], Plan, str]],
    workers: Wanted,
    progress: Progress,
) -> list[FrontPoint]:
    """Dispatch and verify plans.

    Parameters
    ----------
    found : objectives, plan with all ratings, and status of each
    """
    points = []
    plans = [plan for _, plan, _ in found]
    with (
        pool_of(_Dispatching(scenario), workers) as pool,
        progress.task("Dispatch of the front", len(plans)) as advance,
    ):
        for (values, _, status), day in zip(found, pool.map(plans), strict=True):
            built, plan, dispatch, verification = day
            at = scenario if built is None else built
            points.append(FrontPoint(values, at, plan, dispatch, verification, status))
            advance()
    return points
