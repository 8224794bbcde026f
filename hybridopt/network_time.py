"""What a case says about the hours of its network: storage, availability, prices."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.case_tables import HOURS
from hybridopt.grid import Storage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.case import Case
    from hybridopt.elements import Elements
    from hybridopt.grid import Grid

    Floats = NDArray[np.float64]


def with_storage(case: Case, elements: Elements, grid: Grid) -> Grid:
    """Add the case's storage to the network's own."""
    rows: list[dict[str, Any]] = []
    for k, unit in enumerate(case.storage):
        bus = elements.bus(unit.bus, f"storage[{k}].bus")
        if bus is None:
            continue
        half = max(unit.energy_mwh / 2, unit.min_energy_mwh)
        start = half if unit.start_energy_mwh is None else unit.start_energy_mwh
        powers = {
            "charge_max": unit.charge_mw,
            "discharge_max": unit.discharge_mw or unit.charge_mw,
            "q_min": -unit.max_q_mvar,
            "q_max": unit.max_q_mvar,
            "energy_min": unit.min_energy_mwh,
            "energy_max": unit.energy_mwh,
            "energy_start": start,
            "energy_end": start if unit.end_energy_mwh is None else unit.end_energy_mwh,
        }
        rows.append(
            {name: value / grid.base_mva for name, value in powers.items()}
            | {
                "name": unit.name or f"storage {unit.bus}",
                "index": -1,
                "bus": bus,
                "eta_in": unit.charge_efficiency,
                "eta_out": unit.discharge_efficiency,
                "in_service": True,
            }
        )
    if not rows:
        return grid
    own = grid.storage
    joined: dict[str, Any] = {}
    for field in fields(Storage):
        old, new = getattr(own, field.name), [row[field.name] for row in rows]
        is_name = field.name == "name"
        joined[field.name] = (*old, *new) if is_name else np.append(old, new).astype(old.dtype)
    return replace(grid, storage=Storage(**joined))


def unit_profiles(
    case: Case, elements: Elements, grid: Grid
) -> tuple[Floats | None, Floats | None]:
    """Availability and prices of the grid's units.

    Returns
    -------
    availability : (24, n_gen), 1; None where the case gives none
    price : (24, n_gen), currency per MWh on top of the units' costs; None where it gives none
    """
    availability, price = None, None
    if case.availability:
        availability = np.ones((HOURS, grid.n_gen))
        for written, profile in case.availability.items():
            key = ("availability", str(written))
            units = elements.units(written, key, "gen")
            for unit in units:
                if not np.isfinite(grid.p_max[unit]):
                    elements.miss(key, f"{written} has no largest output to take a share of")
                availability[:, unit] = profile
    if case.costs.import_price is not None:
        price = np.zeros((HOURS, grid.n_gen))
        grids = [k for k, kind in enumerate(grid.gen_kind) if kind == "ext_grid"]
        if not grids:
            elements.miss("costs.import_price", "the network has no external grid")
        price[:, grids] = np.array(case.costs.import_price)[:, None]
    return availability, price
