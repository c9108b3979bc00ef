"""Tasks are computed in lanes: processes of this machine, or a cluster (``dask.py``). A lane takes
tasks and computes them in the order in which it got them. One whose process died goes on with the
next task; the task at which it died is tried once more, alone: then no other one is to blame."""

from __future__ import annotations

import atexit
import multiprocessing
import os
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import contextmanager, nullcontext, suppress
from copy import copy
from dataclasses import dataclass
from itertools import count
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.process import BaseProcess
from types import ModuleType
from typing import Any, ClassVar, Generic, TypeVar, cast

from typing_extensions import override

from ..config.errors import Failed
from .files import postponed

Item = TypeVar("Item")
Result = TypeVar("Result")
Share = Callable[[float], None]  # called by a task with the share of its work that is done, 0 to 1
Task = Callable[[Item, Share], Result]
TRIES = 2  # how often a task is started whose process dies
LOOK = 0.5  # seconds between two looks at how far the running tasks are


def tell_nobody(*_: object) -> None:
    """Progress and remarks that nobody wants to hear of."""


class Lane(ABC):
    """Takes tasks, and computes them in the order in which it got them."""

    # whether a death loses all tasks of the lane, so that only the oldest of the lost ones is to
    # blame; otherwise each lost task is known to have been computed
    blames_one: ClassVar[bool] = True

    @abstractmethod
    def slots(self) -> int:
        """Tasks that it computes at the same time."""

    @abstractmethod
    def submit(self, task: Task[Item, Result], item: Item) -> Future[Result]:
        """Take a task; fails with an error of :meth:`is_death` if the process is not there."""

    @abstractmethod
    def is_death(self, error: BaseException | None) -> bool:
        """Whether a task failed with this error because the process died that computed it."""

    @abstractmethod
    def revive(self) -> str:
        """After a death: drop all tasks, be ready for new ones, and say why the process died."""

    def share(self) -> float:
        """The share that is done of the tasks being computed; the sum, if there are several."""
        return 0.0


@dataclass(frozen=True)
class Died:
    """In place of a result: the process died each time it computed this task."""

    reason: str


def map_unordered(
    task: Task[Item, Result],
    items: Iterable[Item],
    lanes: Sequence[Lane],
    progress: Callable[[float], None] = tell_nobody,
) -> Iterator[tuple[Item, Result | Died]]:
    """Compute ``task`` for every item, started in this order; each is given when it is there.
    A task is a function of a module, if there are lanes; without any, all is computed here, one
    after the other. A lane holds its running tasks and at most as many that wait for them to end.
    ``progress`` is called with the tasks done, parts of running ones too. Raises as tasks do."""
    if lanes:
        yield from _Work(task, items, lanes, progress).results()
        return
    done = 0

    def tell(share: float) -> None:
        progress(done + share)

    for item in items:
        yield item, task(item, tell)
        done += 1
        tell(0.0)


@dataclass
class _Attempt(Generic[Item]):
    item: Item
    deaths: int = 0


