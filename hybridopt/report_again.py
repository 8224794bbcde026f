"""Write the report of a result folder again, whichever command wrote the folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from hybridopt.errors import Finding, InputError
from hybridopt.events_report import write_events_report
from hybridopt.plan_front_report import write_again as write_front_again
from hybridopt.report import write_report
from hybridopt.restore_report import is_restore
from hybridopt.restore_report import write_again as write_restore_again
from hybridopt.siting_report import is_siting
from hybridopt.siting_report import write_again as write_siting_again
from hybridopt.study_report import write_again as write_studies_again

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


def write_again(folder: Path) -> Path:
    """Write ``report.html`` of a result folder again.

    Raises
    ------
    InputError
        No result folder, files in it that cannot be read, or one without a report of its own.
    """
    found = _summary(folder)
    for key, why in NO_REPORT.items():
        if key in found:
            raise InputError([Finding(str(folder), why)])
    if is_restore(folder):
        return write_restore_again(folder)
    if is_siting(folder):
        return write_siting_again(folder)
    if "generation_order" in found:
        # Only here: it brings pandapower, which takes seconds to load.
        from hybridopt.allocation_files import read_allocation
        from hybridopt.allocation_report import write_allocation_report

        return write_allocation_report(read_allocation(folder), folder)
    known = write_events_report(folder) or write_studies_again(folder) or write_front_again(folder)
    return known or write_report(folder)


def _summary(folder: Path) -> dict[str, Any]:
    path = folder / "summary.json"
    if not path.is_file():
        raise InputError([Finding(str(folder), "holds no summary.json: not a result folder")])
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return {}  # the reports say what is wrong with it
    return found if isinstance(found, dict) else {}
