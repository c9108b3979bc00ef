"""The files that a table of delays can be in, and what each must look like before it is read.

A CSV's first row is a header if it holds names, or if it numbers the workers: 0, 1, 2, ... or 1, 2,
3, ... A row that mixes names and numbers could be either, so it is an error, unless it is one name
before numbered workers: an index. So is everything that pandas would repair silently: two columns
of one name, a row with more cells than the header.
"""

from __future__ import annotations

import codecs
import glob
import gzip
import json
import re
from collections import Counter
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import pandas as pd

from ...sim.files import MOST_CELLS, UnusableFile, floats, read_npz, reading, require_regular, short
from ...sim.tables import read_csv, read_parquet
from ..base import FloatArray
from .columns import numbers, parse, role_of
from .measured import Repair, TableError

HEAD = 2**16
"""Bytes that are looked at."""

LINES = 50
"""Lines that are looked at."""

QUOTED = re.compile(r'"[^"]*"')
COMMA_NUMBER = re.compile(r"[-+]?\d+,\d+([eE][-+]?\d+)?")
GROUPED = re.compile(r"[-+]?[1-9]\d{0,2},\d{3}")
NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")


def separators(path: str) -> tuple[str, str]:
    """What stands between cells, and in a number before its fraction.

    Commas and points, unless every line has as many semicolons, or tabs, as the others.

    Raises:
        UnusableFile: numbers with a comma could be 1.234 or 1234, only spaces separate cells, or
            the file cannot be read.
    """
    lines = _head(path)
    bare = [QUOTED.sub("", line) for line in lines]
    for separator in (";", "\t"):
        counts = {line.count(separator) for line in bare}
        if len(counts) == 1 and counts != {0}:
            cells = [cell.strip().strip('"') for line in lines for cell in line.split(separator)]
            return separator, _decimal(cells)
    if bare and not any("," in line for line in bare):
        rows = [line.split() for line in bare[-2:]]
        if all(len(row) > 1 and all(map(NUMBER.fullmatch, row)) for row in rows):
            raise UnusableFile("spaces separate the cells; write commas, semicolons or tabs")
    return ",", "."


def opened(path: Path) -> IO[bytes]:
    """The file's bytes, unpacked if its name ends in gz."""
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


def _head(path: str) -> list[str]:
    """The first lines that are whole and not empty."""
    require_regular(Path(path))
    with reading("csv.gz" if path.endswith(".gz") else "csv"), opened(Path(path)) as file:
        block = file.read(HEAD)
    if block.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise UnusableFile("cannot be read as csv: UTF-16; save it as UTF-8")
    text = block.decode("utf-8-sig", "replace").replace("\r\n", "\n").replace("\r", "\n")
    lines = text.split("\n") if len(block) < HEAD else text.split("\n")[:-1]
    return [line for line in lines if line.strip()][:LINES]


def _decimal(cells: list[str]) -> str:
    """A comma, if every number with a comma is a decimal fraction; a point, if there is none."""
    commas = [cell for cell in cells if COMMA_NUMBER.fullmatch(cell)]
    if not commas:
        return "."
    if all(GROUPED.fullmatch(cell) for cell in commas):
        number = short(commas[0])
        plain = number.replace(",", "")
        meant = f"{number.replace(',', '.')} or {plain}"
        raise UnusableFile(f"{number!r} could be {meant}; write numbers with a decimal point")
    return ","


TEXTS = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
ENDINGS = (*TEXTS, ".parquet", ".npz")
BLANK = frozenset({"", "na", "n/a", "nan", "null", "none"})


def read_file(path: str, most: int | None = MOST_CELLS) -> pd.DataFrame | FloatArray:
    """Read the file as it is: an array from an NPZ or a text without a header, else a frame.

    It may have ``most`` cells; ``None``: any number.

    Raises:
        UnusableFile: the file is missing, empty, of an unknown kind, too large, or not what its
            ending says.
    """
    file = Path(path)
    require_regular(file)
    if file.stat().st_size == 0:
        raise UnusableFile("the file is empty")
    if path.endswith(".npz"):
        return _read_npz(path, most)
    if path.endswith(".parquet"):
        # An index with a name is a column of a long table; of a wide one it numbers the rounds.
        frame = read_parquet(file, most)
        named = [name for name in frame.index.names if name is not None]
        is_long = any(role_of(str(name)) in ("seconds", "start") for name in frame.columns)
        return frame.reset_index(level=named) if named and is_long else frame
    if path.endswith(TEXTS):
        return _read_text(path, most)
    raise UnusableFile(f"unknown ending; valid: {', '.join(ENDINGS)}")


def _read_text(path: str, most: int | None) -> pd.DataFrame:
    file = Path(path)
    separator, decimal = separators(path)
    form = {"sep": separator, "decimal": decimal}
    first = read_csv(file, most, nrows=1, header=None, dtype=str, keep_default_na=False, **form)
    header = 0 if _is_header([str(text).strip() for text in first.iloc[0]]) else None
    frame = read_csv(file, None, header=header, index_col=False, **form)
    if header == 0:
        frame.columns = frame.columns.map(str).str.strip()
    elif all(str(text).strip().isdigit() for text in first.iloc[0]):
        _require_a_round(frame)
    return frame


