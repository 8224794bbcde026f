"""What a search for a front measured: the plans that none beats, thinned, and how it came on."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import permutations
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.solvers.nsga2 import hypervolume, non_dominated

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridopt.evaluate import Evaluation
    from hybridopt.plan_choice import Choice

DIGITS = ".6e"  # as in a search for the best plan
EQUAL = 1e-6  # relative difference of two objectives that is none
ROOM = 0.1  # of the front's span, from its worst values to where a hypervolume ends


@dataclass
class Archive:
    """Everything that was measured, and the choices that none beats."""

    names: tuple[str, ...]
    measured: dict[Choice, Evaluation] = field(default_factory=dict)

    def values(self, choice: Choice) -> tuple[float, ...]:
        """Objectives, rounded so that equal plans tie; inf where the plan failed."""
        found = self.measured[choice]
        if not found.ok:
            return (float("inf"),) * len(self.names)
        return tuple(float(f"{found.values[name]:{DIGITS}}") for name in self.names)

    def front(self) -> list[Choice]:
        """Choices that none beats, by their objectives."""
        known = [choice for choice, found in self.measured.items() if found.ok]
        if not known:
            return []
        points = np.array([self.values(choice) for choice in known])
        return [known[k] for k in non_dominated(points, EQUAL)]

    def chosen(self, most: int) -> tuple[list[Choice], int]:
        """The front, thinned where it has too many plans, and how many are left out."""
        front = self.front()
        values = np.array([self.values(choice) for choice in front])
        kept = thinned(values, most)
        return [front[k] for k in kept], len(front) - len(kept)

    def history(self, log: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """A log, with the hypervolume of each row's front as a share of the last front's."""
        last = np.array([self.values(choice) for choice in self.front()])
        best, span = last.min(axis=0), np.ptp(last, axis=0)
        scale = np.where(span > 0, span, 1.0)
        reference = np.full(len(best), 1 + ROOM)

        def volume(points: Any) -> float:
            return hypervolume((points - best) / scale, reference)

        whole, rows = volume(last), []
        for row in log:
            found = np.array(sorted(row["front"]))
            share = volume(found) / whole if len(found) else 0.0
            rows.append({k: v for k, v in row.items() if k != "front"} | {"hypervolume": share})
        return rows


def thinned(points: Any, most: int) -> list[int]:
    """Rows to keep, so many at most: those with the closest neighbours go, extremes never.

    Extremes are the worst of each column, and the best where columns decide one after the other,
    in every order.

    Parameters
    ----------
    points : (n, k)
    """
    kept = list(range(len(points)))
    if len(kept) <= most:
        return kept
    span = np.ptp(points, axis=0)
    scaled = points / np.where(span > 0, span, 1.0)
    firsts = [np.lexsort(points.T[list(order)])[0] for order in permutations(range(len(span)))]
    ends = {int(k) for k in (*firsts, *points.argmax(axis=0))}
    while len(kept) > max(most, len(ends)):
        here = scaled[kept]
        apart = np.linalg.norm(here[:, None] - here[None], axis=2)
        np.fill_diagonal(apart, np.inf)
        order = np.argsort(apart.min(axis=1), kind="stable")
        out = next(int(k) for k in order if kept[int(k)] not in ends)
        kept.pop(out)
    return kept
