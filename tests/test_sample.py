"""Events drawn at random: curves, wind, tail, the same numbers however they were worked out."""

import itertools
import json
import os
import signal
import time
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import hybridopt, small_net, started, write_case
from scipy.stats import lognorm

from hybridopt.event_day import DayDeliverer
from hybridopt.event_draws import draw_events
from hybridopt.fragility import distance_to_track, failure_probability, wind_speed
from hybridopt.network_events import EventSpace
from hybridopt.network_exposure import exposure
from hybridopt.network_scenario import load_case
from hybridopt.sample import SampleOptions, sample_events
from hybridopt.sample_output import _distribution
from hybridopt.study import check_case
from hybridopt.tail_risk import conditional_value_at_risk, risk, value_at_risk

PLAIN = """
[sample.probabilities]
lines = { "0-1" = 0.5, "1-2" = 0.5 }
generators = { 3 = 0.25 }
"""


def case_with(sample, net=None):
    return load_case({"network": "net", "sample": sample}, net=small_net() if net is None else net)


def exposure_of(sample, net=None):
    scenario = case_with(sample, net)
    space = EventSpace(scenario)
    return space, exposure(space.known, scenario.case.sample)


def test_fragility_is_the_lognormal_distribution():
    x = np.array([5.0, 20.0, 40.0, 80.0])
    assert failure_probability(x, 40.0, 0.25) == pytest.approx(lognorm.cdf(x, 0.25, scale=40.0))
    assert failure_probability(40.0, 40.0, 0.25) == 0.5
    assert failure_probability(0.0, 40.0, 0.25) == 0.0


def test_wind_falls_off_from_the_track():
    assert wind_speed([0.0, 1e9], 40.0, 10.0, 2.0) == pytest.approx([40.0, 10.0])
    assert wind_speed(2.0, 40.0, 10.0, 2.0) == pytest.approx(10 + 30 * np.exp(-0.5))


def test_distances_equal_those_of_many_points():
    rng = np.random.default_rng(0)
    start, end, track = rng.normal(size=(50, 2)), rng.normal(size=(50, 2)), rng.normal(size=(3, 2))
    share = np.linspace(0, 1, 1501)[:, None]
    on_track = np.concatenate([a + share * (b - a) for a, b in itertools.pairwise(track)])
    found = distance_to_track(start, end, track)
    for k in range(50):
        points = start[k] + np.linspace(0, 1, 301)[:, None] * (end[k] - start[k])
        apart = np.hypot(*(points[:, None] - on_track[None]).transpose(2, 0, 1)).min()
        assert found[k] == pytest.approx(apart, abs=0.02)
    crossing = distance_to_track(
        np.array([[0.0, 0.0]]), np.array([[1.0, 1.0]]), np.array([[0.0, 1.0], [1.0, 0.0]])
    )
    assert crossing == pytest.approx([0.0])


def test_tail_is_the_minimum_of_rockafellar_and_uryasev():
    sample = np.random.default_rng(1).lognormal(size=137)
    c = np.concatenate([sample, np.linspace(0, sample.max(), 4001)])
    least = min(x + np.maximum(sample - x, 0).mean() / 0.05 for x in c)
    assert float(conditional_value_at_risk(sample)) == pytest.approx(least)
    assert float(value_at_risk(np.arange(1.0, 101.0))) == 95.0
    assert float(conditional_value_at_risk(np.arange(1.0, 101.0))) == pytest.approx(98.0)


def test_intervals_hold_the_mean_as_often_as_they_say():
    """Coverage of the interval of the mean over 40 samples of a known distribution."""
    rng = np.random.default_rng(3)
    drawn = rng.exponential(2.0, (40, 60))
    ends = [risk(sample, seed).mean_ci for seed, sample in enumerate(drawn)]
    assert 34 <= sum(low <= 2.0 <= high for low, high in ends) <= 40
    many = rng.exponential(2.0, (100_000, 60))  # what t is in truth
    t = (many.mean(axis=1) - 2.0) / (many.std(axis=1) / 60**0.5)
    above, below = -np.percentile(t, (2.5, 97.5)) * drawn.std(axis=1).mean() / 60**0.5
    arms = (np.array(ends) - drawn.mean(axis=1)[:, None]).mean(axis=0)
    assert arms == pytest.approx([below, above], rel=0.15)  # the upper one is the longer


