"""Genes beside branches and sites: power and voltage of a unit, ends and length of a new line.

As in Diaz Vargas, Mosquera, Rivas 2024, Tables 6 and 8. Values are rounded, so that plans can be
read and equal plans are equal.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from random import Random

    from hybridopt.grid import NewLine, Unit

P_DIGITS = 3  # MW
VM_DIGITS = 4  # pu
KM_DIGITS = 4  # km
STEPS = (0.8, 0.95, 1.05, 1.25)  # of a value that is changed a little


@dataclass(frozen=True)
class Range:
    """Values of a continuous gene: from low to high, rounded to a number of digits."""

    low: float
    high: float
    digits: int

    def clip(self, value: float) -> float:
        """The nearest value: low, high, or one between them with so many digits."""
        inside = self.low < value < self.high
        return min(max(round(value, self.digits) if inside else value, self.low), self.high)

    def floor(self, value: float) -> float:
        """The largest value that is not above, but for rounding errors; low at least."""
        if not self.low < value < self.high:
            return self.clip(value)
        unit = 10.0**self.digits
        return self.clip(math.floor(round(value * unit, 6)) / unit)

    def draw(self, rng: Random) -> float:
        """A random value."""
        return self.clip(rng.uniform(self.low, self.high))

    def change(self, value: float, rng: Random) -> float:
        """A new value: any one, or one nearby, in steps of 0.1 to 10 % of the range."""
        if rng.random() < 0.5:
            return self.draw(rng)
        step = (self.high - self.low) * 10 ** -rng.uniform(1.0, 3.0)
        return self.clip(value + rng.gauss(0.0, step))

    def steps(self, value: float) -> Iterator[float]:
        """A few values nearby."""
        yield from (self.clip(value * step) for step in STEPS)


@dataclass(frozen=True)
class UnitGenes:
    """What a plan chooses for each generator.

    Attributes
    ----------
    p_mw : planned power, the unit's rating
    vm_pu : voltage set-point; None when plans choose none
    """

    p_mw: Range
    vm_pu: Range | None = None

    def complete(self, unit: Unit) -> list[float]:
        """Genes of a unit: its power, and its voltage where plans choose it."""
        power = [self.p_mw.clip(unit.rating_mw or 0.0)]
        if self.vm_pu is None:
            return power
        return [*power, self.vm_pu.clip(1.0 if unit.vm_pu is None else unit.vm_pu)]

    def draw(self, rng: Random) -> list[float]:
        """Random genes of a unit."""
        return [r.draw(rng) for r in (self.p_mw, self.vm_pu) if r is not None]


@dataclass(frozen=True)
class LineGenes:
    """New lines whose end buses and length a plan chooses.

    Attributes
    ----------
    ends : bus positions of every pair that a line may join
    first : branch position of the first pair in the search grid; the others follow
    max_lines : most of them that a plan may build
    length_km : of a line
    cost, cost_per_km : currency; of a line, and of each of its km
    """

    ends: tuple[tuple[int, int], ...]
    first: int
    max_lines: int
    length_km: Range
    cost: float = 0.0
    cost_per_km: float = 0.0

    def price(self, line: NewLine) -> float:
        """Cost of a line, currency."""
        return self.cost + self.cost_per_km * line.length_km

    def touching(self, pair: int) -> list[int]:
        """Pairs that share one bus with a pair: one end of the line moves."""
        ends = set(self.ends[pair])
        return [k for k, other in enumerate(self.ends) if len(ends & set(other)) == 1]
