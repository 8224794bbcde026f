"""What a siting study prints and writes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from hybridopt.network_siting import write_plan_net
from hybridopt.output import versions, write_json
from hybridopt.reliability_output import index_values
from hybridopt.result_folder import replace_folder
from hybridopt.siting import labels_of
from hybridopt.siting_ranks import compared, ranking
from hybridopt.siting_value import KW_PER_MW, Values
from hybridopt.tables import show, titled_table

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from hybridopt.network_siting import SitingProblem
    from hybridopt.siting import SitingResult
    from hybridopt.siting_value import Evaluator

    Floats = NDArray[np.float64]

SHOWN = 10  # plans of the ranking in the summary


def siting_summary(result: SitingResult) -> dict[str, Any]:
    """The content of summary.json; costs and savings are per year, signs as in the objective."""
    problem, best = result.problem, result.best
    case = problem.scenario.case
    ranks = ranking(result)
    found: dict[str, Any] = {
        "case": case.name,
        "title": case.title,
        "seed": result.seed,
        "status": "optimal" if result.proven_best else "acceptable",
        "currency": case.currency,
        "plan": plan_dict(result),
        "objective": float(best.objective[0]),
        "terms": _terms(result),
        "lambdas": lambdas(problem),
        "losses": problem.terms.losses,
        **losses(result),
        "states": _states(result),
        "constraints": constraints(problem, result.evaluator, best),
        **_reliability(result),
        "proven_best": result.proven_best,
        "compared": compared(result, ranks),
        "ranking": [] if ranks is None else ranks.head(SHOWN).to_dict("records"),
        "search": _search(result),
        "verification": result.verification,
        "wall_s": result.wall_s,
    }
    return found


def plan_dict(result: SitingResult) -> dict[str, Any]:
    """The plan with what it costs."""
    problem, best = result.problem, result.best
    money, gamma = problem.investment, float(best.gamma[0])
    tan_phi = float(np.tan(np.arccos(problem.terms.power_factor)))
    share = problem.terms.states[0].generation
    units = []
    for k in np.flatnonzero(best.plan[0]):
        p_mw = float(problem.size_mw[k]) * gamma
        units.append(
            {
                "bus": problem.label[k],
                "technology": money.technology,
                "weight_factor": gamma,
                "max_p_mw": p_mw,
                "p_mw": p_mw * share,
                "q_mvar": p_mw * share * tan_phi,
                "investment": p_mw * money.capital_per_mw,
            }
        )
    budget = None if np.isinf(problem.budget) else problem.budget
    return {
        "sites": result.labels,
        "genes": "".join(str(int(gene)) for gene in best.plan[0]),
        "weight_factor": gamma,
        "capacity_mw": float(best.capacity_mw[0]),
        "investment": float(best.capacity_mw[0]) * money.capital_per_mw,
        "budget": budget,
        "dg": units,
    }


def lambdas(problem: SitingProblem) -> dict[str, float]:
    """Coefficients of equation 7, currency per kW and year."""
    terms, money = problem.terms, problem.investment
    hours = sum(state.hours for state in terms.states)
    return {
        "lambda_1": money.annual_capital_per_kw,
        "lambda_2": terms.energy_price_per_mwh * hours / KW_PER_MW,
        "lambda_3": terms.subsidy_per_mwh * terms.full_load_hours / KW_PER_MW,
    }


def _terms(result: SitingResult) -> dict[str, float]:
    parts = result.evaluator.parts(result.best)
    return {name: float(values[0]) + 0.0 for name, values in parts.items()}  # no -0.0


def losses(result: SitingResult) -> dict[str, Any]:
    """Losses in the first state by AC power flow and what the closed formula says is saved, MW."""
    before = float(result.evaluator.base_loss_mw[0])
    after = float(result.best.loss_mw[0, 0])
    return {
        "loss_mw_before": before,
        "loss_mw_after": after,
        "loss_saving_mw": before - after,
        "loss_saving_closed_formula_mw": float(result.best.formula_mw[0, 0]),
    }


def _reliability(result: SitingResult) -> dict[str, Any]:
    """Indices without units and with the plan's; nothing where the case asks for none."""
    known, best = result.evaluator.reliability, result.best
    if known is None:
        return {}
    power = best.plan[0] * result.problem.size_mw * best.gamma[0]
    return {
        "reliability": {
            "without_units": index_values(known.indices(0.0 * power)),
            "with_plan": index_values(known.indices(power)),
        }
    }


