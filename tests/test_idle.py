"""Units that must stand still: few solves on large networks, loads last, reported by name."""

import json

import numpy as np
import pandapower as pp
import pytest
from command_line import hybridopt

from hybridopt.grid import Plan
from hybridopt.idle import shortest_start


@pytest.mark.parametrize("guess", [0, 1, 60, 338, 999])
@pytest.mark.parametrize("needed", [1, 2, 3, 5, 64, 100, 338])
def test_as_few_as_needed_in_few_steps(needed, guess):
    asked = []

    def helps(first):
        asked.append(len(first))
        return len(first) >= needed

    assert shortest_start(range(338), helps, guess) == range(needed)
    assert len(asked) == len(set(asked)) <= (18 if needed != guess else 2)


def test_no_number_helps():
    asked = []
    assert shortest_start(range(338), asked.append) is None
    assert len(asked) == 10
    assert shortest_start(range(5), lambda first: len(first) > 9, 5) is None


@pytest.fixture
def must_run(empty_net, add_line):
    """Two buses; a generator with a minimum of 1 MW each for ten units, 4 MW of load."""
    net = empty_net(2)
    add_line(net, 0, 1, 0.01, 0.02)
    pp.create_load(net, 1, 4.0, 0.5)
    for k in range(10):
        limits = {"min_p_mw": 0.95 + k / 100, "min_q_mvar": -5.0, "max_q_mvar": 5.0}
        pp.create_gen(net, 0, 1.0, max_p_mw=2.0, name=f"g{k}", slack=k == 0, **limits)
    return net


def test_of_many_units_the_highest_minima_stand_still(must_run, dispatcher_of):
    """Of ten with minima of 0.95 to 1.04 MW four may run: 0.95 + ... + 0.98 < 4 plus losses."""
    d = dispatcher_of(must_run).dispatch(Plan())
    assert d.ok
    assert d.running[0].tolist() == [True] * 4 + [False] * 6
    assert d.unserved_mw[0] == 0


def consumer(net, low, high, **keys):
    limits = {"min_p_mw": low, "max_p_mw": high, "min_q_mvar": 0.0, "max_q_mvar": 0.0}
    return pp.create_load(net, 1, high, 0.0, controllable=True, **limits, **keys)


def two_bus(empty_net, add_line, most):
    net = empty_net(2)
    add_line(net, 0, 1, 0.01, 0.02)
    pp.create_gen(net, 0, 1.0, min_p_mw=0.0, max_p_mw=most, min_q_mvar=-5, max_q_mvar=5)
    pp.create_load(net, 1, 1.0, 0.1)
    return net


def test_a_load_that_must_consume_is_cut_off_when_nothing_else_helps(
    empty_net, add_line, dispatcher_of
):
    """6 MW must be consumed and 5 MW generated: the larger must-take load is cut, not both."""
    net = two_bus(empty_net, add_line, 5.0)
    consumer(net, 2.0, 3.0)
    consumer(net, 4.0, 4.0)
    d = dispatcher_of(net).dispatch(Plan())
    assert d.ok
    loads = [k for k, kind in enumerate(d.unit_kind) if kind == "load"]
    assert d.running[0, loads].tolist() == [True, False]
    assert d.p_mw[0, loads[0]] <= -2.0 + 1e-6
    assert d.p_mw[0, loads[1]] == 0


def test_a_source_is_stopped_before_a_load(empty_net, add_line, dispatcher_of):
    """An unwanted 3 MW of Mvar: stopping the unit helps, and so would nothing about the load."""
    net = two_bus(empty_net, add_line, 5.0)
    consumer(net, 2.0, 2.0)
    limits = {"min_p_mw": 20.0, "max_p_mw": 30.0, "min_q_mvar": -5, "max_q_mvar": 5}
    pp.create_gen(net, 1, 20.0, **limits)
    d = dispatcher_of(net).dispatch(Plan())
    assert d.ok
    assert dict(zip(d.unit_kind, d.running[0], strict=True))["load"]
    assert d.running[0].sum() == 2


def test_units_at_rest_are_reported(must_run, tmp_path):
    pp.to_json(must_run, str(tmp_path / "net.json"))
    done = hybridopt("dispatch", "net.json", "--json", folder=tmp_path)
    assert done.code == 0
    rest = json.loads(done.out)["units_at_rest"]
    assert len(rest) == 6
    assert all(unit["bus"] == 0 and unit["hours"] == [1] for unit in rest)
    shown = hybridopt("dispatch", "net.json", folder=tmp_path).out
    assert shown.count("At rest, as there is no feasible point otherwise") == 6


def test_a_time_limit_ends_it_with_what_to_raise(must_run, tmp_path):
    """No fallback helps against a limit of time: one hour is tried, not 24, and none again."""
    pp.to_json(must_run, str(tmp_path / "net.json"))
    day = f"[load]\ncurve = {np.linspace(0.5, 1.0, 24).tolist()}\n"
    text = f'network = "net.json"\n{day}[ipopt]\nmax_wall_s = 1e-9\nlog_file = "ipopt.log"\n'
    (tmp_path / "my.toml").write_text(text, encoding="utf-8")
    done = hybridopt("dispatch", "my.toml", "--json", "--out", "out", folder=tmp_path)
    assert (done.code, done.out) == (1, "")
    assert "max_wall_s" in done.err
    assert "raise it" in done.err
    assert not (tmp_path / "out").exists()
    log = (tmp_path / "ipopt.log").read_text(encoding="utf-8")
    assert 1 <= log.count("Maximum wallclock time exceeded") <= 3


def test_ipopts_output_goes_to_the_file_alone(must_run, tmp_path, capfd):
    pp.to_json(must_run, str(tmp_path / "net.json"))
    text = 'network = "net.json"\n[ipopt]\nlog_file = "ipopt.log"\n'
    (tmp_path / "my.toml").write_text(text, encoding="utf-8")
    done = hybridopt("dispatch", "my.toml", "--json", "--quiet", folder=tmp_path)
    assert json.loads(done.out)["status"] == "optimal"
    assert capfd.readouterr().out == ""  # what the library itself writes
    assert "Number of Iterations" in (tmp_path / "ipopt.log").read_text(encoding="utf-8")
