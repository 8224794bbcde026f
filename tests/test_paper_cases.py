"""The cases with the paper's genes: its printed plans, the search grid, lines that are built."""

import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandapower as pp
import pandas as pd
import pytest
from pydantic import TypeAdapter

from hybridopt.cases import case_file
from hybridopt.dispatch import Dispatcher
from hybridopt.errors import InputError
from hybridopt.evaluate import Candidate, Evaluator
from hybridopt.export import plan_net
from hybridopt.grid import NewLine, Plan, Unit, apply_plan
from hybridopt.network_built import branch_positions, settle, settle_stage
from hybridopt.network_scenario import Scenario, load_case
from hybridopt.progress import NoProgress
from hybridopt.ratings import choose_ratings
from hybridopt.single_dispatch import dispatch_network
from hybridopt.stages import stage_of
from hybridopt.study import run_study
from hybridopt.verify import verify

TABLE_7 = Path(__file__).parent / "data" / "ieee9_table7" / "expected.csv"
ANYWHERE = {
    "max_lines": 1,
    "length_km": [0.5, 2.0],
    "r_ohm_per_km": 0.1571,
    "x_ohm_per_km": 0.4,
    "max_i_ka": 0.251022,
}


@pytest.fixture(scope="module")
def ieee9() -> Scenario:
    return load_case("ieee9_paper")


@pytest.fixture(scope="module")
def ieee30() -> Scenario:
    return load_case("ieee30_paper")


def printed_plan(name: str):
    plan = case_file(name).parent / "paper_plan.json"
    return dispatch_network(name, plan, None, NoProgress())


def new_line(scenario: Scenario, from_bus: int, to_bus: int, km: float) -> NewLine:
    genes, at = scenario.space.line_genes, scenario.grid.bus_id.index
    pair = genes.ends.index(tuple(sorted((at(from_bus), at(to_bus)))))
    return NewLine(genes.first + pair, km)


def paper_plan(scenario: Scenario, *units: tuple[int, float, float], line: NewLine) -> Plan:
    at = scenario.grid.bus_id.index
    return Plan((), tuple(Unit(at(bus), p, vm) for bus, p, vm in units), (line,))


def at_peak(scenario: Scenario, grid) -> Dispatcher:
    sites = replace(scenario.space.sites, max_p_ratio=1.0)
    return Dispatcher(grid, sites, scenario.horizon, scenario.settings)


# The printed plans.


def test_the_printed_plan_of_ieee9_serves_all_and_is_near_table_7() -> None:
    result = printed_plan("ieee9_paper")
    assert result.dispatch.unserved_mwh == 0.0
    assert result.verification.hours_checked == 24
    assert result.verification.max_mismatch_mva < 1e-3
    table = result.dispatch.units_frame().pivot_table(index="hour", columns="name", values="p_mw")
    assert table["gen 3"][19] == pytest.approx(196.65, abs=0.01)
    assert table["dg 4"][19] == pytest.approx(121.0, abs=1e-3)
    assert result.dispatch.loss_mw[18] == pytest.approx(2.65, abs=0.01)
    expected = pd.read_csv(TABLE_7, index_col="hour")
    for printed, ours in (("g1_mw", "gen 3"), ("g2_mw", "dg 4")):
        assert ((table[ours] - expected[printed]).abs() / expected[printed]).max() < 0.052


def test_the_printed_plan_of_ieee30_leaves_the_printed_share_unserved() -> None:
    result = printed_plan("ieee30_paper")
    peak = int(result.dispatch.demand_mw.sum(axis=1).argmax())
    assert result.dispatch.demand_mw[peak].sum() == pytest.approx(283.4)
    assert result.dispatch.unserved_mw[peak] == pytest.approx(16.5, abs=1e-3)
    assert result.verification.max_mismatch_mva < 1e-3


