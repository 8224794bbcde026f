"""``hybridopt run`` and ``check`` of a case with a ``[siting]`` table."""

from __future__ import annotations

import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridopt.errors import Finding, InputError, collect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hybridopt.network_siting import SitingProblem
    from hybridopt.progress import Progress
    from hybridopt.siting import SitingResult

FILES = ("summary.json", "seeds.csv")


def is_siting(case: str) -> bool:
    """Whether a case has a ``[siting]`` table; false for what cannot be read."""
    from hybridopt.case_source import read_source

    try:
        return "siting" in read_source(case).data
    except InputError:
        return False


@dataclass(frozen=True)
class Request:
    """The options of ``hybridopt run`` as given."""

    case: str
    out: Path | None
    seed: int
    seeds: str | None
    exhaustive: bool
    resume: bool
    force: bool
    verbose: bool
    as_json: bool


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is read and checked, ready to be solved."""

    problem: SitingProblem
    folder: Path | None
    seeds: tuple[int, ...]


def prepare(request: Request) -> Prepared:
    """Read and check everything.

    Raises
    ------
    InputError
        With every finding.
    """
    from hybridopt.network_scenario import load_case
    from hybridopt.network_siting import siting_problem

    _, seeds, scenario, _ = collect(
        lambda: _check_options(request),
        lambda: _seeds(request),
        lambda: load_case(request.case),
        lambda: None if request.out is None else _check_folder(request, request.out),
    )
    problem = siting_problem(scenario)
    folder = request.out
    if folder is None and not request.as_json:
        kind = f"seeds{request.seeds}" if request.seeds else f"seed{request.seed}"
        kind = "exhaustive" if request.exhaustive else kind
        folder = Path("results") / f"{scenario.case.name}-{kind}"
        _check_folder(request, folder)
    return Prepared(problem, folder, seeds)


def _check_folder(request: Request, folder: Path) -> None:
    from hybridopt.result_folder import check_folder

    if request.seeds is None:
        check_folder(folder, force=request.force)
        return
    from hybridopt.runs import read_seeds

    for seed in read_seeds(request.seeds):
        check_folder(folder / f"seed{seed}", force=request.force)
    if not request.force and any((folder / name).exists() for name in FILES):
        message = "exists already: give another --out, or --force to replace it"
        raise InputError([Finding(f"--out {folder}", message)])


def _check_options(request: Request) -> None:
    findings = []
    if request.exhaustive and request.seeds is not None:
        message = "says nothing to --exhaustive, which draws no random numbers"
        findings.append(Finding("--seeds", message))
    for name in ("resume", "verbose"):
        if getattr(request, name):
            message = "says nothing in a siting study, which begins anew and takes seconds"
            findings.append(Finding(f"--{name}", message))
    if findings:
        raise InputError(findings)


def _seeds(request: Request) -> tuple[int, ...]:
    from hybridopt.runs import read_seeds

    return (request.seed,) if request.seeds is None else tuple(read_seeds(request.seeds))


def run_each(
    prepared: Prepared, request: Request, progress: Progress
) -> Iterator[tuple[int, SitingResult]]:
    """Run with each seed, and write each result."""
    from hybridopt.siting import run_siting
    from hybridopt.siting_output import write_siting

    for seed in prepared.seeds:
        result = run_siting(
            prepared.problem, seed=seed, exhaustive=request.exhaustive, progress=progress
        )
        if prepared.folder is not None:
            several = request.seeds is not None
            write_siting(result, prepared.folder / f"seed{seed}" if several else prepared.folder)
        yield seed, result


def seed_row(seed: int, result: SitingResult) -> dict[str, Any]:
    """A row of the table over seeds."""
    from hybridopt.siting_output import siting_summary

    found = siting_summary(result)
    search = found["search"]
    return {
        "seed": seed,
        "status": found["status"],
        "sites": " ".join(map(str, search["sites"])),
        "objective": search["objective"],
        "found_best": search["found_best"],
        "evaluations": search["evaluations"],
        "distinct_plans": search["distinct_plans"],
        "wall_s": search["wall_s"],
    }


def seeds_summary(prepared: Prepared, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What the searches of several seeds found by themselves; ``found_best`` counts the proofs."""
    case = prepared.problem.scenario.case
    values = [row["objective"] for row in rows]
    proven = [row["found_best"] for row in rows if row["found_best"] is not None]
    return {
        "case": case.name,
        "status": "optimal" if proven and all(proven) else "acceptable",
        "currency": case.currency,
        "best": {"objective": min(values)},
        "worst": {"objective": max(values)},
        "median": {"objective": statistics.median(values)},
        "found_best": sum(proven) if proven else None,
        "wall_s": sum(row["wall_s"] for row in rows),
        "seeds": rows,
    }


