"""Made-up feeders of some hundred to some thousand buses: seconds, and whether seeds agree.

Buses lie at random in the plane; branches are edges of their Delaunay triangulation: shortest paths
from the substations closed, ties drawn from the others open. Loads are scaled until the lowest
voltage is 0.9 pu. Run it as ``python -m benchmarks.large_feeders [--out DIR]``.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
import pandapower as pp
from scipy.spatial import Delaunay

from hybridopt.reconfigure import reconfigure

SIZES = {  # buses: ties, substations, seed of the feeder, searches
    420: (80, 3, 1, 10),
    900: (120, 4, 2, 10),
    3000: (120, 6, 3, 5),
}
LOWEST_PU = 0.9
VN_KV = 12.66
HALVINGS = 12  # of the interval of loads


def main() -> None:
    """Search every feeder with every seed, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, help="write the feeders as pandapower's .json here")
    folder = parser.parse_args().out
    print(
        "| buses | branches | ties | substations | kW at first | kW, best of the seeds "
        "| seeds at the best | worst seed above it | s, median |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for n_bus, (ties, substations, seed, searches) in SIZES.items():
        net = made_up(n_bus, ties, substations, seed)
        if folder is not None:
            folder.mkdir(parents=True, exist_ok=True)
            pp.to_json(net, str(folder / f"made_up{n_bus}.json"))
        found = [reconfigure(net, seed=k) for k in range(searches)]
        first = 1e3 * net.res_line.pl_mw.sum()
        kw = [result.value for result in found]
        agree = sum(value < min(kw) + 1e-3 for value in kw)
        seconds = statistics.median(result.wall_s for result in found)
        print(
            f"| {n_bus} | {len(net.line)} | {ties} | {substations} | {first:,.3f} | {min(kw):,.3f} "
            f"| {agree} of {searches} | {max(kw) / min(kw) - 1:.4%} | {seconds:.1f} |",
            flush=True,
        )


def made_up(n_bus: int, ties: int, substations: int, seed: int) -> Any:
    """A pandapower net with its ties out of service, after a power flow."""
    rng = np.random.default_rng(seed)
    places = rng.random((n_bus, 2)) * np.sqrt(n_bus) * 0.4  # km
    sources = [int(b) for b in rng.choice(n_bus, substations, replace=False)]
    near = _neighbours(places)
    closed = _shortest_paths(near, sources)
    net = pp.create_empty_network()
    for k, place in enumerate(places):
        pp.create_bus(net, VN_KV, name=f"b{k}", geodata=tuple(place))
    for source in sources:
        pp.create_ext_grid(net, source)
    for bus in sorted(set(range(n_bus)) - set(sources)):
        p = rng.lognormal(np.log(0.03), 0.7)
        pp.create_load(net, bus, p, p * rng.uniform(0.3, 0.7))
    others = [edge for edge in near.edges if not closed.has_edge(*edge)]
    rng.shuffle(others)
    branches = [(edge, True) for edge in closed.edges] + [(edge, False) for edge in others[:ties]]
    for (a, b), on in branches:
        length, r = near.edges[a, b]["km"] + 0.05, rng.choice([0.15, 0.25, 0.4])
        x = r * rng.uniform(0.8, 1.4)
        pp.create_line_from_parameters(net, a, b, length, r, x, 0, 1.0, in_service=on)
    _load_up(net)
    return net


def _neighbours(places: Any) -> nx.Graph:
    graph = nx.Graph()
    for corners in Delaunay(places).simplices.tolist():
        for a, b in zip(corners, corners[1:] + corners[:1], strict=True):
            graph.add_edge(a, b, km=float(np.linalg.norm(places[a] - places[b])))
    return graph


def _shortest_paths(near: nx.Graph, sources: list[int]) -> nx.Graph:
    """Tree of short ways from each bus to its substation, few long branches among them."""
    closed = nx.Graph()
    ways = nx.multi_source_dijkstra_path(near, set(sources), weight=lambda a, b, e: e["km"] ** 1.3)
    for way in ways.values():
        nx.add_path(closed, way)
    return closed


def _load_up(net: Any) -> None:
    """Scale the loads until the lowest voltage is :data:`LOWEST_PU`."""
    base = net.load[["p_mw", "q_mvar"]].copy()
    low, high = 0.01, 20.0
    for _ in range(HALVINGS):
        factor = np.sqrt(low * high)
        net.load[["p_mw", "q_mvar"]] = base * factor
        low, high = (factor, high) if _holds(net) else (low, factor)
    net.load[["p_mw", "q_mvar"]] = base * low
    pp.runpp(net)


def _holds(net: Any) -> bool:
    try:
        pp.runpp(net)
    except pp.LoadflowNotConverged:
        return False
    return bool(net.res_bus.vm_pu.min() > LOWEST_PU)


if __name__ == "__main__":
    main()
