"""MATPOWER case files (version 2) as tables, every row with the line it stands in.

A reader of our own: those in libraries lose the line numbers that findings need. What it doesn't
understand (arithmetic, calls, assignments to parts of a table, but for the conversions that
MATPOWER's distribution cases end with) is a finding, never a guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.errors import Finding
from hybridopt.matpower_feeders import convert

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

ASSIGNMENT = re.compile(r"\s*(?:[A-Za-z]\w*\.)?([A-Za-z]\w*(?:\.\w+)*)\s*=(?!=)\s*(.*)", re.DOTALL)
FIELD = re.compile(r"\s*[A-Za-z]\w*\.[\w.]+\s*=(?!=)")
SCALAR = re.compile(r"('(?:[^']|'')*'|\"[^\"]*\"|[^;]*)\s*;?(.*)", re.DOTALL)
HARMLESS = re.compile(r"\s*(function\b.*|end|endfunction|return|1)\s*;?\s*")
PLAIN_ROW = re.compile(r"[-+0-9.eE\s]*")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eEdD][+-]?\d+)?|[+-]?inf|nan", re.IGNORECASE)
QUOTED = re.compile(r"'((?:[^']|'')*)'|\"([^\"]*)\"")
CLOSING = {"[": "]", "{": "}"}


@dataclass(frozen=True, eq=False)
class Table:
    """A matrix of the file.

    Attributes
    ----------
    line : where its assignment stands
    rows : (n_row, n_column)
    row_line : (n_row,), line of each row
    """

    line: int
    rows: NDArray[np.float64]
    row_line: tuple[int, ...]


@dataclass(eq=False)
class MatpowerFile:
    """What a file assigns.

    Attributes
    ----------
    tables, numbers, texts, names : matrices, scalars, strings and cell arrays of strings by field
    lines : line of each field
    formulas : what the conversions of distribution cases need
    findings : what could not be read
    last_line : number of lines
    """

    source: str
    tables: dict[str, Table] = field(default_factory=dict)
    numbers: dict[str, float] = field(default_factory=dict)
    texts: dict[str, str] = field(default_factory=dict)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    lines: dict[str, int] = field(default_factory=dict)
    formulas: dict[str, float] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    last_line: int = 1

    def note(self, line: int, message: str) -> None:
        """Add a finding at a line."""
        self.findings.append(Finding(f"{self.source}:{line}", message))


def parse_matpower(text: str, source: str) -> MatpowerFile:
    """Read the text of a ``.m`` file.

    Parameters
    ----------
    source : what findings call the file

    Returns
    -------
    MatpowerFile
        With a finding for everything that could not be read.
    """
    file = MatpowerFile(source, last_line=text.count("\n") + 1)
    pieces = _Pieces(_code_lines(text))
    for line, piece in pieces:
        if not piece.strip(" \t;,") or HARMLESS.fullmatch(piece):
            continue
        if convert(file, piece):
            continue
        match = ASSIGNMENT.fullmatch(piece)
        if match is None:
            shown = piece.strip()[:60]
            file.note(line, f"is not an assignment of numbers or of a table: {shown!r}")
            continue
        name, value = match.groups()
        if name in file.lines:
            file.note(line, f"mpc.{name} is given twice (first in line {file.lines[name]})")
        file.lines[name] = line
        if value[:1] in CLOSING:
            _read_block(file, name, line, value, pieces)
        else:
            _read_value(file, name, line, value, pieces)
    return file


class _Pieces:
    """Lines of code with their numbers; what is left of a line can be put back."""

    def __init__(self, lines: Iterator[tuple[int, str]]) -> None:
        self._lines, self._left = lines, list[tuple[int, str]]()

    def __iter__(self) -> Iterator[tuple[int, str]]:
        return self

    def __next__(self) -> tuple[int, str]:
        return self._left.pop() if self._left else next(self._lines)

    def put_back(self, line: int, piece: str) -> None:
        self._left.append((line, piece))


def _code_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines without comments, those that ``...`` continues joined; numbered from 1."""
    depth, start, held = 0, 0, ""
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), 1):
        bare = raw.strip()
        if bare in {"%{", "%}"}:
            depth = max(depth + (1 if bare == "%{" else -1), 0)
            continue
        if depth:
            continue
        line = _without_comment(raw) if "%" in raw else raw
        start = start if held else number
        head, dots, _ = line.partition("...")
        if dots:
            held += head + " "
            continue
        yield start, held + line
        held = ""
    if held:
        yield start, held


