"""Rounds on a network without contention, and with lost messages.

A message arrives one addition after its task began, ``begun + (computed + sent)``, and a model
reaches its worker one addition after the round opened; the event engine adds the same numbers. One
loop over rounds, vectorised over replications and workers, for all policies.

Under ``cancel`` a worker goes on until the next model reaches it, so rounds are coupled here.
"""

from __future__ import annotations

from typing import final

import numpy as np

from sim.arrays import row_max
from sim.engines.batch.booking import blame, check, useful_pieces
from sim.engines.batch.result import TraceArrays
from sim.engines.cluster import Cluster
from sim.engines.policy import Policy
from sim.engines.tapes import CheckedTape
from sim.schemes.base import RoundOutcome
from sim.schemes.stopping import StoppingRule
from sim.types import FloatArray


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
    """

    def __init__(
        self, result: TraceArrays, policy: Policy, workers: int, cluster: Cluster, group: range
    ) -> None:
        (r, rounds), n, m = result.times.shape, workers, result.messages
        network = cluster.network
        self._result, self._policy = result, policy
        self._downlink = np.zeros(n) if network is None else network.downlink(n)
        self._sent = _sent(cluster, group, rounds, n)
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
        travel = offsets + np.repeat(self._sent[:, t], m, axis=1)
        arrive = np.repeat(self._begun[:, t], m, axis=1) + travel
        one.times[:, 0] = ended = stopping.stopping_delay(arrive, self._now)
        ready = np.maximum(ended, row_max(arrive)) if policy.drains else ended
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
        return RoundOutcome(duration, arrived)

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


def _sent(cluster: Cluster, group: range, rounds: int, n: int) -> FloatArray:
    """``(r, T, n)`` seconds from computing a message to its arrival."""
    fixed = 0.0
    if cluster.network is not None:
        fixed = cluster.network.uplink_latency + cluster.network.transfer
    if cluster.resends is None:
        return np.full((len(group), rounds, n), fixed)
    return fixed + np.stack([CheckedTape(cluster.resends[r]).rows(0, rounds) for r in group])
