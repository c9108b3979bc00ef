"""Wide tables: one row per round and one column per worker, and nothing else. A column that numbers
the rounds, or is a clock, looks like the slowest worker of all. So every column must be a worker's
by its name and by its numbers."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...sim.files import UnusableFile, short
from ..base import FloatArray
from .columns import (
    A_SECOND,
    NUMBERS,
    SECONDS_AT_MOST,
    SUMMARIES,
    Times,
    no_worker,
    numbers,
    of_rounds,
    parse,
    role_of,
    settle,
    without_unit,
)
from .files import Held
from .measured import Names, RawTable, Reading, also_needed
from .odd_columns import all_grow, as_word, odd_columns, require_columns
from .odd_rows import Where, remarks, require_rounds

Flags = NDArray[np.bool_]
Told = tuple[tuple[str, ...], Times]
BLOCK = 2**20  # cells that are looked at together
WIDER = 4  # so many times as many workers without names as rounds: perhaps they are rounds
CHANCE = 0.01  # of a column that grows by chance, somewhere in the table
EPOCH = 1e8  # seconds: numbers beyond this that never fall are dates, counted from 1970


def read_wide(held: Held, reading: Reading) -> RawTable:
    """Read a wide table, perhaps with an index. Raises UnusableFile: a column is no worker's."""
    frame, index = held.frame, reading.columns.get("round")
    order = None if not index else _order(frame[index])
    rounds = None if not index else frame[index].to_numpy()
    if index:
        frame = frame.drop(columns=index)
    found = [str(name) for name in frame.columns]
    if not found:
        raise UnusableFile("the table has no cells")
    if index != "":
        _require_workers([name for name in found if name not in reading.keep])
    table, failed = _cells(frame, gaps=reading.missing != "refuse")
    if order is not None and rounds is not None:
        table, rounds = table[order], rounds[order]
    whole = table[np.isfinite(table).all(axis=1)]
    if index != "":
        free = [place for place, name in enumerate(found) if name not in reading.keep]
        unit = reading.unit or parse(found[0]).unit
        a_second = 1 / unit if isinstance(unit, float) else A_SECOND.get(str(unit), 1.0)
        require_delays([found[place] for place in free], table[:, free], a_second)
        odd = [(place, text) for place, text in odd_columns(whole) if place in free]
        require_columns(odd, found, "column")
    hosts, times = _unit(found, table, held, reading)
    assumed = [*held.assumed, *filter(None, [times.assumed])]
    if not index and 1 < len(table) <= len(hosts) / WIDER and all(map(str.isdecimal, hosts)):
        turned = "if rows are workers, transpose the table, or say --columns worker="
        assumed.append(f"{len(table)} rounds of {len(hosts)} workers: {turned}")
    if reading.rows is None:
        where = _where(index, rounds)
        require_rounds(table, where)
        assumed += remarks(table, where)
    return RawTable(hosts, times.seconds(table), failed, (), times.why, rounds, tuple(assumed))


def _cells(frame: pd.DataFrame, gaps: bool) -> tuple[FloatArray, int]:
    if all(dtype.kind in NUMBERS for dtype in frame.dtypes):  # at once: pandas is slow by column
        return np.ascontiguousarray(frame.to_numpy(np.float64, na_value=np.nan)), 0
    remedy = "--drop leaves a column out"
    columns = [numbers(column, "seconds", remedy, gaps) for _, column in frame.items()]
    table = np.column_stack([values for values, _ in columns])
    return table, sum(len(failed) for _, failed in columns)


def _where(index: str | None, rounds: Names | None) -> Where:
    if not index or rounds is None or rounds.dtype.kind not in "iuf":
        return lambda first, last: f"--rows {first + 1}:{last + 1}"
    return lambda first, last: f"--rows {short(index)}={rounds[first]:g}:{rounds[last]:g}"


def _require_workers(found: list[str]) -> None:
    if nameless := [name for name in found if name.startswith("Unnamed: ")]:
        place = int(nameless[0].removeprefix("Unnamed: ")) + 1
        text = f"column {place} has no name; an index must be left out: --drop {nameless[0]!r}"
        raise UnusableFile(text)
    if others := [name for name in found if no_worker(name)]:
        plain = [name for name in others if not {parse(name).whole, parse(name).base} & SUMMARIES]
        first = plain[0] if plain else None
        remedy, drop = f"--drop {short(','.join(others))}", ""
        if first is not None:
            what = "round={} if it orders the rounds"
            if role_of(first) == "worker":
                what = "worker={} if there is a row for each"
            remedy, drop = f"--columns {what.format(short(first))}, {remedy}", " if not"
        name = short(first or others[0])
        raise UnusableFile(f"column {name} holds no worker's delays by its name: {remedy}{drop}")
    if of_rounds(found):
        text = f"columns are named after rounds ({short(found[0])}): write a row per round"
        text += " and a column per worker (transpose the table), or say --columns worker= where a "
        raise UnusableFile(f"{text}row is a worker's; worker=NAME where that column names them")


def _order(column: pd.Series) -> NDArray[np.int64] | None:
    """The order of the rounds that an index gives; ``None`` where rows are in it."""
    if column.dtype.kind not in "fiu":
        return None
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    steps = np.diff(values)
    if np.isnan(values).any() or np.all(steps > 0):
        return None
    if len(np.unique(values)) < len(values):
        again = int(np.flatnonzero(steps <= 0)[0]) + 2
        text = f"round numbers of column {short(column.name)} begin again at row {again}"
        first = f"--rows 1:{again - 1} takes the first"
        raise UnusableFile(f"{text}: two runs in one file? {first}; or split it there")
    return np.argsort(values, kind="stable")


