"""Genetic algorithm on DEAP: create, select, reproduce, mutate, with elitism.

The steps are those of the pseudocode in Diaz Vargas, Mosquera, Rivas 2024 (Table 1); the bodies of
its operators are not printed, ours are described where they stand.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Generic

from deap import base, tools

from hybridopt.solvers.dice import own_random
from hybridopt.solvers.search import (
    Evaluated,
    Genome,
    LimitReachedError,
    Limits,
    Run,
    Solution,
    Value,
    evaluate_new,
    log_part,
    log_row,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Sequence

TRIES = 10  # attempts to turn a genome that was seen before into a new one


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
    neighbours : every valid genome that is one change away, in normal form, with the kind of
        change; kinds are drawn with equal chances, so that a kind of few is not lost among many
    wider : the same for genomes a little further away, tried when all neighbours are known
    learn : the genome to breed from, given one and its value: an evaluation that improves what it
        is given hands that on (Lamarckian search); None breeds from the genomes themselves
    """

    create: Callable[[random.Random], Genome]
    mutate: Callable[[Genome, random.Random], Genome]
    crossover: Callable[[Genome, Genome, random.Random], Genome]
    repair: Callable[[Genome, random.Random], Genome]
    decode: Callable[[Genome], Solution]
    neighbours: Callable[[Genome], Iterator[tuple[str, Genome]]]
    wider: Callable[[Genome], Iterator[tuple[str, Genome]]]
    learn: Callable[[Genome, Any], Genome] | None = None


@dataclass(frozen=True)
class GeneticOptions:
    """Settings of the search; see the case file's ``[genetic]`` table.

    ``distinct_elite`` keeps one genome only of those with equal fitness in the elite.
    """

    population: int = 20
    generations: int = 20
    mutation_rate: float = 0.4
    crossover_rate: float = 0.9
    selection: str = "tournament"
    selected: int | None = None
    tournament_size: int = 3
    elite: int = 2
    distinct_elite: bool = False
    local_search: float = 0.5
    stall_generations: int | None = None
    time_limit_s: float | None = None
    max_evaluations: int | None = None


class _Fitness(base.Fitness):  # type: ignore[misc]
    """DEAP's lexicographic comparison; the weights are set per run."""

    weights = (-1.0,)


@cache
def _fitness_class(weights: tuple[float, ...]) -> type[_Fitness]:
    return type("Fitness", (_Fitness,), {"weights": weights})


class _Share(base.Fitness):  # type: ignore[misc]
    """Share of the roulette wheel: the worst of n has 1, the best n."""

    weights = (1.0,)


class _Individual(list[int | float]):
    """A genome to breed from, with the genome that was evaluated and DEAP's fitness of that."""

    share: _Share
    evaluated: Genome

    def __init__(self, genome: Genome, weights: tuple[float, ...]) -> None:
        super().__init__(genome)
        self.fitness = _fitness_class(weights)()


def minimize(
    evaluate: Callable[[Sequence[Solution], Value | None], Iterator[Value]],
    operators: Operators[Solution],
    options: GeneticOptions,
    seed: int,
    objectives: Sequence[str],
    report: Callable[[int, int, Run[Solution, Value]], None] = lambda *_: None,
    run: Run[Solution, Value] | None = None,
) -> Run[Solution, Value]:
    """Search for the solution with the lexicographically least fitness.

    Parameters
    ----------
    evaluate : values of solutions, in order; told the best value of earlier generations, if any
    seed : of all random numbers
    objectives : names of the fitness values, for the log
    report : called with the generation, the evaluations done in it and the run so far, and with
        -1 evaluations when the generation is complete
    run : an earlier search to take up; it is continued in place

    Returns
    -------
    Run
        The same for the same seed, whatever evaluates, and wherever it was taken up.
    """
    run = Run() if run is None else run
    rng = random.Random(seed)
    if run.random:
        rng.setstate(run.random)
    limits = Limits(options.time_limit_s, options.max_evaluations)
    while not (ended := _ended(run, operators, options)):
        generation, began = len(run.log), time.perf_counter()
        genomes, elite = _next_generation(run, operators, options, rng, len(objectives))
        known = run.best if run.cache else None
        try:
            count = evaluate_new(
                run,
                [operators.decode(genome) for genome in genomes],
                lambda new, known=known: evaluate(new, known),  # type: ignore[misc]
                lambda done, g=generation: report(g, done, run),  # type: ignore[misc]
                limits,
            )
        except (LimitReachedError, KeyboardInterrupt) as early:
            log_part(run, objectives, began)
            if isinstance(early, KeyboardInterrupt):
                raise
            ended = str(early)
            break
        run.population = (elite + genomes)[: options.population]
        run.evaluations += len(genomes)
        improved = known is None or run.best.fitness < known.fitness
        run.stalled = 0 if improved else run.stalled + 1
        run.random = rng.getstate()
        fitnesses = [run.cache[operators.decode(genome)].fitness for genome in run.population]
        run.log.append(log_row(run, fitnesses, count, objectives, began))
        report(generation, -1, run)
    run.stopped_because = ended
    return run


