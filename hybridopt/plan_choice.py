"""What a search for a front chooses: a plan, the most it may cost, and what its ratings are for.

Where the nonlinear program chooses ratings, they depend on what may be spent and on what counts
next after unserved energy; what can be served within that is served.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hybridopt.grid import Plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from hybridopt.evaluate import Evaluation, Evaluator
    from hybridopt.plan_space import Genome, PlanSpace

NAMES = ("unserved_mwh", "plan_cost", "operating_cost")
UNSERVED = ("unserved_mwh", "unserved_peak_mw")
LEVELS = 20  # of the budget that may be spent


@dataclass(frozen=True)
class Choice:
    """A candidate: a plan, the most it may cost, and what its ratings are chosen for.

    Attributes
    ----------
    budget : currency; where no rating is free, the case's
    goal : position in :attr:`ChoiceEvaluator.goals`; where no rating is free, 0
    """

    plan: Plan
    budget: float
    goal: int


def goals_of(names: Sequence[str]) -> list[tuple[dict[str, float], ...]]:
    """Objectives of the nonlinear programs: unserved energy, and each of the others next."""
    later = [name for name in names if name not in UNSERVED]
    orders = [later[k:] + later[:k] for k in range(len(later))] or [[]]
    return [tuple({name: 1.0} for name in ("unserved_mwh", *order)) for order in orders]


class ChoiceEvaluator:
    """Choice -> Evaluation; a picklable description that compiles once per process.

    Parameters
    ----------
    names : objectives of the front

    Attributes
    ----------
    goals : see :func:`goals_of`
    """

    def __init__(self, evaluator: Evaluator, names: Sequence[str]) -> None:
        self.evaluator, self.goals = evaluator, goals_of(names)
        self._of_goal: dict[int, Evaluator] = {}

    def __getstate__(self) -> dict[str, Any]:
        """Compiled models stay in their process."""
        return {**self.__dict__, "_of_goal": {}}

    def __call__(self, choice: Choice) -> Evaluation:
        """Choose the ratings, and dispatch."""
        evaluator = self._evaluator(choice.goal)
        evaluator.space = replace(self.evaluator.space, budget=choice.budget)
        return evaluator.evaluate(choice.plan)

    def _evaluator(self, goal: int) -> Evaluator:
        if goal not in self._of_goal:
            settings = replace(self.evaluator.settings, objectives=self.goals[goal])
            found = replace(self.evaluator, settings=settings)
            self.evaluator.dispatcher.hour  # noqa: B018  (compiled once for all)
            dispatcher = copy.copy(self.evaluator.dispatcher)
            dispatcher.settings = settings
            found.share(dispatcher)
            self._of_goal[goal] = found
        return self._of_goal[goal]


def decode_choice(space: PlanSpace, genome: Genome) -> Choice:
    """Choice of a genome: that of a plan, then the level of the budget and the goal.

    A level that is too low for the plan is the next one that will do.
    """
    plan, level, goal = space.decode(genome[:-2]), genome[-2], genome[-1]
    return _choice(space, plan, range(level, LEVELS + 1), goal)


def every_choice(space: PlanSpace, n_goals: int) -> Iterator[Choice]:
    """Every affordable plan with every level of the budget and every goal.

    Raises
    ------
    ValueError
        Genes are continuous: there is no end of plans.
    """
    for plan in space.every():
        found = [
            _choice(space, plan, range(level, LEVELS + 1), goal)
            for goal in range(n_goals)
            for level in range(1, LEVELS + 1)
        ]
        yield from dict.fromkeys(found)


def _choice(space: PlanSpace, plan: Plan, levels: Iterable[int], goal: int) -> Choice:
    if all(unit.rating_mw is not None for unit in plan.units):
        return Choice(plan, space.budget, 0)
    if space.sites.cost_per_mw == 0:
        return Choice(plan, space.budget, goal)
    for level in levels:
        budget = space.budget * level / LEVELS
        if replace(space, budget=budget).affordable(plan):
            return Choice(plan, budget, goal)
    return Choice(plan, space.budget, goal)
