"""The population of a generation in words, as the paper's pseudocode prints it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.plan_search import objective_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hybridopt.grid import Grid, Plan
    from hybridopt.network_scenario import Scenario

RULE = "-" * 12


def describe(scenario: Scenario, run: Any) -> Iterator[str]:
    """Lines on the last generation: its number, then every plan with its fitness.

    The order of Table 1 in Diaz Vargas, Mosquera, Rivas 2024: rule, GENERATION, POPULATION.
    """
    names = [objective_name(weights) for weights in scenario.settings.objectives]
    grid = scenario.search_grid
    yield RULE
    yield f"GENERATION: {len(run.log) - 1}"
    yield "POPULATION:"
    for place, genome in enumerate(run.population, start=1):
        plan = scenario.space.decode(genome)
        values = zip(names, run.cache[plan].fitness, strict=True)
        fitness = ", ".join(f"{name} {_show(value)}" for name, value in values)
        yield f"  {place:>3}. {plan_words(grid, plan)}: {fitness}"


def plan_words(grid: Grid, plan: Plan) -> str:
    """A plan in a few words, buses by their labels; ``grid`` holds every branch it may name."""
    label = grid.bus_id

    def ends(branch: int) -> str:
        return f"{label[grid.branch_from[branch]]}-{label[grid.branch_to[branch]]}"

    words = [f"close {grid.branch_name[k]}" for k in plan.branches]
    words += [f"build {ends(line.branch)} ({line.length_km:g} km)" for line in plan.new_lines]
    for unit in plan.units:
        size = "" if unit.rating_mw is None else f" {unit.rating_mw:g} MW"
        voltage = "" if unit.vm_pu is None else f" at {unit.vm_pu:g} pu"
        words.append(f"DG at bus {label[unit.bus]}{size}{voltage}")
    return ", ".join(words) or "nothing"


def _show(value: float) -> str:
    """A fitness value; those that were not worth finding out have none."""
    return "-" if value == float("inf") else f"{value:.6g}"
