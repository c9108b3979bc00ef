"""Schemes without a barrier in the event engine: workers that never wait for each other.

The master hears messages, accepts or drops them, and updates when it has enough. All messages of an
instant are decided together, in the order of workers; workers start again after that.

Cost: about one SimPy timeout a message; ``benchmarks/barrierless.py`` reports the ratio to raw
timeouts.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, final

import numpy as np
import simpy
from simpy.events import Event

from ...errors import NeverEnough
from ...schemes.barrierless import Barrierless, Stops
from ...types import FloatArray, Messages, Trace, Work
from ..run import Recorder
from ..tapes import CheckedTape, TapeColumn, columns_of
from ..updates import Accepted, Cycle, Distinct, Heard, Standstill, Streams
from .free_workers import IdealWorkers, RealWorkers, Workers
from .master import DECISION, END_OF_TIME, GIVING_UP, Call

if TYPE_CHECKING:
    from ..run import Run


def simulate(run: Run, recorder: Recorder | None = None) -> Trace:
    """Run the replications, one after the other; see ``engines.run.simulate``."""
    scheme = run.scheme
    assert isinstance(scheme, Barrierless)
    accepted = Accepted.empty((len(run.tapes), run.updates, scheme.gradients), seconds=True)
    dead, busy, down = [], [], []
    streams = Streams(scheme.workers) if scheme.cycles else None
    for replication in range(len(run.tapes)):
        noted = recorder if replication == 0 else None
        tasks = task_columns(run, replication)
        workers: Workers
        if run.cluster.ideal:
            workers = IdealWorkers(tasks, noted)
        else:
            workers = RealWorkers(tasks, run.cluster, replication, noted)
        master = FreeMaster(scheme, run.iterations, workers, run.cluster.max_wait, noted)
        master.run()
        accepted.replication(replication).fill(master.accepted)
        if streams:
            worker, version, seconds, _ = np.array(master.stream).T
            streams.add(worker.astype(np.int64), version, seconds, np.array(master.ends))
        dead.append(master.dead)
        busy.append(workers.busy)
        down.append(workers.down)
    useful = streams.useful if streams else accepted.useful(scheme.workers)
    work = Work(np.stack(busy), useful, *accepted.blame(), np.array(dead), np.stack(down))
    heard = streams.heard if streams else Messages(accepted.worker, accepted.version)
    fails = run.cluster.failures is not None
    return Trace(accepted.times, heard, work, "event", run.seed, fails)


def task_columns(run: Run, replication: int) -> list[TapeColumn]:
    """Seconds of each worker's i-th task, one partition each."""
    tape = CheckedTape(run.tapes[replication])
    loads = np.ones(tape.workers, dtype=np.int64)

    def rows(start: int, stop: int) -> FloatArray:
        return run.load_law.worker_times(tape, loads, start, stop)

    return columns_of(rows, tape.block_rounds, tape.workers)


