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


def non_dominated(points: NDArray[np.float64], same: float = SAME) -> NDArray[np.int64]:
    """Rows that no other row beats or equals in everything; the first of equals; by columns.

    Parameters
    ----------
    points : (n, k), to minimise
    same : relative difference of two values that is none
    """
    level = np.column_stack([_levels(column, same) for column in points.T])
    kept: list[int] = []
    for row in np.lexsort((*points.T[::-1], *level.T[::-1])):
        if not any((level[k] <= level[row]).all() for k in kept):
            kept.append(int(row))
    return np.array(kept, dtype=np.int64)


def _levels(values: NDArray[np.float64], same: float) -> NDArray[np.int64]:
    """Ranks of values, those that differ by nothing sharing one; (n,)."""
    order = np.argsort(values, kind="stable")
    rank = np.zeros(len(values), dtype=np.int64)
    first, now = -np.inf, -1
    for row in order:
        if not values[row] <= first + same * abs(first):
            first, now = values[row], now + 1
        rank[row] = now
    return rank


def hypervolume(points: NDArray[np.float64], reference: NDArray[np.float64]) -> float:
    """Volume that points dominate, up to a reference point, by slices along the last objective.

    Parameters
    ----------
    points : (n, k), to minimise
    reference : (k,); what lies beyond it in any objective counts nothing
    """
    inside = points[(points < reference).all(axis=1)]
    if not len(inside):
        return 0.0
    if inside.shape[1] == 1:
        return float(reference[0] - inside.min())
    ordered = inside[np.argsort(inside[:, -1], kind="stable")]
    ends = np.append(ordered[1:, -1], reference[-1])
    heights = ends - ordered[:, -1]
    return float(
        sum(
            height * hypervolume(ordered[: k + 1, :-1], reference[:-1])
            for k, height in enumerate(heights)
            if height > 0
        )
    )
