"""Look at the installation: what is in use, and the command that mends what is not well."""

import ctypes
import importlib
import platform
import re
import shlex
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from packaging.requirements import Requirement
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hybridopt.solvers.install import CONDA_INSTALL, MIN_IPOPT, MIN_PYTHON, asl_library

PACKAGES = {
    "Pyomo": "pyomo",
    "pandapower": "pandapower",
    "DEAP": "deap",
    "numba": "numba",
    "pandas": "pandas",
    "HiGHS": "highspy",
}
BANNER = re.compile(r"This is Ipopt version ([\d.]+),? running with linear solver (.+?)\.?\n")


@dataclass(frozen=True)
class Check:
    """One part of the installation.

    Attributes
    ----------
    name
        The part.
    found
        Its version, or what is wrong with it.
    ok
        Whether it can be used.
    mend
        The command that mends it, empty when all is well.
    """

    name: str
    found: str
    ok: bool
    mend: str = ""


def checks() -> list[Check]:
    """Look at every part, the test solve last; nothing raises.

    Returns
    -------
    list of Check
        In the order in which the parts build on one another.
    """
    solve, banner = _check_solve()
    return [
        _check_python(),
        *(_check_package(name, module) for name, module in PACKAGES.items()),
        _check_cyipopt(),
        _check_ipopt(banner),
        _check_linear_solver(solve, banner),
        _check_asl(),
        solve,
    ]


def doctor() -> int:
    """Print the table of checks.

    Returns
    -------
    int
        0 when all is well, 1 otherwise.
    """
    found = checks()
    table = Table(box=None, pad_edge=False)
    for title in ("", "part", "found"):
        table.add_column(title, overflow="fold")
    for check in found:
        mark = Text("ok", "green") if check.ok else Text("bad", "bold red")
        table.add_row(mark, check.name, Text(check.found))
    console = Console()
    console.print(table)
    # One command may mend several parts; it is printed bare, ready to be copied.
    commands = dict.fromkeys(check.mend for check in found if check.mend)
    if commands:
        console.print("\nTo mend it:")
        for command in commands:
            console.print(Text("  " + command), soft_wrap=True)
    return 0 if all(check.ok for check in found) else 1


def _check_python() -> Check:
    found = f"{platform.python_version()} ({sys.executable})"
    if sys.version_info >= MIN_PYTHON:
        return Check("Python", found, ok=True)
    return Check("Python", found, ok=False, mend="make PYTHON=python3.11 setup")


def _check_package(name: str, module: str) -> Check:
    """Import a package and hold its version to what hybridopt asks for."""
    requirement = _requirement(module)
    mend = _python("-m", "pip", "install", str(requirement))
    try:
        importlib.import_module(module)
        found = version(module)
    except Exception as error:  # noqa: BLE001 (a package can fail to load in any way)
        return Check(name, _reason(error), ok=False, mend=mend)
    if not requirement.specifier.contains(found, prereleases=True):
        return Check(name, f"{found}, but {requirement} is needed", ok=False, mend=mend)
    return Check(name, found, ok=True)


def _check_cyipopt() -> Check:
    try:
        importlib.import_module("cyipopt")
        return Check("cyipopt", version("cyipopt"), ok=True)
    except Exception as error:  # noqa: BLE001
        return Check("cyipopt", _reason(error), ok=False, mend=_mend_libraries())


def _check_ipopt(banner: re.Match[str] | None) -> Check:
    """Judge Ipopt by what it says of itself when it runs, else by what cyipopt was built for."""
    try:
        built_for = importlib.import_module("cyipopt").IPOPT_VERSION
    except Exception:  # noqa: BLE001
        return Check("Ipopt", "unknown without cyipopt", ok=False, mend=_mend_libraries())
    found = banner[1] if banner else ".".join(map(str, built_for))
    if tuple(map(int, found.split("."))) >= MIN_IPOPT:
        return Check("Ipopt", found, ok=True)
    needed = ".".join(map(str, MIN_IPOPT))
    return Check("Ipopt", f"{found}, but {needed} is needed", ok=False, mend=_mend_libraries())


def _check_linear_solver(solve: Check, banner: re.Match[str] | None) -> Check:
    found = banner[2] if banner else "unknown, Ipopt did not say"
    return Check("linear solver", found, solve.ok, solve.mend)


def _check_asl() -> Check:
    name = "ASL library"
    library = _find_asl()
    if library is None:
        return Check(name, f"missing: {asl_library()}", ok=False, mend=_mend_libraries())
    try:
        ctypes.CDLL(library)
    except OSError as error:
        return Check(name, _reason(error), ok=False, mend=_mend_libraries("--force"))
    return Check(name, library, ok=True)


def _find_asl() -> str | None:
    """Return the library that a solve would load: ours, or one that Pyomo finds itself."""
    if asl_library().exists():
        return str(asl_library())
    try:
        from pyomo.common.fileutils import find_library
    except ImportError:
        return None
    found = find_library("pynumero_ASL")
    return found and str(found)


def _check_solve() -> tuple[Check, re.Match[str] | None]:
    """Solve the smallest of problems the way every study does; return Ipopt's banner too."""
    name = "test solve"
    try:
        x, banner = _solve_small_problem()
    except Exception as error:  # noqa: BLE001
        return Check(name, _reason(error), ok=False, mend=_mend_libraries()), None
    if abs(x - 2.0) > 1e-6:
        return Check(name, f"x = {x} instead of 2", False, _mend_libraries("--force")), banner
    return Check(name, "Pyomo, PyNumero and Ipopt agree", ok=True), banner


def _solve_small_problem() -> tuple[float, re.Match[str] | None]:
    """Minimise (x - 1)^2 with x^2 = 4 from x = 1, whose answer is 2."""
    import pyomo.environ as pyo

    from hybridopt.solvers.available import require_solver

    require_solver()
    model = pyo.ConcreteModel()
    model.x = pyo.Var(initialize=1.0)
    model.cost = pyo.Objective(expr=(model.x - 1) ** 2)
    model.balance = pyo.Constraint(expr=model.x**2 == 4)
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "ipopt.log"
        options = {"print_level": 0, "output_file": str(log), "file_print_level": 5}
        pyo.SolverFactory("cyipopt").solve(model, options=options)
        banner = BANNER.search(log.read_text())
    return float(pyo.value(model.x)), banner


def _requirement(module: str) -> Requirement:
    """Return what hybridopt's own metadata asks of a package."""
    try:
        listed = [Requirement(line) for line in requires("hybridopt") or []]
    except PackageNotFoundError:
        listed = []
    return next((r for r in listed if r.name == module), Requirement(module))


def _mend_libraries(*options: str) -> str:
    if (Path(sys.prefix) / "conda-meta").is_dir():
        return CONDA_INSTALL
    return _python("-m", "hybridopt.solvers.install", *options)


def _python(*arguments: str) -> str:
    return shlex.join([sys.executable, *arguments])


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
