"""Paired comparison: all schemes read one tape, so their differences are measured per replication.

Noise that both schemes share (a slow round is slow for all) cancels in the difference, which
makes intervals narrower than those of two independent samples.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from sim.types import FloatArray

METRICS = ("iteration_time", "time_to_target", "final_train_loss")
"""Per-replication columns that are compared."""

CONFIDENCE = 0.95


def comparison(mine: pd.DataFrame, base: pd.DataFrame) -> dict[str, float]:
    """Compare two cells of one tape, replication by replication.

    Args:
        mine: one row per replication.
        base: the same for the scheme that others are compared with.

    Returns:
        For each metric that both have: ``<metric>_difference`` (mine minus base, in the metric's
        unit), ``<metric>_ratio`` (geometric mean of mine over base), each with ``_low`` and
        ``_high``, the ends of a 95 % confidence interval; NaN with fewer than two replications
        that have the metric in both.
    """
    columns: dict[str, float] = {}
    for metric in METRICS:
        if metric in mine and metric in base:
            a, b = mine[metric].to_numpy(np.float64), base[metric].to_numpy(np.float64)
            columns |= _named(f"{metric}_difference", mean_interval(a - b))
            columns |= _named(f"{metric}_ratio", ratio_interval(a, b))
    return columns


def mean_interval(values: FloatArray) -> tuple[float, float, float]:
    """Mean and Student's confidence interval of independent values; NaN values are left out."""
    known = values[~np.isnan(values)]
    if known.size < 2:
        return (float(known.mean()) if known.size else np.nan, np.nan, np.nan)
    quantile = stdtrit(known.size - 1, (1 + CONFIDENCE) / 2)
    half = quantile * known.std(ddof=1) / np.sqrt(known.size)
    return float(known.mean()), float(known.mean() - half), float(known.mean() + half)


def ratio_interval(a: FloatArray, b: FloatArray) -> tuple[float, float, float]:
    """Geometric mean of a/b and its interval, from the logarithms; NaN where either is <= 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where((a > 0) & (b > 0), np.log(a) - np.log(b), np.nan)
    middle, low, high = mean_interval(logs)
    return float(np.exp(middle)), float(np.exp(low)), float(np.exp(high))


def _named(name: str, interval: tuple[float, float, float]) -> dict[str, float]:
    middle, low, high = interval
    return {name: middle, f"{name}_low": low, f"{name}_high": high}
