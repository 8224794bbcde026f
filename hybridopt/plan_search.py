"""The search among the plans of a case: in several processes, shown, and kept as it goes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from hybridopt.bounds import PlanBounds, by_promise
from hybridopt.errors import Finding, InputError
from hybridopt.evaluate import Candidate, Evaluation, Evaluator, failed
from hybridopt.moves import plan_operators
from hybridopt.seeding import needs
from hybridopt.solvers.exhaustive import enumerate_all
from hybridopt.solvers.genetic import GeneticOptions, minimize
from hybridopt.solvers.pool import pool_of
from hybridopt.solvers.search import Limits, Run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hybridopt.checkpoint import Checkpoint
    from hybridopt.grid import Plan
    from hybridopt.network_scenario import Scenario
    from hybridopt.progress import Progress
    from hybridopt.solvers.pool import Pool, Wanted

MOST_PLANS = 1_000_000  # an exhaustive search keeps them all, with their bounds


def check_count(scenario: Scenario) -> None:
    """Make sure that the plans of a case can be enumerated.

    Raises
    ------
    InputError
        There are too many.
    """
    count = scenario.space.count()
    if count is None or count > MOST_PLANS:
        shown = "infinitely many" if count is None else f"{count:.3g}"
        message = (
            f"{scenario.case.name} has {shown} plans, more than the {MOST_PLANS:,} that can be "
            "enumerated; leave --exhaustive out for the genetic algorithm"
        )
        raise InputError([Finding("--exhaustive", message)])


class PlanSearch:
    """Searches the plans of a case, ``with`` its pool open, and keeps what it found."""

    def __init__(
        self,
        evaluator: Evaluator,
        scenario: Scenario,
        workers: Wanted,
        progress: Progress,
        checkpoint: Checkpoint | None,
    ) -> None:
        self.evaluator, self.scenario, self.progress = evaluator, scenario, progress
        self.checkpoint = checkpoint
        self.names = [objective_name(weights) for weights in scenario.settings.objectives]
        self.pool: Pool[Candidate, Evaluation] = pool_of(
            evaluator,
            workers,
            timeout_s=scenario.case.genetic.plan_limit_s,
            lost=partial(failed, len(self.names)),
        )

    def breed(self, run: Run[Plan, Evaluation], seed: int) -> None:
        """Run the genetic algorithm."""
        settings = self.scenario.case.genetic
        options = GeneticOptions(
            **{
                n: getattr(settings, n)
                for n in GeneticOptions.__dataclass_fields__
                if hasattr(settings, n)
            }
        )
        known = needs(self.scenario.space, self.scenario.damaged)
        operators = plan_operators(
            self.scenario.space, known if settings.seeding == "needs" else ()
        )
        with self.progress.generations(options.generations, options.population) as show:
            report = self._reporting(show)
            minimize(self._evaluate, operators, options, seed, self.names, report, run)

    def every_plan(self, run: Run[Plan, Evaluation]) -> int:
        """Evaluate every plan that no bound rules out; the number of plans within the budget."""
        space, settings = self.scenario.space, self.scenario.case.genetic
        limits = Limits(settings.time_limit_s, settings.max_evaluations)
        bounds = PlanBounds(self.evaluator)
        count = space.count()
        with self.progress.task("Bounds of all plans", count or 0) as advance:
            ordered = by_promise(bounds, _counted(space.every(), advance))
        with self.progress.enumeration(len(ordered)) as show:
            report = self._reporting(show)
            enumerate_all(self._evaluate, ordered, self.names, report, run, limits)
        return len(ordered)

    def settle_ties(self, run: Run[Plan, Evaluation]) -> None:
        """Pursue all objectives for the plans that tie with the best on the first one."""
        first = run.best.fitness[0]
        plans = [
            plan
            for plan, value in run.cache.items()
            if value.fitness[0] == first and not (value.complete or value.pruned)
        ]
        if not plans:
            return
        settled = self.pool.map([Candidate(plan, complete=True) for plan in plans])
        with self.progress.task("Plans that serve as much", len(plans)) as advance:
            for plan, value in zip(plans, settled, strict=True):
                # The first objective stays as it was: holding it for the others moves it by 1e-7.
                run.cache[plan] = replace(value, fitness=(first, *value.fitness[1:]))
                advance()

    def _evaluate(self, plans: Sequence[Plan], best: Evaluation | None) -> Iterator[Evaluation]:
        known = () if best is None else best.fitness
        return self.pool.map([Candidate(plan, known) for plan in plans])

    def _reporting(
        self, show: Callable[[int, int, Run[Plan, Evaluation]], None]
    ) -> Callable[[int, int, Run[Plan, Evaluation]], None]:
        """Show the progress, and keep the run when a generation is complete."""

        def report(generation: int, done: int, run: Run[Plan, Evaluation]) -> None:
            if done < 0 and self.checkpoint is not None:
                self.checkpoint.save(run)
            show(generation, done, run)

        return report


def _counted(plans: Iterator[Plan], advance: Callable[[], None]) -> Iterator[Plan]:
    for plan in plans:
        yield plan
        advance()


def objective_name(weights: dict[str, float]) -> str:
    """Name of an objective, or of a weighted sum, for tables."""
    if len(weights) == 1:
        return next(iter(weights))
    return "weighted_sum"
