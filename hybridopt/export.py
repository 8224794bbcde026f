"""Back to pandapower: a net with the plan applied and an hour's set-points."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp

from hybridopt.network_branches import charging_as_shunts
from hybridopt.network_units import CONSUMERS, pieces_of

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from hybridopt.network_scenario import Scenario
    from hybridopt.result import Dispatch


def plan_net(scenario: Scenario, dispatch: Dispatch, row: int) -> Any:
    """Make a net that ``pandapower.runpp`` solves to one hour of a dispatch.

    Generators and grid-forming units (external grids, grid-forming DG) become ``gen``, the first
    of each energised island that forms it with ``slack=True``: without one, pandapower drops the
    island. Other sources become ``sgen``. Controllable loads and fixed storage stay what they are,
    with the power of the dispatch. Loads keep their nominal power; ``scaling`` carries the hour's
    factor and what is served. Charging of transformers becomes shunts. Bus names carry the labels.

    Parameters
    ----------
    row : position of the hour in the dispatch

    Returns
    -------
    pandapowerNet
        Tables ``gen`` and ``sgen`` name every unit as the dispatch does.
    """
    net = copy.deepcopy(scenario.net)
    grid = dispatch.grid
    offset = scenario.case.bus_label_offset
    net.bus["name"] = [str(i + offset) for i in net.bus.index]
    for table in ("line", "trafo"):
        mine = [k for k, kind in enumerate(grid.branch_kind) if kind == table]
        net[table].loc[grid.branch_index[mine], "in_service"] = grid.branch_usable()[mine]
    position = bus_positions(net, scenario)
    net.bus["in_service"] = grid.bus_in_service[position]
    net.load.loc[grid.load_index, "in_service"] = grid.load_in_service
    net.shunt.loc[grid.shunt_index, "in_service"] = grid.shunt_in_service
    charging_as_shunts(net)
    net.storage["in_service"] = False  # those that the dispatch knows are put back
    _replace_units(net, scenario, dispatch, row)
    set_loads(net, scenario, dispatch, row)
    return net


def bus_positions(net: Any, scenario: Scenario) -> NDArray[np.int64]:
    """Grid position of each bus of the net, in the order of its table."""
    return np.array([scenario.net_bus_position[int(i)] for i in net.bus.index], dtype=np.int64)


def set_loads(net: Any, scenario: Scenario, dispatch: Dispatch, row: int) -> None:
    """Scale every load to what it is served in an hour."""
    grid = dispatch.grid
    connected = np.bincount(
        grid.load_bus[grid.load_in_service],
        abs(grid.load_p[grid.load_in_service]) + abs(grid.load_q[grid.load_in_service]),
        minlength=grid.n_bus,
    )
    p_can, q_can = grid.demand(connected_only=True)
    p_all, q_all = grid.demand()
    factor = scenario.horizon.load_factor[dispatch.hours[row] - 1]
    base = grid.base_mva
    served_p = factor * p_all - dispatch.shed_mw[row] / base
    served_q = factor * q_all - dispatch.shed_mvar[row] / base
    big_p = abs(p_can) >= abs(q_can)
    top, bottom = np.where(big_p, served_p, served_q), np.where(big_p, p_can, q_can)
    share = np.divide(top, bottom, out=np.zeros(grid.n_bus), where=(connected > 0) & (bottom != 0))
    nominal = scenario.net.load.scaling.loc[grid.load_index].to_numpy(float)
    net.load.loc[grid.load_index, "scaling"] = nominal * share[grid.load_bus]


def _replace_units(net: Any, scenario: Scenario, dispatch: Dispatch, row: int) -> None:
    """Write all units anew, as gen and sgen."""
    grid, sites = dispatch.grid, scenario.space.sites
    label_of = {
        position: i
        for i, position in reversed(
            list(zip(net.bus.index, bus_positions(net, scenario), strict=True))
        )
    }
    for table in ("ext_grid", "gen", "sgen", "poly_cost", "pwl_cost"):
        net[table] = net[table].iloc[0:0].copy()
    island = grid.islands()
    has_slack: set[int] = set()
    for k, name in enumerate(dispatch.unit_name):
        bus = int(dispatch.unit_bus[k])
        kind = dispatch.unit_kind[k]
        forming = sites.grid_forming if kind == "dg" else bool(grid.gen_forming[k])
        running = bool(dispatch.running[row, k])
        p, q = float(dispatch.p_mw[row, k]), float(dispatch.q_mvar[row, k])
        if kind in CONSUMERS:
            table, index = kind, int(grid.gen_index[k])
            set_to = {"p_mw": -p, "q_mvar": -q, "scaling": 1.0, "in_service": running}
            net[table].loc[index, list(set_to)] = list(set_to.values())
        elif not forming and kind != "gen":
            index = pp.create_sgen(net, label_of[bus], p, q, name=name, in_service=running)
            table = "sgen"
        else:
            slack = forming and running and int(island[bus]) not in has_slack
            if slack:
                has_slack.add(int(island[bus]))
            vm = dispatch.vm_pu[row, bus]
            index = pp.create_gen(
                net,
                label_of[bus],
                p,
                vm_pu=1.0 if np.isnan(vm) else float(vm),
                name=name,
                slack=slack,
                in_service=running,
                controllable=True,
                **_limits(scenario, dispatch, k),
            )
            table = "gen"
        _add_cost(net, scenario, dispatch, k, table, index)
    _set_storage(net, dispatch, row, label_of)


def _set_storage(net: Any, dispatch: Dispatch, row: int, label_of: dict[int, int]) -> None:
    """Write what storage takes or gives; a case's own storage is added to the net's."""
    store = dispatch.grid.storage
    for k, name in enumerate(dispatch.store_name):
        bus = int(store.bus[k])
        p, q = float(dispatch.store_p_mw[row, k]), float(dispatch.store_q_mvar[row, k])
        alive = bool(dispatch.energised[row, bus])
        set_to = {"p_mw": p, "q_mvar": q, "scaling": 1.0, "in_service": alive}
        if store.index[k] >= 0:
            net.storage.loc[int(store.index[k]), list(set_to)] = list(set_to.values())
        else:
            most = float(store.energy_max[k]) * dispatch.grid.base_mva
            pp.create_storage(net, label_of[bus], max_e_mwh=most, name=name, **set_to)


def _add_cost(
    net: Any, scenario: Scenario, dispatch: Dispatch, k: int, table: str, index: int
) -> None:
    """Give a unit of the net its cost, as a function of what its table counts as positive."""
    if table == "storage":
        return
    grid, sign = dispatch.grid, -1.0 if table in CONSUMERS else 1.0
    points = grid.gen_pwl[k] if k < grid.n_gen else None
    if points is not None:
        slopes, cp0 = pieces_of(points[:: int(sign)] * [sign, 1.0])
        pp.create_pwl_cost(net, index, table, slopes, check=False, cp0_eur=cp0)
        return
    known = k < grid.n_gen
    written = grid.gen_cost[k] if known else scenario.space.sites.operating_cost
    cost = [float(c) * sign**n for n, c in enumerate(written)]
    c0, c1, c2 = (*cost, 0.0, 0.0, 0.0)[:3]
    more = {f"cp{n}_eur_per_mw{n}": c for n, c in enumerate(cost) if n > 2 and c}
    pp.create_poly_cost(net, index, table, c1, cp0_eur=c0, cp2_eur_per_mw2=c2, check=False, **more)


def _limits(scenario: Scenario, dispatch: Dispatch, k: int) -> dict[str, float]:
    """Limits of a unit, MW and Mvar; those that don't exist are left out."""
    grid, sites = dispatch.grid, scenario.space.sites
    if k < grid.n_gen:
        values = (grid.p_min[k], grid.p_max[k], grid.q_min[k], grid.q_max[k])
        limits = [float(v) * grid.base_mva for v in values]
    else:
        rating = float(dispatch.rating_mw[k])
        q = sites.tan_phi * rating
        limits = [0.0, rating, -q, q]
    names = ("min_p_mw", "max_p_mw", "min_q_mvar", "max_q_mvar")
    return {n: v for n, v in zip(names, limits, strict=True) if np.isfinite(v)}


def write_net(scenario: Scenario, dispatch: Dispatch, row: int, path: Path) -> None:
    """Write the net of one hour as pandapower's JSON."""
    pp.to_json(plan_net(scenario, dispatch, row), str(path))