def _states(result: SitingResult) -> list[dict[str, float]]:
    evaluator, best = result.evaluator, result.best
    return [
        {
            "load": state.load,
            "generation": state.generation,
            "hours": state.hours,
            "loss_mw_before": float(evaluator.base_loss_mw[s]),
            "loss_mw_after": float(best.loss_mw[0, s]),
            "loss_saving_closed_formula_mw": float(best.formula_mw[0, s]),
        }
        for s, state in enumerate(result.problem.terms.states)
    ]


def constraints(
    problem: SitingProblem, evaluator: Evaluator, best: Values | None = None
) -> list[dict[str, Any]]:
    """Limits of section 2.3 of reference B, what the plan makes of them, and notes."""

    def value(column: Floats) -> float | None:
        return None if best is None else float(column[0])

    network, low, high = problem.network, *evaluator.window_mva
    bounds = network.grid.vm_min[network.alive], network.grid.vm_max[network.alive]
    free = network.arrays.pq
    pf = problem.terms.power_factor
    capacity = None if best is None else float(best.capacity_mw[0]) / pf
    found: list[dict[str, Any]] = [
        {
            "name": "voltage",
            "at_least": float(bounds[0][free].max(initial=0.0)),
            "at_most": float(bounds[1][free].min(initial=np.inf)),
            "unit": "pu",
            "lowest": None if best is None else value(best.min_vm),
            "highest": None if best is None else value(best.max_vm),
            "note": _held(problem, evaluator),
        },
        {
            "name": "branch loading",
            "at_most": 100.0,
            "unit": "%",
            "highest": None if best is None else value(best.max_loading),
            "note": "" if np.isfinite(network.grid.rate_from).any() else "no branch is rated",
        },
    ]
    if problem.terms.load_min is not None:
        note = ""
        if evaluator.window_empty:
            whole = float(abs(problem.load_mva.sum()))
            most = (problem.terms.load_max or 1.0) * whole
            note = (
                f"cannot be met: S_Lmax = {most:.3f} MVA exceeds 2 S_Lmin = {2 * (high or 0):.3f} "
                "MVA, so no capacity is at least S_Lmax - S_Lmin and at most S_Lmin; "
                "the upper limit alone is kept"
            )
        found.append(
            {
                "name": "capacity",
                "at_least": low,
                "at_most": high,
                "unit": "MVA",
                "value": capacity,
                "note": note,
            }
        )
    found.append(
        {
            "name": "units",
            "at_least": problem.least_units,
            "at_most": problem.most_units,
            "unit": "",
            "value": None if best is None else int(best.plan[0].sum()),
            "note": "",
        }
    )
    if np.isfinite(problem.budget):
        capital = problem.investment.capital_per_mw
        found.append(
            {
                "name": "investment",
                "at_most": problem.budget,
                "unit": problem.scenario.case.currency,
                "value": None if best is None else float(best.capacity_mw[0]) * capital,
                "note": "",
            }
        )
    return found


def _held(problem: SitingProblem, evaluator: Evaluator) -> str:
    """Say which voltages lie outside the limits because a source holds them there."""
    network = problem.network
    low, high = network.grid.vm_min[network.alive], network.grid.vm_max[network.alive]
    vm = abs(network.arrays.v)
    out = [k for k in evaluator.held if vm[k] > high[k] + 1e-9 or vm[k] < low[k] - 1e-9]
    if not out:
        return ""
    shown = ", ".join(f"{network.grid.bus_id[network.alive[k]]} at {vm[k]:g} pu" for k in out)
    return f"not counted, because a source holds the voltage there: bus {shown}"


def _search(result: SitingResult) -> dict[str, Any]:
    search = result.search
    found: dict[str, Any] = {
        "method": result.method,
        "plans": result.plans,
        "plans_enumerated": 0 if result.every is None else len(result.every),
        "power_flows": result.evaluator.solved,
    }
    if search is not None:
        found |= {
            "generations": len(search.log) - 1,
            "evaluations": search.tried,
            "distinct_plans": len(search.known),
            "found_by": search.found_by,
            "sites": labels_of(result.problem, search.best, 0),
            "objective": float(search.best.objective[0]),
            "found_best": result.found_best,
            "stopped_because": search.ended,
        }
    return found | {"wall_s": result.search_s}