def test_intervals_of_rare_losses_hold_mean_and_tail():
    """Most events leave nothing: percentiles of resamples would hold the tail in 3 of 4 only."""
    rng = np.random.default_rng(4)

    def draw(n):
        return np.where(rng.random(n) < 0.118, rng.lognormal(4.0, 0.9, n), 0.0)

    many = draw(2_000_000)
    mean, tail = many.mean(), float(conditional_value_at_risk(many))
    found = [risk(draw(200), seed, 0.0) for seed in range(40)]
    assert sum(r.mean_ci[0] <= mean <= r.mean_ci[1] for r in found) >= 36
    assert sum(r.cvar_ci[0] <= tail <= r.cvar_ci[1] for r in found) >= 36
    assert all(r.mean_ci[0] >= 0 for r in found)


def test_intervals_stay_away_where_too_little_was_seen():
    few = np.append(np.zeros(96), [1.0, 2.0, 3.0, 4.0])
    assert (risk(few, 0).mean_ci, risk(few, 0).cvar_ci) == (None, None)
    more = np.append(np.zeros(95), [1.0, 2.0, 3.0, 4.0, 5.0])
    found = risk(more, 0, 0.0, 6.0)
    assert 0 <= found.mean_ci[0] < found.mean < found.mean_ci[1]
    assert 0 <= found.cvar_ci[0] < found.cvar < found.cvar_ci[1] <= 6.0
    assert risk(np.arange(49.0), 0).mean_ci is None
    assert risk(np.zeros(100), 0).cvar_ci == (0.0, 0.0)


def test_draws_have_their_probabilities_and_do_not_depend_on_their_number():
    _, exposed = exposure_of({"probabilities": {"lines": {"all": 0.3}, "generators": {"3": 0.05}}})
    many = draw_events(exposed, 20_000, 0.0, seed=5)
    assert many.lost.mean(axis=0) == pytest.approx([0.3, 0.3, 0.3, 0.05], abs=0.012)
    few = draw_events(exposed, 100, 0.0, seed=5)
    assert np.array_equal(few.lost, many.lost[:100])
    assert not np.array_equal(draw_events(exposed, 100, 0.0, seed=6).lost, few.lost)


def test_severity_of_the_event_moves_all_elements_together():
    sample = {
        "fragility": [{"kind": "lines", "median": 30.0, "beta": 0.2}],
        "intensities": {"lines": {"all": 30.0}},
        "log_std": 0.5,
    }
    _, exposed = exposure_of(sample)
    draws = draw_events(exposed, 4000, 0.5, seed=1)
    assert np.log(draws.factor).std() == pytest.approx(0.5, rel=0.05)
    assert np.corrcoef(draws.lost[:, 0], draws.lost[:, 1])[0, 1] > 0.5


def test_wind_field_over_coordinates():
    net = small_net()
    net.bus["geo"] = [f'{{"type": "Point", "coordinates": [{float(x)}, 0.0]}}' for x in range(4)]
    wind = {"speed": 50.0, "background": 10.0, "width": 1.0, "track": [[0.0, -5.0], [0.0, 5.0]]}
    sample = {"fragility": [{"kind": "lines", "median": 40.0, "beta": 0.3}], "wind": wind}
    _, exposed = exposure_of(sample, net)
    expected = wind_speed([0.0, 1.0, 2.0], 50.0, 10.0, 1.0)
    assert exposed.intensity == pytest.approx(expected)
    assert exposed.probability() == pytest.approx(failure_probability(expected, 40.0, 0.3))


