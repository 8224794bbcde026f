"""Reasons for a plan: days without its elements, and what relaxing limits would serve."""

import json
from dataclasses import replace

import numpy as np
import pandapower as pp
import pandas as pd
import pytest

from hybridopt.dispatch import Dispatcher
from hybridopt.grid import Plan, Unit
from hybridopt.network_scenario import load_case
from hybridopt.reasons import find_reasons, left_out
from hybridopt.report import write_report
from tests.command_line import SMALL_STUDY, hybridopt, write_case


@pytest.fixture(scope="module")
def scenario():
    return load_case("ieee9")


def dispatcher_of(scenario, grid=None):
    grid = scenario.damaged if grid is None else grid
    return Dispatcher(grid, scenario.space.sites, scenario.horizon, scenario.settings)


@pytest.fixture(scope="module")
def short(scenario):
    """IEEE 9 with line 5-6 and too small a generator at bus 9: the evening is short of power."""
    plan = Plan((scenario.space.candidates[0].branch,), (Unit(8, 30.0),))
    dispatcher = dispatcher_of(scenario)
    dispatch = dispatcher.dispatch(plan)
    return plan, dispatch, find_reasons(dispatcher, scenario.space, plan, dispatch)


def test_contributions_are_days_without_the_element(scenario, short) -> None:
    plan, dispatch, reasons = short
    line, unit = reasons.contributions
    assert (line.element, line.name, unit.element, unit.name) == ("line", "5-6", "dg", "dg 9")
    for found, rest in ((line, replace(plan, branches=())), (unit, replace(plan, units=()))):
        alone = dispatcher_of(scenario).dispatch(rest)
        assert found.unserved_mwh == pytest.approx(alone.unserved_mwh, abs=1e-3)
        assert found.operating_cost == pytest.approx(alone.operating_cost, rel=1e-6)
        lost = alone.unserved_mwh - dispatch.unserved_mwh
        assert found.lost_mwh == pytest.approx(lost, abs=1e-3)
        assert lost > 100
        assert found.plan_cost == pytest.approx(scenario.space.cost(rest))
        demand = dispatch.demand_mw.sum()
        assert found.served_mwh + found.unserved_mwh == pytest.approx(demand)


def test_shortfall_is_that_of_a_little_more(scenario, short) -> None:
    """Shadow prices against central differences of the load delivery."""
    plan, dispatch, reasons = short
    peak = int(dispatch.hours[np.argmax(dispatch.unserved_mw)])
    rows = reasons.shortfall[reasons.shortfall.hour == peak].set_index(["name", "limit"])
    grid = scenario.damaged
    base = grid.base_mva

    def served(changed):
        return -float(dispatcher_of(scenario, changed).deliver(plan).unserved_mw[0])

    k, step = grid.branch_name.index("5-6"), 0.5 / base
    more = [
        replace(grid, rate_from=grid.rate_from + d * at, rate_to=grid.rate_to + d * at)
        for at in [np.arange(grid.n_branch) == k]
        for d in (step, -step)
    ]
    gain = (served(more[0]) - served(more[1])) / (2 * step * base)
    assert rows.served_mw_per_unit["5-6", "max_loading"] == pytest.approx(gain, rel=0.02)
    bus, step = grid.bus_id.index(3), 1e-3
    more = [
        replace(grid, vm_max=grid.vm_max + d * (np.arange(grid.n_bus) == bus))
        for d in (step, -step)
    ]
    gain = (served(more[0]) - served(more[1])) / (2 * step)
    assert rows.served_mw_per_unit[3, "max_vm_pu"] == pytest.approx(gain, rel=0.02)
    assert gain > 100


def test_a_weak_source_is_what_stands_in_the_way() -> None:
    """Two buses: all that is missing is active power, so a MW more serves a MW, losses aside."""
    net = pp.create_empty_network()
    for _ in range(2):
        pp.create_bus(net, 110.0, min_vm_pu=0.9, max_vm_pu=1.1)
    for _ in range(2):
        pp.create_line_from_parameters(net, 0, 1, 1.0, 1e-3, 1e-2, 0.0, 99.0)
    pp.create_load(net, 1, 10.0, 0.0)
    pp.create_ext_grid(net, 0, min_p_mw=0.0, max_p_mw=4.0, min_q_mvar=-9.0, max_q_mvar=9.0)
    pp.create_poly_cost(net, 0, "ext_grid", 1.0)
    scenario = load_case({"event": {"lines": [1]}}, net=net)
    dispatcher = dispatcher_of(scenario)
    dispatch = dispatcher.dispatch(Plan())
    reasons = find_reasons(dispatcher, scenario.space, Plan(), dispatch)
    assert reasons.contributions == []
    rows = reasons.shortfall
    assert sorted(rows.hour.unique()) == list(range(1, 25))
    one = rows[rows.hour == 7].set_index(["name", "limit"]).served_mw_per_unit
    assert one["grid 0", "max_p_mw"] == pytest.approx(1.0, abs=1e-3)
    assert one[1, "supply"] == pytest.approx(1.0, abs=1e-3)
    assert list(rows[rows.hour == 7].served_mw_per_unit) == sorted(one, reverse=True)


def test_nothing_short_no_shortfall_and_each_element_once(scenario) -> None:
    plan = Plan((scenario.space.candidates[0].branch,), (Unit(4, 6.3), Unit(8, 82.4)))
    dispatcher = dispatcher_of(scenario)
    assert [name for _, name, _ in left_out(dispatcher, plan)] == ["5-6", "dg 5", "dg 9"]
    dispatch = dispatcher.dispatch(plan)
    assert dispatch.unserved_mwh < 1e-3
    assert find_reasons(dispatcher, scenario.space, plan, dispatch).shortfall.empty


def test_a_run_writes_and_shows_its_reasons(tmp_path) -> None:
    text = SMALL_STUDY.replace("max_mw = 20.0", "max_mw = 2.0").replace(
        "budget = 30.0", "budget = 3"
    )
    case = write_case(
        tmp_path,
        text=text.replace("\n[event]", "\n[limits]\ngenerators = { 3 = 8.0, 0 = 5.0 }\n[event]"),
    )
    out = tmp_path / "out"
    shown = hybridopt("run", case, "--out", out, "--workers", 1)
    assert shown.code == 0, shown.err
    found = json.loads((out / "summary.json").read_text())["reasons"]
    table = pd.read_csv(out / "reasons.csv")
    assert table.name.tolist() == [row["name"] for row in found["elements"]]
    assert len(table)
    assert (table.lost_mwh > 1).all()
    assert len(found["shortfall"]) == 24
    worst = found["shortfall"][0]
    assert worst["limits"]
    assert worst["buses"]
    limits = pd.read_csv(out / "shortfall.csv")
    assert limits.groupby("hour").size().index.tolist() == list(range(1, 25))
    assert "What each element brings" in shown.out
    page = write_report(out).read_text()
    for words in ("Reasons", "The day without each element of the plan", "What would serve more"):
        assert words in page
