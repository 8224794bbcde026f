"""Valve points, prohibited ranges and non-convex costs in a network, against brute force."""

import itertools

import numpy as np
import pandapower as pp
import pytest

from hybridopt.case_tables import HOURS
from hybridopt.cases import unit_files
from hybridopt.errors import InputError
from hybridopt.grid import Plan
from hybridopt.network_scenario import load_case
from hybridopt.progress import NoProgress
from hybridopt.single_dispatch import dispatch_scenario, one_hour
from hybridopt.study import run_study
from hybridopt.unit_files import read_units


def net_of(limits, load_mw, n_bus=1, r=0.0):
    """Buses in a row, generators g0, g1, ... in turn at them, the load at the last."""
    net = pp.create_empty_network(sn_mva=100.0)
    for _ in range(n_bus):
        pp.create_bus(net, 110.0, min_vm_pu=0.9, max_vm_pu=1.1)
    for k in range(n_bus - 1):
        pp.create_line_from_parameters(net, k, k + 1, 1.0, r, 1.0, 0.0, 99999.0)
    for k, (low, high) in enumerate(limits):
        q = {"min_q_mvar": -99.0, "max_q_mvar": 99.0}
        at, power = k % n_bus, {"min_p_mw": low, "max_p_mw": high}
        pp.create_gen(net, at, low, name=f"g{k}", slack=k == 0, **power, **q)
    pp.create_load(net, n_bus - 1, load_mw, 0.0)
    return net


def generators(*entries):
    """Costs of g0, g1, ...: polynomial and what comes with it."""
    return {
        "generators": [
            {"generator": f"g{k}", "polynomial": list(polynomial)} | keys
            for k, (polynomial, keys) in enumerate(entries)
        ]
    }


def dispatch_of(net, hours=None, **case):
    """The dispatch of a single hour, or of the case's curve."""
    scenario = load_case(case, net=net)
    scenario = scenario if hours else one_hour(scenario)
    return dispatch_scenario(scenario, Plan(), NoProgress()).dispatch


def best_of_two(costs, zones, limits, load, step=0.001):
    """Cheapest of all outputs of the first of two units, in steps of MW, the second balancing."""
    p0 = np.arange(limits[0][0], limits[0][1] + step / 2, step)
    outputs = (p0, load - p0)
    total = np.zeros_like(p0)
    for p, cost, forbidden, (low, high) in zip(outputs, costs, zones, limits, strict=True):
        bad = (p < low - 1e-9) | (p > high + 1e-9)
        for a, b in forbidden:
            bad |= (p > a + 1e-9) & (p < b - 1e-9)
        total += np.where(bad, np.inf, cost(p))
    return float(total.min())


def valve(polynomial, e, f, low):
    """The cost with valve points as the case file gives it."""
    c0, c1, c2 = polynomial
    return lambda p: c0 + c1 * p + c2 * p**2 + abs(e * np.sin(f * (low - p)))


def test_the_three_unit_system_on_one_bus():
    """Walters and Sheble 1993; the proven minimum at 850 MW is 8234.0717."""
    units = read_units(unit_files()["unit3"])
    entries, limits = [], []
    for unit in units:
        first = unit.pieces[0]
        keys = {"valve_point": [abs(first.e), first.f]}
        entries.append(((first.a, first.b, first.c), keys))
        limits.append((unit.p_min, unit.p_max))
    d = dispatch_of(net_of(limits, 850.0), costs=generators(*entries))
    assert d.operating_cost == pytest.approx(8234.0717, abs=1e-3)


@pytest.mark.parametrize("load", [70.0, 100.0, 131.0, 200.0, 260.0])
def test_two_units_with_valve_points_and_zones(load):
    limits = [(20.0, 200.0), (10.0, 120.0)]
    polynomials = [(50.0, 8.0, 0.004), (30.0, 8.3, 0.006)]
    waves = [(40.0, 0.08), (25.0, 0.11)]
    zones = [[(60.0, 75.0), (120.0, 140.0)], [(30.0, 45.0)]]
    entries = [
        (polynomial, {"valve_point": list(wave), "prohibited_mw": [list(z) for z in zone]})
        for polynomial, wave, zone in zip(polynomials, waves, zones, strict=True)
    ]
    costs = [
        valve(polynomial, *wave, low)
        for polynomial, wave, (low, _) in zip(polynomials, waves, limits, strict=True)
    ]
    d = dispatch_of(net_of(limits, load), costs=generators(*entries))
    best = best_of_two(costs, zones, limits, load)
    assert d.unserved_mwh < 1e-3
    assert d.operating_cost == pytest.approx(best, rel=1e-6)


EQUAL = (0.0, 10.0, 0.01)
HOLE = {"prohibited_mw": [[40.0, 60.0]]}


