"""The plans an operator can choose from: genome, cost, budget, repair."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any

from hybridopt.grid import DGSites, NewLine, Plan, Unit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from hybridopt.plan_genes import LineGenes, UnitGenes

Genome = list[Any]  # whole numbers, and floats where a gene is continuous
NONE = -1  # gene of a unit that is not placed, or a line that is not built


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
    position of its site, or -1. Where plans choose more, these parts follow: the size of each
    unit (a position), or its planned power and its voltage; for each line that is built anywhere
    the position of its pair of buses, or -1, and its length. In normal form units and lines stand
    in order, empty places last and zero.

    Attributes
    ----------
    sizes_mw : standard ratings; empty when ratings are continuous
    budget : currency, a cap
    neighbours : (n_site,) sites at the other end of a branch, for moving a unit
    meeting : pairs of candidates, by their genes, that have an end bus in common
    unit_genes : None when the dispatch chooses the ratings
    line_genes : None when no line may be built anywhere
    """

    candidates: tuple[Candidate, ...]
    sites: DGSites
    max_units: int
    sizes_mw: tuple[float, ...]
    budget: float
    neighbours: tuple[tuple[int, ...], ...] = ()
    meeting: tuple[tuple[int, int], ...] = ()
    unit_genes: UnitGenes | None = None
    line_genes: LineGenes | None = None

    @property
    def n_lines(self) -> int:
        """Number of genes that stand for branches."""
        return len(self.candidates)

    @property
    def max_new_lines(self) -> int:
        """Most lines that may be built anywhere."""
        return self.line_genes.max_lines if self.line_genes else 0

    def starts(self) -> dict[str, int]:
        """Position of the first gene of each part: site, size, p, vm, pair, length."""
        genes, k, m = self.unit_genes, self.max_units, self.max_new_lines
        widths = {
            "site": k,
            "size": k if self.sizes_mw else 0,
            "p": k if genes else 0,
            "vm": k if genes and genes.vm_pu else 0,
            "pair": m,
            "length": m,
        }
        start, found = self.n_lines, {}
        for part, width in widths.items():
            found[part] = start
            start += width
        return found

    def unit_parts(self) -> list[int]:
        """Where the genes begin that a unit carries with its site: power, then voltage."""
        starts, genes = self.starts(), self.unit_genes
        if genes is None:
            return []
        return [starts["p"], starts["vm"]] if genes.vm_pu else [starts["p"]]

    def encode(self, plan: Plan) -> Genome:
        """Genome of a plan: units by site, empty places last."""
        lines = [int(c.branch in plan.branches) for c in self.candidates]
        sites = [self.sites.bus.index(u.bus) for u in plan.units]
        empty = self.max_units - len(sites)
        genome: Genome = lines + sites + [NONE] * empty
        if self.sizes_mw:
            ratings = [u.rating_mw for u in plan.units if u.rating_mw is not None]
            genome += [self.sizes_mw.index(rating) for rating in ratings] + [0] * empty
        if self.unit_genes:
            carried = [self.unit_genes.complete(unit) for unit in plan.units]
            for k in range(len(self.unit_parts())):
                genome += [genes[k] for genes in carried] + [0.0] * empty
        if self.line_genes:
            unbuilt = self.max_new_lines - len(plan.new_lines)
            genome += [x.branch - self.line_genes.first for x in plan.new_lines]
            genome += [NONE] * unbuilt
            genome += [x.length_km for x in plan.new_lines] + [0.0] * unbuilt
        return genome

    def decode(self, genome: Genome) -> Plan:
        """Plan of a genome; a site or pair named twice counts once, the first one's genes hold."""
        n, k, starts = self.n_lines, self.max_units, self.starts()
        branches = [c.branch for c, gene in zip(self.candidates, genome, strict=False) if gene]
        units: dict[int, Unit] = {}
        for place, site in enumerate(genome[n : n + k]):
            if site != NONE and site not in units:
                units[site] = self._unit(genome, place, site)
        lines: dict[int, NewLine] = {}
        if self.line_genes:
            for place, pair in enumerate(genome[starts["pair"] : starts["length"]]):
                if pair != NONE and pair not in lines:
                    length = self.line_genes.length_km.clip(genome[starts["length"] + place])
                    lines[pair] = NewLine(self.line_genes.first + pair, length)
        return Plan(
            tuple(sorted(branches)),
            tuple(units[s] for s in sorted(units)),
            tuple(lines[p] for p in sorted(lines)),
        )

    def _unit(self, genome: Genome, place: int, site: int) -> Unit:
        bus, genes, starts = self.sites.bus[site], self.unit_genes, self.starts()
        if self.sizes_mw:
            return Unit(bus, self.sizes_mw[genome[starts["size"] + place]])
        if genes is None:
            return Unit(bus)
        vm = genes.vm_pu.clip(genome[starts["vm"] + place]) if genes.vm_pu else None
        return Unit(bus, genes.p_mw.clip(genome[starts["p"] + place]), vm)

    def branch_cost(self, plan: Plan) -> float:
        """Cost of the plan's branches, currency."""
        cost = sum(c.cost for c in self.candidates if c.branch in plan.branches)
        if self.line_genes:
            cost += sum(self.line_genes.price(line) for line in plan.new_lines)
        return cost

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
        if self.unit_genes:
            drawn = [self.unit_genes.draw(rng) for _ in range(self.max_units)]
            genome += [value for part in zip(*drawn, strict=True) for value in part]
        if self.line_genes:
            genome += self._random_lines(self.line_genes, rng)
        return self.repair(genome, rng)

    def _random_lines(self, genes: LineGenes, rng: Random) -> Genome:
        chance = rng.random()
        places = range(genes.max_lines)
        built = [rng.random() < chance for _ in places]
        pairs = [rng.randrange(len(genes.ends)) if here else NONE for here in built]
        return [*pairs, *(genes.length_km.draw(rng) for _ in places)]

    def repair(self, genome: Genome, rng: Random) -> Genome:
        """Within the budget, in normal form.

        A plan that costs too much plans less power, where plans choose it. Where that doesn't
        suffice, random elements are dropped until the rest can be had.
        """
        plan = self.decode(genome)
        while not self.affordable(plan):
            cheaper = self.with_less_power(plan)
            if cheaper is not None:
                plan = cheaper
                break
            elements: list[int | Unit | NewLine] = [*plan.branches, *plan.units, *plan.new_lines]
            out = elements[rng.randrange(len(elements))]
            plan = Plan(
                tuple(b for b in plan.branches if b != out),
                tuple(u for u in plan.units if u != out),
                tuple(x for x in plan.new_lines if x != out),
            )
        return self.encode(plan)

    def with_less_power(self, plan: Plan) -> Plan | None:
        """The plan with as much planned power as can be paid, all units cut by the same share.

        The share is of what lies above the smallest power. None when that is too much already, or
        plans choose no power.
        """
        genes, price = self.unit_genes, self.sites.cost_per_mw
        if genes is None or price == 0 or not plan.units:
            return None
        p, low = [u.rating_mw or 0.0 for u in plan.units], genes.p_mw.low
        room = (self.budget - self.branch_cost(plan)) / price - low * len(p)
        spare = sum(p) - low * len(p)
        share = min(max(room, 0.0) / spare, 1.0) if spare > 0 else 0.0
        for below in (0.0, 10.0**-genes.p_mw.digits):  # should rounding make it too dear
            left = [genes.p_mw.floor(low + share * (x - low) - below) for x in p]
            units = zip(plan.units, left, strict=True)
            found = replace(plan, units=tuple(replace(u, rating_mw=x) for u, x in units))
            if self.affordable(found):
                return found
        return None

    def power_left(self, plan: Plan, bus: int) -> float:
        """Largest power, MW, that the budget leaves to a unit, all else as planned."""
        if self.sites.cost_per_mw == 0:
            return float("inf")
        others = tuple(u for u in plan.units if u.bus != bus)
        left = self.left_for_ratings(replace(plan, units=others))
        return left / self.sites.cost_per_mw

    def count(self) -> int | None:
        """Number of plans, those over the budget included; None where genes are continuous."""
        if self.unit_genes or self.line_genes:
            return None
        n = len(self.sites.bus)
        sizes = max(len(self.sizes_mw), 1)
        sited = sum(comb(n, k) * sizes**k for k in range(min(self.max_units, n) + 1))
        return int(2**self.n_lines * sited)

    def every(self) -> Iterator[Plan]:
        """Every affordable plan, small ones first.

        Raises
        ------
        ValueError
            Genes are continuous: there is no end of plans.
        """
        if self.count() is None:
            raise ValueError("plans with continuous genes cannot be listed")
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


def used_places(genome: Genome, start: int, count: int) -> list[int]:
    """Places that are not empty."""
    return [place for place in range(count) if genome[start + place] != NONE]
