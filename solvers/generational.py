"""The plain genetic algorithm: tournament of two, single-point crossover, uniform mutation.

As in Maggie and Karpagavalli 2014 (reference C): a generation is replaced by its children, and the
search ends when all chromosomes agree.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from deap import base, tools

from hybridopt.solvers.genetic import own_random

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
    """

    population: int = 20
    generations: int = 100
    mutation_rate: float = 0.01
    crossover_rate: float = 0.8
    penalty: float | None = None


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


class _Chromosome(list[Any]):
    """Genes with DEAP's fitness and the solution they stand for."""

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
) -> str:
    """Breed generation after generation.

    Parameters
    ----------
    fitness : of the solutions of a population, in a generation; two values each, the first first
    report : called after each generation

    Returns
    -------
    Why the search ended; what was found is what ``fitness`` saw.
    """
    with own_random(random.Random(seed)):
        population = [_Chromosome(encoding.create()) for _ in range(options.population)]
        for generation in range(options.generations + 1):
            for chromosome in population:
                chromosome.solution = encoding.repair(chromosome)
            found = fitness([chromosome.solution for chromosome in population], generation)
            for chromosome, values in zip(population, found, strict=True):
                chromosome.fitness.values = values
            report()
            if len({chromosome.solution for chromosome in population}) == 1:
                return ALIKE
            population = _children(population, encoding, options)
    return "all generations done"


def _children(
    population: list[_Chromosome], encoding: Encoding, options: GenerationalOptions
) -> list[_Chromosome]:
    chosen = tools.selTournament(population, len(population), tournsize=2)
    children = [_Chromosome(chromosome) for chromosome in chosen]
    for one, other in zip(children[::2], children[1::2], strict=False):
        if len(one) > 1 and random.random() < options.crossover_rate:
            tools.cxOnePoint(one, other)
    for child in children:
        encoding.mutate(child, options.mutation_rate)
    return children


def mutate_integers(genes: list[int], below: int, rate: float) -> None:
    """Give each gene, with a probability, a random value from 0 to ``below - 1``."""
    tools.mutUniformInt(genes, 0, below - 1, rate)
