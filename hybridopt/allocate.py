"""The study of where to connect load and generation: assign profiles to the points of a network.

Reference D's problem: two permutations say which household's load and which generator stand at
which point of a low-voltage network, so that the largest line loading, summed over the hours, is
least, voltages and branches within their limits.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.allocation import Allocation, Day
from hybridopt.allocation_dispatch import Battery, check_batteries, refine
from hybridopt.allocation_goal import NAMES, Goal, in_units
from hybridopt.allocation_outages import outages
from hybridopt.allocation_pareto import pareto_front
from hybridopt.allocation_profiles import check_pair, padded, warn_of_kw
from hybridopt.allocation_search import METHODS, SELECTIONS, Problem, default_options, search_orders
from hybridopt.errors import Finding, InputError
from hybridopt.network_allocation import allocation_network, ask_pandapower, capacity_mva
from hybridopt.progress import NoProgress
from hybridopt.solvers.injections import ITERATIONS, VIOLATION, flows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from hybridopt.allocation_profiles import Profiles
    from hybridopt.network_allocation import AllocationNetwork
    from hybridopt.progress import Progress

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

MOVES = {"both": (True, True), "load": (True, False), "generation": (False, True)}


@dataclass(frozen=True)
class AllocateOptions:
    """What to minimise, and how.

    Attributes
    ----------
    goal : the objective
    move : "both", "load" or "generation": what may be moved; the rest keeps the given order
    method : "memetic", or "genetic": reference D's algorithm
    changes : settings of the genetic algorithm by name
    pareto : names of a front's objectives, or none
    n_minus_1 : check what is left when each branch is out
    batteries, inverter_mva : what is dispatched afterwards, see
        :func:`hybridopt.allocation_dispatch.refine`
    """

    goal: Goal = field(default_factory=Goal)
    move: str = "both"
    method: str = "memetic"
    changes: Mapping[str, Any] = field(default_factory=dict)
    pareto: tuple[str, ...] = ()
    n_minus_1: bool = False
    batteries: tuple[Battery, ...] = ()
    inverter_mva: float | None = None

    def check(self) -> None:
        """Raise InputError for words that mean nothing."""
        findings = []
        for name, value, known in (
            ("--move", self.move, tuple(MOVES)),
            ("--method", self.method, METHODS),
            ("--selection", self.changes.get("selection", SELECTIONS[0]), SELECTIONS),
        ):
            if value not in known:
                findings.append(Finding(name, f"must be {' or '.join(known)}, found {value!r}"))
        if findings:
            raise InputError(findings)


def allocate(
    net: Any,
    load: Profiles,
    generation: Profiles,
    options: AllocateOptions | None = None,
    *,
    name: str = "network",
    points: Sequence[Any] | None = None,
    vm_limits: tuple[float | None, float | None] = (None, None),
    power_factors: tuple[float, float] = (1.0, 1.0),
    seed: int = 0,
    progress: Progress | None = None,
) -> Allocation:
    """Assign profiles to points so that an objective is least.

    Parameters
    ----------
    net : pandapower net; it is left alone
    load, generation : the profiles, see :func:`hybridopt.allocation_profiles.read_profiles`
    points, vm_limits, power_factors : see
        :func:`hybridopt.network_allocation.allocation_network`

    Raises
    ------
    InputError
        Everything that is wrong with the input.

    Returns
    -------
    Allocation
        The same for the same seed.
    """
    began = time.perf_counter()
    options, progress = options or AllocateOptions(), progress or NoProgress()
    options.check()
    n_t = load.p_mw.shape[1]
    network = allocation_network(net, name, points, n_t, vm_limits, power_factors)
    check_pair(load, generation, len(network.points), name)
    check_batteries(network, options.batteries)
    problem = problem_of(network, load, generation, options.move)
    weights = options.goal.kernel_weights(network.base_mva)
    found = search_orders(
        problem,
        weights,
        seed,
        options.goal.name,
        progress,
        options.method,
        default_options(options.method, options.changes),
    )
    given = np.arange(problem.n_point, dtype=np.int64)
    before = day_of(network, problem, given, given)
    after = day_of(network, problem, found.load_order, found.generation_order)
    front = (
        pareto_front(network, problem, options.pareto, after, seed, progress)
        if options.pareto
        else []
    )
    cut = outages(network, problem, after, progress) if options.n_minus_1 else []
    refines = after.converged and (options.batteries or options.inverter_mva is not None)
    branch = _branches(network)
    return Allocation(
        name=name,
        seed=seed,
        method=options.method,
        objective=options.goal.name,
        unit=options.goal.unit,
        value=_value(options.goal, after),
        value_before=_value(options.goal, before),
        network=network,
        branches=tuple(network.grid.branch_name[m] for m in branch),
        is_line=np.array([network.grid.branch_kind[m] == "line" for m in branch], dtype=bool),
        ends=_ends(network, branch),
        load=load,
        generation=generation,
        before=before,
        after=after,
        log=found.log,
        evaluations=found.evaluations,
        estimated=found.estimated,
        stopped_because=found.stopped_because,
        verification=_verified(network, problem, after, progress),
        wall_s=time.perf_counter() - began,
        limit=limit_of(network, after),
        front=front,
        front_names=options.pareto,
        outages=cut,
        refinement=refine(
            network,
            problem,
            after,
            options.goal,
            options.batteries,
            options.inverter_mva,
            progress,
        )
        if refines
        else None,
        warnings=tuple(warn_of_kw(load, generation, capacity_mva(network))),
    )


def problem_of(
    network: AllocationNetwork, load: Profiles, generation: Profiles, move: str = "both"
) -> Problem:
    """The search's problem, in per unit."""
    n, base = len(network.points), network.base_mva
    return Problem(
        network.arrays, padded(load, n) / base, padded(generation, n) / base, MOVES[move]
    )


