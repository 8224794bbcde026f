"""NSGA-II (Deb et al. 2002) on DEAP: a population that spreads along a Pareto front."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
from deap import base, tools

from hybridopt.solvers.dice import own_random

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

CROSSOVER, MUTATION = 0.5, 0.7
SAME = 1e-9  # relative difference of two objectives that is none


class _Fitness(base.Fitness):  # type: ignore[misc]
    weights: tuple[float, ...] = (-1.0,)


class _Individual(list[Any]):
    def __init__(self, genome: Sequence[Any], fitness: Any) -> None:
        super().__init__(genome)
        self.fitness = fitness()


def spread(
    first: Sequence[Sequence[Any]],
    measure: Callable[[list[list[Any]]], list[tuple[float, ...]]],
    cross: Callable[[list[Any], list[Any], random.Random], list[Any]],
    mutate: Callable[[list[Any], random.Random], list[Any]],
    n_objectives: int,
    generations: int,
    seed: int,
    report: Callable[[], bool | None] = lambda: None,
) -> None:
    """Breed towards the front; what was found is what ``measure`` saw.

    Parameters
    ----------
    first : genomes of the first population, a multiple of 4
    measure : ``n_objectives`` values to minimise of each genome
    report : called after each generation; what it breeds is enough where it says True
    """
    fitness = type("Fitness", (_Fitness,), {"weights": (-1.0,) * n_objectives})
    rng = random.Random(seed)

    def measured(population: list[_Individual]) -> list[_Individual]:
        for individual, values in zip(population, measure(list(population)), strict=True):
            individual.fitness.values = values
        return population

    size = len(first)
    population = measured([_Individual(genome, fitness) for genome in first])
    with own_random(rng):
        population = tools.selNSGA2(population, size)
        for _ in range(generations):
            chosen = tools.selTournamentDCD(population, size)
            children = []
            for k in range(size):
                child = list(chosen[k])
                crossed = rng.random() < CROSSOVER
                if crossed:
                    child = cross(child, list(chosen[k - 1]), rng)
                if not crossed or rng.random() < MUTATION:
                    child = mutate(child, rng)
                children.append(_Individual(child, fitness))
            population = tools.selNSGA2(population + measured(children), size)
            if report():
                break


def non_dominated(points: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows that no other row beats or equals in everything; the first of equals; by columns."""
    order = np.lexsort(points.T[::-1])
    kept: list[int] = []
    for row in order:
        point = points[row]
        room = SAME * np.abs(point)
        if not any((points[k] <= point + room).all() for k in kept):
            kept.append(int(row))
    return np.array(kept, dtype=np.int64)
