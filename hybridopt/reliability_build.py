"""Rows about buses and branches become a ReliabilityModel, or what is wrong with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.errors import Finding, InputError
from hybridopt.reliability_model import NOTHING, ReliabilityModel

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hybridopt.reliability_files import Entry

SWITCHING_H = 1.0  # where nothing is said, as in the RBTS
SHOWN = 8


def build_model(
    name: str,
    buses: Sequence[Entry],
    branches: Sequence[Entry],
) -> ReliabilityModel:
    """Put rows together; every bus and every branch has one.

    Parameters
    ----------
    branches : with ``from_bus`` and ``to_bus``, names of buses

    Raises
    ------
    InputError
        Every finding: unknown buses, missing customers, loads, rates or repair times, numbers that
        contradict each other, no source, buses with load that no closed branch connects to one,
        no device at all.
    """
    position = {entry.name: k for k, entry in enumerate(buses)}
    findings = [f for entry in buses for f in _bus_findings(entry)]
    findings += [f for entry in branches for f in _branch_findings(entry, position)]
    findings += _overall(name, buses, branches)
    if findings:
        raise InputError(findings)
    model = _model(name, buses, branches, position)
    lost = _unconnected(model)
    if lost:
        shown = ", ".join(lost[:SHOWN]) + (
            f" and {len(lost) - SHOWN} more" if len(lost) > SHOWN else ""
        )
        message = f"no closed branch connects {shown} to a source, so nothing ever feeds it"
        raise InputError([Finding(name, message)])
    return model


def _bus_findings(entry: Entry) -> Iterable[Finding]:
    values = entry.cells
    p_mw, peak_mw = values.get("p_mw"), values.get("peak_mw")
    if p_mw and "customers" not in values:
        message = f"customers is missing: bus {entry.name} has a load of {p_mw:g} MW"
        yield Finding(entry.place, message)
    if values.get("customers") and p_mw is None:
        yield Finding(entry.place, f"p_mw is missing: bus {entry.name} has customers")
    if peak_mw is not None and peak_mw < (p_mw or 0.0):
        yield Finding(
            entry.place, f"peak_mw {peak_mw:g} lies below p_mw {p_mw:g}, the average load"
        )
    if values.get("failures_per_year") and not values.get("repair_h"):
        yield Finding(entry.place, "repair_h is missing: what fails must be repaired")


def _branch_findings(entry: Entry, position: dict[str, int]) -> Iterable[Finding]:
    values = entry.cells
    ends = [values.get(end) for end in ("from_bus", "to_bus")]
    for end, bus in zip(("from_bus", "to_bus"), ends, strict=True):
        if bus is None:
            yield Finding(entry.place, f"{end} is missing")
        elif bus not in position:
            yield Finding(f"{entry.place} {end}", f"no bus is called {bus!r}")
    if ends[0] is not None and ends[0] == ends[1]:
        yield Finding(entry.place, f"begins and ends at bus {ends[0]}")
    per_year, per_km = values.get("failures_per_year"), values.get("failures_per_km_year")
    if per_year is not None and per_km is not None:
        yield Finding(entry.place, "failures_per_year and failures_per_km_year: give one of them")
    if per_km is not None and "length_km" not in values:
        yield Finding(entry.place, "failures_per_km_year needs length_km")
    is_closed = bool(values.get("closed", 1.0))
    if is_closed and per_year is None and per_km is None:
        yield Finding(entry.place, f"branch {entry.name} has no failure rate; 0 if it never fails")
    if (per_year or per_km) and not values.get("repair_h"):
        yield Finding(entry.place, "repair_h is missing: what fails must be repaired")
    if is_closed and "transfer_mw" in values:
        yield Finding(entry.place, "transfer_mw is for ties, but this branch is closed")


def _overall(name: str, buses: Sequence[Entry], branches: Sequence[Entry]) -> Iterable[Finding]:
    if not any(entry.cells.get("source") for entry in buses):
        yield Finding(name, "no bus is a source")
    if not any(entry.cells.get("customers") for entry in buses):
        yield Finding(name, "no bus has customers")
    devices = ("from_device", "to_device")
    if not any(entry.cells.get(end, NOTHING) for entry in branches for end in devices):
        message = (
            "no branch has a breaker, fuse or switch, so that every fault would interrupt "
            "everything; give from_device and to_device"
        )
        yield Finding(name, message)


def _model(
    name: str,
    buses: Sequence[Entry],
    branches: Sequence[Entry],
    position: dict[str, int],
) -> ReliabilityModel:
    def of(entries: Sequence[Entry], column: str, default: float) -> Any:
        return np.array([float(e.cells.get(column, default)) for e in entries])

    p_mw = of(buses, "p_mw", 0.0)
    peak = np.maximum(of(buses, "peak_mw", 0.0), p_mw)
    rate = of(branches, "failures_per_year", 0.0) + of(branches, "failures_per_km_year", 0.0) * of(
        branches, "length_km", 0.0
    )
    return ReliabilityModel(
        name=name,
        bus_id=tuple(entry.name for entry in buses),
        source=of(buses, "source", 0.0) > 0,
        customers=of(buses, "customers", 0.0),
        p_mw=p_mw,
        peak_mw=peak,
        priority=of(buses, "priority", 1.0).astype(np.int64),
        bus_rate=of(buses, "failures_per_year", 0.0),
        bus_repair_h=of(buses, "repair_h", 0.0),
        bus_switching_h=of(buses, "switching_h", SWITCHING_H),
        branch_id=tuple(entry.name for entry in branches),
        branch_from=np.array([position[e.cells["from_bus"]] for e in branches], dtype=np.int64),
        branch_to=np.array([position[e.cells["to_bus"]] for e in branches], dtype=np.int64),
        closed=of(branches, "closed", 1.0) > 0,
        rate=rate,
        repair_h=of(branches, "repair_h", 0.0),
        switching_h=of(branches, "switching_h", SWITCHING_H),
        device=np.array(
            [[e.cells.get(end, NOTHING) for end in ("from_device", "to_device")] for e in branches],
            dtype=np.int64,
        ).reshape(len(branches), 2),
        success=of(branches, "success", 1.0),
        tie_mw=of(branches, "transfer_mw", np.inf),
    )


def _unconnected(model: ReliabilityModel) -> list[str]:
    """Buses with load or customers that no closed branch connects to a source."""
    fed = model.source.copy()
    ends = np.stack([model.branch_from, model.branch_to], axis=1)[model.closed]
    while True:
        grown = fed.copy()
        grown[ends[fed[ends].any(axis=1)].ravel()] = True
        if (grown == fed).all():
            break
        fed = grown
    used = (model.p_mw > 0) | (model.customers > 0)
    return [f"bus {model.bus_id[b]}" for b in np.flatnonzero(used & ~fed)]
