"""The tables of a case file and their keys; the published JSON schema is made from them."""

from difflib import get_close_matches
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    PlainValidator,
    ValidationInfo,
    WithJsonSchema,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticKnownError

from hybridopt.case_allocation import AllocationTable
from hybridopt.case_events import Sample, Worst
from hybridopt.case_fields import (
    NOT_EMPTY,
    Availability,
    Branches,
    BranchRatings,
    BusKey,
    ElementName,
    Elements,
    NonNegative,
    Polynomial,
    Positive,
    PriceDay,
    Span,
    Table,
    UnitLimits,
    UnitRamps,
    Whole,
    refuse_repeats,
    show,
)
from hybridopt.case_load import Load
from hybridopt.case_resources import Resources
from hybridopt.case_restore import Restore
from hybridopt.case_settings import DispatchSettings, Economics, GeneticSettings, IpoptSettings
from hybridopt.case_siting import Siting
from hybridopt.case_storage import StorageUnit

OBJECTIVES = (
    "unserved_mwh",
    "unserved_peak_mw",
    "operating_cost",
    "plan_cost",
    "loss_mwh",
    "curtailed_mwh",
)
DEFAULT_OBJECTIVES: dict[str, tuple[str, ...]] = {
    "each": ("unserved_mwh", "operating_cost"),
    "winner": ("unserved_peak_mw", "plan_cost"),
}

Objective = str | dict[str, float]