@pytest.mark.parametrize(
    ("case", "units", "line", "cost", "unserved_mw"),
    [
        ("ieee9", [(4, 81.0, 0.88)], (5, 6, 1.05874), 18.458, 0.0),
        ("ieee30", [(5, 13.5, 0.848), (23, 40.5, 0.848)], (21, 22, 0.504207), 14.492, 16.5),
    ],
)
def test_the_printed_plan_can_be_found_at_its_printed_cost(case, units, line, cost, unserved_mw):
    s = load_case(f"{case}_paper")
    plan = paper_plan(s, *units, line=new_line(s, *line))
    assert s.space.decode(s.space.encode(plan)) == replace(
        plan, new_lines=(replace(plan.new_lines[0], length_km=round(line[2], 4)),)
    )
    evaluate = Evaluator(s.search_grid, s.space, s.horizon, s.settings, "winner")
    found = evaluate(Candidate(plan))
    assert found.plan == plan
    assert s.space.cost(plan) == pytest.approx(cost, abs=1e-9)
    assert found.fitness == pytest.approx((unserved_mw, cost), abs=1e-3)


# The search grid and the lines that are built.


def test_without_lines_anywhere_the_search_grid_is_the_damaged_one() -> None:
    s = load_case("ieee9")
    assert s.search_grid is s.damaged
    plan = Plan((2,), (Unit(3, 50.0),))
    assert settle(s, plan) == (s, plan)


def test_search_grid_appends_every_pair_of_one_voltage(ieee30) -> None:
    grid, damaged, genes = ieee30.search_grid, ieee30.damaged, ieee30.space.line_genes
    assert len(genes.ends) == 190  # 18, 9 and 2 buses of one voltage, one alone
    assert grid.n_branch == damaged.n_branch + 190
    assert genes.first == damaged.n_branch
    assert not grid.branch_in_service[genes.first :].any()
    assert np.array_equal(grid.branch_in_service[: genes.first], damaged.branch_in_service)
    assert len(set(grid.branch_name)) == grid.n_branch
    new = slice(genes.first, None)
    assert np.array_equal(grid.vn_kv[grid.branch_from[new]], grid.vn_kv[grid.branch_to[new]])


def test_settled_scenario_has_the_line_and_no_other_pair(ieee30) -> None:
    line = new_line(ieee30, 21, 22, 0.504207)
    plan = Plan((32,), (Unit(4, 13.5, 0.848),), (line,))
    settled, own = settle(ieee30, plan)
    built = own.branches[-1]
    assert settled.grid.n_branch == ieee30.grid.n_branch + 1
    assert settled.grid.branch_name[built] == "21-22#2"
    assert settled.space.candidates[-1].kind == "new"
    assert settled.space.cost(own) == pytest.approx(ieee30.space.cost(plan))
    assert own.new_lines == ()
    assert own.units == plan.units
    assert settled.search_grid is settled.damaged
    assert settled.net.line.length_km.iloc[-1] == 0.504207
    assert settled.net.line.max_i_ka.iloc[-1] == 0.4
    names = [ieee30.grid.branch_name[k] for k in ieee30.event.branches]
    assert [settled.grid.branch_name[k] for k in settled.event.branches] == names
    assert ieee30.grid.branch_name[32] == settled.grid.branch_name[own.branches[0]]
    at = branch_positions(ieee30.grid, settled.grid)
    assert [settled.grid.branch_name[k] for k in at] == list(ieee30.grid.branch_name)


def test_states_before_the_plan_are_shown_in_the_branches_of_the_settled_grid(ieee30) -> None:
    plan = Plan((), (Unit(4, 13.5),), (new_line(ieee30, 21, 22, 1.0),))
    settled, own = settle(ieee30, plan)
    stage = stage_of(at_peak(ieee30, ieee30.damaged).deliver(Plan()), 0)
    after = settle_stage(stage, ieee30.grid, settled.grid)
    assert len(after.branch_on) == settled.grid.n_branch
    assert not after.branch_on[own.branches[0]]
    on = [settled.grid.branch_name[k] for k in np.flatnonzero(after.branch_on)]
    assert on == [ieee30.grid.branch_name[k] for k in np.flatnonzero(stage.branch_on)]


