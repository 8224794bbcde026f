"""Operating costs of generators."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def polynomial(coefficients: Sequence[float], p_mw: Any) -> Any:
    """Cost per hour ``c0 + c1 p + c2 p^2 + ...`` (Diaz Vargas et al. 2024, section 4.3).

    Parameters
    ----------
    coefficients : ascending powers, currency per hour, per MWh, per MW^2 h, ...
    p_mw : MW, a Pyomo expression or a number

    Returns
    -------
    currency per hour
    """
    return sum((c * p_mw**k if k else c) for k, c in enumerate(coefficients) if c != 0 or k == 0)


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


def piecewise(points: Floats, p_mw: Any) -> Any:
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
