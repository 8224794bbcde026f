"""CSV tables of ``[restore]``; what is wrong in a cell is left to the schema, so that all shows."""

from pathlib import Path
from typing import Any

from hybridopt.case_place import KeyPath
from hybridopt.case_tables import Table, TableError, read_cells


def read_values(file: Path, key: str, value: str) -> Table:
    """Read two columns into a table of values by key.

    A key that stands there again is kept apart by blanks at its end: who reads the keys strips
    them, and finds it twice, each with its line.
    """
    data: dict[str, Any] = {}
    lines: dict[KeyPath, int] = {}
    rows = read_cells(file)
    _, header = rows[0]
    names = [cell.lower() for cell in header]
    if sorted(names) != sorted((key, value)):
        found = ",".join(names)
        raise TableError(f"the header must be {key},{value}, found {found!r}", 1)
    for line, cells in rows[1:]:
        _check_width(cells, 2, line)
        name = _again(cells[names.index(key)], data)
        data[name] = number(cells[names.index(value)])
        lines[(name,)] = line
    return Table(data, lines)


def read_matrix(file: Path) -> Table:
    """Read a square table of hours: rows are where a crew comes from, columns where it goes."""
    rows = read_cells(file)
    _, (_, *columns) = rows[0]
    for name in columns:
        if columns.count(name) > 1:
            raise TableError(f"column {name!r} stands here a second time", 1)
    data: dict[str, Any] = {}
    lines: dict[KeyPath, int] = {}
    for line, cells in rows[1:]:
        _check_width(cells, len(columns) + 1, line)
        name = _again(cells[0], data)
        data[name] = {to: number(cell) for to, cell in zip(columns, cells[1:], strict=True)}
        lines[(name,)] = line
        lines |= {(name, to): line for to in columns}
    return Table(data, lines)


def _check_width(cells: list[str], width: int, line: int) -> None:
    if len(cells) != width:
        raise TableError(f"must have {width} cells, found {len(cells)}", line)


def _again(name: str, known: dict[str, Any]) -> str:
    while name in known:
        name += " "
    return name


def number(cell: str) -> float | str:
    """A cell as a number, or as it is."""
    try:
        return float(cell)
    except ValueError:
        return cell
