"""Errors that a caller can catch, all under one root and all picklable."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


class HybridoptError(Exception):
    """Anything that this package raises on purpose."""


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with the input.

    Attributes
    ----------
    place : where it stands, such as ``case.toml:14 [resources.dg] power_factor``
    message : what is wrong and what was found, such as ``must lie in (0, 1], found 1.3``
    """

    place: str
    message: str

    def __str__(self) -> str:
        """Give the finding as one line."""
        return f"{self.place}: {self.message}" if self.place else self.message


class InputError(HybridoptError):
    """Bad input; carries every finding, not only the first.

    Parameters
    ----------
    findings : at least one, in the order in which they are to be read
    """

    def __init__(self, findings: Iterable[Finding]) -> None:
        self.findings = list(findings)
        if not self.findings:
            raise ValueError("an InputError needs at least one finding")
        super().__init__(self.findings)

    def __str__(self) -> str:
        """List every finding, one per line."""
        return "\n".join(str(finding) for finding in self.findings)


class SolverUnavailableError(HybridoptError):
    """A solver or a library it needs is missing.

    Parameters
    ----------
    what : what is missing, such as ``Ipopt's ASL library``
    command : the command that mends it, such as ``make setup``
    """

    def __init__(self, what: str, command: str) -> None:
        super().__init__(what, command)
        self.what = what
        self.command = command

    def __str__(self) -> str:
        """Say what is missing and the command that mends it."""
        return f"{self.what} is not available; to mend it: {self.command}"


class NoSolutionError(HybridoptError):
    """The grid itself has no feasible point, even with all load shed.

    Parameters
    ----------
    limit : the limit that cannot be met, such as
        ``hour 19, bus 17: voltage short by 0.013 pu``
    """

    def __init__(self, limit: str) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        """Say which limit cannot be met."""
        return f"no feasible point: {self.limit}"


class StoppedError(HybridoptError):
    """Ctrl-C (or SIGTERM) ended work that can be gone on with; says how."""


def collect(*steps: Callable[[], Any]) -> list[Any]:
    """Do every step, and raise what is wrong in all of them together.

    Raises
    ------
    InputError
        With the findings of every step that raised one.
    """
    results, findings = [], []
    for step in steps:
        try:
            results.append(step())
        except InputError as error:
            findings += error.findings
    if findings:
        raise InputError(findings)
    return results
