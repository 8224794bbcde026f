"""What ``hybridopt reconfigure`` prints and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridopt.network_switched import save_net, switched_net
from hybridopt.output import versions, write_json
from hybridopt.result_folder import replace_folder
from hybridopt.supply import dead_sections
from hybridopt.tables import show, titled_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hybridopt.feeder_result import FeederUnit, Reconfiguration
    from hybridopt.feeder_trees import FeederFlow


def reconfiguration_summary(result: Reconfiguration) -> dict[str, Any]:
    """Summary for ``--json`` and summary.json; kW are means over the hours, kWh their sum."""
    feeder, before, after = result.feeder, result.flow_before, result.flow_after
    names = feeder.branch_name
    still_open = [m for m in np.flatnonzero(~result.closed_after) if m not in result.fault]
    found: dict[str, Any] = {
        "network": feeder.name,
        "status": result.status,
        "limit": result.limit or None,
        "seed": result.seed,
        "encoding": result.encoding,
        "objective": result.objective,
        "objective_value": result.value,
        "objective_unit": result.objective_unit,
        "hours": feeder.n_t,
        "loss_kw_before": _mean_kw(result, before),
        "loss_kw_after": _mean_kw(result, after),
        "loss_kwh_before": _kwh(result, before),
        "loss_kwh_after": _kwh(result, after),
        "min_vm_pu_before": before and before.measures["min_vm"],
        "min_vm_pu_after": after.measures["min_vm"],
        "total_voltage_drop_pu_before": before and before.measures["voltage_drop"],
        "total_voltage_drop_pu_after": after.measures["voltage_drop"],
        "max_voltage_drop_pu_before": before and before.measures["max_voltage_drop"],
        "max_voltage_drop_pu_after": after.measures["max_voltage_drop"],
        "load_balance_before": before and before.measures["load_balance"],
        "load_balance_after": after.measures["load_balance"],
        "open_branches": [names[m] for m in still_open],
        "opened": [names[m] for m in result.opened],
        "closed": [names[m] for m in result.newly_closed],
        "switching_operations": len(result.opened) + len(result.newly_closed),
        "steps": [_step(result, k) for k in range(len(result.steps))],
        "dg": [_unit(result, unit) for unit in result.units],
        **_supply(result),
        "loss_reduction": result.reduction or None,
        "pareto": result.pareto or None,
        "evaluations": result.evaluations,
        "generations": max(len(result.log) - 1, 0),
        "configurations": result.configurations,
        "found_by": result.found_by,
        "proven_optimal": result.proven_optimal,
        "proof_s": result.proof_s,
        "wall_s": result.wall_s,
        "verification": result.verification,
    }
    return found


def _kwh(result: Reconfiguration, flow: FeederFlow | None) -> float | None:
    """Losses over the hours; in one hour as many as kW."""
    return None if flow is None else flow.measures["loss"] * result.feeder.base_mva * 1e3


def _mean_kw(result: Reconfiguration, flow: FeederFlow | None) -> float | None:
    energy = _kwh(result, flow)
    return None if energy is None else energy / float(result.feeder.dt.sum())


def _step(result: Reconfiguration, place: int) -> dict[str, Any]:
    step = result.steps[place]
    return {
        "step": place + 1,
        "operation": "close" if step.closes else "open",
        "branch": result.feeder.branch_name[step.branch],
        "served_mw": step.served_mw,
        "min_vm_pu": None if np.isnan(step.min_vm_pu) else step.min_vm_pu,
        "radial": step.radial,
        "within_limits": step.within_limits,
    }


def _unit(result: Reconfiguration, unit: FeederUnit) -> dict[str, Any]:
    """A unit; its powers at the hour of largest demand, and hour by hour."""
    peak = int(np.argmax(result.feeder.served.sum(axis=1)))
    label = result.feeder.bus_name[unit.bus]
    found: dict[str, Any] = {
        "bus": int(label) if label.isdigit() else label,
        "max_p_mw": unit.max_p_mw,
        "p_mw": float(unit.p_mw[peak]),
        "q_mvar": float(unit.q_mvar[peak]),
    }
    if result.feeder.n_t > 1:
        found["p_mw_by_hour"] = [float(p) for p in unit.p_mw]
        found["q_mvar_by_hour"] = [float(q) for q in unit.q_mvar]
    return found


def _supply(result: Reconfiguration) -> dict[str, Any]:
    """What is served, in the hour of largest demand, and what a fault leaves dark."""
    feeder = result.feeder
    peak = int(np.argmax(feeder.served.sum(axis=1)))
    demand = feeder.served[peak] * feeder.base_mva

    def served(closed: Any) -> float:
        return float(demand[feeder.reached(closed & usable)].sum())

    usable = feeder.without(result.fault).usable
    after = served(result.closed_after)
    found: dict[str, Any] = {
        "load_mw": float(demand.sum()),
        "served_mw": after,
        "fully_served": bool(demand.sum() - after < 1e-6),
    }
    if result.fault:
        sections = [
            {
                "buses": [feeder.bus_name[b] for b in part],
                "load_mw": float(demand[part].sum()),
                "reason": _why_dark(result, part),
            }
            for part in dead_sections(feeder.without(result.fault), result.closed_after & usable)
        ]
        found |= {
            "fault": [feeder.branch_name[m] for m in result.fault],
            "served_mw_after_fault": served(result.closed_before),
            "loss_kw_after_fault": _mean_kw(result, result.flow_fault),
            "dead_sections": sections,
        }
    return found


def _why_dark(result: Reconfiguration, part: Any) -> str:
    """Whether a section could be fed at all."""
    faulted = result.feeder.without(result.fault)
    if faulted.reached(faulted.in_tree)[part].any():
        return "feeding it would violate a limit"
    return "every way to a source is out of use"


def reconfiguration_tables(result: Reconfiguration) -> Iterator[Any]:
    """What the terminal shows."""
    found, feeder = reconfiguration_summary(result), result.feeder
    many = feeder.n_t > 1
    table = titled_table(
        f"{feeder.name}: {feeder.n_bus} buses, {feeder.n_branch} branches", "", "Before", "After"
    )
    rows = [
        ("Losses kW" + (", mean" if many else ""), "loss_kw", 3),
        *([("Losses kWh", "loss_kwh", 2)] if many else []),
        ("Lowest voltage pu", "min_vm_pu", 5),
        ("Largest voltage drop pu", "max_voltage_drop_pu", 5),
        ("Voltage drop over all branches pu", "total_voltage_drop_pu", 5),
    ]
    for title, key, digits in rows:
        table.add_row(title, *(show(found[f"{key}_{s}"], digits) for s in ("before", "after")))
    if result.fault:
        after_fault = show(found["served_mw_after_fault"], 3)
        table.add_row(
            "Served MW (after the fault, after)", after_fault, show(found["served_mw"], 3)
        )
    yield table
    yield ""
    yield from _switching(result, found)
    yield from _generation(result)
    yield from _outcome(result, found)


def _switching(result: Reconfiguration, found: dict[str, Any]) -> Iterator[Any]:
    feeder = result.feeder

    def ends(m: int) -> str:
        f, t = feeder.bus_name[feeder.branch_from[m]], feeder.bus_name[feeder.branch_to[m]]
        name, both = str(feeder.branch_name[m]), f"{f}-{t}"
        return name if f" {both} " in f" {name} " else f"{name} ({both})"

    if result.fault:
        yield f"Fault: {', '.join(ends(m) for m in result.fault)}"
    for word, branches in (("Open", result.opened), ("Close", result.newly_closed)):
        if branches:
            yield f"{word}: {', '.join(ends(m) for m in branches)}"
    if not result.opened and not result.newly_closed:
        yield "Nothing to switch."
    yield f"Open branches: {', '.join(str(n) for n in found['open_branches']) or 'none'}"
    for section in found.get("dead_sections", []):
        buses = ", ".join(section["buses"])
        yield f"Dark: {buses} ({section['load_mw']:.3f} MW): {section['reason']}"
    if result.fault and found["steps"]:
        table = titled_table("Switching sequence", "Step", "Served MW", "Lowest pu", "Limits")
        for step in found["steps"]:
            limits = "met" if step["within_limits"] else "violated"
            name = f"{step['step']}. {step['operation']} {step['branch']}"
            table.add_row(name, show(step["served_mw"], 3), show(step["min_vm_pu"], 4), limits)
        yield ""
        yield table


def _generation(result: Reconfiguration) -> Iterator[Any]:
    if not result.units:
        return
    table = titled_table("Distributed generation", "Bus", "Rating MW", "P MW", "Q Mvar")
    for unit in result.units:
        row = _unit(result, unit)
        values = (show(row[key], 4) for key in ("max_p_mw", "p_mw", "q_mvar"))
        table.add_row(str(row["bus"]), *values)
    yield ""
    yield table
    if result.reduction:
        title = "Loss reduction kW" + (", mean" if result.feeder.n_t > 1 else "")
        yield ""
        table = titled_table(title, "", "AC power flow", "Closed formula")
        for title, key in (
            ("by reconfiguration", "by_reconfiguration_kw"),
            ("by generation", "by_dg_kw"),
            ("f1, their sum", "f1_kw"),
        ):
            formula = result.reduction.get(f"{key.removesuffix('_kw')}_closed_formula_kw")
            table.add_row(title, show(result.reduction.get(key), 3), show(formula, 3))
        yield table


def _outcome(result: Reconfiguration, found: dict[str, Any]) -> Iterator[Any]:
    yield ""
    if result.objective != "losses":
        name = result.objective.replace("_", " ")
        yield f"Objective: {name} {result.value:.6g} ({result.objective_unit})"
    if result.pareto:
        kind = "all of it" if result.pareto[0]["exact"] else "as found"
        yield f"Pareto front: {len(result.pareto)} configurations ({kind}), in pareto.csv"
    if result.proven_optimal and result.proof_s is not None:
        proof = f"proven by all {result.configurations:,} configurations in {result.proof_s:.1f} s"
    elif result.encoding == "fixed" or result.units:
        proof = "not proven"
    elif result.configurations is not None:
        proof = f"not proven: {result.configurations:.3g} configurations"
    else:
        proof = "not proven"
    yield f"Search: {found['evaluations']:,} trees looked at, {result.wall_s:.2f} s; {proof}"
    said = result.verification
    if said["hours_failed"]:
        yield f"pandapower's power flow did not converge in {said['hours_failed']} hours"
    else:
        yield (
            f"Verified by pandapower: {said['loss_kw']:,.4f} kW"
            f"{'h' if result.feeder.n_t > 1 else ''}, voltages within "
            f"{said['max_vm_difference_pu']:.0e} pu"
        )
    if result.limit:
        yield f"Limits cannot all be met; nearest: {result.limit}"


def write_reconfiguration(result: Reconfiguration, folder: Path, factors: Any = None) -> None:
    """Write the result folder, as a whole or not at all."""

    def fill(fresh: Path) -> None:
        write_json(
            fresh / "summary.json", reconfiguration_summary(result) | {"versions": versions()}
        )
        buses_frame(result).to_csv(fresh / "buses.csv", index=False)
        branches_frame(result).to_csv(fresh / "branches.csv", index=False)
        pd.DataFrame(result.log).to_csv(fresh / "generations.csv", index=False)
        if result.steps:
            steps = [_step(result, k) for k in range(len(result.steps))]
            pd.DataFrame(steps).to_csv(fresh / "steps.csv", index=False)
        if result.pareto:
            pd.DataFrame(result.pareto).to_csv(fresh / "pareto.csv", index=False)
        save_net(configured_net(result, factors), fresh / "network.json")
        from hybridopt.feeder_report import write_feeder_report

        write_feeder_report(result, fresh)

    replace_folder(folder, fill)


def configured_net(result: Reconfiguration, factors: Any = None) -> Any:
    """The net with the result's switches and units, at the hour of largest demand."""
    feeder = result.feeder
    peak = int(np.argmax(feeder.served.sum(axis=1)))
    closed, units = result.closed_after, result.units
    return switched_net(result.net, feeder, closed, units, peak, factors, result.fault)


