"""A scheme that looks at losses: wait for more workers once the loss stalls."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from erasurehead.plugins import (
    STRICT,
    BoolArray,
    FirstKEach,
    FloatArray,
    IntArray,
    Round,
    RoundOutcome,
    RoundScheme,
    SchemeFamily,
    Sees,
    SumArrived,
    WaitFor,
)

State = tuple[IntArray, FloatArray]


@plain_dataclass(frozen=True)
class Growing(RoundScheme):
    """The state: how many to wait for, and the last loss, each ``(R,)``."""

    sees: ClassVar[Sees] = Sees.LOSSES

    name: str
    n: int
    first: int

    @property
    def workers(self) -> int:
        return self.n

    def start(self, replications: int) -> State:
        return np.full(replications, self.first), np.full(replications, np.inf)

    def plan(self, state: State) -> Round:
        return Round(np.ones(self.n, dtype=int), FirstKEach(state[0]))

    def after(self, state: State, outcome: RoundOutcome) -> State:
        stalled = outcome.losses > 0.9 * state[1]
        return np.where(stalled, np.minimum(state[0] + 1, self.n), state[0]), outcome.losses

    def weights(self, arrived: BoolArray) -> FloatArray:
        return SumArrived(rescale=True).partition_weights(arrived)


@dataclass(frozen=True, config=STRICT)
class WaitLonger(SchemeFamily):
    """One worker more whenever the loss has not come down by a tenth."""

    name: ClassVar[str] = "wait_longer"

    wait_for: WaitFor

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(wait_for=2),)

    def build(self, workers: int) -> Growing:
        return Growing(self.name, workers, self.wait_for)
