"""A case together with its network: everything a study needs before it starts."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp

from hybridopt.case import Case, Horizon, make_case, read_case
from hybridopt.case_sound import sound_part
from hybridopt.elements import Elements
from hybridopt.errors import Finding, InputError
from hybridopt.grid import Event, Grid, apply_event
from hybridopt.network import prepare, read_network
from hybridopt.network_exposure import event_findings
from hybridopt.network_grid import grid_from_net
from hybridopt.network_limits import with_limits
from hybridopt.network_pairs import with_pairs
from hybridopt.network_repairs import restore_findings
from hybridopt.network_resources import plan_space
from hybridopt.network_siting_findings import siting_findings
from hybridopt.network_time import unit_profiles, with_storage
from hybridopt.network_units import fixed_loads
from hybridopt.plan_space import PlanSpace
from hybridopt.settings import Settings
from hybridopt.solvers.available import has_linear_solver
from hybridopt.unit_cost import MOST_PIECES, valve_pieces, without_zones

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hybridopt.case_resources import CandidateLine
    from hybridopt.case_schema import GeneratorCost
    from hybridopt.unit_cost import Piece


@dataclass(frozen=True, eq=False)
class Scenario:
    """A case with its network read.

    Attributes
    ----------
    net : prepared copy of the network, new lines added out of service
    net_bus_position : Grid position of each bus index of the net
    grid : nominal grid, new lines included
    damaged : grid after the event
    """

    case: Case
    net: Any
    net_bus_position: dict[int, int]
    grid: Grid
    event: Event
    damaged: Grid
    space: PlanSpace
    horizon: Horizon
    settings: Settings

    @property
    def element_names(self) -> dict[str, list[Any]]:
        """Names in the network's tables, see :class:`hybridopt.elements.Elements`."""
        return _element_names(self.net, self.net_bus_position, self.case.bus_label_offset)

    @property
    def search_grid(self) -> Grid:
        """The damaged grid with every line that a plan may build anywhere, open, at the end."""
        genes, terms = self.space.line_genes, self.case.resources.lines.anywhere
        if genes is None or terms is None:
            return self.damaged
        is_power = self.case.limits.branch_limit == "power"
        return with_pairs(self.damaged, genes, terms, is_power=is_power)


def load_case(
    case: str | Path | dict[str, Any], *, net: Any = None, repairs: bool = False
) -> Scenario:
    """Read a case and its network.

    Parameters
    ----------
    case : a built-in case, a TOML file, a folder with a ``case.toml``, or a dictionary with the
        keys of a case file
    net : a pandapower net to use instead of the case's network; it is not altered
    repairs : what the event takes out comes back: it may leave nothing

    Returns
    -------
    Scenario

    Raises
    ------
    InputError
        Everything that is wrong with the case and its network, each with its place.
    """
    if isinstance(case, dict) and net is not None:
        case = {"network": "net", **case}
    try:
        read = make_case(case) if isinstance(case, dict) else read_case(case)
    except InputError as error:
        raise InputError([*error.findings, *_further_findings(case, net)]) from error
    return scenario_of(read, net, repairs=repairs)


def _further_findings(case: str | Path | dict[str, Any], net: Any) -> list[Finding]:
    """What is wrong between the sound part of a case and its network."""
    part = sound_part(case)
    if part is None:
        return []
    try:
        scenario_of(part, net, is_part=True)
    except InputError as error:
        return error.findings
    return []


