"""Where the radial kernel and pandapower disagree whether a power flow has a solution.

``python -m benchmarks.radial_convergence`` draws radial configurations of the built-in feeders,
random ones, some near the normal state and those of many random ones that need most sweeps. It
solves each with both, and follows the solution from light load up to full load where only one of
the two converges or their losses differ.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.radial_page import write_section
from benchmarks.radial_peers import Runpp
from hybridopt.cases import feeder_files
from hybridopt.feeder_trees import FeederTrees, feeder_trees
from hybridopt.network_csv import net_from_csv
from hybridopt.network_feeder import feeder_from_net
from hybridopt.solvers import radial

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

FEEDERS = ("civanlar16", "baranwu33", "feeder69", "tpc84", "zhang118")
AGREE_KW = 0.002
GAPS = (1e-1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6, 1e-7)
FOLLOWED = 4  # trees without a solution, of each feeder
SEED = 11


def feeder(name: str, factors: Any = None) -> tuple[Any, FeederTrees]:
    """A built-in feeder as pandapower net and as trees, all loads scaled hour by hour."""
    net = net_from_csv(feeder_files()[name], name)
    hours = None if factors is None else np.tile(np.asarray(factors)[:, None], len(net.load))
    return net, feeder_trees(feeder_from_net(net, name, hours))


def drawn(trees: FeederTrees, n: int, rng: Any) -> Ints:
    """Random trees: least spanning trees of random keys."""
    return trees.spanning(rng.random((n, len(trees.branch))))


def near(trees: FeederTrees, n: int, rng: Any, most: int = 4) -> Ints:
    """Trees that some exchanges, up to `most`, lead to from the normal state."""
    closed = np.where(trees.arrays.normal == 1, 0.0, 2.0) + rng.random((n, len(trees.branch)))
    for row in closed:
        ties = rng.choice(np.flatnonzero(trees.arrays.normal == 0), rng.integers(1, most + 1))
        row[ties] = -1.0
    return trees.spanning(closed)


def scaled(trees: FeederTrees, factor: float) -> Any:
    """Arrays with all loads times a factor."""
    return trees.arrays._replace(load=trees.arrays.load * factor)


def kernel_limit(trees: FeederTrees, opens: Ints, most: float = 1.0) -> float:
    """Largest load factor up to `most` at which the kernel finds a solution, to 1e-8."""
    low, high = 0.0, most
    while high - low > 1e-8 * most:
        middle = 0.5 * (low + high)
        if np.isfinite(radial.losses(scaled(trees, middle), opens[None])[0]):
            low = middle
        else:
            high = middle
    return low


def edge(net: Any, trees: FeederTrees, opens: Ints) -> dict[str, Any]:
    """The largest load of one tree by both, and how close below it each still converges."""
    peer = Runpp(net)
    own = kernel_limit(trees, opens, 64.0)
    found: dict[str, Any] = {
        "open": names(trees, opens),
        "kernel": own,
        "continued": peer.limit(opens, 64.0, 0.05),
    }
    for name in ("kernel_gap", "runpp_gap"):
        found[name] = None
        for gap in GAPS:
            factor = own * (1.0 - gap)
            peer.load(factor)
            if name == "runpp_gap":
                ok = peer.run("auto")
            else:
                ok = bool(np.isfinite(radial.losses(scaled(trees, factor), opens[None])[0]))
            if not ok:
                break
            found[name] = gap
    peer.load(1.0)
    return found


def names(trees: FeederTrees, opens: Ints) -> list[str | int]:
    """Open branches as the feeder calls them."""
    return [trees.feeder.branch_name[trees.branch[m]] for m in opens]


def judge(
    name: str, n_random: int, n_near: int, n_pool: int, n_hard: int, seed: int = SEED
) -> dict[str, Any]:
    """Compare both on one feeder; what they disagree about, followed from light load."""
    net, trees = feeder(name)
    rng = np.random.default_rng(seed)
    pool = drawn(trees, n_pool, rng)
    sweeps = np.abs(radial.evaluate(trees.arrays, pool)[:, radial.ITERATIONS])
    hardest = pool[np.argsort(-sweeps)[:n_hard]]
    opens = np.concatenate([hardest, drawn(trees, n_random, rng), near(trees, n_near, rng)])
    lost = radial.losses(trees.arrays, opens) * trees.feeder.base_mva * 1e3
    peer = Runpp(net)
    cases: list[dict[str, Any]] = []
    followed: list[dict[str, Any]] = []
    worst, worst_vm, both, neither = 0.0, 0.0, 0, 0
    for row, own in zip(opens, lost, strict=True):
        found = peer.solve(row)
        if found is None and own == np.inf:
            neither += 1
            if neither <= FOLLOWED:
                continued, limit = peer.limit(row), kernel_limit(trees, row)
                followed.append(
                    {"open": names(trees, row), "continued": continued, "kernel": limit}
                )
            continue
        if found is not None and abs(found[0] - own) <= AGREE_KW:
            both += 1
            worst = max(worst, abs(found[0] - own))
            v2 = radial.flows(trees.arrays, row)[0][:, 0]
            worst_vm = max(worst_vm, float(np.abs(np.sqrt(v2) - found[1]).max()))
            continue
        limit = peer.limit(row)
        exact = peer.loss_kw if limit == 1.0 else None
        cases.append(
            {
                "feeder": name,
                "open": names(trees, row),
                "kernel_kw": float(own) if np.isfinite(own) else None,
                "runpp_kw": None if found is None else found[0],
                "sweeps": radial.evaluate(trees.arrays, row[None])[0, radial.ITERATIONS],
                "limit": limit,
                "kernel_limit": 1.0 if np.isfinite(own) else kernel_limit(trees, row),
                "continued_kw": exact,
                "kernel_right": bool(
                    np.isfinite(own) == (exact is not None)
                    and (exact is None or abs(exact - own) <= AGREE_KW)
                ),
            }
        )
    return {
        "feeder": name,
        "trees": len(opens),
        "both": both,
        "neither": neither,
        "worst_kw": float(worst),
        "worst_vm": worst_vm,
        "cases": cases,
        "followed": followed,
        "edge": edge(net, trees, trees.normal_tree()),
    }


def main(arguments: Sequence[str] | None = None) -> None:
    """Compare, print, and write what the options ask for."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.radial_convergence", description=__doc__
    )
    parser.add_argument("--random", type=int, default=1000, help="random trees of each feeder")
    parser.add_argument("--near", type=int, default=200, help="trees near the normal state")
    parser.add_argument("--pool", type=int, default=20000, help="random trees, of which")
    parser.add_argument("--hard", type=int, default=100, help="so many need most sweeps")
    parser.add_argument("--json", type=Path, default=Path("results/radial_convergence.json"))
    parser.add_argument("--page", type=Path, help="write the section into this page")
    options = parser.parse_args(arguments)
    rows = []
    for name in FEEDERS:
        rows.append(judge(name, options.random, options.near, options.pool, options.hard))
        row = rows[-1]
        print({k: v for k, v in row.items() if k != "cases"})
        for case in row["cases"]:
            print(" ", case)
        sys.stdout.flush()
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(rows, indent=2) + "\n")
    if options.page:
        write_section(options.page, "convergence", rows)


if __name__ == "__main__":
    main()
