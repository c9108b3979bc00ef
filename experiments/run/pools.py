"""Tasks on several processes of this machine; ``dask.py`` has those of a cluster.

When a process dies, its task is tried once more at the end, alone: several may have been too much
for the memory, and Dask blames all tasks of a worker that dies."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import pickle
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import cache
from multiprocessing import connection, forkserver, resource_tracker
from multiprocessing.util import Finalize
from queue import SimpleQueue
from types import ModuleType
from typing import Any, Generic, TypeVar

from typing_extensions import override

from ...sim.base.errors import Failed
from .files import postponed

Item = TypeVar("Item")
Result = TypeVar("Result")
Share = Callable[[float], None]  # called by a task with the share of its work that is done, 0 to 1
Task = Callable[[Item, Share], Result]
POLL_SECONDS = 0.5  # seconds between two looks at how far the running tasks are
START_TRIES = 5  # starts of a process whose server dies
HAS_FORKSERVER = "forkserver" in multiprocessing.get_all_start_methods()
STARTS = threading.Lock()  # held while a process starts
PRELOADED = [  # what a process needs for its first cell
    "erasurehead.experiments.run.compute",
    "erasurehead.experiments.run.pools",
    "sklearn.datasets",
]


def _in_forked_child() -> None:
    """In a process that the user's program has forked: the server is the parent's, who alone can
    wait for it, and a lock may be held by a thread that is not here. So processes start anew."""
    global HAS_FORKSERVER, STARTS
    HAS_FORKSERVER = False
    STARTS = threading.Lock()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_in_forked_child)


def tell_nobody(*_: object) -> None:
    """Progress and remarks that nobody wants to hear of."""


@dataclass(frozen=True)
class Died:
    """In place of a result: the process died each time it computed this task."""

    reason: str


@dataclass(eq=False)
class Attempt(Generic[Item]):
    """A task's item, and how often a process died of it."""

    item: Item
    deaths: int = 0


class Pool(ABC):
    """Where tasks are computed."""

    @abstractmethod
    def room(self) -> int:
        """How many more tasks it takes now."""

    @abstractmethod
    def submit(self, task: Task[Item, Result], attempt: Attempt[Item]) -> None:
        """Start a task."""

    @abstractmethod
    def completed(self, seconds: float) -> list[tuple[Attempt[Any], Any]]:
        """Wait so long for results, or a ``Died`` for each task lost. Raises what a task raised."""

    def share(self) -> float:
        """The share that is done of running tasks, summed."""
        return 0.0

    def workers(self) -> Mapping[str, Mapping[str, Any]]:
        """Of each worker of a cluster its host, the cells that it computed, whether it is gone."""
        return {}


def map_unordered(
    task: Task[Item, Result],
    items: Iterable[Item],
    pool: Pool | None,
    progress: Callable[[float], None] = tell_nobody,
) -> Iterator[tuple[Item, Result | Died]]:
    """Compute ``task``, a function of a module, for every item, started in this order; each is
    given when it is there. Without a pool all is computed here. ``progress`` is called with the
    tasks done, parts of running ones too. Raises as tasks do."""
    done, reported = 0, 0.0
    if pool is None:
        for item in items:
            yield item, task(item, lambda share, done=done: progress(done + share))  # type: ignore[misc]
            done += 1
            progress(done)
        return
    waiting = deque(Attempt(item) for item in items)
    suspects, running = deque[Attempt[Item]](), 0
    ended: list[tuple[Attempt[Item], Result | Died]] = []
    while waiting or suspects or running or ended:
        for _ in range(pool.room()):  # before the caller looks at results: nobody waits for it
            # A suspect has the pool to itself: the memory, and, where a pool can only say that a
            # worker died which had several tasks, the blame.
            if not (waiting or (suspects and not running)):
                break
            pool.submit(task, (waiting or suspects).popleft())
            running += 1
        for attempt, result in ended:
            yield attempt.item, result
        done += len(ended)
        ended = []
        for attempt, result in pool.completed(POLL_SECONDS) if running else ():
            running -= 1
            attempt.deaths += isinstance(result, Died)
            if isinstance(result, Died) and attempt.deaths < 2:
                suspects.append(attempt)
            else:
                ended.append((attempt, result))
        # Never back, though a lost task has no share any more.
        reported = max(reported, done + len(ended) + pool.share())
        progress(reported)


