"""A feeder's configurations as trees: what the kernels take, and what they give back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.errors import NoSolutionError
from hybridopt.feeder import shown_buses
from hybridopt.solvers import radial
from hybridopt.solvers.radial import RadialArrays
from hybridopt.solvers.trees import kruskal

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.feeder import Feeder

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class FeederTrees:
    """The trees of a feeder. Branches and buses that no tree can use are left out.

    Attributes
    ----------
    feeder : Feeder
    branch : (m,) position in the feeder of each branch here
    bus : (n,) position in the feeder of each bus here
    arrays : the network as the kernels take it
    nodes : (m, 2) ends, sources merged into one
    """

    feeder: Feeder
    branch: Ints
    bus: Ints
    arrays: RadialArrays
    nodes: Ints

    @property
    def n_open(self) -> int:
        """Number of open branches of each tree (of loops)."""
        return len(self.branch) - len(self.bus) + int((self.arrays.source != 0).sum())

    def closed(self, opens: Ints) -> Bools:
        """Closed branches of the feeder in a tree, (n_branch,)."""
        here = np.ones(len(self.branch), dtype=bool)
        here[opens[opens >= 0]] = False
        real = self.branch >= 0  # the others stand for load that is left dark
        found = np.zeros(self.feeder.n_branch, dtype=bool)
        found[self.branch[real]] = here[real]
        return found

    def opens(self, closed: Bools) -> Ints:
        """Open branches here of a configuration of the feeder, (k,)."""
        return np.flatnonzero(~closed[self.branch]).astype(np.int64)

    def spanning(self, priority: Floats) -> Ints:
        """Trees that close branches of least priority first; those that cannot open come before.

        Parameters
        ----------
        priority : (n, m), or (m,) for one tree

        Returns
        -------
        (n, k), or (k,): open branches
        """
        rows = np.where(self.arrays.cuttable, np.atleast_2d(priority), -np.inf)
        found: Ints = kruskal(self.nodes, len(self.bus), rows)
        return found if priority.ndim > 1 else found[0]

    def normal_tree(self) -> Ints:
        """The normal state made radial and as far as ties can feed it, with few operations."""
        normal = self.arrays.normal
        return self.spanning(np.select([normal == 1, normal < 0], [0.0, 2.0], 1.0))


def feeder_trees(feeder: Feeder) -> FeederTrees:
    """Trees of what the usable branches can feed.

    Raises
    ------
    NoSolutionError
        Some loads cannot be fed by any configuration. See :func:`unreachable` to ask first.
    """
    lost = unreachable(feeder)
    if lost.size:
        buses = shown_buses([feeder.bus_name[b] for b in lost])
        raise NoSolutionError(
            f"no radial configuration can feed {buses}: every way to a source is open and may not "
            "be switched, or is out of use"
        )
    return fed_trees(feeder)


def unreachable(feeder: Feeder) -> Ints:
    """Buses with load that no configuration can feed."""
    loaded = (feeder.load != 0).any(axis=(0, 1))
    return np.flatnonzero(loaded & ~feeder.reached(feeder.in_tree))


def fed_trees(feeder: Feeder) -> FeederTrees:
    """Trees of what the usable branches can feed; the rest stays dark."""
    reached = feeder.reached(feeder.in_tree)
    bus = np.flatnonzero(reached)
    branch = np.flatnonzero(feeder.in_tree & reached[feeder.branch_from])
    at = np.cumsum(reached) - 1
    ends = np.stack([at[feeder.branch_from[branch]], at[feeder.branch_to[branch]]], axis=1)
    nodes = at[np.stack([feeder.merged(feeder.branch_from), feeder.merged(feeder.branch_to)], 1)]
    n = len(bus)
    start = np.concatenate([[0], np.cumsum(np.bincount(ends.ravel(), minlength=n))])
    near = np.argsort(ends.ravel(), kind="stable") // 2
    columns = ("r", "x", "ratio", "g_from", "b_from", "g_to", "b_to", "i_from", "i_to")
    table = np.stack([getattr(feeder, name)[branch] for name in columns], axis=1)
    hangs = feeder.hangs_at[branch]
    hangs = np.where((hangs >= 0) & reached[hangs], at[hangs], -1)
    table = np.column_stack([table, hangs, feeder.g_open[branch], feeder.b_open[branch]])
    vm = np.stack([feeder.vm_min[bus], feeder.vm_max[bus]], axis=1)
    load = np.ascontiguousarray(feeder.load[:, :, bus].transpose(0, 2, 1))
    depends = bool((load[2:] != 0).any() or (table[:, [3, 4, 5, 6, 10, 11]] != 0).any())
    limited = bool(
        np.isfinite(table[:, 7:9]).any() or (vm[:, 0] > 0).any() or np.isfinite(vm[:, 1]).any()
    )
    arrays = RadialArrays(
        ends=ends.astype(np.int64),
        start=start.astype(np.int64),
        near=near.astype(np.int64),
        branch=table,
        cuttable=feeder.switchable[branch].copy(),
        normal=np.where(feeder.closed[branch], 1, 0).astype(np.int64),
        load=load,
        source=feeder.source_vm[bus] ** 2,
        dt=feeder.dt.astype(float),
        vm=vm,
        has=np.array([depends, limited, False]),
    )
    return FeederTrees(feeder, branch, bus, arrays, nodes[branch].astype(np.int64))


@dataclass(frozen=True, eq=False)
class FeederFlow:
    """Power flow of one configuration, of the feeder's buses and branches.

    Attributes
    ----------
    vm : (n_t, n_bus), pu, NaN where dead
    p, q : (n_t, n_branch), pu, out of the branch's load side, counted from the from to the to bus
    measures : by name, see :data:`hybridopt.solvers.radial.MEASURES`
    """

    vm: Floats
    p: Floats
    q: Floats
    measures: dict[str, float]

    @property
    def converged(self) -> bool:
        """Whether the power flow has a solution."""
        return self.measures["iterations"] > 0


def power_flow(trees: FeederTrees, opens: Ints) -> FeederFlow:
    """Solve one tree at full precision."""
    feeder = trees.feeder
    v, p, q, _ = radial.flows(trees.arrays, opens)
    measures = dict(
        zip(radial.MEASURES, radial.evaluate(trees.arrays, opens[None])[0].tolist(), strict=True)
    )
    vm = np.full((feeder.n_t, feeder.n_bus), np.nan)
    vm[:, trees.bus] = np.sqrt(np.where(v > 0, v, np.nan)).T
    flow_p, flow_q = (np.zeros((feeder.n_t, feeder.n_branch)) for _ in range(2))
    flow_p[:, trees.branch], flow_q[:, trees.branch] = p.T, q.T
    return FeederFlow(vm, flow_p, flow_q, measures)
