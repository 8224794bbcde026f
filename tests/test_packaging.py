"""Folders and package map agree, and imports run one way."""

import ast
import importlib
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SETUPTOOLS = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]
FOLDERS = SETUPTOOLS["package-dir"]

# Each module imports from its own layer and from those above it in this list. The built-in
# cases are data, so they come first: the reader of case files looks them up.
LAYERS = [
    ["errors", "interrupt", "objective_list", "cases", "cases.*"],
    [
        "grid",
        "grid_*",
        "linear",
        "feeder",
        "fragility",
        "tail_risk",
        "case",
        "case_*",
        "investment",
        "matpower",
        "matpower_*",
        "result",
        "result_*",
        "plan_file",
        "study_file",
        "progress",
        "unit_*",
    ],
    ["models", "models.*", "solvers", "solvers.*"],
    [
        "compiled",
        "starts",
        "idle",
        "hours",
        "settings",
        "levels",
        "points",
        "piece_days",
        "pieces",
        "linked",
        "infeasible",
        "ratings",
        "dispatch",
        "stages",
    ],
    ["pair_exchange", "smooth_dispatch", "schedule_search"],
    [
        "plan_genes",
        "plan_space",
        "moves",
        "seeding",
        "neighbourhood",
        "evaluate",
        "value_store",
        "bounds",
        "reasons",
        "elements",
        "doctor",
    ],
    ["feeder_goal", "feeder_trees", "feeder_result"],
    [
        "reliability",
        "reliability_model",
        "reliability_faults",
        "reliability_islands",
        "reliability_result",
        "reliability_files",
        "reliability_build",
    ],
    ["network", "network_*", "export", "verify"],
    [
        "feeder_profiles",
        "feeder_dispatch",
        "feeder_limits",
        "loss_reduction",
        "tree_*",
        "classic_search",
        "supply",
        "repair_*",
        "allocation",
        "allocation_goal",
        "allocation_profiles",
        "allocation_search",
        "allocation_pareto",
        "allocation_outages",
        "allocation_dispatch",
        "event_*",
        "siting_formula",
        "siting_value",
        "siting_search",
    ],
    ["dg_search"],
    [
        "checkpoint",
        "plan_search",
        "bound_*",
        "plan_bound",
        "plan_choice",
        "plan_archive",
        "plan_front",
        "plan_front_points",
        "study",
        "single_dispatch",
        "economic_dispatch",
        "economic_input",
        "resilience",
        "worst",
        "sample",
        "restore",
        "reconfigure",
        "reconfigure_case",
        "allocate",
        "siting",
    ],
    [
        "",
        "output",
        "output_*",
        "economic_output",
        "tables",
        "tables_*",
        "runs",
        "populations",
        "report",
        "report_*",
        "plots",
        "feeder_*",
        "siting_*",
        "reliability_output",
        "restore_*",
        "worst_output",
        "sample_output",
        "events_report",
        "events_pictures",
        "plan_front_output",
        "plan_front_report",
        "study_groups",
        "study_pictures",
        "study_report",
        "study_rows",
        "sweep",
        "sweep_output",
        "compare",
        "allocation_*",
        "cli",
        "cli_*",
        "__main__",
    ],
]
APART = ("models", "solvers", "cases")
ONLY_IN = {
    "pandapower": ["network", "network_*", "verify", "plots", "export"],
    "simbench": ["network", "network_*"],
    "deap": [
        "solvers.dice",
        "solvers.genetic",
        "solvers.generational",
        "solvers.nsga2",
        "solvers.permutations",
    ],
    "distributed": ["solvers.dask_workers"],
    "highspy": ["solvers.milp"],
    "cyipopt": ["solvers.ipopt", "solvers.available"],
}


def modules() -> dict[str, Path]:
    """Every module of ours by its name below hybridopt; the package itself is ''."""
    found = {}
    for package, folder in FOLDERS.items():
        for file in (ROOT / folder).glob("*.py"):
            name = package if file.stem == "__init__" else f"{package}.{file.stem}"
            found[name.removeprefix("hybridopt").removeprefix(".")] = file
    return found


def imported(file: Path) -> Iterator[str]:
    """Full names of everything a file imports, inside functions too."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer(module: str) -> int | None:
    """Position of a module in LAYERS, None for a module that has no place yet."""
    for i, patterns in enumerate(LAYERS):
        if any(fnmatch(module, pattern) for pattern in patterns):
            return i
    return None


def ours(name: str) -> str | None:
    """Return the module of ours that an imported name belongs to, None for others."""
    top, _, below = name.partition(".")
    if top != "hybridopt":
        return None
    while below and below not in modules():
        below = below.rpartition(".")[0]
    return below


def violation(module: str, name: str) -> str | None:
    """Say what is wrong with `module` importing `name`, None when nothing is."""
    target = ours(name)
    if target is None:
        rooms = ONLY_IN.get(name.partition(".")[0])
        if rooms and not any(fnmatch(module, room) for room in rooms):
            return f"{module} imports {name}, which belongs in {rooms}"
        return None
    here, there = layer(module), layer(target)
    if here is None or there is None:
        return f"{module or target} has no place in LAYERS"
    folder, other = module.partition(".")[0], target.partition(".")[0]
    if folder in APART and other in APART and folder != other:
        return f"{module} imports {target}: these folders stay apart"
    if there > here:
        return f"{module} imports {target}, which is built on top of it"
    return None


def test_every_package_has_its_folder() -> None:
    assert set(SETUPTOOLS["packages"]) == set(FOLDERS)
    for package, folder in FOLDERS.items():
        assert (ROOT / folder / "__init__.py").is_file(), package


def test_every_folder_with_code_is_packaged() -> None:
    with_code = {
        file.parent.relative_to(ROOT).as_posix()
        for folder in FOLDERS.values()
        for file in (ROOT / folder).rglob("*.py")
    }
    assert with_code == set(FOLDERS.values())


def test_every_file_of_a_case_is_packaged() -> None:
    patterns = SETUPTOOLS["package-data"]["hybridopt.cases"]
    cases = ROOT / FOLDERS["hybridopt.cases"]
    data = [f for f in cases.rglob("*") if f.is_file() and f.suffix not in {".py", ".pyc"}]
    left_out = [f for f in data if not any(f.match(f"cases/{p}") for p in patterns)]
    assert left_out == []


@pytest.mark.parametrize("package", sorted(FOLDERS))
def test_imports_come_from_this_checkout(package: str) -> None:
    module = importlib.import_module(package)
    assert module.__file__
    assert Path(module.__file__).samefile(ROOT / FOLDERS[package] / "__init__.py")


@pytest.mark.parametrize("module", sorted(modules()))
def test_imports_run_one_way(module: str) -> None:
    assert layer(module) is not None, f"give {module} a place in LAYERS"
    wrong = {violation(module, name) for name in imported(modules()[module])} - {None}
    assert wrong == set()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("models.dispatch", "hybridopt.solvers.install"),
        ("solvers.install", "hybridopt.cases"),
        ("errors", "hybridopt.grid"),
        ("grid", "hybridopt.network"),
        ("models.dispatch", "pandapower"),
        ("study", "deap.tools"),
        ("grid", "hybridopt.__version__"),
    ],
)
def test_wrong_imports_are_noticed(module: str, name: str) -> None:
    assert violation(module, name)
