"""Search for the best plan of a siting study: reference B's genetic algorithm, or every plan.

Sun, Liu, Sun and Hu 2014: binary genes, one for each site; roulette wheel over 1/F (equations 12
and 13), single-point crossover (14), flip of a gene (15), weight factors lowered where limits are
exceeded; a first generation of two chromosomes, 1010... and 0101..., or a random one. The best plan
seen is the answer. With local search, it is changed by single units and exchanges until that brings
nothing.
"""

from __future__ import annotations

import random
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.errors import Finding, InputError
from hybridopt.siting_value import Evaluator, Values, joined
from hybridopt.solvers.dice import dice
from hybridopt.solvers.generational import GenerationalOptions, evolve

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hybridopt.network_siting import SitingProblem
    from hybridopt.progress import Progress

    Genes = tuple[int, ...]
    Key = tuple[float, float, int]

MOST_PLANS = 2**14
BATCH = 512  # plans that are evaluated at once
NEAR = 64  # the same in the local search, which goes on from the first that are better
MOST_NEIGHBOURS = 6400  # plans that the local search looks at


def count_plans(problem: SitingProblem) -> int:
    """Number of plans."""
    sizes = range(problem.least_units, problem.most_units + 1)
    return sum(comb(problem.n_site, k) for k in sizes)


