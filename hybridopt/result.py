"""What a dispatch and a study come to, in physical units."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridopt.grid_cost import unit_cost
from hybridopt.result_prices import Prices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.grid import DGSites, Grid, Unit

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Dispatch:
    """Set-points and flows over a number of hours.

    Attributes
    ----------
    grid : the dispatched grid, its plan applied
    hours : (n_t,) names of the hours;  dt_h : h
    status : (n_t,) "optimal", "acceptable", "infeasible" or "failed"
    unit_name, unit_kind : (n_unit,), the grid's units, then distributed generators
    unit_bus : (n_unit,) bus positions
    rating_mw : (n_unit,) largest output; NaN without a limit
    p_mw, q_mvar : (n_t, n_unit), positive injects
    running : (n_t, n_unit)
    unit_cost : (n_t, n_unit), currency per hour
    vm_pu, va_degree : (n_t, n_bus), NaN at dead buses
    energised : (n_t, n_bus)
    demand_mw, shed_mw, shed_mvar : (n_t, n_bus), positive consumes; lost loads are demanded
    p_from_mw, q_from_mvar, p_to_mw, q_to_mvar : (n_t, n_branch), positive into the branch
    loading_percent : (n_t, n_branch), NaN where open or unrated
    store_name : (n_store,);  store_bus : (n_store,) bus positions
    store_p_mw, store_q_mvar : (n_t, n_store), positive consumes
    store_energy_mwh : (n_t, n_store), content at the end of the hour
    curtailed_mw : (n_t, n_unit), what sun and wind would have given and was not used
    prices : shadow prices, NaN in hours, or None, where there are none: load is unserved, or the
        last goal was not the operating cost
    residual_mva : (n_t,) largest power imbalance at an energised bus, from the voltages alone
    iterations, solve_s : work of the nonlinear solver
    """

    grid: Grid
    hours: NDArray[np.int64]
    dt_h: float
    status: tuple[str, ...]
    unit_name: tuple[str, ...]
    unit_kind: tuple[str, ...]
    unit_bus: NDArray[np.int64]
    rating_mw: Floats
    p_mw: Floats
    q_mvar: Floats
    running: Bools
    unit_cost: Floats
    vm_pu: Floats
    va_degree: Floats
    energised: Bools
    demand_mw: Floats
    shed_mw: Floats
    shed_mvar: Floats
    p_from_mw: Floats
    q_from_mvar: Floats
    p_to_mw: Floats
    q_to_mvar: Floats
    loading_percent: Floats
    store_name: tuple[str, ...]
    store_bus: NDArray[np.int64]
    store_p_mw: Floats
    store_q_mvar: Floats
    store_energy_mwh: Floats
    curtailed_mw: Floats
    prices: Prices | None
    residual_mva: Floats
    iterations: int
    solve_s: float

    @property
    def ok(self) -> bool:
        """Whether every hour has a point that may be used."""
        return all(s in ("optimal", "acceptable") for s in self.status)

    @property
    def loss_mw(self) -> Floats:
        """Branch losses, (n_t,)."""
        return np.asarray(np.nansum(self.p_from_mw + self.p_to_mw, axis=1), dtype=np.float64)

    @property
    def unserved_mw(self) -> Floats:
        """Unserved power, (n_t,); cutting a negative load makes up for none."""
        return np.asarray(self.shed_mw.clip(0.0).sum(axis=1), dtype=np.float64)

    @property
    def unserved_mwh(self) -> float:
        """Unserved energy over the horizon."""
        return float(self.unserved_mw.sum() * self.dt_h)

    @property
    def operating_cost(self) -> float:
        """Cost of generation over the horizon, currency."""
        return float(self.unit_cost.sum() * self.dt_h)

    @property
    def curtailed_mwh(self) -> float:
        """Curtailed energy of sun and wind over the horizon."""
        return float(self.curtailed_mw.sum() * self.dt_h)

    @property
    def loss_mwh(self) -> float:
        """Branch losses over the horizon."""
        return float(self.loss_mw.sum() * self.dt_h)

    def units_frame(self) -> pd.DataFrame:
        """Tidy table: hour, element, name, bus, p_mw, q_mvar, cost (currency per hour)."""
        return self._tidy(
            {
                "element": self.unit_kind,
                "name": self.unit_name,
                "bus": [self.grid.bus_id[b] for b in self.unit_bus],
            },
            {"p_mw": self.p_mw, "q_mvar": self.q_mvar, "cost": self.unit_cost},
        )

    def buses_frame(self) -> pd.DataFrame:
        """Tidy table: hour, bus, vm_pu, va_degree, demand_mw, shed_mw, price_per_mwh."""
        unknown = np.full_like(self.vm_pu, np.nan)
        return self._tidy(
            {"bus": self.grid.bus_id},
            {
                "vm_pu": self.vm_pu,
                "va_degree": self.va_degree,
                "demand_mw": self.demand_mw,
                "shed_mw": self.shed_mw,
                "price_per_mwh": unknown if self.prices is None else self.prices.energy,
            },
        )

    def storage_frame(self) -> pd.DataFrame:
        """Tidy table: hour, name, bus, p_mw, q_mvar (positive consumes), energy_mwh."""
        return self._tidy(
            {"name": self.store_name, "bus": [self.grid.bus_id[b] for b in self.store_bus]},
            {
                "p_mw": self.store_p_mw,
                "q_mvar": self.store_q_mvar,
                "energy_mwh": self.store_energy_mwh,
            },
        )

    def branches_frame(self) -> pd.DataFrame:
        """Tidy table: hour, branch, p_from_mw, q_from_mvar, loading_percent."""
        return self._tidy(
            {"branch": self.grid.branch_name},
            {
                "p_from_mw": self.p_from_mw,
                "q_from_mvar": self.q_from_mvar,
                "loading_percent": self.loading_percent,
            },
        )

    def _tidy(self, keys: dict[str, Any], values: dict[str, Floats]) -> pd.DataFrame:
        n_t = len(self.hours)
        n = len(next(iter(keys.values())))
        columns: dict[str, Any] = {"hour": np.repeat(self.hours, n)}
        columns |= {name: list(key) * n_t for name, key in keys.items()}
        columns |= {name: value.ravel() for name, value in values.items()}
        return pd.DataFrame(columns)


@dataclass(frozen=True, eq=False)
class Point:
    """Raw solution of some hours, in per unit, before it is read into a Dispatch.

    Attributes
    ----------
    vm, va, served : (n_t, n_bus);  p, q, gen_on : (n_t, n_gen)
    dg_p, dg_q : (n_t, n_unit), the plan's units in order
    store_p, store_q, store_energy : (n_t, n_store), positive consumes
    p_max, price : (n_t, n_gen), pu and currency per MWh;  renewable : (n_t, n_gen)
    dg_p_max : (n_t, n_unit), pu
    alive : (n_t, n_bus)
    status, priced : (n_t,) whether the multipliers are those of the operating cost
    row_p, row_q, x_vm : (n_t, n_bus);  x_p, x_q : (n_t, n_gen);  row_branch, row_angle :
        (n_t, n_branch), multipliers of balances, limits and variables, currency per hour and pu
    """

    status: tuple[str, ...]
    vm: Floats
    va: Floats
    served: Floats
    alive: Bools
    p: Floats
    q: Floats
    gen_on: Bools
    dg_p: Floats
    dg_q: Floats
    store_p: Floats
    store_q: Floats
    store_energy: Floats
    p_max: Floats
    price: Floats
    renewable: Bools
    dg_p_max: Floats
    priced: Bools
    row_p: Floats
    row_q: Floats
    x_vm: Floats
    x_p: Floats
    x_q: Floats
    row_branch: Floats
    row_angle: Floats
    iterations: int
    solve_s: float

    def take(self, rows: NDArray[np.int64]) -> Point:
        """The chosen hours, in the order given; the work stays the whole solution's."""
        arrays: dict[str, Any] = {
            name: value[rows] for name, value in vars(self).items() if isinstance(value, np.ndarray)
        }
        return replace(self, status=tuple(self.status[int(k)] for k in rows), **arrays)


