"""A pandapower net becomes the network of an allocation, and an allocation a net again.

Units change here.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp
from pandapower.auxiliary import LoadflowNotConverged
from scipy.sparse import coo_matrix, csc_matrix
from scipy.sparse.csgraph import connected_components
from scipy.sparse.linalg import splu

from hybridopt.errors import Finding, InputError
from hybridopt.network import prepare
from hybridopt.network_branches import number_column
from hybridopt.network_grid import grid_from_net
from hybridopt.network_switched import save_net
from hybridopt.solvers.injections import InjectionArrays

__all__ = ["AllocationNetwork", "allocation_network", "ask_pandapower", "net_at", "save_net"]

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.grid import Grid

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

VM_LIMITS = (0.95, 1.05)  # where neither the net nor the user says otherwise


@dataclass(frozen=True, eq=False)
class AllocationNetwork:
    """A network with the points to which profiles are assigned.

    Attributes
    ----------
    name : for findings and results
    net : pandapower net, prepared; not altered
    grid : the same in per unit
    points : (n_point,) bus labels of the net, in the order of ``order`` columns
    bus_index : (n_bus,) index in the net of every bus that is energised, in the kernels' order
    branch : (n_end,) position in the grid of each branch end's branch: lines first
    active : (n_active,) grid position of each bus with load or generation
    source_vm : (n_bus of the grid,) complex pu, voltage that a source holds, 0 elsewhere
    fixed : (3, n_bus of the grid) complex pu, demand that stays: constant power, current, impedance
    arrays : for the kernels
    """

    name: str
    net: Any
    grid: Grid
    points: tuple[int, ...]
    bus_index: Ints
    branch: Ints
    active: Ints
    source_vm: Any
    fixed: Any
    arrays: InjectionArrays

    @property
    def base_mva(self) -> float:
        """Power base, MVA."""
        return self.grid.base_mva


def allocation_network(
    net: Any,
    name: str = "network",
    points: Sequence[Any] | None = None,
    n_t: int = 24,
    vm_limits: tuple[float | None, float | None] = (None, None),
    power_factors: tuple[float, float] = (1.0, 1.0),
) -> AllocationNetwork:
    """Prepare a network for profiles; the net is not altered.

    The profiles stand in for the loads and static generators at the points; what stands elsewhere
    stays as it is. External grids hold voltages; generators that do are not modelled here.

    Parameters
    ----------
    net : pandapower net
    points : index or name of the bus of each point; by default every bus with a load, in the order
        of ``net.load``
    n_t : hours of the profiles
    vm_limits : pu, of all buses in place of the net's own; without either 0.95 and 1.05
    power_factors : of the load and of the generation profiles; both draw reactive power if below 1

    Raises
    ------
    InputError
        What is not modelled, bad numbers, unknown, doubled or dead points.
    """
    net = prepare(_with_load(net, name, points), name)
    findings = _unmodelled(net, name)
    if findings:
        raise InputError(findings)
    grid, position = grid_from_net(net, branch_limit="current")
    chosen = _points(net, name, points)
    source_vm, live = _sources(net, grid, position)
    place = [position[bus] for bus in chosen]
    for bus, at in zip(chosen, place, strict=True):
        if source_vm[at] != 0 or not live[at]:
            why = "is the bus of a source" if source_vm[at] != 0 else "has no way to a source"
            findings.append(Finding(f"{name} bus {bus}", f"cannot be a point: it {why}"))
    shared = [b for b, at in zip(chosen, place, strict=True) if place.count(at) > 1]
    if shared:
        listed = ", ".join(map(str, shared))
        findings.append(Finding(name, f"buses {listed} are one behind closed switches"))
    if findings:
        raise InputError(findings)
    fixed = _fixed(net, grid, position, chosen)
    low, high = vm_limits
    arrays, active = _arrays(grid, source_vm, live, np.array(place), fixed, n_t, power_factors)
    shown = np.flatnonzero(live)
    vm = np.column_stack(
        [
            _limit(net, grid, position, "min_vm_pu", low, VM_LIMITS[0], np.maximum)[shown],
            _limit(net, grid, position, "max_vm_pu", high, VM_LIMITS[1], np.minimum)[shown],
        ]
    )
    vm[source_vm[shown] != 0] = 0.0, np.inf  # what a source holds is nobody's choice
    zip_p, zip_q = _shares(net, chosen)
    ends = _ends(grid, live)
    return AllocationNetwork(
        name,
        net,
        grid,
        tuple(chosen),
        np.array([grid.bus_id[b] for b in shown], dtype=np.int64),
        ends[0],
        active,
        source_vm,
        fixed,
        arrays._replace(vm=vm, zip_p=zip_p, zip_q=zip_q),
    )


def _with_load(net: Any, name: str, points: Sequence[Any] | None) -> Any:
    """The net, with a load of nothing where it has none: the profiles bring their own.

    Raises
    ------
    InputError
        It has no load, and no points are named.
    """
    if not isinstance(net, pp.pandapowerNet) or net.load.in_service.any():
        return net
    if points is None:
        raise InputError([Finding(name, "has no load in service, so the points must be named")])
    net = copy.deepcopy(net)
    pp.create_load(net, net.bus.index[0], 0.0)
    return net


def _unmodelled(net: Any, name: str) -> list[Finding]:
    found = [
        Finding(f"{name} gen {i}", "holds a voltage, which only external grids may do here")
        for i in net.gen.index[net.gen.in_service]
    ]
    found += [
        Finding(f"{name} storage {i}", "is in service; batteries are given with --batteries")
        for i in net.storage.index[net.storage.in_service]
    ]
    if not net.ext_grid.in_service.any():
        found.append(Finding(name, "has no external grid in service"))
    return found


def _points(net: Any, name: str, points: Sequence[Any] | None) -> list[int]:
    """Bus indices of the points."""
    if points is None:
        loads = net.load[net.load.in_service]
        return [int(bus) for bus in dict.fromkeys(loads.bus)]
    labels = {str(n): int(i) for i, n in zip(net.bus.index, net.bus.name, strict=True) if n}
    labels |= {str(i): int(i) for i in net.bus.index}
    findings, found = [], []
    for point in points:
        if str(point).strip() not in labels:
            findings.append(Finding(f"{name} point {point}", "no bus has this index or name"))
        elif labels[str(point).strip()] in found:
            findings.append(Finding(f"{name} point {point}", "stands here more than once"))
        else:
            found.append(labels[str(point).strip()])
    if not found and not findings:
        findings.append(Finding(name, "needs one point or more"))
    if findings:
        raise InputError(findings)
    return found


def _sources(net: Any, grid: Grid, position: dict[int, int]) -> tuple[Any, Any]:
    """Complex voltage of each bus that a source holds, 0 elsewhere; whether a bus is energised."""
    vm = np.zeros(grid.n_bus, dtype=complex)
    for row in net.ext_grid[net.ext_grid.in_service].itertuples():
        angle = np.deg2rad(getattr(row, "va_degree", 0.0) or 0.0)
        vm[position[int(row.bus)]] = row.vm_pu * np.exp(1j * angle)
    return vm, _live(grid, vm)


def _live(grid: Grid, source_vm: Any) -> Any:
    """Whether each bus has a way to a source."""
    on = grid.branch_in_service
    ends = grid.branch_from[on], grid.branch_to[on]
    graph = coo_matrix((np.ones(on.sum()), ends), shape=(grid.n_bus, grid.n_bus))
    label = connected_components(graph, directed=False)[1]
    fed = np.unique(label[(source_vm != 0) & grid.bus_in_service])
    return np.isin(label, fed) & grid.bus_in_service


def _fixed(net: Any, grid: Grid, position: dict[int, int], points: list[int]) -> Any:
    """Demand that stays, (3, n_bus) complex pu: constant power, current, impedance at 1 pu."""
    found = np.zeros((3, grid.n_bus), dtype=complex)
    loads = net.load[net.load.in_service & ~net.load.bus.isin(points)]
    shares = _load_shares(loads)
    p, q = (loads[c].to_numpy(float) * loads.scaling.to_numpy(float) for c in ("p_mw", "q_mvar"))
    at = np.array([position[int(b)] for b in loads.bus], dtype=np.int64)
    for kind in range(3):
        power = p * shares[0][:, kind] + 1j * q * shares[1][:, kind]
        np.add.at(found[kind], at, power / grid.base_mva)
    units = net.sgen[net.sgen.in_service & ~net.sgen.bus.isin(points)]
    given = (units.p_mw + 1j * units.q_mvar) * units.scaling / grid.base_mva
    at = np.array([position[int(b)] for b in units.bus], dtype=np.int64)
    np.add.at(found[0], at, -given.to_numpy(complex))
    return found


def _load_shares(loads: Any) -> tuple[Floats, Floats]:
    """Shares of constant power, current, impedance of p and of q, (n_load, 3) each."""
    both = []
    for kind in "pq":
        z, i = (number_column(loads, f"const_{c}_{kind}_percent", 0.0) / 100 for c in "zi")
        both.append(np.column_stack([1.0 - z - i, i, z]))
    return both[0], both[1]


def _shares(net: Any, points: list[int]) -> tuple[Floats, Floats]:
    """Shares at the points, those of the loads there weighted by their power."""
    rows: list[list[Any]] = [[], []]
    for bus in points:
        loads = net.load[net.load.in_service & (net.load.bus == bus)]
        for k, shares in enumerate(_load_shares(loads)):
            weight = abs(loads.p_mw.to_numpy(float))
            known = weight.sum() > 0
            rows[k].append(weight @ shares / weight.sum() if known else np.array([1.0, 0.0, 0.0]))
    return np.array(rows[0]), np.array(rows[1])


def _limit(
    net: Any,
    grid: Grid,
    position: dict[int, int],
    column: str,
    given: float | None,
    usual: float,
    tighter: Any,
) -> Floats:
    """Limit of each bus: what the user gives, what the net says, or the usual."""
    if given is not None:
        return np.full(grid.n_bus, given)
    found = np.full(grid.n_bus, -np.inf if tighter is np.maximum else np.inf)
    every = np.array([position[int(i)] for i in net.bus.index])
    tighter.at(found, every, number_column(net.bus, column, usual))
    return found


def _ends(grid: Grid, live: Any) -> tuple[Ints, Any]:
    """Branch of each end that is limited, and whether it is the from end; lines come first."""
    on = grid.branch_in_service & live[grid.branch_from]
    line = np.array([kind == "line" for kind in grid.branch_kind], dtype=bool)
    branch, is_from = [], []
    for kind in (line, ~line):
        for m in np.flatnonzero(on & kind):
            for rate, first in ((grid.rate_from[m], True), (grid.rate_to[m], False)):
                if np.isfinite(rate):
                    branch.append(int(m))
                    is_from.append(first)
    return np.array(branch, dtype=np.int64), np.array(is_from, dtype=bool)


def _admittances(grid: Grid, live: Any) -> Any:
    """Nodal admittances of what is energised, (n_bus, n_bus) sparse, pu."""
    on = np.flatnonzero(grid.branch_in_service & live[grid.branch_from])
    f, t = grid.branch_from[on], grid.branch_to[on]
    shunt = grid.shunt_in_service & live[grid.shunt_bus]
    at = grid.shunt_bus[shunt]
    rows = np.concatenate([f, f, t, t, at])
    columns = np.concatenate([f, t, f, t, at])
    values = np.concatenate(
        [
            grid.y_ff[on],
            grid.y_ft[on],
            grid.y_tf[on],
            grid.y_tt[on],
            grid.shunt_g[shunt] + 1j * grid.shunt_b[shunt],
        ]
    )
    return coo_matrix((values, (rows, columns)), shape=(grid.n_bus, grid.n_bus)).tocsc()


def _arrays(
    grid: Grid,
    source_vm: Any,
    live: Any,
    place: Ints,
    fixed: Any,
    n_t: int,
    power_factors: tuple[float, float],
) -> tuple[InjectionArrays, Ints]:
    """Arrays without limits of voltage and shares, and the active buses."""
    y = _admittances(grid, live)
    held, free = np.flatnonzero(source_vm != 0), np.flatnonzero(live & (source_vm == 0))
    drawn = (fixed != 0).any(axis=0)
    drawn[place] = True
    active = np.flatnonzero(drawn & live & (source_vm == 0))
    factor = splu(csc_matrix(y[free][:, free]))
    unit = np.zeros((len(free), len(active)), dtype=complex)
    unit[np.searchsorted(free, active), np.arange(len(active))] = 1.0
    z = np.zeros((grid.n_bus, len(active)), dtype=complex)
    z[free] = factor.solve(unit)
    w = source_vm.copy()
    w[free] = factor.solve(-y[free][:, held] @ source_vm[held])
    branch, is_from = _ends(grid, live)
    f, t = grid.branch_from[branch], grid.branch_to[branch]
    near = np.where(is_from, grid.y_ff[branch], grid.y_tf[branch])
    far = np.where(is_from, grid.y_ft[branch], grid.y_tt[branch])
    rate = np.where(is_from, grid.rate_from[branch], grid.rate_to[branch])
    rows = y[held]
    tan = [np.sqrt(1.0 - pf * pf) / pf for pf in power_factors]
    shown = np.flatnonzero(live)
    none = np.zeros((len(place), 3))
    arrays = InjectionArrays(
        z=_parts(z[active]),
        w=_parts(w[active]),
        u=_parts(z[shown]),
        u0=_parts(w[shown]),
        f=_parts((near[:, None] * z[f] + far[:, None] * z[t]) / rate[:, None]),
        f0=_parts((near * w[f] + far * w[t]) / rate),
        share=grid.rate_share[branch].astype(float),
        n_line_end=int(sum(grid.branch_kind[m] == "line" for m in branch)),
        s=_parts(rows @ z),
        s0=_parts(rows @ w),
        source=_parts(source_vm[held]),
        own=float(fixed[:, held].real.sum()),
        vm=np.zeros((len(shown), 2)),
        fixed=_parts(fixed[:, active]),
        at=np.searchsorted(active, place).astype(np.int64),
        zip_p=none,
        zip_q=none,
        load_tan=float(tan[0]),
        generation_tan=float(tan[1]),
        dt=np.ones(n_t),
    )
    return arrays, active


def _parts(values: Any) -> Floats:
    """Real and imaginary parts, in a new last axis."""
    values = np.asarray(values)
    return np.ascontiguousarray(np.stack([values.real, values.imag], axis=-1))


def net_at(
    network: AllocationNetwork,
    load_mw: Floats,
    generation_mw: Floats,
    *,
    apart: bool = False,
) -> Any:
    """The net with an allocation in one hour, in place of what stands at the points.

    Parameters
    ----------
    load_mw, generation_mw : (n_point,), what stands at each point
    apart : give generation a bus of its own, for pandapower applies the shares of a bus's voltage
        dependent loads to all power there
    """
    net, arrays = copy.deepcopy(network.net), network.arrays
    points = list(network.points)
    for table in ("load", "sgen"):  # pandapower weighs loads out of service in a bus's ZIP shares
        net[table] = net[table][~net[table].bus.isin(points)].copy()
    for k, bus in enumerate(points):
        name = f"load at {bus}"
        zip_p, zip_q = arrays.zip_p[k], arrays.zip_q[k]
        pp.create_load(
            net,
            bus,
            float(load_mw[k]),
            float(load_mw[k] * arrays.load_tan),
            name=name,
            const_z_p_percent=100 * zip_p[2],
            const_i_p_percent=100 * zip_p[1],
            const_z_q_percent=100 * zip_q[2],
            const_i_q_percent=100 * zip_q[1],
        )
        p = float(generation_mw[k])
        if apart:
            bus = _beside(net, bus)  # noqa: PLW2901
        pp.create_sgen(net, bus, p, p * arrays.generation_tan, name=f"generation at {bus}")
    return net


def _beside(net: Any, bus: int) -> int:
    """Add a bus behind a line of next to no impedance and without a limit; its index."""
    kv = float(net.bus.vn_kv[bus])
    beside = pp.create_bus(net, kv)
    ohm = 1e-7 * kv * kv / float(net.sn_mva)
    pp.create_line_from_parameters(net, bus, beside, 1.0, ohm, ohm, 0.0, 1e6)
    return int(beside)


def capacity_mva(network: AllocationNetwork) -> float:
    """What the branches at the sources can carry, MVA; inf where they have no limit."""
    grid, held = network.grid, network.source_vm != 0
    on = grid.branch_in_service & (held[grid.branch_from] | held[grid.branch_to])
    at_from = held[grid.branch_from[on]]
    return float(np.where(at_from, grid.rate_from[on], grid.rate_to[on]).sum() * grid.base_mva)


@dataclass(frozen=True)
class Referee:
    """What pandapower's power flow says of an allocation, hour by hour.

    Attributes
    ----------
    line_loading : (n_t,), %, the largest;  loss_mw, grid_mw : (n_t,)
    deviation : (n_t,), pu, the largest;  failed : hours without power flow
    """

    line_loading: Floats
    loss_mw: Floats
    grid_mw: Floats
    deviation: Floats
    failed: int


def ask_pandapower(
    network: AllocationNetwork,
    load_mw: Floats,
    generation_mw: Floats,
    generation_mvar: Floats | None = None,
    report: Any = lambda: None,
) -> Referee:
    """Run pandapower's power flow for every hour.

    Parameters
    ----------
    load_mw, generation_mw, generation_mvar : (n_point, n_t), at each point; reactive power by the
        power factor if not given
    report : called after each hour
    """
    n_t = load_mw.shape[1]
    found, failed = np.full((4, n_t), np.nan), 0
    apart = bool(
        (network.arrays.zip_p[:, 1:] != 0).any() or (network.arrays.zip_q[:, 1:] != 0).any()
    )
    net = net_at(network, load_mw[:, 0], generation_mw[:, 0], apart=apart)
    loads = net.load.index[-len(network.points) :]
    units = net.sgen.index[-len(network.points) :]
    by_factor = generation_mw * network.arrays.generation_tan
    given_q = by_factor if generation_mvar is None else generation_mvar
    for t in range(n_t):
        net.load.loc[loads, "p_mw"] = load_mw[:, t]
        net.load.loc[loads, "q_mvar"] = load_mw[:, t] * network.arrays.load_tan
        net.sgen.loc[units, "p_mw"] = generation_mw[:, t]
        net.sgen.loc[units, "q_mvar"] = given_q[:, t]
        try:
            pp.runpp(
                net,
                tolerance_mva=1e-8 if apart else 1e-10,
                trafo_model="t",
                calculate_voltage_angles=True,
            )
        except LoadflowNotConverged:
            failed += 1
        else:
            lines = net.res_line.loading_percent
            loss = sum(net[f"res_{k}"].pl_mw.sum() for k in ("line", "trafo"))
            vm = net.res_bus.vm_pu.dropna()
            grid = net.res_ext_grid.p_mw.sum()
            found[:, t] = lines.max(), loss, grid, abs(vm - 1.0).max()
        report()
    return Referee(found[0], found[1], found[2], found[3], failed)


def without_branch(
    network: AllocationNetwork, branch: int
) -> tuple[InjectionArrays | None, NDArray[np.bool_]]:
    """The network with one branch out.

    Parameters
    ----------
    branch : position in the grid

    Returns
    -------
    Its arrays for the points that are still energised, None without any; (n_point,) which those are
    """
    grid = network.grid
    on = grid.branch_in_service.copy()
    on[branch] = False
    cut = replace(grid, branch_in_service=on)
    live = _live(cut, network.source_vm)
    place = network.active[network.arrays.at]
    lit = live[place]
    if not lit.any():
        return None, lit
    old = network.arrays
    fixed = np.where(live, network.fixed, 0.0)
    arrays, _ = _arrays(cut, network.source_vm, live, place[lit], fixed, len(old.dt), (1.0, 1.0))
    before = {int(bus): k for k, bus in enumerate(network.bus_index)}
    rows = [before[cut.bus_id[b]] for b in np.flatnonzero(live)]
    return (
        arrays._replace(
            vm=old.vm[rows],
            zip_p=old.zip_p[lit],
            zip_q=old.zip_q[lit],
            load_tan=old.load_tan,
            generation_tan=old.generation_tan,
        ),
        lit,
    )
