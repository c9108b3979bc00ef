"""Renders one known table in many layouts, as people's scripts would write it."""

from __future__ import annotations

import datetime
import gzip
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from erasurehead.delay_models.tables.measured import Reading, TableError
from erasurehead.delay_models.tables.names import parse, role_of, without_unit
from erasurehead.delay_models.tables.read import read_measured
from erasurehead.delay_models.tables.roles import roles_of
from erasurehead.experiments.understood import as_read
from erasurehead.sim.files import UnusableFile

HOSTS = ("gpu-a", "gpu-b", "node2", "node10")
"""In the order in which they are read."""

MILLISECONDS = np.random.default_rng(7).integers(401, 2999, (12, 4))
SECONDS = MILLISECONDS / 1000

Cells = list[list[str]]
Show = Callable[[int], str]
"""How a number of milliseconds is written."""


def seconds(ms: int) -> str:
    return f"{ms / 1000:.3f}"


def millis(ms: int) -> str:
    return str(ms)


def micros(ms: int) -> str:
    return str(1000 * ms)


def nanos(ms: int) -> str:
    return str(1_000_000 * ms)


def decimal_comma(ms: int) -> str:
    return seconds(ms).replace(".", ",")


def wide(
    header: Sequence[str] | None = HOSTS, show: Show = seconds, table: np.ndarray = MILLISECONDS
) -> Cells:
    rows = [[show(int(ms)) for ms in row] for row in table]
    return [*([[*header]] if header else []), *rows]


def with_column(
    rows: Cells, values: Sequence[object], name: str | None = None, place: int = 0
) -> Cells:
    """One column more, and its name where there is a header."""
    filled = [*([] if name is None else [name]), *map(str, values)]
    return [[*row[:place], value, *row[place:]] for row, value in zip(rows, filled, strict=True)]


def long(
    names: Sequence[str] = ("worker", "round", "seconds"),
    show: Show = seconds,
    hosts: Sequence[str] = HOSTS,
    table: np.ndarray = MILLISECONDS,
) -> Cells:
    rows = [
        [hosts[worker], str(round_), show(int(table[round_, worker]))]
        for round_ in range(len(table))
        for worker in range(table.shape[1])
    ]
    return [[*names], *rows]


def stamped(
    names: Sequence[str] = ("host", "step", "start", "end"),
    show: Callable[[float], str] = repr,
    table: np.ndarray = MILLISECONDS,
    since: int = 0,
) -> Cells:
    """Starts and ends in milliseconds, shown as they are asked for; rounds follow each other."""
    opened = since + np.concatenate([[0], np.cumsum(table.max(axis=1))[:-1]])
    return [
        [*names],
        *(
            [HOSTS[w], str(r), show(int(opened[r])), show(int(opened[r] + table[r, w]))]
            for r in range(len(table))
            for w in range(table.shape[1])
        ),
    ]


def iso(ms: float, zone: str = "Z") -> str:
    moment = datetime.datetime(2026, 1, 31, 12) + datetime.timedelta(milliseconds=ms)
    return f"{moment.isoformat(timespec='milliseconds')}{zone}"


def text(rows: Cells, separator: str = ",", end: str = "\n", coding: str = "utf-8") -> bytes:
    return (end.join(separator.join(row) for row in rows) + end).encode(coding)


def packed(rows: Cells) -> bytes:
    return gzip.compress(text(rows), mtime=0)


def quoted(rows: Cells) -> Cells:
    return [[f'"{cell}"' for cell in row] for row in rows]


# What names and random files are taken for: what was said of them yesterday is said today
# (``tests/golden``).


WORDS = (
    *("worker", "host", "step", "round", "iteration", "seconds", "duration", "time", "start"),
    *("end", "load", "loss", "max", "Unnamed: 0", "level_1", "timestamp", "epoch", "w", "id"),
)
UNITS = ("", "s", "sec", "ms", "us", "µs", "ns", "min", "h", "days", "cs", "ds", "ps", "ticks")


def said_of_names() -> list[Any]:
    """What a column's name is taken for, in several spellings."""
    found = []
    for word in WORDS:
        for unit in UNITS:
            for name in (
                f"{word}_{unit}",
                f"{word} ({unit})",
                f"{word}{unit.title()}",
                f"{word}_id",
            ):
                parts = parse(name)
                found.append([name, parts.whole, parts.base, parts.unit, parts.wrong])
                found[-1] += [role_of(name), without_unit(name)]
    return [*found, *map(said_of_columns, range(400))]


POOL = (
    *("worker", "host", "rank", "round", "step", "seconds", "duration_ms", "start", "end"),
    *("load", "loss", "compute_ms", "comm_ms", "x", "r1", "r2", "attempt"),
)


