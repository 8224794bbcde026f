"""Batteries and inverters on a network whose other injections are known, over the hours.

Rectangular currents and voltages: with the sources held, voltages and branch currents are linear in
the injected currents, ``V = W + Z I``; only ``S = V conj(I)`` and the limits are not (the current
injection model of O'Neill, Castillo, Cain 2012, with the network's equations eliminated).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pyomo.environ import (
    ConcreteModel,
    Constraint,
    NonNegativeReals,
    Objective,
    RangeSet,
    Var,
    sqrt,
)

from hybridopt.models.storage import energy_balance

if TYPE_CHECKING:
    from collections.abc import Sequence

POWER, CURRENT, IMPEDANCE = range(3)
SIMULTANEOUS = 1e-4  # of the first weight, per pu h: keeps a battery from charging while it gives


def build_injection(
    net: Any,
    p: Any,
    q: Any,
    batteries: Sequence[tuple[int, float, float, float, float]],
    inverters: Sequence[tuple[int, Any]],
    weights: Sequence[float],
) -> ConcreteModel:
    """Build the model.

    Decisions, hour first, pu: ``store_in``, ``store_out`` (at least 0) and ``store_energy`` (pu h,
    at the end of the hour) of each battery, ``q`` of each inverter (positive injects). What follows
    from them: ``ir``, ``ii``, ``vr``, ``vi`` of each active bus, ``er``, ``ei`` of each branch end
    over its limit, ``wr``, ``wi`` of each bus with a limit; ``loading`` (1 = 100 %), ``drawn`` and
    ``deviation`` (pu) of each hour.

    Parameters
    ----------
    net : the network's arrays, see :class:`hybridopt.solvers.injections.InjectionArrays`
    p, q : (3, n_active, n_t), demand of constant power, current and impedance at 1 pu
    batteries : active bus, power, energy, efficiency of each way, share of energy at first and,
        at least, at last
    inverters : active bus, (n_t,) largest reactive power
    weights : of the hours' sum of line loadings, losses, energy drawn, sum of voltage deviations
    """
    m = ConcreteModel()
    n_active, n_t = p.shape[1], p.shape[2]
    n_end, n_bus = len(net.f0), len(net.u0)
    m.t, m.a = RangeSet(0, n_t - 1), RangeSet(0, n_active - 1)
    m.end, m.store = RangeSet(0, n_end - 1), RangeSet(0, len(batteries) - 1)
    m.inverter = RangeSet(0, len(inverters) - 1)
    m.bus = [b for b in range(n_bus) if abs(net.u[b]).max(initial=0.0) > 0]
    for name in ("ir", "ii"):
        setattr(m, name, Var(m.t, m.a, initialize=0.0))
    for name, start in (("vr", net.w[:, 0]), ("vi", net.w[:, 1])):
        setattr(m, name, Var(m.t, m.a, initialize=lambda _m, _t, a, s=start: float(s[a])))
    for name in ("er", "ei"):
        setattr(m, name, Var(m.t, m.end, initialize=0.0))
    m.wr, m.wi = Var(m.t, m.bus, initialize=1.0), Var(m.t, m.bus, initialize=0.0)
    for name in ("store_in", "store_out"):
        setattr(
            m,
            name,
            Var(m.t, m.store, bounds=lambda _m, _t, k: (0.0, batteries[k][1]), initialize=0.0),
        )
    m.store_energy = Var(
        m.t,
        m.store,
        bounds=lambda _m, t, k: (
            batteries[k][2] * batteries[k][4] if t == n_t - 1 else 0.0,
            batteries[k][2],
        ),
        initialize=lambda _m, _t, k: batteries[k][2] * batteries[k][4],
    )
    m.q = Var(
        m.t,
        m.inverter,
        bounds=lambda _m, t, k: (-float(inverters[k][1][t]), float(inverters[k][1][t])),
        initialize=0.0,
    )
    for name in ("loading", "drawn", "deviation"):
        setattr(m, name, Var(m.t, within=NonNegativeReals, initialize=0.1))
    _add_network(m, net)
    _add_balances(m, p, q, batteries, inverters)
    _add_limits(m, net)
    _add_goal(m, net, weights)
    return m


def _follows(m: Any, names: tuple[str, str], over: Any, matrix: Any, constant: Any) -> None:
    """Rows ``X = X0 + M I`` for the real and the imaginary part."""
    re, im = (getattr(m, name) for name in names)

    def row(part: int) -> Any:
        def rule(m: Any, t: int, k: int) -> Any:
            total: Any = float(constant[k, part])
            for a in m.a:
                x, y = float(matrix[k, a, 0]), float(matrix[k, a, 1])
                if x == 0.0 and y == 0.0:
                    continue
                mine, other = (m.ir, m.ii) if part == 0 else (m.ii, m.ir)
                total += x * mine[t, a] + (-y if part == 0 else y) * other[t, a]
            return (re if part == 0 else im)[t, k] - total == 0

        return rule

    setattr(m, f"follow_{names[0]}", Constraint(m.t, over, rule=row(0)))
    setattr(m, f"follow_{names[1]}", Constraint(m.t, over, rule=row(1)))


def _add_network(m: Any, net: Any) -> None:
    _follows(m, ("vr", "vi"), m.a, net.z, net.w)
    _follows(m, ("er", "ei"), m.end, net.f, net.f0)
    _follows(m, ("wr", "wi"), m.bus, net.u, net.u0)


def _add_balances(m: Any, p: Any, q: Any, batteries: Any, inverters: Any) -> None:
    """Power of every active bus, and the batteries' contents."""
    at: dict[int, list[int]] = {}
    inverter_at: dict[int, list[int]] = {}
    for k, battery in enumerate(batteries):
        at.setdefault(battery[0], []).append(k)
    for k, inverter in enumerate(inverters):
        inverter_at.setdefault(inverter[0], []).append(k)

    def injected(t: int, a: int, demand: Any) -> Any:
        square = m.vr[t, a] ** 2 + m.vi[t, a] ** 2
        total = -float(demand[POWER, a, t])
        if demand[CURRENT, a, t] != 0.0:
            total = total - float(demand[CURRENT, a, t]) * sqrt(square)
        if demand[IMPEDANCE, a, t] != 0.0:
            total = total - float(demand[IMPEDANCE, a, t]) * square
        return total

    def active(m: Any, t: int, a: int) -> Any:
        given = sum(m.store_out[t, k] - m.store_in[t, k] for k in at.get(a, []))
        flow = m.vr[t, a] * m.ir[t, a] + m.vi[t, a] * m.ii[t, a]
        return flow - injected(t, a, p) - given == 0

    def reactive(m: Any, t: int, a: int) -> Any:
        given = sum(m.q[t, k] for k in inverter_at.get(a, []))
        flow = m.vi[t, a] * m.ir[t, a] - m.vr[t, a] * m.ii[t, a]
        return flow - injected(t, a, q) - given == 0

    m.balance_p = Constraint(m.t, m.a, rule=active)
    m.balance_q = Constraint(m.t, m.a, rule=reactive)

    def content(m: Any, t: int, k: int) -> Any:
        _, _, energy, eta, share = batteries[k]
        before = m.store_energy[t - 1, k] if t else energy * share
        flows = m.store_in[t, k], m.store_out[t, k], 1.0
        return energy_balance(m.store_energy[t, k], before, *flows, eta, eta) == 0

    m.content = Constraint(m.t, m.store, rule=content)


