"""Feeders from nets: losses and voltages are those of pandapower's own power flow."""

import copy

import numpy as np
import pandapower as pp
import pandapower.networks as nw
import pytest

from hybridopt.cases import feeder_files
from hybridopt.errors import InputError, NoSolutionError
from hybridopt.feeder_trees import feeder_trees, power_flow
from hybridopt.network import read_network
from hybridopt.network_branches import charging_as_shunts
from hybridopt.network_feeder import feeder_from_net
from hybridopt.network_switchable import set_switchable

# Loss at first (kW), lowest voltage (pu), its bus: cases/feeders/README.md, where two power flows
# of other authors agree.
KNOWN = {
    "civanlar16": (511.4356, 0.96927, 12),
    "baranwu33": (202.6771, 0.91309, 18),
    "feeder69": (224.9917, 0.90919, 65),
    "tpc84": (531.9975, 0.92852, 9),
    "zhang118": (1298.0916, 0.86880, 77),
    "ramirez417": (708.9418, 0.93008, 31),
}


def flow_of(net, **given):
    """Power flow of the normal state."""
    feeder = feeder_from_net(net, **given)
    assert feeder.is_radial(feeder.closed)
    trees = feeder_trees(feeder)
    return feeder, power_flow(trees, trees.opens(feeder.closed))


def assert_same_as_runpp(net, **given):
    before = copy.deepcopy(net)
    feeder, flow = flow_of(net, **given)
    assert pp.toolbox.nets_equal(net, before)
    pp.runpp(net, tolerance_mva=1e-11, max_iteration=50)
    loss = net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum()
    assert flow.measures["loss"] * feeder.base_mva == pytest.approx(loss, rel=1e-9)
    vm = net.res_bus.vm_pu[list(feeder.bus_id)]
    np.testing.assert_allclose(flow.vm[0], vm, rtol=1e-9, atol=1e-9)
    return feeder, flow


def findings(net, **given):
    with pytest.raises(InputError) as caught:
        feeder_from_net(net, **given)
    return [str(finding) for finding in caught.value.findings]


def add_line(net, f, t, r=0.5, x=0.3, **given):
    given.setdefault("c_nf_per_km", 0.0)
    return pp.create_line_from_parameters(
        net, f, t, 1.0, r_ohm_per_km=r, x_ohm_per_km=x, max_i_ka=99999.0, **given
    )


@pytest.fixture
def ring():
    """Source at 0, loads at 1 to 3, a ring of four lines, the last one open."""
    net = pp.create_empty_network(sn_mva=1.0)
    for _ in range(4):
        pp.create_bus(net, 10.0)
    pp.create_ext_grid(net, 0, 1.01)
    for k in range(4):
        add_line(net, k, (k + 1) % 4, r=0.5 + 0.1 * k, in_service=k < 3)
    for bus in (1, 2, 3):
        pp.create_load(net, bus, 0.3 * bus, 0.1)
    return net


def test_every_builtin_feeder_is_known():
    assert set(feeder_files()) == set(KNOWN)


@pytest.mark.parametrize("name", KNOWN)
def test_builtin_feeders(name):
    loss_kw, vm, bus = KNOWN[name]
    feeder, flow = assert_same_as_runpp(read_network(name))
    assert flow.measures["loss"] * feeder.base_mva * 1000 == pytest.approx(loss_kw, abs=1e-3)
    assert np.nanmin(flow.vm) == pytest.approx(vm, abs=1e-5)
    assert feeder.bus_id[int(np.nanargmin(flow.vm))] == bus
    assert feeder.branch_name == tuple(range(1, feeder.n_branch + 1))


@pytest.mark.parametrize(
    "name",
    [
        "create_cigre_network_mv",  # transformers, charging, line switches with an open end
        "create_cigre_network_lv",  # three transformers, bus-bus switches
        "mv_oberrhein",  # two sources, 322 switches, sgens
        "create_kerber_dorfnetz",
        "simple_mv_open_ring_net",
        "case33bw",
    ],
)
def test_networks_of_pandapower(name):
    assert_same_as_runpp(getattr(nw, name)())


