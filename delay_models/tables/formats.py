"""Formats of others: mini-batch times of Alibaba's PAI, and traces of PyTorch's profiler."""

from __future__ import annotations

import glob
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ...sim.files import UnusableFile, reading, require_regular
from .columns import numbers, parse, role_of
from .files import opened
from .measured import Repair, TableError

# Mini-batch times of jobs on Alibaba's PAI: columns worker, time, batch_time_norm.
#
# ``time`` is when a sample was taken, every ten seconds. A sample shows the worker's latest
# mini-batch, so that it repeats until there is a new one (sample and hold): a repeated value is no
# new measurement. Times were normalised to 0 to 1000 by those who published them: ratios mean
# something, seconds do not.
#
# Source: https://github.com/alibaba/clusterdata, cluster-trace-gpu-v2020/mini-batch-time.


def is_pai(columns: list[str]) -> bool:
    """Whether columns are like that: a worker, a time, a batch time, and nothing that counts."""
    roles = [role_of(name) for name in columns]
    return (
        "worker" in columns
        and "time" in columns
        and "round" not in roles
        and sum(_is_batch_time(name) for name in columns) == 1
    )


def _is_batch_time(name: str) -> bool:
    return parse(name).whole.startswith("batch_time")


def new_measurements(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Repair]]:
    """Each worker's new measurements in the order of time: columns worker, round, seconds.

    Workers hold their values for different times, so they have different numbers of measurements;
    of each the first so many are kept, as many as the worker with the fewest has.

    Raises:
        UnusableFile: a worker or a time is missing, or sampled twice.
    """
    name = next(name for name in frame.columns if _is_batch_time(str(name)))
    samples = pd.DataFrame(
        {
            "worker": frame["worker"],
            "time": numbers(frame["time"], "the time")[0],
            "seconds": numbers(frame[name], "seconds")[0],
        }
    )
    if samples.isna().any(axis=None):
        row = int(np.flatnonzero(samples.isna().any(axis=1))[0]) + 1
        raise UnusableFile(f"row {row}: a worker, a time or a batch time is missing")
    if samples.duplicated(["worker", "time"]).any():
        row = int(np.flatnonzero(samples.duplicated(["worker", "time"]))[0]) + 1
        raise UnusableFile(f"row {row}: a worker was sampled twice at one time; keep one")
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


# Traces of PyTorch's profiler: one JSON file per rank, in Chrome's trace format.
#
# A step is an event named ``ProfilerStep#7``, with ``ph: X`` and its duration ``dur`` in
# microseconds. The rank is ``distributedInfo.rank``, or stands in the file's name (``rank3.json``,
# ``node-a_412.1700000000.pt.trace.json``). On a GPU a step is there twice; the host's is taken. A
# step lasts until the rank goes on to the next one, so it holds what the rank waited for others.
#
# Source: https://docs.pytorch.org/docs/stable/profiler.html (``export_chrome_trace``,
# ``tensorboard_trace_handler``).


ENDINGS = (".json", ".json.gz")
STEP = re.compile(r"ProfilerStep#(\d{1,15})")
RANK = re.compile(r"rank[-_ ]?(\d{1,9})", re.IGNORECASE)
HANDLER = re.compile(r"(.+?)\.\d{9,}(\.\d+)?\.pt\.trace\.json(\.gz)?")

MOST_FILES = 100_000
LARGEST = 2**28
"""Bytes of a file when unpacked; its text takes about five times as many in memory."""


def is_profile(path: str) -> bool:
    """Whether a path names such traces: a file, a folder of them, or a pattern."""
    if path.endswith(ENDINGS):
        return True
    try:
        return Path(path).is_dir() or (any(c in path for c in "*?[") and not Path(path).exists())
    except (OSError, ValueError):
        return False


def read_profiles(path: str, most: int | None) -> pd.DataFrame:
    """Steps of all ranks: columns ``worker``, ``round``, ``dur_us``.

    Raises:
        UnusableFile: there is no such trace.
        TableError: one of them holds no steps, or holds one twice.
    """
    frames = []
    for file in _files(path):
        try:
            worker, steps = _steps(file, None if most is None else LARGEST)
        except UnusableFile as error:
            raise TableError(str(file), str(error)) from error
        columns = {"worker": worker, "round": [*steps], "dur_us": [*steps.values()]}
        frames.append(pd.DataFrame(columns))
    frame = pd.concat(frames, ignore_index=True)
    if frame["worker"].str.fullmatch(r"[0-9]{1,9}").all():
        frame["worker"] = frame["worker"].astype("int64")
    return frame


def _files(path: str) -> list[Path]:
    folder = Path(path)
    if folder.is_dir():
        found = sorted(file for file in folder.iterdir() if file.name.endswith(ENDINGS))
        if not found:
            raise UnusableFile(
                "is a folder without *.json: valid: PyTorch profiler traces, one a rank"
            )
    elif folder.exists() or not any(c in path for c in "*?["):
        return [folder]
    else:
        found = sorted(Path(file) for file in glob.iglob(path))
        if not found:
            raise UnusableFile("no file has such a name")
    if len(found) > MOST_FILES:
        raise UnusableFile(f"{len(found)} files; must be at most {MOST_FILES}")
    return found


def _steps(file: Path, most: int | None) -> tuple[str, dict[int, float]]:
    """The rank, and microseconds of each step."""
    trace = _json(file, most)
    events = trace.get("traceEvents") if isinstance(trace, dict) else trace
    if not isinstance(events, list):
        raise UnusableFile("has no traceEvents; valid: a trace of PyTorch's profiler, one a rank")
    steps: dict[int, float] = {}
    for event in events:
        if event is None:
            continue
        number = int(STEP.fullmatch(event["name"])[1])  # type: ignore[index]
        duration = event.get("dur")
        if not isinstance(duration, int | float) or isinstance(duration, bool):
            raise UnusableFile(f"{event['name']} has no dur; valid: microseconds")
        if number in steps:
            raise UnusableFile(f"{event['name']} is there twice; valid: one run of one rank a file")
        steps[number] = float(duration)
    if not steps:
        raise UnusableFile("has no event ProfilerStep#...: call profiler.step() after each step")
    return _rank(file, trace), steps


def _rank(file: Path, trace: Any) -> str:
    told = trace.get("distributedInfo") if isinstance(trace, dict) else None
    rank = told.get("rank") if isinstance(told, dict) else None
    if isinstance(rank, int):
        return str(rank)
    if named := RANK.search(file.name):
        return str(int(named[1]))
    if handled := HANDLER.fullmatch(file.name):
        return handled[1]
    raise UnusableFile("no distributedInfo.rank, and no rank in its name; valid: rank3.json")


def _json(file: Path, most: int | None) -> Any:
    """The trace without the events and parts that are not needed."""
    require_regular(file)
    with reading("json"):
        with opened(file) as stream:
            content = stream.read() if most is None else stream.read(most + 1)
        if most is not None and len(content) > most:
            raise UnusableFile(
                f"is longer than {most:,} bytes; --allow-large of fit, or fewer steps"
            )
        return json.loads(content, object_hook=_wanted)


def _wanted(part: dict[str, Any]) -> dict[str, Any] | None:
    """An object of the JSON, if it is a step of the host, the rank, or the whole."""
    name = part.get("name")
    if "traceEvents" in part or "rank" in part or "distributedInfo" in part:
        return part
    if isinstance(name, str) and STEP.fullmatch(name) and part.get("ph") == "X":
        return None if str(part.get("cat", "")).startswith("gpu") else part
    return None
