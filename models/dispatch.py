"""The AC dispatch recipe: one model per grid, for one hour or a horizon.

Polar nodal formulation (flows substituted into the balances). Whatever a plan, an event or an
hour changes is a *data variable*: it is given a value through equal bounds when the compiled
model is solved, so the same model serves every topology, rating, load level and objective.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pyomo.environ import ConcreteModel, Constraint, RangeSet, Set, Var

from hybridopt.models.branch import flow_from, limit
from hybridopt.models.goals import HOURLY_GOALS, add_goals
from hybridopt.models.load import voltage_factor
from hybridopt.models.soft import add_excess, add_soft_limits, excess
from hybridopt.models.storage import energy_balance

if TYPE_CHECKING:
    from hybridopt.grid import DGSites, Grid


def build_dispatch(grid: Grid, sites: DGSites, n_t: int, *, soft: bool = False) -> ConcreteModel:
    """Build the dispatch model of a grid that contains every branch a plan could use.

    Decisions, indexed hour first: ``vm`` (pu), ``va`` (rad) at each bus, ``p``, ``q`` of each
    unit, ``served`` (share of the demand at each bus, P and Q together), ``dg_p``, ``dg_q`` at
    each site, one ``rating`` (pu) per site over the whole horizon, ``store_in``, ``store_out``,
    ``store_q`` (pu) and ``store_energy`` (pu h, at the end of the hour) of each storage, and
    ``piece_cost`` (currency per hour) of units with a piecewise linear cost.

    Data variables: ``closed`` (branches: 0, 1, or 1 over the length of a line that stands in the
    grid with 1 km and no charging), ``p_demand``, ``q_demand`` (pu), ``dt`` (h),
    ``profile`` (largest DG output per unit of rating), ``dg_on`` (unit installed), ``gen_on``,
    ``price`` (of each unit, on top of its cost, currency per MWh), ``renewable`` and
    ``available`` (units whose unused power counts as curtailed: 1, and their largest power, pu),
    ``piece_a``, ``piece_b``, ``piece_c``, ``piece_e`` (of the chosen piece of a cost, see
    :func:`~hybridopt.models.economic.smooth_cost`), ``dg_renewable``, ``shunt_g``, ``shunt_b``
    (pu), ``store_start`` (pu h), ``weight_unserved`` (demand times its priority, pu), and the
    weights ``goal_*``, each the goal's weight times ``dt``.

    Rows (their bounds are set when solving): ``balance_p``, ``balance_q``, ``limit_from``,
    ``limit_to`` (scaled, <= 1 or the square of such a length), ``limit_angle`` (rad), ``ramp``
    (pu), ``store_balance``, ``piece`` (one for each straight line of a cost), ``dg_cap_p``,
    ``dg_cap_q_max``, ``dg_cap_q_min``, ``penetration``, and ``hold_*`` for each goal.

    Parameters
    ----------
    grid : the grid with all candidate branches
    sites : where DG may stand, and on what terms
    n_t : number of coupled hours or load levels
    soft : let every limit be exceeded, and minimise by how much (:mod:`hybridopt.models.soft`)

    Notes
    -----
    Power balance with network losses and generator limits: Diaz Vargas, Mosquera, Rivas 2024,
    section 4.3; the penetration limit: the same, section 4.2; angle limits and piecewise linear
    costs: MATPOWER manual, sections 6.1 and 6.4.
    """
    m = ConcreteModel()
    m.t, m.bus = RangeSet(0, n_t - 1), RangeSet(0, grid.n_bus - 1)
    m.branch, m.gen = RangeSet(0, grid.n_branch - 1), RangeSet(0, grid.n_gen - 1)
    m.site, m.store = RangeSet(0, len(sites.bus) - 1), RangeSet(0, len(grid.storage.bus) - 1)
    m.pieced = Set(initialize=[g for g, own in enumerate(grid.gen_pieces) if own is not None])
    m.stepped = Set(
        initialize=[
            g for g, points in enumerate(grid.gen_pwl) if points is not None and g not in m.pieced
        ]
    )

    m.vm = Var(m.t, m.bus, initialize=1.0)
    m.va = Var(m.t, m.bus, initialize=0.0)
    m.p = Var(m.t, m.gen, initialize=0.0)
    m.q = Var(m.t, m.gen, initialize=0.0)
    m.served = Var(m.t, m.bus, initialize=1.0)
    m.dg_p = Var(m.t, m.site, initialize=0.0)
    m.dg_q = Var(m.t, m.site, initialize=0.0)
    m.rating = Var(m.site, initialize=0.0)
    for name in ("store_in", "store_out", "store_q", "store_energy"):
        setattr(m, name, Var(m.t, m.store, initialize=0.0))
    m.piece_cost = Var(m.t, m.stepped, initialize=0.0)

    m.closed = Var(m.branch, initialize=1.0)
    m.p_demand = Var(m.t, m.bus, initialize=1.0)
    m.q_demand = Var(m.t, m.bus, initialize=1.0)
    m.dt = Var(m.t, initialize=1.0)
    m.profile = Var(m.t, initialize=1.0)
    m.dg_on = Var(m.t, m.site, initialize=1.0)
    m.gen_on = Var(m.t, m.gen, initialize=1.0)
    m.price = Var(m.t, m.gen, initialize=1.0)
    m.available = Var(m.t, m.gen, initialize=1.0)
    for name in ("piece_a", "piece_b", "piece_c", "piece_e"):
        setattr(m, name, Var(m.t, m.pieced, initialize=1.0))
    m.renewable = Var(m.gen, initialize=1.0)
    m.dg_renewable = Var(initialize=1.0)
    m.shunt_g = Var(m.bus, initialize=0.0)
    m.shunt_b = Var(m.bus, initialize=0.0)
    m.store_start = Var(m.store, initialize=0.0)
    m.weight_unserved = Var(m.t, m.bus, initialize=1.0)
    for goal in (*HOURLY_GOALS, "plan_cost"):
        setattr(m, f"goal_{goal}", Var(*() if goal == "plan_cost" else (m.t,), initialize=1.0))

    if soft:
        add_excess(m)
    _add_balances(m, grid, sites)
    _add_branch_limits(m, grid)
    _add_coupling(m, grid)
    _add_dg_caps(m, sites)
    add_goals(m, grid, sites)
    if soft:
        add_soft_limits(m, grid)
    return m


def _end(grid: Grid, line: int, at_from: bool) -> tuple[int, int, complex, complex]:
    """Bus, far bus and admittances of one end of a branch."""
    f, t = int(grid.branch_from[line]), int(grid.branch_to[line])
    if at_from:
        return f, t, complex(grid.y_ff[line]), complex(grid.y_ft[line])
    return t, f, complex(grid.y_tt[line]), complex(grid.y_tf[line])


def _add_balances(m: ConcreteModel, grid: Grid, sites: DGSites) -> None:
    """Kirchhoff's current law at every bus and hour, in power."""
    ends: list[list[tuple[int, bool]]] = [[] for _ in range(grid.n_bus)]
    for line in range(grid.n_branch):
        ends[int(grid.branch_from[line])].append((line, True))
        ends[int(grid.branch_to[line])].append((line, False))
    gens = [np.flatnonzero(grid.gen_bus == b).tolist() for b in range(grid.n_bus)]
    at = [[s for s, bus in enumerate(sites.bus) if bus == b] for b in range(grid.n_bus)]
    stores = [np.flatnonzero(grid.storage.bus == b).tolist() for b in range(grid.n_bus)]
    # What a bus never has is left out: terms that are always 0 took half of the
    # time of the Hessian on PGLib 300.
    # A bus without branches keeps them, its voltage must stand somewhere.
    alone = {b for b in range(grid.n_bus) if not ends[b]}
    loaded, shunted = alone | set(grid.load_bus.tolist()), alone | set(grid.shunt_bus.tolist())

    def balance(m: Any, t: int, b: int, part: int) -> Any:
        unit, dg, demand, shunt = (
            (m.p, m.dg_p, m.p_demand, -m.shunt_g[b]),
            (m.q, m.dg_q, m.q_demand, m.shunt_b[b]),
        )[part]
        inflow = sum(unit[t, g] for g in gens[b]) + sum(dg[t, s] for s in at[b])
        stored = (
            m.store_in[t, k] - m.store_out[t, k] if part == 0 else m.store_q[t, k]
            for k in stores[b]
        )
        inflow = inflow - sum(stored)
        outflow: Any = 0
        for line, at_from in ends[b]:
            here, far, y_self, y_mutual = _end(grid, line, at_from)
            angle = m.va[t, here] - m.va[t, far]
            flow = flow_from(y_self, y_mutual, m.vm[t, here], m.vm[t, far], angle)[part]
            outflow = outflow + m.closed[line] * flow
        if b in loaded:
            z, i = (grid.zip_q if part else grid.zip_p)[b].tolist()
            outflow += demand[t, b] * m.served[t, b] * voltage_factor(z, i, m.vm[t, b])
        if b in shunted:
            inflow += shunt * m.vm[t, b] ** 2
        return inflow - outflow == 0

    m.balance_p = Constraint(m.t, m.bus, rule=lambda m, t, b: balance(m, t, b, 0))
    m.balance_q = Constraint(m.t, m.bus, rule=lambda m, t, b: balance(m, t, b, 1))


