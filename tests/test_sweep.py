"""Scripted studies: one table of many runs, whatever becomes of single ones; runs side by side."""

import json
import os
import shutil
import signal
import subprocess
import time
import tomllib
from pathlib import Path
from types import SimpleNamespace as Namespace

import pandapower as pp
import pandas as pd
import pytest
from command_line import PROGRAM, SMALL_STUDY, hybridopt, small_net, write_case

from hybridopt.compare import compare, compare_table
from hybridopt.network_scenario import load_case
from hybridopt.output import summary
from hybridopt.solvers.pool import pool_of
from hybridopt.study import run_study
from hybridopt.study_file import read_seeds, read_study
from hybridopt.study_groups import best_of_case, currency_of, groups
from hybridopt.study_rows import empty_row, is_row, study_row
from hybridopt.sweep import Entry, Sweep, SweepStore, _lost, _run, _Task, load_sweep, run_sweep

SMALL = f"""
title = "Two events"
cases = ["small.toml", "mine.toml"]
seeds = "3"
budgets = [10, 20]

[set.load]
curve = {[1.0] * 24}

[set.genetic]
mutation_rate = 0.3

[[events]]
name = "own"

[[events]]
name = "other"
cases = ["small.toml"]
lines = ["1-2"]
"""
MINE = 'extends = "small.toml"\n[limits]\nvm_min = 0.95\n'
GIVES_UP = 'extends = "small.toml"\n[ipopt]\nmax_iter = 1\n'
SECONDS = "wall_s"


def write_study(folder, text=SMALL, mine=MINE):
    write_case(folder)
    (folder / "study.toml").write_text(text)
    (folder / "mine.toml").write_text(mine)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"))


@pytest.fixture(scope="module")
def swept(folder):
    """A sweep by the command, on two workers."""
    done = hybridopt("sweep", "study.toml", "--workers", "2", "--quiet", folder=folder)
    assert (done.code, done.out, done.err) == (0, "", "")
    return folder / "results" / "study-sweep"


def table(folder):
    """The rows of a sweep, without seconds."""
    return pd.read_csv(folder / "sweep.csv").drop(columns=SECONDS)


def test_every_case_has_every_event_budget_and_seed(swept):
    rows = table(swept)
    runs = [tuple(row) for row in rows[["case", "event", "budget", "seed"]].to_numpy().tolist()]
    own = [(case, "own", b, s) for case in ("small", "mine") for b in (10, 20) for s in (3,)]
    other = [("small", "other", b, s) for b in (10, 20) for s in (3,)]
    assert sorted(runs) == sorted(own + other)
    assert set(rows["status"]) <= {"optimal", "acceptable"}


@pytest.mark.parametrize(
    ("case", "event", "budget", "seed"), [("mine", "own", 20, 3), ("small", "other", 10, 3)]
)
def test_a_row_is_what_the_run_by_itself_gives(case, event, budget, seed, swept, folder):
    changes = {"extends": str(folder / f"{case}.toml"), "budget": budget}
    changes |= {"genetic": {"mutation_rate": 0.3}, "load": {"curve": [1.0] * 24}}
    if event == "other":
        changes["event"] = {"lines": ["1-2"]}
    alone = study_row(summary(run_study(load_case(changes), seed=seed, workers=1)))
    rows = table(swept)
    mine = (rows["case"] == case) & (rows["event"] == event) & (rows["budget"] == budget)
    (row,) = rows[mine & (rows["seed"] == seed)].to_dict("records")
    for name in ("unserved_mwh", "plan_cost", "operating_cost", "loss_mwh", "min_vm_pu"):
        assert row[name] == pytest.approx(alone[name], rel=1e-9, abs=1e-9)
    for name in ("lines", "dg", "nlp_solves"):
        assert (row[name] if row[name] == row[name] else "") == alone[name]


def test_every_seed_is_run(folder):
    (folder / "seeds.toml").write_text(SMALL.replace('"3"', '"0-2,7"'))
    entries = load_sweep(folder / "seeds.toml").entries
    assert [entry.seed for entry in entries] == [0, 1, 2, 7] * 6


