"""Loss reductions of reference A, section 4: by switching, by generation, and their sum f1."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.feeder import Feeder
    from hybridopt.feeder_result import FeederUnit
    from hybridopt.feeder_trees import FeederFlow


def loss_reductions(
    feeder: Feeder,
    before: FeederFlow,
    reconfigured: FeederFlow,
    after: FeederFlow,
    units: Sequence[FeederUnit],
    closed: NDArray[np.bool_],
) -> dict[str, float]:
    """Reductions in kW, means over the hours, by AC power flow and closed formula.

    The closed formulas are Diaz Vargas et al. 2024, section 4.2: ``R (P^2 + Q^2) / |V|^2`` of every
    section, and for generation ``R / V^2 (P_G^2 - 2 P P_G) (G / L)`` with its sign turned, so that
    less loss is positive. G / L is read as the share of a section that lies between source and
    generator: 1 on its way to the source, 0 elsewhere; outputs of several units on a section add
    up, reactive power alike. Powers and voltages are those of the reconfigured feeder without
    units.

    Parameters
    ----------
    before, reconfigured, after : power flows: at first, with the new switches, and with the units
    closed : (n_branch,) of the result
    """
    kw = 1e3 * feeder.base_mva / float(feeder.dt.sum())
    by_switching = kw * (before.measures["loss"] - reconfigured.measures["loss"])
    by_units = kw * (reconfigured.measures["loss"] - after.measures["loss"])
    formula_switching = kw * (_sections(feeder, before) - _sections(feeder, reconfigured))
    formula_units = kw * _by_units(feeder, reconfigured, units, closed)
    return {
        "by_reconfiguration_kw": by_switching,
        "by_dg_kw": by_units,
        "f1_kw": by_switching + by_units,
        "by_reconfiguration_closed_formula_kw": formula_switching,
        "by_dg_closed_formula_kw": formula_units,
        "f1_closed_formula_kw": formula_switching + formula_units,
    }


def _receiving_v2(feeder: Feeder, flow: FeederFlow) -> NDArray[np.float64]:
    """Squared voltage at the end that power flows to, (n_t, n_branch); 1 where dead."""
    end = np.where(flow.p >= 0, feeder.branch_to, feeder.branch_from)
    v2 = np.take_along_axis(flow.vm, end, axis=1) ** 2
    return np.where(np.isnan(v2), 1.0, v2)


def _sections(feeder: Feeder, flow: FeederFlow) -> float:
    loss = feeder.r * (flow.p**2 + flow.q**2) / _receiving_v2(feeder, flow)
    return float(feeder.dt @ loss.sum(axis=1))


def _by_units(
    feeder: Feeder, flow: FeederFlow, units: Sequence[FeederUnit], closed: NDArray[np.bool_]
) -> float:
    """What the closed formula says that generation saves, pu h."""
    way = feeder.ways(closed)
    p_g, q_g = np.zeros_like(flow.p), np.zeros_like(flow.p)
    for unit in units:
        bus = unit.bus
        while (step := way.get(bus)) is not None:
            branch, bus_above = step
            sign = 1.0 if feeder.branch_to[branch] == bus else -1.0
            p_g[:, branch] += sign * unit.p_mw / feeder.base_mva
            q_g[:, branch] += sign * unit.q_mvar / feeder.base_mva
            bus = bus_above
    if not units:
        return 0.0
    change = p_g**2 - 2 * flow.p * p_g + q_g**2 - 2 * flow.q * q_g
    return float(-(feeder.dt @ (feeder.r * change / _receiving_v2(feeder, flow)).sum(axis=1)))
