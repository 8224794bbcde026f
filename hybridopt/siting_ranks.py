"""Every plan of a siting study in its order, and by losses alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridopt.siting import labels_of

if TYPE_CHECKING:
    from hybridopt.siting import SitingResult


def ranking(result: SitingResult) -> pd.DataFrame | None:
    """Every plan, the best first; None where there are too many.

    Ranks by losses alone are among plans with as many units, all at the weight factor 1; losses are
    means over the hours of the states, MW.
    """
    every, problem, evaluator = result.every, result.problem, result.evaluator
    if every is None:
        return None
    hours = np.array([state.hours for state in problem.terms.states])
    weight = hours / hours.sum()
    parts = evaluator.parts(every)
    full = np.where(np.isnan(every.full_loss_mw), np.inf, every.full_loss_mw) @ weight
    frame = pd.DataFrame(
        {
            "sites": [" ".join(map(str, labels_of(problem, every, k))) for k in range(len(every))],
            "units": every.plan.sum(axis=1),
            "weight_factor": every.gamma,
            "capacity_mw": every.capacity_mw,
            "investment": every.capacity_mw * problem.investment.capital_per_mw,
            "objective": every.objective,
            "within_limits": every.violation == 0,
            **parts,
            "loss_mw": every.loss_mw @ weight,
            "saving_closed_formula_mw": every.formula_mw @ weight,
            "loss_mw_at_weight_1": full,
            "saving_closed_formula_mw_at_weight_1": every.full_formula_mw @ weight,
        }
    )
    by = frame.groupby("units")
    frame["rank_by_losses"] = by.loss_mw_at_weight_1.rank(method="min").astype(int)
    saved = by.saving_closed_formula_mw_at_weight_1
    frame["rank_by_closed_formula"] = saved.rank(method="min", ascending=False).astype(int)
    frame["of"] = by.units.transform("size")
    frame = frame.iloc[every.order()].reset_index(drop=True)
    frame.insert(0, "rank", np.arange(1, len(frame) + 1))
    return frame


def compared(result: SitingResult, ranks: pd.DataFrame | None) -> list[dict[str, Any]]:
    """Ranks of the plans that the case names."""
    if ranks is None:
        return []
    place = {label: k for k, label in enumerate(result.problem.label)}
    kept = ("rank", "objective", "loss_mw", "rank_by_losses", "rank_by_closed_formula", "of")
    found = []
    for buses in result.problem.terms.compare:
        ordered = sorted(buses, key=place.__getitem__)
        row = ranks[ranks.sites == " ".join(map(str, ordered))]
        if len(row):
            found.append({"sites": ordered} | {name: row[name].iloc[0] for name in kept})
    return found
