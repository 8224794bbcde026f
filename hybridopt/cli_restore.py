"""``hybridopt restore``: its options, checked together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from hybridopt.errors import collect

if TYPE_CHECKING:
    from hybridopt.network_repairs import RepairProblem


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is read and checked, ready to be solved."""

    problem: RepairProblem
    folder: Path | None


def prepare(case: str, out: Path | None, seed: int, *, force: bool, as_json: bool) -> Prepared:
    """Read and check everything; make nothing.

    Raises
    ------
    InputError
        With every finding.
    """
    from hybridopt.network_repairs import repair_problem
    from hybridopt.network_scenario import load_case
    from hybridopt.result_folder import check_folder
    from hybridopt.solvers.available import require_solver

    problem, _ = collect(
        lambda: repair_problem(load_case(case, repairs=True)),
        lambda: None if out is None else check_folder(out, force=force),
    )
    require_solver()
    folder = out
    if folder is None and not as_json:
        folder = Path("results") / f"{problem.scenario.case.name}-restore-seed{seed}"
        check_folder(folder, force=force)
    return Prepared(problem, folder)
