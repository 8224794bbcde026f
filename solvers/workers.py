"""Evaluate many items in this process or in several; the results don't depend on which.

Processes are spawned, so that the same code runs on Linux, macOS and Windows. Each one receives
the picklable function once and keeps it, with whatever it compiles.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

Item = TypeVar("Item")
Value = TypeVar("Value")

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_function: Callable[[Any], Any] | None = None


def _keep(function: Callable[[Any], Any]) -> None:
    global _function  # noqa: PLW0603  (one function per worker process, set by its initialiser)
    _function = function
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave no process behind when the parent was killed and could not stop it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(item: Any) -> Any:
    if _function is None:
        raise RuntimeError("the worker was not initialised")
    return _function(item)


class Workers(Generic[Item, Value]):
    """Applies one function to many items, in order.

    Parameters
    ----------
    function : picklable when there is more than one process
    processes : number of processes; 1 works in this one
    """

    def __init__(self, function: Callable[[Item], Value], processes: int = 1) -> None:
        self.function, self.processes = function, max(1, processes)
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers[Item, Value]:
        """Start the processes."""
        if self.processes > 1:
            for name in ONE_THREAD:  # one process, one BLAS thread; children inherit this
                os.environ.setdefault(name, "1")
            self._pool = ProcessPoolExecutor(
                self.processes,
                mp_context=multiprocessing.get_context("spawn"),
                initializer=_keep,
                initargs=(self.function,),
            )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the processes, at once after an error or Ctrl-C."""
        if self._pool is not None:
            if kind is not None:
                for process in list((self._pool._processes or {}).values()):
                    process.terminate()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self._pool = None

    def map(self, items: Sequence[Item]) -> Iterator[Value]:
        """Values in the order of the items, each as soon as it and those before it are there."""
        if self._pool is None:
            return (self.function(item) for item in items)
        with _ctrl_c_ignored():  # processes start here and inherit this: the parent decides
            return self._pool.map(_call, items)


@contextmanager
def _ctrl_c_ignored() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
