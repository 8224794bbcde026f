"""Search over a feeder's trees: the genetic algorithm with branch exchange (default)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from hybridopt.feeder_goal import operations
from hybridopt.solvers.genetic import GeneticOptions, Operators, minimize
from hybridopt.solvers.radial import UNSERVED, VIOLATION, descend, new_memory, no_memory
from hybridopt.solvers.search import LimitReachedError

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from hybridopt.feeder_trees import FeederTrees
    from hybridopt.progress import Progress
    from hybridopt.solvers.search import Genome, Run

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Tree = tuple[int, ...]
EFFORT = 1.2e9  # buses times hours of trees that are tried at most, some 15 s
EPOCHS = 8  # searches from fresh populations, the last from the best of the others
POPULATION, ELITE = 24, 16  # the best of all so far, and new ones
FAR = 0.2  # share of mutations anywhere; the others stay in one neighbourhood
NEAR = 30  # branches of a neighbourhood
KICK = 4  # branches at most that a mutation opens


@dataclass(frozen=True)
class TreeValue:
    """What a tree is worth after descent.

    Attributes
    ----------
    tree : the tree that descent led to
    fitness : violation of limits, unserved energy (pu h), objective
    """

    tree: Tree
    fitness: tuple[float, ...]

    @property
    def ok(self) -> bool:
        """Whether its power flow has a solution."""
        return self.fitness[0] < float("inf")


@dataclass(frozen=True, eq=False)
class TreeSearch:
    """The best tree, and how it was found.

    Attributes
    ----------
    opens : (k,) open branches
    fitness : see :class:`TreeValue`
    log : one row per generation
    tried : trees looked at, those of descents included
    """

    opens: Ints
    fitness: tuple[float, ...]
    log: list[dict[str, Any]]
    tried: int
    stopped_because: str


def search_trees(
    trees: FeederTrees,
    weights: Floats,
    seed: int,
    objective: str,
    progress: Progress,
    options: GeneticOptions | None = None,
) -> TreeSearch:
    """Minimise over edge sets: DEAP's genetic algorithm, every child improved by branch exchange.

    The first population is the normal state and trees a few exchanges away from it (random trees
    of large feeders often have no power flow), the tree of shortest paths among them. A child
    closes what both parents close, and fills up with what one of them closes (Kruskal over random
    order); a mutation opens up to four closed branches, mostly of one neighbourhood. Populations
    begin afresh several times, and the best of all are bred last: one population alone settles in
    a deep local optimum of a large feeder now and then.

    Parameters
    ----------
    weights : as :func:`hybridopt.solvers.radial.descend` takes them
    objective : its name, for the log

    Returns
    -------
    TreeSearch
        The same for the same seed.
    """
    task = _Task(trees, weights)
    options = options or default_options(trees)
    names = ("violation", "unserved", objective)
    log: list[dict[str, Any]] = []
    found: dict[Tree, TreeValue] = {}
    ended = ""
    with progress.task("Search", EPOCHS * (options.generations + 1)) as advance:
        for epoch in range(EPOCHS):
            best = sorted(found.values(), key=lambda value: value.fitness)
            task.begin([value.tree for value in best[:POPULATION]] if epoch == EPOCHS - 1 else [])
            done = len(log)
            run: Run[Tree, TreeValue] = minimize(
                task.evaluate,
                task.operators(),
                options,
                seed * EPOCHS + epoch,
                names,
                lambda _, done, __: advance() if done < 0 else None,
            )
            log += [
                row | {"generation": done + row["generation"], "epoch": epoch} for row in run.log
            ]
            for value in run.cache.values():
                found.setdefault(value.tree, value)
            ended = run.stopped_because
            if run.stopped_early or trees.n_open == 0:
                break
    winner = min(found.values(), key=lambda value: value.fitness)
    _keep_best(log, objective)
    opens = np.array(winner.tree, dtype=np.int64)
    return TreeSearch(opens, winner.fitness, log, task.tried, ended)


def _keep_best(log: list[dict[str, Any]], objective: str) -> None:
    """The best so far, in every row of the epochs' logs."""
    least = (float("inf"),) * 3
    for row in log:
        names = [f"best_{name}" for name in ("violation", "unserved", objective)]
        least = min(least, tuple(row[name] for name in names))
        row.update(zip(names, least, strict=True))


