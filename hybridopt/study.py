"""The whole study on one page: event, search, dispatch, verification."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.dispatch import Dispatcher
from hybridopt.errors import HybridoptError, NoSolutionError
from hybridopt.evaluate import Candidate, Evaluation, Evaluator
from hybridopt.export import plan_net
from hybridopt.grid import Plan
from hybridopt.moves import plan_operators
from hybridopt.network_flow import load_flow_before
from hybridopt.network_scenario import Scenario, load_case
from hybridopt.progress import NoProgress
from hybridopt.solvers.genetic import GeneticOptions, Run, minimize
from hybridopt.solvers.workers import Workers
from hybridopt.stages import DeadIsland, Stage, dead_islands, stage_of
from hybridopt.verify import Verification, verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hybridopt.progress import Progress
    from hybridopt.result import Dispatch


@dataclass(frozen=True, eq=False)
class Check:
    """A case before any plan is looked at.

    Attributes
    ----------
    before, after : the peak hour before and after the event
    dispatch : what the damaged grid serves in every hour
    dead : islands without voltage after the event
    """

    scenario: Scenario
    before: Stage
    after: Stage
    dispatch: Dispatch
    dead: list[DeadIsland]
    wall_s: float


@dataclass(frozen=True, eq=False)
class StudyResult:
    """A finished study.

    Attributes
    ----------
    check : the case before and after the event
    run : the search;  best : its best plan
    dispatch : of the best plan, every hour
    verification : pandapower's word on it
    time : seconds. compile_s, solve_s and rest_s (our own code) are those of the search, summed
        over its processes; verify_s and wall_s are of this process.
    """

    check: Check
    seed: int
    run: Run[Plan, Evaluation]
    best: Evaluation
    dispatch: Dispatch
    dead: list[DeadIsland]
    verification: Verification
    time: dict[str, float]

    @property
    def scenario(self) -> Scenario:
        """The case and its network."""
        return self.check.scenario

    @property
    def after_plan(self) -> Stage:
        """The peak hour after the plan."""
        return stage_of(self.dispatch, peak_row(self.dispatch))

    @property
    def net(self) -> Any:
        """A pandapower net with the plan applied and the peak hour's set-points; see `plan_net`."""
        return plan_net(self.scenario, self.dispatch, peak_row(self.dispatch))

    @property
    def fully_served(self) -> bool:
        """Whether nothing is unserved in any hour."""
        tolerance = self.scenario.settings.unserved_tolerance_mw
        return bool(np.all(self.dispatch.unserved_mw < tolerance))


def peak_row(dispatch: Dispatch) -> int:
    """Position of the hour with the largest demand."""
    return int(np.argmax(dispatch.demand_mw.sum(axis=1)))


def check_case(scenario: Scenario, progress: Progress | None = None) -> Check:
    """Load flow before the event, delivery after it; no plan is looked at.

    Raises
    ------
    NoSolutionError
        The damaged grid has no feasible point in some hour, even with all load shed.
    """
    progress = progress or NoProgress()
    began = time.perf_counter()
    before = load_flow_before(scenario)
    dispatcher = Dispatcher(
        scenario.damaged, scenario.space.sites, scenario.horizon, scenario.settings
    )
    with progress.task("After the event", len(dispatcher.levels.weight_h)) as advance:
        dispatch = dispatcher.dispatch(Plan(), advance)
    if not dispatch.ok:
        raise NoSolutionError(dispatcher.why_not(Plan()))
    peak = peak_row(dispatch)
    dead = dead_islands(
        dispatch.grid, scenario.grid, dispatch.energised[peak], dispatch.demand_mw[peak], None
    )
    wall_s = time.perf_counter() - began
    return Check(scenario, before, stage_of(dispatch, peak), dispatch, dead, wall_s)


