"""The report of a restoration study: one page that opens offline, from its summary alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.report import fill_page, save_page
from hybridopt.report_tables import Table, numbers, words
from hybridopt.restore_pictures import crews_chart, service_chart, trapezoid_chart

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = (  # of the table of metrics: key, head, unit after the level's
    ("phi", "Φ, how fast it drops", "/h"),
    ("lambda", "Λ, how low", ""),
    ("pi", "Π, how promptly it recovers", "/h"),
    ("area", "Area", "·h"),
    ("area_of_trapezoid", "Area of the trapezoid", "·h"),
)


def write_restore_report(found: dict[str, Any], folder: Path) -> Path:
    """Write ``report.html`` into a folder.

    Parameters
    ----------
    found : what :func:`hybridopt.restore_output.restore_summary` gives
    """
    return save_page(fill_page("restore.html", _content(found)), folder)


def _content(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "title": found["title"] or found["case"],
        "byline": [found["case"], f"seed {found['seed']}", f"{found['wall_s']:.1f} s"],
        "lead": _lead(found),
        "service": service_chart(found),
        "trapezoid": trapezoid_chart(found),
        "metrics": _metrics(found["trapezoid"]),
        "indices": _indices(found),
        "crews": crews_chart(found),
        "schedule": _schedule(found),
        "steps": _steps(found["curve"]),
        "compared": _compared(found),
        "search": _search(found),
    }


def _lead(found: dict[str, Any]) -> list[str]:
    crews = "One crew repairs" if found["crews"] == 1 else f"{found['crews']} crews repair"
    order = ", ".join(found["order"])
    ens, cost = found["ens_mwh"], found["unserved_cost"]
    plan = (
        f"{crews} in this order: {order}. Everything is repaired {found['makespan_h']:,.2f} h "
        f"after the event; until then {ens:,.2f} MWh are not served, worth {cost:,.0f} "
        f"{found['currency']}."
    )
    ways = {"orders": "all of them", "subsets": "all sets of repaired elements"}
    if found["exact"]:
        looked = ways[found["search"]["exact_method"]]
        said = f"No other order is better: {looked} were looked at."
    else:
        said = "Not every order was looked at, so a better one may exist."
    if found["never_drop"]:
        said += " Loads, once connected again, stay connected."
    if found["dropped_steps"]:
        said += f" In {found['dropped_steps']} steps something had to be dropped all the same."
    if not found["fully_served"]:
        said += " Even with everything repaired, not all load is served."
    return [plan, said]


def _metrics(found: dict[str, Any]) -> Table:
    names = {"percent": "%", "mw": "MW", "infrastructure_percent": "% of elements"}
    rows = [found[name] for name in names]
    columns = [words("Level", names.values())]
    for key, head, unit in COLUMNS[:2]:
        columns.append(numbers(head, f"level{unit}", [row[key] for row in rows], decimals=3))
    columns.append(numbers("E, how long", "h", [row["e_h"] for row in rows], decimals=2))
    for key, head, unit in COLUMNS[2:]:
        columns.append(numbers(head, f"level{unit}", [row[key] for row in rows], decimals=3))
    note = (
        "Levels: demand served, in percent of the demand at the time and in MW, and elements in "
        "service. A dash for Π: everything comes back at once."
    )
    return Table("The resilience trapezoid", columns, note=note)


def _indices(found: dict[str, Any]) -> list[tuple[str, str]]:
    said, first = found["indices"], found["priority"]
    rows = []
    if said["saifi"] is not None:
        rows += [
            ("SAIFI", f"{said['saifi']:.4f} interruptions per customer"),
            ("SAIDI", f"{said['saidi_h']:.4f} h per customer ({said['customers']:,.0f} of them)"),
        ]
    rows += [
        ("ASIFI", f"{said['asifi'] or 0:.4f} interruptions per MW of load"),
        ("ASIDI", f"{said['asidi_h'] or 0:.4f} h per MW of load"),
        ("Energy not served", f"{found['ens_mwh']:,.3f} MWh"),
    ]
    if first:
        buses = ", ".join(map(str, first["buses"]))
        share = f"{first['ens_mwh']:,.3f} of {first['demand_mwh']:,.3f} MWh not served"
        after = f"all served after {first['fully_served_after_h']:,.2f} h"
        rows += [
            (f"Priority loads (bus {buses})", f"{share}; {after}"),
            ("Other loads", f"{first['ens_mwh_of_others']:,.3f} MWh not served"),
        ]
    return rows


def _schedule(found: dict[str, Any]) -> Table:
    rows = found["schedule"]

    def hours(title: str, name: str) -> Any:
        return numbers(title, "h", [row[name] for row in rows], decimals=2)

    return Table(
        "Repairs in their order",
        [
            numbers("", "", [row["place"] for row in rows], decimals=0),
            words("Element", [row["element"] for row in rows]),
            numbers("Crew", "", [row["crew"] for row in rows], decimals=0),
            hours("Sets out", "leave_h"),
            hours("Begins", "begin_h"),
            hours("Done", "done_h"),
            hours("Repair", "repair_h"),
            numbers("Served then", "MW", [row["served_mw"] for row in rows], decimals=2),
            numbers("of", "MW", [row["demand_mw"] for row in rows], decimals=2),
        ],
        note="Hours count from the end of the event.",
    )


def _steps(curve: list[dict[str, Any]]) -> Table:
    return Table(
        "What is served, step by step",
        [
            numbers("From", "h", [row["from_h"] for row in curve], decimals=2),
            numbers("To", "h", [row["to_h"] for row in curve], decimals=2),
            numbers("Hour of the day", "", [row["clock_hour"] for row in curve], decimals=0),
            numbers("Demand", "MW", [row["demand_mw"] for row in curve], decimals=2),
            numbers("Served", "MW", [row["served_mw"] for row in curve], decimals=2),
            numbers("Unserved", "MW", [row["unserved_mw"] for row in curve], decimals=2),
            words("Repaired", [", ".join(row["repaired"]) for row in curve]),
        ],
    )


def _compared(found: dict[str, Any]) -> Table:
    rows = found["compared"]
    weighted = "Unserved, weighted" if found["priority"] else "Unserved"
    return Table(
        "Other orders",
        [
            words("Order", [row["name"] for row in rows]),
            words("Repairs", [", ".join(row["order"]) for row in rows]),
            numbers(weighted, "MWh", [row["weighted_ens_mwh"] for row in rows], decimals=2),
            numbers("Last repair done", "h", [row["makespan_h"] for row in rows], decimals=2),
        ],
    )


def _search(found: dict[str, Any]) -> list[tuple[str, str]]:
    search, said = found["search"], found["verification"]
    rows = [
        ("Orders there are", f"{search['orders']:,}"),
        ("Orders the genetic algorithm looked at", f"{search['distinct_orders']:,}"),
        ("AC load deliveries solved", f"{search['deliveries']:,}"),
        ("It stopped", search["stopped_because"]),
    ]
    if search["found_best"] is not None:
        rows.append(("It found the best of all", "yes" if search["found_best"] else "no"))
    if search["failed_deliveries"]:
        dark = "States without a feasible point, taken as dark"
        rows.append((dark, str(search["failed_deliveries"])))
    verified = (
        f"{said['hours_checked']} steps, mismatch {said['max_mismatch_mva'] or 0:.1e} MVA, voltage "
        f"violation {said['max_voltage_violation_pu'] or 0:.1e} pu"
    )
    return [*rows, ("Verified by pandapower's power flow", verified)]
