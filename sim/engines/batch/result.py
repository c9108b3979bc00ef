"""The arrays of a trace while the batch engine fills them, and what it computes from arrivals."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from sim.arrays import row_max
from sim.errors import NeverEnough
from sim.types import BoolArray, FloatArray, Rounds, Trace, Work


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

    def round(self, t: int) -> TraceArrays:
        """Views of one round of this part."""
        view = self.part(range(len(self.times)), t, t + 1, self.max_wait)
        last = self.ends_run and t + 1 == self.times.shape[1]
        return replace(view, first=self.first + t, ends_run=last)

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


def accumulate(total: FloatArray, addends: FloatArray) -> None:
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


def useful_pieces(
    arrive: FloatArray, begun: FloatArray, arrived: BoolArray, messages: int
) -> FloatArray:
    """Seconds that went into each message which arrived in time, in the order they were spent.

    Args:
        arrive: ``(r, t, n m)`` when each message was computed.
        begun: ``(r, t)`` or ``(r, t, n)`` when its worker began.
        arrived: ``(r, t, n m)`` who arrived in time.
        messages: m.

    Returns:
        ``(r, t m, n)``.
    """
    r, t, nm = arrive.shape
    begun = begun[..., None] if begun.ndim == 2 else begun
    spent = np.zeros((r, t, messages, nm // messages))
    before = np.broadcast_to(begun, (r, t, nm // messages))
    for piece in range(messages):
        now = arrive[:, :, piece::messages]
        np.subtract(now, before, out=spent[:, :, piece], where=arrived[:, :, piece::messages])
        before = now
    return spent.reshape(r, t * messages, -1)


def blame(
    arrive: FloatArray, opened: FloatArray, ended: FloatArray, work: Work | None, messages: int
) -> None:
    """Who ended each round, and how long after the message before; fills ``last`` and ``margin``.

    Args:
        arrive: ``(r, t, n m)`` when each message arrives.
        opened, ended: ``(r, t)``.
        work: where to; ``None``: nowhere.
        messages: m.
    """
    if work is None:
        return
    at_the_end = arrive == ended[..., None]
    first = at_the_end.argmax(axis=-1)
    someone = np.take_along_axis(at_the_end, first[..., None], axis=-1)[..., 0]
    work.last[:] = np.where(someone, first // messages, -1)
    before = row_max(np.where(arrive < ended[..., None], arrive, 0.0))
    work.margin[:] = np.where(someone, ended - np.maximum(before, opened), 0.0)


def check(
    part: TraceArrays,
    opened: FloatArray,
    ended: FloatArray,
    begun: FloatArray,
    offsets: FloatArray,
    drained: FloatArray | None = None,
) -> None:
    """Refuse a round that never ends, takes longer than ``max_wait``, or never drains.

    A round may take exactly ``max_wait``: what counts is the instant ``opened + max_wait``, at
    which the event engine's alarm rings. Draining may take any time.

    Args:
        part: where the rounds stand in the run.
        opened, ended: ``(r, t)`` instants.
        begun: ``(r, t, n m)`` or ``(r, t, 1)`` when the worker of each message began.
        offsets: ``(r, t, n m)`` seconds from then until the message arrives.
        drained: ``(r, t)`` when the next round can open, under policy ``drain``.

    Raises:
        NeverEnough: naming the first such round and the workers not heard.
    """
    late = trouble = np.isinf(ended)
    if part.max_wait is not None:
        late = trouble = late | (ended > opened + part.max_wait)
    if drained is not None:
        trouble = late | np.isinf(drained)
        if part.ends_run:  # nothing comes after the last round
            trouble[:, -1] = late[:, -1]
    if not trouble.any():
        return
    r, t = np.argwhere(trouble)[0]
    bound = np.inf if part.max_wait is None or not late[r, t] else opened[r, t] + part.max_wait
    arrive = begun[r, t] + offsets[r, t]
    unheard = (np.isinf(arrive) | (arrive > bound)).reshape(-1, part.messages).any(axis=1)
    waited = None if np.isinf(bound) else part.max_wait
    raise NeverEnough(part.first + int(t) + 1, np.flatnonzero(unheard).tolist(), waited)
