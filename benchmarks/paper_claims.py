"""What the paper says about its plans, and what our own dispatch finds instead.

Everything is looked at in the peak hour, with the units' planned power as their limit, which is how
plans are compared; and after the event of the case.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

from pandapower import networks

from hybridopt import load_case
from hybridopt.dispatch import Dispatcher
from hybridopt.grid import Plan, Unit
from hybridopt.study import check_case

if TYPE_CHECKING:
    from benchmarks.paper_printed import Printed
    from hybridopt.network_scenario import Scenario

SERVED_MW = 1e-3  # less unserved than this counts as nothing
POWER_FACTOR = 0.9
ISLAND = (25, 26, 27, 28, 29, 30)  # buses that the event on IEEE 30 leaves dark
STANDING = (8, 11, 13)  # buses of the condensers that it leaves


class Peak:
    """The peak hour of a scenario after its event.

    Parameters
    ----------
    power_factor : of DG, instead of the case's limit on its reactive power
    """

    def __init__(self, scenario: Scenario, power_factor: float | None = None) -> None:
        buses = tuple(range(scenario.grid.n_bus))
        sites = replace(scenario.space.sites, bus=buses, max_p_ratio=1.0)
        if power_factor is not None:
            sites = replace(sites, tan_phi=math.tan(math.acos(power_factor)))
        self.scenario = scenario
        self.dispatcher = Dispatcher(scenario.damaged, sites, scenario.horizon, scenario.settings)

    def plan(self, branches: tuple[int, ...], *units: tuple[int, float]) -> Plan:
        """A plan from positions of branches and (bus label, MW) of units."""
        at = self.scenario.grid.bus_id.index
        return Plan(branches, tuple(sorted(Unit(at(bus), mw, 1.0) for bus, mw in units)))

    def served_mw(self, plan: Plan) -> float:
        """The most that can be served."""
        dispatch = self.dispatcher.deliver(plan)
        return float((dispatch.demand_mw - dispatch.shed_mw).sum())

    def serves_all(self, plan: Plan) -> bool:
        """Whether nothing is unserved."""
        return bool(self.dispatcher.deliver(plan).unserved_mw.sum() < SERVED_MW)

    def loss_mw(self, plan: Plan) -> float:
        """Losses of the cheapest dispatch, NaN where it leaves load unserved."""
        hour = self.dispatcher.dispatch(plan)
        row = int(hour.demand_mw.sum(axis=1).argmax())
        served = hour.ok and hour.unserved_mw[row] < SERVED_MW
        return float(hour.loss_mw[row]) if served else math.nan


def printed_plan_mw(scenario: Scenario, plan: Plan, printed: Printed) -> tuple[float, float]:
    """MW that the printed plan serves at the peak, DG without limit and at power factor 0.9.

    Parameters
    ----------
    scenario, plan : as `prepare_dispatch` reads them from the printed plan
    """
    units = [(unit.bus, unit.p_mw) for unit in printed.units]
    found = []
    for power_factor in (None, POWER_FACTOR):
        peak = Peak(scenario, power_factor)
        found.append(peak.served_mw(peak.plan(plan.branches, *units)))
    return found[0], found[1]


def losses_by_bus(scenario: Scenario, plan: Plan, printed: Printed) -> dict[int, float]:
    """Losses at the peak with the printed line and the printed unit at each bus in turn, MW.

    Buses from which not everything is served have NaN. The unit gives up to its printed maximum.
    """
    peak, most = Peak(scenario), printed.units[0].max_p_mw
    return {
        bus: peak.loss_mw(peak.plan(plan.branches, (bus, most))) for bus in scenario.grid.bus_id
    }


def standing_mw() -> float:
    """What the condensers could give that the event on IEEE 30 leaves, by the network's data."""
    gen = networks.case_ieee30().gen
    return float(gen.loc[gen["bus"].isin([bus - 1 for bus in STANDING]), "max_p_mw"].sum())


def lost_without_condensers() -> float:
    """Load unserved after the event on IEEE 30 if its condensers gave no active power, %."""
    net = networks.case_ieee30()
    net.gen.loc[net.gen["bus"].isin([bus - 1 for bus in STANDING]), "max_p_mw"] = 0.0
    stage = check_case(load_case({"extends": "ieee30_paper"}, net=net)).after
    return float(100 * (1 - stage.served_mw.sum() / stage.load_mw.sum()))


@dataclass(frozen=True)
class Cheap:
    """Cheap plans for IEEE 30 that serve everything at the peak.

    Attributes
    ----------
    tried : plans of one repaired line and one unit of 1 MW
    found : (line, bus) of those that serve everything;  cost : of each
    island_mw : unit in the dark island that, with one of 1 MW outside, needs no line
    island : bus of that unit and of the one outside;  island_cost : of the two
    """

    tried: int
    found: list[tuple[str, int]]
    cost: float
    island_mw: float
    island: tuple[int, int]
    island_cost: float


def cheap_plans() -> Cheap:
    """Try every repaired line with a unit of 1 MW at every bus, and a unit in the island."""
    peak = Peak(load_case("ieee30_paper"))
    scenario, space = peak.scenario, peak.scenario.space
    tried = list(product([c.branch for c in space.candidates], scenario.grid.bus_id))
    plans = {pair: peak.plan((pair[0],), (pair[1], 1.0)) for pair in tried}
    found = [pair for pair in tried if peak.serves_all(plans[pair])]
    names = [(scenario.grid.branch_name[branch], bus) for branch, bus in found]
    cost = min((space.cost(plans[pair]) for pair in found), default=math.nan)
    outside = found[0][1] if found else 2
    mw, bus = min((_least_mw(peak, bus, outside), bus) for bus in ISLAND)
    two = peak.plan((), (bus, mw), (outside, 1.0))
    return Cheap(len(tried), names, cost, mw, (bus, outside), space.cost(two))


def _least_mw(peak: Peak, bus: int, outside: int) -> float:
    """Least rating at a bus of the dark island, to 0.01 MW, with 1 MW outside; inf if none."""
    load = 16.5  # MW at the peak in the island
    low, high = load, load + 2.0

    def enough(mw: float) -> bool:
        return peak.serves_all(peak.plan((), (bus, mw), (outside, 1.0)))

    if not enough(high):
        return math.inf
    while high - low > 0.01:
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return math.ceil(100 * high) / 100


@dataclass(frozen=True)
class Facts:
    """What the dispatch says to the paper's claims.

    Attributes
    ----------
    losses : MW at the peak of IEEE 9 by bus of the printed unit, NaN where load is unserved
    lost_without_condensers : % of the load of IEEE 30 after the event
    standing_mw : most that its condensers could give then
    """

    losses: dict[int, float]
    lost_without_condensers: float
    standing_mw: float
    cheap: Cheap
