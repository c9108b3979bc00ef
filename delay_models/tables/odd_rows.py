"""Rows that are no rounds: totals, copies, every row twice; and what may be: warm-up, phases. The
first row of a text is a header if it holds names, or if it numbers the workers: 0, 1, 2, ... or 1,
2, 3, ... A row that mixes names and numbers could be either, so it is an error, unless it is one
name before numbered workers: an index."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable

import numpy as np
import pandas as pd

from ...sim.files import UnusableFile, reading, short
from ..base import FloatArray
from .columns import DURATION, FEW
from .odd_columns import BY_CHANCE, MANY, SAMPLE, resolutions, twins

TOGETHER = 0.95  # correlation of two columns from which on they say the same of a row
LONGEST_BLOCK = 130  # rows, less one, after which a row that is made from them may stand
MOST_COMPARED = 1_000_000  # cells of a table whose rows are all compared with each other
ENDS = 10  # rows at the end that may be summaries: as ``describe`` of pandas writes, and some
Rows = tuple[int, str]  # how many come before the first odd row, and what it is


def odd_rows(table: FloatArray) -> Rows | None:
    """The first of ``(rounds, n)`` at either end that is made from all others, as a total is."""
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
    ways: dict[str, Callable[[FloatArray], FloatArray]] = {
        "sum": lambda some: some.sum(axis=0),
        "mean": lambda some: some.mean(axis=0),
        "maximum": lambda some: some.max(axis=0),
        "minimum": lambda some: some.min(axis=0),
        "median": lambda some: np.median(some, axis=0),
        "standard deviation": lambda some: some.std(axis=0, ddof=1),
        "number": lambda some: np.full(some.shape[1], float(len(table))),
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
    if len(ways) * ENDS * float(np.exp(np.log(apart).sum())) > BY_CHANCE:
        return ""
    return next((n for n in likely if np.all(np.abs(ways[n](table) - row) <= close)), "")


def _apart(table: FloatArray) -> list[int]:
    """Some columns of which none goes with another one: those that go together count as one.
    Workers that wait for each other all have the same slow rounds."""
    chosen: list[int] = []
    table = table - table.mean(axis=0)
    norms = np.linalg.norm(table, axis=0)
    for place in np.flatnonzero(norms)[:MANY].tolist():
        products = np.abs(table[:, chosen].T @ table[:, place])
        if np.all(products <= TOGETHER * norms[chosen] * norms[place]):
            chosen.append(place)
    return chosen


def repeated(table: FloatArray) -> tuple[int, int, int] | None:
    """First, last (from 0) and step of rows that are there several times, in blocks or in turn."""
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


Where = Callable[[int, int], str]  # the option for rounds from one to another, both included


@np.errstate(all="ignore")
def require_rounds(table: FloatArray, where: Where) -> None:
    """Refuse rows that are made from others, or repeated; UnusableFile names the options."""
    rows = len(table)
    if part := repeated(table):
        first, last, step = part
        text = "every row is there several times" if step > 1 else "the table repeats itself"
        once = where(first, last) + (f":{step}" if step > 1 else "")
        remedy = f"{once} takes each once, --rows : takes every row as a round"
        raise UnusableFile(f"{text} to the digit ({rows} rows): {remedy}")
    if odd := odd_rows(table):
        place, what = odd
        rest = where(0, place - 1) if place else where(1, rows - 1)
        text = f"row {place + 1} is the {what} of {'those before' if place else 'all others'} in "
        remedy = f"{rest} leaves it out, --rows : takes every row as one"
        raise UnusableFile(f"{text}every column, no round: {remedy}")


@np.errstate(all="ignore")
def remarks(table: FloatArray, where: Where) -> list[str]:
    """What may be genuine, and should be known: a warm-up, two phases, some rows that repeat."""
    said = list[str]()
    rows, n = table.shape
    if rows < 12 or not np.isfinite(table).all() or np.any(table <= 0):
        return said
    if pairs := [pair for pair in twins(table) if np.ptp(table[:, pair[0]]) > 0]:
        alike = f"{len(pairs)} of {n} workers have the delays of another one to the digit"
        said.append(f"{alike}: does each wait for the others, or is one a copy?")
    typical = np.median(table, axis=1)
    rest = float(np.median(typical))
    slow = typical > 1.5 * rest
    count = int(np.argmin(slow)) if not slow.all() else 0
    if 0 < count <= rows / 5 and np.mean(slow[count:]) < 0.05:
        times = float(np.median(typical[:count])) / rest
        these = "the first round takes" if count == 1 else f"the first {count} rounds take"
        left = f"a warm-up? {where(count, rows - 1)} leaves it out"
        said.append(f"{these} {times:.3g} times as long as is typical: {left}")
    elif place := _phases(typical):
        first, second = (float(np.median(part)) for part in (typical[:place], typical[place:]))
        longer = f"{second / first:.3g} times as long as before"
        alone = f"two phases? {where(0, place - 1)} takes the first alone"
        said.append(f"from row {place + 1} on rounds typically take {longer}: {alone}")
    for place in range(3, min(LONGEST_BLOCK, rows // 2)):
        what = _made_from(table[:place], table[place])
        after = table[place + 1 : 2 * place + 2]
        if what and len(after) == place + 1 and _made_from(after[:-1], after[-1]) == what:
            said.append(f"row {place + 1} is the {what} of those before, and so on: no rounds?")
            break
    if n > 1 and table.size <= MOST_COMPARED:
        _, counts = np.unique(table, axis=0, return_counts=True)
        again = int((counts - 1).sum())
        if max(3, rows / 20) <= again and len(counts) > 8:
            same = f"{again} of {rows} rounds repeat another one to the digit"
            said.append(f"{same}: were they measured?")
    return said


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


NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
BLANK = frozenset({"", "na", "n/a", "nan", "null", "none"})


def is_header(cells: list[str], body: list[list[str]], decimal: str) -> tuple[bool, str]:
    """Whether the first row names the columns, and what that assumes; refuses one in doubt."""
    with reading("csv"):
        numeric = pd.to_numeric(pd.Series(cells), errors="coerce").notna()
    lasting = [bool(DURATION.fullmatch(cell)) for cell in cells]
    numbers = (numeric.to_numpy() | lasting).tolist()
    both = zip(cells, numbers, strict=True)
    found = [cell for cell, number in both if not number and cell.lower() not in BLANK]
    if found and any(numbers) and not (found == cells[:1] and counting(cells[1:])):
        text = f"the first row mixes names and numbers: {short(found[0])!r} is not a number"
        raise UnusableFile(f"{text}; name every column, or none: --header yes, or no")
    require_once(found)
    if found:
        return True, ""
    row = [cell.replace(decimal, ".") for cell in cells if cell]
    first = f"the first row, {short(', '.join(row))},"
    if counting(row):
        return True, f"{first} numbers the workers"
    if len(row) < len(cells) or not _unlike(row, body, decimal):
        return False, ""
    size, values = len(row), [*map(float, row)]
    if values in ([*range(size)], [*range(1, size + 1)]):
        text = "numbers the workers: no other row is like it (--header no if it is a round)"
        return True, f"{first} {text}"
    text = f"{first} rather numbers the workers than holds delays"
    raise UnusableFile(f"{text}: say --header yes, or no; or write it as names (w10, w11, ...)")


def require_once(names: list[str]) -> None:
    """Refuse two columns of one name."""
    if twice := [name for name, count in Counter(names).items() if count > 1]:
        raise UnusableFile(f"two columns are named {short(twice[0])!r}")


def counting(cells: list[str]) -> bool:
    """Whether a row of numbers is a header: 0, 1, 2, ... or 1, 2, 3, ..."""
    size = len(cells)
    from_0, from_1 = list(map(str, range(size))), list(map(str, range(1, size + 1)))
    return (size >= 2 and cells == from_0) or (size >= 3 and cells == from_1)


NUMBERED = 20  # times as likely as elsewhere are names where a row reads 1, 2, 3, ...


def _unlike(row: list[str], body: list[list[str]], decimal: str) -> bool:
    """Whether a first row of numbers is unlike those below, in digits or in size and spacing."""
    below = [[cell.replace(decimal, ".") for cell in cells if cell] for cells in body]
    cells = [cell for line in below for cell in line if NUMBER.fullmatch(cell)]
    if not cells or not all(map(NUMBER.fullmatch, row)):
        return False
    values, others = np.array(row, float), np.array(cells, float)
    steps = np.diff(values)
    sorted_ = len(row) > 1 and (bool(np.all(steps > 0)) or bool(np.all(steps < 0)))
    written = max(map(_digits, row))
    if sorted_ and written > 0 and len(cells) >= FEW and not any(map(_digits, cells)):
        return True
    if written < _digits(max(cells, key=_digits)):
        alike = sum(_digits(cell) <= written for cell in cells)
        share = (1 if alike == 0 else alike) / len(cells)
        # Pandas and NumPy write 2.0 as it is: whole numbers among fractions are of another kind.
        other_kind = not any("." in cell for cell in row) and all("." in cell for cell in cells)
        numbered = values.tolist() in ([*range(len(row))], [*range(1, len(row) + 1)])
        chance = share ** len(row) / (NUMBERED if numbered else 1)
        if (other_kind and len(below) > 1) or chance < BY_CHANCE:
            return sorted_ or (other_kind and len(row) == 1 and values[0] == 0)
    even = bool(np.all(steps == steps[:1])) and sorted_ and written == 0
    evenly = sum(
        len(line) == len(row) and len({*np.diff(np.array(line, float)).tolist()}) == 1
        for line in below
        if all(map(NUMBER.fullmatch, line))
    )
    if even and len(row) > 2 and evenly <= len(below) / 10:
        return bool(np.all(np.abs(steps) == 1)) or len(row) > 3 or _of_another_size(values, others)
    return even and _of_another_size(values, others)


def _of_another_size(values: FloatArray, others: FloatArray) -> bool:
    return bool(3 * values.max() < others.min() or values.min() > 3 * others.max())


def _digits(cell: str) -> int:
    """After the point, but for zeros at the end; many where there is an exponent."""
    return 99 if "e" in cell.lower() else len(cell.partition(".")[2].rstrip("0"))
