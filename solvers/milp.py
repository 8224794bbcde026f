"""Mixed-integer linear programs by HiGHS (Huangfu, Hall 2018)."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.errors import HybridoptError, SolverUnavailableError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.linear import LinearProgram, Rows

    Floats = NDArray[np.float64]

FEASIBILITY = 1e-9  # of rows and columns, absolute; HiGHS takes no less than 1e-10


@dataclass(frozen=True)
class MilpResult:
    """What is known after a solve.

    Attributes
    ----------
    bound : no feasible point has a smaller objective; -inf when nothing is known, inf when none
        is feasible
    value : objective of ``x``; inf without a point
    x : (n_column,), None without a point
    """

    bound: float
    value: float
    x: Floats | None

    @property
    def gap(self) -> float:
        """Relative difference of the value and the bound."""
        if not np.isfinite(self.value):
            return float("inf")
        return max(self.value - self.bound, 0.0) / max(abs(self.value), 1e-9)


class Milp:
    """A program in HiGHS that takes more rows, and starts from its last solution.

    Parameters
    ----------
    relaxed : integer columns may be fractions
    """

    def __init__(self, program: LinearProgram, *, relaxed: bool = False) -> None:
        try:
            import highspy
        except ImportError as error:
            mend = "python -m pip install highspy"
            raise SolverUnavailableError(f"HiGHS ({error})", mend) from error

        class Silent(highspy.Highs):
            """Without the callbacks, whose set-up prints a banner on stdout."""

            def enableCallbacks(self) -> None:  # noqa: N802 (HiGHS' name)
                pass

        self.program, self.n_column = program, program.n_column
        self.relaxed = relaxed or not program.whole.any()
        self.highs: Any = Silent()  # type: ignore[no-untyped-call]
        self._inf = highspy.kHighsInf
        self._status = highspy.HighsModelStatus
        options = {
            "output_flag": False,
            "threads": 1,
            "random_seed": 0,
            "primal_feasibility_tolerance": FEASIBILITY,
            "dual_feasibility_tolerance": FEASIBILITY,
            "mip_feasibility_tolerance": FEASIBILITY,
        }
        for name, value in options.items():
            self.highs.setOptionValue(name, value)
        matrix, lower, upper = program.stacked()
        model = highspy.HighsLp()
        model.num_col_, model.num_row_ = matrix.shape[1], matrix.shape[0]
        model.col_cost_, model.offset_ = program.cost, program.constant
        model.col_lower_, model.col_upper_ = (
            self._finite(program.lower),
            self._finite(program.upper),
        )
        model.row_lower_, model.row_upper_ = self._finite(lower), self._finite(upper)
        model.a_matrix_.format_ = highspy.MatrixFormat.kRowwise
        model.a_matrix_.start_ = matrix.indptr
        model.a_matrix_.index_ = matrix.indices
        model.a_matrix_.value_ = matrix.data
        if not self.relaxed:
            kinds = (highspy.HighsVarType.kContinuous, highspy.HighsVarType.kInteger)
            model.integrality_ = [kinds[int(whole)] for whole in program.whole]
        self.highs.passModel(model)

    def _finite(self, value: Floats) -> Floats:
        return np.clip(value, -self._inf, self._inf)

    def add(self, rows: Rows) -> None:
        """Add rows."""
        a = rows.matrix(self.n_column)
        ends = self._finite(rows.lower), self._finite(rows.upper)
        self.highs.addRows(
            len(rows), *ends, a.nnz, a.indptr[:-1].astype(np.int32), a.indices, a.data
        )

    def limit_columns(self, lower: Floats, upper: Floats) -> None:
        """Replace the ranges of all columns."""
        every = np.arange(self.n_column, dtype=np.int32)
        ends = self._finite(lower), self._finite(upper)
        self.highs.changeColsBounds(self.n_column, every, *ends)

    def aim(self, cost: Floats, constant: float = 0.0) -> None:
        """Replace the objective."""
        every = np.arange(self.n_column, dtype=np.int32)
        self.highs.changeColsCost(self.n_column, every, cost)
        self.highs.changeObjectiveOffset(constant)

    def start_at(self, x: Floats) -> None:
        """Begin the next solve with a point; it counts where it is feasible."""
        import highspy

        point = highspy.HighsSolution()
        point.col_value = x.tolist()
        self.highs.setSolution(point)

    def _run(self) -> None:
        """Run HiGHS where Ctrl-C is heard meanwhile: it ends the wait, and the thread with us."""
        if self.relaxed:
            self.highs.run()
            return
        thread = threading.Thread(target=self.highs.run, daemon=True)
        thread.start()
        while thread.is_alive():
            thread.join(0.1)

    def solve(self, time_limit_s: float = np.inf, gap: float = 0.0) -> MilpResult:
        """Solve.

        Parameters
        ----------
        time_limit_s : the bound reached by then is as valid as a later one
        gap : relative difference of value and bound that is small enough
        """
        self.highs.setOptionValue("time_limit", float(min(max(time_limit_s, 0.01), self._inf)))
        self.highs.setOptionValue("mip_rel_gap", gap)
        self._run()
        status, info = self.highs.getModelStatus(), self.highs.getInfo()
        if status in (self._status.kInfeasible, self._status.kUnboundedOrInfeasible):
            return MilpResult(np.inf, np.inf, None)
        optimal = status == self._status.kOptimal
        if not optimal and status not in (self._status.kTimeLimit, self._status.kObjectiveBound):
            if status in (self._status.kUnknown, self._status.kSolveError) and self.relaxed:
                return MilpResult(-np.inf, np.inf, None)
            raise HybridoptError(f"HiGHS: {self.highs.modelStatusToString(status)}")
        has_point = info.primal_solution_status == 2
        x = np.array(self.highs.getSolution().col_value) if has_point else None
        value = float(info.objective_function_value) if has_point else np.inf
        if self.relaxed:
            return MilpResult(value if optimal else -np.inf, value, x)
        bound = float(info.mip_dual_bound)
        return MilpResult(bound if abs(bound) < self._inf else -np.inf, value, x)
