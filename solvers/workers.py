"""Evaluate many items in this process or in several; the results don't depend on which.

Processes are spawned, so that the same code runs on Linux, macOS and Windows. Each one receives
the picklable function once and keeps it, with whatever it compiles. Each has a pipe of its own
and no lock is shared: a process may be killed at any moment without holding up the others.
"""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hybridopt.errors import HybridoptError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from multiprocessing.context import SpawnProcess
    from types import TracebackType

Item = TypeVar("Item")
Value = TypeVar("Value")

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
START_LIMIT_S = 300.0  # for starting Python and importing what the function needs
MOST_FAILED_STARTS = 5  # in a row
LONGEST_WAIT_S = 1.0  # Windows notices Ctrl-C between waits only
STOP_LIMIT_S = 5.0  # for an idle process to end by itself


class WorkerLostError(HybridoptError):
    """An item cost two worker processes, or no worker process could be started.

    Parameters
    ----------
    reason : such as ``its worker process died twice``
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass
class _Worker:
    """A process, its pipe, the position of its item in the batch, and when it must be done."""

    process: SpawnProcess
    pipe: Connection
    deadline: float
    ready: bool = False
    task: int | None = None


@dataclass
class _Batch:
    """Items of one call: those that wait, what is known of the others.

    Attributes
    ----------
    answers : by position, (True, value) or (False, the exception to raise)
    lost_once : by position, what became of its first worker
    """

    items: list[Any]
    waiting: deque[int]
    answers: dict[int, tuple[bool, Any]] = field(default_factory=dict)
    lost_once: dict[int, str] = field(default_factory=dict)


class Workers(Generic[Item, Value]):
    """Applies one function to many items, in order.

    A process that dies or takes too long is replaced and its item tried once more.

    Parameters
    ----------
    function : picklable when there is more than one process; an exception it raises is raised
        by `map` where the item's value would be
    processes : number of processes; 1 works in this one, without a time limit
    timeout_s : longest time for one item, s; its process is killed then
    lost : makes the value of an item, and of the reason, when a second process was lost on it;
        without it WorkerLostError is raised
    """

    def __init__(
        self,
        function: Callable[[Item], Value],
        processes: int = 1,
        *,
        timeout_s: float | None = None,
        lost: Callable[[Item, str], Value] | None = None,
    ) -> None:
        self.function, self.processes = function, max(1, processes)
        self.timeout_s, self.lost = timeout_s, lost
        self._open = False
        self._workers: list[_Worker] = []
        self._batch: _Batch | None = None
        self._failed_starts = 0

    def __enter__(self) -> Workers[Item, Value]:
        """Allow processes, which start with the first items."""
        self._open = self.processes > 1
        if self._open:
            for name in ONE_THREAD:  # one process, one BLAS thread; children inherit this
                os.environ.setdefault(name, "1")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop the processes, at once after an error or Ctrl-C."""
        self._open, self._batch = False, None
        for worker in self._workers:
            if kind is not None or worker.task is not None or not worker.ready:
                worker.process.kill()
            worker.pipe.close()  # an idle process ends when its pipe does
        for worker in self._workers:
            worker.process.join(STOP_LIMIT_S)
            if worker.process.is_alive():
                worker.process.kill()
        self._workers.clear()

    def map(self, items: Sequence[Item]) -> Iterator[Value]:
        """Values in the order of the items, each as soon as it and those before it are there.

        A new call ends one that was not read to its end.
        """
        if not self._open:
            return (self.function(item) for item in items)
        batch = self._begin(items)
        return (value for _, value in self._answers(batch, range(len(items))))

    def as_completed(self, items: Sequence[Item]) -> Iterator[tuple[int, Value]]:
        """Positions and values as they come: their order differs from run to run.

        A new call ends one that was not read to its end.
        """
        if not self._open:
            return enumerate(self.function(item) for item in items)
        batch = self._begin(items)
        return self._answers(batch, self._completed(batch))

    def _begin(self, items: Sequence[Item]) -> _Batch:
        self._abandon()
        batch = self._batch = _Batch(list(items), deque(range(len(items))))
        self._feed(batch)
        return batch

    def _check(self, batch: _Batch) -> None:
        if self._batch is not batch:
            raise RuntimeError("these workers have gone on to other items, or are closed")

    def _completed(self, batch: _Batch) -> Iterator[int]:
        """Positions of the items, each when its answer is there."""
        left = len(batch.items)
        while left:
            while not batch.answers:
                self._check(batch)
                self._step(batch, LONGEST_WAIT_S)
            left -= 1
            yield next(iter(batch.answers))

    def _answers(self, batch: _Batch, positions: Iterable[int]) -> Iterator[tuple[int, Value]]:
        try:
            for i in positions:
                self._check(batch)
                self._step(batch, 0.0)  # keeps the processes busy while values are read
                while i not in batch.answers:
                    self._step(batch, LONGEST_WAIT_S)
                good, value = batch.answers.pop(i)
                if not good:
                    raise value
                yield i, value
        finally:
            if self._batch is batch:
                self._abandon()

    def _abandon(self) -> None:
        """Forget the present batch; a process still at work on it is ended."""
        self._batch = None
        for worker in [w for w in self._workers if w.task is not None]:
            self._end(worker)

    def _step(self, batch: _Batch, patience_s: float) -> None:
        """Wait for the next message, death or deadline, and hand out items."""
        self._feed(batch)
        due = [w.deadline for w in self._workers if w.task is not None or not w.ready]
        if not due:
            return
        left = max(0.0, min(due) - time.monotonic())
        said = wait([w.pipe for w in self._workers], min(left, patience_s))
        now = time.monotonic()
        for worker in list(self._workers):
            if worker.pipe in said:
                self._hear(worker, batch)
            elif now > worker.deadline:
                limit = self.timeout_s if worker.ready else START_LIMIT_S
                self._replace(worker, f"took longer than {limit:g} s", batch)
        self._feed(batch)

    def _feed(self, batch: _Batch) -> None:
        """Give waiting items to idle processes; start processes as long as there is work."""
        for worker in list(self._workers):
            if batch.waiting and worker.ready and worker.task is None:
                task = batch.waiting.popleft()
                try:
                    worker.pipe.send(batch.items[task])
                except OSError:  # it died idle: no fault of the item
                    batch.waiting.appendleft(task)
                    self._end(worker)
                else:
                    worker.task, worker.deadline = task, self._deadline()
        busy = sum(w.task is not None for w in self._workers)
        while len(self._workers) < min(self.processes, busy + len(batch.waiting)):
            self._start()

    def _deadline(self) -> float:
        limit = float("inf") if self.timeout_s is None else self.timeout_s
        return time.monotonic() + limit

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self.function), daemon=True)
        with _ctrl_c_ignored():  # the process inherits this: the parent decides
            process.start()
        theirs.close()  # so that the pipe ends with the process
        deadline = time.monotonic() + START_LIMIT_S
        self._workers.append(_Worker(process, ours, deadline))

    def _hear(self, worker: _Worker, batch: _Batch) -> None:
        try:
            message = worker.pipe.recv_bytes()
        except (EOFError, OSError):
            self._replace(worker, "its worker process died", batch)
            return
        if worker.task is not None:
            try:
                batch.answers[worker.task] = pickle.loads(message)  # noqa: S301  (our own child's)
            except Exception as error:  # noqa: BLE001  (raised where the value would be)
                batch.answers[worker.task] = (False, error)
        worker.ready, worker.task, worker.deadline = True, None, float("inf")
        self._failed_starts = 0

    def _replace(self, worker: _Worker, what: str, batch: _Batch) -> None:
        """End a process that died or hangs, and settle what becomes of its item."""
        self._end(worker)
        code, task = worker.process.exitcode, worker.task
        if task is None:
            self._failed_starts += not worker.ready
            if self._failed_starts >= MOST_FAILED_STARTS:
                message = f"worker processes end as they start (exit code {code})"
                advice = 'a script must begin its work under `if __name__ == "__main__":`'
                raise WorkerLostError(f"{message}; {advice}, for each process imports it")
        elif task not in batch.lost_once:
            batch.lost_once[task] = what
            batch.waiting.appendleft(task)
        else:
            first = batch.lost_once[task]
            reason = f"{what} twice" if first == what else f"{first}, then {what}"
            if self.lost is None:
                batch.answers[task] = (False, WorkerLostError(reason))
            else:
                batch.answers[task] = (True, self.lost(batch.items[task], reason))

    def _end(self, worker: _Worker) -> None:
        worker.process.kill()
        worker.process.join(STOP_LIMIT_S)
        worker.pipe.close()
        self._workers.remove(worker)


def _serve(pipe: Connection, function: Callable[[Any], Any]) -> None:
    """Work of a process: answer items until the pipe ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    with suppress(EOFError, OSError):
        pipe.send_bytes(b"")  # ready
        while True:
            pipe.send_bytes(answer(function, pipe.recv()))


def answer(function: Callable[[Any], Any], item: Any) -> bytes:
    """(True, value) or (False, exception), pickled."""
    try:
        return pickle.dumps((True, function(item)))
    except Exception as error:  # noqa: BLE001  (raised in the parent instead)
        text = traceback.format_exc()
        error.add_note(f"in a worker process:\n{text}")
        try:
            message = pickle.dumps((False, error))
            pickle.loads(message)  # noqa: S301  (not every exception survives this)
        except Exception:  # noqa: BLE001
            return pickle.dumps((False, RuntimeError(text)))
        return message


def _end_with_parent() -> None:
    """Leave no process behind when the parent was killed and could not stop it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


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
