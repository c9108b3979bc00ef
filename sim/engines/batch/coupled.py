"""Rounds one after the other on an ideal cluster, vectorised over replications and workers.

For policies that carry a worker's backlog from round to round, for stopping rules that need the
clock, and for schemes whose plan changes.
"""

from __future__ import annotations

from typing import final

import numpy as np

from sim.arrays import row_max
from sim.engines.batch.result import TraceArrays, accumulate, blame, check, useful_pieces
from sim.engines.policy import Policy
from sim.schemes.base import RoundOutcome
from sim.schemes.stopping import StoppingRule
from sim.types import FloatArray


@final
class CoupledRounds:
    """A group of replications on their way through the rounds.

    Life cycle: ``round`` for t = 0, 1, ... in order, then ``finish``.

    Args:
        result: where everything goes.
        policy: what workers do with unfinished work.
        workers: n.
    """

    def __init__(self, result: TraceArrays, policy: Policy, workers: int) -> None:
        self._result, self._policy = result, policy
        self._now = np.zeros(len(result.times))
        self._free = np.zeros((len(result.times), workers))

    def round(self, t: int, stopping: StoppingRule, offsets: FloatArray) -> RoundOutcome:
        """One round; ``offsets (r, n m)`` seconds from beginning to each message."""
        policy, m, one = self._policy, self._result.messages, self._result.round(t)
        opened = self._now[:, None]
        begun = policy.begins(opened, self._free)  # never, behind a dead worker's task
        begun = np.broadcast_to(begun, self._free.shape)
        sent = np.repeat(begun, m, axis=1)
        arrive = sent + offsets
        one.times[:, 0] = stopping.stopping_delay(arrive, self._now)
        ended = ready = one.times
        if policy.drains:
            ready = np.maximum(ended, row_max(arrive)[:, None])
        drained = ready if policy.drains else None
        check(one, opened, ended, sent[:, None], offsets[:, None], drained)
        arrived = arrive <= ended
        finish = arrive[:, m - 1 :: m]
        if one.arrived is not None:
            one.arrived[:, 0] = arrived
        if one.work is not None:
            until = ended if one.ends_run else ready
            one.work.busy[:] += np.minimum(finish, until) - opened
            pieces = useful_pieces(arrive[:, None], begun[:, None], arrived[:, None], m)
            accumulate(one.work.useful, pieces)
            blame(arrive[:, None], opened, one.times, one.work, m)
        skips = policy.skips(begun, ended)
        if skips is None:
            self._free = finish
        else:
            np.copyto(self._free, finish, where=~skips)
        duration = ended[:, 0] - self._now
        self._now = ready[:, 0].copy()
        return RoundOutcome(duration, arrived)

    def finish(self) -> None:
        """Nothing is left to book."""
