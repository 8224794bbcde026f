"""Pairwise exchange: move output from one unit to another over all hours, as long as it pays.

At a minimum of a cost with valve points most outputs lie at valve points or limits. So for a pair
of units, with all others held, the outputs worth trying in an hour are few: the ends of pieces of
either unit, the same a few ramps away, and minima between them. Dynamic programming over the hours
picks the best sequence that the ramps of both allow.

The kernels work on a schedule with one more column: a slack that makes up what demand is not met,
at a penalty. A ramp that is broken costs the same penalty per MW, so a schedule needs no feasible
start.

All kernels stand in this one file: numba's cache notices changes of the file that calls, not of one
that is called.

``table`` is the arrays of a PieceTable, the slack's included; ``ramp`` (2, n + 1), MW/h, up and
down; ``losses`` is whether there are any, B, B0 and B00.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")

EDGE = 1e-9  # MW, outputs this far outside a piece still count as in it
SAME = 1e-7  # MW, candidates closer than this are one
RAMPS = 3  # candidates lie up to so many ramps away from the end of a piece
HALVINGS = 50
SWEEPS = 1000  # at most, should rounding let two pairs take turns


def _compiled(function: Function) -> Function:
    return cast("Function", njit(cache=True)(function))


@_compiled
def piece_at(table: Any, i: int, p: float) -> int:
    """Last piece of unit i that holds an output; -1 for none."""
    count, low, high = table[0], table[1], table[2]
    for k in range(count[i] - 1, -1, -1):
        if low[i, k] - EDGE <= p <= high[i, k] + EDGE:
            return k
    return -1


@_compiled
def cost_at(table: Any, i: int, p: float) -> float:
    """Exact cost of an output, infinite where it is prohibited."""
    k = piece_at(table, i, p)
    if k < 0:
        return np.inf
    _, _, _, a, b, c, e, f, ref = table
    smooth = a[i, k] + b[i, k] * p + c[i, k] * p * p
    if e[i, k] == 0.0:
        return float(smooth)
    return float(smooth + abs(e[i, k] * math.sin(f[i, k] * (ref[i, k] - p))))


@_compiled
def slope_at(table: Any, i: int, p: float, middle: float) -> float:
    """Derivative of the cost at p within the piece that holds ``middle``."""
    k = piece_at(table, i, middle)
    _, _, _, _, b, c, e, f, ref = table
    slope = b[i, k] + 2.0 * c[i, k] * p
    if e[i, k] != 0.0:
        slope -= e[i, k] * f[i, k] * math.cos(f[i, k] * (ref[i, k] - p))
    return float(slope)


@_compiled
def pair_terms(p: Any, t: int, i: int, j: int, demand: Any, losses: Any) -> Any:
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


@_compiled
def partner_of(x: float, i: int, j: int, terms: Any, losses: Any) -> float:
    """Output of unit j that balances the hour when unit i gives x; NaN when none does."""
    rest, fixed, l_i, l_j = terms
    lossy, b = losses[0], losses[1]
    if not lossy:
        return float(-rest - x)
    square = b[j, j]
    linear = l_j + 2.0 * b[i, j] * x - 1.0
    constant = fixed + l_i * x + b[i, i] * x * x - rest - x
    root = linear * linear - 4.0 * square * constant
    if root < 0.0 or linear >= 0.0:
        return np.nan
    return float(2.0 * constant / (-linear + math.sqrt(root)))


@_compiled
def _exchange_slope(
    x: float, middle: float, i: int, j: int, terms: Any, table: Any, losses: Any
) -> float:
    """Derivative of both units' cost by the output of i, in the pieces that hold ``middle``."""
    lossy, b = losses[0], losses[1]
    y, y_middle = partner_of(x, i, j, terms, losses), partner_of(middle, i, j, terms, losses)
    rate = -1.0
    if lossy:
        of_i = terms[2] + 2.0 * b[i, i] * x + 2.0 * b[i, j] * y
        of_j = terms[3] + 2.0 * b[j, j] * y + 2.0 * b[i, j] * x
        rate = -(1.0 - of_i) / (1.0 - of_j)
    return slope_at(table, i, x, middle) + slope_at(table, j, y, y_middle) * rate


@_compiled
def _bottom(low: float, high: float, i: int, j: int, terms: Any, table: Any, losses: Any) -> float:
    """Minimum strictly between two neighbouring candidates; NaN when there is none."""
    middle = 0.5 * (low + high)
    y = partner_of(middle, i, j, terms, losses)
    if piece_at(table, i, middle) < 0 or not piece_at(table, j, y) >= 0:
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


@_compiled
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


@_compiled
def _outputs(p: Any, t: int, i: int, table: Any, ramp: Any, found: Any, n: int) -> int:
    """Add the outputs of unit i worth trying in an hour after the first n; their number."""
    count, low, high = table[0], table[1], table[2]
    hours = p.shape[0]
    steps = RAMPS if hours > 1 else 0
    for k in range(count[i]):
        n = _near(found, n, low[i, k], ramp, i, steps)
        n = _near(found, n, high[i, k], ramp, i, steps)
    for s in (t - 1, t + 1):
        if 0 <= s < hours:
            n = _near(found, n, p[s, i], ramp, i, 1)
    return n


@_compiled
def _sort(found: Any, n: int) -> None:
    """Sort the first n by insertion: they are few, and numba's own sort is slow to compile."""
    for m in range(1, n):
        x, k = found[m], m
        while k > 0 and found[k - 1] > x:
            found[k] = found[k - 1]
            k -= 1
        found[k] = x


