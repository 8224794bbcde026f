"""Economic dispatch of units without a network: valve points, zones, losses, ramps."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.errors import HybridoptError, NoSolutionError
from hybridopt.progress import NoProgress
from hybridopt.schedule_search import WITHIN_MW, Task
from hybridopt.solvers.available import require_solver
from hybridopt.solvers.genetic import GeneticOptions, minimize
from hybridopt.solvers.workers import Workers
from hybridopt.unit_cost import no_losses
from hybridopt.unit_limits import demand_limit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

    from hybridopt.progress import Progress
    from hybridopt.schedule_search import Pieces, Schedule
    from hybridopt.solvers.search import Run
    from hybridopt.unit_cost import Losses, Unit

    Floats = NDArray[np.float64]

OBJECTIVES = ("missed_mw", "cost")
ONE_HOUR = GeneticOptions(population=20, generations=20, local_search=0.0, mutation_rate=0.5)
HORIZON = replace(ONE_HOUR, population=10, generations=60)


@dataclass(frozen=True, eq=False)
class EconomicDispatch:
    """A dispatch and how it was found.

    Attributes
    ----------
    task : units, demand and losses
    p_mw : (n_t, n), MW
    unit_cost : (n_t, n), currency per h, by the exact formula
    run : the search
    seed, wall_s : of the search, s
    """

    task: Task
    p_mw: Floats
    unit_cost: Floats
    run: Run[Pieces, Schedule]
    seed: int
    wall_s: float

    @property
    def many_hours(self) -> bool:
        """Whether the demand is given hour by hour."""
        return self.task.by_hour

    @property
    def cost(self) -> float:
        """Cost over the hours, currency."""
        return float(self.unit_cost.sum())

    @property
    def loss_mw(self) -> Floats:
        """Losses in each hour, (n_t,), MW."""
        return self.task.losses.mw(self.p_mw)

    @property
    def max_mismatch_mw(self) -> float:
        """Largest difference between output and demand with losses, MW."""
        return float(np.abs(self.task.surplus_mw(self.p_mw)).max())

    @property
    def max_ramp_violation_mw(self) -> float:
        """Largest step beyond a ramp limit, MW."""
        return float(self.task.broken_mw(self.p_mw).max())

    @property
    def status(self) -> str:
        """What Ipopt said of the smooth problem inside the final pieces: locally optimal."""
        return str(self.run.best.status)


def dispatch_units(
    units: Sequence[Unit],
    demand_mw: ArrayLike,
    losses: Losses | None = None,
    *,
    seed: int = 0,
    workers: int | None = None,
    options: GeneticOptions | None = None,
    progress: Progress | None = None,
) -> EconomicDispatch:
    """Find the cheapest outputs of units that meet a demand, over one hour or several.

    minimise ``sum_t sum_i cost_i(p_ti)``, where ``sum_i p_ti = demand_t + loss(p_t)``, each output
    lies in a piece of its unit, and ``-ramp_down <= p_ti - p_(t-1)i <= ramp_up``.

    Parameters
    ----------
    units : as :func:`hybridopt.unit_files.read_units` gives them, or made by hand
    demand_mw : MW, one number or one for each hour
    losses : B-coefficients
    seed : of all random numbers
    workers : processes; by default one for a single hour, else one per core
    options : of the genetic algorithm

    Raises
    ------
    NoSolutionError
        The demand cannot be met; says in which hour and by how much.

    Notes
    -----
    A genetic algorithm picks the smooth pieces, exchange between pairs of units improves each
    candidate, and Ipopt solves the smooth problem inside the pieces. Every cost is of the exact
    formula. The answer is the best found, not a proven optimum.
    """
    began = time.perf_counter()
    require_solver()
    given = np.asarray(demand_mw, dtype=float)
    demand = np.atleast_1d(given)
    task = Task(tuple(units), demand, losses or no_losses(len(units)), given.ndim > 0)
    limit = demand_limit(task.units, task.demand_mw, task.losses)
    if limit:
        raise NoSolutionError(limit)
    many = len(demand) > 1
    options = options or (HORIZON if many else _one_hour(len(units)))
    processes = workers or ((os.cpu_count() or 1) if many else 1)
    run = _search(task, options, seed, processes, progress or NoProgress())
    best = run.best
    if best.fitness[0] > 0:
        raise NoSolutionError(_worst(task, best.p_mw))
    if not best.ok:
        raise HybridoptError(f"Ipopt failed inside the pieces found: {best.status}")
    cost = task.table.cost(best.p_mw)
    return EconomicDispatch(task, best.p_mw, cost, run, seed, time.perf_counter() - began)


def _one_hour(n: int) -> GeneticOptions:
    """More generations for more units; past 50 each takes long enough."""
    return replace(ONE_HOUR, generations=max(ONE_HOUR.generations, min(2 * n, 100)))


def _search(
    task: Task, options: GeneticOptions, seed: int, processes: int, progress: Progress
) -> Run[Pieces, Schedule]:
    with (
        Workers(task.evaluate, processes) as pool,
        progress.generations(options.generations, options.population) as report,
    ):
        return minimize(
            lambda pieces, _: pool.map(pieces), task.operators(), options, seed, OBJECTIVES, report
        )


def _worst(task: Task, p_mw: Floats) -> str:
    """The limit that the best schedule found misses most."""
    surplus, broken = task.surplus_mw(p_mw), task.broken_mw(p_mw)
    hour = int(np.argmax(np.abs(surplus)))
    found = "no schedule was found that meets all limits; in the nearest one,"
    if abs(surplus[hour]) > WITHIN_MW:
        way = "short of" if surplus[hour] < 0 else "above"
        return (
            f"{found} hour {hour + 1}, output is {abs(surplus[hour]):.6g} MW {way} demand "
            f"{task.demand_mw[hour]:g} MW"
        )
    hour, unit = divmod(int(np.argmax(broken)), broken.shape[1])
    return (
        f"{found} unit {task.units[unit].name} breaks its ramp limit by {broken[hour, unit]:.6g} "
        f"MW on the way to hour {hour + 1}"
    )
