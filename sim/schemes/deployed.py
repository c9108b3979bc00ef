"""What clusters deploy: backup tasks for those that are late, and work dealt by speed."""

from __future__ import annotations

from dataclasses import dataclass
from heapq import heapify, heappop, heappush
from math import floor
from typing import ClassVar, Literal, final

import numpy as np
from typing_extensions import override

from ..base.errors import InvalidParameter
from ..base.fields import (
    Count,
    NotNegative,
    Seconds,
    WaitFor,
    configured,
    require_at_most,
    require_at_most_workers,
)
from ..base.types import BoolArray, FloatArray, IntArray
from .base import Guarantees, OfWorkers, RandomOrder, Round, RoundOutcome, SchemeFamily, Sees, State
from .parts.stop import refuse_beside
from .parts.stopping import FirstK

SPARK_DEFAULTS = {"before 4.0": (0.75, 1.5), "4.0": (0.9, 3.0)}
"""Spark's ``spark.speculation.quantile`` and ``.multiplier``, with the defaults of its versions."""


@configured
class Speculative(SchemeFamily):
    """Backup tasks: once q tasks are done, idle workers compute missing ones again; exact.

    Idle workers, in the order in which they became idle, take missing tasks, the lowest first, one
    copy of each. The first of the two attempts counts and the other is stopped; both workers can
    then copy other tasks. A copy takes a time of its own, that of its helper; on a replayed trace
    the helper's row. Busy and useful seconds are those of both workers; a timeline shows the tasks
    alone, each until it is done. Nothing is left running when a round ends, so the policy does not
    matter.

    Needs an ideal cluster: who copies what depends on everybody's clock.

    Args:
        copy_after: q, tasks that are done before any is copied.
        multiplier: copy only what has taken more than this many times the median of what is done.
        spark: both as in Spark, by its version: q = floor(0.75 n) and 1.5 before 4.0, floor(0.9 n)
            and 3 since.

    Source: Dean, Ghemawat, MapReduce (OSDI 2004), backup tasks; Wang, Joshi, Wornell (arXiv
    1404.1328); Apache Spark's ``TaskSetManager``, pull request 45858 for the defaults."""

    name: ClassVar[str] = "speculative"
    copy_after: WaitFor | None = None
    multiplier: NotNegative | None = None
    spark: Literal["before 4.0", "4.0"] | None = None

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """Copies at once and at the end, more missing than idle, and both rules of Spark."""
        plain = cls(copy_after=8), cls(copy_after=12), cls(copy_after=2)
        return *plain, cls(copy_after=3, multiplier=1.2), cls(spark="4.0"), cls(spark="before 4.0")

    def build(self, workers: int) -> Copies:
        """Any q up to the number of workers."""
        if self.spark is not None:
            refuse_beside("spark", copy_after=self.copy_after, multiplier=self.multiplier)
            quantile, multiplier = SPARK_DEFAULTS[self.spark]
            return Copies(workers, max(1, floor(quantile * workers)), multiplier)
        if self.copy_after is None:
            raise InvalidParameter("copy_after", None, f"give 1 to {workers}, or spark")
        require_at_most_workers("copy_after", self.copy_after, workers)
        return Copies(workers, self.copy_after, self.multiplier or 0.0)


