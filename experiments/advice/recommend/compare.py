"""What runs take, and whom they hear: what is compared of them, how good it is, and how sure; and
what updates are worth."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
from scipy.special import bdtr, stdtrit

from ....sim.base.types import BoolArray, FloatArray, IntArray
from ....sim.training.steps import Steps, weights_of
from ...run.records import CONFIDENCE, mean_interval
from ..statistics.job import RARELY
from .request import Criterion

Order = tuple[float, float]  # how good values are, as ``order`` has it
ANYTHING: Order = (np.inf, np.inf)  # what every trial can match
Interval = tuple[float, float, float]  # a number and the ends of its interval
EQUAL_WITHIN = 1e-12  # relative: two means this close are equal, but for rounding


def statistic(values: FloatArray, criterion: Criterion) -> Any:
    """What is compared of ``(..., R)`` values: ``(...)``."""
    if criterion == "mean":
        return values.mean(axis=-1)
    return np.quantile(values, 0.5 if criterion == "median" else 0.95, axis=-1)


def order(values: FloatArray, criterion: Criterion = "mean") -> Order:
    """A key that sorts by what ``(R,)`` runs take, where a run that misses the goal (NaN) counts as
    later than all: by the criterion of all runs; after those of which it is not finite, by the
    median of all; and at last by how many miss, and what the others take."""
    # A number and not infinity, since quantiles multiply by 0 what they do not need.
    all_runs = np.where(np.isfinite(values), values, 1e200)
    for step, of in enumerate((criterion, "median")):
        if (value := float(statistic(all_runs, of))) < 1e100:
            return float(step), float(f"{value:.12g}")  # without the digits of rounding
    reached = values[np.isfinite(values)]
    missed = float(values.size - reached.size)
    return 1 + missed, float(statistic(reached, criterion)) if reached.size else np.inf


def half_interval(error: float, count: int, sure: float) -> float:
    """Half of the interval of the mean of ``count`` runs, which is known to a standard ``error``:
    Student's."""
    return float(stdtrit(count - 1.0, (1 + sure) / 2)) * error


@lru_cache(maxsize=8)
def _bootstrap(replications: int, samples: int = 400) -> IntArray:
    return np.random.default_rng(0).integers(0, replications, (samples, replications))


def ratio(
    mine: FloatArray,
    best: FloatArray,
    criterion: Criterion = "mean",
    sure: float = CONFIDENCE,
) -> Interval:
    """The criterion of mine over that of best with a paired interval, over the replications that
    both have; NaN where one misses the goal in any of them. The standard error is of the ratio's
    logarithm: of means by the first order of their errors, of quantiles by the bootstrap."""
    count = min(len(mine), len(best))
    mine, best = mine[:count], best[:count]
    if not ((mine > 0) & (best > 0) & np.isfinite(mine) & np.isfinite(best)).all():
        return np.nan, np.nan, np.nan
    middle = float(statistic(mine, criterion) / statistic(best, criterion))
    if count < 2:
        return middle, np.nan, np.nan
    if criterion == "mean":
        error = (mine / mine.mean() - best / best.mean()).std(ddof=1) / np.sqrt(count)
    else:
        logs = (np.log(statistic(values[_bootstrap(count)], criterion)) for values in (mine, best))
        error = np.subtract(*logs).std(ddof=1)
    half = half_interval(float(error), count, sure)
    return middle, middle * np.exp(-half), middle * np.exp(half)


def interval_of(values: FloatArray, criterion: Criterion) -> Interval:
    """The criterion of ``(R,)`` with a 95 % interval; NaN values are left out. The ends are NaN
    where all runs are the same."""
    known = values[~np.isnan(values)]
    if known.size < 2:
        return mean_interval(known)
    if np.ptp(known) == 0:
        return float(known[0]), np.nan, np.nan
    if criterion == "mean":
        error = float(known.std(ddof=1)) / np.sqrt(known.size)
    else:
        error = float(statistic(known[_bootstrap(known.size)], criterion).std(ddof=1))
    middle, half = float(statistic(known, criterion)), half_interval(error, known.size, CONFIDENCE)
    return middle, middle - half, middle + half


