"""Siting after reference B: loops of runpp, formulas by hand, enumeration, bad input."""

import json
from functools import cache
from itertools import combinations

import numpy as np
import pandapower as pp
import pandapower.networks as pn
import pandas as pd
import pytest
from command_line import hybridopt, small_net

from hybridopt import load_case
from hybridopt.errors import InputError, NoSolutionError
from hybridopt.network_siting import siting_problem
from hybridopt.progress import NoProgress
from hybridopt.siting import labels_of, run_siting
from hybridopt.siting_search import Search, every_plan
from hybridopt.siting_value import Evaluator
from hybridopt.solvers.generational import GenerationalOptions, evolve, wheel_shares

SITES = (6, 9, 10, 11, 12, 13, 14)
INVESTMENT = {"capital_per_kw": 1000.0, "life_years": 20.0}
TABLE = {"size_mw": 2.0, "energy_price_per_mwh": 50.0, "investment": INVESTMENT}
WIDE = {"vm_min": 0.5, "vm_max": 1.5}


def ieee14(**siting):
    return load_case({"extends": "ieee14_siting", "siting": siting})


def small(**siting):
    return load_case({"limits": WIDE, "siting": TABLE | siting}, net=small_net())


def enumerated(scenario):
    evaluator = Evaluator(siting_problem(scenario))
    return evaluator, every_plan(evaluator, NoProgress())


def rank(problem, values, losses, sites):
    """Place of a plan among those with as many units, 1 for least losses."""
    plans = [labels_of(problem, values, k) for k in range(len(values))]
    mine = losses[plans.index(list(sites))]
    return 1 + sum(v < mine for p, v in zip(plans, losses, strict=True) if len(p) == len(sites))


@cache
def ieee14_net():
    return pn.case14()


def losses_of_runpp(sites, size_mw):
    """AC losses of IEEE 14 with units, straight from pandapower."""
    net = ieee14_net()
    net.sgen = net.sgen.drop(net.sgen.index)
    for label in sites:
        pp.create_sgen(net, label - 1, size_mw)
    pp.runpp(net, tolerance_mva=1e-9, numba=False)
    return float(net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum())


def test_enumeration_is_that_of_a_loop_of_runpp() -> None:
    evaluator, values = enumerated(ieee14())
    assert len(values) == 128
    before = losses_of_runpp((), 8.0)
    expected = {}
    for count in range(8):
        for sites in combinations(SITES, count):
            kw, after = 8e3 * count, losses_of_runpp(sites, 8.0)
            # lambda_1 = 550, lambda_3 = 504 per kW and year; 400 per MWh lost over 1200 h
            expected[sites] = (550 - 504) * kw - 400 * 1200 * (before - after)
    for k in range(128):
        sites = tuple(labels_of(evaluator.problem, values, k))
        assert values.objective[k] == pytest.approx(expected[sites], abs=0.1)
    allowed = [s for s in expected if 19.632 <= 8 * len(s) <= 78.531]  # MVA of 98.164
    best = min(allowed, key=expected.__getitem__)
    assert best == (10, 13, 14)
    assert labels_of(evaluator.problem, values, int(values.order()[0])) == list(best)


@pytest.mark.parametrize("size", [1.0, 3.0, 8.0])
def test_ranks_of_triples_by_losses_alone(size: float) -> None:
    evaluator, values = enumerated(ieee14(size_mw=size, units=3, load_min=0.5))
    assert len(values) == 35
    ranked = values.full_loss_mw[:, 0]
    assert rank(evaluator.problem, values, ranked, (10, 13, 14)) == 1
    assert rank(evaluator.problem, values, ranked, (6, 11, 14)) == 19


@pytest.mark.parametrize("case", ["ieee14_siting", "ieee14_siting_paper"])
def test_genetic_algorithm_finds_what_enumeration_finds(case: str) -> None:
    problem = siting_problem(load_case(case))
    best = {"ieee14_siting": [10, 13, 14], "ieee14_siting_paper": [6, 11, 14]}[case]
    for seed in range(10):
        result = run_siting(problem, seed=seed)
        assert result.proven_best
        assert result.found_best
        assert labels_of(problem, result.search.best, 0) == best == result.labels


