"""One-line diagrams of a reconfiguration: the feeder before it, after a fault, and after it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.feeder_layout import sketch
from hybridopt.plots import NARROW, Chart, both
from hybridopt.report_format import NBSP, fixed
from hybridopt.report_scene import Labels
from hybridopt.report_svg import (
    DEAD,
    INK,
    PAPER,
    PLAN,
    UNSERVED,
    Canvas,
    Look,
    nice_ticks,
    tick_decimals,
)
from hybridopt.report_symbols import draw_cross, draw_source, draw_trafo

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hybridopt.feeder_layout import Diagram, Sketch
    from hybridopt.feeder_result import Reconfiguration

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

STATES = {"before": "before", "fault": "after the fault", "after": "after"}
TIE, PALE = "#8a949b", "#bcc4ca"
VOLTAGES = ("#08306b", "#2f6fb0", "#6aaed6", "#b3d3ea", "#eef5fb")  # low to high, one hue
LABELLED = 1500  # buses beyond which only the ends of switches and the like are named
NARROW_FONT, WIDE_FONT = 10.0, 11.0


@dataclass(frozen=True)
class _Stroke:
    """How a branch is drawn; later ones in STROKES lie above earlier ones."""

    colour: str
    width: float
    dashes: str
    words: str


STROKES = {
    "tie": _Stroke(TIE, 1.1, "4 3", "open"),
    "dead": _Stroke(PALE, 1.6, "", "closed, without supply"),
    "closed": _Stroke(INK, 1.8, "", "closed"),
    "faulted": _Stroke(UNSERVED, 1.8, "2 3", "out of use by the fault"),
    "to_close": _Stroke(PLAN, 1.8, "5 3", "open, will be closed"),
    "to_open": _Stroke(UNSERVED, 2.6, "", "closed, will be opened"),
    "opened": _Stroke(UNSERVED, 1.6, "5 3", "opened"),
    "newly_closed": _Stroke(PLAN, 3.0, "", "closed by the result"),
}

LEGEND = ("closed", "dead", "tie", "to_open", "to_close", "opened", "newly_closed", "faulted")


def state_of(result: Reconfiguration, state: str) -> tuple[Bools, Any]:
    """Closed branches and power flow of a state, None where it has none."""
    gone = np.zeros(result.feeder.n_branch, dtype=bool)
    gone[list(result.fault)] = True
    closed, flow = {
        "before": (result.closed_before, result.flow_before),
        "fault": (result.closed_before & ~gone, result.flow_fault),
        "after": (result.closed_after & ~gone, result.flow_after),
    }[state]
    return closed, flow


def states(result: Reconfiguration) -> list[str]:
    """States that a result has: before, the moment after a fault, after."""
    return [s for s in STATES if s != "fault" or result.fault]


def dead_buses(result: Reconfiguration, state: str) -> Bools:
    """Buses that nothing supplies in a state, (n_bus,)."""
    closed, _ = state_of(result, state)
    return ~result.feeder.reached(closed)


def arrange(result: Reconfiguration) -> Sketch:
    """Layout that all states of a result share: its normal configuration."""
    return sketch(result.feeder, result.closed_before)


def one_line(result: Reconfiguration, state: str, layout: Sketch | None = None) -> Chart:
    """Draw the feeder in a state with opened and closed branches marked.

    Parameters
    ----------
    state : "before", "fault" or "after"
    layout : of `arrange`, to save making it again
    """
    places = layout or arrange(result)
    return both(lambda width: _Drawing(result, state, places, width).canvas)


def voltage_classes(result: Reconfiguration) -> list[tuple[float, float, str]]:
    """Ranges of voltage with a colour each, from low to high, the same in every state."""
    known = [state_of(result, s)[1] for s in states(result)]
    lows = [np.nanmin(flow.vm) for flow in known if flow is not None and flow.converged]
    tops = [np.nanmax(flow.vm) for flow in known if flow is not None and flow.converged]
    if not lows:
        return []
    low, high = float(min(lows)), float(max(tops))
    if high - low < 1e-5:
        return [(low, high, VOLTAGES[-1])]
    ticks = nice_ticks(low, high, 5)
    inner = [t for t in ticks if low + 1e-9 < t < high - 1e-9][-(len(VOLTAGES) - 1) :]
    edges = [low, *inner, high]
    colours = VOLTAGES[len(VOLTAGES) - len(edges) + 1 :]
    return list(zip(edges[:-1], edges[1:], colours, strict=True))


class _Drawing:
    """One state on one canvas."""

    def __init__(self, result: Reconfiguration, state: str, layout: Sketch, width: float) -> None:
        self.result, self.feeder, self.state = result, result.feeder, state
        self.closed, self.flow = state_of(result, state)
        self.dead = dead_buses(result, state)
        self.vm = self._voltages()
        self.classes = voltage_classes(result)
        self.narrow = width <= NARROW
        self.font = NARROW_FONT if self.narrow else WIDE_FONT
        margin = 18.0 if self.narrow else 30.0
        self.fit: Diagram = layout.fit(width, margin, 34.0 if self.narrow else 52.0)
        self.radius = float(np.clip(0.22 * min(self.fit.room), 1.4, 4.6))
        self.mark = float(np.clip(0.3 * min(self.fit.room), 2.6, 5.5))
        words = f"One-line diagram of the feeder {STATES[state]}"
        self.canvas = Canvas(width, self.fit.height, f"one-line-{state}-{width:.0f}", words)
        self.boxes: list[tuple[float, float, float, float]] = []
        parts = [(m, *a, *b) for m, way in enumerate(self.fit.ways) for a, b in pairwise(way)]
        rows = np.array(parts, dtype=float).reshape(-1, 5)
        self.owner, self.segments = rows[:, 0].astype(int), rows[:, 1:]
        self._draw()

    def _voltages(self) -> Floats | None:
        """Lowest voltage of each bus over the hours, None without a power flow."""
        if self.flow is None or not self.flow.converged:
            return None
        filled: Floats = np.where(np.isfinite(self.flow.vm), self.flow.vm, np.inf).min(axis=0)
        return filled

    def _draw(self) -> None:
        styles = [self._style(m) for m in range(self.feeder.n_branch)]
        for style in STROKES:
            for m in [m for m, s in enumerate(styles) if s == style]:
                self._branch(m, style)
        for bar, ends in self.fit.bars.items():
            self._bar(bar, ends)
        for m, style in enumerate(styles):
            self._mark(m, style)
        for bus in range(self.feeder.n_bus):
            self._bus(bus)
        for source in np.flatnonzero(self.feeder.source_vm > 0):
            self._source(int(source))
        self._units_and_labels()
        seen = [style for style in STROKES if style in styles]
        self.canvas.height = self._legend(seen, self.fit.height + 10)

    def _style(self, m: int) -> str:
        result = self.result
        if m in result.fault and self.state != "before":
            return "faulted"
        changes = m in result.opened, m in result.newly_closed
        if self.state == "after":
            if any(changes):
                return "opened" if changes[0] else "newly_closed"
        elif any(changes):
            return "to_open" if changes[0] else "to_close"
        if not self.closed[m]:
            return "tie"
        return "dead" if self.dead[self.feeder.branch_from[m]] else "closed"

    def _branch(self, m: int, style: str) -> None:
        way, stroke = self.fit.ways[m], STROKES[style]
        if np.ptp(way, axis=0).max() < 0.01:
            return
        slim = min(1.0, max(0.45, min(self.fit.room) / 14))
        look: Look = {"stroke": stroke.colour, "stroke_width": stroke.width * slim}
        if stroke.dashes:
            look["stroke_dasharray"] = stroke.dashes
        self.canvas.path(way, class_=f"branch {style}", stroke_linejoin="round", **look)
        tip = f"Branch {self.feeder.branch_name[m]}, {self._ends(m)}: {stroke.words}"
        self.canvas.path(way, stroke="transparent", stroke_width=8, tip=tip)

    def _ends(self, m: int) -> str:
        name, feeder = self.feeder.bus_name, self.feeder
        return f"bus {name[feeder.branch_from[m]]} to {name[feeder.branch_to[m]]}"

    def _mark(self, m: int, style: str) -> None:
        kind, colour = self.feeder.branch_kind[m], STROKES[style].colour
        size = self.mark
        spot, along = self._middle(m, plain=style in ("tie", "closed", "dead"))
        if kind == "trafo" and style not in ("opened", "faulted"):
            draw_trafo(self.canvas, spot, along, colour)
        if style == "opened":
            self.canvas.add("circle", cx=spot[0], cy=spot[1], r=1.25 * size, fill=PAPER)
            cross(self.canvas, spot, size, "mark-opened")
        elif style == "newly_closed":
            switch(self.canvas, spot, size, "mark-closed")
        elif style == "faulted":
            lightning(self.canvas, spot, 1.5 * size, "mark-fault")
        elif style in ("to_open", "to_close"):
            look: Look = {"fill": PAPER, "stroke": colour, "stroke_width": 1.4}
            box: Look = {"width": 1.4 * size, "height": 1.4 * size, "class_": f"mark-{style}"}
            x, y = spot - 0.7 * size
            self.canvas.add("rect", x=x, y=y, **box, **look)
        else:
            return
        self.boxes.append((spot[0], spot[1], 1.2 * size, 1.2 * size))

    def _middle(self, m: int, *, plain: bool) -> tuple[Floats, Floats]:
        """Where the mark of a branch stands, free of other lines if it can, and its direction."""
        way = self.fit.ways[m]
        steps = np.diff(way, axis=0)
        long = np.hypot(steps[:, 0], steps[:, 1])
        k = int(long.argmax())
        if plain or long[k] < 0.1:
            return (way[k] + way[k + 1]) / 2, steps[k]
        others = self.segments[self.owner != m]
        best = None
        for j in np.argsort(-long, kind="stable"):
            for share in (0.5, 0.42, 0.58, 0.34, 0.66, 0.27, 0.73):
                spot = way[j] + share * steps[j]
                gap = float(_distance(spot, others).min(initial=99.0))
                gap = min([gap, *(math.dist(spot, box[:2]) - box[2] for box in self.boxes)])
                if gap > 1.5 * self.mark and long[j] > 4 * self.mark:
                    return spot, steps[j]
                if best is None or gap > best[0] + 1:
                    best = gap, spot, steps[j]
        return best[1:] if best else (way[k], steps[k])

    def _bar(self, bus: int, ends: Floats) -> None:
        (x1, y1), (x2, y2) = ends
        reach = 9.0 if min(self.fit.room) > 14 else 4.0
        dx, dy = (reach, 0.0) if self.fit.upright else (0.0, reach)
        colour = DEAD if self.dead[bus] else INK
        tip = self._tip(bus)
        look: Look = {"stroke": colour, "stroke_width": 4.0 if self.radius > 2.5 else 2.4}
        self.canvas.line(x1 - dx, y1 - dy, x2 + dx, y2 + dy, class_="busbar", tip=tip, **look)
        middle = (ends[0] + ends[1]) / 2
        half = np.abs(ends[1] - ends[0]) / 2 + [dx + 2, dy + 2]
        self.boxes.append((float(middle[0]), float(middle[1]), float(half[0]), float(half[1])))

    def _tip(self, bus: int) -> str:
        name = self.feeder.bus_name[bus]
        if self.dead[bus]:
            return f"Bus {name}: without supply"
        return f"Bus {name}" + ("" if self.vm is None else f": {fixed(self.vm[bus], 4)} pu")

    def _bus(self, bus: int) -> None:
        x, y = self.fit.at[bus]
        if bus in self.fit.bars:
            return
        look: Look = {"fill": PAPER, "stroke": INK, "stroke_width": min(1.1, 0.34 * self.radius)}
        kind = "bus"
        if self.dead[bus]:
            look |= {"stroke": DEAD, "stroke_width": min(1.6, 0.5 * self.radius)}
            kind = "bus dead"
        elif self.vm is not None:
            look["fill"] = self._colour(float(self.vm[bus]))
        self.canvas.add(
            "circle", tip=self._tip(bus), class_=kind, cx=x, cy=y, r=self.radius, **look
        )
        self.boxes.append((x, y, self.radius, self.radius))

    def _colour(self, vm: float) -> str:
        return next((c for _, top, c in self.classes if vm <= top), VOLTAGES[-1])

    def _source(self, bus: int) -> None:
        at, size = self.fit.at[bus], 8.0 if self.narrow else 10.0
        away = 16.0 if self.narrow else 27.0
        step = np.array([0.0, -away]) if self.fit.upright else np.array([-away, 0.0])
        spot = at + step
        if not self.fit.bars:  # by coordinates: the bus itself
            spot = at
        else:
            self.canvas.path((at, spot), stroke=INK, stroke_width=1.5)
        row = {"kind": "ext_grid", "name": f"at bus {self.feeder.bus_name[bus]}"}
        draw_source(self.canvas, row | {"max_p_mw": math.inf}, spot, size, "service")
        self.boxes.append((float(spot[0]), float(spot[1]), size, size))

    def _units_and_labels(self) -> None:
        size = self.canvas.width, self.fit.height + 4
        self.labels = _NearLabels(self.boxes, self.segments, size)
        if self.state == "after":
            for k in range(len(self.result.units)):
                self._unit(k)
        if min(self.fit.room) > 5:
            for bus in self._in_order():
                self._label(bus)

    def _unit(self, k: int) -> None:
        unit, size = self.result.units[k], 6.0
        at = self.fit.at[unit.bus]
        top = float(unit.p_mw.max())
        words = f"{fixed(top, 2 if top >= 0.1 else 3)}{NBSP}MW"
        long = 0.6 * self.font * len(words)
        spot = self.labels.place(at, self.radius + 8, (size + long / 2 + 2, size))
        spot = at + 12.0 if spot is None else spot
        side = -1.0 if spot[0] < at[0] - size else 1.0  # the symbol stands next to the bus
        mark = spot - np.array([side * (long / 2 + 1), 0.0])
        self.canvas.path((at, mark), stroke=PLAN, stroke_width=1.3)
        row = {"kind": "dg", "name": f"at bus {self.feeder.bus_name[unit.bus]}"}
        draw_source(self.canvas, row | {"max_p_mw": unit.max_p_mw}, mark, size, "plan")
        x, y = mark[0] + side * (size + 3), mark[1] + 0.36 * self.font
        look: Look = {"text_anchor": "start" if side > 0 else "end", "fill": "#00664a"}
        self._text(x, y, words, class_="unit", **look)

    def _in_order(self) -> list[int]:
        """Buses to name, those that matter first."""
        feeder, result = self.feeder, self.result
        changed = [*result.opened, *result.newly_closed, *result.fault]
        ends = [int(b) for m in changed for b in (feeder.branch_from[m], feeder.branch_to[m])]
        first = [int(b) for b in np.flatnonzero(feeder.source_vm > 0)]
        first += [u.bus for u in result.units] + ends
        near = np.bincount(
            np.concatenate([feeder.branch_from[self.closed], feeder.branch_to[self.closed]]),
            minlength=feeder.n_bus,
        )
        rest = [int(b) for b in np.argsort(near == 2, kind="stable")]
        return list(dict.fromkeys(first + (rest if feeder.n_bus <= LABELLED else [])))

    def _label(self, bus: int) -> None:
        name = self.feeder.bus_name[bus]
        at, reach = self.fit.at[bus], self.radius + 2.0
        if bus in self.fit.bars:
            at, reach = self.fit.bars[bus][0], 11.0
        half = (0.31 * self.font * len(name) + 0.5, 0.4 * self.font)
        spot = self.labels.place(at, reach, half)
        if spot is not None:
            weight = 700 if self.feeder.source_vm[bus] > 0 else 400
            look: Look = {"class_": "name", "font_weight": weight, "text_anchor": "middle"}
            self._text(float(spot[0]), float(spot[1]) + 0.36 * self.font, name, **look)

    def _text(self, x: float, y: float, words: str, **attrs: Any) -> None:
        look: Look = {"fill": INK, "stroke": PAPER, "stroke_width": 2.6, "paint_order": "stroke"}
        look |= {"font_size": self.font, "pointer_events": "none", **attrs}
        self.canvas.text(x, y, words, **look)

    def _legend(self, seen: list[str], top: float) -> float:
        """Explain the marks in use below the diagram; return the foot."""
        items: list[tuple[Callable[[float, float], None], str]] = [
            (self._sample(style), STROKES[style].words) for style in LEGEND if style in seen
        ]
        items.append((self._sample_source, "source"))
        if self.state == "after" and self.result.units:
            items.append((self._sample_unit, "distributed generator"))
        if self.dead.any():
            items.append((self._sample_bus(PAPER, DEAD), "bus without supply"))
        y = self._items(0.0, top + 12, items)
        if self.vm is not None:
            shown = [edge for low, high, _ in self.classes for edge in (low, high)]
            decimals = max(3, tick_decimals(shown[1:-1])) if len(shown) > 2 else 4
            classes = [
                (
                    self._sample_bus(colour, INK),
                    f"{fixed(low, decimals)}\N{EN DASH}{fixed(high, decimals)}",
                )
                for low, high, colour in reversed(self.classes)
            ]
            words = "Bus voltage, pu" if self.feeder.n_t == 1 else "Lowest bus voltage, pu"
            self.canvas.text(0, y + 23, words)
            y = self._items(self.canvas.width if self.narrow else 150.0, y + 23, classes)
        return y + 10

    def _items(
        self, x: float, y: float, items: list[tuple[Callable[[float, float], None], str]]
    ) -> float:
        """Marks and words in rows from the left; return the last base line."""
        for draw, words in items:
            wide = 34 + 6.8 * len(words)
            if x > 0 and x + wide > self.canvas.width:
                x, y = 0.0, y + 21
            draw(x + 14, y - 4)
            self.canvas.text(x + 34, y, words)
            x += wide + 10
        return y

    def _sample(self, style: str) -> Callable[[float, float], None]:
        def draw(x: float, y: float) -> None:
            stroke = STROKES[style]
            look: Look = {"stroke": stroke.colour, "stroke_width": stroke.width}
            if stroke.dashes:
                look["stroke_dasharray"] = stroke.dashes
            self.canvas.line(x - 14, y, x + 14, y, **look)
            spot = np.array([x, y])
            if style == "opened":
                self.canvas.add("circle", cx=x, cy=y, r=6, fill=PAPER)
                cross(self.canvas, spot, 4.5, "")
            elif style == "newly_closed":
                switch(self.canvas, spot, 4.5, "")
            elif style == "faulted":
                lightning(self.canvas, spot, 7.0, "")
            elif style in ("to_open", "to_close"):
                box: Look = {
                    "width": 6.4,
                    "height": 6.4,
                    "stroke": stroke.colour,
                    "stroke_width": 1.4,
                }
                self.canvas.add("rect", x=x - 3.2, y=y - 3.2, fill=PAPER, **box)

        return draw

    def _sample_source(self, x: float, y: float) -> None:
        row = {"kind": "ext_grid", "name": "", "max_p_mw": math.inf}
        draw_source(self.canvas, row, np.array([x, y]), 6.5, "service")

    def _sample_unit(self, x: float, y: float) -> None:
        row = {"kind": "dg", "name": "", "max_p_mw": math.inf}
        draw_source(self.canvas, row, np.array([x, y]), 6.0, "plan")

    def _sample_bus(self, fill: str, edge: str) -> Callable[[float, float], None]:
        def draw(x: float, y: float) -> None:
            self.canvas.add("circle", cx=x + 6, cy=y, r=4.6, fill=fill, stroke=edge)

        return draw


class _NearLabels:
    """Labels of a large diagram: each is placed among what stands near it."""

    def __init__(
        self,
        boxes: list[tuple[float, float, float, float]],
        segments: Floats,
        canvas: tuple[float, float],
    ) -> None:
        self.boxes = np.array(boxes, dtype=float).reshape(-1, 4)
        self.segments, self.canvas = segments, canvas
        self.low = np.minimum(segments[:, :2], segments[:, 2:])
        self.high = np.maximum(segments[:, :2], segments[:, 2:])

    def place(self, at: Floats, reach: float, half: tuple[float, float]) -> Floats | None:
        """Centre for a label near a point, None when there is no room."""
        room = reach + 8 + 2 * np.array(half)
        near = (np.abs(self.boxes[:, :2] - at) < room + self.boxes[:, 2:]).all(axis=1)
        under = ((self.low < at + room) & (self.high > at - room)).all(axis=1)
        start = np.clip(self.segments[under, :2], at - 2 * room, at + 2 * room)
        end = np.clip(self.segments[under, 2:], at - 2 * room, at + 2 * room)
        beside = [(float(x), float(y), float(w), float(h)) for x, y, w, h in self.boxes[near]]
        spot = Labels(beside, np.hstack([start, end]), self.canvas).place(at, reach, half)
        if spot is not None:
            self.boxes = np.vstack([self.boxes, [*spot, *half]])
        return spot


def _distance(spot: Floats, segments: Floats) -> Floats:
    """Distance of a point from segments, (n,)."""
    start, along = segments[:, :2], segments[:, 2:] - segments[:, :2]
    size = np.maximum((along**2).sum(axis=1), 1e-9)
    share = np.clip(((spot - start) * along).sum(axis=1) / size, 0, 1)
    gap = spot - start - share[:, None] * along
    distance: Floats = np.hypot(gap[:, 0], gap[:, 1])
    return distance


def cross(canvas: Canvas, spot: Floats, size: float, name: str) -> None:
    """Draw the mark of an opened branch, one element around it."""
    canvas.parts.append(f'<g class="{name}">')
    draw_cross(canvas, spot, 0.8 * size, UNSERVED, 2.2 if size > 4 else 1.5)
    canvas.parts.append("</g>")


def switch(canvas: Canvas, spot: Floats, size: float, name: str) -> None:
    """Draw the mark of a branch that the result closes: a filled switch."""
    x, y = spot - 0.8 * size
    look: Look = {"fill": PLAN, "stroke": PAPER, "stroke_width": 1, "class_": name}
    canvas.add("rect", x=x, y=y, width=1.6 * size, height=1.6 * size, **look)


def lightning(canvas: Canvas, spot: Floats, size: float, name: str) -> None:
    """Draw a flash."""
    shape = ((0.35, -1), (-0.5, 0.15), (-0.05, 0.15), (-0.35, 1), (0.5, -0.2), (0.05, -0.2))
    points = [(spot[0] + size * dx, spot[1] + size * dy) for dx, dy in (*shape, shape[0])]
    look: Look = {"fill": UNSERVED, "stroke": PAPER, "stroke_width": 1.4, "paint_order": "stroke"}
    canvas.path(points, class_=name, **look)


__all__ = ["STATES", "arrange", "dead_buses", "one_line", "state_of", "states"]