@final
class FreeMaster:
    """The parameter server of a scheme without rounds.

    Life cycle: made with the run; ``run`` lets time pass until the last update.

    Args:
        scheme: its four choices.
        iterations: iterations T.
        workers: the workers.
        max_wait: seconds that may pass between two updates.
        recorder: where the timeline goes, if anywhere.

    Attributes:
        version: updates so far.
        accepted: worker, version, seconds and instant of each message, in order; K make an update.
        stream: the same of every message, those that only add to an update's table among them,
            where updates come in cycles.
        ends: messages of the stream up to each update.
        dead: workers that were down, one entry per update.
    """

    def __init__(
        self,
        scheme: Barrierless,
        iterations: int,
        workers: Workers,
        max_wait: float | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.env = simpy.Environment()
        self.scheme = scheme
        self.workers = workers
        self.version = 0
        self.accepted: list[Heard] = []
        self.stream: list[Heard] = []
        self.ends: list[int] = []
        self.dead: list[int] = []
        self._updates = scheme.updates(iterations)
        self._oldest, self._restarts = scheme.oldest, scheme.restarts_at_once
        self._stops = scheme.stops is not Stops.NOBODY
        self._per_iteration = self._updates // iterations
        self._max_wait = max_wait
        self._recorder = recorder
        self._missing = scheme.gradients
        self._distinct = Distinct(workers.lost, scheme.workers) if scheme.distinct else None
        self._cycle = Cycle(scheme.workers) if scheme.cycles else None
        self._standstill = Standstill() if scheme.distinct or scheme.cycles else None
        self._inbox: list[tuple[int, int, float]] = []
        Call(self.env, END_OF_TIME, self._nothing_more, inf)

    def run(self) -> None:
        """Let time pass until the last update.

        Raises:
            NeverEnough: no update can happen any more, or none has for ``max_wait``.
        """
        self.workers.employ(self)
        for worker in range(self.scheme.workers):
            self.workers.start(worker, 0)
        self._watch()
        step, last = self.env.step, self._updates
        while self.version < last:
            step()
        self.workers.settle()

    def hear(self, worker: int, version: int, seconds: float) -> None:
        """Hear a message: a gradient at a version, that took its worker ``seconds`` to compute."""
        env, inbox = self.env, self._inbox
        now = env.now
        inbox.append((worker, version, seconds))
        if env.peek() > now:
            self._decide(now)
        elif len(inbox) == 1:
            Call(env, DECISION, lambda _: self._decide(env.now))

    def missing(self) -> list[int]:
        """Workers of whom nothing was accepted since the last update; of a cycle, who is needed."""
        if self._cycle:
            return sorted(self._cycle.needed)
        heard = {worker for worker, *_ in self.accepted[self.version * self.scheme.gradients :]}
        return [worker for worker in range(self.scheme.workers) if worker not in heard]

    @property
    def iteration(self) -> int:
        """The iteration that the next update belongs to, from 1."""
        return self.version // self._per_iteration + 1

    def _decide(self, now: float) -> None:
        """Decide all messages of this instant, then have workers start again."""
        inbox, self._inbox = self._inbox, []
        before, restarts, oldest = self.version, self._restarts, self._oldest
        distinct, cycle, standstill = self._distinct, self._cycle, self._standstill
        free: list[int] = []
        for worker, version, seconds in sorted(inbox) if len(inbox) > 1 else inbox:
            if cycle:
                self.stream.append((worker, version, seconds, now))
            if (
                self.version - version >= oldest
                or (distinct and distinct.has(worker))
                or (cycle and not cycle.hear(worker))
            ):
                free.append(worker)
                if standstill:
                    standstill.note(worker, now)
                continue
            self.accepted.append((worker, version, seconds, now))
            if restarts:
                free.append(worker)
            else:
                self.workers.rest(worker)
            self._missing -= 1
            if not self._missing:
                self._update(now)
                if self.version == self._updates:
                    return
                if not restarts:
                    free += [sender for sender, *_ in self.accepted[-self.scheme.gradients :]]
        if self._stops and self.version > before:
            free = self._stopped(free)
        for worker in sorted(free) if len(free) > 1 else free:
            self.workers.start(worker, self.version)
        if standstill:
            self._require_hope(standstill)

    def _require_hope(self, standstill: Standstill) -> None:
        """Others go on for ever where one whose message is needed never sends it.

        Raises:
            NeverEnough: too few workers are left, or time stands still.
        """
        if standstill.endless is not None:
            raise NeverEnough(self.iteration, self.missing(), endless=standstill.endless)
        never = self._distinct.hopeless(self._missing) if self._distinct else []
        if self._cycle:
            never = self._cycle.hopeless(self.workers.lost)
        if never:
            raise NeverEnough(self.iteration, never)

    def _stopped(self, free: list[int]) -> list[int]:
        """Who starts again after an update that stops somebody."""
        if self.scheme.stops is Stops.EVERYBODY:
            return list(range(self.scheme.workers))
        delivered = set(free)
        stale = [
            worker
            for worker, version in enumerate(self.workers.versions)
            if self.version - version >= self.scheme.oldest and worker not in delivered
        ]
        return free + stale

    def _update(self, now: float) -> None:
        self.dead.append(self.workers.dead)
        if self._recorder is not None:
            self._record(now, self._recorder)
        self._missing = self.scheme.gradients
        self.version += 1
        if self._distinct:
            self._distinct.clear()
        if self._standstill:
            self._standstill.clear()
        self.ends.append(len(self.stream))
        if self._max_wait is not None:
            self._watch()

    def _record(self, now: float, recorder: Recorder) -> None:
        """Note the master's wait for an update, that the first message of this instant ended."""
        start = self.version * self.scheme.gradients
        opened = self.accepted[start - 1][3] if start else 0.0
        last = next(worker for worker, *_, heard in self.accepted[start:] if heard == now)
        recorder.round_ended(self.version, opened, now, last)

    def _watch(self) -> None:
        """Give up if nothing has come of this update after ``max_wait``."""
        if self._max_wait is None:
            return
        version = self.version

        def give_up(_: Event) -> None:
            if self.version == version:
                raise NeverEnough(self.iteration, self.missing(), self._max_wait)

        Call(self.env, GIVING_UP, give_up, self._max_wait)

    def _nothing_more(self, _: Event) -> None:
        raise NeverEnough(self.iteration, self.missing())
