"""Schemes without a barrier in the batch engine, where every update stops everybody.

Then an update is a fresh start for all: only which rows of the tape are next passes from one to the
next. One loop over updates, vectorised over replications, workers and tasks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import NeverEnough
from ...schemes.barrierless import Barrierless
from ...types import FloatArray, IntArray
from ..accepted import Accepted
from .distinct import distinct
from .tasks import Tasks

if TYPE_CHECKING:
    from ..run import Run


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
