"""Make docs/paper.md and docs/figures: the paper's tables and figures from our own runs.

``python -m benchmarks.paper [--seeds 0-9]``. Every number on that page is computed here or stands
in `benchmarks.paper_printed`. ``--keep`` takes the runs that lie in the folder already.
"""

from __future__ import annotations

import argparse
import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from benchmarks import paper_claims as claims
from benchmarks import paper_figures as figures
from benchmarks.paper_outcome import Outcome
from benchmarks.paper_page import render
from benchmarks.paper_printed import IEEE9, IEEE30, PRINTED, table_7
from hybridopt import load_case
from hybridopt.cases import case_file
from hybridopt.evaluate import Evaluation, worst_status
from hybridopt.output import write_results
from hybridopt.progress import NoProgress
from hybridopt.report_files import STAGES, read_run
from hybridopt.runs import Job, read_seeds, run_seeds
from hybridopt.single_dispatch import dispatch_prepared, prepare_dispatch
from hybridopt.solvers.search import Run
from hybridopt.stages import dead_islands
from hybridopt.study import StudyResult, check_case, peak_row

if TYPE_CHECKING:
    from benchmarks.paper_printed import Printed
    from hybridopt.grid import Plan
    from hybridopt.network_scenario import Scenario
    from hybridopt.single_dispatch import SingleDispatch

DOCS = Path(__file__).parents[1] / "docs"


def search(printed: Printed, folder: Path, seeds: list[int], *, keep: bool) -> list[dict[str, Any]]:
    """Run a case with each seed into ``seedN`` of the folder; one row per seed."""
    known = folder / "seeds.csv"
    if keep and known.exists():
        rows = pd.read_csv(known).set_index("seed", drop=False)
        if set(seeds) <= set(rows.index):
            return [dict(rows.loc[seed]) for seed in seeds]
    rows_so_far: list[dict[str, Any]] = []
    job = Job(folder, force=True)
    for found in run_seeds(load_case(printed.case), job, seeds, NoProgress()):
        rows_so_far = found.rows
        row = rows_so_far[-1]
        print(
            f"{printed.case} seed {row['seed']}: {row['served_percent_at_peak']:.1f} % served, "
            f"cost {row['plan_cost']:.3f}, {row['distinct_plans']} plans, {row['wall_s']:.1f} s",
            flush=True,
        )
    return rows_so_far


def printed_plan(printed: Printed) -> tuple[Scenario, Plan, SingleDispatch]:
    """The paper's plan, read and dispatched over the day."""
    plan = case_file(printed.case).parent / "paper_plan.json"
    prepared = prepare_dispatch(printed.case, plan, None)
    return prepared[0], prepared[1], dispatch_prepared(prepared, NoProgress())


def write_printed_plan(single: SingleDispatch, folder: Path) -> None:
    """Write a result folder of a plan that was given, not searched."""
    scenario, dispatch = single.scenario, single.dispatch
    row = peak_row(dispatch)
    best = Evaluation(
        single.plan,
        fitness=(),
        values={},
        complete=True,
        pruned=False,
        status=worst_status(dispatch),
        solves=0,
        iterations=0,
        compile_s=0.0,
        solve_s=0.0,
        wall_s=0.0,
    )
    dead = dead_islands(
        dispatch.grid,
        scenario.grid,
        dispatch.energised[row],
        dispatch.demand_mw[row],
        scenario.space.sites,
    )
    run: Run[Plan, Evaluation] = Run(log=[{"generation": 0, "evaluations": 1, "wall_s": 0.0}])
    study = StudyResult(
        check_case(scenario), 0, "genetic", run, None, best, dispatch, dead, single.verification, {}
    )
    write_results(study, folder, force=True)


def draw(outcomes: dict[str, Outcome], folder: Path) -> list[str]:
    """Write every figure; their names."""
    written: dict[str, str] = {}
    for printed, (network, loads, dispatch) in (
        (IEEE9, ("figure3a", "figure3b", "figure4")),
        (IEEE30, ("figure5a", "figure5b", "figure7")),
    ):
        outcome, name = outcomes[printed.case], printed.network
        ours, theirs = read_run(outcome.shown), read_run(outcome.printed_folder)
        states = [
            ("After the event", ours, "after_event"),
            ("The paper's plan", theirs, "after_plan"),
            (f"Our plan, seed {outcome.seed}", ours, "after_plan"),
        ]
        written[network] = figures.map_figure(f"{name}: damage and solutions", states)
        last = STAGES if printed is IEEE9 else STAGES[2:]  # bars beside one another, or below
        pair = [
            ("With the paper's plan, dispatched by us", theirs),
            (f"With our plan, seed {outcome.seed}", ours),
        ]
        written[loads] = figures.chart_figure(
            f"{name}: load served per bus before the event, after it and after the plan",
            [
                ("With the paper's plan", figures.buses_chart(theirs)),
                (f"With our plan, seed {outcome.seed}", figures.buses_chart(ours, last)),
            ],
        )
        if printed is IEEE9:
            table = figures.printed_run(outcome.printed_folder, table_7())
            pair.insert(0, ("As printed in Table 7", table))
        written[dispatch] = figures.chart_figure(
            f"{name}: dispatch of the day",
            [(title, figures.dispatch_chart(run)) for title, run in pair],
        )
    curves = figures.class_loads(load_case(IEEE30.case))
    written["figure6"] = figures.class_figure(
        "IEEE 30: load of each class. Shapes and shares are assumed.", curves
    )
    folder.mkdir(parents=True, exist_ok=True)
    for name, svg in written.items():
        (folder / f"{name}.svg").write_text(svg, encoding="utf-8")
    return sorted(written)


def machine() -> str:
    """This computer, in a few words."""
    return f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"


def main() -> None:
    """Run both cases, draw the figures and write the page."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.paper", description=__doc__)
    parser.add_argument("--seeds", default="0-9", help="such as 0-9 (default) or 0,3")
    parser.add_argument("--out", type=Path, default=Path("results/paper"), help="for the runs")
    parser.add_argument("--docs", type=Path, default=DOCS, help="for the page and its figures")
    parser.add_argument("--keep", action="store_true", help="use runs that are in --out already")
    options = parser.parse_args()
    outcomes: dict[str, Outcome] = {}
    losses: dict[int, float] = {}
    for printed in PRINTED:
        folder = options.out / printed.case
        rows = search(printed, folder, read_seeds(options.seeds), keep=options.keep)
        scenario, plan, single = printed_plan(printed)
        write_printed_plan(single, options.out / f"{printed.case}-printed")
        served = claims.printed_plan_mw(scenario, plan, printed)
        outcomes[printed.case] = Outcome(
            printed, rows, folder, options.out / f"{printed.case}-printed", *served
        )
        if printed is IEEE9:
            losses = claims.losses_by_bus(scenario, plan, printed)
    facts = claims.Facts(
        losses, claims.lost_without_condensers(), claims.standing_mw(), claims.cheap_plans()
    )
    names = draw(outcomes, options.docs / "figures")
    page = render(outcomes, facts, options.seeds, machine())
    (options.docs / "paper.md").write_text(page, encoding="utf-8")
    print(f"written: {options.docs / 'paper.md'} and {len(names)} figures")


if __name__ == "__main__":
    main()
