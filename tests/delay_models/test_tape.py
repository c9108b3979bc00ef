"""A tape of a model with conditions: shared by all streams, passed from block to block."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import ArrayLike

from erasurehead.delay_models import MODELS, DelayModel, Tape
from erasurehead.delay_models.base import SHARED_STREAM, START_BLOCK, FloatArray
from tests.statistics import BOUND


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


def test_the_past_is_remembered_across_blocks() -> None:
    """Catches a state that is drawn anew, or lost, at a block's border."""
    climbed = np.diff(np.floor(tape().rows(0, 40)), axis=0)
    assert set(np.unique(climbed)) == {1, 2, 3}


@pytest.mark.parametrize("stream", [0, 2])
def test_reading_order_does_not_matter(stream: int) -> None:
    """Catches a walk to a later block that draws differently from reading it, or keeps a state."""
    whole = tape().rows(0, 40, stream)
    late_first = tape()
    late_first.rows(3, 20, stream=1)
    np.testing.assert_array_equal(late_first.rows(33, 40, stream), whole[33:])
    np.testing.assert_array_equal(late_first.rows(0, 9, stream), whole[:9])
    np.testing.assert_array_equal(late_first.rows(12, 30, stream), whole[12:30])


def test_streams_share_conditions_and_draw_their_own_tasks() -> None:
    """Catches a start or a step that is keyed by the stream, and tasks that are all the same."""
    one, two = tape().rows(0, 24, stream=0), tape().rows(0, 24, stream=3)
    np.testing.assert_array_equal(np.floor(one), np.floor(two))
    assert not np.any(one == two)


@pytest.mark.parametrize("other", [tape(replication=1), tape(seed=2)], ids=["replication", "seed"])
def test_other_replications_have_other_conditions_and_draws(other: Tape) -> None:
    """Catches a start or conditions whose key misses the replication or the seed."""
    mine, theirs = tape().rows(0, 9), other.rows(0, 9)
    assert not np.any(mine % 1 == theirs % 1)
    assert np.mean(np.floor(mine[0]) == np.floor(theirs[0])) < 0.05
    steps = [np.diff(np.floor(rows), axis=0) for rows in (mine, theirs)]
    assert np.mean(steps[0] == steps[1]) < 0.5


def test_conditions_and_tasks_are_different_draws() -> None:
    """Catches one key used for both: the step of a cell would tell its draw, in some stream."""
    for stream in range(3):
        rows = tape().rows(0, 40, stream)
        step, draw = np.diff(np.floor(rows), axis=0).ravel(), (rows % 1)[1:].ravel()
        assert abs(np.corrcoef(step, draw)[0, 1]) < BOUND / np.sqrt(step.size)


def keyed(seed: int, *key: int) -> np.random.Generator:
    """The generator that the documentation promises for (replication, stream, block)."""
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=key))


@pytest.mark.parametrize(("seed", "replication", "stream"), [(5, 2, 0), (5, 0, 2), (2, 5, 1)])
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


def test_start_and_conditions_are_drawn_from_the_documented_keys() -> None:
    model, state = Staircase(), Staircase().start(keyed(3, 2, SHARED_STREAM, START_BLOCK), WORKERS)
    rows = Tape(model, WORKERS, seed=3, replication=2).rows(0, 24, stream=1)
    for block in range(3):
        conditions, state = model.evolve(state, keyed(3, 2, SHARED_STREAM, block), 8, WORKERS)
        own = keyed(3, 2, 1, block)
        expected = model.delays(conditions, own, 8, WORKERS)
        np.testing.assert_array_equal(rows[8 * block : 8 * block + 8], expected)


def test_no_two_keys_share_a_stream() -> None:
    """Catches numbers that are added, swapped or left out on the way to the generator."""
    model = MODELS["exponential"](rate=2.0)
    firsts = [
        Tape(model, WORKERS, seed, replication).rows(8 * block, 8 * block + 1, stream)[0, 0]
        for seed, replication, stream, block in itertools.product(range(4), repeat=4)
    ]
    assert len(set(firsts)) == 4**4
