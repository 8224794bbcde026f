"""The paper's figures from result folders, as SVG files that need nothing else."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from hybridopt.plots import WIDE, draw_bar, hour_labels, plot_buses, plot_dispatch
from hybridopt.report import legend_items
from hybridopt.report_files import STAGES, read_run
from hybridopt.report_format import power
from hybridopt.report_map import draw_maps
from hybridopt.report_svg import INK, LEFT, RIGHT, Canvas, Frame, Scale, legend, nice_range

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from hybridopt.network_scenario import Scenario
    from hybridopt.report_files import RunFiles

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
MOST_WIDE = 1300.0  # a wider figure is too small to read beside text
EDGE = 12.0  # free space around a drawing
CLASS_COLOURS = ("#0072b2", "#e69f00", "#009e73", "#7a6fb0")
Placed = tuple[float, float, float, str]  # left, top, width of a drawing, and the drawing


def size(svg: str) -> tuple[float, float]:
    """Width and height of a drawing, from its viewBox."""
    found = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)
    if found is None:
        raise ValueError("the drawing has no viewBox")
    return float(found[1]), float(found[2])


def standalone(label: str, parts: Sequence[Placed]) -> str:
    """One SVG file with a white ground and a font, of drawings on one sheet."""
    spots = [(x, y, w, w * size(svg)[1] / size(svg)[0], svg) for x, y, w, svg in parts]
    width = max(x + w for x, _, w, _, _ in spots) + 2 * EDGE
    height = max(y + h for _, y, _, h, _ in spots) + 2 * EDGE
    inner = [
        str(svg).replace(
            "<svg ",
            f'<svg x="{x + EDGE:.0f}" y="{y + EDGE:.0f}" width="{w:.1f}" height="{h:.1f}" ',
            1,
        )
        for x, y, w, h, svg in spots
    ]
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{label}" '
        f'font-family="{FONT}" style="font-variant-numeric: tabular-nums">'
        f'<title>{label}</title><rect width="100%" height="100%" fill="#ffffff"/>'
    )
    return head + "\n".join(inner) + "</svg>\n"


def words(width: float, key: str, title: str, note: str = "") -> str:
    """A head line over a drawing."""
    canvas = Canvas(width, 22, key, title)
    canvas.text(0, 15, title, font_size=14, font_weight=650, fill=INK)
    if note:
        canvas.text(width, 15, note, font_size=13, text_anchor="end")
    return str(canvas.svg())


def map_figure(label: str, maps: Sequence[tuple[str, RunFiles, str]]) -> str:
    """Maps side by side with one legend: (title, run, state) each, as in figures 3a and 5a.

    Three small maps stand in one row over the legend; three large ones in two rows, the legend in
    the free corner.
    """
    parts: list[Placed] = []
    marks: dict[str, str] = {}
    gap, head = 20.0, 24.0
    for k, (title, run, state) in enumerate(maps):
        drawn = {str(found["key"]): found for found in draw_maps(run)}[state]
        width, height = size(str(drawn["svg"]))
        columns = len(maps) if width * len(maps) < MOST_WIDE else 2
        x, y = (k % columns) * (width + gap), (k // columns) * (height + head + gap)
        parts.append((x, y, width, words(width, f"head-{k}", title, str(drawn["served"]))))
        parts.append((x, y + head, width, str(drawn["svg"])))
        marks |= {item["words"]: str(item["svg"]) for item in legend_items(run)}
    if len(maps) % columns:
        x, y = x + width + gap, y + head + gap
    else:
        x, y, width = 0.0, y + head + height + 8, columns * (width + gap) - gap
    return standalone(label, [*parts, *_legend(marks, x, y, width)])


def _legend(marks: dict[str, str], left: float, top: float, width: float) -> list[Placed]:
    parts: list[Placed] = []
    x, y = left, top
    for meaning, svg in marks.items():
        room = 60 + 7.1 * len(meaning)
        if x > left and x + room - 18 > left + width:
            x, y = left, y + 26
        if svg:
            parts.append((x, y, 34, svg))
        text = Canvas(room - 42, 20, "words", meaning)
        text.text(0, 14, meaning, font_size=13)
        parts.append((x + (42 if svg else 0), y, room - 42, str(text.svg())))
        x += room
    return parts


def chart_figure(label: str, charts: Sequence[tuple[str, str]]) -> str:
    """Charts below one another, each under its head line."""
    parts: list[Placed] = []
    y = 0.0
    for k, (title, svg) in enumerate(charts):
        drawn = svg
        for name in set(re.findall(r'id="([^"]+)"', svg)):  # patterns: one name each on a sheet
            drawn = drawn.replace(f'"{name}"', f'"{name}-{k}"').replace(
                f"#{name})", f"#{name}-{k})"
            )
        if title:
            parts.append((0, y, WIDE, words(WIDE, f"chart-{k}", title)))
            y += 32
        parts.append((0, y, WIDE, drawn))
        y += size(drawn)[1] + 22
    return standalone(label, parts)


def buses_chart(run: RunFiles, states: Sequence[str] = STAGES) -> str:
    """Load served per bus in three states, as in figures 3b and 5b, or in some of them."""
    chart = plot_buses(replace(run, stages=run.stages[run.stages["stage"].isin(states)]))
    if chart is None:
        raise ValueError("the run has no load")
    return str(chart.wide)


def dispatch_chart(run: RunFiles) -> str:
    """Output of the units over the day under the load, as in figures 4 and 7."""
    chart = plot_dispatch(run)
    if chart is None:
        raise ValueError("the run has no dispatch")
    return str(chart.wide)


def printed_run(folder: Path, table: pd.DataFrame) -> RunFiles:
    """Table 7 in the form of a run: its two generators in place of ours.

    Parameters
    ----------
    folder : result of the paper's plan, for the load
    table : hours as rows; g1_mw, g2_mw
    """
    run = read_run(folder)
    units = (("g1_mw", "gen", "G1", "3"), ("g2_mw", "dg", "G2", "4"))
    frames = [
        pd.DataFrame(
            {
                "hour": table.index.astype(float),
                "element": kind,
                "name": name,
                "bus": bus,
                "p_mw": table[column].to_numpy(),
                "q_mvar": math.nan,
                "cost": math.nan,
            }
        )
        for column, kind, name, bus in units
    ]
    return replace(run, dispatch=pd.concat(frames, ignore_index=True))


def class_loads(scenario: Scenario) -> pd.DataFrame:
    """Load of each customer class over the day: (24, n_class), MW; hours as rows."""
    load, grid = scenario.case.load, scenario.grid
    peak = grid.demand()[0] * grid.base_mva
    curves = pd.DataFrame(load.classes, index=pd.Index(range(1, 25), name="hour"), dtype=float)
    share = pd.DataFrame(
        [load.shares.get(bus, load.default_shares) or {} for bus in grid.bus_id],
        columns=list(curves.columns),
        dtype=float,
    ).fillna(0.0)
    return curves * (share.mul(peak, axis=0)).sum() * load.scale


def class_figure(label: str, loads: pd.DataFrame) -> str:
    """The curve of each class and, in the last panel, their sum, as in figures 6a to 6d."""
    canvas = Canvas(WIDE, 0, "classes", label)
    colours = dict(zip(loads.columns, CLASS_COLOURS, strict=False))
    across = (WIDE - 28) / 2
    _, top = nice_range(0, loads.to_numpy().max(), 4)
    _, whole = nice_range(0, loads.sum(axis=1).max(), 4)
    panels = [(str(name).capitalize(), [name], top) for name in loads.columns]
    panels.append(("Sum", list(loads.columns), whole))
    for k, (title, names, high) in enumerate(panels):
        left, head = (k % 2) * (across + 28), (k // 2) * 250 + 36.0
        x = Scale(0, len(loads), left + LEFT, left + across - RIGHT)
        frame = Frame(canvas, x, Scale(0, high, head + 160, head))
        frame.y_axis(f"({'abcdefgh'[k]}) {title}, MW", 4)
        for at, (hour, row) in enumerate(loads.iterrows()):
            foot = 0.0
            for name in names:
                tip = f"Hour {hour}, {name}: {power(float(row[name]))}"
                draw_bar(frame, at, (foot, foot + row[name]), colours[name], tip)
                foot += float(row[name])
        frame.x_axis(hour_labels(loads.index, x.end - x.start), "hour")
        if len(names) > 1:
            items = [("box", colours[n], str(n)) for n in names]
            legend(canvas, head - 13, items, left + across - 330)
    canvas.height = (len(panels) + 1) // 2 * 250 - 10
    title = words(WIDE, "classes-head", label)
    return standalone(label, [(0, 0, WIDE, title), (0, 24, WIDE, str(canvas.svg()))])
