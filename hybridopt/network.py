"""Networks in: pandapower's built-ins and files, checked and made ready.

The user's net is never altered: every function works on a copy.
"""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pandapower.networks

from hybridopt.errors import Finding, InputError

MODELLED = {"bus", "load", "sgen", "gen", "switch", "shunt", "ext_grid", "line", "trafo"}
HARMLESS = {"measurement", "poly_cost", "group", "characteristic", "pwl_cost", "controller"}


def read_network(name: str, folder: Path | None = None) -> Any:
    """Read a network.

    Parameters
    ----------
    name : a pandapower built-in ("case9", "create_cigre_network_mv"), or a ``.json`` file
    folder : where a relative path starts; the working directory by default

    Returns
    -------
    pandapowerNet

    Raises
    ------
    InputError
        Unknown name, missing or unreadable file, or a file of a newer pandapower.
    """
    if Path(name).suffix.lower() in {".json", ".xlsx", ".m"}:
        return _read_file((folder or Path()) / name, name)
    maker = getattr(pandapower.networks, name, None) if name.isidentifier() else None
    if not callable(maker):
        raise InputError(
            [Finding(name, "no such network: give a pandapower built-in or a .json file")]
        )
    try:
        net = maker()
    except TypeError as error:
        raise InputError([Finding(name, f"not a network without arguments: {error}")]) from error
    if not isinstance(net, pp.pandapowerNet):
        raise InputError([Finding(name, "is a function of pandapower, but not a network")])
    return net


def _read_file(path: Path, name: str) -> Any:
    if not path.is_file():
        raise InputError([Finding(name, f"network file not found: {path}")])
    if path.suffix.lower() != ".json":
        message = f"{path.suffix} files are not read yet: save the network as pandapower .json"
        raise InputError([Finding(name, message)])
    logging.getLogger("pandapower").setLevel(logging.ERROR)
    try:
        net = pp.from_json(str(path))
    except UserWarning as error:
        raise InputError([Finding(name, f"pandapower cannot open it: {error}")]) from error
    except Exception as error:
        raise InputError(
            [Finding(name, f"not a readable pandapower file ({type(error).__name__}: {error})")]
        ) from error
    if not isinstance(net, pp.pandapowerNet):
        raise InputError([Finding(name, "is JSON, but not a pandapower network")])
    return net


def prepare(net: Any, source: str = "network") -> Any:
    """Copy a net into the form that is modelled, or say what cannot be.

    Branches behind an open switch or at a bus out of service are out of service; closed bus-bus
    switches stay.

    Raises
    ------
    InputError
        Lists every kind of element that is not modelled, and every bad number.
    """
    net = copy.deepcopy(net)
    findings = [
        Finding(f"{source}: {table}", f"{count} in service, but this element is not modelled")
        for table, count in _unmodelled(net)
    ]
    findings += _bad_numbers(net, source)
    if findings:
        raise InputError(findings)
    for kind, table in (("l", "line"), ("t", "trafo")):
        opened = net.switch[(net.switch.et == kind) & ~net.switch.closed.astype(bool)]
        net[table].loc[opened.element.unique(), "in_service"] = False
        for end in ENDS[table]:
            net[table]["in_service"] &= net.bus.in_service[net[table][end]].to_numpy(bool)
    net.switch = net.switch[net.switch.et == "b"].copy()
    return net


def _unmodelled(net: Any) -> list[tuple[str, int]]:
    found = []
    for table, frame in net.items():
        if table.startswith(("_", "res_")) or not hasattr(frame, "columns") or frame.empty:
            continue
        if table in MODELLED | HARMLESS or table.endswith("_table"):
            continue
        count = int(frame.in_service.sum()) if "in_service" in frame else len(frame)
        if count:
            found.append((table, count))
    if len(net.pwl_cost):
        found.append(("pwl_cost", len(net.pwl_cost)))
    joined = net.switch[(net.switch.et == "b") & net.switch.closed.astype(bool)]
    if "z_ohm" in joined and (joined.z_ohm > 0).any():
        found.append(("switch (closed, with an impedance)", int((joined.z_ohm > 0).sum())))
    zip_columns = [c for c in net.load.columns if c.startswith("const_")]
    if len(net.load) and zip_columns and (net.load[zip_columns].fillna(0) != 0).any(axis=None):
        found.append(("load (constant impedance or current)", len(net.load)))
    return found


NEEDED = {
    "bus": ["vn_kv"],
    "load": ["p_mw", "q_mvar", "scaling"],
    "sgen": ["p_mw", "q_mvar", "scaling"],
    "gen": ["vm_pu"],
    "ext_grid": ["vm_pu"],
    "shunt": ["p_mw", "q_mvar", "step"],
    "line": ["length_km", "r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km"],
    "trafo": ["sn_mva", "vn_hv_kv", "vn_lv_kv", "vk_percent", "vkr_percent"],
}
ENDS = {"bus": [], "line": ["from_bus", "to_bus"], "trafo": ["hv_bus", "lv_bus"]}


def _bad_numbers(net: Any, source: str) -> list[Finding]:
    """NaN where a number is needed, buses that don't exist, crossed limits, nothing to do."""
    findings = []
    for table, columns in NEEDED.items():
        frame = net[table]
        for column in columns:
            values = frame[column].astype(float)
            for index in frame.index[~np.isfinite(values)]:
                place = f"{source}: {table} {index}"
                findings.append(Finding(place, f"{column} is {values[index]}, not a number"))
        for column in ENDS.get(table, ["bus"]):
            for index in frame.index[~frame[column].isin(net.bus.index)]:
                message = f"{column} {frame[column][index]} is not a bus of the network"
                findings.append(Finding(f"{source}: {table} {index}", message))
    z = net.line.length_km * (net.line.r_ohm_per_km.abs() + net.line.x_ohm_per_km.abs())
    findings += [Finding(f"{source}: line {i}", "impedance is zero") for i in z.index[z == 0]]
    return findings + _crossed_limits(net, source) + _nothing_to_do(net, source)


def _crossed_limits(net: Any, source: str) -> list[Finding]:
    """Units whose minimum lies above their maximum."""
    findings = []
    for table in ("gen", "ext_grid", "sgen"):
        for low, high in (("min_p_mw", "max_p_mw"), ("min_q_mvar", "max_q_mvar")):
            if {low, high} <= set(net[table].columns):
                for i in net[table].index[net[table][low] > net[table][high]]:
                    message = f"{low} lies above {high}"
                    findings.append(Finding(f"{source}: {table} {i}", message))
    return findings


def _nothing_to_do(net: Any, source: str) -> list[Finding]:
    """A network without buses, sources or loads."""
    findings = []
    if not len(net.bus):
        findings.append(Finding(source, "the network has no bus"))
    elif not (net.ext_grid.in_service.any() or net.gen.in_service.any()):
        findings.append(Finding(source, "no source: neither external grid nor generator"))
    if not (net.load.in_service & (net.load.p_mw != 0)).any():
        findings.append(Finding(source, "no load in service: there is nothing to serve"))
    return findings