def test_weights_between_which_the_papers_sites_are_best() -> None:
    for weight, best in (
        (44_000.0, [6, 9, 14]),
        (44_500.0, [6, 11, 14]),
        (72_500.0, [6, 11, 14]),
        (73_000.0, [6, 12, 14]),
    ):
        case = {"extends": "ieee14_siting_paper", "siting": {"length_weight": weight}}
        assert run_siting(load_case(case), exhaustive=True).labels == best


def test_closed_formula_by_hand() -> None:
    """A feeder: the branch to the last bus brings it what its load takes."""
    net = small_net()
    net.gen = net.gen.drop(net.gen.index)
    case = {"limits": WIDE, "siting": TABLE | {"sites": [3], "power_factor": 0.8}}
    evaluator, values = enumerated(load_case(case, net=net))
    pp.runpp(net, numba=False, tolerance_mva=1e-9)
    p, q = -net.res_line.p_to_mw[2], -net.res_line.q_to_mvar[2]
    r = 10.0 * 0.1  # ohm
    u2 = (net.res_bus.vm_pu[3] * 110.0) ** 2
    k, qk = 2.0, 1.5
    saved = r / u2 * (p**2 + q**2 - (p - k) ** 2 - (q - qk) ** 2)
    (with_unit,) = np.flatnonzero(values.plan[:, 0])
    assert values.formula_mw[with_unit, 0] == pytest.approx(saved, rel=1e-6)
    # The other loads see the unit too, so that the power flow saves more than one branch's share.
    assert evaluator.base_loss_mw[0] - values.loss_mw[with_unit, 0] > saved


def test_closed_formula_with_the_load_of_the_bus() -> None:
    evaluator, values = enumerated(ieee14(losses="formula", terminal_power="load"))
    k = [labels_of(evaluator.problem, values, i) for i in range(128)].index([14])
    u = evaluator.fed[0].vm[-1]
    saved = 0.12711 / u**2 * (2 * 0.149 * 0.08 - 0.08**2) * 100  # line 9-14, 14.9 MW, 8 MW
    assert values.formula_mw[k, 0] == pytest.approx(saved, rel=1e-4)
    assert values.objective[k] == pytest.approx(46 * 8e3 - 480e3 * saved, abs=100)


def test_printed_form_by_hand() -> None:
    evaluator, values = enumerated(
        ieee14(losses="printed", gamma_factor=0.5, load_min=0.5, load_max=0.6)
    )
    problem = evaluator.problem
    k = [labels_of(problem, values, i) for i in range(128)].index([13])
    fed = evaluator.fed[0]
    p2, u = fed.terminal[5].real, fed.vm[5]
    # lambda_2 / U (gamma K)^2 - (2 P_2 / U lambda_2 + lambda_3 - lambda_1) gamma^2 K
    square = 480e3 * 100 / u * 0.08**2
    linear = 480e3 * 100 * 2 * p2 / u * 0.08 + (504 - 550) * 8e3
    assert values.gamma[k] == 1.0
    assert values.objective[k] == pytest.approx(square - linear, rel=1e-9)
    seven = int(np.flatnonzero(values.plan.all(axis=1))[0])
    assert values.gamma[seven] == 0.5  # 56 MW exceed 49.1 MVA
    saved = (2 * fed.terminal.real * 0.08 - 0.08**2) / fed.vm * 0.5**2 * 100
    money = (550 - 504) * 56e3 * 0.5**2
    assert values.objective[seven] == pytest.approx(money - 480e3 * saved.sum(), rel=1e-9)


