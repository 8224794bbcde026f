"""Where buses stand on the map: the data's coordinates, or a computed layout, decluttered."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import networkx as nx
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MANY = 60  # buses up to which a planar start is worth its time
HUGE = 400  # buses from which Kamada-Kawai takes too long


def place_buses(given: Floats, ends: Ints, width: float, margin: float) -> tuple[Floats, float]:
    """Positions of the buses on a drawing of a given width.

    Parameters
    ----------
    given : (n_bus, 2), x to the east and y to the north, NaN where not known
    ends : (n_branch, 2) bus positions
    width, margin : canvas units; the margin is kept free on every side

    Returns
    -------
    (n_bus, 2), canvas units with y downward, and the height of the drawing
    """
    ends = np.unique(np.sort(ends, axis=1), axis=0) if len(ends) else ends.reshape(0, 2)
    ends = ends[ends[:, 0] != ends[:, 1]]
    if _usable(given):
        at = given - given.mean(axis=0)
    else:
        at = _upright(_computed_layout(len(given), ends))
    at, height = _fit(at, width, margin)
    room = math.sqrt((width - 2 * margin) * (height - 2 * margin) / max(len(at), 1))
    if len(at) <= HUGE:
        at = _declutter(at, ends, apart=min(0.62 * room, 56.0), clear=min(0.2 * room, 14.0))
    return np.clip(at, margin, [width - margin, height - margin]), height


def _usable(given: Floats) -> bool:
    """Whether every bus has coordinates and at most a few share them."""
    if len(given) == 0 or not np.isfinite(given).all():
        return False
    return len(np.unique(given.round(9), axis=0)) >= max(0.9 * len(given), 1)


def _computed_layout(n: int, ends: Ints) -> Floats:
    """Straight-line layout with few crossings, the same every time."""
    graph = nx.Graph()
    graph.add_nodes_from(range(n))
    graph.add_edges_from((int(a), int(b)) for a, b in ends)
    if n < 3:
        return np.array([[float(i), 0.0] for i in range(n)])
    parts = sorted(min(part) for part in nx.connected_components(graph))
    graph.add_edges_from((parts[0], other) for other in parts[1:])
    if n > HUGE:
        return _as_array(nx.spring_layout(graph, seed=0, iterations=60), n)
    circle, spectrum = nx.circular_layout(graph), nx.spectral_layout(graph)
    # The spectral layout unfolds meshes; a little of the circle parts buses that it puts together.
    starts = [{bus: spectrum[bus] + 0.03 * circle[bus] for bus in graph}, circle]
    if n <= MANY and nx.check_planarity(graph)[0]:
        starts.append(nx.planar_layout(graph))
    layouts = [_as_array(nx.kamada_kawai_layout(graph, pos=start), n) for start in starts]
    return min(layouts, key=lambda at: _crossings(at, ends))


def _as_array(positions: dict[int, Sequence[float]], n: int) -> Floats:
    return np.array([positions[i] for i in range(n)], dtype=float)


def _crossings(at: Floats, ends: Ints) -> int:
    """Pairs of branches that cross."""
    a, b = at[ends[:, 0]], at[ends[:, 1]]

    def side(p: Floats, q: Floats, r: Floats) -> Floats:
        """Sign of the turn p, q, r: (n, n) for rows p, q and columns r."""
        along, across = q - p, r[None, :, :] - p[:, None, :]
        turn: Floats = np.sign(
            along[:, None, 0] * across[..., 1] - along[:, None, 1] * across[..., 0]
        )
        return turn

    splits = side(a, b, a) * side(a, b, b) < 0
    return int(np.count_nonzero(splits & splits.T) // 2)


def _upright(at: Floats) -> Floats:
    """Turn a layout so that its long axis lies flat, with a fixed choice of sign."""
    at = at - at.mean(axis=0)
    _, axes = np.linalg.eigh(at.T @ at)
    turned: Floats = at @ axes[:, ::-1]
    signs = np.where(turned[0] > 0, -1.0, 1.0)  # the first bus stands at the upper left
    signs[1] = -signs[1]
    return turned * signs


def _fit(at: Floats, width: float, margin: float) -> tuple[Floats, float]:
    """Scale to the width; the drawing is between 0.62 and 1 times as high as wide."""
    low, span = at.min(axis=0), np.ptp(at, axis=0)
    span = np.where(span > 1e-9, span, 1.0)
    inner = width - 2 * margin
    tall = float(np.clip(span[1] / span[0], 0.62, 1.0)) * inner if len(at) > 2 else 0.4 * inner
    fitted = (at - low) / span * [inner, tall]
    fitted[:, 1] = tall - fitted[:, 1]
    alone = np.ptp(at, axis=0) <= 1e-9
    fitted[:, alone] = np.array([inner, tall])[alone] / 2
    return fitted + margin, tall + 2 * margin


def _declutter(at: Floats, ends: Ints, apart: float, clear: float) -> Floats:
    """Push buses apart from one another and off branches that aren't theirs."""
    at = at.copy()
    for _ in range(80):
        push = _away_from_buses(at, apart) + _away_from_branches(at, ends, clear)
        if np.abs(push).max(initial=0.0) < 0.05:
            break
        at += np.clip(push, -6, 6)
    return at


def _away_from_buses(at: Floats, apart: float) -> Floats:
    gap = at[:, None, :] - at[None, :, :]
    distance = np.hypot(gap[..., 0], gap[..., 1])
    angle = 2.4 * np.arange(
        len(at)
    )  # buses in the very same place leave it in different directions
    gap = np.where(
        distance[..., None] < 1e-9, np.stack([np.cos(angle), np.sin(angle)], axis=1)[:, None], gap
    )
    short = np.clip(apart - distance, 0, None)
    np.fill_diagonal(short, 0.0)
    scaled: Floats = gap / np.maximum(distance, 1.0)[..., None] * short[..., None]
    total: Floats = 0.3 * scaled.sum(axis=1)
    return total


def _away_from_branches(at: Floats, ends: Ints, clear: float) -> Floats:
    if len(ends) == 0:
        return np.zeros_like(at)
    a, b = at[ends[:, 0]], at[ends[:, 1]]
    along = b - a
    length2 = np.maximum((along**2).sum(axis=1), 1e-9)
    foot = ((at[:, None] - a) * along).sum(axis=2) / length2
    inside = (foot > 0.05) & (foot < 0.95)
    gap = at[:, None] - (a + foot[..., None] * along)
    distance = np.hypot(gap[..., 0], gap[..., 1])
    normal = np.stack([-along[:, 1], along[:, 0]], axis=1) / np.sqrt(length2)[:, None]
    gap = np.where(
        (distance < 1e-6)[..., None], normal, gap / np.maximum(distance, 1e-6)[..., None]
    )
    inside[ends[:, 0], np.arange(len(ends))] = False
    inside[ends[:, 1], np.arange(len(ends))] = False
    short = np.where(inside, np.clip(clear - distance, 0, None), 0.0)
    push: Floats = 0.5 * (gap * short[..., None]).sum(axis=1)
    return push
