"""Files of scripted studies: which cases, events, budgets and seeds `hybridopt sweep` runs."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from hybridopt.case import Case, case_of
from hybridopt.case_fields import NOT_EMPTY, NonNegative, Table, Whole, refuse_repeats
from hybridopt.case_findings import describe
from hybridopt.case_schema import Event
from hybridopt.case_source import Place, Source, complete, read_toml
from hybridopt.errors import Finding, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hybridopt.case_place import KeyPath

OWN = "own"  # the event that the case itself has
MOST_SEEDS = 1000
_EVENT_KEYS = tuple(Event.model_fields)


def read_seeds(text: str) -> list[int]:
    """Seeds written as ``0-9``, ``3`` or ``0,2,5-7``.

    Raises
    ------
    ValueError
        It is something else, or names no seed or the same one twice.
    """
    seeds: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if not first.isdecimal() or not (last or first).isdecimal():
            raise ValueError(f"must be like 0-9 or 0,3,5, found {text!r}")
        if int(last or first) - int(first) >= MOST_SEEDS:
            raise ValueError(f"names more than {MOST_SEEDS} seeds: {text!r}")
        seeds += range(int(first), int(last or first) + 1)
    if not seeds or len(set(seeds)) < len(seeds):
        raise ValueError(f"must name every seed once, from low to high, found {text!r}")
    return seeds


def _seed_list(seeds: Any) -> Any:
    """A list of what may be written as text, or as one number."""
    if isinstance(seeds, str):
        return read_seeds(seeds)
    return [seeds] if isinstance(seeds, int) else seeds


def _once_each(seeds: tuple[int, ...]) -> tuple[int, ...]:
    refuse_repeats(seeds, "seed")
    return seeds


def _once(values: Any) -> Any:
    refuse_repeats(values, "entry", key=str)
    return values


class StudyEvent(Event):
    """An event that takes the place of a case's own."""

    name: str = Field(min_length=1, pattern=r"^[A-Za-z0-9_.+]+$")
    """In the table and in the names of folders: letters, digits, and _ . +"""
    cases: tuple[str, ...] | None = None
    """The cases that it is for, as in `cases`; all of them if not given."""

    @model_validator(mode="after")
    def _removes_something(self) -> Self:
        removes = any(getattr(self, key) for key in _EVENT_KEYS)
        if removes and self.name == OWN:
            raise ValueError(f"{OWN!r} is the name of the case's own event; give another one")
        if not removes and self.name != OWN:
            message = f"removes nothing; list an element ({', '.join(_EVENT_KEYS)}), or name it "
            raise ValueError(message + f"{OWN!r} for the case's own event")
        return self


class StudyFile(Table):
    """A study: every case with every event, budget and seed."""

    title: str = ""
    """One line for the report."""
    cases: Annotated[tuple[str, ...], NOT_EMPTY, AfterValidator(_once)]
    """Built-in cases, or paths from this file."""
    seeds: Annotated[
        tuple[Annotated[Whole, Field(ge=0)], ...],
        BeforeValidator(_seed_list),
        NOT_EMPTY,
        AfterValidator(_once_each),
    ] = (0,)
    """A list, a number, or text such as "0-9"."""
    budgets: Annotated[tuple[NonNegative, ...], NOT_EMPTY, AfterValidator(_once)] | None = None
    """Each takes the place of the cases' own; theirs if not given."""
    events: tuple[StudyEvent, ...] = ()
    """[[events]]: each takes the place of the cases' own; theirs if not given."""
    set: dict[str, Any] = Field(default_factory=dict)
    """[set]: keys of a case file that hold in every case."""

    @field_validator("set")
    @classmethod
    def _leaves_the_rest(cls, keys: dict[str, Any]) -> dict[str, Any]:
        for key, instead in (("extends", "cases"), ("event", "[[events]]"), ("budget", "budgets")):
            if key in keys:
                raise ValueError(f"cannot hold {key!r}; give {instead} instead")
        return keys

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        refuse_repeats((event.name for event in self.events), "event")
        for event in self.events:
            for name in event.cases or ():
                if name not in self.cases:
                    raise ValueError(f"event {event.name!r} is for {name!r}, which is no case here")
        for name in self.cases:
            if self.events and not any(e.cases is None or name in e.cases for e in self.events):
                raise ValueError(f"case {name!r} has no event; add one, or the event {OWN!r}")
        return self


