"""``hybridopt ed``: files, findings, exit codes, JSON."""

import csv
import json

import pytest
from command_line import hybridopt

from hybridopt.cases import unit_files
from hybridopt.unit_cost import Piece
from hybridopt.unit_files import read_losses, read_units

HEADER = "unit,pmin_mw,pmax_mw,a,b,c"
TWO = f"{HEADER},e,f\nA,10,100,5,2,0.01,20,0.1\nB,20,80,4,3,0.02,,\n"
LOSSES = "row,A,B\nA,1e-4,2e-5\nB,2e-5,3e-4\nB0,1e-3,0\nB00,0.5,\n"


def write(folder, name, text):
    (folder / name).write_text(text, encoding="utf-8")
    return name


@pytest.fixture
def folder(tmp_path):
    write(tmp_path, "two.csv", TWO)
    write(tmp_path, "losses.csv", LOSSES)
    write(tmp_path, "day.csv", "hour,demand_mw\n2,120\n1,100\n")
    return tmp_path


# Files that are read


def test_every_column_is_read(tmp_path):
    text = (
        "unit,pmin_mw,pmax_mw,a,b,c,e,f,ramp_up,ramp_down,p0_mw,prohibited,points\n"
        "A,10,100,5,2,0.01,,,30,40,50,20-30;60-70,\n"
        "B,15,80,,,,,,,,,,0:0;20:100;80:1000\n"
    )
    first, second = read_units(tmp_path / write(tmp_path, "units.csv", text))
    assert (first.name, first.ramp_up, first.ramp_down, first.p0_mw) == ("A", 30, 40, 50)
    assert [(q.low, q.high) for q in first.pieces] == [(10, 20), (30, 60), (70, 100)]
    assert second.pieces == (Piece(15, 20, 0, 5), Piece(20, 80, -200, 15))
    assert (second.ramp_up, second.p0_mw) == (float("inf"), None)


def test_losses_may_name_units_in_any_order_and_be_asymmetric(tmp_path):
    units = read_units(tmp_path / write(tmp_path, "units.csv", TWO))
    text = "row,B,A\nB,3e-4,4e-5\nA,0,1e-4\nB00,,0.5\n"
    losses = read_losses(tmp_path / write(tmp_path, "losses.csv", text), units)
    assert losses.b.tolist() == [[1e-4, 2e-5], [2e-5, 3e-4]]
    assert (losses.b0.tolist(), losses.b00) == ([0, 0], 0.5)


