"""What ``hybridopt reliability`` prints and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridopt.output import versions, write_json
from hybridopt.result_folder import replace_folder
from hybridopt.tables import show, titled_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from hybridopt.reliability_model import ReliabilityModel, Unit
    from hybridopt.reliability_result import ReliabilityIndices

MOST_FAULTS = 10  # rows of the table of faults
INDICES = (  # key, name, unit, digits
    ("saifi", "SAIFI", "1/yr per customer", 4),
    ("saidi_h", "SAIDI", "h/yr per customer", 4),
    ("caidi_h", "CAIDI", "h per interruption", 4),
    ("asai", "ASAI", "", 6),
    ("asui", "ASUI", "", 6),
    ("ens_mwh", "ENS", "MWh/yr", 4),
    ("aens_kwh", "AENS", "kWh/yr per customer", 4),
    ("h_ai_h", "H_AI", "h/yr, reference B (1), the SAIDI", 4),
    ("t_ai", "T_AI", "1/yr, reference B (2), the SAIFI", 4),
    ("n_ai", "N_AI", "customers per event, reference B (3)", 2),
    ("r_ps_percent", "R_PS", "%, reference B (4), the ASAI", 4),
)


def index_values(found: ReliabilityIndices) -> dict[str, float]:
    """The system's indices by key; also what a study's summary may hold."""
    return {
        "saifi": found.saifi,
        "saidi_h": found.saidi_h,
        "caidi_h": found.caidi_h,
        "asai": found.asai,
        "asui": found.asui,
        "ens_mwh": found.total_ens_mwh,
        "aens_kwh": found.aens_kwh,
        "h_ai_h": found.h_ai,
        "t_ai": found.t_ai,
        "n_ai": found.n_ai,
        "r_ps_percent": found.r_ps,
    }


def reliability_summary(
    model: ReliabilityModel,
    found: ReliabilityIndices,
    units: tuple[Unit, ...] = (),
    without: ReliabilityIndices | None = None,
    wall_s: float = 0.0,
) -> dict[str, Any]:
    """What ``reliability --json`` prints; ``without_units`` when there are units."""
    summary: dict[str, Any] = {
        "status": "optimal",
        "system": model.name,
        "customers": int(model.customers.sum()),
        "load_mw": float(model.p_mw.sum() * model.load_factor.mean()),
        **index_values(found),
        "events_per_year": found.events,
    }
    if without is not None:
        summary["without_units"] = index_values(without)
        summary["units"] = [unit._asdict() | {"bus": model.bus_id[unit.bus]} for unit in units]
    return summary | {"wall_s": wall_s, "versions": versions()}


def reliability_tables(
    model: ReliabilityModel, found: ReliabilityIndices, without: ReliabilityIndices | None = None
) -> Iterator[Any]:
    """What ``hybridopt reliability`` shows."""
    values = index_values(found)
    before = None if without is None else index_values(without)
    columns = ("Value",) if before is None else ("Without units", "With units")
    table = titled_table(f"{model.name}: indices of the system", "Index", *columns, "Unit")
    for key, name, unit, digits in INDICES:
        cells = [_cell(v[key], digits) for v in (before, values) if v is not None]
        table.add_row(name, *cells, unit)
    yield table
    yield ""
    yield _points_table(model, found)
    yield ""
    yield _faults_table(found)


def _cell(value: float, digits: int) -> str:
    return show(None if np.isnan(value) else value, digits)


def _points_table(model: ReliabilityModel, found: ReliabilityIndices) -> Any:
    table = titled_table(
        "Load points",
        *("Bus", "Customers", "Load MW", "Interruptions 1/yr", "h each", "h/yr", "ENS MWh/yr"),
    )
    for b in _load_points(model):
        table.add_row(
            model.bus_id[b],
            show(float(model.customers[b]), 0),
            show(float(model.p_mw[b]), 3),
            show(float(found.rate[b]), 4),
            _cell(float(found.outage_h[b]), 3),
            show(float(found.hours[b]), 4),
            show(float(found.ens_mwh[b]), 4),
        )
    return table


def _load_points(model: ReliabilityModel) -> list[int]:
    used = (model.p_mw > 0) | (model.customers > 0)
    return [int(b) for b in np.flatnonzero(used)]


def _faults_table(found: ReliabilityIndices) -> Any:
    order = np.argsort(-found.fault_ens_mwh, kind="stable")
    shown = order[:MOST_FAULTS]
    title = "Faults that cost most energy" if len(order) > MOST_FAULTS else "Faults"
    columns = ("Fault of", "1/yr", "Interruptions 1/yr", "Customer h/yr", "ENS MWh/yr")
    table = titled_table(title, *columns)
    for k in shown:
        table.add_row(
            found.fault_name[k],
            show(float(found.fault_rate[k]), 4),
            show(float(found.fault_interruptions[k]), 3),
            show(float(found.fault_customer_hours[k]), 3),
            show(float(found.fault_ens_mwh[k]), 4),
        )
    return table


def write_reliability(
    folder: Path,
    model: ReliabilityModel,
    found: ReliabilityIndices,
    summary: dict[str, Any],
) -> None:
    """Write ``reliability.csv``, ``faults.csv`` and ``summary.json``."""
    at = _load_points(model)
    points = pd.DataFrame(
        {
            "bus": [model.bus_id[b] for b in at],
            "customers": model.customers[at].astype(int),
            "p_mw": model.p_mw[at],
            "interruptions_per_year": found.rate[at],
            "outage_h": found.outage_h[at],
            "hours_per_year": found.hours[at],
            "ens_mwh_per_year": found.ens_mwh[at],
        }
    )
    faults = pd.DataFrame(
        {
            "fault": found.fault_name,
            "failures_per_year": found.fault_rate,
            "customer_interruptions_per_year": found.fault_interruptions,
            "customer_hours_per_year": found.fault_customer_hours,
            "ens_mwh_per_year": found.fault_ens_mwh,
        }
    )

    def fill(fresh: Path) -> None:
        points.to_csv(fresh / "reliability.csv", index=False)
        faults.to_csv(fresh / "faults.csv", index=False)
        write_json(fresh / "summary.json", summary)

    replace_folder(folder, fill)
