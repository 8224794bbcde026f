"""The referee: right dispatches pass, wrong ones are caught, the exported net is the dispatch."""

from dataclasses import replace

import numpy as np
import pandapower as pp
import pytest

from hybridopt.dispatch import Dispatcher
from hybridopt.export import plan_net, write_net
from hybridopt.grid import Plan, Unit
from hybridopt.network_scenario import load_case
from hybridopt.study import peak_row
from hybridopt.verify import verify


def unit(s, label, rating):
    return Unit(s.grid.bus_id.index(label), rating)


def load_hours(case, rows=(18, 0, 12)):
    """A case with a few hours of its day, the peak among them."""
    s = load_case(case)
    h, rows = s.horizon, list(rows)
    hours = np.arange(1, len(rows) + 1)
    return replace(s, horizon=type(h)(h.load_factor[rows], h.dg_profile[rows], hours))


def dispatched(case, lines, dg, **sites):
    s = load_hours(case)
    if sites:
        s = replace(s, space=replace(s.space, sites=replace(s.space.sites, **sites)))
    d = Dispatcher(s.damaged, s.space.sites, s.horizon, s.settings)
    branches = tuple(sorted(s.grid.branch_name.index(name) for name in lines))
    return s, d.dispatch(Plan(branches, tuple(sorted(unit(s, b, r) for b, r in dg))))


@pytest.fixture(scope="module")
def ieee9():
    return dispatched("ieee9", ["5-6"], [(9, 70.0), (5, 10.0)])


@pytest.fixture(scope="module")
def ieee30():
    return dispatched("ieee30", ["8-28"], [(5, 40.0), (23, 30.0)])


@pytest.mark.parametrize("name", ["ieee9", "ieee30"])
def test_dispatch_passes(name, request):
    s, d = request.getfixturevalue(name)
    v = verify(s, d)
    assert v.hours_checked == 3
    assert v.hours_failed == 0
    assert v.max_mismatch_mva < 1e-3
    assert v.max_vm_difference_pu < 1e-6
    assert v.max_va_difference_degree < 1e-4
    assert v.max_voltage_violation_pu < 1e-6
    if name == "ieee9":
        assert v.max_loading_percent < 100.01
    else:
        assert v.max_loading_percent is None  # no branch is rated


@pytest.mark.parametrize(
    ("lines", "dg"),
    [((), []), ((), [(9, 90.0)]), (("8-9",), [(1, 20.0), (4, 20.0)]), (("5-6", "8-9"), [])],
)
def test_islands_pass_too(lines, dg):
    s, d = dispatched("ieee9", lines, dg)
    v = verify(s, d)
    assert v.hours_checked == 3
    assert v.hours_failed == 0
    assert v.max_mismatch_mva < 1e-3


def test_units_that_do_not_form_a_grid_pass(ieee9):
    s, d = dispatched("ieee9", ["5-6"], [(9, 60.0)], grid_forming=False)
    v = verify(s, d)
    assert v.hours_checked == 3
    assert v.max_mismatch_mva < 1e-3
    assert plan_net(s, d, 0).sgen.name.tolist() == ["dg 9"]


def changed(d, name, t, k, by):
    values = getattr(d, name).copy()
    values[t, k] += by
    return replace(d, **{name: values})


def test_wrong_reactive_power_is_caught(ieee9):
    s, d = ieee9
    assert verify(s, changed(d, "q_mvar", 0, 2, 0.5)).max_mismatch_mva > 0.1


def test_wrong_active_power_is_caught(ieee9):
    s, d = ieee9
    for k in (2, 3, 4):
        assert verify(s, changed(d, "p_mw", 2, k, 0.5)).max_mismatch_mva > 0.1


def test_wrong_voltage_is_caught(ieee9):
    s, d = ieee9
    held = d.unit_bus[-1]
    assert verify(s, changed(d, "vm_pu", 0, held, -0.002)).max_mismatch_mva > 0.1
    free = s.grid.bus_id.index(6)
    assert verify(s, changed(d, "vm_pu", 0, free, 0.01)).max_vm_difference_pu > 0.005


def test_wrong_shedding_is_caught(ieee9):
    s, d = ieee9
    assert verify(s, changed(d, "shed_mw", 0, 4, 1.0)).max_mismatch_mva > 0.5


def test_voltage_beyond_its_limits_is_reported(ieee9):
    s, d = ieee9
    tight = replace(d, grid=replace(d.grid, vm_max=np.full(9, 1.05)))
    violation = verify(s, tight).max_voltage_violation_pu
    assert violation == pytest.approx(np.nanmax(d.vm_pu) - 1.05, abs=1e-6)
    assert violation > 0.01


