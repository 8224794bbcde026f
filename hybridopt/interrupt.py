"""Ctrl-C and SIGTERM: end what is going on, and say so again if nobody heard."""

from __future__ import annotations

import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from hybridopt.errors import StoppedError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

AGAIN_AFTER_S = 3  # Python drops an exception that is raised inside a finaliser


def listen() -> None:
    """Turn SIGINT and SIGTERM into KeyboardInterrupt (in the main thread, else do nothing)."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)
        signal.signal(signal.SIGINT, _stop)


def heard() -> None:
    """Say that the interruption arrived: it won't be repeated."""
    _repeat(0)


@contextmanager
def resumable(keep: Path | None, what: str) -> Iterator[None]:
    """Have Ctrl-C say how to go on, if the file ``keep`` is there with ``what`` was done.

    Raises
    ------
    StoppedError
        After Ctrl-C, with something kept.
    KeyboardInterrupt
        After Ctrl-C, with nothing kept.
    """
    try:
        yield
    except KeyboardInterrupt:
        if keep is None or not keep.exists():
            raise
        heard()
        advice = "To go on, give the same command with --resume (and without --force)."
        raise StoppedError(f"Interrupted; {keep.parent} keeps {what}. {advice}") from None


def _stop(*_: object) -> NoReturn:
    _repeat(AGAIN_AFTER_S)
    raise KeyboardInterrupt


def _repeat(seconds: float) -> None:
    """Stop the command every so often (0: no more); not on Windows, which has no such timer."""
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        if seconds:
            signal.signal(signal.SIGALRM, _stop)
        signal.setitimer(signal.ITIMER_REAL, seconds)
