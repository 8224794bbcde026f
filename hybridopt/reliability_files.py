"""The CSV files of ``hybridopt reliability`` (described in docs/reliability.md)."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.errors import Finding, InputError
from hybridopt.reliability_model import DEVICES, Unit
from hybridopt.unit_cells import Cells, Row, read_cells

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from numpy.typing import NDArray

ENDINGS = {"customers": "_customers.csv", "failures": "_failures.csv"}
FAULTS = ("failures_per_year", "repair_h", "switching_h")
CUSTOMERS = ("bus", "customers", "p_mw", "peak_mw", "priority", "source", *FAULTS)
FAILURES = (
    *("branch", "from_bus", "to_bus", "length_km", "failures_per_km_year", *FAULTS),
    *("closed", "from_device", "to_device", "success", "transfer_mw"),
)
MOST_HOURS = 8760


@dataclass(frozen=True)
class Entry:
    """One row: its name, what it says, and where it stands.

    Attributes
    ----------
    name : bus or branch
    cells : values by column; what is empty is missing
    place : file and line, or table and index, for findings
    """

    name: str
    cells: dict[str, Any]
    place: str


@dataclass(frozen=True)
class Tables:
    """Rows of both files, in their order."""

    customers: tuple[Entry, ...] = ()
    failures: tuple[Entry, ...] = ()
    findings: list[Finding] = field(default_factory=list)


def tables_prefix(text: str, folder: Path) -> Path | None:
    """What the names of a pair of tables begin with; None when there is no such pair."""
    for ending in ENDINGS.values():
        text = text.removesuffix(ending)
    prefix = folder / text
    if not text or not prefix.name:
        return None
    there = [prefix.with_name(prefix.name + ending).is_file() for ending in ENDINGS.values()]
    return prefix if any(there) else None


def read_tables(prefix: Path) -> Tables:
    """Read ``<prefix>_customers.csv`` and ``<prefix>_failures.csv``.

    Raises
    ------
    InputError
        Every finding of both files, each with its line.
    """
    findings: list[Finding] = []
    entries: dict[str, tuple[Entry, ...]] = {}
    known = {"customers": CUSTOMERS, "failures": FAILURES}
    for kind, ending in ENDINGS.items():
        try:
            table = read_cells(prefix.with_name(prefix.name + ending))
            table.check_header(known[kind][:1], known[kind][1:])
        except InputError as error:
            findings += error.findings
            continue
        entries[kind] = _entries(table, known[kind])
        findings += table.findings
    if findings:
        raise InputError(findings)
    return Tables(entries["customers"], entries["failures"])


def _entries(table: Cells, columns: Sequence[str]) -> tuple[Entry, ...]:
    lines: dict[str, int] = {}
    found = []
    for row in table.rows:
        name = row[columns[0]]
        if not name:
            table.find("is empty", row.line, columns[0])
        elif name in lines:
            message = f"{name!r} stands here a second time, first in line {lines[name]}"
            table.find(message, row.line, columns[0])
        lines.setdefault(name, row.line)
        found.append(_entry(table, row, columns))
    return tuple(found)


def _entry(table: Cells, row: Row, columns: Sequence[str]) -> Entry:
    values = {}
    for column in columns[1:]:
        if not row[column]:
            continue
        value, message = read_value(column, row[column])
        if message:
            table.find(message, row.line, column)
        else:
            values[column] = value
    return Entry(row[columns[0]], values, f"{table.path}:{row.line}")


def read_value(column: str, given: Any) -> tuple[Any, str]:
    """Value of a cell, and what is wrong with it or nothing."""
    if column in ("from_bus", "to_bus"):
        return str(given), ""
    if column in ("from_device", "to_device"):
        text = str(given).strip().lower()
        known = ", ".join(name for name in DEVICES if name)
        return DEVICES.get(text), "" if text in DEVICES else f"must be {known}, found {given!r}"
    try:
        value = float(given)
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        return value, f"must be a number, found {given!r}"
    rule, accepts = RULES[column]
    return value, "" if accepts(value) else f"must be {rule}, found {given}"


def _from(low: float) -> Callable[[float], bool]:
    return lambda value: value >= low


RULES: dict[str, tuple[str, Callable[[float], bool]]] = {
    **dict.fromkeys(
        (
            *("p_mw", "peak_mw", "failures_per_year", "failures_per_km_year", "length_km"),
            *("repair_h", "switching_h", "transfer_mw", "storage_mw", "storage_mwh"),
        ),
        ("at least 0", _from(0.0)),
    ),
    "customers": (
        "a whole number of at least 0",
        lambda value: value >= 0 and float(value).is_integer(),
    ),
    "priority": (
        "a whole number of at least 1",
        lambda value: value >= 1 and float(value).is_integer(),
    ),
    **dict.fromkeys(("source", "closed"), ("0 or 1", lambda value: value in (0, 1))),
    **dict.fromkeys(
        ("success", "availability"), ("a probability from 0 to 1", lambda value: 0 <= value <= 1)
    ),
}


def read_units(path: Path, find_bus: Callable[[str], int | None]) -> tuple[Unit, ...]:
    """Read generators: ``bus, p_mw``, and ``storage_mw, storage_mwh, availability`` if wanted.

    Parameters
    ----------
    find_bus : position of a bus by its label, None for no such bus

    Raises
    ------
    InputError
        Every finding with its line.
    """
    table = read_cells(path)
    optional = ("storage_mw", "storage_mwh", "availability")
    table.check_header(("bus", "p_mw"), optional)
    units = []
    for row in table.rows:
        bus = find_bus(row["bus"])
        if bus is None:
            table.find(f"no bus is called {row['bus']!r}", row.line, "bus")
        values = {}
        for column in ("p_mw", *optional):
            default = "" if column == "p_mw" else "1" if column == "availability" else "0"
            values[column], message = read_value(column, row[column] or default)
            if message:
                table.find(message, row.line, column)
        if bool(values["storage_mw"]) != bool(values["storage_mwh"]):
            table.find("storage needs both storage_mw and storage_mwh", row.line)
        units.append(Unit(-1 if bus is None else bus, **values))
    table.check()
    return tuple(units)


def read_factors(path: Path, most: float = math.inf) -> NDArray[np.float64]:
    """Read the columns ``hour, factor``: hours 1, 2, ... in any order.

    Returns
    -------
    (n_t,), hour 1 first

    Raises
    ------
    InputError
        Every finding with its line.
    """
    table = read_cells(path)
    table.check_header(("hour", "factor"))
    found: dict[int, float] = {}
    for row in table.rows:
        text = row["hour"].removesuffix(".0")
        hour = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
        value = table.number(row, "factor")
        if not 1 <= hour <= MOST_HOURS:
            message = f"must be a whole number from 1 to {MOST_HOURS}, found {row['hour']!r}"
            table.find(message, row.line, "hour")
        elif hour in found:
            table.find(f"hour {hour} stands here a second time", row.line, "hour")
        if value < 0 or value > most:
            limit = "at least 0" if most == math.inf else f"from 0 to {most:g}"
            table.find(f"must be {limit}, found {value:g}", row.line, "factor")
        found[hour] = value
    missing = [str(h) for h in range(1, max(found, default=0) + 1) if h not in found]
    if missing and not table.findings:
        shown = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
        table.find(f"must have every hour up to {max(found)}; missing: {shown}")
    table.check()
    return np.array([found[h] for h in sorted(found)])
