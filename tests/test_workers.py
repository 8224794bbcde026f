"""Workers: order, streaming, and processes that die, hang or lose their parent."""

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from hybridopt.solvers.workers import WorkerLostError, Workers

LIMIT_S = 30.0  # for anything that takes a second or two on an idle machine


class UnreadableError(Exception):
    """Pickles, but its reading fails: the arguments don't fit."""

    def __init__(self, first, second):
        super().__init__(first)


class DiesWhenSent:
    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGKILL)


def first_time(folder, item):
    """True for the first process that asks."""
    try:
        (Path(folder) / str(item)).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def double(x):
    return 2 * x


def misbehave(item):
    """An item is (what to do, a folder, a number); the value is twice the number."""
    what, folder, x = item
    if what == "raise":
        raise ValueError(f"bad {x}")
    if what == "unreadable":
        raise UnreadableError(1, 2)
    if what.endswith("once") and not first_time(folder, x):
        return 2 * x
    if what.startswith("kill"):
        os.kill(os.getpid(), signal.SIGKILL)
    if what.startswith("exit"):
        os._exit(0)
    if what.startswith("hang"):
        time.sleep(1000)
    if what == "slow":
        time.sleep(0.5)
    if what == "killed when sent":
        return DiesWhenSent()
    return 2 * x


def megabyte(x):
    time.sleep(0.002)
    return x, b"." * 1_000_000


def lost(item, reason):
    return item[2], reason


def gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    status = Path(f"/proc/{pid}/stat")
    return status.exists() and status.read_text().rsplit(")", 1)[1].split()[0] == "Z"


def wait_until(condition):
    until = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.02)


@pytest.mark.parametrize("processes", [1, 2])
def test_values_keep_the_order_of_the_items(processes):
    with Workers(double, processes) as pool:
        assert list(pool.map(list(range(50)))) == list(range(0, 100, 2))
        assert list(pool.map([])) == []
        assert list(pool.map([4])) == [8]


def test_a_value_comes_before_later_items_are_done(tmp_path):
    items = [("", tmp_path, 1), ("hang", tmp_path, 2), ("", tmp_path, 3)]
    with Workers(misbehave, 2) as pool:
        values = pool.map(items)
        assert next(values) == 2


@pytest.mark.parametrize("processes", [1, 2])
def test_every_value_comes_with_the_position_of_its_item(processes, tmp_path):
    items = [("", tmp_path, x) for x in range(9)]
    with Workers(misbehave, processes) as pool:
        assert sorted(pool.as_completed(items)) == [(x, 2 * x) for x in range(9)]
        assert list(pool.as_completed([])) == []
        assert list(pool.map(items)) == list(range(0, 18, 2))


def test_values_come_before_those_of_earlier_items(tmp_path):
    items = [("hang", tmp_path, 0), ("", tmp_path, 1), ("kill once", tmp_path, 2)]
    with Workers(misbehave, 2) as pool:
        values = pool.as_completed(items)
        assert [next(values), next(values)] == [(1, 2), (2, 4)]
        assert list(pool.map([("", tmp_path, 4)])) == [8]
        with pytest.raises(RuntimeError, match="gone on"):
            next(values)


@pytest.mark.parametrize("processes", [1, 2])
def test_an_exception_of_the_function_is_raised_in_its_turn(processes, tmp_path):
    items = [("slow", tmp_path, 1), ("raise", tmp_path, 2), ("raise", tmp_path, 3)]
    with Workers(misbehave, processes) as pool:
        values = pool.map(items)
        assert next(values) == 2
        with pytest.raises(ValueError, match="bad 2"):
            next(values)
        assert list(pool.map([("", tmp_path, 4)])) == [8]


def test_an_exception_that_cannot_travel_is_told(tmp_path):
    with Workers(misbehave, 2) as pool, pytest.raises(RuntimeError, match="UnreadableError"):
        list(pool.map([("unreadable", tmp_path, 1)]))


@pytest.mark.parametrize("how", ["kill once", "exit once", "hang once"])
def test_an_item_whose_process_was_lost_once_is_tried_again(how, tmp_path):
    items = [(how if x in (0, 3) else "", tmp_path, x) for x in range(8)]
    with Workers(misbehave, 2, timeout_s=2.0) as pool:
        assert list(pool.map(items)) == [2 * x for x in range(8)]


