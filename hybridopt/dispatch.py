"""AC economic dispatch of a plan over the load curve.

The hours are independent once the ratings of distributed generation are known, so they are solved
one by one, each distinct load level once. Free ratings couple them; :mod:`hybridopt.ratings`
chooses those first.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.compiled import RELAXED, CompiledDispatch, State
from hybridopt.errors import HybridoptError, NoSolutionError
from hybridopt.grid import Plan, apply_plan, branch_scale
from hybridopt.hours import OUT_OF_TIME, Resting, StagedSolver
from hybridopt.infeasible import GAVE_UP, excess_of, explain
from hybridopt.levels import Levels, available, links_hours
from hybridopt.linked import solve_linked, with_free_storage
from hybridopt.pieces import NO_PIECES, settle_pieces
from hybridopt.points import point_of
from hybridopt.result import Dispatch, Point, read_point, stack_points

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hybridopt.case import Horizon
    from hybridopt.grid import DGSites, Grid
    from hybridopt.hours import Goals, HourResult
    from hybridopt.infeasible import Excess
    from hybridopt.settings import Settings
    from hybridopt.solvers.ipopt import Solution

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]


class Dispatcher:
    """Dispatches plans on one grid; compiles its models once, when first needed.

    Parameters
    ----------
    grid : the damaged grid with every branch that a plan could close
    sites : where DG may stand
    horizon : load factors and DG profile
    settings : goals and options
    thorough : try hard to serve everything before shedding is thought of: for a network as its
        owner left it, not for candidates of which most cannot
    """

    def __init__(
        self,
        grid: Grid,
        sites: DGSites,
        horizon: Horizon,
        settings: Settings,
        *,
        thorough: bool = False,
    ) -> None:
        self.thorough = thorough
        self.grid, self.sites, self.horizon, self.settings = grid, sites, horizon, settings
        self.hours_are_linked = len(horizon.hours) > 1 and links_hours(grid)
        merge = settings.merge_equal_hours and not self.hours_are_linked
        self.has_pieces = any(own is not None for own in grid.gen_pieces)
        self.levels = Levels.of(horizon, grid.n_gen, merge)
        self.priority = np.ones(grid.n_bus)
        for bus, weight in settings.priority.items():
            self.priority[bus] = weight
        p_can, _ = grid.demand(connected_only=True)
        self.priority[p_can < 0] = 0.0  # cutting a negative load serves nobody
        static = np.array([kind == "sgen" for kind in grid.gen_kind], dtype=bool)
        self.renewable = static | np.any(self.levels.unit_profile != 1.0, axis=0)
        total = self.levels.factor @ p_can
        self.peak_level = int(np.argmax(total))
        self.order = np.argsort(-total, kind="stable")  # heavy hours first
        self.solves, self.iterations, self.solve_s = 0, 0, 0.0
        self._hour: StagedSolver | None = None
        self._coupled: StagedSolver | None = None
        self.compile_s = 0.0

    def for_state(self, grid: Grid) -> Dispatcher:
        """The same for another state of the grid, with the models that are compiled here.

        Parameters
        ----------
        grid : with other branches and units in service than this one's, and nothing else changed
        """
        found = Dispatcher(grid, self.sites, self.horizon, self.settings, thorough=self.thorough)
        found._hour = self.hour
        if found.hours_are_linked:
            found._coupled = self.coupled
        return found

    @property
    def hour(self) -> StagedSolver:
        """Solver of single hours."""
        if self._hour is None:
            self._hour = self._compile(1)
        return self._hour

    @property
    def coupled(self) -> StagedSolver:
        """Solver of all load levels at once."""
        if self._coupled is None:
            self._coupled = self._compile(len(self.levels.weight_h))
        return self._coupled

    def _compile(self, n_t: int) -> StagedSolver:
        began = time.perf_counter()
        model = CompiledDispatch(self.grid, self.sites, n_t)
        self.compile_s += time.perf_counter() - began
        return StagedSolver(model, self.settings.options, self.settings.unserved_tolerance_mw)

    def state(self, plan: Plan, levels: Ints, cap_mw: float = np.inf) -> State:
        """What is on and demanded at some levels, under a plan.

        Parameters
        ----------
        levels : positions of the levels
        cap_mw : largest rating of a unit whose rating is free, MW
        """
        grid = apply_plan(self.grid, plan)
        n_t, n_site, base = len(levels), len(self.sites.bus), grid.base_mva
        p, q = grid.demand(connected_only=True)
        factor = self.levels.factor[levels]
        site_on = np.zeros(n_site, dtype=bool)
        low, high = np.zeros(n_site), np.zeros(n_site)
        vm_start = np.ones(grid.n_bus)
        for unit in plan.units:
            s = self.sites.bus.index(unit.bus)
            site_on[s] = True
            free = unit.rating_mw is None
            low[s] = (self.sites.min_mw if free else unit.rating_mw) / base  # type: ignore[operator]
            high[s] = (min(self.sites.max_mw, cap_mw) if free else unit.rating_mw) / base  # type: ignore[operator]
            vm_start[unit.bus] = unit.vm_pu or 1.0
        g, b = grid.shunt()
        running = grid.gen_in_service & grid.bus_in_service[grid.gen_bus]
        p_max = available(grid.p_max, self.levels.unit_profile[levels])
        store = grid.storage
        alone = self.hours_are_linked and n_t == 1  # an hour out of its day: storage stands still
        storing = store.in_service & grid.bus_in_service[store.bus] & (not alone)
        return State(
            branch_on=grid.branch_usable(),
            branch_scale=branch_scale(grid, plan),
            gen_on=running & (p_max * base >= self._least_mw() - 1e-6),
            p_max=p_max,
            price=self.levels.price[levels],
            piece=np.full((n_t, grid.n_gen), RELAXED),
            renewable=self.renewable,
            dg_renewable=bool(np.any(self.levels.profile != 1.0)),
            store_on=np.tile(storing, (n_t, 1)),
            charge_max=np.tile(np.where(storing, store.charge_max, 0.0), (n_t, 1)),
            discharge_max=np.tile(np.where(storing, store.discharge_max, 0.0), (n_t, 1)),
            store_start=store.energy_start,
            store_end=store.energy_end,
            site_on=site_on,
            rating_min=np.minimum(low, high),
            rating_max=high,
            p_demand=factor * p,
            q_demand=factor * q,
            profile=self.levels.profile[levels],
            dt=self.levels.weight_h[levels],
            priority=self.priority,
            shunt_g=g,
            shunt_b=b,
            vm_start=vm_start,
            must_serve=np.zeros(n_t, dtype=bool),
        )

    def _least_mw(self) -> Floats:
        """Least outputs outside prohibited ranges, (n_gen,), -inf for units without pieces, MW.

        What sun or wind gives may lie below it: then the unit stands still.
        """
        return np.array([-np.inf if own is None else own[0].low for own in self.grid.gen_pieces])

    def hourly_stages(self) -> list[Goals]:
        """The goals of an hour whose ratings are all given: what the plan costs is settled."""
        return [
            kept
            for goals in self.settings.stages()
            if (kept := {goal: w for goal, w in goals.items() if goal != "plan_cost"})
        ]

    def solve_levels(
        self,
        plan: Plan,
        levels: Ints | None = None,
        progress: Callable[[], None] = lambda: None,
        *,
        complete: bool = True,
        require: Callable[[int, HourResult], None] = lambda *_: None,
    ) -> dict[int, HourResult]:
        """Solve load levels one by one; every rating must be given.

        Parameters
        ----------
        levels : positions; all, the heaviest first, if not given
        progress : called after each level
        complete : see :meth:`StagedSolver.solve`
        require : told each level and its result; may raise to end it all

        Returns
        -------
        dict of level -> HourResult, each for one hour (not weighted)
        """
        stages = self.hourly_stages()
        results: dict[int, HourResult] = {}
        full = False  # heavy hours first: ask how much can be served before trying all of it
        nearby: Solution | None = None
        rest: Resting | None = None
        for level in self.order if levels is None else levels:
            state = self.state(plan, np.array([level]))
            state.dt[:] = 1.0
            result = self.hour.solve(
                state,
                stages,
                expect_full=full,
                complete=complete,
                nearby=nearby,
                rest=rest,
                thorough=self.thorough,
            )
            rest = Resting.between(state, result.state) or rest
            if self.has_pieces:
                result = settle_pieces(self.hour, result, stages, thorough=self.thorough)
            full = result.unserved_mwh == 0.0
            nearby = result.solution if full else None
            self.count(result)
            require(int(level), result)
            results[int(level)] = result
            progress()
        return results

    def count(self, result: Any) -> None:
        """Add a result's work to the totals."""
        self.solves += getattr(result, "solves", 1)
        self.iterations += result.iterations
        self.solve_s += result.solve_s

    def dispatch(
        self,
        plan: Plan,
        progress: Callable[[], None] = lambda: None,
        *,
        complete: bool = True,
    ) -> Dispatch:
        """Dispatch a plan whose ratings are all given, over the whole horizon."""
        if self.hours_are_linked:
            return self.read_coupled(plan, solve_linked(self, plan, progress, complete=complete))
        results = self.solve_levels(plan, progress=progress, complete=complete)
        return self.read(plan, results, self.levels.of_hour, self.horizon.hours)

    def dispatch_feasible(
        self, plan: Plan, progress: Callable[[], None] = lambda: None
    ) -> Dispatch:
        """Dispatch a plan over the whole horizon, or say which limit stands in the way.

        Raises
        ------
        NoSolutionError
            An hour has no feasible point, even with all load shed.
        HybridoptError
            Ipopt gave up on an hour; the others are not solved any more.
        """
        if self.hours_are_linked:
            result = solve_linked(self, plan, progress, require=self._in_time)
            if result.solution.ok:
                return self.read_coupled(plan, result)
            self._in_time(0, result)
            raise NoSolutionError(self._why_not_linked(plan, result))
        results = self.solve_levels(plan, progress=progress, require=self._feasible)
        return self.read(plan, results, self.levels.of_hour, self.horizon.hours)

    def why_not(self, plan: Plan) -> str:
        """Which limits of a plan's hours cannot be met, and by how much, the worst first."""
        if self.hours_are_linked:
            return self._why_not_linked(plan, solve_linked(self, plan))
        try:
            self.solve_levels(plan, require=self._feasible)
        except NoSolutionError as error:
            return error.limit
        return "no hour fails when solved again"

    def _why_not_linked(self, plan: Plan, failed: HourResult) -> str:
        """Limits of the first hour that fails alone, else of all of them together."""
        try:
            self.solve_levels(plan, require=self._feasible)
        except NoSolutionError as error:
            return error.limit
        return explain(self._excess(failed), self.horizon.hours)

    def _feasible(self, level: int, result: HourResult) -> None:
        """Refuse a level that failed, with the limits that stand in the way."""
        if not result.solution.ok:
            hours = self.horizon.hours[self.levels.of_hour == level][:1]
            raise NoSolutionError(explain(self._excess(result), hours))

    @staticmethod
    def _in_time(_level: int, result: HourResult) -> None:
        """Refuse a result that ran out of time."""
        if result.solution.message in OUT_OF_TIME:
            raise HybridoptError(
                f"one solve took longer than [ipopt] max_wall_s ({result.solution.message}); "
                "raise it"
            )

    def _excess(self, result: HourResult) -> list[Excess]:
        """Limits that stand in the way of a result that failed."""
        self._in_time(0, result)
        message = result.solution.message
        if message in GAVE_UP:
            raise HybridoptError(
                f"Ipopt gave up ({message}) before it found a feasible point or excluded one; "
                "give it more room in [ipopt] (max_iter)"
            )
        if message == NO_PIECES:
            raise HybridoptError(
                "found no outputs outside the prohibited ranges that limits and ramps allow; "
                "without those ranges there are some"
            )
        state = replace(result.state, must_serve=np.zeros_like(result.state.must_serve))
        return excess_of(self.grid, self.sites, state, self.settings.options)

    def read(
        self, plan: Plan, results: dict[int, HourResult], levels: Ints, hours: Ints
    ) -> Dispatch:
        """Read levels that were solved one by one into a Dispatch of the given hours."""
        points = {level: point_of(plan, self.hour.model, r) for level, r in results.items()}
        return self._dispatch(plan, stack_points([points[int(k)] for k in levels]), levels, hours)

    def read_coupled(self, plan: Plan, result: HourResult) -> Dispatch:
        """Read a solution of all levels at once into a Dispatch of the horizon."""
        point = point_of(plan, self.coupled.model, result)
        of_hour = self.levels.of_hour
        return self._dispatch(plan, point.take(of_hour), of_hour, self.horizon.hours)

    def _dispatch(self, plan: Plan, point: Point, levels: Ints, hours: Ints) -> Dispatch:
        factor = self.levels.factor[levels]
        return read_point(apply_plan(self.grid, plan), self.sites, plan.units, factor, hours, point)

    def deliver(self, plan: Plan) -> Dispatch:
        """Maximum load delivery at the peak hour (formulation, section 2)."""
        level = np.array([self.peak_level])
        hour = self.horizon.hours[self.levels.of_hour == self.peak_level][:1]
        return self.read(plan, self.solve_levels(plan, level), level, hour)

    def peak_state(self, plan: Plan, cap_mw: float = np.inf) -> State:
        """The peak hour alone, not weighted; a day's storage may give all that it holds."""
        state = self.state(plan, np.array([self.peak_level]), cap_mw)
        state.dt[:] = 1.0
        return with_free_storage(self, state) if self.hours_are_linked else state

    def with_ratings(self, plan: Plan, rating_pu: Floats) -> Plan:
        """The plan with ratings (pu, by site) filled in."""
        base = self.grid.base_mva
        units = tuple(
            replace(u, rating_mw=float(rating_pu[self.sites.bus.index(u.bus)] * base))
            for u in plan.units
        )
        return replace(plan, units=units)
