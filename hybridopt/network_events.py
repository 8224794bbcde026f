"""The elements of a network that events may take out, and the case after any such event."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hybridopt.case_events import KINDS
from hybridopt.elements import Elements
from hybridopt.errors import Finding, InputError
from hybridopt.grid import Event, apply_event
from hybridopt.network_resources import plan_space

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from hybridopt.case import Case
    from hybridopt.case_events import EventElements
    from hybridopt.grid import Grid
    from hybridopt.network_scenario import Scenario

WORDS = {
    "lines": "line",
    "transformers": "transformer",
    "generators": "generator",
    "external_grids": "external grid",
}
_TABLE = {"lines": "line", "transformers": "trafo", "external_grids": "ext_grid"}


@dataclass(frozen=True)
class Element:
    """Something that an event may take out.

    Attributes
    ----------
    kind : "lines", "transformers", "generators" or "external_grids"
    position : among the grid's branches or units
    name : as results show it, such as "line 5-6" or "generator 2"
    """

    kind: str
    position: int
    name: str

    @property
    def is_branch(self) -> bool:
        """Whether it is a line or a transformer."""
        return self.kind in ("lines", "transformers")


def event_of(elements: Iterable[Element]) -> Event:
    """The event that takes elements out."""
    lost = sorted(elements, key=lambda e: e.position)
    return Event(
        branches=tuple(e.position for e in lost if e.is_branch),
        gens=tuple(e.position for e in lost if not e.is_branch),
    )


class ElementList:
    """Everything in service that an event may take out, and how a case names it.

    Attributes
    ----------
    elements : by kind, in the grid's order
    """

    def __init__(self, case: Case, grid: Grid, names: dict[str, list[Any]]) -> None:
        self.case = case
        self.lookup = Elements(case, grid, names)
        self.elements = _named(grid)

    def of_kinds(self, kinds: Sequence[str]) -> tuple[Element, ...]:
        """The elements of some kinds."""
        return tuple(e for e in self.elements if e.kind in kinds)

    def listed(
        self, listed: EventElements, key: Callable[[str, int], str] | None = None
    ) -> tuple[Element, ...]:
        """The elements of a list, in the grid's order; findings for those that are not there.

        Parameters
        ----------
        key : place of the i-th of a kind; in the case's [worst.elements] if not given
        """
        key = key or (lambda kind, i: f"worst.elements.{kind}[{i}]")
        chosen: set[Element] = set()
        for kind in KINDS:
            for i, written in enumerate(getattr(listed, kind)):
                chosen.update(self.find(kind, written, key(kind, i)))
        return tuple(e for e in self.elements if e in chosen)

    def find(self, kind: str, written: Any, key: Any) -> list[Element]:
        """What is called so; a finding at ``key`` when there is none."""
        if kind in ("lines", "transformers"):
            branch = self.lookup.branch(written, key, _TABLE[kind])
            positions = [] if branch is None else [branch]
        else:
            positions = self.lookup.units(written, key, _TABLE.get(kind, "gen"))
        found = [e for e in self.elements if e.kind == kind and e.position in positions]
        if positions and not found:
            self.lookup.miss(key, f"{WORDS[kind]} {written} is out of service in the network")
        return found

    def finding(self, key: Any, message: str) -> Finding:
        """A finding at a key of the case."""
        return self.case.finding(key, message)

    def settle(self) -> None:
        """Raise what was found wrong so far."""
        findings, self.lookup.findings = self.lookup.findings, []
        if findings:
            raise InputError(findings)


def _named(grid: Grid) -> tuple[Element, ...]:
    usable = grid.branch_usable()
    at_branch = {"line": "lines", "trafo": "transformers"}
    found = [
        Element(at_branch[kind], k, grid.branch_name[k])
        for k, kind in enumerate(grid.branch_kind)
        if usable[k] and kind in at_branch
    ]
    at_unit = {"gen": "generators", "sgen": "generators", "ext_grid": "external_grids"}
    running = grid.gen_in_service & grid.bus_in_service[grid.gen_bus]
    found += [
        Element(at_unit[kind], k, str(grid.bus_id[grid.gen_bus[k]]))
        for k, kind in enumerate(grid.gen_kind)
        if running[k] and kind in at_unit
    ]
    count: Counter[tuple[str, str]] = Counter()
    named = []
    for element in sorted(found, key=lambda e: KINDS.index(e.kind)):
        count[element.kind, element.name] += 1
        number = count[element.kind, element.name]
        suffix = f"#{number}" if number > 1 else ""
        named.append(replace(element, name=f"{WORDS[element.kind]} {element.name}{suffix}"))
    return tuple(named)


class EventSpace:
    """A case after any event among its elements; its own event is left aside.

    Attributes
    ----------
    scenario : the case before any event
    known : what an event may take out
    """

    def __init__(self, scenario: Scenario) -> None:
        case, grid = scenario.case, scenario.grid
        self.known = ElementList(case, grid, scenario.element_names)
        new = [c.branch for c in scenario.space.candidates if c.kind == "new"]
        self._new = list(zip(new, case.resources.lines.candidates, strict=False))
        self.scenario = scenario
        self.scenario = self.after(Event())

    def after(self, event: Event) -> Scenario:
        """The case after an event, with what a plan may repair of it.

        Raises
        ------
        InputError
            A lost branch has no price.
        """
        damaged = apply_event(self.scenario.grid, event)
        space = plan_space(self.known.lookup, damaged, event, self._new)
        self.known.settle()
        return replace(self.scenario, event=event, damaged=damaged, space=space)
