"""Build the report of a reconfiguration: one page that opens offline, and its pictures as SVG."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.feeder_pictures import (
    arrange,
    convergence,
    day,
    dead_buses,
    one_line,
    pareto_front,
    save_svg,
    state_of,
    states,
    voltage_profile,
)
from hybridopt.output import versions
from hybridopt.report import fill_page, save_page
from hybridopt.report_facts import VERSION_NAMES
from hybridopt.report_format import (
    MISSING,
    NBSP,
    count,
    duration,
    fixed,
    listing,
    of_power,
    percent,
    scientific,
)
from hybridopt.report_tables import Column, Table, numbers, words

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from hybridopt.feeder_result import Reconfiguration
    from hybridopt.feeder_trees import FeederFlow
    from hybridopt.plots import Chart

TITLES = {"before": "Before", "fault": "After the fault", "after": "After"}
MANY = 40  # buses that a list names
ENCODINGS = {
    "edges": "genetic algorithm on edge sets, with branch exchange",
    "prufer": "genetic algorithm on Prüfer sequences",
    "keys": "genetic algorithm on random keys",
    "fixed": "none: the switches stay as they are",
}
REDUCTIONS = (
    ("By reconfiguration", "by_reconfiguration_kw"),
    ("By distributed generation", "by_dg_kw"),
    ("f1, their sum", "f1_kw"),
)


def write_feeder_report(result: Reconfiguration, folder: Path) -> Path:
    """Write ``report.html`` and its pictures, ``*.svg``, into a folder that exists.

    Returns
    -------
    the page; it refers to nothing outside itself
    """
    content = _content(result)
    for name, drawing in _drawings(content):
        save_svg(str(drawing.wide), folder / f"{name}.svg")
    return save_page(fill_page("feeder.html", content), folder)


def _drawings(content: dict[str, Any]) -> Iterable[tuple[str, Chart]]:
    for item in content["diagrams"]:
        yield f"one_line_{item['state']}", item["chart"]
    names = {
        "profile": "voltage_profile",
        "day": "losses_by_hour",
        "front": "pareto_front",
        "search_chart": "convergence",
    }
    for key, name in names.items():
        if content[key] is not None:
            yield name, content[key]


def _content(result: Reconfiguration) -> dict[str, Any]:
    layout = arrange(result)
    diagrams = [
        {
            "state": state,
            "title": TITLES[state],
            "note": _state_note(result, state),
            "chart": one_line(result, state, layout),
        }
        for state in states(result)
    ]
    return {
        "title": headline(result),
        "byline": _byline(result),
        "limit": result.limit,
        "lead": _lead(result),
        "tiles": _tiles(result),
        "diagrams": diagrams,
        "placed": layout.placed,
        "hours": result.feeder.n_t,
        "switched": switched_table(result),
        "figures": figures_table(result),
        "dead": _dead_facts(result),
        "steps": steps_table(result),
        "units": units_table(result),
        "reduction": reduction_table(result),
        "profile": voltage_profile(result),
        "day": day(result),
        "front": pareto_front(result),
        "front_table": front_table(result),
        "exact": bool(result.pareto and result.pareto[0].get("exact")),
        "search_chart": convergence(result),
        "search": _search_facts(result),
        "verified": _verified(result),
        "versions": ", ".join(
            f"{VERSION_NAMES.get(name, name)} {number}"
            for name, number in versions().items()
            if number
        ),
    }


def _loss(result: Reconfiguration, flow: FeederFlow | None) -> float | None:
    """Losses in kW, of several hours in kWh."""
    solved = flow is not None and flow.converged
    return flow.measures["loss"] * result.feeder.base_mva * 1e3 if flow and solved else None


def _unit(result: Reconfiguration) -> str:
    return "kW" if result.feeder.n_t == 1 else "kWh"


def _measure(flow: FeederFlow | None, name: str) -> float | None:
    return flow.measures[name] if flow is not None and flow.converged else None


def _saving(result: Reconfiguration) -> float | None:
    """Losses saved, per cent."""
    before, after = _loss(result, result.flow_before), _loss(result, result.flow_after)
    return None if not before or after is None else 100 * (before - after) / before


def _served(result: Reconfiguration, state: str) -> tuple[float, float]:
    """Demand fed and whole demand, MW, in the hour of largest demand."""
    served = result.feeder.served
    demand = served[int(np.argmax(served.sum(axis=1)))] * result.feeder.base_mva
    return float(demand[~dead_buses(result, state)].sum()), float(demand.sum())


def headline(result: Reconfiguration) -> str:
    """The result in one sentence."""
    name, unit = result.feeder.name, f"{NBSP}{_unit(result)}"
    before, after = _loss(result, result.flow_before), _loss(result, result.flow_after)
    if result.fault:
        fed, all_of = _served(result, "after")
        if all_of - fed < 1e-6:
            return f"{name}: all load supplied again after the fault"
        return f"{name}: {of_power(fed, all_of)} supplied after the fault"
    saving = _saving(result)
    if before is None or after is None or saving is None:
        return f"{name}: losses {fixed(after, 1)}{unit}"
    if abs(saving) < 0.005:
        return f"{name}: losses stay at {fixed(after, 1)}{unit}"
    word = "fall" if saving > 0 else "rise"
    return (
        f"{name}: losses {word} from {fixed(before, 1)} to {fixed(after, 1)}{unit}, "
        f"by {percent(abs(saving))}"
    )


def _byline(result: Reconfiguration) -> list[str]:
    feeder = result.feeder
    words = ["Reconfiguration", count(feeder.n_bus, "bus", "buses")]
    words.append(count(feeder.n_branch, "branch", "branches"))
    words.append(count(int((feeder.source_vm > 0).sum()), "source"))
    words += [count(feeder.n_t, "hour")] if feeder.n_t > 1 else []
    return [*words, f"seed {result.seed}"]


def _lead(result: Reconfiguration) -> list[str]:
    opened, closed = len(result.opened), len(result.newly_closed)
    found = []
    if result.fault:
        after_fault, all_of = _served(result, "fault")
        lost = all_of - after_fault
        left = _served(result, "after")[0]
        names = _named(result, list(result.fault))
        back = "all load is" if all_of - left < 1e-6 else f"{of_power(left, all_of)} are"
        found.append(
            f"The fault takes {names} out of use and leaves {of_power(lost, all_of)} without "
            f"supply. After switching {back} supplied."
        )
    if opened or closed:
        parts = ([_branches(result, result.opened, "opened")] if opened else []) + (
            [_branches(result, result.newly_closed, "closed")] if closed else []
        )
        sentence = listing(parts)
        found.append(f"{sentence[:1].upper()}{sentence[1:]}.")
    low = [_measure(flow, "min_vm") for flow in (result.flow_before, result.flow_after)]
    if low[0] is not None and low[1] is not None:
        word = "rises" if low[1] > low[0] else "falls"
        same = abs(low[1] - low[0]) < 5e-6
        ends = f"from {fixed(low[0], 4)} to {fixed(low[1], 4)}{NBSP}pu"
        text = f"stays at {fixed(low[1], 4)}{NBSP}pu" if same else f"{word} {ends}"
        found.append(f"The lowest voltage {text}. {_proof(result)}")
    else:
        found.append(_proof(result))
    return found


def _branches(result: Reconfiguration, branches: list[int], what: str) -> str:
    return f"{_named(result, branches)} {'is' if len(branches) == 1 else 'are'} {what}"


def _named(result: Reconfiguration, branches: list[int]) -> str:
    shown = [_branch(result, m) for m in branches[:12]]
    if len(branches) > len(shown):
        shown.append(f"{len(branches) - len(shown)} more")
    return f"{'branch' if len(branches) == 1 else 'branches'} {listing(shown)}"


def _branch(result: Reconfiguration, m: int) -> str:
    return str(result.feeder.branch_name[m])


def _proof(result: Reconfiguration) -> str:
    if result.proven_optimal:
        number = f"all {fixed(result.configurations, 0)} " if result.configurations else "all "
        return f"Proven optimal: {number}radial configurations were looked at, none is better."
    if result.encoding == "fixed":
        return "The switches were left as they are."
    many = ""
    if result.configurations is not None:
        size = result.configurations
        shown = fixed(size, 0) if size < 10**7 else scientific(float(size))
        many = f" of {shown} radial configurations"
    return f"Not proven: it is the best that the search found{many}."


def _tiles(result: Reconfiguration) -> list[dict[str, str]]:
    unit = f"{NBSP}{_unit(result)}"
    before, after = result.flow_before, result.flow_after
    saving = _saving(result)

    def pair(title: str, values: list[float | None], digits: int, unit: str, note: str) -> Any:
        first, last = (fixed(v, digits) for v in values)
        arrow = f"{first} → {last}" if values[0] is not None else last
        return {"label": title, "value": f"{arrow}{unit}", "note": note, "tone": ""}

    losses = [_loss(result, flow) for flow in (before, after)]
    note = (
        "" if saving is None else f"{percent(abs(saving), 2)} {'less' if saving >= 0 else 'more'}"
    )
    tiles = [pair("Losses", losses, 1, unit, note)]
    if saving is not None and not result.fault:
        tiles[0]["tone"] = "good" if saving > 0 else ""
    low = [_measure(flow, "min_vm") for flow in (before, after)]
    tiles.append(pair("Lowest voltage", low, 4, f"{NBSP}pu", _where_lowest(result)))
    operations = len(result.opened) + len(result.newly_closed)
    note = f"{len(result.opened)} to open, {len(result.newly_closed)} to close"
    tiles.append(
        {"label": "Switching operations", "value": str(operations), "note": note, "tone": ""}
    )
    if result.fault:
        fed, all_of = _served(result, "after")
        tone = "good" if all_of - fed < 1e-6 else "bad"
        lost = f"{of_power(_served(result, 'fault')[0], all_of)} after the fault"
        value = of_power(fed, all_of)
        tiles.append({"label": "Load supplied", "value": value, "note": lost, "tone": tone})
    if result.units:
        total = sum(unit.max_p_mw for unit in result.units)
        note = count(len(result.units), "generator")
        value = f"{fixed(total, 3)}{NBSP}MW"
        tiles.append({"label": "Generation placed", "value": value, "note": note, "tone": ""})
    proven = "proven" if result.proven_optimal else "not proven"
    note = f"{count(result.evaluations, 'evaluation')}, {duration(result.wall_s)}"
    tiles.append({"label": "Optimality", "value": proven, "note": note, "tone": ""})
    return tiles


def _where_lowest(result: Reconfiguration) -> str:
    vm = result.flow_after.vm
    if not np.isfinite(vm).any():
        return ""
    t, bus = np.unravel_index(int(np.nanargmin(vm)), vm.shape)
    hour = f", hour {t + 1}" if len(vm) > 1 else ""
    return f"now at bus {result.feeder.bus_name[int(bus)]}{hour}"


def _state_note(result: Reconfiguration, state: str) -> str:
    flow = state_of(result, state)[1]
    parts = []
    if _loss(result, flow) is not None:
        parts.append(f"losses {fixed(_loss(result, flow), 2)}{NBSP}{_unit(result)}")
        parts.append(f"lowest voltage {fixed(_measure(flow, 'min_vm'), 4)}{NBSP}pu")
    if result.fault:
        parts.append(f"{of_power(*_served(result, state))} supplied")
    return ", ".join(parts)


def switched_table(result: Reconfiguration) -> Table | None:
    """Branches that the result opens and closes, and those of the fault; None for none."""
    feeder = result.feeder
    rows = [("faulted", m) for m in result.fault]
    rows += [("open", m) for m in result.opened] + [("close", m) for m in result.newly_closed]
    if not rows:
        return None
    branches = [m for _, m in rows]
    columns = [
        words("Operation", [word for word, _ in rows]),
        words("Branch", [feeder.branch_name[m] for m in branches]),
        words("From bus", [feeder.bus_name[feeder.branch_from[m]] for m in branches]),
        words("To bus", [feeder.bus_name[feeder.branch_to[m]] for m in branches]),
    ]
    return Table("Branches opened and closed", columns)


def figures_table(result: Reconfiguration) -> Table:
    """Figures of each state."""
    hours, unit = float(result.feeder.dt.sum()), _unit(result)
    shown = states(result)
    flows = [state_of(result, state)[1] for state in shown]
    losses = [_loss(result, flow) for flow in flows]
    rows: list[tuple[str, str, list[float | None], int]] = [("Losses", unit, losses, 3)]
    if result.feeder.n_t > 1:
        mean = [None if loss is None else loss / hours for loss in losses]
        rows.append(("Losses, mean", "kW", mean, 3))
    for title, key, what, digits in (
        ("Lowest voltage", "min_vm", "pu", 5),
        ("Largest voltage drop", "max_voltage_drop", "pu", 5),
        ("Voltage drop over all branches", "voltage_drop", "pu", 4),
        ("Load balance", "load_balance", "", 4),
    ):
        rows.append((title, what, [_measure(flow, key) for flow in flows], digits))
    rows.append(("Load supplied", "MW", [_served(result, state)[0] for state in shown], 3))
    heads = [f"{title}, {what}" if what else title for title, what, _, _ in rows]
    columns = [words("", heads)]
    for k, state in enumerate(shown):
        cells = [fixed(values[k], digits) for _, _, values, digits in rows]
        columns.append(Column(TITLES[state], "", cells))
    return Table("Figures before and after", columns)


def _dead_facts(result: Reconfiguration) -> list[tuple[str, str]]:
    facts = []
    for state in states(result):
        dead = np.flatnonzero(dead_buses(result, state))
        if len(dead):
            names = [result.feeder.bus_name[b] for b in dead[:MANY]]
            more = f" and {len(dead) - MANY} more" if len(dead) > MANY else ""
            fed, all_of = _served(result, state)
            lost = f"{of_power(all_of - fed, all_of)} unserved"
            facts.append((TITLES[state], f"{', '.join(names)}{more}: {lost}"))
    return facts


def steps_table(result: Reconfiguration) -> Table | None:
    """Switching sequence; None without one."""
    steps, feeder = result.steps, result.feeder
    if not steps:
        return None
    columns = [
        Column("Step", "", [str(k + 1) for k in range(len(steps))]),
        words("Operation", ["close" if step.closes else "open" for step in steps]),
        words("Branch", [feeder.branch_name[step.branch] for step in steps]),
        numbers("Supplied", "MW", [step.served_mw for step in steps], decimals=3),
        numbers("Lowest voltage", "pu", [step.min_vm_pu for step in steps], decimals=4),
        words("Radial", ["yes" if step.radial else "no" for step in steps]),
        words("Limits", ["met" if step.within_limits else "violated" for step in steps]),
    ]
    return Table("Switching sequence", columns, note="Figures are those after the step.")


def units_table(result: Reconfiguration) -> Table | None:
    """Distributed generators at the hour of largest demand; None without."""
    units = result.units
    if not units:
        return None
    peak = int(np.argmax(result.feeder.served.sum(axis=1)))
    columns = [
        words("Bus", [result.feeder.bus_name[unit.bus] for unit in units]),
        numbers("Rating", "MW", [unit.max_p_mw for unit in units], decimals=4),
        numbers("p", "MW", [float(unit.p_mw[peak]) for unit in units], decimals=4),
        numbers("q", "Mvar", [float(unit.q_mvar[peak]) for unit in units], decimals=4),
    ]
    note = (
        f"p and q in hour {peak + 1}, that of the largest demand." if len(units[0].p_mw) > 1 else ""
    )
    return Table("Distributed generators", columns, note=note)


def reduction_table(result: Reconfiguration) -> Table | None:
    """Loss reductions by the AC power flow and by the closed formula; None without."""
    rows = [(title, key) for title, key in REDUCTIONS if key in result.reduction]
    if not rows:
        return None
    formula = [
        result.reduction.get(f"{key.removesuffix('_kw')}_closed_formula_kw") for _, key in rows
    ]
    columns = [
        words("", [title for title, _ in rows]),
        numbers("AC power flow", "kW", [result.reduction[key] for _, key in rows], decimals=3),
    ]
    if any(value is not None for value in formula):
        columns.append(numbers("Closed formula", "kW", formula, decimals=3))
    mean = ", mean over the hours" if result.feeder.n_t > 1 else ""
    return Table(f"Loss reduction{mean}", columns)


def front_table(result: Reconfiguration) -> Table | None:
    """Configurations of the front with their objectives; None without."""
    rows = result.pareto
    if not rows:
        return None
    heads = {
        "loss_kw": ("Losses", "kW", 2),
        "loss_kwh": ("Losses", "kWh", 2),
        "switching_operations": ("Operations", "", 0),
        "voltage_drop_pu": ("Total voltage drop", "pu", 4),
        "max_voltage_drop_pu": ("Largest voltage drop", "pu", 5),
        "load_balance": ("Load balance", "", 4),
        "min_vm_pu": ("Lowest voltage", "pu", 5),
    }
    columns = [
        numbers(title, unit, [row[key] for row in rows], decimals=digits)
        for key, (title, unit, digits) in heads.items()
        if key in rows[0]
    ]
    if "open_branches" in rows[0]:
        opens = [" ".join(str(name) for name in row["open_branches"]) for row in rows]
        columns.append(words("Open branches", opens))
    return Table("Non-dominated configurations", columns) if columns else None


def _search_facts(result: Reconfiguration) -> list[tuple[str, str]]:
    objective = result.objective.replace("_", " ")
    unit = f" ({result.objective_unit})" if result.objective_unit else ""
    facts = [
        ("Objective", f"{objective}: {fixed(result.value, 4)}{unit}"),
        ("Search", ENCODINGS.get(result.encoding, result.encoding)),
        ("Seed", str(result.seed)),
        ("Generations", fixed(max(len(result.log) - 1, 0), 0)),
        *_best_since(result),
        ("Evaluations", fixed(result.evaluations, 0)),
        ("Time of the search", duration(result.wall_s)),
    ]
    if result.configurations is not None:
        size = result.configurations
        shown = fixed(size, 0) if size < 10**7 else scientific(float(size))
        facts.append(("Radial configurations", shown))
    facts.append(("Optimality", _proof(result)))
    if result.proof_s is not None:
        facts.append(("Time of the proof", duration(result.proof_s)))
    return facts


def _best_since(result: Reconfiguration) -> list[tuple[str, str]]:
    """Generation from which on the best did not improve."""
    key = f"best_{result.objective}"
    rows = [row for row in result.log if row.get(key) is not None]
    if not rows:
        return []
    last = float(rows[-1][key])
    first = next(row for row in rows if abs(float(row[key]) - last) <= 1e-9 * abs(last))
    return [("Best found in generation", str(first["generation"]))]


def _verified(result: Reconfiguration) -> str:
    said = result.verification
    if not said:
        return "The result was not checked by another power flow."
    if said.get("hours_failed"):
        hours = count(said["hours_failed"], "hour")
        return f"pandapower's power flow did not converge in {hours}."
    loss = said.get("max_loss_difference_kw")
    apart = "" if loss is None else f", off ours by {scientific(loss)}{NBSP}{_unit(result)}"
    vm = said.get("max_vm_difference_pu")
    volts = MISSING if vm is None else f"{scientific(vm)}{NBSP}pu"
    loading = said.get("max_loading_percent")
    most = (
        "" if loading is None else f" The highest loading of a rated branch is {percent(loading)}."
    )
    return (
        "pandapower's AC power flow, which shares no code with the search, was run on the result. "
        f"Its losses are {fixed(said.get('loss_kw'), 4)}{NBSP}{_unit(result)}{apart}; its voltages "
        f"differ from ours by at most {volts}.{most}"
    )
