"""A feeder in two CSV files, buses and branches, becomes a pandapower net; see docs/feeders.md."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp

from hybridopt.errors import Finding, InputError
from hybridopt.network_branches import UNRATED_KA
from hybridopt.unit_cells import Cells, Row, read_cells

ENDINGS = {"buses": "_buses.csv", "branches": "_branches.csv"}
REQUIRED = {
    "buses": ("bus", "type", "vn_kv", "p_kw", "q_kvar"),
    "branches": tuple(
        "branch from_bus to_bus r_ohm x_ohm closed_initially max_i_ka".split()  # noqa: SIM905
    ),
}
OPTIONAL = {
    "buses": ("name", "x", "y", "min_vm_pu", "max_vm_pu", "vm_pu"),
    "branches": ("switchable", "name"),
}
F_HZ = 50.0
SN_MVA = 1.0
KW_PER_MW = 1000.0
LARGEST_INDEX = 1_000_000  # pandapower makes tables as long as the largest index of a bus
WHOLE = re.compile(r"(\d+)(\.0*)?")
MISSING = "file not found"
PLACE = re.compile(r"(?P<file>.*?\.csv)(:(?P<line>\d+))?( (?P<column>.+))?", re.IGNORECASE)


@dataclass(frozen=True)
class _Bus:
    label: str
    is_source: bool
    vn_kv: float
    p_kw: float
    q_kvar: float
    name: str
    xy: tuple[float, float]
    vm_pu: float
    limits: tuple[float, float]


@dataclass(frozen=True)
class _Branch:
    line: int
    name: str
    ends: tuple[str, str]
    r_ohm: float
    x_ohm: float
    closed: float
    max_i_ka: float
    switchable: float


def csv_prefix(name: str, folder: Path) -> str | None:
    """What the names of a pair begin with; None when `name` gives no pair.

    Parameters
    ----------
    name : the prefix of files that exist, or one of the two files, which may be missing
    folder : where a relative path starts
    """
    for ending in ENDINGS.values():
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    found = any(_file(folder / name, kind).is_file() for kind in ENDINGS) if name else False
    return name if found else None


def _file(prefix: Path, kind: str) -> Path:
    return prefix.parent / f"{prefix.name}{ENDINGS[kind]}"


def net_from_csv(prefix: Path, name: str) -> Any:
    """Make a pandapower net of ``<prefix>_buses.csv`` and ``<prefix>_branches.csv``.

    Buses keep their labels as index when these are whole numbers up to a million, else they are
    numbered from 0 and named. Each source is an external grid, each branch a line of 1 km; one
    without impedance is a bus-bus switch.

    Parameters
    ----------
    prefix : path that both files' names begin with
    name : what findings call it

    Raises
    ------
    InputError
        Everything that is wrong with both files, each with its line and column.
    """
    findings: list[Finding] = []
    tables = {kind: _read(prefix, name, kind, findings) for kind in ENDINGS}
    buses, branches = tables["buses"], tables["branches"]
    known: dict[str, _Bus] = {}
    rows: list[_Branch] = []
    if buses is not None:
        whole = not buses.findings
        known = _buses(buses)
        findings += buses.findings
    if branches is not None:
        rows = _branches(branches)
        if buses is not None and whole:
            _check_ends(branches, rows, known)
        findings += branches.findings
    if findings:
        raise InputError(sorted(map(_placed, findings), key=_order))
    return _net(list(known.values()), rows, Path(name).name)


def _placed(finding: Finding) -> Finding:
    """A finding with file and line as its place, and the column in its message."""
    match = PLACE.fullmatch(finding.place)
    if match is None or finding.message.startswith(MISSING):
        return finding
    column = f"{match['column']} " if match["column"] else ""
    return Finding(f"{match['file']}:{match['line'] or 1}", column + finding.message)


def _order(finding: Finding) -> tuple[bool, int]:
    match = PLACE.fullmatch(finding.place)
    file, line = (match["file"], match["line"] or 0) if match else (finding.place, 0)
    return not file.lower().endswith(ENDINGS["buses"]), int(line)


def _read(prefix: Path, name: str, kind: str, findings: list[Finding]) -> Cells | None:
    """A table with sound columns; None, and findings, where there is none."""
    path, shown = _file(prefix, kind), f"{name}{ENDINGS[kind]}"
    if not path.is_file():
        other = ENDINGS["branches" if kind == "buses" else "buses"]
        findings.append(Finding(shown, f"{MISSING}: {path}; it goes with {name}{other}"))
        return None
    try:
        content = path.read_bytes() if path.is_file() else b""
        if not content.strip():
            message = f"is empty; its first line must name the columns: {','.join(REQUIRED[kind])}"
            raise InputError([Finding(shown, message)])
        if b"\0" in content:
            raise InputError([Finding(shown, "is no CSV table: it holds binary data")])
        table = read_cells(path)
        table.findings = [
            Finding(_renamed(f.place, path, shown), f.message) for f in table.findings
        ]
        table.path = Path(shown)
        table.check_header(REQUIRED[kind], OPTIONAL[kind])
    except InputError as error:
        findings += [Finding(_renamed(f.place, path, shown), f.message) for f in error.findings]
        return None
    except OSError as error:
        findings.append(Finding(shown, f"cannot be read: {error.strerror}"))
        return None
    return table


def _renamed(place: str, path: Path, shown: str) -> str:
    return shown + place.removeprefix(str(path)) if place.startswith(str(path)) else place


def _label(text: str) -> str:
    """A label; whole numbers without leading zeros, as spreadsheets write them (``7.0``) too."""
    match = WHOLE.fullmatch(text) if text.isascii() else None
    return str(int(match[1])) if match and len(text) < 100 else text


def _flag(table: Cells, row: Row, column: str, default: float | None = None) -> float:
    """1 or 0; NaN, with a finding, for anything else."""
    text = row[column]
    if not text and default is not None:
        return default
    if _label(text) not in ("0", "1"):
        table.find(f"must be 0 or 1, found {repr(text) if text else 'nothing'}", row.line, column)
        return math.nan
    return float(_label(text))


def _number(
    table: Cells, row: Row, column: str, optional: bool = False, above: float | None = None
) -> float:
    """A number of more than `above`; NaN where an optional one is empty, or with a finding."""
    if optional and not row[column]:
        return math.nan
    value = table.number(row, column)
    if above is not None and value <= above:
        table.find(f"must be more than {above:g}, found {value:g}", row.line, column)
    return value


def _buses(table: Cells) -> dict[str, _Bus]:
    """Buses by label, in the file's order."""
    found: dict[str, _Bus] = {}
    lines: dict[str, int] = {}
    for row in table.rows:
        bus = _bus(table, row)
        if not bus.label:
            table.find("must not be empty", row.line, "bus")
        elif bus.label in found:
            first = lines[bus.label]
            message = f"{bus.label!r} stands here a second time, first in line {first}"
            table.find(message, row.line, "bus")
        else:
            found[bus.label], lines[bus.label] = bus, row.line
    if not any(row["type"].lower() == "slack" for row in table.rows):
        table.find("must be slack at one bus at least: nothing feeds the feeder", 1, "type")
    return found


