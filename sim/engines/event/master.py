"""The master of schemes with rounds, a SimPy process; before it what all event engines share: the
order of events in an instant, and the workers of a replication."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import lru_cache
from itertools import count, repeat
from math import inf

import numpy as np
import simpy
from simpy.events import Event, EventPriority, Timeout

from ...base.errors import NeverEnough
from ...base.types import BoolArray, Recorder
from ...schemes.across_rounds.local_sgd import GroupWaits
from ...schemes.base import Round
from ...schemes.parts.stopping import StoppingRule, StoppingState
from ..run import Run
from ..tapes import CheckedTape, RetryTape, TapeColumn, columns

END_OF_TIME = EventPriority(0)  # before all else at infinity, for that never happens
RECEPTION = EventPriority(2)  # after NORMAL (1): who finishes as a model reaches it finishes first
DECISION = EventPriority(3)  # after all messages and receptions: when the master looks at its clock
GIVING_UP = EventPriority(4)  # after every decision: a round may end exactly at ``max_wait``

REMEMBERED_OFFSETS = 2**18  # of tasks that are done again: numbers, together
Action = Callable[[Event], None]


class Call(Event):
    """Happens in so many seconds, after all of that instant that comes first, and calls ``action``
    with itself. ``priority`` is the order within an instant, and ``value`` the event's value."""

    def __init__(
        self,
        env: simpy.Environment,
        priority: EventPriority,
        action: Action | None = None,
        seconds: float = 0.0,
        value: object = None,
    ) -> None:
        super().__init__(env)
        # SimPy has no public way to make an event happen with a priority of its own: ``succeed``
        # and ``Timeout`` take the usual one. ``Timeout`` sets the same two attributes.
        self._ok, self._value = True, value
        if action is not None:
            self.callbacks.append(action)
        env.schedule(self, priority=priority, delay=seconds)


class Crew:
    """The workers of a replication, of ``master`` or of ``barrierless``; abstract."""

    dead: int = 0  # how many workers are down

    def __init__(self, run: Run, replication: int, recorder: Recorder | None) -> None:
        self.run, self.replication, self.n = run, replication, run.scheme.workers
        self.recorder = recorder if replication == 0 else None  # of their timeline
        # Seconds that workers computed or were down so far.
        self.busy, self.down = np.zeros(self.n), np.zeros(self.n)
        self.immortal = [run.cluster.failures is None] * self.n

    def record(self, worker: int, kind: str, began: float, now: float, of_round: int) -> None:
        """Record a task, or with the kind ``dead`` the time that a worker was down."""
        (self.down if kind == "dead" else self.busy)[worker] += now - began
        if self.recorder is not None:
            self.recorder.span(worker, kind, began, now, of_round)

    def let_fail(self, env: simpy.Environment) -> None:
        """Have each worker crash and come back, over and over; without a repair only once."""
        if self.run.cluster.failures is None:
            return
        failures = self.run.cluster.failures[self.replication]
        downs = repeat(None) if failures.down is None else columns(failures.down)
        for worker, (up, down) in enumerate(zip(columns(failures.up), downs, strict=False)):
            env.process(self._fate(env, worker, up, down))

    def _fate(
        self, env: simpy.Environment, worker: int, up: TapeColumn, down: TapeColumn | None
    ) -> Generator[Event, object, None]:
        for life in count():
            alive = up[life]
            self.lives(worker, alive)
            yield Timeout(env, alive)
            seconds = inf if down is None else down[life]
            self.crash(worker, seconds)
            yield Timeout(env, seconds)
            self.repair(worker)

    def lives(self, worker: int, seconds: float) -> None:
        """Note that a worker stays up for so long."""
        self.immortal[worker] = seconds == inf

    def crash(self, worker: int, seconds: float) -> None:
        """Have a worker lose its task and its messages, and be down for so long."""
        raise NotImplementedError

    def repair(self, worker: int) -> None:
        """Have a worker be up again, with the newest model."""
        raise NotImplementedError


class RoundWorkers(Crew, ABC):
    """The workers, as the master of rounds sees them; abstract."""

    def __init__(self, run: Run, replication: int, recorder: Recorder | None) -> None:
        super().__init__(run, replication, recorder)
        self.policy = run.policy
        self.resting = self.n  # how many have nothing to do and nothing under way

    @abstractmethod
    def employ(self, master: Master) -> None:
        """Start the workers' processes."""

    @abstractmethod
    def settle(self, opened: float, now: float, over: bool) -> None:
        """Record the seconds since the round opened; ``over`` when the run ends now."""

    @abstractmethod
    def unfinished(self) -> BoolArray:
        """``(n,)`` who has not come to rest."""


