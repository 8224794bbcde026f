"""Hours that ramps or storage link: one problem for the whole horizon."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.pieces import settle_pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from hybridopt.compiled import State
    from hybridopt.dispatch import Dispatcher
    from hybridopt.grid import Plan
    from hybridopt.hours import Goals, HourResult

BOTH_MW = 1e-3  # charging and discharging at once beyond this is mended


def solve_linked(
    dispatcher: Dispatcher,
    plan: Plan,
    progress: Callable[[], None] = lambda: None,
    *,
    complete: bool = True,
    require: Callable[[int, HourResult], None] = lambda *_: None,
) -> HourResult:
    """Dispatch a plan whose ratings are all given over hours that are linked.

    The hours are solved one by one first, storage standing still: that says which units must
    stand still.

    Parameters
    ----------
    progress : called after each hour
    complete : pursue later goals also where not everything can be served
    require : told each hour solved alone; may raise to end it all

    Returns
    -------
    HourResult
        Of all hours; it may have failed.
    """
    levels = np.arange(len(dispatcher.levels.weight_h))
    alone = dispatcher.solve_levels(plan, progress=progress, require=require)
    gen_on = np.vstack([alone[int(level)].state.gen_on for level in levels])
    state = replace(dispatcher.state(plan, levels), gen_on=gen_on)
    return solve_all_hours(dispatcher, state, dispatcher.hourly_stages(), None, True, complete)


def solve_all_hours(
    dispatcher: Dispatcher,
    state: State,
    stages: Sequence[Goals],
    hold: Mapping[str, float] | None,
    expect_full: bool,
    complete: bool,
) -> HourResult:
    """Pursue the goals over all hours, and see to it that storage does one thing at a time.

    The linear model of storage may charge and discharge in the same hour, which loses energy;
    that pays where energy is worth less than nothing. Where it does, the smaller of the two is
    forbidden in that hour, and the problem solved again.
    """
    solver, base = dispatcher.coupled, dispatcher.grid.base_mva
    result = solver.solve_running(state, stages, hold, expect_full, complete)
    if dispatcher.has_pieces:
        result = settle_pieces(solver, result, stages, hold, thorough=False)
        state = replace(state, piece=result.state.piece)
    dispatcher.count(result)
    while result.solution.ok:  # each round forbids something, so there is a last one
        p_in = solver.model.value(result.solution, solver.model.store_in)
        p_out = solver.model.value(result.solution, solver.model.store_out)
        both = np.minimum(p_in, p_out) * base > BOTH_MW
        if not both.any():
            break
        charges = p_in > p_out
        state = replace(
            state,
            charge_max=np.where(both & ~charges, 0.0, state.charge_max),
            discharge_max=np.where(both & charges, 0.0, state.discharge_max),
        )
        result = solver.solve_running(state, stages, hold, expect_full, complete)
        dispatcher.count(result)
    return result


def with_free_storage(dispatcher: Dispatcher, state: State) -> State:
    """The same hours with storage full at first and free to be empty at last.

    A day's storage can do no more in any hour of it: what holds for this holds for the day.
    """
    store, shape = dispatcher.grid.storage, state.store_on.shape
    on = store.in_service & dispatcher.grid.bus_in_service[store.bus]
    return replace(
        state,
        store_on=np.broadcast_to(on, shape),
        charge_max=np.broadcast_to(np.where(on, store.charge_max, 0.0), shape),
        discharge_max=np.broadcast_to(np.where(on, store.discharge_max, 0.0), shape),
        store_start=store.energy_max,
        store_end=store.energy_min,
    )
