"""Partial work by a time limit: workers stop by themselves, and nobody waits for who is slow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

import numpy as np
from typing_extensions import override

from ..base.errors import InvalidParameter
from ..base.fields import Count, Seconds, configured, require_size
from ..base.numerics import generator
from ..base.types import BoolArray, FloatArray, Trace
from ..training.steps import DecodedRounds
from .base import (
    Guarantees,
    KnownDelays,
    KnownDelaysFamily,
    OfWorkers,
    RandomOrder,
    Round,
    SchemeFamily,
    Sees,
    State,
)
from .partial_work import PerPlace
from .parts.stopping import FirstK

Cut = Literal["after", "at"]


@dataclass(frozen=True)
class SelfStopping(OfWorkers):
    """Workers that do at most so many pieces of work as far as time allows, and stop by themselves
    after so many seconds; abstract. A worker's messages are the pieces that it does, which only
    count, and a last one with their sum."""

    sees: ClassVar[Sees] = Sees.NOTHING
    pieces: int
    patience: float

    @property
    @override
    def messages(self) -> int:
        return self.pieces + 1

    @property
    @override
    def message_sizes(self) -> tuple[float, ...]:
        return (0.0,) * self.pieces + (1.0,)

    @property
    def stopping(self) -> PerPlace:
        """Every worker's last message, after which it is done, whatever it has left out before."""
        return PerPlace((None,) * self.pieces + (FirstK(self.n),))

    def done(self, messages: BoolArray) -> BoolArray:
        """Which pieces of each worker arrived: ``(..., n m)`` -> ``(..., n, pieces)``."""
        return messages.reshape(*messages.shape[:-1], self.n, self.messages)[..., :-1]


@configured
class DropCompute(SchemeFamily):
    """Every worker cuts its partition into micro-batches and stops by itself after some time.

    The round ends when everybody has stopped and said so: no worker is ignored, only work is. What
    is done is added up and divided by the share that is done. A worker begins each round at a
    random micro-batch and goes on cyclically, so every micro-batch is equally likely to be done,
    and the gradient is unbiased if workers are alike.

    A micro-batch takes an M-th of its partition's time; under the load law ``per_partition`` an
    M-th of a draw of its own, so that the partition takes the mean of M draws.

    Args:
        pieces: M, micro-batches in a worker's partition.
        patience: tau, seconds after which a worker stops; it never does unless given.
        cut: ``after``: it finishes the micro-batch under way, and does at least one. ``at``: it
            drops it.

    Source: Giladi, Gottlieb, Shkolnik, Karnieli, Banner, Hoffer, Levy, Soudry, DropCompute: simple
    and more robust distributed synchronous training via compute variance reduction (NeurIPS 2023).
    """

    name: ClassVar[str] = "drop_compute"
    pieces: Count
    patience: Seconds | None = None
    cut: Cut = "after"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        limited = cls(pieces=4, patience=0.6), cls(pieces=1, patience=0.5)
        return *limited, cls(pieces=4, patience=0.6, cut="at"), cls(pieces=3)

    @override
    def build(self, workers: int) -> TimeLimited:
        require_size("pieces", self.pieces, workers)
        sharp = self.cut == "at"
        if sharp and self.patience is None:
            raise InvalidParameter("cut", self.cut, "needs patience: nobody stops without it")
        exact = self.patience is None or (self.pieces == 1 and not sharp)
        patience = np.inf if self.patience is None else self.patience
        return TimeLimited(workers, self.pieces, patience, sharp, exact)


