"""The genetic algorithm on a problem whose optimum is known, and on every plan of IEEE 9."""

import json
import random
import threading
from collections import Counter
from dataclasses import dataclass, replace

import pytest
from deap import tools

from hybridopt.evaluate import Evaluator
from hybridopt.network_scenario import load_case
from hybridopt.output import plain, summary
from hybridopt.solvers.dice import dice, own_random
from hybridopt.solvers.genetic import GeneticOptions, Operators, _individual, _select, minimize
from hybridopt.solvers.workers import Workers
from hybridopt.study import run_study

N = 12
TARGET = tuple(int(k % 3 == 0) for k in range(N))


@dataclass(frozen=True)
class Value:
    fitness: tuple[float, ...]
    ok: bool = True


def value_of(solution):
    """Distance to the target, then the number of ones among the last."""
    wrong = sum(a != b for a, b in zip(solution, TARGET, strict=True))
    return Value((float(wrong), float(sum(solution))))


def mutate(genome, rng):
    child = list(genome)
    child[rng.randrange(N)] ^= 1
    return child


def neighbours(genome):
    for k in range(N):
        yield "early" if k < 2 else "late", [g ^ (k == j) for j, g in enumerate(genome)]


def wider(genome):
    for _, near in neighbours(genome):
        yield from neighbours(near)


OPERATORS = Operators(
    create=lambda rng: [rng.randrange(2) for _ in range(N)],
    mutate=mutate,
    crossover=lambda a, b, rng: [rng.choice(pair) for pair in zip(a, b, strict=True)],
    repair=lambda genome, rng: list(genome),
    decode=tuple,
    neighbours=neighbours,
    wider=wider,
)


class Evaluating:
    """Counts what is evaluated."""

    def __init__(self, value=value_of):
        self.value, self.seen = value, []

    def __call__(self, solutions, *_):
        self.seen += solutions
        return (self.value(s) for s in solutions)


def run(seed=0, evaluate=None, **options):
    options = {"population": 10, "generations": 15} | options
    evaluate = evaluate or Evaluating()
    return minimize(evaluate, OPERATORS, GeneticOptions(**options), seed, ["wrong", "ones"])


@pytest.mark.parametrize("selection", ["tournament", "best", "roulette"])
@pytest.mark.parametrize("seed", range(5))
def test_finds_the_optimum(seed, selection):
    found = run(seed, selection=selection, selected=5, generations=40)
    assert found.best.fitness == (0.0, float(sum(TARGET)))


def test_same_seed_same_run_and_another_seed_another():
    a, b, c = Evaluating(), Evaluating(), Evaluating()
    first, second = run(3, a), run(3, b)
    run(4, c)
    assert a.seen == b.seen
    assert a.seen != c.seen
    without = [{k: v for k, v in row.items() if k != "wall_s"} for row in first.log]
    assert without == [{k: v for k, v in row.items() if k != "wall_s"} for row in second.log]


def test_callers_random_numbers_are_untouched_and_do_not_matter():
    random.seed(11)
    state = random.getstate()
    a = Evaluating()
    run(3, a)
    assert random.getstate() == state
    random.seed(99)
    b = Evaluating()
    run(3, b)
    assert a.seen == b.seen


def test_dice_come_back_after_an_error():
    def crash():
        with own_random(random.Random(1)):
            dice.random()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        crash()
    assert dice.lent is None


def test_operators_draw_the_same_while_other_threads_draw_too():
    """DEAP's operators draw from the numbers of the thread that runs them."""
    expected, done = _selections(), threading.Event()

    def draw():
        while not done.is_set():
            random.random()
            with own_random(random.Random(3)):
                dice.random()

    other = threading.Thread(target=draw)
    other.start()
    try:
        assert all(_selections() == expected for _ in range(50))
    finally:
        done.set()
        other.join()


def _selections():
    population = [_individual([k], Value((float(k), 0.0)), (-1.0, -1.0)) for k in range(10)]
    with own_random(random.Random(0)):
        return [individual[0] for individual in tools.selTournament(population, 200, tournsize=2)]


def test_nothing_is_evaluated_twice():
    evaluate = Evaluating()
    found = run(1, evaluate, generations=30)
    assert len(evaluate.seen) == len(set(evaluate.seen)) == found.distinct == len(found.cache)
    assert found.evaluations >= found.distinct


