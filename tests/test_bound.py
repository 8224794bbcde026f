"""The relaxation holds every AC point, and no enumerated plan is better than its bound."""

import json
import random
from dataclasses import replace

import numpy as np
import pandapower as pp
import pandapower.networks as nw
import pytest
from command_line import hybridopt, write_case
from hypothesis import given
from hypothesis import strategies as st

from hybridopt.bound_solve import Relaxation
from hybridopt.bound_words import bound_sentence
from hybridopt.errors import InputError
from hybridopt.evaluate import Evaluator
from hybridopt.grid import Plan
from hybridopt.linear import LinearProgram
from hybridopt.models.bound_cuts import cone_cuts, planes
from hybridopt.network_scenario import load_case
from hybridopt.plan_bound import Bound, bound_plan, check_bound, choices_of, hour_of
from hybridopt.solvers.milp import Milp

NEAR = 1e-6  # pu, how far Ipopt's points may lie from the rows


def evaluator_of(scenario):
    return Evaluator(
        scenario.search_grid,
        scenario.space,
        scenario.horizon,
        scenario.settings,
        scenario.case.dispatch_mode,
    )


def hold(relaxation, plan, dispatch, row, hour=0):
    """Ranges of all columns that leave a dispatched plan's point and what follows from it."""
    choices, columns = relaxation.choices, relaxation.columns[hour]
    grid, base = choices.grid, choices.grid.base_mva
    lower, upper = relaxation.program.lower.copy(), relaxation.program.upper.copy()

    def fix(column, value):
        column, value = np.asarray(column), np.asarray(value, dtype=float)
        kept = column >= 0
        room = NEAR * np.maximum(1.0, abs(value[kept]))
        lower[column[kept]], upper[column[kept]] = value[kept] - room, value[kept] + room

    def whole(column, value):
        lower[column] = upper[column] = value

    unit_at = {unit.bus: k for k, unit in enumerate(plan.units)}
    at = np.array([unit_at.get(bus, -1) for bus in choices.sites.bus], dtype=int)
    ratings = np.array([0.0, *(u.rating_mw / base for u in plan.units)])
    whole(relaxation.plan.closed, np.isin(choices.branch, plan.branches) * 1.0)
    whole(relaxation.plan.installed, (at >= 0) * 1.0)
    fix(relaxation.plan.rating, ratings[at + 1])
    vm = np.nan_to_num(dispatch.vm_pu[row])
    v = vm * np.exp(1j * np.radians(np.nan_to_num(dispatch.va_degree[row])))
    whole(columns.energised, dispatch.energised[row] * 1.0)
    fix(columns.w, vm**2)
    on = dispatch.grid.branch_usable()
    f, t = grid.branch_from, grid.branch_to
    cross = np.where(on, v[f] * v[t].conj(), 0.0)
    fix(columns.w_from, np.where(on, vm[f] ** 2, 0.0))
    fix(columns.w_to, np.where(on, vm[t] ** 2, 0.0))
    fix(columns.c, cross.real)
    fix(columns.s, cross.imag * columns.sign)
    p, q = dispatch.p_mw[row] / base, dispatch.q_mvar[row] / base
    fix(columns.p, p[: grid.n_gen])
    fix(columns.q, q[: grid.n_gen])
    for column, value in ((columns.dg_p, p), (columns.dg_q, q)):
        fix(column, np.array([0.0, *value[grid.n_gen :]])[at + 1])
    demand = relaxation.hours[hour].p_demand * base
    lost = dispatch.demand_mw[row] - demand
    loaded = demand > 1e-6
    share = 1.0 - (dispatch.shed_mw[row] - lost)[loaded] / demand[loaded]
    fix(columns.served[loaded], share)
    if len(columns.store_p):
        fix(columns.store_p, dispatch.store_p_mw[row] / base)
        fix(columns.store_q, dispatch.store_q_mvar[row] / base)
    return lower, upper


def cut(relaxation, rounds=20):
    """Give the relaxation the rows that its own solutions violate; its linear solver."""
    solver = Milp(relaxation.program, relaxed=True)
    for _ in range(rounds):
        rows = relaxation.cuts(solver.solve().x)
        if not rows:
            break
        for part in rows:
            solver.add(part)
    return solver


