"""Look at every solution, best bound first; bounds rule out what cannot win."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from hybridopt.solvers.search import (
    LimitReachedError,
    Limits,
    Run,
    Solution,
    Value,
    evaluate_new,
    log_part,
    log_row,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

BATCH = 64  # solutions between two looks at the best value; the same for any number of workers
MARGIN = 1e-6  # relative; fitness values are rounded to this
ALL_DONE = "every plan evaluated or ruled out by a bound"


def enumerate_all(
    evaluate: Callable[[Sequence[Solution], Value | None], Iterator[Value]],
    ordered: Sequence[tuple[tuple[float, ...], Solution]],
    objectives: Sequence[str],
    report: Callable[[int, int, Run[Solution, Value]], None] = lambda *_: None,
    run: Run[Solution, Value] | None = None,
    limits: Limits | None = None,
) -> Run[Solution, Value]:
    """Evaluate every solution whose bound does not prove it worse than the best found.

    Parameters
    ----------
    evaluate : values of solutions, in order; told the best value of earlier batches, if any
    ordered : (lower bounds on the fitness, solution), the most promising first
    objectives : names of the fitness values, for the log
    report : called with the batch, the evaluations done in it and the run so far, and with -1
        evaluations when the batch is complete
    run : an earlier search to take up; it is continued in place
    limits : none if not given

    Returns
    -------
    Run
        One log row per batch; ``evaluations`` counts solutions ruled out too, so it is the
        position in ``ordered``.
    """
    run = Run() if run is None else run
    limits = limits or Limits()
    run.stopped_because = ""
    while run.evaluations < len(ordered):
        batch, began = len(run.log), time.perf_counter()
        known = run.best if run.cache else None
        chosen, position = _next_batch(ordered, run.evaluations, known)
        if not chosen:
            run.evaluations = position
            report(batch, -1, run)
            break
        try:
            count = evaluate_new(
                run,
                chosen,
                lambda new, known=known: evaluate(new, known),  # type: ignore[misc]
                lambda done, b=batch: report(b, done, run),  # type: ignore[misc]
                limits,
            )
        except (LimitReachedError, KeyboardInterrupt) as early:
            log_part(run, objectives, began)
            if isinstance(early, KeyboardInterrupt):
                raise
            run.stopped_because = str(early)
            return run
        run.evaluations = position
        fitnesses = [run.cache[solution].fitness for solution in chosen]
        run.log.append(log_row(run, fitnesses, count, objectives, began))
        report(batch, -1, run)
    run.stopped_because = ALL_DONE
    return run


def _next_batch(
    ordered: Sequence[tuple[tuple[float, ...], Solution]], position: int, known: Value | None
) -> tuple[list[Solution], int]:
    """The next solutions that may be better than ``known``, and the position after them."""
    chosen: list[Solution] = []
    while position < len(ordered) and len(chosen) < BATCH:
        bound, solution = ordered[position]
        if known is None or not ruled_out(bound, known.fitness):
            chosen.append(solution)
        position += 1
    return chosen, position


def ruled_out(bound: tuple[float, ...], best: tuple[float, ...]) -> bool:
    """Whether lower bounds prove a solution lexicographically worse than the best one.

    A bound of a later objective must hold for solutions that reach the bounds before it.
    """
    for lower, value in zip(bound, best, strict=False):
        room = MARGIN * abs(value) + 1e-12
        if lower > value + room:
            return True
        if lower < value - room:
            return False
    return False
