"""The CSV tables that a case file may name: a day, shares of customer classes, limits."""

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hybridopt.case_place import KeyPath

HOURS = 24


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


class TableError(Exception):
    """What is wrong with a table; the case file's reader makes findings of it.

    Attributes
    ----------
    problems : line (0: the file as a whole) and message of each
    rest : the table without its wrong rows, in which other things may be wrong; None where the
        rest means nothing
    """

    def __init__(
        self, problems: str | Sequence[tuple[int, str]], line: int = 0, rest: Table | None = None
    ) -> None:
        super().__init__(problems, line, rest)
        self.problems = [(line, problems)] if isinstance(problems, str) else list(problems)
        self.rest = rest


def read_day(file: Path, column: str = "factor") -> Table:
    """Read the columns ``hour`` and another (``factor``) into 24 values, hour 1 first.

    Rows may stand in any order. The values' ranges are the schema's business.
    """
    rows: dict[int, tuple[float, int]] = {}

    def take(line: int, hour: str, factor: str) -> None:
        if not (re.fullmatch("0{0,9}[0-9]{1,2}", hour) and 1 <= int(hour) <= HOURS):
            raise TableError(f"hour must be a whole number from 1 to {HOURS}, found {hour!r}", line)
        if int(hour) in rows:
            raise TableError(f"hour {int(hour)} stands here a second time", line)
        rows[int(hour)] = (_number(factor, column, line), line)

    problems = _each_row(file, ("hour", column), take)
    if problems:
        raise TableError(problems)
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

    def take(line: int, bus: str, name: str, share: str) -> None:
        if name in data.setdefault(bus, {}):
            raise TableError(f"bus {bus}, class {name!r} stands here a second time", line)
        data[bus][name] = _number(share, "share", line)
        lines.setdefault((bus,), line)
        lines[bus, name] = line

    problems = _each_row(file, ("bus", "class", "share"), take)
    if problems:
        raise TableError(problems)
    if not data:
        raise TableError("has no rows")
    return Table(data, lines)


def read_limits(file: Path, element: str, limit: str) -> Table:
    """Read the columns ``element, limit`` into a table of limits by element.

    Parameters
    ----------
    element, limit : the columns' names, such as ``branch`` and ``rate_mva``
    """
    data: dict[str, float | str] = {}
    lines: dict[KeyPath, int] = {}

    def take(line: int, name: str, value: str) -> None:
        if not name:
            raise TableError(f"{element} is empty", line)
        if name in data:
            raise TableError(f"{element} {name!r} stands here a second time", line)
        data[name] = number(value)
        lines[name,] = line

    problems = _each_row(file, (element, limit), take)
    return _whole(data, lines, problems)


def read_cells(file: Path) -> list[tuple[int, list[str]]]:
    """Give every row that is not empty with its line number, the header first."""
    try:
        text = file.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise TableError(f"cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise TableError(f"is not UTF-8 text: {error.reason}") from None
    except ValueError as error:  # a name that no file can have
        raise TableError(f"cannot be read: {error}") from None
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
    data: dict[str, dict[str, float | str]] = {}
    lines: dict[KeyPath, int] = {}

    def take(line: int, kind: str, name: str, cell: str) -> None:
        if not kind or not name:
            raise TableError("kind or element is empty", line)
        if name in data.setdefault(kind, {}):
            raise TableError(f"{kind} {name!r} stands here a second time", line)
        data[kind][name] = number(cell)
        lines.setdefault((kind,), line)
        lines[kind, name] = line

    problems = _each_row(file, ("kind", "element", value), take)
    return _whole(data, lines, problems)


def _each_row(
    file: Path, columns: tuple[str, ...], take: Callable[..., None]
) -> list[tuple[int, str]]:
    """Hand over the line number and the cells of each row, in the order of ``columns``.

    Returns
    -------
    problems : line and message of what was wrong with any row
    """
    rows = read_cells(file)
    header = [name.lower() for name in rows[0][1]]
    if sorted(header) != sorted(columns):
        found = ",".join(header)
        raise TableError(f"the header must be {','.join(columns)}, found {found!r}", 1)
    order = [header.index(column) for column in columns]

    def take_row(line: int, cells: list[str]) -> None:
        check_width(cells, len(columns), line)
        take(line, *(cells[position] for position in order))

    return each(rows[1:], take_row)


def each(
    rows: Iterable[tuple[int, list[str]]], take: Callable[[int, list[str]], None]
) -> list[tuple[int, str]]:
    """Hand each row over; line and message of what was wrong with any."""
    problems: list[tuple[int, str]] = []
    for line, cells in rows:
        try:
            take(line, cells)
        except TableError as error:
            problems += error.problems
    return problems


def _whole(data: Any, lines: dict[KeyPath, int], problems: list[tuple[int, str]]) -> Table:
    """The table; with problems, or without rows, it is raised."""
    if problems:
        raise TableError(problems, rest=Table(data, lines))
    if not data:
        raise TableError("has no rows")
    return Table(data, lines)


def check_width(cells: list[str], width: int, line: int) -> None:
    """Raise where a row has more or fewer cells than its table has columns."""
    if len(cells) != width:
        raise TableError(f"must have {width} cells, found {len(cells)}", line)


def _number(cell: str, column: str, line: int) -> float:
    found = number(cell)
    if isinstance(found, str):
        raise TableError(f"{column} must be a number, found {cell!r}", line)
    return found


def number(cell: str) -> float | str:
    """A cell as a number; as it is where it is none, which the schema says, with its line."""
    try:
        return cell if "_" in cell else float(cell)
    except ValueError:
        return cell
