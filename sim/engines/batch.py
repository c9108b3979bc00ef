"""The batch engine: whole tables of rounds at once in NumPy, equal to the event engine to the bit.

Why the bits agree: both engines only add, compare and take minima and maxima; a worker's time is
one float, computed once by the load law; the clock is a running sum with the same additions in
the same order; every message of the stopping instant counts.

Policies ``cancel`` and ``drain`` have no loop over rounds: rounds are independent, so stopping
delays come first, a cumulative sum gives the clock, and absolute times give the masks. Policies
``finish`` and ``queue`` carry each worker's backlog from round to round: one loop over rounds,
vectorised over replications and workers.

Memory: the result plus a working set under ``budget`` bytes, whatever R, T and n are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sim.engines.policy import Policy
from sim.errors import NeverEnough
from sim.load_laws import LoadLaw
from sim.schemes import Scheme
from sim.types import BoolArray, FloatArray, Tape, Trace

BUDGET = 512 * 2**20
"""Default bytes of working memory."""

BYTES_PER_CELL = 64
"""Working memory for one worker in one round: its time, and eight-byte temporaries of it."""


def simulate(
    scheme: Scheme,
    tapes: Sequence[Tape],
    load_law: LoadLaw,
    iterations: int,
    policy: Policy,
    *,
    masks: bool = True,
    work: bool = True,
    budget: int = BUDGET,
) -> Trace:
    """Run one replication per tape.

    Args:
        scheme: what to run.
        tapes: the delays, one tape per replication, each with ``scheme.workers`` workers.
        load_law: how a worker's time grows with its load.
        iterations: number of rounds T.
        policy: what workers do with unfinished work.
        masks: record who had arrived in each round.
        work: record each worker's busy and useful seconds.
        budget: bytes of working memory; the result does not depend on it.

    Raises:
        NeverEnough: a round cannot end because workers are dead.

    Cost: per worker and round one draw, one pass of the stopping rule, and with ``masks`` one
    addition and one comparison.
    """
    result = _Result.empty(scheme, len(tapes), iterations, masks, work)
    independent = policy in (Policy.CANCEL, Policy.DRAIN)
    for group in _groups(len(tapes), 1 if independent else _fit(scheme, tapes, budget)):
        clock = _Clock.start(len(group), scheme.workers)
        for start in range(0, iterations, tapes[0].block_rounds):
            stop = min(start + tapes[0].block_rounds, iterations)
            loads = scheme.assignment.loads
            rows = [load_law.worker_times(tapes[r], loads, start, stop) for r in group]
            part = result.part(group, start, stop)
            if independent:
                _independent_rounds(scheme, rows[0][None], clock, part, policy is Policy.DRAIN)
            else:
                _coupled_rounds(scheme, np.stack(rows), clock, part, policy is Policy.QUEUE)
    return Trace(result.times, result.arrived, result.busy, result.useful, engine="batch")


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


@dataclass(frozen=True)
class _Result:
    """The arrays of a trace, or views of a part of them; filled in place."""

    times: FloatArray
    arrived: BoolArray | None
    busy: FloatArray | None
    useful: FloatArray | None
    first: int = 0
    last: bool = True

    @classmethod
    def empty(cls, scheme: Scheme, r: int, t: int, masks: bool, work: bool) -> _Result:
        n = scheme.workers
        return cls(
            times=np.empty((r, t)),
            arrived=np.empty((r, t, n), dtype=np.bool_) if masks else None,
            busy=np.zeros((r, n)) if work else None,
            useful=np.zeros((r, n)) if work else None,
        )

    def part(self, group: range, start: int, stop: int) -> _Result:
        rows = slice(group.start, group.stop)
        return _Result(
            times=self.times[rows, start:stop],
            arrived=None if self.arrived is None else self.arrived[rows, start:stop],
            busy=None if self.busy is None else self.busy[rows],
            useful=None if self.useful is None else self.useful[rows],
            first=start,
            last=stop == self.times.shape[1],
        )


def _independent_rounds(
    scheme: Scheme, durations: FloatArray, clock: _Clock, part: _Result, drains: bool
) -> None:
    """Policies ``cancel`` and ``drain``: ``durations (r, t, n)``, no loop over rounds."""
    delay = scheme.stopping.stopping_delay(durations)
    _check(delay, durations, part.first)
    length = delay
    if drains:  # a deadline can be later than the last message
        length = np.maximum(durations.max(axis=-1), delay)
        _check_drained(length, durations, part)
    opened = np.add.accumulate(np.concatenate([clock.now[:, None], length], axis=1), axis=1)
    clock.now[:] = opened[:, -1]
    opened = opened[:, :-1]
    np.add(opened, delay, out=part.times)
    if part.arrived is None and part.busy is None:
        return
    finish = opened[:, :, None] + durations
    ended = part.times[:, :, None]
    arrived = np.less_equal(finish, ended, out=part.arrived)
    if part.busy is not None and part.useful is not None:
        computed = finish
        if not drains:
            np.minimum(finish, ended, out=computed)
        elif part.last:  # only the run's end cuts off work that is drained
            computed[:, -1] = np.minimum(finish[:, -1], ended[:, -1])
        computed -= opened[:, :, None]
        _accumulate(part.busy, computed)
        computed *= arrived  # who arrived in time was not cut off: all of it was useful
        _accumulate(part.useful, computed)


def _coupled_rounds(
    scheme: Scheme, durations: FloatArray, clock: _Clock, part: _Result, in_order: bool
) -> None:
    """Policies ``finish`` and ``queue``: ``durations (r, t, n)``, one loop over the t rounds."""
    for t in range(durations.shape[1]):
        opened = clock.now[:, None]
        begun = np.maximum(opened, clock.free)  # never, behind a dead worker's task
        finish = begun + durations[:, t]
        ended = scheme.stopping.stopping_delay(finish, clock.now)
        _check(ended, finish, part.first + t)
        part.times[:, t] = ended
        ended = ended[:, None]
        arrived = finish <= ended
        if part.arrived is not None:
            part.arrived[:, t] = arrived
        if part.busy is not None and part.useful is not None:
            part.busy[:] += np.minimum(finish, ended) - opened
            part.useful[:] += np.subtract(finish, begun, out=np.zeros_like(finish), where=arrived)
        if in_order:
            clock.free[:] = finish
        else:  # whoever was still busy when the round ended has skipped it
            np.copyto(clock.free, finish, where=begun <= ended)
        clock.now[:] = ended[:, 0]


def _accumulate(total: FloatArray, addends: FloatArray) -> None:
    """``total (r, n) += addends (r, t, n)`` one round after the other, as the event engine adds.

    NumPy adds in pairs along the fastest axis only, so a reduction over t is such a running sum
    unless the worker axis is trivial.
    """
    first = addends[:, 0].copy()
    addends[:, 0] += total
    if addends.shape[2] > 1:
        np.add.reduce(addends, axis=1, out=total)
    else:
        total[:] = np.add.accumulate(addends, axis=1)[:, -1]
    addends[:, 0] = first


def _check(ended: FloatArray, arrivals: FloatArray, first: int) -> None:
    """Refuse a round that never ends; ``ended (r,)`` or ``(r, t)``."""
    if np.all(np.isfinite(ended)):
        return
    endless = np.isinf(ended)
    where = tuple(np.argwhere(endless)[0])
    iteration = first + 1 + (int(where[1]) if len(where) > 1 else 0)
    raise NeverEnough(iteration, [int(j) for j in np.flatnonzero(np.isinf(arrivals[where]))])


def _check_drained(length: FloatArray, durations: FloatArray, part: _Result) -> None:
    """Refuse a round after which someone never becomes idle, unless it is the last."""
    needed = length[:, :-1] if part.last else length
    _check(needed, durations, part.first)


def _fit(scheme: Scheme, tapes: Sequence[Tape], budget: int) -> int:
    """How many replications fit the budget together, at least one."""
    return max(1, budget // (BYTES_PER_CELL * tapes[0].block_rounds * scheme.workers))


def _groups(replications: int, size: int) -> list[range]:
    return [range(r, min(r + size, replications)) for r in range(0, replications, size)]
