"""A whole study and its files; a given plan; events that leave nothing."""

import csv
import json
from dataclasses import replace

import numpy as np
import pandapower as pp
import pytest

from hybridopt.errors import HybridoptError, InputError, NoSolutionError
from hybridopt.evaluate import Candidate, failed
from hybridopt.grid import Plan
from hybridopt.network_scenario import load_case
from hybridopt.output import summary, write_study
from hybridopt.progress import NoProgress
from hybridopt.single_dispatch import dispatch_network, dispatch_summary
from hybridopt.solvers.search import Run
from hybridopt.study import _check_dispatched, check_case, run_study

SMALL = {"extends": "ieee9", "genetic": {"population": 6, "generations": 1}}


@pytest.fixture(scope="module")
def study():
    return run_study(SMALL, seed=1, workers=1)


@pytest.fixture(scope="module")
def folder(study, tmp_path_factory):
    path = tmp_path_factory.mktemp("run")
    write_study(study, path)
    return path


def rows(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


STAGE = {
    "load_mw", "served_mw", "unserved_mw", "unserved_percent", "loss_mw",
    "min_vm_pu", "max_vm_pu", "max_loading_percent",
}  # fmt: skip
SUMMARY = {
    "": {
        "case", "seed", "status", "fully_served", "currency", "versions", "stages", "plan",
        "dispatch", "economics", "search", "verification",
    },
    "stages": {"before_event", "after_event", "after_plan"},
    "plan": {"cost", "budget", "lines", "dg"},
    "dispatch": {
        "hours", "operating_cost", "unserved_cost", "served_mwh", "unserved_mwh", "loss_mwh",
    },
    "economics": {
        "hours", "unserved_cost_after_event", "unserved_cost_after_plan", "avoided_cost",
    },
    "search": {"generations", "evaluations", "distinct_plans", "nlp_solves", "wall_s"},
    "verification": {
        "hours_checked", "max_mismatch_mva", "max_voltage_violation_pu", "max_loading_percent",
    },
}  # fmt: skip


def test_summary_has_every_key_of_the_contract(folder):
    data = json.loads((folder / "summary.json").read_text())
    for table, keys in SUMMARY.items():
        assert keys <= (data[table] if table else data).keys(), table
    for stage in data["stages"].values():
        assert stage.keys() >= STAGE
    for line in data["plan"]["lines"]:
        assert line.keys() >= {"name", "from_bus", "to_bus", "length_km", "cost"}
    for unit in data["plan"]["dg"]:
        assert unit.keys() >= {"bus", "max_p_mw", "p_mw", "q_mvar", "cost"}


def test_summary_adds_up(study):
    data = summary(study)
    for stage in data["stages"].values():
        assert stage["served_mw"] + stage["unserved_mw"] == pytest.approx(stage["load_mw"])
    dispatch, d = data["dispatch"], study.dispatch
    assert dispatch["hours"] == 24
    load = 315 * 11.495  # MWh, Table 7 of the paper
    assert dispatch["served_mwh"] + dispatch["unserved_mwh"] == pytest.approx(load, rel=1e-9)
    assert dispatch["unserved_cost"] == pytest.approx(5000 * dispatch["unserved_mwh"])
    balance = d.p_mw.sum() - dispatch["loss_mwh"]
    assert balance == pytest.approx(dispatch["served_mwh"], abs=1e-3)
    economics = data["economics"]
    assert economics["unserved_cost_after_event"] == pytest.approx(215 * 7 * 5000, rel=1e-6)
    saved = economics["unserved_cost_after_event"] - economics["unserved_cost_after_plan"]
    assert economics["avoided_cost"] == pytest.approx(saved)
    plan = data["plan"]
    parts = sum(part["cost"] for part in (*plan["lines"], *plan["dg"]))
    assert plan["cost"] == pytest.approx(parts)
    assert plan["cost"] <= plan["budget"] == 20.0
    assert data["verification"]["max_mismatch_mva"] < 1e-3
    assert data["verification"]["hours_checked"] == 24


def test_files_are_tidy(folder):
    dispatch, buses, branches = (
        rows(folder / f"{name}.csv") for name in ("dispatch", "buses", "branches")
    )
    assert {"hour", "element", "name", "bus", "p_mw", "q_mvar", "cost"} <= dispatch[0].keys()
    assert buses[0].keys() >= {"hour", "bus", "vm_pu", "va_degree", "demand_mw", "shed_mw"}
    assert branches[0].keys() >= {
        "hour", "branch", "p_from_mw", "q_from_mvar", "loading_percent",
    }  # fmt: skip
    assert {int(r["hour"]) for r in dispatch} == set(range(1, 25))
    assert len(buses) == 24 * 9
    assert {r["bus"] for r in buses} == {str(b) for b in range(1, 10)}
    peak = sum(float(r["demand_mw"]) for r in buses if r["hour"] == "19")
    assert peak == pytest.approx(315.0)
    assert len(rows(folder / "generations.csv")) == 2


def test_plan_file_gives_the_same_dispatch(study, folder):
    again = dispatch_network("ieee9", folder / "plan.json", None, NoProgress())
    assert again.dispatch.operating_cost == pytest.approx(study.dispatch.operating_cost, rel=1e-6)
    np.testing.assert_allclose(again.dispatch.shed_mw, study.dispatch.shed_mw, atol=1e-3)
    np.testing.assert_allclose(again.dispatch.vm_pu, study.dispatch.vm_pu, atol=1e-4)
    assert again.plan.branches == study.best.plan.branches
    assert [u.rating_mw for u in again.plan.units] == [u.rating_mw for u in study.best.plan.units]


def test_network_file_solves(folder, study):
    net = pp.from_json(str(folder / "network.json"))
    pp.runpp(net, init="dc", calculate_voltage_angles=True, numba=False)
    served = study.after_plan.served_mw.sum()
    assert net.res_load.p_mw.sum() == pytest.approx(served, abs=1e-3)


def test_plan_written_by_hand_needs_no_names(tmp_path):
    plan = {"lines": [{"from_bus": 9, "to_bus": 8}], "dg": [{"bus": 9, "max_p_mw": 60.0}]}
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(plan))
    result = dispatch_network("ieee9", path, None, NoProgress())
    grid = result.scenario.grid
    assert [grid.branch_name[k] for k in result.plan.branches] == ["8-9"]
    assert result.plan.units[0].rating_mw == 60.0


