"""Build report.html, one page that opens offline, from the files of a run's directory alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from hybridopt.plots import MOST_BUSES, plot_buses, plot_dispatch
from hybridopt.report_facts import (
    day_facts,
    dead_islands,
    economics_table,
    search_facts,
    time_table,
    versions,
)
from hybridopt.report_files import STAGES, read_run
from hybridopt.report_hours import plot_hours
from hybridopt.report_map import branch_style, draw_maps, planned_lines, source_state
from hybridopt.report_reasons import contributions_table, dearest_table, shortfall_table
from hybridopt.report_search import plot_search
from hybridopt.report_symbols import load_state, map_legend
from hybridopt.report_tables import (
    DG_KEYS,
    LINE_KEYS,
    bus_table,
    dispatch_table,
    extremes_table,
    loading_table,
    plan_table,
    stages_table,
)
from hybridopt.report_text import byline, key_figures, lead
from hybridopt.report_verified import verification_table

if TYPE_CHECKING:
    from pathlib import Path

    from hybridopt.report_files import RunFiles


def write_report(folder: Path) -> Path:
    """Write ``report.html`` into a run's output directory.

    Parameters
    ----------
    folder : directory that ``hybridopt run --out`` wrote, at least with its summary.json

    Returns
    -------
    the file written; it refers to nothing outside itself

    Raises
    ------
    InputError
        When the directory has no summary.json, or a file in it can't be read.
    """
    return save_page(render(read_run(folder)), folder)


def save_page(page: str, folder: Path) -> Path:
    """Write a page as the folder's ``report.html``, as a whole or not at all."""
    unfinished = folder / f".report-{os.getpid()}.html"
    unfinished.write_text(page, encoding="utf-8")
    return unfinished.replace(folder / "report.html")


def render(run: RunFiles) -> str:
    """Return the whole page; everything that comes from the data is escaped."""
    return fill_page("report.html", _content(run))


def fill_page(template: str, content: dict[str, Any]) -> str:
    """Fill a template; what it is filled with is escaped."""
    environment = Environment(
        loader=PackageLoader("hybridopt"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(template).render(content)


def _content(run: RunFiles) -> dict[str, Any]:
    maps = draw_maps(run)
    load_buses = int((run.stages.groupby("bus")["load_mw"].max() > 0).sum())
    return {
        "title": str(run.value("title") or run.value("case") or "hybridopt run"),
        "byline": byline(run),
        "status": str(run.value("status") or ""),
        "lead": lead(run),
        "tiles": key_figures(run),
        "stages": stages_table(run),
        "maps": maps,
        "legend": legend_items(run) if maps else [],
        "bus_chart": plot_buses(run),
        "bus_limit": MOST_BUSES if load_buses > MOST_BUSES else 0,
        "buses": bus_table(run),
        "dead": dead_islands(run),
        "dispatch_chart": plot_dispatch(run),
        "dispatch": dispatch_table(run),
        "search_charts": plot_search(run),
        "dg": plan_table(run, "dg", DG_KEYS, "Distributed generation of the plan"),
        "lines": plan_table(run, "lines", LINE_KEYS, "Lines of the plan"),
        "has_plan": bool(run.plan),
        "contributions": contributions_table(run),
        "dearest": dearest_table(run),
        "shortfall": shortfall_table(run),
        "search": search_facts(run),
        "time": time_table(run),
        "extremes": extremes_table(run),
        "loadings": loading_table(run),
        "unrated": not run.branches.empty and not run.branches["loading_percent"].notna().any(),
        "hour_charts": plot_hours(run),
        "economics": economics_table(run),
        "day": day_facts(run),
        "verification": verification_table(run),
        "searched": run.value("search") is not None,
        "exhaustive": run.value("search", "method") == "exhaustive",
        "proven": run.value("proven_best") is True,
        "bounded": run.value("bound") is not None,
        "versions": versions(run),
    }


def legend_items(run: RunFiles) -> list[dict[str, Any]]:
    """Explain only the marks that the maps of this run use."""
    stages = [s for s in STAGES if (run.stages["stage"] == s).any()]
    planned = planned_lines(run)
    branches, sources = run.topology.to_dict("records"), run.sources.to_dict("records")
    lines = {branch_style(row, stage, planned) for row in branches for stage in stages}
    units = {(str(row["kind"]), source_state(row, stage)) for row in sources for stage in stages}
    loads = {load_state(row) for row in run.stages.to_dict("records")}
    largest = float(run.stages["load_mw"].max())
    seen = {(kind, state) for kind, state in units if state}
    return map_legend({style for style in lines if style}, loads, seen, largest)
