"""The same optimal power flow as others would solve it: Pyomo rebuilt, CasADi, pandapower."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp
import pyomo.environ as pyo

from hybridopt.models.branch import flow_from
from hybridopt.models.cost import polynomial
from hybridopt.solvers.available import require_solver

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from hybridopt.grid import Grid

    Floats = NDArray[np.float64]


class Parts:
    """What the peers need of a grid: only what is on, and where everything starts.

    Attributes
    ----------
    on : (n_on,) branch positions;  rated, held : (n_on,) whether its loading, its angle is limited
    p_bounds, q_bounds : two arrays of (n_gen,), pu;  p_start, q_start : their middle
    p_load, q_load, shunt_g, shunt_b : (n_bus,), pu
    """

    def __init__(self, grid: Grid) -> None:
        if not np.all(grid.rate_is_power | np.isinf(grid.rate_from)):
            raise ValueError("the peers know apparent-power limits only")
        if any(points is not None for points in grid.gen_pwl) or not grid.gen_in_service.all():
            raise ValueError("the peers know polynomial costs and running units only")
        self.grid, self.on = grid, np.flatnonzero(grid.branch_usable())
        self.rated = np.isfinite(grid.rate_from[self.on])
        self.held = np.isfinite(grid.angle_min[self.on]) | np.isfinite(grid.angle_max[self.on])
        self.p_load, self.q_load = grid.demand(connected_only=True)
        self.shunt_g, self.shunt_b = grid.shunt()
        self.p_bounds, self.q_bounds = (grid.p_min, grid.p_max), (grid.q_min, grid.q_max)
        self.p_start, self.q_start = (_middle(*b) for b in (self.p_bounds, self.q_bounds))
        self.vm_start = np.clip(1.0, grid.vm_min, grid.vm_max)
        self.reference = int(grid.gen_bus[np.flatnonzero(grid.gen_forming)[0]])


def _middle(low: Floats, high: Floats) -> Floats:
    both = np.isfinite(low) & np.isfinite(high)
    middle = np.add(low, high, out=np.zeros(len(low)), where=both) / 2
    return np.clip(middle, low, high)


def pyomo_model(parts: Parts, factor: float) -> Any:
    """The model that a user would script for one hour, without any of what a plan could change."""
    grid, base = parts.grid, parts.grid.base_mva
    m = pyo.ConcreteModel()
    m.bus, m.unit = pyo.RangeSet(0, grid.n_bus - 1), pyo.RangeSet(0, grid.n_gen - 1)
    m.vm = pyo.Var(
        m.bus,
        bounds=lambda _, b: (grid.vm_min[b], grid.vm_max[b]),
        initialize=lambda _, b: parts.vm_start[b],
    )
    m.va = pyo.Var(m.bus, initialize=0.0)
    m.va[parts.reference].fix(0.0)
    for name, (low, high), start in (
        ("p", parts.p_bounds, parts.p_start),
        ("q", parts.q_bounds, parts.q_start),
    ):
        var = pyo.Var(
            m.unit,
            bounds=lambda _, g, low=low, high=high: (_finite(low[g]), _finite(high[g])),
            initialize=lambda _, g, start=start: start[g],
        )
        setattr(m, name, var)
    out: list[list[tuple[Any, Any]]] = [[] for _ in range(grid.n_bus)]
    m.limit, m.angle = pyo.ConstraintList(), pyo.ConstraintList()
    for k, rated, held in zip(parts.on, parts.rated, parts.held, strict=True):
        f, t = int(grid.branch_from[k]), int(grid.branch_to[k])
        y_ff, y_ft, y_tt, y_tf = (
            complex(y[k]) for y in (grid.y_ff, grid.y_ft, grid.y_tt, grid.y_tf)
        )
        angle = m.va[f] - m.va[t]
        ends = {
            f: flow_from(y_ff, y_ft, m.vm[f], m.vm[t], angle),
            t: flow_from(y_tt, y_tf, m.vm[t], m.vm[f], -angle),
        }
        for bus, flow in ends.items():
            out[bus].append(flow)
            if rated:
                m.limit.add((flow[0] ** 2 + flow[1] ** 2) / grid.rate_from[k] ** 2 <= 1.0)
        if held:
            m.angle.add((_finite(grid.angle_min[k]), angle, _finite(grid.angle_max[k])))
    _add_balances(m, parts, factor, out)
    m.cost = pyo.Objective(
        expr=sum(polynomial(grid.gen_cost[g].tolist(), base * m.p[g]) for g in m.unit)
    )
    return m


def _add_balances(m: Any, parts: Parts, factor: float, out: list[list[tuple[Any, Any]]]) -> None:
    grid = parts.grid
    here = [np.flatnonzero(grid.gen_bus == b).tolist() for b in range(grid.n_bus)]

    def balance(unit: Any, load: Floats, shunt: Floats, part: int) -> Any:
        return lambda m, b: (
            sum(unit[g] for g in here[b])
            - factor * load[b]
            - sum(flow[part] for flow in out[b])
            + shunt[b] * m.vm[b] ** 2
            == 0.0
        )

    m.balance_p = pyo.Constraint(m.bus, rule=balance(m.p, parts.p_load, -parts.shunt_g, 0))
    m.balance_q = pyo.Constraint(m.bus, rule=balance(m.q, parts.q_load, parts.shunt_b, 1))


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def solve_pyomo(parts: Parts, factor: float, options: Mapping[str, Any]) -> float:
    """Build, export and solve; the cost per hour."""
    require_solver()  # finds the ASL library
    model = pyomo_model(parts, factor)
    answer = pyo.SolverFactory("cyipopt", options=dict(options)).solve(model)
    pyo.assert_optimal_termination(answer)
    return float(pyo.value(model.cost))


class CasadiModel:
    """Built once with CasADi, the load factor as its parameter; the same Ipopt library."""

    def __init__(self, parts: Parts, options: Mapping[str, Any]) -> None:
        import casadi as ca

        self.parts, grid = parts, parts.grid
        n, units = grid.n_bus, grid.n_gen
        vm, va, p, q = (
            ca.SX.sym(name, size)
            for name, size in (("vm", n), ("va", n), ("p", units), ("q", units))
        )
        factor = ca.SX.sym("factor")
        rows, low, high = self._rows(ca, (vm, va, p, q), factor)
        cost = sum(
            polynomial(grid.gen_cost[g].tolist(), grid.base_mva * p[g]) for g in range(units)
        )
        problem = {"x": ca.vertcat(vm, va, p, q), "p": factor, "f": cost, "g": rows}
        ipopt = {k: v for k, v in options.items() if k not in {"sb", "print_level"}}
        quiet = {"print_time": False, "ipopt": {"sb": "yes", "print_level": 0, **ipopt}}
        self.solver = ca.nlpsol("opf", "ipopt", problem, quiet)
        angle_min, angle_max = np.full(n, -np.inf), np.full(n, np.inf)
        angle_min[parts.reference] = angle_max[parts.reference] = 0.0
        p_bounds, q_bounds = parts.p_bounds, parts.q_bounds
        self.bounds = {
            "lbx": np.concatenate([grid.vm_min, angle_min, p_bounds[0], q_bounds[0]]),
            "ubx": np.concatenate([grid.vm_max, angle_max, p_bounds[1], q_bounds[1]]),
            "lbg": low,
            "ubg": high,
        }
        self.start = np.concatenate([parts.vm_start, np.zeros(n), parts.p_start, parts.q_start])

    def _rows(self, ca: Any, x: tuple[Any, ...], factor: Any) -> tuple[Any, Floats, Floats]:
        """Balances, limits and angles of all buses and branches at once."""
        parts, grid, (vm, va, p, q) = self.parts, self.parts.grid, x
        f, t = (side[parts.on].tolist() for side in (grid.branch_from, grid.branch_to))
        rate = grid.rate_from[parts.on]
        angle, rows = va[f] - va[t], []

        def incidence(buses: Any) -> Any:
            count = len(buses)
            return ca.DM.triplet(
                list(map(int, buses)), list(range(count)), ca.DM.ones(count), grid.n_bus, count
            )

        net_p = ca.mtimes(incidence(grid.gen_bus), p) - factor * parts.p_load
        net_q = ca.mtimes(incidence(grid.gen_bus), q) - factor * parts.q_load
        net_p, net_q = net_p - parts.shunt_g * vm**2, net_q + parts.shunt_b * vm**2
        for here, far, d, y_self, y_mutual in (
            (f, t, angle, grid.y_ff[parts.on], grid.y_ft[parts.on]),
            (t, f, -angle, grid.y_tt[parts.on], grid.y_tf[parts.on]),
        ):
            g, b, product = y_mutual.real, y_mutual.imag, vm[here] * vm[far]
            p_in = y_self.real * vm[here] ** 2 + product * (g * ca.cos(d) + b * ca.sin(d))
            q_in = -y_self.imag * vm[here] ** 2 + product * (g * ca.sin(d) - b * ca.cos(d))
            net_p -= ca.mtimes(incidence(here), p_in)
            net_q -= ca.mtimes(incidence(here), q_in)
            at = np.flatnonzero(parts.rated).tolist()
            rows.append(((p_in**2 + q_in**2)[at]) / rate[at] ** 2)
        held = np.flatnonzero(parts.held)
        limits, ends = 2 * int(parts.rated.sum()), parts.on[held]
        low = [np.zeros(2 * grid.n_bus), np.full(limits, -np.inf), grid.angle_min[ends]]
        high = [np.zeros(2 * grid.n_bus), np.ones(limits), grid.angle_max[ends]]
        rows = [net_p, net_q, *rows, angle[held.tolist()]]
        return ca.vertcat(*rows), np.concatenate(low), np.concatenate(high)

    def start_here(self, factor: float) -> None:
        """Start later solves at this load's solution."""
        self.solve(factor)
        self.start = np.array(self.answer["x"]).ravel()

    def solve(self, factor: float) -> float:
        """Cost per hour."""
        self.answer = self.solver(x0=self.start, p=factor, **self.bounds)
        if not self.solver.stats()["success"]:
            raise RuntimeError(self.solver.stats()["return_status"])
        return float(self.answer["f"])

    @property
    def iterations(self) -> int:
        """Ipopt's iterations in the last solve."""
        return int(self.solver.stats()["iter_count"])


