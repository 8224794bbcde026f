"""Hours that are linked by ramps and storage, availability, prices, curtailment."""

from dataclasses import replace

import numpy as np
import pandapower as pp
import pytest

from hybridopt.errors import InputError
from hybridopt.grid import Plan
from hybridopt.network_scenario import load_case
from hybridopt.progress import NoProgress
from hybridopt.single_dispatch import dispatch_scenario

FLAT = [1.0] * 24


def one_bus(**keys):
    """One bus of 20 kV with an external grid and a load of 4 MW (or what the case makes of it)."""
    net = pp.create_empty_network(sn_mva=10.0)
    pp.create_bus(net, 20.0, min_vm_pu=0.9, max_vm_pu=1.1)
    pp.create_ext_grid(net, 0)
    pp.create_load(net, 0, 4.0, 0.0)
    case = {"load": {"curve": FLAT}} | keys
    return net, case


def dispatch_of(net, case):
    return dispatch_scenario(load_case(case, net=net), Plan(), NoProgress())


def battery(**keys):
    return {"bus": 0, "energy_mwh": 2.0, "charge_mw": 1.0, "start_energy_mwh": 0.0} | keys


PRICES = [10.0] * 12 + [30.0] * 12


def test_storage_buys_cheap_and_sells_dear():
    """Two MWh stored cost 20 / 0.9, and give 1.6 MWh at 30."""
    net, case = one_bus(
        costs={"import_price": PRICES},
        storage=[battery(charge_efficiency=0.9, discharge_efficiency=0.8)],
    )
    d = dispatch_of(net, case).dispatch
    plain = 4.0 * sum(PRICES)
    assert d.operating_cost == pytest.approx(plain + 10 * 2.0 / 0.9 - 30 * 2.0 * 0.8, rel=1e-6)
    assert d.store_energy_mwh[:, 0].max() == pytest.approx(2.0, abs=1e-5)
    assert d.store_energy_mwh[11, 0] == pytest.approx(2.0, abs=1e-5)
    assert d.store_energy_mwh[-1, 0] == pytest.approx(0.0, abs=1e-5)
    charged = d.store_p_mw.clip(0).sum()
    given = -d.store_p_mw.clip(max=0).sum()
    assert charged == pytest.approx(2.0 / 0.9, rel=1e-5)
    assert given == pytest.approx(2.0 * 0.8, rel=1e-5)
    np.testing.assert_allclose(d.p_mw[:, 0], 4.0 + d.store_p_mw[:, 0], atol=1e-6)


def test_storage_that_loses_more_than_the_spread_stands_still():
    lossy = battery(charge_efficiency=0.5, discharge_efficiency=0.6)
    net, case = one_bus(costs={"import_price": PRICES}, storage=[lossy])
    d = dispatch_of(net, case).dispatch
    assert abs(d.store_p_mw).max() < 1e-4
    assert d.operating_cost == pytest.approx(4.0 * sum(PRICES), rel=1e-6)


def test_storage_ends_with_what_it_began_with():
    net, case = one_bus(costs={"import_price": PRICES}, storage=[battery(start_energy_mwh=1.5)])
    d = dispatch_of(net, case).dispatch
    assert d.store_energy_mwh[-1, 0] >= 1.5 - 1e-6
    case["storage"][0]["end_energy_mwh"] = 0.5
    emptied = dispatch_of(net, case).dispatch
    assert emptied.store_energy_mwh[-1, 0] == pytest.approx(0.5, abs=1e-5)
    assert emptied.operating_cost < d.operating_cost


