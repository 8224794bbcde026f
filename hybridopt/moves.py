"""Genetic operators on plans: what a child takes from its parents, and small changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.neighbourhood import neighbours, wider
from hybridopt.plan_space import NONE, Genome, PlanSpace, used_places
from hybridopt.seeding import seeded
from hybridopt.solvers.genetic import Operators

if TYPE_CHECKING:
    from random import Random

    from hybridopt.grid import Plan
    from hybridopt.plan_genes import LineGenes
    from hybridopt.seeding import Need


def plan_operators(space: PlanSpace, needs: tuple[Need, ...] = ()) -> Operators[Plan]:
    """Operators for the plans of a space.

    Parameters
    ----------
    needs : islands that the first plans help; random plans without them
    """
    return Operators(
        create=lambda rng: seeded(space, needs, rng) if needs else space.random(rng),
        mutate=lambda genome, rng: mutate(space, genome, rng),
        crossover=lambda mother, father, rng: cross(space, mother, father, rng),
        repair=space.repair,
        decode=space.decode,
        neighbours=lambda genome: neighbours(space, genome),
        wider=lambda genome: wider(space, genome),
    )


def mutate(space: PlanSpace, genome: Genome, rng: Random) -> Genome:
    """One change: flip or swap branches, or place, remove, move or resize a unit.

    Where plans choose more: change a unit's power or voltage; build a line anywhere, take it back,
    move one of its ends or change its length.
    """
    changes = [name for name, possible in _possible(space).items() for _ in range(possible)]
    return _CHANGES[rng.choice(changes)](space, list(genome), rng) if changes else list(genome)


def _possible(space: PlanSpace) -> dict[str, int]:
    """Tickets of each change in the draw."""
    n, units = space.n_lines, bool(space.max_units and space.sites.bus)
    genes, lines = space.unit_genes if units else None, int(bool(space.line_genes))
    return {
        "flip": int(n > 0),
        "swap": int(n > 1),
        "place": int(units),
        "move": 2 * int(units),
        "remove": int(units),
        "resize": int(units and bool(space.sizes_mw)),
        "change_power": 3 * int(bool(genes)),
        "change_voltage": int(bool(genes and genes.vm_pu)),
        "build": lines,
        "take_back": lines,
        "move_end": lines,
        "change_length": lines,
    }


def _flip(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    child[rng.randrange(space.n_lines)] ^= 1
    return child


def _swap(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    a, b = rng.sample(range(space.n_lines), 2)
    child[a], child[b] = child[b], child[a]
    return child


def _place(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    site, place = rng.randrange(len(space.sites.bus)), rng.randrange(space.max_units)
    child[space.n_lines + place] = site
    return _draw_unit(space, child, place, rng)


def _draw_unit(space: PlanSpace, child: Genome, place: int, rng: Random) -> Genome:
    """New power and voltage of a unit, where plans choose them."""
    if space.unit_genes:
        values = space.unit_genes.draw(rng)
        for start, value in zip(space.unit_parts(), values, strict=True):
            child[start + place] = value
    return child


def _move(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    """Move a unit to the other end of a branch; place one where there is none to move."""
    place = rng.randrange(space.max_units)
    unit = space.n_lines + place
    stood = child[unit] != NONE
    near = space.neighbours[child[unit]] if stood else ()
    child[unit] = rng.choice(near) if near else rng.randrange(len(space.sites.bus))
    return child if stood else _draw_unit(space, child, place, rng)


def _remove(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    child[space.n_lines + rng.randrange(space.max_units)] = NONE
    return child


def _resize(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    unit = space.n_lines + space.max_units + rng.randrange(space.max_units)
    child[unit] = rng.randrange(len(space.sizes_mw))
    return child


def _change_power(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    return _change_unit(space, child, "p", rng)


def _change_voltage(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    return _change_unit(space, child, "vm", rng)


def _change_unit(space: PlanSpace, child: Genome, part: str, rng: Random) -> Genome:
    """Change a gene of one unit; place one where none stands."""
    used, genes = used_places(child, space.n_lines, space.max_units), space.unit_genes
    values = genes and (genes.p_mw if part == "p" else genes.vm_pu)
    if not used or not values:
        return _place(space, child, rng)
    gene = space.starts()[part] + rng.choice(used)
    child[gene] = values.change(child[gene], rng)
    return child


def _build(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    genes, starts = _line_genes(space), space.starts()
    place = rng.randrange(genes.max_lines)
    child[starts["pair"] + place] = rng.randrange(len(genes.ends))
    child[starts["length"] + place] = genes.length_km.draw(rng)
    return child


def _take_back(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    child[space.starts()["pair"] + rng.randrange(space.max_new_lines)] = NONE
    return child


def _move_end(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    """Move one end of a line; build one where there is none."""
    genes, start = _line_genes(space), space.starts()["pair"]
    used = used_places(child, start, genes.max_lines)
    if not used:
        return _build(space, child, rng)
    gene = start + rng.choice(used)
    near = genes.touching(child[gene])
    child[gene] = rng.choice(near) if near else child[gene]
    return child


def _change_length(space: PlanSpace, child: Genome, rng: Random) -> Genome:
    genes, starts = _line_genes(space), space.starts()
    used = used_places(child, starts["pair"], genes.max_lines)
    if not used:
        return _build(space, child, rng)
    gene = starts["length"] + rng.choice(used)
    child[gene] = genes.length_km.change(child[gene], rng)
    return child


def _line_genes(space: PlanSpace) -> LineGenes:
    if space.line_genes is None:
        raise ValueError("no line may be built anywhere")
    return space.line_genes


_CHANGES = {
    "flip": _flip,
    "swap": _swap,
    "place": _place,
    "move": _move,
    "remove": _remove,
    "resize": _resize,
    "change_power": _change_power,
    "change_voltage": _change_voltage,
    "build": _build,
    "take_back": _take_back,
    "move_end": _move_end,
    "change_length": _change_length,
}


def cross(space: PlanSpace, mother: Genome, father: Genome, rng: Random) -> Genome:
    """Each branch from either parent; units and new lines, with their genes, from those of both."""
    starts = space.starts()
    child = [m if rng.random() < 0.5 else f for m, f in zip(mother, father, strict=True)]
    parents = mother, father
    _inherit(child, parents, space.n_lines, space.max_units, space.unit_parts(), rng)
    if space.line_genes:
        carried = [starts["length"]]
        _inherit(child, parents, starts["pair"], space.max_new_lines, carried, rng)
    return child


def _inherit(
    child: Genome,
    parents: tuple[Genome, Genome],
    start: int,
    count: int,
    carried: list[int],
    rng: Random,
) -> None:
    """Draw what both parents have, as many as one of them has.

    Parameters
    ----------
    start, count : places of the genes that are drawn; no value is drawn twice
    carried : where the genes begin that come along, from the same parent
    """
    pool: dict[int, list[list[Any]]] = {}
    for parent in parents:
        for place in used_places(parent, start, count):
            along = [parent[part + place] for part in carried]
            pool.setdefault(parent[start + place], []).append(along)
    values = list(pool)
    rng.shuffle(values)
    kept = values[
        : len(used_places(parents[0] if rng.random() < 0.5 else parents[1], start, count))
    ]
    child[start : start + count] = kept + [NONE] * (count - len(kept))
    if not carried:
        return
    for place, value in enumerate(kept):
        along = rng.choice(pool[value])
        for part, gene in zip(carried, along, strict=True):
            child[part + place] = gene
