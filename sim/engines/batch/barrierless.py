"""Schemes without a barrier in the batch engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain, islice, repeat
from math import inf
from typing import TypeVar, final

import numpy as np

from ...base.errors import NeverEnough
from ...base.types import BoolArray, FloatArray, IntArray, Trace
from ...schemes.barrierless import Barrierless, Cycle
from ..run import Run
from ..updates import Accepted, Standstill, Streams
from .arrivals import Block, arrival_blocks, bounded, first_blocks
from .interrupted import dependent
from .traces import resting, unresting

D = TypeVar("D", "_CycleDecisions", "_Decisions")

MOST_IN_TURN = 300  # messages; more are decided faster together


@final
class Fresh:
    """Finds the messages that the master accepts, block by block. A message is fresh if fewer than
    ``oldest`` updates happened since its worker got its model. Instants are counted in messages
    decided. Life cycle: ``take`` each block in order, until one has all that are wanted."""

    def __init__(self, scheme: Barrierless) -> None:
        self._k, self._oldest = scheme.gradients, int(scheme.oldest)
        # Where K > 1: when each message of the last ``oldest`` updates was accepted, and after.
        self._accepted = [0] * (self._k * self._oldest if self._k > 1 else 0)
        self._begun = 0  # messages of the next update
        self._decided = 0
        self._updates = np.zeros(1, dtype=np.int32)  # at each of the latest instants

    def take(self, before: IntArray, most: int) -> tuple[IntArray, IntArray]:
        """The messages of a block that are accepted, so many at most, those after them are left:
        their positions, and updates of their models; ``before``: for each message, how many had
        been decided when its worker got its model. Cost: where each message makes an update, some
        thirty passes; else a turn of a Python loop for each, about 40 ns."""
        start, size = len(self._updates) - 1, len(before)
        first = self._decided - start
        updates = np.concatenate([self._updates, np.empty(size, dtype=np.int32)])
        # What is older than the latest instants is stale as of the first of them, too.
        if self._k == 1:
            positions = self._sieve(np.maximum(before - first, 0), updates)[:most]
        else:
            positions = self._in_turn(before, most)
        made = np.zeros(size, dtype=np.bool_)
        made[positions[self._k - self._begun - 1 :: self._k]] = True
        updates[start:] = _counted(made) + updates[start]
        self._begun = (self._begun + len(positions)) % self._k
        self._decided += size
        latest = np.searchsorted(updates, updates[-1] - self._oldest, side="right")
        self._updates = updates[max(0, int(latest) - 1) :].copy()
        return positions, updates.take(before.take(positions) - first)

    def _sieve(self, since: IntArray, updates: IntArray) -> IntArray:
        """Positions of the messages that are accepted, where each of them makes an update. What is
        fresh even if all others are accepted is certain. Each of the rest is accepted if enough of
        those since its worker got its model are dropped: see ``_dropped``."""
        start = len(updates) - len(since) - 1
        updates[start + 1 :] = np.arange(1, len(since) + 1) + updates[start]
        stale = updates[start:-1] - updates.take(since)
        late = stale >= self._oldest
        doubtful = np.flatnonzero(late)
        first = _counted(late).take(np.maximum(since.take(doubtful) - start, 0))
        late[doubtful] = _dropped(first, stale.take(doubtful) - (self._oldest - 1))
        return np.flatnonzero(~late)

    def _in_turn(self, before: IntArray, most: int) -> IntArray:
        earlier, accept = len(self._accepted), self._accepted.append
        messages = enumerate(before.tolist(), self._decided + 1)
        for limit in islice(self._limits(), most):
            for decided, known in messages:
                if known >= limit:
                    accept(decided)
                    break
            else:
                break
        positions = np.array(self._accepted[earlier:], dtype=np.int64) - (self._decided + 1)
        del self._accepted[: (self._begun + len(positions)) // self._k * self._k]
        return positions

    def _limits(self) -> Iterator[int]:
        """When the update happened that makes the next message fresh; then for those after it. Read
        from ``accepted``, which grows meanwhile."""
        updates = islice(self._accepted, self._k - 1, None, self._k)
        limits = chain.from_iterable(map(repeat, updates, repeat(self._k)))
        return islice(limits, self._begun, None)


def _counted(marked: BoolArray) -> IntArray:
    """``(M + 1,)`` how many of M are marked before each position, and in all."""
    count = np.zeros(len(marked) + 1, dtype=np.int32)
    np.cumsum(marked, dtype=np.int32, out=count[1:])
    return count


def _dropped(first: IntArray, needed: IntArray) -> BoolArray:
    """Which of M messages are dropped: those since whose ``first`` fewer than needed are. Of whom
    too few can be dropped, they are dropped for certain; of whom enough are for certain, they are
    accepted for certain; and so on. So each time the first that is open is decided, and most are.
    The last few, or all where that goes slowly, are decided in turn."""
    size = len(first)
    dropped, open_, before = np.zeros(size, dtype=np.bool_), np.arange(size), 2 * size
    while max(MOST_IN_TURN, size // 20) < len(open_) < 0.8 * before:
        before = len(open_)
        for at_most in (True, False):
            dropped[open_] = at_most
            count, then = _counted(dropped), first.take(open_)
            enough = count.take(open_) - count.take(then) >= needed.take(open_)
            open_ = open_[enough == at_most]
    count, then = _counted(dropped), first.take(open_)
    left = needed.take(open_) - (count.take(open_) - count.take(then))
    more: list[int] = []
    for position, since, few in zip(open_.tolist(), then.tolist(), left.tolist(), strict=True):
        if few > 0 and (few > len(more) or more[-few] < since):
            more.append(position)
    dropped[more] = True
    return dropped


def cycles(run: Run, heard: bool, work: bool) -> Trace:
    """Run the replications of a scheme whose updates come in cycles. Cost: that of
    ``arrival_blocks``, and a turn of a Python loop for each message. Raises ``NeverEnough``: nobody
    is left whose message makes an update, or time stands still."""
    accepted = Accepted.empty((len(run.tapes), run.updates, 1), heard=work, work=False)
    streams = Streams(run.scheme.workers)
    for r, first in first_blocks(run, work):
        anew = partial(_CycleDecisions, run, heard or work)
        made = _decided(first, arrival_blocks(run, r, work), anew)
        made.finish(accepted.view(r), streams)
    noted = unresting(accepted, streams.useful) if work else None
    return Trace(accepted.times, streams.heard if heard else None, noted, "batch", run.seed)


def _decided(first: Block | None, every: Iterator[Block], anew: Callable[[], D]) -> D:
    """Decisions on a replication's messages: on the first ones, or on all if these do not do."""
    for blocks in ([first] if first else [], every):
        decisions = anew()
        for block in blocks:
            decisions.take(block)
            if not decisions.missing:
                return decisions
    return decisions


