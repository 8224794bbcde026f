"""What ``hybridopt sample`` prints and writes."""

from __future__ import annotations

import shutil
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridopt.case_events import MEASURES
from hybridopt.events_report import write_sample_report
from hybridopt.output import versions, write_json
from hybridopt.result_folder import CHECKPOINT, replace_folder
from hybridopt.sample import costs
from hybridopt.tables import show, titled_table
from hybridopt.tail_risk import ALPHA, RESAMPLES, conditional_value_at_risk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hybridopt.sample import SampleResult

BINS = 30  # of the distribution
MOST_STEPS = 1000  # of the share of events that leave more


def sample_summary(result: SampleResult) -> dict[str, Any]:
    """The content of summary.json."""
    case, options, answers = result.scenario.case, result.options, result.answers
    unserved = np.array([a.unserved_mwh for a in answers])
    demand = np.array([a.demand_mwh for a in answers])
    served = np.divide(demand - unserved, demand, out=np.ones_like(demand), where=demand > 0)
    mean = {
        name: float(np.mean([getattr(a, name) for a in answers]))
        for name in ("unserved_peak_mw", "operating_cost", "plan_cost")
    }
    return {
        "command": "sample",
        "case": case.name,
        "title": case.title,
        "seed": result.seed,
        "status": _status({a.status for a in answers}),
        "currency": case.currency,
        "response": options.response,
        "hours": list(options.hours),
        "events": options.n_events,
        "expected_unserved_mwh": result.unserved.mean,
        "cvar_95_unserved_mwh": result.unserved.cvar,
        "var_95_unserved_mwh": result.unserved.var,
        "ci_95": _ends(result.unserved.mean_ci),
        "cvar_95_ci_95": _ends(result.unserved.cvar_ci),
        "max_unserved_mwh": float(unserved.max()),
        "expected_cost": result.cost.mean,
        "cvar_95_cost": result.cost.cvar,
        "var_95_cost": result.cost.var,
        "expected_cost_ci_95": _ends(result.cost.mean_ci),
        "cvar_95_cost_ci_95": _ends(result.cost.cvar_ci),
        "expected_unserved_cost": float(unserved.mean() * case.value_of_lost_load),
        "expected_operating_cost": mean["operating_cost"],
        "expected_plan_cost": mean["plan_cost"],
        "probability_unserved": float((unserved > 0).mean()),
        "expected_unserved_peak_mw": mean["unserved_peak_mw"],
        "expected_served_percent": float(100 * served.mean()),
        "cvar_95_served_percent": float(100 * _worst_share(served)),
        "expected_elements_lost": float(result.draws.lost.sum(axis=1).mean()),
        "confidence": {"level": ALPHA, "method": "bootstrap-t", "resamples": RESAMPLES},
        "elements": element_rows(result, unserved),
        "distribution": _distribution(unserved),
        "worst_event": int(np.argmax(unserved)) + 1,
        "distinct_events": result.distinct,
        "statuses": dict(Counter(a.status for a in answers)),
        "failed_events": sum(a.status == "failed" for a in answers),
        "measure": _measure(result),
        "resumed_events": result.resumed,
        "wall_s": result.wall_s,
        "versions": versions(),
    }


def _status(found: set[str]) -> str:
    """Of the sample: an event without a feasible point counts as dark, one that failed does not."""
    return "failed" if "failed" in found else "optimal" if found == {"optimal"} else "acceptable"


def _worst_share(served: np.ndarray[Any, Any]) -> float:
    """Mean share served in the worst 5 % of the events (the CVaR of what is not)."""
    return 1.0 - float(conditional_value_at_risk(1.0 - served))


def _measure(result: SampleResult) -> dict[str, str] | None:
    """What intensities are, where there are any."""
    sample = result.scenario.case.sample
    if sample is None or np.isnan(result.exposure.intensity).all():
        return None
    return {"name": sample.measure, "unit": MEASURES[sample.measure]}


