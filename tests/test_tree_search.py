"""Searches over trees: best known losses, seeds that reproduce, reference C's settings."""

import numpy as np
import pytest

from hybridopt.classic_search import search_classic
from hybridopt.feeder_goal import Goal, operations
from hybridopt.feeder_trees import feeder_trees
from hybridopt.network import read_network
from hybridopt.network_feeder import feeder_from_net
from hybridopt.progress import NoProgress
from hybridopt.solvers.generational import ALIKE, GenerationalOptions
from hybridopt.solvers.nsga2 import non_dominated
from hybridopt.solvers.radial import ITERATIONS, LOSS, VIOLATION, evaluate
from hybridopt.tree_pareto import pareto_front
from hybridopt.tree_proof import all_batches, best_of_all
from hybridopt.tree_search import search_trees

# Best known losses in kW: cases/feeders/README.md.
BEST = {
    "civanlar16": 466.1267,
    "baranwu33": 139.5513,
    "feeder69": 99.6189,
    "tpc84": 469.8799,
    "zhang118": 869.7299,
}


def trees_of(name, **limits):
    return feeder_trees(feeder_from_net(read_network(name), name, **limits))


def searched(trees, seed, goal=None):
    return search_trees(trees, (goal or Goal()).kernel_weights(trees), seed, "kw", NoProgress())