@pytest.mark.parametrize("n_bus", [1, 2, 3])
def test_a_zone_around_the_optimum(n_bus):
    """Two equal units would share 100 MW evenly; with a hole of 40 to 60 one goes to its edge."""
    net = net_of([(0.0, 200.0), (0.0, 200.0)], 100.0, n_bus)
    costs = generators((EQUAL, HOLE), (EQUAL, {}))
    d = dispatch_of(net, costs=costs)
    assert sorted(d.p_mw[0]) == pytest.approx([40.0, 60.0], abs=1e-3)
    assert d.operating_cost == pytest.approx(1000 + 0.01 * (40**2 + 60**2), rel=1e-6)


def test_losses_move_the_optimum_but_not_into_the_zone():
    """Against the power flow of every output of the far unit, with the line's resistance."""
    net = net_of([(0.0, 200.0), (0.0, 200.0)], 100.0, 2, r=4.0)
    d = dispatch_of(net, costs=generators((EQUAL, {}), (EQUAL, HOLE)))
    found = []
    for p1 in (*np.linspace(0, 40, 9), *np.linspace(60, 100, 9)):
        fixed = net_of([(0.0, 200.0), (p1, p1)], 100.0, 2, r=4.0)
        found.append(dispatch_of(fixed, costs=generators((EQUAL, {}), (EQUAL, {}))).operating_cost)
    assert d.loss_mw[0] > 0.1
    assert d.operating_cost == pytest.approx(min(found), rel=1e-6)
    assert d.p_mw[0, 1] <= 40 + 1e-3 or d.p_mw[0, 1] >= 60 - 1e-3


def test_non_convex_pieces_of_a_net():
    """pwl_cost whose slopes fall: 30, then 5 per MW; a unit is worth it whole or not at all."""
    net = net_of([(0.0, 100.0), (0.0, 100.0)], 90.0)
    pp.create_pwl_cost(net, 0, "gen", [[0, 40, 30.0], [40, 100, 5.0]])
    pp.create_pwl_cost(net, 1, "gen", [[0, 100, 18.0]])
    d = dispatch_of(net)
    assert d.operating_cost == pytest.approx(min(40 * 30 + 50 * 5, 90 * 18), rel=1e-6)
    net.load["p_mw"] = 60.0
    assert dispatch_of(net).operating_cost == pytest.approx(60 * 18, rel=1e-6)


def test_a_demand_inside_the_only_units_zone_is_shed_down_to_its_edge():
    net = net_of([(10.0, 200.0)], 50.0)
    d = dispatch_of(net, costs=generators((EQUAL, HOLE)))
    assert d.unserved_mw[0] == pytest.approx(10.0, abs=1e-3)
    assert d.p_mw[0, 0] == pytest.approx(40.0, abs=1e-3)


def test_a_unit_stays_below_what_is_available():
    """The cheaper piece begins at 60 MW, the sun gives 50."""
    net = net_of([(0.0, 200.0), (0.0, 200.0)], 100.0)
    costs = generators(((0.0, 1.0, 0.0), HOLE), ((0.0, 10.0, 0.0), {}))
    d = dispatch_of(net, hours=HOURS, costs=costs, availability={"g0": [0.25] * HOURS})
    np.testing.assert_allclose(d.p_mw[:, 0], 40.0, atol=1e-3)
    np.testing.assert_allclose(d.p_mw[:, 1], 60.0, atol=1e-3)


def test_a_unit_rests_where_less_is_available_than_its_least_output():
    """At noon 60 to 100 MW are allowed; with half of that available nothing is."""
    net = net_of([(0.0, 100.0), (0.0, 200.0)], 100.0)
    hole = {"prohibited_mw": [[0.0, 60.0]]}
    costs = generators(((0.0, 1.0, 0.0), hole), ((0.0, 10.0, 0.0), {}))
    sun = [1.0] * 12 + [0.5] * 12
    d = dispatch_of(net, hours=HOURS, costs=costs, availability={"g0": sun})
    np.testing.assert_allclose(d.p_mw[:, 0], [100.0] * 12 + [0.0] * 12, atol=1e-3)
    assert d.running[:, 0].tolist() == [True] * 12 + [False] * 12


CURVE = (0.2 + 0.8 * abs(np.sin(np.arange(HOURS) / 4))).tolist()


def test_every_hour_of_a_day_is_the_best():
    net = net_of([(0.0, 200.0), (0.0, 200.0)], 150.0)
    costs = generators((EQUAL, HOLE), (EQUAL, {}))
    d = dispatch_of(net, hours=HOURS, costs=costs, load={"curve": CURVE})
    smooth = valve(EQUAL, 0.0, 0.0, 0.0)
    zones, limits = [[(40.0, 60.0)], []], [(0.0, 200.0)] * 2
    for t, factor in enumerate(CURVE):
        best = best_of_two([smooth, smooth], zones, limits, 150 * factor, step=0.01)
        assert d.unit_cost[t].sum() == pytest.approx(best, rel=1e-6)


