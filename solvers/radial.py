"""DistFlow on radial networks: many trees over many hours, and descent by branch exchange.

A tree is given by its open branches. Its power flow is solved by sweeps over real powers and
squared voltages (Baran and Wu 1989): backward, the power that enters each bus; forward, the voltage
behind each branch, exact for that power (the quadratic of reference C, equation 5.3). A power flow
without solution is a value, not an error.

Hours are the innermost axis, so that the loops over them become vector instructions. All kernels
stand in this one file: numba's cache notices changes of the file that calls, not of one that is
called. Everything is in per unit; loads are positive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")

# Columns of RadialArrays.branch, and rows of .load.
R, X, RATIO, G_FROM, B_FROM, G_TO, B_TO, I_FROM, I_TO, HANGS_AT, G_OPEN, B_OPEN = range(12)
P, Q, P_CURRENT, Q_CURRENT, P_IMPEDANCE, Q_IMPEDANCE = range(6)
# Columns of what :func:`evaluate` returns.
MEASURES = (
    "unserved",
    "violation",
    "loss",
    "voltage_drop",
    "max_voltage_drop",
    "load_balance",
    "min_vm",
    "iterations",
    "violation2",
)
UNSERVED, VIOLATION, LOSS, DROP, MAX_DROP, BALANCE, MIN_VM, ITERATIONS, VIOLATION2 = range(9)
N_MEASURES = len(MEASURES)

SWEEPS = 3000  # at most; the slowest power flows that exist lie close to collapse
SLOW = 40  # sweeps, after which steps that remain are estimated
COLLAPSED = 8  # sweeps without a voltage behind some branch, after which there is none
PATIENCE = 60  # and where demand depends on voltage
DAMPED = 0.2  # share of each step then taken, if estimates fail
LEAST2 = 1e-3  # squared voltage that none is put below, pu
MOST_DROP2 = 9.0  # squared voltage along one branch that no power flow reaches, pu
TOLERANCE = 1e-10  # of squared voltages, between sweeps
SAME = 1e-12  # relative difference of objectives that is none
WITHIN = 1e-9  # pu; limits exceeded by less are met
DOUBT = 0.08  # estimated savings may be wrong by so much of the terms they are made of
FAST = {"nnan", "nsz", "contract", "reassoc", "arcp"}


class RadialArrays(NamedTuple):
    """A network as the kernels take it.

    Attributes
    ----------
    ends : (n_branch, 2), buses
    start, near : (n_bus + 1,), (2 n_branch,): branches at each bus, those of bus b from start[b]
    branch : (n_branch, 12), series r and x, ratio (from-side voltage over that behind the ideal
        transformer at this side), admittances at both ends, largest currents at both ends (inf:
        none); the bus that it stays connected to while open (-1: none) and its admittance then
    cuttable : (n_branch,) whether a branch may be opened
    normal : (n_branch,) closed in the normal state, with which switching operations are counted;
        -1 for branches that are not counted
    load : (6, n_bus, n_t), demand: constant power, constant current at 1 pu, constant impedance at
        1 pu; p and q of each
    source : (n_bus,), squared voltage of sources; 0 elsewhere; -1 for the root of what is left
        without supply
    dt : (n_t,), h
    vm : (n_bus, 2), lowest and highest voltage
    has : (3,), whether anything depends on voltage, is limited, may be without supply
    """

    ends: Any
    start: Any
    near: Any
    branch: Any
    cuttable: Any
    normal: Any
    load: Any
    source: Any
    dt: Any
    vm: Any
    has: Any


def _compiled(function: Function) -> Function:
    return cast(
        "Function", njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")(function)
    )


class _Work(NamedTuple):
    """Room for one tree: places from the sources outward, and the state of each.

    order[k] is the k-th bus, up[k] the place of the one before it (-1: a source), above[k] the
    branch between them, at[bus] its place (-1: not reached).
    """

    order: Any
    up: Any
    above: Any
    at: Any
    term: Any
    v: Any
    p: Any
    q: Any


@_compiled
def _room(net: Any) -> Any:
    n, hours = net.source.size, net.dt.size
    return _Work(
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty(n, np.int64),
        np.empty((n, 8)),
        np.empty((n, hours)),
        np.empty((n, hours)),
        np.empty((n, hours)),
    )


@_compiled
def _grow(net: Any, is_open: Any, work: Any, k: int, n: int) -> int:
    """Buses behind places k to n, in the order of their distance; the number reached so far."""
    order, up, above, at = work.order, work.up, work.above, work.at
    while k < n:
        bus = order[k]
        for m in range(net.start[bus], net.start[bus + 1]):
            branch = net.near[m]
            if is_open[branch]:
                continue
            other = net.ends[branch, 0] + net.ends[branch, 1] - bus
            if at[other] < 0:
                order[n], up[n], above[n], at[other] = other, k, branch, n
                n += 1
        k += 1
    return n


@_compiled
def _plant(net: Any, is_open: Any, work: Any) -> Any:
    """Buses from the sources outward, then those without supply; the numbers of both."""
    n = 0
    for bus in range(net.source.size):
        work.at[bus] = -1
    for bus in range(net.source.size):
        if net.source[bus] > 0.0:
            work.order[n], work.up[n], work.above[n], work.at[bus] = bus, -1, -1, n
            n += 1
    live = _grow(net, is_open, work, 0, n)
    n = live
    for bus in range(net.source.size):
        if net.source[bus] < 0.0:
            work.order[n], work.up[n], work.above[n], work.at[bus] = bus, -1, -1, n
            n += 1
    return live, _grow(net, is_open, work, live, n)


@_compiled
def _terms(net: Any, is_open: Any, n: int, work: Any) -> None:
    """Constants of each place, into ``term``.

    Row k: r, x, |z|^2, factors of squared voltage before and behind the branch, g, b, and what no
    squared current can exceed; g and b are the admittances of the branch ends at its bus.
    """
    order, up, above, term = work.order, work.up, work.above, work.term
    for k in range(n):
        term[k, 5] = term[k, 6] = term[k, 7] = 0.0
        branch = above[k]
        if branch < 0:
            term[k, 0] = term[k, 1] = term[k, 2] = 0.0
            term[k, 3] = term[k, 4] = 1.0
            continue
        r, x, ratio = net.branch[branch, R], net.branch[branch, X], net.branch[branch, RATIO]
        forward = net.ends[branch, 1] == order[k]
        term[k, 0], term[k, 1], term[k, 2] = r, x, r * r + x * x
        term[k, 3] = 1.0 / (ratio * ratio) if forward else 1.0
        term[k, 4] = 1.0 if forward else ratio * ratio
        if term[k, 2] > 0.0:
            term[k, 7] = MOST_DROP2 / term[k, 2]
    if net.has[0]:
        for k in range(n):
            branch = above[k]
            if branch < 0:
                continue
            forward = net.ends[branch, 1] == order[k]
            near, far = (G_TO, G_FROM) if forward else (G_FROM, G_TO)
            term[k, 5] += net.branch[branch, near]
            term[k, 6] += net.branch[branch, near + 1]
            term[up[k], 5] += net.branch[branch, far]
            term[up[k], 6] += net.branch[branch, far + 1]
        for branch in range(is_open.size):
            bus = int(net.branch[branch, HANGS_AT])
            if is_open[branch] and bus >= 0 and 0 <= work.at[bus] < n:
                term[work.at[bus], 5] += net.branch[branch, G_OPEN]
                term[work.at[bus], 6] += net.branch[branch, B_OPEN]


@_compiled
def _demand(net: Any, n: int, order: Any, term: Any, v: Any, p: Any, q: Any) -> None:
    """What each bus draws itself, at the voltages so far."""
    for k in range(n):
        bus = order[k]
        if net.has[0]:
            for t in range(p.shape[1]):
                vm = np.sqrt(v[k, t])
                load = net.load[:, bus, t]
                p[k, t] = (
                    load[P] + load[P_CURRENT] * vm + (load[P_IMPEDANCE] + term[k, 5]) * v[k, t]
                )
                q[k, t] = (
                    load[Q] + load[Q_CURRENT] * vm + (load[Q_IMPEDANCE] - term[k, 6]) * v[k, t]
                )
        else:
            for t in range(p.shape[1]):
                p[k, t] = net.load[P, bus, t]
                q[k, t] = net.load[Q, bus, t]


@_compiled
def _inward(n: int, up: Any, term: Any, v: Any, p: Any, q: Any) -> None:
    """Add to the power that enters each place what flows on from it, at the voltages so far."""
    for k in range(n - 1, -1, -1):
        i = up[k]
        if i < 0:
            continue
        r, x, behind, most = term[k, 0], term[k, 1], term[k, 4], term[k, 7]
        for t in range(p.shape[1]):
            pk, qk = p[k, t], q[k, t]
            current2 = min((pk * pk + qk * qk) * behind / v[k, t], most)
            p[i, t] += pk + r * current2
            q[i, t] += qk + x * current2


@_compiled
def _outward(n: int, up: Any, term: Any, v: Any, p: Any, q: Any) -> Any:
    """Voltages behind each branch; the largest change, and what is negative without any."""
    change, lowest = 0.0, 1.0
    for k in range(n):
        i = up[k]
        if i < 0:
            continue
        r, x, z2, before, behind = term[k, 0], term[k, 1], term[k, 2], term[k, 3], term[k, 4]
        for t in range(p.shape[1]):
            pk, qk = p[k, t], q[k, t]
            half = 0.5 * v[i, t] * before - r * pk - x * qk
            root = half * half - z2 * (pk * pk + qk * qk)
            lowest = min(lowest, root, half)
            new = max((half + np.sqrt(max(root, 0.0))) * behind, LEAST2)
            change = max(change, abs(new - v[k, t]))
            v[k, t] = new
    return change, lowest


@_compiled
def _steer(v: Any, old: Any, step: Any, n: int, tolerance: float, slow: bool) -> bool:
    """Go where a geometric series of steps leads (Aitken), of hours that swing or creep.

    step holds the last step of each hour, zero after one that was altered. Near collapse, steps
    from above shrink ever less, so that a creeping hour is not led beyond its solution.
    """
    led = False
    for t in range(v.shape[1]):
        along = squares = moved = 0.0
        for k in range(n):
            along += (v[k, t] - old[k, t]) * step[k, t]
            squares += step[k, t] * step[k, t]
            moved = max(moved, abs(v[k, t] - old[k, t]))
        rate = along / squares if squares > 0.0 and moved > tolerance else 0.0
        lead = rate < -0.25 or (slow and 0.5 < rate < 1.0)
        led = led or lead
        for k in range(n):
            change = v[k, t] - old[k, t]
            step[k, t] = 0.0 if lead else change
            if lead:
                v[k, t] = max(v[k, t] + change * rate / (1.0 - rate), LEAST2)
    return led


@_compiled
def _persist(
    net: Any, n: int, order: Any, up: Any, term: Any, v: Any, p: Any, q: Any, tolerance: float
) -> int:
    """Settle what sweeps do slowly or from another start; as :func:`_settle`.

    Begins above all solutions, first with estimated steps, then, if those fail, without.
    """
    hours = p.shape[1]
    old, step = np.empty((n, hours)), np.zeros((n, hours))
    top = net.source.max()
    for steers in (True, False):
        step[:] = 0.0
        for k in range(n):
            if up[k] >= 0:
                v[k] = top
        collapsed = 0
        for sweep in range(1, SWEEPS + 1):
            old[:] = v[:n]
            _demand(net, n, order, term, v, p, q)
            _inward(n, up, term, v, p, q)
            change, lowest = _outward(n, up, term, v, p, q)
            if lowest >= 0.0 and change < tolerance:
                return SLOW + sweep
            collapsed = collapsed + 1 if lowest < 0.0 else 0
            if collapsed >= (PATIENCE if net.has[0] else COLLAPSED):
                break
            if steers:
                _steer(v, old, step, n, tolerance, sweep > 8)
            elif net.has[0]:
                for k in range(n):
                    v[k] = old[k] + DAMPED * (v[k] - old[k])
    return -SLOW - sweep


@_compiled
def _settle(  # noqa: C901
    net: Any, n: int, order: Any, up: Any, term: Any, v: Any, p: Any, q: Any, tolerance: float
) -> int:
    """Sweep until the voltages stand still; the number of sweeps, negative without solution.

    v holds the start, and afterwards the squared voltages; p and q the powers that enter each place
    from above, behind the branch. Where demand does not depend on voltage, sweeps that begin above
    all solutions fall towards the highest one and do not miss it.
    """
    hours = p.shape[1]
    top = net.source.max()
    high = not net.has[0]
    for k in range(n):
        high = high and (up[k] < 0 or v[k, 0] == top)
    collapsed, last = 0, 0.0
    for sweep in range(1, SLOW + 1):
        _demand(net, n, order, term, v, p, q)
        for k in range(n - 1, -1, -1):
            i = up[k]
            if i < 0:
                continue
            r, x, behind, most = term[k, 0], term[k, 1], term[k, 4], term[k, 7]
            for t in range(hours):
                pk, qk = p[k, t], q[k, t]
                current2 = min((pk * pk + qk * qk) * behind / v[k, t], most)
                p[i, t] += pk + r * current2
                q[i, t] += qk + x * current2
        change, lowest = 0.0, 1.0
        for k in range(n):
            i = up[k]
            if i < 0:
                continue
            r, x, z2, before, behind = term[k, 0], term[k, 1], term[k, 2], term[k, 3], term[k, 4]
            for t in range(hours):
                pk, qk = p[k, t], q[k, t]
                half = 0.5 * v[i, t] * before - r * pk - x * qk
                root = half * half - z2 * (pk * pk + qk * qk)
                lowest = min(lowest, root, half)
                new = (half + np.sqrt(max(root, 0.0))) * behind
                new = max(new, LEAST2)
                change = max(change, abs(new - v[k, t]))
                v[k, t] = new
        if lowest < 0.0:
            collapsed += 1
            if collapsed >= COLLAPSED:
                if high:
                    return -sweep
                break
        elif change < tolerance or (
            change < 100.0 * tolerance and change * change < tolerance * (last - change)
        ):  # what later changes add up to, each less than the one before by the same factor
            return sweep
        last = change
    return _persist(net, n, order, up, term, v, p, q, tolerance)


@_compiled
def _is_forest(net: Any, is_open: Any, work: Any, reached: int) -> bool:
    """Whether the closed branches among the buses reached hold no loop, sources being one bus."""
    closed = roots = 0
    for branch in range(is_open.size):
        if not is_open[branch] and work.at[net.ends[branch, 0]] >= 0:
            closed += 1
    for k in range(reached):
        roots += work.up[k] < 0
    return closed == reached - roots


@_compiled
def _solve(net: Any, is_open: Any, work: Any, start: Any, tolerance: float) -> Any:
    """Places and power flow of a tree; live places, all places, sweeps (negative: no solution).

    start : (n_bus, n_t), squared voltages to begin with
    """
    live, reached = _plant(net, is_open, work)
    _terms(net, is_open, live, work)
    for k in range(live):
        bus = work.order[k]
        for t in range(net.dt.size):
            work.v[k, t] = net.source[bus] if work.up[k] < 0 else start[bus, t]
    sweeps = _settle(net, live, work.order, work.up, work.term, work.v, work.p, work.q, tolerance)
    return live, reached, sweeps


@_compiled
def _over(value2: float, most: float) -> float:
    """By how much of the largest current a squared current exceeds it."""
    if value2 <= most * most:
        return 0.0
    return float(np.sqrt(value2) / most - 1.0)


@_compiled
def _violation(net: Any, live: int, work: Any) -> Any:
    """Voltages (pu) and currents (relative) beyond their limits, summed, mean over the hours.

    The second value is the same with their squares.
    """
    total = squares = 0.0
    for k in range(live):
        bus, branch, i = work.order[k], work.above[k], work.up[k]
        low, high = net.vm[bus, 0], net.vm[bus, 1]
        for t in range(net.dt.size):
            vm = np.sqrt(work.v[k, t])
            over = max(low - vm, 0.0) + max(vm - high, 0.0)
            total += over
            squares += over * over
        if branch < 0:
            continue
        row = net.branch[branch]
        if row[I_FROM] == np.inf and row[I_TO] == np.inf:
            continue
        forward = net.ends[branch, 1] == bus
        near, far = (G_TO, G_FROM) if forward else (G_FROM, G_TO)
        most, most_above = (row[I_TO], row[I_FROM]) if forward else (row[I_FROM], row[I_TO])
        for t in range(net.dt.size):
            v, above = work.v[k, t], work.v[i, t]
            p, q = work.p[k, t], work.q[k, t]
            current2 = (p * p + q * q) * work.term[k, 4] / v
            here = (p - row[near] * v) ** 2 + (q + row[near + 1] * v) ** 2
            p += row[R] * current2 + row[far] * above
            q += row[X] * current2 - row[far + 1] * above
            over = max(_over(here / v, most), _over((p * p + q * q) / above, most_above))
            total += over
            squares += over * over
    return total / net.dt.size, squares / net.dt.size


@_compiled
def _unserved(net: Any, live: int, work: Any) -> float:
    """Demand of the buses without supply, energy in pu h, at 1 pu."""
    total = 0.0
    for bus in range(net.source.size):
        if work.at[bus] < 0 or work.at[bus] >= live:
            for t in range(net.dt.size):
                load = net.load[P, bus, t] + net.load[P_CURRENT, bus, t]
                total += net.dt[t] * max(load + net.load[P_IMPEDANCE, bus, t], 0.0)
    return total


@_compiled
def _measure(net: Any, live: int, work: Any, sweeps: int, out: Any) -> None:
    """All measures of a tree whose power flow is settled; see MEASURES."""
    out[:] = 0.0
    out[ITERATIONS] = sweeps
    out[UNSERVED] = _unserved(net, live, work)
    if sweeps < 0:
        out[VIOLATION] = out[LOSS] = out[DROP] = out[MAX_DROP] = out[BALANCE] = np.inf
        out[VIOLATION2] = np.inf
        out[MIN_VM] = 0.0
        return
    for t in range(net.dt.size):
        drop, lowest, highest = 0.0, np.inf, 0.0
        for k in range(live):
            i, v = work.up[k], work.v[k, t]
            lowest = min(lowest, v)
            if i < 0:
                highest = max(highest, v)
            else:
                drop += abs(np.sqrt(work.v[i, t]) - np.sqrt(v))
        lowest, highest = np.sqrt(lowest), np.sqrt(highest)
        out[DROP] = max(out[DROP], drop)
        out[MAX_DROP] = max(out[MAX_DROP], highest - lowest)
        out[MIN_VM] = lowest if t == 0 else min(out[MIN_VM], lowest)
        out[BALANCE] += net.dt[t] * _imbalance(net, live, work, t)
    out[LOSS] = _loss(net, live, work)
    out[VIOLATION], out[VIOLATION2] = _violation(net, live, work)
    out[BALANCE] /= net.dt.sum()


@_compiled
def _loss(net: Any, live: int, work: Any) -> float:
    """Losses of all branches, energy in pu h."""
    total = 0.0
    for k in range(live):
        r, behind, g = work.term[k, 0], work.term[k, 4], work.term[k, 5]
        for t in range(net.dt.size):
            p, q, v = work.p[k, t], work.q[k, t], work.v[k, t]
            series = r * (p * p + q * q) * behind / v if work.up[k] >= 0 else 0.0
            total += net.dt[t] * (series + g * v)
    return total


@_compiled
def _imbalance(net: Any, live: int, work: Any, t: int) -> float:
    """Mean over the branches of their squared loading; of squared current where none is rated."""
    rated = unrated = 0.0
    n = 0
    for k in range(live):
        branch = work.above[k]
        if branch < 0:
            continue
        current2 = work.p[k, t] ** 2 + work.q[k, t] ** 2
        current2 *= work.term[k, 4] / work.v[k, t]
        unrated += current2
        most = min(net.branch[branch, I_FROM], net.branch[branch, I_TO])
        if most < np.inf:
            rated += current2 / (most * most)
            n += 1
    return float(rated / n if n else unrated / max(live, 1))


@_compiled
def evaluate(net: Any, opens: Any, tolerance: float = TOLERANCE) -> Any:
    """Measures of many trees.

    Parameters
    ----------
    opens : (n, k) int64, open branches of each; entries below 0 are none

    Returns
    -------
    (n, 9), see MEASURES: unserved and loss in pu h, violation, total and largest voltage drop in
    pu (worst hour), load balance, lowest voltage in pu, sweeps, violations squared. Sweeps
    are negative where the
    power flow has no solution (then all but ``unserved`` is infinite), 0 where loops are left.
    """
    found = np.empty((opens.shape[0], N_MEASURES))
    work = _room(net)
    is_open = np.zeros(net.ends.shape[0], np.bool_)
    flat = np.ones((net.source.size, net.dt.size))
    for bus in range(net.source.size):
        flat[bus] = net.source.max()
    for c in range(opens.shape[0]):
        for m in opens[c]:
            if m >= 0:
                is_open[m] = True
        live, reached, sweeps = _solve(net, is_open, work, flat, tolerance)
        _measure(net, live, work, sweeps, found[c])
        if not _is_forest(net, is_open, work, reached):
            found[c, ITERATIONS] = 0.0
        for m in opens[c]:
            if m >= 0:
                is_open[m] = False
    return found


@_compiled
def losses(net: Any, opens: Any, tolerance: float = TOLERANCE) -> Any:
    """Losses of many trees, (n,), energy in pu h; inf without solution. Faster than evaluate."""
    found = np.empty(opens.shape[0])
    work = _room(net)
    is_open = np.zeros(net.ends.shape[0], np.bool_)
    flat = np.ones((net.source.size, net.dt.size))
    for bus in range(net.source.size):
        flat[bus] = net.source.max()
    for c in range(opens.shape[0]):
        for m in opens[c]:
            if m >= 0:
                is_open[m] = True
        live, _, sweeps = _solve(net, is_open, work, flat, tolerance)
        found[c] = _loss(net, live, work) if sweeps > 0 else np.inf
        for m in opens[c]:
            if m >= 0:
                is_open[m] = False
    return found


@_compiled
def flows(net: Any, opens: Any, tolerance: float = TOLERANCE) -> Any:
    """Squared voltages and branch powers of one tree, and the number of sweeps.

    Returns
    -------
    (n_bus, n_t) squared voltages, 0 where dead; (n_branch, n_t) active and reactive power that
    leaves each branch towards its load side, counted from the from to the to side; sweeps
    """
    work = _room(net)
    is_open = np.zeros(net.ends.shape[0], np.bool_)
    for m in opens:
        if m >= 0:
            is_open[m] = True
    flat = np.full((net.source.size, net.dt.size), net.source.max())
    live, _, sweeps = _solve(net, is_open, work, flat, tolerance)
    v = np.zeros((net.source.size, net.dt.size))
    p, q = np.zeros((is_open.size, net.dt.size)), np.zeros((is_open.size, net.dt.size))
    for k in range(live):
        bus, branch = work.order[k], work.above[k]
        v[bus] = work.v[k]
        if branch >= 0:
            sign = 1.0 if net.ends[branch, 1] == bus else -1.0
            p[branch], q[branch] = sign * work.p[k], sign * work.q[k]
    return v, p, q, sweeps


@_compiled
def _value(net: Any, is_open: Any, measure: Any, weights: Any) -> float:
    """Objective of a measured tree; see :func:`descend`."""
    value = 0.0
    for m in range(4):
        if weights[m] != 0.0:
            value += weights[m] * measure[LOSS + m]
    if weights[4] != 0.0:
        value += weights[4] * _operations(net, is_open)
    return value


@_compiled
def _operations(net: Any, is_open: Any) -> int:
    """Branches that are not in their normal state."""
    count = 0
    for branch in range(is_open.size):
        if net.normal[branch] >= 0 and (net.normal[branch] == 0) != is_open[branch]:
            count += 1
    return count


@_compiled
def _score(net: Any, is_open: Any, work: Any, start: Any, weights: Any, measure: Any) -> Any:
    """Violation, unserved and value of a tree, in the order of their importance; live places."""
    live, _, sweeps = _solve(net, is_open, work, start, 1e-9)
    if sweeps > 0 and weights[1] == 0.0 and weights[2] == 0.0 and weights[3] == 0.0:
        measure[VIOLATION] = _violation(net, live, work)[0] if net.has[1] else 0.0
        measure[LOSS] = _loss(net, live, work)
        measure[UNSERVED] = _unserved(net, live, work) if net.has[2] else 0.0
    else:
        _measure(net, live, work, sweeps, measure)
    violation = measure[VIOLATION] if measure[VIOLATION] > WITHIN else 0.0
    return (violation, measure[UNSERVED], _value(net, is_open, measure, weights)), live


@_compiled
def _better(a: Any, b: Any) -> bool:
    """Whether score a is less than score b."""
    for m in range(3):
        if a[m] < b[m] - SAME * abs(b[m]):
            return True
        if a[m] > b[m] + SAME * abs(b[m]):
            return False
    return False


@_compiled
def _loop(net: Any, tie: int, work: Any, depth: Any, path: Any) -> Any:
    """Places below the branches of the loop that a tie closes; those of its first end come first.

    Sources are one bus. Returns how many lie on the first end's side, and how many in all.
    """
    a, b = work.at[net.ends[tie, 0]], work.at[net.ends[tie, 1]]
    if a < 0 or b < 0:
        return 0, 0
    i, j, first, second = a, b, 0, 0
    while i != j:
        if depth[i] == 0 and depth[j] == 0:
            break
        if depth[i] >= depth[j]:
            path[first] = i
            first += 1
            i = work.up[i]
        else:
            second += 1
            j = work.up[j]
    i, n = j, first
    j = b
    for _ in range(second):
        path[n] = j
        n += 1
        j = work.up[j]
    return first, n


@_compiled
def _rank(  # noqa: C901
    net: Any,
    ties: Any,
    work: Any,
    live: int,
    depth: Any,
    doubt: float,
    path: Any,
    gain: Any,
    moves: Any,
) -> int:
    """Exchanges that may pay, with the estimated change of losses; their number.

    Moving the load S behind a branch of a loop to its other side changes the losses by
    ``|S|^2 sum(r) - 2 S . (sum(r S) here - sum(r S) there)``, voltages held (Civanlar et al. 1988,
    with the powers of the present tree). moves[m] is the place in ``ties`` and the branch to open.
    """
    n = 0
    for place in range(ties.size):
        tie = ties[place]
        first, length = _loop(net, tie, work, depth, path)
        count = n
        for m in range(length):
            branch = work.above[path[m]]
            if net.cuttable[branch]:
                moves[n, 0], moves[n, 1], gain[n, 0], gain[n, 1] = place, branch, 0.0, 0.0
                n += 1
        a, b = work.at[net.ends[tie, 0]], work.at[net.ends[tie, 1]]
        if max(a, b) >= live:
            n = _rank_supply(net, work, live, min(a, b) < live, first, length, path, gain, count)
            continue
        for t in range(net.dt.size):
            resistance = net.branch[tie, R]
            sum_p = sum_q = 0.0
            for m in range(length):
                k = path[m]
                weight = work.term[k, 0] * work.term[k, 4] / work.v[k, t]
                resistance += weight
                sign = 1.0 if m < first else -1.0
                sum_p += sign * weight * work.p[k, t]
                sum_q += sign * weight * work.q[k, t]
            c = count
            for m in range(length):
                k = path[m]
                if not net.cuttable[work.above[k]]:
                    continue
                p, q = work.p[k, t], work.q[k, t]
                sign = 1.0 if m < first else -1.0
                grows = net.dt[t] * (p * p + q * q) * resistance
                saves = net.dt[t] * 2.0 * sign * (p * sum_p + q * sum_q)
                gain[c, 0] += grows - saves
                gain[c, 1] += grows + abs(saves)
                c += 1
        kept = count
        for m in range(count, n):
            if gain[m, 0] < doubt * gain[m, 1]:
                gain[kept], moves[kept] = gain[m], moves[m]
                kept += 1
        n = kept
    return n


@_compiled
def _rank_supply(
    net: Any,
    work: Any,
    live: int,
    mixed: bool,
    first: int,
    length: int,
    path: Any,
    gain: Any,
    count: int,
) -> int:
    """Rank exchanges with a tie that ends without supply: most load restored first, shed last."""
    if not mixed:
        return count
    n = count
    for m in range(length):
        k = path[m]
        if net.cuttable[work.above[k]]:
            load = 0.0
            for t in range(net.dt.size):
                load += net.dt[t] * abs(work.p[k, t])
            gain[n, 0] = -1e6 - load if k >= live else 1e6 + load
            n += 1
    return n


class Memory(NamedTuple):
    """Trees that descents have come through.

    Attributes
    ----------
    mark : (n_branch,) uint64, random; the key of a tree is that of its open branches, combined
    key : (size,) uint64, of trees seen, by their remainder or in the next free place (0)
    end : (size,) the number of the descent that came through first
    """

    mark: Any
    key: Any
    end: Any


@_compiled
def no_memory() -> Any:
    """Room for no tree."""
    return Memory(np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.int64))


def new_memory(net: RadialArrays, size: int = 2**18) -> Memory:
    """Room for so many trees."""
    rng = np.random.default_rng(0)
    mark = rng.integers(1, 2**64, len(net.ends), np.uint64)
    return Memory(mark, np.zeros(size, np.uint64), np.full(size, -1, np.int64))


@_compiled
def _recall(memory: Any, ties: Any, number: int) -> int:
    """The descent that came through a tree before this one; -1: none, and the tree is kept."""
    size = memory.key.size
    if size == 0:
        return -1
    key = np.uint64(0)
    for branch in ties:
        key ^= memory.mark[branch]
    place = np.int64(key % np.uint64(size))
    for _ in range(32):
        if memory.key[place] == key:
            return int(memory.end[place])
        if memory.key[place] == 0:
            memory.key[place], memory.end[place] = key, number
            return -1
        place = (place + 1) % size
    return -1


@_compiled
def _without_supply(net: Any, live: int, reached: int, work: Any) -> None:
    """Load behind each place that has no supply, into p and q."""
    for k in range(live, reached):
        bus = work.order[k]
        work.v[k], work.term[k] = 1.0, 0.0
        work.p[k], work.q[k] = net.load[P, bus], net.load[Q, bus]
    for k in range(reached - 1, live - 1, -1):
        i = work.up[k]
        if i >= 0:
            work.p[i] += work.p[k]
            work.q[i] += work.q[k]


@_compiled
def _descend(  # noqa: C901
    net: Any,
    ties: Any,
    weights: Any,
    work: Any,
    other: Any,
    is_open: Any,
    measure: Any,
    memory: Any,
    number: int,
) -> Any:
    """Exchange branches, in place, while the score falls.

    Returns the number of trees tried, and the descent that came through the last of them before
    (-1: none). Trees are kept under ``number``.
    """
    n_bus, n_branch, hours = net.source.size, net.ends.shape[0], net.dt.size
    start = np.full((n_bus, hours), net.source.max())
    depth, path = np.zeros(n_bus, np.int64), np.empty(n_bus, np.int64)
    most = max(ties.size * min(n_branch, n_bus), 1)
    gain, moves = np.empty((most, 2)), np.empty((most, 2), np.int64)
    kept = np.empty(N_MEASURES)
    for branch in ties:
        is_open[branch] = True
    best, live = _score(net, is_open, work, start, weights, measure)
    kept[:] = measure
    tried, known = 1, _recall(memory, ties, number)
    only_loss = weights[1:].max() == 0.0
    while known < 0 and best[0] < np.inf:  # without power flow: nothing to estimate with
        reached = live
        for k in range(n_bus):
            if work.at[work.order[k]] == k:
                depth[k] = 0 if work.up[k] < 0 else depth[work.up[k]] + 1
            if k < live:
                start[work.order[k]] = work.v[k]
        for bus in range(n_bus):
            reached = max(reached, work.at[bus] + 1)
        _without_supply(net, live, reached, work)
        doubt = DOUBT if only_loss and best[0] == 0.0 else np.inf
        n = _rank(net, ties, work, live, depth, doubt, path, gain, moves)
        improved = False
        for m in np.argsort(gain[:n, 0]):
            if gain[m, 0] >= 1e6 and best[0] == 0.0:
                break
            place, branch = moves[m]
            tie = ties[place]
            is_open[tie], is_open[branch] = False, True
            score, found = _score(net, is_open, other, start, weights, measure)
            tried += 1
            if _better(score, best):
                ties[place], best, live, improved = branch, score, found, True
                kept[:] = measure
                break
            is_open[tie], is_open[branch] = True, False
        if not improved:
            break
        known = _recall(memory, ties, number)
        if known == number:  # round in a circle of equal trees, by rounding errors
            known = -1
            break
        work, other = other, work
    for branch in ties:
        is_open[branch] = False
    measure[:] = kept
    measure[VIOLATION] = best[0]
    return tried, known


@_compiled
def descend(net: Any, opens: Any, weights: Any, memory: Any, number: int) -> Any:
    """Improve a tree by branch exchange until no exchange of one pair improves it.

    A tie is closed and a branch of its loop opened, wherever that lowers the score: first what
    limits are violated by, then what is unserved, then ``weights . (loss, voltage_drop,
    max_voltage_drop, load_balance, operations)``. For losses alone, exchanges that an estimate
    rules out beyond doubt are not tried.

    Parameters
    ----------
    opens : (k,), open branches of a tree
    weights : (5,)
    memory, number : trees that this descent comes through are kept under its number; where an
        earlier one came through, it ends, for the rest is known

    Returns
    -------
    (k,) improved; (9,) measures, where ``violation`` below 1e-9 counts as 0, of which only those
    that the score needs are set; the number of trees tried; the number of the earlier descent, or
    -1
    """
    better, measure = opens.copy(), np.zeros(N_MEASURES)
    is_open = np.zeros(net.ends.shape[0], np.bool_)
    tried, known = _descend(
        net, better, weights, _room(net), _room(net), is_open, measure, memory, number
    )
    return better, measure, tried, known


class UnitTerms(NamedTuple):
    """On what terms units of distributed generation stand, for the kernels; pu.

    Attributes
    ----------
    profile : (n_t,), largest output per rating
    tan_phi : largest reactive power per rating
    most, total : of one rating, of all ratings
    allowed : (n_bus,) whether a unit may stand there
    """

    profile: Any
    tan_phi: float
    most: float
    total: float
    allowed: Any


ADJOINT_SWEEPS = 5  # each leaves some percent of the error of the one before
RATING_ROUNDS = 6  # Newton steps over ratings, with a Hessian of fixed voltages
BOX_SWEEPS = 60  # of coordinate descent inside one such step
SHARE_ROUNDS = 30  # of sharing what the penetration limit leaves
SITES_TRIED = 6  # places far away to which a unit is moved, by estimated savings
EXCHANGES_TRIED = 24  # with ratings set anew, by estimated savings
GAIN = 1e-6  # relative saving that counts


@_compiled
def _slopes(net: Any, live: int, work: Any, slope_p: Any, slope_q: Any, mass: Any) -> None:  # noqa: C901
    """Derivatives of the losses by the demand at each place, and the curvature by it.

    The adjoint equations of the sweeps, themselves swept: slopes outward, the worth of voltages
    inward. ``mass`` is ``2 sum(dt r / v)`` up to the sources: the second derivative by the power of
    the place with voltages held.
    """
    hours = net.dt.size
    worth, behind_worth = np.zeros((live, hours)), np.zeros((live, hours))
    weight = np.zeros((live, hours))
    for k in range(live):
        i = work.up[k]
        for t in range(hours):
            u = work.v[k, t] / work.term[k, 4]
            mass[k, t] = 0.0 if i < 0 else mass[i, t] + 2.0 * net.dt[t] * work.term[k, 0] / u
    for _ in range(ADJOINT_SWEEPS):
        for k in range(live):
            i = work.up[k]
            if i < 0:
                slope_p[k], slope_q[k] = 0.0, 0.0
                continue
            r, x, z2, behind = work.term[k, 0], work.term[k, 1], work.term[k, 2], work.term[k, 4]
            for t in range(hours):
                p, q, u = work.p[k, t], work.q[k, t], work.v[k, t] / behind
                pull = r * (net.dt[t] + slope_p[i, t]) + x * slope_q[i, t]
                pull -= z2 * behind_worth[k, t]
                weight[k, t] = pull
                slope_p[k, t] = slope_p[i, t] + 2.0 * (pull * p / u - r * behind_worth[k, t])
                slope_q[k, t] = slope_q[i, t] + 2.0 * (pull * q / u - x * behind_worth[k, t])
        for k in range(live):
            bus = work.order[k]
            for t in range(hours):
                worth[k, t] = net.dt[t] * work.term[k, 5]
                if net.has[0]:
                    half = 0.5 / np.sqrt(work.v[k, t])
                    load = net.load[:, bus, t]
                    by_p = load[P_CURRENT] * half + load[P_IMPEDANCE] + work.term[k, 5]
                    by_q = load[Q_CURRENT] * half + load[Q_IMPEDANCE] - work.term[k, 6]
                    worth[k, t] += slope_p[k, t] * by_p + slope_q[k, t] * by_q
        for k in range(live - 1, -1, -1):
            i, before, behind = work.up[k], work.term[k, 3], work.term[k, 4]
            if i < 0:
                continue
            for t in range(hours):
                p, q, u = work.p[k, t], work.q[k, t], work.v[k, t] / behind
                current2 = (p * p + q * q) / u
                behind_worth[k, t] = behind * worth[k, t] - weight[k, t] * current2 / u
                worth[i, t] += before * behind_worth[k, t]


@_compiled
def loss_slopes(net: Any, opens: Any) -> Any:
    """Derivatives of the losses (pu h) by p and q of the demand, (n_bus, n_t) each; dead: 0."""
    work = _room(net)
    is_open = np.zeros(net.ends.shape[0], np.bool_)
    for m in opens:
        is_open[m] = True
    n, hours = net.source.size, net.dt.size
    flat = np.full((n, hours), net.source.max())
    live, _, _ = _solve(net, is_open, work, flat, 1e-12)
    slope_p, slope_q, mass = np.zeros((n, hours)), np.zeros((n, hours)), np.zeros((n, hours))
    _slopes(net, live, work, slope_p, slope_q, mass)
    by_p, by_q = np.zeros((n, hours)), np.zeros((n, hours))
    for k in range(live):
        by_p[work.order[k]], by_q[work.order[k]] = slope_p[k], slope_q[k]
    return by_p, by_q


@_compiled
def _inject(net: Any, load: Any, sites: Any, p: Any, q: Any) -> None:
    """Make the net's demand the given one less the output of units."""
    hours = net.dt.size
    for bus in range(net.source.size):
        for t in range(hours):
            net.load[P, bus, t], net.load[Q, bus, t] = load[P, bus, t], load[Q, bus, t]
    for s in range(sites.size):
        for t in range(hours):
            net.load[P, sites[s], t] -= p[s, t]
            net.load[Q, sites[s], t] -= q[s, t]


