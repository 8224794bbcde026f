"""MATPOWER files: the same equations, limits and costs; every finding with its line."""

import contextlib
import copy
import functools
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandapower as pp
import pytest
from command_line import hybridopt
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridopt.errors import InputError
from hybridopt.export import plan_net
from hybridopt.network import prepare, read_network
from hybridopt.network_branches import charging_as_shunts
from hybridopt.network_flow import load_flow_before
from hybridopt.network_grid import grid_from_net
from hybridopt.network_matpower import net_from_matpower
from hybridopt.network_scenario import load_case
from hybridopt.study import check_case

DATA = Path(__file__).parent / "data"
EVERYTHING = DATA / "matpower" / "everything.m"
PGLIB = DATA / "pglib"
CASE5 = PGLIB / "pglib_opf_case5_pjm.m"
FILES = [EVERYTHING, *sorted(PGLIB.glob("*.m"))]
OBJECTIVES = {"5_pjm": 1.7552e4, "14_ieee": 2.1781e3, "30_ieee": 8.2085e3, "57_ieee": 3.7589e4}


@functools.cache
def prepared(path):
    net = prepare(read_network(str(path)))
    return grid_from_net(net)[0], net


def grid_of(path):
    grid, net = prepared(path)
    return grid, copy.deepcopy(net)


def crude(path):
    """The tables of a file, by other means than the package's."""
    text = re.sub(r"%\{.*?%\}", "", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    text = re.sub(r"\.\.\.\n", " ", re.sub(r"%.*", "", text)).replace("D-3", "e-3")
    found = {"base": float(re.search(r"baseMVA\s*=\s*([\d.]+)", text)[1])}
    for name in ("bus", "gen", "branch", "gencost"):
        body = re.search(rf"mpc\.{name} = \[(.*?)\]", text, re.DOTALL)[1].replace(",", " ")
        rows = [row.split() for row in re.split(r"[;\n]", body)]
        found[name] = np.array([[float(x) for x in row] for row in rows if row])
    return found


def in_grid_order(branch, net):
    tables = [t.matpower_row.to_numpy() for t in (net.line, net.trafo) if len(t)]
    return branch[np.concatenate(tables) - 1]


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_two_ports_are_those_of_matpowers_manual(path):
    grid, net = grid_of(path)
    b = in_grid_order(crude(path)["branch"], net)
    assert len(b) == grid.n_branch
    tap = np.where(b[:, 8] == 0, 1.0, b[:, 8]) * np.exp(1j * np.deg2rad(b[:, 9]))
    y, charging = 1 / (b[:, 2] + 1j * b[:, 3]), 1j * b[:, 4] / 2
    np.testing.assert_allclose(grid.y_ff, (y + charging) / abs(tap) ** 2, rtol=1e-12)
    np.testing.assert_allclose(grid.y_ft, -y / tap.conj(), rtol=1e-12)
    np.testing.assert_allclose(grid.y_tf, -y / tap, rtol=1e-12)
    np.testing.assert_allclose(grid.y_tt, y + charging, rtol=1e-12)
    label = np.array(grid.bus_id)
    assert (label[grid.branch_from] == b[:, 0]).all()
    assert (label[grid.branch_to] == b[:, 1]).all()
    assert (grid.branch_in_service == (b[:, 10] == 1)).all()


@pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)
def test_limits_demand_and_shunts_are_the_files(path):
    grid, net = grid_of(path)
    raw = crude(path)
    base, b, gen = raw["base"], in_grid_order(raw["branch"], net), raw["gen"]
    rate = np.where(b[:, 5] == 0, np.inf, b[:, 5] / base)
    np.testing.assert_allclose(grid.rate_from, rate, rtol=1e-12)
    np.testing.assert_allclose(grid.rate_to, rate, rtol=1e-12)
    assert grid.rate_is_power[b[:, 5] > 0].all()
    free = (b[:, 11] == 0) & (b[:, 12] == 0)
    low = np.where(free | (b[:, 11] <= -360), -np.inf, np.deg2rad(b[:, 11]))
    high = np.where(free | (b[:, 12] >= 360), np.inf, np.deg2rad(b[:, 12]))
    np.testing.assert_allclose(grid.angle_min, low, rtol=1e-12)
    np.testing.assert_allclose(grid.angle_max, high, rtol=1e-12)
    rows = {int(row[0]): row for row in raw["bus"]}
    bus = np.array([rows[i] for i in grid.bus_id])
    np.testing.assert_allclose(np.array(grid.demand()), bus[:, 2:4].T / base, atol=1e-15)
    np.testing.assert_allclose(np.array(grid.shunt()), bus[:, 4:6].T / base, atol=1e-15)
    assert (grid.vm_max == bus[:, 11]).all()
    assert (grid.vm_min == bus[:, 12]).all()
    assert set(grid.gen_kind) == {"gen"}
    assert (np.array(grid.bus_id)[grid.gen_bus] == gen[:, 0]).all()
    assert (grid.gen_in_service == (gen[:, 7] > 0)).all()
    limits = np.where(abs(gen) >= 1e10, np.copysign(np.inf, gen), gen)[:, [9, 8, 4, 3]].T / base
    ours = np.array([grid.p_min, grid.p_max, grid.q_min, grid.q_max])
    np.testing.assert_allclose(ours, limits, rtol=1e-12)


