"""Genetic algorithm on DEAP: create, select, reproduce, mutate, with elitism.

The steps are those of the pseudocode in Diaz Vargas, Mosquera, Rivas 2024 (Table 1); the bodies of
its operators are not printed, ours are described where they stand. DEAP's operators draw from the
global ``random``: they run inside :func:`own_random`, which lends them this run's state and gives
the caller's back.
"""

from __future__ import annotations

import random
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from deap import base, tools

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

Genome = list[int]
Solution = TypeVar("Solution")
TRIES = 10  # attempts to turn a genome that was seen before into a new one


class Evaluated(Protocol):
    """What the search needs to know of an evaluated solution."""

    @property
    def fitness(self) -> tuple[float, ...]:
        """Objectives to minimise, the most important first."""
        ...

    @property
    def ok(self) -> bool:
        """Whether the evaluation succeeded."""
        ...


Value = TypeVar("Value", bound=Evaluated)


@dataclass(frozen=True)
class Operators(Generic[Solution]):
    """What the search needs to know of a problem.

    Attributes
    ----------
    create : a random, repaired genome
    mutate : changes a genome
    crossover : a genome from two
    repair : makes a genome valid, in normal form
    decode : solution of a genome; equal solutions are evaluated once
    neighbours : every valid genome that is one change away, in normal form
    wider : genomes a little further away, tried when all neighbours of the best are known
    """

    create: Callable[[random.Random], Genome]
    mutate: Callable[[Genome, random.Random], Genome]
    crossover: Callable[[Genome, Genome, random.Random], Genome]
    repair: Callable[[Genome, random.Random], Genome]
    decode: Callable[[Genome], Solution]
    neighbours: Callable[[Genome], Iterator[Genome]]
    wider: Callable[[Genome], Iterator[Genome]]


@dataclass(frozen=True)
class GeneticOptions:
    """Settings of the search; see the case file's ``[genetic]`` table."""

    population: int = 20
    generations: int = 20
    mutation_rate: float = 0.4
    crossover_rate: float = 0.9
    selection: str = "tournament"
    selected: int | None = None
    tournament_size: int = 3
    elite: int = 2
    stall_generations: int | None = None


@dataclass
class Run(Generic[Solution, Value]):
    """What a search found.

    Attributes
    ----------
    best : the evaluation with the least fitness (first found of equals)
    log : one row per generation
    evaluations : genomes looked at;  distinct : solutions evaluated
    """

    best: Value
    log: list[dict[str, Any]] = field(default_factory=list)
    evaluations: int = 0
    distinct: int = 0
    stopped_because: str = ""
    cache: dict[Solution, Value] = field(default_factory=dict)


class _Fitness(base.Fitness):  # type: ignore[misc]
    """DEAP's lexicographic comparison; the weights are set per run."""

    weights = (-1.0,)


class _Individual(list[int]):
    """A genome with DEAP's fitness."""

    def __init__(self, genome: Genome, weights: tuple[float, ...]) -> None:
        super().__init__(genome)
        self.fitness = type("Fitness", (_Fitness,), {"weights": weights})()


@contextmanager
def own_random(rng: random.Random) -> Iterator[None]:
    """Let the global ``random`` continue ``rng``, and give the caller's state back."""
    theirs = random.getstate()
    random.setstate(rng.getstate())
    try:
        yield
    finally:
        rng.setstate(random.getstate())
        random.setstate(theirs)


def minimize(
    evaluate: Callable[[Sequence[Solution], Value | None], Iterator[Value]],
    operators: Operators[Solution],
    options: GeneticOptions,
    seed: int,
    objectives: Sequence[str],
    report: Callable[[int, int, Run[Solution, Value] | None], None] = lambda *_: None,
) -> Run[Solution, Value]:
    """Search for the solution with the lexicographically least fitness.

    Parameters
    ----------
    evaluate : values of solutions, in order; told the best value of earlier generations, if any
    seed : of all random numbers
    objectives : names of the fitness values, for the log
    report : called with the generation, the evaluations done in it and the run so far

    Returns
    -------
    Run
        The same for the same seed, whatever evaluates.
    """
    rng = random.Random(seed)
    weights = (-1.0,) * len(objectives)
    cache: dict[Solution, Value] = {}
    run: Run[Solution, Value] | None = None
    population: list[_Individual] = []
    stalled = 0
    for generation in range(options.generations + 1):
        began = time.perf_counter()
        if generation == 0:
            genomes = _create(operators, options, rng)
        else:
            with own_random(rng):
                chosen = _select(population, options)
            genomes = _offspring(chosen, population, cache, operators, options, rng)
        known = run.best if run else None
        count = _evaluate(
            genomes,
            operators,
            cache,
            partial(_told, evaluate, known),
            partial(_report, report, generation, run),
        )
        newcomers = [_individual(g, cache[operators.decode(g)], weights) for g in genomes]
        elite = tools.selBest(population, options.elite) if population else []
        population = elite + newcomers[: options.population - len(elite)]
        best = min(cache.values(), key=lambda value: value.fitness)
        improved = run is None or best.fitness < run.best.fitness
        run = run or Run(best, cache=cache)
        run.best = best if improved else run.best
        run.evaluations += len(genomes)
        run.distinct = len(cache)
        run.log.append(_row(generation, run, population, count, objectives, began))
        report(generation, -1, run)
        stalled = 0 if improved else stalled + 1
        if _settled(stalled, population, cache, operators, options):
            run.stopped_because = (
                f"no better plan in {stalled} generations, and none one change away"
            )
            break
    if run is None:
        raise ValueError("generations must not be negative")
    run.stopped_because = run.stopped_because or "all generations done"
    return run