@final
class _CycleDecisions:
    """Which messages make updates: ``take`` blocks until no update is ``missing``; ``finish``."""

    def __init__(self, run: Run, keep: bool) -> None:
        self._run, self.missing = run, run.updates
        self._cycle, self._standstill = Cycle(run.scheme.workers), Standstill()
        self._keep, self._decided = keep, 0  # messages, or the instants of updates alone
        self._times, self._seconds = list[FloatArray](), list[FloatArray]()
        self._ends, self._worker, self._before = (list[IntArray]() for _ in range(3))

    def take(self, block: Block) -> None:
        """Decide the messages of a block; raises ``NeverEnough`` if no update can come after."""
        workers, when = block.worker[block.order], block.when[block.order]
        cycle, standstill = self._cycle, self._standstill
        leaving = self._leaving(workers, block) if block.lost.any() else None
        ends: list[int] = []
        for position, (worker, now) in enumerate(zip(workers.tolist(), when.tolist(), strict=True)):
            if cycle.hear(worker):
                ends.append(position)
                self.missing -= 1
                standstill.clear()
                if not self.missing:
                    break
            else:
                standstill.note(worker, now)
                if standstill.endless is not None:
                    raise NeverEnough(self._iteration, sorted(cycle.needed), endless=worker)
            lost = leaving and leaving[position]
            if lost and (never := cycle.hopeless(lost)):
                raise NeverEnough(self._iteration, never)
        updates = np.array(ends, dtype=np.int64)
        self._times.append(when[updates])
        if self._keep:
            self._ends.append(updates + (self._decided + 1))
            self._worker.append(workers)
            self._before.append(block.before[block.order])
            if block.seconds is not None:
                self._seconds.append(block.seconds[block.order])
        self._decided += len(workers)
        if self.missing and block.lost.all():
            raise NeverEnough(self._iteration, sorted(cycle.needed))

    def _leaving(self, workers: IntArray, block: Block) -> list[set[int] | None]:
        """Who is lost after each message; ``None`` within a wave, which is decided as a whole."""
        lost = set(np.flatnonzero(block.lost).tolist())
        last = {worker: i for i, worker in enumerate(workers.tolist()) if worker in lost}
        gone = lost - last.keys()
        after: list[set[int] | None] = []
        messages = zip(workers.tolist(), block.last.tolist(), strict=True)
        for position, (worker, end) in enumerate(messages):
            if last.get(worker) == position:
                gone = gone | {worker}
            after.append(gone if end == position else None)
        return after

    @property
    def _iteration(self) -> int:
        return self._run.iteration(self._run.updates - self.missing)

    def finish(self, accepted: Accepted, streams: Streams) -> None:
        accepted.when[:, 0] = np.concatenate(self._times)
        if not self._keep:
            return
        ends = np.concatenate(self._ends)
        used = slice(int(ends[-1]))
        worker, before = np.concatenate(self._worker)[used], np.concatenate(self._before)[used]
        if accepted.heard is not None:
            accepted.heard.message[:, 0] = worker[ends - 1]
        happened = np.zeros(len(worker) + 1, dtype=np.int64)
        happened[ends] = 1
        version = np.cumsum(happened)[before]
        seconds = np.concatenate(self._seconds)[used] if self._seconds else None
        streams.add(worker, version, seconds, ends)