def buses_frame(result: Reconfiguration) -> pd.DataFrame:
    """One row per hour and bus: hour, bus, vm_pu_before, vm_pu, demand_mw, shed_mw."""
    feeder = result.feeder
    none = np.full((feeder.n_t, feeder.n_bus), np.nan)
    before = none if result.flow_before is None else result.flow_before.vm
    vm = result.flow_after.vm
    demand = feeder.served * feeder.base_mva
    return pd.DataFrame(
        {
            "hour": np.repeat(np.arange(1, feeder.n_t + 1), feeder.n_bus),
            "bus": list(feeder.bus_name) * feeder.n_t,
            "vm_pu_before": before.ravel(),
            "vm_pu": vm.ravel(),
            "demand_mw": demand.ravel(),
            "shed_mw": np.where(np.isnan(vm), demand, 0.0).ravel(),
        }
    )


def branches_frame(result: Reconfiguration) -> pd.DataFrame:
    """One row per hour and branch.

    hour, branch, from_bus, to_bus, closed_before, closed, fault, p_mw, q_mvar (out of the branch,
    counted from the from to the to bus).
    """
    feeder, n_t = result.feeder, result.feeder.n_t
    gone = np.isin(np.arange(feeder.n_branch), result.fault)
    flow = result.flow_after
    return pd.DataFrame(
        {
            "hour": np.repeat(np.arange(1, n_t + 1), feeder.n_branch),
            "branch": list(feeder.branch_name) * n_t,
            "from_bus": [feeder.bus_name[b] for b in feeder.branch_from] * n_t,
            "to_bus": [feeder.bus_name[b] for b in feeder.branch_to] * n_t,
            "closed_before": np.tile(result.closed_before, n_t),
            "closed": np.tile(result.closed_after, n_t),
            "fault": np.tile(gone, n_t),
            "p_mw": (flow.p * feeder.base_mva).ravel(),
            "q_mvar": (flow.q * feeder.base_mva).ravel(),
        }
    )
