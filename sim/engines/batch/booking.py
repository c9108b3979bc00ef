"""From instants to a trace: who was heard, what the workers did, which round never ends."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...arrays import row_max
from ...errors import NeverEnough
from ...types import BoolArray, FloatArray, Work
from .result import TraceArrays


def check(
    part: TraceArrays,
    opened: FloatArray,
    drained: FloatArray | None,
    arrive: Callable[[int, int], FloatArray],
) -> None:
    """Refuse a round that never ends, takes longer than ``max_wait``, or never drains.

    A round may take exactly ``max_wait``: what counts is the instant ``opened + max_wait``, at
    which the event engine's alarm rings. Draining may take any time.

    Args:
        part: the rounds, with their times.
        opened: ``(r, t)`` instants.
        drained: ``(r, t)`` when the next round can open, under policy ``drain``.
        arrive: ``(n m,)`` when the messages of a replication's round arrive.

    Raises:
        NeverEnough: naming the first such round and the workers not heard.
    """
    ended = part.times
    late = trouble = np.isinf(ended)
    if part.max_wait is not None:
        late = trouble = late | (ended > opened + part.max_wait)
    if drained is not None:
        trouble = late | np.isinf(drained)
        if part.ends_run:  # nothing comes after the last round
            trouble[:, -1] = late[:, -1]
    if not trouble.any():
        return
    r, t = (int(i) for i in np.argwhere(trouble)[0])
    bound = np.inf if part.max_wait is None or not late[r, t] else opened[r, t] + part.max_wait
    times = arrive(r, t)
    last = times[part.messages - 1 :: part.messages]
    unheard = np.isinf(last) | (last > bound)
    waited = None if np.isinf(bound) else part.max_wait
    raise NeverEnough(part.first + t + 1, np.flatnonzero(unheard).tolist(), waited)


def book(
    part: TraceArrays,
    opened: FloatArray,
    begun: FloatArray | None,
    arrive: FloatArray,
    drained: FloatArray | None,
) -> None:
    """Fill in who was heard and what the workers did, from when everything happened.

    Args:
        part: the rounds, with their times.
        opened: ``(r, t)`` instants.
        begun: ``(r, t, n)`` when each worker began; ``None``: when the round opened.
        arrive: ``(r, t, n m)`` when each message arrives; used up.
        drained: ``(r, t)`` when the next round opened, where workers go on until then.
    """
    ended, m = part.times[:, :, None], part.messages
    arrived = np.less_equal(arrive, ended, out=part.arrived)
    if part.work is None:
        return
    blame(arrive, opened, part.times, part.work, m)
    if m > 1 or begun is not None:
        since = opened[:, :, None] if begun is None else begun
        accumulate(part.work.useful, useful_pieces(arrive, since, arrived, m))
    computed = arrive[:, :, m - 1 :: m]
    if drained is None:
        np.minimum(computed, ended, out=computed)
    elif part.ends_run:  # only the run's end cuts off work that is drained
        computed[:, -1] = np.minimum(computed[:, -1], ended[:, -1])
    computed -= opened[:, :, None]
    accumulate(part.work.busy, computed)
    if m == 1 and begun is None:
        computed *= arrived  # who arrived in time was not cut off: all of it was useful
        accumulate(part.work.useful, computed)


def all_in(times: FloatArray, messages: int) -> FloatArray:
    """When the last of all messages comes that is ever sent: ``(..., n m) -> (...)``.

    Only messages before a worker's last one can be left out.
    """
    if messages == 1:
        return row_max(times)
    last = row_max(times[..., messages - 1 :: messages])
    return np.maximum(row_max(np.where(np.isinf(times), 0.0, times)), last)


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
        begun: ``(r, t, n)`` or ``(r, t, 1)`` when its worker began.
        arrived: ``(r, t, n m)`` who arrived in time.
        messages: m.

    Returns:
        ``(r, t m, n)``.
    """
    r, t, nm = arrive.shape
    spent = np.zeros((r, t, messages, nm // messages))
    before = np.broadcast_to(begun, (r, t, nm // messages))
    for piece in range(messages):
        now = arrive[:, :, piece::messages]
        np.subtract(now, before, out=spent[:, :, piece], where=arrived[:, :, piece::messages])
        before = np.where(np.isinf(now), before, now)  # one that is never sent took no time
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
