"""Every plan is looked at, and no bound rules out a plan that could win."""

import json
import random
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pandapower as pp
import pytest
from command_line import SMALL_STUDY, hybridopt, write_case
from hypothesis import given
from hypothesis import strategies as st

from hybridopt.bounds import PlanBounds, _least_cost, by_promise
from hybridopt.evaluate import Evaluator
from hybridopt.network_scenario import load_case
from hybridopt.output import write_results
from hybridopt.progress import NoProgress
from hybridopt.runs import Job, run_seeds
from hybridopt.solvers.exhaustive import BATCH, enumerate_all, ruled_out
from hybridopt.study import run_study

FITNESS = st.tuples(st.floats(0, 1e6), st.floats(0, 1e6))


@dataclass(frozen=True)
class Value:
    fitness: tuple[float, ...]
    ok: bool = True


@given(FITNESS, FITNESS)
def test_an_exact_bound_rules_out_what_is_worse_and_nothing_else(mine, best):
    if ruled_out(mine, best):
        assert mine > best
    clearly = abs(mine[0] - best[0]) > 1e-5 * best[0] + 1e-9
    if clearly and mine[0] > best[0]:
        assert ruled_out(mine, best)
    if not clearly and mine[0] == best[0] and mine[1] > best[1] * (1 + 1e-5) + 1e-9:
        assert ruled_out(mine, best)


@given(st.lists(FITNESS, min_size=1, max_size=300), st.randoms(use_true_random=False))
def test_enumeration_finds_the_best_with_any_valid_bounds(values, rng):
    bounds = []
    for first, second in values:
        low = first * rng.choice([0.0, 0.5, 1.0])
        # a bound on the second objective counts where the first one's is reached
        bounds.append((low, second * rng.choice([0.0, 0.9, 1.0]) if low == first else -np.inf))
    ordered = sorted(zip(bounds, range(len(values)), strict=True), key=lambda item: item[0])
    seen = []

    def evaluate(solutions, _best):
        seen.extend(solutions)
        return (Value(values[s]) for s in solutions)

    run = enumerate_all(evaluate, ordered, ["a", "b"])
    assert run.best.fitness <= min(values) or np.allclose(run.best.fitness, min(values), rtol=2e-6)
    assert len(seen) == len(set(seen)) == run.distinct
    assert run.evaluations == len(values)
    assert len(run.log) >= len(seen) / BATCH