def run_study(
    case: str | Path | Scenario,
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress | None = None,
) -> StudyResult:
    """Run both stages: reconfigure with the genetic algorithm, then dispatch and verify.

    Parameters
    ----------
    case : built-in name, TOML file, or a loaded case
    seed : of all random numbers
    workers : processes; one per core by default. The result doesn't depend on it.
    progress : shows what is going on; silent by default

    Raises
    ------
    InputError
        Everything that is wrong with the case.
    NoSolutionError
        The damaged grid has no feasible point, even with all load shed.
    """
    progress = progress or NoProgress()
    began = time.perf_counter()
    scenario = case if isinstance(case, Scenario) else load_case(case)
    check = check_case(scenario, progress)
    evaluator = Evaluator(
        scenario.damaged,
        scenario.space,
        scenario.horizon,
        scenario.settings,
        scenario.case.dispatch_mode,
    )
    run = search(evaluator, scenario, seed, workers, progress)
    if not run.best.ok:
        raise HybridoptError("no plan could be dispatched; see the generation log")
    dispatcher = evaluator.dispatcher
    if dispatcher.sites != scenario.space.sites:
        dispatcher = Dispatcher(
            scenario.damaged, scenario.space.sites, scenario.horizon, scenario.settings
        )
    with progress.task("Dispatch of the best plan", len(dispatcher.levels.weight_h)) as advance:
        dispatch = dispatcher.dispatch(run.best.plan, advance)
    if not dispatch.ok:
        raise NoSolutionError(dispatcher.why_not(run.best.plan))
    verify_began = time.perf_counter()
    with progress.task("Verification by power flow", len(dispatch.hours)) as advance:
        verification = verify(scenario, dispatch, advance)
    verify_s = time.perf_counter() - verify_began
    peak = peak_row(dispatch)
    dead = dead_islands(
        dispatch.grid,
        scenario.grid,
        dispatch.energised[peak],
        dispatch.demand_mw[peak],
        scenario.space.sites,
    )
    spent = {
        name: sum(getattr(e, name) for e in run.cache.values())
        for name in ("compile_s", "solve_s", "wall_s")
    }
    times = {
        "compile_s": spent["compile_s"],
        "solve_s": spent["solve_s"],
        "rest_s": spent["wall_s"] - spent["compile_s"] - spent["solve_s"],
        "verify_s": verify_s,
        "wall_s": time.perf_counter() - began,
    }
    return StudyResult(check, seed, run, run.best, dispatch, dead, verification, times)


def search(
    evaluator: Evaluator,
    scenario: Scenario,
    seed: int,
    workers: int | None,
    progress: Progress,
) -> Run[Plan, Evaluation]:
    """Run the genetic algorithm over the plans of a case."""
    settings = scenario.case.genetic
    options = GeneticOptions(
        **{name: getattr(settings, name) for name in GeneticOptions.__dataclass_fields__}
    )
    count = min(workers or os.cpu_count() or 1, options.population)
    names = [objective_name(weights) for weights in scenario.settings.objectives]
    with (
        Workers[Candidate, Evaluation](evaluator, count) as pool,
        progress.generations(options.generations, options.population) as report,
    ):

        def evaluate(plans: Sequence[Plan], best: Evaluation | None) -> Iterator[Evaluation]:
            full = best is not None and best.fitness[0] == 0.0
            return pool.map([Candidate(plan, full) for plan in plans])

        run = minimize(evaluate, plan_operators(scenario.space), options, seed, names, report)
    return _settle_ties(run, evaluator)


def _settle_ties(run: Run[Plan, Evaluation], evaluator: Evaluator) -> Run[Plan, Evaluation]:
    """Pursue all objectives for the plans that tie with the best on the first one."""
    first = run.best.fitness[0]
    for plan, evaluation in list(run.cache.items()):
        if evaluation.fitness[0] == first and not (evaluation.complete or evaluation.pruned):
            # The first objective stays as it was: holding it for the others moves it by 1e-7.
            settled = evaluator.evaluate(plan)
            run.cache[plan] = replace(settled, fitness=(first, *settled.fitness[1:]))
    run.best = min(run.cache.values(), key=lambda value: value.fitness)
    return run


def objective_name(weights: dict[str, float]) -> str:
    """Name of an objective, or of a weighted sum, for tables."""
    if len(weights) == 1:
        return next(iter(weights))
    return "weighted_sum"


def economics(result: StudyResult) -> dict[str, Any]:
    """Cost of unserved energy in the named hours, at the flat peak and on the curve, currency."""
    case = result.scenario.case
    hours = list(case.economics.hours)
    price = case.value_of_lost_load
    rows = np.isin(result.dispatch.hours, hours)

    def flat(stage: Stage) -> float:
        return float((stage.load_mw - stage.served_mw).sum()) * len(hours) * price

    def on_curve(dispatch: Dispatch) -> float:
        return float(dispatch.unserved_mw[rows].sum()) * dispatch.dt_h * price

    after, plan = flat(result.check.after), flat(result.after_plan)
    after_curve, plan_curve = on_curve(result.check.dispatch), on_curve(result.dispatch)
    return {
        "hours": hours,
        "unserved_cost_after_event": after,
        "unserved_cost_after_plan": plan,
        "avoided_cost": after - plan,
        "unserved_cost_after_event_on_curve": after_curve,
        "unserved_cost_after_plan_on_curve": plan_curve,
        "avoided_cost_on_curve": after_curve - plan_curve,
    }
