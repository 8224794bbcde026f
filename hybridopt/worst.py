"""The events of k elements that hurt most, whatever the operator does about them.

Events are ranked by what stays unserved at the peak hour after the best response, then by the
cheapest plan that restores full service, then by what is unserved without a response.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from hybridopt.errors import Finding, InputError
from hybridopt.event_delivery import Deliverer, state_key, without_idle_parts
from hybridopt.event_response import (
    MOST_TIES,
    NEVER,
    OBJECTIVES,
    Answer,
    Question,
    Rank,
    Responder,
    below,
    lost,
)
from hybridopt.event_search import event_operators
from hybridopt.grid import DGSites, apply_event, no_storage
from hybridopt.network_events import event_of
from hybridopt.progress import NoProgress
from hybridopt.solvers.genetic import GeneticOptions, minimize
from hybridopt.solvers.pool import pool_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from hybridopt.event_response import Response
    from hybridopt.grid import Event
    from hybridopt.network_events import Element, EventSpace
    from hybridopt.network_scenario import Scenario
    from hybridopt.progress import Progress
    from hybridopt.solvers.pool import Pool, Wanted
    from hybridopt.solvers.search import Run

BATCH = 16  # events between two looks at the ranking; the same for any number of workers
NAMES = ("unserved_mw", "restoring_cost", "unserved_mw_without_response")
UNRESTORED = 1e30  # a cost that JSON and means can bear, for events that no plan restores

Chosen = tuple[int, ...]


@dataclass(frozen=True)
class WorstOptions:
    """What is asked.

    Attributes
    ----------
    k : elements of an event;  elements : those to choose from
    top : events of which the response must be the best one
    max_events : of more the genetic algorithm looks for the worst
    """

    k: int
    elements: tuple[Element, ...]
    response: Response = "none"
    max_switched: int = 1
    top: int = 10
    max_events: int = 20000

    @property
    def count(self) -> int:
        """Number of events."""
        return math.comb(len(self.elements), self.k)


@dataclass(frozen=True)
class WorstEvent:
    """One event.

    Attributes
    ----------
    chosen : positions in the list of elements
    answer : to the event; None where a bound or an equal event settled that it cannot be among
        the worst
    """

    chosen: Chosen
    without: Answer
    answer: Answer | None

    @property
    def rank(self) -> Rank:
        """The larger the worse."""
        found = self.answer or self.without
        return found.unserved_mw, found.restoring_cost, self.without.unserved_mw


@dataclass(frozen=True, eq=False)
class WorstResult:
    """A finished search.

    Attributes
    ----------
    events : the worst first; those settled by bounds after the ranking
    exact : every event was looked at, or ruled out by a proven bound
    evaluated : events that were worked out
    pruned : number of the others, by what settled them: "equal" (the same damage as another),
        "no_source" (nothing is energised), "served" (nothing is unserved without a response),
        "bound" (cannot be among the worst)
    """

    scenario: Scenario
    options: WorstOptions
    events: list[WorstEvent]
    exact: bool
    evaluated: int
    pruned: dict[str, int]
    failed: int
    solves: int
    seed: int
    run: Run[Chosen, _Ranked] | None
    wall_s: float


@dataclass(frozen=True)
class _Ranked:
    """An event as the genetic algorithm sees it."""

    event: WorstEvent
    fitness: tuple[float, float, float]
    ok: bool = True


def worst_events(
    space: EventSpace,
    options: WorstOptions,
    *,
    seed: int = 0,
    workers: Wanted = None,
    progress: Progress | None = None,
) -> WorstResult:
    """Rank the events of a case.

    Parameters
    ----------
    space : the case and what an event may take out
    workers : processes; one per core by default. The result doesn't depend on it.

    Raises
    ------
    InputError
        k exceeds the number of elements; branches without a price; too many open branches.
    """
    began = time.perf_counter()
    if options.k > len(options.elements):
        message = f"must be at most {len(options.elements)}, the number of elements that count"
        raise InputError([Finding("--k", f"{message}, found {options.k}")])
    search = _Search(space, options, seed, workers, progress or NoProgress())
    with search.pool:
        if options.count <= options.max_events:
            events, run = search.every_event(), None
        else:
            events, run = search.breed()
    ordered = sorted(events, key=_order)
    exact = run is None and all(e.answer.proven for e in ordered[: options.top] if e.answer)
    failed = sum("failed" in {e.without.status, e.answer and e.answer.status} for e in events)
    return WorstResult(
        scenario=space.scenario,
        options=options,
        events=ordered,
        exact=exact and not failed,
        evaluated=search.evaluated,
        pruned=search.pruned,
        failed=failed,
        solves=search.solves,
        seed=seed,
        run=run,
        wall_s=time.perf_counter() - began,
    )


def _order(event: WorstEvent) -> tuple[bool, tuple[float, ...], Chosen]:
    """Worked out before settled by a bound, the worst first, equal ones as elements stand."""
    return event.answer is None, tuple(-value for value in event.rank), event.chosen


class _Search:
    """Works out events, ``with`` its pool open, and counts what it did."""

    def __init__(
        self,
        space: EventSpace,
        options: WorstOptions,
        seed: int,
        workers: Wanted,
        progress: Progress,
    ) -> None:
        self.space, self.options, self.seed, self.progress = space, options, seed, progress
        scenario = space.scenario
        settings = replace(scenario.settings, objectives=OBJECTIVES)
        # What storage holds at the peak hour isn't known: it stands still, whatever the response.
        grid = replace(scenario.grid, storage=no_storage())
        deliverer = Deliverer(grid, DGSites(), scenario.horizon, settings)
        new = frozenset(c.branch for c in scenario.space.candidates if c.kind == "new")
        self.genetic = genetic_options(scenario)
        self.responder = Responder(
            deliverer, options.response, new, options.max_switched, self.genetic, seed
        )
        limit = scenario.case.genetic.plan_limit_s
        searches = options.response == "plan"
        self.pool: Pool[Question, Answer] = pool_of(
            self.responder,
            workers,
            timeout_s=None if searches else limit,
            lost=lost,
        )
        self.known: dict[bytes, Answer] = {}
        self.evaluated, self.solves = 0, 0
        self.pruned = dict.fromkeys(("equal", "no_source", "served", "bound"), 0)
        ties = self.responder.ties(event_of(()))
        if options.response == "switching" and len(ties) > MOST_TIES:
            message = f"of {len(ties)} open branches is more than the {MOST_TIES} that can be tried"
            raise InputError([Finding("--response switching", message)])
        self.has_ties = bool(ties)
        self.nominal_mw: float | None = None

    def every_event(self) -> list[WorstEvent]:
        """Look at every event, or rule it out."""
        options = self.options
        every = list(combinations(range(len(options.elements)), options.k))
        with self.progress.task("Events without response", len(every)) as advance:
            without = self._without(every, advance)
        if options.response == "none":
            return [WorstEvent(c, a, a) for c, a in zip(every, without, strict=True)]
        self.evaluated = 0
        self.pruned = dict.fromkeys(self.pruned, 0)
        events = [WorstEvent(c, a, None) for c, a in zip(every, without, strict=True)]
        events.sort(key=_order)
        with self.progress.task("Responses", len(events)) as advance:
            return self._respond(events, advance)

    def breed(self) -> tuple[list[WorstEvent], Run[Chosen, _Ranked]]:
        """Look for the worst with the genetic algorithm."""
        operators = event_operators(len(self.options.elements), self.options.k)

        def evaluate(chosen: Sequence[Chosen], _best: _Ranked | None) -> Iterator[_Ranked]:
            without = self._without(chosen, lambda: None)
            events = [WorstEvent(c, a, a) for c, a in zip(chosen, without, strict=True)]
            if self.options.response != "none":
                events = list(self._answers([replace(e, answer=None) for e in events], None))
            return (_Ranked(e, _fitness(e)) for e in events)

        options = self.genetic
        with self.progress.generations(options.generations, options.population) as show:
            run = minimize(evaluate, operators, options, self.seed, NAMES, show)
        return [value.event for value in run.cache.values()], run

    def _without(self, every: Sequence[Chosen], advance: Callable[[], None]) -> list[Answer]:
        """What each event does by itself; equal damage is worked out once."""
        keys, first, grid = [], {}, self.responder.deliverer.grid
        for chosen in every:
            state = without_idle_parts(apply_event(grid, self._event(chosen)))
            key = state_key(state)
            keys.append(key)
            if key in self.known or key in first:
                self.pruned["equal"] += 1
                advance()
            elif not state.gen_in_service.any():
                self.pruned["no_source"] += 1
                first[key] = chosen
            else:
                self.evaluated += 1
                first[key] = chosen
        questions = [Question(self._event(chosen)) for chosen in first.values()]
        for key, answer in zip(first, self.pool.map(questions), strict=True):
            self.known[key] = answer
            self.solves += answer.solves
            advance()
        return [self.known[key] for key in keys]

    def _respond(self, events: list[WorstEvent], advance: Callable[[], None]) -> list[WorstEvent]:
        """Answer events, the most damaging first, until the others cannot be among the worst."""
        done: list[WorstEvent] = []
        waiting = list(events)
        while waiting:
            threshold = self._threshold(done)
            batch: list[WorstEvent] = []
            while waiting and len(batch) < BATCH:
                event = waiting.pop(0)
                if below(self._most(event), threshold):
                    self.pruned["bound"] += 1
                    done.append(event)
                    advance()
                else:
                    batch.append(event)
            for event in self._answers(batch, threshold):
                done.append(event)
                advance()
        return done

    def _threshold(self, done: list[WorstEvent]) -> Rank | None:
        """Rank of the last event of the ranking so far; None while there are fewer."""
        ranks = sorted((e.rank for e in done if e.answer is not None), reverse=True)
        return ranks[self.options.top - 1] if len(ranks) >= self.options.top else None

    def _most(self, event: WorstEvent) -> Rank:
        """The worst rank that an event can have after its best response.

        Doing nothing is a response. Where branches alone are lost, repairing them all within the
        budget is one too; it serves what the whole network serves.
        """
        without = event.without.unserved_mw
        elements = [self.options.elements[k] for k in event.chosen]
        if self.options.response == "plan" and all(e.is_branch for e in elements):
            space = self.space.after(event_of(elements)).space
            repaired = [c for c in space.candidates if c.kind == "repaired"]
            cost = sum(c.cost for c in repaired)
            if len(repaired) == len(elements) and cost <= space.budget and self._serves_all():
                return 0.0, cost, without
        return without, 0.0 if without == 0 else NEVER, without

    def _serves_all(self) -> bool:
        """Whether the whole network serves all its load."""
        if self.nominal_mw is None:
            grid = without_idle_parts(self.responder.deliverer.grid)
            self.nominal_mw = self.responder.deliverer.deliver(grid).unserved_mw
        return self.nominal_mw == 0.0

    def _answers(
        self, events: Sequence[WorstEvent], threshold: Rank | None
    ) -> Iterator[WorstEvent]:
        """The events with their answers, in order."""
        asked: dict[object, Question] = {}
        keys: list[object] = []
        for event in events:
            key = self._key(event)
            keys.append(key)
            if event.without.unserved_mw == 0.0:
                self.pruned["served"] += 1
            elif key in asked:
                self.pruned["equal"] += 1
            else:
                self.evaluated += 1
                asked[key] = self._question(event, threshold)
        answers = dict(zip(asked, self.pool.map(list(asked.values())), strict=True))
        self.solves += sum(answer.solves for answer in answers.values())
        for key, event in zip(keys, events, strict=True):
            answer = answers.get(key, event.without)
            if answer.is_below:
                yield event
            else:
                yield replace(event, answer=answer)

    def _key(self, event: WorstEvent) -> object:
        """The same for events with the same answer."""
        if self.options.response == "plan" or self.has_ties:
            return event.chosen
        damaged = apply_event(self.responder.deliverer.grid, self._event(event.chosen))
        return state_key(without_idle_parts(damaged))

    def _question(self, event: WorstEvent, threshold: Rank | None) -> Question:
        found = self._event(event.chosen)
        question = Question(found, event.without.unserved_mw, threshold)
        if self.options.response != "plan":
            return question
        after = self.space.after(found)
        if after.space.line_genes is None:
            return replace(question, space=after.space)
        search_grid = replace(after.search_grid, storage=no_storage())
        return replace(question, space=after.space, search_grid=search_grid)

    def _event(self, chosen: Chosen) -> Event:
        return event_of(self.options.elements[k] for k in chosen)


def _fitness(event: WorstEvent) -> tuple[float, float, float]:
    """What the genetic algorithm minimises."""
    unserved, cost, without = event.rank
    return -unserved, -min(cost, UNRESTORED), -without


def genetic_options(scenario: Scenario) -> GeneticOptions:
    """The case's settings of the genetic algorithm."""
    settings = scenario.case.genetic
    names = [n for n in GeneticOptions.__dataclass_fields__ if hasattr(settings, n)]
    return GeneticOptions(**{name: getattr(settings, name) for name in names})
