"""How a case names the elements of a network: labels and names to positions in a Grid."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from hybridopt.case import BranchRef, parse_branch
from hybridopt.grid import Event

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridopt.case import Case
    from hybridopt.case_place import KeyPath
    from hybridopt.errors import Finding
    from hybridopt.grid import Grid

Written = str | int | tuple[int, int]

MOST_SHOWN = 12  # labels in a message


class Elements:
    """Looks elements up, and collects a finding for each that isn't there.

    Parameters
    ----------
    case : where the references stand
    grid : nominal grid with its labels
    element_names : names of buses, lines, transformers, ... in the network's tables, by position
    """

    def __init__(self, case: Case, grid: Grid, element_names: dict[str, list[Any]]) -> None:
        self.case, self.grid, self.names = case, grid, element_names
        self.findings: list[Finding] = []
        self.bus_position = {label: k for k, label in enumerate(grid.bus_id)}
        joined = zip(
            *(element_names.get(k, ()) for k in ("bus_label", "bus_position")), strict=True
        )
        self.bus_position |= dict(joined)

    def bus(self, label: int | str, key: str) -> int | None:
        """Position of a bus, by label or name."""
        if label in self.bus_position:
            return self.bus_position[label]
        if isinstance(label, str) and label in self.names["bus"]:
            return int(self.names["bus_position"][self.names["bus"].index(label)])
        self.miss(key, f"no bus {label!r}; buses are labelled {_range(self.grid.bus_id)}")
        return None

    def standing(
        self, labels: Literal["all"] | Sequence[int], key: str, damaged: Grid
    ) -> list[int]:
        """Positions of buses that are in service after the event: all, or those of a list."""
        if labels == "all":
            return [k for k, on in enumerate(damaged.bus_in_service) if on]
        found = []
        for i, label in enumerate(labels):
            position = self.bus(label, f"{key}[{i}]")
            if position is not None and not damaged.bus_in_service[position]:
                self.miss(f"{key}[{i}]", f"bus {label} is out of service after the event")
            elif position is not None:
                found.append(position)
        return found

    def branch(self, written: Written, key: str, kind: str) -> int | None:
        """Position of a line ("line") or transformer ("trafo")."""
        found = self.branches(written, kind)
        if len(found) == 1:
            return found[0]
        other = "trafo" if kind == "line" else "line"
        word = {"line": "line", "trafo": "transformer"}
        shown = str(parse_branch(written))
        if found:
            self.miss(key, f"{len(found)} {word[kind]}s are called {shown!r}; name them by buses")
        elif self.branches(written, other) and not isinstance(written, int):
            self.miss(key, f"{shown} is a {word[other]}: list it under {word[other]}s")
        else:
            self.miss(key, f"no {word[kind]} {shown} in the network{self._instead(written, kind)}")
        return None

    def _instead(self, written: Written, kind: str) -> str:
        """What there is where a branch was looked for; empty for names and numbers."""
        reference, grid = parse_branch(written), self.grid
        if not isinstance(reference, BranchRef):
            return ""
        for bus in (reference.from_bus, reference.to_bus):
            if bus not in self.bus_position:
                return f"; buses are labelled {_range(grid.bus_id)}"
        bus = self.bus_position[reference.from_bus]
        ends = zip(
            grid.branch_name, grid.branch_kind, grid.branch_from, grid.branch_to, strict=True
        )
        here = [name for name, what, *pair in ends if what == kind and bus in pair]
        if not here:
            return ""
        more = ", ..." if len(here) > MOST_SHOWN else ""
        return f"; at bus {reference.from_bus}: {', '.join(here[:MOST_SHOWN])}{more}"

    def branches(self, written: Written, kind: str) -> list[int]:
        """Positions of the branches of a kind that a reference means."""
        grid, reference = self.grid, parse_branch(written)
        of_kind = [k for k, name in enumerate(grid.branch_kind) if name == kind]
        if isinstance(reference, int):
            return [k for k in of_kind if grid.branch_index[k] == reference]
        if isinstance(reference, BranchRef):
            ends = {self.bus_position.get(b) for b in (reference.from_bus, reference.to_bus)}
            pairs = zip(grid.branch_from.tolist(), grid.branch_to.tolist(), strict=True)
            between = [k for k, pair in enumerate(pairs) if set(pair) == ends]
            chosen = between[reference.number - 1 : reference.number]  # as the branches' names do
            return [k for k in chosen if k in of_kind]
        return [k for k in of_kind if reference in (grid.branch_name[k], self.names["branch"][k])]

    def units(self, written: int | str, key: str | KeyPath, kind: str) -> list[int]:
        """Positions of the external grids ("ext_grid") or generators ("gen") at a bus."""
        grid = self.grid
        word = {"ext_grid": "external grid", "gen": "generator"}[kind]
        kinds = ("gen", "sgen") if kind == "gen" else (kind,)
        of_kind = [k for k, name in enumerate(grid.gen_kind) if name in kinds]
        if isinstance(written, int):
            found = [k for k in of_kind if grid.gen_bus[k] == self.bus_position.get(written)]
            where = f"at bus {written}; they stand at " + ", ".join(
                str(grid.bus_id[grid.gen_bus[k]]) for k in of_kind
            )
        else:
            found = [k for k in of_kind if grid.gen_name[k] == written]
            where = f"called {written!r}"
        if not found:
            self.miss(key, f"no {word} {where}" if of_kind else f"the network has no {word}")
        return found

    def at_bus(self, written: int | str, key: str, table: str) -> list[int]:
        """Positions of the loads ("load") or shunts ("shunt") at a bus, or by name."""
        buses = self.grid.load_bus if table == "load" else self.grid.shunt_bus
        if isinstance(written, int):
            found = [k for k, b in enumerate(buses) if b == self.bus_position.get(written)]
            where = f"at bus {written}"
        else:
            found = [k for k, name in enumerate(self.names[table]) if name == written]
            where = f"called {written!r}"
        if not found:
            self.miss(key, f"no {table} {where}")
        return found

    def event(self) -> Event:
        """The case's event as positions; an absent event takes nothing out."""
        event = self.case.event
        if event is None:
            return Event()
        branches, gens, loads, shunts, buses = [], [], [], [], []
        for table, kind in (("lines", "line"), ("transformers", "trafo")):
            for i, written in enumerate(getattr(event, table)):
                branches.append(self.branch(written, f"event.{table}[{i}]", kind))
        for table, kind in (("generators", "gen"), ("external_grids", "ext_grid")):
            for i, written in enumerate(getattr(event, table)):
                gens += self.units(written, f"event.{table}[{i}]", kind)
        for i, written in enumerate(event.loads):
            loads += self.at_bus(written, f"event.loads[{i}]", "load")
        for i, written in enumerate(event.shunts):
            shunts += self.at_bus(written, f"event.shunts[{i}]", "shunt")
        for i, written in enumerate(event.buses):
            buses.append(self.bus(written, f"event.buses[{i}]"))
        return Event(
            branches=tuple(dict.fromkeys(k for k in branches if k is not None)),
            gens=tuple(dict.fromkeys(gens)),
            loads=tuple(dict.fromkeys(loads)),
            buses=tuple(dict.fromkeys(k for k in buses if k is not None)),
            shunts=tuple(dict.fromkeys(shunts)),
        )

    def miss(self, key: str | KeyPath, message: str) -> None:
        """Note a finding at a key of the case."""
        self.findings.append(self.case.finding(key, message))


def _range(labels: Sequence[int]) -> str:
    low, high = min(labels), max(labels)
    if len(labels) == high - low + 1:
        return f"{low} to {high}"
    shown = ", ".join(str(label) for label in sorted(labels)[:MOST_SHOWN])
    return shown + (", ..." if len(labels) > MOST_SHOWN else "")