@_compiled
def _allowed(
    found: Any, n: int, now: float, i: int, j: int, terms: Any, table: Any, losses: Any
) -> int:
    """Sort outputs of unit i, drop those that either unit may not run at; the number left."""
    _sort(found, n)
    kept = 0
    for m in range(n):
        x = found[m]
        if kept and x - found[kept - 1] < SAME and x != now:
            continue
        y = partner_of(x, i, j, terms, losses)
        if piece_at(table, i, x) >= 0 and piece_at(table, j, y) >= 0:
            found[kept] = x
            kept += 1
    return kept


@_compiled
def _candidates(
    p: Any, t: int, i: int, j: int, terms: Any, table: Any, ramp: Any, losses: Any, found: Any
) -> int:
    """Outputs of unit i worth trying in an hour, into ``found``; their number."""
    found[0] = p[t, i]
    first = _outputs(p, t, i, table, ramp, found, 1)
    n = _outputs(p, t, j, table, ramp, found, first)
    swapped = (terms[0], terms[1], terms[3], terms[2])
    last, n = n, first
    for m in range(first, last):
        x = partner_of(found[m], j, i, swapped, losses)
        if not math.isnan(x):
            found[n] = x
            n += 1
    n = kept = _allowed(found, n, p[t, i], i, j, terms, table, losses)
    for m in range(kept - 1):
        x = _bottom(found[m], found[m + 1], i, j, terms, table, losses)
        if not math.isnan(x):
            found[n] = x
            n += 1
    return n


@_compiled
def _broken(step: float, i: int, ramp: Any) -> float:
    """MW by which a step breaks the ramp of unit i; a step from the unknown (NaN) breaks none."""
    if step > ramp[0, i] + EDGE:
        return float(step - ramp[0, i])
    if -step > ramp[1, i] + EDGE:
        return float(-step - ramp[1, i])
    return 0.0


@_compiled
def _link(
    x: Any, y: Any, best: Any, back: Any, t: int, n: Any, i: int, j: int, ramp: Any, weight: float
) -> None:
    """Best way to each candidate of hour t from those of the hour before (row t of the arrays)."""
    for m in range(n[t + 1]):
        least = np.inf
        for o in range(n[t]):
            cost = best[t, o]
            if cost >= least:
                continue
            up, over = x[t + 1, m] - x[t, o], y[t + 1, m] - y[t, o]
            cost += weight * (_broken(up, i, ramp) + _broken(over, j, ramp))
            if cost < least:
                least, back[t + 1, m] = cost, o
        best[t + 1, m] += least


@_compiled
def _exchange(
    p: Any,
    i: int,
    j: int,
    demand: Any,
    table: Any,
    ramp: Any,
    start: Any,
    losses: Any,
    weight: float,
    gain: float,
) -> float:
    """Give units i and j their best outputs over all hours; the cost that this saves.

    Row 0 of the arrays is the hour before the first.
    """
    hours = p.shape[0]
    most = 4 * (1 + 2 * RAMPS) * (table[0][i] + table[0][j]) + 32
    x, y = np.empty((hours + 1, most)), np.empty((hours + 1, most))
    best, back = np.zeros((hours + 1, most)), np.zeros((hours + 1, most), np.int64)
    n = np.ones(hours + 1, np.int64)
    x[0, 0], y[0, 0] = start[i], start[j]
    now = 0.0
    for t in range(hours):
        terms = pair_terms(p, t, i, j, demand, losses)
        n[t + 1] = _candidates(p, t, i, j, terms, table, ramp, losses, x[t + 1])
        for m in range(n[t + 1]):
            y[t + 1, m] = partner_of(x[t + 1, m], i, j, terms, losses)
            best[t + 1, m] = cost_at(table, i, x[t + 1, m]) + cost_at(table, j, y[t + 1, m])
        _link(x, y, best, back, t, n, i, j, ramp, weight)
        now += cost_at(table, i, p[t, i]) + cost_at(table, j, p[t, j])
        for unit in (i, j):
            before = p[t - 1, unit] if t else start[unit]
            now += weight * _broken(p[t, unit] - before, unit, ramp)
    if n[hours] == 0:
        return 0.0
    m = 0
    for k in range(1, n[hours]):
        if best[hours, k] < best[hours, m]:
            m = k
    saved = now - best[hours, m]
    if not saved > gain:
        return 0.0
    for t in range(hours, 0, -1):
        p[t - 1, i], p[t - 1, j] = x[t, m], y[t, m]
        m = back[t, m]
    return float(saved)


@_compiled
def _all_met(p: Any) -> bool:
    """Whether the slack is empty in every hour."""
    return bool(np.abs(p[:, p.shape[1] - 1]).max() <= EDGE)


@_compiled
def descend(
    p: Any,
    demand: Any,
    table: Any,
    ramp: Any,
    start: Any,
    losses: Any,
    weight: float,
    gain: float,
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
    gain : least saving that counts
    """
    n = p.shape[1]
    changed, tried = np.ones(n, np.int64), np.zeros((n, n), np.int64)
    clock, calls = 1, 0
    for _ in range(SWEEPS):
        busy = False
        for i in range(n):
            for j in range(i + 1, n):
                if tried[i, j] >= max(changed[i], changed[j]):
                    continue
                if j == n - 1 and _all_met(p):
                    continue
                calls += 1
                clock += 1
                saved = _exchange(p, i, j, demand, table, ramp, start, losses, weight, gain)
                tried[i, j] = clock
                if saved > 0.0:
                    clock += 1
                    changed[i] = changed[j] = clock
                    busy = True
        if not busy:
            break
    return calls