def test_each_run_has_a_result_folder_of_its_own(swept):
    for row in table(swept).to_dict("records"):
        found = json.loads((swept / row["folder"] / "summary.json").read_text())
        assert found["dispatch"]["operating_cost"] == pytest.approx(row["operating_cost"])
        assert "</html>" in (swept / row["folder"] / "report.html").read_text()


def test_the_number_of_workers_changes_nothing(swept, folder):
    entries = load_sweep(folder / "study.toml").entries[1:4]
    sweep = run_sweep(Sweep("some", "", entries, [None] * 3), workers=1)
    names = [n for n in table(swept).columns if n != "folder"]
    rows = pd.DataFrame(sweep.rows)[names]
    pd.testing.assert_frame_equal(
        rows.fillna("").reset_index(drop=True),
        table(swept)[names].fillna("")[1:4].reset_index(drop=True),
        check_dtype=False,
        check_exact=False,
        rtol=1e-12,
    )


@pytest.mark.slow
def test_kill_9_and_resume_give_the_same(swept, folder):
    out = folder / "killed"
    command = (*PROGRAM, "sweep", "study.toml", "--workers", "2", "--quiet", "--out", out)
    process = subprocess.Popen(command, cwd=folder, start_new_session=True)
    until = time.monotonic() + 120
    while not (out / "runs").exists() or len(list((out / "runs").iterdir())) < 3:
        assert process.poll() is None
        assert time.monotonic() < until
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    again = hybridopt("sweep", "study.toml", "--out", out, folder=folder)
    assert "--resume goes on" in again.findings[0]
    done = hybridopt("sweep", "study.toml", "--out", out, "--resume", "--json", folder=folder)
    assert done.code == 0
    assert 2 <= json.loads(done.out)["resumed"] < 6
    pd.testing.assert_frame_equal(table(out), table(swept))


def test_one_failure_never_stops_the_rest(tmp_path):
    net = small_net()
    net.bus.loc[1, ["min_vm_pu", "max_vm_pu"]] = 1.3, 1.4  # next to the external grid
    write_study(tmp_path, SMALL.replace('"mine.toml"', '"bad.toml", "gives_up.toml"'), GIVES_UP)
    pp.to_json(net, str(tmp_path / "bad.json"))
    bad = 'extends = "small.toml"\nnetwork = "bad.json"\n[event]\nlines = ["1-2"]\n'
    (tmp_path / "bad.toml").write_text(bad)
    (tmp_path / "mine.toml").rename(tmp_path / "gives_up.toml")
    text = (tmp_path / "study.toml").read_text()
    (tmp_path / "study.toml").write_text(text.replace("[10, 20]", "[10]"))
    command = ("sweep", "study.toml", "--workers", "1", "--out", "out")
    done = hybridopt(*command, folder=tmp_path)
    assert done.code == 1
    assert "1 of 4 runs failed" in done.err
    rows = table(tmp_path / "out").set_index(["case", "event"])
    assert rows.loc[("small", "own"), "status"] in ("optimal", "acceptable")
    assert rows.loc[("small", "other"), "status"] in ("optimal", "acceptable")
    assert rows.loc[("gives_up", "own"), "status"] == "failed"
    assert "Maximum_Iterations_Exceeded" in rows.loc[("gives_up", "own"), "message"]
    assert rows.loc[("bad", "own"), "status"] == "infeasible"
    assert "bus 1" in rows.loc[("bad", "own"), "message"]
    assert "gives_up own 10 seed 3" in done.out
    assert "Maximum_Iterations_Exceeded" in (tmp_path / "out" / "report.html").read_text()
    # what failed is run again, the rest is not
    again = hybridopt(*command, "--resume", "--json", folder=tmp_path)
    assert (again.code, json.loads(again.out)["resumed"]) == (1, 3)


def die_or_run(task):
    if task.seed == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return _run(task)


