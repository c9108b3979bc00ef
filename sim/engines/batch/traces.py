"""From instants to a trace: who was heard, what the workers did, which round never ends."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ...base.errors import NeverEnough
from ...base.numerics import row_max, summed_by
from ...base.types import BoolArray, FloatArray, IntArray, Rounds, Trace, Work
from ..run import Run
from ..updates import Accepted


@dataclass(frozen=True)
class TraceArrays:
    """The arrays of a trace of rounds, or views of a part of them; filled in place."""

    times: FloatArray  # ``(R, T)``
    arrived: BoolArray | None  # ``(R, T, n m)``, or ``None`` where it is not recorded
    work: Work | None  # as in ``Trace``, or ``None`` where it is not recorded
    messages: int  # messages per worker
    first: int = 0  # the first round of this part, from 0
    ends_run: bool = True  # whether the last round of this part is the last of the run
    max_wait: float | None = None  # seconds after which a round stops the run

    @classmethod
    def empty(cls, run: Run, heard: bool, work: bool) -> TraceArrays:
        """Arrays for a run; ``None`` for what is not recorded."""
        r, t, n, m = len(run.tapes), run.updates, run.scheme.workers, run.rounds.messages
        arrived = np.empty((r, t, n * m), dtype=np.bool_) if heard else None
        noted = no_work((r, t, n)) if work else None
        return cls(np.empty((r, t)), arrived, noted, m, max_wait=run.cluster.max_wait)

    def view(self, group: range, start: int, stop: int) -> TraceArrays:
        """Views of rounds ``start <= t < stop`` of a group of replications."""
        rows = slice(group.start, group.stop)
        cells = rows, slice(start, stop)
        if (work := self.work) is not None:
            last, margin, dead = work.last[cells], work.margin[cells], work.dead[cells]
            work = Work(work.busy[rows], work.useful[rows], last, margin, dead, work.down[rows])
        times, m, ends_run = self.times[cells], self.messages, stop == self.times.shape[1]
        arrived = None if self.arrived is None else self.arrived[cells]
        return TraceArrays(times, arrived, work, m, start, ends_run, self.max_wait)

    def rounds(self, start: int, stop: int) -> TraceArrays:
        """Views of rounds ``start <= t < stop`` of a part that has all rounds."""
        return self.view(range(len(self.times)), start, stop)

    def trace(self, run: Run) -> Trace:
        """The trace, once every round is filled."""
        heard = None if self.arrived is None else Rounds(self.arrived)
        return Trace(self.times, heard, self.work, "batch", run.seed, iterations=run.iterations)


def no_work(shape: tuple[int, int, int]) -> Work:
    """The arrays of ``Work`` for (R, T, n)."""
    r, t, n = shape
    busy, useful, down = (np.zeros((r, n)) for _ in range(3))
    last, dead = np.empty((r, t), dtype=np.int64), np.zeros((r, t), dtype=np.int64)
    return Work(busy, useful, last, np.empty((r, t)), dead, down)


def run_together(run: Callable[[range], None], group: range) -> None:
    """Run replications together; errors are those of replications that run one by one."""
    try:
        run(group)
    except NeverEnough:
        for r in group if len(group) > 1 else ():
            run(range(r, r + 1))
        raise


def unresting(accepted: Accepted, useful: FloatArray) -> Work:
    """What workers did who computed without a pause until the last update; ``useful``, ``(R, n)``
    seconds, went into messages which counted."""
    times, n = accepted.times, useful.shape[1]
    work = no_work((*times.shape, n))
    work.busy[:] = times[:, -1:]
    last, margin = accepted.blame()
    return replace(work, useful=useful, last=last, margin=margin)


def resting(accepted: Accepted, useful: FloatArray) -> Work:
    """The same of workers who rest from delivering until the next update. Cost: five passes."""
    work = unresting(accepted, useful)
    assert accepted.heard is not None
    for r, times in enumerate(accepted.times):
        worker, version = accepted.heard.message[r], accepted.heard.version[r]
        stretch = accepted.when[r] - np.append(0.0, times)[version]
        busy = summed_by(worker.ravel(), stretch.ravel(), useful.shape[1])
        since = np.zeros_like(busy)
        since[worker.ravel()] = np.repeat(times, worker.shape[1])  # the last one stays
        work.busy[r] = busy + (times[-1] - since)
    return work


def require_enough(
    view: TraceArrays,
    opened: FloatArray,
    drained: FloatArray | None,
    arrive: Callable[[int, int], FloatArray],
) -> None:
    """Refuse a round that never ends, takes longer than ``max_wait``, or never drains:
    ``NeverEnough`` names the first such round and the workers not heard. A round may take exactly
    ``max_wait``: what counts is the instant ``opened + max_wait``, at which the event engine's
    alarm rings. Draining may take any time; ``drained``, ``(r, t)``, is when the next round can
    open. ``arrive`` gives the ``(n m,)`` arrivals of a replication's round."""
    ended = view.times
    late = trouble = np.isinf(ended)
    if view.max_wait is not None:
        late = trouble = late | (ended > opened + view.max_wait)
    if drained is not None:
        trouble = late | np.isinf(drained)
        if view.ends_run:  # nothing comes after the last round
            trouble[:, -1] = late[:, -1]
    if not trouble.any():
        return
    r, t = (int(i) for i in np.argwhere(trouble)[0])
    bound = np.inf if view.max_wait is None or not late[r, t] else opened[r, t] + view.max_wait
    last = arrive(r, t)[view.messages - 1 :: view.messages]
    unheard = np.isinf(last) | (last > bound)  # of NaN, which is not sent, neither
    waited = None if np.isinf(bound) else view.max_wait
    raise NeverEnough(view.first + t + 1, np.flatnonzero(unheard).tolist(), waited)