@pytest.mark.parametrize("limit", ["current", "power"])
@pytest.mark.parametrize("km", [0.5, 1.3, 40.0])
@pytest.mark.parametrize("ka", [0.251022, 0.05])
def test_scaled_line_is_the_line_that_is_built(km, ka, limit) -> None:
    """Same objective, flows and loading as with a real line of that length, which may bind."""
    case = {"extends": "ieee9_paper", "limits": {"branch_limit": limit}}
    line = {"length_km": [0.5, 50.0], "r_ohm_per_km": 4.0, "x_ohm_per_km": 40.0, "max_i_ka": ka}
    case["resources"] = {"lines": {"anywhere": line}}
    s = load_case(case)
    plan = paper_plan(s, (4, 81.0, 0.88), line=new_line(s, 6, 5, km))
    settled, own = settle(s, plan)
    scaled = at_peak(s, s.search_grid).deliver(plan)
    real = at_peak(settled, settled.damaged).deliver(own)
    assert scaled.ok
    assert real.ok
    assert scaled.unserved_mw == pytest.approx(real.unserved_mw, abs=1e-5)
    assert scaled.operating_cost == pytest.approx(real.operating_cost, rel=1e-5)
    k, built = plan.new_lines[0].branch, own.branches[0]
    loading = scaled.loading_percent[0, k]
    assert loading == pytest.approx(real.loading_percent[0, built], rel=1e-4)
    assert loading <= 100 + 1e-4
    binds = loading == pytest.approx(100, abs=1e-3)
    assert binds == (ka == 0.05)
    assert scaled.p_from_mw[0, k] == pytest.approx(real.p_from_mw[0, built], rel=1e-4)
    a, b = apply_plan(s.search_grid, plan), apply_plan(settled.damaged, own)
    for name in ("y_ff", "y_ft", "y_tf", "y_tt", "rate_from", "rate_to", "rate_is_power"):
        assert getattr(a, name)[k] == pytest.approx(getattr(b, name)[built], rel=1e-12)


def test_scaled_line_agrees_with_pandapower(ieee9) -> None:
    plan = paper_plan(ieee9, (4, 81.0, 0.88), line=new_line(ieee9, 5, 6, 1.05874))
    point = at_peak(ieee9, ieee9.search_grid).deliver(plan)
    settled, own = settle(ieee9, plan)
    real = at_peak(settled, settled.damaged).deliver(own)
    check = verify(settled, real)
    assert check.max_mismatch_mva < 1e-4
    assert check.max_loading_percent == pytest.approx(np.nanmax(point.loading_percent), abs=1e-3)
    net = plan_net(settled, real, 0)
    pp.runpp(net, calculate_voltage_angles=True, numba=False)
    line, k = net.line.iloc[-1], plan.new_lines[0].branch
    assert (line.length_km, line.in_service) == (1.05874, True)
    flow = net.res_line.iloc[-1]
    assert point.p_from_mw[0, k] == pytest.approx(flow.p_from_mw, abs=1e-3)
    assert point.q_from_mvar[0, k] == pytest.approx(flow.q_from_mvar, abs=1e-3)
    assert point.loading_percent[0, k] == pytest.approx(flow.loading_percent, abs=1e-3)


def test_free_ratings_work_with_lines_anywhere() -> None:
    s = load_case({"extends": "ieee9", "resources": {"lines": {"anywhere": ANYWHERE}}})
    plan = Plan((), (Unit(8), Unit(5)), (new_line(s, 5, 6, 1.0),))
    plan = replace(plan, units=tuple(sorted(plan.units)))
    left = s.space.left_for_ratings(plan)
    assert left == pytest.approx(20 - 2.258)
    dispatcher = Dispatcher(s.search_grid, s.space.sites, s.horizon, s.settings)
    chosen = choose_ratings(dispatcher, plan, left)
    assert chosen.plan.new_lines == plan.new_lines
    assert s.space.cost(chosen.plan) <= 20 + 1e-9
    settled, own = settle(s, chosen.plan)
    real = Dispatcher(settled.damaged, settled.space.sites, s.horizon, s.settings).dispatch(own)
    found = chosen.dispatch or dispatcher.dispatch(chosen.plan)
    assert found.unserved_mwh == pytest.approx(real.unserved_mwh, abs=1e-4)
    assert found.operating_cost == pytest.approx(real.operating_cost, rel=1e-6)
    assert verify(settled, real).max_mismatch_mva < 1e-3


