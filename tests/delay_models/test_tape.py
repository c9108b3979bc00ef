"""A tape of a model with memory: the state passes from block to block, however it is read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from delay_models import DelayModel, Tape
from delay_models.base import FloatArray


@dataclass(frozen=True)
class RandomWalk(DelayModel):
    """Each worker's delay is the last one plus a draw: every row depends on all before it."""

    def start(self, rng: np.random.Generator, workers: int) -> FloatArray:
        return rng.random(workers)

    def advance(
        self, state: FloatArray, rng: np.random.Generator, rounds: int, workers: int
    ) -> tuple[FloatArray, FloatArray]:
        walk = state + np.cumsum(rng.random((rounds, workers)), axis=0)
        return walk, walk[-1]

    def cdf(self, seconds: ArrayLike) -> None:
        return None

    def ppf(self, probability: ArrayLike) -> None:
        return None

    def mean(self) -> None:
        return None

    @classmethod
    def examples(cls) -> tuple[DelayModel, ...]:
        return (cls(),)


WORKERS = 4000  # eight rounds in a block


def test_the_past_is_remembered_across_blocks() -> None:
    rows = Tape(RandomWalk(), WORKERS, 1, 0).rows(0, 40)
    steps = np.diff(rows, axis=0)
    assert steps.min() >= 0
    assert steps.max() <= 1


def test_reading_order_does_not_matter() -> None:
    whole = Tape(RandomWalk(), WORKERS, 1, 0).rows(0, 40)
    late_first = Tape(RandomWalk(), WORKERS, 1, 0)
    np.testing.assert_array_equal(late_first.rows(33, 40), whole[33:])
    np.testing.assert_array_equal(late_first.rows(0, 9), whole[:9])
    np.testing.assert_array_equal(late_first.rows(12, 30), whole[12:30])


def test_streams_have_their_own_start_and_steps() -> None:
    tape = Tape(RandomWalk(), WORKERS, 1, 0)
    assert not np.any(tape.rows(0, 8) == tape.rows(0, 8, stream=1))