class _Work(Generic[Item, Result]):
    """Tasks that wait, and those that lanes have; the oldest of a lane comes first."""

    def __init__(
        self,
        task: Task[Item, Result],
        items: Iterable[Item],
        lanes: Sequence[Lane],
        progress: Callable[[float], None],
    ) -> None:
        self.task = task
        self.waiting = deque(_Attempt(item) for item in items)
        self.suspects = deque[_Attempt[Item]]()
        self.taken: dict[Lane, dict[Future[Result], _Attempt[Item]]] = {lane: {} for lane in lanes}
        self.progress = progress
        self.found = list[tuple[Item, Result | Died]]()  # and not given to the caller yet
        self.done, self.told = 0, 0.0

    def results(self) -> Iterator[tuple[Item, Result | Died]]:
        self._hand_out()
        while futures := [future for taken in self.taken.values() for future in taken]:
            wait(futures, LOOK, FIRST_COMPLETED)
            self.found += [pair for lane in self.taken for pair in self._collect(lane)]
            self._hand_out()  # before the caller looks at the results, so that nobody waits for it
            for done, pair in enumerate(self.found, start=self.done + 1):
                yield pair
                self.done = done
            self.found.clear()
            # never back: a task that has ended has no share while its answer is on its way
            self.told = max(self.told, self.done + sum(lane.share() for lane in self.taken))
            self.progress(self.told)

    def _hand_out(self) -> None:
        """One task for every free slot; then one to come next, unless few are left."""
        slots = {lane: lane.slots() for lane in self.taken}
        for ahead in (1, 2):
            for lane, taken in self.taken.items():
                least = 0 if ahead == 1 else sum(slots.values())  # a short queue is left to all
                while len(self.waiting) > least and len(taken) < ahead * slots[lane]:
                    self._give(lane, self.waiting.popleft())
        for lane, taken in self.taken.items():
            if self.suspects and not self.waiting and not taken:
                self._give(lane, self.suspects.popleft())

    def _give(self, lane: Lane, attempt: _Attempt[Item]) -> None:
        while True:
            try:
                future = lane.submit(self.task, attempt.item)
            except Exception as error:
                if not lane.is_death(error):
                    raise
                if self.taken[lane]:  # lost, or about to be: the oldest is to blame, not this one
                    self.found += self._collect(lane)
                else:  # died while it had nothing to do
                    lane.revive()
            else:
                self.taken[lane][future] = attempt
                return

    def _collect(self, lane: Lane) -> Iterator[tuple[Item, Result | Died]]:
        """The finished tasks of a lane; of those lost in a death, the oldest is to blame."""
        taken = self.taken[lane]
        done, reason = [future for future in taken if future.done()], ""
        if any(lane.is_death(future.exception()) for future in done):
            reason = lane.revive()
            done = [future for future in taken if future.done()]  # all that the death has lost
        lost = []
        for future in done:
            attempt = taken.pop(future)
            if (error := future.exception()) is None:
                yield attempt.item, future.result()
            elif not lane.is_death(error):
                raise error
            else:
                lost.append(attempt)
        blamed = lost[:1] if lane.blames_one else lost
        for attempt in blamed:
            attempt.deaths += 1
            if attempt.deaths == TRIES:
                yield attempt.item, Died(reason)
            else:
                self.suspects.append(attempt)
        self.waiting.extendleft(reversed(lost[len(blamed) :]))


# A process holds one end of a pipe, and this process the other. The pipe carries the share that is
# done of the running task; when it closes, however that happens, the process at its end exits.

# what a process needs for its first cell
PRELOADED = [
    "erasurehead.experiments.run.compute",
    "erasurehead.experiments.run.lanes",
    "sklearn.model_selection",
]
PAUSE = 0.2  # seconds between two messages of a process about its share, and two attempts to start
ENDING = 5.0  # seconds that a process may take to end
STARTS = 5  # how often a process is started whose server dies
SERVER = "forkserver" in multiprocessing.get_all_start_methods()


def prepare() -> None:
    """Start the server, if this system can have one, and return at once: it imports meanwhile."""
    if SERVER:
        multiprocessing.set_forkserver_preload(PRELOADED)
        with undisturbed(), postponed():
            forkserver.ensure_running()


@atexit.register
def _unlink_address() -> None:
    """As the server ends: its command may have been killed, and then leaves the address behind."""
    server: Any = vars(forkserver)["_forkserver"]
    address = server._forkserver_address
    if server._forkserver_pid is None and isinstance(address, str) and os.path.isabs(address):
        with suppress(OSError):
            os.unlink(address)
            os.rmdir(os.path.dirname(address))


@contextmanager
def served() -> Iterator[None]:
    """Processes start within. Raises Failed: the server that they are forked from has died."""
    try:
        yield
    except (ConnectionError, EOFError):
        raise Failed(
            "the process died that worker processes are forked from; run the same command again"
        ) from None


@contextmanager
def open_lanes(jobs: int) -> Iterator[Sequence[Lane]]:
    """Until this context ends, lanes of this machine; for one job none: compute right here."""
    if jobs > 1:
        prepare()
    lanes = [ProcessLane() for _ in range(jobs)] if jobs > 1 else []
    try:
        yield lanes
    finally:
        for lane in lanes:
            lane.close()


