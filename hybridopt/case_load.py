"""The load over the day: the case file's ``[load]`` table and the horizon made from it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema

from hybridopt.case_fields import BusKey, Day, Fraction, NonNegative, Table
from hybridopt.case_tables import HOURS


@dataclass(frozen=True, eq=False)
class Horizon:
    """The day over which a grid is dispatched.

    Attributes
    ----------
    load_factor : (24, n_bus), factor on each bus's load
    dg_profile : (24,), share of a DG's rating that is available
    hours : (24,), names of the hours, 1..24
    dt_h : length of each step, h
    unit_profile : (24, n_gen) share of each unit's largest output that is available; None for all
    price : (24, n_gen), currency per MWh on top of each unit's cost; None for none
    """

    load_factor: NDArray[np.float64]
    dg_profile: NDArray[np.float64]
    hours: NDArray[np.int64]
    dt_h: float = 1.0
    unit_profile: NDArray[np.float64] | None = None
    price: NDArray[np.float64] | None = None

    def peak(self, p_demand: ArrayLike) -> int:
        """Give the position of the hour with the largest load (the first of several).

        Parameters
        ----------
        p_demand : (n_bus,), any unit of power; loads before the factors
        """
        return int(np.argmax(self.load_factor @ np.asarray(p_demand, dtype=float)))


def _check_shares(shares: dict[str, float], info: ValidationInfo) -> dict[str, float]:
    classes = info.data.get("classes")
    for name in shares:
        if classes is not None and name not in classes:
            known = f"the classes are {', '.join(classes)}" if classes else "there are no classes"
            raise ValueError(f"class {name!r} has no curve; {known}")
    total = sum(shares.values())
    if abs(total - 1) > 1e-6:
        raise ValueError(f"the shares must add up to 1, found {total:g}")
    return shares


Shares = Annotated[dict[str, Fraction], AfterValidator(_check_shares)]

_SHARES_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {
            "type": "object",
            "propertyNames": {"pattern": r"^(0|[1-9]\d*)$"},
            "additionalProperties": {
                "type": "object",
                "additionalProperties": {"type": "number", "minimum": 0, "maximum": 1},
            },
        },
        {"type": "string", "description": "CSV file, columns bus,class,share"},
    ]
}


class Load(Table):
    """How the network's loads, taken as the peak, vary over the day."""

    scale: NonNegative = 1.0
    """Factor on every load at every hour."""
    curve: Day | None = None
    """One curve for all loads: 24 factors, hour 1 first, or a CSV file (hour, factor)."""
    classes: dict[str, Day] = Field(default_factory=dict)
    """Instead one curve per customer class, by the class's name: 24 factors or a CSV file."""
    shares: Annotated[dict[BusKey, Shares], WithJsonSchema(_SHARES_SCHEMA)] = Field(
        default_factory=dict
    )
    """Share of each class in a bus's load (sum 1), by bus label, or a CSV (bus, class, share)."""
    default_shares: Shares | None = None
    """Shares at the buses that `shares` doesn't name; not needed with a single class."""

    def factors(
        self, bus_labels: Sequence[int], load_buses: Iterable[int]
    ) -> tuple[NDArray[np.float64], dict[int, str]]:
        """Give the factor on each bus's load, and the buses for which there is none and why.

        Parameters
        ----------
        bus_labels : (n_bus,), in the order of the columns
        load_buses : labels of the buses that need a factor

        Returns
        -------
        factors : (24, n_bus); a bus without load and without shares has `scale` at every hour
        problems : message by bus label
        """
        factors = np.ones((HOURS, len(bus_labels)))
        if self.curve is not None:
            factors *= np.array(self.curve)[:, None]
        problems = {
            bus: f"bus {bus} is not in the network" for bus in self.shares.keys() - set(bus_labels)
        }
        fallback = self.default_shares
        if len(self.classes) == 1:
            fallback = fallback or dict.fromkeys(self.classes, 1.0)
        needed = set(load_buses) if self.classes else set()
        for column, bus in enumerate(bus_labels):
            shares = self.shares.get(bus, fallback)
            if shares:
                parts = [share * np.array(self.classes[name]) for name, share in shares.items()]
                factors[:, column] = np.sum(parts, axis=0)
            elif bus in needed:
                problems[bus] = f"bus {bus} has load but no share of any class; add default_shares"
        return factors * self.scale, problems
