"""A network, radial or meshed, as the arrays of a power flow with many injections at once."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp
import scipy.sparse as sp

from hybridopt.errors import NoSolutionError
from hybridopt.network_branches import charging_as_shunts
from hybridopt.network_grid import zip_shares
from hybridopt.solvers.newton import FlowArrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.grid import Grid
    from hybridopt.network_scenario import Scenario

    Complexes = NDArray[np.complex128]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TOLERANCE_MVA = 1e-8  # as pandapower's
RUNPP = {"calculate_voltage_angles": True, "trafo_model": "t", "numba": False}


@dataclass(frozen=True, eq=False)
class MeshedNetwork:
    """What is supplied of a network after its case's event, for power flows.

    Attributes
    ----------
    net : pandapower net with the event applied and its power flow solved, ready for ``runpp``
    grid : damaged grid
    net_bus : pandapower index of each Grid bus, (n_bus,)
    alive : Grid positions of the buses of the arrays, (n_alive,)
    at : position in the arrays of each Grid bus, -1 where it is dead, (n_bus,)
    branch : Grid positions of branches that carry current, (n_on,)
    arrays : of the power flow
    """

    net: Any
    grid: Grid
    net_bus: Ints
    alive: Ints
    at: Ints
    branch: Ints
    arrays: FlowArrays

    def branch_flows(self, v: Complexes) -> tuple[Complexes, Complexes]:
        """Power into the branches at their from and to ends, (n_case, n_on), pu.

        Parameters
        ----------
        v : (n_case, n_alive), pu
        """
        i_from, i_to = self.branch_currents(v)
        f, t = self._ends()
        return v[:, f] * np.conj(i_from), v[:, t] * np.conj(i_to)

    def branch_currents(self, v: Complexes) -> tuple[Complexes, Complexes]:
        """Currents into the branches at their from and to ends, (n_case, n_on), pu."""
        f, t = self._ends()
        y = {name: getattr(self.grid, name)[self.branch] for name in ("y_ff", "y_ft", "y_tf")}
        y_tt = self.grid.y_tt[self.branch]
        return (
            v[:, f] * y["y_ff"] + v[:, t] * y["y_ft"],
            v[:, f] * y["y_tf"] + v[:, t] * y_tt,
        )

    def losses(self, v: Complexes) -> Floats:
        """Active losses of all branches, (n_case,), MW."""
        s_from, s_to = self.branch_flows(v)
        return np.asarray((s_from + s_to).real.sum(axis=1) * self.grid.base_mva)

    def loading(self, v: Complexes) -> Floats:
        """Loading of the branches, NaN where one is not rated, (n_case, n_on), percent."""
        grid, on = self.grid, self.branch
        f, t = self._ends()
        i_from, i_to = (abs(i) for i in self.branch_currents(v))
        power = grid.rate_is_power[on]
        of_from = np.where(power, i_from * abs(v[:, f]), i_from) / grid.rate_from[on]
        of_to = np.where(power, i_to * abs(v[:, t]), i_to) / grid.rate_to[on]
        loading = np.maximum(of_from, of_to) * 100
        return np.where(np.isfinite(grid.rate_from[on]), loading, np.nan)

    def series_impedance(self) -> Complexes:
        """Series impedance of the branches, (n_on,), pu; tap ratios taken out."""
        grid, on = self.grid, self.branch
        squared = grid.y_ft[on] * grid.y_tf[on] * abs(grid.y_tt[on] / grid.y_ff[on])
        z = 1.0 / np.sqrt(squared)
        return np.asarray(np.where(z.imag + z.real < 0, -z, z))

    def _ends(self) -> tuple[Ints, Ints]:
        return self.at[self.grid.branch_from[self.branch]], self.at[
            self.grid.branch_to[self.branch]
        ]


def meshed_network(scenario: Scenario) -> MeshedNetwork:
    """Make the arrays of a case's network after its event.

    Raises
    ------
    NoSolutionError
        Its power flow does not converge, or no source is left.
    """
    net = damaged_net(scenario)
    _solve(net)
    grid, position = scenario.damaged, scenario.net_bus_position
    v = np.full(grid.n_bus, np.nan, dtype=complex)
    net_bus = np.zeros(grid.n_bus, dtype=np.int64)
    for bus, vm, va in zip(net.bus.index, net.res_bus.vm_pu, net.res_bus.va_degree, strict=True):
        v[position[int(bus)]] = vm * np.exp(1j * np.deg2rad(va))
        net_bus[position[int(bus)]] = bus
    alive = np.flatnonzero(np.isfinite(v.real))
    at = np.full(grid.n_bus, -1, dtype=np.int64)
    at[alive] = np.arange(len(alive))
    on = grid.branch_usable() & (at[grid.branch_from] >= 0) & (at[grid.branch_to] >= 0)
    branch = np.flatnonzero(on)
    arrays = _arrays(net, grid, position, v, alive, branch)
    return MeshedNetwork(net, grid, net_bus, alive, at, branch, arrays)


def damaged_net(scenario: Scenario) -> Any:
    """Copy a case's net with its event applied, for pandapower's power flow."""
    net, grid = copy.deepcopy(scenario.net), scenario.damaged
    kinds = np.array(grid.branch_kind)
    for table in ("line", "trafo"):
        mine = kinds == table
        net[table].loc[grid.branch_index[mine], "in_service"] = grid.branch_in_service[mine]
    for table in ("ext_grid", "gen", "sgen"):
        rows = [k for k, kind in enumerate(grid.gen_kind) if kind == table]
        net[table].loc[grid.gen_index[rows], "in_service"] = grid.gen_in_service[rows]
    net.load.loc[grid.load_index, "in_service"] = grid.load_in_service
    net.shunt.loc[grid.shunt_index, "in_service"] = grid.shunt_in_service
    position = [scenario.net_bus_position[int(i)] for i in net.bus.index]
    net.bus["in_service"] = grid.bus_in_service[position]
    charging_as_shunts(net)
    if not net.ext_grid.in_service.any() and not (net.gen.slack & net.gen.in_service).any():
        running = net.gen.index[net.gen.in_service]
        net.gen.loc[running[:1], "slack"] = True
    return net


def _solve(net: Any) -> None:
    for init in ("dc", "flat"):
        try:
            pp.runpp(net, init=init, tolerance_mva=1e-8, **RUNPP)
        except pp.LoadflowNotConverged:
            continue
        except UserWarning as error:  # no reference bus
            raise NoSolutionError(f"the network has no source: {error}") from error
        return
    raise NoSolutionError("the load flow of the network without a plan does not converge")


def _arrays(
    net: Any,
    grid: Grid,
    position: dict[int, int],
    v: Complexes,
    alive: Ints,
    branch: Ints,
) -> FlowArrays:
    n = grid.n_bus
    f, t = grid.branch_from[branch], grid.branch_to[branch]
    g, b = grid.shunt()
    parts = [
        (f, f, grid.y_ff[branch]),
        (f, t, grid.y_ft[branch]),
        (t, f, grid.y_tf[branch]),
        (t, t, grid.y_tt[branch]),
        (np.arange(n), np.arange(n), g + 1j * b),
    ]
    rows, columns, values = (np.concatenate(part) for part in zip(*parts, strict=True))
    y = sp.coo_matrix((values, (rows, columns)), shape=(n, n)).tocsr()[alive][:, alive]

    def buses(frame: Any) -> Ints:
        return np.array([position[int(i)] for i in frame.bus], dtype=np.int64)

    def power(frame: Any) -> Complexes:
        """Power of a table's elements at their buses, (n_bus,), pu."""
        on = frame[frame.in_service]
        q = on.q_mvar if "q_mvar" in on else 0.0 * on.p_mw
        s = (on.p_mw + 1j * q).to_numpy(complex) * on.scaling.to_numpy(float) / grid.base_mva
        real = np.bincount(buses(on), s.real, n)
        return np.asarray(real + 1j * np.bincount(buses(on), s.imag, n))

    load, gen = net.load, net.gen[net.gen.in_service]
    slack = {*buses(net.ext_grid[net.ext_grid.in_service]), *buses(gen[gen.slack])}
    held = {int(p) for p in buses(gen)} - slack
    kind = np.array([0 if p in slack else 1 if p in held else 2 for p in alive.tolist()])
    scaled = load.scaling.to_numpy(float)
    shares = [
        zip_shares(load, load[f"{c}_{unit}"].to_numpy(float) * scaled, buses(load), n, c)
        for c, unit in (("p", "mw"), ("q", "mvar"))
    ]
    combined = shares[0] + 1j * shares[1]
    injected = power(net.gen) + power(net.sgen) - power(net.storage)
    return FlowArrays(
        y=y,
        slack=np.flatnonzero(kind == 0),
        pv=np.flatnonzero(kind == 1),
        pq=np.flatnonzero(kind == 2),
        v=v[alive],
        injected=injected[alive],
        load=power(load)[alive],
        impedance_share=combined[alive, 0],
        current_share=combined[alive, 1],
        tolerance=TOLERANCE_MVA / grid.base_mva,
    )
