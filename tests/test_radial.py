"""DistFlow on radial networks against pandapower, lightsim2grid, closed forms and brute force."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pandapower as pp
import pytest

from benchmarks.radial_convergence import (
    FEEDERS,
    drawn,
    edge,
    feeder,
    kernel_limit,
    near,
    scaled,
)
from benchmarks.radial_peers import LightSim, Runpp
from hybridopt.feeder_trees import FeederTrees, fed_trees, feeder_trees, power_flow
from hybridopt.network_feeder import feeder_from_net
from hybridopt.solvers import radial

LOSSES_ALONE = np.array([1.0, 0.0, 0.0, 0.0, 0.0])
# Checked by enumeration of all trees; cases/feeders/README.md.
BEST_KW = {"civanlar16": 466.1267, "baranwu33": 139.5513, "feeder69": 99.6189}
NORMAL_KW = {
    "civanlar16": 511.4356,
    "baranwu33": 202.6771,
    "feeder69": 224.9917,
    "tpc84": 531.9975,
    "zhang118": 1298.0916,
}


def kw(trees: FeederTrees, loss: Any) -> Any:
    return loss * trees.feeder.base_mva * 1e3


def trees_of(net: Any, **options: Any) -> FeederTrees:
    return feeder_trees(feeder_from_net(net, **options))


def ring(x: float = 0.04, **line: Any) -> Any:
    """Four buses in a ring, the line 3-0 open."""
    net = pp.create_empty_network(sn_mva=10.0)
    for _ in range(4):
        pp.create_bus(net, 20.0)
    pp.create_ext_grid(net, 0, vm_pu=1.02)
    for f, t in ((0, 1), (1, 2), (2, 3), (3, 0)):
        values = {"r_ohm_per_km": 0.8, "x_ohm_per_km": x * 40, "c_nf_per_km": 0.0, "max_i_ka": 1.0}
        pp.create_line_from_parameters(net, f, t, 1.0, **(values | line))
    for bus, p, q in ((1, 2.0, 0.5), (2, 3.0, 1.0), (3, 1.5, 0.8)):
        pp.create_load(net, bus, p, q)
    net.line.loc[3, "in_service"] = False
    return net


def agrees(net: Any, trees: FeederTrees | None = None, **options: Any) -> dict[str, float]:
    """Compare the state of a net with runpp; measures."""
    trees = trees or trees_of(net)
    opens = trees.opens(trees.feeder.closed)
    flow = power_flow(trees, opens)
    pp.runpp(net, tolerance_mva=1e-10, max_iteration=50, **options)
    vm = net.res_bus.vm_pu.loc[list(trees.feeder.bus_id)].to_numpy()
    np.testing.assert_allclose(flow.vm[0], vm, atol=1e-7)
    lost = net.res_line.pl_mw.fillna(0).sum() + net.res_trafo.pl_mw.fillna(0).sum()
    assert kw(trees, flow.measures["loss"]) == pytest.approx(lost * 1e3, abs=1e-4)
    return flow.measures


@pytest.mark.parametrize("name", FEEDERS)
def test_normal_losses_are_the_published_ones(name: str) -> None:
    _, trees = feeder(name)
    found = kw(trees, radial.losses(trees.arrays, trees.normal_tree()[None])[0])
    assert found == pytest.approx(NORMAL_KW[name], abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", FEEDERS)
def test_agrees_with_pandapower(name: str) -> None:
    net, trees = feeder(name)
    rng = np.random.default_rng(3)
    opens = np.concatenate([drawn(trees, 100, rng), near(trees, 100, rng)])
    lost = kw(trees, radial.losses(trees.arrays, opens))
    peer, both = Runpp(net), 0
    for row, own in zip(opens, lost, strict=True):
        found = peer.solve(row)
        if found is None:
            assert own == np.inf
            continue
        both += 1
        assert own == pytest.approx(found[0], abs=0.002)
        flow = power_flow(trees, row)
        np.testing.assert_allclose(flow.vm[0], found[1], atol=1e-6)
    assert both >= 100


@pytest.mark.parametrize("name", FEEDERS[1:])
def test_agrees_with_lightsim2grid(name: str) -> None:
    pytest.importorskip("lightsim2grid")  # no wheels for the newest Python for some time
    factors = np.linspace(0.3, 1.0, 24)
    net, trees = feeder(name, factors)
    one = feeder(name)[1]
    opens = near(trees, 50, np.random.default_rng(4), most=2)
    lost = radial.losses(trees.arrays, opens)
    peer = LightSim(net)
    own = np.array([kw(trees, radial.losses(scaled(one, f), opens)) for f in factors]).T
    np.testing.assert_allclose(kw(trees, lost), own.sum(axis=1), atol=1e-6)
    ok = np.isfinite(lost)
    assert ok.sum() > 40
    np.testing.assert_allclose(own[ok], peer.many(opens, factors)[ok], atol=0.002)
    single = peer.solve(opens[0])
    assert single is not None
    assert own[0, -1] == pytest.approx(single[0], abs=0.002)
    np.testing.assert_allclose(
        power_flow(trees, opens[0]).vm[-1], single[1][: net.bus.shape[0]], atol=1e-6
    )


@pytest.mark.parametrize("name", ["baranwu33", "feeder69"])
def test_largest_load_is_that_of_a_continuation(name: str) -> None:
    net, trees = feeder(name)
    found = edge(net, trees, trees.normal_tree())
    assert found["kernel"] == pytest.approx(found["continued"], rel=2e-6)
    assert found["kernel_gap"] <= 1e-6


def test_a_tree_at_the_end_of_its_load_has_no_solution() -> None:
    """runpp's continuation ends at 0.99937 of the load, and at 0.99989 on 118 buses."""
    for name, opens, limit in (
        ("baranwu33", [6, 11, 24, 25, 33], 0.99937),
        (
            "zhang118",
            [10, 11, 32, 39, 41, 43, 48, 54, 63, 70, 78, 96, 107, 108, 125],
            0.999888,
        ),
    ):
        _, trees = feeder(name)
        row = np.array(opens) - 1
        assert radial.losses(trees.arrays, row[None])[0] == np.inf
        assert kernel_limit(trees, row) == pytest.approx(limit, abs=5e-6)


