"""A configuration of a feeder back in its pandapower net, and pandapower's word on it."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp

from hybridopt.feeder_trees import FeederFlow
from hybridopt.network_branches import UNRATED_KA, charging_as_shunts, has_charging
from hybridopt.network_feeder import SWITCH_KIND

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    from hybridopt.feeder import Feeder
    from hybridopt.feeder_result import FeederUnit

    Bools = NDArray[np.bool_]

MANY = 200  # hours from which compiling pays
SHORT_OHM = 1e-5  # lines below this are joined for pandapower's power flow, which loses digits


def switched_net(
    net: Any,
    feeder: Feeder,
    closed: Bools,
    units: Sequence[FeederUnit] = (),
    hour: int = 0,
    factors: Any = None,
    fault: Sequence[int] = (),
) -> Any:
    """Copy a net and switch it.

    A branch is opened by its first switch, or taken out of service where it has none; it is closed
    by all of its switches. Units become static generators, "DG at bus ...".

    Parameters
    ----------
    net : the net that the feeder came from; it is not altered
    closed : (n_branch,)
    hour : position of the hour whose loads and outputs are set
    factors : (n_t, n_load) of the loads
    fault : branches out of service
    """
    net = copy.deepcopy(net)
    for changed in np.flatnonzero(closed != feeder.closed).tolist():
        index = int(feeder.branch_index[changed])
        _switch(net, feeder.branch_kind[changed], index, on=bool(closed[changed]))
    for m in fault:
        kind, index = feeder.branch_kind[m], int(feeder.branch_index[m])
        if kind == "switch":
            net.switch.loc[index, "closed"] = False
        else:
            net[kind].loc[index, "in_service"] = False
    if factors is not None:
        net.load["scaling"] = net.load.scaling.to_numpy(float) * np.asarray(factors)[hour]
    for unit in units:
        pp.create_sgen(
            net,
            feeder.bus_id[unit.bus],
            p_mw=float(unit.p_mw[hour]),
            q_mvar=float(unit.q_mvar[hour]),
            name=f"DG at bus {feeder.bus_name[unit.bus]}",
            max_p_mw=unit.max_p_mw,
            min_p_mw=0.0,
        )
    return net


def _switch(net: Any, kind: str, index: int, *, on: bool) -> None:
    if kind == "switch":
        net.switch.loc[index, "closed"] = on
        return
    rows = net.switch.index[(net.switch.et == SWITCH_KIND[kind]) & (net.switch.element == index)]
    if on:
        net[kind].loc[index, "in_service"] = True
        net.switch.loc[rows, "closed"] = True
    elif len(rows):
        net.switch.loc[rows[0], "closed"] = False
    else:
        net[kind].loc[index, "in_service"] = False


def run_power_flow(net: Any, *, often: bool = False) -> bool:
    """Run pandapower's power flow at high precision, short lines joined; whether it converged.

    The net is altered where it has lines of next to no impedance.

    Parameters
    ----------
    often : compile pandapower's loops, which takes some 2 s once
    """
    z = np.hypot(net.line.r_ohm_per_km, net.line.x_ohm_per_km) * net.line.length_km
    short = net.line.index[(z < SHORT_OHM) & net.line.in_service.astype(bool)]
    for i in short:
        cut = net.switch[(net.switch.et == "l") & (net.switch.element == i)]
        if cut.closed.astype(bool).all():
            pp.create_switch(net, net.line.at[i, "from_bus"], net.line.at[i, "to_bus"], et="b")
        net.line.loc[i, "in_service"] = False
    if has_charging(net):
        charging_as_shunts(net)
    for start in ("dc", "flat"):
        try:
            pp.runpp(
                net, init=start, calculate_voltage_angles=True, tolerance_mva=1e-9, numba=often
            )
        except (pp.LoadflowNotConverged, np.linalg.LinAlgError):
            continue
        return True
    return False


def referee(
    net: Any,
    feeder: Feeder,
    closed: Bools,
    vm_pu: NDArray[np.float64],
    loss_mw: float,
    units: Sequence[FeederUnit] = (),
    factors: Any = None,
    fault: Sequence[int] = (),
) -> dict[str, Any]:
    """Compare a configuration with ``pandapower.runpp``, hour by hour.

    Parameters
    ----------
    vm_pu : (n_t, n_bus), NaN where dead;  loss_mw : over the hours, MWh

    Returns
    -------
    hours checked, hours without convergence, losses by pandapower (kW, kWh over several hours),
    largest differences of losses (kW) and voltages (pu), largest loading of rated branches
    """
    total, failed, worst_vm, loading = 0.0, 0, 0.0, None
    for t in range(feeder.n_t):
        hour = switched_net(net, feeder, closed, units, t, factors, fault)
        if not run_power_flow(hour, often=feeder.n_t > MANY):
            failed += 1
            continue
        total += feeder.dt[t] * float(hour.res_line.pl_mw.sum() + hour.res_trafo.pl_mw.sum())
        vm = hour.res_bus.vm_pu.loc[list(feeder.bus_id)].to_numpy(float)
        both = np.isfinite(vm) & np.isfinite(vm_pu[t])
        worst_vm = max(worst_vm, float(np.max(np.abs(vm - vm_pu[t])[both], initial=0.0)))
        rated = hour.line.max_i_ka.to_numpy(float) < UNRATED_KA
        values = hour.res_line.loading_percent.to_numpy(float)[rated]
        values = np.concatenate([values, hour.res_trafo.loading_percent.to_numpy(float)])
        values = values[np.isfinite(values)]
        if values.size:
            loading = max(loading or 0.0, float(values.max()))
    return {
        "hours_checked": feeder.n_t - failed,
        "hours_failed": failed,
        "loss_kw": None if failed else float(total) * 1e3,
        "max_loss_difference_kw": None if failed else float(abs(total - loss_mw)) * 1e3,
        "max_vm_difference_pu": worst_vm if failed < feeder.n_t else None,
        "max_loading_percent": loading,
    }


def meshed_flow(net: Any, feeder: Feeder, factors: Any = None) -> FeederFlow | None:
    """Power flow of the net as it is, by pandapower, for states that are not radial.

    Branch powers are left at 0. None where an hour has no solution.
    """
    vm = np.full((feeder.n_t, feeder.n_bus), np.nan)
    loss = drop = widest = 0.0
    for t in range(feeder.n_t):
        hour = switched_net(net, feeder, feeder.closed, (), t, factors)
        if not run_power_flow(hour, often=feeder.n_t > MANY):
            return None
        vm[t] = hour.res_bus.vm_pu.loc[list(feeder.bus_id)].to_numpy(float)
        loss += feeder.dt[t] * float(hour.res_line.pl_mw.sum() + hour.res_trafo.pl_mw.sum())
        on = feeder.closed
        ends = np.abs(vm[t, feeder.branch_from[on]] - vm[t, feeder.branch_to[on]])
        drop = max(drop, float(np.nansum(ends)))
        sources = vm[t, feeder.source_vm > 0]
        widest = max(widest, float(np.nanmax(sources) - np.nanmin(vm[t])))
    measures = {
        "unserved": 0.0,
        "violation": 0.0,
        "loss": loss / feeder.base_mva,
        "voltage_drop": drop,
        "max_voltage_drop": widest,
        "load_balance": float("nan"),
        "min_vm": float(np.nanmin(vm)),
        "iterations": 1.0,
        "violation2": 0.0,
    }
    none = np.zeros((feeder.n_t, feeder.n_branch))
    return FeederFlow(vm, none, none, measures)


def save_net(net: Any, path: Path) -> None:
    """Write a net as pandapower's ``.json``."""
    pp.to_json(net, str(path))
