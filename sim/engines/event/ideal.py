"""The ideal crew: workers that never fail, behind a network that takes no time.

One SimPy process per worker, one timeout per message. This is the fast path of the event engine;
``engines.event.real`` has workers behind a network that can crash.
"""

from __future__ import annotations

from collections.abc import Generator
from math import inf
from typing import Any, final

import numpy as np
from simpy.events import Event, Timeout

from ...types import BoolArray
from ..policy import Policy
from .calls import call
from .master import Crew, Master
from .timeline import Recorder

Process = Generator[Event, int, None]


@final
class IdealCrew(Crew):
    """Workers of an ideal cluster.

    Between two openings of rounds an ideal worker computes without a pause from the first instant
    on, until it rests: so its busy seconds are booked round by round.
    """

    def __init__(self, workers: int, policy: Policy, recorder: Recorder | None) -> None:
        self.policy = policy
        self.recorder = recorder
        self.resting = workers
        self.busy, self.down = np.zeros(workers), np.zeros(workers)
        self.began = [0.0] * workers
        self.finished = [0.0] * workers
        self.task = [-1] * workers

    def employ(self, master: Master) -> None:
        """One process per worker."""
        work = cancelling_worker if self.policy.interrupts else diligent_worker
        for worker in range(master.workers):
            master.env.process(work(self, master, worker))

    def settle(self, opened: float, now: float, over: bool) -> None:
        """Busy from the opening until the last finished task, or until now."""
        self.busy += np.minimum(self.finished, now) - opened
        if over and self.recorder is not None:
            for worker in np.flatnonzero(np.isinf(self.finished)):
                self.ends(int(worker), now, "cancelled")

    def unfinished(self) -> BoolArray:
        """Who is still computing."""
        return np.isinf(self.finished)

    def begins(self, worker: int, of_round: int, now: float) -> None:
        """Note that a worker begins to compute, leaving whatever it was doing."""
        if self.finished[worker] < inf:
            self.resting -= 1
            self.finished[worker] = inf
        elif self.recorder is not None:
            self.ends(worker, now, "cancelled")
        self.began[worker] = now
        self.task[worker] = of_round

    def rests(self, worker: int, now: float) -> None:
        """Note that a worker has finished its task."""
        self.finished[worker] = now
        self.resting += 1
        if self.recorder is not None:
            self.ends(worker, now, "computing")

    def ends(self, worker: int, now: float, kind: str) -> None:
        """Record the span of a worker's task."""
        assert self.recorder is not None
        self.recorder.span(worker, kind, self.began[worker], now, self.task[worker])


def cancelling_worker(crew: IdealCrew, master: Master, worker: int) -> Process:
    """Policy ``cancel``: each broadcast replaces whatever the worker was doing.

    The abandoned timeout stays in SimPy's heap and says nothing when it fires: that costs less
    than interrupting a process. One that would never fire is not scheduled, or it would stay there.
    """
    env, current = master.env, -1
    first, final_message = worker * master.messages, (worker + 1) * master.messages - 1
    since = 0.0

    def arrive(event: Event) -> None:
        nonlocal since
        told: Any = event.value
        of_round, message = told
        if of_round == current:
            now = env.now
            if message == final_message:
                crew.rests(worker, now)
            master.hear(message, current, now - since)
            since = now

    while True:
        current = yield master.broadcast
        since = env.now
        crew.begins(worker, current, since)
        offsets = master.offsets[current]
        for message in range(first, final_message + 1):
            if offsets[message] < inf:
                call(Timeout(env, offsets[message], (current, message)), arrive)


def diligent_worker(crew: IdealCrew, master: Master, worker: int) -> Process:
    """The other policies: the worker always finishes what it has begun.

    Under ``queue`` it takes every model in order; under ``finish`` the newest one, and under
    ``drain`` the two are the same.
    """
    env, next_round = master.env, crew.policy.next_round
    first, final_message = worker * master.messages, (worker + 1) * master.messages - 1
    last, since = -1, 0.0

    def arrive(event: Event) -> None:
        nonlocal since
        message: Any = event.value
        now = env.now
        master.hear(message, last, now - since)
        since = now

    while True:
        if last == master.round:
            yield master.broadcast
        last = next_round(last, master.round)
        since = env.now
        crew.begins(worker, last, since)
        offsets = master.offsets[last]
        for message in range(first, final_message):
            if offsets[message] < inf:
                call(Timeout(env, offsets[message], message), arrive)
        yield Timeout(env, offsets[final_message])
        now = env.now
        crew.rests(worker, now)
        master.hear(final_message, last, now - since)
        master.rested()
