"""Tables in JSON: a list of rounds, columns by name, a list of calls, a value on each line, or what
pandas writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from ...sim.files import UnusableFile, reading, require_cells, short
from .files import FileContents, counted
from .profiler import TRACE_ENDINGS, json_values, read_profiles

JSON_ENDINGS = (*TRACE_ENDINGS, ".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz")


def read_json(path: str, most: int | None) -> FileContents:
    """A trace of a profiler, or else a table. Raises UnusableFile: it is neither."""
    try:
        return read_traces(path, most)
    except UnusableFile as error:
        values = json_values(Path(path), most, object_pairs_hook=_unique)
        if (contents := _table(values, most)) is None:
            no = str(error)
            raise UnusableFile(f"{no}; or a table: a list of rounds, or of calls") from error
        return contents


def read_traces(path: str, most: int | None) -> FileContents:
    """Traces of a profiler. Raises UnusableFile: there is none."""
    frame, assumed = read_profiles(path, most)
    return FileContents(frame, assumed=assumed)


def _table(content: Any, most: int | None) -> FileContents | None:
    """Raises UnusableFile: rounds of several lengths, or too many cells."""
    names, keyed = None, False
    if isinstance(content, dict) and {"columns", "data"} <= {*content}:  # orient="split" of pandas
        names, content = content["columns"], content["data"]
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
    text = "its outer keys are taken for the workers: --columns worker= if they are rounds"
    if outer:
        return _with_names(frame, (text,))
    return _with_names(frame if inner else frame.reset_index(names="Unnamed: 0"))


def _with_names(frame: pd.DataFrame, assumed: tuple[str, ...] = ()) -> FileContents:
    return FileContents(frame.reset_index(drop=True).rename(columns=str), assumed=assumed)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    require_once([key for key, _ in pairs])
    return dict(pairs)


def require_once(names: list[str]) -> None:
    """Refuse (UnusableFile) a name that comes again."""
    if len({*names}) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UnusableFile(f"two columns are named {short(twice)!r}")