def test_terms_add_up_to_the_objective() -> None:
    states = [
        {"load": 1.0, "generation": 0.4, "hours": 1000.0},
        {"load": 0.5, "generation": 1.0, "hours": 500.0},
    ]
    investment = INVESTMENT | {"fixed_per_kw_year": 7.0, "variable_per_mwh": 30.0}
    more = {"states": states, "investment": investment, "subsidy_per_mwh": 9.0}
    net = small_net()
    net.gen = net.gen.drop(net.gen.index)
    more |= {"sites": [2, 3], "length_weight": 11.0, "load_weight": 5.0, "length": "km"}
    evaluator, values = enumerated(load_case({"limits": WIDE, "siting": TABLE | more}, net=net))
    k = int(np.flatnonzero(values.plan.all(axis=1))[0])
    row = values.take([k])
    parts = evaluator.parts(row)
    full = 0.4 * 1000 + 500
    saved = evaluator.base_loss_mw - row.loss_mw[0]
    expected = {
        "investment_per_year": 4000 * 50.0,
        "operation_per_year": 4000 * (7.0 + 30.0 * full / 1000),
        "loss_saving_per_year": -50.0 * (1000 * saved[0] + 500 * saved[1]),
        "subsidy_per_year": -9.0 * full / 1000 * 4000,
        "length_worth_per_year": -11.0 * (2 * 10.0 + 2 * 10.0),
        "load_worth_per_year": -5.0 * (2 * 10.0 + 2 * 5.0),
    }
    assert {name: float(v[0]) for name, v in parts.items()} == pytest.approx(expected)
    assert row.objective[0] == pytest.approx(sum(expected.values()))


def test_states_are_power_flows_of_their_loads() -> None:
    states = [{"load": 0.7, "generation": 0.5, "hours": 100.0}]
    _, values = enumerated(small(sites=[2], states=states, power_factor=0.9))
    net = small_net()
    net.load["scaling"] = 0.7
    pp.create_sgen(net, 2, 1.0, float(np.tan(np.arccos(0.9))))
    pp.runpp(net, numba=False, tolerance_mva=1e-9)
    assert values.loss_mw[-1, 0] == pytest.approx(net.res_line.pl_mw.sum(), abs=1e-7)


def test_weight_factor_is_lowered_until_the_budget_holds() -> None:
    # 2 MW cost 2 million; gamma 0.9^4 = 0.6561 is the first that 1.4 million pay.
    scenario = load_case(
        {"limits": WIDE, "budget": 1.4e6, "siting": TABLE | {"sites": [2, 3]}}, net=small_net()
    )
    _, values = enumerated(scenario)
    by_units = dict(zip(values.plan.sum(axis=1).tolist(), values.gamma.tolist(), strict=True))
    assert by_units[0] == 1.0
    assert by_units[1] == pytest.approx(0.9**4)
    assert by_units[2] == pytest.approx(0.9**10)  # 0.3487: 1.39 million
    assert not values.violation.any()
    assert (values.capacity_mw * 1e6 <= 1.4e6).all()


def test_weight_factor_is_lowered_until_the_voltage_holds() -> None:
    limits = {"vm_min": 0.5, "vm_max": 1.0005}
    net = small_net()
    net.gen = net.gen.drop(net.gen.index)
    siting = TABLE | {"sites": [3], "size_mw": 60.0}
    _, values = enumerated(load_case({"limits": limits, "siting": siting}, net=net))
    gamma = float(values.gamma[-1])
    assert 0.1 < gamma < 1.0
    assert values.max_vm[-1] <= 1.0005
    pp.create_sgen(net, 3, 60.0 * gamma / 0.9)  # a step before
    pp.runpp(net, numba=False)
    assert net.res_bus.vm_pu.max() > 1.0005


def test_weight_factor_ends_at_its_least() -> None:
    scenario = load_case(
        {"limits": WIDE, "budget": 1.0, "siting": TABLE | {"sites": [2], "gamma_min": 0.5}},
        net=small_net(),
    )
    _, values = enumerated(scenario)
    assert values.gamma[-1] == pytest.approx(0.9**6)
    assert values.violation[-1] > 1.0
    assert run_siting(scenario).labels == []


