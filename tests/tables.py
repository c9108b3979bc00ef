"""Hand-made tapes: unit delays that a test knows cell by cell."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from erasurehead.sim.types import FloatArray


@dataclass(frozen=True)
class LatticeTape:
    """Delays on a lattice of multiples of ``step`` seconds from 0: full of ties and zeros.

    With a step of 1/4 sums are exact, so that ties survive them; with 0.1 they round.
    """

    seed: int
    workers: int
    levels: int = 4
    block_rounds: int = 7
    step: float = 0.25

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        def row(t: int) -> FloatArray:
            rng = np.random.default_rng([self.seed, t, stream])
            return rng.integers(0, self.levels, self.workers) * self.step

        return np.stack([row(t) for t in range(start, stop)])


@dataclass(frozen=True, eq=False)
class TableTape:
    """A given table, ``(rounds, workers)``; the same for every stream."""

    table: FloatArray
    block_rounds: int = 5

    @property
    def workers(self) -> int:
        return self.table.shape[1]

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        return self.table[start:stop]