class Master:
    """The parameter server: opens rounds, hears messages, decides. Life cycle: made with the run;
    ``play`` each round. Not modelled: time that the master itself needs."""

    def __init__(self, run: Run, workers: RoundWorkers) -> None:
        self.env = simpy.Environment()
        self.rounds = rounds = run.updates
        self.workers, self.n, self.messages = workers, workers.n, run.rounds.messages  # of each
        self.round = -1  # the current one, from 0
        self.broadcast = Event(self.env)  # happens when a round opens; its value is the round
        self.offsets: list[list[float]] = []  # of messages after their workers began, by round
        self._plans: list[Round] = []
        self.useful = [0.0] * self.n  # seconds that went into messages which arrived in time
        # As in ``Trace``, without the axis R.
        self.times = np.empty(rounds)
        self.masks = np.zeros((rounds, self.n * self.messages), dtype=np.bool_)
        self.last = np.full(rounds, -1, dtype=np.int64)
        self.margin = np.zeros(rounds)
        self.dead = np.zeros(rounds, dtype=np.int64)
        self.opened = 0.0
        # Workers that crash over and over do the same task again about equally often, so a retry
        # that is drawn for one of them is read by the others.
        retries = max(1, REMEMBERED_OFFSETS // (self.n * self.messages))
        self._offsets_again = lru_cache(maxsize=retries)(self._drawn_again)
        self._drains = run.policy.drains
        self._max_wait = run.cluster.max_wait
        self._alarm = -inf
        self._ready = self._decided = False
        self._enough, self._all_rest = Event(self.env), Event(self.env)
        self._stopping_state: StoppingState
        self._arrived = bytearray(self.n * self.messages)
        self.instants: list[float] = []  # of the round's messages; infinite where none has come
        self._latest, self._before, self._last = -1.0, 0.0, -1
        Call(self.env, END_OF_TIME, self._nothing_more, inf)
        workers.employ(self)
        self.env.process(self.process())
        self._advance()

    def process(self) -> Generator[Event, int, None]:
        """Have a round opened, wait until the stopping rule has enough messages, decide; over and
        over. The decision is the last event of its instant, so that every message of the instant
        counts. Under ``drain`` the next round opens once every worker rests."""
        yield Call(self.env, DECISION)  # by then every worker listens
        while True:
            self._ready = True
            of_round = yield self.broadcast  # ``play`` opens the round: every worker hears of it
            yield self._enough  # ``hear`` tells the stopping rule of each message
            self._decide()
            over = of_round + 1 == self.rounds
            if self._drains and self.workers.resting < self.n and not over:
                yield self._all_rest
            self.workers.settle(self.opened, self.env.now, over)

    def play(self, offsets: list[float], plan: Round) -> None:
        """Play a round whose messages are computed ``offsets`` seconds after their workers begin.
        Raises ``NeverEnough`` if it cannot end, or has not ended by ``max_wait``."""
        self._plans.append(plan)
        self._open(offsets, plan.stopping.of(self.workers.replication))
        broadcast, self.broadcast = self.broadcast, Event(self.env)
        broadcast.succeed(self.round)  # every worker that listens hears of it at this instant
        self._advance()

    def offsets_of(self, of_round: int, retry: int) -> list[float]:
        """``(n m,)`` offsets of a round's messages, for workers that do their task again after so
        many crashes: it is a new execution."""
        return self._offsets_again(of_round, retry) if retry else self.offsets[of_round]

    def _drawn_again(self, of_round: int, retry: int) -> list[float]:
        run, replication = self.workers.run, self.workers.replication
        plan = self._plans[of_round]
        if plan.loads.ndim > 1:
            plan = replace(plan, loads=plan.loads[replication])
        if isinstance(plan.patience, GroupWaits):  # the others of its group have gone on
            plan = replace(plan, patience=None)
        tape = RetryTape(CheckedTape(run.tapes[replication]), retry)
        span = self.messages, of_round, of_round + 1
        offsets: list[float] = plan.message_times(run.load_law, tape, *span)[0].tolist()
        return offsets

    def _advance(self) -> None:
        """Let time pass until the next round can open, or the run is over."""
        step = self.env.step
        while not self._ready:
            step()

    def _open(self, offsets: list[float], stopping: StoppingRule) -> None:
        self.round += 1
        self._ready = self._decided = False
        self.opened = self.env.now
        self.offsets.append(offsets)
        self._enough = Event(self.env)
        if self._drains:
            self._all_rest = Event(self.env)
        self._stopping_state = stopping.stopping_state(self.n * self.messages, self.opened)
        self._arrived = bytearray(self.n * self.messages)
        self.instants = [inf] * (self.n * self.messages)
        self._latest, self._before, self._last = -1.0, self.opened, -1
        if self._stopping_state.alarms:
            self._set_alarms()
        if self._max_wait is not None:
            self._alarm = max(self._alarm, self.opened + self._max_wait)
            of_round = self.round

            def give_up(_: Event) -> None:
                if of_round == self.round and not self._decided:
                    raise NeverEnough(self.round + 1, self.missing(), self._max_wait)

            Call(self.env, GIVING_UP, give_up, self._max_wait)

    def hear(self, message: int, of_round: int, seconds: float) -> None:
        """Hear a message that took its worker ``seconds`` to compute. A message of an earlier
        round, or after the decision, is too late. One that its worker sends again because a crash
        has lost the task changes nothing."""
        now = self.env.now
        if of_round != self.round or self._arrived[message]:
            return
        if not (self._decided and now > self.times[of_round]):
            worker = message // self.messages
            self._arrived[message] = 1
            self.instants[message] = now
            self.useful[worker] += seconds
            if now > self._latest:
                if self._latest >= 0:
                    self._before = self._latest
                self._latest, self._last = now, worker
            else:
                self._last = -1  # several messages at once: nobody's alone
            enough = self._stopping_state.arrive(message, now)
            if not self._decided:
                if enough:
                    self._decide_now()
                elif self._stopping_state.alarms:
                    self._set_alarms()

    def rested(self) -> None:
        """Note that everybody may have come to rest; matters under ``drain`` only."""
        waits = self._drains and self._decided and not self._all_rest.triggered
        if waits and self.workers.resting == self.n and self.env.now > self.times[self.round]:
            self._at_the_end(self._all_rest)

    def missing(self) -> list[int]:
        """The workers that the master waits for, when nothing more can happen."""
        if self._decided:
            waited_for = self.workers.unfinished()
        else:
            waited_for = ~self.arrived[self.messages - 1 :: self.messages]
            if self.offsets:  # a round has begun: nobody waits for who has nothing to send
                offsets = self.offsets[self.round][self.messages - 1 :: self.messages]
                waited_for &= ~np.isnan(offsets)
        return [int(worker) for worker in np.flatnonzero(waited_for)]

    def waits_for(self) -> list[int]:
        """The workers that alone can end the round: none while an alarm is still to come."""
        for_sure = self.times[self.round] if self._decided else self._alarm
        return self.missing() if self.env.now > for_sure else []

    @property
    def arrived(self) -> BoolArray:
        """``(n m,)`` who has arrived in the current round."""
        return np.frombuffer(self._arrived, dtype=np.bool_)

    def _nothing_more(self, _: Event) -> None:
        raise NeverEnough(self.round + 1, self.missing())

    def _set_alarms(self) -> None:
        """Ask the stopping state again later; messages of that instant come first."""
        of_round = self.round

        def ring(_: Event) -> None:
            late = self._decided or of_round != self.round
            if not late and self._stopping_state.ring(self.env.now):
                self._decide_now()

        for seconds in self._stopping_state.alarms:
            Call(self.env, DECISION, ring, seconds)
            if seconds < inf:
                self._alarm = max(self._alarm, self.env.now + seconds)
        self._stopping_state.alarms.clear()

    def _decide_now(self) -> None:
        self._decided = True
        self.times[self.round] = self.env.now
        self._at_the_end(self._enough)

    def _at_the_end(self, event: Event) -> None:
        """Have an event that ``process`` waits for happen after all messages of this instant."""
        event._ok, event._value = True, None  # as in ``Call``
        self.env.schedule(event, priority=DECISION)

    def _decide(self) -> None:
        now, t = self.env.now, self.round
        self.masks[t] = self.arrived
        self.dead[t] = self.workers.dead
        if self._latest == now and self._last >= 0:
            self.last[t], self.margin[t] = self._last, now - self._before
        if self.workers.recorder is not None:
            self.workers.recorder.round_ended(t, self.opened, now, int(self.last[t]))
