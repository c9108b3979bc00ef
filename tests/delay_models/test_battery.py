"""Tables whose truth is known, in every format, with what scripts and people put into them.

A person who knows the truth reads each: without an option at first, then with what the refusal
names. Three numbers are counted. None may be read wrongly without a word; what can be known is read
rightly, or refused with an option that reads it rightly; and every refusal names an option.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import time
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from erasurehead.delay_models.tables.columns import durations as lasting
from erasurehead.delay_models.tables.columns import parse, role_of, settle
from erasurehead.delay_models.tables.measured import Measured, Reading, TableError, parse_columns
from erasurehead.delay_models.tables.odd_columns import _sizes, derived_worker, odd_columns
from erasurehead.delay_models.tables.odd_rows import (
    _of_another_size,
    _unlike,
    counting,
    odd_rows,
    remarks,
    repeated,
)
from erasurehead.delay_models.tables.profiles import _by_keys
from erasurehead.delay_models.tables.read import _slower, as_read, read_measured
from erasurehead.sim.files import UnusableFile

Rng = np.random.Generator
Write = Callable[[pd.DataFrame, Path], Path]


@dataclass(frozen=True, eq=False)
class Case:
    """A file, and what it holds.

    Attributes:
        name: what is special about it.
        frame: what is written.
        write: how.
        table, hosts: the truth, ``(rounds, n)`` seconds; infinite: never.
        known: what the person says from the start.
        word: what a note must say where the file is not read as the truth has it.
        knowable: whether the file tells the truth at all.
    """

    name: str
    frame: pd.DataFrame
    write: Write
    table: np.ndarray
    hosts: tuple[str, ...] | None
    known: Reading = field(default_factory=Reading)
    word: str = ""
    knowable: bool = True


# Formats.


def text(
    frame: pd.DataFrame,
    path: Path,
    sep: str = ",",
    end: str = ".csv",
    coding: str = "utf-8",
    **how: Any,
) -> Path:
    content = frame.to_csv(None, index=False, sep=sep, **how).encode(coding)
    file = path.with_suffix(end)
    if end.endswith(".gz"):
        file = path.parent / f"{path.name}{end}"
        content = gzip.compress(content)
    file.write_bytes(content)
    return file


def parquet(frame: pd.DataFrame, path: Path) -> Path:
    file = path.with_suffix(".parquet")
    frame.rename(columns=str).to_parquet(file)
    return file


def npz(frame: pd.DataFrame, path: Path, name: str = "delays") -> Path:
    file = path.with_suffix(".npz")
    np.savez(file, **{name: frame.to_numpy()})
    return file


def npy(frame: pd.DataFrame, path: Path) -> Path:
    file = path.with_suffix(".npy")
    np.save(file, frame.to_numpy())
    return file


def aligned(frame: pd.DataFrame, path: Path, index: bool = False) -> Path:
    """As it is printed: any number of spaces between cells."""
    file = path.with_suffix(".txt.csv")
    file.write_text(frame.to_string(index=index))
    return file


def savetxt(frame: pd.DataFrame, path: Path, named: bool = True) -> Path:
    file = path.with_suffix(".csv")
    header = " ".join(map(str, frame.columns)) if named else ""
    np.savetxt(file, frame.to_numpy(), fmt="%.17g", header=header)
    return file


def as_json(frame: pd.DataFrame, path: Path, orient: Any = "records") -> Path:
    file = path.with_suffix(".json")
    if orient == "dict of lists":
        file.write_text(json.dumps(frame.rename(columns=str).to_dict("list")))
    elif orient == "lists":
        file.write_text(json.dumps(frame.to_numpy().tolist()))
    else:
        frame.reset_index(drop=True).to_json(file, orient=orient, double_precision=15)
    return file


NAMED: dict[str, Write] = {
    "csv": text,
    "tsv": partial(text, sep="\t", end=".tsv"),
    "semicolons": partial(text, sep=";", decimal=","),
    "csv.gz": partial(text, end=".csv.gz"),
    "parquet": parquet,
    "spaces": partial(text, sep=" "),
    "UTF-16": partial(text, sep="\t", coding="utf-16"),
    "json": as_json,
    "json, dict of lists": partial(as_json, orient="dict of lists"),
    "json, as pandas": partial(as_json, orient="columns"),
}
NAMELESS: dict[str, Write] = {
    "csv without a header": partial(text, header=False),
    "npz": npz,
    "npy": npy,
    "savetxt": partial(savetxt, named=False),
    "json, lists": partial(as_json, orient="lists"),
}


def profiler(frame: pd.DataFrame, path: Path, junk: int = 0) -> Path:
    """A trace a rank, perhaps with events and files that mean nothing."""
    path.mkdir()
    odd: list[Any] = [5, "text", [1], {"rank": {"rank": 1}}, {"name": ["x"], "ph": "X", "dur": {}}]
    for rank, column in enumerate(frame.columns):
        events: list[Any] = [*odd[:junk]]
        for step, seconds in enumerate(frame[column]):
            name, start = f"ProfilerStep#{step}", 4e6 * step
            events.append({"name": name, "ph": "X", "ts": start, "dur": 1e6 * seconds})
        trace = {"traceEvents": events, "distributedInfo": {"rank": rank}}
        (path / f"rank{rank}.json").write_text(json.dumps(trace))
    if junk > 2:
        (path / "rank0_memory.json").write_text(json.dumps([1, 2, 3]))
    return path


# Delays.


def lognormal(rng: Rng, rows: int, n: int) -> np.ndarray:
    return rng.lognormal(0.2, 0.25, (rows, n)).round(3)


def exponential(rng: Rng, rows: int, n: int) -> np.ndarray:
    return (0.4 + rng.exponential(0.5, (rows, n))).round(4)


def straggler(rng: Rng, rows: int, n: int) -> np.ndarray:
    table = rng.gamma(20, 0.05, (rows, n))
    table[:, rng.integers(n)] *= rng.choice([2, 5, 12, 20])
    return table.round(3)


def heavy(rng: Rng, rows: int, n: int) -> np.ndarray:
    return (0.8 + rng.pareto(1.5, (rows, n))).round(3)


def states(rng: Rng, rows: int, n: int) -> np.ndarray:
    slow = np.repeat(rng.random((rows // 6 + 1, n)) < 0.2, 6, axis=0)[:rows]
    return (rng.lognormal(0, 0.1, (rows, n)) * np.where(slow, 6, 1)).round(4)


def together(rng: Rng, rows: int, n: int) -> np.ndarray:
    """Workers that wait for each other: all alike, but for some microseconds."""
    return (rng.lognormal(0, 0.3, (rows, 1)) + rng.normal(0, 2e-5, (rows, n))).round(6)


def ticks(rng: Rng, rows: int, n: int) -> np.ndarray:
    """A clock of tenths of a second."""
    return rng.lognormal(0.4, 0.3, (rows, n)).round(1) + 0.1


def drifting(rng: Rng, rows: int, n: int) -> np.ndarray:
    grows = np.linspace(1, 1.5, rows)[:, None]
    return (rng.lognormal(0, 0.2, (rows, n)) * grows).round(4)


def still(rng: Rng, rows: int, n: int) -> np.ndarray:
    """Nothing random: each worker has its time."""
    return np.tile(rng.uniform(0.5, 2, n).round(3), (rows, 1))


def digits(rng: Rng, rows: int, n: int) -> np.ndarray:
    return rng.lognormal(0, 0.4, (rows, n))


LAWS = (
    *(lognormal, exponential, straggler, heavy, states),
    *(together, ticks, drifting, still, digits),
)


def names(rng: Rng, n: int) -> tuple[str, ...]:
    ways = (
        [f"node{j}" for j in range(1, n + 1)],
        [f"gpu-{j:02d}" for j in range(n)],
        [f"10.0.{j // 200}.{j % 200 + 1}" for j in range(n)],
        [f"ip-10-0-0-{j}.ec2.internal" for j in range(n)],
        [f"p{j}" for j in range(n)],
        [f"rack{j // 4}/node{j % 4}" for j in range(n)],
        [f"worker_{j}" for j in range(n)],
        [f"rank{j}" for j in range(n)],
    )
    return tuple(ways[rng.integers(len(ways))])


def size(rng: Rng) -> tuple[int, int]:
    return int(rng.choice([4, 8, 15, 40, 60])), int(rng.choice([2, 3, 5, 8, 20]))


def clean(rng: Rng) -> Case:
    """Nothing is wrong: it is read as it is, or an option says that it is."""
    law = LAWS[rng.integers(len(LAWS))]
    rows, n = size(rng)
    table = law(rng, rows, n)
    hosts = names(rng, n)
    frame = pd.DataFrame(table, columns=[*hosts])
    way = int(rng.integers(6))
    if way == 0:
        kind = [*NAMELESS][rng.integers(len(NAMELESS))]
        return Case(f"clean {law.__name__}, {kind}", frame, NAMELESS[kind], table, None)
    if way == 1:
        return Case(f"clean {law.__name__}, long", long(frame), long_write(rng), table, hosts)
    if way == 2:
        factor, unit = ((1e3, "ms"), (1e6, "us"))[rng.integers(2)]
        frame = pd.DataFrame((table * factor).round(), columns=[f"{h}_{unit}" for h in hosts])
        known = Reading(unit=unit) if unit == "us" else Reading()
        coarse = (table * factor).round() / factor
        return Case(f"clean {law.__name__}, {unit}", frame, text, coarse, hosts, known)
    if way == 3:
        return Case(f"clean {law.__name__}, profiler", frame, profiler, table, None)
    kind = [*NAMED][rng.integers(len(NAMED))]
    return Case(f"clean {law.__name__}, {kind}", frame, NAMED[kind], table, hosts)


def long(frame: pd.DataFrame, columns: Sequence[str] = ("host", "step", "seconds")) -> pd.DataFrame:
    rows = frame.rename_axis("step").reset_index().melt("step", var_name="host")
    rows = rows.sort_values("step", kind="stable")[["host", "step", "value"]]
    return rows.set_axis([*columns], axis=1).reset_index(drop=True)


def long_write(rng: Rng) -> Write:
    return [*NAMED.values()][rng.integers(len(NAMED))]


# Columns that are no worker's.


def quantile(share: float) -> Callable[[np.ndarray, Rng], np.ndarray]:
    return lambda table, rng: np.quantile(table, share, axis=1)


COLUMNS: dict[str, Callable[[np.ndarray, Rng], Any]] = {
    "max": lambda t, r: t.max(axis=1),
    "min": lambda t, r: t.min(axis=1),
    "mean": lambda t, r: t.mean(axis=1).round(4),
    "sum": lambda t, r: t.sum(axis=1).round(4),
    "median": lambda t, r: np.median(t, axis=1).round(4),
    "p95": quantile(0.95),
    "p99": quantile(0.99),
    "step": lambda t, r: t.max(axis=1) + 0.25,
    "part": lambda t, r: t[:, : max(2, t.shape[1] // 2)].sum(axis=1),
    "copy": lambda t, r: t[:, 0],
    "constant": lambda t, r: np.full(len(t), 32.0),
    "index": lambda t, r: np.arange(len(t)),
    "from 100": lambda t, r: np.arange(100, 100 + len(t)),
    "clock": lambda t, r: t.max(axis=1).cumsum().round(3),
    "1970": lambda t, r: 1.7e9 + t.max(axis=1).cumsum().round(2),
    "loss": lambda t, r: (3 * 0.97 ** np.arange(len(t)) + r.normal(0, 0.004, len(t))).round(4),
    "rate": lambda t, r: 0.1 * 0.95 ** np.arange(len(t)),
    "temperature": lambda t, r: (61 + r.normal(0, 1, len(t))).round(1),
    "watts": lambda t, r: r.integers(240, 300, len(t)),
    "batch": lambda t, r: r.choice([32, 64], len(t)),
    "flag": lambda t, r: (r.random(len(t)) < 0.3).astype(int),
    "bytes": lambda t, r: r.integers(10**6, 10**8, len(t)),
}
PLAIN = ("all", "slowest", "x", "agg", "node_max", "zz", "global", "host_all", "monitor", "bs")


def column(rng: Rng) -> Case:
    """A column more, of a name that says nothing, or of none; seconds, or whole milliseconds."""
    law = (lognormal, exponential, straggler, heavy, states, digits)[rng.integers(6)]
    rows, n = int(rng.choice([12, 20, 40, 60])), int(rng.choice([3, 5, 8, 20, 70]))
    table, hosts = law(rng, rows, n), names(rng, n)
    kind = [*COLUMNS][rng.integers(len(COLUMNS))]
    place, name = int(rng.choice([0, n, n // 2])), PLAIN[rng.integers(len(PLAIN))]
    millis = rng.random() < 0.35
    values = (1000 * table).round() if millis else table
    more = np.asarray(COLUMNS[kind](values, rng))
    frame = pd.DataFrame(values, columns=[*hosts])
    frame.insert(place, name, more)
    known = Reading()
    if millis:
        table = values / 1000
        frame = frame.astype(dict.fromkeys(hosts, "int64"))
        if np.all(more == np.round(more)):
            frame[name] = more.astype("int64")
        if rng.random() < 0.5:
            known = Reading(unit="ms")
        else:
            frame = frame.rename(columns={host: f"{host}_ms" for host in hosts})
    told = f"column {kind} at {place} of {law.__name__}{', ms' * millis}"
    ways = NAMELESS if known.unit is None and not millis and rng.random() < 0.3 else NAMED
    way = [*ways][rng.integers(len(ways))]
    told, truth = f"{told}, {way}", hosts if ways is NAMED else None
    # Watts are like milliseconds, and of many columns only groups at the edges are looked at.
    plain = not (millis and kind == "watts") and not (kind == "part" and n > 50)
    return Case(told, frame, ways[way], table, truth, known, knowable=plain)


def two_columns(rng: Rng) -> Case:
    """Several summaries at once."""
    rows, n = 40, int(rng.choice([3, 5, 8]))
    table, hosts = lognormal(rng, rows, n), names(rng, n)
    frame = pd.DataFrame(table, columns=[*hosts])
    kinds = rng.choice([*COLUMNS], 3, replace=False)
    for kind, name in zip(kinds, rng.choice(PLAIN, 3, replace=False), strict=True):
        frame[name] = COLUMNS[kind](table, rng)
    return Case(f"columns {', '.join(kinds)}", frame, text, table, hosts)


# Rows that are no rounds, or come again.


def summary(table: np.ndarray, kind: str) -> np.ndarray:
    if kind == "describe":
        return pd.DataFrame(table).describe().to_numpy()
    return np.atleast_2d(getattr(np, kind)(table, axis=0))


def row(rng: Rng) -> Case:
    rows, n = int(rng.choice([8, 20, 40])), int(rng.choice([2, 3, 5, 8]))
    table, hosts = lognormal(rng, rows, n), names(rng, n)
    kind = ("sum", "mean", "max", "min", "median", "describe")[rng.integers(6)]
    made = summary(table, kind).round(6)
    first = kind != "describe" and rng.random() < 0.3
    frame = pd.DataFrame(np.vstack([made, table] if first else [table, made]), columns=[*hosts])
    way = [*NAMED][rng.integers(len(NAMED))]
    name = f"row {kind} {'first' if first else 'last'}, {rows} x {n}, {way}"
    return Case(name, frame, NAMED[way], table, hosts)


def again(rng: Rng) -> Case:
    rows, n = int(rng.choice([4, 20, 40])), int(rng.choice([2, 3, 8]))
    table, hosts = lognormal(rng, rows, n), names(rng, n)
    times, kind = int(rng.choice([2, 3])), ("blocks", "in turn")[rng.integers(2)]
    whole = np.tile(table, (times, 1)) if kind == "blocks" else np.repeat(table, times, axis=0)
    frame = pd.DataFrame(whole, columns=[*hosts])
    if rng.random() < 0.4:
        return Case(f"again {times} {kind}, long", long(frame), long_write(rng), table, hosts)
    way = [*NAMED][rng.integers(len(NAMED))]
    return Case(f"again {times} {kind}, {way}", frame, NAMED[way], table, hosts)


def unsteady(rng: Rng) -> Case:
    """A warm-up, or two phases: genuine or not, it is said."""
    table, hosts = lognormal(rng, 40, 5), names(rng, 5)
    part, times, word = ((3, 6, "warm-up"), (20, 3, "two phases"))[rng.integers(2)]
    table[:part] *= times
    truth = table[part:] if word == "warm-up" else table[:part]
    frame = pd.DataFrame(table, columns=[*hosts])
    is_long = rng.random() < 0.5
    return Case(word, long(frame) if is_long else frame, text, truth, hosts, word=word)


# Units.


def unit(rng: Rng) -> Case:
    rows, n = int(rng.choice([8, 20, 40])), int(rng.choice([2, 5, 8]))
    table, hosts = lognormal(rng, rows, n), names(rng, n)
    factor, name = ((1e3, "ms"), (1e6, "us"), (1e9, "ns"))[rng.integers(3)]
    whole = rng.random() < 0.5
    values = (table * factor).round(0 if whole else 2)
    frame, truth = pd.DataFrame(values, columns=[*hosts]), values / factor
    if whole:
        frame = frame.astype("int64")
    way = int(rng.integers(6))
    told = f"unit {name}{', whole' * whole}"
    if way == 0:
        return Case(f"{told}, npz", frame, partial(npz, name=f"delays_{name}"), truth, None)
    if way == 1:
        frame.attrs["unit"] = name
        return Case(f"{told}, metadata", frame, parquet, truth, hosts)
    if way == 2:
        calls = long(frame, ("host", "step", "duration"))
        return Case(f"{told}, long", calls, long_write(rng), truth, hosts)
    if way == 3:
        calls = long(frame, ("host", "step", f"duration_{name}"))
        return Case(f"{told}, long, named", calls, long_write(rng), truth, hosts)
    if way == 4:
        ends = long(frame, ("host", "step", "end"))
        ends.insert(2, "start", (np.arange(len(ends)) // n * 3 * factor).round().astype(int))
        ends["end"] += ends["start"]
        return Case(f"{told}, start and end", ends, text, truth, hosts)
    kinds = {**NAMED, **NAMELESS}
    kind = [*kinds][rng.integers(len(kinds))]
    return Case(f"{told}, {kind}", frame, kinds[kind], truth, hosts if kind in NAMED else None)


def odd_unit(rng: Rng) -> Case:
    table, hosts = lognormal(rng, 20, 5), names(rng, 5)
    name, seconds = (("cs", 0.01), ("min", 60.0), ("days", 86400.0), ("h", 3600.0))[rng.integers(4)]
    frame = pd.DataFrame(table, columns=[f"{host}_{name}" for host in hosts])
    if rng.random() < 0.5:
        calls = long(pd.DataFrame(table, columns=[*hosts]), ("host", "step", f"duration_{name}"))
        return Case(f"unit {name}, long", calls, text, table * seconds, hosts)
    return Case(f"unit {name}", frame, text, table * seconds, None)


def small_unit(rng: Rng) -> Case:
    """Some milliseconds with fractions: nothing tells, and the assumption is said."""
    table, hosts = lognormal(rng, 20, 5), names(rng, 5)
    frame = pd.DataFrame((20 * table).round(2), columns=[*hosts])
    truth = (20 * table).round(2) / 1000
    return Case("unit unknown", frame, text, truth, hosts, word="read as seconds", knowable=False)


def pointed(rng: Rng) -> Case:
    table, hosts = 1 + lognormal(rng, 20, 5), names(rng, 5)
    frame = pd.DataFrame(table, columns=[f"{host}_ms" for host in hosts])
    truth = table if rng.random() < 0.5 else table / 1000
    return Case("thousands", frame, partial(text, sep=";", float_format="%.3f"), truth, None)


# Headers.


def header(rng: Rng) -> Case:
    rows, n = int(rng.choice([6, 20, 40])), int(rng.choice([2, 3, 5, 8]))
    table = lognormal(rng, rows, n)
    ways: tuple[Any, ...] = (
        range(n),
        range(1, n + 1),
        range(4, 4 + n),
        range(n, 0, -1),
        [10 * j for j in range(1, n + 1)],
        [float(j) for j in range(1, n + 1)],
        [j // 2 + 1 + (j % 2 + 1) / 10 for j in range(n)] if n > 2 else [None] * n,
        [None] * n,
    )
    row = [*ways[rng.integers(len(ways))]]
    millis = rng.random() < 0.3
    known = Reading(unit="ms") if millis else Reading()
    values = (1000 * table).round() if millis else table
    frame = pd.DataFrame(values, columns=row if row[0] is not None else [*range(n)])
    if millis:
        frame = frame.astype(int)
    write = partial(text, header=row[0] is not None)
    return Case(f"header {row[:3]}{', ms' * millis}, {rows} rows", frame, write, table, None, known)


# Long tables.


def calls(rng: Rng) -> Case:
    rows, n = int(rng.choice([8, 20, 40])), int(rng.choice([2, 5, 8]))
    table, hosts = lognormal(rng, rows, n), names(rng, n)
    frame = pd.DataFrame(table, columns=[*hosts])
    rows_of = long(frame)
    kind = int(rng.integers(9))
    if kind <= 1:  # some calls were tried again, the second time counts
        often = rng.choice(len(rows_of), 3, replace=False)
        first = rows_of.iloc[often].assign(seconds=9.5)
        name = ("retries", "attempt", "try_no", "note")[rng.integers(4)]
        both = pd.concat([first.assign(**{name: 0}), rows_of.assign(**{name: 0})])
        both.loc[both.duplicated(["host", "step"]), name] = 1
        if kind == 0:
            both = both.drop(columns=name).sort_values("step", kind="stable")
        return Case(f"retries{' with a column' * kind}", both, text, table, hosts)
    if kind == 2:
        bad = rng.random(len(rows_of)) < 0.15
        bad[0] = True
        status = np.where(bad, "FAILED", "ok")
        truth = np.where(bad.reshape(rows, n), np.inf, table)
        out = rows_of.assign(status=status, seconds=np.where(bad, 0.01, rows_of.seconds))
        return Case("status", out, text, truth, hosts)
    if kind == 3:
        slower = pd.DataFrame(3 * lognormal(rng, rows, n), columns=[*hosts])
        second = long(slower).assign(step=lambda f: f.step + rows)
        both = pd.concat([rows_of.assign(job_id="A"), second.assign(job_id="B")])
        return Case("two jobs", both, text, table, hosts)
    if kind == 4:
        second = long(pd.DataFrame(lognormal(rng, rows, n), columns=[*hosts]))
        return Case("two runs", pd.concat([rows_of, second]), text, table, hosts)
    if kind == 5:
        shuffled = rows_of.iloc[rng.permutation(len(rows_of))]
        return Case("shuffled", shuffled, long_write(rng), table, hosts)
    if kind == 6:
        twice = pd.concat([rows_of, rows_of.iloc[[3]]])
        shuffled = twice.iloc[rng.permutation(len(twice))]
        return Case("shuffled, a call twice", shuffled, text, table, hosts)
    if kind == 7:
        made = rng.choice(["max", "mean"])
        whole = frame.assign(ALL=getattr(frame, made)(axis=1).round(4))
        return Case(f"worker ALL is the {made}", long(whole), text, table, hosts)
    indexed = rows_of.rename(columns={"seconds": "duration_s"}).set_index(["host", "step"])
    return Case("long, index of Parquet", indexed, parquet, table, hosts)


def indexed(rng: Rng) -> Case:
    table, hosts = lognormal(rng, 20, 5), names(rng, 5)
    frame = pd.DataFrame(table, columns=[*hosts])
    kind = int(rng.integers(4))
    if kind == 0:
        order = rng.permutation(20)
        shuffled = frame.iloc[order].set_axis(pd.Index(order, name="step"))
        return Case("index step, shuffled", shuffled, parquet, table, hosts)
    if kind == 1:
        both = pd.concat([frame, frame * 1.01]).set_axis(pd.Index([*range(20)] * 2, name="step"))
        return Case("index step, two runs", both, parquet, table, hosts)
    turned = frame.T.rename_axis("host")
    if kind == 2:
        return Case("index host", turned, parquet, table, hosts)
    turned = turned.rename(columns="step_{}".format).reset_index()
    return Case("a row a worker", turned, text, table, hosts)


def gaps(rng: Rng) -> Case:
    table, hosts = lognormal(rng, 20, 5), names(rng, 5)
    cell = ("", "timeout", "NaN", "OOM")[rng.integers(4)]
    frame = pd.DataFrame(table, columns=[*hosts]).astype(object)
    hit = rng.random(table.shape) < 0.05
    hit[2, 3] = True
    frame = frame.mask(hit, cell)
    truth = np.where(hit, np.inf, table) if rng.random() < 0.5 else table[~hit.any(axis=1)]
    return Case(f"missing {cell!r}", frame, text, truth, hosts)


def durations(rng: Rng) -> Case:
    """Seconds as pandas or Python write a duration, wide or long."""
    rows, n = int(rng.choice([8, 20])), int(rng.choice([1, 2, 5]))
    table, hosts = lognormal(rng, rows, n), names(rng, n)
    hours = 3600.0 * int(rng.integers(3) == 0)
    frame = pd.DataFrame(table + hours, columns=[*hosts])
    tall = rng.random() < 0.4
    frame = long(frame) if tall else frame
    names_of = ["seconds"] if tall else [*hosts]
    lasting = frame[names_of].apply(lambda column: pd.to_timedelta(column, unit="s"))
    way = int(rng.integers(3))
    if way == 1:  # 0:00:01.5; of hours it could be a time of day
        lasting = lasting.map(lambda cell: str(cell.to_pytimedelta()))
    write: Write = parquet if way == 2 else text
    frame = frame.assign(**{name: lasting[name] for name in names_of})
    told = f"durations {('of pandas', 'of Python', 'in Parquet')[way]}{', hours' * bool(hours)}"
    return Case(f"{told}{', long' * tall}", frame, write, table + hours, hosts)


def printed(rng: Rng) -> Case:
    """Printed, or written by other programs, with spaces between cells; UTF-16 without a mark."""
    table = LAWS[rng.integers(len(LAWS))](rng, 20, int(rng.choice([2, 5, 8])))
    hosts = tuple(f"node{j}" for j in range(table.shape[1]))
    frame = pd.DataFrame(table, columns=[*hosts]).round(4)
    ways: dict[str, Write] = {
        "printed": aligned,
        "printed with its index": partial(aligned, index=True),
        "savetxt with names": savetxt,
        "UTF-16 without a mark": partial(text, coding="utf-16-le"),
        "UTF-16, gzip, decimal commas": partial(
            text, sep=";", decimal=",", end=".csv.gz", coding="utf-16"
        ),
        "spaces and decimal commas": partial(text, sep=" ", decimal=","),
        "json, split": partial(as_json, orient="split"),
        "json, by round": partial(as_json, orient="index"),
    }
    kind = [*ways][rng.integers(len(ways))]
    way = ways[kind]
    if kind == "printed with its index" and rng.random() < 0.5:
        return Case(f"{kind}, long", long(frame), way, frame.to_numpy(), hosts)
    return Case(kind, frame, way, frame.to_numpy(), hosts)


def trace(rng: Rng) -> Case:
    table = digits(rng, int(rng.choice([6, 12])), int(rng.choice([2, 4])))
    junk = int(rng.integers(3))
    frame = pd.DataFrame(table)
    return Case(
        f"profiler with {junk} odd events", frame, partial(profiler, junk=junk), table, None
    )


MAKERS = (
    *(clean, clean, clean, clean, column, column, column, two_columns, row, again, unsteady),
    *(
        unit,
        unit,
        odd_unit,
        small_unit,
        pointed,
        header,
        header,
        calls,
        calls,
        indexed,
        gaps,
        trace,
        durations,
        printed,
    ),
)


# The person.

OPTION = re.compile(
    r"--(columns|drop|keep|rows|header|decimal|unit|missing|retries) "
    r"('[^']*'|[^ ;,)]*(?:,[^ ;,)]+)*)((?:, \w+)*(?:,? or \w+)?)"
)
CHOICES = ("unit", "missing", "retries", "header", "decimal")


def named_options(refusal: str) -> Iterator[tuple[str, str]]:
    """What a refusal names: each option with each value, such as ``--unit s, ms, us or ns``."""
    for option, value, more in OPTION.findall(refusal):
        yield option, value.strip("'")
        if option in CHOICES:
            yield from ((option, other) for other in re.findall(r"\w+", more) if other != "or")


def with_option(reading: Reading, option: str, value: str) -> Reading | None:
    try:
        match option:
            case "columns":
                return replace(reading, columns={**reading.columns, **parse_columns(value)})
            case "drop" | "keep":
                before = getattr(reading, option)
                return replace(reading, **{option: (*before, *value.split(","))})
            case "unit" if value not in ("s", "ms", "us", "ns"):
                return replace(reading, unit=float(value))
            case _:
                return replace(reading, **{option: value})
    except ValueError:
        return None


def right(found: Measured, case: Case) -> bool:
    table = found.tables.get(None)
    hosts = case.hosts is None or found.hosts == case.hosts
    if table is None or table.shape != case.table.shape:
        return False
    order = [*range(len(found.hosts))]
    if case.hosts is not None and sorted(found.hosts) == sorted(case.hosts):
        order, hosts = [found.hosts.index(host) for host in case.hosts], True
    return hosts and np.allclose(table[:, order], case.table, rtol=1e-9, atol=1e-12)


def outcome(case: Case, path: Path, reading: Reading, depth: int = 4) -> str:
    """``right``, ``told`` (wrong, with a word), ``wrong``; ``refused`` with what then reads it
    rightly, else ``stuck``; ``mute``: without an option."""
    try:
        found = read_measured(str(path), reading)
    except TableError as error:
        refusal = error.defect
    else:
        if right(found, case):
            return "right"
        said = " ".join([*found.assumed, *found.notes, *as_read(found)])
        return "told" if case.word and case.word in said else f"wrong {said[:200]}"
    options = [*dict.fromkeys(named_options(refusal))]
    if not options:
        return f"mute {refusal}"
    for option, value in options if depth else ():
        changed = with_option(reading, option, value)
        if changed is not None and changed != reading:
            then = outcome(case, path, changed, depth - 1)
            if then in ("right", "refused"):
                return "refused"
    return f"stuck {refusal}"


def judged(count: int, folder: Path, start: int = 0) -> list[tuple[Case, str]]:
    found = []
    for seed in range(start, start + count):
        rng = np.random.default_rng([3, seed])
        case = MAKERS[seed % len(MAKERS)](rng)
        path = case.write(case.frame, folder / f"t{seed}")
        found.append((case, outcome(case, path, case.known)))
    return found


def require_good(found: list[tuple[Case, str]]) -> None:
    """The three numbers."""
    told = [f"{case.name}: {how}" for case, how in found if how not in ("right", "refused", "told")]
    counts = Counter(how.partition(" ")[0] for _, how in found)
    wrong = [case.knowable for case, how in found if how.startswith("wrong")]
    assert not any(wrong), told
    assert len(wrong) <= 0.02 * len(found), told
    assert counts["mute"] == 0, told
    known = [how in ("right", "refused", "told") for case, how in found if case.knowable]
    assert np.mean(known) >= 0.97, told
    plain = [how for case, how in found if case.name.startswith("clean")]
    assert np.mean([how == "right" for how in plain]) > 0.9, Counter(plain)
    assert all(how in ("right", "refused") for how in plain), told


def test_tables_of_known_truth(tmp_path: Path) -> None:
    require_good(judged(2 * len(MAKERS), tmp_path))


@pytest.mark.slow
def test_many_tables_of_known_truth(tmp_path: Path) -> None:
    require_good(judged(40 * len(MAKERS), tmp_path, 10_000))


def measured(rounds: int = 40, workers: int = 5) -> pd.DataFrame:
    table = lognormal(np.random.default_rng(8), rounds, workers)
    return pd.DataFrame(table, columns=[f"node{j}" for j in range(1, workers + 1)])


def refusal(frame: pd.DataFrame, path: Path, known: Reading | None = None, **how: Any) -> str:
    with pytest.raises(TableError) as caught:
        read_measured(str(text(frame, path, **how)), known or Reading())
    assert len(caught.value.defect) < 250
    return caught.value.defect


def test_each_finding_says_what_it_is(tmp_path: Path) -> None:
    """In words, with the options that settle it; one of each kind."""
    frame, path = measured(), tmp_path / "t"
    whole = (1000 * frame).round().astype(int)
    for more, said in (
        (frame.max(axis=1), "is in every row the maximum of the others"),
        (frame.max(axis=1) + 0.1, "the maximum of the others plus 0.1"),
        (frame["node2"], "is a copy of column node2"),
        (pd.Series(32.0, frame.index), "is 32 in every row"),
        (4 * 0.95 ** frame.index.to_series(), "falls in nearly every row"),
        (60 + frame["node1"] / 9, "is typically 60.1"),
        (pd.Series([3, 5, 8, 2] * 10), "holds whole numbers, the others fractions"),
        (pd.Series([0.3, 0.6] * 20), "is only ever 0.3, 0.6"),
    ):
        defect = refusal(frame.assign(x=more), path)
        assert said in defect
        assert "--drop x" in defect
        assert "--keep x" in defect
    fractions = whole.assign(x=frame["node1"] * 900)
    assert "holds fractions" in refusal(fractions, path, Reading(unit="ms"))
    total = pd.concat([frame, frame.sum().to_frame().T])
    assert "row 41 is the sum of those before" in refusal(total, path)
    assert "--rows 1:40 takes each once" in refusal(pd.concat([frame, frame]), path)
    assert "--rows 1:80:2 takes" in refusal(frame.loc[np.repeat(frame.index, 2)], path)


@pytest.mark.parametrize("way", [1, -1])
def test_where_most_workers_drift_a_column_that_always_moves_is_none(way: int) -> None:
    """Two of three grow in nearly every row, as on a cluster that fills up."""
    rng = np.random.default_rng(0)
    steps = rng.uniform(0.5, 1.5, (30, 3))
    steps[[9, 20], [0, 1]] *= -1
    table = 100 + way * steps.cumsum(axis=0)
    assert odd_columns(table) == [(2, f"{'grows' if way > 0 else 'falls'} in nearly every row")]
    table[[9, 10], 2] = table[[10, 9], 2]
    assert odd_columns(table) == []


def test_of_three_columns_one_may_be_a_copy_and_of_two_none() -> None:
    one, two = np.random.default_rng(0).exponential(size=(2, 30))
    [(place, said)] = odd_columns(np.column_stack([one, two, one]))
    assert place == 2
    assert "copy" in said
    assert odd_columns(np.column_stack([one, one])) == []
    assert [place for place, _ in odd_columns(np.column_stack([one, two, one, two]))] == [2, 3]
    assert odd_columns(np.column_stack([one, two, one, two, one])) == []  # most are copies


def test_of_three_columns_one_may_have_fractions() -> None:
    whole = np.random.default_rng(0).integers(50, 200, (30, 3)) + 0.0
    halves = whole + np.array([0.0, 0.0, 0.5])
    assert odd_columns(halves) == [(2, "holds fractions, the others whole numbers")]
    assert odd_columns(whole) == odd_columns(halves[:3]) == []


def test_a_worker_may_be_a_summary_of_two_others() -> None:
    pair = np.random.default_rng(0).exponential(size=(30, 2))
    for made, text in ((pair.max(axis=1), "the maximum of"), (pair.mean(axis=1), "the mean of")):
        [(place, said)] = derived_worker(np.column_stack([pair, made]))
        assert place == 2
        assert f"is in every row {text} the others" in said
    assert derived_worker(pair) == derived_worker(np.column_stack([pair, pair[::-1, 0]])) == []


def test_options_say_what_counts(tmp_path: Path) -> None:
    """Rows by number and by value, workers of a long table, and the first row."""
    frame = measured()

    def read(frame: pd.DataFrame, **said: Any) -> Measured:
        return read_measured(str(text(frame, tmp_path / "t")), Reading(**said))

    table = frame.to_numpy()
    parts = {"3:10": table[2:10], ":5": table[:5], "::2": table[::2], "36:": table[35:]}
    for rows, part in parts.items():
        np.testing.assert_array_equal(read(frame, rows=rows).tables[None], part)
    calls = long(frame).assign(job=lambda f: np.where(f.step < 10, "A", "B"))
    np.testing.assert_array_equal(read(calls, rows="job=B").tables[None], table[10:])
    found = read(calls, rows="step=5:8", drop=("node2", "job"))
    np.testing.assert_array_equal(found.tables[None], table[5:9, [0, 2, 3, 4]])
    assert found.names_of_rounds(None).tolist() == [5, 6, 7, 8]
    wrong = {"x=1": "no column is named 'x'", "50:": "no row of 40", "job": "must be"}
    for rows, said in wrong.items():
        assert said in refusal(frame, tmp_path / "t", Reading(rows=rows))
    nobody = refusal(calls, tmp_path / "t", Reading(drop=("x",)))
    assert "no column and no worker is named 'x'" in nobody
    assert len(read(frame.set_axis(range(5), axis=1), header="no").tables[None]) == 41
    assert read(frame.set_axis(range(4, 9), axis=1), header="yes").hosts == (*"45678",)


@pytest.mark.parametrize("tables", [60, pytest.param(300, marks=pytest.mark.slow)])
def test_rare_shapes_of_clean_tables_are_read(tables: int, tmp_path: Path) -> None:
    """Of tables of a few rounds, a few workers, or a coarse clock: hardly a false alarm, and
    each is read with what it names."""
    alarms = []
    for seed in range(tables):
        rng = np.random.default_rng([13, seed])
        rows, n = int(rng.choice([3, 4, 6, 10])), int(rng.choice([1, 2, 3, 4]))
        table = LAWS[rng.integers(len(LAWS))](rng, rows, n) if n > 1 else lognormal(rng, rows, n)
        coarse = seed % 3 == 0
        table = np.round(10 * table) / 1000 if coarse else table
        frame = pd.DataFrame(1000 * table if coarse else table, columns=[f"w{j}" for j in range(n)])
        hosts = tuple(frame.columns)
        known = Reading(unit="ms" if coarse else "s")
        path = text(frame, tmp_path / "t")
        how = outcome(Case("", frame, text, table, hosts), path, known)
        alarms += [how] * (how != "right")
    assert all(how == "refused" for how in alarms), alarms
    assert len(alarms) <= tables // 100


@pytest.mark.one_in(2)
@pytest.mark.parametrize("skew", [0.0, 1e-3, 0.05])
@pytest.mark.parametrize("ticks", [20, 1000])
def test_rounds_of_workers_that_wait_for_each_other_are_no_summaries(
    skew: float, ticks: int
) -> None:
    """All-reduce tables on coarse clocks: a slow round is slow for all, and may come twice. A total
    under such a table is found all the same."""
    rng = np.random.default_rng([ticks, int(1000 * skew)])
    for _ in range(100):
        rows, n = rng.integers(4, 40), rng.integers(2, 33)
        rounds = rng.lognormal(0.0, 0.3, (rows, 1)) * (1 + skew * rng.standard_normal((rows, n)))
        table = np.round(rounds * ticks) / ticks
        assert odd_rows(table) is None
    own = np.round(rng.lognormal(0.0, 0.3, (12, 8)), 3)
    for total in (own.sum(axis=0), own.max(axis=0), own.mean(axis=0)):
        assert odd_rows(np.vstack([own, total])) is not None


def test_a_number_at_the_end_of_all_numbers_is_one_line(tmp_path: Path) -> None:
    """Where odd columns are looked for, its tolerance is beyond them."""
    frame = measured()
    frame.iloc[3, 2] = 1e308
    assert "node3 is beyond 1e+150 s" in refusal(frame, tmp_path / "t")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([[1.5, 2.5], [3.5]], "its lists have 1 to 2 cells"),
        ([["a", "a"], [1.5, 2.5]], "two columns are named 'a'"),
        ('[{"a": 1.5, "a": 2.5}]', "two columns are named 'a'"),
        ([[10**400, 1], [2, 3]], "int too large"),
        ([[[1.5]]], "no event ProfilerStep"),
        ([True], "no event ProfilerStep"),
        ({"a": 1}, "or a table in one file"),
        ({"traceEvents": []}, "no event ProfilerStep"),
        ([{"ph": "X", "name": "x", "ts": 1, "dur": 2}], "no event ProfilerStep"),
    ],
    ids=str,
)
def test_json_that_is_no_table_is_one_line(content: Any, said: str, tmp_path: Path) -> None:
    file = tmp_path / "t.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    with pytest.raises(TableError, match=re.escape(said)):
        read_measured(str(file))


def test_lists_of_json_may_begin_with_names(tmp_path: Path) -> None:
    rows = [[1.5, 2.5], [2.75, 1.75], [2.25, 1.125]]
    file = tmp_path / "t.json"
    file.write_text(json.dumps([["h0", "h1"], *rows]))
    found = read_measured(str(file), Reading(unit="s"))
    np.testing.assert_array_equal(found.tables[None], rows)
    assert found.hosts == ("h0", "h1")


@pytest.mark.parametrize("ending", [".jsonl", ".ndjson.gz", ".json"])
@pytest.mark.parametrize("calls", [True, False])
def test_a_json_value_on_each_line(ending: str, calls: bool, tmp_path: Path) -> None:
    """Of a call, or of a round; empty lines are none; a line that is no value is named."""
    rows: list[Any] = [[1.5, 2.5, 1.25], [2.75, 1.75, 3.5], [2.25, 1.125, 1.0]]
    if calls:
        rows = [
            {"step": t, "host": f"h{j}", "seconds": seconds}
            for t, row in enumerate(rows)
            for j, seconds in enumerate(row)
        ]
    else:
        rows = [dict(zip(("h0", "h1", "h2"), row, strict=True)) for row in rows]
    lines, file = [json.dumps(row) for row in rows], tmp_path / f"t{ending}"
    pack: Any = gzip.open if ending.endswith("gz") else open
    with pack(file, "wt") as stream:
        stream.write("\n\n \n".join(lines) + "\n\n")
    found = read_measured(str(file), Reading(unit="s"))
    np.testing.assert_array_equal(
        found.tables[None], [[1.5, 2.5, 1.25], [2.75, 1.75, 3.5], [2.25, 1.125, 1.0]]
    )
    assert found.hosts == ("h0", "h1", "h2")
    with pack(file, "wt") as stream:
        stream.write("\n".join([*lines[:2], "{oops", *lines[2:]]))
    with pytest.raises(TableError, match="line 3 is not a JSON value"):
        read_measured(str(file))


def test_objects_of_numbered_workers_and_rounds_are_said(tmp_path: Path) -> None:
    """As pandas writes them; either may be outside."""
    table = measured(6, 4).to_numpy()
    as_json(pd.DataFrame(table), tmp_path / "t", "columns")
    found = read_measured(str(tmp_path / "t.json"))
    np.testing.assert_array_equal(found.tables[None], table)
    assert any("outer keys are taken for the workers" in line for line in found.assumed)
    as_json(pd.DataFrame(table), tmp_path / "t", "index")
    found = read_measured(str(tmp_path / "t.json"), Reading(columns={"worker": ""}))
    np.testing.assert_array_equal(found.tables[None], table)


@pytest.mark.parametrize("outer", [["a", "b"], ["0", "1"], ["1", "2"]])
@pytest.mark.parametrize("inner", [["x", "y", "z"], ["0", "1", "2"], ["1", "2", "3"]])
def test_objects_in_an_object_are_named_or_counted(outer: list[str], inner: list[str]) -> None:
    """Workers are outside, unless the outer keys count rounds and the inner ones are names; where
    both are names, those inside may be rounds."""
    cells = {
        key: {name: 1.5 + i + j / 8 for j, name in enumerate(inner)} for i, key in enumerate(outer)
    }
    held = _by_keys(pd.DataFrame(cells))
    names, frame = [*held.frame.columns], held.frame
    if outer != ["a", "b"] and inner == ["x", "y", "z"]:
        assert names == inner
        assert frame["y"].tolist() == [1.625, 2.625]
    elif inner == ["x", "y", "z"]:
        assert names == ["Unnamed: 0", *outer]
        assert frame["Unnamed: 0"].tolist() == inner
    else:
        assert names == outer
        assert frame[outer[1]].tolist() == [2.5, 2.625, 2.75]


@pytest.mark.parametrize(
    ("name", "unit"),
    [("t_h", "3600"), ("steps_min", "60"), ("t_ms", "ms"), ("x_us", "us"), ("all_clocks", "0.01"),
     ("ms", None), ("h", None), ("a_s", None), ("sec", None), ("abc", None)],
)  # fmt: skip
def test_a_unit_in_the_name_of_a_file_is_asked_about(
    name: str, unit: str | None, tmp_path: Path
) -> None:
    """With what ``--unit`` takes; names of one or two letters may be anything."""
    if unit is None:
        read_measured(str(text(measured(), tmp_path / name)))
    else:
        assert f"says {name.split('_')[1]}, and nothing" in refusal(measured(), tmp_path / name)
        assert f": say --unit {unit}, or --unit s" in refusal(measured(), tmp_path / name)
        given = float(unit) if unit[0].isdigit() else cast(Any, unit)
        read_measured(str(tmp_path / f"{name}.csv"), Reading(unit=given))


def test_durations_beside_other_cells(tmp_path: Path) -> None:
    """A gap stays one, a unit in the name counts once, and another unit is a contradiction."""
    table = measured(6, 3).to_numpy().copy()
    lasting = pd.DataFrame(table).apply(lambda column: pd.to_timedelta(column, unit="s"))
    frame = lasting.astype(str).set_axis(["a_ms", "b_ms", "c_ms"], axis=1)
    frame.iloc[2, 1] = "timeout"
    found = read_measured(str(text(frame, tmp_path / "t")), Reading(missing="never"))
    table[2, 1] = np.inf
    np.testing.assert_allclose(found.tables[None], table, rtol=1e-12)
    assert any("holds durations" in line for line in found.assumed)
    assert "say their unit" in refusal(frame, tmp_path / "t", Reading(unit="ms"))


# How many rows a finding needs, and how many columns may be odd: both sides of each limit.


def own_delays(rows: int, n: int, seed: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).lognormal(0.0, 0.3, (rows, n))


def beside(own: np.ndarray, *more: np.ndarray) -> np.ndarray:
    return np.column_stack([own, *more])


STILL = np.full(40, 0.777)
THREE = np.tile([0.31, 0.57, 0.93, 0.57], 10)
FOUR = np.tile([0.31, 0.57, 0.93, 1.21], 10)
COUNTS = np.random.default_rng(2).permutation(40) + 1.0
RAMP = 1 + 0.01 * np.arange(40.0) ** 1.1


@pytest.mark.parametrize(
    ("rows", "n", "columns", "found"),
    [
        (2, 4, [STILL], 0),  # two rows say nothing
        (12, 1, [STILL], 1),
        (12, 1, [STILL, STILL + 1], 0),
        (12, 2, [STILL, STILL + 1], 0),  # half of the columns
        (12, 3, [STILL, STILL + 1], 2),
        (12, 4, [THREE], 1),
        (11, 4, [THREE], 0),
        (12, 4, [FOUR], 0),
        (12, 2, [THREE, 2 * THREE[::-1] + 0.1], 2),  # half may be odd here
        (12, 1, [THREE, 2 * THREE[::-1] + 0.1], 0),
        (40, 2, [COUNTS, COUNTS[::-1] + 1], 2),
        (10, 4, [RAMP], 1),
        (9, 4, [RAMP], 0),
        (20, 1, [RAMP], 1),
        (20, 1, [RAMP, RAMP[::-1]], 2),  # both move always, and one does not
        (20, 0, [RAMP, RAMP[::-1] + 1], 0),  # all do
    ],
    ids=lambda value: str(len(value)) if isinstance(value, list) else str(value),
)
def test_so_many_rows_and_columns_make_a_column_odd(
    rows: int, n: int, columns: list[np.ndarray], found: int
) -> None:
    table = beside(own_delays(rows, n), *(column[:rows] for column in columns))
    assert [place for place, _ in odd_columns(table)] == [*range(n, n + found)]


@pytest.mark.parametrize(
    ("rows", "back", "found"),
    [(15, 0, 1), (15, 1, 0), (16, 1, 1), (16, 2, 0), (21, 2, 1), (19, 2, 0)],
)
@pytest.mark.parametrize("n", [1, 3])
def test_a_column_moves_in_nearly_every_row(rows: int, back: int, found: int, n: int) -> None:
    """Of fewer than 16 rows in all, of more in nine steps of ten; beside one worker, too."""
    steps = np.random.default_rng(0).uniform(0.01, 0.02, rows - 1)
    steps[3 : 3 + 4 * back : 4] *= -1
    table = beside(own_delays(rows, n), 1 + np.append(0.0, steps.cumsum()))
    assert odd_columns(table) == [(n, "grows in nearly every row")] * found


@pytest.mark.parametrize(("rows", "found"), [(20, 1), (19, 0)])
def test_a_straight_line_with_noise_is_a_trend_from_twenty_rows_on(rows: int, found: int) -> None:
    """Every other step goes back, and still it correlates with the time to 0.97."""
    line = 2 - 0.02 * np.arange(rows) + 0.012 * (-1.0) ** np.arange(rows)
    assert (
        odd_columns(beside(own_delays(rows, 3), line)) == [(3, "falls in nearly every row")] * found
    )


@pytest.mark.parametrize(
    ("n", "times", "found"),
    [
        (3, 36.0, 1),  # thirty times the others
        (3, 24.0, 0),
        (1, 90.0, 0),  # one other: a hundred times
        (1, 120.0, 1),
        (3, 1 / 36, 1),
        (3, 1 / 24, 0),
    ],
)
def test_a_column_of_another_size(n: int, times: float, found: int) -> None:
    rng = np.random.default_rng(1)
    own, other = rng.lognormal(0, 0.02, (40, n)), times * rng.lognormal(0, 0.3, 40)
    assert [place for place, _ in odd_columns(beside(own, other))] == [n] * found
    halves = beside(own[:, :1], own[:, :1] * 1.01 + 1e-3, other, other * 1.01 + 1e-3 * times)
    halves *= rng.lognormal(0, 0.01, halves.shape)
    assert odd_columns(halves) == [], "half of the columns are no odd ones"


@pytest.mark.parametrize(
    ("n", "times", "width", "found"),
    [
        (4, 8.5, 0.01, 1),  # eight times the median worker, and a fifth as wide
        (4, 7.5, 0.01, 0),
        (4, 8.5, 0.2, 0),
        (2, 8.5, 0.01, 0),  # of three columns nobody knows what is usual
        (3, 8.5, 0.01, 1),
    ],
)
def test_a_steady_column_of_another_size(n: int, times: float, width: float, found: int) -> None:
    rng = np.random.default_rng(1)
    own = rng.lognormal(0, 0.3, (60, n))
    own /= np.median(own, axis=0)
    other = rng.lognormal(0, width, 60)
    table = beside(own, times * other / np.median(other))
    assert [place for place, _ in odd_columns(table)] == [n] * found


@pytest.mark.parametrize(
    "name", ["sum", "mean", "maximum", "minimum", "median", "standard deviation"]
)
def test_a_row_that_is_made_from_others_is_found_near_either_end(name: str) -> None:
    """Among the last ten rows, or the first; within digits that are lost to rounding."""
    make: dict[str, Any] = {"sum": np.sum, "mean": np.mean, "maximum": np.max, "minimum": np.min}
    make |= {"median": np.median}
    own = own_delays(30, 6).round(4)

    def made(part: np.ndarray) -> np.ndarray:
        found = make[name](part, axis=0) if name in make else np.std(part, axis=0, ddof=1)
        return np.asarray(found).round(4)

    assert odd_rows(np.vstack([own, made(own)])) == (30, name)
    assert odd_rows(np.vstack([made(own), own])) == (0, name)
    assert odd_rows(np.vstack([own, made(own), own[:9] + 0.5])) == (30, name)
    assert odd_rows(np.vstack([own, made(own), own[:10] + 0.5])) is None, (
        "eleven rows before the end"
    )
    assert odd_rows(np.vstack([own, made(own) + 2e-4])) is None
    assert odd_rows(own) is None
    if name not in ("maximum", "minimum", "median"):
        assert odd_rows(np.vstack([own[:3], made(own[:3])])) == (3, name), "four rows are enough"
        assert odd_rows(np.vstack([own[:2], made(own[:2])])) is None


def test_a_row_of_counts_is_no_round() -> None:
    """As ``describe`` of pandas writes it."""
    own = own_delays(30, 6)
    assert odd_rows(np.vstack([own, np.full(6, 30.0)])) == (30, "number")
    assert odd_rows(np.vstack([own, np.full(6, 31.0)])) is None


@pytest.mark.parametrize(
    ("times", "rows", "found"),
    [
        (2, 2, True),
        (2, 1, False),
        (3, 4, True),
        (4, 4, True),
        (5, 4, True),
        (6, 5, True),
        (7, 5, False),
    ],
)
def test_tables_that_repeat_themselves(times: int, rows: int, found: bool) -> None:
    """Two to five times, in blocks or row by row; six times is twice three times."""
    own = own_delays(rows, 5)
    blocks, each = np.tile(own, (times, 1)), np.repeat(own, times, axis=0)
    once = next(k for k in (2, 3, 4, 5, 7) if times % k == 0)
    size = rows * times
    assert repeated(blocks) == ((0, size // once - 1, 1) if found else None)
    if times != 6:
        assert repeated(each) == ((0, size - 1, once) if found else None)
    assert repeated(blocks[:-1]) is None
    other = blocks.copy()
    other[-1, -1] += 1e-9
    assert repeated(other) is None


def said_of(table: np.ndarray) -> list[str]:
    return remarks(table, lambda first, last: f"[{first}:{last}]")


@pytest.mark.parametrize(
    ("rows", "slow", "times", "told"),
    [
        (20, 1, 2.0, "the first round takes 2 times as long as is typical: a warm-up? [1:19]"),
        (20, 4, 3.0, "the first 4 rounds take 3 times as long as is typical: a warm-up? [4:19]"),
        (20, 5, 3.0, ""),  # over a fifth of the rounds
        (20, 1, 1.4, ""),  # not half as long again
        (12, 1, 2.0, "the first round takes 2 times"),
        (11, 1, 2.0, ""),
    ],
)
def test_a_warm_up_is_told(rows: int, slow: int, times: float, told: str) -> None:
    table = np.random.default_rng(0).uniform(0.98, 1.02, (rows, 5))
    table /= np.median(table, axis=1)[:, None]
    table[:slow] *= times
    found = said_of(table)
    assert len(found) == bool(told)
    assert told in "".join(found)


@pytest.mark.parametrize(
    ("rows", "place", "times", "told"),
    [
        (20, 8, 1.6, True),
        (20, 12, 1.6, True),
        (20, 7, 1.6, False),  # a phase has eight rounds, or a tenth of them
        (19, 8, 1.6, False),
        (100, 10, 1.6, True),
        (100, 9, 1.6, False),
        (20, 8, 1 / 1.6, True),
        (20, 8, 1.3, False),
    ],
)
def test_two_phases_are_told(rows: int, place: int, times: float, told: bool) -> None:
    table = np.random.default_rng(0).uniform(0.98, 1.02, (rows, 5))
    table /= np.median(table, axis=1)[:, None]
    table[place:] *= times
    found = said_of(table)
    words = f"from row {place + 1} on rounds typically take {times:.3g} times as long as before"
    assert found == [f"{words}: two phases? [0:{place - 1}] takes the first alone"] * told


@pytest.mark.parametrize(
    ("rows", "again", "told"), [(40, 3, True), (40, 2, False), (80, 4, True), (80, 3, False)]
)
def test_rounds_that_repeat_are_told(rows: int, again: int, told: bool) -> None:
    """At least three, and a twentieth of all."""
    table = own_delays(rows, 4)
    table[-again:] = table[[*range(5, 5 + 2 * again, 2)]]
    words = f"{again} of {rows} rounds repeat another one to the digit: were they measured?"
    assert said_of(table) == [words] * told


def test_totals_between_the_rounds_are_told() -> None:
    """After every three rounds their sum."""
    own = own_delays(24, 4)
    blocks = [np.vstack([block, block.sum(axis=0)]) for block in np.split(own, 8)]
    assert "row 4 is the sum of those before, and so on: no rounds?" in said_of(np.vstack(blocks))
    assert said_of(np.vstack([blocks[0], own_delays(21, 4, 6)])) == [], "one total may be chance"


@pytest.mark.parametrize(
    ("heading", "below", "other"),
    [
        ([1.0, 2.0], [6.5, 9.0], True),
        ([1.0, 2.0], [6.0, 9.0], False),
        ([28.0, 30.0], [6.5, 9.0], True),
        ([27.0, 30.0], [6.5, 9.0], False),
    ],
)
def test_numbers_beyond_three_times_all_others_are_of_another_size(
    heading: list[float], below: list[float], other: bool
) -> None:
    assert _of_another_size(np.array(heading), np.array(below)) == other


@pytest.mark.parametrize(
    ("cells", "header"),
    [
        ("0 1", True),
        ("1 2", False),
        ("1 2 3", True),
        ("0 1 2", True),
        ("2 3 4", False),
        ("0", False),
    ],
)
def test_a_first_row_that_numbers_the_workers(cells: str, header: bool) -> None:
    assert counting(cells.split()) == header


@pytest.mark.parametrize(
    ("row", "below", "unlike"),
    [
        # Fractions in order over whole numbers.
        ("0.5 1.5", ["3 1"] * 20, True),
        ("1.5 0.5", ["3 1"] * 20, True),
        ("1.5 1.5", ["3 1"] * 20, False),
        ("1.5 0.5 1.5", ["3 1 2"] * 20, False),
        ("0.5", ["3"] * 40, False),  # one number is in no order
        ("0.5 1.5", ["3 1"] * 2, False),
        # Fewer digits than a row of those below has but once in a thousand tables.
        ("1.5 2.5 3.5", ["0.11 0.12 0.13"] * 40, True),
        ("1.5 3.5 2.5", ["0.11 0.12 0.13"] * 40, False),
        ("1.5 2.5 3.5", ["0.11 0.12 0.13"] * 20 + ["0.1 0.2 0.3"] * 20, False),
        ("1.5 2.5 3.5", ["0.11 0.12 0.13"] * 37 + ["0.1 0.2 0.3"] * 3, True),
        # Whole numbers at equal distances, over rows that are not.
        ("7 8 9", ["3 1 2"] * 20, True),
        ("9 8 7", ["3 1 2"] * 20, True),
        ("7 9 8", ["3 1 2"] * 20, False),
        ("7 8 9", ["3 1 2"] * 18 + ["1 2 3"] * 2, True),
        ("7 8 9", ["3 1 2"] * 17 + ["1 2 3"] * 3, False),
        ("7 8 9", ["3 1 2"] * 18 + ["1 2"] * 3, True),
        ("10 20 30", ["3 1 4"] * 20, False),
        ("10 20 30", ["3 1 2"] * 20, True),  # more than three times as large as all below
        ("9 18 27", ["3 1 2"] * 20, False),
        ("10 20 30 40", ["3 1 4 5"] * 20, True),  # four that only happen to be so are rare
        ("4 8", ["1 1"] * 20, True),
        ("3 8", ["1 1"] * 20, False),
        ("1 2", ["7 8"] * 20, True),
        ("1 2", ["6 8"] * 20, False),
        ("7 8 x", ["3 1 2"] * 20, False),
        ("7 8 9", ["x y z"] * 20, False),
    ],
)
def test_a_first_row_that_is_unlike_those_below(row: str, below: list[str], unlike: bool) -> None:
    assert _unlike(row.split(), [line.split() for line in below], ".") == unlike


@pytest.mark.parametrize(
    ("said", "named", "seen", "unit", "words"),
    [
        (None, "ms", None, "ms", "milliseconds, as here says"),
        ("us", None, None, "us", "microseconds, as --unit says"),
        ("ms", "ms", None, "ms", "milliseconds, as here says"),
        (2.5, "ms", None, 2.5, "units of 2.5 s, as --unit says"),
        (None, None, [99.9, 99.9], "s", "seconds, which is assumed"),
        (None, None, [100.5, 99.5], None, "say --unit s, ms, us or ns"),
        (None, None, [1, 2, 1, 2, 1, 2, 1], "s", "seconds, which is assumed"),  # seven are few
        (None, None, [1, 2, 1, 2, 1, 2, 1, 2], None, "all whole numbers, typically 1.5"),
        (None, None, [2] * 8, "s", "seconds, which is assumed"),  # all alike
        (None, None, [10, 10], None, "all whole numbers, typically 10"),
        (None, None, [9, 9], "s", "seconds, which is assumed"),
        (
            None,
            "min",
            None,
            None,
            "is in min by its name; valid: s, ms, us, ns; give seconds, or --unit 60",
        ),
        ("s", "ms", None, None, "says ms, but --unit s was given"),
    ],
)
def test_the_unit_of_times(
    said: Any, named: str | None, seen: list[float] | None, unit: Any, words: str
) -> None:
    table = None if seen is None else np.array([*seen, np.inf])
    if unit is None:
        with pytest.raises(UnusableFile, match=re.escape(words)):
            settle(said, named, "here", table)
        return
    found = settle(said, named, "here", table)
    assert (found.unit, found.why) == (unit, words)
    assert bool(found.assumed) == ("assumed" in words)
    a_second = {"s": 1, "ms": 1000, "us": 10**6}.get(unit, 1 / 2.5)
    assert found.seconds(np.array([3.0 * a_second])) == pytest.approx(3.0)


@pytest.mark.parametrize("long", [False, True])
@pytest.mark.parametrize(("gap", "missing"), [(True, "refuse"), (True, "never"), (False, "refuse")])
def test_a_table_that_needs_two_options_is_refused_once(
    long: bool, gap: bool, missing: Any, tmp_path: Path
) -> None:
    """The line names --missing only where a cell is empty and nothing was said of it."""
    rows = [[815.5, 903.25], ["" if gap else 788.5, 850.75], [822.5, 899.0]]
    frame = pd.DataFrame(rows, columns=["a", "b"])
    if long:
        rows = [[t, w, rows[t][w]] for t in range(3) for w in range(2)]
        frame = pd.DataFrame(rows, columns=["round", "worker", "duration"])
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(TableError, match="say --unit s, ms, us or ns") as refused:
        read_measured(str(tmp_path / "t.csv"), Reading(missing=missing))
    assert ("--missing drop-rounds" in str(refused.value)) == (gap and missing == "refuse")
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize(
    ("name", "role"),
    [
        *(("worker", "worker"), ("hostName", "worker"), ("rank_id", "worker")),
        *(("pod-idx", "worker"), ("host_name", "worker")),
        *(("step", "round"), ("global step", "round"), ("iteration_no", "round"), ("load", "load")),
        *(("started_at", "start"), ("finish_time", "end"), ("Duration (ms)", "seconds")),
        *(("step_ms", "seconds"), ("elapsedSeconds", "seconds"), ("batch_time", "seconds")),
        *(("node3", None), ("loss", None), ("wait_ms", None), ("workers", None)),
    ],
)  # fmt: skip
def test_what_a_columns_name_stands_for(name: str, role: str | None) -> None:
    assert role_of(name) == role


@pytest.mark.parametrize(
    ("name", "base", "unit"),
    [
        ("durationMs", "duration", "ms"),
        ("Duration (ms)", "duration", "ms"),
        ("duration_ms", "duration", "ms"),
        ("wait [µs]", "wait", "us"),
        ("seconds", "seconds", "s"),
        ("ms", "ms", "ms"),
        ("s", "s", None),  # a worker may have that name
        ("time_min", "time", "min"),
        ("cpu_ticks", "cpu", "ticks"),
        ("node", "node", None),
    ],
)
def test_a_columns_name_is_taken_apart(name: str, base: str, unit: str | None) -> None:
    assert (parse(name).base, parse(name).unit) == (base, unit)


@pytest.mark.parametrize(
    ("cells", "seconds"),
    [
        (["0:00:01.5", "0:01:00"], [1.5, 60.0]),
        (["0 days 00:00:02", "1 day, 0:00:00"], [2.0, 86400.0]),
        ([pd.Timedelta(1500, "ms").to_pytimedelta()] * 2, [1.5, 1.5]),
        (["0:00:01", "timeout"], [1.0, "timeout"]),
        (["0:00:01", "worker 3"], None),
        (["timeout", "failed"], None),
        ([time(0, 0, 1)] * 2, None),  # a time of day is no duration
        ([None, None], None),
        (["1.5", "0:00:01"], None),
    ],
)
def test_durations_are_seconds_and_times_of_day_are_not(
    cells: list[Any], seconds: list[Any] | None
) -> None:
    found = lasting(pd.Series(cells, dtype=object), None, 1.0)
    assert (found is None) == (seconds is None)
    assert found is None or found.tolist() == seconds


def test_a_clock_needs_a_unit_to_be_a_duration() -> None:
    column = pd.Series(["12:30:00", "0:00:01"], dtype=object, name="t")
    with pytest.raises(UnusableFile, match="holds 12:30:00, a duration or a time of day: --unit s"):
        lasting(column, None, 1.0)
    found = lasting(column, "s", 1000.0)
    assert found is not None
    assert found.tolist() == [45_000_000.0, 1000.0], "as many as are wanted to the second"


@pytest.mark.parametrize("name", ["maximum", "sum", "minimum"])
@pytest.mark.parametrize(
    ("times", "said"), [(3.0, "3 times"), (0.4, "0.4 times"), (-6.0, "6 over")]
)
def test_a_multiple_of_what_the_others_make_and_a_number_over_it(
    name: str, times: float, said: str
) -> None:
    """As a throughput is: so many samples over the time of the slowest. A square is neither."""
    own = own_delays(40, 5)
    of = {"maximum": own.max(axis=1), "sum": own.sum(axis=1), "minimum": own.min(axis=1)}[name]
    found = dict(odd_columns(beside(own, times * of if times > 0 else -times / of)))
    assert found[5] == f"is in every row {said} the {name} of the others"
    assert 5 not in dict(odd_columns(beside(own, of**2)))


def test_spaces_between_cells(tmp_path: Path) -> None:
    """A header of NumPy, an index of pandas or R; and a line of another length is named."""
    file = tmp_path / "t.csv"
    rows = "1.5 2.5 3.5\n1.25 2.25 3.25\n"
    file.write_text(f"# a b c\n{rows}")
    assert [*read_measured(str(file)).hosts] == ["a", "b", "c"]
    file.write_text("a b c\n0 1.5 2.5 3.5\n1 1.25 2.25 3.25\n")
    index = Reading(drop=("Unnamed: 0",))
    assert [*read_measured(str(file), index).hosts] == ["a", "b", "c"]
    file.write_text(f"a b c\n{rows}1.5 2.5\n1.75 2.75 3.75\n")
    with pytest.raises(TableError, match="spaces separate the cells: line 4 has 2, others 3"):
        read_measured(str(file))


def test_how_slow_workers_are_that_never_arrive() -> None:
    """Like the others, as nothing says more; the median worker is 1."""
    np.testing.assert_array_equal(_slower(np.full((3, 2), np.inf)), [1.0, 1.0])
    np.testing.assert_array_equal(_slower(np.zeros((3, 2))), [1.0, 1.0])
    table = np.array([[1.0, 2.0, 6.0], [1.0, 2.0, 4.0], [9.0, np.inf, np.inf]])
    np.testing.assert_allclose(_slower(table), [0.5, 1.0, 2.5])


@pytest.mark.parametrize(
    ("own", "others", "far", "wide", "found"),
    [
        (3, 1, 10.0, 0.25, True),
        (3, 2, 10.0, 0.25, True),
        (2, 2, 10.0, 0.25, False),  # half of the columns
        (2, 1, 10.0, 0.25, False),  # too few to say what is usual
        (3, 1, 10.0, 0.5, False),  # a fifth as wide as the others is no steady one
        (3, 1, 7.5, 0.01, False),
        (3, 1, 1 / 10, 0.0025, True),
        (2, 1, 31.0, 20.0, True),  # so far away, however wide
        (1, 1, 31.0, 0.0, False),
        (1, 1, 101.0, 0.0, True),  # of two, the larger one
        (3, 3, 101.0, 0.0, False),
    ],
)
def test_a_few_columns_of_another_size_are_odd(
    own: int, others: int, far: float, wide: float, found: bool
) -> None:
    """Quartiles of the usual columns are a quarter away from their median of 1 s."""
    usual = np.array([0.5, 0.75, 1.0, 1.25, 1.5])
    odd = far + wide * np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
    table = np.column_stack([*[usual] * own, *[odd] * others])
    expected = [(own + j, f"is typically {far:.4g}, the others 1") for j in range(others)]
    assert [*_sizes(table)] == (expected if found else [])