@dataclass(frozen=True)
class Variant:
    """A case with one of the study's events and budgets.

    Attributes
    ----------
    event : its name
    """

    case: Case
    event: str
    budget: float


@dataclass(frozen=True)
class Study:
    """A study file that was read: its title, its variants and its seeds."""

    name: str
    title: str
    variants: list[Variant]
    seeds: tuple[int, ...]


def read_study(path: str | Path) -> Study:
    """Read a study file and every case in it, without networks.

    Raises
    ------
    InputError
        With everything that is wrong with the file and with each of its cases.
    """
    file, label = Path(path), str(path)
    data, lines = read_toml(file, label)
    places = {key: Place(file, label, line) for key, line in lines.items()}
    source = Source(file, file.stem, label, data, places)
    try:
        study = StudyFile.model_validate(data)
    except ValidationError as error:
        problems = sorted(describe(error, StudyFile), key=lambda problem: source.order(problem[0]))
        listed = [source.finding(*problem) for problem in problems]
        raise InputError(listed + _unreadable(source)) from error
    findings: dict[Finding, None] = {}  # in order, each once: variants share much
    variants: list[Variant] = []
    for one in _variants(study):
        try:
            case = case_of(_variant_source(source, *one))
        except InputError as error:
            findings |= dict.fromkeys(error.findings)
            continue
        number = one[1]
        name = OWN if number is None else study.events[number].name
        variants.append(Variant(case, name, case.budget))
    if findings:
        raise InputError(findings)
    return Study(file.stem, study.title, variants, study.seeds)


def _unreadable(study: Source) -> list[Finding]:
    """What is wrong with the files that the cases of a study name, whatever else it says."""
    names = study.data.get("cases")
    alone = replace(study, data={"cases": names})
    return [
        finding
        for k, name in enumerate(names if isinstance(names, list) else ())
        if isinstance(name, str)
        for finding in _variant_source(alone, k, None, None).findings
    ]


def _variants(study: StudyFile) -> Iterator[tuple[int, int | None, int | None]]:
    """Position of the case, of the event and of the budget."""
    budgets: list[int | None] = [None]
    if study.budgets is not None:
        budgets = list(range(len(study.budgets)))
    for case, name in enumerate(study.cases):
        events: list[int | None] = [
            k for k, e in enumerate(study.events) if e.cases is None or name in e.cases
        ]
        for event in events or [None]:
            for budget in budgets:
                yield case, event, budget


def _variant_source(study: Source, case: int, event: int | None, budget: int | None) -> Source:
    """The tables of a variant: what the study says, and below it what the case says."""
    data: dict[str, Any] = deepcopy(study.data.get("set", {}))
    moved: list[tuple[KeyPath, KeyPath]] = [(("set",), ()), (("cases", case), ("extends",))]
    data["extends"] = study.data["cases"][case]
    if budget is not None:
        data["budget"] = study.data["budgets"][budget]
        moved.append((("budgets", budget), ("budget",)))
    own: set[str] = set()
    if event is not None and study.data["events"][event]["name"] != OWN:
        given = study.data["events"][event]
        data["event"] = {key: deepcopy(value) for key, value in given.items() if key in _EVENT_KEYS}
        own = set(data["event"])
        moved.append((("events", event), ("event",)))
    places = {
        (*there, *key[len(here) :]): replace(place, path=key)
        for here, there in moved
        for key, place in study.places.items()
        if key[: len(here)] == here and (*there, *key[len(here) :])
    }
    name = _name(str(study.data["cases"][case]))
    found = complete(Source(study.file, name, study.label, data, places), chain=())
    if own:  # instead of the case's event, not on top of it
        found.data["event"] = {k: v for k, v in found.data["event"].items() if k in own}
    return found


def _name(case: str) -> str:
    path = Path(case)
    return path.parent.name if path.name == "case.toml" else path.stem if path.suffix else path.name
