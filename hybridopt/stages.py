"""The network in one state at the peak hour, and why parts of it are dead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.grid import DGSites, Grid
    from hybridopt.result import Dispatch

    Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stage:
    """One state of the network at the peak hour.

    Attributes
    ----------
    load_mw, served_mw : (n_bus,)
    vm_pu : (n_bus,), NaN at dead buses
    loading_percent : (n_branch,), NaN where open or unrated
    branch_on : (n_branch,) branches that carry current
    unit_on : (n_gen,) the grid's units that run
    loss_mw : branch losses
    """

    load_mw: Floats
    served_mw: Floats
    vm_pu: Floats
    loading_percent: Floats
    branch_on: NDArray[np.bool_]
    unit_on: NDArray[np.bool_]
    loss_mw: float

    def summary(self) -> dict[str, float | None]:
        """Totals, as summary.json gives them; null where nothing is energised or rated."""
        load, served = float(self.load_mw.sum()), float(self.served_mw.sum())
        unserved = float((self.load_mw - self.served_mw).sum())
        return {
            "load_mw": load,
            "served_mw": served,
            "unserved_mw": unserved,
            "unserved_percent": 100 * unserved / load if load else 0.0,
            "loss_mw": self.loss_mw,
            "min_vm_pu": _extreme(np.nanmin, self.vm_pu),
            "max_vm_pu": _extreme(np.nanmax, self.vm_pu),
            "max_loading_percent": _extreme(np.nanmax, self.loading_percent),
        }


def _extreme(find: Any, values: Floats) -> float | None:
    return None if np.isnan(values).all() else float(find(values))


def stage_of(dispatch: Dispatch, row: int) -> Stage:
    """The state in one hour of a dispatch."""
    grid, alive = dispatch.grid, dispatch.energised[row]
    load = dispatch.demand_mw[row]
    return Stage(
        load_mw=load,
        served_mw=load - dispatch.shed_mw[row],
        vm_pu=dispatch.vm_pu[row],
        loading_percent=dispatch.loading_percent[row],
        branch_on=grid.branch_usable() & alive[grid.branch_from],
        unit_on=dispatch.running[row, : grid.n_gen],
        loss_mw=float(dispatch.loss_mw[row]),
    )


@dataclass(frozen=True)
class DeadIsland:
    """Buses without voltage that hold load, and why.

    Attributes
    ----------
    buses : labels;  load_mw : at the peak;  reason : in words
    """

    buses: tuple[int, ...]
    load_mw: float
    reason: str


def dead_islands(
    grid: Grid, nominal: Grid, energised: NDArray[np.bool_], load_mw: Floats, sites: DGSites | None
) -> list[DeadIsland]:
    """Connected parts of the grid that are dead, largest load first.

    Parameters
    ----------
    grid : the state;  nominal : before the event
    energised, load_mw : (n_bus,)
    sites : DG of the plan standing somewhere; None without a plan
    """
    island = grid.islands()
    found = []
    for number in np.unique(island[~energised]):
        here = (island == number) & ~energised
        if not here.any():
            continue
        labels = tuple(grid.bus_id[b] for b in np.flatnonzero(here))
        reason = _reason(grid, nominal, here, sites)
        found.append(DeadIsland(labels, float(load_mw[here].sum()), reason))
    return sorted(found, key=lambda i: (-i.load_mw, i.buses))


def _reason(grid: Grid, nominal: Grid, here: NDArray[np.bool_], sites: DGSites | None) -> str:
    if not grid.bus_in_service[here].any():
        return "out of service"
    units = here[grid.gen_bus]
    lost = units & nominal.gen_in_service & ~grid.gen_in_service
    idle = units & grid.gen_in_service & grid.gen_forming
    silent = units & grid.gen_in_service & ~grid.gen_forming
    cut = nominal.branch_in_service & ~grid.branch_in_service
    edge = cut & (here[grid.branch_from] | here[grid.branch_to])
    parts = []
    if lost.any():
        names = ", ".join(_unit(grid, int(g)) for g in np.flatnonzero(lost))
        parts.append(f"its own sources are out ({names})")
    if idle.any():
        names = ", ".join(_unit(grid, int(g)) for g in np.flatnonzero(idle))
        parts.append(f"{names} cannot run at its minimum with so little load")
    static = np.array([kind == "sgen" for kind in grid.gen_kind], dtype=bool)
    silent &= ~np.isin(grid.gen_kind, ("load", "storage"))
    if (silent & static).any():
        parts.append("its static generators cannot hold a voltage")
    if (silent & ~static).any():
        names = ", ".join(_unit(grid, int(g)) for g in np.flatnonzero(silent & ~static))
        parts.append(f"{names} gives no active power")
    if sites is not None and not sites.grid_forming and sites.bus:
        parts.append("distributed generation is not grid-forming")
    if edge.any():
        names = ", ".join(grid.branch_name[k] for k in np.flatnonzero(edge))
        parts.append(f"cut off by {names}")
    return "no source: " + ("; ".join(parts) if parts else "not connected to one")


def _unit(grid: Grid, g: int) -> str:
    kind = {"ext_grid": "external grid", "gen": "generator", "sgen": "static generator"}
    return f"{kind[grid.gen_kind[g]]} at bus {grid.bus_id[grid.gen_bus[g]]}"
