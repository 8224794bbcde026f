"""The genetic algorithm against random search and a greedy builder, evaluation for evaluation.

``python -m benchmarks.search_methods [CASE] [--seeds N] [--evaluations N] [--ablation]``. Without a
number of evaluations, everybody gets as many as the greedy builder needs to finish. With
``--ablation`` the genetic algorithm is run with one of its parts left out or exchanged at a time.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hybridopt import load_case
from hybridopt.evaluate import Candidate, Evaluation, Evaluator
from hybridopt.grid import Plan, Unit
from hybridopt.moves import plan_operators
from hybridopt.plan_search import objective_name
from hybridopt.seeding import needs
from hybridopt.solvers.genetic import GeneticOptions, minimize
from hybridopt.solvers.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Fitness = tuple[float, ...]
PARTS: dict[str, dict[str, Any]] = {
    "as shipped": {},
    "first plans: random": {"seeding": "random"},
    "first plans: meet needs": {"seeding": "needs"},
    "no local search": {"local_search": 0.0},
    "no crossover": {"crossover_rate": 0.0},
    "no mutation": {"mutation_rate": 0.0},
    "selection: best half": {"selection": "best", "selected": "half"},
    "selection: roulette": {"selection": "roulette"},
    "elite: 2": {"elite": 2},
    "elite: a third": {"elite": "third"},
}


@dataclass(frozen=True)
class Result:
    """What one run of a method found."""

    method: str
    seed: int
    fitness: Fitness
    evaluations: int
    seconds: float


class Bench:
    """Methods on one case, with the worker processes that all of them share."""

    def __init__(self, case: str, pool: Workers[Candidate, Evaluation] | None = None) -> None:
        self.scenario = load_case(case)
        s = self.scenario
        self.evaluator = Evaluator(
            s.search_grid, s.space, s.horizon, s.settings, s.case.dispatch_mode
        )
        self.names = [objective_name(weights) for weights in s.settings.objectives]
        self.pool = pool

    def evaluate(self, plans: Sequence[Plan], best: Any = None) -> Iterator[Evaluation]:
        """Values of plans, in order."""
        if self.pool is None:
            raise RuntimeError("no worker processes")
        known = () if best is None else best.fitness
        return self.pool.map([Candidate(plan, known) for plan in plans])

    def genetic(self, seed: int, evaluations: int, **changes: Any) -> tuple[Fitness, int]:
        """The genetic algorithm with the case's settings, or with some of them changed."""
        settings = self.scenario.case.genetic
        values = {n: getattr(settings, n) for n in GeneticOptions.__dataclass_fields__}
        seeding = changes.pop("seeding", settings.seeding)
        if changes.get("selected") == "half":
            changes["selected"] = settings.population // 2
        if changes.get("elite") == "third":
            changes["elite"] = settings.population // 3
        options = GeneticOptions(
            **values | changes | {"generations": 10**6, "max_evaluations": evaluations}
        )
        options = replace(options, stall_generations=None)
        space = self.scenario.space
        found = needs(space, self.scenario.damaged) if seeding == "needs" else ()
        run = minimize(self.evaluate, plan_operators(space, found), options, seed, self.names)
        return run.best.fitness, run.distinct

    def random(self, seed: int, evaluations: int) -> tuple[Fitness, int]:
        """Random plans within the budget, each once."""
        rng, space = random.Random(seed), self.scenario.space
        plans: dict[Plan, None] = {}
        while len(plans) < evaluations:
            plans[space.decode(space.random(rng))] = None
        return min(value.fitness for value in self.evaluate(list(plans))), len(plans)

    def greedy(self) -> tuple[Fitness, int, Plan]:
        """Add the element that helps most, as long as one does and the budget allows it."""
        space = self.scenario.space
        plan, count = Plan(), 1
        (value,) = self.evaluate([plan])
        best = value.fitness
        while True:
            taken = {unit.bus for unit in plan.units}
            more = [
                replace(plan, branches=tuple(sorted([*plan.branches, c.branch])))
                for c in space.candidates
                if c.branch not in plan.branches
            ]
            if len(plan.units) < space.max_units:
                more += [
                    replace(plan, units=tuple(sorted([*plan.units, Unit(bus)])))
                    for bus in space.sites.bus
                    if bus not in taken
                ]
            more = [plan for plan in more if space.affordable(plan)]
            values = list(self.evaluate(more))
            count += len(more)
            found = [(value.fitness, k) for k, value in enumerate(values)]
            if not found or min(found)[0] >= best:
                return best, count, plan
            best, k = min(found)
            plan = more[k]