def behind(
    mine: FloatArray,
    best: FloatArray,
    criterion: Criterion = "mean",
    tail: float = 0.0,
    sure: float = 0.999,
) -> bool:
    """Whether a scheme is surely worse than the best: the paired interval of their ratio lies above
    1, or one misses the goal in over half of the replications that both have. ``tail``: seconds by
    which the best may be worse in a run too rare to be sure of having been seen; a mean counts that
    in. ``sure``: high, as one looks several times."""
    best = best[: len(mine)]
    both = np.isfinite(mine) & np.isfinite(best)
    if both.sum() < mine.size / 2:
        return True
    low = ratio(mine[both], best[both], criterion, sure)[1]
    unseen = tail * -np.log1p(-sure) / len(mine) if criterion == "mean" else 0.0
    ahead = float(statistic(mine[both], criterion) - statistic(best[both], criterion))
    return bool(low > 1 + EQUAL_WITHIN and ahead > unseen)


def decided_by(values: FloatArray) -> int:
    """How many runs make half of what the mean exceeds the median of ``(R,)`` by, if that is over
    5 % of it, and they are 4 % of the runs and 16 at most; 0: more do. Of exponential values, an
    eighth of the runs would."""
    middle = float(np.median(values))
    if not np.isfinite(values).all() or values.mean() <= 1.05 * middle:
        return 0
    beyond = np.sort(np.maximum(values - middle, 0))[::-1]
    count = 1 + int(np.searchsorted(np.cumsum(beyond), beyond.sum() / 2))
    return count if count <= min(16, max(1, 0.04 * len(values))) else 0


def hearing(steps: Steps, by_chance: float = 1e-3) -> dict[str, Any]:
    """``least_heard``, ``coverage`` and ``covered`` of a candidate. Not covered: some partition is
    in fewer updates than ``RARELY`` of what a mean one is in, unless chance does that to one of
    them with more than the probability ``by_chance``; in all replications together, or in more than
    5 % of them, and more than two: one or two of eight prove nothing, and who is dropped for it
    does not come back."""
    if steps.shares is None:
        return {"least_heard": np.nan, "coverage": np.nan, "covered": True}
    updates, shares = steps.times.shape[1], np.nan_to_num(steps.shares, nan=1.0)

    def rarely(shares: FloatArray, updates: int) -> BoolArray:
        usual, least = shares.mean(axis=-1), shares.min(axis=-1)
        chance = shares.shape[-1] * bdtr(np.rint(least * updates), updates, np.minimum(usual, 1.0))
        return np.asarray((least < RARELY * usual) & (chance < by_chance))

    all_runs = shares.mean(axis=0)
    least, together = float(all_runs.min()), rarely(all_runs, updates * len(shares))
    rare_runs = rarely(shares, updates).sum()
    return {
        "least_heard": least,
        "coverage": least / max(float(all_runs.mean()), 1e-300),
        "covered": not (together or rare_runs > max(0.05 * len(shares), 2)),
    }


# Let the k partition gradients be orthogonal and equally long. Along a decoded gradient with
# partition weights w, the best step makes (E sum w)^2 / (k E sum w^2) of the progress of an exact
# gradient: for unbiased weights 1 / (1 + E||w - 1||^2 / k), for r of n workers r / n, for
# ErasureHead the share of groups that were heard. A gradient that is s updates old takes s updates
# more: L (s + rho) / mu instead of L rho / mu, for a growth rho of the gradients. So an update
# counts 1 / (rho + s) exact iterations, with rho the inverse of the share above.
def exact_iterations(steps: Steps, partitions: int, exact: bool, first: int = 0) -> FloatArray:
    """Exact iterations that a mean update of each replication counts, from the update ``first`` on,
    ``(R,)``; ``exact``: every update is known to be exact. A measure where nothing is trained, and
    no promise: real partitions are neither orthogonal nor equal. Of many updates, a thousand are
    looked at. Source: Stich and Karimireddy, The Error-Feedback Framework, arXiv 1909.05350, for
    staleness."""
    replications, updates = steps.times.shape
    stale = steps.staleness
    staleness = np.zeros(replications) if stale is None else stale[:, first:].mean(axis=1)
    if exact:
        return np.asarray(1 / (1 + staleness))
    count = min(updates - first, 1000)
    looked_at = np.unique(np.linspace(first, updates - 1, count).astype(np.int64))
    sums, squares = np.zeros(replications), np.zeros(replications)
    for u in looked_at:
        weights = weights_of(steps.step(int(u)), partitions)
        if weights is None:  # held gradients: only the error of what they add up to is known
            error = steps.error[:, first:].mean(axis=1)
            return np.asarray(1 / (1 + error / partitions + staleness))
        sums += weights.sum(axis=1)
        squares += np.square(weights).sum(axis=1)
    sums, squares = sums / len(looked_at), squares / len(looked_at)
    with np.errstate(divide="ignore", invalid="ignore"):
        growth = np.where(sums > 0, partitions * squares / sums**2, np.inf)
    return np.asarray(1 / (growth + staleness))