def test_hours_and_batches_change_nothing() -> None:
    factors = np.linspace(0.4, 1.1, 24)
    _, trees = feeder("feeder69", factors)
    _, one = feeder("feeder69")
    opens = near(trees, 30, np.random.default_rng(2))
    many = radial.evaluate(trees.arrays, opens)
    for row, own in zip(opens[:10], many, strict=False):
        np.testing.assert_array_equal(radial.evaluate(trees.arrays, row[None])[0], own)
        hours = np.array([radial.evaluate(scaled(one, f), row[None])[0] for f in factors])
        assert own[radial.LOSS] == pytest.approx(hours[:, radial.LOSS].sum(), rel=1e-9)
        assert own[radial.DROP] == pytest.approx(hours[:, radial.DROP].max(), rel=1e-8)
        assert own[radial.MIN_VM] == pytest.approx(hours[:, radial.MIN_VM].min(), abs=1e-9)
        assert own[radial.BALANCE] == pytest.approx(hours[:, radial.BALANCE].mean(), rel=1e-8)
    np.testing.assert_allclose(radial.losses(trees.arrays, opens), many[:, radial.LOSS], rtol=1e-12)


def two_buses(p: float, q: float, r: float, x: float) -> FeederTrees:
    net = pp.create_empty_network(sn_mva=1.0)
    for _ in range(2):
        pp.create_bus(net, 10.0)
    pp.create_ext_grid(net, 0)
    pp.create_line_from_parameters(net, 0, 1, 1.0, r * 100, x * 100, 0.0, 1.0)
    pp.create_load(net, 1, p, q)
    return trees_of(net)


@pytest.mark.parametrize(("p", "q"), [(0.9, 0.3), (0.01, 0.8), (-2.0, 0.4), (1.2, -0.9)])
def test_two_buses_have_a_closed_form(p: float, q: float) -> None:
    r, x = 0.08, 0.11
    trees = two_buses(p, q, r, x)
    half = 0.5 - r * p - x * q
    v2 = half + np.sqrt(half**2 - (r * r + x * x) * (p * p + q * q))
    flow = power_flow(trees, np.zeros(0, np.int64))
    assert flow.vm[0, 1] == pytest.approx(np.sqrt(v2), abs=1e-10)
    assert flow.measures["loss"] == pytest.approx(r * (p * p + q * q) / v2, abs=1e-10)