CASES = [
    {"extends": "ieee9"},
    {"extends": "ieee9", "objectives": ["unserved_mwh", "plan_cost"]},
    {"extends": "ieee9", "budget": 9.0},
    {"extends": "ieee9", "resources": {"dg": {"grid_forming": False}}},
    {"extends": "ieee9", "dispatch_mode": "winner"},
    {"extends": "ieee9", "resources": {"dg": {"sizes_mw": [20.0, 60.0]}}},
    {"extends": "ieee30", "dispatch_mode": "winner", "budget": 15.0},
]
CASES += [
    pytest.param({"extends": name}, marks=pytest.mark.slow)
    for name in ("ieee30", "ieee30_cheapest")
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_bounds_are_below_what_plans_reach(case):
    scenario = load_case(case)
    mode = scenario.case.dispatch_mode
    evaluator = Evaluator(
        scenario.damaged, scenario.space, scenario.horizon, scenario.settings, mode
    )
    bounds = PlanBounds(evaluator)
    ordered = by_promise(bounds, scenario.space.every())
    assert len(ordered) <= scenario.space.count()
    assert ordered == sorted(ordered, key=lambda item: item[0])
    few = random.Random(1).sample(ordered, 8 if "30" in case["extends"] else 12)
    tight = 0
    for bound, plan in few:
        fitness = evaluator.evaluate(plan).fitness
        assert not ruled_out(bound, fitness), plan
        tight += bound[0] > 0.99 * fitness[0] > 0 or (fitness[0] == 0 and bound[1] > 0)
    assert tight or (mode == "winner" and "30" in case["extends"])  # reactive power decides there


@pytest.mark.parametrize("seed", range(5))
def test_least_cost_is_the_economic_dispatch_of_a_copper_plate(seed):
    """Against a fine grid over two units."""
    rng = np.random.default_rng(seed)
    cost = np.array([[0.0, rng.uniform(1, 9), rng.uniform(0, 0.1)], [0.0, rng.uniform(1, 9), 0.0]])
    high = rng.uniform(20, 60, (1, 2))
    demand = np.array([rng.uniform(5, high.sum())])
    first = np.linspace(0, high[0, 0], 200_001)
    second = demand[0] - first
    possible = (second >= 0) & (second <= high[0, 1])
    total = cost[0, 1] * first + cost[0, 2] * first**2 + cost[1, 1] * second
    exact = total[possible].min()
    bound = _least_cost(cost, np.zeros((1, 2)), high, demand)[0]
    assert bound <= exact * (1 + 1e-9)
    assert bound == pytest.approx(exact, rel=1e-5)


def test_the_cheapest_plan_of_ieee9_is_proven(tmp_path):
    result = run_study("ieee9_cheapest", exhaustive=True, workers=1)
    assert result.run.best.fitness[1] == pytest.approx(15.097, abs=0.001)
    assert result.proven_best
    assert result.plans == result.run.evaluations == 184
    assert result.run.distinct < 184
    report = write_results(result, tmp_path / "out").read_text(encoding="utf-8")
    assert "ruled out by a proven bound, and none is better" in report
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["proven_best"] is True
    plan = result.best.plan
    label = result.scenario.grid.bus_id
    assert [label[unit.bus] for unit in plan.units] == [9]
    assert [result.scenario.grid.branch_name[k] for k in plan.branches] == ["5-6", "8-9"]


@pytest.mark.slow
def test_the_costs_of_ieee9_and_ieee30_are_proven():
    for case, cost in (("ieee9", 49421.53), ("ieee30", 160605.30)):
        result = run_study(case, exhaustive=True)
        assert result.best.values["operating_cost"] == pytest.approx(cost, rel=1e-6)
        assert result.proven_best
    cheapest = run_study("ieee30_cheapest", exhaustive=True)
    assert cheapest.best.values["plan_cost"] == pytest.approx(26.5136, abs=1e-4)
    assert cheapest.proven_best


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--exhaustive", "--seeds", "0-3"), "draws no random numbers"),
        (("--seeds", "3-1"), "--seeds"),
        (("--seeds", "a"), "must be like 0-9"),
        (("--seeds", "1,1"), "every seed once"),
        (("--seeds", "0-999999999999"), "more than 1000 seeds"),
        (("--seeds", ""), "must be like 0-9"),
    ],
)
def test_options_that_make_no_sense(options, said, tmp_path):
    write_case(tmp_path)
    (finding,) = hybridopt("run", "small.toml", *options, folder=tmp_path).findings
    assert said in finding
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.json", "small.toml"]


def test_too_many_plans_are_refused(tmp_path):
    lines = "\n".join(
        f"[[resources.lines.candidates]]\nname = 'n{k}'\nfrom_bus = 0\nto_bus = 2\n"
        "r_ohm_per_km = 0.1\nx_ohm_per_km = 0.3\nmax_i_ka = 1.0\n"
        for k in range(20)
    )
    write_case(tmp_path, text=SMALL_STUDY + lines)
    (finding,) = hybridopt("run", "small.toml", "--exhaustive", folder=tmp_path).findings
    assert "more than the 1,000,000" in finding
    assert not (tmp_path / "results").exists()


def test_a_table_over_seeds(tmp_path):
    write_case(tmp_path)
    run = ("run", "small.toml", "--workers", "1", "--seeds", "0-2")
    done = hybridopt(*run, "--json", folder=tmp_path)
    assert done.code == 0
    found = json.loads(done.out)
    assert [row["seed"] for row in found["seeds"]] == [0, 1, 2]
    for name in found["objectives"]:
        values = sorted(row[name] for row in found["seeds"])
        assert found["median"][name] == values[1]
        assert found["spread"][name] == values[2] - values[0]
        assert found["best"][name] == values[0]
    assert not (tmp_path / "results").exists()
    done = hybridopt(*run, folder=tmp_path)
    for word in ("best", "median", "spread", "Plan cost", "Time s"):
        assert word in done.out
    folder = tmp_path / "results" / "small-seeds0-2"
    assert {path.name for path in folder.iterdir()} == {
        "seed0", "seed1", "seed2", "seeds.csv", "summary.json",
    }  # fmt: skip
    findings = hybridopt(*run, folder=tmp_path).findings
    assert "exists already" in findings[0]
    assert hybridopt(*run, "--resume", "--quiet", folder=tmp_path).code == 0