class ProcessLane(Lane):
    """One process, started with its first task and replaced by a new one when it dies."""

    def __init__(self) -> None:
        self._open()

    def _open(self) -> None:
        self._line, far_end = multiprocessing.Pipe()
        self._share = 0.0
        self._process: BaseProcess | None = None
        self._far_end: connection.Connection | None = far_end
        context: Any = copy(multiprocessing.get_context("forkserver" if SERVER else "spawn"))
        make = context.Process

        def kept(*args: Any, **options: Any) -> BaseProcess:
            """The process that the executor asks for: it knows why it died."""
            self._process = process = cast(BaseProcess, make(*args, **options))
            return process

        context.Process = kept
        self._executor = ProcessPoolExecutor(1, context, _begin, (far_end,))

    @override
    def slots(self) -> int:
        return 1

    @override
    def submit(self, task: Task[Item, Result], item: Item) -> Future[Result]:
        if self._far_end is None:
            return self._executor.submit(_call, task, item)
        for attempt in count(1):
            try:
                with without_main(), undisturbed() if SERVER else nullcontext(), served():
                    future = self._executor.submit(_call, task, item)
                break
            except Failed:  # a new server starts in a moment
                if attempt == STARTS:
                    raise
                time.sleep(PAUSE)
                self.revive()
        self._far_end.close()  # the process has its own
        self._far_end = None
        # The executor keeps the end into which answers are written, too, though it never writes.
        # When the process dies in the middle of an answer, the executor would then wait for the
        # rest for ever, instead of an end of file.
        writer = getattr(getattr(self._executor, "_result_queue", None), "_writer", None)
        if isinstance(writer, connection.Connection):
            writer.close()
        return future

    @override
    def is_death(self, error: BaseException | None) -> bool:
        return isinstance(error, BrokenExecutor)

    @override
    def revive(self) -> str:
        self._executor.shutdown()
        code = None if self._process is None else self._process.exitcode
        self.close()
        self._open()
        if code is None or code >= 0:
            return "the worker process died"
        hint = ": out of memory?" if code == -9 else ""
        return f"the worker process died (signal {-code}){hint}"

    @override
    def share(self) -> float:
        try:
            while self._line.poll():
                self._share = self._line.recv()
        except (OSError, EOFError):  # died; the executor will say so
            self._share = 0.0
        return self._share

    def close(self) -> None:
        """End the process, whatever it is doing."""
        manager = getattr(self._executor, "_executor_manager_thread", None)
        self._executor.shutdown(wait=False, cancel_futures=True)
        self._line.close()
        if self._far_end is not None:
            self._far_end.close()
        # It closes pipes that the interpreter writes to when it ends, with a traceback if it comes
        # between. A process that somebody has stopped is not waited for.
        if isinstance(manager, threading.Thread):
            manager.join(ENDING)


@contextmanager
def without_main() -> Iterator[None]:
    """A process that starts within this context does not import the main script once more. Tasks
    are of this package, so a script that starts a sweep needs no ``if __name__ == "__main__"``."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def undisturbed() -> Iterator[None]:
    """What starts within this context never hears of Ctrl-C, which is the command's business.
    The process that the standard library starts beside the server, to remove what a killed command
    left behind, does so without a warning."""
    before = os.environ.get("PYTHONWARNINGS")
    os.environ["PYTHONWARNINGS"] = "ignore:resource_tracker"
    try:
        resource_tracker.ensure_running()  # before the next line, because it unblocks SIGINT
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            yield
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    finally:
        del os.environ["PYTHONWARNINGS"]
        if before is not None:
            os.environ["PYTHONWARNINGS"] = before


class _FarEnd:
    line: connection.Connection | None = None
    told = 0.0


def _begin(line: connection.Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # no traceback when nobody reads a result
    _FarEnd.line = line

    def exit_when_closed() -> None:
        connection.wait([line])  # nothing is ever sent this way, so it has been closed
        os._exit(1)

    threading.Thread(target=exit_when_closed, daemon=True).start()


def _call(task: Task[Item, Result], item: Item) -> Result:
    try:
        return task(item, _tell)
    finally:
        _tell(0.0)


def _tell(share: float) -> None:
    now = time.monotonic()
    if _FarEnd.line is not None and (share == 0.0 or now > _FarEnd.told + PAUSE):
        _FarEnd.line.send(share)
        _FarEnd.told = now
