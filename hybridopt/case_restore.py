"""Order of repairs: the case file's ``[restore]`` table."""

from typing import Annotated, Any, Self

from pydantic import Field, PlainValidator, WithJsonSchema, model_validator

from hybridopt.case_fields import (
    BusKey,
    Flag,
    Hour,
    NonNegative,
    Positive,
    Table,
    Whole,
    is_whole,
    show,
)

CrewCount = Annotated[Whole, Field(ge=1)]


def _read_depot(value: object) -> int | tuple[float, float]:
    if is_whole(value) and value >= 0:
        return value
    is_pair = isinstance(value, list | tuple) and len(value) == 2
    if is_pair and all(
        isinstance(x, int | float) and not isinstance(x, bool) and abs(x) < float("inf")
        for x in value  # type: ignore[attr-defined]
    ):
        return float(value[0]), float(value[1])  # type: ignore[index]
    raise ValueError(f"must be [x, y] or a bus label, found {show(value)}")


Depot = Annotated[
    int | tuple[float, float],
    PlainValidator(_read_depot),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 0},
                {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2},
            ]
        }
    ),
]


def _table_or_file(value: dict[str, Any], columns: str) -> WithJsonSchema:
    """Schema of a table that may stand in a CSV file."""
    file = {"type": "string", "description": f"CSV file, columns {columns}"}
    return WithJsonSchema({"anyOf": [{"type": "object", "additionalProperties": value}, file]})


RepairHours = Annotated[dict[str, NonNegative], _table_or_file({"minimum": 0}, "element,repair_h")]
Customers = Annotated[dict[BusKey, NonNegative], _table_or_file({"minimum": 0}, "bus,customers")]
Matrix = Annotated[
    dict[str, dict[str, NonNegative]],
    WithJsonSchema(
        {
            "type": "string",
            "description": "CSV file: the first column names where a crew comes from (depot or an "
            "element), the others where it goes; hours",
        }
    ),
]


class KindHours(Table):
    """Repair hours of the elements that `repair_h` doesn't name; the defaults are assumed."""

    line: NonNegative = 6.0
    transformer: NonNegative = 24.0
    generator: NonNegative = 12.0
    external_grid: NonNegative = 8.0
    load: NonNegative = 2.0
    bus: NonNegative = 12.0
    shunt: NonNegative = 4.0


class Travel(Table):
    """How long crews are on the way; by coordinates or from a table."""

    depot: Depot | None = None
    """Where crews start: [x, y] in the network's coordinates, or a bus label."""
    speed_km_per_h: Positive | None = None
    """Speed of a crew along the straight line."""
    km_per_unit: Positive = 1.0
    """Length of one unit of the network's coordinates, km."""
    matrix: Matrix | None = None
    """Instead: a CSV file of hours from each place (row) to each other (column); places are depot
    and the damaged elements."""

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if "matrix" in self.model_fields_set:  # that it excludes the others is checked elsewhere
            return self
        if self.depot is None or self.speed_km_per_h is None:
            raise ValueError("needs depot and speed_km_per_h, or matrix")
        return self


class Restore(Table):
    """In which order crews repair what the event took out; `hybridopt restore`."""

    crews: CrewCount = 1
    """Crews at work at the same time; the next free one takes the next element of the order."""
    start_hour: Hour = 1
    """Hour of the day (1..24) that begins when the event has ended."""
    event_h: Positive = 1.0
    """How long the event lasts, h: what is lost is taken to be lost evenly over it (phi)."""
    assessment_h: NonNegative = 0.0
    """Hours after the event before crews set out."""
    repair_h: RepairHours = Field(default_factory=dict)
    """Hours of repair by element: its kind and how the event names it, such as "line 5-6",
    "generator 2", "external_grid 1"; or a CSV (element, repair_h)."""
    default_repair_h: KindHours = KindHours()
    """Hours of repair of the others, by kind."""
    travel: Travel | None = None
    """[restore.travel]: how long crews are on the way; no time without it."""
    never_drop: Flag = False
    """A load that is connected again stays connected: only as much is connected as can be held at
    the day's peak, and no share becomes smaller with a later repair."""
    customers: Customers = Field(default_factory=dict)
    """Customers by bus label, for SAIDI and SAIFI, or a CSV (bus, customers)."""
