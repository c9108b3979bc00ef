"""The batch engine: whole tables of rounds at once in NumPy, equal to the event engine to the bit.

Why the bits agree: both engines only add, compare and take minima and maxima; a worker's time is
one float, computed once by the load law; the clock is a running sum with the same additions in
the same order; every message of the stopping instant counts.

Policies ``cancel`` and ``drain`` have no loop over rounds: rounds are independent, so stopping
delays come first, a cumulative sum gives the clock, and absolute times give the masks. Policies
``finish`` and ``queue`` carry each worker's backlog from round to round: one loop over rounds,
vectorised over replications and workers.

A network without contention delays messages by a known number of seconds; it is simulated with a
loop over rounds (``sim.engines.batch_network``).

Memory: the result plus a working set under ``budget`` bytes, whatever R, T and n are. On a network
the working set holds at least one replication's whole run, 64 bytes per worker and round, since a
worker's last task is booked when it is known when the run ends.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from sim.arrays import row_max
from sim.engines.batch_network import networked_rounds
from sim.engines.cluster import IDEAL, Cluster
from sim.engines.policy import Policy
from sim.engines.result import Result, accumulate, blame, check, useful_pieces
from sim.engines.tapes import Checked
from sim.errors import EngineRefused, NeverEnough
from sim.load_laws import LoadLaw
from sim.schemes import Scheme
from sim.types import FloatArray, Tape, Trace

BUDGET = 512 * 2**20
"""Default bytes of working memory."""

BYTES_PER_CELL = 64
"""Working memory for one worker in one round: its time, and eight-byte temporaries of it."""


@np.errstate(over="ignore")  # a time beyond any number is infinite: it never comes
def simulate(
    scheme: Scheme,
    tapes: Sequence[Tape],
    load_law: LoadLaw,
    iterations: int,
    policy: Policy,
    cluster: Cluster = IDEAL,
    *,
    masks: bool = True,
    work: bool = True,
    budget: int = BUDGET,
) -> Trace:
    """Run one replication per tape, all at once.

    Takes what ``sim.engines.event.simulate`` takes (no timeline), and returns and raises the same.

    Args:
        scheme, tapes, load_law, iterations, policy, cluster: as there.
        masks: record who had arrived in each round.
        work: record each worker's busy and useful seconds, and who ended each round.
        budget: bytes of working memory, more on a network; the result does not depend on it.

    Raises:
        EngineRefused: the cluster needs the event engine.

    Cost: per worker and round one draw, one pass of the stopping rule, with ``masks`` one
    addition and one comparison, and with ``work`` about ten passes more.
    """
    reason = cluster.refusal()
    if reason is not None:
        raise EngineRefused(reason)
    result = Result.empty(scheme, len(tapes), iterations, masks, work)
    independent = cluster.ideal and policy in (Policy.CANCEL, Policy.DRAIN)
    block = tapes[0].block_rounds if cluster.ideal else iterations
    cells = min(block, iterations) * scheme.workers * scheme.assignment.messages
    together = 1 if independent else max(1, budget // (BYTES_PER_CELL * cells))
    checked = [Checked(tape) for tape in tapes]

    def run(group: range) -> None:
        clock = _Clock.start(len(group), scheme.workers)
        for start in range(0, iterations, block):
            stop = min(start + block, iterations)
            assignment = scheme.assignment
            rows = [load_law.message_times(checked[r], assignment, start, stop) for r in group]
            part = result.part(group, start, stop, cluster.max_wait)
            if not cluster.ideal:
                networked_rounds(scheme, np.stack(rows), cluster, group, part, policy)
            elif independent:
                _independent_rounds(scheme, rows[0][None], clock, part, policy is Policy.DRAIN)
            else:
                _coupled_rounds(scheme, np.stack(rows), clock, part, policy is Policy.QUEUE)

    for first in range(0, len(tapes), together):
        _run_group(run, range(first, min(first + together, len(tapes))))
    return Trace(
        times=result.times,
        arrived=result.arrived,
        busy=result.busy,
        useful=result.useful,
        last=result.last,
        margin=result.margin,
        engine="batch",
    )


@dataclass(frozen=True)
class _Clock:
    """What passes from one block of rounds to the next; updated in place.

    ``now (r,)`` when the next round starts; ``free (r, n)`` when each worker's backlog ends.
    """

    now: FloatArray
    free: FloatArray

    @classmethod
    def start(cls, replications: int, workers: int) -> _Clock:
        return cls(np.zeros(replications), np.zeros((replications, workers)))


def _independent_rounds(
    scheme: Scheme, offsets: FloatArray, clock: _Clock, part: Result, drains: bool
) -> None:
    """Policies ``cancel`` and ``drain``: ``offsets (r, t, n m)``, no loop over rounds."""
    delay = scheme.stopping.stopping_delay(offsets)
    # A deadline can be later than the last message.
    length = np.maximum(row_max(offsets), delay) if drains else delay
    instants = np.add.accumulate(np.concatenate([clock.now[:, None], length], axis=1), axis=1)
    opened, drained = instants[:, :-1], instants[:, 1:]
    clock.now[:] = drained[:, -1]
    np.add(opened, delay, out=part.times)
    check(part, opened, part.times, opened[:, :, None], offsets, drained if drains else None)
    if part.arrived is None and part.busy is None:
        return
    finish = opened[:, :, None] + offsets
    ended = part.times[:, :, None]
    arrived = np.less_equal(finish, ended, out=part.arrived)
    if part.busy is None or part.useful is None:
        return
    blame(finish, opened, part.times, part.last, part.margin, part.messages)
    if part.messages > 1:
        accumulate(part.useful, useful_pieces(finish, opened, arrived, part.messages))
        finish = finish[:, :, part.messages - 1 :: part.messages]
    computed = finish
    if not drains:
        np.minimum(finish, ended, out=computed)
    elif part.ends_run:  # only the run's end cuts off work that is drained
        computed[:, -1] = np.minimum(finish[:, -1], ended[:, -1])
    computed -= opened[:, :, None]
    accumulate(part.busy, computed)
    if part.messages == 1:
        computed *= arrived  # who arrived in time was not cut off: all of it was useful
        accumulate(part.useful, computed)


def _coupled_rounds(
    scheme: Scheme, offsets: FloatArray, clock: _Clock, part: Result, in_order: bool
) -> None:
    """Policies ``finish`` and ``queue``: ``offsets (r, t, n m)``, one loop over the t rounds."""
    m = part.messages
    for t in range(offsets.shape[1]):
        opened = clock.now[:, None]
        begun = np.maximum(opened, clock.free)  # never, behind a dead worker's task
        sent = np.repeat(begun, m, axis=1)
        arrive = sent + offsets[:, t]
        one = part.round(t)
        one.times[:, 0] = scheme.stopping.stopping_delay(arrive, clock.now)
        ended = one.times
        check(one, opened, ended, sent[:, None], offsets[:, t : t + 1])
        arrived = arrive <= ended
        finish = arrive[:, m - 1 :: m]
        if one.arrived is not None:
            one.arrived[:, 0] = arrived
        if one.busy is not None and one.useful is not None:
            one.busy[:] += np.minimum(finish, ended) - opened
            pieces = useful_pieces(arrive[:, None], begun[:, None], arrived[:, None], m)
            accumulate(one.useful, pieces)
            blame(arrive[:, None], opened, one.times, one.last, one.margin, m)
        if in_order:
            clock.free[:] = finish
        else:  # whoever was still busy when the round ended has skipped it
            np.copyto(clock.free, finish, where=begun <= ended)
        clock.now[:] = ended[:, 0]


def _run_group(run: Callable[[range], None], group: range) -> None:
    """Run replications together; whatever goes wrong is told as if they ran one by one."""
    try:
        run(group)
    except NeverEnough:
        if len(group) > 1:
            for r in group:
                run(range(r, r + 1))
        raise
