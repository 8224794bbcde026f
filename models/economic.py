"""Economic dispatch of units without a network: one smooth model for every choice of pieces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyomo.environ import ConcreteModel, Constraint, Objective, RangeSet, Var, sin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridopt.unit_cost import Losses


def smooth_cost(b: Any, c: Any, e: Any, valve: tuple[float, float], p_mw: Any) -> Any:
    """Cost per hour ``b p + c p^2 + e sin(f (p_ref - p))`` within one piece, without its constant.

    Walters and Sheble 1993 give the valve-point term as |e sin(f (p_min - p))|; between two
    neighbouring valve points its sign is known and goes into e.

    Parameters
    ----------
    b, c, e : currency per MWh, per MW^2 h, per h: data variables
    valve : f and p_ref, rad/MW and MW; f is 0 without valve points
    p_mw : MW
    """
    f, p_ref = valve
    cost = b * p_mw + c * p_mw**2
    return cost + e * sin(f * (p_ref - p_mw)) if f else cost


def build_economic(valve: Sequence[tuple[float, float]], losses: Losses, n_t: int) -> ConcreteModel:
    """Build the dispatch of n units over some hours, inside pieces that are chosen when solving.

    Decisions: ``p`` (MW) by hour and unit; its bounds are the ends of the chosen piece. Data
    variables by hour and unit: ``b``, ``c``, ``e`` of that piece.

    Rows: ``balance`` (MW) by hour, ``sum p - loss(p) = demand``, demand being the row's bound;
    ``ramp`` (MW/h) by hour after the first and unit, ``p_t - p_(t-1)``.

    Parameters
    ----------
    valve : f and p_ref of each unit, rad/MW and MW; f is 0 for a unit without valve points
    losses : B-coefficients; the loss ``p' B p + B0' p + B00`` is Kron's formula
    n_t : number of hours
    """
    m = ConcreteModel()
    n = len(valve)
    m.t, m.unit = RangeSet(0, n_t - 1), RangeSet(0, n - 1)
    m.p = Var(m.t, m.unit, initialize=0.0)
    m.b = Var(m.t, m.unit, initialize=1.0)
    m.c = Var(m.t, m.unit, initialize=1.0)
    m.e = Var(m.t, m.unit, initialize=1.0)

    def balance(m: Any, t: int) -> Any:
        produced = sum(m.p[t, i] for i in m.unit)
        if losses.any:
            produced -= losses.b00
            produced -= sum(float(losses.b0[i]) * m.p[t, i] for i in m.unit)
            produced -= sum(
                float(losses.b[i, j]) * m.p[t, i] * m.p[t, j] for i in m.unit for j in m.unit
            )
        return produced == 0.0

    m.balance = Constraint(m.t, rule=balance)
    m.ramp = Constraint(
        RangeSet(1, n_t - 1),
        m.unit,
        rule=lambda m, t, i: m.p[t, i] - m.p[t - 1, i] == 0.0,
    )
    m.goal = Objective(
        expr=sum(
            smooth_cost(m.b[t, i], m.c[t, i], m.e[t, i], valve[i], m.p[t, i])
            for t in m.t
            for i in m.unit
        )
    )
    return m
