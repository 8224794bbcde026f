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
    mutation_rate: Fraction = 0.4
    """Probability that an offspring is mutated."""
    crossover_rate: Fraction = 0.9
    """Probability that two parents are crossed."""
    selection: Literal["tournament", "best"] = "tournament"
    """How parents are chosen: the best of a random few, or the best of all."""
    selected: Count | None = None
    """Number of parents kept in each generation; as many as the population if not given."""
    tournament_size: Count = 3
    elite: Annotated[Whole, Field(ge=0)] = 2
    """Best plans that go into the next generation as they are."""
    stall_generations: Count | None = None
    """Stop after so many generations without a better plan."""

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
    """Ipopt's own output, 0 (none) to 12."""
