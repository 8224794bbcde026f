"""The Grid's branch model and limits against pandapower's own power flow."""

import copy

import numpy as np
import pandapower as pp
import pandapower.networks as nw
import pytest

from hybridopt.errors import InputError
from hybridopt.network import prepare, read_network
from hybridopt.network_grid import grid_from_net
from hybridopt.network_units import CONSUMERS, unit_rows


def solved(net):
    """Prepared copy of a net with its load flow, its Grid and bus positions."""
    net = prepare(net)
    pp.runpp(net, init="dc", calculate_voltage_angles=True, tolerance_mva=1e-9, numba=False)
    grid, position = grid_from_net(net)
    return net, grid, position


def voltages(net, grid, position):
    v = np.full(grid.n_bus, np.nan, dtype=complex)
    for bus in net.bus.index:
        if np.isfinite(net.res_bus.vm_pu[bus]):
            angle = np.deg2rad(net.res_bus.va_degree[bus])
            v[position[bus]] = net.res_bus.vm_pu[bus] * np.exp(1j * angle)
    return v


def flows(grid, v):
    """Complex power into both ends of each branch in MVA, and the currents in pu."""
    on = grid.branch_usable() & np.isfinite(v[grid.branch_from])
    v_f, v_t = v[grid.branch_from], v[grid.branch_to]
    i_f = np.where(on, grid.y_ff * v_f + grid.y_ft * v_t, 0)
    i_t = np.where(on, grid.y_tf * v_f + grid.y_tt * v_t, 0)
    s_f = np.where(on, v_f * i_f.conj(), 0) * grid.base_mva
    s_t = np.where(on, v_t * i_t.conj(), 0) * grid.base_mva
    return on, s_f, s_t, i_f, i_t


def imbalance_mva(net, grid, position):
    """Largest power imbalance at an energised bus, all of it from the Grid but injections."""
    v = voltages(net, grid, position)
    _, s_f, s_t, _, _ = flows(grid, v)
    left = np.zeros(grid.n_bus, dtype=complex)
    for table in ("ext_grid", "gen", "sgen", "load", "storage"):
        rows = unit_rows(net, table) if table != "storage" else net.storage
        result, sign = net[f"res_{table}"].loc[rows.index], -1 if table in CONSUMERS else 1
        for bus, p, q in zip(rows.bus, result.p_mw, result.q_mvar, strict=True):
            left[position[bus]] += sign * complex(np.nan_to_num(p), np.nan_to_num(q))
    p, q = grid.demand(connected_only=True)
    g, b = grid.shunt()
    left -= (p + 1j * q + abs(v) ** 2 * (g - 1j * b)) * grid.base_mva
    np.add.at(left, grid.branch_from, -s_f)
    np.add.at(left, grid.branch_to, -s_t)
    return float(np.nanmax(abs(left)))


def pandapower_loading(net):
    return np.concatenate([net.res_line.loading_percent, net.res_trafo.loading_percent])


def our_loading(net, grid, position):
    on, _, _, i_f, i_t = flows(grid, voltages(net, grid, position))
    largest = 100 * grid.rate_share  # contained in the rates
    loading = largest * np.maximum(abs(i_f) / grid.rate_from, abs(i_t) / grid.rate_to)
    return np.where(on & np.isfinite(grid.rate_from), loading, np.nan)


def assert_same_network(net):
    net, grid, position = solved(net)
    assert imbalance_mva(net, grid, position) < 1e-6
    ours, theirs = our_loading(net, grid, position), pandapower_loading(net)
    rated = np.isfinite(ours)
    np.testing.assert_allclose(ours[rated], theirs[rated], rtol=1e-7, atol=1e-7)
    _, s_f, s_t, _, _ = flows(grid, voltages(net, grid, position))
    lost = np.concatenate([net.res_line.pl_mw, net.res_trafo.pl_mw])
    np.testing.assert_allclose((s_f + s_t).real, np.nan_to_num(lost), atol=1e-6)
    return net, grid, position


@pytest.mark.parametrize(
    "name",
    [
        "case9",
        "case_ieee30",
        "case118",
        "case300",
        "create_cigre_network_mv",
        "mv_oberrhein",
        "create_kerber_landnetz_freileitung_1",
    ],
)
def test_builtin_network_is_the_one_pandapower_solves(name):
    net = getattr(nw, name)()
    assert_same_network(net)


def two_bus(**line):
    net = pp.create_empty_network(sn_mva=10.0)
    a, b = (pp.create_bus(net, 20.0, min_vm_pu=0.9, max_vm_pu=1.1) for _ in range(2))
    pp.create_ext_grid(net, a, vm_pu=1.02)
    pp.create_load(net, b, 4.0, 1.5)
    values = {"length_km": 3.0, "r_ohm_per_km": 0.3, "x_ohm_per_km": 0.4, "c_nf_per_km": 200.0}
    pp.create_line_from_parameters(net, a, b, **(values | {"max_i_ka": 0.3} | line))
    return net


