"""``hybridopt reconfigure`` as a whole: results, faults, files, bad input, exit codes."""

import copy
import json

import numpy as np
import pandapower as pp
import pandapower.networks
import pandas as pd
import pytest
from command_line import hybridopt

from hybridopt.errors import InputError, NoSolutionError
from hybridopt.feeder_dispatch import DGOptions
from hybridopt.feeder_goal import Goal
from hybridopt.feeder_limits import loadings
from hybridopt.feeder_pictures import convergence
from hybridopt.network import read_network
from hybridopt.network_feeder import feeder_from_net
from hybridopt.reconfigure import ReconfigureOptions, reconfigure
from hybridopt.supply import dark_as_before, switching_steps


def summary(*arguments, code=0, folder=None):
    done = hybridopt("reconfigure", *arguments, "--json", folder=folder)
    assert done.code == code, done.err
    return json.loads(done.out)


def by_runpp(net, opens, fault=()):
    """Losses in kW and lowest voltage of a net with the named lines open, by pandapower."""
    net.line["in_service"] = ~net.line.name.astype(str).isin([*map(str, opens), *fault])
    pp.runpp(net, tolerance_mva=1e-10)
    return 1e3 * net.res_line.pl_mw.sum(), float(net.res_bus.vm_pu.min())


def test_the_contract_s_keys():
    found = summary("baranwu33")
    assert found["status"] == "optimal"
    assert found["loss_kw_before"] == pytest.approx(202.6771, abs=1e-4)
    assert found["loss_kw_after"] == pytest.approx(139.5513, abs=1e-4)
    assert found["min_vm_pu_before"] == pytest.approx(0.91309, abs=1e-5)
    assert found["min_vm_pu_after"] == pytest.approx(0.93782, abs=1e-5)
    assert found["open_branches"] == [7, 9, 14, 32, 37]
    assert found["switching_operations"] == 8
    assert found["dg"] == []
    assert found["proven_optimal"] is True
    assert found["configurations"] == 50751
    assert found["seed"] == 0
    keys = {"total_voltage_drop_pu_after", "max_voltage_drop_pu_after", "evaluations", "proof_s"}
    assert keys | {"wall_s"} <= set(found)
    assert found["verification"]["max_vm_difference_pu"] < 1e-9
    assert found["verification"]["max_loss_difference_kw"] < 1e-6


def test_names_that_say_their_ends_are_printed_once(tmp_path):
    net = read_network("civanlar16")
    ends = zip(net.line.from_bus, net.line.to_bus, strict=True)
    net.line["name"] = [f"line {f}-{t}" for f, t in ends]
    net.line.loc[net.line.index[-1], "name"] = "tie"
    pp.to_json(net, str(tmp_path / "net.json"))
    printed = hybridopt("reconfigure", tmp_path / "net.json", "--out", tmp_path / "out").out
    assert "Open: line 8-10, line 9-11\nClose: line 5-11, line 10-14\n" in printed
    printed = hybridopt("reconfigure", "civanlar16", "--out", tmp_path / "own").out
    assert "Close: 14 (5-11), 15 (10-14)\n" in printed


def test_pandapower_s_own_net_gives_the_same():
    found = summary("case33bw")
    assert found["open_branches"] == [7, 9, 14, 32, 37]
    assert found["loss_kw_after"] == pytest.approx(139.5513, abs=1e-4)


def test_every_radial_state_on_the_way():
    result = reconfigure(read_network("zhang118"), name="zhang118")
    assert all(step.radial for step in result.steps)
    assert len(result.steps) == len(result.opened) + len(result.newly_closed)
    state = result.closed_before.copy()
    for step in result.steps:
        assert state[step.branch] != step.closes
        state[step.branch] = step.closes
    assert (state == result.closed_after).all()


