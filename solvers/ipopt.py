"""Compile a Pyomo model once, then solve it by bounds with Ipopt, as often as needed.

A :class:`CompiledModel` is the NL file of a model opened by PyNumero's ASL library. A solve gives
it four bound arrays and a start; variables with equal bounds and rows that are switched off are
removed by index masks before Ipopt sees the problem, so one compiled model serves every topology,
load level and objective.

One process, one solver: neither the ASL handle nor MUMPS is thread-safe.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.solvers.available import require_solver
from hybridopt.solvers.reduced import Bounds, Reduced, signals_wait
from hybridopt.solvers.status import Status, status_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from pyomo.environ import ConcreteModel

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

# Ipopt widens bounds by 1e-8: bringing a voltage back into its own moves the power of a short line
# by 1e-4 pu, and the optimum of a large network would be refused.
WITHIN = {"bound_relax_factor": 1e-10, "constr_viol_tol": 1e-6}
# Where rounding keeps Ipopt from its own tolerance (multipliers times the admittance of a short
# line), a point is optimal if its conditions hold to this, relative to the terms they are made of.
OPTIMAL_WITHIN = 1e-8


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
            with signals_wait(problem):
                x_free, info = cy.solve(start)
        solve_s = time.perf_counter() - began
        x = problem.x
        x[free] = np.clip(x_free, bounds.x_min[free], bounds.x_max[free])
        violation = self._violation(x, bounds)
        if not violation <= feasible:  # a bound missed by 1e-10 may be better than a balance missed
            x[free] = x_free
            violation = self._violation(x, bounds)
        status, message = status_of(info["status"])
        row_multiplier, x_multiplier = np.zeros(self.n_row), np.zeros(self.n_x)
        if free.size:
            row_multiplier[rows] = info["mult_g"]
            x_multiplier[free] = info["mult_x_U"] - info["mult_x_L"]
        if status in (Status.OPTIMAL, Status.ACCEPTABLE) and not violation <= feasible:
            status, message = Status.FAILED, f"{message}, but violated by {violation:.1e}"
        if status is Status.ACCEPTABLE:
            missed = self.optimality(bounds, x, row_multiplier, x_multiplier)
            if missed <= OPTIMAL_WITHIN:
                status = Status.OPTIMAL
                message += f", optimality conditions met to {missed:.0e}"
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

    def optimality(
        self, bounds: Bounds, x: Floats, row_multiplier: Floats, x_multiplier: Floats
    ) -> float:
        """How far a point is from the conditions of Karush, Kuhn and Tucker; 0 at an optimum.

        The larger of two: stationarity, each entry relative to the sum of its terms' sizes and the
        largest entry of the goal's gradient; complementarity, relative to the goal.

        Parameters
        ----------
        x, x_multiplier : (n_x,);  row_multiplier : (n_row,), as in :class:`Solution`
        """
        gradient, values = np.empty(self.n_x), np.empty(self._jac.shape[1])
        self._asl.eval_deriv_f(x, gradient)
        self._asl.eval_jac_g(x, values)
        row, column = self._jac
        pull = values * row_multiplier[row]
        left = gradient + x_multiplier + np.bincount(column, pull, self.n_x)
        size = abs(gradient) + abs(x_multiplier) + np.bincount(column, abs(pull), self.n_x)
        free = bounds.x_min < bounds.x_max
        floor = float(np.max(abs(gradient[free]), initial=0.0)) + 1e-300
        stationarity = float(np.max(abs(left[free]) / (size[free] + floor), initial=0.0))
        on, g = bounds.row_on, self.evaluate_rows(x)
        products = [
            _products(row_multiplier[on], g[on], bounds.row_min[on], bounds.row_max[on]),
            _products(x_multiplier[free], x[free], bounds.x_min[free], bounds.x_max[free]),
        ]
        goal = max(1.0, abs(float(self._asl.eval_f(x))))
        return max(stationarity, float(np.max(np.concatenate(products), initial=0.0)) / goal)

    def _violation(self, x: Floats, bounds: Bounds) -> float:
        """Largest violation of a row, relative to its bound where that exceeds 1."""
        on = bounds.row_on
        if not on.any():
            return 0.0
        g, low, high = self.evaluate_rows(x)[on], bounds.row_min[on], bounds.row_max[on]
        size = np.maximum(1.0, np.where(g > high, abs(high), abs(low)))
        return float(np.max(np.maximum(low - g, g - high) / size, initial=0.0))

    def _reduce(self, bounds: Bounds) -> tuple[Reduced, Any]:
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
        problem = Reduced(
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


def _products(multiplier: Floats, value: Floats, low: Floats, high: Floats) -> Floats:
    """Multiplier times the room to the bound that it belongs to."""
    room = np.where(multiplier > 0, high - value, value - low)
    return np.where(multiplier != 0, abs(multiplier * np.where(multiplier != 0, room, 0.0)), 0.0)


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
