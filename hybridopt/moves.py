"""Genetic operators on plans: what a child takes from its parents, and small changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridopt.plan_space import NONE, Genome, PlanSpace
from hybridopt.solvers.genetic import Operators

if TYPE_CHECKING:
    from random import Random

    from hybridopt.grid import Plan


def plan_operators(space: PlanSpace) -> Operators[Plan]:
    """Operators for the plans of a space."""

    def mutate(genome: Genome, rng: Random) -> Genome:
        """One change: flip or swap branches, or place, remove, move or resize a unit."""
        child = list(genome)
        n, k = space.n_lines, space.max_units
        changes = []
        if n:
            changes += ["flip"]
        if n > 1:
            changes += ["swap"]
        if k and space.sites.bus:
            changes += ["place", "move", "move", "remove"]
        if space.sizes_mw and k:
            changes += ["resize"]
        if not changes:
            return child
        change = rng.choice(changes)
        unit = n + rng.randrange(k) if k else n
        if change == "flip":
            child[rng.randrange(n)] ^= 1
        elif change == "swap":
            a, b = rng.sample(range(n), 2)
            child[a], child[b] = child[b], child[a]
        elif change == "remove":
            child[unit] = NONE
        elif change == "resize":
            child[unit + k] = rng.randrange(len(space.sizes_mw))
        else:
            near = space.neighbours[child[unit]] if change == "move" and child[unit] != NONE else ()
            child[unit] = rng.choice(near) if near else rng.randrange(len(space.sites.bus))
        return child

    def crossover(mother: Genome, father: Genome, rng: Random) -> Genome:
        """Each branch from either parent; units drawn from those of both."""
        n, k = space.n_lines, space.max_units
        child = [m if rng.random() < 0.5 else f for m, f in zip(mother, father, strict=True)]
        pool = list(dict.fromkeys(g for p in (mother, father) for g in p[n : n + k] if g != NONE))
        rng.shuffle(pool)
        count = sum(g != NONE for g in (mother if rng.random() < 0.5 else father)[n : n + k])
        kept = pool[:count]
        child[n : n + k] = kept + [NONE] * (k - len(kept))
        return child

    return Operators(
        create=space.random,
        mutate=mutate,
        crossover=crossover,
        repair=space.repair,
        decode=space.decode,
    )
