"""Who is better: values of two schemes on common delays, replication by replication."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import stdtrit

from ...sim.types import FloatArray
from ..run.records import ratio_interval

SURE = 0.999
"""Confidence with which a scheme is dropped before the end: it is looked at several times."""

NO_DIFFERENCE = 1e-12
"""Relative: two means this close are equal, but for rounding."""


def mean(values: FloatArray) -> float:
    """Mean of ``(R,)``; infinite where a replication does not reach the goal: a mean over those
    that do would flatter."""
    return float(values.mean()) if np.isfinite(values).all() else np.inf


def order(values: FloatArray) -> tuple[float, float]:
    """A key that sorts: how many replications do not reach the goal, and the mean of those that
    do."""
    there = values[np.isfinite(values)]
    return float(values.size - there.size), float(there.mean()) if there.size else np.inf


def leader(values: Mapping[int, FloatArray]) -> int:
    """The best of several ``(R,)``; of equal ones the first."""
    return min(values, key=lambda place: order(values[place]))


def behind(mine: FloatArray, best: FloatArray) -> bool:
    """Whether a scheme is surely worse than the best: the paired interval of the mean difference
    of logarithms lies above 0, or it is not there in more than half of the replications."""
    there = np.isfinite(mine) & np.isfinite(best)
    if there.sum() < mine.size / 2:
        return True
    logs = _logs(mine[there], best[there])
    if logs.size < 2:
        return False
    half = stdtrit(logs.size - 1, (1 + SURE) / 2) * logs.std(ddof=1) / np.sqrt(logs.size)
    return bool(logs.mean() - half > NO_DIFFERENCE)


def ratio(mine: FloatArray, best: FloatArray) -> tuple[float, float, float]:
    """Geometric mean of mine over best, with a 95 % interval; NaN where one is not always there."""
    if not (np.isfinite(mine).all() and np.isfinite(best).all()):
        return (np.nan, np.nan, np.nan)
    return ratio_interval(mine, best)


def tied(mine: FloatArray, best: FloatArray) -> bool:
    """Whether the 95 % interval of the ratio does not exclude that a scheme is as good."""
    _, low, _ = ratio(mine, best)
    return bool(low <= 1 + NO_DIFFERENCE)


def _logs(a: FloatArray, b: FloatArray) -> FloatArray:
    kept = (a > 0) & (b > 0)
    return np.asarray(np.log(a[kept]) - np.log(b[kept]))