@pytest.mark.slow
def test_a_run_that_kills_its_processes_is_a_row(tmp_path):
    scenario = load_case(write_case(tmp_path))
    with pool_of(die_or_run, 2, lost=_lost) as pool:
        found = list(pool.map([_Task(scenario, seed, False) for seed in range(3)]))
    assert [one.row["status"] == "failed" for one in found] == [False, True, False]
    assert found[1].row["message"] == "its worker process died twice"


def test_an_exception_is_a_row(monkeypatch):
    def crash(*_, **__):
        raise ZeroDivisionError("by zero")

    monkeypatch.setattr("hybridopt.sweep.run_study", crash)
    row = _run(_Task(None, 0, False)).row
    assert (row["status"], row["message"]) == ("failed", "ZeroDivisionError: by zero")


BAD = """
cases = ["small.toml", "no_such_case"]
seeds = "3-1"
budgets = [10, -1]
workers = 2

[[events]]
name = "a b"
lines = ["5-6"]

[[events]]
name = "empty"
"""


def test_every_finding_of_the_study_is_listed(tmp_path):
    write_study(tmp_path, BAD)
    findings = hybridopt("sweep", "study.toml", folder=tmp_path).findings
    for line, words in (
        ("study.toml:3 seeds", "must name every seed once"),
        ("study.toml:4 budgets[1]", "must be at least 0, found -1"),
        ("study.toml:5 workers", "unknown key"),
        ("study.toml:8 [events[0]] name", "found 'a b'"),
        ("study.toml:11 [events[1]]", "removes nothing"),
    ):
        assert any(f.startswith(line) and words in f for f in findings), (line, findings)
    assert not (tmp_path / "results").exists()


def test_every_finding_of_the_cases_is_listed(tmp_path):
    text = SMALL.replace('"mine.toml"', '"no_such_case", "mine.toml"')
    write_study(tmp_path, text.replace("mutation_rate", "mutation_rat"), f"{MINE}vm_mix = 1\n")
    findings = hybridopt("sweep", "study.toml", folder=tmp_path).findings
    assert len(findings) == len(set(findings))
    for words in (
        "cases[1]: 'no_such_case'",
        "did you mean 'mutation_rate'?",
        "mine.toml:4 [limits] vm_mix",
    ):
        assert any(words in finding for finding in findings), (words, findings)
    write_study(tmp_path, SMALL.replace('"1-2"', '"1-77"'))
    (finding,) = hybridopt("sweep", "study.toml", folder=tmp_path).findings
    assert finding.startswith("study.toml:19 [events[1]] lines[0]")


def test_unreadable_cases_are_listed_with_what_is_wrong_in_the_study(tmp_path):
    write_study(tmp_path, 'cases = ["small.toml", "gone.toml", 3]\nseeds = [0, -1]\n')
    found = hybridopt("sweep", "study.toml", folder=tmp_path).findings
    assert [finding.partition(": ")[0] for finding in found] == [
        "study.toml:1 cases[2]",
        "study.toml:2 seeds[1]",
        "study.toml:1 cases[1]",
    ]


TANGLED = """cases = ["small.toml", "mine.toml", "gone.toml", "small.toml", 3]
budgets = [10, -1, 10]
seeds = [0, 0, -1]

[[events]]
name = "a"
lines = ["1-2", "1-77"]

[[events]]
name = "a"
cases = ["ieee30", "small.toml"]
generators = [99]

[[events]]
name = "b b"
cases = ["small.toml"]
lines = "1-2"

[[events]]
name = "c"
cases = ["mine.toml"]
lines = ["2-88"]

[set]
budget = 3

[set.genetic]
populatoin = 4
"""