@pytest.mark.parametrize(("p", "q"), [(0.9, 0.3), (1.0, -0.2), (0.01, 1.0)])
def test_two_buses_have_a_largest_load(p: float, q: float) -> None:
    """``1/2 - s (r p + x q) = s |z| |S|``: the root of the quadratic vanishes."""
    r, x = 0.08, 0.11
    most = 0.5 / (r * p + x * q + np.hypot(r, x) * np.hypot(p, q))
    none = np.zeros((1, 0), np.int64)
    for gap in (1e-3, 1e-6, 1e-9):
        below, above = (two_buses(s * p, s * q, r, x) for s in ((1 - gap) * most, (1 + gap) * most))
        assert radial.evaluate(below.arrays, none)[0, radial.ITERATIONS] > 0
        found = radial.evaluate(above.arrays, none)[0]
        assert found[radial.ITERATIONS] < 0
        assert found[radial.LOSS] == np.inf
        assert found[radial.UNSERVED] == 0.0


@pytest.mark.parametrize(
    ("impedance", "current"), [(100.0, 0.0), (0.0, 100.0), (30.0, 45.0), (0.0, 0.0)]
)
def test_loads_that_depend_on_voltage(impedance: float, current: float) -> None:
    net = ring()
    for part, value in (("z", impedance), ("i", current)):
        for power in "pq":
            net.load[f"const_{part}_{power}_percent"] = value
    agrees(net)
    both = [agrees(ring())["loss"], agrees(net)["loss"]]
    assert (both[0] == both[1]) == (impedance == current == 0.0)


@pytest.mark.parametrize("name", ["baranwu33", "zhang118"])
def test_impedances_alone_are_solved_far_beyond_the_largest_power(name: str) -> None:
    """Sweeps alone swing here; a linear system gives the voltages."""
    net, _ = feeder(name)
    for part in "pq":
        net.load[f"const_z_{part}_percent"] = 100.0
    trees = trees_of(net)
    f = trees.feeder
    opens = drawn(trees, 60, np.random.default_rng(5))
    swung = 0
    for row in opens:
        flow = power_flow(trees, row)
        swung += flow.measures["iterations"] > radial.SLOW
        on = trees.closed(row)
        y = np.zeros((f.n_bus, f.n_bus), complex)
        for m in np.flatnonzero(on):
            a, b, g = f.branch_from[m], f.branch_to[m], 1 / (f.r[m] + 1j * f.x[m])
            y[a, a] += g
            y[b, b] += g
            y[a, b] -= g
            y[b, a] -= g
        y += np.diag(f.load[4, 0] - 1j * f.load[5, 0])
        rest = np.flatnonzero(f.source_vm == 0)
        sources = np.flatnonzero(f.source_vm)
        v = np.linalg.solve(y[np.ix_(rest, rest)], -y[np.ix_(rest, sources)].sum(axis=1))
        if flow.converged:
            np.testing.assert_allclose(flow.vm[0, rest], np.abs(v), atol=1e-6)
        else:
            assert np.abs(v).min() < 0.4
    assert swung


def transformer_net(turned: bool) -> Any:
    net = pp.create_empty_network(sn_mva=5.0)
    for vn in (110.0, 20.0, 20.0) if not turned else (20.0, 110.0, 110.0):
        pp.create_bus(net, vn)
    pp.create_ext_grid(net, 0, vm_pu=1.01)
    values = {
        "sn_mva": 25.0,
        "vn_hv_kv": 113.0,
        "vn_lv_kv": 20.6,
        "vkr_percent": 0.4,
        "vk_percent": 11.0,
        "pfe_kw": 30.0,
        "i0_percent": 0.2,
        "tap_side": "hv",
        "tap_neutral": 0,
        "tap_pos": 3,
        "tap_step_percent": 1.5,
        "tap_changer_type": "Ratio",
    }
    hv, lv = (1, 0) if turned else (0, 1)
    pp.create_transformer_from_parameters(net, hv, lv, **values)
    pp.create_line_from_parameters(net, 1, 2, 8.0, 0.3, 0.35, 200.0, 0.4)
    pp.create_load(net, 2, 6.0, 2.0)
    pp.create_load(net, 1, 1.0, 0.4)
    return net


