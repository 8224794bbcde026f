"""``hybridopt reliability``: its options, checked together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import numpy as np
import typer

from hybridopt.errors import Finding, InputError, collect

if TYPE_CHECKING:
    from hybridopt.reliability_model import ReliabilityModel, Unit
    from hybridopt.reliability_result import ReliabilityIndices

System = Annotated[
    str,
    typer.Argument(
        help="Built-in system (rbts2), pair of tables (path/NAME for NAME_customers.csv and "
        "NAME_failures.csv), or network.",
        metavar="NETWORK_OR_SYSTEM",
    ),
]
Data = Annotated[
    str | None,
    typer.Option(
        "--data",
        help="Tables of a network: PREFIX_customers.csv, PREFIX_failures.csv.",
        metavar="PREFIX",
    ),
]
Units = Annotated[
    Path | None,
    typer.Option(
        "--dg",
        help="CSV of units that feed islands: bus, p_mw, storage_mw, storage_mwh.",
        metavar="CSV",
    ),
]
Profile = Annotated[
    Path | None, typer.Option("--profile", help="CSV (hour, factor) of the loads.", metavar="CSV")
]
UnitProfile = Annotated[
    Path | None,
    typer.Option("--dg-profile", help="CSV (hour, factor) of what units give.", metavar="CSV"),
]
IslandingH = Annotated[
    float, typer.Option("--islanding-h", help="Until an island is fed, h.", metavar="H")
]
Carry = Annotated[
    str,
    typer.Option("--carry", help="Load that islands must carry: average or peak.", metavar="LOAD"),
]

CARRIES = ("average", "peak")


@dataclass(frozen=True)
class Request:
    """The options as given."""

    system: str
    data: str | None
    dg: Path | None
    profile: Path | None
    dg_profile: Path | None
    islanding_h: float
    carry: str


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is read and checked."""

    model: ReliabilityModel
    units: tuple[Unit, ...]


@dataclass(frozen=True, eq=False)
class Study:
    """What was found; ``without`` is None when there are no units."""

    found: ReliabilityIndices
    without: ReliabilityIndices | None
    wall_s: float


def prepare(request: Request) -> Prepared:
    """Read and check everything.

    Raises
    ------
    InputError
        With every finding.
    """
    from hybridopt.network_reliability import read_reliability
    from hybridopt.reliability_files import read_factors, read_units

    profile, unit_profile = request.profile, request.dg_profile
    model, load, unit, _ = collect(
        lambda: read_reliability(request.system, request.data),
        lambda: np.ones(1) if profile is None else read_factors(profile),
        lambda: np.ones(1) if unit_profile is None else read_factors(unit_profile, most=1.0),
        lambda: _check(request),
    )
    model = replace(
        model,
        islanding_h=request.islanding_h,
        carry_peak=request.carry == "peak",
        load_factor=load,
        unit_factor=unit,
    )
    units, _ = collect(
        lambda: () if request.dg is None else read_units(request.dg, model.find),
        lambda: _check_hours(len(load), len(unit)),
    )
    return Prepared(model, units)


def _check(request: Request) -> None:
    findings = []
    if not 0 <= request.islanding_h < np.inf:
        message = f"must be a time of at least 0 h, found {request.islanding_h:g}"
        findings.append(Finding("--islanding-h", message))
    if request.carry not in CARRIES:
        message = f"must be {' or '.join(CARRIES)}, found {request.carry!r}"
        findings.append(Finding("--carry", message))
    if request.dg is None and request.dg_profile is not None:
        findings.append(Finding("--dg-profile", "says nothing without --dg"))
    if findings:
        raise InputError(findings)


def _check_hours(n_load: int, n_unit: int) -> None:
    if n_load > 1 < n_unit and n_load != n_unit:
        message = f"has {n_unit} hours, but --profile has {n_load}"
        raise InputError([Finding("--dg-profile", message)])


def solve(prepared: Prepared) -> Study:
    """Indices with the units, and without them for comparison."""
    from hybridopt.reliability import indices

    start = perf_counter()
    without = indices(prepared.model) if prepared.units else None
    found = indices(prepared.model, prepared.units)
    return Study(found, without, perf_counter() - start)
