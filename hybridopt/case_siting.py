"""Siting of generation: the case file's ``[siting]`` table."""

from typing import Annotated, Any, Literal

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, field_validator

from hybridopt.case_fields import (
    NOT_EMPTY,
    Buses,
    BusKey,
    Day,
    Fraction,
    FractionDay,
    NonNegative,
    Positive,
    PowerFactor,
    Table,
    Whole,
    is_whole,
    refuse_repeats,
    show,
)
from hybridopt.case_investment import InvestmentTable

HOURS_PER_YEAR = 8760.0


def _read_sites(value: object) -> Literal["loads"] | tuple[int, ...]:
    if value == "loads":
        return "loads"
    if not isinstance(value, list | tuple):
        raise ValueError(f'must be "loads" or a list of bus labels, found {show(value)}')
    if not value:
        raise ValueError("lists nothing")
    for bus in value:
        if not (is_whole(bus) and bus >= 0):
            raise ValueError(f"a bus label must be a whole number, found {show(bus)}")
    refuse_repeats(value, "bus")
    return tuple(value)


_SITES: dict[str, Any] = {"type": "array", "items": {"type": "integer", "minimum": 0}}
Sites = Annotated[
    Literal["loads"] | tuple[int, ...],
    PlainValidator(_read_sites),
    WithJsonSchema({"anyOf": [{"const": "loads"}, _SITES | {"uniqueItems": True, "minItems": 1}]}),
]


class SitingState(Table):
    """Part of the year."""

    load: NonNegative = 1.0
    """Factor on all loads."""
    generation: Fraction = 1.0
    """Share of the capacity that the units give."""
    hours: Annotated[Positive, Field(le=HOURS_PER_YEAR)] = HOURS_PER_YEAR
    """Hours of the year."""


class SitingReliability(Table):
    """How interruptions count; docs/reliability.md says what is modelled."""

    data: str | None = None
    """Tables of customers and failures: the path, from this file, that their names
    NAME_customers.csv and NAME_failures.csv begin with. Without it the network has the columns."""
    ens_price_per_mwh: NonNegative = 0.0
    """lambda_4: price of energy not supplied; with 0 it is reported, not minimised."""
    customer_hour_price: NonNegative = 0.0
    """Price of an hour without supply of one customer (SAIDI times customers)."""
    islanding_h: NonNegative = 0.0
    """Time until an island is fed by the units in it, hours."""
    carry: Literal["average", "peak"] = "average"
    """Load that an island must be able to carry."""
    storage_h: NonNegative = 0.0
    """Content of the units' storage over their capacity, hours."""
    availability: Fraction = 1.0
    """Probability that a unit works when it is needed."""
    load_profile: Day | None = None
    """Factors of the loads over a day: 24 values, or a CSV (hour, factor)."""
    generation_profile: FractionDay | None = None
    """Share of the capacity that is available: 24 values, or a CSV (hour, factor)."""


class Siting(Table):
    """Where units of a given size stand best, after Sun, Liu, Sun and Hu 2014."""

    sites: Sites = "loads"
    """Buses where a unit may stand, one gene each: "loads" (those with load) or bus labels."""
    size_mw: Positive
    """K: capacity of each unit, MW, at the weight factor 1."""
    site_sizes_mw: dict[BusKey, Positive] = Field(default_factory=dict)
    """Other capacities at single sites, by bus label, MW."""
    power_factor: PowerFactor = 1.0
    """Of the units, which give reactive power with it."""
    units: Annotated[Whole, Field(ge=0)] | None = None
    """Exactly so many units; any number without it."""
    max_units: Annotated[Whole, Field(ge=0)] | None = None
    """Most units, N_ip of constraint 11; as many as there are sites without it."""
    investment: InvestmentTable
    """[siting.investment]: capital, life and operation of the units. The case's budget, when it has
    one, limits the capital."""
    energy_price_per_mwh: NonNegative
    """Price of the energy that is lost in the network; times the hours it makes lambda_2."""
    subsidy_per_mwh: NonNegative = 0.0
    """Paid for the energy of the units; times their hours it makes lambda_3."""
    states: Annotated[tuple[SitingState, ...], NOT_EMPTY] = (SitingState(),)
    """[[siting.states]]: parts of the year, each with loads and generation; limits hold in all."""
    losses: Literal["ac", "formula", "printed"] = "ac"
    """Losses in the objective: by AC power flow, by equation 5 (and the form of equation 9 that
    follows from it), or by equation 9 as printed."""
    terminal_power: Literal["branch", "load"] = "branch"
    """P_2 of equation 5: what the branch that feeds the bus brings, or the load of the bus."""
    length_weight: NonNegative = 0.0
    """Currency per year that a MW is worth for each unit of length of the branch that feeds it."""
    load_weight: NonNegative = 0.0
    """Currency per year that a MW is worth for each MW of load at its bus."""
    length: Literal["impedance", "km"] = "impedance"
    """What the length of a branch is: the magnitude of its impedance, pu, or its length, km."""
    load_min: NonNegative | None = None
    """S_Lmin of constraint 11, as a share of the loads at the sites; no such limit without it."""
    load_max: Positive | None = None
    """S_Lmax of constraint 11, as a share of the loads at the sites; 1 beside load_min."""
    gamma_factor: Annotated[Fraction, Field(gt=0, lt=1)] = 0.9
    """The weight factor of a plan that exceeds limits or the budget is lowered by this, again and
    again."""
    gamma_min: Annotated[Fraction, Field(gt=0)] = 0.1
    """Below this no weight factor is lowered."""
    first_generation: Literal["two", "random"] = "two"
    """First chromosomes: 1010... and 0101... alone, or a random population."""
    reliability: SitingReliability | None = None
    """[siting.reliability]: interruptions in the objective, or in the results alone."""
    compare: tuple[Buses, ...] = ()
    """Plans, as lists of bus labels, whose ranks the results name."""

    @field_validator("max_units")
    @classmethod
    def _says_something(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value is not None and info.data.get("units") is not None:
            raise ValueError("give either units or max_units, not both")
        return value

    @field_validator("load_max")
    @classmethod
    def _is_above_minimum(cls, value: float | None, info: ValidationInfo) -> float | None:
        least = info.data.get("load_min")
        if value is not None and least is None:
            raise ValueError("says nothing without load_min")
        if value is not None and least is not None and value < least:
            raise ValueError(f"must be at least load_min = {least:g}, found {value:g}")
        return value

    @field_validator("states")
    @classmethod
    def _fit_into_a_year(cls, states: tuple[SitingState, ...]) -> tuple[SitingState, ...]:
        hours = sum(state.hours for state in states)
        if hours > HOURS_PER_YEAR + 1e-6:
            raise ValueError(f"have {hours:g} hours, more than a year's {HOURS_PER_YEAR:g}")
        return states

    @property
    def full_load_hours(self) -> float:
        """Energy of the units over their capacity, hours per year."""
        return sum(state.hours * state.generation for state in self.states)
