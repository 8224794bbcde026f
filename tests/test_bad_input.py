"""Whatever is wrong with the input: exit code 2, every finding with its place, nothing written."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pandapower as pp
import pytest
from command_line import EVENT, SMALL_STUDY, hybridopt, small_net, write_case

from hybridopt.errors import InputError
from hybridopt.network_scenario import load_case

DATA = Path(__file__).parent / "data" / "bad_input"
CASES = sorted(path.stem for path in DATA.glob("*.toml"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The bad cases beside the networks that they name."""
    folder = tmp_path_factory.mktemp("bad")
    shutil.copytree(DATA, folder, dirs_exist_ok=True)
    net = small_net()
    pp.to_json(net, str(folder / "net.json"))
    net.line.loc[0, "in_service"] = False
    pp.to_json(net, str(folder / "line_0_out.json"))
    for name in ("case.m", "net.xlsx"):
        (folder / name).write_text("something", encoding="utf-8")
    return folder


def key_of(place: str) -> str:
    """What must stand in the line that a place gives: its key, or else its table."""
    _, _, path = place.partition(" ")
    table, _, key = path.rpartition("] ")
    written = key or table
    if not table and written.startswith("["):
        written = written.strip("[]").rpartition(".")[2]
    return re.sub(r"\[\d+\]$", "", written)


@pytest.mark.parametrize("name", CASES)
def test_every_finding_of_a_case_has_its_place(folder, name):
    text = (folder / f"{name}.toml").read_text(encoding="utf-8")
    expected = [line[len("# finds: ") :] for line in text.splitlines() if line.startswith("# fi")]
    found = hybridopt("check", f"{name}.toml", folder=folder).findings
    left = list(found)
    for want in expected:
        hits = [finding for finding in left if want in finding]
        assert hits, f"{want!r} is not among {left}"
        left.remove(hits[0])
    assert left == []
    for finding in found:
        place = finding.partition(": ")[0]
        file, line = re.match(r"([\w.]+):(\d+) ", place + " ").groups()
        assert file in (f"{name}.toml", "nan.csv", "case.m")
        if file.endswith(".toml"):
            assert key_of(place) in text.splitlines()[int(line) - 1]


@pytest.mark.parametrize("command", ["check", "run", "dispatch"])
def test_every_command_lists_the_same(folder, command):
    found = hybridopt(command, "problems_in_different_places.toml", folder=folder).findings
    assert len(found) == (5 if command != "dispatch" else 4)


def net_with(change):
    net = small_net()
    change(net)
    return net


def set_value(table, row, column, value):
    def change(net):
        if isinstance(value, str | None):
            net[table][column] = net[table][column].astype(object)
        net[table].loc[row, column] = value

    return change


def drop(*tables):
    def change(net):
        for table in tables:
            net[table].drop(net[table].index, inplace=True)

    return change


def foreign(net):
    pp.create_bus(net, 20.0)
    pp.create_bus(net, 10.0)
    pp.create_transformer3w(net, 0, 4, 5, "63/25/38 MVA 110/20/10 kV")
    pp.create_dcline(net, 0, 1, 1.0, 1.0, 1.0, 1.0, 1.0)
    pp.create_ward(net, 1, 1.0, 1.0, 1.0, 1.0)
    pp.create_asymmetric_load(net, 1, 1.0, 1.0, 1.0)


def all_out(table):
    def change(net):
        net[table]["in_service"] = False

    return change


def no_source(net):
    all_out("ext_grid")(net)
    all_out("gen")(net)


def zero_impedance(net):
    net.line.loc[1, ["r_ohm_per_km", "x_ohm_per_km"]] = 0.0


def doubled_index(net):
    net.bus.index = [0, 1, 2, 2]


def ghost_switch(net):
    pp.create_switch(net, 0, 0, "l", closed=False)
    net.switch.loc[0, "element"] = 77


def reactive_cost(net):
    net.poly_cost.loc[0, "cq1_eur_per_mvar"] = 3.0