def test_roulette_wheel() -> None:
    # F above 0: 1/F, as printed
    assert wheel_shares([(0.0, 2.0), (0.0, 4.0)]) == pytest.approx([0.5, 0.25])
    # an F below 0: shifted, so that the least is a tenth of the range
    shares = wheel_shares([(0.0, -5.0), (0.0, 5.0), (0.0, 0.0)])
    assert shares == pytest.approx([1 / 1.0, 1 / 11.0, 1 / 6.0])
    assert wheel_shares([(0.0, -3.0), (0.0, -3.0)]) == pytest.approx([10.0, 10.0])
    # limits violated: below the worst that violates none, the less the more they are
    shares = wheel_shares([(0.0, 2.0), (0.5, -9.0), (3.0, -9.0), (np.inf, np.inf)])
    assert shares[1:3] == pytest.approx([0.5 / 1.5, 0.5 / 4.0])
    assert 0 < shares[3] < 1e-6


def test_first_generation_is_two_chromosomes_and_later_ones_are_whole() -> None:
    problem = siting_problem(ieee14())
    search = Search(Evaluator(problem))
    seen = []

    def fitness(population, generation):
        seen.append(list(population))
        return Search._fitness(search, population, generation)

    search._fitness = fitness
    search.run(3, NoProgress())
    assert seen[0] == [(1, 0, 1, 0, 1, 0, 1), (0, 1, 0, 1, 0, 1, 0)]
    assert {len(population) for population in seen[1:]} == {20}
    assert len(seen) == 61


def test_elite_stays_and_the_wheel_prefers_the_better() -> None:
    class Ones:
        def create(self):
            raise AssertionError("the first generation was given")

        def repair(self, genes):
            return tuple(genes)

        def mutate(self, genes, rate):
            genes[0] = 0  # destroys what the elite keeps

    seen = []

    def fitness(population, generation):
        seen.append(population)
        return [(0.0, 1.0 + 9.0 * (1 - genes[0])) for genes in population]

    options = GenerationalOptions(
        population=6, generations=3, selection="roulette", elite=1, until_alike=False
    )
    evolve(Ones(), fitness, options, seed=1, first=[[1, 0], [0, 1]])
    assert all(population[0][0] == 1 for population in seen)
    assert all(genes[0] == 0 for population in seen[1:] for genes in population[1:])


def test_same_seed_same_search_and_random_first_generations() -> None:
    case = {"extends": "ieee14_siting", "siting": {"first_generation": "random"}}
    problem = siting_problem(load_case(case))
    one, again, other = (run_siting(problem, seed=seed).search for seed in (4, 4, 5))
    assert list(one.known) == list(again.known)
    assert one.log == again.log
    assert list(one.known)[:20] != list(other.known)[:20]
    assert one.log[0]["evaluations"] == 20


@pytest.mark.slow
def test_exact_numbers_of_units_and_local_search_on_a_larger_network() -> None:
    case = {
        "network": "case_ieee30",
        "bus_label_offset": 1,
        "limits": WIDE,
        "siting": TABLE | {"units": 4, "size_mw": 5.0},
        "genetic": {"generations": 5, "population": 10},
    }
    result = run_siting(load_case(case), seed=0)
    problem, search = result.problem, result.search
    assert problem.n_site == 21  # buses with load
    assert result.plans == 5985
    assert all(sum(genes) == 4 for genes in search.known)
    assert result.found_best
    assert search.found_by == "local search"
    case["genetic"]["local_search"] = 0.0
    plain = run_siting(load_case(case), seed=0)
    assert plain.search.best.objective[0] > result.best.objective[0]
    assert plain.found_best is False
    assert plain.labels == result.labels  # what enumeration finds is the answer


def test_too_many_plans_are_searched_but_not_enumerated() -> None:
    case = {"network": "case_ieee30", "limits": WIDE, "siting": TABLE}
    scenario = load_case(case | {"genetic": {"generations": 2, "population": 4}})
    result = run_siting(scenario, seed=0)
    assert result.plans == 2**21
    assert not result.proven_best
    assert result.found_best is None
    with pytest.raises(InputError, match="2,097,152 plans"):
        run_siting(scenario, exhaustive=True)


