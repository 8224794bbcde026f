"""Controllable loads and storage, costs, own columns, workbooks and SimBench."""

import sys
import types

import numpy as np
import pandapower as pp
import pandas as pd
import pytest
from pandapower.io_utils import to_dict_of_dfs
from test_network import assert_same_network, two_bus

from hybridopt.dispatch import Dispatcher
from hybridopt.errors import InputError
from hybridopt.export import plan_net
from hybridopt.grid import Plan
from hybridopt.network import prepare, read_network
from hybridopt.network_grid import grid_from_net
from hybridopt.network_scenario import load_case
from hybridopt.verify import verify


def full_net():
    """Two buses with a unit of every kind; 10 MVA is the base."""
    net = two_bus(max_i_ka=1.0)
    pp.create_load(net, 1, 2.0, 0.5, scaling=0.5, controllable=True, min_p_mw=1.0, max_p_mw=3.0)
    pp.create_poly_cost(net, 1, "load", cp1_eur_per_mw=-40, cp2_eur_per_mw2=2.0, cp0_eur=7.0)
    pp.create_storage(
        net, 1, 0.5, 4.0, soc_percent=50.0, controllable=True, max_p_mw=1.0, min_p_mw=-2.0,
        min_e_mwh=0.5, charge_efficiency=0.9, end_soc_percent=60.0, name="store",
    )  # fmt: skip
    pp.create_storage(net, 1, 0.25, 4.0, q_mvar=0.1, scaling=2.0)
    pp.create_sgen(
        net, 1, 1.0, controllable=True, min_p_mw=0.2, max_p_mw=2.0, min_q_mvar=-1, max_q_mvar=1.5
    )
    pp.create_sgen(net, 0, 0.6, 0.1)
    pp.create_pwl_cost(net, 0, "sgen", [[0, 1, 10.0], [1, 2, 20.0]], cp0_eur=3.0)
    pp.create_pwl_cost(net, 0, "ext_grid", [[-10, 0, 10.0], [0, 20, 30.0]])
    return net


def grid_of(net):
    return grid_from_net(prepare(net))[0]


def finding(net):
    with pytest.raises(InputError) as caught:
        prepare(net, "net")
    (found,) = caught.value.findings
    return str(found)


def test_every_kind_of_unit_with_its_limits():
    grid = grid_of(full_net())
    assert grid.gen_kind == ("ext_grid", "sgen", "sgen", "load", "storage")
    np.testing.assert_allclose(grid.p_min * 10, [-np.inf, 0.2, 0.0, -3.0, -0.5])
    np.testing.assert_allclose(grid.p_max * 10, [np.inf, 2.0, 0.6, -1.0, -0.5])
    np.testing.assert_allclose(grid.q_min * 10, [-np.inf, -1.0, 0.0, -0.25, -0.2])
    np.testing.assert_allclose(grid.q_max * 10, [np.inf, 1.5, 0.1, -0.25, -0.2])
    assert grid.gen_forming.tolist() == [True, False, False, False, False]
    assert grid.load_index.tolist() == [0]  # what is controllable is no demand
    assert grid.demand()[0].sum() * 10 == pytest.approx(4.0)


def test_storage_as_the_grids_own():
    store = grid_of(full_net()).storage
    assert store.name == ("store",)
    assert store.bus.tolist() == [1]
    assert store.index.tolist() == [0]
    for name, expected in {
        "charge_max": 1.0, "discharge_max": 2.0, "q_min": 0.0, "q_max": 0.0, "energy_min": 0.5,
        "energy_max": 4.0, "energy_start": 2.0, "energy_end": 2.4,
    }.items():  # fmt: skip
        assert getattr(store, name) * 10 == pytest.approx([expected]), name
    assert (store.eta_in.tolist(), store.eta_out.tolist()) == ([0.9], [1.0])
    net = full_net()
    net.storage.loc[0, "end_soc_percent"] = np.nan
    assert grid_of(net).storage.energy_end[0] * 10 == pytest.approx(2.0)  # back to the start


def test_costs_of_a_load_are_of_its_consumption():
    """At 3 MW: 7 - 40*3 + 2*9 = -95."""
    grid = grid_of(full_net())
    assert np.polynomial.polynomial.polyval(-3.0, grid.gen_cost[3]) == pytest.approx(-95.0)
    net = full_net()
    net.poly_cost = net.poly_cost.iloc[:0]
    pp.create_pwl_cost(net, 1, "load", [[0, 1, -50.0], [1, 3, -20.0]])
    points = grid_of(net).gen_pwl[3]
    np.testing.assert_allclose(points, [[-3, -90], [-1, -50], [0, 0]])


