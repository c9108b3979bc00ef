"""Schemes without a barrier in the batch engine, where every update stops everybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from ...errors import NeverEnough
from ...schemes.barrierless import Barrierless
from ...types import FloatArray, IntArray
from ..tapes import CheckedTape
from ..updates import STANDSTILL, Accepted

if TYPE_CHECKING:
    from ..run import Run


ROWS_AHEAD = 16
"""Tasks of each worker that a short run reads beside two for each update."""


@final
class Tasks:
    """The next tasks of each worker of each replication; row i of a tape is a worker's i-th."""

    def __init__(self, run: Run, group: range) -> None:
        self._law = run.load_law
        self._tapes = [CheckedTape(run.tapes[r]) for r in group]
        self._n = run.scheme.workers
        self._size = min(self._tapes[0].block_rounds, 2 * run.updates + ROWS_AHEAD)
        self._next = np.zeros((len(group), self._n), dtype=np.int64)
        self._first = 0  # row of the table's first row
        self._table = np.empty((len(group), 0, self._n))

    def ahead(self, depth: int) -> FloatArray:
        """``(R, depth, n)`` seconds of the next tasks."""
        loads = np.ones(self._n, dtype=np.int64)
        while self._first + self._table.shape[1] < self._next.max() + depth:
            start = self._first + self._table.shape[1]
            block = np.stack(
                [self._law.worker_times(t, loads, start, start + self._size) for t in self._tapes]
            )
            past = max(0, int(self._next.min()) - self._first)
            self._first += past
            self._table = np.concatenate([self._table[:, past:], block], axis=1)
        r, rows, n = self._table.shape
        cells = (self._next - self._first) * n + np.arange(n)
        cells += np.arange(0, r * rows * n, rows * n)[:, None]
        return self._table.ravel().take(cells[:, None] + np.arange(0, depth * n, n)[:, None])

    def use(self, tasks: IntArray) -> None:
        """Note that ``(R, n)`` tasks were begun."""
        self._next += tasks


# With distinct workers an update comes with the K-th of the workers' first messages. What a worker
# sends after its own is dropped, and all that matters of it is how many rows of the tape it uses.


AT_ONCE = 8
"""Tasks of a worker that are looked at together."""


def distinct(run: Run, scheme: Barrierless, group: range, accepted: Accepted) -> None:
    """Fill in the messages of each update of a group of replications.

    Cost: a sort of n an update, and for each 8 tasks that the fastest worker does in it some ten
    NumPy calls over ``(R, 8, n)``.

    Raises:
        NeverEnough: too few workers ever deliver, or one delivers again and again in no time.
    """
    mine, k = slice(group.start, group.stop), scheme.gradients
    accepted.version[mine] = np.arange(run.updates)[:, None]
    tasks, now = Tasks(run, group), np.zeros(len(group))
    for update in range(run.updates):
        seconds = tasks.ahead(1)[:, 0]
        first = now[:, None] + seconds
        workers = np.argsort(first, axis=1, kind="stable")[:, :k]
        accepted.when[mine, update] = np.take_along_axis(first, workers, axis=1)
        accepted.worker[mine, update] = workers
        if accepted.seconds is not None:
            accepted.seconds[mine, update] = np.take_along_axis(seconds, workers, axis=1)
        end = accepted.when[mine, update, -1]
        iteration = update // (run.updates // run.iterations) + 1
        if np.isinf(end).any():
            stuck = int(np.flatnonzero(np.isinf(end))[0])
            raise NeverEnough(iteration, np.flatnonzero(np.isinf(first[stuck])).tolist())
        _use_until(end, now, first, tasks, iteration)
        now = end


def _use_until(
    end: FloatArray, now: FloatArray, first: FloatArray, tasks: Tasks, iteration: int
) -> None:
    """Use the rows of all tasks that have begun by an update.

    A worker has begun one task more than have ended before the update: a message of its instant is
    decided with it, and its worker begins nothing before that.

    Args:
        end: ``(R,)`` when the update happens.
        now: ``(R,)`` when the one before it did.
        first: ``(R, n)`` when each worker's first task ends.
        tasks: what comes next.
        iteration: for the error.
    """
    r, n = first.shape
    reached, going = np.repeat(now[:, None], n, axis=1), np.ones((r, n), dtype=np.bool_)
    idle = np.zeros((r, n), dtype=np.int64)
    while going.any():
        finish = tasks.ahead(AT_ONCE)
        finish[:, 0] += reached
        for task in range(1, AT_ONCE):
            finish[:, task] += finish[:, task - 1]
        ended = np.count_nonzero(finish < end[:, None, None], axis=1)
        on = going & (ended == AT_ONCE)
        tasks.use(np.where(going, ended + ~on, 0))
        idle = np.where(on & (finish[:, -1] == reached), idle + AT_ONCE, 0)
        if idle.max() > STANDSTILL:
            one, worker = (int(i) for i in np.argwhere(idle > STANDSTILL)[0])
            missing = np.flatnonzero(first[one] > reached[one, worker]).tolist()
            raise NeverEnough(iteration, missing, endless=worker)
        reached, going = finish[:, -1], on


