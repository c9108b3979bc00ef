"""Replication in time: each worker sends its latest gradients of several partitions.

The redundancy of a cyclic code at the work of none.
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..fields import STRICT, Load, WaitFor, require_at_most_workers
from ..steps import Held, Steps
from ..types import BoolArray, FloatArray, IntArray, Rounds, Trace
from .base import OfWorkers, Round, SchemeFamily, Sees, State
from .stopping import FirstK


@final
@dataclass(frozen=True, config=STRICT)
class Pipelined(SchemeFamily):
    """Each worker renews one of its partitions' gradients a round, and sends the sum of its latest.

    Worker j has partitions j, ..., j + load - 1 (cyclically) and takes them in turn. With m
    arrivals, a message of c gradients weighs n / (m c), so on average every partition weighs 1. c
    is ``load``, but smaller until a worker has been heard that often (our own choice). Where all n
    are waited for, gradients are 0 to load - 1 rounds old.

    A worker that is not heard in a round loses its gradient, as it does under ``cancel``. In its
    next round it takes the same partition again, so its latest gradients are those of the last
    rounds in which it was heard: with stragglers they are older. This too is our own choice, and it
    is kept under the other policies, where a late gradient could still be used later.

    Args:
        load: d, partitions of each worker, at most workers; it computes one a round.
        wait_for: r, arrivals that end a round.

    Facts:
        load: 1 partition a worker and round.
        stop: at the r-th arrival.
        decoding: sums of latest gradients, c in a message, each message times n / (m c).
        error: the mean weight is 1; its spread is measured, and so is the staleness (0 to d - 1
            rounds where all are waited for).
        time: E[T_(r)] of ``ignore_stragglers``: ``eh.theory.mean_first_k`` for exponential times.
        source: pipelined gradient coding, in our own wording.
        confirmed: ``schemes/test_stale_gradients.py``: ``test_three_rounds_by_hand``,
            ``test_a_partition_weighs_1_on_average``,
            ``test_where_all_are_heard_gradients_are_0_to_load_less_1_rounds_old``,
            ``test_its_time_is_that_of_ignore_stragglers``.
        ours: who is not heard takes the same partition again; the smaller c at the beginning of a
            run.
    """

    name: ClassVar[str] = "pipelined"

    load: Load
    wait_for: WaitFor

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(load=3, wait_for=8),
            cls(load=1, wait_for=12),
            cls(load=12, wait_for=1),
        )

    @override
    def build(self, workers: int) -> LatestSums:
        """Needs load and wait_for at most workers."""
        require_at_most_workers("load", self.load, workers)
        require_at_most_workers("wait_for", self.wait_for, workers)
        exact = self.load == 1 and self.wait_for == workers
        return LatestSums(workers, self.load, self.wait_for, exact)


@final
@plain_dataclass(frozen=True)
class LatestSums(OfWorkers):
    """One partition a worker and round, r arrivals, sums of the latest; see ``Pipelined``.

    Args:
        n: number of workers, and of partitions.
        load, wait_for: as in ``Pipelined``.
        exact: whether every update is the exact gradient of the newest model.
    """

    sees: ClassVar[Sees] = Sees.NOTHING

    load: int
    wait_for: int
    exact: bool | None = False

    name = "pipelined"

    @override
    def plan(self, state: State = None) -> Round:
        return Round(np.ones(self.n, dtype=np.int64), FirstK(self.wait_for))

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        """Of the first round, in which nobody has more than one gradient."""
        heard = np.count_nonzero(arrived, axis=-1, keepdims=True)
        return np.where(arrived, self.n / np.maximum(heard, 1), 0.0)

    @override
    def steps(self, trace: Trace) -> Steps:
        assert isinstance(trace.heard, Rounds)
        return PipelinedSteps(trace.times, trace.heard.arrived, self.load)


@final
class PipelinedSteps(Steps):
    """One update a round from the sums that were heard in it.

    Layer c holds every worker's gradient of its c-th partition: worker j's of partition j + c.

    Args:
        times: ``(R, U)``.
        arrived: ``(R, U, n)`` bool.
        load: d, layers.
    """

    def __init__(self, times: FloatArray, arrived: BoolArray, load: int) -> None:
        self.times = times
        self._arrived, self._load = arrived, load

    @override
    def step(self, u: int) -> Held:
        fresh, weights = self._layers(u)
        for c in range(self._load):  # from worker j to partition j + c
            fresh[:, c] = np.roll(fresh[:, c], c, axis=1)
            weights[:, c] = np.roll(weights[:, c], c, axis=1)
        return Held(fresh, weights)

    def _layers(self, u: int) -> tuple[BoolArray, FloatArray]:
        """``(R, d, n)`` which gradients of each worker are new in a round, and what each weighs."""
        arrived, layer = self._arrived[:, u, None, :], np.arange(self._load)[:, None]
        before = self._before[:, u, None, :]
        fresh = arrived & (before % self._load == layer)
        held = np.minimum(before + 1, self._load)  # of a worker that is heard
        message = self._arrived.shape[2] / (
            np.count_nonzero(arrived, axis=-1, keepdims=True) * held
        )
        return fresh, np.where(arrived & (layer < held), message, 0.0)

    @cached_property
    def _before(self) -> IntArray:
        """``(R, U, n)`` rounds in which each worker was heard before."""
        heard = np.cumsum(self._arrived, axis=1, dtype=np.int32)
        return np.asarray(heard - self._arrived)

    @override
    def arrived(self, together: int = 1) -> IntArray:
        r, u, n = self._arrived.shape
        by_update = self._arrived.reshape(r, u // together, together, n)
        return np.asarray(np.count_nonzero(by_update.any(axis=2), axis=2))

    @property
    @override
    def recovered(self) -> FloatArray:
        return self._measured[0]

    @property
    @override
    def error(self) -> FloatArray:
        return self._measured[1]

    @property
    @override
    def staleness(self) -> FloatArray:
        return self._measured[2]

    @cached_property
    def _measured(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """``(R, U)`` recovered, error and staleness."""
        r, u, n = self._arrived.shape
        recovered, error, staleness = (np.empty((r, u)) for _ in range(3))
        version = np.zeros((r, self._load, n), dtype=np.int32)
        for t in range(u):
            fresh, weights = self._layers(t)
            version[fresh] = t
            used = weights > 0
            lags = np.where(used, t - version, 0).sum(axis=(1, 2))
            staleness[:, t] = lags / np.count_nonzero(used, axis=(1, 2))
            whole = sum(np.roll(weights[:, c], c, axis=1) for c in range(self._load))
            recovered[:, t] = np.count_nonzero(whole, axis=1) / n
            error[:, t] = np.square(whole - 1.0).sum(axis=1)
        return recovered, error, staleness

    @property
    @override
    def held(self) -> int:
        return self._load

    @property
    @override
    def exact(self) -> bool:
        """With one layer of which everything is new, every weight is 1."""
        return self._load == 1 and bool(self._arrived.all())
