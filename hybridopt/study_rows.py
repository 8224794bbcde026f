"""One row of a table for each run: what its summary.json says, without nesting."""

from __future__ import annotations

from typing import Any

from hybridopt.study_groups import is_solved

COLUMNS = (  # name, unit, what
    ("case", "", "name of the case"),
    ("event", "", "name of the event in the study (own: the case's), or what it takes out"),
    ("budget", "currency", "most that a plan may cost"),
    ("seed", "", "of the search"),
    ("status", "", "optimal, acceptable, infeasible, failed"),
    ("fully_served", "", "whether nothing is unserved in any hour"),
    ("load_mw", "MW", "demand at the peak hour"),
    ("unserved_after_event_mw", "MW", "unserved at the peak hour, without a plan"),
    ("served_mw", "MW", "served at the peak hour"),
    ("unserved_mw", "MW", "unserved at the peak hour"),
    ("unserved_mwh", "MWh", "unserved over the day"),
    ("plan_cost", "currency", "of lines and generation"),
    ("operating_cost", "currency", "of the day"),
    ("unserved_cost", "currency", "of the day's unserved energy"),
    ("loss_mwh", "MWh", "of the day"),
    ("min_vm_pu", "pu", "lowest voltage at the peak hour"),
    ("max_vm_pu", "pu", "highest voltage at the peak hour"),
    ("max_loading_percent", "%", "highest loading at the peak hour"),
    ("lines", "", "of the plan, by name"),
    ("dg", "", "of the plan, bus:MW"),
    ("dg_mw", "MW", "sum of its ratings"),
    ("max_mismatch_mva", "MVA", "pandapower's power flow beside the dispatch"),
    ("evaluations", "", "plans looked at"),
    ("distinct_plans", "", "plans evaluated"),
    ("nlp_solves", "", "nonlinear programs"),
    ("currency", "", "unit of the costs"),
    ("wall_s", "s", "of the run"),
    ("message", "", "why there is no result"),
    ("folder", "", "of the run's files"),
)
NAMES = tuple(name for name, _, _ in COLUMNS)


TEXTS = ("case", "event", "status", "currency", "lines", "dg", "message", "folder")
NEEDED = ("case", "event", "budget", "status", "currency", "message", "folder")
NEEDED_OF_SOLVED = ("unserved_mwh", "plan_cost", "operating_cost", "served_mw", "load_mw")


def is_row(row: Any) -> bool:
    """Whether something that was read is a row, with values of the right kind."""
    if not isinstance(row, dict) or not set(NAMES) <= set(row):
        return False
    needed = NEEDED + NEEDED_OF_SOLVED if is_solved(row) else NEEDED
    return all(
        name not in needed if row[name] is None else isinstance(row[name], _kind(name))
        for name in NAMES
    )


def _kind(name: str) -> Any:
    return str if name in TEXTS else int | float


def empty_row(**known: Any) -> dict[str, Any]:
    """A row of which only so much is known; the others are None."""
    return dict.fromkeys(NAMES) | known


def amount(budget: float) -> str:
    """A budget as short as can be without becoming another one."""
    return f"{budget:.15g}"


def study_row(found: dict[str, Any]) -> dict[str, Any]:
    """The row of a run.

    Parameters
    ----------
    found : its summary, as :func:`hybridopt.output.summary` gives it
    """
    peak, plan, day = found["stages"]["after_plan"], found["plan"], found["dispatch"]
    units = [f"{unit['bus']}:{unit['max_p_mw']:.4g}" for unit in plan["dg"]]
    return empty_row(
        case=found["case"],
        event=event_label(found["event"]),
        budget=plan["budget"],
        currency=found["currency"],
        seed=found["seed"],
        status=found["status"],
        fully_served=found["fully_served"],
        **{name: peak[name] for name in ("load_mw", "served_mw", "unserved_mw")},
        unserved_after_event_mw=found["stages"]["after_event"]["unserved_mw"],
        **{name: peak[name] for name in ("min_vm_pu", "max_vm_pu", "max_loading_percent")},
        **{name: day[name] for name in ("unserved_mwh", "operating_cost", "unserved_cost")},
        loss_mwh=day["loss_mwh"],
        plan_cost=plan["cost"],
        lines=" ".join(str(line["name"]) for line in plan["lines"]),
        dg=" ".join(units),
        dg_mw=float(sum(unit["max_p_mw"] for unit in plan["dg"])),
        max_mismatch_mva=found["verification"]["max_mismatch_mva"],
        **{n: found["search"][n] for n in ("evaluations", "distinct_plans", "nlp_solves")},
        wall_s=found["time"]["wall_s"],
        message="",
        folder="",
    )


def event_label(event: dict[str, list[Any]]) -> str:
    """What an event takes out, such as ``5-6+8-9+G2``: G generator, E external grid, B bus..."""
    short = {"generators": "G", "external_grids": "E", "loads": "L", "buses": "B", "shunts": "S"}
    names = [f"{short.get(kind, '')}{name}" for kind, found in event.items() for name in found]
    return "+".join(dict.fromkeys(names))
