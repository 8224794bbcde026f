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

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from deap import base, tools

from hybridopt.feeder_goal import values
from hybridopt.solvers.genetic import own_random
from hybridopt.solvers.radial import UNSERVED, VIOLATION, VIOLATION2, WITHIN, evaluate
from hybridopt.solvers.trees import prufer_decode, prufer_encode
from hybridopt.tree_search import TreeSearch

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.feeder_trees import FeederTrees
    from hybridopt.progress import Progress

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

ENCODINGS = ("prufer", "keys")
PENALTY = 1e4  # objective per pu^2 in the last generation; reference C prints no factor


@dataclass(frozen=True)
class ClassicOptions:
    """Settings of reference C.

    Attributes
    ----------
    population, generations, mutation_rate, crossover_rate : as printed by default; the rate of
        mutation is that of each gene
    penalty : factor of the squared violations in the last generation, growing from there on
        linearly; None compares feasibility first
    """

    population: int = 20
    generations: int = 100
    mutation_rate: float = 0.01
    crossover_rate: float = 0.8
    penalty: float | None = None


class _Fitness(base.Fitness):  # type: ignore[misc]
    weights = (-1.0, -1.0)


class _Chromosome(list[Any]):
    """Genes with the tree that they stand for."""

    def __init__(self, genes: Any) -> None:
        super().__init__(genes)
        self.fitness = _Fitness()
        self.opens: tuple[int, ...] = ()


def search_classic(
    trees: FeederTrees,
    weights: Floats,
    seed: int,
    objective: str,
    encoding: str,
    progress: Progress,
    options: ClassicOptions | None = None,
) -> TreeSearch:
    """Search as reference C does.

    Parameters
    ----------
    encoding : one of :data:`ENCODINGS`
    """
    options = options or ClassicOptions()
    task = _Prufer(trees) if encoding == "prufer" else _Keys(trees)
    rng = random.Random(seed)
    known: dict[tuple[int, ...], Floats] = {}
    best: tuple[tuple[float, ...], tuple[int, ...]] = ((np.inf,) * 3, ())
    log: list[dict[str, Any]] = []
    ended = "all generations done"
    tried = 0

    with progress.task("Search", options.generations + 1) as advance, own_random(rng):
        population = [_Chromosome(task.random()) for _ in range(options.population)]
        for generation in range(options.generations + 1):
            for chromosome in population:
                task.repair(chromosome)
            tried += len(population)
            rows = _measure(trees, population, known, weights)
            for chromosome, row in zip(population, rows, strict=True):
                chromosome.fitness.values = _fitness(row, generation, options)
                key = (float(row[0]), float(row[1]), float(row[2]))
                if key < best[0]:
                    best = key, chromosome.opens
            finite = [float(row[2]) for row in rows if np.isfinite(row[2])]
            log.append(
                {
                    "generation": generation,
                    "evaluations": tried,
                    "distinct_plans": len(known),
                    "best_violation": best[0][0],
                    "best_unserved": best[0][1],
                    f"best_{objective}": best[0][2],
                    f"mean_{objective}": sum(finite) / len(finite) if finite else None,
                }
            )
            advance()
            if len({chromosome.opens for chromosome in population}) == 1:
                ended = "all chromosomes are the same"
                break
            if generation < options.generations:
                population = _next(population, task, options)
    return TreeSearch(np.array(best[1], dtype=np.int64), best[0], log, tried, ended)


def _next(population: list[_Chromosome], task: Any, options: ClassicOptions) -> list[_Chromosome]:
    """Winners of tournaments, crossed in pairs and mutated."""
    chosen = tools.selTournament(population, len(population), tournsize=2)
    children = [_Chromosome(chromosome) for chromosome in chosen]
    for one, other in zip(children[::2], children[1::2], strict=False):
        if len(one) > 1 and random.random() < options.crossover_rate:
            tools.cxOnePoint(one, other)
    for child in children:
        task.mutate(child, options.mutation_rate)
    return children


def _measure(
    trees: FeederTrees,
    population: list[_Chromosome],
    known: dict[tuple[int, ...], Floats],
    weights: Floats,
) -> list[Floats]:
    """Violation, unserved, value and squared violation of each chromosome's tree."""
    new = list(dict.fromkeys(c.opens for c in population if c.opens not in known))
    if new:
        opens = np.array(new, dtype=np.int64).reshape(len(new), -1)
        found = evaluate(trees.arrays, opens)
        value = values(trees, opens, found, weights)
        over = np.where(found[:, VIOLATION] > WITHIN, found[:, VIOLATION], 0.0)
        rows = np.column_stack([over, found[:, UNSERVED], value, found[:, VIOLATION2]])
        known.update(zip(new, rows, strict=True))
    return [known[c.opens] for c in population]


def _fitness(row: Floats, generation: int, options: ClassicOptions) -> tuple[float, float]:
    """What tournaments compare: feasibility first, or the objective with its growing penalty."""
    if options.penalty is None or not np.isfinite(row[3]):
        return float(row[0]), float(row[2])
    grown = options.penalty * generation / max(options.generations, 1)
    return 0.0, float(row[2] + grown * row[3])


class _Keys:
    """A number for each branch."""

    def __init__(self, trees: FeederTrees) -> None:
        self.trees = trees

    def random(self) -> list[float]:
        return [random.random() for _ in self.trees.branch]

    def mutate(self, genes: list[float], rate: float) -> None:
        for k in range(len(genes)):
            if random.random() < rate:
                genes[k] = random.random()

    def repair(self, chromosome: _Chromosome) -> None:
        opens = self.trees.spanning(np.array(chromosome, dtype=float))
        chromosome.opens = tuple(map(int, opens))


class _Prufer:
    """A sequence of buses, sources being one."""

    def __init__(self, trees: FeederTrees) -> None:
        self.trees = trees
        self.node = {int(n): k for k, n in enumerate(np.unique(trees.nodes))}
        self.ends = [(self.node[int(a)], self.node[int(b)]) for a, b in trees.nodes]

    def random(self) -> list[int]:
        priority = np.array([random.random() for _ in self.trees.branch])
        return self._encode(self.trees.spanning(priority))

    def mutate(self, genes: list[int], rate: float) -> None:
        tools.mutUniformInt(genes, 0, len(self.node) - 1, rate)

    def repair(self, chromosome: _Chromosome) -> None:
        """Keep the edges that are branches, fill up at random; the genes become that tree's."""
        wanted = {
            (min(edge), max(edge)) for edge in prufer_decode(list(chromosome), len(self.node))
        }
        kept = [(min(a, b), max(a, b)) in wanted for a, b in self.ends]
        order = np.array([random.random() for _ in kept])
        opens = self.trees.spanning(np.where(kept, order, order + 1.0))
        chromosome[:] = self._encode(opens)
        chromosome.opens = tuple(map(int, opens))

    def _encode(self, opens: Ints) -> list[int]:
        closed = np.ones(len(self.ends), dtype=bool)
        closed[opens] = False
        return prufer_encode([self.ends[m] for m in np.flatnonzero(closed)], len(self.node))
