"""Ratings and set-points of distributed generation on a feeder, compiled once, solved by bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.errors import Finding, InputError
from hybridopt.feeder_trees import fed_trees
from hybridopt.models.distflow import build_distflow
from hybridopt.solvers import radial
from hybridopt.solvers.ipopt import CompiledModel
from hybridopt.solvers.status import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.feeder import Feeder
    from hybridopt.solvers.ipopt import Solution
    from hybridopt.solvers.reduced import Bounds

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

# The start is a power flow at set-points that are nearly the answer.
OPTIONS: dict[str, Any] = {
    "print_level": 0,
    "sb": "yes",
    "tol": 1e-9,
    "max_iter": 200,
    "mu_init": 1e-4,
    "bound_push": 1e-6,
    "bound_frac": 1e-6,
    "slack_bound_push": 1e-6,
    "slack_bound_frac": 1e-6,
}
DARK = 1e-6  # share of the largest output below which a profile is rounding
LOWEST_V = 0.01  # squared voltage, pu
SCALE = 100.0  # losses are minimised as percent of the demand
EXCESS = 10.0  # weight of exceeded limits (squared, pu) where they are to be met as far as can be
FEASIBLE = 1e-8  # pu; balances missed by less are met
MET = 1e-7  # limits exceeded by less are met: voltage in pu, current by its share


@dataclass(frozen=True, eq=False)
class DGOptions:
    """What distributed generation may be placed, and on what terms.

    Attributes
    ----------
    units : number of units at most, one per bus
    power_factor : lowest; |q| <= tan(acos(power_factor)) rating in every hour
    penetration : sum of the ratings over the demand of the hour with most of it
    profile : (n_t,), largest output per rating in each hour; None for 1
    buses : positions where units may stand; None for every bus without source
    max_mw : largest rating of a unit, MW
    """

    units: int
    power_factor: float = 1.0
    penetration: float = 1.0
    profile: Floats | None = None
    buses: Sequence[int] | None = None
    max_mw: float | None = None

    @property
    def tan_phi(self) -> float:
        """Largest reactive power per rating."""
        return math.tan(math.acos(self.power_factor)) if self.power_factor < 1.0 else 0.0

    def check(self, feeder: Feeder) -> None:
        """Raise InputError for what makes no sense on a feeder."""
        wrong = [
            message
            for message, bad in (
                ("units must be at least 1", self.units < 1),
                ("power_factor must be above 0, at most 1", not 0.0 < self.power_factor <= 1.0),
                ("penetration must be above 0", not 0.0 < self.penetration < math.inf),
                ("max_mw must be above 0", self.max_mw is not None and not self.max_mw > 0.0),
            )
            if bad
        ]
        wrong += self._check_profile(feeder.n_t) + self._check_buses(feeder)
        if wrong:
            raise InputError([Finding(f"{feeder.name}: distributed generation", w) for w in wrong])

    def _check_profile(self, n_t: int) -> list[str]:
        if self.profile is None:
            return []
        profile = np.asarray(self.profile, dtype=float)
        if profile.shape != (n_t,):
            return [f"profile must have {n_t} values, one for each hour"]
        if not (np.isfinite(profile).all() and (profile >= 0).all() and (profile > 0).any()):
            return ["profile must be at least 0 everywhere and above 0 somewhere"]
        return []

    def _check_buses(self, feeder: Feeder) -> list[str]:
        outside = [b for b in self.buses or () if not 0 <= b < feeder.n_bus]
        if outside:
            return [f"no bus has position {outside[0]}"]
        return [] if self.sites(feeder).size else ["no unit may stand at any bus that is fed"]

    def sites(self, feeder: Feeder) -> Ints:
        """Positions where a unit may stand, ascending."""
        allowed = np.zeros(feeder.n_bus, dtype=bool)
        allowed[list(range(feeder.n_bus)) if self.buses is None else list(self.buses)] = True
        allowed &= (feeder.source_vm == 0) & feeder.reached(feeder.in_tree)
        return np.flatnonzero(allowed)

    def hourly(self, feeder: Feeder) -> Floats:
        """Largest output per rating in each hour, (n_t,)."""
        if self.profile is None:
            return np.ones(feeder.n_t)
        profile = np.array(self.profile, dtype=float)
        return np.where(profile > DARK * profile.max(), profile, 0.0)

    def capacity_mw(self, feeder: Feeder) -> float:
        """What all ratings together may be: the penetration limit of reference A, section 4.2."""
        return self.penetration * float(feeder.served.sum(axis=1).max()) * feeder.base_mva

    def largest_mw(self, feeder: Feeder) -> float:
        """What one rating may be."""
        capacity = self.capacity_mw(feeder)
        return capacity if self.max_mw is None else min(capacity, self.max_mw)


@dataclass(frozen=True, eq=False)
class FeederSetPoints:
    """Ratings and set-points of one configuration with units at given buses.

    Attributes
    ----------
    status : OPTIMAL or ACCEPTABLE with all limits met; INFEASIBLE where they cannot be met
    message : Ipopt's name of its return code
    loss : energy, pu h
    sites : (n_site,), bus positions
    rating_mw : (n_site,), the least that allows the set-points
    p_mw, q_mvar : (n_t, n_site), positive injects
    vm : (n_t, n_bus), pu, NaN where dead
    violation : limits exceeded, pu of voltage and share of current, the largest
    solves : nonlinear programs solved
    """

    status: Status
    message: str
    loss: float
    sites: Ints
    rating_mw: Floats
    p_mw: Floats
    q_mvar: Floats
    vm: Floats
    violation: float
    solves: int

    @property
    def ok(self) -> bool:
        """Whether the set-points may be used and meet all limits."""
        return self.status in (Status.OPTIMAL, Status.ACCEPTABLE)


class FeederDispatch:
    """The nonlinear program of :mod:`hybridopt.models.distflow` for a feeder.

    Parameters
    ----------
    feeder : the feeder
    options : on what terms units stand; ``units`` does not matter
    """

    def __init__(self, feeder: Feeder, options: DGOptions) -> None:
        options.check(feeder)
        self.feeder, self.options = feeder, options
        self._trees = fed_trees(feeder)
        self._profile = options.hourly(feeder)
        model = build_distflow(feeder, options.tan_phi)
        compiled = CompiledModel(model)
        n_t, n_bus, n_branch = feeder.n_t, feeder.n_bus, feeder.n_branch
        self._model = compiled
        self._bus = {
            name: compiled.columns(getattr(model, name), n_t, n_bus)
            for name in ("v", "dg_p", "dg_q", "source_p", "source_q", "low", "high")
        }
        self._branch = {
            name: compiled.columns(getattr(model, name), n_t, n_branch)
            for name in ("p", "q", "l", "b", "over")
        }
        self._data = {
            "closed": compiled.columns(model.closed, n_branch),
            "profile": compiled.columns(model.profile, n_t),
            "weight_loss": compiled.columns(model.weight_loss),
            "weight_excess": compiled.columns(model.weight_excess),
        }
        energy = float((feeder.served.sum(axis=1) * feeder.dt).sum())
        self._per_demand = SCALE / energy if energy > 0 else SCALE
        self._rating = compiled.columns(model.rating, n_bus)
        self._bus_rows = [
            compiled.rows(getattr(model, name), n_t, n_bus)
            for name in ("balance_p", "balance_q", "voltage_min", "voltage_max")
        ]
        self._branch_rows = {
            name: compiled.rows(getattr(model, name), n_t, n_branch)
            for name in ("drop", "power", "current_from", "current_to")
        }
        caps = ["dg_cap_p", "dg_cap_q_max", "dg_cap_q_min"][: 3 if options.tan_phi > 0 else 1]
        self._cap_rows = [compiled.rows(getattr(model, name), n_t, n_bus) for name in caps]
        self._penetration = compiled.rows(model.penetration, 1)
        self.compile_s = compiled.compile_s

    def solve(
        self,
        closed: Bools,
        sites: Ints,
        start: tuple[Floats, Floats] | None = None,
        *,
        soft: bool = True,
    ) -> FeederSetPoints:
        """Least losses of one configuration with units at given buses.

        Parameters
        ----------
        closed : (n_branch,)
        sites : (n_site,), bus positions, different from one another
        start : (n_t, n_site) twice, p in MW and q in Mvar to begin with
        soft : meet limits as far as can be where they cannot all be met

        Returns
        -------
        FeederSetPoints
            A failed solve is a value, not an exception.
        """
        sites = np.asarray(sites, dtype=np.int64)
        bounds = self._bounds(closed, sites, start)
        if bounds is None:
            return self._nothing(sites, "no power flow to start from")
        solution = self._model.solve(bounds, OPTIONS, feasible=FEASIBLE)
        found = self._result(solution, closed, sites, 1)
        if found.ok or not soft or not self._soften(bounds, solution):
            return found
        least = self._model.solve(bounds, OPTIONS, feasible=FEASIBLE)
        return self._result(least, closed, sites, 2)

    def _bounds(
        self, closed: Bools, sites: Ints, start: tuple[Floats, Floats] | None
    ) -> Bounds | None:
        """What describes one configuration; None where its power flow has no solution."""
        feeder, data = self.feeder, self._data
        flow = self._flow(closed, sites, start)
        if flow is None:
            return None
        bounds = self._model.bounds()
        live = feeder.reached(closed)
        on = closed & live[feeder.branch_from]
        x = self._start(bounds, closed, live, flow)
        for name in ("dg_p", "dg_q"):
            bounds.fix(x[name], 0.0)
        for columns in (self._bus["low"], self._bus["high"], self._branch["over"]):
            bounds.fix(columns[columns >= 0], 0.0)
        stated = data["closed"] >= 0
        bounds.fix(data["closed"][stated], closed[stated].astype(float))
        bounds.fix(data["profile"], self._profile)
        self._weigh(bounds, self._per_demand, 0.0)
        for name in ("p", "q", "l"):
            columns = x[name]
            bounds.fix(columns[:, ~on], 0.0)
            bounds.x_min[columns[:, on]] = 0.0 if name == "l" else -np.inf
        bounds.fix(x["b"][:, on], 0.0)
        self._units(bounds, sites, start)
        dead = [rows[:, ~live] for rows in self._bus_rows]
        off = [rows[:, ~on] for name, rows in self._branch_rows.items() if name != "drop"]
        dark = ~live[feeder.branch_from] | ~live[feeder.branch_to]
        off.append(self._branch_rows["drop"][:, dark])
        bounds.fix(x["b"][:, dark], 0.0)
        elsewhere = np.ones(feeder.n_bus, dtype=bool)
        elsewhere[sites] = False
        off += [rows[:, elsewhere] for rows in self._cap_rows]
        for rows in (*dead, *off):
            bounds.row_on[rows[rows >= 0]] = False
        return bounds

    def _units(self, bounds: Bounds, sites: Ints, start: tuple[Floats, Floats] | None) -> None:
        """Free the output and the rating of units at given buses, within the penetration limit."""
        feeder, options = self.feeder, self.options
        base, largest = feeder.base_mva, options.largest_mw(feeder) / feeder.base_mva
        p, q = self._given(sites, start)
        bounds.fix(self._rating[self._rating >= 0], 0.0)
        at = self._rating[sites]
        bounds.x_max[at] = largest
        bounds.x_start[at] = np.minimum(self._least_rating(p, q), largest)
        bounds.row_max[self._penetration] = options.capacity_mw(feeder) / base
        columns, lit = self._bus["dg_p"][:, sites], self._profile > 0
        bounds.x_max[columns[lit]] = np.inf
        bounds.x_start[columns] = p
        if options.tan_phi > 0:
            columns = self._bus["dg_q"][:, sites]
            bounds.x_min[columns], bounds.x_max[columns] = -np.inf, np.inf
            bounds.x_start[columns] = q

    def _given(self, sites: Ints, start: tuple[Floats, Floats] | None) -> tuple[Floats, Floats]:
        """Set-points to begin with, pu."""
        if start is not None:
            return start[0] / self.feeder.base_mva, start[1] / self.feeder.base_mva
        total = self.options.capacity_mw(self.feeder) / self.feeder.base_mva
        largest = self.options.largest_mw(self.feeder) / self.feeder.base_mva
        rating = min(0.5 * total / max(len(sites), 1), largest)
        p = np.repeat(rating * self._profile[:, None], len(sites), axis=1)
        return p, np.zeros_like(p)

    def _least_rating(self, p: Floats, q: Floats) -> Floats:
        """The least ratings that allow set-points."""
        profile = np.where(self._profile > 0, self._profile, np.inf)[:, None]
        need = np.maximum(p, 0.0) / profile
        if self.options.tan_phi > 0:
            need = np.maximum(need, abs(q) / self.options.tan_phi)
        return np.asarray(need.max(axis=0, initial=0.0))

    def _flow(
        self, closed: Bools, sites: Ints, start: tuple[Floats, Floats] | None
    ) -> tuple[Floats, Floats, Floats] | None:
        """Squared voltages and branch powers at the start; without the units if that fails."""
        trees = self._trees
        opens = trees.opens(closed)
        n_t, feeder = self.feeder.n_t, self.feeder
        for p, q in (self._given(sites, start), (np.zeros((n_t, len(sites))),) * 2):
            load = trees.arrays.load.copy()
            at = np.searchsorted(trees.bus, sites)
            for k, bus in enumerate(at):
                load[0, bus] -= p[:, k]
                load[1, bus] -= q[:, k]
            v, flow_p, flow_q, sweeps = radial.flows(trees.arrays._replace(load=load), opens)
            if sweeps > 0:
                found = [np.zeros((n_t, n)) for n in (feeder.n_bus, *(feeder.n_branch,) * 2)]
                found[0][:, trees.bus] = v.T
                found[1][:, trees.branch], found[2][:, trees.branch] = flow_p.T, flow_q.T
                return found[0], found[1], found[2]
        return None

    def _start(
        self, bounds: Bounds, closed: Bools, live: Bools, flow: tuple[Floats, Floats, Floats]
    ) -> dict[str, Ints]:
        """Start from a power flow; positions of the variables by name."""
        feeder, x = self.feeder, self._bus | self._branch
        v, p, q = flow
        f, t = feeder.branch_from, feeder.branch_to
        held = feeder.source_vm > 0
        bounds.x_min[x["v"]] = LOWEST_V
        bounds.x_max[x["v"]] = np.inf
        bounds.x_start[x["v"]] = np.where(live, v, 1.0)
        bounds.fix(x["v"][:, held], feeder.source_vm[held] ** 2)
        bounds.fix(x["v"][:, ~live], 1.0)
        forward = self._forward(closed)
        end = np.where(forward, v[:, t], v[:, f] / feeder.ratio**2)
        current2 = np.where(closed, (p**2 + q**2) / np.where(end > 0, end, 1.0), 0.0)
        bounds.x_start[x["l"]] = current2
        bounds.x_start[x["p"]] = p + np.where(forward, feeder.r * current2, 0.0)
        bounds.x_start[x["q"]] = q + np.where(forward, feeder.x * current2, 0.0)
        bounds.x_start[x["b"]] = np.where(closed, 0.0, v[:, t] - v[:, f] / feeder.ratio**2)
        for name in ("source_p", "source_q"):
            bounds.x_start[x[name][:, held]] = 0.0
        return x

    def _forward(self, closed: Bools) -> Bools:
        """Whether each closed branch is fed from its from bus, (n_branch,)."""
        feeder = self.feeder
        seen = feeder.source_vm > 0
        forward = np.ones(feeder.n_branch, dtype=bool)
        while True:
            out = closed & seen[feeder.branch_from] & ~seen[feeder.branch_to]
            back = closed & seen[feeder.branch_to] & ~seen[feeder.branch_from]
            if not (out | back).any():
                return forward
            forward[back] = False
            seen = seen.copy()
            seen[feeder.branch_to[out]] = True
            seen[feeder.branch_from[back]] = True

    def _weigh(self, bounds: Bounds, loss: float, excess: float) -> None:
        for name, value in (("weight_loss", loss), ("weight_excess", excess)):
            columns = self._data[name]
            bounds.fix(columns[columns >= 0], value)

    def _soften(self, bounds: Bounds, solution: Solution) -> bool:
        """Let limits be exceeded, at a price; whether there are any."""
        columns = [self._bus["low"], self._bus["high"], self._branch["over"]]
        free = np.concatenate([c[c >= 0] for c in columns])
        bounds.x_max[free] = np.inf
        self._weigh(bounds, 1e-3 * self._per_demand, EXCESS)
        return bool(free.size)

    def _result(
        self, solution: Solution, closed: Bools, sites: Ints, solves: int
    ) -> FeederSetPoints:
        feeder = self.feeder
        x, base = solution.x, feeder.base_mva
        p = np.where(
            self._profile[:, None] > 0, np.maximum(x[self._bus["dg_p"][:, sites]], 0.0), 0.0
        )
        q = x[self._bus["dg_q"][:, sites]]
        v = np.where(feeder.reached(closed), x[self._bus["v"]], np.nan)
        violation = self._violation(x, closed)
        status, message = solution.status, solution.message
        met = violation <= MET
        if solution.ok and not met:
            status, message = Status.INFEASIBLE, f"{message}, limits exceeded by {violation:.2g}"
        weight = x[self._data["weight_loss"]][0]
        excess = sum(
            x[c[c >= 0]].sum() for c in (self._bus["low"], self._bus["high"], self._branch["over"])
        )
        loss = (solution.objective - x[self._data["weight_excess"]][0] * excess) / weight
        return FeederSetPoints(
            status=status,
            message=message,
            loss=float(loss) if solution.violation <= 10 * FEASIBLE else float("inf"),
            sites=sites,
            rating_mw=np.minimum(self._least_rating(p, q), x[self._rating[sites]]) * base,
            p_mw=p * base,
            q_mvar=q * base,
            vm=np.sqrt(v),
            violation=violation,
            solves=solves,
        )

    def _violation(self, x: Floats, closed: Bools) -> float:
        """Largest excess of a voltage (pu) or a current (share of the largest) at a point."""
        feeder = self.feeder
        worst = 0.0
        live = feeder.reached(closed) & (feeder.source_vm == 0)
        vm = np.sqrt(np.maximum(x[self._bus["v"][:, live]], 0.0))
        low, high = feeder.vm_min[live], feeder.vm_max[live]
        if vm.size:
            worst = max(worst, float(np.maximum(low - vm, vm - high).max()))
        over = self._branch["over"]
        for limit in (feeder.i_from, feeder.i_to):
            rated = np.flatnonzero(np.isfinite(limit) & closed)
            if rated.size:
                excess = np.sqrt(1.0 + x[over[:, rated]] / limit[rated] ** 2) - 1.0
                worst = max(worst, float(excess.max()))
        return worst

    def _nothing(self, sites: Ints, message: str) -> FeederSetPoints:
        n_t, n = self.feeder.n_t, len(sites)
        none = np.zeros((n_t, n))
        vm = np.full((n_t, self.feeder.n_bus), np.nan)
        infinite = float("inf")
        return FeederSetPoints(
            Status.FAILED, message, infinite, sites, np.zeros(n), none, none, vm, infinite, 0
        )
