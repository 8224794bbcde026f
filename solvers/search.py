"""What every search over solutions shares: the run so far, its log, its clock."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Genome = list[int | float]
INFINITY = float("inf")


class Evaluated(Protocol):
    """What a search needs to know of an evaluated solution."""

    @property
    def fitness(self) -> tuple[float, ...]:
        """Objectives to minimise, the most important first."""
        ...

    @property
    def ok(self) -> bool:
        """Whether the evaluation succeeded."""
        ...


Solution = TypeVar("Solution")
Value = TypeVar("Value", bound=Evaluated)


@dataclass
class Run(Generic[Solution, Value]):
    """A search after its last full generation; plain data, so that it can be kept and taken up.

    Attributes
    ----------
    cache : value of every solution evaluated, in the order of evaluation
    log : one row per generation
    evaluations : solutions looked at, those known already and those ruled out included
    population : genomes, the best of earlier generations first
    random : state of the random numbers, as ``random.getstate`` gives it
    stalled : generations without a better solution
    stopped_because : empty while the search goes on
    """

    cache: dict[Solution, Value] = field(default_factory=dict)
    log: list[dict[str, Any]] = field(default_factory=list)
    evaluations: int = 0
    population: list[Genome] = field(default_factory=list)
    random: tuple[Any, ...] = ()
    stalled: int = 0
    stopped_because: str = ""

    @property
    def best(self) -> Value:
        """The evaluation with the least fitness (first found of equals)."""
        return min(self.cache.values(), key=attrgetter("fitness"))

    @property
    def distinct(self) -> int:
        """Number of solutions evaluated."""
        return len(self.cache)

    @property
    def stopped_early(self) -> bool:
        """Whether the clock or the user ended the search."""
        return self.stopped_because.startswith((TIME_LIMIT, EVALUATION_LIMIT, INTERRUPTED))


TIME_LIMIT = "time limit"
EVALUATION_LIMIT = "evaluation limit"
INTERRUPTED = "interrupted"


class LimitReachedError(Exception):
    """The time or the number of evaluations that a search may take is used up."""


@dataclass(frozen=True)
class Limits:
    """What a search may take from now on; None is no limit.

    Attributes
    ----------
    time_s : s;  evaluations : solutions evaluated in the whole run
    """

    time_s: float | None = None
    evaluations: int | None = None
    began: float = field(default_factory=time.perf_counter)

    def check(self, evaluated: int) -> None:
        """Raise LimitReachedError, which says why, when one is reached."""
        if self.time_s is not None and time.perf_counter() - self.began > self.time_s:
            raise LimitReachedError(f"{TIME_LIMIT} of {self.time_s:g} s reached")
        if self.evaluations is not None and evaluated >= self.evaluations:
            raise LimitReachedError(f"{EVALUATION_LIMIT} of {self.evaluations} reached")


def evaluate_new(
    run: Run[Solution, Value],
    solutions: Sequence[Solution],
    values: Callable[[Sequence[Solution]], Iterator[Value]],
    report: Callable[[int], None],
    limits: Limits,
) -> int:
    """Evaluate solutions that are new, each once; the number of them.

    Raises
    ------
    LimitReachedError
        After the first value past a limit; what was evaluated is kept.
    """
    new = [s for s in dict.fromkeys(solutions) if s not in run.cache]
    for done, (solution, value) in enumerate(zip(new, values(new), strict=True), start=1):
        run.cache[solution] = value
        report(done)
        limits.check(run.distinct)
    return len(new)


def log_row(
    run: Run[Any, Any],
    fitnesses: Sequence[tuple[float, ...]],
    new: int,
    objectives: Sequence[str],
    began: float,
) -> dict[str, Any]:
    """One row of generations.csv; means are over the finite values of ``fitnesses``."""
    row: dict[str, Any] = {
        "generation": len(run.log),
        "evaluations": run.evaluations,
        "distinct_plans": run.distinct,
        "new_plans": new,
        "feasible": sum(fitness[0] < INFINITY for fitness in fitnesses),
    }
    best = run.best.fitness
    for k, name in enumerate(objectives):
        values = [fitness[k] for fitness in fitnesses if fitness[k] < INFINITY]
        row[f"best_{name}"] = best[k]
        row[f"mean_{name}"] = sum(values) / len(values) if values else None
    row["wall_s"] = time.perf_counter() - began
    return row


def log_part(run: Run[Any, Any], objectives: Sequence[str], began: float) -> None:
    """Add the row of a generation that was ended early, if it brought anything."""
    if run.cache:
        run.log.append(log_row(run, [run.best.fitness], 0, objectives, began))
