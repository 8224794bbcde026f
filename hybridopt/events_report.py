"""Reports of ``worst`` and ``sample``: one page each that opens offline, from the summary alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.events_pictures import (
    distribution_chart,
    exceedance_chart,
    ranking_chart,
    restoring_chart,
)
from hybridopt.report import fill_page, save_page
from hybridopt.report_format import count, duration, fixed, percent
from hybridopt.report_tables import Table, numbers, words

if TYPE_CHECKING:
    from pathlib import Path

    from hybridopt.plots import Chart

RESPONSES = {
    "none": "nothing is done",
    "switching": "branches that stand open may be closed, and a few closed ones opened",
    "plan": "the best plan within the budget",
    "delivery": "as much load as possible is served",
    "study": "the best plan within the budget that the search finds, for each event",
}


def write_worst_report(found: dict[str, Any], folder: Path) -> Path:
    """Write ``report.html`` of a ranking.

    Parameters
    ----------
    found : what :func:`hybridopt.worst_output.worst_summary` gives
    """
    answered = found["response"] != "none"
    content = {
        "title": f"{found['case']}: the worst events of {count(found['k'], 'element')}",
        "byline": [f"seed {found['seed']}", duration(found["wall_s"])],
        "lead": _worst_lead(found),
        "charts": _worst_charts(found),
        "tables": [_worst_table(found, answered)],
        "facts_list": _worst_facts(found),
    }
    return save_page(fill_page("events.html", content), folder)


def _worst_charts(found: dict[str, Any]) -> list[tuple[str, Chart]]:
    if not found["events"]:
        return []
    charts = [("Unserved at the peak hour", ranking_chart(found))]
    if found["response"] == "plan":
        charts.insert(0, ("What full service costs", restoring_chart(found)))
    return charts


def _worst_lead(found: dict[str, Any]) -> list[str]:
    if not found["events"]:
        return ["No event was worked out."]
    first = found["events"][0]
    lead = [
        (
            f"Losing {' and '.join(first['elements'])} leaves {first['unserved_mw']:,.2f} MW "
            f"unserved at the peak hour. Response: {RESPONSES[found['response']]}."
        )
    ]
    if found["response"] == "plan":
        cost, money = first["restoring_cost"], found["currency"]
        lead.append(
            "No plan within the budget serves everything then."
            if cost is None
            else f"The cheapest plan that serves everything then costs {fixed(cost, 3)} {money}; "
            "events that leave as much unserved are ranked by that cost."
        )
    if found["exact"]:
        lead.append(
            f"All {found['event_count']:,} events were worked out or ruled out by a proven bound; "
            "each value is a local optimum of the AC model."
        )
    else:
        lead.append("The ranking is not exact: worse events may exist, or better responses.")
    return lead


def _worst_table(found: dict[str, Any], answered: bool) -> Table:
    rows = found["events"]
    columns = [
        words("Event", [", ".join(row["elements"]) for row in rows]),
        numbers("Unserved", "MW", [row["unserved_mw"] for row in rows], decimals=3),
    ]
    if answered:
        without = [row["unserved_mw_without_response"] for row in rows]
        columns += [
            numbers("Without response", "MW", without, decimals=3),
            words("Response", [", ".join(row["response"]) for row in rows]),
            numbers(
                "Restoring cost",
                found["currency"],
                [row["restoring_cost"] for row in rows],
                decimals=3,
            ),
        ]
    note = "Restoring cost: of the cheapest plan within the budget that serves everything; dash: "
    note += "none known." if answered else ""
    return Table("The ranking", columns, note=note if answered else "")


def _worst_facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    by = found["pruned_by"]
    return [
        ("Events", fixed(found["event_count"], 0)),
        ("Elements that count", fixed(len(found["elements"]), 0)),
        ("Worked out", fixed(found["evaluated"], 0)),
        ("Same damage as another", fixed(by["equal"], 0)),
        ("No source is left", fixed(by["no_source"], 0)),
        ("Nothing unserved without a response", fixed(by["served"], 0)),
        ("Proven not to be among the worst", fixed(by["bound"], 0)),
        ("Nonlinear programs", fixed(found["nlp_solves"], 0)),
        ("Time", duration(found["wall_s"])),
    ]


def write_sample_report(found: dict[str, Any], folder: Path) -> Path:
    """Write ``report.html`` of a sample.

    Parameters
    ----------
    found : what :func:`hybridopt.sample_output.sample_summary` gives
    """
    content = {
        "title": f"{found['case']}: {found['events']:,} events drawn at random",
        "byline": [f"seed {found['seed']}", duration(found["wall_s"])],
        "lead": _sample_lead(found),
        "charts": [
            ("Events by unserved energy", distribution_chart(found)),
            ("How often more is unserved", exceedance_chart(found)),
        ],
        "tables": [_indices_table(found), _elements_table(found)],
        "facts_list": _sample_facts(found),
    }
    return save_page(fill_page("events.html", content), folder)


def _sample_lead(found: dict[str, Any]) -> list[str]:
    low, high = found["ci_95"]
    sure = "" if low is None else f" (95 % confidence: {low:,.2f} to {high:,.2f})"
    return [
        (
            f"An event leaves {found['expected_unserved_mwh']:,.2f} MWh unserved in the mean"
            f"{sure}, and {found['cvar_95_unserved_mwh']:,.2f} MWh "
            "in the mean of the worst 5 % of events."
        ),
        (
            f"Response: {RESPONSES[found['response']]}. "
            f"{percent(100 * found['probability_unserved'])} of the events leave load unserved."
        ),
    ]


def _indices_table(found: dict[str, Any]) -> Table:
    rows = [
        (
            "Unserved energy, MWh",
            found["expected_unserved_mwh"],
            *found["ci_95"],
            found["var_95_unserved_mwh"],
            found["cvar_95_unserved_mwh"],
            *found["cvar_95_ci_95"],
        ),
        (
            f"Cost, {found['currency']}",
            found["expected_cost"],
            *found["expected_cost_ci_95"],
            found["var_95_cost"],
            found["cvar_95_cost"],
            *found["cvar_95_cost_ci_95"],
        ),
    ]
    heads = ("Mean", "95 % from", "to", "VaR 95 %", "CVaR 95 %", "95 % from", "to")
    columns = [words("", [row[0] for row in rows])]
    columns += [
        numbers(head, "", [row[k] for row in rows], decimals=2)
        for k, head in enumerate(heads, start=1)
    ]
    note = "Confidence intervals by the bootstrap-t, where enough events tell of them. "
    note += "Cost: unserved energy, plan and operation."
    return Table("Mean and tail", columns, note=note)


def _elements_table(found: dict[str, Any]) -> Table:
    rows = sorted(found["elements"], key=lambda row: -(row["expected_unserved_mwh_if_lost"] or 0))
    columns = [
        words("Element", [row["element"] for row in rows]),
        numbers("Probability", "", [row["probability"] for row in rows], decimals=4),
        numbers("Lost in", "events", [row["lost_in_events"] for row in rows], decimals=0),
        numbers(
            "Mean unserved when lost",
            "MWh",
            [row["expected_unserved_mwh_if_lost"] for row in rows],
            decimals=2,
        ),
    ]
    if found["measure"]:
        unit = found["measure"]["unit"]
        intensity = [row["intensity"] for row in rows]
        columns.insert(1, numbers("Intensity", unit, intensity, decimals=2))
    note = "The mean over the events in which an element is lost, whatever else is lost in them."
    return Table("Elements", columns, note=note)


def _sample_facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Hours of the outage", count(len(found["hours"]), "hour")),
        ("Elements lost in the mean", fixed(found["expected_elements_lost"], 2)),
        ("Events that differ in what they leave", fixed(found["distinct_events"], 0)),
        ("Served in the mean", percent(found["expected_served_percent"], 2)),
        ("Served in the worst 5 % of events", percent(found["cvar_95_served_percent"], 2)),
        ("Failed", fixed(found["failed_events"], 0)),
        ("Time", duration(found["wall_s"])),
    ]
