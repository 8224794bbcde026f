"""What is served while some of the damaged elements are repaired: AC load delivery, kept by set."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.dispatch import Dispatcher
from hybridopt.grid import DGSites, Plan
from hybridopt.hours import UNSERVED

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.compiled import State
    from hybridopt.grid import Grid
    from hybridopt.network_repairs import RepairProblem
    from hybridopt.solvers.ipopt import Solution

    Floats = NDArray[np.float64]

HOURS = 24
WHOLE = 1e-6  # a load of which less than this share is missing is served
HELD = 1e-6  # room below a share that must be kept


@dataclass(frozen=True, eq=False)
class Delivery:
    """What is served at one load level.

    Attributes
    ----------
    shed_mw : (n_bus,), lost loads count as shed
    unserved_mw : sum;  weighted_mw : the same, weighted by priority
    """

    shed_mw: Floats
    unserved_mw: float
    weighted_mw: float


class Service:
    """Delivery by the set of repaired elements and the hour of the day; each is solved once.

    A *node* says what a delivery depends on. Here it is the set itself; see :class:`HeldService`
    for loads that are never dropped.

    Attributes
    ----------
    solves, failed : deliveries solved; those without a feasible point, in which all is dark
    """

    def __init__(self, problem: RepairProblem) -> None:
        self.problem = problem
        scenario = problem.scenario
        self.compiled = self._dispatcher(scenario.grid)
        self.levels = self.compiled.levels
        self.priority = np.ones(scenario.grid.n_bus)
        for bus, weight in scenario.settings.priority.items():
            self.priority[bus] = weight
        base = scenario.grid.base_mva
        p_all, _ = scenario.grid.demand()
        self.demand_mw = self.levels.factor * p_all * base  # (n_level, n_bus)
        self.tolerance_mw = scenario.settings.unserved_tolerance_mw
        self.solves = self.failed = 0
        self._of_set: dict[int, Dispatcher] = {}
        self._known: dict[tuple[int, int], Delivery] = {}

    def _dispatcher(self, grid: Grid) -> Dispatcher:
        scenario = self.problem.scenario
        return Dispatcher(grid, DGSites(), scenario.horizon, scenario.settings)

    def dispatcher(self, repaired: int) -> Dispatcher:
        """Dispatcher of a set's grid; all share the models compiled for the whole network."""
        if repaired not in self._of_set:
            found = self._dispatcher(self.problem.grid_of(repaired))
            found._hour = self.compiled.hour
            self._of_set[repaired] = found
        return self._of_set[repaired]

    def level_at(self, time_h: float) -> int:
        """Load level at a time after the event."""
        hour = (self.problem.terms.start_hour - 1 + int(time_h)) % HOURS
        return int(self.levels.of_hour[hour])

    def first(self, repaired: int) -> int:
        """Node right after the event."""
        return repaired

    def then(self, node: int, repaired: int) -> int:
        """Node after another one, when more is repaired."""
        return repaired

    def deliver(self, node: int, level: int) -> Delivery:
        """What is served at a node and a load level."""
        key = (node, level)
        if key not in self._known:
            state = self.state(node, level)
            self._known[key] = self.delivery(node, level, self.shares(state)[1])
        return self._known[key]

    def state(self, repaired: int, level: int) -> State:
        """One hour of a set's grid."""
        state = self.dispatcher(repaired).state(Plan(), np.array([level]))
        state.dt[:] = 1.0
        return state

    def delivery(self, repaired: int, level: int, share: Floats) -> Delivery:
        """Shares of connected loads, (n_bus,), as unserved power."""
        grid = self.dispatcher(repaired).grid
        p_can, _ = grid.demand(connected_only=True)
        served = self.levels.factor[level] * p_can * grid.base_mva * share
        shed = self.demand_mw[level] - served
        shed = np.where(abs(shed) < 1e-9 * grid.base_mva, 0.0, shed).clip(0.0)
        if shed.sum() < self.tolerance_mw:
            shed = np.zeros_like(shed)
        return Delivery(shed, float(shed.sum()), float(self.priority @ shed))

    def shares(self, state: State) -> tuple[State, Floats]:
        """Maximum load delivery: the units that run, and the share of each bus's connected load."""
        solver = self.compiled.hour
        alive, _ = solver.model.energised(state)
        if not alive.any():
            return state, np.zeros(solver.model.grid.n_bus)
        found = solver.solve(state, [UNSERVED], expect_full=False, complete=False)
        self.solves += found.solves
        if not found.solution.ok:
            self.failed += 1
            return state, np.zeros(solver.model.grid.n_bus)
        return found.state, self._served(found.state, found.solution)

    def _served(self, state: State, solution: Solution) -> Floats:
        """Share of each bus's connected load at a solution, (n_bus,)."""
        model = self.compiled.hour.model
        alive, _ = model.energised(state)
        share = np.clip(np.where(alive[0], model.value(solution, model.served)[0], 0.0), 0.0, 1.0)
        return np.where(share > 1 - WHOLE, 1.0, share)

    def drops(self, node: int) -> int:
        """Whether something had to be dropped to come to a node: here nothing is held."""
        return 0

    def falls_short(self, node: int, level: int) -> bool:
        """Whether less is served than is connected: here that is connected which is served."""
        return False


