"""Proven lower bounds on what a plan can reach, without solving the network.

Each island is taken as a copper plate without losses, and ratings as large as money and limits
allow. Both are relaxations of the AC dispatch, so what they cannot serve, or cannot serve at a
price, no dispatch can.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.grid import apply_plan

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from hybridopt.evaluate import Evaluator
    from hybridopt.grid import Grid, Plan

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

NO_BOUND = -np.inf
BISECTIONS = 50  # of the marginal price; any price gives a valid bound, a good one a tight bound


@dataclass(frozen=True, eq=False)
class _Islands:
    """Islands of one topology.

    Attributes
    ----------
    of_bus : (n_bus,)
    demand : (n_level, n_island) connected demand, MW
    supply : (n_island,) largest output of running units and of storage, MW
    forming : (n_island,) holds a unit that can hold a voltage
    """

    of_bus: Ints
    demand: Floats
    supply: Floats
    forming: Bools


class PlanBounds:
    """Lower bounds on the objectives of plans, in the order of the case's objectives.

    Parameters
    ----------
    evaluator : of the plans; at the peak hour alone in mode ``winner``
    """

    def __init__(self, evaluator: Evaluator) -> None:
        self.space = evaluator.space
        dispatcher = evaluator.dispatcher
        self.grid, self.sites, self.settings = dispatcher.grid, dispatcher.sites, evaluator.settings
        levels = dispatcher.levels
        self.at_peak = evaluator.mode == "winner"
        rows = np.array([dispatcher.peak_level]) if self.at_peak else np.arange(len(levels.factor))
        self.factor, self.profile = levels.factor[rows], levels.profile[rows]
        self.price = levels.price[rows]
        self.weight_h = np.ones(1) if self.at_peak else levels.weight_h
        self.peak_level = int(np.flatnonzero(rows == dispatcher.peak_level)[0])
        base = self.grid.base_mva
        everything, connected = self.grid.demand()[0], self.grid.demand(connected_only=True)[0]
        self.lost = np.asarray(self.factor @ (everything - connected)) * base
        self.connected = self.factor * connected * base
        self.running = self.grid.gen_in_service & self.grid.bus_in_service[self.grid.gen_bus]
        self.convex = has_plain_costs(self.grid)
        self.passive = never_generates(self.grid) and not np.any(self.grid.zip_p)
        self._topologies: dict[tuple[int, ...], _Islands] = {}

    def __call__(self, plan: Plan) -> tuple[float, ...]:
        """Bounds of a plan; those after the first hold if it serves everything."""
        names = [
            next(iter(w)) if len(w) == 1 and set(w.values()) == {1.0} else ""
            for w in self.settings.objectives
        ]
        if not self.passive or names[0] not in ("unserved_mwh", "unserved_peak_mw"):
            return (NO_BOUND,) * len(names)
        islands = self._islands(plan)
        alone, shared = self._short(plan, islands)
        unserved = alone + shared - self._from_dg(plan)
        unserved = np.maximum(np.maximum(unserved, alone), 0.0) + self.lost
        unserved = np.where(unserved < self.settings.unserved_tolerance_mw, 0.0, unserved)
        if names[0] == "unserved_mwh":
            first = float(unserved @ self.weight_h)
        else:
            first = float(unserved[self.peak_level])
        bounds = [first * (1 - 1e-9)]
        for name in names[1:]:
            if first > 0.0 or len(bounds) > 1:
                bounds.append(NO_BOUND)
            elif name == "plan_cost":
                bounds.append(self._plan_cost(plan, shared))
            elif name == "operating_cost" and self.convex and not self.at_peak:
                bounds.append(self._operating_cost(plan, islands))
            else:
                bounds.append(NO_BOUND)
        return tuple(bounds)

    def _islands(self, plan: Plan) -> _Islands:
        """Islands of a plan's topology."""
        key = plan.branches
        if key not in self._topologies:
            grid = apply_plan(self.grid, plan)
            island = grid.islands()
            n = int(island.max()) + 1
            at = island[grid.gen_bus[self.running]]
            demand = np.zeros((len(self.factor), n))
            np.add.at(demand.T, island, self.connected.T)
            forming = np.zeros(n, dtype=bool)
            forming[island[grid.gen_bus[self.running & grid.gen_forming]]] = True
            supply = np.zeros(n)
            np.add.at(supply, at, grid.p_max[self.running] * grid.base_mva)
            store = grid.storage
            stores = store.in_service & grid.bus_in_service[store.bus]
            out = store.discharge_max[stores] * grid.base_mva
            np.add.at(supply, island[store.bus[stores]], out)
            self._topologies[key] = _Islands(island, demand, supply, forming)
        return self._topologies[key]

    def _short(self, plan: Plan, islands: _Islands) -> tuple[Floats, Floats]:
        """Demand beyond the grid's own units: of islands without DG, and of those with; MW."""
        with_dg = np.zeros(len(islands.supply), dtype=bool)
        with_dg[islands.of_bus[[unit.bus for unit in plan.units]]] = True
        alive = islands.forming | (with_dg & self.sites.grid_forming)
        short = np.maximum(islands.demand - np.where(alive, islands.supply, 0.0), 0.0)
        helped = with_dg & alive
        return short[:, ~helped].sum(axis=1), short[:, helped].sum(axis=1)

    def _rating(self, plan: Plan) -> float:
        """Largest total rating that money and limits allow, MW."""
        sites = self.sites
        given = sum(unit.rating_mw or 0.0 for unit in plan.units)
        free = sum(unit.rating_mw is None for unit in plan.units)
        most = free * sites.max_mw if free else 0.0
        if free and sites.cost_per_mw > 0:
            most = min(most, self.space.left_for_ratings(plan) / sites.cost_per_mw)
        return float(given + most)

    def _from_dg(self, plan: Plan) -> Floats:
        """Most that a plan's units deliver together, (n_level,), MW."""
        if not plan.units:
            return np.zeros(len(self.profile))
        return np.asarray(self.sites.max_p_ratio * self.profile * self._rating(plan))

    def _plan_cost(self, plan: Plan, shared: Floats) -> float:
        """Branches, and the least ratings that cover what the grid's own units cannot."""
        free = any(unit.rating_mw is None for unit in plan.units)
        if not free:
            return self.space.cost(plan) * (1 - 1e-9)
        per_mw = self.sites.max_p_ratio * self.profile
        needed = np.max(np.divide(shared, per_mw, out=np.zeros_like(shared), where=per_mw > 0))
        ratings = max(float(needed) * self.sites.cost_per_mw, self.space.unit_cost(plan))
        return (self.space.branch_cost(plan) + ratings) * (1 - 1e-6)

    def _operating_cost(self, plan: Plan, islands: _Islands) -> float:
        """Lossless economic dispatch of every island and level; Lagrange's dual is the bound."""
        total = 0.0
        output = self._from_dg(plan)
        grid, base = self.grid, self.grid.base_mva
        unit_island = islands.of_bus[[unit.bus for unit in plan.units]]
        dg_cost = np.zeros(3)
        if plan.units:
            own = np.array(self.sites.operating_cost)
            if len(own) > 3 or np.any(own[2:] < 0):
                return NO_BOUND
            dg_cost[: len(own)] = own
        for number in np.flatnonzero(islands.demand.sum(axis=0) > 0):
            here = np.flatnonzero(self.running & (islands.of_bus[grid.gen_bus] == number))
            cost = np.zeros((len(here), 3))
            cost[:, : grid.gen_cost.shape[1]] = grid.gen_cost[here]
            price = self.price[:, here]
            low = np.tile(np.minimum(grid.p_min[here] * base, 0.0), (len(output), 1))
            high = np.tile(np.maximum(grid.p_max[here] * base, 0.0), (len(output), 1))
            count = int(np.sum(unit_island == number))
            if count:  # its units as one, which shares output between them at no loss
                cost = np.vstack([cost, [0.0, dg_cost[1], dg_cost[2] / count]])
                price = np.column_stack([price, np.zeros(len(output))])
                low = np.column_stack([low, np.zeros(len(output))])
                high = np.column_stack([high, output])
                cost[-1, 0] = min(dg_cost[0], 0.0) * count
            cost[:, 0] = np.minimum(cost[:, 0], 0.0)  # a unit may stand still
            least = _least_cost(cost, low, high, islands.demand[:, number], price)
            total += float(self.weight_h @ least)
        return total - 1e-7 * abs(total)


