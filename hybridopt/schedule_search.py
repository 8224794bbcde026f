"""The search over pieces: what a genome of outputs stands for, and how one is evaluated.

A genome holds the output of every unit in every hour. What is told apart, and evaluated once, are
the pieces these outputs lie in. An evaluation improves the outputs by exchange between pairs and
solves the smooth problem inside the pieces where that ends; the genetic algorithm breeds from what
came out of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.pair_exchange import PIECE, descend
from hybridopt.smooth_dispatch import SmoothDispatch
from hybridopt.solvers.genetic import Operators
from hybridopt.solvers.status import Status
from hybridopt.unit_cost import Piece, Unit, piece_table

if TYPE_CHECKING:
    import random

    from numpy.typing import NDArray

    from hybridopt.solvers.search import Genome
    from hybridopt.unit_cost import Losses, PieceTable

    Floats = NDArray[np.float64]

ROUNDS = 10  # of exchange and smooth solve
EXCHANGE_GAIN = 1e-8  # least share of the cost that an exchange must save
SMALLEST = 1e-9  # saving that counts in any case
GAIN = 1e-5  # least improvement of the cost for which another round is done
STEEPER = 100.0  # the penalty per MW, as a multiple of the steepest cost of any unit
MOST_MOVED = 4  # units that one mutation moves
LONGEST = 6  # hours over which it does
WITHIN_MW = 1e-6  # a limit missed by less is met


@dataclass(frozen=True)
class Pieces:
    """What a genome stands for: the piece of each unit in each hour, and where to start.

    Attributes
    ----------
    piece : hour by hour; schedules with the same pieces are the same
    start : the genome
    """

    piece: bytes
    start: tuple[float, ...] = field(compare=False)


@dataclass(frozen=True, eq=False)
class Schedule:
    """A schedule that was evaluated.

    Attributes
    ----------
    p_mw : (n_t, n), MW
    fitness : MW by which limits are missed, and the exact cost over the hours
    solves : of smooth problems
    status : of the last of them; ACCEPTABLE when all limits are met but Ipopt failed to confirm it
    """

    p_mw: Floats
    fitness: tuple[float, ...]
    solves: int
    status: Status

    @property
    def ok(self) -> bool:
        """Whether Ipopt confirmed the schedule."""
        return self.status is not Status.FAILED


@dataclass(frozen=True)
class Task:
    """Units and what they have to meet; evaluates schedules, in any process.

    Attributes
    ----------
    units, losses : as in :mod:`hybridopt.unit_cost`
    demand_mw : (n_t,), MW
    by_hour : whether the demand was given hour by hour
    """

    units: tuple[Unit, ...]
    demand_mw: Floats
    losses: Losses
    by_hour: bool = False

    def __getstate__(self) -> dict[str, Any]:
        """Leave out what each process makes for itself."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    @cached_property
    def smooth(self) -> SmoothDispatch:
        """The smooth problem, compiled when first needed."""
        return SmoothDispatch(self.units, self.demand_mw, self.losses)

    @cached_property
    def table(self) -> PieceTable:
        """Pieces of the units."""
        return piece_table(self.units)

    @cached_property
    def weight(self) -> float:
        """Penalty on limits that are missed, currency per MW."""
        t = self.table
        with np.errstate(invalid="ignore"):
            slope = np.abs(t.b) + 2 * np.abs(t.c * np.where(np.isfinite(t.high), t.high, 0.0))
        return STEEPER * max(1.0, float((slope + np.abs(t.e * t.f)).max()))

    @cached_property
    def _kernel(self) -> tuple[Floats, Floats, Floats, Floats, float]:
        """What the exchange needs, with the slack as one more unit."""
        far = 10.0 * (sum(max(abs(u.p_min), abs(u.p_max)) for u in self.units) + 1.0)
        far += 10.0 * float(np.abs(self.demand_mw).max())
        short = Piece(0.0, far, 0.0, self.weight)
        slack = Unit("slack", (Piece(-far, 0.0, 0.0, -self.weight), short))
        units = [*self.units, slack]
        pieces, n = piece_table(units), len(units)
        table = np.stack([getattr(pieces, name) for name in PIECE], axis=2)
        start = [np.nan if u.p0_mw is None else u.p0_mw for u in units]
        ramp = np.array([[u.ramp_up for u in units], [u.ramp_down for u in units], start])
        losses = np.zeros((n + 2, n))
        losses[: n - 1, :-1], losses[n, :-1] = self.losses.b, self.losses.b0
        losses[n + 1, :2] = self.losses.b00, float(self.losses.any)
        return self.demand_mw, np.ascontiguousarray(table), ramp, losses, self.weight

    def missed_mw(self, p_mw: Floats) -> float:
        """MW by which a schedule misses demand and ramps, in sum."""
        return float(np.abs(self.surplus_mw(p_mw)).sum() + self.broken_mw(p_mw).sum())

    def surplus_mw(self, p_mw: Floats) -> Floats:
        """Output less losses and demand in each hour, MW."""
        return np.asarray(p_mw.sum(axis=1) - self.losses.mw(p_mw) - self.demand_mw)

    def broken_mw(self, p_mw: Floats) -> Floats:
        """MW by which each step breaks the ramp of its unit, (n_t, n); hour 1 from ``p0_mw``."""
        ramp = self._kernel[2]
        step = np.diff(p_mw, axis=0, prepend=ramp[2:3, :-1])
        broken = np.maximum(step - ramp[0, :-1], -step - ramp[1, :-1])
        return np.asarray(np.maximum(np.nan_to_num(broken, nan=0.0, neginf=0.0), 0.0))

    def evaluate(self, pieces: Pieces) -> Schedule:
        """Improve a schedule until neither exchange nor the smooth problem does."""
        p = np.array(pieces.start).reshape(len(self.demand_mw), -1)
        cost, solves, status = np.inf, 0, Status.FAILED
        for _ in range(ROUNDS):
            p = self._exchange(p)
            before = cost if np.isfinite(cost) else self._cost(p)
            improved = self.smooth.improve(p, self._cost(p))
            p, status, solves = improved.p_mw, improved.status, solves + improved.solves
            cost = self._cost(p)
            if status is Status.FAILED or cost > before - GAIN:
                break
        missed = self.missed_mw(p)
        missed = missed if missed > WITHIN_MW else 0.0
        if status is Status.FAILED and not missed:
            status = Status.ACCEPTABLE
        return Schedule(p, (missed, float(self.table.cost(p).sum())), solves, status)

    def _cost(self, p_mw: Floats) -> float:
        """Cost of a schedule that meets all limits, infinite for another."""
        within = self.missed_mw(p_mw) <= WITHIN_MW
        return float(self.table.cost(p_mw).sum()) if within else np.inf

    def _exchange(self, p_mw: Floats) -> Floats:
        p = np.column_stack([p_mw, -self.surplus_mw(p_mw)])
        cost = float(self.table.cost(p_mw).sum())
        descend(p, *self._kernel, max(SMALLEST, EXCHANGE_GAIN * abs(cost)))
        return p[:, :-1]

    def pieces(self, genome: Genome) -> Pieces:
        """What a genome stands for."""
        p = np.array(genome).reshape(len(self.demand_mw), -1)
        return Pieces(self.table.piece_of(p).astype(np.int16).tobytes(), tuple(genome))

    def operators(self) -> Operators[Pieces]:
        """How the genetic algorithm makes and changes schedules."""
        return Operators(
            create=self._create,
            mutate=self._mutate,
            crossover=self._crossover,
            repair=lambda genome, _: genome,
            decode=self.pieces,
            neighbours=lambda _: iter(()),  # exchange between pairs has tried them
            wider=lambda _: iter(()),
            learn=lambda _, schedule: schedule.p_mw.ravel().tolist(),
        )

    def _output(self, unit: Unit, rng: random.Random) -> float:
        """Some output of a unit: an end of a piece or within one."""
        piece = rng.choice(unit.pieces)
        return rng.choice([piece.low, piece.high, rng.uniform(piece.low, piece.high)])

    def _create(self, rng: random.Random) -> Genome:
        """Each unit anywhere in a random piece, in each hour."""
        return [
            rng.uniform(piece.low, piece.high)
            for _ in self.demand_mw
            for piece in (rng.choice(unit.pieces) for unit in self.units)
        ]

    def _mutate(self, genome: Genome, rng: random.Random) -> Genome:
        """Send a few units to another output for a few hours; the exchange makes up for it."""
        n_t, n = len(self.demand_mw), len(self.units)
        child = list(genome)
        for i in rng.sample(range(n), rng.randint(1, min(MOST_MOVED, n))):
            first, p = rng.randrange(n_t), self._output(self.units[i], rng)
            for t in range(first, min(n_t, first + rng.randint(1, LONGEST))):
                child[t * n + i] = p
        return child

    def _crossover(self, mother: Genome, father: Genome, rng: random.Random) -> Genome:
        """Some hours, or some units, from the father; the exchange mends the seams."""
        n_t, n = len(self.demand_mw), len(self.units)
        child = list(mother)
        if n_t > 1 and rng.random() < 0.5:
            first, last = sorted(rng.sample(range(n_t + 1), 2))
            child[first * n : last * n] = father[first * n : last * n]
            return child
        for i in range(n):
            if rng.random() < 0.5:
                child[i::n] = father[i::n]
        return child
