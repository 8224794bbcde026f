"""Pictures of a reconfiguration: its one-line diagrams, and charts of voltage, search and hours."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.feeder_diagram import arrange, dead_buses, one_line, state_of, states
from hybridopt.plots import NARROW, Chart, both
from hybridopt.report_format import fixed
from hybridopt.report_svg import (
    LEFT,
    MUTED,
    PAPER,
    PARTLY,
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

    from hybridopt.feeder import Feeder
    from hybridopt.feeder_result import Reconfiguration
    from hybridopt.feeder_trees import FeederFlow

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

__all__ = [
    "arrange",
    "convergence",
    "day",
    "dead_buses",
    "hourly_losses",
    "one_line",
    "pareto_front",
    "save_svg",
    "state_of",
    "states",
    "voltage_profile",
]
COLOURS = {"before": UNSERVED, "fault": PARTLY, "after": SERVED}
WORDS = {"before": "before", "fault": "after the fault", "after": "after"}
TALL, SHORT, HEAD = 300.0, 230.0, 62.0
MARKED = 120  # buses up to which each is a dot
OBJECTIVES = {
    "loss_kw": "Losses, kW",
    "loss_kwh": "Losses, kWh",
    "switching_operations": "Switching operations",
    "voltage_drop_pu": "Voltage drop over all branches, pu",
    "max_voltage_drop_pu": "Largest voltage drop, pu",
    "min_vm_pu": "Lowest voltage, pu",
    "load_balance": "Load balance",
}


def voltage_profile(result: Reconfiguration) -> Chart | None:
    """Voltage of each bus before and after, each in its worst hour; None without a power flow."""
    shown = [s for s in states(result) if _solved(state_of(result, s)[1])]
    return both(lambda width: _profile(width, result, shown)) if shown else None


def _solved(flow: FeederFlow | None) -> bool:
    return flow is not None and flow.converged


def worst_hour(flow: FeederFlow) -> int:
    """Hour with the lowest voltage."""
    return int(np.where(np.isfinite(flow.vm), flow.vm, np.inf).min(axis=1).argmin())


def _profile(width: float, result: Reconfiguration, shown: Sequence[str]) -> Canvas:
    feeder, flows = result.feeder, {s: state_of(result, s)[1] for s in shown}
    limits = _limits(feeder)
    canvas = Canvas(width, 0, f"profile-{width:.0f}", "Voltage of each bus before and after")
    items = [("line", COLOURS[s], _hour_words(WORDS[s], flows[s])) for s in shown]
    if feeder.n_t > 1:
        items += [("box", _pale(COLOURS[s]), f"all hours {WORDS[s]}") for s in shown]
    items += [("dash", MUTED, "limit")] if limits else []
    head = legend(canvas, 12, items) + 42
    foot = head + (TALL if width > NARROW else SHORT)
    known = np.concatenate([flow.vm[np.isfinite(flow.vm)] for flow in flows.values()])
    span = min([known.min(), *limits]), max([known.max(), *limits])
    low, high = nice_range(float(span[0]), float(span[1]))
    x = Scale(-0.5, feeder.n_bus - 0.5, LEFT, width - RIGHT)
    frame = Frame(canvas, x, Scale(low, high, foot, head))
    frame.y_axis("Voltage, pu")
    for limit in limits:
        _limit(frame, limit)
    if feeder.n_t > 1:
        for state in shown:
            _band(frame, flows[state].vm, _pale(COLOURS[state]))
    for state in shown:
        flow = flows[state]
        _voltages(frame, flow.vm[worst_hour(flow)], feeder, COLOURS[state], WORDS[state])
    _lowest(frame, result, shown)
    labels = list(feeder.bus_name)
    every = thinned(labels, (x.end - x.start) / feeder.n_bus)
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, every) if n >= every)
    marks = [(float(k), n) for k, n in enumerate(labels) if k % every == 0]
    frame.x_axis(marks, "bus")
    canvas.height = foot + 42
    return canvas


def _pale(colour: str) -> str:
    parts = (int(colour[i : i + 2], 16) for i in (1, 3, 5))
    return "#" + "".join(f"{round(255 - 0.28 * (255 - n)):02x}" for n in parts)


def _hour_words(words: str, flow: FeederFlow) -> str:
    return words if len(flow.vm) == 1 else f"{words}, hour {worst_hour(flow) + 1}"


def _limits(feeder: Feeder) -> list[float]:
    """Strictest limits, where there are any, sources left out."""
    free = feeder.source_vm == 0
    low, high = float(feeder.vm_min[free].max(initial=0)), float(feeder.vm_max[free].min())
    return [v for v in (low, high) if 0 < v < math.inf]


def _limit(frame: Frame, value: float) -> None:
    y = frame.y(value)
    look: Look = {"stroke": MUTED, "stroke_width": 1.4, "stroke_dasharray": "5 4"}
    frame.canvas.line(frame.x.start, y, frame.x.end, y, class_="limit", **look)


def _runs(values: Floats) -> list[NDArray[np.int64]]:
    """Positions of values that stand next to one another without a gap."""
    known = np.flatnonzero(np.isfinite(values))
    parts = np.split(known, np.flatnonzero(np.diff(known) > 1) + 1)
    return [part for part in parts if len(part)]


def _band(frame: Frame, vm: Floats, fill: str) -> None:
    """Shade the range over the hours."""
    low = np.where(np.isfinite(vm), vm, np.inf).min(axis=0)
    high = np.where(np.isfinite(vm), vm, -np.inf).max(axis=0)
    for run in _runs(np.where(np.isfinite(low), low, np.nan)):
        there = [(frame.x(float(k)), frame.y(high[k])) for k in run]
        back = [(frame.x(float(k)), frame.y(low[k])) for k in run[::-1]]
        look: Look = {"fill": fill, "fill_opacity": 0.6}
        frame.canvas.path([*there, *back], class_="band", **look)


def _voltages(frame: Frame, vm: Floats, feeder: Feeder, colour: str, words: str) -> None:
    look: Look = {"stroke": colour, "stroke_width": 1.7, "stroke_linejoin": "round"}
    for run in _runs(vm):
        frame.canvas.path(
            [(frame.x(float(k)), frame.y(vm[k])) for k in run], class_="profile", **look
        )
    if feeder.n_bus <= MARKED:
        r = 2.6 if frame.x.end - frame.x.start > 9 * feeder.n_bus else 1.6
        for k in np.flatnonzero(np.isfinite(vm)):
            tip = f"Bus {feeder.bus_name[k]}, {words}: {fixed(float(vm[k]), 4)} pu"
            frame.canvas.add(
                "circle", tip=tip, cx=frame.x(float(k)), cy=frame.y(vm[k]), r=r, fill=colour
            )


def _lowest(frame: Frame, result: Reconfiguration, shown: Sequence[str]) -> None:
    """Name the lowest voltage of each state, one below the other where they would touch."""
    taken: list[tuple[float, float]] = []
    for state in shown:
        flow = state_of(result, state)[1]
        vm = flow.vm[worst_hour(flow)]
        k = int(np.nanargmin(vm))
        words = f"{fixed(float(vm[k]), 4)} pu at bus {result.feeder.bus_name[k]}"
        half = 3.2 * len(words)
        x = float(np.clip(frame.x(float(k)), frame.x.start + half + 2, frame.x.end - half))
        spots = [frame.y(vm[k]) + gap for gap in (16, -9, 30, -23, 44, -37, 58, -51)]
        inside = [y for y in spots if frame.y.end + 10 < y < frame.y.start - 3] or spots[:1]
        free = (y for y in inside if not _touches(x, y, half, taken))
        y = next(free, inside[0])
        taken.append((x, y))
        look: Look = {"stroke": PAPER, "stroke_width": 3, "paint_order": "stroke"}
        look |= {"text_anchor": "middle", "font_weight": 600, "class_": "lowest"}
        dot: Look = {"r": 4.2, "fill": "none", "stroke": COLOURS[state], "stroke_width": 1.6}
        frame.canvas.add("circle", cx=frame.x(float(k)), cy=frame.y(vm[k]), **dot)
        frame.canvas.text(x, y, words, fill=COLOURS[state], **look)


def _touches(x: float, y: float, half: float, taken: Sequence[tuple[float, float]]) -> bool:
    """Whether a text would lie on another of about its width."""
    return any(abs(x - u) < 2 * half and abs(y - v) < 13 for u, v in taken)


def convergence(result: Reconfiguration) -> Chart | None:
    """Best and mean objective of each generation; None without a log."""
    rows = [row for row in result.log if _number(row.get("generation")) is not None]
    names = [key.removeprefix("best_") for row in rows[:1] for key in row if key[:5] == "best_"]
    if not names:
        return None
    name = result.objective if result.objective in names else names[-1]
    return both(lambda width: _convergence(width, result, rows, name))


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        return None
    return float(value) if math.isfinite(value) else None


def _convergence(
    width: float, result: Reconfiguration, rows: Sequence[dict[str, Any]], name: str
) -> Canvas:
    canvas = Canvas(width, 0, f"convergence-{width:.0f}", "Best and mean per generation")
    curves = {}
    for key, words in ((f"mean_{name}", "mean of the population"), (f"best_{name}", "best so far")):
        pairs = [(float(row["generation"]), _number(row.get(key))) for row in rows]
        curves[words] = [(g, value) for g, value in pairs if value is not None]
    colours = {"mean of the population": MUTED, "best so far": SERVED}
    head = legend(canvas, 12, [("line", colours[w], w) for w in curves if curves[w]][::-1]) + 42
    foot = head + (260 if width > NARROW else 210)
    values = [value for curve in curves.values() for _, value in curve] or [0.0]
    generations = [float(row["generation"]) for row in rows]
    first, last = min(generations), max(generations)
    x = Scale(first, max(last, first + 1), LEFT, width - RIGHT)
    frame = Frame(canvas, x, Scale(*nice_range(min(values), max(values)), foot, head))
    title = result.objective.replace("_", " ")
    frame.y_axis(f"{title[:1].upper()}{title[1:]}, {result.objective_unit}".rstrip(", "))
    for words, curve in curves.items():
        points = [(frame.x(g), frame.y(value)) for g, value in curve]
        if points:
            slim: Look = {"stroke": colours[words], "stroke_width": 1.5 if "mean" in words else 2.4}
            canvas.path(points, class_="curve", stroke_linejoin="round", **slim)
        if len(points) <= 60:
            for (u, v), (g, value) in zip(points, curve, strict=True):
                tip = f"Generation {g:.0f}, {words}: {fixed(value, 4)}"
                canvas.add("circle", tip=tip, cx=u, cy=v, r=2.2, fill=colours[words])
    whole = [str(int(g)) for g in generations]
    every = thinned(whole, (x.end - x.start) / max(last - first, 1))
    every = next(n for n in (1, 2, 5, 10, 20, 50, 100, 200, 500, every) if n >= every)
    frame.x_axis([(float(g), g) for g in whole if int(g) % every == 0], "generation")
    canvas.height = foot + 42
    return canvas


def pareto_front(result: Reconfiguration) -> Chart | None:
    """Non-dominated configurations: losses against each other objective; None without."""
    keys = [
        key
        for key in (result.pareto[0] if result.pareto else {})
        if all(_number(row.get(key)) is not None for row in result.pareto)
    ]
    keys = [key for key in keys if key in OBJECTIVES or key.endswith(("_kw", "_pu"))]
    if len(keys) < 2:
        return None
    across = next((key for key in keys if key.startswith("loss")), keys[0])
    varied = [key for key in keys if len({row[key] for row in result.pareto}) > 1]
    others = [key for key in varied or keys if key != across][:3]
    return both(lambda width: _front(width, result.pareto, across, others))


def _front(
    width: float, rows: Sequence[dict[str, Any]], across: str, others: Sequence[str]
) -> Canvas:
    canvas = Canvas(width, 0, f"pareto-{width:.0f}", "Non-dominated configurations")
    beside = len(others) if width > NARROW else 1
    wide, tall = (width - 24 * (beside - 1)) / beside, 250.0 if width > NARROW else 200.0
    for k, key in enumerate(others):
        left = (k % beside) * (wide + 24)
        head = 30 + (k // beside) * (tall + 78)
        points = [(float(row[across]), float(row[key])) for row in rows]
        us, vs = [u for u, _ in points], [v for _, v in points]
        x = Scale(*nice_range(min(us), max(us), 4), left + LEFT, left + wide - 14)
        frame = Frame(canvas, x, Scale(*nice_range(min(vs), max(vs), 4), head + tall, head))
        frame.y_axis(_title(key), 4)
        for u, v in points:
            tip = f"{_title(across)}: {fixed(u, 3)}; {_title(key)}: {fixed(v, 4)}"
            look: Look = {"r": 4, "fill": SERVED, "fill_opacity": 0.75, "class_": "front"}
            canvas.add("circle", tip=tip, cx=x(u), cy=frame.y(v), **look)
        ticks = nice_ticks(x.low, x.high, 4)
        decimals = tick_decimals(ticks)
        frame.x_axis([(t, fixed(t, decimals)) for t in ticks], _title(across))
        canvas.height = head + tall + 42
    return canvas


def _title(key: str) -> str:
    words = key.replace("_", " ")
    return OBJECTIVES.get(key, words[:1].upper() + words[1:])


def hourly_losses(feeder: Feeder, closed: Bools, flow: FeederFlow) -> Floats:
    """Losses of all branches in each hour, kW, (n_t,).

    Series losses r (p^2 + q^2) / v with the power and squared voltage at the load side, and those
    of the branches' conductances at either end.
    """
    fed = feeder.reached(closed)
    on = np.flatnonzero(closed & fed[feeder.branch_from] & fed[feeder.branch_to])
    start, end, ratio2 = feeder.branch_from[on], feeder.branch_to[on], feeder.ratio[on] ** 2
    forward = _distance(feeder, closed)[end] > _distance(feeder, closed)[start]
    v = flow.vm**2
    behind = np.where(forward, v[:, end], v[:, start] / ratio2)
    loss = feeder.r[on] * (flow.p[:, on] ** 2 + flow.q[:, on] ** 2) / behind
    loss += feeder.g_from[on] * v[:, start] + feeder.g_to[on] * v[:, end]
    total = loss.sum(axis=1)
    hangs = np.flatnonzero(~closed & feeder.usable & (feeder.hangs_at >= 0))
    hangs = hangs[fed[feeder.hangs_at[hangs]]]
    total += (feeder.g_open[hangs] * v[:, feeder.hangs_at[hangs]]).sum(axis=1)
    found: Floats = 1000 * feeder.base_mva * total
    return found


def _distance(feeder: Feeder, closed: Bools) -> NDArray[np.int64]:
    """Closed branches between each bus and its source, (n_bus,)."""
    distance = np.where(feeder.source_vm > 0, 0, feeder.n_bus)
    start, end = feeder.branch_from[closed], feeder.branch_to[closed]
    while True:
        nearer = distance.copy()
        np.minimum.at(nearer, end, distance[start] + 1)
        np.minimum.at(nearer, start, distance[end] + 1)
        if (nearer == distance).all():
            return distance
        distance = nearer


def day(result: Reconfiguration) -> Chart | None:
    """Losses of each hour before and after; None for one hour, or without a power flow."""
    shown = [
        s
        for s in ("before", "after")
        if _solved(state_of(result, s)[1]) and result.feeder.is_radial(state_of(result, s)[0])
    ]
    if result.feeder.n_t < 2 or not shown:
        return None
    losses = {}
    for state in shown:
        closed, flow = state_of(result, state)
        losses[state] = hourly_losses(result.feeder, closed, flow)
    return both(lambda width: _day(width, losses))


def _day(width: float, losses: dict[str, Floats]) -> Canvas:
    canvas = Canvas(width, 0, f"day-{width:.0f}", "Losses of each hour before and after")
    head = legend(canvas, 12, [("line", COLOURS[s], WORDS[s]) for s in losses]) + 42
    foot = head + (260 if width > NARROW else 210)
    n = len(next(iter(losses.values())))
    x = Scale(0, n, LEFT, width - RIGHT)
    highest = max(float(values.max()) for values in losses.values())
    frame = Frame(canvas, x, Scale(*nice_range(0, highest), foot, head))
    frame.y_axis("Losses, kW")
    for state, values in losses.items():
        steps = [(x(k + d), frame.y(value)) for k, value in enumerate(values) for d in (0, 1)]
        look: Look = {"stroke": COLOURS[state], "stroke_width": 2.2, "class_": "losses"}
        canvas.path(steps, stroke_linejoin="round", **look)
    every = thinned([str(n)], (x.end - x.start) / n)
    every = next(m for m in (1, 2, 3, 4, 6, 8, 12, 24, 48, every) if m >= every)
    frame.x_axis([(k + 0.5, str(k + 1)) for k in range(every - 1, n, every)], "hour")
    canvas.height = foot + 42
    return canvas


def save_svg(drawing: str, path: Any) -> None:
    """Write a drawing as an SVG file of its own."""
    size = drawing.split('viewBox="0 0 ', 1)[1].split('"', 1)[0].split()
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
        'style="background:#fff" font-family="Liberation Sans, Arial, Helvetica, sans-serif" '
    )
    path.write_text(drawing.replace("<svg ", head, 1) + "\n", encoding="utf-8")
