"""The report of an allocation: one page that opens offline, and its pictures as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.allocation_goal import DIGITS, NAMES
from hybridopt.allocation_output import TITLES, allocation_summary
from hybridopt.allocation_pictures import convergence, front, hourly, network_map
from hybridopt.feeder_pictures import save_svg
from hybridopt.report import fill_page, save_page
from hybridopt.report_format import duration, fixed
from hybridopt.report_tables import Column, Table

if TYPE_CHECKING:
    from pathlib import Path

    from hybridopt.allocation import Allocation

MORE = (
    ("Largest line loading %", "max_line_loading_percent", 2),
    ("Largest transformer loading %", "max_transformer_loading_percent", 2),
    ("Lowest voltage pu", "min_vm_pu", 5),
    ("Highest voltage pu", "max_vm_pu", 5),
    ("Drawn from the grid MWh", "grid_import_mwh", 6),
    ("Given back to the grid MWh", "grid_export_mwh", 6),
)


def write_allocation_report(result: Allocation, folder: Path) -> Path:
    """Write ``report.html`` and its pictures, ``*.svg``, into a folder that exists."""
    content = _content(result)
    names = {
        "network_before": content["maps"][0]["chart"] if content["maps"] else None,
        "network_after": content["maps"][-1]["chart"] if content["maps"] else None,
        "loading_by_hour": content["loading"],
        "grid_by_hour": content["grid"],
        "pareto_front": content["front"],
        "convergence": content["search_chart"],
    }
    for name, drawing in names.items():
        if drawing is not None:
            save_svg(str(drawing.wide), folder / f"{name}.svg")
    return save_page(fill_page("allocation.html", content), folder)


def _content(result: Allocation) -> dict[str, Any]:
    found = allocation_summary(result)
    works = result.after.converged
    states = [("before", "Given order")] if result.before.converged else []
    states += [("after", "Allocated")] if works else []
    return {
        "title": _headline(result),
        "byline": [result.name, f"seed {result.seed}", result.method, duration(result.wall_s)],
        "limit": result.limit,
        "warnings": result.warnings,
        "lead": _lead(result, found),
        "maps": [{"title": t, "chart": network_map(result, s)} for s, t in states],
        "figures": _figures(found),
        "orders": _orders(result, found),
        "loading": hourly(result, "loading") if works else None,
        "voltage": hourly(result, "voltage") if works else None,
        "grid": hourly(result, "grid") if works else None,
        "front": front(result, result.front_names),
        "outages": _outages(result),
        "refined": _refined(result),
        "search_chart": convergence(result),
        "search": _search(result),
    }


def _headline(result: Allocation) -> str:
    if not result.after.converged:
        return f"{result.name}: no power flow with these profiles"
    name = TITLES.get(result.objective, "Objective").rsplit(" ", 1)[0]
    return f"{name}: {result.value_before:.4g} becomes {result.value:.4g}"


def _lead(result: Allocation, found: dict[str, Any]) -> list[str]:
    if not result.after.converged:
        return [result.limit]
    fall = 1 - result.value / result.value_before if result.value_before else 0.0
    words = result.objective.replace("_", " ")
    sentences = [
        (
            f"Assigning {len(result.load.names)} loads and {len(result.generation.names)} "
            "generators "
            f"to {len(result.points)} points brings {words} down by {100 * fall:.1f} %, from "
            f"{result.value_before:.5g} to {result.value:.5g} ({result.unit})."
        )
    ]
    after = found["after"]
    sentences.append(
        f"Voltages stay between {after['min_vm_pu']:.4f} and {after['max_vm_pu']:.4f} pu, no line "
        f"is loaded above {after['max_line_loading_percent']:.1f} %."
        if after["max_line_loading_percent"] is not None
        else "No line of this network has a limit."
    )
    return sentences


def _figures(found: dict[str, Any]) -> Table:
    rows = [(TITLES[name], name, DIGITS[name]) for name in NAMES] + list(MORE)
    heads = [words.rsplit(" ", 1) for words, _, _ in rows]
    cells = {
        s: [fixed(found[s].get(key), digits) for _, key, digits in rows]
        for s in ("before", "after")
    }
    return Table(
        "Figures of the day",
        [
            Column("", "", [words for words, _ in heads], numeric=False),
            Column("Given order", "", cells["before"]),
            Column("Allocated", "", cells["after"]),
            Column("Unit", "", [unit for _, unit in heads], numeric=False),
        ],
    )


def _orders(result: Allocation, found: dict[str, Any]) -> Table:
    columns = [Column("Bus", "", [str(bus) for bus in result.points], numeric=False)]
    for kind in ("load", "generation"):
        profiles = getattr(result, kind)
        order = found[f"{kind}_order"]
        names = ["none" if k is None else profiles.names[k] for k in order]
        energy = [0.0 if k is None else float(profiles.p_mw[k].sum()) for k in order]
        columns += [
            Column(f"{kind.capitalize()} profile", "", names, numeric=False),
            Column("Energy", "MWh", [fixed(e, 5) for e in energy]),
        ]
    return Table("Profile at each point", columns)


def _outages(result: Allocation) -> Table | None:
    rows = result.outages
    if not rows:
        return None
    met = ["met" if row["within_limits"] else "violated" for row in rows]
    return Table(
        "N-1: each branch out in turn",
        [
            Column("Branch out", "", [row["branch"] for row in rows], numeric=False),
            Column("Dark points", "", [str(row["dark_points"]) for row in rows]),
            Column("Unserved", "MWh", [fixed(row["unserved_mwh"], 5) for row in rows]),
            Column("Generation lost", "MWh", [fixed(r["lost_generation_mwh"], 5) for r in rows]),
            Column("Lowest voltage", "pu", [fixed(row["min_vm_pu"], 4) for row in rows]),
            Column("Highest voltage", "pu", [fixed(row["max_vm_pu"], 4) for row in rows]),
            Column("Largest loading", "%", [fixed(row["max_loading_percent"], 1) for row in rows]),
            Column("Limits of the rest", "", met, numeric=False),
        ],
    )


def _refined(result: Allocation) -> Table | None:
    more = result.refinement
    if not more:
        return None
    heads = [TITLES[name].rsplit(" ", 1) for name in NAMES]
    return Table(
        "Batteries and inverters, dispatched over the day",
        [
            Column("", "", [words for words, _ in heads], numeric=False),
            Column("Allocated", "", [fixed(more["before"][n], DIGITS[n]) for n in NAMES]),
            Column("With them", "", [fixed(more["after"][n], DIGITS[n]) for n in NAMES]),
            Column("Unit", "", [unit for _, unit in heads], numeric=False),
        ],
    )


def _search(result: Allocation) -> list[tuple[str, str]]:
    said = result.verification
    if said.get("hours_failed"):
        checked = f"no convergence in {said['hours_failed']} hours"
    else:
        checked = f"{said['hours_checked']} hours, largest difference {said['max_difference']:.0e}"
    methods = {
        "memetic": "genetic algorithm, every child improved by exchanges",
        "genetic": "genetic algorithm alone, after reference D",
    }
    return [
        ("Method", methods[result.method]),
        ("Allocations by power flow", f"{result.evaluations:,}"),
        ("Exchanges by estimate", f"{result.estimated:,}"),
        ("Ended because", result.stopped_because),
        ("Verified by pandapower", checked),
    ]
