"""Which messages make the updates of a scheme without a barrier."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from itertools import chain
from typing import final

import numpy as np

from ..types import FloatArray, IntArray, Stream

# The messages that made the updates of a scheme without a barrier.


Heard = tuple[int, int, float, float]
"""A message: worker, version, seconds to compute, and the instant at which it arrived."""


@dataclass(frozen=True)
class Accepted:
    """Messages in the order in which they counted, ``(R, U, K)``; filled in place.

    Attributes:
        when: instants at which they arrived.
        worker: who sent them.
        version: updates of the model at which they were computed.
        seconds: how long they took to compute, or ``None`` where that is not recorded.
    """

    when: FloatArray
    worker: IntArray
    version: IntArray
    seconds: FloatArray | None

    @classmethod
    def empty(cls, shape: tuple[int, int, int], seconds: bool) -> Accepted:
        """Arrays for (R, U, K)."""
        return cls(
            when=np.empty(shape),
            worker=np.empty(shape, dtype=np.int32),
            version=np.empty(shape, dtype=np.int32),
            seconds=np.empty(shape) if seconds else None,
        )

    def replication(self, r: int) -> Accepted:
        """Views of one replication, ``(U, K)``."""
        seconds = None if self.seconds is None else self.seconds[r]
        return Accepted(self.when[r], self.worker[r], self.version[r], seconds)

    def fill(self, messages: Sequence[Heard]) -> None:
        """Fill in all messages of one replication."""
        flat = np.fromiter(chain.from_iterable(messages), np.float64, count=4 * len(messages))
        worker, version, seconds, when = flat.reshape(*self.when.shape, 4).transpose(2, 0, 1)
        self.worker[:], self.version[:], self.when[:] = worker, version, when
        if self.seconds is not None:
            self.seconds[:] = seconds

    @property
    def times(self) -> FloatArray:
        """``(R, U)`` when each update happened."""
        return np.ascontiguousarray(self.when[:, :, -1])

    def useful(self, n: int) -> FloatArray:
        """``(R, n)`` seconds of each worker that went into messages which counted."""
        assert self.seconds is not None
        pairs = zip(self.worker, self.seconds, strict=True)
        return np.stack([np.bincount(w.ravel(), s.ravel(), minlength=n) for w, s in pairs])

    def blame(self) -> tuple[IntArray, FloatArray]:
        """``last`` and ``margin`` of each update, ``(R, U)``; see ``sim.types.Work``."""
        times = self.times
        if self.when.shape[2] == 1:
            return self.worker[:, :, 0].copy(), np.diff(times, prepend=0.0)
        first = (self.when == times[:, :, None]).argmax(axis=2)[:, :, None]
        last = np.take_along_axis(self.worker, first, axis=2)[:, :, 0]
        before = np.take_along_axis(self.when, np.maximum(first - 1, 0), axis=2)[:, :, 0]
        before[first[:, :, 0] == 0] = 0.0
        np.maximum(before[:, 1:], times[:, :-1], out=before[:, 1:])
        return last, times - before


# Which workers have been counted since the last update, where each counts once.


STANDSTILL = 100_000
"""Messages of one worker at one instant, all in vain, after which nothing more is expected."""


@final
class Standstill:
    """Notices a worker that delivers again and again while time stands still.

    Attributes:
        endless: such a worker, once there is one.
    """

    def __init__(self) -> None:
        self._again: dict[int, tuple[float, int]] = {}
        self.endless: int | None = None

    def note(self, worker: int, now: float) -> None:
        """Note a message that made no update."""
        instant, times = self._again.get(worker, (now, 0))
        times = times + 1 if instant == now else 0
        self._again[worker] = now, times
        if times > STANDSTILL and self.endless is None:
            self.endless = worker

    def clear(self) -> None:
        """Forget the messages noted so far: an update was made."""
        self._again.clear()


@final
class Distinct:
    """Workers that were counted, and whether enough others are left.

    Life cycle: ``has`` is asked of every message; ``clear`` at each update.

    Args:
        lost: workers of whom nothing more comes; others keep this set up to date.
        workers: n.
    """

    def __init__(self, lost: set[int], workers: int) -> None:
        self._lost, self._n = lost, workers
        self._counted: set[int] = set()

    def has(self, worker: int) -> bool:
        """Whether a worker was counted before; else it is now."""
        if worker in self._counted:
            return True
        self._counted.add(worker)
        return False

    def clear(self) -> None:
        """Forget who was counted: an update was made."""
        self._counted.clear()

    def hopeless(self, missing: int) -> list[int]:
        """Whom the master waits for in vain, if fewer can still be counted than are missing."""
        never = self._lost - self._counted
        return sorted(never) if self._n - len(self._counted) - len(never) < missing else []


# Cycles of updates, one of each worker: what Ringleader's master keeps in mind.


@final
class Cycle:
    """Whose message makes an update.

    A cycle collects first: until everybody has a gradient in the table, messages only add to it.
    That of the last one makes the first update; then everybody else's next message makes one, in
    order of arrival. What a worker sends after its own update is kept for the next cycle's table.

    Life cycle: ``hear`` is told of every message, in order.

    Args:
        workers: n.
    """

    def __init__(self, workers: int) -> None:
        self._n = workers
        self._collecting = True
        self._kept: set[int] = set()
        self.needed = set(range(workers))

    needed: set[int]
    """Who must be heard before the collecting ends, or, after it, whose update is still to come."""

    def hear(self, worker: int) -> bool:
        """Whether a worker's message makes an update."""
        if self._collecting:
            self.needed.discard(worker)
            if self.needed:
                return False
            self._collecting = False
            self.needed = set(range(self._n))
        elif worker not in self.needed:
            self._kept.add(worker)
            return False
        self.needed.remove(worker)
        if not self.needed:
            self._collecting = True
            self.needed, self._kept = set(range(self._n)) - self._kept, set()
        return True

    def hopeless(self, lost: Set[int]) -> list[int]:
        """Whom the master waits for in vain, if no update can come any more; else nobody.

        Args:
            lost: workers of whom nothing more comes.
        """
        never = self.needed & lost
        return sorted(never) if never and (self._collecting or never == self.needed) else []


# The messages of schemes that use any number of them in an update.


@final
class Streams:
    """Messages, gathered one replication after the other.

    Life cycle: ``add`` each replication; then ``heard`` and ``useful``.

    Args:
        workers: n.
    """

    def __init__(self, workers: int) -> None:
        self._n, self._decided = workers, 0
        self._worker: list[IntArray] = []
        self._version: list[IntArray] = []
        self._ends: list[IntArray] = []
        self._useful: list[FloatArray] = []

    def add(
        self, worker: IntArray, version: IntArray, seconds: FloatArray | None, ends: IntArray
    ) -> None:
        """The next replication.

        Args:
            worker, version, seconds: ``(M_r,)`` of each message, up to the last update.
            ends: ``(U,)`` messages up to each update.
        """
        self._worker.append(worker.astype(np.int32))
        self._version.append(version.astype(np.int32))
        self._ends.append(ends + self._decided)
        self._decided += len(worker)
        if seconds is not None:
            useful = np.bincount(worker, seconds, self._n)
            self._useful.append(useful.astype(np.float64))

    @property
    def heard(self) -> Stream:
        """The messages of all replications, one replication after the other."""
        return Stream(
            np.concatenate(self._worker), np.concatenate(self._version), np.stack(self._ends)
        )

    @property
    def useful(self) -> FloatArray:
        """``(R, n)`` seconds of each worker that went into these messages."""
        return np.stack(self._useful)
