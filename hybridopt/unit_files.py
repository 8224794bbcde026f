"""The CSV files of ``hybridopt ed``: units, demand, losses (described in docs/ed.md)."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.unit_cells import Cells, Row, read_cells
from hybridopt.unit_cost import (
    MOST_PIECES,
    Losses,
    Piece,
    Unit,
    linear_pieces,
    valve_pieces,
    without_zones,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LIMITS = ("unit", "pmin_mw", "pmax_mw")
SMOOTH = ("a", "b", "c")
VALVE = ("e", "f")
OTHERS = ("ramp_up", "ramp_down", "p0_mw", "prohibited", "points")
SAME_MW = 1e-9


def read_units(path: Path) -> tuple[Unit, ...]:
    """Read the units of a CSV file.

    Raises
    ------
    InputError
        Every finding with its line.
    """
    table = read_cells(path)
    smooth = () if "points" in table.header else SMOOTH
    table.check_header((*LIMITS, *smooth), (*SMOOTH, *VALVE, *OTHERS))
    units, lines = [], dict[str, int]()
    for row in table.rows:
        name = row["unit"]
        if not name:
            table.find("is empty", row.line, "unit")
        elif name in lines:
            table.find(f"unit {name!r} stands in line {lines[name]} already", row.line, "unit")
        lines.setdefault(name, row.line)
        before = len(table.findings)
        unit = _unit(table, row)
        if unit is not None and len(table.findings) == before:
            units.append(unit)
    table.check()
    return tuple(units)


def _unit(table: Cells, row: Row) -> Unit | None:
    """The unit of a row; None after findings that leave nothing to check."""
    low, high = table.number(row, "pmin_mw"), table.number(row, "pmax_mw")
    ramps = [_ramp(table, row, column) for column in ("ramp_up", "ramp_down")]
    p0 = table.number(row, "p0_mw") if row["p0_mw"] else None
    zones = _ranges(table, row, "prohibited", "-", "50-60;90-100")
    if low > high:
        table.find(f"{low:g} is above pmax_mw {high:g}", row.line, "pmin_mw")
        return None
    if low < 0:
        table.find(f"must be at least 0, found {low:g}", row.line, "pmin_mw")
    if p0 is not None and (p0 - ramps[1] > high or p0 + ramps[0] < low):
        message = f"the ramps don't lead from {p0:g} MW into {low:g} to {high:g} MW"
        table.find(message, row.line, "p0_mw")
    pieces = _cost(table, row, low, high)
    if not pieces:
        return None
    for start, end in zones:
        if end <= start:
            table.find(f"zone {start:g}-{end:g} must end above its start", row.line, "prohibited")
    pieces = without_zones(pieces, zones)
    if not pieces:
        table.find(f"leaves nothing of {low:g} to {high:g} MW", row.line, "prohibited")
        return None
    return Unit(row["unit"], pieces, ramps[0], ramps[1], p0)


def _ramp(table: Cells, row: Row, column: str) -> float:
    limit = table.number(row, column, math.inf)
    if limit < 0:
        table.find(f"must be at least 0, found {limit:g}", row.line, column)
    return limit


def _cost(table: Cells, row: Row, low: float, high: float) -> tuple[Piece, ...]:
    """Pieces of the cost; none after a finding."""
    before = len(table.findings)
    known = not math.isnan(low + high)
    if row["points"]:
        twice = [column for column in (*SMOOTH, *VALVE) if row[column]]
        if twice:
            table.find(f"replaces {','.join(twice)}: give one or the other", row.line, "points")
        points = _ranges(table, row, "points", ":", "100:1200;200:2600")
        if known and len(table.findings) == before:
            _check_points(table, row, points, low, high)
        if not known or len(table.findings) > before:
            return ()
        return _between(linear_pieces(points), low, high)
    a, b, c = (table.number(row, column) for column in SMOOTH)
    e, f = (table.number(row, column, 0.0) for column in VALVE)
    if abs(f) * (high - low) / math.pi > MOST_PIECES:
        message = f"{f:g} rad/MW makes more than {MOST_PIECES} valve points"
        table.find(message, row.line, "f")
    if not known or len(table.findings) > before:
        return ()
    return valve_pieces(low, high, (a, b, c), (e, f))


def _check_points(
    table: Cells, row: Row, points: Sequence[tuple[float, float]], low: float, high: float
) -> None:
    if len(points) < 2:
        table.find("needs at least two points", row.line, "points")
        return
    for (p, _), (after, _) in pairwise(points):
        if after <= p:
            table.find(f"MW must ascend, found {after:g} after {p:g}", row.line, "points")
    if points[0][0] > low + SAME_MW or points[-1][0] < high - SAME_MW:
        reach = f"{points[0][0]:g} to {points[-1][0]:g}"
        table.find(f"must reach from {low:g} to {high:g} MW, found {reach}", row.line, "points")


def _between(pieces: Sequence[Piece], low: float, high: float) -> tuple[Piece, ...]:
    """Pieces of a cost within the limits of its unit."""
    cut = [
        Piece(max(q.low, low), min(q.high, high), q.a, q.b)
        for q in pieces
        if q.low < high and q.high > low
    ]
    at = [Piece(low, high, q.a, q.b) for q in pieces if q.low <= low <= q.high]
    return tuple(cut or at[:1])


def _ranges(
    table: Cells, row: Row, column: str, sign: str, example: str
) -> list[tuple[float, float]]:
    """Pairs of numbers such as ``50-60;90-100``."""
    pairs = []
    for text in filter(None, (part.strip() for part in row[column].split(";"))):
        try:
            first, second = (float(number) for number in text.split(sign))
            if not (math.isfinite(first) and math.isfinite(second)):
                raise ValueError(text)
        except ValueError:
            table.find(f"must look like {example}, found {text!r}", row.line, column)
            continue
        pairs.append((first, second))
    return pairs


def read_demand(path: Path) -> Floats:
    """Read the columns ``hour, demand_mw``, hours 1, 2, ... in any order: MW, hour 1 first.

    Raises
    ------
    InputError
        Every finding with its line.
    """
    table = read_cells(path)
    table.check_header(("hour", "demand_mw"))
    demand: dict[int, float] = {}
    for row in table.rows:
        text = row["hour"]
        hour = int(text) if text.isascii() and text.isdigit() else 0
        value = table.number(row, "demand_mw")
        if hour < 1:
            message = f"must be a whole number of at least 1, found {text!r}"
            table.find(message, row.line, "hour")
        elif hour in demand:
            table.find(f"hour {hour} stands here a second time", row.line, "hour")
        else:
            demand[hour] = value
        if value < 0:
            table.find(f"must be at least 0, found {value:g}", row.line, "demand_mw")
    if not table.findings:
        missing = [str(h) for h in range(1, max(demand) + 1) if h not in demand]
        if missing:
            shown = ", ".join(missing[:10]) + (", ..." if len(missing) > 10 else "")
            table.find(f"must have every hour up to {max(demand)}; missing: {shown}")
    table.check()
    return np.array([demand[hour] for hour in sorted(demand)])


def read_losses(path: Path, units: Sequence[Unit]) -> Losses:
    """Read B-coefficients: a row and a column for each unit, rows ``B0`` and ``B00`` if wanted.

    Raises
    ------
    InputError
        Every finding with its line.
    """
    table = read_cells(path)
    names = [unit.name for unit in units]
    first = table.header[0]
    table.check_header((first, *(name.lower() for name in names)))
    values = {row[first]: _loss_row(table, row, names) for row in table.rows}
    counted = [row[first] for row in table.rows]
    for row in table.rows:
        if counted.count(row[first]) > 1:
            table.find(f"row {row[first]!r} stands here more than once", row.line)
        elif row[first] not in (*names, "B0", "B00"):
            table.find(f"{row[first]!r} is neither a unit nor B0 or B00", row.line, first)
    missing = [name for name in names if name not in values]
    if missing:
        table.find(f"must have a row for each unit; missing: {','.join(missing)}")
    table.check()
    b = np.array([values[name] for name in names])
    zeros = np.zeros(len(names))
    b0, b00 = values.get("B0", zeros), float(np.sum(values.get("B00", zeros)))
    losses = Losses((b + b.T) / 2, np.asarray(b0, dtype=float), b00)
    _check_size(table, losses, units)
    table.check()
    return losses


def _loss_row(table: Cells, row: Row, names: Sequence[str]) -> list[float]:
    """Numbers of a row; the row ``B00`` has one, in any of its cells."""
    only = row.cells[table.header[0]] == "B00"
    if only and sum(bool(row[name.lower()]) for name in names) != 1:
        table.find("must have one number", row.line, "B00")
        return [0.0] * len(names)
    return [table.number(row, name.lower(), 0.0 if only else None) for name in names]


def _check_size(table: Cells, losses: Losses, units: Sequence[Unit]) -> None:
    """Each MW produced must deliver something, whatever the others do."""
    high = np.array([unit.p_max for unit in units])
    steepest = losses.b0 + 2 * np.maximum(losses.b, 0.0) @ high
    worst = int(np.argmax(steepest))
    if steepest[worst] >= 1:
        table.find(
            f"unit {units[worst].name!r} would lose {steepest[worst]:.3g} MW of each further MW; "
            "B is in 1/MW (values in per unit are divided by their base in MVA)"
        )
