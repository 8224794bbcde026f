"""Numbers and lists as a reader wants them: rounded by size, in groups of three, with units."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

GROUP = "\N{NARROW NO-BREAK SPACE}"
NBSP = "\N{NO-BREAK SPACE}"
MISSING = "\N{EN DASH}"
JOINER = "\N{WORD JOINER}"


def is_number(value: object) -> bool:
    """Whether a value is a finite number."""
    return not isinstance(value, bool) and isinstance(value, int | float) and math.isfinite(value)


def fixed(value: float | None, decimals: int) -> str:
    """Write a number with a true minus and digits in groups of three, a dash when missing."""
    if value is None or not math.isfinite(value):
        return MISSING
    text = f"{value:,.{decimals}f}".replace(",", GROUP)
    if text.strip(f"-0.{GROUP}") == "":
        text = text.removeprefix("-")
    return text.replace("-", "\N{MINUS SIGN}")


def decimals_for(values: Iterable[float | None], digits: int = 4, most: int = 6) -> int:
    """Return decimals that show the largest value of a column with so many digits."""
    sizes = [abs(v) for v in values if v is not None and math.isfinite(v)]
    largest = max(sizes, default=0.0)
    if largest == 0:
        return 1
    return min(max(digits - 1 - math.floor(math.log10(largest)), 0), most)


def few_decimals(value: float) -> int:
    """Return decimals for a value in a sentence: four digits, two decimals where that does."""
    return min(decimals_for([value], 4, 4), 2 if abs(value) >= 1 else 4)


def power(mw: float | None) -> str:
    """Active power with its unit."""
    if mw is not None and abs(mw) < 1e-9:
        return f"0{NBSP}MW"
    return MISSING if mw is None else f"{fixed(mw, few_decimals(mw))}{NBSP}MW"


def of_power(part: float | None, whole: float | None) -> str:
    """Write "100.0 of 315.0 MW", both rounded alike."""
    decimals = few_decimals(whole or part or 0.0)
    return f"{fixed(part, decimals)} of {fixed(whole, decimals)}{NBSP}MW"


def energy(mwh: float | None) -> str:
    """Energy with its unit."""
    if mwh is not None and abs(mwh) < 1e-9:
        return f"0{NBSP}MWh"
    return MISSING if mwh is None else f"{fixed(mwh, few_decimals(mwh))}{NBSP}MWh"


def percent(value: float | None, decimals: int = 1) -> str:
    """Percentage with its sign."""
    return MISSING if value is None else f"{fixed(value, decimals)}{NBSP}%"


def share(part: float | None, whole: float | None) -> str:
    """Part of a whole as a percentage; never rounded to 0 or 100 when it is not."""
    if part is None or not whole:
        return MISSING
    value = 100 * part / whole
    if abs(value) < 1e-6 or abs(value - 100) < 1e-6:
        return percent(value, 0)
    if 0 < value < 0.05:
        return f"under{NBSP}0.1{NBSP}%"
    return f"over{NBSP}99.9{NBSP}%" if 99.95 <= value < 100 - 1e-6 else percent(value)


def money(amount: float | None, currency: str) -> str:
    """Amount of money; millions are written out."""
    if amount is None:
        return MISSING
    unit = f"{NBSP}{currency}" if currency else ""
    if abs(amount) >= 1e6:
        return f"{fixed(amount / 1e6, decimals_for([amount / 1e6], 4))}{NBSP}million{unit}"
    if abs(amount - round(amount)) < 1e-9 * max(abs(amount), 1) and abs(amount) < 1000:
        return f"{fixed(amount, 0)}{unit}"
    return f"{fixed(amount, min(max(decimals_for([amount], 6), 0), 3))}{unit}"


def duration(seconds: float | None) -> str:
    """Time in the unit that suits it."""
    if seconds is None:
        return MISSING
    if seconds < 100:
        return f"{fixed(seconds, 1 if seconds >= 1 else 2)}{NBSP}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{NBSP}h {minutes}{NBSP}min"
    return f"{minutes}{NBSP}min {rest}{NBSP}s"


def scientific(value: float | None) -> str:
    """Small number as 3.2 x 10^-7, with true superscripts; zero as 0."""
    if value is None:
        return MISSING
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.1e}".split("e")
    raised = str(int(exponent)).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
    return f"{mantissa}{NBSP}×{NBSP}10{raised}"


def listing(items: Sequence[str]) -> str:
    """Join as "a", "a and b", "a, b and c"."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def unbroken(names: Iterable[str]) -> list[str]:
    """Keep names such as 5-6 on one line."""
    return [n.replace("-", "\N{NON-BREAKING HYPHEN}").replace(" ", NBSP) for n in names]


def count(number: int, singular: str, plural: str = "") -> str:
    """Write "1 line", "2 lines"."""
    return f"{fixed(number, 0)}{NBSP}{singular if number == 1 else plural or singular + 's'}"


def in_words(number: int) -> str:
    """Write small numbers as sentences do."""
    names = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
    return names[number] if 0 <= number < len(names) else str(number)


def spans(hours: Sequence[int]) -> str:
    """Write hours as "18-24" or "8, 18-21"."""
    runs: list[list[int]] = []
    for hour in sorted(set(hours)):
        if runs and hour == runs[-1][1] + 1:
            runs[-1][1] = hour
        else:
            runs.append([hour, hour])
    return ", ".join(
        str(first) if first == last else f"{first}{JOINER}\N{EN DASH}{JOINER}{last}"
        for first, last in runs
    )
