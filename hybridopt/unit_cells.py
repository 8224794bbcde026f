"""CSV tables with named columns: cells with their places, and every finding at once."""

from __future__ import annotations

import csv
import difflib
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from hybridopt.errors import Finding, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SHOWN = 8  # columns named in a finding


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes
    ----------
    line : its number in the file
    cells : text by column; absent columns are missing
    """

    line: int
    cells: dict[str, str]

    def __getitem__(self, column: str) -> str:
        """Text of a cell, empty for an absent column."""
        return self.cells.get(column, "")


@dataclass
class Cells:
    """A table and what is wrong with it so far.

    Attributes
    ----------
    path : for places
    header : columns in the file's order, lower case
    rows : those that aren't blank
    findings : in the order in which they were noticed
    """

    path: Path
    header: list[str]
    rows: list[Row]
    findings: list[Finding] = field(default_factory=list)

    def find(self, message: str, line: int = 0, column: str = "") -> None:
        """Note what is wrong."""
        place = f"{self.path}:{line}" if line else str(self.path)
        self.findings.append(Finding(f"{place} {column}" if column else place, message))

    def number(self, row: Row, column: str, default: float | None = None) -> float:
        """A finite number; NaN, with a finding, where there is none."""
        text = row[column]
        if not text and default is not None:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not math.isfinite(value):
            found = repr(text) if text else "nothing"
            self.find(f"must be a number, found {found}", row.line, column)
            return math.nan
        return value

    def check(self) -> None:
        """Raise the findings, if there are any."""
        if self.findings:
            raise InputError(self.findings)

    def check_header(self, required: Sequence[str], optional: Sequence[str] = ()) -> None:
        """Raise what is wrong with the columns; nothing below them could be read.

        Raises
        ------
        InputError
            A column is missing, unknown or there twice.
        """
        known, before = [*required, *optional], len(self.findings)
        for column in dict.fromkeys(self.header):
            if self.header.count(column) > 1:
                self.find(f"column {column!r} stands here more than once", 1)
            elif column not in known:
                close = difflib.get_close_matches(column, known, n=1)
                hint = f"; did you mean {close[0]!r}?" if close else f"; known: {_list(known)}"
                self.find(f"unknown column {column!r}{hint}", 1)
        missing = [column for column in required if column not in self.header]
        if missing:
            found = _list([column for column in self.header if column]) or "no columns"
            self.find(f"columns are missing: {_list(missing)}; found {found}", 1)
        if len(self.findings) > before:
            self.check()


def _list(names: Sequence[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ",".join(names[:SHOWN]) + more


def read_cells(path: Path) -> Cells:
    """Read a CSV file with a header.

    Raises
    ------
    InputError
        It cannot be read, is no CSV table, or has no rows.
    """
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError([Finding(str(path), f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 text: {error.reason}"
        raise InputError([Finding(str(path), message)]) from error
    reader = csv.reader(text.splitlines(), strict=True)
    try:
        lines = [(reader.line_num, [cell.strip() for cell in row]) for row in reader]
    except csv.Error as error:
        place = f"{path}:{reader.line_num}"
        raise InputError([Finding(place, f"is not a CSV table: {error}")]) from error
    lines = [(line, cells) for line, cells in lines if any(cells)]
    if len(lines) < 2:
        raise InputError([Finding(str(path), "has no rows")])
    table = Cells(path, [name.lower() for name in lines[0][1]], [])
    for line, cells in lines[1:]:
        if len(cells) != len(table.header):
            table.find(f"must have {len(table.header)} cells, found {len(cells)}", line)
        else:
            table.rows.append(Row(line, dict(zip(table.header, cells, strict=True))))
    return table
