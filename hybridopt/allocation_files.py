"""Read an allocation back from its result folder, as far as its report needs it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridopt.allocation import Allocation, Day
from hybridopt.allocation_goal import NAMES
from hybridopt.allocation_profiles import Profiles
from hybridopt.errors import Finding, InputError
from hybridopt.network_allocation import allocation_network
from hybridopt.network_files import read_network_file

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]


def read_allocation(folder: Path) -> Allocation:
    """Read what :func:`hybridopt.allocation_output.write_allocation` wrote.

    Raises
    ------
    InputError
        A file is missing or is not what was written.
    """
    try:
        return _read(folder)
    except FileNotFoundError as error:
        finding = Finding(str(error.filename), "is missing: the report cannot be made without it")
    except (KeyError, ValueError, TypeError, IndexError) as error:
        finding = Finding(str(folder), f"is not what hybridopt allocate wrote: {error}")
    raise InputError([finding])


def _read(folder: Path) -> Allocation:
    found = json.loads((folder / "summary.json").read_text(encoding="utf-8"))
    n_t, points = found["hours"], found["points"]
    net = read_network_file(folder / "network.json", "network.json")
    network = allocation_network(net, found["case"], points, n_t)
    branches = pd.read_csv(folder / "branches.csv", dtype={"branch": str})
    first = branches[branches.hour == 1]
    given = np.arange(len(points), dtype=np.int64)
    states = (
        ("before", "_before", given, given),
        ("after", "", _order(found, "load"), _order(found, "generation")),
    )
    before, after = (
        _day(folder, found[state], branches, suffix, loads, generation)
        for state, suffix, loads, generation in states
    )
    return Allocation(
        name=found["case"],
        seed=found["seed"],
        method=found["method"],
        objective=found["objective_name"],
        unit=found["objective_unit"],
        value=_number(found["objective"]),
        value_before=_number(found["objective_before"]),
        network=network,
        branches=tuple(first.branch),
        is_line=(first.kind == "line").to_numpy(bool),
        ends=first[["from_bus", "to_bus"]].to_numpy(np.int64),
        load=_profiles(folder, found, "load"),
        generation=_profiles(folder, found, "generation"),
        before=before,
        after=after,
        log=pd.read_csv(folder / "generations.csv").to_dict("records"),
        evaluations=found["evaluations"],
        estimated=found["estimated"],
        stopped_because=found["stopped_because"],
        verification=found["verification"],
        wall_s=found["wall_s"],
        limit=found["limit"] or "",
        front=found["pareto"] or [],
        front_names=tuple(found.get("pareto_objectives") or ()),
        outages=found["n_minus_1"] or [],
        refinement=found["refinement"],
        warnings=tuple(found["warnings"]),
    )


def _number(value: float | None) -> float:
    return float("nan") if value is None else float(value)


def _order(found: dict[str, Any], kind: str) -> Ints:
    """Profile at each point; idle ones have numbers beyond the profiles."""
    order = found[f"{kind}_order"]
    idle = iter(range(len(found[f"{kind}_profiles"]), len(order)))
    return np.array([next(idle) if k is None else k for k in order], dtype=np.int64)


def _profiles(folder: Path, found: dict[str, Any], kind: str) -> Profiles:
    """Profiles in their own order; the file holds them by point."""
    path = folder / f"{kind}.csv"
    by_point = pd.read_csv(path).drop(columns="hour").to_numpy(float).T
    names = found[f"{kind}_profiles"]
    place = {profile: k for k, profile in enumerate(found[f"{kind}_order"])}
    p_mw = np.array([by_point[place[k]] for k in range(len(names))])
    return Profiles(path, tuple(names), p_mw)


def _day(
    folder: Path,
    figures: dict[str, Any],
    branches: pd.DataFrame,
    suffix: str,
    load_order: Ints,
    generation_order: Ints,
) -> Day:
    buses, hours = (pd.read_csv(folder / f"{name}.csv") for name in ("buses", "hours"))
    n_t = len(hours)
    return Day(
        load_order=load_order,
        generation_order=generation_order,
        objectives={name: _number(figures.get(name)) for name in NAMES},
        violation=figures.get("violation", float("inf")),
        converged=figures["converged"],
        vm_pu=buses[f"vm_pu{suffix}"].to_numpy(float).reshape(n_t, -1),
        loading_percent=branches[f"loading_percent{suffix}"].to_numpy(float).reshape(n_t, -1),
        grid_mw=hours[f"grid_mw{suffix}"].to_numpy(float),
        loss_mw=hours[f"loss_mw{suffix}"].to_numpy(float),
    )
