"""How near the hours come to the limits: voltage band and highest loading of each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from hybridopt.plots import NARROW, WIDE, Chart, both, draw_bar, hour_labels
from hybridopt.report_format import fixed
from hybridopt.report_svg import (
    LEFT,
    RIGHT,
    SERVED,
    UNSERVED,
    Canvas,
    Frame,
    Scale,
    legend,
    nice_range,
)

if TYPE_CHECKING:
    from hybridopt.report_files import RunFiles

BAND = "#9ec9e2"
HEIGHT, HEAD, FOOT = 262.0, 58.0, 222.0


def plot_hours(run: RunFiles) -> list[Chart]:
    """Voltage band and highest loading of each hour; [] without a dispatch."""
    charts = []
    voltage = run.buses.dropna(subset=["vm_pu"]).groupby("hour")["vm_pu"]
    if voltage.ngroups:
        band = pd.DataFrame({"low": voltage.min(), "high": voltage.max()})
        charts.append(both(lambda width: _draw_voltages(half(width), band, run.vm_limits)))
    loading = run.branches.dropna(subset=["loading_percent"]).groupby("hour")["loading_percent"]
    if loading.ngroups:
        highest = loading.max()
        charts.append(both(lambda width: _draw_loadings(half(width), highest)))
    return charts


def half(width: float) -> float:
    """Width of one of two charts side by side; on a telephone they stand below one another."""
    return width if width <= NARROW else WIDE / 2 - 14


def _draw_voltages(width: float, band: pd.DataFrame, limits: tuple[float, float] | None) -> Canvas:
    canvas = Canvas(width, HEIGHT, f"voltage-{width:.0f}", "Lowest and highest voltage per hour")
    items = [("box", BAND, "lowest to highest bus voltage")]
    legend(canvas, 12, [*items, ("dash", UNSERVED, "limit")] if limits else items)
    bounds = limits or ()
    span = min([band["low"].min(), *bounds]), max([band["high"].max(), *bounds])
    x = Scale(0, len(band), LEFT, width - RIGHT)
    frame = Frame(canvas, x, Scale(*nice_range(*span), FOOT, HEAD))
    frame.y_axis("Voltage, pu")
    for k, (hour, low, high) in enumerate(band.itertuples()):
        tip = f"Hour {int(hour)}: {fixed(low, 4)} to {fixed(high, 4)} pu"
        draw_bar(frame, k, (low, high), BAND, tip)
        for y in (frame.y(low), frame.y(high)):
            canvas.line(x(k + 0.07), y, x(k + 0.93), y, stroke=SERVED, stroke_width=2)
    for limit in bounds:
        draw_limit(frame, limit)
    frame.x_axis(hour_labels(band.index, width - LEFT - RIGHT), "hour")
    return canvas


def _draw_loadings(width: float, highest: pd.Series) -> Canvas:
    canvas = Canvas(width, HEIGHT, f"loading-{width:.0f}", "Highest branch loading per hour")
    legend(canvas, 12, [("box", SERVED, "most loaded branch"), ("dash", UNSERVED, "rating")])
    x = Scale(0, len(highest), LEFT, width - RIGHT)
    frame = Frame(canvas, x, Scale(*nice_range(0, max(100.0, highest.max())), FOOT, HEAD))
    frame.y_axis("Loading, %")
    for k, (hour, value) in enumerate(highest.items()):
        draw_bar(frame, k, (0.0, value), SERVED, f"Hour {int(hour)}: {fixed(value, 1)} %")
    draw_limit(frame, 100.0)
    frame.x_axis(hour_labels(highest.index, width - LEFT - RIGHT), "hour")
    return canvas


def draw_limit(frame: Frame, value: float) -> None:
    """Draw a dashed line across the chart."""
    y, look = frame.y(value), {"stroke_width": 1.4, "stroke_dasharray": "5 4"}
    frame.canvas.line(frame.x.start, y, frame.x.end, y, stroke=UNSERVED, **look)
