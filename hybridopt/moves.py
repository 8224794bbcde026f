"""Genetic operators on plans: what a child takes from its parents, and small changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridopt.plan_space import NONE, Genome, PlanSpace
from hybridopt.solvers.genetic import Operators

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from hybridopt.grid import Plan


def plan_operators(space: PlanSpace) -> Operators[Plan]:
    """Operators for the plans of a space."""
    return Operators(
        create=space.random,
        mutate=lambda genome, rng: mutate(space, genome, rng),
        crossover=lambda mother, father, rng: cross(space, mother, father, rng),
        repair=space.repair,
        decode=space.decode,
        neighbours=lambda genome: neighbours(space, genome),
        wider=lambda genome: wider(space, genome),
    )


def neighbours(space: PlanSpace, genome: Genome) -> Iterator[Genome]:
    """Every affordable genome with one branch flipped, or one unit moved, added or removed.

    With standard sizes also with one unit resized.
    """
    n, k = space.n_lines, space.max_units
    changes: list[tuple[int, tuple[int, ...]]] = [(g, (1 - genome[g],)) for g in range(n)]
    sites = (NONE, *range(len(space.sites.bus)))
    changes += [(n + unit, sites) for unit in range(k)]
    if space.sizes_mw:
        changes += [(n + k + unit, tuple(range(len(space.sizes_mw)))) for unit in range(k)]
    for gene, values in changes:
        for value in values:
            changed = list(genome)
            changed[gene] = value
            plan = space.decode(changed)
            if value != genome[gene] and space.affordable(plan):
                yield space.encode(plan)


def wider(space: PlanSpace, genome: Genome) -> Iterator[Genome]:
    """Neighbours of every genome with one branch flipped: a branch traded for a unit's place."""
    for gene in range(space.n_lines):
        flipped = list(genome)
        flipped[gene] = 1 - flipped[gene]
        yield from neighbours(space, flipped)


def mutate(space: PlanSpace, genome: Genome, rng: Random) -> Genome:
    """One change: flip or swap branches, or place, remove, move or resize a unit."""
    changes = [name for name, possible in _possible(space).items() for _ in range(possible)]
    return _CHANGES[rng.choice(changes)](space, list(genome), rng) if changes else list(genome)


def _possible(space: PlanSpace) -> dict[str, int]:
    """Tickets of each change in the draw."""
    n, units = space.n_lines, bool(space.max_units and space.sites.bus)
    return {
        "flip": int(n > 0),
        "swap": int(n > 1),
        "place": int(units),
        "move": 2 * int(units),
        "remove": int(units),
        "resize": int(units and bool(space.sizes_mw)),
    }


def _flip(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    child[rng.randrange(space.n_lines)] ^= 1
    return child


def _swap(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    a, b = rng.sample(range(space.n_lines), 2)
    child[a], child[b] = child[b], child[a]
    return child


def _place(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    child[space.n_lines + rng.randrange(space.max_units)] = rng.randrange(len(space.sites.bus))
    return child


def _move(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    """Move a unit to the other end of a branch; place one where there is none to move."""
    unit = space.n_lines + rng.randrange(space.max_units)
    near = space.neighbours[child[unit]] if child[unit] != NONE else ()
    child[unit] = rng.choice(near) if near else rng.randrange(len(space.sites.bus))
    return child


def _remove(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    child[space.n_lines + rng.randrange(space.max_units)] = NONE
    return child


def _resize(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    unit = space.n_lines + space.max_units + rng.randrange(space.max_units)
    child[unit] = rng.randrange(len(space.sizes_mw))
    return child


_CHANGES = {
    "flip": _flip,
    "swap": _swap,
    "place": _place,
    "move": _move,
    "remove": _remove,
    "resize": _resize,
}


def cross(space: PlanSpace, mother: Genome, father: Genome, rng: Random) -> Genome:
    """Each branch from either parent; units drawn from those of both."""
    n, k = space.n_lines, space.max_units
    child = [m if rng.random() < 0.5 else f for m, f in zip(mother, father, strict=True)]
    pool = list(dict.fromkeys(g for p in (mother, father) for g in p[n : n + k] if g != NONE))
    rng.shuffle(pool)
    count = sum(g != NONE for g in (mother if rng.random() < 0.5 else father)[n : n + k])
    kept = pool[:count]
    child[n : n + k] = kept + [NONE] * (k - len(kept))
    return child