def test_costs_of_every_form():
    grid, net = grid_of(EVERYTHING)
    assert grid.gen_cost[0].tolist() == [100.0, 15.0, 0.02, 0.001]
    assert net.poly_cost.cp3_eur_per_mw3[0] == 0.001
    np.testing.assert_allclose(grid.gen_pwl[1], [[12, 300], [30, 660], [60, 1500]], rtol=1e-14)
    np.testing.assert_allclose(grid.gen_pwl[3], [[-9, -450], [0, -10]], rtol=1e-14)
    assert grid.gen_cost[4].tolist() == [50.0, 7.0, 0.0, 0.0]
    assert [k for k, points in enumerate(grid.gen_pwl) if points is None] == [0, 2, 4]


def test_what_each_row_becomes():
    grid, net = grid_of(EVERYTHING)
    assert net.line.matpower_row.tolist() == [1, 2, 5]  # 7-10 is parallel to 10-7
    # 110 to 20 kV without a tap, tap and shift, 20 to 1 kV (unknown), tap
    assert net.trafo.matpower_row.tolist() == [3, 4, 6, 7, 8]
    assert net.bus.name.tolist() == ["Nordkreuz", "It's 100% [a name]", "c", "d", "off"]
    assert net.bus.in_service.tolist() == [True] * 4 + [False]
    assert net.gen.slack.tolist() == [True, False, False, False, False]
    assert net.load.p_mw.tolist() == [20.0, -8.0, 30.0]  # a negative load stays one
    assert len(net.ext_grid) == len(net.sgen) == 0
    # neither a condenser nor a dispatchable load can energise an island
    assert grid.gen_forming.tolist() == [True, True, False, False, True]


@pytest.mark.parametrize("path", [EVERYTHING, CASE5], ids=lambda p: p.stem)
def test_saved_as_pandapower_it_is_the_same_grid(path, tmp_path):
    pp.to_json(read_network(str(path)), str(tmp_path / "net.json"))
    (grid, _), (again, _) = grid_of(path), grid_of(tmp_path / "net.json")
    for name, value in vars(grid).items():
        other = getattr(again, name)
        if name == "gen_pwl":
            assert all(np.array_equal(a, b) for a, b in zip(value, other, strict=True))
        elif isinstance(value, np.ndarray):
            np.testing.assert_allclose(value, other, rtol=1e-12, err_msg=name)
        elif name != "storage":
            assert value == other, name


