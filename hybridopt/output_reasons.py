"""Reasons for a plan, as summary.json and the tables have them."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridopt.reasons import Contribution
from hybridopt.result_prices import binding_frame

if TYPE_CHECKING:
    from pathlib import Path

    from hybridopt.reasons import Reasons
    from hybridopt.study import StudyResult

DEAREST = 10  # limits of the day that the summary names
BEST = 3  # limits and buses of an hour with load unserved


def reasons_dict(result: StudyResult) -> dict[str, Any]:
    """What the summary says of the reasons for its plan."""
    if result.reasons is None:
        return {}
    limits = binding_frame(result.dispatch)
    price = limits.sort_values("price_per_unit", ascending=False, kind="stable")
    short = result.reasons.shortfall
    hours = []
    for hour, unserved in zip(result.dispatch.hours, result.dispatch.unserved_mw, strict=True):
        rows = short[short.hour == hour]
        if unserved > result.scenario.settings.unserved_tolerance_mw:
            supply = rows[rows.limit == "supply"].head(BEST)
            hours.append(
                {
                    "hour": hour,
                    "unserved_mw": unserved,
                    "limits": _records(rows[rows.limit != "supply"].head(BEST)),
                    "buses": [
                        {"bus": row["name"], "served_mw_per_mw": row["served_mw_per_unit"]}
                        for row in _records(supply)
                    ],
                }
            )
    return {
        "elements": [asdict(found) for found in result.reasons.contributions],
        "binding_limits": len(limits),
        "dearest_limits": _records(price[price.price_per_unit > 0].head(DEAREST)),
        "shortfall": hours,
    }


def _records(rows: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in rows.to_dict("records")]


def write_reasons(reasons: Reasons | None, folder: Path) -> None:
    """Write reasons.csv (without rows when there are none), and shortfall.csv where it has some."""
    columns = [field.name for field in fields(Contribution)]
    rows = [] if reasons is None else [asdict(found) for found in reasons.contributions]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "reasons.csv", index=False)
    if reasons is not None and len(reasons.shortfall):
        reasons.shortfall.to_csv(folder / "shortfall.csv", index=False)