def test_voltage_set_point_is_a_start_within_the_limits(ieee9) -> None:
    line = new_line(ieee9, 5, 6, 1.05874)
    dispatcher = at_peak(ieee9, ieee9.search_grid)
    level = np.array([dispatcher.peak_level])
    for vm, start in ((0.8, 0.9), (0.95, 0.95), (None, 1.0)):
        plan = Plan((), (Unit(3, 81.0, vm),), (line,))
        bounds = dispatcher.hour.model.bounds(dispatcher.state(plan, level), {"unserved_mwh": 1.0})
        started = bounds.x_start[dispatcher.hour.model.vm[0]]
        assert started[3] == pytest.approx(start)
        assert np.delete(started, 3) == pytest.approx(1.0)
        assert dispatcher.deliver(plan).unserved_mw == pytest.approx(0.0, abs=1e-3)


def test_output_is_planned_power_at_the_peak_and_one_and_a_half_times_it_in_the_dispatch(ieee9):
    plan = Plan((2,), (Unit(3, 60.0, 1.0),))
    evaluate = Evaluator(ieee9.search_grid, ieee9.space, ieee9.horizon, ieee9.settings, "winner")
    assert evaluate(Candidate(plan)).plan == plan
    peak = evaluate.dispatcher.deliver(plan)
    assert peak.rating_mw[-1] == 60.0
    day = Dispatcher(ieee9.damaged, ieee9.space.sites, ieee9.horizon, ieee9.settings)
    assert day.dispatch(plan).rating_mw[-1] == 90.0


def test_every_plan_of_the_first_population_can_be_evaluated(ieee9) -> None:
    rng, space = random.Random(0), ieee9.space
    evaluate = Evaluator(ieee9.search_grid, space, ieee9.horizon, ieee9.settings, "winner")
    for _ in range(10):
        plan = space.decode(space.random(rng))
        found = evaluate(Candidate(plan))
        assert found.ok
        assert found.plan == plan
        assert found.fitness[1] <= space.budget + 1e-9


def test_plans_are_plain_data() -> None:
    plan = Plan((2,), (Unit(3, 60.0, 0.88), Unit(5)), (NewLine(12, 1.5),))
    adapter = TypeAdapter(Plan)
    assert adapter.validate_json(adapter.dump_json(plan)) == plan
    assert hash(plan) != hash(replace(plan, new_lines=()))
    assert adapter.validate_python({"branches": [2], "units": [{"bus": 3}]}) == Plan(
        (2,), (Unit(3),)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "printed"), [("ieee9", (0.0, 18.458)), ("ieee30", (16.5, 14.492))]
)
def test_search_finds_a_plan_that_is_better_than_the_printed_one(name, printed) -> None:
    study = run_study(f"{name}_paper", seed=0, workers=1)
    unserved, cost = study.best.fitness
    assert (unserved, cost) < printed
    assert cost <= study.scenario.case.budget
    assert study.best.plan.new_lines == ()  # settled: they are branches like any other
    assert study.dispatch.grid.n_branch == study.scenario.grid.n_branch
    built = study.scenario.grid.n_branch - load_case(f"{name}_paper").grid.n_branch
    assert built == sum(c.kind == "new" for c in study.scenario.space.candidates) <= 1
    assert study.verification.hours_checked == 24
    assert study.verification.max_mismatch_mva < 1e-3
    for stage in (study.check.before, study.check.after, study.after_plan):
        assert len(stage.branch_on) == study.scenario.grid.n_branch


# What a case may say.


def test_settings_are_the_printed_ones() -> None:
    for name, budget, cost, generations in (("ieee9", 20, 2.258, 15), ("ieee30", 30, 3.692, 20)):
        s = load_case(f"{name}_paper")
        genetic = s.case.genetic
        assert (genetic.population, genetic.selected, genetic.mutation_rate) == (10, 5, 0.4)
        assert genetic.generations == generations
        assert s.case.budget == budget
        assert s.case.objectives == ("unserved_peak_mw", "plan_cost")
        assert s.space.sites.cost_per_mw == 0.2
        assert {c.cost for c in s.space.candidates} == {cost}
        assert s.space.line_genes.price(NewLine(0, 1.7)) == cost
        assert s.space.sites.max_p_ratio == 1.5
        assert np.isinf(s.space.sites.tan_phi)
        assert s.space.count() is None


