"""What the master's updates are made of: the one thing that the learner sees of a run.

An update's gradient is a weighted sum of partition gradients, each taken at the newest model or at
an older one; only ``Local`` is the outer step after steps on each partition alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self, TypeAlias, final

import numpy as np
from typing_extensions import override

from ..base.types import BoolArray, FloatArray, IntArray

# A partition weight this close to 1 counts as 1: the rest is a decoder's round-off.
WEIGHT_TOLERANCE = 1e-9
WEIGHTS_AT_ONCE = 2**17  # partition weights that are decoded together: 1 MiB, in the cache
WEIGHTS_KEPT = 2**26  # and kept for the learner: 512 MiB

# Of k partitions cut into g runs of k / g neighbours: which runs are used, ``(..., g)`` bool, and
# the weight of each of their partitions, which broadcasts to ``(...,)``; the others have none.
CommonlyWeighted: TypeAlias = tuple[BoolArray, FloatArray]


@dataclass(frozen=True, eq=False)
class Update:
    """One update of R replications; abstract. Its arrays have the axis R in front."""

    def columns(self, replications: slice) -> Self:
        """The same update of some of the replications."""
        fields = vars(self).items()
        arrays = {name: x[replications] for name, x in fields if isinstance(x, np.ndarray)}
        return replace(self, **arrays)


@final
@dataclass(frozen=True, eq=False)
class Dense(Update):
    """One update with a weight for every partition."""

    weights: FloatArray  # ``(R, k)`` partition weights
    # ``(R,)`` updates of the model at which the gradient was taken; ``None``: the newest model.
    version: IntArray | None = None


@final
@dataclass(frozen=True, eq=False)
class Sparse(Update):
    """One update from K gradients of single partitions."""

    partition: IntArray  # ``(R, K)`` whose gradient; -1 pads
    weight: FloatArray  # ``(R, K)`` its weight in the decoded gradient sum_i w_i g_i
    version: IntArray  # ``(R, K)`` updates of the model at which it was taken


@final
@dataclass(frozen=True, eq=False)
class Renewal(Update):
    """One update along the sum of a table of gradients, after some of its entries are renewed. The
    learner keeps the table; at first every entry is zero."""

    entry: IntArray  # ``(R, F)`` the entries that are renewed; -1 pads
    partition: IntArray  # ``(R, F)`` the partition of each new gradient
    version: IntArray  # ``(R, F)`` updates of the model at which it was taken
    scale: FloatArray  # ``(R,)`` the decoded gradient is this times the sum of all entries
    # ``(R, F)`` weight of the new gradient in its entry; the old content has the rest. ``None``: 1.
    share: FloatArray | None = None
    clear: bool = False  # whether all entries are set to zero first


@final
@dataclass(frozen=True, eq=False)
class Held(Update):
    """One update from d gradients of every partition that the learner holds, all zero at first."""

    fresh: BoolArray  # ``(R, d, k)`` bool, which are taken anew, at the newest model
    weights: FloatArray  # ``(R, d, k)`` the weight of each in the decoded gradient


# Period in steps and size of groups, each dividing the next. After a step of a round neighbours in
# a group of the longest period that divides the number of steps so far do something together.
Levels: TypeAlias = tuple[tuple[int, int], ...]


@final
@dataclass(frozen=True, eq=False)
class Local(Update):
    """One update from k trajectories, of local steps on one partition each.

    Every trajectory begins at the newest model x, with the state of its optimizer, and ends at z_i.
    With the mean difference D = sum_i w_i (z_i - x) / k, the model moves on to x + rate (D +
    momentum v), where v = momentum (v before) + D, and 0 at first. Further arrays of the
    optimizer's state take their own mean differences, and what the model moves beyond D.

    Cost: a gradient of every partition that has a weight, for each step and model: H passes over
    the data. Partitions are trained one after the other, so beside the model and its state the
    learner holds one trajectory, their mean difference and v: a few times R p numbers."""

    weights: FloatArray  # ``(R, k)`` partition weights of the differences
    steps: int  # H, iterations of the inner optimizer
    # Of the outer step; with 1 and 0 the model moves by the mean difference.
    rate: float = 1.0
    momentum: float = 0.0
    levels: Levels = ()  # whose groups of partitions average their trajectories within the round


Step: TypeAlias = Dense | Sparse | Renewal | Held | Local


def weights_of(step: Step, partitions: int) -> FloatArray | None:
    """``(R, k)`` partition weights of an update, of whatever models; ``None``: not said."""
    if isinstance(step, Dense | Local):
        return step.weights
    if not isinstance(step, Sparse):
        return None
    there = step.partition >= 0
    weights = np.zeros((len(there), partitions))
    rows = np.broadcast_to(np.arange(len(there))[:, None], there.shape)
    np.add.at(weights, (rows[there], step.partition[there]), step.weight[there])
    return weights


@dataclass(frozen=True, eq=False)
class Measured:
    """What can be said of all updates without a model."""

    recovered: FloatArray  # ``(R, U)`` share of partitions with non-zero weight
    error: FloatArray  # ``(R, U)`` decoding error ``||w - 1||^2``
    # ``(R, k)`` share of the updates that the gradient of each partition is part of (with a weight
    # that is not zero); ``None`` where that is not known.
    shares: FloatArray | None = None
    # ``(R, U)`` updates between reading a model and using its gradient, the mean over an update's
    # gradients; ``None`` where every gradient is that of the newest model.
    staleness: FloatArray | None = None


class Steps(ABC):
    """All updates of a run, for R replications; abstract."""

    # Whether steps are ``Sparse`` or ``Renewal``, which need past models, not margins.
    sparse: ClassVar[bool] = False
    times: FloatArray  # ``(R, U)`` absolute seconds at which each update was applied
    depth: int = 0  # how many updates back the oldest gradient reaches that is still to be taken
    table_size: int = 0  # gradients in the table that the learner keeps for ``Renewal``; 0: none
    held: int = 0  # gradients of every partition that it keeps: d of ``Held``; 0 without any
    local_steps: int = 1  # iterations of an update; the last may have fewer

    @abstractmethod
    def step(self, u: int) -> Step:
        """What update u is made of; u counts from 0."""

    @abstractmethod
    def arrived(self, together: int = 1) -> IntArray:
        """``(R, U / together)`` how many workers' messages each group of updates was made of."""

    def arrived_by(self, iterations: int) -> IntArray:
        """``(R, T)`` the same of iterations."""
        if self.local_steps > 1:
            return np.repeat(self.arrived(), self.local_steps, axis=1)[:, :iterations]
        return self.arrived(self.times.shape[1] // iterations)

    @abstractmethod
    def measure(self) -> Measured:
        """See ``Measured``; asked once."""

    @cached_property
    def _measured(self) -> Measured:
        return self.measure()

    @property
    def recovered(self) -> FloatArray:
        """``(R, U)`` share of the partitions; see ``Measured``."""
        return self._measured.recovered

    @property
    def error(self) -> FloatArray:
        """``(R, U)`` decoding errors; see ``Measured``."""
        return self._measured.error

    @property
    def shares(self) -> FloatArray | None:
        """``(R, k)`` shares of the updates; see ``Measured``."""
        return self._measured.shares

    @property
    def staleness(self) -> FloatArray | None:
        """``(R, U)`` updates; see ``Measured``."""
        return self._measured.staleness

    @property
    def exact(self) -> bool:
        """Whether every gradient is the exact one of the newest model."""
        return False

    @property
    def alike(self) -> bool:
        """Whether all replications train one and the same model: where every update is exact."""
        return self.exact

    def ends(self, iterations: int) -> IntArray:
        """``(T,)`` updates made when each iteration has ended: as many in each, unless an update is
        of another number of gradients than an iteration."""
        return np.asarray(np.arange(1, iterations + 1) * (self.times.shape[1] // iterations))

    def clock(self, iterations: int) -> FloatArray:
        """``(R, T)`` seconds at which each iteration ended; see ``iteration_ends``."""
        if self.local_steps > 1:
            return iteration_ends(self.times, iterations, self.local_steps)
        return np.asarray(self.times[:, self.ends(iterations) - 1])

    def at(self, values: FloatArray, iterations: int) -> FloatArray:
        """``(R, U)`` values of updates as those of iterations, ``(R, T)``: an iteration of several
        updates has their mean, one of several local steps that of its update."""
        if self.local_steps > 1:
            return np.repeat(values, self.local_steps, axis=1)[:, :iterations]
        ends = self.ends(iterations)
        counts = np.diff(ends, prepend=0)
        if (counts == counts[0]).all():
            return np.asarray(values.reshape(len(values), iterations, -1).mean(axis=2))
        sums = np.cumsum(np.pad(values, ((0, 0), (1, 0))), axis=1)
        means = (sums[:, ends] - sums[:, ends - counts]) / np.maximum(counts, 1)
        return np.where(counts > 0, means, values[:, ends - 1])

    def updates_by(self, iterations: int) -> IntArray:
        """``(T + 1,)`` updates made when none, one, ... and all of T iterations have ended."""
        if self.local_steps == 1 and iterations:
            return np.append(0, self.ends(iterations))
        made = np.arange(iterations + 1) // self.local_steps
        made[-1] = self.times.shape[1]
        return made


def ends_of(iterations: int, workers: int, gradients: int) -> IntArray:
    """``(T,)`` the first update, from 1, by which t n gradients were used, K in each."""
    return np.asarray(-(-np.arange(1, iterations + 1) * workers // gradients))


def iteration_ends(times: FloatArray, iterations: int, local_steps: int = 1) -> FloatArray:
    """When iterations ended: ``(R, U)`` seconds of updates -> ``(R, T)``. An iteration ends with
    its last update. Where an update is made of several local steps, those before its last one
    divide the round into equal parts: until its end the model is the old one, and its loss too."""
    updates = times.shape[1]
    if local_steps == 1:
        together = updates // iterations
        return times[:, together - 1 :: together]
    began = np.concatenate([np.zeros((len(times), 1)), times[:, :-1]], axis=1)[:, :, None]
    steps = np.full((updates, 1), local_steps)
    steps[-1] = iterations - (updates - 1) * local_steps
    share = np.minimum(np.arange(1, local_steps + 1) / steps, 1.0)
    ends = np.where(share < 1, began + share * (times[:, :, None] - began), times[:, :, None])
    return np.asarray(ends.reshape(len(times), -1)[:, :iterations])


@final
class DecodedRounds(Steps):
    """One update a round at ``(R, U)`` times, decoded from what had ``arrived``, ``(R, U, n m)``
    bool, as many rounds at a time as fit in 1 MiB. ``weights`` is the decoder, ``(..., n m)`` bool
    -> ``(..., k)``; ``lag``: rounds between reading a model and applying its gradient; ``checked``:
    how many of the R U rounds are decoded to measure ``recovered`` and ``error``, evenly spread:
    those of the others are NaN. ``None``: all. More weights than ``kept`` are decoded again.
    ``common``: what counts say without decoding; see ``Decoder.common_weight``."""

    def __init__(
        self,
        times: FloatArray,
        arrived: BoolArray,
        weights: Callable[[BoolArray], FloatArray],
        workers: int,
        partitions: int,
        lag: int = 0,
        checked: int | None = None,
        kept: int = WEIGHTS_KEPT,
        common: Callable[[BoolArray], CommonlyWeighted | None] = lambda arrived: None,
    ) -> None:
        self.times, self._kept = times, kept
        self.depth = min(lag, max(int(times.shape[1]) - 1, 0))
        self._checked = None if checked is None or checked >= times.size else checked
        self._arrived, self._decode, self._common = arrived, weights, common
        self._workers, self._partitions, self._lag = workers, partitions, lag

    @override
    def step(self, u: int) -> Dense:
        kept = self._decoded[1]
        weights = self._decode(self._arrived[:, u]) if kept is None else kept[:, u]
        version = None
        if self._lag:
            version = np.full(len(self.times), max(u - self._lag, 0), dtype=np.int64)
        return Dense(weights, version)

    @override
    def arrived(self, together: int = 1) -> IntArray:
        r, u, messages = self._arrived.shape
        by_worker = self._arrived.reshape(r, u // together, together, self._workers, -1)
        heard = np.empty((r, u // together), dtype=np.int64)
        step = max(1, WEIGHTS_AT_ONCE // (r * together * messages))
        for first in range(0, u // together, step):  # at once would take a copy of all arrivals
            some = slice(first, first + step)
            heard[:, some] = np.count_nonzero(by_worker[:, some].any(axis=(2, 4)), axis=2)
        return heard

    @override
    def measure(self) -> Measured:
        return self._decoded[0]

    @property
    @override
    def staleness(self) -> FloatArray | None:  # nothing is decoded for it
        if not self._lag:
            return None
        lags = np.minimum(np.arange(float(self.times.shape[1])), self._lag)
        return np.broadcast_to(lags, self.times.shape)

    @property
    @override
    def exact(self) -> bool:
        return not self._lag and self._decoded[2]

    @property
    def weights(self) -> FloatArray:
        """``(R, U, k)`` partition weights of every update."""
        kept = self._decoded[1]
        return self._decode(self._arrived) if kept is None else kept

    @cached_property
    def _decoded(self) -> tuple[Measured, FloatArray | None, bool]:
        """What was measured, the weights if there is room for them, and whether all are 1."""
        (r, u, nm), k = self._arrived.shape, self._partitions
        if self._checked is not None:
            return self._some(self._checked), None, False
        recovered, error, heard = np.empty((r, u)), np.empty((r, u)), np.zeros((r, k))
        keeps = r * u * k <= self._kept and self._common(self._arrived[:, :1]) is None
        kept = np.empty((r, u, k)) if keeps else None
        exact, rounds = True, max(1, WEIGHTS_AT_ONCE // (r * max(k, nm)))
        for start in range(0, u, rounds):
            taken = slice(start, start + rounds)
            arrived = self._arrived[:, taken]
            if (counted := _counted(self._common(arrived), k)) is not None:
                used, error[:, taken] = counted
                exact = exact and not error[:, taken].any()
            else:
                weights = self._decode(arrived)
                used, error[:, taken] = weights != 0, np.square(weights - 1.0).sum(axis=-1)
                exact = exact and bool(np.all(np.abs(weights - 1) <= WEIGHT_TOLERANCE))
                if kept is not None:
                    kept[:, taken] = weights
            recovered[:, taken] = np.count_nonzero(used, axis=-1) / used.shape[-1]
            heard += np.repeat(np.count_nonzero(used, axis=1), k // used.shape[-1], axis=-1)
        return Measured(recovered, error, heard / u, self.staleness), kept, exact

    def _some(self, checked: int) -> Measured:
        (r, u, nm), k = self._arrived.shape, self._partitions
        sampled = np.linspace(0, r * u - 1, checked).astype(np.int64)
        recovered, error = np.full(r * u, np.nan), np.full(r * u, np.nan)
        heard = np.zeros((r, k))
        rounds = max(1, WEIGHTS_AT_ONCE // max(k, nm))
        for start in range(0, checked, rounds):
            taken = sampled[start : start + rounds]
            weights = self._decode(self._arrived.reshape(-1, nm)[taken])
            used, recovered[taken], error[taken] = _measured_of(weights)
            np.add.at(heard, taken // u, used)
        with np.errstate(invalid="ignore"):
            shares = heard / np.bincount(sampled // u, minlength=r)[:, None]
        return Measured(recovered.reshape(r, u), error.reshape(r, u), shares, self.staleness)


def _counted(common: CommonlyWeighted | None, partitions: int) -> CommonlyWeighted | None:
    """Which runs of partitions are used, and the decoding errors, where sums of their squares have
    no rounding: then a count of them gives the same bits."""
    if common is None:
        return None
    used, weight = common
    square = np.square(weight - 1.0)
    if (square * 2.0**20 % 1).any() or square.max(initial=1.0) * partitions > 2.0**33:
        return None
    count = np.count_nonzero(used, axis=-1) * (partitions // used.shape[-1])
    return used, count * square + (partitions - count)


def _measured_of(weights: FloatArray) -> tuple[BoolArray, FloatArray, FloatArray]:
    used = weights != 0
    recovered = np.count_nonzero(used, axis=-1) / weights.shape[-1]
    return used, np.asarray(recovered), np.square(weights - 1.0).sum(axis=-1)


@final
@dataclass(frozen=True, eq=False)
class GivenWeights(Steps):
    """Updates whose partition weights are given; nothing is known of who sent what."""

    times: FloatArray
    weights: FloatArray  # ``(R, U, k)``

    @override
    def step(self, u: int) -> Dense:
        return Dense(self.weights[:, u])

    @override
    def arrived(self, together: int = 1) -> IntArray:
        r, u = self.times.shape
        return np.zeros((r, u // together), dtype=np.int64)

    @override
    def measure(self) -> Measured:
        used, recovered, error = _measured_of(self.weights)
        return Measured(recovered, error, used.mean(axis=1))

    @cached_property
    def exact(self) -> bool:
        """Whether all weights are 1."""
        return bool(np.all(np.abs(self.weights - 1) <= WEIGHT_TOLERANCE))


@final
@dataclass(frozen=True, eq=False)
class SingleGradients(Steps):
    """Updates from K gradients of single partitions, each with a version of its own."""

    sparse: ClassVar[bool] = True
    times: FloatArray  # ``(R, U)``
    worker: IntArray  # ``(R, U, K)`` who sent each gradient; -1 pads
    partition: IntArray  # ``(R, U, K)`` whose gradient it is; -1 pads
    weight: FloatArray  # ``(R, U, K)`` its weight in the decoded gradient; 0 pads
    version: IntArray  # ``(R, U, K)`` updates of the model at which it was taken
    partitions: int  # k

    @override
    def step(self, u: int) -> Sparse:
        return Sparse(self.partition[:, u], self.weight[:, u], self.version[:, u])

    @override
    def ends(self, iterations: int) -> IntArray:
        """An iteration of n gradients ends with the first update by which so many were used."""
        ends = ends_of(iterations, self.partitions, self.worker.shape[2])
        return ends if ends[-1] == self.times.shape[1] else super().ends(iterations)

    @override
    def arrived(self, together: int = 1) -> IntArray:
        r, u, _ = self.worker.shape
        return count_distinct(self.worker.reshape(r, u // together, -1))

    @override
    def arrived_by(self, iterations: int) -> IntArray:
        ends = self.ends(iterations)
        counts = np.diff(ends, prepend=0)
        if (counts == counts[0]).all():
            return self.arrived(int(counts[0]))
        own = np.arange(counts.max())
        updates = np.where(own < counts[:, None], ends[:, None] - counts[:, None] + own, -1)
        worker = np.pad(self.worker, ((0, 0), (0, 1), (0, 0)), constant_values=-1)
        return count_distinct(worker[:, updates].reshape(len(worker), iterations, -1))

    @override
    def measure(self) -> Measured:
        """Cost: three sorts of each update's K gradients. Memory: of some updates at a time."""
        (r, u, gradients), k = self.partition.shape, self.partitions
        # Of single gradients that all weigh the same, one says it of all; lags are whole numbers.
        told = 1 if gradients == 1 and not any(self.weight.strides[:2]) else u
        recovered, error = np.empty((2, r, told))
        staleness = np.empty((r, u), dtype=np.int32 if gradients == 1 else np.float64)
        heard = np.zeros(r * k, dtype=np.int64)
        together = max(1, WEIGHTS_AT_ONCE // (r * gradients))
        for first in range(0, u, together):
            some, own = slice(first, first + together), slice(first, min(first + together, told))
            used = np.where(self.weight[:, some] != 0, self.partition[:, some], -1)
            if first < told:
                recovered[:, own] = count_distinct(used[:, :told]) / k
                error[:, own] = self._error(own)
            used.sort(axis=-1)
            used[..., 1:][used[..., 1:] == used[..., :-1]] = -1  # a partition counts once an update
            cells = (used + np.arange(r)[:, None, None] * k)[used >= 0]
            heard += np.bincount(cells, minlength=r * k)
            senders = np.maximum(np.count_nonzero(self.worker[:, some] >= 0, axis=-1), 1)
            staleness[:, some] = self._lag(some).sum(axis=-1) / senders
        recovered, error = (np.broadcast_to(table, (r, u)) for table in (recovered, error))
        return Measured(recovered, error, heard.reshape(r, -1) / u, staleness)

    def _error(self, some: slice) -> FloatArray:
        """``sum_i (w_i - 1)^2`` of these updates, the weights of one partition added up."""
        of_updates, weights = self.partition[:, some], self.weight[:, some]
        order = np.argsort(of_updates, axis=-1, kind="stable")
        partition = np.take_along_axis(of_updates, order, axis=-1).reshape(-1)
        weight = np.take_along_axis(weights, order, axis=-1).reshape(-1)
        gradients = of_updates.shape[-1]
        first = np.ones(partition.size, dtype=np.bool_)
        first[1:] = partition[1:] != partition[:-1]
        first[::gradients] = True
        starts = np.flatnonzero(first)
        total = np.add.reduceat(weight, starts)
        error = np.where(partition[starts] >= 0, (total - 1.0) ** 2 - 1.0, 0.0)
        missing = np.bincount(starts // gradients, error, minlength=partition.size // gradients)
        return np.asarray(missing.reshape(of_updates.shape[:2]) + self.partitions)

    def _lag(self, some: slice) -> IntArray:
        """``(R, U, K)`` updates between reading and using each gradient of these updates."""
        worker = self.worker[:, some]
        updates = some.start + np.arange(worker.shape[1])[None, :, None]
        return np.where(worker >= 0, updates - self.version[:, some], 0)

    @cached_property
    def depth(self) -> int:  # type: ignore[override]
        """Of the oldest gradient; a pass over all, and each block of models asks for it."""
        r, u, gradients = self.worker.shape
        together = max(1, WEIGHTS_AT_ONCE // (r * gradients))
        parts = (slice(first, first + together) for first in range(0, u, together))
        return max((int(self._lag(some).max(initial=0)) for some in parts), default=0)


def count_distinct(values: IntArray) -> IntArray:
    """Distinct entries >= 0 of each row: ``(..., K) -> (...)``. Memory: of some rows at a time."""
    rows = values.reshape(-1, values.shape[-1])
    count, together = np.empty(len(rows), dtype=np.int64), max(1, WEIGHTS_AT_ONCE // rows.shape[1])
    for start in range(0, len(rows), together):
        ranked = np.sort(rows[start : start + together], axis=-1)
        fresh = np.ones(ranked.shape, dtype=np.bool_)
        fresh[:, 1:] = ranked[:, 1:] != ranked[:, :-1]
        count[start : start + together] = np.count_nonzero(fresh & (ranked >= 0), axis=-1)
    return count.reshape(values.shape[:-1])
