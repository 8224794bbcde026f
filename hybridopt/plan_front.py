"""Plans that none beats in everything: unserved energy against plan cost against dispatch cost.

NSGA-II (Deb et al. 2002, on DEAP) breeds plans. Where the nonlinear program chooses ratings, a
candidate also says how much may be spent in all, and what counts next after unserved energy. So
every candidate becomes one real plan, dispatched as the case says; what can be served is served.
Where there are few enough, all of them can be tried.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridopt.case_schema import OBJECTIVES
from hybridopt.checkpoint import fingerprint
from hybridopt.errors import Finding, HybridoptError, InputError
from hybridopt.evaluate import Candidate as PlanCandidate
from hybridopt.evaluate import Evaluation, Evaluator, failed
from hybridopt.grid import Plan
from hybridopt.moves import cross, mutate
from hybridopt.neighbourhood import neighbours
from hybridopt.objective_list import read_objectives
from hybridopt.plan_archive import Archive
from hybridopt.plan_choice import (
    LEVELS,
    NAMES,
    Choice,
    ChoiceEvaluator,
    decode_choice,
    every_choice,
    goals_of,
)
from hybridopt.plan_front_points import FrontPoint, dispatched
from hybridopt.progress import NoProgress
from hybridopt.seeding import needs, seeded
from hybridopt.solvers.nsga2 import spread
from hybridopt.solvers.pool import pool_of
from hybridopt.study import Check, check_case
from hybridopt.value_store import ValueStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hybridopt.network_scenario import Scenario
    from hybridopt.plan_space import Genome
    from hybridopt.progress import Progress
    from hybridopt.solvers.pool import Pool, Wanted

FAR = 0.3  # chance of any other level instead of one nearby
POPULATION, GENERATIONS = 24, 16  # a multiple of 4
STALLED = 5  # generations without a new point on the front
MOST_POINTS = 60  # of the front that are dispatched, verified and written
MOST_CHOICES = 200_000  # that are tried one and all


@dataclass(frozen=True, eq=False)
class FrontResult:
    """A finished search for the front.

    Attributes
    ----------
    names : of the objectives
    points : by the first objective; every one dispatched over the day
    left_out : number of further plans of the front, those that lie closest to others
    log : one row per generation: evaluations, points on the front, and its hypervolume as a share
        of that of the last front
    exhaustive : whether every candidate was tried
    resumed : candidates that an earlier run had measured
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
    exhaustive: bool
    resumed: int
    wall_s: float

    @property
    def scenario(self) -> Scenario:
        """The case and its network."""
        return self.check.scenario

    @property
    def exact(self) -> bool:
        """Whether every candidate was tried, and none failed."""
        return self.exhaustive and not self.failed


class FrontSearch:
    """The search for a front, ``with`` its pool open."""

    def __init__(
        self,
        scenario: Scenario,
        names: Sequence[str],
        workers: Wanted,
        progress: Progress,
        keep: Path | None = None,
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
        self.archive = Archive(tuple(names))
        owner = {
            "case": scenario.case.name,
            "fingerprint": fingerprint(scenario),
            "objectives": list(names),
        }
        self.store = ValueStore(Evaluation, keep, owner, "a front")
        self.log: list[dict[str, Any]] = []
        self.resumed = 0  # of what was measured
        self.pool: Pool[Choice, Evaluation] = pool_of(
            self.evaluator,
            workers,
            timeout_s=scenario.case.genetic.plan_limit_s,
            lost=lambda choice, reason: failed(1, PlanCandidate(choice.plan), reason),
        )

    def choice(self, genome: Genome) -> Choice:
        """Decode a genome."""
        return decode_choice(self.space, genome)

    def measure(self, choices: Sequence[Choice], advance: Callable[[], None]) -> None:
        """Evaluate what is new, but for what an earlier run measured."""
        known, measured = self.store.known, self.archive.measured
        new = [c for c in dict.fromkeys(choices) if c not in measured]
        found = self.pool.map([c for c in new if repr(c) not in known])
        for choice in new:
            if repr(choice) in known:
                self.resumed += 1
            else:
                self.store.add(repr(choice), next(found))
            measured[choice] = known[repr(choice)]
            advance()

    def every(self) -> None:
        """Try every candidate."""
        choices = list(every_choice(self.space, len(self.evaluator.goals)))
        with self.progress.task("Every plan, budget and goal", len(choices)) as advance:
            self.measure(choices, advance)

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


def check_exhaustive(scenario: Scenario, names: Sequence[str]) -> None:
    """Make sure that all candidates of a case can be tried.

    Raises
    ------
    InputError
        There are too many.
    """
    count, n_goals = scenario.space.count(), len(goals_of(names))
    if count is None or count * LEVELS * n_goals > MOST_CHOICES:
        shown = "infinitely many" if count is None else f"{count * LEVELS * n_goals:.3g}"
        message = (
            f"{scenario.case.name} has {shown} plans, budgets and goals, more than the "
            f"{MOST_CHOICES:,} that can be tried; leave --exhaustive out for NSGA-II"
        )
        raise InputError([Finding("--exhaustive", message)])


def run_pareto(
    scenario: Scenario,
    objectives: Sequence[str] = NAMES,
    *,
    seed: int = 0,
    workers: Wanted = None,
    exhaustive: bool = False,
    keep: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> FrontResult:
    """Look for the plans that none beats in all objectives, and dispatch each over the day.

    Parameters
    ----------
    objectives : two or more of :data:`hybridopt.case_schema.OBJECTIVES`
    seed : of all random numbers
    workers : processes, one per core by default, or a Dask scheduler. The result doesn't depend
        on it.
    exhaustive : try every candidate instead of breeding; see :func:`check_exhaustive`
    keep : file in which values are kept as they come
    resume : go on from what ``keep`` holds; from the beginning if that is nothing

    Raises
    ------
    InputError
        Objectives that are no such list, too many candidates, or what was kept belongs to
        something else.
    NoSolutionError
        The damaged grid has no feasible point, even with all load shed.
    HybridoptError
        No plan could be dispatched.
    """
    progress = progress or NoProgress()
    keep = None if keep is None else Path(keep)
    began = time.perf_counter()
    names = read_objectives(",".join(objectives), OBJECTIVES)
    if exhaustive:
        check_exhaustive(scenario, names)
    search = FrontSearch(scenario, names, workers, progress, keep)
    if keep is not None and resume and keep.exists():
        search.store.load()
    check = check_case(scenario, progress)
    search.store.save()
    try:
        with search.pool:
            if exhaustive:
                search.every()
            else:
                search.breed(seed)
                search.descend()
    finally:
        search.store.save()
    front, left_out = search.archive.chosen(MOST_POINTS)
    if not front:
        raise HybridoptError("no plan could be dispatched")
    measured = search.archive.measured
    found = [(search.archive.values(c), measured[c].plan, measured[c].status) for c in front]
    return FrontResult(
        check=check,
        names=names,
        seed=seed,
        points=dispatched(scenario, found, workers, progress),
        left_out=left_out,
        evaluations=len(measured),
        solves=sum(found.solves for found in measured.values()),
        failed=sum(not found.ok for found in measured.values()),
        log=search.archive.history(search.log),
        exhaustive=exhaustive,
        resumed=search.resumed,
        wall_s=time.perf_counter() - began,
    )
