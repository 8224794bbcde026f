"""Studies over many events: the case file's ``[worst]`` and ``[sample]`` tables."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from hybridopt.case_fields import (
    NOT_EMPTY,
    Branches,
    ElementKey,
    Elements,
    Fraction,
    Hours,
    NonNegative,
    Number,
    Positive,
    Table,
    Whole,
    refuse_repeats,
)

MEASURES = {"wind_speed": "m/s", "pga": "g", "flood_depth": "m"}
ALL = "all"  # key of the value that holds for every other element of a kind

Kind = Literal["lines", "transformers", "generators", "external_grids"]
KINDS: tuple[Kind, ...] = ("lines", "transformers", "generators", "external_grids")


def _refuse_repeated_kinds(kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    refuse_repeats(kinds, "kind")
    return kinds


Kinds = Annotated[tuple[Kind, ...], NOT_EMPTY, AfterValidator(_refuse_repeated_kinds)]


class EventElements(Table):
    """Elements that an event may take out, named as in [event]."""

    lines: Branches = ()
    """Lines: "5-6", [5, 6], "5-6#2", a name or pandapower's index."""
    transformers: Branches = ()
    """Transformers, named as lines are."""
    generators: Elements = ()
    """Generators: every one at a bus label, or by name."""
    external_grids: Elements = ()
    """External grids: every one at a bus label, or by name."""

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if not any(getattr(self, kind) for kind in KINDS):
            raise ValueError("names nothing; list an element, or leave the table out")
        return self


class Worst(Table):
    """`hybridopt worst`: which events of k elements hurt most."""

    k: Annotated[Whole, Field(ge=1)] | None = None
    """Elements that an event takes out; --k says otherwise."""
    kinds: Kinds = KINDS
    """Kinds of elements that count, unless [worst.elements] lists them."""
    elements: EventElements | None = None
    """[worst.elements]: the elements that count, instead of whole kinds."""
    response: Literal["none", "switching", "plan"] = "none"
    """What is done about an event: nothing; switching; a plan within the budget."""
    max_switched: Annotated[Whole, Field(ge=0)] = 1
    """Most closed branches that the response switching opens. It may close any that stand open."""
    top: Annotated[Whole, Field(ge=1)] = 10
    """Events in the ranking. Only of these the response is known to be the best one."""
    max_events: Annotated[Whole, Field(ge=1)] = 20000
    """Up to so many events every one is looked at; of more the genetic algorithm looks for the
    worst, as [genetic] says."""


def _by_kind(value: str, schema: dict[str, Any]) -> WithJsonSchema:
    """Values by element, in TOML or in a CSV file."""
    return WithJsonSchema(
        {"type": "object", "additionalProperties": {"type": "number"} | schema}
        | {"description": f'{value} by element as in [event], or "all" (every other one)'}
    )


_CHANCE = _by_kind("Probability", {"minimum": 0, "maximum": 1})
Chances = Annotated[dict[ElementKey, Fraction], _CHANCE]
Intensities = Annotated[dict[ElementKey, NonNegative], _by_kind("Intensity", {"minimum": 0})]


class ChancesByKind(Table):
    """Probability that an event takes an element out."""

    lines: Chances = Field(default_factory=dict)
    transformers: Chances = Field(default_factory=dict)
    generators: Chances = Field(default_factory=dict)
    external_grids: Chances = Field(default_factory=dict)


class IntensitiesByKind(Table):
    """Intensity of the hazard at an element."""

    lines: Intensities = Field(default_factory=dict)
    transformers: Intensities = Field(default_factory=dict)
    generators: Intensities = Field(default_factory=dict)
    external_grids: Intensities = Field(default_factory=dict)


class Fragility(Table):
    """A lognormal fragility curve: P(failure) = Phi(ln(intensity / median) / beta)."""

    kind: Kind
    """Kind of the elements."""
    elements: Annotated[tuple[ElementKey, ...], NOT_EMPTY] | None = None
    """The elements, named as in [event]; every one of the kind without it. A curve that lists its
    elements goes before one that holds for all."""
    median: Positive
    """Intensity at which half of them fail."""
    beta: Positive
    """Standard deviation of the logarithm of the intensity at failure."""


Point = tuple[Number, Number]


class Wind(Table):
    """A wind field: speed = background + (speed - background) exp(-(distance / width)^2 / 2)."""

    speed: Positive
    """Speed on the track, m/s."""
    background: NonNegative = 0.0
    """Speed far from it, m/s."""
    width: Positive
    """Distance at which the excess has fallen to 61 %, in the unit of the buses' coordinates."""
    track: Annotated[tuple[Point, ...], Field(min_length=1)]
    """Points [x, y] of the storm's way, joined by straight lines; one point is a place."""

    @model_validator(mode="after")
    def _falls_off(self) -> Self:
        if self.background > self.speed:
            raise ValueError(f"background = {self.background:g} exceeds speed = {self.speed:g}")
        return self


class Sample(Table):
    """`hybridopt sample`: events drawn at random, and what they cost."""

    probabilities: ChancesByKind | None = None
    """[sample.probabilities.lines] and so on: probability of failure by element ("all" for every
    other one); or a CSV file (kind, element, probability)."""
    fragility: tuple[Fragility, ...] = ()
    """[[sample.fragility]]: fragility curves, which need intensities or a wind field."""
    measure: Literal["wind_speed", "pga", "flood_depth"] = "wind_speed"
    """What the intensity is: wind speed in m/s, peak ground acceleration in g, flood depth in m."""
    intensities: IntensitiesByKind | None = None
    """Intensity by element, given as probabilities are; or a CSV (kind, element, intensity)."""
    wind: Wind | None = None
    """[sample.wind]: wind speed from the buses' coordinates, where no intensity is given."""
    log_std: NonNegative = 0.0
    """Every event's intensities are those given times a factor of its own, whose logarithm has
    this standard deviation: mild and severe events, all elements together."""
    response: Literal["delivery", "plan", "study"] = "delivery"
    """What is done about an event: as much load as possible is served; the same with a fixed plan
    (--plan); or a plan is searched for each event within the budget."""
    hours: Hours = tuple(range(1, 25))
    """Hours of the day that the outage lasts."""

    def contradictions(self) -> list[str]:
        """What its keys say against one another.

        Asked where the elements are looked up, so that what is wrong with both shows at once.
        """
        if self.probabilities is None and not self.fragility:
            return ["needs probabilities or [[sample.fragility]]"]
        found = []
        if self.fragility and self.intensities is None and self.wind is None:
            found.append("fragility curves need intensities or [sample.wind]")
        if self.wind is not None and self.measure != "wind_speed":
            found.append(f'[sample.wind] gives wind speeds, but measure is "{self.measure}"')
        if not self.fragility and (self.intensities is not None or self.wind is not None):
            found.append("intensities say nothing without [[sample.fragility]]")
        return found
