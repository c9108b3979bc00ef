"""What is in JSON: traces of PyTorch's profiler, one file per rank, in Chrome's trace format; and
tables: a list of rounds, columns by name, a list of calls, or what pandas writes.

``nccl*`` kernels, ``nccl:`` or ``gloo:`` spans, or ``c10d::`` calls are the time in collectives.
Spans that have a name of their own (``record_function``) may be stages of a step.

A step is an event named ``ProfilerStep#7``, with ``ph: X`` and its duration ``dur`` in
microseconds. The rank is ``distributedInfo.rank``, or stands in the file's name (``rank3.json``,
``node-a_412.1700000000.pt.trace.json``). On a GPU a step is there twice; the host's is taken. A
step lasts until the rank goes on to the next one, so it holds what the rank waited for others.

Source: https://docs.pytorch.org/docs/stable/profiler.html (``export_chrome_trace``,
``tensorboard_trace_handler``)."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from ...sim.base.errors import Message, Option
from ...sim.base.files import (
    TRACE_ENDINGS,
    UnusableFile,
    files_of,
    reading,
    require_cells,
    require_regular,
    short,
)
from ..base import FloatArray
from .files import FileContents, counted
from .measured import TableError
from .names import role_of

STEP_NAME = re.compile(r"ProfilerStep#(\d{1,15})")
RANK_IN_NAME = re.compile(r"rank[-_ ]?(\d{1,9})", re.IGNORECASE)
MOST_FILES = 100_000
MOST_BYTES = 2**28  # of a file when unpacked; its text takes about five times as many in memory


def read_traces(path: str, most: int | None) -> FileContents:
    """Steps of all ranks: columns ``worker``, ``round``, ``dur_us``, ``allreduce_us`` if all ranks
    say how long they were in collectives, and one for every name that all give to spans; and what
    is assumed. Raises UnusableFile: there is no such trace; TableError: a file of several holds no
    steps, or one twice."""
    frames = []
    for file in _files(path):
        try:
            worker, steps, spans = _steps(file, most)
        except UnusableFile as error:
            if str(file) == path:
                raise
            raise TableError(str(file), error.message) from error
        columns: dict[str, Any] = {"worker": worker, "round": [*steps], "dur_us": [*steps.values()]}
        columns |= {f"{name}_us": seconds for name, seconds in spans.items()}
        frames.append(pd.DataFrame(columns))
    frame = pd.concat(frames, ignore_index=True, join="inner")
    if frame["worker"].str.fullmatch(r"[0-9]{1,9}").all():
        frame["worker"] = frame["worker"].astype("int64")
    first, last = int(frame["round"].min()), int(frame["round"].max())
    if last - first < 3:
        return FileContents(frame)
    partial = Message(
        f"steps {first} and {last} are the first and last of the traces, and may be partial: ",
        Option("rows", f"round={first + 1}:{last - 1}"),
        " leaves them out",
    )
    return FileContents(frame, assumed=(partial,))


def _files(path: str) -> list[Path]:
    files = files_of(path)
    if files is None:
        return [Path(path)]
    if not files:
        folder = "is a folder without *.json: valid: PyTorch profiler traces, one a rank"
        raise UnusableFile(folder if Path(path).is_dir() else "no file has such a name")
    if len(files) > MOST_FILES:
        raise UnusableFile(f"{len(files)} files; must be at most {MOST_FILES}")
    return files


def _steps(file: Path, most: int | None) -> tuple[str, dict[int, float], dict[str, list[float]]]:
    """The rank, and microseconds of each step and of the spans in it that have a name."""
    trace = json_values(file, most, object_hook=_wanted)
    events = trace.get("traceEvents") if isinstance(trace, dict) else trace
    if not isinstance(events, list):
        text = "has no traceEvents; valid: a trace of PyTorch's profiler, one a rank"
        raise UnusableFile(f"{text}; or a table in one file: a list of rounds, or of calls")
    steps: dict[int, float] = {}
    starts: list[float] = []
    for event in events:
        if _kind(event) != "step":
            continue
        number = int(event["name"].partition("#")[2])
        duration = event.get("dur")
        if not isinstance(duration, int | float) or isinstance(duration, bool):
            raise UnusableFile(f"{event['name']} has no dur; valid: microseconds")
        if number in steps:
            raise UnusableFile(f"{event['name']} is there twice; valid: one run of one rank a file")
        try:
            steps[number] = float(duration)
        except OverflowError:
            raise UnusableFile(f"{event['name']} has a dur beyond all numbers") from None
        starts.append(_microseconds(event, "ts"))
    if not steps:
        raise UnusableFile("has no event ProfilerStep#...: call profiler.step() after each step")
    begin, lasts = np.array(starts), np.array([*steps.values()])
    return _rank(file, trace), steps, _spans(events, begin, begin + lasts)


# Names of spans in which a rank waits for others, the surest first: kernels on the device, the
# process group's own spans, and calls, which may end before the others have come.
COLLECTIVES = (re.compile(r"nccl(?!:)"), re.compile(r"(nccl|gloo|mpi|ucc):"), re.compile("c10d::"))


def _spans(events: list[Any], begin: FloatArray, end: FloatArray) -> dict[str, list[float]]:
    """Microseconds of each step, by name: in collectives, and in spans that most steps have."""
    named: dict[str, list[Any]] = {}
    for event in events:
        if (kind := _kind(event)) in ("collective", "stage"):
            named.setdefault("" if kind == "collective" else event["name"], []).append(event)
    calls, seconds = named.pop("", []), dict[str, list[float]]()
    for sure in COLLECTIVES:
        if times := _in_steps([call for call in calls if sure.match(call["name"])], begin, end):
            seconds["allreduce"] = times
            break
    for name, spans in named.items():
        times = _in_steps(spans, begin, end) if role_of(f"{name}_us") is None else []
        if 2 * sum(time > 0 for time in times) > len(begin):
            seconds.setdefault(name, times)
    return seconds


def _in_steps(spans: list[Any], begin: FloatArray, end: FloatArray) -> list[float]:
    """Microseconds in which a span runs that began in each of the steps; empty: none began."""
    pairs = [(_microseconds(span, "ts"), _microseconds(span, "dur")) for span in spans]
    starts, lasts = np.array(pairs).reshape(-1, 2).T
    steps = np.argsort(begin)
    step = steps[np.searchsorted(begin[steps], starts, side="right") - 1]
    inside = (begin[step] <= starts) & (starts < end[step])
    if not inside.any():
        return []
    step, starts, lasts = step[inside], starts[inside], lasts[inside]
    order = np.argsort(step, kind="stable")
    edges = np.searchsorted(step[order], np.arange(1, len(begin)))
    return [_covered(starts[some], lasts[some]) for some in np.split(order, edges)]


def _covered(starts: FloatArray, lasts: FloatArray) -> float:
    """How long at least one of these spans runs: those of several streams overlap."""
    if not len(starts):
        return 0.0
    order, starts = np.argsort(starts), starts - starts.min()  # of 1e12, digits would be lost
    ends = np.maximum.accumulate((starts + lasts)[order])
    before = np.concatenate([[-np.inf], ends[:-1]])
    return float(np.maximum(ends - np.maximum(starts[order], before), 0.0).sum())


def _microseconds(event: dict[str, Any], key: str) -> float:
    value = event.get(key)
    try:
        return float(value) if isinstance(value, int | float) else np.nan
    except OverflowError:  # JSON's whole numbers have no end
        return np.nan


def _kind(event: Any) -> Literal["collective", "step", "stage", ""]:
    """What an entry of the events, which may be anything, is: time in collectives, a step of the
    host, or a span of the host that somebody gave a name."""
    name = event.get("name") if isinstance(event, dict) else None
    if not isinstance(name, str) or event.get("ph") != "X":
        return ""
    if any(kind.match(name) for kind in COLLECTIVES):
        return "collective"
    if STEP_NAME.fullmatch(name):
        return "" if str(event.get("cat", "")).startswith("gpu") else "step"
    return "stage" if event.get("cat") == "user_annotation" else ""


def _rank(file: Path, trace: Any) -> str:
    info = trace.get("distributedInfo") if isinstance(trace, dict) else None
    rank = info.get("rank") if isinstance(info, dict) else None
    if isinstance(rank, int) and not isinstance(rank, bool) and 0 <= rank < 10**9:
        return str(rank)
    if named := RANK_IN_NAME.search(file.name):
        return str(int(named[1]))
    if handler := re.fullmatch(r"(.+?)\.\d{9,}(\.\d+)?\.pt\.trace\.json(\.gz)?", file.name):
        return handler[1]
    raise UnusableFile("no distributedInfo.rank, and no rank in its name; valid: rank3.json")


def json_values(file: Path, most: int | None, **hook: Any) -> Any:
    """What a JSON file holds; of one with a value on each line, these values. ``most``: ``None``
    allows more than ``MOST_BYTES``. Raises UnusableFile: it is larger, or damaged."""
    require_regular(file)
    with reading("json"):
        with gzip.open(file) if file.suffix == ".gz" else file.open("rb") as stream:
            content = stream.read() if most is None else stream.read(MOST_BYTES + 1)
        if most is not None and len(content) > MOST_BYTES:
            text = f"is longer than {MOST_BYTES:,} bytes; --allow-large of fit, or fewer steps"
            raise UnusableFile(text)
        try:
            return json.loads(content, **hook)
        except json.JSONDecodeError as error:
            if error.msg != "Extra data":
                raise
        lines = enumerate(content.splitlines(), 1)
        return [_value(number, line, hook) for number, line in lines if line.strip()]


def _value(number: int, line: bytes, hook: dict[str, Any]) -> Any:
    try:
        return json.loads(line, **hook)
    except json.JSONDecodeError as error:
        raise UnusableFile(f"line {number} is not a JSON value: {error.msg}") from None


def _wanted(entry: dict[str, Any]) -> dict[str, Any] | None:
    whole = "traceEvents" in entry or "rank" in entry or "distributedInfo" in entry
    return entry if whole or _kind(entry) else None


JSON_ENDINGS = (*TRACE_ENDINGS, ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")


def read_json(path: str, most: int | None) -> FileContents:
    """A trace of a profiler, or else a table. Raises UnusableFile: it is neither."""
    try:
        return read_traces(path, most)
    except UnusableFile as error:
        values = json_values(Path(path), most, object_pairs_hook=_unique)
        if (contents := _table(values, most)) is None:
            table = "or a table in one file: a list of rounds, or of calls"
            no = str(error).removesuffix(f"; {table}")
            raise UnusableFile(f"{no}; {table}") from error
        return contents


def _table(content: Any, most: int | None) -> FileContents | None:
    """Raises UnusableFile: rounds of several lengths, or too many cells."""
    names, keyed = None, False
    if isinstance(content, dict) and {"columns", "data"} <= {*content}:  # orient="split" of pandas
        names, content = content["columns"], content["data"]
    if isinstance(content, dict) and {"schema", "data"} <= {*content}:  # orient="table"
        content = [{k: v for k, v in row.items() if k != "index"} for row in content["data"]]
    if keyed := isinstance(content, dict) and "traceEvents" not in content:
        rows = [*content.values()]
    else:
        rows = content if isinstance(content, list) else []
    kind = type(rows[0]) if rows else None
    if kind not in (list, dict) or {*map(type, rows)} != {kind}:
        return None
    cells = (cell for row in rows for cell in (row.values() if kind is dict else row))
    nested = any(isinstance(cell, list | dict) for cell in cells)
    if nested or (kind is dict and not keyed and "ph" in rows[0]):  # or events of a trace
        return None
    require_cells(sum(map(len, rows)), most)
    if kind is list and len(sizes := {len(row) for row in rows}) > 1:
        text = f"its lists have {min(sizes)} to {max(sizes)} cells; valid: as many in each"
        raise UnusableFile(text)
    with reading("json"):
        if kind is list and not keyed and all(isinstance(cell, str) for cell in rows[0]):
            names, content = content[0], content[1:]
        require_once(names or [])
        frame = pd.DataFrame(content, columns=names)
    return by_keys(frame) if keyed and kind is dict else _with_names(frame)


def by_keys(frame: pd.DataFrame) -> FileContents:
    """A table of objects in an object: workers' rounds by number, or rounds' workers by name."""
    outer, inner = (counted([*map(str, keys)]) for keys in (frame.columns, frame.index))
    if outer and not inner:
        return _with_names(frame.T)
    if outer:
        taken = "its outer keys are taken for the workers: "
        return _with_names(
            frame, (Message(taken, Option("columns", {"worker": ""}), " if they are rounds"),)
        )
    return _with_names(frame if inner else frame.reset_index(names="Unnamed: 0"))


def _with_names(frame: pd.DataFrame, assumed: tuple[Message, ...] = ()) -> FileContents:
    return FileContents(frame.reset_index(drop=True).rename(columns=str), assumed=assumed)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    require_once([key for key, _ in pairs])
    return dict(pairs)


def require_once(names: list[str]) -> None:
    """Refuse (UnusableFile) a name that comes again."""
    if len({*names}) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UnusableFile(f"two columns are named {short(twice)!r}")
