"""Which limit stands in the way of an hour that has no feasible point."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.hours import UNSERVED

if TYPE_CHECKING:
    from hybridopt.compiled import State
    from hybridopt.hours import StagedSolver
    from hybridopt.solvers.ipopt import Bounds

WIDE_VM = (0.5, 1.6)  # pu


def blocking_limit(solver: StagedSolver, state: State) -> str:
    """Relax one kind of limit after the other, and name the element that is furthest beyond.

    Parameters
    ----------
    solver : of single hours
    state : one hour that is infeasible with everything shed
    """
    model = solver.model
    grid = model.grid
    tight = model.bounds(state, UNSERVED)

    def beyond(columns: Any, x: Any) -> tuple[int, float]:
        over = np.maximum(tight.x_min[columns] - x[columns], x[columns] - tight.x_max[columns])
        return int(np.argmax(over[0])), float(np.max(over[0]))

    def attempt(relax: Any) -> Any:
        bounds: Bounds = tight.copy()
        relax(bounds)
        solution = model.nlp.solve(bounds, solver.options)
        return solution.x if solution.ok else None

    def open_range(columns: Any, low: float, high: float) -> Any:
        def relax(bounds: Bounds) -> None:
            free = columns[0][tight.x_min[columns[0]] < tight.x_max[columns[0]]]
            bounds.x_min[free], bounds.x_max[free] = low, high

        return relax

    def no_minimum(bounds: Bounds) -> None:
        bounds.x_min[model.p[0]] = np.minimum(bounds.x_min[model.p[0]], 0.0)

    def no_branch_limits(bounds: Bounds) -> None:
        for rows in model.limit_rows:
            bounds.row_on[rows[rows >= 0]] = False

    base = grid.base_mva
    x = attempt(no_minimum)
    if x is not None:
        g, by = beyond(model.p, x)
        bus = grid.bus_id[grid.gen_bus[g]]
        return f"unit at bus {bus}: its minimum power cannot be met by {by * base:.3f} MW"
    x = attempt(open_range(model.q, -np.inf, np.inf))
    if x is not None:
        g, by = beyond(model.q, x)
        bus = grid.bus_id[grid.gen_bus[g]]
        return f"unit at bus {bus}: reactive power short by {by * base:.3f} Mvar"
    x = attempt(open_range(model.vm, *WIDE_VM))
    if x is not None:
        b, by = beyond(model.vm, x)
        return f"bus {grid.bus_id[b]}: voltage limit cannot be met by {by:.4f} pu"
    x = attempt(no_branch_limits)
    if x is not None:
        return "branch limits cannot be met"
    return "no single kind of limit explains it (power balance of an island)"