@contextmanager
def open_pool(jobs: int) -> Iterator[Pool | None]:
    """Until this context ends, a pool of so many processes; for one job none: compute here."""
    if jobs == 1:
        yield None
        return
    if multiprocessing.current_process().daemon:
        raise Failed("a daemonic process may start none itself; run it with --jobs 1 (jobs=1)")
    prepare()
    pool = ProcessPool(jobs)
    try:
        yield pool
    finally:
        pool.close()


class Worker:
    """A process and a pipe: tasks go one way, shares and results the other."""

    def __init__(self) -> None:
        self.attempt: Attempt[Any] | None = None  # what it computes
        self.share = 0.0
        context: Any = multiprocessing.get_context("forkserver" if HAS_FORKSERVER else "spawn")
        self.pipe, far_end = multiprocessing.Pipe()
        with starting():
            self.process = context.Process(target=_work, args=(far_end,), daemon=True)
            self.process.start()
        far_end.close()  # the process has its own

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self.pipe.close()
        self.process.kill()
        self.process.join(60.0)  # seconds, on a busy machine


class ProcessPool(Pool):
    """Processes of this machine, started with their first task."""

    def __init__(self, jobs: int) -> None:
        self._workers: list[Worker] = []
        self._jobs = jobs

    @override
    def room(self) -> int:
        return self._jobs - sum(worker.attempt is not None for worker in self._workers)

    @override
    def submit(self, task: Task[Item, Result], attempt: Attempt[Item]) -> None:
        for _ in range(self._jobs + 1):
            worker = next((w for w in self._workers if w.attempt is None), None) or self._start()
            try:
                worker.pipe.send((task, attempt.item))
            except OSError:  # it died while it had nothing to do
                self._workers.remove(worker)
                worker.close()
            else:
                worker.attempt = attempt
                return
        raise Failed("worker processes die as soon as they are started; run it with --jobs 1")

    def _start(self) -> Worker:
        for tried in range(START_TRIES):
            try:
                self._workers.append(Worker())
                break
            except Failed:  # a new server starts in a moment
                if tried == START_TRIES - 1:
                    raise
                time.sleep(0.2)
        return self._workers[-1]

    @override
    def completed(self, seconds: float) -> list[tuple[Attempt[Any], Any]]:
        busy = {worker.pipe: worker for worker in self._workers if worker.attempt is not None}
        ended: list[tuple[Attempt[Any], Any]] = []
        for pipe in connection.wait([*busy], seconds):
            worker = busy[pipe]  # type: ignore[index]
            attempt = worker.attempt
            assert attempt is not None
            try:
                kind, value = worker.pipe.recv()
            except (EOFError, OSError):
                self._workers.remove(worker)
                worker.close()
                ended.append((attempt, Died(why_died(worker.process.exitcode))))
                continue
            if kind == "error":
                raise value
            worker.share = value if kind == "share" else 0.0
            if kind == "result":
                worker.attempt = None
                ended.append((attempt, value))
        return ended

    @override
    def share(self) -> float:
        return sum(worker.share for worker in self._workers if worker.attempt is not None)

    def close(self) -> None:
        """End all processes, whatever they are doing."""
        for worker in self._workers:
            worker.close()


def why_died(code: int | None) -> str:
    """A process's exit code in words."""
    if code is None or code >= 0:
        return "the worker process died"
    return f"the worker process died (signal {-code}){': out of memory?' if code == -9 else ''}"


