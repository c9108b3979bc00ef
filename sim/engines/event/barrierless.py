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

from sim.engines.event.calls import DECISION, END_OF_TIME, GIVING_UP, Call
from sim.engines.event.free_workers import IdealWorkers, RealWorkers, Workers
from sim.engines.event.timeline import Recorder
from sim.engines.tapes import CheckedTape, TapeColumn, columns_of
from sim.errors import NeverEnough
from sim.schemes.barrierless import Barrierless, Stops
from sim.types import FloatArray, Messages, Trace, Work

if TYPE_CHECKING:
    from sim.engines.run import Run


def simulate(run: Run, recorder: Recorder | None = None) -> Trace:
    """Run the replications, one after the other; see ``sim.engines.run.simulate``."""
    masters = []
    for replication in range(len(run.tapes)):
        noted = recorder if replication == 0 else None
        tasks = _tasks(run, replication)
        workers: Workers
        if run.cluster.ideal:
            workers = IdealWorkers(tasks, noted)
        else:
            workers = RealWorkers(tasks, run.cluster, replication, noted)
        assert isinstance(run.scheme, Barrierless)
        master = FreeMaster(run.scheme, run.iterations, workers, run.cluster.max_wait, noted)
        master.run()
        masters.append(master)
    heard = Messages(
        np.array([master.senders for master in masters]),
        np.array([master.versions for master in masters]),
    )
    work = Work(
        busy=np.stack([master.workers.busy for master in masters]),
        useful=np.array([master.useful for master in masters]),
        last=np.array([master.last for master in masters]),
        margin=np.array([master.margin for master in masters]),
        dead=np.array([master.dead for master in masters]),
        down=np.stack([master.workers.down for master in masters]),
    )
    times = np.array([master.times for master in masters])
    fails = run.cluster.failures is not None
    return Trace(times, heard, work, "event", run.seed, fails)


def _tasks(run: Run, replication: int) -> list[TapeColumn]:
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
        times, senders, versions, last, margin, dead: one entry per update, as in ``Trace``.
        useful: ``(n,)`` seconds that went into messages which made an update.
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
        self.times: list[float] = []
        self.senders: list[list[int]] = []
        self.versions: list[list[int]] = []
        self.last: list[int] = []
        self.margin: list[float] = []
        self.dead: list[int] = []
        self.useful = [0.0] * scheme.workers
        self._updates = scheme.updates(iterations)
        self._per_iteration = self._updates // iterations
        self._max_wait = max_wait
        self._recorder = recorder
        self._inbox: list[tuple[int, int, float]] = []
        self._accepted: list[tuple[int, int, float, float]] = []
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
        self._inbox.append((worker, version, seconds))
        if self.env.peek() > self.env.now:
            self._decide()
        elif len(self._inbox) == 1:
            Call(self.env, DECISION, lambda _: self._decide())

    def missing(self) -> list[int]:
        """Workers of whom nothing was accepted since the last update."""
        heard = {worker for worker, *_ in self._accepted}
        return [worker for worker in range(self.scheme.workers) if worker not in heard]

    @property
    def iteration(self) -> int:
        """The iteration that the next update belongs to, from 1."""
        return self.version // self._per_iteration + 1

    def _decide(self) -> None:
        """Decide all messages of this instant, then have workers start again."""
        scheme, before = self.scheme, self.version
        inbox, self._inbox = sorted(self._inbox), []
        free: list[int] = []
        for worker, version, seconds in inbox:
            if self.version - version >= scheme.oldest:
                free.append(worker)
                continue
            self._accepted.append((worker, version, seconds, self.env.now))
            if scheme.restarts_at_once:
                free.append(worker)
            else:
                self.workers.rest(worker)
            if len(self._accepted) == scheme.gradients:
                if not scheme.restarts_at_once:
                    free += [sender for sender, *_ in self._accepted]
                self._update()
                if self.version == self._updates:
                    return
        if self.version > before and scheme.stops is not Stops.NOBODY:
            free = self._stopped(free)
        for worker in sorted(free) if len(free) > 1 else free:
            self.workers.start(worker, self.version)

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

    def _update(self) -> None:
        now = self.env.now
        opened = self.times[-1] if self.times else 0.0
        at_the_end = [worker for worker, _, _, heard in self._accepted if heard == now]
        earlier = [heard for _, _, _, heard in self._accepted if heard < now]
        for worker, _, seconds, _ in self._accepted:
            self.useful[worker] += seconds
        self.times.append(now)
        self.senders.append([worker for worker, *_ in self._accepted])
        self.versions.append([version for _, version, _, _ in self._accepted])
        self.last.append(at_the_end[0])
        self.margin.append(now - max(earlier[-1] if earlier else opened, opened))
        self.dead.append(self.workers.dead)
        if self._recorder is not None:
            self._recorder.round_ended(self.version, opened, now, self.last[-1])
        self._accepted = []
        self.version += 1
        self._watch()

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
