"""Maximum load delivery after many events, with models that are compiled once per process."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.bounds import never_generates
from hybridopt.dispatch import Dispatcher
from hybridopt.evaluate import worst_status
from hybridopt.grid import Plan, apply_plan

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.case import Horizon
    from hybridopt.grid import DGSites, Grid
    from hybridopt.result import Dispatch
    from hybridopt.settings import Settings

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

NO_PLAN = Plan()
SERIES = 1e-9  # pu; a branch whose admittances add up to less has no charging


def without_idle_parts(grid: Grid, sources: tuple[int, ...] = ()) -> Grid:
    """The grid with everything switched off that cannot matter to any load.

    That is: islands without load or without a source, and buses at the end of a single branch
    without charging that have neither load, shunt, storage nor unit. Neither changes what can be
    served, except where a unit cannot idle: an island without load need not be kept alive.

    Parameters
    ----------
    sources : buses where a plan's units can hold an island's voltage
    """
    used = np.zeros(grid.n_bus, dtype=bool)
    p, q = grid.demand(connected_only=True)
    loaded = (p != 0) | (q != 0)
    used |= loaded
    used[grid.shunt_bus[grid.shunt_in_service]] = True
    used[grid.storage.bus[grid.storage.in_service]] = True
    used[list(sources)] = True
    branch_on = grid.branch_usable()
    gen_on = grid.gen_in_service & grid.bus_in_service[grid.gen_bus]
    plain = _plain(grid)
    while True:
        island = grid.islands(branch_on)
        source = np.zeros(grid.n_bus, dtype=bool)
        source[grid.gen_bus[gen_on & grid.gen_forming]] = True
        source[list(sources)] = True
        alive = np.intersect1d(island[source & grid.bus_in_service], island[loaded])
        needed = np.isin(island, alive) & grid.bus_in_service
        gen_on &= needed[grid.gen_bus]
        branch_on &= needed[grid.branch_from]
        idle = needed & ~used
        idle[grid.gen_bus[gen_on]] = False
        degree = np.bincount(grid.branch_from[branch_on], minlength=grid.n_bus)
        degree += np.bincount(grid.branch_to[branch_on], minlength=grid.n_bus)
        spare = idle & (degree == 1)
        ends = (grid.branch_from, grid.branch_to)
        cut = branch_on & plain & (_spare(grid, spare, *ends) | _spare(grid, spare, *ends[::-1]))
        if not cut.any():
            return replace(grid, branch_in_service=branch_on, gen_in_service=gen_on)
        branch_on &= ~cut


def _plain(grid: Grid) -> Bools:
    """Branches that are a series impedance alone: no current, no difference in voltage."""
    y = (grid.y_ff + grid.y_ft, grid.y_tt + grid.y_tf, grid.y_ft - grid.y_tf)
    small = np.abs(np.array(y)).max(axis=0, initial=0.0) < SERIES
    return np.asarray(small & (grid.angle_min <= 0) & (grid.angle_max >= 0))


def _spare(grid: Grid, spare: Bools, here: Ints, there: Ints) -> Bools:
    """Branches to a spare bus whose limits are met wherever its neighbour's are."""
    inside = (grid.vm_min[here] <= grid.vm_min[there]) & (grid.vm_max[here] >= grid.vm_max[there])
    return np.asarray(spare[here] & inside)


def state_key(grid: Grid) -> bytes:
    """What is switched on, for grids that differ in nothing else."""
    return np.packbits(np.concatenate([grid.branch_usable(), grid.gen_in_service])).tobytes()


@dataclass(frozen=True)
class Delivery:
    """What is served at the peak hour.

    Attributes
    ----------
    unserved_mw : rounded to 1e-6 relative, so that equal events tie; 0 below the tolerance
    status : "optimal", "acceptable", or "infeasible" or "failed" where an island was given up
    solves : nonlinear programs
    """

    unserved_mw: float
    status: str
    solves: int


