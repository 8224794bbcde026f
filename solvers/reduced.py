"""One problem as Ipopt sees it: fixed variables and switched-off rows struck out."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]


@dataclass
class Bounds:
    """What turns a compiled model into one problem.

    Attributes
    ----------
    x_min, x_max, x_start : (n_x,), equal bounds fix a variable
    row_min, row_max : (n_row,)
    row_on : (n_row,), rows that count
    """

    x_min: Floats
    x_max: Floats
    x_start: Floats
    row_min: Floats
    row_max: Floats
    row_on: Bools

    def copy(self) -> Bounds:
        """Return bounds that can be changed without touching these."""
        return Bounds(*(getattr(self, name).copy() for name in self.__dataclass_fields__))

    def fix(self, columns: Ints, value: Any) -> None:
        """Give variables a value (scalar or one for each column)."""
        self.x_min[columns] = self.x_max[columns] = self.x_start[columns] = value


@dataclass
class Reduced:
    """The reduced problem in the form cyipopt calls back."""

    asl: Any
    x: Floats
    free: Ints
    rows: Ints
    jac: tuple[Ints, Ints, Ints]
    hess: tuple[Ints, Ints, Ints]
    g: Floats
    grad: Floats
    jac_values: Floats
    hess_values: Floats
    multiplier: Floats
    iterations: int = field(default=0)
    stopped_by: int | None = field(default=None)

    def objective(self, x: Floats) -> float:
        """Value of the goal."""
        self.x[self.free] = x
        return float(self.asl.eval_f(self.x))

    def gradient(self, x: Floats) -> Floats:
        """Gradient of the goal by the free variables."""
        self.x[self.free] = x
        self.asl.eval_deriv_f(self.x, self.grad)
        return self.grad[self.free]

    def constraints(self, x: Floats) -> Floats:
        """Left-hand sides of the rows that count."""
        self.x[self.free] = x
        self.asl.eval_g(self.x, self.g)
        return self.g[self.rows]

    def jacobianstructure(self) -> tuple[Ints, Ints]:
        """Rows and columns of the Jacobian's entries."""
        return self.jac[1], self.jac[2]

    def jacobian(self, x: Floats) -> Floats:
        """Values of the Jacobian's entries."""
        self.x[self.free] = x
        self.asl.eval_jac_g(self.x, self.jac_values)
        return self.jac_values[self.jac[0]]

    def hessianstructure(self) -> tuple[Ints, Ints]:
        """Rows and columns of the Hessian's lower triangle."""
        return self.hess[1], self.hess[2]

    def hessian(self, x: Floats, multiplier: Floats, factor: float) -> Floats:
        """Values of the Hessian of ``factor * goal + multiplier * rows``."""
        self.x[self.free] = x
        self.multiplier[self.rows] = multiplier
        self.asl.eval_hes_lag(self.x, self.multiplier, self.hess_values, factor)
        return self.hess_values[self.hess[0]]

    def intermediate(self, _mode: int, iteration: int, *_: Any) -> bool:
        """Count the iteration; False ends the solve after a signal."""
        self.iterations = iteration
        return self.stopped_by is None


@contextmanager
def signals_wait(problem: Reduced) -> Iterator[None]:
    """Let Ctrl-C and termination end the solve at its next iteration, and only then act.

    An exception inside one of Ipopt's callbacks can crash the process.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def note(number: int, _frame: Any) -> None:
        problem.stopped_by = number

    watched = [getattr(signal, n) for n in ("SIGINT", "SIGTERM", "SIGALRM") if hasattr(signal, n)]
    before = {
        number: signal.signal(number, note)
        for number in watched
        if callable(signal.getsignal(number))  # neither ignored nor left to the system
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if problem.stopped_by is not None:
        signal.raise_signal(problem.stopped_by)
