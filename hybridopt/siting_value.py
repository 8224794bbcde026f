"""What plans of a siting study are worth: objective, limits, weight factors.

After Sun, Liu, Sun and Hu 2014 (reference B), equations 5 to 11; for many plans at once.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.errors import NoSolutionError
from hybridopt.network_siting_reliability import site_reliability
from hybridopt.siting_formula import feeding, formula_saving, printed_saving
from hybridopt.solvers.newton import PowerFlows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.network_siting import SitingProblem

    Bools = NDArray[np.bool_]
    Complexes = NDArray[np.complex128]
    Floats = NDArray[np.float64]

WITHIN = 1e-9  # relative; limits exceeded by less are met
KW_PER_MW = 1e3
LIMITS = ("vm_max", "loading", "capacity_max", "budget", "vm_min", "capacity_min", "units")
MENDED = 4  # so many of them are those that a lower weight factor may mend


@dataclass(frozen=True, eq=False)
class Values:
    """Plans and what they are worth; each array has one row for each.

    Attributes
    ----------
    plan : (n_plan, n_site)
    gamma : (n_plan,), common weight factor of the plan's units
    objective : (n_plan,), currency per year, F of equation 7 and the weights of section 4;
        inf where the power flow does not converge
    excess : (n_plan, len(LIMITS)), relative; by how much each limit is exceeded
    capacity_mw : (n_plan,), sum of gamma K
    loss_mw : (n_plan, n_state), AC, NaN where the power flow does not converge
    formula_mw : (n_plan, n_state), losses saved by the closed formula
    full_loss_mw, full_formula_mw : the same at the weight factor 1; NaN where not found
    min_vm, max_vm : (n_plan,), pu, over all states and the buses whose voltage is not held
    max_loading : (n_plan,), percent, NaN when no branch is rated
    interruptions : (n_plan,), cost of interruptions, currency per year, within the objective
    """

    plan: Bools
    gamma: Floats
    objective: Floats
    excess: Floats
    capacity_mw: Floats
    loss_mw: Floats
    formula_mw: Floats
    full_loss_mw: Floats
    full_formula_mw: Floats
    min_vm: Floats
    max_vm: Floats
    max_loading: Floats
    interruptions: Floats

    def __len__(self) -> int:
        """Number of plans."""
        return len(self.plan)

    @property
    def violation(self) -> Floats:
        """Sum of what exceeds the limits, (n_plan,), relative; 0 within them."""
        return violation(self.excess)

    def order(self) -> NDArray[np.int64]:
        """Positions, best first: within limits, then by objective, then with fewer units."""
        count = self.plan.sum(axis=1)
        return np.lexsort((count, np.round(self.objective, 6), self.violation))

    def take(self, rows: Any) -> Values:
        """Some of the plans."""
        return Values(**{f.name: getattr(self, f.name)[rows] for f in fields(self)})


def violation(excess: Floats) -> Floats:
    """Sum of what exceeds the limits, (n_plan,), relative.

    Parameters
    ----------
    excess : (n_plan, len(LIMITS))
    """
    return np.asarray(np.where(excess > WITHIN, excess, 0.0).sum(axis=1))


def joined(parts: Sequence[Values]) -> Values:
    """Put plans together."""
    names = [f.name for f in fields(Values)]
    return Values(**{n: np.concatenate([getattr(p, n) for p in parts]) for n in names})


class Evaluator:
    """Evaluates plans.

    Attributes
    ----------
    base_loss_mw : (n_state,), AC, without units
    window_mva : S_DG of constraint 11 from and to, MVA; None where a limit does not hold
    window_empty : whether S_Lmax exceeds 2 S_Lmin, so that its lower limit was left out
    evaluated : plans, and power flows of plans

    reliability : None where the case has no such table

    Raises
    ------
    NoSolutionError
        In a state the load flow without units does not converge.
    InputError
        What is wrong with the tables of customers and failures.
    """

    def __init__(self, problem: SitingProblem) -> None:
        self.problem = problem
        self.evaluated = self.solved = 0
        network, terms = problem.network, problem.terms
        self.flows = [PowerFlows(network.arrays, state.load) for state in terms.states]
        for number, flow in enumerate(self.flows, start=1):
            if not flow.converged:
                raise NoSolutionError(f"siting state {number}: the load flow does not converge")
        bases = np.array([flow.base for flow in self.flows])
        self.base_loss_mw = network.losses(bases)
        self.fed = [
            feeding(problem, v, state.load) for v, state in zip(bases, terms.states, strict=True)
        ]
        self.held = np.setdiff1d(np.arange(len(network.alive)), network.arrays.pq)
        self.window_mva, self.window_empty = capacity_window(problem)
        self.length = self._lengths()
        self.reliability = site_reliability(problem)

    def _lengths(self) -> Floats:
        """Length of the branch that feeds each site in the first state, (n_site,)."""
        fed, problem = self.fed[0], self.problem
        if problem.terms.length == "impedance":
            return np.asarray(abs(fed.z))
        km = np.nan_to_num(problem.length_km[fed.branch])
        return np.asarray(np.where(fed.branch >= 0, km, 0.0))

    def __call__(self, plans: Bools, *, at_one: bool = False) -> Values:
        """Evaluate plans.

        A plan that exceeds a limit which less power may mend (voltage too high, loading, capacity,
        budget) has its weight factor lowered, as the paper's improved algorithm does, until it
        exceeds none or ``gamma_min`` is reached. Where it exceeds some with all of them, the one
        holds with which it exceeds least.

        Parameters
        ----------
        plans : (n_plan, n_site)
        at_one : find losses at the weight factor 1, too, where it is lower; else they are NaN
        """
        plans = np.asarray(plans, dtype=bool).reshape(-1, self.problem.n_site)
        terms = self.problem.terms
        self.evaluated += len(plans)
        found = self._measure(plans, self._lowered(plans, np.ones(len(plans))))
        tried = {name: values.copy() for name, values in found.items()}
        while True:
            over = (tried["excess"][:, :MENDED] > WITHIN).any(axis=1)
            lower = self._lowered(plans, tried["gamma"] * terms.gamma_factor)
            rows = np.flatnonzero(over & plans.any(axis=1) & (lower >= terms.gamma_min))
            if not len(rows):
                break
            measured = self._measure(plans[rows], lower[rows])
            better = violation(measured["excess"]) < violation(found["excess"][rows])
            for name, values in measured.items():
                tried[name][rows] = values
                found[name][rows[better]] = values[better]
        found["interruptions"] = self._interruptions(plans, found["gamma"])
        found["objective"] = found["objective"] + found["interruptions"]
        full = self._at_one(plans, found, measure=at_one)
        return Values(plan=plans, full_loss_mw=full[0], full_formula_mw=full[1], **found)

    def _at_one(
        self, plans: Bools, found: dict[str, Any], *, measure: bool
    ) -> tuple[Floats, Floats]:
        """Losses by AC and savings by the closed formula at the weight factor 1."""
        loss, formula = found["loss_mw"].copy(), found["formula_mw"].copy()
        rows = np.flatnonzero(found["gamma"] < 1)
        loss[rows] = formula[rows] = np.nan
        if measure and len(rows):
            measured = self._measure(plans[rows], np.ones(len(rows)))
            loss[rows], formula[rows] = measured["loss_mw"], measured["formula_mw"]
        return loss, formula

    def _lowered(self, plans: Bools, gamma: Floats) -> Floats:
        """Weight factors, lowered as long as capacity or budget is exceeded, (n_plan,).

        These need no power flow; nothing below ``gamma_min`` is looked at.
        """
        terms, most = self.problem.terms, self.window_mva[1]
        full = (plans * self.problem.size_mw).sum(axis=1)
        room = np.full(len(plans), np.inf)
        for limit, per_mw in (
            (most, 1.0 / terms.power_factor),
            (self.problem.budget, self.problem.investment.capital_per_mw),
        ):
            if limit is not None and per_mw > 0:
                room = np.minimum(room, limit * (1 + WITHIN) / per_mw)
        while True:
            next_one = gamma * terms.gamma_factor
            over = (gamma * full > room) & (next_one >= terms.gamma_min)
            if not over.any():
                return gamma
            gamma = np.where(over, next_one, gamma)

    def _interruptions(self, plans: Bools, gamma: Floats) -> Floats:
        """Cost of interruptions, (n_plan,), currency per year; 0 where they are not priced."""
        cost = np.zeros(len(plans))
        if self.reliability is not None and self.reliability.is_priced:
            power = plans * self.problem.size_mw * gamma[:, None]
            for k, units in enumerate(power):
                cost[k] = self.reliability.price(self.reliability.indices(units))
        return cost

    def voltages(self, plan: Bools, gamma: float) -> list[Complexes]:
        """Voltages of one plan in each state, (n_bus,), pu."""
        factor = np.array([gamma])
        states = zip(self.flows, self.problem.terms.states, strict=True)
        return [
            flow.solve(self.problem.injected(plan[None], factor, state.generation)).v[0]
            for flow, state in states
        ]

    def _measure(self, plans: Bools, gamma: Floats) -> dict[str, Any]:
        """All but what stays the same whatever the weight factor."""
        problem, network, terms = self.problem, self.problem.network, self.problem.terms
        n, n_state = len(plans), len(terms.states)
        capacity = (plans * problem.size_mw).sum(axis=1) * gamma
        loss, formula = np.zeros((n, n_state)), np.zeros((n, n_state))
        low, high = np.full(n, np.inf), np.full(n, -np.inf)
        short, above, over = np.zeros(n), np.zeros(n), np.zeros(n)
        loading = np.full(n, np.nan)
        free, grid = network.arrays.pq, network.grid
        vm_min, vm_max = (x[network.alive[free]] for x in (grid.vm_min, grid.vm_max))
        for s, (flow, state) in enumerate(zip(self.flows, terms.states, strict=True)):
            extra = problem.injected(plans, gamma, state.generation)
            solved = flow.solve(extra)
            self.solved += n
            bad = ~solved.converged
            loss[:, s] = np.where(bad, np.nan, network.losses(solved.v))
            formula[:, s] = self._formula(s, extra[:, problem.site], plans, gamma)
            vm = abs(solved.v[:, free])
            low = np.minimum(low, vm.min(axis=1, initial=np.inf))
            high = np.maximum(high, vm.max(axis=1, initial=-np.inf))
            short = np.maximum(short, (vm_min - vm).max(axis=1, initial=0.0))
            above = np.maximum(above, (vm - vm_max).max(axis=1, initial=0.0))
            above[bad] = np.inf
            load = network.loading(solved.v)
            if np.isfinite(load).any():
                loading = np.fmax(loading, np.nanmax(load, axis=1))
                over = np.maximum(over, np.nan_to_num(loading) / 100 - 1)
        excess = np.zeros((n, len(LIMITS)))
        excess[:, LIMITS.index("vm_max")] = above
        excess[:, LIMITS.index("vm_min")] = short
        excess[:, LIMITS.index("loading")] = over
        self._capacity_excess(excess, plans, capacity)
        return {
            "gamma": gamma,
            "objective": self._objective(plans, gamma, capacity, loss, formula),
            "excess": excess,
            "capacity_mw": capacity,
            "loss_mw": loss,
            "formula_mw": formula,
            "min_vm": low,
            "max_vm": high,
            "max_loading": loading,
        }

    def _formula(self, state: int, power: Complexes, plans: Bools, gamma: Floats) -> Floats:
        if self.problem.terms.losses != "printed":
            return formula_saving(self.problem, self.fed[state], power)
        share = self.problem.terms.states[state].generation
        full = plans * self.problem.size_mw * share / self.problem.network.grid.base_mva
        return printed_saving(self.problem, self.fed[state], full, gamma)

    def _capacity_excess(self, excess: Floats, plans: Bools, capacity: Floats) -> None:
        problem, (least, most) = self.problem, self.window_mva
        mva = capacity / problem.terms.power_factor
        if most is not None:
            excess[:, LIMITS.index("capacity_max")] = (mva - most) / max(most, 1e-9)
        if least:
            excess[:, LIMITS.index("capacity_min")] = (least - mva) / least
        if np.isfinite(problem.budget):
            capital = capacity * problem.investment.capital_per_mw
            excess[:, LIMITS.index("budget")] = (capital - problem.budget) / max(
                problem.budget, 1e-9
            )
        count = plans.sum(axis=1)
        outside = np.maximum(count - problem.most_units, problem.least_units - count)
        excess[:, LIMITS.index("units")] = outside
        np.maximum(excess, 0.0, out=excess)

    def _objective(
        self, plans: Bools, gamma: Floats, capacity: Floats, loss: Floats, formula: Floats
    ) -> Floats:
        parts = self._parts(plans, gamma, capacity, loss, formula)
        total = sum(parts.values(), np.zeros(len(plans)))
        return np.asarray(np.where(np.isnan(loss).any(axis=1), np.inf, total))

    def parts(self, values: Values) -> dict[str, Floats]:
        """Terms of the objective, each (n_plan,), currency per year; they add up to it."""
        v = values
        parts = self._parts(v.plan, v.gamma, v.capacity_mw, v.loss_mw, v.formula_mw)
        if self.reliability is not None:
            parts["interruptions_per_year"] = v.interruptions
        return parts

    def _parts(
        self, plans: Bools, gamma: Floats, capacity: Floats, loss: Floats, formula: Floats
    ) -> dict[str, Floats]:
        """All but what interruptions cost."""
        terms, money = self.problem.terms, self.problem.investment
        hours = np.array([state.hours for state in terms.states])
        saved = formula if terms.losses != "ac" else self.base_loss_mw - loss
        kw = capacity * KW_PER_MW
        paid = kw * gamma if terms.losses == "printed" else kw  # equation 9 squares gamma
        full_load = terms.full_load_hours
        operation = money.annual_per_kw(full_load) - money.annual_capital_per_kw
        near = plans * self.problem.size_mw * gamma[:, None]
        load = near @ np.maximum(self.problem.load_mva.real, 0.0)
        return {
            "investment_per_year": money.annual_capital_per_kw * paid,
            "operation_per_year": operation * paid,
            "loss_saving_per_year": -terms.energy_price_per_mwh * (saved @ hours),
            "subsidy_per_year": -terms.subsidy_per_mwh * full_load / KW_PER_MW * paid,
            "length_worth_per_year": -terms.length_weight * (near @ self.length),
            "load_worth_per_year": -terms.load_weight * load,
        }


def capacity_window(
    problem: SitingProblem,
) -> tuple[tuple[float | None, float | None], bool]:
    """S_Lmax - S_Lmin and S_Lmin of constraint 11, MVA, and whether no capacity lies between.

    In that case (S_Lmax above 2 S_Lmin) the upper limit alone holds.
    """
    terms = problem.terms
    if terms.load_min is None:
        return (None, None), False
    whole = float(abs(problem.load_mva.sum()))
    low, high = terms.load_min * whole, (terms.load_max or 1.0) * whole
    if high - low > low * (1 + WITHIN):
        return (None, low), True
    return (high - low, low), False
