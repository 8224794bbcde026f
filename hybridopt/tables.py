"""Tables for the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from rich.table import Table

from hybridopt.bound_words import bound_sentence
from hybridopt.output import check_summary, plan_dict, summary

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hybridopt.runs import Seeds
    from hybridopt.study import Check, StudyResult


def titled_table(title: str, *columns: str) -> Table:
    """Make a table without lines, the first column to the left, numbers to the right."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, title_style="bold")
    for k, column in enumerate(columns):
        # "fold": where there is no room, a number goes on in the next line and loses no digit
        table.add_column(column, justify="left" if k == 0 else "right", overflow="fold")
    return table


def show(value: Any, digits: int = 2) -> str:
    """Write a number with thousands separated; a dash for none."""
    return "-" if value is None else f"{value:,.{digits}f}"


def exact(value: float | None) -> str:
    """Write a number so that runs can be told apart: six digits or two decimals."""
    return "-" if value is None else f"{value:,.6g}" if abs(value) < 1e3 else f"{value:,.2f}"


def stages_table(stages: dict[str, dict[str, Any]]) -> Table:
    """The network at the peak hour, one row for each state."""
    table = titled_table(
        "At the peak hour: power in MW, voltage in pu, loading in %",
        "State",
        "Load",
        "Served",
        "Unserved",
        "%",
        "Losses",
        "V min",
        "V max",
        "Loading",
    )
    for name, s in stages.items():
        table.add_row(
            name.replace("_", " "),
            show(s["load_mw"]),
            show(s["served_mw"]),
            show(s["unserved_mw"]),
            show(s["unserved_percent"]),
            show(s["loss_mw"]),
            show(s["min_vm_pu"], 4),
            show(s["max_vm_pu"], 4),
            show(s["max_loading_percent"], 1),
        )
    return table


def check_tables(check: Check) -> Iterator[Any]:
    """What ``hybridopt check`` shows."""
    found = check_summary(check)
    yield stages_table(found["stages"])
    yield ""
    stage = check.after
    short = np.flatnonzero(stage.load_mw - stage.served_mw > 1e-3)
    if short.size:
        table = titled_table(
            "Unserved at the peak hour", "Bus", "Load MW", "Unserved MW", "Voltage pu"
        )
        labels = check.scenario.grid.bus_id
        for b in short:
            vm = None if np.isnan(stage.vm_pu[b]) else float(stage.vm_pu[b])
            table.add_row(
                str(labels[b]),
                show(stage.load_mw[b]),
                show(stage.load_mw[b] - stage.served_mw[b]),
                "dead" if vm is None else show(vm, 4),
            )
        yield table
        yield ""
    for island in check.dead:
        buses = ", ".join(str(b) for b in island.buses)
        yield f"Dead: buses {buses} ({island.load_mw:.2f} MW): {island.reason}"
    case = check.scenario.case
    yield (
        f"Unserved over {len(check.dispatch.hours)} h: {check.dispatch.unserved_mwh:,.2f} MWh, "
        f"{check.dispatch.unserved_mwh * case.value_of_lost_load:,.0f} {case.currency}"
    )
    count = check.scenario.space.count()
    shown = "infinitely many" if count is None else f"{count:,}"
    yield f"Plans to choose from: {shown} (before the budget)"
    yield from (f"Note: {finding}" for finding in found["findings"])


