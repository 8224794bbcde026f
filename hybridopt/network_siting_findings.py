"""What is wrong between a case's ``[siting]`` table and its network."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hybridopt.case import Case
    from hybridopt.case_siting import Siting
    from hybridopt.errors import Finding
    from hybridopt.grid import Grid

GENETIC = {"population", "generations", "mutation_rate", "crossover_rate", "elite", "local_search"}


def siting_findings(case: Case, damaged: Grid, position: dict[int, int]) -> list[Finding]:
    """Find what is wrong; nothing where the case has no such table.

    Parameters
    ----------
    damaged : grid after the event
    position : Grid position of each bus index of the net
    """
    terms = case.siting
    if terms is None:
        return []
    sites = _loads(damaged) if terms.sites == "loads" else set(terms.sites)
    return [
        *_missing_buses(case, terms, position),
        *_strangers(case, terms, sites),
        *_numbers(case, terms, sites),
        *_money(case, terms),
        *_unused(case),
    ]


def _loads(grid: Grid) -> set[int]:
    """Labels of buses with load in service."""
    on = grid.load_in_service & grid.bus_in_service[grid.load_bus] & (grid.load_p > 0)
    return {grid.bus_id[bus] for bus in grid.load_bus[on]}


def _missing_buses(case: Case, terms: Siting, position: dict[int, int]) -> Iterator[Finding]:
    """Sites that are no buses, or the same bus by another label."""
    if terms.sites == "loads":
        return
    at = {i + case.bus_label_offset: place for i, place in position.items()}
    seen: dict[int, int] = {}
    for i, bus in enumerate(terms.sites):
        key = ("siting", "sites", i)
        if bus not in at:
            message = f"no bus {bus}; buses are labelled {min(at)} to {max(at)}"
            yield case.finding(key, message)
        elif at[bus] in seen:
            message = f"a closed switch makes bus {bus} one with bus {seen[at[bus]]}"
            yield case.finding(key, message)
        else:
            seen[at[bus]] = bus


def _strangers(case: Case, terms: Siting, sites: set[int]) -> Iterator[Finding]:
    """Keys that name buses which are no sites."""
    for bus in terms.site_sizes_mw:
        if bus not in sites:
            key = ("siting", "site_sizes_mw", str(bus))
            yield case.finding(key, f"bus {bus} is not among the sites")
    for i, plan in enumerate(terms.compare):
        for k, bus in enumerate(plan):
            if bus not in sites:
                message = f"bus {bus} is not among the sites"
                yield case.finding(("siting", "compare", i, k), message)


def _numbers(case: Case, terms: Siting, sites: set[int]) -> Iterator[Finding]:
    """Fewer sites than are needed."""
    if not sites:
        yield case.finding("siting.sites", "the network has no bus with load in service")
    elif terms.units is not None and terms.units > len(sites):
        message = f"asks for {terms.units} units, but there are {len(sites)} sites"
        yield case.finding("siting.units", message)


def _money(case: Case, terms: Siting) -> Iterator[Finding]:
    """Figures in USD that would count as another currency."""
    used = terms.investment.foreign_defaults(case.currency)
    if used:
        shown = f"{', '.join(used)} of technology {terms.investment.technology!r}"
        message = f"{shown} are in USD: give per_usd ({case.currency} per USD), or these keys"
        yield case.finding("siting.investment", message)


def _unused(case: Case) -> Iterator[Finding]:
    """Settings of the search that a siting study would pass over in silence."""
    for name in sorted(case.genetic.model_fields_set - GENETIC):
        message = "says nothing in a siting study, whose selection is a roulette wheel"
        yield case.finding(("genetic", name), message)