def summarise(results: list[Result], names: list[str]) -> dict[str, Any]:
    """Median, best, worst of each objective of one method."""
    row: dict[str, Any] = {"method": results[0].method, "runs": len(results)}
    for k, name in enumerate(names):
        values = [r.fitness[k] for r in results]
        row[f"median_{name}"] = statistics.median(values)
        row[f"best_{name}"], row[f"worst_{name}"] = min(values), max(values)
    row["evaluations"] = statistics.median(r.evaluations for r in results)
    row["median_s"] = statistics.median(r.seconds for r in results)
    return row


def show(row: dict[str, Any], names: list[str]) -> None:
    """Print a row of the table."""
    first, second = names[0], names[1] if len(names) > 1 else names[0]
    print(
        f"{row['method']:<38}{row[f'median_{first}']:>12.4f}{row[f'best_{first}']:>12.4f}"
        f"{row[f'worst_{first}']:>12.4f}{row[f'median_{second}']:>12.3f}"
        f"{row['evaluations']:>8.0f}{row['median_s']:>8.1f}",
        flush=True,
    )


def main() -> None:
    """Run the methods over the seeds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("case", nargs="?", default="ieee118_storm")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--evaluations", type=int)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--ablation", action="store_true")
    parser.add_argument("--parts", nargs="*", choices=list(PARTS), help="of the ablation")
    parser.add_argument("--out", type=Path, default=Path("results/search_methods.json"))
    options = parser.parse_args()
    bench = Bench(options.case)
    with Workers[Candidate, Evaluation](bench.evaluator, options.workers) as pool:
        bench.pool = pool
        rows, runs = compare(bench, options)
    data = {"case": options.case, "rows": rows, "runs": [vars(run) for run in runs]}
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(data, indent=2) + "\n")
    print(f"written to {options.out}")


def compare(bench: Bench, options: argparse.Namespace) -> tuple[list[dict[str, Any]], list[Result]]:
    """Rows of the table, and every run."""
    names, evaluations = bench.names, options.evaluations
    runs: list[Result] = []
    if not options.ablation:
        began = time.perf_counter()
        fitness, count, _ = bench.greedy()
        runs.append(Result("greedy builder", 0, fitness, count, time.perf_counter() - began))
        evaluations = evaluations or count
    evaluations = evaluations or 400
    methods: dict[str, Any] = {"random search": bench.random, "genetic algorithm": bench.genetic}
    if options.ablation:
        chosen = options.parts or list(PARTS)
        methods = {name: (bench.genetic, PARTS[name]) for name in chosen}
    print(f"{options.case}: {evaluations} evaluations each, {options.seeds} seeds")
    print(f"{'':<38}{names[0]:>36}{names[-1]:>12}")
    heads = ("median", "best", "worst", "median", "plans", "s")
    print(f"{'method':<38}{''.join(f'{h:>12}' for h in heads[:4])}{heads[4]:>8}{heads[5]:>8}")
    rows = [summarise(runs, names)] if runs else []
    for row in rows:
        show(row, names)
    for name, method in methods.items():
        function, changes = method if isinstance(method, tuple) else (method, {})
        mine = []
        for seed in range(options.seeds):
            began = time.perf_counter()
            fitness, count = function(seed, evaluations, **dict(changes))
            mine.append(Result(name, seed, fitness, count, time.perf_counter() - began))
        runs += mine
        rows.append(summarise(mine, names))
        show(rows[-1], names)
    if not options.ablation:
        print(verdict(runs))
    return rows, runs


def verdict(runs: list[Result]) -> str:
    """In how many seeds the genetic algorithm is better than the others."""
    by = {(r.method, r.seed): r.fitness for r in runs}
    ga = {seed: fitness for (name, seed), fitness in by.items() if name == "genetic algorithm"}
    better = sum(fitness < by["random search", seed] for seed, fitness in ga.items())
    greedy = by["greedy builder", 0]
    worse = sum(fitness > greedy for fitness in ga.values())
    return (
        f"genetic algorithm better than random search in {better} of {len(ga)} seeds, "
        f"worse than the greedy builder in {worse}"
    )


if __name__ == "__main__":
    main()