NOT_MODELLED = "1 in service, but this element is not modelled; take it out, or replace it"
NETS = {
    "NaN load": (set_value("load", 1, "p_mw", np.nan), ["load 1: p_mw must be a finite number"]),
    "load as text": (set_value("load", 1, "p_mw", "ten"), ["load 1: p_mw must be a number"]),
    "neither in nor out": (
        set_value("load", 1, "in_service", None),
        ["load 1: in_service must be true or false, found None"],
    ),
    "no scaling": (set_value("load", 0, "scaling", np.nan), ["load 0: scaling must be"]),
    "no voltage level": (set_value("bus", 2, "vn_kv", 0.0), ["bus 2: vn_kv must be above 0"]),
    "negative length": (set_value("line", 2, "length_km", -1.0), ["line 2: length_km must be"]),
    "zero impedance": (zero_impedance, ["line 1: impedance is zero"]),
    "crossed power": (set_value("gen", 0, "min_p_mw", 30.0), ["gen 0: min_p_mw 30 lies above"]),
    "crossed voltage": (set_value("bus", 0, "min_vm_pu", 1.2), ["bus 0: min_vm_pu 1.2 lies"]),
    "line to nowhere": (set_value("line", 0, "to_bus", 99), ["line 0: to_bus 99 is not a bus"]),
    "load at no bus": (set_value("load", 0, "bus", 99), ["load 0: bus 99 is not a bus"]),
    "switch of nothing": (ghost_switch, ["switch 0: there is no line 77"]),
    "reactive cost": (reactive_cost, ["poly_cost 0: costs of reactive power are not modelled"]),
    "column missing": (
        lambda net: net.load.drop(columns="q_mvar", inplace=True),
        ["load: has no column q_mvar"],
    ),
    "doubled index": (
        doubled_index,
        [
            "bus 2: this index stands twice",
            *("load 2: bus 3", "gen 0: bus 3", "line 2: to_bus 3"),
        ],
    ),
    "no source": (drop("ext_grid", "gen"), ["net.json: no source"]),
    "sources out": (no_source, ["net.json: no source"]),
    "no load": (drop("load"), ["net.json: no load in service"]),
    "loads out": (all_out("load"), ["net.json: no load in service"]),
    "buses out": (all_out("bus"), ["net.json: every bus is out of service"]),
    "nothing at all": (
        drop("bus", "line", "load", "gen", "ext_grid", "poly_cost"),
        ["net.json: the network has no bus", "net.json: no load in service"],
    ),
    "not modelled": (
        foreign,
        [f"{table}: {NOT_MODELLED}" for table in ("trafo3w", "dcline", "ward", "asymmetric_load")],
    ),
    "two at once": (
        lambda net: (zero_impedance(net), set_value("load", 0, "q_mvar", np.inf)(net)),
        ["load 0: q_mvar must be a finite number"],
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_every_finding_in_a_network_names_its_element(name, tmp_path):
    change, expected = NETS[name]
    write_case(tmp_path, text=EVENT, net=net_with(change))
    for command in (("check", "small.toml"), ("dispatch", "net.json")):
        found = hybridopt(*command, folder=tmp_path).findings
        assert len(found) == len(expected)
        for want in expected:
            assert any(want in finding for finding in found), (want, found)


def test_the_worked_example_is_sound(tmp_path):
    write_case(tmp_path)
    assert hybridopt("check", "small.toml", folder=tmp_path).code == 0


def as_json(**changes):
    data = json.loads(pp.to_json(small_net()))
    data["_object"].update(changes)
    return json.dumps(data)


FILES = {
    "newer": (
        as_json(format_version="99.0.0", version="99.1.0"),
        "was written by a newer pandapower (99.1.0, format 99.0.0;",
    ),
    "odd version": (as_json(format_version="abc"), "Invalid version"),
    "cut off": (as_json()[:5000], "is not JSON, or was cut off"),
    "empty": ("", "is not JSON, or was cut off: Expecting value (line 1, column 1)"),
    "a list": ("[1, 2]", "is not a pandapower network; pandapower.to_json writes one"),
    "a table": ('{"bus": 1}', "is not a pandapower network"),
    "too deep": ("[" * 100_000, "is not a pandapower network"),
    "a table that is none": (as_json(bus=5), "bus: is not a table of this network"),
    "other code": (
        json.dumps({"_module": "subprocess", "_class": "Popen", "_object": "true"}),
        "is not a pandapower network",
    ),
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_are_no_network(name, tmp_path):
    text, expected = FILES[name]
    (tmp_path / "net.json").write_text(text, encoding="utf-8")
    (tmp_path / "my.toml").write_text('network = "net.json"\n', encoding="utf-8")
    (from_network,) = hybridopt("dispatch", "net.json", folder=tmp_path).findings
    (from_case,) = hybridopt("check", "my.toml", folder=tmp_path).findings
    assert expected in from_network
    assert expected in from_case
    assert from_case.startswith(("my.toml:1 network: ", "net.json: "))


@pytest.mark.parametrize("name", ["np", "create_bus", "__doc__", "case99", "", ".", "/", "a b"])
def test_names_that_are_no_network(name, tmp_path):
    (finding,) = hybridopt("dispatch", name, folder=tmp_path).findings
    assert finding.startswith(f"{name or 'network'}: no such network")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("nowhere.toml", "no case file of this name"),
        ("iee9", "did you mean 'ieee9'?"),
        (".", "is a folder without a case.toml"),
        ("/", "is a folder without a case.toml"),
        ("", "is a folder without a case.toml"),
        ("net.json", "is a network, not a case: a case file names it, network = 'net.json'"),
        ("latin.toml", "is not UTF-8 text"),
        ("deep.toml", "nested too deeply"),
        ("twice.toml", "twice.toml:2: not valid TOML: Cannot overwrite a value"),
    ],
)
def test_names_that_are_no_case(name, expected, tmp_path):
    write_case(tmp_path)
    (tmp_path / "latin.toml").write_bytes('title = "é"'.encode("latin-1"))
    (tmp_path / "deep.toml").write_text("a = " + "[" * 5000, encoding="utf-8")
    (tmp_path / "twice.toml").write_text("budget = 1\nbudget = 2\n", encoding="utf-8")
    (finding,) = hybridopt("check", name, folder=tmp_path).findings
    assert expected in finding


def test_text_from_windows_and_names_with_spaces(tmp_path):
    write_case(tmp_path)
    text = '\ufeffnetwork = "net.json"\r\n\r\n[event]\r\nlines = ["Süd-Ring"]\r\n'
    (tmp_path / "Lücke im Netz.toml").write_bytes(text.encode())
    found = hybridopt("check", "Lücke im Netz.toml", folder=tmp_path).findings
    assert found == ["Lücke im Netz.toml:4 [event] lines[0]: no line Süd-Ring in the network"]


def test_a_fault_in_a_parent_is_listed_with_those_of_the_child(tmp_path):
    write_case(tmp_path, "parent.toml", '[event]\nlines = ["0-9"]\n')
    (tmp_path / "child.toml").write_text('extends = "parent.toml"\nbudget = "x"\n')
    found = hybridopt("check", "child.toml", folder=tmp_path).findings
    assert [finding.partition(" ")[0] for finding in found] == ["child.toml:2", "parent.toml:3"]


CURVE_OF_23 = [1] * 23
LINKS = {  # what is written in the case, what is found
    "valve point": (
        "[[costs.generators]]\ngenerator = 3\npolynomial = [0, 1]\nvalve_point = [1, 2, 3]",
        ["small.toml:5 [costs.generators[0]] valve_point: must have 2 entries, found 3"],
    ),
    "valve point of 1e7": (
        "[[costs.generators]]\ngenerator = 3\npolynomial = [0, 1]\nvalve_point = [1, 1e7]",
        ["small.toml:5 [costs.generators[0]] valve_point: 1e+07 rad/MW makes more than 200 valve"],
    ),
    "zones": (
        "[[costs.generators]]\ngenerator = 3\npolynomial = [0, 1]\nprohibited_mw = [[9, 2], 5]",
        [
            "small.toml:5 [costs.generators[0]] prohibited_mw[0]: low must not exceed high",
            "small.toml:5 [costs.generators[0]] prohibited_mw[1]: must be [low, high], found 5",
        ],
    ),
    "ramps": (
        '[limits]\nramps = { 3 = -1, 9 = 2, 0 = "x" }',
        [
            "small.toml:3 [limits.ramps] 3: must be at least 0, found -1",
            "small.toml:3 [limits.ramps] 0: must be a number, found 'x'",
        ],
    ),
    "availability": (
        f'[availability]\n3 = {CURVE_OF_23}\n2 = "no.csv"\n1 = "odd.csv"',
        [
            "small.toml:3 [availability] 3: must have 24 values (one per hour), found 23",
            "small.toml:4 [availability] 2: no.csv: cannot be read",
            "small.toml:5 [availability] 1: odd.csv:1: the header must be hour,factor",
        ],
    ),
    "prices": (
        f"[costs]\nimport_price = {CURVE_OF_23}",
        ["small.toml:3 [costs] import_price: must have 24 values (one per hour), found 23"],
    ),
    "storage": (
        '[[storage]]\nbus = "x"\nenergy_mwh = -1\ncolour = 2\ncharge_mw = true',
        [
            "small.toml:3 [storage[0]] bus: must be a whole number, found 'x'",
            "small.toml:4 [storage[0]] energy_mwh: must be above 0, found -1",
            "small.toml:6 [storage[0]] charge_mw: must be a number, found true",
            "small.toml:5 [storage[0]] colour: unknown key",
        ],
    ),
    "storage at no bus": (
        "[[storage]]\nbus = 9\nenergy_mwh = 1\ncharge_mw = 1",
        ["small.toml:3 [storage[0]] bus: no bus 9; buses are labelled 0 to 3"],
    ),
    "storage that cannot be filled": (
        "storage = [{bus=1, energy_mwh=9, charge_mw=0.1, start_energy_mwh=0, end_energy_mwh=8}]",
        ["small.toml:2 [storage[0]]: end_energy_mwh 8 is out of reach: charging gives 2.4"],
    ),
}


@pytest.mark.parametrize("name", LINKS)
def test_every_finding_about_hours_and_pieces_has_its_key(name, tmp_path):
    text, expected = LINKS[name]
    write_case(tmp_path, text=text)
    (tmp_path / "odd.csv").write_text("a,b\n1,2\n")
    found = hybridopt("dispatch", "small.toml", "--out", "out", folder=tmp_path).findings
    assert len(found) == len(expected), found
    for want in expected:
        assert any(finding.startswith(want) for finding in found), (want, found)
    assert not (tmp_path / "out").exists()


def test_a_file_of_another_kind_is_named(tmp_path):
    (tmp_path / "net.xlsx").write_text("PK\x03\x04 and so on")
    (finding,) = hybridopt("dispatch", "net.xlsx", folder=tmp_path).findings
    assert finding.startswith("net.xlsx: ")


NEW = {"kind": "new", "length_km": 1, "r_ohm_per_km": 0.1, "x_ohm_per_km": 0.1, "max_i_ka": 1}
PLANS = {
    "unknown keys": (
        {"linez": [], "dg": [{"bus": 1, "max_p_mw": 2, "colour": 1}]},
        ["dg[0].colour: unknown key", "linez: unknown key; did you mean 'lines'?"],
    ),
    "NaN": (
        {"dg": [{"bus": 1, "max_p_mw": float("nan")}]},
        ["dg[0].max_p_mw: must be a finite number, found nan"],
    ),
    "negative": (
        {"dg": [{"bus": 1, "max_p_mw": -2}]},
        ["dg[0].max_p_mw: must be at least 0, found -2"],
    ),
    "wrong types": (
        {"dg": [{"bus": True, "max_p_mw": "2"}]},
        ["dg[0].bus: must be a whole number", "dg[0].max_p_mw: must be a number"],
    ),
    "wrong buses": (
        {"lines": [{"from_bus": 0, "to_bus": 9}], "dg": [{"bus": 91, "max_p_mw": 2}]},
        ["lines[0]: no branch 0-9", "dg[0].bus: no bus 91 in the network"],
    ),
    "name of another line": (
        {"lines": [{"name": "1-2", "from_bus": 0, "to_bus": 1}]},
        ["lines[0]: 1-2 is not between 0 and 1"],
    ),
    "new line to nowhere": (
        {"lines": [{"from_bus": 0, "to_bus": 99, **NEW}]},
        ["lines[0].to_bus: no bus 99 in the network"],
    ),
    "new line to itself": (
        {"lines": [{"from_bus": 0, "to_bus": 0, **NEW}]},
        ["lines[0].to_bus: must differ from from_bus"],
    ),
    "new line without data": (
        {"lines": [{"from_bus": 0, "to_bus": 2, "kind": "new"}]},
        ["lines[0]: a new line needs length_km"],
    ),
    "no such kind": (
        {"lines": [{"from_bus": 0, "to_bus": 1, "kind": "banana"}]},
        ["lines[0].kind: must be 'repaired', 'new' or 'tie', found 'banana'"],
    ),
    "two units at a bus": (
        {"dg": [{"bus": 1, "max_p_mw": 2}, {"bus": 1, "max_p_mw": 3}]},
        ["dg: two units at one bus"],
    ),
    "unit at a lost bus": (
        {"dg": [{"bus": 3, "max_p_mw": 2}]},
        ["dg[0].bus: bus 3 is out of service after the event"],
    ),
    "a list": ([1], ["must be a plan"]),
}


@pytest.mark.parametrize("name", PLANS)
def test_every_finding_in_a_plan_has_its_key(name, tmp_path):
    plan, expected = PLANS[name]
    write_case(tmp_path, text="[event]\nbuses = [3]\n")
    (tmp_path / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    found = hybridopt("dispatch", "small.toml", "--plan", "plan.json", folder=tmp_path).findings
    assert len(found) == len(expected)
    for finding, want in zip(found, expected, strict=True):
        assert finding.startswith("plan.json")
        assert want in finding


def test_case_plan_profile_and_folder_are_all_looked_at(tmp_path):
    write_case(tmp_path)
    (tmp_path / "taken").write_text("mine")
    files = ("--plan", "no_plan.json", "--profile", "no_profile.csv", "--out", "taken")
    found = hybridopt("dispatch", "nowhere.toml", *files, folder=tmp_path).findings
    assert [re.split(r"[: ]", finding)[0] for finding in found] == [
        *("nowhere.toml", "no_plan.json", "no_profile.csv", "--out")
    ]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ({24: None}, "p.csv: must have 24 hours, found 23; missing: 24"),
        ({7: "nan"}, "p.csv:8: factor must be a number of at least 0, found nan"),
        ({7: "-1"}, "p.csv:8: factor must be a number of at least 0, found -1"),
        ({7: "much"}, "p.csv:8: factor must be a number, found 'much'"),
    ],
)
def test_profile(rows, expected, tmp_path):
    write_case(tmp_path)
    factors = dict.fromkeys(range(1, 25), "1") | rows
    text = "".join(f"{h},{f}\n" for h, f in factors.items() if f is not None)
    (tmp_path / "p.csv").write_text(f"hour,factor\n{text}")
    found = hybridopt("dispatch", "net.json", "--profile", "p.csv", folder=tmp_path).findings
    assert found == [expected]