def _without_comment(line: str) -> str:
    """Cut a line at the first % that stands in no text."""
    head = line.partition("%")[0]
    if "'" not in head and '"' not in head:
        return head
    inside = ""
    for k, char in enumerate(line):
        if inside:
            inside = "" if char == inside else inside
        elif char in "'\"":
            inside = char
        elif char == "%":
            return line[:k]
    return line


def _read_value(file: MatpowerFile, name: str, line: int, value: str, pieces: _Pieces) -> None:
    """Read a scalar or a text, ``100;`` or ``'2';``."""
    match = SCALAR.fullmatch(value)
    written, rest = match.groups() if match else (value, "")
    bare = written.strip().rstrip(",")
    if rest.strip():
        pieces.put_back(line, rest)
    if QUOTED.fullmatch(bare):
        file.texts[name] = bare[1:-1]
    elif NUMBER.fullmatch(bare):
        file.numbers[name] = _number(bare)
    else:
        message = f"mpc.{name} must be a number, a text or a table, found {bare[:60]!r}"
        file.note(line, f"{message} (formulas are not read)")


def _read_block(file: MatpowerFile, name: str, line: int, value: str, pieces: _Pieces) -> None:
    """Read a matrix in brackets or a cell array in braces, up to what closes it."""
    close = CLOSING[value[0]]
    body: list[tuple[int, str]] = []
    at, piece = line, value[1:]
    while True:
        end = _position(piece, close)
        if end >= 0:
            body.append((at, piece[:end]))
            rest = piece[end + 1 :].lstrip(" \t;,")
            if rest:
                pieces.put_back(at, rest)
            break
        body.append((at, piece))
        following = next(pieces, None)
        if following is None or FIELD.match(following[1]):
            file.note(line, f"mpc.{name} opens here and is not closed by {close}: is it cut off?")
            if following is not None:
                pieces.put_back(*following)
            return
        at, piece = following
    if close == "}":
        quoted = [m for _, part in body for m in QUOTED.finditer(part)]
        texts = [m[1] if m[1] is not None else m[2] for m in quoted]
        file.names[name] = tuple(text.replace("''", "'") for text in texts)
    else:
        _read_matrix(file, name, line, body)


def _position(piece: str, close: str) -> int:
    """Where a bracket stands outside texts, -1 if nowhere."""
    if "'" not in piece and '"' not in piece:
        return piece.find(close)
    hidden = QUOTED.sub(lambda m: " " * len(m[0]), piece)
    return hidden.find(close)


def _read_matrix(file: MatpowerFile, name: str, line: int, body: list[tuple[int, str]]) -> None:
    """Read the rows of a matrix; a wrong one becomes a row of NaN, so that none is missing."""
    rows: list[list[float] | None] = []
    lines: list[int] = []
    for at, part in body:
        for written in part.split(";"):
            if written.strip():
                rows.append(_read_row(file, name, at, written))
                lines.append(at)
    width = next((len(row) for row in rows if row), 0)
    data = np.full((len(rows), width), np.nan)
    for k, row in enumerate(rows):
        if row is not None and len(row) != width:
            message = f"mpc.{name}: the row has {len(row)} columns, the first has {width}"
            file.note(lines[k], message)
        elif row is not None:
            data[k] = row
    file.tables[name] = Table(line, data, tuple(lines))


def _read_row(file: MatpowerFile, name: str, line: int, written: str) -> list[float] | None:
    """Numbers of a row; None, and a finding, when something else stands in it."""
    text = written
    if "," in text:
        if re.search(r",\s*,|^\s*,", text):
            file.note(line, f"mpc.{name}: a number is missing between two commas")
            return None
        text = text.replace(",", " ")
    if PLAIN_ROW.fullmatch(text):
        try:
            return [float(token) for token in text.split()]
        except ValueError:
            pass
    wrong = [token for token in text.split() if not NUMBER.fullmatch(token)]
    for token in wrong[:1]:
        message = f"mpc.{name}: {token[:40]!r} is not a number (formulas are not read)"
        file.note(line, message)
    return None if wrong else [_number(token) for token in text.split()]


def _number(token: str) -> float:
    return float(token.lower().replace("d", "e"))  # 1d3 is Fortran's
