"""Shadow prices of a dispatch: what a MWh more at a bus costs, and what a limit costs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hybridopt.result import Dispatch

    Floats = NDArray[np.float64]

NEAR_PU = 1e-5  # closer to its limit than this, a voltage or a power binds
NEAR_DEGREE = 1e-3
NEAR_LOADING = 1e-4


@dataclass(frozen=True, eq=False)
class Prices:
    """Multipliers of the operating cost at a local optimum, per hour.

    Attributes
    ----------
    energy, reactive : (n_t, n_bus), currency per MWh and per Mvarh, NaN at dead buses
        Cost of consuming a little more at the bus: the locational marginal price. NaN in hours in
        which load stays unserved: what is held there makes the multipliers meaningless.
    vm : (n_t, n_bus), currency per hour and pu
    p, q : (n_t, n_unit), currency per MWh and per Mvarh
    branch, angle : (n_t, n_branch), currency per hour and MVA of the rating, and per radian

    A limit's price is what relaxing it by one unit saves: positive for an upper limit, negative
    for a lower one.
    """

    energy: Floats
    reactive: Floats
    vm: Floats
    p: Floats
    q: Floats
    branch: Floats
    angle: Floats


@dataclass(frozen=True)
class _Limit:
    """One kind of limit: where it binds, its value and its price, all (n_t, n)."""

    element: str
    names: Any
    limit: str
    unit: str
    binds: Any
    value: Any
    price: Floats

    def rows(self, hours: Any) -> list[tuple[Any, ...]]:
        value = np.broadcast_to(self.value, self.binds.shape)
        return [
            (
                hours[t],
                self.element,
                self.names[k],
                self.limit,
                value[t, k],
                self.price[t, k],
                self.unit,
            )
            for t, k in zip(*np.nonzero(self.binds), strict=True)
        ]


def binding_frame(dispatch: Dispatch) -> pd.DataFrame:
    """Limits that bind, the dearest of each hour first.

    Returns
    -------
    DataFrame
        hour, element ("bus", "unit", "branch"), name, limit (such as "max_vm_pu"), value (of the
        limit), price_per_unit (currency per hour saved by one unit more; NaN in hours without
        prices), unit.
    """
    grid, base, n_gen = dispatch.grid, dispatch.grid.base_mva, dispatch.grid.n_gen
    on, alive = dispatch.running[:, :n_gen], dispatch.energised
    units, branches = dispatch.unit_name[:n_gen], grid.branch_name
    closed = grid.branch_usable() & alive[:, grid.branch_from]
    va = dispatch.va_degree
    angle = va[:, grid.branch_from] - va[:, grid.branch_to]
    limits = []
    for sign, side in ((-1.0, "min"), (1.0, "max")):
        price = _price_of(dispatch, sign)
        vm, p, q = (getattr(grid, f"{name}_{side}") for name in ("vm", "p", "q"))
        degree = np.rad2deg(getattr(grid, f"angle_{side}"))
        at_vm = alive & (sign * (vm - dispatch.vm_pu) < NEAR_PU)
        at_p = (
            on
            & (grid.p_min < grid.p_max)
            & (sign * (p - dispatch.p_mw[:, :n_gen] / base) < NEAR_PU)
        )
        at_q = (
            on
            & (grid.q_min < grid.q_max)
            & (sign * (q - dispatch.q_mvar[:, :n_gen] / base) < NEAR_PU)
        )
        at_angle = closed & (sign * (degree - angle) < NEAR_DEGREE)
        limits += [
            _Limit("bus", grid.bus_id, f"{side}_vm_pu", "pu", at_vm, vm, price("vm")),
            _Limit("unit", units, f"{side}_p_mw", "MW", at_p, p * base, price("p")[:, :n_gen]),
            _Limit("unit", units, f"{side}_q_mvar", "Mvar", at_q, q * base, price("q")[:, :n_gen]),
            _Limit(
                "branch",
                branches,
                f"{side}_angle_degree",
                "degree",
                at_angle,
                degree,
                np.deg2rad(price("angle")),
            ),
        ]
    full = dispatch.loading_percent >= 100 * grid.rate_share * (1 - NEAR_LOADING)
    limits.append(
        _Limit(
            "branch",
            branches,
            "max_loading",
            "MVA",
            full,
            grid.rate_from * base,
            _price_of(dispatch, 1.0)("branch")[:, : grid.n_branch] / grid.rate_share,
        )
    )
    columns = ["hour", "element", "name", "limit", "value", "price_per_unit", "unit"]
    rows = [row for limit in limits for row in limit.rows(dispatch.hours)]
    frame = pd.DataFrame(rows, columns=columns)
    order = {"by": ["hour", "price_per_unit"], "ascending": [True, False], "kind": "stable"}
    return frame.sort_values(**order, ignore_index=True)


def _price_of(dispatch: Dispatch, sign: float) -> Callable[[str], Floats]:
    """What relaxing a kind of limit on one side saves; NaN without prices."""

    def price(name: str) -> Floats:
        if dispatch.prices is None:
            width = max(dispatch.grid.n_bus, dispatch.grid.n_branch, dispatch.grid.n_gen)
            return np.full((len(dispatch.hours), width), np.nan)
        return np.asarray(np.maximum(sign * getattr(dispatch.prices, name), 0.0), np.float64)

    return price