def test_line_with_parallel_circuits_conductance_and_derating():
    net = two_bus(parallel=3, g_us_per_km=8.0, df=0.7)
    _, grid, _ = assert_same_network(net)
    base_ka = grid.base_mva / (np.sqrt(3) * 20.0)
    assert grid.rate_from[0] == pytest.approx(0.3 * 3 * 0.7 / base_ka, rel=1e-12)


@pytest.mark.parametrize("side", ["hv", "lv"])
@pytest.mark.parametrize("shift", [0, 150])
def test_transformer_with_tap_shift_iron_losses_and_parallel(side, shift):
    net = two_bus()
    c = pp.create_bus(net, 0.4)
    pp.create_transformer_from_parameters(
        net, 1, c, sn_mva=0.63, vn_hv_kv=21.0, vn_lv_kv=0.41, vkr_percent=1.2, vk_percent=6.0,
        pfe_kw=1.6, i0_percent=0.4, shift_degree=shift, tap_side=side, tap_neutral=0, tap_min=-2,
        tap_max=2, tap_pos=-2, tap_step_percent=2.5, tap_changer_type="Ratio", parallel=2, df=0.9,
    )  # fmt: skip
    pp.create_load(net, c, 0.5, 0.2)
    _, grid, _ = assert_same_network(net)
    assert grid.branch_kind == ("line", "trafo")


def test_phase_shifting_transformer_in_a_loop():
    net = two_bus()
    c = pp.create_bus(net, 20.0)
    pp.create_transformer_from_parameters(
        net, 1, c, sn_mva=5.0, vn_hv_kv=20.0, vn_lv_kv=20.0, vkr_percent=0.5, vk_percent=8.0,
        pfe_kw=0, i0_percent=0, tap_side="hv", tap_neutral=0, tap_min=-5, tap_max=5, tap_pos=3,
        tap_step_percent=0, tap_step_degree=2.0, tap_changer_type="Ideal",
    )  # fmt: skip
    pp.create_line_from_parameters(net, 0, c, 2.0, 0.3, 0.4, 100.0, 0.3)
    pp.create_load(net, c, 1.0, 0.3)
    net, _, _ = assert_same_network(net)
    assert (
        abs(net.res_line.p_from_mw[1] - net.res_line.p_from_mw[0]) > 0.5
    )  # the shift drives power


def test_shunts_with_steps_and_another_voltage_base():
    net = two_bus()
    pp.create_shunt(net, 1, q_mvar=-0.8, p_mw=0.1, step=2, vn_kv=19.0)
    pp.create_shunt(net, 1, q_mvar=5.0, in_service=False)
    assert_same_network(net)


def test_scaled_loads_and_static_generators():
    net = two_bus()
    net.load["scaling"] = 1.3
    pp.create_sgen(net, 1, 2.0, -0.4, scaling=0.5)
    pp.create_load(net, 1, 1.0, in_service=False)
    _, grid, _ = assert_same_network(net)
    assert grid.demand()[0].sum() * 10 == pytest.approx(4 * 1.3 + 1.0)
    assert grid.demand(connected_only=True)[0].sum() * 10 == pytest.approx(4 * 1.3)


@pytest.mark.parametrize("closed", [True, False])
def test_line_switch(closed):
    net = two_bus()
    pp.create_line_from_parameters(net, 0, 1, 1.0, 0.3, 0.4, 100.0, 0.3)
    pp.create_switch(net, 0, 1, et="l", closed=closed)
    _, grid, _ = assert_same_network(net)
    assert grid.branch_in_service.tolist() == [True, closed]


def test_transformer_switch_opens_it():
    net = two_bus()
    c = pp.create_bus(net, 0.4)
    pp.create_transformer(net, 1, c, std_type="0.63 MVA 20/0.4 kV")
    pp.create_load(net, c, 0.1)
    pp.create_switch(net, c, 0, et="t", closed=False)
    _, grid, _ = assert_same_network(net)
    assert grid.branch_in_service.tolist() == [True, False]


@pytest.mark.parametrize("closed", [True, False])
def test_bus_switch_joins_buses_only_when_closed(closed):
    net = two_bus()
    c = pp.create_bus(net, 20.0, min_vm_pu=0.95, max_vm_pu=1.2)
    pp.create_load(net, c, 1.0)
    pp.create_switch(net, 1, c, et="b", closed=closed)
    _, grid, position = assert_same_network(net)
    assert (position[1] == position[c]) is closed
    assert grid.n_bus == (2 if closed else 3)
    if closed:  # the tighter limits hold, the lowest label names the bus
        assert grid.vm_min[position[c]] == 0.95
        assert grid.vm_max[position[c]] == 1.1
        assert grid.bus_id[position[c]] == 1


def test_joined_buses_in_the_midst_of_the_table():
    net = pp.create_empty_network()
    for _ in range(6):
        pp.create_bus(net, 20.0)
    for f, t in ((0, 1), (2, 4), (4, 5)):
        pp.create_line_from_parameters(net, f, t, 2.0, 0.3, 0.4, 100.0, 0.3)
    for a, b in ((3, 1), (3, 2)):
        pp.create_switch(net, a, b, et="b", closed=True)
    pp.create_ext_grid(net, 0)
    for bus in (2, 3, 5):
        pp.create_load(net, bus, 1.0 + bus, 0.2)
    pp.create_shunt(net, 4, 0.3)
    _, grid, position = assert_same_network(net)
    assert grid.bus_id == (0, 1, 4, 5)
    assert position[1] == position[2] == position[3] == 1


