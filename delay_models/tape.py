"""The tape: the unit delays of one replication, drawn once and read by every scheme.

Replication r, stream s, block b are drawn from ``SeedSequence(seed, spawn_key=(r, s, b))``.
A block has a fixed length, so the tape never depends on how long the run is, how many
replications run, in which process, or which schemes are compared: these are common random
numbers. Stream s holds the draws of a worker's s-th partition (load law ``per_partition``);
the other laws read stream 0.

The conditions of workers and rounds (see ``delay_models.base``) are drawn from a stream that no
task reads, ``SHARED``; so they are the same for all streams of a replication.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .base import DelayModel, FloatArray, ReplayedDelays

BLOCK_CELLS = 2**15
"""Cells in one block: 256 KiB, so that a block stays in the cache while it is used."""

SHARED = 2**32 - 1
"""The stream of the conditions that all tasks share."""

ROWS_AT_ONCE = 16
"""Rows by which a drawn part of a block grows: vector instructions see whole vectors, as in whole
blocks."""

START = 2**32 - 1
"""The block of ``SHARED`` from which the start is drawn; no run is that long."""


@dataclass(frozen=True)
class Tape:
    """Delays X[round, worker] of one replication.

    Args:
        model: the delay model.
        workers: number of workers n.
        seed: the run's seed.
        replication: index of the replication, from 0.

    Cost: one draw per cell read, rounded up to whole blocks (to 16 rows if the model draws row by
    row), and about 20 microseconds a block.
    A model with conditions also evolves once through every block up to the last one read.
    """

    model: DelayModel
    workers: int
    seed: int
    replication: int
    _states: dict[int, Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def block_rounds(self) -> int:
        """Rounds in one block: a function of the number of workers alone."""
        return max(1, BLOCK_CELLS // self.workers)

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Unit delays of rounds ``start <= t < stop``: ``(stop - start, workers)`` seconds."""
        if isinstance(self.model, ReplayedDelays):
            return self.model.replay(start, stop, self.workers)
        length = self.block_rounds
        first, last = start // length, max(start, stop - 1) // length
        blocks = []
        for b in range(first, last + 1):
            drawn, own = self._drawn(stop - b * length), self._generator(stream, b)
            conditions = None if self.model.independent else self._conditions(b, drawn)
            blocks.append(self.model.delays(conditions, own, drawn, self.workers))
        table = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return table[start - first * length : stop - first * length]

    def _drawn(self, needed: int) -> int:
        """How many rows of a block are drawn when so many are read, from its first."""
        if not (self.model.independent and self.model.row_by_row):
            return self.block_rounds
        return min(-(-needed // ROWS_AT_ONCE) * ROWS_AT_ONCE, self.block_rounds)

    def _conditions(self, block: int, length: int) -> Any:
        """Conditions in a block, found by walking from the last state that is remembered."""
        known = block
        while known > 0 and known not in self._states:
            known -= 1
        if known not in self._states:
            self._states[0] = self.model.start(self._generator(SHARED, START), self.workers)
        conditions = None
        for b in range(known, block + 1):
            shared = self._generator(SHARED, b)
            conditions, after = self.model.evolve(self._states[b], shared, length, self.workers)
            self._states[b + 1] = after
        return conditions

    def _generator(self, stream: int, block: int) -> np.random.Generator:
        key = (self.replication, stream, block)
        return np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=key))
        )
