"""What workers, rounds and memory add to the variance of delays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import special

from .....delay_models.base import FloatArray
from .....delay_models.mixture import Mixture
from ...statistics.series import fading
from .law import log_normals, rounded, slow_probability

# Persistence: whether a slow worker stays slow, as opposed to a worker that is always slower.
#
# *Model.* Worker j has a hidden state, slow or fast, that follows a two-state chain with P(slow ->
# slow) = a, P(fast -> slow) = b. Its correlation at lag l is rho**l with the persistence rho = a -
# b, and the long-run slow share is pi = b / (1 - rho). Given the states, delays are independent;
# beside it, workers may differ for good (static heterogeneity).
#
# *Estimator.* Y[t, j] in [0, 1] is the probability that a delay is slow, from the fitted mixture of
# two lognormals (0 below the fast median: a very short delay is not slow). With delta = E[Y | slow]
# - E[Y | fast],
#
#     c(l) = Cov(Y[t], Y[t + l]) = A rho**l + V,    A = delta**2 pi (1 - pi),   l >= 1,
#
# where V >= 0 is the variance of lasting differences. delta < 1 is the misclassification: without
# it a correlation at lag 1 is too small. A is known from the mixture (delta as the difference of
# the means of Y under its posterior weights), so rho and V are found by least squares over the
# lags, each weighted by its number of pairs. Persistence is what *decays* with lag; what does not
# decay is V. A state that never changes (rho = 1) cannot be told from lasting heterogeneity, and is
# reported as such. Y is centred by its round, which takes out effects that all workers share, but
# not by its worker: that would lower every c(l) by about (1 + rho) / ((1 - rho) R), more than a
# bias of 0.05 at rho = 0.9.
#
# *Limit.* A is known only as well as the mixture tells slow from fast. Where lasting differences
# are as wide as the distance of the two states (spread 0.2 of the logarithm), single tables were
# off by up to 0.25 at rho = 0.5, by 0.03 to 0.05 in the mean; the test does not suffer from that.
#
# *Test.* Permuting the rounds within each worker keeps every lasting difference and destroys
# memory; the chance is that of a c(1) at least as large. In large tables all workers' rounds are
# permuted alike, which does the same for a tenth of the cost: without memory every such order is as
# likely as the one seen, and chance moves c(1) as much, since most pairs are of one worker anyway.
#
# Source: own derivation.

FEWEST_ROUNDS = 8  # of a table in which a memory can be seen
SHUFFLES = 199  # of a permutation test
MOST_SHUFFLED = 100_000  # delays of a table above which its shuffles move many of them together
SEED, VARIANCE_SEED = 20190404, 20190403


@dataclass(frozen=True, eq=False)
class Memory:
    """Persistence, and the lasting differences that it must not be confused with."""

    persistence: float  # rho, 0 to 1
    standard_error: float  # of rho, from resampled workers
    chance: float  # P(a lag-1 correlation this large | no memory), by permutation
    slow_share: float  # pi, the share of slow delays
    correlation: FloatArray  # c(l) / c(0) at lags 1, 2, ..., ``(L,)``
    static: float  # V / c(0), the correlation that does not decay

    @property
    def significant(self) -> bool:
        """The memory is unlikely to be chance, large enough to matter, and known to be there."""
        return self.chance <= 0.01 and self.persistence >= 0.05 and self.interval[0] > 0

    @property
    def interval(self) -> tuple[float, float]:
        """95 %, within 0 and 1."""
        reach = 1.96 * self.standard_error
        return max(0.0, self.persistence - reach), min(1.0, self.persistence + reach)

    @property
    def unknown(self) -> bool:
        """Nothing can be told: the interval holds no memory, and so much that it would decide which
        code is best."""
        low, high = self.interval
        return not self.significant and low <= 0 and high >= 0.5

    @property
    def slow_to_slow(self) -> float:
        """P(slow -> slow) = rho + (1 - rho) pi."""
        return self.persistence + self.fast_to_slow

    @property
    def fast_to_slow(self) -> float:
        """P(fast -> slow) = (1 - rho) pi."""
        return (1 - self.persistence) * self.slow_share


def measure_memory(tables: Sequence[FloatArray], mixture: Mixture) -> Memory | None:
    """Persistence in ``(rounds, n)`` tables of seconds > 0; lags never cross from one table to the
    next. The parts of the mixture, fitted to their delays, are the two states. ``None`` where no
    table has ``FEWEST_ROUNDS`` rounds and 2 workers. Cost: L products of the tables,
    ``SHUFFLES`` shuffles; of tables above ``MOST_SHUFFLED`` delays, of whole rounds."""
    tables = [t for t in tables if len(t) >= FEWEST_ROUNDS and t.shape[1] >= 2]
    if not tables:
        return None
    chances, fast = [slow_probability(mixture, table) for table in tables], log_normals(mixture)[0]
    slow = [np.where(t > fast.median, p, 0.0) for t, p in zip(tables, chances, strict=True)]
    flat = np.concatenate([score.ravel() for score in slow])
    posterior = np.concatenate([p.ravel() for p in chances])
    share = float(posterior.mean())
    if not 0 < share < 1 or np.ptp(flat) == 0:
        return None
    means = (float(flat @ chance) / chance.sum() for chance in (posterior, 1 - posterior))
    delta = np.subtract(*means)
    known = delta**2 * share * (1 - share)
    # Less the round's mean; scaled, since the mean of n takes 1/n of every covariance along.
    centred = [
        (score - score.mean(axis=1, keepdims=True)) * np.sqrt(score.shape[1] / (score.shape[1] - 1))
        for score in slow
    ]
    variance = float(np.mean(np.concatenate([score.ravel() for score in centred]) ** 2))
    if variance <= 1e-20:  # all workers are slow together, or never
        return None
    lags = min(max(len(t) for t in tables) * 2 // 3, 100)
    products = [lag_products(score, lags) for score in centred]
    covariance, pairs = pooled(products)
    rho, static = decay_of(covariance, pairs, known)
    rng, bootstrap = np.random.default_rng(SEED), []
    for _ in range(100):
        drawn = (rng.integers(0, sums.shape[1], sums.shape[1]) for sums, _ in products)
        resampled = [
            (sums[:, d], pairs_of) for (sums, pairs_of), d in zip(products, drawn, strict=True)
        ]
        bootstrap.append(decay_of(*pooled(resampled), known)[0])
    return Memory(
        persistence=rho,
        standard_error=float(np.std(bootstrap, ddof=1)),
        chance=_chance(centred, covariance[0]),
        slow_share=share,
        correlation=covariance / variance,
        static=static / variance,
    )


Products = tuple[FloatArray, FloatArray]


def lag_products(score: FloatArray, lags: int) -> Products:
    """Per lag and worker the sum of products, ``(L, n)``, and the number of pairs, ``(L,)``."""
    rounds, workers = score.shape
    sums = np.zeros((lags, workers))
    for lag in range(1, min(lags, rounds - 1) + 1):
        sums[lag - 1] = np.einsum("tj,tj->j", score[:-lag], score[lag:])
    return sums, np.maximum(rounds - np.arange(1, lags + 1), 0.0)


def pooled(products: Sequence[Products]) -> tuple[FloatArray, FloatArray]:
    """Covariance at each lag over all workers and tables, and the pairs behind it."""
    pairs = np.sum([count * sums.shape[1] for sums, count in products], axis=0)
    return np.sum([sums.sum(axis=1) for sums, _ in products], axis=0) / pairs, pairs


def decay_of(covariance: FloatArray, pairs: FloatArray, known: float) -> tuple[float, float]:
    """rho and V that fit ``known * rho**lag + V`` best: a grid of rho, V >= 0 in closed form."""
    grid = np.linspace(0.0, 0.995, 200)
    curves = known * grid[:, None] ** np.arange(1, len(covariance) + 1)
    weights = pairs / pairs.sum()
    static = np.maximum((covariance - curves) @ weights, 0.0)
    losses = ((covariance - curves - static[:, None]) ** 2) @ weights
    best = int(np.argmin(losses))
    move = 0.0
    if 0 < best < len(grid) - 1:  # the vertex of the parabola through three points
        left, middle, right = losses[best - 1 : best + 2]
        bend = left - 2 * middle + right
        move = 0.5 * (left - right) / bend if bend > 0 else 0.0
    return float(grid[best] + move * (grid[1] - grid[0])), float(static[best])


def _chance(centred: Sequence[FloatArray], observed: float) -> float:
    rng = np.random.default_rng(SEED)
    pairs = sum((len(s) - 1) * s.shape[1] for s in centred)
    as_large = 0
    for _ in range(SHUFFLES):
        shuffled = [
            rng.permuted(s, axis=0) if s.size <= MOST_SHUFFLED else s[rng.permutation(len(s))]
            for s in centred
        ]
        total = sum(float(np.einsum("tj,tj->", s[:-1], s[1:])) for s in shuffled)
        as_large += int(total / pairs >= observed * (1 - 1e-9))  # equal but for rounding
    return (1 + as_large) / (1 + SHUFFLES)


# Where the variance of delays comes from: the worker, the round, or the cell itself.
#
# Two-way random effects, X[t, j] = m + round[t] + worker[j] + rest[t, j], without replication. With
# R rounds, n workers and the mean squares of the analysis of variance, E MS_worker = rest + R
# worker, E MS_round = rest + n round, E MS_rest = rest; the components are the solutions, those
# below zero set to zero. Several tables (one per load) are pooled: each has its own mean and
# effects, and sums of squares and degrees of freedom are added.
#
# Whether a component is there at all is asked by permutation, since delays are far from normal:
# worker effects by permuting each round among the workers, round effects by permuting each worker's
# delays among the rounds. In a large table rounds are put into groups, and a group's rounds are
# permuted alike: such orders are as likely as any where workers are alike, so the chance is still
# exact, and a group's sums are all that is shuffled. Of the pairs of rounds that tell of a worker,
# one in as many as there are groups is then the same in all shuffles, 4 % at most. A group's rounds
# lie far apart, so that memory counts as in a small table. Workers are grouped likewise.
#
# Source of the exactness under any group of permutations: Lehmann and Romano, Testing Statistical
# Hypotheses (2005), section 15.2.
#
# Source: Searle, Casella and McCulloch, Variance Components (1992), chapter 4.


@dataclass(frozen=True)
class Variance:
    """Variance components, and the chance of effects as large by permutation."""

    worker: float  # lasting differences between workers
    round: float  # differences between rounds that all workers share
    rest: float  # everything else
    worker_chance: float  # P(worker component this large | workers are alike)
    round_chance: float  # P(round component this large | rounds are alike)

    def share(self, component: str) -> float:
        """A component's share of the whole, 0 to 1."""
        whole = self.worker + self.round + self.rest
        return float(getattr(self, component)) / whole if whole > 0 else 0.0


