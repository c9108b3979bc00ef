"""A law as it was measured: quantiles, a tail beyond them, and effects that act on ranks.

The classic laws lean to the right. Measured delays may end at a wall (a file system that is full
serves everybody by 19 s) and lean to the left; then every classic law puts the slowest of n far too
late, and so does a factor, which moves the wall. Here the law of one cell is its quantile function
Q, whatever its shape, and workers and rounds differ in *rank*: a latent normal number says how slow
a cell is, workers and rounds have shares of its variance, and X = Q(Phi(latent)). The law of a cell
stays as it is whatever the shares are (a Gaussian copula).

Source: the tail is the generalized Pareto law of J. Pickands, "Statistical inference using extreme
order statistics", Annals of Statistics 3 (1975); the copula: R. B. Nelsen, An Introduction to
Copulas (2006), chapter 2."""

from __future__ import annotations

from functools import cached_property
from math import factorial
from typing import Annotated, Any

import numpy as np
from annotated_types import Gt, Lt, MinLen
from numpy.random import Generator
from numpy.typing import ArrayLike
from typing_extensions import override

from ..sim.base.fields import configured
from .base import DelayModel, Finite, FloatArray, Probability, Seconds
from .parametric import special


def _above(ranks: FloatArray, latent: FloatArray) -> FloatArray:
    """Sum over workers of the chance to be above each latent number; right to twelve digits. Each
    cell of ranks, an eighth wide, costs one normal integral and the terms of its Taylor series."""
    width, terms = 1 / 8, 10
    cells = np.round(ranks / width)
    total = np.zeros(len(latent))
    for cell in np.unique(cells):
        away, x = ranks[cells == cell] - cell * width, cell * width - latent
        total += len(away) * special().ndtr(x)
        last, slope = np.zeros(len(x)), np.exp(-(x**2) / 2) / np.sqrt(2 * np.pi)
        for k in range(1, terms):
            total += float((away**k).sum()) / factorial(k) * slope
            last, slope = slope, -x * slope - (k - 1) * last
    return total