def _add_branch_limits(m: ConcreteModel, grid: Grid) -> None:
    """Loading squared of each rated branch end, at most 1."""

    def rule(at_from: bool) -> Any:
        rate = grid.rate_from if at_from else grid.rate_to

        def row(m: Any, t: int, line: int) -> Any:
            if not np.isfinite(rate[line]):
                return Constraint.Skip
            here, far, y_self, y_mutual = _end(grid, line, at_from)
            angle = m.va[t, here] - m.va[t, far]
            loading = limit(bool(grid.rate_is_power[line]), float(rate[line]))
            return loading(y_self, y_mutual, m.vm[t, here], m.vm[t, far], angle) <= 1.0 + (
                excess(m, "from" if at_from else "to", t, line)
            )

        return row

    m.limit_from = Constraint(m.t, m.branch, rule=rule(True))
    m.limit_to = Constraint(m.t, m.branch, rule=rule(False))
    f, t_bus = grid.branch_from.tolist(), grid.branch_to.tolist()
    limited = np.isfinite(grid.angle_min) | np.isfinite(grid.angle_max)
    m.limit_angle = Constraint(
        m.t,
        np.flatnonzero(limited).tolist(),
        rule=lambda m, t, k: (
            m.va[t, f[k]] - m.va[t, t_bus[k]]
            <= 1.0 + excess(m, "angle_max", t, k) - excess(m, "angle_min", t, k)
        ),
    )


