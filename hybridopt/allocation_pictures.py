"""Pictures of an allocation: the network coloured by loading, and the day hour by hour."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from hybridopt.plots import NARROW, Chart, both
from hybridopt.report_format import fixed
from hybridopt.report_svg import (
    INK,
    LEFT,
    PAPER,
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
    thinned,
    tick_decimals,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.allocation import Allocation, Day

    Floats = NDArray[np.float64]

# Loading classes as shares of the scale's top, light to dark, and beyond the limit.
SHADES = ("#d9e6ef", "#a6c8de", "#6aa5c8", "#2f7fae", "#0b5a87")
OVER = "#c1432f"
UNRATED = "#b8b1a6"
MANY = 60  # buses up to which each is named
LOAD, GENERATION = "#5a5a5a", "#e69f00"
STATES = {"before": "given order", "after": "allocated"}


def network_map(result: Allocation, state: str) -> Chart:
    """The network, each branch in the colour of its largest loading over the hours.

    Points carry two marks, as large as their day's load and generation.
    """
    spots = _spots(result)
    return both(lambda width: _map(width, result, state, spots))


def _day(result: Allocation, state: str) -> Day:
    return result.before if state == "before" else result.after


def _spots(result: Allocation) -> Floats:
    """Place of each bus, (n_bus, 2), from 0 to 1: the net's own, or a spring layout."""
    grid = result.network.grid
    spots = np.column_stack([grid.bus_x, grid.bus_y])
    if not np.isfinite(spots).all() or np.ptp(spots, axis=0).max() == 0:
        graph = nx.Graph()
        graph.add_nodes_from(range(grid.n_bus))
        on = grid.branch_in_service
        graph.add_edges_from(zip(grid.branch_from[on], grid.branch_to[on], strict=True))
        found = nx.kamada_kawai_layout(graph) if grid.n_bus <= MANY else None
        found = found or nx.spring_layout(graph, seed=1, iterations=200)
        spots = np.array([found[b] for b in range(grid.n_bus)])
    span = np.ptp(spots, axis=0)
    span[span == 0] = 1.0
    placed: Floats = (spots - spots.min(axis=0)) / span
    return placed


def scale_top(result: Allocation) -> float:
    """Loading of the darkest shade, %: the largest of both states, a round number."""
    most = max(
        float(_day(result, s).loading_percent.max(initial=0.0))
        for s in STATES
        if _day(result, s).converged
    )
    return float(nice_range(0.0, max(most, 1e-6))[1])


def _map(width: float, result: Allocation, state: str, spots: Floats) -> Canvas:
    grid, day = result.network.grid, _day(result, state)
    canvas = Canvas(width, 0, f"network-{state}-{width:.0f}", f"Loading, {STATES[state]}")
    top = scale_top(result)
    items = [
        ("box", shade, (f"{fixed(k * top / 5, 0 if top >= 10 else 1)} to "
         f"{fixed((k + 1) * top / 5, 0 if top >= 10 else 1)} %"))
        for k, shade in enumerate(SHADES)
    ]  # fmt: skip
    items += [
        ("box", OVER, "above the limit"),
        ("box", LOAD, "load"),
        ("box", GENERATION, "generation"),
    ]
    head = legend(canvas, 12, items) + 30
    tall = 300.0 if width > NARROW else 220.0
    x = 30 + spots[:, 0] * (width - 60)
    y = head + (1 - spots[:, 1]) * tall
    most = np.full(grid.n_branch, np.nan)
    names = {name: k for k, name in enumerate(grid.branch_name)}
    for k, name in enumerate(result.branches):
        most[names[name]] = day.loading_percent[:, k].max()
    for m in np.flatnonzero(grid.branch_in_service):
        f, t = grid.branch_from[m], grid.branch_to[m]
        limit = 100 * grid.rate_share[m]
        known = np.isfinite(most[m])
        shade = UNRATED if not known else OVER if most[m] > limit else _shade(most[m] / top)
        tip = f"{grid.branch_name[m]}: {fixed(most[m], 1)} %" if known else grid.branch_name[m]
        thick = 5.0 if grid.branch_kind[m] == "line" else 7.0
        canvas.add(
            "line", tip=tip, x1=x[f], y1=y[f], x2=x[t], y2=y[t], stroke=shade,
            stroke_width=thick, stroke_linecap="round",
        )  # fmt: skip
    _marks(canvas, result, state, x, y)
    canvas.height = head + tall + 34
    return canvas


