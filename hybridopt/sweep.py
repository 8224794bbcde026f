"""Scripted studies: every case with every event, budget and seed, each a run of its own.

Runs are spread over processes or machines. Each is given a loaded case and hands back a row and its
files, so that workers need nothing of the machine that the study is started on.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridopt.checkpoint import fingerprint
from hybridopt.errors import Finding, HybridoptError, InputError, NoSolutionError
from hybridopt.network_scenario import scenario_of
from hybridopt.output import plain, summary, write_results
from hybridopt.progress import NoProgress
from hybridopt.result_folder import CHECKPOINT, replace_folder
from hybridopt.solvers.available import ipopt_version
from hybridopt.solvers.pool import pool_of
from hybridopt.study import run_study
from hybridopt.study_file import read_study
from hybridopt.study_rows import amount, empty_row, study_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridopt.network_scenario import Scenario
    from hybridopt.progress import Progress
    from hybridopt.solvers.pool import Pool, Wanted

FORMAT = 1
RUNS = "runs"  # folder of the runs' folders


@dataclass(frozen=True, eq=False)
class Entry:
    """One run of a study.

    Attributes
    ----------
    name : of its folder
    event : its name in the study
    key : digest of everything that decides its result
    """

    name: str
    event: str
    scenario: Scenario
    seed: int
    key: str

    def row(self, **known: Any) -> dict[str, Any]:
        """What is known before it is run."""
        case = self.scenario.case
        return empty_row(
            case=case.name,
            event=self.event,
            budget=case.budget,
            currency=case.currency,
            seed=self.seed,
            **known,
        )


@dataclass(frozen=True, eq=False)
class Sweep:
    """A study ready to run, or what came out of it.

    Attributes
    ----------
    rows : one for each entry, in order; None where it has not been run
    """

    name: str
    title: str
    entries: list[Entry]
    rows: list[dict[str, Any] | None]
    resumed: int = 0
    wall_s: float = 0.0


def load_sweep(path: str | Path) -> Sweep:
    """Read a study file, its cases and their networks.

    Raises
    ------
    InputError
        With everything that is wrong with any of them.
    """
    study = read_study(path)
    findings = dict.fromkeys(study.findings)  # in order, each once: variants share much
    entries: list[Entry] = []
    for variant in study.variants:
        case = variant.case
        try:
            scenario = scenario_of(case, is_part=variant.is_part)
        except InputError as error:
            findings |= dict.fromkeys(error.findings)
            continue
        if case.siting is not None:
            message = "is a siting study; a sweep runs studies of restoration"
            findings[case.finding("siting", message)] = None
        elif case.event is None and not study.findings:
            message = f"{case.name} has no [event]: a run needs one, there or in [[events]]"
            findings[case.finding("extends", message)] = None
        digest = fingerprint(scenario)
        for seed in study.seeds:
            name = f"{case.name}-{variant.event}-{amount(variant.budget)}-seed{seed}"
            key = hashlib.sha256(f"{name} {digest} {case!r}".encode()).hexdigest()
            entries.append(Entry(name, variant.event, scenario, seed, key))
    names = [entry.name for entry in entries]
    twice = {name for name in names if names.count(name) > 1 and not study.findings}
    for name in sorted(twice):
        message = f"two of its runs are called {name}; give cases other names"
        findings[Finding(str(path), message)] = None
    if findings:
        raise InputError(findings)
    return Sweep(study.name, study.title, entries, [None] * len(entries))


@dataclass(frozen=True)
class _Task:
    """What a worker needs of an entry."""

    scenario: Scenario
    seed: int
    with_files: bool


@dataclass(frozen=True)
class _Outcome:
    """What a worker gives back: columns of the row, and the run's files by name."""

    row: dict[str, Any]
    files: dict[str, bytes]


def _run(task: _Task) -> _Outcome:
    """Run an entry; whatever goes wrong becomes a row."""
    began = time.perf_counter()
    try:
        result = run_study(task.scenario, seed=task.seed, workers=1)
        if result.reasons is None:  # Ctrl-C after the search, which ends a run but not the others
            raise KeyboardInterrupt
        row = plain(study_row(summary(result)))
        return _Outcome(row, _files(result) if task.with_files else {})
    except NoSolutionError as error:
        status, message = "infeasible", error.limit
    except HybridoptError as error:
        status, message = "failed", str(error)
    except Exception as error:  # noqa: BLE001  (one failure never stops the rest)
        status, message = "failed", f"{type(error).__name__}: {error}"
    known = {"status": status, "message": message, "wall_s": time.perf_counter() - began}
    return _Outcome(known, {})


def _files(result: Any) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="hybridopt-") as folder:
        made = Path(folder) / "run"
        write_results(result, made)
        return {path.name: path.read_bytes() for path in sorted(made.iterdir())}


def _lost(_task: _Task, reason: str) -> _Outcome:
    return _Outcome({"status": "failed", "message": reason}, {})