@_compiled
def _in_boxes(
    terms: Any, rating: Any, curve: Any, pull: Any, x: Any, is_q: bool, slope: Any
) -> None:
    """Minimise ``1/2 x H x + pull x`` hour by hour within ratings; slope is the gradient there."""
    units, hours = x.shape
    for t in range(hours):
        room = terms.tan_phi if is_q else terms.profile[t]
        for _ in range(BOX_SWEEPS):
            change = 0.0
            for s in range(units):
                if curve[s, s, t] <= 0.0:
                    continue
                g = pull[s, t]
                for o in range(units):
                    g += curve[s, o, t] * x[o, t]
                low = -room * rating[s] if is_q else 0.0
                new = min(max(x[s, t] - g / curve[s, s, t], low), room * rating[s])
                change = max(change, abs(new - x[s, t]))
                x[s, t] = new
            if change < 1e-7 * terms.total:
                break
        for s in range(units):
            g = pull[s, t]
            for o in range(units):
                g += curve[s, o, t] * x[o, t]
            slope[s, t] = g


@_compiled
def _needed(terms: Any, p: Any, q: Any, rating: Any) -> float:
    """The least ratings that allow set-points; their sum."""
    total = 0.0
    for s in range(rating.size):
        need = 0.0
        for t in range(terms.profile.size):
            if terms.profile[t] > 0.0:
                need = max(need, p[s, t] / terms.profile[t])
            if terms.tan_phi > 0.0:
                need = max(need, abs(q[s, t]) / terms.tan_phi)
        rating[s] = need
        total += need
    return total


