"""Pieces of a unit's cost hour by hour that its ramps can follow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.unit_cost import Piece

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

POINTS = 200  # outputs that are considered, at least
MOST_POINTS = 800
ROUNDING_MW = 1e-9


def ramped_pieces(
    pieces: Sequence[Piece], target: Floats, most: Floats, ramp: tuple[float, float]
) -> Ints | None:
    """Pieces of outputs that follow a target as closely as ramps and zones allow.

    Dynamic programming over the hours, on points inside the pieces: least sum of squared distances
    to the target.

    Parameters
    ----------
    target, most : (n_t,), MW, outputs wanted and largest ones, in consecutive hours
    ramp : MW, largest rise and fall between them

    Returns
    -------
    (n_t,) pieces; None where ramps allow nothing
    """
    points, piece = _points(pieces, min(ramp))
    up, down = ramp[0] + ROUNDING_MW, ramp[1] + ROUNDING_MW
    rise = points[None, :] - points[:, None]
    allowed = (rise <= up) & (rise >= -down)
    cost = np.where(points <= most[0] + ROUNDING_MW, (points - target[0]) ** 2, np.inf)
    came_from = np.zeros((len(target), len(points)), dtype=np.int64)
    for t in range(1, len(target)):
        through = np.where(allowed, cost[:, None], np.inf)
        came_from[t] = through.argmin(axis=0)
        here = np.where(points <= most[t] + ROUNDING_MW, (points - target[t]) ** 2, np.inf)
        cost = through.min(axis=0) + here
    if not np.isfinite(cost).any():
        return None
    at = int(cost.argmin())
    path = [at]
    for t in range(len(target) - 1, 0, -1):
        at = int(came_from[t, at])
        path.append(at)
    return np.asarray(piece[path[::-1]], dtype=np.int64)


def _points(pieces: Sequence[Piece], ramp: float) -> tuple[Floats, Ints]:
    """Outputs inside the pieces, MW, their ends among them, and the piece of each."""
    width = sum(piece.high - piece.low for piece in pieces)
    step = max(min(width / POINTS, ramp / 2), width / MOST_POINTS, 1e-9)
    parts = [
        np.linspace(piece.low, piece.high, int(np.ceil((piece.high - piece.low) / step)) + 1)
        for piece in pieces
    ]
    number = np.repeat(np.arange(len(parts)), [len(part) for part in parts])
    return np.concatenate(parts), number