def test_pandapower_solves_the_same_network_once_charging_is_shunts():
    """Voltages of pandapower's power flow leave no imbalance in the Grid's two-ports."""
    grid, net = grid_of(EVERYTHING)
    net.load["p_mw"] *= 0.3
    charging_as_shunts(net)
    assert "charging_hv_mvar" not in net.trafo
    pp.runpp(net, calculate_voltage_angles=True, tolerance_mva=1e-9, numba=False)
    position = {label: k for k, label in enumerate(grid.bus_id)}
    v, power = np.zeros(grid.n_bus, complex), np.zeros(grid.n_bus, complex)
    for i in net.bus.index[net.bus.in_service]:
        angle = np.deg2rad(net.res_bus.va_degree[i])
        v[position[i]] = net.res_bus.vm_pu[i] * np.exp(1j * angle)
    for table, sign in (("gen", 1), ("load", -1)):
        result = net[f"res_{table}"]
        for bus, p, q in zip(net[table].bus, result.p_mw, result.q_mvar, strict=True):
            power[position[bus]] += sign * complex(np.nan_to_num(p), np.nan_to_num(q))
    g, b = grid.shunt()
    power -= abs(v) ** 2 * (g - 1j * b) * grid.base_mva
    on = grid.branch_usable()
    f, t = grid.branch_from[on], grid.branch_to[on]
    flow_f = v[f] * np.conj(grid.y_ff[on] * v[f] + grid.y_ft[on] * v[t]) * grid.base_mva
    flow_t = v[t] * np.conj(grid.y_tf[on] * v[f] + grid.y_tt[on] * v[t]) * grid.base_mva
    np.add.at(power, f, -flow_f)
    np.add.at(power, t, -flow_t)
    assert abs(power).max() < 1e-6


def test_loading_before_the_event_counts_the_charging():
    """Flow at the from side of branch 7-4 (b -0.06, tap 1.02), from voltages alone."""
    scenario = load_case({"network": str(EVERYTHING)})
    stage = load_flow_before(scenario)
    grid, net = scenario.grid, scenario.net
    k = grid.branch_name.index("7-4")
    solved = copy.deepcopy(net)
    charging_as_shunts(solved)
    pp.runpp(solved, calculate_voltage_angles=True, numba=False, tolerance_mva=1e-9)
    v = solved.res_bus.vm_pu * np.exp(1j * np.deg2rad(solved.res_bus.va_degree))
    s_f = v[7] * np.conj(grid.y_ff[k] * v[7] + grid.y_ft[k] * v[4])
    s_t = v[4] * np.conj(grid.y_tf[k] * v[7] + grid.y_tt[k] * v[4])
    expected = 100 * max(abs(s_f), abs(s_t)) * grid.base_mva / 99.999
    assert stage.loading_percent[k] == pytest.approx(expected, rel=1e-6)


def test_a_case_may_ask_for_currents():
    net = read_network(str(CASE5))
    grid = grid_from_net(prepare(net), branch_limit="current")[0]
    assert not grid.rate_is_power.any()
    assert grid.rate_from[0] == 4.0  # 400 MVA at nominal voltage, of 100 MVA


# --- as users meet it -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objective_is_the_published_one(name, tmp_path):
    """`BASELINE.md` of PGLib prints five digits."""
    shutil.copy(PGLIB / f"pglib_opf_case{name}.m", tmp_path / "here.m")
    outcome = hybridopt("dispatch", "here.m", "--json", folder=tmp_path)
    assert outcome.code == 0
    summary = json.loads(outcome.out)
    assert summary["case"] == "here"
    assert summary["currency"] == "USD"
    assert summary["objective"] == pytest.approx(OBJECTIVES[name], rel=1e-4)
    assert summary["fully_served"]
    assert summary["max_mismatch_mva"] < 1e-3


def test_exported_costs_are_the_files():
    scenario = load_case({"network": str(CASE5)})
    net = plan_net(scenario, check_case(scenario).dispatch, 0)
    assert net.poly_cost.cp1_eur_per_mw.tolist() == [14.0, 15.0, 30.0, 40.0, 10.0]


# --- bad input ------------------------------------------------------------------------------------


def findings(text):
    with pytest.raises(InputError) as caught:
        net_from_matpower(text, "bad.m")
    return [str(finding) for finding in caught.value.findings]


