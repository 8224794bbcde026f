"""The best order of repairs: a genetic algorithm on permutations, and exactly where that can be."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import permutations
from typing import TYPE_CHECKING, Any

from hybridopt.repair_value import (
    DIGITS,
    OBJECTIVES,
    POWER_DIGITS,
    Order,
    OrderValue,
    Valuer,
)
from hybridopt.solvers.genetic import GeneticOptions, Operators, minimize
from hybridopt.solvers.permutations import order_crossover, swap_mutation
from hybridopt.solvers.search import EVALUATION_LIMIT, LimitReachedError, Run

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from hybridopt.case_settings import GeneticSettings
    from hybridopt.progress import Progress
    from hybridopt.solvers.search import Genome

MOST_IN_ALL_ORDERS = 8  # elements; 40,320 orders
MOST_IN_SUBSETS = 10  # elements; 1,024 sets
MOST_SWAPS = 3  # of a mutation
MOST_DELIVERIES = 5_000  # nonlinear programs of a search; the same for the same seed


@dataclass(frozen=True)
class Exact:
    """The best of all orders.

    Attributes
    ----------
    method : "orders" (each valued) or "subsets" (dynamic programming)
    looked_at : orders, or sets
    """

    best: OrderValue
    method: str
    looked_at: int


def exact_method(valuer: Valuer) -> str:
    """How the best order can be proven: "orders", "subsets", or not at all ("").

    With one crew, no travel and no load to be held the time at which a set of elements is repaired
    and what is then served depend on the set alone.
    """
    terms = valuer.problem.terms
    alone = terms.crews == 1 and not valuer.problem.travel_h.any() and not terms.never_drop
    if alone and valuer.n <= MOST_IN_SUBSETS:
        return "subsets"
    return "orders" if valuer.n <= MOST_IN_ALL_ORDERS else ""


def best_of_all(valuer: Valuer, method: str, progress: Progress) -> Exact:
    """Find the best order of all."""
    if method == "subsets":
        return _by_subsets(valuer, progress)
    count = math.factorial(valuer.n)
    best: OrderValue | None = None
    with progress.task("Every order", count) as advance:
        for order in permutations(range(valuer.n)):
            found = valuer.value(order)
            if best is None or found.fitness < best.fitness:
                best = found
            advance()
    if best is None:
        raise ValueError("no order was looked at")
    return Exact(best, method, count)


def _by_subsets(valuer: Valuer, progress: Progress) -> Exact:
    """Bellman's recursion over sets: least cost to go once a set is repaired.

    ``cost(S) = min over j not in S of energy(S, T(S), T(S) + r_j) + cost(S + j)`` with T(S) the sum
    of the repair hours of S; ties go to the smaller sum of ends, then to the smaller j.
    """
    n, start = valuer.n, valuer.problem.terms.assessment_h
    hours = valuer.problem.repair_h
    full = (1 << n) - 1
    cost: dict[int, tuple[float, float]] = {full: (0.0, 0.0)}
    choice: dict[int, int] = {}
    with progress.task("Every set of repaired elements", full) as advance:
        for done in range(full - 1, -1, -1):
            now = start + sum(hours[j] for j in range(n) if done >> j & 1)
            node = valuer.service.first(done)
            best: tuple[float, float] | None = None
            for j in range(n):
                if done >> j & 1:
                    continue
                end = now + hours[j]
                energy, ends = cost[done | 1 << j]
                way = valuer.energy(node, now, end)
                tried = round(way + energy, DIGITS), round(end + ends, DIGITS)
                if best is None or tried < best:
                    best, choice[done] = tried, j
            cost[done] = best or (0.0, 0.0)
            advance()
    order, done = [], 0
    while done != full:
        order.append(choice[done])
        done |= 1 << choice[done]
    return Exact(valuer.value(order), "subsets", full + 1)


class _Orders:
    """Breeding of orders."""

    def __init__(self, valuer: Valuer) -> None:
        self.valuer, self.n = valuer, valuer.n
        hours = valuer.problem.repair_h
        shortest = sorted(range(self.n), key=lambda j: (hours[j], j))
        self.given = [list(range(self.n)), shortest, greedy_order(valuer)]
        self.created, self.solved_before = 0, valuer.service.solves

    def create(self, rng: random.Random) -> Genome:
        """The order of the event, shortest repairs first, most gain first, then random orders."""
        self.created += 1
        if self.created <= len(self.given):
            return list(self.given[self.created - 1])
        return list(rng.sample(range(self.n), self.n))

    def mutate(self, genome: Genome, rng: random.Random) -> Genome:
        """Swap a few pairs."""
        return list(swap_mutation(_ints(genome), rng.randint(1, MOST_SWAPS), rng))

    def cross(self, mother: Genome, father: Genome, rng: random.Random) -> Genome:
        """Order crossover."""
        return list(order_crossover(_ints(mother), _ints(father), rng))

    def neighbours(self, genome: Genome) -> Iterator[tuple[str, Genome]]:
        """Two elements exchanged, or one put elsewhere."""
        for i in range(self.n):
            for j in range(i + 1, self.n):
                swapped = list(genome)
                swapped[i], swapped[j] = swapped[j], swapped[i]
                yield "swap", swapped
            for j in range(self.n):
                if abs(i - j) > 1:  # a neighbour's place is a swap
                    moved = list(genome)
                    moved.insert(j, moved.pop(i))
                    yield "move", moved

    def evaluate(self, orders: Sequence[Order], _: OrderValue | None) -> Iterator[OrderValue]:
        """Value orders, as long as there may be more deliveries."""
        for order in orders:
            if self.valuer.service.solves - self.solved_before > MOST_DELIVERIES:
                raise LimitReachedError(f"{EVALUATION_LIMIT} of {MOST_DELIVERIES:,} deliveries")
            yield self.valuer.value(order)

    def operators(self) -> Operators[Order]:
        """What the genetic algorithm asks for."""
        return Operators(
            create=self.create,
            mutate=self.mutate,
            crossover=self.cross,
            repair=lambda genome, _: genome,
            decode=lambda genome: tuple(_ints(genome)),
            neighbours=self.neighbours,
            wider=lambda _: iter(()),
        )


def greedy_order(valuer: Valuer) -> list[int]:
    """Always the element that brings most load back per hour of repair, at the peak of the day.

    Where none brings anything by itself, the one with the shortest repair.
    """
    service, hours = valuer.service, valuer.problem.repair_h
    level = int(service.demand_mw.sum(axis=1).argmax())
    order: list[int] = []
    done, left = 0, set(range(valuer.n))
    while left:
        now = service.deliver(service.first(done), level).weighted_mw
        gain = {
            j: now - service.deliver(service.first(done | 1 << j), level).weighted_mw for j in left
        }
        rate = {j: round(gain[j] / max(hours[j], 1e-3), POWER_DIGITS) for j in left}
        best = min(left, key=lambda j: (-rate[j], hours[j], j))
        order.append(best)
        done |= 1 << best
        left.remove(best)
    return order


def _ints(genome: Sequence[Any]) -> list[int]:
    return [int(gene) for gene in genome]


def breed(
    valuer: Valuer, settings: GeneticSettings, seed: int, progress: Progress
) -> Run[Order, OrderValue]:
    """Search orders with the genetic algorithm; the same for the same seed."""
    names = GeneticOptions.__dataclass_fields__
    options = GeneticOptions(**{n: getattr(settings, n) for n in names if hasattr(settings, n)})
    orders = _Orders(valuer)
    with progress.generations(options.generations, options.population) as show:
        return minimize(orders.evaluate, orders.operators(), options, seed, OBJECTIVES, show)