def end_with_the_command() -> None:
    """Have the kernel end this process with the server that it was forked from, which ends with
    the command: a thread that notices a closed pipe may wait for the interpreter's lock."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _work(pipe: connection.Connection) -> None:
    """What a process does until its pipe closes, however that happens."""
    end_with_the_command()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # no traceback when nobody reads a result
    tasks: SimpleQueue[bytes] = SimpleQueue()

    def receive() -> None:
        try:
            while True:
                tasks.put(pipe.recv_bytes())
        except (EOFError, OSError):
            os._exit(1)

    threading.Thread(target=receive, daemon=True).start()
    sent = 0.0  # when the last share was

    def tell(share: float) -> None:
        nonlocal sent
        if time.monotonic() > sent + 0.2:  # seconds between two messages
            pipe.send(("share", share))
            sent = time.monotonic()

    while True:
        given = tasks.get()
        try:
            task, item = pickle.loads(given)
            pipe.send(("result", task(item, tell)))
        except BaseException as error:
            error.add_note(traceback.format_exc())
            pipe.send(("error", error))


# Starting processes from a server that has imported the libraries.


def prepare() -> None:
    """Start the server, if this system can have one, and return at once: it imports meanwhile."""
    if not HAS_FORKSERVER:
        return
    multiprocessing.set_forkserver_preload(PRELOADED)
    with STARTS, undisturbed(), postponed():
        folder, warden = _watched_folder()
        before, tempfile.tempdir = tempfile.tempdir, folder
        try:
            forkserver.ensure_running()
        finally:
            tempfile.tempdir = before
        # ``multiprocessing`` has no public way to learn its server's number.
        os.write(warden, b"%d\n" % vars(forkserver)["_forkserver"]._forkserver_pid)


@cache
def _watched_folder() -> tuple[str, int]:
    """A folder for the server's address, and a pipe to a process that kills the server, whose
    number it reads there, and removes the folder when it reads 0, or when this process has ended
    however that happened. The path is short: a socket's may have some hundred characters."""
    base = tempfile.gettempdir()
    # a socket's path adds 44 characters, of 104 on macOS
    base = base if len(os.fsencode(base)) < 60 else "/tmp"
    folder = os.path.join(base, f"eh-{secrets.token_hex(4)}")
    script = 'trap "" HUP INT TERM; while read -r n && [ $n != 0 ]; do pid=$n; done; '
    script += 'kill -9 $pid; rm -rf "$0"'
    read, write = os.pipe()
    nowhere = [(os.POSIX_SPAWN_OPEN, out, os.devnull, os.O_WRONLY, 0) for out in (1, 2)]
    actions = [(os.POSIX_SPAWN_DUP2, read, 0), *nowhere]
    sh = ["sh", "-c", script, folder]
    warden = os.posix_spawn("/bin/sh", sh, os.environ, file_actions=actions)
    os.close(read)
    os.mkdir(folder, 0o700)
    # After all worker processes have ended; then it is too late for Ctrl-C.
    Finalize(None, signal.pthread_sigmask, (signal.SIG_BLOCK, {signal.SIGINT}), exitpriority=-99)
    Finalize(None, _dismiss, (write, warden, folder), exitpriority=-100)
    return folder, write


def _dismiss(pipe: int, warden: int, folder: str) -> None:
    try:
        os.write(pipe, b"0\n")
        os.waitpid(warden, 0)
    except OSError:  # it was killed
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def starting() -> Iterator[None]:
    """A process starts within, as if nothing of this one were changed for it: one at a time, since
    threads share what is changed. Raises Failed: the server that it is forked from has died."""
    with STARTS, without_main(), undisturbed() if HAS_FORKSERVER else nullcontext():
        with ExitStack() as files:  # too few, and the server prints a traceback at half a call
            for _ in range(12):  # that are open while a process starts, and some to spare
                files.enter_context(open(os.devnull, "rb"))
        try:
            yield
        except (ConnectionError, EOFError):
            server = "the process died that worker processes are forked from"
            raise Failed(f"{server}; run the same command again") from None


@contextmanager
def without_main() -> Iterator[None]:
    """A process that starts within does not import the main script once more, so a script that
    starts a sweep needs no ``if __name__ == "__main__"``."""
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


@contextmanager
def undisturbed() -> Iterator[None]:
    """What starts within never hears of Ctrl-C, which is the command's business."""
    resource_tracker.ensure_running()  # before the next line, because it unblocks SIGINT
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
