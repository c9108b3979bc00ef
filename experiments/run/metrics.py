"""Metrics: the numbers that sum up a run, one value per replication. Each metric stands here once,
with its name, title and unit. The summary, the terminal's table, the paired comparison, trade-off
pictures and ``docs/results.md`` all read ``METRICS``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from ...sim.base.types import FloatArray, registry

if TYPE_CHECKING:
    import pandas as pd


class CellRecords(Protocol):
    """The records of one cell."""

    @property
    def iterations(self) -> pd.DataFrame:
        """One row per replication and iteration; iteration 0 is the start."""

    @property
    def replications(self) -> pd.DataFrame:
        """One row per replication, with numbers of the whole run."""


ZERO_TOLERANCE = 1e-12  # Round-off of a zero that is the difference of two sums of the order of 1

Of = Callable[[CellRecords], FloatArray | None]


@dataclass(frozen=True)
class Metric:
    """A number that sums up a run."""

    name: str  # the column in ``summary.parquet`` is ``<name>_mean``
    title: str  # what axes and reports call it
    unit: str  # ``s``, or empty for a number without a unit
    of: Of  # the records of one cell -> ``(R,)``, or ``None`` where they do not hold it
    meaning: str  # one phrase for the documentation
    heading: str = ""  # title of its column in the terminal; empty if it is not shown there
    reported: bool = False  # whether the report's table shows it without a heading in the terminal
    # Whether the summary compares it with the first scheme, replication by replication.
    compared: bool = False
    rounding: float = 0.0  # a mean below this is round-off, and shown as zero

    @property
    def label(self) -> str:
        """Title and unit, for an axis."""
        return f"{self.title} ({self.unit})" if self.unit else self.title

    def estimate(self, row: Mapping[Any, Any]) -> tuple[float, float]:
        """Mean and standard error of a row of the summary, without round-off."""
        mean, error = float(row[f"{self.name}_mean"]), float(row[f"{self.name}_se"])
        if abs(mean) < self.rounding:
            return 0.0, error if np.isnan(error) else 0.0
        return mean, 0.0 if error < ZERO_TOLERANCE * abs(mean) else error

    def late(self, row: Mapping[Any, Any]) -> str:
        """In place of a mean where some runs do not reach the target: ``> 117 in 2 of 16``, the
        seconds at which the first of them ended; empty where all do, and of other metrics."""
        share = row.get("target_reached", 1.0) if self.name == "time_to_target" else 1.0
        missed = round((1 - share) * row["replications"])
        if not missed:
            return ""
        return f"> {row['time_to_target_above']:.4g} in {missed} of {row['replications']}"

    def without_mean(self, row: Mapping[Any, Any]) -> str:
        """In place of the mean where iteration times have none: ``median 2.7, no mean``; or ""."""
        if self.name != "iteration_time" or np.isnan(row.get("iteration_time_median", np.nan)):
            return ""
        return f"median {row['iteration_time_median']:.4g}, no mean"

    def median(self, row: Mapping[Any, Any]) -> str:
        """The median over all runs, in parentheses; empty where the row has none."""
        median = row.get(f"{self.name}_median") if self.name == "time_to_target" else None
        return "" if median is None else f" ({median:.4g})" if median < np.inf else " (not reached)"

    def in_words(self, row: Mapping[Any, Any], mean: str) -> str:
        """A row's mean, or what stands in its place, and its median."""
        return (self.late(row) or self.without_mean(row) or mean) + self.median(row)

    def rounded(self, mean: float) -> float:
        """A mean without round-off: it is zero."""
        return 0.0 if abs(mean) < self.rounding else mean


def _mean(column: str) -> Of:
    """Mean over a run's iterations; missing values (the start) are left out."""
    return lambda records: _per_run(records, column, lambda runs: runs.mean())


def _final(column: str) -> Of:
    """Value after the last iteration, also where it is not a number."""
    return lambda records: _per_run(records, column, lambda runs: runs.last(skipna=False))


