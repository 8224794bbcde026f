"""What the referee, pandapower's load flow, found, and whether that is good enough."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hybridopt.report_format import MISSING, count, fixed, percent, scientific
from hybridopt.report_tables import Table, words

if TYPE_CHECKING:
    from hybridopt.report_files import RunFiles

# What the referee may find and still call a run verified.
MISMATCH_MVA, VOLTAGE_PU, LOADING_PERCENT = 1e-3, 1e-4, 100.01


def verdict(run: RunFiles) -> tuple[str, str]:
    """Whether the referee agrees ("Yes", "No", "Not checked") and the figures for it."""
    hours = int(run.number("verification", "hours_checked") or 0)
    failed = int(run.number("verification", "hours_failed") or 0)
    if not hours + failed:
        return "Not checked", "no hour was re-checked by a load flow"
    mismatch = run.number("verification", "max_mismatch_mva")
    voltage = run.number("verification", "max_voltage_violation_pu")
    loading = run.number("verification", "max_loading_percent")
    agrees = (
        not failed
        and mismatch is not None
        and mismatch <= MISMATCH_MVA
        and (voltage is None or voltage <= VOLTAGE_PU)
        and (loading is None or loading <= LOADING_PERCENT)
    )
    figures = [count(hours, "hour")]
    if failed:
        figures.append(f"{count(failed, 'hour')} without a load flow")
    if mismatch is not None:
        figures.append(f"mismatch {scientific(mismatch)} MVA")
    if voltage is not None and voltage > VOLTAGE_PU:
        figures.append(f"voltage {fixed(voltage, 4)} pu beyond its limit")
    if loading is not None:
        figures.append(f"highest loading {percent(loading, 2 if loading > 100 else 1)}")
    return ("Yes" if agrees else "No"), ", ".join(figures)


def verification_table(run: RunFiles) -> Table | None:
    """Return what the referee found beside what it tolerates; None when it didn't look."""
    answer, _ = verdict(run)
    if answer == "Not checked":
        return None

    def found(key: str, unit: str) -> str:
        value = run.number("verification", key)
        return MISSING if value is None else f"{scientific(value)} {unit}"

    def hours(key: str) -> str:
        return fixed(run.number("verification", key) or 0, 0)

    loading = run.number("verification", "max_loading_percent")
    rows = [
        ("Hours checked", hours("hours_checked"), ""),
        ("Hours in which the load flow failed", hours("hours_failed"), "0"),
        (
            "Largest difference of power",
            found("max_mismatch_mva", "MVA"),
            f"{scientific(MISMATCH_MVA)} MVA",
        ),
        ("Largest difference of voltage", found("max_vm_difference_pu", "pu"), ""),
        ("Largest difference of angle", found("max_va_difference_degree", "°"), ""),
        (
            "Largest voltage violation",
            found("max_voltage_violation_pu", "pu"),
            f"{scientific(VOLTAGE_PU)} pu",
        ),
        (
            "Highest loading",
            "no rated branch" if loading is None else percent(loading, 2),
            MISSING if loading is None else percent(LOADING_PERCENT, 2),
        ),
        ("Verified", answer, ""),
    ]
    rows = [row for row in rows if row[1] != MISSING]
    titles = ("", "Found", "Tolerated")
    columns = [words(t, cells) for t, cells in zip(titles, zip(*rows, strict=True), strict=True)]
    columns[1].numeric = columns[2].numeric = True
    return Table("Re-check by pandapower's load flow", columns)
