"""What the maps share: where buses, units and labels stand, and how large they are."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from itertools import product
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
    spots = _source_spots(at, ends, source_bus, radius + size + 8, half=size, canvas=canvas)
    font = 11.0 if columns == 1 else 12.5
    inside = frozenset(b for b, r in zip(buses, radius, strict=True) if 0.3 * font * len(b) + 4 < r)
    boxes = [(x, y, 0.9 * r, 0.9 * r) for (x, y), r in zip(at.tolist(), radius, strict=True)]
    boxes += [(*spot.tolist(), size, size) for spot in spots]
    labels = dict(zip(buses, at, strict=True)) if n < NO_LABELS_FROM else {}
    placer = Labels(boxes, at[ends].reshape(-1, 4), canvas)
    for i, bus in enumerate(buses):
        if bus in labels and bus not in inside:
            half = (0.3 * font * len(bus) + 0.5, 0.45 * font)
            place = placer.place(at[i], radius[i] + 1.5, half)
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
    ends: Ints,
    buses: Ints,
    out: Floats,
    *,
    half: float,
    canvas: tuple[float, float],
) -> list[Floats]:
    """Place each source beside its bus, in the direction with most room.

    Parameters
    ----------
    at : (n_bus, 2);  ends : (n_branch, 2) bus positions
    buses : (n_source,) bus positions;  out : (n_bus,) distance from a bus to its sources
    half : half the width of a source;  canvas : width and height, which no source may leave
    """
    spots: list[Floats] = []
    taken: dict[int, list[float]] = {}
    angles = np.arange(16) * FULL_TURN / 16 - FULL_TURN / 4
    ways = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    for bus in buses.tolist():
        busy = taken.setdefault(bus, [])
        others = np.concatenate([ends[ends[:, 0] == bus, 1], ends[ends[:, 1] == bus, 0]])
        near = np.flatnonzero(np.hypot(*(at - at[bus]).T) < 60)
        # A bus close by takes room too, though less than a branch that starts here.
        score = np.minimum(
            _free_angle(angles, [*busy, *_directions(at[others] - at[bus])]),
            1.6 * _free_angle(angles, _directions(at[near[near != bus]] - at[bus])),
        )
        far = at[bus] + ways * (out[bus] + 1.3 * half)
        score = score - math.pi * ~((far > 0) & (far < canvas)).all(axis=1)
        best = int(np.argmax(score > score.max() - 1e-6))
        busy.append(float(angles[best]))
        spots.append(at[bus] + ways[best] * out[bus])
    return spots


def _directions(away: Floats) -> list[float]:
    found: list[float] = np.arctan2(away[:, 1], away[:, 0]).tolist()
    return found


def _free_angle(angles: Floats, busy: list[float]) -> Floats:
    """Angle between each direction and the nearest one of those that are taken."""
    if not busy:
        return np.full(len(angles), math.pi)
    turn = (angles[:, None] - np.array(busy) + math.pi) % FULL_TURN - math.pi
    nearest: Floats = np.abs(turn).min(axis=1)
    return nearest


def _bends(ends: Ints) -> list[float]:
    """How far each branch bows out, so that parallel ones don't cover one another."""
    pairs = [(min(pair), max(pair)) for pair in ends.tolist()]
    number = Counter(pairs)
    seen: Counter[tuple[int, int]] = Counter()
    bends = []
    for pair, (start, end) in zip(pairs, ends.tolist(), strict=True):
        bow = 9.0 * (seen[pair] - (number[pair] - 1) / 2)
        seen[pair] += 1
        bends.append(bow if start <= end else -bow)
    return bends


class Labels:
    """Place labels where they cover nothing.

    Parameters
    ----------
    boxes : (x, y, half width, half height) that a label must not touch
    segments : (n, 4) x1, y1, x2, y2 that a label should not touch
    canvas : width and height; labels stay inside
    """

    def __init__(
        self,
        boxes: Sequence[tuple[float, float, float, float]],
        segments: Floats,
        canvas: tuple[float, float],
    ) -> None:
        self.boxes = list(boxes)
        self.canvas = np.array(canvas)
        steps = np.linspace(0, 1, 41)[:, None, None]
        self.points = segments[:, :2] + steps * (segments[:, 2:] - segments[:, :2])

    def place(self, at: Floats, reach: float, half: tuple[float, float]) -> Floats | None:
        """Centre for a label of a given half size near a point, None when there is no room.

        Parameters
        ----------
        at : (2,) the point;  reach : distance that the label keeps from it
        """
        best, choice = math.inf, None
        for ring, turn in product((0.0, 5.0), range(12)):
            angle = turn * FULL_TURN / 12
            way = np.array([math.cos(angle), math.sin(angle)])
            centre = at + way * (reach + ring + float(np.abs(way) @ half))
            if not self._is_free(centre, half):
                continue
            cost = 4 * self._branches_under(centre, half) + 0.2 * ring + 0.5 * (turn % 3 > 0)
            if cost < best:
                best, choice = cost, centre
        if choice is not None:
            self.boxes.append((float(choice[0]), float(choice[1]), *half))
        return choice

    def _is_free(self, centre: Floats, half: tuple[float, float]) -> bool:
        if (centre < half).any() or (centre > self.canvas - half).any():
            return False
        x, y = centre
        return not any(
            abs(x - other_x) < w + half[0] + 1 and abs(y - other_y) < h + half[1] + 1
            for other_x, other_y, w, h in self.boxes
        )

    def _branches_under(self, centre: Floats, half: tuple[float, float]) -> int:
        inside = (np.abs(self.points - centre) < np.array(half) + 0.5).all(axis=2)
        return int(np.count_nonzero(inside.any(axis=0)))
