"""Results side by side: runs, runs over seeds, sweeps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridopt.errors import Finding, InputError
from hybridopt.output import write_json
from hybridopt.result_folder import read_summary, replace_folder
from hybridopt.study_groups import best_of_case, currency_of, is_solved
from hybridopt.study_report import write_compare_report
from hybridopt.study_rows import NAMES, amount, is_row, study_row
from hybridopt.tables import exact, show, titled_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rich.table import Table

MOST_CURVES = 8  # of power served that can be told apart


def compare(folders: Iterable[str | Path]) -> list[dict[str, Any]]:
    """Rows of the runs in result folders.

    Parameters
    ----------
    folders : of ``run`` (with ``--seeds`` or not) or of ``sweep``

    Returns
    -------
    Rows as of :func:`hybridopt.study_rows.study_row`, ``folder`` the run's own; runs that came to
    no result are among those of a sweep.

    Raises
    ------
    InputError
        With every folder that holds no such result.
    """
    rows: dict[str, dict[str, Any]] = {}
    findings = []
    for folder in dict.fromkeys(Path(folder) for folder in folders):
        try:
            found = _rows_of(folder)
        except InputError as error:
            findings += error.findings
            continue
        for k, row in enumerate(found):
            rows.setdefault(row["folder"] or f"{folder} {k}", row)
    if findings:
        raise InputError(findings)
    return list(rows.values())


def check_apart(folders: Iterable[Path], out: Path) -> None:
    """Make sure that a new result takes the place of nothing that is compared.

    Raises
    ------
    InputError
        With every folder that is the new one, holds it, or lies in it.
    """
    new = out.resolve()
    findings = [
        Finding("--out", f"{out} and {folder}, which is compared, overlap; give another folder")
        for folder in folders
        if (here := folder.resolve()) == new or new in here.parents or here in new.parents
    ]
    if findings:
        raise InputError(findings)


def _rows_of(folder: Path) -> list[dict[str, Any]]:
    found = read_summary(folder)
    try:
        if found.get("command") == "sweep":
            return [_row_of_sweep(row, folder) for row in found["rows"]]
        if "seeds" in found:
            each = [folder / f"seed{int(seed['seed'])}" for seed in found["seeds"]]
            return [row for run in each for row in _rows_of(run)]
        return [study_row(found) | {"folder": str(folder)}]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        kind = found.get("command") or found.get("method")
        what = f" but of {kind}" if isinstance(kind, str) else ""
        message = f"holds a result that is not of a run or a sweep{what}"
        if kind == "sweep":
            message = "is damaged: its summary.json is not as a sweep writes it"
        raise InputError([Finding(str(folder), message)]) from error


def _row_of_sweep(row: dict[str, Any], folder: Path) -> dict[str, Any]:
    if not is_row(row):
        raise ValueError("not as a sweep writes it")
    known = {name: row[name] for name in NAMES}
    return known | {"folder": str(folder / row["folder"]) if row["folder"] else ""}


def served_by_hour(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Label and power served in each hour, MW, of the runs whose files have it."""
    curves: list[dict[str, Any]] = []
    for row in rows:
        path = Path(row["folder"] or ".") / "buses.csv"
        if len(curves) == MOST_CURVES:
            break
        if not row["folder"] or not path.is_file():
            continue
        try:
            buses = pd.read_csv(path)
            served = buses["demand_mw"] - buses["shed_mw"].fillna(0.0)
        except (KeyError, TypeError, ValueError):  # not as a run writes it: a page without a line
            continue
        hourly = served.groupby(buses["hour"]).sum()
        label = Path(row["folder"]).name
        curves.append({"label": label, "mw": [float(mw) for mw in hourly]})
    return curves


def compare_summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The content of summary.json."""
    best = best_of_case(rows)
    return {
        "command": "compare",
        "status": "optimal",
        "folders": [row["folder"] for row in rows if row["folder"]],
        "rows": [row | {"best": is_best} for row, is_best in zip(rows, best, strict=True)],
        "served": served_by_hour(rows),
    }


def write_compare(rows: list[dict[str, Any]], folder: Path) -> None:
    """Write compare.csv, summary.json and report.html into a folder that was checked before."""
    found = compare_summary(rows)

    def fill(fresh: Path) -> None:
        table = pd.DataFrame(found["rows"], columns=[*NAMES, "best"])
        table.to_csv(fresh / "compare.csv", index=False)
        write_json(fresh / "summary.json", found)
        write_compare_report(found, fresh)

    replace_folder(folder, fill)


def compare_table(rows: list[dict[str, Any]]) -> Table:
    """For the terminal: a row for each run, a star at the best of each case and event."""
    money = currency_of(rows)
    table = titled_table(
        "Runs; *: least unserved, then least dispatch cost, of a case and event",
        *("  Case, event, budget, seed", "Served\nMW", "Unserved\nMWh"),
        *(f"Plan cost\n{money}", f"Dispatch cost\n{money}", "Lowest\npu"),
    )
    for row, is_best in zip(rows, best_of_case(rows), strict=True):
        budget = amount(row["budget"]) if money else f"{amount(row['budget'])} {row['currency']}"
        name = f"{row['case']} {row['event']} {budget} {row['seed']}"
        if not is_solved(row):
            table.add_row(f"  {name}", row["status"], "", "", "", "")
            continue
        table.add_row(
            f"{'*' if is_best else ' '} {name}",
            show(row["served_mw"]),
            exact(row["unserved_mwh"]),
            exact(row["plan_cost"]),
            exact(row["operating_cost"]),
            show(row["min_vm_pu"], 4),
        )
    return table
