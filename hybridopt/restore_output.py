"""What a restoration study prints and writes."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridopt.output import versions, write_json
from hybridopt.repair_dispatch import clock_hour
from hybridopt.result_folder import replace_folder
from hybridopt.result_prices import binding_frame
from hybridopt.tables import show, titled_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hybridopt.resilience import Interruptions, Trapezoid
    from hybridopt.restore import RestoreResult

TIMES = ("from_h", "to_h", "hour")
STATUSES = ("optimal", "acceptable", "infeasible", "failed")


def restore_summary(result: RestoreResult) -> dict[str, Any]:
    """The content of summary.json."""
    problem = result.problem
    case, terms = problem.scenario.case, problem.terms
    price = case.value_of_lost_load
    curve = curve_rows(result)
    return {
        "command": "restore",
        "case": case.name,
        "title": case.title,
        "seed": result.seed,
        "status": max((s for _, d in result.parts for s in d.status), key=STATUSES.index),
        "fully_served": bool(curve[-1]["unserved_mw"] == 0.0),
        "currency": case.currency,
        "order": [problem.jobs[i].name for i in result.best.order],
        "exact": result.exact is not None,
        "ens_mwh": result.ens_mwh,
        "weighted_ens_mwh": result.best.fitness[1],
        "unserved_cost": result.ens_mwh * price,
        "operating_cost": operating_cost(result),
        "makespan_h": result.makespan_h,
        "crews": terms.crews,
        "start_hour": terms.start_hour,
        "never_drop": terms.never_drop,
        "dropped_steps": int(result.best.fitness[0]),
        "schedule": schedule_rows(result),
        "service": service_rows(result, curve),
        "curve": curve,
        "trapezoid": {
            "percent": _metrics(result.trapezoid_percent()),
            "mw": _metrics(result.trapezoid_mw()),
            "infrastructure_percent": _metrics(result.trapezoid_infrastructure()),
        },
        "indices": _indices(result),
        "priority": _priority(result),
        "compared": _compared(result),
        "search": _search(result),
        "verification": result.verification.as_dict(),
        "wall_s": result.wall_s,
    }


def operating_cost(result: RestoreResult) -> float:
    """Cost of generation until the last repair, currency."""
    by_step = [cost for _, d in result.parts for cost in d.unit_cost.sum(axis=1)]
    return float(np.array(by_step) @ result.hours)


def schedule_rows(result: RestoreResult) -> list[dict[str, Any]]:
    """A row per repair, in the order; what is served is that right after it."""
    rows = []
    served = (result.demand_mw - result.shed_mw).sum(axis=1)
    demand = result.demand_mw.sum(axis=1)
    for place, visit in enumerate(result.visits, start=1):
        job = result.problem.jobs[visit.job]
        step = int(np.flatnonzero(result.to_h > visit.done_h + 1e-9)[0])
        rows.append(
            {
                "place": place,
                "element": job.name,
                "crew": visit.crew + 1,
                "leave_h": visit.leave_h,
                "begin_h": visit.begin_h,
                "done_h": visit.done_h,
                "travel_h": visit.begin_h - visit.leave_h,
                "repair_h": job.repair_h,
                "served_mw": float(served[step]),
                "demand_mw": float(demand[step]),
            }
        )
    return rows


def curve_rows(result: RestoreResult) -> list[dict[str, Any]]:
    """What is served from step to step, hours after the event."""
    rows = []
    names = [job.name for job in result.problem.jobs]
    for step, shed, demand in zip(result.steps, result.shed_mw, result.demand_mw, strict=True):
        total, unserved = float(demand.sum()), float(shed.sum())
        rows.append(
            {
                "from_h": step.from_h,
                "to_h": step.to_h,
                "clock_hour": clock_hour(result.valuer, step),
                "demand_mw": total,
                "served_mw": total - unserved,
                "unserved_mw": unserved,
                "repaired": [name for i, name in enumerate(names) if step.repaired >> i & 1],
            }
        )
    return rows


def service_rows(result: RestoreResult, curve: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over each hour after the event, the first is hour 1."""
    rows = []
    for hour in range(1, math.ceil(curve[-1]["to_h"]) + 1):
        inside = [
            (row, min(row["to_h"], hour) - max(row["from_h"], hour - 1))
            for row in curve
            if row["from_h"] < hour and row["to_h"] > hour - 1
        ]
        names = ("demand_mw", "served_mw", "unserved_mw")
        means = {name: sum(row[name] * length for row, length in inside) for name in names}
        rows.append({"hour": hour, "clock_hour": inside[0][0]["clock_hour"], **means})
    return rows


