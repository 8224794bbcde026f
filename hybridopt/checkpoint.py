"""A search kept on disk after every generation, as plain JSON, and taken up from there."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass, fields, is_dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from hybridopt.errors import Finding, InputError
from hybridopt.evaluate import Evaluation
from hybridopt.grid import Plan
from hybridopt.solvers.available import ipopt_version
from hybridopt.solvers.search import Run

if TYPE_CHECKING:
    from pathlib import Path

    from hybridopt.network_scenario import Scenario

FORMAT: Literal[1] = 1
SHARE = 0.05  # of the time an exhaustive search may spend on keeping itself

_CONFIG = ConfigDict(extra="forbid", ser_json_inf_nan="constants")
Method = Literal["genetic", "exhaustive"]
Whole = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class _Kept:
    """What a checkpoint file holds.

    Attributes
    ----------
    program : versions that wrote it
    fingerprint : of the case and its network
    plans : plan asked for and what it was worth, in the order of evaluation
    random : state of the random numbers
    """

    __pydantic_config__ = _CONFIG

    format: Literal[1]
    program: dict[str, str | None]
    case: str
    fingerprint: str
    method: Method
    seed: Whole
    evaluations: Whole
    stalled: Whole
    stopped_because: str
    population: list[list[int | float]]
    random: tuple[int, tuple[int, ...], float | None] | None
    log: list[dict[str, float | int | None]]
    plans: list[tuple[Plan, Evaluation]]


@dataclass(frozen=True)
class _File:
    """The search, and the digest that tells whether anybody touched it."""

    __pydantic_config__ = _CONFIG

    sha256: str
    search: _Kept


_FILE, _SEARCH = TypeAdapter(_File), TypeAdapter(_Kept)


def _digest(kept: _Kept) -> str:
    return hashlib.sha256(_SEARCH.dump_json(kept)).hexdigest()


def fingerprint(scenario: Scenario) -> str:
    """Digest of everything that decides what a search finds, but not how long it may go on."""
    genetic = scenario.case.genetic.model_dump(
        exclude={"generations", "time_limit_s", "max_evaluations"}
    )
    data = {
        "genetic": genetic,
        "mode": scenario.case.dispatch_mode,
        "grid": scenario.search_grid,
        "space": scenario.space,
        "horizon": scenario.horizon,
        "settings": scenario.settings,
    }
    return hashlib.sha256(json.dumps(_plain(data), sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Arrays and dataclasses as lists and dictionaries."""
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, complex):
        return [value.real, value.imag]
    return value


class Checkpoint:
    """The checkpoint file of one search.

    Parameters
    ----------
    path : of the file, in the result folder
    """

    def __init__(self, path: Path, scenario: Scenario, method: Method, seed: int) -> None:
        self.path, self.case, self.method = path, scenario.case.name, method
        self.fingerprint = fingerprint(scenario)
        self.seed = 0 if method == "exhaustive" else seed
        self._written, self._took = float("-inf"), 0.0

    def load(self) -> Run[Plan, Evaluation]:
        """Read the run.

        Raises
        ------
        InputError
            The file is damaged, or belongs to another case, search, seed or program.
        """
        try:
            file = _FILE.validate_json(self.path.read_bytes())
        except OSError as error:
            raise self._refused(f"cannot be read: {error.strerror}") from error
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "the file"
            message = f"is damaged, or no checkpoint of this version ({place}: {first['msg']})"
            raise self._refused(message) from error
        kept = file.search
        if file.sha256 != _digest(kept):
            raise self._refused("is damaged: it holds other numbers than were written")
        ours = {
            "case": self.case,
            "seed": self.seed,
            "method": self.method,
            "program": _program(),
        }
        for name, value in ours.items():
            theirs = getattr(kept, name)
            if theirs != value:
                raise self._refused(f"belongs to {name} {_show(theirs)}, not {_show(value)}")
        if kept.fingerprint != self.fingerprint:
            raise self._refused(f"was written before case {self.case} or its network was changed")
        return Run(
            cache=dict(kept.plans),
            log=list(kept.log),
            evaluations=kept.evaluations,
            population=kept.population,
            random=kept.random or (),
            stalled=kept.stalled,
            stopped_because=kept.stopped_because,
        )

    def _refused(self, message: str) -> InputError:
        advice = "start again with --force, or give another --out"
        return InputError([Finding(str(self.path), f"{message}; {advice}")])

    def save(self, run: Run[Plan, Evaluation]) -> None:
        """Write the run: the file is the old one or the new one, never half of it."""
        began = time.perf_counter()
        if self.method == "exhaustive" and began - self._written < self._took / SHARE:
            return
        kept = _Kept(
            format=FORMAT,
            program=_program(),
            case=self.case,
            fingerprint=self.fingerprint,
            method=self.method,
            seed=self.seed,
            evaluations=run.evaluations,
            stalled=run.stalled,
            stopped_because=run.stopped_because,
            population=run.population,
            random=run.random or None,
            log=run.log,
            plans=list(run.cache.items()),
        )
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f".{self.path.name}")
        with fresh.open("wb") as file:
            file.write(_FILE.dump_json(_File(_digest(kept), kept)))
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self.path)
        self._written = time.perf_counter()
        self._took = self._written - began


def _program() -> dict[str, str | None]:
    return {"hybridopt": version("hybridopt"), "ipopt": ipopt_version()}


def _show(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items())
    return str(value)
