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


def plan_net(scenario: Scenario, dispatch: Dispatch, row: int, *, with_costs: bool = True) -> Any:
    """Make a net that ``pandapower.runpp`` solves to one hour of a dispatch.

    Generators and grid-forming units (external grids, grid-forming DG) become ``gen``, the first
    of each energised island that forms it with ``slack=True``: without one, pandapower drops the
    island. Other sources become ``sgen``. Controllable loads and fixed storage stay what they are,
    with the power of the dispatch. Loads keep their nominal power; ``scaling`` carries the hour's
    factor and what is served. Charging of transformers becomes shunts. Bus names carry the labels.

    Parameters
    ----------
    row : position of the hour in the dispatch
    with_costs : write the units' costs too, which a power flow doesn't need

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
    label_of = _replace_units(net, scenario, dispatch, row, with_costs=with_costs)
    _set_storage(net, dispatch, row, label_of)
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


def _replace_units(
    net: Any, scenario: Scenario, dispatch: Dispatch, row: int, *, with_costs: bool
) -> dict[int, int]:
    """Write all units anew, as gen and sgen; gives the net's bus index by Grid position."""
    grid = dispatch.grid
    positions = zip(net.bus.index, bus_positions(net, scenario), strict=True)
    label_of = {int(position): int(i) for i, position in reversed(list(positions))}
    for table in ("ext_grid", "gen", "sgen", "poly_cost", "pwl_cost"):
        net[table] = net[table].iloc[0:0].copy()
    forming, kinds = _forming(scenario, dispatch), np.array(dispatch.unit_kind)
    consumes = np.isin(kinds, CONSUMERS)
    gens = np.flatnonzero((forming | (kinds == "gen")) & ~consumes)
    sgens = np.flatnonzero(~forming & (kinds != "gen") & ~consumes)
    running, p, q = (x[row] for x in (dispatch.running, dispatch.p_mw, dispatch.q_mvar))
    buses = np.array([label_of[int(bus)] for bus in dispatch.unit_bus], dtype=np.int64)
    names = np.array(dispatch.unit_name, dtype=object)
    where: dict[int, tuple[str, int]] = {}
    if len(gens):
        slack = np.zeros(len(kinds), dtype=bool)
        island = grid.islands()[dispatch.unit_bus]
        holds = np.flatnonzero(forming & running & ~consumes)
        slack[holds[np.unique(island[holds], return_index=True)[1]]] = True
        vm = np.nan_to_num(dispatch.vm_pu[row, dispatch.unit_bus], nan=1.0)
        limits = {n: v[gens] for n, v in _limits(scenario, dispatch).items()}
        state = {"vm_pu": vm[gens], "slack": slack[gens], "in_service": running[gens]}
        state |= {"name": names[gens], "controllable": True}
        index = pp.create_gens(net, buses[gens], p[gens], **state, **limits)
        where |= {int(k): ("gen", int(i)) for k, i in zip(gens, index, strict=True)}
    if len(sgens):
        state = {"name": names[sgens], "in_service": running[sgens]}
        index = pp.create_sgens(net, buses[sgens], p[sgens], q[sgens], **state)
        where |= {int(k): ("sgen", int(i)) for k, i in zip(sgens, index, strict=True)}
    for k in np.flatnonzero(consumes).tolist():
        table, i = dispatch.unit_kind[k], int(grid.gen_index[k])
        set_to = {"p_mw": -p[k], "q_mvar": -q[k], "scaling": 1.0, "in_service": bool(running[k])}
        net[table].loc[i, list(set_to)] = list(set_to.values())
        where[k] = (table, i)
    if with_costs:
        for k in sorted(where):
            _add_cost(net, scenario, dispatch, k, *where[k])
    return label_of


def _forming(scenario: Scenario, dispatch: Dispatch) -> NDArray[np.bool_]:
    """Units that can hold a voltage, (n_unit,)."""
    n_dg = len(dispatch.unit_name) - dispatch.grid.n_gen
    return np.append(dispatch.grid.gen_forming, np.full(n_dg, scenario.space.sites.grid_forming))


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


def _limits(scenario: Scenario, dispatch: Dispatch) -> dict[str, NDArray[np.float64]]:
    """Limits of all units, (n_unit,), MW and Mvar; NaN where there is none."""
    grid, n_gen = dispatch.grid, dispatch.grid.n_gen
    rating = dispatch.rating_mw[n_gen:]
    q = scenario.space.sites.tan_phi * rating
    own = {"min_p_mw": 0 * rating, "max_p_mw": rating, "min_q_mvar": -q, "max_q_mvar": q}
    limits = {}
    for name, dg in own.items():
        side, kind, _ = name.split("_")
        values = np.append(getattr(grid, f"{kind}_{side}") * grid.base_mva, dg)
        limits[name] = np.where(np.isfinite(values), values, np.nan)
    return limits


def write_net(scenario: Scenario, dispatch: Dispatch, row: int, path: Path) -> None:
    """Write the net of one hour as pandapower's JSON."""
    pp.to_json(plan_net(scenario, dispatch, row), str(path))
