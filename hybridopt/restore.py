"""A restoration study: the order of repairs, what is served meanwhile, indices of resilience."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.network_repairs import RepairProblem, repair_problem
from hybridopt.network_scenario import load_case
from hybridopt.progress import NoProgress
from hybridopt.repair_dispatch import dispatch_steps
from hybridopt.repair_schedule import repaired_sets
from hybridopt.repair_search import Exact, best_of_all, breed, exact_method
from hybridopt.repair_value import Valuer
from hybridopt.resilience import Interruptions, Trapezoid, interruptions, trapezoid
from hybridopt.verify import Verification, verify

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from numpy.typing import NDArray

    from hybridopt.network_scenario import Scenario
    from hybridopt.progress import Progress
    from hybridopt.repair_schedule import Visit
    from hybridopt.repair_value import Order, OrderValue, Step
    from hybridopt.result import Dispatch
    from hybridopt.solvers.search import Run

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class RestoreResult:
    """A finished restoration study.

    Attributes
    ----------
    best : the order that was chosen;  visits : who repairs what and when
    run : the genetic search;  exact : the best of all orders, None where there are too many
    steps : times in which nothing changes, until the hour after the last repair is over
    shed_mw, demand_mw : (n_step, n_bus)
    parts : the steps' dispatch, in groups with the same elements repaired
    search_s, wall_s : s
    """

    problem: RepairProblem
    valuer: Valuer
    seed: int
    best: OrderValue
    visits: list[Visit]
    run: Run[Order, OrderValue]
    exact: Exact | None
    steps: list[Step]
    shed_mw: Floats
    demand_mw: Floats
    parts: list[tuple[list[Step], Dispatch]]
    verification: Verification
    search_s: float
    wall_s: float

    @property
    def makespan_h(self) -> float:
        """Hours from the event to the last repair."""
        return max(visit.done_h for visit in self.visits)

    @property
    def from_h(self) -> Floats:
        """Beginning of each step, (n_step,), h."""
        return np.array([step.from_h for step in self.steps])

    @property
    def to_h(self) -> Floats:
        """End of each step, (n_step,), h."""
        return np.array([step.to_h for step in self.steps])

    @property
    def hours(self) -> Floats:
        """Length of each step until the last repair, (n_step,), h; 0 after it."""
        return np.clip(np.minimum(self.to_h, self.makespan_h) - self.from_h, 0.0, None)

    @property
    def unserved_mw(self) -> Floats:
        """Unserved power in each step, (n_step,)."""
        return np.asarray(self.shed_mw.sum(axis=1), dtype=np.float64)

    @property
    def ens_mwh(self) -> float:
        """Energy not served from the event to the last repair."""
        return float(self.unserved_mw @ self.hours)

    @property
    def found_best(self) -> bool | None:
        """Whether the genetic search by itself found the best order of all; None if not known."""
        return None if self.exact is None else self.run.best.fitness == self.exact.best.fitness

    @property
    def onset_h(self) -> float | None:
        """When a repair raises what is served for the first time, h; None where none does."""
        service, sets = self.valuer.service, repaired_sets(self.visits)
        tolerance = self.problem.scenario.settings.unserved_tolerance_mw
        node = service.first(sets[0][1])
        for when, repaired in sets[1:]:
            after, level = service.then(node, repaired), service.level_at(when)
            before_mw = service.deliver(node, level).unserved_mw
            if service.deliver(after, level).unserved_mw < before_mw - tolerance:
                return when
            node = after
        return None

    @property
    def end_h(self) -> float:
        """From when on as much is served as with everything repaired, h."""
        service = self.valuer.service
        whole = service.first((1 << self.valuer.n) - 1)
        left = np.array([service.deliver(whole, step.level).unserved_mw for step in self.steps])
        tolerance = self.problem.scenario.settings.unserved_tolerance_mw
        short = np.flatnonzero(self.unserved_mw > left + tolerance)
        return float(self.to_h[short[-1]]) if short.size else 0.0

    def trapezoid_mw(self) -> Trapezoid:
        """Metrics of the power served, MW; the level is demand, whatever that is at the time."""
        return self._trapezoid(self.unserved_mw)

    def trapezoid_percent(self) -> Trapezoid:
        """Metrics of the share of the demand that is served, percent."""
        demand = self.demand_mw.sum(axis=1)
        lost = np.divide(100 * self.unserved_mw, demand, where=demand > 0, out=0 * demand)
        return self._trapezoid(lost)

    def _trapezoid(self, lost: Floats) -> Trapezoid:
        return trapezoid(
            self.from_h,
            self.to_h,
            lost,
            event_h=self.problem.terms.event_h,
            onset_h=self.onset_h,
            end_h=self.end_h,
            left=float(lost[-1]),
        )

    def trapezoid_infrastructure(self) -> Trapezoid:
        """Metrics of the share of the network's elements that are in service, percent."""
        grid = self.problem.scenario.grid
        kinds = ("branch", "gen", "bus", "load", "shunt")
        total = sum(int(getattr(grid, f"{kind}_in_service").sum()) for kind in kinds)
        sizes = [
            sum(len(getattr(job.parts, part.name)) for part in fields(job.parts))
            for job in self.problem.jobs
        ]
        lost = np.array(
            [
                sum(size for i, size in enumerate(sizes) if not step.repaired >> i & 1)
                for step in self.steps
            ],
            dtype=float,
        )
        sets = repaired_sets(self.visits)
        return trapezoid(
            self.from_h,
            self.to_h,
            100 * lost / total,
            event_h=self.problem.terms.event_h,
            onset_h=sets[1][0] if len(sets) > 1 else None,
            end_h=self.makespan_h,
        )

    def interruptions(self, weight: Floats) -> Interruptions | None:
        """SAIFI and SAIDI, until the last repair, for customers or load of each bus, (n_bus,)."""
        share = np.divide(
            self.shed_mw, self.demand_mw, where=self.demand_mw > 0, out=np.zeros_like(self.shed_mw)
        )
        during = self.hours > 0
        return interruptions(self.hours[during], share[during].clip(0.0, 1.0), weight)


