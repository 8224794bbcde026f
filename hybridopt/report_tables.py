"""Tables of the report, with units in their heads and columns rounded alike."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from hybridopt.plots import STAGE_NAMES
from hybridopt.report_files import STAGES, dig, natural
from hybridopt.report_format import MISSING, decimals_for, fixed, is_number
from hybridopt.report_units import hourly_balance, unit_powers

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hybridopt.report_files import RunFiles

STANDARD_HEADS = {  # key in plan.json -> head and unit; {} stands for the currency
    "name": ("Name", ""),
    "kind": ("Kind", ""),
    "bus": ("Bus", ""),
    "from_bus": ("From bus", ""),
    "to_bus": ("To bus", ""),
    "length_km": ("Length", "km"),
    "r_ohm_per_km": ("r", "Ω/km"),
    "x_ohm_per_km": ("x", "Ω/km"),
    "c_nf_per_km": ("c", "nF/km"),
    "max_i_ka": ("max i", "kA"),
    "p_mw": ("p at peak", "MW"),
    "q_mvar": ("q at peak", "Mvar"),
    "min_p_mw": ("min p", "MW"),
    "max_p_mw": ("max p", "MW"),
    "cost": ("Cost", "{}"),
}
DG_KEYS = ("name", "bus", "p_mw", "max_p_mw", "q_mvar", "min_p_mw", "cost")
LINE_KEYS = (
    *("name", "kind", "from_bus", "to_bus", "length_km"),
    *("r_ohm_per_km", "x_ohm_per_km", "c_nf_per_km", "max_i_ka", "cost"),
)


@dataclass
class Column:
    """One column: head, unit, written cells and whether they are numbers."""

    title: str
    unit: str
    cells: list[str]
    numeric: bool = True
    group: str = ""


@dataclass
class Table:
    """A table as the template wants it.

    Attributes
    ----------
    total : cells of a last row, [] for none
    note : a sentence below the table
    """

    caption: str
    columns: list[Column]
    total: list[str] = field(default_factory=list)
    note: str = ""

    @property
    def rows(self) -> list[list[tuple[str, bool]]]:
        """Cells of each row, each with whether it is a number."""
        cells = [[(cell, column.numeric) for cell in column.cells] for column in self.columns]
        return [list(row) for row in zip(*cells, strict=True)]

    @property
    def groups(self) -> list[tuple[str, int]]:
        """Heads that span columns, [] when there are none."""
        spans: list[tuple[str, int]] = []
        for column in self.columns:
            if spans and spans[-1][0] == column.group:
                spans[-1] = (column.group, spans[-1][1] + 1)
            else:
                spans.append((column.group, 1))
        return spans if any(name for name, _ in spans) else []


def numbers(
    title: str, unit: str, values: Iterable[Any], *, decimals: int | None = None, group: str = ""
) -> Column:
    """Column of numbers; without `decimals` the largest one shows four digits."""
    known = [float(v) if is_number(v) else None for v in values]
    shown = decimals_for(known) if decimals is None else decimals
    return Column(title, unit, [fixed(v, shown) for v in known], group=group)


def words(title: str, values: Iterable[Any], group: str = "") -> Column:
    """Column of text."""
    cells = [MISSING if v is None or str(v) == "" else str(v) for v in values]
    return Column(title, "", cells, numeric=False, group=group)


def bus_table(run: RunFiles) -> Table | None:
    """Load, what is served and the voltage of each bus in each state."""
    stages = [s for s in STAGES if (run.stages["stage"] == s).any()]
    if not stages:
        return None
    by_stage = {s: run.stages[run.stages["stage"] == s].set_index("bus") for s in stages}
    buses = sorted(run.stages["bus"].unique(), key=natural)
    load = run.stages.groupby("bus")["load_mw"].max().reindex(buses)
    decimals = max(1, decimals_for(load))
    columns = [words("Bus", buses), numbers("Load", "MW", load.where(load > 0), decimals=decimals)]
    for stage, rows in by_stage.items():
        at, name = rows.reindex(buses), STAGE_NAMES[stage]
        for title, key in (("Served", "served_mw"), ("Unserved", "unserved_mw")):
            values = at[key].where(at["load_mw"] > 0)
            if key == "served_mw" or _unserved(rows):
                columns.append(numbers(title, "MW", values, decimals=decimals, group=name))
        columns.append(_voltages(at, name))
    for stage, title in (("after_event", "after the event"), ("after_plan", "after the plan")):
        known = run.value("dead_islands", stage)  # then the reason stands there, once an island
        reasons = by_stage[stage].reindex(buses) if stage in stages else pd.DataFrame()
        if not reasons.empty:
            told = (
                reasons["reason"].where(reasons["energised"].eq(True) | (not known), "").fillna("")
            )
            columns += [words(f"Why unserved {title}", told)] if (told != "").any() else []
    total = ["All", fixed(load.sum(), decimals)]
    for rows in by_stage.values():
        total.append(fixed(rows["served_mw"].sum(), decimals))
        total += [fixed(rows["unserved_mw"].sum(), decimals)] if _unserved(rows) else []
        total.append("")
    total += [""] * (len(columns) - len(total))
    note = "At the peak hour. Dash: no load at this bus. Dead: no voltage, nothing can be served."
    if not all(_unserved(rows) for rows in by_stage.values()):
        note += " A state without the column Unserved serves everything."
    return Table("Load, served and unserved, and voltage per bus", columns, total, note)


def _unserved(rows: pd.DataFrame) -> bool:
    """Whether anything is unserved; a column of zeros would only take room."""
    return bool((rows["unserved_mw"] > 1e-6 * rows["load_mw"]).any())


def _voltages(rows: pd.DataFrame, group: str) -> Column:
    cells = [
        "dead" if energised is False or energised == 0 else fixed(vm, 3)
        for energised, vm in zip(rows["energised"], rows["vm_pu"], strict=True)
    ]
    return Column("Voltage", "pu", cells, group=group)


def dispatch_table(run: RunFiles) -> Table | None:
    """Output of each unit, demand and losses per hour, with the day's energy as last row."""
    powers, balance = unit_powers(run), hourly_balance(run)
    if powers.empty:
        return None
    columns = [Column("t", "h", [str(hour) for hour in powers.index])]
    total = ["MWh"]
    series = [(label, powers[(element, label)]) for element, label in powers.columns]
    if not balance.empty:
        series += [("Demand", balance["demand"]), ("Losses", balance["losses"])]
        if balance["unserved"].max() > 1e-6:
            series.append(("Unserved", balance["unserved"]))
    decimals = min(decimals_for([powers.abs().to_numpy().max()], 5), 6)
    for label, values in series:
        columns.append(numbers(label, "MW", values, decimals=decimals))
        total.append(fixed(values.sum(), min(decimals_for([values.sum()], 5), decimals)))
    note = "Losses: what the units give less what the loads take, over the whole network."
    return Table("Dispatch per hour", columns, total, note)


