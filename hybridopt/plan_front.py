"""Plans that none beats in everything: unserved energy against plan cost against dispatch cost.

NSGA-II (Deb et al. 2002, on DEAP) breeds plans. Where the nonlinear program chooses ratings, a
candidate also says how much may be spent in all, and what counts next after unserved energy. So
every candidate becomes one real plan, dispatched as the case says; what can be served is served.
"""

from __future__ import annotations

import copy
import random
import time
from dataclasses import dataclass, field, replace
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.case_schema import OBJECTIVES
from hybridopt.dispatch import Dispatcher
from hybridopt.errors import Finding, HybridoptError, InputError
from hybridopt.evaluate import Candidate as PlanCandidate
from hybridopt.evaluate import Evaluation, Evaluator, failed
from hybridopt.grid import Plan
from hybridopt.moves import cross, mutate
from hybridopt.neighbourhood import neighbours
from hybridopt.network_built import settle
from hybridopt.progress import NoProgress
from hybridopt.seeding import needs, seeded
from hybridopt.solvers.nsga2 import non_dominated, spread
from hybridopt.solvers.pool import pool_of
from hybridopt.study import Check, check_case
from hybridopt.verify import Verification, verify

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hybridopt.network_scenario import Scenario
    from hybridopt.plan_space import Genome
    from hybridopt.progress import Progress
    from hybridopt.result import Dispatch
    from hybridopt.solvers.pool import Pool, Wanted

NAMES = ("unserved_mwh", "plan_cost", "operating_cost")
UNSERVED = ("unserved_mwh", "unserved_peak_mw")
LEVELS = 20  # of the budget that may be spent
FAR = 0.3  # chance of any other level instead of one nearby
POPULATION, GENERATIONS = 24, 16  # a multiple of 4
STALLED = 5  # generations without a new point on the front
MOST_POINTS = 60  # of the front that are dispatched, verified and written
DIGITS = ".6e"  # as in a search for the best plan


def read_objectives(text: str) -> tuple[str, ...]:
    """Names in a list such as ``unserved_mwh,plan_cost,operating_cost``.

    Raises
    ------
    InputError
        Fewer than two, unknown or doubled names.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    findings = [
        Finding(f"--pareto {name}", f"is none of {', '.join(OBJECTIVES)}")
        for name in dict.fromkeys(names)
        if name not in OBJECTIVES
    ]
    if len(set(names)) < 2 or len(set(names)) < len(names):
        findings.append(Finding("--pareto", "needs two or more different objectives"))
    if findings:
        raise InputError(findings)
    return names


@dataclass(frozen=True)
class Choice:
    """A candidate: a plan, the most it may cost, and what its ratings are chosen for.

    Attributes
    ----------
    budget : currency; where no rating is free, the case's
    goal : position in :attr:`ChoiceEvaluator.goals`; where no rating is free, 0
    """

    plan: Plan
    budget: float
    goal: int


class ChoiceEvaluator:
    """Choice -> Evaluation; a picklable description that compiles once per process.

    Parameters
    ----------
    names : objectives of the front

    Attributes
    ----------
    goals : objectives of the nonlinear programs: unserved energy, then the others in every order
        that puts another one next
    """

    def __init__(self, evaluator: Evaluator, names: Sequence[str]) -> None:
        self.evaluator = evaluator
        later = [name for name in names if name not in UNSERVED]
        orders = [later[k:] + later[:k] for k in range(len(later))] or [[]]
        first = {"unserved_mwh": 1.0}
        self.goals = [(first, *({name: 1.0} for name in order)) for order in orders]
        self._of_goal: dict[int, Evaluator] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Compiled models stay in their process."""
        return {**self.__dict__, "_of_goal": {}}

    def __call__(self, choice: Choice) -> Evaluation:
        """Choose the ratings, and dispatch."""
        evaluator = self._evaluator(choice.goal)
        evaluator.space = replace(self.evaluator.space, budget=choice.budget)
        return evaluator.evaluate(choice.plan)

    def _evaluator(self, goal: int) -> Evaluator:
        if goal not in self._of_goal:
            settings = replace(self.evaluator.settings, objectives=self.goals[goal])
            found = replace(self.evaluator, settings=settings)
            self.evaluator.dispatcher.hour  # noqa: B018  (compiled once for all)
            dispatcher = copy.copy(self.evaluator.dispatcher)
            dispatcher.settings = settings
            found.share(dispatcher)
            self._of_goal[goal] = found
        return self._of_goal[goal]


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


@dataclass(frozen=True, eq=False)
class FrontResult:
    """A finished search for the front.

    Attributes
    ----------
    names : of the objectives
    points : by the first objective; every one dispatched over the day
    left_out : number of further plans of the front, those that lie closest to others
    log : one row per generation: evaluations, points on the front
    """

    check: Check
    names: tuple[str, ...]
    seed: int
    points: list[FrontPoint]
    left_out: int
    evaluations: int
    solves: int
    failed: int
    log: list[dict[str, Any]]
    wall_s: float

    @property
    def scenario(self) -> Scenario:
        """The case and its network."""
        return self.check.scenario


