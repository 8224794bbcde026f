"""Reliability indices of a network, with or without generators that feed islands.

Faults are taken one at a time; that two overlap is left out, as in the published analyses. The
chain of each is in ``reliability_faults``, what an island carries in ``reliability_islands``.
"""

from __future__ import annotations

import math
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.errors import Finding, InputError
from hybridopt.reliability_faults import component_names
from hybridopt.reliability_islands import SMALL, Carried, Segment, Storage, carry
from hybridopt.reliability_model import ReliabilityModel, Unit
from hybridopt.reliability_result import ReliabilityIndices

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from hybridopt.reliability_faults import Outcome, Part, Stage

    Floats = NDArray[np.float64]

__all__ = ["ReliabilityIndices", "ReliabilityModel", "Unit", "indices"]

MOST_UNCERTAIN = 10  # units of uncertain availability beside one fault


def indices(
    model: ReliabilityModel, units: Iterable[Unit | tuple[float, ...]] = ()
) -> ReliabilityIndices:
    """Reliability with units that may feed islands; pure, so any study may call it.

    Parameters
    ----------
    units : each (bus position, MW), then MW and MWh of its storage and its availability, if any

    Raises
    ------
    InputError
        A unit at no bus, negative or not finite numbers, a probability out of [0, 1], more units
        with an availability between 0 and 1 in an island than can be enumerated.
    """
    checked = _checked(model, units)
    n = model.n_bus
    rate, hours, ens = np.zeros(n), np.zeros(n), np.zeros(n)
    n_fault = model.n_branch + n
    by_fault = np.zeros((3, n_fault))
    events = 0.0
    mean = float(model.load_factor.mean())
    served = model.customers > 0
    for outcome in model.outcomes:
        for share, working in _working(model, outcome, checked):
            out, gone, missed, hit = _effects(model, outcome, working, mean)
            weight = outcome.rate * share
            rate += weight * out
            hours += weight * gone
            ens += weight * missed * model.p_mw
            events += weight * hit if served.any() else 0.0
            by_fault[:, outcome.component] += weight * np.array(
                [out @ model.customers, gone @ model.customers, missed @ model.p_mw]
            )
    rates = np.concatenate([np.where(model.closed, model.rate, 0.0), model.bus_rate])
    used = np.flatnonzero(rates > 0)
    names = component_names(model)
    return ReliabilityIndices(
        rate=rate,
        hours=hours,
        ens_mwh=ens,
        customers=model.customers,
        events=events,
        fault_name=tuple(names[k] for k in used),
        fault_rate=rates[used],
        fault_interruptions=by_fault[0, used],
        fault_customer_hours=by_fault[1, used],
        fault_ens_mwh=by_fault[2, used],
    )


def _checked(model: ReliabilityModel, units: Iterable[Unit | tuple[float, ...]]) -> list[Unit]:
    """Units that do anything.

    Raises
    ------
    InputError
        Every finding.
    """
    found, findings = [], []
    for k, given in enumerate(units):
        unit = Unit(*given)
        place = f"unit {k + 1}"
        if not (float(unit.bus).is_integer() and 0 <= unit.bus < model.n_bus):
            findings.append(Finding(place, f"stands at bus position {unit.bus}, which isn't there"))
        for name in ("p_mw", "storage_mw", "storage_mwh"):
            value = getattr(unit, name)
            if not (math.isfinite(value) and value >= 0):
                findings.append(Finding(place, f"{name} must be at least 0, found {value:g}"))
        if not 0 <= unit.availability <= 1:
            message = f"availability must lie in [0, 1], found {unit.availability:g}"
            findings.append(Finding(place, message))
        if unit.availability > 0 and (unit.p_mw > 0 or (unit.storage_mw > 0 < unit.storage_mwh)):
            found.append(unit._replace(bus=int(unit.bus)) if not findings else unit)
    if findings:
        raise InputError(findings)
    return found


def _working(
    model: ReliabilityModel, outcome: Outcome, units: list[Unit]
) -> Iterable[tuple[float, list[Unit]]]:
    """Probability and the units that work, of those that may feed an island of this outcome."""
    island = {int(b) for stage in outcome.stages for part in stage.parts for b in part.buses}
    near = [unit for unit in units if unit.bus in island]
    unsure = [unit for unit in near if unit.availability < 1]
    if not unsure:
        return [(1.0, near)]
    if len(unsure) > MOST_UNCERTAIN:
        message = (
            f"{len(unsure)} units with an availability below 1 may feed an island of one fault; "
            f"{MOST_UNCERTAIN} can be enumerated"
        )
        raise InputError([Finding(model.name, message)])
    sure = [unit for unit in near if unit.availability == 1]
    return [
        (
            math.prod(
                u.availability if w else 1 - u.availability
                for u, w in zip(unsure, works, strict=True)
            ),
            sure + [u for u, w in zip(unsure, works, strict=True) if w],
        )
        for works in product((True, False), repeat=len(unsure))
    ]


