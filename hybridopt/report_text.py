"""Sentences and key figures of the report, built from the run's own numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hybridopt.bound_words import bound_sentence
from hybridopt.report_format import (
    MISSING,
    count,
    duration,
    energy,
    fixed,
    in_words,
    is_number,
    listing,
    money,
    of_power,
    power,
    share,
    spans,
    unbroken,
)
from hybridopt.report_verified import verdict

if TYPE_CHECKING:
    from hybridopt.report_files import RunFiles

EVENT_KINDS = {  # key of summary["event"] -> singular, plural, whether a number is its bus
    "external_grids": ("the external grid", "the external grids", True),
    "generators": ("the generator", "the generators", True),
    "transformers": ("transformer", "transformers", False),
    "lines": ("line", "lines", False),
    "buses": ("bus", "buses", False),
    "loads": ("the load", "the loads", True),
    "shunts": ("the shunt", "the shunts", True),
}
OBJECTIVES = {  # words and unit, {} stands for the currency
    "unserved_mwh": ("unserved energy", "MWh"),
    "unserved_peak_mw": ("unserved load at the peak", "MW"),
    "operating_cost": ("operating cost", "{}"),
    "plan_cost": ("plan cost", "{}"),
    "loss_mwh": ("losses", "MWh"),
}
STATUS = {
    "optimal": "locally optimal",
    "acceptable": "acceptable (solved to a looser tolerance)",
    "infeasible": "infeasible",
    "failed": "failed",
}


def event_sentence(run: RunFiles) -> str:
    """Name what the event takes out; "" without an event."""
    parts = []
    for key, (one, many, by_bus) in EVENT_KINDS.items():
        found = run.value("event", key) or []
        names = list(dict.fromkeys(str(name) for name in found))
        if not names:
            continue
        at = "at bus " if len(names) == 1 else "at buses "
        place = at if by_bus and all(isinstance(name, int) for name in found) else ""
        parts.append(f"{one if len(found) == 1 else many} {place}{listing(unbroken(names))}")
    return f"The event takes out {listing(parts)}." if parts else ""


def lead(run: RunFiles) -> list[str]:
    """Paragraphs that say what happened and what the plan achieves."""
    paragraphs = [
        _after_event(run),
        " ".join(s for s in (_plan_sentence(run), _after_plan(run), _bound(run)) if s),
        " ".join(s for s in (_dispatch_sentence(run), _avoided_sentence(run)) if s),
    ]
    return [p for p in paragraphs if p]


def _after_event(run: RunFiles) -> str:
    sentences = [event_sentence(run)]
    load = run.number("stages", "after_event", "load_mw")
    served = run.number("stages", "after_event", "served_mw")
    if load and served is not None:
        lost = load - served
        if lost <= 1e-6 * load:
            sentences.append(
                f"The whole load of {power(load)} at the peak hour can still be served."
            )
        elif served <= 1e-6 * load:
            sentences.append(f"Nothing of the {power(load)} at the peak hour can be served.")
        else:
            sentences.append(
                f"Of the load at the peak hour, {of_power(served, load)} ({share(served, load)}) "
                f"can still be served; {power(lost)} are lost."
            )
    return " ".join(s for s in sentences if s)


def _plan_sentence(run: RunFiles) -> str:
    parts = []
    verbs = {"repaired": "repairs", "new": "adds", "tie": "closes"}
    lines = [line for line in run.plan.get("lines") or [] if isinstance(line, dict)]
    for kind, verb in verbs.items():
        names = unbroken(str(x.get("name")) for x in lines if x.get("kind", "repaired") == kind)
        if names:
            parts.append(f"{verb} {'line' if len(names) == 1 else 'lines'} {listing(names)}")
    units = [unit for unit in run.plan.get("dg") or [] if isinstance(unit, dict)]
    if units:
        sizes = [f"{power(_number(u.get('max_p_mw')))} at bus {u.get('bus')}" for u in units]
        noun = (
            "a distributed generator"
            if len(units) == 1
            else f"{in_words(len(units))} distributed generators"
        )
        parts.append(f"installs {noun} of {listing(sizes)}")
    cost, budget = plan_cost(run)
    if not parts:
        return "The plan repairs, adds and closes nothing." if run.plan else ""
    price = f" for {money(cost, run.currency)}" if cost is not None else ""
    limit = (
        f", {share(cost, budget)} of the budget of {money(budget, run.currency)}" if budget else ""
    )
    return f"The plan {listing(parts)}{price}{limit}."


def _after_plan(run: RunFiles) -> str:
    load = run.number("stages", "after_plan", "load_mw")
    served = run.number("stages", "after_plan", "served_mw")
    if not load or served is None:
        return ""
    if load - served <= 1e-6 * load:
        peak = f"the whole load of {power(load)} is served at the peak"
    else:
        peak = f"{of_power(served, load)} ({share(served, load)}) are served at the peak"
    day = _unserved(run)
    return f"With it {peak}{f'; {day}' if day else ''}."


def _unserved(run: RunFiles) -> str:
    lost, served = run.number("dispatch", "unserved_mwh"), run.number("dispatch", "served_mwh")
    if lost is None or served is None:
        return ""
    if lost <= 1e-6 * max(lost + served, 1e-9):
        return f"over the {hours_of_day(run)} nothing is left unserved"
    part = share(lost, lost + served)
    return f"over the {hours_of_day(run)} {energy(lost)} ({part}) stay unserved"


def _dispatch_sentence(run: RunFiles) -> str:
    cost, loss = run.number("dispatch", "operating_cost"), run.number("dispatch", "loss_mwh")
    if cost is None:
        return ""
    losses = f", with network losses of {energy(loss)}" if loss is not None else ""
    alone = run.value("stages", "after_plan") is None  # nothing was said about the plan
    day = _unserved(run) if alone else ""
    sentence = f"Operating the {hours_of_day(run)} costs {money(cost, run.currency)}{losses}"
    return f"{sentence}{f'; {day}' if day else ''}."


def _avoided_sentence(run: RunFiles) -> str:
    flat = run.number("economics", "avoided_cost")
    if flat is None:
        return ""
    curve = run.number("economics", "avoided_cost_on_curve")
    on_curve = f", {money(curve, run.currency)} on the load curve" if curve is not None else ""
    hours = spans([int(h) for h in run.value("economics", "hours") or []])
    return (
        f"Between hours {hours} the plan avoids unserved energy worth "
        f"{money(flat, run.currency)} at the flat peak{on_curve}."
    ).replace("Between hours", "In hours")


def _bound(run: RunFiles) -> str:
    """How much better a plan could be, where that was proven."""
    bound = run.value("bound")
    return f"{bound_sentence(bound, run.currency)}." if isinstance(bound, dict) else ""


def hours_of_day(run: RunFiles) -> str:
    """Return "24 hours", or whatever the horizon is."""
    hours = run.value("dispatch", "hours")
    number = len(hours) if isinstance(hours, list) else hours
    return count(int(number), "hour") if is_number(number) else "horizon"


def plan_cost(run: RunFiles) -> tuple[float | None, float | None]:
    """Cost and budget of the plan."""
    found = []
    for key in ("cost", "budget"):
        value = _number(run.plan.get(key))
        found.append(run.number("plan", key) if value is None else value)
    return found[0], found[1]


def key_figures(run: RunFiles) -> list[dict[str, str]]:
    """Return the figures that stand at the top: label, value, note and tone."""
    tiles = []
    for stage, label in (
        ("after_event", "Served after the event"),
        ("after_plan", "Served after the plan"),
    ):
        load, served = (run.number("stages", stage, key) for key in ("load_mw", "served_mw"))
        if served is not None:
            note = f"{share(served, load)} of the peak load"
            tiles.append(_tile(label, of_power(served, load), note))
    lost, served_mwh = (run.number("dispatch", f"{k}_mwh") for k in ("unserved", "served"))
    if lost is not None:
        note = f"{share(lost, lost + (served_mwh or 0))} of the energy demanded"
        tiles.append(_tile(f"Unserved in {hours_of_day(run)}", energy(lost), note))
    cost, budget = plan_cost(run)
    if cost is not None:
        note = (
            f"{share(cost, budget)} of the budget of {money(budget, run.currency)}"
            if budget
            else ""
        )
        tiles.append(_tile("Cost of the plan", money(cost, run.currency), note))
    avoided = run.number("economics", "avoided_cost")
    if avoided is not None:
        hours = spans([int(h) for h in run.value("economics", "hours") or []])
        note = f"unserved energy in hours {hours}, flat peak"
        tiles.append(_tile("Avoided cost", money(avoided, run.currency), note))
    answer, figures = verdict(run)
    tone = {"Yes": "good", "No": "bad"}.get(answer, "")
    tiles.append(_tile("Verified by load flow", answer, figures, tone))
    return tiles


def _tile(label: str, value: str, note: str, tone: str = "") -> dict[str, str]:
    return {"label": label, "value": value, "note": note, "tone": tone}


def byline(run: RunFiles) -> list[str]:
    """Return case, seed, status and run time, in a few words each."""
    status = str(run.value("status") or "")
    wall = run.number("time", "wall_s") or run.number("search", "wall_s") or run.number("wall_s")
    return [
        words
        for words, known in (
            (f"case {run.value('case')}", run.value("case")),
            (f"seed {run.value('seed')}", run.value("seed") is not None),
            (STATUS.get(status, status), status),
            (f"{duration(wall)} of computing", wall is not None),
            (f"hybridopt {run.value('versions', 'hybridopt')}", run.value("versions", "hybridopt")),
        )
        if known
    ]


def objectives(run: RunFiles) -> str:
    """Return the objectives in words, in their order."""
    found: Any = run.value("objectives")
    if not isinstance(found, list) or not found:
        return MISSING
    names = []
    for item in found:
        if isinstance(item, dict):
            weights = [(objective(k), w) for k, w in item.items() if is_number(w)]
            parts = [f"{fixed(w, 3).rstrip('0').rstrip('.')} × {name}" for name, w in weights]
            names.append(" + ".join(parts))
        else:
            names.append(objective(str(item)))
    return ", then ".join(names)


def objective(name: str) -> str:
    """Return an objective in words."""
    return OBJECTIVES.get(name, (name.replace("_", " "), ""))[0]


def _number(value: Any) -> float | None:
    return float(value) if is_number(value) else None
