"""How two candidates are compared: what they take, with intervals, and whether one is behind."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from scipy.special import ndtri

from ...sim.types import FloatArray, IntArray
from ..options import Criterion
from ..run.records import CONFIDENCE, mean_interval
from .question import typical
from .scenario import LAW, Evidence

SURE = 0.999  # confidence with which a candidate is dropped early: it is looked at several times
NO_DIFFERENCE = 1e-12  # relative: two means this close are equal, but for rounding
SAMPLES = 400  # bootstrap samples of the replications, always the same ones
FEW = 16  # so few runs decide a mean by chance
# A mean that is this many times the median is decided by rare runs, if they are such a share; of
# exponential values, it would be an eighth.
ABOVE, RARE = 1.05, 0.04


@lru_cache(maxsize=8)
def _samples(replications: int) -> IntArray:
    return np.random.default_rng(0).integers(0, replications, (SAMPLES, replications))


def ratio(
    mine: FloatArray,
    best: FloatArray,
    criterion: Criterion = "mean",
    sure: float = CONFIDENCE,
    evidence: Evidence = LAW,
) -> tuple[float, float, float]:
    """The criterion of mine over that of best with a paired interval, over the replications that
    both have; NaN where one misses the goal in any of them. The standard error is of the ratio's
    logarithm: of means by the first order of their errors, of quantiles by the bootstrap.
    ``evidence``: what the runs are drawn from."""
    count = min(len(mine), len(best))
    mine, best = mine[:count], best[:count]
    if not ((mine > 0) & (best > 0) & np.isfinite(mine) & np.isfinite(best)).all():
        return np.nan, np.nan, np.nan
    middle = float(typical(mine, criterion) / typical(best, criterion))
    if count < 2:
        return middle, np.nan, np.nan
    if criterion == "mean":
        error = (mine / mine.mean() - best / best.mean()).std(ddof=1) / np.sqrt(count)
    else:
        logs = (np.log(typical(values[_samples(count)], criterion)) for values in (mine, best))
        error = np.subtract(*logs).std(ddof=1)
    half = evidence.half(float(error), count, sure)
    return middle, middle * np.exp(-half), middle * np.exp(half)


def estimate(
    values: FloatArray, criterion: Criterion, evidence: Evidence = LAW
) -> tuple[float, float, float]:
    """The criterion of ``(R,)`` with a 95 % interval; NaN values are left out. Of a table's mean,
    the upper end is as much higher as the runs are skewed: where few rounds are slow, a table that
    has too few of them looks both quick and sure. Source: Johnson, JASA 73 (1978), as in Hall, JRSS
    B 54 (1992)."""
    known = values[~np.isnan(values)]
    if known.size < 2:
        return mean_interval(known)
    more = 0.0
    if criterion == "mean":
        error = float(known.std(ddof=1)) / np.sqrt(known.size)
        if evidence.rounds and error > 0:
            spread, z = float(known.std()) * evidence.scale, ndtri((1 + CONFIDENCE) / 2)
            skewed = float(np.mean((known - known.mean()) ** 3)) / known.std() ** 3 * evidence.scale
            more = max(0.0, skewed) * (1 + 2 * z**2) / 6 * spread
    else:
        error = float(typical(known[_samples(known.size)], criterion).std(ddof=1))
    middle, half = float(typical(known, criterion)), evidence.half(error, known.size, CONFIDENCE)
    return middle, middle - half, middle + half + more


def optimism(values: FloatArray, evidence: Evidence) -> float:
    """Seconds by which the least mean of ``(K, R)`` runs of K schemes is too low on average, since
    the same table chose it: what the least of a run is below that scheme's mean, with runs that
    vary as tables do. Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), 17."""
    middle = values.mean(axis=1, keepdims=True)
    tables = middle + (values - middle) * evidence.scale
    best = tables.argmin(axis=0)
    return float((middle[best, 0] - tables.min(axis=0)).mean())


def behind(
    mine: FloatArray,
    best: FloatArray,
    criterion: Criterion = "mean",
    tail: float = 0.0,
    evidence: Evidence = LAW,
) -> bool:
    """Whether a scheme is surely worse than the best: the paired interval of their ratio lies above
    1, or one misses the goal in over half of the replications that both have. ``tail``: seconds by
    which the best may be worse in a run too rare to be sure of having been seen; a mean counts that
    in. ``evidence``: what the runs are drawn from."""
    best = best[: len(mine)]
    there = np.isfinite(mine) & np.isfinite(best)
    if there.sum() < mine.size / 2:
        return True
    low = ratio(mine[there], best[there], criterion, SURE, evidence)[1]
    unseen = tail * -np.log1p(-SURE) / len(mine) if criterion == "mean" else 0.0
    ahead = float(typical(mine[there], criterion) - typical(best[there], criterion))
    return bool(low > 1 + NO_DIFFERENCE and ahead > unseen)


def decided_by(values: FloatArray) -> int:
    """How many runs make half of what the mean exceeds the median of ``(R,)`` by; 0: many do."""
    middle = float(np.median(values))
    if not np.isfinite(values).all() or values.mean() <= ABOVE * middle:
        return 0
    beyond = np.sort(np.maximum(values - middle, 0))[::-1]
    count = 1 + int(np.searchsorted(np.cumsum(beyond), beyond.sum() / 2))
    return count if count <= min(FEW, max(1, RARE * len(values))) else 0
