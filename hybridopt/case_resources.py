"""What a plan may use: lines that are repaired, built or closed, and distributed generation."""

from typing import Annotated, Any, Literal, Self

from pydantic import (
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)

from hybridopt.case_fields import (
    BranchCosts,
    Branches,
    BusLabel,
    Flag,
    FractionDay,
    NonNegative,
    PerUnitSpan,
    Polynomial,
    Positive,
    PositiveSpan,
    PowerFactor,
    Sizes,
    Span,
    Table,
    Whole,
    is_whole,
    refuse_repeats,
    show,
)
from hybridopt.case_investment import InvestmentTable


def _read_sites(value: object) -> Literal["all"] | tuple[int, ...]:
    if value == "all":
        return "all"
    if not isinstance(value, list | tuple):
        raise ValueError(f'must be "all" or a list of bus labels, found {show(value)}')
    for bus in value:
        if not (is_whole(bus) and bus >= 0):
            raise ValueError(f"a bus label must be a whole number, found {show(bus)}")
    refuse_repeats(value, "bus")
    return tuple(value)


_SITES_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"const": "all"},
        {"type": "array", "items": {"type": "integer", "minimum": 0}, "uniqueItems": True},
    ]
}
BusChoice = Annotated[
    Literal["all"] | tuple[int, ...],
    PlainValidator(_read_sites),
    WithJsonSchema(_SITES_SCHEMA),
]


LEAST_OHM, MOST_OHM = 1e-9, 1e9  # of a line that may be built; beyond, admittances are no numbers


class CandidateLine(Table):
    """A new line that a plan may build."""

    name: str | None = None
    """Name in results; made from the end buses if not given."""
    from_bus: BusLabel
    to_bus: BusLabel
    length_km: Positive = 1.0
    r_ohm_per_km: NonNegative
    x_ohm_per_km: Positive
    c_nf_per_km: NonNegative = 0.0
    max_i_ka: Positive
    """Largest current, kA, of one of the parallel circuits."""
    parallel: Annotated[Whole, Field(ge=1, le=1000)] = 1
    """Number of circuits."""
    cost: NonNegative | None = None
    """Cost of this line; without it the table's cost or cost_per_km holds."""

    @field_validator("to_bus")
    @classmethod
    def _leads_elsewhere(cls, to_bus: int, info: ValidationInfo) -> int:
        if to_bus == info.data.get("from_bus"):
            raise ValueError(f"must differ from from_bus, found {to_bus} twice")
        return to_bus

    @model_validator(mode="after")
    def _has_an_impedance(self) -> Self:
        r, x = (per_km * self.length_km for per_km in (self.r_ohm_per_km, self.x_ohm_per_km))
        if x < LEAST_OHM:
            raise ValueError(f"x_ohm_per_km times length_km must be at least {LEAST_OHM:g} ohm")
        if max(r, x) > MOST_OHM:
            message = f"times length_km must be at most {MOST_OHM:g} ohm"
            raise ValueError(f"{'r' if r > MOST_OHM else 'x'}_ohm_per_km {message}")
        return self


class LinesAnywhere(Table):
    """New lines whose end buses and length are genes, as in Diaz Vargas et al. 2024."""

    max_lines: Annotated[Whole, Field(ge=1)]
    """Most of them that a plan may build, at most one between the same buses."""
    buses: BusChoice = "all"
    """Buses that they may join, those of one nominal voltage: "all" or a list of bus labels."""
    length_km: PositiveSpan
    """Shortest and longest."""
    r_ohm_per_km: NonNegative
    x_ohm_per_km: Positive
    max_i_ka: Positive
    """Largest current, kA."""
    cost: NonNegative | None = None
    """Cost of each; without it the table's cost or cost_per_km holds."""


class LineResources(Table):
    """Branches that a plan may close."""

    damaged: Flag = True
    """Lines and transformers that the event took out may be repaired."""
    cost: NonNegative | None = None
    """Cost of each line, whatever its length."""
    cost_per_km: NonNegative | None = None
    """Cost of a line per km, instead of cost."""
    costs: BranchCosts = Field(default_factory=dict)
    """Costs of single branches, by "5-6" or name, instead of cost or cost_per_km."""
    candidates: tuple[CandidateLine, ...] = ()
    """[[resources.lines.candidates]]: new lines."""
    anywhere: LinesAnywhere | None = None
    """[resources.lines.anywhere]: new lines between any two buses."""
    ties: Branches = ()
    """Branches that stand open in the network and may be closed."""

    @field_validator("candidates")
    @classmethod
    def _have_own_names(cls, candidates: tuple[CandidateLine, ...]) -> Any:
        refuse_repeats((line.name for line in candidates if line.name), "candidate")
        return candidates

    @model_validator(mode="after")
    def _costs_are_known(self) -> Self:
        # A resource that costs nothing must be said to: silence would make it free by accident.
        unpriced = any(line.cost is None for line in self.candidates)
        unpriced |= self.anywhere is not None and self.anywhere.cost is None
        unpriced |= (self.damaged or bool(self.ties)) and not self.costs
        if unpriced and self.cost is None and self.cost_per_km is None:
            raise ValueError("needs cost or cost_per_km (0 if closing a branch is free)")
        return self

    @property
    def offers_any(self) -> bool:
        """Whether a plan may close any branch at all."""
        new = bool(self.candidates) or self.anywhere is not None
        return self.damaged or new or bool(self.ties)