@pytest.mark.parametrize(
    ("resources", "where", "message"),
    [
        ({"dg": {"genes": {"p_mw": [50.0, 10.0]}}}, "dg.genes] p_mw", "low must not exceed high"),
        ({"dg": {"genes": {"p_mw": 10.0}}}, "dg.genes] p_mw", r"must be \[low, high\], found 10.0"),
        ({"dg": {"genes": {"p_mw": [1.0]}}}, "dg.genes] p_mw", r"must be \[low, high\]"),
        ({"dg": {"genes": {"p_mw": [-1.0, 9.0]}}}, "dg.genes] p_mw[0]", "at least 0, found -1.0"),
        ({"dg": {"genes": {"vm_pu": [0.9, 9.0]}}}, "dg.genes] vm_pu[1]", r"in \(0, 2\], found 9"),
        ({"dg": {"genes": {"vm_pu": [0.9, 1.1]}}}, "dg.genes] p_mw", "is required"),
        ({"dg": {"genes": {"p_mw": [1.0, 9.0]}, "max_mw": 9.0}}, "dg] max_mw", "give either genes"),
        ({"dg": {"genes": {"p_mw": [1.0, 9.0]}, "sizes_mw": [9.0]}}, "dg] sizes_mw", "not both"),
        ({"lines": {"anywhere": {"length_km": [0.0, 1.0]}}}, "length_km[0]", "above 0"),
        ({"lines": {"anywhere": {"length_km": [2.0, 1.0]}}}, "length_km", r"found \[2, 1\]"),
        ({"lines": {"anywhere": {"max_lines": 0}}}, "anywhere] max_lines", "at least 1, found 0"),
        ({"lines": {"anywhere": {"x_ohm_per_km": 0.0}}}, "anywhere] x_ohm_per_km", "above 0"),
        ({"lines": {"anywhere": {"buses": [4, 77]}}}, "anywhere] buses[1]", "no bus 77"),
        ({"lines": {"anywhere": {"buses": [4]}}}, "anywhere] buses", "no two of the buses"),
        ({"lines": {"anywhere": {"lenght_km": 1}}}, "lenght_km", "did you mean 'length_km'"),
    ],
)
def test_wrong_genes_are_findings(resources, where, message) -> None:
    lines = resources.get("lines", {})
    if "anywhere" in lines:
        lines = {"anywhere": ANYWHERE | lines["anywhere"]}
    case = {"extends": "ieee9", "resources": {"lines": lines, "dg": resources.get("dg", {})}}
    with pytest.raises(InputError, match=message) as error:
        load_case(case)
    assert any(where in f.place for f in error.value.findings)


def test_a_line_needs_a_cost() -> None:
    case = {
        "network": "case9",
        "budget": 9.0,
        "resources": {"lines": {"damaged": False, "anywhere": ANYWHERE}},
    }
    with pytest.raises(InputError, match="needs cost or cost_per_km"):
        load_case(case)
    priced = load_case(
        case | {"resources": {"lines": {"damaged": False, "cost_per_km": 3, "anywhere": ANYWHERE}}}
    )
    assert priced.space.line_genes.price(NewLine(0, 1.5)) == pytest.approx(4.5)
    own = ANYWHERE | {"cost": 5.0}
    priced = load_case(case | {"resources": {"lines": {"damaged": False, "anywhere": own}}})
    assert priced.space.line_genes.price(NewLine(0, 1.5)) == 5.0


def test_buses_that_the_event_took_are_joined_by_no_line() -> None:
    case = {"extends": "ieee9_paper", "event": {"buses": [7]}}
    s = load_case(case)
    bus = s.grid.bus_id.index(7)
    assert len(s.space.line_genes.ends) == 28
    assert all(bus not in ends for ends in s.space.line_genes.ends)
