"""Kinds of values in a case file: numbers, days of 24 values, bus labels, element names."""

import re
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Annotated, Any, TypeGuard

from pydantic import (
    AfterValidator,
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PlainValidator,
    Strict,
    WithJsonSchema,
)
from pydantic_core import CoreSchema, core_schema

from hybridopt.case_tables import HOURS


class Table(BaseModel):
    """A TOML table: unknown keys are refused, values don't change."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


@dataclass(frozen=True)
class BranchRef:
    """A line or transformer named by the labels of its end buses.

    Attributes
    ----------
    from_bus, to_bus : bus labels, in either direction
    number : which of the parallel branches between them, from 1
    """

    from_bus: int
    to_bus: int
    number: int = 1

    def __str__(self) -> str:
        """Write it as a case file does: ``5-6``, or ``5-6#2``."""
        return f"{self.from_bus}-{self.to_bus}" + (f"#{self.number}" if self.number > 1 else "")


_BRANCH = re.compile(
    r"\s*(\d{1,18})\s*-\s*(\d{1,18})\s*(?:#\s*([1-9]\d{,17})\s*)?", re.ASCII
)  # more digits are a name


def label_or_name(text: str) -> int | str:
    """A bus label as a number; anything else as it is."""
    return int(text) if re.fullmatch("[0-9]{1,18}", text) else text


def parse_branch(written: str | int | tuple[int, int]) -> BranchRef | str | int:
    """Read how a case file names a line or transformer.

    Parameters
    ----------
    written : ``"5-6"``, ``"5-6#2"`` or ``(5, 6)`` (bus labels), a name, or a pandapower index

    Returns
    -------
    branch : the end buses; a name (str) or an index (int) as it is
    """
    if isinstance(written, tuple):
        return BranchRef(*written)
    match = _BRANCH.fullmatch(written) if isinstance(written, str) else None
    if match is None:
        return written
    return BranchRef(int(match[1]), int(match[2]), int(match[3] or 1))


def show(value: object) -> str:
    """Write a value as TOML does, shortened."""
    if isinstance(value, bool):
        return str(value).lower()
    written = repr(value)
    return written if len(written) <= 40 else f"{written[:37]}..."


@dataclass(frozen=True)
class _Interval:
    """Bounds of a number, both named when it lies outside."""

    low: float
    high: float
    open_low: bool = False

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(
        self, core: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        lower = "exclusiveMinimum" if self.open_low else "minimum"
        return handler(core) | {lower: self.low, "maximum": self.high}

    def _check(self, value: float) -> float:
        if self.low <= value <= self.high and not (self.open_low and value == self.low):
            return value
        sign = "(" if self.open_low else "["
        raise ValueError(f"must lie in {sign}{self.low:g}, {self.high:g}], found {value:g}")


def is_whole(value: object) -> TypeGuard[int]:
    """Tell a whole number from everything else, true and false included."""
    return isinstance(value, int) and not isinstance(value, bool)


def refuse_repeats(
    items: Iterable[Any], what: str, key: Callable[[Any], Hashable] = lambda item: item
) -> None:
    """Raise a ValueError when two of the items have the same key."""
    seen: set[Hashable] = set()
    for item in items:
        if key(item) in seen:
            raise ValueError(f"{what} {show(item)} is listed twice")
        seen.add(key(item))


def _unique(what: str, key: Callable[[Any], Hashable] = lambda item: item) -> AfterValidator:
    def check(items: Any) -> Any:
        refuse_repeats(items, what, key)
        return items

    return AfterValidator(check)


def _refuse_empty(value: object) -> object:
    if isinstance(value, list | tuple) and not value:
        raise ValueError("lists nothing")
    return value


def _read_span(value: object) -> object:
    if not (isinstance(value, list | tuple) and len(value) == 2):
        raise ValueError(f"must be [low, high], found {show(value)}")
    return value


def _check_span(span: tuple[float, float]) -> tuple[float, float]:
    if span[0] > span[1]:
        raise ValueError(f"low must not exceed high, found [{span[0]:g}, {span[1]:g}]")
    return span


def _check_day(value: object) -> object:
    # Before the entries are looked at, so that wrong ones are counted too.
    if isinstance(value, list | tuple) and len(value) != HOURS:
        raise ValueError(f"must have {HOURS} values (one per hour), found {len(value)}")
    return value


def _read_branch(value: object) -> str | int | tuple[int, int]:
    if isinstance(value, str) and value.strip():
        return value
    if is_whole(value) and value >= 0:
        return value
    if isinstance(value, list | tuple) and len(value) == 2 and all(map(is_whole, value)):
        return value[0], value[1]
    raise ValueError(
        'must be "FROM-TO" or [FROM, TO] (bus labels), a name, or a pandapower index, '
        f"found {show(value)}"
    )


def _read_element(value: object) -> str | int:
    if isinstance(value, str) and value.strip():
        return value
    if is_whole(value) and value >= 0:
        return value
    raise ValueError(f"must be a bus label (a whole number) or a name, found {show(value)}")


def _read_bus_key(value: object) -> object:
    """Let a table's key be a bus label; TOML's keys are text."""
    if isinstance(value, str) and re.fullmatch(r"0|[1-9]\d*", value, re.ASCII):
        return int(value)
    raise ValueError(f"the key must be a bus label (a whole number), found {show(value)}")


def _read_element_key(value: object) -> object:
    """Let a table's key be a bus label or a name."""
    is_label = isinstance(value, str) and re.fullmatch(r"0|[1-9]\d*", value, re.ASCII)
    return int(str(value)) if is_label else _read_element(value)


def _branch_identity(written: Any) -> Hashable:
    branch = parse_branch(written)
    if isinstance(branch, BranchRef):
        return frozenset({branch.from_bus, branch.to_bus}), branch.number
    return branch


Number = Annotated[float, Strict(), AllowInfNan(False)]
NonNegative = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]
Fraction = Annotated[Number, _Interval(0, 1)]
PowerFactor = Annotated[Number, _Interval(0, 1, open_low=True)]
Efficiency = Annotated[Number, _Interval(0, 1, open_low=True)]
PerUnit = Annotated[Number, _Interval(0, 2, open_low=True)]
Whole = Annotated[int, Strict()]
Flag = Annotated[bool, Strict()]