def test_nobody_charges_and_discharges_at_once():
    """At a negative price losing energy pays; the linear model would do both."""
    prices = [-5.0] * 12 + [5.0] * 12
    lossy = battery(charge_efficiency=0.6, discharge_efficiency=0.6, energy_mwh=1.0)
    net, case = one_bus(costs={"import_price": prices}, storage=[lossy])
    scenario = load_case(case, net=net)
    result = dispatch_scenario(scenario, Plan(), NoProgress())
    d = result.dispatch
    assert d.ok
    before = np.concatenate([[0.0], d.store_energy_mwh[:-1, 0]])
    p = d.store_p_mw[:, 0]
    one_way = np.where(p > 0, 0.6 * p, p / 0.6)
    np.testing.assert_allclose(d.store_energy_mwh[:, 0] - before, one_way, atol=2e-3)


def test_a_ramp_makes_a_cheap_unit_start_early():
    """Load 1, ..., 1, 4: the cheap unit climbs by 1 MW an hour, the grid covers the rest."""
    net, case = one_bus(
        load={"curve": [0.25] * 23 + [1.0]},
        costs={
            "external_grids": [{"external_grid": 0, "polynomial": [0.0, 50.0]}],
            "generators": [{"generator": 0, "polynomial": [0.0, 10.0]}],
        },
        limits={"ramps": {"cheap": 1.0}},
    )
    pp.create_gen(
        net, 0, 1.0, name="cheap", min_p_mw=0.0, max_p_mw=9.0, min_q_mvar=-5, max_q_mvar=5
    )
    net.ext_grid["min_p_mw"] = 0.0
    d = dispatch_of(net, case).dispatch
    unit = d.unit_name.index("gen 0")
    assert d.p_mw[22, unit] == pytest.approx(1.0, abs=1e-4)
    assert d.p_mw[23, unit] == pytest.approx(2.0, abs=1e-4)
    assert d.operating_cost == pytest.approx(23 * 10 + 2 * 10 + 2 * 50, rel=1e-5)
    free = dispatch_of(net, {k: v for k, v in case.items() if k != "limits"}).dispatch
    assert free.operating_cost == pytest.approx(23 * 10 + 40, rel=1e-5)


def test_what_sun_gives_and_nobody_uses_is_curtailed():
    net, case = one_bus(
        availability={"pv": [0.0] * 10 + [0.5, 1.0] + [0.0] * 12},
        costs={"import_price": FLAT},
    )
    net.ext_grid["min_p_mw"] = 0.0
    pp.create_sgen(net, 0, 6.0, 0.0, name="pv", controllable=True, min_p_mw=0.0, max_p_mw=6.0)
    net.sgen["min_q_mvar"], net.sgen["max_q_mvar"] = -1.0, 1.0
    d = dispatch_of(net, case).dispatch
    pv = d.unit_kind.index("sgen")
    assert d.p_mw[10, pv] == pytest.approx(3.0, abs=1e-4)
    assert d.p_mw[11, pv] == pytest.approx(4.0, abs=1e-4)
    assert np.delete(d.p_mw[:, pv], [10, 11]) == pytest.approx(0.0, abs=1e-9)
    assert d.curtailed_mwh == pytest.approx(2.0, abs=1e-3)
    stored = case | {"storage": [battery(charge_mw=5.0, discharge_mw=1.0)]}
    assert dispatch_of(net, stored).dispatch.curtailed_mwh == pytest.approx(0.0, abs=1e-3)


def test_least_curtailment_is_an_objective():
    """Taking sun costs more than the grid here: only the objective makes it run."""
    net, case = one_bus(costs={"generators": [{"generator": "pv", "polynomial": [0.0, 9.0]}]})
    net.ext_grid["min_p_mw"] = 0.0
    pp.create_sgen(net, 0, 3.0, 0.0, name="pv", controllable=True, min_p_mw=0.0, max_p_mw=3.0)
    net.sgen["min_q_mvar"], net.sgen["max_q_mvar"] = -1.0, 1.0
    by_cost = dispatch_of(net, case).dispatch
    assert by_cost.curtailed_mwh == pytest.approx(72.0, rel=1e-4)
    case["objectives"] = ["unserved_mwh", "curtailed_mwh", "operating_cost"]
    assert dispatch_of(net, case).dispatch.curtailed_mwh == pytest.approx(0.0, abs=1e-2)


