"""The whole study on one page: event, search, dispatch, verification."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.bounds import PlanBounds, by_promise
from hybridopt.checkpoint import Checkpoint
from hybridopt.dispatch import Dispatcher
from hybridopt.errors import Finding, HybridoptError, InputError, NoSolutionError
from hybridopt.evaluate import Candidate, Evaluation, Evaluator, failed
from hybridopt.export import plan_net
from hybridopt.grid import Plan
from hybridopt.interrupt import heard
from hybridopt.moves import plan_operators
from hybridopt.network_built import settle, settle_stage
from hybridopt.network_flow import load_flow_before
from hybridopt.network_scenario import Scenario, load_case
from hybridopt.progress import NoProgress
from hybridopt.result_folder import CHECKPOINT
from hybridopt.seeding import needs
from hybridopt.solvers.exhaustive import enumerate_all
from hybridopt.solvers.genetic import GeneticOptions, minimize
from hybridopt.solvers.search import INTERRUPTED, Run
from hybridopt.solvers.workers import Workers
from hybridopt.stages import DeadIsland, Stage, dead_islands, stage_of
from hybridopt.verify import Verification, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from hybridopt.checkpoint import Method
    from hybridopt.progress import Progress
    from hybridopt.result import Dispatch

MOST_PLANS = 1_000_000  # an exhaustive search keeps them all, with their bounds


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
    method : "genetic" or "exhaustive"
    run : the search;  best : its best plan
    plans : number of plans within the budget, where they were enumerated
    dispatch : of the best plan, every hour
    verification : pandapower's word on it
    time : seconds. compile_s, solve_s and rest_s (our own code) are those of the search, summed
        over its processes; verify_s and wall_s are of this process.
    """

    check: Check
    seed: int
    method: Method
    run: Run[Plan, Evaluation]
    plans: int | None
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
    def finished(self) -> bool:
        """Whether the search ended by itself, not by the clock or the user."""
        return not self.run.stopped_early

    @property
    def interrupted(self) -> bool:
        """Whether the user ended the search."""
        return self.run.stopped_because.startswith(INTERRUPTED)

    @property
    def proven_best(self) -> bool:
        """Whether every plan was evaluated or ruled out by a proven bound."""
        lost = any(e.status == "failed" for e in self.run.cache.values())
        return self.method == "exhaustive" and self.finished and not lost

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
    exhaustive: bool = False,
    keep: Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> StudyResult:
    """Run both stages: reconfigure, then dispatch and verify.

    Parameters
    ----------
    case : built-in name, TOML file, or a loaded case
    seed : of all random numbers
    workers : processes; one per core by default. The result doesn't depend on it.
    exhaustive : look at every plan within the budget, not at those the genetic algorithm breeds
    keep : folder in which the search keeps itself after every generation. Ctrl-C then ends the
        search, not the study: the best plan so far is the result.
    resume : go on from what ``keep`` holds; from the beginning if that is nothing
    progress : shows what is going on; silent by default

    Raises
    ------
    InputError
        Everything that is wrong with the case, or with the search that was kept.
    NoSolutionError
        The damaged grid has no feasible point, even with all load shed.
    """
    progress = progress or NoProgress()
    began = time.perf_counter()
    scenario = case if isinstance(case, Scenario) else load_case(case)
    method: Method = "exhaustive" if exhaustive else "genetic"
    if exhaustive:
        check_count(scenario)
    checkpoint = Checkpoint(keep / CHECKPOINT, scenario, method, seed) if keep else None
    run: Run[Plan, Evaluation] = Run()
    if checkpoint and resume and checkpoint.path.exists():
        run = checkpoint.load()
    check = check_case(scenario, progress)
    evaluator = Evaluator(
        scenario.search_grid,
        scenario.space,
        scenario.horizon,
        scenario.settings,
        scenario.case.dispatch_mode,
    )
    search = _Search(evaluator, scenario, workers, progress, checkpoint)
    plans = None
    try:
        if exhaustive:
            plans = search.every_plan(run)
        else:
            search.breed(run, seed)
    except KeyboardInterrupt:
        if checkpoint is None or not run.cache:
            raise
        heard()
        run.stopped_because = f"{INTERRUPTED} in generation {len(run.log) - 1}"
    _settle_ties(run, evaluator)
    best = run.best
    if not best.ok:
        raise HybridoptError("no plan could be dispatched; see the generation log")
    settled, plan = settle(scenario, best.plan)
    if settled is not scenario:  # from here on there are the lines that it builds, and no others
        check = replace(
            check,
            scenario=settled,
            before=settle_stage(check.before, scenario.grid, settled.grid),
            after=settle_stage(check.after, scenario.grid, settled.grid),
        )
        scenario, best = settled, replace(best, plan=plan)
    dispatcher = evaluator.dispatcher
    if dispatcher.sites != scenario.space.sites or dispatcher.grid is not scenario.damaged:
        dispatcher = Dispatcher(
            scenario.damaged, scenario.space.sites, scenario.horizon, scenario.settings
        )
    with progress.task("Dispatch of the best plan", len(dispatcher.levels.weight_h)) as advance:
        dispatch = dispatcher.dispatch(best.plan, advance)
    if not dispatch.ok:
        raise NoSolutionError(dispatcher.why_not(best.plan))
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
    times = _times(run) | {"verify_s": verify_s, "wall_s": time.perf_counter() - began}
    return StudyResult(check, seed, method, run, plans, best, dispatch, dead, verification, times)