class Runopp:
    """pandapower's own optimal power flow on a net that is made once.

    Attributes
    ----------
    init : where it starts; "flat" is its default, "pf" is taken where it fails from there
    """

    def __init__(self, net: Any, grid: Grid) -> None:
        self.net = net
        net.ext_grid["controllable"] = True  # else its voltage is held at the set-point
        bus = net.gen.bus
        low, high = net.bus.min_vm_pu[bus].array, net.bus.max_vm_pu[bus].array
        net.gen["vm_pu"] = np.clip(net.gen.vm_pu, low, high)  # else it widens the bus's limits
        self._set_ratings(grid)
        self.init = "flat"
        if np.isnan(self.solve(1.0)):
            self.init = "pf"

    def _set_ratings(self, grid: Grid) -> None:
        """Apparent-power limits in its own columns; a largest loading of 0 is none."""
        for kind in ("line", "trafo"):
            table = self.net[kind]
            rows = np.flatnonzero(np.array(grid.branch_kind) == kind)
            at = grid.branch_index[rows]
            mva = np.where(np.isfinite(grid.rate_from[rows]), grid.rate_from[rows], 0.0)
            mva *= grid.base_mva
            if kind == "line":
                table.loc[at, "max_i_ka"] = 1.0
                kv = self.net.bus.vn_kv[table.from_bus[at]].to_numpy()
                own = np.sqrt(3) * kv * table.df[at].to_numpy() * table.parallel[at].to_numpy()
            else:
                own = (table.sn_mva[at] * table.df[at] * table.parallel[at]).to_numpy()
            table.loc[at, "max_loading_percent"] = 100.0 * mva / own

    def solve(self, factor: float) -> float:
        """Cost per hour; NaN where it does not converge."""
        self.net.load["scaling"] = factor
        try:
            pp.runopp(self.net, init=self.init)
        except pp.OPFNotConverged:
            return float("nan")
        return float(self.net.res_cost)
