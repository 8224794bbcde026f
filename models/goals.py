"""What a dispatch may aim at: unserved energy, cost, losses, curtailment, the price of a plan."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyomo.environ import Constraint, Objective

from hybridopt.grid_cost import pieces
from hybridopt.models.cost import polynomial
from hybridopt.models.economic import smooth_cost
from hybridopt.models.load import voltage_factor

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyomo.environ import ConcreteModel

    from hybridopt.grid import DGSites, Grid

HOURLY_GOALS = ("unserved", "operating_cost", "loss", "curtailed")


def add_goals(m: ConcreteModel, grid: Grid, sites: DGSites) -> None:
    """The goals, the rows that hold each of them, and their weighted sum.

    Unserved energy in MWh (weighted by priority), operating cost in currency over the horizon,
    losses in MWh, curtailed energy in MWh, the ratings' share of the plan's cost in currency.
    Every sum is written term by term, weight inside: a product of a data variable with a whole
    sum would make the Hessian dense (480 times as many entries on IEEE 30 over 24 hours).
    """
    base = grid.base_mva
    terms: dict[str, Callable[[int], Iterator[Any]]] = {
        "unserved": lambda t: _unserved(m, t, grid),
        "operating_cost": lambda t: _operating_cost(m, t, grid, sites),
        "loss": lambda t: _loss(m, t, grid),
        "curtailed": lambda t: _curtailed(m, t, base, sites),
    }
    lines = [(g, k) for g in m.stepped for k in range(len(grid.gen_pwl[g]) - 1)]
    cost = {g: pieces(grid.gen_pwl[g]) for g in m.stepped}
    m.piece = Constraint(
        m.t,
        lines,
        rule=lambda m, t, g, k: (
            float(cost[g][k, 0]) + float(cost[g][k, 1]) * base * m.p[t, g] - m.piece_cost[t, g]
            <= 0.0
        ),
    )
    total: Any = 0
    for goal, of_hour in terms.items():
        weight = getattr(m, f"goal_{goal}")
        held = Constraint(expr=sum(m.dt[t] * x for t in m.t for x in of_hour(t)) <= 1.0)
        setattr(m, f"hold_{goal}", held)
        total = total + sum(weight[t] * x for t in m.t for x in of_hour(t))
    per_rating = base * sites.cost_per_mw
    if per_rating > 0 and len(sites.bus):
        m.hold_plan_cost = Constraint(expr=per_rating * sum(m.rating[s] for s in m.site) <= 1.0)
    total = total + sum(m.goal_plan_cost * per_rating * m.rating[s] for s in m.site)
    m.goal = Objective(expr=total)


def _unserved(m: Any, t: int, grid: Grid) -> Iterator[Any]:
    """Weighted unserved power of an hour, MW, bus by bus."""
    for b in _buses(grid.load_bus):
        yield grid.base_mva * m.weight_unserved[t, b] * (1 - m.served[t, b])


def _buses(of: Any) -> list[int]:
    """Buses that have one: terms of the others would be evaluated for nothing."""
    return sorted(set(of.tolist()))


def _operating_cost(m: Any, t: int, grid: Grid, sites: DGSites) -> Iterator[Any]:
    """Cost of an hour, currency per hour, unit by unit."""
    for g in m.gen:
        p_mw = grid.base_mva * m.p[t, g]
        yield m.price[t, g] * p_mw
        own = grid.gen_pieces[g]
        if own is not None:
            valve = max((piece.f, piece.p_ref) for piece in own)
            yield m.piece_a[t, g]
            yield smooth_cost(m.piece_b[t, g], m.piece_c[t, g], m.piece_e[t, g], valve, p_mw)
            continue
        if grid.gen_pwl[g] is not None:
            yield m.piece_cost[t, g]
            continue
        cost = grid.gen_cost[g].tolist()
        yield m.gen_on[t, g] * cost[0]
        yield polynomial([0.0, *cost[1:]], p_mw)
    for s in m.site:
        cost = list(sites.operating_cost)
        yield m.dg_on[t, s] * cost[0]
        yield polynomial([0.0, *cost[1:]], grid.base_mva * m.dg_p[t, s])


def _loss(m: Any, t: int, grid: Grid) -> Iterator[Any]:
    """Power of an hour that is injected and reaches neither load nor shunt, MW."""
    base = grid.base_mva
    yield from (base * m.p[t, g] for g in m.gen)
    yield from (base * m.dg_p[t, s] for s in m.site)
    yield from (base * (m.store_out[t, k] - m.store_in[t, k]) for k in m.store)
    for b in _buses(grid.load_bus):
        z, i = grid.zip_p[b].tolist()
        yield -base * m.p_demand[t, b] * m.served[t, b] * voltage_factor(z, i, m.vm[t, b])
    yield from (-base * m.shunt_g[b] * m.vm[t, b] ** 2 for b in _buses(grid.shunt_bus))


def _curtailed(m: Any, t: int, base: float, sites: DGSites) -> Iterator[Any]:
    """Power of an hour that sun and wind would give and that is not used, MW."""
    yield from (base * (m.available[t, g] - m.renewable[g] * m.p[t, g]) for g in m.gen)
    for s in m.site:
        largest = sites.max_p_ratio * m.profile[t] * m.rating[s]
        yield base * m.dg_renewable * (largest - m.dg_p[t, s])
