"""From a solution of the compiled model to a raw point of some hours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybridopt.result import Point
from hybridopt.solvers.status import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.compiled import CompiledDispatch
    from hybridopt.grid import Plan
    from hybridopt.hours import HourResult

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


def point_of(plan: Plan, model: CompiledDispatch, result: HourResult) -> Point:
    """Values and multipliers of a solution, in per unit and per hour, in the shapes of a Point."""
    at = [model.sites.bus.index(u.bus) for u in plan.units]
    alive, _ = model.energised(result.state)
    solution, state = result.solution, result.state
    per_hour = 1 / np.where(state.dt > 0, state.dt, np.inf)[:, None]

    def value(columns: Ints) -> Floats:
        return model.value(solution, columns)

    def multiplier(where: Ints, values: Floats) -> Floats:
        return np.asarray(np.where(where >= 0, values[where], 0.0) * per_hour)

    rows, columns = solution.row_multiplier, solution.x_multiplier
    dg_p_max = model.sites.max_p_ratio * state.profile[:, None] * value(model.rating)
    status = solution.status if result.reached or not solution.ok else Status.ACCEPTABLE
    return Point(
        status=(str(status),) * model.n_t,
        vm=value(model.vm),
        va=value(model.va),
        served=value(model.served),
        alive=alive,
        p=value(model.p),
        q=value(model.q),
        gen_on=state.gen_on & alive[:, model.grid.gen_bus],
        dg_p=value(model.dg_p)[:, at],
        dg_q=value(model.dg_q)[:, at],
        store_p=value(model.store_in) - value(model.store_out),
        store_q=value(model.store_q),
        store_energy=value(model.store_energy),
        p_max=state.p_max,
        price=state.price,
        renewable=np.tile(state.renewable, (model.n_t, 1)),
        dg_p_max=dg_p_max[:, at] if state.dg_renewable else value(model.dg_p)[:, at],
        priced=np.full(
            model.n_t,
            result.goals == {"operating_cost": 1.0} and result.unserved_mwh == 0.0,
        ),
        row_p=multiplier(model.balance[0], rows),
        row_q=multiplier(model.balance[1], rows),
        x_vm=multiplier(model.vm, columns),
        x_p=multiplier(model.p, columns),
        x_q=multiplier(model.q, columns),
        # a scaled branch's rows are written for its current in the grid
        row_branch=np.add(*(multiplier(r, rows) for r in model.limit_rows)) / state.branch_scale**2,
        row_angle=multiplier(model.angle_rows, rows),
        iterations=result.iterations,
        solve_s=result.solve_s,
    )
