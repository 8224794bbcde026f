"""Runs into folders: one, kept so that it can be resumed, or one for each of several seeds."""

from __future__ import annotations

import statistics
import sys
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridopt.checkpoint import Checkpoint
from hybridopt.errors import Finding, InputError
from hybridopt.output import summary, write_json, write_results
from hybridopt.plan_search import objective_name
from hybridopt.result_folder import CHECKPOINT, check_folder
from hybridopt.solvers.search import Run
from hybridopt.study import run_study
from hybridopt.study_file import read_seeds as seeds_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from hybridopt.checkpoint import Method
    from hybridopt.network_scenario import Scenario
    from hybridopt.progress import Progress
    from hybridopt.solvers.pool import Wanted
    from hybridopt.study import StudyResult


@dataclass(frozen=True)
class Job:
    """How a case is run, and into which folder (None: nothing is written).

    ``bound_s``: seconds for a bound on any plan; None for no bound.
    """

    folder: Path | None
    seed: int = 0
    workers: Wanted = None
    exhaustive: bool = False
    resume: bool = False
    force: bool = False
    bound_s: float | None = None

    @property
    def method(self) -> Method:
        """How plans are searched."""
        return "exhaustive" if self.exhaustive else "genetic"

    def check(self) -> None:
        """Make sure that the folder can be written.

        Raises
        ------
        InputError
            It cannot; see :func:`hybridopt.result_folder.check_folder`.
        """
        if self.folder is not None:
            check_folder(self.folder, force=self.force, resume=self.resume, command="run")


def run_job(scenario: Scenario, job: Job, progress: Progress) -> StudyResult:
    """Run a study and write its files."""
    job.check()
    if job.resume and job.folder is not None and not (job.folder / CHECKPOINT).exists():
        print(f"{job.folder} holds nothing to resume: starting at the beginning", file=sys.stderr)
    with _taken(scenario, job):
        result = run_study(
            scenario,
            seed=job.seed,
            workers=job.workers,
            exhaustive=job.exhaustive,
            keep=job.folder,
            resume=job.resume,
            bound_s=job.bound_s,
            progress=progress,
        )
    if job.folder is not None:
        write_results(result, job.folder, force=job.force, resume=True)
    return result


@contextmanager
def _taken(scenario: Scenario, job: Job) -> Iterator[None]:
    """Take the folder with a search that has not begun; leave none where none begins."""
    folder = job.folder
    if folder is None or (folder.exists() and any(folder.iterdir())):
        yield
        return
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    checkpoint = Checkpoint(folder / CHECKPOINT, scenario, job.method, job.seed)
    checkpoint.save(Run())
    before = checkpoint.path.read_bytes()
    try:
        yield
    except BaseException:
        if checkpoint.path.exists() and checkpoint.path.read_bytes() == before:
            checkpoint.path.unlink()
            for path in made:
                path.rmdir()
        raise


def read_seeds(text: str) -> list[int]:
    """Seeds written as ``0-9``, ``3`` or ``0,2,5-7``.

    Raises
    ------
    InputError
        It is something else, or names no seed or the same one twice.
    """
    try:
        return seeds_of(text)
    except ValueError as error:
        raise InputError([Finding("--seeds", str(error))]) from error


@dataclass(frozen=True)
class Seeds:
    """The same case with several seeds.

    Attributes
    ----------
    rows : one per seed: seed, status, fully_served, the objectives, plan_cost, evaluations,
        distinct_plans, nlp_solves, wall_s
    objectives : their names, the most important first
    """

    case: str
    currency: str
    objectives: list[str]
    rows: list[dict[str, Any]]

    def summary(self) -> dict[str, Any]:
        """Best, median, worst and spread (worst less best) of each objective, and the rows."""
        best = min(self.rows, key=lambda row: [row[name] for name in self.objectives])
        worst = max(self.rows, key=lambda row: [row[name] for name in self.objectives])
        values = {name: [row[name] for row in self.rows] for name in self.objectives}
        reached = [
            row["seed"]
            for row in self.rows
            if all(row[n] <= best[n] + 1e-6 * abs(best[n]) for n in self.objectives)
        ]
        counts = ("evaluations", "distinct_plans", "nlp_solves", "wall_s")
        return {
            "case": self.case,
            "status": "optimal"
            if all(row["status"] == "optimal" for row in self.rows)
            else "mixed",
            "currency": self.currency,
            "objectives": self.objectives,
            "best": {name: best[name] for name in self.objectives} | {"seed": best["seed"]},
            "worst": {name: worst[name] for name in self.objectives} | {"seed": worst["seed"]},
            "median": {name: statistics.median(v) for name, v in values.items()}
            | {name: statistics.median(row[name] for row in self.rows) for name in counts},
            "spread": {name: max(v) - min(v) for name, v in values.items()},
            "reached_best": reached,
            "fully_served": sum(row["fully_served"] for row in self.rows),
            "wall_s": sum(row["wall_s"] for row in self.rows),
            "seeds": self.rows,
        }


def run_seeds(
    scenario: Scenario, job: Job, seeds: Sequence[int], progress: Progress
) -> Iterator[Seeds]:
    """Run a case once for each seed, into ``seedN`` below the job's folder; all rows so far.

    Ends early, without the table's files, when one of the runs is interrupted.
    """
    names = [objective_name(weights) for weights in scenario.settings.objectives]
    found = Seeds(scenario.case.name, scenario.case.currency, names, [])
    jobs = [
        replace(job, seed=seed, folder=None if job.folder is None else job.folder / f"seed{seed}")
        for seed in seeds
    ]
    for each in jobs:
        each.check()
    for each in jobs:
        result = run_job(scenario, each, progress)
        if result.interrupted:
            return
        found.rows.append(_row(result, names))
        yield found
    if job.folder is not None:
        pd.DataFrame(found.rows).to_csv(job.folder / "seeds.csv", index=False)
        write_json(job.folder / "summary.json", found.summary())


def _row(result: StudyResult, names: list[str]) -> dict[str, Any]:
    found = summary(result)
    search = found["search"]
    kept = ("evaluations", "distinct_plans", "nlp_solves")
    return {
        "seed": result.seed,
        "status": found["status"],
        "fully_served": found["fully_served"],
        **dict(zip(names, result.best.fitness, strict=True)),
        "served_percent_at_peak": 100 - found["stages"]["after_plan"]["unserved_percent"],
        "plan_cost": found["plan"]["cost"],
        **{name: search[name] for name in kept},
        "wall_s": found["time"]["wall_s"],
    }
