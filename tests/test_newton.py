"""Power flows with many injections: pandapower's runpp, a closed form, failures."""

import copy

import numpy as np
import pandapower as pp
import pytest

from hybridopt import load_case
from hybridopt.errors import NoSolutionError
from hybridopt.network_meshed import MeshedNetwork, meshed_network
from hybridopt.solvers.newton import PowerFlows


def two_buses(r=0.02, x=0.06, p=40.0, q=10.0):
    """A slack bus, a line (pu on 100 MVA, 110 kV) and a load."""
    net = pp.create_empty_network(sn_mva=100.0)
    pp.create_buses(net, 2, 110.0)
    ohm = 110.0**2 / 100.0
    pp.create_line_from_parameters(net, 0, 1, 1.0, r * ohm, x * ohm, 0.0, 0.5)
    pp.create_ext_grid(net, 0)
    pp.create_load(net, 1, p, q)
    return net


def meshed(net) -> MeshedNetwork:
    return meshed_network(load_case({}, net=net))


def test_two_buses_as_in_closed_form() -> None:
    r, x, p, q, dg = 0.02, 0.06, 0.4, 0.1, 0.15
    network = meshed(two_buses(r, x, p * 100, q * 100))
    extra = np.array([[0, 0], [0, dg], [0, dg + 0.05j]], dtype=complex)
    flows = PowerFlows(network.arrays).solve(extra)
    for case, s in enumerate(extra[:, 1]):
        a, b = p - s.real, q - s.imag
        # |V2|^4 - |V2|^2 (1 - 2 (R P + X Q)) + |Z|^2 |S|^2 = 0
        middle = 1 - 2 * (r * a + x * b)
        square = (middle + np.sqrt(middle**2 - 4 * (r**2 + x**2) * (a**2 + b**2))) / 2
        assert abs(flows.v[case, 1]) == pytest.approx(np.sqrt(square), abs=1e-9)
        assert network.losses(flows.v)[case] == pytest.approx(
            100 * r * (a**2 + b**2) / square, abs=1e-7
        )


@pytest.mark.parametrize("name", ["case14", "case_ieee30", "create_cigre_network_mv"])
def test_many_injections_are_those_of_runpp(name: str) -> None:
    network = meshed_network(load_case({"network": name}))
    rng = np.random.default_rng(1)
    base = network.grid.base_mva
    extra = np.zeros((5, len(network.alive)), dtype=complex)
    for row in extra:
        at = rng.choice(network.arrays.pq, 3, replace=False)
        row[at] = 0.04 * network.arrays.load.real.sum() * (rng.random(3) + 0.2j)
    flows = PowerFlows(network.arrays, 0.9).solve(extra)
    assert flows.converged.all()
    losses, loading = network.losses(flows.v), network.loading(flows.v)
    for case, row in enumerate(extra):
        net = copy.deepcopy(network.net)
        net.load["scaling"] *= 0.9
        for at in np.flatnonzero(row):
            bus = int(network.net_bus[network.alive[at]])
            pp.create_sgen(net, bus, row[at].real * base, row[at].imag * base)
        pp.runpp(net, tolerance_mva=1e-9, calculate_voltage_angles=True, numba=False)
        vm = net.res_bus.vm_pu.loc[network.net_bus[network.alive]]
        assert abs(vm - abs(flows.v[case])).max() < 1e-8
        assert net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum() == pytest.approx(
            losses[case], abs=1e-6
        )
        both = np.concatenate([net.res_line.loading_percent, net.res_trafo.loading_percent])
        rated = np.isfinite(loading[case])
        assert both[network.branch][rated] == pytest.approx(loading[case][rated], abs=1e-4)


def test_loads_that_depend_on_voltage() -> None:
    net = two_buses()
    net.load["const_z_p_percent"], net.load["const_i_q_percent"] = 60.0, 50.0
    # pandapower gives a unit at the bus of such a load its shares, so it stands elsewhere
    pp.create_bus(net, 110.0)
    pp.create_line_from_parameters(net, 1, 2, 1.0, 1.0, 3.0, 0.0, 0.5)
    network = meshed(net)
    flows = PowerFlows(network.arrays, 1.2).solve(np.array([[0, 0, 0.1 + 0.02j]]))
    net.load["scaling"] = 1.2
    pp.create_sgen(net, 2, 10.0, 2.0)
    pp.runpp(net, tolerance_mva=1e-9, numba=False)
    assert abs(flows.v[0]) == pytest.approx(net.res_bus.vm_pu.to_numpy(), abs=1e-8)


def test_an_event_leaves_a_dead_part_out() -> None:
    case = {"event": {"lines": ["2-3"], "generators": [3]}}
    net = two_buses()
    pp.create_buses(net, 2, 110.0)
    for f, t in ((1, 2), (2, 3)):
        pp.create_line_from_parameters(net, f, t, 1.0, 1.0, 3.0, 0.0, 0.5)
    pp.create_gen(net, 3, 5.0)
    network = meshed_network(load_case(case, net=net))
    assert network.alive.tolist() == [0, 1, 2]
    assert network.at.tolist() == [0, 1, 2, -1]
    assert network.arrays.pv.size == 0


def test_what_does_not_converge_is_said() -> None:
    network = meshed(two_buses(p=100.0, q=20.0))
    flows = PowerFlows(network.arrays).solve(np.array([[0, 0.1], [0, -20.0]], dtype=complex))
    assert flows.converged.tolist() == [True, False]
    assert not PowerFlows(network.arrays, 20.0).converged
    with pytest.raises(NoSolutionError, match="does not converge"):
        meshed(two_buses(p=2000.0))


def test_far_injections_are_solved_in_full() -> None:
    # So far from the network without them that the kept Jacobian leads nowhere.
    network = meshed(two_buses(r=0.05, x=0.3, p=110.0, q=20.0))
    flows = PowerFlows(network.arrays).solve(np.array([[0, 2.6 + 0.4j]]))
    assert flows.converged.all()
    v = flows.v[0]
    i = (network.arrays.y @ v)[1]
    assert v[1] * np.conj(i) == pytest.approx(2.6 + 0.4j - 1.1 - 0.2j, abs=1e-9)


def test_series_impedance_leaves_taps_out() -> None:
    network = meshed_network(load_case({"network": "case14", "bus_label_offset": 1}))
    names = [network.grid.branch_name[k] for k in network.branch]
    z = dict(zip(names, network.series_impedance(), strict=True))
    # IEEE 14: branch data of the test system, pu
    assert z["6-11"] == pytest.approx(0.09498 + 0.1989j, abs=1e-6)
    assert z["5-6"] == pytest.approx(0.25202j, abs=1e-6)
    assert z["4-9"] == pytest.approx(0.55618j, abs=1e-6)
