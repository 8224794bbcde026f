"""Symbols of the map, and its legend drawn with the same strokes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from hybridopt.report_format import power
from hybridopt.report_svg import (
    DEAD,
    INK,
    MUTED,
    PAPER,
    PARTLY,
    PLAN,
    SERVED,
    UNSERVED,
    Canvas,
    Look,
)

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Stroke(NamedTuple):
    """How a branch is drawn, and what that means."""

    colour: str
    width: float
    dashes: str
    meaning: str


PALE = "#bcc4ca"
LINES = {
    "service": Stroke(MUTED, 1.8, "", "in service"),
    "plan": Stroke(PLAN, 4.0, "", "repaired, added or closed by the plan"),
    "damaged": Stroke(UNSERVED, 1.8, "5 3.5", "damaged"),
    "dead": Stroke(PALE, 1.4, "", "undamaged but dead"),
    "open": Stroke(PALE, 1.2, "1.5 3", "not in service"),
}
UNITS = {"service": INK, "lost": UNSERVED, "plan": PLAN}  # state of a unit -> colour
NAMES = {"ext_grid": "External grid", "gen": "Generator", "sgen": "Static generator", "dg": "DG"}
FULL, NONE = 0.999, 0.001  # shares from which a load counts as served and as unserved


def draw_branch(
    canvas: Canvas, ends: tuple[Floats, Floats], bend: float, style: str, tip: str
) -> Floats:
    """Draw a branch, bowed out by `bend`, and return its middle."""
    (a, b), stroke = ends, LINES[style]
    along = b - a
    normal = np.array([-along[1], along[0]]) / max(math.hypot(*along), 1e-9)
    middle: Floats = (a + b) / 2 + normal * bend
    turn = middle + normal * bend
    way = f"M{a[0]:.1f} {a[1]:.1f}Q{turn[0]:.1f} {turn[1]:.1f} {b[0]:.1f} {b[1]:.1f}"
    look: Look = {"stroke": stroke.colour, "stroke_width": stroke.width}
    if stroke.dashes:
        look["stroke_dasharray"] = stroke.dashes
    canvas.add("path", tip=tip, d=way, fill="none", **look)
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
        # The cross keeps clear of a label in the middle of a large disc.
        inner = 0.5 if radius >= 9 else 0.0
        for angle in (math.pi / 4 * k for k in (1, 3, 5, 7)):
            out = radius * np.array([math.cos(angle), math.sin(angle)])
            ends = (at + inner * out, at + 0.95 * out)
            canvas.path(ends, stroke=PAPER, stroke_width=1.4)


def stub(state: str) -> Look:
    """How the line from a bus to its unit is drawn."""
    dashes = {"stroke_dasharray": "3 2"} if state == "lost" else {}
    return {"stroke": UNITS[state], "stroke_width": 1.3, **dashes}


def draw_source(canvas: Canvas, row: dict[str, Any], at: Floats, size: float, state: str) -> None:
    """Draw a unit: square external grid, round generator, diamond DG."""
    kind, top = str(row["kind"]), row["max_p_mw"]
    most = f", up to {power(top)}" if math.isfinite(top) and top < 1e6 else ""
    gone = ": out of service" if state == "lost" else ""
    tip = f"{NAMES.get(kind, kind)} {row['name']}{most}{gone}"
    filled = state == "plan"
    shape, ink = _shape(kind, at, size), PAPER if filled else UNITS[state]
    look = stub(state) | {"stroke_width": 1.5, "fill": UNITS[state] if filled else PAPER}
    canvas.add("path", tip=tip, d=shape, **look)
    marks = {"ext_grid": _hatching, "gen": _wave}.get(kind)
    if marks:
        inner: Look = {"fill": "none", "stroke": ink, "stroke_width": 1, "pointer_events": "none"}
        canvas.add("path", d=marks(at, size), **inner)
    if state == "lost":
        draw_cross(canvas, at, size * 0.75, UNSERVED, 1.8)


def _shape(kind: str, at: Floats, size: float) -> str:
    x, y = at.tolist()
    if kind == "gen":
        arc = f"a{size:.2f} {size:.2f} 0 1 0"
        return f"M{x - size:.2f} {y:.2f}{arc} {2 * size:.2f} 0{arc} {-2 * size:.2f} 0Z"
    corners = {
        "ext_grid": ((-0.9, -0.9), (0.9, -0.9), (0.9, 0.9), (-0.9, 0.9)),
        "sgen": ((0, -1.05), (1.05, 0.85), (-1.05, 0.85)),
    }.get(kind, ((0, -1.15), (1.15, 0), (0, 1.15), (-1.15, 0)))
    points = (f"{x + size * dx:.2f} {y + size * dy:.2f}" for dx, dy in corners)
    return f"M{'L'.join(points)}Z"


def _hatching(at: Floats, size: float) -> str:
    x, y = at.tolist()
    way = ""
    for shift, reach in ((-0.45, 0.45), (0, 0.9), (0.45, 0.45)):
        start = f"M{x + size * (shift - reach):.2f} {y + size * (shift + reach):.2f}"
        way += f"{start}l{2 * size * reach:.2f} {-2 * size * reach:.2f}"
    return way


def _wave(at: Floats, size: float) -> str:
    x, y = at.tolist()
    r = 0.55 * size
    return f"M{x - r:.2f} {y:.2f}q{r / 2:.2f} {-r:.2f} {r:.2f} 0t{r:.2f} 0"


def map_legend(
    lines: set[str], loads: set[str], units: set[tuple[str, str]], largest_mw: float
) -> list[dict[str, Any]]:
    """Marks that the maps use, each with its meaning.

    Parameters
    ----------
    lines : keys of LINES;  loads : results of `load_state`;  units : (kind, state)
    largest_mw : load of the largest disc
    """
    words = {
        "served": "load served",
        "partly": "load partly served",
        "unserved": "load unserved",
        "dead": "dead bus",
        "no load": "bus without load",
    }
    rows: list[tuple[Canvas | None, str]]
    rows = [(_line_mark(s), f"line {LINES[s].meaning}") for s in LINES if s in lines]
    rows += [(_load_mark(s), words[s]) for s in words if s in loads]
    for kind, name in NAMES.items():
        state = "plan" if kind == "dg" else "service"
        if kind in {k for k, _ in units}:
            rows.append((_source_mark(kind, state), "DG" if kind == "dg" else name.lower()))
    if "lost" in {state for _, state in units}:
        rows.append((_source_mark("gen", "lost"), "unit out of service"))
    if largest_mw > 0:
        rows.append((None, f"the area of a disc is its load, at most {power(largest_mw)}"))
    return [{"svg": mark.svg() if mark else "", "words": text} for mark, text in rows]


def _mark(name: str) -> tuple[Canvas, Floats]:
    return Canvas(34, 20, f"legend-{name}", name), np.array([17.0, 10.0])


def _line_mark(style: str) -> Canvas:
    canvas, middle = _mark(style)
    reach = np.array([16.0, 0.0])
    draw_branch(canvas, (middle - reach, middle + reach), 0.0, style, "")
    if style == "damaged":
        draw_cross(canvas, middle, 4.5, LINES[style].colour)
    return canvas


def _load_mark(state: str) -> Canvas:
    canvas, middle = _mark(state)
    part = {"served": 1.0, "partly": 0.6}.get(state, 0.0)
    row = {"energised": state != "dead", "load_mw": float(state != "no load"), "served_mw": part}
    draw_load(canvas, middle, 5.0 if state == "no load" else 8.0, row, "")
    return canvas


def _source_mark(kind: str, state: str) -> Canvas:
    canvas, middle = _mark(f"{kind}-{state}")
    draw_source(canvas, {"kind": kind, "name": "", "max_p_mw": math.nan}, middle, 7.0, state)
    return canvas
