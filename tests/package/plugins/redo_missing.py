"""A code with a memory: a neighbour computes what was missing once more in the next round."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import ClassVar

import numpy as np
from pydantic.dataclasses import dataclass

from erasurehead.plugins import (
    STRICT,
    BoolArray,
    DecodedRounds,
    FirstK,
    FloatArray,
    Round,
    RoundOutcome,
    RoundScheme,
    SchemeFamily,
    Steps,
    Trace,
    WaitFor,
)


@plain_dataclass(frozen=True)
class Redo(RoundScheme):
    """The state is ``(R, n)``: whose partition was missing in the last round."""

    name: str
    n: int
    wait_for: int

    @property
    def workers(self) -> int:
        return self.n

    def updates(self, iterations: int) -> int:
        return iterations + 1  # the last round's missing partitions come one round later

    def start(self, replications: int) -> BoolArray:
        return np.zeros((replications, self.n), dtype=bool)

    def plan(self, state: BoolArray) -> Round:
        return Round(1 + np.roll(state, 1, axis=1), FirstK(self.wait_for))

    def after(self, state: BoolArray, outcome: RoundOutcome) -> BoolArray:
        return ~outcome.arrived

    def weights(self, arrived: BoolArray) -> FloatArray:
        return arrived.astype(float)

    def steps(self, trace: Trace) -> Steps:
        arrived = trace.heard.arrived
        redone = ~arrived[:, :-1] & np.roll(arrived[:, 1:], -1, axis=2)
        heard = arrived[:, :-1] | redone
        return DecodedRounds(trace.times[:, 1:], heard, self.weights, self.n, self.n, lag=1)


@dataclass(frozen=True, config=STRICT)
class RedoMissing(SchemeFamily):
    """Uncoded; worker j + 1 also computes what worker j did not deliver in the round before."""

    name: ClassVar[str] = "redo_missing"

    wait_for: WaitFor

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(wait_for=9),)

    def build(self, workers: int) -> Redo:
        return Redo(self.name, workers, self.wait_for)
