"""Schemes without a barrier in the batch engine, where every update stops everybody.

Then an update is a fresh start for all: only which rows of the tape are next passes from one to the
next. One loop over updates, vectorised over replications, workers and tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from sim.engines.accepted import Accepted
from sim.engines.tapes import CheckedTape
from sim.errors import NeverEnough
from sim.schemes.barrierless import Barrierless
from sim.types import FloatArray, IntArray

if TYPE_CHECKING:
    from sim.engines.run import Run


def interrupted(run: Run, scheme: Barrierless, accepted: Accepted) -> None:
    """Fill in the messages of each update.

    Raises:
        NeverEnough: as if the replications ran one after the other.
    """
    everyone = range(len(run.tapes))
    try:
        _together(run, scheme, everyone, accepted)
    except NeverEnough:
        for r in everyone if len(everyone) > 1 else ():
            _together(run, scheme, range(r, r + 1), accepted)
        raise


def _together(run: Run, scheme: Barrierless, group: range, accepted: Accepted) -> None:
    r, n, k = len(group), scheme.workers, scheme.gradients
    mine = slice(group.start, group.stop)
    accepted.version[mine] = np.arange(run.updates)[:, None]
    tasks = _Tasks(run, group)
    now, depth = np.zeros(r), -(-k // n) + 2
    for update in range(run.updates):
        while True:
            ahead = tasks.ahead(depth)
            finish = np.add.accumulate(
                np.concatenate([np.broadcast_to(now[:, None, None], (r, 1, n)), ahead], axis=1),
                axis=1,
            )
            waves = _waves(finish)
            finish = finish[:, 1:]
            order = _order(finish, waves, k)
            place = order[:, k - 1]
            end = np.take_along_axis(finish.reshape(r, -1), place[:, None], axis=1)
            top = np.take_along_axis(waves.reshape(r, -1), place[:, None], axis=1)
            last, wave = finish[:, -1], waves[:, -1]
            # Complete if each worker's last known task ends after the deciding message's wave.
            if np.all((last > end) | (np.isinf(last)) | ((last == end) & (wave >= top))):
                break
            depth *= 2
        if np.isinf(end).any():
            stuck = int(np.flatnonzero(np.isinf(end[:, 0]))[0])
            missing = np.flatnonzero(np.isinf(finish[stuck, 0])).tolist()
            raise NeverEnough(update // (run.updates // run.iterations) + 1, missing)
        accepted.when[mine, update] = np.take_along_axis(finish.reshape(r, -1), order, axis=1)
        accepted.worker[mine, update] = order % n
        if accepted.seconds is not None:
            seconds = np.take_along_axis(ahead.reshape(r, -1), order, axis=1)
            accepted.seconds[mine, update] = seconds
        before = (finish < end[:, None]) | ((finish == end[:, None]) & (waves < top[:, None]))
        deciding = (finish == end[:, None]) & (waves == top[:, None])
        delivered = np.count_nonzero(before | deciding, axis=1)
        tasks.use(delivered + ~deciding.any(axis=1))
        now = end[:, 0]


def _waves(finish: FloatArray) -> IntArray:
    """``(R, depth, n)``: how many tasks of the worker have ended before at the same instant."""
    same = finish[:, 1:] == finish[:, :-1]
    waves = np.zeros(same.shape, dtype=np.int64)
    if same[:, 0].any() or same[:, 1:].any():
        before = np.full_like(waves[:, 0], -1)
        for task in range(same.shape[1]):
            again = same[:, task]
            waves[:, task][again] = before[again] + 1
            before = waves[:, task]
    return waves


def _order(finish: FloatArray, waves: IntArray, k: int) -> IntArray:
    """``(R, k)`` the first messages by (time, wave, worker), as places in ``(depth, n)``.

    Cost: one partition, and a sort of k; a full sort where messages tie.
    """
    r, depth, n = finish.shape
    flat = finish.reshape(r, -1)
    first = np.argpartition(flat, k - 1, axis=1)[:, :k]
    times = np.take_along_axis(flat, first, axis=1)
    place = np.argsort(times, axis=1)
    ranked = np.take_along_axis(times, place, axis=1)
    up_to_last = np.count_nonzero(flat <= ranked[:, -1:], axis=1)
    if np.any(up_to_last > k) or np.any(ranked[:, 1:] == ranked[:, :-1]):
        worker = np.broadcast_to(np.tile(np.arange(n), depth), flat.shape)
        return np.lexsort((worker, waves.reshape(r, -1), flat), axis=1)[:, :k]
    return np.take_along_axis(first, place, axis=1)


@final
class _Tasks:
    """The next tasks of each worker of each replication; row i of a tape is a worker's i-th."""

    def __init__(self, run: Run, group: range) -> None:
        self._law = run.load_law
        self._tapes = [CheckedTape(run.tapes[r]) for r in group]
        self._size, self._n = run.tapes[0].block_rounds, run.scheme.workers
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
        rows = (self._next - self._first)[:, None] + np.arange(depth)[:, None]
        return np.take_along_axis(self._table, rows, axis=1)

    def use(self, tasks: IntArray) -> None:
        """Note that ``(R, n)`` tasks were begun."""
        self._next = self._next + tasks