def run_restore(
    case: str | Path | dict[str, Any] | Scenario | RepairProblem,
    *,
    seed: int = 0,
    progress: Progress | None = None,
) -> RestoreResult:
    """Find the best order of repairs, and dispatch the hours until everything is repaired.

    Orders are compared by unserved energy weighted by priority, then by when the last repair
    ends, then by the sum of all ends. The genetic search is checked against all orders where
    that can be done; should one of them be better, it is the answer, and ``found_best`` is false.

    Parameters
    ----------
    case : built-in name, TOML file or dictionary with an event; its ``[restore]`` table

    Raises
    ------
    InputError
        Everything that is wrong with the case.
    NoSolutionError
        Some state of the network has no feasible point, even with all load shed.
    """
    progress = progress or NoProgress()
    began = time.perf_counter()
    if isinstance(case, RepairProblem):
        problem = case
    else:
        is_read = not isinstance(case, str | dict) and hasattr(case, "grid")
        problem = repair_problem(case if is_read else load_case(case, repairs=True))  # type: ignore[arg-type]
    valuer = Valuer(problem)
    method = exact_method(valuer)
    exact = best_of_all(valuer, method, progress) if method else None
    run = breed(valuer, problem.scenario.case.genetic, seed, progress)
    best = run.best if exact is None else min(exact.best, run.best, key=lambda v: v.fitness)
    searched = time.perf_counter() - began
    visits = valuer.visits(best.order)
    last = max(visit.done_h for visit in visits)
    steps = valuer.steps(visits, float(int(last + 1e-9) + 1))
    deliveries = [valuer.service.deliver(step.node, step.level) for step in steps]
    with progress.task("Dispatch of every step", len(steps)) as advance:
        parts = dispatch_steps(valuer, steps, advance)
    with progress.task("Verification by power flow", len(steps)) as advance:
        checks = [verify(problem.scenario, dispatch, advance) for _, dispatch in parts]
    return RestoreResult(
        problem=problem,
        valuer=valuer,
        seed=seed,
        best=best,
        visits=visits,
        run=run,
        exact=exact,
        steps=steps,
        shed_mw=np.array([delivery.shed_mw for delivery in deliveries]),
        demand_mw=valuer.service.demand_mw[[step.level for step in steps]],
        parts=parts,
        verification=_all(checks),
        search_s=searched,
        wall_s=time.perf_counter() - began,
    )


def _all(checks: list[Verification]) -> Verification:
    """The worst of several verifications, and how many hours they are."""
    found: dict[str, Any] = {}
    for field in fields(Verification):
        values = [getattr(check, field.name) for check in checks]
        known = [value for value in values if value is not None]
        count = field.name.startswith("hours_")
        found[field.name] = sum(known) if count else max(known, default=None)
    return replace(checks[0], **found)
