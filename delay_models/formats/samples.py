"""Mini-batch times of jobs on Alibaba's PAI: columns worker, time, batch_time_norm. A sample every
ten seconds shows the worker's latest mini-batch, so that it repeats until there is a new value: a
repeated one is no new measurement. Times were normalised by those who published them.

Source: https://github.com/alibaba/clusterdata, cluster-trace-gpu-v2020/mini-batch-time."""

from __future__ import annotations

import numpy as np
import pandas as pd

from ...sim.files import UnusableFile
from ..tables.measured import Repair
from ..tables.names import parse, role_of
from .cells import numbers


def is_pai(columns: list[str]) -> bool:
    """Whether columns are like that: a worker, a time, a batch time, and nothing that counts."""
    sampled = {"worker", "time"} <= {*columns} and "round" not in map(role_of, columns)
    return sampled and sum(parse(name).whole.startswith("batch_time") for name in columns) == 1


def new_measurements(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Repair]]:
    """Each worker's new measurements in the order of time: columns worker, round, seconds. Of each
    the first so many are kept, as many as the worker with the fewest has. Raises UnusableFile: a
    worker or a time is missing, or sampled twice."""
    name = next(name for name in frame.columns if parse(name).whole.startswith("batch_time"))
    time, seconds = numbers(frame["time"], "the time")[0], numbers(frame[name], "seconds")[0]
    samples = pd.DataFrame({"worker": frame["worker"], "time": time, "seconds": seconds})
    for bad, text in (
        (samples.isna().any(axis=1), "a worker, a time or a batch time is missing"),
        (
            samples.duplicated(["worker", "time"]),
            "a worker was sampled twice at one time; keep one",
        ),
    ):
        if bad.any():
            raise UnusableFile(f"row {int(np.flatnonzero(bad)[0]) + 1}: {text}")
    samples = samples.sort_values(["worker", "time"], kind="stable")
    held = samples["seconds"].eq(samples.groupby("worker")["seconds"].shift())
    new = samples[~held].copy()
    new["round"] = new.groupby("worker").cumcount()
    most = int(new.groupby("worker").size().min())
    late = int((new["round"] >= most).sum())
    text = f"{int(held.sum())} of {len(samples)} samples repeat the worker's last one: held, no new"
    text += " measurements; left out. Rounds are each worker's measurements in order"
    repairs = [Repair("hold", int(held.sum()), text)]
    if late:
        text = f"{late} measurements are left out, so that every worker has {most}"
        repairs.append(Repair("unused", late, text))
    if "norm" in name:
        text = f"{name} is normalised: ratios mean something, seconds do not"
        repairs.append(Repair("unit", len(new), text))
    return new[new["round"] < most][["worker", "round", "seconds"]].reset_index(drop=True), repairs
