"""Why the plan is what it is: tables of the report, from the summary's reasons."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.report_tables import Table, numbers, words

if TYPE_CHECKING:
    from hybridopt.report_files import RunFiles

NAMES = {"line": "line", "trafo": "transformer", "dg": "generator"}
LIMITS = {
    "min_vm_pu": "lowest voltage",
    "max_vm_pu": "highest voltage",
    "min_p_mw": "least active power",
    "max_p_mw": "most active power",
    "min_q_mvar": "least reactive power",
    "max_q_mvar": "most reactive power",
    "min_angle_degree": "least angle",
    "max_angle_degree": "largest angle",
    "max_loading": "rating",
}


def contributions_table(run: RunFiles) -> Table | None:
    """What each element of the plan brings: the day without it; None without elements."""
    rows = run.value("reasons", "elements") or []
    if not rows:
        return None
    failed = any(row["served_mwh"] is None for row in rows)
    note = "Everything else as planned, ratings included."
    note += " Dash: without it the dispatch has no feasible point." if failed else ""
    return Table(
        "The day without each element of the plan",
        [
            words("Without", [f"{NAMES[row['element']]} {row['name']}" for row in rows]),
            numbers("Served less", "MWh", [row["lost_mwh"] for row in rows], decimals=2),
            numbers("Unserved", "MWh", [row["unserved_mwh"] for row in rows], decimals=2),
            numbers(
                "Operation costs more",
                run.currency,
                [row["more_operating_cost"] for row in rows],
                decimals=2,
            ),
            numbers("Plan cost", run.currency, [row["plan_cost"] for row in rows], decimals=3),
        ],
        note=note,
    )


def dearest_table(run: RunFiles) -> Table | None:
    """Limits whose relaxation would save most; None where none costs anything."""
    rows = run.value("reasons", "dearest_limits") or []
    if not rows:
        return None
    return Table(
        "Dearest limits of the day",
        [
            numbers("Hour", "h", [row["hour"] for row in rows], decimals=0),
            *_limit(rows),
            numbers(
                "One unit more saves",
                f"{run.currency}/h",
                [row["price_per_unit"] for row in rows],
            ),
            words("Unit", [row["unit"] for row in rows]),
        ],
        note="binding.csv holds all limits that bind.",
    )


def shortfall_table(run: RunFiles) -> Table | None:
    """What would serve more in the hours in which load is unserved; None without such hours."""
    hours = run.value("reasons", "shortfall") or []
    if not hours:
        return None
    cells = [", ".join(_gain(limit) for limit in hour["limits"]) for hour in hours]
    buses = [
        ", ".join(f"bus {b['bus']}: {b['served_mw_per_mw']:.3g}" for b in hour["buses"])
        for hour in hours
    ]
    return Table(
        "What would serve more",
        [
            numbers("Hour", "h", [hour["hour"] for hour in hours], decimals=0),
            numbers("Unserved", "MW", [hour["unserved_mw"] for hour in hours], decimals=2),
            words("Limits, MW served per unit", cells),
            words("MW served per MW given to", buses),
        ],
        note="Multipliers of the largest load delivery of the hour; dead islands have none.",
    )


def _limit(rows: list[dict[str, Any]]) -> list[Any]:
    return [
        words("Element", [_element(row) for row in rows]),
        words("Limit", [LIMITS.get(row["limit"], row["limit"]) for row in rows]),
    ]


def _element(row: dict[str, Any]) -> str:
    kind = "" if row["element"] == "unit" else f"{row['element']} "
    return f"{kind}{row['name']}"


def _gain(row: dict[str, Any]) -> str:
    limit = LIMITS.get(row["limit"], row["limit"])
    return f"{_element(row)} {limit}: {row['served_mw_per_unit']:.3g} per {row['unit']}"
