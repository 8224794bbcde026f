"""Values kept on disk while others are worked out, as plain JSON: what a search can go on from."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter

from hybridopt.errors import Finding, InputError
from hybridopt.solvers.available import ipopt_version

if TYPE_CHECKING:
    from pathlib import Path


class _HasStatus(Protocol):
    @property
    def status(self) -> str: ...


Value = TypeVar("Value", bound=_HasStatus)

FORMAT = 1
SHARE = 0.05  # of the time that keeping the values may take
EVERY_S = 0.5


class ValueStore(Generic[Value]):
    """The file of one search; it is the old one or the new one, never half of it.

    Parameters
    ----------
    kind : dataclass of a value
    path : None: nothing is kept
    owner : what the values depend on: case, digest of the case and its network, and so on
    what : what the file is that of, for messages

    Attributes
    ----------
    known : values by their keys
    """

    def __init__(
        self, kind: type[Value], path: Path | None, owner: dict[str, Any], what: str
    ) -> None:
        program = {"hybridopt": version("hybridopt"), "ipopt": ipopt_version()}
        self.path, self.owner = path, {"format": FORMAT, "program": program, **owner}
        self.known: dict[str, Value] = {}
        self._kind, self._what = TypeAdapter(kind), what
        self._written, self._took = float("-inf"), 0.0

    def load(self) -> None:
        """Read what was kept, but for what failed.

        Raises
        ------
        InputError
            The file is damaged, or belongs to something else.
        """
        if self.path is None:
            return
        try:
            file = json.loads(self.path.read_text(encoding="utf-8"))
            owner, values, digest = file["owner"], file["values"], file["sha256"]
            found = {key: self._kind.validate_python(value) for key, value in values.items()}
        except OSError as error:
            raise self._refused(f"cannot be read: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._refused(f"is damaged, or not that of {self._what}") from error
        if digest != _digest(owner, values):
            raise self._refused("is damaged: it holds other numbers than were written")
        for name, value in self.owner.items():
            theirs = owner.get(name)
            if theirs != value and name == "fingerprint":
                raise self._refused("was written before the case, its plan or network was changed")
            if theirs != value:
                raise self._refused(f"belongs to {name} {theirs}, not {value}")
        # What failed is tried again: a process may have been lost, or its time limit too short.
        self.known = {key: value for key, value in found.items() if value.status != "failed"}

    def _refused(self, message: str) -> InputError:
        advice = "start again with --force, or give another --out"
        return InputError([Finding(str(self.path), f"{message}; {advice}")])

    def add(self, key: str, value: Value) -> None:
        """Keep a value, on disk before long."""
        self.known[key] = value
        since = time.perf_counter() - self._written
        if since > max(EVERY_S, self._took / SHARE):
            self.save()

    def save(self) -> None:
        """Write the file now."""
        if self.path is None:
            return
        began = time.perf_counter()
        values = {key: asdict(value) for key, value in self.known.items()}  # type: ignore[call-overload]
        file = {"sha256": _digest(self.owner, values), "owner": self.owner, "values": values}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        fresh = self.path.with_name(f".{self.path.name}")
        with fresh.open("w", encoding="utf-8") as out:
            json.dump(file, out)
            out.flush()
            os.fsync(out.fileno())
        fresh.replace(self.path)
        self._written = time.perf_counter()
        self._took = self._written - began


def _digest(owner: Any, values: Any) -> str:
    text = json.dumps([owner, values], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
