"""Loads that depend on voltage."""

import pandapower as pp
import pandapower.networks as nw
import pytest

from hybridopt.errors import InputError
from hybridopt.grid import Plan
from hybridopt.network_scenario import load_case
from hybridopt.progress import NoProgress
from hybridopt.single_dispatch import dispatch_scenario, one_hour


def dispatch_of(net):
    return dispatch_scenario(one_hour(load_case({}, net=net)), Plan(), NoProgress())


@pytest.mark.parametrize(
    ("shares", "factor"),
    [
        ({}, 1.0),
        ({"const_z_p_percent": 100.0}, 0.95**2),
        ({"const_i_p_percent": 100.0}, 0.95),
        ({"const_z_p_percent": 30.0, "const_i_p_percent": 20.0}, 0.5 + 0.2 * 0.95 + 0.3 * 0.95**2),
    ],
)
def test_a_load_at_a_held_voltage_draws_what_the_model_says(shares, factor):
    net = pp.create_empty_network(sn_mva=10.0)
    pp.create_bus(net, 20.0, min_vm_pu=0.95, max_vm_pu=0.95)
    pp.create_ext_grid(net, 0)
    pp.create_load(net, 0, 4.0, 1.0, **shares)
    result = dispatch_of(net)
    assert result.dispatch.p_mw[0, 0] == pytest.approx(4.0 * factor, rel=1e-7)
    assert result.dispatch.q_mvar[0, 0] == pytest.approx(1.0, rel=1e-7)
    assert result.dispatch.unserved_mwh == 0.0
    assert result.verification.max_mismatch_mva < 1e-5


def test_the_referee_agrees_on_a_network_of_mixed_loads():
    net = nw.case_ieee30()
    plain = dispatch_of(net)
    net.load["const_z_p_percent"], net.load["const_i_p_percent"] = 40.0, 20.0
    net.load["const_z_q_percent"], net.load["const_i_q_percent"] = 50.0, 10.0
    net.load.loc[3, "const_z_p_percent"] = 0.0
    mixed = dispatch_of(net)
    assert mixed.dispatch.status == ("optimal",)
    assert mixed.verification.max_mismatch_mva < 1e-4
    assert mixed.dispatch.residual_mva[0] < 1e-3
    # Cheap energy is saved by low voltages, where loads draw less.
    assert mixed.dispatch.operating_cost < plain.dispatch.operating_cost


def test_losses_are_what_is_injected_and_not_drawn():
    net = nw.case_ieee30()
    net.load["const_z_p_percent"] = 60.0
    scenario = one_hour(load_case({"objectives": ["unserved_mwh", "loss_mwh"]}, net=net))
    least = dispatch_scenario(scenario, Plan(), NoProgress()).dispatch
    by_cost = dispatch_of(net).dispatch
    assert least.loss_mwh < by_cost.loss_mwh - 1.0


def test_shares_that_are_none_are_findings():
    net = nw.case_ieee30()
    net.load.loc[0, "const_z_p_percent"], net.load.loc[0, "const_i_p_percent"] = 70.0, 40.0
    net.load.loc[1, "const_z_q_percent"] = -5.0
    net.load["controllable"] = False
    net.load.loc[2, ["controllable", "const_i_q_percent"]] = True, 10.0
    with pytest.raises(InputError) as error:
        load_case({}, net=net)
    found = [str(finding) for finding in error.value.findings]
    assert len(found) == 3
    assert "load 0: const_z_p_percent and const_i_p_percent must be at least 0" in found[0]
    assert "load 1: const_z_q_percent and const_i_q_percent must be at least 0" in found[1]
    assert "load 2: is controllable" in found[2]
