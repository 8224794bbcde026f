"""The page docs/paper.md: numbers from result folders, put into ``paper.md.jinja``."""

from __future__ import annotations

import math
import re
import textwrap
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, StrictUndefined
from pandapower import networks

from benchmarks import paper_tables as tables
from benchmarks.paper_printed import GENERATOR_COST, IEEE9, IEEE30
from benchmarks.paper_tables import number
from hybridopt import read_case

if TYPE_CHECKING:
    from benchmarks.paper_claims import Facts
    from benchmarks.paper_outcome import Outcome
    from benchmarks.paper_printed import Printed

TEMPLATE = Path(__file__).with_name("paper.md.jinja")
Claim = tuple[str, str, bool | str]  # what is said, what was found, whether it holds


def render(outcomes: dict[str, Outcome], facts: Facts, seeds: str, machine: str) -> str:
    """The whole page.

    Parameters
    ----------
    outcomes : by name of the case;  seeds : as they were given;  machine : in a few words
    """
    environment = Environment(  # noqa: S701 (Markdown: nothing to escape)
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, keep_trailing_newline=True
    )
    environment.filters["n"] = number
    nine, thirty = outcomes[IEEE9.case], outcomes[IEEE30.case]
    hours, day = tables.hourly_table(nine)
    template = environment.from_string(TEMPLATE.read_text(encoding="utf-8"))
    page = template.render(
        tables=tables,
        nine=nine,
        thirty=thirty,
        hours=hours,
        day=day,
        facts=facts,
        cheap=facts.cheap,
        generator_cost=GENERATOR_COST,
        claims=claims(nine, thirty, facts, day),
        terms=[terms(IEEE9.case), terms(IEEE30.case)],
        resistance=read_lost_line(),
        seeds=seeds,
        count=len(nine.rows),
        machine=machine,
    )
    return reflow(page)


def reflow(page: str) -> str:
    """Wrap the paragraphs and list items of a Markdown page; leave tables, heads and figures."""
    blocks = []
    for block in page.strip().split("\n\n"):
        if block.startswith(("|", "#", "!", "<")):
            blocks.append(block)
            continue
        items = re.split(r"\n(?=\* )", block)
        fill = partial(textwrap.fill, width=100, break_long_words=False, break_on_hyphens=False)
        indent = "  " if block.startswith("* ") else ""
        filled = [fill(" ".join(item.split()), subsequent_indent=indent) for item in items]
        blocks.append("\n".join(filled))
    return "\n\n".join(blocks) + "\n"


def read_lost_line() -> float:
    """Resistance of the line 5-6 that the event on IEEE 9 takes, ohm per km."""
    line = networks.case9().line
    ends = (line["from_bus"] == IEEE9.new_line.to_bus - 1) & (
        line["to_bus"] == IEEE9.new_line.from_bus - 1
    )
    return float(line.loc[ends, "r_ohm_per_km"].iloc[0])


def terms(case: str) -> dict[str, Any]:
    """What a case assumes of the paper's costs and genes."""
    resources = read_case(case).resources
    genes, anywhere = resources.dg.genes, resources.lines.anywhere
    if genes is None or anywhere is None:
        raise ValueError(f"{case} has no genes of units or of lines")
    (low, high), (short, long) = genes.p_mw, anywhere.length_km
    return {
        "line_cost": resources.lines.cost,
        "p_mw": f"{low:g} to {high:g} MW",
        "length_km": f"{short:g} to {long:g} km",
        "dg_cost": f"{resources.dg.operating_cost_per_mwh:g} per MWh",
    }


