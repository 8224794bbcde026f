"""What a reconfiguration found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.feeder import Feeder
    from hybridopt.feeder_trees import FeederFlow

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class FeederUnit:
    """A distributed generator on a feeder.

    Attributes
    ----------
    bus : position
    max_p_mw : rating, MW
    p_mw, q_mvar : (n_t,), positive injects
    """

    bus: int
    max_p_mw: float
    p_mw: Floats
    q_mvar: Floats


@dataclass(frozen=True, eq=False)
class Step:
    """One switching operation of a sequence, and the feeder after it.

    Attributes
    ----------
    branch : position
    closes : whether it closes the branch
    served_mw : demand fed after it, worst hour
    min_vm_pu : lowest voltage fed, NaN where the power flow has no solution
    radial, within_limits : of the feeder after it
    """

    branch: int
    closes: bool
    served_mw: float
    min_vm_pu: float
    radial: bool
    within_limits: bool


@dataclass(frozen=True, eq=False)
class Reconfiguration:
    """A feeder before and after, and how the configuration was found.

    Attributes
    ----------
    feeder : as given, without distributed generation of ours
    net : the pandapower net it came from (never altered)
    closed_before, closed_after : (n_branch,) closed branches; a fault is not in ``closed_before``
    fault : branches that the fault took out
    flow_before, flow_fault, flow_after : power flows; None where there is none to be had (a loop,
        no solution); ``flow_fault`` is that of the moment after the fault, None without one
    units : distributed generators of the result
    objective : name
    value : of the objective, in the unit that ``objective_unit`` names
    log : one row per generation: generation, evaluations, best_<objective>, mean_<objective>
    evaluations : trees and exchanges looked at
    status : "optimal" where proven or every limit is met, "infeasible" where a limit cannot be met
    limit : the limit that the best configuration found violates, in words; empty
    found_by : "search", or "enumeration" where the search had missed it
    proven_optimal : no configuration is better, by enumeration (dg: None)
    configurations : number of radial configurations; None where it was not counted
    proof_s, wall_s : time of the proof, and of the search to the answer, s
    steps : switching sequence from before (or the fault) to after
    pareto : non-dominated configurations, one dictionary each, or empty
    reduction : loss reductions of reference A, section 4, or empty
    verification : what pandapower's power flow says of the result
    """

    feeder: Feeder
    net: Any
    closed_before: Bools
    closed_after: Bools
    fault: tuple[int, ...]
    flow_before: FeederFlow | None
    flow_fault: FeederFlow | None
    flow_after: FeederFlow
    units: tuple[FeederUnit, ...]
    objective: str
    objective_unit: str
    value: float
    log: list[dict[str, Any]]
    evaluations: int
    seed: int
    encoding: str
    status: str
    limit: str
    proven_optimal: bool
    configurations: int | None
    proof_s: float | None
    wall_s: float
    found_by: str = "search"
    steps: tuple[Step, ...] = ()
    pareto: list[dict[str, Any]] = field(default_factory=list)
    reduction: dict[str, Any] = field(default_factory=dict)
    verification: dict[str, Any] = field(default_factory=dict)

    @property
    def opened(self) -> list[int]:
        """Branches that the result opens, the fault's left out."""
        gone = np.zeros(self.feeder.n_branch, dtype=bool)
        gone[list(self.fault)] = True
        return [int(m) for m in np.flatnonzero(self.closed_before & ~self.closed_after & ~gone)]

    @property
    def newly_closed(self) -> list[int]:
        """Branches that the result closes."""
        return [int(m) for m in np.flatnonzero(~self.closed_before & self.closed_after)]
