"""The master of real workers that never wait for each other."""

from __future__ import annotations

from typing import final

import numpy as np
from typing_extensions import override

from ...sim.engines.tapes import TapeColumn, task_columns
from ...sim.engines.updates import Decisions
from ...sim.schemes.barrierless import Barrierless
from ...sim.types import FloatArray, IntArray
from .masters import LiveMaster, Session
from .worker import Task, Vector
from .workers import Arrival, Death

PARTITIONS = 2**32 - 3  # key of the random partitions of live runs; nothing else uses it


@final
class LiveBarrierlessMaster(LiveMaster):
    """The master of a scheme without rounds: it hears real messages and asks ``Decisions``."""

    def __init__(self, session: Session, scheme: Barrierless, replication: int) -> None:
        super().__init__(session)
        run = session.run
        self._scheme = scheme
        self.decisions = Decisions(scheme, run.iterations)
        self._together = run.updates // run.iterations
        sequence = np.random.SeedSequence(run.seed, spawn_key=(PARTITIONS, replication))
        self._rng = np.random.Generator(np.random.PCG64(sequence))
        tape, waits = run.tapes[replication], list[TapeColumn]()
        if session.injected:
            waits = task_columns(tape, run.load_law, tape.block_rounds)
        self._waits = [iter(column) for column in waits] or None
        n = scheme.workers
        # Of the task that each worker was given last.
        self._number, self._version, self._partition = [-1] * n, [0] * n, [0] * n
        self._never = set[int]()  # workers whose task never ends
        self._accepted: list[int] = []
        self._sent = [0] * n  # accepted gradients of each worker
        self._opened = 0.0
        self._means = CycleMeans(n) if scheme.cycles else None
        self._gradients: list[Vector] = []

    @property
    def partitions(self) -> IntArray:
        """``(U, K)`` the partition of each accepted gradient."""
        return np.array(self._accepted, dtype=np.int64).reshape(-1, self._scheme.gradients)

    @override
    def _make_updates(self) -> None:
        for worker in range(self._scheme.workers):
            self._start(worker)
        while not self.decisions.done:
            for event in self._workers.hear(self._opened + self._max_wait):
                if isinstance(event, Death):
                    self._bury(event)
                elif not self.decisions.done:
                    self._hear(event)
            if not self.decisions.done:
                self._require_hope()

    def _start(self, worker: int) -> None:
        """Give a worker its next task, with the newest model; whatever it was doing is void."""
        session, scheme = self._session, self._scheme
        partition = worker
        if not scheme.own_data:
            partition = int(self._rng.integers(0, scheme.partitions))
        number, session.next_task = session.next_task, session.next_task + 1
        self._number[worker], self._partition[worker] = number, partition
        self._version[worker] = self.decisions.version
        wait = 0.0 if self._waits is None else next(self._waits[worker])
        (self._never.add if wait == np.inf else self._never.discard)(worker)
        self._workers.give(worker, Task(number, (wait,), (partition, self.descent.point)))

    def _hear(self, event: Arrival) -> None:
        worker, decisions = event.worker, self.decisions
        if event.number != self._number[worker]:
            return  # of a task that has been stopped
        self.late += event.late
        self.messages += 1
        update, accepted = decisions.version, len(decisions.accepted)
        message = worker, self._version[worker], event.seconds
        starting, _ = decisions.decide([message], self._version, event.now)
        if len(decisions.accepted) > accepted:
            self._accepted.append(self._partition[worker])
            self._sent[worker] += 1
            self._gradients.append(event.value)
        if self._means:
            self._means.add(worker, event.value, update, decisions.version)
        if decisions.version > update:
            self._update(event.now)
        for each in starting:
            self._start(each)

    def _update(self, now: float) -> None:
        version, k = self.decisions.version, self._scheme.gradients
        gradient: Vector
        if self._means:
            gradient = self._means.mean(version)
        else:
            gradient = np.zeros(self.descent.point.shape)
            versions = np.array([each for _, each, *_ in self.decisions.accepted[-k:]])
            accepted, counts = self.decisions.accepted, None
            if self._scheme.rescale:
                counts = np.array([[len(accepted)], [self._sent[accepted[-1][0]]]])
            weights = self._scheme.weight(version - 1 - versions, counts)
            for weight, value in zip(weights, self._gradients, strict=True):
                gradient = gradient + weight * value
        self._gradients.clear()
        self.dead.append(len(self._session.died))
        self._opened = now
        self.descent.update(gradient)
        if version % self._together == 0:
            self.descent.keep()
            self._session.progress()

    def _require_hope(self) -> None:
        """Raises CannotEnd: no update can come any more, or none has come for ``max_wait``."""
        decisions = self.decisions
        lost = self._never | self._session.died.keys()
        nobody = len(lost.union(decisions.resting)) == self._scheme.workers
        if nobody or decisions.hopeless(lost):
            raise self._cannot_end(decisions.iteration)
        if self._workers.now() >= self._opened + self._max_wait:
            raise self._cannot_end(decisions.iteration, self._max_wait)


@final
class CycleMeans:
    """Updates in cycles of n move along the sum of the means of each worker's gradients in it."""

    def __init__(self, workers: int) -> None:
        self._n = workers
        self._sums: dict[int, tuple[Vector, int]] = {}
        self._kept: list[tuple[int, Vector]] = []

    def add(self, worker: int, value: Vector, before: int, after: int) -> None:
        """Take a worker's gradient, decided when there were so many updates before and after it."""
        if after == before and before % self._n:
            self._kept.append((worker, value))
            return
        total, count = self._sums.get(worker, (0.0, 0))
        self._sums[worker] = total + value, count + 1

    def mean(self, version: int) -> FloatArray:
        """What the update moves along that made this version; the last of a cycle ends it."""
        total: FloatArray = np.sum([value / count for value, count in self._sums.values()], axis=0)
        if version % self._n == 0:
            kept, self._kept = self._kept, []
            self._sums.clear()
            for worker, value in kept:
                self.add(worker, value, version, version)
        return total
