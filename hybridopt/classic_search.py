"""Genetic algorithm after Maggie and Karpagavalli 2014 (reference C), for two encodings.

As printed: tournament of two, single-point crossover, uniform mutation, a penalty on violated
limits that grows with the generation, an end when all chromosomes agree or after the given
generations. The paper keeps nothing of a generation but its children; neither do we, but the best
tree seen is the answer.

``prufer``: a chromosome is a Prüfer sequence over the buses (sources are one). Few of the edges it
stands for are branches: those are kept, and the tree is filled up with branches of the network in
random order (repair); the chromosome becomes the sequence of the repaired tree. ``keys``: a number
for each branch; Kruskal closes the least first, so that every chromosome is a tree.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.feeder_goal import values
from hybridopt.solvers.dice import dice
from hybridopt.solvers.generational import GenerationalOptions, evolve, mutate_integers
from hybridopt.solvers.radial import UNSERVED, VIOLATION, VIOLATION2, WITHIN, evaluate
from hybridopt.solvers.trees import prufer_decode, prufer_encode
from hybridopt.tree_search import TreeSearch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.feeder_trees import FeederTrees
    from hybridopt.progress import Progress

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Tree = tuple[int, ...]

ENCODINGS = ("prufer", "keys")


def search_classic(
    trees: FeederTrees,
    weights: Floats,
    seed: int,
    objective: str,
    encoding: str,
    progress: Progress,
    options: GenerationalOptions | None = None,
) -> TreeSearch:
    """Search as reference C does.

    Parameters
    ----------
    encoding : one of :data:`ENCODINGS`
    """
    options = options or GenerationalOptions()
    task = _Task(trees, weights, objective, options)
    with progress.task("Search", options.generations + 1) as advance:
        genes = _Prufer(trees) if encoding == "prufer" else _Keys(trees)
        ended = evolve(genes, task.fitness, options, seed, advance)
    key, tree = task.best
    return TreeSearch(np.array(tree, dtype=np.int64), key, task.log, task.tried, ended)


class _Task:
    """Measures populations and keeps the best tree seen."""

    def __init__(
        self, trees: FeederTrees, weights: Floats, objective: str, options: GenerationalOptions
    ) -> None:
        self.trees, self.weights, self.options = trees, weights, options
        self.objective, self.tried = objective, 0
        self.known: dict[Tree, Floats] = {}
        self.best: tuple[tuple[float, ...], Tree] = ((np.inf,) * 3, ())
        self.log: list[dict[str, Any]] = []

    def fitness(self, population: list[Tree], generation: int) -> list[tuple[float, float]]:
        """What tournaments compare: feasibility first, or the objective with its penalty."""
        self._measure([tree for tree in dict.fromkeys(population) if tree not in self.known])
        self.tried += len(population)
        rows = [self.known[tree] for tree in population]
        for tree, row in zip(population, rows, strict=True):
            self.best = min(self.best, (tuple(map(float, row[:3])), tree))
        self._note(generation, [float(row[2]) for row in rows if np.isfinite(row[2])])
        if self.options.penalty is None:
            return [(float(row[0]), float(row[2])) for row in rows]
        grown = self.options.penalty * generation / self.options.generations
        return [
            (0.0, float(row[2] + grown * row[3])) if np.isfinite(row[3]) else (np.inf, np.inf)
            for row in rows
        ]

    def _measure(self, new: list[Tree]) -> None:
        """Violation, unserved, value and squared violation of trees."""
        if not new:
            return
        opens = np.array(new, dtype=np.int64).reshape(len(new), -1)
        found = evaluate(self.trees.arrays, opens)
        value = values(self.trees, opens, found, self.weights)
        over = np.where(found[:, VIOLATION] > WITHIN, found[:, VIOLATION], 0.0)
        rows = np.column_stack([over, found[:, UNSERVED], value, found[:, VIOLATION2]])
        self.known.update(zip(new, rows, strict=True))

    def _note(self, generation: int, finite: list[float]) -> None:
        self.log.append(
            {
                "generation": generation,
                "evaluations": self.tried,
                "distinct_plans": len(self.known),
                "best_violation": self.best[0][0],
                "best_unserved": self.best[0][1],
                f"best_{self.objective}": self.best[0][2],
                f"mean_{self.objective}": sum(finite) / len(finite) if finite else None,
            }
        )


class _Keys:
    """A number for each branch."""

    def __init__(self, trees: FeederTrees) -> None:
        self.trees = trees

    def create(self) -> list[float]:
        return [dice.random() for _ in self.trees.branch]

    def mutate(self, genes: list[float], rate: float) -> None:
        for k in range(len(genes)):
            if dice.random() < rate:
                genes[k] = dice.random()

    def repair(self, genes: list[float]) -> Tree:
        return tuple(map(int, self.trees.spanning(np.array(genes, dtype=float))))


class _Prufer:
    """A sequence of buses, sources being one."""

    def __init__(self, trees: FeederTrees) -> None:
        self.trees = trees
        self.node = {int(n): k for k, n in enumerate(np.unique(trees.nodes))}
        self.ends = [(self.node[int(a)], self.node[int(b)]) for a, b in trees.nodes]

    def create(self) -> list[int]:
        priority = np.array([dice.random() for _ in self.trees.branch])
        return self._encode(self.trees.spanning(priority))

    def mutate(self, genes: list[int], rate: float) -> None:
        mutate_integers(genes, len(self.node), rate)

    def repair(self, genes: list[int]) -> Tree:
        """Keep the edges that are branches, fill up at random; the genes become that tree's."""
        edges = prufer_decode(genes, len(self.node)) if len(self.node) > 1 else []
        wanted = {(min(edge), max(edge)) for edge in edges}
        kept = [(min(a, b), max(a, b)) in wanted for a, b in self.ends]
        order = np.array([dice.random() for _ in kept])
        opens = self.trees.spanning(np.where(kept, order, order + 1.0))
        genes[:] = self._encode(opens)
        return tuple(map(int, opens))

    def _encode(self, opens: Ints) -> list[int]:
        closed = np.ones(len(self.ends), dtype=bool)
        closed[opens] = False
        return prufer_encode([self.ends[m] for m in np.flatnonzero(closed)], len(self.node))
