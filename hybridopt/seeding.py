"""First plans that contain what every good plan must: a remedy for each island that is short.

An island whose own units cannot cover its demand stays short unless a branch joins it to another
one or a generator is placed in it. A random plan seldom has all of that at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.plan_space import NONE

if TYPE_CHECKING:
    from random import Random

    from hybridopt.grid import Grid
    from hybridopt.plan_space import Genome, PlanSpace


@dataclass(frozen=True)
class Need:
    """What helps one island.

    Attributes
    ----------
    lines : genes of candidate branches that lead out of it
    sites : positions of sites in it
    """

    lines: tuple[int, ...]
    sites: tuple[int, ...]


def needs(space: PlanSpace, damaged: Grid) -> tuple[Need, ...]:
    """Islands of the damaged grid that are short at nominal load, with what helps them.

    Parameters
    ----------
    damaged : after the event, no plan applied
    """
    island = damaged.islands()
    running = damaged.gen_in_service & damaged.bus_in_service[damaged.gen_bus]
    at = island[damaged.gen_bus[running]]
    n = int(island.max()) + 1
    supply = np.bincount(at, damaged.p_max[running], n)
    forming = np.bincount(at, damaged.gen_forming[running], n) > 0
    demand = np.bincount(island, damaged.demand(connected_only=True)[0], n)
    short = demand - np.where(forming, supply, 0.0)
    found = []
    for number in np.argsort(-short, kind="stable"):
        if short[number] <= 0:
            break
        lines = tuple(
            gene
            for gene, candidate in enumerate(space.candidates)
            if (island[damaged.branch_from[candidate.branch]] == number)
            != (island[damaged.branch_to[candidate.branch]] == number)
        )
        sites = tuple(s for s, bus in enumerate(space.sites.bus) if island[bus] == number)
        if lines or sites:
            found.append(Need(lines, sites))
    return tuple(found)


def seeded(space: PlanSpace, found: tuple[Need, ...], rng: Random) -> Genome:
    """A random genome, every other time completed by a remedy for each need it does not meet."""
    genome = space.random(rng)
    if not found or rng.random() < 0.5:
        return genome
    n, k = space.n_lines, space.max_units
    bare = [0 if rng.random() < 0.5 else gene for gene in genome[:n]]
    genome = bare + genome[n:]
    for need in rng.sample(found, len(found)):
        met = any(genome[line] for line in need.lines)
        met |= any(site in need.sites for site in genome[n : n + k])
        if met:
            continue
        free = [place for place in range(n, n + k) if genome[place] == NONE]
        remedies = [(line, 1) for line in need.lines]
        if free:
            remedies += [
                (free[0], site) for site in rng.sample(need.sites, min(3, len(need.sites)))
            ]
        if remedies:
            gene, value = rng.choice(remedies)
            genome[gene] = value
            if gene >= n and space.unit_genes:
                drawn = space.unit_genes.draw(rng)
                for part, own in zip(space.unit_parts(), drawn, strict=True):
                    genome[part + gene - n] = own
    return space.repair(genome, rng)
