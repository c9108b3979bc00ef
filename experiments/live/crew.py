"""The workers as a master sees them: it gives them tasks and hears of messages and deaths."""

from __future__ import annotations

import selectors
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import inf
from multiprocessing.connection import Connection
from typing import Any, Protocol, final

import numpy as np

from ...sim.types import FloatArray
from .tasks import Drop, Employment, Idle, Order, Reply, Task, Vector


@final
@dataclass(frozen=True)
class Arrival:
    """A message has come.

    Attributes:
        worker: whose it is.
        number, place: which message of which task.
        value: what it holds.
        seconds: of the config: how long its worker took for it.
        now: the instant, in seconds of the config since the clock was started.
        late: whether computing took longer than the delay.
    """

    worker: int
    number: int
    place: int
    value: Vector
    seconds: float
    now: float
    late: bool = False


@final
@dataclass(frozen=True)
class Death:
    """A worker is gone for good."""

    worker: int
    now: float


Event = Arrival | Death


class Crew(Protocol):
    """What a master needs; seconds are those of the config. Tests have one that simulates."""

    def start_clock(self) -> None:
        """It is 0 s now."""

    def now(self) -> float:
        """Seconds since the clock was started."""

    def give(self, worker: int, number: int, waits: Sequence[float], argument: Any) -> None:
        """Give a worker its next task; see ``Task``. A dead one hears nothing."""

    def hear(self, until: float) -> Sequence[Event]:
        """What has happened since, in order; waits for something until an instant."""

    def settle(self) -> FloatArray:
        """Have every worker drop what it does; returns how long each has been busy, ``(n,)``.

        Of a dead worker only what went into its messages is known.
        """

    def name(self, worker: int) -> str:
        """How a person finds a worker."""


@final
class LineCrew:
    """Workers at the other ends of lines.

    Args:
        lines: one to each worker.
        names: how a person finds each worker: its host and process.
        scale: real seconds that one second of the config takes.
    """

    def __init__(self, lines: Sequence[Connection], names: Sequence[str], scale: float) -> None:
        self._lines, self._names, self._scale = lines, names, scale
        self._selector = selectors.DefaultSelector()
        for worker, line in enumerate(lines):
            self._selector.register(line, selectors.EVENT_READ, worker)
        self._alive = [True] * len(lines)
        self._deaths: list[Event] = []
        self._zero = time.perf_counter()
        self._busy = [0.0] * len(lines)
        self._dropping: list[int] = []

    def employ(self, employments: Sequence[Employment]) -> None:
        """Give each worker its data."""
        for worker, employment in enumerate(employments):
            self._tell(worker, employment)

    def start_clock(self) -> None:
        """It is 0 s now."""
        self._zero = time.perf_counter()

    def now(self) -> float:
        """Seconds of the config since the clock was started."""
        return (time.perf_counter() - self._zero) / self._scale

    def give(
        self,
        worker: int,
        number: int,
        waits: Sequence[float],
        argument: Any,
        empty: bool = False,
    ) -> None:
        """Give a worker its next task."""
        scaled = tuple([wait * self._scale for wait in waits])
        self._tell(worker, Task(number, scaled, argument, empty))

    def hear(self, until: float) -> Sequence[Event]:
        """What has happened since, in order; waits for something until an instant."""
        events, self._deaths = self._deaths, []
        left = None if until == inf else max(0.0, until - self.now()) * self._scale
        if left is None and not any(self._alive):
            return events  # nothing more can come
        for key, _ in self._selector.select(0.0 if events else left):
            event = self._read(key.data)
            if event is not None:
                events.append(event)
        return events

    def name(self, worker: int) -> str:
        """How a person finds a worker."""
        return self._names[worker]

    def settle(self) -> FloatArray:
        """Have every worker drop what it does; returns how long each has been busy, ``(n,)``."""
        self._dropping = [worker for worker, alive in enumerate(self._alive) if alive]
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
            told: Reply | Idle = self._lines[worker].recv()
        except (EOFError, OSError):
            return self._dies(worker)
        if isinstance(told, Idle):
            self._busy[worker] = told.busy / self._scale
            self._dropping.remove(worker)
            return None
        seconds = told.seconds / self._scale
        self._busy[worker] += seconds
        return Arrival(worker, told.number, told.place, told.value, seconds, self.now(), told.late)

    def _tell(self, worker: int, what: Order | Employment) -> None:
        if not self._alive[worker]:
            return
        with suppress(OSError):  # what it had sent before is still read; then its line ends
            self._lines[worker].send(what)

    def _dies(self, worker: int) -> Death:
        self._close(worker)
        if worker in self._dropping:
            self._dropping.remove(worker)
        return Death(worker, self.now())

    def _close(self, worker: int) -> None:
        self._alive[worker] = False
        self._selector.unregister(self._lines[worker])
        with suppress(OSError):
            self._lines[worker].close()

    def close(self) -> None:
        """Close every line: the workers end."""
        for worker, alive in enumerate(self._alive):
            if alive:
                self._close(worker)
        self._selector.close()
