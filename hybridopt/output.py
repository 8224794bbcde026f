"""The files of a run, as other programs read them (see the contract in docs/files.md)."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridopt.export import write_net
from hybridopt.output_reasons import reasons_dict, write_reasons
from hybridopt.report import write_report
from hybridopt.result_folder import CHECKPOINT, check_folder, replace_folder
from hybridopt.result_prices import binding_frame
from hybridopt.solvers.available import ipopt_version
from hybridopt.study import economics, peak_row

if TYPE_CHECKING:
    from hybridopt.grid import Plan
    from hybridopt.network_scenario import Scenario
    from hybridopt.result import Dispatch
    from hybridopt.stages import Stage
    from hybridopt.study import Check, StudyResult

PACKAGES = ("hybridopt", "pyomo", "cyipopt", "pandapower", "deap", "numpy", "pandas")


def versions() -> dict[str, str | None]:
    """Versions of what a result depends on."""
    found: dict[str, str | None] = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = None
    return found | {"ipopt": ipopt_version()}


def plain(value: Any) -> Any:
    """JSON's form of a value: NaN and infinity become null, arrays lists."""
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, np.ndarray):
        return [plain(v) for v in value.tolist()]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value


def write_json(path: Path, value: Any) -> None:
    """Write JSON that ends in a newline."""
    path.write_text(json.dumps(plain(value), indent=2) + "\n", encoding="utf-8")


def plan_dict(result: StudyResult) -> dict[str, Any]:
    """The best plan with what it costs; DG powers are those of the peak hour."""
    return described_plan(result.scenario, result.best.plan, result.dispatch)


def described_plan(scenario: Scenario, plan: Plan, dispatch: Dispatch) -> dict[str, Any]:
    """A plan with what it costs; DG powers are those of the peak hour."""
    grid, space, row = scenario.grid, scenario.space, peak_row(dispatch)
    lines = []
    for candidate in space.candidates:
        if candidate.branch in plan.branches:
            k = candidate.branch
            lines.append(
                {
                    "name": grid.branch_name[k],
                    "from_bus": grid.bus_id[grid.branch_from[k]],
                    "to_bus": grid.bus_id[grid.branch_to[k]],
                    "length_km": candidate.length_km,
                    "cost": candidate.cost,
                    "kind": candidate.kind,
                    **_line_data(scenario, k),
                }
            )
    dg = []
    for k, unit in enumerate(plan.units, start=grid.n_gen):
        rating = unit.rating_mw or 0.0
        dg.append(
            {
                "name": dispatch.unit_name[k],
                "bus": grid.bus_id[unit.bus],
                "max_p_mw": rating * space.sites.max_p_ratio,
                "p_mw": float(dispatch.p_mw[row, k]),
                "q_mvar": float(dispatch.q_mvar[row, k]),
                "cost": space.sites.cost_per_mw * rating,
                **({} if unit.vm_pu is None else {"vm_pu": unit.vm_pu}),
                **({} if space.sites.max_p_ratio == 1 else {"planned_p_mw": rating}),
            }
        )
    return {
        "cost": space.cost(plan),
        "budget": space.budget,
        "lines": lines,
        "dg": dg,
        **_investment(scenario, dg),
    }


def _investment(scenario: Scenario, dg: list[dict[str, Any]]) -> dict[str, Any]:
    """What the plan's generation costs to build, and per year beside its energy."""
    case = scenario.case
    table = case.resources.dg.investment
    if table is None:
        return {}
    terms = table.investment(case.currency)
    rating_kw = sum(unit["max_p_mw"] for unit in dg) * 1e3
    return {
        "investment": {
            "technology": terms.technology,
            "capital": terms.capital_per_kw * rating_kw,
            "life_years": terms.life_years,
            "capital_per_year": terms.annual_capital_per_kw * rating_kw,
            "fixed_per_year": terms.fixed_per_kw_year * rating_kw,
        }
    }


