"""Partial work by a time limit: who is slow does less, and nobody waits for it.

Source: Giladi, Gottlieb, Shkolnik, Karnieli, Banner, Hoffer, Levy, Soudry, DropCompute: simple and
more robust distributed synchronous training via compute variance reduction (NeurIPS 2023).
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from annotated_types import Ge
from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..fields import STRICT, Seconds, not_bool
from ..steps import DecodedRounds
from ..types import BoolArray, FloatArray, Rounds, Trace
from .base import Claims, OfWorkers, RandomOrder, Round, SchemeFamily, Sees, State
from .coverage import last_of_each

Cut = Literal["after", "at"]


@final
@dataclass(frozen=True, config=STRICT)
class DropCompute(SchemeFamily):
    """Every worker cuts its partition into micro-batches and stops by itself after some time.

    The round ends when everybody has stopped and said so: no worker is ignored, only work is. What
    is done is added up and divided by the share that is done. A worker begins each round with a
    micro-batch drawn at random and goes round, so that every micro-batch is as likely to be done
    as any other, and the gradient is unbiased where workers are alike.

    A micro-batch takes an M-th of its partition's time; under the load law ``per_partition`` an
    M-th of a draw of its own, so that the partition takes the mean of M draws. The time of the
    synchronisation itself (T_c of the paper) is the network's latency. Where the delay comes before
    the work (load law ``additive``), the first micro-batch ends late, and ``after`` gains little.

    Cost: a round has M + 1 messages a worker, each a time, a comparison and an entry of the trace:
    for M = 12 about twenty times a round with one message.

    Args:
        pieces: M, micro-batches in a worker's partition.
        patience: tau, seconds after which a worker stops; it never does unless given.
        cut: ``after``: it finishes the micro-batch under way, and does at least one. ``at``: it
            drops it.

    Facts:
        load: at most 1 partition a worker, in M micro-batches.
        stop: when everybody has stopped by itself.
        decoding: the sum of what is done, times all micro-batches over those done.
        error: M n (M n / h - 1) with h of M n micro-batches done, so it is measured; how many one
            worker does: ``eh.theory.mean_pieces_done``, ``eh.theory.normal_pieces_done``.
        time: the slowest of n that stop by themselves (``eh.theory.scheme_iteration_time``).
        confirmed: ``schemes/test_foresight.py``: ``test_rounds_by_hand``,
            ``test_published_numbers``, ``test_pieces_and_steps_against_theory``,
            ``test_the_gradient_is_unbiased``.
        ours: a worker begins with a random micro-batch and goes round.
    """

    name: ClassVar[str] = "drop_compute"

    pieces: Annotated[int, BeforeValidator(not_bool), Ge(1)]
    patience: Seconds | None = None
    cut: Cut = "after"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(pieces=4, patience=0.6),
            cls(pieces=1, patience=0.5),
            cls(pieces=4, patience=0.6, cut="at"),
            cls(pieces=3),
        )

    @override
    def build(self, workers: int) -> TimeLimited:
        """Any number of pieces."""
        sharp = self.cut == "at"
        exact = self.patience is None or (self.pieces == 1 and not sharp)
        patience = np.inf if self.patience is None else self.patience
        return TimeLimited(workers, self.pieces, patience, sharp, exact)


@final
@plain_dataclass(frozen=True)
class TimeLimited(OfWorkers):
    """M pieces a worker, as many as it does in time; see ``DropCompute``.

    Partition j M + i is the i-th micro-batch of worker j. A worker's messages are its pieces in the
    order in which it does them, which only count them, and a last one with their sum.

    Args:
        n: number of workers.
        pieces: M.
        patience: tau, seconds; may be infinite.
        sharp: drop the piece that is under way at tau; otherwise finish it.
        exact: whether nobody ever stops early.
    """

    sees: ClassVar[Sees] = Sees.NOTHING

    pieces: int
    patience: float
    sharp: bool
    exact: bool | None = False

    name = "drop_compute"

    @property
    @override
    def claims(self) -> Claims:
        """Sharply cut, a round may be without any piece, and then its gradient is 0."""
        return Claims(copies=1, unbiased=None if self.sharp else RandomOrder())

    @property
    @override
    def partitions(self) -> int:
        return self.n * self.pieces

    @property
    @override
    def messages(self) -> int:
        return self.pieces + 1

    @property
    @override
    def message_sizes(self) -> tuple[float, ...]:
        return (0.0,) * self.pieces + (1.0,)

    @override
    def plan(self, state: State = None) -> Round:
        shares = np.append(np.arange(1, self.pieces + 1) / self.pieces, 1.0)
        stopping = last_of_each(self.n, self.messages)
        return Round(np.ones(self.n, dtype=np.int64), stopping, self._stop, shares)

    def _stop(self, times: FloatArray) -> FloatArray:
        """Pieces in time, and the last message when the worker stops: ``(..., n (M + 1))``."""
        own = times.reshape(*times.shape[:-1], self.n, self.messages)
        done = own[..., :-1]
        if self.sharp:
            stops = np.minimum(done[..., -1], self.patience)
        else:
            first_beyond = np.where(done > self.patience, done, np.inf).min(axis=-1)
            stops = np.minimum(done[..., -1], first_beyond)
        sent = np.where(done <= stops[..., None], done, np.inf)
        return np.concatenate([sent, stops[..., None]], axis=-1).reshape(times.shape)

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        """The pieces done, times all pieces over those done; 0 where there is none."""
        own = arrived.reshape(*arrived.shape[:-1], self.n, self.messages)
        done = own[..., :-1].reshape(*arrived.shape[:-1], self.partitions)
        count = np.count_nonzero(done, axis=-1)[..., None]
        return np.asarray(done * (self.partitions / np.maximum(count, 1)))

    @override
    def steps(self, trace: Trace) -> DecodedRounds:
        """Each worker begins with a random one of its micro-batches."""
        assert isinstance(trace.heard, Rounds)
        arrived = trace.heard.arrived.copy()
        own = arrived.reshape(*arrived.shape[:-1], self.n, self.messages)
        for r, mine in enumerate(own):
            sequence = np.random.SeedSequence(trace.seed, spawn_key=(FIRST, r))
            rng = np.random.Generator(np.random.PCG64(sequence))
            first = rng.integers(0, self.pieces, mine.shape[:2])
            place = (np.arange(self.pieces) - first[..., None]) % self.pieces
            mine[..., :-1] = np.take_along_axis(mine[..., :-1], place, axis=-1)
        return DecodedRounds(trace.times, arrived, self.weights, self.n, self.partitions)


FIRST = 2**32 - 3
"""Key of the random first pieces; tapes, data sets and other schemes use others."""