@final
@dataclass(frozen=True)
class Copies(OfWorkers):
    """See ``Speculative``: q tasks are done before any is copied, and a copied one has taken more
    than ``multiplier`` times the median; 0: whatever it is."""

    sees: ClassVar[Sees] = Sees.NOTHING
    alone: ClassVar[bool] = True
    q: int
    multiplier: float
    name = "speculative"
    exact = True
    guarantees = Guarantees(copies=1, tolerates=0, unbiased=RandomOrder())

    @property
    def simple(self) -> bool:
        """Whether every missing task finds an idle worker at once, and at the same instant."""
        return not self.multiplier and 2 * self.q >= self.n

    @override
    def plan(self, state: State = None) -> Round:
        tasks = min(2 if self.simple else self.n - self.q + 1, self.n - self.q + 1)
        return Round(self.ones, FirstK(self.n), lambda times: self.settle(times)[0], tasks=tasks)

    @override
    def work_time(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.settle(times)[1:]

    def settle(self, times: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """When each task is done, and each worker's busy and useful seconds, ``(..., n)`` each,
        from the ``(..., n tasks)`` seconds of each worker's task and of its copies in turn."""
        own = times.reshape(-1, self.n, times.shape[-1] // self.n)
        settled = self._at_once(own) if self.simple else self._in_turn(own)
        shape = (*times.shape[:-1], self.n)
        done, busy, useful = (values.reshape(shape) for values in settled)
        return done, busy, useful

    def _at_once(self, own: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        first = own[..., 0]
        if self.q == self.n:
            return first, first, first
        start = np.partition(first, self.q - 1, axis=-1)[:, self.q - 1 : self.q]
        order = np.argsort(first, axis=-1, kind="stable")
        late = first > start
        rank = np.maximum(np.cumsum(late, axis=-1) - 1, 0) % self.n
        helper = np.take_along_axis(order, rank, axis=-1)
        copy = start + np.take_along_axis(own[..., 1], helper, axis=-1)
        done = np.where(late, np.minimum(first, copy), first)
        won = late & (copy < first)
        busy, useful = done.copy(), np.where(won, 0.0, done)
        rows, tasks = np.nonzero(late)
        helpers = helper[rows, tasks]  # each helps once
        with np.errstate(invalid="ignore"):  # a copy of a task that never ends may not end either
            spent = (done - start)[rows, tasks]
        busy[rows, helpers] += spent
        useful[rows, helpers] += np.where(won[rows, tasks], spent, 0.0)
        return done, busy, useful

    def _in_turn(self, own: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        done, busy, useful = (np.full(own.shape[:2], value) for value in (np.inf, 0.0, 0.0))
        for row, times in enumerate(own.tolist()):
            done[row], busy[row], useful[row] = self._one(times)
        return done, busy, useful

    def _one(self, times: list[list[float]]) -> tuple[list[float], list[float], list[float]]:
        """A round, event by event; of infinite times only the tasks that end are settled."""
        n = self.n
        done, busy, useful, copies = [np.inf] * n, [0.0] * n, [0.0] * n, [0] * n
        attempts: list[list[tuple[int, float]]] = [[(j, 0.0)] for j in range(n)]  # who, since when
        events = [(times[j][0], j, j) for j in range(n)]
        heapify(events)
        idle: list[int] = []
        spent: list[float] = []  # seconds of the attempts that counted
        uncopied = set(range(n))
        while events and events[0][0] < np.inf:
            now = events[0][0]
            while events and events[0][0] == now:
                _, worker, task = heappop(events)
                if task < 0 or done[task] < np.inf:
                    continue
                done[task] = now
                uncopied.discard(task)
                attempts[task].sort(key=lambda attempt: attempt[0] != worker)  # the winner's first
                for tried, since in attempts[task]:
                    busy[tried] += now - since
                    if tried == worker:
                        useful[tried] += now - since
                        spent.append(now - since)
                    idle.append(tried)
            if len(spent) < self.q or not uncopied:
                continue
            wanted = self.multiplier * float(np.median(spent)) if self.multiplier else 0.0
            if now < wanted:
                heappush(events, (wanted, -1, -1))
                continue
            for task in sorted(uncopied)[: len(idle)]:
                helper = idle.pop(0)
                copies[helper] += 1
                uncopied.discard(task)
                attempts[task].append((helper, now))
                heappush(events, (now + times[helper][copies[helper]], helper, task))
        return done, busy, useful

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        return np.asarray(arrived, dtype=np.float64)


@configured
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
@dataclass(frozen=True, eq=False)
class Known:
    """What is known of the workers, ``(R, n)`` each; never changed in place."""

    # Seconds and micro-batches of all rounds so far.
    seconds: FloatArray
    done: IntArray
    dealt: IntArray  # micro-batches of the next round


@final
@dataclass(frozen=True)
class Dealt(OfWorkers):
    """See ``Balanced``: M micro-batches, and ``(n,)`` seconds for one; ``None``: learned."""

    micro_batches: int
    seconds: tuple[float, ...] | None
    name = "balanced"
    exact = True
    guarantees = Guarantees(copies=1, tolerates=0, unbiased=RandomOrder())

    @override
    def start(self, replications: int) -> Known:
        speeds = np.ones(self.n) if self.seconds is None else np.array(self.seconds)
        dealt = np.tile(deal(speeds[None], self.micro_batches), (replications, 1))
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
        estimates = np.where(done > 0, seconds / np.maximum(done, 1), usual)
        return Known(seconds, done, deal(estimates, self.micro_batches))

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
        # whoever takes no time takes all
        pieces = np.where(seconds[rows, best] == 0, left, np.minimum(left, 1))
        dealt[rows, best] += pieces
        left -= pieces
    return dealt