def test_capacity_window_that_is_empty_is_reported() -> None:
    found = json.loads(hybridopt("run", write_paper_case({"load_min": 0.4}), "--json").out)
    (window,) = [limit for limit in found["constraints"] if limit["name"] == "capacity"]
    assert "cannot be met: S_Lmax = 98.164 MVA exceeds 2 S_Lmin = 78.531" in window["note"]
    assert window["at_least"] is None
    assert window["value"] <= window["at_most"]


@pytest.fixture(autouse=True)
def _in_a_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write_paper_case(siting, limits=""):
    keys = "\n".join(f"{name} = {json.dumps(value)}" for name, value in siting.items())
    text = f'extends = "ieee14_siting"\n{limits}\n[siting]\n{keys}\n'
    with open("mine.toml", "w", encoding="utf-8") as file:  # noqa: PTH123
        file.write(text)
    return "mine.toml"


@pytest.mark.parametrize(
    ("siting", "limits", "expected"),
    [
        # The printed limit: bus 7 lies at 1.0615 pu before any unit.
        ({}, "[limits]\nvm_max = 1.05", "bus 7: 1.06"),
        ({}, "[limits]\nvm_min = 1.03\nvm_max = 1.2", "bus 4: 1.0"),
        ({"size_mw": 1.0}, "", "S_DG 7.000 MVA, at least S_Lmax - S_Lmin = 19.633 MVA"),
        ({}, "budget = 1.0e8", "S_DG"),
    ],
)
def test_no_plan_meets_the_limits(siting, limits, expected) -> None:
    outcome = hybridopt("run", write_paper_case(siting, limits), "--out", "r")
    assert outcome.code == 3
    assert expected in outcome.err
    assert "every plan exceeds a limit; nearest: units at" in outcome.err
    with pytest.raises(NoSolutionError):
        run_siting(load_case("mine.toml"), exhaustive=True)


def test_loading_limits_a_plan() -> None:
    net = small_net()
    net.gen = net.gen.drop(net.gen.index)
    net.line["max_i_ka"] = 0.1  # 19 MVA; 25 MW come from bus 0
    siting = TABLE | {"sites": [1, 3], "size_mw": 10.0}
    result = run_siting(load_case({"limits": WIDE, "siting": siting}, net=net))
    assert len(result.labels) == 1
    assert float(result.best.max_loading[0]) <= 100.0
    siting["max_units"] = 0
    with pytest.raises(NoSolutionError, match=r"branch 0-1: loaded 13\d"):
        run_siting(load_case({"limits": WIDE, "siting": siting}, net=net))


def test_result_folder() -> None:
    outcome = hybridopt("run", "ieee14_siting", "--out", "r", "--seed", 2)
    assert outcome.code == 0
    found = json.load(open("r/summary.json", encoding="utf-8"))  # noqa: PTH123, SIM115
    assert found["plan"]["sites"] == [10, 13, 14]
    assert found["plan"]["genes"] == "0010011"
    assert found["plan"]["investment"] == pytest.approx(24e6 * 11.0)  # 24 MW at 11 CNY per W
    assert found["proven_best"] is True
    assert found["loss_mw_before"] == pytest.approx(losses_of_runpp((), 0.0), abs=1e-6)
    assert found["loss_mw_after"] == pytest.approx(losses_of_runpp((10, 13, 14), 8.0), abs=1e-6)
    assert found["verification"]["max_vm_difference_pu"] < 1e-8
    assert sum(found["terms"].values()) == pytest.approx(found["objective"])
    (paper, ours) = found["compared"]
    assert (paper["sites"], paper["rank_by_losses"], paper["of"]) == ([6, 11, 14], 19, 35)
    assert (ours["sites"], ours["rank_by_losses"], ours["rank"]) == ([10, 13, 14], 1, 1)
    plans = pd.read_csv("r/plans.csv")
    assert len(plans) == 128
    assert plans.sites[0] == "10 13 14"
    net = pp.from_json("r/network.json")
    assert sorted(net.bus.name[net.sgen.bus]) == ["10", "13", "14"]
    pp.runpp(net, numba=False)
    assert net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum() == pytest.approx(
        found["loss_mw_after"], abs=1e-6
    )
    page = open("r/report.html", encoding="utf-8").read()  # noqa: PTH123, SIM115
    assert "Units stand at 10, 13, 14" in page
    assert "http" not in page
    assert hybridopt("report", "r").code == 0
    assert open("r/report.html", encoding="utf-8").read() == page  # noqa: PTH123, SIM115
    before = open("r/summary.json", encoding="utf-8").read()  # noqa: PTH123, SIM115
    (finding,) = hybridopt("run", "ieee14_siting", "--out", "r").findings
    assert "exists already" in finding
    assert open("r/summary.json", encoding="utf-8").read() == before  # noqa: PTH123, SIM115
    assert hybridopt("run", "ieee14_siting", "--out", "r", "--force", "--exhaustive").code == 0