NOT_EMPTY = BeforeValidator(_refuse_empty)
_SPAN = BeforeValidator(_read_span), AfterValidator(_check_span)
Span = Annotated[tuple[NonNegative, NonNegative], *_SPAN]
PositiveSpan = Annotated[tuple[Positive, Positive], *_SPAN]
PerUnitSpan = Annotated[tuple[PerUnit, PerUnit], *_SPAN]

BusLabel = Annotated[Whole, Field(ge=0)]
BusKey = Annotated[int, BeforeValidator(_read_bus_key)]
Hour = Annotated[Whole, _Interval(1, HOURS)]

_FILE = {"type": "string", "description": "CSV file, columns hour,factor"}
_DAY: dict[str, Any] = {"type": "array", "items": {"type": "number", "minimum": 0}}
_DAY |= {"minItems": HOURS, "maxItems": HOURS}
Day = Annotated[
    tuple[NonNegative, ...],
    BeforeValidator(_check_day),
    WithJsonSchema({"anyOf": [_DAY, _FILE]}),
]
FractionDay = Annotated[
    tuple[Fraction, ...],
    BeforeValidator(_check_day),
    WithJsonSchema({"anyOf": [_DAY | {"items": {"maximum": 1, "minimum": 0}}, _FILE]}),
]
PriceDay = Annotated[
    tuple[Number, ...],
    BeforeValidator(_check_day),
    WithJsonSchema(
        {
            "anyOf": [
                _DAY | {"items": {"type": "number"}},
                {"type": "string", "description": "CSV file, columns hour,price"},
            ]
        }
    ),
]

_BRANCH_FORMS: list[dict[str, Any]] = [
    {"type": "string"},
    {"type": "integer", "minimum": 0},
    {"type": "array", "items": {"type": "integer"}, "minItems": 2, "maxItems": 2},
]
BranchName = Annotated[
    str | int | tuple[int, int],
    PlainValidator(_read_branch),
    WithJsonSchema({"anyOf": _BRANCH_FORMS}),
]
ElementName = Annotated[
    str | int, PlainValidator(_read_element), WithJsonSchema({"anyOf": _BRANCH_FORMS[:2]})
]
Branches = Annotated[tuple[BranchName, ...], _unique("branch", _branch_identity)]
Elements = Annotated[tuple[ElementName, ...], _unique("element")]
BranchCosts = Annotated[dict[str, NonNegative], _unique("branch", _branch_identity)]
BranchRatings = Annotated[
    dict[str, Positive],
    _unique("branch", _branch_identity),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "additionalProperties": {"exclusiveMinimum": 0}},
                {"type": "string", "description": "CSV file, columns branch,rate_mva"},
            ]
        }
    ),
]
ElementKey = Annotated[str | int, PlainValidator(_read_element_key)]
Availability = Annotated[
    dict[ElementKey, FractionDay],
    WithJsonSchema(
        {
            "type": "object",
            "additionalProperties": {
                "anyOf": [_DAY | {"items": {"maximum": 1, "minimum": 0}}, _FILE]
            },
        }
    ),
]
UnitRamps = Annotated[
    dict[ElementKey, NonNegative],
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "additionalProperties": {"minimum": 0}},
                {"type": "string", "description": "CSV file, columns generator,ramp_mw_per_h"},
            ]
        }
    ),
]
UnitLimits = Annotated[
    dict[ElementKey, NonNegative],
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "object", "additionalProperties": {"minimum": 0}},
                {"type": "string", "description": "CSV file, columns generator,max_p_mw"},
            ]
        }
    ),
]
Buses = Annotated[tuple[BusLabel, ...], _unique("bus")]
Sizes = Annotated[tuple[Positive, ...], NOT_EMPTY, _unique("size")]
Hours = Annotated[tuple[Hour, ...], NOT_EMPTY, _unique("hour")]
Polynomial = Annotated[tuple[Number, ...], NOT_EMPTY]
