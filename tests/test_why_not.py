"""Hours without a feasible point: the message names element, hour, limit and amount."""

import re

import numpy as np
import pandapower as pp
import pytest

from hybridopt.errors import NoSolutionError
from hybridopt.grid import Plan
from hybridopt.network_scenario import load_case
from hybridopt.progress import NoProgress
from hybridopt.single_dispatch import dispatch_scenario, one_hour

QUIET = {"min_q_mvar": -5.0, "max_q_mvar": 5.0}


def row_of(n, rating_mva=None, km=1.0, c_nf=0.0, vm=(0.9, 1.1)):
    """Buses in a row at 110 kV."""
    net = pp.create_empty_network(sn_mva=100.0)
    for _ in range(n):
        pp.create_bus(net, 110.0, min_vm_pu=vm[0], max_vm_pu=vm[1])
    for k in range(n - 1):
        max_i_ka = 99999.0 if rating_mva is None else rating_mva / 110 / np.sqrt(3)
        pp.create_line_from_parameters(net, k, k + 1, km, 0.1, 0.4, c_nf, max_i_ka)
    return net


def why(net, hours=False, **case):
    """The limits of a network's hour or a case's day, as the message lists them."""
    scenario = load_case(case, net=net)
    with pytest.raises(NoSolutionError) as caught:
        dispatch_scenario(scenario if hours else one_hour(scenario), Plan(), NoProgress())
    return caught.value.limit.split("; ")


def amount(text):
    return float(re.search(r"(\d+\.\d+) (MW|Mvar|pu|%)", text)[1])


def test_a_unit_that_must_run_behind_a_branch_that_is_too_small():
    """50 MW at least, 10 MW of load there and 20 MVA times 1.1 pu of line: 18 MW are left over."""
    net = row_of(2, rating_mva=20.0)
    pp.create_ext_grid(net, 0)
    pp.create_ext_grid(net, 1, min_p_mw=50.0, max_p_mw=60.0, **QUIET)
    pp.create_load(net, 1, 10.0, 0.0)
    pp.create_load(net, 0, 40.0, 0.0)
    first, second = why(net)
    assert first.startswith("hour 1: bus 1, grid 1: minimum power")
    assert amount(first) == pytest.approx(50 - 10 - 20 * 1.1, abs=0.2)
    assert second == "hour 1: branch 0-1: is at its limit, which stands in the way"


def test_a_wide_branch_is_not_blamed():
    net = row_of(2, rating_mva=200.0)
    pp.create_ext_grid(net, 0, min_p_mw=0.0, max_p_mw=10.0, **QUIET)
    pp.create_ext_grid(net, 1, min_p_mw=50.0, max_p_mw=60.0, **QUIET)
    pp.create_load(net, 0, 20.0, 0.0)
    (only,) = why(net)
    assert only.startswith("hour 1: bus 1, grid 1: minimum power")
    assert amount(only) == pytest.approx(30.0, abs=0.1)


def test_reactive_power_that_nobody_takes():
    net = row_of(2)
    pp.create_ext_grid(net, 0, min_q_mvar=20.0, max_q_mvar=60.0)
    pp.create_load(net, 1, 10.0, 0.0)
    (only,) = why(net)
    assert only.startswith("hour 1: bus 0, grid 0: reactive power: ")
    assert amount(only) == pytest.approx(20.0, abs=0.2)


def test_charging_that_a_small_grid_cannot_absorb():
    """B = 2 pi 50 30 uF: 92 Mvar at 0.9 pu and little load; Mvar stand before voltages."""
    net = row_of(2, km=100.0, c_nf=300.0)
    net.line[["r_ohm_per_km", "x_ohm_per_km"]] = 1e-3, 4e-3
    pp.create_ext_grid(net, 0, min_q_mvar=-5.0, max_q_mvar=60.0)
    pp.create_load(net, 1, 10.0, 0.0)
    first, *_ = why(net)
    assert first.startswith("hour 1: bus 0, grid 0: reactive power: ")
    assert 60 < amount(first) < 92


def test_a_voltage_that_charging_lifts():
    """An open line of 150 km lifts its end by 2 pi 50 C x / 2: the limits are too close."""
    net = row_of(2, km=150.0, c_nf=30.0, vm=(0.999, 1.001))
    pp.create_ext_grid(net, 0)
    pp.create_load(net, 1, 1e-3, 0.0)
    (only,) = why(net)
    rise = 2 * np.pi * 50 * 30e-9 * 150 / 2 * 0.4 * 150
    assert re.match(r"hour 1: bus [01]: voltage", only)
    assert amount(only) == pytest.approx(rise - 0.002, rel=0.15)


def test_a_ramp_slower_than_the_sun_sets():
    """At least 80 MW at noon, 50 MW at most an hour later, and 5 MW/h: 25 MW/h are missing."""
    net = row_of(1)
    pp.create_ext_grid(net, 0, min_p_mw=0.0, max_p_mw=200.0)
    limits = {"min_p_mw": 80.0, "max_p_mw": 100.0, "min_q_mvar": -50.0, "max_q_mvar": 50.0}
    pp.create_gen(net, 0, 80.0, name="solar", **limits)
    pp.create_load(net, 0, 100.0, 0.0)
    sun = [1.0] * 12 + [0.5] * 12
    case = {"limits": {"ramps": {"solar": 5.0}}, "availability": {"solar": sun}}
    (only,) = why(net, hours=True, **case)
    assert only == "hour 13: bus 0, gen 0: ramp down 25.000 MW too small"


def test_the_hour_is_that_of_the_curve_and_the_worst_limit_comes_first():
    """Two grids must deliver 30 and 10 MW; at night less is wanted, in hour 4 least."""
    net = row_of(2)
    pp.create_ext_grid(net, 0, min_p_mw=30.0, max_p_mw=60.0)
    pp.create_load(net, 1, 40.0, 0.0)
    curve = [1.0, 0.8, 0.8, 0.4, *[1.0] * 20]
    (only,) = why(net, hours=True, load={"curve": curve})
    assert only.startswith("hour 4: bus 0, grid 0: minimum power")
    assert amount(only) == pytest.approx(30 - 16, abs=0.1)