def has_plain_costs(grid: Grid) -> bool:
    """Whether costs are convex polynomials of the second order, and no storage shifts them."""
    return (
        grid.gen_cost.shape[1] <= 3
        and bool(np.all(grid.gen_cost[:, 2:] >= 0))
        and all(points is None for points in (*grid.gen_pwl, *grid.gen_pieces))
        and not len(grid.storage.bus)
    )


def _least_cost(
    cost: Floats, low: Floats, high: Floats, demand: Floats, price: Floats | float = 0.0
) -> Floats:
    """Lower bound on the cost of covering a demand, (n_level,).

    Parameters
    ----------
    cost : (n_unit, 3) convex polynomials c0 + c1 p + c2 p^2, p in MW
    low, high : (n_level, n_unit), MW
    demand : (n_level,), MW
    price : (n_level, n_unit), per MWh on top of the cost

    Notes
    -----
    For every marginal price, sum of min(cost - marginal price p) + marginal price x demand is a
    lower bound, as long as it isn't negative: more than the demand may be generated.
    """
    if not cost.shape[0]:
        return np.zeros_like(demand)
    linear = cost[:, 1] + price + np.zeros_like(high)
    curved = cost[:, 2] > 0
    steepest = linear + 2 * cost[:, 2] * high
    below, above = np.zeros_like(demand), np.maximum(steepest.max(axis=1), 0.0)

    def output(marginal: Floats) -> Floats:
        slope = marginal[:, None] - linear
        best = np.where(slope > 0, high, low)
        inner = np.divide(slope, 2 * cost[:, 2], out=np.zeros_like(slope), where=curved)
        return np.asarray(np.where(curved, np.clip(inner, low, high), best))

    for _ in range(BISECTIONS):
        marginal = (below + above) / 2
        enough = output(marginal).sum(axis=1) >= demand
        above, below = np.where(enough, marginal, above), np.where(enough, below, marginal)
    p = output(above)
    value = (cost[:, 0] + (linear - above[:, None]) * p + cost[:, 2] * p**2).sum(axis=1)
    return np.asarray(value + above * demand)


def never_generates(grid: Grid) -> bool:
    """Whether no branch or shunt can produce active power, whatever the voltages."""
    loss = np.empty((grid.n_branch, 2, 2), dtype=complex)
    loss[:, 0, 0], loss[:, 1, 1] = grid.y_ff, grid.y_tt
    loss[:, 0, 1], loss[:, 1, 0] = grid.y_ft, grid.y_tf
    hermitian = (loss + loss.conj().transpose(0, 2, 1)) / 2
    least = np.linalg.eigvalsh(hermitian).min(initial=0.0)
    size = float(abs(loss).max(initial=1.0))
    return bool(least > -1e-9 * size and np.all(grid.shunt_g >= 0))


def by_promise(bounds: PlanBounds, plans: Iterator[Plan]) -> list[tuple[tuple[float, ...], Plan]]:
    """Plans with their bounds, the lowest bound first, else in their given order."""
    return sorted(((bounds(plan), plan) for plan in plans), key=lambda item: item[0])
