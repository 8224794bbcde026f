"""Ctrl-C and SIGTERM: end what is going on, and say so again if nobody heard."""

from __future__ import annotations

import signal
import threading
from typing import NoReturn

AGAIN_AFTER_S = 3  # Python drops an exception that is raised inside a finaliser


def listen() -> None:
    """Turn SIGINT and SIGTERM into KeyboardInterrupt (in the main thread, else do nothing)."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _stop)
        signal.signal(signal.SIGINT, _stop)


def heard() -> None:
    """Say that the interruption arrived: it won't be repeated."""
    _repeat(0)


def _stop(*_: object) -> NoReturn:
    _repeat(AGAIN_AFTER_S)
    raise KeyboardInterrupt


def _repeat(seconds: float) -> None:
    """Stop the command every so often (0: no more); not on Windows, which has no such timer."""
    if hasattr(signal, "setitimer") and threading.current_thread() is threading.main_thread():
        if seconds:
            signal.signal(signal.SIGALRM, _stop)
        signal.setitimer(signal.ITIMER_REAL, seconds)