class UnitGenes(Table):
    """What the search chooses for each unit, as in Diaz Vargas et al. 2024."""

    p_mw: Span
    """Lowest and highest power that is planned for a unit; it is the unit's rating."""
    vm_pu: PerUnitSpan | None = None
    """Lowest and highest voltage set-point. The dispatch starts there, clipped to the limits."""


class DgResources(Table):
    """Distributed generation (DG) that a plan may install."""

    max_units: Annotated[Whole, Field(ge=0)] = 0
    """Most units that a plan may install; 0 means none."""
    buses: BusChoice = "all"
    """Where units may stand: "all" or a list of bus labels."""
    power_factor: PowerFactor = 0.9
    """Reactive power is limited to tan(acos(power_factor)) times the rating."""
    reactive: Literal["power_factor", "unlimited"] = "power_factor"
    """Whether the power factor limits reactive power at all."""
    grid_forming: Flag = True
    """A unit alone can energise an island."""
    cost_per_mw: NonNegative = 0.0
    """Cost of installing one MW of cost_basis."""
    cost_basis: Literal["rating", "planned_p"] = "rating"
    """cost_per_mw counts the unit's rating, or the power planned at the peak. With planned_p,
    min_mw, max_mw and sizes_mw are planned powers too, and a unit may deliver 1.5 times its own
    over the day, as in Diaz Vargas et al. 2024."""
    investment: InvestmentTable | None = None
    """[resources.dg.investment]: the capital is the cost of installing, so that the budget is one
    of investment; variable_per_mwh is the operating cost. Instead of the keys for these."""
    operating_cost_per_mwh: NonNegative = 0.0
    """Cost of a unit's energy, currency per MWh."""
    operating_cost: Polynomial | None = None
    """Instead: c0, c1, c2, ... of c0 + c1 P + c2 P^2 + ..., currency per hour, P in MW."""
    min_mw: NonNegative = 0.0
    """Smallest rating of a unit that is installed, MW."""
    max_mw: Positive | None = None
    """Largest rating of a unit, MW; without it the budget alone limits it."""
    sizes_mw: Sizes | None = None
    """Standard ratings to choose from, MW, instead of min_mw and max_mw."""
    genes: UnitGenes | None = None
    """[resources.dg.genes]: the search chooses the ratings, instead of the dispatch."""
    profile: FractionDay = (1.0,) * 24
    """Share of the rating that is available: 24 factors, hour 1 first, or a CSV (hour, factor)."""
    penetration_limit: NonNegative | None = None
    """Limit on all units together, as a share of the demand."""
    penetration_basis: Literal["capacity", "power"] = "capacity"
    """penetration_limit counts ratings against the peak, or power against each hour's demand."""

    @field_validator("buses")
    @classmethod
    def _offer_a_site(cls, buses: Any, info: ValidationInfo) -> Any:
        if not buses and info.data.get("max_units"):
            raise ValueError('lists no bus for the units that max_units allows; "all" is every bus')
        return buses

    @field_validator("investment")
    @classmethod
    def _counts_ratings(cls, investment: Any, info: ValidationInfo) -> Any:
        if investment is not None and info.data.get("cost_basis") == "planned_p":
            raise ValueError('counts ratings: leave out cost_basis = "planned_p"')
        return investment

    @field_validator("max_mw")
    @classmethod
    def _is_above_minimum(cls, max_mw: float | None, info: ValidationInfo) -> float | None:
        min_mw = info.data.get("min_mw")
        if max_mw is not None and min_mw is not None and max_mw < min_mw:
            raise ValueError(f"must be at least min_mw = {min_mw:g}, found {max_mw:g}")
        return max_mw

    @property
    def cost_polynomial(self) -> tuple[float, ...]:
        """Coefficients c0, c1, ... of the operating cost, currency per hour with P in MW."""
        return self.operating_cost or (0.0, self.operating_cost_per_mwh)


class Resources(Table):
    """What a plan may use."""

    lines: LineResources = LineResources(damaged=False)
    """Branches; without this table none may be closed."""
    dg: DgResources = DgResources()
    """Distributed generation; without this table none may be installed."""

    @property
    def offer_any(self) -> bool:
        """Whether a plan has anything to choose from."""
        return self.lines.offers_any or self.dg.max_units > 0