def claims(
    nine: Outcome, thirty: Outcome, facts: Facts, day: dict[str, float]
) -> list[tuple[str, str, str]]:
    """Rows of claim, what was found, and whether it holds."""
    p9, p30 = nine.printed, thirty.printed
    loading = nine.ours["stages"]["after_event"]["max_loading_percent"]
    share, more = 100 * p30.cost / p30.budget, (nine.serving_more, thirty.serving_more)
    seeds = len(nine.rows)
    lost = number(facts.lost_without_condensers, 0)
    found = {
        "share": f"{number(share, 0)} % of it; {number(facts.cheap.island_cost, 3)} would do",
        "more": f"seeds that serve more: {more[0]} of {seeds} in IEEE 9, {more[1]} in IEEE 30",
        "day": f"outputs within {number(day['worst'], 1)} %; losses at the peak "
        f"{number(day['loss_printed'], 2)} MW printed, {number(day['loss_theirs'], 2)} MW here",
    }
    rows = [
        _unserved(nine, "after_event", p9.lost_after_event, "the event on IEEE 9"),
        ("... and overloads nothing", f"highest loading {number(loading, 1)} %", loading <= 100),
        _unserved(nine, "after_plan", p9.lost_after_plan, "the plan for IEEE 9"),
        _place(facts.losses),
        _unserved(
            thirty,
            "after_event",
            p30.lost_after_event,
            "the event on IEEE 30",
            f"; {lost} % if condensers gave no active power",
        ),
        _unserved(thirty, "after_plan", p30.lost_after_plan, "the plan for IEEE 30"),
        ("... and takes a small fraction of the budget", found["share"], share < 25),
        (
            "the plans restore the most load that the budget allows",
            found["more"],
            ", ".join(
                f"{p.network} {'no' if n else 'yes'}" for p, n in zip((p9, p30), more, strict=True)
            ),
        ),
        _line_cost(p9, p30),
        ("Table 7 is the cheapest dispatch, losses counted", found["day"], "losses don't"),
        ("the search takes half the time of earlier ones", "not compared here", "–"),
    ]
    words = {True: "yes", False: "no"}
    return [(claim, what, words[h] if isinstance(h, bool) else h) for claim, what, h in rows]


def _place(losses: dict[int, float]) -> Claim:
    """Where the unit of IEEE 9 stands best."""
    best = sorted((mw, bus) for bus, mw in losses.items() if math.isfinite(mw))
    places = ", ".join(f"{number(mw, 2)} MW at bus {bus}" for mw, bus in best)
    others = ", ".join(str(bus) for bus, mw in losses.items() if not math.isfinite(mw))
    claim = "its unit stands best at bus 4 or 9; losses are larger from bus 1, and 5 is worse"
    found = f"losses at the peak: {places}; from buses {others} not all load is served"
    return claim, found, {bus for _, bus in best[:2]} == {4, 9}


def _line_cost(*printed: Printed) -> Claim:
    """Whether a line costs ten times its length."""
    index = printed[0].line_cost_index
    costs = [
        GENERATOR_COST * sum(unit.p_mw for unit in p.units) + index * p.new_line.length_km
        for p in printed
    ]
    would = " and ".join(number(cost, 3) for cost in costs)
    are = " and ".join(number(p.cost, 3) for p in printed)
    limits = " and ".join(number(p.budget, 0) for p in printed)
    found = f"the plans would cost {would}; printed are {are}, budgets {limits}"
    holds = all(abs(cost - p.cost) < 0.01 for cost, p in zip(costs, printed, strict=True))
    return f"a line costs {number(index, 0)} times its length", found, holds


def _unserved(outcome: Outcome, stage: str, printed: float, what: str, more: str = "") -> Claim:
    """A claim about the load unserved at the peak, which holds to half a percent."""
    ours = stage == "after_event"
    found = outcome.lost(stage, ours=ours)
    at = (outcome.ours if ours else outcome.theirs)["stages"][stage]
    megawatts = f"{number(at['unserved_mw'], 1)} of {number(at['load_mw'], 1)} MW"
    claim = f"{what} leaves {number(printed, 0)} % unserved"
    return claim, f"{number(found, 1)} %, {megawatts}{more}", abs(found - printed) < 0.5
