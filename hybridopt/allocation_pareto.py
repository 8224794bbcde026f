"""Pareto front of allocations: NSGA-II on DEAP, begun from descents towards each objective."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.allocation_goal import NAMES, Goal, in_units
from hybridopt.allocation_search import EXCHANGES, OrderOperators
from hybridopt.solvers.injections import ITERATIONS, VIOLATION
from hybridopt.solvers.nsga2 import non_dominated, spread

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.allocation import Day
    from hybridopt.allocation_search import Orders, Problem
    from hybridopt.network_allocation import AllocationNetwork
    from hybridopt.progress import Progress

    Floats = NDArray[np.float64]

POPULATION, GENERATIONS = 96, 150
MIXES = 6  # descents towards weighted sums between the ends
MOST_SWAPS = 2


def pareto_front(
    network: AllocationNetwork,
    problem: Problem,
    names: Sequence[str],
    best: Day,
    seed: int,
    progress: Progress,
) -> list[dict[str, Any]]:
    """Allocations that none beats in all objectives, limits met.

    Parameters
    ----------
    names : two or more of :data:`hybridopt.allocation_goal.NAMES`
    best : an allocation to begin with

    Returns
    -------
    One row per allocation by the first objective: every objective in its unit, ``load_order`` and
    ``generation_order`` (texts of numbers)
    """
    base = network.base_mva
    ways, rng = OrderOperators(problem), random.Random(seed)
    archive: dict[Orders, Floats] = {}
    columns = [NAMES.index(name) for name in names]

    def measure(population: list[list[Any]]) -> list[tuple[float, ...]]:
        measures = problem.measures(population)
        units, found = in_units(measures, base), []
        for genome, row, point in zip(population, measures, units, strict=True):
            bad = row[ITERATIONS] <= 0
            # What breaks limits is behind in everything: its distance goes on every objective.
            push = 1e9 if bad else 1e3 * float(row[VIOLATION])
            found.append(tuple(map(float, np.nan_to_num(point[columns], posinf=1e9) + push)))
            if not bad and row[VIOLATION] == 0.0:
                archive[tuple(map(int, genome))] = point
        return found

    first = _first(problem, names, best, base, ways, rng)
    with progress.task("Pareto front", GENERATIONS) as advance:
        spread(
            first,
            measure,
            ways.cross,
            lambda a, own: ways.mutate(a, own, MOST_SWAPS),
            len(names),
            GENERATIONS,
            seed,
            advance,
        )
    orders = list(archive)
    points = np.array([archive[o] for o in orders]).reshape(len(orders), len(NAMES))
    rows = []
    for k in non_dominated(points[:, columns]) if orders else []:
        loads, generation = ways.split(orders[k])
        rows.append(
            dict(zip(NAMES, map(float, points[k]), strict=True))
            | {
                "load_order": " ".join(map(str, loads)),
                "generation_order": " ".join(map(str, generation)),
            }
        )
    return rows


def _first(
    problem: Problem,
    names: Sequence[str],
    best: Day,
    base: float,
    ways: OrderOperators,
    rng: random.Random,
) -> list[list[Any]]:
    """The best so far, descents towards each objective and between them, and swaps of those."""
    start: Orders = (*map(int, best.load_order), *map(int, best.generation_order))
    scale = np.maximum(np.abs([best.objectives[name] for name in names]), 1e-9)
    mixes = [np.eye(len(names))[k] + 1e-4 for k in range(len(names))]
    mixes += [np.array([rng.random() for _ in names]) for _ in range(MIXES)]
    first: list[list[Any]] = [list(start)]
    exchanges = problem.exchanges()[:EXCHANGES]
    for mix in mixes:
        weights = Goal(tuple(zip(names, map(float, mix / scale), strict=True))).kernel_weights(base)
        orders, improves = start, True
        while improves:
            orders, _, improves, _, _ = problem.improved(orders, weights, exchanges)
        first.append(list(orders))
    ends = list(first)
    while len(first) < POPULATION:
        first.append(ways.mutate(rng.choice(ends), rng, MOST_SWAPS))
    return first
