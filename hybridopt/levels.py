"""The distinct load levels of a horizon, and what links its hours."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.case import Horizon
    from hybridopt.grid import Grid

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Levels:
    """Distinct load levels of a horizon.

    Attributes
    ----------
    factor : (n_level, n_bus);  profile : (n_level,);  weight_h : (n_level,), h
    unit_profile, price : (n_level, n_gen)
    of_hour : (n_t,) level of each hour
    """

    factor: Floats
    profile: Floats
    unit_profile: Floats
    price: Floats
    weight_h: Floats
    of_hour: Ints

    @classmethod
    def of(cls, horizon: Horizon, n_gen: int, merge: bool) -> Levels:
        """Merge hours of equal load, profiles and prices (unless told not to)."""
        n_t, n_bus = horizon.load_factor.shape
        profile = np.ones((n_t, n_gen)) if horizon.unit_profile is None else horizon.unit_profile
        price = np.zeros((n_t, n_gen)) if horizon.price is None else horizon.price
        table = np.column_stack([horizon.load_factor, profile, price, horizon.dg_profile])
        if merge:
            _, first, inverse = np.unique(table, axis=0, return_index=True, return_inverse=True)
            order = np.argsort(first)  # levels in the order of their first hour
            rank = np.argsort(order)
            of_hour, table = rank[inverse.ravel()], table[np.sort(first)]
        else:
            of_hour = np.arange(len(table))
        weight = np.bincount(of_hour, minlength=len(table)) * horizon.dt_h
        factor, profile, price = np.split(table[:, :-1], [n_bus, n_bus + n_gen], axis=1)
        return cls(factor, table[:, -1], profile, price, weight.astype(float), of_hour)


def links_hours(grid: Grid) -> bool:
    """Whether ramps or storage make the hours of a grid one problem."""
    ramps = np.isfinite(grid.ramp_up) | np.isfinite(grid.ramp_down)
    return bool(np.any(ramps & grid.gen_in_service) or np.any(grid.storage.in_service))


def available(p_max: Floats, profile: Floats) -> Floats:
    """Largest output in each hour, (n_t, n_gen), pu; units without a limit have none."""
    limited = np.isfinite(p_max)
    return np.where(limited, np.where(limited, p_max, 0.0) * profile, p_max)