@pytest.mark.parametrize("elite", [0, 1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_the_best_never_gets_worse(seed, elite):
    found = run(seed, elite=elite)
    best = [(row["best_wrong"], row["best_ones"]) for row in found.log]
    assert best == sorted(best, reverse=True)
    assert best[-1] == min(v.fitness for v in found.cache.values()) == found.best.fitness


def test_population_keeps_its_size_and_log_has_every_generation():
    found = run(generations=7, population=6, elite=2)
    assert [row["generation"] for row in found.log] == list(range(8))
    assert found.log[0]["evaluations"] == 6
    assert found.log[-1]["evaluations"] == 6 + 7 * 4
    assert found.stopped_because == "all generations done"


def test_failed_solutions_lose_and_do_not_spoil_the_means():
    def value(solution):
        if solution[0]:
            return value_of(solution)
        return Value((float("inf"), float("inf")), ok=False)

    found = run(2, Evaluating(value), generations=30)
    assert found.best.fitness[0] == 0.0
    assert all(row["mean_wrong"] is None or row["mean_wrong"] <= N for row in found.log)


def test_everything_failing_is_a_run_too():
    found = run(0, Evaluating(lambda _: Value((float("inf"), float("inf")), ok=False)))
    assert not found.best.ok
    assert found.log[-1]["feasible"] == 0


def test_stall_ends_the_run():
    found = run(0, Evaluating(lambda _: Value((1.0, 1.0))), stall_generations=3, generations=500)
    assert found.stopped_because != "all generations done"
    assert found.log[-1]["generation"] < 500


# --- plans ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def every_plan_of_ieee9():
    s = load_case("ieee9")
    evaluator = Evaluator(s.damaged, s.space, s.horizon, s.settings, "each")
    return {plan: evaluator.evaluate(plan) for plan in s.space.every()}


@pytest.mark.slow
def test_ieee9_search_finds_the_best_of_every_plan(every_plan_of_ieee9):
    values = every_plan_of_ieee9.values()
    assert all(v.ok for v in values)
    best = min(values, key=lambda v: v.fitness)
    assert best.values["unserved_mwh"] == 0
    assert best.values["operating_cost"] == pytest.approx(49421.53, abs=0.02)
    for seed in (0, 1):
        found = run_study("ieee9", seed=seed, workers=1)
        assert found.best.fitness == pytest.approx(best.fitness, rel=1e-6)


@pytest.mark.slow
def test_ieee9_no_plan_is_over_budget(every_plan_of_ieee9):
    assert max(v.values["plan_cost"] for v in every_plan_of_ieee9.values()) <= 20.0


@pytest.mark.slow
def test_ieee9_cheapest_search_finds_the_best_of_every_plan():
    s = load_case("ieee9_cheapest")
    evaluator = Evaluator(s.damaged, s.space, s.horizon, s.settings, "each")
    best = min((evaluator.evaluate(plan) for plan in s.space.every()), key=lambda v: v.fitness)
    assert best.values["plan_cost"] == pytest.approx(15.097, abs=1e-3)
    found = run_study(s, seed=0, workers=1)
    assert found.best.fitness == pytest.approx(best.fitness, rel=1e-6)


def without_times(value):
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if k not in ("wall_s", "time")}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def test_two_workers_give_the_run_of_one():
    case = {"extends": "ieee9_cheapest", "genetic": {"population": 8, "generations": 2}}
    one, two = (run_study(case, seed=5, workers=w) for w in (1, 2))
    a, b = (json.loads(json.dumps(without_times(plain(summary(r))))) for r in (one, two))
    assert a == b
    assert list(one.run.cache) == list(two.run.cache)


# --- workers --------------------------------------------------------------------------------------


def double(x):
    return 2 * x


def fail_on_three(x):
    if x == 3:
        raise ValueError("three")
    return x


@pytest.mark.parametrize("processes", [1, 2])
def test_workers_keep_the_order(processes):
    with Workers(double, processes) as pool:
        assert list(pool.map(list(range(7)))) == [0, 2, 4, 6, 8, 10, 12]
        assert list(pool.map([])) == []


def test_an_error_in_a_worker_reaches_the_caller():
    with pytest.raises(ValueError, match="three"), Workers(fail_on_three, 2) as pool:
        list(pool.map([1, 2, 3, 4]))


def test_a_limit_of_evaluations_is_kept_to_the_last_one():
    evaluate = Evaluating()
    found = run(1, evaluate, max_evaluations=23, generations=40)
    assert found.distinct == 23
    assert found.stopped_because == "evaluation limit of 23 reached"
    assert found.stopped_early
    assert found.best.fitness == min(value_of(s).fitness for s in list(found.cache))


def test_without_local_search_no_neighbour_is_asked_for():
    def forbidden(_genome):
        raise AssertionError

    plain = replace(OPERATORS, neighbours=forbidden, wider=forbidden)
    options = GeneticOptions(population=10, generations=5, local_search=0.0, stall_generations=2)
    assert minimize(Evaluating(), plain, options, 0, ["wrong", "ones"]).log
    with_it = replace(options, local_search=0.1)
    with pytest.raises(AssertionError):
        minimize(Evaluating(), plain, with_it, 0, ["wrong", "ones"])


def test_roulette_prefers_better_ranks_and_shuts_nobody_out():
    population = [_individual([k], Value((float(k), 0.0)), (-1.0, -1.0)) for k in range(4)]
    options = GeneticOptions(selection="roulette", selected=4000)
    with own_random(random.Random(0)):
        drawn = Counter(individual[0] for individual in _select(population, options))
    shares = [drawn[k] / 4000 for k in range(4)]
    assert shares == pytest.approx([0.4, 0.3, 0.2, 0.1], abs=0.03)


def test_resuming_continues_the_random_numbers():
    whole = run(5, generations=8)
    first = run(5, generations=3)
    options = GeneticOptions(population=10, generations=8)
    again = minimize(Evaluating(), OPERATORS, options, 5, ["wrong", "ones"], run=first)
    assert list(again.cache) == list(whole.cache)
    assert again.population == whole.population


def test_children_are_bred_from_what_an_evaluation_learnt():
    """Only learning can turn the last gene on, so children show it and the evaluated don't lose."""
    seen = []
    learning = replace(
        OPERATORS,
        mutate=lambda genome, _rng: genome,
        crossover=lambda mother, _father, _rng: (seen.append(list(mother)), list(mother))[1],
        learn=lambda genome, _value: [*genome[:-1], 7],
    )
    options = GeneticOptions(population=6, generations=2, local_search=0.0, crossover_rate=1.0)
    found = minimize(Evaluating(), learning, options, 0, ["wrong", "ones"])
    assert seen
    assert all(mother[-1] == 7 for mother in seen)
    assert all(OPERATORS.decode(genome) in found.cache for genome in found.population)
