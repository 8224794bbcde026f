"""``hybridopt allocate``: its options, checked together."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hybridopt.cli_reconfigure import name_of
from hybridopt.errors import Finding, InputError, collect

if TYPE_CHECKING:
    from hybridopt.allocate import AllocateOptions
    from hybridopt.allocation_profiles import Profiles
    from hybridopt.case import Case

Network = Annotated[
    str,
    typer.Argument(
        help="Built-in case (lv18), TOML file with \\[allocation], or network (pandapower "
        "built-in, .json, .xlsx, MATPOWER .m, CSV pair) together with --generation and --load.",
        metavar="CASE_OR_NETWORK",
    ),
]
Generation = Annotated[
    Path | None,
    typer.Option(
        "--generation", help="CSV: a row per hour, a column per profile, MW.", metavar="CSV"
    ),
]
Load = Annotated[
    Path | None, typer.Option("--load", help="CSV of the load profiles, the same.", metavar="CSV")
]
Points = Annotated[
    str | None,
    typer.Option("--points", help="Buses of the points; else those with load.", metavar="A,B"),
]
Objective = Annotated[
    str | None,
    typer.Option(
        "--objective",
        help="line_loading (default), losses, grid_energy, voltage_deviation, or a sum: "
        "line_loading+100*losses.",
        metavar="NAME",
    ),
]
Move = Annotated[
    str | None, typer.Option("--move", help="both (default), load or generation.", metavar="WHAT")
]
Method = Annotated[
    str,
    typer.Option(
        "--method", help="memetic (default), or genetic: reference D's own.", metavar="NAME"
    ),
]
Selection = Annotated[
    str | None,
    typer.Option("--selection", help="tournament, best, roulette or proportional.", metavar="NAME"),
]
Population = Annotated[int | None, typer.Option("--population", min=2, help="Allocations.")]
Generations = Annotated[int | None, typer.Option("--generations", min=1, help="At most.")]
MutationRate = Annotated[
    float | None, typer.Option("--mutation-rate", min=0.0, max=1.0, help="Swaps, per child.")
]
CrossoverRate = Annotated[
    float | None,
    typer.Option("--crossover-rate", min=0.0, max=1.0, help="Order crossover, per child."),
]
Pareto = Annotated[
    str | None,
    typer.Option("--pareto", help="Front of objectives: line_loading,losses,...", metavar="A,B"),
]
LoadFactor = Annotated[
    float | None, typer.Option("--load-pf", help="Power factor of the loads.", metavar="PF")
]
GenerationFactor = Annotated[
    float | None,
    typer.Option("--generation-pf", help="Power factor of the generation.", metavar="PF"),
]
Outages = Annotated[
    bool, typer.Option("--n-1", help="See what is left when each branch is out in turn.")
]
Batteries = Annotated[
    str | None,
    typer.Option(
        "--batteries",
        help="Batteries at points, dispatched afterwards: bus:MW:MWh, such as 9:0.005:0.01,18:...",
        metavar="LIST",
    ),
]
Inverters = Annotated[
    float | None,
    typer.Option(
        "--inverters",
        help="Choose the inverters' reactive power afterwards; their MVA over peak MW, from 1.",
        metavar="RATIO",
    ),
]


@dataclass(frozen=True)
class Request:
    """The options as given."""

    network: str
    generation: Path | None
    load: Path | None
    points: str | None
    objective: str | None
    move: str | None
    method: str
    selection: str | None
    population: int | None
    generations: int | None
    mutation_rate: float | None
    crossover_rate: float | None
    pareto: str | None
    load_pf: float | None
    generation_pf: float | None
    n_1: bool
    batteries: str | None
    inverters: float | None
    vm_min: float | None
    vm_max: float | None


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is read and checked, ready to be solved."""

    name: str
    net: Any
    load: Profiles
    generation: Profiles
    options: AllocateOptions
    points: tuple[Any, ...] | None
    vm_limits: tuple[float | None, float | None]
    power_factors: tuple[float, float]


def prepare(request: Request) -> Prepared:
    """Read and check everything.

    Raises
    ------
    InputError
        With every finding.
    """
    case, _ = collect(lambda: _case(request), lambda: _check(request))
    if case is not None:
        request = _with_case(request, case)
    missing = [
        Finding(f"--{kind}", "is needed: a CSV file of profiles, or a case with [allocation]")
        for kind in ("generation", "load")
        if getattr(request, kind) is None
    ]

    def profiles(kind: str) -> Any:
        from hybridopt.allocation_profiles import read_profiles

        return read_profiles(getattr(request, kind), kind)

    if missing:
        net, _ = collect(lambda: _net(request, case), lambda: _raise(missing))
    net, generation, load, options = collect(
        lambda: _net(request, case),
        lambda: profiles("generation"),
        lambda: profiles("load"),
        lambda: _options(request, case),
    )
    points = None
    if request.points is not None:
        points = tuple(part.strip() for part in request.points.split(",") if part.strip())
    return Prepared(
        name_of(request.network),
        net,
        load,
        generation,
        options,
        points,
        (request.vm_min, request.vm_max),
        (request.load_pf or 1.0, request.generation_pf or 1.0),
    )


