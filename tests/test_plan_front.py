"""The front of plans: beside every choice there is, single-objective runs and the dispatch."""

import json
from dataclasses import replace
from itertools import product

import numpy as np
import pandas as pd
import pytest
from command_line import SMALL_STUDY, hybridopt, write_case

from hybridopt.evaluate import Evaluator
from hybridopt.event_day import hours_of
from hybridopt.network_scenario import load_case
from hybridopt.plan_archive import thinned
from hybridopt.plan_choice import LEVELS, NAMES, ChoiceEvaluator
from hybridopt.plan_front import FrontResult, FrontSearch, run_pareto
from hybridopt.plan_front_report import SHADES, _ranges, _shades, peak_alone
from hybridopt.progress import NoProgress
from hybridopt.study import run_study

DAY = f"[load]\ncurve = {[1.0] + [0.6] * 23}\n"  # hours alike are solved once
FEW = SMALL_STUDY.replace("max_mw = 20.0", "max_mw = 20.0\nbuses = [1, 3]")
SIZED = SMALL_STUDY.replace("max_mw = 20.0", "sizes_mw = [2.0, 4.0, 8.0]")
BOTH = ("--pareto", ",".join(NAMES))


def cut(case):
    """A case with the first two hours of its day."""
    scenario = load_case(case)
    return replace(scenario, horizon=hours_of(scenario.horizon, (1, 2)))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A case with free ratings, and one with sizes to choose from."""
    folder = tmp_path_factory.mktemp("front")
    write_case(folder, text=f"{FEW}\n{DAY}")
    write_case(folder, "sized.toml", f"{SIZED}\n{DAY}")
    return folder


@pytest.fixture(scope="module")
def scenario(folder):
    return cut(folder / "small.toml")


@pytest.fixture(scope="module")
def found(scenario):
    return run_pareto(scenario, workers=1)


def beaten(point, others):
    """Whether another is better in one objective and as good in all, beyond rounding."""
    room = 1e-4 + 1e-6 * abs(point)
    return any(np.all(o <= point + room) and np.any(o < point - 2 * room) for o in others)


def every_choice(scenario):
    """Values of every plan with every level of the budget and goal, by a plain loop."""
    case, space = scenario.case, scenario.space
    found = []
    for plan in space.every():
        for level, after in product(
            range(1, LEVELS + 1), (("plan_cost", "operating_cost"), ("operating_cost", "plan_cost"))
        ):
            budget = space.budget * level / LEVELS
            within = replace(space, budget=budget)
            if not within.affordable(plan):
                continue
            goals = tuple({name: 1.0} for name in ("unserved_mwh", *after))
            evaluator = Evaluator(
                scenario.damaged,
                within,
                scenario.horizon,
                replace(scenario.settings, objectives=goals),
                case.dispatch_mode,
            )
            evaluator.share(scenario_dispatcher(scenario, evaluator))
            evaluation = evaluator.evaluate(plan)
            if evaluation.ok:
                known = evaluation.values  # noqa: PD011
                found.append([known[name] for name in NAMES])
    return np.array(found)


_COMPILED = {}


def scenario_dispatcher(scenario, evaluator):
    """The models of the first evaluator, with the goals of another."""
    key = str(evaluator.settings.objectives)
    if key not in _COMPILED:
        _COMPILED[key] = Evaluator(
            scenario.damaged,
            evaluator.space,
            scenario.horizon,
            evaluator.settings,
            evaluator.mode,
        ).dispatcher
    return _COMPILED[key]


@pytest.mark.slow
def test_the_front_is_that_of_every_choice(scenario, found):
    everything = every_choice(scenario)
    points = np.array([point.objectives for point in found.points])
    assert found.left_out == 0
    for point in points:
        assert not beaten(point, everything)
    exact = [row for row in everything if not beaten(row, everything)]
    for row in exact:
        assert any(np.allclose(row, point, rtol=2e-5, atol=1e-4) for point in points), row


def test_no_point_beats_another_and_doing_nothing_is_among_them(found):
    points = np.array([point.objectives for point in found.points])
    assert not any(beaten(point, np.delete(points, k, axis=0)) for k, point in enumerate(points))
    assert len(np.unique(points, axis=0)) == len(points)
    assert 0.0 in points[:, NAMES.index("plan_cost")]


@pytest.mark.parametrize(
    "goals", [("unserved_mwh", "operating_cost"), ("unserved_mwh", "plan_cost")]
)
def test_ends_are_what_single_searches_find(goals, folder, found):
    case = {"extends": str(folder / "small.toml"), "objectives": list(goals)}
    best = run_study(cut(case), workers=1).best.values  # noqa: PD011
    columns = [NAMES.index(name) for name in goals]
    points = sorted(tuple(point.objectives[k] for k in columns) for point in found.points)
    assert points[0] == pytest.approx(tuple(best[n] for n in goals), rel=1e-5, abs=1e-6)


@pytest.mark.slow
@pytest.mark.slow
def test_the_number_of_workers_changes_nothing(scenario, found):
    again = run_pareto(scenario, workers=2)
    assert [p.objectives for p in again.points] == [p.objectives for p in found.points]
    assert again.evaluations == found.evaluations


def test_generations_come_nearer_to_the_front(found):
    shares = [row["hypervolume"] for row in found.log]
    assert 0.5 < shares[0] < 1.0
    assert shares == sorted(shares)
    assert shares[-1] <= 1.0


@pytest.fixture(scope="module")
def sized(folder):
    """The result folder of a search among plans with given sizes."""
    done = hybridopt("run", "sized.toml", *BOTH, "--workers", 1, "--out", "sized", folder=folder)
    assert done.code == 0
    command = "hybridopt dispatch sized.toml --plan sized/plans/point01.json"
    assert command in done.out.splitlines()[-2]
    assert hybridopt(*command.split()[1:], "--quiet", folder=folder).code == 0
    return folder / "sized"


def front(out):
    """What a folder holds, but for the time it took and what was known before."""
    found = json.loads((out / "summary.json").read_text())
    assert len(list((out / "plans").iterdir())) == len(found["front"])
    return {k: v for k, v in found.items() if k not in ("wall_s", "resumed")}


def test_a_point_is_what_dispatch_makes_of_its_plan(sized):
    summary = json.loads((sized / "summary.json").read_text())
    table = pd.read_csv(sized / "pareto.csv")
    assert list(table["plan"]) == [row["plan"] for row in summary["front"]]
    assert len(table) > 3
    for row in summary["front"][::3]:
        plan = ("--plan", sized / row["plan"])
        day = hybridopt("dispatch", "sized.toml", *plan, "--json", "--quiet", folder=sized.parent)
        assert day.code == 0
        told = json.loads(day.out)
        assert told["objective"] == pytest.approx(row["operating_cost"], rel=1e-5, abs=1e-3)
        assert row["day"]["unserved_mwh"] == pytest.approx(row["unserved_mwh"], rel=1e-5, abs=1e-3)
        assert row["cost"] == pytest.approx(row["plan_cost"], rel=1e-6)
        assert row["max_mismatch_mva"] < 1e-4


def test_the_report_is_written_again_and_nothing_foreign_is_lost(sized):
    page = (sized / "report.html").read_text()
    assert "none beats" in page
    assert hybridopt("report", sized).code == 0
    assert (sized / "report.html").read_text() == page
    asked = ("run", "sized.toml", *BOTH, "--out", "sized")
    assert "exists already" in hybridopt(*asked, folder=sized.parent).findings[0]
    (sized / "plans" / "mine.json").write_text("{}")
    (finding,) = hybridopt(*asked, "--force", folder=sized.parent).findings
    assert "plans/mine.json" in finding
    (sized / "plans" / "mine.json").unlink()


def test_every_plan_tried_is_the_same_front(sized):
    """Sizes are given, so nothing lies between the candidates: 26 plans, and a plain loop."""
    asked = ("run", "sized.toml", *BOTH, "--exhaustive", "--json", "--workers", 1)
    found = json.loads(hybridopt(*asked, folder=sized.parent).out)
    assert (found["exact"], front(sized)["exact"]) == (True, False)
    assert found["evaluations"] == 26
    assert found["front"] == front(sized)["front"]
    scenario = load_case(sized.parent / "sized.toml")
    parts = (scenario.damaged, scenario.space, scenario.horizon, scenario.settings, "each")
    evaluate = Evaluator(*parts).evaluate
    values = [evaluate(plan).values for plan in scenario.space.every()]  # noqa: PD011
    rows = np.array([[value[name] for name in NAMES] for value in values])
    exact = [row for row in rows if not beaten(row, rows)]
    points = [[row[name] for name in NAMES] for row in found["front"]]
    assert np.array(points) == pytest.approx(np.unique(np.round(exact, 6), axis=0), rel=1e-5)


def test_what_was_interrupted_goes_on(sized, monkeypatch):
    asked = ("run", "sized.toml", *BOTH, "--workers", 1, "--out", "again", "--quiet")
    go_on = FrontSearch._generation

    def stop(search):
        if len(search.log) == 1:
            raise KeyboardInterrupt
        return go_on(search)

    monkeypatch.setattr(FrontSearch, "_generation", stop)
    done = hybridopt(*asked, folder=sized.parent)
    monkeypatch.setattr(FrontSearch, "_generation", go_on)
    assert (done.code, done.out) == (130, "")
    (said,) = done.err.splitlines()
    assert said.startswith("Interrupted; again keeps the plans evaluated so far.")
    assert "give the same command with --resume" in said
    assert "--resume goes on" in hybridopt(*asked, folder=sized.parent).findings[0]
    assert hybridopt(*asked, "--resume", folder=sized.parent).code == 0
    out = sized.parent / "again"
    assert front(out) == front(sized)
    resumed = json.loads((out / "summary.json").read_text())["resumed"]
    assert 0 < resumed < front(out)["evaluations"]
    stored = len(json.loads((out / "checkpoint.json").read_text())["values"])
    assert stored == front(out)["evaluations"]
    assert hybridopt(*asked, "--resume", folder=sized.parent).code == 0
    assert json.loads((out / "summary.json").read_text())["resumed"] == stored
    for command in (("run", "sized.toml"), ("sample", "sized.toml", "--events", 3)):
        found = hybridopt(*command, "--resume", "--out", "again", folder=out.parent).findings
        assert sum("--out again: holds what hybridopt run --pareto began" in f for f in found) == 1
    other = ("run", "small.toml", *asked[2:], "--resume")
    assert "belongs to case sized" in hybridopt(*other, folder=sized.parent).findings[0]


def test_every_wrong_option_is_listed(folder):
    wrong = ("--pareto", "plan_cost,speed", "--seeds", "0-3", "--bound", "--out", "small.toml")
    findings = hybridopt("run", "no_such_case", *wrong, folder=folder).findings
    for words in (
        "no_such_case",
        "--pareto speed: is none of",
        "--seeds: means nothing to --pareto",
        "--bound: means nothing",
        "is a file, not a folder",
    ):
        assert any(words in finding for finding in findings), (words, findings)
    (one,) = hybridopt("run", "small.toml", "--pareto", "plan_cost", folder=folder).findings
    assert "two or more" in one
    (one,) = hybridopt("run", "ieee9_paper", *BOTH, "--exhaustive", folder=folder).findings
    assert "infinitely many plans" in one
    (one,) = hybridopt("run", "small.toml", *BOTH, "--resume", "--force", folder=folder).findings
    assert one.startswith("--force")
    (one,) = hybridopt("run", "ieee14_siting", *BOTH, folder=folder).findings
    assert "not for siting" in one


def test_goals_put_each_objective_next_to_serving(scenario):
    search = FrontSearch(scenario, NAMES, 1, NoProgress())
    names = [[next(iter(goal)) for goal in goals] for goals in search.evaluator.goals]
    assert names == [
        ["unserved_mwh", "plan_cost", "operating_cost"],
        ["unserved_mwh", "operating_cost", "plan_cost"],
    ]
    only = ChoiceEvaluator(search.evaluator.evaluator, ("unserved_mwh", "unserved_peak_mw"))
    assert only.goals == [({"unserved_mwh": 1.0},)]


def test_thinning_keeps_ends_and_drops_close_points():
    points = np.array([[0.0, 9.0], [1.0, 5.0], [1.01, 4.99], [5.0, 1.0], [9.0, 0.0]])
    kept = thinned(points, 4)
    assert len(kept) == 4
    assert {0, 3, 4} <= set(kept)
    assert thinned(points, 9) == [0, 1, 2, 3, 4]


def test_a_front_is_exact_only_if_every_candidate_was_tried_and_none_failed():
    known = dict.fromkeys(FrontResult.__dataclass_fields__)
    for exhaustive, failed, exact in ((True, 0, True), (True, 1, False), (False, 0, False)):
        assert FrontResult(**known | {"exhaustive": exhaustive, "failed": failed}).exact is exact


def test_shades_part_the_points_by_their_values():
    values = [3.0, 1.0, 1.0, 1.0, 2.0, 8.0, 9.0, 5.0]
    shades = _shades([{"cost": value} for value in values], "cost")
    assert shades[1] == shades[2] == shades[3] == SHADES[0]  # equal ones look alike
    by_value = [SHADES.index(shade) for _, shade in sorted(zip(values, shades, strict=True))]
    assert by_value == sorted(by_value)
    assert shades[6] == SHADES[-1]
    told = [words for _, _, words in _ranges(values, shades)]
    assert told[0] == "1.000"
    assert told[-1].endswith("9.000")
    assert _shades([{"cost": 4.0}] * 3, "cost") == [SHADES[0]] * 3


def test_why_the_day_differs_from_the_peak_is_said(sized):
    found = json.loads((sized / "summary.json").read_text())
    assert (found["max_p_ratio"], peak_alone(found)) == (1.0, "")
    at_peak = found | {"dispatch_mode": "winner"}
    assert "1.5" not in peak_alone(at_peak)
    assert "up to 1.5 times as much" in peak_alone(at_peak | {"max_p_ratio": 1.5})