def siting_tables(result: SitingResult) -> Iterator[Any]:
    """What the terminal shows."""
    found = siting_summary(result)
    money, plan = found["currency"], found["plan"]
    table = titled_table(
        found["title"] or found["case"], "Bus", "Weight", "Capacity MW", f"Investment {money}"
    )
    for unit in plan["dg"]:
        cells = show(unit["weight_factor"], 3), show(unit["max_p_mw"], 3), show(unit["investment"])
        table.add_row(str(unit["bus"]), *cells)
    table.add_row("total", "", show(plan["capacity_mw"], 3), show(plan["investment"]))
    yield table
    yield ""
    table = titled_table("Objective", "Term", f"{money} per year")
    for name, value in found["terms"].items():
        if value:
            table.add_row(name.removesuffix("_per_year").replace("_", " "), show(value))
    table.add_row("F", show(found["objective"]))
    yield table
    yield ""
    yield (
        f"Losses: {found['loss_mw_before']:.4f} MW before, {found['loss_mw_after']:.4f} MW after "
        f"(AC); saved {found['loss_saving_mw']:.4f} MW by AC power flow, "
        f"{found['loss_saving_closed_formula_mw']:.4f} MW by the closed formula"
    )
    yield from _reliability_table(found)
    yield from _ranks_table(found)
    for limit in found["constraints"]:
        if limit["note"]:
            yield f"Note: {limit['name']}: {limit['note']}"
    yield _search_line(found)
    said = found["verification"]
    yield (
        f"Verified by pandapower: {said['states_checked']} of {len(found['states'])} states, "
        f"voltages within {said['max_vm_difference_pu']:.0e} pu, losses within "
        f"{said['max_loss_difference_mw']:.0e} MW"
    )


def _reliability_table(found: dict[str, Any]) -> Iterator[Any]:
    if "reliability" not in found:
        return
    table = titled_table("Reliability", "", "Without units", "With the plan")
    without, plan = found["reliability"]["without_units"], found["reliability"]["with_plan"]
    for title, key in (
        ("SAIFI 1/yr", "saifi"),
        ("SAIDI h/yr", "saidi_h"),
        ("ENS MWh/yr", "ens_mwh"),
        ("R_PS %", "r_ps_percent"),
    ):
        table.add_row(title, show(without[key], 4), show(plan[key], 4))
    yield ""
    yield table


def _ranks_table(found: dict[str, Any]) -> Iterator[Any]:
    if not found["compared"]:
        return
    table = titled_table(
        "Plans compared", "Sites", "Rank", "F per year", "By AC losses", "By closed formula", "Of"
    )
    for row in found["compared"]:
        table.add_row(
            ", ".join(map(str, row["sites"])),
            str(row["rank"]),
            show(row["objective"]),
            str(row["rank_by_losses"]),
            str(row["rank_by_closed_formula"]),
            f"{row['of']} with as many",
        )
    yield ""
    yield table


def _search_line(found: dict[str, Any]) -> str:
    search = found["search"]
    if search["method"] == "exhaustive":
        return f"Every plan: {search['plans']:,}, best proven, {found['wall_s']:.1f} s"
    line = (
        f"Search: {search['evaluations']:,} chromosomes, {search['distinct_plans']:,} of "
        f"{search['plans']:,} plans, {search['wall_s']:.1f} s"
    )
    if search["found_best"] is None:
        return f"{line}; not proven"
    said = "the same best plan" if search["found_best"] else "a better plan than the search"
    return f"{line}; enumeration of all finds {said}"


def write_siting(result: SitingResult, folder: Path) -> None:
    """Write summary.json, plan.json, plans.csv, generations.csv, network.json and report.html."""
    from hybridopt.siting_report import write_siting_report

    def fill(fresh: Path) -> None:
        found = siting_summary(result)
        write_json(fresh / "summary.json", found | {"versions": versions()})
        write_json(fresh / "plan.json", found["plan"])
        ranks = ranking(result)
        if ranks is not None:
            ranks.to_csv(fresh / "plans.csv", index=False)
        if result.search is not None:
            pd.DataFrame(result.search.log).to_csv(fresh / "generations.csv", index=False)
        best = result.best
        path = fresh / "network.json"
        write_plan_net(result.problem, best.plan[0], float(best.gamma[0]), path)
        write_siting_report(found, fresh)

    replace_folder(folder, fill)
