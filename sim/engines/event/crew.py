"""The order of events in an instant, and the workers of a replication, with rounds or without."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from itertools import count, repeat
from math import inf

import numpy as np
import simpy
from simpy.events import Event, EventPriority, Timeout

from ...types import Recorder
from ..run import Run
from ..tapes import TapeColumn, columns

END_OF_TIME = EventPriority(0)  # before all else at infinity, for that never happens
RECEPTION = EventPriority(2)  # after NORMAL (1): who finishes as a model reaches it finishes first
DECISION = EventPriority(3)  # after all messages and receptions: when the master looks at its clock
GIVING_UP = EventPriority(4)  # after every decision: a round may end exactly at ``max_wait``

Action = Callable[[Event], None]


class Call(Event):
    """Happens in so many seconds, after all of that instant that comes first, and calls ``action``
    with itself. ``priority`` is the order within an instant, and ``value`` the event's value."""

    def __init__(
        self,
        env: simpy.Environment,
        priority: EventPriority,
        action: Action | None = None,
        seconds: float = 0.0,
        value: object = None,
    ) -> None:
        super().__init__(env)
        self._ok, self._value = True, value
        if action is not None:
            self.callbacks.append(action)
        env.schedule(self, priority=priority, delay=seconds)


class Crew(ABC):
    """The workers of a replication, of ``master`` or of ``barrierless``; abstract."""

    dead: int = 0  # how many workers are down

    def __init__(self, run: Run, replication: int, recorder: Recorder | None) -> None:
        self.run, self.replication, self.n = run, replication, run.scheme.workers
        self.recorder = recorder if replication == 0 else None  # of their timeline
        # Seconds that workers computed or were down so far.
        self.busy, self.down = np.zeros(self.n), np.zeros(self.n)
        self.immortal = [run.cluster.failures is None] * self.n
        self.set_up()

    @abstractmethod
    def set_up(self) -> None:
        """The rest of ``__init__``."""

    def record(self, worker: int, kind: str, began: float, now: float, of_round: int) -> None:
        """Record a task, or with the kind ``dead`` the time that a worker was down."""
        (self.down if kind == "dead" else self.busy)[worker] += now - began
        if self.recorder is not None:
            self.recorder.span(worker, kind, began, now, of_round)

    def let_fail(self, env: simpy.Environment) -> None:
        """Have each worker crash and come back, over and over; without a repair only once."""
        if self.run.cluster.failures is None:
            return
        failures = self.run.cluster.failures[self.replication]
        downs = repeat(None) if failures.down is None else columns(failures.down)
        for worker, (up, down) in enumerate(zip(columns(failures.up), downs, strict=False)):
            env.process(self._fate(env, worker, up, down))

    def _fate(
        self, env: simpy.Environment, worker: int, up: TapeColumn, down: TapeColumn | None
    ) -> Generator[Event, object, None]:
        for life in count():
            alive = up[life]
            self.lives(worker, alive)
            yield Timeout(env, alive)
            seconds = inf if down is None else down[life]
            self.crash(worker, seconds)
            yield Timeout(env, seconds)
            self.repair(worker)

    def lives(self, worker: int, seconds: float) -> None:
        """Note that a worker stays up for so long."""
        self.immortal[worker] = seconds == inf

    def crash(self, worker: int, seconds: float) -> None:
        """Have a worker lose its task and its messages, and be down for so long."""
        raise NotImplementedError

    def repair(self, worker: int) -> None:
        """Have a worker be up again, with the newest model."""
        raise NotImplementedError
