"""A case without what is wrong with it, to see what else is: so that all findings come at once."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hybridopt.case import Case, case_of
from hybridopt.case_extends import find_contradictions, fits, get
from hybridopt.case_findings import key_path
from hybridopt.case_source import Source, read_source, source_of
from hybridopt.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from hybridopt.case_place import KeyPath

FIRST = ("network", "bus_label_offset", "extends")  # without them the rest would mean nothing
STAND_INS: dict[KeyPath, Any] = {  # of values that others need; * stands for any key
    ("budget",): 0.0,
    ("resources", "lines", "cost"): 0.0,
    ("restore", "travel", "matrix", "*", "*"): 0.0,
    ("sample", "probabilities"): {},
    ("sample", "probabilities", "*", "*"): 0.5,
    ("sample", "intensities"): {},
    ("sample", "intensities", "*", "*"): 1.0,
    ("sample", "fragility"): [{"kind": "lines", "median": 1.0, "beta": 1.0}],
    ("sample", "fragility", "*", "median"): 1.0,
    ("sample", "fragility", "*", "beta"): 1.0,
    ("sample", "wind"): {"speed": 1.0, "width": 1.0, "track": [[0.0, 0.0]]},
}


def sound_part(case: str | Path | dict[str, Any]) -> Case | None:
    """Read a case without its wrong parts.

    Returns
    -------
    Case
        Keys are left out that are wrong, or hold another value; tables, where they are needed
        there. None when the case cannot be read, or the network is among the wrong parts.
    """
    try:
        source = source_of(case, "case") if isinstance(case, dict) else read_source(case)
    except InputError:
        return None
    return sound_part_of(source)


def sound_part_of(source: Source) -> Case | None:
    """The same of tables that were read; they are altered."""
    mended: set[KeyPath] = set()
    while source.is_whole:
        wrong = [path for path, _ in find_contradictions(source.data)]
        try:
            Case.model_validate(source.data)
        except ValidationError as error:
            wrong += [key_path(detail) for detail in error.errors()]
        if not wrong:
            if any(home[0] == "event" for home in mended):  # then what is damaged is not known
                restore = source.data.get("restore") or {}
                for key in ("repair_h", "travel"):
                    restore.pop(key, None)
            return case_of(replace(source, findings=[]))
        homes = {_home(source.data, path, mended) for path in wrong}
        for home in homes:
            if home is None:
                return None
            _mend(source.data, home)
            mended.add(home)
    return None


def _home(data: dict[str, Any], path: KeyPath, mended: set[KeyPath]) -> KeyPath | None:
    """The key to mend for a wrong one: itself, or the nearest above that was not mended yet."""
    if path and path[0] in FIRST:
        return None
    for length in range(len(path), 0, -1):
        home = path[:length]
        holder = get(data, home[:-1])
        if home in mended or not isinstance(holder, dict):
            continue
        if home[-1] in holder or _stand_in(home) is not None:
            return home
    return None


def _stand_in(path: KeyPath) -> Any:
    found = next((value for pattern, value in STAND_INS.items() if fits(path, pattern)), None)
    return deepcopy(found)


def _mend(data: dict[str, Any], home: KeyPath) -> None:
    """Put a value in the place of a wrong one, or leave it out where there is none."""
    holder, value = get(data, home[:-1]), _stand_in(home)
    if not isinstance(holder, dict):  # gone, with another home
        return
    if value is None:
        holder.pop(home[-1], None)
    else:
        holder[home[-1]] = value
