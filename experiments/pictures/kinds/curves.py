"""Many replications as one curve: losses on a common clock, bands, Pareto fronts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy.special import stdtrit

from ....sim.types import BoolArray, FloatArray
from ..looks import MUTED, shade
from ..shown import Band, Bars, Fill, legend_key

LOW, HIGH = 10, 90
"""The band of quantiles holds four of five replications."""

CONFIDENCE = 0.95

BANDS: dict[Band, str] = {
    "quantiles": "line: median; band: 10th to 90th percentile",
    "ci": "line: mean; band: 95 % confidence interval",
}
"""What a legend says of lines and bands."""


def band_key(note: str) -> Bars:
    """The entry of the legend that says what bands are."""
    return legend_key(Fill(shade(MUTED, 0.6), "", note))


@final
@dataclass(frozen=True, eq=False)
class Spread:
    """Replications summed up: the middle and the ends of a band, each ``(G,)``."""

    middle: FloatArray
    low: FloatArray
    high: FloatArray


def spread(values: FloatArray, band: Band) -> Spread:
    """Over the first axis of ``(R, G)``; a value that is not finite counts as infinite."""
    known = np.where(np.isfinite(values), values, np.inf)
    return _quantiles(known) if band == "quantiles" else _interval(known)


def _quantiles(known: FloatArray) -> Spread:
    low, middle, high = np.percentile(known, (LOW, 50, HIGH), axis=0, method="nearest")
    return Spread(middle, low, high)


def _interval(known: FloatArray) -> Spread:
    """Mean and Student's confidence interval of it; just the mean of a single replication."""
    count = len(known)
    middle = known.mean(axis=0)
    if count == 1:
        return Spread(middle, middle, middle)
    with np.errstate(invalid="ignore"):  # a spread around an infinite mean
        error = known.std(axis=0, ddof=1) / np.sqrt(count)
    half = stdtrit(count - 1, (1 + CONFIDENCE) / 2) * np.where(np.isfinite(error), error, 0.0)
    return Spread(middle, middle - half, middle + half)


def instants_of(times: FloatArray, points: int = 200) -> FloatArray:
    """Instants from 0 to the end of the fastest replication, ``(points + 1,)`` seconds.

    Args:
        times: ``(R, T + 1)`` when each iteration ended.
    """
    return np.linspace(0.0, float(times[:, -1].min()), points + 1)


def loss_at(times: FloatArray, losses: FloatArray, instants: FloatArray) -> FloatArray:
    """The loss of the newest model at each instant: ``(R, T + 1)`` twice and ``(G,) -> (R, G)``."""
    rows = [
        loss[np.searchsorted(time, instants, side="right") - 1]
        for time, loss in zip(times, losses, strict=True)
    ]
    return np.stack(rows)


def pareto(cost: FloatArray, loss: FloatArray) -> BoolArray:
    """The points that no other point beats in both: ``(P,)`` twice -> ``(P,)`` bool.

    Of equal points all are on the front; a point that is not finite never is.
    """
    finite = np.isfinite(cost) & np.isfinite(loss)
    no_worse = (cost[:, None] <= cost) & (loss[:, None] <= loss)
    better = (cost[:, None] < cost) | (loss[:, None] < loss)
    beaten = (no_worse & better & finite[:, None]).any(axis=0)
    return np.asarray(finite & ~beaten)
