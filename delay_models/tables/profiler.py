"""Traces of PyTorch's profiler: one JSON file per rank, in Chrome's trace format.

A step is an event named ``ProfilerStep#7``, with ``ph: X`` and its duration ``dur`` in
microseconds. The rank is ``distributedInfo.rank``, or stands in the file's name (``rank3.json``,
``node-a_412.1700000000.pt.trace.json``). On a GPU a step is there twice; the host's is taken. A
step lasts until the rank goes on to the next one, so it holds what the rank waited for others.

Source: https://docs.pytorch.org/docs/stable/profiler.html (``export_chrome_trace``,
``tensorboard_trace_handler``).
"""

from __future__ import annotations

import glob
import json
import re
from pathlib import Path
from typing import Any

import pandas as pd

from ...sim.files import UnusableFile, reading, require_regular
from .error import TableError
from .text import opened

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
        TableError: there is no such trace, or one holds no steps, or two are of one rank and step.
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
            raise TableError(
                path, "is a folder without *.json: valid: PyTorch profiler traces, one a rank"
            )
    elif folder.exists() or not any(c in path for c in "*?["):
        return [folder]
    else:
        found = sorted(Path(file) for file in glob.iglob(path))
        if not found:
            raise TableError(path, "no file has such a name")
    if len(found) > MOST_FILES:
        raise TableError(path, f"{len(found)} files; must be at most {MOST_FILES}")
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
