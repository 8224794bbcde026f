"""After a fault, and on the way to a configuration: dead sections, shedding, switching steps."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.feeder_result import Step
from hybridopt.feeder_trees import FeederTrees, fed_trees, power_flow
from hybridopt.solvers.radial import (
    ITERATIONS,
    MIN_VM,
    UNSERVED,
    WITHIN,
    RadialArrays,
    evaluate,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from hybridopt.feeder import Feeder

    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]


def with_shedding(trees: FeederTrees) -> FeederTrees:
    """Trees that may leave buses without supply.

    A bus more, the root of what is dark, and a branch of no impedance from it to every bus with
    load: a tree of this network feeds some buses and leaves the rest dark. Those branches come
    last, count as no switching operation, and stand for nothing in the feeder.
    """
    arrays = trees.arrays
    n = len(trees.bus)
    loaded = np.flatnonzero((arrays.load != 0).any(axis=(0, 2)) & (arrays.source == 0))
    more = len(loaded)
    ends = np.concatenate([arrays.ends, np.column_stack([np.full(more, n), loaded])])
    source = np.concatenate([arrays.source, [-1.0]])
    first = int(np.flatnonzero(arrays.source > 0)[0])
    nodes = np.concatenate([trees.nodes, np.column_stack([np.full(more, first), loaded])])
    table = np.zeros((more, arrays.branch.shape[1]))
    table[:, 2], table[:, 7:9], table[:, 9] = 1.0, np.inf, -1.0
    extended = RadialArrays(
        ends=ends,
        start=np.concatenate([[0], np.cumsum(np.bincount(ends.ravel(), minlength=n + 1))]),
        near=np.argsort(ends.ravel(), kind="stable") // 2,
        branch=np.concatenate([arrays.branch, table]),
        cuttable=np.concatenate([arrays.cuttable, np.ones(more, dtype=bool)]),
        normal=np.concatenate([arrays.normal, np.full(more, -1)]),
        load=np.ascontiguousarray(
            np.concatenate([arrays.load, np.zeros_like(arrays.load[:, :1])], 1)
        ),
        source=source,
        dt=arrays.dt,
        vm=np.concatenate([arrays.vm, [[0.0, np.inf]]]),
        has=np.array([arrays.has[0], arrays.has[1], True]),
    )
    return replace(
        trees,
        branch=np.concatenate([trees.branch, np.full(more, -1)]),
        bus=np.concatenate([trees.bus, [-1]]),
        arrays=extended,
        nodes=nodes,
    )


def dark_as_before(feeder: Feeder, before: Bools, after: Bools) -> Bools:
    """Leave branches between buses without supply as they were, but open their loops.

    Parameters
    ----------
    feeder : branches out of use stay open
    before, after : (n_branch,) closed branches; what ``after`` feeds stays as it is
    """
    found, fed = after.copy(), feeder.reached(after)
    dark = np.flatnonzero(~fed[feeder.branch_from] & ~fed[feeder.branch_to])
    found[dark] = False
    above = np.arange(feeder.n_bus)

    def top(bus: int) -> int:
        while above[bus] != bus:
            bus = int(above[bus])
        return bus

    dark = dark[before[dark] & feeder.usable[dark]]
    for m in sorted(dark.tolist(), key=lambda m: bool(feeder.switchable[m])):
        ends = top(int(feeder.branch_from[m])), top(int(feeder.branch_to[m]))
        found[m] = ends[0] != ends[1]
        above[ends[0]] = ends[1]
    return found


def switching_steps(
    feeder: Feeder, before: Bools, after: Bools, fault: Iterable[int] = ()
) -> tuple[Step, ...]:
    """Order the operations from one radial state to another so that every state is radial.

    A tie that feeds a dead section is closed at once; otherwise a branch is opened just before the
    tie that takes over what it fed; of all such ties or pairs the one that leaves the highest
    lowest voltage. Branches that leave load dark are opened last. The feeder after each operation
    is given: what is fed, its lowest voltage, whether it is radial.
    """
    gone = list(fault)
    faulted = feeder.without(gone)
    trees = fed_trees(faulted)
    state = before.copy()
    state[gone] = False
    opening = [int(m) for m in np.flatnonzero(state & ~after)]
    closing = [int(m) for m in np.flatnonzero(~state & after)]
    steps = []

    def operate(branch: int, *, closes: bool) -> None:
        state[branch] = closes
        (closing if closes else opening).remove(branch)
        steps.append(_step(trees, state, branch, closes=closes))

    while closing:
        fed = faulted.reached(state)
        free = [m for m in closing if not _loops(faulted, fed, m)]
        useful = [m for m in free if fed[feeder.branch_from[m]] or fed[feeder.branch_to[m]]]
        if useful or (free and not opening):
            operate(_best_closing(trees, state, useful or free), closes=True)
            continue
        pair = _best_pair(trees, state, opening, closing)
        if pair is None:  # no exchange keeps it radial: as it comes
            pair = (opening[0] if opening else -1, closing[0])
        if pair[0] >= 0:
            operate(pair[0], closes=False)
        operate(pair[1], closes=True)
    for m in list(opening):
        operate(m, closes=False)
    return tuple(steps)


def _loops(feeder: Feeder, fed: Bools, branch: int) -> bool:
    """Whether closing a branch joins two buses that are fed already."""
    return bool(fed[feeder.branch_from[branch]] and fed[feeder.branch_to[branch]])


def _best_closing(trees: FeederTrees, state: Bools, ties: list[int]) -> int:
    """The tie to close that leaves the highest lowest voltage, the first of equals."""
    rows = np.stack([trees.opens(state | (np.arange(len(state)) == m)) for m in ties])
    found = evaluate(trees.arrays, rows, 1e-9)
    return ties[int(np.argmax(np.where(found[:, ITERATIONS] > 0, found[:, MIN_VM], -1.0)))]


def _best_pair(
    trees: FeederTrees, state: Bools, opening: list[int], closing: list[int]
) -> tuple[int, int] | None:
    """The branch to open and the tie that takes over, with the highest lowest voltage then."""
    now = evaluate(trees.arrays, trees.opens(state)[None], 1e-9)[0]
    pairs = [(m, t) for t in closing for m in opening]
    rows = []
    for m, t in pairs:
        trial = state.copy()
        trial[m], trial[t] = False, True
        rows.append(trees.opens(trial))
    if not rows:
        return None
    found = evaluate(trees.arrays, np.stack(rows), 1e-9)
    good = (found[:, ITERATIONS] > 0) & (found[:, UNSERVED] <= now[UNSERVED] + WITHIN)
    if not good.any():
        return None
    return pairs[int(np.argmax(np.where(good, found[:, MIN_VM], -1.0)))]


def _step(trees: FeederTrees, closed: Bools, branch: int, *, closes: bool) -> Step:
    feeder = trees.feeder
    fed = feeder.reached(closed)
    served = float((feeder.served[:, fed].sum(axis=1)).max() * feeder.base_mva)
    radial = feeder.is_radial(closed)
    flow = None
    if radial:
        flow = power_flow(trees, trees.opens(closed))
    solved = flow is not None and flow.converged
    return Step(
        branch=branch,
        closes=closes,
        served_mw=served,
        min_vm_pu=flow.measures["min_vm"] if flow is not None and solved else float("nan"),
        radial=radial,
        within_limits=bool(solved and flow is not None and flow.measures["violation"] <= WITHIN),
    )


def dead_sections(feeder: Feeder, closed: Bools) -> list[Ints]:
    """Buses without supply, those that closed branches connect together; loads or not."""
    import networkx as nx

    fed = feeder.reached(closed)
    graph = nx.Graph()
    graph.add_nodes_from(int(b) for b in np.flatnonzero(~fed))
    for m in np.flatnonzero(closed & feeder.usable):
        a, b = int(feeder.branch_from[m]), int(feeder.branch_to[m])
        if not fed[a] and not fed[b]:
            graph.add_edge(a, b)
    parts = [np.array(sorted(part), dtype=np.int64) for part in nx.connected_components(graph)]
    return sorted(parts, key=lambda part: int(part[0]))