def _add_limits(m: Any, net: Any) -> None:
    m.limit_end = Constraint(
        m.t, m.end, rule=lambda m, t, k: m.er[t, k] ** 2 + m.ei[t, k] ** 2 <= 1.0
    )

    def voltage(m: Any, t: int, b: int) -> Any:
        low, high = float(net.vm[b, 0]) ** 2, float(net.vm[b, 1]) ** 2
        if low <= 0.0 and high == float("inf"):
            return Constraint.Skip
        return (low, m.wr[t, b] ** 2 + m.wi[t, b] ** 2, high)

    m.limit_vm = Constraint(m.t, m.bus, rule=voltage)


def _add_goal(m: Any, net: Any, weights: Sequence[float]) -> None:
    """What follows from the currents in each hour, and the weighted sum."""
    lines = range(net.n_line_end)
    m.most_loading = Constraint(
        m.t,
        list(lines),
        rule=lambda m, t, k: (
            float(net.share[k]) ** 2 * (m.er[t, k] ** 2 + m.ei[t, k] ** 2) <= m.loading[t] ** 2
        ),
    )

    def given(t: int) -> Any:
        total: Any = float(net.own)
        for s in range(len(net.source)):
            v_re, v_im = map(float, net.source[s])
            total += v_re * float(net.s0[s, 0]) + v_im * float(net.s0[s, 1])
            for a in m.a:
                x, y = map(float, net.s[s, a])
                total += v_re * (x * m.ir[t, a] - y * m.ii[t, a])
                total += v_im * (y * m.ir[t, a] + x * m.ii[t, a])
        return total

    m.most_drawn = Constraint(m.t, rule=lambda m, t: m.drawn[t] - given(t) >= 0)
    m.most_high = Constraint(
        m.t,
        m.bus,
        rule=lambda m, t, b: m.wr[t, b] ** 2 + m.wi[t, b] ** 2 <= (1 + m.deviation[t]) ** 2,
    )
    m.most_low = Constraint(
        m.t,
        m.bus,
        rule=lambda m, t, b: m.wr[t, b] ** 2 + m.wi[t, b] ** 2 >= (1 - m.deviation[t]) ** 2,
    )
    goal: Any = 0
    for t in m.t:
        net_given = given(t) - float(net.own)
        flows = sum(m.vr[t, a] * m.ir[t, a] + m.vi[t, a] * m.ii[t, a] for a in m.a)
        parts = (m.loading[t], net_given + flows, m.drawn[t], m.deviation[t])
        goal += sum(float(w) * part for w, part in zip(weights, parts, strict=True) if w > 0)
        goal += (
            SIMULTANEOUS * max(weights) * sum(m.store_in[t, k] + m.store_out[t, k] for k in m.store)
        )
    # What no weight pulls down stays where it need not be large.
    goal += sum(1e-6 * max(weights) * (m.loading[t] + m.drawn[t] + m.deviation[t]) for t in m.t)
    m.goal = Objective(expr=goal)