@_compiled
def _shared(terms: Any, rating: Any, gain: Any, stiff: Any) -> float:
    """Move ratings towards those that are worth more, their sum at the limit; the largest move."""
    low, high = -1.0 * gain.max() - 1.0, gain.max() + 1.0
    for s in range(rating.size):
        low = min(low, -stiff[s] * terms.total)
        high = max(high, gain[s] + stiff[s] * terms.total)
    for _ in range(60):
        price, total = 0.5 * (low + high), 0.0
        for s in range(rating.size):
            total += min(max(rating[s] + (gain[s] - price) / stiff[s], 0.0), terms.most)
        if total > terms.total:
            low = price
        else:
            high = price
    most = 0.0
    for s in range(rating.size):
        new = min(max(rating[s] + (gain[s] - high) / stiff[s], 0.0), terms.most)
        most = max(most, abs(new - rating[s]))
        rating[s] = new
    return most


@_compiled
def _best_ratings(  # noqa: C901
    terms: Any, curve: Any, pull_p: Any, pull_q: Any, p: Any, q: Any, rating: Any
) -> None:
    """Ratings and set-points of the quadratic problem, in place."""
    units, hours = p.shape
    slope_p, slope_q = np.zeros((units, hours)), np.zeros((units, hours))
    rating[:] = terms.most
    _in_boxes(terms, rating, curve, pull_p, p, False, slope_p)
    if terms.tan_phi > 0.0:
        _in_boxes(terms, rating, curve, pull_q, q, True, slope_q)
    total = _needed(terms, p, q, rating)
    if total <= terms.total:
        return
    for s in range(units):
        rating[s] *= terms.total / total
    gain, stiff = np.zeros(units), np.zeros(units)
    for _ in range(SHARE_ROUNDS):
        _in_boxes(terms, rating, curve, pull_p, p, False, slope_p)
        if terms.tan_phi > 0.0:
            _in_boxes(terms, rating, curve, pull_q, q, True, slope_q)
        for s in range(units):
            gain[s] = stiff[s] = 0.0
            for t in range(hours):
                own, tan = terms.profile[t], terms.tan_phi
                gain[s] += own * max(-slope_p[s, t], 0.0)
                stiff[s] += own * own * curve[s, s, t]
                if tan > 0.0 and abs(q[s, t]) >= 0.999999 * tan * rating[s]:
                    gain[s] += tan * abs(slope_q[s, t])
                    stiff[s] += tan * tan * curve[s, s, t]
            stiff[s] = max(units * stiff[s], 1e-12)
        if _shared(terms, rating, gain, stiff) < 1e-5 * terms.total:
            break
    _in_boxes(terms, rating, curve, pull_p, p, False, slope_p)
    if terms.tan_phi > 0.0:
        _in_boxes(terms, rating, curve, pull_q, q, True, slope_q)


