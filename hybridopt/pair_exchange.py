"""Pairwise exchange: move output from one unit to another over all hours, as long as it pays.

At a minimum of a cost with valve points most outputs lie at valve points or limits. So for a pair
of units, with all others held, the outputs worth trying in an hour are few: the ends of pieces of
either unit, the same a few ramps away, and minima between them. Dynamic programming over the hours
picks the best sequence that the ramps of both allow.

The kernels work on a schedule with one more column: a slack that makes up what demand is not met,
at a penalty. A ramp that is broken costs the same penalty per MW, so a schedule needs no feasible
start.

All kernels stand in this one file: numba's cache notices changes of the file that calls, not of one
that is called. Their data are few arrays, which compile fastest:

table : (n, most pieces, 8), low, high, a, b, c, e, f, p_ref of each piece; low is infinite in the
    places that a unit leaves empty
ramp : (3, n), MW/h up and down, and the outputs before the first hour, NaN where unknown
losses : (n + 2, n), B, B0, and a row that begins with B00 and with 1 if there are losses at all
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")

PIECE = ("low", "high", "a", "b", "c", "e", "f", "p_ref")  # the last axis of a table
EDGE = 1e-9  # MW, outputs this far outside a piece still count as in it
SAME = 1e-7  # MW, candidates closer than this are one
RAMPS = 3  # candidates lie up to so many ramps away from the end of a piece
HALVINGS = 50
SWEEPS = 1000  # at most, should rounding let two pairs take turns


def _compiled(function: Function) -> Function:
    return cast("Function", njit(cache=True)(function))


@_compiled
def _piece(table: Any, i: int, p: float) -> int:
    """Last piece of unit i that holds an output; -1 for none."""
    for k in range(table.shape[1] - 1, -1, -1):
        if table[i, k, 0] - EDGE <= p <= table[i, k, 1] + EDGE:
            return k
    return -1


@_compiled
def _cost(table: Any, i: int, p: float) -> float:
    """Exact cost of an output, infinite where it is prohibited."""
    k = _piece(table, i, p)
    if k < 0:
        return np.inf
    q = table[i, k]
    cost = q[2] + q[3] * p + q[4] * p * p
    if q[5] != 0.0:
        cost += abs(q[5] * math.sin(q[6] * (q[7] - p)))
    return float(cost)


@_compiled
def _slope(table: Any, i: int, p: float, middle: float) -> float:
    """Derivative of the cost at p within the piece that holds ``middle``."""
    q = table[i, _piece(table, i, middle)]
    slope = q[3] + 2.0 * q[4] * p
    if q[5] != 0.0:
        slope -= q[5] * q[6] * math.cos(q[6] * (q[7] - p))
    return float(slope)


@_compiled
def _pair_terms(p: Any, t: int, i: int, j: int, demand: Any, losses: Any, terms: Any) -> None:
    """What the balance of an hour needs to know of the other units, into ``terms``.

    The balance is ``rest + x_i + x_j = loss``, where the loss is
    ``fixed + l_i x_i + l_j x_j + b_ii x_i^2 + b_jj x_j^2 + 2 b_ij x_i x_j``, and ``terms`` are
    rest, fixed, l_i, l_j.
    """
    n = p.shape[1]
    terms[0], terms[1], terms[2], terms[3] = (
        -demand[t],
        losses[n + 1, 0],
        losses[n, i],
        losses[n, j],
    )
    for m in range(n):
        if m in (i, j):
            continue
        terms[0] += p[t, m]
        if losses[n + 1, 1] == 0.0:
            continue
        terms[1] += losses[n, m] * p[t, m]
        terms[2] += 2.0 * losses[m, i] * p[t, m]
        terms[3] += 2.0 * losses[m, j] * p[t, m]
        for k in range(n):
            if k not in (i, j):
                terms[1] += losses[m, k] * p[t, m] * p[t, k]


@_compiled
def _partner(x: float, i: int, j: int, terms: Any, losses: Any) -> float:
    """Output of unit j that balances the hour when unit i gives x; NaN when none does.

    ``terms`` are those of the pair (i, j), whichever of the two is greater.
    """
    n = losses.shape[1]
    if losses[n + 1, 1] == 0.0:
        return float(-terms[0] - x)
    l_i, l_j = (terms[2], terms[3]) if i < j else (terms[3], terms[2])
    linear = l_j + 2.0 * losses[i, j] * x - 1.0
    constant = terms[1] + l_i * x + losses[i, i] * x * x - terms[0] - x
    root = linear * linear - 4.0 * losses[j, j] * constant
    if root < 0.0 or linear >= 0.0:
        return np.nan
    return float(2.0 * constant / (-linear + math.sqrt(root)))


@_compiled
def _exchange_slope(
    x: float, middle: float, i: int, j: int, terms: Any, table: Any, losses: Any
) -> float:
    """Derivative of both units' cost by the output of i, in the pieces that hold ``middle``."""
    y, y_middle = _partner(x, i, j, terms, losses), _partner(middle, i, j, terms, losses)
    of_i = terms[2] + 2.0 * losses[i, i] * x + 2.0 * losses[i, j] * y
    of_j = terms[3] + 2.0 * losses[j, j] * y + 2.0 * losses[i, j] * x
    rate = (1.0 - of_i) / (1.0 - of_j)
    return float(_slope(table, i, x, middle) - _slope(table, j, y, y_middle) * rate)


