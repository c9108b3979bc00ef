"""Ways to read tapes: checked, one round of all replications, from memory, by worker, or the next
tasks of all replications."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import final

import numpy as np

from ..base.errors import InvalidDelay
from ..base.types import FloatArray, IntArray, TapeAround, TapeLike
from ..load_laws import LoadLaw


@final
@dataclass(frozen=True)
class CheckedTape(TapeAround):
    """A tape that refuses negative delays and NaN. Infinity is allowed and means never: the task of
    a dead worker, a message that is lost again and again, the failure of a worker that does not
    fail. Delay models promise finite delays; where one overflows, its task never ends either. Cost:
    one pass over cells that are in the cache, about a hundredth of drawing them."""

    tape: TapeLike

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Rows ``start <= t < stop``: ``(stop - start, n)`` seconds; raises ``InvalidDelay``,
        naming the first invalid cell and the model."""
        table = self.tape.rows(start, stop, stream)
        if not table.min(initial=0.0) >= 0:  # NaN is the minimum wherever there is one
            row, worker = (int(i) for i in np.argwhere(~(table >= 0))[0])
            source = " ".join(repr(self.model or type(self.tape).__name__).split())
            raise InvalidDelay(source, float(table[row, worker]), worker, start + row)
        return table


@final
@dataclass(frozen=True)
class RetryTape(TapeAround):
    """The tape of tasks that are done again after a crash, ``retry`` times before: a new execution,
    so it draws from streams that no other task reads. What all streams share (a replay, conditions
    of a round) is the same again. Cost: a block is drawn for each retry."""

    tape: TapeLike
    retry: int  # from 1

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Rows ``start <= t < stop``: ``(stop - start, n)`` seconds."""
        return self.tape.rows(start, stop, (self.retry << 32) + stream)


@final
class RoundOfAll:
    """One round of all replications, as a tape whose row r is replication r's; ``rounds`` will be
    read. So a load law's ``message_times(tape, loads, m, 0, R)`` gives ``(R, n m)``, also where
    loads differ between replications. The latest block of each stream is kept."""

    def __init__(self, tapes: Sequence[TapeLike], rounds: int) -> None:
        self._tapes, self._size = tapes, min(tapes[0].block_rounds, rounds)
        self._blocks: dict[int, tuple[int, FloatArray]] = {}
        self.workers, self.block_rounds, self.round = tapes[0].workers, 1, 0

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Replications ``start <= r < stop`` in the current round, ``(stop - start, n)``."""
        block, offset = divmod(self.round, self._size)
        if self._blocks.get(stream, (-1, None))[0] != block:
            where = block * self._size, (block + 1) * self._size, stream
            table = np.stack([tape.rows(*where) for tape in self._tapes])
            if not table.min(initial=0.0) >= 0:  # one of them says where
                table = np.stack([CheckedTape(tape).rows(*where) for tape in self._tapes])
            self._blocks[stream] = block, table
        return self._blocks[stream][1][start:stop, offset]


@final
@dataclass(frozen=True)
class RememberedTape(TapeAround):
    """A tape that draws each stream once, ``rounds`` at once, for several schemes that read the
    same one; all that are read are kept."""

    tape: TapeLike
    rounds: int
    _streams: dict[int, FloatArray] = field(default_factory=dict, compare=False, repr=False)

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Unit delays of rounds ``start <= t < stop``: ``(stop - start, n)`` seconds, read-only."""
        known = self._streams.get(stream)
        if known is None or len(known) < stop:
            known, size = np.empty((max(stop, self.rounds), self.workers)), self.block_rounds
            for first in range(0, len(known), size):  # a block at a time, which stays in the cache
                end = min(first + size, len(known))
                known[first:end] = self.tape.rows(first, end, stream)
            known.flags.writeable = False
            self._streams[stream] = known
        return known[start:stop]


@final
class TapeColumn:
    """One worker's column of a tape, read at its own pace; it holds the block that it is in.
    ``read`` gives block b as ``(size, n)`` seconds."""

    def __init__(self, read: Callable[[int], FloatArray], size: int, worker: int) -> None:
        self._read, self._size, self._worker = read, size, worker
        self._block, self._cells = -1, list[float]()

    def __getitem__(self, row: int) -> float:
        block, offset = divmod(row, self._size)
        if block != self._block:
            self._block, self._cells = block, self._read(block)[:, self._worker].tolist()
        return self._cells[offset]

    def __iter__(self) -> Iterator[float]:
        """All rows, one after the other."""
        for block in count():
            yield from self._read(block)[:, self._worker].tolist()


def columns(tape: TapeLike) -> list[TapeColumn]:
    """A tape's columns, one for each worker."""
    return columns_of(CheckedTape(tape).rows, tape.block_rounds, tape.workers)


