"""Limits that a case gives to single branches and units, in the Grid and in its pandapower net."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.network_units import CONSUMERS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from hybridopt.case import Case
    from hybridopt.case_place import KeyPath
    from hybridopt.elements import Elements
    from hybridopt.grid import Grid


def with_limits(case: Case, elements: Elements, grid: Grid, net: Any) -> Grid:
    """Apply the case's ratings of branches and largest powers of units.

    Parameters
    ----------
    elements : looks them up; what isn't there becomes a finding of it
    net : gets the same ratings, so that pandapower's loading refers to them
    """
    rated = _with_unit_limits(case, elements, _with_ratings(case, elements, grid, net))
    return _with_ramps(case, elements, rated)


def _with_ratings(case: Case, elements: Elements, grid: Grid, net: Any) -> Grid:
    """Limits on apparent power, the same at both ends."""
    rate_from, rate_to = grid.rate_from.copy(), grid.rate_to.copy()
    share, is_power = grid.rate_share.copy(), grid.rate_is_power.copy()
    named: dict[int, str] = {}
    for written, mva in case.limits.ratings.items():
        key = ("limits", "ratings", written)
        found = [k for kind in ("line", "trafo") for k in elements.branches(written, kind)]
        if not found:
            elements.miss(key, f"no line or transformer {written} in the network")
        elif len(found) > 1:
            elements.miss(key, f"{len(found)} branches are called {written!r}; name them by buses")
        elif found[0] in named:
            elements.miss(key, f"is the same branch as {named[found[0]]!r}")
        else:
            branch = found[0]
            named[branch] = written
            rate_from[branch] = rate_to[branch] = mva / grid.base_mva
            share[branch], is_power[branch] = 1.0, True
            _rate(net, grid, branch, mva)
    return replace(
        grid, rate_from=rate_from, rate_to=rate_to, rate_share=share, rate_is_power=is_power
    )


def _rate(net: Any, grid: Grid, branch: int, mva: float) -> None:
    """Rate a branch of the net: a line at nominal voltage, a transformer at its impedance.

    pandapower gives a transformer's impedance and magnetising current in percent of its rating.
    """
    kind, index = grid.branch_kind[branch], grid.branch_index[branch]
    table = net[kind]
    circuits = float(table.at[index, "df"]) * float(table.at[index, "parallel"])
    for column, value in (("max_loading_percent", 100.0), ("rate_mva", mva)):
        if column in table:
            table.loc[index, column] = value
    if kind == "line":
        nominal_kv = float(net.bus.at[table.at[index, "from_bus"], "vn_kv"])
        table.loc[index, "max_i_ka"] = mva / circuits / nominal_kv / np.sqrt(3)
        return
    ratio = mva / circuits / float(table.at[index, "sn_mva"])
    for column, factor in (
        ("sn_mva", ratio),
        ("vk_percent", ratio),
        ("vkr_percent", ratio),
        ("i0_percent", 1 / ratio),
    ):
        table[column] = table[column].astype(float)
        table.loc[index, column] *= factor


def _with_unit_limits(case: Case, elements: Elements, grid: Grid) -> Grid:
    """Largest active powers; the network's own lower limits stay.

    A unit without any is a synchronous condenser: it holds a voltage, but energises no island.
    """
    p_max, forming = grid.p_max.copy(), grid.gen_forming.copy()
    for unit, mw, key in _named_units(elements, grid, "generators", case.limits.generators):
        low = float(grid.p_min[unit]) * grid.base_mva
        if mw < low:
            elements.miss(key, f"must be at least the unit's minimum of {low:g} MW")
        p_max[unit] = mw / grid.base_mva
        forming[unit] &= mw > 0
    return replace(grid, p_max=p_max, gen_forming=forming)


def _with_ramps(case: Case, elements: Elements, grid: Grid) -> Grid:
    """Largest changes of active power between hours, the same up and down."""
    up, down = grid.ramp_up.copy(), grid.ramp_down.copy()
    for unit, mw, _ in _named_units(elements, grid, "ramps", case.limits.ramps):
        up[unit] = down[unit] = mw / grid.base_mva
    return replace(grid, ramp_up=up, ramp_down=down)


def _named_units(
    elements: Elements, grid: Grid, table: str, limits: Mapping[str | int, float]
) -> Iterator[tuple[int, float, KeyPath]]:
    """Each unit that a table of limits names, with its value and key; misses become findings."""
    named: dict[int, str | int] = {}
    for written, value in limits.items():
        key: KeyPath = ("limits", table, str(written))
        units = _units(elements, grid, written)
        if not units:
            where = f"at bus {written}" if isinstance(written, int) else f"called {written!r}"
            elements.miss(key, f"no generator or external grid {where}")
        for unit in units:
            if unit in named:
                elements.miss(key, f"is the same unit as {named[unit]!r}")
            else:
                yield unit, value, key
            named[unit] = written


def _units(elements: Elements, grid: Grid, written: str | int) -> list[int]:
    """Generators and external grids at a bus, or of a name."""
    sources = [k for k, kind in enumerate(grid.gen_kind) if kind not in CONSUMERS]
    if isinstance(written, int):
        bus = elements.bus_position.get(written)
        return [k for k in sources if grid.gen_bus[k] == bus]
    return [k for k in sources if grid.gen_name[k] == written]
