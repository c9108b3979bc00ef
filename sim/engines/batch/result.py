"""The arrays of a trace while the batch engine fills them."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ...types import BoolArray, FloatArray, Rounds, Trace, Work
from ..accepted import Accepted


@dataclass(frozen=True)
class TraceArrays:
    """The arrays of a trace of rounds, or views of a part of them; filled in place.

    Attributes:
        times: ``(R, T)``.
        arrived: ``(R, T, n m)``, or ``None`` where it is not recorded.
        work: as in ``Trace``, or ``None`` where it is not recorded.
        messages: messages per worker.
        first: the first round of this part, from 0.
        ends_run: whether the last round of this part is the last of the run.
        max_wait: seconds after which a round stops the run.
    """

    times: FloatArray
    arrived: BoolArray | None
    work: Work | None
    messages: int
    first: int = 0
    ends_run: bool = True
    max_wait: float | None = None

    @classmethod
    def empty(
        cls, shape: tuple[int, int, int], messages: int, heard: bool, work: bool
    ) -> TraceArrays:
        """Arrays for (R, T, n); ``None`` for what is not recorded."""
        r, t, n = shape
        return cls(
            times=np.empty((r, t)),
            arrived=np.empty((r, t, n * messages), dtype=np.bool_) if heard else None,
            work=no_work(shape) if work else None,
            messages=messages,
        )

    def part(self, group: range, start: int, stop: int, max_wait: float | None) -> TraceArrays:
        """Views of rounds ``start <= t < stop`` of a group of replications."""
        rows, rounds = slice(group.start, group.stop), slice(start, stop)
        work = self.work
        if work is not None:
            work = Work(
                work.busy[rows],
                work.useful[rows],
                work.last[rows, rounds],
                work.margin[rows, rounds],
                work.dead[rows, rounds],
                work.down[rows],
            )
        return TraceArrays(
            times=self.times[rows, rounds],
            arrived=None if self.arrived is None else self.arrived[rows, rounds],
            work=work,
            messages=self.messages,
            first=start,
            ends_run=stop == self.times.shape[1],
            max_wait=max_wait,
        )

    def rounds(self, start: int, stop: int) -> TraceArrays:
        """Views of rounds ``start <= t < stop`` of a part that has all rounds."""
        return self.part(range(len(self.times)), start, stop, self.max_wait)

    def trace(self, seed: int) -> Trace:
        """The trace, once every round is filled."""
        heard = None if self.arrived is None else Rounds(self.arrived)
        return Trace(self.times, heard, self.work, "batch", seed)


def no_work(shape: tuple[int, int, int]) -> Work:
    """The arrays of ``Work`` for (R, T, n)."""
    r, t, n = shape
    seconds = [np.zeros((r, n)) for _ in range(3)]
    return Work(
        busy=seconds[0],
        useful=seconds[1],
        last=np.empty((r, t), dtype=np.int64),
        margin=np.empty((r, t)),
        dead=np.zeros((r, t), dtype=np.int64),
        down=seconds[2],
    )


def unresting(accepted: Accepted, useful: FloatArray) -> Work:
    """What workers did who computed without a pause until the last update.

    Args:
        accepted: the messages that made the updates.
        useful: ``(R, n)`` seconds that went into messages which counted.
    """
    times, n = accepted.times, useful.shape[1]
    work = no_work((*times.shape, n))
    work.busy[:] = times[:, -1:]
    last, margin = accepted.blame()
    return replace(work, useful=useful, last=last, margin=margin)
