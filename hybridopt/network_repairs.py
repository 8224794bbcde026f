"""What a case's ``[restore]`` table asks for, resolved to positions in its network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.case_fields import BranchRef, label_or_name, parse_branch, show
from hybridopt.case_restore import Restore
from hybridopt.elements import Elements
from hybridopt.errors import Finding, InputError
from hybridopt.grid import Event
from hybridopt.network_travel import travel_hours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hybridopt.case import Case
    from hybridopt.grid import Grid
    from hybridopt.network_scenario import Scenario

    Floats = NDArray[np.float64]

KINDS = {
    "lines": "line",
    "transformers": "transformer",
    "generators": "generator",
    "external_grids": "external_grid",
    "loads": "load",
    "buses": "bus",
    "shunts": "shunt",
}
PARTS = ("branches", "gens", "loads", "buses", "shunts")


@dataclass(frozen=True)
class Job:
    """One damaged element: what an entry of the event takes out.

    Attributes
    ----------
    name : kind and how the event names it, such as ``line 5-6``
    place : key of the entry in the case
    parts : what comes back into service with it
    buses : positions of its buses (two for a branch)
    repair_h : h
    """

    name: str
    kind: str
    place: str
    parts: Event
    buses: tuple[int, ...]
    repair_h: float = 0.0


@dataclass(frozen=True, eq=False)
class RepairProblem:
    """Everything that the order of repairs depends on.

    Attributes
    ----------
    travel_h : (n_job + 1, n_job + 1), h, from row to column; 0 is the depot, i + 1 job i
    customers : (n_bus,);  zero without any
    """

    scenario: Scenario
    terms: Restore
    jobs: tuple[Job, ...]
    travel_h: Floats
    customers: Floats

    @property
    def repair_h(self) -> tuple[float, ...]:
        """Hours of repair of each job."""
        return tuple(job.repair_h for job in self.jobs)

    def grid_of(self, repaired: int) -> Grid:
        """The grid with the jobs of a set repaired; bit i of the set stands for job i."""
        grid, nominal = self.scenario.damaged, self.scenario.grid
        flags = {
            "branches": "branch_in_service",
            "gens": "gen_in_service",
            "loads": "load_in_service",
            "buses": "bus_in_service",
            "shunts": "shunt_in_service",
        }
        on = {name: getattr(grid, name).copy() for name in flags.values()}
        for i, job in enumerate(self.jobs):
            if repaired >> i & 1:
                for part, name in flags.items():
                    back = list(getattr(job.parts, part))
                    on[name][back] = getattr(nominal, name)[back]
        return replace(grid, **on)


def repair_problem(scenario: Scenario) -> RepairProblem:
    """Resolve a case's repairs; without a ``[restore]`` table its defaults hold.

    Raises
    ------
    InputError
        With every finding.
    """
    case, grid = scenario.case, scenario.grid
    if case.event is None:
        message = "is missing: restoration needs an [event] that takes something out"
        raise InputError([case.finding("event", message)])
    elements = Elements(case, grid, scenario.element_names)
    terms = case.restore or Restore()
    jobs, travel, customers = _resolve(elements, grid, terms)
    if elements.findings:
        raise InputError(elements.findings)
    return RepairProblem(scenario, terms, jobs, travel, customers)


def restore_findings(
    case: Case, grid: Grid, element_names: dict[str, list[Any]], *, is_event_known: bool
) -> list[Finding]:
    """Find what is wrong between ``[restore]`` and the network; nothing without that table.

    What is wrong with the event itself is not among it.

    Parameters
    ----------
    is_event_known : otherwise it names something that is not there, and what is there may be what
        it means
    """
    if case.restore is None or case.event is None:
        return []
    elements = Elements(case, grid, element_names)
    _resolve(elements, grid, case.restore, is_event_known=is_event_known)
    return elements.findings


def _resolve(
    elements: Elements, grid: Grid, terms: Restore, *, is_event_known: bool = True
) -> tuple[tuple[Job, ...], Floats, Floats]:
    jobs = list(_jobs(elements, grid))
    _refuse_doubled(elements, grid, jobs)
    named = terms.repair_h
    if not is_event_known:
        named = {key: h for key, h in named.items() if not _is_there(elements, jobs, key)}
    jobs = _with_hours(elements, terms, named, jobs)
    is_table = terms.travel is not None and terms.travel.matrix is not None
    way = terms.travel if is_event_known or not is_table else None
    travel = travel_hours(elements, grid, way, jobs, find_job)
    customers = np.zeros(grid.n_bus)
    for label, count in terms.customers.items():
        position = elements.bus(label, f"restore.customers.{label}")
        if position is not None:
            customers[position] += count
    return tuple(jobs), travel, customers


def _is_there(elements: Elements, jobs: list[Job], text: str) -> bool:
    """Whether a key names something of the network that was not damaged."""
    if isinstance(find_job(jobs, text), int):
        return False
    quiet = Elements(elements.case, elements.grid, elements.names)
    kind, name = _split(text)
    return any(
        any(_positions(quiet, label_or_name(name), "event", one).values())
        for one in KINDS.values()
        if kind in ("", one)
    )


def _jobs(elements: Elements, grid: Grid) -> Iterator[Job]:
    """A job for each entry of the event that can be found."""
    event = elements.case.event
    quiet = Elements(elements.case, grid, elements.names)
    for table, kind in KINDS.items():
        for i, written in enumerate(getattr(event, table)):
            key = f"event.{table}[{i}]"
            found = _positions(quiet, written, key, kind)
            parts = dict.fromkeys(PARTS, ()) | found
            if any(parts.values()):
                event_part = Event(**parts)
                buses = _buses(grid, event_part)
                name = f"{kind} {parse_branch(written)}"
                yield Job(name, kind, key, event_part, buses)


def _positions(elements: Elements, written: Any, key: str, kind: str) -> dict[str, tuple[int, ...]]:
    if kind in ("line", "transformer"):
        branch = elements.branch(written, key, "line" if kind == "line" else "trafo")
        return {"branches": () if branch is None else (branch,)}
    if kind in ("generator", "external_grid"):
        units = elements.units(written, key, "gen" if kind == "generator" else "ext_grid")
        return {"gens": tuple(units)}
    if kind == "bus":
        bus = elements.bus(written, key)
        return {"buses": () if bus is None else (bus,)}
    part = "loads" if kind == "load" else "shunts"
    return {part: tuple(elements.at_bus(written, key, kind))}


def _buses(grid: Grid, parts: Event) -> tuple[int, ...]:
    found = [
        *(int(b) for k in parts.branches for b in (grid.branch_from[k], grid.branch_to[k])),
        *(int(grid.gen_bus[k]) for k in parts.gens),
        *(int(grid.load_bus[k]) for k in parts.loads),
        *(int(b) for b in parts.buses),
        *(int(grid.shunt_bus[k]) for k in parts.shunts),
    ]
    return tuple(dict.fromkeys(found))


def _refuse_doubled(elements: Elements, grid: Grid, jobs: list[Job]) -> None:
    """The same element in two entries, or one that was out of service before the event."""
    seen: dict[tuple[str, int], Job] = {}
    state = dict(zip(PARTS, ("branch", "gen", "load", "bus", "shunt"), strict=True))
    for job in jobs:
        idle = True
        for part, name in state.items():
            for k in getattr(job.parts, part):
                first = seen.setdefault((part, k), job)
                if first is not job:
                    message = f"is the same element as {first.place} ({first.name})"
                    elements.miss(job.place, message)
                    idle = False
                idle = idle and not bool(getattr(grid, f"{name}_in_service")[k])
        if idle:
            elements.miss(job.place, "was out of service before the event: nothing to repair")


def element_key(text: str) -> tuple[str, Any]:
    """Kind ("" if not given) and reference of an element as a table names it."""
    kind, name = _split(text)
    return kind, _reference(name)


def _split(text: str) -> tuple[str, str]:
    words = text.strip().split(None, 1)
    kind = words[0].lower() if len(words) == 2 else ""
    if text.strip().lower().startswith("external grid "):
        return "external_grid", text.strip()[len("external grid ") :]
    return (kind, words[1]) if kind in KINDS.values() else ("", text.strip())


def _reference(text: str) -> Any:
    branch = parse_branch(text)
    if isinstance(branch, BranchRef):
        return frozenset({branch.from_bus, branch.to_bus}), branch.number
    return str(branch)


def find_job(jobs: list[Job], text: str) -> int | str:
    """Position of the job that a table's key means, or what is wrong with it."""
    kind, reference = element_key(text)
    found = [
        i
        for i, job in enumerate(jobs)
        if element_key(job.name)[1] == reference and kind in ("", job.kind)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        shown = " or ".join(jobs[i].name for i in found)
        return f"{show(text.strip())} may be {shown}: say which"
    names = ", ".join(job.name for job in jobs) or "nothing"
    return f"no damaged element {show(text.strip())}; damaged: {names}"


def _with_hours(
    elements: Elements, terms: Restore, named: dict[str, float], jobs: list[Job]
) -> list[Job]:
    given: dict[int, float] = {}
    for key, hours in named.items():
        place = ("restore", "repair_h", key)
        found = find_job(jobs, key)
        if isinstance(found, str):
            elements.miss(place, found)
        elif found in given:
            elements.miss(place, f"{jobs[found].name} stands here a second time")
        else:
            given[found] = hours
    return [
        replace(job, repair_h=given.get(i, getattr(terms.default_repair_h, job.kind)))
        for i, job in enumerate(jobs)
    ]
