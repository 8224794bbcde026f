"""The made-up day of case lv18: ``python -m benchmarks.lv18_profiles`` writes its two tables.

A household: a base with peaks in the morning, at noon and in the evening, each moved by up to an
hour or an hour and a half and weighted at random, 12 % of noise; the day's peak is 2 to 3 kW.
A generator: a half sine from 6 to 20 o'clock to the power of 1.3, turned east or west by up to an
hour, with clouds that take up to 35 % of an hour; its size is 0.8 to 2.2 kW. All random numbers
come from numpy's default generator, seed 18. Nothing of it was measured.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parents[1] / "cases" / "lv18"
N_POINT, SEED = 17, 18
HOUR = np.arange(24) + 0.5


def profiles() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Load and generation, MW: 24 rows, hours 1 to 24, and 17 columns."""
    rng = np.random.default_rng(SEED)
    load, generation = [], []
    for _ in range(N_POINT):
        peak = rng.uniform(2.0, 3.0)
        shape = 0.18 + _bump(7.5 + rng.uniform(-1.5, 1.5), 1.2) * rng.uniform(0.2, 0.6)
        shape += _bump(12.5 + rng.uniform(-1.0, 1.0), 1.5) * rng.uniform(0.0, 0.4)
        shape += _bump(19.0 + rng.uniform(-1.5, 1.5), 1.8) * rng.uniform(0.6, 1.0)
        shape *= rng.uniform(0.88, 1.12, 24)
        load.append(peak * shape / shape.max())
        turned = rng.uniform(-2.0, 2.0)
        sun = np.clip(np.sin(np.pi * (HOUR - 6.0 - turned / 2) / 14.0), 0.0, None) ** 1.3
        sun *= (HOUR > 6.0) & (HOUR < 20.0)
        generation.append(rng.uniform(0.8, 2.2) * sun * rng.uniform(0.65, 1.0, 24))
    index = pd.Index(np.arange(1, 25), name="hour")
    names = [str(k) for k in range(N_POINT)]
    return tuple(  # type: ignore[return-value]
        pd.DataFrame(np.array(rows).T / 1e3, index, names).round(7) for rows in (load, generation)
    )


def _bump(at: float, width: float) -> np.ndarray:
    return np.exp(-(((HOUR - at) / width) ** 2))


if __name__ == "__main__":
    for name, table in zip(("load", "generation"), profiles(), strict=True):
        table.to_csv(FOLDER / f"{name}.csv")