class SweepStore:
    """The rows of a sweep on disk while it goes on; the file is the old one or the new one."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / CHECKPOINT
        self.rows: dict[str, dict[str, Any]] = {}

    def load(self) -> None:
        """Read what was kept.

        Raises
        ------
        InputError
            The file is damaged, or that of another program or version.
        """
        try:
            file = json.loads(self.path.read_text(encoding="utf-8"))
            program, rows, digest = file["program"], file["rows"], file["sha256"]
        except OSError as error:
            raise self._refused(f"cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError) as error:
            raise self._refused("is damaged, or not that of a sweep") from error
        if digest != _digest(rows):
            raise self._refused("is damaged: it holds other numbers than were written")
        if program != _program():
            raise self._refused(f"was written by {program}, not {_program()}")
        self.rows = rows

    def _refused(self, message: str) -> InputError:
        advice = "start again with --force, or give another --out"
        return InputError([Finding(str(self.path), f"{message}; {advice}")])

    def add(self, entry: Entry, row: dict[str, Any], files: dict[str, bytes]) -> None:
        """Keep a row and its run's files."""
        if files:
            self.drop(f"{RUNS}/{entry.name}")

            def fill(fresh: Path) -> None:
                for name, content in files.items():
                    (fresh / name).write_bytes(content)

            replace_folder(self.folder / RUNS / entry.name, fill)
        self.rows[entry.key] = row
        self.save()

    def drop(self, folder: str) -> None:
        """Forget, on disk too, a row whose files are about to go: those of a changed run."""
        kept = {key: row for key, row in self.rows.items() if row["folder"] != folder}
        if len(kept) < len(self.rows):
            self.rows = kept
            self.save()

    def known(self, entry: Entry) -> dict[str, Any] | None:
        """The row of an entry; None where it failed, or its files are gone."""
        row = self.rows.get(entry.key)
        if row is None or row["status"] == "failed":
            return None
        return row if (self.folder / row["folder"]).is_dir() else None

    def save(self) -> None:
        """Write the file now."""
        self.folder.mkdir(parents=True, exist_ok=True)
        file = {"program": _program(), "rows": self.rows, "sha256": _digest(self.rows)}
        fresh = self.path.with_name(f".{self.path.name}")
        with fresh.open("w", encoding="utf-8") as out:
            json.dump(file, out)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(self.path)

    def clear(self) -> None:
        """Remove an earlier result from the folder."""
        if self.folder.exists():
            shutil.rmtree(self.folder)


def _digest(rows: Any) -> str:
    return hashlib.sha256(json.dumps(rows, sort_keys=True).encode()).hexdigest()


def _program() -> dict[str, Any]:
    return {"format": FORMAT, "hybridopt": version("hybridopt"), "ipopt": ipopt_version()}


def run_sweep(
    sweep: Sweep,
    *,
    folder: str | Path | None = None,
    resume: bool = False,
    workers: Wanted = None,
    progress: Progress | None = None,
) -> Sweep:
    """Run every entry of a study; a run that fails becomes a row that says so.

    Parameters
    ----------
    folder : where rows and files are kept as they come, checked before (see
        :func:`hybridopt.result_folder.check_folder`); an earlier result in it goes
    resume : keep the rows that ``folder`` holds, but for runs that failed or whose files are gone
    workers : processes, one per core by default, or a Dask scheduler. The result doesn't depend
        on it.

    Raises
    ------
    InputError
        What was kept is damaged, or of another version.
    """
    began = time.perf_counter()
    progress = progress or NoProgress()
    store = None if folder is None else SweepStore(Path(folder))
    if store is not None and resume and store.path.exists():
        store.load()
    elif store is not None:
        store.clear()
    if store is not None:
        store.save()
    rows = [None if store is None else store.known(entry) for entry in sweep.entries]
    waiting = [k for k, row in enumerate(rows) if row is None]
    resumed = len(rows) - len(waiting)
    pool: Pool[_Task, _Outcome] = pool_of(_run, workers, lost=_lost)
    with pool, progress.task("Runs", len(rows)) as advance:
        for _ in range(resumed):
            advance()
        tasks = [_Task(e.scenario, e.seed, store is not None) for e in _of(sweep.entries, waiting)]
        for number, outcome in pool.as_completed(tasks):
            k = waiting[number]
            entry = sweep.entries[k]
            row = entry.row(message="", folder="")
            row |= {n: v for n, v in outcome.row.items() if n not in ("case", "event", "budget")}
            if outcome.files:
                row["folder"] = f"{RUNS}/{entry.name}"
            rows[k] = row
            if store is not None:
                store.add(entry, row, outcome.files)
            advance()
    wall_s = time.perf_counter() - began
    return Sweep(sweep.name, sweep.title, sweep.entries, rows, resumed, wall_s)


def _of(entries: Sequence[Entry], numbers: Sequence[int]) -> list[Entry]:
    return [entries[k] for k in numbers]