def study_tables(result: StudyResult) -> Iterator[Any]:
    """What ``hybridopt run`` shows."""
    found, plan = summary(result), plan_dict(result)
    money = result.scenario.case.currency
    yield stages_table(found["stages"])
    yield ""
    table = titled_table("The plan", "Element", "Where", "Size", f"Cost {money}")
    for line in plan["lines"]:
        where = f"{line['from_bus']}-{line['to_bus']}"
        table.add_row(f"{line['kind']} branch", where, "-", show(line["cost"], 3))
    for unit in plan["dg"]:
        size = f"{unit['max_p_mw']:.2f} MW"
        table.add_row("generator", f"bus {unit['bus']}", size, show(unit["cost"], 3))
    table.add_row("total", f"of {plan['budget']:g} {money}", "", show(plan["cost"], 3))
    yield table
    yield ""
    yield from _reasons(found.get("reasons"), money)
    day = found["dispatch"]
    yield (
        f"Over {day['hours']} h: operating cost {day['operating_cost']:,.2f} {money}, "
        f"served {day['served_mwh']:,.2f} MWh, unserved {day['unserved_mwh']:,.2f} MWh, "
        f"losses {day['loss_mwh']:,.2f} MWh"
    )
    if "bound" in found:
        yield f"{bound_sentence(found['bound'], money)} ({found['bound']['wall_s']:.1f} s)"
    search, time = found["search"], found["time"]
    if search["method"] == "exhaustive":
        proof = "proven best" if found["proven_best"] else "no proof"
        yield (
            f"Every plan: {search['plans']:,} within the budget, {search['ruled_out_plans']:,} "
            f"ruled out by bounds, {search['pruned_plans']:,} by their peak hour: {proof}"
        )
    yield (
        f"Search: {search['distinct_plans']} plans in {search['wall_s']:.1f} s "
        f"(all processes: compile {time['compile_s']:.1f} s, solve {time['solve_s']:.1f} s, "
        f"rest {time['rest_s']:.1f} s); {time['wall_s']:.1f} s in all"
    )
    check = found["verification"]
    loading = check["max_loading_percent"]
    yield (
        f"Verified by pandapower: {check['hours_checked']} of {day['hours']} h, mismatch "
        f"{check['max_mismatch_mva'] or 0:.1e} MVA, voltage violation "
        f"{check['max_voltage_violation_pu'] or 0:.1e} pu, "
        + ("no branch is rated" if loading is None else f"loading {loading:.2f} %")
    )


def _reasons(found: dict[str, Any] | None, money: str) -> Iterator[Any]:
    """The day without each element, and what would serve more at the worst hour."""
    if not found or not found["elements"]:
        return
    heads = ("Without", "Served less MWh", f"Operation costs more {money}", f"Plan {money}")
    table = titled_table("What each element brings", *heads)
    for row in found["elements"]:
        cells = (show(row[key]) for key in ("lost_mwh", "more_operating_cost"))
        name = f"generator {row['name']}" if row["element"] == "dg" else row["name"]
        table.add_row(name, *cells, show(row["plan_cost"], 3))
    yield table
    yield ""
    worst = max(found["shortfall"], key=lambda hour: hour["unserved_mw"], default=None)
    if worst is None:
        return
    gains = [
        f"{row['element']} {row['name']} {row['limit']} {row['served_mw_per_unit']:.3g} MW per "
        f"{row['unit']}"
        for row in worst["limits"]
    ] + [f"{b['served_mw_per_mw']:.3g} MW per MW at bus {b['bus']}" for b in worst["buses"][:1]]
    if gains:
        power = f"{worst['unserved_mw']:.2f} MW unserved"
        yield f"Hour {worst['hour']}, {power}; more would be served by: {', '.join(gains)}"


def seeds_table(seeds: Seeds) -> Table:
    """What ``hybridopt run --seeds`` shows: a row for each seed, then best, median and spread."""
    found, names = seeds.summary(), seeds.objectives
    heads = {
        "unserved_mwh": "Unserved MWh",
        "unserved_peak_mw": "Unserved at peak MW",
        "operating_cost": f"Operating cost {seeds.currency}",
        "plan_cost": f"Plan cost {seeds.currency}",
        "loss_mwh": "Losses MWh",
    }
    extra = [] if "plan_cost" in names else ["plan_cost"]
    table = titled_table(
        f"{seeds.case}: {len(seeds.rows)} seeds; spread is worst less best",
        "Seed",
        *(heads.get(name, name.replace("_", " ")) for name in (*names, *extra)),
        "Served at peak %",
        "Evaluations",
        "Plans",
        "Time s",
    )

    for row in seeds.rows:
        table.add_row(
            str(row["seed"]),
            *(exact(row[name]) for name in (*names, *extra)),
            show(row["served_percent_at_peak"]),
            *(f"{row[name]:,}" for name in ("evaluations", "distinct_plans")),
            show(row["wall_s"], 1),
        )
    median = found["median"]
    blank = [""] * (len(extra) + 1)
    table.add_section()
    table.add_row("best", *(exact(found["best"][name]) for name in names))
    table.add_row(
        "median",
        *(exact(median[name]) for name in names),
        *blank,
        *(f"{median[name]:,.0f}" for name in ("evaluations", "distinct_plans")),
        show(median["wall_s"], 1),
    )
    table.add_row("worst", *(exact(found["worst"][name]) for name in names))
    table.add_row("spread", *(exact(found["spread"][name]) for name in names))
    return table
