"""IEEE 30 with kill -9 at random moments: what was resumed equals what was not interrupted."""

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest
from command_line import PROGRAM

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc"),
]
RUN = (*PROGRAM, "run", "ieee30", "--quiet", "--workers", "2", "--out")
KILLS = 10


def start(out: Path, *options: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen([*RUN, str(out), *options], start_new_session=True)


def figures(folder: Path):
    """The summary without its times."""
    found = json.loads((folder / "summary.json").read_text())
    found["search"].pop("wall_s")
    found.pop("time")
    return found


def children(parent: int) -> list[int]:
    """Worker processes of a process."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
            command = (stat.parent / "cmdline").read_bytes()
        except OSError:
            continue
        if int(fields[1]) == parent and b"spawn_main" in command:
            found.append(int(stat.parent.name))
    return found


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The uninterrupted run and the seconds it took."""
    folder = tmp_path_factory.mktemp("whole") / "out"
    began = time.monotonic()
    assert start(folder).wait(600) == 0
    return folder, time.monotonic() - began


@pytest.mark.parametrize("kill", range(KILLS))
def test_kill_9_and_resume(kill, whole, tmp_path):
    folder, seconds = whole
    moment = random.Random(kill).uniform(0.0, seconds)
    process = start(tmp_path / "out")
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert start(tmp_path / "out", "--resume").wait(600) == 0
    assert figures(tmp_path / "out") == figures(folder)


@pytest.mark.parametrize("victims", [1, 2])
def test_workers_killed_in_mid_run(victims, whole, tmp_path):
    folder, seconds = whole
    process = start(tmp_path / "out")
    time.sleep(seconds / 2)
    for worker in children(process.pid)[:victims]:
        os.kill(worker, signal.SIGKILL)
    assert process.wait(600) == 0
    assert figures(tmp_path / "out") == figures(folder)
