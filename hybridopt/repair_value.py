"""What an order of repairs is worth: unserved energy until everything is repaired."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from hybridopt.repair_schedule import SAME_H, Visit, repaired_sets, schedule
from hybridopt.repair_service import HeldService, Service

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hybridopt.network_repairs import RepairProblem

Order = tuple[int, ...]
OBJECTIVES = ("dropped_steps", "weighted_ens_mwh", "makespan_h", "sum_of_ends_h", "rank")
DIGITS = 6  # of MWh and h: sums in another order stay equal
POWER_DIGITS = 4  # of MW: far above the accuracy of the solver


@dataclass(frozen=True)
class Step:
    """Time in which the repaired elements and the load stay as they are.

    Attributes
    ----------
    from_h, to_h : hours after the event
    repaired : set of repaired elements;  node : see :class:`hybridopt.repair_service.Service`
    level : of the load
    """

    from_h: float
    to_h: float
    repaired: int
    node: int
    level: int


@dataclass(frozen=True)
class OrderValue:
    """An order with its fitness: see ``OBJECTIVES``, the less the better."""

    order: Order
    fitness: tuple[float, ...]

    @property
    def ok(self) -> bool:
        """Every order can be followed."""
        return True


class Valuer:
    """Values orders; deliveries and pieces of time that were met before are kept."""

    def __init__(self, problem: RepairProblem) -> None:
        self.problem = problem
        self.n = len(problem.jobs)
        self.service = HeldService(problem) if problem.terms.never_drop else Service(problem)
        self._pieces: dict[tuple[int, float, float], float] = {}

    def visits(self, order: Sequence[int]) -> list[Visit]:
        """Who repairs what and when."""
        p = self.problem
        return schedule(order, p.repair_h, p.travel_h, p.terms.crews, p.terms.assessment_h)

    def value(self, order: Sequence[int]) -> OrderValue:
        """Value an order."""
        visits = self.visits(order)
        ends = [visit.done_h for visit in visits]
        weighted, dropped, before = 0.0, 0, 0
        for node, begin, end in self.nodes(visits):
            weighted += self.energy(node, begin, end)
            drops = self.service.drops(node)
            dropped += drops > before or self._falls_short(node, begin, end)
            before = drops
        return OrderValue(
            tuple(order),
            (
                float(dropped),
                round(weighted, DIGITS),
                round(max(ends, default=0.0), DIGITS),
                round(sum(ends), DIGITS),
                rank(order),
            ),
        )

    def nodes(self, visits: Sequence[Visit]) -> Iterator[tuple[int, float, float]]:
        """Nodes from the event to the last repair, each with its first and last hour.

        The last one, with everything repaired, takes no time here.
        """
        sets = repaired_sets(visits)
        node = self.service.first(sets[0][1])
        for (begin, _), (end, after) in pairwise(sets):
            yield node, begin, end
            node = self.service.then(node, after)
        yield node, sets[-1][0], sets[-1][0]

    def energy(self, node: int, begin: float, end: float) -> float:
        """Weighted unserved energy of a node, MWh, beyond what the whole network leaves unserved.

        Without that, an order would gain from ending early, where the network is short by itself.
        """
        key = (node, round(begin, 9), round(end, 9))
        if key not in self._pieces:
            total = 0.0
            for start, stop in hours_between(begin, end):
                level = self.service.level_at(start)
                power = round(self.service.deliver(node, level).weighted_mw, POWER_DIGITS)
                total += (power - self._whole(level)) * (stop - start)
            self._pieces[key] = total
        return self._pieces[key]

    def _falls_short(self, node: int, begin: float, end: float) -> bool:
        """Whether less is served than is connected, in some hour."""
        levels = {self.service.level_at(start) for start, _ in hours_between(begin, end)}
        return any(self.service.falls_short(node, level) for level in levels)

    def _whole(self, level: int) -> float:
        """Weighted power that stays unserved with everything repaired, MW."""
        node = self.service.first((1 << self.n) - 1)
        return round(self.service.deliver(node, level).weighted_mw, POWER_DIGITS)

    def steps(self, visits: Sequence[Visit], until_h: float) -> list[Step]:
        """Everything from the event until an hour after the last repair, cut at hours and ends."""
        found = []
        sets = repaired_sets(visits)
        ends = [begin for begin, _ in sets[1:]] + [until_h]
        node = None
        for (begin, repaired), end in zip(sets, ends, strict=True):
            first = self.service.first(repaired)
            node = first if node is None else self.service.then(node, repaired)
            for start, stop in hours_between(begin, end):
                found.append(Step(start, stop, repaired, node, self.service.level_at(start)))
        return found


def hours_between(begin: float, end: float) -> Iterator[tuple[float, float]]:
    """Cut a time at full hours."""
    start = begin
    while end - start > SAME_H:
        stop = min(math.floor(start + SAME_H) + 1.0, end)
        yield (float(round(start)) if abs(start - round(start)) <= SAME_H else start), stop
        start = stop


def rank(order: Sequence[int]) -> float:
    """Place of a permutation among all in the order of a dictionary, from 0."""
    left, place = sorted(order), 0
    for job in order:
        k = left.index(job)
        place = place * len(left) + k
        left.pop(k)
    return float(place)
