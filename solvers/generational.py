"""The plain genetic algorithm: a generation is replaced by its children.

As in Maggie and Karpagavalli 2014 (reference C): tournament of two, single-point crossover, uniform
mutation, an end when all chromosomes agree. With a roulette wheel, a given first generation and an
elite as in Sun, Liu, Sun and Hu 2014 (reference B).
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from deap import base, tools

from hybridopt.solvers.dice import dice, own_random

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

ALIKE = "all chromosomes are the same"


@dataclass(frozen=True)
class GenerationalOptions:
    """Settings; the defaults are reference C's.

    Attributes
    ----------
    mutation_rate : of each gene
    penalty : factor of the squared violations in the last generation, growing from 0 in the first;
        None compares feasibility first
    selection : "tournament" or "roulette", see :func:`wheel_shares`
    elite : best chromosomes that stay
    until_alike : end when all chromosomes agree
    """

    population: int = 20
    generations: int = 100
    mutation_rate: float = 0.01
    crossover_rate: float = 0.8
    penalty: float | None = None
    selection: str = "tournament"
    elite: int = 0
    until_alike: bool = True


class Encoding(Protocol):
    """What chromosomes stand for. Random numbers come from the module ``random``."""

    def create(self) -> list[Any]:
        """Give random genes."""
        ...

    def repair(self, genes: list[Any]) -> Hashable:
        """Make genes valid, in place; the solution they stand for."""
        ...

    def mutate(self, genes: list[Any], rate: float) -> None:
        """Change each gene with a probability, in place."""
        ...


class _Fitness(base.Fitness):  # type: ignore[misc]
    weights = (-1.0, -1.0)


class _Share(base.Fitness):  # type: ignore[misc]
    """Share of the roulette wheel."""

    weights = (1.0,)


class _Chromosome(list[Any]):
    """Genes with DEAP's fitness and the solution they stand for."""

    share: _Share

    def __init__(self, genes: Sequence[Any]) -> None:
        super().__init__(genes)
        self.fitness = _Fitness()
        self.solution: Hashable = None


def evolve(
    encoding: Encoding,
    fitness: Callable[[list[Any], int], list[tuple[float, float]]],
    options: GenerationalOptions,
    seed: int,
    report: Callable[[], None] = lambda: None,
    first: Sequence[Sequence[Any]] = (),
) -> str:
    """Breed generation after generation.

    Parameters
    ----------
    first : genes of the first generation, which may be smaller; random ones if there are none
    fitness : of the solutions of a population, in a generation; two values each, the first first
    report : called after each generation

    Returns
    -------
    Why the search ended; what was found is what ``fitness`` saw.
    """
    with own_random(random.Random(seed)):
        started = first or [encoding.create() for _ in range(options.population)]
        population = [_Chromosome(genes) for genes in started]
        for generation in range(options.generations + 1):
            for chromosome in population:
                chromosome.solution = encoding.repair(chromosome)
            found = fitness([chromosome.solution for chromosome in population], generation)
            for chromosome, values in zip(population, found, strict=True):
                chromosome.fitness.values = values
            report()
            alike = len({chromosome.solution for chromosome in population}) == 1
            if alike and options.until_alike:
                return ALIKE
            population = _children(population, encoding, options)
    return "all generations done"


def _children(
    population: list[_Chromosome], encoding: Encoding, options: GenerationalOptions
) -> list[_Chromosome]:
    if options.selection == "roulette":
        values = [chromosome.fitness.values for chromosome in population]
        for chromosome, share in zip(population, wheel_shares(values), strict=True):
            chromosome.share = _Share((share,))
        chosen = tools.selRoulette(population, options.population, fit_attr="share")
    else:
        chosen = tools.selTournament(population, options.population, tournsize=2)
    children = [_Chromosome(chromosome) for chromosome in chosen]
    for one, other in zip(children[::2], children[1::2], strict=False):
        if len(one) > 1 and dice.random() < options.crossover_rate:
            tools.cxOnePoint(one, other)
    for child in children:
        encoding.mutate(child, options.mutation_rate)
    best = tools.selBest(population, min(options.elite, len(population)))
    return ([_Chromosome(chromosome) for chromosome in best] + children)[: options.population]


def wheel_shares(values: Sequence[tuple[float, float]]) -> list[float]:
    """Shares of a roulette wheel, 1/F as in equations 12 and 13 of reference B.

    F may be zero or negative, for which 1/F means nothing: where one is, all are shifted so that
    the least becomes a tenth of the range, and the best has eleven times the share of the worst.
    What violates limits has at most the share of the worst that doesn't, the less the more it
    violates.

    Parameters
    ----------
    values : violation (0 for none) and F of each, the smaller the better
    """
    within = [value for violation, value in values if violation == 0]
    low, high = min(within, default=1.0), max(within, default=1.0)
    shift = 0.0 if low > 0 else (high - low or 1.0) / 10 - low
    worst = 1.0 / (high + shift)
    return [
        1.0 / (value + shift) if violation == 0 else worst / (1.0 + min(violation, 1e6))
        for violation, value in values
    ]


def mutate_integers(genes: list[int], below: int, rate: float) -> None:
    """Give each gene, with a probability, a random value from 0 to ``below - 1``."""
    tools.mutUniformInt(genes, 0, below - 1, rate)
