"""A pandapower net becomes a Feeder. Units change here."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from pandapower.pypower.idx_brch import BR_R, BR_X, F_BUS, T_BUS, TAP

from hybridopt.errors import Finding, InputError
from hybridopt.feeder import Feeder, shown, shown_buses
from hybridopt.network_branches import branch_limits, number_column, per_unit_tables, two_ports
from hybridopt.network_findings import network_findings
from hybridopt.network_grid import _coordinates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

ENDS = {"line": ("from_bus", "to_bus"), "trafo": ("hv_bus", "lv_bus")}
SWITCH_KIND = {"line": "l", "trafo": "t"}
SWITCHABLE = {"line": True, "trafo": False, "switch": True}  # where no column says otherwise
ONE_HOUR = np.ones((1, 1))


def feeder_from_net(
    net: Any,
    name: str = "network",
    factors: Any = None,
    vm_limits: tuple[float | None, float | None] = (None, None),
) -> Feeder:
    """Turn a net into a Feeder; the net is not altered.

    A line is open when it is out of service or a switch at it is open; bus-bus switches are
    branches without impedance. A boolean column ``switchable`` of the tables ``line``, ``trafo``
    and ``switch`` says what may switch: lines and switches do without it, transformers don't.
    Branches that may not switch keep their state.

    Parameters
    ----------
    net : pandapower net
    name : what findings call it
    factors : (n_t, n_load) factor of each load in each hour, in the order of ``net.load``; None
        for one hour at the given loads. Static generators, storage and shunts are not scaled
    vm_limits : pu, limits of all buses in place of the net's own

    Raises
    ------
    InputError
        What is not modelled (generators that hold a voltage among it), bad numbers, buses without
        any connection to a source, loops that no switch can open.
    """
    findings = network_findings(net, name)
    if not findings:
        findings = _generators(net, name) + _flags(net, name)
    if findings:
        raise InputError(findings)
    net = copy.deepcopy(net)
    branches = branches_of(net)
    live = _fused(net, branches)
    try:
        ppc = per_unit_tables(live)
    except UserWarning as error:  # pandapower raises these
        message = f"sources at one bus must have one voltage; pandapower says: {error}"
        raise InputError([Finding(name, message)]) from error
    base = float(ppc["baseMVA"])
    row = {int(i): int(live._pd2ppc_lookups["bus"][i]) for i in net.bus.index}
    used = np.unique(list(row.values()))
    position = {i: int(np.searchsorted(used, r)) for i, r in row.items()}
    first = {p: i for i, p in sorted(position.items(), reverse=True)}
    order = [first[p] for p in range(len(used))]
    n_bus = len(used)
    every = np.array([position[int(i)] for i in net.bus.index])
    vm_min, vm_max = np.zeros(n_bus), np.full(n_bus, np.inf)
    low, high = vm_limits
    np.maximum.at(vm_min, every, number_column(net.bus, "min_vm_pu", 0.0) if low is None else low)
    np.minimum.at(
        vm_max, every, number_column(net.bus, "max_vm_pu", np.inf) if high is None else high
    )
    xy = np.array([_coordinates(value) for value in net.bus.loc[order].get("geo", [None] * n_bus)])
    load, served = _loads(net, position, base, factors)
    feeder = Feeder(
        name=name,
        base_mva=base,
        bus_id=tuple(order),
        bus_name=tuple(_bus_name(net, i) for i in order),
        vn_kv=net.bus.vn_kv.loc[order].to_numpy(float),
        bus_x=xy[:, 0],
        bus_y=xy[:, 1],
        source_vm=_sources(net, position),
        vm_min=vm_min,
        vm_max=vm_max,
        dt=np.ones(load.shape[1]),
        load=load,
        served=served,
        **_branch_fields(net, live, ppc, branches, position, used),
    )
    check_feeder(feeder)
    return feeder


def _bus_name(net: Any, index: int) -> str:
    name = net.bus.loc[index, "name"] if "name" in net.bus else None
    return str(index) if pd.isna(name) or not str(name).strip() else str(name)


def _generators(net: Any, name: str) -> list[Finding]:
    """Generators that hold a voltage without being a source."""
    held = net.gen[net.gen.in_service.astype(bool)]
    if "slack" in held:
        held = held[~held.slack.fillna(False).astype(bool)]
    each = "" if len(held) == 1 else "each "
    message = (
        f"{each}holds its bus's voltage, which a radial power flow cannot; make it a static "
        "generator (sgen), or a source (slack = True)"
    )
    listed = ", ".join(str(i) for i in held.index)
    findings = [Finding(f"{name}: gen {listed}", message)] if listed else []
    slack = net.gen.get("slack", False)
    if not net.ext_grid.in_service.any() and not (net.gen.in_service & (slack == True)).any():  # noqa: E712
        findings.append(Finding(name, "no external grid is in service: nothing feeds the feeder"))
    return findings


def _flags(net: Any, name: str) -> list[Finding]:
    """Cells of the columns ``switchable`` that are neither empty, true nor false."""
    return [
        Finding(f"{name}: {table} {i}", f"switchable must be true or false, found {value}")
        for table in SWITCHABLE
        for i, value in net[table].get("switchable", {}).items()
        if not (pd.isna(value) or value in (0, 1))
    ]


def branches_of(net: Any) -> list[dict[str, Any]]:
    """Lines, transformers and bus-bus switches with their names and their state."""
    on_bus = net.bus.in_service.astype(bool)
    switches = net.switch
    found: list[dict[str, Any]] = []
    for table, (f, t) in ENDS.items():
        frame = net[table]
        own = switches[switches.et == SWITCH_KIND[table]]
        opened = set(own.element[~own.closed.astype(bool)].astype(int))
        found += [
            {
                "kind": table,
                "index": int(i),
                "ends": (int(frame.loc[i, f]), int(frame.loc[i, t])),
                "closed": bool(frame.loc[i, "in_service"]) and int(i) not in opened,
                "hangs_at": hanging_end(net, table, int(i)),
            }
            for i in frame.index
        ]
    for i in switches.index[switches.et == "b"]:
        ends = (int(switches.loc[i, "bus"]), int(switches.loc[i, "element"]))
        closed = bool(switches.loc[i, "closed"])
        found.append(
            {"kind": "switch", "index": int(i), "ends": ends, "closed": closed, "hangs_at": None}
        )
    for branch in found:
        frame = net[branch["kind"]]
        column = frame.get("switchable")
        value = None if column is None else column.loc[branch["index"]]
        branch["switchable"] = SWITCHABLE[branch["kind"]] if pd.isna(value) else bool(value)
        branch["usable"] = all(on_bus.loc[bus] for bus in branch["ends"])
    for branch, name in zip(found, _names(net, found), strict=True):
        branch["name"] = name
    return found


def hanging_end(net: Any, table: str, index: int) -> int | None:
    """The bus that a line or transformer stays connected to while it is open; None for none.

    One that is open keeps the way in which it is. One that is closed is opened by its first switch,
    or taken out of service where it has none.
    """
    frame = net[table]
    switches = net.switch[(net.switch.et == SWITCH_KIND[table]) & (net.switch.element == index)]
    opened = switches[~switches.closed.astype(bool)]
    if not frame.loc[index, "in_service"] or not len(switches):
        return None
    at = set(opened.bus) if len(opened) else {switches.bus.iloc[0]}
    ends = [int(frame.loc[index, end]) for end in ENDS[table]]
    left = [bus for bus in ends if bus not in at]
    return left[0] if len(left) == 1 else None


def _fused(net: Any, branches: list[dict[str, Any]]) -> Any:
    """A net with everything in service, its buses joined by the switches that never open.

    Those switches leave the list of branches.
    """
    live = copy.deepcopy(net)
    for table in ("bus", "line", "trafo", "shunt"):
        live[table]["in_service"] = True
    joined = [b for b in branches if b["kind"] == "switch" and b["closed"] and not b["switchable"]]
    live.switch = live.switch.loc[[b["index"] for b in joined]].copy()
    for branch in joined:
        branches.remove(branch)
    return live


def _sources(net: Any, position: dict[int, int]) -> Floats:
    vm = np.zeros(max(position.values()) + 1)
    tables = [net.ext_grid]
    if "slack" in net.gen:
        tables.append(net.gen[net.gen.slack.fillna(False).astype(bool)])
    for table in tables:
        for bus, value, on in zip(table.bus, table.vm_pu, table.in_service, strict=True):
            if on and net.bus.loc[bus, "in_service"]:
                vm[position[int(bus)]] = float(value)
    return vm


def _loads(net: Any, position: dict[int, int], base: float, factors: Any) -> tuple[Floats, Floats]:
    """Demand of every bus in every hour, and that of the loads alone."""
    factors = np.ones((1, len(net.load))) if factors is None else np.asarray(factors, dtype=float)
    n_t, n_bus = len(factors), max(position.values()) + 1
    load, served = np.zeros((6, n_t, n_bus)), np.zeros((n_t, n_bus))
    on_bus = net.bus.in_service.astype(bool)

    def rows(table: Any) -> Any:
        at = np.array([position[int(b)] for b in table.bus], dtype=np.int64)
        on = table.in_service.to_numpy(bool) & on_bus.loc[table.bus].to_numpy(bool)
        return at, on

    at, on = rows(net.load)
    for k, column in enumerate(("p_mw", "q_mvar")):
        power = net.load[column].to_numpy(float) * net.load.scaling.to_numpy(float) * on / base
        shares = [
            number_column(net.load, f"const_{part}_{'pq'[k]}_percent", 0.0) / 100 for part in "iz"
        ]
        parts = (1.0 - shares[0] - shares[1], *shares)
        for m, share in enumerate(parts):
            for t in range(n_t):
                np.add.at(load[2 * m + k, t], at, power * share * factors[t])
        if k == 0:
            for t in range(n_t):
                np.add.at(served[t], at, power * factors[t])
    for table, sign in ((net.sgen, -1.0), (net.storage, 1.0)):
        at, on = rows(table)
        scale = sign * table.scaling.to_numpy(float) * on / base
        np.add.at(load[0].T, at, (table.p_mw.to_numpy(float) * scale)[:, None])
        np.add.at(load[1].T, at, (table.q_mvar.to_numpy(float) * scale)[:, None])
    at, on = rows(net.shunt)
    ratio = (net.bus.vn_kv.loc[net.shunt.bus].to_numpy() / net.shunt.vn_kv.to_numpy()) ** 2
    steps = net.shunt.step.to_numpy(float) * ratio * on / base
    np.add.at(load[4].T, at, (net.shunt.p_mw.to_numpy(float) * steps)[:, None])
    np.add.at(load[5].T, at, (net.shunt.q_mvar.to_numpy(float) * steps)[:, None])
    return load, served


def _branch_fields(
    net: Any,
    live: Any,
    ppc: Any,
    branches: list[dict[str, Any]],
    position: dict[int, int],
    used: NDArray[np.int64],
) -> dict[str, Any]:
    table = ppc["branch"]
    ends = np.searchsorted(used, table[:, [F_BUS, T_BUS]].real.astype(np.int64))
    series = table[:, BR_R].real + 1j * table[:, BR_X].real
    tap = table[:, TAP].real
    ratio = np.where(tap == 0, 1.0, tap)
    port = two_ports(live, ppc)
    at_from = port["y_ff"] - 1 / (series * ratio**2)
    at_to = port["y_tt"] - 1 / series
    # Seen from the end that stays connected, the other one open.
    open_from = port["y_ff"] - port["y_ft"] * port["y_tf"] / port["y_tt"]
    open_to = port["y_tt"] - port["y_ft"] * port["y_tf"] / port["y_ff"]
    own = [b for b in branches if b["kind"] != "switch"]
    hangs = np.array([-1 if b["hangs_at"] is None else position[b["hangs_at"]] for b in own], int)
    at_open = np.where([b["hangs_at"] == b["ends"][0] for b in own], open_from, open_to)
    limits = branch_limits(net, float(ppc["baseMVA"]), None)
    switches = [b for b in branches if b["kind"] == "switch"]
    n_switch = len(switches)
    more = np.array([[position[bus] for bus in b["ends"]] for b in switches], dtype=np.int64)
    ends = np.concatenate([ends, more.reshape(n_switch, 2)])

    def padded(values: Any, fill: float) -> Floats:
        return np.concatenate([np.asarray(values, dtype=float), np.full(n_switch, fill)])

    def cleaned(values: Any) -> Floats:
        """Rounding of the two-port's sums is no admittance."""
        return np.where(abs(values) < 1e-14 * abs(1 / series), 0.0, values)

    flags = {
        name: np.array([b[name] for b in branches], dtype=bool)
        for name in ("closed", "switchable", "usable")
    }
    return {
        "branch_name": tuple(b["name"] for b in branches),
        "branch_kind": tuple(b["kind"] for b in branches),
        "branch_index": np.array([b["index"] for b in branches], dtype=np.int64),
        "branch_from": ends[:, 0],
        "branch_to": ends[:, 1],
        "r": padded(series.real, 0.0),
        "x": padded(series.imag, 0.0),
        "ratio": padded(ratio, 1.0),
        "g_from": padded(cleaned(at_from.real), 0.0),
        "b_from": padded(cleaned(at_from.imag), 0.0),
        "g_to": padded(cleaned(at_to.real), 0.0),
        "b_to": padded(cleaned(at_to.imag), 0.0),
        "hangs_at": np.concatenate([hangs, np.full(n_switch, -1)]).astype(np.int64),
        "g_open": padded(cleaned(at_open.real), 0.0),
        "b_open": padded(cleaned(at_open.imag), 0.0),
        "i_from": padded(limits["rate_from"], np.inf),
        "i_to": padded(limits["rate_to"], np.inf),
        **flags | {"closed": flags["closed"] & flags["usable"]},
    }


