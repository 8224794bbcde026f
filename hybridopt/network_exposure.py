"""How likely each element of a network fails in an event: probabilities, curves, wind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from hybridopt.case_events import ALL, KINDS
from hybridopt.errors import Finding, InputError, collect
from hybridopt.fragility import distance_to_track, failure_probability, wind_speed
from hybridopt.network_events import ElementList

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from hybridopt.case import Case
    from hybridopt.case_events import Fragility, Sample, Wind
    from hybridopt.grid import Grid
    from hybridopt.network_events import Element

    Floats = NDArray[np.float64]


def event_findings(
    case: Case, grid: Grid, names: dict[str, list[Any]], *, is_part: bool, is_study: bool
) -> list[Finding]:
    """What is wrong with [worst] and [sample] in the network.

    Parameters
    ----------
    is_part : of a case; see :func:`exposure`
    is_study : otherwise it is for `worst` and its like, whose options may take the place of k
    """
    known = ElementList(case, grid, names)
    worst, sample = case.worst, case.sample

    def listed() -> None:
        if worst is None:
            return
        counted = worst.elements
        found = known.of_kinds(worst.kinds) if counted is None else known.listed(counted)
        strange, known.lookup.findings = known.lookup.findings, []
        count = len(found) + len(strange)
        is_asked = strange or is_study  # else the command says it
        if is_asked and worst.k is not None and worst.k > count:
            message = too_large(worst.k, count)
            strange.append(known.finding("worst.k", message))
        if strange:
            raise InputError(strange)

    steps: list[Callable[[], Any]] = [listed]
    if sample is not None:
        steps.append(lambda: exposure(known, sample, is_part=is_part))
    try:
        collect(*steps)
    except InputError as error:
        return error.findings
    return []


def too_large(k: int, count: int) -> str:
    """What is wrong with events of k elements where there are fewer."""
    return (
        f"{k} exceeds the {count} {'element that counts' if count == 1 else 'elements that count'}"
    )


@dataclass(frozen=True, eq=False)
class Exposure:
    """How likely each element fails.

    Attributes
    ----------
    elements : those that can fail
    chance : (n,), 1; probability given as such, NaN where a fragility curve says it
    intensity, median, beta : (n,), of the curves; NaN where there is none
    """

    elements: tuple[Element, ...]
    chance: Floats
    intensity: Floats
    median: Floats
    beta: Floats

    def probability(self, factor: float = 1.0) -> Floats:
        """Probability of failure of each element, (n,).

        Parameters
        ----------
        factor : of the event, on every intensity
        """
        curved = np.isnan(self.chance)
        found = self.chance.copy()
        found[curved] = failure_probability(
            self.intensity[curved] * factor, self.median[curved], self.beta[curved]
        )
        return found


def exposure(known: ElementList, sample: Sample, *, is_part: bool = False) -> Exposure:
    """Resolve a case's [sample] in its network.

    Parameters
    ----------
    is_part : of a case whose wrong parts are left out: something to fail, or its intensity, may be
        missing because of that

    Raises
    ------
    InputError
        Keys that contradict one another; elements that are not there, or have both a probability
        and a curve of their own; curves without an intensity; no coordinates for the wind; nothing
        that can fail.
    """
    chance = _values(known, sample.probabilities, "probabilities")
    curves = _curves(known, sample.fragility)
    intensity = _values(known, sample.intensities, "intensities")
    findings: list[Finding] = []
    for e in chance:
        if chance[e][1] and e in curves and curves[e][1]:
            message = f"{e.name} has a probability and a fragility curve: give one"
            findings.append(known.finding(("sample", "fragility", curves[e][2]), message))
    by_curve = [e for e in known.elements if e in curves and not _goes_first(e, chance, curves)]
    unknown = [e for e in by_curve if e not in intensity]
    findings += [known.finding("sample", words) for words in sample.contradictions()]
    if sample.wind is not None and unknown:
        blown, missing = _wind(known, sample.wind, unknown)
        findings += missing
        intensity |= {e: (value, False) for e, value in blown.items()}
    elif is_part:
        intensity |= {e: (float("nan"), False) for e in unknown}
    elif unknown and sample.intensities is not None:
        shown = ", ".join(e.name for e in unknown[:5]) + (", ..." if len(unknown) > 5 else "")
        message = f"no intensity is given for {shown} (there is no [sample.wind] either)"
        findings.append(known.finding(("sample", "intensities"), message))
    try:
        known.settle()
    except InputError as error:
        findings = [*error.findings, *findings]
    chosen = [e for e in known.elements if e in by_curve or (e in chance and chance[e][0] > 0)]
    if not (findings or chosen or is_part):
        findings.append(known.finding("sample", "nothing can fail: every probability is 0"))
    if findings:
        raise InputError(findings)
    nan = float("nan")
    rows = [
        (nan, intensity[e][0], curves[e][0].median, curves[e][0].beta)
        if e in by_curve
        else (chance[e][0], nan, nan, nan)
        for e in chosen
    ]
    table = np.array(rows, dtype=float).reshape(len(rows), 4)
    return Exposure(tuple(chosen), *table.T)


def _goes_first(e: Element, chance: dict[Element, Any], curves: dict[Element, Any]) -> bool:
    """Whether an element's probability is what counts: its own goes before a curve for all."""
    return e in chance and (chance[e][1] or not curves[e][1])


