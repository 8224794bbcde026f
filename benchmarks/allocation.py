"""Allocations of profiles over 24 hours: our kernel beside loops of ``pandapower.runpp``.

``python -m benchmarks allocation`` prints allocations per second, as medians of rounds in one run,
and checks that all methods agree.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp

from hybridopt.allocate import problem_of
from hybridopt.allocation_profiles import read_profiles
from hybridopt.network_allocation import allocation_network, net_at
from hybridopt.network_lv18 import lv18_net
from hybridopt.solvers.injections import LOADING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CASE = Path(__file__).parents[1] / "cases" / "lv18"
BATCH, SEED = 500, 18
AGREE = 5e-3  # %; what runpp stops at, 1e-8 MVA, is 1e-5 of a household


class Peer:
    """A loop over the hours with pandapower's power flow.

    Parameters
    ----------
    start : its ``init``;  options : more of ``runpp``'s
    """

    def __init__(self, network: Any, load: Any, generation: Any, **options: Any) -> None:
        self.load, self.generation, self.options = load, generation, options
        self.net = net_at(network, load[:, 0], generation[:, 0])
        pp.runpp(self.net)

    def __call__(self, rows: Any) -> list[float]:
        """Sum over the hours of the largest line loading, %, of each allocation."""
        found = []
        for row in rows:
            loads, units = row[: len(row) // 2], row[len(row) // 2 :]
            total = 0.0
            for t in range(self.load.shape[1]):
                self.net.load["p_mw"] = self.load[loads, t]
                self.net.sgen["p_mw"] = self.generation[units, t]
                pp.runpp(self.net, **self.options)
                total += self.net.res_line.loading_percent.max()
            found.append(total)
        return found


def main(options: Sequence[str]) -> None:
    """Time every method in turn, several rounds."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks allocation")
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args(options).rounds
    load, generation = (read_profiles(CASE / f"{k}.csv", k) for k in ("load", "generation"))
    network = allocation_network(lv18_net(), "lv18")
    problem = problem_of(network, load, generation)
    rng = np.random.default_rng(SEED)
    rows = [[*rng.permutation(17), *rng.permutation(17)] for _ in range(BATCH)]
    given = (network, load.p_mw, generation.p_mw)
    methods: dict[str, tuple[Callable[[Any], Any], int]] = {
        "kernel": (lambda some: 100 * problem.measures(some)[:, LOADING], BATCH),
        "runpp": (Peer(*given), 1),
        'runpp, init="results"': (Peer(*given, init="results"), 1),
        "runpp, recycled": (
            Peer(*given, recycle={"bus_pq": True, "trafo": False, "gen": False}, init="results"),
            1,
        ),
    }
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    problem.measures(rows[:1])  # compiled
    for k in range(rounds):
        for name, (method, count) in methods.items():
            some = rows[k % BATCH :][:count] if count < BATCH else rows
            began = time.perf_counter()
            found = method(some)
            seconds[name].append((time.perf_counter() - began) / count)
            ours = 100 * problem.measures(some)[:, LOADING]
            assert np.allclose(found, ours, rtol=0.0, atol=AGREE), name
    mine = statistics.median(seconds["kernel"])
    print(f"{'method':<24} {'allocations/s':>14} {'kernel is faster by':>20}")
    for name, values in seconds.items():
        median = statistics.median(values)
        print(f"{name:<24} {1 / median:>14,.1f} {median / mine:>20,.0f}")


if __name__ == "__main__":
    main([])