def plan_table(run: RunFiles, part: str, keys: Sequence[str], caption: str) -> Table | None:
    """Lines or DG of the plan, with the columns that its rows have; None without rows."""
    rows = [row for row in run.plan.get(part) or [] if isinstance(row, dict)]
    if not rows:
        return None
    columns = []
    for key in keys:
        values = [dig(row, key) for row in rows]
        if all(value is None for value in values):
            continue
        title, unit = STANDARD_HEADS[key]
        if key in ("name", "kind", "bus", "from_bus", "to_bus"):
            columns.append(words(title, values))
        else:
            known = [v for v in values if is_number(v)]
            decimals = 3 if key == "cost" else max(decimals_for(known, 5 if "_m" in key else 4), 2)
            unit = unit.format(run.currency)
            columns.append(numbers(title, unit, values, decimals=decimals))
    return Table(caption, columns)


def loading_table(run: RunFiles) -> Table | None:
    """Ten branches that come nearest to their rating, each at its worst hour."""
    rated = run.branches.dropna(subset=["loading_percent"])
    if rated.empty:
        return None
    worst = rated.loc[rated.groupby("branch")["loading_percent"].idxmax()]
    worst = worst.sort_values("loading_percent", ascending=False, kind="stable").head(10)
    ends = run.topology.drop_duplicates("branch").set_index("branch").reindex(worst["branch"])
    columns = [words("Branch", worst["branch"])]
    if not run.topology.empty:
        columns.append(words("From bus", ends["from_bus"].fillna("")))
        columns.append(words("To bus", ends["to_bus"].fillna("")))
    columns += [
        numbers("Hour", "h", worst["hour"], decimals=0),
        numbers("Loading", "%", worst["loading_percent"], decimals=1),
        numbers("p at from bus", "MW", worst["p_from_mw"]),
        numbers("q at from bus", "Mvar", worst["q_from_mvar"]),
    ]
    return Table("Most loaded branches, each at its worst hour", columns)


