"""What the maps share: where buses, units and labels stand, and how large they are."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.report_files import natural
from hybridopt.report_layout import place_buses

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from hybridopt.report_files import RunFiles

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

TWO_IN_A_ROW_FROM, FULL_WIDTH_FROM, NO_LABELS_FROM = 17, 51, 200  # buses
WIDTHS = {3: 400.0, 2: 540.0, 1: 1100.0}  # maps in a row -> canvas units
MARGIN = 36.0
FULL_TURN = 2 * math.pi


@dataclass(frozen=True, eq=False)
class Scene:
    """Everything about the map that is the same in each state.

    Attributes
    ----------
    columns : maps that stand side by side
    branches, sources : rows of the run's tables whose buses are known
    spot, radius : bus -> (x, y) and size of its disc
    bends : per branch, canvas units by which parallel branches bow out
    source_spots : (x, y) per source;  source_size : half its width
    labels : bus -> (x, y), buses without room left out;  font : size of labels
    inside : buses whose label stands in their disc
    """

    columns: int
    width: float
    height: float
    branches: pd.DataFrame
    sources: pd.DataFrame
    spot: dict[str, Floats]
    radius: dict[str, float]
    bends: list[float]
    source_spots: list[Floats]
    source_size: float
    labels: dict[str, Floats]
    inside: frozenset[str]
    font: float


def build_scene(run: RunFiles) -> Scene:
    """Lay out the map of a run that has at least one bus."""
    table = run.stages.drop_duplicates("bus").set_index("bus")
    buses = sorted(table.index, key=natural)
    index = {bus: i for i, bus in enumerate(buses)}
    known = run.topology["from_bus"].isin(index) & run.topology["to_bus"].isin(index)
    branches = run.topology[known].reset_index(drop=True)
    sources = run.sources[run.sources["bus"].isin(index)].reset_index(drop=True)
    ends = np.stack([branches[end].map(index).to_numpy(int) for end in ("from_bus", "to_bus")], 1)

    n = len(buses)
    columns = 3 if n < TWO_IN_A_ROW_FROM else 2 if n < FULL_WIDTH_FROM else 1
    width = WIDTHS[columns]
    given = table.loc[buses, ["x", "y"]].to_numpy(dtype=float)
    at, height = place_buses(given, ends, width, MARGIN)
    room = math.sqrt((width - 2 * MARGIN) * (height - 2 * MARGIN) / n)
    load = run.stages.groupby("bus")["load_mw"].max().reindex(buses).fillna(0.0).to_numpy()
    radius = _radii(load, room)
    size = float(np.clip(0.11 * room, 4, 8.5))
    canvas = (width, height)
    source_bus = sources["bus"].map(index).to_numpy(int)
    spots = _source_spots(at, ends, source_bus, radius + size + 8, size, canvas)
    font = 11.0 if columns == 1 else 12.5
    inside = frozenset(b for b, r in zip(buses, radius, strict=True) if 0.3 * font * len(b) + 4 < r)
    boxes = [(x, y, 0.9 * r, 0.9 * r) for (x, y), r in zip(at.tolist(), radius, strict=True)]
    boxes += [(*spot.tolist(), size, size) for spot in spots]
    labels = dict(zip(buses, at, strict=True))
    placer = Labels(boxes, at[ends].reshape(-1, 4), canvas)
    for i, bus in enumerate(buses):
        if bus not in inside:
            half = (0.3 * font * len(bus) + 0.5, 0.45 * font)
            place = placer.place(at[i], radius[i] + 1.5, half) if n < NO_LABELS_FROM else None
            if place is None:
                del labels[bus]
            else:
                labels[bus] = place
    return Scene(
        columns=columns,
        width=width,
        height=height,
        branches=branches,
        sources=sources,
        spot=dict(zip(buses, at, strict=True)),
        radius=dict(zip(buses, radius.tolist(), strict=True)),
        bends=_bends(ends),
        source_spots=spots,
        source_size=size,
        labels=labels,
        inside=inside,
        font=font,
    )


def _radii(load: Floats, room: float) -> Floats:
    """Discs whose area is the load, none too small to be seen."""
    largest, smallest = float(np.clip(0.25 * room, 5, 22)), float(np.clip(0.075 * room, 3, 5.5))
    sized: Floats = largest * np.sqrt(load / max(load.max(), 1e-12))
    return np.maximum(sized, smallest)


def _source_spots(
    at: Floats,
    ends: NDArray[np.int64],
    radius: Floats,
    buses: list[int],
    size: float,
    canvas: tuple[float, float],
) -> list[Floats]:
    """Place each source beside its bus, in the direction with most room."""
    spots: list[Floats] = []
    taken: dict[int, list[float]] = {}
    for bus in buses:
        others = np.concatenate([ends[ends[:, 0] == bus, 1], ends[ends[:, 1] == bus, 0]])
        out = float(radius[bus]) + size + 8
        busy = taken.setdefault(bus, [])
        angle = free_direction(
            at, bus, busy, at[others], reach=out + 1.3 * size, canvas=canvas
        )
        busy.append(angle)
        away = np.array([math.cos(angle), math.sin(angle)])
        spots.append(at[bus] + away * out)
    return spots


def _bends(ends: NDArray[np.int64]) -> list[float]:
    pairs = [tuple(sorted(pair)) for pair in ends.tolist()]
    bend, seen = [], dict.fromkeys(pairs, 0)
    for pair, (a, b) in zip(pairs, ends.tolist(), strict=True):
        of = pairs.count(pair)
        bow = 9.0 * (seen[pair] - (of - 1) / 2)
        seen[pair] += 1
        bend.append(bow if a <= b else -bow)
    return bend


def free_direction(
    at: Floats,
    i: int,
    taken: Sequence[float],
    neighbours: Floats,
    *,
    reach: float,
    canvas: tuple[float, float],
) -> float:
    """Angle at bus i that is farthest from its branches, its symbols and the buses around.

    Parameters
    ----------
    at : (n_bus, 2)
    taken : radian, directions of symbols already placed at this bus
    neighbours : (m, 2) ends of the bus's branches
    reach : how far from the bus the symbol's far side lies
    canvas : width and height, which the symbol must not leave
    """
    away = neighbours - at[i]
    busy = [*taken, *np.arctan2(away[:, 1], away[:, 0])]
    gap = at - at[i]
    distance = np.hypot(gap[:, 0], gap[:, 1])
    near = (distance > 0) & (distance < 60)
    crowd = np.arctan2(gap[near, 1], gap[near, 0])
    best, choice = -math.inf, 0.0
    for angle in np.arange(16) * math.pi / 8 - math.pi / 2:
        turn = min((_turn(angle, b) for b in busy), default=math.pi)
        turn = min(turn, min((1.6 * _turn(angle, c) for c in crowd), default=math.pi))
        far = at[i] + reach * np.array([math.cos(angle), math.sin(angle)])
        if not ((far > 0) & (far < canvas)).all():
            turn -= math.pi
        if turn > best + 1e-6:
            best, choice = turn, float(angle)
    return choice


def _turn(a: float, b: float) -> float:
    return abs((a - b + math.pi) % (2 * math.pi) - math.pi)


class Labels:
    """Place labels where they cover nothing.

    Parameters
    ----------
    boxes : (x, y, half width, half height) that a label must not touch
    segments : (x1, y1, x2, y2) that a label should not touch
    width, height : canvas units; labels stay inside
    """

    def __init__(
        self,
        boxes: Sequence[tuple[float, float, float, float]],
        segments: Sequence[tuple[float, float, float, float]],
        width: float,
        height: float,
    ) -> None:
        self.boxes = list(boxes)
        self.segments = np.array(segments, dtype=float).reshape(-1, 4)
        self.width, self.height = width, height

    def place(self, x: float, y: float, reach: float, half: tuple[float, float]) -> Floats | None:
        """Centre for a label of a given half size near (x, y), None when there is no room."""
        best, choice = 50.0, None
        for ring, angle in ((r, a) for r in (0.0, 5.0) for a in np.arange(12) * math.pi / 6):
            away = np.array([math.cos(angle), math.sin(angle)])
            out = reach + ring + float(np.abs(away) @ half)
            centre = np.array([x, y]) + away * out
            cost = self._cost(centre, half) + ring * 0.2 + (0.5 if round(angle, 3) % 1.571 else 0)
            if cost < best - 1e-9:
                best, choice = cost, centre
        if choice is not None:
            self.boxes.append((float(choice[0]), float(choice[1]), *half))
        return choice

    def _cost(self, centre: Floats, half: tuple[float, float]) -> float:
        cx, cy = centre
        if not (half[0] < cx < self.width - half[0] and half[1] < cy < self.height - half[1]):
            return 100.0
        for x, y, w, h in self.boxes:
            if abs(cx - x) < w + half[0] + 1 and abs(cy - y) < h + half[1] + 1:
                return 100.0
        if len(self.segments) == 0:
            return 0.0
        a, b = self.segments[:, :2], self.segments[:, 2:]
        steps = np.linspace(0, 1, 41)[:, None, None]
        points = a + steps * (b - a)
        inside = (np.abs(points - centre) < np.array(half) + 0.5).all(axis=2).any(axis=0)
        return 4.0 * float(np.count_nonzero(inside))
