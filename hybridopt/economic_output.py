"""What ``hybridopt ed`` prints and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.table import Table

from hybridopt.output import versions, write_json
from hybridopt.result_folder import replace_folder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hybridopt.economic_dispatch import EconomicDispatch

MOST_COLUMNS = 10  # units in a table of hours; more have one row each instead


def economic_summary(result: EconomicDispatch) -> dict[str, Any]:
    """What ``ed --json`` prints; ``hours`` when there are several."""
    task, run = result.task, result.run
    values = list(run.cache.values())
    found: dict[str, Any] = {
        "status": result.status,
        "seed": result.seed,
        "cost": result.cost,
        "demand_mwh": float(task.demand_mw.sum()),
        "loss_mwh": float(result.loss_mw.sum()),
    }
    hours = [
        {
            "hour": t + 1,
            "demand_mw": float(task.demand_mw[t]),
            "loss_mw": float(result.loss_mw[t]),
            "cost": float(result.unit_cost[t].sum()),
            "units": [
                {
                    "unit": unit.name,
                    "p_mw": float(result.p_mw[t, i]),
                    "cost": float(result.unit_cost[t, i]),
                }
                for i, unit in enumerate(task.units)
            ],
        }
        for t in range(len(task.demand_mw))
    ]
    found |= {"hours": hours} if result.many_hours else {"units": hours[0]["units"]}
    return found | {
        "evaluations": run.distinct,
        "nlp_solves": sum(value.solves for value in values),
        "generations": len(run.log) - 1,
        "max_mismatch_mw": result.max_mismatch_mw,
        "max_ramp_violation_mw": result.max_ramp_violation_mw,
        "wall_s": result.wall_s,
    }


def economic_tables(result: EconomicDispatch) -> Iterator[Any]:
    """What ``hybridopt ed`` shows."""
    task = result.task
    if result.many_hours and len(task.units) <= MOST_COLUMNS:
        yield _hours_table(result)
    else:
        yield _units_table(result)
    yield ""
    over = f" over {len(task.demand_mw)} h" if result.many_hours else " per h"
    loss = f", losses {result.loss_mw.sum():,.4f} MWh" if task.losses.any else ""
    yield f"Cost: {result.cost:,.4f}{over}{loss}"
    summary = economic_summary(result)
    yield (
        f"Search: {summary['evaluations']} schedules, {summary['nlp_solves']} smooth problems "
        f"solved by Ipopt, {result.wall_s:.1f} s; largest mismatch "
        f"{summary['max_mismatch_mw']:.1e} MW"
    )


def _table(title: str, *columns: str) -> Table:
    table = Table(title=title, title_justify="left", box=None, padding=0, title_style="bold")
    for k, column in enumerate(columns):
        table.add_column(column if k == 0 else f" {column}", justify="right", no_wrap=True)
    return table


def _units_table(result: EconomicDispatch) -> Table:
    title = "Dispatch, energy over the hours" if result.many_hours else "Dispatch"
    output = "MWh" if result.many_hours else "MW"
    table = _table(title, "Unit", f"Output {output}", "Cost")
    for i, unit in enumerate(result.task.units):
        row = (result.p_mw[:, i].sum(), result.unit_cost[:, i].sum())
        table.add_row(unit.name, *(f"  {value:,.4f}" for value in row))
    table.add_row("total", f"  {result.p_mw.sum():,.4f}", f"  {result.cost:,.4f}")
    return table


def _hours_table(result: EconomicDispatch) -> Table:
    names = [unit.name for unit in result.task.units]
    loss = ["Losses"] if result.task.losses.any else []
    table = _table("Dispatch, MW", "Hour", *names, "Demand", *loss, "Cost")
    for t, demand in enumerate(result.task.demand_mw):
        lost = [result.loss_mw[t]] if loss else []
        outputs = (f" {value:.1f}" for value in (*result.p_mw[t], demand, *lost))
        table.add_row(str(t + 1), *outputs, f" {result.unit_cost[t].sum():.1f}")
    return table


def write_economic(result: EconomicDispatch, folder: Path) -> None:
    """Write summary.json, dispatch.csv and generations.csv, as a whole or not at all."""

    def fill(fresh: Path) -> None:
        write_json(fresh / "summary.json", economic_summary(result) | {"versions": versions()})
        rows = [
            {
                "hour": t + 1,
                "unit": unit.name,
                "p_mw": result.p_mw[t, i],
                "cost": result.unit_cost[t, i],
            }
            for t in range(len(result.task.demand_mw))
            for i, unit in enumerate(result.task.units)
        ]
        pd.DataFrame(rows).to_csv(fresh / "dispatch.csv", index=False)
        log = pd.DataFrame(result.run.log).rename(columns={"distinct_plans": "distinct_schedules"})
        log = log.rename(columns={"new_plans": "new_schedules"})
        log.to_csv(fresh / "generations.csv", index=False)

    replace_folder(folder, fill)
