"""Metrics: the numbers that sum up a run, one value per replication.

Each metric stands here once, with its name, title and unit. The summary, the terminal's table, the
paired comparison, trade-off pictures and ``docs/results.md`` all read ``METRICS``.

To add a metric: one entry in ``_ALL``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from sim.types import FloatArray

if TYPE_CHECKING:
    import pandas as pd


class CellRecords(Protocol):
    """What is recorded of one cell."""

    @property
    def iterations(self) -> pd.DataFrame:
        """One row per replication and iteration; iteration 0 is the start."""

    @property
    def replications(self) -> pd.DataFrame:
        """One row per replication: numbers of the whole run."""


@dataclass(frozen=True)
class Metric:
    """A number that sums up a run.

    Attributes:
        name: the column in ``summary.parquet`` is ``<name>_mean``.
        title: what axes and reports call it.
        unit: ``s``, or empty for a number without a unit.
        meaning: one phrase for the documentation.
        of: the records of one cell -> ``(R,)``, or ``None`` where they do not hold it.
        heading: title of its column in the terminal; empty if it is not shown there.
        compared: whether the summary compares it with the first scheme, replication by replication.
    """

    name: str
    title: str
    unit: str
    meaning: str
    of: Callable[[CellRecords], FloatArray | None]
    heading: str = ""
    compared: bool = False

    @property
    def label(self) -> str:
        """Title and unit, for an axis."""
        return f"{self.title} ({self.unit})" if self.unit else self.title


def _mean(column: str) -> Callable[[CellRecords], FloatArray | None]:
    """Mean over a run's iterations; missing values (the start) are left out."""

    def of(records: CellRecords) -> FloatArray | None:
        if column not in records.iterations:
            return None
        return records.iterations.groupby("replication")[column].mean().to_numpy(np.float64)

    return of


def _final(column: str) -> Callable[[CellRecords], FloatArray | None]:
    """Value after the last iteration, also where it is not a number."""

    def of(records: CellRecords) -> FloatArray | None:
        if column not in records.iterations:
            return None
        runs = records.iterations.groupby("replication")[column]
        return runs.last(skipna=False).to_numpy(np.float64)

    return of


def _whole(column: str) -> Callable[[CellRecords], FloatArray | None]:
    """A number that is recorded once per run."""

    def of(records: CellRecords) -> FloatArray | None:
        if column not in records.replications:
            return None
        return records.replications[column].to_numpy(np.float64)

    return of


_ALL = (
    Metric(
        "iteration_time",
        "mean iteration time",
        "s",
        "mean time between the ends of two iterations",
        _mean("iteration_time"),
        heading="s / iteration",
        compared=True,
    ),
    Metric(
        "decoding_error",
        "mean decoding error",
        "",
        "mean over iterations of the squared norm of w - 1, w the partition weights",
        _mean("decoding_error"),
        heading="decoding error",
    ),
    Metric(
        "exact",
        "exact gradients",
        "",
        "share of the updates whose gradient was decoded exactly; only for codes of which that "
        "depends on the draw",
        _whole("exact"),
    ),
    Metric(
        "staleness",
        "mean staleness",
        "updates",
        "mean number of updates between the reading of a model and the use of its gradient; only "
        "where a scheme uses stale gradients or several updates an iteration",
        _mean("staleness"),
        heading="staleness",
    ),
    Metric(
        "final_train_loss",
        "final training loss",
        "",
        "training loss after the last iteration",
        _final("train_loss"),
        heading="train loss",
        compared=True,
    ),
    Metric(
        "final_test_loss",
        "final test loss",
        "",
        "test loss after the last iteration",
        _final("test_loss"),
        heading="test loss",
    ),
    Metric(
        "elapsed",
        "elapsed time",
        "s",
        "clock when the last iteration ended",
        _whole("elapsed"),
    ),
    Metric(
        "utilisation",
        "utilisation",
        "",
        "share of the elapsed time that a worker computes",
        _whole("utilisation"),
        heading="utilisation",
    ),
    Metric(
        "wasted",
        "wasted work",
        "",
        "share of the computing time that went into messages which missed their round",
        _whole("wasted"),
        heading="wasted",
    ),
    Metric(
        "dead",
        "time down",
        "",
        "share of the elapsed time that a worker is down; only with failures",
        _whole("dead"),
    ),
    Metric(
        "test_auc",
        "test AUC",
        "",
        "area under the ROC curve on the test rows after the last iteration; classification only",
        _whole("test_auc"),
        heading="test AUC",
    ),
    Metric(
        "time_to_target",
        "time to the target loss",
        "s",
        "time until `train_loss` is first at or below `target_loss`, over the replications that "
        "reach it; `target_reached` is their share",
        _whole("time_to_target"),
        heading="s to target",
        compared=True,
    ),
)

METRICS: Mapping[str, Metric] = {metric.name: metric for metric in _ALL}


def per_replication(records: CellRecords) -> dict[str, FloatArray]:
    """Every metric that the records of one cell hold: name -> ``(R,)``."""
    values = {name: metric.of(records) for name, metric in METRICS.items()}
    return {name: value for name, value in values.items() if value is not None}


def time_to_target(times: FloatArray, losses: FloatArray, target: float) -> FloatArray:
    """Seconds until the loss is first at or below ``target``.

    Args:
        times: ``(R, T + 1)`` when each loss was reached; the first column is the start.
        losses: ``(R, T + 1)``.
        target: the loss to reach.

    Returns:
        ``(R,)``; NaN where the target is never reached.
    """
    reached = losses <= target
    first = reached.argmax(axis=1)
    found = np.take_along_axis(times, first[:, None], axis=1)[:, 0]
    return np.where(reached.any(axis=1), found, np.nan)