def plain_net():
    """Five buses: a transformer with a phase shift, parallel lines, a shunt and a tie."""
    net = pp.create_empty_network(sn_mva=10.0)
    for _ in range(5):
        pp.create_bus(net, 20.0, min_vm_pu=0.92, max_vm_pu=1.08)
    pp.create_bus(net, 110.0, min_vm_pu=0.95, max_vm_pu=1.05)
    pp.create_ext_grid(net, 5, min_q_mvar=-30.0, max_q_mvar=30.0, min_p_mw=0.0, max_p_mw=40.0)
    pp.create_transformer(net, 5, 0, "40 MVA 110/20 kV")
    net.trafo.shift_degree, net.trafo.tap_pos = 150.0, 3
    for f, t in ((0, 1), (0, 1), (1, 2), (2, 3), (3, 4), (4, 0)):
        pp.create_line_from_parameters(net, f, t, 8.0, 0.2, 0.35, 210.0, 0.4)
    pp.create_gen(net, 3, 4.0, min_p_mw=2.0, max_p_mw=9.0, min_q_mvar=-4.0, max_q_mvar=5.0)
    pp.create_poly_cost(net, 0, "gen", 40.0)
    pp.create_poly_cost(net, 0, "ext_grid", 30.0)
    for bus, p, q in ((1, 6.0, 2.0), (2, 5.0, 1.5), (3, 4.0, 3.0), (4, 9.0, 2.0)):
        pp.create_load(net, bus, p, q, const_z_p_percent=30.0, const_i_q_percent=40.0)
    pp.create_sgen(net, 2, 1.0, 0.2)
    pp.create_shunt(net, 4, -1.5, 0.1)
    return net


def stored_net():
    net = plain_net()
    pp.create_storage(net, 1, 0.0, 8.0, soc_percent=50.0, min_p_mw=-2.0, max_p_mw=2.0)
    return net


PLAIN = {
    "event": {"lines": ["1-2", "3-4"]},
    "budget": 8.0,
    "load": {"curve": [0.6, 0.8, 1.0] * 8},
    "resources": {
        "lines": {"damaged": True, "cost": 3.0},
        "dg": {"max_units": 2, "cost_per_mw": 1.0, "power_factor": 0.95},
    },
}
POWER = PLAIN | {"limits": {"branch_limit": "power"}}
IEEE9 = {"extends": "ieee9", "dispatch_mode": "winner"}
CASES = {
    "ieee9, each": {"extends": "ieee9"},
    "ieee9 scarce": IEEE9 | {"budget": 6.0},
    "ieee9 sizes": IEEE9 | {"resources": {"dg": {"sizes_mw": [20.0, 60.0]}}},
    "ieee9 planned power": {"extends": "ieee9", "resources": {"dg": {"cost_basis": "planned_p"}}},
    "ieee9 any Q": IEEE9 | {"resources": {"dg": {"reactive": "unlimited"}}},
    "ieee9 penetration": IEEE9 | {"resources": {"dg": {"penetration_limit": 0.1}}},
    "ieee30": {"extends": "ieee30", "dispatch_mode": "winner", "budget": 20.0},
    "plain": PLAIN,
    "plain, power limits": POWER,
    "plain, storage": PLAIN,
}


def scenario_of(name):
    made = stored_net if name == "plain, storage" else plain_net
    return load_case(CASES[name], net=made() if name.startswith("plain") else None)


@pytest.mark.parametrize("name", CASES)
def test_every_dispatched_plan_lies_inside(name):
    scenario = scenario_of(name)
    evaluator = evaluator_of(scenario)
    d, space = evaluator.dispatcher, scenario.space
    relaxation = Relaxation(choices_of(space, d), [hour_of(d, d.peak_level)])
    relaxation.aim_at_unserved()
    solver = cut(relaxation)
    rng, tried = random.Random(3), 0
    plans = [Plan(), *(space.decode(space.random(rng)) for _ in range(4))]
    for plan in dict.fromkeys(plans):
        found = evaluator.evaluate(plan)
        if not found.ok:
            continue
        dispatch, tried = d.dispatch(found.plan), tried + 1
        row = int(np.argmax(dispatch.demand_mw.sum(axis=1)))
        solver.limit_columns(*hold(relaxation, found.plan, dispatch, row))
        inside = solver.solve()
        assert inside.x is not None, f"{plan} lies outside"
        unserved = dispatch.unserved_mw[row]
        assert inside.value == pytest.approx(unserved, abs=1e-3), plan
    assert tried >= 3


