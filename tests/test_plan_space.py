"""Plans: genome, cost, budget, repair, enumeration; and the genetic operators on them."""

import random
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridopt.grid import DGSites, Plan, Unit
from hybridopt.moves import plan_operators
from hybridopt.plan_space import NONE, Candidate, PlanSpace


def space(n_lines=3, n_sites=4, max_units=2, sizes=(), budget=10.0, cost_per_mw=0.2, min_mw=0.0):
    candidates = tuple(Candidate(10 + k, 1.5 + k, 1.0, "repaired") for k in range(n_lines))
    sites = DGSites(
        bus=tuple(2 * s + 1 for s in range(n_sites)), cost_per_mw=cost_per_mw, min_mw=min_mw
    )
    near = tuple(tuple(t for t in (s - 1, s + 1) if 0 <= t < n_sites) for s in range(n_sites))
    return PlanSpace(candidates, sites, min(max_units, n_sites), tuple(sizes), budget, near)


@st.composite
def spaces(draw):
    sizes = draw(st.sampled_from([(), (5.0, 10.0, 30.0)]))
    return space(
        n_lines=draw(st.integers(0, 4)),
        n_sites=draw(st.integers(0, 4)),
        max_units=draw(st.integers(0, 3)),
        sizes=sizes,
        budget=draw(st.floats(0, 20)),
        min_mw=draw(st.sampled_from([0.0, 7.0])) if not sizes else 0.0,
        cost_per_mw=draw(st.sampled_from([0.0, 0.2])),
    )


@st.composite
def genomes(draw):
    s = draw(spaces())
    genome = draw(st.lists(st.integers(0, 1), min_size=s.n_lines, max_size=s.n_lines))
    gene = st.integers(NONE, len(s.sites.bus) - 1)
    genome += draw(st.lists(gene, min_size=s.max_units, max_size=s.max_units))
    if s.sizes_mw:
        gene = st.integers(0, len(s.sizes_mw) - 1)
        genome += draw(st.lists(gene, min_size=s.max_units, max_size=s.max_units))
    return s, genome


@given(genomes(), st.integers(0, 99))
def test_repair_is_within_budget_idempotent_and_takes_only_away(pair, seed):
    s, genome = pair
    repaired = s.repair(list(genome), random.Random(seed))
    plan, before = s.decode(repaired), s.decode(genome)
    assert s.affordable(plan)
    assert s.least_cost(plan) <= s.budget + 1e-9
    assert set(plan.branches) <= set(before.branches)
    assert set(plan.units) <= set(before.units)
    assert s.repair(list(repaired), random.Random(seed + 1)) == repaired
    if s.affordable(before):
        assert plan == before


@given(genomes())
def test_decode_after_encode_is_the_plan(pair):
    s, genome = pair
    plan = s.decode(genome)
    encoded = s.encode(plan)
    assert len(encoded) == len(genome)
    assert s.decode(encoded) == plan
    assert s.encode(s.decode(encoded)) == encoded


@given(genomes())
def test_units_of_a_plan_stand_at_different_buses_in_order(pair):
    s, genome = pair
    buses = [u.bus for u in s.decode(genome).units]
    assert buses == sorted(set(buses))


@given(spaces(), st.integers(0, 99))
def test_operators_keep_plans_valid(s, seed):
    rng, operators = random.Random(seed), plan_operators(s)
    mother, father = operators.create(rng), operators.create(rng)
    for genome in (
        mother,
        operators.repair(operators.mutate(mother, rng), rng),
        operators.repair(operators.crossover(mother, father, rng), rng),
    ):
        plan = operators.decode(genome)
        assert s.encode(plan) == genome
        assert s.affordable(plan)
        assert len(plan.units) <= s.max_units


@given(spaces(), st.integers(0, 99))
def test_operators_leave_parents_alone(s, seed):
    rng, operators = random.Random(seed), plan_operators(s)
    mother, father = operators.create(rng), operators.create(rng)
    kept = list(mother), list(father)
    operators.mutate(mother, rng)
    operators.crossover(mother, father, rng)
    assert (mother, father) == kept