def test_dead_and_unrated_are_null(tmp_path):
    s = load_case({"extends": "ieee30", "genetic": {"population": 2, "generations": 1, "elite": 1},
                   "resources": {"dg": {"max_units": 0}}})  # fmt: skip
    result = run_study(s, seed=0, workers=1)
    write_study(result, tmp_path)
    data = json.loads((tmp_path / "summary.json").read_text())
    assert data["verification"]["max_loading_percent"] is None
    assert data["stages"]["after_event"]["max_loading_percent"] is None
    assert all(r["loading_percent"] == "" for r in rows(tmp_path / "branches.csv"))
    dead = {b for island in data["dead_islands"]["after_event"] for b in island["buses"]}
    before = check_case(s)
    dark = {str(b) for b in dead}
    assert dark
    assert np.isnan(before.after.vm_pu).sum() >= len(dead)
    if not result.best.plan.branches:
        assert {r["bus"] for r in rows(tmp_path / "buses.csv") if r["vm_pu"] == ""} >= dark


# --- regression cases of PowerModelsRestoration ---------------------------------------------------


def everything_damaged(**more):
    event = {
        "lines": list(range(9)),
        "generators": [1, 2],
        "external_grids": [0],
    }
    dg = {"max_units": 2, "cost_per_mw": 0.1, "operating_cost_per_mwh": 7.0}
    return {
        "network": "case9",
        "event": event,
        "budget": 15.0,
        "resources": {"lines": {"damaged": True, "cost": 2.0}, "dg": dg},
        "genetic": {"population": 12, "generations": 4},
        **more,
    }


def test_all_loads_lost_is_bad_input():
    """PowerModelsRestoration #53."""
    with pytest.raises(InputError, match=r"no load|every load"):
        load_case({"network": "case9", "event": {"loads": [4, 6, 8]}})


