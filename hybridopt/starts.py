"""Points to start from where the flat start finds no feasible one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import splu

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any

    from numpy.typing import NDArray

    from hybridopt.compiled import CompiledDispatch, State

    Floats = NDArray[np.float64]

# A line that is nearly a short circuit and has a tight limit needs the first of them.
LOWER_BARRIER = {"mu_init": 1e-2}


def other_starts(
    model: CompiledDispatch, state: State, options: Mapping[str, Any]
) -> Iterator[tuple[dict[str, Any], Floats | None]]:
    """Ways to try again, one after the other: Ipopt's options and where to start, None for flat.

    A lower barrier; the angles of the DC power flow; a dispatch without branch limits, which is a
    load flow with the losses it needs.
    """
    yield LOWER_BARRIER, None
    yield {"mu_init": 0.1}, dc_start(model, state)
    point = without_limits(model, state, options)
    if point is not None:
        yield {"mu_init": 0.1}, point


def dc_start(model: CompiledDispatch, state: State) -> Floats:
    """Flat voltages and the angles of the DC power flow, (n_x,).

    Every unit at the middle of its range, demand served in full; the reference bus of each island
    takes the difference. Open branches and dead buses are left out.
    """
    grid = model.grid
    bounds = model.bounds(state, {"unserved_mwh": 1.0})
    alive, references = model.energised(state)
    susceptance = abs(grid.y_ft.imag) * state.branch_scale
    for t in np.flatnonzero(alive.any(axis=1)):
        on = state.branch_on & alive[t, grid.branch_from] & (susceptance > 0)
        f, to, b = grid.branch_from[on], grid.branch_to[on], susceptance[on]
        rows = np.concatenate([f, to, f, to])
        columns = np.concatenate([f, to, to, f])
        laplacian = coo_matrix((np.concatenate([b, b, -b, -b]), (rows, columns)), (grid.n_bus,) * 2)
        power = -np.where(alive[t], state.p_demand[t], 0.0)
        np.add.at(power, grid.gen_bus, bounds.x_start[model.p[t]])
        solve = alive[t].copy()
        solve[[bus for hour, bus in references if hour == t]] = False
        inner = np.flatnonzero(solve)
        if not inner.size:
            continue
        matrix = laplacian.tocsc()[inner][:, inner]
        try:
            angle = splu(matrix.tocsc()).solve(power[inner])
        except RuntimeError:  # singular: buses joined by nothing but resistance
            continue
        if np.all(np.isfinite(angle)):
            bounds.x_start[model.va[t, inner]] = np.clip(angle, -np.pi / 2, np.pi / 2)
    return bounds.x_start


def without_limits(
    model: CompiledDispatch, state: State, options: Mapping[str, Any]
) -> Floats | None:
    """Least unserved power when branches carry anything, (n_x,); None where that fails too."""
    bounds = model.bounds(state, {"unserved_mwh": 1.0})
    for rows in (*model.limit_rows, model.angle_rows):
        bounds.row_on[rows[rows >= 0]] = False
    solution = model.nlp.solve(bounds, options)
    return solution.x if solution.ok else None