@pytest.mark.parametrize("name", CASES)
def test_a_point_that_breaks_physics_lies_outside(name):
    scenario = scenario_of(name)
    evaluator = evaluator_of(scenario)
    d = evaluator.dispatcher
    relaxation = Relaxation(choices_of(scenario.space, d), [hour_of(d, d.peak_level)])
    solver = cut(relaxation, rounds=1)
    dispatch = d.dispatch(Plan())
    row = int(np.argmax(dispatch.demand_mw.sum(axis=1)))
    gen = int(np.argmax(dispatch.p_mw[row]))
    p = dispatch.p_mw.copy()
    p[row, gen] -= 0.01 * scenario.grid.base_mva
    solver.limit_columns(*hold(relaxation, Plan(), replace(dispatch, p_mw=p), row))
    assert solver.solve().x is None
    vm = dispatch.vm_pu * 1.2
    solver.limit_columns(*hold(relaxation, Plan(), replace(dispatch, vm_pu=vm), row))
    assert solver.solve().x is None


def best_of_all(scenario):
    """The best of every plan by enumeration, without any bound."""
    evaluator = evaluator_of(scenario)
    found = [evaluator.evaluate(plan) for plan in scenario.space.every()]
    return evaluator, min((e for e in found if e.ok), key=lambda e: e.fitness)


NAMES = ("ieee9 any Q", "ieee9 sizes", "plain", "plain, power limits")


SIDES = [("plain", "winner", 4.0), ("plain, power limits", "winner", 1.0), ("plain", "each", 1.0)]
SLOW = [(name, "winner", budget) for name in NAMES for budget in (1.0, 4.0, 30.0)]
SLOW += [(name, "each", budget) for name in ("plain", "ieee9 sizes") for budget in (4.0, 30.0)]
SLOW = [pytest.param(*side, marks=pytest.mark.slow) for side in SLOW if side not in SIDES]


@pytest.mark.parametrize(("name", "mode", "budget"), [*SIDES, *SLOW])
def test_the_bound_is_on_the_right_side_of_every_plan(name, mode, budget):
    first = "unserved_mwh" if mode == "each" else "unserved_peak_mw"
    change = {"dispatch_mode": mode, "objectives": [first, "plan_cost"], "budget": budget}
    net = plain_net() if name.startswith("plain") else None
    scenario = load_case(CASES[name] | change, net=net)
    evaluator, best = best_of_all(scenario)
    bound = bound_plan(scenario, evaluator, best.values)
    assert not bound.contradicted
    assert bound.is_aim
    assert bound.gap_percent < 5.0
    sentence = bound_sentence(bound.as_dict(), "USD")
    assert ("Proven best" in sentence) == bound.proven_best


def two_bus(load_mw=10.0, r=0.02, x=0.04):
    net = pp.create_empty_network(sn_mva=10.0)
    for _ in range(2):
        pp.create_bus(net, 20.0, min_vm_pu=0.9, max_vm_pu=1.0)
    z_base = 20.0**2 / 10.0
    pp.create_line_from_parameters(net, 0, 1, 1.0, r * z_base, x * z_base, 0.0, 99999.0)
    pp.create_gen(net, 0, 0.0, min_p_mw=0, max_p_mw=50, min_q_mvar=-50, max_q_mvar=50)
    pp.create_poly_cost(net, 0, "gen", 1.0)
    pp.create_load(net, 1, load_mw, 0.0)
    return net


def test_two_buses_by_hand():
    # A line of r + jx carries p, q to a bus at w = |v|^2: losses r (p^2 + q^2) / w, voltage drop
    # 1 - w = 2 (r p + x q) + (r^2 + x^2) (p^2 + q^2) / w. Four times the load lies beyond what the
    # voltage limit w >= 0.81 lets through at q = 0: r p + ... gives p by a quadratic.
    r, x, low = 0.02, 0.04, 0.81
    z2 = r * r + x * x
    a, b, c = z2 / low, 2 * r, low - 1.0
    most = 10.0 * (-b + np.sqrt(b * b - 4 * a * c)) / (2 * a)
    case = {
        "event": {"lines": ["0-1"]},
        "budget": 1.0,
        "dispatch_mode": "winner",
        "resources": {"lines": {"damaged": True, "cost": 1.0}},
    }
    scenario = load_case(case, net=two_bus(4 * most, r, x))
    evaluator, best = best_of_all(scenario)
    bound = bound_plan(scenario, evaluator, best.values)
    assert bound.kind == "served_mw"
    assert bound.found == pytest.approx(most, rel=1e-6)
    assert bound.value == pytest.approx(most, rel=2e-5)  # Jabr's form is exact on a tree
    assert bound.value >= most * (1 - 1e-9)


