"""Proof by enumeration: every tree of a small feeder."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.feeder_goal import values
from hybridopt.solvers.radial import UNSERVED, VIOLATION, WITHIN, evaluate, losses
from hybridopt.solvers.trees import all_trees, count_trees

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hybridopt.feeder_trees import FeederTrees
    from hybridopt.progress import Progress

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

WORTH_WHILE = (
    2e8  # trees times buses times hours that are enumerated without being asked, some 10 s
)
BATCH = 4096
LOOSE = 1e-9  # tolerance of squared voltages while enumerating


@dataclass(frozen=True, eq=False)
class Proof:
    """The best of all trees.

    Attributes
    ----------
    configurations : number of trees (Kirchhoff's theorem), and of those looked at
    opens : (k,) the best
    fitness : violation, unserved, objective
    wall_s : s
    """

    configurations: int
    opens: Ints
    fitness: tuple[float, ...]
    wall_s: float


def count_configurations(trees: FeederTrees) -> float:
    """Radial configurations that feed every bus; inf where they cannot be counted in a float."""
    return count_trees(trees.nodes, len(trees.bus), trees.arrays.cuttable)


def worth_while(trees: FeederTrees, count: float) -> bool:
    """Whether all trees can be looked at in some seconds."""
    return count * len(trees.bus) * trees.feeder.n_t <= WORTH_WHILE


def best_of_all(trees: FeederTrees, weights: Floats, progress: Progress) -> Proof:
    """Look at every tree.

    Raises
    ------
    RuntimeError
        The trees enumerated are not as many as Kirchhoff's theorem says.
    """
    began = time.perf_counter()
    count = count_configurations(trees)
    only_loss = not weights[1:].any() and not trees.arrays.has[1]
    best: tuple[tuple[float, ...], Ints] | None = None
    looked = 0

    def measure(opens: Ints) -> tuple[Ints, Floats]:
        if only_loss:
            value = weights[0] * losses(trees.arrays, opens, LOOSE)
            bad = ~np.isfinite(value)
            return opens, np.column_stack([np.where(bad, np.inf, 0.0), np.zeros(len(opens)), value])
        found = evaluate(trees.arrays, opens, LOOSE)
        over = np.where(found[:, VIOLATION] > WITHIN, found[:, VIOLATION], 0.0)
        return opens, np.column_stack(
            [over, found[:, UNSERVED], values(trees, opens, found, weights)]
        )

    steps = max(int(count) // BATCH, 1)
    with (
        ThreadPoolExecutor(os.cpu_count() or 1) as pool,
        progress.task("Every configuration", steps) as advance,
    ):
        batches = all_batches(trees)
        shown = 0
        while chunk := list(islice(batches, 32)):
            for opens, fitness in pool.map(measure, chunk):
                looked += len(opens)
                row = np.lexsort(fitness.T[::-1])[0]
                key = tuple(map(float, fitness[row]))
                if best is None or key < best[0]:
                    best = key, opens[row].copy()
                while shown < min(looked // BATCH, steps):
                    shown += 1
                    advance()
    if looked != count or best is None:
        raise RuntimeError(f"{looked} trees were enumerated, but there are {count:.0f}")
    return Proof(looked, np.sort(best[1]), best[0], time.perf_counter() - began)


def all_batches(trees: FeederTrees) -> Iterator[Ints]:
    """Every tree in batches of open branches, neither tiny nor huge."""
    waiting: list[Ints] = []
    size = 0
    for rows in all_trees(trees.nodes, len(trees.bus), trees.arrays.cuttable):
        waiting.append(rows)
        size += len(rows)
        if size >= BATCH:
            whole = np.concatenate(waiting)
            yield from (whole[k : k + 4 * BATCH] for k in range(0, len(whole), 4 * BATCH))
            waiting, size = [], 0
    if waiting:
        yield np.concatenate(waiting)