class HeldService(Service):
    """The same where loads, once connected, are never dropped.

    In a step only as much is connected as can be held when every bus has the largest load of its
    day, and no bus's share falls below what it had in the step before. So what is served depends on
    the steps before: a node is a set and the shares connected then. What is connected is delivered
    at each load level anew: units that cannot run at a light load may have to stand still.
    """

    def __init__(self, problem: RepairProblem) -> None:
        super().__init__(problem)
        self.nodes: list[tuple[int, Floats]] = []
        self._numbers: dict[tuple[int, bytes, int], int] = {}
        self._steps: dict[tuple[int, int], int] = {}
        self._peaks: dict[int, tuple[State, Floats]] = {}
        self._drops: list[int] = []
        self._kept: dict[tuple[int, int], tuple[State, Floats, bool]] = {}

    def first(self, repaired: int) -> int:
        """Node right after the event."""
        return self._node(repaired, self._peak(repaired)[1], 0)

    def then(self, node: int, repaired: int) -> int:
        """Node after another one: no share becomes smaller, if that is possible at all."""
        key = (node, repaired)
        if key not in self._steps:
            held, drops = self.nodes[node][1], self._drops[node]
            state, share = self._peak(repaired)
            if np.any(share < held - HELD):
                least = self._at_least(held, state)
                drops += least is None
                share = share if least is None else least
            self._steps[key] = self._node(repaired, share, drops)
        return self._steps[key]

    def deliver(self, node: int, level: int) -> Delivery:
        """What is served at a node and a load level."""
        key = (node, level)
        if key not in self._known:
            self._known[key] = self.delivery(self.nodes[node][0], level, self.kept(node, level)[1])
        return self._known[key]

    def falls_short(self, node: int, level: int) -> bool:
        """Whether less is served than is connected."""
        return self.kept(node, level)[2]

    def kept(self, node: int, level: int) -> tuple[State, Floats, bool]:
        """What runs at a load level, the share served at each bus, and whether some is missing.

        The shares, (n_bus,), are of the loads that are whole; what is connected can be missing.
        """
        key = (node, level)
        if key not in self._kept:
            repaired, connected = self.nodes[node]
            state = self.state(repaired, level)
            asked = state.p_demand[0] * connected
            found, share = self.shares(
                replace(
                    state,
                    p_demand=state.p_demand * connected,
                    q_demand=state.q_demand * connected,
                )
            )
            short = bool(np.any((share < 1.0) & (asked > 0)))
            running = replace(found, p_demand=state.p_demand, q_demand=state.q_demand)
            self._kept[key] = running, np.where(asked > 0, connected * share, connected), short
        return self._kept[key]

    def drops(self, node: int) -> int:
        """Number of steps to a node in which something had to be dropped all the same."""
        return self._drops[node]

    def _node(self, repaired: int, share: Floats, drops: int) -> int:
        key = (repaired, share.round(6).tobytes(), drops)
        if key not in self._numbers:
            self._numbers[key] = len(self.nodes)
            self.nodes.append((repaired, share))
            self._drops.append(drops)
        return self._numbers[key]

    def _peak(self, repaired: int) -> tuple[State, Floats]:
        """Delivery of a set with the largest load of the day at every bus."""
        if repaired not in self._peaks:
            every = self.dispatcher(repaired).state(Plan(), np.arange(len(self.demand_mw)))
            state = self.state(repaired, 0)
            state = replace(
                state,
                p_demand=_largest(every.p_demand),
                q_demand=_largest(every.q_demand),
                p_max=every.p_max.min(axis=0, keepdims=True),
            )
            self._peaks[repaired] = self.shares(state)
        return self._peaks[repaired]

    def _at_least(self, held: Floats, state: State) -> Floats | None:
        """Maximum load delivery with a least share for each bus; None where there is none."""
        solver = self.compiled.hour
        bounds = solver.model.bounds(state, UNSERVED)
        columns = solver.model.served[0]
        at = np.flatnonzero((columns >= 0) & (held > 0))
        at = at[bounds.x_min[columns[at]] < bounds.x_max[columns[at]]]
        bounds.x_min[columns[at]] = (held[at] - HELD).clip(0.0)
        found = solver.model.nlp.solve(bounds, solver.options)
        self.solves += 1
        return np.maximum(self._served(state, found), held) if found.ok else None


def _largest(values: Floats) -> Floats:
    """The entry of the largest magnitude of each column, (1, n)."""
    rows = abs(values).argmax(axis=0)
    return np.take_along_axis(values, rows[None], axis=0)