def _shade(share: float) -> str:
    return SHADES[min(int(share * len(SHADES)), len(SHADES) - 1)]


def _marks(canvas: Canvas, result: Allocation, state: str, x: Floats, y: Floats) -> None:
    """Buses with their names, and two marks at each point."""
    grid, day = result.network.grid, _day(result, state)
    # A bus behind a closed switch is one with its neighbour.
    place = result.network.active[result.network.arrays.at]
    energy = {}
    for kind in ("load", "generation"):
        order = result.order(kind, day)
        profiles = getattr(result, kind)
        energy[kind] = np.array([0.0 if k is None else profiles.p_mw[k].sum() for k in order])
    largest = max(float(max(e.max(initial=0.0) for e in energy.values())), 1e-12)
    for b in range(grid.n_bus):
        source = result.network.source_vm[b] != 0
        shape: Look = {"r": 6.0 if source else 3.0, "fill": INK if source else PAPER, "stroke": INK}
        canvas.add("circle", tip=f"bus {grid.bus_id[b]}", cx=x[b], cy=y[b], **shape)
        if grid.n_bus <= MANY:
            canvas.text(x[b], y[b] - 10, str(grid.bus_id[b]), text_anchor="middle", font_size=11)
    for k, bus in enumerate(result.points):
        b = place[k]
        for kind, colour, side in (("load", LOAD, -1), ("generation", GENERATION, 1)):
            r = 9.0 * float(np.sqrt(energy[kind][k] / largest))
            tip = f"{kind} at bus {bus}: {fixed(float(energy[kind][k]), 4)} MWh"
            if r > 0:
                canvas.add(
                    "circle", tip=tip, cx=x[b] + side * 8, cy=y[b] + 14, r=r, fill=colour,
                    fill_opacity=0.85,
                )  # fmt: skip


def hourly(result: Allocation, what: str) -> Chart:
    """A figure hour by hour, before and after.

    Parameters
    ----------
    what : "loading" (largest of a line, %), "voltage" (lowest and highest, pu), "grid" (MW)
    """
    return both(lambda width: _hourly(width, result, what))


def _curves(day: Day, is_line: Any, what: str) -> list[Floats]:
    if what == "loading":
        return [day.loading_percent[:, is_line].max(axis=1, initial=0.0)]
    if what == "voltage":
        return [day.vm_pu.min(axis=1), day.vm_pu.max(axis=1)]
    return [day.grid_mw]


AXES = {
    "loading": "Largest line loading, %",
    "voltage": "Lowest and highest voltage, pu",
    "grid": "Drawn from the grid, MW",
}


