"""``hybridopt worst`` and ``hybridopt sample``: their options, checked together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from hybridopt.case_events import KINDS, Sample, Worst
from hybridopt.case_fields import label_or_name
from hybridopt.errors import Finding, InputError, collect

if TYPE_CHECKING:
    from collections.abc import Callable

    from hybridopt.network_events import Element, EventSpace
    from hybridopt.network_exposure import Exposure
    from hybridopt.network_scenario import Scenario
    from hybridopt.progress import Progress
    from hybridopt.sample import SampleOptions, SampleResult
    from hybridopt.solvers.pool import Wanted
    from hybridopt.worst import WorstOptions, WorstResult

Size = Annotated[
    int | None, typer.Option("--k", help="Elements that an event takes out.", metavar="N")
]
Kinds = Annotated[
    str | None,
    typer.Option(
        "--elements",
        help="What counts: kinds (lines, transformers, generators, external_grids), or single "
        "elements such as line:5-6,generator:2.",
        metavar="LIST",
    ),
]
WorstResponse = Annotated[
    str | None, typer.Option("--response", help="none, switching or plan.", metavar="RESPONSE")
]
Top = Annotated[int | None, typer.Option("--top", help="Events in the ranking.", metavar="N")]
Count = Annotated[int | None, typer.Option("--events", help="Events to draw.", metavar="N")]
SampleResponse = Annotated[
    str | None, typer.Option("--response", help="delivery, plan or study.", metavar="RESPONSE")
]
PlanFile = Annotated[
    Path | None, typer.Option("--plan", help="plan.json that is in place.", metavar="FILE")
]

WORST_RESPONSES = ("none", "switching", "plan")
SAMPLE_RESPONSES = ("delivery", "plan", "study")
MOST_EVENTS = 1_000_000
_KIND_OF = {
    "line": "lines",
    "transformer": "transformers",
    "generator": "generators",
    "external_grid": "external_grids",
}


@dataclass(frozen=True)
class WorstRequest:
    """The options of ``worst`` as given."""

    case: str
    k: int | None
    elements: str | None
    response: str | None
    top: int | None
    out: Path | None
    seed: int
    force: bool
    as_json: bool


@dataclass(frozen=True, eq=False)
class WorstJob:
    """What is read and checked, ready to be solved."""

    space: EventSpace
    options: WorstOptions
    folder: Path | None


@dataclass(frozen=True)
class SampleRequest:
    """The options of ``sample`` as given."""

    case: str
    events: int | None
    response: str | None
    plan: Path | None
    out: Path | None
    seed: int
    resume: bool
    force: bool
    as_json: bool


@dataclass(frozen=True, eq=False)
class SampleJob:
    """What is read and checked, ready to be solved."""

    space: EventSpace
    exposure: Exposure
    options: SampleOptions
    folder: Path | None


def prepare_worst(request: WorstRequest) -> WorstJob:
    """Read and check everything; make nothing.

    Raises
    ------
    InputError
        With every finding.
    """
    from hybridopt.result_folder import check_folder
    from hybridopt.solvers.available import require_solver

    (space, options), _, _ = collect(
        lambda: _read_worst(request),
        lambda: _check_worst(request),
        lambda: None if request.out is None else check_folder(request.out, force=request.force),
    )
    require_solver()
    folder = request.out
    if folder is None and not request.as_json:
        name = f"{space.scenario.case.name}-worst{options.k}-{options.response}-seed{request.seed}"
        folder = Path("results") / name
        check_folder(folder, force=request.force)
    return WorstJob(space, options, folder)


def _read_worst(request: WorstRequest) -> tuple[EventSpace, WorstOptions]:
    """The case and what is asked of it; what :func:`_check_worst` finds is left to it."""
    from hybridopt.network_events import EventSpace
    from hybridopt.network_exposure import too_large
    from hybridopt.network_scenario import load_case
    from hybridopt.worst import WorstOptions

    scenario = load_case(request.case, repairs=True)
    space, terms = EventSpace(scenario), scenario.case.worst or Worst()
    given = terms.k if request.k is None else request.k
    response = request.response if request.response in WORST_RESPONSES else terms.response
    elements, k, _ = collect(
        lambda: _elements(space, terms, request.elements),
        lambda: _required("--k", given, "is missing: how many elements an event takes out"),
        lambda: None if response != "plan" else _check_resources(scenario),
    )
    if k > len(elements) > 0:
        message = too_large(k, len(elements))
        own = request.k is None
        raise InputError([scenario.case.finding("worst.k", message) if own else _at_k(message)])
    top = request.top or terms.top
    options = WorstOptions(k, elements, response, terms.max_switched, top, terms.max_events)  # type: ignore[arg-type]
    return space, options


def _at_k(message: str) -> Finding:
    return Finding("--k", message)


def _check_worst(request: WorstRequest) -> None:
    findings = []
    if request.k is not None and request.k < 1:
        findings.append(_at_k(f"must be at least 1, found {request.k}"))
    if request.top is not None and request.top < 1:
        findings.append(Finding("--top", f"must be at least 1, found {request.top}"))
    findings += _known_response(request.response, WORST_RESPONSES)
    findings += _parse_elements(request.elements)[-1]
    if findings:
        raise InputError(findings)


def _known_response(response: str | None, known: tuple[str, ...]) -> list[Finding]:
    if response is None or response in known:
        return []
    choices = f"{', '.join(known[:-1])} or {known[-1]}"
    return [Finding("--response", f"must be {choices}, found {response!r}")]


def _required(name: str, value: Any, message: str) -> Any:
    if value is None:
        raise InputError([Finding(name, message)])
    return value


def _check_resources(scenario: Scenario) -> None:
    if not scenario.case.resources.offer_any:
        message = "response plan needs [resources] and a budget in the case"
        raise InputError([Finding("--response", message)])


def _parse_elements(
    text: str | None,
) -> tuple[tuple[str, ...], dict[str, list[str | int]], list[Finding]]:
    """Kinds, single elements by their kind, and what is neither, of ``--elements``."""
    kinds: list[str] = []
    single: dict[str, list[str | int]] = {}
    findings = []
    for part in [] if text is None else text.split(","):
        word, colon, name = (piece.strip() for piece in part.partition(":"))
        if not colon and word in KINDS:
            kinds.append(word)
        elif colon and name and word in _KIND_OF:
            single.setdefault(_KIND_OF[word], []).append(label_or_name(name))
        else:
            message = f"{part.strip()!r} is neither a kind ({', '.join(KINDS)}) nor like line:5-6 "
            message += "(transformer:, generator:, external_grid:)"
            findings.append(Finding("--elements", message))
    return tuple(kinds), single, findings


def _elements(space: EventSpace, terms: Worst, text: str | None) -> tuple[Element, ...]:
    """The elements that count: by the option, else by the case."""
    known = space.known
    if text is not None:
        kinds, single, strange = _parse_elements(text)
        chosen = set(known.of_kinds(kinds))
        findings = []
        for kind, names in single.items():
            for name in names:
                chosen.update(known.find(kind, name, "worst.elements"))
                findings += [
                    Finding("--elements", found.message) for found in known.lookup.findings
                ]
                known.lookup.findings = []
        if findings:
            raise InputError(findings)
        return () if strange else tuple(e for e in known.elements if e in chosen)
    if terms.elements is not None:
        found = known.listed(terms.elements)
        known.settle()
        return found
    return known.of_kinds(terms.kinds)


def run_worst(job: WorstJob, seed: int, workers: Wanted, progress: Progress) -> WorstResult:
    """Rank the events, and write the folder."""
    from hybridopt.worst import worst_events
    from hybridopt.worst_output import write_worst

    result = worst_events(job.space, job.options, seed=seed, workers=workers, progress=progress)
    if job.folder is not None:
        write_worst(result, job.folder)
    return result


def prepare_sample(request: SampleRequest) -> SampleJob:
    """Read and check everything; make nothing.

    Raises
    ------
    InputError
        With every finding.
    """
    from hybridopt.network_events import EventSpace
    from hybridopt.network_exposure import exposure
    from hybridopt.plan_file import read_plan
    from hybridopt.result_folder import check_folder
    from hybridopt.sample import NO_PLAN, SampleOptions
    from hybridopt.single_dispatch import prepare_dispatch
    from hybridopt.solvers.available import require_solver

    def check(folder: Path) -> None:
        check_folder(folder, force=request.force, resume=request.resume, command="sample")

    is_fixed = request.plan is not None and request.response in (None, "plan")
    (scenario, sample), _, _, _ = collect(
        lambda: _read_sample(request),
        lambda: read_plan(request.plan) if is_fixed and request.plan is not None else None,
        lambda: _check_sample(request),
        lambda: None if request.out is None else check(request.out),
    )
    fixed = prepare_dispatch(request.case, request.plan, None)[:2] if is_fixed else None
    response = request.response or ("plan" if request.plan else sample.response)
    if response == "plan" and fixed is None:
        raise InputError([Finding("--plan", "is missing: response plan needs the plan in place")])
    if response == "study":
        _check_resources(scenario)
    space = EventSpace(scenario if fixed is None else fixed[0])
    options = SampleOptions(
        n_events=request.events or 0,
        response=response,  # type: ignore[arg-type]
        hours=sample.hours,
        log_std=sample.log_std,
        plan=NO_PLAN if fixed is None else fixed[1],
        planned=None if fixed is None else fixed[0],
    )
    exposed = exposure(space.known, sample)
    require_solver()
    folder = request.out
    if folder is None and (request.resume or not request.as_json):
        name = f"{scenario.case.name}-sample{request.events}-{response}-seed{request.seed}"
        folder = Path("results") / name
        check(folder)
    return SampleJob(space, exposed, options, folder)


def _read_sample(request: SampleRequest) -> tuple[Scenario, Sample]:
    from hybridopt.network_scenario import load_case

    scenario = load_case(request.case, repairs=True)
    if scenario.case.sample is None:
        message = "is missing: it says what fails and how likely, such as "
        message += "[sample] probabilities = { lines = { all = 0.02 } } (docs/resilience.md)"
        raise InputError([scenario.case.finding("sample", message)])
    return scenario, scenario.case.sample


def _check_sample(request: SampleRequest) -> None:
    findings = []
    if request.events is None:
        findings.append(Finding("--events", "is missing: how many events to draw"))
    elif not 1 <= request.events <= MOST_EVENTS:
        message = f"must lie in [1, {MOST_EVENTS:,}], found {request.events}"
        findings.append(Finding("--events", message))
    findings += _known_response(request.response, SAMPLE_RESPONSES)
    if request.plan is not None and request.response not in (None, "plan"):
        message = f"says nothing to the response {request.response!r}"
        findings.append(Finding("--plan", message))
    if request.resume and request.force:
        findings.append(Finding("--force", "starts again, --resume goes on: give one"))
    if findings:
        raise InputError(findings)


def run_sample(
    job: SampleJob,
    request: SampleRequest,
    workers: Wanted,
    progress: Progress,
    tell: Callable[[str], None],
) -> SampleResult:
    """Draw and answer the events, and write the folder.

    Raises
    ------
    StoppedError
        After Ctrl-C, with events kept; says how to go on.
    """
    from hybridopt.interrupt import resumable
    from hybridopt.result_folder import CHECKPOINT
    from hybridopt.sample import sample_events
    from hybridopt.sample_output import write_sample

    keep = None if job.folder is None else job.folder / CHECKPOINT
    if request.resume and keep is not None and not keep.exists():
        tell(f"{job.folder} holds nothing to resume: starting at the beginning")
    with resumable(keep, "the events answered so far"):
        result = sample_events(
            job.space,
            job.exposure,
            job.options,
            seed=request.seed,
            workers=workers,
            keep=keep,
            resume=request.resume,
            progress=progress,
        )
    if job.folder is not None:
        write_sample(result, job.folder)
    return result