@pytest.mark.parametrize("turned", [False, True])
def test_transformers_both_ways(turned: bool) -> None:
    found = agrees(transformer_net(turned))
    assert found["loss"] > 0


def test_charging_and_hanging_ends() -> None:
    """An open line whose switch stands at one end hangs at the other, and charges there."""
    net = ring(c_nf_per_km=9000.0)
    agrees(net)
    flat = agrees(net)["min_vm"]
    net.line["in_service"] = True
    pp.create_switch(net, 3, 3, "l", closed=False)
    hanging = agrees(net)["min_vm"]
    net.switch.loc[0, "bus"] = 0
    other = agrees(net)["min_vm"]
    assert len({round(x, 7) for x in (flat, hanging, other)}) > 1


def test_violations_are_those_of_runpp() -> None:
    net = ring(c_nf_per_km=4000.0, max_i_ka=0.1)
    net.bus["min_vm_pu"], net.bus["max_vm_pu"] = 0.97, 1.0
    found = agrees(net)
    current = np.maximum(net.res_line.loading_percent.fillna(0).to_numpy() / 100 - 1, 0)
    vm = net.res_bus.vm_pu.to_numpy()
    voltage = np.maximum(0.97 - vm, 0) + np.maximum(vm - 1.0, 0)
    assert current.sum() > 0
    assert voltage.sum() > 0
    assert found["violation"] == pytest.approx(current.sum() + voltage.sum(), abs=1e-6)


def test_drops_and_balance_are_those_of_runpp() -> None:
    net = ring()
    found = agrees(net)
    vm = net.res_bus.vm_pu.to_numpy()
    assert found["voltage_drop"] == pytest.approx(vm[0] - vm[3], abs=1e-7)  # one chain
    assert found["max_voltage_drop"] == pytest.approx(vm.max() - vm.min(), abs=1e-7)
    assert found["min_vm"] == pytest.approx(vm.min(), abs=1e-8)
    loading = net.res_line.loading_percent[:3].to_numpy() / 100
    assert found["load_balance"] == pytest.approx((loading**2).mean(), rel=1e-6)


def test_loops_are_told() -> None:
    trees = trees_of(ring())
    found = radial.evaluate(trees.arrays, np.array([[3], [-1], [0]]))
    assert found[1, radial.ITERATIONS] == 0
    assert radial.losses(trees.arrays, np.array([[3, -1]]))[0] == found[0, radial.LOSS]
    assert (found[[0, 2], radial.ITERATIONS] > 0).all()


def test_dead_buses_are_unserved() -> None:
    net = ring()
    trees = fed_trees(feeder_from_net(net))
    found = radial.evaluate(trees.arrays, np.array([[1, 3], [0, 3]]))
    np.testing.assert_allclose(found[:, radial.UNSERVED] * 10.0, [4.5, 6.5])
    assert (found[:, radial.ITERATIONS] > 0).all()
    net.line.loc[[1, 3], "in_service"] = False
    pp.runpp(net)
    assert kw(trees, found[0, radial.LOSS]) == pytest.approx(
        net.res_line.pl_mw.sum() * 1e3, abs=1e-4
    )
    vm = power_flow(trees, np.array([1, 3])).vm[0]
    np.testing.assert_array_equal(np.isnan(vm), net.res_bus.vm_pu.isna())


def test_generation_beyond_the_load() -> None:
    net = ring()
    pp.create_sgen(net, 3, 14.0, 2.0)
    assert agrees(net)["loss"] > 0
    assert net.res_ext_grid.p_mw.sum() < 0
    assert net.res_bus.vm_pu[3] > 1.02


def test_sources_of_different_voltages() -> None:
    net = ring()
    pp.create_bus(net, 20.0)
    pp.create_ext_grid(net, 4, vm_pu=0.98)
    pp.create_line_from_parameters(net, 3, 4, 1.0, 0.9, 1.1, 0.0, 1.0)
    net.line.loc[2, "in_service"] = False
    found = agrees(net)
    assert found["max_voltage_drop"] > 0.04


