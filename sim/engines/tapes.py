"""Tapes as the engines read them: checked; by worker; one round of all replications."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import final

import numpy as np

from ..errors import InvalidDelay
from ..types import FloatArray, TapeLike


@final
@dataclass(frozen=True)
class CheckedTape:
    """A tape that refuses negative delays and NaN.

    Infinity is allowed and means never: the task of a dead worker, a message that is lost again and
    again, the failure of a worker that does not fail. Delay models promise finite delays; where one
    overflows, its task never ends either.

    Cost: one pass over cells that are in the cache, about a hundredth of drawing them.
    """

    tape: TapeLike

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return self.tape.workers

    @property
    def block_rounds(self) -> int:
        """How many rounds are cheapest to read together."""
        return self.tape.block_rounds

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Rows ``start <= t < stop``: ``(stop - start, n)`` seconds.

        Raises:
            InvalidDelay: naming the first invalid cell, and the model.
        """
        table = self.tape.rows(start, stop, stream)
        if not table.min(initial=0.0) >= 0:  # NaN is the minimum wherever there is one
            row, worker = (int(i) for i in np.argwhere(~(table >= 0))[0])
            source = " ".join(repr(getattr(self.tape, "model", type(self.tape).__name__)).split())
            raise InvalidDelay(source, float(table[row, worker]), worker, start + row)
        return table


@final
class TapeColumn:
    """One worker's column of a tape, read at its own pace; it holds the block that it is in.

    Args:
        read: gives block b as ``(size, n)`` seconds.
        size: rows in a block.
        worker: which column.
    """

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
    checked = CheckedTape(tape)
    return columns_of(checked.rows, tape.block_rounds, tape.workers)


def columns_of(rows: Callable[[int, int], FloatArray], size: int, workers: int) -> list[TapeColumn]:
    """The columns of a table that is read in blocks of ``size`` rows.

    The two latest blocks are kept for workers that read about the same rows. So memory grows
    neither with the length of a run nor with the distance between workers; at worst every worker
    reads each block itself.
    """

    @lru_cache(maxsize=2)
    def read(block: int) -> FloatArray:
        return rows(block * size, (block + 1) * size)

    return [TapeColumn(read, size, worker) for worker in range(workers)]


@final
class RoundOfAll:
    """One round of all replications, as a tape whose row r is replication r's.

    So a load law's ``message_times(tape, loads, m, 0, R)`` gives ``(R, n m)``, also where loads
    differ between replications. The latest block of each stream is kept.

    Args:
        tapes: one per replication.
        rounds: how many will be read.
    """

    def __init__(self, tapes: Sequence[TapeLike], rounds: int) -> None:
        self._tapes = [CheckedTape(tape) for tape in tapes]
        self._size = min(self._tapes[0].block_rounds, rounds)
        self._blocks: dict[int, tuple[int, FloatArray]] = {}
        self.round = 0

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return self._tapes[0].workers

    @property
    def block_rounds(self) -> int:
        """One round at a time."""
        return 1

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Replications ``start <= r < stop`` in the current round, ``(stop - start, n)``."""
        block, offset = divmod(self.round, self._size)
        if self._blocks.get(stream, (-1, None))[0] != block:
            first = block * self._size
            rows = [tape.rows(first, first + self._size, stream) for tape in self._tapes]
            self._blocks[stream] = block, np.stack(rows)
        return self._blocks[stream][1][start:stop, offset]
