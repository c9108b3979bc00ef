"""Rounds one after the other on an ideal cluster, vectorised over replications and workers.

For policies that carry a worker's backlog from round to round, for stopping rules that need the
clock, and for schemes whose plan changes. Only what the next round depends on is done round by
round; the rest is done for many rounds at once.
"""

from __future__ import annotations

from typing import final

import numpy as np

from ...schemes.base import RoundOutcome
from ...schemes.stopping import StoppingRule
from ...types import FloatArray
from ..policy import Policy
from .booking import all_in, book, check
from .result import TraceArrays

CELLS = 2**15
"""Messages that are booked together: few enough to stay in the cache."""


@final
class CoupledRounds:
    """A group of replications on their way through the rounds.

    Life cycle: ``advance`` or ``round`` for t = 0, 1, ... in order, then ``finish``.

    Args:
        result: where everything goes.
        policy: what workers do with unfinished work.
        workers: n.

    Cost: per round some eight NumPy calls and the stopping rule; per message the ten passes of
    ``book``.
    """

    def __init__(self, result: TraceArrays, policy: Policy, workers: int) -> None:
        (r, rounds), n, m = result.times.shape, workers, result.messages
        self._result, self._policy = result, policy
        self._now, self._free = np.zeros((r, 1)), np.zeros((r, n))
        block = max(1, min(rounds, CELLS // (r * n * m)))
        # Of the rounds that are not booked yet.
        self._first, self._count = 0, 0
        self._opened, self._ready = np.empty((r, block)), np.empty((r, block))
        self._begun, self._arrive = np.empty((r, block, n)), np.empty((r, block, n * m))

    def advance(self, t: int, stopping: StoppingRule, offsets: FloatArray) -> None:
        """Play round t; ``offsets (r, n m)`` seconds from beginning to each message.

        Raises:
            NeverEnough: naming the first round, of those not booked yet, that never ends.
        """
        policy, now, i = self._policy, self._now, self._count
        if i == self._opened.shape[1]:
            self._book()
            i = 0
        self._count = i + 1
        begun, arrive = self._begun[:, i], self._arrive[:, i]
        begun[:] = policy.begins(now, self._free)  # never, behind a dead worker's task
        m = self._result.messages
        np.add(begun if m == 1 else np.repeat(begun, m, axis=1), offsets, out=arrive)
        ended = stopping.stopping_delay(arrive, now[:, 0])[:, None]
        finish = arrive[:, m - 1 :: m]
        skips = policy.skips(begun, ended)
        self._free = finish if skips is None else np.where(skips, self._free, finish)
        self._opened[:, i], self._result.times[:, t] = now[:, 0], ended[:, 0]
        self._now = np.maximum(ended, all_in(arrive, m)[:, None]) if policy.drains else ended
        self._ready[:, i] = self._now[:, 0]

    def round(self, t: int, stopping: StoppingRule, offsets: FloatArray) -> RoundOutcome:
        """Play round t, and say how it came out.

        Raises:
            NeverEnough: the round never ends.
        """
        opened = self._now[:, 0]
        self.advance(t, stopping, offsets)
        ended, arrive = self._result.times[:, t], self._arrive[:, self._count - 1]
        arrived, max_wait = arrive <= ended[:, None], self._result.max_wait
        late = ended > opened + (np.inf if max_wait is None else max_wait)
        if late.any() or not np.isfinite(self._now).all():
            self._book()
        arrival = np.where(arrived, arrive - opened[:, None], np.inf)
        return RoundOutcome(ended - opened, arrived, arrival=arrival)

    def finish(self) -> None:
        """Book what is left."""
        if self._count:
            self._book()

    def _book(self) -> None:
        rounds = slice(self._count)
        opened, ready = self._opened[:, rounds], self._ready[:, rounds]
        begun, arrive = self._begun[:, rounds], self._arrive[:, rounds]
        part = self._result.rounds(self._first, self._first + self._count)
        drained = ready if self._policy.drains else None
        check(part, opened, drained, lambda r, t: arrive[r, t])
        self._free = self._free.copy()  # it may be part of what is used up here
        book(part, opened, begun if self._policy.couples_rounds else None, arrive, drained)
        self._first, self._count = self._first + self._count, 0
