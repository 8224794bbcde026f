"""What a fault does, step by step: protection, isolation, transfer to ties, repair.

Buses and branches are the nodes of a graph, the ends of closed branches its edges, with a device
on some of them. The same steps hold for radial and for meshed networks:

1. Breakers and fuses around the fault open at once. What no source feeds any more is interrupted.
2. After ``switching_h`` the smallest part that any devices can separate is isolated.
3. Ties (open branches) to what is fed are closed, each after its own time.
4. After the repair everything is as before.

A protective device towards a source that does not open (with probability 1 - ``success``) leaves
the fault to the next one behind it; by hand it can be opened all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from hybridopt.errors import Finding, InputError
from hybridopt.reliability_model import FUSE, NOTHING, ReliabilityModel

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

MOST_UNCERTAIN = 10  # ties of uncertain use beside one fault


@dataclass(frozen=True, eq=False)
class Part:
    """Buses that stay connected but have no source.

    Attributes
    ----------
    buses : (n,), positions, ascending
    tie_mw : MW that limited ties bring in
    """

    buses: Ints
    tie_mw: float


@dataclass(frozen=True, eq=False)
class Stage:
    """A time during a fault in which nothing is switched.

    Attributes
    ----------
    start_h, end_h : h after the fault
    fed : (n_bus,), buses that a source feeds
    parts : what is neither fed nor connected to the fault
    """

    start_h: float
    end_h: float
    fed: Bools
    parts: tuple[Part, ...]


@dataclass(frozen=True, eq=False)
class Outcome:
    """One way in which a fault may go.

    Attributes
    ----------
    component : branch, or ``n_branch`` and the bus after it
    rate : 1/yr, how often it goes this way
    stages : from the fault to the repair
    """

    component: int
    rate: float
    stages: tuple[Stage, ...]


def component_names(model: ReliabilityModel) -> tuple[str, ...]:
    """(n_branch + n_bus,) names of what can fail."""
    return (
        *(f"branch {name}" for name in model.branch_id),
        *(f"bus {name}" for name in model.bus_id),
    )


def find_outcomes(model: ReliabilityModel) -> tuple[Outcome, ...]:
    """Every way in which every fault may go; faults without a rate, and of open ties, are left out.

    Raises
    ------
    InputError
        More ties of uncertain use beside a fault than can be enumerated.
    """
    graph = _Graph(model)
    rates = np.concatenate([np.where(model.closed, model.rate, 0.0), model.bus_rate])
    repair = np.concatenate([model.repair_h, model.bus_repair_h])
    switching = np.concatenate([model.switching_h, model.bus_switching_h])
    found: list[Outcome] = []
    for component in np.flatnonzero(rates > 0).tolist():
        rate = float(rates[component])
        for share, tripped in graph.trips(component):
            states = graph.courses(
                component, tripped, float(switching[component]), float(repair[component])
            )
            found += [
                Outcome(component, rate * share * likely, stages) for likely, stages in states
            ]
    return tuple(found)


class _Graph:
    """Branches (nodes 0 to n_branch - 1) and buses after them; edges are ends of branches."""

    def __init__(self, model: ReliabilityModel) -> None:
        self.model = model
        self.n_branch, self.n = model.n_branch, model.n_branch + model.n_bus
        closed = np.flatnonzero(model.closed)
        self.branch = np.concatenate([closed, closed])  # of each edge
        self.bus = self.n_branch + np.concatenate(
            [model.branch_from[closed], model.branch_to[closed]]
        )
        self.device = np.concatenate([model.device[closed, 0], model.device[closed, 1]])
        self.success = model.success[self.branch]
        self.ties = np.flatnonzero(~model.closed)
        self.source = self.n_branch + np.flatnonzero(model.source)
        self.sections = self.labels(self.device == NOTHING)  # parts without a device inside

    def labels(self, edges: Bools) -> Ints:
        """Component of each node, with some edges alone."""
        a, b = self.branch[edges], self.bus[edges]
        matrix = coo_array((np.ones(len(a), dtype=bool), (a, b)), shape=(self.n, self.n))
        return np.asarray(connected_components(matrix, directed=False)[1], dtype=np.int64)

    def zone(self, start: Bools, passing: Bools) -> Bools:
        """Nodes that passing edges connect to those of the start."""
        labels = self.labels(passing)
        return np.isin(labels, np.unique(labels[start]))

    def without(self, zone: Bools) -> tuple[Ints, Bools]:
        """Components of what is left outside a zone, and the nodes that are fed there."""
        labels = self.labels(~zone[self.branch] & ~zone[self.bus])
        alive = self.source[~zone[self.source]]
        return labels, np.isin(labels, np.unique(labels[alive])) & ~zone

    def trips(self, component: int) -> Iterator[tuple[float, Bools]]:
        """Share of the faults and the nodes that protection cuts off with them."""
        start = np.zeros(self.n, dtype=bool)
        start[component] = True
        opens = self.device >= FUSE
        yield from self._trips(self.zone(start, ~opens), opens, opens & (self.success < 1))

    def _trips(self, zone: Bools, opens: Bools, unsure: Bools) -> Iterator[tuple[float, Bools]]:
        inside, outside = zone[self.branch], zone[self.bus]
        border = np.flatnonzero((inside != outside) & unsure)
        if border.size:
            _, fed = self.without(zone)
            beyond = np.where(inside[border], self.bus[border], self.branch[border])
            border = border[fed[beyond]]
        if not border.size:
            yield 1.0, zone
            return
        edge = int(border[0])
        unsure, p = unsure.copy(), float(self.success[edge])
        unsure[edge] = False
        if p > 0:
            for share, found in self._trips(zone, opens, unsure):
                yield p * share, found
        opens = opens.copy()
        opens[edge] = False
        for share, found in self._trips(self.zone(zone, ~opens), opens, unsure):
            yield (1 - p) * share, found

    def courses(
        self, component: int, tripped: Bools, switching_h: float, repair_h: float
    ) -> Iterator[tuple[float, tuple[Stage, ...]]]:
        """Probability and stages of every use of ties."""
        model = self.model
        isolated = self.sections == self.sections[component]
        dead = np.flatnonzero(~self.without(isolated)[1][self.n_branch :])
        near = [
            int(m)
            for m in self.ties
            if np.isin([model.branch_from[m], model.branch_to[m]], dead).any()
            and max(switching_h, model.switching_h[m]) < repair_h
            and model.success[m] > 0
        ]
        unsure = [m for m in near if model.success[m] < 1]
        if len(unsure) > MOST_UNCERTAIN:
            message = (
                f"a fault of {component_names(model)[component]} has {len(unsure)} ties of "
                f"uncertain success; {MOST_UNCERTAIN} can be enumerated"
            )
            raise InputError([Finding(model.name, message)])
        for k in range(2 ** len(unsure)):
            works = {m: bool(k >> i & 1) for i, m in enumerate(unsure)}
            share = float(
                np.prod([model.success[m] if w else 1 - model.success[m] for m, w in works.items()])
            )
            ties = [m for m in near if works.get(m, True)]
            yield share, self._stages(tripped, isolated, ties, switching_h, repair_h)

    def _stages(
        self, tripped: Bools, isolated: Bools, ties: list[int], switching_h: float, repair_h: float
    ) -> tuple[Stage, ...]:
        model = self.model
        closes = {m: max(switching_h, float(model.switching_h[m])) for m in ties}
        times = {0.0, switching_h, model.islanding_h, repair_h, *closes.values()}
        marks = sorted(t for t in times if 0 <= t <= repair_h)
        found: list[Stage] = []
        for start, end in pairwise(marks):
            zone = tripped if start < switching_h else isolated
            now = [m for m in ties if closes[m] <= start]
            stage = self._stage(start, end, zone, now)
            if found and start != model.islanding_h and _alike(found[-1], stage):
                stage = replace(stage, start_h=found.pop().start_h)
            found.append(stage)
        return tuple(found)

    def _stage(self, start: float, end: float, zone: Bools, ties: list[int]) -> Stage:
        """Who is fed and what hangs together, after unlimited ties and then limited ones."""
        model, first = self.model, self.n_branch
        labels, fed = self.without(zone)
        labels = labels[first:].copy()
        alive, fed = ~zone[first:], fed[first:].copy()
        ends = [(int(model.branch_from[m]), int(model.branch_to[m])) for m in ties]
        free = [k for k, m in enumerate(ties) if np.isinf(model.tie_mw[m])]
        while True:  # what an unlimited tie reaches is fed
            new = [
                ends[k]
                for k in free
                if fed[list(ends[k])].sum() == 1 and alive[list(ends[k])].all()
            ]
            if not new:
                break
            for a, b in new:
                fed |= labels == (labels[b] if fed[a] else labels[a])
            fed &= alive
        import_mw: dict[int, float] = {}
        for a, b in ends:  # dead parts join, whatever their tie can transfer
            if alive[a] and alive[b] and not fed[a] and not fed[b]:
                labels[labels == labels[b]] = labels[a]
        for (a, b), m in zip(ends, ties, strict=True):
            if alive[a] and alive[b] and fed[a] != fed[b]:
                label = int(labels[b] if fed[a] else labels[a])
                import_mw[label] = import_mw.get(label, 0.0) + float(model.tie_mw[m])
        open_buses = alive & ~fed
        parts = tuple(
            Part(np.flatnonzero(open_buses & (labels == label)), import_mw.get(int(label), 0.0))
            for label in np.unique(labels[open_buses])
        )
        return Stage(start, end, fed, parts)


def _alike(one: Stage, other: Stage) -> bool:
    """Whether nothing differs but the time."""
    return (
        bool((one.fed == other.fed).all())
        and len(one.parts) == len(other.parts)
        and all(
            np.array_equal(a.buses, b.buses) and a.tie_mw == b.tie_mw
            for a, b in zip(one.parts, other.parts, strict=True)
        )
    )
