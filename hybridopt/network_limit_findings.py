"""What is wrong with the limits and costs of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridopt.errors import Finding
from hybridopt.network_branches import OWN_COLUMNS
from hybridopt.network_units import UNIT_TABLES, controllable, cost_power, unit_rows

if TYPE_CHECKING:
    from collections.abc import Iterator

REACTIVE_COST = ("cq0_eur", "cq1_eur_per_mvar", "cq2_eur_per_mvar2")


def number_finding(value: Any, allowed: str) -> str:
    """What is wrong with a number, or nothing; ">" allows only numbers above 0."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return f"must be a number, found {value!r}"
    if not np.isfinite(number):
        return f"must be a finite number, found {number}"
    if allowed == ">" and number <= 0:
        return f"must be above 0, found {number:g}"
    return ""


def _numbers(frame: Any, name: str) -> Any:
    """A column as numbers, NaN where it is missing or none."""
    return pd.to_numeric(frame.get(name, pd.Series(np.nan, frame.index)), errors="coerce")


def limit_findings(net: Any, source: str) -> list[Finding]:
    """Minima above their maxima, and what controllable storage must have."""
    findings = []
    for table, low, high in _pairs():
        frame = net[table]
        if table in UNIT_TABLES:
            frame = frame[frame.in_service.astype(bool)]
        if table in {"load", "storage"}:
            frame = frame[controllable(frame)]
        least, most = _numbers(frame, low), _numbers(frame, high)
        if table == "gen" and high == "max_p_mw":  # without a maximum its p_mw is one
            most = most.fillna((frame.p_mw * frame.scaling).clip(lower=0))
        for i in frame.index[least > most]:
            message = f"{low} {least[i]:g} lies above {high} {most[i]:g}"
            findings.append(Finding(f"{source}: {table} {i}", message))
    findings += _own_columns(net, source)
    for i, row in net.storage[controllable(net.storage)].iterrows():
        for message in _storage_messages(row):
            findings.append(Finding(f"{source}: storage {i}", message))
    return findings


def _pairs() -> Iterator[tuple[str, str, str]]:
    """Tables with the columns of a lower and an upper limit."""
    yield "bus", "min_vm_pu", "max_vm_pu"
    for table in UNIT_TABLES:
        yield table, "min_p_mw", "max_p_mw"
        yield table, "min_q_mvar", "max_q_mvar"
    yield "storage", "min_e_mwh", "max_e_mwh"
    for table in OWN_COLUMNS:
        yield table, "min_angle_degree", "max_angle_degree"


def _own_columns(net: Any, source: str) -> list[Finding]:
    """Ratings that are none; an empty cell is no limit."""
    findings = []
    for table in OWN_COLUMNS:
        rate = net[table].get("rate_mva", pd.Series(dtype=float))
        for i, value in rate[rate.notna()].items():
            message = "" if value == np.inf else number_finding(value, ">")
            if message:
                findings.append(Finding(f"{source}: {table} {i}", f"rate_mva {message}"))
    return findings


def _storage_messages(row: Any) -> Iterator[str]:
    """What is wrong with a controllable storage."""
    message = number_finding(row.get("max_e_mwh"), ">")
    if message:
        yield f"max_e_mwh {message}"
        return
    start = row.get("soc_percent")
    if number_finding(start, "") or not 0 <= start <= 100:
        yield f"soc_percent must lie between 0 and 100, found {start}"
    elif start / 100 * row.max_e_mwh < row.get("min_e_mwh", 0.0) - 1e-9:
        yield f"soc_percent {start:g} lies below min_e_mwh {row.min_e_mwh:g}"
    end = row.get("end_soc_percent", np.nan)
    if not (pd.isna(end) or 0 <= end <= 100):
        yield f"end_soc_percent must lie between 0 and 100, found {end}"
    for name in ("charge_efficiency", "discharge_efficiency"):
        share = row.get(name, np.nan)
        if not (pd.isna(share) or 0 < share <= 1):
            yield f"{name} must lie above 0 and not above 1, found {share}"
    for name, sign in (("max_p_mw", 1), ("min_p_mw", -1)):
        if sign * row.get(name, np.nan) < 0:
            yield f"{name} {row[name]:g}: charging is positive, discharging negative"


def cost_findings(net: Any, source: str) -> list[Finding]:
    """Costs that would be ignored without a word, and wrong ones."""
    findings = []
    known = {(t, int(i)) for t in UNIT_TABLES for i in unit_rows(net, t).index}
    seen: dict[tuple[str, int], str] = {}
    for table, messages in (("poly_cost", _polynomial), ("pwl_cost", _pieces)):
        for index, cost in net[table].to_dict("index").items():
            place = f"{table} {index}"
            found = messages(cost)
            try:
                key = (str(cost["et"]), int(cost["element"]))
            except (KeyError, TypeError, ValueError):
                found.append("does not name an element")
            else:
                found += _owner(net, key, known)
                if key in seen:
                    found.append(f"{key[0]} {key[1]} has its costs in {seen[key]} already")
                seen.setdefault(key, place)
            findings += [Finding(f"{source}: {place}", message) for message in found]
    return findings


def _owner(net: Any, key: tuple[str, int], known: set[tuple[str, int]]) -> list[str]:
    """Why an element cannot have costs."""
    et, element = key
    if et == "storage" and element in net.storage.index:
        return ["costs of storage are not modelled"]
    if et == "load" and element in net.load.index and key not in known:
        return [f"load {element} is not controllable: its cost would be ignored"]
    return []  # what a net keeps for elements that were removed costs nothing


def _polynomial(cost: dict[str, Any]) -> list[str]:
    found = []
    for column, value in cost.items():
        power = cost_power(str(column))
        if power is not None and (power <= 2 or pd.notna(value)):
            message = number_finding(value, "")
            found += [f"{column} {message}"] if message else []
    for power, column in enumerate(("cp0_eur", "cp1_eur_per_mw", "cp2_eur_per_mw2")):
        if column not in cost:
            found.append(f"has no column {column} (power {power})")
    reactive = [cost[column] for column in REACTIVE_COST if pd.notna(cost.get(column))]
    if any(value != 0 for value in reactive):
        found.append("costs of reactive power are not modelled")
    return found


def _pieces(cost: dict[str, Any]) -> list[str]:
    if cost.get("power_type", "p") != "p":
        return ["costs of reactive power are not modelled"]
    try:
        parts = np.array(cost["points"], dtype=float).reshape(-1, 3)
    except (KeyError, TypeError, ValueError):
        parts = np.empty((0, 3))
    if not len(parts) or not np.isfinite(parts).all():
        return ["points must be rows of three numbers: from MW, to MW, cost per MW"]
    if (parts[:, 1] <= parts[:, 0]).any() or (parts[1:, 0] != parts[:-1, 1]).any():
        return ["each piece must rise in MW and begin where the one before ends"]
    message = number_finding(cost.get("cp0_eur", 0.0), "")
    return [f"cp0_eur {message}"] if message and pd.notna(cost.get("cp0_eur")) else []
