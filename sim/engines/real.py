"""The real crew: workers behind a network, that can crash and come back.

A worker receives models, computes one task at a time, and sends its messages; sending does not
keep it from computing. What reaches it at an instant is looked at after what ends at that instant.

A crash loses the task and whatever the worker was sending. A worker that comes back has the newest
model at once and begins again: with the newest round, or under ``queue`` with the one it lost.
Under ``drain`` a worker that is down counts as resting. Under ``cancel`` a worker drops its task
and its messages when the next model reaches it, not before.

When nothing can make a message wait for another, a message arrives one addition after its task
began, ``began + (computed + sent)``: the batch engine adds the same numbers.
"""

from __future__ import annotations

from collections.abc import Generator
from itertools import count, repeat
from math import inf
from typing import final

import numpy as np
import simpy
from simpy.events import Event, Timeout

from sim.engines.cluster import Cluster
from sim.engines.master import RECEPTION, Crew, Master, at, call
from sim.engines.policy import Policy
from sim.engines.tapes import Column, columns
from sim.engines.timeline import Recorder
from sim.types import BoolArray

Process = Generator[Event, object, None]


@final
class RealCrew(Crew):
    """Workers of a cluster with a network, lost messages and failures.

    Args:
        workers: number of workers n.
        policy: what a worker does with unfinished work.
        cluster: what surrounds the workers.
        replication: index into the cluster's sequences.
        recorder: where the timeline goes, if anywhere.
    """

    def __init__(
        self,
        workers: int,
        policy: Policy,
        cluster: Cluster,
        replication: int,
        recorder: Recorder | None,
    ) -> None:
        self.policy = policy
        self.recorder = recorder
        self.network = cluster.network
        self.resends = None if cluster.resends is None else columns(cluster.resends[replication])
        self.failures = None if cluster.failures is None else cluster.failures[replication]
        self.resting = workers
        self.busy = np.zeros(workers)
        self.down = np.zeros(workers)
        self.workers: list[Worker] = []
        self.ingress: simpy.Resource | None = None

    def employ(self, master: Master) -> None:
        """A courier for the models, and per worker a process for its failures."""
        self.workers = [Worker(self, master, j) for j in range(master.workers)]
        if self.network is not None and self.network.contended:
            assert self.network.channels is not None
            self.ingress = simpy.Resource(master.env, capacity=self.network.channels)
        master.env.process(self._courier(master))
        if self.failures is not None:
            ups = columns(self.failures.up)
            downs = repeat(None) if self.failures.down is None else columns(self.failures.down)
            for worker, up, down in zip(self.workers, ups, downs, strict=False):
                master.env.process(self._fate(master, worker, up, down))

    def _courier(self, master: Master) -> Process:
        """Carry each model to each worker."""
        n = master.workers
        delays = [0.0] * n if self.network is None else self.network.downlink(n).tolist()
        while True:
            of_round = yield master.broadcast
            assert isinstance(of_round, int)
            for worker, seconds in zip(self.workers, delays, strict=True):
                worker.under_way_changes(+1)
                at(master.env, RECEPTION, worker.receive, seconds, of_round)

    def _fate(self, master: Master, worker: Worker, up: Column, down: Column | None) -> Process:
        """Crash and repair one worker, over and over."""
        for life in count():
            yield Timeout(master.env, up[life])
            worker.crash()
            yield Timeout(master.env, inf if down is None else down[life])
            worker.repair()

    def settle(self, opened: float, now: float, over: bool) -> None:
        """Tasks are booked when they end; at the end of the run the rest is."""
        if over:
            for worker in self.workers:
                worker.end_of_run()

    def unfinished(self) -> BoolArray:
        """Whose task or message is still under way."""
        return np.array([worker.under_way > 0 for worker in self.workers])


