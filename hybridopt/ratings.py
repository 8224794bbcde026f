"""Ratings of distributed generation over the horizon: the decision that couples the hours."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.hours import UNSERVED, Goals
from hybridopt.linked import solve_all_hours

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.dispatch import Dispatcher
    from hybridopt.grid import Plan
    from hybridopt.hours import HourResult
    from hybridopt.result import Dispatch

    Floats = NDArray[np.float64]

ROOM = 1e-6  # relative room on ratings that just suffice: without it no interior point is left


@dataclass(frozen=True)
class Chosen:
    """A plan with its ratings, and its dispatch over the horizon where that was found on the way.

    Attributes
    ----------
    plan : every rating given
    dispatch : of all hours; None when it has to be solved with these ratings
    """

    plan: Plan
    dispatch: Dispatch | None


def choose_ratings(
    dispatcher: Dispatcher, plan: Plan, budget_left: float, *, complete: bool = True
) -> Chosen:
    """Choose the ratings that a plan leaves open, by the case's objectives in their order.

    Parameters
    ----------
    plan : units without a rating are free
    budget_left : currency, what the plan's branches and given ratings leave
    complete : pursue later goals also where not everything can be served

    Notes
    -----
    A larger rating never hurts the dispatch, so a single unit takes all that the budget and the
    limits allow unless the plan's cost counts. Otherwise the hours are one problem with one rating
    per unit. Where only the plan's cost counts, the hours enter that problem as they prove to
    bind: fewer hours are a relaxation, so ratings that serve all hours are optimal.
    """
    free = [unit for unit in plan.units if unit.rating_mw is None]
    if not free:
        return Chosen(plan, None)
    sites = dispatcher.sites
    cap = _largest_rating(dispatcher, budget_left)
    stages = dispatcher.settings.stages()
    by_cost = any("plan_cost" in goals for goals in stages)
    together = sites.cost_per_mw * min(cap, sites.max_mw) * len(free) > budget_left
    together |= np.isfinite(sites.penetration_limit)
    if not by_cost and (len(free) == 1 or not together):
        return Chosen(_fill(plan, min(cap, sites.max_mw)), None)
    hold = {"plan_cost": budget_left + _given_cost(dispatcher, plan)}
    unserved, _ = unserved_at_peak(dispatcher, plan, budget_left)
    full = unserved <= dispatcher.settings.unserved_tolerance_mw
    after = stages[stages.index(UNSERVED) + 1] if stages[0] == UNSERVED else None
    if full and after == {"plan_cost": 1.0} and not dispatcher.hours_are_linked:
        found = _cheapest_full_service(dispatcher, plan, cap, hold)
        if found is not None:
            return found
    return _coupled(dispatcher, plan, cap, hold, stages, full, complete)


def unserved_at_peak(dispatcher: Dispatcher, plan: Plan, budget_left: float) -> tuple[float, str]:
    """Least unserved power at the peak hour, whatever the ratings within the budget.

    Returns
    -------
    unserved_mw : MW, weighted by priority, without what no plan can reach; inf if nothing solves
    status : of the solution
    """
    cap = _largest_rating(dispatcher, budget_left)
    peak = dispatcher.peak_state(plan, cap)
    hold = {"plan_cost": budget_left + _given_cost(dispatcher, plan)}
    result = dispatcher.hour.solve(peak, [UNSERVED], hold, expect_full=False, complete=False)
    dispatcher.count(result)
    found = result.unserved_mwh if result.solution.ok else np.inf
    return float(found), str(result.solution.status)


def ratings_cost_at_peak(dispatcher: Dispatcher, plan: Plan, budget_left: float) -> float:
    """Least cost of ratings that serve the peak hour in full, currency.

    A lower bound on what they cost over all hours; -inf where no solution was found.
    """
    cap = _largest_rating(dispatcher, budget_left)
    hold = {"plan_cost": budget_left + _given_cost(dispatcher, plan)}
    result = _over(dispatcher, plan, cap, hold, {"plan_cost": 1.0}, [dispatcher.peak_level])
    return float(result.solution.objective) if result.solution.ok else -np.inf


def _largest_rating(dispatcher: Dispatcher, budget_left: float) -> float:
    """Largest rating of one unit that budget and penetration allow, MW."""
    sites = dispatcher.sites
    p, q = dispatcher.grid.demand()
    peak = float(dispatcher.levels.factor[dispatcher.peak_level] @ p) * dispatcher.grid.base_mva
    size = float(np.hypot(p, q).sum() * dispatcher.levels.factor.max()) * dispatcher.grid.base_mva
    caps = [4.0 * size + 1.0]  # beyond any use; keeps the problem bounded
    if sites.cost_per_mw > 0:
        caps.append(max(budget_left, 0.0) / sites.cost_per_mw)
    if sites.penetration_on_capacity:
        caps.append(sites.penetration_limit * peak)
    return min(caps)


def _given_cost(dispatcher: Dispatcher, plan: Plan) -> float:
    """Cost of the ratings that the plan gives; the model's row counts them too."""
    given = sum(unit.rating_mw for unit in plan.units if unit.rating_mw is not None)
    return dispatcher.sites.cost_per_mw * given


