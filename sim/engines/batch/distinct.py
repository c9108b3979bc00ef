"""Updates from distinct workers that stop everybody, in the batch engine.

An update comes with the K-th of the workers' first messages. What a worker sends after its own is
dropped, and all that matters of it is how many rows of the tape it uses.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...errors import NeverEnough
from ...schemes.barrierless import Barrierless
from ...types import FloatArray
from ..accepted import Accepted
from ..distinct import STANDSTILL
from .tasks import Tasks

if TYPE_CHECKING:
    from ..run import Run

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