def _is_header(cells: list[str]) -> bool:
    """Whether the first row names the columns; refuses one that could be either."""
    with reading("csv"):
        numbers = pd.to_numeric(pd.Series(cells), errors="coerce").notna().tolist()
    both = zip(cells, numbers, strict=True)
    found = [cell for cell, number in both if not number and cell.lower() not in BLANK]
    indexed = found == cells[:1] and _counts(cells[1:])
    if found and any(numbers) and not indexed:
        text = f"the first row mixes names and numbers: {short(found[0])!r} is not a number"
        raise UnusableFile(f"{text}; name every column, or none")
    twice = [name for name, count in Counter(found).items() if count > 1]
    if twice:
        raise UnusableFile(f"two columns are named {short(twice[0])!r}")
    return bool(found) or _counts([cell for cell in cells if cell])


def _counts(cells: list[str]) -> bool:
    """Whether a row of numbers is a header: 0, 1, 2, ... or 1, 2, 3, ..."""
    size = len(cells)
    from_0, from_1 = list(map(str, range(size))), list(map(str, range(1, size + 1)))
    return (size >= 2 and cells == from_0) or (size >= 3 and cells == from_1)


def _require_a_round(frame: pd.DataFrame) -> None:
    """Refuse a first row that is rather the workers' numbers than a round: 10, 11, 12, ..."""
    if len(frame) < 2 or frame.shape[1] < 3:
        return
    if not all(kind.kind in "fiu" for kind in frame.dtypes):
        return
    first, second = frame.iloc[:2].to_numpy(dtype=np.float64, na_value=np.nan)
    steps = np.diff(first)
    if np.all(steps > 0) and (np.all(steps == 1) or np.any(second != np.round(second))):
        numbers = short(", ".join(f"{number:g}" for number in first))
        raise UnusableFile(
            f"the first row, {numbers}, rather numbers the workers than holds delays; "
            "write it as names (w10, w11, ...) or with decimal points (10.0, 11.0, ...)"
        )


def _read_npz(path: str, most: int | None) -> FloatArray:
    def choose(names: list[str]) -> list[str]:
        name = "seconds" if "seconds" in names else names[0] if len(names) == 1 else None
        if name is None:
            text = f"holds {short(sorted(names))}; valid: one array, or one named seconds"
            raise UnusableFile(text)
        return [name]

    ((name, array),) = read_npz(Path(path), choose, most).items()
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        text = f"array {name} has shape {array.shape} and type {array.dtype}"
        raise UnusableFile(f"{text}; valid: a 2-D table of numbers, rounds x workers")
    return floats(array)


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
    times = sum(_is_batch_time(name) for name in columns)
    return {"worker", "time"} <= {*columns} and "round" not in roles and times == 1


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
    time, seconds = numbers(frame["time"], "the time")[0], numbers(frame[name], "seconds")[0]
    samples = pd.DataFrame({"worker": frame["worker"], "time": time, "seconds": seconds})
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
    text = (
        f"{int(held.sum())} of {len(samples)} samples repeat the worker's last one: held, no "
        "new measurements; left out. Rounds are each worker's measurements in order"
    )
    repairs = [Repair("hold", int(held.sum()), text)]
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


TRACE_ENDINGS = (".json", ".json.gz")
STEP = re.compile(r"ProfilerStep#(\d{1,15})")
RANK = re.compile(r"rank[-_ ]?(\d{1,9})", re.IGNORECASE)
HANDLER = re.compile(r"(.+?)\.\d{9,}(\.\d+)?\.pt\.trace\.json(\.gz)?")

MOST_FILES = 100_000
LARGEST = 2**28
"""Bytes of a file when unpacked; its text takes about five times as many in memory."""


def is_profile(path: str) -> bool:
    """Whether a path names such traces: a file, a folder of them, or a pattern."""
    if path.endswith(TRACE_ENDINGS):
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
        found = sorted(file for file in folder.iterdir() if file.name.endswith(TRACE_ENDINGS))
        if not found:
            text = "is a folder without *.json: valid: PyTorch profiler traces, one a rank"
            raise UnusableFile(text)
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
        if not _is_step(event):
            continue
        number = int(event["name"].partition("#")[2])
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
            text = f"is longer than {most:,} bytes; --allow-large of fit, or fewer steps"
            raise UnusableFile(text)
        return json.loads(content, object_hook=_wanted)


def _wanted(part: dict[str, Any]) -> dict[str, Any] | None:
    """An object of the JSON, if it is a step of the host, the rank, or the whole."""
    whole = "traceEvents" in part or "rank" in part or "distributedInfo" in part
    return part if whole or _is_step(part) else None


def _is_step(event: Any) -> bool:
    """Whether an entry of the events, which may be anything, is a step of the host."""
    name = event.get("name") if isinstance(event, dict) else None
    if not isinstance(name, str) or STEP.fullmatch(name) is None:
        return False
    return event.get("ph") == "X" and not str(event.get("cat", "")).startswith("gpu")
