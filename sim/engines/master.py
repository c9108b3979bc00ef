"""The master of the event engine.

Life of a round: the master opens it and broadcasts the model (one shared event); workers compute
and report; the master keeps a tally of the stopping rule, and once that says *enough* it decides at
the very end of that instant, so that every message of the instant counts; then it opens the next
round. Under ``drain`` it first waits until every worker rests.

Not modelled here: time that the master itself needs.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from functools import partial
from math import inf

import numpy as np
import simpy
from simpy.events import Event, EventPriority

from sim.engines.timeline import Recorder
from sim.errors import NeverEnough
from sim.schemes.stopping import StoppingRule, Tally
from sim.types import BoolArray, FloatArray

END_OF_TIME = EventPriority(0)
"""Before everything else that would happen at infinity, for that never happens."""

RECEPTION = EventPriority(2)
"""After NORMAL (1): who finishes at the instant at which a model reaches it finishes first."""

DECISION = EventPriority(3)
"""After every message and reception of an instant: when the master looks at its clock, too."""


class Crew(ABC):
    """The workers, as the master sees them; abstract.

    Attributes:
        resting: how many workers have nothing to do and nothing under way.
        busy: ``(n,)`` seconds computed so far.
        dead: how many workers are down.
    """

    resting: int
    busy: FloatArray
    dead: int = 0

    @abstractmethod
    def employ(self, master: Master) -> None:
        """Start the workers' processes."""

    @abstractmethod
    def settle(self, opened: float, now: float, over: bool) -> None:
        """Book the seconds since the round opened; ``over`` when the run ends now."""

    @abstractmethod
    def unfinished(self) -> BoolArray:
        """``(n,)`` who has not come to rest."""


