"""The grid as frozen arrays in per unit, and what an event and a plan do to it.

Everything the models need, and nothing of the file it came from. Powers are per unit on
``base_mva``, admittances per unit, angles radian; positions (``branch_from``, ``gen_bus``) are
plain ints into the bus arrays, labels (``bus_id``) are what a user writes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.unit_cost import Piece

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]
    Complexes = NDArray[np.complex128]


@dataclass(frozen=True, eq=False)
class Storage:
    """Storage units; every array has one entry for each.

    Attributes
    ----------
    name, bus : label and bus position;  index : position in pandapower's table, -1 for a case's
    charge_max, discharge_max : pu, largest power taken from and given to the grid
    q_min, q_max : pu, positive consumes as a load does
    energy_min, energy_max, energy_start : pu times hours
    energy_end : pu times hours
        Least content after the last hour.
    eta_in, eta_out : 1
        Share of the power taken that is stored, and of the content withdrawn that is given.
    in_service
    """

    name: tuple[str, ...]
    index: Ints
    bus: Ints
    charge_max: Floats
    discharge_max: Floats
    q_min: Floats
    q_max: Floats
    energy_min: Floats
    energy_max: Floats
    energy_start: Floats
    energy_end: Floats
    eta_in: Floats
    eta_out: Floats
    in_service: Bools


def no_storage() -> Storage:
    """Give the storage of a grid that has none."""
    empty = np.empty(0)
    whole = np.empty(0, dtype=np.int64)
    return Storage((), whole, whole, *(empty,) * 10, np.empty(0, dtype=bool))


@dataclass(frozen=True, eq=False)
class Grid:
    """One state of a network.

    Attributes
    ----------
    base_mva : MVA
        Power base of every per-unit value.
    bus_id : (n_bus,) labels
        What users, reports and files call the buses.
    vn_kv, vm_min, vm_max : (n_bus,), kV and pu
    bus_x, bus_y : (n_bus,)
        Drawing coordinates, NaN when the network has none.
    bus_in_service : (n_bus,)
    branch_from, branch_to : (n_branch,) bus positions
    y_ff, y_ft, y_tf, y_tt : (n_branch,), pu
        Two-port admittances: ``i_from = y_ff v_from + y_ft v_to`` and so on.
    rate_from, rate_to : (n_branch,), pu, inf without a limit
        Largest current at either end, or largest apparent power at both (see ``rate_is_power``).
    rate_share : (n_branch,)
        Largest loading over 100 % (pandapower's ``max_loading_percent``), contained in the rates.
    rate_is_power : (n_branch,)
        True where the limit is an apparent power (MATPOWER), False where it is a current.
    angle_min, angle_max : (n_branch,), rad, -inf and inf without a limit
        Range of the voltage angle at the from side minus that at the to side.
    branch_kind : "line" or "trafo";  branch_index : position in pandapower's table, -1 for new
    gen_bus : (n_gen,) bus positions
    p_min, p_max, q_min, q_max : (n_gen,), pu, positive injects
    gen_cost : (n_gen, n_coef)
        Polynomial in MW, ascending powers, currency per hour.
    gen_pwl : (n_gen,), each None or (n_point, 2)
        Piecewise linear cost instead of the polynomial: MW (ascending) and currency per hour; the
        first and the last piece go on beyond their ends.
    gen_pieces : (n_gen,), each None or its smooth pieces (MW), ascending
        Instead of both: costs that are not smooth or not convex, and outputs with prohibited
        zones between pieces.
    ramp_up, ramp_down : (n_gen,), pu per hour, inf without a limit
        Largest rise and fall of the active power between consecutive hours.
    gen_forming : (n_gen,)
        True for units that can hold an island's voltage (external grids and generators).
    load_bus, load_p, load_q : (n_load,), pu, positive consumes
        A load that is out of service is still demanded: it counts as unserved.
    zip_p, zip_q : (n_bus, 2)
        Shares of each bus's active and reactive demand that are of constant impedance and of
        constant current; the rest is of constant power.
    shunt_bus, shunt_g, shunt_b : (n_shunt,), pu at 1 pu voltage, b positive injects
    storage : batteries and the like, see :class:`Storage`
    """

    base_mva: float
    bus_id: tuple[int, ...]
    bus_name: tuple[str, ...]
    vn_kv: Floats
    vm_min: Floats
    vm_max: Floats
    bus_x: Floats
    bus_y: Floats
    bus_in_service: Bools
    branch_name: tuple[str, ...]
    branch_kind: tuple[str, ...]
    branch_index: Ints
    branch_from: Ints
    branch_to: Ints
    y_ff: Complexes
    y_ft: Complexes
    y_tf: Complexes
    y_tt: Complexes
    rate_from: Floats
    rate_to: Floats
    rate_share: Floats
    rate_is_power: Bools
    angle_min: Floats
    angle_max: Floats
    branch_in_service: Bools
    gen_name: tuple[str, ...]
    gen_kind: tuple[str, ...]
    gen_index: Ints
    gen_bus: Ints
    p_min: Floats
    p_max: Floats
    q_min: Floats
    q_max: Floats
    gen_cost: Floats
    gen_pwl: tuple[Floats | None, ...]
    gen_pieces: tuple[tuple[Piece, ...] | None, ...]
    ramp_up: Floats
    ramp_down: Floats
    gen_forming: Bools
    gen_in_service: Bools
    load_name: tuple[str, ...]
    load_index: Ints
    load_bus: Ints
    load_p: Floats
    load_q: Floats
    load_in_service: Bools
    zip_p: Floats
    zip_q: Floats
    shunt_index: Ints
    shunt_bus: Ints
    shunt_g: Floats
    shunt_b: Floats
    shunt_in_service: Bools
    storage: Storage

    @property
    def n_bus(self) -> int:
        """Number of buses."""
        return len(self.bus_id)

    @property
    def n_branch(self) -> int:
        """Number of branches, open ones included."""
        return len(self.branch_name)

    @property
    def n_gen(self) -> int:
        """Number of units, those out of service included."""
        return len(self.gen_name)

    def demand(self, *, connected_only: bool = False) -> tuple[Floats, Floats]:
        """Nominal demand at each bus.

        Parameters
        ----------
        connected_only : bool
            Leave out loads that are out of service, that is those that cannot be served.

        Returns
        -------
        p, q : (n_bus,), pu, positive consumes
        """
        count = self.load_in_service if connected_only else np.ones(len(self.load_bus), dtype=bool)
        at = self.load_bus[count]
        return self._at_buses(at, self.load_p[count]), self._at_buses(at, self.load_q[count])

    def shunt(self) -> tuple[Floats, Floats]:
        """Shunt conductance and susceptance at each bus: g, b of shape (n_bus,), pu."""
        on = self.shunt_in_service
        at = self.shunt_bus[on]
        return self._at_buses(at, self.shunt_g[on]), self._at_buses(at, self.shunt_b[on])

    def _at_buses(self, bus: Ints, value: Floats) -> Floats:
        """Sum values by bus, (n_bus,)."""
        return np.bincount(bus, value, minlength=self.n_bus).astype(np.float64)

    def branch_usable(self) -> Bools:
        """Branches that carry current: in service, and so are both end buses."""
        return (
            self.branch_in_service
            & self.bus_in_service[self.branch_from]
            & self.bus_in_service[self.branch_to]
        )

    def islands(self, branch_on: Bools | None = None) -> Ints:
        """Number the connected components.

        Parameters
        ----------
        branch_on : (n_branch,), optional
            Closed branches; the grid's own by default.

        Returns
        -------
        (n_bus,) island of each bus, numbered from 0 in the order of the first bus
        """
        on = self.branch_usable() if branch_on is None else branch_on
        ends = (self.branch_from[on], self.branch_to[on])
        graph = coo_matrix((np.ones(int(on.sum())), ends), shape=(self.n_bus, self.n_bus))
        _, label = connected_components(graph, directed=False)
        return np.asarray(label, dtype=np.int64)


@dataclass(frozen=True)
class Event:
    """What a disruption takes out, as positions into a Grid's arrays."""

    branches: tuple[int, ...] = ()
    gens: tuple[int, ...] = ()
    loads: tuple[int, ...] = ()
    buses: tuple[int, ...] = ()
    shunts: tuple[int, ...] = ()


@dataclass(frozen=True)
class DGSites:
    """Where distributed generation may stand, and on what terms.

    Attributes
    ----------
    bus : tuple of bus positions
    tan_phi : 1
        Largest |q| per rated p; inf when reactive power has no limit.
    cost_per_mw : currency per MW of rating
    operating_cost : polynomial in MW, ascending, currency per hour, one unit
    grid_forming : bool
        Whether a unit can energise an island by itself.
    min_mw, max_mw : MW
        Smallest and largest rating of one unit.
    max_p_ratio : 1
        Output allowed in the dispatch per MW of rating (1.5 in Diaz Vargas et al. 2024).
    penetration_limit : 1 or inf
        Largest share of demand (eta in Diaz Vargas et al. 2024).
    penetration_on_capacity : bool
        The limit is on installed capacity at the peak (the paper's form), else on power.
    """

    bus: tuple[int, ...] = ()
    tan_phi: float = 0.0
    cost_per_mw: float = 0.0
    operating_cost: tuple[float, ...] = (0.0,)
    grid_forming: bool = True
    min_mw: float = 0.0
    max_mw: float = np.inf
    max_p_ratio: float = 1.0
    penetration_limit: float = np.inf
    penetration_on_capacity: bool = True


@dataclass(frozen=True, order=True)
class Unit:
    """A distributed generator of a plan.

    Attributes
    ----------
    bus : position
    rating_mw : MW; None while it is to be chosen
    vm_pu : pu; voltage set-point that a plan gives, where a dispatch starts from; None for 1 pu
    """

    bus: int
    rating_mw: float | None = None
    vm_pu: float | None = None


@dataclass(frozen=True, order=True)
class NewLine:
    """A line whose end buses and length a plan chooses.

    Attributes
    ----------
    branch : position in the search grid, where it stands for a pair of buses
    length_km : km
    """

    branch: int
    length_km: float


@dataclass(frozen=True)
class Plan:
    """What the operator does: branches to close, lines to build and generators to place.

    Attributes
    ----------
    branches : sorted branch positions (damaged, new and tie lines) that are closed
    units : distributed generators, sorted by bus position
    new_lines : lines with a length of their own, sorted by branch position; the grid holds them
        as lines of 1 km without charging
    """

    branches: tuple[int, ...] = ()
    units: tuple[Unit, ...] = ()
    new_lines: tuple[NewLine, ...] = ()


def apply_event(grid: Grid, event: Event) -> Grid:
    """Take the event's elements out of service."""

    def without(flags: Bools, out: tuple[int, ...]) -> Bools:
        left = flags.copy()
        left[list(out)] = False
        return left

    return replace(
        grid,
        branch_in_service=without(grid.branch_in_service, event.branches),
        gen_in_service=without(grid.gen_in_service, event.gens),
        load_in_service=without(grid.load_in_service, event.loads),
        bus_in_service=without(grid.bus_in_service, event.buses),
        shunt_in_service=without(grid.shunt_in_service, event.shunts),
    )


def apply_plan(grid: Grid, plan: Plan) -> Grid:
    """Close the plan's branches (its generators are dispatched beside the grid's own)."""
    closed = grid.branch_in_service.copy()
    closed[list(plan.branches)] = True
    closed[[line.branch for line in plan.new_lines]] = True
    built = replace(grid, branch_in_service=closed)
    if not plan.new_lines:
        return built
    scale = branch_scale(grid, plan)
    y = {name: getattr(grid, name) * scale for name in ("y_ff", "y_ft", "y_tf", "y_tt")}
    return replace(built, **y)


def branch_scale(grid: Grid, plan: Plan) -> Floats:
    """Admittance of each branch in a plan over that in the grid, (n_branch,).

    1 for all but the plan's lines of chosen length: without charging, the admittance of a line is
    that of 1 km over its length.
    """
    scale = np.ones(grid.n_branch)
    for line in plan.new_lines:
        scale[line.branch] = 1.0 / line.length_km
    return scale
