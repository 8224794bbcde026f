"""The tables of a case file that say how a study is run, not what is studied."""

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from hybridopt.case_fields import (
    Flag,
    Fraction,
    Hours,
    NonNegative,
    Positive,
    Table,
    Whole,
)

Count = Annotated[Whole, Field(ge=1)]


class Economics(Table):
    """Which hours count when the loss of an event is priced."""

    hours: Hours = tuple(range(18, 25))
    """Hours (1..24) over which unserved energy is counted."""


class GeneticSettings(Table):
    """The genetic algorithm."""

    population: Annotated[Whole, Field(ge=2)] = 20
    """Plans per generation."""
    generations: Count = 20
    seeding: Literal["needs", "random"] = "random"
    """First plans: random ones; with "needs", half of them are completed so that every island that
    the event left short has a line out of it or a generator in it."""
    mutation_rate: Fraction = 0.4
    """Probability that an offspring is mutated."""
    crossover_rate: Fraction = 0.9
    """Probability that two parents are crossed."""
    selection: Literal["tournament", "best", "roulette"] = "tournament"
    """How parents are chosen: the best of a random few, the best of all, or by rank at random."""
    selected: Count | None = None
    """Number of parents kept in each generation; as many as the population if not given."""
    tournament_size: Count = 3
    elite: Annotated[Whole, Field(ge=0)] = 2
    """Best plans that go into the next generation as they are."""
    local_search: Fraction = 0.5
    """Share of the offspring that are untried neighbours of the best plan: one element dropped,
    added, swapped or moved. 0 is a plain genetic algorithm."""
    stall_generations: Count | None = None
    """Stop after so many generations without a better plan."""
    time_limit_s: Positive | None = None
    """Stop the search after so many seconds; `--resume` goes on for as many again."""
    max_evaluations: Count | None = None
    """Stop the search after evaluating so many plans."""
    plan_limit_s: Positive = 600.0
    """A worker process that takes longer over one plan is replaced, the plan tried once more."""

    @field_validator("selected", "tournament_size")
    @classmethod
    def _fits_population(cls, value: int | None, info: ValidationInfo) -> int | None:
        population = info.data.get("population")
        if value is not None and population is not None and value > population:
            raise ValueError(f"must be at most the population of {population}, found {value}")
        return value

    @field_validator("elite")
    @classmethod
    def _leaves_offspring(cls, elite: int, info: ValidationInfo) -> int:
        population = info.data.get("population")
        if population is not None and elite >= population:
            raise ValueError(f"must be below the population of {population}, found {elite}")
        return elite


class DispatchSettings(Table):
    """The dispatch over the day."""

    merge_equal_hours: Flag = True
    """Solve hours of equal load once, with their number as weight."""
    unserved_tolerance_mw: NonNegative = 1e-3
    """Unserved power below this counts as nothing unserved, MW."""


class IpoptSettings(Table):
    """The nonlinear solver."""

    tol: Positive = 1e-8
    """Convergence tolerance."""
    max_iter: Count = 500
    max_wall_s: Positive | None = None
    """Time limit of one solve, seconds."""
    linear_solver: str = "mumps"
    """Ipopt's linear solver, one that the installed Ipopt knows."""
    print_level: Annotated[Whole, Field(ge=0, le=12)] = 0
    """Ipopt's own output, 0 (none) to 12; on the terminal, or in log_file."""
    log_file: str | None = None
    """File to which every solve appends Ipopt's output; from the working directory."""