def extremes_table(run: RunFiles) -> Table | None:
    """Lowest and highest voltage and highest loading of the day, with hour and element."""
    found = run.value("extremes") or _find_extremes(run)
    rows = []
    for title, key, unit, decimals, element in (
        ("Lowest voltage", "min_vm_pu", "pu", 4, "bus"),
        ("Highest voltage", "max_vm_pu", "pu", 4, "bus"),
        ("Highest loading", "max_loading_percent", "%", 1, "branch"),
    ):
        value = dig(found, key, "value")
        if is_number(value):
            hour, name = dig(found, key, "hour"), dig(found, key, element)
            place = MISSING if name is None else f"{element} {name}"
            when = fixed(hour, 0) if is_number(hour) else MISSING
            rows.append((title, f"{fixed(value, decimals)} {unit}", place, when))
    if not rows:
        return None
    titles = ("", "Value", "Where", "Hour")
    columns = [words(t, column) for t, column in zip(titles, zip(*rows, strict=True), strict=True)]
    columns[1].numeric = columns[3].numeric = True
    return Table("Extremes over the day", columns)


def _find_extremes(run: RunFiles) -> dict[str, Any]:
    """Extremes of a run whose summary doesn't name them, such as a dispatch alone."""
    found = {}
    for key, table, column, element in (
        ("min_vm_pu", run.buses, "vm_pu", "bus"),
        ("max_vm_pu", run.buses, "vm_pu", "bus"),
        ("max_loading_percent", run.branches, "loading_percent", "branch"),
    ):
        known = table.dropna(subset=[column]).sort_values(column, kind="stable")
        if len(known):
            row = known.iloc[0 if key.startswith("min") else -1]
            found[key] = {"value": float(row[column]), "hour": row["hour"], element: row[element]}
    return found


def stages_table(run: RunFiles) -> Table | None:
    """Figures of the three states at the peak hour."""
    stages = [s for s in STAGES if run.value("stages", s) is not None]
    if not stages:
        return None
    columns = [words("State", [STAGE_NAMES[s] for s in stages])]
    of_load = decimals_for([run.number("stages", s, "load_mw") for s in stages])
    for title, unit, key, decimals in (
        ("Load", "MW", "load_mw", of_load),
        ("Served", "MW", "served_mw", of_load),
        ("Unserved", "MW", "unserved_mw", of_load),
        ("Unserved", "%", "unserved_percent", 1),
        ("Losses", "MW", "loss_mw", 2),
        ("Lowest voltage", "pu", "min_vm_pu", 3),
        ("Highest voltage", "pu", "max_vm_pu", 3),
        ("Highest loading", "%", "max_loading_percent", 1),
    ):
        values = [run.number("stages", s, key) for s in stages]
        if any(value is not None for value in values):
            columns.append(numbers(title, unit, values, decimals=decimals))
    return Table("The three states at the peak hour", columns)
