"""What ``hybridopt allocate`` prints and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridopt.allocation_goal import DIGITS, NAMES, UNITS
from hybridopt.network_allocation import net_at, save_net
from hybridopt.output import versions, write_json
from hybridopt.result_folder import replace_folder
from hybridopt.tables import show, titled_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hybridopt.allocation import Allocation, Day

TITLES = {
    "line_loading": "Largest line loading, summed over the hours %",
    "losses": "Losses MWh",
    "grid_energy": "Energy drawn from the grid MWh",
    "voltage_deviation": "Largest deviation from 1 pu, summed pu",
}


def allocation_summary(result: Allocation) -> dict[str, Any]:
    """Summary for ``--json`` and summary.json; objectives in the units of ``objective_units``."""
    before, after = day_summary(result, result.before), day_summary(result, result.after)
    return {
        "case": result.name,
        "status": status_of(result),
        "limit": result.limit or None,
        "seed": result.seed,
        "method": result.method,
        "hours": len(result.after.grid_mw),
        "points": list(result.points),
        "objective_name": result.objective,
        "objective_unit": result.unit,
        "objective": result.value if result.after.converged else None,
        "objective_before": result.value_before if result.before.converged else None,
        "generation_order": result.order("generation"),
        "load_order": result.order("load"),
        "generation_profiles": list(result.generation.names),
        "load_profiles": list(result.load.names),
        "objective_units": UNITS,
        "before": before,
        "after": after,
        "evaluations": result.evaluations,
        "estimated": result.estimated,
        "generations": max(len(result.log) - 1, 0),
        "stopped_because": result.stopped_because,
        "pareto": result.front or None,
        "pareto_objectives": list(result.front_names) or None,
        "n_minus_1": result.outages or None,
        "refinement": result.refinement,
        "verification": result.verification,
        "warnings": list(result.warnings),
        "wall_s": result.wall_s,
    }


def status_of(result: Allocation) -> str:
    """``feasible``; ``infeasible``: not within limits, as found; ``failed``: no power flow."""
    if not result.after.converged:
        return "failed"
    return "infeasible" if result.limit else "feasible"


def day_summary(result: Allocation, day: Day) -> dict[str, Any]:
    """Figures of one allocation."""
    if not day.converged:
        return {"converged": False}
    line = day.loading_percent[:, result.is_line]
    other = day.loading_percent[:, ~result.is_line]
    return {
        "converged": True,
        **day.objectives,
        "max_line_loading_percent": _most(line),
        "max_transformer_loading_percent": _most(other),
        "min_vm_pu": float(day.vm_pu.min()),
        "max_vm_pu": float(day.vm_pu.max()),
        "grid_import_mwh": float(np.maximum(day.grid_mw, 0.0).sum()),
        "grid_export_mwh": float(np.maximum(-day.grid_mw, 0.0).sum()),
        "violation": day.violation,
    }


def _most(values: Any) -> float | None:
    return float(values.max()) if values.size else None


def allocation_tables(result: Allocation) -> Iterator[Any]:
    """What the terminal shows."""
    found = allocation_summary(result)
    hours, points = found["hours"], len(result.points)
    title = f"{result.name}: {points} points, {hours} hours"
    table = titled_table(title, "", "Given order", "Allocated")
    rows = [(TITLES[name], name, DIGITS[name]) for name in NAMES]
    rows += [
        ("Largest line loading %", "max_line_loading_percent", 2),
        ("Largest transformer loading %", "max_transformer_loading_percent", 2),
        ("Lowest voltage pu", "min_vm_pu", 5),
        ("Highest voltage pu", "max_vm_pu", 5),
        ("Given back to the grid MWh", "grid_export_mwh", 6),
    ]
    for words, key, digits in rows:
        table.add_row(words, *(show(found[s].get(key), digits) for s in ("before", "after")))
    yield table
    yield ""
    table = titled_table("Profile at each point", "Bus", "Load", "Generation")
    for k, bus in enumerate(result.points):
        names = []
        for kind, profiles in (("load", result.load), ("generation", result.generation)):
            profile = found[f"{kind}_order"][k]
            names.append("-" if profile is None else profiles.names[profile])
        table.add_row(str(bus), *names)
    yield table
    yield ""
    yield from _further(result)
    yield from _outcome(result, found)


def _further(result: Allocation) -> Iterator[Any]:
    if result.outages:
        bad = [row for row in result.outages if not row["within_limits"]]
        worst = max(result.outages, key=lambda row: row["unserved_mwh"])
        yield (
            f"N-1: {len(result.outages)} branches out in turn; most unserved "
            f"{worst['unserved_mwh']:.4f} MWh ({worst['branch']}); what stays lit meets its limits "
            f"in {len(result.outages) - len(bad)}"
        )
    if result.front:
        yield f"Pareto front: {len(result.front)} allocations; --out writes pareto.csv"
    more = result.refinement
    if more:
        table = titled_table("Batteries and inverters", "", "Allocated", "With them")
        for name in NAMES:
            values = (more["before"][name], more["after"][name])
            table.add_row(TITLES[name], *(show(v, DIGITS[name]) for v in values))
        yield table
        yield ""


def _outcome(result: Allocation, found: dict[str, Any]) -> Iterator[str]:
    if len(NAMES) and result.objective == "weighted":
        yield f"Objective: {result.value:.6g} ({result.unit}), before {result.value_before:.6g}"
    yield (
        f"Search: {result.evaluations:,} allocations by power flow, {result.estimated:,} more by "
        f"estimate, {result.wall_s:.1f} s"
    )
    said = result.verification
    if said.get("hours_failed"):
        yield f"pandapower's power flow did not converge in {said['hours_failed']} hours"
    else:
        yield (
            f"Verified by pandapower: line loading {said['line_loading']:.4f} %, losses "
            f"{said['losses']:.6f} MWh, largest difference {said['max_difference']:.0e}"
        )
    if result.limit:
        yield f"Limits are not all met by what was found; worst: {result.limit}"
    yield from (f"Warning: {words}" for words in result.warnings)


def write_allocation(result: Allocation, folder: Path) -> None:
    """Write the result folder, as a whole or not at all."""

    def fill(fresh: Path) -> None:
        write_json(fresh / "summary.json", allocation_summary(result) | {"versions": versions()})
        plan = allocation_summary(result)
        keys = ("case", "points", "generation_order", "load_order")
        write_json(fresh / "plan.json", {key: plan[key] for key in keys})
        buses_frame(result).to_csv(fresh / "buses.csv", index=False)
        branches_frame(result).to_csv(fresh / "branches.csv", index=False)
        hours_frame(result).to_csv(fresh / "hours.csv", index=False)
        for kind in ("load", "generation"):
            profiles_frame(result, kind).to_csv(fresh / f"{kind}.csv", index=False)
        pd.DataFrame(result.log).to_csv(fresh / "generations.csv", index=False)
        if result.front:
            pd.DataFrame(result.front).to_csv(fresh / "pareto.csv", index=False)
        if result.outages:
            pd.DataFrame(result.outages).to_csv(fresh / "n_minus_1.csv", index=False)
        if result.refinement:
            pd.DataFrame(result.refinement["dispatch"]).to_csv(fresh / "dispatch.csv", index=False)
        save_net(_net(result), fresh / "network.json")
        from hybridopt.allocation_report import write_allocation_report

        write_allocation_report(result, fresh)

    replace_folder(folder, fill)


def _net(result: Allocation) -> Any:
    """The net in the hour of the largest line loading."""
    line = result.after.loading_percent[:, result.is_line]
    hour = int(line.max(axis=1).argmax()) if line.size else 0
    load, generation = (at_points(result, kind)[:, hour] for kind in ("load", "generation"))
    return net_at(result.network, load, generation)


def at_points(result: Allocation, kind: str) -> Any:
    """Power of one kind at each point, (n_point, n_t), MW."""
    profiles = getattr(result, kind)
    rows = [
        np.zeros(profiles.p_mw.shape[1]) if k is None else profiles.p_mw[k]
        for k in result.order(kind)
    ]
    return np.array(rows)


def buses_frame(result: Allocation) -> pd.DataFrame:
    """One row per hour and bus: hour, bus, vm_pu_before, vm_pu."""
    n_t, n_bus = result.after.vm_pu.shape
    return pd.DataFrame(
        {
            "hour": np.repeat(np.arange(1, n_t + 1), n_bus),
            "bus": np.tile(result.network.bus_index, n_t),
            "vm_pu_before": result.before.vm_pu.ravel(),
            "vm_pu": result.after.vm_pu.ravel(),
        }
    )


def branches_frame(result: Allocation) -> pd.DataFrame:
    """One row per hour and branch with a limit.

    hour, branch, kind, from_bus, to_bus, loading_percent_before, loading_percent.
    """
    n_t, n = result.after.loading_percent.shape
    return pd.DataFrame(
        {
            "hour": np.repeat(np.arange(1, n_t + 1), n),
            "branch": list(result.branches) * n_t,
            "kind": ["line" if line else "trafo" for line in result.is_line] * n_t,
            "from_bus": np.tile(result.ends[:, 0], n_t),
            "to_bus": np.tile(result.ends[:, 1], n_t),
            "loading_percent_before": result.before.loading_percent.ravel(),
            "loading_percent": result.after.loading_percent.ravel(),
        }
    )


def hours_frame(result: Allocation) -> pd.DataFrame:
    """One row per hour: line loading, voltages, grid exchange and losses before and after."""
    found: dict[str, Any] = {"hour": np.arange(1, len(result.after.grid_mw) + 1)}
    for suffix, day in (("_before", result.before), ("", result.after)):
        line = day.loading_percent[:, result.is_line]
        found[f"max_line_loading_percent{suffix}"] = line.max(axis=1, initial=0.0)
        found[f"min_vm_pu{suffix}"] = day.vm_pu.min(axis=1)
        found[f"max_vm_pu{suffix}"] = day.vm_pu.max(axis=1)
        found[f"grid_mw{suffix}"] = day.grid_mw
        found[f"loss_mw{suffix}"] = day.loss_mw
    return pd.DataFrame(found)


def profiles_frame(result: Allocation, kind: str) -> pd.DataFrame:
    """Profiles of one kind as allocated: hour, and a column per point; a file to begin with."""
    columns = dict(zip(map(str, result.points), at_points(result, kind), strict=True))
    return pd.DataFrame({"hour": np.arange(1, len(result.after.grid_mw) + 1)} | columns)
