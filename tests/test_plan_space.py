"""Plans: genome, cost, budget, repair, enumeration; and the genetic operators on them."""

import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybridopt.grid import DGSites, NewLine, Plan, Unit
from hybridopt.moves import plan_operators
from hybridopt.plan_genes import LineGenes, Range, UnitGenes
from hybridopt.plan_space import NONE, Candidate, PlanSpace
from hybridopt.solvers.genetic import _draw


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
    allowed = {
        "flip": {(1, 0)},
        "swap": {(2, 0)},
        "pair": {(2, 0), (3, 0)},
        "near": {(0, 1), (0, 2), (0, 3)},
        "unit": {(0, 1), (0, 2), (0, 3), (0, 0)},
        "gene": {(0, 2), (0, 0)},
    }
    for kind, genome in plan_operators(s).neighbours(normal):
        other = s.decode(genome)
        assert s.affordable(other)
        assert s.encode(other) == genome
        lines = len(set(plan.branches) ^ set(other.branches))
        units = len(set(plan.units) ^ set(other.units))
        assert (lines, units) in allowed[kind]


def test_neighbours_hold_every_swap_and_every_pair_that_meets():
    s = replace(space(4, 3, 1, budget=6.0), meeting=((1, 2), (2, 3)))  # costs 1.5, 2.5, 3.5, 4.5
    found: dict[str, set[Plan]] = {}
    for kind, genome in plan_operators(s).neighbours(s.encode(Plan((10,)))):
        found.setdefault(kind, set()).add(s.decode(genome))
    assert found["flip"] == {Plan(), Plan((10, 11)), Plan((10, 12)), Plan((10, 13))}
    assert found["swap"] == {Plan((11,)), Plan((12,)), Plan((13,))}
    assert found["pair"] == {Plan((11, 12))}  # the others are too dear
    assert found["unit"] == {Plan((10,), (Unit(bus),)) for bus in s.sites.bus}
    assert "near" not in found


def test_kinds_of_change_are_drawn_alike():
    kinds = {"few": [[1]], "many": [[k] for k in range(2, 200)]}
    first = Counter(_draw(kinds, 1, random.Random(seed))[0][0] == 1 for seed in range(300))
    assert 100 < first[True] < 200
    assert sorted(_draw(kinds, 500, random.Random(0))) == [[k] for k in range(1, 200)]


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


# Continuous genes.

PAIRS = ((0, 1), (0, 2), (1, 2), (2, 3))


def genes_space(
    units=True,
    vm=True,
    max_lines=1,
    low=5.0,
    high=60.0,
    budget=10.0,
    cost_per_mw=0.2,
    per_km=0.0,
    **more,
):
    plain = space(budget=budget, cost_per_mw=cost_per_mw, **more)
    voltage = Range(0.8, 1.1, 4) if vm else None
    length = Range(0.5, 2.0, 4)
    lines = LineGenes(PAIRS, 20, max_lines, length, cost=2.0, cost_per_km=per_km)
    return replace(
        plain,
        unit_genes=UnitGenes(Range(low, high, 3), voltage) if units else None,
        line_genes=lines if max_lines else None,
    )


@st.composite
def gene_spaces(draw):
    low = draw(st.floats(0, 30))
    return genes_space(
        units=draw(st.booleans()),
        vm=draw(st.booleans()),
        max_lines=draw(st.integers(0, 3)),
        low=low,
        high=low + draw(st.floats(0, 60)),
        budget=draw(st.floats(0, 20)),
        cost_per_mw=draw(st.sampled_from([0.0, 0.2, 1e4])),
        per_km=draw(st.sampled_from([0.0, 1.7])),
        n_lines=draw(st.integers(0, 3)),
        n_sites=draw(st.integers(0, 4)),
        max_units=draw(st.integers(0, 3)),
    )


@st.composite
def gene_genomes(draw):
    """Any numbers in the places of a genome, out of their range too."""
    s = draw(gene_spaces())
    n, k, m = s.n_lines, s.max_units, s.max_new_lines
    value = st.floats(-10, 200)
    genome = draw(st.lists(st.integers(0, 1), min_size=n, max_size=n))
    genome += draw(st.lists(st.integers(NONE, len(s.sites.bus) - 1), min_size=k, max_size=k))
    count = k * len(s.unit_parts())
    genome += draw(st.lists(value, min_size=count, max_size=count))
    genome += draw(st.lists(st.integers(NONE, len(PAIRS) - 1), min_size=m, max_size=m))
    return s, genome + draw(st.lists(value, min_size=m, max_size=m))


