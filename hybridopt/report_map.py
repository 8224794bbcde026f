"""Maps of the grid before the event, after it and after the plan, on one layout."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from hybridopt.report_files import STAGES
from hybridopt.report_format import fixed, of_power, percent, power
from hybridopt.report_scene import build_scene
from hybridopt.report_svg import INK, PAPER, Canvas, Look
from hybridopt.report_symbols import (
    LINES,
    draw_branch,
    draw_cross,
    draw_load,
    draw_source,
    draw_trafo,
    stub,
)

if TYPE_CHECKING:
    from typing import Any

    from markupsafe import Markup

    from hybridopt.report_files import RunFiles
    from hybridopt.report_scene import Scene

TITLES = dict(zip(STAGES, ("Before the event", "After the event", "After the plan"), strict=True))


def draw_maps(run: RunFiles) -> list[dict[str, Any]]:
    """One map per state that the run has: its key, title, what is served, drawing; [] without."""
    stages = [s for s in STAGES if (run.stages["stage"] == s).any()]
    if not stages:
        return []
    scene, planned = build_scene(run), planned_lines(run)
    return [
        {
            "key": stage,
            "title": TITLES[stage],
            "served": _served(run, stage),
            "svg": _draw(scene, run, stage, planned),
            "columns": scene.columns,
        }
        for stage in stages
    ]


def planned_lines(run: RunFiles) -> set[str]:
    """Names of the lines that the plan repairs, adds or closes."""
    return {str(line.get("name")) for line in run.plan.get("lines") or []}


def _served(run: RunFiles, stage: str) -> str:
    at = run.stages[run.stages["stage"] == stage]
    load, served = at["load_mw"].sum(), at["served_mw"].sum()
    return f"{of_power(served, load)} served" if load > 0 else "no load"


def _draw(scene: Scene, run: RunFiles, stage: str, planned: set[str]) -> Markup:
    label = f"Map of the grid: {TITLES[stage]}"
    canvas = Canvas(scene.width, scene.height, f"map-{stage}", label)
    _draw_branches(canvas, scene, stage, planned)
    for row, spot in zip(scene.sources.to_dict("records"), scene.source_spots, strict=True):
        state = source_state(row, stage)
        if state is not None:
            canvas.path((scene.spot[row["bus"]], spot), **stub(state))
            draw_source(canvas, row, spot, scene.source_size, state)
    for row in run.stages[run.stages["stage"] == stage].to_dict("records"):
        bus = row["bus"]
        draw_load(canvas, scene.spot[bus], scene.radius[bus], row, _bus_tip(row))
    _draw_labels(canvas, scene)
    return canvas.svg()


def _draw_branches(canvas: Canvas, scene: Scene, stage: str, planned: set[str]) -> None:
    crosses = []
    for row, bend in zip(scene.branches.to_dict("records"), scene.bends, strict=True):
        style = branch_style(row, stage, planned)
        if style is None:
            continue
        ends = scene.spot[row["from_bus"]], scene.spot[row["to_bus"]]
        middle = draw_branch(canvas, ends, bend, style, _branch_tip(row, stage, style))
        if row["kind"] == "trafo":
            draw_trafo(canvas, middle, ends[1] - ends[0], LINES[style].colour)
        if style == "damaged":
            crosses.append(middle)
    for middle in crosses:
        draw_cross(canvas, middle, 4.5, LINES["damaged"].colour)


def _draw_labels(canvas: Canvas, scene: Scene) -> None:
    for bus, (x, y) in scene.labels.items():
        look: Look = {"font_size": scene.font, "font_weight": 600, "text_anchor": "middle"}
        if bus in scene.inside:
            look["fill"] = PAPER
        else:
            look |= {"fill": INK, "stroke": PAPER, "stroke_width": 3, "paint_order": "stroke"}
        canvas.text(x, y + 0.35 * scene.font, bus, pointer_events="none", **look)


def branch_style(row: dict[str, Any], stage: str, planned: set[str]) -> str | None:
    """How a branch is drawn in a state: a key of LINES, or None for not at all."""
    by_plan = row["branch"] in planned
    if stage == "after_plan" and (by_plan or (row[stage] and not row["before_event"])):
        return "plan"
    if row[stage]:
        return "service"
    if row["damaged"]:
        return "damaged"
    if by_plan and not row["before_event"]:
        return None  # a new line, before there is one
    return "dead" if row["before_event"] else "open"


def source_state(row: dict[str, Any], stage: str) -> str | None:
    """How a unit is drawn in a state: "service", "lost" or "plan", None for not at all."""
    if row[stage]:
        new = stage == "after_plan" and not row["after_event"]
        return "plan" if new or row["kind"] == "dg" else "service"
    return "lost" if row["before_event"] and stage != "before_event" else None


def _branch_tip(row: dict[str, Any], stage: str, style: str) -> str:
    kind = "Transformer" if row["kind"] == "trafo" else "Line"
    loading = row[f"loading_{stage}"]
    load = f", loaded {percent(loading)}" if math.isfinite(loading) else ""
    return f"{kind} {row['branch']}: {LINES[style].meaning}{load}"


def _bus_tip(row: dict[str, Any]) -> str:
    if not row["energised"]:
        lost = f", {power(row['load_mw'])} unserved" if row["load_mw"] > 0 else ""
        return f"Bus {row['bus']}: dead{lost}"
    voltage = f"{fixed(row['vm_pu'], 3)} pu"
    if not row["load_mw"] > 0:
        return f"Bus {row['bus']}: no load, {voltage}"
    return f"Bus {row['bus']}: {of_power(row['served_mw'], row['load_mw'])} served, {voltage}"
