"""The program as its users meet it: arguments in; exit code, stdout and stderr out."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pandapower as pp

from hybridopt import cli

PROGRAM = (sys.executable, "-m", "hybridopt")


@dataclass(frozen=True)
class Outcome:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def findings(self) -> list[str]:
        """The findings of bad input, and nothing else on either stream."""
        assert self.code == 2, self
        assert self.out == ""
        first, *lines = self.err.splitlines()
        assert first == "Bad input:"
        assert lines
        assert all(line.startswith("  ") for line in lines), self.err
        return [line[2:] for line in lines]


def hybridopt(*arguments: object, folder: Path | None = None) -> Outcome:
    """Run a command in this process; an exception of any other kind fails the test."""
    out, err, code = io.StringIO(), io.StringIO(), 0
    with (
        patch.object(sys, "argv", ["hybridopt", *map(str, arguments)]),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        contextlib.chdir(folder or Path.cwd()),
    ):
        try:
            cli.main()
        except SystemExit as leaving:
            code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
    return Outcome(code, out.getvalue(), err.getvalue())


@contextlib.contextmanager
def started(*arguments: object, folder: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a command as a process (group) of its own; it is ended at last."""
    process = subprocess.Popen(
        [*PROGRAM, *map(str, arguments)],
        cwd=folder,
        env=os.environ | {"PYTHONUNBUFFERED": "1", "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def small_net():
    """Four buses in a row, 25 MW of load, an external grid at bus 0 and a generator at bus 3."""
    net = pp.create_empty_network()
    for i in range(4):
        pp.create_bus(net, 110.0, name=f"bus {i}", min_vm_pu=0.9, max_vm_pu=1.1)
    for i in range(3):
        pp.create_line_from_parameters(net, i, i + 1, 10.0, 0.1, 0.3, 0.0, 0.5, name=f"l{i}")
    for bus, p_mw in ((1, 10.0), (2, 10.0), (3, 5.0)):
        pp.create_load(net, bus, p_mw, p_mw / 5)
    pp.create_ext_grid(net, 0)
    limits = {"min_p_mw": 0.0, "max_p_mw": 20.0, "min_q_mvar": -10.0, "max_q_mvar": 10.0}
    pp.create_gen(net, 3, p_mw=5.0, controllable=True, **limits)
    pp.create_poly_cost(net, 0, "gen", 2.0)
    pp.create_poly_cost(net, 0, "ext_grid", 1.0)
    return net


EVENT = '[event]\nlines = ["0-1"]\n'
SMALL_STUDY = f"""
budget = 30.0
{EVENT}
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
"""


def write_case(folder: Path, name: str = "small.toml", text: str = SMALL_STUDY, net=None) -> Path:
    """Write a case and its network."""
    pp.to_json(small_net() if net is None else net, str(folder / "net.json"))
    (folder / name).write_text(f'network = "net.json"\n{text}', encoding="utf-8")
    return folder / name