@final
@dataclass(frozen=True)
class TimeLimited(SelfStopping):
    """M pieces a worker, as many as it does within tau, which may be infinite; see ``DropCompute``.
    Partition j M + i is the i-th micro-batch of worker j. ``sharp``: the piece that is under way at
    tau is dropped; otherwise it is finished. Exact where nobody ever stops early."""

    sharp: bool
    exact: bool | None = False
    name = "drop_compute"

    @property
    @override
    def guarantees(self) -> Guarantees:
        """Sharply cut, a round may be without any piece, and then its gradient is 0."""
        return Guarantees(copies=1, unbiased=None if self.sharp else RandomOrder())

    @property
    @override
    def random(self) -> bool:
        """Whether it matters by chance with which micro-batch a worker begins."""
        return self.pieces > 1 and self.patience < np.inf

    @property
    @override
    def partitions(self) -> int:
        return self.n * self.pieces

    @override
    def plan(self, state: State = None) -> Round:
        shares = np.append(np.arange(1, self.pieces + 1) / self.pieces, 1.0)
        return Round(self.ones, self.stopping, self._stop, shares)

    def _stop(self, times: FloatArray) -> FloatArray:
        """Pieces in time, and the last message when the worker stops: ``(..., n (M + 1))``."""
        done = times.reshape(*times.shape[:-1], self.n, self.messages)[..., :-1]
        if self.sharp:
            stops = np.minimum(done[..., -1:], self.patience)
        else:  # with the piece under way: they end one after the other
            within = np.count_nonzero(done <= self.patience, axis=-1)[..., None]
            stops = np.take_along_axis(done, np.minimum(within, self.pieces - 1), axis=-1)
        sent = np.concatenate([done, stops], axis=-1)
        sent[sent > stops] = np.inf
        return sent.reshape(times.shape)

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        done = self.done(arrived).reshape(*arrived.shape[:-1], self.partitions)
        count = np.count_nonzero(done, axis=-1)[..., None]
        return np.asarray(done * (self.partitions / np.maximum(count, 1)))

    @override
    def steps(self, trace: Trace) -> DecodedRounds:
        """Each worker begins with a random one of its micro-batches."""
        arrived = trace.arrived.copy()
        key = 2**32 - 3  # tapes, data sets and other schemes use other keys
        for r, mine in enumerate(self.done(arrived)):  # a view
            shape = rounds, workers = mine.shape[:2]
            first = generator(trace.seed, key, r).integers(0, self.pieces, shape)
            twice = np.concatenate([mine, mine], axis=-1)
            from_each = np.lib.stride_tricks.sliding_window_view(twice, self.pieces, axis=-1)
            mine[:] = from_each[np.arange(rounds)[:, None], np.arange(workers), self.pieces - first]
        sizes = self.workers, self.partitions
        # To decode them again takes less time than to keep so many weights.
        return DecodedRounds(trace.times, arrived, self.weights, *sizes, kept=0)


@configured
class MindFlayer(KnownDelaysFamily):
    """Every worker tries ``trials`` times, each time for at most ``patience`` seconds.

    A trial is the gradient of the worker's partition. One that takes longer than the patience is
    dropped and the next one begins, with a new delay (a stream of the tape) under every load law;
    the round ends when everybody has made all of its trials.

    With p_j the chance that a trial of worker j succeeds, its S_j gradients weigh S_j/(p_j trials)
    in all, so the decoded gradient is unbiased. The chances are known from the delay model, in
    closed form or from a simulated sample; a worker that can never succeed is refused.

    Args:
        trials: B, of each worker in a round.
        patience: t, seconds of a trial.

    Source: Maranjyan, Shaikh Omar, Richtárik, MindFlayer: Efficient Asynchronous Parallel SGD in
    the Presence of Heterogeneous and Random Worker Compute Times (arXiv 2410.04285)."""

    name: ClassVar[str] = "mindflayer"
    trials: Count
    patience: Seconds

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(trials=3, patience=0.8), cls(trials=1, patience=0.5), cls(trials=2, patience=9.0)

    @override
    def build_for(self, workers: int, known_delays: KnownDelays) -> Clipped:
        require_size("trials", self.trials, workers)
        chances = known_delays.chances(workers, self.patience)
        if not chances.min() > 0:
            worker = int(chances.argmin())
            valid = f"must be long enough for a partition; worker {worker} never needs so little"
            raise InvalidParameter("patience", self.patience, valid)
        return Clipped(workers, self.trials, self.patience, tuple(chances.tolist()))


@final
@dataclass(frozen=True)
class Clipped(SelfStopping):
    """B trials a worker, clipped at t seconds, of which those that succeed are done, with the
    chance p_j > 0 of each worker; see ``MindFlayer``."""

    chances: tuple[float, ...]
    name = "mindflayer"
    guarantees = Guarantees(copies=1, unbiased=RandomOrder())

    @override
    def plan(self, state: State = None) -> Round:
        return Round(self.ones, self.stopping, self._clip, tasks=self.pieces)

    def _clip(self, lengths: FloatArray) -> FloatArray:
        """Seconds of each trial to message times: ``(..., n B)`` -> ``(..., n (B + 1))``."""
        own = lengths.reshape(*lengths.shape[:-1], self.n, self.pieces)
        over = np.cumsum(np.minimum(own, self.patience), axis=-1)
        sent = np.where(own <= self.patience, over, np.inf)
        return np.concatenate([sent, over[..., -1:]], axis=-1).reshape(*lengths.shape[:-1], -1)

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        successes = np.count_nonzero(self.done(arrived), axis=-1)
        return np.asarray(successes / (self.pieces * np.array(self.chances)))
