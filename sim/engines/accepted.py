"""The messages that made the updates of a scheme without a barrier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from ..types import FloatArray, IntArray

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
