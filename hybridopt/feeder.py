"""A distribution feeder that runs radially: buses, loads hour by hour, and branches that switch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Feeder:
    """A feeder in per unit. Sources hold their voltage and count as one bus of a tree.

    Attributes
    ----------
    name : for texts
    base_mva : MVA
    bus_id, bus_name : (n_bus,), index in the net (the lowest of those that closed switches join)
    vn_kv : (n_bus,), kV
    bus_x, bus_y : (n_bus,), drawing coordinates, NaN where unknown
    source_vm : (n_bus,), pu; 0 where there is no source
    vm_min, vm_max : (n_bus,), pu; 0 and inf where there is no limit
    dt : (n_t,), h
    load : (6, n_t, n_bus), demand less fixed generation, positive consumes: constant power p and
        q, constant current at 1 pu, constant impedance at 1 pu (shunts included)
    served : (n_t, n_bus), demand of the loads alone, p at 1 pu
    branch_name : (n_branch,), the input's name or its 1-based number
    branch_kind, branch_index : (n_branch,), pandapower's table (line, trafo, switch) and index
    branch_from, branch_to : (n_branch,), bus positions
    r, x : (n_branch,), series impedance
    ratio : (n_branch,), voltage at the from bus over that behind the ideal transformer there
    g_from, b_from, g_to, b_to : (n_branch,), admittance at either end
    hangs_at : (n_branch,), bus that it stays connected to while open; -1 for none
    g_open, b_open : (n_branch,), its admittance there while open
    i_from, i_to : (n_branch,), largest current; inf where unrated
    switchable : (n_branch,) may be opened and closed
    closed : (n_branch,) normal state
    usable : (n_branch,) not out of use (by a fault, or a bus out of service)
    """

    name: str
    base_mva: float
    bus_id: tuple[int, ...]
    bus_name: tuple[str, ...]
    vn_kv: Floats
    bus_x: Floats
    bus_y: Floats
    source_vm: Floats
    vm_min: Floats
    vm_max: Floats
    dt: Floats
    load: Floats
    served: Floats
    branch_name: tuple[str | int, ...]
    branch_kind: tuple[str, ...]
    branch_index: Ints
    branch_from: Ints
    branch_to: Ints
    r: Floats
    x: Floats
    ratio: Floats
    g_from: Floats
    b_from: Floats
    g_to: Floats
    b_to: Floats
    hangs_at: Ints
    g_open: Floats
    b_open: Floats
    i_from: Floats
    i_to: Floats
    switchable: Bools
    closed: Bools
    usable: Bools

    @property
    def n_bus(self) -> int:
        """Number of buses."""
        return len(self.bus_id)

    @property
    def n_branch(self) -> int:
        """Number of branches, open ones included."""
        return len(self.branch_name)

    @property
    def n_t(self) -> int:
        """Number of hours."""
        return len(self.dt)

    @property
    def in_tree(self) -> Bools:
        """Branches that may be closed: usable, and closed or switchable, (n_branch,)."""
        return self.usable & (self.closed | self.switchable)

    def merged(self, bus: Ints) -> Ints:
        """Give buses by position, every source as the first of them."""
        sources = np.flatnonzero(self.source_vm)
        return np.where(self.source_vm[bus] > 0, sources[0], bus)

    def reached(self, closed: Bools) -> Bools:
        """Buses that closed branches connect to a source, (n_bus,)."""
        found = self.source_vm > 0
        ends = np.stack([self.branch_from[closed], self.branch_to[closed]], axis=1)
        while True:
            grown = found.copy()
            touched = found[ends].any(axis=1)
            grown[ends[touched].ravel()] = True
            if (grown == found).all():
                return found
            found = grown

    def is_radial(self, closed: Bools) -> bool:
        """Whether closed branches hold no loop among the buses they feed, sources being one."""
        fed = self.reached(closed)
        n_closed = int((closed & fed[self.branch_from]).sum())
        return n_closed == int(fed.sum()) - int((self.source_vm > 0).sum())

    def ways(self, closed: Bools) -> dict[int, tuple[int, int] | None]:
        """Branch and bus towards the source, of every bus that is fed; None at a source."""
        near: dict[int, list[tuple[int, int]]] = {}
        for m in np.flatnonzero(closed).tolist():
            f, t = int(self.branch_from[m]), int(self.branch_to[m])
            near.setdefault(f, []).append((m, t))
            near.setdefault(t, []).append((m, f))
        found: dict[int, tuple[int, int] | None] = {
            int(b): None for b in np.flatnonzero(self.source_vm)
        }
        waiting = list(found)
        for bus in waiting:
            for branch, other in near.get(bus, []):
                if other not in found:
                    found[other] = (branch, bus)
                    waiting.append(other)
        return found

    def without(self, branches: Iterable[int]) -> Feeder:
        """The feeder with branches out of use, as after a fault."""
        usable = self.usable.copy()
        usable[list(branches)] = False
        return replace(self, usable=usable)

    def with_injection(self, bus: Ints, p: Floats, q: Floats) -> Feeder:
        """The feeder with fixed injections.

        Parameters
        ----------
        bus : (n,), positions;  p, q : (n_t, n), pu, positive injects
        """
        load = self.load.copy()
        for k, b in enumerate(bus):
            load[0, :, b] -= p[:, k]
            load[1, :, b] -= q[:, k]
        return replace(self, load=load)


def shown(names: list[Any], most: int = 12) -> str:
    """A list in a message, cut where it is long."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(str(name) for name in names[:most]) + more


def shown_buses(names: list[Any]) -> str:
    """Buses in a message."""
    return f"{'bus' if len(names) == 1 else 'buses'} {shown(names)}"