class _Rating(NamedTuple):
    """Room for rating units: slopes and curvature by place, and the quadratic problem."""

    slope_p: Any
    slope_q: Any
    mass: Any
    curve: Any
    pull_p: Any
    pull_q: Any
    old_p: Any
    old_q: Any
    rating: Any


@_compiled
def _rating_room(net: Any, units: int) -> Any:
    n, hours = net.source.size, net.dt.size
    return _Rating(
        np.zeros((n, hours)),
        np.zeros((n, hours)),
        np.zeros((n, hours)),
        np.zeros((units, units, hours)),
        np.zeros((units, hours)),
        np.zeros((units, hours)),
        np.zeros((units, hours)),
        np.zeros((units, hours)),
        np.zeros(units),
    )


@_compiled
def _rate(  # noqa: C901, PLR0912
    net: Any,
    load: Any,
    terms: Any,
    is_open: Any,
    sites: Any,
    p: Any,
    q: Any,
    work: Any,
    room: Any,
    start: Any,
    rounds: int,
) -> Any:
    """Set-points of least losses of one tree with units at given buses, in place.

    Returns violation and losses, of the best set-points found, and the live places. Without power
    flow both are infinite.
    """
    units, hours = p.shape
    best, live = np.inf, 0
    for turn in range(rounds + 1):
        _inject(net, load, sites, p, q)
        live, _, sweeps = _solve(net, is_open, work, start, 1e-9)
        loss = _loss(net, live, work) if sweeps > 0 else np.inf
        if loss >= best * (1.0 - GAIN) or (loss == np.inf and turn > 0):
            if loss > best:  # the step was too long
                p[:], q[:] = room.old_p, room.old_q
                _inject(net, load, sites, p, q)
                live, _, sweeps = _solve(net, is_open, work, start, 1e-9)
                loss = best
            best = loss
            break
        best = loss
        if turn == rounds or loss == np.inf:
            break
        room.old_p[:], room.old_q[:] = p, q
        _slopes(net, live, work, room.slope_p, room.slope_q, room.mass)
        for s in range(units):
            for o in range(units):
                a, b = work.at[sites[s]], work.at[sites[o]]
                if a < 0 or b < 0 or a >= live or b >= live:
                    room.curve[s, o] = 0.0
                    continue
                while a != b and a >= 0 and b >= 0:
                    if a > b:
                        a = work.up[a]
                    else:
                        b = work.up[b]
                if a >= 0 and b >= 0:
                    room.curve[s, o] = room.mass[a]
                else:
                    room.curve[s, o] = 0.0
        for s in range(units):
            k = work.at[sites[s]]
            for t in range(hours):
                g_p = -room.slope_p[k, t] if 0 <= k < live else 0.0
                g_q = -room.slope_q[k, t] if 0 <= k < live else 0.0
                for o in range(units):
                    g_p -= room.curve[s, o, t] * p[o, t]
                    g_q -= room.curve[s, o, t] * q[o, t]
                room.pull_p[s, t], room.pull_q[s, t] = g_p, g_q
        _best_ratings(terms, room.curve, room.pull_p, room.pull_q, p, q, room.rating)
    if best == np.inf:
        return (np.inf, np.inf), live
    violation = _violation(net, live, work)[0] if net.has[1] else 0.0
    return (violation if violation > WITHIN else 0.0, best), live


