"""The tape: the unit delays of one replication, drawn once and read by every scheme.

Replication r, stream s, block b are drawn from ``SeedSequence(seed, spawn_key=(r, s, b))``.
A block has a fixed length, so the tape never depends on how long the run is, how many
replications run, in which process, or which schemes are compared: these are common random
numbers. Stream s holds the draws of a worker's s-th partition (load law ``per_partition``);
the other laws read stream 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from delay_models.base import DelayModel, FloatArray, IndependentDelays, ReplayedDelays

BLOCK_CELLS = 2**15
"""Cells in one block: 256 KiB, so that a block stays in the cache while it is used."""


@dataclass(frozen=True)
class Tape:
    """Delays X[round, worker] of one replication.

    Args:
        model: the delay model.
        workers: number of workers n.
        seed: the run's seed.
        replication: index of the replication, from 0.

    Cost: one draw per cell read, rounded up to whole blocks, and about 20 microseconds a block.
    """

    model: DelayModel
    workers: int
    seed: int
    replication: int
    _states: dict[tuple[int, int], Any] = field(default_factory=dict, compare=False, repr=False)

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
        blocks = [self._block(stream, b, length) for b in range(first, last + 1)]
        table = blocks[0] if len(blocks) == 1 else np.concatenate(blocks)
        return table[start - first * length : stop - first * length]

    def _block(self, stream: int, block: int, length: int) -> FloatArray:
        rng = self._generator(stream, block)
        if isinstance(self.model, IndependentDelays):
            return self.model.draw(rng, (length, self.workers))
        state = self._state(stream, block, length)
        delays, self._states[stream, block + 1] = self.model.advance(
            state, rng, length, self.workers
        )
        return delays

    def _state(self, stream: int, block: int, length: int) -> Any:
        """State before a block: remembered, or found by walking from the last remembered one."""
        known = block
        while known > 0 and (stream, known) not in self._states:
            known -= 1
        if known == 0 and (stream, 0) not in self._states:
            # Block index 2**32 - 1 is never reached by a run: it is the start's own stream.
            start = self._generator(stream, 2**32 - 1)
            self._states[stream, 0] = self.model.start(start, self.workers)
        for b in range(known, block):
            rng = self._generator(stream, b)
            _, after = self.model.advance(self._states[stream, b], rng, length, self.workers)
            self._states[stream, b + 1] = after
        return self._states[stream, block]

    def _generator(self, stream: int, block: int) -> np.random.Generator:
        key = (self.replication, stream, block)
        return np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=key))
        )
