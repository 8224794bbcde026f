"""Power flows of radial configurations over a day: our kernel, pandapower and lightsim2grid."""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.radial_convergence import feeder, near
from benchmarks.radial_page import write_section
from benchmarks.radial_peers import LightSim, Runpp
from hybridopt.solvers import radial

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FEEDERS = ("baranwu33", "feeder69", "tpc84", "zhang118")
FACTORS = 0.65 + 0.35 * np.sin(np.linspace(-0.5, 1.0, 24) * np.pi)  # of all loads, over a day
AGREE_KW = 0.002
BATCH = 1000  # trees of the kernel in one call
TREES = 20  # of lightsim2grid in one batch
SEED = 6


class Case:
    """A feeder over a day and every method on it; each takes trees and gives their losses.

    Attributes
    ----------
    methods : by name, with the number of trees that it is timed on
    """

    def __init__(self, name: str) -> None:
        self.name = name
        net, self.trees = feeder(name, FACTORS)
        one = self.trees.arrays
        self.hour = one._replace(load=one.load[:, :, -1:].copy(), dt=one.dt[-1:].copy())
        self.kw = self.trees.feeder.base_mva * 1e3
        opens = near(self.trees, 3 * BATCH, np.random.default_rng(SEED), most=3)
        self.opens = opens[np.isfinite(radial.losses(one, opens))][:BATCH]
        self.as_user, self.best = Runpp(net), Runpp(net, "results")
        self.light = LightSim(net)
        self.pool = ThreadPoolExecutor(2)
        self.methods: dict[str, tuple[Callable[[Any], Any], int]] = {
            "kernel": (self.losses, BATCH),
            "kernel, all measures": (self.evaluate, BATCH),
            "kernel, two threads": (self.threads, BATCH),
            "kernel, one hour": (self.one_hour, BATCH),
            "runpp": (lambda rows: self.looped(self.as_user, rows), 1),
            "runpp, warm": (lambda rows: self.looped(self.best, rows), 1),
            "runpp, recycled": (self.recycled, 1),
            "lightsim2grid, one by one": (self.each, TREES),
            "lightsim2grid, batch": (lambda rows: self.light.many(rows, FACTORS).sum(1), TREES),
        }

    def losses(self, rows: Any) -> Any:
        """Losses alone, one thread."""
        return radial.losses(self.trees.arrays, rows) * self.kw

    def evaluate(self, rows: Any) -> Any:
        """All measures, one thread."""
        return radial.evaluate(self.trees.arrays, rows)[:, radial.LOSS] * self.kw

    def threads(self, rows: Any) -> Any:
        """Losses alone in two threads; kernels release the interpreter's lock."""
        return np.concatenate(list(self.pool.map(self.losses, np.array_split(rows, 2))))

    def one_hour(self, rows: Any) -> Any:
        """Losses of the last hour alone."""
        return radial.losses(self.hour, rows) * self.kw

    def looped(self, peer: Runpp, rows: Any) -> Any:
        """Call runpp for each hour of each tree."""
        return np.array([sum(self._hours(peer, row)) for row in rows])

    def _hours(self, peer: Runpp, row: Any) -> list[float]:
        peer.switch(row)
        found = []
        for factor in FACTORS:
            peer.load(factor)
            peer.run()
            found.append(peer.loss_kw)
        return found

    def recycled(self, rows: Any) -> Any:
        """The same, keeping pandapower's own arrays from the first hour to the last of a tree."""
        peer, found = self.best, []
        for row in rows:
            peer.switch(row)
            lost = []
            for t, factor in enumerate(FACTORS):
                peer.load(factor)
                keep = {"bus_pq": True, "trafo": False, "gen": False}
                peer.options = {"recycle": keep} if t else {}
                peer.run()
                lost.append(peer.loss_kw)
            peer.options = {}
            found.append(sum(lost))
        return np.array(found)

    def each(self, rows: Any) -> Any:
        """lightsim2grid's solver, lines switched by tree and loads set by hour."""
        found = []
        for row in rows:
            self.light.switch(row)
            lost = 0.0
            for factor in FACTORS:
                self.light.scale(np.full(len(self.light.p), factor))
                self.light.grid.ac_pf(self.light.flat.copy(), 10, 1e-8)
                lost += self.light.loss_kw
            found.append(lost)
        self.light.scale(np.ones(len(self.light.p)))
        return np.array(found)


def measure(case: Case, repeat: int) -> dict[str, Any]:
    """Time every method in turn; its first call warms up and is compared."""
    worst: dict[str, float] = {}
    own = case.losses(case.opens)
    for name, (method, n) in case.methods.items():
        found = method(case.opens[:n])
        if name != "kernel, one hour":
            worst[name] = float(np.abs(found - own[:n]).max()) / len(FACTORS)
            if not worst[name] <= AGREE_KW:
                raise AssertionError(f"{case.name}: {name} differs by {worst[name]} kW")
    times: dict[str, list[float]] = {name: [] for name in case.methods}
    for _ in range(repeat):
        for name, (method, n) in case.methods.items():  # in turn: drift hits all alike
            hours = 1 if name == "kernel, one hour" else len(FACTORS)
            start = time.perf_counter()
            method(case.opens[:n])
            times[name].append((time.perf_counter() - start) / (n * hours))
    rows = {}
    for name, seconds in times.items():
        pairs = [s / ours for s, ours in zip(seconds, times["kernel"], strict=True)]
        rows[name] = {
            "flow_s": statistics.median(seconds),
            "ratio": statistics.median(pairs),
            "worst_kw": worst.get(name),
        }
    return {"case": case.name, "buses": case.trees.feeder.n_bus, "methods": rows}


def machine() -> dict[str, str]:
    """What the times depend on."""
    found = {"machine": platform.machine(), "Python": platform.python_version()}
    return found | {n: version(n) for n in ("numba", "pandapower", "lightsim2grid")}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print, and write what the options ask for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks radial", description=__doc__)
    parser.add_argument("--repeat", type=int, default=7, help="rounds (default 7)")
    parser.add_argument("--json", type=Path, default=Path("results/radial.json"))
    parser.add_argument("--page", type=Path, help="write the section into this page")
    options = parser.parse_args(arguments)
    warnings.filterwarnings("ignore")  # pandapower's own, once per call
    rows = []
    for name in FEEDERS:
        rows.append(measure(Case(name), options.repeat))
        print(f"{name}: {rows[-1]['buses']} buses")
        for method, found in rows[-1]["methods"].items():
            print(
                f"  {method:<27}{1e6 * found['flow_s']:>12.2f} us{found['ratio']:>12.1f}"
                f"   {found['worst_kw'] or 0.0:.1e} kW",
                flush=True,
            )
    answer = {"machine": machine(), "cases": rows}
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(answer, indent=2) + "\n")
    print(f"written to {options.json}")
    if options.page:
        write_section(options.page, "speed", answer)


if __name__ == "__main__":
    main()