def require_delays(found: list[str], table: FloatArray, a_second: float = 1.0) -> None:
    """Refuse (UnusableFile) counts or clocks among columns, ``(rounds, n)``, perhaps with NaN."""
    strange = no_delays(table, a_second)
    if all_grow(table):
        strange[:] = True
    if not strange.any():
        return
    place = int(np.argmax(strange))
    head = ", ".join(f"{number:.15g}" for number in table[:3, place])
    name = short(found[place])
    if strange.all() and len(found) > 1:
        text = f"every column only counts or grows ({name}: {head}, ...): clocks or indices"
        raise UnusableFile(f"{text}; say --columns round= (nothing) if these are delays")
    raise UnusableFile(
        f"column {name} counts or is a clock ({head}, ...), no worker's delays: say --columns "
        f"round={name} (or --drop {name}), or --columns round= (nothing) if it is a worker's"
    )


def no_delays(table: FloatArray, a_second: float = 1.0) -> Flags:
    """Which columns count or are clocks, ``(n,)`` bool. Beside fractions, whole numbers that grow
    are a count. Where all are whole, some column grows by chance in a few rounds: then it must also
    grow evenly, be of another size than the rest, or grow for too long to be chance."""
    rows, n = table.shape
    if n == 0:
        return np.zeros(0, bool)
    if rows == 1:
        return np.asarray(_small(table) & (table[0] == np.round(table[0])))
    size = max(1, BLOCK // rows)
    facts = [_facts(table[:, first : first + size], a_second) for first in range(0, n, size)]
    whole, fractions, up, even, never_falls, dates, counts = np.concatenate(facts, axis=1)
    excused = not fractions.any() and n / math.factorial(min(rows, 20)) > CHANCE
    strange = dates | (whole & up & (_small(table) | (not excused)))
    if rows == 2:
        return np.asarray(strange | (whole & counts & (not counts.all())))
    strange |= even & (whole | (rows >= 4))
    if rows >= 5:
        alone = whole & (fractions.sum() == n - 1) & (n > 1)
        strange |= counts | (alone & never_falls)
    return np.asarray(strange | (up & (rows >= 10)))


def _small(table: FloatArray) -> Flags:
    """Columns of numbers ten times smaller than any of the other columns; in one row, 100 times."""
    ratio = 10 if len(table) > 1 else 100
    least = np.nan_to_num(table.min(axis=0), nan=np.inf)
    if len(least) < 3:
        return np.zeros(len(least), bool)
    first, second = np.partition(least, 1)[:2]
    with np.errstate(invalid="ignore", over="ignore"):
        small: Flags = ratio * table.max(axis=0) < np.where(least == first, second, first)
    return small


def _facts(table: FloatArray, a_second: float) -> Flags:
    """What is so for each column of a part of a table, ``(7, columns)``."""
    with np.errstate(invalid="ignore", over="ignore"):
        steps = np.diff(table, axis=0)
        whole = np.isfinite(table).all(axis=0) & np.all(table == np.round(table), axis=0)
        fractions = np.any((table != np.round(table)) & np.isfinite(table), axis=0)
        up = np.all(steps > 0, axis=0)
        first = steps[:1]
        even = np.all((np.abs(steps - first) <= 1e-6 * np.abs(first)) & (steps != 0), axis=0)
        never_falls = np.all(steps >= 0, axis=0) & np.any(steps > 0, axis=0)
        dates = never_falls & (table.min(axis=0) > EPOCH * a_second)
        counts = whole & (np.mean(steps == 1, axis=0) >= 0.8)
    for column in np.flatnonzero(whole & (np.ptp(table, axis=0) == len(table) - 1)):
        if len(np.unique(table[:, column])) == len(table):  # 0, 1, 2, ... in any order
            counts[column] = True
    return np.stack([whole, fractions, up, even, never_falls, dates, counts])


def _unit(found: list[str], table: FloatArray, held: Held, reading: Reading) -> Told:
    by_name = [parse(name).unit for name in found]
    units = [unit or held.units.get(name) for name, unit in zip(found, by_name, strict=True)]
    first = units[0]
    if first is not None and all(unit == first for unit in units):
        where = f"column {short(found[0])}"
        if reading.unit is None and first == "us" and None not in by_name:
            raise UnusableFile(f"{where} ends in us: if microseconds, say --unit us")
        times = settle(reading.unit, first, where, table)
        if first != "s" and {*found} <= held.pointed.keys():
            require_no_thousands(held.pointed[found[0]], table, first)
        return tuple(map(without_unit, found)), times
    usual, count = Counter(units).most_common(1)[0]
    odd_one = usual is not None and 1 < count == len(units) - 1
    if ({*units} & {"ms", "us", "ns"} or odd_one) and not isinstance(reading.unit, float):
        odd = [name for name, unit in zip(found, units, strict=True) if unit != usual]
        other = found[units.index(usual)]
        text = f"columns {short(odd[0])} and {short(other)} say different units"
        drop = f"--drop {as_word(','.join(odd))} if no worker's"
        raise UnusableFile(f"{text}: {drop}, rename them, or give --unit in seconds")
    where = held.where if held.unit else "the table"
    also = also_needed(not np.isfinite(table).all(), reading)
    return tuple(found), settle(reading.unit, held.unit, where, table, held.hint, also)


def require_no_thousands(cell: str, values: FloatArray, unit: str) -> None:
    """Refuse (UnusableFile) small numbers that may be thousands: 1.184 may be 1184."""
    finite = values[np.isfinite(values)]
    if finite.size >= 4 and float(np.median(finite)) < SECONDS_AT_MOST:
        text = f"all cells have three digits after a point: {cell} {unit} could be"
        remedy = "say --decimal point if it is not, --decimal comma if it is"
        raise UnusableFile(f"{text} {cell.replace('.', '')}: {remedy}")
