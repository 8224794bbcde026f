"""Costs that are not smooth or not convex: which piece each unit runs in.

The hybrid of genetic algorithm and nonlinear programming: genes choose the pieces, Ipopt solves the
smooth problem inside them exactly, and a piece whose end binds hands over to its neighbour.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.compiled import RELAXED
from hybridopt.hours import OUT_OF_TIME
from hybridopt.piece_days import ramped_pieces
from hybridopt.solvers.genetic import GeneticOptions, Operators, minimize
from hybridopt.solvers.status import Status

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from random import Random

    from numpy.typing import NDArray

    from hybridopt.hours import Goals, HourResult, StagedSolver

    Ints = NDArray[np.int64]

AT_END_MW = 1e-3  # an output this close to the end of its piece is there
BETTER = 1e-9  # relative
EVERY = 32  # choices of pieces that are all solved
NO_PIECES = "no pieces that were tried have a feasible point"
OPTIONS = GeneticOptions(population=12, generations=12, stall_generations=4, local_search=0.6)
SEED = 0


@dataclass(frozen=True)
class _Tried:
    """What a choice of pieces comes to."""

    result: HourResult | None
    fitness: tuple[float, float]

    @property
    def ok(self) -> bool:
        """Whether the hours could be solved."""
        return self.result is not None


FAILED = _Tried(None, (np.inf, np.inf))


def settle_pieces(
    solver: StagedSolver,
    relaxed: HourResult,
    stages: Sequence[Goals],
    hold: Mapping[str, float] | None = None,
    *,
    thorough: bool,
) -> HourResult:
    """Choose the pieces of a result whose costs were stand-ins, and solve inside them.

    Parameters
    ----------
    relaxed : solved with every unit's piece RELAXED; a failed result comes back as it is
    stages, hold : as for :meth:`StagedSolver.solve`
    thorough : let the genetic algorithm look beyond what descent from the relaxed solution finds

    Returns
    -------
    HourResult
        With the work of all that was tried. It has failed where no pieces near the relaxed
        solution can be solved.
    """
    if not relaxed.solution.ok:
        return relaxed
    search = _Search(solver, relaxed, stages, hold)
    if not search.slots:
        return relaxed
    best = search.descend(search.snapped())
    if not best.ok:
        best = search.from_all_day()
    if thorough and len(relaxed.state.dt) == 1:
        best = search.look_further(best)
    failed = replace(relaxed.solution, status=Status.FAILED, message=NO_PIECES)
    found = best.result or search.late or replace(relaxed, solution=failed)
    return replace(
        found, iterations=search.iterations, solves=search.solves, solve_s=search.solve_s
    )


class _Search:
    """Choices of pieces, one gene for each unit with pieces and hour in which it runs."""

    def __init__(
        self,
        solver: StagedSolver,
        relaxed: HourResult,
        stages: Sequence[Goals],
        hold: Mapping[str, float] | None,
    ) -> None:
        self.solver, self.relaxed, self.stages, self.hold = solver, relaxed, stages, hold
        model, state = solver.model, relaxed.state
        self.pieces = model.grid.gen_pieces
        alive, _ = model.energised(state)
        on = state.gen_on & alive[:, model.grid.gen_bus]
        self.slots = [
            (int(t), g)
            for g, own in enumerate(self.pieces)
            if own is not None
            for t in np.flatnonzero(on[:, g])
        ]
        self.counts = [len(self.pieces[g] or ()) for _, g in self.slots]
        self.known: dict[tuple[int, ...], _Tried] = {}
        self.late: HourResult | None = None  # ran out of time: nothing more is tried
        self.iterations, self.solves = relaxed.iterations, relaxed.solves
        self.solve_s = relaxed.solve_s

    def snapped(self) -> tuple[int, ...]:
        """Pieces that hold the relaxed outputs, or the nearest to them that ramps can follow."""
        nearest = tuple(
            min(
                range(len(self.pieces[g] or ())),
                key=lambda k, t=t, g=g: self._distance(self.relaxed, t, g, k),  # type: ignore[misc]
            )
            for t, g in self.slots
        )
        chosen = dict(zip(self.slots, nearest, strict=True))
        for run in self._runs():
            chosen |= self._followed(run)
        return tuple(chosen[slot] for slot in self.slots)

    def _runs(self) -> Iterator[list[tuple[int, int]]]:
        """Slots of one unit with ramps in consecutive hours."""
        grid = self.solver.model.grid
        run: list[tuple[int, int]] = []
        for t, g in self.slots:
            if run and (run[-1][0] + 1, run[-1][1]) != (t, g):
                yield run
                run = []
            if np.isfinite(min(grid.ramp_up[g], grid.ramp_down[g])):
                run.append((t, g))
        if run:
            yield run

    def _followed(self, run: list[tuple[int, int]]) -> dict[tuple[int, int], int]:
        """Pieces of a run of hours that the unit's ramps can follow; empty where there are none."""
        grid, g, hours = self.solver.model.grid, run[0][1], [t for t, _ in run]
        target = np.array([self._output(self.relaxed, t, g) for t in hours])
        most = self.relaxed.state.p_max[hours, g] * grid.base_mva
        ramp = (grid.ramp_up[g] * grid.base_mva, grid.ramp_down[g] * grid.base_mva)
        found = ramped_pieces(self.pieces[g] or (), target, most, ramp)
        return {} if found is None else dict(zip(run, found.tolist(), strict=True))

    def from_all_day(self) -> _Tried:
        """The best choice in which one unit keeps to one piece, the others snapped."""
        start, best = self.snapped(), FAILED
        for g in dict.fromkeys(g for _, g in self.slots):
            for k in range(len(self.pieces[g] or ())):
                same = tuple(
                    k if unit == g else chosen
                    for (_, unit), chosen in zip(self.slots, start, strict=True)
                )
                tried = self.solve(same)
                best = tried if _is_better(tried, best) else best
        return best

    def _output(self, result: HourResult, t: int, g: int) -> float:
        model = self.solver.model
        return float(result.solution.x[model.p[t, g]]) * model.grid.base_mva

    def _distance(self, result: HourResult, t: int, g: int, k: int) -> float:
        piece, p = self.pieces[g][k], self._output(result, t, g)  # type: ignore[index]
        return max(piece.low - p, p - piece.high, 0.0)

    def solve(self, genome: tuple[int, ...]) -> _Tried:
        """Solve inside the chosen pieces."""
        if genome not in self.known and (self.late or not self._within(genome)):
            self.known[genome] = FAILED
        if genome not in self.known:
            piece = np.full_like(self.relaxed.state.piece, RELAXED)
            for (t, g), k in zip(self.slots, genome, strict=True):
                piece[t, g] = k
            full = self.relaxed.unserved_mwh == 0.0
            state = replace(
                self.relaxed.state,
                piece=piece,
                must_serve=np.zeros_like(self.relaxed.state.must_serve),
            )
            result = self.solver.solve_running(state, self.stages, self.hold, full)
            self.iterations += result.iterations
            self.solves += result.solves
            self.solve_s += result.solve_s
            self.known[genome] = FAILED
            if result.solution.message in OUT_OF_TIME:
                self.late = result
            if result.solution.ok:
                value = float(result.solution.objective)
                unserved = 0.0 if np.isnan(result.unserved_mwh) else result.unserved_mwh
                fitness = float(f"{unserved:.6e}"), value
                self.known[genome] = _Tried(result, fitness)
        return self.known[genome]

    def _within(self, genome: tuple[int, ...]) -> bool:
        """Whether every piece holds an output that its unit can reach in that hour."""
        grid, p_max = self.solver.model.grid, self.relaxed.state.p_max
        for (t, g), k in zip(self.slots, genome, strict=True):
            piece = self.pieces[g][k]  # type: ignore[index]
            low = min(grid.p_min[g], p_max[t, g]) * grid.base_mva
            if piece.low > p_max[t, g] * grid.base_mva + AT_END_MW or piece.high < low - AT_END_MW:
                return False
        return True

    def descend(self, genome: tuple[int, ...]) -> _Tried:
        """Move to neighbouring pieces as long as that helps."""
        best = self.solve(genome)
        while True:
            steps = list(self._steps(genome, best))
            together = tuple(
                next((step[i] for step in steps if step[i] != genome[i]), genome[i])
                for i in range(len(genome))
            )
            for moved in dict.fromkeys([together, *steps]):
                tried = self.solve(moved)
                if _is_better(tried, best):
                    genome, best = moved, tried
                    break
            else:
                return best

    def _steps(self, genome: tuple[int, ...], at: _Tried) -> Iterator[tuple[int, ...]]:
        """Genomes in which a unit at the end of its piece goes on in the next one.

        From a choice that cannot be solved, every unit may go either way.
        """
        for i, (t, g) in enumerate(self.slots):
            piece = self.pieces[g][genome[i]]  # type: ignore[index]
            for step, end in ((-1, piece.low), (1, piece.high)):
                if not 0 <= genome[i] + step < self.counts[i]:
                    continue
                if at.result is None or abs(self._output(at.result, t, g) - end) < AT_END_MW:
                    yield (*genome[:i], genome[i] + step, *genome[i + 1 :])

    def look_further(self, best: _Tried) -> _Tried:
        """Every choice where there are few, else what the genetic algorithm finds."""
        if np.prod(self.counts, dtype=float) > EVERY and len(self.slots) > 1:
            return best if self.late else self.breed(best)
        for genome in product(*(range(n) for n in self.counts)):
            tried = self.solve(genome)
            best = tried if _is_better(tried, best) else best
        return best

    def breed(self, best: _Tried) -> _Tried:
        """Search by the genetic algorithm; its individuals descend before they are compared."""
        sizes = self.counts

        def create(rng: Random) -> Any:
            return tuple(rng.randrange(n) for n in sizes)

        def mutate(genome: Any, rng: Random) -> Any:
            i = rng.randrange(len(sizes))
            return (*genome[:i], rng.randrange(sizes[i]), *genome[i + 1 :])

        def cross(one: Any, other: Any, rng: Random) -> Any:
            return tuple(rng.choice(pair) for pair in zip(one, other, strict=True))

        def near(genome: Any) -> Iterator[tuple[str, Any]]:
            for i, n in enumerate(sizes):
                for k in (genome[i] - 1, genome[i] + 1):
                    if 0 <= k < n:
                        yield "neighbour", (*genome[:i], k, *genome[i + 1 :])

        def evaluate(genomes: Any, _best: Any) -> Iterator[_Tried]:
            yield from (self.descend(tuple(genome)) for genome in genomes)

        operators: Operators[Any] = Operators(
            create, mutate, cross, lambda g, _: list(g), tuple, near, near
        )
        run = minimize(evaluate, operators, OPTIONS, SEED, ["unserved_mwh", "cost"])
        return run.best if _is_better(run.best, best) else best


def _is_better(one: _Tried, other: _Tried) -> bool:
    if one.fitness[0] != other.fitness[0]:
        return one.fitness[0] < other.fitness[0]
    return one.fitness[1] < other.fitness[1] - BETTER * abs(other.fitness[1])
