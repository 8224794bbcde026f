"""Radial reconfiguration of a feeder: search, proof, generation, restoration, and the referee."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.classic_search import ENCODINGS, search_classic
from hybridopt.errors import Finding, InputError, NoSolutionError, collect
from hybridopt.feeder_goal import Goal, operations, values
from hybridopt.feeder_limits import collapse_in_words, limit_in_words
from hybridopt.feeder_result import Reconfiguration
from hybridopt.feeder_trees import fed_trees, feeder_trees, power_flow
from hybridopt.loss_reduction import loss_reductions
from hybridopt.network_feeder import feeder_from_net
from hybridopt.network_switched import meshed_flow, referee
from hybridopt.progress import NoProgress
from hybridopt.solvers.generational import GenerationalOptions
from hybridopt.solvers.radial import MEASURES, WITHIN, evaluate
from hybridopt.supply import dark_as_before, switching_steps, with_shedding
from hybridopt.tree_pareto import pareto_front
from hybridopt.tree_proof import Proof, best_of_all, count_configurations, worth_while
from hybridopt.tree_search import TreeSearch, default_options, search_trees

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.feeder import Feeder
    from hybridopt.feeder_dispatch import DGOptions
    from hybridopt.feeder_result import FeederUnit
    from hybridopt.feeder_trees import FeederFlow, FeederTrees
    from hybridopt.progress import Progress

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

EDGES = "edges"
ALL_ENCODINGS = (EDGES, *ENCODINGS)
IN_KW = {
    "best_loss_mwh": "best_losses",
    "mean_loss_mwh": "mean_losses",
    "best_loss_reduction_mwh": "best_loss_reduction",
}


@dataclass(frozen=True)
class ReconfigureOptions:
    """What is asked of a reconfiguration.

    Attributes
    ----------
    goal : objective
    encoding : "edges" (edge sets with branch exchange), "prufer" or "keys" (reference C's search)
    changes : settings of "edges" by name (population, generations, mutation_rate,
        crossover_rate); those not given suit the feeder
    classic : settings of "prufer" and "keys"
    fault : branches out of use, by name
    dg : distributed generation to place, or None
    fixed_topology : leave the switches as they are
    pareto : objectives of a front to compute beside the result, or none
    proof : enumerate every configuration: True, False, or None for "where that takes seconds"
    vm_min_pu, vm_max_pu : limits of every bus in place of the net's own
    """

    goal: Goal = field(default_factory=Goal)
    encoding: str = EDGES
    changes: dict[str, Any] = field(default_factory=dict)
    classic: GenerationalOptions = field(default_factory=GenerationalOptions)
    fault: tuple[str, ...] = ()
    dg: DGOptions | None = None
    fixed_topology: bool = False
    pareto: tuple[str, ...] = ()
    proof: bool | None = None
    vm_min_pu: float | None = None
    vm_max_pu: float | None = None

    def check(self) -> None:
        """Raise what contradicts itself."""
        collect(self.goal.check, self._check)

    def _check(self) -> None:
        findings = []
        if self.encoding not in ALL_ENCODINGS:
            message = f"is none of {', '.join(ALL_ENCODINGS)}"
            findings.append(Finding(f"--encoding {self.encoding}", message))
        if self.classic.penalty is not None and self.encoding == EDGES:
            message = "belongs to --encoding prufer and keys; edges compares feasibility first"
            findings.append(Finding("--penalty", message))
        low, high = self.vm_min_pu, self.vm_max_pu
        if low is not None and high is not None and low >= high:
            findings.append(Finding("--vm-min", f"{low:g} must lie below --vm-max {high:g}"))
        if self.dg is not None:
            findings += self._beside_dg()
        if self.fixed_topology and self.fault:
            message = "leaves what the fault cuts off dark: give one or the other"
            findings.append(Finding("--fixed-topology", message))
        if findings:
            raise InputError(findings)

    def _beside_dg(self) -> list[Finding]:
        """What says nothing while generation is placed, or asks for what it cannot do."""
        findings = []
        if self.goal.name not in ("losses", "loss_reduction"):
            message = "with --dg, the objective must be losses or loss_reduction"
            findings.append(Finding(f"--objective {self.goal.name}", message))
        if self.encoding in ENCODINGS:
            message = "with --dg, trees are always searched as edges"
            findings.append(Finding(f"--encoding {self.encoding}", message))
        if self.pareto:
            findings.append(Finding("--pareto", "shows switching alone: give it without --dg"))
        if self.proof:
            message = "looks at switching alone: with --dg there is no proof by enumeration"
            findings.append(Finding("--proof", message))
        return findings


def reconfigure(
    net: Any,
    options: ReconfigureOptions | None = None,
    *,
    name: str = "network",
    seed: int = 0,
    factors: Any = None,
    progress: Progress | None = None,
) -> Reconfiguration:
    """Find the radial configuration of a feeder that minimises an objective.

    Parameters
    ----------
    net : pandapower net; open lines and switches are ties (see
        :func:`hybridopt.network_feeder.feeder_from_net`); it is not altered
    factors : (n_t, n_load) factor of each load in each hour; None for one hour as given
    seed : of all random numbers

    Returns
    -------
    Reconfiguration
        With ``status`` "infeasible" where no configuration found meets all limits: the one that
        violates them least, and the limit in words. After a fault load is left dark before a limit
        is violated.

    Raises
    ------
    InputError
        What is wrong with the net or the options.
    NoSolutionError
        No radial configuration can feed all loads (without a fault), or no power flow exists.
    """
    options, progress = options or ReconfigureOptions(), progress or NoProgress()
    options.check()
    limits = (options.vm_min_pu, options.vm_max_pu)
    feeder = feeder_from_net(net, name, factors, limits)
    fault = find_branches(feeder, options.fault, "--fault")
    faulted = feeder.without(fault)
    trees = fed_trees(faulted) if fault else feeder_trees(feeder)
    before = _flow(net, feeder, feeder.closed, factors)
    if options.fixed_topology and not feeder.is_radial(feeder.closed):
        message = "the network is not radial as it stands: drop it, or open its loops"
        raise InputError([Finding("--fixed-topology", message)])
    if options.dg is None:
        found = _switch(trees, faulted, bool(fault), options, seed, progress)
    else:
        found = _place(faulted, options.dg, options, seed, before, progress)
    limit = limit_in_words(feeder, found.closed, found.flow)
    result = Reconfiguration(
        feeder=feeder,
        net=net,
        closed_before=feeder.closed,
        closed_after=found.closed,
        fault=fault,
        flow_before=before,
        flow_fault=_after_fault(faulted, fault),
        flow_after=found.flow,
        units=found.units,
        objective=options.goal.name,
        objective_unit=options.goal.unit(feeder.n_t),
        value=_value(options.goal, faulted, found, before),
        log=found.log,
        evaluations=found.tried,
        seed=seed,
        encoding="fixed" if options.fixed_topology else options.encoding,
        status="infeasible" if limit else "optimal",
        limit=limit,
        found_by=found.found_by,
        proven_optimal=found.proof is not None,
        configurations=found.count,
        proof_s=found.proof.wall_s if found.proof else None,
        wall_s=found.wall_s,
        steps=switching_steps(_with_units(feeder, found.units), feeder.closed, found.closed, fault),
        pareto=_pareto(fed_trees(faulted), options, seed, found, progress),
        reduction={} if fault else _reduction(feeder, before, found),
    )
    with progress.task("Verification by power flow", 1) as advance:
        loss_mw = found.flow.measures["loss"] * feeder.base_mva
        said = referee(
            net, feeder, found.closed, found.flow.vm, loss_mw, found.units, factors, fault
        )
        advance()
    return replace(result, verification=said)


@dataclass(frozen=True, eq=False)
class _Found:
    """A configuration with its power flow, and how it was found."""

    closed: Bools
    flow: FeederFlow
    log: list[dict[str, Any]]
    tried: int
    wall_s: float
    units: tuple[FeederUnit, ...] = ()
    opens: Ints | None = None
    proof: Proof | None = None
    count: int | None = None
    found_by: str = "search"


def _switch(
    trees: FeederTrees,
    faulted: Feeder,
    after_fault: bool,
    options: ReconfigureOptions,
    seed: int,
    progress: Progress,
) -> _Found:
    """Search for the best tree, and prove it where that is short."""
    began = time.perf_counter()
    weights = options.goal.kernel_weights(trees)
    search = _search(trees, options, weights, seed, progress)
    if after_fault and search.fitness[0] > 0:  # better dark than overloaded
        trees = with_shedding(trees)
        search = _edges(trees, options, weights, seed, progress)
    wall_s = time.perf_counter() - began
    proof, count = _prove(trees, options, weights, progress)
    opens, found_by = search.opens, "search"
    if proof is not None and proof.fitness < search.fitness:
        opens = _better_of(trees, search, proof, weights)
        found_by = "search" if opens.tolist() == sorted(search.opens.tolist()) else "enumeration"
    tried = search.tried + (proof.configurations if proof else 0)
    if not np.isfinite(search.fitness[0]) and found_by == "search":
        raise NoSolutionError(collapse_in_words(faulted, tried))
    closed = dark_as_before(faulted, faulted.closed, trees.closed(opens))
    plain = fed_trees(faulted)
    flow = power_flow(plain, plain.opens(closed))
    return _Found(closed, flow, search.log, tried, wall_s, (), opens, proof, count, found_by)


def _place(
    faulted: Feeder,
    dg: DGOptions,
    options: ReconfigureOptions,
    seed: int,
    before: FeederFlow | None,
    progress: Progress,
) -> _Found:
    """Place generation, and switch, for least losses."""
    from hybridopt.dg_search import GENETIC, search_dg

    began = time.perf_counter()
    search = search_dg(
        faulted,
        dg,
        seed,
        options.fixed_topology,
        progress,
        loss_before=None if before is None else before.measures["loss"],
        genetic=replace(GENETIC, **options.changes),
    )
    wall_s = time.perf_counter() - began
    closed = dark_as_before(faulted, faulted.closed, search.closed & faulted.usable)
    trees = fed_trees(_with_units(faulted, search.units))
    flow = power_flow(trees, trees.opens(closed))
    if not flow.converged:
        raise NoSolutionError(collapse_in_words(faulted, search.evaluations))
    return _Found(closed, flow, _losses_of(search.log), search.evaluations, wall_s, search.units)


def _losses_of(log: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a search with generation, losses in kW (kWh over several hours) as elsewhere."""
    return [
        {
            IN_KW.get(key, key): 1e3 * value if key in IN_KW and value is not None else value
            for key, value in row.items()
        }
        for row in log
    ]


def find_branches(feeder: Feeder, names: Sequence[str], place: str) -> tuple[int, ...]:
    """Positions of branches by name or number.

    Raises
    ------
    InputError
        Names that no branch has, or that stand there twice.
    """
    known = {str(name): m for m, name in enumerate(feeder.branch_name)}
    found, findings = [], []
    for given in names:
        text = given.strip()
        if text not in known:
            close = get_close_matches(text, known, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ""
            findings.append(Finding(f"{place} {text}", f"no branch has this name{hint}"))
        elif known[text] in found:
            findings.append(Finding(f"{place} {text}", "stands there twice"))
        else:
            found.append(known[text])
    if findings:
        raise InputError(findings)
    return tuple(found)


def _flow(net: Any, feeder: Feeder, closed: Bools, factors: Any) -> FeederFlow | None:
    """Power flow of a state of the feeder; None where there is none."""
    if not feeder.is_radial(closed):
        return meshed_flow(net, feeder, factors)
    trees = fed_trees(feeder)
    flow = power_flow(trees, trees.opens(closed))
    return flow if flow.converged else None


def _after_fault(faulted: Feeder, fault: tuple[int, ...]) -> FeederFlow | None:
    if not fault:
        return None
    closed = faulted.closed & faulted.usable
    trees = fed_trees(faulted)
    flow = power_flow(trees, trees.opens(closed))
    return flow if flow.converged else None


def _search(
    trees: FeederTrees,
    options: ReconfigureOptions,
    weights: Floats,
    seed: int,
    progress: Progress,
) -> TreeSearch:
    if options.fixed_topology or not trees.n_open:  # there is nothing to choose
        opens = trees.opens(trees.feeder.closed) if options.fixed_topology else np.empty(0, int)
        measures = evaluate(trees.arrays, opens[None].astype(np.int64))
        over = float(measures[0, 1]) if measures[0, 1] > WITHIN else 0.0
        value = values(trees, opens[None], measures, weights)[0]
        return TreeSearch(opens, (over, 0.0, float(value)), [], 1, "nothing to choose")
    if options.encoding == EDGES:
        return _edges(trees, options, weights, seed, progress)
    name = options.goal.name
    return search_classic(trees, weights, seed, name, options.encoding, progress, options.classic)


def _edges(
    trees: FeederTrees,
    options: ReconfigureOptions,
    weights: Floats,
    seed: int,
    progress: Progress,
) -> TreeSearch:
    suited = default_options(trees, options.changes)
    return search_trees(trees, weights, seed, options.goal.name, progress, suited)


def _prove(
    trees: FeederTrees, options: ReconfigureOptions, weights: Floats, progress: Progress
) -> tuple[Proof | None, int | None]:
    """Proof by enumeration where it is asked for or short, and the number of configurations."""
    if options.fixed_topology or trees.arrays.has[2]:
        return None, None
    count = count_configurations(trees)
    number = int(count) if np.isfinite(count) else None
    wanted = worth_while(trees, count) if options.proof is None else options.proof
    if not wanted:
        return None, number
    if number is None or number > 1e10:
        message = f"{count:.3g} configurations are too many to look at each"
        raise InputError([Finding("--proof", message)])
    return best_of_all(trees, weights, progress), number


def _better_of(trees: FeederTrees, search: TreeSearch, proof: Proof, weights: Floats) -> Ints:
    """The better of two trees; the enumeration's figures are less precise than its order."""
    opens = np.stack([np.sort(search.opens), proof.opens])
    measures = evaluate(trees.arrays, opens)
    over = np.where(measures[:, 1] > WITHIN, measures[:, 1], 0.0)
    keys = list(zip(over, values(trees, opens, measures, weights), strict=True))
    best: Ints = opens[0] if keys[0] <= keys[1] else opens[1]
    return best


def _value(goal: Goal, faulted: Feeder, found: _Found, before: FeederFlow | None) -> float:
    """Objective of the result, from its power flow; f1 is the reduction of the losses."""
    trees = fed_trees(faulted)
    measures = np.array([found.flow.measures[name] for name in MEASURES])
    value = goal.value(trees, trees.opens(found.closed), measures)
    if goal.name != "loss_reduction":
        return value
    if before is None:
        return float("nan")
    return before.measures["loss"] * faulted.base_mva * 1e3 - value


def _with_units(feeder: Feeder, units: Sequence[FeederUnit]) -> Feeder:
    """The feeder with what units inject."""
    bus = np.array([unit.bus for unit in units], dtype=np.int64)
    p, q = (
        np.array([getattr(unit, name) for unit in units]).reshape(len(bus), feeder.n_t).T
        / feeder.base_mva
        for name in ("p_mw", "q_mvar")
    )
    return feeder.with_injection(bus, p, q)


def _reduction(feeder: Feeder, before: FeederFlow | None, found: _Found) -> dict[str, Any]:
    """Loss reductions; none where a state is not radial or has no power flow."""
    trees = fed_trees(feeder)
    without = power_flow(trees, trees.opens(found.closed))
    if before is None or not feeder.is_radial(feeder.closed) or not without.converged:
        return {}
    return loss_reductions(feeder, before, without, found.flow, found.units, found.closed)


def _pareto(
    trees: FeederTrees,
    options: ReconfigureOptions,
    seed: int,
    found: _Found,
    progress: Progress,
) -> list[dict[str, Any]]:
    """The front as rows: objectives with their units, open branches, voltages."""
    if not options.pareto:
        return []
    count, opens = count_configurations(trees), found.opens
    exact = worth_while(trees, count) and options.proof is not False
    starts = [trees.normal_tree()]
    if opens is not None and len(opens) == trees.n_open:
        starts.append(opens)
    front = pareto_front(trees, options.pareto, seed, progress, exact=exact, starts=starts)
    names = trees.feeder.branch_name
    mw = trees.feeder.base_mva
    energy = "loss_kw" if trees.feeder.n_t == 1 else "loss_kwh"
    return [
        {
            energy: float(measures[2]) * mw * 1e3,
            "switching_operations": int(operations(trees, row[None])[0]),
            "voltage_drop_pu": float(measures[3]),
            "max_voltage_drop_pu": float(measures[4]),
            "load_balance": float(measures[5]),
            "min_vm_pu": float(measures[6]),
            "open_branches": [names[m] for m in trees.branch[row]],
            "exact": exact,
        }
        for row, _, measures in front
    ]