def _metrics(found: Trapezoid) -> dict[str, float | None]:
    return {name.removesuffix("_"): value for name, value in asdict(found).items()}


def _indices(result: RestoreResult) -> dict[str, float | None]:
    """Indices of customers, null without any, and of load."""
    p_nominal, _ = result.problem.scenario.grid.demand()
    customers = result.interruptions(result.problem.customers)
    load = result.interruptions(p_nominal.clip(0.0))
    return {
        "customers": float(result.problem.customers.sum()) or None,
        **dict(zip(("saifi", "saidi_h", "caidi_h"), _three(customers), strict=True)),
        **dict(zip(("asifi", "asidi_h", "caidi_of_load_h"), _three(load), strict=True)),
    }


def _three(found: Interruptions | None) -> tuple[float | None, ...]:
    return (None,) * 3 if found is None else (found.saifi, found.saidi_h, found.caidi_h)


def _priority(result: RestoreResult) -> dict[str, Any] | None:
    """Buses with a priority above 1, apart from the others; None without any."""
    grid = result.problem.scenario.grid
    weight = result.valuer.service.priority
    first = np.flatnonzero((weight > 1) & (result.demand_mw.max(axis=0, initial=0.0) > 0))
    if not first.size:
        return None
    shed = result.shed_mw[:, first].sum(axis=1)
    demand = result.demand_mw[:, first].sum(axis=1)
    short = np.flatnonzero(shed > result.problem.scenario.settings.unserved_tolerance_mw)
    ens = float(shed @ result.hours)
    found = result.interruptions(np.where(weight > 1, result.problem.customers, 0.0))
    return {
        "buses": [grid.bus_id[b] for b in first],
        "demand_mwh": float(demand @ result.hours),
        "ens_mwh": ens,
        "ens_mwh_of_others": result.ens_mwh - ens,
        "fully_served_after_h": float(result.to_h[short[-1]]) if short.size else 0.0,
        **dict(zip(("saifi", "saidi_h", "caidi_h"), _three(found), strict=True)),
    }


def _compared(result: RestoreResult) -> list[dict[str, Any]]:
    """Orders that need no search, beside the one that was chosen."""
    valuer, hours = result.valuer, result.problem.repair_h
    orders = {
        "chosen": result.best.order,
        "as the event lists them": tuple(range(valuer.n)),
        "shortest repair first": tuple(sorted(range(valuer.n), key=lambda i: (hours[i], i))),
    }
    rows = []
    for name, order in orders.items():
        value = valuer.value(order)
        names = [result.problem.jobs[i].name for i in order]
        rows.append(
            {
                "name": name,
                "order": names,
                "weighted_ens_mwh": value.fitness[1],
                "makespan_h": value.fitness[2],
            }
        )
    return rows


def _search(result: RestoreResult) -> dict[str, Any]:
    run, exact = result.run, result.exact
    return {
        "method": "genetic",
        "orders": math.factorial(result.valuer.n),
        "generations": len(run.log) - 1,
        "evaluations": run.evaluations,
        "distinct_orders": run.distinct,
        "order": [result.problem.jobs[i].name for i in run.best.order],
        "weighted_ens_mwh": run.best.fitness[1],
        "found_best": result.found_best,
        "exact_method": None if exact is None else exact.method,
        "exact_looked_at": None if exact is None else exact.looked_at,
        "deliveries": result.valuer.service.solves,
        "failed_deliveries": result.valuer.service.failed,
        "stopped_because": run.stopped_because,
        "wall_s": result.search_s,
    }


def write_restore(result: RestoreResult, folder: Path) -> None:
    """Write summary.json, tables and report.html."""
    from hybridopt.restore_report import write_restore_report

    def fill(fresh: Path) -> None:
        found = restore_summary(result) | {"versions": versions()}
        write_json(fresh / "summary.json", found)
        pd.DataFrame(found["schedule"]).to_csv(fresh / "schedule.csv", index=False)
        pd.DataFrame(found["service"]).to_csv(fresh / "service.csv", index=False)
        curve = pd.DataFrame(found["curve"])
        curve["repaired"] = curve.repaired.map("; ".join)
        curve.to_csv(fresh / "steps.csv", index=False)
        pd.DataFrame(result.run.log).to_csv(fresh / "generations.csv", index=False)
        for name, frame in dispatch_frames(result).items():
            frame.to_csv(fresh / f"{name}.csv", index=False)
        write_restore_report(found, fresh)

    replace_folder(folder, fill)


