"""Files of scripted studies: which cases, events, budgets and seeds `hybridopt sweep` runs."""

from __future__ import annotations

import re
from copy import deepcopy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    ValidationError,
    model_validator,
)

from hybridopt.case import Case, case_of
from hybridopt.case_fields import NOT_EMPTY, NonNegative, Table, Whole
from hybridopt.case_findings import describe
from hybridopt.case_schema import Event
from hybridopt.case_sound import sound_part_of
from hybridopt.case_source import Place, Source, complete, read_toml
from hybridopt.cases import builtin_cases
from hybridopt.errors import Finding, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hybridopt.case_place import KeyPath

OWN = "own"  # the event that the case itself has
MOST_SEEDS = 1000
INSTEAD = {"extends": "cases", "event": "[[events]]", "budget": "budgets"}  # of keys in [set]
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
        found = re.fullmatch(r"([0-9]{1,18})(?:-([0-9]{1,18}))?", part.strip())
        if found is None:
            raise ValueError(f"must be like 0-9 or 0,3,5, found {text!r}")
        first, last = found.groups()
        if last and int(last) < int(first):
            raise ValueError(f"must name every seed once, from low to high, found {text!r}")
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


def _fit_for_folders(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_.+]+", name):
        raise ValueError(f"may hold letters, digits, and _ . + only, found {name!r}")
    return name


class StudyEvent(Event):
    """An event that takes the place of a case's own."""

    name: Annotated[str, AfterValidator(_fit_for_folders)]
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
    cases: Annotated[tuple[str, ...], NOT_EMPTY]
    """Built-in cases, or paths from this file."""
    seeds: Annotated[
        tuple[Annotated[Whole, Field(ge=0)], ...],
        BeforeValidator(_seed_list),
        NOT_EMPTY,
    ] = (0,)
    """A list, a number, or text such as "0-9"."""
    budgets: Annotated[tuple[NonNegative, ...], NOT_EMPTY] | None = None
    """Each takes the place of the cases' own; theirs if not given."""
    events: tuple[StudyEvent, ...] = ()
    """[[events]]: each takes the place of the cases' own; theirs if not given."""
    set: dict[str, Any] = Field(default_factory=dict)
    """[set]: keys of a case file that hold in every case."""


@dataclass(frozen=True)
class Variant:
    """A case with one of the study's events and budgets.

    Attributes
    ----------
    event : its name
    is_part : wrong parts of the case are left out; it is there to look for more
    """

    case: Case
    event: str
    budget: float
    is_part: bool = False


@dataclass(frozen=True)
class Study:
    """A study file that was read: its title, its variants and its seeds.

    Attributes
    ----------
    findings : what is wrong with the file and with each of its cases, without their networks
    """

    name: str
    title: str
    variants: list[Variant]
    seeds: tuple[int, ...]
    findings: list[Finding]


def read_study(path: str | Path) -> Study:
    """Read a study file and every case in it, without networks.

    What is wrong with them is in the study's ``findings``, so that what is wrong in the networks
    can be found beside it.

    Raises
    ------
    InputError
        The file cannot be read, or is not TOML.
    """
    file, label = Path(path), str(path)
    data, lines = read_toml(file, label)
    places = {key: Place(file, label, line) for key, line in lines.items()}
    source = Source(file, file.stem, label, data, places)
    problems = [*_repeats(data), *_misfits(data)]
    title = ""
    seeds: tuple[int, ...] = (0,)
    try:
        study = StudyFile.model_validate(data)
        title, seeds = study.title, study.seeds
    except ValidationError as error:
        problems += describe(error, StudyFile)
    problems.sort(key=lambda problem: source.order(problem[0]))
    # In order, each once: variants share much.
    findings = dict.fromkeys(source.finding(*problem) for problem in problems)
    variants: list[Variant] = []
    for case, event, budget in _variants(data):
        found, is_part = _variant_source(source, case, event, budget), False
        whole: Case | None = None
        try:
            whole = case_of(found)
        except InputError as error:
            findings |= dict.fromkeys(error.findings)
            whole, is_part = sound_part_of(found), True
        if whole is not None:
            name = OWN if event is None else str(data["events"][event].get("name"))
            variants.append(Variant(whole, name, whole.budget, is_part))
    return Study(file.stem, title, variants, seeds, list(findings))


