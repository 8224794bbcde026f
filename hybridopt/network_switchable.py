"""Which branches of a network may switch, as the command line says it."""

from __future__ import annotations

import copy
import csv
import re
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from hybridopt.errors import Finding, InputError
from hybridopt.network_feeder import SWITCH_KIND, SWITCHABLE, branches_of
from hybridopt.network_findings import network_findings

if TYPE_CHECKING:
    from collections.abc import Callable

PLACE = "--switchable"
RANGE = re.compile(r"(\d+)\s*-\s*(\d+)", re.ASCII)


def set_switchable(net: Any, text: str) -> Any:
    """Copy a net, with the columns ``switchable`` set as a text says.

    Parameters
    ----------
    net : pandapower net, not altered; a damaged one stays as it is, for ``feeder_from_net`` to
        refuse
    text : ``all`` leaves the columns as they are: lines and bus-bus switches may switch, and
        transformers may not, where there is none. ``switches``: only lines and transformers with
        a switch at them, and bus-bus switches. Otherwise names of branches, as in results, or
        their numbers, with commas between and quotes around names with commas: ``1,3,7-12,Line 5``.
        Numbers count the branches from 1 when no branch has a number for its name

    Raises
    ------
    InputError
        No branch has such a name; nothing may switch.
    """
    net = copy.deepcopy(net)
    word = text.strip().lower()
    if word == "all" or network_findings(net, "network"):
        return net
    branches = branches_of(net)
    if word == "switches":
        chosen = _with_switches(net, branches)
        if not chosen:
            message = "no branch of the network has a switch; name the branches that may switch"
            raise InputError([Finding(PLACE, message)])
    else:
        chosen = _named(text, [branch["name"] for branch in branches])
    for table in SWITCHABLE:
        net[table]["switchable"] = False
    for k in sorted(chosen):
        net[branches[k]["kind"]].loc[branches[k]["index"], "switchable"] = True
    return net


def _with_switches(net: Any, branches: list[dict[str, Any]]) -> set[int]:
    at = {
        table: set(net.switch.element[net.switch.et == kind].astype(int))
        for table, kind in SWITCH_KIND.items()
    }
    return {
        k for k, b in enumerate(branches) if b["kind"] == "switch" or b["index"] in at[b["kind"]]
    }


def _named(text: str, names: list[str | int]) -> set[int]:
    """Positions of the branches that a text names."""
    by_name = {str(name): k for k, name in enumerate(names)}
    by_number = {name: k for k, name in enumerate(names) if isinstance(name, int)}
    by_number = by_number or {k + 1: k for k in range(len(names))}
    loose = {name.casefold(): k for name, k in by_name.items()}
    findings: list[Finding] = []

    def find(message: str) -> None:
        findings.append(Finding(PLACE, message))

    chosen: set[int] = set()
    try:
        parts = next(csv.reader([text], skipinitialspace=True, strict=True), [])
    except csv.Error as error:
        raise InputError([Finding(PLACE, f"cannot be read: {error}")]) from error
    parts = [part.strip() for part in parts if part.strip()]
    for part in parts:
        ends = RANGE.fullmatch(part)
        if part in by_name:
            chosen.add(by_name[part])
        elif part.casefold() in loose:
            chosen.add(loose[part.casefold()])
        elif ends or (part.isascii() and part.isdigit()):
            first, last = (int(part),) * 2 if ends is None else (int(ends[1]), int(ends[2]))
            chosen |= _range(part, first, last, by_number, find)
        else:
            close = get_close_matches(part, list(by_name), n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {_some(names)}"
            find(f"no branch has the name {part!r}; {hint}")
    if not parts:
        find("must be all, switches, or names of branches such as 1,3,7-12")
    if findings:
        raise InputError(findings)
    return chosen


def _range(
    text: str, first: int, last: int, by_number: dict[int, int], find: Callable[[str], None]
) -> set[int]:
    """Positions of the branches numbered from first to last; ends that none has are findings."""
    unknown = [number for number in dict.fromkeys((first, last)) if number not in by_number]
    if first > last:
        find(f"{text} must have the smaller number first")
    for number in unknown:
        least, most = min(by_number), max(by_number)
        find(f"{text}: no branch has the number {number}; they go from {least} to {most}")
    if unknown or first > last:
        return set()
    return {k for number, k in by_number.items() if first <= number <= last}


def _some(names: list[str | int]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(str(name) for name in names[:8]) + more