def _values(known: ElementList, table: Any, name: str) -> dict[Element, tuple[float, bool]]:
    """Value of each element, and whether it is its own; "all" holds for those without one."""
    found: dict[Element, tuple[float, bool]] = {}
    for kind in KINDS:
        given = {} if table is None else getattr(table, kind)
        for written, value in given.items():
            if written == ALL:
                for e in known.of_kinds([kind]):
                    found.setdefault(e, (value, False))
                continue
            key = ("sample", name, kind, str(written))
            for e in known.find(kind, written, key):
                if e in found and found[e][1]:
                    known.lookup.miss(key, f"{e.name} stands here a second time")
                found[e] = (value, True)
    return found


def _curves(
    known: ElementList, curves: tuple[Fragility, ...]
) -> dict[Element, tuple[Fragility, bool, int]]:
    """Curve of each element, whether it is its own, and its place."""
    found: dict[Element, tuple[Fragility, bool, int]] = {}
    for i, curve in enumerate(curves):
        if curve.elements is None:
            for e in known.of_kinds([curve.kind]):
                found.setdefault(e, (curve, False, i))
            continue
        for j, written in enumerate(curve.elements):
            key = ("sample", "fragility", i, "elements", j)
            for e in known.find(curve.kind, written, key):
                if e in found and found[e][1]:
                    known.lookup.miss(key, f"{e.name} has a curve already")
                found[e] = (curve, True, i)
    return found


def _wind(
    known: ElementList, wind: Wind, elements: list[Element]
) -> tuple[dict[Element, float], list[Finding]]:
    """Highest wind speed at each element, m/s: along the straight line between its buses."""
    grid = known.lookup.grid
    at = np.column_stack([grid.bus_x, grid.bus_y])
    ends = np.array(
        [
            (grid.branch_from[e.position], grid.branch_to[e.position])
            if e.is_branch
            else (grid.gen_bus[e.position],) * 2
            for e in elements
        ]
    )
    lost = sorted({int(b) for b in ends.ravel() if not np.isfinite(at[b]).all()})
    if lost:
        shown = ", ".join(str(grid.bus_id[b]) for b in lost[:12])
        shown += ", ..." if len(lost) > 12 else ""
        message = f"the network has no coordinates (geo) for bus {shown}: give intensities instead"
        return {}, [known.finding(("sample", "wind"), message)]
    distance = distance_to_track(at[ends[:, 0]], at[ends[:, 1]], np.array(wind.track))
    speed = wind_speed(distance, wind.speed, wind.background, wind.width)
    return dict(zip(elements, speed.tolist(), strict=True)), []
