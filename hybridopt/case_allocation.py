"""Allocation of profiles to points: the case file's ``[allocation]`` table."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from hybridopt.case_fields import (
    BusLabel,
    Efficiency,
    Fraction,
    NonNegative,
    Positive,
    PowerFactor,
    Table,
    refuse_repeats,
)


class Battery(Table):
    """A battery at a point."""

    bus: BusLabel
    """Label of the point's bus."""
    power_mw: Positive
    """Largest power taken from and given to the network, MW."""
    energy_mwh: Positive
    """Energy that it holds, MWh."""
    efficiency: Efficiency = 0.95
    """Share that remains of what is stored, and of what is given."""
    start: Fraction = 0.5
    """Share of the energy that it holds at first, and at least after the last hour."""


class AllocationTable(Table):
    """What `hybridopt allocate` assigns to the points of a network."""

    generation: str
    """CSV file: a row per hour, a column per profile, MW; a column of hours may come first."""
    load: str
    """CSV file of the load profiles, as generation."""
    points: Annotated[tuple[BusLabel, ...], Field(min_length=1)] | None = None
    """Bus labels of the points, in the order of the results; every bus with a load without it."""
    objective: str = "line_loading"
    """line_loading, losses, grid_energy, voltage_deviation, or a sum: "line_loading+100*losses"."""
    move: Literal["both", "load", "generation"] = "both"
    """What may be moved; the rest keeps the order of its file."""
    load_power_factor: PowerFactor = 1.0
    """Of the load profiles, which draw reactive power below 1."""
    generation_power_factor: PowerFactor = 1.0
    """Of the generation profiles, which give reactive power below 1."""
    batteries: tuple[Battery, ...] = ()
    """[[allocation.batteries]]: batteries, dispatched over the hours once the points are chosen."""
    inverter_mva: NonNegative | None = None
    """Apparent power of each inverter over its profile's peak, such as 1.1: their reactive power is
    then chosen hour by hour; without it, it is not."""

    @field_validator("points")
    @classmethod
    def _are_named_once(cls, points: tuple[int, ...] | None) -> tuple[int, ...] | None:
        refuse_repeats(points or (), "bus")
        return points

    @field_validator("inverter_mva")
    @classmethod
    def _carries_its_profile(cls, value: float | None) -> float | None:
        if value is not None and value < 1:
            raise ValueError(f"must be at least 1, found {value:g}")
        return value