def test_seeds_make_a_table() -> None:
    outcome = hybridopt("run", "ieee14_siting", "--seeds", "0-2", "--out", "r", "--json")
    found = json.loads(outcome.out)
    assert [row["seed"] for row in found["seeds"]] == [0, 1, 2]
    assert found["found_best"] == 3
    assert found["best"]["objective"] == pytest.approx(found["worst"]["objective"])
    assert len(pd.read_csv("r/seeds.csv")) == 3
    again = hybridopt("run", "ieee14_siting", "--seed", 1, "--json")
    first = json.load(open("r/seed1/summary.json", encoding="utf-8"))  # noqa: PTH123, SIM115
    assert json.loads(again.out)["search"]["evaluations"] == first["search"]["evaluations"]
    assert "exists already" in hybridopt("run", "ieee14_siting", "--seeds", "0-2", "--out", "r").err


def test_check_shows_what_is_known_before() -> None:
    found = json.loads(hybridopt("check", "ieee14_siting", "--json").out)
    assert found["plans"] == 128
    assert found["lambdas"] == pytest.approx(
        {"lambda_1": 550.0, "lambda_2": 480.0, "lambda_3": 504.0}
    )
    shown = hybridopt("check", write_paper_case({}, "[limits]\nvm_max = 1.06")).out
    assert "a source holds the voltage there: bus 6 at 1.07 pu, 8 at 1.09 pu" in shown


def test_sites_after_an_event_are_those_with_supply() -> None:
    case = {"event": {"lines": ["2-3"], "generators": [3]}, "limits": WIDE}
    problem = siting_problem(load_case(case | {"siting": TABLE}, net=small_net()))
    assert problem.label == (1, 2)
    with pytest.raises(InputError, match="without supply: bus 3"):
        siting_problem(load_case(case | {"siting": TABLE | {"sites": [2, 3]}}, net=small_net()))


