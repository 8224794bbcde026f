"""The whole study on one page: event, search, dispatch, verification."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.checkpoint import Checkpoint
from hybridopt.dispatch import Dispatcher
from hybridopt.errors import HybridoptError
from hybridopt.evaluate import Evaluation, Evaluator
from hybridopt.export import plan_net
from hybridopt.grid import Plan
from hybridopt.interrupt import heard
from hybridopt.network_built import settle, settle_stage
from hybridopt.network_flow import load_flow_before
from hybridopt.network_scenario import Scenario, load_case
from hybridopt.plan_bound import bound_plan, check_bound
from hybridopt.plan_search import PlanSearch, check_count
from hybridopt.progress import NoProgress
from hybridopt.reasons import find_reasons, left_out
from hybridopt.result_folder import CHECKPOINT
from hybridopt.solvers.search import INTERRUPTED, Run
from hybridopt.stages import DeadIsland, Stage, dead_islands, stage_of
from hybridopt.verify import Verification, verify

if TYPE_CHECKING:
    from pathlib import Path

    from hybridopt.checkpoint import Method
    from hybridopt.plan_bound import Bound
    from hybridopt.progress import Progress
    from hybridopt.reasons import Reasons
    from hybridopt.result import Dispatch
    from hybridopt.solvers.pool import Wanted


NOTHING_MW = 1e-3  # a plan that serves less serves nothing


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
    bound : how good any plan could be, where that was asked for
    reasons : what each element of the plan brings; None where the user ended the search
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
    bound: Bound | None = None
    reasons: Reasons | None = None

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
        dispatch = dispatcher.dispatch_feasible(Plan(), advance)
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
    workers: Wanted = None,
    exhaustive: bool = False,
    keep: Path | None = None,
    resume: bool = False,
    bound_s: float | None = None,
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
    bound_s : prove how good any plan could be, within so many seconds; not if None
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
    if bound_s is not None:
        check_bound(scenario)
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
    if checkpoint and not run.log:
        checkpoint.save(run)  # from here on the file is this run's, whatever stood there
    search = PlanSearch(evaluator, scenario, workers, progress, checkpoint)
    plans = None
    with search.pool:
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
        search.settle_ties(run)
    dark_mw = check.dispatch.demand_mw[peak_row(check.dispatch)].sum() - NOTHING_MW
    _check_dispatched(run, float(dark_mw))
    check, best = _settled(check, run.best)
    dispatcher, dispatch = _dispatch(check.scenario, best.plan, evaluator.dispatcher, progress)
    verify_began = time.perf_counter()
    with progress.task("Verification by power flow", len(dispatch.hours)) as advance:
        verification = verify(check.scenario, dispatch, advance)
    verify_s = time.perf_counter() - verify_began
    peak = peak_row(dispatch)
    dead = dead_islands(
        dispatch.grid,
        check.scenario.grid,
        dispatch.energised[peak],
        dispatch.demand_mw[peak],
        check.scenario.space.sites,
    )
    bound = None
    if bound_s is not None and not run.stopped_because.startswith(INTERRUPTED):
        bound = _bound(scenario, evaluator, run.best, bound_s, progress)
    reasons = _reasons(check, dispatcher, run, best.plan, dispatch, progress)
    times = _times(run) | {"verify_s": verify_s, "wall_s": time.perf_counter() - began}
    found = (check, seed, method, run, plans, best, dispatch, dead, verification, times)
    return StudyResult(*found, bound, reasons)


def _check_dispatched(run: Run[Plan, Evaluation], dark_mw: float) -> None:
    """Make sure that the best plan is not one that leaves all dark for want of a solver."""
    gave_up = sum(value.status == "failed" for value in run.cache.values())
    serves = any(e.ok and e.values["unserved_peak_mw"] < dark_mw for e in run.cache.values())
    if not run.best.ok or (gave_up and not serves):
        message = f"Ipopt gave up on {gave_up:,} of {len(run.cache):,} plans, and no other serves "
        message += "anything; see [ipopt] in the case (max_iter, tol, log_file)"
        raise HybridoptError(message)


def _bound(
    scenario: Scenario,
    evaluator: Evaluator,
    best: Evaluation,
    time_limit_s: float,
    progress: Progress,
) -> Bound | None:
    """How good any plan could be; None after Ctrl-C, which ends the bound, not the study."""
    try:
        return bound_plan(
            scenario,
            evaluator,
            best.values,
            plan=best.plan,
            time_limit_s=time_limit_s,
            progress=progress,
        )
    except KeyboardInterrupt:
        heard()
        return None


def _settled(check: Check, best: Evaluation) -> tuple[Check, Evaluation]:
    """From here on there are the lines that the best plan builds, and no others."""
    scenario = check.scenario
    settled, plan = settle(scenario, best.plan)
    if settled is scenario:
        return check, best
    check = replace(
        check,
        scenario=settled,
        before=settle_stage(check.before, scenario.grid, settled.grid),
        after=settle_stage(check.after, scenario.grid, settled.grid),
    )
    return check, replace(best, plan=plan)


def _dispatch(
    scenario: Scenario, plan: Plan, compiled: Dispatcher, progress: Progress
) -> tuple[Dispatcher, Dispatch]:
    """Dispatch the best plan over the horizon, with the search's models where they serve."""
    dispatcher = compiled
    if compiled.sites != scenario.space.sites or compiled.grid is not scenario.damaged:
        dispatcher = Dispatcher(
            scenario.damaged, scenario.space.sites, scenario.horizon, scenario.settings
        )
    with progress.task("Dispatch of the best plan", len(dispatcher.levels.weight_h)) as advance:
        return dispatcher, dispatcher.dispatch_feasible(plan, advance)


def _reasons(
    check: Check,
    dispatcher: Dispatcher,
    run: Run[Plan, Evaluation],
    best: Plan,
    dispatch: Dispatch,
    progress: Progress,
) -> Reasons | None:
    """What each element of the best plan brings; None once the user wants an end."""
    if run.stopped_because.startswith(INTERRUPTED):
        return None
    count = len(left_out(dispatcher, best))
    try:
        with progress.task("Plan without each element", count) as advance:
            return find_reasons(dispatcher, check.scenario.space, best, dispatch, advance)
    except KeyboardInterrupt:
        heard()
        return None


def _times(run: Run[Plan, Evaluation]) -> dict[str, float]:
    """Seconds of the search by what they were spent on, summed over its processes."""
    spent = {
        name: sum(getattr(e, name) for e in run.cache.values())
        for name in ("compile_s", "solve_s", "wall_s")
    }
    rest = spent["wall_s"] - spent["compile_s"] - spent["solve_s"]
    return {"compile_s": spent["compile_s"], "solve_s": spent["solve_s"], "rest_s": rest}


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
