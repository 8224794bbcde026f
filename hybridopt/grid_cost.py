"""Costs of a grid's units as numbers: polynomials and piecewise linear functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.grid import Grid

    Floats = NDArray[np.float64]


def unit_cost(grid: Grid, unit: int, p_mw: Floats) -> Floats:
    """Cost of a unit at some powers, the shape of ``p_mw``, currency per hour."""
    points = grid.gen_pwl[unit]
    if points is not None:
        return np.asarray(piecewise(points, p_mw), dtype=np.float64)
    return np.asarray(np.polynomial.polynomial.polyval(p_mw, grid.gen_cost[unit]), np.float64)


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
    return lines[at, 0] + lines[at, 1] * p_mw
