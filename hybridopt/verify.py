"""The referee: every hour of a dispatch again, by pandapower's power flow.

Imposed are the active power of all units but one per island, the voltage at every grid-forming
unit's bus, the reactive power of the others, and the loads served. Compared are the power of the
remaining unit, every reactive power, all voltages, angles and the losses.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandapower as pp
import pandas as pd

from hybridopt.export import bus_positions, plan_net
from hybridopt.network_units import CONSUMERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hybridopt.network_scenario import Scenario
    from hybridopt.result import Dispatch


@dataclass(frozen=True)
class Verification:
    """What the power flow says.

    Attributes
    ----------
    hours_checked : hours in which anything is energised and the power flow converged
    hours_failed : hours in which it did not converge
    max_mismatch_mva : largest difference in a bus's P or Q injection or in the losses, MVA
    max_vm_difference_pu, max_va_difference_degree : largest difference in voltage
    max_voltage_violation_pu : largest distance of a voltage from its limits, 0 within
    max_loading_percent : of rated branches, 100 is the limit; None when none is rated
    """

    hours_checked: int
    hours_failed: int
    max_mismatch_mva: float | None
    max_vm_difference_pu: float | None
    max_va_difference_degree: float | None
    max_voltage_violation_pu: float | None
    max_loading_percent: float | None

    def as_dict(self) -> dict[str, Any]:
        """For summary.json."""
        return asdict(self)


def verify(
    scenario: Scenario, dispatch: Dispatch, progress: Callable[[], None] = lambda: None
) -> Verification:
    """Check every hour of a dispatch with ``pandapower.runpp``.

    Parameters
    ----------
    progress : called after each hour
    """
    rows: list[dict[str, float]] = []
    failed = 0
    for row in range(len(dispatch.hours)):
        if dispatch.energised[row].any() and dispatch.status[row] in ("optimal", "acceptable"):
            net = plan_net(scenario, dispatch, row, with_costs=False)
            _start_at(net, scenario, dispatch, row)
            if _run(net):
                rows.append(_compare(net, scenario, dispatch, row))
            else:
                failed += 1
        progress()

    def worst(name: str) -> float | None:
        values = [r[name] for r in rows if not np.isnan(r[name])]
        return max(values) if values else None

    return Verification(
        hours_checked=len(rows),
        hours_failed=failed,
        max_mismatch_mva=worst("mismatch"),
        max_vm_difference_pu=worst("vm"),
        max_va_difference_degree=worst("va"),
        max_voltage_violation_pu=worst("violation"),
        max_loading_percent=worst("loading"),
    )


def _start_at(net: Any, scenario: Scenario, dispatch: Dispatch, row: int) -> None:
    """Give the power flow the dispatch's voltages to start from.

    Its equations have several solutions, and elsewhere it may find another than the one to check.
    """
    position = bus_positions(net, scenario)
    vm, va = dispatch.vm_pu[row][position], dispatch.va_degree[row][position]
    start = {"vm_pu": np.nan_to_num(vm, nan=1.0), "va_degree": np.nan_to_num(va)}
    net.res_bus = pd.DataFrame(start, index=net.bus.index)


def _run(net: Any) -> bool:
    """Run the power flow; from the voltages in the net, then from a DC start, then flat."""
    for init in ("results", "dc", "flat"):
        try:
            pp.runpp(
                net,
                init=init,
                calculate_voltage_angles=True,
                tolerance_mva=1e-8,
                max_iteration=50,
                numba=False,
                trafo_model="t",
            )
        except pp.LoadflowNotConverged:
            continue
        return True
    return False


def _without_nominal_loads(net: Any, where: dict[int, int], power: NDArray[np.complex128]) -> None:
    """Take out of generators' results what pandapower puts there by loads that depend on voltage.

    It finds the power of slack generators and the reactive power of all as what the branches carry
    plus the loads of the bus at nominal voltage, whatever these draw (pandapower 3.5: `res_bus`
    doesn't sum up to the branches' flows then).
    """
    on = net.load.in_service.to_numpy(bool)
    scaling = net.load.scaling.to_numpy(float)
    more_p = np.nan_to_num(net.load.p_mw * scaling - net.res_load.p_mw) * on
    more_q = np.nan_to_num(net.load.q_mvar * scaling - net.res_load.q_mvar) * on
    live = net.gen[net.gen.in_service]
    steered, slack = set(live.bus), set(live.bus[live.slack])
    for bus, p, q in zip(net.load.bus, more_p, more_q, strict=True):
        power[where[bus]] -= complex(p * (bus in slack), q * (bus in steered))


def _compare(net: Any, scenario: Scenario, dispatch: Dispatch, row: int) -> dict[str, float]:
    grid = dispatch.grid
    position = bus_positions(net, scenario)
    alive = dispatch.energised[row][position]
    vm, va = net.res_bus.vm_pu.to_numpy()[alive], net.res_bus.va_degree.to_numpy()[alive]
    at = position[alive]
    if np.isnan(vm).any():
        return dict.fromkeys(("mismatch", "vm", "va", "violation", "loading"), np.inf)
    where = dict(zip(net.bus.index, position, strict=True))
    power = np.zeros(grid.n_bus, dtype=complex)
    for table in ("gen", "sgen"):
        result = net[f"res_{table}"]
        for bus, p, q in zip(net[table].bus, result.p_mw, result.q_mvar, strict=True):
            power[where[bus]] += complex(np.nan_to_num(p), np.nan_to_num(q))
    _without_nominal_loads(net, where, power)
    ours = np.zeros(grid.n_bus, dtype=complex)
    sources = ~np.isin(dispatch.unit_kind, CONSUMERS)  # what consumes is imposed
    injected = (dispatch.p_mw[row] + 1j * dispatch.q_mvar[row])[sources]
    np.add.at(ours, dispatch.unit_bus[sources], injected)
    loss = float(net.res_line.pl_mw.sum() + net.res_trafo.pl_mw.sum())
    difference = max(
        float(np.max(abs((power - ours).real))),
        float(np.max(abs((power - ours).imag))),
        abs(loss - float(dispatch.loss_mw[row])),
    )
    tables = [net.res_line.loading_percent, net.res_trafo.loading_percent]
    loading = np.concatenate([t.to_numpy() for t in tables])
    if grid.rate_is_power.any():
        loading = dispatch.loading_percent[row]  # pandapower's own loading is by current
    rated = np.isfinite(grid.rate_from) & grid.branch_in_service
    return {
        "mismatch": difference,
        "vm": float(np.max(abs(vm - dispatch.vm_pu[row][at]))),
        "va": float(np.max(abs(va - dispatch.va_degree[row][at]))),
        "violation": float(np.max(np.maximum(grid.vm_min[at] - vm, vm - grid.vm_max[at]).clip(0))),
        "loading": float(np.nanmax(loading[rated], initial=0.0)) if rated.any() else np.nan,
    }