def scenario_of(
    case: Case,
    net: Any = None,
    extra_lines: Mapping[str, CandidateLine] | None = None,
    *,
    repairs: bool = False,
    is_part: bool = False,
) -> Scenario:
    """Join a validated case and its network; see :func:`load_case`.

    ``extra_lines`` are lines that only a given plan builds, by their place in it. A part of a case
    is not asked what may be missing.
    """
    if net is None:
        net = _network_of(case)
    net = prepare(net, case.network)
    n_line = len(net.line)
    labels = {int(i) + case.bus_label_offset: int(i) for i in net.bus.index}
    findings: list[Finding] = []
    new: list[CandidateLine] = []
    for place, line in _new_lines(case, extra_lines or {}):
        missing = [end for end in ("from_bus", "to_bus") if getattr(line, end) not in labels]
        for end in missing:
            message = f"no bus {getattr(line, end)} in the network"
            findings.append(place(end, message))
        if not missing:
            new.append(line)
            add_line(net, line, labels)
    grid, position = grid_from_net(net, case.bus_label_offset, case.limits.branch_limit)
    grid = _with_case_data(case, grid)
    elements = Elements(case, grid, _element_names(net, position, case.bus_label_offset))
    grid = with_limits(case, elements, grid, net)
    known = len(elements.findings)
    event = elements.event()
    is_event_known = len(elements.findings) == known
    damaged = apply_event(grid, event)
    space = plan_space(
        elements, damaged, event, list(zip(range(n_line, len(net.line)), new, strict=True))
    )
    grid = with_storage(case, elements, _with_costs(case, elements, grid))
    settings = Settings(
        objectives=case.objective_weights,
        unserved_tolerance_mw=case.dispatch.unserved_tolerance_mw,
        merge_equal_hours=case.dispatch.merge_equal_hours,
        priority=_priorities(case, elements),
        ipopt=_ipopt(case, elements),
    )
    availability, price = unit_profiles(case, elements, grid)
    findings += elements.findings
    findings += siting_findings(case, damaged, position)
    findings += event_findings(case, grid, elements.names, is_part=is_part, is_study=not repairs)
    findings += restore_findings(case, grid, elements.names, is_event_known=is_event_known)
    horizon = None
    try:
        load_labels = [grid.bus_id[b] for b in grid.load_bus]
        horizon = case.horizon(grid.bus_id, load_labels)
        horizon = replace(horizon, unit_profile=availability, price=price)
    except InputError as error:
        findings += error.findings
    if not (repairs or is_part or findings):
        findings += _nothing_left(case, grid, damaged)
    if findings or horizon is None:
        raise InputError(dict.fromkeys(findings))  # each once, though looked up twice
    damaged = apply_event(grid, event)
    return Scenario(case, net, position, grid, event, damaged, space, horizon, settings)


def _new_lines(
    case: Case, extra: Mapping[str, CandidateLine]
) -> Iterator[tuple[Callable[[str, str], Finding], CandidateLine]]:
    """Lines that may be built, each with what makes a finding of one of its keys."""

    def in_case(i: int, key: str, message: str) -> Finding:
        return case.finding(("resources", "lines", "candidates", i, key), message)

    def in_plan(place: str, key: str, message: str) -> Finding:
        return Finding(f"{place}.{key}", message)

    for i, line in enumerate(case.resources.lines.candidates):
        yield partial(in_case, i), line
    for place, line in extra.items():
        yield partial(in_plan, place), line


def _network_of(case: Case) -> Any:
    """The case's network; errors point to the case's ``network`` key."""
    try:
        if Path(case.network).suffix:
            return read_network(str(case.network_path))
        return read_network(case.network)
    except InputError as error:
        raise InputError([_place(case, f) for f in error.findings]) from error


def _place(case: Case, finding: Finding) -> Finding:
    """A finding with a line in the network's file keeps it; others point to the case's key."""
    file, _, line = finding.place.rpartition(":")
    if file and line.isdigit():
        return finding
    return case.finding("network", finding.message)


def add_line(net: Any, line: CandidateLine, labels: dict[int, int]) -> None:
    """Add a line to a net, out of service.

    Parameters
    ----------
    labels : pandapower's index of each bus label
    """
    pp.create_line_from_parameters(
        net,
        from_bus=labels[line.from_bus],
        to_bus=labels[line.to_bus],
        length_km=line.length_km,
        r_ohm_per_km=line.r_ohm_per_km,
        x_ohm_per_km=line.x_ohm_per_km,
        c_nf_per_km=line.c_nf_per_km,
        max_i_ka=line.max_i_ka,
        parallel=line.parallel,
        name=line.name,
        in_service=False,
    )


def _element_names(net: Any, position: dict[int, int], offset: int) -> dict[str, list[Any]]:
    """Names (and lengths, km) in the network's tables, in the order of the Grid's arrays.

    Buses come in the order of their table, with label and Grid position; joined ones share it.
    """

    def names(table: str) -> list[str]:
        return ["" if name is None else str(name) for name in net[table].get("name", [])]

    length = net.line.length_km.to_list() + [float("nan")] * len(net.trafo)
    return {
        "length": length,
        "bus": names("bus"),
        "bus_label": [int(i) + offset for i in net.bus.index],
        "bus_position": [position[int(i)] for i in net.bus.index],
        "branch": names("line") + names("trafo"),
        "load": [str(name or "") for name in fixed_loads(net).name],
        "shunt": names("shunt"),
    }


def _with_case_data(case: Case, grid: Grid) -> Grid:
    """The case's own voltage limits."""
    vm_min, vm_max = case.limits.vm_min, case.limits.vm_max
    return replace(
        grid,
        vm_min=grid.vm_min if vm_min is None else np.full(grid.n_bus, vm_min),
        vm_max=grid.vm_max if vm_max is None else np.full(grid.n_bus, vm_max),
    )


