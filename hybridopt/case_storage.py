"""Storage: the case file's ``[[storage]]`` tables."""

from typing import Self

from pydantic import ValidationInfo, field_validator, model_validator

from hybridopt.case_fields import BusLabel, Efficiency, NonNegative, Positive, Table
from hybridopt.case_tables import HOURS


class StorageUnit(Table):
    """A battery or the like, beside the network's own."""

    name: str = ""
    """Name in results; made from the bus if not given."""
    bus: BusLabel
    energy_mwh: Positive
    """Largest content."""
    charge_mw: Positive
    """Largest power taken from the grid."""
    discharge_mw: Positive | None = None
    """Largest power given to the grid; as charge_mw if not given."""
    charge_efficiency: Efficiency = 1.0
    """Share of the power taken that is stored."""
    discharge_efficiency: Efficiency = 1.0
    """Share of the content withdrawn that reaches the grid."""
    min_energy_mwh: NonNegative = 0.0
    """Least content."""
    start_energy_mwh: NonNegative | None = None
    """Content before the first hour; half of energy_mwh if not given."""
    end_energy_mwh: NonNegative | None = None
    """Least content after the last hour; as at the start if not given."""
    max_q_mvar: NonNegative = 0.0
    """Largest reactive power, either way."""

    @field_validator("min_energy_mwh", "start_energy_mwh", "end_energy_mwh")
    @classmethod
    def _fits(cls, value: float | None, info: ValidationInfo) -> float | None:
        most, least = info.data.get("energy_mwh"), info.data.get("min_energy_mwh", 0.0)
        if value is not None and most is not None and value > most:
            raise ValueError(f"must be at most energy_mwh = {most:g}, found {value:g}")
        if value is not None and value < least:
            raise ValueError(f"must be at least min_energy_mwh = {least:g}, found {value:g}")
        return value

    @model_validator(mode="after")
    def _can_be_filled(self) -> Self:
        start, end = self.start_energy_mwh, self.end_energy_mwh
        if end is None:
            return self
        if start is None:
            start = max(self.energy_mwh / 2, self.min_energy_mwh)
        most = start + HOURS * self.charge_mw * self.charge_efficiency
        if end > most:
            raise ValueError(
                f"end_energy_mwh {end:g} is out of reach: charging gives {most:g} at most"
            )
        return self
