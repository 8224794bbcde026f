"""A search that is ended anywhere and taken up again gives the same answer."""

import json
import shutil

import pytest
from command_line import hybridopt, write_case

from hybridopt.checkpoint import Checkpoint, fingerprint
from hybridopt.errors import HybridoptError, InputError
from hybridopt.network_scenario import load_case
from hybridopt.output import plain, summary
from hybridopt.progress import NoProgress
from hybridopt.runs import Job, run_job
from hybridopt.solvers.search import Run
from hybridopt.study import run_study

CASE = {
    "extends": "ieee9",
    "title": "few plans",
    "genetic": {"population": 6, "generations": 4, "stall_generations": 2, "elite": 1},
}
TIMES = ("versions", "time")


def figures(result):
    """Everything in the summary but the times."""
    found = plain(summary(result))
    found["search"].pop("wall_s")
    return {key: value for key, value in found.items() if key not in TIMES}


class EndAfter(NoProgress):
    """Ctrl-C when so many evaluations were reported, in all generations together."""

    def __init__(self, evaluations):
        self.left = evaluations

    def generations(self, *_):
        return self._counting()

    def enumeration(self, *_):
        return self._counting()

    def _counting(self):
        from contextlib import nullcontext

        def report(_generation, _done, _run):
            self.left -= 1
            if self.left == 0:
                raise KeyboardInterrupt

        return nullcontext(report)


@pytest.fixture(scope="module")
def scenario():
    return load_case(CASE)


@pytest.fixture(scope="module")
def whole(scenario):
    return {
        exhaustive: figures(run_study(scenario, workers=1, exhaustive=exhaustive))
        for exhaustive in (False, True)
    }


@pytest.mark.parametrize(
    ("exhaustive", "ends"),
    [
        (False, (5, 3)),
        (True, (66,)),
        pytest.param(False, (1,), marks=pytest.mark.slow),
        pytest.param(False, (66,), marks=pytest.mark.slow),
        pytest.param(True, (1,), marks=pytest.mark.slow),
        pytest.param(True, (5, 3), marks=pytest.mark.slow),
    ],
)
def test_resuming_gives_the_uninterrupted_answer(exhaustive, ends, scenario, whole, tmp_path):
    job = Job(tmp_path / "out", workers=1, exhaustive=exhaustive)
    ended = 0
    for evaluations in ends:
        result = run_job(scenario, job, EndAfter(evaluations))
        ended += result.interrupted
        assert result.finished is not result.interrupted
        assert result.dispatch.ok  # the best so far is a result
        job = Job(job.folder, workers=1, exhaustive=exhaustive, resume=True)
    assert ended or not exhaustive
    result = run_job(scenario, job, NoProgress())
    assert result.finished
    assert figures(result) == whole[exhaustive]
    again = run_job(scenario, job, NoProgress())  # what is finished is only written again
    assert figures(again) == whole[exhaustive]


def test_every_plan_is_counted_once_after_a_resumption(scenario, tmp_path):
    job = Job(tmp_path / "out", workers=1, exhaustive=True)
    run_job(scenario, job, EndAfter(70))
    result = run_job(
        scenario, Job(job.folder, workers=1, exhaustive=True, resume=True), NoProgress()
    )
    assert result.proven_best
    assert result.plans == result.run.evaluations == 184


@pytest.fixture
def kept(scenario, tmp_path):
    """A folder with an unfinished search."""
    path = tmp_path / "out"
    run_job(scenario, Job(path, workers=1), EndAfter(8))
    return path


def refused(scenario, folder, **options):
    """What is said against resuming; nothing may change."""
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    with pytest.raises(InputError) as error:
        run_job(scenario, Job(folder, workers=1, resume=True, **options), NoProgress())
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (finding,) = error.value.findings
    assert finding.place.endswith("checkpoint.json")
    return finding.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("[]", "damaged"),
        ("{}", "damaged"),
        (b"\xff\xfe", "damaged"),
    ],
)
def test_a_damaged_checkpoint_is_refused(text, said, scenario, kept):
    file = kept / "checkpoint.json"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert said in refused(scenario, kept)


def test_a_truncated_checkpoint_is_refused(scenario, kept):
    file = kept / "checkpoint.json"
    whole = file.read_bytes()
    for share in (0.1, 0.5, 0.99):
        file.write_bytes(whole[: int(len(whole) * share)])
        assert "damaged" in refused(scenario, kept)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("seed", -1, "seed"),
        ("format", 2, "format"),
        ("plans", 3, "plans"),
        ("population", [["a"]], "population"),
        ("evaluations", 17, "other numbers"),
        ("random", [3, [1], None], "other numbers"),
        ("evaluations", 1.5, "evaluations"),
    ],
)
def test_a_checkpoint_with_a_wrong_value_is_refused_by_its_place(key, value, said, scenario, kept):
    file = kept / "checkpoint.json"
    data = json.loads(file.read_text())
    data["search"][key] = value
    file.write_text(json.dumps(data))
    assert said in refused(scenario, kept)