def test_pieces_pass_through_their_constant():
    """The first piece is 3 + 10 p; slopes are per MW."""
    grid = grid_of(full_net())
    np.testing.assert_allclose(grid.gen_pwl[1], [[0, 3], [1, 13], [2, 33]])
    np.testing.assert_allclose(grid.gen_pwl[0], [[-10, -100], [0, 0], [20, 600]])
    assert grid.gen_pwl[2] is None


def test_power_flow_of_a_net_with_all_units_is_the_grids():
    assert_same_network(full_net())


def test_line_and_transformer_ratings_are_pandapowers_loading():
    net = two_bus(parallel=2, df=0.8)
    net.line["max_loading_percent"] = 60.0
    c = pp.create_bus(net, 0.4)
    pp.create_transformer(net, 1, c, "0.63 MVA 20/0.4 kV", parallel=2, df=0.7)
    net.trafo["max_loading_percent"] = 80.0
    pp.create_load(net, c, 0.4)
    _, grid, _ = assert_same_network(net)
    assert grid.rate_share.tolist() == [0.6, 0.8]
    base_ka = 10 / (np.sqrt(3) * 20.0)
    assert grid.rate_from[0] == pytest.approx(0.6 * 0.3 * 2 * 0.8 / base_ka, rel=1e-12)
    assert grid.rate_from[1] == pytest.approx(0.8 * 0.63 * 2 * 0.7 / 10, rel=1e-12)


def test_own_columns_of_a_pandapower_net():
    net = two_bus()
    pp.create_line_from_parameters(net, 0, 1, 1.0, 0.3, 0.4, 100.0, 0.3)
    net.line["rate_mva"] = [9900.0, np.nan]  # no placeholder in this column
    net.line["min_angle_degree"] = [-30.0, np.nan]
    net.line["max_angle_degree"] = [np.nan, 15.0]
    net.ext_grid["ramp_up_mw_per_h"] = 20.0
    grid = grid_of(net)
    assert grid.rate_from[0] == grid.rate_to[0] == 990.0
    assert grid.rate_is_power.tolist() == [True, False]
    assert grid.rate_from[1] == pytest.approx(0.3 * np.sqrt(3) * 20 / 10)
    np.testing.assert_allclose(np.rad2deg(grid.angle_min), [-30, -np.inf])
    np.testing.assert_allclose(np.rad2deg(grid.angle_max), [np.inf, 15])
    assert (grid.ramp_up.tolist(), grid.ramp_down.tolist()) == ([2.0], [np.inf])


def test_a_generator_without_active_power_energises_no_island():
    net = two_bus()
    pp.create_gen(net, 1, 0.0, min_p_mw=0.0, max_p_mw=0.0)
    pp.create_gen(net, 1, 0.0, min_p_mw=0.0, max_p_mw=1.0)
    assert grid_of(net).gen_forming.tolist() == [True, False, True]


# --- refused --------------------------------------------------------------------------------------


def change(table, column, value, index=0):
    def apply(net):
        net[table][column] = net[table].get(column, pd.Series(np.nan, net[table].index))
        net[table][column] = net[table][column].astype(object)
        net[table][column] = [value if i == index else v for i, v in net[table][column].items()]

    return apply