# Bad input


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ["units.csv: has no rows"]),
        (HEADER + "\n", ["units.csv: has no rows"]),
        ("unit,pmin_mw,a,b\nA,1,2,3\n", ["units.csv:1: columns are missing: pmax_mw,c; found"]),
        (
            f"{HEADER},ramp_upp\nA,1,2,3,4,5,6\n",
            ["units.csv:1: unknown column 'ramp_upp'; did you"],
        ),
        (f"{HEADER},a\nA,1,2,3,4,5,6\n", ["units.csv:1: column 'a' stands here more than once"]),
        (f"{HEADER}\nA,1,2,3,4\n", ["units.csv:2: must have 6 cells, found 5"]),
        (f"{HEADER}\nA,1,nan,3,4,5\n", ["units.csv:2 pmax_mw: must be a number, found 'nan'"]),
        (
            f"{HEADER}\nA,1,inf,x,,5\n,1,2,3,4,5\n",
            [
                "units.csv:2 pmax_mw: must be a number, found 'inf'",
                "units.csv:2 a: must be a number, found 'x'",
                "units.csv:2 b: must be a number, found nothing",
                "units.csv:3 unit: is empty",
            ],
        ),
        (f"{HEADER}\nA,9,2,3,4,5\n", ["units.csv:2 pmin_mw: 9 is above pmax_mw 2"]),
        (f"{HEADER}\nA,-9,2,3,4,5\n", ["units.csv:2 pmin_mw: must be at least 0, found -9"]),
        (
            f"{HEADER}\nA,1,2,3,4,5\nA,1,2,3,4,5\n",
            ["units.csv:3 unit: unit 'A' stands in line 2 already"],
        ),
        (f"{HEADER},e,f\nA,0,900,3,4,5,6,90\n", ["units.csv:2 f: 90 rad/MW makes more than 200"]),
        (f"{HEADER},ramp_up\nA,1,2,3,4,5,-6\n", ["units.csv:2 ramp_up: must be at least 0"]),
        (
            f"{HEADER},ramp_up,p0_mw\nA,50,90,3,4,5,10,20\n",
            ["units.csv:2 p0_mw: the ramps don't lead from 20 MW into 50 to 90 MW"],
        ),
        (
            f"{HEADER},prohibited\nA,10,90,3,4,5,60;30-20;40-50-60\n",
            [
                "units.csv:2 prohibited: must look like 50-60;90-100, found '60'",
                "units.csv:2 prohibited: must look like 50-60;90-100, found '40-50-60'",
                "units.csv:2 prohibited: zone 30-20 must end above its start",
            ],
        ),
        (f"{HEADER},prohibited\nA,10,90,3,4,5,0-100\n", ["units.csv:2 prohibited: leaves nothing"]),
        (
            "unit,pmin_mw,pmax_mw,points\nA,10,90,20:1;15:2;80:3\n",
            [
                "units.csv:2 points: MW must ascend, found 15 after 20",
                "units.csv:2 points: must reach from 10 to 90 MW, found 20 to 80",
            ],
        ),
        ("unit,pmin_mw,pmax_mw,points\nA,1,9,1:2\n", ["units.csv:2 points: needs at least two"]),
        (
            f"{HEADER},points\nA,1,9,1,,,1:2;9:3\n",
            ["units.csv:2 points: replaces a: give one or the other"],
        ),
    ],
)
def test_findings_of_a_units_file(tmp_path, text, expected):
    write(tmp_path, "units.csv", text)
    found = hybridopt("ed", "units.csv", "--demand", "5", folder=tmp_path).findings
    assert len(found) == len(expected), found
    assert all(any(f.startswith(e) for f in found) for e in expected), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("hour,load\n1,5\n", ["day.csv:1: unknown column", "day.csv:1: columns are missing"]),
        ("hour,demand_mw\n1,5\n3,5\n", ["day.csv: must have every hour up to 3; missing: 2"]),
        ("hour,demand_mw\n1,5\n1,5\n", ["day.csv:3 hour: hour 1 stands here a second time"]),
        (
            "hour,demand_mw\n0,5\n1.5,nan\n2,-1\n",
            [
                "day.csv:2 hour: must be a whole number of at least 1, found '0'",
                "day.csv:3 demand_mw: must be a number, found 'nan'",
                "day.csv:3 hour: must be a whole number",
                "day.csv:4 demand_mw: must be at least 0, found -1",
            ],
        ),
    ],
)
def test_findings_of_a_demand_file(folder, text, expected):
    write(folder, "day.csv", text)
    found = hybridopt("ed", "two.csv", "--demand-file", "day.csv", folder=folder).findings
    assert len(found) == len(expected), found
    assert all(any(f.startswith(e) for f in found) for e in expected), found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("row,A\nA,1e-4\n", ["losses.csv:1: columns are missing: b; found row,a"]),
        ("row,A,B\nA,1e-4,0\n", ["losses.csv: must have a row for each unit; missing: B"]),
        ("row,A,B\nA,1e-4,0\nB,0\n", ["losses.csv:3: must have 3 cells", "losses.csv: must have"]),
        ("row,A,B\nA,1,0\nB,0,1\nC,0,0\n", ["losses.csv:4 row: 'C' is neither a unit nor B0"]),
        ("row,A,B\nA,1e-4,0\nB,0,x\n", ["losses.csv:3 b: must be a number, found 'x'"]),
        ("row,A,B\nA,0,0\nB,0,0\nB00,1,2\n", ["losses.csv:4 B00: must have one number"]),
        ("row,A,B\nA,0,0\nB,0,0\nB,0,0\n", ["losses.csv:3: row 'B' stands", "losses.csv:4: row"]),
        ("row,A,B\nA,0.01,0\nB,0,0\n", ["losses.csv: unit 'A' would lose 2 MW of each further"]),
    ],
)
def test_findings_of_a_losses_file(folder, text, expected):
    write(folder, "losses.csv", text)
    arguments = ("ed", "two.csv", "--demand", "100", "--losses", "losses.csv")
    found = hybridopt(*arguments, folder=folder).findings
    assert len(found) == len(expected), found
    assert all(any(f.startswith(e) for f in found) for e in expected), found


def test_findings_of_all_arguments_come_together(folder):
    write(folder, "two.csv", TWO.replace("10,100", "10,x"))
    write(folder, "full", "not a folder")
    found = hybridopt("ed", "two.csv", "--demand", "nan", "--out", "full", folder=folder).findings
    assert [f.partition(":")[0] for f in found] == ["two.csv", "--demand", "--out full"]


@pytest.mark.parametrize("arguments", [(), ("--demand", "100", "--demand-file", "day.csv")])
def test_one_demand_must_be_given(folder, arguments):
    found = hybridopt("ed", "two.csv", *arguments, folder=folder).findings
    assert [f.partition(":")[0] for f in found] == ["--demand"]


