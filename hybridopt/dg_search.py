"""Sites of distributed generation and the tree by the genetic algorithm, ratings by Ipopt.

A genome holds the open branches of a tree and the buses of the units. An evaluation improves both
by local search (:func:`hybridopt.solvers.radial.place_units`: units move, branches are exchanged,
ratings follow by Newton steps on the power flow), then the nonlinear program settles ratings and
set-points of what came out. It is spared where the losses of the local search, which are those of
set-points that exist, exceed the best settled ones by more than :data:`MARGIN`; there the program
gained less than 0.2 % in all we measured. With limits of voltage or current the local search first
leaves them out, so that its losses bound those within limits, and the program is asked whether
ratings can meet them; only where they cannot, the search goes on with the limits first.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.feeder_dispatch import FeederDispatch
from hybridopt.feeder_result import FeederUnit
from hybridopt.feeder_trees import fed_trees
from hybridopt.progress import NoProgress
from hybridopt.solvers.genetic import GeneticOptions, Operators, minimize
from hybridopt.solvers.radial import UnitTerms, place_units
from hybridopt.solvers.status import Status

if TYPE_CHECKING:
    import random
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from hybridopt.feeder import Feeder
    from hybridopt.feeder_dispatch import DGOptions, FeederSetPoints
    from hybridopt.feeder_trees import FeederTrees
    from hybridopt.progress import Progress
    from hybridopt.solvers.search import Genome, Run

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

Placing = tuple[int, ...]
MARGIN = 0.03  # of losses, beyond which the nonlinear program is spared
GENETIC = GeneticOptions(
    population=20,
    generations=25,
    mutation_rate=0.6,
    crossover_rate=0.7,
    elite=4,
    local_search=0.0,
    stall_generations=10,
)
WILD = 0.2  # share of random trees that have nothing to do with the normal state
SMALLEST = 1e-6  # share of the capacity below which a rating is none
INFINITY = float("inf")


@dataclass(frozen=True, eq=False)
class Placed:
    """A tree with units after local search.

    Attributes
    ----------
    placing : open branches of the tree, then sites (positions of the trees' own lists)
    fitness : violation of limits, losses in pu h
    point : what the nonlinear program says; None where it was spared
    """

    placing: Placing
    fitness: tuple[float, ...]
    point: FeederSetPoints | None

    @property
    def ok(self) -> bool:
        """Whether its power flow has a solution."""
        return self.fitness[1] < INFINITY


@dataclass(frozen=True, eq=False)
class DGSearch:
    """The best tree with units, and how it was found.

    Attributes
    ----------
    closed : (n_branch,) closed branches
    units : with a rating, by their buses
    loss : energy, pu h
    point : ratings, set-points and voltages as the nonlinear program gives them
    log : one row per generation; ``best_loss_mwh``, and ``best_loss_reduction_mwh`` (f1 of
        reference A, against ``loss_before``) where that was given
    evaluations : trees and places looked at, those of the local search included
    nlp_solves : nonlinear programs solved
    nlp_spared : candidates that were clearly worse
    status : "optimal" where all limits are met, "infeasible" where some cannot be, "failed"
    stopped_because : why the search ended
    """

    closed: Bools
    units: tuple[FeederUnit, ...]
    loss: float
    point: FeederSetPoints
    log: list[dict[str, Any]]
    evaluations: int
    nlp_solves: int
    nlp_spared: int
    status: str
    stopped_because: str


def search_dg(
    feeder: Feeder,
    options: DGOptions,
    seed: int,
    fixed_topology: bool = False,
    progress: Progress | None = None,
    *,
    loss_before: float | None = None,
    genetic: GeneticOptions = GENETIC,
) -> DGSearch:
    """Place distributed generation, and reconfigure, for least losses.

    The sum of both loss reductions, f1 of reference A, is largest where the losses are least.

    Parameters
    ----------
    fixed_topology : keep the normal state, made radial if it is not
    loss_before : pu h, what loss reductions in the log are counted from
    genetic : settings of the genetic algorithm

    Returns
    -------
    DGSearch
        The same for the same seed.
    """
    task = _Task(feeder, options, fixed_topology)
    shown = NoProgress() if progress is None else progress
    with shown.generations(genetic.generations, genetic.population) as report:
        run: Run[Placing, Placed] = minimize(
            task.evaluate, task.operators(), genetic, seed, ("violation", "loss_mwh"), report
        )
    best = min(run.cache.values(), key=lambda v: (v.point is None, v.fitness))
    if best.point is None:
        best = run.best
    closed, sites = task.read(best.placing)
    point = task.dispatch.solve(closed, sites) if best.point is None else best.point
    for row in run.log:
        for name in ("best_loss_mwh", "mean_loss_mwh"):
            row[name] = None if row[name] is None else row[name] * feeder.base_mva
        if loss_before is not None:
            row["best_loss_reduction_mwh"] = loss_before * feeder.base_mva - row["best_loss_mwh"]
    return DGSearch(
        closed=closed,
        units=_units(point, options.capacity_mw(feeder)),
        loss=point.loss,
        point=point,
        log=run.log,
        evaluations=task.tried,
        nlp_solves=task.solves,
        nlp_spared=task.spared,
        status=str(Status.OPTIMAL if point.ok else point.status),
        stopped_because=run.stopped_because,
    )


def _units(point: FeederSetPoints, capacity_mw: float) -> tuple[FeederUnit, ...]:
    """Units with a rating, by their buses."""
    return tuple(
        FeederUnit(
            bus=int(point.sites[k]),
            max_p_mw=float(point.rating_mw[k]),
            p_mw=point.p_mw[:, k].copy(),
            q_mvar=point.q_mvar[:, k].copy(),
        )
        for k in np.argsort(point.sites)
        if point.rating_mw[k] > SMALLEST * capacity_mw
    )


@dataclass(eq=False)
class _Task:
    """What placings are evaluated with. Positions are those of the trees' own lists."""

    feeder: Feeder
    options: DGOptions
    fixed: bool
    tried: int = 0
    solves: int = 0
    spared: int = 0
    trees: FeederTrees = field(init=False)
    dispatch: FeederDispatch = field(init=False)

    def __post_init__(self) -> None:
        feeder, options = self.feeder, self.options
        self.dispatch = FeederDispatch(feeder, options)
        self.trees = fed_trees(feeder)
        arrays = self.trees.arrays
        allowed = np.zeros(feeder.n_bus, dtype=bool)
        allowed[options.sites(feeder)] = True
        allowed = allowed[self.trees.bus]
        self._sites = [int(b) for b in np.flatnonzero(allowed)]
        self._n_site = min(options.units, len(self._sites))
        self._terms = UnitTerms(
            options.hourly(feeder),
            options.tan_phi,
            options.largest_mw(feeder) / feeder.base_mva,
            options.capacity_mw(feeder) / feeder.base_mva,
            allowed,
        )
        depends, limited, _ = arrays.has
        self._limited = bool(limited)
        self._free = arrays._replace(load=arrays.load.copy(), has=np.array([depends, False, False]))
        self._bound = self._free._replace(has=np.array([depends, limited, False]))
        self._normal = self.trees.normal_tree()
        self._known: dict[Placing, tuple[float, FeederSetPoints]] = {}

    def read(self, placing: Placing) -> tuple[Bools, Ints]:
        """Closed branches and sites of the feeder."""
        opens, sites = self._split(placing)
        return self.trees.closed(opens), self.trees.bus[sites]

    def _split(self, placing: Sequence[int | float]) -> tuple[Ints, Ints]:
        whole = np.array(placing, dtype=np.int64)
        n = len(whole) - self._n_site
        return whole[:n].copy(), whole[n:].copy()

    @staticmethod
    def _join(opens: Any, sites: Any) -> Placing:
        return (*sorted(int(m) for m in opens), *sorted(int(b) for b in sites))

    def evaluate(self, new: Sequence[Placing], known: Placed | None) -> Iterator[Placed]:
        """Values of placings, in order."""
        best = INFINITY if known is None or known.fitness[0] > 0 else known.fitness[1]
        for placing in new:
            value = self._evaluate(placing, best)
            if value.fitness[0] <= 0.0:
                best = min(best, value.fitness[1])
            yield value

    def _evaluate(self, placing: Placing, best: float) -> Placed:
        """Improve a placing, and let the nonlinear program settle it if it is any good."""
        opens, sites = self._split(placing)
        p, q = (np.zeros((self._n_site, self.feeder.n_t)) for _ in range(2))
        loss = self._descend(self._free, opens, sites, p, q)[1]
        if loss > best * (1.0 + MARGIN):
            self.spared += loss < INFINITY
            return Placed(self._join(opens, sites), (float(loss == INFINITY), loss), None)
        found = self._settle(opens, sites, p, q)
        if self._limited and loss < INFINITY and found.fitness[0] > 0.0:
            loss = self._descend(self._bound, opens, sites, p, q)[1]
            if loss <= best * (1.0 + MARGIN):
                within = self._settle(opens, sites, p, q)
                found = min(found, within, key=lambda value: value.fitness)
        return found

    def _descend(
        self, net: Any, opens: Ints, sites: Ints, p: Floats, q: Floats
    ) -> tuple[float, float]:
        """Local search, in place; violation and losses."""
        load = self.trees.arrays.load
        violation, loss, tried = place_units(
            net, load, self._terms, opens, sites, p, q, not self.fixed and len(opens) > 0
        )
        self.tried += tried
        return violation, loss

    def _settle(self, opens: Ints, sites: Ints, p: Floats, q: Floats) -> Placed:
        """Value by the nonlinear program, solved once for each tree and sites."""
        placing = self._join(opens, sites)
        if placing not in self._known:
            base = self.feeder.base_mva
            order = np.argsort(sites)
            closed, at = self.read(placing)
            start = p[order].T * base, q[order].T * base
            point = self.dispatch.solve(closed, at, start)
            self.solves += point.solves
            self._known[placing] = (point.loss, point)
        loss, point = self._known[placing]
        violation = 0.0 if point.ok else max(point.violation, 1e-9)
        return Placed(placing, (violation, loss), point)

    def operators(self) -> Operators[Placing]:
        """How the genetic algorithm makes and changes placings."""
        return Operators(
            create=self._create,
            mutate=self._mutate,
            crossover=self._crossover,
            repair=lambda genome, _: list(self._join(*self._split(genome))),
            decode=lambda genome: self._join(*self._split(genome)),
            neighbours=lambda _: iter(()),  # the local search has tried them
            wider=lambda _: iter(()),
            learn=lambda _, value: list(value.placing),
        )

    def _tree(self, priority: Floats, rng: random.Random) -> Ints:
        """A tree that opens branches of high priority, ties broken at random."""
        noise = np.array([rng.random() for _ in self.trees.branch])
        return self._normal if self.fixed else self.trees.spanning(priority + noise)

    def _create(self, rng: random.Random) -> Genome:
        """A tree around the normal state, or any, and random sites."""
        near = np.zeros(len(self.trees.branch))
        if rng.random() >= WILD:
            near[self._normal] = rng.choice([0.6, 0.9, 1.0])
        return list(self._join(self._tree(near, rng), rng.sample(self._sites, self._n_site)))

    def _mutate(self, genome: Genome, rng: random.Random) -> Genome:
        """Open other branches, move units, or both."""
        opens, sites = self._split(genome)
        kind = rng.choice(["sites"] if self.fixed else ["tree", "sites", "both"])
        if kind != "sites" and len(opens):
            priority = np.zeros(len(self.trees.branch))
            priority[opens] = 1.0
            for m in rng.choices(range(len(priority)), k=rng.randint(1, 3)):
                priority[m] = 2.0
            opens = self._tree(priority, rng)
        others = [b for b in self._sites if b not in sites]
        if kind != "tree" and others:
            count = rng.randint(1, min(2, self._n_site, len(others)))
            sites[rng.sample(range(self._n_site), count)] = rng.sample(others, count)
        return list(self._join(opens, sites))

    def _crossover(self, mother: Genome, father: Genome, rng: random.Random) -> Genome:
        """Branches that both open first, then those of one; sites of either."""
        (a, at_a), (b, at_b) = self._split(mother), self._split(father)
        priority = np.zeros(len(self.trees.branch))
        np.add.at(priority, np.concatenate([a, b]), 1.0)
        both = sorted({*at_a.tolist(), *at_b.tolist()})
        return list(self._join(self._tree(priority, rng), rng.sample(both, self._n_site)))
