"""``hybridopt restore``: files, JSON, report and bad input."""

import json

import pandas as pd
import pytest

from tests.command_line import hybridopt, started, write_case

CASE = """
[event]
lines = ["0-1", "2-3"]
generators = [3]

[restore]
start_hour = 20
repair_h = "hours.csv"
customers = { 1 = 100, 2 = 50, 3 = 10 }
"""
HOURS = "element,repair_h\nline 0-1,2.5\nline 2-3,1\ngenerator 3,4\n"


@pytest.fixture
def case(tmp_path):
    (tmp_path / "hours.csv").write_text(HOURS)
    return write_case(tmp_path, "fix.toml", CASE)


def test_result_folder_and_json(case, tmp_path) -> None:
    out = tmp_path / "out"
    shown = hybridopt("restore", case, "--json", "--out", out)
    assert shown.code == 0, shown.err
    found = json.loads(shown.out)
    assert {"order", "service", "ens_mwh", "exact", "status", "seed", "wall_s"} <= set(found)
    assert found["status"] == "optimal"
    assert found["exact"] is True
    assert sorted(found["order"]) == ["generator 3", "line 0-1", "line 2-3"]
    assert [row["hour"] for row in found["service"]] == list(range(1, 9))
    assert found["service"][0]["clock_hour"] == 20
    assert found["makespan_h"] == 7.5
    assert found["fully_served"]
    lost = sum(row["unserved_mw"] for row in found["service"])
    assert lost == pytest.approx(found["ens_mwh"])
    assert {"phi", "lambda", "e_h", "pi", "area"} <= set(found["trapezoid"]["mw"])
    assert found["indices"]["saifi"] > 0
    kept = json.loads((out / "summary.json").read_text())
    assert kept["order"] == found["order"]
    schedule = pd.read_csv(out / "schedule.csv")
    assert schedule.element.tolist() == found["order"]
    assert {"from_h", "to_h", "hour", "p_mw"} <= set(pd.read_csv(out / "dispatch.csv").columns)
    page = (out / "report.html").read_text()
    assert "http" not in page.replace("http://www.w3.org", "")
    for words in ("Service over time", "crew 1", "Resilience", "generator 3", "No other order"):
        assert words in page
    (out / "report.html").unlink()
    assert hybridopt("report", out).code == 0
    assert (out / "report.html").read_text() == page


def test_tables_on_the_terminal_and_progress_on_stderr(case, tmp_path) -> None:
    shown = hybridopt("restore", case, folder=tmp_path)
    assert shown.code == 0, shown.err
    assert "generation 0" in shown.err
    assert "generation 0" not in shown.out
    for words in ("Crew", "Phi per h", "SAIFI", "Unserved until the last repair"):
        assert words in shown.out
    assert (tmp_path / "results" / "fix-restore-seed0" / "report.html").is_file()
    again = hybridopt("restore", case, folder=tmp_path)
    assert any("exists already" in finding for finding in again.findings)
    assert hybridopt("restore", case, "--force", "--quiet", folder=tmp_path).code == 0


def test_json_alone_writes_nothing(case, tmp_path) -> None:
    before = sorted(tmp_path.rglob("*"))
    assert hybridopt("restore", case, "--json", "--quiet", folder=tmp_path).code == 0
    assert sorted(tmp_path.rglob("*")) == before


def test_without_a_table_the_defaults_hold(tmp_path) -> None:
    case = write_case(tmp_path, "fix.toml", CASE[: CASE.index("[restore]")])
    shown = hybridopt("restore", case, "--json", "--quiet")
    found = json.loads(shown.out)
    assert found["crews"] == 1
    assert found["makespan_h"] == 6 + 6 + 12
    assert found["indices"]["saifi"] is None


