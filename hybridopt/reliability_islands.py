"""Which loads an island carries during a fault, and for how long."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

SMALL = 1e-9  # MW, MWh, h


@dataclass
class Segment:
    """A time in which loads, generation and who is carried stay the same.

    Attributes
    ----------
    dt_h : h
    factor : of the loads
    supply_mw : MW of units and limited ties
    demand_mw : MW of the loads carried so far
    """

    dt_h: float
    factor: float
    supply_mw: float
    demand_mw: float = 0.0


@dataclass(frozen=True)
class Carried:
    """How an island treats one load.

    Attributes
    ----------
    hours : h carried
    load_hours : h carried, each times its load factor
    throughout : whether it is carried all the time
    """

    hours: float
    load_hours: float
    throughout: bool


@dataclass(frozen=True)
class Storage:
    """Storage of an island: MW, MWh, and what it holds, MWh."""

    p_mw: float
    e_mwh: float
    held_mwh: float


def carry(
    segments: Sequence[Segment], loads_mw: Sequence[float], storage: Storage
) -> tuple[list[Carried], float]:
    """Carry loads in order, each as long as what was carried before it stays carried.

    A load is connected in every segment in which power and stored energy allow it, without taking
    energy that loads before it need later; it may be dropped in the middle of a segment when the
    storage is at its end. Surplus charges the storage. Losses are neglected.

    Parameters
    ----------
    segments : in order of time; not altered
    loads_mw : (n,), MW at a factor of 1, the first one first

    Returns
    -------
    one Carried for each load, and what the storage holds at the end, MWh
    """
    now = [Segment(s.dt_h, s.factor, s.supply_mw, s.demand_mw) for s in segments]
    found = []
    for mw in loads_mw:
        now, carried = _carry_one(now, mw, storage)
        found.append(carried)
    held = storage.held_mwh
    for s in now:
        held = _after(held, s.supply_mw - s.demand_mw, s.dt_h, storage)
    return found, held


def _after(held: float, net_mw: float, dt_h: float, storage: Storage) -> float:
    """Energy held after a segment."""
    return min(storage.e_mwh, held + min(net_mw, storage.p_mw) * dt_h)


def _reserves(segments: Sequence[Segment], storage: Storage) -> list[float]:
    """Energy that must be held at the start of each segment, and 0 at the end."""
    needed = [0.0]
    for s in reversed(segments):
        net = s.supply_mw - s.demand_mw
        needed.append(max(0.0, needed[-1] - min(net, storage.p_mw) * s.dt_h))
    return needed[::-1]


def _carry_one(
    segments: list[Segment], mw: float, storage: Storage
) -> tuple[list[Segment], Carried]:
    needed = _reserves(segments, storage)
    result: list[Segment] = []
    held, hours, load_hours, throughout = storage.held_mwh, 0.0, 0.0, True
    for s, reserve in zip(segments, needed[1:], strict=True):
        without = s.supply_mw - s.demand_mw
        net = without - mw * s.factor
        share = _share(held, without, net, s.dt_h, reserve, storage)
        if share > 0:
            hours += share
            load_hours += share * s.factor
            result.append(Segment(share, s.factor, s.supply_mw, s.demand_mw + mw * s.factor))
            held = _after(held, net, share, storage)
        if share < s.dt_h:
            throughout = False
            result.append(Segment(s.dt_h - share, s.factor, s.supply_mw, s.demand_mw))
            held = _after(held, without, s.dt_h - share, storage)
    return result, Carried(hours, load_hours, throughout)


def _share(
    held: float, without: float, net: float, dt_h: float, reserve: float, storage: Storage
) -> float:
    """Hours of a segment, from its start, in which a load can be carried."""
    if net < -storage.p_mw - SMALL:
        return 0.0
    if _after(held, net, dt_h, storage) >= reserve - SMALL:
        return dt_h
    rate, rest = min(net, storage.p_mw), min(without, storage.p_mw)
    if rest <= rate:
        return 0.0
    share = (held + rest * dt_h - reserve) / (rest - rate)  # a full storage does not bind here
    if rate < 0:
        share = min(share, held / -rate)
    return min(dt_h, share) if share > SMALL else 0.0
