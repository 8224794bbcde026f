"""What a plan is worth: ratings, budget, fitness, and how they depend on what is asked."""

import math
import pickle
from dataclasses import replace

import numpy as np
import pandapower as pp
import pytest

from hybridopt.evaluate import Evaluator
from hybridopt.grid import DGSites, Plan, Unit
from hybridopt.network_scenario import load_case
from hybridopt.plan_space import PlanSpace
from hybridopt.settings import Settings

TAN = math.tan(math.acos(0.9))
CHEAPEST = ({"unserved_mwh": 1.0}, {"plan_cost": 1.0})
OPERATING = ({"unserved_mwh": 1.0}, {"operating_cost": 1.0})


@pytest.fixture
def feeder(empty_net, add_line):
    """An external grid that may give 3 MW, two loads of 4 MW behind short lines."""
    net = empty_net(3)
    pp.create_ext_grid(net, 0, max_p_mw=3.0, min_p_mw=0.0)
    pp.create_poly_cost(net, 0, "ext_grid", cp1_eur_per_mw=20.0)
    for bus in (1, 2):
        pp.create_load(net, bus, 4.0, 1.0)
        add_line(net, 0, bus, 0.001, 0.002)
    return net


@pytest.fixture
def evaluator_of(dispatcher_of):
    def make(net, factors, objectives, mode="each", budget=np.inf, sizes=(), profile=None, **sites):
        terms = {"bus": (1, 2), "tan_phi": TAN, "cost_per_mw": 1.0, "operating_cost": (0.0, 5.0)}
        terms = DGSites(**(terms | sites))
        d = dispatcher_of(net, factors, terms, profile)
        space = PlanSpace((), terms, 2, tuple(sizes), budget, ((1,), (0,)))
        return Evaluator(d.grid, space, d.horizon, Settings(objectives), mode)

    return make


ONE, BOTH = Plan((), (Unit(1),)), Plan((), (Unit(1), Unit(2)))


def total(plan):
    return sum(u.rating_mw for u in plan.units)


def test_cheapest_rating_covers_what_the_grid_cannot_give(feeder, evaluator_of):
    e = evaluator_of(feeder, [0.5, 1.0, 0.8], CHEAPEST).evaluate(ONE)
    assert e.values["unserved_mwh"] == 0
    assert total(e.plan) == pytest.approx(5.0, abs=0.05)  # 8 MW and losses, less 3
    assert total(e.plan) > 5.0
    assert e.values["plan_cost"] == pytest.approx(total(e.plan))
    assert e.fitness == (0.0, pytest.approx(e.values["plan_cost"], rel=1e-6))


def test_an_hour_with_little_sun_binds(feeder, evaluator_of):
    """The peak is not the hour that sets the rating: the lower one with half the profile is."""
    ev = evaluator_of(feeder, [1.0, 0.9], CHEAPEST, profile=[1.0, 0.5])
    e = ev.evaluate(ONE)
    assert e.values["unserved_mwh"] == 0
    assert total(e.plan) == pytest.approx((7.2 - 3.0) / 0.5, abs=0.1)


def test_cheap_power_is_worth_all_the_money(feeder, evaluator_of):
    """At 5 against 20 per MWh the rating grows until it carries the peak alone."""
    e = evaluator_of(feeder, [1.0, 0.5], OPERATING, budget=100.0).evaluate(BOTH)
    assert e.values["unserved_mwh"] == 0
    assert total(e.plan) == pytest.approx(8.0, abs=0.05)
    assert e.values["operating_cost"] == pytest.approx(5 * 12.0, abs=0.3)


@pytest.mark.parametrize("objectives", [OPERATING, CHEAPEST, ({"loss_mwh": 1.0},)])
@pytest.mark.parametrize("plan", [ONE, BOTH])
@pytest.mark.parametrize("budget", [0.7, 3.3, 5.7, 6.1])
@pytest.mark.parametrize("mode", ["each", "winner"])
def test_budget_is_a_cap(feeder, evaluator_of, objectives, plan, budget, mode):
    ev = evaluator_of(feeder, [0.6, 1.0], objectives, mode, budget, cost_per_mw=0.7)
    e = ev.evaluate(plan)
    assert e.ok
    assert e.values["plan_cost"] <= budget
    assert ev.space.cost(e.plan) <= budget


def test_budget_is_a_cap_beside_given_ratings(feeder, evaluator_of):
    ev = evaluator_of(feeder, [0.6, 1.0], OPERATING, budget=3.3, cost_per_mw=0.7)
    e = ev.evaluate(Plan((), (Unit(1, 2.0), Unit(2))))
    assert e.ok
    assert ev.space.cost(e.plan) <= 3.3
    assert e.plan.units[0] == Unit(1, 2.0)


