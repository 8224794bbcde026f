"""A bound in words, for the terminal and the report."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

SHOWN = 5e-7  # smallest difference worth a digit, relative


def bound_sentence(bound: Mapping[str, Any], currency: str) -> str:
    """The bound in words.

    Parameters
    ----------
    bound : ``bound`` of a summary.json
    """
    value, found = float(bound["value"]), float(bound["found"])
    if bound["kind"] == "plan_cost":
        better, shown = found - value, f"{value:,.3f} {currency}"
        limit, room = f"serving everything costs at least {shown}", f"{better:,.3f} {currency}"
        nothing = "nothing serves everything for less"
    else:
        unit = "MWh" if bound["kind"] == "served_mwh" else "MW"
        when = "" if bound["kind"] == "served_mwh" else " at the peak"
        better, shown = value - found, f"{value:,.2f} {unit}{when}"
        limit, room = f"no plan within the budget serves more than {shown}", f"{better:,.2f} {unit}"
        nothing = "no plan within the budget serves more"
    if bound["contradicted"]:
        return f"The bound is contradicted by the plan found ({limit}): please report this"
    if bound["kind"] == "plan_cost" and not bound["is_aim"]:
        return (
            f"Everything is served, no plan serves more; {limit}, and this plan, which was not "
            f"chosen by its cost, {found:,.3f} {currency}"
        )
    if bound["proven_best"]:
        return f"Proven best: {nothing}"
    early = "" if bound["complete"] else " (the time limit ended the search for a closer bound)"
    return f"At most {room} ({bound['gap_percent']:.2f} %) better exists: {limit}{early}"