def test_an_island_without_a_source_serves_nothing():
    case = {
        "event": {"lines": ["0-1"]},
        "budget": 0.5,
        "dispatch_mode": "winner",
        "resources": {"lines": {"damaged": True, "cost": 1.0}},
    }
    scenario = load_case(case, net=two_bus())
    bound = bound_plan(scenario, evaluator_of(scenario), {"unserved_peak_mw": 10.0})
    assert bound.value == pytest.approx(0.0, abs=1e-4)
    dg = {"max_units": 1, "cost_per_mw": 0.01, "grid_forming": False, "buses": [1]}
    case["resources"]["dg"] = dg
    scenario = load_case(case, net=two_bus())
    bound = bound_plan(scenario, evaluator_of(scenario), {"unserved_peak_mw": 10.0})
    assert bound.value == pytest.approx(0.0, abs=1e-4)


UNIT = st.floats(-1, 1)


@given(st.tuples(UNIT, UNIT, UNIT), st.floats(0, 1.3), st.floats(0, 1.3), st.floats(0, 1), UNIT)
def test_planes_hold_everywhere_in_the_cone(u, w_from, w_to, share, angle):
    u = np.array([u])
    u = u / max(np.linalg.norm(u), 1e-3) if np.linalg.norm(u) > 1e-3 else np.array([[1.0, 0, 0]])
    size = share * np.sqrt(w_from * w_to)
    x = np.array([w_from, w_to, size * np.cos(4 * angle), size * np.sin(4 * angle)])
    cone = np.arange(4)[None]
    assert (planes(cone, u).matrix(4) @ x)[0] <= 1e-12
    assert cone_cuts(cone, x, 1e-12) is None
    x[2] += 3.0
    assert (cone_cuts(cone, x, 1e-12).matrix(4) @ x)[0] > 0


def test_a_mixed_integer_program_by_hand():
    # max 5 a + 4 b, 6 a + 4 b <= 24, a + 2 b <= 6: 21 at (3, 1.5), 20 at (4, 0).
    program = LinearProgram()
    x = program.columns(2, 0.0, np.inf, whole=True)
    program.cost[x] = -5.0, -4.0
    program.total([(x, np.array([6.0, 4.0]))], upper=24.0)
    program.total([(x, np.array([1.0, 2.0]))], upper=6.0)
    assert Milp(program, relaxed=True).solve().bound == pytest.approx(-21.0)
    result = Milp(program).solve()
    assert (result.bound, result.value) == (pytest.approx(-20.0), pytest.approx(-20.0))
    program.total([(x, 1.0)], lower=7.0)
    assert Milp(program).solve().bound == np.inf


def test_the_clock_leaves_a_bound_that_is_valid():
    scenario = load_case({"extends": "ieee30", "dispatch_mode": "winner", "budget": 15.0})
    found = {"unserved_peak_mw": 34.17, "plan_cost": 15.0}
    tight = bound_plan(scenario, evaluator_of(scenario), found)
    for seconds in (1e-3, 0.1):
        loose = bound_plan(scenario, evaluator_of(scenario), found, time_limit_s=seconds)
        assert loose.value >= tight.value - 1e-3
        assert not loose.complete
        assert "time limit" in bound_sentence(loose.as_dict(), "USD")


@pytest.mark.parametrize(
    ("name", "budget", "enumerated"),
    [
        # hybridopt run CASE --exhaustive: docs/bounds.md
        ("ieee9", 5.0, 264.51224),
        ("ieee9", 10.0, 289.51261),
        ("ieee9", 13.0, 304.51261),
        pytest.param("ieee30", 8.0, 216.27306, marks=pytest.mark.slow),
        ("ieee30", 15.0, 249.23076),
        pytest.param("ieee30", 22.0, 271.46899, marks=pytest.mark.slow),
    ],
)
def test_served_power_at_reduced_budgets(name, budget, enumerated):
    scenario = load_case({"extends": name, "dispatch_mode": "winner", "budget": budget})
    total = scenario.grid.demand()[0].sum() * scenario.grid.base_mva
    found = {"unserved_peak_mw": total - enumerated, "plan_cost": budget}
    bound = bound_plan(scenario, evaluator_of(scenario), found)
    assert bound.found == pytest.approx(enumerated)
    assert enumerated - 1e-4 <= bound.value <= enumerated * 1.001