def test_nothing_hides_what_else_is_wrong(tmp_path):
    write_study(tmp_path, TANGLED, f"{MINE}vm_mix = 1\n")
    found = hybridopt("sweep", "study.toml", folder=tmp_path).findings
    expected = [
        "study.toml:1 cases[3]: 'small.toml' is listed twice",
        "study.toml:1 cases[4]: must be text, found 3",
        "study.toml:1 cases[2]: 'gone.toml': no case file of this name",
        "study.toml:2 budgets[2]: 10 is listed twice",
        "study.toml:2 budgets[1]: must be at least 0, found -1",
        "study.toml:3 seeds[1]: 0 is listed twice",
        "study.toml:3 seeds[2]: must be at least 0, found -1",
        "study.toml:7 [events[0]] lines[1]: no line 1-77 in the network",
        "study.toml:10 [events[1]] name: event 'a' is listed twice",
        "study.toml:11 [events[1]] cases[0]: 'ieee30' is none of this study's cases",
        "study.toml:12 [events[1]] generators[0]: no generator at bus 99",
        "study.toml:15 [events[2]] name: may hold letters, digits, and _ . + only, found 'b b'",
        "study.toml:17 [events[2]] lines: must be a list, found '1-2'",
        "study.toml:22 [events[3]] lines[0]: no line 2-88 in the network",
        "study.toml:25 [set] budget: cannot stand here; give budgets instead",
        "study.toml:28 [set.genetic] populatoin: unknown key; did you mean 'population'?",
        "mine.toml:4 [limits] vm_mix: unknown key",
    ]
    for words in expected:
        assert sum(finding.startswith(words) for finding in found) == 1, (words, found)
    assert len(found) == len(expected), found


@pytest.mark.parametrize("seeds", ["0-1,9-7", "3-", "-3", "1-", "0,0", "1.5", "x", ""])
def test_seeds_that_name_nothing_certain(seeds):
    with pytest.raises(ValueError, match="must"):
        read_seeds(seeds)


def test_runs_of_a_folder_have_its_name(tmp_path):
    case = write_case(tmp_path).rename(tmp_path / "case.toml")
    for name in (".", "case.toml", str(case)):
        (tmp_path / "study.toml").write_text(f'cases = ["{name}"]\n')
        (entry,) = load_sweep(tmp_path / "study.toml").entries
        assert entry.scenario.case.name == tmp_path.name


@pytest.mark.parametrize("name", ["x" * 300, "a\\u0000b", ""])
def test_names_that_no_file_can_have(name, tmp_path):
    (tmp_path / "study.toml").write_text(f'cases = ["{name}"]\n')
    (finding,) = hybridopt("sweep", "study.toml", folder=tmp_path).findings
    assert finding.startswith("study.toml:1 cases[0]: ")


def test_an_event_of_the_study_leaves_the_cases_repairs_aside(tmp_path):
    restore = '[restore]\nrepair_h = { "line 0-1" = 2.0 }\n'
    write_case(tmp_path, text=SMALL_STUDY + restore)
    (tmp_path / "study.toml").write_text(
        'cases = ["small.toml"]\n[[events]]\nname = "other"\nlines = ["1-2"]\n'
    )
    (entry,) = load_sweep(tmp_path / "study.toml").entries
    assert entry.scenario.case.restore is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"case": []},
        {"budget": "x"},
        {"budget": None},
        {"unserved_mwh": None},
        {"currency": None},
        {"wall_s": "x"},
        {"seed": [1]},
    ],
)
def test_compare_of_a_damaged_sweep_says_so(wrong, swept, tmp_path):
    found = json.loads((swept / "summary.json").read_text())
    assert all(is_row(row) for row in found["rows"])
    found["rows"][0] |= wrong
    (tmp_path / "o").mkdir()
    (tmp_path / "o" / "summary.json").write_text(json.dumps(found))
    (finding,) = hybridopt("compare", tmp_path / "o").findings
    assert "is damaged" in finding


def test_a_table_that_a_case_cannot_read_makes_nothing_else_wrong(tmp_path):
    sample = '[sample]\nprobabilities = "gone.csv"\n'
    write_case(tmp_path, text=SMALL_STUDY + sample)
    (tmp_path / "study.toml").write_text('cases = ["small.toml"]\n')
    (finding,) = hybridopt("sweep", "study.toml", folder=tmp_path).findings
    assert finding.endswith("gone.csv: cannot be read: No such file or directory")


