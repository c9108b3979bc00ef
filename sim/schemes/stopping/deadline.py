"""Stop when time is up."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sim.schemes.stopping.base import Opened, StoppingRule
from sim.schemes.stopping.tally import Tally
from sim.types import BoolArray, FloatArray


@final
@dataclass(frozen=True)
class Deadline(StoppingRule):
    """Stop ``seconds`` after the round started, whoever has arrived."""

    seconds: float

    def enough(self, arrived: BoolArray) -> BoolArray:
        """Arrivals alone never satisfy a deadline."""
        return np.zeros(arrived.shape[:-1], dtype=np.bool_)

    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """``seconds`` after the round started, always."""
        return np.full(delays.shape[:-1], np.asarray(opened) + self.seconds)

    def tally(self, messages: int) -> Tally:
        """Waits for the clock."""
        return _DeadlineTally(self.seconds)

    @property
    def deadlines(self) -> tuple[float, ...]:
        """``seconds``."""
        return (self.seconds,)


class _DeadlineTally(Tally):
    def __init__(self, seconds: float) -> None:
        self.deadline = seconds
        self.over = False

    def arrive(self, message: int) -> bool:
        return self.over

    def elapse(self, seconds: float) -> bool:
        self.over = self.over or seconds >= self.deadline
        return self.over
