"""The share of a task's time that does not grow with its load, if there clearly is one.

It is seen in the mean logarithm of a round's delays, which is log(f + (1 - f) d) and a constant
under ``partly_proportional``, however the workers' speeds differ. Some rounds are slow for
everybody, and some stretches of rounds are: so the standard error of the mean over T rounds is that
of the means of about sqrt(T) batches of successive rounds.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import isqrt

import numpy as np

from ....delay_models.base import FloatArray
from ...records.estimates import mean_and_error

CLEAR = 4.0
"""Standard errors; there may be few batches."""

FEWEST = 4
"""Batches."""


def fixed_share(tables: Mapping[float, FloatArray]) -> float | None:
    """f of ``{load: (rounds, n) seconds}``, above 0 and below 1.

    Returns:
        ``None`` unless the largest load clearly takes longer than the smallest one above 0, but
        clearly less per partition.
    """
    loads = np.array(sorted(load for load in tables if load > 0))
    if len(loads) < 2 or any(len(tables[d]) < FEWEST**2 or tables[d].min() <= 0 for d in loads):
        return None
    logs = [np.log(tables[load]).mean(axis=1) for load in loads]
    means = np.array([each.mean() for each in logs])
    clear = CLEAR * float(np.hypot(_error(logs[0]), _error(logs[-1])))
    grows = means[-1] - means[0]
    if not clear < grows < np.log(loads[-1] / loads[0]) - clear:
        return None
    slope, intercept = np.polyfit(loads, np.exp(means - means[0]), 1)
    share = float(intercept / (intercept + slope))
    return share if 0 < share < 1 else None


def _error(rounds: FloatArray) -> float:
    """Standard error of the mean of ``(T,)`` numbers, by batches."""
    batches = [batch.mean() for batch in np.array_split(rounds, isqrt(len(rounds)))]
    return mean_and_error(np.array(batches))[1]
