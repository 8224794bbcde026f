"""A Dask cluster on loopback: the same results, whatever becomes of its workers."""

import contextlib
import json
import operator
import os
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest
from command_line import hybridopt, write_case
from distributed import Client, KilledWorker

from hybridopt.errors import HybridoptError
from hybridopt.network_events import EventSpace
from hybridopt.network_exposure import exposure
from hybridopt.network_scenario import load_case
from hybridopt.output import plain, summary
from hybridopt.sample import SampleOptions, sample_events
from hybridopt.solvers.dask_workers import DaskWorkers
from hybridopt.solvers.pool import read_workers
from hybridopt.solvers.workers import WorkerLostError
from hybridopt.study import run_study
from hybridopt.sweep import load_sweep, run_sweep

LIMIT_S = 60.0  # for what takes seconds on an idle machine
DASK = (sys.executable, "-m", "dask")


def start(*command):
    return subprocess.Popen(
        (*DASK, *command),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def stop(process):
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


class Cluster:
    """A scheduler and two worker processes, each started again by its nanny when it dies."""

    def __init__(self):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.tcp, self.address = f"tcp://127.0.0.1:{self.port}", f"dask://127.0.0.1:{self.port}"
        port = str(self.port)
        self.processes = [
            start("scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard")
        ]
        self.processes.append(
            start("worker", self.tcp, "--nthreads", "1", "--nworkers", "2", "--no-dashboard")
        )
        with self.client() as client:
            client.wait_for_workers(2, timeout=LIMIT_S)

    def client(self):
        return Client(self.tcp, timeout=LIMIT_S, set_as_default=False)

    @contextlib.contextmanager
    def kill_a_worker(self):
        """Kill a worker process in the middle of an item, as soon as there is one."""
        killed = []

        def kill():
            with self.client() as client:
                until = time.monotonic() + LIMIT_S
                while time.monotonic() < until:
                    busy = [worker for worker, items in client.processing().items() if items]
                    if busy:
                        os.kill(client.run(os.getpid, workers=busy[:1])[busy[0]], signal.SIGKILL)
                        killed.append(busy[0])
                        return
                    time.sleep(0.05)

        thread = threading.Thread(target=kill)
        thread.start()
        yield
        thread.join()
        assert killed

    def stop(self):
        for process in self.processes:
            stop(process)


@pytest.fixture(scope="module")
def cluster():
    found = Cluster()
    yield found
    found.stop()


def same(found):
    """A summary without its times."""
    found = plain(found)
    del found["time"], found["search"]["wall_s"]
    return found


def test_values_keep_the_order_of_the_items(cluster):
    with DaskWorkers(operator.neg, cluster.address) as pool:
        assert list(pool.map(list(range(50)))) == [-k for k in range(50)]
        assert list(pool.map([])) == []
        assert list(pool.map([4])) == [-4]


def test_values_come_before_those_of_earlier_items(cluster):
    with DaskWorkers(time.sleep, cluster.address) as pool:
        values = pool.as_completed([30, 0, 0.1])
        assert [next(values), next(values)] == [(1, None), (2, None)]
        with pytest.raises(RuntimeError, match="gone on"):
            pool.map([]), next(values)


def test_an_exception_of_the_function_is_raised_in_its_turn(cluster):
    with DaskWorkers(operator.itemgetter(0), cluster.address) as pool:
        values = pool.map([[1], [], [3]])
        assert next(values) == 1
        with pytest.raises(IndexError, match="out of range"):
            next(values)
        assert list(pool.map(["b"])) == ["b"]


def test_values_left_unread_do_not_reach_the_next_call(cluster):
    with DaskWorkers(time.sleep, cluster.address) as pool:
        first = pool.map([0, 30, 30])
        assert next(first) is None
        with DaskWorkers(operator.neg, cluster.address) as other:
            assert list(other.map([5, 6])) == [-5, -6]
        with pytest.raises(RuntimeError, match="gone on"):
            pool.map([]), next(first)


def test_an_item_that_dask_gave_up_for_another_ones_sake_is_tried_again(cluster, monkeypatch):
    look, given_up = DaskWorkers._look, []

    def gives_up_once(pool, future):
        if not given_up:
            given_up.append(future)
            raise KilledWorker(future.key, None, 3)
        return look(pool, future)

    monkeypatch.setattr(DaskWorkers, "_look", gives_up_once)
    with DaskWorkers(operator.neg, cluster.address) as pool:
        assert list(pool.map([1, 2, 3])) == [-1, -2, -3]
    assert len(given_up) == 1


@pytest.mark.slow
def test_an_item_that_takes_its_processes_is_lost(cluster):
    def lost(item, reason):
        return item, reason.split()[-1]

    with DaskWorkers(time.sleep, cluster.address, timeout_s=0.5, lost=lost) as pool:
        assert list(pool.map([0, 30, *[0.1] * 9])) == [None, (30, "again"), *[None] * 9]
    with (
        DaskWorkers(os._exit, cluster.address) as pool,
        pytest.raises(WorkerLostError, match="died"),
    ):
        list(pool.map([1]))


def test_a_study_is_the_same_although_a_worker_is_killed(cluster, tmp_path):
    """Through the command line, as in the contract: summary.json is that of the serial run."""
    out = tmp_path / "out"
    with cluster.kill_a_worker():
        ended = hybridopt("run", "ieee9", "--workers", cluster.address, "--out", out, "--quiet")
    assert (ended.code, ended.err) == (0, "")
    here = run_study("ieee9", workers=1)
    assert same(json.loads((out / "summary.json").read_text())) == same(summary(here))


@pytest.mark.slow
def test_a_sample_is_the_same_although_a_worker_is_killed(cluster):
    scenario = load_case("ieee30", repairs=True)
    space = EventSpace(scenario)
    options = SampleOptions(n_events=20)
    exposed = exposure(space.known, scenario.case.sample)
    with cluster.kill_a_worker():
        there = sample_events(space, exposed, options, seed=3, workers=cluster.address)
    here = sample_events(space, exposed, options, seed=3, workers=1)
    assert there.answers == here.answers
    assert there.unserved == here.unserved


@pytest.mark.slow
def test_a_sweep_is_the_same_and_needs_no_files_there(cluster, tmp_path):
    write_case(tmp_path)
    (tmp_path / "study.toml").write_text('cases = ["small.toml"]\nseeds = "0-1"\n')
    sweep = load_sweep(tmp_path / "study.toml")
    (tmp_path / "net.json").unlink()
    there = run_sweep(sweep, folder=tmp_path / "there", workers=cluster.address).rows
    here = run_sweep(sweep, workers=1).rows
    ignored = ("wall_s", "folder")
    assert [{k: v for k, v in row.items() if k not in ignored} for row in there] == [
        {k: v for k, v in row.items() if k not in ignored} for row in here
    ]
    assert (tmp_path / "there" / there[0]["folder"] / "report.html").exists()


def test_a_cluster_that_ends_is_an_error():
    cluster = Cluster()
    try:
        with DaskWorkers(time.sleep, cluster.address) as pool:
            values = pool.map([0, 600])
            assert next(values) is None
            cluster.stop()
            with pytest.raises(HybridoptError, match="is gone"):
                next(values)
    finally:
        cluster.stop()


@pytest.mark.parametrize("kind", ["nothing", "something else", "no workers"])
def test_a_scheduler_that_cannot_be_used_is_bad_input(kind, tmp_path):
    scheduler = None
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        port = other.getsockname()[1]
        if kind == "something else":
            other.listen()
        elif kind == "no workers":
            other.close()
            options = ("--host", "127.0.0.1", "--port", str(port), "--no-dashboard")
            scheduler = start("scheduler", *options)
            with Client(f"tcp://127.0.0.1:{port}", timeout=LIMIT_S, set_as_default=False):
                pass
        try:
            out = tmp_path / "out"
            address = f"dask://127.0.0.1:{port}"
            ended = hybridopt("run", "no_such_case", "--workers", address, "--out", out)
        finally:
            if scheduler is not None:
                stop(scheduler)
    expected = {
        "nothing": "nothing answers there (Connection refused); start a scheduler with",
        "something else": "what answers there is no Dask scheduler",
        "no workers": "the scheduler has no workers; start some with: dask worker tcp://127.0.0.1:",
    }
    assert ended.code == 2
    assert f"--workers {address}: {expected[kind]}" in ended.err
    assert "no_such_case" in ended.err  # every finding
    assert "Traceback" not in ended.err
    assert not out.exists()


@pytest.mark.parametrize(
    "text", ["0", "-1", "two", "dask://", "dask://host", "dask://host:0", "tcp://h:1"]
)
def test_workers_that_mean_nothing_are_refused(text):
    with pytest.raises(ValueError, match="must be a number of processes"):
        read_workers(text)
    ended = hybridopt("run", "ieee9", f"--workers={text}")
    assert ended.code == 2
    assert "must be a number of processes" in ended.err


def test_workers_that_mean_something():
    assert read_workers("3") == 3
    assert read_workers("dask://10.0.0.1:8786") == "dask://10.0.0.1:8786"
