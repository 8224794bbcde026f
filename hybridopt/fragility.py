"""How likely an element fails: lognormal fragility curves, and the wind that blows on it."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import ndtr

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


def failure_probability(intensity: ArrayLike, median: ArrayLike, beta: ArrayLike) -> Floats:
    """Lognormal fragility curve, P = Phi(ln(intensity / median) / beta).

    Parameters
    ----------
    intensity : (...,), at least 0; in the unit of ``median`` (m/s, g or m)
    median : (...,), above 0; intensity at which half of the elements fail
    beta : (...,), above 0; standard deviation of the logarithm of the capacity

    Returns
    -------
    (...,), 1; 0 where the intensity is 0

    Notes
    -----
    The form of FEMA's Hazus earthquake manual and of most fragility curves of poles, towers and
    substations, e.g. Panteli, Pickering, Wilkinson, Dawson and Mancarella, IEEE Transactions on
    Power Systems 32(5), 2017, for wind.
    """
    with np.errstate(divide="ignore"):
        return np.asarray(ndtr((np.log(intensity) - np.log(median)) / np.asarray(beta)))


def wind_speed(distance: ArrayLike, speed: float, background: float, width: float) -> Floats:
    """Speed beside a storm's track, background + (speed - background) exp(-(d / width)^2 / 2).

    Parameters
    ----------
    distance : (...,), in the unit of ``width``
    speed, background : m/s, on the track and far from it

    Returns
    -------
    (...,), m/s

    Notes
    -----
    A bell over the distance: ours, the simplest field with a width. It is no model of a cyclone.
    """
    bell = np.exp(-0.5 * (np.asarray(distance, dtype=float) / width) ** 2)
    return np.asarray(background + (speed - background) * bell)


def distance_to_track(start: Floats, end: Floats, track: Floats) -> Floats:
    """Shortest distance between straight lines and a broken line in the plane.

    Parameters
    ----------
    start, end : (n, 2), ends of each line; equal for a point
    track : (m, 2), its corners; one of them is a place

    Returns
    -------
    (n,), 0 where they cross
    """
    legs = pairwise(track) if len(track) > 1 else [(track[0], track[0])]
    nearest = np.full(len(start), np.inf)
    for a, b in legs:
        apart = np.minimum.reduce(
            [
                _to_segment(start, a, b),
                _to_segment(end, a, b),
                _to_segment(np.broadcast_to(a, start.shape), start, end),
                _to_segment(np.broadcast_to(b, start.shape), start, end),
            ]
        )
        nearest = np.minimum(nearest, np.where(_cross(start, end, a, b), 0.0, apart))
    return nearest


def _to_segment(point: Floats, a: Floats, b: Floats) -> Floats:
    """Distance of points to segments, (n,)."""
    along = b - a
    length2 = np.sum(along * along, axis=-1)
    share = np.sum((point - a) * along, axis=-1) / np.where(length2 > 0, length2, 1.0)
    foot = a + np.clip(share, 0.0, 1.0)[..., None] * along
    return np.asarray(np.hypot(*(point - foot).T))


def _cross(p: Floats, q: Floats, a: Floats, b: Floats) -> NDArray[np.bool_]:
    """Whether segments p-q properly cross the segment a-b, (n,)."""

    def side(o: Floats, u: Floats, v: Floats) -> Floats:
        first, second = u - o, v - o
        return np.asarray(first[..., 0] * second[..., 1] - first[..., 1] * second[..., 0])

    apart = side(a, b, p) * side(a, b, q) < 0
    return np.asarray(apart & (side(p, q, a) * side(p, q, b) < 0))
