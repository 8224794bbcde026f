"""Pareto front of a feeder's configurations: NSGA-II on DEAP, or all of them."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.feeder_goal import PARTS, operations
from hybridopt.solvers.nsga2 import non_dominated, spread
from hybridopt.solvers.radial import ITERATIONS, LOSS, VIOLATION, WITHIN, evaluate
from hybridopt.tree_proof import all_batches
from hybridopt.tree_search import TreeOperators, improved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.feeder_trees import FeederTrees
    from hybridopt.progress import Progress
    from hybridopt.solvers.search import Genome

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

POPULATION, GENERATIONS = 64, 80


def pareto_front(
    trees: FeederTrees,
    names: Sequence[str],
    seed: int,
    progress: Progress,
    *,
    exact: bool,
    starts: Sequence[Ints] = (),
) -> list[tuple[Ints, Floats, Floats]]:
    """Configurations that none beats in all objectives, limits met.

    Parameters
    ----------
    names : two or more of :data:`hybridopt.feeder_goal.PARTS`
    exact : look at every tree instead of searching
    starts : trees to begin with

    Returns
    -------
    Open branches, objectives (pu h of losses), and measures of each, by the first objective.
    """
    if exact:
        return _exact(trees, names, progress)
    return _search(trees, names, seed, progress, starts)


def _objectives(trees: FeederTrees, opens: Ints, measures: Floats, names: Sequence[str]) -> Floats:
    columns = [
        operations(trees, opens).astype(float)
        if name == "switching_operations"
        else measures[:, LOSS + PARTS.index(name)]
        for name in names
    ]
    return np.column_stack(columns)


def _exact(
    trees: FeederTrees, names: Sequence[str], progress: Progress
) -> list[tuple[Ints, Floats, Floats]]:
    held: list[tuple[Ints, Floats, Floats]] = []
    with progress.task("Every configuration", 1) as advance:
        for opens in all_batches(trees):
            measures = evaluate(trees.arrays, opens, 1e-10)
            good = (measures[:, ITERATIONS] > 0) & (measures[:, VIOLATION] <= WITHIN)
            opens, measures = opens[good], measures[good]  # noqa: PLW2901
            points = _objectives(trees, opens, measures, names)
            all_points = np.concatenate(
                [np.array([h[1] for h in held]).reshape(-1, len(names)), points]
            )
            n = len(held)
            held = [
                held[k] if k < n else (np.sort(opens[k - n]), points[k - n], measures[k - n])
                for k in non_dominated(all_points)
            ]
        advance()
    return held


def _search(
    trees: FeederTrees,
    names: Sequence[str],
    seed: int,
    progress: Progress,
    starts: Sequence[Ints],
) -> list[tuple[Ints, Floats, Floats]]:
    ways, rng = TreeOperators(trees), random.Random(seed)
    archive: dict[tuple[int, ...], tuple[Floats, Floats]] = {}

    def measure(population: list[list[Any]]) -> list[tuple[float, ...]]:
        opens = np.array(population, dtype=np.int64).reshape(len(population), -1)
        measures = evaluate(trees.arrays, opens)
        points = _objectives(trees, opens, measures, names)
        found = []
        for genome, row, point in zip(population, measures, points, strict=True):
            over = float(row[VIOLATION]) if row[VIOLATION] > WITHIN else 0.0
            bad = row[ITERATIONS] <= 0
            # What breaks limits is behind in everything: its distance goes on every objective.
            push = 1e9 if bad else 1e3 * over
            found.append(tuple(map(float, np.nan_to_num(point, posinf=1e9) + push)))
            if not bad and over == 0.0:
                archive[tuple(sorted(genome))] = point, row
        return found

    seeds = [np.asarray(start) for start in starts] or [trees.normal_tree()]
    for name in names:  # the ends of the front
        weights = np.zeros(len(PARTS))
        weights[PARTS.index(name)] = 1.0
        weights[0] += 1e-6
        seeds += [improved(trees, start, weights) for start in seeds[:2]]
    first: list[Genome] = [list(map(int, opens)) for opens in seeds[:POPULATION]]
    while len(first) < POPULATION:
        first.append(ways.kick(rng.choice(first), rng))
    with progress.task("Pareto front", GENERATIONS) as advance:
        n = len(names)
        spread(first, measure, ways.cross, ways.kick, n, GENERATIONS, seed, advance)
    found = list(archive.items())
    points = np.array([point for _, (point, _) in found]).reshape(len(found), len(names))
    return [
        (np.array(found[k][0], dtype=np.int64), points[k], found[k][1][1])
        for k in non_dominated(points)
    ]
