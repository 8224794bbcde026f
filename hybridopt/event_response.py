"""What the operator can do about an event: nothing, switching, or a plan within the budget."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING, Literal

import numpy as np

from hybridopt.bounds import PlanBounds, by_promise
from hybridopt.dispatch import Dispatcher
from hybridopt.evaluate import Candidate, Evaluation, Evaluator
from hybridopt.event_delivery import Deliverer, state_key, without_idle_parts
from hybridopt.grid import Event, Plan, apply_event
from hybridopt.moves import plan_operators
from hybridopt.seeding import needs
from hybridopt.solvers.exhaustive import ruled_out
from hybridopt.solvers.genetic import GeneticOptions, minimize

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from hybridopt.event_delivery import Delivery
    from hybridopt.grid import Grid
    from hybridopt.plan_space import PlanSpace

Response = Literal["none", "switching", "plan"]
MOST_TIES = 10  # open branches of which every subset is tried
MOST_PLANS = 5000  # up to so many plans of an event all are looked at
ROOM = 1e-6  # relative; values are rounded to this
OBJECTIVES = ({"unserved_peak_mw": 1.0}, {"plan_cost": 1.0})
NEVER = float("inf")  # cost of restoring what no plan restores

Rank = tuple[float, float, float]


@dataclass(frozen=True)
class Question:
    """An event to answer.

    Attributes
    ----------
    without_mw : unserved at the peak hour without a response; None asks for it
    threshold : a rank; the answer may stop where it is proven to stay below it
    space, search_grid : the plans of the event, for the response "plan"
    """

    event: Event
    without_mw: float | None = None
    threshold: Rank | None = None
    space: PlanSpace | None = None
    search_grid: Grid | None = None


@dataclass(frozen=True)
class Answer:
    """What an event comes to.

    Attributes
    ----------
    unserved_mw : after the best response found
    restoring_cost : of the cheapest plan within the budget that serves everything; inf where there
        is none, or none was looked for
    actions : what the response does, in words
    proven : whether no better response exists, as far as Ipopt's local optima go
    is_below : the answer stopped below the threshold: its values are bounds
    """

    unserved_mw: float
    restoring_cost: float
    actions: tuple[str, ...] = ()
    status: str = "optimal"
    proven: bool = True
    is_below: bool = False
    solves: int = 0


def below(rank: Rank, threshold: Rank | None) -> bool:
    """Whether a rank lies below another by more than rounding."""
    if threshold is None:
        return False
    for value, other in zip(rank, threshold, strict=True):
        room = ROOM * abs(other) + 1e-9 if other < NEVER else 0.0
        if value < other - room:
            return True
        if value > other + room:
            return False
    return False


class Responder:
    """Answers events; a picklable description that compiles its models once per process.

    Parameters
    ----------
    deliverer : of the grid before any event
    new : positions of lines that only a plan builds; switching cannot close them
    max_switched : most closed branches that switching opens
    genetic : settings of the search where an event has many plans
    """

    def __init__(
        self,
        deliverer: Deliverer,
        response: Response,
        new: frozenset[int],
        max_switched: int,
        genetic: GeneticOptions,
        seed: int,
    ) -> None:
        self.deliverer, self.response, self.new = deliverer, response, new
        self.max_switched, self.genetic, self.seed = max_switched, genetic, seed
        self._planner: Dispatcher | None = None

    def __getstate__(self) -> dict[str, object]:
        """Compiled models stay in their process."""
        return {**self.__dict__, "_planner": None}

    def __call__(self, question: Question) -> Answer:
        """Answer one event: what it does by itself, or what is left after the response."""
        damaged = apply_event(self.deliverer.grid, question.event)
        if question.without_mw is None:
            delivery = self.deliverer.deliver(without_idle_parts(damaged))
            return _answer(delivery)
        if self.response == "switching":
            return self._switch(question, damaged, question.without_mw)
        return self._plan(question, damaged, question.without_mw)

    def ties(self, event: Event) -> list[int]:
        """Branches that stand open in the network, whole after the event."""
        grid = self.deliverer.grid
        ends = grid.bus_in_service[grid.branch_from] & grid.bus_in_service[grid.branch_to]
        free = np.flatnonzero(~grid.branch_in_service & ends)
        return [int(k) for k in free if k not in self.new and k not in event.branches]

    def _switch(self, question: Question, damaged: Grid, without_mw: float) -> Answer:
        """The best of all ways to close open branches and to open a few closed ones."""
        deliverer, ties = self.deliverer, self.ties(question.event)
        everything = damaged.branch_in_service.copy()
        everything[ties] = True
        least = deliverer.least_unserved_mw(replace(damaged, branch_in_service=everything))
        best, solves = without_mw, 0
        done: tuple[str, ...] = ()
        status = "optimal"
        seen = {state_key(without_idle_parts(damaged))}
        for closed, opened in _switchings(damaged, ties, self.max_switched):
            if best <= least * (1 + ROOM) + 1e-9:
                break
            if below((best, 0.0 if best == 0 else NEVER, without_mw), question.threshold):
                return Answer(best, _free(best), done, status, is_below=True, solves=solves)
            branch_on = damaged.branch_in_service.copy()
            branch_on[list(closed)], branch_on[list(opened)] = True, False
            state = without_idle_parts(replace(damaged, branch_in_service=branch_on))
            key = state_key(state)
            if key in seen or deliverer.least_unserved_mw(state) >= best:
                continue
            seen.add(key)
            found = deliverer.deliver(state)
            solves += found.solves
            if found.unserved_mw < best:
                best, status = found.unserved_mw, found.status
                names = deliverer.grid.branch_name
                done = (
                    *(f"close {names[k]}" for k in closed),
                    *(f"open {names[k]}" for k in opened),
                )
        return Answer(best, _free(best), done, status, solves=solves)

    def _plan(self, question: Question, damaged: Grid, without_mw: float) -> Answer:
        """The plan within the budget that serves most, the cheapest of those."""
        space = question.space
        if space is None:
            raise ValueError("the response plan needs the event's plans")
        evaluator = self._evaluator(space, question.search_grid or damaged, damaged)
        count = space.count()
        if count is not None and count <= MOST_PLANS:
            best, is_below = self._every(evaluator, space, question, without_mw)
        else:
            best, is_below = self._bred(evaluator, space, damaged), False
        if best is None or not best.ok:
            return Answer(without_mw, _free(without_mw), (), "failed", proven=False)
        unserved, cost = best.fitness
        restored = unserved == 0.0
        return Answer(
            unserved_mw=min(unserved, without_mw),
            restoring_cost=cost if restored else NEVER,
            actions=tuple(_steps(best.plan, evaluator.damaged)),
            status=best.status,
            proven=count is not None and count <= MOST_PLANS,
            is_below=is_below,
            solves=best.solves,
        )

    def _evaluator(self, space: PlanSpace, search_grid: Grid, damaged: Grid) -> Evaluator:
        d = self.deliverer
        settings = replace(d.settings, objectives=OBJECTIVES)
        evaluator = Evaluator(search_grid, space, d.horizon, settings, "winner")
        if search_grid is damaged:
            sites = replace(space.sites, max_p_ratio=1.0)
            if self._planner is None or self._planner.sites != sites:
                self._planner = Dispatcher(d.grid, sites, d.horizon, settings)
            evaluator.share(self._planner.for_state(damaged))
        return evaluator

    def _every(
        self, evaluator: Evaluator, space: PlanSpace, question: Question, without_mw: float
    ) -> tuple[Evaluation | None, bool]:
        """Look at every plan that no bound rules out, the most promising first."""
        best: Evaluation | None = None
        for bound, plan in by_promise(PlanBounds(evaluator), space.every()):
            if best is not None and ruled_out(bound, best.fitness):
                continue
            value = evaluator(Candidate(plan))
            if best is None or value.fitness < best.fitness:
                best = value
                unserved, cost = value.fitness
                rank = (unserved, cost if unserved == 0.0 else NEVER, without_mw)
                if below(rank, question.threshold):
                    return best, True
        return best, False

    def _bred(self, evaluator: Evaluator, space: PlanSpace, damaged: Grid) -> Evaluation:
        """The best plan that the genetic algorithm finds."""
        operators = plan_operators(space, needs(space, damaged))

        def evaluate(plans: Sequence[Plan], _known: Evaluation | None) -> Iterator[Evaluation]:
            return (evaluator(Candidate(plan)) for plan in plans)

        names = [name for goal in OBJECTIVES for name in goal]
        return minimize(evaluate, operators, self.genetic, self.seed, names).best


def _answer(delivery: Delivery) -> Answer:
    unserved = delivery.unserved_mw
    return Answer(unserved, _free(unserved), (), delivery.status, solves=delivery.solves)


def _free(unserved_mw: float) -> float:
    """Cost of restoring what a response without a plan leaves."""
    return 0.0 if unserved_mw == 0.0 else NEVER


def lost(event: Question, reason: str) -> Answer:
    """The answer to an event on which worker processes were lost."""
    return Answer(event.without_mw or 0.0, NEVER, (reason,), "failed", proven=False)


def _switchings(
    damaged: Grid, ties: Sequence[int], most: int
) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """What to close and what to open, fewest operations first; at least one of them."""
    closed = [int(k) for k in np.flatnonzero(damaged.branch_usable())]
    shapes = [(c, o) for c in range(len(ties) + 1) for o in range(min(most, len(closed)) + 1)]
    for c, o in sorted(shapes, key=sum)[1:]:
        for closing in combinations(ties, c):
            for opening in combinations(closed, o):
                yield closing, opening


def _steps(plan: Plan, grid: Grid) -> Iterator[str]:
    """A plan in words."""
    yield from (f"close {grid.branch_name[k]}" for k in plan.branches)
    for line in plan.new_lines:
        yield f"build {grid.branch_name[line.branch]} ({line.length_km:g} km)"
    for unit in plan.units:
        yield f"{unit.rating_mw or 0.0:.2f} MW at bus {grid.bus_id[unit.bus]}"
