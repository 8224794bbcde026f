"""A siting study: search, every plan where there are few, the referee."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.errors import HybridoptError, NoSolutionError
from hybridopt.network_siting import SitingProblem, referee, siting_problem
from hybridopt.progress import NoProgress
from hybridopt.siting_search import MOST_PLANS, Search, count_plans, every_plan
from hybridopt.siting_value import LIMITS, WITHIN, Evaluator, Values

if TYPE_CHECKING:
    from hybridopt.network_scenario import Scenario
    from hybridopt.progress import Progress

SAME = 1e-9  # relative; objectives that differ by less are equal


@dataclass(frozen=True, eq=False)
class SitingResult:
    """A finished siting study.

    Attributes
    ----------
    method : "genetic" or "exhaustive"
    best : the best plan, one row
    search : the genetic search, None where there was none
    every : every plan, None where there are too many
    verification : pandapower's word on the best plan, see :func:`hybridopt.network_siting.referee`
    """

    problem: SitingProblem
    evaluator: Evaluator
    seed: int
    method: str
    best: Values
    search: Search | None
    every: Values | None
    plans: int
    verification: dict[str, Any]
    search_s: float
    wall_s: float

    @property
    def proven_best(self) -> bool:
        """Whether every plan was evaluated, and the best one is the answer."""
        return self.every is not None and not np.isinf(self.every.objective).any()

    @property
    def found_best(self) -> bool | None:
        """Whether the genetic search by itself found what enumeration says is best."""
        if self.search is None or self.every is None:
            return None
        found, best = self.search.best, self.best
        room = SAME * max(abs(float(best.objective[0])), 1.0)
        return bool(found.violation[0] == 0 and found.objective[0] <= best.objective[0] + room)

    @property
    def labels(self) -> list[int]:
        """Buses of the best plan."""
        return labels_of(self.problem, self.best, 0)


def labels_of(problem: SitingProblem, values: Values, row: int) -> list[int]:
    """Buses of a plan's units, by their labels."""
    return [problem.label[k] for k in np.flatnonzero(values.plan[row])]


def run_siting(
    scenario: Scenario | SitingProblem,
    *,
    seed: int = 0,
    exhaustive: bool = False,
    progress: Progress | None = None,
) -> SitingResult:
    """Find the best sites.

    The genetic search is checked against every plan where there are at most 2^14; should one of
    them be better, it is the answer, and ``found_best`` is false.

    Parameters
    ----------
    scenario : case with a ``[siting]`` table, or the problem made from it
    exhaustive : every plan, without a genetic search

    Raises
    ------
    InputError
        What is wrong with the case and its network; too many plans to look at every one.
    NoSolutionError
        No plan meets the limits (of those that were looked at); the load flow without units does
        not converge.
    """
    progress = progress or NoProgress()
    began = time.perf_counter()
    problem = scenario if isinstance(scenario, SitingProblem) else siting_problem(scenario)
    evaluator = Evaluator(problem)
    search = None
    if not exhaustive:
        search = Search(evaluator)
        search.run(seed, progress)
    searched = time.perf_counter() - began
    plans = count_plans(problem)
    every = every_plan(evaluator, progress) if exhaustive or plans <= MOST_PLANS else None
    seen = every if every is not None else search.best if search is not None else None
    if seen is None:
        raise HybridoptError("no plan was looked at")
    best = seen.take([int(seen.order()[0])])
    if best.violation[0] > 0:
        raise NoSolutionError(unmet(problem, evaluator, best, proven=every is not None))
    if search is not None and search.best.violation[0] == 0:
        found = search.best
        if abs(found.objective[0] - best.objective[0]) <= SAME * max(abs(best.objective[0]), 1.0):
            best = found
    plan, gamma = best.plan[0], float(best.gamma[0])
    verification = referee(problem, plan, gamma, evaluator.voltages(plan, gamma))
    return SitingResult(
        problem=problem,
        evaluator=evaluator,
        seed=seed,
        method="exhaustive" if exhaustive else "genetic",
        best=best,
        search=search,
        every=every,
        plans=plans,
        verification=verification,
        search_s=searched,
        wall_s=time.perf_counter() - began,
    )


def unmet(problem: SitingProblem, evaluator: Evaluator, best: Values, *, proven: bool) -> str:
    """Say which limit the nearest plan exceeds most, where, and by how much."""
    if np.isinf(best.excess[0, 0]):
        return "the power flow of no plan converges"
    limit = LIMITS[int(np.argmax(np.where(best.excess[0] > WITHIN, best.excess[0], 0.0)))]
    buses = ", ".join(map(str, labels_of(problem, best, 0))) or "none"
    who = "every plan" if proven else "every plan seen"
    nearest = f"nearest: units at {buses}, weight factor {best.gamma[0]:.3g}"
    return f"{_excess(problem, evaluator, best, limit)} ({who} exceeds a limit; {nearest})"


def _excess(problem: SitingProblem, evaluator: Evaluator, best: Values, limit: str) -> str:
    """What exceeds a limit."""
    plan, gamma, network = best.plan[0], float(best.gamma[0]), problem.network
    if limit in {"vm_max", "vm_min"}:
        free = network.arrays.pq
        bounds = getattr(network.grid, limit)[network.alive[free]]
        sign = 1.0 if limit == "vm_max" else -1.0
        vm = np.array([abs(v[free]) for v in evaluator.voltages(plan, gamma)])
        state, k = np.unravel_index(np.argmax(sign * (vm - bounds)), vm.shape)
        label = network.grid.bus_id[network.alive[free[k]]]
        word = "most" if sign > 0 else "least"
        return f"state {state + 1}, bus {label}: {vm[state, k]:.4f} pu, at {word} {bounds[k]:g}"
    if limit == "loading":
        loads = [network.loading(v[None])[0] for v in evaluator.voltages(plan, gamma)]
        loading = np.nan_to_num(np.array(loads))
        state, k = np.unravel_index(np.argmax(loading), loading.shape)
        name = network.grid.branch_name[network.branch[k]]
        return f"state {state + 1}, branch {name}: loaded {loading[state, k]:.1f} %, at most 100 %"
    if limit == "budget":
        capital = float(best.capacity_mw[0]) * problem.investment.capital_per_mw
        return f"investment {capital:,.0f}, budget {problem.budget:,.0f}"
    if limit == "units":
        return f"{int(plan.sum())} units, {problem.least_units} to {problem.most_units} wanted"
    mva = float(best.capacity_mw[0]) / problem.terms.power_factor
    least, most = evaluator.window_mva
    if limit == "capacity_max":
        return f"S_DG {mva:.3f} MVA, at most S_Lmin = {most or 0:.3f} MVA (constraint 11)"
    return f"S_DG {mva:.3f} MVA, at least S_Lmax - S_Lmin = {least or 0:.3f} MVA (constraint 11)"