def _per_run(records: CellRecords, column: str, of: Callable[[Any], Any]) -> FloatArray | None:
    if column not in records.iterations:
        return None
    return np.asarray(of(records.iterations.groupby("replication")[column]), dtype=np.float64)


def _whole(column: str) -> Of:
    def of(records: CellRecords) -> FloatArray | None:
        table = records.replications
        return table[column].to_numpy(np.float64) if column in table else None

    return of


def _iteration_time(records: CellRecords) -> FloatArray | None:
    whole = _whole("iteration_time")(records)
    return _mean("iteration_time")(records) if whole is None else whole


METRICS: Mapping[str, Metric] = registry(
    "name",
    Metric("iteration_time", "mean iteration time", "s", _iteration_time,
        "mean time of n gradients: between the ends of two iterations, or where an update is of "
        "another number of gradients, the elapsed time over all that were used",
        heading="s / iteration", compared=True),
    Metric("decoding_error", "mean decoding error", "", _mean("decoding_error"),
        "mean over iterations of the squared norm of w - 1, w the partition weights",
        heading="decoding error", rounding=ZERO_TOLERANCE),
    Metric("exact", "exact gradients", "", _whole("exact"),
        "share of the updates whose gradient was decoded exactly; only for codes whose "
        "exactness depends on who arrives"),
    Metric("least_heard", "least heard", "", _whole("least_heard"),
        "the share of updates that hold the gradient of the least heard partition; 0: some data "
        "are never heard",
        reported=True),
    Metric("staleness", "mean staleness", "updates", _mean("staleness"),
        "mean number of updates between the reading of a model and the use of its gradient; only "
        "where a scheme uses stale gradients or several updates an iteration",
        heading="staleness"),
    Metric("final_train_loss", "final training loss", "", _final("train_loss"),
        "training loss after the last iteration",
        heading="train loss", compared=True),
    Metric("final_test_loss", "final test loss", "", _final("test_loss"),
        "test loss after the last iteration",
        heading="test loss"),
    Metric("final_test_accuracy", "final test accuracy", "", _final("test_accuracy"),
        "share of the test rows whose class is right, after the last iteration; only where a loss "
        "has classes",
        heading="test accuracy"),
    Metric("elapsed", "elapsed time", "s", _whole("elapsed"),
        "clock when the last iteration ended"),
    Metric("utilisation", "utilisation", "", _whole("utilisation"),
        "share of the elapsed time that a worker computes",
        heading="utilisation"),
    Metric("wasted", "wasted work", "", _whole("wasted"),
        "share of the computing time spent on messages that missed their round",
        heading="wasted", rounding=ZERO_TOLERANCE),
    Metric("dead", "time down", "", _whole("dead"),
        "share of the elapsed time that a worker is down; only with failures"),
    Metric("test_auc", "test AUC", "", _whole("test_auc"),
        "area under the ROC curve on the test rows after the last iteration; classification only",
        heading="test AUC"),
    Metric("time_to_target", "time to the target loss", "s", _whole("time_to_target"),
        "time until `train_loss` is first at or below `target_loss`; empty unless all replications "
        "reach it, so see `time_to_target_median` below",
        heading="s to target (median)", compared=True),
)  # fmt: skip


def per_replication(records: CellRecords) -> dict[str, FloatArray]:
    """Every metric that the records of one cell hold: name -> ``(R,)``."""
    values = {name: metric.of(records) for name, metric in METRICS.items()}
    return {name: value for name, value in values.items() if value is not None}


def time_to_target(times: FloatArray, losses: FloatArray, target: float) -> FloatArray:
    """Seconds until the loss is first at or below ``target``: ``(R, T + 1)`` times and losses, the
    start first, -> ``(R,)``; NaN where it never is."""
    reached = losses <= target
    seconds = np.take_along_axis(times, reached.argmax(axis=1)[:, None], axis=1)[:, 0]
    return np.where(reached.any(axis=1), seconds, np.nan)