def test_a_case_without_an_event_is_named(tmp_path):
    write_study(tmp_path, SMALL.replace('name = "own"', 'name = "own"\ncases = ["small.toml"]'))
    (finding,) = hybridopt("sweep", "study.toml", folder=tmp_path).findings
    assert finding.startswith("study.toml:3 cases[1]: case 'mine.toml' has no event; add one")


def test_what_a_sweep_cannot_run_is_a_finding(tmp_path):
    (tmp_path / "study.toml").write_text('cases = ["ieee14_siting", "case.toml"]\n')
    (tmp_path / "case.toml").write_text('network = "case9"\n')
    first, second = hybridopt("sweep", "study.toml", folder=tmp_path).findings
    assert "is a siting study" in first
    assert second.startswith("study.toml:1 cases[1]: ")
    assert second.endswith("has no [event]: a run needs one, there or in [[events]]")
    (tmp_path / "study.toml").write_text('cases = ["case.toml"]\nset.budget = 3\n')
    (finding,) = hybridopt("sweep", "study.toml", folder=tmp_path).findings
    assert "[set] budget: cannot stand here; give budgets instead" in finding
    assert "cannot be read" in hybridopt("sweep", "none.toml", folder=tmp_path).findings[0]


def test_an_output_that_exists_is_refused_and_foreign_files_are_never_lost(swept, folder):
    finding = hybridopt("sweep", "study.toml", folder=folder).findings[0]
    assert "exists already" in finding
    mine = swept / "runs" / "small-own-10-seed3" / "notes.txt"
    mine.write_text("mine")
    try:
        (finding,) = hybridopt("sweep", "study.toml", "--force", folder=folder).findings
        assert "runs/small-own-10-seed3/notes.txt" in finding
        assert mine.read_text() == "mine"
    finally:
        mine.unlink()


def test_the_page_shows_the_study_that_stands_beside_it():
    docs = Path(__file__).parents[1] / "docs"
    shown = (docs / "sweep.md").read_text().split("```toml\n")[1].split("```")[0]
    assert tomllib.loads(shown) == tomllib.loads((docs / "study.toml").read_text())
    study = read_study(docs / "study.toml")
    assert len(study.variants) * len(study.seeds) == 8


@pytest.mark.slow
def test_resume_after_a_change_runs_what_has_changed(tmp_path):
    write_study(tmp_path, SMALL.replace("[10, 20]", "[20]"))
    command = ("sweep", "study.toml", "--workers", "1", "--out", "o")
    first = hybridopt(*command, "--json", "--quiet", folder=tmp_path)
    assert first.code == 0
    (tmp_path / "mine.toml").write_text(MINE.replace("0.95", "0.96"))
    again = hybridopt(*command, "--resume", "--json", folder=tmp_path)
    assert json.loads(again.out)["resumed"] == 2  # of 3
    kept = (tmp_path / "o" / "checkpoint.json").read_text()
    (tmp_path / "o" / "checkpoint.json").write_text(kept.replace("0.0", "0.5", 1))
    (finding,) = hybridopt(*command, "--resume", folder=tmp_path).findings
    assert "is damaged" in finding


def test_compare_reads_runs_seeds_and_sweeps(swept, folder):
    seeds = ("run", "mine.toml", "--seeds", "0-1", "--workers", "1", "--quiet", "--out", "seeds")
    assert hybridopt(*seeds, folder=folder).code == 0
    one = swept / "runs" / "small-own-10-seed3"
    done = hybridopt("compare", swept, one, "seeds", "--json", "--out", "side", folder=folder)
    rows = json.loads(done.out)["rows"]
    assert len(rows) == 6 + 2  # the single run is among those of the sweep
    assert {row["folder"] for row in rows} >= {str(one), "seeds/seed0", "seeds/seed1"}
    written = pd.read_csv(folder / "side" / "compare.csv")
    assert list(written["operating_cost"]) == pytest.approx([r["operating_cost"] for r in rows])
    served = json.loads(done.out)["served"]
    day = pd.read_csv(one / "buses.csv")
    expected = (day["demand_mw"] - day["shed_mw"].fillna(0)).groupby(day["hour"]).sum()
    label = "small-own-10-seed3"
    assert next(run["mw"] for run in served if run["label"] == label) == pytest.approx(
        list(expected)
    )
    page = (folder / "side" / "report.html").read_text()
    assert hybridopt("report", folder / "side").code == 0
    assert (folder / "side" / "report.html").read_text() == page
    page = (swept / "report.html").read_text()
    assert hybridopt("report", swept).code == 0
    assert (swept / "report.html").read_text() == page


