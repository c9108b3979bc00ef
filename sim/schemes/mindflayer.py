"""Trials that are given up in time, and begun again.

Source: Maranjyan, Shaikh Omar, Richtárik, MindFlayer: Efficient Asynchronous Parallel SGD in the
Presence of Heterogeneous and Random Worker Compute Times (arXiv 2410.04285).
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import Annotated, ClassVar, final

import numpy as np
from annotated_types import Ge
from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import STRICT, Seconds, not_bool
from ..types import BoolArray, FloatArray
from .base import (
    Claims,
    Foresight,
    ForesightedFamily,
    OfWorkers,
    RandomOrder,
    Round,
    SchemeFamily,
    Sees,
    State,
)
from .coverage import last_of_each


@final
@dataclass(frozen=True, config=STRICT)
class MindFlayer(ForesightedFamily):
    """Every worker tries ``trials`` times, each time for at most ``patience`` seconds.

    A trial is the gradient of the worker's partition. One that takes longer than the patience is
    dropped and the next one begins, with a new delay; the round ends when everybody has made all of
    its trials. It pays off where a task may take for ever but a new one need not: under every load
    law each trial has a draw of its own (a stream of the tape), while a worker that is slow for a
    while is slow in all of them.

    With p_j the chance that a trial of worker j succeeds, its S_j gradients weigh S_j/(p_j trials)
    in all, so the decoded gradient is unbiased. (In the source all workers draw from the same
    data, and all gradients are divided by the sum of p_j trials: the same where workers are alike.)
    The chances are known from the delay model, in closed form or from a simulated sample; a worker
    that can never succeed is refused.

    Cost: B draws and B + 1 messages a worker and round, for B = 3 six times a round with one.

    Args:
        trials: B, of each worker in a round.
        patience: t, seconds of a trial.

    Facts:
        load: B trials of 1 partition a worker, each of at most t seconds.
        stop: when everybody has made all of its trials.
        decoding: worker j's S_j gradients, times 1 / (p_j B) each.
        error: sum_j (1 - p_j) / (p_j B) on average; the decoded gradient is unbiased.
        time: E[max_j sum of B min(X, t)], at most B t; measured.
        confirmed: ``schemes/test_foresight.py``: ``test_rounds_by_hand``,
            ``test_one_second_or_never``, ``test_the_gradient_is_unbiased_under_every_law``;
            ``test_comparison.py``: ``test_the_error_of_clipped_trials``.
        ours: each worker has data of its own, where all draw from the same data in the source.
    """

    name: ClassVar[str] = "mindflayer"

    trials: Annotated[int, BeforeValidator(not_bool), Ge(1)]
    patience: Seconds

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(trials=3, patience=0.8), cls(trials=1, patience=0.5), cls(trials=2, patience=9.0)

    @override
    def build_for(self, workers: int, foresight: Foresight) -> Clipped:
        """Needs a patience in which every worker can succeed."""
        chances = foresight.chances(workers, self.patience)
        if not chances.min() > 0:
            worker = int(chances.argmin())
            valid = f"must be long enough for a partition; worker {worker} never needs so little"
            raise InvalidParameter("patience", self.patience, valid)
        return Clipped(workers, self.trials, self.patience, tuple(chances.tolist()))


@final
@plain_dataclass(frozen=True)
class Clipped(OfWorkers):
    """B clipped trials a worker; see ``MindFlayer``.

    A worker's messages are its trials that succeed, which only count, and a last one with their
    sum when all are over.

    Args:
        n: number of workers, and of partitions.
        trials: B.
        patience: t, seconds.
        chances: p_j of each worker, above 0.
    """

    sees: ClassVar[Sees] = Sees.NOTHING

    trials: int
    patience: float
    chances: tuple[float, ...]

    name = "mindflayer"
    claims = Claims(copies=1, unbiased=RandomOrder())

    @property
    @override
    def messages(self) -> int:
        return self.trials + 1

    @property
    @override
    def message_sizes(self) -> tuple[float, ...]:
        return (0.0,) * self.trials + (1.0,)

    @override
    def plan(self, state: State = None) -> Round:
        stopping = last_of_each(self.n, self.messages)
        return Round(np.ones(self.n, dtype=np.int64), stopping, self._clip, tasks=self.trials)

    def _clip(self, lengths: FloatArray) -> FloatArray:
        """Seconds of each trial to message times: ``(..., n B)`` -> ``(..., n (B + 1))``."""
        own = lengths.reshape(*lengths.shape[:-1], self.n, self.trials)
        over = np.cumsum(np.minimum(own, self.patience), axis=-1)
        sent = np.where(own <= self.patience, over, np.inf)
        times = np.concatenate([sent, over[..., -1:]], axis=-1)
        return times.reshape(*lengths.shape[:-1], -1)

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        own = arrived.reshape(*arrived.shape[:-1], self.n, self.messages)
        successes = np.count_nonzero(own[..., :-1], axis=-1)
        return np.asarray(successes / (self.trials * np.array(self.chances)))