def _line_data(scenario: Scenario, branch: int) -> dict[str, float]:
    """Parameters of a line (none for a transformer)."""
    if scenario.grid.branch_kind[branch] != "line":
        return {}
    row = scenario.net.line.loc[scenario.grid.branch_index[branch]]
    names = ("r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km", "max_i_ka")
    return {name: float(row[name]) for name in names} | {"parallel": int(row["parallel"])}


def dispatch_dict(dispatch: Dispatch, price: float) -> dict[str, Any]:
    """Totals over the horizon."""
    demand = float(dispatch.demand_mw.sum()) * dispatch.dt_h
    return {
        "hours": len(dispatch.hours),
        "operating_cost": dispatch.operating_cost,
        "unserved_cost": dispatch.unserved_mwh * price,
        "served_mwh": demand - dispatch.unserved_mwh,
        "unserved_mwh": dispatch.unserved_mwh,
        "loss_mwh": dispatch.loss_mwh,
        "curtailed_mwh": dispatch.curtailed_mwh,
    }


def summary(result: StudyResult) -> dict[str, Any]:
    """The content of summary.json."""
    case, run = result.scenario.case, result.run
    plan = plan_dict(result)
    kept = ("name", "from_bus", "to_bus", "length_km", "cost", "kind")
    plan["lines"] = [{k: line[k] for k in kept} for line in plan["lines"]]
    return {
        "case": case.name,
        "title": case.title,
        "seed": result.seed,
        "status": result.best.status,
        "fully_served": result.fully_served,
        "currency": case.currency,
        "objectives": list(case.objectives),
        "dispatch_mode": case.dispatch_mode,
        "versions": versions(),
        "event": _event_dict(result.scenario),
        "stages": {
            "before_event": result.check.before.summary(),
            "after_event": result.check.after.summary(),
            "after_plan": result.after_plan.summary(),
        },
        "dead_islands": {
            "after_event": [asdict(i) for i in result.check.dead],
            "after_plan": [asdict(i) for i in result.dead],
        },
        "plan": plan,
        "dispatch": dispatch_dict(result.dispatch, case.value_of_lost_load),
        "economics": economics(result),
        "extremes": extremes(result.dispatch),
        **({"proven_best": result.proven_best} if result.method == "exhaustive" else {}),
        **({} if result.bound is None else {"bound": result.bound.as_dict()}),
        **({} if result.reasons is None else {"reasons": reasons_dict(result)}),
        "search": {
            "method": result.method,
            "finished": result.finished,
            "generations": len(run.log) - 1,
            "plans": result.plans,
            "evaluations": run.evaluations,
            "distinct_plans": run.distinct,
            "nlp_solves": sum(e.solves for e in run.cache.values()),
            "pruned_plans": sum(e.pruned for e in run.cache.values()),
            "ruled_out_plans": _ruled_out(result),
            "failed_plans": sum(not e.ok for e in run.cache.values()),
            "stopped_because": run.stopped_because,
            "wall_s": sum(row["wall_s"] for row in run.log),
        },
        "verification": result.verification.as_dict(),
        "time": result.time,
    }


def _ruled_out(result: StudyResult) -> int:
    """Plans that a bound ruled out without an evaluation, in an exhaustive search."""
    return max(result.run.evaluations - result.run.distinct, 0) if result.plans is not None else 0


def _event_dict(scenario: Scenario) -> dict[str, list[Any]]:
    grid, event = scenario.grid, scenario.event
    gens = [(grid.gen_kind[g], grid.bus_id[grid.gen_bus[g]]) for g in event.gens]
    branches = [(grid.branch_kind[k], grid.branch_name[k]) for k in event.branches]
    return {
        "lines": [name for kind, name in branches if kind == "line"],
        "transformers": [name for kind, name in branches if kind == "trafo"],
        "generators": [bus for kind, bus in gens if kind != "ext_grid"],
        "external_grids": [bus for kind, bus in gens if kind == "ext_grid"],
        "loads": [grid.bus_id[grid.load_bus[k]] for k in event.loads],
        "buses": [grid.bus_id[b] for b in event.buses],
        "shunts": [grid.bus_id[grid.shunt_bus[k]] for k in event.shunts],
    }


