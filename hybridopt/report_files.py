"""Read a run's output directory for the report; whatever is missing is empty, not an error."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from hybridopt.errors import Finding, InputError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

STAGES = ("before_event", "after_event", "after_plan")
TEXT = "text"
FLAG = "flag"
NUMBER = "number"
COLUMNS: Mapping[str, Mapping[str, str]] = {
    "stages": {
        **dict.fromkeys(("stage", "bus", "reason"), TEXT),
        **dict.fromkeys(("x", "y", "load_mw", "served_mw", "unserved_mw", "vm_pu"), NUMBER),
        "energised": FLAG,
    },
    "topology": {
        **dict.fromkeys(("branch", "from_bus", "to_bus", "kind"), TEXT),
        **dict.fromkeys((*STAGES, "damaged"), FLAG),
        **dict.fromkeys((f"loading_{stage}" for stage in STAGES), NUMBER),
    },
    "sources": {
        **dict.fromkeys(("name", "kind", "bus"), TEXT),
        "max_p_mw": NUMBER,
        **dict.fromkeys(STAGES, FLAG),
    },
    "dispatch": {
        **dict.fromkeys(("element", "name", "bus"), TEXT),
        **dict.fromkeys(("hour", "p_mw", "q_mvar", "cost"), NUMBER),
    },
    "buses": {
        "bus": TEXT,
        **dict.fromkeys(("hour", "vm_pu", "va_degree", "demand_mw", "shed_mw"), NUMBER),
    },
    "branches": {
        "branch": TEXT,
        **dict.fromkeys(("hour", "p_from_mw", "q_from_mvar", "loading_percent"), NUMBER),
    },
    "generations": {},  # every column is a number; which ones there are depends on the objectives
}


@dataclass(frozen=True, eq=False)
class RunFiles:
    """What a run left behind, with columns of known type.

    Attributes
    ----------
    summary, plan : contents of the JSON files, {} when missing
    stages, topology, sources, dispatch, buses, branches, generations : tables, empty when missing
    vm_limits : pu, lowest and highest voltage allowed at any bus, None when not known
    """

    summary: dict[str, Any]
    plan: dict[str, Any]
    stages: pd.DataFrame
    topology: pd.DataFrame
    sources: pd.DataFrame
    dispatch: pd.DataFrame
    buses: pd.DataFrame
    branches: pd.DataFrame
    generations: pd.DataFrame
    vm_limits: tuple[float, float] | None

    def value(self, *path: str) -> Any:
        """Entry of the summary at a path of keys, None when it is missing, null or not finite."""
        return dig(self.summary, *path)

    def number(self, *path: str) -> float | None:
        """Entry of the summary as a finite number, None when there is none."""
        found = self.value(*path)
        return None if isinstance(found, bool) or not isinstance(found, int | float) else found

    @property
    def currency(self) -> str:
        """Unit of every cost."""
        return str(self.value("currency") or "")


def dig(tree: Any, *path: str) -> Any:
    """Entry of nested dictionaries at a path of keys, None when missing or not finite."""
    for key in path:
        if not isinstance(tree, dict):
            return None
        tree = tree.get(key)
    return None if isinstance(tree, float) and not math.isfinite(tree) else tree


def read_run(folder: Path) -> RunFiles:
    """Read the files of a run's output directory.

    Raises
    ------
    InputError
        When the folder or its summary.json is missing, or a file can't be read.
    """
    if not (folder / "summary.json").is_file():
        missing = "has no summary.json" if folder.is_dir() else "no such directory"
        raise InputError([Finding(str(folder), f"{missing}: not the output of a run")])
    tables = {name: _read_table(folder / f"{name}.csv", kinds) for name, kinds in COLUMNS.items()}
    summary = _read_json(folder / "summary.json")
    return RunFiles(
        summary=_with_dispatch(summary, tables["buses"]),
        plan=_read_json(folder / "plan.json") or summary.get("plan") or {},
        vm_limits=_vm_limits(folder / "network.json"),
        **tables,
    )


def _with_dispatch(summary: dict[str, Any], buses: pd.DataFrame) -> dict[str, Any]:
    """Bring the summary of a dispatch alone into the form of a run's."""
    if summary.get("dispatch") is not None or summary.get("objective") is None:
        return summary
    taken = {key: summary.get(key) for key in ("hours", "unserved_mwh", "loss_mwh")}
    served = float((buses["demand_mw"] - buses["shed_mw"]).sum())
    cost = {"operating_cost": summary["objective"], "served_mwh": served}
    return {**summary, "dispatch": taken | cost if len(buses) else taken}


def natural(label: str) -> list[tuple[int, int, str]]:
    """Sort key that puts bus 9 before bus 10."""
    parts = re.findall(r"\d+|\D+", label)
    return [(0, int(p), "") if p.isdecimal() else (1, 0, p) for p in parts]


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError([Finding(str(path), f"is not JSON: {error}")]) from None
    if not isinstance(content, dict):
        raise InputError([Finding(str(path), "must hold one JSON object")])
    return content


def _read_table(path: Path, kinds: Mapping[str, str]) -> pd.DataFrame:
    if not path.is_file() or path.stat().st_size == 0:
        return _typed(pd.DataFrame(columns=list(kinds)), kinds)
    try:
        # All as text first: a bus called NA and a line called 1e5 keep their names.
        raw = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (ValueError, pd.errors.ParserError) as error:
        raise InputError([Finding(str(path), f"is not a CSV table: {error}")]) from None
    kinds = kinds or dict.fromkeys(raw.columns, NUMBER)
    return _typed(raw.reindex(columns=list(kinds), fill_value=""), kinds)


def _typed(raw: pd.DataFrame, kinds: Mapping[str, str]) -> pd.DataFrame:
    typed = {}
    for name, kind in kinds.items():
        column = raw[name].astype(str)
        if kind == NUMBER:
            numbers = pd.to_numeric(column, errors="coerce").astype(float)
            typed[name] = numbers.where(numbers.abs() != math.inf)
        elif kind == FLAG:
            typed[name] = column.str.lower().isin(["true", "1", "1.0"])
        else:
            typed[name] = column
    return pd.DataFrame(typed, columns=list(kinds))


def _vm_limits(path: Path) -> tuple[float, float] | None:
    """Voltage limits out of a pandapower file, without loading pandapower."""
    try:
        tables = json.loads(path.read_text(encoding="utf-8"))["_object"]
        frame = tables["bus"]["_object"]
        bus = json.loads(frame) if isinstance(frame, str) else frame
        low, high = (bus["columns"].index(f"{end}_vm_pu") for end in ("min", "max"))
        rows = [row for row in bus["data"] if None not in (row[low], row[high])]
        return min(row[low] for row in rows), max(row[high] for row in rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None  # only a line in a plot depends on it