def test_a_fault_is_restored_radially_and_repair_leads_back():
    net = read_network("baranwu33")
    before = net.line.in_service.copy()
    result = reconfigure(net, ReconfigureOptions(fault=("6",)), name="baranwu33")
    assert (net.line.in_service == before).all()
    names = result.feeder.branch_name
    opens = [names[m] for m in np.flatnonzero(~result.closed_after)]
    kw, lowest = by_runpp(read_network("baranwu33"), opens, ["6"])
    assert kw == pytest.approx(1e3 * result.flow_after.measures["loss"], abs=1e-6)
    assert lowest == pytest.approx(result.flow_after.measures["min_vm"], abs=1e-9)
    assert result.steps[-1].served_mw == pytest.approx(3.715)
    assert result.proven_optimal
    # From the restored state nothing is left to do; after the repair the old optimum returns.
    again = read_network("baranwu33")
    again.line["in_service"] = ~again.line.name.astype(int).isin([int(n) for n in opens])
    again.line["in_service"] &= again.line.name != "6"
    assert not reconfigure(again, ReconfigureOptions(fault=("6",)), name="again").steps
    repaired = reconfigure(again, name="again")
    assert repaired.value == pytest.approx(139.5513, abs=1e-4)


def test_what_cannot_be_fed_is_named():
    found = summary("baranwu33", "--fault", "1")  # the only way from the source
    assert found["served_mw"] == 0.0
    assert not found["fully_served"]
    assert sum(section["load_mw"] for section in found["dead_sections"]) == pytest.approx(3.715)
    found = summary("baranwu33", "--fault", "17,36,32")
    dark = {bus for section in found["dead_sections"] for bus in section["buses"]}
    assert dark == {"18", "33"}
    assert found["served_mw"] == pytest.approx(3.715 - 0.09 - 0.06)
    assert "every way to a source" in found["dead_sections"][0]["reason"]


def test_what_stays_dark_is_left_as_it_was():
    found = summary("baranwu33", "--fault", "2", "--fault", "18")  # all but bus 2
    assert found["fault"] == [2, 18]
    assert found["opened"] == found["closed"] == found["steps"] == []
    assert found["open_branches"] == [33, 34, 35, 36, 37]
    assert [len(section["buses"]) for section in found["dead_sections"]] == [27, 4]
    placed = summary("baranwu33", "--fault", "3,6,25", "--dg", "1")  # every way to 4, 5, 6
    assert placed["dead_sections"][0]["buses"] == ["4", "5", "6"]
    assert not {4, 5} & set(placed["opened"])


def test_dark_loops_are_opened_and_fixed_branches_stay():
    net = read_network("baranwu33")
    net.line["in_service"] = True  # five loops
    net.line["switchable"] = net.line.name.astype(int) > 32
    feeder = feeder_from_net(net)
    faulted = feeder.without([0])
    found = dark_as_before(faulted, faulted.closed & faulted.usable, faulted.closed & False)
    assert [feeder.branch_name[m] for m in np.flatnonzero(~found)] == [1, 33, 34, 35, 36, 37]
    fed = dark_as_before(feeder, feeder.closed, feeder.closed)  # nothing is dark
    assert fed.all()


def test_load_is_left_dark_before_a_limit_is_violated():
    found = summary("baranwu33", "--fault", "3", "--vm-min", "0.95")
    assert found["status"] == "optimal"
    assert found["min_vm_pu_after"] >= 0.95
    assert 0 < found["served_mw"] < 3.715
    assert any("limit" in section["reason"] for section in found["dead_sections"])
    assert found["verification"]["max_vm_difference_pu"] < 1e-9


def test_a_limit_that_no_configuration_meets():
    done = hybridopt("reconfigure", "baranwu33", "--vm-min", "0.96", "--json")
    assert done.code == 3
    assert "bus" in done.err
    assert "short by" in done.err
    assert json.loads(done.out)["status"] == "infeasible"


def test_a_day_of_profiles(tmp_path):
    factors = 0.4 + 0.6 * np.sin(np.linspace(0.2, 2.9, 24))
    pd.DataFrame({"hour": range(1, 25), "factor": factors}).to_csv(
        tmp_path / "day.csv", index=False
    )
    found = summary("baranwu33", "--profile", tmp_path / "day.csv")
    assert found["hours"] == 24
    kwh = 0.0
    for factor in factors:
        net = read_network("baranwu33")
        net.load["scaling"] = factor
        kwh += by_runpp(net, found["open_branches"])[0]
    assert found["loss_kwh_after"] == pytest.approx(kwh, abs=1e-5)
    assert found["loss_kw_after"] == pytest.approx(kwh / 24, abs=1e-6)
    assert found["proven_optimal"]


