"""The workers as a master sees them: processes of this machine, or of a Dask cluster."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import platform
import secrets
import selectors
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from math import inf
from multiprocessing.connection import Client, Connection, answer_challenge, deliver_challenge
from queue import Empty, SimpleQueue
from typing import Any, final

import numpy as np

from ....sim.base.errors import ConfigError, at
from ....sim.base.types import FloatArray
from ...run import pools
from ...run.dask import RemoteCall, connected
from .worker import Drop, Idle, Order, Reply, Setup, Task, process, serve


@final
@dataclass(frozen=True)
class Arrival(Reply):
    """A message of a worker has come, so many seconds of the config since the clock was started."""

    worker: int
    now: float


@final
@dataclass(frozen=True)
class Death:
    """A worker is gone for good."""

    worker: int
    now: float


Event = Arrival | Death


@final
class ConnectedWorkers:
    """Workers at the other ends of lines, with how a person finds each (its number, process and
    host), its host, and its process. Seconds are those of the config, each ``scale`` real ones."""

    scale = 1.0

    def __init__(
        self,
        lines: Sequence[Connection],
        names: Sequence[str],
        hosts: Sequence[str],
        processes: Sequence[int],
    ) -> None:
        self._lines, self.names, self.hosts = lines, names, hosts
        several = Counter(zip(hosts, processes, strict=True))
        # workers that are in one process with another
        self.shared = sum(number for number in several.values() if number > 1)
        self._selector = selectors.DefaultSelector()
        for worker, line in enumerate(lines):
            self._selector.register(line, selectors.EVENT_READ, worker)
        self._alive = [True] * len(lines)
        self._deaths: list[Event] = []
        self._zero = time.perf_counter()
        self._busy = [0.0] * len(lines)
        self._dropping: list[int] = []

    def set_up(self, setups: Sequence[Setup]) -> None:
        """Give each worker its data, and wait until all have it."""
        for worker, setup in enumerate(setups):
            self._tell(worker, setup)
        self.settle()

    def start_clock(self) -> None:
        """It is 0 s now."""
        self._zero = time.perf_counter()

    def now(self) -> float:
        """Seconds of the config since the clock was started."""
        return (time.perf_counter() - self._zero) / self.scale

    def give(self, worker: int, task: Task) -> None:
        """Give a worker its next task, waits in seconds of the config. A dead one hears nothing."""
        self._tell(worker, replace(task, waits=tuple(w * self.scale for w in task.waits)))

    def hear(self, until: float) -> Sequence[Event]:
        """What has happened since, in order; waits for something until an instant."""
        events, self._deaths = self._deaths, []
        left = None if until == inf else max(0.0, until - self.now()) * self.scale
        if left is None and not any(self._alive):
            return events  # nothing more can come
        ready = self._selector.select(0.0 if events else left)
        read = (self._read(key.data) for key, _ in ready)
        return [*events, *(event for event in read if event is not None)]

    def settle(self) -> FloatArray:
        """Have every worker drop what it does; returns how long each was busy, ``(n,)``."""
        self._dropping = np.flatnonzero(self._alive).tolist()
        for worker in self._dropping:
            self._tell(worker, Drop())
        while self._dropping:
            for key, _ in self._selector.select():
                event = self._read(key.data)
                if isinstance(event, Death):
                    self._deaths.append(Death(event.worker, 0.0))  # on the next clock
        busy, self._busy = np.array(self._busy), [0.0] * len(self._lines)
        return busy

    def _read(self, worker: int) -> Event | None:
        try:
            reply: Reply | Idle = self._lines[worker].recv()
        except (EOFError, OSError):
            self._close(worker)
            if worker in self._dropping:
                self._dropping.remove(worker)
            return Death(worker, self.now())
        if isinstance(reply, Idle):
            self._busy[worker] = reply.busy / self.scale
            self._dropping.remove(worker)
            return None
        seconds = reply.seconds / self.scale
        self._busy[worker] += seconds
        return Arrival(
            reply.number, reply.message, reply.value, seconds, reply.late, worker, self.now()
        )

    def _tell(self, worker: int, what: Order | Setup) -> None:
        with suppress(OSError):  # what it had sent before is still read; then its line ends
            if self._alive[worker]:
                self._lines[worker].send(what)

    def _close(self, worker: int) -> None:
        self._alive[worker] = False
        self._selector.unregister(self._lines[worker])
        with suppress(OSError):
            self._lines[worker].close()

    def close(self) -> None:
        """Close every line: the workers end."""
        for worker in np.flatnonzero(self._alive).tolist():
            self._close(worker)
        self._selector.close()


RESTART_SECONDS = 10.0  # seconds that a worker of a cluster has to start again after it died
CALL_SECONDS = 60.0  # seconds that a worker of a cluster has to call the master
GREETING_SECONDS = 10.0  # seconds that a caller has to say who it is
POLL_SECONDS = 0.02  # seconds between two looks at who has said who it is, while nobody calls


@contextmanager
def hired(workers: int, scheduler: str | None) -> Iterator[ConnectedWorkers]:
    """So many workers; they end with this context, or with this process, however it ends.
    ``scheduler`` is the address of a Dask cluster; ``None``: processes of this machine. Raises
    ConfigError: the cluster cannot be reached, or is too small."""
    with _local(workers) if scheduler is None else _on_cluster(workers, scheduler) as hands:
        try:
            yield hands
        finally:
            hands.close()


@contextmanager
def _local(workers: int) -> Iterator[ConnectedWorkers]:
    """One process each, forked from the server that has imported the libraries."""
    pools.prepare()
    context: Any = multiprocessing.get_context("forkserver" if pools.HAS_FORKSERVER else "spawn")
    lines, started = [], []
    try:
        for worker in range(workers):
            with pools.starting():
                line, far = context.Pipe()
                lines.append(line)
                child = context.Process(target=process, args=(far,), name=f"worker {worker}")
                child.daemon = True
                child.start()
                far.close()
                started.append(child)
        names = [f"{child.name} (process {child.pid})" for child in started]
        processes = [int(child.pid) for child in started]
        yield ConnectedWorkers(lines, names, [platform.node()] * workers, processes)
    finally:
        for line in lines:
            with suppress(OSError):
                line.close()
        for child in started:
            child.join()


@contextmanager
def _on_cluster(workers: int, scheduler: str) -> Iterator[ConnectedWorkers]:
    """One long task each, that calls the master by itself: Dask's own way takes milliseconds."""
    with connected(scheduler) as client:
        addresses = worker_addresses(client, workers, scheduler)
        host = client.scheduler.address.split("://")[-1].rpartition(":")[0].strip("[]")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host, 9))  # sends nothing: it finds this machine's address towards host
            own = str(probe.getsockname()[0])
        key = secrets.token_bytes(16)
        with socket.create_server((own, 0), backlog=max(workers, 128)) as listener:
            once: dict[str, Any] = {"pure": False, "retries": 0}
            here = listener.getsockname()
            tasks = [RemoteCall(call, (here, key, worker)) for worker in range(workers)]
            futures = [
                client.submit(pickle.loads, pickle.dumps(task), workers=[address], **once)
                for task, address in zip(tasks, addresses, strict=True)
            ]
            accepted = accepted_workers(listener, key, futures, workers, scheduler)
        yield accepted