def default_options(trees: FeederTrees, changes: Mapping[str, Any] | None = None) -> GeneticOptions:
    """Settings that suit a feeder: more generations for more loops.

    Parameters
    ----------
    changes : settings of one's own by name; of a population two thirds are the best so far
    """
    stall = 12 + int(1.5 * trees.n_open)
    options = GeneticOptions(
        population=POPULATION,
        generations=4 * stall,
        mutation_rate=0.6,
        crossover_rate=0.7,
        tournament_size=2,
        elite=ELITE,
        distinct_elite=True,
        local_search=0.0,
        stall_generations=stall if trees.n_open else 1,
    )
    options = replace(options, **(changes or {}))
    return replace(options, elite=options.population * ELITE // POPULATION)


class TreeOperators:
    """What breeding does to open branches."""

    def __init__(self, trees: FeederTrees) -> None:
        self.trees = trees
        self.n_branch = len(trees.branch)
        self.cuttable = np.flatnonzero(trees.arrays.cuttable).tolist()
        self.near: dict[int, list[int]] = {}

    def kick(self, genome: Genome, rng: random.Random, most: int = KICK) -> Genome:
        """Open a few closed branches; ties close what that leaves apart."""
        priority = self._random(rng)
        priority[[int(m) for m in genome]] += 1.0
        near = self.cuttable if rng.random() < FAR else self._near(rng.choice(self.cuttable))
        count = min(rng.randint(1, most), len(near))
        priority[rng.sample(near, count)] += 2.0
        return list(map(int, self.trees.spanning(priority)))

    def cross(self, mother: Genome, father: Genome, rng: random.Random) -> Genome:
        """Close what both close, then what one of them does."""
        priority = self._random(rng)
        for parent in (mother, father):
            priority[[int(m) for m in parent]] += 1.0
        return list(map(int, self.trees.spanning(priority)))

    def _near(self, branch: int) -> list[int]:
        """Branches that may be opened, near to one, itself among them."""
        if branch in self.near:
            return self.near[branch]
        arrays = self.trees.arrays
        found, seen = [branch], {branch}
        for m in found:
            if len(found) >= NEAR:
                break
            for bus in arrays.ends[m]:
                for other in arrays.near[arrays.start[bus] : arrays.start[bus + 1]]:
                    if int(other) not in seen:
                        seen.add(int(other))
                        found.append(int(other))
        self.near[branch] = [m for m in found if arrays.cuttable[m]]
        return self.near[branch]

    def _random(self, rng: random.Random) -> Floats:
        drawn = np.frombuffer(rng.randbytes(4 * self.n_branch), np.uint32) / 2.0**32
        return np.where(self.trees.arrays.normal < 0, drawn + 0.8, drawn)  # rather lit than dark


class _Task(TreeOperators):
    """The operators over edge sets, and evaluation by descent."""

    def __init__(self, trees: FeederTrees, weights: Floats) -> None:
        super().__init__(trees)
        self.weights, self.tried = weights, 0
        self.memory = new_memory(trees.arrays)
        self.ends: list[TreeValue] = []  # of descents, by their number
        arrays = trees.arrays
        dark = np.where(arrays.normal < 0, 1e9, 0.0)
        self.starts = [
            trees.normal_tree(),
            trees.spanning(np.hypot(arrays.branch[:, 0], arrays.branch[:, 1]) + dark),
        ]
        self.given: list[Tree] = []
        self.created = 0

    def begin(self, given: list[Tree]) -> None:
        """Begin a first population, with trees that are given."""
        self.created, self.given = 0, given

    def operators(self) -> Operators[Tree]:
        return Operators(
            create=self.create,
            mutate=self.kick,
            crossover=self.cross,
            repair=lambda genome, _: genome,
            decode=lambda genome: cast("Tree", tuple(genome)),  # whole numbers already
            neighbours=lambda _: iter(()),
            wider=lambda _: iter(()),
            learn=lambda _, value: list(value.tree),
        )

    def create(self, rng: random.Random) -> Genome:
        """The normal state, the tree of least impedances, then kicks of them."""
        self.created += 1
        if self.created <= len(self.given):
            return list(self.given[self.created - 1])
        if self.created <= len(self.starts):
            return list(map(int, self.starts[self.created - 1]))
        start: Genome = list(map(int, self.starts[self.created % len(self.starts)]))
        return self.kick(start, rng, most=max(self.trees.n_open // 2, 1))

    def evaluate(self, solutions: Sequence[Tree], _: TreeValue | None) -> Iterator[TreeValue]:
        for solution in solutions:
            if self.tried * len(self.trees.bus) * self.trees.feeder.n_t > EFFORT:
                raise LimitReachedError("as many trees tried as are worth while")
            opens = np.array(solution, dtype=np.int64)
            better, measures, tried, known = descend(
                self.trees.arrays, opens, self.weights, self.memory, len(self.ends)
            )
            self.tried += tried
            if known < 0:
                tree = tuple(sorted(map(int, better)))
                self.ends.append(TreeValue(tree, self.fitness(better, measures)))
            else:
                self.ends.append(self.ends[known])
            yield self.ends[-1]

    def fitness(self, opens: Ints, measures: Floats) -> tuple[float, ...]:
        value = sum(self.weights[m] * measures[2 + m] for m in range(4) if self.weights[m])
        if self.weights[4]:
            value += self.weights[4] * int(operations(self.trees, opens[None])[0])
        return float(measures[VIOLATION]), float(measures[UNSERVED]), float(value)


def improved(trees: FeederTrees, opens: Ints, weights: Floats) -> Ints:
    """One tree after branch exchange."""
    found: Ints = descend(trees.arrays, opens, weights, no_memory(), 0)[0]
    return found
