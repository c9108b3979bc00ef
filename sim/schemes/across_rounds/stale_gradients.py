"""Old gradients that are used again: workers' latest sums, and tables of their gradients."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ...base.fields import Load, WaitFor, configured, require_at_most_workers
from ...base.types import BoolArray, FloatArray, IntArray, Messages, Stream, Trace
from ...training.steps import (
    WEIGHTS_AT_ONCE,
    DecodedRounds,
    Held,
    Measured,
    Renewal,
    Steps,
    count_distinct,
)
from ..barrierless import Barrierless, Stops
from ..base import Round, SchemeFamily, Sees, SingleFamily, State, SumOfWorkers
from ..parts.stopping import FirstK


@configured
class Pipelined(SchemeFamily):
    """Each worker renews one of its partitions' gradients a round, and sends the sum of its latest.

    Worker j has partitions j, ..., j + load - 1 (cyclically) and takes them in turn. With m
    arrivals, a message of c gradients weighs n / (m c), so on average every partition weighs 1. c
    is ``load``, but smaller until a worker has been heard that often.

    A worker that is not heard in a round loses its gradient, as it does under ``cancel``, and takes
    the same partition again in its next round, under every policy.

    Args:
        load: d, partitions of each worker, at most workers; it computes one a round.
        wait_for: r, arrivals that end a round.

    Source: pipelined gradient coding, in our own wording."""

    name: ClassVar[str] = "pipelined"
    load: Load
    wait_for: WaitFor

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(load=3, wait_for=8), cls(load=1, wait_for=12), cls(load=12, wait_for=1))

    @override
    def build(self, workers: int) -> LatestSums:
        require_at_most_workers("load", self.load, workers)
        require_at_most_workers("wait_for", self.wait_for, workers)
        exact = self.load == 1 and self.wait_for == workers
        return LatestSums(workers, self.load, self.wait_for, exact)


@final
@dataclass(frozen=True)
class LatestSums(SumOfWorkers):
    """One partition a worker and round, r arrivals, sums of the latest; see ``Pipelined``."""

    sees: ClassVar[Sees] = Sees.NOTHING
    load: int
    wait_for: int
    exact: bool | None = False
    name = "pipelined"

    @override
    def plan(self, state: State = None) -> Round:
        return Round(self.ones, FirstK(self.wait_for))

    @override
    def steps(self, trace: Trace) -> Steps:
        return PipelinedSteps(trace.times, trace.arrived, self.load)


@final
class PipelinedSteps(Steps):
    """One update a round from the sums that were heard in it: ``(R, U, n)`` bool. Layer c of d
    holds every worker's gradient of its c-th partition: worker j's of partition j + c."""

    def __init__(self, times: FloatArray, arrived: BoolArray, load: int) -> None:
        self.times, self.held, self._arrived = times, load, arrived

    @override
    def step(self, u: int) -> Held:
        fresh, weights = self._layers(u)
        for c in range(self.held):  # from worker j to partition j + c
            fresh[:, c] = np.roll(fresh[:, c], c, axis=1)
            weights[:, c] = np.roll(weights[:, c], c, axis=1)
        return Held(fresh, weights)

    def _layers(self, u: int | slice) -> tuple[BoolArray, FloatArray]:
        """``(R, d, n)`` which gradients of each worker are new in a round, and what each weighs;
        of several rounds ``(R, U, d, n)``."""
        arrived, layer = self._arrived[:, u, ..., None, :], np.arange(self.held)[:, None]
        before = self._before[:, u, ..., None, :]
        fresh = arrived & (before % self.held == layer)
        held = np.minimum(before + 1, self.held)  # of a worker that is heard
        heard = np.count_nonzero(arrived, axis=-1, keepdims=True)
        message = self._arrived.shape[2] / (heard * held)
        return fresh, np.where(arrived & (layer < held), message, 0.0)

    @cached_property
    def _before(self) -> IntArray:
        """``(R, U, n)`` rounds in which each worker was heard before."""
        return np.asarray(np.cumsum(self._arrived, axis=1, dtype=np.int32) - self._arrived)

    @override
    def arrived(self, together: int = 1) -> IntArray:
        r, u, n = self._arrived.shape
        by_update = self._arrived.reshape(r, u // together, together, n)
        return np.asarray(np.count_nonzero(by_update.any(axis=2), axis=2))

    @property
    @override
    def exact(self) -> bool:
        """With one layer of which everything is new, every weight is 1."""
        return self.held == 1 and bool(self._arrived.all())

    @override
    def measure(self) -> Measured:
        r, u, n = self._arrived.shape
        recovered, error, staleness = (np.empty((r, u)) for _ in range(3))
        version = np.zeros((r, 1, self.held, n), dtype=np.int32)
        heard = np.zeros((r, n))
        step = max(1, WEIGHTS_AT_ONCE // (r * self.held * n))
        for first in range(0, u, step):
            rounds = slice(first, first + step)
            fresh, weights = self._layers(rounds)
            now = np.arange(u, dtype=np.int32)[rounds, None, None]
            renewed = np.concatenate([version[:, -1:], np.where(fresh, now, 0)], axis=1)
            version = np.maximum.accumulate(renewed, axis=1)
            used = weights > 0
            lags = np.where(used, now - version[:, 1:], 0).sum(axis=(2, 3))
            staleness[:, rounds] = lags / np.count_nonzero(used, axis=(2, 3))
            whole = sum(np.roll(weights[:, :, c], c, axis=2) for c in range(self.held))
            heard += np.count_nonzero(whole, axis=1)
            recovered[:, rounds] = np.count_nonzero(whole, axis=2) / n
            error[:, rounds] = np.square(whole - 1.0).sum(axis=2)
        return Measured(recovered, error, heard / u, staleness)


@configured
class GradientTable(SingleFamily):
    """Every arrival is an update, along the mean of everybody's latest gradient; nobody waits.

    Worker j's gradient is that of partition j, scaled to all data. Before all have arrived, the
    mean is over those that have. Updates come when those of ``asynchronous`` do.

    Source: Blatt, Hero, Gauchman, A Convergent Incremental Gradient Method with a Constant Step
    Size (SIAM J. Optim. 18, 2007), the incremental aggregated gradient; Gürbüzbalaban, Ozdaglar,
    Parrilo, On the Convergence Rate of Incremental Aggregated Gradient Algorithms (arXiv
    1506.02081), for any order of arrivals; Schmidt, Le Roux, Bach, Minimizing Finite Sums with the
    Stochastic Average Gradient (arXiv 1309.2388), which draws that order at random and averages
    over the gradients seen so far."""

    name: ClassVar[str] = "gradient_table"

    @override
    def build(self, workers: int) -> Barrierless:
        return Barrierless(self.name, workers, 1, own_data=True, updates_of=latest_of_each)


def latest_of_each(trace: Trace, workers: int) -> TableSteps:
    """Each update moves along the mean of everybody's latest gradient."""
    assert isinstance(trace.heard, Messages)
    heard = trace.heard
    return TableSteps(trace.times, heard.message[:, :, 0], heard.version[:, :, 0], workers)