def test_static_generators_batteries_and_shunts():
    assert_same_as_runpp(nw.create_cigre_network_mv(with_der="all"))
    net = nw.create_cigre_network_mv(with_der="pv_wind")
    pp.create_shunt(net, 5, q_mvar=-0.4, p_mw=0.01, step=2, vn_kv=19.0)
    net.sgen["scaling"] = 0.7
    net.load["scaling"] = np.linspace(0.5, 1.5, len(net.load))
    assert_same_as_runpp(net)


def test_loads_that_depend_on_voltage():
    net = read_network("baranwu33")
    n = len(net.load)
    for column in ("z_p", "i_p", "z_q", "i_q"):
        net.load[f"const_{column}_percent"] = np.linspace(0, 50, n)
    net.load.loc[4, ["const_z_p_percent", "const_i_p_percent"]] = 100, 0
    assert_same_as_runpp(net)


@pytest.mark.parametrize("closed_end", [0, 1, None])
def test_charging_of_an_open_line(ring, closed_end):
    """Switches open one end of a long cable, or both; a switch elsewhere stays closed."""
    ring.line["c_nf_per_km"] = 4000.0
    ring.line["in_service"] = True
    ends = (3, 0)
    for k, bus in enumerate(ends):
        pp.create_switch(ring, bus, 3, "l", closed=k == closed_end)
    pp.create_switch(ring, 1, 1, "l", closed=True)
    feeder, _ = assert_same_as_runpp(ring)
    expected = -1 if closed_end is None else ends[closed_end]
    assert feeder.hangs_at.tolist()[3] == expected


def test_a_matpower_file(tmp_path):
    """The line with a tap becomes a transformer with charging of its own."""
    path = tmp_path / "small.m"
    path.write_text(
        "function mpc = small\nmpc.version = '2';\nmpc.baseMVA = 10;\n"
        "mpc.bus = [\n"
        "1 3 0 0 0 0 1 1 0 10 1 1.1 0.9;\n"
        "2 1 2 1 0.1 0.3 1 1 0 10 1 1.1 0.9;\n"
        "3 1 1 0.5 0 0 1 1 0 10 1 1.1 0.9;\n];\n"
        "mpc.gen = [\n1 0 0 9 -9 1.02 10 1 20 0;\n];\n"
        "mpc.gencost = [\n2 0 0 2 1 0;\n];\n"
        "mpc.branch = [\n"
        "1 2 0.02 0.03 0.01 0 0 0 0 0 1 -360 360;\n"
        "2 3 0.03 0.02 0.02 0 0 0 0.98 0 1 -360 360;\n"
        "1 3 0.05 0.04 0 0 0 0 0 0 0 -360 360;\n];\n",
        encoding="utf-8",
    )
    net = read_network(str(path))
    feeder, flow = flow_of(net)
    charging_as_shunts(net)
    pp.runpp(net, tolerance_mva=1e-11)
    np.testing.assert_allclose(flow.vm[0], net.res_bus.vm_pu[list(feeder.bus_id)], rtol=1e-9)
    loss = net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum()
    assert flow.measures["loss"] * feeder.base_mva == pytest.approx(loss, rel=1e-9)
    assert feeder.switchable.tolist() == [True, True, False]


def test_several_sources_at_their_own_voltages(ring):
    pp.create_ext_grid(ring, 2, 0.99)
    ring.line.loc[1, "in_service"] = False
    feeder, flow = assert_same_as_runpp(ring)
    assert sorted(feeder.source_vm[feeder.source_vm > 0]) == [0.99, 1.01]
    assert feeder_trees(feeder).n_open == 2
    assert flow.vm[0, 2] == pytest.approx(0.99)


def test_generators_may_be_sources(ring):
    pp.create_gen(ring, 2, 0.0, vm_pu=0.99, slack=True)
    ring.line.loc[1, "in_service"] = False
    assert_same_as_runpp(ring)
    ring.gen["slack"] = False
    assert any("gen 0: holds its bus's voltage" in finding for finding in findings(ring))