@final
class Worker:
    """One worker.

    Life cycle: ``receive`` a model -> begin a task -> finish it (or drop it) -> the next one;
    ``crash`` and ``repair`` at any time.

    Attributes:
        under_way: models on their way to it, its task, and its messages on their way.
        attempt: counts tasks and drops; what was begun in an earlier attempt is void.
    """

    def __init__(self, crew: RealCrew, master: Master, index: int) -> None:
        self.crew, self.master, self.env, self.index = crew, master, master.env, index
        self.under_way = 0
        self.attempt = 0
        self.void_until = 0
        self.newest = -1
        self.last = -1
        self.began: float | None = None
        self.sending = 0
        self.is_down = False
        self.crashed_at = 0.0

    def under_way_changes(self, by: int) -> None:
        """Keep the crew's count of resting workers."""
        before = self.under_way
        self.under_way += by
        if before == 0:
            self.crew.resting -= 1
        elif self.under_way == 0:
            self.crew.resting += 1
            self.master.rested()

    def receive(self, model: Event) -> None:
        """A model has come; the newest wins, and under ``cancel`` it ends all earlier work."""
        if not self.is_down and model._value > self.newest:
            self.newest = model._value
            if self.crew.policy is Policy.CANCEL:
                self._drop("cancelled")
            self._begin_next()
        self.under_way_changes(-1)

    def crash(self) -> None:
        """Lose the task and the messages, and be down."""
        lost = self.began is not None or self.sending > 0
        self._drop("cancelled")
        if lost:
            self.last -= 1
        self.is_down = True
        self.crashed_at = self.env.now
        self.crew.dead += 1

    def repair(self) -> None:
        """Be up again, with the newest model."""
        self._book_down_time()
        self.is_down = False
        self.crew.dead -= 1
        self.newest = self.master.round
        self._begin_next()

    def end_of_run(self) -> None:
        """Book what is unfinished."""
        if self.began is not None:
            self._book(self.began, "cancelled")
        if self.is_down:
            self._book_down_time()

    def _begin_next(self) -> None:
        if self.is_down or self.began is not None or self.last >= self.newest:
            return
        self.last = self.last + 1 if self.crew.policy is Policy.QUEUE else self.newest
        self.began = self.env.now
        self.attempt += 1
        self.under_way_changes(+1)
        m = self.master.messages
        messages = range(self.index * m, (self.index + 1) * m)
        offsets = self.master.offsets[self.last]
        for message in messages:
            if offsets[message] < inf:
                self._send(message, offsets)
        if offsets[messages[-1]] < inf:
            attempt = self.attempt
            call(Timeout(self.env, offsets[messages[-1]]), lambda _: self._finish(attempt))

    def _finish(self, attempt: int) -> None:
        if attempt == self.attempt and self.began is not None:
            self._book(self.began, "computing")
            self.began = None
            self._begin_next()
            self.under_way_changes(-1)

    def _send(self, message: int, offsets: list[float]) -> None:
        """Have a message arrive; with contention, a process of its own carries it."""
        crew, network, of_round, attempt = self.crew, self.crew.network, self.last, self.attempt
        sent = 0.0 if network is None else network.uplink_latency
        if network is not None and not network.contended:
            sent += network.transfer
        if crew.resends is not None:
            sent += crew.resends[self.index][of_round]
        computed = offsets[message]
        alone = message == self.index * self.master.messages
        seconds = computed if alone else computed - offsets[message - 1]
        began = self.env.now
        self.sending += 1
        self.under_way_changes(+1)

        def arrive() -> None:
            self._deliver(attempt, message, of_round, seconds, began + computed)

        if crew.ingress is None:
            call(Timeout(self.env, computed + sent), lambda _: arrive())
        else:
            self.env.process(self._through_ingress(crew.ingress, computed + sent, attempt, arrive))

    def _through_ingress(
        self, ingress: simpy.Resource, seconds: float, attempt: int, arrive: object
    ) -> Process:
        """Reach the master, wait for a channel, occupy it. A begun transfer is not cut off."""
        assert self.crew.network is not None
        assert callable(arrive)
        yield Timeout(self.env, seconds)
        with ingress.request() as channel:
            yield channel
            if self._valid(attempt):
                yield Timeout(self.env, self.crew.network.transfer)
        arrive()

    def _deliver(
        self, attempt: int, message: int, of_round: int, seconds: float, computed: float
    ) -> None:
        if not self._valid(attempt):
            return
        if self.crew.recorder is not None:
            self.crew.recorder.span(self.index, "sending", computed, self.env.now, of_round)
        self.sending -= 1
        self.master.hear(message, of_round, seconds)
        self.under_way_changes(-1)

    def _valid(self, attempt: int) -> bool:
        return attempt > self.void_until

    def _drop(self, kind: str) -> None:
        """Give up the task and the messages on their way."""
        if self.began is not None:
            self._book(self.began, kind)
            self.began = None
            self.under_way_changes(-1)
        dropped, self.sending = self.sending, 0
        self.void_until = self.attempt
        if dropped:
            self.under_way_changes(-dropped)

    def _book(self, began: float, kind: str) -> None:
        now = self.env.now
        self.crew.busy[self.index] += now - began
        if self.crew.recorder is not None:
            self.crew.recorder.span(self.index, kind, began, now, self.last)

    def _book_down_time(self) -> None:
        now = self.env.now
        self.crew.down[self.index] += now - self.crashed_at
        if self.crew.recorder is not None:
            self.crew.recorder.span(self.index, "dead", self.crashed_at, now, -1)
