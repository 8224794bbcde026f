"""Compile a Pyomo model once, then solve it by bounds with Ipopt, as often as needed.

A :class:`CompiledModel` is the NL file of a model opened by PyNumero's ASL library. A solve gives
it four bound arrays and a start; variables with equal bounds and rows that are switched off are
removed by index masks before Ipopt sees the problem, so one compiled model serves every topology,
load level and objective.

One process, one solver: neither the ASL handle nor MUMPS is thread-safe.
"""

from __future__ import annotations

import signal
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.errors import SolverUnavailableError
from hybridopt.solvers.install import asl_library

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray
    from pyomo.environ import ConcreteModel

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

# Asking Ipopt for others prints its manual.
LINEAR_SOLVERS = ("ma27", "ma57", "ma77", "ma86", "ma97", "mumps", "pardiso", "spral")
MEND = "make setup (or, in this environment: python -m hybridopt.solvers.install)"

# Ipopt widens bounds by 1e-8: bringing a voltage back into its own moves the power of a short line
# by 1e-4 pu, and the optimum of a large network would be refused.
WITHIN = {"bound_relax_factor": 1e-10, "constr_viol_tol": 1e-6}


class Status(StrEnum):
    """What a solve came to. "optimal" from Ipopt means locally optimal."""

    OPTIMAL = "optimal"
    ACCEPTABLE = "acceptable"
    INFEASIBLE = "infeasible"
    FAILED = "failed"


IPOPT_STATUS: dict[int, tuple[Status, str]] = {
    0: (Status.OPTIMAL, "Solve_Succeeded"),
    1: (Status.ACCEPTABLE, "Solved_To_Acceptable_Level"),
    2: (Status.INFEASIBLE, "Infeasible_Problem_Detected"),
    3: (Status.FAILED, "Search_Direction_Becomes_Too_Small"),
    4: (Status.FAILED, "Diverging_Iterates"),
    5: (Status.FAILED, "User_Requested_Stop"),
    6: (Status.OPTIMAL, "Feasible_Point_Found"),
    -1: (Status.FAILED, "Maximum_Iterations_Exceeded"),
    -2: (Status.FAILED, "Restoration_Failed"),
    -3: (Status.FAILED, "Error_In_Step_Computation"),
    -4: (Status.FAILED, "Maximum_CpuTime_Exceeded"),
    -5: (Status.FAILED, "Maximum_WallTime_Exceeded"),
    -10: (Status.INFEASIBLE, "Not_Enough_Degrees_Of_Freedom"),
    -11: (Status.FAILED, "Invalid_Problem_Definition"),
    -12: (Status.FAILED, "Invalid_Option"),
    -13: (Status.FAILED, "Invalid_Number_Detected"),
    -100: (Status.FAILED, "Unrecoverable_Exception"),
    -101: (Status.FAILED, "NonIpopt_Exception_Thrown"),
    -102: (Status.FAILED, "Insufficient_Memory"),
    -199: (Status.FAILED, "Internal_Error"),
}


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


@dataclass(frozen=True)
class Solution:
    """A point and what it is worth.

    Attributes
    ----------
    status : decided by Ipopt's word and our own residual check
    message : Ipopt's name of its return code
    x : (n_x,) all variables, removed ones included
    objective : value of the goal
    row_multiplier : (n_row,) minus the derivative of the goal by the row's bound; 0 for removed
        rows
    x_multiplier : (n_x,) multiplier of the upper minus that of the lower bound
    violation : largest violation of a row (relative to its bound where that exceeds 1)
    iterations, solve_s : Ipopt's iterations and wall time in seconds
    """

    status: Status
    message: str
    x: Floats
    objective: float
    row_multiplier: Floats
    x_multiplier: Floats
    violation: float
    iterations: int
    solve_s: float

    @property
    def ok(self) -> bool:
        """Whether the point may be used."""
        return self.status in (Status.OPTIMAL, Status.ACCEPTABLE)


