"""The hours of an order of repairs dispatched in full: cost, voltages, flows, step by step."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.errors import NoSolutionError
from hybridopt.grid import Plan
from hybridopt.hours import HourResult
from hybridopt.repair_service import HELD, HOURS, HeldService

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hybridopt.compiled import State
    from hybridopt.dispatch import Dispatcher
    from hybridopt.repair_service import Service
    from hybridopt.repair_value import Step, Valuer
    from hybridopt.result import Dispatch

    Floats = NDArray[np.float64]

COST = {"operating_cost": 1.0}


def dispatch_steps(
    valuer: Valuer, steps: Sequence[Step], advance: Callable[[], None] = lambda: None
) -> list[tuple[list[Step], Dispatch]]:
    """Dispatch steps, in groups with the same elements repaired; hours are those of the day.

    Raises
    ------
    NoSolutionError
        A step has no feasible point, even with all load shed.
    """
    found = []
    for node, group in groupby(steps, key=lambda step: step.node):
        here = list(group)
        levels = np.array([step.level for step in here])
        hours = np.array([clock_hour(valuer, step) for step in here])
        dispatcher = valuer.service.dispatcher(here[0].repaired)
        results = _solve(valuer.service, dispatcher, node, levels)
        if not all(result.solution.ok for result in results.values()):
            names = [job.name for i, job in enumerate(valuer.problem.jobs) if _has(here[0], i)]
            done = ", ".join(names) or "nothing"
            raise NoSolutionError(f"with {done} repaired, {dispatcher.why_not(Plan())}")
        found.append((here, dispatcher.read(Plan(), results, levels, hours)))
        for _ in here:
            advance()
    return found


def _has(step: Step, job: int) -> bool:
    return bool(step.repaired >> job & 1)


def clock_hour(valuer: Valuer, step: Step) -> int:
    """Hour of the day, 1..24, in which a step lies."""
    return (valuer.problem.terms.start_hour - 1 + int(step.from_h)) % HOURS + 1


def _solve(
    service: Service, dispatcher: Dispatcher, node: int, levels: NDArray[np.int64]
) -> dict[int, HourResult]:
    """Solve each distinct level once, the heaviest first."""
    distinct = [int(k) for k in dispatcher.order if k in levels]
    if not isinstance(service, HeldService):
        return dispatcher.solve_levels(Plan(), np.array(distinct))
    results: dict[int, HourResult] = {}
    for level in distinct:
        held = _held(dispatcher, *service.kept(node, level)[:2])
        results |= {level: held} if held else dispatcher.solve_levels(Plan(), np.array([level]))
    return results


def _held(dispatcher: Dispatcher, state: State, share: Floats) -> HourResult | None:
    """Least cost with the shares of loads given; None where that has no feasible point."""
    model, options = dispatcher.hour.model, dispatcher.settings.options
    bounds = model.bounds(state, COST)
    columns = model.served[0]
    at = np.flatnonzero(columns >= 0)
    at = at[bounds.x_min[columns[at]] < bounds.x_max[columns[at]]]
    bounds.x_max[columns[at]] = bounds.x_start[columns[at]] = share[at]
    bounds.x_min[columns[at]] = np.where(share[at] == 1.0, 1.0, (share[at] - HELD).clip(0.0))
    found = model.nlp.solve(bounds, options)
    if not found.ok:
        return None
    lost = ((1 - share[at]) * state.p_demand[0, at]).sum() * model.grid.base_mva
    unserved = 0.0 if lost < dispatcher.settings.unserved_tolerance_mw else float(lost)
    return HourResult(found, state, COST, unserved, found.iterations, 1, found.solve_s)
