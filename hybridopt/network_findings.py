"""What is wrong with a network before anything is computed; each finding names its element."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridopt.errors import Finding
from hybridopt.network_limit_findings import cost_findings, limit_findings, number_finding
from hybridopt.network_units import controllable

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCES = ("ext_grid", "gen", "sgen", "storage")
MODELLED = ("bus", "load", "switch", "shunt", "line", "trafo", *SOURCES)
HARMLESS = {"measurement", "poly_cost", "group", "characteristic", "pwl_cost", "controller"}
HARMLESS |= {"substation", "loadcases"}  # SimBench's
# Columns that make a table's other columns mean something else, which is not modelled.
FLAGS = {
    "gen": "reactive_capability_curve",
    "sgen": "reactive_capability_curve",
    "shunt": "step_dependency_table",
}
ENDS = {"bus": [], "line": ["from_bus", "to_bus"], "trafo": ["hv_bus", "lv_bus"], "switch": ["bus"]}
# Columns that are used as they are; ">" asks for more than 0.
ZIP_COLUMNS = (
    "const_z_p_percent",
    "const_i_p_percent",
    "const_z_q_percent",
    "const_i_q_percent",
)
NUMBERS = {
    "bus": {"vn_kv": ">"},
    "load": {"p_mw": "", "q_mvar": "", "scaling": ""},
    "sgen": {"p_mw": "", "q_mvar": "", "scaling": ""},
    "gen": {"p_mw": "", "vm_pu": ">", "scaling": ""},
    "storage": {"p_mw": "", "q_mvar": "", "scaling": ""},
    "ext_grid": {"vm_pu": ">"},
    "shunt": {"p_mw": "", "q_mvar": "", "step": "", "vn_kv": ">"},
    "line": {
        "length_km": ">",
        "r_ohm_per_km": "",
        "x_ohm_per_km": "",
        "c_nf_per_km": "",
        "df": ">",
        "parallel": ">",
    },
    "trafo": {
        "sn_mva": ">",
        "vn_hv_kv": ">",
        "vn_lv_kv": ">",
        "vk_percent": "",
        "vkr_percent": "",
        "df": ">",
        "parallel": ">",
    },
}


def network_findings(net: Any, source: str) -> list[Finding]:
    """List every kind of element that is not modelled, and everything wrong with the others.

    Parameters
    ----------
    net : pandapower net, not altered
    source : what findings call it
    """
    broken = [
        Finding(f"{source}: {table}", "is not a table of this network: the file is damaged")
        for table in (*MODELLED, "poly_cost", "pwl_cost")
        if not isinstance(net.get(table), pd.DataFrame)
    ]
    if broken:
        return broken
    findings = _unmodelled(net, source)
    for table in MODELLED:
        findings += _table_findings(net, table, source)
    if findings:
        return findings + _no_elements(net, source)
    return [
        *_contradictions(net, source),
        *_zip_loads(net, source),
        *limit_findings(net, source),
        *cost_findings(net, source),
        *_nothing_to_do(net, source),
    ]


def _unmodelled(net: Any, source: str) -> list[Finding]:
    found = []
    for table, frame in net.items():
        if table.startswith(("_", "res_")) or not hasattr(frame, "columns") or frame.empty:
            continue
        if table in HARMLESS.union(MODELLED) or table.endswith("_table"):
            continue
        count = int(frame.in_service.sum()) if "in_service" in frame else len(frame)
        if count:
            found.append((table, count))
    if {"et", "closed", "z_ohm"} <= set(net.switch):
        resistive = (net.switch.et == "b") & (net.switch.closed == True) & (net.switch.z_ohm > 0)  # noqa: E712
        if resistive.any():
            found.append(("switch (closed, with an impedance)", int(resistive.sum())))
    for table, flag in FLAGS.items():
        used = (net[table].get(flag, pd.Series(False, net[table].index)) == True).sum()  # noqa: E712
        if used:
            found.append((f"{table} ({flag})", int(used)))
    old = [c for c in net.load.columns if c.startswith("const_") and c not in ZIP_COLUMNS]
    if len(net.load) and old and (net.load[old].fillna(0) != 0).any(axis=None):
        found.append((f"load ({', '.join(old)})", len(net.load)))
    message = "in service, but this element is not modelled; take it out, or replace it"
    return [Finding(f"{source}: {table}", f"{count} {message}") for table, count in found]


def _table_findings(net: Any, table: str, source: str) -> list[Finding]:
    """Doubled indices, missing columns, numbers that are none, buses that don't exist."""
    frame, findings = net[table], []

    def note(index: Any, message: str) -> None:
        findings.append(Finding(f"{source}: {table} {index}", message))

    for index in frame.index[frame.index.duplicated()].unique():
        note(index, "this index stands twice in the table")
    if table == "bus" and len(frame) and not pd.api.types.is_integer_dtype(frame.index):
        findings.append(Finding(f"{source}: bus", "the index must be whole numbers"))
    checks: dict[str, Callable[[Any], str]] = {
        column: partial(number_finding, allowed=allowed)
        for column, allowed in NUMBERS.get(table, {}).items()
    }
    for column in ENDS.get(table, ["bus"]):
        checks[column] = partial(_bus_finding, net=net)
    checks["closed" if table == "switch" else "in_service"] = _flag_finding
    if not len(frame):
        return findings
    for column, check in checks.items():
        if column not in frame:
            findings.append(Finding(f"{source}: {table}", f"has no column {column}"))
            continue
        for index, value in zip(frame.index, frame[column].tolist(), strict=True):
            message = check(value)
            if message:
                note(index, f"{column} {message}")
    return findings