def test_switch_with_an_impedance_is_refused():
    net = two_bus()
    c = pp.create_bus(net, 20.0)
    pp.create_switch(net, 1, c, et="b", closed=True, z_ohm=0.2)
    with pytest.raises(InputError, match="impedance"):
        prepare(net)


def test_elements_out_of_service_stay_in_the_grid_but_carry_nothing():
    net = two_bus()
    pp.create_line_from_parameters(net, 0, 1, 1.0, 0.3, 0.4, 100.0, 0.3, in_service=False)
    dead = pp.create_bus(net, 20.0, in_service=False)
    pp.create_line_from_parameters(net, 1, dead, 1.0, 0.3, 0.4, 100.0, 0.3)
    pp.create_load(net, dead, 1.0)
    net, grid, position = assert_same_network(net)
    assert grid.n_branch == 3
    assert grid.branch_usable().tolist() == [True, False, False]
    assert not net.line.in_service[2]  # pandapower would leave it charged from one end
    assert not grid.bus_in_service[position[dead]]
    admittance = [grid.y_ft[k] for k in range(3)]
    assert admittance[1] == pytest.approx(admittance[2])  # a plan may close what is out of service


def test_bus_index_may_have_gaps_and_any_order():
    net = pp.create_empty_network()
    for index in (70, 3, 12):
        pp.create_bus(net, 110.0, index=index)
    pp.create_ext_grid(net, 12)
    pp.create_load(net, 70, 10.0, 2.0)
    pp.create_load(net, 3, 5.0, 1.0)
    pp.create_line_from_parameters(net, 12, 70, 10.0, 0.1, 0.3, 9.0, 0.5, index=5)
    pp.create_line_from_parameters(net, 70, 3, 10.0, 0.1, 0.3, 9.0, 0.5, index=2)
    _, grid, position = assert_same_network(net)
    assert [grid.bus_id[position[i]] for i in (70, 3, 12)] == [70, 3, 12]
    assert grid.branch_index.tolist() == [5, 2]


def test_parallel_branches_have_names_of_their_own():
    net = two_bus()
    pp.create_line_from_parameters(net, 1, 0, 1.0, 0.3, 0.4, 100.0, 0.3)
    _, grid, _ = assert_same_network(net)
    assert grid.branch_name == ("0-1", "1-0#2")


@pytest.mark.parametrize("name", ["case_ieee30", "case118", "case14"])
def test_placeholders_are_no_limit(name):
    grid, _ = grid_from_net(prepare(getattr(nw, name)()))
    net = getattr(nw, name)()
    trafos = [k for k, kind in enumerate(grid.branch_kind) if kind == "trafo"]
    assert np.isinf(grid.rate_from[trafos]).all()
    lines = slice(0, len(net.line))
    placeholder = np.isclose(
        np.sqrt(3) * net.line.max_i_ka * net.bus.vn_kv[net.line.from_bus].to_numpy(), 9900
    ) | (net.line.max_i_ka >= 99999)
    assert (np.isinf(grid.rate_from[lines]) == placeholder).all()


def test_the_users_net_is_left_alone():
    net = nw.create_cigre_network_mv(with_der=False)
    before = copy.deepcopy(net)
    grid_from_net(prepare(net))
    for table in ("bus", "line", "trafo", "switch", "load", "ext_grid"):
        assert net[table].equals(before[table]), table


def test_element_that_is_not_modelled_is_refused_with_its_count():
    net = two_bus()
    pp.create_ward(net, 1, 1, 1, 1, 1)
    pp.create_dcline(net, 0, 1, 1.0, 0.0, 0.0, 1.0, 1.0)
    with pytest.raises(InputError) as caught:
        prepare(net)
    assert {f.place for f in caught.value.findings} == {"network: ward", "network: dcline"}


def test_every_bad_number_is_listed():
    net = two_bus()
    net.line.loc[0, "r_ohm_per_km"] = np.nan
    net.load.loc[0, "p_mw"] = np.inf
    with pytest.raises(InputError) as caught:
        prepare(net)
    places = {f.place for f in caught.value.findings}
    assert {"network: line 0", "network: load 0"} <= places


@pytest.mark.parametrize("name", ["no_such_net", "create_bus", "nothing.json", "LineString"])
def test_name_that_is_no_network_is_bad_input(name):
    with pytest.raises(InputError):
        read_network(name)


def test_network_held_by_a_generator_alone():
    net = two_bus()
    net.ext_grid["in_service"] = False
    pp.create_gen(net, 0, 4.0, max_p_mw=9.0, min_p_mw=0.0)
    grid, _ = grid_from_net(prepare(net))
    assert grid.gen_in_service.tolist() == [False, True]
