"""Many replications as one curve: losses on a common clock, medians and bands, Pareto fronts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sim.types import BoolArray, FloatArray

LOW, HIGH = 10, 90
"""The band holds four of five replications."""

BAND = "line: median over replications; band: 10th to 90th percentile"


@final
@dataclass(frozen=True, eq=False)
class Band:
    """Median and band over replications, each ``(G,)``."""

    median: FloatArray
    low: FloatArray
    high: FloatArray


def band(values: FloatArray) -> Band:
    """Over the first axis of ``(R, G)``; a value that is not finite counts as infinite."""
    known = np.where(np.isfinite(values), values, np.inf)
    low, median, high = np.percentile(known, (LOW, 50, HIGH), axis=0, method="nearest")
    return Band(median, low, high)


def clock(times: FloatArray, points: int = 200) -> FloatArray:
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
