"""Output folders in which something is damaged, and what plot and a second run make of them."""

from __future__ import annotations

import io
import json
import random
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from erasurehead.experiments.config.document import write_yaml
from erasurehead.experiments.run.command import RunOptions, run
from tests.fuzz.values import NUMBERS, TEXTS, Case, Command

DOCUMENT = {
    "workers": 4,
    "iterations": 4,
    "replications": 2,
    "delay": {"model": "exponential", "rate": 1.0},
    "schemes": [{"name": "uncoded"}, {"name": "erasurehead", "load": 2, "wait_for": 2}],
    "problem": {"loss": "logistic", "dataset": "synthetic", "rows": 40, "features": 3},
    "optimizer": {"rule": "gd", "learning_rate": 0.1},
    "sweep": {"delay.rate": [1.0, 2.0]},
}
TABLES = ("iterations.parquet", "summary.parquet", "workers.parquet", "timeline.parquet")
TEXT_FILES = ("manifest.json", "config.yaml")


@cache
def _whole() -> dict[str, bytes]:
    """A run's folder."""
    with tempfile.TemporaryDirectory() as name:
        output = Path(name) / "out"
        run(DOCUMENT, output, RunOptions(timeline=output / "timeline.json"))
        found = [path for path in sorted(output.rglob("*")) if path.is_file()]
        return {str(path.relative_to(name)): path.read_bytes() for path in found}


def make(rng: random.Random) -> Case:
    """A folder with one or two things wrong."""
    files = {"config.yaml": write_yaml(DOCUMENT).encode(), **_whole()}
    notes = [rng.choice(MUTATORS)(rng, files) for _ in range(rng.choice((1, 1, 2)))]
    plot: Command = ("plot", "out", "--format", "svg")
    if rng.random() < 0.6:
        plot += ("--kind", rng.choice(KINDS))
    again: Command = ("run", "config.yaml", "--output", "out")
    page: Command = ("report", "out")
    commands = rng.choice(((plot,), (plot,), (page,), (page,), (again, page), (again,)))
    return Case(files, commands, "; ".join(notes))


KINDS = (
    *(
        "loss_time",
        "loss_iteration",
        "iteration_time",
        "tradeoff",
        "utilisation",
        "workers",
        "delays",
    ),
    "gantt",
)


def _any(rng: random.Random, files: dict[str, bytes]) -> str:
    """Some file of the output."""
    return rng.choice([name for name in files if name.startswith("out/")] or ["out/x"])


def _table(rng: random.Random, files: dict[str, bytes]) -> str:
    name = f"out/{rng.choice(TABLES)}" if rng.random() < 0.8 else _any(rng, files)
    return name if name.endswith(".parquet") and name in files else "out/summary.parquet"


def _gone(rng: random.Random, files: dict[str, bytes]) -> str:
    name = _any(rng, files)
    files.pop(name, None)
    return f"no {name}"


def _bytes(rng: random.Random, files: dict[str, bytes]) -> str:
    name = _any(rng, files)
    content = files.get(name, b"")
    at, noise = rng.randrange(len(content) + 1), bytes(rng.randrange(256) for _ in range(4))
    changed = (content[:at] + noise + content[at + 4 :], content[:at], b"", content + noise, noise)
    files[name] = rng.choice(changed)
    return f"{name} damaged"


def _exchanged(rng: random.Random, files: dict[str, bytes]) -> str:
    one, other = _any(rng, files), _any(rng, files)
    if one in files and other in files:
        files[one] = files[other]
    return f"{other} in place of {one}"


def _text(rng: random.Random, files: dict[str, bytes]) -> str:
    name = f"out/{rng.choice(TEXT_FILES)}"
    deep = b"[" * 30_000 + b"]" * 30_000
    odd = (
        b"{}",
        b"null",
        b"[]",
        b"1",
        b"NaN",
        deep,
        b'{"id": 1}',
        b'{"id": {}}',
        b'{"origin": 1}',
        b'{"origin": {}}',
        b"\xff\xfe",
    )
    files[name] = rng.choice(odd)
    return f"{name} is {files[name][:20]!r}"


