"""What ``hybridopt run --pareto`` prints and writes."""

from __future__ import annotations

import json
import shlex
import shutil
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridopt.feeder_pictures import save_svg
from hybridopt.output import described_plan, versions, write_json
from hybridopt.plan_front_report import peak_alone, pictures, write_front_report
from hybridopt.result_folder import CHECKPOINT, PLANS, replace_folder
from hybridopt.study import peak_row
from hybridopt.tables import exact, titled_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hybridopt.plan_front import FrontResult
    from hybridopt.plan_front_points import FrontPoint

UNITS = {
    "unserved_mwh": "MWh",
    "unserved_peak_mw": "MW",
    "plan_cost": "",
    "operating_cost": "",
    "loss_mwh": "MWh",
    "curtailed_mwh": "MWh",
}  # empty: in the case's currency
MOST_ROWS = 30  # in the terminal


def front_summary(result: FrontResult) -> dict[str, Any]:
    """The content of summary.json."""
    case = result.scenario.case
    rows = [_row(result, k, point) for k, point in enumerate(result.points, start=1)]
    statuses = {row["status"] for row in rows}
    checks = [point.verification.as_dict() for point in result.points]
    return {
        "command": "pareto",
        "case": case.name,
        "title": case.title,
        "seed": result.seed,
        "status": "optimal" if statuses == {"optimal"} else "acceptable",
        "currency": case.currency,
        "budget": case.budget,
        "dispatch_mode": case.dispatch_mode,
        "max_p_ratio": result.scenario.space.sites.max_p_ratio,
        "objectives": list(result.names),
        "units": {name: UNITS[name] or case.currency for name in result.names},
        "front": rows,
        "left_out": result.left_out,
        "exact": result.exact,
        "evaluations": result.evaluations,
        "resumed": result.resumed,
        "failed_plans": result.failed,
        "nlp_solves": result.solves,
        "generations": result.log,
        "verification": {
            "hours_checked": sum(found["hours_checked"] for found in checks),
            "max_mismatch_mva": max((found["max_mismatch_mva"] or 0.0) for found in checks),
            "max_voltage_violation_pu": max(
                (found["max_voltage_violation_pu"] or 0.0) for found in checks
            ),
        },
        "wall_s": result.wall_s,
        "versions": versions(),
    }


def _row(result: FrontResult, number: int, point: FrontPoint) -> dict[str, Any]:
    plan = described_plan(point.scenario, point.plan, point.dispatch)
    day, peak = point.dispatch, peak_row(point.dispatch)
    return {
        "point": number,
        **dict(zip(result.names, point.objectives, strict=True)),
        "day": {
            "unserved_mwh": float(day.unserved_mw.sum() * day.dt_h),
            "unserved_peak_mw": float(day.unserved_mw[peak]),
            "operating_cost": day.operating_cost,
            "loss_mwh": day.loss_mwh,
        },
        "status": point.status,
        "cost": plan["cost"],
        "lines": [line["name"] for line in plan["lines"]],
        "dg": [{"bus": unit["bus"], "max_p_mw": unit["max_p_mw"]} for unit in plan["dg"]],
        "max_mismatch_mva": point.verification.as_dict()["max_mismatch_mva"],
        "plan": f"{PLANS}/{_file(number)}",
    }


def _file(number: int) -> str:
    return f"point{number:02d}.json"


def write_front(result: FrontResult, folder: Path) -> None:
    """Write pareto.csv, the plans, pictures, summary.json and the report, as a whole."""
    found = front_summary(result)

    def fill(fresh: Path) -> None:
        pd.DataFrame([_flat(row) for row in found["front"]]).to_csv(
            fresh / "pareto.csv", index=False
        )
        (fresh / PLANS).mkdir()
        name = result.scenario.case.name
        for k, point in enumerate(result.points, start=1):
            plan = described_plan(point.scenario, point.plan, point.dispatch)
            write_json(fresh / PLANS / _file(k), {"case": name, **plan})
        if result.log:
            pd.DataFrame(result.log).to_csv(fresh / "generations.csv", index=False)
        (fresh / "run.log").write_text("\n".join(_log(result)) + "\n", encoding="utf-8")
        if (folder / CHECKPOINT).exists():
            shutil.copyfile(folder / CHECKPOINT, fresh / CHECKPOINT)
        write_json(fresh / "summary.json", found)
        for stem, chart in pictures(found).items():
            save_svg(str(chart.wide), fresh / f"{stem}.svg")
        write_front_report(found, fresh)

    replace_folder(folder, fill)


def _log(result: FrontResult) -> Iterator[str]:
    """Lines of run.log."""
    yield json.dumps({"case": result.scenario.case.name, "seed": result.seed} | versions())
    yield from (json.dumps(row) for row in result.log)
    counts = {"evaluations": result.evaluations, "resumed": result.resumed}
    yield json.dumps(counts | {"failed_plans": result.failed, "wall_s": result.wall_s})


def _flat(row: dict[str, Any]) -> dict[str, Any]:
    """A row of pareto.csv: day's figures as columns ``day_``, plans as words."""
    units = " ".join(f"{unit['bus']}:{unit['max_p_mw']:.4g}" for unit in row["dg"])
    day = {f"day_{name}": value for name, value in row["day"].items()}
    rest = {k: v for k, v in row.items() if k not in ("day", "lines", "dg")}
    return rest | day | {"lines": " ".join(map(str, row["lines"])), "dg": units}


def _how(result: FrontResult) -> str:
    if not result.exhaustive:
        return f"seed {result.seed}"
    return f"all were tried, {result.failed} failed" if result.failed else "all were tried"


def front_tables(result: FrontResult, folder: Path | None) -> Iterator[Any]:
    """For the terminal: the front, and how to dispatch a point."""
    found = front_summary(result)
    heads = [f"{name.replace('_', ' ')}\n{found['units'][name]}" for name in result.names]
    whole = len(found["front"]) + result.left_out
    table = titled_table(
        f"{found['case']}: {whole} plans that none beats in all objectives ({_how(result)})",
        *("Point", *heads, "Lines", "Generation, bus:MW"),
    )
    for column in table.columns[-2:]:
        column.justify = "left"
    rows = found["front"]
    step = max(-(-len(rows) // MOST_ROWS), 1)
    for row in [r for k, r in enumerate(rows) if k % step == 0 or k == len(rows) - 1]:
        units = " ".join(f"{unit['bus']}:{unit['max_p_mw']:.4g}" for unit in row["dg"])
        values = [exact(row[name]) for name in result.names]
        table.add_row(str(row["point"]), *values, " ".join(map(str, row["lines"])), units)
    yield table
    if step > 1:
        yield f"One in {step} of {len(rows)} points; all are in pareto.csv."
    check = found["verification"]
    yield (
        f"{found['evaluations']} plans evaluated, {found['nlp_solves']:,} nonlinear programs, "
        f"{result.wall_s:.1f} s. Verified by pandapower: {check['hours_checked']} hours, mismatch "
        f"{check['max_mismatch_mva']:.1e} MVA"
    )
    if at_peak := peak_alone(found):
        yield at_peak
    if folder is not None and rows:
        command = f"hybridopt dispatch {shlex.quote(result.scenario.case.argument)}"
        plan = shlex.quote(f"{folder}/{rows[0]['plan']}")
        yield f"A point in full: {command} --plan {plan}"
