"""Schemes with rounds in the event engine: ideal workers, workers on a network, and the run."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from math import inf
from typing import Any, final

import numpy as np
from simpy.events import Event, Timeout
from typing_extensions import override

from ...schemes.base import RoundOutcome, Sees
from ...schemes.stopping import StoppingRule
from ...types import BoolArray, FloatArray, Rounds, Trace, Work
from ..recording import Recorder
from ..run import Course, Run, plan_of, play_rounds, to_the_end
from ..tapes import CheckedTape
from .master import Master, RoundWorkers
from .worker import NetworkedRoundWorkers

# Ideal workers are the fast path: one SimPy process per worker, one timeout per message.

IdealProcess = Generator[Event, int, None]


@final
class IdealRoundWorkers(RoundWorkers):
    """Workers of an ideal cluster. Between two openings of rounds an ideal worker computes without
    a pause from the first instant on, until it rests: its busy seconds are booked by round."""

    @override
    def set_up(self) -> None:
        super().set_up()
        self.began, self.finished, self.task = [0.0] * self.n, [0.0] * self.n, [-1] * self.n

    @override
    def employ(self, master: Master) -> None:
        work = cancelling_worker if self.policy.interrupts else diligent_worker
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


def cancelling_worker(workers: IdealRoundWorkers, master: Master, worker: int) -> IdealProcess:
    """Policy ``cancel``: each broadcast replaces whatever the worker was doing. The abandoned
    timeout stays in SimPy's heap and says nothing when it fires: that costs less than interrupting
    a process. One that would never fire is not scheduled, or it would stay there."""
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
                workers.rests(worker, now)
            master.hear(message, current, now - since)
            since = now

    while True:
        current = yield master.broadcast
        since = env.now
        workers.begins(worker, current, since)
        offsets = master.offsets[current]
        for message in range(first, final_message + 1):
            if offsets[message] < inf:
                Timeout(env, offsets[message], (current, message)).callbacks.append(arrive)


def diligent_worker(workers: IdealRoundWorkers, master: Master, worker: int) -> IdealProcess:
    """The other policies: the worker always finishes what it has begun. Under ``queue`` it takes
    every model in order, under ``finish`` the newest one; under ``drain`` the two are the same."""
    env, next_round = master.env, workers.policy.next_round
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
        workers.begins(worker, last, since)
        offsets = master.offsets[last]
        for message in range(first, final_message):
            if offsets[message] < inf:
                Timeout(env, offsets[message], message).callbacks.append(arrive)
        yield Timeout(env, offsets[final_message])
        now = env.now
        workers.rests(worker, now)
        master.hear(final_message, last, now - since)
        master.rested()


# Cost: about one SimPy timeout per worker and round, plus one shared event per round; the
# benchmark ``benchmarks/event_engine.py`` reports the ratio to raw timeouts.
def event_rounds(run: Run, recorder: Recorder | None = None) -> Trace:
    """Run the replications, one after the other; see ``engines.simulate.simulate``. A scheme that
    looks at arrivals is asked for its plan for all replications together."""
    if run.rounds.sees is not Sees.NOTHING:
        return to_the_end(event_course(run, recorder))
    stopping = plan_of(run, run.rounds.start(len(run.tapes))).stopping
    played = []
    for replication in range(len(run.tapes)):
        master = _master(run, replication, recorder)
        master.advance()
        for row in _offsets(run, replication):
            master.open_round(row, stopping.of(replication))
            master.advance()
        played.append(_numbers(master))  # the master holds blocks of tapes
    return _trace(run, played)


def event_course(run: Run, recorder: Recorder | None = None) -> Course:
    """All replications together, a round at a time; see ``engines.simulate.rounds``."""
    masters = [_master(run, r, recorder) for r in range(len(run.tapes))]
    for master in masters:
        master.advance()

    def play(t: int, stopping: StoppingRule, offsets: FloatArray) -> RoundOutcome:
        for r, (master, row) in enumerate(zip(masters, offsets.tolist(), strict=True)):
            master.open_round(row, stopping.of(r))
            master.advance()
        ended = np.array([master.times[t] for master in masters])
        opened = np.array([master.opened for master in masters])
        arrived = np.stack([master.masks[t] for master in masters])
        arrival = np.array([master.instants for master in masters]) - opened[:, None]
        return RoundOutcome(ended - opened, arrived, arrival=arrival)

    yield from play_rounds(run, play)
    return _trace(run, list(map(_numbers, masters)))


def _master(run: Run, replication: int, recorder: Recorder | None) -> Master:
    workers = IdealRoundWorkers if run.cluster.ideal else NetworkedRoundWorkers
    return Master(run, workers(run, replication, recorder))


def _offsets(run: Run, replication: int) -> Iterator[list[float]]:
    """When each message is computed, round by round, as Python floats (the same bits)."""
    scheme = run.rounds
    tape, plan = CheckedTape(run.tapes[replication]), scheme.plan(scheme.start(1))
    together = plan.together(tape)
    for start in range(0, run.updates, together):
        stop = min(start + together, run.updates)
        yield from plan.message_times(run.load_law, tape, scheme.messages, start, stop).tolist()


def _numbers(master: Master) -> tuple[np.ndarray, ...]:
    """Times, masks and the parts of ``Work`` of a replication."""
    workers = master.workers
    parts = (workers.busy, master.useful, master.last, master.margin, master.dead, workers.down)
    return tuple(map(np.array, (master.times, master.masks, *parts)))


def _trace(run: Run, played: Sequence[tuple[np.ndarray, ...]]) -> Trace:
    times, masks, *parts = (np.stack(each) for each in zip(*played, strict=True))
    fails = run.cluster.failures is not None
    return Trace(times, Rounds(masks), Work(*parts), "event", run.seed, fails, run.iterations)