def test_a_curve_of_its_own_goes_before_one_for_all():
    sample = {
        "fragility": [
            {"kind": "lines", "median": 30.0, "beta": 0.2},
            {"kind": "lines", "elements": ["1-2"], "median": 60.0, "beta": 0.2},
        ],
        "probabilities": {"lines": {"2-3": 0.125}},
        "intensities": {"lines": {"all": 30.0, "1-2": 60.0}},
    }
    _, exposed = exposure_of(sample)
    assert exposed.probability() == pytest.approx([0.5, 0.5, 0.125])


def test_certain_events_cost_what_they_must():
    """Line 1-2 and the generator behind it are always lost: 15 MW in each of the hours."""
    sample = {"probabilities": {"lines": {"1-2": 1.0}, "generators": {"3": 1.0}}}
    space, exposed = exposure_of(sample)
    result = sample_events(space, exposed, SampleOptions(50, hours=(3, 4, 5, 6)), workers=1)
    assert result.distinct == 1
    assert result.unserved.mean == pytest.approx(15.0 * 4)
    assert result.unserved.cvar == pytest.approx(60.0)
    assert result.unserved.mean_ci == pytest.approx((60.0, 60.0))
    served = 10.0 * 4  # at bus 1, at a cost of 1 per MWh and a little loss
    assert result.cost.mean == pytest.approx(60.0 * 5000 + served, rel=1e-3)


def test_sample_equals_a_plain_loop_over_its_events(tmp_path):
    """Each row against a check of the case with that very event."""
    case, out = write_case(tmp_path, text=PLAIN), tmp_path / "out"
    assert hybridopt("sample", case, "--events", 60, "--workers", 1, "--out", out).code == 0
    rows = pd.read_csv(out / "events.csv", keep_default_na=False)
    assert len(rows) == 60
    known = {}
    for row in rows.itertuples():
        if row.elements and row.elements not in known:
            words = row.elements.split("; ")
            event = {
                "lines": [w.split()[1] for w in words if w.startswith("line")],
                "generators": [int(w.split()[1]) for w in words if w.startswith("generator")],
            }
            check = check_case(load_case({"network": "net", "event": event}, net=small_net()))
            known[row.elements] = check.dispatch.unserved_mwh
        expected = known.get(row.elements, 0.0)
        assert row.unserved_mwh == pytest.approx(expected, rel=1e-5, abs=1e-3)
    summary = json.loads((out / "summary.json").read_text())
    assert summary["expected_unserved_mwh"] == pytest.approx(rows.unserved_mwh.mean())
    assert summary["ci_95"][0] <= summary["expected_unserved_mwh"] <= summary["ci_95"][1]
    assert summary["events"] == 60
    page = (out / "report.html").read_text()
    assert hybridopt("report", out).code == 0
    assert (out / "report.html").read_text() == page


def figures(folder: Path):
    found = json.loads((folder / "summary.json").read_text())
    for name in ("wall_s", "resumed_events"):
        found.pop(name)
    return found, (folder / "events.csv").read_text()


def test_workers_and_resume_change_nothing(tmp_path):
    case = write_case(tmp_path, text=PLAIN)
    options = ("sample", case, "--events", 40, "--quiet")
    for n in (1, 2):
        outcome = hybridopt(*options, "--workers", n, "--out", tmp_path / f"out{n}")
        assert outcome.code == 0, outcome.err
    assert figures(tmp_path / "out1") == figures(tmp_path / "out2")
    assert hybridopt(*options, "--workers", 1, "--out", tmp_path / "out2", "--resume").code == 0
    assert figures(tmp_path / "out1") == figures(tmp_path / "out2")
    found = json.loads((tmp_path / "out2" / "summary.json").read_text())
    assert found["resumed_events"] == found["distinct_events"]
    few = (*options[:3], 5, "--out", tmp_path / "out2", "--resume", "--json")
    found = json.loads(hybridopt(*few).out)
    assert found["resumed_events"] == found["distinct_events"] <= 5  # of more that are kept


