"""Dispatch alone: a network's hour, a case's load curve, or a given plan."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.case import Case, Horizon, case_of_network, read_case
from hybridopt.case_tables import TableError, read_day
from hybridopt.cases import builtin_cases
from hybridopt.dispatch import Dispatcher
from hybridopt.elements import Elements
from hybridopt.errors import Finding, InputError, collect
from hybridopt.evaluate import worst_status
from hybridopt.grid import Plan, Unit
from hybridopt.network_scenario import Scenario, scenario_of
from hybridopt.plan_file import PlanFile, PlanLine, read_plan
from hybridopt.result_prices import binding_frame
from hybridopt.verify import Verification, verify

if TYPE_CHECKING:
    from hybridopt.case_resources import CandidateLine
    from hybridopt.progress import Progress
    from hybridopt.result import Dispatch


@dataclass(frozen=True, eq=False)
class SingleDispatch:
    """A dispatch with its verification."""

    scenario: Scenario
    plan: Plan
    dispatch: Dispatch
    verification: Verification
    wall_s: float


def dispatch_network(
    network_or_case: str, plan: Path | None, profile: Path | None, progress: Progress
) -> SingleDispatch:
    """Dispatch a case (after its event, with a plan if given) or a network as it is.

    Parameters
    ----------
    network_or_case : built-in case, TOML file, pandapower built-in or ``.json`` file
    plan : plan.json of an earlier run, or one written by hand
    profile : CSV (hour, factor) that replaces the load curve

    Raises
    ------
    InputError
        Everything that is wrong with the input.
    NoSolutionError
        An hour has no feasible point, even with all load shed.
    """
    return dispatch_prepared(prepare_dispatch(network_or_case, plan, profile), progress)


def prepare_dispatch(
    network_or_case: str, plan: Path | None, profile: Path | None
) -> tuple[Scenario, Plan, float]:
    """Read and check the input of :func:`dispatch_network`; the time when it began comes last."""
    began = time.perf_counter()
    (case, is_network), (file, new), factors = collect(
        lambda: _case_of(network_or_case),
        lambda: _read_plan(plan),
        lambda: None if profile is None else _read_factors(profile),
    )
    try:
        scenario = scenario_of(case, extra_lines={f"{plan} lines[{i}]": new[i] for i in new})
    except InputError as error:
        key = f"{case.name} network".strip()  # a bare network has no such key
        place = network_or_case or key
        named = [replace(f, place=place) if f.place == key else f for f in error.findings]
        raise InputError(named if is_network else error.findings) from error
    chosen, scenario = _resolve(scenario, file, new, plan)
    if factors is not None:
        scenario = replace(scenario, horizon=_profile(factors, scenario))
    elif is_network:
        scenario = one_hour(scenario)
    return scenario, chosen, began


def dispatch_prepared(prepared: tuple[Scenario, Plan, float], progress: Progress) -> SingleDispatch:
    """Solve and verify what :func:`prepare_dispatch` has read."""
    scenario, chosen, began = prepared
    result = dispatch_scenario(scenario, chosen, progress)
    return replace(result, wall_s=time.perf_counter() - began)


def dispatch_scenario(scenario: Scenario, chosen: Plan, progress: Progress) -> SingleDispatch:
    """Dispatch a scenario with a plan whose ratings are given, and verify it.

    Raises
    ------
    NoSolutionError
        An hour has no feasible point, even with all load shed.
    """
    began = time.perf_counter()
    dispatcher = Dispatcher(
        scenario.damaged,
        scenario.space.sites,
        scenario.horizon,
        scenario.settings,
        thorough=scenario.case.event is None,
    )
    with progress.task("Dispatch", len(dispatcher.levels.weight_h)) as advance:
        dispatch = dispatcher.dispatch_feasible(chosen, advance)
    with progress.task("Verification by power flow", len(dispatch.hours)) as advance:
        verification = verify(scenario, dispatch, advance)
    wall_s = time.perf_counter() - began
    return SingleDispatch(scenario, chosen, dispatch, verification, wall_s)


def dispatch_summary(result: SingleDispatch) -> dict[str, Any]:
    """What ``dispatch --json`` prints; the objective is the operating cost of the hours."""
    dispatch, check = result.dispatch, result.verification
    tolerance = result.scenario.settings.unserved_tolerance_mw
    limits = binding_frame(dispatch)
    return {
        "case": result.scenario.case.name,
        "status": worst_status(dispatch),
        "objective": dispatch.operating_cost,
        "currency": result.scenario.case.currency,
        "hours": len(dispatch.hours),
        "fully_served": bool(np.all(dispatch.unserved_mw < tolerance)),
        "unserved_mwh": dispatch.unserved_mwh,
        "loss_mwh": dispatch.loss_mwh,
        "curtailed_mwh": dispatch.curtailed_mwh,
        "units_at_rest": units_at_rest(dispatch),
        "prices_per_mwh": _price_range(dispatch),
        "binding_limits": len(limits),
        "dearest_limits": limits.sort_values("price_per_unit", ascending=False, kind="stable")
        .head(10)
        .to_dict("records"),
        "iterations": dispatch.iterations,
        "solve_s": dispatch.solve_s,
        "max_mismatch_mva": check.max_mismatch_mva,
        "verification": check.as_dict(),
        "wall_s": result.wall_s,
    }


def units_at_rest(dispatch: Dispatch) -> list[dict[str, Any]]:
    """Units in service that stand still in some hours: name, bus and those hours.

    They do where an hour has no feasible point otherwise, or where their island is dead.
    """
    grid = dispatch.grid
    in_service = grid.gen_in_service & grid.bus_in_service[grid.gen_bus]
    rest = ~dispatch.running[:, : grid.n_gen] & in_service
    return [
        {
            "unit": dispatch.unit_name[k],
            "bus": grid.bus_id[grid.gen_bus[k]],
            "hours": dispatch.hours[rest[:, k]].tolist(),
        }
        for k in np.flatnonzero(rest.any(axis=0))
    ]


def _price_range(dispatch: Dispatch) -> dict[str, float] | None:
    """Lowest, mean and highest marginal price, currency per MWh."""
    if dispatch.prices is None or not np.isfinite(dispatch.prices.energy).any():
        return None
    energy = dispatch.prices.energy
    return {
        "min": float(np.nanmin(energy)),
        "mean": float(np.nanmean(energy)),
        "max": float(np.nanmax(energy)),
    }


def _case_of(name: str) -> tuple[Case, bool]:
    """The case of that name, or the bare network; True for the latter."""
    path = Path(name)
    if name in builtin_cases() or path.suffix == ".toml" or (path / "case.toml").is_file():
        return read_case(name), False
    return case_of_network(name), True


def _read_plan(path: Path | None) -> tuple[PlanFile, dict[int, CandidateLine]]:
    file = PlanFile() if path is None else read_plan(path)
    return file, _new_lines(file, path)


def _new_lines(file: PlanFile, path: Path | None) -> dict[int, CandidateLine]:
    """Lines of the plan that it builds itself, by their position in the plan."""
    new, findings = {}, []
    for i, line in enumerate(file.lines):
        if line.kind != "new":
            continue
        candidate = line.as_candidate()
        if candidate is None:
            message = "a new line needs length_km, r_ohm_per_km, x_ohm_per_km and max_i_ka"
            findings.append(Finding(f"{path} lines[{i}]", message))
        else:
            new[i] = candidate
    if findings:
        raise InputError(findings)
    return new


def _resolve(
    scenario: Scenario, file: PlanFile, new: dict[int, CandidateLine], path: Path | None
) -> tuple[Plan, Scenario]:
    """The plan as positions, and the scenario with DG sites at the plan's buses."""
    grid, findings = scenario.grid, []
    elements = Elements(scenario.case, grid, {"bus": [], "branch": [""] * grid.n_branch})
    built = [c.branch for c in scenario.space.candidates if c.kind == "new"]
    own = dict(zip(new, built[len(built) - len(new) :], strict=True))
    branches, units = [], []
    for i, line in enumerate(file.lines):
        if i in own:
            branches.append(own[i])
            continue
        found = _branch_of(elements, line)
        if isinstance(found, int):
            branches.append(found)
        else:
            findings.append(Finding(f"{path} lines[{i}]", found))
    for i, unit in enumerate(file.dg):
        position = elements.bus_position.get(unit.bus)
        if position is None:
            message = f"no bus {unit.bus} in the network"
            findings.append(Finding(f"{path} dg[{i}].bus", message))
        elif not scenario.damaged.bus_in_service[position]:
            message = f"bus {unit.bus} is out of service after the event"
            findings.append(Finding(f"{path} dg[{i}].bus", message))
        else:
            rating = unit.max_p_mw / scenario.space.sites.max_p_ratio
            units.append(Unit(position, rating, unit.vm_pu))
    if len({u.bus for u in units}) < len(units):
        findings.append(Finding(f"{path} dg", "two units at one bus; give one with their sum"))
    if findings:
        raise InputError(findings)
    units.sort()
    sites = replace(_dg_terms(scenario), bus=tuple(u.bus for u in units))
    space = replace(scenario.space, sites=sites, neighbours=(), unit_genes=None, line_genes=None)
    plan = Plan(tuple(sorted(set(branches))), tuple(units))
    return plan, replace(scenario, space=space)


