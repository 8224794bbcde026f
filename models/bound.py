"""A linear relaxation of the AC dispatch that keeps reactive power, voltage and the plan's choices.

Jabr's variables: ``w_b = |v_b|^2`` at each bus, ``c + j s = v_from conj(v_to)`` along each branch.
Flows, shunts and squared currents are linear in them; ``c^2 + s^2 <= w_from w_to`` (an equation in
the AC model) is the second-order cone that planes stand in for, see
:mod:`hybridopt.models.bound_cuts`. A branch that a plan may close has a copy of all four, which its
binary holds at zero while it is open.

Every point of the AC dispatch of every plan satisfies every row, so the optimum is a bound.

References
----------
R. A. Jabr, "Radial distribution load flow using conic programming", IEEE Trans. Power Systems
21(3), 2006. B. Kocuk, S. S. Dey, X. A. Sun, "Strong SOCP relaxations for the optimal power flow
problem", Operations Research 64(6), 2016.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.linear import LinearProgram, Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.grid import Grid
    from hybridopt.models.bound_plan import Choices, PlanColumns

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

RIGHT_ANGLE = np.pi / 2


@dataclass(frozen=True, eq=False)
class Hour:
    """What one hour asks for.

    Attributes
    ----------
    p_demand, q_demand : (n_bus,), pu, connected demand
    p_max : (n_gen,), pu, of units in service, else 0
    profile : largest DG output per unit of rating
    """

    p_demand: Floats
    q_demand: Floats
    p_max: Floats
    profile: float


@dataclass(frozen=True, eq=False)
class HourColumns:
    """Columns of an hour.

    Attributes
    ----------
    w : (n_bus,), pu;  energised : (n_bus,), whole, the same for buses that no plan can part
    w_from, w_to, c, s : (n_branch,), those of each branch, -1 where it stays open
    sign : (n_branch,) +1 or -1, on ``s``
    p, q : (n_gen,);  dg_p, dg_q : (n_site,);  served : (n_bus,), 1
    store_p, store_q : (n_store,), positive consumes
    """

    w: Ints
    energised: Ints
    w_from: Ints
    w_to: Ints
    c: Ints
    s: Ints
    sign: Floats
    p: Ints
    q: Ints
    dg_p: Ints
    dg_q: Ints
    served: Ints
    store_p: Ints
    store_q: Ints

    def flow(self, grid: Grid, k: Any, at_from: bool) -> tuple[list[Any], list[Any]]:
        """Active and reactive power into branches ``k`` at one end, as terms of rows.

        ``conj(y_ff) w_from + conj(y_ft) (c + j s)``, and the same from the other end with ``-s``.
        """
        y_self, y_far = (grid.y_ff, grid.y_ft) if at_from else (grid.y_tt, grid.y_tf)
        near = self.w_from[k] if at_from else self.w_to[k]
        turn = self.sign[k] * (1.0 if at_from else -1.0)
        g, b = y_far[k].real, y_far[k].imag
        active = [(near, y_self[k].real), (self.c[k], g), (self.s[k], b * turn)]
        reactive = [(near, -y_self[k].imag), (self.c[k], -b), (self.s[k], g * turn)]
        return active, reactive

    def current_squared(self, grid: Grid, k: Any, at_from: bool) -> list[Any]:
        """Squared current at one end of branches ``k``, as terms of rows; it is linear here."""
        y_self, y_far = (grid.y_ff, grid.y_ft) if at_from else (grid.y_tt, grid.y_tf)
        near, far = self.w_from[k], self.w_to[k]
        if not at_from:
            near, far = far, near
        cross = 2.0 * y_self[k] * y_far[k].conj()
        turn = self.sign[k] * (1.0 if at_from else -1.0)
        return [
            (near, abs(y_self[k]) ** 2),
            (far, abs(y_far[k]) ** 2),
            (self.c[k], cross.real),
            (self.s[k], -cross.imag * turn),
        ]


def add_hour(lp: LinearProgram, choices: Choices, plan: PlanColumns, hour: Hour) -> HourColumns:
    """Add one hour of the dispatch."""
    columns = _columns(lp, choices, hour)
    _hold_dead(lp, choices, plan, columns, hour)
    _switch_branches(lp, choices, plan, columns)
    _add_balances(lp, choices, columns, hour)
    _add_limits(lp, choices, plan, columns)
    _add_units(lp, choices, plan, columns, hour)
    return columns


def _columns(lp: LinearProgram, choices: Choices, hour: Hour) -> HourColumns:
    grid, sites = choices.grid, choices.sites
    here = grid.bus_in_service
    w_max = np.where(here, grid.vm_max**2, 0.0)
    w = lp.columns(grid.n_bus, 0.0, w_max)
    group = grid.islands()
    alive = np.zeros(group.max() + 1)
    alive[group[here]] = 1.0
    energised = lp.columns(len(alive), 0.0, alive, whole=True)[group]

    n = grid.n_branch
    w_from, w_to, c, s = (np.full(n, -1, dtype=np.int64) for _ in range(4))
    sign = np.ones(n)
    fixed = np.flatnonzero(grid.branch_usable())
    f, t = grid.branch_from, grid.branch_to
    w_from[fixed], w_to[fixed] = w[f[fixed]], w[t[fixed]]
    sign[fixed] = np.where(f[fixed] < t[fixed], 1.0, -1.0)
    ends = np.sort(np.column_stack([f[fixed], t[fixed]]), axis=1)
    pairs, of = np.unique(ends.reshape(-1, 2), axis=0, return_inverse=True)
    most = np.sqrt(w_max[pairs[:, 0]] * w_max[pairs[:, 1]])
    c[fixed], s[fixed] = (lp.columns(len(pairs), -most, most)[of.ravel()] for _ in range(2))
    k = choices.branch
    ends_max = w_max[f[k]], w_max[t[k]]
    most = np.sqrt(ends_max[0] * ends_max[1])
    w_from[k], w_to[k] = (lp.columns(len(k), 0.0, top) for top in ends_max)
    c[k], s[k] = (lp.columns(len(k), -most, most) for _ in range(2))

    running = grid.gen_in_service & here[grid.gen_bus]
    q_low, q_high = np.minimum(grid.q_min, 0.0), np.maximum(grid.q_max, 0.0)
    store = grid.storage
    works = store.in_service & here[store.bus]
    return HourColumns(
        w=w,
        energised=energised,
        w_from=w_from,
        w_to=w_to,
        c=c,
        s=s,
        sign=sign,
        p=lp.columns(
            grid.n_gen,
            np.where(running, np.minimum(np.minimum(grid.p_min, hour.p_max), 0.0), 0.0),
            np.where(running, np.maximum(hour.p_max, 0.0), 0.0),
        ),
        q=lp.columns(grid.n_gen, np.where(running, q_low, 0.0), np.where(running, q_high, 0.0)),
        dg_p=lp.columns(len(sites.bus), 0.0, np.inf),
        dg_q=lp.columns(len(sites.bus), -np.inf, np.inf),
        served=lp.columns(grid.n_bus, 0.0, 1.0),
        store_p=lp.columns(
            len(store.bus),
            np.where(works, -store.discharge_max, 0.0),
            np.where(works, store.charge_max, 0.0),
        ),
        store_q=lp.columns(
            len(store.bus),
            np.where(works, np.minimum(store.q_min, 0.0), 0.0),
            np.where(works, np.maximum(store.q_max, 0.0), 0.0),
        ),
    )


def _hold_dead(
    lp: LinearProgram, choices: Choices, plan: PlanColumns, columns: HourColumns, hour: Hour
) -> None:
    """Voltage limits of energised buses, none and no service at dead ones; what may energise.

    Buses that stay connected whatever the plan are energised together: by a unit of the grid, by
    DG that can hold a voltage, or through a closed candidate from an energised neighbour.
    """
    grid, sites, k = choices.grid, choices.sites, choices.branch
    lp.rows([(columns.w, 1.0), (columns.energised, -(grid.vm_max**2))], upper=0.0)
    lp.rows([(columns.w, 1.0), (columns.energised, -(grid.vm_min**2))], lower=0.0)
    lp.rows([(columns.served, 1.0), (columns.energised, -1.0)], upper=0.0)
    always = hour.p_demand < 0
    always |= (hour.p_demand == 0) & (hour.q_demand == 0)
    at = np.flatnonzero(always)
    if at.size:
        lp.rows([(columns.served[at], 1.0), (columns.energised[at], -1.0)], 0.0, 0.0)
    ends = [columns.energised[grid.branch_from[k]], columns.energised[grid.branch_to[k]]]
    if len(k):
        lp.rows([(ends[0], 1.0), (ends[1], -1.0), (plan.closed, 1.0)], upper=1.0)
        lp.rows([(ends[1], 1.0), (ends[0], -1.0), (plan.closed, 1.0)], upper=1.0)
    forming = grid.gen_forming & grid.gen_in_service & grid.bus_in_service[grid.gen_bus]
    own = set(columns.energised[grid.gen_bus[forming]].tolist())
    site_of = columns.energised[np.array(sites.bus, dtype=np.int64)]
    for column in sorted(set(columns.energised.tolist()) - own):
        sources = [plan.closed[(ends[0] == column) | (ends[1] == column)]] if len(k) else []
        if sites.grid_forming:
            sources.append(plan.installed[site_of == column])
        lp.total([(np.array([column]), 1.0), *((source, -1.0) for source in sources)], upper=0.0)


def _switch_branches(
    lp: LinearProgram, choices: Choices, plan: PlanColumns, columns: HourColumns
) -> None:
    """Copies of candidates: zero while open, the ends' own while closed (big M)."""
    grid, k, on = choices.grid, choices.branch, plan.closed
    if not len(k):
        return
    for copy, bus in (
        (columns.w_from[k], grid.branch_from[k]),
        (columns.w_to[k], grid.branch_to[k]),
    ):
        high = grid.vm_max[bus] ** 2
        lp.rows([(copy, 1.0), (on, -high)], upper=0.0)
        lp.rows([(copy, 1.0), (columns.w[bus], -1.0)], upper=0.0)
        lp.rows([(copy, 1.0), (columns.w[bus], -1.0), (on, -high)], lower=-high)
    most = grid.vm_max[grid.branch_from[k]] * grid.vm_max[grid.branch_to[k]]
    for copy in (columns.c[k], columns.s[k]):
        lp.rows([(copy, 1.0), (on, -most)], upper=0.0)
        lp.rows([(copy, 1.0), (on, most)], lower=0.0)