def test_shares_that_leave_more_are_those_of_the_events(tmp_path):
    out = tmp_path / "out"
    options = ("--events", 60, "--quiet", "--out", out)
    assert hybridopt("sample", write_case(tmp_path, text=PLAIN), *options).code == 0
    found = json.loads((out / "summary.json").read_text())["distribution"]
    unserved = pd.read_csv(out / "events.csv")["unserved_mwh"].to_numpy()
    values, shares = np.array(found["exceeded_mwh"]), np.array(found["exceeded_share"])
    assert values[0] == 0.0
    assert set(values[1:]) == set(unserved[unserved > 0])
    for value, up_to, share in zip(values, [*values[1:], np.inf], shares, strict=True):
        for at in (value, min((value + up_to) / 2, 1e9)):
            assert share == np.mean(unserved > at)
    page = (out / "report.html").read_text()
    drawn = page.split('aria-label="Share of events that exceed">')[1].split('<path d="M')[1]
    points = [tuple(map(float, point.split())) for point in drawn.split('"')[0].split("L")]
    assert len(points) == 2 * len(values)
    for (x, y), (to_x, to_y) in pairwise(points):
        assert x == to_x or y == to_y  # flat, or straight down


def test_shares_of_more_values_than_can_be_drawn(monkeypatch):
    monkeypatch.setattr("hybridopt.sample_output.MOST_STEPS", 5)
    unserved = np.arange(100, dtype=float)
    found = _distribution(unserved)
    assert found["exceeded_mwh"] == [0.0, 25.0, 50.0, 74.0, 99.0]
    assert found["exceeded_share"] == [np.mean(unserved > v) for v in found["exceeded_mwh"]]


def test_a_damaged_or_foreign_file_is_refused(tmp_path):
    case, out = write_case(tmp_path, text=PLAIN), tmp_path / "out"
    options = ("sample", case, "--events", 5, "--workers", 1, "--out", out, "--quiet")
    assert hybridopt(*options).code == 0
    file = out / "checkpoint.json"
    kept = file.read_text()
    file.write_text(kept.replace('"unserved_mwh": 0.0', '"unserved_mwh": 1.0', 1))
    assert "holds other numbers" in hybridopt(*options, "--resume").findings[0]
    file.write_text(kept[:-20])
    assert "is damaged" in hybridopt(*options, "--resume").findings[0]
    file.write_text(kept)
    case.write_text(case.read_text() + "\n[limits]\nvm_max = 1.05\n")
    assert "before the case" in hybridopt(*options, "--resume").findings[0]


def answered(file: Path) -> int:
    """Number of events that a sample has kept so far."""
    return len(json.loads(file.read_text())["values"]) if file.exists() else 0


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_kill_9_and_resume(tmp_path):
    """500 events of IEEE 30 on two workers, killed twice, against one process."""
    common = ("sample", "ieee30", "--events", "500", "--quiet")
    killed = tmp_path / "killed"
    for n, more in ((15, ()), (40, ("--resume",))):
        with started(*common, "--workers", 2, "--out", killed, *more, folder=tmp_path) as process:
            while answered(killed / "checkpoint.json") < n:
                assert process.poll() is None
                time.sleep(0.2)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        assert (killed / "checkpoint.json").exists()
        assert not (killed / "summary.json").exists()
    outcome = hybridopt(*common, "--workers", 2, "--out", killed, "--resume")
    assert outcome.code == 0, outcome.err
    assert json.loads((killed / "summary.json").read_text())["resumed_events"] > 0
    assert hybridopt(*common, "--workers", 1, "--out", tmp_path / "one").code == 0
    assert figures(killed) == figures(tmp_path / "one")


