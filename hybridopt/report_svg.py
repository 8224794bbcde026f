"""A small SVG canvas and axes: text in the reader's own font, no outside reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from hybridopt.report_format import fixed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Okabe and Ito's colours where they mean something: they stay apart for colour-blind readers.
INK, MUTED, FAINT, PAPER = "#1f2933", "#5b6770", "#dde2e6", "#ffffff"
SERVED, PARTLY, UNSERVED, DEAD = "#0072b2", "#e69f00", "#d55e00", "#8a949b"
PLAN = "#009e73"
FAMILIES = {  # shades of one hue for units of one kind
    "ext_grid": ("#2f4b6e", "#5f7896", "#93a5bb"),
    "gen": ("#0072b2", "#56b4e9", "#7a6fb0", "#b3d7ee", "#b9b2da", "#3f4f8c"),
    "dg": ("#009e73", "#7cc8ad", "#00664a", "#bfe3d6"),
    "sgen": ("#c9a400", "#e8d36b", "#8f7500"),
}
OTHERS = "#b8b1a6"
LEFT, RIGHT = 60.0, 10.0  # room beside a plot for its axis
CHARACTER = 6.6  # about the width of one
Look = dict[str, Any]  # attributes of an element


@dataclass(frozen=True)
class Scale:
    """Linear map from data to the canvas."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Position of a value on the canvas."""
        width = self.high - self.low
        return self.start + (value - self.low) / width * (self.end - self.start)


class Canvas:
    """An SVG drawing; everything that is text is escaped.

    Parameters
    ----------
    width, height : canvas units, pixels at full size
    key : unique on the page; ids of patterns begin with it
    label : what the drawing shows, for screen readers
    """

    def __init__(self, width: float, height: float, key: str, label: str) -> None:
        self.width, self.height, self.key, self.label = width, height, key, label
        self.parts: list[str] = []

    def add(self, tag: str, /, content: str | None = None, tip: str = "", **attrs: Any) -> None:
        """Add an element; `content` is text and `tip` what a pointer shows, both plain."""
        inner = f"<title>{escape(tip)}</title>" if tip else ""
        inner += escape(content) if content is not None else ""
        end = f">{inner}</{tag}>" if inner else "/>"
        self.parts.append(f"<{tag}{_attributes(attrs)}{end}")

    def line(self, x1: float, y1: float, x2: float, y2: float, **attrs: Any) -> None:
        """Add a straight line."""
        self.add("line", x1=x1, y1=y1, x2=x2, y2=y2, **attrs)

    def path(self, points: Iterable[Iterable[float]], **attrs: Any) -> None:
        """Add a line through points, open unless `fill` is given."""
        way = "L".join(f"{_short(x)} {_short(y)}" for x, y in points)
        look: Look = {"d": f"M{way}", "fill": "none", **attrs}
        self.add("path", **look)

    def text(self, x: float, y: float, words: str, **attrs: Any) -> None:
        """Add a text; by default small, muted, starting at x with its foot on y."""
        look: Look = {"fill": MUTED, "font_size": 12, **attrs}
        self.add("text", words, x=x, y=y, **look)

    def centred(self, x: float, y: float, words: str, **attrs: Any) -> None:
        """Add a text with its middle at x, or as near as it is not cut off at an edge."""
        half = CHARACTER * len(words) / 2
        middle = min(max(x, half), max(self.width - half, half))
        self.text(middle, y, words, text_anchor="middle", **attrs)

    def hatch(self, colour: str) -> str:
        """Make a striped fill of a colour and return it."""
        name = f"{self.key}-{colour.lstrip('#')}"
        self.parts.append(
            f'<defs><pattern id="{name}" width="5" height="5" patternUnits="userSpaceOnUse" '
            f'patternTransform="rotate(45)"><rect width="5" height="5" fill="{colour}" '
            f'fill-opacity=".18"/><line x1="0" y1="0" x2="0" y2="5" stroke="{colour}" '
            'stroke-width="3.2"/></pattern></defs>'
        )
        return f"url(#{name})"

    def svg(self) -> Markup:
        """Return the drawing, ready to stand in a page."""
        size = f"{_short(self.width)} {_short(self.height)}"
        head = f'<svg viewBox="0 0 {size}" role="img" aria-label="{escape(self.label)}">'
        return Markup(head + "".join(self.parts) + "</svg>")  # noqa: S704 (all of it was escaped)


