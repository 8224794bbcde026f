"""Genetic operators on events of k elements, for networks with too many to look at each."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridopt.solvers.genetic import Operators

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from hybridopt.solvers.search import Genome

Chosen = tuple[int, ...]  # sorted positions in a list of elements


def event_operators(n: int, k: int) -> Operators[Chosen]:
    """Operators on sets of k of n elements; a genome is the sorted set.

    Mutation exchanges one element, crossover draws from both parents' elements, neighbours are
    all exchanges of one element.
    """
    every = range(n)

    def create(rng: Random) -> Genome:
        return sorted(rng.sample(every, k))

    def exchange(genome: Genome, rng: Random) -> Genome:
        others = [e for e in every if e not in genome]
        if not others:
            return genome
        changed = list(genome)
        changed[rng.randrange(k)] = rng.choice(others)
        return sorted(changed)

    def cross(mother: Genome, father: Genome, rng: Random) -> Genome:
        return sorted(rng.sample(sorted({*mother, *father}), k))

    def neighbours(genome: Genome) -> Iterator[tuple[str, Genome]]:
        for place in range(k):
            kept = genome[:place] + genome[place + 1 :]
            for other in every:
                if other not in genome:
                    yield f"exchange {place}", sorted([*kept, other])

    return Operators(
        create=create,
        mutate=exchange,
        crossover=cross,
        repair=lambda genome, _rng: genome,
        decode=lambda genome: tuple(int(e) for e in genome),
        neighbours=neighbours,
        wider=lambda _genome: iter(()),
    )
