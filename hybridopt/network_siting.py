"""A case's ``[siting]`` table joined with its network; pandapower's word on a plan."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp

from hybridopt.errors import InputError
from hybridopt.network_meshed import RUNPP, MeshedNetwork, meshed_network

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hybridopt.case_siting import Siting
    from hybridopt.investment import Investment
    from hybridopt.network_scenario import Scenario

    Bools = NDArray[np.bool_]
    Complexes = NDArray[np.complex128]
    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class SitingProblem:
    """Everything that is known before a plan is looked at.

    Attributes
    ----------
    network : after the case's event
    terms : the ``[siting]`` table
    site : positions in the network's arrays, (n_site,)
    label : bus labels of the sites, (n_site,)
    size_mw : K of each site, (n_site,), MW
    load_mva : P + jQ of the loads at the sites, (n_site,), MW and Mvar, positive consumes
    length_km : of the network's branches, (n_on,), km; NaN for transformers
    investment : of a unit;  budget : of capital, currency; inf without one
    """

    scenario: Scenario
    network: MeshedNetwork
    terms: Siting
    site: Ints
    label: tuple[int, ...]
    size_mw: Floats
    load_mva: Complexes
    length_km: Floats
    investment: Investment
    budget: float

    @property
    def n_site(self) -> int:
        """Number of sites."""
        return len(self.site)

    @property
    def most_units(self) -> int:
        """Most units that a plan may have."""
        limit = self.terms.max_units if self.terms.units is None else self.terms.units
        return self.n_site if limit is None else min(limit, self.n_site)

    @property
    def least_units(self) -> int:
        """Fewest units that a plan may have."""
        return self.terms.units or 0

    def injected(self, plans: Bools, gamma: Floats, share: float) -> Complexes:
        """Power of the units at every bus, (n_plan, n_bus), pu, positive injects.

        Parameters
        ----------
        plans : (n_plan, n_site);  gamma : (n_plan,);  share : of the capacity that is generated
        """
        tan_phi = np.tan(np.arccos(self.terms.power_factor))
        p = plans * self.size_mw * gamma[:, None] * share / self.network.grid.base_mva
        found = np.zeros((len(plans), len(self.network.alive)), dtype=complex)
        found[:, self.site] = p * (1 + 1j * tan_phi)
        return found


def siting_problem(scenario: Scenario) -> SitingProblem:
    """Join a case that has a ``[siting]`` table with its network.

    Raises
    ------
    InputError
        There is no such table, or a site is without supply.
    NoSolutionError
        The load flow without a plan does not converge.
    """
    case, terms = scenario.case, scenario.case.siting
    if terms is None:
        raise InputError([case.finding("siting", "is missing: there is nothing to site")])
    network = meshed_network(scenario)
    at = _standing(scenario, network)
    labels = tuple(sorted(at)) if terms.sites == "loads" else terms.sites
    dead = [label for label in labels if at.get(label, -1) < 0]
    if dead:
        shown = ", ".join(map(str, dead))
        raise InputError([case.finding("siting.sites", f"without supply: bus {shown}")])
    site = np.array([at[label] for label in labels], dtype=np.int64)
    size = [terms.site_sizes_mw.get(label, terms.size_mw) for label in labels]
    length = np.full(network.grid.n_branch, np.nan)
    is_line = np.array(network.grid.branch_kind) == "line"
    rows = network.grid.branch_index[is_line]
    length[is_line] = network.net.line.length_km.loc[rows].to_numpy(float)
    return SitingProblem(
        scenario=scenario,
        network=network,
        terms=terms,
        site=site,
        label=tuple(labels),
        size_mw=np.array(size, dtype=float),
        load_mva=network.arrays.load[site] * network.grid.base_mva,
        length_km=length[network.branch],
        investment=terms.investment.investment(case.currency),
        budget=case.budget if "budget" in case.model_fields_set else np.inf,
    )


def _standing(scenario: Scenario, network: MeshedNetwork) -> dict[int, int]:
    """Position in the arrays of the bus of each label; of those with load, for "loads"."""
    terms, offset = scenario.case.siting, scenario.case.bus_label_offset
    at = {i + offset: int(network.at[k]) for i, k in scenario.net_bus_position.items()}
    if terms is not None and terms.sites == "loads":
        names = network.grid.bus_id
        live = [k for k, s in enumerate(network.arrays.load) if s.real > 0]
        return {names[network.alive[k]]: k for k in live}
    return at


def plan_net(problem: SitingProblem, plan: Bools, gamma: float, state: int) -> Any:
    """Make a net with a plan's units as ``sgen``, the loads of a state; bus names carry labels.

    Parameters
    ----------
    plan : (n_site,);  state : position of the part of the year
    """
    network, terms = problem.network, problem.terms.states[state]
    net = copy.deepcopy(network.net)
    offset = problem.scenario.case.bus_label_offset
    net.bus["name"] = [str(i + offset) for i in net.bus.index]
    net.load["scaling"] *= terms.load
    chosen = np.flatnonzero(plan)
    p = problem.size_mw[chosen] * gamma * terms.generation
    q = p * np.tan(np.arccos(problem.terms.power_factor))
    kind = problem.investment.technology
    for k, p_mw, q_mvar in zip(chosen, p, q, strict=True):
        bus = int(network.net_bus[network.alive[problem.site[k]]])
        name = f"{kind} at bus {problem.label[k]}"
        most = {"max_p_mw": problem.size_mw[k] * gamma, "min_p_mw": 0.0}
        pp.create_sgen(net, bus, float(p_mw), float(q_mvar), name=name, type=kind, **most)
    return net


def referee(
    problem: SitingProblem, plan: Bools, gamma: float, v: Sequence[Complexes]
) -> dict[str, Any]:
    """Solve a plan with ``pandapower.runpp`` in every state, and compare.

    Parameters
    ----------
    v : for each state the voltages to check, (n_bus,), pu

    Returns
    -------
    states_checked, states_failed, max_vm_difference_pu, max_loss_difference_mw, loss_mw (of each)
    """
    network = problem.network
    buses = network.net_bus[network.alive]
    worst_vm = worst_loss = 0.0
    failed = 0
    losses: list[float | None] = []
    for state, ours in enumerate(v):
        net = plan_net(problem, plan, gamma, state)
        try:
            pp.runpp(net, init="dc", tolerance_mva=1e-9, max_iteration=50, **RUNPP)
        except pp.LoadflowNotConverged:
            failed += 1
            losses.append(None)
            continue
        loss = float(net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum())
        losses.append(loss)
        vm = net.res_bus.vm_pu.loc[buses].to_numpy()
        worst_vm = max(worst_vm, float(abs(vm - abs(ours)).max()))
        worst_loss = max(worst_loss, abs(loss - float(network.losses(ours[None])[0])))
    return {
        "states_checked": len(v) - failed,
        "states_failed": failed,
        "loss_mw": losses,
        "max_vm_difference_pu": worst_vm,
        "max_loss_difference_mw": worst_loss,
    }


def write_plan_net(problem: SitingProblem, plan: Bools, gamma: float, path: Path) -> None:
    """Write the net of a plan in the first state as pandapower's JSON, its power flow solved."""
    net = plan_net(problem, plan, gamma, 0)
    pp.runpp(net, init="dc", tolerance_mva=1e-8, **RUNPP)
    pp.to_json(net, str(path))
