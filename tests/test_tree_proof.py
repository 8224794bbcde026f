"""Spanning trees: how many there are, all of them, Prüfer sequences, proofs by enumeration."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hybridopt.cases import feeder_files
from hybridopt.feeder_goal import Goal
from hybridopt.feeder_trees import feeder_trees
from hybridopt.network import read_network
from hybridopt.network_feeder import feeder_from_net
from hybridopt.progress import NoProgress
from hybridopt.solvers.radial import LOSS, evaluate
from hybridopt.solvers.trees import all_trees, count_trees, prufer_decode, prufer_encode
from hybridopt.tree_proof import best_of_all, count_configurations


def trees_of(name):
    return feeder_trees(feeder_from_net(read_network(name), name))


def enumerated(nodes, n, cuttable):
    rows = [tuple(sorted(row)) for batch in all_trees(nodes, n, cuttable) for row in batch.tolist()]
    assert len(rows) == len(set(rows))
    return set(rows)


@st.composite
def multigraphs(draw):
    """Connected multigraphs, parallel branches and branches that stay closed among them."""
    n = draw(st.integers(2, 6))
    ends = [(draw(st.integers(0, k - 1)), k) for k in range(1, n)]
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda e: e[0] != e[1])
    extra = draw(st.lists(pairs, max_size=5))
    cuttable = [draw(st.booleans()) for _ in ends] + [True] * len(extra)
    order = draw(st.permutations(range(len(cuttable))))
    nodes = np.array(ends + extra)[list(order)]
    return nodes, n, np.array(cuttable)[list(order)]


@given(multigraphs())
@settings(max_examples=150, deadline=None)
def test_all_trees_are_those_that_brute_force_finds(graph):
    nodes, n, cuttable = graph
    found = set()
    k = len(nodes) - n + 1
    for opens in map(set, map(tuple, _subsets(np.flatnonzero(cuttable).tolist(), k))):
        tree = nx.MultiGraph()
        tree.add_nodes_from(range(n))
        tree.add_edges_from(tuple(e) for m, e in enumerate(nodes.tolist()) if m not in opens)
        if nx.is_connected(tree):
            found.add(tuple(sorted(opens)))
    assert enumerated(nodes, n, cuttable) == found
    assert count_trees(nodes, n, cuttable) == len(found)


def _subsets(items, k):
    from itertools import combinations

    return combinations(items, k)


@given(
    st.integers(3, 9).flatmap(
        lambda n: st.lists(st.integers(0, n - 1), min_size=n - 2, max_size=n - 2)
    )
)
def test_prufer_sequences_are_trees_and_back(sequence):
    n = len(sequence) + 2
    edges = prufer_decode(sequence, n)
    assert nx.is_tree(nx.Graph(edges))
    assert prufer_encode(edges, n) == sequence


# Counts and optima: enumerated independently, cases/feeders/README.md.
@pytest.mark.parametrize(
    ("name", "count", "opens", "kw"),
    [
        ("civanlar16", 190, {7, 8, 16}, 466.1267),
        ("baranwu33", 50751, {7, 9, 14, 32, 37}, 139.5513),
    ],
)
def test_the_best_of_all_is_the_published_optimum(name, count, opens, kw):
    trees = trees_of(name)
    assert count_configurations(trees) == count
    proof = best_of_all(trees, Goal().kernel_weights(trees), NoProgress())
    assert proof.configurations == count
    assert proof.fitness[2] == pytest.approx(kw, abs=1e-3)
    assert {trees.feeder.branch_name[m] for m in trees.branch[proof.opens]} == opens


@pytest.mark.slow
def test_feeder69_is_proven():
    trees = trees_of("feeder69")
    proof = best_of_all(trees, Goal().kernel_weights(trees), NoProgress())
    assert proof.configurations == 407924
    assert proof.fitness[2] == pytest.approx(99.6189, abs=1e-3)


def test_the_larger_feeders_are_counted():
    # Far too many to look at; the logarithm of the determinant by another routine.
    for name in ("tpc84", "zhang118"):
        trees = trees_of(name)
        graph = nx.MultiGraph(trees.nodes.tolist())
        laplacian = nx.laplacian_matrix(graph).toarray().astype(float)[1:, 1:]
        expected = np.prod(np.linalg.eigvalsh(laplacian))
        assert count_configurations(trees) == pytest.approx(expected, rel=1e-6)


def test_other_objectives_are_proven_too():
    # Digest of reference C: total drop least with 8, 11, 16 open; largest drop at least 0.02842.
    trees = trees_of("civanlar16")
    names = np.array(trees.feeder.branch_name)
    drop = best_of_all(trees, Goal("voltage_drop").kernel_weights(trees), NoProgress())
    assert set(names[trees.branch[drop.opens]]) == {8, 11, 16}
    assert drop.fitness[2] == pytest.approx(0.05937, abs=5e-6)
    widest = best_of_all(trees, Goal("max_voltage_drop").kernel_weights(trees), NoProgress())
    assert widest.fitness[2] == pytest.approx(0.02842, abs=1e-5)


def test_branches_that_may_not_open_stay_closed():
    net = read_network("baranwu33")
    net.line["switchable"] = ~net.line.name.isin(["7", "9"])
    trees = feeder_trees(feeder_from_net(net, "baranwu33"))
    proof = best_of_all(trees, Goal().kernel_weights(trees), NoProgress())
    open_names = {trees.feeder.branch_name[m] for m in trees.branch[proof.opens]}
    assert not open_names & {7, 9}
    every = feeder_trees(feeder_from_net(read_network("baranwu33"), "baranwu33"))
    rows = np.concatenate(list(all_trees(every.nodes, len(every.bus), every.arrays.cuttable)))
    names = np.array(every.feeder.branch_name)[every.branch]
    allowed = ~np.isin(names[rows], [7, 9]).any(axis=1)
    losses = evaluate(every.arrays, rows[allowed])[:, LOSS]
    assert len(losses) == proof.configurations
    assert proof.fitness[2] == pytest.approx(1e3 * losses.min(), abs=1e-6)


def test_every_built_in_feeder_is_read():
    assert len(feeder_files()) == 6