@final
class TableSteps(Steps):
    """Updates that renew one entry each of k, and move along the mean of those that are not empty:
    worker j's gradient is that of partition j, taken at a version."""

    sparse: ClassVar[bool] = True

    def __init__(self, times: FloatArray, worker: IntArray, version: IntArray, k: int) -> None:
        self.times, self.table_size = times, k
        self._worker, self._version = worker, version
        self._before = _replaced(worker, version)
        self._filled = np.cumsum(self._before < 0, axis=1)  # entries that are not empty
        # Of the gradients as they arrive; the table remembers the others.
        self.depth = int((np.arange(times.shape[1]) - version).max(initial=0))

    @override
    def step(self, u: int) -> Renewal:
        worker = self._worker[:, u, None]
        scale = self.table_size / self._filled[:, u]
        return Renewal(worker, worker, self._version[:, u, None], scale)

    @override
    def arrived(self, together: int = 1) -> IntArray:
        r, u = self.times.shape
        return count_distinct(self._worker.reshape(r, u // together, together))

    @override
    def measure(self) -> Measured:
        (r, u), k, filled = self.times.shape, self.table_size, self._filled
        error = k * (k / filled - 1.0)  # m weights of k / m for m entries filled, and k - m of 0
        shares = np.zeros((r, k))  # from its first arrival on a gradient is in the table
        row, first = np.nonzero(self._before < 0)
        shares[row, self._worker[row, first]] = (u - first) / u
        # Of all gradients in the table, those of earlier arrivals among them.
        versions = np.cumsum(self._version - np.maximum(self._before, 0), axis=1, dtype=np.int64)
        return Measured(filled / k, error, shares, np.arange(u) - versions / filled)


def _replaced(worker: IntArray, version: IntArray) -> IntArray:
    """``(R, U)`` the version that each renewal replaces; -1 where the entry was empty."""
    order = np.argsort(worker, axis=1, kind="stable")
    worker, version = (np.take_along_axis(values, order, axis=1) for values in (worker, version))
    ranked = np.full(version.shape, -1, dtype=np.int64)
    renewed = worker[:, 1:] == worker[:, :-1]
    ranked[:, 1:][renewed] = version[:, :-1][renewed]
    before = np.empty_like(ranked)
    np.put_along_axis(before, order, ranked, axis=1)
    return before


@configured
class Malenia(SingleFamily):
    """An update once everybody has a gradient at the current model; meanwhile nobody rests.

    The model moves along the mean of the workers' means, and the update stops everybody. Worker j's
    gradient is that of partition j. Here it is the gradient of the whole partition, without noise,
    so all of a worker's gradients at one model are equal, and so is their mean: the update is the
    exact gradient. We therefore drop all but a worker's first (they use rows of its tape and are
    not useful work). In law, updates come when those of ``uncoded`` do: with the slowest worker.

    Source: Tyurin, Richtárik, Optimal Time Complexities of Parallel Stochastic Optimization Methods
    Under a Fixed Computation Model (arXiv 2305.12387), Malenia SGD."""

    name: ClassVar[str] = "malenia"

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
class Ringleader(SingleFamily):
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

    @override
    def build(self, workers: int) -> Barrierless:
        return Barrierless(self.name, workers, 1, own_data=True, cycles=True, updates_of=CycleSteps)


@final
class CycleSteps(Steps):
    """n updates a cycle, each along the mean of the means of everybody's gradients of the cycle,
    from a table that is empty when the cycle begins; U is a multiple of n. Equal gradients (of one
    worker, at one model) are taken once, and gradients that were kept for a cycle are taken when it
    begins. Cost: two sorts of all messages."""

    sparse: ClassVar[bool] = True

    def __init__(self, trace: Trace, workers: int) -> None:
        assert isinstance(trace.heard, Stream)
        self.times, stream = trace.times, trace.heard
        n = self.table_size = workers
        self._makers = stream.message[stream.ends - 1]
        (r, u), messages = self.times.shape, np.arange(len(stream.message))
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