def _value(goal: Goal, day: Day) -> float:
    return goal.value(np.array([day.objectives[name] for name in NAMES]))


def _branches(network: AllocationNetwork) -> Ints:
    """Grid positions of the limited branches, lines first, each once."""
    return np.array(list(dict.fromkeys(network.branch.tolist())), dtype=np.int64)


def _ends(network: AllocationNetwork, branch: Ints) -> Ints:
    grid = network.grid
    ids = np.array(grid.bus_id, dtype=np.int64)
    return np.stack([ids[grid.branch_from[branch]], ids[grid.branch_to[branch]]], axis=1)


def day_of(
    network: AllocationNetwork, problem: Problem, load_order: Ints, generation_order: Ints
) -> Day:
    """Power flow of an allocation over the hours, in users' units."""
    arrays, base = network.arrays, network.base_mva
    all_v, end, out, found = flows(
        arrays, problem.load, problem.generation, load_order, generation_order
    )
    converged = bool(found[ITERATIONS] > 0)
    if not converged:  # nothing of it means anything
        all_v, end, out = (np.full_like(x, np.nan) for x in (all_v, end, out))
    used = np.hypot(end[0], end[1]).T * arrays.share * 100
    branch = _branches(network)
    loading = np.zeros((used.shape[0], len(branch)))
    for k, m in enumerate(branch):
        loading[:, k] = used[:, network.branch == m].max(axis=1, initial=0.0)
    given = arrays.source[:, 0] @ out[0] + arrays.source[:, 1] @ out[1] + arrays.own
    drawn = _drawn(network, problem, all_v, load_order, generation_order)
    units = in_units(found, base)
    return Day(
        load_order=load_order,
        generation_order=generation_order,
        objectives=dict(zip(NAMES, map(float, units), strict=True)),
        violation=float(found[VIOLATION]),
        converged=converged,
        vm_pu=np.hypot(all_v[0], all_v[1]).T,
        loading_percent=loading,
        grid_mw=given * base,
        loss_mw=(given - drawn) * base,
    )


def _drawn(
    network: AllocationNetwork,
    problem: Problem,
    all_v: Floats,
    load_order: Ints,
    generation_order: Ints,
) -> Floats:
    """Active power that the buses draw in each hour, (n_t,), pu."""
    arrays = network.arrays
    place = np.searchsorted(network.bus_index, [network.grid.bus_id[b] for b in network.active])
    vm = np.hypot(all_v[0], all_v[1])[place]
    p = arrays.fixed[:, :, 0, None] * np.ones(len(arrays.dt))
    for kind in range(3):
        np.add.at(p[kind], arrays.at, arrays.zip_p[:, kind, None] * problem.load[load_order])
    np.add.at(p[0], arrays.at, -problem.generation[generation_order])
    total: Floats = (p[0] + p[1] * vm + p[2] * vm**2).sum(axis=0) + arrays.own
    return total


def limit_of(network: AllocationNetwork, day: Day) -> str:
    """The worst limit that an allocation violates; empty if none."""
    if not day.converged:
        return "no power flow: the network cannot carry these profiles"
    if day.violation == 0.0:
        return ""
    low, high = network.arrays.vm[:, 0], network.arrays.vm[:, 1]
    found: list[tuple[float, str]] = []
    for short, words in ((low - day.vm_pu, "below"), (day.vm_pu - high, "above")):
        t, b = np.unravel_index(int(np.argmax(short)), short.shape)
        bound = low[b] if words == "below" else high[b]
        text = f"hour {t + 1}, bus {network.bus_index[b]}: {day.vm_pu[t, b]:.4f} pu, {words} "
        found.append((float(short[t, b]), f"{text}{bound:g} pu"))
    branch = _branches(network)
    share = np.array([network.grid.rate_share[m] for m in branch]) * 100
    over = day.loading_percent / share - 1.0
    if over.size:
        t, m = np.unravel_index(int(np.argmax(over)), over.shape)
        name = network.grid.branch_name[branch[m]]
        text = f"hour {t + 1}, branch {name}: {day.loading_percent[t, m]:.1f} %, above "
        found.append((float(over[t, m]), f"{text}{share[m]:g} %"))
    return max(found)[1]


def _verified(
    network: AllocationNetwork, problem: Problem, day: Day, progress: Progress
) -> dict[str, Any]:
    """Pandapower's own figures beside ours."""
    load = problem.load[day.load_order] * network.base_mva
    generation = problem.generation[day.generation_order] * network.base_mva
    with progress.task("Verification by power flow", load.shape[1]) as advance:
        said = ask_pandapower(network, load, generation, report=advance)
    if said.failed:
        return {"hours_checked": load.shape[1] - said.failed, "hours_failed": said.failed}
    theirs = {
        "line_loading": float(said.line_loading.sum()),
        "losses": float(said.loss_mw.sum()),
        "grid_energy": float(np.maximum(said.grid_mw, 0.0).sum()),
        "voltage_deviation": float(said.deviation.sum()),
    }
    return {
        "hours_checked": load.shape[1],
        "hours_failed": 0,
        **theirs,
        "max_difference": max(abs(theirs[name] - day.objectives[name]) for name in NAMES),
    }
