"""Random tables of delays, rightly laid out or broken."""

from __future__ import annotations

import datetime
import gzip
import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests.fuzz import arrays, labels, searches
from tests.fuzz.values import Case, Command, Raw

# Parquet files with odd columns, types, names and metadata.


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


# Files of delays and data that are broken somewhere: in a cell, in their form, in their bytes.


TABLES_NAMES = (
    *(
        "trace",
        "データ",
        "tra ce",
        "a'b",
        "[/b]",
        "$x$",
        "x\x1b[1my",
        "a\nb",
        "\u202ecsv",
        "é" * 100,
    ),
    *("-x", "a,b", "a#b", "%s", ".hidden", "n" * 240, "trace.csv", "con", "🙂", "a:b", "*", "~"),
)
WRONG_ENDINGS = (
    ".csv",
    ".csv.gz",
    ".parquet",
    ".npz",
    ".txt",
    "",
    ".CSV",
    ".gz",
    ".npy",
    ".csv.zip",
)


def make(rng: random.Random) -> Case:
    """A table, and what is done with it."""
    kind = rng.random()
    if kind < 0.25:
        return _data(rng)
    if kind < 0.35:
        return _public(rng)
    return _trace(rng)


def _trace(rng: random.Random) -> Case:
    ending, content, note = rng.choice(TRACES)(rng)
    content, damage = damaged(rng, content)
    if rng.random() < 0.05:
        ending, damage = rng.choice(WRONG_ENDINGS), f"{damage} wrong ending"
    name = "trace" if rng.random() < 0.9 else rng.choice(TABLES_NAMES)
    while len(name.encode()) + len(ending) > 255:
        name = name[:-1]
    file = f"{name}{ending}"
    commands = _measured(rng, file) if rng.random() < 0.5 else _runs(rng)
    files = {file: content}
    runs = commands[0][0] == "run"
    if runs:
        files["config.yaml"] = _config(rng, file)
    return Case(files, commands, f"{file!r:.60} {note} {damage}", repeats=runs)


def _measured(rng: random.Random, file: str) -> tuple[Command, ...]:
    """What is done with a table by itself; some of the configs that a fit writes are run."""
    kind = rng.random()
    if kind < 0.4:
        whatif = _whatif(rng, file)
        return rng.choice(((whatif,), (whatif, ("report", "out"))))
    if kind < 0.5:
        run = ("run", "out/delay.yaml", "--set", "iterations=3", "--output", "fitted")
        return (("fit", "--output", "out", "--", file), rng.choice((run, ("report", "out"))))
    return (_fit(rng, file),)


def _fit(rng: random.Random, file: str) -> Command:
    """The name could be taken for an option."""
    options = read(rng)
    if rng.random() < 0.2:
        ranges = ("1:3", "2:2", "0:3", "3:1", ":", "1:", "a:b", "1:9999999", "-1:2", "1:2:3", "١:٢")
        options += ["--k-range", rng.choice((*ranges, "9" * 5000 + ":1"))]
    if rng.random() < 0.2:
        options += [
            "--output",
            rng.choice(("out", "out/deep", "[/b]", "日本", "x\x1b", "trace.csv")),
        ]
    return ("fit", *options, "--", file)


def read(rng: random.Random) -> list[str]:
    """Options of every command that reads a table."""
    options: list[str] = []
    choices = {
        "--load": ("1", "2", "0", "-1", "nan", "1e400", "x", "inf", ""),
        "--unit": ("s", "ms", "us", "ns", "h"),
        "--missing": ("refuse", "drop-rounds", "never", "0"),
        "--retries": ("refuse", "last", "sum", "mean"),
        "--columns": ("worker=host", "round=", "seconds=load,load=seconds", "x=y", "=", "worker"),
        "--drop": ("0", "load", "Unnamed: 0", ",", "0,1,2,3,4,5,6,7"),
    }
    for option, values in choices.items():
        if rng.random() < 0.12:
            options += [option, rng.choice(values)]
    return options


def _whatif(rng: random.Random, file: str) -> Command:
    options = read(rng)
    if rng.random() < 0.3:
        counts = ("1:2", "0", "1", "1,2", "2:1", "-1", "x", "1:99999999", "", "1,1", "9" * 5000)
        options += ["--stragglers", rng.choice(counts)]
    if rng.random() < 0.2:
        options += ["--timeout", rng.choice(("0.5", "0.9,0.99", "1", "0", "nan", "2", "x", ""))]
    return ("whatif", *options, "--output", "out", "--", file)


def _runs(rng: random.Random) -> tuple[Command, ...]:
    run = ("run", "config.yaml", "--output", "out", "--data-dir", "data")
    return rng.choice(((run,), (run,), (run, run), ((*run, "--dry-run"),)))


