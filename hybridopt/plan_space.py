"""The plans an operator can choose from: genome, cost, budget, repair."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING

from hybridopt.grid import DGSites, Plan, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

Genome = list[int]
NONE = -1  # gene of a unit that is not placed


@dataclass(frozen=True)
class Candidate:
    """A branch that a plan may close.

    Attributes
    ----------
    branch : position in the grid
    cost : currency
    length_km : km; NaN for transformers
    kind : "repaired", "new" or "tie"
    """

    branch: int
    cost: float
    length_km: float
    kind: str


@dataclass(frozen=True)
class PlanSpace:
    """What may be closed and placed, and what may be spent.

    A genome has one gene (0 or 1) for each candidate branch, then one gene for each unit: the
    position of its site, or -1. With standard sizes, a gene for the size of each unit follows.

    Attributes
    ----------
    sizes_mw : standard ratings; empty when ratings are continuous
    budget : currency, a cap
    neighbours : (n_site,) sites at the other end of a branch, for moving a unit
    """

    candidates: tuple[Candidate, ...]
    sites: DGSites
    max_units: int
    sizes_mw: tuple[float, ...]
    budget: float
    neighbours: tuple[tuple[int, ...], ...] = ()

    @property
    def n_lines(self) -> int:
        """Number of genes that stand for branches."""
        return len(self.candidates)

    def encode(self, plan: Plan) -> Genome:
        """Genome of a plan: units by site, empty places last."""
        lines = [int(c.branch in plan.branches) for c in self.candidates]
        sites = [self.sites.bus.index(u.bus) for u in plan.units]
        empty = [NONE] * (self.max_units - len(sites))
        if not self.sizes_mw:
            return lines + sites + empty
        sizes = [self.sizes_mw.index(u.rating_mw) for u in plan.units if u.rating_mw is not None]
        return lines + sites + empty + sizes + [0] * len(empty)

    def decode(self, genome: Genome) -> Plan:
        """Plan of a genome; a site named twice counts once, the first size holds."""
        n, k = self.n_lines, self.max_units
        branches = [c.branch for c, gene in zip(self.candidates, genome, strict=False) if gene]
        sizes = genome[n + k :] if self.sizes_mw else []
        units: dict[int, Unit] = {}
        for place, site in enumerate(genome[n : n + k]):
            if site != NONE and site not in units:
                rating = self.sizes_mw[sizes[place]] if self.sizes_mw else None
                units[site] = Unit(self.sites.bus[site], rating)
        return Plan(tuple(sorted(branches)), tuple(units[s] for s in sorted(units)))

    def branch_cost(self, plan: Plan) -> float:
        """Cost of the plan's branches, currency."""
        return sum(c.cost for c in self.candidates if c.branch in plan.branches)

    def unit_cost(self, plan: Plan) -> float:
        """Cost of the plan's given ratings, currency."""
        return sum(self.sites.cost_per_mw * u.rating_mw for u in plan.units if u.rating_mw)

    def cost(self, plan: Plan) -> float:
        """Cost of a plan whose ratings are given, currency."""
        return self.branch_cost(plan) + self.unit_cost(plan)

    def least_cost(self, plan: Plan) -> float:
        """Least that a plan can cost: free ratings at their smallest."""
        free = sum(u.rating_mw is None for u in plan.units)
        return self.cost(plan) + free * self.sites.cost_per_mw * self.sites.min_mw

    def left_for_ratings(self, plan: Plan) -> float:
        """What a plan leaves of the budget, currency; a hair less, because sums are rounded."""
        return max(self.budget * (1 - 1e-12) - self.cost(plan), 0.0)

    def affordable(self, plan: Plan) -> bool:
        """Whether the plan can be had within the budget; free units need some money left."""
        left = self.budget - self.least_cost(plan)
        free = any(u.rating_mw is None for u in plan.units)
        needs_more = free and self.sites.cost_per_mw > 0 and self.sites.min_mw == 0
        return left > 1e-9 if needs_more else left >= -1e-9

    def random(self, rng: Random) -> Genome:
        """A random genome: each branch and each unit with its own chance, drawn first."""
        chance = rng.random()
        genome = [int(rng.random() < chance) for _ in self.candidates]
        chance = rng.random()
        n_site = len(self.sites.bus)
        genome += [
            rng.randrange(n_site) if n_site and rng.random() < chance else NONE
            for _ in range(self.max_units)
        ]
        if self.sizes_mw:
            genome += [rng.randrange(len(self.sizes_mw)) for _ in range(self.max_units)]
        return self.repair(genome, rng)

    def repair(self, genome: Genome, rng: Random) -> Genome:
        """Drop random elements until the budget holds; normal form of the rest."""
        plan = self.decode(genome)
        while not self.affordable(plan):
            elements: list[int | Unit] = [*plan.branches, *plan.units]
            out = elements[rng.randrange(len(elements))]
            plan = Plan(
                tuple(b for b in plan.branches if b != out),
                tuple(u for u in plan.units if u != out),
            )
        return self.encode(plan)

    def count(self) -> int:
        """Number of plans, those over the budget included."""
        n = len(self.sites.bus)
        sizes = max(len(self.sizes_mw), 1)
        sited = sum(comb(n, k) * sizes**k for k in range(min(self.max_units, n) + 1))
        return int(2**self.n_lines * sited)

    def every(self) -> Iterator[Plan]:
        """Every affordable plan, small ones first."""
        branches = [c.branch for c in self.candidates]
        for size in range(len(branches) + 1):
            for lines in combinations(sorted(branches), size):
                for units in self._every_siting():
                    plan = Plan(lines, units)
                    if self.affordable(plan):
                        yield plan

    def _every_siting(self) -> Iterator[tuple[Unit, ...]]:
        ratings: tuple[float | None, ...] = self.sizes_mw or (None,)
        options = [Unit(bus, rating) for bus in self.sites.bus for rating in ratings]
        for k in range(self.max_units + 1):
            for units in combinations(options, k):
                if len({u.bus for u in units}) == k:
                    yield tuple(sorted(units, key=lambda u: u.bus))