def test_a_fixed_plan_and_a_study_answer_less_badly(tmp_path):
    """Line 0-1 always lost: 5 MW of 25 stay without a plan; a plan in place serves all."""
    text = """
budget = 30.0
[resources.lines]
cost = 1.0
[resources.dg]
max_units = 1
cost_per_mw = 1.0
max_mw = 20.0
[genetic]
population = 4
generations = 1
elite = 1
[sample]
probabilities = { lines = { "0-1" = 1.0 } }
hours = [1, 2]
"""
    case, plan = write_case(tmp_path, text=text), tmp_path / "plan.json"
    plan.write_text('{"dg": [{"bus": 1, "max_p_mw": 8.0}]}')
    values = {}
    for response, more in (("delivery", ()), ("plan", ("--plan", plan)), ("study", ())):
        outcome = hybridopt(
            *("sample", case, "--events", 3, "--workers", 1, "--json", "--response", response),
            *more,
        )
        assert outcome.code == 0, outcome.err
        values[response] = json.loads(outcome.out)
    assert values["delivery"]["expected_unserved_mwh"] == pytest.approx(10.0, rel=0.02)
    assert values["plan"]["expected_unserved_mwh"] == 0.0
    assert values["plan"]["expected_plan_cost"] == pytest.approx(8.0)
    assert values["study"]["expected_unserved_mwh"] == 0.0
    assert 0 < values["study"]["expected_plan_cost"] <= 30.0


def test_a_study_counts_the_whole_day_although_its_search_looks_at_the_peak_alone():
    found = []
    for mode in ("each", "winner"):
        case = {
            "network": "net",
            "budget": 2.5,
            "dispatch_mode": mode,
            "resources": {"dg": {"max_units": 1, "cost_per_mw": 1.0, "max_mw": 20.0}},
            "genetic": {"population": 4, "generations": 1, "elite": 1},
            "sample": {"probabilities": {"lines": {"0-1": 1.0}}},
        }
        space = EventSpace(load_case(case, net=small_net()))
        exposed = exposure(space.known, space.scenario.case.sample)
        (answer,) = sample_events(space, exposed, SampleOptions(1, "study"), workers=1).answers
        assert answer.unserved_mwh > 2 * answer.unserved_peak_mw > 0
        found.append(answer.unserved_mwh)
    assert found[0] == pytest.approx(found[1], rel=1e-4)


def test_events_that_failed_are_tried_again(tmp_path, monkeypatch):
    space, exposed = exposure_of({"probabilities": {"lines": {"0-1": 1.0}}})
    keep, options = tmp_path / "kept.json", SampleOptions(1, hours=(1,))
    answer = DayDeliverer.__call__
    monkeypatch.setattr(
        DayDeliverer, "__call__", lambda *args: replace(answer(*args), status="failed")
    )
    failed = sample_events(space, exposed, options, workers=1, keep=keep)
    assert failed.answers[0].status == "failed"
    monkeypatch.setattr(DayDeliverer, "__call__", answer)
    again = sample_events(space, exposed, options, workers=1, keep=keep, resume=True)
    assert (again.resumed, again.answers[0].status) == (0, "optimal")


def test_no_events_at_all_take_nothing_out():
    space, exposed = exposure_of({"probabilities": {"lines": {"all": 1e-12}}})
    result = sample_events(space, exposed, SampleOptions(3, hours=(1,)), workers=1)
    assert result.unserved.mean == 0.0
    assert result.lost_by(0) == []


# Bad input


