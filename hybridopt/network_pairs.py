"""New lines between any two buses: which pairs there are, and the grid that holds them all."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.network_branches import UNRATED_KA
from hybridopt.network_grid import branch_names
from hybridopt.plan_genes import KM_DIGITS, LineGenes, Range

if TYPE_CHECKING:
    from hybridopt.case_resources import LinesAnywhere
    from hybridopt.elements import Elements
    from hybridopt.grid import Grid

MOST_PAIRS = 5000  # each is a branch of every model


def line_genes(elements: Elements, damaged: Grid) -> LineGenes | None:
    """What a plan may choose of its new lines; what isn't there becomes a finding.

    Parameters
    ----------
    damaged : grid after the event; lines join buses in service with the same nominal voltage
    """
    lines = elements.case.resources.lines
    terms = lines.anywhere
    if terms is None:
        return None
    key = "resources.lines.anywhere"
    buses = sorted(set(elements.standing(terms.buses, f"{key}.buses", damaged)))
    vn = damaged.vn_kv
    ends = tuple((f, t) for f, t in combinations(buses, 2) if np.isclose(vn[f], vn[t]))
    if len(ends) > MOST_PAIRS:
        message = f"{len(ends)} pairs of buses are too many (at most {MOST_PAIRS}): list fewer"
        elements.miss(f"{key}.buses", message)
    elif not ends:
        message = "no two of the buses have the same nominal voltage and are in service"
        elements.miss(f"{key}.buses", message)
    own = terms.cost if terms.cost is not None else lines.cost
    return LineGenes(
        ends=ends,
        first=damaged.n_branch,
        max_lines=min(terms.max_lines, len(ends)),
        length_km=Range(*terms.length_km, KM_DIGITS),
        cost=own or 0.0,
        cost_per_km=0.0 if own is not None else lines.cost_per_km or 0.0,
    )


def with_pairs(grid: Grid, genes: LineGenes, terms: LinesAnywhere, *, is_power: bool) -> Grid:
    """Append an open line of 1 km for each pair of buses; other positions stay as they are.

    Without charging, the line of a plan differs by a factor only (see `grid.branch_scale`).

    Parameters
    ----------
    is_power : limit apparent powers at nominal voltage, not currents
    """
    n = len(genes.ends)
    f, t = (np.array(side, dtype=np.int64) for side in zip(*genes.ends, strict=True))
    z_base = grid.vn_kv[f] ** 2 / grid.base_mva
    y = z_base / complex(terms.r_ohm_per_km, terms.x_ohm_per_km)
    limited = terms.max_i_ka < UNRATED_KA
    rate = [
        np.sqrt(3) * terms.max_i_ka * grid.vn_kv[end] / grid.base_mva if limited else np.inf
        for end in (f, t)
    ]
    start, end = np.append(grid.branch_from, f), np.append(grid.branch_to, t)
    return replace(
        grid,
        branch_name=branch_names(np.column_stack([start, end]), grid.bus_id),
        branch_kind=(*grid.branch_kind, *("line",) * n),
        branch_index=np.append(grid.branch_index, np.full(n, -1)),
        branch_from=start,
        branch_to=end,
        y_ff=np.append(grid.y_ff, y),
        y_ft=np.append(grid.y_ft, -y),
        y_tf=np.append(grid.y_tf, -y),
        y_tt=np.append(grid.y_tt, y),
        rate_from=np.append(grid.rate_from, np.broadcast_to(rate[0], n)),
        rate_to=np.append(grid.rate_to, np.broadcast_to(rate[1], n)),
        rate_share=np.append(grid.rate_share, np.ones(n)),
        rate_is_power=np.append(grid.rate_is_power, np.full(n, is_power)),
        angle_min=np.append(grid.angle_min, np.full(n, -np.inf)),
        angle_max=np.append(grid.angle_max, np.full(n, np.inf)),
        branch_in_service=np.append(grid.branch_in_service, np.zeros(n, dtype=bool)),
    )
