"""Where the variance of delays comes from: the worker, the round, or the cell itself.

Two-way random effects, X[t, j] = m + round[t] + worker[j] + rest[t, j], without replication. With
R rounds, n workers and the mean squares of the analysis of variance,
E MS_worker = rest + R worker, E MS_round = rest + n round, E MS_rest = rest; the components are
the solutions, those below zero set to zero. Several tables (one per load) are pooled: each has
its own mean and effects, and sums of squares and degrees of freedom are added.

Whether a component is there at all is asked by permutation, since delays are far from normal:
worker effects by permuting each round among the workers, round effects by permuting each worker's
delays among the rounds.

Source: Searle, Casella and McCulloch, Variance Components (1992), chapter 4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ....delay_models.base import FloatArray

PERMUTATIONS = 199
SEED = 20190403


@dataclass(frozen=True)
class Variance:
    """Variance components, and the chance of effects as large by permutation.

    Attributes:
        worker: lasting differences between workers.
        round: differences between rounds that all workers share.
        rest: everything else.
        worker_chance: P(worker component this large | workers are alike).
        round_chance: P(round component this large | rounds are alike).
    """

    worker: float
    round: float
    rest: float
    worker_chance: float
    round_chance: float

    def share(self, part: str) -> float:
        """A component's share of the whole, 0 to 1."""
        whole = self.worker + self.round + self.rest
        return float(getattr(self, part)) / whole if whole > 0 else 0.0


def split_variance(tables: Sequence[FloatArray]) -> Variance | None:
    """Split the variance of ``(rounds, n)`` tables; ``None`` where none has 2 rounds of 2 workers.

    Cost: ``2 * PERMUTATIONS`` shuffles of the tables.
    """
    tables = [table for table in tables if min(table.shape) >= 2]
    if not tables:
        return None
    worker, by_round, rest = components(tables)
    rng = np.random.default_rng(SEED)
    chances = []
    for axis, seen in ((1, 0), (0, 1)):
        observed = _squares(tables)[seen]
        as_large = 0
        for _ in range(PERMUTATIONS):
            shuffled = [rng.permuted(t, axis=axis) for t in tables]
            as_large += int(_squares(shuffled)[seen] >= observed)
        chances.append((1 + as_large) / (1 + PERMUTATIONS))
    return Variance(worker, by_round, rest, *chances)


def _squares(tables: Sequence[FloatArray]) -> tuple[float, float, float]:
    """Sums of squares between workers, between rounds, and in all."""
    worker = by_round = total = 0.0
    for table in tables:
        centred = table - table.mean()
        worker += len(table) * float(np.sum(centred.mean(axis=0) ** 2))
        by_round += table.shape[1] * float(np.sum(centred.mean(axis=1) ** 2))
        total += float(np.sum(centred**2))
    return worker, by_round, total


def components(tables: Sequence[FloatArray]) -> tuple[float, float, float]:
    """Variances of workers, of rounds, and of the rest; each table has at least 2 of both."""
    worker, by_round, total = _squares(tables)
    worker_free = sum(t.shape[1] - 1 for t in tables)
    round_free = sum(len(t) - 1 for t in tables)
    rest_free = sum((t.shape[1] - 1) * (len(t) - 1) for t in tables)
    rest = (total - worker - by_round) / rest_free
    rounds = sum(len(t) * (t.shape[1] - 1) for t in tables) / worker_free
    workers = sum(t.shape[1] * (len(t) - 1) for t in tables) / round_free
    return (
        max(0.0, (worker / worker_free - rest) / rounds),
        max(0.0, (by_round / round_free - rest) / workers),
        max(0.0, rest),
    )
