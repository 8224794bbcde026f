"""Reliability in a siting study: the model of its network, and the units of a plan in it."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from pandapower.toolbox import reindex_buses

from hybridopt.errors import InputError
from hybridopt.network_reliability import find_bus, model_from_net
from hybridopt.reliability import Unit, indices
from hybridopt.reliability_files import read_tables, tables_prefix

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.case_siting import SitingReliability
    from hybridopt.network_siting import SitingProblem
    from hybridopt.reliability import ReliabilityIndices, ReliabilityModel


@dataclass(frozen=True, eq=False)
class SiteReliability:
    """A reliability model with the sites of a study.

    Attributes
    ----------
    terms : the ``[siting.reliability]`` table
    bus : position of each site in the model, (n_site,)
    """

    model: ReliabilityModel
    terms: SitingReliability
    bus: tuple[int, ...]

    def indices(self, power_mw: NDArray[np.float64]) -> ReliabilityIndices:
        """Indices with units.

        Parameters
        ----------
        power_mw : capacity at each site, (n_site,), MW; 0 for none
        """
        terms = self.terms
        units = [
            Unit(bus, p, p if terms.storage_h else 0.0, p * terms.storage_h, terms.availability)
            for bus, p in zip(self.bus, power_mw.tolist(), strict=True)
            if p > 0
        ]
        return indices(self.model, units)

    def price(self, found: ReliabilityIndices) -> float:
        """Cost of interruptions, currency per year."""
        hours = found.saidi_h * float(found.customers.sum())
        terms = self.terms
        return terms.ens_price_per_mwh * found.total_ens_mwh + terms.customer_hour_price * hours

    @property
    def is_priced(self) -> bool:
        """Whether interruptions count in the objective."""
        return self.terms.ens_price_per_mwh > 0 or self.terms.customer_hour_price > 0


def site_reliability(problem: SitingProblem) -> SiteReliability | None:
    """Make the model of a study's network after its event; None without such a table.

    Buses are named by the case's labels (or by name) in the tables.

    Raises
    ------
    InputError
        Everything that is wrong with the tables, or the network has no such columns.
    """
    case, terms = problem.scenario.case, problem.terms.reliability
    if terms is None:
        return None
    tables = None
    if terms.data is not None:
        key = ("siting", "reliability", "data")
        prefix = tables_prefix(str(case.path(key, terms.data)), Path())
        if prefix is None:
            message = f"there is no {terms.data}_customers.csv and no {terms.data}_failures.csv"
            raise InputError([case.finding(key, message)])
        tables = read_tables(prefix)
    net = copy.deepcopy(problem.network.net)
    offset = case.bus_label_offset
    reindex_buses(net, {int(i): int(i) + offset for i in net.bus.index})
    model = model_from_net(net, tables, case.name)
    load, unit = terms.load_profile, terms.generation_profile
    model = replace(
        model,
        islanding_h=terms.islanding_h,
        carry_peak=terms.carry == "peak",
        load_factor=np.ones(1) if load is None else np.array(load),
        unit_factor=np.ones(1) if unit is None else np.array(unit),
    )
    names = [find_bus(net, str(label)) for label in problem.label]
    places = [-1 if name is None else model.find(name) for name in names]
    return SiteReliability(model, terms, tuple(-1 if k is None else k for k in places))
