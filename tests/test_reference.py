"""Reference values of the two study cases, through the public objects.

Each was computed independently (formulation, section 6): by enumeration of all plans and by other
models. Where the last digit is uncertain the test says so.
"""

from dataclasses import replace

import numpy as np
import pytest

from hybridopt.dispatch import Dispatcher
from hybridopt.evaluate import Evaluator
from hybridopt.grid import Plan, Unit
from hybridopt.network_scenario import load_case
from hybridopt.study import check_case


def evaluator_of(scenario, **changes):
    space = replace(scenario.space, **changes)
    return Evaluator(
        scenario.damaged, space, scenario.horizon, scenario.settings, scenario.case.dispatch_mode
    )


def position(scenario, label):
    return scenario.grid.bus_id.index(label)


def plan_of(scenario, lines=(), dg=()):
    """A plan by branch names and bus labels; dg holds labels or (label, rating)."""
    branches = tuple(sorted(scenario.grid.branch_name.index(name) for name in lines))
    units = [(d, None) if isinstance(d, int) else d for d in dg]
    return Plan(branches, tuple(sorted(Unit(position(scenario, b), r) for b, r in units)))


@pytest.fixture(scope="module")
def ieee9():
    return load_case("ieee9")


@pytest.fixture(scope="module")
def ieee9_cheapest():
    return load_case("ieee9_cheapest")


@pytest.fixture(scope="module")
def ieee30():
    return load_case("ieee30")


@pytest.fixture(scope="module")
def ieee30_cheapest():
    return load_case("ieee30_cheapest")


def ratings(scenario, evaluation):
    return {scenario.grid.bus_id[u.bus]: u.rating_mw for u in evaluation.plan.units}


def peak_only(scenario):
    """The scenario with its peak hour alone."""
    row = scenario.horizon.peak(scenario.grid.demand()[0])
    h = scenario.horizon
    return replace(
        scenario,
        horizon=replace(
            h,
            load_factor=h.load_factor[row : row + 1],
            dg_profile=h.dg_profile[row : row + 1],
            hours=h.hours[row : row + 1],
        ),
    )


# --- IEEE 9 ---------------------------------------------------------------------------------------


def test_ieee9_after_the_event(ieee9):
    check = check_case(ieee9)
    after = check.after.summary()
    assert after["load_mw"] == pytest.approx(315.0)
    assert after["served_mw"] == pytest.approx(100.0, abs=1e-3)
    assert after["unserved_percent"] == pytest.approx(68.254, abs=1e-3)
    assert check.before.summary()["served_mw"] == pytest.approx(315.0)
    dead = {b for island in check.dead for b in island.buses}
    assert dead == {1, 4, 5, 9}


def test_ieee9_cheapest_plan(ieee9_cheapest):
    s = ieee9_cheapest
    e = evaluator_of(s).evaluate(plan_of(s, ["5-6", "8-9"], [9]))
    assert e.ok
    assert e.values["unserved_mwh"] == 0
    assert e.values["plan_cost"] == pytest.approx(15.097, abs=1e-3)
    assert ratings(s, e) == {9: pytest.approx(52.91, abs=0.01)}


def test_ieee9_cheapest_to_operate(ieee9):
    e = evaluator_of(ieee9).evaluate(plan_of(ieee9, ["5-6"], [9, 5]))
    assert e.values["unserved_mwh"] == 0
    assert e.values["operating_cost"] == pytest.approx(49421.53, abs=0.02)
    r = ratings(ieee9, e)
    assert r[9] == pytest.approx(82.42, abs=0.02)
    assert r[5] == pytest.approx(6.29, abs=0.02)
    assert e.values["plan_cost"] <= 20.0


def test_ieee9_cheapest_to_operate_with_one_unit(ieee9):
    e = evaluator_of(ieee9).evaluate(plan_of(ieee9, ["5-6"], [9]))
    assert e.values["unserved_mwh"] == 0
    assert e.values["operating_cost"] == pytest.approx(49426.37, abs=0.02)
    assert e.values["plan_cost"] <= 20.0