@dataclass(frozen=True)
class Frame:
    """Plot area of a chart: its two scales and the canvas it stands on."""

    canvas: Canvas
    x: Scale
    y: Scale

    def y_axis(self, title: str, about: int = 5) -> None:
        """Grid lines, about so many, with their values, and the axis title above the plot."""
        ticks = nice_ticks(self.y.low, self.y.high, about)
        decimals = tick_decimals(ticks)
        for tick in ticks:
            y = self.y(tick)
            self.canvas.line(self.x.start, y, self.x.end, y, stroke=FAINT)
            self.canvas.text(self.x.start - 8, y + 4, fixed(tick, decimals), text_anchor="end")
        self.canvas.text(self.x.start - LEFT, self.y.end - 13, title, font_weight=600)

    def x_axis(self, labels: Iterable[tuple[float, str]], title: str = "") -> None:
        """Base line, labels below it and the axis title at the right."""
        foot = max(self.y.start, self.y.end)
        self.canvas.line(self.x.start, foot, self.x.end, foot, stroke=MUTED)
        for value, label in labels:
            self.canvas.centred(self.x(value), foot + 17, label)
        if title:
            self.canvas.text(self.x.end, foot + 35, title, text_anchor="end")


def values_below(canvas: Canvas, x: Scale, top: float, foot: float, about: int, title: str) -> None:
    """Lines from top to foot at about so many round values, written below, for lying bars."""
    ticks = nice_ticks(x.low, x.high, about)
    for tick in ticks:
        canvas.line(x(tick), top, x(tick), foot, stroke=FAINT)
        canvas.centred(x(tick), foot + 17, fixed(tick, tick_decimals(ticks)))
    canvas.text(x.end, foot + 35, title, text_anchor="end")


def nice_ticks(low: float, high: float, about: int = 5) -> list[float]:
    """Round numbers from low to high, a step of 1, 2 or 5 times a power of ten apart."""
    step = _nice_step(low, high, about)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def _nice_step(low: float, high: float, about: int) -> float:
    raw = (high - low) / about
    power = 10.0 ** math.floor(math.log10(raw))
    return next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= raw * 0.999)


def nice_range(low: float, high: float, about: int = 5) -> tuple[float, float]:
    """Range from tick to tick that holds the data; never empty."""
    if high - low <= 1e-9 * max(abs(low), abs(high), 1e-6):
        pad = 0.02 * abs(high) or 1.0
        low, high = low - pad, high + pad
    for _ in range(3):  # a wider range may take a wider step
        step = _nice_step(low, high, about)
        low, high = step * math.floor(low / step + 1e-9), step * math.ceil(high / step - 1e-9)
    return low, high


def tick_decimals(ticks: Sequence[float]) -> int:
    """Decimals that tell the ticks apart."""
    for decimals in range(8):
        if all(abs(t - round(t, decimals)) < 1e-9 * max(1.0, abs(t)) for t in ticks):
            return decimals
    return 8


def thinned(labels: Sequence[str], room: float, size: float = 7.0) -> int:
    """Show each n-th label so that labels don't touch; `room` is what one has, in pixels."""
    widest = max((len(label) for label in labels), default=1) * size + 6
    return max(1, math.ceil(widest / room)) if room > 0 else 1


def legend(
    canvas: Canvas, y: float, items: Sequence[tuple[str, str, str]], left: float = 0
) -> float:
    """Write (mark, colour, words) rows from the left, wrapped; return the foot.

    A mark is ``box``, ``line`` or ``dash``.
    """
    x = left
    for mark, colour, words in items:
        width = 24 + CHARACTER * len(words) + 14
        if x > left and x + width - 14 > canvas.width:
            x, y = left, y + 20
        if mark == "box":
            canvas.add("rect", x=x, y=y - 10, width=14, height=11, rx=1.5, fill=colour)
        else:
            dashes = {"stroke_dasharray": "4 3"} if mark == "dash" else {}
            canvas.line(x, y - 4, x + 16, y - 4, stroke=colour, stroke_width=2, **dashes)
        canvas.text(x + 21, y, words)
        x += width
    return y + 8


def _short(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _attributes(attrs: Look) -> str:
    written = []
    for name, value in attrs.items():
        text = _short(value) if isinstance(value, int | float) else escape(str(value))
        written.append(f' {name.rstrip("_").replace("_", "-")}="{text}"')
    return "".join(written)
