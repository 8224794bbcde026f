"""Reports of several runs, of a sweep or side by side: one page that opens offline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.report import fill_page, save_page
from hybridopt.report_format import count, duration, fixed
from hybridopt.report_tables import Column, Table, numbers, words
from hybridopt.study_groups import best_of_case, counts, currency_of, groups, is_solved
from hybridopt.study_pictures import bars_chart, label_of, scatter_chart, served_chart

if TYPE_CHECKING:
    from pathlib import Path

    from hybridopt.study_groups import Rows


def write_sweep_report(found: dict[str, Any], folder: Path) -> Path:
    """Write ``report.html`` of a sweep.

    Parameters
    ----------
    found : what :func:`hybridopt.sweep_output.sweep_summary` gives
    """
    rows = found["rows"]
    content = {
        "title": found["title"] or f"{found['study']}: {count(len(rows), 'run')}",
        "byline": [count(len(rows), "run"), duration(found["wall_s"])],
        "lead": _lead(rows),
        "charts": _charts(rows),
        "tables": [_groups_table(groups(rows)), _runs_table(rows), _plans_table(rows)],
        "facts_list": _facts(found),
    }
    return save_page(fill_page("events.html", content), folder)


def write_compare_report(found: dict[str, Any], folder: Path) -> Path:
    """Write ``report.html`` of runs side by side.

    Parameters
    ----------
    found : what :func:`hybridopt.compare.compare_summary` gives
    """
    rows = found["rows"]
    charts = _charts(rows)
    if found["served"]:
        charts.append(("Power served, hour by hour", served_chart(found["served"])))
    content = {
        "title": f"{count(len(rows), 'run')} side by side",
        "byline": [count(len(rows), "run")],
        "lead": _lead(rows),
        "charts": charts,
        "tables": [_runs_table(rows), _plans_table(rows)],
        "facts_list": [("Folders", fixed(len(found["folders"]), 0))],
    }
    return save_page(fill_page("events.html", content), folder)


def _lead(rows: Rows) -> list[str]:
    solved = [row for row in rows if is_solved(row)]
    served = sum(bool(row["fully_served"]) for row in solved)
    lead = [f"{served} of {count(len(rows), 'run')} serve all load in every hour."]
    without = [row for row in rows if not is_solved(row)]
    if without:
        lead.append(f"{count(len(without), 'run')} came to no result; the table says why.")
    return lead


def _charts(rows: Rows) -> list[tuple[str, Any]]:
    solved = [row for row in rows if is_solved(row)]
    if not solved:
        return []
    return [
        ("Unserved energy and plan cost", scatter_chart(solved)),
        ("Unserved energy by study", bars_chart(groups(solved), "unserved_mwh", "MWh")),
        ("Dispatch cost by study", bars_chart(groups(solved), "operating_cost", "")),
    ]


def _studies(rows: Rows) -> list[Column]:
    """Columns that say which study a row belongs to."""
    money = currency_of(rows)
    columns = [
        words("Case, event", [label_of(row) for row in rows]),
        numbers("Budget", money, [row["budget"] for row in rows]),
    ]
    return columns if money else [*columns, words("Currency", [row["currency"] for row in rows])]


def _groups_table(rows: Rows) -> Table:
    money = currency_of(rows)
    table = [
        *_studies(rows),
        words("Solved", [f"{row['solved']} of {row['runs']}" for row in rows]),
        words("All served", [f"{row['fully_served']} of {row['solved']}" for row in rows]),
    ]
    for name, title, unit in (
        ("unserved_mwh", "Unserved", "MWh"),
        ("plan_cost", "Plan cost", money),
        ("operating_cost", "Dispatch cost", money),
    ):
        for which in ("best", "median", "worst"):
            values = [row[f"{which}_{name}"] for row in rows]
            table.append(numbers(which, unit, values, group=title))
    note = "Best, median and worst over the seeds."
    return Table("Studies", table, note=note)


def _runs_table(rows: Rows) -> Table:
    money = currency_of(rows)
    columns = [
        *_studies(rows),
        words("Seed", [row["seed"] for row in rows]),
        words("Status", [row["status"] for row in rows]),
        words("Best", ["yes" if best else "" for best in best_of_case(rows)]),
        numbers("Served at peak", "MW", [row["served_mw"] for row in rows]),
        numbers("Unserved", "MWh", [row["unserved_mwh"] for row in rows]),
        numbers("Plan cost", money, [row["plan_cost"] for row in rows]),
        numbers("Dispatch cost", money, [row["operating_cost"] for row in rows]),
        numbers("Losses", "MWh", [row["loss_mwh"] for row in rows]),
        numbers("Time", "s", [row["wall_s"] for row in rows], decimals=1),
    ]
    note = "Best: least unserved energy, then dispatch cost, among the runs of a case and event."
    return Table("Runs", columns, note=note)


def _plans_table(rows: Rows) -> Table:
    """What the runs build, or why they came to no result."""
    columns = [
        *_studies(rows),
        words("Seed", [row["seed"] for row in rows]),
        words("Lines", [row["lines"] for row in rows]),
        words("Generation, bus:MW", [row["dg"] for row in rows]),
    ]
    if any(row["message"] for row in rows):
        columns.append(words("Why not", [row["message"] for row in rows]))
    return Table("Plans", columns)


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    rows = found["rows"]
    facts = [(f"Runs {status}", fixed(n, 0)) for status, n in counts(rows).items()]
    solves = sum(row["nlp_solves"] or 0 for row in rows)
    return [
        *facts,
        ("Nonlinear programs", fixed(solves, 0)),
        ("Taken from an earlier start", fixed(found["resumed"], 0)),
        ("Time of all runs", duration(sum(row["wall_s"] or 0.0 for row in rows))),
        ("Time", duration(found["wall_s"])),
    ]
