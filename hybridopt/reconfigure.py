"""Radial reconfiguration of a feeder: search, proof, generation, restoration, and the referee."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.classic_search import ENCODINGS, search_classic
from hybridopt.errors import Finding, InputError, NoSolutionError
from hybridopt.feeder_goal import Goal, operations, values
from hybridopt.feeder_result import Reconfiguration
from hybridopt.feeder_trees import fed_trees, feeder_trees, power_flow
from hybridopt.network_feeder import feeder_from_net
from hybridopt.network_switched import meshed_flow, referee
from hybridopt.progress import NoProgress
from hybridopt.solvers.generational import GenerationalOptions
from hybridopt.solvers.radial import MEASURES, WITHIN, evaluate
from hybridopt.supply import switching_steps, with_shedding
from hybridopt.tree_pareto import pareto_front
from hybridopt.tree_proof import Proof, best_of_all, count_configurations, worth_while
from hybridopt.tree_search import TreeSearch, default_options, search_trees

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.dg_search import DGSearch
    from hybridopt.feeder import Feeder
    from hybridopt.feeder_dispatch import DGOptions
    from hybridopt.feeder_trees import FeederFlow, FeederTrees
    from hybridopt.progress import Progress

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

EDGES = "edges"
ALL_ENCODINGS = (EDGES, *ENCODINGS)


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
        self.goal.check()
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
        if self.dg is not None and self.goal.name not in ("losses", "loss_reduction"):
            message = "with --dg, the objective must be losses or loss_reduction"
            findings.append(Finding(f"--objective {self.goal.name}", message))
        if self.fixed_topology and self.fault:
            message = "leaves what the fault cuts off dark: give one or the other"
            findings.append(Finding("--fixed-topology", message))
        if findings:
            raise InputError(findings)


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
    began = time.perf_counter()
    weights = options.goal.kernel_weights(trees)
    label = options.goal.name
    search = _search(trees, options, weights, seed, label, progress)
    if fault and search.fitness[0] > 0:  # better dark than overloaded
        trees = with_shedding(trees)
        search = _edges(trees, options, weights, seed, label, progress)
    wall_s = time.perf_counter() - began
    if not np.isfinite(search.fitness[0]):
        raise NoSolutionError(_collapse(feeder, search.tried))
    proof, count = _prove(trees, options, weights, progress)
    opens = search.opens
    if proof is not None and proof.fitness < search.fitness:
        opens = _better_of(trees, search, proof, weights)
    closed = trees.closed(opens)
    plain = fed_trees(faulted)
    flow = power_flow(plain, plain.opens(closed))
    generation: dict[str, Any] = {"units": (), "reduction": {}}
    log, tried = search.log, search.tried
    if options.dg is not None:
        found = _generation(feeder, options, seed, progress)
        wall_s = time.perf_counter() - began - (proof.wall_s if proof else 0.0)
        closed, log, tried = found.closed, found.log, tried + found.evaluations
        flow = _with_units(feeder, found)
        generation = {
            "units": found.units,
            "reduction": _reduction(feeder, before, closed, flow, found),
        }
    limit = _limit(feeder, flow)
    result = Reconfiguration(
        feeder=feeder,
        net=net,
        closed_before=feeder.closed,
        closed_after=closed,
        fault=fault,
        flow_before=before,
        flow_fault=_after_fault(faulted, fault),
        flow_after=flow,
        objective=label,
        objective_unit=options.goal.unit(feeder.n_t),
        value=_value(options.goal, feeder, closed, flow),
        log=log,
        evaluations=tried + (proof.configurations if proof else 0),
        seed=seed,
        encoding="fixed" if options.fixed_topology else options.encoding,
        status="infeasible" if limit else "optimal",
        limit=limit,
        proven_optimal=proof is not None and options.dg is None and not options.fixed_topology,
        configurations=count,
        proof_s=proof.wall_s if proof else None,
        wall_s=wall_s,
        steps=switching_steps(feeder, feeder.closed, closed, fault),
        pareto=_pareto(fed_trees(faulted), options, seed, opens, count, progress),
        **generation,
    )
    with progress.task("Verification by power flow", 1) as advance:
        loss_mw = flow.measures["loss"] * feeder.base_mva
        said = referee(net, feeder, closed, flow.vm, loss_mw, result.units, factors, fault)
        advance()
    return replace(result, verification=said)


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
    label: str,
    progress: Progress,
) -> TreeSearch:
    if options.fixed_topology or not trees.n_open:  # there is nothing to choose
        opens = trees.opens(trees.feeder.closed) if options.fixed_topology else np.empty(0, int)
        measures = evaluate(trees.arrays, opens[None].astype(np.int64))
        over = float(measures[0, 1]) if measures[0, 1] > WITHIN else 0.0
        value = values(trees, opens[None], measures, weights)[0]
        return TreeSearch(opens, (over, 0.0, float(value)), [], 1, "nothing to choose")
    if options.encoding == EDGES:
        return _edges(trees, options, weights, seed, label, progress)
    return search_classic(trees, weights, seed, label, options.encoding, progress, options.classic)


def _edges(
    trees: FeederTrees,
    options: ReconfigureOptions,
    weights: Floats,
    seed: int,
    label: str,
    progress: Progress,
) -> TreeSearch:
    suited = default_options(trees, options.changes)
    return search_trees(trees, weights, seed, label, progress, suited)


def _prove(
    trees: FeederTrees, options: ReconfigureOptions, weights: Floats, progress: Progress
) -> tuple[Proof | None, int | None]:
    """Proof by enumeration where it is asked for or short, and the number of configurations."""
    if options.fixed_topology or trees.arrays.has[2]:
        return None, None
    count = count_configurations(trees)
    number = int(count) if np.isfinite(count) else None
    wanted = worth_while(trees, count) if options.proof is None else options.proof
    if not wanted or (options.dg is not None and options.proof is None):
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


def _collapse(feeder: Feeder, tried: int) -> str:
    total = feeder.load[0].sum(axis=1).max() * feeder.base_mva
    return (
        f"the power flow of none of {tried:,} radial configurations looked at has a solution: the "
        f"load of {total:g} MW is more than the feeder can carry; check units (MW, ohm, kV)"
    )


def _limit(feeder: Feeder, flow: FeederFlow) -> str:
    """The limit that a configuration violates most, in words; empty when it meets all."""
    if flow.measures["violation"] <= WITHIN:
        return ""
    short = np.nan_to_num(feeder.vm_min - flow.vm, nan=-1.0)
    over = np.nan_to_num(flow.vm - feeder.vm_max, nan=-1.0)
    v2 = np.nan_to_num(flow.vm[:, feeder.branch_to] ** 2, nan=1.0)
    current = np.hypot(flow.p, flow.q) / np.sqrt(v2)
    loading = current / np.minimum(feeder.i_from, feeder.i_to)
    worst = {"short": short.max(), "over": over.max(), "loading": loading.max() - 1.0}
    kind = max(worst, key=lambda key: worst[key])
    table = {"short": short, "over": over, "loading": loading}[kind]
    t, place = np.unravel_index(int(np.argmax(table)), table.shape)
    hour = f"hour {t + 1}, " if feeder.n_t > 1 else ""
    if kind == "loading":
        return f"{hour}branch {feeder.branch_name[place]}: loaded to {100 * table[t, place]:.1f} %"
    word = "short" if kind == "short" else "too high"
    limit = (feeder.vm_min if kind == "short" else feeder.vm_max)[place]
    return (
        f"{hour}bus {feeder.bus_name[place]}: voltage {flow.vm[t, place]:.5f} pu, {word} by "
        f"{table[t, place]:.5f} pu of the limit {limit:g} pu"
    )


def _value(goal: Goal, feeder: Feeder, closed: Bools, flow: FeederFlow) -> float:
    """Objective of the result, from its power flow."""
    trees = fed_trees(feeder)
    measures = np.array([flow.measures[name] for name in MEASURES])
    return goal.value(trees, trees.opens(closed), measures)


def _generation(
    feeder: Feeder, options: ReconfigureOptions, seed: int, progress: Progress
) -> DGSearch:
    from hybridopt.dg_search import search_dg

    if options.dg is None:
        raise ValueError("no generation is asked for")
    return search_dg(
        feeder, options.dg, seed, fixed_topology=options.fixed_topology, progress=progress
    )


def _with_units(feeder: Feeder, found: DGSearch) -> FeederFlow:
    """Power flow with the units' outputs, by the kernel."""
    base = feeder.base_mva
    bus = np.array([unit.bus for unit in found.units], dtype=np.int64)
    p, q = (
        np.array([getattr(unit, name) for unit in found.units]).reshape(len(bus), feeder.n_t).T
        / base
        for name in ("p_mw", "q_mvar")
    )
    trees = fed_trees(feeder.with_injection(bus, p, q))
    return power_flow(trees, trees.opens(found.closed))


def _reduction(
    feeder: Feeder,
    before: FeederFlow | None,
    closed: Bools,
    flow: FeederFlow,
    found: DGSearch,
) -> dict[str, Any]:
    from hybridopt.loss_reduction import loss_reductions

    trees = fed_trees(feeder)
    without = power_flow(trees, trees.opens(closed))
    if before is None or not without.converged:
        return {}
    return loss_reductions(feeder, before, without, flow, found.units, closed)


def _pareto(
    trees: FeederTrees,
    options: ReconfigureOptions,
    seed: int,
    opens: Ints,
    count: int | None,
    progress: Progress,
) -> list[dict[str, Any]]:
    """The front as rows: objectives with their units, open branches, voltages."""
    if not options.pareto:
        return []
    exact = count is not None and worth_while(trees, count) and options.proof is not False
    fits = len(opens) == trees.n_open
    starts = [trees.normal_tree(), *([opens] if fits else [])]
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
