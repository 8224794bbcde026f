"""Pictures of studies over many events: a ranking, a distribution, how often more is exceeded."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.plots import NARROW, Chart, both
from hybridopt.report_format import energy, fixed, power
from hybridopt.report_svg import (
    INK,
    LEFT,
    MUTED,
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
    values_below,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    Bar = tuple[float, str, str]  # value, colour, what a pointer shows

SPARED = "#f3c6a5"  # what the response saves
ROW = 26.0


def ranking_chart(found: dict[str, Any]) -> Chart:
    """Bars of unserved power, one row for each event, the worst at the top."""
    items = [("box", UNSERVED, "unserved after the response"), ("box", SPARED, "saved by it")]
    items = items if found["response"] != "none" else [("box", UNSERVED, "unserved")]

    def bars(row: dict[str, Any]) -> list[Bar]:
        without, after = row["unserved_mw_without_response"], row["unserved_mw"]
        return [(without, SPARED, power(without)), (after, UNSERVED, power(after))]

    return both(
        lambda width: _bars(width, found, "Worst events", "MW at the peak hour", bars, items)
    )


def restoring_chart(found: dict[str, Any]) -> Chart:
    """Bars of what the cheapest plan costs that serves everything after an event."""
    money = found["currency"]
    items = [("box", PLAN, "cheapest plan within the budget that serves everything")]

    def bars(row: dict[str, Any]) -> list[Bar]:
        cost = row["restoring_cost"]
        return [] if cost is None else [(cost, PLAN, f"{fixed(cost, 3)} {money}")]

    return both(lambda width: _bars(width, found, "Cost of full service", money, bars, items))


def _bars(
    width: float,
    found: dict[str, Any],
    name: str,
    unit: str,
    bars_of: Callable[[dict[str, Any]], list[Bar]],
    items: list[tuple[str, str, str]],
) -> Canvas:
    """A row for each event, in their order, with bars that lie upon one another."""
    rows = found["events"]
    bars = [bars_of(row) for row in rows]
    key = f"{name.lower().replace(' ', '-')}-{width:.0f}"
    canvas = Canvas(width, 60 + (ROW + 18) * len(rows) + 40, key, name)
    top = legend(canvas, 12, items) + 12
    most = max((value for one in bars for value, _, _ in one), default=0.0)
    x = Scale(*nice_range(0.0, most or 1.0), 4.0, width - RIGHT)
    values_below(canvas, x, top, top + (ROW + 18) * len(rows), 8 if width > NARROW else 4, unit)
    for k, (row, one) in enumerate(zip(rows, bars, strict=True)):
        y = top + k * (ROW + 18)
        words = f"{k + 1}. {', '.join(row['elements'])}"
        words += "" if one else ": no plan within the budget serves everything"
        canvas.text(x.start, y + 12, words, fill=INK)
        for value, fill, tip in one:
            wide = x(value) - x.start
            if wide > 0.05:
                box: Look = {"x": x.start, "y": y + 17, "width": wide, "height": ROW - 8}
                canvas.add("rect", tip=tip, fill=fill, **box)
    return canvas


def distribution_chart(found: dict[str, Any]) -> Chart:
    """Number of events by unserved energy, with mean, value at risk and tail."""
    return both(lambda width: _distribution(width, found))


def _distribution(width: float, found: dict[str, Any]) -> Canvas:
    edges, counts = found["distribution"]["edges_mwh"], found["distribution"]["events"]
    canvas = Canvas(width, 320, f"distribution-{width:.0f}", "Events by unserved energy")
    head = _legend(canvas) + 34
    x = Scale(0.0, edges[-1], LEFT, width - RIGHT)
    frame = Frame(canvas, x, Scale(*nice_range(0.0, max(counts)), 260, head))
    frame.y_axis("Events")
    for low, high, number in zip(edges[:-1], edges[1:], counts, strict=True):
        tall = frame.y(0.0) - frame.y(number)
        if tall > 0.05:
            box: Look = {"x": x(low) + 0.5, "y": frame.y(number), "height": tall}
            tip = f"{fixed(number, 0)} events with {fixed(low, 1)} to {energy(high)}"
            canvas.add("rect", tip=tip, fill=SERVED, width=max(x(high) - x(low) - 1, 0.5), **box)
    _marks(frame, found)
    frame.x_axis(_ticks(x, width), "unserved energy, MWh")
    return canvas


def exceedance_chart(found: dict[str, Any]) -> Chart:
    """Share of the events that leave more unserved than so much."""
    return both(lambda width: _exceedance(width, found))


def _exceedance(width: float, found: dict[str, Any]) -> Canvas:
    shares, values = (found["distribution"][k] for k in ("exceeded_share", "exceeded_mwh"))
    canvas = Canvas(width, 320, f"exceedance-{width:.0f}", "Share of events that exceed")
    head = _legend(canvas) + 34
    x = Scale(0.0, max(found["distribution"]["edges_mwh"]), LEFT, width - RIGHT)
    most = 100 * found["probability_unserved"]
    frame = Frame(canvas, x, Scale(*nice_range(0.0, most or 1.0), 260, head))
    frame.y_axis("Share of events that leave more, %")
    steps = list(zip(values, (100 * share for share in shares), strict=True))
    points = []
    for (value, share), (end, _) in zip(steps, [*steps[1:], (x.high, 0.0)], strict=True):
        points += [(x(value), frame.y(share)), (x(end), frame.y(share))]
    canvas.path(points, stroke=INK, stroke_width=1.8)
    _marks(frame, found)
    frame.x_axis(_ticks(x, width), "unserved energy, MWh")
    return canvas


def _legend(canvas: Canvas) -> float:
    items = [("line", PLAN, "mean"), ("dash", MUTED, "VaR 95 %"), ("line", UNSERVED, "CVaR 95 %")]
    return legend(canvas, 12, items)


def _marks(frame: Frame, found: dict[str, Any]) -> None:
    """Lines at the mean, the value at risk and the mean of what lies beyond."""
    for key, colour, dash in (
        ("expected_unserved_mwh", PLAN, ""),
        ("var_95_unserved_mwh", MUTED, "5 4"),
        ("cvar_95_unserved_mwh", UNSERVED, ""),
    ):
        at = frame.x(found[key])
        look: Look = {"stroke": colour, "stroke_width": 2.0}
        look |= {"stroke_dasharray": dash} if dash else {}
        ends: Look = {"x1": at, "x2": at, "y1": frame.y.start, "y2": frame.y.end}
        frame.canvas.add("line", tip=energy(found[key]), **ends, **look)


def _ticks(x: Scale, width: float) -> list[tuple[float, str]]:
    ticks = nice_ticks(x.low, x.high, 8 if width > NARROW else 4)
    decimals = tick_decimals(ticks)
    return [(tick, fixed(tick, decimals)) for tick in ticks]
