"""Events drawn at random, each answered, and what they cost in the mean and in the tail."""

from __future__ import annotations

import hashlib
import time
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from hybridopt.checkpoint import fingerprint
from hybridopt.errors import HybridoptError
from hybridopt.evaluate import worst_status
from hybridopt.event_day import DayAnswer, DayDeliverer, hours_of
from hybridopt.event_draws import Draws, draw_events
from hybridopt.grid import DGSites, Event, Plan
from hybridopt.network_events import event_of
from hybridopt.progress import NoProgress
from hybridopt.solvers.pool import pool_of
from hybridopt.study import peak_row, run_study
from hybridopt.tail_risk import Risk, risk
from hybridopt.value_store import ValueStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hybridopt.network_events import Element, EventSpace
    from hybridopt.network_exposure import Exposure
    from hybridopt.network_scenario import Scenario
    from hybridopt.progress import Progress
    from hybridopt.solvers.pool import Pool, Wanted

    Floats = NDArray[np.float64]

NO_PLAN = Plan()

SampleResponse = Literal["delivery", "plan", "study"]


@dataclass(frozen=True)
class SampleOptions:
    """What is asked.

    Attributes
    ----------
    n_events : events to draw
    hours : of the outage;  log_std : of the factor on an event's intensities
    plan, planned : a fixed plan with all ratings, and the case in which it was read (its lines and
        sites); for the response "plan"
    """

    n_events: int
    response: SampleResponse = "delivery"
    hours: tuple[int, ...] = tuple(range(1, 25))
    log_std: float = 0.0
    plan: Plan = NO_PLAN
    planned: Scenario | None = None


@dataclass(frozen=True, eq=False)
class SampleResult:
    """A finished sample.

    Attributes
    ----------
    lost : (n_event, n_element) of ``exposure.elements``
    keys : of each event; equal ones were answered once
    answers : of each event
    unserved, cost : MWh and currency; the cost is that of unserved energy, plan and operation
    resumed : distinct events that an earlier run had answered
    """

    scenario: Scenario
    options: SampleOptions
    exposure: Exposure
    draws: Draws
    keys: list[str]
    answers: list[DayAnswer]
    unserved: Risk
    cost: Risk
    seed: int
    resumed: int
    wall_s: float

    @property
    def distinct(self) -> int:
        """Number of events that differ in what they leave."""
        return len(set(self.keys))

    def lost_by(self, event: int) -> list[Element]:
        """The elements that an event takes out."""
        return [self.exposure.elements[k] for k in np.flatnonzero(self.draws.lost[event])]


