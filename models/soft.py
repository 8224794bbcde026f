"""Soft limits: by how much limits must be exceeded where a problem has no feasible point.

As MATPOWER's soft limits (manual, section 7.6.4): every limit may be exceeded by a variable of its
own, and the weighted sum of these is minimised.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyomo.environ import Constraint, NonNegativeReals, Var

if TYPE_CHECKING:
    from pyomo.environ import ConcreteModel

    from hybridopt.grid import Grid

BUS, UNIT, BRANCH = ("vm_min", "vm_max"), ("p_min", "p_max", "q_min", "q_max"), ("from", "to")
LINKS = ("angle_min", "angle_max"), ("ramp_up", "ramp_down")
# Where several limits explain the same: a ramp before the powers that it links, a unit that must
# run before one that could idle.
JUST_BELOW, JUST_ABOVE = 0.99, 1.05
SOFT = (*BUS, *UNIT, *BRANCH, *LINKS[0], *LINKS[1])


def add_excess(m: ConcreteModel) -> None:
    """Add ``excess_*``: of voltages and powers in pu, of branches in loading squared, of angles."""
    sets = dict.fromkeys(BUS, m.bus) | dict.fromkeys((*UNIT, *LINKS[1]), m.gen)
    sets |= dict.fromkeys((*BRANCH, *LINKS[0]), m.branch)
    for name, over in sets.items():
        setattr(m, f"excess_{name}", Var(m.t, over, domain=NonNegativeReals, initialize=0.0))


def excess(m: Any, name: str, t: int, k: int) -> Any:
    """By how much a limit may be exceeded; nothing where limits are hard."""
    found = getattr(m, f"excess_{name}", None)
    return 0.0 if found is None else found[t, k]


def add_soft_limits(m: ConcreteModel, grid: Grid) -> None:
    """Limits of voltages and powers as rows, and the weighted sum of all excess as the goal.

    Weights make a voltage that is off by 0.01 pu count as much as 1 % of the demand or of what the
    lines' charging gives, and an overloaded branch as much as the power that is too much for it.
    """
    size = size_of(grid)
    for name, value in (("vm", m.vm), ("p", m.p), ("q", m.q)):
        over = m.bus if name == "vm" else m.gen

        def low(m: Any, t: int, k: int, name: str = name, value: Any = value) -> Any:
            return value[t, k] + excess(m, f"{name}_min", t, k) >= 0.0

        def high(m: Any, t: int, k: int, name: str = name, value: Any = value) -> Any:
            return value[t, k] - excess(m, f"{name}_max", t, k) <= 1.0

        setattr(m, f"soft_{name}_min", Constraint(m.t, over, rule=low))
        setattr(m, f"soft_{name}_max", Constraint(m.t, over, rule=high))
    m.goal.set_value(
        sum(
            weight(name, k, grid, size) * getattr(m, f"excess_{name}")[t, k]
            for name in SOFT
            for t, k in getattr(m, f"excess_{name}").index_set()
        )
    )


def size_of(grid: Grid) -> float:
    """Demand, or the reactive power of the lines' charging where that is more, pu."""
    charging = (grid.y_ff + grid.y_ft + grid.y_tt + grid.y_tf).imag[grid.branch_in_service]
    return max(float(abs(grid.load_p).sum()), float(charging.clip(0.0).sum()), 1e-3)


def weight(name: str, k: int, grid: Grid, size: float) -> float:
    """What a unit of excess counts, pu of power."""
    if name in BUS:
        return size
    if name in BRANCH:
        rate = grid.rate_from if name == "from" else grid.rate_to
        return float(min(rate[k], size)) / 2
    if name in LINKS[1]:
        return JUST_BELOW
    if name == "p_min" and grid.p_min[k] <= 0:
        return JUST_ABOVE
    return size / 10 if name in LINKS[0] else 1.0
