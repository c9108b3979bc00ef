"""Effects of workers and rounds on the ranks of delays: a Gaussian copula around any law.

Each delay is replaced by the normal number of its rank among all of them, and the variance of these
numbers is split as that of delays is. So a wall stays where it is, however much workers differ, and
a delay that is a hundred times too long counts as the longest one.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from scipy import special, stats

from ....delay_models.base import FloatArray
from .law import rounded_to_4
from .variance import components

DECAYS = np.linspace(0.0, 0.99, 100)
"""Correlations of successive rounds that are tried."""

MOST_LAGS = 50


def latent(tables: Sequence[FloatArray]) -> list[FloatArray]:
    """Normal numbers in the order of the delays, of all ``(rounds, n)`` tables together."""
    values = np.concatenate([table.ravel() for table in tables])
    numbers = special.ndtri((stats.rankdata(values) - 0.5) / len(values))
    ends = np.cumsum([table.size for table in tables])[:-1]
    parts = np.split(numbers, ends)
    return [part.reshape(table.shape) for part, table in zip(parts, tables, strict=True)]


def rank_effects(
    tables: Sequence[FloatArray], worker: bool, by_round: bool, spells: bool
) -> dict[str, Any]:
    """Fields of the model ``empirical``: ``ranks``, ``round``, ``spells`` and ``persistence``.

    The mean of each worker is shrunk towards 0 by the part of it that is noise, and counted in
    standard deviations of what a worker varies by itself; so are the shares, where there are ranks.

    Args:
        tables: ``(rounds, n)`` seconds, at least 2 rounds of 2 workers.
        worker, by_round, spells: which effects.
    """
    numbers = latent(tables)
    of_worker, of_round, rest = components(numbers)
    own = max(of_round + rest if worker else of_worker + of_round + rest, 1e-12)
    fields: dict[str, Any] = {}
    if worker:
        means = np.mean([n.mean(axis=0) - n.mean() for n in numbers], axis=0)
        noise = rest / sum(map(len, numbers))
        trust = of_worker / (of_worker + noise) if of_worker > 0 else 0.0
        fields["ranks"] = [rounded_to_4(rank) for rank in trust * means / np.sqrt(own)]
    left = 1.0
    if by_round:
        fields["round"] = rounded_to_4(min(of_round / own, 0.9999))
        left -= fields["round"]
    if spells:
        share, persistence = _spells(numbers)
        fields["spells"] = float(np.floor(min(share / own, left) * 1e4) / 1e4)
        fields["persistence"] = rounded_to_4(persistence)
    return fields


def _spells(numbers: Sequence[FloatArray]) -> tuple[float, float]:
    """Variance of what stays with a worker for a while, and its correlation from round to round.

    The covariance of a worker's numbers l rounds apart is V + S r**l, with V of lasting
    differences; for each r on a grid, V >= 0 and S >= 0 follow by least squares.
    """
    centred = [n - n.mean(axis=1, keepdims=True) for n in numbers]
    lags = min(max(len(n) for n in numbers) * 2 // 3, MOST_LAGS)
    if lags < 2:
        return 0.0, 0.0
    sums, pairs = np.zeros(lags), np.zeros(lags)
    for table in centred:
        for lag in range(1, min(lags, len(table) - 1) + 1):
            sums[lag - 1] += np.einsum("tj,tj->", table[:-lag], table[lag:])
            pairs[lag - 1] += table[lag:].size
    covariance = sums / np.maximum(pairs, 1)
    weights = pairs / pairs.sum()
    best = (np.inf, 0.0, 0.0)
    for decay in DECAYS:
        curve = decay ** np.arange(1, lags + 1)
        bend = curve - curve @ weights
        spread = float((weights * bend) @ bend)
        share = max(0.0, float((weights * bend) @ covariance) / spread) if spread > 1e-12 else 0.0
        lasting = float((covariance - share * curve) @ weights)
        if lasting < 0:
            lasting = 0.0
            whole = float((weights * curve) @ curve)
            share = max(0.0, float((weights * curve) @ covariance) / whole) if whole > 0 else 0.0
        loss = float((covariance - share * curve - lasting) ** 2 @ weights)
        if loss < best[0] - 1e-15:
            best = (loss, share, float(decay))
    return best[1], best[2]
