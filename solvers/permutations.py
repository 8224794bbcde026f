"""Order crossover and swap mutation of permutations, as DEAP has the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

from deap import tools

from hybridopt.solvers.dice import own_random

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence

SHORT = 2  # of a crossover


def order_crossover(mother: Sequence[int], father: Sequence[int], rng: random.Random) -> list[int]:
    """Take a stretch of the father, and fill up in the mother's order (OX, Davis 1985).

    Parameters
    ----------
    mother, father : permutations of 0 .. n-1
    """
    one, other = list(map(int, mother)), list(map(int, father))
    if len(one) >= SHORT:
        with own_random(rng):
            tools.cxOrdered(one, other)
    return one


def swap_mutation(genes: Sequence[int], swaps: int, rng: random.Random) -> list[int]:
    """Exchange so many random pairs of places."""
    found = list(map(int, genes))
    for _ in range(swaps if len(found) >= SHORT else 0):
        j, k = rng.sample(range(len(found)), 2)
        found[j], found[k] = found[k], found[j]
    return found
