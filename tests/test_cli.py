"""The command line: exit codes, streams, result folders, interruptions."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import PROGRAM, SMALL_STUDY, hybridopt, small_net, started, write_case

from hybridopt.result_folder import RESULT_FILES, replace_folder

QUICK = ("--workers", "1")


@pytest.fixture
def folder(tmp_path):
    """A folder with a small study in it."""
    write_case(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {p.name: p.read_bytes() for p in folder.iterdir() if p.is_file()}


def hidden(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.startswith(".")]


@pytest.mark.parametrize(
    ("arguments", "code", "stream", "said"),
    [
        ((), 2, "out", "Usage: hybridopt"),
        (("--help",), 0, "out", "Usage: hybridopt"),
        (("-h",), 0, "out", "dispatch"),
        (("run", "--help"), 0, "out", "--workers"),
        (("--version",), 0, "out", "hybridopt "),
        (("cases",), 0, "out", "ieee30_cheapest"),
        (("restor",), 2, "err", "No such command 'restor'"),
        (("--nope",), 2, "err", "No such option: --nope"),
        (("run",), 2, "err", "Missing argument"),
        (("run", "ieee9", "extra"), 2, "err", "unexpected extra argument"),
        (("run", "ieee9", "--colour"), 2, "err", "No such option: --colour"),
        (("run", "ieee9", "--workers", "0"), 2, "err", "'--workers'"),
        (("run", "ieee9", "--seed", "-1"), 2, "err", "'--seed'"),
        (("run", "ieee9", "--seed", "one"), 2, "err", "'--seed'"),
        (("dispatch", "ieee9", "--plan"), 2, "err", "'--plan' requires an argument"),
        (("report", "nowhere"), 2, "err", "nowhere"),
    ],
)
def test_words_and_exit_codes(arguments, code, stream, said):
    done = hybridopt(*arguments)
    assert done.code == code
    assert said in getattr(done, stream)
    assert (done.err if stream == "out" else done.out) == ""


def test_the_exit_code_of_a_command_reaches_the_shell(monkeypatch):
    monkeypatch.setattr("hybridopt.doctor.doctor", lambda: 1)
    assert hybridopt("doctor").code == 1


def test_json_is_alone_on_stdout_and_writes_nothing(folder):
    done = hybridopt("run", "small.toml", "--json", *QUICK, folder=folder)
    assert done.code == 0
    summary = json.loads(done.out)
    assert summary["case"] == "small"
    assert summary["fully_served"] is True
    assert "generation 1/1" in done.err
    assert {path.name for path in folder.iterdir()} == {"small.toml", "net.json"}
    for command in (("check", "small.toml"), ("dispatch", "net.json")):
        done = hybridopt(*command, "--json", folder=folder)
        assert json.loads(done.out)["status"] == "optimal"


def test_verbose_prints_every_population_with_the_labels_of_the_case(folder):
    done = hybridopt("run", "small.toml", "--json", "--verbose", *QUICK, folder=folder)
    json.loads(done.out)
    lines = done.err.splitlines()
    assert [line for line in lines if line.startswith("GENERATION")] == [
        "GENERATION: 0",
        "GENERATION: 1",
    ]
    assert lines.count("POPULATION:") == 2
    plans = [line for line in lines if re.match(r" +\d+\. ", line)]
    assert len(plans) == 8
    assert any("DG at bus" in line and "unserved_mwh" in line for line in plans)
    best = json.loads(done.out)["plan"]
    if best["lines"]:
        assert any("close 0-1" in line for line in plans)


@pytest.mark.parametrize("command", [("check", "small.toml"), ("dispatch", "net.json")])
def test_quiet_says_nothing(command, folder):
    done = hybridopt(*command, "--quiet", folder=folder)
    assert (done.code, done.out, done.err) == (0, "", "")
    assert hybridopt(*command, folder=folder).out


def test_results_stand_whole_in_their_own_folder_until_force(folder):
    run = ("run", "small.toml", *QUICK, "--quiet")
    done = hybridopt(*run, folder=folder)
    assert (done.code, done.out, done.err) == (0, "", "")
    result = folder / "results" / "small-seed0"
    assert set(contents(result)) == RESULT_FILES
    before = contents(result)

    (finding,) = hybridopt(*run, folder=folder).findings
    assert finding.startswith("--out results/small-seed0: exists already")
    assert "--force" in finding
    assert contents(result) == before

    (result / "thesis.txt").write_text("years of work")
    (finding,) = hybridopt(*run, "--force", folder=folder).findings
    assert "(thesis.txt)" in finding
    assert (result / "thesis.txt").read_text() == "years of work"

    (result / "thesis.txt").unlink()
    (result / "plan.json").write_text("old")
    assert hybridopt(*run, "--force", folder=folder).code == 0
    assert (result / "plan.json").read_bytes() == before["plan.json"]
    assert [path.name for path in result.parent.iterdir()] == ["small-seed0"]

    assert hybridopt("report", result).code == 0


@pytest.mark.parametrize(
    ("out", "force", "said"),
    [
        ("file", False, "is a file, not a folder"),
        ("file", True, "is a file, not a folder"),
        ("file/below", False, "file is a file, not a folder"),
        ("mine", False, "exists already"),
        ("mine", True, "holds more than an earlier result (notes.txt)"),
        ("link", True, "is a symbolic link"),
        ("dangling", True, "is a symbolic link"),
        (".", True, "holds more than an earlier result"),
        ("x" * 300, False, "File name too long"),
        ("/proc/nothing", False, "nothing can be written to /proc"),
    ],
)
def test_folders_that_cannot_be_results(out, force, said, folder):
    if out.startswith("/proc") and not Path("/proc").is_dir():
        pytest.skip("no /proc here")
    (folder / "file").write_text("mine")
    (folder / "mine").mkdir()
    (folder / "mine" / "notes.txt").write_text("mine")
    (folder / "link").symlink_to("mine")
    (folder / "dangling").symlink_to("nowhere")
    before = sorted(folder.rglob("*"))
    for command in (("run", "small.toml"), ("dispatch", "net.json")):
        options = ("--out", out, *(["--force"] if force else []))
        (finding,) = hybridopt(*command, *options, folder=folder).findings
        assert said in finding
    assert sorted(folder.rglob("*")) == before
    assert (folder / "file").read_text() == (folder / "mine" / "notes.txt").read_text() == "mine"


def test_folders_are_made_only_for_a_result(folder):
    (folder / "bad.toml").write_text("budget = -1\n")
    assert hybridopt("run", "bad.toml", "--out", "a/b/c", folder=folder).findings
    assert hybridopt("dispatch", "nowhere.json", "--out", "a/b/c", folder=folder).findings
    assert not (folder / "a").exists()
    done = hybridopt("dispatch", "net.json", "--out", "a/b/c", "--quiet", folder=folder)
    assert done.code == 0
    assert (folder / "a" / "b" / "c" / "dispatch.csv").is_file()
    (folder / "empty").mkdir()
    assert hybridopt("dispatch", "net.json", "--out", "empty", folder=folder).code == 0


@pytest.mark.parametrize("name", ["...toml", "sub/ü ñ/case.toml"])
def test_results_stay_below_results_whatever_the_case_is_called(name, folder):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    text = SMALL_STUDY.replace("budget", "extends = '{}small.toml'\nbudget")
    up = "../" * name.count("/")
    (folder / name).write_text(text.replace("{}", up), encoding="utf-8")
    before = {path for path in folder.iterdir() if path.name != "results"}
    done = hybridopt("run", name, *QUICK, "--quiet", "--seed", "3", folder=folder)
    assert done.code == 0
    (result,) = (folder / "results").iterdir()
    assert result.name.endswith("-seed3")
    assert {path for path in folder.iterdir() if path.name != "results"} == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_an_old_result_survives_when_the_new_one_cannot_be_written(error, tmp_path):
    old = tmp_path / "out"
    old.mkdir()
    (old / "summary.json").write_text("old")

    def fill(fresh: Path) -> None:
        (fresh / "summary.json").write_text("new")
        raise error

    with pytest.raises(error):
        replace_folder(old, fill)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert (old / "summary.json").read_text() == "old"


def test_init_writes_a_sound_case_and_overwrites_none(folder):
    done = hybridopt("init", "mine", folder=folder)
    assert (done.code, done.err) == (0, "")
    assert hybridopt("check", "mine.toml", "--quiet", folder=folder).code == 0
    (folder / "mine.toml").write_text("edited")
    for name in ("mine", "mine.toml"):
        (finding,) = hybridopt("init", name, folder=folder).findings
        assert finding.startswith("mine.toml: exists already")
    assert (folder / "mine.toml").read_text() == "edited"
    for name in ("", "nowhere/x", "net.json/x", "folder/"):
        assert hybridopt("init", name, folder=folder).findings


def test_a_plan_of_a_run_can_be_dispatched(folder):
    assert hybridopt("run", "small.toml", "--out", "out", *QUICK, folder=folder).code == 0
    plan = ("--plan", "out/plan.json")
    done = hybridopt("dispatch", "small.toml", *plan, "--json", folder=folder)
    assert done.code == 0
    summary = json.loads((folder / "out" / "summary.json").read_text())
    cost = summary["dispatch"]["operating_cost"]
    assert json.loads(done.out)["objective"] == pytest.approx(cost, rel=1e-6)


def test_a_plan_written_by_hand_needs_no_names(folder):
    """The second line, not the first one that happens to be there."""
    (folder / "both.toml").write_text('network = "net.json"\n[event]\nlines = ["0-1", "1-2"]\n')
    for bus, expected in ((0, True), (1, False)):
        plan = {"lines": [{"from_bus": bus, "to_bus": bus + 1}]}
        (folder / "plan.json").write_text(json.dumps(plan))
        out = ("--out", f"line{bus}", "--quiet")
        done = hybridopt("dispatch", "both.toml", "--plan", "plan.json", *out, folder=folder)
        assert done.code == 0
        rows = (folder / f"line{bus}" / "branches.csv").read_text().splitlines()
        carries = {row.split(",")[1]: row.split(",")[2] not in ("", "0.0") for row in rows[1:]}
        assert carries["0-1"] is expected


def slow_study(folder: Path) -> None:
    """A study that goes on for minutes."""
    text = SMALL_STUDY.replace("population = 4", "population = 8")
    text = text.replace("generations = 1", "generations = 4000")
    curve = ", ".join(f"{0.5 + h / 50:.3f}" for h in range(24))
    tie = "ties = []\ncandidates = [{from_bus = 0, to_bus = 3, r_ohm_per_km = 0.1, "
    tie += "x_ohm_per_km = 0.3, max_i_ka = 1.0}]\n[resources.dg]"
    text = text.replace("[resources.dg]", tie).replace("max_units = 1", "max_units = 4")
    write_case(folder, "slow.toml", f"{text}\n[load]\ncurve = [{curve}]\n", small_net())


def group(leader: int) -> list[int]:
    """Processes of a group that still run."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[2]) == leader and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