def extremes(dispatch: Dispatch) -> dict[str, Any]:
    """Lowest and highest voltage and highest loading over the horizon, with their place."""

    def place(values: Any, find: Any, names: Any, key: str) -> dict[str, Any] | None:
        if np.isnan(values).all():
            return None
        t, k = np.unravel_index(find(values), values.shape)
        return {"value": values[t, k], "hour": dispatch.hours[t], key: names[k]}

    bus, branch = dispatch.grid.bus_id, dispatch.grid.branch_name
    return {
        "min_vm_pu": place(dispatch.vm_pu, np.nanargmin, bus, "bus"),
        "max_vm_pu": place(dispatch.vm_pu, np.nanargmax, bus, "bus"),
        "max_loading_percent": place(dispatch.loading_percent, np.nanargmax, branch, "branch"),
    }


def write_results(
    result: StudyResult, folder: str | Path, *, force: bool = False, resume: bool = False
) -> Path:
    """Write every file of a run into a folder: tables, net, log and ``report.html``.

    Parameters
    ----------
    folder : new, or an earlier result that ``force`` lets go, or the search that was kept there
        (``resume``), which stays beside the result

    Returns
    -------
    Path
        Of the report.

    Raises
    ------
    InputError
        The folder exists or cannot be written; nothing was changed.
    """
    folder = Path(folder)
    check_folder(folder, force=force, resume=resume)

    def fill(fresh: Path) -> None:
        if resume:
            shutil.copyfile(folder / CHECKPOINT, fresh / CHECKPOINT)
        write_study(result, fresh)
        write_report(fresh)

    replace_folder(folder, fill)
    return folder / "report.html"


def write_study(result: StudyResult, folder: Path) -> None:
    """Write every file of a run but the report."""
    lost = [(plan, e.reason) for plan, e in result.run.cache.items() if e.reason]
    lines = [
        f"hybridopt {versions()['hybridopt']}: {result.scenario.case.name}, seed {result.seed}",
        *(json.dumps(plain(row)) for row in result.run.log),
        *(f"lost: {plan}: {reason}" for plan, reason in lost),
        f"stopped: {result.run.stopped_because}",
    ]
    (folder / "run.log").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_json(folder / "summary.json", summary(result))
    write_json(folder / "plan.json", {"case": result.scenario.case.name, **plan_dict(result)})
    write_dispatch(result.dispatch, folder)
    write_reasons(result.reasons, folder)
    pd.DataFrame(result.run.log).to_csv(folder / "generations.csv", index=False)
    stages = {
        "before_event": result.check.before,
        "after_event": result.check.after,
        "after_plan": result.after_plan,
    }
    dead = {"after_event": result.check.dead, "after_plan": result.dead}
    _stages_frame(result.scenario, stages, dead).to_csv(folder / "stages.csv", index=False)
    _topology_frame(result.scenario, stages).to_csv(folder / "topology.csv", index=False)
    _sources_frame(result, stages).to_csv(folder / "sources.csv", index=False)
    write_net(result.scenario, result.dispatch, peak_row(result.dispatch), folder / "network.json")


def write_dispatch(dispatch: Dispatch, folder: Path) -> None:
    """Write dispatch.csv, buses.csv, branches.csv, binding.csv, and storage.csv if there is any."""
    dispatch.units_frame().to_csv(folder / "dispatch.csv", index=False)
    dispatch.buses_frame().to_csv(folder / "buses.csv", index=False)
    dispatch.branches_frame().to_csv(folder / "branches.csv", index=False)
    binding_frame(dispatch).to_csv(folder / "binding.csv", index=False)
    if dispatch.store_name:
        dispatch.storage_frame().to_csv(folder / "storage.csv", index=False)