def every_plan(evaluator: Evaluator, progress: Progress) -> Values:
    """Evaluate every plan, small ones first.

    Raises
    ------
    InputError
        There are more than :data:`MOST_PLANS`.
    """
    problem = evaluator.problem
    count = count_plans(problem)
    if count > MOST_PLANS:
        message = f"there are {count:,} plans, more than {MOST_PLANS:,}"
        raise InputError([Finding("--exhaustive", message)])
    sizes = range(problem.least_units, problem.most_units + 1)
    chosen = [c for k in sizes for c in combinations(range(problem.n_site), k)]
    plans = np.zeros((count, problem.n_site), dtype=bool)
    for row, sites in enumerate(chosen):
        plans[row, list(sites)] = True
    parts = []
    with progress.task("Every plan", -(-count // BATCH)) as advance:
        for first in range(0, count, BATCH):
            parts.append(evaluator(plans[first : first + BATCH], at_one=True))
            advance()
    return joined(parts)


class Search:
    """A genetic search and what it saw.

    Attributes
    ----------
    log : one row per generation
    known : value of each plan seen
    found_by : "genetic algorithm" or "local search"
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self.problem = evaluator.problem
        self.known: dict[Genes, tuple[Key, Values]] = {}
        self.tried = 0
        self._best: tuple[Key, Genes] = ((np.inf, np.inf, 0), ())
        self.log: list[dict[str, Any]] = []
        self.found_by = "genetic algorithm"
        self.ended = ""

    @property
    def best(self) -> Values:
        """The best plan seen, one row."""
        return self.known[self._best_genes()][1]

    def run(self, seed: int, progress: Progress) -> None:
        """Search; the same for the same seed."""
        settings = self.problem.scenario.case.genetic
        options = GenerationalOptions(
            population=settings.population,
            generations=settings.generations,
            mutation_rate=settings.mutation_rate,
            crossover_rate=settings.crossover_rate,
            selection="roulette",
            elite=settings.elite,
            until_alike=False,
        )
        n = self.problem.n_site
        two = [[(k + 1) % 2 for k in range(n)], [k % 2 for k in range(n)]]
        first = two if self.problem.terms.first_generation == "two" else ()
        encoding = _Encoding(self.problem)
        with progress.task("Search", options.generations + 1) as advance:
            self.ended = evolve(encoding, self._fitness, options, seed, advance, first)
        if settings.local_search:
            self._improve(random.Random(seed), progress)

    def _fitness(self, population: list[Genes], generation: int) -> list[tuple[float, float]]:
        """Violation and objective of each plan."""
        self._measure(population)
        self.tried += len(population)
        keys = [self.known[genes][0] for genes in population]
        finite = [value for violation, value, _ in keys if violation == 0]
        best = self.known[self._best_genes()][0]
        self.log.append(
            {
                "generation": generation,
                "evaluations": self.tried,
                "distinct_plans": len(self.known),
                "best_violation": best[0],
                "best_objective": best[1],
                "mean_objective": sum(finite) / len(finite) if finite else None,
            }
        )
        return [(violation, value) for violation, value, _ in keys]

    def _measure(self, plans: Sequence[Genes]) -> None:
        new = [genes for genes in dict.fromkeys(plans) if genes not in self.known]
        for first in range(0, len(new), BATCH):
            batch = new[first : first + BATCH]
            found = self.evaluator(np.array(batch, dtype=bool))
            violation, objective = found.violation, found.objective
            for row, genes in enumerate(batch):
                key = (float(violation[row]), round(float(objective[row]), 6), sum(genes))
                self.known[genes] = (key, found.take([row]))
                self._best = min(self._best, (key, genes))

    def _best_genes(self) -> Genes:
        return self._best[1]

    def _improve(self, rng: random.Random, progress: Progress) -> None:
        """Descend from the best plan, and from none at all where a plan may be empty."""
        bred = self._best
        starts = [bred[1]]
        if self.problem.least_units == 0:
            starts.append((0,) * self.problem.n_site)
        with progress.task("Local search", len(starts) * MOST_NEIGHBOURS // NEAR) as advance:
            ended = [self._descend(start, rng, advance) for start in starts]
        if self._best < bred:
            self.found_by = "local search"
        if not all(ended):
            self.ended += f"; local search stopped after {MOST_NEIGHBOURS:,} plans"

    def _descend(self, start: Genes, rng: random.Random, advance: Callable[[], None]) -> bool:
        """Change a plan by a unit or an exchange while that brings something.

        Neighbours are tried in random order, at most :data:`MOST_NEIGHBOURS` in all.

        Returns
        -------
        whether no neighbour is better
        """
        self._measure([start])
        here, left = (self.known[start][0], start), MOST_NEIGHBOURS
        while True:
            near = list(neighbours(here[1], self.problem))
            rng.shuffle(near)
            found = here
            for first in range(0, len(near), NEAR):
                if left <= 0:
                    return False
                batch = near[first : first + NEAR]
                self._measure(batch)
                left -= len(batch)
                advance()
                found = min(here, *((self.known[genes][0], genes) for genes in batch))
                if found[0] < here[0]:
                    break
            if not found[0] < here[0]:
                return True
            here = found


def neighbours(plan: Genes, problem: SitingProblem) -> Iterator[Genes]:
    """Plans with a unit more, a unit less, or a unit elsewhere."""
    size, genes = sum(plan), list(plan)
    chosen = [k for k, gene in enumerate(plan) if gene]
    free = [k for k, gene in enumerate(plan) if not gene]

    def changed(*places: int) -> Genes:
        for k in places:
            genes[k] = 1 - genes[k]
        found = tuple(genes)
        for k in places:
            genes[k] = 1 - genes[k]
        return found

    if size < problem.most_units:
        yield from (changed(k) for k in free)
    if size > problem.least_units:
        yield from (changed(k) for k in chosen)
    yield from (changed(a, b) for a in chosen for b in free)


class _Encoding:
    """A gene for each site, 1 where a unit stands."""

    def __init__(self, problem: SitingProblem) -> None:
        self.problem = problem

    def create(self) -> list[int]:
        chance = dice.random()
        return [int(dice.random() < chance) for _ in range(self.problem.n_site)]

    def mutate(self, genes: list[int], rate: float) -> None:
        """With a probability, flip genes, one of them in the mean."""
        if dice.random() < rate:
            for k in range(len(genes)):
                if dice.random() < 1 / len(genes):
                    genes[k] = 1 - genes[k]

    def repair(self, genes: list[int]) -> Genes:
        """Drop or add random units where there are too many or too few."""
        while sum(genes) > self.problem.most_units:
            genes[dice.choice([k for k, gene in enumerate(genes) if gene])] = 0
        while sum(genes) < self.problem.least_units:
            genes[dice.choice([k for k, gene in enumerate(genes) if not gene])] = 1
        return tuple(genes)
