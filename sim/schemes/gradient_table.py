"""Asynchronous descent along everybody's latest gradient.

Sources: Blatt, Hero, Gauchman, A Convergent Incremental Gradient Method with a Constant Step Size
(SIAM J. Optim. 18, 2007), the incremental aggregated gradient; Gürbüzbalaban, Ozdaglar, Parrilo, On
the Convergence Rate of Incremental Aggregated Gradient Algorithms (arXiv 1506.02081), for any order
of arrivals; Schmidt, Le Roux, Bach, Minimizing Finite Sums with the Stochastic Average Gradient
(arXiv 1309.2388), which draws that order at random and averages over the gradients seen so far.
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..fields import STRICT
from ..steps import Renewal, Steps
from ..types import FloatArray, IntArray, Messages, Trace
from .barrierless import Barrierless
from .base import SchemeFamily


@final
@dataclass(frozen=True, config=STRICT)
class GradientTable(SchemeFamily):
    """Every arrival is an update, along the mean of everybody's latest gradient; nobody waits.

    Worker j's gradient is that of partition j, scaled to all data, so the slow workers' data count
    as much as the fast ones', though their gradients are staler. Before all have arrived, the mean
    is over those that have: our own choice among the published ones (zeros for the others, or no
    update before all have arrived).

    Updates come when those of ``asynchronous`` do. An update costs the learner one new gradient.
    A worker-round takes the batch engine three times as long as one of ``erasurehead``, since the
    messages of a run are sorted.

    Facts:
        load: 1 partition a gradient.
        stop: an update at every gradient.
        decoding: k times the mean of everybody's latest gradient.
        error: k (k / m - 1) with m workers heard so far, then 0, before staleness.
        time: E[X] / n between updates for any delay X (``eh.theory.mean_asynchronous``).
        confirmed: ``schemes/test_stale_gradients.py``: ``test_a_gradient_table_by_hand``,
            ``test_the_mean_of_everybodys_latest``, ``test_mean_time_of_an_update_along_the_table``.
        ours: before all have arrived, the mean is over those that have.
    """

    name: ClassVar[str] = "gradient_table"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (cls(),)

    @override
    def build(self, workers: int) -> LatestOfEach:
        return LatestOfEach(self.name, workers, 1, own_data=True)


@final
@plain_dataclass(frozen=True)
class LatestOfEach(Barrierless):
    """``asynchronous`` in time; each update moves along the mean of the latest gradients."""

    @override
    def steps(self, trace: Trace) -> TableSteps:
        """Each update renews its sender's entry."""
        assert isinstance(trace.heard, Messages)
        heard = trace.heard
        return TableSteps(trace.times, heard.message[:, :, 0], heard.version[:, :, 0], self.n)


@final
class TableSteps(Steps):
    """Updates that renew one entry each, and move along the mean of those that are not empty.

    Args:
        times: ``(R, U)``.
        worker: ``(R, U)`` whose gradient is renewed: that of the partition of this number.
        version: ``(R, U)`` updates of the model at which it was taken.
        partitions: k, the entries.
    """

    sparse: ClassVar[bool] = True

    def __init__(
        self, times: FloatArray, worker: IntArray, version: IntArray, partitions: int
    ) -> None:
        self.times = times
        self._worker, self._version, self._partitions = worker, version, partitions

    @override
    def step(self, u: int) -> Renewal:
        worker = self._worker[:, u, None]
        scale = self._partitions / self._filled[:, u]
        return Renewal(worker, worker, self._version[:, u, None], scale)

    @override
    def arrived(self, together: int = 1) -> IntArray:
        """Workers that renewed their entries."""
        r, u = self.times.shape
        ranked = np.sort(self._worker.reshape(r, u // together, together), axis=2)
        return np.asarray(1 + np.count_nonzero(ranked[:, :, 1:] != ranked[:, :, :-1], axis=2))

    @property
    @override
    def recovered(self) -> FloatArray:
        return self._filled / self._partitions

    @property
    @override
    def error(self) -> FloatArray:
        """k / m - 1 times k with m entries filled: m weights of k / m and k - m of 0."""
        k = self._partitions
        return np.asarray(k * (k / self._filled - 1.0))

    @property
    @override
    def staleness(self) -> FloatArray:
        """Of all gradients in the table, those of earlier arrivals among them."""
        updates = np.arange(self.times.shape[1])
        return np.asarray(updates - self._versions / self._filled)

    @property
    @override
    def depth(self) -> int:
        """Of the gradients as they arrive; the table remembers the others."""
        updates = np.arange(self.times.shape[1])
        return int((updates - self._version).max(initial=0))

    @property
    @override
    def table_size(self) -> int:
        return self._partitions

    @cached_property
    def _before(self) -> IntArray:
        """``(R, U)`` the version that each renewal replaces; -1 where the entry was empty."""
        order = np.argsort(self._worker, axis=1, kind="stable")
        worker = np.take_along_axis(self._worker, order, axis=1)
        version = np.take_along_axis(self._version, order, axis=1)
        ranked = np.full(version.shape, -1, dtype=np.int64)
        again = worker[:, 1:] == worker[:, :-1]
        ranked[:, 1:][again] = version[:, :-1][again]
        before = np.empty_like(ranked)
        np.put_along_axis(before, order, ranked, axis=1)
        return before

    @cached_property
    def _filled(self) -> IntArray:
        """``(R, U)`` entries that are not empty."""
        return np.cumsum(self._before < 0, axis=1)

    @cached_property
    def _versions(self) -> IntArray:
        """``(R, U)`` the versions of all entries that are not empty, added up."""
        return np.cumsum(self._version - np.maximum(self._before, 0), axis=1, dtype=np.int64)