@dataclass
class _Archive:
    """Everything that was measured, and the choices that none beats."""

    names: tuple[str, ...]
    measured: dict[Choice, Evaluation] = field(default_factory=dict)

    def values(self, choice: Choice) -> tuple[float, ...]:
        """Objectives, rounded so that equal plans tie; inf where the plan failed."""
        found = self.measured[choice]
        if not found.ok:
            return (float("inf"),) * len(self.names)
        return tuple(float(f"{found.values[name]:{DIGITS}}") for name in self.names)

    def front(self) -> list[Choice]:
        """Choices that none beats, by their objectives."""
        known = [choice for choice, found in self.measured.items() if found.ok]
        if not known:
            return []
        points = np.array([self.values(choice) for choice in known])
        return [known[k] for k in non_dominated(points)]


class FrontSearch:
    """The search for a front, ``with`` its pool open."""

    def __init__(
        self, scenario: Scenario, names: Sequence[str], workers: Wanted, progress: Progress
    ) -> None:
        self.scenario, self.space, self.progress = scenario, scenario.space, progress
        evaluator = Evaluator(
            scenario.search_grid,
            scenario.space,
            scenario.horizon,
            scenario.settings,
            scenario.case.dispatch_mode,
        )
        self.evaluator = ChoiceEvaluator(evaluator, names)
        self.archive = _Archive(tuple(names))
        self.log: list[dict[str, Any]] = []
        self.pool: Pool[Choice, Evaluation] = pool_of(
            self.evaluator,
            workers,
            timeout_s=scenario.case.genetic.plan_limit_s,
            lost=lambda choice, reason: failed(1, PlanCandidate(choice.plan), reason),
        )

    def choice(self, genome: Genome) -> Choice:
        """Decode a genome: that of a plan, then the level of the budget and the goal."""
        plan, level, goal = self.space.decode(genome[:-2]), genome[-2], genome[-1]
        if all(unit.rating_mw is not None for unit in plan.units):
            return Choice(plan, self.space.budget, 0)
        if self.space.sites.cost_per_mw == 0:
            return Choice(plan, self.space.budget, goal)
        for more in range(level, LEVELS + 1):
            budget = self.space.budget * more / LEVELS
            if replace(self.space, budget=budget).affordable(plan):
                return Choice(plan, budget, goal)
        return Choice(plan, self.space.budget, goal)

    def measure(self, choices: Sequence[Choice], advance: Callable[[], None]) -> None:
        """Evaluate what is new."""
        new = [c for c in dict.fromkeys(choices) if c not in self.archive.measured]
        for choice, found in zip(new, self.pool.map(new), strict=True):
            self.archive.measured[choice] = found
            advance()

    def breed(self, seed: int) -> None:
        """Run NSGA-II until its generations are over, or the front stays as it is."""
        settings = self.scenario.case.genetic
        rng = random.Random(seed)
        known = needs(self.space, self.scenario.damaged) if settings.seeding == "needs" else ()
        first: list[Genome] = [[*self.space.encode(Plan()), 0, 0]]
        while len(first) < POPULATION:
            plan = seeded(self.space, known, rng) if known else self.space.random(rng)
            first.append([*plan, *self._draw(rng)])
        total = POPULATION * (GENERATIONS + 1)
        with self.progress.task("Pareto front (at most)", total) as advance:

            def measure(genomes: list[list[Any]]) -> list[tuple[float, ...]]:
                choices = [self.choice(genome) for genome in genomes]
                before = len(self.archive.measured)
                self.measure(choices, advance)
                for _ in range(len(genomes) - (len(self.archive.measured) - before)):
                    advance()
                return [self.archive.values(choice) for choice in choices]

            spread(
                first,
                measure,
                self._cross,
                self._mutate,
                len(self.archive.names),
                GENERATIONS,
                seed,
                self._generation,
            )

    def _draw(self, rng: random.Random) -> list[int]:
        return [rng.randrange(1, LEVELS + 1), rng.randrange(len(self.evaluator.goals))]

    def _cross(self, mother: Genome, father: Genome, rng: random.Random) -> Genome:
        plan = cross(self.space, mother[:-2], father[:-2], rng)
        carried = [
            m if rng.random() < 0.5 else f for m, f in zip(mother[-2:], father[-2:], strict=True)
        ]
        return [*self.space.repair(plan, rng), *carried]

    def _mutate(self, genome: Genome, rng: random.Random) -> Genome:
        """Change the plan, the level of the budget, or the goal."""
        plan, (level, goal) = list(genome[:-2]), genome[-2:]
        draw = rng.random()
        if draw < 0.5:
            plan = self.space.repair(mutate(self.space, plan, rng), rng)
        elif draw < 0.85:
            near = level + rng.choice((-2, -1, 1, 2))
            level = rng.randrange(1, LEVELS + 1) if rng.random() < FAR else near
            level = min(max(level, 1), LEVELS)
        else:
            goal = rng.randrange(len(self.evaluator.goals))
        return [*plan, level, goal]

    def _generation(self) -> bool:
        """Note a generation; whether the front has stayed as it is for long enough."""
        front = {self.archive.values(choice) for choice in self.archive.front()}
        evaluations = len(self.archive.measured)
        row = {"generation": len(self.log) + 1, "evaluations": evaluations, "points": len(front)}
        same = bool(self.log) and self.log[-1]["front"] == front
        row["stalled"] = self.log[-1]["stalled"] + 1 if same else 0
        self.log.append(row | {"front": front})
        return bool(row["stalled"] >= STALLED)

    def descend(self) -> None:
        """Follow the ends of the front to plans that no single change makes better."""
        orders = list(permutations(range(len(self.archive.names))))
        with self.progress.task("Ends of the front", len(orders)) as advance:
            for order in orders:
                self._descend(order)
                advance()

    def _descend(self, order: Sequence[int]) -> None:
        def rank(choice: Choice) -> tuple[float, ...]:
            values = self.archive.values(choice)
            return tuple(values[k] for k in order)

        best = min(self.archive.measured, key=rank)
        while True:
            self.measure(self._near(best), lambda: None)
            found = min(self.archive.measured, key=rank)
            if rank(found) >= rank(best):
                return
            best = found

    def _near(self, choice: Choice) -> list[Choice]:
        """Choices one change away: of the plan, all the budget, another goal."""
        level = round(LEVELS * choice.budget / self.space.budget) if self.space.budget else 0
        genome = self.space.encode(choice.plan)
        plans = [genome, *(found for _, found in neighbours(self.space, genome))]
        goals = range(len(self.evaluator.goals))
        same = [self.choice([*plan, level, choice.goal]) for plan in plans]
        return [
            *same,
            *(self.choice([*genome, most, g]) for most in (level, LEVELS) for g in goals),
        ]

    def chosen(self) -> tuple[list[Choice], int]:
        """The front, thinned where it has too many plans, and how many are left out."""
        front = self.archive.front()
        values = np.array([self.archive.values(choice) for choice in front])
        kept = thinned(values, MOST_POINTS)
        return [front[k] for k in kept], len(front) - len(kept)


