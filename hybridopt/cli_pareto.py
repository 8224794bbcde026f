"""``hybridopt run --pareto``: its options, checked together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridopt.errors import Finding, InputError, collect

if TYPE_CHECKING:
    from collections.abc import Callable

    from hybridopt.plan_front import FrontResult
    from hybridopt.progress import Progress
    from hybridopt.solvers.pool import Wanted


@dataclass(frozen=True)
class Request:
    """The options as given; ``others`` are those that mean nothing here, by their names."""

    pareto: str
    out: Path | None
    seed: int
    workers: Wanted
    exhaustive: bool
    resume: bool
    force: bool
    as_json: bool
    others: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is read and checked, ready to be solved."""

    scenario: Any
    names: tuple[str, ...]
    folder: Path | None


def prepare(request: Request, load: Callable[[], Any]) -> Prepared:
    """Read and check everything; make nothing.

    Raises
    ------
    InputError
        With every finding.
    """
    from hybridopt.case_schema import OBJECTIVES
    from hybridopt.objective_list import read_objectives
    from hybridopt.plan_front import check_exhaustive
    from hybridopt.result_folder import check_folder
    from hybridopt.solvers.pool import check_workers

    def check_others() -> None:
        findings = [
            Finding(option, "means nothing to --pareto")
            for option, value in request.others.items()
            if value not in (None, False)
        ]
        if request.resume and request.force:
            findings.append(Finding("--force", "starts again, --resume goes on: give one"))
        if findings:
            raise InputError(findings)

    def check(folder: Path) -> None:
        check_folder(folder, force=request.force, resume=request.resume, command="run --pareto")

    scenario, names, *_ = collect(
        load,
        lambda: read_objectives(request.pareto, OBJECTIVES),
        check_others,
        lambda: None if request.out is None else check(request.out),
        lambda: check_workers(request.workers),
    )
    if request.exhaustive:
        check_exhaustive(scenario, names)
    folder = request.out
    if folder is None and (request.resume or not request.as_json):
        how = "exhaustive" if request.exhaustive else f"seed{request.seed}"
        folder = Path("results") / f"{scenario.case.name}-pareto-{how}"
        check(folder)
    return Prepared(scenario, names, folder)


def run(
    prepared: Prepared, request: Request, progress: Progress, tell: Callable[[str], None]
) -> FrontResult:
    """Look for the front, and write the folder.

    Raises
    ------
    StoppedError
        After Ctrl-C, with plans kept; says how to go on.
    """
    from hybridopt.interrupt import resumable
    from hybridopt.plan_front import run_pareto
    from hybridopt.plan_front_output import write_front
    from hybridopt.result_folder import CHECKPOINT

    folder = prepared.folder
    keep = None if folder is None else folder / CHECKPOINT
    if request.resume and keep is not None and not keep.exists():
        tell(f"{folder} holds nothing to resume: starting at the beginning")
    with resumable(keep, "the plans evaluated so far"):
        result = run_pareto(
            prepared.scenario,
            prepared.names,
            seed=request.seed,
            workers=request.workers,
            exhaustive=request.exhaustive,
            keep=keep,
            resume=request.resume,
            progress=progress,
        )
    if folder is not None:
        write_front(result, folder)
    return result
