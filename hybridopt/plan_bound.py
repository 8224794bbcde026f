"""How good a plan could possibly be: proven bounds on service and on the cost of full service.

A relaxation of the AC dispatch with the plan's choices in it (:mod:`hybridopt.models.bound`) is
solved as a mixed-integer linear program. What is reported is the solver's dual bound, never its
incumbent, less a margin for tolerances; at any time limit it is as valid as later.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.bound_solve import Relaxation, Solved
from hybridopt.errors import Finding, InputError
from hybridopt.levels import available
from hybridopt.models.bound import Hour
from hybridopt.models.bound_plan import Choices
from hybridopt.progress import NoProgress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.dispatch import Dispatcher
    from hybridopt.evaluate import Evaluator
    from hybridopt.grid import Plan
    from hybridopt.network_scenario import Scenario
    from hybridopt.plan_space import PlanSpace
    from hybridopt.progress import Progress

    Floats = NDArray[np.float64]

TIME_LIMIT_S = 300.0
CONTRADICTION = 1e-4  # relative; Ipopt's accuracy and the tolerance of full service stay below it
PROVEN = 1e-6  # relative difference of found and bound that is none; fitness is rounded to it


@dataclass(frozen=True)
class Bound:
    """A proven limit beside what was found.

    Attributes
    ----------
    kind : "served_mwh" (over the horizon), "served_mw" (at the peak hour) or "plan_cost"
        (of serving everything)
    value : no plan within the budget serves more, or serves everything for less
    found : the same of the plan at hand
    rounds : mixed-integer programs
    mip_gap : relative, of the worst of them; what is left is the relaxation's own gap
    wall_s : s
    complete : whether every program was solved in time
    is_aim : whether plans are compared by this
    """

    kind: str
    value: float
    found: float
    rounds: int
    mip_gap: float
    wall_s: float
    complete: bool
    is_aim: bool = True

    @property
    def better(self) -> float:
        """How much better a plan could be at most, in the unit of the bound."""
        found, value = self.found, self.value
        return max(found - value if self.kind == "plan_cost" else value - found, 0.0)

    @property
    def gap_percent(self) -> float:
        """The same in % of the larger of both."""
        return 100.0 * self.better / max(abs(self.value), abs(self.found), 1e-12)

    @property
    def proven_best(self) -> bool:
        """Whether nothing better exists."""
        return self.gap_percent <= 100.0 * PROVEN and not self.contradicted

    @property
    def contradicted(self) -> bool:
        """Whether the plan found is better than the bound allows: one of both is wrong."""
        beyond = self.value - self.found if self.kind == "plan_cost" else self.found - self.value
        return beyond > CONTRADICTION * max(abs(self.value), abs(self.found))

    def as_dict(self) -> dict[str, Any]:
        """What summary.json holds."""
        solved = (
            "kind",
            "value",
            "gap_percent",
            "found",
            "rounds",
            "mip_gap",
            "wall_s",
            "complete",
        )
        names = (*solved, "is_aim", "proven_best", "contradicted")
        return {name: getattr(self, name) for name in names}


def check_bound(scenario: Scenario) -> None:
    """Make sure that the relaxation knows everything a plan may use.

    Raises
    ------
    InputError
        It doesn't; each with its reason.
    """
    findings, grid = [], scenario.damaged
    if scenario.space.line_genes is not None:
        message = "--bound cannot be given with lines of chosen length between any buses"
        findings.append(scenario.case.finding(("resources", "lines", "anywhere"), message))
    here = grid.bus_in_service
    missing = here & ~(np.isfinite(grid.vm_min) & np.isfinite(grid.vm_max))
    if missing.any():
        buses = ", ".join(str(grid.bus_id[b]) for b in np.flatnonzero(missing))
        findings.append(Finding("--bound", f"needs voltage limits at bus {buses}"))
    if findings:
        raise InputError(findings)


def bound_plan(
    scenario: Scenario,
    evaluator: Evaluator,
    found: dict[str, float],
    *,
    plan: Plan | None = None,
    time_limit_s: float = TIME_LIMIT_S,
    progress: Progress | None = None,
) -> Bound:
    """Bound what any plan within the budget could reach.

    Parameters
    ----------
    evaluator : of the plans
    found : values of the plan at hand, as :attr:`Evaluation.values` has them
    plan : the plan at hand; it only helps to be quick
    time_limit_s : s; what is not solved by then counts as reachable

    Returns
    -------
    Bound
        On the cost of full service where the plan serves everything, else on what is served: over
        the horizon, or at the peak hour if that is what plans are compared by.
    """
    check_bound(scenario)
    search = _Search(scenario, evaluator, plan, time_limit_s, progress or NoProgress())
    first, *later = [set(weights) for weights in scenario.settings.objectives]
    at_peak = search.at_peak or first == {"unserved_peak_mw"}
    unserved = found["unserved_peak_mw" if at_peak else "unserved_mwh"]
    if unserved == 0.0:
        bound = search.full_service(found["plan_cost"])
        return replace(bound, is_aim={"plan_cost"} in (first, *later[:1]))
    bound = search.served_at_peak(unserved) if at_peak else search.served(unserved)
    return replace(bound, is_aim=first in ({"unserved_mwh"}, {"unserved_peak_mw"}))


class _Search:
    """Puts the programs together, hour by hour."""

    def __init__(
        self,
        scenario: Scenario,
        evaluator: Evaluator,
        plan: Plan | None,
        time_limit_s: float,
        progress: Progress,
    ) -> None:
        self.dispatcher, self.progress, self.plan = evaluator.dispatcher, progress, plan
        self.choices = choices_of(scenario.space, self.dispatcher)
        self.tolerance = scenario.settings.unserved_tolerance_mw
        self.at_peak = evaluator.mode == "winner"
        self.began, self.time_limit_s = time.perf_counter(), time_limit_s
        d = self.dispatcher
        self.levels = [d.peak_level] if self.at_peak else [int(level) for level in d.order]
        everything, connected = d.grid.demand()[0], d.grid.demand(connected_only=True)[0]
        factor = d.levels.factor * d.grid.base_mva
        self.lost = factor @ (everything - connected).clip(0.0)  # as a dispatch counts them
        self.demand = self.lost + factor @ np.maximum(connected, 0.0)

    def _left(self) -> float:
        return self.time_limit_s - (time.perf_counter() - self.began)

    def _bound(self, kind: str, value: float, found: float, solved: list[Solved]) -> Bound:
        return Bound(
            kind,
            value,
            found,
            sum(s.rounds for s in solved),
            max((s.mip_gap for s in solved), default=0.0),
            time.perf_counter() - self.began,
            all(s.complete for s in solved),
        )

    def served_at_peak(self, unserved_mw: float) -> Bound:
        """Power served at the peak hour."""
        d = self.dispatcher
        level = d.peak_level
        if not self.at_peak:  # over a day the peak counts loads that the event took out, too
            level = int(np.argmax(d.levels.factor @ d.grid.demand()[0]))
        total = float(self.demand[level])
        with self.progress.task("Bound", 1) as advance:
            solved = self._least_unserved(level)
            advance()
        return self._bound(
            "served_mw", total - self._counted(solved, level), total - unserved_mw, [solved]
        )

    def served(self, unserved_mwh: float) -> Bound:
        """Energy served over the horizon: every hour by itself, with a plan of its own."""
        weight = self.dispatcher.levels.weight_h
        total, least, parts = float(weight @ self.demand), 0.0, []
        with self.progress.task("Bound", len(self.levels)) as advance:
            for level in self.levels:
                parts.append(self._least_unserved(level))
                least += float(weight[level]) * self._counted(parts[-1], level)
                advance()
        return self._bound("served_mwh", total - least, total - unserved_mwh, parts)

    def _counted(self, solved: Solved, level: int) -> float:
        """Least unserved power as the evaluation counts it, MW."""
        least = max(solved.bound, 0.0) + float(self.lost[level])
        return least if least >= self.tolerance else 0.0

    def _least_unserved(self, level: int) -> Solved:
        if self._left() <= 0:
            return Solved(0.0, 0, np.inf, False)
        relaxation = Relaxation(self.choices, [hour_of(self.dispatcher, level)])
        relaxation.aim_at_unserved()
        return relaxation.solve(self._left(), float(self.demand[level]), self.plan)

    def full_service(self, found: float) -> Bound:
        """Cost of a plan that serves everything, in the hours that ask for the most."""
        with self.progress.task("Bound", len(self.levels) + 1) as advance:
            cost: dict[int, float] = {}
            for level in self.levels:
                if cost and self._left() < 0.5 * self.time_limit_s:
                    advance()
                    continue
                cost[level] = self._full([level]).relax(self._left())
                advance()
            hardest = max(cost, key=lambda level: cost[level])
            hours = list(dict.fromkeys([hardest, self.levels[0]]))
            solved = self._full(hours).solve(self._left(), max(found, 1.0), self.plan)
            advance()
        value = max([solved.bound, *cost.values(), 0.0])
        return self._bound("plan_cost", min(value, self.choices.budget), found, [solved])

    def _full(self, levels: list[int]) -> Relaxation:
        relaxation = Relaxation(self.choices, [hour_of(self.dispatcher, level) for level in levels])
        relaxation.serve_all(self.tolerance)
        relaxation.aim_at_cost()
        return relaxation


def choices_of(space: PlanSpace, dispatcher: Dispatcher) -> Choices:
    """What a plan may choose from, as the relaxation takes it."""
    grid, sites = dispatcher.grid, dispatcher.sites
    if space.unit_genes is not None:
        planned = space.unit_genes.p_mw
        sites = replace(sites, min_mw=planned.low, max_mw=planned.high)
    p, q = grid.demand()
    size = float(np.hypot(p, q).sum() * dispatcher.levels.factor.max())
    most = max([4.0 * size + 1.0, *(mw / grid.base_mva for mw in space.sizes_mw)])
    if space.unit_genes is not None:
        most = sites.max_mw / grid.base_mva
    budget = space.budget * (1 + 1e-9) + 1e-9  # as PlanSpace.affordable has it
    if sites.cost_per_mw > 0:
        most = min(most, budget / sites.cost_per_mw / grid.base_mva)
    capacity = np.inf
    if sites.penetration_on_capacity and np.isfinite(sites.penetration_limit):
        peak = float(np.max(dispatcher.levels.factor @ p))
        capacity = sites.penetration_limit * peak * (1 + 1e-5)  # as the evaluation has it
    return Choices(
        grid=grid,
        branch=np.array([c.branch for c in space.candidates], dtype=np.int64),
        branch_cost=np.array([c.cost for c in space.candidates], dtype=float),
        sites=sites,
        max_units=space.max_units,
        sizes_mw=space.sizes_mw,
        budget=budget,
        rating_max=most,
        capacity_max=capacity,
    )


def hour_of(dispatcher: Dispatcher, level: int) -> Hour:
    """What one load level asks for."""
    grid, levels = dispatcher.grid, dispatcher.levels
    p, q = grid.demand(connected_only=True)
    factor = levels.factor[level]
    p_max = available(grid.p_max, levels.unit_profile[level][None])[0]
    return Hour(factor * p, factor * q, p_max, float(levels.profile[level]))