def stack_points(points: list[Point]) -> Point:
    """Hours after one another; work of repeated points counts once."""
    distinct = list({id(point): point for point in points}.values())
    arrays = {
        name: np.concatenate([getattr(point, name) for point in points])
        for name, value in vars(points[0]).items()
        if isinstance(value, np.ndarray)
    }
    return Point(
        status=tuple(s for point in points for s in point.status),
        iterations=sum(point.iterations for point in distinct),
        solve_s=sum(point.solve_s for point in distinct),
        **arrays,
    )


def read_point(
    grid: Grid,
    sites: DGSites,
    units: tuple[Unit, ...],
    factor: Floats,
    hours: NDArray[np.int64],
    point: Point,
) -> Dispatch:
    """Turn a solution into a Dispatch; flows and residuals come from the voltages alone.

    Parameters
    ----------
    grid : the plan applied
    units : distributed generators with their ratings
    factor : (n_t, n_bus) share of nominal demand
    """
    base = grid.base_mva
    p_all, q_all = grid.demand()
    p_can, q_can = grid.demand(connected_only=True)
    served = np.where(point.alive, point.served, 0.0)
    p_served, q_served = factor * p_can * served, factor * q_can * served
    v = np.where(point.alive, point.vm * np.exp(1j * point.va), np.nan)
    on = grid.branch_usable() & point.alive[:, grid.branch_from]
    v_f, v_t = v[:, grid.branch_from], v[:, grid.branch_to]
    i_f = np.where(on, grid.y_ff * v_f + grid.y_ft * v_t, 0.0)
    i_t = np.where(on, grid.y_tf * v_f + grid.y_tt * v_t, 0.0)
    s_f, s_t = (np.where(on, x * i.conj(), 0.0) for x, i in ((v_f, i_f), (v_t, i_t)))
    side_f = np.where(grid.rate_is_power, abs(s_f), abs(i_f)) / grid.rate_from
    side_t = np.where(grid.rate_is_power, abs(s_t), abs(i_t)) / grid.rate_to
    rated = on & np.isfinite(grid.rate_from)
    unit_bus = np.concatenate([grid.gen_bus, np.array([u.bus for u in units], dtype=np.int64)])
    p, q = np.hstack([point.p, point.dg_p]), np.hstack([point.q, point.dg_q])
    running = np.hstack([point.gen_on, point.alive[:, [u.bus for u in units]]])
    g, b = grid.shunt()
    left = np.zeros_like(v)
    for t in range(len(hours)):
        np.add.at(left[t], unit_bus, (p + 1j * q)[t])
        np.add.at(left[t], grid.branch_from, -s_f[t])
        np.add.at(left[t], grid.branch_to, -s_t[t])
        np.add.at(left[t], grid.storage.bus, -(point.store_p + 1j * point.store_q)[t])
    drawn = p_served * _voltage_factor(grid.zip_p, point.vm)
    drawn = drawn + 1j * q_served * _voltage_factor(grid.zip_q, point.vm)
    left -= drawn + abs(v) ** 2 * (g - 1j * b)
    imbalance = np.max(np.where(point.alive, abs(left), 0.0), axis=1, initial=0.0)
    rating = [np.nan if u.rating_mw is None else u.rating_mw * sites.max_p_ratio for u in units]
    p_max = np.where(np.isfinite(grid.p_max), grid.p_max * base, np.nan)
    cost = [unit_cost(grid, k, point.p[:, k] * base) for k in range(grid.n_gen)] + [
        np.polynomial.polynomial.polyval(point.dg_p[:, k] * base, sites.operating_cost)
        for k in range(len(units))
    ]
    extra = np.hstack([point.price * point.p * base, np.zeros_like(point.dg_p)])
    unused = np.hstack(
        [np.where(point.renewable, point.p_max - point.p, 0.0), point.dg_p_max - point.dg_p]
    )
    return Dispatch(
        grid=grid,
        hours=hours,
        dt_h=1.0,
        status=point.status,
        unit_name=unit_names(grid, units),
        unit_kind=(*grid.gen_kind, *("dg" for _ in units)),
        unit_bus=unit_bus,
        rating_mw=np.concatenate([p_max, rating]),
        p_mw=p * base,
        q_mvar=q * base,
        running=running,
        unit_cost=np.where(running, np.array(cost).T.reshape(running.shape) + extra, 0.0),
        vm_pu=np.where(point.alive, point.vm, np.nan),
        va_degree=np.where(point.alive, np.rad2deg(point.va), np.nan),
        energised=point.alive,
        demand_mw=factor * p_all * base,
        shed_mw=_clean(factor * p_all - p_served) * base,
        shed_mvar=_clean(factor * q_all - q_served) * base,
        p_from_mw=s_f.real * base,
        q_from_mvar=s_f.imag * base,
        p_to_mw=s_t.real * base,
        q_to_mvar=s_t.imag * base,
        loading_percent=np.where(rated, np.maximum(side_f, side_t) * 100 * grid.rate_share, np.nan),
        store_name=grid.storage.name,
        store_bus=grid.storage.bus,
        store_p_mw=point.store_p * base,
        store_q_mvar=point.store_q * base,
        store_energy_mwh=point.store_energy * base,
        curtailed_mw=np.where(running, np.maximum(unused, 0.0), 0.0) * base,
        prices=_prices(grid, point) if point.priced.any() else None,
        residual_mva=imbalance * base,
        iterations=point.iterations,
        solve_s=point.solve_s,
    )