class Master:
    """The parameter server: opens rounds, hears messages, decides.

    Life cycle: made with the run; ``open_round`` starts round 0; each decision opens the next one;
    ``done`` becomes True when the last round is decided.

    Args:
        env: the SimPy environment, whose clock is in seconds.
        stopping: when a round has enough messages.
        offsets: for each round, when each message is computed after its worker began, as lists.
        rounds: number of rounds T.
        crew: the workers.
        messages: messages per worker.
        drains: wait for every worker before the next round (policy ``drain``).
        max_wait: seconds after which an undecided round stops the run.
        recorder: where the timeline goes, if anywhere.
    """

    def __init__(
        self,
        env: simpy.Environment,
        stopping: StoppingRule,
        offsets: Iterator[list[float]],
        rounds: int,
        workers: int,
        crew: Crew,
        messages: int = 1,
        drains: bool = False,
        max_wait: float | None = None,
        recorder: Recorder | None = None,
    ) -> None:
        self.env = env
        self.rounds = rounds
        self.workers = workers
        self.messages = messages
        self.recorder = recorder
        self.round = -1
        self.done = False
        self.broadcast = Event(env)
        self.offsets: list[list[float]] = []
        self.useful = [0.0] * workers
        self.times = np.empty(rounds)
        self.masks = np.zeros((rounds, workers * messages), dtype=np.bool_)
        self.last = np.full(rounds, -1, dtype=np.int64)
        self.margin = np.zeros(rounds)
        self.dead = np.zeros(rounds, dtype=np.int64)
        self._stopping = stopping
        self._rows = offsets
        self._crew = crew
        self._drains = drains
        self._max_wait = max_wait
        self._opened, self._alarm = 0.0, -inf
        self._decided = False
        self._tally: Tally
        self._arrived = bytearray(workers * messages)
        self._latest, self._before, self._last = -1.0, 0.0, -1

    def open_round(self) -> None:
        """Broadcast the next model; every listening worker hears of it at this instant."""
        self.round += 1
        self._opened = self.env.now
        self.offsets.append(next(self._rows))
        self._tally = self._stopping.tally(self.workers * self.messages)
        self._arrived = bytearray(self.workers * self.messages)
        self._decided = False
        self._latest, self._before, self._last = -1.0, self._opened, -1
        for seconds in self._stopping.deadlines:
            self._at(seconds, partial(self._tally.elapse, seconds))
        if self._max_wait is not None:
            self._at(self._max_wait, self._give_up)
        broadcast, self.broadcast = self.broadcast, Event(self.env)
        broadcast.succeed(self.round)

    def hear(self, message: int, of_round: int, seconds: float) -> None:
        """Hear a message that took its worker ``seconds`` to compute.

        A message of an earlier round, or after the decision, is too late. One that its worker sends
        again because a crash has lost the task is no news.
        """
        now = self.env.now
        if of_round != self.round or self._arrived[message]:
            return
        if not (self._decided and now > self.times[of_round]):
            worker = message // self.messages
            self._arrived[message] = 1
            self.useful[worker] += seconds
            if now > self._latest:
                if self._latest >= 0:
                    self._before = self._latest
                self._latest, self._last = now, worker
            elif worker < self._last:
                self._last = worker
            if self._tally.arrive(message) and not self._decided:
                self._decide_now()

    def rested(self) -> None:
        """Note that everybody may have come to rest; matters under ``drain`` only."""
        resting = self._decided and self._crew.resting == self.workers
        if self._drains and resting and self.env.now > self.times[self.round]:
            at(self.env, DECISION, self._next)

    def missing(self) -> list[int]:
        """Whom the master waits for in vain, when nothing more can happen."""
        if self._decided:
            waited_for = self._crew.unfinished()
        else:
            unheard = np.frombuffer(self._arrived, dtype=np.bool_) == 0
            waited_for = unheard.reshape(self.workers, self.messages).any(axis=1)
        return [int(worker) for worker in np.flatnonzero(waited_for)]

    def waits_for(self) -> list[int]:
        """Whom alone the master waits for: nobody while an alarm or a decision is to come."""
        for_sure = self.times[self.round] if self._decided else self._alarm
        return self.missing() if self.env.now > for_sure else []

    def wait_in_vain(self, _: Event) -> None:
        """Say who is missing when nothing more can happen."""
        raise NeverEnough(self.round + 1, self.missing())

    def _at(self, seconds: float, enough: Callable[[], bool]) -> None:
        """Ask ``enough`` that many seconds after the round opened, if it is still undecided.

        Messages of that instant come first, so a round can end exactly at ``max_wait``.
        """
        of_round = self.round

        def ring(_: Event) -> None:
            if of_round == self.round and not self._decided and enough():
                self._decide_now()

        at(self.env, DECISION, ring, seconds)
        if seconds < inf:
            self._alarm = max(self._alarm, self._opened + seconds)

    def _give_up(self) -> bool:
        raise NeverEnough(self.round + 1, self.missing(), self._max_wait)

    def _decide_now(self) -> None:
        self._decided = True
        self.times[self.round] = self.env.now
        at(self.env, DECISION, self._decide)

    def _decide(self, event: Event) -> None:
        now, t = self.env.now, self.round
        self.masks[t] = np.frombuffer(self._arrived, dtype=np.bool_)
        self.dead[t] = self._crew.dead
        if self._latest == now:
            self.last[t], self.margin[t] = self._last, now - self._before
        if self.recorder is not None:
            self.recorder.round_ended(t, self._opened, now, int(self.last[t]))
        if not self._drains or self._crew.resting == self.workers or t + 1 == self.rounds:
            self._next(event)

    def _next(self, _: Event) -> None:
        """Book the workers' time since the round opened, then open the next round or end."""
        self.done = self.round + 1 == self.rounds
        self._crew.settle(self._opened, self.env.now, self.done)
        if not self.done:
            self.open_round()


def at(
    env: simpy.Environment,
    priority: EventPriority,
    action: Callable[[Event], None],
    seconds: float = 0.0,
    value: object = None,
) -> None:
    """Call ``action`` in so many seconds, after everything of that instant that comes first."""
    event = Event(env)
    event._ok, event._value = True, value
    call(event, action)
    env.schedule(event, priority=priority, delay=seconds)


def call(event: Event, action: Callable[[Event], None]) -> None:
    """Call ``action`` when the event happens."""
    event.callbacks.append(action)
