"""N-1: what an allocation leaves when each branch is out in turn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.network_allocation import without_branch
from hybridopt.solvers.injections import (
    ITERATIONS,
    MAX_VM,
    MIN_VM,
    MOST,
    VIOLATION,
    evaluate,
)

if TYPE_CHECKING:
    from hybridopt.allocation import Day
    from hybridopt.allocation_search import Problem
    from hybridopt.network_allocation import AllocationNetwork
    from hybridopt.progress import Progress


def outages(
    network: AllocationNetwork, problem: Problem, day: Day, progress: Progress
) -> list[dict[str, Any]]:
    """Take every branch out once, for the whole day.

    Points that have no way to a source left are dark; the others are looked at by a power flow.

    Returns
    -------
    One row per branch in service: ``branch``, ``dark_points``, ``unserved_mwh`` and
    ``lost_generation_mwh`` of those, ``min_vm_pu``, ``max_vm_pu``, ``max_loading_percent`` of the
    rest, ``within_limits`` (of the rest)
    """
    base, grid = network.base_mva, network.grid
    load = problem.load[day.load_order]
    generation = problem.generation[day.generation_order]
    rows = []
    out = np.flatnonzero(grid.branch_in_service).tolist()
    with progress.task("N-1", len(out)) as advance:
        for branch in out:
            arrays, lit = without_branch(network, branch)
            row: dict[str, Any] = {
                "branch": grid.branch_name[branch],
                "dark_points": int((~lit).sum()),
                "unserved_mwh": float(load[~lit].sum() * base),
                "lost_generation_mwh": float(generation[~lit].sum() * base),
            }
            rows.append(row | _rest(arrays, load[lit], generation[lit]))
            advance()
    return rows


def _rest(arrays: Any, load: Any, generation: Any) -> dict[str, Any]:
    """Power flow of what is still energised; nothing breaks limits where nothing is."""
    found: dict[str, Any] = {
        "min_vm_pu": None,
        "max_vm_pu": None,
        "max_loading_percent": None,
        "within_limits": arrays is None,
    }
    if arrays is None:
        return found
    order = np.arange(len(load), dtype=np.int64)[None]
    p = np.ascontiguousarray(load), np.ascontiguousarray(generation)
    row = evaluate(arrays, *p, order, order)[0]
    if row[ITERATIONS] > 0:
        values = (row[MIN_VM], row[MAX_VM], 100 * row[MOST])
        found.update(zip(found, map(float, values), strict=False))
        found["within_limits"] = bool(row[VIOLATION] == 0.0)
    return found
