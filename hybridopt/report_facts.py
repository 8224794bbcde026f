"""Lists of single facts: what the search took and what the event and the day cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridopt.report_format import (
    MISSING,
    fixed,
    money,
    share,
    spans,
)
from hybridopt.report_tables import Table, numbers, words
from hybridopt.report_text import objectives, plan_cost

if TYPE_CHECKING:
    from hybridopt.report_files import RunFiles

Fact = tuple[str, str]
VERSION_NAMES = {
    "hybridopt": "hybridopt",
    "python": "Python",
    "ipopt": "Ipopt",
    "linear_solver": "linear solver",
    "pyomo": "Pyomo",
    "pandapower": "pandapower",
    "cyipopt": "cyipopt",
    "deap": "DEAP",
    "numpy": "NumPy",
}


def search_facts(run: RunFiles) -> list[Fact]:
    """Cost, budget, effort and run time, as in the paper's Table 9."""
    cost, budget = plan_cost(run)
    every = run.value("search", "method") == "exhaustive"
    facts = [
        ("Cost of the plan", money(cost, run.currency) if cost is not None else ""),
        ("Budget", money(budget, run.currency) if budget is not None else ""),
        ("Share of the budget", share(cost, budget) if budget else ""),
        ("Objectives, in order", _known(objectives(run))),
        ("Dispatch solved for", _dispatch_mode(run)),
        ("Generations", "" if every else _whole(run, "generations")),
        ("Plans within the budget", _whole(run, "plans") if every else ""),
        ("Plans ruled out by bounds", _whole(run, "ruled_out_plans") if every else ""),
        ("Evaluations", "" if every else _whole(run, "evaluations")),
        ("Plans evaluated" if every else "Distinct plans", _whole(run, "distinct_plans")),
        ("Nonlinear programs solved", _whole(run, "nlp_solves")),
        ("Stopped because", str(run.value("search", "stopped_because") or "")),
        ("Seed", str(run.value("seed")) if run.value("seed") is not None and not every else ""),
    ]
    return [(label, value) for label, value in facts if value]


def time_table(run: RunFiles) -> Table | None:
    """Where the run time went."""
    wall = run.number("time", "wall_s")
    parts = [
        ("Building and compiling models", "compile_s"),
        ("Solving nonlinear programs", "solve_s"),
        ("Verifying by load flow", "verify_s"),
        ("Everything else", "rest_s"),
    ]
    known = [(label, t) for label, key in parts if (t := run.number("time", key)) is not None]
    if not known:
        return None
    columns = [
        words("Part", [label for label, _ in known]),
        numbers("Time", "s", [t for _, t in known], decimals=2),
    ]
    total: list[str] = []
    if wall:
        total = ["Execution time", fixed(wall, 2)]
    note = (
        "With several workers the parts add up the seconds of all of them."
        if wall and sum(t for _, t in known) > 1.02 * wall
        else ""
    )
    return Table("Execution time", columns, total, note)


def economics_table(run: RunFiles) -> Table | None:
    """Cost of unserved energy in the named hours, at the flat peak and on the load curve."""
    ways = [("Every hour at the peak load", ""), ("On the load curve", "_on_curve")]
    keys = ("unserved_cost_after_event", "unserved_cost_after_plan", "avoided_cost")
    found = [
        (way, [run.number("economics", f"{key}{suffix}") for key in keys]) for way, suffix in ways
    ]
    found = [(way, values) for way, values in found if any(v is not None for v in values)]
    if not found:
        return None
    hours = spans([int(h) for h in run.value("economics", "hours") or []])
    heads = ("Unserved after the event", "Unserved after the plan", "Avoided by the plan")
    columns = [words(f"Hours {hours}", [way for way, _ in found])]
    every = [v for _, values in found for v in values if v is not None]
    decimals = 0 if max(map(abs, every), default=0) >= 1000 else 2
    for k, head in enumerate(heads):
        columns.append(
            numbers(head, run.currency, [values[k] for _, values in found], decimals=decimals)
        )
    return Table("Cost of unserved energy", columns)


def day_facts(run: RunFiles) -> list[Fact]:
    """Energy and cost of the dispatch over its horizon."""
    served, lost, loss = (
        run.number("dispatch", f"{key}_mwh") for key in ("served", "unserved", "loss")
    )
    facts = [
        ("Operating cost", run.number("dispatch", "operating_cost"), run.currency, 2),
        ("Cost of unserved energy", run.number("dispatch", "unserved_cost"), run.currency, 2),
        ("Energy served", served, "MWh", 1),
        ("Energy unserved", lost, "MWh", 1),
        ("Network losses", loss, "MWh", 2),
    ]
    return [
        (label, f"{fixed(value, decimals)} {unit}")
        for label, value, unit, decimals in facts
        if value is not None
    ]


def versions(run: RunFiles) -> str:
    """Return the programs that were in use, in one line."""
    found = run.value("versions")
    if not isinstance(found, dict):
        return ""
    keys = [k for k in VERSION_NAMES if k in found] + sorted(set(found) - set(VERSION_NAMES))
    return ", ".join(f"{VERSION_NAMES.get(key, key)} {found[key]}" for key in keys)


def dead_islands(run: RunFiles) -> list[Fact]:
    """Return islands without voltage: when, and which buses lose how much and why."""
    facts = []
    for key, label in (("after_event", "After the event"), ("after_plan", "After the plan")):
        for island in run.value("dead_islands", key) or []:
            buses = [str(bus) for bus in island.get("buses") or []]
            shown = ", ".join(buses[:40]) + (", …" if len(buses) > 40 else "")
            noun = "bus" if len(buses) == 1 else "buses"
            load = island.get("load_mw")
            lost = f", {fixed(load, 2)} MW of load" if load is not None else ""
            reason = f": {island['reason']}" if island.get("reason") else ""
            facts.append((label, f"{noun} {shown}{lost}{reason}"))
    return facts


def _whole(run: RunFiles, key: str) -> str:
    number = run.number("search", key)
    return "" if number is None else fixed(number, 0)


def _known(text: str) -> str:
    return "" if text == MISSING else text


def _dispatch_mode(run: RunFiles) -> str:
    pruned = run.number("search", "pruned_plans")
    every = "every candidate plan"
    if pruned:
        every = f"candidate plans but {fixed(pruned, 0)}, which their peak hour proves worse"
    modes = {"each": every, "winner": "the winning plan only"}
    mode = str(run.value("dispatch_mode") or "")
    return modes.get(mode, mode)
