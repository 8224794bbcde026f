"""The CSV tables that a case file may name: a day, shares of customer classes, limits."""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybridopt.case_place import KeyPath

HOURS = 24


class TableError(Exception):
    """A table that cannot be read; the case file's reader makes a finding of it."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message, line)
        self.message = message
        self.line = line


@dataclass(frozen=True)
class Table:
    """What a CSV file stands for in a case.

    Attributes
    ----------
    data : the value, as TOML would give it
    lines : line number in the CSV file by path below the value
    """

    data: Any
    lines: dict[KeyPath, int]


def read_day(file: Path, column: str = "factor") -> Table:
    """Read the columns ``hour`` and another (``factor``) into 24 values, hour 1 first.

    Rows may stand in any order. The values' ranges are the schema's business.
    """
    rows: dict[int, tuple[float, int]] = {}
    for line, (hour, factor) in _rows(file, ("hour", column)):
        if not (hour.isascii() and hour.isdigit() and 1 <= int(hour) <= HOURS):
            raise TableError(f"hour must be a whole number from 1 to {HOURS}, found {hour!r}", line)
        if int(hour) in rows:
            raise TableError(f"hour {int(hour)} stands here a second time", line)
        rows[int(hour)] = (_number(factor, column, line), line)
    missing = [str(hour) for hour in range(1, HOURS + 1) if hour not in rows]
    if missing:
        message = f"must have {HOURS} hours, found {len(rows)}; missing: {', '.join(missing)}"
        raise TableError(message)
    hours = range(1, HOURS + 1)
    return Table([rows[h][0] for h in hours], {(h - 1,): rows[h][1] for h in hours})


def read_shares(file: Path) -> Table:
    """Read the columns ``bus, class, share`` into a table of shares by bus and class."""
    data: dict[str, dict[str, float]] = {}
    lines: dict[KeyPath, int] = {}
    for line, (bus, name, share) in _rows(file, ("bus", "class", "share")):
        if name in data.setdefault(bus, {}):
            raise TableError(f"bus {bus}, class {name!r} stands here a second time", line)
        data[bus][name] = _number(share, "share", line)
        lines.setdefault((bus,), line)
        lines[bus, name] = line
    if not data:
        raise TableError("has no rows")
    return Table(data, lines)


def read_limits(file: Path, element: str, limit: str) -> Table:
    """Read the columns ``element, limit`` into a table of limits by element.

    Parameters
    ----------
    element, limit : the columns' names, such as ``branch`` and ``rate_mva``
    """
    data: dict[str, float] = {}
    lines: dict[KeyPath, int] = {}
    for line, (name, value) in _rows(file, (element, limit)):
        if not name:
            raise TableError(f"{element} is empty", line)
        if name in data:
            raise TableError(f"{element} {name!r} stands here a second time", line)
        data[name] = _number(value, limit, line)
        lines[name,] = line
    if not data:
        raise TableError("has no rows")
    return Table(data, lines)


def read_cells(file: Path) -> list[tuple[int, list[str]]]:
    """Give every row that is not empty with its line number, the header first."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TableError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise TableError(f"is not UTF-8 text: {error.reason}") from None
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        rows = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        raise TableError(f"is not a CSV table: {error}", reader.line_num) from None
    head, rows = rows[:1] or [(1, [])], rows[1:]
    return head + [(line, cells) for line, cells in rows if any(cells)]


def read_by_kind(file: Path, value: str) -> Table:
    """Read the columns ``kind, element`` and another into a table of values by kind and element.

    Parameters
    ----------
    value : the other column's name, such as ``probability``
    """
    data: dict[str, dict[str, float]] = {}
    lines: dict[KeyPath, int] = {}
    for line, (kind, name, number) in _rows(file, ("kind", "element", value)):
        if not kind or not name:
            raise TableError("kind or element is empty", line)
        if name in data.setdefault(kind, {}):
            raise TableError(f"{kind} {name!r} stands here a second time", line)
        data[kind][name] = _number(number, value, line)
        lines.setdefault((kind,), line)
        lines[kind, name] = line
    if not data:
        raise TableError("has no rows")
    return Table(data, lines)


def _rows(file: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Give each row with its line number, its cells in the order of `columns`."""
    rows = read_cells(file)
    header = [name.lower() for name in rows[0][1]]
    if sorted(header) != sorted(columns):
        found = ",".join(header)
        raise TableError(f"the header must be {','.join(columns)}, found {found!r}", 1)
    order = [header.index(column) for column in columns]
    for line, cells in rows[1:]:
        if len(cells) != len(columns):
            raise TableError(f"must have {len(columns)} cells, found {len(cells)}", line)
        yield line, [cells[position] for position in order]


def _number(cell: str, column: str, line: int) -> float:
    try:
        return float(cell)
    except ValueError:
        raise TableError(f"{column} must be a number, found {cell!r}", line) from None
