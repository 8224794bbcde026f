"""The lines that a plan builds anywhere, as lines of the network like any other."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.case_resources import CandidateLine
from hybridopt.grid import Plan, apply_event
from hybridopt.network_grid import grid_from_net
from hybridopt.network_scenario import add_line
from hybridopt.plan_space import Candidate

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.case_resources import LinesAnywhere
    from hybridopt.grid import Grid, NewLine
    from hybridopt.network_scenario import Scenario
    from hybridopt.stages import Stage


def settle(scenario: Scenario, plan: Plan) -> tuple[Scenario, Plan]:
    """Build the new lines of a plan in the network.

    Returns
    -------
    scenario : with a line in its net and grids (open), and a candidate "new" among the plan
        space's, for each line that the plan builds, and for no other pair of buses. The one given,
        where the plan builds none.
    plan : the same with the lines among its branches; positions are those of the new scenario
    """
    terms, genes = scenario.case.resources.lines.anywhere, scenario.space.line_genes
    if terms is None or genes is None or not plan.new_lines:
        return scenario, plan
    net, offset = copy.deepcopy(scenario.net), scenario.case.bus_label_offset
    labels = {int(i) + offset: int(i) for i in net.bus.index}
    count = len(net.line)
    for line in plan.new_lines:
        f, t = (scenario.grid.bus_id[bus] for bus in genes.ends[line.branch - genes.first])
        add_line(net, _as_candidate(terms, f, t, line, genes.price(line)), labels)
    fresh, _ = grid_from_net(net, offset, scenario.case.limits.branch_limit)
    at = branch_positions(scenario.grid, fresh)
    grid = _with_branches_of(fresh, scenario.grid, at)
    built = list(range(count, count + len(plan.new_lines)))
    event = replace(scenario.event, branches=_moved(scenario.event.branches, at))
    candidates = [replace(c, branch=int(at[c.branch])) for c in scenario.space.candidates]
    candidates += [
        Candidate(branch, genes.price(line), line.length_km, "new")
        for branch, line in zip(built, plan.new_lines, strict=True)
    ]
    space = replace(scenario.space, candidates=tuple(candidates), line_genes=None)
    settled = replace(
        scenario, net=net, grid=grid, event=event, damaged=apply_event(grid, event), space=space
    )
    return settled, Plan(tuple(sorted([*_moved(plan.branches, at), *built])), plan.units)


def _with_branches_of(fresh: Grid, grid: Grid, at: NDArray[np.int64]) -> Grid:
    """A grid with the branches of a fresh one; what was known of its own branches holds."""
    numbers = ("y_", "rate_", "angle_")
    branches = {n: v for n, v in vars(fresh).items() if n.startswith(("branch_", *numbers))}
    for name, value in branches.items():
        if name.startswith(numbers) or name == "branch_in_service":
            branches[name] = value.copy()
            branches[name][at] = getattr(grid, name)
    return replace(grid, **branches)


def _as_candidate(
    terms: LinesAnywhere, f: int, t: int, line: NewLine, cost: float
) -> CandidateLine:
    return CandidateLine(
        from_bus=f,
        to_bus=t,
        length_km=line.length_km,
        r_ohm_per_km=terms.r_ohm_per_km,
        x_ohm_per_km=terms.x_ohm_per_km,
        max_i_ka=terms.max_i_ka,
        cost=cost,
    )


def branch_positions(before: Grid, after: Grid) -> NDArray[np.int64]:
    """Position in a settled grid of each branch of the grid before, (n_branch before,)."""
    keys = zip(after.branch_kind, after.branch_index.tolist(), strict=True)
    where = {key: k for k, key in enumerate(keys)}
    asked = zip(before.branch_kind, before.branch_index.tolist(), strict=True)
    return np.array([where[key] for key in asked], dtype=np.int64)


def _moved(branches: Sequence[int], at: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(at[branch]) for branch in branches)


def settle_stage(stage: Stage, before: Grid, after: Grid) -> Stage:
    """A state of the grid before a plan was settled, in the branches of the grid after.

    Lines that the plan builds do not stand in it yet.
    """
    at = branch_positions(before, after)
    loading, on = np.full(after.n_branch, np.nan), np.zeros(after.n_branch, dtype=bool)
    loading[at], on[at] = stage.loading_percent, stage.branch_on
    return replace(stage, loading_percent=loading, branch_on=on)
