"""Plans that are one change away from a plan, or a little further."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.grid import Unit
from hybridopt.plan_space import NONE, Genome, PlanSpace, used_places

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hybridopt.plan_genes import LineGenes


def neighbours(space: PlanSpace, genome: Genome) -> Iterator[tuple[str, Genome]]:
    """Every affordable genome that is one change away, with the kind of change.

    Kinds: ``flip`` (a branch dropped or added), ``swap`` (one dropped, one added), ``pair`` (two
    added that meet at a bus, because a way through takes both; one dropped for them where the
    budget asks for it), ``near`` (a unit moved to the other end of a branch), ``unit`` (one placed,
    moved anywhere or removed), ``gene``: with standard sizes a unit resized; where plans choose
    power, a few steps of it, the largest that can be paid among them; lines that are built anywhere
    change like units: pair of buses, being built at all, and length in a few steps.

    What a change makes too dear plans less power, where plans choose it. Voltage set-points stay:
    they are where a dispatch starts, and seldom change what it finds.
    """
    for kind, change in _changes_nearby(space, genome):
        changed = list(genome)
        for gene, value in change.items():
            changed[gene] = value
        plan = space.decode(changed)
        if not space.affordable(plan):
            plan = space.with_less_power(plan) or plan
        if changed != genome and space.affordable(plan):
            yield kind, space.encode(plan)


def _changes_nearby(space: PlanSpace, genome: Genome) -> Iterator[tuple[str, dict[int, Any]]]:
    """Kind of change, and new values by the position of their gene."""
    yield from _branches_nearby(space, genome)
    n, k = space.n_lines, space.max_units
    for unit in used_places(genome, n, k):
        yield from (("near", {n + unit: s}) for s in space.neighbours[genome[n + unit]])
    for unit in range(k):
        fresh = _fresh_unit(space, genome, unit)
        yield "unit", {n + unit: NONE}
        yield from (("unit", {n + unit: s} | fresh) for s in range(len(space.sites.bus)))
    yield from (("gene", change) for change in _genes_nearby(space, genome))


def _branches_nearby(space: PlanSpace, genome: Genome) -> Iterator[tuple[str, dict[int, Any]]]:
    """Changes to one or two branches."""
    genes = range(space.n_lines)
    yield from (("flip", {gene: 1 - genome[gene]}) for gene in genes)
    closed = [gene for gene in genes if genome[gene]]
    for out in closed:
        yield from (("swap", {out: 0, gene: 1}) for gene in genes if not genome[gene])
    for both in space.meeting:
        if not any(genome[gene] for gene in both):
            added = dict.fromkeys(both, 1)
            yield "pair", added
            yield from (("pair", added | {out: 0}) for out in closed)


def _genes_nearby(space: PlanSpace, genome: Genome) -> Iterator[dict[int, Any]]:
    """Changes to what plans choose besides branches and sites."""
    n, k, starts = space.n_lines, space.max_units, space.starts()
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


def wider(space: PlanSpace, genome: Genome) -> Iterator[tuple[str, Genome]]:
    """Neighbours of every genome with one branch flipped: a branch traded for a unit's place."""
    for gene in range(space.n_lines):
        flipped = list(genome)
        flipped[gene] = 1 - flipped[gene]
        yield from neighbours(space, flipped)
