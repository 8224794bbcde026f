"""Plans that are one change away from a plan, or a little further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.grid import Unit
from hybridopt.plan_space import NONE, Genome, PlanSpace, used_places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hybridopt.plan_genes import LineGenes


def neighbours(space: PlanSpace, genome: Genome) -> Iterator[Genome]:
    """Every affordable genome with one branch flipped, or one unit moved, added or removed.

    With standard sizes also with one unit resized. Where plans choose power, a few steps of it,
    the largest that can be paid among them; what a change makes too dear plans less power. Lines
    that are built anywhere change like units: pair, being built at all, and length in a few steps.
    Voltage set-points stay: they are where a dispatch starts, and seldom change what it finds.
    """
    for change in _changes_nearby(space, genome):
        changed = list(genome)
        for gene, value in change.items():
            changed[gene] = value
        plan = space.decode(changed)
        if not space.affordable(plan):
            plan = space.with_less_power(plan) or plan
        if changed != genome and space.affordable(plan):
            yield space.encode(plan)


def _changes_nearby(space: PlanSpace, genome: Genome) -> Iterator[dict[int, Any]]:
    """New values by the position of their gene."""
    n, k, starts = space.n_lines, space.max_units, space.starts()
    yield from ({gene: 1 - genome[gene]} for gene in range(n))
    for unit in range(k):
        fresh = _fresh_unit(space, genome, unit)
        yield {n + unit: NONE}
        yield from ({n + unit: site} | fresh for site in range(len(space.sites.bus)))
    if space.sizes_mw:
        for unit in range(k):
            yield from ({starts["size"] + unit: size} for size in range(len(space.sizes_mw)))
    if space.unit_genes:
        for unit in used_places(genome, n, k):
            most = space.power_left(space.decode(genome), space.sites.bus[genome[n + unit]])
            gene, powers = starts["p"] + unit, space.unit_genes.p_mw
            yield from ({gene: p} for p in (*powers.steps(genome[gene]), powers.floor(most)))
    if space.line_genes:
        yield from _lines_nearby(space, space.line_genes, genome)


def _fresh_unit(space: PlanSpace, genome: Genome, unit: int) -> dict[int, Any]:
    """Genes of a unit that is added at an empty place: as much power as can be paid."""
    genes = space.unit_genes
    if genes is None or genome[space.n_lines + unit] != NONE:
        return {}
    most = genes.p_mw.floor(space.power_left(space.decode(genome), NONE))
    values = genes.complete(Unit(NONE, most))
    return {start + unit: value for start, value in zip(space.unit_parts(), values, strict=True)}


def _lines_nearby(space: PlanSpace, genes: LineGenes, genome: Genome) -> Iterator[dict[int, Any]]:
    """Changes to one line that is built anywhere."""
    starts, low, high = space.starts(), genes.length_km.low, genes.length_km.high
    for place in range(genes.max_lines):
        pair, length = starts["pair"] + place, starts["length"] + place
        fresh = {length: low} if genome[pair] == NONE else {}
        yield {pair: NONE}
        yield from ({pair: to} | fresh for to in range(len(genes.ends)))
        if genome[pair] != NONE:
            steps = genes.length_km.steps(genome[length])
            yield from ({length: km} for km in (*steps, low, high))


def wider(space: PlanSpace, genome: Genome) -> Iterator[Genome]:
    """Neighbours of every genome with one branch flipped: a branch traded for a unit's place."""
    for gene in range(space.n_lines):
        flipped = list(genome)
        flipped[gene] = 1 - flipped[gene]
        yield from neighbours(space, flipped)
