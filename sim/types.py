"""The shapes that travel between the parts of the simulator.

Letters in shapes, everywhere: R replications, T iterations, n workers, k partitions,
N training rows, p features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.int64]


class Tape(Protocol):
    """The unit delays of one replication, drawn once and read by every scheme.

    ``delay_models.Tape`` is the one that runs use; tests hand in plain tables.
    """

    @property
    def workers(self) -> int:
        """Number of workers n."""

    @property
    def block_rounds(self) -> int:
        """How many rounds are cheapest to read together."""

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """Unit delays of rounds ``start <= t < stop``: ``(stop - start, n)`` seconds."""


@dataclass(frozen=True, eq=False)
class Trace:
    """When each round ended and who had arrived by then; what an engine returns.

    Everything but ``times`` is ``None`` where it was not asked for or does not apply.

    Attributes:
        times: ``(R, T)`` absolute seconds at which the master had enough in each round.
        arrived: ``(R, T, n)`` bool, whose message of this round had arrived by then; with m
            messages per worker ``(R, T, n m)``, worker by worker.
        busy: ``(R, n)`` seconds that each worker computed until the last round ended.
        useful: ``(R, n)`` the part of ``busy`` that went into messages which arrived in time.
        engine: the name of the engine that ran.
        last: ``(R, T)`` the worker whose message ended the round (of several at that instant the
            first), or -1 when a deadline did.
        margin: ``(R, T)`` seconds between that message and the one before it (or the opening of
            the round): what this worker alone cost.
        dead: ``(R, T)`` workers that were down when the round ended.
        down: ``(R, n)`` seconds that each worker was down.
    """

    times: FloatArray
    arrived: BoolArray | None
    busy: FloatArray | None
    useful: FloatArray | None
    engine: str
    last: IntArray | None = None
    margin: FloatArray | None = None
    dead: IntArray | None = None
    down: FloatArray | None = None

    @property
    def iteration_times(self) -> FloatArray:
        """``(R, T)`` seconds from the end of the previous round (time 0 before the first)."""
        return np.diff(self.times, axis=1, prepend=0.0)
