"""What ``hybridopt sweep`` prints and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridopt.output import versions, write_json
from hybridopt.study_groups import counts, currency_of, groups, is_solved
from hybridopt.study_report import write_sweep_report
from hybridopt.study_rows import NAMES, amount
from hybridopt.tables import exact, show, titled_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hybridopt.sweep import Sweep

FEW = 20  # failures that are named in the terminal


def sweep_summary(sweep: Sweep) -> dict[str, Any]:
    """The content of summary.json."""
    rows = [row for row in sweep.rows if row is not None]
    by_status = counts(rows)
    failed = by_status.get("failed", 0)
    return {
        "command": "sweep",
        "study": sweep.name,
        "title": sweep.title,
        "status": "failed" if failed else "optimal" if set(by_status) == {"optimal"} else "mixed",
        "runs": len(rows),
        "statuses": by_status,
        "failed_runs": failed,
        "fully_served": sum(bool(row["fully_served"]) for row in rows),
        "groups": groups(rows),
        "rows": rows,
        "resumed": sweep.resumed,
        "wall_s": sweep.wall_s,
        "versions": versions(),
    }


def write_sweep(sweep: Sweep, folder: Path) -> Path:
    """Write the table, the summary and the report beside the runs; the path of the report."""
    found = sweep_summary(sweep)
    pd.DataFrame(found["rows"], columns=list(NAMES)).to_csv(folder / "sweep.csv", index=False)
    write_json(folder / "summary.json", found)
    return write_sweep_report(found, folder)


def sweep_tables(sweep: Sweep) -> Iterator[Any]:
    """For the terminal: a row for each case, event and budget, then what failed."""
    found = sweep_summary(sweep)
    money = currency_of(found["rows"])
    table = titled_table(
        f"{sweep.name}: {found['runs']} runs; seeds, and figures of the best one over 24 h",
        *("Case, event, budget", "Serve\nall", "Reach\nbest", "Unserved\nMWh"),
        *(f"Plan cost\n{money}", f"Dispatch cost\n{money}", "Time\ns"),
    )
    for row in found["groups"]:
        budget = amount(row["budget"]) if money else f"{amount(row['budget'])} {row['currency']}"
        table.add_row(
            f"{row['case']} {row['event']} {budget}",
            f"{row['fully_served']} of {row['runs']}",
            f"{row['reached_best']} of {row['runs']}",
            *(exact(row[f"best_run_{n}"]) for n in ("unserved_mwh", "plan_cost", "operating_cost")),
            show(row["wall_s"], 1),
        )
    yield table
    without = [row for row in found["rows"] if not is_solved(row)]
    if without:
        why = titled_table(f"{len(without)} runs without a result", "Run", "Status", "Why")
        for column in why.columns[1:]:
            column.justify = "left"
        for row in without[:FEW]:
            name = f"{row['case']} {row['event']} {amount(row['budget'])} seed {row['seed']}"
            why.add_row(name, row["status"], row["message"])
        if len(without) > FEW:
            why.add_row(f"and {len(without) - FEW} more", "", "")
        yield why
