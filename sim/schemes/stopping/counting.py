"""Stop at a number of arrivals, whoever they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sim.arrays import row_max
from sim.schemes.stopping.base import Opened, StoppingRule
from sim.schemes.stopping.tally import Tally
from sim.types import BoolArray, FloatArray


@final
@dataclass(frozen=True)
class FirstK(StoppingRule):
    """Stop at k arrivals."""

    k: int

    def enough(self, arrived: BoolArray) -> BoolArray:
        """At least k arrived."""
        return np.asarray(np.count_nonzero(arrived, axis=-1) >= self.k)

    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The k-th smallest delay. Cost: one partition, or one pass for k = 1 and k = n."""
        n = delays.shape[-1]
        if self.k == n:
            return row_max(delays)
        if self.k == 1:
            return np.asarray(delays.min(axis=-1))
        return np.asarray(np.partition(delays, self.k - 1, axis=-1)[..., self.k - 1])

    def tally(self, messages: int) -> Tally:
        """Counts down."""
        return _FirstKTally(self.k)


class _FirstKTally(Tally):
    def __init__(self, k: int) -> None:
        self.missing = k

    def arrive(self, message: int) -> bool:
        self.missing -= 1
        return self.missing <= 0

    def elapse(self, seconds: float) -> bool:
        return self.missing <= 0
