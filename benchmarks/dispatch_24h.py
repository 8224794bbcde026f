"""24 hours of one IEEE 30 plan: re-solved by bounds, rebuilt in Pyomo, and by pandapower."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandapower as pp
import pyomo.environ as pyo

from hybridopt import load_case
from hybridopt.dispatch import Dispatcher
from hybridopt.export import plan_net, set_loads
from hybridopt.grid import Plan, Unit
from hybridopt.models.branch import flow_from
from hybridopt.models.cost import polynomial
from hybridopt.ratings import choose_ratings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hybridopt.network_scenario import Scenario
    from hybridopt.result import Dispatch

# Generators at buses 5 and 30 (labels), ratings in MW: those of the best plan of the case ieee30
# with a little room. With the best plan's own ratings runopp fails at the peak hour.
RATINGS = {5: 135.0, 30: 18.0}


class Setting:
    """The plan, dispatchers for each way to solve it, and what all of them must agree on."""

    def __init__(self) -> None:
        self.scenario: Scenario = load_case("ieee30")
        grid = self.scenario.grid
        self.plan = Plan((), tuple(Unit(grid.bus_id.index(b), r) for b, r in RATINGS.items()))
        self.hourly = self._dispatcher(merge=False)
        self.merged = self._dispatcher(merge=True)
        self.coupled = self._dispatcher(merge=True)
        self.reference: Dispatch = self.hourly.dispatch(self.plan)
        choose_ratings(self.coupled, self._free(), self.scenario.space.budget)  # compiles

    def _dispatcher(self, *, merge: bool) -> Dispatcher:
        s = self.scenario
        settings = replace(s.settings, merge_equal_hours=merge)
        dispatcher = Dispatcher(s.damaged, s.space.sites, s.horizon, settings)
        dispatcher.dispatch(self.plan)  # compiles
        return dispatcher

    def _free(self) -> Plan:
        return Plan((), tuple(Unit(u.bus) for u in self.plan.units))

    def ours_hourly(self) -> float:
        """Every hour re-solved by bounds."""
        return self.hourly.dispatch(self.plan).operating_cost

    def ours_merged(self) -> float:
        """Each distinct load level re-solved once."""
        return self.merged.dispatch(self.plan).operating_cost

    def ours_coupled(self) -> float:
        """Ratings free: the hours as one problem."""
        found = choose_ratings(self.coupled, self._free(), self.scenario.space.budget).dispatch
        if found is None:
            raise RuntimeError("the coupled horizon was not solved")
        return found.operating_cost

    def rebuilt(self) -> float:
        """A Pyomo model for each hour, solved through SolverFactory("cyipopt")."""
        solver = pyo.SolverFactory("cyipopt", options={"tol": 1e-8})
        total = 0.0
        for row in range(24):
            model = plain_opf(self.scenario, self.reference, row)
            solver.solve(model)
            total += pyo.value(model.cost)
        return total

    def runopp(self) -> float:
        """pandapower's own optimal power flow, hour by hour (the net is made once)."""
        net = plan_net(self.scenario, self.reference, 0)
        total = 0.0
        for row in range(24):
            set_loads(net, self.scenario, self.reference, row)
            pp.runopp(net, calculate_voltage_angles=True, numba=True)
            total += float(net.res_cost)
        return total

    def methods(self) -> dict[str, Callable[[], float]]:
        """What is timed, ours first."""
        return {
            "hybridopt, every hour re-solved": self.ours_hourly,
            "hybridopt, equal hours merged": self.ours_merged,
            "hybridopt, coupled horizon with free ratings": self.ours_coupled,
            "Pyomo rebuilt, SolverFactory('cyipopt')": self.rebuilt,
            "pandapower.runopp": self.runopp,
        }


