"""Symbols of the map, and its legend drawn with the same strokes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.report_format import power
from hybridopt.report_svg import DEAD, INK, MUTED, PAPER, PARTLY, PLAN, SERVED, UNSERVED, Canvas

if TYPE_CHECKING:
    from typing import Any

    from markupsafe import Markup
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LINES: dict[str, tuple[str, float, str, str]] = {  # colour, width, dashes, what it means
    "service": (MUTED, 1.8, "", "in service"),
    "plan": (PLAN, 4.0, "", "repaired, added or closed by the plan"),
    "damaged": (UNSERVED, 1.8, "5 3.5", "damaged"),
    "dead": ("#bcc4ca", 1.4, "", "undamaged but dead"),
    "open": ("#bcc4ca", 1.2, "1.5 3", "open"),
}
NAMES = {"ext_grid": "External grid", "gen": "Generator", "sgen": "Static generator", "dg": "DG"}
FULL, NONE = 0.999, 0.001  # shares from which a load counts as served and as unserved


def draw_branch(canvas: Canvas, a: Floats, b: Floats, bend: float, style: str, tip: str) -> Floats:
    """Draw a branch from a to b, bowed by `bend`, and return its middle."""
    colour, width, dashes, _ = LINES[style]
    along = b - a
    normal = np.array([-along[1], along[0]]) / max(math.hypot(*along), 1e-9)
    middle: Floats = (a + b) / 2 + normal * bend
    turn = (a + b) / 2 + 2 * normal * bend
    way = f"M{a[0]:.1f} {a[1]:.1f}Q{turn[0]:.1f} {turn[1]:.1f} {b[0]:.1f} {b[1]:.1f}"
    dashed = {"stroke_dasharray": dashes} if dashes else {}
    canvas.add("path", tip=tip, d=way, fill="none", stroke=colour, stroke_width=width, **dashed)
    return middle


def draw_trafo(canvas: Canvas, middle: Floats, along: Floats, colour: str) -> None:
    """Two circles that overlap, on the middle of a branch."""
    step = along / max(math.hypot(*along), 1e-9) * 2.2
    for x, y in (middle - step, middle + step):
        canvas.add("circle", cx=x, cy=y, r=3.6, fill=PAPER)
    for x, y in (middle - step, middle + step):
        canvas.add("circle", cx=x, cy=y, r=3.6, fill="none", stroke=colour, stroke_width=1.3)


def draw_cross(canvas: Canvas, at: Floats, size: float, colour: str, width: float = 2.0) -> None:
    """Draw an X."""
    x, y = at
    for turn in (1, -1):
        ends = ((x - size, y - turn * size), (x + size, y + turn * size))
        canvas.path(ends, stroke=colour, stroke_width=width, stroke_linecap="round")


def load_state(row: dict[str, Any]) -> str:
    """Say how a bus fares: no load, served, partly, unserved or dead."""
    if not row["energised"]:
        return "dead"
    if not row["load_mw"] > 0:
        return "no load"
    part = row["served_mw"] / row["load_mw"]
    return "served" if part >= FULL else "unserved" if part <= NONE else "partly"


def draw_load(canvas: Canvas, at: Floats, radius: float, row: dict[str, Any], tip: str) -> None:
    """Draw a bus as a disc whose area is its load, coloured by what is served."""
    x, y = at
    state = load_state(row)
    fill = {"served": SERVED, "partly": PARTLY, "unserved": UNSERVED, "dead": DEAD}.get(
        state, PAPER
    )
    edge = INK if state == "no load" else PAPER
    canvas.add("circle", tip=tip, cx=x, cy=y, r=radius, fill=fill, stroke=edge, stroke_width=1.4)
    if state == "partly":
        turn = 2 * math.pi * row["served_mw"] / row["load_mw"]
        end = (x + radius * math.sin(turn), y - radius * math.cos(turn))
        way = f"M{x:.2f} {y:.2f}L{x:.2f} {y - radius:.2f}A{radius:.2f} {radius:.2f} 0 "
        way += f"{int(turn > math.pi)} 1 {end[0]:.2f} {end[1]:.2f}Z"
        canvas.add("path", d=way, fill=SERVED, pointer_events="none")
    if state == "dead":
        # The cross keeps clear of a number in the middle of a large disc.
        outer, inner = radius * 0.95, radius * 0.95 if radius < 9 else radius * 0.5
        for angle in (math.pi / 4 * k for k in (1, 3, 5, 7)):
            way2 = np.array([math.cos(angle), math.sin(angle)])
            start = at + way2 * (0 if radius < 9 else inner)
            canvas.path((start, at + way2 * outer), stroke=PAPER, stroke_width=1.4)


def draw_source(
    canvas: Canvas, bus: Floats, at: Floats, size: float, row: dict[str, Any], state: str
) -> None:
    """Draw a unit beside its bus: square external grid, round generator, diamond DG."""
    colour = {"service": INK, "lost": UNSERVED, "plan": PLAN}[state]
    dashed = {"stroke_dasharray": "3 2"} if state == "lost" else {}
    canvas.line(*bus, *at, stroke=colour, stroke_width=1.3, **dashed)
    top = row.get("max_p_mw")
    most = f", up to {power(top)}" if top is not None and math.isfinite(top) and top < 1e6 else ""
    gone = ": lost" if state == "lost" else ""
    tip = f"{NAMES.get(row['kind'], row['kind'])} {row['name']}{most}{gone}"
    look = {"fill": PLAN if state == "plan" else PAPER, "stroke": colour, "stroke_width": 1.5}
    symbol(
        canvas, str(row["kind"]), at, size, PAPER if state == "plan" else colour, tip, look | dashed
    )
    if state == "lost":
        draw_cross(canvas, at, size * 0.75, UNSERVED, 1.8)


def symbol(
    canvas: Canvas, kind: str, at: Floats, size: float, ink: str, tip: str, look: dict[str, Any]
) -> None:
    """Draw the shape of a kind of unit."""
    x, y = at
    if kind == "ext_grid":
        half = size * 0.9
        canvas.add("rect", tip=tip, x=x - half, y=y - half, width=2 * half, height=2 * half, **look)
        for k in (-1, 0, 1):
            reach = half * (1 if k == 0 else 0.5)
            cx, cy = x + k * half / 2, y + k * half / 2
            ends = ((cx - reach, cy + reach), (cx + reach, cy - reach))
            canvas.path(ends, stroke=ink, stroke_width=0.9)
    elif kind == "dg":
        reach = size * 1.15
        corners = ((x, y - reach), (x + reach, y), (x, y + reach), (x - reach, y))
        canvas.path((*corners, corners[0]), **{"tip": tip, **look})
    elif kind == "sgen":
        reach = size * 1.05
        corners3 = ((x, y - reach), (x + reach, y + 0.8 * reach), (x - reach, y + 0.8 * reach))
        canvas.path((*corners3, corners3[0]), **{"tip": tip, **look})
    else:
        canvas.add("circle", tip=tip, cx=x, cy=y, r=size, **look)
        r = size * 0.55
        wave = f"M{x - r:.2f} {y:.2f}q{r / 2:.2f} {-r:.2f} {r:.2f} 0t{r:.2f} 0"
        canvas.add("path", d=wave, fill="none", stroke=ink, stroke_width=1.2, pointer_events="none")


def map_legend(
    kinds: set[str], lines: set[str], loads: set[str], largest_mw: float
) -> list[dict[str, Any]]:
    """Marks that the maps use, each with its meaning."""
    rows: list[dict[str, Any]] = [
        {"svg": _line_mark(style), "words": f"line {LINES[style][3]}"}
        for style in LINES
        if style in lines
    ]
    states = ("served", "partly", "unserved", "dead", "no load")
    words = {"partly": "partly served", "dead": "dead bus", "no load": "bus without load"}
    rows += [
        {"svg": _load_mark(state), "words": words.get(state, f"load {state}")}
        for state in states
        if state in loads
    ]
    rows += [
        {"svg": _source_mark(kind, "plan" if kind == "dg" else "service"), "words": name.lower()}
        if kind != "dg"
        else {"svg": _source_mark(kind, "plan"), "words": "DG of the plan"}
        for kind, name in NAMES.items()
        if kind in kinds
    ]
    if "lost" in kinds:
        rows.append({"svg": _source_mark("gen", "lost"), "words": "unit lost in the event"})
    if largest_mw > 0:
        words2 = f"area of a disc: its load; the largest is {power(largest_mw)}"
        rows.append({"svg": "", "words": words2})
    return rows


def _mark(label: str) -> Canvas:
    return Canvas(34, 20, f"legend-{label}", label)


def _line_mark(style: str) -> Markup:
    canvas = _mark(style)
    a, b = np.array([1.0, 10.0]), np.array([33.0, 10.0])
    middle = draw_branch(canvas, a, b, 0.0, style, "")
    if style == "damaged":
        draw_cross(canvas, middle, 4.5, LINES[style][0])
    return canvas.svg()


def _load_mark(state: str) -> Markup:
    canvas = _mark(state)
    part = {"served": 1.0, "partly": 0.6}.get(state, 0.0)
    row = {"energised": state != "dead", "load_mw": float(state != "no load"), "served_mw": part}
    draw_load(canvas, np.array([17.0, 10.0]), 5.0 if state == "no load" else 8.0, row, "")
    return canvas.svg()


def _source_mark(kind: str, state: str) -> Markup:
    canvas = _mark(f"{kind}-{state}")
    at = np.array([17.0, 10.0])
    row = {"kind": kind, "name": "", "max_p_mw": None}
    draw_source(canvas, at, at, 7.0, row, state)
    return canvas.svg()