@dataclass
class Counter:
    """Work done by a process: number of solves, iterations, seconds."""

    solves: int = 0
    iterations: int = 0
    compile_s: float = 0.0
    solve_s: float = 0.0


@dataclass
class _Problem:
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
        self.x[self.free] = x
        return float(self.asl.eval_f(self.x))

    def gradient(self, x: Floats) -> Floats:
        self.x[self.free] = x
        self.asl.eval_deriv_f(self.x, self.grad)
        return self.grad[self.free]

    def constraints(self, x: Floats) -> Floats:
        self.x[self.free] = x
        self.asl.eval_g(self.x, self.g)
        return self.g[self.rows]

    def jacobianstructure(self) -> tuple[Ints, Ints]:
        return self.jac[1], self.jac[2]

    def jacobian(self, x: Floats) -> Floats:
        self.x[self.free] = x
        self.asl.eval_jac_g(self.x, self.jac_values)
        return self.jac_values[self.jac[0]]

    def hessianstructure(self) -> tuple[Ints, Ints]:
        return self.hess[1], self.hess[2]

    def hessian(self, x: Floats, multiplier: Floats, factor: float) -> Floats:
        self.x[self.free] = x
        self.multiplier[self.rows] = multiplier
        self.asl.eval_hes_lag(self.x, self.multiplier, self.hess_values, factor)
        return self.hess_values[self.hess[0]]

    def intermediate(self, _mode: int, iteration: int, *_: Any) -> bool:
        self.iterations = iteration
        return self.stopped_by is None


@contextmanager
def _signals_wait(problem: _Problem) -> Iterator[None]:
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


