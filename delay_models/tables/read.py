"""Reads a table of measured delays: in a layout and a format of docs/traces.md, never a pickle.

A file is read rightly or not at all. Every defect is one ``TableError`` that names the file, the
place and, where there is one, the remedy; whatever is left out or mended is counted. The modules
that look at a file raise ``UnusableFile``; only here is it known what the caller calls the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import NoReturn

import numpy as np
import pandas as pd

from ...sim.files import MOST_CELLS, UnusableFile, short
from ..base import FloatArray
from .columns import numbers, role_of
from .files import Held, is_pai, new_measurements, read_file
from .long import LongTable
from .measured import (
    AS_IT_IS,
    Measured,
    RawTable,
    Reading,
    Repair,
    TableError,
    columns_of,
    complete,
    median_of,
    name_at,
)
from .parts import waiting_note
from .profiles import is_profile, read_profiles
from .roles import roles
from .wide import read_wide

Load = float | None  # a key of ``Measured.tables``.


def read_measured(path: str, said: Reading = AS_IT_IS, most: int | None = MOST_CELLS) -> Measured:
    """Read a table of delays: every load, the workers' names, and what was repaired. ``path`` is a
    file (its ending says the format), or a folder or pattern of profiler traces; ``most``: cells
    that it may have (``None``: any number). Raises TableError: the file is missing, unreadable,
    empty, ragged, could mean several things, or holds a value that is not a valid delay."""
    with _opened(path, said, most) as (loads, part, repairs):
        return _together({load: complete(part(load), said) for load in loads}, repairs)


def read_one_load(path: str, said: Reading = AS_IT_IS, most: int | None = MOST_CELLS) -> Measured:
    """Read the load that is ``said``, whatever is wrong with the others; ``None`` names the
    only one. Raises TableError: as ``read_measured``; or there is no such load."""
    with _opened(path, said, most) as (loads, part, repairs):
        load = said.load
        chosen = loads[0] if load is None and len(loads) == 1 else load
        if chosen not in loads:
            if None in loads:
                text = "load was given, but the table has no column load (a long table)"
                raise UnusableFile(text)
            valid = short([each if each is None or each % 1 else int(each) for each in loads])
            if load is None:
                raise UnusableFile(f"several loads are in the table; say which: load = {valid}")
            raise UnusableFile(f"no row has load = {load}; valid: {valid}")
        return _together({load: complete(part(chosen), said)}, repairs)


@contextmanager
def _opened(
    path: str, reading: Reading, most: int | None
) -> Iterator[tuple[list[Load], Callable[[Load], RawTable], list[Repair]]]:
    """Loads of a file, what it holds at each, and what was done to all; errors name the file."""
    try:
        held, repairs = _held(path, reading, most)
        held, reading = _with_index(held, reading)
        role = roles(held.frame, reading)
        if role is None and "worker" in reading.columns:
            held, reading = _turned(held, reading)
        if role is None:
            if held.others:
                _no_such(held.others[0], [*held.frame.columns])
            wide = read_wide(held, reading)
            yield [None], lambda load: wide, repairs
        else:
            table = LongTable(held, role, reading, most)
            yield [*table.rows], table.part, repairs
    except UnusableFile as error:
        raise TableError(path, str(error)) from error


def _held(path: str, reading: Reading, most: int | None) -> tuple[Held, list[Repair]]:
    held = read_profiles(path, most) if is_profile(path) else read_file(path, most, reading)
    frame = held.frame
    if frame.empty:
        raise UnusableFile(f"the table has no {'cells' if path.endswith('.npz') else 'rows'}")
    for name in reading.named:
        if name not in frame.columns:
            _no_such(name, [*frame.columns])
    others = tuple(n for n in (*reading.drop, *reading.keep) if n not in frame.columns)
    frame, held = _rows(frame, reading.rows), replace(held, others=others)
    frame = frame.drop(columns=[name for name in reading.drop if name in frame.columns])
    if is_pai([*frame.columns]) and not reading.columns:
        frame, repairs = new_measurements(frame)
        return replace(held, frame=frame), repairs
    return replace(held, frame=frame), []


def _no_such(name: str, columns: Sequence[str]) -> NoReturn:
    listed = ", ".join(columns[:20])
    raise UnusableFile(f"no column is named {short(name)!r}; there are {short(listed)}")


RANGE = re.compile(r"(\d{0,15}):(\d{0,15})(?::([1-9]\d{0,8}))?")


def _rows(frame: pd.DataFrame, wanted: str | None) -> pd.DataFrame:
    if wanted is None:
        return frame
    name, equals, value = wanted.rpartition("=")
    if equals and name not in frame.columns:
        _no_such(name, [*frame.columns])
    column = frame[name] if equals else None
    if column is not None:
        exact = column.map(lambda cell: str(cell).strip().removesuffix(".0")) == value.strip()
        if exact.any():
            return frame[exact].reset_index(drop=True)
    if (matched := RANGE.fullmatch(value.strip())) is None:
        if equals:
            raise UnusableFile(f"--rows {short(wanted)}: no cell of column {short(name)} is that")
        form = "A:B or A:B:STEP (from 1, both included), COLUMN=VALUE, or COLUMN=A:B"
        raise UnusableFile(f"--rows {short(wanted)}: must be {form}")
    places = np.arange(1, len(frame) + 1) if column is None else numbers(column, "rows")[0]
    first = float(matched[1] or (1 if column is None else np.nanmin(places)))
    chosen = (places >= first) & (places <= float(matched[2] or "inf"))
    chosen &= np.mod(places - first, float(matched[3] or 1)) == 0
    if not chosen.any():
        raise UnusableFile(f"--rows {short(wanted)}: no row of {len(frame)} is there")
    return frame[chosen].reset_index(drop=True)


def _turned(held: Held, reading: Reading) -> tuple[Held, Reading]:
    """A table of a row per worker and a column per round, with its rows as columns."""
    name = reading.columns["worker"]
    frame = held.frame.drop(columns=[name] if name else [])
    turned = frame.T.reset_index(drop=True).infer_objects()
    turned.columns = held.frame[name].map(str) if name else turned.columns.map(str)
    return Held(turned, hint=held.hint, assumed=held.assumed), replace(reading, columns={})


def _with_index(held: Held, reading: Reading) -> tuple[Held, Reading]:
    """The column that numbers the rounds of a wide table, where nothing else can be meant. The
    index of a Parquet file, if it has numbers or moments; else the one column that is named after
    rounds, or is the first and has no name, and counts."""
    found = [*held.frame.columns]
    if {"round", "worker"} & {*reading.columns} or roles(held.frame, reading) is not None:
        return held, reading
    name, said = held.index[0] if len(held.index) == 1 else "", held.assumed
    if name in found:
        if held.frame[name].dtype.kind not in "fiuM" or role_of(name) == "worker":
            return held, reading
    else:
        named = [each for each in found if role_of(str(each)) == "round"]
        named += [each for each in found[:1] if str(each).startswith("Unnamed: ")]
        counting = [each for each in named if each not in reading.keep and _counts(held, each)]
        if len(named) != 1 or not counting or len(found) < 2:
            return held, reading
        name = counting[0]
        first, last = held.frame[name].iloc[[0, -1]]
        unnamed = "the first column, without a name,"
        call = f"column {short(name)}" if role_of(str(name)) else unnamed
        said = (*said, f"{call} numbers the rounds, {first:.15g} to {last:.15g}")
    return replace(held, assumed=said), replace(reading, columns={**reading.columns, "round": name})


def _counts(held: Held, name: str) -> bool:
    """Whether a column goes up by one from 0 or 1, in three rows if its name says nothing; where
    its name says rounds, in any whole numbers that grow in three rows."""
    column, named = held.frame[name], bool(role_of(name))
    if column.dtype.kind not in "fiu" or len(column) < (1 if named else 3):
        return False
    values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    steps = np.diff(values)
    if named and len(values) >= 3:
        return bool(np.all(steps > 0) and np.all(values == np.round(values)))
    return bool(values[0] in (0, 1) and np.all(steps == 1))


def _together(parts: Mapping[Load, RawTable], repairs: list[Repair]) -> Measured:
    """The parts, each with the workers that every load has; what is so of all is said once."""
    first = next(iter(parts.values()))
    shared = set(first.hosts).intersection(*(part.hosts for part in parts.values()))
    hosts = tuple(host for host in first.hosts if host in shared)
    repairs = [*repairs, *(repair for part in parts.values() for repair in part.repairs)]
    if not hosts:
        raise UnusableFile("no worker was measured at every load; say which load is wanted")
    if any(len(part.hosts) > len(hosts) for part in parts.values()):
        widths = sorted({len(part.hosts) for part in parts.values()})
        left_out = sum(len(part.table) * (len(part.hosts) - len(hosts)) for part in parts.values())
        text = f"loads have {widths} workers; the {len(hosts)} that all have are used"
        repairs.append(Repair("unused", left_out, text))
        cut = {}
        for load, part in parts.items():
            places = [part.hosts.index(host) for host in hosts]
            stages = columns_of(part.stages, places)
            cut[load] = replace(part, table=part.table[:, places], stages=stages)
        parts = cut
    for load, part in parts.items():
        if note := waiting_note(part.table, part.allreduce, bool(part.stages)):
            said = f"load {load:g}: {note}" if len(parts) > 1 else note
            repairs.append(Repair("waits", len(part.table), said))
    return Measured(
        hosts,
        {load: part.table for load, part in parts.items()},
        tuple(repairs),
        first.unit,
        {load: part.rounds for load, part in parts.items() if part.rounds is not None},
        tuple(dict.fromkeys(line for part in parts.values() for line in part.assumed)),
        allreduce=first.allreduce,
        stages={load: part.stages for load, part in parts.items() if part.stages},
    )


SHOWN = 6  # workers whose names and delays are shown
ROWS = 3  # rounds that are shown
LISTED = 8  # loads that are listed


def as_read(measured: Measured, chosen: float | None = None) -> Iterator[str]:
    """Size, loads, unit and why, names, the first rounds, the slowest and the fastest worker, and
    what was assumed; a line each, without a full stop. Rounds and workers are those at the load
    that was ``chosen``, or at the first one."""
    tables, hosts = measured.tables, measured.hosts
    sizes = {len(table) for table in tables.values()}
    few, many = min(sizes), max(sizes)
    size = _many(few, "round") if few == many else f"{few} to {many} rounds"
    loads = [f"{load:g}" for load in tables if load is not None]
    at = f", at load{'s' * (len(loads) > 1)} {_some(loads, LISTED)}" if loads else ""
    yield f"read as {size} of {_many(len(hosts), 'worker')}{at}; times in {measured.unit}"
    load = chosen if chosen in tables else next(iter(tables))
    table = tables[load]
    names = measured.names_of_rounds(load)
    yield f"workers: {_some(hosts, SHOWN)}; rounds: {name_at(names, 0)} to {name_at(names, -1)}"
    place = "" if load is None else f", load {load:g}"
    for row in range(min(ROWS, len(table))):
        cells = _some([f"{seconds:.4g}" for seconds in table[row]], SHOWN)
        yield f"round {name_at(names, row)}{place}: {cells} s"
    if len(hosts) > 1:
        typical = median_of(table, axis=0)
        slow, fast = int(np.argmax(typical)), int(np.argmin(typical))
        slower = _slower(table)[slow]
        times = f", {slower:.4g} times the median worker of a round" if slower > 1.005 else ""
        slowest = f"{short(hosts[slow])}, typically {typical[slow]:.4g} s{times}"
        fastest = f"{short(hosts[fast])}, {typical[fast]:.4g} s{place}"
        yield f"slowest worker: {slowest}; fastest: {fastest}"
    yield from measured.assumed


def _slower(table: FloatArray) -> FloatArray:
    """How many times the median worker each takes, ``(n,)``: medians over rounds of its delay over
    the round's median, as ``fit`` and ``whatif`` have it. Rounds that do not end are left out."""
    medians = median_of(table, axis=1)
    known = (medians > 0) & np.isfinite(medians)
    if not known.any():
        return np.ones(table.shape[1])
    ratios = median_of(table[known] / medians[known, None], axis=0)
    return np.asarray(ratios / (float(np.median(ratios)) or 1.0))


def _some(texts: Sequence[str], most: int) -> str:
    shown = [short(text) for text in texts]
    if len(shown) <= most + 1:
        return ", ".join(shown)
    return f"{', '.join(shown[:most])}, ..., {shown[-1]}"


def _many(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' * (count != 1)}"
