"""Schemes without a barrier in the batch engine."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice, repeat
from typing import TYPE_CHECKING, final

import numpy as np

from ...errors import NeverEnough
from ...schemes.barrierless import Barrierless, Stops
from ...types import FloatArray, IntArray, Messages, Trace
from ..updates import Accepted, Cycle, Standstill, Streams
from .arrivals import Block, arrival_blocks
from .booking import unresting
from .interrupted import interrupted

if TYPE_CHECKING:
    from ..run import Run


@final
class Fresh:
    """Finds the messages that the master accepts, block by block.

    A message is fresh enough if its worker got its model after the update that is ``oldest``
    updates back from the next one. Instants are counted in messages decided.

    Life cycle: ``take`` each block in order, until one has all that are wanted.

    Args:
        scheme: its choices.
        updates: of the run; no message can be older.
    """

    def __init__(self, scheme: Barrierless, updates: int) -> None:
        self._k = scheme.gradients
        # When each message of the last ``oldest`` updates was accepted, and each one since.
        self._accepted = [0] * (self._k * min(int(scheme.oldest), updates))
        self._begun = 0  # messages of the next update
        self._decided = 0
        self._updates = np.zeros(1, dtype=np.int32)

    def take(self, before: IntArray, most: int) -> IntArray:
        """Places of the messages of a block that are accepted.

        Cost: a turn of a Python loop for each message, about 40 ns.

        Args:
            before: for each message, how many had been decided when its worker got its model.
            most: accept no more than these; the messages after them are left.
        """
        earlier, accept = len(self._accepted), self._accepted.append
        messages = enumerate(before.tolist(), self._decided + 1)
        for limit in islice(self._limits(), most):
            for decided, known in messages:
                if known >= limit:
                    accept(decided)
                    break
            else:
                break
        places = np.array(self._accepted[earlier:], dtype=np.int64) - (self._decided + 1)
        self._count(places[self._k - self._begun - 1 :: self._k], len(before))
        done, self._begun = divmod(self._begun + len(places), self._k)
        del self._accepted[: done * self._k]
        return places

    def updates_after(self, decided: IntArray) -> IntArray:
        """Updates that had happened when so many messages had been decided."""
        return self._updates[decided]

    def _limits(self) -> Iterator[int]:
        """When the update happened that makes the next message fresh; then for those after it.

        Read from ``accepted``, which grows meanwhile.
        """
        if self._k == 1:
            return iter(self._accepted)
        updates = islice(self._accepted, self._k - 1, None, self._k)
        limits = chain.from_iterable(map(repeat, updates, repeat(self._k)))
        return islice(limits, self._begun, None)

    def _count(self, updates: IntArray, decided: int) -> None:
        """Note a block with updates at these places."""
        start, self._decided = self._decided, self._decided + decided
        if self._decided >= len(self._updates):
            longer = np.empty(2 * (self._decided + 1), dtype=np.int32)
            longer[: start + 1] = self._updates[: start + 1]
            self._updates = longer
        block = self._updates[start + 1 : self._decided + 1]
        block[:] = 0
        block[updates] = 1
        block[:1] += self._updates[start]
        np.cumsum(block, out=block)


def cycles(run: Run, scheme: Barrierless, heard: bool = True, work: bool = True) -> Trace:
    """Run the replications of a scheme whose updates come in cycles.

    Cost: that of ``arrival_blocks``, and a turn of a Python loop for each message.

    Raises:
        NeverEnough: nobody is left whose message makes an update, or time stands still.
    """
    accepted = Accepted.empty((len(run.tapes), run.updates, 1), seconds=False)
    streams = Streams(scheme.workers)
    for r in range(len(run.tapes)):
        decisions = _CycleDecisions(run)
        for block in arrival_blocks(run, scheme, r, work):
            decisions.take(block)
            if not decisions.missing:
                break
        decisions.finish(accepted.replication(r), streams)
    noted = unresting(accepted, streams.useful) if work else None
    return Trace(accepted.times, streams.heard if heard else None, noted, "batch", run.seed)


@final
class _CycleDecisions:
    """Which messages of a replication make updates.

    Life cycle: ``take`` each block until no update is ``missing``; then ``finish``.

    Attributes:
        missing: updates that have not happened yet.
    """

    def __init__(self, run: Run) -> None:
        self._cycle, self._standstill = Cycle(run.scheme.workers), Standstill()
        self._updates = self.missing = run.updates
        self._per_iteration = run.updates // run.iterations
        self._ends: list[int] = []
        self._decided = 0
        self._when: list[FloatArray] = []
        self._worker: list[IntArray] = []
        self._before: list[IntArray] = []
        self._seconds: list[FloatArray] = []

    def take(self, block: Block) -> None:
        """Decide the messages of a block.

        Raises:
            NeverEnough: no update can come after them.
        """
        workers, when = block.worker[block.order], block.when[block.order]
        cycle, standstill = self._cycle, self._standstill
        leaving = self._leaving(workers, block) if block.lost.any() else None
        for place, (worker, now) in enumerate(zip(workers.tolist(), when.tolist(), strict=True)):
            self._decided += 1
            if cycle.hear(worker):
                self._ends.append(self._decided)
                self.missing -= 1
                standstill.clear()
                if not self.missing:
                    break
            else:
                standstill.note(worker, now)
                if standstill.endless is not None:
                    raise NeverEnough(self._iteration, sorted(cycle.needed), endless=worker)
            if leaving is not None:
                self._require_hope(leaving[place])
        self._when.append(when)
        self._worker.append(workers)
        self._before.append(block.before[block.order])
        if block.seconds is not None:
            self._seconds.append(block.seconds[block.order])
        if self.missing and block.lost.all():
            raise NeverEnough(self._iteration, sorted(cycle.needed))

    def _leaving(self, workers: IntArray, block: Block) -> list[set[int] | None]:
        """Who is lost after each message; ``None`` within a wave, which is decided as a whole."""
        lost = set(np.flatnonzero(block.lost).tolist())
        last = {worker: place for place, worker in enumerate(workers.tolist()) if worker in lost}
        gone = lost - last.keys()
        after: list[set[int] | None] = []
        for place, (worker, end) in enumerate(
            zip(workers.tolist(), block.last.tolist(), strict=True)
        ):
            if last.get(worker) == place:
                gone = gone | {worker}
            after.append(gone if end == place else None)
        return after

    def _require_hope(self, lost: set[int] | None) -> None:
        """Nothing more comes of the lost.

        Raises:
            NeverEnough: and so no update can come.
        """
        never = self._cycle.hopeless(lost) if lost else []
        if never:
            raise NeverEnough(self._iteration, never)

    @property
    def _iteration(self) -> int:
        return (self._updates - self.missing) // self._per_iteration + 1

    def finish(self, accepted: Accepted, streams: Streams) -> None:
        """Write the updates and their messages down."""
        ends, used = np.array(self._ends), slice(self._decided)
        worker, when = np.concatenate(self._worker)[used], np.concatenate(self._when)
        before = np.concatenate(self._before)[used]
        accepted.when[:, 0] = when[ends - 1]
        accepted.worker[:, 0] = worker[ends - 1]
        happened = np.zeros(self._decided + 1, dtype=np.int64)
        happened[ends] = 1
        version = np.cumsum(happened)[before]
        seconds = np.concatenate(self._seconds)[used] if self._seconds else None
        streams.add(worker, version, seconds, ends)


# Where nobody is ever stopped or kept waiting, arrivals do not depend on decisions: see
# ``engines.batch.arrivals``; what is left is to decide them in order. Where every update stops
# everybody, see ``engines.batch.interrupted``.


def batch_barrierless(run: Run, heard: bool = True, work: bool = True) -> Trace:
    """Run the replications; see ``engines.simulate.simulate``.

    Cost: that of ``arrival_blocks``, and three passes to write a message down; where old messages
    are dropped also one turn of a Python loop. Where updates come in cycles, that of ``cycles``;
    where an update stops everybody, that of ``interrupted``.
    """
    scheme = run.scheme
    assert isinstance(scheme, Barrierless)
    if scheme.cycles:
        return cycles(run, scheme, heard, work)
    accepted = Accepted.empty((len(run.tapes), run.updates, scheme.gradients), work)
    if scheme.stops is Stops.EVERYBODY:
        interrupted(run, scheme, accepted)
    else:
        for r in range(len(run.tapes)):
            _undisturbed(run, scheme, r, accepted.replication(r))
    times = accepted.times
    messages = Messages(accepted.worker, accepted.version) if heard else None
    noted = unresting(accepted, accepted.useful(scheme.workers)) if work else None
    return Trace(times, messages, noted, "batch", run.seed)


def _undisturbed(run: Run, scheme: Barrierless, replication: int, accepted: Accepted) -> None:
    """One replication: arrivals first, then decisions.

    Raises:
        NeverEnough: nothing more can arrive, and the last update has not happened.
    """
    decisions = _Decisions(scheme, accepted)
    for block in arrival_blocks(run, scheme, replication, accepted.seconds is not None):
        decisions.take(block)
        if decisions.missing == 0:
            return
    update, begun = divmod(decisions.filled, scheme.gradients)
    heard = set(accepted.worker[update, :begun].tolist())
    missing = [worker for worker in range(scheme.workers) if worker not in heard]
    raise NeverEnough(update // (run.updates // run.iterations) + 1, missing)


@final
class _Decisions:
    """Which messages are accepted, and at which version each was computed.

    Life cycle: ``take`` each block in order, until none is ``missing``.

    Args:
        scheme: its choices.
        accepted: where to write the messages down, ``(U, K)``.

    Attributes:
        filled: messages accepted so far.
    """

    def __init__(self, scheme: Barrierless, accepted: Accepted) -> None:
        self._k, self._accepted = scheme.gradients, accepted
        self._size = accepted.when.size
        self.filled = 0
        self._fresh = Fresh(scheme, len(accepted.when)) if scheme.oldest < np.inf else None

    @property
    def missing(self) -> int:
        """Messages that are not accepted yet."""
        return self._size - self.filled

    def take(self, block: Block) -> None:
        """Write down the messages of a block that are accepted.

        Cost: a pass for each array; where messages can be too old, also a turn of a loop for each.
        """
        if self._fresh is None:
            version = self._write(block, block.order[: self.missing])
            if self._k > 1:
                version //= self._k
        else:
            before = block.before[block.order]
            kept = self._fresh.take(before, self.missing)
            version = self._write(block, block.order[kept])
            version[:] = self._fresh.updates_after(before[kept])

    def _write(self, block: Block, chosen: IntArray) -> IntArray:
        """Write these messages down; returns where their versions go, now ``block.before``."""
        space = slice(self.filled, self.filled + len(chosen))
        self.filled += len(chosen)
        accepted = self._accepted
        np.take(block.when, chosen, out=accepted.when.ravel()[space], mode="clip")
        np.take(block.worker, chosen, out=accepted.worker.ravel()[space], mode="clip")
        if accepted.seconds is not None:
            assert block.seconds is not None
            np.take(block.seconds, chosen, out=accepted.seconds.ravel()[space], mode="clip")
        version = accepted.version.ravel()[space]
        version[:] = block.before.take(chosen)
        return version
