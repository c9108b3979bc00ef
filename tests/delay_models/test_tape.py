"""A tape of a model with conditions: shared by all streams, passed from block to block."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import ArrayLike

from erasurehead.delay_models.base import SHARED_STREAM, START_BLOCK, FloatArray
from erasurehead.delays import MODELS, DelayModel, Tape


@dataclass(frozen=True)
class Staircase(DelayModel):
    """Each worker climbs 1 to 3 steps a round; a delay is its step plus a draw below 1.

    So the whole part of a delay is a condition, which depends on all rounds before, and the rest
    is the task's own.
    """

    def start(self, shared: np.random.Generator, workers: int) -> FloatArray:
        return shared.integers(0, 100, workers).astype(float)

    def evolve(
        self, state: FloatArray, shared: np.random.Generator, rounds: int, workers: int
    ) -> tuple[FloatArray, FloatArray]:
        steps = state + np.cumsum(1 + np.floor(3 * shared.random((rounds, workers))), axis=0)
        return steps, steps[-1]

    def delays(
        self, conditions: FloatArray, own: np.random.Generator, rounds: int, workers: int
    ) -> FloatArray:
        return conditions + own.random((rounds, workers))

    def cdf(self, seconds: ArrayLike) -> None:
        return None

    def ppf(self, probability: ArrayLike) -> None:
        return None

    def mean(self) -> None:
        return None

    def longest(self) -> float:
        return 1e9

    @classmethod
    def examples(cls) -> tuple[DelayModel, ...]:
        return (cls(),)


WORKERS = 4000  # eight rounds in a block


def tape(replication: int = 0, seed: int = 1) -> Tape:
    return Tape(Staircase(), WORKERS, seed, replication)


@pytest.mark.parametrize("stream", [0, 2])
def test_reading_order_does_not_matter(stream: int) -> None:
    """Catches a walk to a later block that draws differently from reading it, or keeps a state."""
    whole = tape().rows(0, 40, stream)
    late_first = tape()
    late_first.rows(3, 20, stream=1)
    np.testing.assert_array_equal(late_first.rows(33, 40, stream), whole[33:])
    np.testing.assert_array_equal(late_first.rows(0, 9, stream), whole[:9])
    np.testing.assert_array_equal(late_first.rows(12, 30, stream), whole[12:30])


def keyed(seed: int, *key: int) -> np.random.Generator:
    """The generator that the documentation promises for (replication, stream, block)."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


KEYS = pytest.mark.parametrize(("seed", "replication", "stream"), [(5, 2, 0), (5, 0, 2), (2, 5, 1)])


@KEYS
def test_a_block_is_drawn_from_the_documented_key(seed: int, replication: int, stream: int) -> None:
    """Catches a key in another order: results could not be made again from the documentation."""
    model = MODELS["exponential"](rate=2.0)
    rows = Tape(model, WORKERS, seed, replication).rows(0, 32, stream)
    for block in range(4):
        own = keyed(seed, replication, stream, block)
        expected = model.delays(None, own, 8, WORKERS)
        np.testing.assert_array_equal(rows[8 * block : 8 * block + 8], expected)


@dataclass(frozen=True)
class Counted(Staircase):
    """Independent, and notes how many rows are drawn."""

    drawn: list[int] = field(default_factory=list)
    row_by_row: bool = True
    independent: bool = True

    def delays(
        self, conditions: None, own: np.random.Generator, rounds: int, workers: int
    ) -> FloatArray:
        self.drawn.append(rounds)
        return own.random((rounds, workers))


def test_a_short_run_draws_what_it_reads() -> None:
    """A block of 12 workers is 2,730 rounds: a million short replications would draw them all."""
    quick, slow = Counted(), Counted(row_by_row=False)
    short = Tape(quick, 12, 0, 0).rows(0, 3)
    assert sum(quick.drawn) <= 16
    np.testing.assert_array_equal(short, Tape(slow, 12, 0, 0).rows(0, 3))
    assert slow.drawn == [2730]
    quick.drawn.clear()
    np.testing.assert_array_equal(
        Tape(quick, 12, 0, 0).rows(2700, 2800), Tape(slow, 12, 0, 0).rows(2700, 2800)
    )
    assert quick.drawn[0] == 2730
    assert quick.drawn[1] <= 70 + 16


@KEYS
def test_start_and_conditions_are_drawn_from_the_documented_keys(
    seed: int, replication: int, stream: int
) -> None:
    """The same for all streams of a replication, and passed on from block to block."""
    model, shared = Staircase(), (replication, SHARED_STREAM)
    state = model.start(keyed(seed, *shared, START_BLOCK), WORKERS)
    rows = Tape(model, WORKERS, seed, replication).rows(0, 24, stream)
    for block in range(3):
        conditions, state = model.evolve(state, keyed(seed, *shared, block), 8, WORKERS)
        own = keyed(seed, replication, stream, block)
        expected = model.delays(conditions, own, 8, WORKERS)
        np.testing.assert_array_equal(rows[8 * block : 8 * block + 8], expected)


@pytest.mark.parametrize("seed", [0, 7, 2**32 - 1, 2**32, 2**70 + 5])
@pytest.mark.parametrize("replication", [3, 2**32])
def test_a_tape_draws_from_the_documented_stream(seed: int, replication: int) -> None:
    """That of seed, replication, stream and block, as other programs can draw it."""
    law = MODELS["exponential"](rate=2.0)
    seeds = np.random.SeedSequence(seed, spawn_key=(replication, 4, 0))
    expected = np.random.Generator(np.random.PCG64(seeds)).exponential(0.5, (16, 3))
    np.testing.assert_array_equal(Tape(law, 3, seed, replication).rows(0, 16, 4), expected)


@pytest.mark.parametrize("seed", [-1, 1.5, np.int64(-1), np.float64(2)])
def test_a_tape_refuses_what_is_no_seed(seed: int) -> None:
    with pytest.raises((ValueError, TypeError), match=r"non-negative|ints"):
        Tape(MODELS["exponential"](rate=2.0), 3, seed, 0).rows(0, 1)
