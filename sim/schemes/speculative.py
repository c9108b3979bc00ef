"""Backup tasks: workers that are done compute the tasks of others once more."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from heapq import heapify, heappop, heappush
from math import floor
from typing import ClassVar, Literal, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import STRICT, NotNegative, WaitFor, require_at_most_workers
from ..types import BoolArray, FloatArray
from .base import Guarantees, OfWorkers, RandomOrder, Round, SchemeFamily, Sees, State
from .stopping import FirstK

SPARK = {"before 4.0": (0.75, 1.5), "4.0": (0.9, 3.0)}
"""Spark's ``spark.speculation.quantile`` and ``.multiplier``, with the defaults of its versions."""


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
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
            for field in ("copy_after", "multiplier"):
                if getattr(self, field) is not None:
                    valid = "must be left out, since spark is given"
                    raise InvalidParameter(field, getattr(self, field), valid)
            quantile, multiplier = SPARK[self.spark]
            return Copies(workers, max(1, floor(quantile * workers)), multiplier)
        if self.copy_after is None:
            raise InvalidParameter("copy_after", None, f"give 1 to {workers}, or spark")
        require_at_most_workers("copy_after", self.copy_after, workers)
        return Copies(workers, self.copy_after, self.multiplier or 0.0)


@final
@plain_dataclass(frozen=True)
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
    def labour(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.settle(times)[1:]

    def settle(self, times: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """When each task is done, and each worker's busy and useful seconds, ``(..., n)`` each,
        from the ``(..., n tasks)`` seconds of each worker's task and of its copies in turn."""
        own = times.reshape(-1, self.n, times.shape[-1] // self.n)
        found = self._at_once(own) if self.simple else self._in_turn(own)
        shape = (*times.shape[:-1], self.n)
        done, busy, useful = (part.reshape(shape) for part in found)
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
                for each, since in sorted(attempts[task], key=lambda one: one[0] != worker):
                    busy[each] += now - since
                    if each == worker:
                        useful[each] += now - since
                        spent.append(now - since)
                    idle.append(each)
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
