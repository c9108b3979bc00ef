"""The workers of schemes with rounds: a SimPy process each, on an ideal cluster."""

from __future__ import annotations

from collections.abc import Generator
from math import inf, isnan
from typing import Any, final

import numpy as np
from simpy.events import Event, Timeout
from typing_extensions import override

from ...types import BoolArray
from .master import Master, RoundWorkers

# Ideal workers never fail, and their messages take no time (``networked`` has the others): one
# process per worker, one timeout per message. Worker j computes its m messages, of all n m those
# from ``first`` to ``last``, in this order; ``master.offsets`` holds, by round, how many seconds
# after its worker has begun each message is computed; NaN where it has nothing to send.

Process = Generator[Event, int, None]


def finishing_worker(workers: IdealRoundWorkers, master: Master, worker: int) -> Process:
    """Policies ``finish``, ``queue`` and ``drain``: take a model, compute, send; only then take the
    next, which is the newest, or under ``queue`` the next in order. (Under ``drain`` both are.)"""
    env, next_round = master.env, workers.policy.next_round
    first, last = worker * master.messages, (worker + 1) * master.messages - 1
    current, since = -1, 0.0

    def arrive(message: Event) -> None:
        nonlocal since
        index: Any = message.value
        now = env.now
        master.hear(index, current, now - since)
        since = now

    while True:
        if current == master.round:
            yield master.broadcast
        current = next_round(current, master.round)
        since = env.now
        workers.begins(worker, current, since)
        offsets = master.offsets[current]
        for index in range(first, last):
            if offsets[index] < inf:
                Timeout(env, offsets[index], index).callbacks.append(arrive)
        if isnan(offsets[last]):
            workers.rests(worker, since)
            master.rested()
            continue
        yield Timeout(env, offsets[last])
        now = env.now
        workers.rests(worker, now)
        master.hear(last, current, now - since)
        master.rested()


def cancelling_worker(workers: IdealRoundWorkers, master: Master, worker: int) -> Process:
    """Policy ``cancel``: each broadcast replaces whatever the worker was doing. The abandoned
    timeout stays in SimPy's heap and says nothing when it fires, which costs less than interrupting
    a process. One that would never fire is not scheduled: it would stay there."""
    env = master.env
    first, last = worker * master.messages, (worker + 1) * master.messages - 1
    current, since = -1, 0.0

    def arrive(message: Event) -> None:
        nonlocal since
        value: Any = message.value
        of_round, index = value
        if of_round == current:
            now = env.now
            if index == last:
                workers.rests(worker, now)
            master.hear(index, current, now - since)
            since = now

    while True:
        current = yield master.broadcast
        since = env.now
        workers.begins(worker, current, since)
        offsets = master.offsets[current]
        for index in range(first, last + 1):
            if offsets[index] < inf:
                Timeout(env, offsets[index], (current, index)).callbacks.append(arrive)
        if isnan(offsets[last]):
            workers.rests(worker, since)


@final
class IdealRoundWorkers(RoundWorkers):
    """What the processes share, as the master sees them. Between two openings of rounds an ideal
    worker computes without a pause from the first instant on, until it rests: its busy seconds are
    recorded by round."""

    @override
    def set_up(self) -> None:
        super().set_up()
        self.began, self.finished, self.task = [0.0] * self.n, [0.0] * self.n, [-1] * self.n

    @override
    def employ(self, master: Master) -> None:
        work = cancelling_worker if self.policy.interrupts else finishing_worker
        for worker in range(master.n):
            master.env.process(work(self, master, worker))

    @override
    def settle(self, opened: float, now: float, over: bool) -> None:
        """Busy from the opening until the last finished task, or until now."""
        self.busy += np.minimum(self.finished, now) - opened
        if over and self.recorder is not None:
            for worker in np.flatnonzero(np.isinf(self.finished)):
                self.ends(int(worker), now, "cancelled")

    @override
    def unfinished(self) -> BoolArray:
        return np.isinf(self.finished)

    def begins(self, worker: int, of_round: int, now: float) -> None:
        """A worker begins to compute, leaving whatever it was doing."""
        if self.finished[worker] < inf:
            self.resting -= 1
            self.finished[worker] = inf
        elif self.recorder is not None:
            self.ends(worker, now, "cancelled")
        self.began[worker] = now
        self.task[worker] = of_round

    def rests(self, worker: int, now: float) -> None:
        """A worker has finished its task."""
        self.finished[worker] = now
        self.resting += 1
        if self.recorder is not None:
            self.ends(worker, now, "computing")

    def ends(self, worker: int, now: float, kind: str) -> None:
        """Record the span of a worker's task."""
        assert self.recorder is not None
        self.recorder.span(worker, kind, self.began[worker], now, self.task[worker])