@_compiled
def _bottom(low: float, high: float, i: int, j: int, terms: Any, table: Any, losses: Any) -> float:
    """Minimum strictly between two neighbouring candidates; NaN when there is none."""
    middle = 0.5 * (low + high)
    y = _partner(middle, i, j, terms, losses)
    if _piece(table, i, middle) < 0 or _piece(table, j, y) < 0:
        return np.nan
    for halving in range(HALVINGS + 2):
        x = (low, high, 0.5 * (low + high))[min(halving, 2)]
        slope = _exchange_slope(x, middle, i, j, terms, table, losses)
        if (halving == 0 and slope >= 0.0) or (halving == 1 and slope <= 0.0):
            return np.nan
        if slope > 0.0:
            high = x
        else:
            low = x
    return 0.5 * (low + high)


@_compiled
def _outputs(p: Any, t: int, i: int, table: Any, ramp: Any, found: Any, n: int) -> int:
    """Add the outputs of unit i worth trying in an hour after the first n; their number."""
    hours, most = p.shape[0], table.shape[1]
    for k in range(2 * most + 2):
        s = t - 1 if k == 2 * most else t + 1
        if k < 2 * most:
            x, reach = table[i, k // 2, k % 2], RAMPS if hours > 1 else 0
        elif 0 <= s < hours:
            x, reach = p[s, i], 1
        else:
            continue
        for m in range(-reach, reach + 1):
            step = m * ramp[0, i] if m > 0 else m * ramp[1, i]
            shifted = x if m == 0 else x + step
            if abs(shifted) < np.inf:
                found[n] = shifted
                n += 1
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
        y = _partner(x, i, j, terms, losses)
        if _piece(table, i, x) >= 0 and _piece(table, j, y) >= 0:
            found[kept] = x
            kept += 1
    return kept


@_compiled
def _candidates(
    p: Any, t: int, i: int, j: int, terms: Any, table: Any, ramp: Any, losses: Any, found: Any
) -> int:
    """Outputs of unit i worth trying in an hour, into ``found``; their number."""
    first = _outputs(p, t, i, table, ramp, found, 0)
    last = _outputs(p, t, j, table, ramp, found, first)
    n = first
    for m in range(first, last):
        x = _partner(found[m], j, i, terms, losses)
        if not math.isnan(x):
            found[n] = x
            n += 1
    found[n] = p[t, i]
    n = kept = _allowed(found, n + 1, p[t, i], i, j, terms, table, losses)
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
    losses: Any,
    weight: float,
    gain: float,
) -> float:
    """Give units i and j their best outputs over all hours; the cost that this saves.

    Row 0 of the arrays is the hour before the first.
    """
    hours = p.shape[0]
    most = 8 * (1 + 2 * RAMPS) * table.shape[1] + 32
    x, y = np.empty((hours + 1, most)), np.empty((hours + 1, most))
    best, back = np.zeros((hours + 1, most)), np.zeros((hours + 1, most), np.int64)
    n, terms = np.ones(hours + 1, np.int64), np.empty(4)
    x[0, 0], y[0, 0] = ramp[2, i], ramp[2, j]
    now = 0.0
    for t in range(hours):
        _pair_terms(p, t, i, j, demand, losses, terms)
        n[t + 1] = _candidates(p, t, i, j, terms, table, ramp, losses, x[t + 1])
        for m in range(n[t + 1]):
            y[t + 1, m] = _partner(x[t + 1, m], i, j, terms, losses)
            best[t + 1, m] = _cost(table, i, x[t + 1, m]) + _cost(table, j, y[t + 1, m])
        _link(x, y, best, back, t, n, i, j, ramp, weight)
        for unit in (i, j):
            before = p[t - 1, unit] if t else ramp[2, unit]
            now += weight * _broken(p[t, unit] - before, unit, ramp)
            now += _cost(table, unit, p[t, unit])
    m = 0
    for k in range(1, n[hours]):
        if best[hours, k] < best[hours, m]:
            m = k
    saved = now - best[hours, m]
    if n[hours] == 0 or not saved > gain:
        return 0.0
    for t in range(hours, 0, -1):
        p[t - 1, i], p[t - 1, j] = x[t, m], y[t, m]
        m = back[t, m]
    return float(saved)


@_compiled
def _all_met(p: Any) -> bool:
    """Whether the slack is empty in every hour."""
    for t in range(p.shape[0]):  # noqa: SIM110  (compiles faster than all())
        if abs(p[t, p.shape[1] - 1]) > EDGE:
            return False
    return True


@_compiled
def descend(
    p: Any, demand: Any, table: Any, ramp: Any, losses: Any, weight: float, gain: float
) -> int:
    """Exchange between pairs, in place, until none saves anything; the number of exchanges tried.

    Parameters
    ----------
    p : (n_t, n), MW, the slack last; changed in place, in balance in every hour
    demand : (n_t,), MW
    table, ramp, losses : see above, the slack's pieces included
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
                saved = _exchange(p, i, j, demand, table, ramp, losses, weight, gain)
                tried[i, j] = clock
                if saved > 0.0:
                    clock += 1
                    changed[i] = changed[j] = clock
                    busy = True
        if not busy:
            break
    return calls
