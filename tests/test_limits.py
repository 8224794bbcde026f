"""Ratings of branches and largest powers of units that a case gives."""

import numpy as np
import pandapower as pp
import pandapower.networks
import pytest

from hybridopt.errors import InputError
from hybridopt.network_flow import load_flow_before
from hybridopt.network_scenario import load_case
from hybridopt.study import check_case


def case(**limits):
    return {"network": "case118", "bus_label_offset": 1, "limits": limits}


def findings(**limits):
    with pytest.raises(InputError) as error:
        load_case(case(**limits))
    return [str(finding) for finding in error.value.findings]


def test_a_rating_limits_apparent_power_at_both_ends():
    scenario = load_case(case(ratings={"2-1": 151.0, "49-66#2": 186.0, "5-8": 880.0}))
    grid = scenario.grid
    rated = {grid.branch_name[k]: k for k in np.flatnonzero(np.isfinite(grid.rate_from))}
    assert set(rated) == {"1-2", "49-66#2", "8-5"}
    for name, mva in {"1-2": 151.0, "49-66#2": 186.0, "8-5": 880.0}.items():
        assert grid.rate_from[rated[name]] == grid.rate_to[rated[name]] == mva / 100
        assert grid.rate_is_power[rated[name]]
    assert not np.delete(grid.rate_is_power, list(rated.values())).any()


def test_ratings_leave_the_flow_of_the_net_as_it_was():
    """A transformer's impedance is given in percent of its rating."""
    net = pandapower.networks.case118()
    net.trafo["i0_percent"] = 0.05
    scenario = load_case(case(ratings={"8-5": 880.0, "26-25": 200.0, "1-2": 151.0}), net=net)
    rated, plain = scenario.net, net
    for each in (rated, plain):
        pp.runpp(each, tolerance_mva=1e-9, numba=False)
    assert rated.res_bus.vm_pu.to_numpy() == pytest.approx(plain.res_bus.vm_pu, abs=1e-9)
    assert rated.res_trafo.p_hv_mw.to_numpy() == pytest.approx(plain.res_trafo.p_hv_mw, abs=1e-6)
    loading = rated.res_trafo.loading_percent / plain.res_trafo.loading_percent
    assert loading.iloc[:3].to_numpy() == pytest.approx([9900 / 880, 9900 / 200, 1.0])
    assert rated.line.max_i_ka[0] == pytest.approx(151 / 138 / np.sqrt(3))


def test_loading_before_the_event_is_of_apparent_power():
    scenario = load_case(case(ratings={"1-2": 20.0, "5-8": 400.0}))
    stage = load_flow_before(scenario)
    net = scenario.net
    pp.runpp(net, numba=False)
    line = net.res_line.loc[0]
    s = max(np.hypot(line.p_from_mw, line.q_from_mvar), np.hypot(line.p_to_mw, line.q_to_mvar))
    assert stage.loading_percent[0] == pytest.approx(100 * s / 20.0, rel=1e-6)
    trafo = net.res_trafo.loc[0]
    s = max(np.hypot(trafo.p_hv_mw, trafo.q_hv_mvar), np.hypot(trafo.p_lv_mw, trafo.q_lv_mvar))
    assert stage.loading_percent[173] == pytest.approx(100 * s / 400.0, rel=1e-6)
    assert np.isnan(np.delete(stage.loading_percent, [0, 173])).all()


def test_a_rating_holds_in_the_dispatch():
    """Bus 3 of case9 sends its generator's 85 MW over the transformer branch 3-6."""
    data = {
        "network": "case9",
        "bus_label_offset": 1,
        "limits": {"branch_limit": "power", "ratings": {"3-6": 40.0}, "generators": {"2": 150.0}},
        "event": {"lines": ["5-6"]},
        "budget": 0.0,
    }
    dispatch = check_case(load_case(data)).dispatch
    grid = dispatch.grid
    branch = grid.branch_name.index("3-6")
    assert np.nanmax(dispatch.loading_percent[:, branch]) == pytest.approx(100.0, abs=0.01)
    at = {grid.bus_id[b]: k for k, b in enumerate(grid.gen_bus)}
    assert dispatch.p_mw[:, at[3]] == pytest.approx(40.0, abs=1.0)
    assert (dispatch.p_mw[:, at[2]] <= 150.0 + 1e-6).all()


def test_a_limit_on_a_unit_replaces_the_networks_own():
    net = pandapower.networks.case9()
    net.gen.loc[0, "name"] = "east"
    data = {"network": "case9", "bus_label_offset": 1}
    grid = load_case(data | {"limits": {"generators": {"1": 90.0, "east": 80.0}}}, net=net).grid
    assert dict(zip(grid.gen_kind, grid.p_max.tolist(), strict=True))["ext_grid"] == 0.9
    assert grid.p_max.tolist() == [0.9, 0.8, 2.7]


def test_what_is_not_in_the_network_is_found():
    assert findings(ratings={"1-99": 10.0, "main street": 5.0}, generators={"2": 1.0, "x": 2}) == [
        "case [limits.ratings] 1-99: no line or transformer 1-99 in the network",
        'case [limits.ratings] "main street": no line or transformer main street in the network',
        "case [limits.generators] 2: no generator or external grid at bus 2",
        "case [limits.generators] x: no generator or external grid called 'x'",
    ]


