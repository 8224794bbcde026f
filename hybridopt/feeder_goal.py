"""What a reconfiguration is to minimise, and which limits count how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from hybridopt.errors import Finding, InputError
from hybridopt.solvers import radial

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from hybridopt.feeder_trees import FeederTrees

    Floats = NDArray[np.float64]

# Places of the kernels' weights, and the measure of each; operations are counted apart.
PARTS = ("losses", "voltage_drop", "max_voltage_drop", "load_balance", "switching_operations")
OBJECTIVES = (*PARTS, "weighted", "loss_reduction")
LOSS_UNITS = {"kw": 1e3, "mw": 1.0}  # per MW; of several hours, kWh and MWh
TIE = 1e-9  # weight of losses in kW beside other objectives: they decide between equals
REFERENCE_WEIGHTS = (10.0, 5.0, 1.0)  # losses, total voltage drop, operations (reference C)


@dataclass(frozen=True)
class Goal:
    """An objective to minimise.

    Attributes
    ----------
    name : one of :data:`OBJECTIVES`. ``losses`` over the hours, kW or (several hours) kWh;
        ``voltage_drop``, the sum over closed branches of ``|V_from - V_to|``, and
        ``max_voltage_drop``, from the highest source to the lowest bus, pu in the worst hour;
        ``load_balance``, mean squared loading of rated branches (mean squared current in pu, where
        none is rated; Baran and Wu 1989); ``switching_operations``; ``weighted``, reference C's
        ``w_loss * losses + w_drop * voltage_drop + w_switch * operations``; ``loss_reduction``,
        reference A's f1, whose maximum is the minimum of the losses
    weights : of ``weighted``
    loss_unit : in which losses enter ``weighted``, "kw" or "mw" (kWh, MWh over several hours)
    """

    name: str = "losses"
    weights: tuple[float, float, float] = REFERENCE_WEIGHTS
    loss_unit: str = "kw"

    def check(self) -> None:
        """Raise InputError for names and weights that are none."""
        findings = []
        if self.name not in OBJECTIVES:
            known = ", ".join(OBJECTIVES)
            findings.append(Finding(f"--objective {self.name}", f"is none of {known}"))
        if self.loss_unit not in LOSS_UNITS:
            findings.append(Finding(f"--loss-unit {self.loss_unit}", "must be kw or mw"))
        if not all(np.isfinite(w) and w >= 0 for w in self.weights) or not any(self.weights):
            message = "must be three numbers of at least 0, one of them above 0"
            findings.append(Finding("--weights", message))
        if findings:
            raise InputError(findings)

    def kernel_weights(self, trees: FeederTrees) -> Floats:
        """Weights of the kernels' measures, losses in pu h there."""
        found = np.zeros(len(PARTS))
        mw = trees.feeder.base_mva
        if self.name == "weighted":
            loss, drop, operations = self.weights
            found[0] = loss * LOSS_UNITS[self.loss_unit] * mw
            found[1], found[4] = drop, operations
        elif self.name == "loss_reduction":
            found[0] = LOSS_UNITS["kw"] * mw
        else:
            place = PARTS.index(self.name)
            found[0] = LOSS_UNITS["kw"] * mw * TIE
            found[place] = LOSS_UNITS["kw"] * mw if place == 0 else 1.0
        return found

    def value(self, trees: FeederTrees, opens: NDArray[np.int64], measures: Floats) -> float:
        """Objective of one measured tree, without what decides between equals."""
        weights = self.kernel_weights(trees)
        if self.name in PARTS[1:]:
            weights[0] = 0.0
        return float(values(trees, opens[None], measures[None], weights)[0])

    def unit(self, n_t: int) -> str:
        """Unit of the objective, for tables."""
        energy = {"kw": "kW" if n_t == 1 else "kWh", "mw": "MW" if n_t == 1 else "MWh"}
        if self.name in ("losses", "loss_reduction"):
            return energy["kw"]
        if self.name == "weighted":
            loss, drop, operations = (f"{w:g}" for w in self.weights)
            return (
                f"{loss} per {energy[self.loss_unit]} + {drop} per pu + {operations} per operation"
            )
        return {"load_balance": "mean squared loading", "switching_operations": "operations"}.get(
            self.name, "pu"
        )


def operations(trees: FeederTrees, opens: NDArray[np.int64]) -> NDArray[np.int64]:
    """Branches that are not in their normal state, of each tree.

    Parameters
    ----------
    opens : (n, k)

    Returns
    -------
    (n,)
    """
    normal = trees.arrays.normal
    counted = np.concatenate([normal >= 0, [False]])  # the last place stands for no branch
    normally_open = np.concatenate([normal == 0, [False]])
    changed = np.where(normally_open[opens], -1, counted[opens].astype(int))
    found: NDArray[np.int64] = int(normally_open.sum()) + changed.sum(axis=1)
    return found


def values(
    trees: FeederTrees, opens: NDArray[np.int64], measures: Floats, weights: Floats
) -> Floats:
    """Objective of measured trees, (n,)."""
    found = np.zeros(len(opens))
    for place in range(4):
        if weights[place]:
            found += weights[place] * measures[:, radial.LOSS + place]
    if weights[4]:
        found += weights[4] * operations(trees, opens)
    return found