def test_a_network_that_is_not_radial_is_opened():
    net = read_network("baranwu33")
    net.line["in_service"] = True
    result = reconfigure(net, name="ring")
    pp.runpp(net)
    assert result.flow_before.measures["loss"] == pytest.approx(net.res_line.pl_mw.sum(), rel=1e-6)
    assert result.value == pytest.approx(139.5513, abs=1e-4)
    assert len(result.opened) == 5
    with pytest.raises(InputError, match="not radial"):
        reconfigure(net, ReconfigureOptions(fixed_topology=True), name="ring")


def test_parallel_branches_and_several_sources():
    net = pp.create_empty_network(sn_mva=1.0)
    for _ in range(4):
        pp.create_bus(net, 20.0)
    pp.create_ext_grid(net, 0)
    pp.create_ext_grid(net, 3)
    for bus in (1, 2):
        pp.create_load(net, bus, 1.0, 0.5)
    for f, t, km in ((0, 1, 2.0), (0, 1, 1.0), (1, 2, 1.0), (2, 3, 1.0)):
        pp.create_line_from_parameters(net, f, t, km, 0.3, 0.3, 0.0, 1.0)
    result = reconfigure(net, name="two sources")
    assert [result.feeder.branch_name[m] for m in np.flatnonzero(~result.closed_after)] == [1, 3]
    assert result.proven_optimal
    assert result.configurations == 5
    best = min(_losses(net, opens) for opens in ([0, 1], [0, 2], [0, 3], [1, 2], [1, 3]))
    assert result.value == pytest.approx(1e3 * best, rel=1e-7)


def _losses(net, opens):
    net = pp.pandapowerNet(net)
    net.line["in_service"] = ~net.line.index.isin(opens)
    pp.runpp(net, tolerance_mva=1e-10)
    return float(net.res_line.pl_mw.sum())


def test_switches_open_and_close_the_net_itself():
    net = pandapower.networks.mv_oberrhein()
    before = copy.deepcopy(net)
    result = reconfigure(net, name="mv_oberrhein")
    for table in ("line", "switch", "trafo", "load", "sgen"):
        pd.testing.assert_frame_equal(net[table], before[table])
    assert result.verification["max_vm_difference_pu"] < 1e-9
    assert result.verification["max_loss_difference_kw"] < 1e-4
    pp.runpp(net, tolerance_mva=1e-9)
    first = 1e3 * (net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum())
    assert 1e3 * result.flow_before.measures["loss"] == pytest.approx(first, rel=1e-9)
    assert result.value < first


def test_too_much_load_has_no_configuration():
    net = read_network("baranwu33")
    net.load["scaling"] = 50.0
    with pytest.raises(NoSolutionError, match="none of"):
        reconfigure(net, name="heavy")


def test_the_result_folder(tmp_path):
    done = hybridopt("reconfigure", "civanlar16", "--out", tmp_path / "r", "--pareto",
                     "losses,switching_operations")  # fmt: skip
    assert done.code == 0, done.err
    assert "466.127" in done.out
    files = {path.name for path in (tmp_path / "r").iterdir()}
    wanted = {"summary.json", "buses.csv", "branches.csv", "generations.csv", "steps.csv"}
    assert wanted | {"pareto.csv", "network.json", "report.html"} <= files
    net = pp.from_json(str(tmp_path / "r" / "network.json"))
    pp.runpp(net)
    assert 1e3 * net.res_line.pl_mw.sum() == pytest.approx(466.1267, abs=1e-3)
    buses = pd.read_csv(tmp_path / "r" / "buses.csv")
    assert buses.vm_pu.min() == pytest.approx(0.97158, abs=1e-5)
    again = hybridopt("reconfigure", "civanlar16", "--out", tmp_path / "r")
    assert "exists already" in again.findings[0]
    forced = hybridopt("reconfigure", "civanlar16", "--out", tmp_path / "r", "--force", "--quiet")
    assert forced.code == 0, forced.err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--objective", "speed"], ["--objective speed", "losses"]),
        (["--encoding", "binary"], ["--encoding binary", "prufer"]),
        (["--weights", "1,2"], ["--weights", "three numbers"]),
        (["--weights", "1,-2,3"], ["--weights", "at least 0"]),
        (["--fault", "77"], ["--fault 77", "no branch"]),
        (["--fault", "7,7"], ["--fault 7", "twice"]),
        (["--fault", "7", "--fault", "7"], ["--fault 7", "twice"]),
        (["--fault", ","], ["--fault", "no branch"]),
        (["--penalty", "10"], ["--penalty", "prufer"]),
        (["--pareto", "losses"], ["--pareto", "two or more"]),
        (["--pareto", "losses,cost"], ["--pareto cost"]),
        (["--vm-min", "1.1", "--vm-max", "1.0"], ["--vm-min", "below"]),
        (["--dg", "2", "--dg-pf", "1.3"], ["--dg-pf", "(0, 1]"]),
        (["--dg-max-mw", "1"], ["--dg-max-mw", "without --dg"]),
        (["--dg", "2", "--dg-buses", "99"], ["--dg-buses 99", "no bus"]),
        (["--switchable", "1,x"], ["--switchable"]),
        (["--profile", "none.csv"], ["none.csv"]),
        (["--fixed-topology", "--fault", "7"], ["--fixed-topology"]),
    ],
)
def test_bad_options_are_findings(arguments, words):
    findings = "\n".join(hybridopt("reconfigure", "baranwu33", *arguments).findings)
    for word in words:
        assert word in findings


