"""Demands that units cannot meet, whatever is dispatched: by how much, and in which hour."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.unit_cost import Losses, Unit

    Floats = NDArray[np.float64]

TOLERANCE_MW = 1e-6


def demand_limit(units: Sequence[Unit], demand_mw: Floats, losses: Losses) -> str:
    """Say which hour's demand no dispatch can meet, and by how much; empty when none is found.

    Proven: capacity with its losses, minimum outputs, and (without losses) the ramps between hours,
    zones left aside.

    Parameters
    ----------
    demand_mw : (n_t,), MW
    """
    for limit in (_capacity, _ramps):
        message = limit(units, demand_mw, losses)
        if message:
            return message
    return ""


def _capacity(units: Sequence[Unit], demand_mw: Floats, losses: Losses) -> str:
    """Incremental losses are below 1, so more output always delivers more."""
    for at_most in (True, False):
        p = np.array([[unit.p_max if at_most else unit.p_min for unit in units]])
        delivered = float(p.sum() - losses.mw(p)[0])
        beyond = demand_mw - delivered if at_most else delivered - demand_mw
        hour = int(np.argmax(beyond))
        if beyond[hour] > TOLERANCE_MW:
            what = "above the capacity" if at_most else "below the least output"
            less = " less losses" if losses.any else ""
            return (
                f"hour {hour + 1}: demand {demand_mw[hour]:g} MW is {beyond[hour]:.6g} MW {what} "
                f"of all units, {delivered:.6g} MW{less}"
            )
    return ""


def _ramps(units: Sequence[Unit], demand_mw: Floats, losses: Losses) -> str:
    """Least sum of what is missed over the hours: a linear program."""
    ramped = any(np.isfinite(unit.ramp_up) or np.isfinite(unit.ramp_down) for unit in units)
    started = any(unit.p0_mw is not None for unit in units)
    if losses.any or not ramped or (len(demand_mw) == 1 and not started):
        return ""
    missed = _missed_mw(units, demand_mw)
    hour = int(np.argmax(np.abs(missed)))
    if abs(missed[hour]) <= TOLERANCE_MW:
        return ""
    way = "short of" if missed[hour] > 0 else "above"
    return (
        f"hour {hour + 1}: ramps cannot follow demand {demand_mw[hour]:g} MW: output stays "
        f"{abs(missed[hour]):.6g} MW {way} it (at least {np.abs(missed).sum():.6g} MWh over all "
        "hours)"
    )


def _missed_mw(units: Sequence[Unit], demand_mw: Floats) -> Floats:
    """What demand exceeds output by, in each hour, where the sum over hours is least."""
    from scipy.optimize import linprog
    from scipy.sparse import block_array, diags_array, eye_array, kron

    n_t, n = len(demand_mw), len(units)
    low = np.tile([unit.p_min for unit in units], (n_t, 1))
    high = np.tile([unit.p_max for unit in units], (n_t, 1))
    up = np.array([unit.ramp_up for unit in units])
    down = np.array([unit.ramp_down for unit in units])
    for i, unit in enumerate(units):
        if unit.p0_mw is not None:
            low[0, i] = max(low[0, i], unit.p0_mw - unit.ramp_down)
            high[0, i] = min(high[0, i], unit.p0_mw + unit.ramp_up)
            if low[0, i] > high[0, i]:  # p0 is too far from the limits: hour 1 takes what is near
                low[0, i] = high[0, i] = np.clip(unit.p0_mw, unit.p_min, unit.p_max)
    total = kron(eye_array(n_t), np.ones((1, n)))
    balance = block_array([[total, eye_array(n_t), -eye_array(n_t)]], format="csr")
    step = kron(diags_array([-1.0, 1.0], offsets=[0, 1], shape=(n_t - 1, n_t)), eye_array(n))
    none = np.zeros((n_t - 1) * n)
    rows, limits = [], []
    for sign, ramp in ((1, up), (-1, down)):
        kept = np.flatnonzero(np.isfinite(np.tile(ramp, n_t - 1)))
        rows.append((sign * step.tocsr())[kept])
        limits.append((none + np.tile(ramp, n_t - 1))[kept])
    a_ub = block_array([[rows[0]], [rows[1]]], format="csr")
    a_ub.resize((a_ub.shape[0], n_t * n + 2 * n_t))
    found = linprog(
        np.concatenate([np.zeros(n_t * n), np.ones(2 * n_t)]),
        A_ub=a_ub,
        b_ub=np.concatenate(limits),
        A_eq=balance,
        b_eq=demand_mw,
        bounds=np.column_stack(
            [
                np.concatenate([low.ravel(), np.zeros(2 * n_t)]),
                np.concatenate([high.ravel(), np.full(2 * n_t, np.inf)]),
            ]
        ),
    )
    if found.x is None:
        return np.zeros(n_t)  # the search will tell
    short, over = found.x[n_t * n : n_t * n + n_t], found.x[n_t * n + n_t :]
    return np.asarray(short - over)
