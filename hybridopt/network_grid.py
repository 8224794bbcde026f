"""A pandapower net becomes a Grid. Units change here, and nowhere else on the way in."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from pandapower.pypower.idx_brch import F_BUS, T_BUS

from hybridopt.grid import Grid
from hybridopt.grid_cost import pieces_of_points
from hybridopt.network_branches import (
    branch_limits,
    number_column,
    per_unit_tables,
    two_ports,
)
from hybridopt.network_units import fixed_loads, storage, units

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

DEFAULT_VM = (0.9, 1.1)


def grid_from_net(
    net: Any, label_offset: int = 0, branch_limit: str | None = None
) -> tuple[Grid, dict[int, int]]:
    """Turn a prepared net into a Grid.

    Branch two-ports come from pandapower's own conversion, so that a load flow of the net and the
    Grid's balances describe the same network. Buses joined by closed switches are one bus, called
    by the lowest label.

    Parameters
    ----------
    net : prepared net (see :func:`prepare`); it is not altered
    label_offset : label of a bus minus its pandapower index
    branch_limit : "current" or "power" for every branch; by default "power" where the column
        ``rate_mva`` gives one, "current" elsewhere, as pandapower rates lines in kA

    Returns
    -------
    grid : Grid
    position : Grid position of each bus index of the net

    Notes
    -----
    Missing limits: voltage 0.9 to 1.1 pu; a generator's ``max_p_mw`` is its ``p_mw`` and its
    ``min_p_mw`` 0; an external grid's powers and all reactive powers are free. Placeholders
    (99999 kA, 99.999, 9900 and 9999 MVA) mean no limit, but not in ``rate_mva``. Static generators
    that are not controllable may be curtailed. A generator that gives no active power energises no
    island.
    """
    live = copy.deepcopy(net)
    for table in ("bus", "line", "trafo", "shunt"):
        live[table]["in_service"] = True
    live.gen["slack"] = live.gen["in_service"] = True  # pandapower wants a reference everywhere
    ppc = per_unit_tables(live)
    base = float(ppc["baseMVA"])
    row = {int(i): int(live._pd2ppc_lookups["bus"][i]) for i in net.bus.index}
    used = np.unique(list(row.values()))  # joined buses leave rows of the table unused
    n_bus = len(used)
    position = {i: int(np.searchsorted(used, r)) for i, r in row.items()}
    first = {p: i for i, p in sorted(position.items(), reverse=True)}
    order = [first[p] for p in range(n_bus)]
    at = np.vectorize(position.__getitem__, otypes=[np.int64])

    def bus_of(values: Any) -> NDArray[np.int64]:
        return at(values) if len(values) else np.empty(0, dtype=np.int64)

    buses = net.bus.loc[order]
    every = at(net.bus.index.to_numpy())
    vm_min, vm_max = np.full(n_bus, -np.inf), np.full(n_bus, np.inf)
    np.maximum.at(vm_min, every, number_column(net.bus, "min_vm_pu", DEFAULT_VM[0]))
    np.minimum.at(vm_max, every, number_column(net.bus, "max_vm_pu", DEFAULT_VM[1]))
    xy = np.array([_coordinates(value) for value in buses.get("geo", [None] * n_bus)])
    in_service = np.zeros(n_bus, dtype=bool)
    np.logical_or.at(in_service, every, net.bus.in_service.to_numpy(bool))

    n_line, n_trafo = len(net.line), len(net.trafo)
    ends = np.searchsorted(used, ppc["branch"][:, [F_BUS, T_BUS]].real.astype(np.int64))
    label = [i + label_offset for i in order]
    unit = units(net, base)
    store, store_bus = storage(net, base)
    load = fixed_loads(net)
    p, q = (
        load[c].to_numpy(float) * load.scaling.to_numpy(float) / base for c in ("p_mw", "q_mvar")
    )
    ratio = (net.bus.vn_kv[net.shunt.bus].to_numpy() / net.shunt.vn_kv.to_numpy()) ** 2
    steps = net.shunt.step.to_numpy(float) * ratio / base
    grid = Grid(
        base_mva=base,
        bus_id=tuple(label),
        bus_name=tuple(str(i) for i in label),
        vn_kv=buses.vn_kv.to_numpy(float),
        vm_min=vm_min,
        vm_max=vm_max,
        bus_x=xy[:, 0],
        bus_y=xy[:, 1],
        bus_in_service=in_service,
        branch_name=branch_names(ends, label),
        branch_kind=("line",) * n_line + ("trafo",) * n_trafo,
        branch_index=np.concatenate([net.line.index, net.trafo.index]).astype(np.int64),
        branch_from=ends[:, 0],
        branch_to=ends[:, 1],
        **two_ports(net, ppc),
        **branch_limits(net, base, branch_limit),
        branch_in_service=np.concatenate([net.line.in_service, net.trafo.in_service]).astype(bool),
        **unit | {"gen_bus": bus_of(unit["gen_bus"])},
        gen_pieces=tuple(map(pieces_of_points, unit["gen_pwl"])),
        load_name=tuple(str(n) if n is not None else "" for n in load.name),
        load_index=load.index.to_numpy(np.int64),
        load_bus=bus_of(load.bus.to_numpy()),
        load_p=p,
        load_q=q,
        zip_p=zip_shares(load, p, bus_of(load.bus.to_numpy()), n_bus, "p"),
        zip_q=zip_shares(load, q, bus_of(load.bus.to_numpy()), n_bus, "q"),
        load_in_service=load.in_service.to_numpy(bool),
        shunt_index=net.shunt.index.to_numpy(np.int64),
        shunt_bus=bus_of(net.shunt.bus.to_numpy()),
        shunt_g=net.shunt.p_mw.to_numpy(float) * steps,
        shunt_b=-net.shunt.q_mvar.to_numpy(float) * steps,
        shunt_in_service=net.shunt.in_service.to_numpy(bool),
        storage=replace(store, bus=bus_of(store_bus)),
    )
    return grid, position


def zip_shares(
    load: Any, power: NDArray[np.float64], bus: NDArray[np.int64], n_bus: int, kind: str
) -> NDArray[np.float64]:
    """Shares of constant impedance and constant current in each bus's demand, (n_bus, 2).

    Those of loads at one bus are weighted by their power.

    Parameters
    ----------
    power : (n_load,) pu;  kind : "p" or "q"
    """
    weight = abs(power) * load.in_service.to_numpy(bool)
    total = np.bincount(bus, weight, minlength=n_bus)
    found = np.zeros((n_bus, 2))
    for column, part in enumerate("zi"):
        share = number_column(load, f"const_{part}_{kind}_percent", 0.0) / 100
        summed = np.bincount(bus, weight * share, minlength=n_bus)
        found[:, column] = np.divide(summed, total, out=np.zeros(n_bus), where=total > 0)
    return found


def _coordinates(geo: Any) -> tuple[float, float]:
    """Drawing coordinates from pandapower's GeoJSON point."""
    try:
        x, y = json.loads(geo)["coordinates"][:2]
        return float(x), float(y)
    except (TypeError, ValueError, KeyError):  # none, or not a point
        return np.nan, np.nan


def branch_names(ends: NDArray[np.int64], label: Sequence[int]) -> tuple[str, ...]:
    """Call branches by their end buses: 5-6, and 5-6#2 for the second of parallel ones."""
    seen: dict[tuple[int, int], int] = {}
    names = []
    for f, t in ends.tolist():
        key = (min(f, t), max(f, t))
        seen[key] = seen.get(key, 0) + 1
        number = f"#{seen[key]}" if seen[key] > 1 else ""
        names.append(f"{label[f]}-{label[t]}{number}")
    return tuple(names)