def test_a_foreign_checkpoint_is_refused_by_name(scenario, kept, monkeypatch):
    assert "belongs to seed 0, not 3" in refused(scenario, kept, seed=3)
    assert "belongs to method genetic, not exhaustive" in refused(scenario, kept, exhaustive=True)
    dearer = load_case(CASE | {"budget": 19.0})
    assert "case or its network was changed" in refused(dearer, kept).replace(
        f"case {dearer.case.name}", "case"
    )
    other = load_case("ieee30")
    assert "belongs to case" in refused(other, kept)
    monkeypatch.setattr("hybridopt.checkpoint.ipopt_version", lambda: "3.1")
    assert "not hybridopt 0.1.0, ipopt 3.1" in refused(scenario, kept)


def test_more_generations_and_time_do_not_make_a_case_another():
    same = load_case(CASE | {"genetic": CASE["genetic"] | {"generations": 9, "time_limit_s": 5.0}})
    assert fingerprint(same) == fingerprint(load_case(CASE))
    assert fingerprint(load_case(CASE | {"budget": 19.0})) != fingerprint(same)


def test_a_checkpoint_holds_numbers_to_the_last_digit(scenario, tmp_path):
    run = run_study(scenario, workers=1).run
    checkpoint = Checkpoint(tmp_path / "checkpoint.json", scenario, "genetic", 0)
    checkpoint.save(run)
    found = checkpoint.load()
    assert list(found.cache.items()) == list(run.cache.items())
    assert (found.population, found.random, found.log) == (run.population, run.random, run.log)
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint.json"]
    checkpoint.save(Run())
    assert checkpoint.load() == Run()


def test_a_time_limit_ends_the_search_and_resuming_goes_on(whole, tmp_path):
    short = load_case(CASE | {"genetic": CASE["genetic"] | {"time_limit_s": 1e-3}})
    job = Job(tmp_path / "out", workers=1)
    result = run_job(short, job, NoProgress())
    assert "time limit of 0.001 s" in result.run.stopped_because
    assert (result.finished, result.interrupted, result.proven_best) == (False, False, False)
    assert result.run.distinct == 1
    result = run_job(load_case(CASE), Job(job.folder, workers=1, resume=True), NoProgress())
    assert figures(result) == whole[False]


def test_the_command_line_resumes(tmp_path):
    write_case(tmp_path)
    run = ("run", "small.toml", "--workers", "1")
    done = hybridopt(*run, "--json", "--resume", folder=tmp_path)
    assert done.code == 0
    assert "holds nothing to resume" in done.err
    first = json.loads(done.out)
    folder = tmp_path / "results" / "small-seed0"
    again = json.loads(hybridopt(*run, "--json", "--resume", folder=tmp_path).out)
    assert again["plan"] == first["plan"]
    (folder / "summary.json").unlink()
    (finding,) = hybridopt(*run, folder=tmp_path).findings
    assert "unfinished search: --resume" in finding
    assert hybridopt(*run, "--force", "--quiet", folder=tmp_path).code == 0
    shutil.copyfile(folder / "plan.json", folder / "mine.txt")
    (finding,) = hybridopt(*run, "--resume", folder=tmp_path).findings
    assert "mine.txt" in finding
    (finding,) = hybridopt(*run, "--resume", "--force", folder=tmp_path).findings
    assert "give one" in finding


def test_a_run_that_cannot_begin_leaves_no_folder(scenario, tmp_path, monkeypatch):
    def broken(*_):
        raise HybridoptError("nothing to search")

    monkeypatch.setattr("hybridopt.study.check_case", broken)
    with pytest.raises(HybridoptError, match="nothing to search"):
        run_job(scenario, Job(tmp_path / "a" / "b", workers=1), NoProgress())
    assert list(tmp_path.iterdir()) == []


def test_force_over_an_old_result_that_has_no_search(scenario, tmp_path):
    """The search is kept from its start, so a run that ends in its first generation has one too."""
    old = tmp_path / "out"
    old.mkdir()
    (old / "summary.json").write_text("old")
    result = run_job(scenario, Job(old, workers=1, force=True), EndAfter(2))
    assert result.interrupted
    kept = Checkpoint(old / "checkpoint.json", scenario, "genetic", 0).load()
    assert kept == Run()
