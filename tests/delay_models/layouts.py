"""Renders one known table in many layouts, as people's scripts would write it."""

from __future__ import annotations

import datetime
import gzip
from collections.abc import Callable, Sequence

import numpy as np

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


# Steps of all-reduce training: each includes the wait for the slowest rank.


def own_times(law: str, rng: np.random.Generator, rounds: int, workers: int) -> np.ndarray:
    """Seconds that workers compute, before they wait."""
    if law == "lognormal":
        return rng.lognormal(0.0, 0.15, (rounds, workers))
    if law == "exponential tail":
        return 0.7 + rng.exponential(0.3, (rounds, workers))
    if law == "a slow host":
        slow = np.where(np.arange(workers) == rng.integers(workers), 1.6, 1.0)
        return slow * rng.lognormal(0.0, 0.1, (rounds, workers))
    normal = rng.standard_normal((rounds, workers))
    for t in range(1, rounds):  # AR(1)
        normal[t] = 0.9 * normal[t - 1] + np.sqrt(0.19) * normal[t]
    return np.exp(0.1 * normal)


def all_reduced(
    own: np.ndarray, rng: np.random.Generator, skew: float = 5e-4
) -> tuple[np.ndarray, np.ndarray]:
    """Seconds of steps and of their all-reduces: all end together, but for a lag of each rank."""
    rounds, workers = own.shape
    lag = np.abs(rng.normal(0.0, skew, (rounds + 1, workers)))
    transfer = 0.05 * rng.lognormal(0.0, 0.1, (rounds, 1))
    last = (own + lag[:-1]).max(axis=1, keepdims=True)
    reduce = last - (own + lag[:-1]) + transfer + lag[1:]
    return own + reduce, reduce