def said_of_columns(seed: int) -> list[Any]:
    """Which columns of a few have which role, or why they cannot; perhaps with some named."""
    rng = np.random.default_rng([10, seed])
    names = [str(name) for name in rng.permutation(POOL)[: int(rng.integers(2, 7))]]
    if seed % 2:
        names = [*dict.fromkeys([str(rng.choice(["worker", "rank"])), "round", *names])]
    said: dict[Any, str] = {}
    for role in rng.choice(
        ["worker", "round", "seconds", "start", "end", "stages", "allreduce"], 2
    ):
        if rng.random() < 0.25:
            said[str(role)] = str(rng.choice([*names, ""]))
    if rng.random() < 0.1:
        said = {"stages": "+".join(names[:2])}
    try:
        return [names, said, roles_of(pd.DataFrame(columns=names), Reading(columns=said))]
    except UnusableFile as error:
        return [names, said, str(error)]


def file_near(seed: int, folder: Path) -> tuple[Path, Reading]:
    """A small CSV file, wide or long, with odd columns, cells and orders, and how to read it."""
    rng = np.random.default_rng([8, seed])
    rounds, n = int(rng.choice([2, 3, 8, 12])), int(rng.choice([1, 2, 3, 5, 9]))

    def often(share: float) -> bool:
        return bool(rng.random() < share)

    scale = rng.choice([1.0, 1.0, 1.0, 900.0])
    values = np.round((rng.exponential(1.0, (rounds, n)) + 0.2) * scale, 3)
    hosts = [f"host{number}" for number in rng.permutation(n) + 1]
    missing = rng.choice(["refuse", "refuse", "drop-rounds", "never"])
    said: dict[str, Any] = {"missing": str(missing)}
    unit, apart = str(rng.choice(["", "", "_s", "_ms", "_min"])), int(rng.choice([1, 1, 10]))
    if often(0.3):
        frame = pd.DataFrame(values, columns=[f"{host}{unit}" for host in hosts]).astype(object)
        if often(0.3):
            frame.insert(0, str(rng.choice(["round", "step", "loss", "id"])), range(rounds))
        if often(0.3):
            frame.iloc[-1, -1] = rng.choice(["timeout", "", "0", "inf", "x1"])
    else:
        order = np.argwhere(np.ones((rounds, n), bool))
        order = order[rng.permutation(len(order))] if often(0.3) else order
        columns: dict[str, Any] = {
            str(rng.choice(["worker", "rank", "host"])): [hosts[j] for _, j in order],
            str(rng.choice(["round", "step"])): [t * apart for t, _ in order],
            f"{rng.choice(['seconds', 'duration', 'elapsed'])}{unit}": [
                values[t, j] for t, j in order
            ],
        }
        if often(0.3):
            columns["load"] = [1 + (t % 2) for t, _ in order]
        if often(0.2):
            columns["status"] = ["ok" if t else str(rng.choice(["ok", "failed"])) for t, _ in order]
        if often(0.2):
            columns["attempt"] = [int(rng.choice([1, 1, 2])) for _ in order]
        if often(0.2):
            columns["run"] = [t * 2 // rounds for t, _ in order]
        if often(0.2):
            columns["loss"] = [round(1 / (1 + t), 3) for t, _ in order]
        frame = pd.DataFrame(columns)
        frame = pd.concat([frame, frame.iloc[:1]]) if often(0.25) else frame
        frame = frame.iloc[1:] if often(0.25) else frame
        said["retries"] = str(rng.choice(["refuse", "last", "sum"]))
    if often(0.3):
        said["unit"] = str(rng.choice(["s", "ms"])) if unit in ("", "_min") else unit[1:]
    if often(0.2):
        said["rows"] = str(rng.choice(["1:4", "2:9:2", ":", ":"]))
    if often(0.15):
        said["drop"] = (str(rng.choice(["host1", "host1", "nobody"])),)
    path = folder / f"t{seed}.csv"
    frame.to_csv(path, index=False, sep=str(rng.choice([",", ",", ";", "\t"])))
    return path, Reading(**said)


def said_of_file(seed: int, folder: Path) -> list[Any]:
    """What is read of such a file, and in which words; or why not."""
    path, reading = file_near(seed, folder)
    try:
        found = read_measured(str(path), reading)
    except TableError as error:
        return [str(error).replace(str(path), "it")]
    whole = {str(load): np.round(table, 9) for load, table in found.tables.items()}
    repairs = [[each.kind, each.count, each.text] for each in found.repairs]
    return [found.hosts, whole, found.notes, found.warnings, repairs, [*as_read(found)]]
