"""Old gradients that are used again: each worker's latest ones, with rounds or without."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ..fields import Load, WaitFor, configured, require_at_most_workers
from ..steps import WEIGHTS_AT_ONCE, Held, Measured, Renewal, Steps, count_distinct
from ..types import BoolArray, FloatArray, IntArray, Messages, Trace
from .barrierless import Barrierless
from .base import Round, SchemeFamily, Sees, State, SumOfWorkers
from .stopping import FirstK


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
class GradientTable(SchemeFamily):
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

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(),)

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