# Where nobody is ever stopped or kept waiting, arrivals do not depend on decisions: see
# ``engines.batch.arrivals``; what is left is to decide them in order. Where an update stops
# everybody, or is waited for, see ``engines.batch.interrupted``.
def batch_barrierless(run: Run, heard: bool = True, work: bool = True) -> Trace:
    """Run the replications; see ``engines.simulate.simulate``. Cost: that of ``arrival_blocks``,
    and three passes to write a message down; where old messages are dropped also that of ``Fresh``.
    Where updates come in cycles, that of ``cycles``; where an update stops everybody or is waited
    for, that of ``dependent``. Memory: the times alone, unless more is asked for. Raises
    ``NeverEnough``: nothing more can arrive, and the last update has not happened."""
    scheme, busy, noted = run.barrierless, None, None
    if scheme.cycles:
        return cycles(run, heard, work)
    accepted = Accepted.empty((len(run.tapes), run.updates, scheme.gradients), heard, work)
    if scheme.ahead < inf:
        busy = bounded(run, accepted)
    elif scheme.independent:
        every = accepted if scheme.oldest >= run.updates else None
        for r, first in first_blocks(run, work, every):
            anew = partial(_Decisions, scheme, accepted.view(r))
            made = _decided(first, arrival_blocks(run, r, work), anew)
            if made.missing:
                missing = [worker for worker in range(scheme.workers) if worker not in made.heard]
                raise NeverEnough(run.iteration(made.filled // scheme.gradients), missing)
    else:
        dependent(run, accepted)
    if work:
        note = unresting if scheme.restarts_at_once else resting
        noted = note(accepted, accepted.useful(scheme.workers))
        if busy is not None:
            noted.busy[:] = busy
    return Trace(accepted.times, accepted.heard if heard else None, noted, "batch", run.seed)


@final
class _Decisions:
    """Which messages are accepted, and at which version each was computed. Life cycle: ``take``
    each block in order, until none is ``missing``. They are written down in ``accepted``, ``(U,
    K)``; ``heard`` are the workers of those that belong to the next update."""

    def __init__(self, scheme: Barrierless, accepted: Accepted) -> None:
        self._k, self._accepted = scheme.gradients, accepted
        self._size = self._k * len(accepted.when)
        self.filled, self.heard = 0, list[int]()
        self._fresh = Fresh(scheme) if scheme.oldest < len(accepted.when) else None

    @property
    def missing(self) -> int:
        return self._size - self.filled

    def take(self, block: Block) -> None:
        """Cost: a pass for each array; where messages can be too old, also that of ``Fresh``."""
        if self._fresh is None:
            chosen = block.order[: self.missing]
            version = block.before.take(chosen)
            if self._k > 1:
                version //= self._k
        else:
            kept, version = self._fresh.take(block.before[block.order], self.missing)
            chosen = block.order[kept]
        self._write(block, chosen, version)

    def _write(self, block: Block, chosen: IntArray, version: IntArray) -> None:
        start, k, accepted = self.filled, self._k, self._accepted
        self.filled += len(chosen)
        begun = self.filled % k
        recent = block.worker[chosen[-begun:]].tolist() if begun else []
        self.heard = [*self.heard, *recent][-begun:] if begun else []
        space = slice(start, self.filled)
        if accepted.heard is not None:
            np.take(block.worker, chosen, out=accepted.heard.message.ravel()[space], mode="clip")
            accepted.heard.version.ravel()[space] = version
        if accepted.seconds is not None:
            assert block.seconds is not None
            np.take(block.seconds, chosen, out=accepted.seconds.ravel()[space], mode="clip")
        else:  # the instants of updates are all that is wanted
            chosen, space = chosen[k - 1 - start % k :: k], slice(start // k, self.filled // k)
        np.take(block.when, chosen, out=accepted.when.ravel()[space], mode="clip")
