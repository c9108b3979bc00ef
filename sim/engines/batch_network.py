"""The batch engine on a network without contention, and with lost messages.

A message arrives one addition after its task began, ``begun + (computed + sent)``, and a model
reaches its worker one addition after the round opened; the event engine adds the same numbers. One
loop over rounds, vectorised over replications and workers, for all policies.

Under ``cancel`` a worker goes on until the next model reaches it, so rounds are coupled here.
"""

from __future__ import annotations

import numpy as np

from sim.arrays import row_max
from sim.engines.cluster import Cluster
from sim.engines.policy import Policy
from sim.engines.result import Result, blame, check, useful_pieces
from sim.engines.tapes import Checked
from sim.schemes import Scheme
from sim.types import FloatArray


def networked_rounds(
    scheme: Scheme,
    offsets: FloatArray,
    cluster: Cluster,
    group: range,
    part: Result,
    policy: Policy,
) -> None:
    """Fill ``part`` with all rounds of a group of replications.

    Args:
        scheme: what to run.
        offsets: ``(r, T, n m)`` when each message is computed after its task began.
        cluster: the network and the tapes of lost messages.
        group: which replications.
        part: the result, filled in place.
        policy: what workers do with unfinished work.
    """
    r, rounds, nm = offsets.shape
    m, n = part.messages, nm // part.messages
    network = cluster.network
    downlink = np.zeros(n) if network is None else network.downlink(n)
    sent = _sent(cluster, group, rounds, n)
    now, free = np.zeros(r), np.zeros((r, n))
    begun, done, until = (np.empty((r, rounds, n)) for _ in range(3))
    useful = np.zeros((r, rounds, m, n))
    for t in range(rounds):
        one = part.round(t)
        received = now[:, None] + downlink
        begun[:, t] = received if policy is Policy.CANCEL else np.maximum(received, free)
        travel = offsets[:, t] + np.repeat(sent[:, t], m, axis=1)
        start = np.repeat(begun[:, t], m, axis=1)
        arrive = start + travel
        one.times[:, 0] = ended = scheme.stopping.stopping_delay(arrive, now)
        ready = np.maximum(ended, row_max(arrive)) if policy is Policy.DRAIN else ended
        drained = ready[:, None] if policy is Policy.DRAIN else None
        check(one, now[:, None], one.times, start[:, None], travel[:, None], drained)
        arrived = arrive <= one.times
        if one.arrived is not None:
            one.arrived[:, 0] = arrived
        blame(arrive[:, None], now[:, None], one.times, one.last, one.margin, m)
        done[:, t] = begun[:, t] + offsets[:, t, m - 1 :: m]
        nothing = np.zeros((r, 1))
        pieces = useful_pieces(offsets[:, t, None], nothing, arrived[:, None], m)
        useful[:, t] = pieces
        now = ready
        told = now[:, None] + downlink
        until[:, t] = told if policy is Policy.CANCEL else np.inf
        if policy is Policy.FINISH:  # who is still busy when the next model comes skips this one
            skipped = begun[:, t] > told
            np.copyto(free, done[:, t], where=~skipped)
            begun[:, t][skipped] = np.inf
            done[:, t][skipped] = np.inf
        else:
            free = done[:, t].copy()
    if part.busy is not None and part.useful is not None:
        _book(part.busy, part.times[:, -1], begun, done, until)
        flat = useful.reshape(r, rounds * m, n)
        part.useful[:] = np.add.accumulate(flat, axis=1)[:, -1]


def _sent(cluster: Cluster, group: range, rounds: int, n: int) -> FloatArray:
    """``(r, T, n)`` seconds from computing a message to its arrival."""
    fixed = 0.0
    if cluster.network is not None:
        fixed = cluster.network.uplink_latency + cluster.network.transfer
    if cluster.resends is None:
        return np.full((len(group), rounds, n), fixed)
    return fixed + np.stack([Checked(cluster.resends[r]).rows(0, rounds) for r in group])


def _book(
    busy: FloatArray, end: FloatArray, begun: FloatArray, done: FloatArray, until: FloatArray
) -> None:
    """Add up each worker's tasks in order: from its begin until it is done, told, or the end."""
    end = end[:, None]
    for t in range(begun.shape[1]):
        stopped = np.minimum(np.minimum(done[:, t], until[:, t]), end)
        ran = begun[:, t] < end
        np.add(busy, stopped - np.minimum(begun[:, t], end), out=busy, where=ran)