def worker_addresses(client: Any, workers: int, scheduler: str) -> list[str]:
    """The address of the Dask worker of each worker: different ones as far as there are any.
    Raises ConfigError: there are too few, also after the seconds in which one starts again."""
    end = time.monotonic() + RESTART_SECONDS
    while sum((threads := client.nthreads()).values()) < workers and time.monotonic() < end:
        time.sleep(POLL_SECONDS)
    pairs = ((turn, address) for address, number in threads.items() for turn in range(number))
    addresses = [address for _, address in sorted(pairs, key=lambda pair: pair[0])]
    if len(addresses) < workers:
        valid = f"the cluster has {len(addresses)} threads, and {workers} workers need one each"
        raise at("--scheduler", scheduler, valid)
    return addresses[:workers]


def accepted_workers(
    listener: socket.socket, key: bytes, futures: Sequence[Any], workers: int, scheduler: str
) -> ConnectedWorkers:
    """The workers, whoever else may call meanwhile."""
    calls: SimpleQueue[tuple[Connection, int, str, int]] = SimpleQueue()
    lines: dict[int, tuple[Connection, str, str, int]] = {}
    listener.settimeout(POLL_SECONDS)
    heard = time.monotonic()
    while len(lines) < workers:
        with suppress(OSError, RuntimeError):  # nobody; or too few files or threads for a moment
            wire, _ = listener.accept()
            threading.Thread(target=_greet, args=(wire, key, calls), daemon=True).start()
        with suppress(Empty):
            line, worker, host, number = calls.get(timeout=POLL_SECONDS / 20)
            lines[worker] = line, f"worker {worker} (process {number} on {host})", host, number
            heard = time.monotonic()
        failed = next((future for future in futures if future.status == "error"), None)
        if failed is not None or time.monotonic() > heard + CALL_SECONDS:
            reason = "" if failed is None else f": {failed.exception()}".splitlines()[0]
            missing, address = workers - len(lines), listener.getsockname()
            what = f"{missing} of {workers} workers did not call {address}{reason}"
            raise at("--scheduler", scheduler, what)
    return ConnectedWorkers(*zip(*(lines[worker] for worker in range(workers)), strict=True))


def _greet(wire: socket.socket, key: bytes, calls: SimpleQueue[Any]) -> None:
    """Hand on who knows the key and says who it is in time; any other call ends here."""
    limit = threading.Timer(GREETING_SECONDS, _hang_up, (wire,))
    limit.daemon = True
    with wire, suppress(Exception):  # whatever a stranger sends
        limit.start()
        wire.setblocking(True)
        line = Connection(os.dup(wire.fileno()))
        deliver_challenge(line, key)
        answer_challenge(line, key)
        worker, host, number = line.recv()
        direct(line)
        calls.put((line, worker, host, number))
    limit.cancel()


def _hang_up(wire: socket.socket) -> None:
    with suppress(OSError):  # it has gone meanwhile
        wire.shutdown(socket.SHUT_RDWR)


def call(address: tuple[str, int], key: bytes, worker: int) -> None:
    """A worker on a cluster: it calls the master, and works until the line closes."""
    try:
        line = Client(address, authkey=key)
    except OSError as error:
        raise ConfigError(f"the master at {address} cannot be reached: {error}") from None
    with line:
        direct(line)
        line.send((worker, platform.node(), os.getpid()))
        serve(line)


def direct(line: Connection) -> None:
    """Have small messages sent at once, rather than after the answer to the one before."""
    with socket.socket(fileno=os.dup(line.fileno())) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
