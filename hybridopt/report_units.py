"""Output of the units per hour, and what it balances."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hybridopt.report_svg import FAMILIES

if TYPE_CHECKING:
    from hybridopt.report_files import RunFiles

MOST_UNITS = 8  # colours that still can be told apart


def unit_label(element: str, name: str, bus: str) -> str:
    """Name of a unit as tables and legends show it, its bus included once."""
    label = name or element
    return label if bus in label.replace("-", " ").split() else f"{label} (bus {bus})"


def unit_powers(run: RunFiles) -> pd.DataFrame:
    """Output of each unit: rows are hours, columns (element, label), MW, largest energy first.

    Units that the event took out and nothing brought back are left out.
    """
    units = run.dispatch
    if units.empty:
        return pd.DataFrame()
    labels = [unit_label(*row) for row in units[["element", "name", "bus"]].itertuples(index=False)]
    units = units.assign(label=labels)
    keys = ["element", "label"]
    table = units.pivot_table(index="hour", columns=keys, values="p_mw", aggfunc="sum").fillna(0.0)
    table.index = table.index.astype(int)
    size = table.abs().sum()
    gone = run.sources.loc[~run.sources["after_plan"], ["kind", "name"]].apply(tuple, axis=1)
    away = units[units[["element", "name"]].apply(tuple, axis=1).isin(set(gone))]
    idle = {unit for unit in away[keys].itertuples(index=False, name=None) if size[unit] == 0}
    order = size.sort_values(ascending=False, kind="stable").index
    return table[[unit for unit in order if unit not in idle]]


def hourly_balance(run: RunFiles) -> pd.DataFrame:
    """Demand, unserved and losses per hour in MW; empty when there is no dispatch."""
    powers = unit_powers(run)
    if powers.empty or run.buses.empty:
        return pd.DataFrame(columns=["demand", "unserved", "losses"])
    hourly = run.buses.groupby("hour")[["demand_mw", "shed_mw"]].sum()
    hourly.index = hourly.index.astype(int)
    hourly = hourly.reindex(powers.index).fillna(0.0)
    losses = powers.sum(axis=1) - (hourly["demand_mw"] - hourly["shed_mw"])
    return pd.DataFrame(
        {"demand": hourly["demand_mw"], "unserved": hourly["shed_mw"], "losses": losses}
    )


def unit_colours(units: pd.Index) -> dict[tuple[str, str], str]:
    """Colour of each of the largest units, shades of one hue for one kind."""
    used: dict[str, int] = {}
    colours = {}
    for element, label in units[:MOST_UNITS]:
        family = FAMILIES.get(element, FAMILIES["sgen"])
        shade = used.get(element, 0)
        used[element] = shade + 1
        if shade < len(family):
            colours[(element, label)] = family[shade]
    return colours
