"""Schemes without a barrier in the event engine: workers that never wait for each other.

The master hears messages, accepts or drops them, and updates when it has enough. All messages of an
instant are decided together, in the order of workers; workers start again after that.

Cost: about one SimPy timeout a message; ``benchmarks/barrierless.py`` reports the ratio to raw
timeouts.
"""

from __future__ import annotations

from math import inf
from typing import final

import simpy
from simpy.events import Event

from ...errors import NeverEnough
from ...types import Trace
from ..run import Recorder, Run
from ..updates import Decisions, Message, Trajectory
from .barrierless_workers import (
    BarrierlessWorkers,
    IdealBarrierlessWorkers,
    NetworkedBarrierlessWorkers,
)
from .master import DECISION, END_OF_TIME, GIVING_UP, Call


def event_barrierless(run: Run, recorder: Recorder | None = None) -> Trace:
    """Run the replications, one after the other; see ``engines.simulate.simulate``."""
    trajectory = Trajectory(run)
    kind = IdealBarrierlessWorkers if run.cluster.ideal else NetworkedBarrierlessWorkers
    for replication in range(len(run.tapes)):
        workers = kind(run, replication, recorder)
        master = BarrierlessMaster(run, workers)
        master.run()
        trajectory.add(master.decisions, workers.busy, master.dead, workers.down)
    return trajectory.trace("event", run.cluster.failures is not None)


@final
class BarrierlessMaster:
    """The parameter server of a scheme without rounds: it lets time pass and asks ``Decisions``.
    Life cycle: made with the workers of a replication; ``run`` it once."""

    def __init__(self, run: Run, workers: BarrierlessWorkers) -> None:
        scheme = run.barrierless
        self.env = simpy.Environment()
        self.decisions = Decisions(scheme, run.iterations)
        self.dead: list[int] = []  # workers that were down at each update
        self._workers, self._updates = workers, run.updates
        self._may_stall = scheme.distinct or scheme.cycles
        self._max_wait = run.cluster.max_wait
        self._inbox: list[Message] = []
        Call(self.env, END_OF_TIME, self._nothing_more, inf)

    def run(self) -> None:
        """Let time pass until the last update; raises ``NeverEnough`` if there can be no more of
        them, or none has come for ``max_wait``."""
        workers, decisions, step = self._workers, self.decisions, self.env.step
        workers.employ(self.env, decisions, self.hear)
        for worker in range(decisions.scheme.workers):
            workers.start(worker, 0)
        self._watch()
        last = self._updates
        while decisions.version < last:
            step()
        workers.settle()

    def hear(self, worker: int, version: int, seconds: float) -> None:
        """Hear a message: a gradient at a version, that took its worker ``seconds`` to compute."""
        env, inbox, message = self.env, self._inbox, (worker, version, seconds)
        now = env.now
        if not inbox:
            if env.peek() > now:  # nothing else comes at this instant
                self._decide([message], now)
                return
            Call(env, DECISION, self._decide_all)
        inbox.append(message)

    def _decide_all(self, _: Event) -> None:
        inbox, self._inbox = self._inbox, []
        self._decide(inbox, self.env.now)

    def _decide(self, messages: list[Message], now: float) -> None:
        """Decide all messages of this instant, then have workers start again."""
        decisions, workers = self.decisions, self._workers
        before = decisions.version
        starting, resting = decisions.decide(messages, workers.versions, now)
        for worker in resting:
            workers.rest(worker)
        version = decisions.version
        if version > before:
            self.dead += [workers.dead] * (version - before)
            if workers.recorder is not None:
                self._record(before, now, workers.recorder)
            if self._max_wait is not None:
                self._watch()
            if version == self._updates:
                return
        for worker in starting:
            workers.start(worker, version)
        if self._may_stall:
            self._require_hope()

    def _require_hope(self) -> None:
        """Others go on for ever where one whose message is needed never sends it."""
        decisions = self.decisions
        if decisions.endless is not None:
            raise NeverEnough(decisions.iteration, decisions.missing(), endless=decisions.endless)
        if self._workers.lost and (never := decisions.hopeless(self._workers.lost)):
            raise NeverEnough(decisions.iteration, never)

    def _record(self, before: int, now: float, recorder: Recorder) -> None:
        """Note the waits for the updates of this instant; its first message ended each."""
        accepted, k = self.decisions.accepted, self.decisions.scheme.gradients
        for update in range(before, self.decisions.version):
            opened = accepted[update * k - 1][3] if update else 0.0
            last = next(worker for worker, *_, heard in accepted[update * k :] if heard == now)
            recorder.round_ended(update, opened, now, last)

    def _watch(self) -> None:
        if self._max_wait is None:
            return
        decisions, version = self.decisions, self.decisions.version

        def give_up(_: Event) -> None:
            if decisions.version == version:
                raise NeverEnough(decisions.iteration, decisions.missing(), self._max_wait)

        Call(self.env, GIVING_UP, give_up, self._max_wait)

    def _nothing_more(self, _: Event) -> None:
        raise NeverEnough(self.decisions.iteration, self.decisions.missing())
