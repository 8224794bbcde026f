"""Pairwise exchange: move output from one unit to another over all hours, as long as it pays.

At a minimum of a cost with valve points most outputs lie at valve points or limits. So for a pair
of units, with all others held, the outputs worth trying in an hour are few: the ends of pieces of
either unit, the same a few ramps away, and minima between them. Dynamic programming over the hours
picks the best sequence that the ramps of both allow.

The kernels work on a schedule with one more column: a slack that makes up what demand is not met,
at a penalty. A ramp that is broken costs the same penalty per MW, so a schedule needs no feasible
start.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

EDGE = 1e-9  # MW, outputs this far outside a piece still count as in it
SAME = 1e-7  # MW, candidates closer than this are one
RAMPS = 3  # candidates lie up to so many ramps away from the end of a piece
GAIN = 1e-7  # least improvement of the cost that counts
HALVINGS = 50


@njit(cache=True)  # type: ignore[untyped-decorator]
def _piece(table: Any, i: int, p: float) -> int:
    """Last piece of unit i that holds an output; -1 for none."""
    count, low, high = table[0], table[1], table[2]
    for k in range(count[i] - 1, -1, -1):
        if low[i, k] - EDGE <= p <= high[i, k] + EDGE:
            return k
    return -1


@njit(cache=True)  # type: ignore[untyped-decorator]
def _cost(table: Any, i: int, p: float) -> float:
    """Exact cost of an output, infinite where it is prohibited."""
    k = _piece(table, i, p)
    if k < 0:
        return np.inf
    _, _, _, a, b, c, e, f, ref = table
    smooth = a[i, k] + b[i, k] * p + c[i, k] * p * p
    if e[i, k] == 0.0:
        return smooth
    return smooth + abs(e[i, k] * math.sin(f[i, k] * (ref[i, k] - p)))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _slope(table: Any, i: int, p: float, middle: float) -> float:
    """Derivative of the cost at p within the piece that holds ``middle``."""
    k = _piece(table, i, middle)
    _, _, _, _, b, c, e, f, ref = table
    slope = b[i, k] + 2.0 * c[i, k] * p
    if e[i, k] != 0.0:
        slope -= e[i, k] * f[i, k] * math.cos(f[i, k] * (ref[i, k] - p))
    return slope


@njit(cache=True)  # type: ignore[untyped-decorator]
def _pair_terms(p: Any, t: int, i: int, j: int, demand: Any, losses: Any) -> Any:
    """What the balance of an hour needs to know of the other units.

    The balance is ``rest + x_i + x_j = loss``, where the loss is
    ``fixed + l_i x_i + l_j x_j + b_ii x_i^2 + b_jj x_j^2 + 2 b_ij x_i x_j``.
    """
    lossy, b, b0, b00 = losses
    rest = -demand[t]
    for m in range(p.shape[1]):
        if m not in (i, j):
            rest += p[t, m]
    if not lossy:
        return rest, 0.0, 0.0, 0.0
    fixed, l_i, l_j = b00, b0[i], b0[j]
    for m in range(p.shape[1]):
        if m not in (i, j):
            fixed += b0[m] * p[t, m]
            l_i += 2.0 * b[m, i] * p[t, m]
            l_j += 2.0 * b[m, j] * p[t, m]
            for k in range(p.shape[1]):
                if k not in (i, j):
                    fixed += b[m, k] * p[t, m] * p[t, k]
    return rest, fixed, l_i, l_j


@njit(cache=True)  # type: ignore[untyped-decorator]
def _partner(x: float, i: int, j: int, terms: Any, losses: Any) -> float:
    """Output of unit j that balances the hour when unit i gives x; NaN when none does."""
    rest, fixed, l_i, l_j = terms
    lossy, b = losses[0], losses[1]
    if not lossy:
        return -rest - x
    square = b[j, j]
    linear = l_j + 2.0 * b[i, j] * x - 1.0
    constant = fixed + l_i * x + b[i, i] * x * x - rest - x
    root = linear * linear - 4.0 * square * constant
    if root < 0.0 or linear >= 0.0:
        return np.nan
    return 2.0 * constant / (-linear + math.sqrt(root))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _exchange_slope(
    x: float, middle: float, i: int, j: int, terms: Any, table: Any, losses: Any
) -> float:
    """Derivative of both units' cost by the output of i, in the pieces that hold ``middle``."""
    lossy, b = losses[0], losses[1]
    y, y_middle = _partner(x, i, j, terms, losses), _partner(middle, i, j, terms, losses)
    rate = -1.0
    if lossy:
        of_i = terms[2] + 2.0 * b[i, i] * x + 2.0 * b[i, j] * y
        of_j = terms[3] + 2.0 * b[j, j] * y + 2.0 * b[i, j] * x
        rate = -(1.0 - of_i) / (1.0 - of_j)
    return _slope(table, i, x, middle) + _slope(table, j, y, y_middle) * rate


