"""A pandapower net becomes a Grid. Units change here, and nowhere else on the way in."""

from __future__ import annotations

import copy
import json
from typing import TYPE_CHECKING, Any

import numpy as np
from pandapower.auxiliary import _add_ppc_options
from pandapower.pd2ppc import _pd2ppc
from pandapower.pypower.idx_brch import F_BUS, T_BUS
from pandapower.pypower.makeYbus import branch_vectors

from hybridopt.grid import Grid, no_storage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

UNRATED_KA = 99999.0
UNRATED_MVA = (99.999, 9900.0, 9999.0)
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
    branch_limit : "current" or "power"; by default "power" for nets that came from MATPOWER
        without a current rating is not guessed: pandapower rates lines in kA, so "current"

    Returns
    -------
    grid : Grid
    position : Grid position of each bus index of the net

    Notes
    -----
    Missing limits: voltage 0.9 to 1.1 pu; a generator's ``max_p_mw`` is its ``p_mw`` and its
    ``min_p_mw`` 0; an external grid's powers and all reactive powers are free. Placeholders
    (99999 kA, 99.999, 9900 and 9999 MVA) mean no limit. Static generators that are not
    controllable may be curtailed.
    """
    live = copy.deepcopy(net)
    for table in ("bus", "line", "trafo", "shunt"):
        live[table]["in_service"] = True
    live.gen["slack"] = live.gen["in_service"] = True  # pandapower wants a reference everywhere
    ppc = _to_ppc(live)
    base = float(ppc["baseMVA"])
    row = {int(i): int(live._pd2ppc_lookups["bus"][i]) for i in net.bus.index}
    used = np.unique(list(row.values()))  # joined buses leave rows of the table unused
    n_bus = len(used)
    position = {i: int(np.searchsorted(used, r)) for i, r in row.items()}
    first = {p: i for i, p in sorted(position.items(), reverse=True)}
    order = [first[p] for p in range(n_bus)]
    at = np.vectorize(position.__getitem__, otypes=[np.int64])

    def bus_of(table: str, column: str = "bus") -> NDArray[np.int64]:
        values = net[table][column].to_numpy()
        return at(values) if len(values) else np.empty(0, dtype=np.int64)

    buses = net.bus.loc[order]
    every = at(net.bus.index.to_numpy())
    vm_min, vm_max = np.full(n_bus, -np.inf), np.full(n_bus, np.inf)
    np.maximum.at(vm_min, every, _column(net.bus, "min_vm_pu", DEFAULT_VM[0]))
    np.minimum.at(vm_max, every, _column(net.bus, "max_vm_pu", DEFAULT_VM[1]))
    xy = np.array([_coordinates(value) for value in buses.get("geo", [None] * n_bus)])
    in_service = np.zeros(n_bus, dtype=bool)
    np.logical_or.at(in_service, every, net.bus.in_service.to_numpy(bool))

    y = branch_vectors(ppc["branch"].astype(complex), len(ppc["branch"]))
    rates = [_line_rates(net, base, branch_limit), _trafo_rates(net, base, branch_limit)]
    n_line, n_trafo = len(net.line), len(net.trafo)
    ends = np.searchsorted(used, ppc["branch"][:, [F_BUS, T_BUS]].real.astype(np.int64))
    label = [i + label_offset for i in order]
    units = _units(net, base)
    p, q = (
        net.load[c].to_numpy(float) * net.load.scaling.to_numpy(float) / base
        for c in ("p_mw", "q_mvar")
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
        y_ff=y[1],
        y_ft=y[2],
        y_tf=y[3],
        y_tt=y[0],
        rate_from=np.concatenate([r[0] for r in rates]),
        rate_to=np.concatenate([r[1] for r in rates]),
        rate_share=np.concatenate(
            [_column(net[t], "max_loading_percent", 100.0) / 100 for t in ("line", "trafo")]
        ),
        rate_is_power=np.full(n_line + n_trafo, branch_limit == "power"),
        angle_min=np.full(n_line + n_trafo, -np.inf),
        angle_max=np.full(n_line + n_trafo, np.inf),
        branch_in_service=np.concatenate([net.line.in_service, net.trafo.in_service]).astype(bool),
        gen_bus=np.concatenate([bus_of(t) for t in ("ext_grid", "gen", "sgen")]),
        **units,
        load_name=tuple(str(n) if n is not None else "" for n in net.load.name),
        load_index=net.load.index.to_numpy(np.int64),
        load_bus=bus_of("load"),
        load_p=p,
        load_q=q,
        load_in_service=net.load.in_service.to_numpy(bool),
        shunt_index=net.shunt.index.to_numpy(np.int64),
        shunt_bus=bus_of("shunt"),
        shunt_g=net.shunt.p_mw.to_numpy(float) * steps,
        shunt_b=-net.shunt.q_mvar.to_numpy(float) * steps,
        shunt_in_service=net.shunt.in_service.to_numpy(bool),
        storage=no_storage(),
    )
    return grid, position


def _to_ppc(net: Any) -> Any:
    """Pandapower's own per-unit tables (the public ``to_ppc`` drops the iron losses)."""
    net["_options"] = {}
    _add_ppc_options(
        net,
        calculate_voltage_angles=True,
        trafo_model="t",
        check_connectivity=False,
        mode="pf",
        switch_rx_ratio=2,
        init_vm_pu="flat",
        init_va_degree="flat",
        enforce_q_lims=False,
        enforce_p_lims=False,
        recycle=None,
    )
    return _pd2ppc(net)[0]