def test_bad_values_are_listed_with_their_lines(tmp_path):
    (tmp_path / "bad.csv").write_text("kind,element,probability\nlines,0-1,1.5\nwires,1-2,0.1\n")
    text = """
[sample]
probabilities = "bad.csv"
log_std = -1.0
hours = [25]
[[sample.fragility]]
kind = "lines"
median = -3.0
beta = 0.0
[sample.wind]
speed = 5.0
background = 9.0
width = 0.0
track = [[1.0, 2.0, 3.0], [nan, 1.0]]
"""
    case, out = write_case(tmp_path, text=text), tmp_path / "out"
    found = hybridopt("sample", case, "--events", 0, "--out", out).findings
    assert not out.exists()
    csv = tmp_path / "bad.csv"
    for line in (
        f"{csv}:2 [sample.probabilities.lines] 0-1: must lie in [0, 1], found 1.5",
        f"{csv}:3 [sample.probabilities.wires]: unknown key",
        f"{case}:5 [sample] log_std: must be at least 0, found -1.0",
        f"{case}:9 [sample.fragility[0]] median: must be above 0, found -3.0",
        f"{case}:10 [sample.fragility[0]] beta: must be above 0, found 0.0",
        f"{case}:14 [sample.wind] width: must be above 0, found 0.0",
        f"{case}:15 [sample.wind] track[0]: must have 2 entries, found 3",
        f"{case}:15 [sample.wind] track[1][0]: must be a finite number, found nan",
        "--events: must lie in [1, 1,000,000], found 0",
    ):
        assert any(f.startswith(line) for f in found), (line, found)
    assert sum("[sample.wind] track" in f for f in found) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[sample]\n", "needs probabilities"),
        ('[sample.probabilities]\nlines = { "0-9" = 0.5 }\n', "no line 0-9 in the network"),
        ("[sample.probabilities]\ngenerators = { 2 = 0.5 }\n", "no generator at bus 2"),
        ("[sample.probabilities]\nlines = { all = 0.0 }\n", "nothing can fail"),
        (
            '[[sample.fragility]]\nkind = "lines"\nmedian = 1.0\nbeta = 1.0\n',
            "need intensities or",
        ),
        (
            (
                '[[sample.fragility]]\nkind = "lines"\nmedian = 1.0\nbeta = 1.0\n'
                "[sample.wind]\nspeed = 9.0\nwidth = 1.0\ntrack = [[0.0, 0.0]]\n"
            ),
            "no coordinates (geo) for bus 0, 1, 2, 3",
        ),
        (
            (
                '[sample.intensities]\nlines = { "0-1" = 1.0 }\n'
                '[[sample.fragility]]\nkind = "lines"\nmedian = 1.0\nbeta = 1.0\n'
            ),
            "no intensity is given for line 1-2, line 2-3",
        ),
    ],
)
def test_what_cannot_be_drawn_from(text, message, tmp_path):
    case = write_case(tmp_path, text=text)
    (found,) = hybridopt("sample", case, "--events", 3).findings
    assert message in found
    assert found.startswith(f"{case}:")


TABLE = """kind,element,{0}
lines,0-1,0.1
lines,1-2,two
lines,2-3,0.2,7
lines,0-1,0.3
linez,1-2,0.1
lines,2-3,-0.5
lines,0-9,0.5
"""
CURVE = '[[sample.fragility]]\nkind = "lines"\nmedian = 1.0\nbeta = 1.0\n'


@pytest.mark.parametrize("name", ["probabilities", "intensities"])
def test_every_row_of_a_table_is_looked_at(name, tmp_path):
    column = {"probabilities": "probability", "intensities": "intensity"}[name]
    (tmp_path / "t.csv").write_text(TABLE.format(column))
    text = f'[sample]\n{name} = "t.csv"\n' + (CURVE if name == "intensities" else "")
    case = write_case(tmp_path, text=text)
    found = hybridopt("sample", case, "--events", 2).findings
    expected = [
        "t.csv:4: must have 3 cells, found 4",
        "t.csv:5: lines '0-1' stands here a second time",
        f"t.csv:3 [sample.{name}.lines] 1-2: must be a number, found 'two'",
        f"t.csv:6 [sample.{name}.linez]: unknown key",
        f"t.csv:7 [sample.{name}.lines] 2-3: must",
        f"t.csv:8 [sample.{name}.lines] 0-9: no line 0-9 in the network",
    ]
    for words in expected:
        assert sum(words in finding for finding in found) == 1, (words, found)
    assert len(found) == len(expected)


