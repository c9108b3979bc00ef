"""Rounds on a network without contention, and with lost messages.

A message arrives one addition after its task began, ``begun + (computed + sent)``, and a model
reaches its worker one addition after the round opened; the event engine adds the same numbers. One
loop over rounds, vectorised over replications and workers, for all policies.

Under ``cancel`` a worker goes on until the next model reaches it, so rounds are coupled here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import numpy as np

from ...schemes.base import RoundOutcome
from ...schemes.stopping import StoppingRule
from ...types import FloatArray
from ..cluster import Cluster
from ..policy import Policy
from ..tapes import CheckedTape
from .booking import all_in, blame, check, useful_pieces
from .result import TraceArrays


@final
class NetworkedRounds:
    """A group of replications on their way through the rounds.

    Life cycle: ``round`` for t = 0, 1, ... in order, then ``finish``, which books the work.

    Args:
        result: where everything goes.
        policy: what workers do with unfinished work.
        workers: n.
        cluster: the network and the tapes of lost messages.
        group: which replications.
        sizes: ``(m,)`` of a worker's messages.
    """

    def __init__(
        self,
        result: TraceArrays,
        policy: Policy,
        workers: int,
        cluster: Cluster,
        group: range,
        sizes: Sequence[float],
    ) -> None:
        (r, rounds), n, m = result.times.shape, workers, result.messages
        network = cluster.network
        self._result, self._policy = result, policy
        self._downlink = np.zeros(n) if network is None else network.downlink(n)
        self._fixed = np.zeros(m)
        if network is not None:
            self._fixed += network.uplink_latency + network.transfer * np.array(sizes)
        self._resent = _resent(cluster, group, rounds)
        self._now, self._free = np.zeros(r), np.zeros((r, n))
        self._begun, self._done, self._until = (np.empty((r, rounds, n)) for _ in range(3))
        self._useful = np.zeros((r, rounds, m, n))

    def advance(self, t: int, stopping: StoppingRule, offsets: FloatArray) -> None:
        """Play round t; ``offsets (r, n m)`` seconds from beginning to computing each message.

        Raises:
            NeverEnough: the round never ends.
        """
        self.round(t, stopping, offsets)

    def round(self, t: int, stopping: StoppingRule, offsets: FloatArray) -> RoundOutcome:
        """Play round t, and say how it came out."""
        policy, m, one = self._policy, self._result.messages, self._result.rounds(t, t + 1)
        opened = self._now[:, None]
        self._begun[:, t] = policy.begins(opened + self._downlink, self._free)
        arrive = np.repeat(self._begun[:, t], m, axis=1) + (offsets + self._sent(t))
        one.times[:, 0] = ended = stopping.stopping_delay(arrive, self._now)
        ready = np.maximum(ended, all_in(arrive, m)) if policy.drains else ended
        drained = ready[:, None] if policy.drains else None
        check(one, opened, drained, lambda r, _: arrive[r])
        arrived = arrive <= one.times
        if one.arrived is not None:
            one.arrived[:, 0] = arrived
        blame(arrive[:, None], opened, one.times, one.work, m)
        self._done[:, t] = self._begun[:, t] + offsets[:, m - 1 :: m]
        nothing = np.zeros((len(offsets), 1, 1))
        self._useful[:, t] = useful_pieces(offsets[:, None], nothing, arrived[:, None], m)
        duration = ended - self._now
        arrival = np.where(arrived, arrive - opened, np.inf)
        self._now = ready
        told = ready[:, None] + self._downlink
        self._until[:, t] = told if policy.interrupts else np.inf
        skips = policy.skips(self._begun[:, t], told)
        if skips is None:
            self._free = self._done[:, t].copy()
        else:
            np.copyto(self._free, self._done[:, t], where=~skips)
            self._begun[:, t][skips] = np.inf
            self._done[:, t][skips] = np.inf
        return RoundOutcome(duration, arrived, arrival=arrival)

    def _sent(self, t: int) -> FloatArray:
        """Seconds from computing each message to its arrival, ``(r, n m)`` or one row."""
        fixed = np.tile(self._fixed, self._begun.shape[2])
        if self._resent is None:
            return fixed
        return np.asarray(fixed + np.repeat(self._resent[:, t], len(self._fixed), axis=1))

    def finish(self) -> None:
        """Add up each worker's tasks, each from its begin until it is done, told, or the end."""
        work = self._result.work
        if work is None:
            return
        end = self._result.times[:, -1, None]
        for t in range(self._begun.shape[1]):
            begun = self._begun[:, t]
            stopped = np.minimum(np.minimum(self._done[:, t], self._until[:, t]), end)
            np.add(work.busy, stopped - np.minimum(begun, end), out=work.busy, where=begun < end)
        flat = self._useful.reshape(len(end), -1, work.useful.shape[1])
        work.useful[:] = np.add.accumulate(flat, axis=1)[:, -1]


def _resent(cluster: Cluster, group: range, rounds: int) -> FloatArray | None:
    """``(r, T, n)`` seconds that lost messages cost; ``None``: none are lost."""
    if cluster.resends is None:
        return None
    return np.stack([CheckedTape(cluster.resends[r]).rows(0, rounds) for r in group])
