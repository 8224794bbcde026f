"""Solving the relaxation: planes where a solution lies outside a cone, until none does."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.linear import LinearProgram
from hybridopt.models.bound import add_hour, unserved_terms
from hybridopt.models.bound_cuts import cone_cuts, cones, first_planes, power_cuts
from hybridopt.models.bound_plan import add_plan, cost_terms
from hybridopt.solvers.milp import Milp

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.grid import Plan
    from hybridopt.linear import Rows
    from hybridopt.models.bound import Hour
    from hybridopt.models.bound_plan import Choices

    Floats = NDArray[np.float64]

OUTSIDE = 1e-7  # pu; how far outside a cone a solution may lie. Larger ones weaken the bound only.
SMALL_STEP = 1e-5  # relative rise of the bound from which on no round follows
MOST_ROUNDS = 12  # mixed-integer programs
MOST_CUTS = 60  # linear programs between two of those
FEW_CUTS = 8  # linear programs that tell which hour asks for the most
MIP_GAP = 1e-4  # relative; the dual bound is reported, so this is part of the gap
FIRST_MIP_GAP = 1e-3  # of the first round, whose solution only tells where rows are missing
# Taken off every bound: HiGHS meets rows to 1e-9 pu, and multipliers are of the size of the
# objective over 1 pu, so this is two orders more than its tolerances can bring.
MARGIN = 1e-6


@dataclass(frozen=True)
class Solved:
    """A bound and the work it took.

    Attributes
    ----------
    bound : no plan has a smaller objective; margin taken off
    rounds : mixed-integer programs
    mip_gap : relative, of the last of them
    complete : whether it ended by itself, not by the clock
    """

    bound: float
    rounds: int
    mip_gap: float
    complete: bool


class Relaxation:
    """The relaxation of one or several hours with one plan."""

    def __init__(self, choices: Choices, hours: Sequence[Hour]) -> None:
        self.choices, self.hours = choices, list(hours)
        self.program = LinearProgram()
        self.plan = add_plan(self.program, choices)
        self.columns = [add_hour(self.program, choices, self.plan, hour) for hour in hours]
        self.cones = np.concatenate([cones(columns) for columns in self.columns])
        self.program.parts.append(first_planes(self.cones))

    def aim_at_unserved(self) -> None:
        """Least unserved power, MW, summed over the hours."""
        base = self.choices.grid.base_mva
        for columns, hour in zip(self.columns, self.hours, strict=True):
            terms, constant = unserved_terms(columns, hour)
            for at, value in terms:
                self.program.cost[at] += value * base
            self.program.constant += constant * base

    def aim_at_cost(self) -> None:
        """Least cost of the plan, currency."""
        for at, value in cost_terms(self.choices, self.plan):
            self.program.cost[at] += value

    def serve_all(self, tolerance_mw: float) -> None:
        """Serve everything in each hour, but for a tolerance."""
        for columns, hour in zip(self.columns, self.hours, strict=True):
            terms, constant = unserved_terms(columns, hour)
            self.program.total(terms, upper=tolerance_mw / self.choices.grid.base_mva - constant)

    def cuts(self, x: Floats, outside: float = OUTSIDE) -> list[Rows]:
        """Rows that a point violates, of those that are not in the program yet."""
        found = cone_cuts(self.cones, x, outside)
        rows = [] if found is None else [found]
        for columns in self.columns:
            rows += power_cuts(self.choices, self.plan, columns, x, outside)
        return rows

    def relax(self, time_limit_s: float) -> float:
        """Bound with fractions of branches and units; the rows found stay in the program."""
        value, _, _ = self._relax(Milp(self.program, relaxed=True), time_limit_s, FEW_CUTS)
        return value - MARGIN * abs(value) if np.isfinite(value) else value

    def _relax(
        self, relaxed: Milp, time_limit_s: float, most: int = MOST_CUTS
    ) -> tuple[float, list[Rows], Floats | None]:
        """Add rows to a relaxed program until its solution violates none.

        Returns
        -------
        Its best bound, the rows, and the last solution.
        """
        began, best, x = time.perf_counter(), -np.inf, None
        added: list[Rows] = []
        for _ in range(most):
            left = time_limit_s - (time.perf_counter() - began)
            if left <= 0:
                break
            result = relaxed.solve(left)
            best, x = max(best, result.bound), result.x
            rows = [] if x is None else self.cuts(x)
            if not rows:
                break
            for part in rows:
                relaxed.add(part)
            added += rows
        self.program.parts += added
        return best, added, x

    def solve(self, time_limit_s: float, scale: float, guess: Plan | None = None) -> Solved:
        """Bound on every plan.

        Parameters
        ----------
        time_limit_s : s
        scale : size of the objective, in its unit
        guess : a good plan, where rows are looked for first

        Notes
        -----
        Linear programs first: they find most rows. After each mixed-integer program its choices are
        held, and linear programs find the rows that this plan violates. Rows hold for every
        plan, so each bound is valid and the largest counts.
        """
        began = time.perf_counter()

        def left() -> float:
            return time_limit_s - (time.perf_counter() - began)

        relaxed = Milp(self.program, relaxed=True)
        best, _, _ = self._relax(relaxed, time_limit_s)
        first = None
        if guess is not None:
            _, first = self._deepen(relaxed, self._held_plan(guess), [], left())
        milp, rounds, gap, complete = Milp(self.program), 0, np.inf, False
        if first is not None:
            milp.start_at(first)
        while left() > 0:
            result = milp.solve(left(), MIP_GAP if rounds else FIRST_MIP_GAP)
            rounds += 1
            rise, best = result.bound - best, max(best, result.bound)
            gap = max(result.value - best, 0.0) / max(abs(result.value), 1e-2 * scale)
            rows = [] if result.x is None else self.cuts(result.x)
            small = rounds > 1 and rise <= SMALL_STEP * max(abs(best), 1e-2 * scale)
            done = small or (not rows and gap <= MIP_GAP)
            if left() > 0 and (done or rounds == MOST_ROUNDS):
                complete = True
                break
            if result.x is not None and rows:
                more, point = self._deepen(relaxed, self._held(result.x), rows, left())
                for part in (*rows, *more):
                    milp.add(part)
                if point is not None:
                    milp.start_at(point)
        margin = MARGIN * max(abs(best), scale) if np.isfinite(best) else 0.0
        return Solved(float(best - margin), rounds, float(gap), complete)

    def _held(self, x: Floats) -> tuple[Floats, Floats]:
        """Ranges of the columns with the choices of a solution."""
        lower, upper, whole = (
            self.program.lower.copy(),
            self.program.upper.copy(),
            self.program.whole,
        )
        lower[whole] = upper[whole] = np.round(x[whole])
        return lower, upper

    def _held_plan(self, plan: Plan) -> tuple[Floats, Floats]:
        """Ranges of the columns with a plan's branches and sites."""
        lower, upper = self.program.lower.copy(), self.program.upper.copy()
        sites = [unit.bus for unit in plan.units]
        for column, chosen in (
            (self.plan.closed, np.isin(self.choices.branch, plan.branches)),
            (self.plan.installed, np.isin(self.choices.sites.bus, sites)),
        ):
            lower[column] = upper[column] = chosen * 1.0
        return lower, upper

    def _deepen(
        self,
        relaxed: Milp,
        held: tuple[Floats, Floats],
        rows: list[Rows],
        time_limit_s: float,
    ) -> tuple[list[Rows], Floats | None]:
        """Further rows that a plan's solutions violate, and its last solution."""
        relaxed.limit_columns(*held)
        for part in rows:
            relaxed.add(part)
        self.program.parts += rows
        _, more, point = self._relax(relaxed, time_limit_s)
        return more, point
