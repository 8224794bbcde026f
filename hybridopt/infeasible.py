"""Which limit stands in the way of an hour that has no feasible point."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybridopt.errors import HybridoptError
from hybridopt.hours import UNSERVED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.compiled import State
    from hybridopt.hours import StagedSolver
    from hybridopt.solvers.reduced import Bounds

    Ints = NDArray[np.int64]

GAVE_UP = {
    "Maximum_Iterations_Exceeded",
    "Maximum_CpuTime_Exceeded",
    "Maximum_WallTime_Exceeded",
    "Insufficient_Memory",
}
WIDE_VM = (0.5, 1.6)  # pu


def blocking_limit(solver: StagedSolver, state: State) -> str:
    """Relax one kind of limit after the other, and name the element that is furthest beyond.

    Parameters
    ----------
    solver : of single hours
    state : one hour that is infeasible with everything shed

    Raises
    ------
    HybridoptError
        The solver stopped early, so that nothing is known about the hour.
    """
    model = solver.model
    grid, base = model.grid, model.grid.base_mva
    gen_bus = [grid.bus_id[b] for b in grid.gen_bus]
    tight = model.bounds(state, UNSERVED)
    message = model.nlp.solve(tight, solver.options).message
    if message in GAVE_UP:
        raise HybridoptError(
            f"Ipopt gave up ({message}) before it found a feasible point or excluded one; "
            "give it more room in [ipopt] (max_iter, max_wall_s)"
        )
    relaxations = (
        (
            model.p[0],
            0.0,
            0.0,
            gen_bus,
            base,
            "bus {}: a unit's minimum power (or intake) is {:.3f} MW too high",
        ),
        (model.q[0], -np.inf, np.inf, gen_bus, base, "bus {}: reactive power short by {:.3f} Mvar"),
        (model.vm[0], *WIDE_VM, grid.bus_id, 1.0, "bus {}: voltage limit missed by {:.4f} pu"),
    )
    for columns, low, high, labels, unit, text in relaxations:
        wide = _widened(tight, columns, low, high)
        solution = model.nlp.solve(wide, solver.options)
        if solution.ok:
            x = solution.x[columns]
            beyond = np.maximum(tight.x_min[columns] - x, x - tight.x_max[columns])
            worst = int(np.argmax(beyond))
            return text.format(labels[worst], float(beyond[worst]) * unit)
    wide = tight.copy()
    for rows in model.limit_rows:
        wide.row_on[rows[rows >= 0]] = False
    if model.nlp.solve(wide, solver.options).ok:
        return "branch limits cannot be met"
    return "no single kind of limit explains it; the power balance of an island fails"


def _widened(tight: Bounds, columns: Ints, low: float | None, high: float | None) -> Bounds:
    """The same problem with wider limits on the free entries of a variable."""
    wide = tight.copy()
    free = columns[tight.x_min[columns] < tight.x_max[columns]]
    if low is not None:
        wide.x_min[free] = np.minimum(wide.x_min[free], low)
    if high is not None:
        wide.x_max[free] = np.maximum(wide.x_max[free], high)
    return wide
