"""A network for reliability: buses with customers, branches with devices, and how often they fail.

Plain arrays, radial or meshed, without impedances: what counts is what stays connected.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.reliability_faults import Outcome

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

NOTHING, SWITCH, FUSE, BREAKER = range(4)  # what stands at the end of a branch
DEVICES = {"": NOTHING, "switch": SWITCH, "fuse": FUSE, "breaker": BREAKER}
HOURS_PER_YEAR = 8760.0


class Unit(NamedTuple):
    """A generator, with or without storage, that may feed an island.

    Attributes
    ----------
    bus : position of its bus
    p_mw : MW, rating; the model's ``unit_factor`` says hour by hour what share is available
    storage_mw, storage_mwh : MW and MWh of its storage, full when a fault occurs
    availability : probability that the unit, storage included, works when it is needed
    """

    bus: int
    p_mw: float
    storage_mw: float = 0.0
    storage_mwh: float = 0.0
    availability: float = 1.0


@dataclass(frozen=True, eq=False)
class ReliabilityModel:
    """Everything that reliability needs to know of a network.

    A device stands at an end of a branch: a breaker or a fuse opens by itself at a fault behind
    it, and all devices, switches included, can be opened by hand to isolate it.

    Attributes
    ----------
    name : for texts
    bus_id : (n_bus,), labels of the input
    source : (n_bus,), buses that the network is fed from
    customers : (n_bus,), number of customers
    p_mw, peak_mw : (n_bus,), MW, average and peak load, positive consumes
    priority : (n_bus,), 1 is carried first
    bus_rate, bus_repair_h, bus_switching_h : (n_bus,), failures per year of what stands at the
        bus (busbar, transformer of the load point), hours until it is repaired, and hours until
        such a fault is isolated
    branch_id : (n_branch,), labels of the input
    branch_from, branch_to : (n_branch,), bus positions
    closed : (n_branch,), normal state; an open branch is a tie
    rate, repair_h, switching_h : (n_branch,), failures per year, hours until repaired, and hours
        until a fault is isolated; for a tie ``switching_h`` is the time until it is closed
    device : (n_branch, 2), NOTHING, SWITCH, FUSE or BREAKER at the from end and the to end
    success : (n_branch,), probability that a breaker or fuse of it opens at a fault behind it; for
        a tie that load can be transferred to it
    tie_mw : (n_branch,), MW that a tie can transfer; inf where there is no limit
    islanding_h : h, time after a fault until an island of a unit is fed
    carry_peak : whether an island or a limited tie must be able to carry the peak load
    load_factor : (n_t,), loads hour by hour over ``p_mw``, in a cycle; a fault may start in any
    unit_factor : (n_t,), share of its rating that a unit gives, hour by hour, in the same cycle
    """

    name: str
    bus_id: tuple[str, ...]
    source: Bools
    customers: Floats
    p_mw: Floats
    peak_mw: Floats
    priority: Ints
    bus_rate: Floats
    bus_repair_h: Floats
    bus_switching_h: Floats
    branch_id: tuple[str, ...]
    branch_from: Ints
    branch_to: Ints
    closed: Bools
    rate: Floats
    repair_h: Floats
    switching_h: Floats
    device: Ints
    success: Floats
    tie_mw: Floats
    islanding_h: float = 0.0
    carry_peak: bool = False
    load_factor: Floats = field(default_factory=lambda: np.ones(1))
    unit_factor: Floats = field(default_factory=lambda: np.ones(1))

    @property
    def n_bus(self) -> int:
        """Number of buses."""
        return len(self.bus_id)

    @property
    def n_branch(self) -> int:
        """Number of branches, ties included."""
        return len(self.branch_id)

    @property
    def carried_mw(self) -> Floats:
        """(n_bus,), MW that an island or a limited tie must be able to carry."""
        return self.peak_mw if self.carry_peak else self.p_mw

    def find(self, bus_id: str | int) -> int | None:
        """Position of a bus by its label; None for no such bus."""
        return self.bus_id.index(str(bus_id)) if str(bus_id) in self.bus_id else None

    @cached_property
    def outcomes(self) -> tuple[Outcome, ...]:
        """What each fault does, found once: units change nothing in it."""
        from hybridopt.reliability_faults import find_outcomes

        return find_outcomes(self)