def test_seeds_that_were_interrupted_are_taken_up(tmp_path):
    write_case(tmp_path)
    scenario = load_case(tmp_path / "small.toml")
    job = Job(tmp_path / "out", workers=1)

    class SecondRunEnds(NoProgress):
        runs = 0

        @contextmanager
        def generations(self, *_):
            self.runs += 1

            def report(_generation, done, _run):
                if self.runs == 2 and done == 1:
                    raise KeyboardInterrupt

            yield report

    (found,) = run_seeds(scenario, job, [0, 1, 2], SecondRunEnds())
    assert [row["seed"] for row in found.rows] == [0]
    assert not (tmp_path / "out" / "seeds.csv").exists()
    *_, found = run_seeds(scenario, replace(job, resume=True), [0, 1, 2], NoProgress())
    assert [row["seed"] for row in found.rows] == [0, 1, 2]
    assert (tmp_path / "out" / "seeds.csv").exists()


def test_an_exhaustive_search_keeps_its_limit_of_evaluations():
    case = {"extends": "ieee9", "genetic": {"max_evaluations": 5}}
    result = run_study(case, exhaustive=True, workers=1)
    assert result.run.distinct == 5
    assert (result.finished, result.proven_best) == (False, False)


def test_a_battery_that_makes_repairs_needless_is_no_proof_against_doing_nothing():
    """Seven broken lines side by side; what the far end lacks at the peak is stored there."""
    net = star_net(2, load_mw=3.0)
    pp.create_gen(net, 2, 2.0, min_p_mw=0, max_p_mw=2.5, min_q_mvar=-5, max_q_mvar=5)
    pp.create_load(net, 2, 3.0, 0.5)
    for k in range(7):
        add_line(net, 1, 2, name=f"broken {k}")
    case = {
        "event": {"lines": [f"broken {k}" for k in range(7)]},
        "budget": 8.0,
        "objectives": ["unserved_mwh", "plan_cost"],
        "load": {"curve": [0.5] * 12 + [1.0] * 2 + [0.5] * 10},
        "storage": [{"bus": 2, "energy_mwh": 8.0, "charge_mw": 2.0}],
        "resources": {"lines": {"damaged": True, "cost": 1.0}},
    }
    result = run_study(load_case(case, net=net), exhaustive=True, workers=1)
    assert result.proven_best
    assert result.best.fitness == (0.0, 0.0)
    without = {**case, "storage": []}
    assert run_study(load_case(without, net=net), exhaustive=True, workers=1).best.fitness[1] == 1.0


def test_what_is_sold_counts_in_the_bound_of_the_operating_cost():
    """Seven cheap units behind broken lines, and a dear market: all lines pay."""
    net = star_net(1, load_mw=5.0, least_mw=-20.0)
    for bus in range(2, 9):
        pp.create_bus(net, 20.0, min_vm_pu=0.9, max_vm_pu=1.1)
        pp.create_gen(net, bus, 1.0, min_p_mw=0, max_p_mw=2.0, min_q_mvar=-2, max_q_mvar=2)
        pp.create_poly_cost(net, len(net.gen) - 1, "gen", 1.0)
        add_line(net, 0, bus, name=f"broken {bus}")
    case = {
        "event": {"lines": [f"broken {bus}" for bus in range(2, 9)]},
        "budget": 100.0,
        "objectives": ["unserved_mwh", "operating_cost"],
        "load": {"curve": [1.0] * 24},
        "costs": {"import_price": [50.0] * 24},
        "resources": {"lines": {"damaged": True, "cost": 1.0}},
    }
    result = run_study(load_case(case, net=net), exhaustive=True, workers=1)
    assert result.proven_best
    assert len(result.best.plan.branches) == 7
    assert result.best.fitness[1] < -9000


def star_net(n_lines, *, load_mw, least_mw=0.0):
    """An external grid at bus 0, and a line to each further bus; load at bus 1."""
    net = pp.create_empty_network(sn_mva=10.0)
    for _ in range(n_lines + 1):
        pp.create_bus(net, 20.0, min_vm_pu=0.9, max_vm_pu=1.1)
    limits = {"min_q_mvar": -10, "max_q_mvar": 10, "max_p_mw": 20}
    pp.create_ext_grid(net, 0, min_p_mw=least_mw, **limits)
    pp.create_poly_cost(net, 0, "ext_grid", 0.0)
    pp.create_load(net, 1, load_mw, 0.5)
    add_line(net, 0, 1, name="whole")
    return net


def add_line(net, start, end, *, name):
    pp.create_line_from_parameters(net, start, end, 1.0, 0.2, 0.35, 10.0, 0.4, name=name)
