"""Limits of a feeder's configuration in words: which one is violated most, and why none is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybridopt.solvers.radial import WITHIN

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.feeder import Feeder
    from hybridopt.feeder_trees import FeederFlow

    Bools = NDArray[np.bool_]
    Floats = NDArray[np.float64]


def collapse_in_words(feeder: Feeder, tried: int) -> str:
    """Say that no configuration has a power flow."""
    total = feeder.served.sum(axis=1).max() * feeder.base_mva
    return (
        f"the power flow of none of {tried:,} radial configurations looked at has a solution: the "
        f"load of {total:g} MW is more than the feeder can carry; check units (MW, ohm, kV)"
    )


def limit_in_words(feeder: Feeder, closed: Bools, flow: FeederFlow) -> str:
    """Say which limit a configuration violates most; empty when it meets all."""
    if flow.measures["violation"] <= WITHIN:
        return ""
    short = np.nan_to_num(feeder.vm_min - flow.vm, nan=-1.0)
    over = np.nan_to_num(flow.vm - feeder.vm_max, nan=-1.0)
    loading = loadings(feeder, closed, flow)
    worst = {"short": short.max(), "over": over.max(), "loading": loading.max() - 1.0}
    kind = max(worst, key=lambda key: worst[key])
    table = {"short": short, "over": over, "loading": loading}[kind]
    t, place = np.unravel_index(int(np.argmax(table)), table.shape)
    hour = f"hour {t + 1}, " if feeder.n_t > 1 else ""
    if kind == "loading":
        return f"{hour}branch {feeder.branch_name[place]}: loaded to {100 * table[t, place]:.2f} %"
    word = "short" if kind == "short" else "too high"
    limit = (feeder.vm_min if kind == "short" else feeder.vm_max)[place]
    return (
        f"{hour}bus {feeder.bus_name[place]}: voltage {flow.vm[t, place]:.5f} pu, {word} by "
        f"{table[t, place]:.5f} pu of the limit {limit:g} pu"
    )


def loadings(feeder: Feeder, closed: Bools, flow: FeederFlow) -> Floats:
    """Current over the largest allowed, at the end where that is more, (n_t, n_branch).

    Powers of a flow leave a branch at its load side, the end away from the source: with them come
    the series current and, with what the branch itself draws, the power at either end.
    """
    found = np.zeros_like(flow.p)
    v2 = np.nan_to_num(flow.vm, nan=1.0) ** 2
    for bus, way in feeder.ways(closed).items():
        if way is None:
            continue
        m, above = way
        forward = int(feeder.branch_to[m]) == bus
        sign, ratio2 = (1.0, 1.0) if forward else (-1.0, feeder.ratio[m] ** 2)
        p, q = sign * flow.p[:, m], sign * flow.q[:, m]
        current2 = (p**2 + q**2) * ratio2 / v2[:, bus]
        ends = [(feeder.g_from[m], feeder.b_from[m], feeder.i_from[m])]
        ends.append((feeder.g_to[m], feeder.b_to[m], feeder.i_to[m]))
        far, near = ends if forward else ends[::-1]
        here = np.hypot(p - near[0] * v2[:, bus], q + near[1] * v2[:, bus]) / flow.vm[:, bus]
        p = p + feeder.r[m] * current2 + far[0] * v2[:, above]
        q = q + feeder.x[m] * current2 - far[1] * v2[:, above]
        there = np.hypot(p, q) / flow.vm[:, above]
        found[:, m] = np.maximum(here / near[2], there / far[2])
    return found
