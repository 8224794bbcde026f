"""Pictures of several runs: what stays unserved against what it costs, bars, hours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.plots import NARROW, Chart, both
from hybridopt.report_format import decimals_for, fixed
from hybridopt.report_svg import (
    INK,
    LEFT,
    PAPER,
    RIGHT,
    Canvas,
    Frame,
    Look,
    Scale,
    legend,
    nice_range,
    nice_ticks,
    tick_decimals,
    values_below,
)
from hybridopt.study_rows import amount

if TYPE_CHECKING:
    from hybridopt.study_groups import Rows

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f6a00", "#444444")
ROW = 44.0
MOST_BARS = 40
OTHERS = "others"


def scatter_chart(rows: Rows) -> Chart:
    """Unserved energy against plan cost, a point for each run, a colour for each case and event."""
    return both(lambda width: _scatter(width, rows))


def label_of(row: dict[str, Any]) -> str:
    """The case and the event of a row, in words."""
    return str(row["case"]) if row["event"] == "own" else f"{row['case']}, {row['event']}"


def _colours(labels: list[str]) -> dict[str, str]:
    """A colour for each label; the last one is shared where there are too many."""
    known = list(dict.fromkeys(labels))
    return {label: COLOURS[min(k, len(COLOURS) - 1)] for k, label in enumerate(known)}


def _legend(canvas: Canvas, colours: dict[str, str], kind: str) -> float:
    shown = list(colours.items())[: len(COLOURS)]
    items = [(kind, colour, label) for label, colour in shown]
    if len(colours) > len(COLOURS):
        items[-1] = (kind, COLOURS[-1], OTHERS)
    return legend(canvas, 12, items)


def _scatter(width: float, rows: Rows) -> Canvas:
    canvas = Canvas(width, 380, f"scatter-{width:.0f}", "Unserved energy against plan cost")
    colours = _colours([label_of(row) for row in rows])
    head = _legend(canvas, colours, "box") + 34
    x = Scale(*nice_range(0.0, max(row["plan_cost"] for row in rows) or 1.0), LEFT, width - RIGHT)
    top = max(row["unserved_mwh"] for row in rows) or 1.0
    frame = Frame(canvas, x, Scale(*nice_range(0.0, top), 320, head))
    frame.y_axis("Unserved over the day, MWh")
    for row in rows:
        tip = f"{label_of(row)}, budget {amount(row['budget'])}, seed {row['seed']}: "
        tip += f"{row['unserved_mwh']:,.4g} MWh, {row['plan_cost']:,.4g} {row['currency']}"
        at: Look = {"cx": x(row["plan_cost"]), "cy": frame.y(row["unserved_mwh"]), "r": 5}
        fill = colours[label_of(row)]
        canvas.add("circle", tip=tip, fill=fill, fill_opacity=0.75, stroke=PAPER, **at)
    money = sorted({row["currency"] for row in rows})
    frame.x_axis(_ticks(x, width), f"plan cost, {' or '.join(money)}")
    return canvas


def bars_chart(found: Rows, name: str, unit: str) -> Chart:
    """Median of a value for each case, event and budget, with the range over the seeds.

    Parameters
    ----------
    found : rows of :func:`hybridopt.study_groups.groups`
    unit : empty for costs, in the currency of each row
    """
    return both(lambda width: _bars(width, found[:MOST_BARS], name, unit))


def _bars(width: float, found: Rows, name: str, unit: str) -> Canvas:
    canvas = Canvas(width, 40 + ROW * len(found) + 50, f"{name}-{width:.0f}", name)
    colours = _colours([label_of(row) for row in found])
    top = 16.0
    most = max(row[f"worst_{name}"] for row in found)
    x = Scale(*nice_range(0.0, most or 1.0), 4.0, width - RIGHT)
    foot = top + ROW * len(found)
    units = unit or " or ".join(sorted({row["currency"] for row in found}))
    values_below(canvas, x, top, foot, 8 if width > NARROW else 4, f"{units} over the day")
    for k, row in enumerate(found):
        y = top + k * ROW
        value, low, high = (row[f"{which}_{name}"] for which in ("median", "best", "worst"))
        shown = fixed(value, decimals_for([value]))
        words = f"{label_of(row)}, budget {amount(row['budget'])} {row['currency']}: {shown}"
        canvas.text(x.start, y + 14, words, fill=INK)
        wide = x(value) - x.start
        if wide > 0.05:
            box: Look = {"x": x.start, "y": y + 20, "width": wide, "height": 14}
            canvas.add("rect", tip=words, fill=colours[label_of(row)], **box)
        if high > low:
            canvas.line(x(low), y + 27, x(high), y + 27, stroke=INK, stroke_width=2)
    return canvas


def served_chart(served: list[dict[str, Any]]) -> Chart:
    """Power served hour by hour, a line for each run.

    Parameters
    ----------
    served : label, and MW of each hour, of each run
    """
    return both(lambda width: _served(width, served[: len(COLOURS)]))


def _served(width: float, served: list[dict[str, Any]]) -> Canvas:
    canvas = Canvas(width, 340, f"served-{width:.0f}", "Power served hour by hour")
    items = [("line", COLOURS[k], run["label"]) for k, run in enumerate(served)]
    head = legend(canvas, 12, items) + 34
    n_hours = max(len(run["mw"]) for run in served)
    x = Scale(1.0, float(max(n_hours, 2)), LEFT, width - RIGHT)
    top = max(max(run["mw"]) for run in served) or 1.0
    frame = Frame(canvas, x, Scale(*nice_range(0.0, top), 280, head))
    frame.y_axis("Served, MW")
    for k, run in enumerate(served):
        points = [(x(hour), frame.y(mw)) for hour, mw in enumerate(run["mw"], start=1)]
        canvas.path(points, stroke=COLOURS[k], stroke_width=1.8)
        for point, mw in zip(points, run["mw"], strict=True):
            at: Look = {"cx": point[0], "cy": point[1], "r": 2.5}
            canvas.add("circle", tip=f"{run['label']}: {mw:,.4g} MW", fill=COLOURS[k], **at)
    step = 1 if width > NARROW else 3
    frame.x_axis([(float(hour), str(hour)) for hour in range(1, n_hours + 1, step)], "hour")
    return canvas


def _ticks(x: Scale, width: float) -> list[tuple[float, str]]:
    ticks = nice_ticks(x.low, x.high, 8 if width > NARROW else 4)
    return [(tick, fixed(tick, tick_decimals(ticks))) for tick in ticks]
