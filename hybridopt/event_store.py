"""Answers to events kept on disk while a sample is worked out, as plain JSON."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from hybridopt.errors import Finding, InputError
from hybridopt.event_day import DayAnswer
from hybridopt.solvers.available import ipopt_version

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = 1
SHARE = 0.05  # of the time that keeping the answers may take
EVERY_S = 0.5


class EventStore:
    """The file of one sample; it is the old one or the new one, never half of it.

    Parameters
    ----------
    owner : what the answers depend on: case, seed, response, digest of the case and its network

    Attributes
    ----------
    answers : by the key of the event
    """

    def __init__(self, path: Path | None, owner: dict[str, Any]) -> None:
        program = {"hybridopt": version("hybridopt"), "ipopt": ipopt_version()}
        self.path, self.owner = path, {"format": FORMAT, "program": program, **owner}
        self.answers: dict[str, DayAnswer] = {}
        self._written, self._took = float("-inf"), 0.0

    def load(self) -> None:
        """Read what was kept.

        Raises
        ------
        InputError
            The file is damaged, or belongs to something else.
        """
        if self.path is None:
            return
        try:
            file = json.loads(self.path.read_text(encoding="utf-8"))
            owner, answers, digest = file["owner"], file["answers"], file["sha256"]
            found = {key: DayAnswer(**value) for key, value in answers.items()}
        except OSError as error:
            raise self._refused(f"cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._refused("is damaged, or not that of a sample") from error
        if digest != _digest(owner, answers):
            raise self._refused("is damaged: it holds other numbers than were written")
        for name, value in self.owner.items():
            theirs = owner.get(name)
            if theirs != value and name == "fingerprint":
                raise self._refused("was written before the case, its plan or network was changed")
            if theirs != value:
                raise self._refused(f"belongs to {name} {theirs}, not {value}")
        self.answers = found

    def _refused(self, message: str) -> InputError:
        advice = "start again with --force, or give another --out"
        return InputError([Finding(str(self.path), f"{message}; {advice}")])

    def add(self, key: str, answer: DayAnswer) -> None:
        """Keep an answer, on disk before long."""
        self.answers[key] = answer
        since = time.perf_counter() - self._written
        if since > max(EVERY_S, self._took / SHARE):
            self.save()

    def save(self) -> None:
        """Write the file now."""
        if self.path is None:
            return
        began = time.perf_counter()
        answers = {key: asdict(answer) for key, answer in self.answers.items()}
        file = {"sha256": _digest(self.owner, answers), "owner": self.owner, "answers": answers}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f".{self.path.name}")
        with fresh.open("w", encoding="utf-8") as out:
            json.dump(file, out)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(self.path)
        self._written = time.perf_counter()
        self._took = self._written - began


def _digest(owner: Any, answers: Any) -> str:
    text = json.dumps([owner, answers], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