def _stages_frame(scenario: Scenario, stages: dict[str, Stage], dead: Any) -> pd.DataFrame:
    grid = scenario.grid
    frames = []
    for name, stage in stages.items():
        reasons = {b: i.reason for i in dead.get(name, []) for b in i.buses}
        frames.append(
            pd.DataFrame(
                {
                    "stage": name,
                    "bus": grid.bus_id,
                    "x": grid.bus_x,
                    "y": grid.bus_y,
                    "load_mw": stage.load_mw,
                    "served_mw": stage.served_mw,
                    "unserved_mw": stage.load_mw - stage.served_mw,
                    "vm_pu": stage.vm_pu,
                    "energised": ~np.isnan(stage.vm_pu),
                    "reason": [reasons.get(label, "") for label in grid.bus_id],
                }
            )
        )
    return pd.concat(frames, ignore_index=True)


def _topology_frame(scenario: Scenario, stages: dict[str, Stage]) -> pd.DataFrame:
    grid = scenario.grid
    damaged = np.zeros(grid.n_branch, dtype=bool)
    damaged[list(scenario.event.branches)] = True
    frame = pd.DataFrame(
        {
            "branch": grid.branch_name,
            "from_bus": [grid.bus_id[b] for b in grid.branch_from],
            "to_bus": [grid.bus_id[b] for b in grid.branch_to],
            "kind": grid.branch_kind,
        }
    )
    for name, stage in stages.items():
        frame[name] = stage.branch_on
    frame["damaged"] = damaged
    for name, stage in stages.items():
        frame[f"loading_{name}"] = stage.loading_percent
    return frame


def _sources_frame(result: StudyResult, stages: dict[str, Stage]) -> pd.DataFrame:
    dispatch, n_gen = result.dispatch, result.scenario.grid.n_gen
    frame = pd.DataFrame(
        {
            "name": dispatch.unit_name,
            "kind": dispatch.unit_kind,
            "bus": [dispatch.grid.bus_id[b] for b in dispatch.unit_bus],
            "max_p_mw": dispatch.rating_mw,
        }
    )
    placed = len(dispatch.unit_name) - n_gen
    for name, stage in stages.items():
        standing = name == "after_plan"
        frame[name] = [*stage.unit_on.tolist(), *([standing] * placed)]
    return frame


def check_summary(check: Check) -> dict[str, Any]:
    """What ``check --json`` prints."""
    case = check.scenario.case
    return {
        "case": case.name,
        "title": case.title,
        "status": max(check.dispatch.status, key=["optimal", "acceptable"].index),
        "currency": case.currency,
        "stages": {
            "before_event": check.before.summary(),
            "after_event": check.after.summary(),
        },
        "unserved_mwh_after_event": check.dispatch.unserved_mwh,
        "dead_islands": [asdict(i) for i in check.dead],
        "plans": check.scenario.space.count(),
        "findings": findings(check),
        "wall_s": check.wall_s,
    }


def findings(check: Check) -> list[str]:
    """Limits that the load flow before the event violates; reported, not repaired."""
    grid, stage = check.scenario.grid, check.before
    found = []
    for b, vm in enumerate(stage.vm_pu):
        if vm > grid.vm_max[b] + 1e-6 or vm < grid.vm_min[b] - 1e-6:
            limits = f"{grid.vm_min[b]:g} to {grid.vm_max[b]:g}"
            found.append(f"before the event: bus {grid.bus_id[b]} at {vm:.4f} pu, limits {limits}")
    for k, loading in enumerate(stage.loading_percent):
        if loading > 100.01:
            found.append(f"before the event: {grid.branch_name[k]} loaded {loading:.1f} %")
    return found
