"""Networks with random lines out, every load sheddable: how often each solver finds a solution.

`python -m benchmarks.damage_draws` solves every draw with hybridopt and with pandapower's
``runopp`` (its default start, then a power flow's). Each solution of ours is checked by a power
flow of its own.
"""

from __future__ import annotations

import argparse
import csv
import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
from pandapower import networks
from rich.console import Console
from rich.progress import track
from rich.table import Table

from hybridopt.grid import Plan
from hybridopt.network_scenario import load_case
from hybridopt.progress import NoProgress
from hybridopt.single_dispatch import dispatch_scenario, one_hour

DRAWS = Path(__file__).parents[1] / "tests" / "data" / "damage_draws" / "draws.csv"
VALUE_OF_LOAD, PRICE, DER_PRICE = 1000.0, 50.0, 1.0  # per MWh
DG_BUSES, DG_MW = (12, 17, 24, 29), 0.5
# What runopp raises: that it did not converge, or errors inside it where hardly a bus is left.
FAILURES = (
    *(pp.OPFNotConverged, pp.LoadflowNotConverged, np.linalg.LinAlgError),
    *(KeyError, ValueError, IndexError),
)
NETWORKS = {
    "cigre_mv": networks.create_cigre_network_mv,
    "cigre_mv_pv_wind": lambda: networks.create_cigre_network_mv(with_der="pv_wind"),
    "mv_oberrhein": networks.mv_oberrhein,
    "case33bw_ties_closed": networks.case33bw,
    "case118": networks.case118,
}


@dataclass(frozen=True)
class Outcome:
    """One draw by one solver; ``unserved_mw`` is None where it failed."""

    network: str
    draw: int
    solver: str
    solved: bool
    unserved_mw: float | None
    mismatch_mva: float | None
    wall_s: float


def read_draws(file: Path = DRAWS) -> list[tuple[str, int, list[int]]]:
    """Network, number and lines out of each draw."""
    with file.open(encoding="utf-8") as rows:
        return [
            (row["network"], int(row["draw"]), [int(k) for k in row["lines_out"].split()])
            for row in csv.DictReader(rows)
        ]


def damaged_net(name: str, lines_out: list[int]) -> Any:
    """The network of a draw, limits set, lines out of service."""
    net = NETWORKS[name]()
    if "storage" in net:
        net.storage = net.storage.iloc[0:0]
    net.bus["min_vm_pu"], net.bus["max_vm_pu"] = 0.9, 1.1
    for table in ("line", "trafo"):
        net[table]["max_loading_percent"] = 100.0
    if name == "case33bw_ties_closed":
        net.line["in_service"] = True
        net.line["max_i_ka"] = 0.3
        for bus in DG_BUSES:
            pp.create_sgen(net, bus, DG_MW, 0.0)
    net.sgen["controllable"] = True
    p = net.sgen.p_mw * net.sgen.scaling
    net.sgen["min_p_mw"], net.sgen["max_p_mw"] = 0.0, p
    net.sgen["min_q_mvar"], net.sgen["max_q_mvar"] = -(0.1 * p + 0.01), 0.1 * p + 0.01
    net.poly_cost = net.poly_cost.iloc[0:0]
    net.pwl_cost = net.pwl_cost.iloc[0:0]
    for table, price in (("ext_grid", PRICE), ("gen", PRICE), ("sgen", DER_PRICE)):
        for index in net[table].index:
            pp.create_poly_cost(net, index, table, cp1_eur_per_mw=price)
    net.line.loc[lines_out, "in_service"] = False
    return net


def ours(name: str, draw: int, net: Any) -> Outcome:
    """Dispatch a draw and check the solution by a power flow."""
    began = time.perf_counter()
    scenario = one_hour(load_case({"network": name}, net=net))
    result = dispatch_scenario(scenario, Plan(), NoProgress())
    wall = time.perf_counter() - began
    unserved = float(result.dispatch.unserved_mw[0])
    mismatch = result.verification.max_mismatch_mva
    solved = result.dispatch.status == ("optimal",) and (mismatch is None or mismatch < 1e-3)
    return Outcome(name, draw, "hybridopt", solved, unserved, mismatch, wall)


def with_sheddable_loads(net: Any) -> Any:
    """Loads as pandapower's OPF sheds them: controllable between nothing and their value."""
    for kind in ("p_mw", "q_mvar"):
        value = net.load[kind] * net.load.scaling
        net.load[f"min_{kind}"], net.load[f"max_{kind}"] = value.clip(upper=0), value.clip(lower=0)
    net.load["controllable"] = True
    for index in net.load.index:
        pp.create_poly_cost(net, index, "load", cp1_eur_per_mw=-VALUE_OF_LOAD)
    return net


def runopp(name: str, draw: int, net: Any, init: str) -> Outcome:
    """Solve a draw by pandapower's own optimal power flow."""
    net = with_sheddable_loads(net)
    demand = float((net.load.p_mw * net.load.scaling).clip(lower=0).sum())
    began = time.perf_counter()
    try:
        pp.runopp(net, init=init)
    except FAILURES:
        return Outcome(
            name, draw, f"runopp, {init}", False, None, None, time.perf_counter() - began
        )
    served = float(np.nansum(net.res_load.p_mw.clip(lower=0)))
    wall = time.perf_counter() - began
    return Outcome(name, draw, f"runopp, {init}", True, demand - served, None, wall)


def compare(draws: list[tuple[str, int, list[int]]], *, peers: bool) -> list[Outcome]:
    """Solve every draw."""
    found = []
    for name, draw, lines_out in track(draws, "Draws", console=Console(stderr=True)):
        found.append(ours(name, draw, damaged_net(name, lines_out)))
        if peers:
            found += [runopp(name, draw, damaged_net(name, lines_out), s) for s in ("flat", "pf")]
    return found


def main() -> None:
    """Compare, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--draws", type=Path, default=DRAWS, help="CSV: network,draw,lines_out")
    parser.add_argument("--alone", action="store_true", help="without pandapower's runopp")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = compare(read_draws(options.draws), peers=not options.alone)
    if options.json:
        print(json.dumps([asdict(outcome) for outcome in found], indent=2))
        return
    table = Table("Network", "Solver", "Solved", "of", "Unserved MW (sum)", "Time s (median)")
    for name in NETWORKS:
        for solver in dict.fromkeys(outcome.solver for outcome in found):
            mine = [o for o in found if (o.network, o.solver) == (name, solver)]
            solved = [o for o in mine if o.solved]
            total = sum(o.unserved_mw or 0.0 for o in solved)
            wall = float(np.median([o.wall_s for o in mine])) if mine else 0.0
            row = (name, solver, str(len(solved)), str(len(mine)), f"{total:.3f}", f"{wall:.3f}")
            table.add_row(*row)
    Console().print(table)


if __name__ == "__main__":
    main()
