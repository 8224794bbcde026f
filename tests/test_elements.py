"""References in a case: labels and names of buses and branches become positions."""

import pandapower as pp
import pytest

from hybridopt.network_scenario import load_case


@pytest.fixture
def joined():
    """Six buses of which 1, 2 and 3 are one; labels are the index plus 1."""
    net = pp.create_empty_network()
    for k in range(6):
        pp.create_bus(net, 20.0, name=f"bus {'abcdef'[k]}")
    for f, t in ((0, 1), (2, 4), (4, 5)):
        pp.create_line_from_parameters(net, f, t, 2.0, 0.3, 0.4, 100.0, 0.3)
    for a, b in ((3, 1), (3, 2)):
        pp.create_switch(net, a, b, et="b", closed=True)
    pp.create_ext_grid(net, 0)
    pp.create_load(net, 3, 1.0)
    pp.create_load(net, 5, 2.0)
    return net


def scenario(net, **event):
    data = {"network": "own", "bus_label_offset": 1, "event": event}
    return load_case(data, net=net)


def test_bus_by_name_behind_joined_buses(joined):
    s = scenario(joined, buses=["bus f"])
    assert [s.grid.bus_id[b] for b in s.event.buses] == [6]


@pytest.mark.parametrize("written", ["bus d", 4, 2, 3])
def test_joined_buses_answer_to_every_label_and_name(joined, written):
    s = scenario(joined, buses=[written])
    assert [s.grid.bus_id[b] for b in s.event.buses] == [2]


@pytest.mark.parametrize("written", ["3-5", "5-3", "2-5", "4-5"])
def test_line_by_any_label_of_its_ends(joined, written):
    s = scenario(joined, lines=[written])
    assert s.event.branches == (1,)


def test_load_by_any_label(joined):
    assert scenario(joined, loads=[4]).event.loads == (0,)
    assert scenario(joined, loads=[2]).event.loads == (0,)


def test_parallel_line_and_transformer_are_called_as_they_are_named(joined):
    pp.create_transformer_from_parameters(joined, 4, 5, 5.0, 20.0, 20.0, 0.5, 8.0, 0.0, 0.0)
    s = scenario(joined, transformers=["5-6#2"])
    assert [s.grid.branch_name[k] for k in s.event.branches] == ["5-6#2"]
    assert s.grid.branch_kind[s.event.branches[0]] == "trafo"
