"""What an allocation is to minimise, and in which units."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.errors import Finding, InputError
from hybridopt.solvers.injections import LOADING, N_GOALS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

# In the order of the kernels' measures.
UNITS = {
    "line_loading": "%, sum over the hours of the largest line loading",
    "losses": "MWh",
    "grid_energy": "MWh drawn from the grid",
    "voltage_deviation": "pu, sum over the hours of the largest deviation from 1 pu",
}
NAMES = tuple(UNITS)
DIGITS = {"line_loading": 3, "losses": 6, "grid_energy": 6, "voltage_deviation": 5}


@dataclass(frozen=True)
class Goal:
    """A weighted sum of objectives, each in its unit; one alone by default.

    Attributes
    ----------
    weights : by name, each above 0
    """

    weights: tuple[tuple[str, float], ...] = (("line_loading", 1.0),)

    @property
    def name(self) -> str:
        """The objective's name; ``weighted`` for several."""
        return self.weights[0][0] if len(self.weights) == 1 else "weighted"

    @property
    def unit(self) -> str:
        """Unit of the value."""
        if len(self.weights) == 1:
            return UNITS[self.weights[0][0]]
        return " + ".join(f"{weight:g} {name}" for name, weight in self.weights)

    def kernel_weights(self, base_mva: float) -> Floats:
        """Weights of the kernels' measures, (4,)."""
        found = np.zeros(N_GOALS)
        for name, weight in self.weights:
            found[NAMES.index(name)] = weight * scale(base_mva)[NAMES.index(name)]
        return found

    def value(self, row: Floats) -> float:
        """Value of measures in their units, (4,)."""
        return float(sum(weight * row[NAMES.index(name)] for name, weight in self.weights))


def scale(base_mva: float) -> Floats:
    """From the kernels' measures to the units, (4,)."""
    return np.array([100.0, base_mva, base_mva, 1.0])


def in_units(measures: Any, base_mva: float) -> Floats:
    """Objectives in their units, (..., 4), of the kernels' measures."""
    found: Floats = measures[..., LOADING : LOADING + N_GOALS] * scale(base_mva)
    return found


def read_goal(text: str, place: str = "--objective") -> Goal:
    """Read a name, or a sum such as ``line_loading+100*losses``.

    Raises
    ------
    InputError
        Unknown or doubled names, weights that are not above 0.
    """
    weights: list[tuple[str, float]] = []
    findings = []
    for part in text.replace(" ", "").split("+"):
        factor, _, name = part.rpartition("*")
        try:
            weight = float(factor) if factor else 1.0
        except ValueError:
            weight = np.nan
        if name not in NAMES:
            findings.append(Finding(f"{place} {name}", f"is none of {', '.join(NAMES)}"))
        elif not 0 < weight < np.inf:
            message = f"the weight of {name} must be a number above 0, found {factor!r}"
            findings.append(Finding(place, message))
        elif name in dict(weights):
            findings.append(Finding(place, f"names {name} more than once"))
        weights.append((name, weight))
    if findings:
        raise InputError(findings)
    return Goal(tuple(weights))
