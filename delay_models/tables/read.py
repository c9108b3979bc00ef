"""Reads a table of measured delays, in one of the layouts of docs/traces.md.

*Wide*: one row per round and one column per worker, with or without a header (a first row of 0, 1,
2, ... or 1, 2, 3, ... numbers the workers, it is not a round). *Long*: a row per call, with columns
``worker, round, seconds`` and perhaps ``load``, or of other names (``host, step, duration_ms``).
Formats: CSV and TSV, gzipped or not, Parquet, NPZ (one 2-D array, or one named ``seconds``), and
traces of PyTorch's profiler. A pickle is never loaded.

A file is read rightly or not at all. Every defect is one ``TableError`` that names the file, the
place and, where there is one, the remedy; whatever is left out or mended is counted. The modules
that look at a file raise ``UnusableFile``; only here is it known what the caller calls the file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import pandas as pd

from ...sim.files import MOST_CELLS, UnusableFile, short
from .files import is_pai, is_profile, new_measurements, read_file, read_profiles
from .long import LongTable, roles
from .measured import AS_IT_IS, Measured, RawTable, Reading, Repair, TableError, complete
from .wide import read_wide

Load = float | None
"""A key of ``Measured.tables``."""


def read_measured(
    path: str, reading: Reading = AS_IT_IS, most: int | None = MOST_CELLS
) -> Measured:
    """Read a table of delays: every load, the workers' names, and what was repaired.

    Args:
        path: the file (its ending says the format), or a folder or pattern of profiler traces.
        reading: what the file does not say of itself.
        most: cells that the file may have; ``None``: any number.

    Raises:
        TableError: the file is missing, unreadable, empty, ragged, could mean several things, or
            holds a value that is not a valid delay.
    """
    with _opened(path, reading, most) as (loads, part, repairs):
        return _together({load: complete(part(load), reading) for load in loads}, repairs)


def read_one_load(
    path: str, reading: Reading = AS_IT_IS, most: int | None = MOST_CELLS
) -> Measured:
    """Read the load that ``reading`` names, whatever is wrong with the others; ``None`` names the
    only one.

    Raises:
        TableError: as ``read_measured``; or there is no such load.
    """
    with _opened(path, reading, most) as (loads, part, repairs):
        chosen = _choose(loads, reading.load)
        return _together({reading.load: complete(part(chosen), reading)}, repairs)


@contextmanager
def _opened(
    path: str, reading: Reading, most: int | None
) -> Iterator[tuple[list[Load], Callable[[Load], RawTable], list[Repair]]]:
    """The loads of a file, what it holds at each, and what was done to the file as a whole; errors
    name the file."""
    try:
        frame, repairs = _frame(path, reading, most)
        role = roles([*frame.columns], reading)
        if role is None:
            wide = read_wide(frame, reading)
            yield [None], lambda load: wide, repairs
        else:
            table = LongTable(frame, role, reading, most)
            yield table.loads, table.part, repairs
    except UnusableFile as error:
        raise TableError(path, str(error)) from error


def _frame(path: str, reading: Reading, most: int | None) -> tuple[pd.DataFrame, list[Repair]]:
    """The file's columns, those without that are to be dropped."""
    if is_profile(path):
        return read_profiles(path, most), []
    held = read_file(path, most)
    frame = pd.DataFrame(held) if isinstance(held, np.ndarray) else held
    if frame.empty:
        raise UnusableFile(f"the table has no {'cells' if held is not frame else 'rows'}")
    frame.columns = frame.columns.map(str)
    for name in (*reading.drop, *filter(None, reading.columns.values())):
        if name not in frame.columns:
            listed = ", ".join(frame.columns[:20])
            raise UnusableFile(f"no column is named {short(name)!r}; there are {short(listed)}")
    frame = frame.drop(columns=[*reading.drop])
    if is_pai([*frame.columns]) and not reading.columns:
        return new_measurements(frame)
    return frame, []


def _choose(loads: list[Load], load: Load) -> Load:
    if load is None and len(loads) == 1:
        return loads[0]
    if load in loads:
        return load
    if None in loads:
        raise UnusableFile("load was given, but the table has no column load (a long table)")
    valid = short([load if load is None or load % 1 else int(load) for load in loads])
    if load is None:
        raise UnusableFile(f"several loads are in the table; say which: load = {valid}")
    raise UnusableFile(f"no row has load = {load}; valid: {valid}")


def _together(parts: Mapping[Load, RawTable], repairs: list[Repair]) -> Measured:
    """The parts with the same workers, those that every load has."""
    first = next(iter(parts.values()))
    shared = set(first.hosts).intersection(*(part.hosts for part in parts.values()))
    repairs = [*repairs, *(repair for part in parts.values() for repair in part.repairs)]
    if all(len(part.hosts) == len(shared) for part in parts.values()):
        tables = {load: part.table for load, part in parts.items()}
        return Measured(first.hosts, tables, tuple(repairs))
    if not shared:
        raise UnusableFile("no worker was measured at every load; say which load is wanted")
    hosts = tuple(host for host in first.hosts if host in shared)
    widths = sorted({len(part.hosts) for part in parts.values()})
    left_out = sum(len(part.table) * (len(part.hosts) - len(hosts)) for part in parts.values())
    text = f"loads have {widths} workers; the {len(hosts)} that all have are used"
    places = {load: [part.hosts.index(host) for host in hosts] for load, part in parts.items()}
    tables = {load: part.table[:, places[load]] for load, part in parts.items()}
    return Measured(hosts, tables, (*repairs, Repair("unused", left_out, text)))