@pytest.mark.parametrize(
    ("number", "workers", "to_all", "out"),
    [
        (signal.SIGINT, 2, True, "out"),
        (signal.SIGINT, 1, True, "out"),
        (signal.SIGTERM, 2, False, "out"),
        (signal.SIGINT, 2, True, None),
    ],
)
def test_an_interrupted_run_leaves_its_best_plan_and_no_process(
    number, workers, to_all, out, tmp_path
):
    slow_study(tmp_path)
    where = ("--json",) if out is None else ("--out", out)
    run = ("run", "slow.toml", *where, "--workers", workers)
    with started(*run, folder=tmp_path) as process:
        assert process.stderr is not None
        first = process.stderr.readline()  # a generation is done: every process is at work
        assert first.startswith("generation 0/"), first
        assert len(group(process.pid)) >= workers
        (os.killpg if to_all else os.kill)(process.pid, number)
        said, err = process.communicate(timeout=60)
        assert process.returncode == 130
        assert "Traceback" not in err
        limit = time.monotonic() + 5
        while group(process.pid) and time.monotonic() < limit:
            time.sleep(0.1)
        assert group(process.pid) == []
    assert hidden(tmp_path) == []
    if out is None:
        assert said == ""
        assert err.splitlines()[-1] == "Interrupted; no result was written."
        assert {path.name for path in tmp_path.iterdir()} == {"slow.toml", "net.json"}
        return
    assert "--resume" in err.splitlines()[-1]
    assert set(contents(tmp_path / "out")) == RESULT_FILES
    summary = json.loads((tmp_path / "out" / "summary.json").read_text())
    assert summary["search"]["finished"] is False
    assert summary["search"]["stopped_because"].startswith("interrupted")
    assert summary["verification"]["hours_failed"] == 0


@pytest.mark.parametrize("command", [("schema",), ("check", "small.toml", "--json")])
def test_a_reader_that_stops_early_is_no_error(command, folder):
    with started(*command, folder=folder) as process:
        assert process.stdout is not None
        process.stdout.read(1)
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == ""
        assert process.wait(20) in (0, 1)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_said_in_words(folder):
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*PROGRAM, "cases"], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert done.returncode == 1
    assert re.fullmatch(r"No space left on device\n", done.stderr)
