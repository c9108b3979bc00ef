"""Work dealt by speed: micro-batches go to whoever is done with them soonest."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import ClassVar, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import STRICT, Count, Seconds, require_at_most
from ..types import BoolArray, FloatArray, IntArray
from .base import Guarantees, OfWorkers, RandomOrder, Round, RoundOutcome, SchemeFamily, State
from .stopping import FirstK


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Balanced(SchemeFamily):
    """Deal M micro-batches so that the slowest worker is done soonest, and wait for all; exact.

    A worker's m micro-batches are m n / M partitions. Its seconds for one are given, or learned:
    all its seconds so far over all its micro-batches so far, equal in the first round. A worker
    that gets none keeps its last estimate.

    Args:
        micro_batches: M, in all of a round.
        seconds: each worker's for one micro-batch, n of them; only ratios count. Learned unless
            given.

    Source: dealing by measured speeds, as in arXiv 2305.12213; largest remaining time by a heap is
    scheduling's textbook greedy, optimal here."""

    name: ClassVar[str] = "balanced"
    micro_batches: Count
    seconds: tuple[Seconds, ...] | None = None

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """Several for each, one for each, fewer than workers, and speeds that are given."""
        learned = cls(micro_batches=48), cls(micro_batches=12), cls(micro_batches=5)
        return *learned, cls(micro_batches=60, seconds=(1.0,) * 6 + (2.0,) * 6)

    def build(self, workers: int) -> Dealt:
        """Any number of micro-batches; speeds of all workers or of none."""
        require_at_most("micro_batches", self.micro_batches, 10**9)
        if self.seconds is not None and len(self.seconds) != workers:
            valid = f"must be {workers} numbers, one for each worker"
            raise InvalidParameter("seconds", list(self.seconds), valid)
        return Dealt(workers, self.micro_batches, self.seconds)


@final
@plain_dataclass(frozen=True, eq=False)
class Known:
    """What is known of the workers, ``(R, n)`` each; never changed in place."""

    # Seconds and micro-batches of all rounds so far.
    seconds: FloatArray
    done: IntArray
    dealt: IntArray  # micro-batches of the next round


@final
@plain_dataclass(frozen=True)
class Dealt(OfWorkers):
    """See ``Balanced``: M micro-batches, and ``(n,)`` seconds for one; ``None``: learned."""

    micro_batches: int
    seconds: tuple[float, ...] | None
    name = "balanced"
    exact = True
    guarantees = Guarantees(copies=1, tolerates=0, unbiased=RandomOrder())

    @override
    def start(self, replications: int) -> Known:
        each = np.ones(self.n) if self.seconds is None else np.array(self.seconds)
        dealt = np.tile(deal(each[None], self.micro_batches), (replications, 1))
        return Known(np.zeros(dealt.shape), np.zeros_like(dealt), dealt)

    @override
    def plan(self, state: State) -> Round:
        loads = state.dealt * self.n / self.micro_batches  # the product first: a whole one stays
        return Round(loads, FirstK(self.n))

    @override
    def after(self, state: State, outcome: RoundOutcome) -> Known:
        if self.seconds is not None:
            return state  # type: ignore[no-any-return]
        assert outcome.arrival is not None
        seconds = state.seconds + np.where(state.dealt > 0, outcome.arrival, 0.0)
        done = state.done + state.dealt
        # Nobody knows who has had nothing yet: as fast as the mean of the others.
        usual = seconds.sum(axis=1, keepdims=True) / done.sum(axis=1, keepdims=True)
        each = np.where(done > 0, seconds / np.maximum(done, 1), usual)
        return Known(seconds, done, deal(each, self.micro_batches))

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        return np.ones(arrived.shape)


def deal(seconds: FloatArray, total: int) -> IntArray:
    """Deal ``total`` equal pieces so that the longest m_j t_j is least: ``(R, n)`` whole numbers.
    One piece more goes to whoever would be done with it first, (m_j + 1) t_j, ties to the lower
    index; the total smallest multiples of the ``(R, n)`` seconds t_j >= 0 are dealt, which is
    optimal. Cost: n passes over ``(R, n)``: of the others it is known that they are dealt."""
    with np.errstate(divide="ignore", invalid="ignore"):
        level = total / (1.0 / seconds).sum(axis=1, keepdims=True) * (1 - 1e-12)
        sure = np.where(seconds > 0, np.floor(level / seconds), 0.0)
    dealt = np.nan_to_num(sure, nan=0.0, posinf=0.0).astype(np.int64)
    rows = np.arange(len(seconds))
    left = total - dealt.sum(axis=1)
    while (left > 0).any():
        best = ((dealt + 1) * seconds).argmin(axis=1)
        some = left > 0
        if (seconds[rows, best] == 0).any():  # whoever takes no time takes all
            free = some & (seconds[rows, best] == 0)
            dealt[rows[free], best[free]] += left[free]
            left[free] = 0
            some &= ~free
        dealt[rows[some], best[some]] += 1
        left[some] -= 1
    return dealt