REFUSED = {
    "rating": (change("line", "rate_mva", 0.0), "net: line 0: rate_mva must be above 0, found 0"),
    "angles": (
        lambda n: n.line.__setitem__(["min_angle_degree", "max_angle_degree"], [[9.0, 5.0]]),
        "net: line 0: min_angle_degree 9 lies above max_angle_degree 5",
    ),
    "load limits": (change("load", "min_p_mw", 4.0, 1), "load 1: min_p_mw 4 lies above max_p_mw 3"),
    "no content": (change("storage", "max_e_mwh", np.nan), "max_e_mwh must be a finite number"),
    "no charge": (change("storage", "soc_percent", np.nan), "soc_percent must lie between 0 and 1"),
    "too empty": (change("storage", "soc_percent", 5.0), "soc_percent 5 lies below min_e_mwh 0.5"),
    "efficiency": (change("storage", "charge_efficiency", 1.1), "charge_efficiency must lie above"),
    "sign": (change("storage", "min_p_mw", 0.5), "min_p_mw 0.5: charging is positive"),
    "end": (change("storage", "end_soc_percent", 101.0), "end_soc_percent must lie between 0 and"),
    "gap": (change("pwl_cost", "points", [[0, 1, 5.0], [2, 3, 6.0]]), "each piece must rise in MW"),
    "text": (change("pwl_cost", "points", "[[0, 1"), "points must be rows of three numbers"),
    "reactive": (change("pwl_cost", "power_type", "q"), "costs of reactive power are not modelled"),
    "cubic": (change("poly_cost", "cp3_eur_per_mw3", "x"), "cp3_eur_per_mw3 must be a number"),
    "curve": (
        change("sgen", "reactive_capability_curve", True),
        "net: sgen (reactive_capability_curve): 1 in service, but this element is not modelled",
    ),
    "two costs": (
        lambda n: pp.create_poly_cost(n, 0, "sgen", 1.0, check=False),
        "net: pwl_cost 0: sgen 0 has its costs in poly_cost 1 already",
    ),
    "cost of a fixed load": (
        lambda n: pp.create_poly_cost(n, 0, "load", 1.0),
        "net: poly_cost 1: load 0 is not controllable: its cost would be ignored",
    ),
    "cost of storage": (
        lambda n: pp.create_poly_cost(n, 0, "storage", 1.0),
        "net: poly_cost 1: costs of storage are not modelled",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_by_name(name):
    net = full_net()
    REFUSED[name][0](net)
    assert REFUSED[name][1] in finding(net)


FOREIGN = {
    "dcline": lambda n: pp.create_dcline(n, 0, 1, 1.0, 0.0, 0.0, 1.0, 1.0),
    "svc": lambda n: pp.create_svc(n, 1, 1.0, -10.0, 1.0, 145.0),
    "tcsc": lambda n: pp.create_tcsc(n, 0, 1, 1.0, -10.0, 5.0, 145.0),
    "ssc": lambda n: pp.create_ssc(n, 1, 0.1, 1.0),
    "xward": lambda n: pp.create_xward(n, 1, 1, 1, 1, 1, 0.1, 0.1, 1.0),
    "motor": lambda n: pp.create_motor(n, 1, 1.0, 0.9),
    "impedance": lambda n: pp.create_impedance(n, 0, 1, 0.1, 0.1, 10.0),
    "asymmetric_load": lambda n: pp.create_asymmetric_load(n, 1, 1.0),
    "bus_dc": lambda n: pp.create_bus_dc(n, 100.0),
}


@pytest.mark.parametrize("table", FOREIGN)
def test_what_is_not_modelled_is_named(table):
    net = two_bus()
    FOREIGN[table](net)
    assert f"net: {table}: 1 in service, but this element is not modelled" in finding(net)


# --- out again ------------------------------------------------------------------------------------


def test_dispatch_of_a_controllable_load_passes_the_referee():
    """Each MW consumed is worth 40 - 2*2*p, imports cost 15: the load takes 3 MW, its most."""
    net = full_net()
    net.pwl_cost = net.pwl_cost.iloc[:0]
    pp.create_poly_cost(net, 0, "ext_grid", 15.0)
    scenario = load_case({}, net=net)
    dispatcher = Dispatcher(
        scenario.damaged, scenario.space.sites, scenario.horizon, scenario.settings
    )
    dispatch = dispatcher.dispatch(Plan())
    assert dispatch.ok
    k = dispatch.unit_kind.index("load")
    assert dispatch.unit_name[k] == "load 1"
    assert dispatch.p_mw[:, k] == pytest.approx(-3.0, abs=1e-4)
    assert verify(scenario, dispatch).max_mismatch_mva < 1e-3
    out = plan_net(scenario, dispatch, 0)
    assert out.load.p_mw[1] * out.load.scaling[1] == pytest.approx(3.0, abs=1e-4)
    assert out.storage.in_service.tolist() == [True, True]
    assert out.storage.p_mw[0] == pytest.approx(dispatch.store_p_mw[0, 0], abs=1e-9)
    assert (out.storage.p_mw * out.storage.scaling)[1] == pytest.approx(0.5)
    cost = out.poly_cost[out.poly_cost.et == "load"].iloc[0]
    assert (cost.cp0_eur, cost.cp1_eur_per_mw, cost.cp2_eur_per_mw2) == (7.0, -40.0, 2.0)


def test_a_condenser_holds_its_voltage_in_the_exported_net():
    net = two_bus(max_i_ka=1.0)
    pp.create_gen(net, 1, 0.0, min_p_mw=0.0, max_p_mw=0.0, min_q_mvar=-1.0, max_q_mvar=1.0)
    scenario = load_case({}, net=net)
    dispatcher = Dispatcher(
        scenario.damaged, scenario.space.sites, scenario.horizon, scenario.settings
    )
    dispatch = dispatcher.dispatch(Plan())
    out = plan_net(scenario, dispatch, 0)
    assert out.gen.slack.tolist() == [True, False]
    assert out.gen.max_q_mvar[1] == pytest.approx(1.0)
    assert verify(scenario, dispatch).max_mismatch_mva < 1e-3


def test_exported_pieces_are_those_of_the_net():
    scenario = load_case({}, net=full_net())
    dispatcher = Dispatcher(
        scenario.damaged, scenario.space.sites, scenario.horizon, scenario.settings
    )
    out = plan_net(scenario, dispatcher.dispatch(Plan()), 0)
    points = dict(zip(out.pwl_cost.et, out.pwl_cost.points, strict=True))
    np.testing.assert_allclose(points["sgen"], [[0, 1, 10], [1, 2, 20]])
    np.testing.assert_allclose(points["gen"], [[-10, 0, 10], [0, 20, 30]])
    assert out.pwl_cost.cp0_eur[out.pwl_cost.et == "sgen"].item() == pytest.approx(3.0)


# --- workbooks and SimBench -----------------------------------------------------------------------


def write_workbook(net, path):
    """As pandapower.to_excel does, which needs a package more."""
    with pd.ExcelWriter(path, engine="openpyxl") as book:
        for name, table in to_dict_of_dfs(net).items():
            table.to_excel(book, sheet_name=name)


def test_workbook_and_json_hold_the_same_grid(tmp_path):
    net = full_net()
    net.line["rate_mva"] = 12.0
    pp.to_json(net, str(tmp_path / "net.json"))
    write_workbook(net, tmp_path / "net.xlsx")
    grids = [grid_of(read_network(name, tmp_path)) for name in ("net.json", "net.xlsx")]
    for name, value in vars(grid_of(net)).items():
        for grid in grids:
            other = getattr(grid, name)
            if isinstance(value, np.ndarray):
                np.testing.assert_allclose(other, value, rtol=1e-12, err_msg=name)
            elif name == "gen_pwl":
                assert [p is None for p in other] == [p is None for p in value]
                np.testing.assert_allclose(other[1], value[1])
            elif name == "storage":
                assert all(np.array_equal(vars(other)[n], v) for n, v in vars(value).items())
            else:
                assert other == value, name


def test_workbook_that_is_no_network(tmp_path):
    pd.DataFrame({"a": [1]}).to_excel(tmp_path / "table.xlsx")
    write_workbook(two_bus(), tmp_path / "net.xlsx")
    (tmp_path / "cut.xlsx").write_bytes((tmp_path / "net.xlsx").read_bytes()[:3000])
    (tmp_path / "text.xlsx").write_text("a,b")
    for name in ("table", "cut", "text"):
        with pytest.raises(InputError, match=r"pandapower|not an Excel workbook"):
            read_network(f"{name}.xlsx", tmp_path)


@pytest.fixture
def simbench(monkeypatch):
    """A stand-in with one code."""
    fake = types.ModuleType("simbench")
    fake.collect_all_simbench_codes = lambda: ["1-LV-rural1--0-sw", "1-MV-urban--0-no_sw"]
    fake.get_simbench_net = lambda _: two_bus()
    monkeypatch.setitem(sys.modules, "simbench", fake)


@pytest.mark.usefixtures("simbench")
def test_simbench_code():
    assert len(read_network("1-LV-rural1--0-sw").bus) == 2
    with pytest.raises(InputError, match=r"did you mean 1-LV-rural1--0-sw or"):
        read_network("1-LV-rural9--0-sw")


def test_simbench_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "simbench", None)
    with pytest.raises(InputError, match="pip install simbench"):
        read_network("1-LV-rural1--0-sw")
