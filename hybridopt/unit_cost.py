"""Generating units without a network: their smooth pieces, and what their outputs cost exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MOST_PIECES = 200  # of one unit: more is a wrong unit of f
AT_MW = 1e-7  # outputs closer than this to a piece count as in it


@dataclass(frozen=True)
class Piece:
    """A range of outputs over which a unit may run and its cost is smooth.

    ``cost(p) = a + b p + c p^2 + e sin(f (p_ref - p))``, e signed so that the last term is the
    |e sin| of the valve points.

    Attributes
    ----------
    low, high : MW
    a, b, c : currency per h, per MWh, per MW^2 h
    e, f : currency per h, rad/MW
    p_ref : MW, first valve point
    """

    low: float
    high: float
    a: float
    b: float
    c: float = 0.0
    e: float = 0.0
    f: float = 0.0
    p_ref: float = 0.0


@dataclass(frozen=True)
class Unit:
    """One generating unit.

    Attributes
    ----------
    name : as in the units file
    pieces : ascending, at least one; what lies between two that don't meet is prohibited
    ramp_up, ramp_down : MW/h, infinite without a limit
    p0_mw : output in the hour before the first, None when unknown
    """

    name: str
    pieces: tuple[Piece, ...]
    ramp_up: float = math.inf
    ramp_down: float = math.inf
    p0_mw: float | None = None

    @property
    def p_min(self) -> float:
        """Least output, MW."""
        return self.pieces[0].low

    @property
    def p_max(self) -> float:
        """Largest output, MW."""
        return self.pieces[-1].high


@dataclass(frozen=True, eq=False)
class Losses:
    """Transmission losses of a dispatch p: ``p' B p + B0' p + B00``, in MW (Kirchmayer 1958).

    Attributes
    ----------
    b : (n, n), 1/MW, symmetric;  b0 : (n,);  b00 : MW
    """

    b: Floats
    b0: Floats
    b00: float = 0.0

    @property
    def any(self) -> bool:
        """Whether there are losses at all."""
        return bool(np.any(self.b) or np.any(self.b0) or self.b00)

    def mw(self, p_mw: Floats) -> Floats:
        """Losses of each row of outputs, MW.

        Parameters
        ----------
        p_mw : (n_t, n), MW
        """
        quadratic = np.einsum("ti,ij,tj->t", p_mw, self.b, p_mw)
        return np.asarray(quadratic + p_mw @ self.b0 + self.b00)


def no_losses(n: int) -> Losses:
    """Losses of nothing, for n units."""
    return Losses(np.zeros((n, n)), np.zeros(n))


def valve_pieces(
    low: float, high: float, cost: tuple[float, float, float], valve: tuple[float, float]
) -> tuple[Piece, ...]:
    """Pieces of ``a + b p + c p^2 + |e sin(f (low - p))|`` between its valve points.

    Walters and Sheble 1993: the fuel cost rises like a rectified sine when the next steam valve
    opens. The valve points are ``low + k pi / f``.

    Parameters
    ----------
    low, high : MW
    cost : a, b, c
    valve : e in currency per h, f in rad/MW
    """
    e, f = abs(valve[0]), abs(valve[1])
    if e == 0 or f == 0 or high <= low:
        return (Piece(low, high, *cost),)
    inner = [low + k * math.pi / f for k in range(1, math.ceil((high - low) * f / math.pi))]
    ends = [low, *inner, high]
    return tuple(
        Piece(ends[k], ends[k + 1], *cost, e=e if k % 2 else -e, f=f, p_ref=low)
        for k in range(len(ends) - 1)
    )


def linear_pieces(points: Sequence[tuple[float, float]]) -> tuple[Piece, ...]:
    """Pieces of a piecewise linear cost through points (MW, currency per h)."""
    pieces = []
    for (p, cost), (p_next, cost_next) in pairwise(points):
        slope = (cost_next - cost) / (p_next - p)
        pieces.append(Piece(p, p_next, cost - slope * p, slope))
    return tuple(pieces)


def without_zones(
    pieces: Sequence[Piece], zones: Sequence[tuple[float, float]]
) -> tuple[Piece, ...]:
    """Pieces with the open ranges ``zones`` taken out of them."""
    return tuple(part for piece in pieces for part in _outside(piece, sorted(zones)))


def _outside(piece: Piece, zones: Sequence[tuple[float, float]]) -> Iterator[Piece]:
    start = piece.low
    whole = {name: getattr(piece, name) for name in ("a", "b", "c", "e", "f", "p_ref")}
    for low, high in zones:
        if high <= start or low >= piece.high:
            continue
        if low > start:
            yield Piece(start, low, **whole)
        start = max(start, high)
    if start < piece.high or (start == piece.high == piece.low):
        yield Piece(start, piece.high, **whole)


@dataclass(frozen=True, eq=False)
class PieceTable:
    """The pieces of all units as arrays; columns past a unit's last piece are empty.

    Attributes
    ----------
    count : (n,) pieces of each unit
    low, high, a, b, c, e, f, p_ref : (n, most), as in :class:`Piece`
    """

    count: Ints
    low: Floats
    high: Floats
    a: Floats
    b: Floats
    c: Floats
    e: Floats
    f: Floats
    p_ref: Floats

    def piece_of(self, p_mw: Floats) -> Ints:
        """Piece in which each output lies; where two meet, the upper one.

        Parameters
        ----------
        p_mw : (n_t, n), MW

        Returns
        -------
        (n_t, n), -1 for an output in no piece
        """
        p = p_mw[:, :, None]
        inside = (self.low - AT_MW <= p) & (p <= self.high + AT_MW)
        last = inside.shape[2] - 1 - np.argmax(inside[:, :, ::-1], axis=2)
        return np.asarray(np.where(inside.any(axis=2), last, -1), dtype=np.int64)

    def cost(self, p_mw: Floats) -> Floats:
        """Exact cost of each output, currency per h; infinite for a prohibited one.

        Parameters
        ----------
        p_mw : (n_t, n), MW
        """
        k = self.piece_of(p_mw)
        unit = np.arange(len(self.count))
        a, b, c, e, f, p_ref = (
            getattr(self, name)[unit, k] for name in ("a", "b", "c", "e", "f", "p_ref")
        )
        cost = a + b * p_mw + c * p_mw**2 + np.abs(e * np.sin(f * (p_ref - p_mw)))
        return np.asarray(np.where(k >= 0, cost, np.inf))


def piece_table(units: Sequence[Unit]) -> PieceTable:
    """The pieces of units as arrays."""
    shape = (len(units), max(len(unit.pieces) for unit in units))
    empty = {"low": np.inf, "high": -np.inf}
    columns = {
        name: np.full(shape, empty.get(name, 0.0))
        for name in ("low", "high", "a", "b", "c", "e", "f", "p_ref")
    }
    for i, unit in enumerate(units):
        for k, piece in enumerate(unit.pieces):
            for name, column in columns.items():
                column[i, k] = getattr(piece, name)
    return PieceTable(np.array([len(unit.pieces) for unit in units]), **columns)