def _entries(data: dict[str, Any], key: str, kind: Any) -> list[tuple[int, Any]]:
    """Position and value of what a list holds of a kind; nothing where it is no list."""
    listed = data.get(key)
    return [
        (k, value)
        for k, value in enumerate(listed if isinstance(listed, list) else ())
        if isinstance(value, kind)
    ]


def _repeats(data: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Path and message of what stands there again: cases, budgets, seeds, names of events."""
    for key, kind in (("cases", str), ("budgets", int | float), ("seeds", int | float)):
        for k, value in _entries(data, key, kind):
            if not isinstance(value, bool) and data[key].index(value) < k:
                yield (key, k), f"{value!r} is listed twice"
    names = [(k, event.get("name")) for k, event in _entries(data, "events", dict)]
    for k, name in names:
        if name is not None and any(other == name for j, other in names if j < k):
            yield ("events", k, "name"), f"event {name!r} is listed twice"


def _misfits(data: dict[str, Any]) -> Iterator[tuple[KeyPath, str]]:
    """Path and message of what names cases that are not there, or stands in the wrong place."""
    cases, events = _entries(data, "cases", str), _entries(data, "events", dict)
    for k, event in events:
        for j, case in _entries(event, "cases", str):
            if case not in (name for _, name in cases):
                yield ("events", k, "cases", j), f"{case!r} is none of this study's cases"
    given = data.get("set")
    for key, instead in INSTEAD.items():
        if isinstance(given, dict) and key in given:
            yield ("set", key), f"cannot stand here; give {instead} instead"
    for k, name in cases:
        if events and not any(_is_for(event, name) for _, event in events):
            yield ("cases", k), f"case {name!r} has no event; add one, or the event {OWN!r}"


def _is_for(event: dict[str, Any], case: str) -> bool:
    cases = event.get("cases")
    return not isinstance(cases, list) or case in cases


def _variants(data: dict[str, Any]) -> Iterator[tuple[int, int | None, int | None]]:
    """Position of the case, of the event and of the budget, whatever else is wrong."""
    budgets: list[int | None] = [k for k, _ in _entries(data, "budgets", object)]
    for case, name in _entries(data, "cases", str):
        if data["cases"].index(name) < case:
            continue
        events: list[int | None] = [
            k
            for k, event in _entries(data, "events", dict)
            if _is_for(event, name)
            and (event.get("name") == OWN or any(event.get(key) for key in _EVENT_KEYS))
        ]
        for event in events or [None]:
            for budget in budgets or [None]:
                yield case, event, budget


def _variant_source(study: Source, case: int, event: int | None, budget: int | None) -> Source:
    """The tables of a variant: what the study says, and below it what the case says."""
    given = study.data.get("set")
    data: dict[str, Any] = deepcopy(given) if isinstance(given, dict) else {}
    for key in INSTEAD:
        data.pop(key, None)
    moved: list[tuple[KeyPath, KeyPath]] = [(("set",), ()), (("cases", case), ("extends",))]
    data["extends"] = study.data["cases"][case]
    if budget is not None:
        data["budget"] = study.data["budgets"][budget]
        moved.append((("budgets", budget), ("budget",)))
    own: set[str] = set()
    if event is not None and study.data["events"][event].get("name") != OWN:
        removed = study.data["events"][event]
        data["event"] = {k: deepcopy(value) for k, value in removed.items() if k in _EVENT_KEYS}
        own = set(data["event"])
        moved.append((("events", event), ("event",)))
    places = {
        (*there, *key[len(here) :]): replace(place, path=key)
        for here, there in moved
        for key, place in study.places.items()
        if key[: len(here)] == here and (*there, *key[len(here) :])
    }
    name = _name(str(study.data["cases"][case]), study.file.parent)
    found = complete(Source(study.file, name, study.label, data, places), chain=())
    if own:  # instead of the case's event, not on top of it
        found.data["event"] = {k: v for k, v in found.data["event"].items() if k in own}
        found.data.pop("restore", None)  # repairs of what the case's own event took out
    return found


def _name(case: str, folder: Path) -> str:
    """What a case is called, as where it is read alone."""
    if case in builtin_cases():
        return case
    try:
        path = (folder / case).resolve()
        is_folder = path.is_dir()
    except (OSError, ValueError):  # a name that no file can have, which is found elsewhere
        return case
    if path.name == "case.toml":
        return path.parent.name
    return path.name if is_folder else path.stem
