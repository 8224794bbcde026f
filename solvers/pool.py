"""Where items are evaluated: in processes of this machine, or on a Dask cluster."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol, TypeVar

from hybridopt.solvers.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

Item = TypeVar("Item")
Value = TypeVar("Value")

Wanted = int | str | None  # processes (None: one per core), or dask://HOST:PORT


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
        raise NotImplementedError(workers)
    return Workers(function, workers or os.cpu_count() or 1, timeout_s=timeout_s, lost=lost)
