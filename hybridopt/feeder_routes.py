"""Ways for the lines of a one-line diagram that its tree leaves out: along lanes between buses."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

Function = TypeVar("Function", bound="Callable[..., Any]")

STEP, BEND, CROSS, ALONG, NEAR, ASIDE = 2, 7, 16, 60, 1, 3  # costs, see _route
MOST_WORK = 12_000_000  # lines times fields of the board; beyond it they are drawn straight
FINE_UP_TO = 260  # buses; larger diagrams have one lane between their rows instead of three


def _compiled(function: Function) -> Function:
    return cast("Function", njit(cache=True, nogil=True)(function))


@_compiled
def _route(  # noqa: C901, PLR0912, PLR0915 (a kernel)
    blocked: Any, across: Any, down: Any, lanes: int, start: Any, goal: Any
) -> Any:
    """Cheapest way between two fields by A*; rows (x, y), none where there is no way.

    Each field costs STEP, a bend BEND, crossing a line CROSS, running on one ALONG, the lanes next
    to a row of buses NEAR, and the row itself ASIDE.

    Parameters
    ----------
    blocked : (nx, ny), fields of buses
    across, down : (nx, ny), whether a line runs from the field to the right, or downward
    lanes : fields from one bus to the next
    """
    nx, ny = blocked.shape
    far = 1 << 30
    cost = np.full((nx, ny, 2), far, np.int64)
    came = np.full((nx, ny, 2), -1, np.int64)  # direction 0 to 3 of the last step, and its turn
    heap = [(0, start[0], start[1], 0)]
    cost[start[0], start[1], 0] = cost[start[0], start[1], 1] = 0
    heappush(heap, (0, start[0], start[1], 1))
    end = -1
    while len(heap) > 0:
        f, x, y, turn = heappop(heap)
        now = cost[x, y, turn]
        if f > now + STEP * (abs(goal[0] - x) + abs(goal[1] - y)):
            continue
        if x == goal[0] and y == goal[1]:
            end = turn
            break
        for way in range(4):
            dx = 1 if way == 0 else (-1 if way == 1 else 0)
            dy = 1 if way == 2 else (-1 if way == 3 else 0)
            u, v = x + dx, y + dy
            if u < 0 or v < 0 or u >= nx or v >= ny:
                continue
            at_goal = u == goal[0] and v == goal[1]
            if blocked[u, v] and not at_goal:
                continue
            next_turn = 0 if way < 2 else 1
            price = now + STEP
            first = x == start[0] and y == start[1]
            if next_turn != turn and not first:
                price += BEND
            if way < 2:
                if across[min(x, u), y]:
                    price += ALONG
                if v % lanes == 0:
                    price += ASIDE
                elif v % lanes == 1 or v % lanes == lanes - 1:
                    price += NEAR
                if not at_goal and (down[u, v] or (v > 0 and down[u, v - 1])):
                    price += CROSS
            else:
                if down[x, min(y, v)]:
                    price += ALONG
                if u % lanes == 0 and not first and not at_goal:
                    price += NEAR
                if not at_goal and (across[u, v] or (u > 0 and across[u - 1, v])):
                    price += CROSS
            if price < cost[u, v, next_turn]:
                cost[u, v, next_turn] = price
                came[u, v, next_turn] = way * 2 + turn
                left = STEP * (abs(goal[0] - u) + abs(goal[1] - v))
                heappush(heap, (price + left, u, v, next_turn))
    found = [(goal[0], goal[1])]
    if end < 0:
        return np.empty((0, 2), np.int64)
    x, y, turn = goal[0], goal[1], end
    while not (x == start[0] and y == start[1]):
        step = came[x, y, turn]
        way, turn = step // 2, step % 2
        x -= 1 if way == 0 else (-1 if way == 1 else 0)
        y -= 1 if way == 2 else (-1 if way == 3 else 0)
        found.append((x, y))
    return np.array(found)[::-1]


class Board:
    """Fields on which ways are found; ``lanes`` of them from one bus to the next.

    Parameters
    ----------
    spots : (n_bus, 2), columns and rows of the buses, integers
    """

    def __init__(self, spots: Ints) -> None:
        self.lanes = 4 if len(spots) <= FINE_UP_TO else 2
        self.first = spots.min(axis=0) - 1
        self.fields = (spots - self.first) * self.lanes
        shape = tuple(self.fields.max(axis=0) + self.lanes + 1)
        self.blocked = np.zeros(shape, np.uint8)
        self.blocked[self.fields[:, 0], self.fields[:, 1]] = 1
        self.across, self.down = (np.zeros(shape, np.uint8) for _ in range(2))

    def occupy(self, way: Floats) -> None:
        """Mark the fields of a way given in columns and rows, of horizontal and vertical parts."""
        points = np.rint((way - self.first) * self.lanes).astype(int)
        for (x, y), (u, v) in pairwise(points):
            if y == v:
                self.across[min(x, u) : max(x, u), y] = 1
            else:
                self.down[x, min(y, v) : max(y, v)] = 1

    def busbar(self, column: int, low: int, high: int) -> None:
        """Mark a bus that extends over rows."""
        x, lowest, highest = (
            int(n) * self.lanes
            for n in (column - self.first[0], low - self.first[1], high - self.first[1])
        )
        self.blocked[x, lowest : highest + 1] = 1

    def connect(self, pairs: Sequence[tuple[int, int]]) -> list[Floats | None]:
        """Ways between pairs of buses in columns and rows, short ones first; None for none."""
        ways: list[Floats | None] = [None] * len(pairs)
        if len(pairs) * self.blocked.size > MOST_WORK:
            return ways
        apart = [int(np.abs(self.fields[a] - self.fields[b]).sum()) for a, b in pairs]
        for k in np.argsort(apart, kind="stable"):
            a, b = pairs[k]
            if apart[k] == 0:
                continue
            fields = _route(
                self.blocked, self.across, self.down, self.lanes, self.fields[a], self.fields[b]
            )
            if len(fields):
                way = _corners(fields) / self.lanes + self.first
                ways[k] = way
                self.occupy(way)
        return ways


def _corners(fields: Ints) -> Ints:
    """The points of a way at which it turns, and its ends."""
    step = np.diff(fields, axis=0)
    turns = (step[1:] != step[:-1]).any(axis=1)
    corners: Ints = fields[np.concatenate([[True], turns, [True]])]
    return corners