def task_columns(tape: TapeLike, law: LoadLaw, size: int) -> list[TapeColumn]:
    """Seconds of each worker's i-th task, one partition each, read in blocks of ``size`` rows."""
    checked, loads = CheckedTape(tape), np.ones(tape.workers, dtype=np.int64)

    def rows(start: int, stop: int) -> FloatArray:
        return law.worker_times(checked, loads, start, stop)

    return columns_of(rows, size, tape.workers)


def columns_of(rows: Callable[[int, int], FloatArray], size: int, workers: int) -> list[TapeColumn]:
    """The columns of a table that is read in blocks of ``size`` rows. The two latest blocks are
    kept for workers that read about the same rows. So memory grows neither with the length of a run
    nor with the distance between workers; at worst every worker reads each block itself."""

    @lru_cache(maxsize=2)
    def read(block: int) -> FloatArray:
        return rows(block * size, (block + 1) * size)

    return [TapeColumn(read, size, worker) for worker in range(workers)]


@final
class Tasks:
    """The next tasks of each worker of each replication; row i of a tape is a worker's i-th. The
    tapes, one per replication, are read ``size`` rows at a time."""

    def __init__(self, tapes: Sequence[TapeLike], law: LoadLaw, size: int) -> None:
        self._tapes = [CheckedTape(tape) for tape in tapes]
        self._law, self._size, self._n = law, size, tapes[0].workers
        self._first = 0  # row of the table's first row
        self._table = np.empty((len(tapes), 0, self._n))
        self._next = self._cells_of(np.zeros((len(tapes), self._n), dtype=np.int64))
        self._left = 0  # rows of the table that each worker has ahead, at least

    def _cells_of(self, rows: IntArray) -> IntArray:
        """Each worker's cell of the table in a row, ``(R, n)``."""
        return rows * self._n + np.arange(self._n) + self._offsets

    @property
    def _offsets(self) -> IntArray:
        r, rows, n = self._table.shape
        return (np.arange(r) * (rows * n))[:, None]

    def ahead(self, depth: int, workers: IntArray) -> FloatArray:
        """``(depth, ...)`` seconds of the next tasks of some workers, cells of ``(R, n)``."""
        self._reserve(depth)
        cells = np.empty((depth, *workers.shape), dtype=np.int64)
        cells[0] = self._next.ravel().take(workers)
        for task in range(1, depth):
            np.add(cells[task - 1], self._n, out=cells[task])
        return self._table.ravel().take(cells)

    def use(self, tasks: IntArray, most: int) -> None:
        """Note that ``(R, n)`` tasks were begun, of each worker at most so many."""
        self._next += tasks * self._n
        self._left -= most

    def begin(self, workers: IntArray) -> FloatArray:
        """The next task of some workers, which are cells of ``(R, n)``; no two are the same."""
        self._reserve(1)
        cells = self._next.ravel()[workers]
        self._next.ravel()[workers] = cells + self._n
        self._left -= 1
        return self._table.ravel().take(cells)

    def _reserve(self, depth: int) -> None:
        if self._left >= depth:
            return
        rows = (self._next - self._offsets) // self._n
        loads = np.ones(self._n, dtype=np.int64)
        while self._table.shape[1] - rows.max() < depth:
            start, past = self._first + self._table.shape[1], rows.min()
            kept = self._table[:, past:]
            r, ahead, n = kept.shape
            self._table = np.empty((r, ahead + self._size, n))
            self._table[:, :ahead] = kept
            for table, tape in zip(self._table, self._tapes, strict=True):
                table[ahead:] = self._law.worker_times(tape, loads, start, start + self._size)
            self._first += past
            rows -= past
        self._next = self._cells_of(rows)
        self._left = self._table.shape[1] - int(rows.max())