def line_of(text, part):
    """Number of the line in which a part of the text begins."""
    return text[: text.index(part)].count("\n") + 1


SOUND = CASE5.read_text(encoding="utf-8")
HEAD = SOUND.index("function")
BRANCH = "1\t 2\t 0.00281\t 0.0281\t 0.00712\t 400.0\t 400.0\t 400.0\t 0.0\t 0.0\t 1\t -30.0\t 30.0"
ROW = "1 0 0 0 0 1 1 0 230 1 1.1 0.9"
LOAD = "2\t 1\t 300.0\t 98.61"
BAD = {  # what is replaced, by what, what is found in that line
    "NaN": (LOAD, "2\t 1\t NaN\t 98.61", "mpc.bus: PD is nan, not a number"),
    "infinite": (LOAD, "2\t 1\t 300\t -Inf", "mpc.bus: QD is -inf, not a number"),
    "a formula": (LOAD, "2\t 1\t 3*100\t 98.61", "'3*100' is not a number (formulas are not read)"),
    "a lone minus": (LOAD, "2\t 1\t 300\t - 98.61", "'-' is not a number"),
    "a short row": (LOAD, "2\t 1\t 98.61", "the row has 12 columns, the first has 13"),
    "no number": (LOAD, "2,\t 1,, 98.61", "a number is missing between two commas"),
    "a bus twice": (LOAD, f"1 {ROW}\n" + LOAD, "bus 1 stands twice in the table"),
    "bus number": (LOAD, f"2.5 {ROW}\n" + LOAD, "must be whole and positive, found 2.5"),
    "bus type": (LOAD, "2\t 7\t 300.0\t 98.61", "TYPE of bus 2 must be 1, 2, 3 or 4, found 7"),
    "isolated load": (LOAD, f"7 4 5 {ROW[4:]}\n" + LOAD, "bus 7 is isolated (TYPE 4), but has a"),
    "zero impedance": (BRANCH, BRANCH.replace("0.00281\t 0.0281", "0 0"), "1-2 has no impedance"),
    "unknown end": (BRANCH, BRANCH.replace("1\t 2", "1\t 9", 1), "there is no bus 9 for branch"),
    "loop": (BRANCH, BRANCH.replace("1\t 2", "1\t 1", 1), "begins and ends at one bus"),
    "rating": (BRANCH, BRANCH.replace("400.0", "-1", 1), "RATE_A of 1-2 is negative: -1"),
    "status": (BRANCH, BRANCH.replace("1\t -30", "2\t -30"), "BR_STATUS of 1-2 must be 0 or 1"),
    "angles": (BRANCH, BRANCH.replace("-30.0", "31"), "ANGMIN 31 of branch 1-2 lies above"),
    "tap": (BRANCH, BRANCH.replace("0.0\t 0.0\t 1", "-1\t 0\t 1"), "TAP of 1-2 is negative"),
    "limits": ("40.0\t 0.0;", "40.0\t 41;", "PMIN 41 of the generator at bus 1 lies above PMAX 40"),
    "capability": ("390.0\t -390.0", "-390.0\t 390.0", "QMIN 390 of the generator at bus 3 lies"),
    "gen's bus": ("5\t 300.0", "6\t 300.0", "there is no bus 6 for the generator"),
    "cost model": ("2\t 0.0\t 0.0\t 3", "3\t 0\t 0\t 3", "MODEL must be 1 (piecewise linear) or 2"),
    "cost length": (
        "2\t 0.0\t 0.0\t 3",
        "2\t 0\t 0\t 4",
        "NCOST 4 asks for 4 numbers, the row has 3",
    ),
    "cost surplus": (
        "2\t 0.0\t 0.0\t 3",
        "2\t 0\t 0\t 1",
        "numbers stand behind the 1 that NCOST 1",
    ),
    "version": ("'2'", "'1'", "mpc.version must be '2', found '1'"),
    "base": ("100.0;\n\n%% area", "0;\n\n%% area", "mpc.baseMVA must be a number above 0"),
    "unknown table": ("mpc.areas", "mpc.storage", "mpc.storage is not modelled; remove it"),
    "dc line": (
        "mpc.areas = [",
        "mpc.dcline = [1 2 1\n4 5 0];\nmpc.areas = [",
        "mpc.dcline: a DC li",
    ),
    "twice": ("mpc.areas", "mpc.baseMVA = 10;\nmpc.areas", "mpc.baseMVA is given twice (first in"),
    "change": ("mpc.areas", "mpc.bus(1, 3) = 5;\nmpc.areas", "is not an assignment of numbers"),
    "a call": (
        "mpc.areas",
        "mpc.name = zeros(3);\nmpc.areas",
        "mpc.name must be a number, a text or a",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_finding_has_its_line(name):
    old, new, message = BAD[name]
    text = SOUND.replace(old, new, 1)
    assert text != SOUND
    found = findings(text)
    assert all(finding.startswith(f"bad.m:{line_of(SOUND, old)}: ") for finding in found)
    assert message in found[0]
    assert len(found) == (2 if name == "bus number" else 1)  # nothing connects bus 2.5


CONVERSIONS = """
[PQ, PV, REF, NONE, BUS_I, BUS_TYPE, PD, QD, GS, BS, BUS_AREA, VM, ...
    VA, BASE_KV, ZONE, VMAX, VMIN, LAM_P, LAM_Q, MU_VMAX, MU_VMIN] = idx_bus;
[F_BUS, T_BUS, BR_R, BR_X, BR_B] = idx_brch;
Vbase = mpc.bus(1, BASE_KV) * 1e3;      %% in Volts
Sbase = mpc.baseMVA * 1e6;              %% in VA
mpc.branch(:, [BR_R BR_X]) = mpc.branch(:, [BR_R BR_X]) / (Vbase^2 / Sbase);
mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e3;
"""


def test_conversions_of_distribution_cases():
    plain = net_from_matpower(SOUND, "case5.m")
    found = net_from_matpower(SOUND + CONVERSIONS, "case5.m")
    ohm = plain.bus.vn_kv.iloc[0] ** 2 / 100.0  # of MATPOWER's per unit
    r, x = (plain.line[f"{part}_ohm_per_km"] for part in "rx")
    assert found.line.r_ohm_per_km.to_numpy() == pytest.approx(r.to_numpy() / ohm, rel=1e-12)
    assert found.line.x_ohm_per_km.to_numpy() == pytest.approx(x.to_numpy() / ohm, rel=1e-12)
    assert found.load.p_mw.to_numpy() == pytest.approx(plain.load.p_mw.to_numpy() / 1e3)
    assert found.load.q_mvar.to_numpy() == pytest.approx(plain.load.q_mvar.to_numpy() / 1e3)
    # case141: apparent powers, with a power factor of 0.85
    more = (
        "pf = 0.85;\nmpc.bus(:, QD) = mpc.bus(:, PD) * sin(acos(pf));\n"
        "mpc.bus(:, PD) = mpc.bus(:, PD) * pf;\n"
    )
    split = net_from_matpower(SOUND + more, "case5.m")
    mva = plain.load.p_mw.to_numpy()
    assert split.load.p_mw.to_numpy() == pytest.approx(0.85 * mva)
    assert split.load.q_mvar.to_numpy() == pytest.approx(np.sqrt(1 - 0.85**2) * mva)


def test_other_conversions_stay_findings():
    assert "is not an assignment" in findings(SOUND + CONVERSIONS.replace("Vbase =", "Ubase ="))[-1]
    (finding,) = findings(SOUND + "mpc.bus(:, [PD, QD]) = mpc.bus(:, [PD, QD]) / 1e6;\n")
    assert "is not an assignment" in finding


@pytest.mark.parametrize("table", ["bus", "gen", "branch", "gencost"])
def test_missing_and_empty_tables(table):
    start = SOUND.index(f"mpc.{table} = [")
    end = SOUND.index("];", start)
    (finding,) = findings(SOUND[:start] + SOUND[end + 2 :])
    assert f"has no mpc.{table}: is it cut off?" in finding
    (finding,) = findings(SOUND[:start] + f"mpc.{table} = [" + SOUND[end:])
    assert finding == f"bad.m:{line_of(SOUND, f'mpc.{table} = [')}: mpc.{table} is empty"
    found = findings(SOUND[: end - 3] + SOUND[end + 2 :])
    assert found[0].startswith(
        f"bad.m:{line_of(SOUND, f'mpc.{table} = [')}: mpc.{table} opens here"
    )


def test_rows_of_costs_must_match_the_generators():
    row = "\t2\t 0.0\t 0.0\t 3\t   0.000000\t  14.000000\t   0.000000;\n"
    (finding,) = findings(SOUND.replace(row, "", 1))
    line = line_of(SOUND, "mpc.gencost")
    assert finding.startswith(f"bad.m:{line}: mpc.gencost has 4 rows, but mpc.gen has 5")
    start = SOUND.index(row)
    end = SOUND.index("];", start)
    (finding,) = findings(SOUND[:end] + row.replace("14.0", "0.0") * 4 + row + SOUND[end:])
    assert "costs of reactive power are not modelled" in finding
    net = net_from_matpower(SOUND[:end] + row.replace("14.0", "0.0") * 5 + SOUND[end:], "sound.m")
    assert net.poly_cost.cp1_eur_per_mw.tolist() == [14.0, 15.0, 30.0, 40.0, 10.0]


def test_bus_that_nothing_connects():
    text = SOUND
    for row in ("1\t 2\t 0.00281", "2\t 3\t 0.00108"):
        line = next(x for x in SOUND.splitlines() if row in x)
        text = text.replace(line, line.replace("\t 1\t -30", "\t 0\t -30"))
    (finding,) = findings(text)
    place = line_of(SOUND, LOAD)
    assert finding.startswith(f"bad.m:{place}: mpc.bus: bus 2 is isolated: no branch in service")


def test_everything_at_once_in_the_order_of_the_file(tmp_path):
    text = SOUND
    for name in ("NaN", "version", "zero impedance", "limits", "cost model"):
        text = text.replace(BAD[name][0], BAD[name][1], 1)
    (tmp_path / "bad.m").write_text(text, encoding="utf-8")
    (tmp_path / "my.toml").write_text('network = "bad.m"\nbudget = -1\n', encoding="utf-8")
    found = hybridopt("dispatch", "bad.m", folder=tmp_path).findings
    assert found == findings(text)
    assert len(found) == 5  # one in each row that was changed
    lines = [int(finding.split(":")[1]) for finding in found]
    assert lines == sorted(lines)
    found = hybridopt("check", "my.toml", folder=tmp_path).findings
    assert [f for f in found if f.startswith("bad.m:")] == findings(text)


@settings(max_examples=60, deadline=None)
@given(st.integers(HEAD, len(SOUND)))
def test_a_file_cut_off_anywhere_is_refused_or_whole(at):
    """Behind its last table only comments can be lost."""
    whole = SOUND.rindex("];") + 1
    if at >= whole:
        assert len(net_from_matpower(SOUND[:at], "cut.m").line) == 6
    else:
        for finding in findings(SOUND[:at]):
            assert re.match(r"bad\.m:\d+: ", finding)


@settings(max_examples=25, deadline=None)
@given(st.integers(HEAD, len(SOUND)), st.text("[]{}();,%'\"=.\n\t 01-eNInfa\x00é", max_size=4))
def test_nothing_typed_into_a_file_makes_a_traceback(at, typed):
    with contextlib.suppress(InputError):
        net_from_matpower(SOUND[:at] + typed + SOUND[at:], "typed.m")


def test_text_from_windows_and_another_encoding(tmp_path):
    text = SOUND.replace("%% area data", "% données").replace("\n", "\r\n")
    (tmp_path / "latin.m").write_bytes(b"\xef\xbb\xbf" + text.encode("latin-1"))
    assert len(grid_of(tmp_path / "latin.m")[0].branch_name) == 6