def test_a_zone_wider_than_the_ramp_is_never_crossed():
    """20 MW of zone and 15 MW/h: the unit stays below it all day, the other one takes the rest."""
    net = net_of([(0.0, 200.0), (0.0, 200.0)], 150.0)
    costs = generators((EQUAL, HOLE), (EQUAL, {}))
    ramps = {"ramps": {"g0": 15.0}}
    d = dispatch_of(net, hours=HOURS, costs=costs, load={"curve": CURVE}, limits=ramps)
    expected = np.minimum(40.0, 75 * np.array(CURVE))
    assert d.unserved_mwh < 1e-3
    assert abs(np.diff(d.p_mw[:, 0])).max() <= 15 + 1e-4
    np.testing.assert_allclose(d.p_mw[:, 0], expected, atol=0.05)


def test_a_day_with_ramps_against_every_schedule():
    """Outputs in steps of 5 MW, all sequences of both units by dynamic programming."""
    net = net_of([(0.0, 100.0), (0.0, 100.0)], 120.0)
    curve = [0.5, 0.6, 0.7, 0.8, 0.9, 1.0] * 4
    steep = (0.0, 12.0, 0.01)
    costs = generators((EQUAL, HOLE), (steep, {}))
    ramps = {"ramps": {"g0": 25.0}}
    d = dispatch_of(net, hours=HOURS, costs=costs, load={"curve": curve}, limits=ramps)
    steps = np.arange(0.0, 100.1, 1.0)
    steps = steps[(steps <= 40) | (steps >= 60)]
    total = np.zeros(len(steps))
    for t, factor in enumerate(curve):
        other = 120 * factor - steps
        here = 10 * steps + 0.01 * steps**2 + 12 * other + 0.01 * other**2
        here[(other < 0) | (other > 100)] = np.inf
        if t:
            near = abs(steps[:, None] - steps[None, :]) <= 25
            total = np.where(near, total[:, None], np.inf).min(axis=0)
        total = total + here
    assert d.unserved_mwh < 1e-3
    assert d.operating_cost <= total.min() * (1 + 1e-6)


def test_a_plan_study_with_pieces():
    """The damaged line leaves the expensive unit alone; the repair brings the cheap one back."""
    net = net_of([(0.0, 200.0), (0.0, 200.0)], 100.0, 2)
    case = {
        "event": {"lines": ["0-1"]},
        "budget": 5.0,
        "resources": {"lines": {"cost": 1.0}},
        "costs": generators(((0.0, 5.0, 0.0), HOLE), ((0.0, 50.0, 0.0), {})),
        "load": {"curve": [0.5, 1.0] * 12},
        "genetic": {"population": 4, "generations": 1, "elite": 1},
    }
    study = run_study(load_case(case, net=net))
    d = study.dispatch
    assert study.best.plan.branches == (0,)
    np.testing.assert_allclose(d.p_mw[::2, 0], 40.0, atol=1e-2)  # 50 MW lie in the zone
    np.testing.assert_allclose(d.p_mw[1::2, 0], 100.0, atol=1e-2)


WRONG = {
    "too many": ({"valve_point": [1.0, 1e7]}, "makes more than 200 valve points"),
    "three": ({"valve_point": [1.0, 2.0, 3.0]}, "must have 2 entries, found 3"),
    "all": ({"prohibited_mw": [[0.0, 200.0]]}, "leave nothing of the output"),
    "crossed": ({"prohibited_mw": [[5.0, 2.0]]}, "low must not exceed high"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_pieces_are_findings(name):
    keys, message = WRONG[name]
    with pytest.raises(InputError, match=message):
        load_case({"costs": generators((EQUAL, keys))}, net=net_of([(0.0, 200.0)], 50.0))


def test_every_set_of_pieces_of_three_units():
    """The search finds what solving inside each of the 27 choices of pieces finds."""
    limits = [(10.0, 100.0)] * 3
    polynomials = [(0.0, 9.0, 0.02), (0.0, 9.5, 0.015), (0.0, 10.0, 0.01)]
    zones = [[20.0, 45.0], [50.0, 70.0]], [[30.0, 40.0], [55.0, 80.0]], [[35.0, 60.0], [65.0, 90.0]]
    load = 151.0
    net = net_of(limits, load, 3, r=2.0)
    entries = [
        (polynomial, {"prohibited_mw": list(zone)})
        for polynomial, zone in zip(polynomials, zones, strict=True)
    ]
    found = dispatch_of(net, costs=generators(*entries)).operating_cost
    ends = [[(10.0, a), (b, c), (d, 100.0)] for (a, b), (c, d) in zones]
    best = np.inf
    for choice in itertools.product(*ends):
        if not sum(low for low, _ in choice) <= load + 5 or sum(high for _, high in choice) < load:
            continue
        inside = net_of(choice, load, 3, r=2.0)
        d = dispatch_of(inside, costs=generators(*((p, {}) for p in polynomials)))
        if d.unserved_mwh < 1e-3 and d.running.all():
            best = min(best, d.operating_cost)
    assert found == pytest.approx(best, rel=1e-6)