# An update is a fresh start for all: only which rows of the tape are next passes from one to
# the next. One loop over updates, vectorised over replications, workers and tasks.


def interrupted(run: Run, scheme: Barrierless, accepted: Accepted) -> None:
    """Fill in the messages of each update.

    Cost: some thirty NumPy calls an update, over ``(R, depth, n)`` tasks, where depth is as many as
    the fastest worker ever does in one update. Where workers must be distinct, see ``distinct``.

    Raises:
        NeverEnough: as if the replications ran one after the other.
    """
    everyone, together = range(len(run.tapes)), distinct if scheme.distinct else _together
    try:
        together(run, scheme, everyone, accepted)
    except NeverEnough:
        for r in everyone if len(everyone) > 1 else ():
            together(run, scheme, range(r, r + 1), accepted)
        raise


def _together(run: Run, scheme: Barrierless, group: range, accepted: Accepted) -> None:
    r, n, k = len(group), scheme.workers, scheme.gradients
    mine = slice(group.start, group.stop)
    accepted.version[mine] = np.arange(run.updates)[:, None]
    tasks = Tasks(run, group)
    now, depth = np.zeros(r), -(-k // n) + 2
    for update in range(run.updates):
        while True:
            ahead = tasks.ahead(depth)
            finish = ahead.copy()
            finish[:, 0] += now[:, None]
            for task in range(1, depth):
                finish[:, task] += finish[:, task - 1]
            first = _first(finish, k) or _first_by_wave(finish, k)
            if first is not None:
                break
            depth += 1 + depth // 8
        cells, begun = first
        accepted.when[mine, update] = finish.ravel().take(cells)
        accepted.worker[mine, update] = cells % n
        if accepted.seconds is not None:
            accepted.seconds[mine, update] = ahead.ravel().take(cells)
        now = accepted.when[mine, update, -1]
        if np.isinf(now).any():
            stuck = int(np.flatnonzero(np.isinf(now))[0])
            missing = np.flatnonzero(np.isinf(finish[stuck, 0])).tolist()
            raise NeverEnough(update // (run.updates // run.iterations) + 1, missing)
        tasks.use(begun)


def _first(finish: FloatArray, k: int) -> tuple[IntArray, IntArray] | None:
    """The first messages, where no two tie and enough tasks are known; else ``None``.

    Args:
        finish: ``(R, depth, n)`` when each worker's next tasks end, if nobody stops it.
        k: messages that make an update.

    Returns:
        ``(R, K)`` cells of ``finish``, in order; ``(R, n)`` tasks begun by the update.

    Cost: a partition and seven passes, and a sort of K.
    """
    r, _, n = finish.shape
    end = np.partition(finish.reshape(r, -1), k - 1, axis=1)[:, k - 1]
    due = finish <= end[:, None, None]
    cells = np.flatnonzero(due)
    if len(cells) != r * k or due[:, -1].any():
        return None
    times = finish.ravel().take(cells).reshape(r, k)
    place = np.argsort(times, axis=1)
    place += np.arange(0, r * k, k)[:, None]
    cells, times = cells.take(place), times.ravel().take(place)
    if (times[:, 1:] == times[:, :-1]).any():
        return None
    begun = due.sum(axis=1) + 1  # those that have ended, and the one under way
    begun[np.arange(r), cells[:, -1] % n] -= 1  # who sent the last is not under way
    return cells, begun


def _first_by_wave(finish: FloatArray, k: int) -> tuple[IntArray, IntArray] | None:
    """As ``_first``, in order of (time, wave, worker); ``None`` where too few tasks are known.

    Cost: a full sort. Where an update never happens, its last message comes at infinity.
    """
    r, depth, n = finish.shape
    waves = _waves(finish)
    flat, flat_waves = finish.reshape(r, -1), waves.reshape(r, -1)
    worker = np.broadcast_to(np.tile(np.arange(n), depth), flat.shape)
    order = np.lexsort((worker, flat_waves, flat), axis=1)[:, :k]
    end = np.take_along_axis(flat, order[:, -1:], axis=1)
    top = np.take_along_axis(flat_waves, order[:, -1:], axis=1)
    last, wave = finish[:, -1], waves[:, -1]
    # Complete if each worker's last known task ends after the deciding message's wave.
    if not np.all((last > end) | (np.isinf(last)) | ((last == end) & (wave >= top))):
        return None
    end, top = end[:, :, None], top[:, :, None]
    before = (finish < end) | ((finish == end) & (waves < top))
    deciding = (finish == end) & (waves == top)
    begun = np.count_nonzero(before | deciding, axis=1) + ~deciding.any(axis=1)
    return order + np.arange(0, finish.size, depth * n)[:, None], begun


def _waves(finish: FloatArray) -> IntArray:
    """``(R, depth, n)``: how many tasks of the worker have ended before at the same instant."""
    waves = np.zeros(finish.shape, dtype=np.int64)
    for task in range(1, finish.shape[1]):
        again = finish[:, task] == finish[:, task - 1]
        waves[:, task][again] = waves[:, task - 1][again] + 1
    return waves
