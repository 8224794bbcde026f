"""Which solvers are installed: cyipopt, Ipopt's linear solvers, PyNumero's ASL library."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybridopt.errors import SolverUnavailableError
from hybridopt.solvers.install import asl_library

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

# Asking Ipopt for others prints its manual.
LINEAR_SOLVERS = ("ma27", "ma57", "ma77", "ma86", "ma97", "mumps", "pardiso", "spral")
MEND = "make setup (or, in this environment: python -m hybridopt.solvers.install)"


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
