"""The branch flow model with distributed generation against closed forms and power flows."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandapower as pp
import pytest
from scipy.optimize import brentq

from hybridopt.errors import InputError
from hybridopt.feeder import Feeder
from hybridopt.feeder_dispatch import DGOptions, FeederDispatch
from hybridopt.feeder_result import FeederUnit
from hybridopt.feeder_trees import fed_trees, power_flow
from hybridopt.loss_reduction import loss_reductions
from hybridopt.network_csv import net_from_csv
from hybridopt.network_feeder import feeder_from_net
from hybridopt.solvers import radial
from hybridopt.solvers.status import Status

FEEDERS = Path(__file__).parents[1] / "cases" / "feeders"


def two_buses(
    empty_net: Callable[..., Any], add_line: Callable[..., int], r: float, x: float
) -> Any:
    """A source and 1 MW with 0.5 Mvar behind one line."""
    net = empty_net(2)
    pp.create_ext_grid(net, 0)
    pp.create_load(net, 1, 1.0, 0.5)
    add_line(net, 0, 1, r, x)
    return net


def losses_of(net: Any) -> float:
    """Losses of all branches in MW by pandapower."""
    options = {"init": "flat", "calculate_voltage_angles": False, "numba": False}
    pp.runpp(net, tolerance_mva=1e-10, max_iteration=50, **options)
    return float(net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum())


@pytest.fixture(scope="module")
def mixed() -> Any:
    """A transformer off its nominal ratio, lines with charging, and loads that depend on voltage.

    Lines 1 and 2 run against the flow; line 3 is open at bus 1, and charged from bus 4. No
    load at bus 3, where a unit will stand: pandapower applies the shares of voltage dependence to
    static generators of the same bus too.
    """
    net = pp.create_empty_network(sn_mva=10.0)
    for kv in (110.0, 20.0, 20.0, 20.0, 20.0):
        pp.create_bus(net, kv, min_vm_pu=0.8, max_vm_pu=1.2)
    pp.create_ext_grid(net, 0, vm_pu=1.01)
    pp.create_transformer(net, 0, 1, "25 MVA 110/20 kV", tap_pos=-2)
    for f, t in ((1, 2), (3, 2), (4, 3), (4, 1)):
        pp.create_line_from_parameters(net, f, t, 4.0, 0.25, 0.3, 200.0, 0.6, g_us_per_km=5.0)
    pp.create_switch(net, 1, 3, "l", closed=False)
    for bus, p, q in ((2, 2.0, 0.8), (4, 2.5, 0.9)):
        pp.create_load(net, bus, p, q)
    for part in ("p", "q"):
        net.load[f"const_i_{part}_percent"], net.load[f"const_z_{part}_percent"] = 30.0, 20.0
    return net


def test_output_of_a_unit_at_the_end_of_one_line(
    empty_net: Callable[..., Any], add_line: Callable[..., int]
) -> None:
    # With unity power factor the current is least where P of the branch at the load is 0 but for
    # the voltage, which falls with it: d/dp (p^2 + q^2) / v = 0, with v of the quadratic.
    r, x, q = 0.05, 0.1, 0.05
    feeder = feeder_from_net(two_buses(empty_net, add_line, r, x))
    found = FeederDispatch(feeder, DGOptions(1)).solve(feeder.closed, np.array([1]))

    def loss(p: float) -> float:
        half = 0.5 - r * p - x * q
        v = half + np.sqrt(half**2 - (r * r + x * x) * (p * p + q * q))
        return float(r * (p * p + q * q) / v)

    def slope(p: float) -> float:
        return (loss(p + 1e-5) - loss(p - 1e-5)) / 2e-5

    best = brentq(slope, -0.1, 0.1, xtol=1e-12)
    if 0.1 - best > 0.1:  # the penetration limit: at most the demand
        best = 0.0
    assert found.ok
    assert found.p_mw[0, 0] == pytest.approx((0.1 - best) * 10.0, abs=1e-4)
    assert found.loss == pytest.approx(loss(best), rel=1e-8)


def test_agrees_with_power_flow_of_a_net_with_everything(mixed: Any) -> None:
    feeder = feeder_from_net(mixed)
    found = FeederDispatch(feeder, DGOptions(1, power_factor=0.9, penetration=0.3)).solve(
        feeder.closed, np.array([3])
    )
    assert found.ok, found.message
    with_unit = feeder.with_injection(
        found.sites, found.p_mw / feeder.base_mva, found.q_mvar / feeder.base_mva
    )
    trees = fed_trees(with_unit)
    flow = power_flow(trees, trees.opens(feeder.closed))
    assert found.loss == pytest.approx(flow.measures["loss"], rel=1e-6)
    assert found.vm == pytest.approx(flow.vm, abs=1e-7)
    pp.create_sgen(mixed, feeder.bus_id[3], found.p_mw[0, 0], found.q_mvar[0, 0])
    try:
        assert found.loss * feeder.base_mva == pytest.approx(losses_of(mixed), rel=1e-6)
        order = list(feeder.bus_id)
        assert found.vm[0] == pytest.approx(mixed.res_bus.vm_pu[order].to_numpy(), abs=1e-7)
    finally:
        mixed.sgen = mixed.sgen.iloc[:0]


def test_open_branch_closes_by_bounds(mixed: Any) -> None:
    feeder = feeder_from_net(mixed)
    dispatch = FeederDispatch(feeder, DGOptions(1, penetration=1e-7))
    closed = feeder.closed.copy()
    line = {int(i): m for m, i in enumerate(feeder.branch_index) if feeder.branch_kind[m] == "line"}
    closed[line[3]], closed[line[1]] = True, False
    trees = fed_trees(feeder)
    for state in (feeder.closed, closed, feeder.closed):
        flow = power_flow(trees, trees.opens(state))
        found = dispatch.solve(state, np.array([2]))
        assert found.loss == pytest.approx(flow.measures["loss"], rel=1e-6)
        assert found.vm == pytest.approx(flow.vm, abs=1e-7)


@pytest.mark.parametrize("with_load", [False, True])
def test_slopes_are_those_of_differences(mixed: Any, with_load: bool) -> None:
    feeder = feeder_from_net(mixed) if with_load else feeder_33()
    trees = fed_trees(feeder)
    arrays, opens = trees.arrays, trees.normal_tree()
    slopes = radial.loss_slopes(arrays, opens)
    for bus in range(1, len(trees.bus), 3):
        for part in (0, 1):
            around = []
            for step in (1e-5, -1e-5):
                load = arrays.load.copy()
                load[part, bus] += step
                around.append(radial.losses(arrays._replace(load=load), opens[None], 1e-14)[0])
            expected = (around[0] - around[1]) / 2e-5
            assert slopes[part][bus, 0] == pytest.approx(expected, rel=1e-4, abs=1e-7)


def feeder_33(**more: Any) -> Feeder:
    return feeder_from_net(net_from_csv(FEEDERS / "baranwu33", "baranwu33"), **more)


def at(feeder: Feeder, *names: int) -> Any:
    return np.array([feeder.bus_name.index(str(name)) for name in names])


def test_three_units_of_the_initial_33_bus_feeder() -> None:
    # Published optimum of these sites (many): 71.46 kW with 0.754, 1.099, 1.071 MW.
    feeder = feeder_33()
    found = FeederDispatch(feeder, DGOptions(3)).solve(feeder.closed, at(feeder, 14, 24, 30))
    assert found.loss * feeder.base_mva * 1e3 == pytest.approx(71.457, abs=1e-3)
    assert found.rating_mw == pytest.approx([0.754, 1.099, 1.071], abs=1e-3)


def test_penetration_limit_binds_and_pays_equally_everywhere() -> None:
    # Karush, Kuhn, Tucker: units that run save equally much per MW.
    feeder = feeder_33()
    sites = at(feeder, 14, 24, 30)
    found = FeederDispatch(feeder, DGOptions(3, penetration=0.3)).solve(feeder.closed, sites)
    assert found.rating_mw.sum() == pytest.approx(0.3 * 3.715, rel=1e-6)
    loaded = feeder.with_injection(
        sites, found.p_mw / feeder.base_mva, found.q_mvar / feeder.base_mva
    )
    trees = fed_trees(loaded)
    by_p = radial.loss_slopes(trees.arrays, trees.normal_tree())[0][sites, 0]
    runs = found.rating_mw > 1e-4
    assert by_p[runs] == pytest.approx(by_p[runs].max(), rel=1e-4)
    assert (by_p[~runs] <= by_p[runs].max()).all()


def test_reactive_power_stays_within_the_power_factor() -> None:
    feeder = feeder_33()
    options = DGOptions(3, power_factor=0.9, max_mw=0.8)
    found = FeederDispatch(feeder, options).solve(feeder.closed, at(feeder, 14, 24, 30))
    assert found.ok
    assert (found.rating_mw <= 0.8 * (1 + 1e-7)).all()
    assert (abs(found.q_mvar) <= options.tan_phi * found.rating_mw * (1 + 1e-7)).all()
    assert abs(found.q_mvar).max() > 0.3
    unity = FeederDispatch(feeder, replace(options, power_factor=1.0))
    assert found.loss < unity.solve(feeder.closed, at(feeder, 14, 24, 30)).loss


def test_a_day_of_sunlight_couples_the_hours_by_the_rating() -> None:
    sun = np.clip(np.sin((np.arange(24) - 6) / 12 * np.pi), 0.0, None)
    factors = np.repeat(0.6 + 0.4 * np.cos(np.arange(24) / 4)[:, None] ** 2, 32, axis=1)
    feeder = feeder_33(factors=factors)
    found = FeederDispatch(feeder, DGOptions(2, penetration=0.2, profile=sun)).solve(
        feeder.closed, at(feeder, 14, 30)
    )
    assert found.ok
    assert found.p_mw.shape == (24, 2)
    assert (found.p_mw <= sun[:, None] * found.rating_mw + 1e-6).all()
    assert (found.p_mw[sun < 1e-9] == 0).all()
    peak = factors[:, 0].max() * 3.715
    assert found.rating_mw.sum() == pytest.approx(0.2 * peak, rel=1e-5)
    by_hour = feeder.with_injection(found.sites, found.p_mw, found.q_mvar)
    trees = fed_trees(by_hour)
    flow = power_flow(trees, trees.opens(feeder.closed))
    assert found.loss == pytest.approx(flow.measures["loss"], rel=1e-6)


def test_voltage_limit_is_met_or_the_least_excess_is_told() -> None:
    feeder = feeder_33(vm_limits=(0.975, 1.05))
    sites = at(feeder, 14, 24, 30)
    met = FeederDispatch(feeder, DGOptions(3)).solve(feeder.closed, sites)
    assert met.ok
    assert np.nanmin(met.vm) == pytest.approx(0.975, abs=1e-6)
    free = FeederDispatch(feeder_33(), DGOptions(3)).solve(feeder.closed, sites)
    assert met.loss > free.loss
    missed = FeederDispatch(feeder, DGOptions(3, penetration=0.2)).solve(feeder.closed, sites)
    assert missed.status is Status.INFEASIBLE
    assert missed.violation == pytest.approx(0.975 - np.nanmin(missed.vm), abs=1e-7)
    assert 0.01 < missed.violation < 0.062


def test_current_limit_makes_a_unit_run() -> None:
    net = net_from_csv(FEEDERS / "baranwu33", "baranwu33")
    net.line.loc[net.line.index[0], "max_i_ka"] = 0.05
    feeder = feeder_from_net(net)
    found = FeederDispatch(feeder, DGOptions(1, power_factor=0.8)).solve(
        feeder.closed, at(feeder, 30)
    )
    assert found.ok, found.message
    pp.create_sgen(net, feeder.bus_id[int(found.sites[0])], found.p_mw[0, 0], found.q_mvar[0, 0])
    losses_of(net)
    assert net.res_line.i_ka.iloc[0] <= 0.05 * (1 + 1e-6)


def test_bad_options_are_told() -> None:
    feeder = feeder_33()
    for wrong in (
        DGOptions(0),
        DGOptions(1, power_factor=0.0),
        DGOptions(1, penetration=-1.0),
        DGOptions(1, profile=np.ones(2)),
        DGOptions(1, buses=[99]),
        DGOptions(1, buses=[0]),
        DGOptions(1, max_mw=0.0),
    ):
        with pytest.raises(InputError):
            FeederDispatch(feeder, wrong)


def reductions(feeder: Feeder, closed: Any, unit: FeederUnit) -> dict[str, float]:
    trees = fed_trees(feeder)
    with_unit = fed_trees(
        feeder.with_injection(
            np.array([unit.bus]),
            unit.p_mw[:, None] / feeder.base_mva,
            unit.q_mvar[:, None] / feeder.base_mva,
        )
    )
    before = power_flow(trees, trees.opens(feeder.closed))
    without = power_flow(trees, trees.opens(closed))
    after = power_flow(with_unit, trees.opens(closed))
    return loss_reductions(feeder, before, without, after, [unit], closed)


def test_loss_reductions_beside_the_papers_formulas() -> None:
    # 202.677 -> 139.551 kW: cases/feeders/README.md.
    feeder = feeder_33()
    closed = np.ones(feeder.n_branch, dtype=bool)
    closed[[feeder.branch_name.index(m) for m in (7, 9, 14, 32, 37)]] = False
    unit = FeederUnit(int(at(feeder, 30)[0]), 0.5, np.full(1, 0.5), np.zeros(1))
    found = reductions(feeder, closed, unit)
    by = found["by_reconfiguration_kw"]
    assert by == pytest.approx(202.6771 - 139.5513, abs=2e-4)
    # With the powers of the power flow, the formula of a section is exact.
    assert found["by_reconfiguration_closed_formula_kw"] == pytest.approx(by, rel=1e-9)
    # That of DG leaves out what it changes upstream.
    by_dg = found["by_dg_kw"]
    assert found["by_dg_closed_formula_kw"] == pytest.approx(by_dg, rel=0.2)
    assert found["by_dg_closed_formula_kw"] != pytest.approx(by_dg, rel=1e-3)
    for end in ("", "_closed_formula"):
        parts = found[f"by_reconfiguration{end}_kw"] + found[f"by_dg{end}_kw"]
        assert found[f"f1{end}_kw"] == pytest.approx(parts)


def test_formula_of_dg_on_one_line(
    empty_net: Callable[..., Any], add_line: Callable[..., int]
) -> None:
    # -R / V^2 (P_G^2 - 2 P P_G) in pu of 10 MVA, with P = 0.1 and V at the load.
    net = two_buses(empty_net, add_line, 0.2, 0.0)
    feeder = feeder_from_net(net)
    found = reductions(feeder, feeder.closed, FeederUnit(1, 0.4, np.full(1, 0.4), np.zeros(1)))
    losses_of(net)
    expected = -0.2 / net.res_bus.vm_pu[1] ** 2 * (0.04**2 - 2 * 0.1 * 0.04) * 1e4
    assert found["by_dg_closed_formula_kw"] == pytest.approx(expected, rel=1e-6)
    assert found["by_reconfiguration_kw"] == 0.0