def test_failed_hours_are_not_checked(ieee9):
    s, d = ieee9
    v = verify(s, replace(d, status=("failed", *d.status[1:])))
    assert v.hours_checked == 2


@pytest.mark.parametrize("name", ["ieee9", "ieee30"])
def test_written_net_gives_the_peak_hour_again(name, request, tmp_path):
    s, d = request.getfixturevalue(name)
    row = peak_row(d)
    write_net(s, d, row, tmp_path / "network.json")
    net = pp.from_json(str(tmp_path / "network.json"))
    pp.runpp(net, init="dc", calculate_voltage_angles=True, tolerance_mva=1e-9, numba=False)
    np.testing.assert_allclose(net.res_bus.vm_pu, d.vm_pu[row], atol=1e-6)
    np.testing.assert_allclose(net.res_bus.va_degree, d.va_degree[row], atol=1e-4)
    loss = net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum()
    assert loss == pytest.approx(d.loss_mw[row], abs=1e-4)
    assert net.bus.name.tolist() == [str(label) for label in s.grid.bus_id]
    served = (d.demand_mw - d.shed_mw)[row].sum()
    assert net.res_load.p_mw.sum() == pytest.approx(served, abs=1e-6)
    result = dict(zip(net.gen.name, net.res_gen.p_mw, strict=True))
    for unit_name, p, on in zip(d.unit_name, d.p_mw[row], d.running[row], strict=True):
        if on:
            assert result[unit_name] == pytest.approx(p, abs=1e-3)


def test_plan_net_leaves_the_scenarios_net_alone(ieee9):
    s, d = ieee9
    before = s.net.deepcopy() if hasattr(s.net, "deepcopy") else None
    lines = s.net.line.in_service.tolist()
    plan_net(s, d, 0)
    assert s.net.line.in_service.tolist() == lines
    assert len(s.net.ext_grid) == 1
    assert before is None or before.load.equals(s.net.load)


# --- events of every kind -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "event",
    [
        {"buses": [5]},
        {"buses": [6], "lines": ["8-9"]},
        {"loads": [7], "lines": ["4-5"]},
        {"generators": [2, 3]},
        {"external_grids": [1]},
    ],
)
def test_event_of_each_kind_passes(event):
    s = load_hours({"network": "case9", "bus_label_offset": 1, "event": event})
    d = Dispatcher(s.damaged, s.space.sites, s.horizon, s.settings).dispatch(Plan())
    assert d.ok
    v = verify(s, d)
    assert v.hours_checked == 3
    assert v.max_mismatch_mva < 1e-3


def test_transformers_and_shunts_may_be_lost():
    event = {"transformers": ["6-9"], "shunts": [10], "lines": ["24-25"]}
    s = load_hours({"network": "case_ieee30", "bus_label_offset": 1, "event": event})
    d = Dispatcher(s.damaged, s.space.sites, s.horizon, s.settings).dispatch(Plan())
    v = verify(s, d)
    assert d.unserved_mwh == pytest.approx(0, abs=1e-3)
    assert v.max_mismatch_mva < 1e-3


def test_loads_at_joined_buses_pass():
    """Two loads of different power factor at one bus, with a shared customer factor."""
    net = pp.create_empty_network()
    for _ in range(4):
        pp.create_bus(net, 20.0)
    pp.create_switch(net, 1, 2, et="b", closed=True)
    pp.create_line_from_parameters(net, 0, 1, 2.0, 0.3, 0.4, 100.0, 0.3)
    pp.create_line_from_parameters(net, 2, 3, 2.0, 0.3, 0.4, 100.0, 0.3)
    pp.create_ext_grid(net, 0, max_p_mw=3.0, min_p_mw=0.0, max_q_mvar=9, min_q_mvar=-9)
    for bus, p, q in ((1, 1.0, 0.5), (2, 2.0, 0.1), (3, 2.0, 1.0)):
        pp.create_load(net, bus, p, q)
    pp.create_load(net, 2, 0.5, 0.2)
    pp.create_load(net, 3, 0.7, in_service=False)
    data = {"load": {"curve": [0.5] * 12 + [1.0] * 12}}
    s = load_case(data, net=net)
    d = Dispatcher(s.damaged, s.space.sites, s.horizon, s.settings).dispatch(Plan())
    assert d.ok
    assert d.unserved_mw[-1] > 2.0
    assert verify(s, d).max_mismatch_mva < 1e-3