def descend(trees: FeederTrees, opens: Any, weights: Any) -> Any:
    return radial.descend(trees.arrays, opens, weights, radial.no_memory(), 0)


@pytest.mark.parametrize("name", BEST_KW)
def test_descent_finds_the_best_known(name: str) -> None:
    _, trees = feeder(name)
    better, found, tried = descend(trees, trees.normal_tree(), LOSSES_ALONE)[:3]
    loss = found[radial.LOSS]
    assert kw(trees, loss) == pytest.approx(BEST_KW[name], abs=1e-3)
    assert loss == pytest.approx(radial.losses(trees.arrays, better[None])[0], rel=1e-9)
    assert tried > 1


@pytest.mark.parametrize("size", [64, 4096])  # not enough, and enough
def test_descents_end_where_an_earlier_one_came_through(size: int) -> None:
    _, trees = feeder("tpc84")
    opens = drawn(trees, 40, np.random.default_rng(3))
    opens = opens[radial.evaluate(trees.arrays, opens)[:, radial.ITERATIONS] > 0]
    alone = [descend(trees, row, LOSSES_ALONE) for row in opens]
    memory, ends, met = radial.new_memory(trees.arrays, size), [], 0
    for number, row in enumerate(opens):
        better, _, _, known = radial.descend(trees.arrays, row, LOSSES_ALONE, memory, number)
        met += known >= 0
        ends.append(set(better) if known < 0 else ends[known])
    assert ends == [set(better) for better, *_ in alone]
    assert 0 < met < len(opens)
    again = radial.descend(trees.arrays, opens[0], LOSSES_ALONE, memory, len(opens))
    assert again[2:] == (1, 0)


def exchanges(trees: FeederTrees, opens: Any) -> Any:
    """All trees that differ in one pair of branches."""
    rows = []
    for k in range(len(opens)):
        for branch in np.setdiff1d(np.arange(len(trees.branch)), opens):
            row = opens.copy()
            row[k] = branch
            rows.append(row)
    rows = np.array(rows)
    sweeps = radial.evaluate(trees.arrays, rows)
    whole = (sweeps[:, radial.ITERATIONS] != 0) & (sweeps[:, radial.UNSERVED] == 0)
    return rows[whole]


@pytest.mark.parametrize(
    "weights", [[1, 0, 0, 0, 0], [10, 5, 0, 0, 0.01], [0, 0, 1, 0, 0], [0, 0, 0, 1, 0]]
)
@pytest.mark.parametrize("name", ["baranwu33", "feeder69"])
def test_descent_ends_where_no_exchange_is_better(name: str, weights: list[float]) -> None:
    _, trees = feeder(name)
    opens = drawn(trees, 30, np.random.default_rng(8))
    before = radial.evaluate(trees.arrays, opens)
    opens = opens[before[:, radial.ITERATIONS] > 0][:6]
    w = np.array(weights, dtype=float)

    def values(rows: Any) -> Any:
        measures = radial.evaluate(trees.arrays, rows)
        switched = [(trees.closed(r) != trees.feeder.closed).sum() for r in rows]
        used = np.flatnonzero(w[:4])
        return measures[:, radial.LOSS + used] @ w[used] + w[4] * np.array(switched)

    better = np.stack([descend(trees, row, w)[0] for row in opens])
    own = values(better)
    assert (own <= values(opens) * (1 + 1e-12)).all()
    for row, value in zip(better, own, strict=True):
        others = values(exchanges(trees, row))
        assert len(others) > 30
        assert value <= others.min() * (1 + 1e-8)


def test_descent_leaves_what_may_not_switch_closed() -> None:
    net, _ = feeder("baranwu33")
    net = copy.deepcopy(net)
    net.line["switchable"] = True
    net.line.loc[net.line.index[[6, 8, 13]], "switchable"] = False
    trees = trees_of(net)
    better = descend(trees, trees.normal_tree(), LOSSES_ALONE)[0]
    assert trees.arrays.cuttable[better].all()
