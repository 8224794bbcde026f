"""Hours that crews are on the way between the depot and damaged elements."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hybridopt.case_restore import Travel
    from hybridopt.elements import Elements
    from hybridopt.grid import Grid
    from hybridopt.network_repairs import Job

    Floats = NDArray[np.float64]
    Find = Callable[[list[Job], str], int | str]

DEPOT = "depot"
MATRIX = ("restore", "travel", "matrix")


def travel_hours(
    elements: Elements, grid: Grid, travel: Travel | None, jobs: list[Job], find: Find
) -> Floats:
    """Hours from each place to each other; what is missing becomes a finding.

    An element is at its bus, a branch half way between its two.

    Parameters
    ----------
    find : position of the job that a name means, or what is wrong with it

    Returns
    -------
    (n_job + 1, n_job + 1), h, from row to column; 0 is the depot, i + 1 job i
    """
    none = np.zeros((len(jobs) + 1, len(jobs) + 1))
    if travel is None:
        return none
    if travel.matrix is not None:
        return _from_matrix(elements, travel.matrix, jobs, find)
    buses = [job.buses for job in jobs]
    depot = travel.depot
    if isinstance(depot, int):
        position = elements.bus(depot, "restore.travel.depot")
        if position is None:
            return none
        buses.insert(0, (position,))
    xy = np.column_stack([grid.bus_x, grid.bus_y])
    missing = sorted({grid.bus_id[b] for at in buses for b in at if np.isnan(xy[b]).any()})
    if missing:
        labels = ", ".join(map(str, missing))
        message = f"the network has no coordinates of bus {labels}; give a matrix instead"
        elements.miss("restore.travel.speed_km_per_h", message)
        return none
    places = np.array([xy[list(at)].mean(axis=0) for at in buses]).reshape(-1, 2)
    if isinstance(depot, tuple):
        places = np.vstack([depot, places])
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1))
    hours: Floats = apart * travel.km_per_unit / (travel.speed_km_per_h or 1.0)
    return hours


def _from_matrix(
    elements: Elements, matrix: dict[str, dict[str, float]], jobs: list[Job], find: Find
) -> Floats:
    """Hours out of a table; the depot needs no column, nobody goes back."""
    n = len(jobs) + 1
    hours = np.zeros((n, n))
    if not matrix:  # it could not be read, which was found already
        return hours
    columns = list(dict.fromkeys(to for row in matrix.values() for to in row))
    at = _places(elements, columns, "column", jobs, find)
    rows = _places(elements, list(matrix), "row", jobs, find)
    for name, here in rows.items():
        for to, there in at.items():
            if to not in matrix[name]:
                if there not in (0, here):
                    elements.miss((*MATRIX, name), f"has no hours to {to}")
                continue
            hours[here, there] = matrix[name][to]
            if here == there and hours[here, there] != 0:
                message = f"must be 0, found {hours[here, there]:g}"
                elements.miss((*MATRIX, name, to), message)
    names = [DEPOT, *(job.name for job in jobs)]
    for what, given, needed in (("row", rows, range(n)), ("column", at, range(1, n))):
        missing = [names[i] for i in needed if i not in given.values()]
        if missing:
            elements.miss(MATRIX, f"has no {what} for {', '.join(missing)}")
    return hours


def _places(
    elements: Elements, names: list[str], what: str, jobs: list[Job], find: Find
) -> dict[str, int]:
    """Places that rows or columns stand for; what means nothing or stands there twice is found."""
    places: dict[str, int] = {}
    for name in names:
        key = (*MATRIX, name) if what == "row" else MATRIX
        found = 0 if name.strip().lower() == DEPOT else find(jobs, name)
        if isinstance(found, str):
            elements.miss(key, f"{what}: {found}")
            continue
        place = found + 1 if name.strip().lower() != DEPOT else 0
        if place in places.values():
            elements.miss(key, f"{what} {name.strip()!r} stands here a second time")
        else:
            places[name] = place
    return places