def test_compare_never_replaces_what_it_compares(swept, folder):
    before = sorted(path for path in swept.rglob("*"))
    for out in (swept, swept / "runs", folder):
        done = hybridopt("compare", swept, "--out", out, "--force", folder=folder)
        assert any("overlap; give another folder" in finding for finding in done.findings)
    assert sorted(path for path in swept.rglob("*")) == before


def test_compare_lists_every_folder_that_is_no_result(swept, tmp_path):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "summary.json").write_text("{")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "summary.json").write_text('{"command": "sample"}')
    done = hybridopt("compare", swept, "broken", "gone", "other", folder=tmp_path)
    assert [
        words in finding
        for words, finding in zip(
            ("is not JSON", "is not there", "of sample"), done.findings, strict=True
        )
    ] == [True] * 3


def row(case, seed, unserved, cost, status="optimal"):
    known = {"budget": 1.0, "currency": "USD", "plan_cost": 1.0, "loss_mwh": 0.0, SECONDS: 1.0}
    known |= {"fully_served": unserved is not None and unserved < 1e-3, "event": "own"}
    return empty_row(
        case=case, seed=seed, unserved_mwh=unserved, operating_cost=cost, status=status, **known
    )


def test_the_best_of_a_case_serves_most_then_costs_least():
    rows = [
        row("a", 0, 0.0, 5.0),
        row("a", 1, 0.0, 4.0),
        row("a", 2, 1.0, 1.0),
        row("a", 3, None, None, "failed"),
        row("b", 0, 7.0, 9.0),
    ]
    assert best_of_case(rows) == [False, True, False, False, True]
    dust = [row("c", 0, 0.0, 5.0), row("c", 1, 1e-5, 4.0)]
    assert best_of_case(dust) == [False, True]
    first, second = groups(rows)
    assert (first["runs"], first["solved"], first["fully_served"]) == (4, 3, 2)
    assert (first["best_run_operating_cost"], first["best_operating_cost"]) == (4.0, 1.0)
    assert (first["median_operating_cost"], first["worst_operating_cost"]) == (4.0, 5.0)
    assert second["reached_best"] == 1


def test_compare_and_sweep_work_from_python(folder):
    study = read_study(folder / "study.toml")
    assert [(v.case.name, v.event, v.budget) for v in study.variants][-1] == ("mine", "own", 20)
    whole = load_sweep(folder / "study.toml")
    one = Sweep("one", "", whole.entries[:1], [None])
    done = run_sweep(one, folder=str(folder / "one"), workers=1)
    (found,) = compare([folder / "one" / "runs" / whole.entries[0].name])
    assert found["unserved_mwh"] == done.rows[0]["unserved_mwh"]


def test_a_row_is_forgotten_when_its_files_go(tmp_path):
    store, row = SweepStore(tmp_path), {"status": "optimal", "folder": "runs/same"}
    before, after = (Entry("same", "own", None, 0, key) for key in ("before", "after"))
    store.add(before, row | {"seed": 1}, {"summary.json": b"1"})
    assert store.known(before)["seed"] == 1
    store.add(after, row | {"seed": 2}, {"summary.json": b"2"})
    again = SweepStore(tmp_path)
    again.load()
    assert (again.known(before), again.known(after)["seed"]) == (None, 2)
    shutil.rmtree(tmp_path / "runs" / "same")
    assert again.known(after) is None