def test_a_run_needs_an_event(tmp_path):
    write_case(tmp_path, text="")
    (finding,) = hybridopt("run", "small.toml", folder=tmp_path).findings
    assert "a run needs an [event]" in finding
    assert not (tmp_path / "results").exists()


def test_no_feasible_point_names_the_limit_and_writes_nothing(tmp_path):
    net = small_net()
    net.bus.loc[3, ["min_vm_pu", "max_vm_pu"]] = 1.3, 1.4
    write_case(tmp_path, net=net)
    done = hybridopt("dispatch", "net.json", "--out", "out", folder=tmp_path)
    assert (done.code, done.out) == (3, "")
    assert re.search(r"hour 1: bus 3: voltage [\d.]+ pu below its lower limit", done.err)
    assert not (tmp_path / "out").exists()


def test_a_solver_that_gave_up_is_a_failure_not_infeasible(tmp_path):
    write_case(tmp_path, text=f"{SMALL_STUDY}\n[ipopt]\nmax_iter = 1\n")
    done = hybridopt("run", "small.toml", folder=tmp_path)
    assert done.code == 1
    assert "Ipopt gave up (Maximum_Iterations_Exceeded)" in done.err
    assert not (tmp_path / "results").exists()


def test_no_load_connected_anywhere_is_refused_but_an_all_dead_grid_is_studied(tmp_path):
    """PowerModelsRestoration 53 (no load left) and 55 (everything damaged)."""
    write_case(tmp_path, text="[event]\nloads = [1, 2, 3]\n")
    assert "leaves no load" in hybridopt("check", "small.toml", folder=tmp_path).findings[0]
    gone = 'lines = ["0-1", "1-2", "2-3"]\ngenerators = [3]\nexternal_grids = [0]\n'
    write_case(tmp_path, text=SMALL_STUDY.replace('lines = ["0-1"]\n', gone))
    done = hybridopt("check", "small.toml", "--json", folder=tmp_path)
    assert done.code == 0
    after = json.loads(done.out)["stages"]["after_event"]
    assert after["served_mw"] == 0
    assert after["unserved_percent"] == 100
    assert after["min_vm_pu"] is None