def _add_balances(lp: LinearProgram, choices: Choices, columns: HourColumns, hour: Hour) -> None:
    """Kirchhoff's current law at every bus, in power."""
    grid, n = choices.grid, choices.grid.n_bus
    sites = np.array(choices.sites.bus, dtype=np.int64)
    used = np.flatnonzero(columns.w_from >= 0)
    ends = ((True, grid.branch_from[used]), (False, grid.branch_to[used]))
    shunt = grid.shunt()
    demand = [_demand(lp, choices, columns, hour, part) for part in (0, 1)]
    for part, sign in ((0, -1.0), (1, 1.0)):
        unit = (columns.p, columns.q)[part]
        dg = (columns.dg_p, columns.dg_q)[part]
        store = (columns.store_p, columns.store_q)[part]
        entries = [
            (grid.gen_bus, unit, np.ones(grid.n_gen)),
            (sites, dg, np.ones(len(sites))),
            (grid.storage.bus, store, -np.ones(len(store))),
            (np.arange(n), columns.w, sign * shunt[part]),
            (np.arange(n), *demand[part]),
        ]
        for at_from, bus in ends:
            for column, value in columns.flow(grid, used, at_from)[part]:
                entries.append((bus, column, -value))
        row, column, value = (np.concatenate(x) for x in zip(*entries, strict=True))
        zero = np.zeros(n)
        lp.parts.append(_kept(row, column, value, zero))