def test_load_on_the_source_negative_load_and_parallel_branches(ring):
    pp.create_load(ring, 0, 5.0, 2.0)
    pp.create_load(ring, 3, -2.0, -0.5)
    add_line(ring, 1, 2, in_service=False)
    feeder, flow = assert_same_as_runpp(ring)
    assert flow.vm[0, 3] > flow.vm[0, 2]  # fed backwards
    assert feeder.n_branch == 5
    assert feeder_trees(feeder).n_open == 2


def test_tiny_impedance_is_a_closed_switch(ring, tmp_path):
    ring.line.loc[1, ["r_ohm_per_km", "x_ohm_per_km"]] = 1e-7, 0.0
    pp.to_json(ring, str(tmp_path / "tiny.json"))
    feeder, flow = flow_of(read_network("tiny.json", tmp_path))
    ring.line = ring.line.drop(index=1)
    pp.create_switch(ring, 1, 2, "b", closed=True)
    switched, expected = flow_of(ring)
    assert flow.measures["loss"] == pytest.approx(expected.measures["loss"], rel=1e-6)
    np.testing.assert_allclose(flow.vm, expected.vm, rtol=1e-7)
    assert switched.branch_name == (1, 2, 3, "switch 1")
    assert switched.branch_index.tolist() == [0, 2, 3, 0]
    assert feeder.branch_name == (1, 2, 3, 4)


def test_no_impedance_at_all_is_refused(ring):
    ring.line.loc[1, ["r_ohm_per_km", "x_ohm_per_km"]] = 0.0
    assert findings(ring) == [
        "network: line 1: impedance is zero; join its buses by a switch instead"
    ]


def test_switches_that_never_open_join_their_buses(ring):
    pp.create_bus(ring, 10.0)
    pp.create_load(ring, 4, 0.2, 0.1)
    pp.create_switch(ring, 3, 4, "b", closed=True, name="coupler")
    assert feeder_from_net(ring).branch_name == (1, 2, 3, 4, "coupler")
    ring.switch["switchable"] = False
    feeder, _ = flow_of(ring)
    assert feeder.branch_name == (1, 2, 3, 4)
    assert feeder.bus_id == (0, 1, 2, 3)
    assert feeder.served[0, 3] == pytest.approx(0.9 + 0.2)


def test_factors_scale_loads_hour_by_hour(ring):
    factors = np.array([[1.0, 0.5, 2.0], [0.0, 0.0, 0.0]])
    feeder, flow = flow_of(ring, factors=factors)
    ring.load["scaling"] = factors[0]
    _, first = assert_same_as_runpp(ring)
    np.testing.assert_allclose(flow.vm[0], first.vm[0], rtol=1e-12)
    np.testing.assert_allclose(flow.vm[1], 1.01)
    assert feeder.n_t == 2


def test_disconnected_buses_are_named(ring):
    for name in ("Mill", "School"):
        bus = pp.create_bus(ring, 10.0, name=name)
        pp.create_load(ring, bus, 0.1, 0.0)
    add_line(ring, 4, 5)
    message = "no branch connects buses Mill, School to a source; add the missing branch or source"
    assert findings(ring, name="far.json") == [f"far.json: {message}"]


def test_loops_without_a_switch_are_named(ring):
    ring.line["in_service"] = True
    ring.line["switchable"] = False
    found = findings(ring)
    assert len(found) == 1
    assert "form a loop" in found[0]
    assert all(name in found[0].partition(" form")[0] for name in "1234")
    ring.line["switchable"] = [False, False, True, False]
    assert feeder_trees(feeder_from_net(ring)).n_open == 1


def test_two_sources_joined_without_a_switch(ring):
    pp.create_ext_grid(ring, 2)
    ring.line["switchable"] = [False, False, True, True]
    found = findings(ring)
    assert len(found) == 1
    assert found[0].startswith("network: branches 1, 2 form a loop (sources count as one bus)")


def test_open_branches_that_may_not_switch_leave_loads_dark(ring):
    ring.line.loc[2, "in_service"] = False
    ring.line["switchable"] = [True, True, False, False]
    ring.bus["name"] = ["a", "b", "c", "Mill"]
    feeder = feeder_from_net(ring)
    with pytest.raises(NoSolutionError, match="no radial configuration can feed bus Mill"):
        feeder_trees(feeder)