def _names(net: Any, branches: list[dict[str, Any]]) -> tuple[str | int, ...]:
    """Names of branches, when all lines have their own; else 1-based numbers of their rows."""
    rows = {table: {int(i): k for k, i in enumerate(net[table].index)} for table in SWITCHABLE}
    names: list[str | int] = []
    for table in SWITCHABLE:
        own = [b["index"] for b in branches if b["kind"] == table]
        given = [net[table].loc[i, "name"] if "name" in net[table] else None for i in own]
        texts = ["" if pd.isna(v) else str(v).strip() for v in given]
        if "" in texts or len(set(texts)) < len(texts):
            word = "" if table == "line" else f"{table} "
            texts = [f"{word}{rows[table][i] + 1}" for i in own]
        names += [int(text) if text.isascii() and text.isdigit() else text for text in texts]
    if len(set(names)) < len(names):  # a line and a switch of one name
        names = [
            name if b["kind"] == "line" else f"{b['kind']} {name}"
            for name, b in zip(names, branches, strict=True)
        ]
    return tuple(names)


def check_feeder(feeder: Feeder) -> None:
    """Raise what keeps a feeder from any radial configuration, whatever is switched.

    Raises
    ------
    InputError
        Buses with load that no branch at all connects to a source; loops without a switch.
    """
    everything = np.ones(feeder.n_branch, dtype=bool)
    loaded = (feeder.load != 0).any(axis=(0, 1))
    lost = np.flatnonzero(~feeder.reached(everything) & loaded)
    findings = []
    if lost.size:
        buses = shown_buses([feeder.bus_name[b] for b in lost])
        message = f"no branch connects {buses} to a source; add the missing branch or source"
        findings.append(Finding(feeder.name, message))
    for loop in _fixed_loops(feeder):
        names = shown([feeder.branch_name[m] for m in loop])
        message = f"branches {names} form a loop (sources count as one bus) that no switch can open"
        findings.append(Finding(feeder.name, message))
    if findings:
        raise InputError(findings)


def _fixed_loops(feeder: Feeder) -> list[list[int]]:
    """Loops of closed branches that may not switch."""
    import networkx as nx

    fixed = np.flatnonzero(feeder.usable & feeder.closed & ~feeder.switchable)
    graph = nx.MultiGraph()
    f, t = feeder.merged(feeder.branch_from), feeder.merged(feeder.branch_to)
    loops = [[int(m)] for m in fixed if f[m] == t[m]]
    for m in fixed:
        a, b = int(f[m]), int(t[m])
        if a == b:
            continue
        if graph.has_node(a) and graph.has_node(b) and nx.has_path(graph, a, b):
            path = nx.shortest_path(graph, a, b)
            ways = [next(iter(graph[u][v].values()))["branch"] for u, v in zip(path, path[1:])]  # noqa: B905, RUF007
            loops.append([*ways, int(m)])
        graph.add_edge(a, b, branch=int(m))
    return loops
