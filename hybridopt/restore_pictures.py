"""Pictures of a restoration: service over time, the resilience trapezoid, the crews' day."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.plots import NARROW, Chart, both
from hybridopt.report_format import fixed, power
from hybridopt.report_svg import (
    FAINT,
    INK,
    LEFT,
    MUTED,
    PAPER,
    PLAN,
    RIGHT,
    SERVED,
    UNSERVED,
    Canvas,
    Frame,
    Look,
    Scale,
    legend,
    nice_range,
    nice_ticks,
    tick_decimals,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

Rows = list[dict[str, Any]]
BAR = "#56b4e9"
ROW = 34.0  # height of a crew's row
FLAT = 60.0  # a trapezoid so low has no room for words beside its sides


def service_chart(found: dict[str, Any]) -> Chart:
    """Demand and power served from the event on, what is missing between them."""
    return both(lambda width: _service(width, found))


def _service(width: float, found: dict[str, Any]) -> Canvas:
    curve = found["curve"]
    canvas = Canvas(width, 330, f"service-{width:.0f}", "Power served after the event")
    hatch = canvas.hatch(UNSERVED)
    items = [("box", SERVED, "served"), ("box", hatch, "unserved"), ("line", INK, "demand")]
    head = legend(canvas, 12, [*items, ("dash", PLAN, "a repair is done")]) + 34
    x = Scale(0.0, curve[-1]["to_h"], LEFT, width - RIGHT - 8)
    top = max(row["demand_mw"] for row in curve) or 1.0
    frame = Frame(canvas, x, Scale(*nice_range(0, top), 280, head))
    frame.y_axis("Power, MW")
    for row in curve:
        left, right = x(row["from_h"]), x(row["to_h"])
        tip = (
            f"{fixed(row['from_h'], 2)} to {fixed(row['to_h'], 2)} h: {power(row['served_mw'])} "
            f"of {power(row['demand_mw'])} served"
        )
        for low, high, fill in (
            (0.0, row["served_mw"], SERVED),
            (row["served_mw"], row["demand_mw"], hatch),
        ):
            tall = frame.y(low) - frame.y(high)
            if tall > 0.05:
                box: Look = {"x": left, "y": frame.y(high), "width": right - left, "height": tall}
                canvas.add("rect", tip=tip, fill=fill, fill_opacity=0.85, **box)
    canvas.path(_stairs(frame, curve, "demand_mw"), stroke=INK, stroke_width=1.8)
    _ends(frame, found["schedule"])
    frame.x_axis(_ticks(x, width), "hours after the event")
    return canvas


def _stairs(frame: Frame, rows: Rows, name: str) -> list[tuple[float, float]]:
    return [(frame.x(row[at]), frame.y(row[name])) for row in rows for at in ("from_h", "to_h")]


def _ends(frame: Frame, schedule: Rows) -> None:
    """A line at each end of a repair."""
    for row in schedule:
        at = frame.x(row["done_h"])
        frame.canvas.add(
            "line",
            tip=f"{row['element']}: done after {fixed(row['done_h'], 2)} h",
            x1=at,
            x2=at,
            y1=frame.y.start,
            y2=frame.y.end,
            stroke=PLAN,
            stroke_width=1.6,
            stroke_dasharray="5 4",
        )


def _ticks(x: Scale, width: float) -> list[tuple[float, str]]:
    ticks = nice_ticks(x.low, x.high, 10 if width > NARROW else 5)
    decimals = tick_decimals(ticks)
    return [(tick, fixed(tick, decimals)) for tick in ticks]


def trapezoid_chart(found: dict[str, Any]) -> Chart:
    """Share of the demand that is served, with the trapezoid's corners and names."""
    return both(lambda width: _trapezoid(width, found))


def _trapezoid(width: float, found: dict[str, Any]) -> Canvas:
    curve, marks = found["curve"], found["trapezoid"]["percent"]
    canvas = Canvas(width, 350, f"trapezoid-{width:.0f}", "Resilience trapezoid")
    items = [("line", SERVED, "served, % of demand"), ("dash", UNSERVED, "trapezoid")]
    head = legend(canvas, 12, items) + 34
    x = Scale(-marks["event_h"], curve[-1]["to_h"], LEFT, width - RIGHT - 8)
    frame = Frame(canvas, x, Scale(0.0, 100.0, 300, head))
    frame.y_axis("Level of resilience, %")
    low = 100.0 - marks["lambda"]
    full = 100.0 - _lost(curve[-1])
    corners = [
        (-marks["event_h"], 100.0),
        (0.0, low),
        (marks["onset_h"], low),
        (marks["end_h"], full),
    ]
    shape = [(x(t), frame.y(level)) for t, level in corners]
    base = [*shape, (x(marks["end_h"]), frame.y(100.0))]
    canvas.path(base, fill=UNSERVED, fill_opacity=0.09)
    stairs = [(x(-marks["event_h"]), frame.y(100.0))]
    for row in curve:
        y = frame.y(100.0 - _lost(row))
        stairs += [(x(row["from_h"]), y), (x(row["to_h"]), y)]
    canvas.path(stairs, stroke=SERVED, stroke_width=2.2, stroke_linejoin="round")
    canvas.path(shape, stroke=UNSERVED, stroke_width=1.6, stroke_dasharray="5 4")
    if marks["lambda"] > 0:
        _names(frame, corners, marks)
    frame.x_axis(_ticks(x, width), "hours after the event")
    return canvas


