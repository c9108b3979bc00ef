"""Schemes without a barrier: the asynchronous family.

Every worker computes the gradient of one partition after another. When a message arrives, the
master accepts it or drops it; when it has accepted enough, it updates the model. A scheme is four
choices, and every published algorithm is one row::

                         enough       oldest  restart    an update stops
    asynchronous         1            none    at once    nobody
    k_batch_async        K            none    at once    nobody
    k_async              K            none    after      nobody
    k_batch_sync         K            1       at once    everybody
    rennala (ignore)     S            1       at once    nobody
    rennala (interrupt)  S            1       at once    everybody
    ringmaster           1            R       at once    nobody, or the stale
    gradient_table       1            none    at once    nobody
    malenia              n distinct   1       at once    everybody
    ringleader           in cycles    none    at once    nobody

All messages of an instant are decided together, in the order of workers, after the last of them has
arrived; workers start again after that. Row i of the tape holds the delays of each worker's i-th
task; a task that was stopped has used its row.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from enum import Enum
from math import inf
from typing import final

import numpy as np
from typing_extensions import override

from ..numerics import generator
from ..steps import SingleGradients, Steps
from ..types import FloatArray, IntArray, Messages, Trace
from .base import Claims, RandomOrder, Scheme


class Stops(Enum):
    """Whose task an update stops; who is stopped starts anew with the newest model."""

    NOBODY = "nobody"
    STALE = "stale"
    EVERYBODY = "everybody"


@dataclass(frozen=True)
class Barrierless(Scheme):
    """The four choices, and what becomes of the gradients.

    Args:
        name: the registry name of its family.
        n: number of workers, and of partitions.
        gradients: K, accepted gradients that make an update.
        oldest: a message is dropped unless its staleness is below this.
        restarts_at_once: a worker that has delivered starts its next task at once; else it waits
            for the next update.
        stops: whose task an update stops; ``STALE``: those whose staleness has reached ``oldest``.
        own_data: worker j always computes the gradient of partition j; else each gradient is that
            of a partition drawn at random.
        delay_adaptive: a gradient of staleness s weighs n / max(n, s).
        distinct: a message is dropped if one of its worker's was accepted since the last update;
            needs K <= n.
        cycles: updates come in cycles, one of each worker, after everybody has been heard
            (``Cycle``); needs K = 1, no ``oldest``, and nobody stopped or kept waiting.
        exact: False where K gradients are not those of all data at the newest model.
    """

    name: str
    n: int
    gradients: int
    oldest: float = inf
    restarts_at_once: bool = True
    stops: Stops = Stops.NOBODY
    own_data: bool = False
    delay_adaptive: bool = False
    distinct: bool = False
    cycles: bool = False
    exact: bool | None = False

    @property
    @override
    def claims(self) -> Claims:
        """Partitions drawn at random weigh 1 on average, at whatever model they are taken."""
        drawn = not self.own_data and not self.delay_adaptive
        return Claims(unbiased=RandomOrder() if drawn else None)

    @property
    @override
    def workers(self) -> int:
        return self.n

    @override
    def updates(self, iterations: int) -> int:
        """An iteration is n gradients: ``ceil(n / K)`` updates."""
        return iterations * -(-self.n // self.gradients)

    @property
    def independent(self) -> bool:
        """Whether messages arrive when they do whatever becomes of those before."""
        return self.stops is Stops.NOBODY and (self.restarts_at_once or self.gradients == 1)

    def refusal(self) -> str | None:
        """Why the batch engine cannot simulate this, or ``None``.

        It can where arrivals do not depend on decisions, where updates stop everybody, and where
        whoever has delivered waits for the update.
        """
        if self.stops is Stops.STALE:
            return "an update that stops stale workers needs the event engine"
        if self.distinct and self.stops is not Stops.EVERYBODY:
            return "messages of distinct workers need the event engine"
        if not self.restarts_at_once and (
            self.oldest < inf or self.stops is not Stops.NOBODY or self.gradients > self.n
        ):
            return "workers that wait, and may be stopped or refused, need the event engine"
        return None

    def weight(self, staleness: IntArray) -> FloatArray:
        """What a partition's gradient of some staleness weighs in the decoded gradient."""
        weight = np.full(staleness.shape, self.partitions / self.gradients)
        if self.delay_adaptive:
            weight *= self.n / np.maximum(self.n, staleness)
        return weight

    @override
    def steps(self, trace: Trace) -> Steps:
        """K gradients an update, each with weight k / K: along their mean, scaled to all data."""
        assert isinstance(trace.heard, Messages)
        worker, version = trace.heard.message, trace.heard.version
        partition = worker
        if not self.own_data:  # drawn at random; each replication has a stream of its own
            partition = np.full(worker.shape, -1, dtype=np.int64)
            for r, drawn in enumerate(partition):
                rng = generator(trace.seed, SAMPLES, r)
                drawn[:] = rng.integers(0, self.partitions, drawn.shape)
            partition[worker < 0] = -1
        staleness = np.arange(worker.shape[1])[:, None] - version
        weight = np.where(worker >= 0, self.weight(staleness), 0.0)
        return SingleGradients(trace.times, worker, partition, weight, version, self.partitions)


SAMPLES = 2**32 - 2
"""Key of the random partitions; tapes and data sets use others."""


@final
class Cycle:
    """Whose message makes an update.

    A cycle collects first: until everybody has a gradient in the table, messages only add to it.
    That of the last one makes the first update; then everybody else's next message makes one, in
    order of arrival. What a worker sends after its own update is kept for the next cycle's table.

    Life cycle: ``hear`` is told of every message, in order.

    Args:
        workers: n.
    """

    def __init__(self, workers: int) -> None:
        self._n = workers
        self._collecting = True
        self._kept: set[int] = set()
        self.needed = set(range(workers))

    needed: set[int]
    """Who must be heard before the collecting ends, or, after it, whose update is still to come."""

    def hear(self, worker: int) -> bool:
        """Whether a worker's message makes an update."""
        if self._collecting:
            self.needed.discard(worker)
            if self.needed:
                return False
            self._collecting = False
            self.needed = set(range(self._n))
        elif worker not in self.needed:
            self._kept.add(worker)
            return False
        self.needed.remove(worker)
        if not self.needed:
            self._collecting = True
            self.needed, self._kept = set(range(self._n)) - self._kept, set()
        return True

    def hopeless(self, lost: Set[int]) -> list[int]:
        """Workers that block the next update for ever; none if it can still come.

        Args:
            lost: workers of whom nothing more comes.
        """
        never = self.needed & lost
        return sorted(never) if never and (self._collecting or never == self.needed) else []