def test_a_table_that_is_not_there_makes_nothing_else_wrong(tmp_path):
    for name, rest in (("probabilities", ""), ("intensities", CURVE)):
        case = write_case(tmp_path, text=f'[sample]\n{name} = "gone.csv"\n{rest}')
        (found,) = hybridopt("sample", case, "--events", 2).findings
        assert found.endswith("gone.csv: cannot be read: No such file or directory")


def test_an_element_named_twice_is_a_finding(tmp_path):
    text = """
[sample.probabilities]
lines = { "0-1" = 0.1, "1-0" = 0.9 }
[sample.intensities]
lines = { all = 1.0 }
[[sample.fragility]]
kind = "lines"
elements = ["1-2", "2-1"]
median = 1.0
beta = 1.0
[[sample.fragility]]
kind = "lines"
elements = ["2-1"]
median = 2.0
beta = 1.0
"""
    found = hybridopt("sample", write_case(tmp_path, text=text), "--events", 2).findings
    assert [finding.partition("[sample.")[2] for finding in found] == [
        "probabilities.lines] 1-0: line 0-1 stands here a second time",
        "fragility[0]] elements[1]: line 1-2 has a curve already",
        "fragility[1]] elements[0]: line 1-2 has a curve already",
    ]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("log_sdt = 1\n", "log_sdt: unknown key"),
        ("hours = [25]\n", "hours[0]: must lie in [1, 24]"),
        ("[sample.wind]\nspeed = -1.0\nwidth = 1.0\ntrack = [[0.0, 0.0]]\n", "speed: must be"),
        ("[sample.probabilities]\nlinez = { all = 0.1 }\n", "linez]: unknown key"),
    ],
)
def test_one_wrong_key_hides_no_unknown_element(wrong, message, tmp_path):
    curve = CURVE.replace("median", 'elements = ["0-9"]\nmedian')
    text = f"[sample]\n{wrong}{curve}[sample.intensities]\nlines = {{ all = 1.0 }}\n"
    found = hybridopt("sample", write_case(tmp_path, text=text), "--events", 2).findings
    assert any(message in finding for finding in found)
    assert any("[sample.fragility[0]] elements[0]: no line 0-9" in finding for finding in found)
    assert len(found) == 2, found


def test_unknown_elements_show_beside_keys_that_contradict(tmp_path):
    text = """
[[sample.fragility]]
kind = "lines"
elements = ["0-1", "0-9"]
median = -1.0
beta = 1.0
[[sample.fragility]]
kind = "generators"
elements = [7]
median = 1.0
beta = 1.0
[sample.probabilities]
lines = { "5-6" = 1.5 }
"""
    found = hybridopt("sample", write_case(tmp_path, text=text), "--events", 2).findings
    for words in (
        "[sample.fragility[0]] median: must be above 0, found -1.0",
        "[sample.probabilities.lines] 5-6: must lie in [0, 1], found 1.5",
        "no line 5-6 in the network",
        "[sample.fragility[0]] elements[1]: no line 0-9",
        "[sample.fragility[1]] elements[0]: no generator at bus 7",
        "fragility curves need intensities or [sample.wind]",
    ):
        assert sum(words in finding for finding in found) == 1, (words, found)
    assert len(found) == 6


def test_options_that_contradict(tmp_path):
    case = write_case(tmp_path, text=PLAIN)
    found = hybridopt("sample", case, "--response", "x", "--resume", "--force").findings
    assert {f.partition(":")[0] for f in found} == {"--events", "--response", "--force"}
    (found,) = hybridopt("sample", case, "--events", 2, "--response", "plan").findings
    assert found.startswith("--plan: is missing")
    (found,) = hybridopt("sample", case, "--events", 2, "--plan", tmp_path / "none.json").findings
    assert "cannot be read" in found