def plain_opf(scenario: Scenario, dispatch: Dispatch, row: int) -> Any:
    """The model that a user would script for one hour: what is on, and nothing else."""
    grid, base = dispatch.grid, dispatch.grid.base_mva
    factor = scenario.horizon.load_factor[row]
    p_load, q_load = (factor * part for part in grid.demand(connected_only=True))
    shunt_g, shunt_b = grid.shunt()
    units = [k for k in range(len(dispatch.unit_name)) if dispatch.running[row, k]]
    m = pyo.ConcreteModel()
    m.bus = pyo.RangeSet(0, grid.n_bus - 1)
    m.unit = pyo.Set(initialize=units)
    m.vm = pyo.Var(m.bus, initialize=1.0, bounds=lambda _, b: (grid.vm_min[b], grid.vm_max[b]))
    m.va = pyo.Var(m.bus, initialize=0.0)
    m.va[int(dispatch.unit_bus[units[0]])].fix(0.0)
    tan = scenario.space.sites.tan_phi

    def limits(part: str) -> Any:
        def of(_: Any, k: int) -> tuple[float, float]:
            if k < grid.n_gen:
                return getattr(grid, f"{part}_min")[k], getattr(grid, f"{part}_max")[k]
            rating = dispatch.rating_mw[k] / base
            return (0.0, rating) if part == "p" else (-tan * rating, tan * rating)

        return of

    m.p = pyo.Var(m.unit, bounds=limits("p"), initialize=lambda _, k: limits("p")(_, k)[1] / 2)
    m.q = pyo.Var(m.unit, bounds=limits("q"), initialize=0.0)
    flows: list[list[tuple[Any, Any]]] = [[] for _ in range(grid.n_bus)]
    for k in range(grid.n_branch):
        if grid.branch_in_service[k]:
            f, t = int(grid.branch_from[k]), int(grid.branch_to[k])
            angle = m.va[f] - m.va[t]
            y = (complex(v[k]) for v in (grid.y_ff, grid.y_ft, grid.y_tt, grid.y_tf))
            y_ff, y_ft, y_tt, y_tf = y
            flows[f].append(flow_from(y_ff, y_ft, m.vm[f], m.vm[t], angle))
            flows[t].append(flow_from(y_tt, y_tf, m.vm[t], m.vm[f], -angle))
    here = [[k for k in units if dispatch.unit_bus[k] == b] for b in range(grid.n_bus)]
    m.balance_p = pyo.Constraint(
        m.bus,
        rule=lambda m, b: (
            sum(m.p[k] for k in here[b])
            - p_load[b]
            - sum(f[0] for f in flows[b])
            - shunt_g[b] * m.vm[b] ** 2
            == 0
        ),
    )
    m.balance_q = pyo.Constraint(
        m.bus,
        rule=lambda m, b: (
            sum(m.q[k] for k in here[b])
            - q_load[b]
            - sum(f[1] for f in flows[b])
            + shunt_b[b] * m.vm[b] ** 2
            == 0
        ),
    )
    costs = [
        grid.gen_cost[k].tolist() if k < grid.n_gen else scenario.space.sites.operating_cost
        for k in units
    ]
    m.cost = pyo.Objective(
        expr=sum(polynomial(c, base * m.p[k]) for c, k in zip(costs, units, strict=True))
    )
    return m


def main(arguments: Sequence[str] | None = None) -> None:
    """Time every method in turn, several rounds, and print medians and ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks dispatch_24h", description=__doc__)
    parser.add_argument("--repeat", type=int, default=5, help="rounds (default 5)")
    parser.add_argument("--out", type=Path, default=Path("results/benchmarks.json"))
    options = parser.parse_args(arguments)
    methods = Setting().methods()
    values = {name: method() for name, method in methods.items()}  # warm-up, and the answers
    times: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(options.repeat):
        for name, method in methods.items():  # in turn, so that drift hits all alike
            began = time.perf_counter()
            method()
            times[name].append(time.perf_counter() - began)
    first = next(iter(methods))
    print(f"24 h dispatch of one IEEE 30 plan, median of {options.repeat} rounds")
    print(f"{'method':<46}{'s':>8}{'ratio':>8}{'cost per day':>16}")
    rows = []
    for name, seconds in times.items():
        pairs = [s / ours for s, ours in zip(seconds, times[first], strict=True)]
        row = {
            "method": name,
            "median_s": statistics.median(seconds),
            "min_s": min(seconds),
            "max_s": max(seconds),
            "ratio_to_ours": statistics.median(pairs),
            "operating_cost": values[name],
        }
        rows.append(row)
        print(f"{name:<46}{row['median_s']:>8.3f}{row['ratio_to_ours']:>8.1f}{values[name]:>16.3f}")
    options.out.parent.mkdir(parents=True, exist_ok=True)
    machine = f"{platform.machine()}, Python {platform.python_version()}"
    options.out.write_text(json.dumps({"machine": machine, "rows": rows}, indent=2) + "\n")
    print(f"written to {options.out}")