def _config(rng: random.Random, file: str) -> bytes:
    delay = {"model": "trace", "path": file}
    delay |= rng.choice(({}, {"resample": "cells"}, {"resample": "rounds"}, {"end": "cyclic"}))
    if rng.random() < 0.1:
        delay["load"] = Raw(rng.choice(("1", "2", "0", "-1", ".nan", "1e400", "x")))
    return _document(rng, {"delay": delay})


def _document(rng: random.Random, more: dict[str, object]) -> bytes:
    document = {
        "workers": rng.choice((1, 2, 2, 4)),
        "iterations": 5,
        "replications": 2,
        "delay": {"model": "exponential", "rate": 1.0},
        "schemes": [{"name": "uncoded"}, {"name": "erasurehead", "load": 2, "wait_for": 2}],
        **more,
    }
    return labels.write(document, random.Random(0)).encode("utf-8", "surrogatepass")


def _data(rng: random.Random) -> Case:
    """A user's own NPZ of X, y and so on."""
    content, note = arrays.data(rng)
    content, damage = damaged(rng, content)
    loss = rng.choice(("least_squares", "logistic", "least_squares"))
    problem = {"loss": loss, "dataset": "file", "path": "data.npz"}
    optimizer = {"rule": rng.choice(("gd", "accelerated", "nesterov")), "learning_rate": 0.05}
    config = _document(rng, {"problem": problem, "optimizer": optimizer})
    files = {"config.yaml": config, "data.npz": content}
    return Case(files, _runs(rng), f"data.npz {loss} {note} {damage}", repeats=True)


def _public(rng: random.Random) -> Case:
    """A download of a public data set."""
    dataset, file, rows = rng.choice(searches.PUBLIC)(rng)
    content, note = searches.csv(rng, rows)
    content, damage = damaged(rng, content)
    loss = "least_squares" if dataset == "kc_housing" else "logistic"
    problem = {"loss": loss, "dataset": dataset}
    config = _document(
        rng, {"problem": problem, "optimizer": {"rule": "gd", "learning_rate": 0.01}}
    )
    files = {"config.yaml": config, f"data/{file}": content}
    return Case(files, _runs(rng), f"{file} {note} {damage}", repeats=True)


def _csv(rng: random.Random) -> tuple[str, bytes, str]:
    content, note = searches.csv(rng, searches.delays(rng))
    return ".csv", content, note


def _gz(rng: random.Random) -> tuple[str, bytes, str]:
    if rng.random() < 0.05:
        line, times = rng.choice(
            ((b"1,2,3\n", 10**7), (b"1", 10**8), (b"\n", 10**8), (b",", 10**8))
        )
        return ".csv.gz", gzip.compress(line * times, 1, mtime=0), "a bomb"
    content, note = searches.csv(rng, searches.delays(rng))
    packed = gzip.compress(content, mtime=0)
    if rng.random() < 0.2:
        packed, note = (
            packed + rng.choice((packed, b"rubbish", b"\0" * 50, content)),
            f"{note} more",
        )
    return ".csv.gz", packed, note


def _npz(rng: random.Random) -> tuple[str, bytes, str]:
    return ".npz", *arrays.delays(rng)


def _parquet(rng: random.Random) -> tuple[str, bytes, str]:
    return ".parquet", *parquet(rng)


TRACES: tuple[Callable[[random.Random], tuple[str, bytes, str]], ...] = (
    *(_csv,) * 4,
    _gz,
    *(_npz,) * 2,
    *(_parquet,) * 2,
)


def damaged(rng: random.Random, content: bytes) -> tuple[bytes, str]:
    """Most files stay as they are; some lose, gain or change bytes."""
    kind, at = rng.random(), rng.randrange(len(content) + 1)
    size = rng.choice((1, 1, 2, 8, 100))
    noise = bytes(rng.randrange(256) for _ in range(size))
    if kind < 0.8:
        return content, ""
    if kind < 0.84:
        return content[:at], "cut short"
    if kind < 0.89:
        return content[:at] + noise + content[at + size :], "bytes replaced"
    if kind < 0.91:
        return content[:at] + content[at + size :], "bytes missing"
    if kind < 0.93:
        return content[:at] + noise + content[at:], "bytes more"
    if kind < 0.95:
        return content[at:], "its end alone"
    if kind < 0.96:
        return content[:at] + b"\0" * (len(content) - at), "zeros to the end"
    if kind < 0.985 and content:
        at = min(at, len(content) - 1)
        return content[:at] + bytes([content[at] ^ 1 << rng.randrange(8)]) + content[
            at + 1 :
        ], "a bit"
    return rng.choice((b"", b"\0", noise, noise * 50, content + content, b"\n" * 50)), "other bytes"
