"""The actors of the event engine: one SimPy process per worker, and the master they report to.

Life of a round: the master opens it and broadcasts the model (one shared event); workers compute
(one timeout each) and report; the master keeps a tally of the stopping rule, and once that says
*enough* it decides at the very end of that instant, so that every message of the instant counts;
then it opens the next round. Under ``drain`` it first waits until every worker is idle.

Not modelled here: the network, failures, and time that the master itself needs.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from math import inf

import numpy as np
import simpy
from simpy.events import Event, EventPriority, Timeout

from sim.engines.policy import Policy
from sim.schemes.stopping import StoppingRule, Tally
from sim.types import BoolArray, FloatArray

LATE = EventPriority(2)
"""A SimPy priority after NORMAL (1): the master decides after all arrivals of an instant."""

Process = Generator[Event, int, None]


class Master:
    """The parameter server: opens rounds, hears messages, decides.

    Life cycle: made with the run; ``open_round`` starts round 0; each decision opens the next
    one; ``done`` becomes True when the last round is decided.

    Args:
        env: the SimPy environment, whose clock is in seconds.
        stopping: when a round has enough messages.
        durations: for each round, how long each worker needs, as lists of n floats.
        rounds: number of rounds T.
        workers: number of workers n.
        drains: wait for every worker before the next round (policy ``drain``).
    """

    def __init__(
        self,
        env: simpy.Environment,
        stopping: StoppingRule,
        durations: Iterator[list[float]],
        rounds: int,
        workers: int,
        drains: bool,
    ) -> None:
        self.env = env
        self.stopping = stopping
        self.rows = durations
        self.rounds = rounds
        self.workers = workers
        self.drains = drains
        self.round = -1
        self.done = False
        self.decided = False
        self.opened = 0.0
        self.durations: list[list[float]] = []
        self.broadcast = Event(env)
        self.tally: Tally
        self.arrived = bytearray(workers)
        self.idle = workers
        self.started = [0.0] * workers
        self.finished = [0.0] * workers
        self.busy = np.zeros(workers)
        self.useful = [0.0] * workers
        self.times = np.empty(rounds)
        self.masks = np.zeros((rounds, workers), dtype=np.bool_)

    def open_round(self) -> None:
        """Broadcast the next model; every waiting worker takes it at this instant."""
        self.round += 1
        self.opened = self.env.now
        self.durations.append(next(self.rows))
        self.tally = self.stopping.tally(self.workers)
        self.arrived = bytearray(self.workers)
        self.decided = False
        for seconds in self.stopping.deadlines:
            self._watch_clock(seconds)
        broadcast, self.broadcast = self.broadcast, Event(self.env)
        broadcast.succeed(self.round)

    def starts(self, worker: int) -> None:
        """Note that a worker begins to compute."""
        self.started[worker] = self.env.now
        if self.finished[worker] < inf:
            self.idle -= 1
            self.finished[worker] = inf

    def receive(self, worker: int, of_round: int) -> None:
        """Hear a message; a message of an earlier round, or after the decision, is too late."""
        now = self.env.now
        self.finished[worker] = now
        self.idle += 1
        if of_round == self.round and not self._closed():
            self.arrived[worker] = 1
            self.useful[worker] += now - self.started[worker]
            if self.tally.arrive(worker):
                self._decide_late()
        elif self.drains and self.idle == self.workers:
            self._at_the_end_of_this_instant(self._next)

    def _closed(self) -> bool:
        """The round was decided at an earlier instant (messages of the same instant count)."""
        return self.decided and self.env.now > self.times[self.round]

    def _watch_clock(self, seconds: float) -> None:
        of_round = self.round

        def ring(_: Event) -> None:
            if of_round == self.round and not self.decided and self.tally.elapse(seconds):
                self._decide_late()

        _call(Timeout(self.env, seconds), ring)

    def _decide_late(self) -> None:
        if not self.decided:
            self.decided = True
            self.times[self.round] = self.env.now
            self._at_the_end_of_this_instant(self._decide)

    def _at_the_end_of_this_instant(self, action: Callable[[Event], None]) -> None:
        event = Event(self.env)
        event._ok, event._value = True, None
        _call(event, action)
        self.env.schedule(event, priority=LATE)

    def _decide(self, event: Event) -> None:
        self.masks[self.round] = np.frombuffer(self.arrived, dtype=np.bool_)
        if not self.drains or self.idle == self.workers or self.round + 1 == self.rounds:
            self._next(event)

    def _next(self, _: Event) -> None:
        """Settle the workers' time since the round opened, then open the next round or end."""
        self.busy += np.minimum(self.finished, self.env.now) - self.opened
        if self.round + 1 == self.rounds:
            self.done = True
        else:
            self.open_round()

    def heard(self) -> BoolArray:
        """``(n,)`` who has arrived in the current round."""
        return np.frombuffer(self.arrived, dtype=np.bool_)

    def useful_seconds(self) -> FloatArray:
        """``(n,)`` seconds that went into messages which arrived in time."""
        return np.array(self.useful)


def cancelling_worker(master: Master, worker: int) -> Process:
    """Policy ``cancel``: each broadcast replaces whatever the worker was doing.

    The abandoned timeout stays in SimPy's heap and says nothing when it fires: that costs less
    than interrupting a process.
    """
    env, current = master.env, -1

    def finish(event: Event) -> None:
        if event._value == current:
            master.receive(worker, current)

    while True:
        current = yield master.broadcast
        master.starts(worker)
        seconds = master.durations[current][worker]
        if seconds < inf:
            _call(Timeout(env, seconds, current), finish)


def diligent_worker(master: Master, worker: int, in_order: bool) -> Process:
    """The other policies: the worker always finishes what it has begun.

    Args:
        master: whom it reports to.
        worker: its index.
        in_order: take every model in order (``queue``); otherwise take the newest one
            (``finish``; under ``drain`` the two are the same).
    """
    last = -1
    while True:
        if last == master.round:
            yield master.broadcast
        last = last + 1 if in_order else master.round
        master.starts(worker)
        seconds = master.durations[last][worker]
        if seconds == inf:
            return
        yield Timeout(master.env, seconds)
        master.receive(worker, last)


def employ(master: Master, policy: Policy) -> None:
    """Start a worker process for each of the n workers."""
    for worker in range(master.workers):
        if policy is Policy.CANCEL:
            master.env.process(cancelling_worker(master, worker))
        else:
            master.env.process(diligent_worker(master, worker, policy is Policy.QUEUE))


def _call(event: Event, action: Callable[[Event], None]) -> None:
    event.callbacks.append(action)
