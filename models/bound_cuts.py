"""Planes that stand in for the cones of the relaxation.

``c^2 + s^2 <= w_from w_to`` says ``|(2 c, 2 s, w_from - w_to)| <= w_from + w_to``: for every unit
vector ``u`` the plane ``u . (2 c, 2 s, w_from - w_to) <= w_from + w_to`` holds in all of the cone.
Cones are cut where a solution lies outside; a set of planes given in advance (A. Ben-Tal,
A. Nemirovski, "On polyhedral approximations of the second-order cone", Mathematics of Operations
Research 26(2), 2001) would be as close only with many that never bind.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.linear import rows_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.grid import Grid
    from hybridopt.linear import Rows
    from hybridopt.models.bound import HourColumns
    from hybridopt.models.bound_plan import Choices, PlanColumns

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

FIRST_ANGLES = np.radians([-90, -40, -20, -10, -4, 0, 4, 10, 20, 40, 90, 180])


def cones(columns: HourColumns) -> Ints:
    """One row for each distinct cone: columns of w_from, w_to, c, s, (n_cone, 4)."""
    used = columns.w_from >= 0
    stacked = np.column_stack(
        [x[used] for x in (columns.w_from, columns.w_to, columns.c, columns.s)]
    )
    _, first = np.unique(stacked[:, 2], return_index=True)
    return np.asarray(stacked[np.sort(first)], dtype=np.int64)


def planes(cone: Ints, u: Floats) -> Rows:
    """Planes of unit vectors ``u``, (n, 3), on cones, (n, 4)."""
    w_from, w_to, c, s = cone.T
    return rows_of(
        [(c, 2 * u[:, 0]), (s, 2 * u[:, 1]), (w_from, u[:, 2] - 1.0), (w_to, -u[:, 2] - 1.0)],
        upper=0.0,
    )


def first_planes(cone: Ints) -> Rows:
    """Planes that are there from the beginning: equal voltages, a few angles."""
    u = np.column_stack([np.cos(FIRST_ANGLES), np.sin(FIRST_ANGLES), 0 * FIRST_ANGLES])
    u = np.where(abs(u) < 1e-12, 0.0, u)
    each = np.repeat(np.arange(len(cone)), len(u))
    return planes(cone[each], np.tile(u, (len(cone), 1)))


def cone_cuts(cone: Ints, x: Floats, tolerance: float) -> Rows | None:
    """Planes that cut a point off, where it lies outside a cone by more than the tolerance, pu."""
    w_from, w_to, c, s = x[cone].T
    a = np.column_stack([2 * c, 2 * s, w_from - w_to])
    length = np.sqrt((a**2).sum(axis=1))
    bad = length - (w_from + w_to) > tolerance
    if not bad.any():
        return None
    return planes(cone[bad], a[bad] / length[bad, None])


def power_cuts(
    choices: Choices, plan: PlanColumns, columns: HourColumns, x: Floats, tolerance: float
) -> list[Rows]:
    """Tangents of ``p^2 + q^2 <= rate^2`` where a point is beyond an apparent-power limit."""
    grid = choices.grid
    own = np.full(grid.n_branch, -1, dtype=np.int64)
    own[choices.branch] = plan.closed
    found = []
    for at_from, rate in ((True, grid.rate_from), (False, grid.rate_to)):
        k = np.flatnonzero((columns.w_from >= 0) & np.isfinite(rate) & grid.rate_is_power)
        if not k.size:
            continue
        flow = columns.flow(grid, k, at_from)
        p, q = (sum(value * x[column] for column, value in part) for part in flow)
        size = np.hypot(p, q)
        bad = np.flatnonzero(size > rate[k] * (1 + tolerance))
        if bad.size:
            cos, sin = (p / np.maximum(size, 1e-12))[bad], (q / np.maximum(size, 1e-12))[bad]
            found.append(_tangents(grid, columns, own, k[bad], at_from, cos, sin))
    return found


def _tangents(
    grid: Grid, columns: HourColumns, own: Ints, k: Ints, at_from: bool, cos: Any, sin: Any
) -> Rows:
    rate = (grid.rate_from if at_from else grid.rate_to)[k]
    active, reactive = columns.flow(grid, k, at_from)
    terms = [(column, value * cos) for column, value in active]
    terms += [(column, value * sin) for column, value in reactive]
    switched = own[k] >= 0
    terms.append((own[k], np.where(switched, -rate, 0.0)))
    return rows_of(terms, upper=np.where(switched, 0.0, rate))