class CompiledModel:
    """A Pyomo model exported once; :meth:`solve` takes bounds and a start.

    Parameters
    ----------
    model : ConcreteModel
        One objective to minimise. Rows left out of the objective and constraints are dropped.

    Raises
    ------
    SolverUnavailableError
        When cyipopt or the ASL library is missing.
    """

    def __init__(self, model: ConcreteModel) -> None:
        began = time.perf_counter()
        self._asl, self._column, self._row = _export(model)
        self.n_x, self.n_row = self._asl.get_n_vars(), self._asl.get_n_constraints()
        x_min, x_max = np.empty(self.n_x), np.empty(self.n_x)
        row_min, row_max = np.empty(self.n_row), np.empty(self.n_row)
        self._asl.get_x_lower_bounds(x_min)
        self._asl.get_x_upper_bounds(x_max)
        self._asl.get_g_lower_bounds(row_min)
        self._asl.get_g_upper_bounds(row_max)
        start = np.empty(self.n_x)
        self._asl.get_init_x(start)
        rows_on = np.ones(self.n_row, dtype=bool)
        self._bounds = Bounds(x_min, x_max, start, row_min, row_max, rows_on)
        jac = np.empty((2, self._asl.get_nnz_jac_g()), dtype=np.intc)
        self._asl.struct_jac_g(jac[0], jac[1])
        hess = np.empty((2, self._asl.get_nnz_hessian_lag()), dtype=np.intc)
        self._asl.struct_hes_lag(hess[0], hess[1])
        self._jac, self._hess = jac - 1, hess - 1  # the ASL library counts from 1
        self.compile_s = time.perf_counter() - began

    def bounds(self) -> Bounds:
        """Return the model's own bounds, to be changed."""
        return self._bounds.copy()

    def columns(self, component: Any, *shape: int) -> Ints:
        """Positions of a variable's entries, in index order; -1 for entries that dropped out."""
        return self._positions(self._column, component, shape)

    def rows(self, component: Any, *shape: int) -> Ints:
        """Positions of a constraint's entries, as :meth:`columns`; skipped entries are -1."""
        return self._positions(self._row, component, shape)

    @staticmethod
    def _positions(where: Mapping[int, int], component: Any, shape: tuple[int, ...]) -> Ints:
        if not shape:
            return np.array([where.get(id(component), -1)], dtype=np.int64)
        found = np.full(shape, -1, dtype=np.int64)
        for index in component:
            found[index] = where.get(id(component[index]), -1)
        return found

    def evaluate_rows(self, x: Floats) -> Floats:
        """Left-hand sides at a point."""
        g = np.empty(self.n_row)
        self._asl.eval_g(x, g)
        return g

    def solve(
        self, bounds: Bounds, options: Mapping[str, Any], *, feasible: float = 2e-6
    ) -> Solution:
        """Solve the problem that the bounds describe.

        Parameters
        ----------
        bounds : variables with equal bounds and rows with ``row_on`` False are removed
        options : Ipopt options by name
        feasible : largest violation with which a point is accepted

        Returns
        -------
        Solution
            A failed solve is a value (status FAILED or INFEASIBLE), not an exception.
        """
        problem, cy = self._reduce(bounds)
        began = time.perf_counter()
        free, rows = problem.free, problem.rows
        if free.size == 0:
            x_free: Floats = np.empty(0)
            info: dict[str, Any] = {"status": 0, "mult_g": np.zeros(rows.size)}
        else:
            for name, value in (WITHIN | dict(options)).items():
                cy.add_option(name, value)
            start = np.clip(bounds.x_start[free], bounds.x_min[free], bounds.x_max[free])
            with _signals_wait(problem):
                x_free, info = cy.solve(start)
        solve_s = time.perf_counter() - began
        x = problem.x
        x[free] = np.clip(x_free, bounds.x_min[free], bounds.x_max[free])
        status, message = IPOPT_STATUS.get(info["status"], (Status.FAILED, "unknown"))
        violation = self._violation(x, bounds)
        if status in (Status.OPTIMAL, Status.ACCEPTABLE) and not violation <= feasible:
            status, message = Status.FAILED, f"{message}, but violated by {violation:.1e}"
        row_multiplier, x_multiplier = np.zeros(self.n_row), np.zeros(self.n_x)
        if free.size:
            row_multiplier[rows] = info["mult_g"]
            x_multiplier[free] = info["mult_x_U"] - info["mult_x_L"]
        return Solution(
            status=status,
            message=message,
            x=x,
            objective=float(self._asl.eval_f(x)),
            row_multiplier=row_multiplier,
            x_multiplier=x_multiplier,
            violation=violation,
            iterations=problem.iterations,
            solve_s=solve_s,
        )

    def _violation(self, x: Floats, bounds: Bounds) -> float:
        """Largest violation of a row, relative to its bound where that exceeds 1."""
        on = bounds.row_on
        if not on.any():
            return 0.0
        g, low, high = self.evaluate_rows(x)[on], bounds.row_min[on], bounds.row_max[on]
        size = np.maximum(1.0, np.where(g > high, abs(high), abs(low)))
        return float(np.max(np.maximum(low - g, g - high) / size, initial=0.0))

    def _reduce(self, bounds: Bounds) -> tuple[_Problem, Any]:
        """Strike fixed variables and switched-off rows."""
        import cyipopt

        is_free = bounds.x_min < bounds.x_max
        free, rows = np.flatnonzero(is_free), np.flatnonzero(bounds.row_on)
        new_column, new_row = np.cumsum(is_free) - 1, np.cumsum(bounds.row_on) - 1
        r, c = self._jac
        jac = np.flatnonzero(bounds.row_on[r] & is_free[c])
        hr, hc = self._hess
        hess = np.flatnonzero(is_free[hr] & is_free[hc])
        low, high = np.minimum(hr[hess], hc[hess]), np.maximum(hr[hess], hc[hess])
        x = bounds.x_start.copy()
        x[~is_free] = bounds.x_min[~is_free]
        problem = _Problem(
            asl=self._asl,
            x=x,
            free=free,
            rows=rows,
            jac=(jac, new_row[r[jac]], new_column[c[jac]]),
            hess=(hess, new_column[high], new_column[low]),
            g=np.empty(self.n_row),
            grad=np.empty(self.n_x),
            jac_values=np.empty(self._jac.shape[1]),
            hess_values=np.empty(self._hess.shape[1]),
            multiplier=np.zeros(self.n_row),
        )
        if not free.size:
            return problem, None  # cyipopt refuses a problem without variables
        cy = cyipopt.Problem(
            n=free.size,
            m=rows.size,
            problem_obj=problem,
            lb=bounds.x_min[free],
            ub=bounds.x_max[free],
            cl=bounds.row_min[rows],
            cu=bounds.row_max[rows],
        )
        return problem, cy