def _add_coupling(m: ConcreteModel, grid: Grid) -> None:
    """What one hour leaves to the next: ramps and the content of storage."""
    ramping = np.flatnonzero(np.isfinite(grid.ramp_up) | np.isfinite(grid.ramp_down)).tolist()
    m.ramp = Constraint(
        list(m.t)[1:],
        ramping,
        rule=lambda m, t, g: (
            m.p[t, g] - m.p[t - 1, g]
            <= 1.0 + excess(m, "ramp_up", t, g) - excess(m, "ramp_down", t, g)
        ),
    )
    store = grid.storage

    def content(m: Any, t: int, k: int) -> Any:
        before = m.store_energy[t - 1, k] if t else m.store_start[k]
        flows = m.store_in[t, k], m.store_out[t, k], m.dt[t]
        eta = float(store.eta_in[k]), float(store.eta_out[k])
        return energy_balance(m.store_energy[t, k], before, *flows, *eta) == 0.0

    m.store_balance = Constraint(m.t, m.store, rule=content)


def _add_dg_caps(m: ConcreteModel, sites: DGSites) -> None:
    """Output of each unit within its rating, and all of them within the penetration limit."""
    ratio, tan = sites.max_p_ratio, sites.tan_phi

    def cap_p(m: Any, t: int, s: int) -> Any:
        return m.dg_p[t, s] - ratio * m.profile[t] * m.rating[s] <= 0.0

    def cap_q(sign: int) -> Any:
        def row(m: Any, t: int, s: int) -> Any:
            return sign * m.dg_q[t, s] - ratio * tan * m.rating[s] <= 0.0

        return row

    m.dg_cap_p = Constraint(m.t, m.site, rule=cap_p)
    if np.isfinite(tan):
        m.dg_cap_q_max = Constraint(m.t, m.site, rule=cap_q(1))
        m.dg_cap_q_min = Constraint(m.t, m.site, rule=cap_q(-1))
    if len(sites.bus) and np.isfinite(sites.penetration_limit):
        if sites.penetration_on_capacity:
            m.penetration = Constraint(
                [0], rule=lambda m, _: sum(m.rating[s] for s in m.site) <= 1.0
            )
        else:
            m.penetration = Constraint(
                m.t, rule=lambda m, t: sum(m.dg_p[t, s] for s in m.site) <= 1.0
            )