def _branch_of(elements: Elements, line: PlanLine) -> int | str:
    """Position of the branch that a plan's line means, or why there is none."""
    grid, ends = elements.grid, (line.from_bus, line.to_bus)
    between = [k for kind in ("line", "trafo") for k in elements.branches(ends, kind)]
    named = [k for kind in ("line", "trafo") for k in elements.branches(line.name or "", kind)]
    if not line.name or not named:
        if between:
            return between[0]
        return f"no branch {ends[0]}-{ends[1]} in the network; kind = new builds it"
    for k in named:
        if {grid.bus_id[grid.branch_from[k]], grid.bus_id[grid.branch_to[k]]} == set(ends):
            return k
    return f"{line.name} is not between {ends[0]} and {ends[1]}"


def _dg_terms(scenario: Scenario) -> Any:
    """The case's terms for DG, limits on ratings left out: the plan has decided."""
    return replace(scenario.space.sites, max_mw=np.inf, min_mw=0.0)


def _read_factors(path: Path) -> np.ndarray[Any, np.dtype[np.float64]]:
    """24 factors from a CSV."""
    try:
        table = read_day(path)
    except TableError as error:
        raise InputError(
            Finding(f"{path}:{line}" if line else str(path), message)
            for line, message in error.problems
        ) from error
    factors = np.array(table.data, dtype=float)
    bad = [
        Finding(f"{path}:{table.lines[k,]}", f"factor must be a number of at least 0, found {f:g}")
        for k, f in enumerate(factors)
        if not (np.isfinite(f) and f >= 0)
    ]
    if bad:
        raise InputError(bad)
    return factors


def _profile(factors: Any, scenario: Scenario) -> Horizon:
    factor = np.tile(factors[:, None], (1, scenario.grid.n_bus))
    return replace(scenario.horizon, load_factor=factor)


def one_hour(scenario: Scenario) -> Scenario:
    """Give the same with a single hour at nominal load."""
    ones = np.ones((1, scenario.grid.n_bus))
    horizon = Horizon(load_factor=ones, dg_profile=np.ones(1), hours=np.array([1]))
    return replace(scenario, horizon=horizon)
