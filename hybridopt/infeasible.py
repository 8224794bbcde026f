"""Why not: which limits stand in the way of hours that have no feasible point, and by how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.compiled import CompiledDispatch
from hybridopt.errors import HybridoptError
from hybridopt.models.soft import BRANCH, BUS, UNIT, size_of
from hybridopt.result import unit_names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hybridopt.compiled import State
    from hybridopt.grid import DGSites, Grid
    from hybridopt.solvers.ipopt import Solution
    from hybridopt.solvers.reduced import Bounds

    Floats = NDArray[np.float64]

GAVE_UP = ("Maximum_Iterations_Exceeded", "Insufficient_Memory")
WIDE_VM = (0.3, 2.0)  # pu
SHOWN = 5
DEAR = 0.05  # a full branch is named where one of twice the power would save this share of excess
LEAST = {"vm_min": 1e-4, "vm_max": 1e-4, "branch": 0.01}  # 1e-3 of others: less is rounding
WORDS = {
    "vm_min": "voltage {:.4f} pu below its lower limit",
    "vm_max": "voltage {:.4f} pu above its upper limit",
    "p_min": "minimum power (or intake) {:.3f} MW too high",
    "p_max": "active power short by {:.3f} MW",
    "q_min": "reactive power: {:.3f} Mvar more must be absorbed than it can",
    "q_max": "reactive power short by {:.3f} Mvar",
    "branch": "overloaded by {:.2f} % of its limit",
    "angle_min": "voltage angle {:.3f} degrees below its lower limit",
    "angle_max": "voltage angle {:.3f} degrees above its upper limit",
    "ramp_up": "ramp up {:.3f} MW too small",
    "ramp_down": "ramp down {:.3f} MW too small",
    "full": "is at its limit, which stands in the way",
}


@dataclass(frozen=True)
class Excess:
    """A limit that cannot be met.

    Attributes
    ----------
    hour : position in the horizon that was solved
    element : such as "bus 5", "generator at bus 2 (gen 2)", "branch 4-5"
    limit : key of `WORDS`
    amount : pu, MW, Mvar, percent or degrees, as the limit's text says
    share : of the sum of all excess, weighted
    """

    hour: int
    element: str
    limit: str
    amount: float
    share: float

    def __str__(self) -> str:
        """Give the limit as text, without its hour."""
        return f"{self.element}: {WORDS[self.limit].format(self.amount)}"


def excess_of(grid: Grid, sites: DGSites, state: State, options: Mapping[str, Any]) -> list[Excess]:
    """Solve again with soft limits; the limits that must be exceeded, most weight first.

    Behind them stand branches that are at their limit and would help if they carried more.

    Parameters
    ----------
    grid, sites : as those of the model that found no feasible point
    state : its hours

    Raises
    ------
    HybridoptError
        Ipopt stopped early, found no point even so, or found that no limit needs to be exceeded:
        nothing is proven then.
    """
    model = CompiledDispatch(grid, sites, len(state.dt), soft=True)
    bounds = soft_bounds(model, state)
    solution = model.nlp.solve(bounds, {**options, "mu_init": 0.1})
    if not solution.ok:
        raise HybridoptError(
            f"the hour has no feasible point, and Ipopt gave up ({solution.message}) on finding "
            "out why; give it more room in [ipopt] (max_iter, max_wall_s)"
        )
    found: list[Excess] = []
    size = size_of(grid)
    for name in model.excess:
        value = model.value(solution, model.excess[name])
        for t, k in zip(*np.nonzero(value > 1e-6), strict=True):
            one = _describe(grid, name, int(t), int(k), float(value[t, k]), size)
            if one.amount >= LEAST.get(one.limit, 1e-3):
                found.append(one)
    if not found:
        raise HybridoptError(
            "Ipopt found no feasible point, though no limit has to be exceeded for one; another "
            "[ipopt] linear_solver or tol may find it"
        )
    total = sum(e.share for e in found)
    merged: dict[tuple[int, str, str], Excess] = {}
    for e in found:
        key = (e.hour, e.element, e.limit)  # a branch is overloaded at its worse end
        best = max(e, merged.get(key, e), key=lambda one: one.share)
        merged[key] = Excess(*key, best.amount, best.share / total)
    ranked = sorted(merged.values(), key=lambda one: -one.share)
    return ranked + _full_branches(model, solution, {(e.hour, e.element) for e in ranked})


def _full_branches(
    model: CompiledDispatch, solution: Solution, known: set[tuple[int, str]]
) -> list[Excess]:
    """Branches whose limits hold, and would make the excess smaller if they were wider."""
    price = np.zeros((model.n_t, model.grid.n_branch))
    for rows in model.limit_rows:
        price += np.where(rows >= 0, abs(solution.row_multiplier[rows]), 0.0)
    full = price > DEAR * abs(solution.objective)
    order = sorted(zip(*np.nonzero(full), strict=True), key=lambda at: -price[at])
    found = [Excess(int(t), _branch(model.grid, int(k)), "full", 0.0, 0.0) for t, k in order]
    return [e for e in found if (e.hour, e.element) not in known]


def _describe(grid: Grid, name: str, t: int, k: int, value: float, size: float) -> Excess:
    base = grid.base_mva
    if name in BUS:
        return Excess(t, f"bus {grid.bus_id[k]}", name, value, value * size)
    if name in (*UNIT, "ramp_up", "ramp_down"):
        unit = f"bus {grid.bus_id[grid.gen_bus[k]]}, {unit_names(grid, ())[k]}"
        return Excess(t, unit, name, value * base, value)
    branch = _branch(grid, k)
    if name in BRANCH:
        rate = (grid.rate_from if name == "from" else grid.rate_to)[k]
        over = float(np.sqrt(1 + value) - 1)
        return Excess(t, branch, "branch", over * 100, over * float(min(rate, size)))
    return Excess(t, branch, name, float(np.rad2deg(value)), value * size / 10)


def _branch(grid: Grid, k: int) -> str:
    return f"branch {grid.branch_name[k]}"


def soft_bounds(model: CompiledDispatch, state: State) -> Bounds:
    """Bounds of the problem with soft limits: what was a bound becomes a row with excess."""
    grid = model.grid
    b = model.bounds(state, {})
    alive, _ = model.energised(state)
    on = state.gen_on & alive[:, grid.gen_bus]
    most = 10 * float(abs(grid.load_p).sum() + abs(grid.load_q).sum()) + 10.0
    limits = {
        "vm": (model.vm, alive, grid.vm_min, grid.vm_max, *WIDE_VM),
        "p": (model.p, on, np.minimum(grid.p_min, state.p_max), state.p_max, -most, most),
        "q": (model.q, on, grid.q_min, grid.q_max, -most, most),
    }
    for name, (columns, where, low, high, lowest, highest) in limits.items():
        to = columns[where]
        b.x_min[to], b.x_max[to] = lowest, highest
        for side, given in (("min", low), ("max", high)):
            limit = np.broadcast_to(given, where.shape)
            acts = where & np.isfinite(limit)
            rows = model.soft_rows[f"{name}_{side}"][acts]
            b.row_on[rows] = True
            b.row_min[rows] = limit[acts] if side == "min" else -np.inf
            b.row_max[rows] = limit[acts] if side == "max" else np.inf
            _free(b, model.excess[f"{name}_{side}"][acts])
    for side, rows in zip(BRANCH, model.limit_rows, strict=True):
        _free(b, model.excess[side][(rows >= 0) & b.row_on[rows]])
    for names, rows in (
        (("angle_min", "angle_max"), model.angle_rows),
        (("ramp_up", "ramp_down"), model.ramp_rows),
    ):
        for name in names:
            _free(b, model.excess[name][(rows >= 0) & b.row_on[rows]])
    return b


def _free(b: Bounds, columns: Any) -> None:
    b.x_min[columns], b.x_max[columns], b.x_start[columns] = 0.0, np.inf, 0.0


def explain(found: list[Excess], hours: Any) -> str:
    """The worst limits as one text, each with its hour."""
    missed = [e for e in found if e.limit != "full"]
    full = [e for e in found if e.limit == "full"]
    lines = [f"hour {hours[e.hour]}: {e}" for e in missed[:SHOWN]]
    if len(missed) > SHOWN:
        lines.append(f"and {len(missed) - SHOWN} more limits")
    lines += [f"hour {hours[e.hour]}: {e}" for e in full[:SHOWN]]
    return "; ".join(lines)
