"""The continuous model of a feeder: branch flow equations over all branches, open ones included.

Diaz Vargas, Mosquera, Rivas 2024 (reference A), section 4, equations 1-9; these are the DistFlow
equations of Baran and Wu 1989 with squared voltages and currents as variables, exact for a tree.
The paper prints its limits twice under the numbers 7 to 9; they are named here by what they limit.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from pyomo.environ import ConcreteModel, Constraint, Objective, RangeSet, Var

if TYPE_CHECKING:
    from hybridopt.feeder import Feeder


def build_distflow(feeder: Feeder, tan_phi: float = 0.0) -> ConcreteModel:
    """Build the model of a feeder with every branch and a possible generator at every bus.

    Variables, indexed hour first, pu: ``v`` squared voltage of each bus; ``p``, ``q``, ``l`` of
    each branch: power into its series impedance behind the ideal transformer of the from bus,
    positive towards the to bus, and squared current there; ``b`` the paper's b_ij, 0 for closed
    branches and free for open ones; ``source_p``, ``source_q`` of each source; ``dg_p``, ``dg_q``
    and one ``rating`` over all hours for each bus.

    Data variables, which a solve fixes by equal bounds: ``closed`` of each branch (the paper's
    y_ij; where it is 0, p, q and l are fixed at 0 too), ``profile`` of each hour (largest output
    per rating), ``weight_loss`` and ``weight_excess``, and, at 0 while limits are hard, ``low``,
    ``high``, ``over``: what squared limits of voltage and current are exceeded by.

    Rows: ``balance_p``, ``balance_q``, ``drop``, ``power``, ``voltage_min``, ``voltage_max``,
    ``current_from``, ``current_to``, ``dg_cap_p``, ``dg_cap_q_max``, ``dg_cap_q_min``,
    ``penetration`` (its bound is set when solving). Objective: :func:`losses`, equation 1.

    Parameters
    ----------
    feeder : the feeder, with all its hours
    tan_phi : reactive over rated active power of a generator; 0 leaves its q out (fixed at 0)
    """
    m = ConcreteModel()
    m.t, m.bus, m.branch = (RangeSet(0, n - 1) for n in (feeder.n_t, feeder.n_bus, feeder.n_branch))
    m.source = np.flatnonzero(feeder.source_vm > 0).tolist()
    m.v = Var(m.t, m.bus, initialize=1.0)
    for name in ("p", "q", "l", "b"):
        setattr(m, name, Var(m.t, m.branch, initialize=0.0))
    for name in ("source_p", "source_q"):
        setattr(m, name, Var(m.t, m.source, initialize=0.0))
    for name in ("dg_p", "dg_q"):
        setattr(m, name, Var(m.t, m.bus, initialize=0.0))
    m.rating = Var(m.bus, initialize=0.0)
    m.closed = Var(m.branch, initialize=1.0)
    m.profile = Var(m.t, initialize=1.0)
    m.weight_loss, m.weight_excess = Var(initialize=1.0), Var(initialize=1.0)
    low, high = feeder.vm_min > 0, np.isfinite(feeder.vm_max)
    held = feeder.source_vm > 0
    m.low_bus = np.flatnonzero(low & ~held).tolist()
    m.high_bus = np.flatnonzero(high & ~held).tolist()
    m.low = Var(m.t, m.low_bus, initialize=0.0)
    m.high = Var(m.t, m.high_bus, initialize=0.0)
    m.rated_from = np.flatnonzero(np.isfinite(feeder.i_from)).tolist()
    m.rated_to = np.flatnonzero(np.isfinite(feeder.i_to)).tolist()
    rated = sorted({*m.rated_from, *m.rated_to})
    m.over = Var(m.t, rated, initialize=0.0)
    _add_balances(m, feeder)
    _add_branches(m, feeder)
    _add_limits(m, feeder)
    _add_generators(m, tan_phi)
    excess = sum(x[i] for x in (m.low, m.high, m.over) for i in x)
    m.goal = Objective(expr=m.weight_loss * losses(m, feeder) + m.weight_excess * excess)
    return m


def losses(m: Any, feeder: Feeder) -> Any:
    """Equation 1: losses of all branches, ``sum dt (r l + g v)``, energy in pu h."""
    total: Any = 0
    ends = _ends(feeder, reactive=False)
    for t in m.t:
        series = sum(float(feeder.r[k]) * m.l[t, k] for k in m.branch if feeder.r[k])
        shunts = sum(_draw(m, t, bus, ends[bus]) for bus in m.bus if ends[bus])
        total += float(feeder.dt[t]) * (series + shunts)
    return total


def _ends(feeder: Feeder, *, reactive: bool) -> list[list[tuple[int, bool, float]]]:
    """Admittances of branch ends at each bus: the branch, whether they count while it is closed.

    A branch that hangs at a bus has another one there while it is open.
    """
    sign = -1.0 if reactive else 1.0
    parts = (
        (feeder.b_from, feeder.b_to, feeder.b_open)
        if reactive
        else (feeder.g_from, feeder.g_to, feeder.g_open)
    )
    at = feeder.branch_from, feeder.branch_to, feeder.hangs_at
    found: list[list[tuple[int, bool, float]]] = [[] for _ in range(feeder.n_bus)]
    for buses, values, closed in zip(at, parts, (True, True, False), strict=True):
        for k in np.flatnonzero((values != 0) & (buses >= 0)).tolist():
            found[int(buses[k])].append((k, closed, sign * float(values[k])))
    return found


def _draw(m: Any, t: int, bus: int, ends: list[tuple[int, bool, float]]) -> Any:
    """Power into the admittances of branch ends at a bus."""
    states = (y * (m.closed[k] if closed else 1.0 - m.closed[k]) for k, closed, y in ends)
    return m.v[t, bus] * sum(states)


def _add_balances(m: Any, feeder: Feeder) -> None:
    """Equations 2 and 3: Kirchhoff's current law at each bus, in power.

    ``source + dg + sum_in (p - r l) - sum_out p - demand(v) - branch ends = 0``.
    """
    arriving: list[list[int]] = [[] for _ in m.bus]
    leaving: list[list[int]] = [[] for _ in m.bus]
    ends = _ends(feeder, reactive=False), _ends(feeder, reactive=True)
    for k in m.branch:
        arriving[int(feeder.branch_to[k])].append(k)
        leaving[int(feeder.branch_from[k])].append(k)

    def row(m: Any, t: int, bus: int, part: int) -> Any:
        flow, dg, source, z = (
            (m.q, m.dg_q, m.source_q, feeder.x) if part else (m.p, m.dg_p, m.source_p, feeder.r)
        )
        total = dg[t, bus] + (source[t, bus] if bus in m.source else 0.0)
        total += sum(flow[t, k] - float(z[k]) * m.l[t, k] for k in arriving[bus])
        total -= sum(flow[t, k] for k in leaving[bus])
        constant, current, impedance = (float(feeder.load[2 * i + part, t, bus]) for i in range(3))
        total -= constant
        if ends[part][bus]:
            total -= _draw(m, t, bus, ends[part][bus])
        if current:
            total -= current * m.v[t, bus] ** 0.5
        if impedance:
            total -= impedance * m.v[t, bus]
        return total == 0.0

    m.balance_p = Constraint(m.t, m.bus, rule=lambda m, t, bus: row(m, t, bus, 0))
    m.balance_q = Constraint(m.t, m.bus, rule=lambda m, t, bus: row(m, t, bus, 1))


def _add_branches(m: Any, feeder: Feeder) -> None:
    """Equation 4, voltage along each branch, and 5 with 6, its power and current.

    ``v_to - v_from / ratio^2 + 2 (r p + x q) - |z|^2 l - b = 0`` and
    ``p^2 + q^2 = l v_from / ratio^2``.
    """
    f, to = feeder.branch_from.tolist(), feeder.branch_to.tolist()

    def behind(m: Any, t: int, k: int) -> Any:
        return m.v[t, f[k]] / float(feeder.ratio[k]) ** 2

    def drop(m: Any, t: int, k: int) -> Any:
        r, x = float(feeder.r[k]), float(feeder.x[k])
        along = 2 * (r * m.p[t, k] + x * m.q[t, k]) - (r * r + x * x) * m.l[t, k]
        return m.v[t, to[k]] - behind(m, t, k) + along - m.b[t, k] == 0.0

    def power(m: Any, t: int, k: int) -> Any:
        return m.p[t, k] ** 2 + m.q[t, k] ** 2 - m.l[t, k] * behind(m, t, k) == 0.0

    m.drop = Constraint(m.t, m.branch, rule=drop)
    m.power = Constraint(m.t, m.branch, rule=power)


def _add_limits(m: Any, feeder: Feeder) -> None:
    """Equations 7 to 9: voltages of each bus and currents of each branch within their limits.

    ``|S_from|^2 / v_from <= i_from^2`` at the from bus, its admittance included; the to bus alike.
    """
    low, high = (np.square(limit).tolist() for limit in (feeder.vm_min, feeder.vm_max))
    f, to = feeder.branch_from.tolist(), feeder.branch_to.tolist()
    i_from, i_to = np.square(feeder.i_from).tolist(), np.square(feeder.i_to).tolist()

    def square(p: Any, q: Any, g: float, b: float, v: Any) -> Any:
        return (p + g * v) ** 2 + (q - b * v) ** 2

    def current_from(m: Any, t: int, k: int) -> Any:
        g, b, ratio2 = float(feeder.g_from[k]), float(feeder.b_from[k]), float(feeder.ratio[k]) ** 2
        if not g and not b:
            return m.l[t, k] / ratio2 - m.over[t, k] <= i_from[k]
        here = m.v[t, f[k]]
        return square(m.p[t, k], m.q[t, k], g, b, here) - (i_from[k] + m.over[t, k]) * here <= 0.0

    def current_to(m: Any, t: int, k: int) -> Any:
        g, b = float(feeder.g_to[k]), float(feeder.b_to[k])
        if not g and not b:
            return m.l[t, k] - m.over[t, k] <= i_to[k]
        here = m.v[t, to[k]]
        p = m.p[t, k] - float(feeder.r[k]) * m.l[t, k]
        q = m.q[t, k] - float(feeder.x[k]) * m.l[t, k]
        return square(p, q, -g, -b, here) - (i_to[k] + m.over[t, k]) * here <= 0.0

    m.voltage_min = Constraint(
        m.t, m.low_bus, rule=lambda m, t, k: m.v[t, k] + m.low[t, k] >= low[k]
    )
    m.voltage_max = Constraint(
        m.t, m.high_bus, rule=lambda m, t, k: m.v[t, k] - m.high[t, k] <= high[k]
    )
    m.current_from = Constraint(m.t, m.rated_from, rule=current_from)
    m.current_to = Constraint(m.t, m.rated_to, rule=current_to)


def _add_generators(m: Any, tan_phi: float) -> None:
    """Output within the rating, and ratings within the penetration limit (section 4.2).

    ``p <= profile rating``, ``|q| <= tan_phi rating``, ``sum rating <= eta sum demand``.
    """
    m.dg_cap_p = Constraint(
        m.t, m.bus, rule=lambda m, t, k: m.dg_p[t, k] - m.profile[t] * m.rating[k] <= 0.0
    )
    if tan_phi > 0:
        for name, sign in (("dg_cap_q_max", 1), ("dg_cap_q_min", -1)):
            rule = lambda m, t, k, s=sign: s * m.dg_q[t, k] - tan_phi * m.rating[k] <= 0.0  # noqa: E731
            setattr(m, name, Constraint(m.t, m.bus, rule=rule))
    m.penetration = Constraint([0], rule=lambda m, _: sum(m.rating[k] for k in m.bus) <= 1.0)
