"""The plan's part of the relaxation: which branches, which sites, which ratings, for how much."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.grid import DGSites, Grid
    from hybridopt.linear import LinearProgram

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Choices:
    """What a plan may choose from.

    Attributes
    ----------
    grid : after the event, candidates open
    branch : (n_candidate,) positions of branches that may be closed
    branch_cost : (n_candidate,), currency
    sites : where DG may stand
    max_units : most of them
    sizes_mw : standard ratings; empty when ratings are continuous
    budget : currency
    rating_max : pu, largest rating of one unit
    capacity_max : pu, largest sum of ratings (penetration limit), inf without one
    """

    grid: Grid
    branch: Ints
    branch_cost: Floats
    sites: DGSites
    max_units: int
    sizes_mw: tuple[float, ...]
    budget: float
    rating_max: float
    capacity_max: float


@dataclass(frozen=True, eq=False)
class PlanColumns:
    """Columns of the plan.

    Attributes
    ----------
    closed : (n_candidate,), whole;  installed : (n_site,), whole;  rating : (n_site,), pu
    """

    closed: Ints
    installed: Ints
    rating: Ints


def add_plan(lp: LinearProgram, choices: Choices) -> PlanColumns:
    """Add the plan: which branches, which sites, which ratings, within the budget."""
    sites, base = choices.sites, choices.grid.base_mva
    n_site, n_cand = len(sites.bus), len(choices.branch)
    usable = choices.grid.bus_in_service
    f, t = choices.grid.branch_from[choices.branch], choices.grid.branch_to[choices.branch]
    closed = lp.columns(n_cand, 0.0, usable[f] & usable[t], whole=True)
    installed = lp.columns(n_site, 0.0, 1.0, whole=True)
    most = min(choices.rating_max, sites.max_mw / base)
    rating = lp.columns(n_site, 0.0, most)
    if n_site:
        lp.total([(installed, 1.0)], upper=choices.max_units)
        if np.isfinite(choices.capacity_max):
            lp.total([(rating, 1.0)], upper=choices.capacity_max)
        if choices.sizes_mw:
            sizes = np.array(choices.sizes_mw) / base
            chosen = lp.columns(n_site * len(sizes), 0.0, 1.0, whole=True)
            chosen = chosen.reshape(n_site, len(sizes))
            every = list(chosen.T)
            lp.rows([(installed, -1.0), *((column, 1.0) for column in every)], 0.0, 0.0)
            parts = ((column, size) for column, size in zip(every, sizes, strict=True))
            lp.rows([(rating, -1.0), *parts], 0.0, 0.0)
        else:
            lp.rows([(rating, 1.0), (installed, -most)], upper=0.0)
            lp.rows([(rating, 1.0), (installed, -sites.min_mw / base)], lower=0.0)
    if n_cand or n_site:
        lp.total(cost_terms(choices, PlanColumns(closed, installed, rating)), upper=choices.budget)
    return PlanColumns(closed, installed, rating)


def cost_terms(choices: Choices, plan: PlanColumns) -> list[tuple[Ints, Any]]:
    """Cost of the plan, currency."""
    per_pu = choices.sites.cost_per_mw * choices.grid.base_mva
    return [(plan.closed, choices.branch_cost), (plan.rating, per_pu)]
