"""Where buses and branches of a feeder stand on a one-line diagram.

A feeder without coordinates is drawn as textbooks do: sources at the left, each feeder a row, its
laterals rows above and below it, and lines outside the tree in the lanes between.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.feeder_routes import Board
from hybridopt.report_layout import place_buses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from hybridopt.feeder import Feeder

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

PACKED = 150_000  # buses that improving an arrangement may place in all
NARROWEST = 24.0  # canvas units between buses below which a diagram stands upright instead
TIE_LENGTH, HEIGHT = 1.0, 1.5  # what a row of a tie, and a row of the diagram, count
ALIKE = 0.35  # relative spread of branch lengths below which a program made the coordinates


@dataclass(frozen=True, eq=False)
class Sketch:
    """A diagram in columns and rows, or by coordinates; `fit` puts it on a canvas.

    Attributes
    ----------
    feeder : Feeder
    spots : (n_bus, 2), column and row of each bus; coordinates where ``placed``
    ways : per branch (k, 2), corners from the from bus to the to bus; two for a straight line
    bars : rows that a bus extends over, by position
    placed : whether the feeder's own coordinates are used
    """

    feeder: Feeder
    spots: Floats
    ways: tuple[Floats, ...]
    bars: dict[int, tuple[float, float]]
    placed: bool

    def fit(self, width: float, margin: float = 30.0, head: float = 52.0) -> Diagram:
        """Put it on a canvas of a given width; `head` is room for a source before its bus."""
        return (
            _by_coordinates(self, width, margin)
            if self.placed
            else _rows(self, width, margin, head)
        )


@dataclass(frozen=True, eq=False)
class Diagram:
    """A sketch on a canvas; x to the right and y downward.

    Attributes
    ----------
    at : (n_bus, 2);  ways : per branch (k, 2), from the from bus to the to bus
    bars : (2, 2) ends of each bus that is drawn as a bar, by position
    width, height : of the canvas
    room : (2,), distance of neighbouring buses across and down
    upright : whether feeders run downward
    """

    at: Floats
    ways: tuple[Floats, ...]
    bars: dict[int, Floats]
    width: float
    height: float
    room: tuple[float, float]
    upright: bool


def sketch(feeder: Feeder, closed: Bools, *, coordinates: bool | None = None) -> Sketch:
    """Arrange a feeder as its closed branches connect it.

    Parameters
    ----------
    closed : (n_branch,) the state that is drawn as a tree
    coordinates : whether to use the feeder's own; None where they look like those of places
    """
    use = has_coordinates(feeder) if coordinates is None else coordinates
    ends = np.stack([feeder.branch_from, feeder.branch_to], axis=1)
    if use:
        given = np.stack([feeder.bus_x, feeder.bus_y], axis=1)
        return Sketch(feeder, given, tuple(given[pair] for pair in ends), {}, placed=True)
    tree = _Tree(feeder, closed)
    pairs = [(int(a), int(b)) for a, b in ends[~tree.uses]]
    spots = _arranged(tree, pairs)
    ways: list[Floats | None] = [None] * feeder.n_branch
    bars: dict[int, tuple[float, float]] = {}
    board = Board(spots.astype(np.int64))
    for bus in tree.roots:
        rows = [spots[b, 1] for b in tree.below[bus]]
        if len(rows) > 1 or feeder.source_vm[bus] > 0:
            bars[bus] = min([*rows, spots[bus, 1]]), max([*rows, spots[bus, 1]])
            board.busbar(int(spots[bus, 0]), *(int(row) for row in bars[bus]))
    for m in np.flatnonzero(tree.uses):
        elbow = _elbow(spots, int(ends[m, 0]), int(ends[m, 1]), tree, bars)
        board.occupy(elbow)
        ways[m] = elbow
    for m, way in zip(np.flatnonzero(~tree.uses), board.connect(pairs), strict=True):
        ways[m] = spots[ends[m]] if way is None else way
    return Sketch(feeder, spots, tuple(w for w in ways if w is not None), bars, placed=False)


def has_coordinates(feeder: Feeder) -> bool:
    """Whether every bus has coordinates of its own that look like places.

    Branches that are all of one length come from a program that had only the graph to go by: rows
    and columns show that better.
    """
    given = np.stack([feeder.bus_x, feeder.bus_y], axis=1)
    if feeder.n_bus < 2 or not np.isfinite(given).all():
        return False
    if len(np.unique(given.round(9), axis=0)) < max(0.9 * feeder.n_bus, 2):
        return False
    apart = given[feeder.branch_from[feeder.closed]] - given[feeder.branch_to[feeder.closed]]
    length = np.hypot(apart[:, 0], apart[:, 1])
    return bool(len(length) and length.std() > ALIKE * length.mean())


class _Tree:
    """The forest that a diagram shows: every bus, as few open branches as that takes.

    Attributes
    ----------
    up, above : (n_bus,), bus and branch before each bus, -1 at a root
    depth : (n_bus,), branches to the root
    roots : sources, and one bus of each part that no branch connects to them
    below : buses behind each bus, the one with the longest way behind it first
    uses : (n_branch,) branches of the forest
    order : buses from the roots outward
    """

    def __init__(self, feeder: Feeder, closed: Bools) -> None:
        n = feeder.n_bus
        self.up, self.above, self.depth = (np.full(n, -1), np.full(n, -1), np.zeros(n, np.int64))
        self.roots: list[int] = []
        self.order: list[int] = []
        near: list[list[tuple[int, int, int]]] = [[] for _ in range(n)]
        effort = np.where(closed, 0, 1) + np.where(feeder.usable, 0, 2)
        for m, (a, b) in enumerate(zip(feeder.branch_from, feeder.branch_to, strict=True)):
            near[a].append((int(effort[m]), m, int(b)))
            near[b].append((int(effort[m]), m, int(a)))
        seen = np.zeros(n, dtype=bool)
        self._grow(near, seen, [int(b) for b in np.flatnonzero(feeder.source_vm > 0)])
        for bus in range(n):
            if not seen[bus]:
                self._grow(near, seen, [bus])
        self.uses = np.zeros(feeder.n_branch, dtype=bool)
        self.uses[self.above[self.above >= 0]] = True
        self._sort(n)

    def _grow(self, near: list[list[tuple[int, int, int]]], seen: Bools, roots: list[int]) -> None:
        """Take the branch that is closed before the one that is not, then the one nearest."""
        heap = [(0, 0, 0, -1, bus, -1) for bus in roots]
        self.roots += roots
        while heap:
            total, depth, _, branch, bus, up = heapq.heappop(heap)
            if seen[bus]:
                continue
            seen[bus] = True
            self.order.append(bus)
            self.up[bus], self.above[bus], self.depth[bus] = up, branch, depth
            for effort, m, other in near[bus]:
                if not seen[other]:
                    heapq.heappush(heap, (total + effort, depth + 1, m, m, other, bus))

    def _sort(self, n: int) -> None:
        self.reach = np.zeros(n, np.int64)
        self.below: list[list[int]] = [[] for _ in range(n)]
        for bus in sorted(self.order, key=lambda b: -self.depth[b]):
            self.below[bus].sort(key=lambda b: (-self.reach[b], self.above[b]))
            up = int(self.up[bus])
            if up >= 0:
                self.below[up].append(bus)
                self.reach[up] = max(self.reach[up], self.reach[bus] + 1)


@dataclass
class _Row:
    """A way of the tree that is drawn as one row, and where it leaves another.

    Attributes
    ----------
    buses : along it, its first column being `start`
    leaves : row it leaves, -1 for none, at the column `at`
    side : -1 above, 1 below it
    turn : order among those that leave at the same place, the first nearest
    """

    buses: list[int]
    start: int
    leaves: int
    at: int
    side: int
    turn: int
    laterals: list[int] = field(default_factory=list)


def _rows_of(tree: _Tree) -> list[_Row]:
    """Rows, each before those that leave it; the first holds no bus, roots leave it."""
    rows = [_Row([], -1, -1, -1, 1, 0)]
    todo = [(bus, 0, -1, k) for k, bus in enumerate(tree.roots)]
    while todo:
        bus, leaves, at, turn = todo.pop(0)
        row = _Row([bus], at + 1, leaves, at, 1, turn)
        while tree.below[row.buses[-1]]:
            here = row.buses[-1]
            nxt, *others = tree.below[here]
            todo += [(b, len(rows), int(tree.depth[here]), k) for k, b in enumerate(others)]
            row.buses.append(nxt)
        rows[leaves].laterals.append(len(rows))
        rows.append(row)
    for row in rows:  # sides take turns, beginning above
        for k, lateral in enumerate(sorted(row.laterals, key=lambda i: rows[i].at)):
            rows[lateral].side = 1 if row.leaves < 0 else (-1, 1)[k % 2]
    return rows


def _pack(rows: list[_Row], n_bus: int, columns: int) -> tuple[Ints, int]:
    """Row of each bus so that nothing overlaps, and the number of rows."""
    low: list[Ints] = []
    high: list[Ints] = []
    offset = np.zeros(len(rows), np.int64)
    for row in rows:  # extent above and below, from the column before it to the last of its block
        size = columns + 1 - row.start
        low.append(np.full(size, 10**6))
        high.append(np.full(size, -(10**6)))
    for i in range(len(rows) - 1, -1, -1):
        row = rows[i]
        span = max(len(row.buses), 1)
        low[i][:span] = high[i][:span] = 0
        for k in sorted(row.laterals, key=lambda k: (-rows[k].at, rows[k].turn, k)):
            lateral = rows[k]
            shift = lateral.start - row.start
            ours_low, ours_high = low[i][shift:], high[i][shift:]
            if lateral.side > 0:
                gap = int((ours_high - low[k]).max()) + 1
                offset[k] = max(gap, 1)
            else:
                gap = int((high[k] - ours_low).max()) + 1
                offset[k] = -max(gap, 1)
            np.minimum(ours_low, low[k] + offset[k], out=ours_low)
            np.maximum(ours_high, high[k] + offset[k], out=ours_high)
            root = lateral.at - row.start
            if root >= 0:
                low[i][root] = min(low[i][root], offset[k])
                high[i][root] = max(high[i][root], offset[k])
    found = np.zeros(n_bus, np.int64)
    place = np.zeros(len(rows), np.int64)
    for i, row in enumerate(rows):
        place[i] = offset[i] + (place[row.leaves] if row.leaves >= 0 else 0)
        found[row.buses] = place[i]
    return found - found.min(), int(np.ptp(found)) + 1


def _arranged(tree: _Tree, ties: list[tuple[int, int]]) -> Floats:
    """Columns and rows with sides and orders that keep ties short and the diagram low."""
    rows = _rows_of(tree)
    n, columns = len(tree.up), int(tree.depth.max()) + 1
    ends = np.array(ties, dtype=np.int64).reshape(-1, 2)

    def price() -> tuple[float, Ints]:
        found, height = _pack(rows, n, columns)
        apart = np.abs(found[ends[:, 0]] - found[ends[:, 1]])
        return TIE_LENGTH * float(apart.sum()) + HEIGHT * height, found

    best, spots = price()
    left = PACKED // max(n, 1)
    better = True
    while better and left > 0:
        better = False
        for move in _moves(rows):
            left -= 1
            undo = [(rows[k], rows[k].side, rows[k].turn) for k, _, _ in move]
            for k, side, turn in move:
                rows[k].side, rows[k].turn = side, turn
            value, found = price()
            if value < best - 1e-9:
                best, spots, better = value, found, True
            else:
                for row, side, turn in undo:
                    row.side, row.turn = side, turn
            if left <= 0:
                break
    return np.stack([tree.depth, spots], axis=1).astype(float)


def _moves(rows: list[_Row]) -> Iterable[list[tuple[int, int, int]]]:
    """Changes worth a try: a lateral to the other side, or two change places."""
    for i, row in enumerate(rows):
        if i:
            for k in row.laterals:
                yield [(k, -rows[k].side, rows[k].turn)]
        for at in sorted({rows[k].at for k in row.laterals}):
            same = [k for k in row.laterals if rows[k].at == at]
            for a, b in ((a, b) for a in same for b in same if a < b):
                here, there = rows[a], rows[b]
                yield [(a, there.side, there.turn), (b, here.side, here.turn)]


def _elbow(
    spots: Floats, a: int, b: int, tree: _Tree, bars: dict[int, tuple[float, float]]
) -> Floats:
    """Way of a branch of the tree: away from the row, then along."""
    up, bus = (a, b) if tree.up[b] == a else (b, a)
    corner = [spots[up, 0], spots[bus, 1]]
    points = [corner, spots[bus]] if up in bars else [spots[up], corner, spots[bus]]
    if spots[up, 1] == spots[bus, 1]:
        points = [spots[up], spots[bus]]
    way = np.array(points)
    return way if up == a else way[::-1]


def _rows(sketch: Sketch, width: float, margin: float, head: float) -> Diagram:
    """Columns across the canvas, or down where they would stand too close."""
    spots = sketch.spots
    corners = np.concatenate([spots, *sketch.ways])
    first, last = corners.min(axis=0), corners.max(axis=0)
    columns, rows = np.maximum(last - first, 1)
    wide = (width - margin - head) / columns
    tall = (width - 2 * margin) / rows
    upright = bool(wide < NARROWEST and tall > wide)
    if upright:
        across = min(tall, 90.0)
        down = float(np.clip(2400 / columns, 10, 34))
        indent = max(margin, (width - across * rows) / 2)
        origin, room = np.array([indent, head]), (across, down)
        height = head + down * (last - first)[0] + margin
    else:
        across = min(wide, 240.0)
        down = float(np.clip(2000 / rows, 9, 46))
        origin, room = np.array([head, margin]), (across, down)
        height = margin * 2 + down * (last - first)[1]

    def put(points: Floats) -> Floats:
        from_first = points - first
        put_there: Floats = (from_first[:, ::-1] if upright else from_first) * room + origin
        return put_there

    bars = {
        bus: put(np.array([[spots[bus, 0], low], [spots[bus, 0], high]]))
        for bus, (low, high) in sketch.bars.items()
    }
    ways = tuple(put(w) for w in sketch.ways)
    return Diagram(put(spots), ways, bars, width, float(height), room, upright)


def _by_coordinates(sketch: Sketch, width: float, margin: float) -> Diagram:
    """The feeder's own coordinates, buses pushed apart where they would touch."""
    feeder = sketch.feeder
    ends = np.stack([feeder.branch_from, feeder.branch_to], axis=1)
    at, height = place_buses(sketch.spots, ends, width, margin)
    room = math.sqrt((width - 2 * margin) * (height - 2 * margin) / feeder.n_bus)
    seen: dict[tuple[int, int], int] = {}
    ways = []
    for a, b in ends:
        pair = int(min(a, b)), int(max(a, b))
        beside = seen.get(pair, 0)
        seen[pair] = beside + 1
        ways.append(_bowed(at[a], at[b], 9.0 * math.ceil(beside / 2) * (-1) ** beside))
    return Diagram(at, tuple(ways), {}, width, height, (room, room), upright=False)


def _bowed(a: Floats, b: Floats, bend: float) -> Floats:
    """Straight line, or one with a kink beside its middle."""
    if bend == 0:
        return np.stack([a, b])
    along = b - a
    normal = np.array([-along[1], along[0]]) / max(math.hypot(*along), 1e-9)
    return np.stack([a, a + 0.3 * along + bend * normal, a + 0.7 * along + bend * normal, b])