def _bus(table: Cells, row: Row) -> _Bus:
    kind = row["type"].lower()
    if kind not in ("slack", "load"):
        table.find(f"must be slack or load, found {row['type']!r}", row.line, "type")
    if kind == "load" and row["vm_pu"]:
        table.find("is the voltage of a slack bus; leave it empty here", row.line, "vm_pu")
    low = _number(table, row, "min_vm_pu", optional=True)
    high = _number(table, row, "max_vm_pu", optional=True, above=0.0)
    if low < 0:
        table.find(f"must be at least 0, found {low:g}", row.line, "min_vm_pu")
    if low > high:
        table.find(f"lies above max_vm_pu: {low:g} > {high:g}", row.line, "min_vm_pu")
    x, y = (_number(table, row, column, optional=True) for column in "xy")
    if bool(row["x"]) != bool(row["y"]):
        missing = "y" if row["x"] else "x"
        table.find("must be given, as the other coordinate is", row.line, missing)
    vm = _number(table, row, "vm_pu", optional=True, above=0.0) if kind == "slack" else math.nan
    label = _label(row["bus"])
    return _Bus(
        label=label,
        is_source=kind == "slack",
        vn_kv=_number(table, row, "vn_kv", above=0.0),
        p_kw=table.number(row, "p_kw"),
        q_kvar=table.number(row, "q_kvar"),
        name=row["name"] or label,
        xy=(x, y),
        vm_pu=1.0 if math.isnan(vm) else vm,
        limits=(low, high),
    )


def _branches(table: Cells) -> list[_Branch]:
    found = [_branch(table, row) for row in table.rows]
    lines: dict[tuple[str, str], int] = {}
    for row, branch in zip(table.rows, found, strict=True):
        values = [("branch", _label(row["branch"])), ("name", branch.name)]
        if not row["branch"]:
            table.find("must not be empty", row.line, "branch")
            continue
        first = [lines.setdefault(value, row.line) for value in values]
        for (column, value), line in zip(values, first, strict=True):
            if line != row.line and (column == "branch" or row["name"]):
                message = f"{value!r} stands here a second time, first in line {line}"
                table.find(message, row.line, column)
    return found


