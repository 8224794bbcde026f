"""A case without what is wrong with it, to see what else is: so that all findings come at once."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from hybridopt.case import Case, case_of
from hybridopt.case_extends import find_contradictions, fits, get
from hybridopt.case_source import Source, read_source, source_of
from hybridopt.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

    from hybridopt.case_place import KeyPath

STAND_INS: dict[KeyPath, Any] = {  # of values that others need; * stands for any key
    ("budget",): 0.0,
    ("sample", "probabilities", "*", "*"): 0.5,
    ("sample", "intensities", "*", "*"): 1.0,
    ("sample", "fragility", "*", "median"): 1.0,
    ("sample", "fragility", "*", "beta"): 1.0,
}
DEPTHS: dict[KeyPath, int] = {  # how much goes with a wrong key: so much of its path, else 1
    ("event",): 2,
    ("resources",): 2,
    ("limits",): 2,
    ("limits", "ratings"): 3,
    ("limits", "generators"): 3,
    ("limits", "ramps"): 3,
    ("restore",): 2,
    ("restore", "repair_h"): 3,
    ("restore", "customers"): 3,
    ("worst",): 2,
    ("sample", "probabilities"): 3,
    ("sample", "intensities"): 3,
    ("sample", "measure"): 2,
    ("sample", "log_std"): 2,
    ("sample", "response"): 2,
    ("sample", "hours"): 2,
    ("sample", "fragility", "*", "elements"): 4,
}


def sound_part(case: str | Path | dict[str, Any]) -> Case | None:
    """Read a case without its wrong parts.

    Returns
    -------
    Case
        Tables or keys are left out where something in them is wrong, or hold another value. None
        when the case cannot be read, or the network is among the wrong parts.
    """
    try:
        source = source_of(case, "case") if isinstance(case, dict) else read_source(case)
    except InputError:
        return None
    return sound_part_of(source)


def sound_part_of(source: Source) -> Case | None:
    """The same of tables that were read; they are altered."""
    while source.is_whole:
        wrong = [path for path, _ in find_contradictions(source.data)]
        try:
            Case.model_validate(source.data)
        except ValidationError as error:
            wrong += [tuple(part for part in e["loc"] if part != "[key]") for e in error.errors()]
        if not wrong:
            return case_of(replace(source, findings=[]))
        homes = [home for path in wrong if (home := _home(source.data, path)) is not None]
        if len(homes) < len(wrong):
            return None
        for home in homes:
            _mend(source.data, home)
    return None


def _home(data: dict[str, Any], path: KeyPath) -> KeyPath | None:
    """The table or key to mend for a wrong one; None where the rest would mean nothing."""
    if not path or path[0] in ("network", "bus_label_offset", "extends") or path[0] not in data:
        return None
    if _at(STAND_INS, path) is not None:
        return path
    depth = next((d for n in range(len(path), 0, -1) if (d := _at(DEPTHS, path[:n]))), 1)
    while depth > 1 and (len(path) < depth or get(data, path[:depth]) is None):
        depth -= 1
    return path[:depth]


def _at(table: dict[KeyPath, Any], path: KeyPath) -> Any:
    """What a table has for a path; None for nothing."""
    return next((value for pattern, value in table.items() if fits(path, pattern)), None)


def _mend(data: dict[str, Any], home: KeyPath) -> None:
    """Put a value in the place of a wrong one; leave it out where there is none, or it is there."""
    holder, stand_in = get(data, home[:-1]), _at(STAND_INS, home)
    if not isinstance(holder, dict):  # gone, with another home
        return
    if stand_in is None or holder.get(home[-1]) == stand_in:
        holder.pop(home[-1], None)
    else:
        holder[home[-1]] = stand_in