def record_rounds(
    view: TraceArrays,
    opened: FloatArray,
    begun: FloatArray | None,
    arrive: FloatArray,
    drained: FloatArray | None,
    idle: BoolArray | None = None,
) -> None:
    """Fill in who was heard and what the workers did, from when rounds opened, workers began,
    ``(r, t, n)`` (``None``: as the round opened), messages arrive, ``(r, t, n m)``, and the next
    round opened, ``(r, t)``, where workers go on until then; who had nothing to do, ``(r, t, n)``.
    Cost: seven passes over messages."""
    ended, m, work = view.times[:, :, None], view.messages, view.work
    if work is None:
        np.less_equal(arrive, ended, out=view.arrived)
        return
    ahead = steps_ahead(arrive, view.times)
    blame(ahead, opened, view.times, work)
    arrived = np.greater_equal(ahead, -1, out=view.arrived)
    (r, t), n = view.times.shape, work.busy.shape[1]
    spent, last = np.empty((r, 1 + t, n)), arrive[:, :, m - 1 :: m]
    if idle is not None:
        last = np.where(idle, opened[:, :, None] if begun is None else begun, last)
    if drained is None:
        np.minimum(last, ended, out=spent[:, 1:])
    else:
        spent[:, 1:] = last
        if view.ends_run:  # only the run's end cuts off work that is drained
            np.minimum(last[:, -1], ended[:, -1], out=spent[:, -1])
    spent[:, 1:] -= opened[:, :, None]
    accumulate(work.busy, spent)
    if m > 1 or begun is not None:
        since = opened[:, :, None] if begun is None else begun
        accumulate(work.useful, useful_pieces(arrive, since, arrived, m))
    else:  # who arrived in time was not cut off: all of it was useful
        counts = np.ones(spent.shape, dtype=np.bool_)
        counts[:, 1:] = arrived
        accumulate(work.useful, spent, counts)


def steps_ahead(arrive: FloatArray, ended: FloatArray) -> IntArray:
    """How many floating-point numbers each message, ``(r, t, n m)``, comes before the last one
    below its round's end, ``(r, t)``; -1 at the end itself, and less after it. Instants are at
    least 0, so they are in the order of their bits, read as whole numbers."""
    return np.asarray(ended.view(np.int64)[:, :, None] - 1 - arrive.view(np.int64))


def all_in(times: FloatArray, messages: int) -> FloatArray:
    """When the last of all messages comes that is ever sent: ``(..., n m) -> (...)``. Only messages
    before a worker's last one can be left out."""
    if messages == 1:
        return row_max(times)
    last = row_max(times[..., messages - 1 :: messages])
    return np.maximum(row_max(np.where(np.isinf(times), 0.0, times)), last)


def idle_of(offsets: FloatArray, messages: int) -> BoolArray | None:
    """Who has nothing to send, by NaN among ``(..., n m)`` offsets: ``(..., n)``; ``None``: all
    send."""
    idle = np.isnan(offsets[..., messages - 1 :: messages])
    return idle if idle.any() else None


def accumulate(total: FloatArray, spent: FloatArray, counts: BoolArray | None = None) -> None:
    """Add ``spent[:, 1:]``, ``(r, t, n)``, to ``total``, ``(r, n)``, one round after the other, as
    the event engine adds; of all pieces, those that count. ``spent[:, 0]`` is room for the total.
    NumPy adds in pairs along the fastest axis only, so a reduction over t is such a running sum
    unless the worker axis is trivial."""
    spent[:, 0] = total
    if spent.shape[2] == 1:
        pieces = spent if counts is None else spent * counts
        total[:] = np.add.accumulate(pieces, axis=1)[:, -1]
    elif counts is None:
        np.add.reduce(spent, axis=1, out=total)
    else:
        np.einsum("rtn,rtn->rn", spent, counts, out=total)


def useful_pieces(arrive: FloatArray, begun: FloatArray, arrived: BoolArray, m: int) -> FloatArray:
    """``(r, 1 + t m, n)`` seconds that went into each of m messages which ``arrived`` in time, in
    the order they were spent, after a row for their sum; each was computed at ``arrive``, both
    ``(r, t, n m)``, by a worker that began at ``(r, t, n)`` or ``(r, t, 1)`` instants."""
    r, t, nm = arrive.shape
    pieces = np.zeros((r, 1 + t * m, nm // m))
    spent = pieces[:, 1:].reshape(r, t, m, nm // m)
    before = np.broadcast_to(begun, (r, t, nm // m))
    for piece in range(m):
        now = arrive[:, :, piece::m]
        np.subtract(now, before, out=spent[:, :, piece], where=arrived[:, :, piece::m])
        before = np.where(np.isinf(now), before, now)  # one that is never sent took no time
    return pieces


def blame(ahead: IntArray, opened: FloatArray, ended: FloatArray, work: Work) -> None:
    """Fill in who ended each round, and how long after the message before: ``last`` and ``margin``,
    from each message's ``steps_ahead``, ``(r, t, n m)``. Cost: a comparison and two reductions."""
    messages = ahead.shape[-1] // work.busy.shape[-1]
    at_the_end = np.equal(ahead, -1)
    first = at_the_end.argmax(axis=-1)
    alone = np.count_nonzero(at_the_end, axis=-1) == 1
    work.last[:] = first if messages == 1 else first // messages
    # Without signs, what is not early is beyond all that is.
    nearest = ahead.view(np.uint64).min(axis=-1).view(np.int64)
    before = (ended.view(np.int64) - 1 - np.maximum(nearest, 0)).view(np.float64)
    before[nearest < 0] = 0.0
    work.margin[:] = ended - np.maximum(before, opened)
    if not alone.all():
        work.last[~alone], work.margin[~alone] = -1, 0.0