@pytest.mark.slow
def test_a_run_that_changes_and_changes_back_keeps_row_and_files_together(tmp_path):
    """The row comes from the folder that it names, even where that folder was written over."""
    write_study(tmp_path, SMALL.replace("[10, 20]", "[20]").replace(', "mine.toml"', ""))
    study, sweep = tmp_path / "study.toml", ("sweep", "study.toml", "--workers", "1", "--out", "o")
    price = "[set]\nvalue_of_lost_load = 2000.0\n\n[set.load]"
    ways = (study.read_text(), study.read_text().replace("[set.load]", price))
    for k in (0, 1, 0):
        study.write_text(ways[k])
        done = hybridopt(*sweep, "--resume", "--json", folder=tmp_path)
        for row in json.loads(done.out)["rows"]:
            found = json.loads((tmp_path / "o" / row["folder"] / "summary.json").read_text())
            assert row["unserved_cost"] == found["dispatch"]["unserved_cost"]
    assert json.loads(done.out)["resumed"] == 0
    gone = tmp_path / "o" / row["folder"]
    shutil.rmtree(gone)
    done = hybridopt(*sweep, "--resume", "--json", folder=tmp_path)
    assert json.loads(done.out)["resumed"] == 1  # of 2
    assert (gone / "summary.json").is_file()


def test_ctrl_c_after_a_search_ends_the_sweep(monkeypatch):
    """A run swallows it there and does without its reasons."""
    monkeypatch.setattr("hybridopt.sweep.run_study", lambda *_, **__: Namespace(reasons=None))
    with pytest.raises(KeyboardInterrupt):
        _run(_Task(None, 0, False))


def test_budgets_that_differ_late_are_runs_of_their_own(tmp_path):
    write_study(tmp_path, 'cases = ["small.toml"]\nseeds = 2\nbudgets = [1234567, 1234568, 0.5]\n')
    entries = load_sweep(tmp_path / "study.toml").entries
    assert [entry.name for entry in entries] == [
        f"small-own-{budget}-seed2" for budget in ("1234567", "1234568", "0.5")
    ]


@pytest.mark.parametrize("seeds", ["1.5", "true", "[1.5]", '"x"'])
def test_seeds_that_are_none_are_one_finding(seeds, tmp_path):
    write_study(tmp_path, f'cases = ["small.toml"]\nseeds = {seeds}\n')
    (finding,) = hybridopt("sweep", "study.toml", folder=tmp_path).findings
    assert finding.startswith("study.toml:2 seeds")


@pytest.mark.parametrize(
    "text",
    [
        '{"command": "sweep"}',
        '{"command": "sweep", "rows": [{"folder": ""}]}',
        '{"command": "sweep", "rows": [3]}',
        '{"seeds": 3}',
        '{"seeds": [{"seed": "../x"}]}',
    ],
)
def test_a_damaged_summary_is_a_finding(text, tmp_path):
    (tmp_path / "summary.json").write_text(text)
    (finding,) = hybridopt("compare", tmp_path).findings
    assert finding.startswith(str(tmp_path))
    if "sweep" in text:
        (finding,) = hybridopt("report", tmp_path).findings
        assert "is damaged" in finding


def test_two_currencies_stand_beside_their_amounts():
    rows = [row("a", 0, 0.0, 5.0), row("b", 0, 0.0, 5.0) | {"currency": "EUR"}]
    assert currency_of(rows[:1]) == "USD"
    assert currency_of(rows) == ""
    heads = [str(column.header) for column in compare_table(rows[:1]).columns]
    assert "Plan cost\nUSD" in heads
    first = compare_table(rows).columns[0]
    assert ["USD" in cell or "EUR" in cell for cell in first.cells] == [True, True]
    first = compare_table(rows[:1]).columns[0]
    assert not any("USD" in cell for cell in first.cells)


def test_a_search_that_another_command_began_is_named(swept, folder):
    for command in (
        ("run", "small.toml"),
        ("run", "small.toml", "--pareto", "unserved_mwh,plan_cost"),
    ):
        done = hybridopt(*command, "--resume", "--out", swept, folder=folder)
        assert any("holds what hybridopt sweep began" in finding for finding in done.findings)
