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
    from hybridopt.plan_front import read_objectives
    from hybridopt.result_folder import check_folder
    from hybridopt.solvers.pool import check_workers

    def check_others() -> None:
        findings = [
            Finding(option, "means nothing to --pareto")
            for option, value in request.others.items()
            if value not in (None, False)
        ]
        if findings:
            raise InputError(findings)

    scenario, names, *_ = collect(
        load,
        lambda: read_objectives(request.pareto),
        check_others,
        lambda: None if request.out is None else check_folder(request.out, force=request.force),
        lambda: check_workers(request.workers),
    )
    folder = request.out
    if folder is None and not request.as_json:
        folder = Path("results") / f"{scenario.case.name}-pareto-seed{request.seed}"
        check_folder(folder, force=request.force)
    return Prepared(scenario, names, folder)


def run(prepared: Prepared, request: Request, progress: Progress) -> FrontResult:
    """Look for the front, and write the folder."""
    from hybridopt.plan_front import run_front
    from hybridopt.plan_front_output import write_front

    result = run_front(
        prepared.scenario,
        prepared.names,
        seed=request.seed,
        workers=request.workers,
        progress=progress,
    )
    if prepared.folder is not None:
        write_front(result, prepared.folder)
    return result
