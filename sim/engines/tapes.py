"""Tapes as the engines read them: checked, whole or one worker at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np

from sim.errors import InvalidDelay
from sim.types import FloatArray, Tape


@final
@dataclass(frozen=True)
class Checked:
    """A tape that refuses what is no time: negative numbers and NaN.

    Infinity is a time, that of what never happens: the task of a dead worker, a message that is
    lost again and again, the failure of a worker that does not fail. Delay models promise finite
    delays; where one overflows, its task never ends either.

    Cost: one pass over cells that are in the cache, about a hundredth of drawing them.
    """

    tape: Tape

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
            InvalidDelay: naming the first cell that is no time, and the model.
        """
        table = self.tape.rows(start, stop, stream)
        if not table.min(initial=0.0) >= 0:  # NaN is the minimum wherever there is one
            row, worker = (int(i) for i in np.argwhere(~(table >= 0))[0])
            source = " ".join(repr(getattr(self.tape, "model", type(self.tape).__name__)).split())
            raise InvalidDelay(source, float(table[row, worker]), worker, start + row)
        return table


@final
class Column:
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


def columns(tape: Tape) -> list[Column]:
    """A tape's columns, one for each worker.

    The two latest blocks are kept for workers that read about the same rows. So memory grows
    neither with the length of a run nor with the distance between workers; at worst every worker
    draws each block itself.
    """
    checked, size = Checked(tape), tape.block_rounds

    @lru_cache(maxsize=2)
    def read(block: int) -> FloatArray:
        return checked.rows(block * size, (block + 1) * size)

    return [Column(read, size, worker) for worker in range(tape.workers)]