def _kept(row: Ints, column: Ints, value: Floats, zero: Floats) -> Any:
    kept = value != 0.0
    return Rows(row[kept], column[kept], value[kept], zero, zero)


def _demand(
    lp: LinearProgram, choices: Choices, columns: HourColumns, hour: Hour, part: int
) -> tuple[Ints, Floats]:
    """Power drawn at each bus: share served times demand; within what voltages allow (ZIP)."""
    grid = choices.grid
    demand = (hour.p_demand, hour.q_demand)[part]
    z, i = (grid.zip_p, grid.zip_q)[part].T
    at = np.flatnonzero(((z != 0) | (i != 0)) & (demand != 0))
    column, value = columns.served.copy(), -demand
    if at.size:
        low, high = _factor_range(z[at], i[at], grid.vm_min[at], grid.vm_max[at])
        ends = np.sort(np.column_stack([low * demand[at], high * demand[at]]), axis=1)
        drawn = lp.columns(len(at), np.minimum(ends[:, 0], 0), np.maximum(ends[:, 1], 0))
        lp.rows([(drawn, 1.0), (columns.served[at], -ends[:, 0])], lower=0.0)
        lp.rows([(drawn, 1.0), (columns.served[at], -ends[:, 1])], upper=0.0)
        column[at], value = drawn, value.copy()
        value[at] = -1.0
    return column, value


