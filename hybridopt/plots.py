"""Charts of the report, each drawn for a wide page and for a telephone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from hybridopt.report_files import STAGES, natural
from hybridopt.report_format import fixed, of_power, power
from hybridopt.report_svg import (
    FAINT,
    FAMILIES,
    INK,
    MUTED,
    OTHERS,
    PAPER,
    SERVED,
    UNSERVED,
    Canvas,
    Frame,
    Scale,
    legend,
    nice_range,
    thinned,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from markupsafe import Markup

    from hybridopt.report_files import RunFiles

WIDE, NARROW = 1060.0, 360.0
STAGE_NAMES = dict(zip(STAGES, ("Before event", "After event", "After plan"), strict=True))
MOST_BUSES = 60  # bars that still can be told apart
MOST_BESIDE = 12  # bars for which the three states fit beside one another
MOST_UNITS = 8  # colours that still can be told apart
LEFT, RIGHT = 52.0, 10.0


@dataclass(frozen=True)
class Chart:
    """One chart at two widths; the page shows the one that fits."""

    wide: Markup
    narrow: Markup


def both(draw: Callable[[float], Canvas]) -> Chart:
    """Draw a chart at both widths."""
    return Chart(draw(WIDE).svg(), draw(NARROW).svg())


def plot_buses(run: RunFiles) -> Chart | None:
    """Load served and unserved per bus, one row of bars per state; None without any load."""
    table = run.stages[run.stages["load_mw"] > 0]
    if table.empty:
        return None
    largest = table.groupby("bus")["load_mw"].max().sort_values(ascending=False)
    buses = sorted(largest.index[:MOST_BUSES], key=natural)
    stages = [s for s in STAGES if (table["stage"] == s).any()]

    def draw(width: float) -> Canvas:
        beside = width > NARROW and len(buses) <= MOST_BESIDE
        tall, gap = (200.0, 0.0) if beside else (104.0, 62.0)
        across = (width - 2 * 24) / 3 if beside else width
        foot = 60 + (tall if beside else len(stages) * (tall + gap) - gap)
        canvas = Canvas(width, foot + 40, f"buses-{width:.0f}", "Load served per bus")
        hatch = canvas.hatch(UNSERVED)
        legend(canvas, 12, [("box", SERVED, "served"), ("box", hatch, "unserved")])
        step = (across - LEFT - RIGHT) / len(buses)
        every = thinned(buses, step)
        for i, stage in enumerate(stages):
            left, head = (i * (across + 24), 60.0) if beside else (0.0, 60 + i * (tall + gap))
            scale = Scale(
                0, nice_range(0, largest.iloc[0], 4 if beside else 3)[1], head + tall, head
            )
            x = Scale(0, len(buses), left + LEFT, left + across - RIGHT)
            frame = Frame(canvas, x, scale)
            frame.y_axis(f"{STAGE_NAMES[stage]}, MW")
            rows = table[table["stage"] == stage].set_index("bus")
            for k, bus in enumerate(buses):
                if bus in rows.index:
                    _bus_bar(frame, k, step, rows.loc[bus], hatch)
            labels = [(k + 0.5, bus) for k, bus in enumerate(buses) if k % every == 0]
            frame.x_axis(labels, "bus" if beside or i == len(stages) - 1 else "")
        return canvas

    return both(draw)


def _bus_bar(frame: Frame, k: int, step: float, row: pd.Series, hatch: str) -> None:
    bar = min(step * 0.72, 34)
    x = frame.x(k + 0.5) - bar / 2
    served, load = float(row["served_mw"]), float(row["load_mw"])
    tip = f"Bus {row.name}: {of_power(served, load)} served"
    top, foot = frame.y(load), frame.y(0)
    middle = frame.y(min(max(served, 0), load))
    box = {"x": x, "width": bar, "tip": tip}
    frame.canvas.add("rect", y=middle, height=foot - middle, fill=SERVED, **box)
    if middle - top > 0.2:
        frame.canvas.add("rect", y=top, height=middle - top, fill=hatch, stroke=UNSERVED, **box)


def unit_label(element: str, name: str, bus: str) -> str:
    """Name of a unit as tables and legends show it, its bus included once."""
    label = name or element
    return label if bus in label.replace("-", " ").split() else f"{label} (bus {bus})"


def unit_powers(run: RunFiles) -> pd.DataFrame:
    """Output of each unit: rows are hours, columns (element, label), MW, largest energy first."""
    if run.dispatch.empty:
        return pd.DataFrame()
    units = run.dispatch.assign(
        label=[
            unit_label(e, n, b)
            for e, n, b in run.dispatch[["element", "name", "bus"]].itertuples(index=False)
        ]
    )
    table = units.pivot_table(
        index="hour", columns=["element", "label"], values="p_mw", aggfunc="sum"
    )
    table.index = table.index.astype(int)
    order = table.abs().sum().sort_values(ascending=False, kind="stable").index
    return table[order].fillna(0.0)


def hourly_balance(run: RunFiles) -> pd.DataFrame:
    """Demand, unserved and losses per hour in MW; empty when there is no dispatch."""
    powers = unit_powers(run)
    if powers.empty or run.buses.empty:
        return pd.DataFrame(columns=["demand", "unserved", "losses"])
    hourly = run.buses.groupby("hour")[["demand_mw", "shed_mw"]].sum()
    hourly.index = hourly.index.astype(int)
    hourly = hourly.reindex(powers.index).fillna(0.0)
    losses = powers.sum(axis=1) - (hourly["demand_mw"] - hourly["shed_mw"])
    return pd.DataFrame(
        {"demand": hourly["demand_mw"], "unserved": hourly["shed_mw"], "losses": losses}
    )


def unit_colours(units: pd.MultiIndex) -> dict[tuple[str, str], str]:
    """Colour of each of the largest units, shades of one hue for one kind."""
    used: dict[str, int] = {}
    colours = {}
    for element, label in units[:MOST_UNITS]:
        family = FAMILIES.get(element, FAMILIES["sgen"])
        shade = used.get(element, 0)
        used[element] = shade + 1
        colours[(element, label)] = family[shade] if shade < len(family) else OTHERS
    return {unit: colour for unit, colour in colours.items() if colour != OTHERS}


def plot_dispatch(run: RunFiles) -> Chart | None:
    """Output of the units stacked per hour under the demand, losses below; None without."""
    powers, balance = unit_powers(run), hourly_balance(run)
    if powers.empty or balance.empty:
        return None
    colours = unit_colours(powers.columns)
    stacks = {label: (powers[(e, label)], colour) for (e, label), colour in colours.items()}
    rest = powers.drop(columns=list(colours))
    if rest.shape[1]:
        stacks[f"{rest.shape[1]} other units"] = (rest.sum(axis=1), OTHERS)

    def draw(width: float) -> Canvas:
        canvas = Canvas(width, 0, f"dispatch-{width:.0f}", "Dispatch of each hour")
        hatch = canvas.hatch(UNSERVED)
        items = [("box", colour, label) for label, (_, colour) in stacks.items()]
        items.append(("line", INK, "demand"))
        if balance["unserved"].max() > 1e-6:
            items.append(("box", hatch, "unserved"))
        head = legend(canvas, 12, items) + 32
        tall = 300.0 if width > NARROW else 230.0
        top = max(
            powers.clip(lower=0).sum(axis=1).add(balance["unserved"]).max(), balance["demand"].max()
        )
        low = min(powers.clip(upper=0).sum(axis=1).min(), 0.0)
        hours = len(powers)
        x = Scale(0, hours, LEFT, width - RIGHT)
        frame = Frame(canvas, x, Scale(*nice_range(low, max(top, 1e-6)), head + tall, head))
        frame.y_axis("Generation and demand, MW")
        for k, hour in enumerate(powers.index):
            _hour_stack(frame, k, hour, stacks, float(balance["unserved"].loc[hour]), hatch)
        _steps(frame, balance["demand"].to_numpy(), INK, 2.0)
        frame.x_axis(_hour_labels(powers.index, (width - LEFT - RIGHT) / hours))
        foot = head + tall + 62
        canvas.height = foot + 70 + 44
        high = max(float(balance["losses"].max()), 1e-6)
        low = min(float(balance["losses"].min()), 0.0)
        small = Frame(canvas, x, Scale(*nice_range(low, high, 2), foot + 70, foot))
        small.y_axis("Network losses, MW")
        for k, (hour, loss) in enumerate(balance["losses"].items()):
            _bar(small, k, 0.0, float(loss), MUTED, f"Hour {hour}: losses {power(loss)}")
        small.x_axis(_hour_labels(powers.index, (width - LEFT - RIGHT) / hours), "hour")
        return canvas

    return both(draw)


def _hour_stack(
    frame: Frame,
    k: int,
    hour: int,
    stacks: dict[str, tuple[pd.Series, str]],
    unserved: float,
    hatch: str,
) -> None:
    up = down = 0.0
    for label, (series, colour) in stacks.items():
        p = float(series.loc[hour])
        tip = f"Hour {hour}, {label}: {power(p)}"
        if p >= 0:
            _bar(frame, k, up, up + p, colour, tip)
            up += p
        else:
            _bar(frame, k, down + p, down, colour, tip)
            down += p
    if unserved > 1e-6:
        _bar(frame, k, up, up + unserved, hatch, f"Hour {hour}: {power(unserved)} unserved")


def _bar(frame: Frame, k: int, low: float, high: float, fill: str, tip: str) -> None:
    low, high = min(low, high), max(low, high)
    left, right = frame.x(k + 0.07), frame.x(k + 0.93)
    tall = frame.y(low) - frame.y(high)
    if tall > 0.05:
        edge = {"stroke": PAPER, "stroke_width": 0.6} if tall > 2 else {}
        frame.canvas.add(
            "rect",
            tip=tip,
            x=left,
            y=frame.y(high),
            width=right - left,
            height=tall,
            fill=fill,
            **edge,
        )


def _steps(frame: Frame, values: np.ndarray, colour: str, width: float) -> None:
    points = [(frame.x(k + d), frame.y(v)) for k, v in enumerate(values) for d in (0, 1)]
    frame.canvas.path(points, stroke=colour, stroke_width=width, stroke_linejoin="round")


def _hour_labels(hours: pd.Index, room: float) -> list[tuple[float, str]]:
    labels = [str(hour) for hour in hours]
    every = thinned(labels, room)
    every = next(n for n in (1, 2, 3, 4, 6, 8, 12, 24, every) if n >= every)
    # Keep the last hour and every n-th before it: 1..24 by threes shows 3, 6 ... 24.
    return [(k + 0.5, s) for k, s in enumerate(labels) if (k + 1) % every == 0]


def plot_hours(run: RunFiles) -> list[Chart]:
    """Voltage band and highest loading of each hour; [] without a dispatch."""
    charts = []
    voltage = run.buses.dropna(subset=["vm_pu"]).groupby("hour")["vm_pu"]
    if voltage.ngroups:
        band = pd.DataFrame({"low": voltage.min(), "high": voltage.max()})
        charts.append(both(lambda width: _voltage_band(band, run.vm_limits, _half(width))))
    loading = run.branches.dropna(subset=["loading_percent"]).groupby("hour")["loading_percent"]
    if loading.ngroups:
        highest = loading.max()
        charts.append(both(lambda width: _highest_loading(highest, _half(width))))
    return charts


def _half(width: float) -> float:
    return width if width <= NARROW else WIDE / 2 - 14


def _voltage_band(band: pd.DataFrame, limits: tuple[float, float] | None, width: float) -> Canvas:
    canvas = Canvas(width, 262, f"voltage-{width:.0f}", "Lowest and highest voltage of each hour")
    items = [("box", "#9ec9e2", "lowest to highest bus voltage")]
    low, high = float(band["low"].min()), float(band["high"].max())
    if limits:
        low, high = min(low, limits[0]), max(high, limits[1])
        items.append(("dash", UNSERVED, "limit"))
    legend(canvas, 12, items)
    hours = band.index.astype(int)
    x = Scale(0, len(band), LEFT, width - RIGHT)
    frame = Frame(canvas, x, Scale(*nice_range(low, high), 222, 58))
    frame.y_axis("Voltage, pu")
    for k, (hour, row) in enumerate(band.iterrows()):
        tip = f"Hour {int(hour)}: {fixed(row['low'], 4)} to {fixed(row['high'], 4)} pu"
        _bar(frame, k, row["low"], row["high"], "#9ec9e2", tip)
        for value in (row["low"], row["high"]):
            canvas.line(
                x(k + 0.07),
                frame.y(value),
                x(k + 0.93),
                frame.y(value),
                stroke=SERVED,
                stroke_width=2,
            )
    for limit in limits or ():
        _limit_line(frame, limit)
    frame.x_axis(_hour_labels(hours, (width - LEFT - RIGHT) / len(band)), "hour")
    return canvas


def _highest_loading(highest: pd.Series, width: float) -> Canvas:
    canvas = Canvas(width, 262, f"loading-{width:.0f}", "Highest branch loading of each hour")
    legend(canvas, 12, [("box", SERVED, "most loaded branch"), ("dash", UNSERVED, "rating")])
    x = Scale(0, len(highest), LEFT, width - RIGHT)
    frame = Frame(canvas, x, Scale(*nice_range(0, max(100.0, float(highest.max()))), 222, 58))
    frame.y_axis("Loading, %")
    for k, (hour, value) in enumerate(highest.items()):
        _bar(frame, k, 0.0, float(value), SERVED, f"Hour {int(hour)}: {fixed(value, 1)} %")
    _limit_line(frame, 100.0)
    labels = _hour_labels(highest.index.astype(int), (width - LEFT - RIGHT) / len(highest))
    frame.x_axis(labels, "hour")
    return canvas


def _limit_line(frame: Frame, value: float) -> None:
    y = frame.y(value)
    frame.canvas.line(
        frame.x.start, y, frame.x.end, y, stroke=UNSERVED, stroke_width=1.4, stroke_dasharray="5 4"
    )
