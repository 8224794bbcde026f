"""List scheduling: the next free crew takes the next element of the order."""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

SAME_H = 1e-9  # h; repairs that end closer together end together


@dataclass(frozen=True)
class Visit:
    """A crew at an element, hours after the event.

    Attributes
    ----------
    job : position;  crew : from 0
    leave_h, begin_h, done_h : it sets out, repairs, is done
    """

    job: int
    crew: int
    leave_h: float
    begin_h: float
    done_h: float


def schedule(
    order: Sequence[int],
    repair_h: Sequence[float],
    travel_h: NDArray[np.float64],
    crews: int,
    start_h: float = 0.0,
) -> list[Visit]:
    """Send crews out in an order; of several free crews the first one goes.

    Parameters
    ----------
    order : jobs, each once
    repair_h : (n_job,), h
    travel_h : (n_job + 1, n_job + 1), h; 0 is the depot, i + 1 job i
    start_h : h, when crews set out

    Returns
    -------
    A visit for each job, in the order
    """
    free = [(start_h, crew, 0) for crew in range(crews)]
    visits = []
    for job in order:
        leave, crew, place = heapq.heappop(free)
        begin = leave + float(travel_h[place, job + 1])
        done = begin + repair_h[job]
        visits.append(Visit(job, crew, leave, begin, done))
        heapq.heappush(free, (done, crew, job + 1))
    return visits


def repaired_sets(visits: Sequence[Visit]) -> list[tuple[float, int]]:
    """When the set of repaired elements grows, and what it is then.

    Returns
    -------
    (hours after the event, set) with bit i for job i; at 0 h nothing is repaired unless that takes
    no time
    """
    sets = [(0.0, 0)]
    for visit in sorted(visits, key=lambda v: (v.done_h, v.job)):
        when, before = sets[-1]
        after = before | 1 << visit.job
        if visit.done_h - when <= SAME_H:
            sets[-1] = (when, after)
        else:
            sets.append((visit.done_h, after))
    return sets