def test_money_that_does_not_suffice_serves_as_much_as_it_buys(feeder, evaluator_of):
    for plan in (ONE, BOTH):
        for objectives in (OPERATING, CHEAPEST):
            e = evaluator_of(feeder, [1.0], objectives, budget=2.0).evaluate(plan)
            assert e.values["unserved_mwh"] == pytest.approx(8.0 - 3.0 - 2.0, abs=0.02)
            assert total(e.plan) == pytest.approx(2.0, rel=1e-5)


def test_ratings_are_trimmed_to_what_is_used(feeder, evaluator_of):
    ev = evaluator_of(feeder, [0.5, 1.0], OPERATING, budget=1000.0)
    e = ev.evaluate(ONE)
    d = ev.dispatcher.dispatch(e.plan)
    used = max(np.max(d.p_mw[:, -1]), np.max(abs(d.q_mvar[:, -1])) / TAN)
    assert used == pytest.approx(total(e.plan), rel=1e-3)
    assert d.operating_cost == pytest.approx(e.values["operating_cost"], rel=1e-6)
    assert d.unserved_mwh == pytest.approx(e.values["unserved_mwh"], abs=1e-3)


def test_unit_without_use_is_dropped(feeder, evaluator_of):
    e = evaluator_of(feeder, [0.3], OPERATING, tan_phi=0.0, operating_cost=(0.0, 50.0)).evaluate(
        ONE
    )
    assert e.plan.units == ()
    assert e.values["plan_cost"] == 0


def test_rating_stays_within_its_limits(feeder, evaluator_of):
    for objectives in (OPERATING, CHEAPEST):
        e = evaluator_of(feeder, [1.0], objectives, max_mw=2.0).evaluate(BOTH)
        assert all(u.rating_mw <= 2.0 for u in e.plan.units)
        assert total(e.plan) == pytest.approx(4.0, rel=1e-5)
        e = evaluator_of(feeder, [0.3], objectives, min_mw=1.5).evaluate(BOTH)
        assert all(u.rating_mw >= 1.5 for u in e.plan.units)


@pytest.mark.parametrize("objectives", [OPERATING, CHEAPEST])
@pytest.mark.parametrize("on_capacity", [True, False])
@pytest.mark.parametrize("plan", [ONE, BOTH])
def test_penetration_limit(feeder, evaluator_of, objectives, on_capacity, plan):
    ev = evaluator_of(
        feeder,
        [1.0, 0.5],
        objectives,
        penetration_limit=0.25,
        penetration_on_capacity=on_capacity,
    )
    e = ev.evaluate(plan)
    d = ev.dispatcher.dispatch(e.plan)
    dg = d.p_mw[:, 1:].sum(axis=1)
    if on_capacity:
        assert total(e.plan) <= 2.0 * (1 + 1e-7)
    else:
        assert (dg <= 0.25 * d.demand_mw.sum(axis=1) + 1e-5).all()
    assert d.unserved_mw[0] == pytest.approx(8 - 3 - 2, abs=0.05)


def test_penetration_limit_on_standard_sizes(feeder, evaluator_of):
    ev = evaluator_of(feeder, [1.0], OPERATING, sizes=(2.0, 4.0), penetration_limit=0.25)
    e = ev.evaluate(Plan((), (Unit(1, 4.0),)))
    d = ev.dispatcher.dispatch(e.plan)
    assert not e.ok or d.p_mw[:, 1:].sum() <= 2.0 + 1e-6


def test_more_money_never_serves_less(feeder, evaluator_of):
    unserved = [
        evaluator_of(feeder, [0.9, 1.0], OPERATING, budget=b).evaluate(BOTH).values["unserved_mwh"]
        for b in (0.5, 1.0, 2.0, 4.0, 8.0)
    ]
    assert unserved == sorted(unserved, reverse=True)
    assert unserved[0] > unserved[-1] == 0


def test_coupled_horizon_with_fixed_ratings_is_hour_by_hour(feeder, evaluator_of):
    ev = evaluator_of(feeder, [0.5, 1.0, 0.8], OPERATING)
    d = ev.dispatcher
    plan = Plan((), (Unit(1, 3.0), Unit(2, 1.0)))
    state = d.state(plan, np.arange(3))
    stages = [{"unserved_mwh": 1.0}, {"operating_cost": 1.0}]
    coupled = d.read_coupled(plan, d.coupled.solve_running(state, stages, {}, False))
    apart = d.dispatch(plan)
    assert coupled.ok
    np.testing.assert_allclose(coupled.shed_mw.sum(1), apart.shed_mw.sum(1), atol=1e-4)
    np.testing.assert_allclose(coupled.unit_cost.sum(1), apart.unit_cost.sum(1), rtol=1e-4)
    assert apart.unserved_mwh > 0.5


def test_same_plan_same_value_whatever_came_before(feeder, evaluator_of):
    ev = evaluator_of(feeder, [0.5, 1.0], OPERATING, budget=4.0)
    first = ev.evaluate(BOTH)
    ev.evaluate(ONE)
    ev.evaluate(Plan())
    again = ev.evaluate(BOTH)
    fresh = pickle.loads(pickle.dumps(ev)).evaluate(BOTH)  # noqa: S301
    assert first.fitness == again.fitness == fresh.fitness
    assert first.plan == again.plan == fresh.plan


