"""Why a plan is what it is: what each element brings, and what stands in the way of the rest."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridopt.grid import Plan, apply_plan
from hybridopt.hours import UNSERVED
from hybridopt.points import point_of
from hybridopt.result import read_point, unit_names
from hybridopt.result_prices import binding_frame

if TYPE_CHECKING:
    from collections.abc import Callable

    from hybridopt.dispatch import Dispatcher
    from hybridopt.plan_space import PlanSpace
    from hybridopt.result import Dispatch

LEAST_GAIN = 1e-3  # MW served per unit; less is the solver's dust
COLUMNS = ("hour", "element", "name", "limit", "value", "served_mw_per_unit", "unit")


@dataclass(frozen=True)
class Contribution:
    """An element of a plan, and the day without it; all else stays as it is, ratings included.

    Attributes
    ----------
    element : "line", "trafo" or "dg";  name : of the branch, or of the unit
    status : of the dispatch without it; where that failed, nothing else is known
    served_mwh, unserved_mwh, operating_cost : of the day without it
    plan_cost : of the plan without it
    lost_mwh : what is served less without it
    more_operating_cost : what operation costs more without it; negative where less is served
    """

    element: str
    name: str
    status: str
    served_mwh: float | None
    unserved_mwh: float | None
    operating_cost: float | None
    plan_cost: float
    lost_mwh: float | None
    more_operating_cost: float | None


@dataclass(frozen=True, eq=False)
class Reasons:
    """Reasons for a plan.

    Attributes
    ----------
    contributions : of each element
    shortfall : see :func:`shortfall_frame`
    """

    contributions: list[Contribution]
    shortfall: pd.DataFrame


def find_reasons(
    dispatcher: Dispatcher,
    space: PlanSpace,
    plan: Plan,
    dispatch: Dispatch,
    advance: Callable[[], None] = lambda: None,
) -> Reasons:
    """Look for the reasons of a plan.

    Parameters
    ----------
    dispatcher : which dispatched the plan
    plan : with its ratings;  dispatch : its day
    advance : called for each element
    """
    found = []
    for element, name, without in left_out(dispatcher, plan):
        found.append(_contribution(dispatcher, space, without, dispatch, element, name))
        advance()
    return Reasons(found, shortfall_frame(dispatcher, plan, dispatch))


def left_out(dispatcher: Dispatcher, plan: Plan) -> list[tuple[str, str, Plan]]:
    """Kind, name and the rest of the plan for each of its elements."""
    grid = dispatcher.grid
    found = []
    for k in plan.branches:
        rest = tuple(b for b in plan.branches if b != k)
        found.append((grid.branch_kind[k], grid.branch_name[k], replace(plan, branches=rest)))
    for line in plan.new_lines:
        others = tuple(x for x in plan.new_lines if x != line)
        name = grid.branch_name[line.branch]
        found.append(("line", name, replace(plan, new_lines=others)))
    names = unit_names(grid, plan.units)[grid.n_gen :]
    for unit, name in zip(plan.units, names, strict=True):
        units = tuple(u for u in plan.units if u != unit)
        found.append(("dg", name, replace(plan, units=units)))
    return found


def _contribution(
    dispatcher: Dispatcher,
    space: PlanSpace,
    without: Plan,
    dispatch: Dispatch,
    element: str,
    name: str,
) -> Contribution:
    rest = dispatcher.dispatch(without)
    cost = space.cost(without)
    if not rest.ok:
        bad = next(s for s in rest.status if s not in ("optimal", "acceptable"))
        return Contribution(element, name, bad, None, None, None, cost, None, None)
    demand = float(rest.demand_mw.sum()) * rest.dt_h
    status = "acceptable" if "acceptable" in rest.status else "optimal"
    return Contribution(
        element,
        name,
        status,
        served_mwh=demand - rest.unserved_mwh,
        unserved_mwh=rest.unserved_mwh,
        operating_cost=rest.operating_cost,
        plan_cost=cost,
        lost_mwh=rest.unserved_mwh - dispatch.unserved_mwh,
        more_operating_cost=rest.operating_cost - dispatch.operating_cost,
    )


def shortfall_frame(dispatcher: Dispatcher, plan: Plan, dispatch: Dispatch) -> pd.DataFrame:
    """What relaxing a limit would serve in hours in which load is unserved.

    The multipliers of the maximum load delivery of the hour. Buses stand among the limits as
    ``supply``: what one MW given to the bus would serve. Loads weighted by priority count with
    their weight. Dead islands have no prices; storage stands still; where hours are linked, there
    are none.

    Returns
    -------
    DataFrame
        hour, element, name, limit, value (of the limit), served_mw_per_unit, unit; the best of
        each hour first.
    """
    rows: list[dict[str, Any]] = []
    short = dispatch.unserved_mw > dispatcher.settings.unserved_tolerance_mw
    levels = dispatcher.levels.of_hour
    for level in [] if dispatcher.hours_are_linked else np.unique(levels[short]):
        limits = _delivery_limits(dispatcher, plan, int(level))
        hours = dispatch.hours[short & (levels == level)]
        rows += [{**row, "hour": hour} for hour in hours for row in limits]
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    order = {"by": ["hour", "served_mw_per_unit"], "ascending": [True, False], "kind": "stable"}
    return found.sort_values(**order, ignore_index=True)


def _delivery_limits(dispatcher: Dispatcher, plan: Plan, level: int) -> list[dict[str, Any]]:
    """Limits that bind when a level's load delivery is largest, and what they hold back."""
    at = np.array([level])
    state = dispatcher.state(plan, at)
    state.dt[:] = 1.0
    model = dispatcher.hour.model
    if not model.energised(state)[0].any():
        return []
    result = dispatcher.hour.solve(state, [UNSERVED], expect_full=False, complete=False)
    if not result.solution.ok:
        return []
    point = replace(point_of(plan, model, result), priced=np.ones(1, dtype=bool))
    grid = apply_plan(dispatcher.grid, plan)
    factor = dispatcher.levels.factor[at]
    solved = read_point(grid, dispatcher.sites, plan.units, factor, np.zeros(1, np.int64), point)
    limits = binding_frame(solved).rename(columns={"price_per_unit": "served_mw_per_unit"})
    rows = [{str(k): v for k, v in row.items()} for row in limits.to_dict("records")]
    if solved.prices is not None:
        bus = {"element": "bus", "limit": "supply", "value": np.nan, "unit": "MW"}
        rows += [
            {**bus, "name": label, "served_mw_per_unit": gain}
            for label, gain in zip(grid.bus_id, solved.prices.energy[0], strict=True)
        ]
    return [row for row in rows if row["served_mw_per_unit"] > LEAST_GAIN]