def _with_costs(case: Case, elements: Elements, grid: Grid) -> Grid:
    """The case's own cost polynomials."""
    entries = [
        (e.generator, "gen", e.polynomial, f"costs.generators[{i}].generator")
        for i, e in enumerate(case.costs.generators)
    ] + [
        (e.external_grid, "ext_grid", e.polynomial, f"costs.external_grids[{i}].external_grid")
        for i, e in enumerate(case.costs.external_grids)
    ]
    pieces, pwl = list(grid.gen_pieces), list(grid.gen_pwl)
    degree = max([grid.gen_cost.shape[1], *(len(p) for _, _, p, _ in entries)])
    cost = np.zeros((grid.n_gen, degree))
    cost[:, : grid.gen_cost.shape[1]] = grid.gen_cost
    for written, kind, polynomial, key in entries:
        for unit in elements.units(written, key, kind):
            cost[unit] = 0.0
            cost[unit, : len(polynomial)] = polynomial
            pieces[unit] = pwl[unit] = None
    for i, entry in enumerate(case.costs.generators):
        if entry.valve_point or entry.prohibited_mw:
            for unit in elements.units(entry.generator, f"costs.generators[{i}].generator", "gen"):
                pieces[unit] = _pieces(elements, grid, entry, unit, i)
    return replace(grid, gen_cost=cost, gen_pwl=tuple(pwl), gen_pieces=tuple(pieces))


def _pieces(
    elements: Elements, grid: Grid, entry: GeneratorCost, unit: int, i: int
) -> tuple[Piece, ...] | None:
    """Pieces of a cost with valve points or prohibited ranges."""
    low, high = float(grid.p_min[unit]) * grid.base_mva, float(grid.p_max[unit]) * grid.base_mva
    if not (np.isfinite(low) and np.isfinite(high)):
        message = "needs a smallest and a largest output in the network"
        elements.miss(f"costs.generators[{i}]", message)
        return None
    c0, c1, c2 = (*entry.polynomial, 0.0, 0.0, 0.0)[:3]
    valve = entry.valve_point or (0.0, 0.0)
    if valve[1] * (high - low) / np.pi > MOST_PIECES:
        message = f"{valve[1]:g} rad/MW makes more than {MOST_PIECES} valve points"
        elements.miss(f"costs.generators[{i}].valve_point", message)
        return None
    own = without_zones(valve_pieces(low, high, (c0, c1, c2), valve), entry.prohibited_mw)
    if not own:
        message = "leave nothing of the output between its limits"
        elements.miss(f"costs.generators[{i}].prohibited_mw", message)
        return None
    return own


def _priorities(case: Case, elements: Elements) -> dict[int, float]:
    found = {}
    for label, weight in case.priorities.items():
        position = elements.bus(label, f"priorities.{label}")
        if position is not None:
            found[position] = weight
    return found


def _ipopt(case: Case, elements: Elements) -> dict[str, Any]:
    settings = case.ipopt
    name = settings.linear_solver
    if name != "mumps" and not has_linear_solver(name):
        message = f"the installed Ipopt cannot use {name!r}; leave this key out for mumps"
        elements.miss("ipopt.linear_solver", message)
    options: dict[str, Any] = {
        "tol": settings.tol,
        "max_iter": settings.max_iter,
        "linear_solver": settings.linear_solver,
        "print_level": settings.print_level,
    }
    if settings.max_wall_s is not None:
        options["max_wall_time"] = settings.max_wall_s
    if settings.log_file is not None:
        options |= {"output_file": settings.log_file, "file_append": "yes", "print_level": 0}
        options["file_print_level"] = settings.print_level or 5
    return options


def _nothing_left(case: Case, grid: Grid, damaged: Grid) -> list[Finding]:
    """An event that changes nothing, or after which no plan could serve anything."""
    if case.event is None:
        return []
    states = [f"{kind}_in_service" for kind in ("branch", "gen", "load", "bus", "shunt")]
    if all(np.array_equal(getattr(grid, s), getattr(damaged, s)) for s in states):
        message = "removes nothing: everything that it lists is out of service already"
        return [case.finding("event", message)]
    if not damaged.bus_in_service.any():
        return [case.finding("event", "removes every bus: nothing is left to study")]
    p, _ = damaged.demand(connected_only=True)
    if not np.any(p[damaged.bus_in_service] > 0):
        return [case.finding("event", "leaves no load: there is nothing to serve")]
    sources = damaged.gen_in_service & damaged.bus_in_service[damaged.gen_bus] & damaged.gen_forming
    if not sources.any() and not (case.resources.dg.max_units and case.resources.dg.grid_forming):
        message = "removes every source, and no resource can energise the grid (grid-forming DG)"
        return [case.finding("event", message)]
    return []
