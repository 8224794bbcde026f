"""Restore damaged power grids: a genetic algorithm picks the plan, an NLP dispatches it."""

from pathlib import Path

# In a checkout this folder shadows the installed package, so models, solvers and cases
# are found in the repository root beside it.
_root = Path(__file__).parents[1]
if (_root / "pyproject.toml").is_file():
    __path__.append(str(_root))

__version__ = "0.1.0"