def assert_valid(s, genome):
    plan = s.decode(genome)
    assert s.encode(plan) == genome
    assert s.cost(plan) <= s.budget + 1e-9
    assert len(plan.units) <= s.max_units
    assert len(plan.new_lines) <= s.max_new_lines
    assert len({line.branch for line in plan.new_lines}) == len(plan.new_lines)
    for unit in plan.units:
        if s.unit_genes:
            assert s.unit_genes.p_mw.low <= unit.rating_mw <= s.unit_genes.p_mw.high
        if s.unit_genes and s.unit_genes.vm_pu:
            assert 0.8 <= unit.vm_pu <= 1.1
        else:
            assert unit.vm_pu is None
    for line in plan.new_lines:
        assert 20 <= line.branch < 24
        assert 0.5 <= line.length_km <= 2.0


@given(gene_genomes(), st.integers(0, 99))
def test_repair_of_genes_is_within_budget_and_idempotent(pair, seed):
    s, genome = pair
    repaired = s.repair(list(genome), random.Random(seed))
    assert_valid(s, repaired)
    assert s.repair(list(repaired), random.Random(seed + 1)) == repaired
    plan, before = s.decode(repaired), s.decode(genome)
    assert set(plan.branches) <= set(before.branches)
    assert set(plan.new_lines) <= set(before.new_lines)
    assert {u.bus for u in plan.units} <= {u.bus for u in before.units}
    if s.affordable(before):
        assert plan == before


@given(gene_genomes())
def test_genes_survive_decode_and_encode(pair):
    s, genome = pair
    plan = s.decode(genome)
    encoded = s.encode(plan)
    assert len(encoded) == len(genome)
    assert s.decode(encoded) == plan
    assert s.encode(s.decode(encoded)) == encoded


@given(gene_spaces(), st.integers(0, 99))
def test_operators_keep_genes_valid_and_parents_as_they_are(s, seed):
    rng, operators = random.Random(seed), plan_operators(s)
    mother, father = operators.create(rng), operators.create(rng)
    kept = list(mother), list(father)
    for genome in (
        mother,
        operators.repair(operators.mutate(mother, rng), rng),
        operators.repair(operators.crossover(mother, father, rng), rng),
        *(genome for _, genome in operators.neighbours(mother)),
    ):
        assert_valid(s, genome)
    assert (mother, father) == kept


@given(gene_spaces(), st.integers(0, 99))
def test_child_has_units_and_lines_of_a_parent_with_their_genes(s, seed):
    rng, operators = random.Random(seed), plan_operators(s)
    mother, father = operators.create(rng), operators.create(rng)
    child = s.decode(operators.crossover(mother, father, rng))
    parents = s.decode(mother), s.decode(father)
    assert set(child.units) <= {u for p in parents for u in p.units}
    assert set(child.new_lines) <= {x for p in parents for x in p.new_lines}


def test_mutation_reaches_every_kind_of_change():
    s = genes_space(budget=np.inf)
    rng, operators = random.Random(1), plan_operators(s)
    plan = Plan((10,), (Unit(3, 20.0, 0.9),), (NewLine(21, 1.0),))
    found = [s.decode(operators.mutate(s.encode(plan), rng)) for _ in range(2000)]
    units = [p.units[0] for p in found if len(p.units) == 1 and p.units[0].bus == 3]
    powers = [u.rating_mw for u in units if u.rating_mw != 20.0]
    assert min(powers) < 10
    assert max(powers) > 50
    assert any(0 < abs(p - 20.0) < 0.5 for p in powers)
    assert len({u.vm_pu for u in units}) > 50
    lines = {x for p in found for x in p.new_lines}
    assert {x.branch for x in lines if x.length_km == 1.0} == {20, 21, 22, 23}
    assert len({x.length_km for x in lines if x.branch == 21}) > 50
    assert any(not p.new_lines for p in found)
    assert any(not p.units for p in found)


def test_an_end_moves_to_a_pair_that_shares_the_other():
    genes = genes_space().line_genes
    assert [genes.ends[k] for k in genes.touching(0)] == [(0, 2), (1, 2)]
    assert [genes.ends[k] for k in genes.touching(3)] == [(0, 2), (1, 2)]