@_compiled
def _less(a: Any, b: Any) -> bool:
    """Whether violation and losses are less by as much as counts."""
    if a[0] < b[0] - GAIN * b[0]:
        return True
    return bool(a[0] <= b[0] and a[1] < b[1] - GAIN * b[1])


@_compiled
def _move_site(  # noqa: C901, PLR0912
    net: Any,
    load: Any,
    terms: Any,
    is_open: Any,
    sites: Any,
    p: Any,
    q: Any,
    score: Any,
    work: Any,
    room: Any,
    start: Any,
    trial_p: Any,
    trial_q: Any,
) -> Any:
    """Move one unit to where the losses are less, first found, in place.

    Tried are buses next to it along any branch, and those where a unit alone would save most.
    """
    units = sites.size
    n = net.source.size
    worth = np.empty(n)
    tried = 0
    trial = sites.copy()
    for s in range(units):
        here = sites[s]
        trial[:] = sites
        trial_p[:], trial_q[:] = p, q
        trial_p[s], trial_q[s] = 0.0, 0.0
        _inject(net, load, sites, trial_p, trial_q)
        live, _, sweeps = _solve(net, is_open, work, start, 1e-7)
        worth[:] = 0.0
        if sweeps > 0:
            _slopes(net, live, work, room.slope_p, room.slope_q, room.mass)
            for k in range(live):
                bus = work.order[k]
                for t in range(net.dt.size):
                    if room.mass[k, t] > 0.0 and terms.profile[t] > 0.0:
                        most = terms.most * terms.profile[t]
                        step = min(max(room.slope_p[k, t], 0.0) / room.mass[k, t], most)
                        gain = (room.slope_p[k, t] - 0.5 * room.mass[k, t] * step) * step
                        if terms.tan_phi > 0.0:
                            most = terms.tan_phi * terms.most
                            want = abs(room.slope_q[k, t])
                            step = min(want / room.mass[k, t], most)
                            gain += (want - 0.5 * room.mass[k, t] * step) * step
                        worth[bus] += gain
        for m in range(net.start[here], net.start[here + 1]):
            branch = net.near[m]
            worth[net.ends[branch, 0] + net.ends[branch, 1] - here] += 1e6
        for bus in range(n):
            if not terms.allowed[bus]:
                worth[bus] = -1.0
        for o in range(units):
            worth[sites[o]] = -1.0
        near = 0
        for bus in range(n):
            near += worth[bus] >= 1e6
        order = np.argsort(-worth)
        for m in range(min(near + SITES_TRIED, n)):
            if worth[order[m]] <= 0.0:
                break
            trial[s] = order[m]
            trial_p[:], trial_q[:] = p, q
            found, _ = _rate(
                net, load, terms, is_open, trial, trial_p, trial_q, work, room, start, RATING_ROUNDS
            )
            tried += 1
            if _less(found, score):
                sites[:] = trial
                p[:], q[:] = trial_p, trial_q
                return True, found, tried
    return False, score, tried