@njit(cache=True)  # type: ignore[untyped-decorator]
def _bottom(low: float, high: float, i: int, j: int, terms: Any, table: Any, losses: Any) -> float:
    """Minimum strictly between two neighbouring candidates; NaN when there is none."""
    middle = 0.5 * (low + high)
    y = _partner(middle, i, j, terms, losses)
    if _piece(table, i, middle) < 0 or not _piece(table, j, y) >= 0:
        return np.nan
    if _exchange_slope(low, middle, i, j, terms, table, losses) >= 0.0:
        return np.nan
    if _exchange_slope(high, middle, i, j, terms, table, losses) <= 0.0:
        return np.nan
    for _ in range(HALVINGS):
        x = 0.5 * (low + high)
        if _exchange_slope(x, middle, i, j, terms, table, losses) > 0.0:
            high = x
        else:
            low = x
    return 0.5 * (low + high)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _near(found: Any, n: int, x: float, ramp: Any, i: int, steps: int) -> int:
    """Add an output and those some ramps of unit i above and below it."""
    found[n] = x
    n += 1
    if steps > 0 and ramp[0, i] < np.inf:
        for m in range(1, steps + 1):
            found[n] = x + m * ramp[0, i]
            n += 1
    if steps > 0 and ramp[1, i] < np.inf:
        for m in range(1, steps + 1):
            found[n] = x - m * ramp[1, i]
            n += 1
    return n


@njit(cache=True)  # type: ignore[untyped-decorator]
def _candidates(
    p: Any, t: int, i: int, j: int, terms: Any, table: Any, ramp: Any, losses: Any, found: Any
) -> int:
    """Outputs of unit i worth trying in an hour, into ``found``; their number."""
    count, low, high = table[0], table[1], table[2]
    hours = p.shape[0]
    steps = RAMPS if hours > 1 else 0
    n = _near(found, 0, p[t, i], ramp, i, 0)
    for k in range(count[i]):
        n = _near(found, n, low[i, k], ramp, i, steps)
        n = _near(found, n, high[i, k], ramp, i, steps)
    for s in (t - 1, t + 1):
        if 0 <= s < hours:
            n = _near(found, n, p[s, i], ramp, i, 1)
    first = n
    for k in range(count[j]):
        n = _near(found, n, low[j, k], ramp, j, steps)
        n = _near(found, n, high[j, k], ramp, j, steps)
    for s in (t - 1, t + 1):
        if 0 <= s < hours:
            n = _near(found, n, p[s, j], ramp, j, 1)
    swapped = (terms[0], terms[1], terms[3], terms[2])
    for m in range(first, n):
        found[m] = _partner(found[m], j, i, swapped, losses)
    found[:n].sort()
    kept = 0
    for m in range(n):
        x = found[m]
        y = _partner(x, i, j, terms, losses)
        if (kept and x - found[kept - 1] < SAME and x != p[t, i]) or not (
            _piece(table, i, x) >= 0 and _piece(table, j, y) >= 0
        ):
            continue
        found[kept] = x
        kept += 1
    n = kept
    for m in range(kept - 1):
        x = _bottom(found[m], found[m + 1], i, j, terms, table, losses)
        if x == x:  # noqa: PLR0124  (not NaN)
            found[n] = x
            n += 1
    return n


