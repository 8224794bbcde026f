"""``hybridopt sweep`` and ``hybridopt compare``: their options, checked together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridopt.errors import Finding, InputError, collect

if TYPE_CHECKING:
    from collections.abc import Callable

    from hybridopt.progress import Progress
    from hybridopt.solvers.pool import Wanted
    from hybridopt.sweep import Sweep


@dataclass(frozen=True)
class Request:
    """The options of ``sweep`` as given."""

    study: Path
    out: Path | None
    resume: bool
    force: bool
    workers: Wanted
    as_json: bool

    @property
    def folder(self) -> Path | None:
        """Where results go; None where nothing is written."""
        if self.out is None and (self.resume or not self.as_json):
            return Path("results") / f"{self.study.stem}-sweep"
        return self.out


def prepare(request: Request) -> Sweep:
    """Read and check everything; make nothing.

    Raises
    ------
    InputError
        With every finding.
    """
    from hybridopt.result_folder import check_folder
    from hybridopt.solvers.available import require_solver
    from hybridopt.solvers.pool import check_workers
    from hybridopt.sweep import load_sweep

    def check_options() -> None:
        if request.resume and request.force:
            raise InputError([Finding("--force", "starts again, --resume goes on: give one")])
        if request.folder is not None:
            is_new = not request.folder.exists()
            resume = request.resume and not is_new
            check_folder(request.folder, force=request.force, resume=resume, command="sweep")

    sweep, _, _ = collect(
        lambda: load_sweep(request.study),
        check_options,
        lambda: check_workers(request.workers),
    )
    require_solver()
    found: Sweep = sweep
    return found


def run(
    sweep: Sweep, request: Request, progress: Progress, tell: Callable[[str], None]
) -> dict[str, Any]:
    """Run the study, and write the folder.

    Raises
    ------
    StoppedError
        After Ctrl-C, with runs kept; says how to go on.
    """
    from hybridopt.interrupt import resumable
    from hybridopt.result_folder import CHECKPOINT
    from hybridopt.sweep import run_sweep
    from hybridopt.sweep_output import sweep_summary, write_sweep

    folder = request.folder
    if request.resume and folder is not None and not folder.exists():
        tell(f"{folder} holds nothing to resume: starting at the beginning")
    keep = None if folder is None else folder / CHECKPOINT
    with resumable(keep, "the runs that are done"):
        done = run_sweep(
            sweep,
            folder=folder,
            resume=request.resume,
            workers=request.workers,
            progress=progress,
        )
    if folder is not None:
        write_sweep(done, folder)
    return {"sweep": done, "summary": sweep_summary(done)}
