"""The AC load flow before the event."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp

from hybridopt.errors import NoSolutionError
from hybridopt.network_branches import CHARGING, charging_as_shunts, number_column
from hybridopt.stages import Stage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.grid import Grid
    from hybridopt.network_scenario import Scenario


def load_flow_before(scenario: Scenario) -> Stage:
    """Solve the undamaged network at the peak hour with pandapower's power flow.

    Violated limits are reported in the stage, not repaired.

    Raises
    ------
    NoSolutionError
        The power flow doesn't converge.
    """
    net = copy.deepcopy(scenario.net)
    grid = scenario.grid
    p_all, _ = grid.demand()
    factor = scenario.horizon.load_factor[scenario.horizon.peak(p_all)]
    nominal = net.load.scaling.loc[grid.load_index].to_numpy(float)
    net.load.loc[grid.load_index, "scaling"] = nominal * factor[grid.load_bus]
    charging = {name: number_column(net.trafo, name, 0.0) for name in CHARGING}
    charging_as_shunts(net)
    if not net.ext_grid.in_service.any() and not (net.gen.slack & net.gen.in_service).any():
        net.gen.loc[net.gen.index[net.gen.in_service][0], "slack"] = True
    for init in ("dc", "flat"):
        try:
            pp.runpp(net, init=init, calculate_voltage_angles=True, numba=False, tolerance_mva=1e-8)
            break
        except pp.LoadflowNotConverged:
            continue
    else:
        raise NoSolutionError("the load flow of the network before the event does not converge")
    vm = np.full(grid.n_bus, np.nan)
    for bus, value in zip(net.bus.index, net.res_bus.vm_pu, strict=True):
        vm[scenario.net_bus_position[int(bus)]] = value
    alive = ~np.isnan(vm)
    loading = np.where(
        grid.rate_is_power,
        _power_loading(net, grid, charging),
        np.concatenate([net.res_line.loading_percent, net.res_trafo.loading_percent]),
    )
    on = grid.branch_usable() & alive[grid.branch_from]
    load = factor * p_all * grid.base_mva
    p_on, _ = grid.demand(connected_only=True)
    return Stage(
        load_mw=load,
        served_mw=np.where(alive, factor * p_on * grid.base_mva, 0.0),
        vm_pu=vm,
        loading_percent=np.where(on & np.isfinite(grid.rate_from), loading, np.nan),
        branch_on=on,
        unit_on=grid.gen_in_service & alive[grid.gen_bus],
        loss_mw=float(net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum()),
    )


def _power_loading(
    net: Any, grid: Grid, charging: dict[str, NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Larger of the ends' apparent powers over their limits, (n_branch,), percent.

    The charging of transformers, Mvar at 1 pu, is theirs though the net has it as shunts.
    """
    for (name, end), side in zip(CHARGING.items(), ("hv", "lv"), strict=True):
        vm = net.res_bus.vm_pu.loc[net.trafo[end]].to_numpy()
        net.res_trafo[f"q_{side}_mvar"] -= charging[name] * vm**2
    loading = []
    for ends, rate in ((("from", "hv"), grid.rate_from), (("to", "lv"), grid.rate_to)):
        tables = zip((net.res_line, net.res_trafo), ends, strict=True)
        mva = [np.hypot(t[f"p_{end}_mw"], t[f"q_{end}_mvar"]) for t, end in tables]
        loading.append(np.concatenate(mva) / (rate * grid.base_mva) * grid.rate_share * 100)
    return np.maximum(*loading)