def test_too_dear_a_plan_plans_less_power_before_it_drops_anything():
    s = genes_space(budget=10.0)  # a line 1.5 or 2.0, 0.2 per MW
    plan = Plan((10,), (Unit(1, 40.0, 1.0), Unit(3, 20.0, 1.0)), (NewLine(20, 1.0),))
    assert s.cost(plan) == pytest.approx(15.5)
    less = s.decode(s.repair(s.encode(plan), random.Random(0)))
    assert (less.branches, less.new_lines) == (plan.branches, plan.new_lines)
    assert s.cost(less) == pytest.approx(10.0, abs=2 * 0.2e-3)
    above = [u.rating_mw - 5.0 for u in less.units]
    assert above[0] / above[1] == pytest.approx(35 / 15, rel=1e-3)
    tight = replace(s, budget=5.0)  # 1.5 left for power, and two units take 2 at least
    fewer = tight.decode(tight.repair(tight.encode(plan), random.Random(0)))
    assert len(fewer.units) + len(fewer.branches) + len(fewer.new_lines) < 4
    assert tight.cost(fewer) <= 5.0


def test_exactly_what_the_budget_buys_is_planned():
    s = genes_space(budget=20.0, high=100.0, max_lines=0)
    assert s.with_less_power(Plan((), (Unit(1, 100.0, 1.0),))).units[0].rating_mw == 100.0
    spent = Plan((10,), (Unit(1, 100.0, 1.0),))
    assert s.with_less_power(spent).units[0].rating_mw == 92.5
    assert s.power_left(spent, 1) == pytest.approx(92.5)
    assert genes_space(cost_per_mw=0.0).power_left(spent, 1) == np.inf


def test_neighbours_change_power_in_steps_up_to_the_budget():
    s = genes_space(budget=10.0, n_lines=0, max_units=1)
    plan = Plan((), (Unit(3, 20.0, 0.9),), (NewLine(21, 1.0),))
    near = [s.decode(g) for _, g in plan_operators(s).neighbours(s.encode(plan))]
    same = [p for p in near if p.new_lines == plan.new_lines]
    assert {p.units[0].rating_mw for p in same if p.units and p.units[0].bus == 3} == {
        *(16.0, 19.0, 21.0, 25.0),
        40.0,  # 2 of 10 is spent on the line
    }
    assert {p.units[0].bus for p in same if p.units} == {1, 3, 5, 7}
    assert {p.units for p in near} >= {()}
    lengths = {x.length_km for p in near for x in p.new_lines if x.branch == 21}
    assert lengths == {1.0, 0.8, 0.95, 1.05, 1.25, 0.5, 2.0}
    assert {p.new_lines for p in near} >= {(), (NewLine(20, 1.0),), (NewLine(23, 1.0),)}


def test_a_unit_or_line_that_is_added_nearby_takes_what_is_left():
    s = genes_space(budget=10.0, n_lines=0, max_units=1)
    near = {s.decode(g) for _, g in plan_operators(s).neighbours(s.encode(Plan()))}
    assert Plan((), (Unit(3, 50.0, 1.0),)) in near
    assert Plan((), (), (NewLine(22, 0.5),)) in near
    full = s.encode(Plan((), (Unit(3, 50.0, 1.0),)))
    near = {s.decode(g) for _, g in plan_operators(s).neighbours(full)}
    assert Plan((), (Unit(3, 40.0, 1.0),), (NewLine(22, 0.5),)) in near


def test_continuous_plans_have_no_end():
    assert genes_space(units=False).count() is None
    assert genes_space(max_lines=0).count() is None
    assert genes_space(units=False, max_lines=0).count() == space().count()
    with pytest.raises(ValueError, match="cannot be listed"):
        next(genes_space().every())


def test_genes_are_rounded_to_readable_numbers():
    s = genes_space(budget=np.inf)
    rng, operators = random.Random(3), plan_operators(s)
    for _ in range(200):
        plan = s.decode(operators.mutate(operators.create(rng), rng))
        for unit in plan.units:
            assert unit.rating_mw == round(unit.rating_mw, 3)
            assert unit.vm_pu == round(unit.vm_pu, 4)
        assert all(x.length_km == round(x.length_km, 4) for x in plan.new_lines)
