"""The next tasks of workers that each read the tape at their own pace."""

from __future__ import annotations

from typing import TYPE_CHECKING, final

import numpy as np

from ...types import FloatArray, IntArray
from ..tapes import CheckedTape

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
