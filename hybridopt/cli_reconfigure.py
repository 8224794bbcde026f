"""``hybridopt reconfigure``: its options, checked together, and what it shows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hybridopt.errors import Finding, InputError, collect

if TYPE_CHECKING:
    from hybridopt.feeder_dispatch import DGOptions
    from hybridopt.reconfigure import ReconfigureOptions

Network = Annotated[
    str,
    typer.Argument(
        help="Built-in feeder, network of pandapower, .json, .xlsx or MATPOWER .m file, CSV pair "
        "(path/NAME), or case.",
        metavar="NETWORK_OR_CASE",
    ),
]
Objective = Annotated[
    str,
    typer.Option(
        "--objective",
        help="losses, voltage_drop, max_voltage_drop, load_balance, switching_operations, "
        "weighted, loss_reduction.",
        metavar="NAME",
    ),
]
Weights = Annotated[
    str,
    typer.Option(
        "--weights", help="Of weighted: losses, voltage drop, operations.", metavar="A,B,C"
    ),
]
LossUnit = Annotated[
    str, typer.Option("--loss-unit", help="Of losses in weighted: kw or mw.", metavar="UNIT")
]
Encoding = Annotated[
    str,
    typer.Option("--encoding", help="edges (default), prufer or keys.", metavar="NAME"),
]
Fault = Annotated[
    list[str] | None,
    typer.Option("--fault", help="Branches out of use, by name or number.", metavar="A,B"),
]
Units = Annotated[int, typer.Option("--dg", min=0, help="Generators to place.", metavar="N")]
PowerFactor = Annotated[
    float,
    typer.Option("--dg-pf", help="Reactive power to tan(acos(PF)) times the rating.", metavar="PF"),
]
Penetration = Annotated[
    float,
    typer.Option("--dg-penetration", help="Ratings over peak demand, at most.", metavar="SHARE"),
]
DGProfile = Annotated[
    Path | None,
    typer.Option("--dg-profile", help="CSV (hour, factor) of what is available.", metavar="CSV"),
]
DGBuses = Annotated[
    str | None, typer.Option("--dg-buses", help="Where generators may stand.", metavar="A,B")
]
DGMost = Annotated[
    float | None, typer.Option("--dg-max-mw", help="Largest rating of each.", metavar="MW")
]
FixedTopology = Annotated[
    bool, typer.Option("--fixed-topology", help="Leave the switches as they are.")
]
Profile = Annotated[
    Path | None,
    typer.Option(
        "--profile", help="CSV (hour, factor, or a column per load or bus).", metavar="CSV"
    ),
]
Switchable = Annotated[
    str,
    typer.Option("--switchable", help="all, switches, or branches: 1,4-9,Name.", metavar="WHAT"),
]
VmMin = Annotated[
    float | None, typer.Option("--vm-min", help="Lowest voltage of every bus.", metavar="PU")
]
VmMax = Annotated[
    float | None, typer.Option("--vm-max", help="Highest voltage of every bus.", metavar="PU")
]
Pareto = Annotated[
    str | None,
    typer.Option(
        "--pareto", help="Front of objectives: losses,switching_operations,...", metavar="A,B"
    ),
]
ProofOption = Annotated[
    bool | None,
    typer.Option("--proof/--no-proof", help="Look at every configuration; by default if quick."),
]
Population = Annotated[int | None, typer.Option("--population", min=4, help="Trees.")]
Generations = Annotated[int | None, typer.Option("--generations", min=1, help="At most.")]
MutationRate = Annotated[
    float | None,
    typer.Option(
        "--mutation-rate", min=0.0, max=1.0, help="Per gene in prufer and keys, per tree in edges."
    ),
]
CrossoverRate = Annotated[float | None, typer.Option("--crossover-rate", min=0.0, max=1.0)]
Penalty = Annotated[
    float | None,
    typer.Option(
        "--penalty",
        min=0.0,
        help="Growing penalty per pu^2 (reference C) for prufer, keys, not feasibility first.",
    ),
]


@dataclass(frozen=True)
class Request:
    """The options as given."""

    network: str
    objective: str
    weights: str
    loss_unit: str
    encoding: str
    fault: list[str] | None
    dg: int
    dg_pf: float
    dg_penetration: float
    dg_profile: Path | None
    dg_buses: str | None
    dg_max_mw: float | None
    fixed_topology: bool
    profile: Path | None
    switchable: str
    vm_min: float | None
    vm_max: float | None
    pareto: str | None
    proof: bool | None
    population: int | None
    generations: int | None
    mutation_rate: float | None
    crossover_rate: float | None
    penalty: float | None


@dataclass(frozen=True, eq=False)
class Prepared:
    """What is read and checked, ready to be solved."""

    name: str
    net: Any
    factors: Any
    options: ReconfigureOptions


def prepare(request: Request) -> Prepared:
    """Read and check everything.

    Raises
    ------
    InputError
        With every finding.
    """
    from hybridopt.feeder_profiles import read_factor_column, read_load_factors
    from hybridopt.network_feeder import feeder_from_net
    from hybridopt.network_switchable import set_switchable

    (name, net, fault, curve), options = collect(
        lambda: _network(request.network), lambda: _options(request)
    )
    net, factors = collect(
        lambda: set_switchable(net, request.switchable),
        lambda: read_load_factors(request.profile, net) if request.profile else curve,
    )
    if request.fault:
        fault = tuple(part for text in request.fault for part in text.split(",") if part.strip())
        if not fault:
            raise InputError([Finding("--fault", "names no branch")])
    n_t = 1 if factors is None else len(factors)
    low, high = options.vm_min_pu, options.vm_max_pu
    feeder, dg_profile = collect(
        lambda: feeder_from_net(net, name, factors, (low, high)),
        lambda: None if request.dg_profile is None else read_factor_column(request.dg_profile, n_t),
    )
    from hybridopt.reconfigure import find_branches

    _, dg = collect(
        lambda: find_branches(feeder, fault, "--fault"),
        lambda: _generation(request, feeder, dg_profile),
    )
    return Prepared(name, net, factors, replace(options, fault=fault, dg=dg))


def _network(text: str) -> tuple[str, Any, tuple[str, ...], Any]:
    """Name, net, fault and load factors of a network or a case."""
    from hybridopt.cases import builtin_cases
    from hybridopt.network import read_network

    if text in builtin_cases() or text.endswith(".toml"):
        return _case(text)
    return name_of(text), read_network(text), (), None


def name_of(text: str) -> str:
    """Name of a network or case, without folder and ending."""
    name = Path(text).name
    for end in (".json", ".xlsx", ".m", ".toml", "_buses.csv", "_branches.csv"):
        name = name.removesuffix(end)
    return name


def _case(text: str) -> tuple[str, Any, tuple[str, ...], Any]:
    """A case's network, its event's lines as the fault, and the factors of its loads."""
    from hybridopt.network_scenario import load_case
    from hybridopt.reconfigure_case import feeder_case

    return feeder_case(load_case(text))


def _options(request: Request) -> ReconfigureOptions:
    from hybridopt.feeder_goal import PARTS, Goal
    from hybridopt.objective_list import read_objectives
    from hybridopt.reconfigure import EDGES, ReconfigureOptions
    from hybridopt.solvers.generational import GenerationalOptions

    def weights() -> tuple[float, float, float]:
        try:
            loss, drop, operation = (float(part) for part in request.weights.split(","))
        except ValueError:
            message = f"must be three numbers such as 10,5,1, found {request.weights!r}"
            raise InputError([Finding("--weights", message)]) from None
        return loss, drop, operation

    given, pareto, _, _ = collect(
        weights,
        lambda: () if request.pareto is None else read_objectives(request.pareto, PARTS),
        lambda: _check(request),
        lambda: ReconfigureOptions(
            goal=Goal(request.objective, loss_unit=request.loss_unit), encoding=request.encoding
        ).check(),
    )
    classic = GenerationalOptions(penalty=request.penalty)
    changes: dict[str, Any] = {
        name: getattr(request, name)
        for name in ("population", "generations", "mutation_rate", "crossover_rate")
        if getattr(request, name) is not None
    }
    options = ReconfigureOptions(
        goal=Goal(request.objective, given, request.loss_unit),
        encoding=request.encoding,
        changes={} if request.encoding != EDGES else changes,
        classic=replace(classic, **changes) if request.encoding != EDGES else classic,
        fixed_topology=request.fixed_topology,
        pareto=pareto,
        proof=request.proof,
        vm_min_pu=request.vm_min,
        vm_max_pu=request.vm_max,
    )
    if request.dg:  # the units themselves need the feeder
        from hybridopt.feeder_dispatch import DGOptions

        replace(options, dg=DGOptions(units=request.dg)).check()
    else:
        options.check()
    return options


def _check(request: Request) -> None:
    findings = []
    if not 0 < request.dg_pf <= 1:
        findings.append(Finding("--dg-pf", f"must lie in (0, 1], found {request.dg_pf:g}"))
    if not 0 < request.dg_penetration <= 10:
        message = f"must lie in (0, 10], found {request.dg_penetration:g}"
        findings.append(Finding("--dg-penetration", message))
    if request.dg_max_mw is not None and not request.dg_max_mw > 0:
        findings.append(Finding("--dg-max-mw", f"must be above 0, found {request.dg_max_mw:g}"))
    if not request.dg:
        for option in ("dg_profile", "dg_buses", "dg_max_mw"):
            if getattr(request, option) is not None:
                place = f"--{option.replace('_', '-')}"
                findings.append(Finding(place, "says nothing without --dg N"))
    for name in ("vm_min", "vm_max"):
        value = getattr(request, name)
        if value is not None and not 0 < value < 2:
            place = f"--{name.replace('_', '-')}"
            findings.append(Finding(place, f"must lie in (0, 2) pu, found {value:g}"))
    if findings:
        raise InputError(findings)


def _generation(request: Request, feeder: Any, profile: Any) -> DGOptions | None:
    if not request.dg:
        return None
    from hybridopt.feeder_dispatch import DGOptions

    buses = None
    if request.dg_buses is not None:
        known = {name: b for b, name in enumerate(feeder.bus_name)}
        names = [part.strip() for part in request.dg_buses.split(",") if part.strip()]
        wrong = [name for name in names if name not in known]
        if wrong or not names:
            raise InputError(
                [Finding(f"--dg-buses {name}", "no bus has this name") for name in wrong]
                or [Finding("--dg-buses", "names no bus")]
            )
        buses = tuple(known[name] for name in names)
    return DGOptions(
        units=request.dg,
        power_factor=request.dg_pf,
        penetration=request.dg_penetration,
        profile=profile,
        buses=buses,
        max_mw=request.dg_max_mw,
    )