def _bus_finding(value: Any, net: Any) -> str:
    return "" if value in net.bus.index else f"{value} is not a bus of the network"


def _flag_finding(value: Any) -> str:
    known = isinstance(value, bool) or value in (0, 1)
    return "" if known else f"must be true or false, found {value}"


def _contradictions(net: Any, source: str) -> list[Finding]:
    """Zero impedances, switches of nothing."""
    findings = []
    z = net.line.r_ohm_per_km.abs() + net.line.x_ohm_per_km.abs()
    short = "impedance is zero; join its buses by a switch instead"
    findings += [Finding(f"{source}: line {i}", short) for i in z.index[z == 0]]
    vk, vkr = net.trafo.vk_percent.abs(), net.trafo.vkr_percent.abs()
    findings += [Finding(f"{source}: trafo {i}", short) for i in vk.index[vk == 0]]
    message = "vkr_percent lies above vk_percent"
    findings += [Finding(f"{source}: trafo {i}", message) for i in vk.index[vkr > vk]]
    for kind, table in (("l", "line"), ("t", "trafo"), ("b", "bus")):
        of_kind = net.switch[net.switch.et == kind]
        for i in of_kind.index[~of_kind.element.isin(net[table].index)]:
            message = f"there is no {table} {of_kind.element[i]} for it to switch"
            findings.append(Finding(f"{source}: switch {i}", message))
    return findings


def _zip_loads(net: Any, source: str) -> list[Finding]:
    """Shares of constant impedance and current that are none, or too much together."""
    findings = []
    for kind in ("p", "q"):
        columns = [c for c in ZIP_COLUMNS if c.endswith(f"_{kind}_percent") and c in net.load]
        shares = net.load[columns].apply(pd.to_numeric, errors="coerce").fillna(0.0)
        wrong = (shares < 0).any(axis=1) | (shares.sum(axis=1) > 100 * (1 + 1e-9))
        names = " and ".join(columns)
        message = f"{names} must be at least 0 and at most 100 together"
        findings += [Finding(f"{source}: load {i}", message) for i in net.load.index[wrong]]
        steered = controllable(net.load) & (shares != 0).any(axis=1)
        message = f"is controllable, so {names} must be 0"
        findings += [Finding(f"{source}: load {i}", message) for i in net.load.index[steered]]
    return findings


def _no_elements(net: Any, source: str) -> list[Finding]:
    """Tables that must not be empty."""
    findings = []
    if not len(net.bus):
        findings.append(Finding(source, "the network has no bus"))
    elif not (len(net.ext_grid) or len(net.gen)):
        findings.append(Finding(source, "no source: neither external grid nor generator"))
    if not len(net.load):
        findings.append(Finding(source, "no load in service: there is nothing to serve"))
    return findings


def _nothing_to_do(net: Any, source: str) -> list[Finding]:
    """A network without buses, sources or loads in service."""
    findings = _no_elements(net, source)
    if findings:
        return findings
    live = net.bus.index[net.bus.in_service.astype(bool)]

    def on(table: str) -> Any:
        return net[table].in_service.astype(bool) & net[table].bus.isin(live)

    if not live.size:
        return [Finding(source, "every bus is out of service")]
    if not (on("ext_grid").any() or on("gen").any()):
        message = "no source: neither external grid nor generator is in service"
        findings.append(Finding(source, message))
    if not (on("load") & (net.load.p_mw * net.load.scaling != 0)).any():
        findings.append(Finding(source, "no load in service: there is nothing to serve"))
    return findings