@pytest.mark.parametrize("how", ["kill", "exit", "killed when sent"])
def test_an_item_that_costs_two_processes_is_lost(how, tmp_path):
    items = [(how if x == 3 else "", tmp_path, x) for x in range(8)]
    expected = [2 * x for x in range(8)]
    expected[3] = (3, "its worker process died twice")
    with Workers(misbehave, 2, lost=lost) as pool:
        assert list(pool.map(items)) == expected
        assert list(pool.map(items[:3])) == [0, 2, 4]


def test_an_item_that_hangs_is_lost_after_twice_the_limit(tmp_path):
    items = [("hang" if x == 0 else "", tmp_path, x) for x in range(6)]
    with Workers(misbehave, 2, timeout_s=0.5, lost=lost) as pool:
        began = time.monotonic()
        values = list(pool.map(items))
        assert 1.0 < time.monotonic() - began < LIMIT_S
    assert values == [(0, "took longer than 0.5 s twice"), 2, 4, 6, 8, 10]


def test_a_lost_item_without_a_value_is_an_error(tmp_path):
    with Workers(misbehave, 2) as pool, pytest.raises(WorkerLostError, match="died twice"):
        list(pool.map([("kill", tmp_path, 1)]))


def test_leaving_ends_the_processes(tmp_path):
    with Workers(misbehave, 2) as pool:
        values = pool.map([("", tmp_path, 1), ("hang", tmp_path, 2)])
        assert next(values) == 2
        began = time.monotonic()
    assert time.monotonic() - began < 5
    assert multiprocessing.active_children() == []


def test_values_left_unread_do_not_reach_the_next_call(tmp_path):
    with Workers(misbehave, 2) as pool:
        first = pool.map([("", tmp_path, 1), ("hang", tmp_path, 2)])
        assert next(first) == 2
        assert list(pool.map([("", tmp_path, 5), ("", tmp_path, 6)])) == [10, 12]
        with pytest.raises(RuntimeError, match="gone on"):
            next(first)


@pytest.mark.parametrize(
    "kills", [10, pytest.param(200, marks=pytest.mark.slow)], ids=["few", "many"]
)
def test_processes_killed_at_any_moment_hold_nothing_up(kills):
    """Large values, so that a process is often killed with a message half written."""
    rng, done, count = random.Random(1), threading.Event(), 0
    with Workers(megabyte, 2, lost=lambda item, reason: (item, reason)) as pool:

        def kill():
            nonlocal count
            while count < kills and not done.is_set():
                time.sleep(rng.uniform(0.0, 0.1))
                ready = [w for w in list(pool._workers) if w.ready]
                if ready:
                    rng.choice(ready).process.kill()
                    count += 1

        thread = threading.Thread(target=kill)
        thread.start()
        while thread.is_alive():
            assert [value[0] for value in pool.map(list(range(40)))] == list(range(40))
        done.set()
        thread.join()
    assert count == kills


PROGRAM = """
import sys, time
sys.path.insert(0, {here!r})
from hybridopt.solvers.workers import Workers
from test_workers import misbehave
if __name__ == "__main__":
    try:
        with Workers(misbehave, 2) as pool:
            values = pool.map([("", ".", 1), ("", ".", 2), ("hang", ".", 3), ("hang", ".", 4)])
            next(values), next(values)
            print(*(w.process.pid for w in pool._workers), flush=True)
            list(values)
    except KeyboardInterrupt:
        print("stopped", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_process_outlives_its_parent(number, tmp_path):
    file = tmp_path / "program.py"
    file.write_text(PROGRAM.format(here=str(Path(__file__).parent)))
    parent = subprocess.Popen(
        [sys.executable, file],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    children = [int(pid) for pid in parent.stdout.readline().split()]
    assert len(children) == 2
    if number == signal.SIGINT:
        os.killpg(parent.pid, number)  # Ctrl-C goes to the children too
    else:
        parent.send_signal(number)
    out, err = parent.communicate(timeout=LIMIT_S)
    if number == signal.SIGINT:
        assert (out, err, parent.returncode) == ("stopped\n", "", 0)
    wait_until(lambda: all(gone(pid) for pid in children))


def test_processes_that_cannot_start_are_an_error(tmp_path):
    """A program without the guard starts itself again in each process."""
    file = tmp_path / "program.py"
    file.write_text(
        "from operator import neg\n"
        "from hybridopt.solvers.workers import Workers\n"
        "with Workers(neg, 2, lost=lambda item, reason: 0) as pool:\n"
        "    list(pool.map([1, 2, 3]))\n"
    )
    ended = subprocess.run(
        [sys.executable, file], capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert ended.returncode == 1
    assert "WorkerLostError: worker processes end as they start" in ended.stderr
