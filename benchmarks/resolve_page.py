"""The page and the plots of the re-solve benchmark, from what it measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np

from hybridopt.report_svg import FAINT, INK, MUTED

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COLOURS = {
    "hybridopt": "#0072b2",
    "CasADi": "#e69f00",
    "Pyomo rebuilt": "#009e73",
    "runopp": "#7a6fb0",
}
MARKERS = dict(zip(COLOURS, "osD^", strict=True))
STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "hybridopt",
    "font.family": "sans-serif",
    "font.size": 11,
    "text.color": INK,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "axes.grid": True,
    "grid.color": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
}
NAMES = ("resolve_buses.svg", "resolve_hours.svg")

Line = tuple[str, "Sequence[float]", "Sequence[float]"]


def draw(path: Path, lines: Sequence[Line], label: str, ticks: Sequence[int]) -> None:
    """Median times over a size, both logarithmic; each line named at its end.

    Parameters
    ----------
    lines : name, sizes, times in s
    """
    from matplotlib.figure import Figure

    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(7.2, 3.9), layout="constrained")
        axes = figure.subplots()
        for name, sizes, times in lines:
            axes.loglog(
                sizes, times, marker=MARKERS[name], color=COLOURS[name], label=name, markersize=5
            )
        axes.set_xticks(list(ticks), [str(t) for t in ticks])
        axes.minorticks_off()
        axes.set_xlabel(label)
        axes.set_ylabel("median time of one solve, s")
        if len(lines) > 1:
            axes.legend(frameon=False)
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path, format="svg", metadata={"Date": None})


def write_page(page: Path, found: dict[str, Any]) -> None:
    """Write the page and, in ``figures`` beside it, its plots."""
    names = list(found["cases"][0]["methods"])
    grown = sorted(
        (c for c in found["cases"] if c["case"].startswith("pglib")), key=lambda c: c["buses"]
    )
    sizes = [c["buses"] for c in grown]
    lines = [(n, sizes, [c["methods"][n]["median_s"] for c in grown]) for n in names]
    draw(page.parent / "figures" / NAMES[0], lines, "buses (PGLib)", sizes)
    hours = found["coupled_hours"]
    at = [row["hours"] for row in hours]
    line = ("hybridopt", at, [row["median_s"] for row in hours])
    draw(page.parent / "figures" / NAMES[1], [line], "coupled hours (IEEE 30)", at)
    page.write_text(_text(found, names), encoding="utf-8")


def _text(found: dict[str, Any], names: Sequence[str]) -> str:
    cases = found["cases"]
    machine = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    others = [n for n in names if n != "hybridopt"]
    return "\n".join(
        [
            *HEAD.format(machine=machine).splitlines(),
            *_table(
                ["network", "buses", "iterations", *names, *(f"{n} / hybridopt" for n in others)],
                [_times(case, names, others) for case in cases],
            ),
            *AGREEMENT.splitlines(),
            *_table(
                ["network", "cost per hour", *others],
                [_costs(case, others) for case in cases],
            ),
            *SHARES.splitlines(),
            *_table(
                ["network", "cyipopt", "ASL library", "our callbacks", "our code around"],
                [_shares(case) for case in cases],
            ),
            *GROWTH.format(*NAMES, *_exponents(found)).splitlines(),
            *_table(
                ["coupled hours", "iterations", "compile, ms", "solve, ms"],
                [
                    [str(r["hours"]), str(r["iterations"]), _ms(r["compile_s"]), _ms(r["median_s"])]
                    for r in found["coupled_hours"]
                ],
            ),
            "",
        ]
    )


def _exponents(found: dict[str, Any]) -> tuple[float, float]:
    """Slopes of time against buses and against hours on logarithmic axes."""
    sizes = [
        (c["buses"], c["methods"]["hybridopt"]["median_s"])
        for c in found["cases"]
        if c["case"].startswith("pglib") and c["buses"] >= 30
    ]
    hours = [(r["hours"], r["median_s"]) for r in found["coupled_hours"] if r["hours"] >= 4]
    by_bus, by_hour = (np.polyfit(*np.log(points).T, 1)[0] for points in (sizes, hours))
    return float(by_bus), float(by_hour)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return ["", *(f"| {' | '.join(row)} |" for row in (head, rule, *rows))]


def _ms(seconds: float) -> str:
    return f"{1e3 * seconds:.3g}" if seconds < 1 else f"{1e3 * seconds:.0f}"


def _times(case: dict[str, Any], names: Sequence[str], others: Sequence[str]) -> list[str]:
    methods = case["methods"]
    spread = [
        f"{_ms(methods[n]['median_s'])} ({'-'.join(map(_ms, methods[n]['quartiles_s']))})"
        for n in names
    ]
    ratios = [f"{methods[n]['ratio']:.2f}" for n in others]
    return [case["case"], str(case["buses"]), str(case["iterations"]), *spread, *ratios]


def _costs(case: dict[str, Any], others: Sequence[str]) -> list[str]:
    methods = case["methods"]
    own = f"{methods['hybridopt']['cost']:.4f}"
    return [case["case"], own, *(f"{methods[n]['difference']:+.1e}" for n in others)]


def _shares(case: dict[str, Any]) -> list[str]:
    share = case["shares"]
    parts = ("cyipopt", "asl", "callbacks_python", "own")
    return [case["case"], *(f"{100 * share[part]:.1f} %" for part in parts)]


HEAD = """# One hour solved again

Written by `python -m benchmarks resolve --pglib DIR --page docs/benchmarks.md`, DIR holding PGLib's
case300_ieee and case1354_pegase; no figure on this page is typed by hand.

The same network at six loads, 95 to 100 % of the nominal one, everything served, the least
operating cost, apparent-power limits, from a flat start:

- **hybridopt**: one compiled model, every load a set of bounds; flows, prices and costs of the
  units included.
- **CasADi**: one `nlpsol` with the load as its parameter; only the optimum, nothing is read.
- **Pyomo rebuilt**: the model of this load alone, built anew, `SolverFactory("cyipopt")`.
- **runopp**: pandapower's own interior point method, from its own start.

The first three run the same Ipopt library with MUMPS and the same options, and take the same
iterations. Times vary from run to run: the machine has two cores and shares them.
{machine}.

## Times

Medians in ms, quartiles in brackets; ratios are medians of pairs that ran one after the other.
"""

AGREEMENT = """
## Agreement

Relative difference of the cost at nominal load; the benchmark stops where CasADi or Pyomo differ by
more than 1e-5. `runopp` limits currents at 1 pu of voltage, and knows no angle limits: where branch
limits bind, it solves another problem.
"""

SHARES = """
## Where a re-solve's time goes

Inside cyipopt without callbacks (Ipopt, MUMPS); in callbacks, inside the ASL library that evaluates
the equations and their derivatives; in callbacks, our own lines; and our code around the solve:
bounds, striking out what is fixed, checks, reading flows and prices. CasADi takes the same
iterations in the same Ipopt: what it needs less is the evaluation of the equations.
"""

GROWTH = """
## Growth

![Time against buses](figures/{0})

From 30 buses on, a re-solve takes time in proportion to buses to the power of {2:.2f}.

IEEE 30 with one unit's ramp limited to 10 MW per hour, over the first hours of the load curve:

![Time against coupled hours](figures/{1})

From 4 hours on, in proportion to hours to the power of {3:.2f}.
"""
