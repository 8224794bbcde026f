"""The AC dispatch recipe: one model per grid, for one hour or a horizon.

Polar nodal formulation (flows substituted into the balances). Whatever a plan, an event or an
hour changes is a *data variable*: it is given a value through equal bounds when the compiled
model is solved, so the same model serves every topology, rating, load level and objective.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pyomo.environ import ConcreteModel, Constraint, Objective, RangeSet, Var

from hybridopt.models.branch import flow_from, limit
from hybridopt.models.cost import polynomial

if TYPE_CHECKING:
    from hybridopt.grid import DGSites, Grid


def build_dispatch(grid: Grid, sites: DGSites, n_t: int) -> ConcreteModel:
    """Build the dispatch model of a grid that contains every branch a plan could use.

    Decisions, indexed hour first: ``vm`` (pu), ``va`` (rad) at each bus, ``p``, ``q`` of each
    unit, ``served`` (share of the demand at each bus, P and Q together), ``dg_p``, ``dg_q`` at
    each site, and one ``rating`` (pu) per site over the whole horizon.

    Data variables: ``closed`` (branches: 0, 1, or 1 over the length of a line that stands in the
    grid with 1 km and no charging), ``p_demand``, ``q_demand`` (pu), ``dt`` (h),
    ``profile`` (largest DG output per unit of rating), ``dg_on`` (unit installed),
    ``shunt_g``, ``shunt_b`` (pu), ``weight_unserved`` per bus, and the weights ``goal_*``, each
    the goal's weight times ``dt``.

    Rows (their bounds are set when solving): ``balance_p``, ``balance_q``, ``limit_from``,
    ``limit_to`` (scaled, <= 1 or the square of such a length), ``dg_cap_p``, ``dg_cap_q_max``,
    ``dg_cap_q_min``, ``penetration``, ``hold_plan_cost``, ``hold_unserved``,
    ``hold_operating_cost``.

    Parameters
    ----------
    grid : the grid with all candidate branches
    sites : where DG may stand, and on what terms
    n_t : number of coupled hours or load levels

    Notes
    -----
    Power balance with network losses and generator limits: Diaz Vargas, Mosquera, Rivas 2024,
    section 4.3; the penetration limit: the same, section 4.2.
    """
    m = ConcreteModel()
    base = grid.base_mva
    m.t, m.bus = RangeSet(0, n_t - 1), RangeSet(0, grid.n_bus - 1)
    m.branch, m.gen = RangeSet(0, grid.n_branch - 1), RangeSet(0, grid.n_gen - 1)
    m.site = RangeSet(0, len(sites.bus) - 1)

    m.vm = Var(m.t, m.bus, initialize=1.0)
    m.va = Var(m.t, m.bus, initialize=0.0)
    m.p = Var(m.t, m.gen, initialize=0.0)
    m.q = Var(m.t, m.gen, initialize=0.0)
    m.served = Var(m.t, m.bus, initialize=1.0)
    m.dg_p = Var(m.t, m.site, initialize=0.0)
    m.dg_q = Var(m.t, m.site, initialize=0.0)
    m.rating = Var(m.site, initialize=0.0)

    m.closed = Var(m.branch, initialize=1.0)
    m.p_demand = Var(m.t, m.bus, initialize=1.0)
    m.q_demand = Var(m.t, m.bus, initialize=1.0)
    m.dt = Var(m.t, initialize=1.0)
    m.profile = Var(m.t, initialize=1.0)
    m.dg_on = Var(m.t, m.site, initialize=1.0)
    m.gen_on = Var(m.t, m.gen, initialize=1.0)
    m.shunt_g = Var(m.bus, initialize=0.0)
    m.shunt_b = Var(m.bus, initialize=0.0)
    m.weight_unserved = Var(m.bus, initialize=1.0)
    m.goal_unserved = Var(m.t, initialize=1.0)
    m.goal_operating_cost = Var(m.t, initialize=1.0)
    m.goal_plan_cost = Var(initialize=1.0)
    m.goal_loss = Var(m.t, initialize=1.0)

    _add_balances(m, grid, sites)
    _add_branch_limits(m, grid)
    _add_dg_caps(m, sites)
    _add_objective(m, grid, sites, base)
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

    def balance(m: Any, t: int, b: int, part: int) -> Any:
        unit, dg, demand, shunt = (
            (m.p, m.dg_p, m.p_demand, -m.shunt_g[b]),
            (m.q, m.dg_q, m.q_demand, m.shunt_b[b]),
        )[part]
        inflow = sum(unit[t, g] for g in gens[b]) + sum(dg[t, s] for s in at[b])
        outflow: Any = 0
        for line, at_from in ends[b]:
            here, far, y_self, y_mutual = _end(grid, line, at_from)
            angle = m.va[t, here] - m.va[t, far]
            flow = flow_from(y_self, y_mutual, m.vm[t, here], m.vm[t, far], angle)[part]
            outflow = outflow + m.closed[line] * flow
        return inflow - demand[t, b] * m.served[t, b] - outflow + shunt * m.vm[t, b] ** 2 == 0

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
            return loading(y_self, y_mutual, m.vm[t, here], m.vm[t, far], angle) <= 1.0

        return row

    m.limit_from = Constraint(m.t, m.branch, rule=rule(True))
    m.limit_to = Constraint(m.t, m.branch, rule=rule(False))


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


def _add_objective(m: ConcreteModel, grid: Grid, sites: DGSites, base: float) -> None:
    """The four goals, the rows that hold one of them, and their weighted sum.

    Unserved energy in MWh (weighted by priority), operating cost in currency over the horizon,
    the ratings' share of the plan's cost in currency, losses in MWh. Every sum is written term by
    term, weight inside: a product of a data variable with a whole sum would make the Hessian
    dense (480 times as many entries on IEEE 30 over 24 hours).
    """

    def unserved(weight: Any) -> Any:
        return sum(
            weight[t] * (base * m.weight_unserved[b] * m.p_demand[t, b] * (1 - m.served[t, b]))
            for t in m.t
            for b in m.bus
        )

    def operating_cost(weight: Any) -> Any:
        units = [(m.gen_on, m.p, g, grid.gen_cost[g].tolist()) for g in m.gen]
        units += [(m.dg_on, m.dg_p, s, list(sites.operating_cost)) for s in m.site]
        return sum(
            weight[t] * on[t, u] * cost[0]
            + weight[t] * polynomial([0.0, *cost[1:]], base * p[t, u])
            for on, p, u, cost in units
            for t in m.t
        )

    def loss(weight: Any) -> Any:
        def terms(t: int) -> Any:
            yield from (base * m.p[t, g] for g in m.gen)
            yield from (base * m.dg_p[t, s] for s in m.site)
            yield from (-base * m.p_demand[t, b] * m.served[t, b] for b in m.bus)
            yield from (-base * m.shunt_g[b] * m.vm[t, b] ** 2 for b in m.bus)

        return sum(weight[t] * term for t in m.t for term in terms(t))

    rating_cost = base * sites.cost_per_mw
    m.hold_unserved = Constraint(expr=unserved(m.dt) <= 1.0)
    m.hold_operating_cost = Constraint(expr=operating_cost(m.dt) <= 1.0)
    if rating_cost > 0 and len(sites.bus):
        m.hold_plan_cost = Constraint(expr=rating_cost * sum(m.rating[s] for s in m.site) <= 1.0)
    m.goal = Objective(
        expr=unserved(m.goal_unserved)
        + operating_cost(m.goal_operating_cost)
        + sum(m.goal_plan_cost * rating_cost * m.rating[s] for s in m.site)
        + loss(m.goal_loss)
    )