def test_everything_damaged_is_served_by_what_a_plan_adds():
    """PowerModelsRestoration #55: every line, generator and external grid is out."""
    case = everything_damaged()
    check = check_case(load_case(case))
    assert check.after.summary()["served_mw"] == 0
    assert np.isnan(check.after.vm_pu).all()
    assert sum(island.load_mw for island in check.dead) == pytest.approx(315)
    result = run_study(case, seed=0, workers=1)
    assert result.best.ok
    assert result.after_plan.summary()["served_mw"] > 90
    assert result.verification.max_mismatch_mva < 1e-3
    assert summary(result)["plan"]["cost"] <= 15.0


def test_everything_damaged_and_nothing_to_energise_it_is_bad_input():
    case = everything_damaged()
    case["resources"]["dg"]["grid_forming"] = False
    with pytest.raises(InputError, match="source"):
        load_case(case)


def test_one_lost_line_of_a_meshed_grid_costs_no_load():
    """PowerModelsRestoration #50, as understood: light damage must not shed what can be served."""
    check = check_case(load_case({"network": "case9", "event": {"lines": [4]}}))
    assert check.after.summary()["unserved_mw"] == pytest.approx(0, abs=1e-3)


# --- hours without a feasible point ---------------------------------------------------------------


def test_infeasible_hour_is_named_with_its_limit():
    net = pp.create_empty_network()
    for _ in range(3):
        pp.create_bus(net, 20.0, min_vm_pu=0.9, max_vm_pu=1.1)
    pp.create_ext_grid(net, 0, min_p_mw=3.0, max_p_mw=9.0)
    for f, t in ((0, 1), (1, 2)):
        pp.create_line_from_parameters(net, f, t, 1.0, 0.1, 0.2, 0.0, 0.4)
        pp.create_load(net, t, 2.0, 0.5)
    case = {"event": {"lines": [1]}, "load": {"curve": [2.0] * 11 + [1.0] + [2.0] * 12}}
    with pytest.raises(NoSolutionError, match=r"hour 12.*bus 0.*minimum"):
        check_case(load_case(case, net=net))


def test_dispatch_of_a_bare_network():
    result = dispatch_network("case9", None, None, NoProgress())
    data = dispatch_summary(result)
    assert data["objective"] == pytest.approx(5296.69, rel=1e-5)
    assert data["hours"] == 1
    assert data["fully_served"] is True
    assert data["status"] == "optimal"
    assert data["max_mismatch_mva"] < 1e-3


def test_plans_that_tie_are_settled_by_the_next_objective():
    """A stage 1 that serves the same with more or less money takes the least of it."""
    case = {
        "extends": "ieee9",
        "budget": 9.0,
        "dispatch_mode": "winner",
        "genetic": {"population": 12, "generations": 3},
    }
    result = run_study(case, workers=1)
    first = result.run.best.fitness[0]
    assert first > 0
    tied = [e for e in result.run.cache.values() if e.fitness[0] == first]
    assert tied
    assert all(e.complete for e in tied)
    assert result.best.fitness[1] == min(e.fitness[1] for e in tied)


def test_darkness_is_no_answer_where_the_solver_gave_up_on_what_would_serve():
    """Load 10 MW; without a plan all of it is dark, which needs no solver."""
    nothing = replace(failed(2, Candidate(Plan()), ""), status="optimal", fitness=(10.0, 0.0))
    nothing = replace(nothing, values=nothing.values | {"unserved_peak_mw": 10.0})
    line = failed(2, Candidate(Plan((3,))), "")
    with pytest.raises(HybridoptError, match="gave up on 1 of 2 plans, and no other serves any"):
        _check_dispatched(Run({Plan(): nothing, line.plan: line}), 9.999)
    _check_dispatched(Run({Plan(): nothing}), 9.999)
    lit = replace(nothing, values=nothing.values | {"unserved_peak_mw": 4.0})
    _check_dispatched(Run({Plan(): lit, line.plan: line}), 9.999)