def dispatch_frames(result: RestoreResult) -> dict[str, pd.DataFrame]:
    """Tables of the dispatch with the time of each step in front; `hour` is that of the day."""
    found: dict[str, list[pd.DataFrame]] = {}
    for steps, dispatch in result.parts:
        rows = replace(dispatch, hours=np.arange(len(steps)))  # an hour may come again next day
        tables = {
            "dispatch": rows.units_frame(),
            "buses": rows.buses_frame(),
            "branches": rows.branches_frame(),
            "binding": binding_frame(rows),
        }
        times = [[s.from_h for s in steps], [s.to_h for s in steps], dispatch.hours]
        for name, frame in tables.items():
            at = frame.pop("hour").to_numpy(dtype=np.int64)
            for place, (key, value) in enumerate(zip(TIMES, times, strict=True)):
                frame.insert(place, key, np.asarray(value)[at])
            found.setdefault(name, []).append(frame)
    kept = {name: [f for f in frames if len(f)] or frames[:1] for name, frames in found.items()}
    return {name: pd.concat(frames, ignore_index=True) for name, frames in kept.items()}


def restore_tables(result: RestoreResult) -> Iterator[Any]:
    """What the terminal shows."""
    found = restore_summary(result)
    yield from summary_tables(found)


def summary_tables(found: dict[str, Any]) -> Iterator[Any]:
    """Tables of a summary."""
    table = titled_table(
        found["title"] or found["case"],
        *("Repair", "Crew", "Sets out h", "Begins h", "Done h", "Served MW", "of MW"),
    )
    for row in found["schedule"]:
        times = (show(row[name], 1) for name in ("leave_h", "begin_h", "done_h"))
        power = show(row["served_mw"]), show(row["demand_mw"])
        table.add_row(row["element"], str(row["crew"]), *times, *power)
    yield table
    yield ""
    yield _trapezoid_table(found["trapezoid"])
    yield ""
    money = found["currency"]
    yield (
        f"Unserved until the last repair: {found['ens_mwh']:,.2f} MWh, "
        f"{found['unserved_cost']:,.0f} {money}; operating cost {found['operating_cost']:,.2f} "
        f"{money}"
    )
    yield from _index_lines(found)
    for row in found["compared"][1:]:
        yield (
            f"Repaired {row['name']}: {row['weighted_ens_mwh']:,.2f} MWh"
            + (" (weighted)" if found["priority"] else "")
        )
    yield _search_line(found)
    said = found["verification"]
    yield (
        f"Verified by pandapower: {said['hours_checked']} steps, "
        f"mismatch {said['max_mismatch_mva'] or 0:.1e} MVA, voltage violation "
        f"{said['max_voltage_violation_pu'] or 0:.1e} pu"
    )


def _trapezoid_table(found: dict[str, Any]) -> Any:
    table = titled_table(
        "Resilience (of what the demand is at the time)",
        *("Level", "Phi per h", "Lambda", "E h", "Pi per h", "Area"),
    )
    for name, unit in (("percent", "%"), ("mw", "MW"), ("infrastructure_percent", "% of elements")):
        row = found[name]
        cells = (show(row[key]) for key in ("phi", "lambda", "e_h", "pi", "area"))
        table.add_row(unit, *cells)
    return table


def _index_lines(found: dict[str, Any]) -> Iterator[str]:
    said = found["indices"]
    if said["saifi"] is not None:
        yield (
            f"SAIFI {said['saifi']:.4f}, SAIDI {said['saidi_h']:.4f} h of "
            f"{said['customers']:,.0f} customers"
        )
    yield f"ASIFI {said['asifi'] or 0:.4f}, ASIDI {said['asidi_h'] or 0:.4f} h (by load)"
    first = found["priority"]
    if first:
        yield (
            f"Priority loads: {first['ens_mwh']:,.2f} MWh of {first['demand_mwh']:,.2f} MWh "
            f"unserved, all served after {first['fully_served_after_h']:.1f} h"
        )
    if found["dropped_steps"]:
        yield f"Loads had to be dropped again in {found['dropped_steps']} step(s)"


def _search_line(found: dict[str, Any]) -> str:
    search = found["search"]
    line = (
        f"Search: {search['distinct_orders']:,} of {search['orders']:,} orders, "
        f"{search['deliveries']:,} deliveries, {search['wall_s']:.1f} s"
    )
    if search["found_best"] is None:
        return f"{line}; not proven"
    ways = {"orders": "all orders", "subsets": "all sets of repaired elements"}
    said = "none is better" if search["found_best"] else "they held a better one, taken here"
    return f"{line}; {ways[search['exact_method']]} looked at, {said}"
