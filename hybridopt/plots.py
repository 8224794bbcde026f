"""Charts of the report, each drawn for a wide page and for a telephone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hybridopt.report_files import STAGES, natural
from hybridopt.report_format import of_power, power
from hybridopt.report_svg import (
    INK,
    LEFT,
    MUTED,
    OTHERS,
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
    thinned,
)
from hybridopt.report_units import hourly_balance, unit_colours, unit_powers

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd
    from markupsafe import Markup

    from hybridopt.report_files import RunFiles

WIDE, NARROW = 1060.0, 360.0
GAP = 24.0
STAGE_NAMES = dict(zip(STAGES, ("Before event", "After event", "After plan"), strict=True))
MOST_BUSES = 60  # bars that still can be told apart
MOST_BESIDE = 12  # bars with which the three states still fit beside one another
SMALL_MW = 1e-6


@dataclass(frozen=True)
class Chart:
    """One chart at two widths; the page shows the one that fits."""

    wide: Markup
    narrow: Markup


def both(draw: Callable[[float], Canvas]) -> Chart:
    """Draw a chart at both widths."""
    return Chart(draw(WIDE).svg(), draw(NARROW).svg())


def plot_buses(run: RunFiles) -> Chart | None:
    """Load served and unserved per bus, bars for each state; None without any load."""
    table = run.stages[run.stages["load_mw"] > 0]
    if table.empty:
        return None
    loads = table.groupby("bus")["load_mw"].max().sort_values(ascending=False, kind="stable")
    loads = loads.iloc[:MOST_BUSES].sort_index(key=lambda labels: labels.map(natural))
    return both(lambda width: _draw_buses(width, table, loads))


def _draw_buses(width: float, table: pd.DataFrame, loads: pd.Series) -> Canvas:
    stages = [s for s in STAGES if (table["stage"] == s).any()]
    beside = width > NARROW and len(loads) <= MOST_BESIDE
    tall = 200.0 if beside else 104.0
    across = (width - 2 * GAP) / 3 if beside else width
    rows = 1 if beside else len(stages)
    canvas = Canvas(width, 40 + rows * (tall + 62), f"buses-{width:.0f}", "Load served per bus")
    hatch = canvas.hatch(UNSERVED)
    legend(canvas, 12, [("box", SERVED, "served"), ("box", hatch, "unserved")])
    step = (across - LEFT - RIGHT) / len(loads)
    every = thinned(list(loads.index), step)
    about = 4 if beside else 3
    _, top = nice_range(0, loads.max(), about)
    for i, stage in enumerate(stages):
        left, head = (i * (across + GAP), 60.0) if beside else (0.0, 60 + i * (tall + 62))
        x = Scale(0, len(loads), left + LEFT, left + across - RIGHT)
        frame = Frame(canvas, x, Scale(0, top, head + tall, head))
        frame.y_axis(f"{STAGE_NAMES[stage]}, MW", about)
        at = table[table["stage"] == stage].set_index("bus")
        for k, bus in enumerate(loads.index):
            if bus in at.index:
                _draw_bus(frame, k, step, at.loc[bus], hatch)
        labels = [(k + 0.5, bus) for k, bus in enumerate(loads.index) if k % every == 0]
        frame.x_axis(labels, "bus" if beside or stage == stages[-1] else "")
    return canvas


def _draw_bus(frame: Frame, k: int, step: float, row: pd.Series, hatch: str) -> None:
    bar = min(step * 0.72, 34)
    served, load = float(row["served_mw"]), float(row["load_mw"])
    top, foot = frame.y(load), frame.y(0)
    middle = frame.y(min(max(served, 0), load))
    tip = f"Bus {row.name}: {of_power(served, load)} served"
    box: Look = {"x": frame.x(k + 0.5) - bar / 2, "width": bar, "tip": tip}
    frame.canvas.add("rect", y=middle, height=foot - middle, fill=SERVED, **box)
    if middle - top > 0.2:
        frame.canvas.add("rect", y=top, height=middle - top, fill=hatch, stroke=UNSERVED, **box)


def plot_dispatch(run: RunFiles) -> Chart | None:
    """Output of the units stacked per hour under the demand, losses below; None without."""
    powers, balance = unit_powers(run), hourly_balance(run)
    if powers.empty or balance.empty:
        return None
    powers = powers.loc[:, powers.abs().max() > SMALL_MW]
    colours = unit_colours(powers.columns)
    stacks = [(unit[1], powers[unit], colour) for unit, colour in colours.items()]
    rest = powers.drop(columns=list(colours))
    if rest.shape[1]:
        stacks.append((f"{rest.shape[1]} other units", rest.sum(axis=1), OTHERS))
    return both(lambda width: _draw_dispatch(width, stacks, balance))


def _draw_dispatch(
    width: float, stacks: Sequence[tuple[str, pd.Series, str]], balance: pd.DataFrame
) -> Canvas:
    canvas = Canvas(width, 0, f"dispatch-{width:.0f}", "Dispatch of each hour")
    hatch = canvas.hatch(UNSERVED)
    items = [("box", colour, label) for label, _, colour in stacks]
    items.append(("line", INK, "demand"))
    if balance["unserved"].max() > SMALL_MW:
        items.append(("box", hatch, "unserved"))
    head = legend(canvas, 12, items) + 32
    foot = head + (300 if width > NARROW else 230)
    x = Scale(0, len(balance), LEFT, width - RIGHT)
    above = sum((p.clip(lower=0) for _, p, _ in stacks), balance["unserved"])
    below = sum((p.clip(upper=0) for _, p, _ in stacks), 0 * balance["unserved"])
    top = max(above.max(), balance["demand"].max(), SMALL_MW)
    frame = Frame(canvas, x, Scale(*nice_range(below.min(), top), foot, head))
    frame.y_axis("Generation and demand, MW")
    for k, hour in enumerate(balance.index):
        parts = [(label, float(p.loc[hour]), colour) for label, p, colour in stacks]
        parts.append(("unserved", float(balance["unserved"].loc[hour]), hatch))
        _draw_stack(frame, k, hour, parts)
    steps = [(x(k + d), frame.y(v)) for k, v in enumerate(balance["demand"]) for d in (0, 1)]
    canvas.path(steps, stroke=INK, stroke_width=2, stroke_linejoin="round")
    frame.x_axis(hour_labels(balance.index, width - LEFT - RIGHT))
    _draw_losses(canvas, x, balance["losses"], foot + 62)
    return canvas


def _draw_stack(frame: Frame, k: int, hour: int, parts: Sequence[tuple[str, float, str]]) -> None:
    up = down = 0.0
    for label, p, colour in parts:
        tip = f"Hour {hour}, {label}: {power(p)}"
        if p > SMALL_MW:
            draw_bar(frame, k, (up, up + p), colour, tip)
            up += p
        elif p < -SMALL_MW:
            draw_bar(frame, k, (down + p, down), colour, tip)
            down += p


def _draw_losses(canvas: Canvas, x: Scale, losses: pd.Series, head: float) -> None:
    span = nice_range(min(losses.min(), 0.0), max(losses.max(), SMALL_MW), 2)
    frame = Frame(canvas, x, Scale(*span, head + 70, head))
    frame.y_axis("Network losses, MW", 2)
    for k, (hour, loss) in enumerate(losses.items()):
        draw_bar(frame, k, (0.0, float(loss)), MUTED, f"Hour {hour}: losses {power(loss)}")
    frame.x_axis(hour_labels(losses.index, x.end - x.start), "hour")
    canvas.height = head + 70 + 44


def draw_bar(frame: Frame, k: int, span: tuple[float, float], fill: str, tip: str) -> None:
    """Draw the bar of the k-th hour from one value to another."""
    left, right = frame.x(k + 0.07), frame.x(k + 0.93)
    head, foot = frame.y(max(span)), frame.y(min(span))
    tall = foot - head
    if tall > 0.05:
        box: Look = {"x": left, "y": head, "width": right - left, "height": tall}
        if tall > 2:
            box |= {"stroke": PAPER, "stroke_width": 0.6}
        frame.canvas.add("rect", tip=tip, fill=fill, **box)


def hour_labels(hours: pd.Index, width: float) -> list[tuple[float, str]]:
    """Places and labels of the hours, as many as fit; the last one is always among them."""
    labels = [str(int(hour)) for hour in hours]
    every = thinned(labels, width / len(labels))
    every = next(n for n in (1, 2, 3, 4, 6, 8, 12, 24, every) if n >= every)
    last = len(labels) - 1
    return [(k + 0.5, label) for k, label in enumerate(labels) if (last - k) % every == 0]
