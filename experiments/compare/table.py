"""The numbers of a comparison, one row for each scheme."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ...sim.types import FloatArray
from ..records.estimates import CONFIDENCE, interval_columns
from .pairs import Pair


def ratio_of_means(a: FloatArray, b: FloatArray) -> tuple[float, float, float]:
    """Mean of b over mean of a, for pairs ``(N,)``, and its 95 % interval.

    The interval is that of the ratio estimator: with q the ratio, the error of b - q a over the
    mean of a. Pairs are taken as independent, which iterations are where delays are independent and
    stragglers are cancelled; else the interval is too narrow.

    Source: Cochran, Sampling Techniques, section 6.3.
    """
    ratio = float(b.mean() / a.mean())
    if a.size < 2:
        return ratio, np.nan, np.nan
    error = (b - ratio * a).std(ddof=1) / np.sqrt(a.size) / a.mean()
    half = float(stdtrit(a.size - 1, (1 + CONFIDENCE) / 2) * error)
    return ratio, ratio - half, ratio + half


def comparison_table(pairs: Sequence[Pair]) -> pd.DataFrame:
    """One row per scheme and point of the sweep; see ``docs/results.md``."""
    return pd.DataFrame([_row(pair) for pair in pairs])


def _row(pair: Pair) -> dict[str, object]:
    a, b = (side["iteration_time"][:, 1:] for side in (pair.first, pair.second))
    with np.errstate(invalid="ignore", divide="ignore"):
        numbers = {
            "first": float(a.mean()),
            "second": float(b.mean()),
            "difference": float((b - a).mean()),
            **interval_columns("ratio", ratio_of_means(a.ravel(), b.ravel())),
            "correlation": _correlation(a.ravel(), b.ravel()),
        }
        if "train_loss" in pair.first:
            apart = np.abs(pair.first["train_loss"] - pair.second["train_loss"])
            numbers["loss_difference"] = float(apart.max())
    r, t = a.shape
    return {
        "label": pair.label,
        "scheme": pair.scheme,
        **pair.swept,
        "replications": r,
        "iterations": t,
        **numbers,
    }


def _correlation(a: FloatArray, b: FloatArray) -> float:
    """Of Pearson; NaN where one of them is constant."""
    if a.size < 2 or np.ptp(a) == 0 or np.ptp(b) == 0:
        return float("nan")
    return float(np.corrcoef(a, b)[0, 1])