def test_switchable_must_be_true_or_false(ring):
    ring.line["switchable"] = ["no", None, True, 0]
    assert findings(ring) == [
        "network: line 0: switchable must be true or false, found no",
    ]
    ring.line.loc[0, "switchable"] = False
    assert feeder_from_net(ring).switchable.tolist() == [False, True, True, False]


def test_no_source(ring):
    ring.ext_grid["in_service"] = False
    assert any("no source" in finding for finding in findings(ring))


def test_sources_at_one_bus_must_agree(ring):
    pp.create_ext_grid(ring, 0, 1.01)
    assert feeder_from_net(ring).source_vm.tolist() == [1.01, 0, 0, 0]
    ring.ext_grid.loc[1, "vm_pu"] = 0.99
    assert findings(ring)[0].startswith("network: sources at one bus must have one voltage")


def switchable(net, text):
    before = copy.deepcopy(net)
    feeder = feeder_from_net(set_switchable(net, text))
    assert pp.toolbox.nets_equal(net, before)
    return [n for n, s in zip(feeder.branch_name, feeder.switchable, strict=True) if s]


def test_what_may_switch_by_numbers():
    net = read_network("baranwu33")
    assert switchable(net, "all") == list(range(1, 38))
    assert switchable(net, "33-37, 7 ,9-9") == [7, 9, 33, 34, 35, 36, 37]
    net.line["switchable"] = False
    net.line.loc[3, "switchable"] = True
    assert switchable(net, "ALL") == [4]
    assert switchable(net, "5") == [5]


def test_what_may_switch_by_names(ring):
    ring.line["name"] = ["Line 1", "Line, west", "3-4", "tie"]
    assert switchable(ring, 'line 1,"Line, west",3-4,TIE') == list(ring.line.name)
    assert switchable(ring, "2-4") == ["Line, west", "3-4", "tie"]  # rows, as no name is a number
    assert switchable(ring, "1,tie") == ["Line 1", "tie"]


def test_what_has_a_switch_may_switch():
    net = nw.create_cigre_network_mv()
    feeder = feeder_from_net(set_switchable(net, "switches"))
    has = {
        (table, int(i))
        for table, kind in (("line", "l"), ("trafo", "t"))
        for i in net.switch.element[net.switch.et == kind]
    }
    found = {
        (kind, int(i))
        for kind, i, s in zip(
            feeder.branch_kind, feeder.branch_index, feeder.switchable, strict=True
        )
        if s
    }
    assert found == has
    assert has


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("1,38", "38: no branch has the number 38; they go from 1 to 37"),
        ("Line 1", "no branch has the name 'Line 1'; did you mean '1'|; there are 1, 2, .* more"),
        ("30-99999999999", "30-99999999999: no branch has the number 99999999999; they go from"),
        ("9-7", "9-7 must have the smaller number first"),
        ("", "must be all, switches, or names of branches"),
        (",,", "must be all, switches, or names of branches"),
        ("switches", "no branch of the network has a switch"),
        ('"1', "cannot be read"),
    ],
)
def test_texts_that_name_no_branch(text, says):
    with pytest.raises(InputError, match=says) as caught:
        set_switchable(read_network("baranwu33"), text)
    assert caught.value.findings[0].place == "--switchable"


def test_every_unknown_name_has_its_finding_and_hint(ring):
    ring.line["name"] = ["North", "South", "East", "West"]
    with pytest.raises(InputError) as caught:
        set_switchable(ring, "Nort,x,East,South 1")
    texts = [finding.message for finding in caught.value.findings]
    assert texts == [
        "no branch has the name 'Nort'; did you mean 'North'?",
        "no branch has the name 'x'; there are North, South, East, West",
        "no branch has the name 'South 1'; did you mean 'South'?",
    ]


def test_a_damaged_net_is_left_for_the_feeder_to_refuse(ring):
    pp.create_switch(ring, 0, 0, "l")
    ring.switch.loc[0, "element"] = 77
    assert findings(set_switchable(ring, "switches")) == findings(ring)
