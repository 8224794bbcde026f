"""The dispatch model compiled for one grid, and the bounds that turn it into one problem."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.grid_cost import convex_stand_in
from hybridopt.models.dispatch import build_dispatch
from hybridopt.models.soft import BUS, SOFT, UNIT
from hybridopt.solvers.ipopt import CompiledModel

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    from hybridopt.grid import DGSites, Grid
    from hybridopt.solvers.ipopt import Solution
    from hybridopt.solvers.reduced import Bounds

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

GOALS = {
    "unserved_mwh": "unserved",
    "operating_cost": "operating_cost",
    "plan_cost": "plan_cost",
    "loss_mwh": "loss",
    "curtailed_mwh": "curtailed",
}
RELAXED = -1
HOLD_SLACK = 1e-7  # relative room left to a goal that is held while the next one is pursued


@dataclass
class State:
    """What is switched on, and what is asked of it, in the hours of one problem.

    Attributes
    ----------
    branch_on : (n_branch,) closed branches
    branch_scale : (n_branch,) admittance of each branch over that in the grid
    gen_on : (n_t, n_gen) units that run
    site_on : (n_site,) installed generators
    rating_min, rating_max : (n_site,), pu; equal where the rating is given
    p_max : (n_t, n_gen), pu, largest output of each unit in each hour
    piece : (n_t, n_gen), which piece of its cost each unit runs in; RELAXED for all of them, with
        a smooth convex stand-in for the cost
    price : (n_t, n_gen), currency per MWh, on top of each unit's cost
    renewable : (n_gen,) units whose unused power counts as curtailed
    dg_renewable : whether that of the distributed generators does
    store_on : (n_t, n_store) storage that works; the others stand still
    charge_max, discharge_max : (n_t, n_store), pu
    store_start, store_end : (n_store,), pu h; content at first, and the least at last
    p_demand, q_demand : (n_t, n_bus), pu, connected demand
    profile : (n_t,) largest DG output per unit of rating
    dt : (n_t,), h; 0 leaves an hour out
    priority : (n_bus,) weight of unserved energy
    shunt_g, shunt_b : (n_bus,), pu
    vm_start : (n_bus,), pu; where voltages start, if the limits allow it
    must_serve : (n_t,) hours in which every energised bus is served in full
    """

    branch_on: Bools
    branch_scale: Floats
    gen_on: Bools
    p_max: Floats
    piece: Ints
    price: Floats
    renewable: Bools
    dg_renewable: bool
    store_on: Bools
    charge_max: Floats
    discharge_max: Floats
    store_start: Floats
    store_end: Floats
    site_on: Bools
    rating_min: Floats
    rating_max: Floats
    p_demand: Floats
    q_demand: Floats
    profile: Floats
    dt: Floats
    priority: Floats
    shunt_g: Floats
    shunt_b: Floats
    vm_start: Floats
    must_serve: Bools


class CompiledDispatch:
    """The dispatch model of a grid over ``n_t`` coupled hours, ready to be solved by bounds.

    Parameters
    ----------
    grid : every branch that a plan could use
    sites : every place where DG may stand
    n_t : number of coupled hours
    soft : limits may be exceeded, see :mod:`hybridopt.models.soft`
    """

    def __init__(self, grid: Grid, sites: DGSites, n_t: int, *, soft: bool = False) -> None:
        self.grid, self.sites, self.n_t = grid, sites, n_t
        model = build_dispatch(grid, sites, n_t, soft=soft)
        nlp = CompiledModel(model)
        self.nlp = nlp
        n_bus, n_gen, n_site, n_br = grid.n_bus, grid.n_gen, len(sites.bus), grid.n_branch
        self.vm, self.va = (nlp.columns(v, n_t, n_bus) for v in (model.vm, model.va))
        self.served = nlp.columns(model.served, n_t, n_bus)
        self.p, self.q = (nlp.columns(v, n_t, n_gen) for v in (model.p, model.q))
        self.dg_p, self.dg_q = (nlp.columns(v, n_t, n_site) for v in (model.dg_p, model.dg_q))
        self.rating = nlp.columns(model.rating, n_site)
        n_store = len(grid.storage.bus)
        self.store_in, self.store_out, self.store_q, self.store_energy = (
            nlp.columns(getattr(model, name), n_t, n_store)
            for name in ("store_in", "store_out", "store_q", "store_energy")
        )
        self._piece_data = {
            name: nlp.columns(getattr(model, f"piece_{name}"), n_t, n_gen) for name in "abce"
        }
        self.piece_cost = nlp.columns(model.piece_cost, n_t, n_gen)
        self._data = {
            "closed": nlp.columns(model.closed, n_br),
            "p_demand": nlp.columns(model.p_demand, n_t, n_bus),
            "q_demand": nlp.columns(model.q_demand, n_t, n_bus),
            "dt": nlp.columns(model.dt, n_t),
            "profile": nlp.columns(model.profile, n_t),
            "dg_on": nlp.columns(model.dg_on, n_t, n_site),
            "gen_on": nlp.columns(model.gen_on, n_t, n_gen),
            "price": nlp.columns(model.price, n_t, n_gen),
            "available": nlp.columns(model.available, n_t, n_gen),
            "renewable": nlp.columns(model.renewable, n_gen),
            "dg_renewable": nlp.columns(model.dg_renewable),
            "store_start": nlp.columns(model.store_start, n_store),
            "shunt_g": nlp.columns(model.shunt_g, n_bus),
            "shunt_b": nlp.columns(model.shunt_b, n_bus),
            "weight_unserved": nlp.columns(model.weight_unserved, n_t, n_bus),
        }
        self._weight = {
            goal: nlp.columns(
                getattr(model, f"goal_{name}"), *(() if goal == "plan_cost" else (n_t,))
            )
            for goal, name in GOALS.items()
        }
        self._hold = {
            goal: nlp.rows(getattr(model, f"hold_{name}"))
            for goal, name in GOALS.items()
            if hasattr(model, f"hold_{name}")
        }
        self.balance = [nlp.rows(r, n_t, n_bus) for r in (model.balance_p, model.balance_q)]
        self.limit_rows = [nlp.rows(r, n_t, n_br) for r in (model.limit_from, model.limit_to)]
        self.angle_rows = nlp.rows(model.limit_angle, n_t, n_br)
        self.ramp_rows = nlp.rows(model.ramp, n_t, n_gen)
        self._store_rows = nlp.rows(model.store_balance, n_t, n_store)
        self._piece_rows = {g: self._pieces_of(model, g) for g in model.stepped}
        caps = ("dg_cap_p", "dg_cap_q_max", "dg_cap_q_min")
        self._dg_cap = {
            name: nlp.rows(getattr(model, name), n_t, n_site)
            for name in caps
            if hasattr(model, name)
        }
        self._penetration = np.empty(0, dtype=np.int64)
        if hasattr(model, "penetration"):
            count = 1 if sites.penetration_on_capacity else n_t
            self._penetration = nlp.rows(model.penetration, count)
        self.excess, self.soft_rows = self._soft_parts(model) if soft else ({}, {})
        self._islands: tuple[bytes, Ints] | None = None
        self._base = self._everything_fixed()

    def _soft_parts(self, model: Any) -> tuple[dict[str, Ints], dict[str, Ints]]:
        """Variables of excess and the rows of voltages and powers, by name."""
        grid, n_t = self.grid, self.n_t
        width = dict.fromkeys(SOFT, grid.n_branch) | dict.fromkeys(BUS, grid.n_bus)
        width |= dict.fromkeys((*UNIT, "ramp_up", "ramp_down"), grid.n_gen)
        excess = {
            name: self.nlp.columns(getattr(model, f"excess_{name}"), n_t, n)
            for name, n in width.items()
        }
        rows = {
            name: self.nlp.rows(getattr(model, f"soft_{name}"), n_t, width[name])
            for name in (*BUS, *UNIT)
        }
        return excess, rows

    def _pieces_of(self, model: Any, g: int) -> Ints:
        """Rows of the straight lines of a unit's cost, (n_t, n_piece)."""
        points = self.grid.gen_pwl[g]
        count = 0 if points is None else len(points) - 1
        rows = {(t, k): model.piece[t, g, k] for t in model.t for k in range(count)}
        return self.nlp.rows(rows, self.n_t, count)

    def _everything_fixed(self) -> Bounds:
        """Bounds in which nothing is free and no row counts."""
        bounds = self.nlp.bounds()
        bounds.row_on[:] = False
        bounds.x_min[:] = bounds.x_max[:] = bounds.x_start[:] = 0.0
        bounds.fix(self.vm, 1.0)
        return bounds

    def islands(self, branch_on: Bools) -> Ints:
        """Island of each bus, (n_bus,); the last topology's are kept, hours ask for it often."""
        key = branch_on.tobytes()
        if self._islands is None or self._islands[0] != key:
            self._islands = (key, self.grid.islands(branch_on))
        return self._islands[1]

    def energised(self, state: State) -> tuple[Bools, list[tuple[int, int]]]:
        """Which buses are energised, and the angle reference of each island.

        An island is energised when it holds a running grid-forming unit.

        Returns
        -------
        alive : (n_t, n_bus)
        references : (hour, bus) pairs, one for each energised island and hour
        """
        grid, sites = self.grid, self.sites
        island = self.islands(state.branch_on)
        site_bus = [bus for bus, on in zip(sites.bus, state.site_on, strict=True) if on]
        alive = np.zeros((self.n_t, grid.n_bus), dtype=bool)
        references: list[tuple[int, int]] = []
        forming_dg = site_bus if sites.grid_forming else []
        for t in np.flatnonzero(state.dt > 0):
            run = grid.gen_forming & state.gen_on[t]
            seen: set[int] = set()
            for bus in [*grid.gen_bus[run].tolist(), *forming_dg]:
                number = int(island[bus])
                if number not in seen and grid.bus_in_service[bus]:
                    seen.add(number)
                    references.append((int(t), bus))
            alive[t] = np.isin(island, list(seen)) & grid.bus_in_service
        return alive, references

    def bounds(
        self,
        state: State,
        goals: Mapping[str, float],
        hold: Mapping[str, float] | None = None,
    ) -> Bounds:
        """Bounds of one problem, started flat but for the set-points that a plan gives.

        Parameters
        ----------
        state : what is on
        goals : weight of each goal to minimise
        hold : largest value of goals reached before; ``plan_cost`` is the money left for ratings
        """
        b = self._base.copy()
        grid = self.grid
        alive, references = self.energised(state)
        self._set_data(b, state)
        for goal, weight in goals.items():
            columns = self._weight[goal]
            kept = columns >= 0
            value = weight if goal == "plan_cost" else weight * state.dt
            b.fix(columns[kept], np.broadcast_to(value, columns.shape)[kept])
        self._free_buses(b, state, alive, references)
        on = state.gen_on & alive[:, grid.gen_bus]
        self._free_units(b, state, on)
        self._choose_pieces(b, state, on)
        self._free_dg(b, state, alive)
        self._free_storage(b, state, alive)
        closed = state.branch_on & alive[:, grid.branch_from]
        for rows, rate in zip(self.limit_rows, (grid.rate_from, grid.rate_to), strict=True):
            b.row_on[rows[closed & np.isfinite(rate)]] = True
            self._scale_limits(b, rows, state.branch_scale)
        self._limit_between(b, self.angle_rows, closed, grid.angle_min, grid.angle_max)
        for goal, value in (hold or {}).items():
            if goal in self._hold and np.isfinite(value):
                row = self._hold[goal]
                b.row_on[row] = True
                b.row_min[row], b.row_max[row] = -np.inf, value
        return b

    def _scale_limits(self, b: Bounds, rows: Ints, scale: Floats) -> None:
        """Right-hand sides of the limits: |i|^2 <= rate^2 where i is the grid's times the scale."""
        for branch in np.flatnonzero(scale != 1.0):
            kept = rows[:, branch][rows[:, branch] >= 0]
            b.row_max[kept] = 1.0 / scale[branch] ** 2

    def _set_data(self, b: Bounds, state: State) -> None:
        for name, columns in self._data.items():
            value = {
                "closed": state.branch_on * state.branch_scale,
                "dg_on": np.broadcast_to(state.site_on, (self.n_t, len(state.site_on))),
                "available": np.where(state.renewable & state.gen_on, state.p_max, 0.0),
                "renewable": state.renewable * 1.0,
                "weight_unserved": state.priority * state.p_demand,
            }.get(name)
            value = getattr(state, name) if value is None else value
            kept = columns >= 0
            b.fix(columns[kept], np.broadcast_to(np.asarray(value, float), columns.shape)[kept])

    def _free_buses(
        self, b: Bounds, state: State, alive: Bools, references: list[tuple[int, int]]
    ) -> None:
        grid = self.grid
        vm_start = np.clip(state.vm_start, grid.vm_min, grid.vm_max)
        self._free(b, self.vm, alive, grid.vm_min, grid.vm_max, vm_start)
        free = alive.copy()
        for t, bus in references:
            free[t, bus] = False
        self._free(b, self.va, free, -np.inf, np.inf, 0.0)
        demand = (state.p_demand > 0) | ((state.p_demand == 0) & (state.q_demand != 0))
        b.fix(self.served[alive & (self.served >= 0)], 1.0)
        shed = alive & demand & ~state.must_serve[:, None]
        self._free(b, self.served, shed, 0.0, 1.0, 1.0)
        for rows in self.balance:
            b.row_on[rows[alive]] = True

    def _free_units(self, b: Bounds, state: State, on: Bools) -> None:
        grid = self.grid
        p_min = np.minimum(grid.p_min, state.p_max)
        for columns, low, high in (
            (self.p, p_min, state.p_max),
            (self.q, grid.q_min, grid.q_max),
        ):
            limited = np.isfinite(low) & np.isfinite(high)
            middle = np.add(low, high, out=np.zeros(high.shape), where=limited) / 2
            self._free(b, columns, on, low, high, np.clip(middle, low, high))
        for g, rows in self._piece_rows.items():
            self._free(b, self.piece_cost[:, g], on[:, g], -np.inf, np.inf, 0.0)
            b.row_on[rows[on[:, g]]] = True
        self._limit_between(b, self.ramp_rows[1:], on[1:] & on[:-1], -grid.ramp_down, grid.ramp_up)

    def _choose_pieces(self, b: Bounds, state: State, on: Bools) -> None:
        """Cost and range of each unit whose cost has pieces."""
        base = self.grid.base_mva
        for g, own in enumerate(self.grid.gen_pieces):
            if own is None:
                continue
            for t in np.flatnonzero(on[:, g]):
                chosen = int(state.piece[t, g])
                piece = convex_stand_in(own) if chosen == RELAXED else own[chosen]
                for name, columns in self._piece_data.items():
                    if columns[t, g] >= 0:
                        b.fix(columns[t : t + 1, g], getattr(piece, name))
                p = self.p[t, g]
                low, high = max(piece.low / base, b.x_min[p]), min(piece.high / base, b.x_max[p])
                b.x_min[p], b.x_max[p] = low, max(low, high)
                b.x_start[p] = (low + high) / 2

    def _free_storage(self, b: Bounds, state: State, alive: Bools) -> None:
        store = self.grid.storage
        if not len(store.bus):
            return
        on = state.store_on & alive[:, store.bus]
        self._free(b, self.store_in, on, 0.0, state.charge_max, 0.0)
        self._free(b, self.store_out, on, 0.0, state.discharge_max, 0.0)
        self._free(b, self.store_q, on, store.q_min, store.q_max, 0.0)
        # What stands still keeps its content: dead hours are rows like the others.
        used = np.broadcast_to(on.any(axis=0), on.shape)
        low = np.broadcast_to(store.energy_min, on.shape).copy()
        low[-1] = np.maximum(low[-1], state.store_end)
        self._free(b, self.store_energy, used, low, store.energy_max, state.store_start)
        b.row_on[self._store_rows[used]] = True

    @staticmethod
    def _limit_between(b: Bounds, rows: Ints, where: Bools, low: Floats, high: Floats) -> None:
        """Switch rows on where they exist, with their limits."""
        where = where & (rows >= 0)
        to = rows[where]
        b.row_on[to] = True
        b.row_min[to] = np.broadcast_to(low, rows.shape)[where]
        b.row_max[to] = np.broadcast_to(high, rows.shape)[where]

    def _free_dg(self, b: Bounds, state: State, alive: Bools) -> None:
        sites, ratio = self.sites, self.sites.max_p_ratio
        if not sites.bus:
            return
        at = np.array(sites.bus, dtype=np.int64)
        on = state.site_on & alive[:, at]
        rating = state.rating_max
        cap_p = ratio * state.profile[:, None] * rating
        cap_q = np.full((self.n_t, len(at)), np.inf)
        if np.isfinite(sites.tan_phi):
            cap_q = np.broadcast_to(ratio * sites.tan_phi * rating, cap_q.shape)
        self._free(b, self.dg_p, on, np.zeros_like(cap_p), cap_p, cap_p / 2)
        self._free(b, self.dg_q, on, -cap_q, cap_q, 0.0)
        choose = state.site_on & (state.rating_min < state.rating_max)
        b.fix(self.rating[state.site_on], rating[state.site_on])
        self._free(b, self.rating, choose, state.rating_min, rating, rating)
        for rows in self._dg_cap.values():
            b.row_on[rows[on & choose]] = True
        if self._penetration.size:
            limit: Floats = sites.penetration_limit * state.p_demand.sum(axis=1)
            if sites.penetration_on_capacity:
                limit = np.array([limit.max()])
                used = np.array([bool(choose.any())])
            else:
                used = np.asarray(on.any(axis=1))
            b.row_max[self._penetration] = limit
            b.row_on[self._penetration[used]] = True

    @staticmethod
    def _free(b: Bounds, columns: Ints, where: Bools, low: Any, high: Any, start: Any) -> None:
        """Give the chosen entries of a variable their range and start."""
        to = columns[where]
        for target, value in ((b.x_min, low), (b.x_max, high), (b.x_start, start)):
            target[to] = np.broadcast_to(value, columns.shape)[where]

    def value(self, solution: Solution, columns: Ints) -> Floats:
        """Values of a variable at a solution, in the variable's shape."""
        return np.asarray(np.where(columns >= 0, solution.x[columns], 0.0), dtype=np.float64)

    def start_from(self, bounds: Bounds, x: Floats) -> Bounds:
        """Start at a point of the same model, (n_x,)."""
        free = bounds.x_min < bounds.x_max
        bounds.x_start[free] = x[free]
        return bounds
