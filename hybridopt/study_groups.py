"""Runs that differ in nothing but their seed, taken together."""

from __future__ import annotations

import statistics
from typing import Any

Rows = list[dict[str, Any]]
SOLVED = ("optimal", "acceptable")
VALUES = ("unserved_mwh", "plan_cost", "operating_cost", "loss_mwh")
TIES = 1e-6  # relative; what differs by less counts as equal


def is_solved(row: dict[str, Any]) -> bool:
    """Whether a run has a result."""
    return row["status"] in SOLVED


def groups(rows: Rows) -> Rows:
    """One row for each case, event and budget.

    Parameters
    ----------
    rows : as :func:`hybridopt.study_rows.study_row` makes them

    Returns
    -------
    case, event, budget, currency, number of runs, of those that were solved and of those that serve
    everything; those that reached the best one (least unserved, then dispatch cost); for each of
    :data:`VALUES` that of the best run (``best_run_``), its best, median and worst, None without a
    solved run; wall_s of all of them
    """
    together: dict[tuple[Any, ...], Rows] = {}
    for row in rows:
        key = (row["case"], row["event"], row["budget"], row["currency"])
        together.setdefault(key, []).append(row)
    found = []
    for (case, event, budget, currency), members in together.items():
        solved = [row for row in members if is_solved(row)]
        known = {"case": case, "event": event, "budget": budget, "currency": currency}
        known |= {"runs": len(members), "solved": len(solved)}
        known["fully_served"] = sum(bool(row["fully_served"]) for row in solved)
        best = min(solved, key=_rank, default=None)
        known["reached_best"] = sum(best_of_case(solved)) if solved else 0
        for name in VALUES:
            known[f"best_run_{name}"] = None if best is None else best[name]
            values = [row[name] for row in solved]
            known[f"best_{name}"] = min(values, default=None)
            known[f"median_{name}"] = statistics.median(values) if values else None
            known[f"worst_{name}"] = max(values, default=None)
        known["wall_s"] = sum(row["wall_s"] or 0.0 for row in members)
        found.append(known)
    return found


def best_of_case(rows: Rows) -> list[bool]:
    """Whether each run is among the best of its case and event: least unserved, then dispatch cost.

    Runs of the same case and event with other budgets are compared, too.
    """
    best: dict[tuple[Any, Any], tuple[float, float]] = {}
    for row in rows:
        if is_solved(row):
            key, value = (row["case"], row["event"]), _rank(row)
            best[key] = min(best.get(key, value), value)
    return [
        is_solved(row)
        and all(
            mine <= least + TIES * abs(least)
            for mine, least in zip(_rank(row), best[row["case"], row["event"]], strict=True)
        )
        for row in rows
    ]


def _rank(row: dict[str, Any]) -> tuple[float, float]:
    return 0.0 if row["fully_served"] else row["unserved_mwh"], row["operating_cost"]


def counts(rows: Rows) -> dict[str, int]:
    """Number of runs by status."""
    found: dict[str, int] = {}
    for row in rows:
        found[row["status"]] = found.get(row["status"], 0) + 1
    return found


def currency_of(rows: Rows) -> str:
    """The currency of all rows; empty where they have several."""
    known = {row["currency"] for row in rows}
    return str(known.pop()) if len(known) == 1 else ""