def _effects(
    model: ReliabilityModel, outcome: Outcome, units: list[Unit], mean: float
) -> tuple[Floats, Floats, Floats, float]:
    """Of one fault, on average over the hours at which it may start.

    Returns
    -------
    (n_bus,) probability of an interruption, (n_bus,) h without supply, (n_bus,) these hours
    weighted with the load factor, and the probability that a customer is interrupted
    """
    unfed = [(s.end_h - s.start_h) * ~s.fed for s in outcome.stages]
    gone = np.sum(unfed, axis=0) if unfed else np.zeros(model.n_bus)
    helped = [_helped(model, stage, units) for stage in outcome.stages]
    served = model.customers > 0
    if not any(helped):
        out = (gone > 0).astype(float)
        return out, gone, gone * mean, float((out[served] > 0).any())
    n_t = max(len(model.load_factor), len(model.unit_factor))
    total = [np.zeros(model.n_bus) for _ in range(3)]
    hit = 0.0
    for hour in range(n_t):
        lost, weighted = _from_hour(model, outcome, helped, units, hour)
        out = (lost > SMALL).astype(float)
        for k, values in enumerate((out, lost, weighted)):
            total[k] += values / n_t
        hit += float((out[served] > 0).any()) / n_t
    return total[0], total[1], total[2], hit


def _helped(model: ReliabilityModel, stage: Stage, units: list[Unit]) -> list[Part]:
    """Parts of a stage that a unit or a limited tie can feed."""
    at = {unit.bus for unit in units}
    formed = stage.start_h >= model.islanding_h - SMALL
    return [
        part
        for part in stage.parts
        if part.tie_mw > 0 or (formed and not at.isdisjoint(part.buses.tolist()))
    ]


def _from_hour(
    model: ReliabilityModel,
    outcome: Outcome,
    helped: list[list[Part]],
    units: list[Unit],
    hour: int,
) -> tuple[Floats, Floats]:
    """Hours without supply by bus, plain and weighted with the load factor, from a start hour."""
    lost, weighted = np.zeros(model.n_bus), np.zeros(model.n_bus)
    held = [unit.storage_mwh for unit in units]
    for stage, parts in zip(outcome.stages, helped, strict=True):
        pieces = _pieces(model, hour, stage.start_h, stage.end_h)
        span = stage.end_h - stage.start_h
        span_weighted = sum(dt * factor for dt, factor, _ in pieces)
        lost[~stage.fed] += span
        weighted[~stage.fed] += span_weighted
        for part in parts:
            own = [k for k, unit in enumerate(units) if unit.bus in part.buses]
            if stage.start_h < model.islanding_h - SMALL:
                own = []
            order, carried = _island(model, part, pieces, own, units, held)
            for b, c in zip(order, carried, strict=True):
                lost[b] -= c.hours if not c.throughout else span
                weighted[b] -= c.load_hours if not c.throughout else span_weighted
    return lost, weighted


def _pieces(
    model: ReliabilityModel, hour: int, start_h: float, end_h: float
) -> list[tuple[float, float, float]]:
    """Time between two moments in pieces of one hour of the profiles: h, factors."""
    load, unit = model.load_factor, model.unit_factor
    if len(load) == 1 and len(unit) == 1:
        return [(end_h - start_h, float(load[0]), float(unit[0]))]
    found, t = [], start_h
    while t < end_h - SMALL:
        whole = math.floor(t + SMALL)
        end = min(end_h, whole + 1.0)
        k = hour + whole
        found.append((end - t, float(load[k % len(load)]), float(unit[k % len(unit)])))
        t = end
    return found


def _island(
    model: ReliabilityModel,
    part: Part,
    pieces: list[tuple[float, float, float]],
    own: list[int],
    units: list[Unit],
    held: list[float],
) -> tuple[list[int], list[Carried]]:
    """Carry the loads of a part: priority first, then most customers per MW, then the smallest.

    What the units' storage holds afterwards is written to ``held``.
    """
    p_mw = sum(units[k].p_mw for k in own)
    e_mwh = sum(units[k].storage_mwh for k in own)
    storage = Storage(sum(units[k].storage_mw for k in own), e_mwh, sum(held[k] for k in own))
    segments = [Segment(dt, load, p_mw * unit + part.tie_mw) for dt, load, unit in pieces]

    def rank(b: int) -> tuple[float, float, float, int]:
        mw, customers = float(model.carried_mw[b]), float(model.customers[b])
        return (float(model.priority[b]), -customers / mw if mw > 0 else -math.inf, mw, b)

    order = sorted((int(b) for b in part.buses), key=rank)
    carried, left = carry(segments, [float(model.carried_mw[b]) for b in order], storage)
    for k in own:
        held[k] = left * units[k].storage_mwh / e_mwh if e_mwh > 0 else 0.0
    return order, carried
