"""How the genetic algorithm went: one small chart per objective, from generations.csv."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.plots import Chart, both
from hybridopt.report_format import fixed
from hybridopt.report_hours import FOOT, HEAD, HEIGHT, draw_limit, half
from hybridopt.report_svg import (
    LEFT,
    MUTED,
    PLAN,
    RIGHT,
    SERVED,
    UNSERVED,
    Canvas,
    Frame,
    Scale,
    legend,
    nice_range,
    thinned,
)
from hybridopt.report_text import OBJECTIVES, plan_cost

if TYPE_CHECKING:
    import pandas as pd

    from hybridopt.report_files import RunFiles


@dataclass
class _Panel:
    """One chart: its series as (words, colour, values) and a limit, where there is one."""

    key: str
    title: str
    series: list[tuple[str, str, pd.Series]]
    budget: float | None = None


def plot_search(run: RunFiles) -> list[Chart]:
    """Best and mean of each objective per generation, plan cost and plans tried; [] without."""
    table = run.generations
    if table.empty or "generation" not in table:
        return []
    _, budget = plan_cost(run)
    panels = []
    for name in [c.removeprefix("best_") for c in table.columns if c.startswith("best_")]:
        words, unit = OBJECTIVES.get(name, (name.replace("_", " "), ""))
        title = f"{words[:1].upper()}{words[1:]}, {unit.format(run.currency)}".rstrip(", ")
        series = [("best", SERVED, table[f"best_{name}"])]
        if f"mean_{name}" in table:
            series.append(("mean", MUTED, table[f"mean_{name}"]))
        panels.append(_Panel(name, title, series, budget if name == "plan_cost" else None))
    if "plan_cost_best" in table and "best_plan_cost" not in table:
        series = [("best plan", PLAN, table["plan_cost_best"])]
        title = f"Cost of the best plan, {run.currency}".rstrip(", ")
        panels.append(_Panel("cost", title, series, budget))
    columns = (("evaluations", MUTED, "evaluations"), ("distinct plans", SERVED, "distinct_plans"))
    series = [
        (words, colour, table[column]) for words, colour, column in columns if column in table
    ]
    if series:
        panels.append(_Panel("plans", "Plans, number so far", series))
    if "wall_s" in table:
        elapsed = [("since the search began", MUTED, table["wall_s"].fillna(0).cumsum())]
        panels.append(_Panel("time", "Time, s", elapsed))
    return [_chart(panel, table["generation"]) for panel in panels]


def _chart(panel: _Panel, generation: pd.Series) -> Chart:
    return both(lambda width: _draw(half(width), panel, generation))


def _draw(width: float, panel: _Panel, generation: pd.Series) -> Canvas:
    canvas = Canvas(width, HEIGHT, f"search-{panel.key}-{width:.0f}", panel.title)
    low, high = _range(panel)
    budget = panel.budget if panel.budget is not None and panel.budget <= 3 * high else None
    items = [("line", colour, words) for words, colour, _ in panel.series]
    legend(canvas, 12, items if budget is None else [*items, ("dash", UNSERVED, "budget")])
    first, last = float(generation.min()), float(generation.max())
    x = Scale(first, max(last, first + 1), LEFT, width - RIGHT)
    frame = Frame(canvas, x, Scale(*nice_range(low, max(high, budget or high)), FOOT, HEAD))
    frame.y_axis(panel.title)
    # The first series is the one that matters: it is drawn last.
    for words, colour, values in reversed(panel.series):
        _draw_curve(frame, generation, values, colour, words)
    if budget is not None:
        draw_limit(frame, budget)
    labels = [str(int(g)) for g in generation]
    every = thinned(labels, (width - LEFT - RIGHT) / max(len(labels) - 1, 1))
    every = next(n for n in (1, 2, 5, 10, 20, 25, 50, 100, every) if n >= every)
    frame.x_axis([(float(g), g) for g in labels if int(g) % every == 0], "generation")
    return canvas


def _range(panel: _Panel) -> tuple[float, float]:
    """Range of the axis; it begins at zero unless that would hide the differences."""
    values = np.concatenate([s.to_numpy(dtype=float) for _, _, s in panel.series])
    values = values[np.isfinite(values)]
    low, high = (float(values.min()), float(values.max())) if len(values) else (0.0, 1.0)
    return (0.0 if 0 <= low < 0.5 * high else low), high


def _draw_curve(
    frame: Frame, generation: pd.Series, values: pd.Series, colour: str, words: str
) -> None:
    known = values.notna()
    pairs = list(zip(generation[known].astype(float), values[known], strict=True))
    points = [(frame.x(g), frame.y(value)) for g, value in pairs]
    if points:
        width = 1.5 if colour == MUTED else 2.4
        frame.canvas.path(points, stroke=colour, stroke_width=width, stroke_linejoin="round")
    for (x, y), (g, value) in zip(points, pairs, strict=True):
        decimals = 0 if abs(value) >= 1000 or value == round(value) else 3
        tip = f"Generation {int(g)}, {words}: {fixed(value, decimals)}"
        frame.canvas.add("circle", tip=tip, cx=x, cy=y, r=2.2, fill=colour)
