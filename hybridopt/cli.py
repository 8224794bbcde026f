"""The commands. Exit codes: 0 solved, 1 failed, 2 bad input, 3 no feasible point."""

from __future__ import annotations

import errno
import json
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one process, one BLAS thread

import typer
from rich.console import Console

from hybridopt import __version__
from hybridopt import cli_allocate as allocation
from hybridopt import cli_events as events
from hybridopt import cli_pareto as fronts
from hybridopt import cli_reconfigure as feeders
from hybridopt import cli_reliability as faults
from hybridopt import cli_restore as repairs
from hybridopt import cli_siting as siting
from hybridopt import cli_sweep as studies
from hybridopt.cases import (
    builtin_cases,
    feeder_files,
    reliability_files,
    template,
    unit_files,
)
from hybridopt.errors import (
    Finding,
    HybridoptError,
    InputError,
    NoSolutionError,
    StoppedError,
    collect,
)
from hybridopt.interrupt import heard, listen

if TYPE_CHECKING:
    from hybridopt.progress import Progress

app = typer.Typer(
    help="Restore damaged power grids: a genetic algorithm picks the plan, an AC optimal power "
    "flow over 24 hours dispatches it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

CaseArgument = Annotated[str, typer.Argument(help="Built-in case or TOML file.", metavar="CASE")]
OutOption = Annotated[
    Path | None, typer.Option("--out", help="Folder for the results.", metavar="DIR")
]
SeedOption = Annotated[int, typer.Option("--seed", min=0, help="Seed of all random numbers.")]


def _read_workers(text: str) -> Any:
    from hybridopt.solvers.pool import read_workers

    try:
        return read_workers(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error


WorkersOption = Annotated[
    Any,
    typer.Option(
        "--workers",
        parser=_read_workers,
        help="Processes, one per core if not given; or a Dask scheduler, dask://HOST:PORT.",
        metavar="N",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an existing result folder.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the summary alone, as JSON.")]
QuietOption = Annotated[bool, typer.Option("--quiet", help="No progress, no tables.")]

INTERRUPTED = 130  # as shells report Ctrl-C


def main() -> None:
    """Run the program; every error of ours becomes an exit code and a message."""
    listen()
    try:
        sys.exit(_invoke())
    except InputError as error:
        _fail(2, "Bad input:", *(f"  {finding}" for finding in error.findings))
    except NoSolutionError as error:
        _fail(3, f"Infeasible: {error.limit}")
    except HybridoptError as error:
        _fail(INTERRUPTED if isinstance(error, StoppedError) else 1, str(error))
    except SystemError as error:  # Ctrl-C while compiled code returns
        if not isinstance(error.__cause__, KeyboardInterrupt):
            raise
        heard()
        _fail(INTERRUPTED, "Interrupted; no result was written.")
    except KeyboardInterrupt:
        heard()
        _fail(INTERRUPTED, "Interrupted; no result was written.")
    except BrokenPipeError:  # whoever read our output has seen enough
        _forget_output()
        sys.exit(1)
    except OSError as error:
        try:
            sys.stdout.flush()
        except OSError:  # a full disk: Python would try again as it ends, and fail its own way
            _forget_output()
        place = f"{error.filename}: " if error.filename else ""
        is_input = error.errno == errno.ENAMETOOLONG  # nothing but a name that was given
        _fail(2 if is_input else 1, f"{place}{error.strerror or error}")


def _forget_output() -> None:
    """Let what cannot be written to stdout go nowhere."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _invoke() -> int:
    """Run the command that was asked for; its exit code."""
    try:
        # Typer hands a command's exit code back instead of leaving, Ctrl-C's among them.
        code = app(prog_name="hybridopt", standalone_mode=False)
    except typer.Abort:
        raise KeyboardInterrupt from None
    except Exception as error:
        if not type(error).__module__.startswith(("click", "typer")):
            raise
        show = getattr(error, "show", None)
        if show is not None and type(error).__name__ != "NoArgsIsHelpError":  # shown already
            show(file=sys.stderr)
        return int(getattr(error, "exit_code", 2))
    if code == INTERRUPTED:
        raise KeyboardInterrupt
    return code if isinstance(code, int) else 0


def _fail(code: int, *lines: str) -> NoReturn:
    for line in lines:
        print(line, file=sys.stderr)
    sys.exit(code)


def _progress(quiet: bool, verbose: Any = None) -> Progress:
    """Bars, or nothing; ``verbose`` is the scenario whose populations are printed."""
    from functools import partial

    from hybridopt.populations import describe
    from hybridopt.progress import BarProgress, NoProgress

    if quiet and verbose is None:
        return NoProgress()
    console = Console(stderr=True)
    return BarProgress(console, None if verbose is None else partial(describe, verbose))


def _print_json(value: Any) -> None:
    from hybridopt.output import plain

    print(json.dumps(plain(value), indent=2))


@app.command()
def run(
    case: CaseArgument,
    out: OutOption = None,
    seed: SeedOption = 0,
    seeds: Annotated[
        str | None,
        typer.Option("--seeds", help="Several seeds, such as 0-9: one table.", metavar="A-B"),
    ] = None,
    exhaustive: Annotated[
        bool, typer.Option("--exhaustive", help="Every plan, not those the search breeds.")
    ] = False,
    bound: Annotated[
        bool, typer.Option("--bound", help="Prove how good any plan within the budget could be.")
    ] = False,
    bound_time_limit: Annotated[
        float | None,
        typer.Option("--bound-time-limit", help="For --bound; default: 300.", metavar="SECONDS"),
    ] = None,
    pareto: Annotated[
        str | None,
        typer.Option(
            "--pareto",
            help="Plans that none beats in all of these objectives, such as "
            "unserved_mwh,plan_cost,operating_cost.",
            metavar="LIST",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what the result folder holds.")
    ] = False,
    workers: WorkersOption = None,
    force: ForceOption = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Print the population of every generation.")
    ] = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Both stages: reconfigure, dispatch over 24 hours, verify, report; or a siting study."""
    if pareto is not None:
        others: dict[str, Any] = {"--seeds": seeds, "--bound": bound, "--verbose": verbose}
        others |= {"--bound-time-limit": bound_time_limit}
        ways = (workers, exhaustive, resume, force, as_json)
        asked = fronts.Request(pareto, out, seed, *ways, others)
        _run_front(case, asked, quiet)
        return
    if siting.is_siting(case):
        _bound_seconds(bound, bound_time_limit, is_siting=True)
        options = (exhaustive, resume, force, verbose, as_json)
        request = siting.Request(case, out, seed, seeds, *options)
        found = siting.run(request, _progress(quiet), quiet=quiet)
        if as_json:
            _print_json(found)
        return
    from hybridopt.runs import Job, read_seeds
    from hybridopt.solvers.pool import check_workers

    several: list[int] = []

    def check_options() -> None:
        if seeds is not None:
            several.extend(read_seeds(seeds))
        if exhaustive and seeds is not None:
            message = "says nothing to --exhaustive, which draws no random numbers"
            raise InputError([Finding("--seeds", message)])
        if resume and force:
            raise InputError([Finding("--force", "starts again, --resume goes on: give one")])

    job = Job(out, seed, workers, exhaustive, resume, force)
    scenario, _, _, bound_s, _ = collect(
        lambda: _load(case, needs_event=True),
        check_options,
        job.check if not seeds else lambda: None,
        lambda: _bound_seconds(bound, bound_time_limit),
        lambda: check_workers(workers),
    )
    job = replace(job, bound_s=bound_s)
    if out is None and (resume or not as_json):
        kind = "exhaustive" if exhaustive else f"seeds{seeds}" if seeds else f"seed{seed}"
        job = replace(job, folder=Path("results") / f"{scenario.case.name}-{kind}")
    progress = _progress(quiet, scenario if verbose else None)
    if several:
        _run_seeds(scenario, job, several, progress, as_json, quiet)
    else:
        _run_once(scenario, job, progress, as_json, quiet)


def _run_front(case: str, request: fronts.Request, quiet: bool) -> None:
    from hybridopt.plan_front_output import front_summary, front_tables

    def load() -> Any:
        if siting.is_siting(case):
            raise InputError([Finding("--pareto", "is for restoration plans, not for siting")])
        return _load(case, needs_event=True)

    prepared = fronts.prepare(request, load)

    def tell(message: str) -> None:
        print(message, file=sys.stderr)

    result = fronts.run(prepared, request, _progress(quiet), tell)
    if request.as_json:
        _print_json(front_summary(result))
    elif not quiet:
        for table in front_tables(result, prepared.folder):  # a command is not to be broken
            Console().print(table, highlight=False, soft_wrap=isinstance(table, str))
        Console().print(f"Results: {prepared.folder}/report.html", highlight=False)


def _bound_seconds(
    is_asked: bool, time_limit_s: float | None, *, is_siting: bool = False
) -> float | None:
    """Seconds for the bound that was asked for; None without one."""
    from hybridopt.plan_bound import TIME_LIMIT_S

    if is_siting and (is_asked or time_limit_s is not None):
        message = "is for restoration plans; a siting study has no bound"
        raise InputError([Finding("--bound", message)])
    if time_limit_s is not None and not (is_asked and 0 < time_limit_s < float("inf")):
        message = "needs --bound and a number of seconds above 0"
        raise InputError([Finding("--bound-time-limit", message)])
    return (time_limit_s or TIME_LIMIT_S) if is_asked else None


def _run_once(scenario: Any, job: Any, progress: Progress, as_json: bool, quiet: bool) -> None:
    from hybridopt.output import summary
    from hybridopt.runs import run_job
    from hybridopt.tables import study_tables

    result = run_job(scenario, job, progress)
    if as_json:
        _print_json(summary(result))
    elif not quiet:
        console = Console()
        for table in study_tables(result):
            console.print(table)
        console.print(f"Results: {job.folder}/report.html", highlight=False)
    _tell_how_to_go_on(result, job.folder)


def _run_seeds(
    scenario: Any, job: Any, seeds: list[int], progress: Progress, as_json: bool, quiet: bool
) -> None:
    from hybridopt.runs import run_seeds
    from hybridopt.tables import seeds_table

    done = 0
    for found in run_seeds(scenario, job, seeds, progress):
        done = len(found.rows)
        row = found.rows[-1]
        if not quiet:
            values = ", ".join(f"{name} {row[name]:.6g}" for name in found.objectives)
            print(f"seed {row['seed']}: {values} ({row['wall_s']:.1f} s)", file=sys.stderr)
    if done < len(seeds):
        message = f"Interrupted: {done} of {len(seeds)} seeds are complete."
        if job.folder is not None:
            message += " To go on, give the same command with --resume (and without --force)."
        _fail(INTERRUPTED, message)
    if as_json:
        _print_json(found.summary())
    elif not quiet:
        Console().print(seeds_table(found))
        if job.folder is not None:
            Console().print(f"Results: {job.folder}/seeds.csv", highlight=False)


def _tell_how_to_go_on(result: Any, folder: Path | None) -> None:
    """Say that the search isn't over; after Ctrl-C with the exit code of one."""
    if result.finished or folder is None:
        return
    from hybridopt.solvers.search import EVALUATION_LIMIT

    why = result.run.stopped_because
    message = f"The search was not finished ({why}): {folder} holds the best plan so far. "
    if why.startswith(EVALUATION_LIMIT):
        message += "To go on, raise max_evaluations in the case, then "
    else:
        message += "To go on, "
    message += "give the same command with --resume (and without --force)."
    if result.interrupted:
        _fail(INTERRUPTED, message)
    print(message, file=sys.stderr)


@app.command()
def check(case: CaseArgument, as_json: JsonOption = False, quiet: QuietOption = False) -> None:
    """Validate a case; load flow before and delivery after its event, no plans."""
    if siting.is_siting(case):
        found = siting.check(case)
        if as_json:
            _print_json(found)
        elif not quiet:
            print("\n".join(siting.check_lines(found)))
        return
    from hybridopt.output import check_summary
    from hybridopt.study import check_case
    from hybridopt.tables import check_tables

    result = check_case(_load(case), _progress(quiet))
    if as_json:
        _print_json(check_summary(result))
    elif not quiet:
        for table in check_tables(result):
            Console().print(table)


@app.command()
def dispatch(
    network_or_case: Annotated[
        str,
        typer.Argument(
            help="Case, network of pandapower, .json, .xlsx or MATPOWER .m file, SimBench code, "
            "feeder.",
            metavar="NETWORK_OR_CASE",
        ),
    ],
    plan: Annotated[
        Path | None, typer.Option("--plan", help="plan.json to dispatch.", metavar="FILE")
    ] = None,
    profile: Annotated[
        Path | None,
        typer.Option("--profile", help="CSV (hour, factor) that scales the loads.", metavar="CSV"),
    ] = None,
    out: OutOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """AC economic dispatch alone: one hour of a network, or a case's load curve."""
    from hybridopt.output import write_dispatch
    from hybridopt.result_folder import check_folder, replace_folder
    from hybridopt.single_dispatch import (
        dispatch_prepared,
        dispatch_summary,
        prepare_dispatch,
    )
    from hybridopt.tables_dispatch import dispatch_tables

    def check_out() -> None:
        if out is not None:
            check_folder(out, force=force)

    prepared, _ = collect(lambda: prepare_dispatch(network_or_case, plan, profile), check_out)
    result = dispatch_prepared(prepared, _progress(quiet))
    if out is not None:
        from hybridopt.output import write_json

        def fill(fresh: Path) -> None:
            write_dispatch(result.dispatch, fresh)
            write_json(fresh / "summary.json", dispatch_summary(result))

        replace_folder(out, fill)
    if as_json:
        _print_json(dispatch_summary(result))
    elif not quiet:
        for table in dispatch_tables(result):
            Console().print(table)


@app.command()
def ed(
    units: Annotated[
        str, typer.Argument(help="CSV file of units, or a built-in one.", metavar="UNITS")
    ],
    demand: Annotated[
        float | None, typer.Option("--demand", help="Demand of one hour.", metavar="MW")
    ] = None,
    demand_file: Annotated[
        str | None, typer.Option("--demand-file", help="CSV (hour, demand_mw).", metavar="CSV")
    ] = None,
    losses: Annotated[
        str | None, typer.Option("--losses", help="CSV of B-coefficients.", metavar="CSV")
    ] = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    workers: Annotated[
        int | None,
        typer.Option("--workers", min=1, help="Processes; default: 1, for hours one per core."),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Economic dispatch of units without a network: valve points, zones, losses, ramps."""
    from hybridopt.economic_dispatch import dispatch_units
    from hybridopt.economic_input import read_input
    from hybridopt.economic_output import economic_summary, economic_tables, write_economic
    from hybridopt.result_folder import check_folder

    given, _ = collect(
        lambda: read_input(units, demand, demand_file, losses),
        lambda: None if out is None else check_folder(out, force=force),
    )
    result = dispatch_units(
        given.units,
        given.demand_mw,
        given.losses,
        seed=seed,
        workers=workers,
        progress=_progress(quiet),
    )
    if out is not None:
        write_economic(result, out)
    if as_json:
        _print_json(economic_summary(result))
    elif not quiet:
        for table in economic_tables(result):
            Console().print(table)


@app.command()
def reconfigure(
    network: feeders.Network,
    objective: feeders.Objective = "losses",
    encoding: feeders.Encoding = "edges",
    weights: feeders.Weights = "10,5,1",
    loss_unit: feeders.LossUnit = "kw",
    fault: feeders.Fault = None,
    dg: feeders.Units = 0,
    dg_pf: feeders.PowerFactor = 1.0,
    dg_penetration: feeders.Penetration = 1.0,
    dg_profile: feeders.DGProfile = None,
    dg_buses: feeders.DGBuses = None,
    dg_max_mw: feeders.DGMost = None,
    fixed_topology: feeders.FixedTopology = False,
    profile: feeders.Profile = None,
    switchable: feeders.Switchable = "all",
    vm_min: feeders.VmMin = None,
    vm_max: feeders.VmMax = None,
    pareto: feeders.Pareto = None,
    proof: feeders.ProofOption = None,
    population: feeders.Population = None,
    generations: feeders.Generations = None,
    mutation_rate: feeders.MutationRate = None,
    crossover_rate: feeders.CrossoverRate = None,
    penalty: feeders.Penalty = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Radial reconfiguration of a feeder, with or without generation, or after a fault."""
    given = dict(locals())
    request = feeders.Request(**{name: given[name] for name in feeders.Request.__annotations__})
    from hybridopt.feeder_output import (
        reconfiguration_summary,
        reconfiguration_tables,
        write_reconfiguration,
    )
    from hybridopt.reconfigure import reconfigure as solve
    from hybridopt.result_folder import check_folder

    folder = out or (
        None if as_json else Path("results") / f"{feeders.name_of(network)}-seed{seed}"
    )
    prepared, _ = collect(
        lambda: feeders.prepare(request),
        lambda: None if folder is None else check_folder(folder, force=force),
    )
    result = solve(
        prepared.net,
        prepared.options,
        name=prepared.name,
        seed=seed,
        factors=prepared.factors,
        progress=_progress(quiet),
    )
    if folder is not None:
        write_reconfiguration(result, folder, prepared.factors)
    if as_json:
        _print_json(reconfiguration_summary(result))
    elif not quiet:
        for table in reconfiguration_tables(result):
            Console().print(table)
        Console().print(f"Results: {folder}/report.html", highlight=False)
    if result.limit:
        _fail(3, f"Infeasible: {result.limit}")


@app.command()
def allocate(
    network: allocation.Network,
    generation: allocation.Generation = None,
    load: allocation.Load = None,
    points: allocation.Points = None,
    objective: allocation.Objective = None,
    move: allocation.Move = None,
    method: allocation.Method = "memetic",
    selection: allocation.Selection = None,
    population: allocation.Population = None,
    generations: allocation.Generations = None,
    mutation_rate: allocation.MutationRate = None,
    crossover_rate: allocation.CrossoverRate = None,
    pareto: allocation.Pareto = None,
    load_pf: allocation.LoadFactor = None,
    generation_pf: allocation.GenerationFactor = None,
    n_1: allocation.Outages = False,
    batteries: allocation.Batteries = None,
    inverters: allocation.Inverters = None,
    vm_min: feeders.VmMin = None,
    vm_max: feeders.VmMax = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Where loads and generators connect: assign profiles to the points of a network."""
    given = dict(locals())
    names = allocation.Request.__annotations__
    request = allocation.Request(**{name: given[name] for name in names})
    from hybridopt.allocate import allocate as solve
    from hybridopt.allocation_output import (
        allocation_summary,
        allocation_tables,
        write_allocation,
    )
    from hybridopt.result_folder import check_folder

    folder = out or (
        None if as_json else Path("results") / f"{feeders.name_of(network)}-seed{seed}"
    )
    prepared, _ = collect(
        lambda: allocation.prepare(request),
        lambda: None if folder is None else check_folder(folder, force=force),
    )
    result = solve(
        prepared.net,
        prepared.load,
        prepared.generation,
        prepared.options,
        name=prepared.name,
        points=prepared.points,
        vm_limits=prepared.vm_limits,
        power_factors=prepared.power_factors,
        seed=seed,
        progress=_progress(quiet),
    )
    for words in result.warnings:
        Console(stderr=True).print(f"Warning: {words}", highlight=False, soft_wrap=True)
    if folder is not None:
        write_allocation(result, folder)
    if as_json:
        _print_json(allocation_summary(result))
    elif not quiet:
        for table in allocation_tables(result):
            Console().print(table)
        Console().print(f"Results: {folder}/report.html", highlight=False)
    if result.limit:
        _fail(3, f"Infeasible: {result.limit}")


@app.command()
def reliability(
    system: faults.System,
    data: faults.Data = None,
    dg: faults.Units = None,
    profile: faults.Profile = None,
    dg_profile: faults.UnitProfile = None,
    islanding_h: faults.IslandingH = 0.0,
    carry: faults.Carry = "average",
    out: OutOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Reliability indices (SAIFI, SAIDI, ENS) from faults, switching, ties and islands of units."""
    from hybridopt.reliability_output import (
        reliability_summary,
        reliability_tables,
        write_reliability,
    )
    from hybridopt.result_folder import check_folder

    request = faults.Request(system, data, dg, profile, dg_profile, islanding_h, carry)
    prepared, _ = collect(
        lambda: faults.prepare(request),
        lambda: None if out is None else check_folder(out, force=force),
    )
    study = faults.solve(prepared)
    summary = reliability_summary(
        prepared.model, study.found, prepared.units, study.without, study.wall_s
    )
    if out is not None:
        write_reliability(out, prepared.model, study.found, summary)
    if as_json:
        _print_json(summary)
    elif not quiet:
        for table in reliability_tables(prepared.model, study.found, study.without):
            Console().print(table)


@app.command()
def restore(
    case: CaseArgument,
    out: OutOption = None,
    seed: SeedOption = 0,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Order of repairs by crews after the case's event, and what is served meanwhile."""
    from hybridopt.restore import run_restore
    from hybridopt.restore_output import restore_summary, restore_tables, write_restore

    prepared = repairs.prepare(case, out, seed, force=force, as_json=as_json)
    result = run_restore(prepared.problem, seed=seed, progress=_progress(quiet))
    if prepared.folder is not None:
        write_restore(result, prepared.folder)
    if as_json:
        _print_json(restore_summary(result))
    elif not quiet:
        for table in restore_tables(result):
            Console().print(table, highlight=False)
        Console().print(f"Results: {prepared.folder}/report.html", highlight=False)


@app.command()
def worst(
    case: CaseArgument,
    k: events.Size = None,
    elements: events.Kinds = None,
    response: events.WorstResponse = None,
    top: events.Top = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    workers: WorkersOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """The events of N elements that leave most unserved, whatever the response."""
    from hybridopt.solvers.pool import check_workers
    from hybridopt.worst_output import worst_summary, worst_tables

    request = events.WorstRequest(case, k, elements, response, top, out, seed, force, as_json)
    job, _ = collect(lambda: events.prepare_worst(request), lambda: check_workers(workers))
    result = events.run_worst(job, seed, workers, _progress(quiet))
    if as_json:
        _print_json(worst_summary(result))
    elif not quiet:
        for table in worst_tables(result):
            Console().print(table, highlight=False)
        Console().print(f"Results: {job.folder}/report.html", highlight=False)


@app.command()
def sample(
    case: CaseArgument,
    n_events: events.Count = None,
    response: events.SampleResponse = None,
    plan: events.PlanFile = None,
    out: OutOption = None,
    seed: SeedOption = 0,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what the result folder holds.")
    ] = False,
    workers: WorkersOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Events drawn from failure probabilities or fragility curves, and what they cost."""
    from hybridopt.sample_output import sample_summary, sample_tables
    from hybridopt.solvers.pool import check_workers

    request = events.SampleRequest(
        case, n_events, response, plan, out, seed, resume, force, as_json
    )
    job, _ = collect(lambda: events.prepare_sample(request), lambda: check_workers(workers))

    def tell(words: str) -> None:
        print(words, file=sys.stderr)

    result = events.run_sample(job, request, workers, _progress(quiet), tell)
    if as_json:
        _print_json(sample_summary(result))
    elif not quiet:
        for table in sample_tables(result):
            Console().print(table, highlight=False)
        Console().print(f"Results: {job.folder}/report.html", highlight=False)


@app.command()
def sweep(
    study: Annotated[
        Path, typer.Argument(help="TOML file of cases, events, budgets, seeds.", metavar="STUDY")
    ],
    out: OutOption = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with what the result folder holds.")
    ] = False,
    workers: WorkersOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Many runs into one table: every case with every event, budget and seed."""
    from hybridopt.sweep_output import sweep_tables

    request = studies.Request(study, out, resume, force, workers, as_json)
    job = studies.prepare(request)

    def tell(words: str) -> None:
        print(words, file=sys.stderr)

    found = studies.run(job, request, _progress(quiet), tell)
    if as_json:
        _print_json(found["summary"])
    elif not quiet:
        for table in sweep_tables(found["sweep"]):
            Console().print(table, highlight=False)
        Console().print(f"Results: {request.folder}/report.html", highlight=False)
    if found["summary"]["failed_runs"]:
        _fail(1, f"{found['summary']['failed_runs']} of {found['summary']['runs']} runs failed.")


@app.command()
def compare(
    folders: Annotated[
        list[Path], typer.Argument(help="Result folders of run or sweep.", metavar="DIR...")
    ],
    out: OutOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
    quiet: QuietOption = False,
) -> None:
    """Results side by side: one table, and with --out a page of plots."""
    from hybridopt.compare import check_apart, compare_summary, compare_table, write_compare
    from hybridopt.compare import compare as read
    from hybridopt.result_folder import check_folder

    rows, *_ = collect(
        lambda: read(folders),
        lambda: None if out is None else check_folder(out, force=force),
        lambda: None if out is None else check_apart(folders, out),
    )
    if out is not None:
        write_compare(rows, out)
    if as_json:
        _print_json(compare_summary(rows))
    elif not quiet:
        Console().print(compare_table(rows), highlight=False)
        if out is not None:
            Console().print(f"Results: {out}/report.html", highlight=False)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="Result folder of a run.", metavar="DIR")],
) -> None:
    """Write the HTML report of a result folder again."""
    from hybridopt.report_again import write_again

    print(write_again(folder))


@app.command()
def cases() -> None:
    """List the built-in cases."""
    from rich.table import Table

    from hybridopt.case import read_case

    table = Table("Case", "Network", "Budget", "Mode", "What it is", box=None, pad_edge=False)
    for name in builtin_cases():
        case = read_case(name)
        limited = case.siting is None or case.budget
        money = f"{case.budget:g} {case.currency}" if limited else "-"
        table.add_row(name, case.network, money, case.dispatch_mode, case.title)
    Console().print(table)
    systems = ", ".join(sorted(unit_files()))
    Console().print(f"Units for hybridopt ed: {systems}", highlight=False)
    feeders_known = ", ".join(feeder_files())
    Console().print(f"Feeders for hybridopt reconfigure: {feeders_known}", highlight=False)
    known = ", ".join(reliability_files())
    Console().print(f"Systems for hybridopt reliability: {known}", highlight=False)


@app.command()
def init(
    name: Annotated[str, typer.Argument(help="Name of the new case.", metavar="NAME")],
) -> None:
    """Write NAME.toml, a commented case file to start from."""
    path = Path(name if name.endswith(".toml") else f"{name}.toml")
    if name in {"", ".toml"} or name.endswith(("/", os.sep)):
        raise InputError([Finding(f"init {name!r}", "is not a name for a case")])
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(template())
    except FileExistsError as error:
        message = "exists already and was left as it is; give another name"
        raise InputError([Finding(str(path), message)]) from error
    except OSError as error:
        raise InputError([Finding(str(path), f"cannot be written: {error.strerror}")]) from error
    print(f"Wrote {path}. Next: hybridopt check {path}")


@app.command()
def schema() -> None:
    """Print the JSON schema of case files."""
    from hybridopt.case_json import json_schema

    print(json_schema(), end="")


@app.command()
def doctor() -> None:
    """Say which solvers and libraries are in use, and what mends missing ones."""
    from hybridopt.doctor import doctor as examine

    raise typer.Exit(examine())


def _version(value: bool) -> None:
    if value:
        print(f"hybridopt {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it.")
    ] = False,
) -> None:
    logging.getLogger("pandapower").setLevel(logging.ERROR)


def _load(case: str, *, needs_event: bool = False) -> Any:
    from hybridopt.network_scenario import load_case
    from hybridopt.solvers.available import require_solver

    scenario = load_case(case)
    if needs_event and scenario.case.event is None:
        message = "is missing: a run needs an [event] that takes something out"
        if scenario.case.allocation is not None:
            message += f"; hybridopt allocate {case} is what [allocation] is for"
        raise InputError([scenario.case.finding("event", message)])
    require_solver()
    return scenario
