"""The report of a siting study: one page that opens offline, from its summary alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.report import fill_page, save_page
from hybridopt.report_format import MISSING, fixed
from hybridopt.report_tables import Column, Table

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def write_siting_report(found: dict[str, Any], folder: Path) -> Path:
    """Write ``report.html`` into a folder.

    Parameters
    ----------
    found : what :func:`hybridopt.siting_output.siting_summary` gives
    """
    return save_page(fill_page("siting.html", _content(found)), folder)


def _content(found: dict[str, Any]) -> dict[str, Any]:
    search, plan = found["search"], found["plan"]
    seed = [] if search["method"] == "exhaustive" else [f"seed {found['seed']}"]
    return {
        "title": found["title"] or found["case"],
        "byline": [found["case"], *seed, f"{found['wall_s']:.1f} s"],
        "lead": _lead(found),
        "units": _units(plan, found["currency"]),
        "terms": _terms(found),
        "states": _states(found),
        "limits": _limits(found),
        "notes": [(x["name"], x["note"]) for x in found["constraints"] if x["note"]],
        "reliability": _reliability(found),
        "compared": _ranks(found["compared"], "Plans compared"),
        "ranking": _ranks(found["ranking"], "Best plans"),
        "search": _facts(found),
    }


def _lead(found: dict[str, Any]) -> list[str]:
    plan, money = found["plan"], found["currency"]
    sites = ", ".join(map(str, plan["sites"])) or "no bus"
    proof = {
        True: f"No other of the {found['search']['plans']:,} plans is better.",
        False: "Not every plan was looked at, so a better one may exist.",
    }[found["proven_best"]]
    units = f"Units stand at {sites}: {plan['capacity_mw']:,.3f} MW for an investment of "
    cost = f"{plan['investment']:,.0f} {money}; F is {found['objective']:,.0f} {money} per year."
    before, after = found["loss_mw_before"], found["loss_mw_after"]
    fall = f"Losses fall from {before:.4f} to {after:.4f} MW by AC power flow, which saves "
    saved, formula = found["loss_saving_mw"], found["loss_saving_closed_formula_mw"]
    both = f"{saved:.4f} MW; the closed formula says {formula:.4f} MW. "
    return [units + cost, fall + both + proof]


def _numbers(title: str, unit: str, values: Sequence[float | None], decimals: int) -> Column:
    return Column(title, unit, [fixed(value, decimals) for value in values])


def _units(plan: dict[str, Any], currency: str) -> Table:
    rows = plan["dg"]
    return Table(
        "Units",
        [
            Column("Bus", "", [str(row["bus"]) for row in rows], numeric=False),
            _numbers("Weight factor", "", [row["weight_factor"] for row in rows], 3),
            _numbers("Capacity", "MW", [row["max_p_mw"] for row in rows], 3),
            _numbers("Investment", currency, [row["investment"] for row in rows], 0),
        ],
    )


def _terms(found: dict[str, Any]) -> Table:
    terms = found["terms"]
    names = [name.removesuffix("_per_year").replace("_", " ") for name in terms]
    money = found["currency"]
    return Table(
        "Terms of the objective",
        [
            Column("Term", "", [*names, "F"], numeric=False),
            _numbers("Value", f"{money} per year", [*terms.values(), found["objective"]], 0),
        ],
    )


def _states(found: dict[str, Any]) -> Table:
    rows = found["states"]
    return Table(
        "Losses",
        [
            _numbers("Load", "of nominal", [row["load"] for row in rows], 3),
            _numbers("Generation", "of capacity", [row["generation"] for row in rows], 3),
            _numbers("Hours", "per year", [row["hours"] for row in rows], 0),
            _numbers("Before", "MW", [row["loss_mw_before"] for row in rows], 4),
            _numbers("After", "MW", [row["loss_mw_after"] for row in rows], 4),
            _numbers(
                "Saved, closed formula",
                "MW",
                [row["loss_saving_closed_formula_mw"] for row in rows],
                4,
            ),
        ],
    )


def _limits(found: dict[str, Any]) -> Table:
    rows = found["constraints"]

    def cells(*keys: str) -> list[str]:
        return [
            " to ".join(
                fixed(row[key], 0 if row["name"] in {"units", "investment"} else 4)
                for key in keys
                if row.get(key) is not None
            )
            or MISSING
            for row in rows
        ]

    return Table(
        "Limits",
        [
            Column("Limit", "", [row["name"] for row in rows], numeric=False),
            Column("At least", "", cells("at_least")),
            Column("At most", "", cells("at_most")),
            Column("Reached", "", cells("lowest", "highest", "value")),
            Column("Unit", "", [row["unit"] for row in rows], numeric=False),
        ],
    )


def _reliability(found: dict[str, Any]) -> Table | None:
    if "reliability" not in found:
        return None
    names = {"saifi": "SAIFI, 1/yr", "saidi_h": "SAIDI, h/yr", "ens_mwh": "ENS, MWh/yr"}
    names |= {"r_ps_percent": "R_PS, %"}
    known = found["reliability"]
    return Table(
        "Reliability",
        [
            Column("Index", "", [*names.values()], numeric=False),
            _numbers("Without units", "", [known["without_units"][key] for key in names], 4),
            _numbers("With the plan", "", [known["with_plan"][key] for key in names], 4),
        ],
    )


def _ranks(rows: list[dict[str, Any]], caption: str) -> Table | None:
    if not rows:
        return None
    sites = [
        row["sites"] if isinstance(row["sites"], str) else " ".join(map(str, row["sites"]))
        for row in rows
    ]
    return Table(
        caption,
        [
            Column("Rank", "", [str(row["rank"]) for row in rows]),
            Column("Sites", "", sites, numeric=False),
            _numbers("F", "per year", [row["objective"] for row in rows], 0),
            _numbers("Losses", "MW", [row["loss_mw"] for row in rows], 4),
            Column("By AC losses", "", [str(row["rank_by_losses"]) for row in rows]),
            Column("By closed formula", "", [str(row["rank_by_closed_formula"]) for row in rows]),
            Column("Of", "", [str(row["of"]) for row in rows]),
        ],
        note="Ranks by losses are among plans with as many units, at the weight factor 1.",
    )


def _facts(found: dict[str, Any]) -> list[tuple[str, str]]:
    search, said = found["search"], found["verification"]
    names = ("method", "plans", "plans_enumerated", "evaluations", "distinct_plans", "found_by")
    facts = [
        (name.replace("_", " ").capitalize(), f"{search[name]:,}")
        if isinstance(search[name], int)
        else (name.replace("_", " ").capitalize(), str(search[name]))
        for name in names
        if name in search
    ]
    if search.get("found_best") is not None:
        facts.append(("Search found the best of all", "yes" if search["found_best"] else "no"))
    lambdas = ", ".join(f"{value:,.4g}" for value in found["lambdas"].values())
    facts.append(("Lambda 1 to 3", f"{lambdas} {found['currency']} per kW and year"))
    facts.append(
        (
            "Verified by pandapower",
            (
                f"{said['states_checked']} of {len(found['states'])} states, voltages within "
                f"{said['max_vm_difference_pu']:.0e} pu, losses within "
                f"{said['max_loss_difference_mw']:.0e} MW"
            ),
        )
    )
    return facts