def require_solver() -> None:
    """Check that cyipopt and the ASL library are there, and tell PyNumero where.

    Raises
    ------
    SolverUnavailableError
        The message says the command that mends it.
    """
    try:
        import cyipopt  # noqa: F401
    except ImportError as error:
        raise SolverUnavailableError(f"cyipopt ({error})", MEND) from error
    from pyomo.contrib.pynumero.asl import AmplInterface

    library = asl_library()
    if library.exists():
        AmplInterface.libname = str(library)
    if not AmplInterface.available():
        raise SolverUnavailableError("PyNumero's ASL library", MEND)


def ipopt_version() -> str | None:
    """Version of the Ipopt in use; None without cyipopt."""
    try:
        import cyipopt
    except ImportError:
        return None
    return ".".join(str(number) for number in cyipopt.IPOPT_VERSION)


class _Parabola:
    """Minimise x squared: the least that a linear solver can be tried on."""

    def objective(self, x: Floats) -> float:
        return float(x[0] ** 2)

    def gradient(self, x: Floats) -> Floats:
        return 2 * x

    def constraints(self, _x: Floats) -> Floats:
        return np.empty(0)

    def jacobian(self, _x: Floats) -> Floats:
        return np.empty(0)

    def hessianstructure(self) -> tuple[Ints, Ints]:
        return np.zeros(1, dtype=np.int64), np.zeros(1, dtype=np.int64)

    def hessian(self, _x: Floats, _multiplier: Floats, factor: float) -> Floats:
        return np.array([2.0 * factor])


def has_linear_solver(name: str) -> bool:
    """Whether the installed Ipopt can use a linear solver; tried on a problem of one variable."""
    if name not in LINEAR_SOLVERS:
        return False
    import cyipopt

    cy = cyipopt.Problem(n=1, m=0, problem_obj=_Parabola(), lb=[-1.0], ub=[1.0], cl=[], cu=[])
    try:
        for option, value in {"print_level": 0, "sb": "yes", "linear_solver": name}.items():
            cy.add_option(option, value)
    except TypeError:  # cyipopt's word for an option that Ipopt refuses
        return False
    return int(cy.solve(np.array([0.5]))[1]["status"]) == 0


def _export(model: ConcreteModel) -> tuple[Any, dict[int, int], dict[int, int]]:
    """Write the model's NL file and open it; positions of variables and rows by id."""
    require_solver()
    from pyomo.contrib.pynumero.asl import AmplInterface
    from pyomo.opt import WriterFactory

    with TemporaryDirectory() as folder:
        file = str(Path(folder) / "model.nl")
        _, symbols = WriterFactory("nl")(
            model, file, lambda _: True, {"skip_trivial_constraints": False}
        )
        asl = AmplInterface(file)
    column: dict[int, int] = {}
    row: dict[int, int] = {}
    for symbol, part in symbols.bySymbol.items():
        if symbol[0] == "v":
            column[id(part)] = int(symbol[1:])
        elif symbol[0] == "c":
            row[id(part)] = int(symbol[1:])
    return asl, column, row