def test_a_line_that_is_not_there_is_answered_with_those_at_its_bus(tmp_path):
    write_case(tmp_path, text='[event]\nlines = ["1-3", "0-2", "0-7"]\n')
    found = hybridopt("check", "small.toml", folder=tmp_path).findings
    assert [finding.partition(" in the network")[2] for finding in found] == [
        "; at bus 1: 0-1, 1-2",
        "; at bus 0: 0-1",
        "; buses are labelled 0 to 3",
    ]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("[resources.dg]\nmax_units = -1\ncost_per_mw = -1\nmin_mw = -1\n", 3),
        ("[event]\nlines = [1.5, 2.5, 3.5]\n", 3),
        # depot twice, x, y, and the rows and columns that are not there
        ('[restore.travel]\nmatrix = "m.csv"\ndepot = 1.5\n', 6),
    ],
)
def test_wrong_values_of_one_table_are_findings_each(text, count, tmp_path):
    (tmp_path / "case.toml").write_text('extends = "ieee9"\n' + text)
    (tmp_path / "m.csv").write_text("place,line 5-6\nline 5-6,x\nline 8-9,y\n")
    assert len(hybridopt("check", "case.toml", folder=tmp_path).findings) == count


@pytest.mark.parametrize(
    "command", ["run", "check", "dispatch", "report", "compare", "reconfigure"]
)
def test_a_name_that_no_file_can_have_is_bad_input(command):
    done = hybridopt(command, "x" * 300)
    assert done.code == 2
    assert "File name too long" in done.err


