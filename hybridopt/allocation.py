"""What is known of an allocation: profiles at points, and the day that follows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.allocation_profiles import Profiles
    from hybridopt.network_allocation import AllocationNetwork

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Day:
    """One allocation over the hours.

    Attributes
    ----------
    load_order, generation_order : (n_point,), profile at each point; numbers beyond the profiles
        are idle
    objectives : by name, in their units
    violation : of limits, pu and shares, summed, mean over the hours
    converged : whether the power flow has a solution in every hour; else nothing follows
    vm_pu : (n_t, n_bus)
    loading_percent : (n_t, n_branch) of the limited branches, lines first
    grid_mw, loss_mw : (n_t,), drawn from the sources (negative: given back), lost
    """

    load_order: Ints
    generation_order: Ints
    objectives: dict[str, float]
    violation: float
    converged: bool
    vm_pu: Floats
    loading_percent: Floats
    grid_mw: Floats
    loss_mw: Floats


@dataclass(frozen=True, eq=False)
class Allocation:
    """The result of a study.

    Attributes
    ----------
    name, seed, method : of the study
    network : what the profiles are assigned to
    branches, is_line : names of the branches with limits, lines first
    ends : (n_branch, 2) buses of each of those
    load, generation : the profiles
    before, after : profiles in the given order, and as allocated
    value, unit : the objective
    log, evaluations, estimated, stopped_because : of the search
    front, front_names : Pareto front, one row per allocation, and its objectives
    outages : N-1, one row per branch
    refinement : what batteries and inverters add, see :mod:`hybridopt.allocation_dispatch`
    verification : what pandapower's power flow says
    limit : what cannot be met; empty if all is
    """

    name: str
    seed: int
    method: str
    objective: str
    unit: str
    value: float
    value_before: float
    network: AllocationNetwork
    branches: tuple[str, ...]
    is_line: NDArray[np.bool_]
    ends: Ints
    load: Profiles
    generation: Profiles
    before: Day
    after: Day
    log: list[dict[str, Any]]
    evaluations: int
    estimated: int
    stopped_because: str
    verification: dict[str, Any]
    wall_s: float
    limit: str = ""
    front: list[dict[str, Any]] = field(default_factory=list)
    front_names: tuple[str, ...] = ()
    outages: list[dict[str, Any]] = field(default_factory=list)
    refinement: dict[str, Any] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def points(self) -> tuple[int, ...]:
        """Bus index of each point."""
        return self.network.points

    def order(self, kind: str, day: Day | None = None) -> list[int | None]:
        """Profile at each point, None where there is none.

        Parameters
        ----------
        kind : "load" or "generation";  day : ``after`` by default
        """
        orders = getattr(day or self.after, f"{kind}_order")
        profiles: Profiles = getattr(self, kind)
        return [int(k) if k < len(profiles.names) else None for k in orders]
