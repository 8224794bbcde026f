"""What an event costs over the hours of its outage: load delivery, with a fixed plan or without."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.dispatch import Dispatcher
from hybridopt.evaluate import worst_status
from hybridopt.event_delivery import built, state_key
from hybridopt.grid import Plan, apply_event

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.case import Horizon
    from hybridopt.grid import DGSites, Event, Grid
    from hybridopt.settings import Settings

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class DayAnswer:
    """What an event comes to over the hours of its outage.

    Attributes
    ----------
    unserved_mwh, unserved_peak_mw : energy, and power in the hour of the largest demand
    demand_mwh : that of all loads, lost ones included
    operating_cost, plan_cost : currency
    status : of the worst hour; "infeasible" or "failed" where an island was given up in some hour
    """

    unserved_mwh: float
    unserved_peak_mw: float
    demand_mwh: float
    operating_cost: float
    plan_cost: float
    status: str


def hours_of(horizon: Horizon, hours: tuple[int, ...]) -> Horizon:
    """Some hours of a horizon, in its order."""
    rows = np.isin(horizon.hours, hours)
    return replace(
        horizon,
        load_factor=horizon.load_factor[rows],
        dg_profile=horizon.dg_profile[rows],
        hours=horizon.hours[rows],
        unit_profile=None if horizon.unit_profile is None else horizon.unit_profile[rows],
        price=None if horizon.price is None else horizon.price[rows],
    )


class DayDeliverer:
    """Serves what can be served in each hour, at least cost; a picklable description.

    Parameters
    ----------
    grid : before any event
    plan : fixed before the event is known; every rating is given
    plan_cost : currency
    """

    def __init__(
        self,
        grid: Grid,
        sites: DGSites,
        horizon: Horizon,
        settings: Settings,
        plan: Plan,
        plan_cost: float,
    ) -> None:
        self.grid, self.sites, self.horizon, self.settings = grid, sites, horizon, settings
        self.plan, self.plan_cost = plan, plan_cost
        self._compiled: Dispatcher | None = None

    def __getstate__(self) -> dict[str, object]:
        """Compiled models stay in their process."""
        return {**self.__dict__, "_compiled": None}

    @property
    def compiled(self) -> Dispatcher:
        """The dispatcher of the whole grid in this process."""
        if self._compiled is None:
            self._compiled = Dispatcher(self.grid, self.sites, self.horizon, self.settings)
        return self._compiled

    def state(self, event: Event) -> Grid:
        """The grid after the event and with the plan, without idle parts."""
        return built(apply_event(self.grid, event), self.plan)

    def key(self, event: Event) -> str:
        """The same for events that leave the same."""
        return state_key(self.state(event)).hex()

    def __call__(self, event: Event) -> DayAnswer:
        """Answer an event.

        Where an hour has no feasible point even with all load shed, each island is looked at
        apart; one without a feasible point is dark.
        """
        grid, d = self.state(event), self.compiled
        base = grid.base_mva
        demand = (d.horizon.load_factor * grid.demand()[0]).clip(0.0) * base
        total = demand.sum(axis=1)
        served, cost, status = self._dispatch(grid)
        if np.isnan(served).any():
            bad, zero = np.isnan(served), np.zeros(len(served))
            served[bad] = cost[bad] = 0.0
            for part in _islands(grid, self.plan):
                more, price, _ = self._dispatch(part)
                served += np.where(bad, np.nan_to_num(more), zero)
                cost += np.where(bad, np.nan_to_num(price), zero)
        unserved = total - served
        tolerance = self.settings.unserved_tolerance_mw
        unserved = np.where(unserved < tolerance, 0.0, unserved)
        dt_h = d.horizon.dt_h
        return DayAnswer(
            unserved_mwh=_rounded(float(unserved.sum() * dt_h)),
            unserved_peak_mw=_rounded(float(unserved[int(np.argmax(total))])),
            demand_mwh=_rounded(float(total.sum() * dt_h)),
            operating_cost=_rounded(float(cost.sum() * dt_h)),
            plan_cost=self.plan_cost,
            status=status,
        )

    def _dispatch(self, grid: Grid) -> tuple[Floats, Floats, str]:
        """Served power, MW, and cost per hour, (n_t,), NaN in hours without a feasible point."""
        n_t = len(self.horizon.hours)
        if not grid.gen_in_service.any() and not self.plan.units:
            return np.zeros(n_t), np.zeros(n_t), "optimal"
        plan = replace(self.plan, branches=())  # the state has them closed, where they matter
        dispatch = self.compiled.for_state(grid).dispatch(plan)
        ok = np.array([s in ("optimal", "acceptable") for s in dispatch.status])
        demand = dispatch.demand_mw.clip(0.0).sum(axis=1)
        served = np.where(ok, demand - dispatch.unserved_mw, np.nan)
        cost = np.where(ok, dispatch.unit_cost.sum(axis=1), np.nan)
        return served, cost, worst_status(dispatch)


def _islands(grid: Grid, plan: Plan) -> list[Grid]:
    """Each island with a source alone; the others' units and branches are off."""
    island = grid.islands()
    at = [int(b) for b in grid.gen_bus[grid.gen_in_service]] + [u.bus for u in plan.units]
    parts = []
    for number in sorted({int(island[b]) for b in at}):
        here = island == number
        parts.append(
            replace(
                grid,
                gen_in_service=grid.gen_in_service & here[grid.gen_bus],
                branch_in_service=grid.branch_in_service & here[grid.branch_from],
                load_in_service=grid.load_in_service & here[grid.load_bus],
            )
        )
    return parts


def _rounded(value: float) -> float:
    """To 1e-7 relative: the solver's accuracy, and the same in every process."""
    return float(f"{value:.7e}")