def _hourly(width: float, result: Allocation, what: str) -> Canvas:
    canvas = Canvas(width, 0, f"{what}-{width:.0f}", AXES[what])
    shown = {
        words: (colour, _curves(_day(result, state), result.is_line, what))
        for (state, words), colour in zip(STATES.items(), (UNSERVED, SERVED), strict=True)
        if _day(result, state).converged
    }
    head = legend(canvas, 12, [("line", c, words) for words, (c, _) in shown.items()]) + 42
    foot = head + (220 if width > NARROW else 180)
    values = np.concatenate([curve for _, curves in shown.values() for curve in curves])
    low = 0.0 if what == "loading" else float(values.min())
    n_t = len(result.after.grid_mw)
    x = Scale(1.0, float(max(n_t, 2)), LEFT, width - RIGHT)
    frame = Frame(canvas, x, Scale(*nice_range(low, float(values.max())), foot, head))
    frame.y_axis(AXES[what])
    for words, (colour, curves) in shown.items():
        for curve in curves:
            spots = [(x(t + 1.0), frame.y(float(v))) for t, v in enumerate(curve)]
            canvas.path(spots, stroke=colour, stroke_width=2.2, stroke_linejoin="round")
            for t, (u, v) in enumerate(spots if n_t <= MANY else []):
                tip = f"hour {t + 1}, {words}: {fixed(float(curve[t]), 4)}"
                canvas.add("circle", tip=tip, cx=u, cy=v, r=2.2, fill=colour)
    hours = [str(t + 1) for t in range(n_t)]
    every = thinned(hours, (x.end - x.start) / max(n_t - 1, 1))
    frame.x_axis([(float(h), h) for h in hours if (int(h) - 1) % every == 0], "hour")
    canvas.height = foot + 42
    return canvas


def convergence(result: Allocation) -> Chart | None:
    """Best objective so far, generation by generation; None without a log."""
    key = f"best_{result.objective}"
    rows = [(float(r["generation"]), float(r[key])) for r in result.log if np.isfinite(r[key])]
    return both(lambda width: _convergence(width, result, rows)) if len(rows) > 1 else None


def _convergence(width: float, result: Allocation, rows: Sequence[tuple[float, float]]) -> Canvas:
    canvas = Canvas(width, 0, f"convergence-{width:.0f}", "Best objective per generation")
    head, foot = 42.0, 42.0 + (200 if width > NARROW else 170)
    values = [value for _, value in rows]
    x = Scale(rows[0][0], max(rows[-1][0], rows[0][0] + 1), LEFT, width - RIGHT)
    frame = Frame(canvas, x, Scale(*nice_range(min(values), max(values)), foot, head))
    title = result.objective.replace("_", " ")
    frame.y_axis(f"Best {title} so far")
    canvas.path([(x(g), frame.y(v)) for g, v in rows], stroke=SERVED, stroke_width=2.4)
    ticks = [t for t in nice_ticks(x.low, x.high, 8) if t == int(t)]
    frame.x_axis([(t, str(int(t))) for t in ticks], "generation")
    canvas.height = foot + 42
    return canvas


def front(result: Allocation, names: Sequence[str]) -> Chart | None:
    """The Pareto front: the first objective against each other one; None without."""
    if not result.front or len(names) < 2:
        return None
    return both(lambda width: _front(width, result, names))


def _front(width: float, result: Allocation, names: Sequence[str]) -> Canvas:
    canvas = Canvas(width, 0, f"front-{width:.0f}", "Pareto front")
    beside = min(len(names) - 1, 3) if width > NARROW else 1
    wide, tall = (width - 24 * (beside - 1)) / beside, 240.0
    across = names[0]
    us = [float(row[across]) for row in result.front]
    for k, name in enumerate(names[1:]):
        left, head = (k % beside) * (wide + 24), 30 + (k // beside) * (tall + 78)
        vs = [float(row[name]) for row in result.front]
        x = Scale(*nice_range(min(us), max(us), 4), left + LEFT, left + wide - 14)
        frame = Frame(canvas, x, Scale(*nice_range(min(vs), max(vs), 4), head + tall, head))
        frame.y_axis(name.replace("_", " ").capitalize(), 4)
        for u, v in zip(us, vs, strict=True):
            tip = f"{across}: {fixed(u, 3)}; {name}: {fixed(v, 5)}"
            canvas.add("circle", tip=tip, cx=x(u), cy=frame.y(v), r=4, fill=SERVED)
        ticks = nice_ticks(x.low, x.high, 4)
        places = [(t, fixed(t, tick_decimals(ticks))) for t in ticks]
        frame.x_axis(places, across.replace("_", " "))
        canvas.height = head + tall + 42
    return canvas
