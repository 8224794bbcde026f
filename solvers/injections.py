"""Power flow by current injection for many allocations of profiles to points, and their descent.

Sources hold their voltages, so that the others follow from the currents injected into the network,
``V = W + Z I`` with ``I = conj(S / V)``: a fixed point that contracts the faster the stiffer the
network is (Stott 1974 calls it the Z-matrix method), on radial and meshed networks alike. Currents
of branches and sources are linear in I, too, so that nothing but two matrices is needed of a
network; see :class:`InjectionArrays`.

Hours are the innermost axis, so that the loops over them become vector instructions. All kernels
stand in this one file: numba's cache notices changes of the file that calls, not of one that is
called. Everything is per unit; loads are positive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable

Function = TypeVar("Function", bound="Callable[..., Any]")

# Columns of what :func:`evaluate` returns.
MEASURES = (
    "violation",
    "line_loading",
    "loss",
    "grid_energy",
    "voltage_deviation",
    "iterations",
    "min_vm",
    "max_vm",
    "max_line_loading",
    "max_loading",
)
VIOLATION, LOADING, LOSS, GRID, DEVIATION, ITERATIONS, MIN_VM, MAX_VM, MOST_LINE, MOST = range(10)
N_MEASURES, N_GOALS = len(MEASURES), 4
POWER, CURRENT, IMPEDANCE = range(3)

SWEEPS = 200  # at most
TOLERANCE = 1e-10  # of voltages, between sweeps
COARSE = 1e-8  # the same in descents
LEAST = 0.1  # voltage below which there is no solution, pu
WITHIN = 1e-9  # pu; limits exceeded by less are met
SAME = 1e-7  # relative difference of objectives that is none
DOUBT = 0.001  # relative error of what is estimated with voltages held
MISSED = 10  # exchanges solved in vain after a success, before all are estimated anew
TRIED = 30  # exchanges solved in full of those that estimates rank first
FAST = {"nnan", "nsz", "contract", "reassoc", "arcp"}


class InjectionArrays(NamedTuple):
    """A network as the kernels take it. ``re`` and ``im`` are kept apart, in the last axis.

    Active buses are those with load or generation, in whatever hour.

    Attributes
    ----------
    z : (n_active, n_active, 2), voltage at the first per current injected at the second
    w : (n_active, 2), voltage without any injection
    u, u0 : (n_bus, n_active, 2), (n_bus, 2), the same for every bus that is energised
    f, f0 : (n_end, n_active, 2), (n_end, 2), currents at branch ends over what they may be
    share : (n_end,), what such a current of 1 means as loading, 1 = 100 %
    n_line_end : ends that are of lines; they come first
    s, s0 : (n_source, n_active, 2), (n_source, 2), currents of the sources
    source : (n_source, 2), their voltages
    own : active demand at the sources' own buses
    vm : (n_bus, 2), lowest and highest voltage
    fixed : (3, n_active, 2), demand that stays, at 1 pu: of constant power, current and impedance
    at : (n_point,), active bus of each point
    zip_p, zip_q : (n_point, 3), shares of constant power, current and impedance in loads there
    load_tan, generation_tan : reactive over active power of the profiles
    dt : (n_t,), h
    """

    z: Any
    w: Any
    u: Any
    u0: Any
    f: Any
    f0: Any
    share: Any
    n_line_end: int
    s: Any
    s0: Any
    source: Any
    own: float
    vm: Any
    fixed: Any
    at: Any
    zip_p: Any
    zip_q: Any
    load_tan: float
    generation_tan: float
    dt: Any


def _compiled(function: Function) -> Function:
    return cast(
        "Function", njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")(function)
    )


class _State(NamedTuple):
    """One allocation: demand of active buses and the power flow that follows, hours last."""

    p: Any  # (3, n_active, n_t), constant power, current, impedance
    q: Any
    v: Any  # (2, n_active, n_t), voltages
    i: Any  # (2, n_active, n_t), currents injected
    all_v: Any  # (2, n_bus, n_t)
    end: Any  # (2, n_end, n_t)
    out: Any  # (2, n_source, n_t)


@_compiled
def _room(net: Any) -> Any:
    active, hours = net.w.shape[0], net.dt.size
    return _State(
        np.empty((3, active, hours)),
        np.empty((3, active, hours)),
        np.empty((2, active, hours)),
        np.empty((2, active, hours)),
        np.empty((2, net.u0.shape[0], hours)),
        np.empty((2, net.f0.shape[0], hours)),
        np.empty((2, net.s0.shape[0], hours)),
    )


@_compiled
def _place(
    net: Any, load: Any, generation: Any, load_order: Any, generation_order: Any, state: Any
) -> None:
    """Demand of the active buses."""
    for kind in range(3):
        for a in range(net.w.shape[0]):
            for t in range(net.dt.size):
                state.p[kind, a, t] = net.fixed[kind, a, 0]
                state.q[kind, a, t] = net.fixed[kind, a, 1]
    for k in range(net.at.size):
        a, mine, own = net.at[k], load_order[k], generation_order[k]
        for t in range(net.dt.size):
            for kind in range(3):
                state.p[kind, a, t] += net.zip_p[k, kind] * load[mine, t]
                state.q[kind, a, t] += net.zip_q[k, kind] * net.load_tan * load[mine, t]
            state.p[POWER, a, t] -= generation[own, t]
            state.q[POWER, a, t] -= net.generation_tan * generation[own, t]


@_compiled
def _inject(net: Any, state: Any) -> None:
    """Currents at the voltages so far."""
    for a in range(net.w.shape[0]):
        for t in range(net.dt.size):
            re, im = state.v[0, a, t], state.v[1, a, t]
            square = re * re + im * im
            p, q = state.p[POWER, a, t], state.q[POWER, a, t]
            vm = np.sqrt(square)
            p += state.p[CURRENT, a, t] * vm + state.p[IMPEDANCE, a, t] * square
            q += state.q[CURRENT, a, t] * vm + state.q[IMPEDANCE, a, t] * square
            state.i[0, a, t] = -(p * re + q * im) / square
            state.i[1, a, t] = -(p * im - q * re) / square


@_compiled
def _apply(matrix: Any, constant: Any, i: Any, out: Any) -> None:
    """Voltages or currents that follow from the injections, into ``out``."""
    rows, active, hours = matrix.shape[0], matrix.shape[1], i.shape[2]
    for r in range(rows):
        for t in range(hours):
            out[0, r, t], out[1, r, t] = constant[r, 0], constant[r, 1]
        for a in range(active):
            re, im = matrix[r, a, 0], matrix[r, a, 1]
            for t in range(hours):
                out[0, r, t] += re * i[0, a, t] - im * i[1, a, t]
                out[1, r, t] += re * i[1, a, t] + im * i[0, a, t]


@_compiled
def _solve(net: Any, state: Any, fresh: Any, tolerance: float) -> int:
    """Iterate from the voltages in ``state``; the number of sweeps, negative without solution.

    fresh : scratch, as ``state.v``
    """
    active, hours = net.w.shape[0], net.dt.size
    for sweep in range(1, SWEEPS + 1):
        _inject(net, state)
        _apply(net.z, net.w, state.i, fresh)
        change, lowest = 0.0, 1e9
        for a in range(active):
            for t in range(hours):
                re, im = fresh[0, a, t], fresh[1, a, t]
                change = max(change, abs(re - state.v[0, a, t]), abs(im - state.v[1, a, t]))
                lowest = min(lowest, re * re + im * im)
                state.v[0, a, t], state.v[1, a, t] = re, im
        if not lowest > LEAST * LEAST or not change < 1e3:
            return -sweep
        if change < tolerance:
            _inject(net, state)
            _apply(net.u, net.u0, state.i, state.all_v)
            _apply(net.f, net.f0, state.i, state.end)
            _apply(net.s, net.s0, state.i, state.out)
            return sweep
    return -SWEEPS


@_compiled
def _start(net: Any, state: Any) -> None:
    for a in range(net.w.shape[0]):
        for t in range(net.dt.size):
            state.v[0, a, t], state.v[1, a, t] = net.w[a, 0], net.w[a, 1]


@_compiled
def _measure(  # noqa: C901
    net: Any, all_v: Any, end: Any, out: Any, taken: Any, hour: Any, found: Any
) -> None:
    """All measures of a power flow.

    taken : (n_t,), what the buses draw; the losses are the rest of what the sources give
    hour : (6, n_t), scratch
    """
    hours = net.dt.size
    low, high, line, other, short = hour[0], hour[1], hour[2], hour[3], hour[4]
    low[:], high[:], line[:], other[:], short[:] = 1e9, 0.0, 0.0, 0.0, 1e9
    for b in range(net.u0.shape[0]):
        least, most = net.vm[b, 0] ** 2, net.vm[b, 1] ** 2
        for t in range(hours):
            square = all_v[0, b, t] ** 2 + all_v[1, b, t] ** 2
            low[t], high[t] = min(low[t], square), max(high[t], square)
            short[t] = min(short[t], square - least, most - square)
    for m in range(net.f0.shape[0]):
        share = net.share[m] ** 2
        if m < net.n_line_end:
            for t in range(hours):
                square = end[0, m, t] ** 2 + end[1, m, t] ** 2
                line[t] = max(line[t], square * share)
                short[t] = min(short[t], 1.0 - square)
        else:
            for t in range(hours):
                square = end[0, m, t] ** 2 + end[1, m, t] ** 2
                other[t] = max(other[t], square * share)
                short[t] = min(short[t], 1.0 - square)
    found[:] = 0.0
    found[MIN_VM] = 1e9
    for t in range(hours):
        given = net.own
        for s in range(net.source.shape[0]):
            given += net.source[s, 0] * out[0, s, t] + net.source[s, 1] * out[1, s, t]
        lowest, highest, loading = np.sqrt(low[t]), np.sqrt(high[t]), np.sqrt(line[t])
        found[LOADING] += loading
        found[LOSS] += net.dt[t] * (given - taken[t])
        found[GRID] += net.dt[t] * max(given, 0.0)
        found[DEVIATION] += max(abs(lowest - 1.0), abs(highest - 1.0))
        found[MIN_VM], found[MAX_VM] = min(found[MIN_VM], lowest), max(found[MAX_VM], highest)
        found[MOST_LINE] = max(found[MOST_LINE], loading)
        found[MOST] = max(found[MOST], loading, np.sqrt(other[t]))
        if short[t] < 0.0:
            found[VIOLATION] += _beyond(net, all_v, end, t) / hours
    if found[VIOLATION] <= WITHIN:
        found[VIOLATION] = 0.0


@_compiled
def _beyond(net: Any, all_v: Any, end: Any, t: int) -> float:
    """Voltages (pu) and currents (relative) beyond their limits in one hour, summed."""
    total = 0.0
    for b in range(net.u0.shape[0]):
        vm = np.sqrt(all_v[0, b, t] ** 2 + all_v[1, b, t] ** 2)
        total += max(net.vm[b, 0] - vm, 0.0) + max(vm - net.vm[b, 1], 0.0)
    for m in range(net.f0.shape[0]):
        total += max(np.sqrt(end[0, m, t] ** 2 + end[1, m, t] ** 2) - 1.0, 0.0)
    return total


@_compiled
def _taken(net: Any, state: Any, taken: Any) -> None:
    """Active power that the buses draw, (n_t,)."""
    taken[:] = net.own
    for a in range(net.w.shape[0]):
        for t in range(net.dt.size):
            taken[t] -= state.v[0, a, t] * state.i[0, a, t] + state.v[1, a, t] * state.i[1, a, t]


@_compiled
def _score(
    net: Any, state: Any, fresh: Any, taken: Any, hour: Any, tolerance: float, found: Any
) -> None:
    """Solve and measure what is placed, from the voltages in ``state``."""
    sweeps = _solve(net, state, fresh, tolerance)
    if sweeps < 0:
        found[:] = np.inf
        found[MIN_VM] = 0.0
    else:
        _taken(net, state, taken)
        _measure(net, state.all_v, state.end, state.out, taken, hour, found)
    found[ITERATIONS] = sweeps


@_compiled
def evaluate(net: Any, load: Any, generation: Any, load_orders: Any, generation_orders: Any) -> Any:
    """Measures of many allocations.

    Parameters
    ----------
    load, generation : (n_point, n_t), pu, the profiles
    load_orders, generation_orders : (n, n_point) int64, the profile at each point

    Returns
    -------
    (n, 10), see MEASURES: violation (pu of voltages and shares of currents beyond their limits,
    summed, mean over the hours), sum over the hours of the largest line loading (1 = 100 %),
    losses and energy drawn from the sources (pu h), sum over the hours of the largest deviation
    from 1 pu, sweeps (negative: no power flow, all else infinite), lowest and highest voltage,
    largest loading of a line, and of any branch.
    """
    found = np.empty((load_orders.shape[0], N_MEASURES))
    state, taken, hour = _room(net), np.empty(net.dt.size), np.empty((6, net.dt.size))
    fresh = np.empty_like(state.v)
    for c in range(load_orders.shape[0]):
        _place(net, load, generation, load_orders[c], generation_orders[c], state)
        _start(net, state)
        _score(net, state, fresh, taken, hour, TOLERANCE, found[c])
    return found


@_compiled
def flows(net: Any, load: Any, generation: Any, load_order: Any, generation_order: Any) -> Any:
    """Power flow of one allocation.

    Returns
    -------
    (2, n_bus, n_t) voltages, (2, n_end, n_t) currents over their limits, (2, n_source, n_t)
    currents of the sources: real and imaginary parts; the measures
    """
    state, taken, found = _room(net), np.empty(net.dt.size), np.empty(N_MEASURES)
    fresh, hour = np.empty_like(state.v), np.empty((6, net.dt.size))
    _place(net, load, generation, load_order, generation_order, state)
    _start(net, state)
    _score(net, state, fresh, taken, hour, TOLERANCE, found)
    return state.all_v, state.end, state.out, found


@_compiled
def _value(found: Any, weights: Any) -> float:
    value = 0.0
    for m in range(N_GOALS):
        if weights[m] != 0.0:
            value += weights[m] * found[LOADING + m]
    return value


@_compiled
def _better(violation: float, value: float, least: float, best: float) -> bool:
    """Whether violation and value are less, the first first."""
    if violation < least * (1.0 - SAME):
        return True
    return bool(violation <= least * (1.0 + SAME) and value < best - SAME * abs(best))


@_compiled
def _shift(matrix: Any, base: Any, a: int, b: int, change: Any, out: Any) -> None:
    """What follows from injections that change at two buses."""
    for r in range(matrix.shape[0]):
        ar, ai = matrix[r, a, 0], matrix[r, a, 1]
        br, bi = matrix[r, b, 0], matrix[r, b, 1]
        for t in range(change.shape[2]):
            out[0, r, t] = (
                base[0, r, t]
                + (ar * change[0, 0, t] - ai * change[1, 0, t])
                + (br * change[0, 1, t] - bi * change[1, 1, t])
            )
            out[1, r, t] = (
                base[1, r, t]
                + (ar * change[1, 0, t] + ai * change[0, 0, t])
                + (br * change[1, 1, t] + bi * change[0, 1, t])
            )


@_compiled
def _estimate(
    net: Any,
    load: Any,
    generation: Any,
    load_order: Any,
    generation_order: Any,
    state: Any,
    trial: Any,
    taken: Any,
    hour: Any,
    kind: int,
    j: int,
    k: int,
    change: Any,
    found: Any,
) -> None:
    """Measures after an exchange between two points, the voltages of the demand held.

    kind : 0 loads, 1 generation, 2 both
    """
    for side in range(2):
        here, there = (j, k) if side == 0 else (k, j)
        a = net.at[here]
        for t in range(net.dt.size):
            re, im = state.v[0, a, t], state.v[1, a, t]
            square = re * re + im * im
            vm = np.sqrt(square)
            p = q = 0.0
            if kind != 1:
                more = load[load_order[there], t]
                less = load[load_order[here], t]
                by = net.zip_p[here, 0] + net.zip_p[here, 1] * vm + net.zip_p[here, 2] * square
                p += by * (more - less)
                by = net.zip_q[here, 0] + net.zip_q[here, 1] * vm + net.zip_q[here, 2] * square
                q += net.load_tan * by * (more - less)
            if kind != 0:
                more = generation[generation_order[there], t]
                less = generation[generation_order[here], t]
                p -= more - less
                q -= net.generation_tan * (more - less)
            change[0, side, t] = -(p * re + q * im) / square
            change[1, side, t] = -(p * im - q * re) / square
    a, b = net.at[j], net.at[k]
    _shift(net.u, state.all_v, a, b, change, trial.all_v)
    _shift(net.f, state.end, a, b, change, trial.end)
    _shift(net.s, state.out, a, b, change, trial.out)
    _measure(net, trial.all_v, trial.end, trial.out, taken, hour, found)


@_compiled
def _exchange(load_order: Any, generation_order: Any, kind: int, j: int, k: int) -> None:
    if kind != 1:
        load_order[j], load_order[k] = load_order[k], load_order[j]
    if kind != 0:
        generation_order[j], generation_order[k] = generation_order[k], generation_order[j]


@_compiled
def improve(
    net: Any,
    load: Any,
    generation: Any,
    load_order: Any,
    generation_order: Any,
    moves: Any,
    weights: Any,
) -> Any:
    """Make exchanges of profiles between two points that improve, the most promising first.

    Exchanged are loads, generation, or both at once. All exchanges are ranked by an estimate that
    holds the voltages of the demand; those that it does not rule out beyond doubt are solved in
    full, and made where they improve, until several in a row did not. For line loading and
    voltages alone the estimate is trusted; for losses and energy, small differences of large
    numbers, it only ranks.

    Parameters
    ----------
    load_order, generation_order : (n_point,) int64, improved in place
    moves : (n, 3) int64, the exchanges to look at: 0 for loads, 1 for generation, 2 for both at
        once, and the two points
    weights : (4,), of line loading, losses, energy drawn and voltage deviation as
        :func:`evaluate` measures them; limits come first

    Returns
    -------
    measures; whether anything improved (if not, the allocation is a local optimum as far as the
    estimate is right); number of exchanges solved in full; number estimated
    """
    state, trial, taken = _room(net), _room(net), np.empty(net.dt.size)
    fresh, change = np.empty_like(state.v), np.empty((2, 2, net.dt.size))
    hour, best, found = np.empty((6, net.dt.size)), np.empty(N_MEASURES), np.empty(N_MEASURES)
    rank, what = np.empty(len(moves)), np.empty((len(moves), 3), np.int64)
    trusts = weights[1] == 0.0 and weights[2] == 0.0
    doubt = DOUBT if trusts else np.inf
    _place(net, load, generation, load_order, generation_order, state)
    _start(net, state)
    _score(net, state, fresh, taken, hour, COARSE, best)
    if best[ITERATIONS] < 0.0:
        return best, False, 1, 0
    now, n, estimated = _value(best, weights), 0, 0
    for kind, j, k in moves:
        loads = load_order[j] != load_order[k]
        gens = generation_order[j] != generation_order[k]
        if not (loads if kind == 0 else gens if kind == 1 else (loads and gens)):
            continue
        _estimate(
            net, load, generation, load_order, generation_order,
            state, trial, taken, hour, kind, j, k, change, found,
        )  # fmt: skip
        estimated += 1
        value = _value(found, weights)
        within = found[VIOLATION] <= best[VIOLATION] * (1.0 + DOUBT) + 1e-6
        less = found[VIOLATION] < best[VIOLATION] * (1.0 - SAME)
        if within and (less or value - now < doubt * abs(now)):
            rank[n] = 1e6 * found[VIOLATION] + value
            what[n, 0], what[n, 1], what[n, 2] = kind, j, k
            n += 1
    improved, missed, solved = False, 0, 1
    tried = max(TRIED, len(moves) // 20) if trusts else len(moves)
    for m in np.argsort(rank[:n])[:tried]:
        kind, j, k = what[m]
        _exchange(load_order, generation_order, kind, j, k)
        _place(net, load, generation, load_order, generation_order, trial)
        trial.v[:] = state.v
        _score(net, trial, fresh, taken, hour, COARSE, found)
        solved += 1
        value = _value(found, weights)
        if found[ITERATIONS] > 0.0 and _better(found[VIOLATION], value, best[VIOLATION], now):
            best[:], now, improved, missed = found, value, True, 0
            state, trial = trial, state
            continue
        _exchange(load_order, generation_order, kind, j, k)
        missed += 1
        if improved and missed >= MISSED:
            break
    return best, improved, solved, estimated