@_compiled
def _exchange_rated(
    net: Any,
    load: Any,
    terms: Any,
    is_open: Any,
    ties: Any,
    sites: Any,
    p: Any,
    q: Any,
    score: Any,
    work: Any,
    other: Any,
    room: Any,
    start: Any,
    trial_p: Any,
    trial_q: Any,
) -> Any:
    """Exchange branches and rate the units anew, first that lowers the losses, in place."""
    n_bus, n_branch = net.source.size, net.ends.shape[0]
    _inject(net, load, sites, p, q)
    live, _, sweeps = _solve(net, is_open, work, start, 1e-7)
    if sweeps < 0:
        return False, score, 0
    depth, path = np.zeros(n_bus, np.int64), np.empty(n_bus, np.int64)
    for k in range(live):
        depth[k] = 0 if work.up[k] < 0 else depth[work.up[k]] + 1
    most = max(ties.size * min(n_branch, n_bus), 1)
    gain, moves = np.empty((most, 2)), np.empty((most, 2), np.int64)
    n = _rank(net, ties, work, live, depth, np.inf, path, gain, moves)
    tried = 0
    for m in np.argsort(gain[:n, 0])[:EXCHANGES_TRIED]:
        if gain[m, 0] >= 1e6:
            break
        place, branch = moves[m]
        tie = ties[place]
        is_open[tie], is_open[branch] = False, True
        trial_p[:], trial_q[:] = p, q
        found, _ = _rate(
            net, load, terms, is_open, sites, trial_p, trial_q, other, room, start, RATING_ROUNDS
        )
        tried += 1
        if _less(found, score):
            ties[place] = branch
            p[:], q[:] = trial_p, trial_q
            return True, found, tried
        is_open[tie], is_open[branch] = True, False
    return False, score, tried


