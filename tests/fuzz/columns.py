"""Parquet files with odd columns, types, names and metadata."""

from __future__ import annotations

import datetime
import json
import random
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

TYPES: tuple[Any, ...] = (
    *(
        pa.float16(),
        pa.float32(),
        pa.int8(),
        pa.uint64(),
        pa.bool_(),
        pa.string(),
        pa.large_string(),
    ),
    *(
        pa.binary(),
        pa.date32(),
        pa.timestamp("us"),
        pa.duration("s"),
        pa.decimal128(30, 5),
        pa.null(),
    ),
    *(pa.list_(pa.float64()), pa.struct([("a", pa.float64())]), pa.map_(pa.string(), pa.int64())),
    *(pa.dictionary(pa.int32(), pa.string()), pa.time64("us"), pa.decimal256(70, 2)),
)
NAMES = (
    *(
        "",
        " ",
        "worker",
        "round",
        "seconds",
        "load",
        "日本",
        "a\nb",
        "\x1b[31m",
        "\0",
        "[/b]",
        "x" * 5000,
    ),
    *("__index_level_0__", "0", "-1", "nan", "a.b", "\u202e"),
)
CODECS = ("none", "snappy", "gzip", "zstd", "lz4", "brotli")


def parquet(rng: random.Random) -> tuple[bytes, str]:
    """A table of delays, wide or long, with up to three things wrong, and which."""
    rounds, workers = rng.choice((1, 3, 8, 12)), rng.choice((1, 4, 5))
    names = [f"w{j}" for j in range(workers)]
    columns: list[Any] = [
        pa.array([rng.expovariate(1) + 0.1 for _ in range(rounds)]) for _ in names
    ]
    if rng.random() < 0.35:
        names, columns = _long(rng, rounds, workers)
    notes = [_mutate(rng, names, columns) for _ in range(rng.choice((0, 1, 1, 1, 2, 3)))]
    table = pa.Table.from_arrays(columns, names=names)
    if rng.random() < 0.15:
        table = table.replace_schema_metadata({b"pandas": rng.choice(PANDAS)})
        notes.append("odd metadata")
    sink = pa.BufferOutputStream()
    rows = rng.choice((1, 2, 1000)) if len(columns) < 1000 else 1000
    options = {"compression": rng.choice(CODECS), "row_group_size": rows}
    try:
        pq.write_table(table, sink, version=rng.choice(("1.0", "2.6")), **options)
    except (pa.ArrowException, ValueError, OSError):  # a type that Parquet does not have
        return b"PAR1" + bytes(50) + b"PAR1", ", ".join([*notes, "no such type"])
    return sink.getvalue().to_pybytes(), ", ".join(notes)


def _long(rng: random.Random, rounds: int, workers: int) -> tuple[list[str], list[Any]]:
    worker = [j for _ in range(rounds) for j in range(workers)]
    number = [t for t in range(rounds) for _ in range(workers)]
    seconds = [rng.expovariate(1) + 0.1 for _ in worker]
    columns = [pa.array(worker), pa.array(number), pa.array(seconds)]
    return ["worker", "round", "seconds"], columns


def _mutate(rng: random.Random, names: list[str], columns: list[Any]) -> str:
    if not columns:
        return "no column"
    at, rows = rng.randrange(len(columns)), len(columns[0])
    kind = rng.randrange(8)
    if kind <= 1:
        kind_of = rng.choice(TYPES)
        columns[at] = pa.array(_values(kind_of, rows), kind_of)
        return f"{names[at][:20]!r} is {kind_of}"
    if kind == 2:
        names[at] = rng.choice((*NAMES, *names))
        return f"a column {names[at][:20]!r}"
    if kind == 3:
        odd = rng.choice((None, float("nan"), float("inf"), -1.0, 0.0, 1e308, 1e-320, 1e200))
        values = columns[at].to_pylist()
        if rows:
            values[rng.randrange(rows)] = odd
        try:
            columns[at] = pa.array(values)
        except (pa.ArrowException, TypeError):
            columns[at] = pa.array([odd] * rows)
        return f"a cell of {odd}"
    if kind == 4:
        del names[at], columns[at]
        return "a column less"
    if kind == 5:
        names.append(rng.choice((*NAMES, "load", "load")))
        columns.append(pa.array([float(i % 2) for i in range(rows)]))
        return f"a column {names[-1][:20]!r} more"
    if kind == 6:
        times = rng.choice((0, 0, 2, 1000))
        columns[:] = [pa.concat_arrays([each] * times) if times else each[:0] for each in columns]
        return f"rows {times} times"
    if kind == 7 and rng.random() < 0.3:
        many = rng.choice((5_000, 30_000))
        names[:], columns[:] = [f"c{i}" for i in range(many)], [columns[at]] * many
        return f"{many} columns"
    text = rng.choice(("x" * 20_000, "1", "é", "\x1b[31m", "1.5", "", "9" * 400))
    columns[at] = pa.array([text] * rows)
    return f"texts {text[:20]!r}"


def _values(kind: Any, rows: int) -> list[Any]:
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_dictionary(kind):
        value: Any = "1.5"
    elif pa.types.is_binary(kind):
        value = b"\xff1"
    elif pa.types.is_date(kind):
        value = datetime.date(2001, 1, 1)
    elif pa.types.is_timestamp(kind):
        value = datetime.datetime(2001, 1, 1)
    elif pa.types.is_duration(kind):
        value = datetime.timedelta(seconds=1)
    elif pa.types.is_time(kind):
        value = datetime.time(1)
    elif pa.types.is_decimal(kind):
        value = Decimal("1.5")
    elif pa.types.is_null(kind):
        value = None
    elif pa.types.is_boolean(kind):
        value = True
    elif pa.types.is_list(kind):
        value = [1.5]
    elif pa.types.is_struct(kind):
        value = {"a": 1.5}
    elif pa.types.is_map(kind):
        value = [("a", 1)]
    elif pa.types.is_floating(kind):
        import numpy as np

        value = np.float16(1.5) if kind == pa.float16() else 1.5
    else:
        value = 1
    return [value] * rows


PANDAS: tuple[bytes, ...] = (
    *(b"", b"{", b"null", b"[]", b"1", b"\xff", b'"x"', b"{}", b"[" * 10_000, b'{"a":' * 10_000),
    json.dumps({"index_columns": ["nosuch"], "columns": [], "column_indexes": []}).encode(),
    json.dumps({"index_columns": 1, "columns": {}, "column_indexes": None}).encode(),
    json.dumps(
        {
            "index_columns": [
                {"kind": "range", "start": 0, "stop": 10**12, "step": 1, "name": None}
            ],
            "columns": [],
            "column_indexes": [],
        }
    ).encode(),
    json.dumps(
        {
            "index_columns": ["w0"],
            "columns": [
                {
                    "name": "w0",
                    "field_name": "w0",
                    "pandas_type": "datetime",
                    "numpy_type": "object",
                    "metadata": {"timezone": "x"},
                }
            ],
            "column_indexes": [{"name": 1, "pandas_type": "x", "numpy_type": "y", "metadata": 1}],
        }
    ).encode(),
)
