"""Loss reductions by reconfiguration and by distributed generation, and their sum f1.

Diaz Vargas, Mosquera, Rivas 2024 (reference A), sections 4.1 and 4.2: measured by AC power flows,
and beside that by the paper's closed formulas.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from hybridopt.feeder_trees import fed_trees, power_flow

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from hybridopt.feeder import Feeder
    from hybridopt.feeder_result import FeederUnit
    from hybridopt.feeder_trees import FeederFlow

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]
    Ints = NDArray[np.int64]

KW_PER_MW = 1000.0


def loss_reduction(
    feeder: Feeder, closed_before: Bools, closed_after: Bools, units: Sequence[FeederUnit] = ()
) -> dict[str, float | None]:
    """Losses before, after reconfiguration, and with units; what each step saves, and f1.

    ``f1 = reduction by reconfiguration + reduction by DG`` (the paper maximises it) is the losses
    before less those with DG: it is largest where these are least.

    Beside the AC values stand the paper's formulas:

    - ``P_loss(i, i+1) = R_i (P_i^2 + Q_i^2) / |V_i|^2`` of each section, with the power that leaves
      its bus on the source's side and the voltage there; summed, and the difference of the sums
      before and after. Exact, but for branch admittances and transformers' ratios.
    - ``dP_DG = R_i / V_i^2 (P_G^2 - 2 P_i P_G) (G / L)`` of each section, with power and voltage
      after reconfiguration without DG. G / L is read as the share of a section that lies between
      the source and the DG: 1 on its path, 0 elsewhere. dP_DG is what the losses change by, so that
      it is negative where they fall; its negative is given here as the reduction. P_G is the sum of
      the units behind a section; reactive power of units is not in the formula. It leaves out that
      DG changes losses and voltages upstream, so that it differs from the AC value.

    Parameters
    ----------
    closed_before, closed_after : (n_branch,)
    units : of the result

    Returns
    -------
    kW, the mean over the hours; None where there is no power flow (a loop, no solution).
    """
    before = _Losses(feeder, closed_before)
    after = _Losses(feeder, closed_after)
    at = np.array([unit.bus for unit in units], dtype=np.int64)
    p = np.array([unit.p_mw for unit in units]).reshape(len(units), feeder.n_t).T / feeder.base_mva
    q = np.array([unit.q_mvar for unit in units]).reshape(len(units), feeder.n_t).T
    with_dg = _Losses(feeder.with_injection(at, p, q / feeder.base_mva), closed_after)
    found = _reductions("", before.ac_kw, after.ac_kw, with_dg.ac_kw)
    by_formula = after.change_kw(at, p)
    formula_with_dg = (
        None if by_formula is None or after.sum_kw is None else (after.sum_kw + by_formula)
    )
    return found | _reductions("formula_", before.sum_kw, after.sum_kw, formula_with_dg)


def _reductions(
    prefix: str, before: float | None, after: float | None, with_dg: float | None
) -> dict[str, float | None]:
    def less(a: float | None, b: float | None) -> float | None:
        return None if a is None or b is None else a - b

    return {
        f"{prefix}loss_before_kw": before,
        f"{prefix}loss_reconfigured_kw": after,
        f"{prefix}loss_with_dg_kw": with_dg,
        f"{prefix}reduction_by_reconfiguration_kw": less(before, after),
        f"{prefix}reduction_by_dg_kw": less(after, with_dg),
        f"{prefix}f1_kw": less(before, with_dg),
    }


class _Losses:
    """Losses of one configuration by power flow and by formula; mean kW, None without power flow."""

    def __init__(self, feeder: Feeder, closed: Bools) -> None:
        self.feeder = feeder
        self.above, self.forward = _feeding(feeder, closed)
        self.ac_kw: float | None = None
        self.sum_kw: float | None = None
        if not feeder.is_radial(closed):
            return
        trees = fed_trees(feeder)
        flow = power_flow(trees, trees.opens(closed))
        if flow.converged:
            self._p, q, self._v2 = self._sending(flow)
            self.ac_kw = self._kw(np.array([flow.measures["loss"]]) / feeder.dt.sum())
            section = feeder.r * (self._p**2 + q**2) / self._v2
            self.sum_kw = self._kw(feeder.dt @ section / feeder.dt.sum())

    def _kw(self, values: Floats) -> float:
        return float(values.sum() * self.feeder.base_mva * KW_PER_MW)

    def _sending(self, flow: FeederFlow) -> tuple[Floats, Floats, Floats]:
        """Power from the source's side into each section, and squared voltage there."""
        feeder = self.feeder
        f, t = feeder.branch_from, feeder.branch_to
        sign = np.where(self.forward, 1.0, -1.0)
        vm = np.nan_to_num(flow.vm, nan=1.0)
        here2, far2 = (np.where(self.forward, vm[:, a], vm[:, b]) ** 2 for a, b in ((f, t), (t, f)))
        current2 = (flow.p**2 + flow.q**2) / far2
        p = sign * flow.p + feeder.r * current2
        q = sign * flow.q + feeder.x * current2
        return p, q, here2

    def change_kw(self, at: Ints, p: Floats) -> float | None:
        """What units change the losses by, by the paper's formula."""
        if self.sum_kw is None:
            return None
        feeder = self.feeder
        behind = np.zeros((feeder.n_t, feeder.n_branch))
        for k, site in enumerate(at):
            bus = int(site)
            while self.above[bus] >= 0:
                m = int(self.above[bus])
                behind[:, m] += p[:, k]
                bus = int(feeder.branch_from[m] if self.forward[m] else feeder.branch_to[m])
        change = feeder.r / self._v2 * (behind**2 - 2.0 * self._p * behind)
        return self._kw(feeder.dt @ change / feeder.dt.sum())


def _feeding(feeder: Feeder, closed: Bools) -> tuple[Ints, Bools]:
    """The branch that feeds each bus (-1: none), and whether each is fed from its from bus."""
    above = np.full(feeder.n_bus, -1, dtype=np.int64)
    forward = np.ones(feeder.n_branch, dtype=bool)
    seen = feeder.source_vm > 0
    f, t = feeder.branch_from, feeder.branch_to
    while True:
        out = np.flatnonzero(closed & seen[f] & ~seen[t])
        back = np.flatnonzero(closed & seen[t] & ~seen[f])
        if not out.size + back.size:
            return above, forward
        above[t[out]], above[f[back]] = out, back
        forward[back] = False
        seen = seen.copy()
        seen[t[out]] = seen[f[back]] = True
