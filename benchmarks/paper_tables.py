"""The tables of docs/paper.md, in Markdown."""

from __future__ import annotations

import math
import statistics
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks.paper_printed import table_7

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from benchmarks.paper_outcome import Outcome
    from benchmarks.paper_printed import Printed

UNIT = ("name", "bus", "p_mw", "vm_pu", "max_p_mw", "min_p_mw")
LINE = ("name", "from_bus", "to_bus", "length_km", "r_ohm_per_km", "x_ohm_per_km", "max_i_ka")
UNRATED_KA = 9999.0  # pandapower's networks say so that a branch has no rating
Row = dict[str, Any]


def number(value: float | None, decimals: int) -> str:
    """A number as it stands in a table; a dash for none."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:.{decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def table(heads: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    heads = list(heads)
    lines = [heads, ["---"] * len(heads), *[[str(cell) for cell in row] for row in rows]]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def seeds_table(outcome: Outcome) -> str:
    """Best, median and worst of the seeds, each column for itself."""
    columns = (("served_percent_at_peak", 1, False), ("plan_cost", 3, True))
    effort = (("evaluations", 0, True), ("wall_s", 1, True))
    rows = []
    for name, find in (("best", 0), ("median", None), ("worst", 1)):
        cells = [name]
        for key, decimals, low_is_best in columns + effort:
            values = [row[key] for row in outcome.rows]
            best, worst = (min, max) if low_is_best else (max, min)
            chosen = (best, worst)[find] if find is not None else statistics.median
            cells.append(number(float(chosen(values)), decimals))
        rows.append(cells)
    return table(["", "served at the peak, %", "plan cost", "evaluations", "seconds"], rows)


def every_seed_table(outcome: Outcome) -> str:
    """One row per seed, with its plan."""
    rows = []
    for row in outcome.rows:
        plan = outcome.plan(int(row["seed"]))
        units = [f"{u.get('planned_p_mw', u['max_p_mw']):.1f} at {u['bus']}" for u in plan["dg"]]
        lines = [f"{line['kind']} {line['name']}" for line in plan["lines"]]
        rows.append(
            [
                int(row["seed"]),
                number(row["served_percent_at_peak"], 1),
                number(row["plan_cost"], 3),
                int(row["evaluations"]),
                number(row["wall_s"], 1),
                ", ".join(units) or "–",
                ", ".join(lines) or "–",
            ]
        )
    heads = ["seed", "served, %", "plan cost", "evaluations", "seconds", "DG, MW at bus", "lines"]
    return table(heads, rows)


def units_table(printed: Printed, plan: Row) -> str:
    """Table 6a or 8a, theirs above ours; p is the planned power."""
    rows = [["paper", *(_cell(asdict(unit)[key]) for key in UNIT)] for unit in printed.units]
    for unit in plan["dg"]:
        ours = {**unit, "p_mw": unit.get("planned_p_mw", unit["max_p_mw"]), "min_p_mw": 0.0}
        rows.append(["ours", *(_cell(ours.get(key)) for key in UNIT)])
    return table(["", *UNIT], rows)


def lines_table(printed: Printed, plan: Row) -> str:
    """Table 6b or 8b, theirs above ours."""
    rows = [["paper", *(_cell(asdict(line)[key]) for key in LINE)] for line in printed.lines]
    for line in plan["lines"]:
        rated = (line.get("max_i_ka") or 0.0) < UNRATED_KA
        ours = line if rated else line | {"max_i_ka": "unrated"}
        rows.append(["ours", *(_cell(ours.get(key)) for key in LINE)])
    return table(["", *LINE], rows)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return "–" if value is None else str(value)


def two_units(folder: Path) -> pd.DataFrame:
    """Output of the generators that stood before (g1_mw) and of all DG (g2_mw); hours as rows."""
    units = pd.read_csv(folder / "dispatch.csv")
    is_dg = units["element"] == "dg"
    return pd.DataFrame(
        {
            "g1_mw": units[~is_dg].groupby("hour")["p_mw"].sum(),
            "g2_mw": units[is_dg].groupby("hour")["p_mw"].sum(),
        }
    )


def hourly_table(outcome: Outcome) -> tuple[str, dict[str, float]]:
    """Table 7 with the paper's plan and ours, and the largest differences to what is printed."""
    load = pd.read_csv(outcome.shown / "buses.csv").groupby("hour")["demand_mw"].sum()
    columns = {
        "printed": table_7(),
        "theirs": two_units(outcome.printed_folder),
        "ours": two_units(outcome.shown),
    }
    rows = []
    for hour in load.index:
        cells = [
            number(columns[name].loc[hour, unit], 3)
            for unit in ("g1_mw", "g2_mw")
            for name in columns
        ]
        rows.append([int(hour), number(load[hour], 3), *cells])
    heads = ["t, h", "load"]
    heads += [
        f"{unit}, {whose}"
        for unit in ("G1", "G2")
        for whose in ("printed", "their plan", "our plan")
    ]
    error = ((columns["theirs"] - columns["printed"]) / columns["printed"]).abs() * 100
    peak = load.idxmax()
    losses = {name: float(frame.loc[peak].sum() - load[peak]) for name, frame in columns.items()}
    facts = {
        "worst": float(error.to_numpy().max()),
        "peak": float(load[peak]),
        **{f"loss_{name}": loss for name, loss in losses.items()},
    }
    return table(heads, rows), facts


def units_of_day(outcome: Outcome) -> str:
    """Least and most output of every unit that ran, with the paper's plan and with ours."""
    rows = []
    for plan, folder in (("paper", outcome.printed_folder), ("ours", outcome.shown)):
        units = pd.read_csv(folder / "dispatch.csv")
        for name, part in units.groupby("name", sort=False):
            p = part["p_mw"]
            if p.abs().max() > 1e-3:
                still = int((p < 1e-3).sum())
                rows.append([plan, name, number(p.min(), 2), number(p.max(), 2), still])
    return table(["plan", "unit", "least, MW", "most, MW", "hours at zero"], rows)


def effort_table(outcomes: Sequence[Outcome]) -> str:
    """Table 9, theirs beside ours."""
    rows = []
    for outcome in outcomes:
        printed, rows_of = outcome.printed, outcome.rows
        costs = [row["plan_cost"] for row in rows_of]
        ours = (min(costs), outcome.median("plan_cost"), max(costs))
        slowest = max(row["wall_s"] for row in rows_of)
        rows.append(
            [
                printed.network,
                number(printed.cost, 3),
                " / ".join(number(cost, 3) for cost in ours),
                f"{number(printed.minutes, 0)} min",
                f"{number(outcome.median('wall_s'), 1)} s ({number(slowest, 1)} s)",
            ]
        )
    heads = ["network", "cost, paper", "cost, ours: best / median / worst", "time, paper"]
    return table([*heads, "time, ours: median (slowest)"], rows)