def test_numbers_of_very_many_digits_are_findings(tmp_path):
    rows = "\n".join(f"{'0' * 5000 if hour == 1 else ''}{hour},1.0" for hour in range(1, 25))
    (tmp_path / "day.csv").write_text(f"hour,factor\n{rows}\n")
    many = "9" * 5000
    for text in (
        '[load]\ncurve = "day.csv"\n',
        f'[sample.probabilities]\nlines = {{ "{many}-4" = 0.1 }}\n',
        f'[restore]\nrepair_h = {{ "line {many}-4" = 1.0 }}\n',
        f'[event]\nlines = ["5-66"]\n[restore]\nrepair_h = {{ "{many}" = 1.0 }}\n',
    ):
        (tmp_path / "many.toml").write_text(f'extends = "ieee9"\n{text}')
        done = hybridopt("check", "many.toml", folder=tmp_path)
        assert done.code == 2, text[:40]
        assert done.findings
    options = ("--k", 1, "--elements", f"generator:{many}")
    assert "no generator called" in hybridopt("worst", "ieee9", *options).findings[0]


@pytest.mark.parametrize(
    ("tables", "finding"),
    [
        ({"[key]": 1}, 'case "[key]": unknown key'),
        ({"worst": {"[key]": 1}}, 'case [worst] "[key]": unknown key'),
        (
            {"sample": {"probabilities": {"lines": {(5, 6): 0.1}}}},
            'case [sample.probabilities.lines] "(5, 6)": must be a bus label',
        ),
        (
            {"costs": {"generators": [{"generator": 9, "polynomial": [0], "valve_point": [1, 1]}]}},
            "case [costs.generators[0]] generator: no generator at bus 9",
        ),
    ],
)
def test_strange_keys_and_elements_are_one_finding(tables, finding):
    with pytest.raises(InputError) as error:
        load_case({"extends": "ieee9", **tables})
    (found,) = error.value.findings
    assert str(found).startswith(finding)
