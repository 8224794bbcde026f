"""Costs of a grid's units as numbers: polynomials and piecewise linear functions."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.unit_cost import Unit, linear_pieces, piece_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.grid import Grid
    from hybridopt.unit_cost import Piece

    Floats = NDArray[np.float64]


def unit_cost(grid: Grid, unit: int, p_mw: Floats) -> Floats:
    """Cost of a unit at some powers, the shape of ``p_mw``, currency per hour."""
    own = grid.gen_pieces[unit]
    if own is not None:
        table = piece_table([Unit("", own)])
        return np.asarray(table.cost(np.asarray(p_mw)[:, None])[:, 0], np.float64)
    points = grid.gen_pwl[unit]
    if points is not None:
        return np.asarray(piecewise(points, p_mw), dtype=np.float64)
    return np.asarray(np.polynomial.polynomial.polyval(p_mw, grid.gen_cost[unit]), np.float64)


def pieces_of_points(points: Floats | None) -> tuple[Piece, ...] | None:
    """Pieces of a piecewise linear cost that is not convex; None for others."""
    if points is None or is_convex(points):
        return None
    return linear_pieces([(float(p), float(cost)) for p, cost in points])


def convex_stand_in(own: tuple[Piece, ...]) -> Piece:
    """One smooth convex piece over all of them: to start from, never to report.

    The cost without its valve points where pieces share it, else the chord of the whole range.
    """
    first, last = own[0], own[-1]
    if all((p.a, p.b, p.c) == (first.a, first.b, first.c) for p in own) and first.c >= 0:
        return replace(first, high=last.high, e=0.0)
    ends = [p.a + p.b * at + p.c * at**2 for p, at in ((first, first.low), (last, last.high))]
    slope = (ends[1] - ends[0]) / max(last.high - first.low, 1e-9)
    a = ends[0] - slope * first.low
    return replace(first, high=last.high, a=a, b=slope, c=0.0, e=0.0)


def pieces(points: Floats) -> Floats:
    """Straight lines between neighbouring points of a piecewise linear cost.

    Parameters
    ----------
    points : (n_point, 2), MW ascending, currency per hour

    Returns
    -------
    (n_point - 1, 2), intercept (currency per hour) and slope (currency per MWh)
    """
    slope = np.diff(points[:, 1]) / np.diff(points[:, 0])
    return np.column_stack([points[:-1, 1] - slope * points[:-1, 0], slope])


def is_convex(points: Floats) -> bool:
    """Whether the slopes of a piecewise linear cost never fall (but for rounding)."""
    slope = pieces(points)[:, 1]
    return bool(np.all(np.diff(slope) >= -1e-9 * np.maximum(1.0, abs(slope[:-1]))))


def piecewise(points: Floats, p_mw: Floats) -> Floats:
    """Piecewise linear cost, its first and last piece going on beyond their ends.

    Parameters
    ----------
    points : (n_point, 2), MW ascending, currency per hour
    p_mw : MW, any shape

    Returns
    -------
    currency per hour, the shape of ``p_mw``
    """
    lines = pieces(points)
    at = np.clip(np.searchsorted(points[:, 0], p_mw, side="right") - 1, 0, len(lines) - 1)
    return np.asarray(lines[at, 0] + lines[at, 1] * p_mw, dtype=np.float64)
