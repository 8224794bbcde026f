"""Profiles of load and generation from CSV tables: a row per hour, a column per profile, MW."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.errors import Finding, InputError
from hybridopt.unit_cells import read_cells

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from hybridopt.unit_cells import Cells, Row

    Floats = NDArray[np.float64]

INDEX = ("", "hour", "hours", "time", "index", "unnamed: 0")  # headers of a column of hours
MOST_HOURS = 8760
SHOWN = 8


@dataclass(frozen=True, eq=False)
class Profiles:
    """Profiles of one kind.

    Attributes
    ----------
    path : the file
    names : (n_profile,) header of each column
    p_mw : (n_profile, n_t), MW, at least 0
    """

    path: Path
    names: tuple[str, ...]
    p_mw: Floats


def read_profiles(path: Path, what: str) -> Profiles:
    """Read profiles; a first column of hours may stand before them.

    Parameters
    ----------
    what : "load" or "generation", for messages

    Raises
    ------
    InputError
        Every finding with its line: a column twice, cells that are no numbers, negative powers,
        hours that stand there twice, lines that are too short or too long.
    """
    table = read_cells(path)
    counted = [str(k) for k in range(len(table.header) - 1)]  # 0, 1, ... behind the hours
    has_index = table.header[0] in INDEX or (bool(counted) and table.header[1:] == counted)
    columns = table.header[1:] if has_index else table.header
    for column in dict.fromkeys(columns):
        if columns.count(column) > 1:
            table.find(f"column {column!r} stands here more than once", 1)
        if column == "":
            table.find("a column has no name", 1)
    if not columns:
        table.find("has no profiles, only hours", 1)
    if len(table.rows) > MOST_HOURS:
        table.find(f"has {len(table.rows)} hours, but {MOST_HOURS} are the most")
    values = np.array([[_power(table, row, c, what) for c in columns] for row in table.rows])
    if has_index:
        _check_hours(table)
    table.check()
    return Profiles(path, tuple(columns), np.ascontiguousarray(values.T))


def _power(table: Cells, row: Row, column: str, what: str) -> float:
    value = table.number(row, column)
    if value < 0:
        message = f"{what} must be at least 0 MW, found {value:g}"
        table.find(message, row.line, column)
    return value


def _check_hours(table: Cells) -> None:
    seen: dict[str, int] = {}
    for row in table.rows:
        hour = row[table.header[0]]
        if hour in seen:
            message = f"hour {hour!r} stands here a second time, first in line {seen[hour]}"
            table.find(message, row.line, table.header[0] or "hour")
        seen.setdefault(hour, row.line)


def check_pair(load: Profiles, generation: Profiles, n_point: int, network: str) -> None:
    """Make sure that two tables and the points fit together.

    Raises
    ------
    InputError
        Different numbers of hours, more profiles than points.
    """
    findings = []
    hours = load.p_mw.shape[1], generation.p_mw.shape[1]
    if hours[0] != hours[1]:
        message = f"has {hours[1]} hours, but {load.path} has {hours[0]}"
        findings.append(Finding(str(generation.path), message))
    for profiles in (load, generation):
        if len(profiles.names) > n_point:
            message = f"has {len(profiles.names)} profiles, but {network} has {n_point} points"
            findings.append(Finding(str(profiles.path), message))
    if findings:
        raise InputError(findings)


def warn_of_kw(load: Profiles, generation: Profiles, capacity_mva: float) -> list[str]:
    """Say which tables look like kW where MW are meant.

    Parameters
    ----------
    capacity_mva : what the network's sources, or the branches at them, can carry
    """
    found = []
    for profiles in (load, generation):
        peak = float(profiles.p_mw.sum(axis=0).max(initial=0.0))
        if math.isfinite(capacity_mva) and peak > 10.0 * capacity_mva:
            found.append(
                f"{profiles.path}: the profiles sum up to {peak:,.4g} MW, but the network can "
                f"carry about {capacity_mva:.3g} MVA: are these kW? MW are meant"
            )
    return found


def padded(profiles: Profiles, n_point: int) -> Floats:
    """Profiles for as many points, (n_point, n_t): idle ones fill up, MW."""
    idle = n_point - len(profiles.names)
    return np.concatenate([profiles.p_mw, np.zeros((idle, profiles.p_mw.shape[1]))])