def _check_objective_name(name: object) -> None:
    if name not in OBJECTIVES:
        close = get_close_matches(str(name), OBJECTIVES, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ValueError(f"must be one of {', '.join(OBJECTIVES)}, found {show(name)}{hint}")


def _read_objective(value: object) -> Objective:
    if not isinstance(value, dict):
        _check_objective_name(value)
        return str(value)
    if not value:
        raise ValueError("a weighted sum needs at least one objective")
    for name, weight in value.items():
        _check_objective_name(name)
        is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
        if not (is_number and 0 < weight < float("inf")):
            raise ValueError(f"the weight of {name} must be a number above 0, found {show(weight)}")
    return value


def _forget_default(schema: dict[str, Any]) -> None:
    """Leave out a default that depends on other keys."""
    schema.pop("default", None)


def _default_objectives(value: object, info: ValidationInfo) -> object:
    return DEFAULT_OBJECTIVES[info.data.get("dispatch_mode", "each")] if value is None else value


def _refuse_repeated_objectives(objectives: tuple[Objective, ...]) -> tuple[Objective, ...]:
    refuse_repeats(objectives, "objective", key=str)
    return objectives


_OBJECTIVE_SCHEMA: dict[str, Any] = {
    "anyOf": [
        {"enum": list(OBJECTIVES)},
        {
            "type": "object",
            "properties": {name: {"type": "number", "exclusiveMinimum": 0} for name in OBJECTIVES},
            "additionalProperties": False,
            "minProperties": 1,
        },
    ]
}


Objectives = Annotated[
    tuple[
        Annotated[Objective, PlainValidator(_read_objective), WithJsonSchema(_OBJECTIVE_SCHEMA)],
        ...,
    ],
    Field(json_schema_extra=_forget_default),
    NOT_EMPTY,
    AfterValidator(_refuse_repeated_objectives),
    BeforeValidator(_default_objectives),
]


class Event(Table):
    """What the event takes out of service."""

    lines: Branches = ()
    """Lines: "5-6" or [5, 6] (end buses, either way), "5-6#2" (a parallel one), name or index."""
    transformers: Branches = ()
    """Transformers, named as lines are."""
    generators: Elements = ()
    """Generators: every one at a bus label, or by name."""
    external_grids: Elements = ()
    """External grids: every one at a bus label, or by name."""
    loads: Elements = ()
    """Loads: every one at a bus label, or by name."""
    buses: Elements = ()
    """Buses: by label or name; whatever is connected to them goes too."""
    shunts: Elements = ()
    """Shunts: every one at a bus label, or by name."""

    @model_validator(mode="after")
    def _removes_something(self) -> Self:
        if not any(getattr(self, name) for name in type(self).model_fields):
            raise ValueError("removes nothing; list an element, or leave the table out")
        return self


class Limits(Table):
    """Limits that replace the network's own."""

    vm_min: Positive | None = None
    """Lowest voltage at every bus, pu."""
    vm_max: Positive | None = None
    """Highest voltage at every bus, pu."""
    branch_limit: Literal["current", "power"] | None = None
    """Branches are limited by their current (kA) or their apparent power (MVA)."""
    ratings: BranchRatings = Field(default_factory=dict)
    """Largest apparent power at either end of single lines and transformers, MVA, whatever
    branch_limit says: by "5-6", "5-6#2" or name, or a CSV (branch, rate_mva)."""
    generators: UnitLimits = Field(default_factory=dict)
    """Largest active power of each generator or external grid at a bus, MW: by bus label or name,
    or a CSV (generator, max_p_mw). With 0 it is a synchronous condenser: no island lives on it."""

    ramps: UnitRamps = Field(default_factory=dict)
    """Largest change of a unit's active power from one hour to the next, MW per hour: by bus label
    (every one there) or name, or a CSV (generator, ramp_mw_per_h). They link the hours."""

    @field_validator("vm_max")
    @classmethod
    def _is_above_minimum(cls, vm_max: float | None, info: ValidationInfo) -> float | None:
        vm_min = info.data.get("vm_min")
        if vm_max is not None and vm_min is not None and vm_max <= vm_min:
            raise ValueError(f"must lie above vm_min = {vm_min:g}, found {vm_max:g}")
        return vm_max


class GeneratorCost(Table):
    """Cost of one generator."""

    generator: ElementName
    """Bus label (every generator there) or name."""
    polynomial: Polynomial
    """c0, c1, c2, ... of c0 + c1 P + c2 P^2 + ..., currency per hour with P in MW."""
    valve_point: tuple[NonNegative, Positive] | None = None
    """e and f of the valve-point term |e sin(f (P - P_min))|, currency per hour and rad per MW."""
    prohibited_mw: tuple[Span, ...] = ()
    """Ranges [low, high] of P, MW, in which the unit must not stay."""

    @model_validator(mode="after")
    def _pieces_are_quadratic(self) -> Self:
        if (self.valve_point or self.prohibited_mw) and len(self.polynomial) > 3:
            raise ValueError("valve points and prohibited ranges need a polynomial up to c2")
        return self


class ExternalGridCost(Table):
    """Cost of one external grid."""

    external_grid: ElementName
    """Bus label or name."""
    polynomial: Polynomial
    """c0, c1, c2, ... of c0 + c1 P + c2 P^2 + ..., currency per hour with P in MW."""


class Costs(Table):
    """Costs that replace the network's own."""

    generators: tuple[GeneratorCost, ...] = ()
    """[[costs.generators]]: one entry per generator."""
    external_grids: tuple[ExternalGridCost, ...] = ()
    """[[costs.external_grids]]: one entry per external grid."""
    import_price: PriceDay | None = None
    """Price of energy from the external grids, on top of their polynomials: 24 values, currency
    per MWh, hour 1 first, or a CSV file (hour, price). Power given to them earns as much."""

    @field_validator("generators", "external_grids")
    @classmethod
    def _are_named_once(cls, entries: Any, info: ValidationInfo) -> Any:
        what = (info.field_name or "").rstrip("s")
        refuse_repeats((getattr(entry, what) for entry in entries), what.replace("_", " "))
        return entries


class CaseFile(Table):
    """A study case: a network, what happens to it, what may be done about it."""

    extends: str | None = None
    """Built-in case, or path from this file, whose keys hold where this file has none."""
    title: str = ""
    """One line for reports."""
    network: str
    """pandapower's built-in network such as "case9", or a path from this file."""
    bus_label_offset: Whole = 0
    """Bus label = pandapower's bus index + offset."""
    currency: str = "USD"
    """Unit of every cost."""
    dispatch_mode: Literal["each", "winner"] = "each"
    """Every candidate plan is dispatched over the day, or only the best one at the peak."""
    objectives: Objectives = Field(default=None, validate_default=True)
    """What plans are compared by, the most important first, or inline tables of weights. If not
    given: unserved_mwh and operating_cost (each), unserved_peak_mw and plan_cost (winner)."""
    value_of_lost_load: NonNegative = 5000.0
    """Price of unserved energy, currency per MWh."""
    priorities: dict[BusKey, Positive] = Field(default_factory=dict)
    """Weight of a bus's load when not all can be served, by bus label; 1 if not given."""
    event: Event | None = None
    """What is lost; may be absent where a command needs no event."""
    limits: Limits = Limits()
    resources: Resources = Resources()
    budget: NonNegative = Field(
        default=None, validate_default=True, json_schema_extra=_forget_default
    )
    """Most that a plan may cost; required when there are resources."""
    siting: Siting | None = None
    """[siting]: `hybridopt run` looks for the best sites of units, instead of restoring."""
    allocation: AllocationTable | None = None
    """[allocation]: `hybridopt allocate` assigns profiles to points."""
    restore: Restore | None = None
    """[restore]: `hybridopt restore` looks for the best order of repairs."""
    worst: Worst | None = None
    """[worst]: `hybridopt worst` looks for the events that hurt most."""
    sample: Sample | None = None
    """[sample]: `hybridopt sample` draws events at random."""
    costs: Costs = Costs()
    load: Load = Load()
    storage: tuple[StorageUnit, ...] = ()
    """[[storage]]: batteries beside the network's own. They link the hours."""
    availability: Availability = Field(default_factory=dict)
    """Share of a unit's largest output that is available hour by hour, for sun and wind: 24 values
    or a CSV file (hour, factor), by bus label (every unit there) or name. What is not used of it
    counts as curtailed."""
    economics: Economics = Economics()
    genetic: GeneticSettings = GeneticSettings()
    dispatch: DispatchSettings = DispatchSettings()
    ipopt: IpoptSettings = IpoptSettings()

    @field_validator("budget", mode="before")
    @classmethod
    def _is_given(cls, budget: object, info: ValidationInfo) -> object:
        resources = info.data.get("resources")
        if budget is None and resources is not None and resources.offer_any:
            raise PydanticKnownError("missing")
        return 0.0 if budget is None else budget
