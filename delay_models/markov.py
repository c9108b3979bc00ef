"""Stragglers that stay: each worker is slow or fast, and moves between the two from round to round.

Source: E. N. Gilbert, "Capacity of a burst-noise channel", Bell System Technical Journal 39
(1960); E. O. Elliott, ibid. 42 (1963): a two-state Markov chain with a law in each state.
"""

from __future__ import annotations

from typing import final

import numpy as np
from numpy.typing import NDArray
from pydantic.dataclasses import dataclass
from typing_extensions import override

from .base import STRICT, DelayModel, FloatArray, IndependentPart, Probability
from .mixture import Law, Mixed
from .parametric import Gamma, LogNormal, ShiftedExponential

BoolArray = NDArray[np.bool_]


@final
@dataclass(frozen=True, config=STRICT)
class Markov(Mixed):
    """Each worker is slow or fast; in each round it stays or changes (Gilbert-Elliott).

    Args:
        slow_to_slow: probability that a slow worker is slow in the next round too.
        fast_to_slow: probability that a fast worker is slow in the next round.
        fast: delays while fast, independent draws.
        slow: delays while slow.
        slow_share: probability that a worker is slow in round 0. By default the stationary one,
            so that no round is special. Required where workers never change, since there every
            share is stationary.

    With ``persistence`` 0 states are independent from round to round; with 1 the slow workers of
    round 0 stay slow. Workers are independent of each other.

    Raises:
        ValueError: ``slow_share`` is missing where workers never change.

    Cost: one uniform draw and about five array passes per cell, no loop over rounds; then one or
    two draws of a delay.
    """

    slow_to_slow: Probability
    fast_to_slow: Probability
    fast: IndependentPart
    slow: IndependentPart
    slow_share: Probability | None = None

    def __post_init__(self) -> None:
        if self._never_changes and self.slow_share is None:
            raise ValueError(
                "slow_share is missing; with slow_to_slow = 1 and fast_to_slow = 0 nobody ever "
                "changes, so it must say which share of workers is slow"
            )

    @property
    def _never_changes(self) -> bool:
        return self.slow_to_slow == 1 and self.fast_to_slow == 0

    @property
    def persistence(self) -> float:
        """Correlation of a worker's states in successive rounds: -1 to 1."""
        return self.slow_to_slow - self.fast_to_slow

    @property
    def initial_share(self) -> float:
        """Probability that a worker is slow in round 0."""
        if self.slow_share is not None:
            return self.slow_share
        return self.fast_to_slow / (1 - self.slow_to_slow + self.fast_to_slow)

    @property
    def stationary(self) -> bool:
        """Every round has the same law: the chain starts in its stationary share, or stays put."""
        share = self.initial_share
        after = share * self.slow_to_slow + (1 - share) * self.fast_to_slow
        return abs(after - share) <= 1e-12

    @override
    def start(self, shared: np.random.Generator, workers: int) -> BoolArray:
        """The state is who is slow in the next round, ``(workers,) bool``."""
        return shared.random(workers) < self.initial_share

    @override
    def evolve(
        self, state: BoolArray, shared: np.random.Generator, rounds: int, workers: int
    ) -> tuple[BoolArray, BoolArray]:
        """Who is slow in each round: ``(rounds, workers) bool``, and in the round after them.

        One uniform draw u decides a worker's next step: below both probabilities it becomes slow,
        above both it becomes fast, and in between it keeps its state (persistence > 0) or flips it
        (< 0). So a state is that of the last round with a decision, flipped once for each flip
        drawn since.
        """
        u = shared.random((rounds, workers))
        low = min(self.slow_to_slow, self.fast_to_slow)
        high = max(self.slow_to_slow, self.fast_to_slow)
        slow = np.concatenate([state[None], u < low])
        decided = slow[1:] | (u >= high)
        row = np.where(decided, np.arange(1, rounds + 1)[:, None], 0)
        np.maximum.accumulate(row, axis=0, out=row)
        if self.persistence < 0:
            flips = np.concatenate([np.zeros_like(state)[None], ~decided])
            parity = np.logical_xor.accumulate(flips, axis=0)
            slow ^= parity
            after = np.take_along_axis(slow, row, axis=0) ^ parity[1:]
        else:
            after = np.take_along_axis(slow, row, axis=0)
        return np.concatenate([state[None], after[:-1]]), after[-1]

    @override
    def delays(
        self, conditions: BoolArray, own: np.random.Generator, rounds: int, workers: int
    ) -> FloatArray:
        """A fast draw for every cell, then a slow one in place of it where a worker is slow."""
        table = self.fast.sample(own, rounds, workers)
        table[conditions] = self.slow.sample(own, 1, int(conditions.sum()))[0]
        return table

    @override
    def longest(self) -> float:
        return max(self.fast.longest(), self.slow.longest())

    @property
    @override
    def mixed(self) -> Law | None:
        """The stationary mixture of the two states; ``None`` if the chain does not start in it."""
        share = self.initial_share
        return ((share, 1 - share), (self.slow, self.fast)) if self.stationary else None

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        fast, slow = LogNormal(median=0.6, sigma=0.2), ShiftedExponential(shift=1.0, rate=2.0)
        slower = Gamma(shape=2.0, scale=1.0)
        return (
            Markov(slow_to_slow=0.9, fast_to_slow=0.05, fast=fast, slow=slow),
            Markov(slow_to_slow=1.0, fast_to_slow=0.0, fast=fast, slow=slow, slow_share=0.2),
            Markov(slow_to_slow=0.1, fast_to_slow=0.8, fast=fast, slow=slower),
        )