@pytest.mark.parametrize("name", list(BEST))
def test_the_best_known_losses_are_found(name):
    trees = trees_of(name)
    for seed in range(3):
        found = searched(trees, seed)
        assert found.fitness[2] <= BEST[name] + 1e-3
        again = evaluate(trees.arrays, found.opens[None])[0]
        assert 1e3 * again[LOSS] == pytest.approx(found.fitness[2], abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("name", list(BEST))
def test_twenty_of_twenty_seeds(name):
    trees = trees_of(name)
    assert all(searched(trees, s).fitness[2] <= BEST[name] + 1e-3 for s in range(20))


@pytest.mark.slow
def test_417_buses_ten_of_ten_seeds():
    trees = trees_of("ramirez417")
    assert all(searched(trees, s).fitness[2] <= 581.5505 for s in range(10))


def test_a_seed_gives_the_same_answer():
    trees = trees_of("zhang118")
    one, other = (searched(trees, 7) for _ in range(2))
    assert one.opens.tolist() == other.opens.tolist()
    assert [r | {"wall_s": 0} for r in one.log] == [r | {"wall_s": 0} for r in other.log]


def test_weighted_search_finds_the_enumerated_optimum():
    trees = trees_of("baranwu33")
    for goal in (
        Goal("weighted"),
        Goal("weighted", (1.0, 5.0, 4.0)),
        Goal("weighted", loss_unit="mw"),
        Goal("voltage_drop"),
        Goal("max_voltage_drop"),
        Goal("load_balance"),
    ):
        weights = goal.kernel_weights(trees)
        proof = best_of_all(trees, weights, NoProgress())
        found = search_trees(trees, weights, 0, "value", NoProgress())
        assert found.fitness[2] == pytest.approx(proof.fitness[2], rel=1e-6), goal
    # 8 operations are worth more than they save, once each costs 20 kW.
    dear = Goal("weighted", (1.0, 0.0, 20.0))
    found = search_trees(trees, dear.kernel_weights(trees), 0, "value", NoProgress())
    assert operations(trees, found.opens[None])[0] < 8


def test_limits_come_first():
    trees = trees_of("baranwu33", vm_limits=(0.9405, None))
    weights = Goal().kernel_weights(trees)
    proof = best_of_all(trees, weights, NoProgress())
    free = best_of_all(trees_of("baranwu33"), weights, NoProgress())
    found = search_trees(trees, weights, 0, "kw", NoProgress())
    assert found.fitness[0] == proof.fitness[0] == 0.0
    assert found.fitness[2] == pytest.approx(proof.fitness[2], abs=1e-5)
    assert proof.fitness[2] > free.fitness[2] + 0.1  # the limit binds


def test_prufer_search_of_reference_c_finds_its_optimum():
    trees = trees_of("civanlar16")
    weights = Goal().kernel_weights(trees)
    runs = [search_classic(trees, weights, s, "kw", "prufer", NoProgress()) for s in range(5)]
    assert sum(run.fitness[2] <= BEST["civanlar16"] + 1e-3 for run in runs) >= 4
    assert ALIKE in {run.stopped_because for run in runs}
    assert all(len(run.log) <= 101 for run in runs)


def test_random_keys_reach_the_optimum_with_more_generations():
    trees = trees_of("baranwu33")
    options = GenerationalOptions(population=100, generations=150, mutation_rate=0.03)
    weights = Goal().kernel_weights(trees)
    found = search_classic(trees, weights, 0, "kw", "keys", NoProgress(), options)
    assert found.fitness[2] <= BEST["baranwu33"] + 1.0


def test_the_penalty_grows():
    trees = trees_of("baranwu33", vm_limits=(0.9405, None))
    weights = Goal().kernel_weights(trees)
    options = GenerationalOptions(population=60, generations=100, mutation_rate=0.03, penalty=1e6)
    found = search_classic(trees, weights, 0, "kw", "keys", NoProgress(), options)
    assert found.fitness[0] == 0.0
    from hybridopt.classic_search import _Task

    task = _Task(trees, weights, "kw", options)
    tree = tuple(trees.normal_tree().tolist())
    first, last = task.fitness([tree], 0)[0], task.fitness([tree], 100)[0]
    row = evaluate(trees.arrays, np.array([tree]))[0]
    assert first[1] == pytest.approx(1e3 * row[LOSS], rel=1e-9)
    assert last[1] - first[1] == pytest.approx(1e6 * row[8], rel=1e-9)
    short = np.maximum(0.9405 - _voltages(trees, tree), 0.0)
    assert row[8] == pytest.approx((short**2).sum(), rel=1e-9)
    assert row[VIOLATION] == pytest.approx(short.sum(), rel=1e-9)


def _voltages(trees, tree):
    from hybridopt.feeder_trees import power_flow

    return power_flow(trees, np.array(tree)).vm[0]


@pytest.mark.parametrize(
    "names", [("losses", "switching_operations"), ("losses", "max_voltage_drop")]
)
def test_the_front_searched_is_the_front_of_all(names):
    trees = trees_of("baranwu33")
    exact = pareto_front(trees, names, 0, NoProgress(), exact=True)
    found = pareto_front(trees, names, 0, NoProgress(), exact=False)
    points = np.array([point for _, point, _ in exact])
    ours = np.array([point for _, point, _ in found])
    # Every point of the true front has one of ours within a thousandth of the range.
    span = np.ptp(points, axis=0)
    gaps = [np.abs((ours - point) / span).max(axis=1).min() for point in points]
    assert np.mean(np.array(gaps) < 1e-3) >= 0.8
    assert max(gaps) < 0.1


def test_the_front_meets_the_limits():
    trees = trees_of("baranwu33", vm_limits=(0.93, None))
    names = ("losses", "switching_operations")
    exact, found = (pareto_front(trees, names, 0, NoProgress(), exact=e) for e in (True, False))
    free = pareto_front(trees_of("baranwu33"), names, 0, NoProgress(), exact=True)
    assert all(measures[6] >= 0.93 - 1e-9 for _, _, measures in (*exact, *found))
    assert len(exact) < len(free)  # the limit binds: the initial state is 0.913 pu
    ends = [(round(float(p[0]), 8), float(p[1])) for _, p, _ in exact]
    assert [(round(float(p[0]), 8), float(p[1])) for _, p, _ in found] == ends


def test_the_front_of_all_is_that_of_brute_force():
    trees = trees_of("civanlar16")
    opens = np.concatenate(list(all_batches(trees)))
    rows = evaluate(trees.arrays, opens)
    points = np.column_stack([rows[:, LOSS], operations(trees, opens)])[rows[:, ITERATIONS] > 0]
    beaten = [any((other <= p).all() and (other < p).any() for other in points) for p in points]
    expected = {
        (round(a, 9), b) for (a, b), bad in zip(points.tolist(), beaten, strict=True) if not bad
    }
    exact = pareto_front(trees, ("losses", "switching_operations"), 0, NoProgress(), exact=True)
    assert {(round(float(p[0]), 9), float(p[1])) for _, p, _ in exact} == expected


def test_non_dominated_rows():
    points = np.array([[1.0, 3.0], [2.0, 2.0], [2.0, 2.0], [3.0, 1.0], [3.0, 3.0]])
    assert non_dominated(points).tolist() == [0, 1, 3]
    nearly = np.array([[1.0, 10.0], [1.0000005, 5.0], [2.0, 5.0000001], [3.0, 4.0]])
    assert non_dominated(nearly, 1e-6).tolist() == [1, 3]
