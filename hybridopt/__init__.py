"""Restore damaged power grids: a genetic algorithm picks the plan, an NLP dispatches it.

>>> from hybridopt import load_case, run_study, write_results  # doctest: +SKIP
>>> study = run_study(load_case("ieee9"), seed=0)  # doctest: +SKIP
>>> study.dispatch.units_frame()  # doctest: +SKIP
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

# In a checkout this folder shadows the installed package, so models, solvers and cases
# are found in the repository root beside it.
_root = Path(__file__).parents[1]
if (_root / "pyproject.toml").is_file():
    __path__.append(str(_root))

__version__ = "0.1.0"

if TYPE_CHECKING:
    from hybridopt.case import Case as Case
    from hybridopt.case import read_case as read_case
    from hybridopt.economic_dispatch import EconomicDispatch as EconomicDispatch
    from hybridopt.economic_dispatch import dispatch_units as dispatch_units
    from hybridopt.errors import HybridoptError as HybridoptError
    from hybridopt.errors import InputError as InputError
    from hybridopt.errors import NoSolutionError as NoSolutionError
    from hybridopt.errors import SolverUnavailableError as SolverUnavailableError
    from hybridopt.network_scenario import Scenario as Scenario
    from hybridopt.network_scenario import load_case as load_case
    from hybridopt.output import write_results as write_results
    from hybridopt.plan_front import run_pareto as run_pareto
    from hybridopt.study import StudyResult as StudyResult
    from hybridopt.study import check_case as check_case
    from hybridopt.study import run_study as run_study
    from hybridopt.unit_files import read_units as read_units

# What a user calls, and the module that has it. Loaded when first asked for: importing hybridopt
# must not need a solver, nor take the two seconds that pandapower and Pyomo take.
_PUBLIC = {
    "Case": "case",
    "read_case": "case",
    "EconomicDispatch": "economic_dispatch",
    "dispatch_units": "economic_dispatch",
    "HybridoptError": "errors",
    "InputError": "errors",
    "NoSolutionError": "errors",
    "SolverUnavailableError": "errors",
    "Scenario": "network_scenario",
    "load_case": "network_scenario",
    "write_results": "output",
    "run_pareto": "plan_front",
    "StudyResult": "study",
    "check_case": "study",
    "run_study": "study",
    "read_units": "unit_files",
}
__all__ = ["__version__", *sorted(_PUBLIC)]  # noqa: PLE0604


def __getattr__(name: str) -> Any:
    """Load a public name from its module."""
    if name not in _PUBLIC:
        raise AttributeError(f"module 'hybridopt' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"hybridopt.{_PUBLIC[name]}"), name)


def __dir__() -> list[str]:
    """Public names, loaded or not."""
    return sorted({*globals(), *_PUBLIC})