def findings(tmp_path, text, **tables):
    for name, content in tables.items():
        (tmp_path / f"{name}.csv").write_text(content)
    out = tmp_path / "out"
    out.mkdir()
    (out / "summary.json").write_text("{}")
    found = hybridopt("restore", write_case(tmp_path, "bad.toml", text), "--out", out).findings
    assert (out / "summary.json").read_text() == "{}"
    assert any("--out" in finding for finding in found)
    return [finding.split("bad.toml:")[-1] for finding in found if "--out" not in finding]


def test_every_finding_of_a_bad_table_with_its_line(tmp_path) -> None:
    text = """[event]
lines = ["0-1", "l0", "9-8"]
[restore]
crews = 0
start_hour = 0
repair_h = { "line 0-1" = -1.0, "line 7-8" = 3.0 }
[restore.travel]
depot = 77
speed_km_per_h = 5.0
"""
    found = findings(tmp_path, text)
    expected = [
        "3 [event] lines[2]: no line 9-8 in the network",
        "5 [restore] crews: must be at least 1",
        "6 [restore] start_hour: must lie in [1, 24]",
        '7 [restore.repair_h] "line 0-1": must be at least 0',
        "is the same element as event.lines[0]",
        "no damaged element 'line 7-8'",
        "9 [restore.travel] depot: no bus 77",
    ]
    for words in expected:
        assert sum(words in finding for finding in found) == 1, (words, found)
    assert len(found) == len(expected)


def test_hours_of_what_a_wrong_event_may_mean_are_no_finding(tmp_path) -> None:
    text = """[event]
lines = ["0-11", "2-3"]
[restore]
repair_h = { "line 0-1" = 1.0, "line 2-3" = 2.0, "line 7-8" = 3.0, "9" = 1.0 }
[restore.travel.matrix]
depot = { "line 0-1" = 1.0, "line 2-3" = 2.0 }
"""
    found = findings(tmp_path, text)
    for words in ("[event] lines[0]: no line 0-11", "element 'line 7-8'", "element '9'"):
        assert sum(words in finding for finding in found) == 1, (words, found)
    assert len(found) == 3
    (tmp_path / "no_list").mkdir()
    (finding,) = findings(
        tmp_path / "no_list", text.replace('["0-11", "2-3"]', '"0-1"\ngenerators = [3]')
    )
    assert "[event] lines: must be a list" in finding


def test_every_finding_of_bad_csv_tables(tmp_path) -> None:
    text = """[event]
lines = ["0-1", "2-3"]
[restore]
repair_h = "hours.csv"
[restore.travel]
matrix = "way.csv"
"""
    hours = "element,repair_h\nline 0-1,-2\nline 2-3,soon\ngenerator 3,1\n"
    way = "from,depot,line 0-1,load 9\ndepot,0,1,1\nline 0-1,1,3,1\nline 0-1,1,0,1\n"
    found = findings(tmp_path, text, hours=hours, way=way)
    expected = [
        'hours.csv:2 [restore.repair_h] "line 0-1": must be at least 0, found -2.0',
        "hours.csv:3 [restore.repair_h] \"line 2-3\": must be a number, found 'soon'",
        "hours.csv:4 [restore.repair_h] \"generator 3\": no damaged element 'generator 3'",
        "no damaged element 'load 9'",
        'way.csv:3 [restore.travel.matrix."line 0-1"] "line 0-1": must be 0, found 3',
        "way.csv:4 [restore.travel.matrix.\"line 0-1 \"]: row 'line 0-1' stands here a second time",
        "has no row for line 2-3",
        "has no column for line 2-3",
    ]
    for words in expected:
        assert sum(words in finding for finding in found) == 1, (words, found)
    assert len(found) == len(expected)