def _voltage_factor(shares: Floats, vm: Floats) -> Floats:
    """Power that loads draw over their nominal power, (n_t, n_bus)."""
    z, i = shares.T
    return np.asarray((1 - z - i) + i * vm + z * vm**2, dtype=np.float64)


def _prices(grid: Grid, point: Point) -> Prices:
    """Multipliers in physical units; a branch's belongs to the square of its loading."""
    base = grid.base_mva
    known = np.where(point.priced, 1.0, np.nan)[:, None]
    dead = np.where(point.alive, known, np.nan)
    dg = np.full(point.dg_p.shape, np.nan)
    rating = np.where(np.isfinite(grid.rate_from), grid.rate_from, np.inf) / grid.rate_share
    return Prices(
        energy=-point.row_p / base * dead,
        reactive=-point.row_q / base * dead,
        vm=point.x_vm * known,
        p=np.hstack([point.x_p / base * known, dg]),
        q=np.hstack([point.x_q / base * known, dg]),
        branch=point.row_branch * known * 2 / (rating * base),
        angle=point.row_angle * known,
    )


def _clean(shed: Floats) -> Floats:
    """Drop the dust that rounding leaves (1e-9 pu)."""
    return np.where(abs(shed) < 1e-9, 0.0, shed)


def unit_names(grid: Grid, units: tuple[Unit, ...]) -> tuple[str, ...]:
    """Give every unit a name of its own: kind and bus, numbered where a bus has several."""
    names: list[str] = []
    short = {"ext_grid": "grid"}
    kinds = [(short.get(k, k), int(b)) for k, b in zip(grid.gen_kind, grid.gen_bus, strict=True)]
    kinds += [("dg", u.bus) for u in units]
    for kind, bus in kinds:
        name = f"{kind} {grid.bus_id[bus]}"
        same = sum(n == name or n.startswith(f"{name}#") for n in names)
        names.append(f"{name}#{same + 1}" if same else name)
    return tuple(names)
