"""The page of the radial kernel, from what its benchmarks measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

MARK = "<!-- {} -->"


def write_section(page: Path, name: str, found: Any) -> None:
    """Write one section of the page; the other stays."""
    text = page.read_text(encoding="utf-8") if page.exists() else HEAD
    if MARK.format(name) not in text:
        text = HEAD
    before, rest = text.split(MARK.format(name))
    end = MARK.format(f"{name} ends")
    after = rest.split(end)[1]
    lines = _speed(found) if name == "speed" else _convergence(found)
    body = "\n".join([MARK.format(name), *lines, "", end])
    page.write_text(before + body + after, encoding="utf-8")


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    rule = ["---", *["---:"] * (len(head) - 1)]
    return ["", *(f"| {' | '.join(row)} |" for row in (head, rule, *rows))]


def _us(seconds: float) -> str:
    return f"{1e6 * seconds:,.0f}" if seconds > 1e-4 else f"{1e6 * seconds:.3g}"


def _speed(found: dict[str, Any]) -> list[str]:
    cases = found["cases"]
    names = list(cases[0]["methods"])
    others = [n for n in names if not n.startswith("kernel")]
    own = [n for n in names if n.startswith("kernel")]
    machine = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    worst = max(m["worst_kw"] or 0.0 for c in cases for m in c["methods"].values())
    rates = [
        [c["case"], str(c["buses"]), *(f"{1 / c['methods'][n]['flow_s']:,.0f}" for n in own)]
        for c in cases
    ]
    times = [
        [c["case"], _us(c["methods"]["kernel"]["flow_s"])]
        + [f"{_us(c['methods'][n]['flow_s'])} ({c['methods'][n]['ratio']:,.0f})" for n in others]
        for c in cases
    ]
    return [
        *SPEED.format(worst=worst, machine=machine).splitlines(),
        *_table(["power flows per second", "buses", *own], rates),
        "",
        "Time of one power flow in us, and in brackets how many of the kernel's it takes:",
        *_table(["", "kernel", *others], times),
    ]


def _convergence(found: list[dict[str, Any]]) -> list[str]:
    counts = [
        [
            *(str(row[key]) for key in ("feeder", "trees", "both", "neither")),
            str(len(row["cases"])),
            f"{row['worst_kw']:.1e}",
            f"{row['worst_vm']:.1e}",
        ]
        for row in found
    ]
    cases = [_disputed(case) for row in found for case in row["cases"]]
    followed = [
        [
            row["feeder"],
            " ".join(map(str, f["open"])),
            f"{f['continued']:.7f}",
            f"{f['kernel']:.7f}",
        ]
        for row in found
        for f in row["followed"]
    ]
    edges = [
        [
            row["feeder"],
            *(f"{row['edge'][key]:.6f}" for key in ("continued", "kernel")),
            *(f"{row['edge'][key]:.0e}" for key in ("kernel_gap", "runpp_gap")),
        ]
        for row in found
    ]
    head = ["feeder", "trees", "both solve", "neither", "disputed", "largest kW", "largest pu"]
    who = ["feeder", "open", "kernel kW", "runpp kW", "continued kW", "solution up to", "right"]
    largest = ["feeder", "open", "continuation", "kernel"]
    return [
        *CONVERGENCE.splitlines(),
        *_table(head, counts),
        *(["", "Disputed:", *_table(who, cases)] if cases else ["", "None is disputed."]),
        *FOLLOWED.splitlines(),
        *_table(largest, followed),
        *EDGES.splitlines(),
        *_table(
            ["feeder", "continuation", "kernel", "kernel solves up to", "runpp solves up to"],
            edges,
        ),
    ]


def _disputed(case: dict[str, Any]) -> list[str]:
    def kw(value: float | None) -> str:
        return "none" if value is None else f"{value:.3f}"

    return [
        case["feeder"],
        " ".join(map(str, case["open"])),
        *(kw(case[key]) for key in ("kernel_kw", "runpp_kw", "continued_kw")),
        f"{case['limit']:.6f}",
        "kernel" if case["kernel_right"] else "runpp",
    ]


HEAD = """# The radial power flow

`hybridopt/solvers/radial.py` solves DistFlow by sweeps. How fast, and whether it finds every
solution, is measured here; the tables are written by

    python -m benchmarks radial --page docs/feeder_kernel.md
    python -m benchmarks.radial_convergence --page docs/feeder_kernel.md

<!-- speed -->
<!-- speed ends -->

<!-- convergence -->
<!-- convergence ends -->
"""

SPEED = """## Speed

A day of 24 hours, all loads scaled by one factor, on radial configurations up to three exchanges
from the normal one. Medians of several rounds, all methods in turn in one run. Losses of all
methods agree within {worst:.0e} kW in this run; it stops where they differ by more than 0.002 kW.

- **kernel**: losses of 1000 configurations in one call, one thread; then with all measures, in two
  threads, and with one hour alone, which cannot use vector instructions.
- **runpp**: called in a loop with numba and its own start; **warm**: `init="results"`;
  **recycled**: and `recycle={{"bus_pq": True, ...}}` from the second hour of a configuration on.
- **lightsim2grid, one by one**: lines switched on one grid, loads set by hour, `ac_pf`;
  **batch**: configurations and hours as one `ScenarioSweep`, losses from its voltages in numpy.

The machine has two cores and shares them: times vary from run to run, and two threads are seldom
twice as fast as one.
{machine}.
"""

CONVERGENCE = """## Solutions

Random configurations, some near the normal one, and of 20000 random ones those on which the kernel
takes most sweeps, by the kernel and by `runpp` from its own start. Where one of the two finds no
solution or losses differ by more than 0.002 kW, pandapower follows the solution from no load to the
full one, each step from the last one's voltages; that says who is right.
"""

FOLLOWED = """
Configurations that neither solves, those next to a solution: the part of the load at which the
solution ends, by pandapower's continuation and by the kernel (bisection).
"""

EDGES = """
The normal configuration at ever more load: the factor at which its solution ends, and how close
below (relative) each still finds it.

With constant power, no generation and no negative r or x, sweeps that begin at the source's voltage
fall towards the highest solution and cannot pass it; near the end of the load they only become
many. From 40 sweeps on, the rest is estimated (Aitken), and what an estimate spoils is begun again
without. What remains is a millionth of the load at most: there the continuation is right, and the
kernel says that there is no solution. Where demand depends on voltage, sweeps may swing; they are
damped. Missed are some power flows of constant impedances whose lowest voltage is a third of the
source's, on 16 of 400 random configurations of zhang118.
"""
