"""Asynchronous descent on data that differ between workers: Malenia and Ringleader."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ..fields import configured
from ..steps import DecodedRounds, Measured, Renewal, Steps, count_distinct
from ..types import FloatArray, IntArray, Stream, Trace
from .barrierless import Barrierless, Stops
from .base import SchemeFamily


@configured
class Malenia(SchemeFamily):
    """An update once everybody has a gradient at the current model; meanwhile nobody rests.

    The model moves along the mean of the workers' means, and the update stops everybody. Worker j's
    gradient is that of partition j. Here it is the gradient of the whole partition, without noise,
    so all of a worker's gradients at one model are equal, and so is their mean: the update is the
    exact gradient. We therefore drop all but a worker's first (they use rows of its tape and are
    not useful work). In law, updates come when those of ``uncoded`` do: with the slowest worker.

    Source: Tyurin, Richtárik, Optimal Time Complexities of Parallel Stochastic Optimization Methods
    Under a Fixed Computation Model (arXiv 2305.12387), Malenia SGD."""

    name: ClassVar[str] = "malenia"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(),)

    @override
    def build(self, workers: int) -> Barrierless:
        scheme = Barrierless(
            self.name, workers, workers, oldest=1, stops=Stops.EVERYBODY, exact=True
        )
        return replace(scheme, own_data=True, distinct=True, updates_of=one_of_each)


def one_of_each(trace: Trace, workers: int) -> Steps:
    """A gradient of each worker at the newest model: every partition weighs 1 in every update."""
    everybody = np.broadcast_to(True, (*trace.times.shape, workers))
    return DecodedRounds(trace.times, everybody, lambda who: who.astype(float), workers, workers)


@configured
class Ringleader(SchemeFamily):
    """Cycles of n updates, one of each worker, along the mean of the workers' means; nobody waits.

    A cycle first collects, without an update, until everybody has a gradient in its table. The last
    one's message makes the first update; then everybody else's next message adds to the table and
    makes one, in order of arrival. What a worker sends after its own update is kept for the next
    cycle's table, so no gradient is lost and none is used more than 2n - 2 updates late.

    Worker j's gradient is that of partition j, scaled to all data. In a worker's mean all its
    gradients of the cycle count alike, whatever models they were taken at.

    Source: Maranjyan, Richtárik, Ringleader ASGD: The First Asynchronous SGD with Optimal Time
    Complexity under Data Heterogeneity (arXiv 2509.22860)."""

    name: ClassVar[str] = "ringleader"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(),)

    @override
    def build(self, workers: int) -> Barrierless:
        return Barrierless(
            self.name, workers, 1, own_data=True, cycles=True, updates_of=means_of_the_cycle
        )


def means_of_the_cycle(trace: Trace, workers: int) -> Steps:
    """Each update moves along the mean of the means of everybody's gradients of the cycle."""
    assert isinstance(trace.heard, Stream)
    return CycleSteps(trace.times, trace.heard, workers)


@final
class CycleSteps(Steps):
    """n updates a cycle, from a table that is empty when the cycle begins; U is a multiple of n.
    Equal gradients (of one worker, at one model) are taken once, and gradients that were kept for a
    cycle are taken when it begins. Cost: two sorts of all messages."""

    sparse: ClassVar[bool] = True

    def __init__(self, times: FloatArray, stream: Stream, workers: int) -> None:
        self.times = times
        n = self.table_size = workers
        self._makers = stream.message[stream.ends - 1]
        (r, u), messages = times.shape, np.arange(len(stream.message))
        made = np.searchsorted(stream.ends.ravel(), messages, side="right")
        replication, update = np.divmod(made, u)
        last = messages == stream.ends.ravel()[made] - 1
        # Kept for the next cycle: heard after its worker's update, so neither first in a cycle nor
        # the last message of an update.
        kept = ~last & (update % n > 0)
        used = np.where(kept, (update // n + kept) * n, update)
        within = used < u  # the run ends before what is kept then is used
        key = ((replication * u + used) * n + stream.message)[within] * (u + 1)
        rows, counts = np.unique(key + stream.version[within], return_counts=True)
        rows, self._version = np.divmod(rows, u + 1)
        updates, self._worker = np.divmod(rows, n)
        self._bounds = np.searchsorted(updates, np.arange(r * u + 1))
        self._share, means = self._averages(updates // n * n + self._worker, counts)
        whole = np.bincount(updates, means, minlength=r * u).reshape(r, -1, n)
        mean = np.cumsum(whole, axis=2).reshape(r, u) / n
        self._staleness: FloatArray = np.arange(u) - mean
        self.depth = int((updates % u - self._version).max(initial=0))

    def _averages(self, group: IntArray, counts: IntArray) -> tuple[FloatArray, FloatArray]:
        """Each gradient's share in its worker's mean when it comes, and how the mean version moves.
        A group is a worker in a cycle; ``counts`` says how often each gradient counts."""
        order = np.argsort(group, kind="stable")
        group, counts = group[order], counts[order]
        first = np.flatnonzero(np.diff(group, prepend=-1))
        lengths = np.diff(first, append=len(group))

        def running(values: IntArray) -> FloatArray:
            total = np.cumsum(values)
            return np.asarray(total - np.repeat(total[first] - values[first], lengths), np.float64)

        so_far = running(counts)
        mean = running(counts * self._version[order].astype(np.int64)) / so_far
        moved = np.diff(mean, prepend=0.0)
        moved[first] = mean[first]
        share, means = np.empty(len(order)), np.empty(len(order))
        share[order], means[order] = counts / so_far, moved
        return share, means

    @override
    def step(self, u: int) -> Renewal:
        r, updates = self.times.shape
        begin = self._bounds[np.arange(r) * updates + u]
        length = self._bounds[np.arange(r) * updates + u + 1] - begin
        column = np.arange(length.max())
        there = column < length[:, None]
        rows = np.where(there, begin[:, None] + column, 0)
        worker = np.where(there, self._worker[rows], -1)
        version, share = self._version[rows], self._share[rows]
        return Renewal(worker, worker, version, np.ones(r), share, clear=u % self.table_size == 0)

    @override
    def arrived(self, together: int = 1) -> IntArray:
        r, u = self.times.shape
        return count_distinct(self._makers.reshape(r, u // together, together))

    @override
    def measure(self) -> Measured:
        """Everybody is in the table before the first update of a cycle."""
        (r, u), n = self.times.shape, self.table_size
        return Measured(np.ones((r, u)), np.zeros((r, u)), np.ones((r, n)), self._staleness)