def _next_generation(
    run: Run[Solution, Value],
    operators: Operators[Solution],
    options: GeneticOptions,
    rng: random.Random,
    n_objectives: int,
) -> tuple[list[Genome], list[Genome]]:
    """New genomes to evaluate, and the best of the last generation, which stay."""
    if not run.log:
        return _create(operators, options, rng), []
    weights = (-1.0,) * n_objectives
    population = [
        _individual(genome, run.cache[operators.decode(genome)], weights, operators.learn)
        for genome in run.population
    ]
    with own_random(rng):
        chosen = _select(population, options)
    genomes = _offspring(chosen, population, run.cache, operators, options, rng)
    return genomes, [i.evaluated for i in _elite(population, options)]


def _elite(population: list[_Individual], options: GeneticOptions) -> list[_Individual]:
    """The best, which stay."""
    if not options.distinct_elite:
        return list(tools.selBest(population, options.elite))
    ranked = tools.selBest(population, len(population))
    distinct = {i.fitness.values: i for i in reversed(ranked)}
    first = [i for i in ranked if distinct[i.fitness.values] is i]
    others = [i for i in ranked if distinct[i.fitness.values] is not i]
    return (first + others)[: options.elite]


def _ended(
    run: Run[Solution, Value], operators: Operators[Solution], options: GeneticOptions
) -> str:
    """Why the search is over; empty while it is not."""
    if len(run.log) > options.generations:
        return "all generations done"
    if run.log and _settled(run, operators, options):
        return f"no better plan in {run.stalled} generations, and none one change away"
    return ""


def _settled(
    run: Run[Solution, Value], operators: Operators[Solution], options: GeneticOptions
) -> bool:
    """Whether to stop early: nothing better for a while, and nothing left to try nearby."""
    if not options.stall_generations or run.stalled < options.stall_generations:
        return False
    if not options.local_search:
        return True
    best = min(run.population, key=lambda genome: run.cache[operators.decode(genome)].fitness)
    return not _unexplored(operators.neighbours(best), run.cache, operators)


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
    """Parents: winners of tournaments, the best of all, or from a roulette wheel.

    The wheel's shares are ranks (``roulette``) or reciprocal objectives (``proportional``).
    """
    count = options.selected or len(population)
    if options.selection == "best":
        return list(tools.selBest(population, count))
    if options.selection == "proportional":
        for individual in population:
            individual.share = _Share((_share(individual.fitness.values),))
        return list(tools.selRoulette(population, count, fit_attr="share"))
    if options.selection == "roulette":
        for place, individual in enumerate(reversed(tools.selBest(population, len(population)))):
            individual.share = _Share((place + 1.0,))
        return list(tools.selRoulette(population, count, fit_attr="share"))
    return list(tools.selTournament(population, count, tournsize=options.tournament_size))


def _share(values: tuple[float, ...]) -> float:
    """The reciprocal of the last objective, the less the more the earlier ones are violated."""
    if values[-1] == float("inf"):
        return 0.0
    return 1.0 / (max(values[-1], 1e-12) * (1.0 + sum(max(v, 0.0) for v in values[:-1])))


def _offspring(
    chosen: list[_Individual],
    population: list[_Individual],
    cache: dict[Solution, Value],
    operators: Operators[Solution],
    options: GeneticOptions,
    rng: random.Random,
) -> list[Genome]:
    """New neighbours of the best (``local_search`` of them), and crossed and mutated parents.

    When every neighbour of the best is known, all children come from further away, as long as
    there are any. A child that was seen before is mutated again a few times.
    """
    size = len(population) - min(options.elite, len(population) - 1)
    best = list(tools.selBest(population, 1)[0])
    genomes: list[Genome] = []
    if options.local_search:
        near = _unexplored(operators.neighbours(best), cache, operators)
        genomes = _draw(near, int(size * options.local_search), rng)
        if not near:
            genomes = _draw(_unexplored(operators.wider(best), cache, operators), size, rng)
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
    genomes: Iterator[tuple[str, Genome]],
    cache: dict[Solution, Value],
    operators: Operators[Solution],
) -> dict[str, list[Genome]]:
    """Genomes by their kind whose solutions are not known yet, each solution once."""
    found: dict[str, list[Genome]] = {}
    seen: set[Solution] = set()
    for kind, genome in genomes:
        solution = operators.decode(genome)
        if solution not in cache and solution not in seen:
            seen.add(solution)
            found.setdefault(kind, []).append(genome)
    return found


def _draw(kinds: dict[str, list[Genome]], count: int, rng: random.Random) -> list[Genome]:
    """So many genomes, each of a random kind; fewer where there are no more."""
    left = {kind: rng.sample(genomes, len(genomes)) for kind, genomes in kinds.items()}
    drawn: list[Genome] = []
    while left and len(drawn) < count:
        kind = rng.choice(list(left))
        drawn.append(left[kind].pop())
        if not left[kind]:
            del left[kind]
    return drawn


def _individual(
    genome: Genome,
    value: Evaluated,
    weights: tuple[float, ...],
    learn: Callable[[Genome, Any], Genome] | None = None,
) -> _Individual:
    individual = _Individual(genome if learn is None else learn(genome, value), weights)
    individual.evaluated = genome
    individual.fitness.values = value.fitness
    return individual
