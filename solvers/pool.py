"""Where items are evaluated: in processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Protocol, TypeVar

from hybridopt.errors import Finding, InputError
from hybridopt.solvers.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

Item = TypeVar("Item")
Value = TypeVar("Value")

Wanted = int | str | None  # processes (None: one per core), or dask://HOST:PORT
DASK = "dask://"
ANSWER_LIMIT_S = 3.0


class Pool(Protocol[Item, Value]):
    """Applies one function to many items; see :class:`hybridopt.solvers.workers.Workers`."""

    def __enter__(self) -> Pool[Item, Value]: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def map(self, items: Sequence[Item]) -> Iterator[Value]:
        """Values in the order of the items, each as soon as it and those before it are there."""
        ...

    def as_completed(self, items: Sequence[Item]) -> Iterator[tuple[int, Value]]:
        """Positions and values as they come: their order differs from run to run."""
        ...


def pool_of(
    function: Callable[[Item], Value],
    workers: Wanted = None,
    *,
    timeout_s: float | None = None,
    lost: Callable[[Item, str], Value] | None = None,
) -> Pool[Item, Value]:
    """The workers that were asked for; their results are the same.

    Parameters
    ----------
    function, timeout_s, lost : as in :class:`hybridopt.solvers.workers.Workers`
    """
    if isinstance(workers, str):
        from hybridopt.solvers.dask_workers import DaskWorkers

        return DaskWorkers(function, workers, timeout_s=timeout_s, lost=lost)
    return Workers(function, workers or os.cpu_count() or 1, timeout_s=timeout_s, lost=lost)


def read_workers(text: str) -> Wanted:
    """What ``--workers`` asks for.

    Raises
    ------
    ValueError
        It is neither a number of processes nor the address of a scheduler.
    """
    if text.isdecimal() and int(text) > 0:
        return int(text)
    host, colon, port = text.removeprefix(DASK).rpartition(":")
    if text.startswith(DASK) and host and colon and port.isdecimal() and 0 < int(port) < 2**16:
        return text
    message = f"must be a number of processes, 1 or more, or {DASK}HOST:PORT, found {text!r}"
    raise ValueError(message)


def check_workers(workers: Wanted) -> None:
    """Make sure that a cluster that is asked for can be used.

    Raises
    ------
    InputError
        See :func:`hybridopt.solvers.dask_workers.connect`.
    """
    if isinstance(workers, str):
        host, _, port = workers.removeprefix(DASK).rpartition(":")
        try:
            socket.create_connection((host, int(port)), timeout=ANSWER_LIMIT_S).close()
        except OSError as error:
            message = f"nothing answers there ({error.strerror or error}); "
            message += "start a scheduler with: dask scheduler"
            raise InputError([Finding(f"--workers {workers}", message)]) from error
        from hybridopt.solvers.dask_workers import check_cluster

        check_cluster(workers)
