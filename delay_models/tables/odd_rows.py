"""Rows that are no rounds: totals, copies, every row twice; and what may be: warm-up, phases."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np

from ...sim.files import UnusableFile
from ..base import FloatArray
from .odd_columns import BY_CHANCE, MANY, SAMPLE, resolutions, twins

TOGETHER = 0.95
"""Correlation of two columns from which on they say the same of a row."""

LONGEST_BLOCK = 130
"""Rows, less one, after which a row that is made from them may stand."""

MOST_COMPARED = 1_000_000
"""Cells of a table whose rows are all compared with each other."""

ENDS = 10
"""Rows at the end that may be summaries: as many as ``describe`` of pandas writes, and some."""

Rows = tuple[int, str]
"""How many rows come before the first odd one (0: it is the first), and what it is."""


def odd_rows(table: FloatArray) -> Rows | None:
    """The first row at either end that is made from all others: a total, a mean, ...

    ``(rounds, n)`` numbers; ``None``: there is none.
    """
    rows, n = table.shape
    if rows < 4 or n < 2 or not np.isfinite(table).all():
        return None
    for place in range(max(3, rows - ENDS), rows):
        if what := _made_from(table[:place], table[place]):
            return place, what
    what = _made_from(table[1:], table[0])
    return (0, what) if what else None


def _made_from(table: FloatArray, row: FloatArray) -> str:
    """What a row is of the rows of a table, in every column; empty: nothing."""
    count = len(table)
    ways: dict[str, Callable[[FloatArray], FloatArray]] = {
        "sum": lambda some: some.sum(axis=0),
        "mean": lambda some: some.mean(axis=0),
        "maximum": lambda some: some.max(axis=0),
        "minimum": lambda some: some.min(axis=0),
        "median": lambda some: np.median(some, axis=0),
        "standard deviation": lambda some: some.std(axis=0, ddof=1),
        "number": lambda some: np.full(some.shape[1], float(count)),
    }

    def near(some: slice) -> FloatArray:
        part = np.vstack([table[: 4 * SAMPLE, some], row[some]])
        return np.maximum(0.501 * resolutions(part), 1e-9 * np.abs(row[some]))

    two = slice(0, 2)  # columns that show at once what a row is not
    close = near(two)
    off = {name: np.abs(make(table[:, two]) - row[two]) for name, make in ways.items()}
    likely = [name for name, far in off.items() if np.all(far <= close)]
    if not likely:
        return ""
    close, spreads = near(slice(None)), np.ptp(table, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.minimum(1.0, 2 * close / np.where(spreads > 0, spreads, np.nan))
    apart = np.nan_to_num(share, nan=1.0)[_apart(table)]
    chance = len(ways) * ENDS * float(np.exp(np.log(apart).sum()))
    if chance > BY_CHANCE:
        return ""
    return next((n for n in likely if np.all(np.abs(ways[n](table) - row) <= close)), "")


def _apart(table: FloatArray) -> list[int]:
    """Some columns of which none goes with another one: those that go together count as one.

    Workers that wait for each other all have the same slow rounds.
    """
    chosen: list[int] = []
    table = table - table.mean(axis=0)
    norms = np.linalg.norm(table, axis=0)
    for place in np.flatnonzero(norms)[:MANY].tolist():
        products = np.abs(table[:, chosen].T @ table[:, place])
        if np.all(products <= TOGETHER * norms[chosen] * norms[place]):
            chosen.append(place)
    return chosen


def repeated(table: FloatArray) -> tuple[int, int, int] | None:
    """First, last (from 0) and step of the rows that a table holds several times over, in blocks or
    in turn."""
    rows, n = table.shape
    if rows < 4:
        return None
    filled = np.nan_to_num(table, nan=-1.0)
    for times in (2, 3, 4, 5):
        part = rows // times
        if rows % times or part < 2:
            continue
        tiled = np.array_equal(filled, np.tile(filled[:part], (times, 1)))
        if not tiled and not np.array_equal(filled, np.repeat(filled[::times], times, axis=0)):
            continue
        once = filled[:part] if tiled else filled[::times]
        alike = float(np.mean(once[:-1] == once[1:]))
        if (rows - part) * n * math.log(min(alike + 1e-3, 1.0)) < math.log(BY_CHANCE):
            return (0, part - 1, 1) if tiled else (0, rows - 1, times)
    return None


Where = Callable[[int, int], str]
"""The option that takes rounds from one to another one, counted from 0, both included."""


@np.errstate(all="ignore")
def require_rounds(table: FloatArray, where: Where) -> None:
    """Refuse rows of ``(rounds, n)`` delays that are made from others, or are there several times.

    Raises:
        UnusableFile: naming the options.
    """
    rows = len(table)
    if part := repeated(table):
        first, last, step = part
        text = "every row is there several times" if step > 1 else "the table repeats itself"
        once = where(first, last) + (f":{step}" if step > 1 else "")
        raise UnusableFile(
            f"{text} to the digit ({rows} rows): {once} takes each once, --rows : takes every row "
            "as a round"
        )
    if odd := odd_rows(table):
        place, what = odd
        rest = where(0, place - 1) if place else where(1, rows - 1)
        text = f"row {place + 1} is the {what} of {'those before' if place else 'all others'} in "
        raise UnusableFile(
            f"{text}every column, no round: {rest} leaves it out, --rows : takes every row as one"
        )


@np.errstate(all="ignore")
def remarks(table: FloatArray, where: Where) -> list[str]:
    """What may be genuine, and should be known: a warm-up, two phases, some rows that repeat."""
    return [*_remarks(table, where)]


def _remarks(table: FloatArray, where: Where) -> Iterator[str]:
    rows, n = table.shape
    if rows < 12 or not np.isfinite(table).all() or np.any(table <= 0):
        return
    if pairs := [pair for pair in twins(table) if np.ptp(table[:, pair[0]]) > 0]:
        yield (
            f"{len(pairs)} of {n} workers have the delays of another one to the digit: does each "
            "wait for the others, or is one a copy?"
        )
    typical = np.median(table, axis=1)
    rest = float(np.median(typical))
    slow = typical > 1.5 * rest
    count = int(np.argmin(slow)) if not slow.all() else 0
    if 0 < count <= rows / 5 and np.mean(slow[count:]) < 0.05:
        times = float(np.median(typical[:count])) / rest
        these = "the first round takes" if count == 1 else f"the first {count} rounds take"
        left = where(count, rows - 1)
        yield f"{these} {times:.3g} times as long as is typical: a warm-up? {left} leaves it out"
    elif place := _phases(typical):
        first, second = (float(np.median(part)) for part in (typical[:place], typical[place:]))
        yield (
            f"from row {place + 1} on rounds typically take {second / first:.3g} times as long as "
            f"before: two phases? {where(0, place - 1)} takes the first alone"
        )
    for place in range(3, min(LONGEST_BLOCK, rows // 2)):
        what = _made_from(table[:place], table[place])
        after = table[place + 1 : 2 * place + 2]
        if what and len(after) == place + 1 and _made_from(after[:-1], after[-1]) == what:
            yield f"row {place + 1} is the {what} of those before, and so on: no rounds?"
            break
    if n > 1 and table.size <= MOST_COMPARED:
        _, counts = np.unique(table, axis=0, return_counts=True)
        again = int((counts - 1).sum())
        if max(3, rows / 20) <= again and len(counts) > 8:
            yield f"{again} of {rows} rounds repeat another one to the digit: were they measured?"


def _phases(typical: FloatArray) -> int:
    """Where a series steps to another level for good; 0: nowhere."""
    rows = len(typical)
    if rows < 20:
        return 0
    logs, least = np.log(typical), max(8, rows // 10)
    sums = np.cumsum(logs - logs.mean())
    places = np.arange(1, rows)
    gain = sums[:-1] ** 2 * rows / (places * (rows - places))
    place = int(np.argmax(gain)) + 1
    if not least <= place <= rows - least:
        return 0
    low, high = sorted((typical[:place], typical[place:]), key=lambda part: float(np.median(part)))
    clear = np.quantile(high, 0.1) > np.quantile(low, 0.9)
    return place if clear and np.median(high) > 1.4 * np.median(low) else 0