def split_variance(tables: Sequence[FloatArray]) -> Variance | None:
    """Split the variance of ``(rounds, n)`` tables; ``None`` where none has 2 rounds of 2 workers.
    Cost: ``2 * SHUFFLES`` shuffles of the tables, or of sums beyond ``MOST_SHUFFLED`` delays."""
    tables = [table for table in tables if min(table.shape) >= 2]
    if not tables:
        return None
    worker, by_round, rest = components(tables)
    rng = np.random.default_rng(VARIANCE_SEED)
    chances = []
    for axis in (1, 0):
        groups = [grouped(t, 1 - axis) for t in tables]
        observed = _squares(groups, 1 - axis)
        shuffles = ([rng.permuted(t, axis=axis) for t in groups] for _ in range(SHUFFLES))
        as_large = sum(_squares(shuffled, 1 - axis) >= observed for shuffled in shuffles)
        chances.append((1 + as_large) / (1 + SHUFFLES))
    return Variance(worker, by_round, rest, *chances)


def grouped(
    table: FloatArray, axis: int, most: int = MOST_SHUFFLED, fewest: int = 25
) -> FloatArray:
    """Sums of a large table's rounds (axis 0) or workers (axis 1), with its sum of squares there.
    They are as ``most`` delays, or ``fewest`` groups."""
    if table.size <= most:
        return table
    rows = np.moveaxis(table - table.mean(), axis, 0)
    count = min(len(rows), max(fewest, most // rows.shape[1]))
    whole = len(rows) // count * count
    sums = rows[:whole].reshape(-1, count, rows.shape[1]).sum(axis=0)
    sums[: len(rows) - whole] += rows[whole:]
    return np.moveaxis(sums * np.sqrt(count / len(rows)), 0, axis)


def _squares(tables: Sequence[FloatArray], axis: int | None) -> float:
    """Sum of squares between workers (axis 0), between rounds (axis 1), or in all (``None``)."""
    total = 0.0
    for table in tables:
        centred = table - table.mean()
        means = centred if axis is None else centred.mean(axis=axis)
        total += (table.size // means.size) * float(np.sum(means**2))
    return total


@dataclass(frozen=True)
class Effects:
    """Which effects go around the base law."""

    worker: bool = False
    round: bool = False

    def __bool__(self) -> bool:
        return self.worker or self.round


NO_EFFECTS = Effects()


def trust(effect: float, noise: float) -> float:
    """The share of an estimated effect that is not noise; both are variances."""
    return effect / (effect + noise) if effect > 0 else 0.0


def components(tables: Sequence[FloatArray]) -> tuple[float, float, float]:
    """Variances of workers, of rounds, and of the rest; each table has at least 2 of both."""
    worker, by_round, total = (_squares(tables, axis) for axis in (0, 1, None))
    worker_free = sum(t.shape[1] - 1 for t in tables)
    round_free = sum(len(t) - 1 for t in tables)
    rest_free = sum((t.shape[1] - 1) * (len(t) - 1) for t in tables)
    rest = (total - worker - by_round) / rest_free
    rounds = sum(len(t) * (t.shape[1] - 1) for t in tables) / worker_free
    workers = sum(t.shape[1] * (len(t) - 1) for t in tables) / round_free
    worker, by_round = worker / worker_free - rest, by_round / round_free - rest
    return max(0.0, worker / rounds), max(0.0, by_round / workers), max(0.0, rest)


# Effects of workers and rounds on the ranks of delays: a Gaussian copula around any law.
#
# Each delay is replaced by the normal number of its rank among all of them, and the variance of
# these numbers is split as that of delays is. So a wall stays where it is, however much workers
# differ, and a delay that is a hundred times too long counts as the longest one.


def latent(tables: Sequence[FloatArray]) -> list[FloatArray]:
    """Normal numbers in the order of the delays, of all ``(rounds, n)`` tables together."""
    values = np.concatenate([table.ravel() for table in tables])
    numbers = special.ndtri((pd.Series(values).rank().to_numpy() - 0.5) / len(values))
    split = np.split(numbers, np.cumsum([table.size for table in tables])[:-1])
    return [own.reshape(table.shape) for own, table in zip(split, tables, strict=True)]


def rank_effects(tables: Sequence[FloatArray], effects: Effects, spells: bool) -> dict[str, Any]:
    """Fields of the model ``empirical``: ``ranks``, ``round``, ``spells`` and ``persistence``. The
    mean of each worker is shrunk towards 0 by the part of it that is noise, and counted in standard
    deviations of what a worker varies by itself; so are the shares, where there are ranks.
    ``(rounds, n)`` tables have at least 2 rounds of 2 workers."""
    numbers = latent(tables)
    of_worker, of_round, rest = components(numbers)
    own = max(of_round + rest if effects.worker else of_worker + of_round + rest, 1e-12)
    fields: dict[str, Any] = {}
    if effects.worker:
        means = np.mean([n.mean(axis=0) - n.mean() for n in numbers], axis=0)
        means = trust(of_worker, rest / sum(map(len, numbers))) * means
        fields["ranks"] = [rounded(rank, 4) for rank in means / np.sqrt(own)]
    left = 1.0
    if effects.round:
        fields["round"] = rounded(min(of_round / own, 0.9999), 4)
        left -= fields["round"]
    if spells:
        share, persistence = what_stays(numbers)
        fields["spells"] = float(np.floor(min(share / own, left) * 1e4) / 1e4)
        fields["persistence"] = rounded(persistence, 4)
    return fields


def what_stays(numbers: Sequence[FloatArray]) -> tuple[float, float]:
    """Variance of what stays with a worker for a while, and its correlation from round to round.
    The covariance of a worker's numbers l rounds apart is V + S r**l, with V of lasting
    differences; for each r on a grid, V >= 0 and S >= 0 follow by least squares."""
    lags = min(max(len(n) for n in numbers) * 2 // 3, 50)
    if lags < 2:
        return 0.0, 0.0
    centred = [n - n.mean(axis=1, keepdims=True) for n in numbers]
    covariance, pairs = pooled([lag_products(n, lags) for n in centred])
    decays = np.linspace(0.0, 0.99, 100)
    curves = decays[:, None] ** np.arange(1, lags + 1)
    shares, _, misfits = fading(covariance, pairs / pairs.sum(), curves)
    best = int(np.argmin(misfits.round(15)))
    return float(shares[best]), float(decays[best])