def _branch(table: Cells, row: Row) -> _Branch:
    ends = (_label(row["from_bus"]), _label(row["to_bus"]))
    for end, column in zip(ends, ("from_bus", "to_bus"), strict=True):
        if not end:
            table.find("must not be empty", row.line, column)
    if ends[0] and ends[0] == ends[1]:
        table.find(f"is the same bus as from_bus, {ends[0]!r}", row.line, "to_bus")
    impedance = {column: table.number(row, column) for column in ("r_ohm", "x_ohm")}
    for column, value in impedance.items():
        if value < 0:
            table.find(f"must be at least 0, found {value:g}", row.line, column)
    limit = _number(table, row, "max_i_ka", optional=True, above=0.0)
    if not any(impedance.values()) and row["max_i_ka"]:
        message = "must be empty where r_ohm and x_ohm are 0 (a switch, which has no rating)"
        table.find(f"{message}; or give the branch a small impedance", row.line, "max_i_ka")
    return _Branch(
        line=row.line,
        name=row["name"] or _label(row["branch"]),
        ends=ends,
        r_ohm=impedance["r_ohm"],
        x_ohm=impedance["x_ohm"],
        closed=_flag(table, row, "closed_initially"),
        max_i_ka=UNRATED_KA if math.isnan(limit) else limit,
        switchable=_flag(table, row, "switchable", default=math.nan),
    )


def _check_ends(table: Cells, branches: list[_Branch], buses: dict[str, _Bus]) -> None:
    """Ends must be buses, both of one voltage."""
    for branch in branches:
        for end, column in zip(branch.ends, ("from_bus", "to_bus"), strict=True):
            if end and end not in buses:
                table.find(f"must be one of the buses, found {end!r}", branch.line, column)
        volts = [buses[end].vn_kv for end in branch.ends if end in buses]
        if len(volts) == 2 and volts[0] != volts[1] and all(v > 0 for v in volts):
            message = f"has another vn_kv than from_bus: {volts[1]:g} and {volts[0]:g} kV"
            table.find(message, branch.line, "to_bus")


def _net(buses: list[_Bus], branches: list[_Branch], name: str) -> Any:
    net = pp.create_empty_network(name=name, f_hz=F_HZ, sn_mva=SN_MVA)
    index = _add_buses(net, buses)
    for bus in buses:
        if bus.is_source:
            pp.create_ext_grid(net, index[bus.label], vm_pu=bus.vm_pu, name=f"source {bus.label}")
    loaded = [bus for bus in buses if bus.p_kw or bus.q_kvar]
    if loaded:
        pp.create_loads(
            net,
            [index[bus.label] for bus in loaded],
            p_mw=[bus.p_kw / KW_PER_MW for bus in loaded],
            q_mvar=[bus.q_kvar / KW_PER_MW for bus in loaded],
            name=[f"load {bus.label}" for bus in loaded],
        )
    _add_branches(net, branches, index)
    return net


def _add_buses(net: Any, buses: list[_Bus]) -> dict[str, int]:
    """Index of each bus by its label."""
    labels = [bus.label for bus in buses]
    numbered = all(label.isascii() and label.isdigit() for label in labels)
    numbered = numbered and all(int(label) <= LARGEST_INDEX for label in labels)
    index = {label: int(label) if numbered else k for k, label in enumerate(labels)}
    limits = np.array([bus.limits for bus in buses])
    given = {
        column: limits[:, k]
        for k, column in enumerate(("min_vm_pu", "max_vm_pu"))
        if not np.isnan(limits[:, k]).all()
    }
    pp.create_buses(
        net,
        len(buses),
        [bus.vn_kv for bus in buses],
        index=list(index.values()),
        name=[bus.name for bus in buses],
        **given,
    )
    for bus in buses:
        if not math.isnan(bus.xy[0]):
            x, y = bus.xy
            net.bus.loc[index[bus.label], "geo"] = f'{{"coordinates":[{x},{y}],"type":"Point"}}'
    return index


def _add_branches(net: Any, branches: list[_Branch], index: dict[str, int]) -> None:
    """Lines, and switches for branches without impedance."""
    lines = [b for b in branches if b.r_ohm or b.x_ohm]
    joints = [b for b in branches if not (b.r_ohm or b.x_ohm)]
    if lines:
        pp.create_lines_from_parameters(
            net,
            [index[b.ends[0]] for b in lines],
            [index[b.ends[1]] for b in lines],
            length_km=1.0,
            r_ohm_per_km=[b.r_ohm for b in lines],
            x_ohm_per_km=[b.x_ohm for b in lines],
            c_nf_per_km=0.0,
            max_i_ka=[b.max_i_ka for b in lines],
            name=[b.name for b in lines],
            in_service=[bool(b.closed) for b in lines],
        )
    for branch in joints:
        f, t = (index[end] for end in branch.ends)
        pp.create_switch(net, f, t, "b", closed=bool(branch.closed), name=branch.name)
    for table, group in (("line", lines), ("switch", joints)):
        if any(not math.isnan(b.switchable) for b in branches):
            net[table]["switchable"] = [b.switchable != 0 for b in group]
