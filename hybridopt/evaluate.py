"""What a plan is worth: cheap exact checks, delivery or dispatch, fitness.

An Evaluator is a picklable description; each process compiles its models on the first plan.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.case_schema import OBJECTIVES
from hybridopt.dispatch import Dispatcher
from hybridopt.grid import Plan, Unit
from hybridopt.ratings import (
    choose_ratings,
    ratings_at_peak,
    ratings_cost_at_peak,
    unserved_at_peak,
)
from hybridopt.settings import Settings

if TYPE_CHECKING:
    from hybridopt.case import Horizon
    from hybridopt.grid import Grid
    from hybridopt.plan_space import PlanSpace
    from hybridopt.result import Dispatch

FAILED = float("inf")
NO_RATING_MW = 1e-3  # a rating below this is no unit
PRUNING_ROOM = 1e-5  # relative; the solver's accuracy stays well below it


@dataclass(frozen=True)
class Evaluation:
    """What is known of one plan.

    Attributes
    ----------
    plan : with the ratings that were chosen
    fitness : values of the objectives in their order, to minimise; inf where it failed
    values : of everything that an objective can name
    complete : False where later objectives were not pursued, because not everything could be
        served; they only decide between plans that serve the same
    pruned : True where the peak alone proved the plan worse than one known before; objectives
        are then an estimate (unserved energy) or a lower bound (plan cost) from it, others inf
    status : of the worst hour
    solves, iterations : nonlinear programs and Ipopt iterations
    compile_s, solve_s, wall_s : seconds spent compiling, in Ipopt, and in all
    reason : why there is nothing known of the plan, where its evaluation was lost
    """

    plan: Plan
    fitness: tuple[float, ...]
    values: dict[str, float]
    complete: bool
    pruned: bool
    status: str
    solves: int
    iterations: int
    compile_s: float
    solve_s: float
    wall_s: float
    reason: str = ""

    @property
    def ok(self) -> bool:
        """Whether the plan could be dispatched."""
        return self.status in ("optimal", "acceptable")


@dataclass(frozen=True)
class Candidate:
    """A plan to evaluate.

    Attributes
    ----------
    best : fitness of the best plan known; empty without one
    complete : pursue later objectives also where not everything can be served
    """

    plan: Plan
    best: tuple[float, ...] = ()
    complete: bool = False


@dataclass
class Evaluator:
    """Candidate -> Evaluation, the same for the same plan in any process.

    Attributes
    ----------
    damaged : grid after the event, with every branch that a plan could close
    mode : "each" (dispatch every plan over the horizon) or "winner" (delivery at the peak)
    """

    damaged: Grid
    space: PlanSpace
    horizon: Horizon
    settings: Settings
    mode: str
    _dispatcher: Dispatcher | None = field(default=None, init=False, repr=False)

    @property
    def dispatcher(self) -> Dispatcher:
        """Compiled models of this process."""
        if self._dispatcher is None:
            sites = self.space.sites
            if self.mode == "winner":  # at the peak a unit delivers what is planned, not more
                sites = replace(sites, max_p_ratio=1.0)
            self._dispatcher = Dispatcher(self.damaged, sites, self.horizon, self.settings)
        return self._dispatcher

    def share(self, dispatcher: Dispatcher) -> None:
        """Use models that are compiled already; see :meth:`Dispatcher.for_state`."""
        self._dispatcher = dispatcher

    def __getstate__(self) -> dict[str, Any]:
        """Compiled models stay in their process."""
        return {**self.__dict__, "_dispatcher": None}

    def __call__(self, candidate: Candidate) -> Evaluation:
        """Evaluate a plan as far as the search needs.

        When a plan is known that leaves nothing unserved, one that cannot serve the peak hour,
        whatever its ratings, is not dispatched over the horizon; nor one whose ratings for the
        peak hour alone make it dearer, where plans are compared by their cost next.
        """
        if candidate.best[:1] == (0.0,) and self._serving_comes_first():
            pruned = self._prune(candidate.plan, candidate.best)
            if pruned is not None:
                return pruned
        return self.evaluate(candidate.plan, complete=candidate.complete)

    def _serving_comes_first(self) -> bool:
        return self.mode == "each" and set(self.settings.objectives[0]) == {"unserved_mwh"}

    def _prune(self, plan: Plan, best: tuple[float, ...]) -> Evaluation | None:
        """The evaluation of a plan that the peak hour proves worse; None for the others."""
        began, d = time.perf_counter(), self.dispatcher
        before = self._work()
        left = self.space.left_for_ratings(plan)
        unserved, status = unserved_at_peak(d, plan, left)
        n_later = len(self.settings.objectives) - 1
        if unserved > self.settings.unserved_tolerance_mw:
            # Ranks losers among one another: the peak's shortfall over the day's load hours.
            load = self.horizon.load_factor @ self.damaged.demand()[0]
            estimate = unserved * float(load.sum() / load.max()) * self.horizon.dt_h
            known = {"unserved_mwh": estimate, "unserved_peak_mw": unserved}
            fitness = (float(f"{estimate:.6e}"), *(FAILED,) * n_later)
        elif n_later and self.settings.objectives[1] == {"plan_cost": 1.0}:
            cost = self.space.branch_cost(plan) + ratings_cost_at_peak(d, plan, left)
            if not cost > best[1] * (1 + PRUNING_ROOM):
                return None
            known = {"unserved_mwh": 0.0, "unserved_peak_mw": 0.0, "plan_cost": cost}
            fitness = (0.0, float(f"{cost:.6e}"), *(FAILED,) * (n_later - 1))
        else:
            return None
        return Evaluation(
            plan=plan,
            fitness=fitness,
            values=dict.fromkeys(OBJECTIVES, FAILED) | known,
            complete=False,
            pruned=True,
            status=status,
            **self._spent(before, began),
        )

    def _work(self) -> tuple[float, ...]:
        d = self.dispatcher
        return d.solves, d.iterations, d.compile_s, d.solve_s

    def _spent(self, before: tuple[float, ...], began: float) -> dict[str, Any]:
        """Work done since ``before``, as an Evaluation counts it."""
        names = ("solves", "iterations", "compile_s", "solve_s")
        spent: dict[str, Any] = {
            name: now - then for name, now, then in zip(names, self._work(), before, strict=True)
        }
        return spent | {"wall_s": time.perf_counter() - began}

    def evaluate(self, plan: Plan, *, complete: bool = True) -> Evaluation:
        """Evaluate a plan.

        Parameters
        ----------
        plan : within the budget; units without a rating get the best one
        complete : pursue later objectives also where not everything can be served
        """
        began = time.perf_counter()
        d = self.dispatcher
        before = self._work()
        left = self.space.left_for_ratings(plan)
        if self.mode == "winner":
            rated, dispatch = ratings_at_peak(d, plan, left, complete=complete)
        else:
            chosen = choose_ratings(d, plan, left, complete=complete)
            rated = chosen.plan
            dispatch = chosen.dispatch or d.dispatch(rated, complete=complete)
        if dispatch.ok and self.mode == "each":
            rated = self._trim(plan, rated, dispatch)
            if len(rated.units) < len(plan.units):  # without a unit it is another plan
                kept = {unit.bus for unit in rated.units}
                fewer = tuple(unit for unit in plan.units if unit.bus in kept)
                found = self.evaluate(replace(plan, units=fewer), complete=complete)
                return replace(found, **self._spent(before, began))
        elif dispatch.ok:
            rated = self._without_empty(plan, rated, dispatch)
        values = self.values(rated, dispatch)
        over = self._over_penetration(rated)
        return Evaluation(
            plan=rated,
            fitness=self.fitness(values) if dispatch.ok and not over else self._failed(),
            values=values,
            complete=complete or values["unserved_mwh"] == 0.0,
            status="infeasible" if over else worst_status(dispatch),
            pruned=False,
            **self._spent(before, began),
        )

    def values(self, plan: Plan, dispatch: Dispatch) -> dict[str, float]:
        """What objectives can name, of a dispatched plan."""
        tolerance = self.settings.unserved_tolerance_mw
        unserved = np.where(dispatch.unserved_mw < tolerance, 0.0, dispatch.unserved_mw)
        peak = int(np.argmax(dispatch.demand_mw.sum(axis=1)))
        return {
            "unserved_mwh": float(unserved.sum() * dispatch.dt_h),
            "unserved_peak_mw": float(unserved[peak]),
            "operating_cost": dispatch.operating_cost,
            "plan_cost": self.space.cost(plan),
            "loss_mwh": dispatch.loss_mwh,
            "curtailed_mwh": dispatch.curtailed_mwh,
        }

    def fitness(self, values: dict[str, float]) -> tuple[float, ...]:
        """Objectives in their order, rounded to 1e-6 relative so that equal plans tie."""
        sums = (
            sum(weight * values[name] for name, weight in weights.items())
            for weights in self.settings.objectives
        )
        return tuple(float(f"{value:.6e}") for value in sums)

    def _over_penetration(self, plan: Plan) -> bool:
        """Whether ratings exceed the limit on capacity, as standard sizes can."""
        d, sites = self.dispatcher, self.space.sites
        peak = float(np.max(d.levels.factor @ d.grid.demand()[0])) * d.grid.base_mva
        installed = sum(unit.rating_mw or 0.0 for unit in plan.units)
        limit = sites.penetration_limit * peak if sites.penetration_limit < np.inf else np.inf
        return sites.penetration_on_capacity and installed > limit * (1 + 1e-5)

    def _failed(self) -> tuple[float, ...]:
        return (FAILED,) * len(self.settings.objectives)

    def _trim(self, asked: Plan, rated: Plan, dispatch: Dispatch) -> Plan:
        """Reduce ratings that were free to what the dispatch uses; drop units without use.

        Changes nothing in the dispatch, and saves money. Where the plan's cost is an objective,
        the ratings are as small as they can be already.
        """
        sites = self.space.sites
        by_cost = any("plan_cost" in weights for weights in self.settings.objectives)
        n_gen = self.damaged.n_gen
        profile = sites.max_p_ratio * self.horizon.dg_profile
        units: list[Unit] = []
        spare: list[Unit] = []
        for k, (old, new) in enumerate(zip(asked.units, rated.units, strict=True)):
            if old.rating_mw is not None:
                units.append(new)
                continue
            p, q = dispatch.p_mw[:, n_gen + k], float(np.max(abs(dispatch.q_mvar[:, n_gen + k])))
            used = float(np.max(p[profile > 0] / profile[profile > 0], initial=0.0))
            if 0 < sites.tan_phi < np.inf:
                used = max(used, q / sites.tan_phi / sites.max_p_ratio)
            unlimited = np.isinf(sites.tan_phi) and q > NO_RATING_MW
            needed = used > NO_RATING_MW or unlimited or sites.min_mw > 0
            most = new.rating_mw or 0.0
            rating = most if by_cost else min(max(used, sites.min_mw), most)
            unit = replace(new, rating_mw=rating)
            (units if needed else spare).append(unit)
        kept = tuple(sorted(units + self._holding(dispatch, units, spare)))
        return replace(rated, units=kept)

    def _without_empty(self, asked: Plan, rated: Plan, dispatch: Dispatch) -> Plan:
        """Drop units whose rating was free and came out as nothing."""
        pairs = list(zip(asked.units, rated.units, strict=True))
        spare = [
            new
            for old, new in pairs
            if old.rating_mw is None and (new.rating_mw or 0.0) <= NO_RATING_MW
        ]
        units = [new for _, new in pairs if new not in spare]
        kept = tuple(sorted(units + self._holding(dispatch, units, spare)))
        return replace(rated, units=kept)

    def _holding(self, dispatch: Dispatch, kept: list[Unit], spare: list[Unit]) -> list[Unit]:
        """Of the units without use, the first in each island that nothing else energises."""
        grid, island = dispatch.grid, dispatch.grid.islands()
        if not self.space.sites.grid_forming:
            return []
        steady = grid.gen_forming & dispatch.running[:, : grid.n_gen].all(axis=0)
        held = {int(island[bus]) for bus in (*grid.gen_bus[steady], *(u.bus for u in kept))}
        first = {int(island[unit.bus]): unit for unit in reversed(spare)}
        return [unit for number, unit in first.items() if number not in held]


def worst_status(dispatch: Dispatch) -> str:
    """The worst of the hours' statuses."""
    order = ["optimal", "acceptable", "infeasible", "failed"]
    return max(dispatch.status, key=order.index)


def failed(n_objectives: int, candidate: Candidate, reason: str) -> Evaluation:
    """The evaluation of a plan on which worker processes were lost."""
    return Evaluation(
        plan=candidate.plan,
        fitness=(FAILED,) * n_objectives,
        values=dict.fromkeys(OBJECTIVES, FAILED),
        complete=True,
        pruned=False,
        status="failed",
        solves=0,
        iterations=0,
        compile_s=0.0,
        solve_s=0.0,
        wall_s=0.0,
        reason=reason,
    )