class Deliverer:
    """Maximum load delivery of any state of one grid; a picklable description.

    Parameters
    ----------
    grid : every branch and unit that a state may have in service
    sites : where a plan's units stand
    """

    def __init__(self, grid: Grid, sites: DGSites, horizon: Horizon, settings: Settings) -> None:
        self.grid, self.sites, self.horizon, self.settings = grid, sites, horizon, settings
        self._compiled: Dispatcher | None = None
        self.has_bound = never_generates(grid) and not np.any(grid.zip_p)

    def __getstate__(self) -> dict[str, object]:
        """Compiled models stay in their process."""
        return {**self.__dict__, "_compiled": None}

    @property
    def compiled(self) -> Dispatcher:
        """The dispatcher of the whole grid in this process."""
        if self._compiled is None:
            self._compiled = Dispatcher(self.grid, self.sites, self.horizon, self.settings)
        return self._compiled

    def peak_mw(self, grid: Grid) -> tuple[Floats, Floats]:
        """Demand at the peak hour at each bus: all of it, and what is connected; (n_bus,), MW."""
        d = self.compiled
        factor = d.levels.factor[d.peak_level] * grid.base_mva
        every, connected = grid.demand()[0], grid.demand(connected_only=True)[0]
        return factor * every, factor * connected

    def least_unserved_mw(self, grid: Grid) -> float:
        """A proven lower bound on what stays unserved at the peak hour, MW.

        Every island as a copper plate without losses; with storage, or where a branch or shunt
        may generate, only what no source reaches counts.
        """
        every, connected = self.peak_mw(grid)
        island = grid.islands()
        n = int(island.max()) + 1
        on = grid.gen_in_service & grid.bus_in_service[grid.gen_bus]
        forming = np.zeros(n, dtype=bool)
        forming[island[grid.gen_bus[on & grid.gen_forming]]] = True
        supply = np.bincount(island[grid.gen_bus[on]], grid.p_max[on], n) * grid.base_mva
        demand = np.bincount(island, connected.clip(0.0), n)
        covered = supply if self.has_bound and not len(grid.storage.bus) else demand
        short = np.maximum(demand - np.where(forming, covered, 0.0), 0.0)
        negative = np.bincount(island, (-connected).clip(0.0), n)  # such loads feed in
        lost = (every - connected).clip(0.0).sum()
        return float(np.maximum(short - np.where(forming, negative, 0.0), 0.0).sum() + lost)

    def deliver(self, grid: Grid) -> Delivery:
        """What can be served at the peak hour.

        Parameters
        ----------
        grid : a state without idle parts

        Notes
        -----
        Where there is no feasible point even with all load shed, each island is looked at apart;
        one without a feasible point is dark.
        """
        every, _ = self.peak_mw(grid)
        if not grid.gen_in_service.any():
            return Delivery(self._rounded(float(every.clip(0.0).sum())), "optimal", 0)
        dispatch, solves = self._solve(grid)
        if dispatch.ok:
            unserved = self._rounded(float(dispatch.unserved_mw[0]))
            return Delivery(unserved, worst_status(dispatch), solves)
        island = grid.islands()
        unserved, status = float(every.clip(0.0).sum()), worst_status(dispatch)
        for number in np.unique(island[grid.gen_bus[grid.gen_in_service]]):
            here = island == number
            alone = replace(
                grid,
                gen_in_service=grid.gen_in_service & here[grid.gen_bus],
                branch_in_service=grid.branch_in_service & here[grid.branch_from],
            )
            dispatch, more = self._solve(alone)
            solves += more
            if dispatch.ok:
                unserved -= float((dispatch.demand_mw - dispatch.shed_mw)[0, here].sum())
        return Delivery(self._rounded(max(unserved, 0.0)), status, solves)

    def _solve(self, grid: Grid) -> tuple[Dispatch, int]:
        """The peak hour; what it costs is not pursued where load is shed."""
        d = self.compiled.for_state(grid)
        level = np.array([d.peak_level])
        results = d.solve_levels(NO_PLAN, level, complete=False)
        hour = d.horizon.hours[d.levels.of_hour == d.peak_level][:1]
        return d.read(NO_PLAN, results, level, hour), d.solves

    def _rounded(self, unserved_mw: float) -> float:
        small = unserved_mw < self.settings.unserved_tolerance_mw
        return 0.0 if small else float(f"{unserved_mw:.6e}")


def built(grid: Grid, plan: Plan) -> Grid:
    """A grid with a plan's branches closed, and without idle parts."""
    return without_idle_parts(apply_plan(grid, plan), tuple(u.bus for u in plan.units))
