"""CSV tables of ``[restore]``; what is wrong in a cell is left to the schema, so that all shows."""

from pathlib import Path
from typing import Any

from hybridopt.case_place import KeyPath
from hybridopt.case_tables import Table, TableError, check_width, each, number, read_cells


def read_values(file: Path, key: str, value: str) -> Table:
    """Read two columns into a table of values by key."""
    data: dict[str, Any] = {}
    lines: dict[KeyPath, int] = {}
    rows = read_cells(file)
    _, header = rows[0]
    names = [cell.lower() for cell in header]
    if sorted(names) != sorted((key, value)):
        found = ",".join(names)
        raise TableError(f"the header must be {key},{value}, found {found!r}", 1)

    def take(line: int, cells: list[str]) -> None:
        check_width(cells, 2, line)
        name = cells[names.index(key)]
        if name in data:
            raise TableError(f"{key} {name!r} stands here a second time", line)
        data[name] = number(cells[names.index(value)])
        lines[(name,)] = line

    problems = each(rows[1:], take)
    if problems:
        raise TableError(problems, rest=Table(data, lines))
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

    def take(line: int, cells: list[str]) -> None:
        check_width(cells, len(columns) + 1, line)
        name = cells[0]
        while name in data:  # the schema, which looks at all names, finds it there again
            name += " "
        data[name] = {to: number(cell) for to, cell in zip(columns, cells[1:], strict=True)}
        lines[(name,)] = line
        lines.update({(name, to): line for to in columns})

    problems = each(rows[1:], take)
    if problems:
        raise TableError(problems)
    return Table(data, lines)
