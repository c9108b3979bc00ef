"""The master of a scheme with rounds, on real workers.

It asks the same objects as the event engine: the stopping rule's tally when to stop, the policy
what becomes of unfinished work, the decoder for the decoding vector. Its clock is a real one, so
that no two messages come at the same instant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from math import inf
from typing import final

import numpy as np

from ...sim.engines.policy import Policy
from ...sim.schemes.base import Fixed
from ...sim.types import BoolArray, FloatArray
from .crew import Arrival, Crew, Death
from .descent import Descent
from .played import CannotEnd, Casualties, Played
from .tasks import Vector

Report = Callable[[], None]
"""Called after each update."""


@final
class RoundMaster:
    """The parameter server of one replication.

    Life cycle: made with the run; ``play`` it once.

    Args:
        scheme: assignment, stopping rule and decoder.
        offsets: ``(T, n m)`` seconds of the config from a task's beginning before which each
            message is not sent.
        crew: the workers.
        descent: the model.
        policy: what workers do with unfinished work.
        max_wait: seconds that a round may take.
        dead: workers that were dead before.
        first: number of the first task.
        report: called after each round.
    """

    def __init__(
        self,
        scheme: Fixed,
        offsets: FloatArray,
        crew: Crew,
        descent: Descent,
        policy: Policy,
        max_wait: float | None,
        dead: Casualties,
        first: int,
        report: Report,
    ) -> None:
        rounds, messages = offsets.shape
        n = scheme.workers
        self._scheme, self._crew, self._descent, self._policy = scheme, crew, descent, policy
        self._offsets, self._max_wait = offsets, inf if max_wait is None else max_wait
        self._given_up = max_wait
        self._casualties, self._first, self._report = dead, first, report
        self._per_worker = messages // n
        self._times = np.empty(rounds)
        self._arrived = np.zeros((rounds, messages), dtype=np.bool_)
        self._useful = np.zeros(n)
        self._last = np.full(rounds, -1, dtype=np.int64)
        self._margin = np.zeros(rounds)
        self._dead = np.zeros(rounds, dtype=np.int64)
        self._late = self._heard = 0
        self._finished = np.full(n, -1)

    def play(self) -> Played:
        """All rounds.

        Raises:
            CannotEnd: a round waits for workers that are dead, or longer than ``max_wait``.
        """
        self._casualties.new_clock()
        self._crew.start_clock()
        for t in range(len(self._times)):
            values = self._round(t)
            self._descent.update(self._decoded(t, values))
            self._descent.keep()
            self._report()
            if self._policy.drains and t + 1 < len(self._times):
                self._drain(t)
        models = self._descent.visited
        now = self._crew.now()
        return Played(
            self._times,
            self._arrived,
            None,
            self._crew.settle(),
            self._useful,
            self._casualties.down(now),
            self._last,
            self._margin,
            self._dead,
            np.stack(models) if models else None,
            self._late,
            self._heard,
        )

    def _round(self, t: int) -> Sequence[Vector | None]:
        """Broadcast, wait, decide; what had arrived by then, ``None`` for the rest."""
        opened, rule = self._crew.now(), self._scheme.stopping
        values: list[Vector | None] = [None] * self._offsets.shape[1]
        tally = rule.tally(len(values), opened)
        alarms: list[float] = []
        self._broadcast(t)
        before, decided = opened, inf
        for seconds in tally.alarms:
            heappush(alarms, opened + seconds)
        tally.alarms.clear()
        while True:
            until = min(alarms[0] if alarms else inf, opened + self._max_wait)
            for event in self._crew.hear(until):
                if isinstance(event, Death):
                    self._casualties.note(event)
                    continue
                message = self._note(event, t)
                if message is None or decided < inf:
                    continue
                values[message] = event.value
                self._arrived[t, message] = True
                self._useful[event.worker] += event.seconds
                if tally.arrive(message, event.now):
                    decided = event.now
                    self._last[t], self._margin[t] = event.worker, decided - before
                for seconds in tally.alarms:
                    heappush(alarms, event.now + seconds)
                tally.alarms.clear()
                before = event.now
            now = self._crew.now()
            while decided == inf and alarms and alarms[0] <= now:
                if tally.ring(heappop(alarms)):
                    decided = now
            if decided < inf:
                self._times[t] = decided
                self._dead[t] = np.count_nonzero(~self._casualties.alive)
                return values
            if now >= opened + self._max_wait:
                raise CannotEnd(t + 1, self._casualties.names(self._crew), self._given_up)
            if not alarms and not self._hope(t):
                raise CannotEnd(t + 1, self._casualties.names(self._crew))

    def _broadcast(self, t: int) -> None:
        m, point = self._per_worker, self._descent.point
        for worker in range(self._scheme.workers):
            waits = self._offsets[t, worker * m : (worker + 1) * m].tolist()
            self._crew.give(worker, self._first + t, waits, point)

    def _note(self, event: Arrival, t: int) -> int | None:
        """Which message of round t has arrived; ``None`` for one of an earlier round."""
        of_round = event.number - self._first
        self._late += event.late
        self._heard += 1
        if event.place == self._per_worker - 1:
            self._finished[event.worker] = of_round
        return event.worker * self._per_worker + event.place if of_round == t else None

    def _hope(self, t: int) -> bool:
        """Whether messages that may still come can end the round."""
        alive = np.repeat(self._casualties.alive, self._per_worker)
        may_come = alive & np.isfinite(self._offsets[t])
        rule = self._scheme.stopping
        if not rule.timed:
            return bool(rule.enough(self._arrived[t] | may_come))
        return bool((may_come & ~self._arrived[t]).any())

    def _decoded(self, t: int, values: Sequence[Vector | None]) -> Vector:
        """``sum_j a_j message_j``, with the decoding vector a of what arrived."""
        arrived: BoolArray = self._arrived[t]
        vector = self._scheme.decoder.decoding_vector(arrived)
        gradient: Vector = np.zeros(self._descent.point.shape)
        for weight, value in zip(vector, values, strict=True):
            if value is not None and weight != 0:
                gradient = gradient + weight * value
        return gradient

    def _drain(self, t: int) -> None:
        """Wait until every living worker has finished."""
        m = self._per_worker
        ends = np.isfinite(self._offsets[t, m - 1 :: m])
        while (self._casualties.alive & (self._finished < t)).any():
            if not ends[self._casualties.alive].all():
                raise CannotEnd(t + 1, [])
            for event in self._crew.hear(inf):
                if isinstance(event, Death):
                    self._casualties.note(event)
                else:
                    self._note(event, t)
