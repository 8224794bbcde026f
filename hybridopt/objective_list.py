"""A list of objectives as ``--pareto`` names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridopt.errors import Finding, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence


def read_objectives(text: str, known: Sequence[str]) -> tuple[str, ...]:
    """Names in a list such as ``unserved_mwh,plan_cost,operating_cost``.

    Raises
    ------
    InputError
        Fewer than two, unknown or doubled names.
    """
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    findings = [
        Finding(f"--pareto {name}", f"is none of {', '.join(known)}")
        for name in dict.fromkeys(names)
        if name not in known
    ]
    if len(set(names)) < 2 or len(set(names)) < len(names):
        findings.append(Finding("--pareto", "needs two or more different objectives"))
    if findings:
        raise InputError(findings)
    return names
