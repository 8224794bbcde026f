"""What a case lets a plan use, resolved to positions in its network."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.grid import DGSites
from hybridopt.network_pairs import line_genes
from hybridopt.plan_genes import P_DIGITS, VM_DIGITS, Range, UnitGenes
from hybridopt.plan_space import Candidate, PlanSpace

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hybridopt.case_investment import InvestmentTable
    from hybridopt.case_resources import CandidateLine
    from hybridopt.elements import Elements
    from hybridopt.grid import Event, Grid

PLANNED_P_RATIO = 1.5  # max_p over planned p in Tables 6 and 8 of Diaz Vargas et al. 2024


def plan_space(
    elements: Elements, damaged: Grid, event: Event, new: Sequence[tuple[int, CandidateLine]]
) -> PlanSpace:
    """Resolve what a plan may use; what isn't there becomes a finding of ``elements``.

    Parameters
    ----------
    damaged : grid after the event
    new : position and data of each line that a plan may build
    """
    case = elements.case
    sites, genes = _sites(elements, damaged), case.resources.dg.genes
    candidates = tuple(_candidates(elements, damaged, event, new))
    return PlanSpace(
        candidates=candidates,
        sites=sites,
        max_units=min(case.resources.dg.max_units, len(sites.bus)),
        sizes_mw=tuple(case.resources.dg.sizes_mw or ()),
        budget=case.budget,
        neighbours=_neighbours(damaged, sites),
        meeting=_meeting(damaged, candidates),
        unit_genes=None
        if genes is None
        else UnitGenes(
            Range(*genes.p_mw, P_DIGITS),
            None if genes.vm_pu is None else Range(*genes.vm_pu, VM_DIGITS),
        ),
        line_genes=line_genes(elements, damaged),
    )


def _candidates(
    elements: Elements, damaged: Grid, event: Event, new: Sequence[tuple[int, CandidateLine]]
) -> list[Candidate]:
    """Branches that a plan may close: damaged, new and tie branches, in this order."""
    lines, length = elements.case.resources.lines, elements.names["length"]
    price = _Prices(elements, damaged)
    found = []
    if lines.damaged:
        for branch in event.branches:
            cost = price.of(branch, "resources.lines")
            found.append(Candidate(branch, cost, float(length[branch]), "repaired"))
    for branch, line in new:
        cost = price.of(branch, "resources.lines") if line.cost is None else line.cost
        found.append(Candidate(branch, cost, line.length_km, "new"))
    for i, written in enumerate(lines.ties):
        key = f"resources.lines.ties[{i}]"
        kinds = [k for k in ("line", "trafo") if elements.branches(written, k)] or ["line"]
        tie = elements.branch(written, key, kinds[0])
        if tie is None:
            continue
        if damaged.branch_in_service[tie]:
            elements.miss(key, f"{damaged.branch_name[tie]} is closed already")
        found.append(Candidate(tie, price.of(tie, key), float(length[tie]), "tie"))
    return found


class _Prices:
    """Cost of closing a branch: its own, the same for all, or by length."""

    def __init__(self, elements: Elements, grid: Grid) -> None:
        self.elements, self.grid = elements, grid
        self.lines = elements.case.resources.lines
        self.own: dict[int, float] = {}
        for written, cost in self.lines.costs.items():
            found = [k for kind in ("line", "trafo") for k in elements.branches(written, kind)]
            if found:
                self.own[found[0]] = cost
            else:
                key = ("resources", "lines", "costs", str(written))
                elements.miss(key, f"no branch {written} in the network")

    def of(self, branch: int, key: str) -> float:
        """Cost in currency; a branch without one is a finding at ``key``."""
        length = float(self.elements.names["length"][branch])
        if branch in self.own:
            return self.own[branch]
        if self.lines.cost is not None:
            return self.lines.cost
        if self.lines.cost_per_km is not None and np.isfinite(length):
            return self.lines.cost_per_km * length
        name = self.grid.branch_name[branch]
        self.elements.miss(key, f'{name} has no cost: give cost, or costs = {{ "{name}" = ... }}')
        return 0.0


def _sites(elements: Elements, damaged: Grid) -> DGSites:
    """Where DG may stand; buses that the event took out are no sites."""
    dg = elements.case.resources.dg
    if dg.max_units == 0:
        return DGSites()
    buses = elements.standing(dg.buses, "resources.dg.buses", damaged)
    tan_phi = np.tan(np.arccos(dg.power_factor)) if dg.reactive == "power_factor" else np.inf
    limit = dg.penetration_limit
    capital, operating = dg.cost_per_mw, tuple(dg.cost_polynomial)
    if dg.investment is not None:
        refuse_foreign_defaults(elements, dg.investment, "resources.dg.investment")
        terms = dg.investment.investment(elements.case.currency)
        capital, operating = terms.capital_per_mw, (0.0, terms.variable_per_mwh)
    return DGSites(
        bus=tuple(sorted(set(buses))),
        tan_phi=float(tan_phi),
        cost_per_mw=capital,
        operating_cost=operating,
        grid_forming=dg.grid_forming,
        min_mw=dg.min_mw,
        max_p_ratio=PLANNED_P_RATIO if dg.cost_basis == "planned_p" else 1.0,
        max_mw=np.inf if dg.max_mw is None else dg.max_mw,
        penetration_limit=np.inf if limit is None else limit,
        penetration_on_capacity=dg.penetration_basis == "capacity",
    )


def refuse_foreign_defaults(elements: Elements, table: InvestmentTable, key: str) -> None:
    """Make a finding where a technology's figures in USD would count as another currency."""
    currency = elements.case.currency
    used = table.foreign_defaults(currency)
    if used:
        shown = f"{', '.join(used)} of technology {table.technology!r}"
        elements.miss(key, f"{shown} are in USD: give per_usd ({currency} per USD), or these keys")


def _neighbours(grid: Grid, sites: DGSites) -> tuple[tuple[int, ...], ...]:
    """Sites at the other end of a branch, for each site."""
    at = {bus: s for s, bus in enumerate(sites.bus)}
    near: list[set[int]] = [set() for _ in sites.bus]
    for f, t in zip(grid.branch_from.tolist(), grid.branch_to.tolist(), strict=True):
        if f in at and t in at and f != t:
            near[at[f]].add(at[t])
            near[at[t]].add(at[f])
    return tuple(tuple(sorted(n)) for n in near)


def _meeting(grid: Grid, candidates: tuple[Candidate, ...]) -> tuple[tuple[int, int], ...]:
    """Pairs of candidates, by their position, that have an end bus in common."""
    ends = [{int(grid.branch_from[c.branch]), int(grid.branch_to[c.branch])} for c in candidates]
    pairs = combinations(range(len(ends)), 2)
    return tuple((a, b) for a, b in pairs if ends[a] & ends[b])