@_compiled
def place_units(
    net: Any,
    load: Any,
    terms: Any,
    opens: Any,
    sites: Any,
    p: Any,
    q: Any,
    switch: bool,
) -> Any:
    """Improve a tree and the units in it until no change of one kind lowers the losses.

    Changes: a unit moves to another bus, a pair of branches is exchanged; ratings are set anew,
    by Newton steps on the power flow. Limits come first where the net has any: ``has[1]``.

    Parameters
    ----------
    net : whose ``load`` is scratch;  load : (6, n_bus, n_t), the demand
    opens : (k,), sites : (units,), p, q : (units, n_t), improved in place
    switch : whether branches may be exchanged

    Returns
    -------
    violation, losses (pu h), number of trees and places tried
    """
    work, other = _room(net), _room(net)
    n, hours = net.source.size, net.dt.size
    room = _rating_room(net, sites.size)
    start = np.full((n, hours), net.source.max())
    is_open = np.zeros(net.ends.shape[0], np.bool_)
    trial_p, trial_q = p.copy(), q.copy()
    weights, measure = np.zeros(5), np.zeros(N_MEASURES)
    weights[0] = 1.0
    for m in opens:
        is_open[m] = True
    score, _ = _rate(net, load, terms, is_open, sites, p, q, work, room, start, RATING_ROUNDS)
    tried = 1
    if score[1] == np.inf and not switch:
        return score[0], score[1], tried
    best, kept_opens, kept_sites = score, opens.copy(), sites.copy()
    kept_p, kept_q = p.copy(), q.copy()
    while True:
        if switch:
            _inject(net, load, sites, p, q)
            for m in opens:
                is_open[m] = False
            tried += _descend(net, opens, weights, work, other, is_open, measure, no_memory(), -1)[
                0
            ]
            for m in opens:
                is_open[m] = True
            score, _ = _rate(
                net, load, terms, is_open, sites, p, q, work, room, start, RATING_ROUNDS
            )
        _, score, count = _move_site(
            net, load, terms, is_open, sites, p, q, score, work, room, start, trial_p, trial_q
        )
        tried += count
        if switch and not _less(score, best):
            _, score, count = _exchange_rated(
                net,
                load,
                terms,
                is_open,
                opens,
                sites,
                p,
                q,
                score,
                work,
                other,
                room,
                start,
                trial_p,
                trial_q,
            )
            tried += count
        if not _less(score, best):  # with limits, new ratings may be worse than the old ones
            opens[:], sites[:], p[:], q[:] = kept_opens, kept_sites, kept_p, kept_q
            return best[0], best[1], tried
        best = score
        kept_opens[:], kept_sites[:], kept_p[:], kept_q[:] = opens, sites, p, q
