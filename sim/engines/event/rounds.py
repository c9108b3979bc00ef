"""Schemes with rounds in the event engine: the workers of an ideal cluster, a SimPy process each;
and of each replication a master and its workers."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from math import inf, isnan
from typing import Any, final

import numpy as np
from simpy.events import Event, Timeout
from typing_extensions import override

from ...base.types import BoolArray, FloatArray, Recorder, Rounds, Trace, Work
from ...schemes.base import Round, RoundOutcome, Sees
from ..run import Course, Run, plan_of, play_rounds, to_the_end
from ..tapes import CheckedTape
from .master import Master, RoundWorkers
from .networked import NetworkedRoundWorkers

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

    def __init__(self, run: Run, replication: int, recorder: Recorder | None) -> None:
        super().__init__(run, replication, recorder)
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


# Cost: about one SimPy timeout per worker and round, plus two events of the master per round;
# the benchmark ``benchmarks/rounds.py`` reports the ratio to raw timeouts.


def event_rounds(run: Run, recorder: Recorder | None = None) -> Trace:
    """Run the replications, one after the other; see ``engines.simulate.simulate``. A scheme that
    looks at arrivals is asked for its plan for all replications together."""
    if run.rounds.sees is not Sees.NOTHING:
        return to_the_end(event_course(run, recorder))
    plan = plan_of(run, run.rounds.start(len(run.tapes)))
    played = []
    for replication in range(len(run.tapes)):
        master = _master(run, replication, recorder)
        for row in _offsets(run, replication, plan):
            master.play(row, plan)
        played.append(_numbers(master))  # the master holds blocks of tapes
    return _trace(run, played)


def event_course(run: Run, recorder: Recorder | None = None) -> Course:
    """All replications together, a round at a time; see ``engines.simulate.rounds``."""
    masters = [_master(run, r, recorder) for r in range(len(run.tapes))]

    def play(t: int, plan: Round, offsets: FloatArray) -> RoundOutcome:
        for master, row in zip(masters, offsets.tolist(), strict=True):
            master.play(row, plan)
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


def _offsets(run: Run, replication: int, plan: Round) -> Iterator[list[float]]:
    """When each message is computed, round by round, as Python floats (the same bits)."""
    scheme, tape = run.rounds, CheckedTape(run.tapes[replication])
    together = plan.together(tape)
    for start in range(0, run.updates, together):
        stop = min(start + together, run.updates)
        yield from plan.message_times(run.load_law, tape, scheme.messages, start, stop).tolist()


def _numbers(master: Master) -> tuple[np.ndarray, ...]:
    """Times, masks and the arrays of ``Work`` of a replication."""
    workers = master.workers
    work = (workers.busy, master.useful, master.last, master.margin, master.dead, workers.down)
    return tuple(map(np.array, (master.times, master.masks, *work)))


def _trace(run: Run, played: Sequence[tuple[np.ndarray, ...]]) -> Trace:
    times, masks, *work = (np.stack(arrays) for arrays in zip(*played, strict=True))
    fails = run.cluster.failures is not None
    return Trace(times, Rounds(masks), Work(*work), "event", run.seed, fails, run.iterations)