def _id(rng: random.Random, files: dict[str, bytes]) -> str:
    name = "out/manifest.json"
    try:
        document = json.loads(files[name])
        odd = rng.choice(({"config": 1, "cells": 2}, [], None, {"config": "x"}, "é"))
        place = rng.choice(("id", "origin", "cells", "live"))  # as now, and as in version 0.3
        if place == "origin":
            document.pop("id", None)
        document[place] = odd
        files[name] = json.dumps(document).encode()
    except (ValueError, KeyError, TypeError):
        pass
    return "another id"


def _columns(rng: random.Random, files: dict[str, bytes]) -> str:
    """A table of the right id whose columns are not what they should be."""
    name = _table(rng, files)
    try:
        table = pq.read_table(io.BytesIO(files[name]))
        metadata, frame = table.schema.metadata, table.to_pandas()
    except (KeyError, OSError, ValueError, pa.ArrowException):
        return "nothing"
    column = rng.choice([*frame.columns])
    note, frame = rng.choice(CHANGES)(rng, frame, column)
    try:
        changed = pa.Table.from_pandas(frame, preserve_index=False)
    except (pa.ArrowException, ValueError, OverflowError):
        return "nothing"
    keep = {key: value for key, value in (metadata or {}).items() if key != b"pandas"}
    sink = io.BytesIO()
    pq.write_table(
        changed.replace_schema_metadata({**(changed.schema.metadata or {}), **keep}), sink
    )
    files[name] = sink.getvalue()
    return f"{name}: {note}"


Change = Callable[[random.Random, pd.DataFrame, Any], tuple[str, pd.DataFrame]]


def _without(rng: random.Random, frame: pd.DataFrame, column: Any) -> tuple[str, pd.DataFrame]:
    return f"no {column}", frame.drop(columns=column)


def _of_text(rng: random.Random, frame: pd.DataFrame, column: Any) -> tuple[str, pd.DataFrame]:
    text = rng.choice(TEXTS).encode("utf-8", "replace").decode()
    return f"{column} = {text[:30]!r}", frame.assign(**{column: text})


def _of_number(rng: random.Random, frame: pd.DataFrame, column: Any) -> tuple[str, pd.DataFrame]:
    number = rng.choice([float(n) for n in NUMBERS if not isinstance(n, int) or abs(n) < 10**300])
    if rng.random() < 0.5:
        return f"{column} = {number}", frame.assign(**{column: number})
    values = frame[column].astype(object).to_numpy().copy()
    if pd.api.types.is_numeric_dtype(frame[column]) and len(values):
        numbers = frame[column].to_numpy(dtype=float, na_value=np.nan).copy()
        numbers[rng.randrange(len(numbers))] = number
        return f"one {column} is {number}", frame.assign(**{column: numbers})
    return f"{column} as it is", frame.assign(**{column: values})


def _of_nothing(rng: random.Random, frame: pd.DataFrame, column: Any) -> tuple[str, pd.DataFrame]:
    return f"{column} is null", frame.assign(**{column: None})


def _fewer(rng: random.Random, frame: pd.DataFrame, column: Any) -> tuple[str, pd.DataFrame]:
    return "fewer rows", frame.iloc[: rng.choice((0, 1, 2, max(len(frame) - 1, 0)))]


def _more(rng: random.Random, frame: pd.DataFrame, column: Any) -> tuple[str, pd.DataFrame]:
    return "rows twice", pd.concat([frame, frame])


def _mixed(rng: random.Random, frame: pd.DataFrame, column: Any) -> tuple[str, pd.DataFrame]:
    return "other order", frame.sample(frac=1, random_state=rng.randrange(2**31))


def _another(rng: random.Random, frame: pd.DataFrame, column: Any) -> tuple[str, pd.DataFrame]:
    other = rng.choice([*frame.columns])
    return f"{column} = {other}", frame.assign(**{column: frame[other]})


CHANGES: tuple[Change, ...] = (
    *(_without, _of_text, _of_number, _of_number, _of_nothing, _fewer, _more, _mixed, _another),
)
MUTATORS: tuple[Callable[[random.Random, dict[str, bytes]], str], ...] = (
    *(_gone, _gone, _bytes, _bytes, _exchanged, _text, _id),
    *(_columns,) * 6,
)