@pytest.mark.parametrize(
    ("ratings", "message"),
    [
        ({"1-2": 0.0}, "must be above 0, found 0.0"),
        ({"1-2": -5}, "must be above 0, found -5"),
        ({"1-2": float("nan")}, "must be a finite number, found nan"),
        ({"1-2": "much"}, "must be a number, found 'much'"),
        ({"1-2": 5.0, "2-1": 5.0}, "branch '2-1' is listed twice"),
        (7, "must be a table, found 7"),
    ],
)
def test_a_wrong_rating_is_found(ratings, message):
    found = findings(ratings=ratings)
    assert len(found) == 1
    assert message in found[0]


def test_a_branch_rated_by_its_buses_and_its_name_is_found():
    net = pandapower.networks.case9()
    net.line.loc[0, "name"] = "river"
    data = {"network": "case9", "bus_label_offset": 1}
    limits = {"ratings": {"1-4": 5.0, "river": 6.0}}
    with pytest.raises(InputError, match="is the same branch as '1-4'"):
        load_case(data | {"limits": limits}, net=net)


def test_a_limit_below_a_units_minimum_is_found():
    data = {"network": "case9", "bus_label_offset": 1, "limits": {"generators": {"2": 5.0}}}
    with pytest.raises(InputError, match="must be at least the unit's minimum of 10 MW"):
        load_case(data)


TABLES = [
    ("branch,rate_mva\n1-2,151\n", None),
    ("rate_mva,branch\n151,1-2\n", None),
    ("branch,rate_mva\n1-2,0\n", "r.csv:2 [limits.ratings] 1-2: must be above 0, found 0.0"),
    ("branch,rate_mva\n1-2,nan\n", "r.csv:2 [limits.ratings] 1-2: must be a finite number"),
    ("branch,rate_mva\n1-3,9\n1-2,inf\n", "r.csv:3 [limits.ratings] 1-2: must be a finite number"),
    ("branch,rate_mva\n1-2,\n", "r.csv:2 [limits.ratings] 1-2: must be a number, found ''"),
    ("branch,rate_mva\n1-2,1_0\n", "r.csv:2 [limits.ratings] 1-2: must be a number, found '1_0'"),
    ("branch,rate_mva\n,5\n", "r.csv:2: branch is empty"),
    ("branch,rate_mva\n1-2,5\n1-2,6\n", "r.csv:3: branch '1-2' stands here a second time"),
    ("branch,rate_mva\n1-2,5\n2-1,6\n", "branch '2-1' is listed twice"),
    ("branch,rate_mva\n1-77,5\n", "r.csv:2 [limits.ratings] 1-77: no line or transformer 1-77"),
    ("branch\n1-2\n", "r.csv:1: the header must be branch,rate_mva, found 'branch'"),
    ("branch,rate_mva\n", "r.csv: has no rows"),
    ("", "r.csv:1: the header must be branch,rate_mva"),
]


@pytest.mark.parametrize(("text", "message"), TABLES)
def test_ratings_from_a_table(text, message, tmp_path):
    (tmp_path / "r.csv").write_text(text)
    file = tmp_path / "case.toml"
    file.write_text('network = "case118"\nbus_label_offset = 1\n[limits]\nratings = "r.csv"\n')
    if message is None:
        assert load_case(file).grid.rate_from[0] == 1.51
        return
    with pytest.raises(InputError) as error:
        load_case(file)
    assert len(error.value.findings) == 1
    assert message in str(error.value)


def test_largest_powers_from_a_table(tmp_path):
    (tmp_path / "units.csv").write_text("generator,max_p_mw\n69,805\n1,0\n10,505\n")
    file = tmp_path / "case.toml"
    file.write_text('network = "case118"\nbus_label_offset = 1\n[limits]\ngenerators="units.csv"\n')
    grid = load_case(file).grid
    at = {grid.bus_id[b]: k for k, b in enumerate(grid.gen_bus)}
    assert [grid.p_max[at[bus]] for bus in (69, 1, 10, 4)] == [8.05, 0.0, 5.05, 1.0]
    assert [bool(grid.gen_forming[at[bus]]) for bus in (69, 1, 10, 4)] == [True, False, True, True]


def test_an_island_of_condensers_is_dead():
    """Without lines 4-5 and 6-7, the load at bus 5 has the unit at bus 3 only."""
    net = pandapower.networks.case9()
    net.gen.loc[1, "min_p_mw"] = 0.0
    data = {
        "network": "case9",
        "bus_label_offset": 1,
        "limits": {"generators": {"3": 0.0}},
        "event": {"lines": ["4-5", "6-7"]},
    }
    check = check_case(load_case(data, net=net))
    (dead,) = check.dead
    assert sorted(dead.buses) == [3, 5, 6]
    assert "generator at bus 3 gives no active power" in dead.reason
    assert check.after.served_mw.sum() == pytest.approx(225.0, abs=1e-3)