@pytest.mark.parametrize(
    ("branch_limit", "tan_phi", "rating"),
    [
        ("current", np.tan(np.arccos(0.9)), 82.97),
        ("power", np.tan(np.arccos(0.9)), 82.97),
        ("power", np.inf, 74.74),
        ("current", np.inf, 62.12),  # ours: line 5-6 carries more than its MVA at 1.1 pu
    ],
)
def test_ieee9_rating_that_the_papers_plan_needs(branch_limit, tan_phi, rating):
    case = {"extends": "ieee9_cheapest", "limits": {"branch_limit": branch_limit}}
    s = peak_only(load_case(case))
    sites = replace(s.space.sites, tan_phi=float(tan_phi))
    e = evaluator_of(s, sites=sites).evaluate(plan_of(s, ["5-6"], [4]))
    assert e.values["unserved_mwh"] == 0
    assert ratings(s, e) == {4: pytest.approx(rating, abs=0.01)}


def test_ieee9_less_than_that_does_not_suffice(ieee9_cheapest):
    s = peak_only(ieee9_cheapest)
    e = evaluator_of(s).evaluate(plan_of(s, ["5-6"], [(4, 82.9)]))
    assert 0.01 < e.values["unserved_mwh"] < 1.0


# --- IEEE 30 --------------------------------------------------------------------------------------


def test_ieee30_after_the_event(ieee30):
    check = check_case(ieee30)
    after = check.after.summary()
    assert after["load_mw"] == pytest.approx(283.4)
    assert after["served_mw"] == pytest.approx(171.095, abs=1e-3)


def test_ieee30_nothing_without_the_condensers(ieee30):
    grid = replace(ieee30.damaged, p_max=np.zeros(ieee30.grid.n_gen))
    s = ieee30
    d = Dispatcher(grid, s.space.sites, s.horizon, s.settings).deliver(Plan())
    assert d.ok
    assert d.demand_mw.sum() - d.unserved_mw[0] == pytest.approx(0.0, abs=1e-3)


@pytest.mark.parametrize(
    ("lines", "dg", "cost"),
    [((), {5: 115.94, 30: 16.62}, 26.514), (("8-28",), {5: 124.56}, 28.605)],
)
def test_ieee30_cheapest_plans(ieee30_cheapest, lines, dg, cost):
    s = ieee30_cheapest
    e = evaluator_of(s).evaluate(plan_of(s, lines, list(dg)))
    assert e.ok
    assert e.values["unserved_mwh"] == 0
    assert e.values["plan_cost"] == pytest.approx(cost, abs=1e-3)
    for bus, rating in ratings(s, e).items():
        assert rating == pytest.approx(dg[bus], abs=0.02)


@pytest.fixture(scope="module")
def paper_ieee30():
    line = {"from_bus": 21, "to_bus": 22, "length_km": 0.504207, "r_ohm_per_km": 0.1571}
    line |= {"x_ohm_per_km": 0.4, "max_i_ka": 0.4, "cost": 3.692, "name": "new"}
    lines = {"damaged": False, "cost": 3.692, "candidates": [line]}
    return load_case({"extends": "ieee30", "resources": {"lines": lines}})


@pytest.mark.parametrize(("tan_phi", "served"), [(np.inf, 266.9), (np.tan(np.arccos(0.9)), 208.6)])
def test_ieee30_the_papers_plan(paper_ieee30, tan_phi, served):
    s = paper_ieee30
    sites = replace(s.space.sites, tan_phi=float(tan_phi))
    plan = plan_of(s, ["21-22#2"], [(23, 40.5), (5, 13.5)])
    d = Dispatcher(s.damaged, sites, s.horizon, s.settings).deliver(plan)
    assert d.ok
    assert float((d.demand_mw - d.shed_mw).sum()) == pytest.approx(served, abs=0.15)
    dark = {label for label, on in zip(s.grid.bus_id, d.energised[0], strict=True) if not on}
    assert dark == set(range(25, 31))
