"""From cells to the tables of a run: means with their errors, and paired differences."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from ...sim.metrics import METRICS, per_replication
from ...sim.types import FloatArray
from ..config.cells import Cell
from .compute import CellResult

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


COMPARED = sorted((m for m in METRICS.values() if m.compared), key=lambda m: m.unit != "s")
"""Seconds first."""


def comparison(mine: Mapping[str, FloatArray], base: Mapping[str, FloatArray]) -> dict[str, float]:
    """Compare two cells of one tape, replication by replication.

    Noise that both schemes share (a slow round is slow for all) cancels in the difference, which
    makes intervals narrower than those of two independent samples.

    Args:
        mine: metrics by name, ``(R,)`` each.
        base: the same for the scheme that others are compared with.

    Returns:
        For each compared metric that both have: ``<metric>_difference`` (mine minus base, in the
        metric's unit), ``<metric>_ratio`` (geometric mean of mine over base), each with ``_low``
        and ``_high``, the ends of a 95 % confidence interval; NaN with fewer than two replications
        that have the metric in both.
    """
    row: dict[str, float] = {}
    for metric in COMPARED:
        a, b = mine.get(metric.name), base.get(metric.name)
        if a is not None and b is not None:
            row |= interval_columns(f"{metric.name}_difference", mean_interval(a - b))
            row |= interval_columns(f"{metric.name}_ratio", ratio_interval(a, b))
    return row


Finished = tuple[Cell, CellResult]


def iterations_table(finished: Sequence[Finished]) -> pd.DataFrame:
    """One row per cell, replication and iteration, in the config's order.

    Columns: cell, scheme, label, replication, iteration, time, iteration_time, arrived,
    recovered, decoding_error, staleness, updates (where any cell has them), dead, train_loss,
    test_loss, then one per swept key. Times are seconds.
    """
    return _labelled(finished, [result.iterations for _, result in _alike(finished)])


def workers_table(finished: Sequence[Finished]) -> pd.DataFrame:
    """One row per cell and worker: who delayed us.

    Columns: cell, scheme, label, worker, utilisation, wasted, last (share of rounds that this
    worker's message ended), cost (seconds per run between its message and the one before, summed
    over those rounds), dead (share of the time, with failures), then one per swept key.
    """
    return _labelled(finished, [result.workers for _, result in finished])


def summary_table(finished: Sequence[Finished]) -> pd.DataFrame:
    """One row per cell: means and standard errors over replications, and paired comparisons.

    ``*_se`` is NaN with a single replication. ``time_to_target_mean`` is over the replications
    that reach the target; ``target_reached`` is their share. ``*_difference`` and ``*_ratio``
    compare with the first scheme of the same point of the grid: see ``experiments.run.records``.
    """
    metrics = {cell.key: per_replication(result) for cell, result in _alike(finished)}
    first = {cell.point: cell.key for cell, _ in reversed(finished)}
    rows = [
        {
            **_identity(cell),
            **swept,
            "workers": cell.settings.workers,
            "iterations": int(result.iterations["iteration"].max()),
            "replications": len(result.replications),
            **_statistics(metrics[cell.key]),
            **_costliest(result.workers),
            **_conditioning(result),
            **comparison(metrics[cell.key], metrics[first[cell.point]]),
        }
        for (cell, result), swept in zip(finished, _swept(finished), strict=True)
    ]
    return pd.DataFrame(rows)


def _alike(finished: Sequence[Finished]) -> Sequence[Finished]:
    """Staleness and updates in all cells or in none.

    A cell records them only if its gradients can be stale or its iterations have several updates.
    Beside such a cell, the others have staleness 0 and one update an iteration.
    """
    if not any("staleness" in result.iterations for _, result in finished):
        return finished
    return [
        (cell, replace(result, iterations=_fresh(result.iterations))) for cell, result in finished
    ]


def _fresh(iterations: pd.DataFrame) -> pd.DataFrame:
    """The same rows with staleness 0 and one update each, unless they say otherwise."""
    if "staleness" in iterations or "decoding_error" not in iterations:
        return iterations
    ended = iterations["iteration"] > 0
    place = list(iterations.columns).index("decoding_error") + 1
    frame = iterations.copy()
    frame.insert(place, "staleness", np.where(ended, 0.0, np.nan))
    frame.insert(place + 1, "updates", pd.Series(1, frame.index, dtype="Int64").where(ended))
    return frame


def _identity(cell: Cell) -> dict[str, str]:
    return {"cell": cell.key, "scheme": cell.scheme["name"], "label": cell.label}


def _labelled(finished: Sequence[Finished], frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """One frame per cell as one table: who the rows are of in front, swept keys at the end."""
    cells = pd.DataFrame([_identity(cell) for cell, _ in finished])
    swept = pd.DataFrame(_swept(finished), index=cells.index)
    rows = np.repeat(cells.index, [len(frame) for frame in frames])
    parts = [cells.take(rows), pd.concat(frames), swept.take(rows)]
    return pd.concat([part.reset_index(drop=True) for part in parts], axis=1)


def _swept(finished: Sequence[Finished]) -> list[dict[str, Any]]:
    """Each cell's values of the grid; a column of sections, or of several kinds, is JSON."""
    columns: dict[str, list[Any]] = {}
    for cell, _ in finished:
        for key, value in cell.swept.items():
            columns.setdefault(key, []).append(value)
    as_text = {key for key, values in columns.items() if not _of_one_kind(values)}
    return [
        {k: json.dumps(v, sort_keys=True) if k in as_text else v for k, v in cell.swept.items()}
        for cell, _ in finished
    ]


def _of_one_kind(values: Sequence[Any]) -> bool:
    """Whether a table's column can hold them: truth values, numbers, or texts, or absent."""
    known = [value for value in values if value is not None]
    numbers = all(type(v) is float or (type(v) is int and abs(v) < 2**63) for v in known)
    return numbers or any(all(type(v) is kind for v in known) for kind in (bool, str))


def _costliest(workers: pd.DataFrame) -> dict[str, float]:
    """The worker whose lateness cost most: its index, share of rounds ended, seconds per run."""
    if workers.empty:
        return {}
    worst = workers.iloc[int(np.argmax(workers["cost"].to_numpy()))]
    return {
        "costliest_worker": int(worst["worker"]),
        "costliest_worker_last": float(worst["last"]),
        "costliest_worker_cost": float(worst["cost"]),
    }


def _conditioning(result: CellResult) -> dict[str, float]:
    """What rounding makes of the code, for codes with coefficients."""
    if result.conditioning is None:
        return {}
    return {f"code_{name}": value for name, value in asdict(result.conditioning).items()}


def _statistics(metrics: Mapping[str, FloatArray]) -> dict[str, float]:
    """Mean and standard error of each metric."""
    statistics: dict[str, float] = {}
    for name, values in metrics.items():
        statistics[f"{name}_mean"], statistics[f"{name}_se"] = mean_and_error(values)
        if name == "time_to_target":
            statistics["target_reached"] = float(np.mean(~np.isnan(values)))
    return statistics