def thinned(points: Any, most: int) -> list[int]:
    """Rows to keep, so many at most: those with the closest neighbours go, extremes never.

    Parameters
    ----------
    points : (n, k)
    """
    kept = list(range(len(points)))
    if len(kept) <= most:
        return kept
    span = np.ptp(points, axis=0)
    scaled = points / np.where(span > 0, span, 1.0)
    ends = {int(k) for k in (*points.argmin(axis=0), *points.argmax(axis=0))}
    while len(kept) > most:
        here = scaled[kept]
        apart = np.linalg.norm(here[:, None] - here[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        order = np.argsort(apart.min(axis=1), kind="stable")
        out = next(int(k) for k in order if kept[int(k)] not in ends)
        kept.pop(out)
    return kept


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


def run_front(
    scenario: Scenario,
    names: Sequence[str] = NAMES,
    *,
    seed: int = 0,
    workers: Wanted = None,
    progress: Progress | None = None,
) -> FrontResult:
    """Look for the plans that none beats in all objectives, and dispatch each over the day.

    Parameters
    ----------
    names : two or more of :data:`hybridopt.case_schema.OBJECTIVES`
    seed : of all random numbers
    workers : processes, one per core by default, or a Dask scheduler. The result doesn't depend
        on it.

    Raises
    ------
    NoSolutionError
        The damaged grid has no feasible point, even with all load shed.
    HybridoptError
        No plan could be dispatched.
    """
    progress = progress or NoProgress()
    began = time.perf_counter()
    check = check_case(scenario, progress)
    search = FrontSearch(scenario, names, workers, progress)
    with search.pool:
        search.breed(seed)
        search.descend()
    front, left_out = search.chosen()
    if not front:
        raise HybridoptError("no plan could be dispatched")
    measured = search.archive.measured
    plans = [measured[choice].plan for choice in front]
    points = []
    with (
        pool_of(_Dispatching(scenario), workers) as pool,
        progress.task("Dispatch of the front", len(plans)) as advance,
    ):
        for choice, (built, plan, dispatch, found) in zip(front, pool.map(plans), strict=True):
            values, status = search.archive.values(choice), measured[choice].status
            at = scenario if built is None else built
            points.append(FrontPoint(values, at, plan, dispatch, found, status))
            advance()
    log = [{k: v for k, v in row.items() if k != "front"} for row in search.log]
    return FrontResult(
        check=check,
        names=tuple(names),
        seed=seed,
        points=points,
        left_out=left_out,
        evaluations=len(measured),
        solves=sum(found.solves for found in measured.values()),
        failed=sum(not found.ok for found in measured.values()),
        log=log,
        wall_s=time.perf_counter() - began,
    )
