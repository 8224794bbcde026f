"""Write the report of a result folder again, whichever command wrote the folder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.errors import Finding, InputError
from hybridopt.events_report import write_sample_report, write_worst_report
from hybridopt.plan_front_report import write_front_report
from hybridopt.report import write_report
from hybridopt.restore_report import write_restore_report
from hybridopt.result_folder import SUMMARY, read_summary
from hybridopt.siting_report import write_siting_report
from hybridopt.study_report import write_compare_report, write_sweep_report

if TYPE_CHECKING:
    from pathlib import Path

# A key that only this command's summary has, and why there is no report to write again.
NO_REPORT = {
    "open_branches": (
        "hybridopt reconfigure writes its report with its results, and the folder does not hold "
        "all of it; give the command again with --force: the same seed gives the same answer"
    ),
    "saifi": "hybridopt reliability writes tables, no report",
    "reached_best": "holds several seeds; give one of its folders, such as seed0",
    "max_ramp_violation_mw": "hybridopt ed writes tables, no report",
}
WRITERS = {  # by the summary's command: of pages that are made from the summary alone
    "restore": write_restore_report,
    "worst": write_worst_report,
    "sample": write_sample_report,
    "pareto": write_front_report,
    "sweep": write_sweep_report,
    "compare": write_compare_report,
    "siting": write_siting_report,
}


def write_again(folder: Path) -> Path:
    """Write ``report.html`` of a result folder again.

    Raises
    ------
    InputError
        No result folder, files in it that cannot be read or are damaged, or one without a report
        of its own.
    """
    found = read_summary(folder)
    for key, why in NO_REPORT.items():
        if key in found:
            raise InputError([Finding(str(folder), why)])
    command = "siting" if "lambdas" in found else str(found.get("command"))
    if command in WRITERS:
        return _write(command, found, folder)
    if "generation_order" in found:
        # Only here: it brings pandapower, which takes seconds to load.
        from hybridopt.allocation_files import read_allocation
        from hybridopt.allocation_report import write_allocation_report

        return write_allocation_report(read_allocation(folder), folder)
    if "status" not in found:
        raise InputError([Finding(str(folder / SUMMARY), "is not the summary of a result")])
    return write_report(folder)


def _write(command: str, found: dict[str, Any], folder: Path) -> Path:
    try:
        return WRITERS[command](found, folder)
    except (KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
        message = f"is damaged: it is not as {command} writes it"
        raise InputError([Finding(str(folder / SUMMARY), message)]) from error