def _column(frame: Any, name: str, default: Any) -> NDArray[np.float64]:
    """A numeric column; the default where it is missing or NaN."""
    if name not in frame:
        return np.broadcast_to(np.asarray(default, dtype=float), len(frame)).copy()
    values = frame[name].to_numpy(dtype=float, na_value=np.nan)
    return np.asarray(np.where(np.isnan(values), default, values), dtype=np.float64)


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


def _line_rates(net: Any, base: float, branch_limit: str | None) -> tuple[Any, Any]:
    """Limit at both ends in pu: current, or apparent power at nominal voltage."""
    line = net.line
    share = _column(line, "max_loading_percent", 100.0) / 100
    ka = _column(line, "max_i_ka", np.inf) * line.df.to_numpy(float) * line.parallel.to_numpy(float)
    rates = []
    for column in ("from_bus", "to_bus"):
        mva = np.sqrt(3) * ka * net.bus.vn_kv[line[column]].to_numpy(float)
        unrated = (ka >= UNRATED_KA) | _is_placeholder(mva)
        rates.append(np.where(unrated, np.inf, mva * share / base))
    return rates[0], rates[1]


def _trafo_rates(net: Any, base: float, branch_limit: str | None) -> tuple[Any, Any]:
    """Limit at the high- and low-voltage end in pu, as pandapower's loading is defined."""
    trafo = net.trafo
    share = _column(trafo, "max_loading_percent", 100.0) / 100
    mva = (
        _column(trafo, "sn_mva", np.inf) * trafo.df.to_numpy(float) * trafo.parallel.to_numpy(float)
    )
    unrated = _is_placeholder(trafo.sn_mva.to_numpy(float))
    rates = []
    for side in ("hv", "lv"):
        rated = trafo[f"vn_{side}_kv"].to_numpy(float)
        nominal = net.bus.vn_kv[trafo[f"{side}_bus"]].to_numpy(float)
        ratio = 1.0 if branch_limit == "power" else nominal / rated
        rates.append(np.where(unrated, np.inf, mva * share / base * ratio))
    return rates[0], rates[1]


def _is_placeholder(mva: NDArray[np.float64]) -> NDArray[np.bool_]:
    found = [np.isclose(mva, value, rtol=1e-6) for value in UNRATED_MVA]
    return np.asarray(np.any(found, axis=0) | (mva <= 0), dtype=bool)


def _units(net: Any, base: float) -> dict[str, Any]:
    """External grids, generators and static generators as one list of units."""
    names, kinds, index, forming, on = [], [], [], [], []
    limits: dict[str, list[Any]] = {k: [] for k in ("p_min", "p_max", "q_min", "q_max")}
    for table in ("ext_grid", "gen", "sgen"):
        frame = net[table]
        n = len(frame)
        names += [str(name) if name is not None else "" for name in frame.name]
        kinds += [table] * n
        index += frame.index.tolist()
        forming += [table != "sgen"] * n
        on += frame.in_service.tolist()
        for key, values in zip(limits, _limits(table, frame), strict=True):
            limits[key].append(values / base)
    cost = np.zeros((len(names), 3))
    for row in net.poly_cost.itertuples():
        for g, (kind, i) in enumerate(zip(kinds, index, strict=True)):
            if (kind, i) == (row.et, int(row.element)):
                cost[g] = row.cp0_eur, row.cp1_eur_per_mw, row.cp2_eur_per_mw2
    return {
        "gen_name": tuple(names),
        "gen_kind": tuple(kinds),
        "gen_index": np.array(index, dtype=np.int64),
        **{key: np.concatenate(values) for key, values in limits.items()},
        "gen_cost": np.nan_to_num(cost),
        "gen_pwl": (None,) * len(names),
        "ramp_up": np.full(len(names), np.inf),
        "ramp_down": np.full(len(names), np.inf),
        "gen_forming": np.array(forming, dtype=bool),
        "gen_in_service": np.array(on, dtype=bool),
    }


def _limits(table: str, frame: Any) -> tuple[Any, Any, Any, Any]:
    """p_min, p_max, q_min, q_max of a table of units, in MW and Mvar."""
    n = len(frame)
    if table == "ext_grid":
        p_min, p_max = np.full(n, -np.inf), np.full(n, np.inf)
    else:
        p_set = frame.p_mw.to_numpy(float) * frame.scaling.to_numpy(float)
        p_min, p_max = np.minimum(p_set, 0.0), np.maximum(p_set, 0.0)
    q_min, q_max = np.full(n, -np.inf), np.full(n, np.inf)
    fixed = np.zeros(n, dtype=bool)
    if table == "sgen":
        controllable = frame.get("controllable", False)
        fixed = ~np.broadcast_to(np.asarray(controllable).astype(object) == True, n)  # noqa: E712
        q_set = frame.q_mvar.to_numpy(float) * frame.scaling.to_numpy(float)
        q_min, q_max = np.minimum(q_set, 0.0), np.maximum(q_set, 0.0)
    given = (
        _column(frame, "min_p_mw", p_min),
        _column(frame, "max_p_mw", p_max),
        _column(frame, "min_q_mvar", q_min),
        _column(frame, "max_q_mvar", q_max),
    )
    kept = (p_min, p_max, q_min, q_max)
    low_p, high_p, low_q, high_q = (np.where(fixed, k, v) for k, v in zip(kept, given, strict=True))
    return low_p, high_p, low_q, high_q
