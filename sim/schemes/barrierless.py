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
    ssp                  K            none    within s   nobody

``docs/design.md`` says how messages of one instant are decided, and who reads which row."""

from __future__ import annotations

from collections.abc import Callable, Set
from dataclasses import dataclass, field
from enum import Enum
from math import inf
from typing import Annotated, final

import numpy as np
from annotated_types import Ge
from pydantic import BeforeValidator
from typing_extensions import override

from ..base.fields import Configurable, NotNegative, configured, not_bool
from ..base.numerics import generator
from ..base.types import FloatArray, IntArray, Messages, Trace
from ..training.steps import SingleGradients, Steps
from .base import Guarantees, RandomOrder, Scheme

DRAWS_AT_ONCE = 2**17  # partitions of gradients that are drawn together: 1 MiB


class Stops(Enum):
    """Whose task an update stops; who is stopped starts anew with the newest model."""

    NOBODY = "nobody"
    STALE = "stale"
    EVERYBODY = "everybody"


@configured
class Discount(metaclass=Configurable):
    """What a stale gradient weighs; a fresh one weighs 1. Give one of both.

    Args:
        power: a; a gradient of staleness s weighs (1 + s)^-a.
        hinge: a and b; it weighs 1 up to s = b, then 1 / (a (s - b) + 1).

    Source: Xie, Koyejo, Gupta, Asynchronous Federated Optimization (arXiv 1903.03934)."""

    power: NotNegative | None = None
    hinge: tuple[NotNegative, Annotated[float, BeforeValidator(not_bool), Ge(0)]] | None = None

    def __post_init__(self) -> None:
        if (self.power is None) == (self.hinge is None):
            raise ValueError("must have either power or hinge")

    def weight(self, staleness: IntArray) -> FloatArray:
        """Elementwise, at most 1."""
        if self.power is not None:
            return np.asarray((1.0 + staleness) ** -self.power)
        assert self.hinge is not None
        slope, flat = self.hinge
        return np.asarray(1.0 / (slope * np.maximum(staleness - flat, 0.0) + 1.0))


@final
@dataclass(frozen=True)
class DelayAdaptive:
    """A gradient of staleness s weighs n / max(n, s)."""

    n: int

    def weight(self, staleness: IntArray) -> FloatArray:
        """Elementwise, at most 1."""
        return self.n / np.maximum(self.n, staleness)


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
        discount: what a stale gradient weighs, of a fresh one; ``None``: as much.
        rescale: a gradient weighs (i + 1) / (n c) times as much, where c of the i + 1 gradients
            accepted so far are its worker's: all workers' data then count alike.
        distinct: a message is dropped if one of its worker's was accepted since the last update;
            needs K <= n.
        ahead: s; a worker that has delivered c gradients starts the next one once everybody has
            delivered c - s; with ``inf`` at once. If finite, needs no ``oldest``, nobody stopped or
            kept waiting for an update, and no ``distinct`` or ``cycles``.
        cycles: updates come in cycles, one of each worker, after everybody has been heard
            (``Cycle``); needs K = 1, no ``oldest``, and nobody stopped or kept waiting.
        exact: False where K gradients are not those of all data at the newest model.
        updates_of: what the updates of a trace are made of, among n workers; K gradients each
            unless given.

    Raises ValueError: choices that do not go together.
    """

    name: str
    n: int
    gradients: int
    oldest: float = inf
    restarts_at_once: bool = True
    stops: Stops = Stops.NOBODY
    own_data: bool = False
    discount: Discount | DelayAdaptive | None = None
    rescale: bool = False
    distinct: bool = False
    ahead: float = inf
    cycles: bool = False
    exact: bool | None = False
    updates_of: Callable[[Trace, int], Steps] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        plain = self.oldest == inf and self.stops is Stops.NOBODY and self.restarts_at_once
        needs = "needs no oldest, nobody stopped, restarts_at_once"
        if self.distinct and self.gradients > self.n:
            raise ValueError(f"distinct: gradients = {self.gradients} must be at most n = {self.n}")
        if self.ahead < inf and not (plain and not self.distinct and not self.cycles):
            raise ValueError(f"ahead = {self.ahead:g} {needs}, and neither distinct nor cycles")
        if self.cycles and not (plain and self.gradients == 1):
            raise ValueError(f"cycles {needs}, and gradients = 1, not {self.gradients}")

    @property
    @override
    def random(self) -> bool:
        """Whether partitions are drawn."""
        return not self.own_data and self.updates_of is None

    @property
    @override
    def guarantees(self) -> Guarantees:
        """Partitions drawn at random weigh 1 on average, at whatever model they are taken."""
        drawn = not self.own_data and self.discount is None
        return Guarantees(unbiased=RandomOrder() if drawn else None)

    @property
    @override
    def workers(self) -> int:
        return self.n

    @override
    def updates(self, iterations: int) -> int:
        """An iteration is n gradients: ``ceil(T n / K)`` updates of K use T of them."""
        return -(-iterations * self.n // self.gradients)

    def iteration(self, update: int) -> int:
        """The iteration, from 1, that an update, from 0, belongs to: of its first gradient."""
        return update * self.gradients // self.n + 1

    @property
    def always_fresh(self) -> bool:
        """Whether every gradient that is used is one of the newest model."""
        return self.stops is Stops.EVERYBODY or self.oldest <= 1

    @property
    def independent(self) -> bool:
        """Whether messages arrive when they do whatever becomes of those before."""
        free = self.restarts_at_once or self.gradients == 1
        return free and self.stops is Stops.NOBODY and self.ahead == inf

    def refusal(self) -> str | None:
        """Why the batch engine cannot simulate this, or ``None``. It can if arrivals depend on no
        decision, if updates stop everybody, and if who has delivered waits for the update."""
        if self.stops is Stops.STALE:
            return "an update that stops stale workers needs the event engine"
        if self.distinct and self.stops is not Stops.EVERYBODY:
            return "messages of distinct workers need the event engine"
        undisturbed = self.oldest == inf and self.stops is Stops.NOBODY
        if not (self.restarts_at_once or (undisturbed and self.gradients <= self.n)):
            return "workers that wait, and may be stopped or refused, need the event engine"
        return None

    def weight(self, staleness: IntArray, counts: IntArray | None = None) -> FloatArray:
        """What partitions' gradients weigh in the decoded gradient, elementwise, given the updates
        since each one's model; with ``rescale`` also ``counts``, ``(2, ...)``: gradients accepted
        so far, of all workers and of its own, itself among them."""
        weight = np.broadcast_to(self.partitions / self.gradients, staleness.shape)
        if self.discount is not None:
            weight = weight * self.discount.weight(staleness)
        if counts is not None:
            weight = weight * (counts[0] / (self.n * np.maximum(counts[1], 1)))
        return weight

    def counts(self, worker: IntArray) -> IntArray | None:
        """``(2, R, U, K)`` as ``weight`` asks for, of who sent each gradient, ``(R, U, K)``.
        ``None`` without ``rescale``. Cost: one stable sort of a replication's messages."""
        if not self.rescale:
            return None
        own = np.empty(worker.shape, dtype=np.int64)
        by_replication = (table.reshape(len(table), -1) for table in (worker, own))
        for senders, seen in zip(*by_replication, strict=True):
            order = np.argsort(senders, kind="stable")
            first = np.searchsorted(senders[order], senders[order])  # where a worker's own begin
            seen[order] = np.arange(1, senders.size + 1) - first
        every = np.arange(1, worker[0].size + 1).reshape(worker[0].shape)
        return np.stack([np.broadcast_to(every, worker.shape), own])

    @override
    def steps(self, trace: Trace) -> Steps:
        """K gradients an update, each with weight k / K: along their mean, scaled to all data."""
        if self.updates_of is not None:
            return self.updates_of(trace, self.n)
        assert isinstance(trace.heard, Messages)
        worker, version = trace.heard.message, trace.heard.version
        partition = worker
        if not self.own_data:  # drawn at random; each replication has a stream of its own
            partition = np.empty(worker.shape, worker.dtype)
            key = 2**32 - 2  # tapes and data sets use others
            for r, of_run in enumerate(partition.reshape(len(partition), -1)):
                rng = generator(trace.seed, key, r)
                for start in range(0, of_run.size, DRAWS_AT_ONCE):
                    drawn = of_run[start : start + DRAWS_AT_ONCE]
                    drawn[:] = rng.integers(0, self.partitions, drawn.size)
            partition[worker < 0] = -1
        stale = version  # whose shape alone counts where all weigh the same
        if self.discount is not None:
            stale = np.arange(worker.shape[1], dtype=version.dtype)[:, None] - version
        weight = self.weight(stale, self.counts(worker))
        if worker.min() < 0:
            weight = np.where(worker >= 0, weight, 0.0)
        return SingleGradients(trace.times, worker, partition, weight, version, self.partitions)


@final
class Cycle:
    """Whose message makes an update, of n workers; ``hear`` is told of every message, in order. A
    cycle collects first: until everybody has a gradient in the table, messages only add to it. That
    of the last one makes the first update; then everybody else's next message makes one, in order
    of arrival. What a worker sends after its own update is kept for the next cycle's table."""

    def __init__(self, workers: int) -> None:
        self._n, self._collecting, self._kept = workers, True, set[int]()
        # Who must be heard before the collecting ends, or, after it, whose update is still to come.
        self.needed = set(range(workers))

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
        """Workers that block the next update for ever if nothing more comes of the ``lost``."""
        never = self.needed & lost
        return sorted(never) if never and (self._collecting or never == self.needed) else []