def test_pickled_evaluator_leaves_its_models_behind(feeder, evaluator_of):
    ev = evaluator_of(feeder, [1.0], OPERATING)
    small = len(pickle.dumps(ev))
    ev.evaluate(BOTH)
    assert len(pickle.dumps(ev)) == small


def test_winner_looks_at_the_peak_alone(feeder, evaluator_of):
    e = evaluator_of(feeder, [0.5, 1.0, 0.8], CHEAPEST, "winner").evaluate(ONE)
    assert e.values["unserved_mwh"] == 0
    assert total(e.plan) == pytest.approx(5.0, abs=0.05)
    assert e.values["operating_cost"] < 8 * 20.0


def test_plan_that_cannot_be_dispatched_fails_as_a_value(feeder, evaluator_of):
    feeder.ext_grid["min_p_mw"], feeder.ext_grid["max_p_mw"] = 20.0, 30.0
    e = evaluator_of(feeder, [1.0], OPERATING).evaluate(Plan())
    assert not e.ok
    assert e.fitness == (np.inf, np.inf)


# --- units that alone hold an island --------------------------------------------------------------


@pytest.fixture
def sgen_island(empty_net, add_line):
    """Bus 2's load is met by a static generator exactly; nothing there can hold a voltage."""
    net = empty_net(3)
    pp.create_ext_grid(net, 0)
    pp.create_load(net, 0, 1.0)
    pp.create_load(net, 2, 2.0, 0.0)
    add_line(net, 1, 2, 0.0, 0.01)
    limits = {"min_p_mw": 0.0, "max_p_mw": 5.0, "min_q_mvar": -2.0, "max_q_mvar": 2.0}
    pp.create_sgen(net, 2, 2.0, 0.0, controllable=True, **limits)
    return net


@pytest.mark.parametrize("plan", [ONE, BOTH])
def test_unit_that_holds_an_island_is_kept_even_if_it_gives_nothing(
    sgen_island, evaluator_of, plan
):
    ev = evaluator_of(sgen_island, [1.0], OPERATING, operating_cost=(0.0, 90.0), budget=50.0)
    e = ev.evaluate(plan)
    assert e.values["unserved_mwh"] == 0
    assert len(e.plan.units) >= 1
    d = ev.dispatcher.dispatch(e.plan)
    assert d.unserved_mw[0] == pytest.approx(0, abs=1e-3)


# --- ties -----------------------------------------------------------------------------------------


def test_cheap_line_that_brings_nothing_does_not_win():
    """Equal unserved energy must not be told apart by the solver's noise."""
    s = load_case({"extends": "ieee9_cheapest", "budget": 5.0})
    ev = Evaluator(s.damaged, s.space, s.horizon, s.settings, "each")
    useful, useless = ({s.grid.branch_name.index(n)} for n in ("5-6", "8-9"))
    values = {
        plan: ev.evaluate(plan)
        for plan in (Plan(), Plan(tuple(useful)), Plan(tuple(useful | useless)))
    }
    assert all(v.ok for v in values.values())
    assert values[Plan(tuple(useful))].fitness[0] < values[Plan()].fitness[0]


def test_rounding_makes_equal_plans_tie(feeder, evaluator_of):
    ev = evaluator_of(feeder, [1.0], OPERATING)
    values = {"unserved_mwh": 0.0, "operating_cost": 123.4567891}
    other = values | {"operating_cost": 123.4567892}
    assert ev.fitness(values) == ev.fitness(other)
    assert ev.fitness(values) != ev.fitness(values | {"operating_cost": 123.458})


def test_less_than_the_tolerance_is_nothing_unserved(feeder, evaluator_of):
    ev = evaluator_of(feeder, [1.0, 1.0], OPERATING)
    d = ev.dispatcher.dispatch(Plan((), (Unit(1, 20.0),)))
    shed = np.zeros_like(d.shed_mw)
    shed[0, 1], shed[1, 1] = 0.9e-3, 1.1e-3
    values = ev.values(Plan(), replace(d, shed_mw=shed))
    assert values["unserved_mwh"] == pytest.approx(1.1e-3)


def test_units_that_come_out_as_nothing_are_no_part_of_the_plan(feeder, evaluator_of):
    e = evaluator_of(feeder, [0.3], CHEAPEST, "winner").evaluate(BOTH)
    assert e.fitness == (0.0, pytest.approx(0.0, abs=1e-5))
    assert e.plan.units == ()
    given = Plan((), (Unit(1, 0.0), Unit(2, 1.0)))  # but what was asked for stays
    assert evaluator_of(feeder, [0.3], CHEAPEST, "winner").evaluate(given).plan == given
