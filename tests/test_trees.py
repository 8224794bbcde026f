"""Least spanning trees as graph theory has them, by networkx and by their properties."""

from __future__ import annotations

from typing import Any

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.radial_convergence import FEEDERS, feeder
from hybridopt.feeder_trees import FeederTrees
from hybridopt.solvers.trees import kruskal


@st.composite
def graphs(draw: Any) -> tuple[Any, int, Any]:
    """Connected multigraphs, with loops of one branch, and keys of some trees."""
    n = draw(st.integers(1, 9))
    joins = [(k, draw(st.integers(0, k - 1))) for k in range(1, n)]
    node = st.integers(0, n - 1)
    ends = draw(st.permutations(joins + draw(st.lists(st.tuples(node, node), max_size=8))))
    rows = draw(st.integers(1, 4))
    key = st.floats(0, 1) | st.sampled_from([0.0, 0.5])
    keys = draw(
        st.lists(
            st.lists(key, min_size=len(ends), max_size=len(ends)), min_size=rows, max_size=rows
        )
    )
    shape = (rows, len(ends))
    return np.array(ends, np.int64).reshape(-1, 2), n, np.array(keys, float).reshape(shape)


@settings(deadline=None, max_examples=150)
@given(graphs())
def test_what_stays_closed_is_a_least_spanning_tree(graph: tuple[Any, int, Any]) -> None:
    ends, n, keys = graph
    found = kruskal(ends, n, keys)
    assert found.shape == (len(keys), len(ends) - n + 1)
    for row, key in zip(found, keys, strict=True):
        assert (np.diff(row) > 0).all()
        closed = np.setdiff1d(np.arange(len(ends)), row)
        tree = nx.MultiGraph()
        tree.add_nodes_from(range(n))
        tree.add_edges_from(ends[closed].tolist())
        assert nx.is_tree(tree)
        whole = nx.MultiGraph()
        whole.add_nodes_from(range(n))
        whole.add_weighted_edges_from(
            (int(a), int(b), float(w)) for (a, b), w in zip(ends, key, strict=True) if a != b
        )
        least = nx.minimum_spanning_tree(whole).size("weight")
        assert key[closed].sum() == pytest.approx(least, abs=1e-12)


@pytest.fixture(scope="module")
def baran_wu() -> FeederTrees:
    return feeder("baranwu33")[1]


@settings(deadline=None, max_examples=60)
@given(seed=st.integers(0, 2**32 - 1))
def test_branches_that_may_not_switch_stay_closed(baran_wu: FeederTrees, seed: int) -> None:
    rng = np.random.default_rng(seed)
    trees = baran_wu
    every = trees.spanning(rng.random(len(trees.branch)))
    closed = np.setdiff1d(np.arange(len(trees.branch)), every)
    fixed = rng.choice(closed, rng.integers(0, len(closed) + 1), replace=False)
    cuttable = trees.arrays.cuttable.copy()
    cuttable[fixed] = False
    limited = type(trees)(
        trees.feeder, trees.branch, trees.bus, trees.arrays._replace(cuttable=cuttable), trees.nodes
    )
    found = limited.spanning(rng.random((5, len(trees.branch))))
    assert cuttable[found].all()
    assert all(trees.feeder.is_radial(trees.closed(row)) for row in found)


@pytest.mark.parametrize("name", FEEDERS)
def test_normal_states_are_their_own_trees(name: str) -> None:
    _, trees = feeder(name)
    np.testing.assert_array_equal(trees.closed(trees.normal_tree()), trees.feeder.closed)
