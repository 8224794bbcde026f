"""Evaluate items on the workers of a Dask cluster; the results are those of this machine.

Each worker receives the picklable function once, with whatever it compiles. An item whose worker
dies is given to another by Dask, and is lost when that has happened twice as often as the scheduler
allows (``distributed.scheduler.allowed-failures``). In one process items are taken one after the
other, for neither Ipopt nor compiled models may be shared: give each worker one thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pickle
import threading
import time
import uuid
import warnings
from importlib.metadata import version
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from distributed import CancelledError, Client, Future, KilledWorker, Worker, get_worker, rpc
from distributed.diagnostics.plugin import WorkerPlugin

from hybridopt.errors import Finding, HybridoptError, InputError
from hybridopt.solvers.available import ipopt_version
from hybridopt.solvers.pool import DASK
from hybridopt.solvers.workers import WorkerLostError, answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from types import TracebackType

Item = TypeVar("Item")
Value = TypeVar("Value")

CONNECT_LIMIT_S = 5.0  # for the scheduler to answer
FIRST_WORKER_LIMIT_S = 3.0  # for a first worker to be there
ALONE_LIMIT_S = 300.0  # without any worker in the middle of a run
LONGEST_WAIT_S = 1.0  # between two looks at the cluster


def connect(text: str) -> Client:
    """A client of a scheduler that has workers of this version.

    Raises
    ------
    InputError
        There is no scheduler within :data:`CONNECT_LIMIT_S`, it has no workers, or one of them
        cannot run this program.
    """
    address = text.replace(DASK, "tcp://", 1)
    place = f"--workers {text}"
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is said here
    try:
        asyncio.run(asyncio.wait_for(_identity(address), CONNECT_LIMIT_S))
        client = Client(address, timeout=CONNECT_LIMIT_S, set_as_default=False, name="hybridopt")
    except Exception as error:
        message = "what answers there is no Dask scheduler; start one with: dask scheduler"
        raise InputError([Finding(place, message)]) from error
    try:
        _check_workers(client, place, address)
    except BaseException:
        _close(client)
        raise
    return client


async def _identity(address: str) -> None:
    """Ask a scheduler who it is; a client that fails in this leaves threads behind."""
    async with rpc(address) as scheduler:
        if (await scheduler.identity())["type"] != "Scheduler":
            raise ValueError(address)


def check_cluster(text: str) -> None:
    """Make sure that a cluster can be used.

    Raises
    ------
    InputError
        See :func:`connect`.
    """
    _close(connect(text))


def _check_workers(client: Client, place: str, address: str) -> None:
    start = f"dask worker {address} --nthreads 1"
    try:
        client.wait_for_workers(1, timeout=FIRST_WORKER_LIMIT_S)
    except TimeoutError as error:
        message = f"the scheduler has no workers; start some with: {start}"
        raise InputError([Finding(place, message)]) from error
    ours = program()
    try:
        theirs = client.run(program)
    except Exception as error:
        message = f"its workers cannot run hybridopt ({_first_line(error)}); install "
        message += f"hybridopt {ours['hybridopt']} for them, and start them again"
        raise InputError([Finding(place, message)]) from error
    findings = [
        Finding(place, f"worker {worker} has {_listed(found)}, here are {_listed(ours)}")
        for worker, found in sorted(theirs.items())
        if found != ours
    ]
    if findings:
        raise InputError(findings)


def program() -> dict[str, str | None]:
    """Versions on which numbers depend."""
    return {"hybridopt": version("hybridopt"), "ipopt": ipopt_version()}


def _listed(versions: dict[str, str | None]) -> str:
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def _close(client: Client) -> None:
    with contextlib.suppress(Exception):
        client.close(timeout=LONGEST_WAIT_S)


class _Function(WorkerPlugin):  # type: ignore[misc]
    """What each worker keeps: the function, unpickled there at the first item."""

    def __init__(self, function: Callable[[Any], Any], timeout_s: float | None) -> None:
        self.pickled, self.timeout_s = pickle.dumps(function), timeout_s

    def setup(self, worker: Worker) -> None:
        """Called by Dask where the worker starts, or learns of the function."""
        del worker
        self.lock = threading.Lock()
        self.function: Callable[[Any], Any] | None = None

    def __call__(self, pickled: bytes) -> bytes:
        with self.lock:
            if self.function is None:
                self.function = pickle.loads(self.pickled)  # noqa: S301  (our own)
            with _time_limit(self.timeout_s):
                return answer(self.function, pickle.loads(pickled))  # noqa: S301  (our own)


@contextlib.contextmanager
def _time_limit(timeout_s: float | None) -> Iterator[None]:
    """End the process, which Dask starts again, when an item takes longer."""
    if timeout_s is None:
        yield
        return
    timer = threading.Timer(timeout_s, os._exit, (1,))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _apply(name: str, pickled: bytes) -> bytes:
    """What a worker does with an item."""
    found: bytes = get_worker().plugins[name](pickled)
    return found


class DaskWorkers(Generic[Item, Value]):
    """Applies one function to many items, in order, on a cluster.

    Parameters
    ----------
    function : picklable; an exception it raises is raised by `map` where the item's value would be
    address : dask://HOST:PORT
    timeout_s : longest time for one item, s; its process is ended then
    lost : makes the value of an item, and of the reason, when Dask gives it up; without it
        WorkerLostError is raised
    """

    def __init__(
        self,
        function: Callable[[Item], Value],
        address: str,
        *,
        timeout_s: float | None = None,
        lost: Callable[[Item, str], Value] | None = None,
    ) -> None:
        self.function, self.address, self.timeout_s, self.lost = function, address, timeout_s, lost
        self.name = f"hybridopt-{uuid.uuid4()}"
        self._client: Client | None = None
        self._batch: list[Future] = []
        self._alone_since: float | None = None

    def __enter__(self) -> DaskWorkers[Item, Value]:
        """Connect, and send the function.

        Raises
        ------
        InputError
            See :func:`connect`.
        """
        function = _Function(self.function, self.timeout_s)
        self._client = connect(self.address)
        self._client.register_plugin(function, name=self.name)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Give up what is not done, and leave."""
        client, self._client = self._client, None
        if client is None:
            return
        with contextlib.suppress(Exception):
            client.cancel(self._batch, force=True)
        self._batch = []
        with contextlib.suppress(Exception):
            client.unregister_worker_plugin(self.name)
        _close(client)

    def map(self, items: Sequence[Item]) -> Iterator[Value]:
        """Values in the order of the items, each as soon as it and those before it are there.

        A new call ends one that was not read to its end.
        """
        if self._client is None:
            return (self.function(item) for item in items)
        batch = self._begin(self._client, items)
        return (value for _, value in self._values(items, batch, range(len(items))))

    def as_completed(self, items: Sequence[Item]) -> Iterator[tuple[int, Value]]:
        """Positions and values as they come: their order differs from run to run.

        A new call ends one that was not read to its end.
        """
        if self._client is None:
            return enumerate(self.function(item) for item in items)
        batch = self._begin(self._client, items)
        return self._values(items, batch, self._completed(batch))

    def _begin(self, client: Client, items: Sequence[Item]) -> list[Future]:
        client.cancel(self._batch)
        batch = self._batch = self._submit(client, items)
        return batch

    def _submit(self, client: Client, items: Sequence[Item]) -> list[Future]:
        pickled = [pickle.dumps(item) for item in items]
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")
            sent: list[Future] = client.map(
                _apply, [self.name] * len(items), pickled, pure=False, retries=0
            )
        return sent

    def _check(self, batch: list[Future]) -> None:
        if self._batch is not batch:
            raise RuntimeError("these workers have gone on to other items, or are closed")

    def _completed(self, batch: list[Future]) -> Iterator[int]:
        """Positions of the items, each when its answer is there."""
        done: SimpleQueue[int] = SimpleQueue()
        for k, future in enumerate(batch):
            future.add_done_callback(lambda _, k=k: done.put(k))
        left = set(range(len(batch)))
        while left:
            self._check(batch)
            try:
                k = done.get(timeout=LONGEST_WAIT_S)
            except Empty:  # is there still anybody at work?
                with contextlib.suppress(KilledWorker):
                    self._look(batch[next(iter(left))])
                continue
            left.remove(k)
            yield k

    def _values(
        self, items: Sequence[Item], batch: list[Future], positions: Iterable[int]
    ) -> Iterator[tuple[int, Value]]:
        for k in positions:
            self._check(batch)
            try:
                found = self._value(batch[k])
            except KilledWorker:
                found = self._second_try(items[k], batch, k)
            yield k, found
            batch[k].release()

    def _second_try(self, item: Item, batch: list[Future], k: int) -> Value:
        """The value of an item that Dask gave up, perhaps only for waiting behind another one.

        Dask holds the death of a worker against every item that it had, at work or waiting. The
        one that killed it has been given up as well by now, and isn't tried again beside this one.
        """
        if self._client is None:
            raise HybridoptError(f"the Dask scheduler {self.address} is gone")
        (batch[k],) = self._submit(self._client, [item])
        try:
            return self._value(batch[k])
        except KilledWorker as error:
            reason = "its worker process died or took too long, again and again"
            if self.lost is None:
                raise WorkerLostError(reason) from error
            return self.lost(item, reason)

    def _value(self, future: Future) -> Value:
        said = None
        while said is None:
            said = self._look(future)
        good, value = pickle.loads(said)  # noqa: S301  (our own worker's)
        if not good:
            raise value
        found: Value = value
        return found

    def _look(self, future: Future) -> bytes | None:
        """The answer of a worker; None if it hasn't come after :data:`LONGEST_WAIT_S`.

        Raises
        ------
        HybridoptError
            The scheduler is gone, or has had no workers for :data:`ALONE_LIMIT_S`.
        """
        try:
            found: bytes = future.result(timeout=LONGEST_WAIT_S)
        except KilledWorker:
            raise
        except (TimeoutError, CancelledError) as error:
            if future.cancelled() or future.status == "lost" or self._client is None:
                raise HybridoptError(f"the Dask scheduler {self.address} is gone") from error
            now = time.monotonic()
            self._alone_since = None if self._n_workers() else self._alone_since or now
            if self._alone_since and now - self._alone_since > ALONE_LIMIT_S:
                message = f"the Dask scheduler {self.address} has no workers any more"
                raise HybridoptError(message) from error
            return None
        self._alone_since = None
        return found

    def _n_workers(self) -> int:
        return 0 if self._client is None else len(self._client.scheduler_info()["workers"])
