"""Report of a front of plans: one page that opens offline, from the summary alone."""

from __future__ import annotations

from itertools import combinations
from typing import TYPE_CHECKING, Any

from hybridopt.plots import NARROW, Chart, both
from hybridopt.report import fill_page, save_page
from hybridopt.report_format import (
    count,
    decimals_for,
    duration,
    fixed,
    listing,
    scientific,
)
from hybridopt.report_svg import (
    CHARACTER,
    LEFT,
    PAPER,
    SERVED,
    Canvas,
    Frame,
    Look,
    Scale,
    legend,
    nice_range,
    nice_ticks,
    tick_decimals,
)
from hybridopt.report_tables import Table, numbers, words

if TYPE_CHECKING:
    from pathlib import Path

SHADES = ("#440154", "#31688e", "#35b779", "#d9b400")  # a quarter of the points each
HEIGHT, GAP = 280.0, 76.0


def write_front_report(found: dict[str, Any], folder: Path) -> Path:
    """Write ``report.html``.

    Parameters
    ----------
    found : what :func:`hybridopt.plan_front_output.front_summary` gives
    """
    rows, names = found["front"], found["objectives"]
    content = {
        "title": found["title"] or found["case"],
        "byline": [found["case"], f"seed {found['seed']}", duration(found["wall_s"])],
        "lead": _lead(found),
        "charts": [("The front", front_chart(found))],
        "tables": [_table(found, rows, names)],
        "facts_list": [
            ("Plans evaluated", fixed(found["evaluations"], 0)),
            ("Plans that could not be dispatched", fixed(found["failed_plans"], 0)),
            ("Nonlinear programs", fixed(found["nlp_solves"], 0)),
            ("Generations", fixed(len(found["generations"]), 0)),
            ("Hours verified by pandapower", fixed(found["verification"]["hours_checked"], 0)),
            (
                "Largest mismatch",
                f"{scientific(found['verification']['max_mismatch_mva'])} MVA",
            ),
            ("Time", duration(found["wall_s"])),
        ],
    }
    return save_page(fill_page("events.html", content), folder)


def pictures(found: dict[str, Any]) -> dict[str, Chart]:
    """Pictures to be written as files, by name."""
    return {"pareto_front": front_chart(found)}


def _lead(found: dict[str, Any]) -> list[str]:
    whole = len(found["front"]) + found["left_out"]
    names = listing([_words(name) for name in found["objectives"]])
    lead = [f"{count(whole, 'plan')} within the budget that none beats in all of {names}."]
    lead.append("What can be served is served: a plan sheds no load to save money.")
    if found["left_out"]:
        lead.append(
            f"{len(found['front'])} of them are listed, dispatched over the day and verified; "
            f"{found['left_out']} that lie closest to others are left out."
        )
    if at_peak := peak_alone(found):
        lead.append(at_peak)
    first = found["front"][0]["plan"]
    lead.append(
        "Any point in full: hybridopt dispatch CASE --plan FOLDER/"
        f"{first}, with the case of this run and the folder of this page."
    )
    return lead


def peak_alone(found: dict[str, Any]) -> str:
    """What makes the objectives differ from the day, where the search looked at the peak alone."""
    if found["dispatch_mode"] != "winner":
        return ""
    words = "The search looked at the peak hour alone; the day is beside it."
    if found["max_p_ratio"] != 1:
        words += (
            " At that hour a unit delivers at most what is planned for it, over the day up to "
            f"{found['max_p_ratio']:g} times as much: the day may leave less unserved."
        )
    return words


def _words(name: str) -> str:
    return {"unserved_mwh": "unserved energy", "unserved_peak_mw": "unserved power"}.get(
        name, name.replace("_", " ").replace(" mwh", "")
    )


def _table(found: dict[str, Any], rows: list[dict[str, Any]], names: list[str]) -> Table:
    columns = [words("Point", [row["point"] for row in rows])]
    columns += [numbers(_words(n), found["units"][n], [row[n] for row in rows]) for n in names]
    money = found["currency"]
    columns += [
        numbers("Unserved", "MWh", [row["day"]["unserved_mwh"] for row in rows], group="The day"),
        numbers(
            *("at the peak", "MW"),
            [row["day"]["unserved_peak_mw"] for row in rows],
            group="The day",
        ),
        numbers(
            "Dispatch cost", money, [row["day"]["operating_cost"] for row in rows], group="The day"
        ),
        numbers("Losses", "MWh", [row["day"]["loss_mwh"] for row in rows], group="The day"),
        words("Lines", [", ".join(map(str, row["lines"])) for row in rows]),
        words(
            "Generation, bus: MW",
            [", ".join(f"{u['bus']}: {u['max_p_mw']:.4g}" for u in row["dg"]) for row in rows],
        ),
    ]
    return Table("Plans of the front", columns)


def front_chart(found: dict[str, Any]) -> Chart:
    """Every pair of objectives; with three of them the shade is the one that has no axis."""
    return both(lambda width: _front(width, found))


def _front(width: float, found: dict[str, Any]) -> Canvas:
    rows, names = found["front"], found["objectives"]
    canvas = Canvas(width, 0, f"front-{width:.0f}", "Pareto front")
    head = 12.0
    for first, second in combinations(names, 2):
        third = next((name for name in names if name not in (first, second)), None)
        colours = [SERVED] * len(rows) if third is None else _shades(rows, third)
        if third is not None:
            values = [float(row[third]) for row in rows]
            title = f"{_words(third).capitalize()}, {found['units'][third]}:"
            canvas.text(0, head, title, font_weight=600)
            head = legend(canvas, head, _ranges(values, colours), 1.2 * CHARACTER * len(title))
        top = head + 34
        us, vs = ([float(row[name]) for row in rows] for name in (second, first))
        x = Scale(*nice_range(min(us), max(us), 6), LEFT, width - 30)
        frame = Frame(canvas, x, Scale(*nice_range(min(vs), max(vs), 5), top + HEIGHT, top))
        frame.y_axis(f"{_words(first).capitalize()}, {found['units'][first]}")
        for u, v, colour, row in zip(us, vs, colours, rows, strict=True):
            tip = f"point {row['point']}: "
            tip += ", ".join(f"{_words(n)} {row[n]:,.6g} {found['units'][n]}" for n in names)
            spot: Look = {"cx": x(u), "cy": frame.y(v), "r": 5.0}
            canvas.add("circle", tip=tip, fill=colour, stroke=PAPER, **spot)
        ticks = nice_ticks(x.low, x.high, 6 if width > NARROW else 3)
        places = [(t, fixed(t, tick_decimals(ticks))) for t in ticks]
        frame.x_axis(places, f"{_words(second)}, {found['units'][second]}")
        head = top + HEIGHT + GAP
    canvas.height = head - 24
    return canvas


def _shades(rows: list[dict[str, Any]], name: str) -> list[str]:
    """A colour for each row, by the quarter of the points in which its value lies."""
    values = [float(row[name]) for row in rows]
    order = sorted(values)
    bounds = [order[k * len(order) // 4] for k in (1, 2, 3)]
    return [SHADES[sum(value > order[0] and value >= b for b in bounds)] for value in values]


def _ranges(values: list[float], colours: list[str]) -> list[tuple[str, str, str]]:
    """What each shade stands for, for the legend."""
    decimals = decimals_for(values)
    items = []
    for shade in SHADES:
        inside = [v for v, colour in zip(values, colours, strict=True) if colour == shade]
        if inside:
            low, high = (fixed(v, decimals) for v in (min(inside), max(inside)))
            items.append(("box", shade, low if low == high else f"{low} to {high}"))
    return items
