"""Maps of the grid before the event, after it and after the plan, on one layout."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from markupsafe import Markup

from hybridopt.report_files import STAGES, natural
from hybridopt.report_format import fixed, of_power, percent, power
from hybridopt.report_layout import Labels, free_direction, place_buses
from hybridopt.report_symbols import (
    LINES,
    draw_branch,
    draw_cross,
    draw_load,
    draw_source,
    draw_trafo,
)
from hybridopt.report_svg import INK, PAPER, Canvas

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from hybridopt.report_files import RunFiles

    Floats = NDArray[np.float64]

TITLES = {"before_event": "Before the event", "after_event": "After the event"}
TITLES["after_plan"] = "After the plan"
TWO_IN_A_ROW_FROM, FULL_WIDTH_FROM = 17, 51  # buses
NO_LABELS_FROM = 200


@dataclass(frozen=True, eq=False)
class _Layout:
    """Everything about the map that is the same in each state.

    Attributes
    ----------
    at : bus -> (x, y);  radius : bus -> canvas units
    bend : per branch, canvas units by which parallel branches bow out
    sources : (x, y) per source;  labels : bus -> (x, y), buses without room left out
    inside : buses whose label stands in their disc
    """

    width: float
    height: float
    at: dict[str, Floats]
    radius: dict[str, float]
    bend: list[float]
    sources: list[Floats]
    labels: dict[str, Floats]
    inside: frozenset[str]
    size: float
    font: float


def draw_maps(run: RunFiles) -> list[dict[str, Any]]:
    """One map per state that the run has: title, what is served, drawing; [] without buses."""
    stages = [s for s in STAGES if (run.stages["stage"] == s).any()]
    if not stages:
        return []
    branches = run.topology[_known_ends(run)].reset_index(drop=True)
    sources = run.sources[run.sources["bus"].isin(set(run.stages["bus"]))].reset_index(drop=True)
    layout = _lay_out(run.stages, branches, sources)
    planned = {str(line.get("name")) for line in run.plan.get("lines") or []}
    return [
        {
            "title": TITLES[stage],
            "served": _served(run, stage),
            "svg": _draw(layout, run, stage, branches, sources, planned),
            "columns": _columns(len(layout.at)),
        }
        for stage in stages
    ]


def _columns(n_bus: int) -> int:
    return 3 if n_bus < TWO_IN_A_ROW_FROM else 2 if n_bus < FULL_WIDTH_FROM else 1


def _known_ends(run: RunFiles) -> pd.Series:
    buses = set(run.stages["bus"])
    return run.topology["from_bus"].isin(buses) & run.topology["to_bus"].isin(buses)


def _served(run: RunFiles, stage: str) -> str:
    at = run.stages[run.stages["stage"] == stage]
    load, served = at["load_mw"].sum(), at["served_mw"].sum()
    return f"{of_power(served, load)} served" if load > 0 else "no load"


def _lay_out(stages: pd.DataFrame, branches: pd.DataFrame, sources: pd.DataFrame) -> _Layout:
    table = stages.drop_duplicates("bus").set_index("bus")
    buses = sorted(table.index, key=natural)
    index = {bus: i for i, bus in enumerate(buses)}
    ends = np.array(
        [
            [index[a], index[b]]
            for a, b in zip(branches["from_bus"], branches["to_bus"], strict=True)
        ]
    ).reshape(-1, 2)
    width = {3: 400.0, 2: 540.0, 1: 1100.0}[_columns(len(buses))]
    given = table.loc[buses, ["x", "y"]].to_numpy(dtype=float)
    at, height = place_buses(given, ends, width, margin=36.0)
    room = math.sqrt((width - 72) * (height - 72) / max(len(buses), 1))
    largest = float(np.clip(0.25 * room, 5, 22))
    load = stages.groupby("bus")["load_mw"].max().reindex(buses).fillna(0.0).to_numpy()
    small = float(np.clip(0.075 * room, 3, 5.5))
    radius = np.where(
        load > 0, np.maximum(largest * np.sqrt(load / max(load.max(), 1e-12)), small), small
    )
    size = float(np.clip(0.11 * room, 4, 8.5))
    font = 11.0 if len(buses) >= FULL_WIDTH_FROM else 12.5
    at_bus = [index[bus] for bus in sources["bus"]]
    spots = _source_spots(at, ends, radius, at_bus, size, (width, height))
    bend = _bends(ends)
    inside = frozenset(
        bus for bus, r in zip(buses, radius, strict=True) if 0.3 * font * len(bus) + 4 < r
    )
    labels = dict(zip(buses, at, strict=True))
    if len(buses) < NO_LABELS_FROM:
        outside = [i for i, bus in enumerate(buses) if bus not in inside]
        boxes = [(*at[i], radius[i] * 0.9, radius[i] * 0.9) for i in range(len(at))]
        room_left = Labels(
            boxes + [(*spot, size, size) for spot in spots],
            [(*at[a], *at[b]) for a, b in ends],
            width,
            height,
        )
        for i in outside:
            half = (0.3 * font * len(buses[i]) + 0.5, 0.45 * font)
            place = room_left.place(*at[i], reach=radius[i] + 1.5, half=half)
            if place is None:
                del labels[buses[i]]
            else:
                labels[buses[i]] = place
    else:
        labels = {}
    return _Layout(
        width,
        height,
        dict(zip(buses, at, strict=True)),
        dict(zip(buses, radius.tolist(), strict=True)),
        bend,
        spots,
        labels,
        inside,
        size,
        font,
    )


def _source_spots(
    at: Floats,
    ends: NDArray[np.int64],
    radius: Floats,
    buses: list[int],
    size: float,
    canvas: tuple[float, float],
) -> list[Floats]:
    """Place each source beside its bus, in the direction with most room."""
    spots: list[Floats] = []
    taken: dict[int, list[float]] = {}
    for bus in buses:
        others = np.concatenate([ends[ends[:, 0] == bus, 1], ends[ends[:, 1] == bus, 0]])
        out = float(radius[bus]) + size + 8
        busy = taken.setdefault(bus, [])
        angle = free_direction(at, bus, busy, at[others], out + 1.3 * size, canvas)
        busy.append(angle)
        away = np.array([math.cos(angle), math.sin(angle)])
        spots.append(at[bus] + away * out)
    return spots


def _bends(ends: NDArray[np.int64]) -> list[float]:
    pairs = [tuple(sorted(pair)) for pair in ends.tolist()]
    bend, seen = [], dict.fromkeys(pairs, 0)
    for pair, (a, b) in zip(pairs, ends.tolist(), strict=True):
        of = pairs.count(pair)
        bow = 9.0 * (seen[pair] - (of - 1) / 2)
        seen[pair] += 1
        bend.append(bow if a <= b else -bow)
    return bend


def _draw(
    layout: _Layout,
    run: RunFiles,
    stage: str,
    branches: pd.DataFrame,
    sources: pd.DataFrame,
    planned: set[str],
) -> Markup:
    canvas = Canvas(
        layout.width, layout.height, f"map-{stage}", f"Map of the grid: {TITLES[stage]}"
    )
    crosses = []
    for row, bend in zip(branches.to_dict("records"), layout.bend, strict=True):
        style = branch_style(row, stage, planned)
        if style is None:
            continue
        a, b = layout.at[row["from_bus"]], layout.at[row["to_bus"]]
        tip = _branch_tip(row, stage, style)
        middle = draw_branch(canvas, a, b, bend, style, tip)
        if style == "damaged":
            crosses.append(middle)
        if row["kind"] == "trafo":
            draw_trafo(canvas, middle, b - a, LINES[style][0])
    for middle in crosses:
        draw_cross(canvas, middle, 4.5, LINES["damaged"][0])
    for row, spot in zip(sources.to_dict("records"), layout.sources, strict=True):
        state = source_state(row, stage)
        if state is not None:
            draw_source(canvas, layout.at[row["bus"]], spot, layout.size, row, state)
    for row in run.stages[run.stages["stage"] == stage].to_dict("records"):
        draw_load(canvas, layout.at[row["bus"]], layout.radius[row["bus"]], row, _bus_tip(row))
    for bus, (x, y) in layout.labels.items():
        within = bus in layout.inside
        canvas.text(
            x,
            y + 0.35 * layout.font,
            bus,
            text_anchor="middle",
            font_size=layout.font,
            font_weight=600,
            fill=PAPER if within else INK,
            **({} if within else {"stroke": PAPER, "stroke_width": 3, "paint_order": "stroke"}),
            pointer_events="none",
        )
    return canvas.svg()


def branch_style(row: dict[str, Any], stage: str, planned: set[str]) -> str | None:
    """How a branch is drawn in a state: a key of LINES, or None for not at all."""
    closed = bool(row[stage])
    by_plan = row["branch"] in planned
    if stage == "before_event":
        if closed:
            return "service"
        return None if by_plan and not row["after_event"] else "open"
    if stage == "after_plan" and closed and (by_plan or row["damaged"]):
        return "plan"
    if row["damaged"] and not closed:
        return "damaged"
    if closed:
        return "plan" if stage == "after_plan" and not row["before_event"] else "service"
    if by_plan and stage == "after_event" and not row["before_event"]:
        return None
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
    return f"{kind} {row['branch']}: {LINES[style][3]}{load}"


def _bus_tip(row: dict[str, Any]) -> str:
    if not row["energised"]:
        lost = f", {power(row['load_mw'])} unserved" if row["load_mw"] > 0 else ""
        return f"Bus {row['bus']}: dead{lost}"
    voltage = f"{fixed(row['vm_pu'], 3)} pu"
    if not row["load_mw"] > 0:
        return f"Bus {row['bus']}: no load, {voltage}"
    return f"Bus {row['bus']}: {of_power(row['served_mw'], row['load_mw'])} served, {voltage}"