def _told(
    evaluate: Callable[[Sequence[Solution], Value | None], Iterator[Value]],
    known: Value | None,
    solutions: Sequence[Solution],
) -> Iterator[Value]:
    return evaluate(solutions, known)


def _report(
    report: Callable[[int, int, Run[Solution, Value] | None], None],
    generation: int,
    run: Run[Solution, Value] | None,
    done: int,
) -> None:
    report(generation, done, run)


def _settled(
    stalled: int,
    population: list[_Individual],
    cache: dict[Solution, Value],
    operators: Operators[Solution],
    options: GeneticOptions,
) -> bool:
    """Whether to stop early: nothing better for a while, and nothing left to try nearby."""
    if not options.stall_generations or stalled < options.stall_generations:
        return False
    best = list(tools.selBest(population, 1)[0])
    return not _unexplored(operators.neighbours(best), cache, operators)


def _create(
    operators: Operators[Solution], options: GeneticOptions, rng: random.Random
) -> list[Genome]:
    """First population: random genomes, different from one another where that is possible."""
    genomes: list[Genome] = []
    seen: set[Hashable] = set()
    for _ in range(options.population):
        genome = operators.create(rng)
        for _ in range(TRIES):
            if tuple(genome) not in seen:
                break
            genome = operators.create(rng)
        seen.add(tuple(genome))
        genomes.append(genome)
    return genomes


def _select(population: list[_Individual], options: GeneticOptions) -> list[_Individual]:
    """Parents: winners of tournaments, or the best of all."""
    count = options.selected or len(population)
    if options.selection == "best":
        return list(tools.selBest(population, count))
    return list(tools.selTournament(population, count, tournsize=options.tournament_size))


def _offspring(
    chosen: list[_Individual],
    population: list[_Individual],
    cache: dict[Solution, Value],
    operators: Operators[Solution],
    options: GeneticOptions,
    rng: random.Random,
) -> list[Genome]:
    """Half of the children are new neighbours of the best, the rest crossed and mutated parents.

    When every neighbour of the best is known, all children come from further away, as long as
    there are any. A child that was seen before is mutated again a few times.
    """
    size = len(population) - min(options.elite, len(population) - 1)
    best = list(tools.selBest(population, 1)[0])
    near = _unexplored(operators.neighbours(best), cache, operators)
    if near:
        genomes = rng.sample(near, min(len(near), size // 2))
    else:
        far = _unexplored(operators.wider(best), cache, operators)
        genomes = rng.sample(far, min(len(far), size))
    fresh: set[Hashable] = {operators.decode(genome) for genome in genomes}
    while len(genomes) < size:
        mother, father = rng.choice(chosen), rng.choice(chosen)
        child = list(mother)
        if rng.random() < options.crossover_rate:
            child = operators.crossover(list(mother), list(father), rng)
        if rng.random() < options.mutation_rate:
            child = operators.mutate(child, rng)
        child = operators.repair(child, rng)
        for _ in range(TRIES):
            plan = operators.decode(child)
            if plan not in cache and plan not in fresh:
                break
            child = operators.repair(operators.mutate(child, rng), rng)
        fresh.add(operators.decode(child))
        genomes.append(child)
    return genomes


def _unexplored(
    genomes: Iterator[Genome], cache: dict[Solution, Value], operators: Operators[Solution]
) -> list[Genome]:
    """Genomes whose solutions are not known yet, each solution once."""
    found: dict[Solution, Genome] = {}
    for genome in genomes:
        solution = operators.decode(genome)
        if solution not in cache:
            found.setdefault(solution, genome)
    return list(found.values())


def _evaluate(
    genomes: list[Genome],
    operators: Operators[Solution],
    cache: dict[Solution, Value],
    evaluate: Callable[[Sequence[Solution]], Iterator[Value]],
    report: Callable[[int], None],
) -> int:
    """Evaluate solutions that are new, each once; the number of them."""
    solutions = [operators.decode(genome) for genome in genomes]
    new = [s for s in dict.fromkeys(solutions) if s not in cache]
    for done, (solution, value) in enumerate(zip(new, evaluate(new), strict=True), start=1):
        cache[solution] = value
        report(done)
    return len(new)


def _individual(genome: Genome, value: Evaluated, weights: tuple[float, ...]) -> _Individual:
    individual = _Individual(genome, weights)
    individual.fitness.values = value.fitness
    return individual


def _row(
    generation: int,
    run: Run[Any, Any],
    population: list[_Individual],
    new: int,
    objectives: Sequence[str],
    began: float,
) -> dict[str, Any]:
    """One row of generations.csv; means are over the population's finite values."""
    row: dict[str, Any] = {
        "generation": generation,
        "evaluations": run.evaluations,
        "distinct_plans": run.distinct,
        "new_plans": new,
        "feasible": sum(i.fitness.values[0] < float("inf") for i in population),
    }
    for k, name in enumerate(objectives):
        values = [i.fitness.values[k] for i in population if i.fitness.values[k] < float("inf")]
        row[f"best_{name}"] = run.best.fitness[k]
        row[f"mean_{name}"] = sum(values) / len(values) if values else None
    row["wall_s"] = time.perf_counter() - began
    return row