@given(spaces(), st.integers(0, 30))
def test_child_has_only_what_a_parent_has(s, seed):
    rng, operators = random.Random(seed), plan_operators(s)
    mother, father = operators.create(rng), operators.create(rng)
    child = s.decode(operators.crossover(mother, father, rng))
    parents = s.decode(mother), s.decode(father)
    shared = set(parents[0].branches) & set(parents[1].branches)
    assert shared <= set(child.branches) <= {b for p in parents for b in p.branches}
    assert {u.bus for u in child.units} <= {u.bus for p in parents for u in p.units}


@pytest.mark.parametrize("sizes", [(), (5.0, 10.0)])
@pytest.mark.parametrize(("n_sites", "max_units"), [(0, 0), (4, 0), (4, 1), (4, 3), (2, 2)])
def test_every_plan_is_counted_and_listed_once(sizes, n_sites, max_units):
    s = space(2, n_sites, max_units, sizes, budget=np.inf)
    plans = list(s.every())
    assert len(plans) == len(set(plans)) == s.count()
    assert all(s.decode(s.encode(p)) == p for p in plans)


def test_every_plan_within_a_budget():
    s = space(budget=3.0, sizes=(5.0, 10.0))  # lines 1.5, 2.5, 3.5; sizes 1 and 2
    plans = list(s.every())
    assert plans == [p for p in space(budget=np.inf, sizes=(5.0, 10.0)).every() if s.cost(p) <= 3]
    assert Plan((10,), (Unit(1, 5.0),)) in plans
    assert Plan((11,), (Unit(1, 5.0),)) not in plans
    assert Plan((12,)) not in plans


def test_random_plans_reach_every_plan():
    s = space(2, 3, 2, budget=np.inf)
    rng = random.Random(1)
    found = Counter(s.decode(s.random(rng)) for _ in range(4000))
    assert len(found) == s.count()


def test_mutation_reaches_every_neighbour():
    s = space(2, 3, 1, budget=np.inf)
    rng, operators = random.Random(1), plan_operators(s)
    start = s.encode(Plan((10,), (Unit(3),)))
    found = {s.decode(operators.mutate(list(start), rng)) for _ in range(500)}
    assert {
        Plan((), (Unit(3),)),
        Plan((10, 11), (Unit(3),)),
        Plan((11,), (Unit(3),)),
        Plan((10,)),
        Plan((10,), (Unit(1),)),
        Plan((10,), (Unit(5),)),
    } <= found


@given(genomes())
def test_neighbours_are_one_change_away(pair):
    s, genome = pair
    plan = s.decode(genome)
    if not s.affordable(plan):
        return
    normal = s.encode(plan)
    # two units may meet at one bus: one goes, the other takes its size
    for genome in plan_operators(s).neighbours(normal):
        other = s.decode(genome)
        assert s.affordable(other)
        assert s.encode(other) == genome
        lines = len(set(plan.branches) ^ set(other.branches))
        units = len(set(plan.units) ^ set(other.units))
        assert (lines, units) in {(1, 0), (0, 1), (0, 2), (0, 3), (0, 0)}


def test_cost_counts_lines_and_given_ratings():
    s = space()
    assert s.cost(Plan((10, 12), (Unit(1, 20.0), Unit(3)))) == pytest.approx(1.5 + 3.5 + 4.0)
    assert s.least_cost(Plan((10,), (Unit(3),))) == pytest.approx(1.5)
    assert space(min_mw=10.0).least_cost(Plan((10,), (Unit(3),))) == pytest.approx(3.5)


def test_free_unit_needs_money_left():
    s = space(budget=1.5)
    assert s.affordable(Plan((10,)))
    assert not s.affordable(Plan((10,), (Unit(1),)))
    assert space(budget=1.5, cost_per_mw=0.0).affordable(Plan((10,), (Unit(1),)))
