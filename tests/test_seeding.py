"""First plans that help every island that the event left short."""

import random

import pytest

from hybridopt.network_scenario import load_case
from hybridopt.seeding import needs, seeded


@pytest.fixture(scope="module", params=["ieee9", "ieee30", "ieee9_paper"])
def scenario(request):
    return load_case(request.param)


def test_needs_are_the_islands_that_cannot_feed_themselves():
    scenario = load_case("ieee9")
    (need,) = needs(scenario.space, scenario.damaged)  # buses 1, 4, 5, 9 have lost their source
    label = scenario.grid.bus_id
    assert [label[scenario.space.sites.bus[s]] for s in need.sites] == [1, 4, 5, 9]
    lines = [scenario.space.candidates[gene].branch for gene in need.lines]
    assert [scenario.grid.branch_name[k] for k in lines] == ["5-6", "8-9"]
    assert needs(scenario.space, scenario.grid) == ()  # before the event nothing is short


def test_half_of_the_first_plans_meet_every_need_within_the_budget(scenario):
    space = scenario.space
    found = needs(space, scenario.damaged)
    rng = random.Random(2)
    genomes = [seeded(space, found, rng) for _ in range(1000)]
    n, k = space.n_lines, space.max_units

    def meets(genome):
        sites = set(genome[n : n + k])
        return all(
            any(genome[line] for line in need.lines) or sites & set(need.sites) for need in found
        )

    assert found
    assert all(space.affordable(space.decode(genome)) for genome in genomes)
    informed = sum(map(meets, genomes)) / len(genomes)
    drawn = sum(meets(space.random(rng)) for _ in range(1000)) / 1000
    assert informed > drawn + 0.05
