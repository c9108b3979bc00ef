"""Schemes in which no worker may be too far ahead of the slowest, in the batch engine.

A worker that has delivered c gradients starts the next one when everybody has delivered c - s (its
own c-th included), so the instants of its messages follow from those of all workers, row by row:

    F_j(c + 1) = max(F_j(c), max_i F_i(c - s)) + X_j(c + 1)

They depend on no decision; which messages make which update is then a matter of order."""

from __future__ import annotations

from math import inf

import numpy as np

from ...errors import NeverEnough
from ...types import BoolArray, FloatArray, IntArray
from ..run import Run
from ..tapes import Tasks
from ..updates import Accepted

TASKS_AT_ONCE = 2**21  # held at once by a group of replications: 16 MiB an array


def bounded(run: Run, accepted: Accepted) -> FloatArray | None:
    """Fill in the messages of each update; returns ``(R, n)`` seconds that each worker computed, or
    ``None`` where these are not recorded. Cost: some ten NumPy calls a row of ``(R, n)`` tasks, and
    a sort of each replication's messages. Memory: six arrays of a group's tasks. Raises
    ``NeverEnough``: somebody never delivers, and all others wait."""
    scheme = run.barrierless
    n, wanted = scheme.workers, run.updates * scheme.gradients
    busy = None if accepted.seconds is None else np.empty((len(run.tapes), n))
    # When so many messages have come, the slowest has sent at most their n-th part of them.
    rows = min(-(-wanted // n) + int(min(scheme.ahead, wanted)) + 1, wanted)
    size = max(1, TASKS_AT_ONCE // (rows * n))
    for start in range(0, len(run.tapes), size):
        mine = slice(start, min(start + size, len(run.tapes)))
        tasks = Tasks(run.tapes[mine], run.load_law, min(rows, run.tapes[0].block_rounds))
        table = _Messages(tasks, mine.stop - mine.start, n, rows, scheme.ahead)
        for r in range(mine.start, mine.stop):
            end = _decide(run, table, r - start, accepted.view(r))
            if busy is not None:
                busy[r] = table.busy(r - start, end)
    return busy


class _Messages:
    """Every message of a group of replications; arrays are ``(rows, R, n)``, row c the c-th ones:
    seconds to compute, since when and after which wave, and when and in which wave it arrives."""

    def __init__(self, tasks: Tasks, replications: int, n: int, rows: int, ahead: float) -> None:
        shape = (rows, replications, n)
        everyone = np.arange(replications * n).reshape(replications, n)
        self.seconds, self.since, self.when = (np.empty(shape) for _ in range(3))
        self.after, self.wave = (np.empty(shape, dtype=np.int32) for _ in range(2))
        now, wave = np.zeros(shape[1:]), np.full(shape[1:], -1, dtype=np.int32)
        for row in range(rows):
            if row > ahead:
                slow, last = self.when[row - int(ahead) - 1], self.wave[row - int(ahead) - 1]
                gate = slow.max(axis=1, keepdims=True)
                turn = np.where(slow == gate, last, -1).max(axis=1, keepdims=True)
                later = np.where(gate == now, np.maximum(wave, turn), wave)
                wave = np.where(gate > now, turn, later)
                now = np.maximum(now, gate)
            self.since[row], self.after[row] = now, wave
            self.seconds[row] = tasks.begin(everyone)
            now = now + self.seconds[row]
            wave = np.where(now == self.since[row], wave + 1, 0)
            self.when[row], self.wave[row] = now, wave

    def busy(self, r: int, end: float) -> FloatArray:
        """``(n,)`` seconds that each worker of a replication computed until an instant. A worker
        that goes on at once computes without a pause, so whole stretches are added up."""
        tables = self.since, self.after, self.when, self.wave
        since, after, when, wave = (table[:, r] for table in tables)
        paused = (since[1:] > when[:-1]) | ((since[1:] == when[:-1]) & (after[1:] > wave[:-1]))
        paused &= since[1:] <= end
        total, began, left = np.zeros(since.shape[1]), since[0], when[0]
        for row in range(1, len(when)):
            stopped = paused[row - 1]
            total[stopped] += (left - began)[stopped]
            began = np.where(stopped, since[row], began)
            left = np.where(since[row] <= end, when[row], left)
        return np.asarray(total + (np.minimum(left, end) - began))


def _decide(run: Run, table: _Messages, r: int, accepted: Accepted) -> float:
    """Write down a replication's messages in their order; returns the last update's instant."""
    n, k = run.scheme.workers, run.barrierless.gradients
    shape = len(accepted.when), k
    when, wave = table.when[:, r].ravel(), table.wave[:, r].ravel()
    worker = np.tile(np.arange(n), len(table.when))
    order = np.lexsort((worker, wave, when))[: len(accepted.when) * k]
    if when[order[-1]] == inf:
        come = int(np.searchsorted(when[order], inf))
        update = come // k
        heard = worker[order[update * k : come]]
        raise NeverEnough(run.iteration(update), np.setdiff1d(np.arange(n), heard).tolist())
    since, after = table.since[:, r].ravel()[order], table.after[:, r].ravel()[order]
    before = _decided(when[order], wave[order], since, after)
    at, spent = when[order].reshape(shape), table.seconds[:, r].ravel()[order].reshape(shape)
    accepted.note(at, worker[order].reshape(shape), (before // k).reshape(shape), spent)
    return float(at[-1, -1])


def _decided(when: FloatArray, wave: IntArray, since: FloatArray, after: IntArray) -> IntArray:
    """How many of the messages ``(when, wave)`` had been decided when each task was begun."""
    count = np.searchsorted(when, since, side="right")
    tied: BoolArray = np.zeros(len(when), dtype=np.bool_)
    tied[1:] = when[1:] == when[:-1]
    if not tied.any():
        return np.where((count > 0) & (after >= 0), count, 0)
    instants = np.unique(when)
    rank = np.searchsorted(instants, since, side="right") - 1
    most = int(wave.max()) + 2
    keys = np.searchsorted(instants, when) * most + wave
    wanted = rank * most + np.minimum(after, most - 2)
    same = (rank >= 0) & (instants[np.maximum(rank, 0)] == since)
    return np.where(same, np.searchsorted(keys, wanted, side="right"), count)
