"""What a worker does with unfinished work when the next model is broadcast.

Both engines read the rules below; they are written nowhere else.
"""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from ..types import BoolArray, FloatArray


class Policy(StrEnum):
    """The straggler policies.

    With S_t the start of round t, E_t its end and x the worker's time in it:

    - ``cancel``: drop the work at once; S_{t+1} = E_t.
    - ``finish``: finish it, then take the newest model, skipping those in between.
    - ``queue``: finish it, then take the next model in order, skipping none.
    - ``drain``: the master starts the next round only when everyone is idle.
    """

    CANCEL = "cancel"
    FINISH = "finish"
    QUEUE = "queue"
    DRAIN = "drain"

    @property
    def interrupts(self) -> bool:
        """Whether a new model ends a worker's earlier work."""
        return self is Policy.CANCEL

    @property
    def in_order(self) -> bool:
        """Whether a worker takes every model, one after the other."""
        return self is Policy.QUEUE

    @property
    def drains(self) -> bool:
        """Whether the master waits for every worker before the next round."""
        return self is Policy.DRAIN

    @property
    def couples_rounds(self) -> bool:
        """Whether unfinished work is carried into later rounds."""
        return not (self.interrupts or self.drains)

    def next_round(self, last: int, newest: int) -> int:
        """The round that a free worker begins, after ``last``."""
        return last + 1 if self.in_order else newest

    def begins(self, received: FloatArray, free: FloatArray) -> FloatArray:
        """When workers begin a round, given when they receive the model and become free."""
        return received if self.interrupts else np.maximum(received, free)

    def skips(self, begun: FloatArray, told: FloatArray) -> BoolArray | None:
        """Who is still busy when the next model comes and so skips it; ``None``: nobody."""
        return begun > told if self is Policy.FINISH else None
