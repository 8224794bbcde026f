"""Which units must stand still where an hour has no feasible point with all of them running."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from hybridopt.compiled import CompiledDispatch, State

    Bools = NDArray[np.bool_]
    Feasible = Callable[[State], bool]

MOST_SETS = 64  # sets of idle units that are all tried; of more, few in a fixed order


def idling(model: CompiledDispatch, state: State, feasible: Feasible) -> State | None:
    """The same hour with as few units as possible at rest, in the islands that need it.

    A unit is worth stopping when it cannot idle by itself (p = q = 0 outside its limits); external
    grids are stopped only in islands without load. If no set of those helps, all units of the
    island stand still (it may lack the active power for its own losses), and at last its DG (too
    small for the charging of its lines).

    Parameters
    ----------
    state : a single hour without a feasible point
    feasible : whether an hour has one

    Returns
    -------
    State, or None where nothing helps
    """
    grid = model.grid
    island = model.islands(state.branch_on)
    demand = (state.p_demand[0] != 0) | (state.q_demand[0] != 0)
    unloaded = ~np.isin(island[grid.gen_bus], island[demand])
    stoppable = np.array([kind != "ext_grid" for kind in grid.gen_kind]) | unloaded
    stoppable &= state.gen_on[0]
    chosen = np.zeros(grid.n_gen, dtype=bool)
    site_bus = np.array(model.sites.bus, dtype=np.int64)
    dark = np.zeros(len(site_bus), dtype=bool)
    for number in np.unique([*island[grid.gen_bus[stoppable]], *island[site_bus[state.site_on]]]):
        here = island == number
        alone = _only(model, state, here)
        if feasible(alone):
            continue
        units = stoppable & here[grid.gen_bus]
        idle = _fewest_idle(model, alone, units, feasible)
        if idle is not None:
            chosen |= idle
            continue
        sites = state.site_on & here[site_bus]
        if not sites.any() or np.any(alone.gen_on[0] & ~units & grid.gen_forming):
            return None
        chosen |= units
        dark |= sites
    if not (chosen.any() or dark.any()):
        return None
    return replace(state, gen_on=state.gen_on & ~chosen, site_on=state.site_on & ~dark)


def _only(model: CompiledDispatch, state: State, here: Bools) -> State:
    """The same hour with everything outside an island dead."""
    site_bus = np.array(model.sites.bus, dtype=np.int64)
    return replace(
        state,
        gen_on=state.gen_on & here[model.grid.gen_bus],
        site_on=state.site_on & (here[site_bus] if site_bus.size else state.site_on),
    )


def _fewest_idle(
    model: CompiledDispatch, alone: State, units: Bools, feasible: Feasible
) -> Bools | None:
    """Which of an island's units stand still so that it has a feasible point; None: no set."""

    def off(idle: Sequence[int]) -> Bools:
        chosen = np.zeros(len(units), dtype=bool)
        chosen[list(idle)] = True
        return chosen

    def helps(idle: Sequence[int]) -> bool:
        return feasible(replace(alone, gen_on=alone.gen_on & ~off(idle)))

    sources, consumers = _cannot_idle(model, alone, units)
    if 2 ** len(sources + consumers) <= MOST_SETS:
        sets = _subsets(sources + consumers)
        sets.sort(key=lambda idle: len(set(idle) & set(consumers)))
        found = next((idle for idle in sets if helps(idle)), None)
    else:
        orders = (sources, consumers, sources + consumers)
        tried = (
            shortest_start(order, helps, _must_rest(model, alone, order))
            for order in orders
            if order
        )
        found = next((tuple(idle) for idle in tried if idle is not None), None)
    if found is not None:
        return off(found)
    everything = tuple(np.flatnonzero(units).tolist())
    return off(everything) if everything and helps(everything) else None


def _cannot_idle(
    model: CompiledDispatch, alone: State, units: Bools
) -> tuple[list[int], list[int]]:
    """Units with p = q = 0 outside their limits, those to stop first in front.

    Sources, the highest minimum first, and apart from them consumers that must take power, the
    largest first: they are loads, and cut off only where no set of sources helps.
    """
    grid = model.grid
    consumes = units & (alone.p_max[0] < 0)
    feeds = units & ~consumes & ((grid.p_min > 0) | (grid.q_min > 0) | (grid.q_max < 0))
    sources = sorted(np.flatnonzero(feeds).tolist(), key=lambda g: (-grid.p_min[g], g))
    consumers = np.flatnonzero(consumes).tolist()
    return sources, sorted(consumers, key=lambda g: (alone.p_max[0, g], g))


def _subsets(order: Sequence[int]) -> list[tuple[int, ...]]:
    """Every set but the empty one, the smallest first."""
    sizes = range(1, len(order) + 1)
    return [idle for size in sizes for idle in combinations(order, size)]


def shortest_start(
    order: Sequence[int], helps: Callable[[Sequence[int]], bool], guess: int = 1
) -> Sequence[int] | None:
    """First units of an order that help when they rest together, tried in about 2 log2(n) steps.

    Goes from the guessed number in doubling steps to where it changes, then bisects: exact where
    more units at rest never harm. None where no number tried helps.
    """
    size, step = min(max(guess, 1), len(order)), 1
    if helps(order[:size]):
        short = size - 1
        while short > 0 and helps(order[:short]):
            size, step = short, 2 * step
            short = max(size - step, 0)
    else:
        short, size = size, min(size + step, len(order))
        while short < size and not helps(order[:size]):
            step *= 2
            short, size = size, min(size + step, len(order))
        if short == size:
            return None
    while size - short > 1:
        middle = (short + size) // 2
        if helps(order[:middle]):
            size = middle
        else:
            short = middle
    return order[:size]


def _must_rest(model: CompiledDispatch, alone: State, order: Sequence[int]) -> int:
    """How many of an order must rest before the others' minima fit the demand, losses left out."""
    grid = model.grid
    alive, _ = model.energised(alone)
    on = alone.gen_on[0] & alive[0, grid.gen_bus]
    least = np.where(on, np.minimum(grid.p_min, alone.p_max[0]), 0.0)
    room = float(alone.p_demand[0, alive[0]].clip(0.0).sum() + alone.charge_max[0].sum())
    left = least.sum() - np.cumsum(least[list(order)])
    return int(np.sum(left > room)) + 1