def _lost(row: dict[str, Any]) -> float:
    return 100.0 * float(row["unserved_mw"]) / row["demand_mw"] if row["demand_mw"] > 0 else 0.0


def _names(frame: Frame, corners: Sequence[tuple[float, float]], marks: dict[str, Any]) -> None:
    """Phi, Lambda, E and Pi beside the sides that they measure."""
    (_, _), (end, low), (onset, _), (last, full) = corners
    look = {"fill": UNSERVED, "font_weight": 600}
    canvas, x, y = frame.canvas, frame.x, frame.y
    words = f"Λ {fixed(marks['lambda'], 1)} %, Φ {fixed(marks['phi'], 1)} %/h"
    words += f", E {fixed(marks['e_h'], 1)} h"
    recovery = "" if marks["pi"] is None else f"Π {fixed(marks['pi'], 1)} %/h"
    is_flat = y(low) - y(full) < FLAT
    if is_flat and recovery:
        words += f", {recovery}"
    canvas.text(x(end) + 6, min(y(low) + 18, y.start - 6), words, **look)
    if recovery and not is_flat:
        middle = x((onset + last) / 2) + 10
        place = min(middle, x.end - 96)
        canvas.text(place, y((low + full) / 2) + 4, recovery, **look)


def crews_chart(found: dict[str, Any]) -> Chart:
    """Gantt chart: each crew on the way and at work."""
    return both(lambda width: _crews(width, found))


def _crews(width: float, found: dict[str, Any]) -> Canvas:
    rows, crews = found["schedule"], found["crews"]
    used = max(row["crew"] for row in rows)
    shown = min(crews, used + 1)
    canvas = Canvas(width, 0, f"crews-{width:.0f}", "Crews at work")
    items = [("box", BAR, "repair")]
    if any(row["travel_h"] > 0 for row in rows):
        items.append(("box", MUTED, "on the way"))
    head = legend(canvas, 12, items) + 16
    foot = head + ROW * shown
    x = Scale(0.0, found["curve"][-1]["to_h"], LEFT, width - RIGHT - 8)
    for tick, _ in _ticks(x, width):
        canvas.line(x(tick), head, x(tick), foot, stroke=FAINT)
    for crew in range(1, shown + 1):
        name = f"crew {crew}"
        if crew == shown < crews:
            name = f"{crews - used} idle"
        canvas.text(LEFT - 8, head + ROW * (crew - 0.5) + 4, name, text_anchor="end")
    for row in rows:
        _bar(canvas, x, head + ROW * (row["crew"] - 1), row)
    Frame(canvas, x, Scale(0, 1, foot, head)).x_axis(_ticks(x, width), "hours after the event")
    canvas.height = foot + 44
    return canvas


def _bar(canvas: Canvas, x: Scale, top: float, row: dict[str, Any]) -> None:
    times = [x(row[name]) for name in ("leave_h", "begin_h", "done_h")]
    tip = (
        f"{row['element']}, crew {row['crew']}: sets out {fixed(row['leave_h'], 2)} h, begins "
        f"{fixed(row['begin_h'], 2)} h, done {fixed(row['done_h'], 2)} h"
    )
    box: Look = {"tip": tip, "y": top + 5, "height": ROW - 10}
    if times[1] - times[0] > 0.05:
        canvas.add("rect", x=times[0], width=times[1] - times[0], fill=MUTED, **box)
    canvas.add(
        "rect", x=times[1], width=max(times[2] - times[1], 0.8), fill=BAR, stroke=PAPER, **box
    )
    name = row["element"]
    if times[2] - times[1] > 6.4 * len(name) + 8:
        middle = (times[1] + times[2]) / 2
        canvas.text(middle, top + ROW / 2 + 4, name, text_anchor="middle", fill=INK)