def test_every_finding_at_once():
    found = hybridopt(
        "reconfigure", "baranwu33", "--objective", "speed", "--weights", "a", "--dg-pf", "7"
    ).findings
    assert len(found) >= 3
    assert (
        len(hybridopt("reconfigure", "baranwu33", "--objective", "a", "--encoding", "b").findings)
        == 2
    )


def test_unknown_networks_have_a_hint():
    assert "baranwu33" in hybridopt("reconfigure", "baranwu3").findings[0]


def test_a_generator_that_holds_a_voltage_is_refused():
    (finding,) = hybridopt("reconfigure", "case9").findings
    assert "gen 0, 1: each holds" in finding
    assert "static generator" in finding


def test_a_case_gives_network_fault_and_curve(tmp_path):
    curve = [0.5 + 0.02 * h for h in range(24)]
    (tmp_path / "c.toml").write_text(
        f'network = "case33bw"\nbudget = 1.0\n[event]\nlines = ["5-6"]\n[load]\ncurve = {curve}\n'
    )
    found = summary(tmp_path / "c.toml")
    assert found["hours"] == 24
    assert found["fault"] == [6]
    assert found["served_mw"] == pytest.approx(3.715 * max(curve))


def test_steps_of_a_fault_restore_first():
    feeder = feeder_from_net(read_network("baranwu33"), "f")
    after = feeder.closed.copy()
    fault = feeder.branch_name.index(6)
    after[fault] = False
    after[feeder.branch_name.index(33)] = True
    steps = switching_steps(feeder, feeder.closed, after, (fault,))
    assert [(feeder.branch_name[s.branch], s.closes) for s in steps] == [(33, True)]
    assert steps[0].served_mw == pytest.approx(3.715)


def test_a_fault_is_restored_by_the_ties_that_hold_the_voltage():
    found = summary("baranwu33", "--fault", "3,6,25")  # two dead sections, two ways to either
    assert [step["operation"] for step in found["steps"][:2]] == ["close", "close"]
    assert found["steps"][1]["served_mw"] == pytest.approx(found["served_mw"])
    assert min(step["min_vm_pu"] for step in found["steps"]) > 0.92  # 0.676 in the order of numbers


def test_goals_say_their_units():
    assert Goal().unit(1) == "kW"
    assert Goal().unit(24) == "kWh"
    assert "10 per kW" in Goal("weighted").unit(1)
    assert "10 per MW" in Goal("weighted", loss_unit="mw").unit(1)


def test_generation_after_a_fault_leaves_the_fault_out():
    found = summary("baranwu33", "--fault", "6", "--dg", "2")
    assert 6 not in found["opened"] + found["closed"]
    assert found["fully_served"]
    assert found["verification"]["max_loss_difference_kw"] < 1e-4
    assert found["verification"]["max_vm_difference_pu"] < 1e-7
    free = summary("baranwu33", "--dg", "2")
    assert found["loss_kw_after"] >= free["loss_kw_after"] - 1e-6


def test_the_value_of_a_fault_counts_what_is_switched():
    found = summary("baranwu33", "--fault", "6", "--objective", "switching_operations")
    assert found["objective_value"] == found["switching_operations"] == 1