@njit(cache=True)  # type: ignore[untyped-decorator]
def _broken(step: float, i: int, ramp: Any) -> float:
    """MW by which a step breaks the ramp of unit i."""
    return max(0.0, step - ramp[0, i] - EDGE, -step - ramp[1, i] - EDGE)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _exchange(
    p: Any, i: int, j: int, demand: Any, table: Any, ramp: Any, start: Any, losses: Any, weight: Any
) -> float:
    """Give units i and j their best outputs over all hours; the cost that this saves."""
    hours = p.shape[0]
    most = 4 * (1 + 2 * RAMPS) * (table[0][i] + table[0][j]) + 32
    x, y = np.empty((hours, most)), np.empty((hours, most))
    best, back = np.empty((hours, most)), np.zeros((hours, most), np.int64)
    n = np.zeros(hours, np.int64)
    now = 0.0
    for t in range(hours):
        terms = _pair_terms(p, t, i, j, demand, losses)
        n[t] = _candidates(p, t, i, j, terms, table, ramp, losses, x[t])
        now += _cost(table, i, p[t, i]) + _cost(table, j, p[t, j])
        before_i = p[t - 1, i] if t else start[i]
        before_j = p[t - 1, j] if t else start[j]
        if t or before_i == before_i:  # noqa: PLR0124  (not NaN)
            now += weight * _broken(p[t, i] - before_i, i, ramp)
        if t or before_j == before_j:  # noqa: PLR0124
            now += weight * _broken(p[t, j] - before_j, j, ramp)
        for m in range(n[t]):
            y[t, m] = _partner(x[t, m], i, j, terms, losses)
            here = _cost(table, i, x[t, m]) + _cost(table, j, y[t, m])
            if t == 0:
                if start[i] == start[i]:  # noqa: PLR0124
                    here += weight * _broken(x[t, m] - start[i], i, ramp)
                if start[j] == start[j]:  # noqa: PLR0124
                    here += weight * _broken(y[t, m] - start[j], j, ramp)
                best[t, m] = here
                continue
            least = np.inf
            for o in range(n[t - 1]):
                cost = best[t - 1, o]
                if cost >= least:
                    continue
                cost += weight * (
                    _broken(x[t, m] - x[t - 1, o], i, ramp)
                    + _broken(y[t, m] - y[t - 1, o], j, ramp)
                )
                if cost < least:
                    least, back[t, m] = cost, o
            best[t, m] = here + least
    if n[hours - 1] == 0:
        return 0.0
    m = int(np.argmin(best[hours - 1, : n[hours - 1]]))
    saved = now - best[hours - 1, m]
    if not saved > GAIN:
        return 0.0
    for t in range(hours - 1, -1, -1):
        p[t, i], p[t, j] = x[t, m], y[t, m]
        m = back[t, m]
    return saved


@njit(cache=True)  # type: ignore[untyped-decorator]
def descend(
    p: Any, demand: Any, table: Any, ramp: Any, start: Any, losses: Any, weight: float
) -> int:
    """Exchange between pairs, in place, until none saves anything; the number of exchanges tried.

    Parameters
    ----------
    p : (n_t, n + 1), MW, the slack last; changed in place, in balance in every hour
    demand : (n_t,), MW
    table : the arrays of a PieceTable, the slack's pieces included
    ramp : (2, n + 1), MW/h, up and down
    start : (n + 1,), MW, outputs before the first hour; NaN where unknown
    losses : whether there are any, B, B0, B00, with zeros for the slack
    weight : currency per MW of a broken ramp
    """
    n = p.shape[1]
    changed, tried = np.ones(n, np.int64), np.zeros((n, n), np.int64)
    clock, calls = 1, 0
    busy = True
    while busy:
        busy = False
        for i in range(n):
            for j in range(i + 1, n):
                if tried[i, j] >= max(changed[i], changed[j]):
                    continue
                if j == n - 1 and not np.any(np.abs(p[:, j]) > EDGE):
                    continue
                calls += 1
                clock += 1
                saved = _exchange(p, i, j, demand, table, ramp, start, losses, weight)
                tried[i, j] = clock
                if saved > 0.0:
                    clock += 1
                    changed[i] = changed[j] = clock
                    busy = True
    return calls
