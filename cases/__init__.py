"""Built-in cases: one folder each, with its tables and the source of its numbers.

A leaf of the package: it imports nothing of it, so that reading a case may ask it for a name.
"""

from pathlib import Path

_FOLDER = Path(__file__).parent


def builtin_cases() -> dict[str, Path]:
    """Give the TOML file of every built-in case, by its name."""
    return {path.parent.name: path for path in sorted(_FOLDER.glob("*/case.toml"))}


def case_file(name: str) -> Path:
    """Give the TOML file of the built-in case `name`.

    Raises
    ------
    KeyError
        No built-in case has this name.
    """
    return builtin_cases()[name]


def unit_files() -> dict[str, Path]:
    """Give the built-in tables of units, demands and losses for economic dispatch, by name."""
    return {path.stem: path for path in sorted(_FOLDER.glob("ed/*.csv"))}


def feeder_files() -> dict[str, Path]:
    """Give the built-in feeders by name, each as the common prefix of its two CSV files."""
    files = sorted(_FOLDER.glob("feeders/*_buses.csv"))
    names = [path.name.removesuffix("_buses.csv") for path in files]
    return {name: path.with_name(name) for name, path in zip(names, files, strict=True)}


def reliability_files() -> dict[str, Path]:
    """Give the built-in systems for reliability by name, each as the prefix of its two tables."""
    files = sorted(_FOLDER.glob("reliability/*_failures.csv"))
    names = [path.name.removesuffix("_failures.csv") for path in files]
    return {name: path.with_name(name) for name, path in zip(names, files, strict=True)}


def template() -> str:
    """Give a commented case file to start from (TOML)."""
    return (_FOLDER / "template.toml").read_text(encoding="utf-8")