BAD = """network = "case14"
bus_label_offset = 1
currency = "CNY"
[siting]
sites = [6, 99, 11]
size_mw = 8.0
site_sizes_mw = { 9 = 1.0 }
units = 4
energy_price_per_mwh = 400.0
compare = [[6, 12]]
[siting.investment]
technology = "gas"
[genetic]
selection = "best"
"""
BAD_FOUND = [
    "bad.toml:5 [siting] sites[1]: no bus 99; buses are labelled 1 to 14",
    "bad.toml:7 [siting.site_sizes_mw] 9: bus 9 is not among the sites",
    "bad.toml:8 [siting] units: asks for 4 units, but there are 3 sites",
    "bad.toml:10 [siting] compare[0][1]: bus 12 is not among the sites",
    "bad.toml:11 [siting.investment]: capital_per_kw, fixed_per_kw_year, variable_per_mwh",
    "bad.toml:14 [genetic] selection: says nothing in a siting study",
]
LINES = {  # what is changed, what is found
    "twice": ("sites = [6, 9, 6]", "bad.toml:5 [siting] sites: bus 6 is listed twice"),
    "no site": ("sites = []", "bad.toml:5 [siting] sites: lists nothing"),
    "text": ('sites = "all"', 'bad.toml:5 [siting] sites: must be "loads" or a list'),
    "size 0": ("size_mw = 0", "bad.toml:6 [siting] size_mw: must be above 0, found 0"),
    "size NaN": ("size_mw = nan", "bad.toml:6 [siting] size_mw: must be a finite number"),
    "price": ("energy_price_per_mwh = -1", "bad.toml:7 [siting] energy_price_per_mwh: must be at"),
    "price NaN": ("energy_price_per_mwh = nan", "bad.toml:7 [siting] energy_price_per_mwh: must"),
    "life": ("life_years = 0", "bad.toml:10 [siting.investment] life_years: must be above 0"),
    "capital": ("capital_per_kw = -5", "bad.toml:9 [siting.investment] capital_per_kw: must be"),
    "rate": ("mutation_rate = 1.2", "bad.toml:12 [genetic] mutation_rate: must lie in [0, 1]"),
    "crossover": ("crossover_rate = nan", "bad.toml:13 [genetic] crossover_rate: must be a finite"),
}
SOUND = """network = "case14"
bus_label_offset = 1
currency = "CNY"
[siting]
sites = [6, 9]
size_mw = 8.0
energy_price_per_mwh = 4.0
[siting.investment]
capital_per_kw = 5.0
life_years = 20
[genetic]
mutation_rate = 0.2
crossover_rate = 0.8
"""


def test_everything_that_is_wrong_is_listed_with_its_line(tmp_path) -> None:
    (tmp_path / "bad.toml").write_text(BAD, encoding="utf-8")
    for command in ("run", "check"):
        found = hybridopt(command, "bad.toml").findings
        assert len(found) == len(BAD_FOUND)
        for want in BAD_FOUND:
            assert any(finding.startswith(want[:50]) for finding in found), (want, found)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.toml"]


@pytest.mark.parametrize("name", LINES)
def test_bad_values_are_findings(name, tmp_path) -> None:
    line, expected = LINES[name]
    key = line.partition(" ")[0]
    lines = [line if old.startswith(f"{key} =") else old for old in SOUND.splitlines()]
    (tmp_path / "bad.toml").write_text("\n".join(lines), encoding="utf-8")
    (finding,) = hybridopt("run", "bad.toml", "--out", "r").findings
    assert finding.startswith(expected)
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ("gamma_factor = 1.0", "gamma_factor: must be below 1, found 1.0"),
        ("gamma_factor = 0.0", "gamma_factor: must be above 0, found 0.0"),
        ("load_max = 0.9", "load_max: says nothing without load_min"),
        ("load_min = 0.9\nload_max = 0.5", "load_max: must be at least load_min = 0.9"),
        ("units = 1\nmax_units = 2", "max_units: give either units or max_units"),
        ("states = [{ hours = 9000.0 }]", "[siting.states[0]] hours: must be at most 8760"),
        ("states = [{ hours = 5000.0 }, { hours = 5000.0 }]", "states: have 10000 hours"),
        ("states = [{ generation = 1.5 }]", "[siting.states[0]] generation: must lie in [0, 1]"),
        ("unknown = 1", "unknown: unknown key"),
    ],
)
def test_bad_terms_are_findings(more, expected, tmp_path) -> None:
    text = SOUND.replace("[siting]\n", f"[siting]\n{more}\n")
    (tmp_path / "bad.toml").write_text(text, encoding="utf-8")
    (finding,) = hybridopt("run", "bad.toml").findings
    assert expected in finding
    assert finding.startswith("bad.toml:")


def test_options_that_say_nothing_are_findings() -> None:
    found = hybridopt("run", "ieee14_siting", "--resume", "--verbose", "--seeds", "x").findings
    assert [finding.partition(":")[0] for finding in found] == ["--resume", "--verbose", "--seeds"]
    (finding,) = hybridopt("run", "ieee14_siting", "--exhaustive", "--seeds", "0-1").findings
    assert "draws no random numbers" in finding