@pytest.mark.parametrize(("name", "cost"), [("ieee9", 15.097462), ("ieee30", 26.513617)])
def test_cost_of_full_service(name, cost):
    scenario = load_case(f"{name}_cheapest")
    found = {"unserved_mwh": 0.0, "plan_cost": cost}
    bound = bound_plan(scenario, evaluator_of(scenario), found)
    assert cost * 0.995 < bound.value < cost
    assert "better exists" in bound_sentence(bound.as_dict(), "USD")


def test_more_money_never_lowers_what_can_be_served():
    values = []
    for budget in (2.0, 6.0, 9.0):
        scenario = load_case({"extends": "ieee9", "dispatch_mode": "winner", "budget": budget})
        found = {"unserved_peak_mw": 200.0, "plan_cost": budget}
        values.append(bound_plan(scenario, evaluator_of(scenario), found).value)
    assert values == sorted(values)


def test_words():
    cost = Bound("plan_cost", 15.0, 20.0, 3, 0.0, 1.0, complete=True)
    assert cost.gap_percent == pytest.approx(25.0)
    words = bound_sentence(cost.as_dict(), "USD")
    assert words == (
        "At most 5.000 USD (25.00 %) better exists: serving everything costs at least 15.000 USD"
    )
    by_energy = replace(cost, is_aim=False)
    assert "was not chosen by its cost" in bound_sentence(by_energy.as_dict(), "USD")
    served = Bound("served_mwh", 90.0, 90.0, 1, 0.0, 1.0, complete=True)
    assert bound_sentence(served.as_dict(), "USD").startswith("Proven best")
    wrong = replace(served, found=91.0)
    assert wrong.contradicted
    assert not wrong.proven_best
    assert "contradicted" in bound_sentence(wrong.as_dict(), "USD")


def test_what_has_no_bound_is_refused_by_name():
    scenario = load_case("ieee9_paper")
    with pytest.raises(InputError, match="chosen length"):
        check_bound(scenario)


def test_voltage_limits_are_needed():
    scenario = load_case("ieee9")
    grid = replace(scenario.damaged, vm_max=np.full(scenario.damaged.n_bus, np.inf))
    with pytest.raises(InputError, match="voltage limits at bus 1, 2"):
        check_bound(replace(scenario, damaged=grid))


def test_run_with_bound(tmp_path):
    case = write_case(tmp_path)
    done = hybridopt("run", case, "--bound", "--out", tmp_path / "r", "--workers", "1")
    assert done.code == 0, done.err
    bound = json.loads((tmp_path / "r" / "summary.json").read_text())["bound"]
    assert set(bound) >= {"kind", "value", "gap_percent", "found", "rounds", "mip_gap", "wall_s"}
    words = bound_sentence(bound, "EUR")[:12]
    assert words in done.out
    assert words in (tmp_path / "r" / "report.html").read_text()
    assert "HiGHS" not in done.out


@pytest.mark.parametrize(
    "options", [["--bound-time-limit", "5"], ["--bound", "--bound-time-limit", "0"]]
)
def test_bad_options(options):
    done = hybridopt("run", "ieee9", *options)
    assert done.code == 2
    assert "--bound-time-limit" in done.err


def test_networks_of_pandapower_have_bounds():
    case = {
        "event": {"external_grids": [0], "generators": [1, 2], "lines": ["0-1", "0-4", "5-12"]},
        "resources": {
            "lines": {"damaged": True, "cost": 3.0},
            "dg": {"max_units": 1, "cost_per_mw": 0.2},
        },
        "budget": 12.0,
        "dispatch_mode": "winner",
    }
    scenario = load_case(case, net=nw.case14())
    evaluator, best = best_of_all(scenario)
    bound = bound_plan(scenario, evaluator, best.values)
    assert not bound.contradicted
    assert bound.kind == "served_mw"
    assert 0.0 < bound.gap_percent < 2.0