def element_rows(result: SampleResult, unserved: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
    """How likely each element fails, how often it did, and the mean of the events in which."""
    chance = result.exposure.probability()
    rows = []
    for k, element in enumerate(result.exposure.elements):
        lost = result.draws.lost[:, k]
        rows.append(
            {
                "element": element.name,
                "probability": float(chance[k]),
                "intensity": float(result.exposure.intensity[k]),
                "lost_in_events": int(lost.sum()),
                "expected_unserved_mwh_if_lost": float(unserved[lost].mean())
                if lost.any()
                else None,
            }
        )
    return rows


def _distribution(unserved: np.ndarray[Any, Any]) -> dict[str, list[float]]:
    """Events by their unserved energy, in equal classes; share that leaves more than so much.

    The share is that of every value that occurs, and holds up to the next one; where there are
    more than :data:`MOST_STEPS`, of so many of them.
    """
    counts, edges = np.histogram(unserved, BINS, (0.0, max(float(unserved.max()), 1e-9)))
    values = np.unique(np.append(unserved, 0.0))
    if len(values) > MOST_STEPS:
        values = values[np.linspace(0, len(values) - 1, MOST_STEPS).round().astype(int)]
    beyond = len(unserved) - np.searchsorted(np.sort(unserved), values, side="right")
    return {
        "edges_mwh": edges.tolist(),
        "events": counts.tolist(),
        "exceeded_share": (beyond / len(unserved)).tolist(),
        "exceeded_mwh": values.tolist(),
    }


def events_frame(result: SampleResult) -> pd.DataFrame:
    """One row for each event; costs in the case's currency."""
    price = result.scenario.case.value_of_lost_load
    cost = costs(result.answers, price)
    first: dict[str, int] = {}
    rows = []
    for i, (key, answer) in enumerate(zip(result.keys, result.answers, strict=True)):
        lost = result.lost_by(i)
        equal = first.setdefault(key, i + 1)
        rows.append(
            {
                "event": i + 1,
                "elements": "; ".join(element.name for element in lost),
                "elements_lost": len(lost),
                "intensity_factor": float(result.draws.factor[i]),
                "same_as_event": equal,
                "unserved_mwh": answer.unserved_mwh,
                "unserved_peak_mw": answer.unserved_peak_mw,
                "demand_mwh": answer.demand_mwh,
                "unserved_cost": answer.unserved_mwh * price,
                "operating_cost": answer.operating_cost,
                "plan_cost": answer.plan_cost,
                "cost": float(cost[i]),
                "status": answer.status,
            }
        )
    return pd.DataFrame(rows)


def write_sample(result: SampleResult, folder: Path) -> None:
    """Write summary.json, events.csv and report.html as a whole; the answers stay beside them."""
    found = sample_summary(result)

    def fill(fresh: Path) -> None:
        if (folder / CHECKPOINT).exists():
            shutil.copyfile(folder / CHECKPOINT, fresh / CHECKPOINT)
        write_json(fresh / "summary.json", found)
        events_frame(result).to_csv(fresh / "events.csv", index=False)
        write_sample_report(found, fresh)

    replace_folder(folder, fill)


def _ends(interval: tuple[float, float] | None) -> list[float | None]:
    return [None, None] if interval is None else list(interval)


def sample_tables(result: SampleResult) -> Iterator[Any]:
    """What ``hybridopt sample`` shows."""
    found = sample_summary(result)
    money = found["currency"]
    title = f"{found['case']}: {found['events']:,} events, response {found['response']}"
    table = titled_table(title, "", "Found", "95 % from", "to")
    for name, key, interval, digits in (
        ("Unserved MWh, mean", "expected_unserved_mwh", "ci_95", 2),
        ("Unserved MWh, CVaR 95 %", "cvar_95_unserved_mwh", "cvar_95_ci_95", 2),
        (f"Cost {money}, mean", "expected_cost", "expected_cost_ci_95", 0),
        (f"Cost {money}, CVaR 95 %", "cvar_95_cost", "cvar_95_cost_ci_95", 0),
    ):
        table.add_row(name, show(found[key], digits), *(show(x, digits) for x in found[interval]))
    yield table
    yield in_words(found)


def in_words(found: dict[str, Any]) -> str:
    """The other figures in a sentence or two."""
    words = (
        f"{100 * found['probability_unserved']:.1f} % of the events leave load unserved; "
        f"{found['expected_served_percent']:.2f} % of the energy is served in the mean, "
        f"{found['cvar_95_served_percent']:.2f} % in the worst 5 % of events. "
        f"{found['distinct_events']:,} of the events differ in what they leave"
    )
    if found["failed_events"]:
        words += f"; {found['failed_events']} failed and count as dark"
    return words + "."