def _times(run: Run[Plan, Evaluation]) -> dict[str, float]:
    """Seconds of the search by what they were spent on, summed over its processes."""
    spent = {
        name: sum(getattr(e, name) for e in run.cache.values())
        for name in ("compile_s", "solve_s", "wall_s")
    }
    rest = spent["wall_s"] - spent["compile_s"] - spent["solve_s"]
    return {"compile_s": spent["compile_s"], "solve_s": spent["solve_s"], "rest_s": rest}


def check_count(scenario: Scenario) -> None:
    """Make sure that the plans of a case can be enumerated.

    Raises
    ------
    InputError
        There are too many.
    """
    count = scenario.space.count()
    if count is None or count > MOST_PLANS:
        shown = "infinitely many" if count is None else f"{count:.3g}"
        message = (
            f"{scenario.case.name} has {shown} plans, more than the {MOST_PLANS:,} that can be "
            "enumerated; leave --exhaustive out for the genetic algorithm"
        )
        raise InputError([Finding("--exhaustive", message)])


class _Search:
    """Searches the plans of a case in several processes, and keeps what it found."""

    def __init__(
        self,
        evaluator: Evaluator,
        scenario: Scenario,
        workers: int | None,
        progress: Progress,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.evaluator, self.scenario, self.progress = evaluator, scenario, progress
        self.workers = workers or os.cpu_count() or 1
        self.checkpoint = checkpoint
        self.names = [objective_name(weights) for weights in scenario.settings.objectives]

    def breed(self, run: Run[Plan, Evaluation], seed: int) -> None:
        """Run the genetic algorithm."""
        settings = self.scenario.case.genetic
        options = GeneticOptions(
            **{name: getattr(settings, name) for name in GeneticOptions.__dataclass_fields__}
        )
        known = needs(self.scenario.space, self.scenario.damaged)
        operators = plan_operators(
            self.scenario.space, known if settings.seeding == "needs" else ()
        )
        with (
            self._pool(options.population) as pool,
            self.progress.generations(options.generations, options.population) as show,
        ):
            report = self._reporting(show)
            evaluate = partial(_evaluate, pool)
            minimize(evaluate, operators, options, seed, self.names, report, run)

    def every_plan(self, run: Run[Plan, Evaluation]) -> int:
        """Evaluate every plan that no bound rules out; the number of plans within the budget."""
        space, limit = self.scenario.space, self.scenario.case.genetic.time_limit_s
        bounds = PlanBounds(self.evaluator)
        count = space.count()
        with self.progress.task("Bounds of all plans", count or 0) as advance:
            ordered = by_promise(bounds, _counted(space.every(), advance))
        with (
            self._pool(len(ordered)) as pool,
            self.progress.enumeration(len(ordered)) as show,
        ):
            report = self._reporting(show)
            enumerate_all(partial(_evaluate, pool), ordered, self.names, report, run, limit)
        return len(ordered)

    def _pool(self, most: int) -> Workers[Candidate, Evaluation]:
        return Workers[Candidate, Evaluation](
            self.evaluator,
            min(self.workers, most),
            timeout_s=self.scenario.case.genetic.plan_limit_s,
            lost=partial(failed, len(self.names)),
        )

    def _reporting(
        self, show: Callable[[int, int, Run[Plan, Evaluation]], None]
    ) -> Callable[[int, int, Run[Plan, Evaluation]], None]:
        """Show the progress, and keep the run when a generation is complete."""

        def report(generation: int, done: int, run: Run[Plan, Evaluation]) -> None:
            if done < 0 and self.checkpoint is not None:
                self.checkpoint.save(run)
            show(generation, done, run)

        return report


def _evaluate(
    pool: Workers[Candidate, Evaluation], plans: Sequence[Plan], best: Evaluation | None
) -> Iterator[Evaluation]:
    known = () if best is None else best.fitness
    return pool.map([Candidate(plan, known) for plan in plans])


def _counted(plans: Iterator[Plan], advance: Callable[[], None]) -> Iterator[Plan]:
    for plan in plans:
        yield plan
        advance()


def _settle_ties(run: Run[Plan, Evaluation], evaluator: Evaluator) -> None:
    """Pursue all objectives for the plans that tie with the best on the first one."""
    first = run.best.fitness[0]
    for plan, evaluation in list(run.cache.items()):
        if evaluation.fitness[0] == first and not (evaluation.complete or evaluation.pruned):
            # The first objective stays as it was: holding it for the others moves it by 1e-7.
            settled = evaluator.evaluate(plan)
            run.cache[plan] = replace(settled, fitness=(first, *settled.fitness[1:]))


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