def test_linked_hours_without_binding_links_are_single_hours():
    scenario = load_case({"network": "case9", "load": {"curve": [0.5, 0.9] * 12}})
    single = dispatch_scenario(scenario, Plan(), NoProgress()).dispatch
    loose = load_case(
        {"network": "case9", "load": {"curve": [0.5, 0.9] * 12}, "limits": {"ramps": {"1": 500.0}}}
    )
    linked = dispatch_scenario(loose, Plan(), NoProgress()).dispatch
    assert linked.operating_cost == pytest.approx(single.operating_cost, rel=1e-7)
    np.testing.assert_allclose(linked.p_mw, single.p_mw, atol=1e-2)
    tight = load_case(
        {"network": "case9", "load": {"curve": [0.5, 0.9] * 12}, "limits": {"ramps": {"1": 5.0}}}
    )
    held = dispatch_scenario(tight, Plan(), NoProgress()).dispatch
    assert held.operating_cost > single.operating_cost * 1.0001
    unit = held.unit_name.index("gen 1")
    assert abs(np.diff(held.p_mw[:, unit])).max() <= 5.0 + 1e-5


def test_storage_serves_what_an_island_cannot():
    """A feeder for 3 MW, a load of 4 MW in the last six hours: 6 MWh must come from storage."""
    net, case = one_bus(load={"curve": [0.5] * 18 + [1.0] * 6})
    net.ext_grid["max_p_mw"] = 3.0
    without = dispatch_of(net, case).dispatch
    assert without.unserved_mwh == pytest.approx(6.0, abs=1e-3)
    case["storage"] = [battery(energy_mwh=10.0)]
    assert dispatch_of(net, case).dispatch.unserved_mwh == pytest.approx(0.0, abs=1e-3)
    case["storage"] = [battery(energy_mwh=4.0)]
    assert dispatch_of(net, case).dispatch.unserved_mwh == pytest.approx(2.0, abs=1e-3)


def test_hours_with_unserved_load_have_no_prices():
    net, case = one_bus(load={"curve": [0.5] * 18 + [1.0] * 6}, costs={"import_price": PRICES})
    net.ext_grid["max_p_mw"] = 3.0
    d = dispatch_of(net, case).dispatch
    assert d.prices.energy[:18, 0] == pytest.approx(PRICES[:18], rel=1e-6)
    assert np.isnan(d.prices.energy[18:]).all()
    assert np.isnan(d.prices.p[18:]).all()


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"storage": [battery(bus=7)]}, "no bus 7"),
        ({"storage": [battery(start_energy_mwh=3.0)]}, "must be at most energy_mwh = 2, found 3"),
        ({"storage": [battery(charge_efficiency=0.0)]}, r"must lie in \(0, 1\], found 0"),
        ({"limits": {"ramps": {"nobody": 1.0}}}, "no generator or external grid called 'nobody'"),
        ({"availability": {"0": [1.0] * 23}}, "must have 24 values"),
        ({"availability": {"0": FLAT}}, "no generator"),
        ({"costs": {"import_price": [1.0] * 25}}, "must have 24 values"),
    ],
)
def test_wrong_links_are_findings(keys, message):
    net, case = one_bus(**keys)
    with pytest.raises(InputError, match=message):
        load_case(case, net=net)


def test_storage_of_a_day_stands_still_in_an_hour_alone():
    net, case = one_bus(costs={"import_price": PRICES}, storage=[battery()])
    scenario = load_case(case, net=net)
    single = replace(
        scenario.horizon,
        load_factor=scenario.horizon.load_factor[:1],
        dg_profile=scenario.horizon.dg_profile[:1],
        hours=scenario.horizon.hours[:1],
        price=scenario.horizon.price[:1],
    )
    d = dispatch_scenario(replace(scenario, horizon=single), Plan(), NoProgress()).dispatch
    assert d.store_p_mw[0, 0] == pytest.approx(0.0, abs=1e-4)  # nothing stored, no later hour