def test_f1_is_the_sum_of_both_reductions():
    found = summary("baranwu33", "--dg", "3", "--objective", "loss_reduction")
    parts = found["loss_reduction"]
    gained = found["loss_kw_before"] - found["loss_kw_after"]
    assert parts["by_reconfiguration_kw"] + parts["by_dg_kw"] == pytest.approx(gained, abs=1e-9)
    assert found["objective_value"] == pytest.approx(gained, abs=1e-9)
    net = read_network("baranwu33")
    without, _ = by_runpp(net, found["open_branches"])
    assert parts["by_dg_kw"] == pytest.approx(without - found["loss_kw_after"], abs=1e-5)
    # Without charging, R (P^2 + Q^2) / V^2 at the receiving end is the loss itself.
    exact = parts["by_reconfiguration_kw"]
    assert parts["by_reconfiguration_closed_formula_kw"] == pytest.approx(exact, abs=1e-6)
    alone = summary("baranwu33", "--objective", "loss_reduction")
    assert alone["objective_value"] == pytest.approx(202.6771 - 139.5513, abs=1e-3)


def test_loss_reductions_of_hours_are_means_and_the_log_is_in_the_objective_s_unit():
    net = read_network("civanlar16")
    factors = np.array([[1.0], [0.5]]) * np.ones(len(net.load))
    found = reconfigure(net, ReconfigureOptions(dg=DGOptions(units=1)), factors=factors)
    before, after = (1e3 * f.measures["loss"] for f in (found.flow_before, found.flow_after))
    assert found.reduction["f1_kw"] == pytest.approx((before - after) / 2, abs=1e-6)
    assert found.log[-1]["best_losses"] == pytest.approx(found.value, rel=1e-6)
    assert found.value == pytest.approx(after, abs=1e-9)
    assert f"best so far: {found.value:.4f}" in convergence(found).wide


def test_loadings_are_those_of_pandapower():
    net = pandapower.networks.mv_oberrhein()
    net.line["max_i_ka"] *= 0.3
    result = reconfigure(net, name="mv_oberrhein")
    pp.runpp(net, tolerance_mva=1e-9)
    feeder = feeder_from_net(net, "mv_oberrhein")
    ours = loadings(feeder, feeder.closed, result.flow_before)[0]
    lines = np.array(feeder.branch_kind) == "line"
    theirs = net.res_line.loading_percent.loc[feeder.branch_index[lines]].to_numpy() / 100
    theirs[~feeder.closed[lines]] = 0.0  # charging of a line that hangs at one end
    assert ours[lines] == pytest.approx(theirs, rel=1e-6, abs=1e-9)
    assert result.status == "infeasible"
    assert "loaded to" in result.limit
    percent = float(result.limit.split()[-2])
    assert percent == pytest.approx(result.verification["max_loading_percent"], abs=0.01)


@pytest.mark.parametrize(
    "arguments",
    [
        ["--pareto", "losses,switching_operations"],
        ["--encoding", "prufer"],
        ["--proof"],
        ["--objective", "voltage_drop"],
    ],
)
def test_what_generation_leaves_unanswered_is_a_finding(arguments):
    findings = hybridopt("reconfigure", "baranwu33", "--dg", "1", *arguments).findings
    assert any(arguments[0] in finding for finding in findings)


def test_an_optimum_that_only_the_enumeration_found_says_so():
    found = summary("baranwu33", "--encoding", "keys")
    assert found["found_by"] == "enumeration"
    assert found["loss_kw_after"] == pytest.approx(139.5513, abs=1e-4)
    assert summary("baranwu33")["found_by"] == "search"


def test_steps_avoid_low_voltages_and_see_the_units():
    feeder = feeder_from_net(read_network("zhang118"), "zhang118")
    result = reconfigure(read_network("zhang118"), name="zhang118")
    lowest = [step.min_vm_pu for step in result.steps]
    assert min(lowest) >= result.flow_before.measures["min_vm"]
    assert result.steps[-1].min_vm_pu == pytest.approx(result.flow_after.measures["min_vm"])
    assert feeder.is_radial(result.closed_after)
    found = summary("baranwu33", "--dg", "3")
    assert found["steps"][-1]["min_vm_pu"] == pytest.approx(found["min_vm_pu_after"], abs=1e-8)