def _fill(plan: Plan, rating_mw: float) -> Plan:
    """Give every free unit the same rating."""
    units = tuple(replace(u, rating_mw=rating_mw) if u.rating_mw is None else u for u in plan.units)
    return replace(plan, units=units)


def _read_ratings(
    dispatcher: Dispatcher, plan: Plan, result: HourResult, budget: float, room: float = 0.0
) -> Plan:
    """Fill in the ratings of a solution.

    ``budget`` is what all ratings may cost, ``room`` what is added to them (relative).
    """
    model = (dispatcher.hour if len(result.state.dt) == 1 else dispatcher.coupled).model
    value = model.value(result.solution, model.rating) * (1 + room)
    filled = dispatcher.with_ratings(plan, value)
    cost = dispatcher.sites.cost_per_mw * sum(u.rating_mw or 0.0 for u in filled.units)
    # Ipopt meets the budget to 1e-8; a cap is a cap.
    scale = min(1.0, budget / cost) if cost > 0 else 1.0
    units = tuple(
        replace(new, rating_mw=(new.rating_mw or 0.0) * scale) if old.rating_mw is None else old
        for old, new in zip(plan.units, filled.units, strict=True)
    )
    return replace(plan, units=units)


def _cheapest_full_service(
    dispatcher: Dispatcher, plan: Plan, cap: float, hold: dict[str, float]
) -> Chosen | None:
    """Least ratings that serve every hour in full; None when there are none."""
    goal: Goals = {"plan_cost": 1.0}
    binding = [dispatcher.peak_level]
    results: dict[int, HourResult] = {}
    while True:
        result = _over(dispatcher, plan, cap, hold, goal, binding)
        if not result.solution.ok:
            return None
        filled = _read_ratings(dispatcher, plan, result, hold["plan_cost"], ROOM)
        results = dispatcher.solve_levels(filled)
        short = [level for level in dispatcher.order if results[int(level)].unserved_mwh != 0.0]
        short = [int(level) for level in short if int(level) not in binding]
        if not short:
            hours = dispatcher.horizon.hours
            dispatch = dispatcher.read(filled, results, dispatcher.levels.of_hour, hours)
            return Chosen(filled, dispatch)
        binding.append(short[0])


def _over(
    dispatcher: Dispatcher,
    plan: Plan,
    cap: float,
    hold: dict[str, float],
    goal: Goals,
    levels: list[int],
) -> HourResult:
    """Pursue one goal over some levels, all of them served in full."""
    if len(levels) == 1:
        solver = dispatcher.hour
        state = dispatcher.peak_state(plan, cap)
    else:
        solver = dispatcher.coupled
        state = dispatcher.state(plan, np.arange(len(dispatcher.levels.weight_h)), cap)
        out = np.ones(len(state.dt), dtype=bool)
        out[levels] = False
        state.dt[out] = 0.0
    state = replace(state, must_serve=np.ones_like(state.must_serve))
    result = solver.solve_running(state, [goal], hold, False)
    dispatcher.count(result)
    return result


def _coupled(
    dispatcher: Dispatcher,
    plan: Plan,
    cap: float,
    hold: dict[str, float],
    stages: list[Goals],
    full: bool,
    complete: bool,
) -> Chosen:
    """All hours as one problem, goal by goal."""
    levels = np.arange(len(dispatcher.levels.weight_h))
    state = dispatcher.state(plan, levels, cap)
    result = solve_all_hours(dispatcher, state, stages, hold, full, complete)
    if not result.solution.ok:
        # Some hour may need idle units: find them with every rating at its largest.
        alone = dispatcher.solve_levels(_fill(plan, min(cap, dispatcher.sites.max_mw)))
        gen_on = np.vstack([alone[int(level)].state.gen_on for level in levels])
        idle = replace(state, gen_on=gen_on)
        result = solve_all_hours(dispatcher, idle, stages, hold, False, complete)
    if not result.solution.ok:
        return Chosen(_fill(plan, 0.0), None)
    filled = _read_ratings(dispatcher, plan, result, hold["plan_cost"])
    return Chosen(filled, dispatcher.read_coupled(filled, result))


def ratings_at_peak(
    dispatcher: Dispatcher, plan: Plan, budget_left: float, *, complete: bool = True
) -> tuple[Plan, Dispatch]:
    """Ratings and delivery at the peak hour alone (stage 1 of Diaz Vargas et al. 2024).

    Parameters
    ----------
    complete : pursue later objectives also where not everything can be served
    """
    cap = _largest_rating(dispatcher, budget_left)
    level = dispatcher.peak_level
    state = dispatcher.peak_state(plan, cap)
    hold = {"plan_cost": budget_left + _given_cost(dispatcher, plan)}
    given = all(unit.rating_mw is not None for unit in plan.units)
    stages = dispatcher.settings.stages(break_ties=False)
    if given:
        stages = [goals for goals in stages if goals != {"plan_cost": 1.0}]
    result = dispatcher.hour.solve(
        state, stages, None if given else hold, expect_full=False, complete=complete
    )
    dispatcher.count(result)
    filled = _read_ratings(dispatcher, plan, result, hold["plan_cost"], ROOM)
    hours = dispatcher.horizon.hours[dispatcher.levels.of_hour == level][:1]
    return filled, dispatcher.read(filled, {level: result}, np.array([level]), hours)