def test_files_that_are_not_there(folder):
    found = hybridopt("ed", "no.csv", "--demand-file", "none.csv", folder=folder).findings
    assert found == [
        "no.csv: cannot be read: No such file or directory",
        "none.csv: cannot be read: No such file or directory",
    ]


# Commands


def test_one_hour_as_json(folder):
    arguments = ("ed", "two.csv", "--demand", "120", "--losses", "losses.csv", "--json")
    outcome = hybridopt(*arguments, "--quiet", folder=folder)
    assert (outcome.code, outcome.err) == (0, "")
    found = json.loads(outcome.out)
    assert {"status", "seed", "wall_s", "cost", "units", "evaluations"} <= found.keys()
    assert (found["status"], found["seed"]) == ("optimal", 0)
    assert [unit["unit"] for unit in found["units"]] == ["A", "B"]
    a, b = (unit["p_mw"] for unit in found["units"])
    loss = 1e-4 * a * a + 4e-5 * a * b + 3e-4 * b * b + 1e-3 * a + 0.5
    assert a + b == pytest.approx(120 + loss, abs=1e-6)
    assert found["loss_mwh"] == pytest.approx(loss, abs=1e-6)
    assert found["cost"] == pytest.approx(sum(unit["cost"] for unit in found["units"]))
    assert {path.name for path in folder.iterdir()} == {"two.csv", "losses.csv", "day.csv"}


def test_hours_as_json_and_in_a_folder(folder):
    arguments = ("ed", "two.csv", "--demand-file", "day.csv", "--workers", "1", "--out", "result")
    outcome = hybridopt(*arguments, "--json", "--seed", "4", folder=folder)
    assert outcome.code == 0
    assert "generation" in outcome.err
    found = json.loads(outcome.out)
    assert (found["seed"], "units" in found) == (4, False)
    assert [(hour["hour"], hour["demand_mw"]) for hour in found["hours"]] == [(1, 100), (2, 120)]
    assert found["cost"] == pytest.approx(sum(hour["cost"] for hour in found["hours"]))
    for hour in found["hours"]:
        assert sum(unit["p_mw"] for unit in hour["units"]) == pytest.approx(hour["demand_mw"])
    result = folder / "result"
    assert {p.name for p in result.iterdir()} == {
        "summary.json",
        "dispatch.csv",
        "generations.csv",
    }
    with (result / "dispatch.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["hour"], row["unit"]) for row in rows] == [
        ("1", "A"),
        ("1", "B"),
        ("2", "A"),
        ("2", "B"),
    ]
    assert sum(float(row["cost"]) for row in rows) == pytest.approx(found["cost"])
    again = hybridopt(*arguments, folder=folder)
    assert "exists already" in again.findings[0]
    assert hybridopt(*arguments, "--force", "--quiet", folder=folder).code == 0


def test_a_table_for_readers(folder):
    outcome = hybridopt("ed", "two.csv", "--demand", "100", folder=folder)
    assert outcome.code == 0
    assert "total" in outcome.out
    assert "100.0000" in outcome.out
    assert "Cost: " in outcome.out
    silent = hybridopt("ed", "two.csv", "--demand", "100", "--quiet", folder=folder)
    assert (silent.code, silent.out, silent.err) == (0, "", "")


def test_a_day_fits_a_terminal(folder):
    rows = "".join(f"{k},100,900,50,7.5,0.01\n" for k in range(1, 11))
    write(folder, "ten.csv", f"{HEADER}\n{rows}")
    write(folder, "days.csv", "hour,demand_mw\n1,4567.8\n2,4444.4\n")
    arguments = ("ed", "ten.csv", "--demand-file", "days.csv", "--workers", "1")
    outcome = hybridopt(*arguments, folder=folder)
    assert outcome.out.count("456.8") == 10
    assert "…" not in outcome.out


@pytest.mark.parametrize(
    ("demand", "message"),
    [("181", "1 MW above the capacity"), ("29", "1 MW below the least output")],
)
def test_infeasible_demand_is_exit_3(folder, demand, message):
    outcome = hybridopt("ed", "two.csv", "--demand", demand, folder=folder)
    assert outcome.code == 3
    assert outcome.out == ""
    assert outcome.err.startswith("Infeasible: hour 1: ")
    assert message in outcome.err


def test_built_in_tables_go_by_their_names(folder):
    assert {"unit3", "unit13", "unit13_e3_150", "unit10", "unit10_demand"} <= unit_files().keys()
    outcome = hybridopt("ed", "unit3", "--demand", "850", "--json", "--quiet", folder=folder)
    assert json.loads(outcome.out)["cost"] == pytest.approx(8234.0717, abs=1e-3)