def _raise(findings: list[Finding]) -> None:
    raise InputError(findings)


def _case(request: Request) -> Case | None:
    """The case, if it is one."""
    from hybridopt.case import read_case
    from hybridopt.cases import builtin_cases

    if request.network not in builtin_cases() and not request.network.endswith(".toml"):
        return None
    return read_case(request.network)


def _with_case(request: Request, case: Case) -> Request:
    """What the options leave open, as the case has it."""
    table = case.allocation
    if table is None:
        return request

    def path(kind: str) -> Path:
        return case.path_of(("allocation", kind), getattr(table, kind))

    points = None
    if table.points is not None:
        points = ",".join(str(label - case.bus_label_offset) for label in table.points)
    found: dict[str, Any] = {
        "generation": path("generation"),
        "load": path("load"),
        "points": points,
        "objective": table.objective,
        "move": table.move,
        "load_pf": table.load_power_factor,
        "generation_pf": table.generation_power_factor,
        "inverters": table.inverter_mva,
        "vm_min": case.limits.vm_min,
        "vm_max": case.limits.vm_max,
    }
    return replace(request, **{key: v for key, v in found.items() if getattr(request, key) is None})


def _net(request: Request, case: Case | None) -> Any:
    from hybridopt.network import read_network

    if case is None:
        return read_network(request.network)
    path = case.network_path
    own = path.suffix and path.exists()
    return read_network(case.network, path.parent if own else None)


def _options(request: Request, case: Case | None) -> AllocateOptions:
    from hybridopt.allocate import AllocateOptions
    from hybridopt.allocation_goal import NAMES, read_goal
    from hybridopt.objective_list import read_objectives

    goal, pareto, batteries = collect(
        lambda: read_goal(request.objective or "line_loading"),
        lambda: () if request.pareto is None else read_objectives(request.pareto, NAMES),
        lambda: _batteries(request, case),
    )
    names = ("selection", "population", "generations", "mutation_rate", "crossover_rate")
    changes = {n: getattr(request, n) for n in names if getattr(request, n) is not None}
    options = AllocateOptions(
        goal=goal,
        move=request.move or "both",
        method=request.method,
        changes=changes,
        pareto=pareto,
        n_minus_1=request.n_1,
        batteries=batteries,
        inverter_mva=request.inverters,
    )
    options.check()
    return options


def _batteries(request: Request, case: Case | None) -> tuple[Any, ...]:
    """Batteries by option, or the case's."""
    from hybridopt.allocation_dispatch import Battery

    if request.batteries is None:
        if case is None or case.allocation is None:
            return ()
        return tuple(
            Battery(b.bus - case.bus_label_offset, b.power_mw, b.energy_mwh, b.efficiency, b.start)
            for b in case.allocation.batteries
        )
    found, findings = [], []
    for part in request.batteries.split(","):
        pieces = part.split(":")
        try:
            power, energy = (float(text) for text in pieces[1:])
            sound = 0 < power < float("inf") and 0 < energy < float("inf")
            bus = int(pieces[0])
        except ValueError:
            sound = False
        if sound:
            found.append(Battery(bus, power, energy))
        else:
            message = f"must be bus:MW:MWh, both above 0, found {part!r}"
            findings.append(Finding("--batteries", message))
    if findings:
        raise InputError(findings)
    return tuple(found)


def _check(request: Request) -> None:
    findings = []
    for option, value in (
        ("--load-pf", request.load_pf),
        ("--generation-pf", request.generation_pf),
    ):
        if value is not None and not 0 < value <= 1:
            findings.append(Finding(option, f"must lie in (0, 1], found {value:g}"))
    for option, value in (("--vm-min", request.vm_min), ("--vm-max", request.vm_max)):
        if value is not None and not 0 < value < 2:
            findings.append(Finding(option, f"must lie in (0, 2) pu, found {value:g}"))
    if request.inverters is not None and not 1 <= request.inverters < 100:
        message = f"must be at least 1, found {request.inverters:g}"
        findings.append(Finding("--inverters", message))
    if findings:
        raise InputError(findings)
