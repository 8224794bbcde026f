"""The smooth problem inside chosen pieces: compiled once, solved exactly by Ipopt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.models.economic import build_economic
from hybridopt.solvers.ipopt import CompiledModel
from hybridopt.solvers.status import Status
from hybridopt.unit_cost import AT_MW, piece_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.solvers.ipopt import Solution
    from hybridopt.solvers.reduced import Bounds
    from hybridopt.unit_cost import Losses, Unit

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

# The start is nearly the answer: Ipopt must not push it away from its bounds, for a cost that is
# concave between valve points has other local minima there.
OPTIONS = {
    "print_level": 0,
    "sb": "yes",
    "tol": 1e-9,
    "max_iter": 200,
    "bound_push": 1e-9,
    "bound_frac": 1e-9,
    "slack_bound_push": 1e-9,
    "slack_bound_frac": 1e-9,
    "mu_init": 1e-8,
    "nlp_scaling_method": "none",
    "bound_relax_factor": 0.0,
}
MOST_SWITCHES = 20
GAIN = 1e-7  # least improvement of the cost that counts


@dataclass(frozen=True)
class Smooth:
    """A local optimum inside pieces.

    Attributes
    ----------
    p_mw : (n_t, n), MW
    price : (n_t,), currency per MWh, what one more MW of demand costs
    slope : (n_t, n), currency per MWh, what one MW more from a unit costs or saves (negative) with
        balance and ramps priced in; zero inside a piece
    solution : what Ipopt said
    """

    p_mw: Floats
    price: Floats
    slope: Floats
    solution: Solution


@dataclass(frozen=True, eq=False)
class Improved:
    """What came of a schedule.

    Attributes
    ----------
    p_mw : (n_t, n), MW, the best schedule found, the start itself when nothing better was
    status : of the last smooth problem solved; FAILED when none was
    solves : smooth problems tried
    """

    p_mw: Floats
    status: Status
    solves: int


class SmoothDispatch:
    """Dispatch of units over some hours, by pieces.

    Parameters
    ----------
    units : of which the pieces are taken
    demand_mw : (n_t,), MW
    losses : B-coefficients
    """

    def __init__(self, units: Sequence[Unit], demand_mw: Floats, losses: Losses) -> None:
        self.units, self.demand_mw, self.losses = units, demand_mw, losses
        self.table = piece_table(units)
        n_t, n = len(demand_mw), len(units)
        valve = [(unit.pieces[0].f, unit.pieces[0].p_ref) for unit in units]
        model = build_economic(valve, losses, n_t)
        self.nlp = CompiledModel(model)
        self.p = self.nlp.columns(model.p, n_t, n)
        self._data = {k: self.nlp.columns(getattr(model, k), n_t, n) for k in ("b", "c", "e")}
        self._balance = self.nlp.rows(model.balance, n_t)
        self._ramp = self.nlp.rows(model.ramp, n_t, n)
        self._base = self._limits()

    def _limits(self) -> Bounds:
        """Demand and ramps: what doesn't depend on the pieces."""
        bounds = self.nlp.bounds()
        # A constant in a row is in its bound already.
        bounds.row_min[self._balance] += self.demand_mw
        bounds.row_max[self._balance] += self.demand_mw
        up = np.array([unit.ramp_up for unit in self.units])
        down = np.array([unit.ramp_down for unit in self.units])
        limited = np.isfinite(up) | np.isfinite(down)
        for t in range(1, len(self.demand_mw)):
            rows = self._ramp[t]
            bounds.row_min[rows], bounds.row_max[rows] = -down, up
            bounds.row_on[rows] = limited
        return bounds

    def bounds(self, piece: Ints, start: Floats) -> Bounds:
        """Bounds of the problem inside pieces.

        Parameters
        ----------
        piece : (n_t, n), piece of each unit in each hour
        start : (n_t, n), MW
        """
        bounds, table = self._base.copy(), self.table
        unit = np.arange(len(self.units))
        low, high = table.low[unit, piece], table.high[unit, piece]
        for i, one in enumerate(self.units):
            if one.p0_mw is not None:
                low[0, i] = max(low[0, i], one.p0_mw - one.ramp_down)
                high[0, i] = min(high[0, i], one.p0_mw + one.ramp_up)
        fixed = low >= high
        bounds.x_min[self.p], bounds.x_max[self.p] = low, np.maximum(low, high)
        bounds.x_start[self.p] = np.where(fixed, low, np.clip(start, low, np.maximum(low, high)))
        for name, columns in self._data.items():
            kept = columns >= 0  # e of a unit without valve points is not in the model
            bounds.fix(columns[kept], getattr(table, name)[unit, piece][kept])
        return bounds

    def solve(self, piece: Ints, start: Floats) -> Smooth:
        """Solve inside pieces."""
        solution = self.nlp.solve(self.bounds(piece, start), OPTIONS)
        return Smooth(
            p_mw=solution.x[self.p],
            price=-solution.row_multiplier[self._balance],
            slope=-solution.x_multiplier[self.p],
            solution=solution,
        )

    def improve(self, start: Floats, cost: float) -> Improved:
        """Solve inside the pieces of a schedule, then in neighbouring ones as long as it pays.

        Parameters
        ----------
        start : (n_t, n), MW
        cost : of the start; infinite when it misses a limit
        """
        p, piece, status = start, self.table.piece_of(start), Status.FAILED
        for solves in range(1, MOST_SWITCHES + 1):
            smooth = self.solve(piece, p)
            found = float(self.table.cost(smooth.p_mw).sum())
            if not smooth.solution.ok or (solves > 1 and found > cost - GAIN):
                break
            status = smooth.solution.status
            if found < cost + GAIN:
                p, cost = smooth.p_mw, min(found, cost)
            switched = self._switch(piece, smooth)
            if np.array_equal(switched, piece):
                break
            piece = switched
        return Improved(p, status, solves)

    def _switch(self, piece: Ints, smooth: Smooth) -> Ints:
        """Move to the neighbouring piece where an output ends on a bound and that piece is cheaper.

        At a bound ``slope`` is the derivative of the Lagrangian in this piece. In the piece on the
        other side it differs by the jump of the cost's derivative at the valve point.
        """
        table, p = self.table, smooth.p_mw
        unit = np.arange(len(self.units))
        here = self._derivative(piece, p)
        switched = piece.copy()
        for step, ends in ((-1, table.low), (1, table.high)):
            other = np.clip(piece + step, 0, table.count - 1)
            opposite = table.high if step < 0 else table.low
            meets = (
                (other != piece)
                & (np.abs(p - ends[unit, piece]) < AT_MW)
                & (np.abs(p - opposite[unit, other]) < AT_MW)
            )
            reduced = smooth.slope + self._derivative(other, p) - here
            switched = np.where(meets & (step * reduced < -1e-6), other, switched)
        return np.asarray(switched, dtype=np.int64)

    def _derivative(self, piece: Ints, p: Floats) -> Floats:
        """Derivative of each unit's cost in the given piece, currency per MWh."""
        unit, table = np.arange(len(self.units)), self.table
        b, c, e, f, ref = (
            getattr(table, name)[unit, piece] for name in ("b", "c", "e", "f", "p_ref")
        )
        return np.asarray(b + 2 * c * p - e * f * np.cos(f * (ref - p)))
