"""What the arguments of ``hybridopt ed`` stand for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.cases import unit_files
from hybridopt.errors import Finding, InputError, collect
from hybridopt.unit_files import read_demand, read_losses, read_units

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.unit_cost import Losses, Unit


@dataclass(frozen=True)
class EconomicInput:
    """Units, what they have to meet, and their losses.

    Attributes
    ----------
    demand_mw : MW, one number or an array by hour
    """

    units: tuple[Unit, ...]
    demand_mw: float | NDArray[np.float64]
    losses: Losses | None


def read_input(
    units: str, demand: float | None, demand_file: str | None, losses: str | None
) -> EconomicInput:
    """Read the files of a dispatch.

    Parameters
    ----------
    units, demand_file, losses : a CSV file or the name of a built-in one
    demand : MW; either this or ``demand_file``

    Raises
    ------
    InputError
        The findings of all of them.
    """

    def read_first() -> tuple[tuple[Unit, ...], Losses | None]:
        found = read_units(_path(units))
        return found, None if losses is None else read_losses(_path(losses), found)

    (found, coefficients), wanted = collect(read_first, lambda: _demand(demand, demand_file))
    return EconomicInput(found, wanted, coefficients)


def _demand(demand: float | None, file: str | None) -> float | NDArray[np.float64]:
    if (demand is None) == (file is None):
        what = "is missing: give it or --demand-file" if file is None else "and --demand-file: one"
        raise InputError([Finding("--demand", what)])
    if file is not None:
        return read_demand(_path(file))
    assert demand is not None  # noqa: S101  (for mypy)
    if not (np.isfinite(demand) and demand >= 0):
        message = f"must be a number of at least 0, found {demand:g}"
        raise InputError([Finding("--demand", message)])
    return demand


def _path(name: str) -> Path:
    """The file of that name, or else the built-in table."""
    path = Path(name)
    return path if path.exists() else unit_files().get(name, path)
