"""Search over allocations: DEAP's genetic algorithm on two permutations, children improved."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.solvers.genetic import GeneticOptions, Operators, minimize
from hybridopt.solvers.injections import ITERATIONS, N_GOALS, VIOLATION, evaluate, improve
from hybridopt.solvers.permutations import order_crossover, swap_mutation
from hybridopt.solvers.search import LimitReachedError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from hybridopt.progress import Progress
    from hybridopt.solvers.injections import InjectionArrays
    from hybridopt.solvers.search import Genome, Run

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Orders = tuple[int, ...]  # loads at the points, then generation there
METHODS = ("memetic", "genetic")
SELECTIONS = ("tournament", "best", "roulette", "proportional")
EPOCHS = 3  # searches from fresh populations, the last from the best of the others
POPULATION, ELITE = 24, 12
MOST_SWAPS = 4  # of a mutation, in each permutation
EXCHANGES = 2000  # looked at in one step, at random where there are more
EFFORT = 1.2e10  # estimates times buses and branch ends and hours, some 30 s
INFINITE = float("inf")


@dataclass(frozen=True)
class OrderValue:
    """What an allocation is worth, after descent where there is one.

    Attributes
    ----------
    orders : the allocation that descent led to
    fitness : violation of limits, objective
    """

    orders: Orders
    fitness: tuple[float, ...]

    @property
    def ok(self) -> bool:
        """Whether its power flow has a solution."""
        return self.fitness[0] < INFINITE


@dataclass(frozen=True, eq=False)
class OrderSearch:
    """The best allocation, and how it was found.

    Attributes
    ----------
    load_order, generation_order : (n_point,), profile at each point
    log : one row per generation;  evaluations : power flows of 24 h solved;  estimated : exchanges
        that an estimate ruled out
    """

    load_order: Ints
    generation_order: Ints
    fitness: tuple[float, ...]
    log: list[dict[str, Any]]
    evaluations: int
    estimated: int
    stopped_because: str


@dataclass(frozen=True, eq=False)
class Problem:
    """What is to be allocated.

    Attributes
    ----------
    arrays : the network
    load, generation : (n_point, n_t), pu; idle profiles fill up
    moves : whether loads and generation may be moved
    """

    arrays: InjectionArrays
    load: Floats
    generation: Floats
    moves: tuple[bool, bool] = (True, True)

    @property
    def n_point(self) -> int:
        """Number of points."""
        return len(self.load)

    def measures(self, orders: Sequence[Sequence[int]]) -> Floats:
        """Measures of many allocations, see :func:`hybridopt.solvers.injections.evaluate`."""
        rows = np.array(orders, dtype=np.int64).reshape(len(orders), 2, self.n_point)
        loads, generation = (np.ascontiguousarray(rows[:, k]) for k in (0, 1))
        found: Floats = evaluate(self.arrays, self.load, self.generation, loads, generation)
        return found

    def exchanges(self) -> Ints:
        """All exchanges of two points, (n, 3): what, and the points."""
        kinds = [kind for kind in (0, 1) if self.moves[kind]] + [2] * all(self.moves)
        pairs = combinations(range(self.n_point), 2)
        found = [(kind, j, k) for j, k in pairs for kind in kinds]
        return np.array(found, dtype=np.int64).reshape(-1, 3)

    def improved(
        self, orders: Orders, weights: Floats, exchanges: Ints
    ) -> tuple[Orders, Floats, bool, int, int]:
        """Make those of some exchanges that improve, once.

        Returns
        -------
        The allocation, its measures, whether they are better, numbers of power flows and estimates
        """
        both = np.array(orders, dtype=np.int64).reshape(2, self.n_point)
        loads, gens = both[0].copy(), both[1].copy()
        measures, better, solved, estimated = improve(
            self.arrays, self.load, self.generation, loads, gens, exchanges, weights
        )
        return (*map(int, loads), *map(int, gens)), measures, better, solved, estimated


class OrderOperators:
    """Breeding of allocations."""

    def __init__(self, problem: Problem) -> None:
        self.problem, self.n = problem, problem.n_point

    def split(self, genome: Sequence[Any]) -> tuple[list[int], list[int]]:
        """Orders of loads and of generation."""
        return [int(k) for k in genome[: self.n]], [int(k) for k in genome[self.n :]]

    def mutate(self, genome: Genome, rng: random.Random, most: int = MOST_SWAPS) -> Genome:
        """Swap a few pairs of what may move."""
        halves = list(self.split(genome))
        free = [k for k in (0, 1) if self.problem.moves[k]]
        swaps = [rng.randint(0, most) for _ in free]
        if free and not any(swaps):
            swaps[rng.randrange(len(free))] = 1
        for k, count in zip(free, swaps, strict=True):
            halves[k] = swap_mutation(halves[k], count, rng)
        return [*halves[0], *halves[1]]

    def cross(self, mother: Genome, father: Genome, rng: random.Random) -> Genome:
        """Order crossover of what may move."""
        mine, other = self.split(mother), self.split(father)
        halves = [
            order_crossover(mine[k], other[k], rng) if self.problem.moves[k] else mine[k]
            for k in (0, 1)
        ]
        return [*halves[0], *halves[1]]

    def create(self, rng: random.Random) -> Genome:
        """Give a random allocation of what may move."""
        halves = [list(range(self.n)), list(range(self.n))]
        for k in (0, 1):
            if self.problem.moves[k]:
                rng.shuffle(halves[k])
        return [*halves[0], *halves[1]]


def default_options(method: str, changes: Mapping[str, Any] | None = None) -> GeneticOptions:
    """Settings of a method.

    ``genetic`` is reference D's: 10 allocations, 10 generations, selection in proportion to the
    reciprocal objective, order crossover, a swap in 10 %; ``memetic`` begins afresh several times.
    """
    if method == "genetic":
        options = GeneticOptions(
            population=10,
            generations=10,
            mutation_rate=0.1,
            crossover_rate=1.0,
            selection="proportional",
            elite=0,
            local_search=0.0,
        )
        return replace(options, **(changes or {}))
    options = GeneticOptions(
        population=POPULATION,
        generations=40,
        mutation_rate=0.7,
        crossover_rate=0.7,
        tournament_size=2,
        elite=ELITE,
        distinct_elite=True,
        local_search=0.0,
        stall_generations=8,
    )
    options = replace(options, **(changes or {}))
    return replace(options, elite=options.population * ELITE // POPULATION)


class _Task(OrderOperators):
    """Evaluation, with descent or without."""

    def __init__(self, problem: Problem, weights: Floats, seed: int, *, descends: bool) -> None:
        super().__init__(problem)
        self.weights, self.descends = weights, descends
        self.given: list[Orders] = []
        self.exchanges = problem.exchanges()
        self.rng = np.random.default_rng(seed)
        rows = len(problem.arrays.u0) + len(problem.arrays.f0)
        self.most = EFFORT / (rows * len(problem.arrays.dt))
        self.ends: dict[Orders, OrderValue] = {}  # where descents led from every allocation met
        self.created = self.solved = self.estimated = 0

    def begin(self, given: list[Orders]) -> None:
        """Begin a first population with allocations that are given."""
        self.created, self.given = 0, given

    def first(self, rng: random.Random) -> Genome:
        """Give those that are given, then random ones."""
        self.created += 1
        if self.created <= len(self.given):
            return list(self.given[self.created - 1])
        return self.create(rng)

    def operators(self) -> Operators[Orders]:
        return Operators(
            create=self.first,
            mutate=lambda genome, rng: self.mutate(genome, rng, MOST_SWAPS if self.descends else 1),
            crossover=self.cross,
            repair=lambda genome, _: genome,
            decode=lambda genome: tuple(map(int, genome)),
            neighbours=lambda _: iter(()),
            wider=lambda _: iter(()),
            learn=(lambda _, value: list(value.orders)) if self.descends else None,
        )

    def evaluate(self, solutions: Sequence[Orders], _: OrderValue | None) -> Iterator[OrderValue]:
        for orders in solutions:
            if self.estimated > self.most and self.ends:
                raise LimitReachedError("as many exchanges tried as are worth while")
            if self.descends:
                yield self._descend(orders)
            else:
                self.solved += 1
                yield OrderValue(orders, self.fitness(self.problem.measures([orders])[0]))

    def _descend(self, orders: Orders) -> OrderValue:
        """Improve until nothing does, or to where an earlier descent came through."""
        way: list[Orders] = []
        while orders not in self.ends:
            some = self.exchanges
            if len(some) > EXCHANGES:
                some = self.rng.choice(some, EXCHANGES, replace=False)
            better, found, improved, solved, estimated = self.problem.improved(
                orders, self.weights, some
            )
            self.solved += solved
            self.estimated += estimated
            way.append(orders)
            if not improved:
                self.ends[orders] = OrderValue(orders, self.fitness(found))
            orders = better
        value = self.ends[orders]
        self.ends.update(dict.fromkeys(way, value))
        return value

    def fitness(self, found: Floats) -> tuple[float, ...]:
        if found[ITERATIONS] <= 0:
            return INFINITE, INFINITE
        return float(found[VIOLATION]), float(found[1 : 1 + N_GOALS] @ self.weights)


def search_orders(
    problem: Problem,
    weights: Floats,
    seed: int,
    objective: str,
    progress: Progress,
    method: str = "memetic",
    options: GeneticOptions | None = None,
) -> OrderSearch:
    """Minimise over allocations.

    ``memetic``: every child descends by exchanges until none improves; populations begin afresh
    several times and the best of all are bred last. ``genetic``: no descent, one population.

    Parameters
    ----------
    weights : of the kernels' measures, see :func:`hybridopt.solvers.injections.improve`
    objective : its name, for the log

    Returns
    -------
    OrderSearch
        The same for the same seed.
    """
    task = _Task(problem, weights, seed, descends=method == "memetic")
    options = options or default_options(method)
    epochs = EPOCHS if task.descends else 1
    if problem.n_point < 2 or not any(problem.moves):
        options, epochs = replace(options, population=1, generations=1, elite=0), 1
    found: dict[Orders, OrderValue] = {}
    log: list[dict[str, Any]] = []
    ended = ""
    given: list[Orders] = [tuple([*range(problem.n_point)] * 2)]
    with progress.task("Search", epochs * (options.generations + 1)) as advance:
        for epoch in range(epochs):
            if epoch and epoch == epochs - 1:
                best = sorted(found.values(), key=lambda value: value.fitness)
                given = [value.orders for value in best[: options.population]]
            task.begin(given)
            given, done = [], len(log)
            run: Run[Orders, OrderValue] = minimize(
                task.evaluate,
                task.operators(),
                options,
                seed * EPOCHS + epoch,
                ("violation", objective),
                lambda _, done, __: advance() if done < 0 else None,
            )
            log += [r | {"generation": done + r["generation"], "epoch": epoch} for r in run.log]
            for value in run.cache.values():
                found.setdefault(value.orders, value)
            ended = run.stopped_because
            if run.stopped_early or task.estimated > task.most:
                break
    winner = min(found.values(), key=lambda value: value.fitness)
    _keep_best(log, objective)
    loads, generation = task.split(winner.orders)
    return OrderSearch(
        np.array(loads, dtype=np.int64),
        np.array(generation, dtype=np.int64),
        winner.fitness,
        log,
        task.solved,
        task.estimated,
        ended,
    )


def _keep_best(log: list[dict[str, Any]], objective: str) -> None:
    """The best so far, in every row of the epochs' logs."""
    least = (INFINITE, INFINITE)
    names = ["best_violation", f"best_{objective}"]
    for row in log:
        least = min(least, (row[names[0]], row[names[1]]))
        row.update(zip(names, least, strict=True))
