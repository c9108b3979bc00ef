"""Mini-batch times of jobs on Alibaba's PAI: columns worker, time, batch_time_norm.

``time`` is when a sample was taken, every ten seconds. A sample shows the worker's latest
mini-batch, so that it repeats until there is a new one (sample and hold): a repeated value is no
new measurement. Times were normalised to 0 to 1000 by those who published them: ratios mean
something, seconds do not.

Source: https://github.com/alibaba/clusterdata, cluster-trace-gpu-v2020/mini-batch-time.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from . import names
from .error import TableError
from .measured import Repair
from .numbers import numbers


def is_pai(columns: list[str]) -> bool:
    """Whether columns are like that: a worker, a time, a batch time, and nothing that counts."""
    roles = [names.role(name) for name in columns]
    return (
        "worker" in columns
        and "time" in columns
        and "round" not in roles
        and sum(_is_batch_time(name) for name in columns) == 1
    )


def _is_batch_time(name: str) -> bool:
    return names.parse(name).whole.startswith("batch_time")


def new_measurements(path: str, frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Repair]]:
    """Each worker's new measurements in the order of time: columns worker, round, seconds.

    Workers hold their values for different times, so they have different numbers of measurements;
    of each the first so many are kept, as many as the worker with the fewest has.

    Raises:
        TableError: a worker or a time is missing, or sampled twice.
    """
    name = next(name for name in frame.columns if _is_batch_time(str(name)))
    samples = pd.DataFrame(
        {
            "worker": frame["worker"],
            "time": numbers(path, frame["time"], "the time")[0],
            "seconds": numbers(path, frame[name], "seconds")[0],
        }
    )
    if samples.isna().any(axis=None):
        row = int(np.flatnonzero(samples.isna().any(axis=1))[0]) + 1
        raise TableError(path, f"row {row}: a worker, a time or a batch time is missing")
    if samples.duplicated(["worker", "time"]).any():
        row = int(np.flatnonzero(samples.duplicated(["worker", "time"]))[0]) + 1
        raise TableError(path, f"row {row}: a worker was sampled twice at one time; keep one")
    samples = samples.sort_values(["worker", "time"], kind="stable")
    held = samples["seconds"].eq(samples.groupby("worker")["seconds"].shift())
    new = samples[~held].copy()
    new["round"] = new.groupby("worker").cumcount()
    most = int(new.groupby("worker").size().min())
    late = int((new["round"] >= most).sum())
    repairs = [
        Repair(
            "hold",
            int(held.sum()),
            f"{int(held.sum())} of {len(samples)} samples repeat the worker's last one: held, no "
            f"new measurements; left out. Rounds are each worker's measurements in order",
        )
    ]
    if late:
        text = f"{late} measurements are left out, so that every worker has {most}"
        repairs.append(Repair("unused", late, text))
    if "norm" in name:
        text = f"{name} is normalised: ratios mean something, seconds do not"
        repairs.append(Repair("unit", len(new), text))
    kept = new[new["round"] < most]
    return kept[["worker", "round", "seconds"]].reset_index(drop=True), repairs