@configured
class Empirical(DelayModel):
    """Delays with given quantiles, and workers and rounds that are slow by rank.

    Args:
        quantiles: seconds, ascending, at equally spaced levels from 0 to ``1 - tail``; linear
            between them.
        tail: share of the delays that are longer than the last quantile.
        tail_scale: seconds: how far the tail reaches, a generalized Pareto law.
        tail_shape: of that law: below 0 it ends, at ``tail_scale / -tail_shape`` beyond the last
            quantile; 0 is exponential; above 0 it falls like a power.
        worker: share of the latent variance that is a worker's for good: 1 orders the workers once
            and for all. Drawn once per replication.
        round: share that all workers of a round have in common.
        spells: share that stays with a worker for a while.
        persistence: correlation of that share in successive rounds.
        ranks: instead of ``worker``, the latent mean of each worker, in standard deviations of what
            it varies by itself; a run with fewer workers takes the first ones.

    ``cdf``, ``ppf`` and ``mean`` are those of the quantiles: of a worker picked at random among
    ``ranks``, in any round.

    Raises ValueError: the quantiles descend, the shares exceed 1, ``ranks`` and ``worker`` are both
    given, or one of ``tail`` and ``tail_scale`` is.

    Cost: a uniform draw per cell; with effects one to three normal draws, and one pass over the
    rounds where there are spells."""

    quantiles: Annotated[tuple[Seconds, ...], MinLen(2)]
    tail: Annotated[Probability, Lt(1)] = 0.0
    tail_scale: Seconds = 0.0
    tail_shape: Annotated[Finite, Gt(-1), Lt(1)] = 0.0
    worker: Probability = 0.0
    round: Probability = 0.0
    spells: Probability = 0.0
    persistence: Probability = 0.0
    ranks: Annotated[tuple[Finite, ...], MinLen(1)] | None = None

    def __post_init__(self) -> None:
        if np.any(np.diff(self.quantiles) < 0):
            raise ValueError("quantiles must ascend")
        if (self.tail > 0) != (self.tail_scale > 0):
            raise ValueError("a tail needs both tail, its share, and tail_scale, in seconds")
        if self._shared > 1 + 1e-9:
            text = f"worker, round and spells sum to {self._shared:g}"
            raise ValueError(f"{text}; must be at most 1: they are shares of one variance")
        if self.ranks is not None and self.worker > 0:
            raise ValueError("give either worker, a share, or ranks, one for each worker")

    @property
    def _shared(self) -> float:
        return self.worker + self.round + self.spells

    @property
    @override
    def random(self) -> bool:
        return self.tail > 0 or self.quantiles[0] < self.quantiles[-1]

    @property
    @override
    def independent(self) -> bool:
        return self._shared == 0 and self.ranks is None

    row_by_row = independent

    @override
    def start(self, shared: Generator, workers: int) -> Any:
        """The latent means of the workers, and their spells before round 0: ``(workers,)`` each."""
        if self.independent:
            return None
        means = np.sqrt(self.worker) * shared.standard_normal(workers)
        if self.ranks is not None:
            means = np.array(self.ranks[:workers])
        return means, shared.standard_normal(workers)

    @override
    def evolve(self, state: Any, shared: Generator, rounds: int, workers: int) -> tuple[Any, Any]:
        """Latent numbers but for each task's own part, ``(rounds, workers)``."""
        if state is None:
            return None, None
        means, spell = state
        latent = means + np.sqrt(self.round) * shared.standard_normal((rounds, 1))
        if self.spells > 0:
            news = np.sqrt(1 - self.persistence**2) * shared.standard_normal((rounds, workers))
            for row, new in zip(latent, news, strict=True):
                spell = self.persistence * spell + new
                row += np.sqrt(self.spells) * spell
        return latent, (means, spell)

    @override
    def delays(self, conditions: Any, own: Generator, rounds: int, workers: int) -> FloatArray:
        if conditions is None:
            return self.isf(1 - own.random((rounds, workers)))
        rest = np.sqrt(max(0.0, 1 - self._shared))
        latent = conditions + rest * own.standard_normal((rounds, workers))
        if self.ranks is None:
            return self.isf(special().ndtr(-latent))
        return np.asarray(np.interp(latent, *self._of_latent))

    @cached_property
    def _of_latent(self) -> tuple[FloatArray, FloatArray]:
        """Latent numbers and their delays, so that all workers together have the quantiles."""
        assert self.ranks is not None
        # Up to nine standard deviations around the ranks.
        latent = np.linspace(min(self.ranks) - 9.0, max(self.ranks) + 9.0, 8001)
        means, counts = np.unique(self.ranks, return_counts=True)
        if len(means) > 200:  # faster together, in cells
            return latent, self.isf(_above(np.array(self.ranks), latent) / len(self.ranks))
        above = np.zeros(len(latent))
        for mean, count in zip(means, counts, strict=True):
            above += count * special().ndtr(mean - latent)
        return latent, self.isf(above / len(self.ranks))

    @cached_property
    def _curve(self) -> tuple[FloatArray, FloatArray]:
        """Probabilities and the quantiles at them: a table of few rows is drawn in less time."""
        return np.linspace(0.0, 1 - self.tail, len(self.quantiles)), np.array(self.quantiles)

    @override
    def isf(self, probability: ArrayLike) -> FloatArray:
        # Nothing smaller is drawn, as of one uniform number.
        s = np.maximum(np.asarray(probability, dtype=np.float64), 2.0**-53)
        seconds = np.asarray(np.interp(1 - s, *self._curve))
        if self.tail > 0:
            beyond = s < self.tail
            excess = special().boxcox(self.tail / s[beyond], self.tail_shape)
            seconds[beyond] = self.quantiles[-1] + self.tail_scale * excess
        return seconds

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray:
        x, q = np.asarray(seconds, dtype=np.float64), np.asarray(self.quantiles)
        last = len(q) - 1
        step = np.clip(np.searchsorted(q, x, side="right") - 1, 0, last - 1)
        width = q[step + 1] - q[step]
        share = np.clip((x - q[step]) / np.where(width > 0, width, 1.0), 0.0, 1.0)
        share = np.where(x >= q[step + 1], 1.0, share)
        above = 1 - (1 - self.tail) * (step + share) / last
        if self.tail > 0:
            excess = np.maximum(x - q[-1], 0.0) / self.tail_scale
            shape = self.tail_shape  # of a generalized Pareto law
            base = np.maximum(1 + shape * excess, 0.0)
            beyond = base ** (-1 / shape) if shape else np.exp(-excess)
            above = np.where(x > q[-1], self.tail * beyond, above)
        return np.asarray(np.where(x < q[0], 1.0, above))

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray:
        return np.asarray(1 - self.sf(seconds))

    @override
    def ppf(self, probability: ArrayLike) -> FloatArray:
        return self.isf(1 - np.asarray(probability, dtype=np.float64))

    @override
    def kinks(self) -> FloatArray:
        end = self.quantiles[-1]
        if self.tail_shape < 0:
            end += self.tail_scale / -self.tail_shape
        return np.array([*self.quantiles, end])

    @override
    def mean(self) -> float:
        """Trapezoids under the quantiles, and the tail's mean excess scale / (1 - shape)."""
        q = np.asarray(self.quantiles)
        middle = float((q[1:] + q[:-1]).mean()) / 2
        beyond = q[-1] + self.tail_scale / (1 - self.tail_shape)
        return float((1 - self.tail) * middle + self.tail * beyond)

    @override
    def longest(self) -> float:
        return float(self.isf(0.0))

    @override
    def workers_available(self) -> int | None:
        return None if self.ranks is None else len(self.ranks)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        walled = (2.0, 6.0, 9.0, 11.0, 13.0, 14.0, 15.0, 15.5)
        return (
            Empirical(quantiles=walled),
            Empirical(quantiles=walled, tail=0.1, tail_scale=1.0, tail_shape=-0.4),
            Empirical(quantiles=walled, tail=0.05, tail_scale=0.8, worker=0.3, round=0.2),
            Empirical(quantiles=walled, spells=0.6, persistence=0.8),
        )
