"""What ``hybridopt worst`` prints and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridopt.event_response import NEVER
from hybridopt.events_report import write_worst_report
from hybridopt.output import versions, write_json
from hybridopt.result_folder import replace_folder
from hybridopt.tables import show, titled_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hybridopt.worst import WorstEvent, WorstResult


def worst_summary(result: WorstResult) -> dict[str, Any]:
    """The content of summary.json."""
    case, options = result.scenario.case, result.options
    found: dict[str, Any] = {
        "command": "worst",
        "case": case.name,
        "title": case.title,
        "seed": result.seed,
        "status": "failed" if result.failed else "optimal" if result.exact else "acceptable",
        "currency": case.currency,
        "k": options.k,
        "response": options.response,
        "elements": [element.name for element in options.elements],
        "events": [event_row(result, e) for e in result.events[: options.top] if e.answer],
        "exact": result.exact,
        "event_count": options.count,
        "evaluated": result.evaluated,
        "pruned": sum(result.pruned.values()),
        "pruned_by": result.pruned,
        "failed_events": result.failed,
        "nlp_solves": result.solves,
        "budget": case.budget if options.response == "plan" else None,
        "max_switched": options.max_switched if options.response == "switching" else None,
        "stopped_because": result.run.stopped_because if result.run else None,
        "wall_s": result.wall_s,
        "versions": versions(),
    }
    return found


def event_row(result: WorstResult, event: WorstEvent) -> dict[str, Any]:
    """One event as summary.json has it; what is not known is None."""
    names = [result.options.elements[k].name for k in event.chosen]
    answer = event.answer
    cost = None if answer is None or answer.restoring_cost == NEVER else answer.restoring_cost
    return {
        "elements": names,
        "unserved_mw": None if answer is None else answer.unserved_mw,
        "unserved_mw_without_response": event.without.unserved_mw,
        "restoring_cost": cost,
        "response": [] if answer is None else list(answer.actions),
        "proven": None if answer is None else answer.proven,
        "status": (answer or event.without).status,
    }


def events_frame(result: WorstResult) -> pd.DataFrame:
    """Every event that was looked at, the worst first."""
    rows = [event_row(result, event) for event in result.events]
    frame = pd.DataFrame(rows)
    for name in ("elements", "response"):
        frame[name] = ["; ".join(words) for words in frame[name]]
    frame.insert(0, "rank", range(1, len(frame) + 1))
    return frame


def write_worst(result: WorstResult, folder: Path) -> None:
    """Write summary.json, events.csv and report.html as a whole."""
    found = worst_summary(result)

    def fill(fresh: Path) -> None:
        write_json(fresh / "summary.json", found)
        events_frame(result).to_csv(fresh / "events.csv", index=False)
        write_worst_report(found, fresh)

    replace_folder(folder, fill)


def worst_tables(result: WorstResult) -> Iterator[Any]:
    """What ``hybridopt worst`` shows."""
    found = worst_summary(result)
    heads = ["Event", "Unserved MW", "Without response MW"]
    answered = result.options.response != "none"
    heads = [*heads, f"Restoring cost {found['currency']}", "Response"] if answered else heads[:2]
    elements = "1 element" if found["k"] == 1 else f"{found['k']} elements"
    title = f"{found['case']}: worst events of {elements}, response {found['response']}"
    table = titled_table(title, *heads)
    for row in found["events"]:
        cells = [", ".join(row["elements"]), show(row["unserved_mw"])]
        if answered:
            cells += [
                show(row["unserved_mw_without_response"]),
                show(row["restoring_cost"], 3),
                ", ".join(row["response"]),
            ]
        table.add_row(*cells)
    yield table
    yield how_sure(found)


def how_sure(found: dict[str, Any]) -> str:
    """How many events were looked at, and what that proves."""
    count = f"{found['event_count']:,} events: {found['evaluated']:,} worked out"
    reasons = {
        "equal": "do the same damage as another",
        "no_source": "leave no source",
        "served": "leave nothing unserved",
        "bound": "cannot be among the worst",
    }
    parts = [f"{n:,} {reasons[name]}" for name, n in found["pruned_by"].items() if n]
    words = "; ".join([count, *parts])
    if not found["exact"]:
        if found["stopped_because"]:
            reason = found["stopped_because"].replace("plan", "event")
            words += f". Not exact: the genetic algorithm chose which ({reason})"
        else:
            words += ". Not exact: the best response of some events is not proven"
    if found["failed_events"]:
        words += f". {found['failed_events']} failed"
    return words + "."
