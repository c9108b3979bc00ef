"""Means over replications, with their errors and confidence intervals."""

from __future__ import annotations

import numpy as np
from scipy.special import stdtrit

from ...sim.types import FloatArray

CONFIDENCE = 0.95


def mean_and_error(values: FloatArray) -> tuple[float, float]:
    """Mean of ``(R,)`` and its standard error, NaN values left out.

    The error is NaN with fewer than two values, and so is the mean of none.
    """
    known = values[~np.isnan(values)]
    if known.size < 2:
        return (float(known[0]) if known.size else np.nan), np.nan
    with np.errstate(invalid="ignore"):  # a loss can be infinite; its error is then NaN
        return float(known.mean()), float(known.std(ddof=1) / np.sqrt(known.size))


def mean_interval(values: FloatArray) -> tuple[float, float, float]:
    """Mean and Student's confidence interval of independent values; NaN values are left out."""
    known = values[~np.isnan(values)]
    if known.size < 2:
        return (*mean_and_error(known), np.nan)
    quantile = stdtrit(known.size - 1, (1 + CONFIDENCE) / 2)
    with np.errstate(invalid="ignore"):
        half = quantile * known.std(ddof=1) / np.sqrt(known.size)
        return float(known.mean()), float(known.mean() - half), float(known.mean() + half)


def ratio_interval(a: FloatArray, b: FloatArray) -> tuple[float, float, float]:
    """Geometric mean of a/b and its interval, from the logarithms; NaN where either is <= 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where((a > 0) & (b > 0), np.log(a) - np.log(b), np.nan)
    middle, low, high = mean_interval(logs)
    return float(np.exp(middle)), float(np.exp(low)), float(np.exp(high))


def interval_columns(name: str, interval: tuple[float, float, float]) -> dict[str, float]:
    """An interval as columns of a row: ``name``, ``name_low`` and ``name_high``."""
    middle, low, high = interval
    return {name: middle, f"{name}_low": low, f"{name}_high": high}