def run(request: Request, progress: Progress, *, quiet: bool) -> dict[str, Any]:
    """Run a siting study and show it on the terminal, unless JSON is wanted; the summary."""
    from rich.console import Console

    from hybridopt.siting_output import siting_summary, siting_tables

    prepared = prepare(request)
    rows, last = [], None
    for seed, result in run_each(prepared, request, progress):
        last = result
        if request.seeds is not None:
            rows.append(seed_row(seed, result))
            if not quiet:
                line = f"seed {seed}: F {rows[-1]['objective']:.6g} at {rows[-1]['sites']}"
                print(line, file=sys.stderr)
    if last is None:
        raise InputError([Finding("--seeds", "names no seed")])
    if request.seeds is not None:
        found = seeds_summary(prepared, rows)
        if prepared.folder is not None:
            _write_seeds(prepared.folder, rows, found)
    else:
        found = siting_summary(last)
    if not request.as_json and not quiet:
        tables = siting_tables(last) if request.seeds is None else [_seeds_table(found)]
        for table in tables:
            Console().print(table, highlight=False)
        page = "seeds.csv" if request.seeds else "report.html"
        Console().print(f"Results: {prepared.folder}/{page}", highlight=False)
    return found


def _write_seeds(folder: Path, rows: list[dict[str, Any]], found: dict[str, Any]) -> None:
    import pandas as pd

    from hybridopt.output import write_json

    pd.DataFrame(rows).to_csv(folder / "seeds.csv", index=False)
    write_json(folder / "summary.json", found)


def _seeds_table(found: dict[str, Any]) -> Any:
    from hybridopt.tables import show, titled_table

    heads = ("Seed", "Sites", "F per year", "Best of all", "Chromosomes", "Plans", "Time s")
    table = titled_table(f"{found['case']}: {len(found['seeds'])} seeds", *heads)
    said = {True: "yes", False: "no", None: "not known"}
    for row in found["seeds"]:
        table.add_row(
            str(row["seed"]),
            row["sites"],
            show(row["objective"]),
            said[row["found_best"]],
            f"{row['evaluations']:,}",
            f"{row['distinct_plans']:,}",
            show(row["wall_s"]),
        )
    return table


def check(case: str) -> dict[str, Any]:
    """Check a siting case: load flow without units, limits, number of plans."""
    from hybridopt.network_scenario import load_case
    from hybridopt.network_siting import siting_problem
    from hybridopt.siting_output import constraints, lambdas
    from hybridopt.siting_search import count_plans
    from hybridopt.siting_value import Evaluator

    problem = siting_problem(load_case(case))
    evaluator = Evaluator(problem)
    limits = constraints(problem, evaluator)
    return {
        "case": problem.scenario.case.name,
        "title": problem.scenario.case.title,
        "status": "optimal",
        "sites": list(problem.label),
        "plans": count_plans(problem),
        "loss_mw_before": [float(loss) for loss in evaluator.base_loss_mw],
        "lambdas": lambdas(problem),
        "constraints": limits,
        "findings": [f"{limit['name']}: {limit['note']}" for limit in limits if limit["note"]],
    }


def check_lines(found: dict[str, Any]) -> Iterator[str]:
    """What ``hybridopt check`` shows of a siting case."""
    title = found["title"] or found["case"]
    yield f"{title}: {len(found['sites'])} sites, {found['plans']:,} plans"
    for number, loss in enumerate(found["loss_mw_before"], start=1):
        yield f"Losses without units, state {number}: {loss:.4f} MW"
    for name, value in found["lambdas"].items():
        yield f"{name}: {value:,.6g} per kW and year"
    yield from (f"Note: {finding}" for finding in found["findings"])
