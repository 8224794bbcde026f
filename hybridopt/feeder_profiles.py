"""Load factors of a feeder hour by hour, and the profile of its generators, from CSV tables."""

from __future__ import annotations

import math
from collections import Counter
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.unit_cells import Cells, read_cells

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

MOST_HOURS = 8760
SHOWN = 10
FOR_ALL, OF_BUS, OF_LOAD = range(3)  # a later one goes before an earlier one


def read_load_factors(path: Path, net: Any) -> Floats:
    """Read the factor of each load in each hour.

    The column ``hour`` counts 1, 2, ... in any order. The column ``factor`` is for all loads, any
    other for those of one bus (its label, its name, or ``bus`` and its label) or for one load (its
    name). A load's own column goes before its bus's, and that before ``factor``.

    Parameters
    ----------
    net : pandapower net, not altered

    Returns
    -------
    (n_t, n_load), in the order of ``net.load``; 1 for loads out of service without a column

    Raises
    ------
    InputError
        Every finding with its line: unknown columns, two columns for a load, loads without any,
        hours missing or doubled, factors that are no numbers of at least 0.
    """
    table = _table(path)
    columns = [c for c in dict.fromkeys(table.header) if c != "hour"]
    chosen, rank = np.full(len(net.load), -1), np.full(len(net.load), -1)
    meanings = _meanings(net)
    for k, column in enumerate(columns):
        level, loads = meanings.get(_key(column), (-1, []))
        if level < 0:
            table.find(_unknown(column, list(meanings)), 1)
        elif not loads:
            table.find(f"column {column!r}: no load stands at this bus", 1)
        doubled = [i for i in loads if rank[i] == level]
        if doubled:
            message = (
                f"columns {columns[chosen[doubled[0]]]!r} and {column!r} are for the same load"
            )
            table.find(message, 1)
        better = [i for i in loads if rank[i] < level]
        chosen[better], rank[better] = k, level
    unset = np.flatnonzero((chosen < 0) & net.load.in_service.to_numpy(bool))
    if unset.size:
        names = [_load_name(net, int(i)) for i in unset]
        table.find(f"no column for {_shown(names)}, and no column factor for all others", 1)
    values = _values(table, columns)
    table.check()
    factors = np.column_stack([values, np.ones(len(values))])
    return np.asarray(factors[:, chosen], dtype=np.float64)


def read_factor_column(path: Path, n_t: int) -> Floats:
    """Read the columns ``hour, factor``: the share of its size that a generator gives.

    Parameters
    ----------
    n_t : number of hours, that of the loads

    Returns
    -------
    (n_t,), from 0 to 1

    Raises
    ------
    InputError
        Every finding with its line.
    """
    table = _table(path)
    table.check_header(("hour", "factor"))
    values = _values(table, ["factor"], most=1.0)
    if len(values) and len(values) != n_t:
        table.find(f"has {len(values)} hours, but the loads have {n_t}", 1, "hour")
    table.check()
    return values[:, 0]


def _table(path: Path) -> Cells:
    """A table with a column of hours."""
    table = read_cells(path)
    for column, count in Counter(table.header).items():
        if count > 1:
            table.find(f"column {column!r} stands here more than once", 1)
    if "" in table.header:
        table.find("a column has no name", 1)
    if "hour" not in table.header:
        table.find("column is missing: hour", 1)
    table.check()
    return table


def _values(table: Cells, columns: list[str], most: float = math.inf) -> Floats:
    """Factors by hour, (n_t, len(columns)); empty, with findings, where hours are wrong."""
    hours: dict[int, list[float]] = {}
    lines: dict[int, int] = {}
    sound = len(table.findings)
    for row in table.rows:
        text = row["hour"].removesuffix(".0")
        hour = int(text) if text.isascii() and text.isdigit() and len(text) < 9 else 0
        values = [table.number(row, column) for column in columns]
        for value, column in zip(values, columns, strict=True):
            if value < 0 or value > most:
                limit = "at least 0" if most == math.inf else f"from 0 to {most:g}"
                table.find(f"must be {limit}, found {value:g}", row.line, column)
        if not 1 <= hour <= MOST_HOURS:
            message = f"must be a whole number from 1 to {MOST_HOURS}, found {row['hour']!r}"
            table.find(message, row.line, "hour")
        elif hour in hours:
            message = f"hour {hour} stands here a second time, first in line {lines[hour]}"
            table.find(message, row.line, "hour")
        else:
            hours[hour], lines[hour] = values, row.line
    last = max(hours, default=0)
    missing = [str(hour) for hour in range(1, last) if hour not in hours]
    if missing and len(table.findings) == sound:
        message = f"must have every hour up to {last}; missing: {_shown(missing)}"
        table.find(message, lines[last], "hour")
    if len(table.findings) > sound or not hours:
        return np.empty((0, len(columns)))
    return np.array([hours[hour] for hour in sorted(hours)]).reshape(last, len(columns))


def _meanings(net: Any) -> dict[str, tuple[int, list[int]]]:
    """Loads, by position in their table, that a column of each name is for."""
    every = list(range(len(net.load)))
    found: dict[str, tuple[int, list[int]]] = {"factor": (FOR_ALL, every)}
    at_bus: dict[int, list[int]] = {int(bus): [] for bus in net.bus.index}
    for i, bus in enumerate(net.load.bus):
        at_bus[int(bus)].append(i)
    names = _texts(net.bus)
    for bus, name in zip(net.bus.index, names, strict=True):
        if name and names.count(name) == 1:
            for text in (name, f"bus {name}"):
                found.setdefault(text, (OF_BUS, at_bus[int(bus)]))
    for bus in net.bus.index:  # an index is sure to be one bus's
        for text in (str(bus), f"bus {bus}"):
            if found.get(text, (OF_BUS, []))[0] != FOR_ALL:
                found[text] = (OF_BUS, at_bus[int(bus)])
    own: dict[str, list[int]] = {}
    for i, name in enumerate(_texts(net.load)):
        if name and name not in ("hour", "factor"):
            own.setdefault(name, []).append(i)
    return found | {name: (OF_LOAD, loads) for name, loads in own.items()}


def _texts(table: Any) -> list[str]:
    """Names in a table, as keys; empty where there is none."""
    if "name" not in table:
        return [""] * len(table)
    return ["" if v is None or v != v else _key(str(v)) for v in table.name]  # noqa: PLR0124


def _key(text: str) -> str:
    return " ".join(text.lower().split())


def _load_name(net: Any, position: int) -> str:
    name = net.load.name.iloc[position] if "name" in net.load else None
    if name is None or name != name or not str(name).strip():  # noqa: PLR0124
        return f"load {net.load.index[position]} (bus {net.load.bus.iloc[position]})"
    return str(name)


def _unknown(column: str, known: list[str]) -> str:
    close = get_close_matches(_key(column), known, n=1)
    hint = f"did you mean {close[0]!r}?" if close else "give a load's name, a bus, or factor"
    return f"column {column!r} is neither a load nor a bus; {hint}"


def _shown(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
