"""What several figures say of the replications of a run."""

from __future__ import annotations

import numpy as np

from experiments.records.paired import ratio_interval
from experiments.reproduce.markdown import estimate
from sim.types import FloatArray


def standard_error(values: FloatArray) -> FloatArray:
    """Of the mean over the first axis: ``(R, ...) -> (...)``; NaN with fewer than two values."""
    if len(values) < 2:
        return np.full(values.shape[1:], np.nan)
    return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))


def mean_text(values: FloatArray) -> str:
    """Mean ± standard error of ``(R,)``; a dash when a replication has no value."""
    if np.isnan(values).any():
        return "–"
    return estimate(float(values.mean()), float(standard_error(values)))


def ratio(name: str, mine: FloatArray, base: FloatArray) -> dict[str, float]:
    """The paired ratio mine / base and the ends of its interval, as columns of a row."""
    middle, low, high = ratio_interval(mine, base)
    return {name: middle, f"{name}_low": low, f"{name}_high": high}