def costs(
    answers: list[DayAnswer], value_of_lost_load: float
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Cost of each event, (n,), currency: unserved energy, plan and operation."""
    return np.array(
        [a.unserved_mwh * value_of_lost_load + a.plan_cost + a.operating_cost for a in answers]
    )


class _Study:
    """Answers an event by the whole two-stage study; a picklable description."""

    def __init__(self, space: EventSpace, deliverer: DayDeliverer, seed: int) -> None:
        self.space, self.deliverer, self.seed = space, deliverer, seed

    @staticmethod
    def key(event: Event) -> str:
        """Events are equal when they take out the same: what is lost can be repaired."""
        return f"branches {event.branches} units {event.gens}"

    def __call__(self, event: Event) -> DayAnswer:
        without = self.deliverer(event)
        if event == Event():  # nothing to restore
            return without
        scenario = replace(self.space.after(event), horizon=self.deliverer.horizon)
        try:
            found = run_study(scenario, seed=self.seed, workers=1)
        except HybridoptError:
            return replace(without, status="failed")
        day, tolerance = found.dispatch, scenario.settings.unserved_tolerance_mw
        unserved = np.where(day.unserved_mw < tolerance, 0.0, day.unserved_mw)
        return replace(
            without,
            unserved_mwh=float(f"{unserved.sum() * day.dt_h:.7e}"),
            unserved_peak_mw=float(f"{unserved[peak_row(day)]:.7e}"),
            operating_cost=float(f"{day.operating_cost:.7e}"),
            plan_cost=float(f"{found.best.values['plan_cost']:.7e}"),
            status=worst_status(day),
        )


def _lost(deliverer: DayDeliverer, event: Event, _reason: str) -> DayAnswer:
    """The answer to an event on which worker processes were lost: all is dark."""
    demand = deliverer.horizon.load_factor * deliverer.grid.demand()[0].clip(0.0)
    hourly = demand.sum(axis=1) * deliverer.grid.base_mva
    total = float(hourly.sum() * deliverer.horizon.dt_h)
    return DayAnswer(total, float(hourly.max()), total, 0.0, deliverer.plan_cost, "failed")


def sample_events(
    space: EventSpace,
    exposure: Exposure,
    options: SampleOptions,
    *,
    seed: int = 0,
    workers: Wanted = None,
    keep: str | Path | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> SampleResult:
    """Draw events and answer each.

    Parameters
    ----------
    exposure : what can fail, and how likely
    workers : processes; one per core by default. The result doesn't depend on it.
    keep : file in which answers are kept as they come
    resume : go on from what ``keep`` holds; from the beginning if that is nothing

    Raises
    ------
    InputError
        What was kept belongs to something else.
    """
    began = time.perf_counter()
    progress = progress or NoProgress()
    keep = None if keep is None else Path(keep)
    draws = draw_events(exposure, options.n_events, options.log_std, seed)
    events = [
        event_of(e for e, gone in zip(exposure.elements, row, strict=True) if gone)
        for row in draws.lost
    ]
    deliverer = _deliverer(space.scenario, options)
    answer: DayDeliverer | _Study = deliverer
    if options.response == "study":
        answer = _Study(space, deliverer, seed)
    store = ValueStore(DayAnswer, keep, _owner(space.scenario, options, seed), "a sample")
    if keep is not None and resume and keep.exists():
        store.load()
    keys = _keys(events, answer.key)
    first = {key: event for event, key in zip(reversed(events), reversed(keys), strict=True)}
    waiting = {key: first[key] for key in dict.fromkeys(keys) if key not in store.known}
    limit = space.scenario.case.genetic.plan_limit_s
    pool: Pool[Event, DayAnswer] = pool_of(
        answer,
        workers,
        timeout_s=None if options.response == "study" else limit,
        lost=partial(_lost, deliverer),
    )
    store.save()
    with pool, progress.task("Events", len(dict.fromkeys(keys))) as advance:
        for _ in range(len(set(keys)) - len(waiting)):
            advance()
        try:
            asked = list(waiting)
            for k, value in pool.as_completed(list(waiting.values())):
                store.add(asked[k], value)
                advance()
        finally:
            store.save()
    answers = [store.known[key] for key in keys]
    price = space.scenario.case.value_of_lost_load
    return SampleResult(
        scenario=space.scenario,
        options=options,
        exposure=exposure,
        draws=draws,
        keys=keys,
        answers=answers,
        unserved=risk(
            np.array([a.unserved_mwh for a in answers]),
            seed,
            least=0.0,
            most=max(a.demand_mwh for a in answers),
        ),
        cost=risk(costs(answers, price), seed),
        seed=seed,
        resumed=len(set(keys)) - len(waiting),
        wall_s=time.perf_counter() - began,
    )


def _keys(events: list[Event], key: Callable[[Event], str]) -> list[str]:
    """Key of each event; each set of elements is looked at once."""
    known = {event: key(event) for event in dict.fromkeys(events)}
    return [known[event] for event in events]


def _deliverer(scenario: Scenario, options: SampleOptions) -> DayDeliverer:
    if options.planned is not None:
        planned = options.planned
        sites, grid = planned.space.sites, planned.grid
        cost = planned.space.cost(options.plan)
    else:
        sites, grid, cost = DGSites(), scenario.grid, 0.0
    horizon = hours_of(scenario.horizon, options.hours)
    return DayDeliverer(grid, sites, horizon, scenario.settings, options.plan, cost)


def _owner(scenario: Scenario, options: SampleOptions, seed: int) -> dict[str, str | int]:
    """What the answers of a sample depend on; they don't on the events that were drawn."""
    parts = [fingerprint(scenario), repr(options.plan), repr(options.hours)]
    if options.planned is not None:
        parts.append(fingerprint(options.planned))
    found: dict[str, str | int] = {
        "case": scenario.case.name,
        "response": options.response,
        "fingerprint": hashlib.sha256("\n".join(parts).encode()).hexdigest(),
    }
    return found | {"seed": seed} if options.response == "study" else found