def test_a_matrix_in_the_case_whose_rows_differ(tmp_path) -> None:
    text = """[event]
lines = ["0-1", "2-3"]
[restore.travel.matrix]
depot = { "line 0-1" = 1.0, "line 2-3" = 2.0 }
"line 0-1" = {}
"line 2-3" = { "line 0-1" = 2.0, depot = 2.0 }
"""
    (finding,) = findings(tmp_path, text)
    assert finding.endswith('[restore.travel.matrix."line 0-1"]: has no hours to line 2-3')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "event: is missing"),
        ("[event]\n", "removes nothing"),
        ('[event]\nlines = ["0-1", [1, 0]]\n', "is listed twice"),
        ('[event]\nlines = ["0-1"]\n[restore]\nrepair_h = "no.csv"\n', "no.csv: cannot be read"),
        ('[event]\nlines = ["0-1"]\n[restore]\nnever = true\n', "unknown key"),
        ('[event]\nlines = ["0-1"]\n[restore.travel]\ndepot = 0\n', "needs depot and speed"),
        (
            '[event]\nlines = ["0-1"]\n[restore.travel]\nmatrix = "m.csv"\ndepot = 0\n',
            "give either matrix or depot",
        ),
        (
            '[event]\nlines = ["0-1"]\n[restore.travel]\ndepot = [0, 0]\nspeed_km_per_h = 9.0\n',
            "no coordinates of bus 0, 1;",
        ),
        ('[event]\nlines = ["0-1"]\n[restore.customers]\n9 = 3\n', "no bus 9"),
    ],
)
def test_other_bad_input(tmp_path, text, words) -> None:
    found = findings(tmp_path, text)
    assert sum(words in finding for finding in found) == 1, found


def test_an_element_out_of_service_before_is_nothing_to_repair(tmp_path) -> None:
    from tests.command_line import small_net

    net = small_net()
    net.line.loc[1, "in_service"] = False
    case = write_case(tmp_path, text='[event]\nlines = ["0-1", "1-2"]\n', net=net)
    case.write_text(case.read_text() + "[restore]\ncrews = 1\n")
    (finding,) = hybridopt("restore", case, "--json").findings
    assert "event] lines[1]: was out of service before the event" in finding


def test_travel_by_matrix_and_by_coordinates(tmp_path) -> None:
    from tests.command_line import small_net

    net = small_net()
    net.bus["geo"] = [f'{{"coordinates": [{3.0 * i}, 4.0], "type": "Point"}}' for i in range(4)]
    text = '[event]\nlines = ["0-1"]\ngenerators = [3]\n[restore]\n'
    text += 'repair_h = { "line 0-1" = 1.0, "generator 3" = 1.0 }\n[restore.travel]\n'
    by_place = write_case(
        tmp_path, "place.toml", f"{text}depot = [1.5, 0.0]\nspeed_km_per_h = 2.0\n", net
    )
    found = json.loads(hybridopt("restore", by_place, "--json", "--quiet").out)
    visit = next(row for row in found["schedule"] if row["element"] == "line 0-1")
    first = found["schedule"][0] is visit
    # line 0-1 is at (1.5, 4): 4 km from the depot; generator 3 at (9, 4): 7.5 km further
    assert visit["travel_h"] == pytest.approx(2.0 if first else 7.5 / 2)
    way = "from,depot,line 0-1,generator 3\ndepot,0,1,5\nline 0-1,0,0,2\ngenerator 3,0,9,0\n"
    (tmp_path / "way.csv").write_text(way)
    by_table = write_case(tmp_path, "table.toml", f'{text}matrix = "way.csv"\n', net)
    found = json.loads(hybridopt("restore", by_table, "--json", "--quiet").out)
    assert found["order"] == ["line 0-1", "generator 3"]
    assert [row["travel_h"] for row in found["schedule"]] == [1.0, 2.0]
    assert found["makespan_h"] == 5.0
    assert found["search"]["exact_method"] == "orders"


def test_ctrl_c_ends_without_a_traceback(tmp_path) -> None:
    import signal
    import time

    # Long enough that the signal doesn't meet the interpreter's own end.
    options = ("ieee30_restore", "--out", tmp_path / "out")
    with started("restore", *options, folder=tmp_path) as process:
        time.sleep(2.5)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