def _factor_range(z: Floats, i: Floats, low: Floats, high: Floats) -> tuple[Floats, Floats]:
    """Range of the voltage factor ``1 - z - i + i vm + z vm^2``, term by term."""
    linear = np.sort(np.column_stack([i * low, i * high]), axis=1)
    square = np.sort(np.column_stack([z * low**2, z * high**2]), axis=1)
    constant = 1.0 - z - i
    return constant + linear[:, 0] + square[:, 0], constant + linear[:, 1] + square[:, 1]


def _add_limits(
    lp: LinearProgram, choices: Choices, plan: PlanColumns, columns: HourColumns
) -> None:
    """Currents (linear), and voltage angles along branches where those are limited."""
    grid = choices.grid
    used = columns.w_from >= 0
    own = np.full(grid.n_branch, -1, dtype=np.int64)
    own[choices.branch] = plan.closed
    for at_from, rate in ((True, grid.rate_from), (False, grid.rate_to)):
        k = np.flatnonzero(used & np.isfinite(rate) & ~grid.rate_is_power)
        if k.size:
            square = rate[k] ** 2
            terms = columns.current_squared(grid, k, at_from)
            switch = np.where(own[k] >= 0, -square, 0.0)
            lp.rows([*terms, (own[k], switch)], upper=np.where(own[k] >= 0, 0.0, square))
    for limit, side in ((grid.angle_max, 1.0), (grid.angle_min, -1.0)):
        k = np.flatnonzero(used & (abs(limit) < RIGHT_ANGLE))
        other = grid.angle_min if side > 0 else grid.angle_max
        k = k[abs(other[k]) < RIGHT_ANGLE]
        if k.size:
            terms = [
                (columns.s[k], side * columns.sign[k]),
                (columns.c[k], -side * np.tan(limit[k])),
            ]
            lp.rows(terms, upper=0.0)


def _add_units(
    lp: LinearProgram, choices: Choices, plan: PlanColumns, columns: HourColumns, hour: Hour
) -> None:
    """Distributed generation within its rating and the penetration limit."""
    sites = choices.sites
    if not sites.bus:
        return
    ratio = sites.max_p_ratio
    lp.rows([(columns.dg_p, 1.0), (plan.rating, -ratio * hour.profile)], upper=0.0)
    if np.isfinite(sites.tan_phi):
        for sign in (1.0, -1.0):
            lp.rows([(columns.dg_q, sign), (plan.rating, -ratio * sites.tan_phi)], upper=0.0)
    else:
        most = _most_reactive(choices, hour)
        for sign in (1.0, -1.0):
            lp.rows([(columns.dg_q, sign), (plan.installed, -most)], upper=0.0)
    if np.isfinite(sites.penetration_limit) and not sites.penetration_on_capacity:
        limit = sites.penetration_limit * float(hour.p_demand.sum())
        lp.total([(columns.dg_p, 1.0)], upper=limit)


def _most_reactive(choices: Choices, hour: Hour) -> Floats:
    """Largest reactive power that the bus of each site could take or give away, pu."""
    grid = choices.grid
    here, far = grid.vm_max[grid.branch_from], grid.vm_max[grid.branch_to]
    most = 2.0 * abs(hour.q_demand) + abs(grid.shunt()[1]) * grid.vm_max**2
    np.add.at(most, grid.branch_from, abs(grid.y_ff) * here**2 + abs(grid.y_ft) * here * far)
    np.add.at(most, grid.branch_to, abs(grid.y_tt) * far**2 + abs(grid.y_tf) * here * far)
    q = np.maximum(abs(grid.q_min), abs(grid.q_max))
    np.add.at(most, grid.gen_bus, q)
    np.add.at(most, grid.storage.bus, np.maximum(abs(grid.storage.q_min), abs(grid.storage.q_max)))
    at = most[np.array(choices.sites.bus, dtype=np.int64)]
    return np.where(np.isfinite(at), at, 1e3)


def unserved_terms(columns: HourColumns, hour: Hour) -> tuple[list[tuple[Ints, Floats]], float]:
    """Unserved power, pu: terms and constant; cutting negative loads makes up for none."""
    demand = np.maximum(hour.p_demand, 0.0)
    return [(columns.served, -demand)], float(demand.sum())
