"""Columns and rows of a linear program, as they are put together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.sparse import coo_matrix, csr_matrix

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]


@dataclass
class Rows:
    """Rows ``lower <= A x <= upper``; A as triples."""

    row: Ints
    column: Ints
    value: Floats
    lower: Floats
    upper: Floats

    def __len__(self) -> int:
        return len(self.lower)

    def matrix(self, n_column: int) -> csr_matrix:
        """A, (n_row, n_column); entries of the same place are added."""
        shape = (len(self), n_column)
        return coo_matrix((self.value, (self.row, self.column)), shape=shape).tocsr()


def rows_of(
    terms: Sequence[tuple[Any, Any]],
    lower: Any = -np.inf,
    upper: Any = np.inf,
    n: int | None = None,
) -> Rows:
    """Rows ``lower <= sum_k coefficient_k x[column_k] <= upper``, one for each entry of columns.

    Parameters
    ----------
    terms : (columns, coefficients) of the same length, or one of them a number; negative columns
        stand for what isn't there
    lower, upper : (n_row,) or numbers
    n : number of rows, where no term tells
    """
    n = n or max(np.size(column) for column, _ in terms)
    place, columns, values = [], [], []
    for column, coefficient in terms:
        at = np.broadcast_to(np.asarray(column, dtype=np.int64), n)
        value = np.broadcast_to(np.asarray(coefficient, dtype=float), n)
        used = (at >= 0) & (value != 0.0)
        place.append(np.flatnonzero(used))
        columns.append(at[used])
        values.append(value[used])
    return Rows(
        np.concatenate(place),
        np.concatenate(columns),
        np.concatenate(values),
        np.broadcast_to(np.asarray(lower, dtype=float), n),
        np.broadcast_to(np.asarray(upper, dtype=float), n),
    )


@dataclass
class LinearProgram:
    """Minimise ``cost x + constant`` within rows and the columns' ranges, some of them whole.

    Attributes
    ----------
    lower, upper, cost : (n_column,);  whole : (n_column,) integer columns
    parts : the rows, as they were added
    """

    lower: Floats = field(default_factory=lambda: np.empty(0))
    upper: Floats = field(default_factory=lambda: np.empty(0))
    whole: Bools = field(default_factory=lambda: np.empty(0, dtype=bool))
    cost: Floats = field(default_factory=lambda: np.empty(0))
    constant: float = 0.0
    parts: list[Rows] = field(default_factory=list)

    @property
    def n_column(self) -> int:
        """Number of columns so far."""
        return len(self.lower)

    def columns(self, n: int, lower: Any, upper: Any, *, whole: bool = False) -> Ints:
        """Add columns; their positions, (n,)."""
        first = self.n_column
        for name, value in (("lower", lower), ("upper", upper), ("cost", 0.0)):
            new = np.broadcast_to(np.asarray(value, dtype=float), n)
            setattr(self, name, np.concatenate([getattr(self, name), new]))
        self.whole = np.concatenate([self.whole, np.full(n, whole)])
        return np.arange(first, first + n)

    def rows(
        self, terms: Sequence[tuple[Any, Any]], lower: Any = -np.inf, upper: Any = np.inf
    ) -> None:
        """Add rows, see :func:`rows_of`."""
        self.parts.append(rows_of(terms, lower, upper))

    def total(
        self, terms: Sequence[tuple[Any, Any]], lower: float = -np.inf, upper: float = np.inf
    ) -> None:
        """Add one row: the sum over every entry of the terms."""
        pairs = [np.broadcast_arrays(np.atleast_1d(c), np.atleast_1d(v)) for c, v in terms]
        column = np.concatenate([c for c, _ in pairs]).astype(np.int64)
        value = np.concatenate([v for _, v in pairs]).astype(float)
        zero = np.zeros(len(column), dtype=np.int64)
        self.parts.append(Rows(zero, column, value, np.array([lower]), np.array([upper])))

    def stacked(self) -> tuple[csr_matrix, Floats, Floats]:
        """All rows: A (n_row, n_column), lower and upper."""
        from scipy.sparse import vstack

        matrix = vstack([part.matrix(self.n_column) for part in self.parts], format="csr")
        lower = np.concatenate([part.lower for part in self.parts])
        return matrix, lower, np.concatenate([part.upper for part in self.parts])
