"""Spanning trees of a network: encodings, counting, and all of them.

A tree is its open branches. Buses that are sources count as one. Nothing here knows of electricity.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np
from numba import njit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Function = TypeVar("Function", bound="Callable[..., Any]")


def _compiled(function: Function) -> Function:
    return cast("Function", njit(cache=True, nogil=True)(function))


@_compiled
def _find(parent: Any, node: int) -> int:
    while parent[node] != node:
        parent[node] = parent[parent[node]]
        node = parent[node]
    return node


@_compiled
def kruskal(ends: Any, n_node: int, priority: Any) -> Any:
    """Spanning trees of least total priority (Kruskal), as the branches they leave open.

    Parameters
    ----------
    ends : (n_branch, 2) nodes, sources merged into one
    priority : (n, n_branch), closed first where it is least (random keys of n trees)

    Returns
    -------
    (n, k) open branches, ascending; k is the number of loops
    """
    parent = np.empty(n_node, np.int64)
    n, n_branch = priority.shape
    most = 0
    found = np.empty((n, n_branch), np.int64)
    for c in range(n):
        for node in range(n_node):
            parent[node] = node
        is_open = np.zeros(n_branch, np.bool_)
        for branch in np.argsort(priority[c]):
            a, b = _find(parent, ends[branch, 0]), _find(parent, ends[branch, 1])
            if a == b:
                is_open[branch] = True
            else:
                parent[a] = b
        k = 0
        for branch in range(n_branch):
            if is_open[branch]:
                found[c, k] = branch
                k += 1
        most = k
    return found[:, :most].copy()


def count_trees(nodes: Any, n_node: int, cuttable: Any) -> float:
    """Spanning trees that keep every branch that may not be cut (Kirchhoff's theorem).

    Returns
    -------
    The determinant of a reduced Laplacian of the graph with those branches contracted; exact after
    rounding up to some 1e12, inf beyond what a float holds.
    """
    ends, count = _contracted(nodes, n_node, cuttable)
    ends = ends[ends[:, 0] != ends[:, 1]]
    if count == 1:
        return 1.0
    laplacian = np.zeros((count, count))
    for a, b in ends:
        laplacian[a, a] += 1.0
        laplacian[b, b] += 1.0
        laplacian[a, b] -= 1.0
        laplacian[b, a] -= 1.0
    sign, log = np.linalg.slogdet(laplacian[1:, 1:])
    if sign <= 0 or log < -1.0:
        return 0.0
    found = float(np.exp(log)) if log < 700.0 else float("inf")
    return float(round(found)) if found < 1e12 else found


def _contracted(nodes: Any, n_node: int, cuttable: Any) -> tuple[Any, int]:
    """Ends of all branches where those that may not be cut are contracted; the nodes left."""
    if len(nodes) == 0:
        return np.empty((0, 2), dtype=np.int64), 1
    parent = np.arange(n_node)
    for a, b in nodes[~cuttable]:
        parent[_find(parent, int(a))] = _find(parent, int(b))
    roots = np.array([_find(parent, i) for i in range(n_node)])
    used = np.unique(roots[np.unique(nodes)])
    of_root = {int(root): k for k, root in enumerate(used)}
    return np.array([[of_root[int(roots[a])], of_root[int(roots[b])]] for a, b in nodes]), len(used)


def all_trees(nodes: Any, n_node: int, cuttable: Any) -> Iterator[Any]:
    """Every spanning tree, each once, as batches of open branches, (n, k).

    Branches in series between two junctions of the loops form a chain. A tree cuts some chains,
    each at one of its branches; which sets of chains is a question of a small graph.

    Parameters
    ----------
    nodes : (n_branch, 2) ends, sources merged into one
    cuttable : (n_branch,) the others stay closed
    """
    ends, _ = _contracted(nodes, n_node, cuttable)
    loose = [int(m) for m in np.flatnonzero(cuttable & (ends[:, 0] == ends[:, 1]))]
    usable = [int(m) for m in np.flatnonzero(cuttable & (ends[:, 0] != ends[:, 1]))]
    chains, n_junction = _chains(ends, usable)
    for cut in _cuts([(a, b) for a, b, _ in chains], n_junction):
        ways = [chains[c][2] for c in cut]
        grids = np.meshgrid(*[np.array(way, dtype=np.int64) for way in ways], indexing="ij")
        rows = np.stack([grid.ravel() for grid in grids], axis=1) if ways else np.empty((1, 0), int)
        fixed = np.broadcast_to(np.array(loose, dtype=np.int64), (len(rows), len(loose)))
        yield np.ascontiguousarray(np.concatenate([rows, fixed], axis=1), dtype=np.int64)


def _chains(ends: Any, usable: list[int]) -> tuple[list[tuple[int, int, list[int]]], int]:
    """Chains of branches between junctions, bridges to nowhere left out; the number of junctions.

    A chain that returns to its junction is a loop of its own.
    """
    at = _without_leaves(ends, usable)
    junctions = {node for node, own in at.items() if len(own) > 2}
    seen: set[int] = set()
    chains = []
    place = {node: k for k, node in enumerate(sorted(junctions))}

    def follow(node: int, m: int) -> tuple[int, list[int]]:
        chain = [m]
        seen.add(m)
        node = int(ends[m].sum()) - node
        while node not in place:
            (m,) = at[node] - {chain[-1]}
            chain.append(m)
            seen.add(m)
            node = int(ends[m].sum()) - node
        return node, chain

    for node in sorted(junctions):
        for m in sorted(at[node]):
            if m not in seen:
                last, chain = follow(node, m)
                chains.append((place[node], place[last], chain))
    for node in sorted(at):  # loops that hang together with no others
        rest = sorted(at[node] - seen)
        if rest and node not in place:
            place[node] = len(place)
            last, chain = follow(node, rest[0])
            chains.append((place[node], place[node], chain))
    return chains, len(place)


def _without_leaves(ends: Any, usable: list[int]) -> dict[int, set[int]]:
    """Branches at each node, those left out that lead to nothing and are in every tree."""
    at: dict[int, set[int]] = {}
    for m in usable:
        for node in ends[m]:
            at.setdefault(int(node), set()).add(m)
    left = [node for node, own in at.items() if len(own) == 1]
    while left:
        node = left.pop()
        if len(at[node]) != 1:
            continue
        m = at[node].pop()
        other = int(ends[m].sum()) - node
        at[other].discard(m)
        if len(at[other]) == 1:
            left.append(other)
    return at


def _cuts(chains: list[tuple[int, int]], n_junction: int) -> Iterator[list[int]]:
    """Sets of chains whose removal leaves a spanning tree of the junctions that chains connect."""

    def components(labels: list[int], rest: int) -> int:
        parent = labels.copy()
        for a, b in chains[rest:]:
            x, y = parent[a], parent[b]
            if x != y:
                parent = [x if p == y else p for p in parent]
        return len(set(parent))

    whole = components(list(range(n_junction)), 0)

    def extend(k: int, labels: list[int], cut: list[int]) -> Iterator[list[int]]:
        if k == len(chains):
            yield cut
            return
        x, y = labels[chains[k][0]], labels[chains[k][1]]
        if x != y:
            yield from extend(k + 1, [x if p == y else p for p in labels], cut)
        if x == y or components(labels, k + 1) == whole:
            yield from extend(k + 1, labels, [*cut, k])

    yield from extend(0, list(range(n_junction)), [])


def prufer_decode(sequence: Sequence[int], n_node: int) -> list[tuple[int, int]]:
    """Edges of the labelled tree that a Prüfer sequence of ``n_node - 2`` nodes stands for."""
    degree = [1] * n_node
    for node in sequence:
        degree[node] += 1
    leaves = [node for node in range(n_node) if degree[node] == 1]
    heapq.heapify(leaves)
    edges = []
    for node in sequence:
        edges.append((heapq.heappop(leaves), node))
        degree[node] -= 1
        if degree[node] == 1:
            heapq.heappush(leaves, node)
    edges.append((heapq.heappop(leaves), heapq.heappop(leaves)))
    return edges


def prufer_encode(edges: Sequence[tuple[int, int]], n_node: int) -> list[int]:
    """Prüfer sequence of a labelled tree; the inverse of :func:`prufer_decode`."""
    near: list[set[int]] = [set() for _ in range(n_node)]
    for a, b in edges:
        near[a].add(b)
        near[b].add(a)
    leaves = [node for node in range(n_node) if len(near[node]) == 1]
    heapq.heapify(leaves)
    sequence = []
    for _ in range(n_node - 2):
        leaf = heapq.heappop(leaves)
        node = near[leaf].pop()
        near[node].discard(leaf)
        sequence.append(node)
        if len(near[node]) == 1:
            heapq.heappush(leaves, node)
    return sequence
