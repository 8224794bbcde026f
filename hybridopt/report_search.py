"""How the genetic algorithm went: one small chart per objective, from generations.csv."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybridopt.plots import NARROW, WIDE, Chart
from hybridopt.report_format import fixed
from hybridopt.report_text import OBJECTIVES
from hybridopt.report_svg import (
    MUTED,
    PLAN,
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
    from collections.abc import Sequence

    import pandas as pd

    from hybridopt.report_files import RunFiles

LEFT, RIGHT = 64.0, 10.0


def plot_search(run: RunFiles) -> list[Chart]:
    """Best and mean of each objective per generation, plan cost and plans tried; [] without."""
    table = run.generations
    if table.empty or "generation" not in table:
        return []
    panels = []
    for name in [c.removeprefix("best_") for c in table.columns if c.startswith("best_")]:
        words, unit = OBJECTIVES.get(name, (name.replace("_", " "), ""))
        title = f"{words[:1].upper()}{words[1:]}, {unit.format(run.currency)}".rstrip(", ")
        series = [("best", SERVED, table[f"best_{name}"])]
        if f"mean_{name}" in table:
            series.append(("mean", MUTED, table[f"mean_{name}"]))
        panels.append((name, title, series, None))
    if "plan_cost_best" in table and "best_plan_cost" not in table:
        title = f"Cost of the best plan, {run.currency}".rstrip(", ")
        budget = run.number("plan", "budget")
        panels.append(("cost", title, [("best plan", PLAN, table["plan_cost_best"])], budget))
    counts = [
        (words, colour, table[column])
        for words, colour, column in (
            ("evaluations", MUTED, "evaluations"),
            ("distinct plans", SERVED, "distinct_plans"),
        )
        if column in table
    ]
    if counts:
        panels.append(("plans", "Plans, number so far", counts, None))
    x = table["generation"]
    narrow_panels = [_panel(*panel, x, NARROW) for panel in panels]
    wide_panels = [_panel(*panel, x, WIDE / 2 - 14) for panel in panels]
    return [Chart(w.svg(), n.svg()) for w, n in zip(wide_panels, narrow_panels, strict=True)]


def _panel(
    key: str,
    title: str,
    series: Sequence[tuple[str, str, pd.Series]],
    budget: float | None,
    generation: pd.Series,
    width: float,
) -> Canvas:
    canvas = Canvas(width, 244, f"search-{key}-{width:.0f}", title)
    items = [("line", colour, words) for words, colour, _ in series]
    values = np.concatenate([s.to_numpy(dtype=float) for _, _, s in series])
    values = values[np.isfinite(values)]
    low, high = (values.min(), values.max()) if len(values) else (0.0, 1.0)
    if budget is not None and budget <= 3 * high:
        items.append(("dash", UNSERVED, "budget"))
        high = max(high, budget)
    if low >= 0 and low < 0.5 * high:
        low = 0.0
    legend(canvas, 12, items)
    first, last = float(generation.min()), float(generation.max())
    x = Scale(first, max(last, first + 1), LEFT, width - RIGHT)
    frame = Frame(canvas, x, Scale(*nice_range(low, high), 204, 58))
    frame.y_axis(title)
    for words, colour, column in series:
        _curve(frame, generation, column, colour, words)
    if budget is not None and budget <= 3 * high:
        y = frame.y(budget)
        canvas.line(LEFT, y, width - RIGHT, y, stroke=UNSERVED, stroke_dasharray="5 4")
    labels = [str(int(g)) for g in generation]
    every = thinned(labels, (width - LEFT - RIGHT) / max(len(labels) - 1, 1))
    every = next(n for n in (1, 2, 5, 10, 20, 25, 50, 100, every) if n >= every)
    shown = [(float(g), str(int(g))) for g in generation if int(g) % every == 0]
    frame.x_axis(shown, "generation")
    return canvas


def _curve(frame: Frame, x: pd.Series, y: pd.Series, colour: str, words: str) -> None:
    known = y.notna()
    points = [
        (frame.x(float(a)), frame.y(float(b))) for a, b in zip(x[known], y[known], strict=True)
    ]
    thin = {"stroke_width": 1.6, "stroke_dasharray": "1 0"}
    look = {"stroke_width": 2.4} if words.startswith(("best", "distinct")) else thin
    if points:
        frame.canvas.path(points, stroke=colour, stroke_linejoin="round", **look)
    for (px, py), value, g in zip(points, y[known], x[known], strict=True):
        decimals = 0 if abs(value) >= 1000 or value == round(value) else 3
        tip = f"Generation {int(g)}, {words}: {fixed(float(value), decimals)}"
        frame.canvas.add("circle", tip=tip, cx=px, cy=py, r=2.2, fill=colour)
