"""The folder of a result: nothing in it is lost, and it is there as a whole or not at all."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridopt.errors import Finding, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SUMMARY = "summary.json"
CHECKPOINT = "checkpoint.json"  # the search that is kept, or was
RESULT_FILES = frozenset(
    {
        *(CHECKPOINT, SUMMARY, "plan.json", "network.json", "report.html", "run.log"),
        *("dispatch.csv", "buses.csv", "branches.csv", "generations.csv"),
        *("binding.csv", "stages.csv", "topology.csv", "sources.csv", "reasons.csv"),
    }
)
PICTURES: tuple[str, ...] = (
    "one_line_before",
    "one_line_fault",
    "one_line_after",
    "voltage_profile",
)
PICTURES += ("losses_by_hour", "pareto_front", "convergence")
PICTURES += ("network_before", "network_after", "loading_by_hour", "grid_by_hour")
MORE_FILES = frozenset(  # of some results
    {
        *("storage.csv", "steps.csv", "pareto.csv", "reliability.csv", "faults.csv"),
        *("schedule.csv", "service.csv", "shortfall.csv"),
        *("hours.csv", "n_minus_1.csv", "load.csv", "generation.csv", "plans.csv"),
        *("events.csv", "sweep.csv", "compare.csv"),
        *(f"{name}.svg" for name in PICTURES),
    }
)
FOLDERS = ("runs",)  # of some results; each of the folders in it is a result
PLANS = "plans"  # of some results; point01.json and so on in it
_POINT = re.compile(r"point\d+\.json")
HALF_WRITTEN = f".{CHECKPOINT}"  # what may be left when a run was killed


def check_folder(folder: Path, *, force: bool, resume: bool = False, command: str = "") -> None:
    """Make sure that a result folder can be written, before anything is computed; make nothing.

    Parameters
    ----------
    command : that is to resume, as :func:`written_by` gives it; not asked for if empty

    Raises
    ------
    InputError
        It exists (without ``force``, or without a search to ``resume``), is a file, holds
        something that is not a result, or its parent cannot be written.
    """
    try:
        message = _obstacle(folder, force, resume)
        kept = written_by(folder / CHECKPOINT) if resume and command and not message else ""
        if kept not in ("", command):
            message = f"holds what hybridopt {kept} began: go on with that, or give another --out"
    except OSError as error:
        message = f"cannot be written: {error.strerror}"
    if message:
        raise InputError([Finding(f"--out {folder}", message)])


def _obstacle(folder: Path, force: bool, resume: bool) -> str:
    """What stands in the way, or nothing."""
    if folder.is_symlink():
        return "is a symbolic link; give the folder itself"
    if folder.is_dir():
        message = _held_obstacle(folder, force, resume)
        if message:
            return message
    elif folder.exists():  # a name that is too long shows here
        return "is a file, not a folder"
    return _parent_obstacle(folder.absolute().parent)


def _held_obstacle(folder: Path, force: bool, resume: bool) -> str:
    """What the files in a folder say against it."""
    held = sorted(path.name for path in folder.iterdir())
    if held and resume and CHECKPOINT not in held:
        return f"holds no {CHECKPOINT}, so there is nothing to resume"
    if held and not (force or resume):
        if CHECKPOINT in held and SUMMARY not in held:
            return "holds an unfinished search: --resume goes on, --force starts again"
        return "exists already: give another --out, or --force to replace it"
    foreign = list(_foreign(folder))
    if foreign or (held and not {SUMMARY, CHECKPOINT} & set(held)):
        shown = ", ".join((foreign or held)[:3]) + (", ..." if len(foreign or held) > 3 else "")
        option = "resume" if resume else "force"
        return f"holds more than an earlier result ({shown}), so --{option} won't replace it"
    return ""


def _foreign(folder: Path) -> Iterator[str]:
    """What is not part of a result, below a folder."""
    for path in sorted(folder.iterdir()):
        if path.name in FOLDERS and path.is_dir():
            for run in sorted(path.iterdir()):
                inside = _foreign(run) if run.is_dir() else [""]
                yield from (f"{path.name}/{run.name}/{name}".rstrip("/") for name in inside)
        elif path.name == PLANS and path.is_dir():
            names = sorted(plan.name for plan in path.iterdir())
            yield from (f"{PLANS}/{name}" for name in names if not _POINT.fullmatch(name))
        elif path.is_dir() or path.name not in RESULT_FILES | MORE_FILES | {HALF_WRITTEN}:
            yield path.name


def _parent_obstacle(parent: Path) -> str:
    while not parent.exists():
        parent = parent.parent
    if not parent.is_dir():
        return f"cannot be made: {parent} is a file, not a folder"
    try:
        with tempfile.TemporaryDirectory(dir=parent, prefix=".hybridopt-"):
            pass
    except OSError as error:
        return f"cannot be made: nothing can be written to {parent} ({error.strerror})"
    return ""


def read_summary(folder: Path) -> dict[str, Any]:
    """The content of a result folder's summary.json.

    Raises
    ------
    InputError
        There is none, or it is no JSON object.
    """
    path = folder / SUMMARY
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        what = f"holds no {SUMMARY}" if folder.is_dir() else "is not there"
        if folder.is_file():
            what = "is a file; give the folder it is in"
        raise InputError([Finding(str(folder), f"{what}: not a result folder")]) from error
    except ValueError as error:
        raise InputError([Finding(str(path), "is damaged: it is not JSON")]) from error
    if not isinstance(found, dict):
        raise InputError([Finding(str(path), "is not the summary of a result")])
    return found


def written_by(checkpoint: Path) -> str:
    """The command whose search a checkpoint keeps; empty where none can be told."""
    try:
        found = json.loads(checkpoint.read_text(encoding="utf-8"))
        marks = {"search": "run", "rows": "sweep"}
        if "owner" in found:
            found, marks = found["owner"], {"objectives": "run --pareto", "response": "sample"}
        return next((command for key, command in marks.items() if key in found), "")
    except (OSError, ValueError, TypeError):
        return ""


def replace_folder(folder: Path, fill: Callable[[Path], None]) -> None:
    """Write a folder's files apart and move them in place as a whole.

    What was there before goes last, so that an interruption leaves the old result or the new one.
    """
    folder = folder.absolute()
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name[:40]}-", dir=folder.parent))
    old = fresh.with_name(f"{fresh.name}-old")
    try:
        fresh.chmod(0o755)
        fill(fresh)
        if folder.exists():
            folder.rename(old)
        fresh.rename(folder)
    except BaseException:
        if old.exists() and not folder.exists():
            old.rename(folder)
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    finally:
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
