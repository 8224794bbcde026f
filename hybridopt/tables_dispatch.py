"""What ``hybridopt dispatch`` shows on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.result_prices import binding_frame
from hybridopt.single_dispatch import units_at_rest
from hybridopt.tables import show, titled_table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from rich.table import Table

    from hybridopt.result import Dispatch
    from hybridopt.single_dispatch import SingleDispatch

MOST_UNITS = 40  # rows of an hour's table
MOST_COLUMNS = 6  # units and storage that have a column of their own over the day
MOST_LIMITS = 10


def dispatch_tables(result: SingleDispatch) -> Iterator[Any]:
    """Tables and lines of a dispatch."""
    d, currency = result.dispatch, result.scenario.case.currency
    if len(d.hours) == 1:
        yield from _hour_tables(d, currency)
    else:
        yield _day_table(d)
    yield ""
    limits = binding_frame(d)
    if len(limits):
        yield _limits_table(limits, currency)
        yield ""
    per = "h" if len(d.hours) == 1 else f"{len(d.hours)} h"
    yield f"Operating cost: {d.operating_cost:,.4f} {currency} ({per})"
    if d.prices is not None and np.isfinite(d.prices.energy).any():
        low, high = np.nanmin(d.prices.energy), np.nanmax(d.prices.energy)
        yield f"Marginal prices: {low:,.2f} to {high:,.2f} {currency}/MWh"
    if d.curtailed_mwh > 1e-6:
        yield f"Curtailed: {d.curtailed_mwh:,.3f} MWh"
    yield from _remarks(d)
    check = result.verification
    mismatch = check.max_mismatch_mva or 0.0
    yield f"Verified by pandapower: {check.hours_checked} h, mismatch {mismatch:.1e} MVA"


def _remarks(d: Dispatch) -> Iterator[str]:
    """Units that had to stand still, and hours in which not every objective was reached."""
    rest = units_at_rest(d)
    for unit in rest[:MOST_LIMITS]:
        hours = ", ".join(map(str, unit["hours"]))
        yield f"At rest, as there is no feasible point otherwise: {unit['unit']}, hour {hours}"
    if len(rest) > MOST_LIMITS:
        yield f"... and {len(rest) - MOST_LIMITS} more units at rest"
    loose = [str(h) for h, status in zip(d.hours, d.status, strict=True) if status == "acceptable"]
    if loose:
        yield f"Feasible, but perhaps not optimal (status acceptable): hour {', '.join(loose)}"


def _hour_tables(d: Dispatch, currency: str) -> Iterator[Any]:
    columns = ("Unit", "P MW", "Q Mvar", "Max MW", f"Cost {currency}/h")
    table = titled_table("Dispatch", *columns)
    order = np.flatnonzero(d.running[0])
    for k in order[:MOST_UNITS]:
        values = (d.p_mw[0, k], d.q_mvar[0, k], d.rating_mw[k])
        row = (d.unit_name[k], *(show(v, 3) for v in values), show(d.unit_cost[0, k], 2))
        table.add_row(*row)
    yield table
    if len(order) > MOST_UNITS:
        yield f"... and {len(order) - MOST_UNITS} more units (--out DIR writes them all)"
    if len(d.store_name):
        yield _storage_table(d)
    yield (
        f"Load {show(d.demand_mw.sum(), 3)} MW, unserved {show(d.unserved_mw[0], 3)} MW, "
        f"losses {show(d.loss_mw[0], 3)} MW"
    )


def _storage_table(d: Dispatch) -> Table:
    table = titled_table("Storage", "Name", "P MW (charging +)", "Q Mvar", "Content MWh")
    for k, name in enumerate(d.store_name):
        values = (d.store_p_mw[0, k], d.store_q_mvar[0, k], d.store_energy_mwh[0, k])
        table.add_row(name, *(show(v, 3) for v in values))
    return table


def _day_table(d: Dispatch) -> Table:
    """Power hour by hour, each unit's in a column of its own where there are few."""
    units, power = d.unit_name, d.p_mw
    stores, stored = tuple(f"{name} (charging +)" for name in d.store_name), d.store_p_mw
    if len(units) + len(stores) > MOST_COLUMNS:
        units, power = ("Generation",), power.sum(axis=1, keepdims=True)
        if stores:
            stores, stored = ("Storage (charging +)",), stored.sum(axis=1, keepdims=True)
    table = titled_table("Dispatch, MW", "Hour", *units, *stores, "Load", "Unserved", "Losses")
    for t, hour in enumerate(d.hours):
        sums = (d.demand_mw[t].sum(), d.unserved_mw[t], d.loss_mw[t])
        values = np.array([*power[t], *stored[t], *sums])
        table.add_row(str(hour), *(show(v, 2) for v in np.where(abs(values) < 5e-3, 0.0, values)))
    return table


def _limits_table(limits: Any, currency: str) -> Table:
    """The dearest binding limits, and how many there are."""
    dear = limits.sort_values("price_per_unit", ascending=False, kind="stable")
    title = f"Binding limits ({len(limits)}), the dearest first"
    table = titled_table(
        title, "Hour", "Element", "Limit", "Value", "Unit", f"{currency}/h per unit"
    )
    for row in dear.head(MOST_LIMITS).itertuples():
        name = f"{row.element} {row.name}" if row.element != "unit" else str(row.name)
        values = (show(row.value, 3), row.unit, show(row.price_per_unit, 3))
        table.add_row(str(row.hour), name, row.limit, *values)
    return table
