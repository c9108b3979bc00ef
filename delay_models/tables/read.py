"""Reads a table of measured delays: in a layout and a format of docs/traces.md, never a pickle.

A file is read rightly or not at all. Every defect is one ``TableError`` that names the file, the
place and, where there is one, the remedy; whatever is left out or mended is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from shlex import quote

import pandas as pd

from ...sim.files import MOST_CELLS, UnusableFile, short
from ...sim.reading import Reading
from ..formats.files import Held, read_file, retyped, with_durations
from ..formats.objects import JSON_ENDINGS, read_json, read_traces
from ..formats.profiler import are_profiles
from ..formats.rows import no_such, rows_of
from ..formats.samples import is_pai, new_measurements
from ..signs import waiting_note
from .long import LongTable
from .measured import AS_IT_IS, Measured, RawTable, Repair, TableError, complete
from .names import ROLES, SPELLINGS, is_call, parse, role_of
from .roles import roles_of
from .wide import read_wide

Load = float | None  # a key of ``Measured.tables``.


def read_measured(path: str, said: Reading = AS_IT_IS, most: int | None = MOST_CELLS) -> Measured:
    """Read a table of delays: every load, the workers' names, and what was repaired. ``path`` is a
    file (its ending says the format), or a folder or pattern of profiler traces; ``most``: cells
    that it may have, or ``None``. Raises TableError: it is damaged, or ambiguous."""
    with _opened(path, said, most) as (loads, part, repairs):
        return _together({load: complete(part(load), said) for load in loads}, repairs)


def read_one_load(path: str, said: Reading = AS_IT_IS, most: int | None = MOST_CELLS) -> Measured:
    """Read the load that is ``said``, or the only one, whatever is wrong with the others. Raises
    TableError: as ``read_measured``; or there is no such load."""
    with _opened(path, said, most) as (loads, part, repairs):
        load = said.load
        chosen = loads[0] if load is None and len(loads) == 1 else load
        if chosen not in loads:
            if None in loads:
                raise UnusableFile("load was given, but the table has no column load")
            valid = short([each if each is None or each % 1 else int(each) for each in loads])
            if load is None:
                raise UnusableFile(f"several loads are in the table; say which: load = {valid}")
            raise UnusableFile(f"no row has load = {load}; valid: {valid}")
        return _together({load: complete(part(chosen), said)}, repairs)


@contextmanager
def _opened(
    path: str, said: Reading, most: int | None
) -> Iterator[tuple[list[Load], Callable[[Load], RawTable], list[Repair]]]:
    """Loads of a file, what it holds at each, and what was done to all; errors name the file."""
    try:
        held, repairs = _held(path, said, most)
        _require_one(held.frame, said, "event")
        role = roles_of(held.frame, said)
        if role is None and "worker" in said.asked:
            held, said = _turned(held, said)
        if role is None:
            if "rack" in said.asked:
                raise UnusableFile("--columns rack=... is of a long table, a row for each call")
            if held.others:
                no_such(held.others[0], [*held.frame.columns])
            _require_one(held.frame, said, "group", len(held.frame))
            wide = read_wide(held, said)
            yield [None], lambda load: wide, repairs
        else:
            _require_one(held.frame, said, "group")
            table = LongTable(held, role, said, most)
            yield [*table.rows], table.part, repairs
    except UnusableFile as error:
        raise TableError(path, str(error)) from error


def _held(path: str, said: Reading, most: int | None) -> tuple[Held, list[Repair]]:
    """The rows and columns that count, with numbers where they were written as durations."""
    if are_profiles(path):
        held = read_traces(path, most)
    elif path.endswith(JSON_ENDINGS):
        held = read_json(path, most)
    else:
        held = read_file(path, most, said)
    frame = held.frame
    if frame.empty:
        raise UnusableFile(f"the table has no {'cells' if path.endswith('.npz') else 'rows'}")
    for name in said.named:
        if name not in frame.columns:
            no_such(name, [*frame.columns])
    drop = [n for n in frame.columns if any(n == w or fnmatchcase(n, w) for w in said.drop)]
    known = {*frame.columns, *(way for way in said.drop for n in drop if fnmatchcase(n, way))}
    others = tuple(name for name in (*said.drop, *said.keep) if name not in known)
    # an array has no empty lines: a round in which nobody arrived is missing, and is counted
    whole = said.rows is None and path.endswith((".npz", ".npy", ".parquet"))
    rows = frame if whole else rows_of(frame, said.rows)
    kept = rows.drop(columns=drop)
    held = replace(held, frame=retyped(kept) if len(kept) < len(frame) else kept, others=others)
    if is_pai([*held.frame.columns]) and not said.asked:
        kept, repairs = new_measurements(held.frame)
        return replace(held, frame=kept), repairs
    return with_durations(_valued(held, said), said), []


def _turned(held: Held, said: Reading) -> tuple[Held, Reading]:
    """A table of a row per worker and a column per round, with its rows as columns."""
    name = said.asked["worker"]
    turned = (
        held.frame.drop(columns=[name] if name else []).T.reset_index(drop=True).infer_objects()
    )
    turned.columns = held.frame[name].map(str) if name else turned.columns.map(str)
    return replace(held, frame=turned, units={}, index=()), replace(
        said, columns={}, keep=(*turned.columns,)
    )


def _valued(held: Held, said: Reading) -> Held:
    """With the unit that a column says, and the name that an event gives to its value."""
    frame = held.frame
    free = {role_of(name): name for name in map(str, frame.columns) if name not in said.named}
    if (unit := free.get("unit")) and frame[unit].nunique(dropna=False) == 1:
        spelt = SPELLINGS.get(str(frame[unit].iloc[0]).strip().lower())
        held = replace(held, unit=spelt or held.unit, where=f"column {short(unit)}")
    event, value = free.get("event"), free.get("value")
    if event and value and "seconds" not in free and frame[event].nunique(dropna=False) == 1:
        call = str(frame[event].iloc[0])
        return replace(held, frame=frame.rename(columns={value: call}).drop(columns=event))
    return held


def _require_one(frame: pd.DataFrame, said: Reading, role: str, labels: int = 0) -> None:
    """Refuse (UnusableFile) rows of several events, or of several jobs or runs, by the columns of
    this role; a ``labels`` of different values number the rounds."""
    for name in map(str, frame.columns):
        if role_of(name) != role or name in {*said.named, *said.keep}:
            continue
        counts = frame[name].value_counts(dropna=False)
        if len(counts) in (0, 1, labels) or (said.rows or "").startswith(f"{name}="):
            continue
        values = [str(value).removesuffix(".0") for value in counts.index]
        first = str(frame[name].iloc[0]).removesuffix(".0")
        if role == "event":
            calls = [
                v for v in values if is_call(parse(v)) or "round" in map(ROLES.get, parse(v).words)
            ]
            first = calls[0] if len(calls) == 1 and not parse(calls[0]).wrong else "..."
        some = ", ".join(f"{short(v)} ({counts.iloc[place]})" for place, v in enumerate(values[:3]))
        text = f"rows are of several {short(name)}: {some}{', ...' if len(values) > 3 else ''}"
        raise UnusableFile(f"{text}: say --rows {quote(f'{name}={first}')}")


def _together(parts: Mapping[Load, RawTable], repairs: list[Repair]) -> Measured:
    """The parts, each with the workers that every load has; what is so of all is said once."""
    first = next(iter(parts.values()))
    shared = set(first.hosts).intersection(*(part.hosts for part in parts.values()))
    hosts = [host for host in first.hosts if host in shared]
    repairs = [*repairs, *(repair for part in parts.values() for repair in part.repairs)]
    if not hosts:
        raise UnusableFile("no worker was measured at every load; say which load is wanted")
    tables = {load: part.table for load, part in parts.items()}
    stages = {load: part.stages for load, part in parts.items() if part.stages}
    rounds = {load: part.rounds for load, part in parts.items() if part.rounds is not None}
    assumed = tuple(dict.fromkeys(line for part in parts.values() for line in part.assumed))
    found = Measured(first.hosts, tables, unit=first.unit, rounds=rounds, assumed=assumed)
    found = replace(
        found, allreduce=first.allreduce, stages=stages, roles=first.roles, groups=first.groups
    )
    if left := sum(len(part.table) * (len(part.hosts) - len(hosts)) for part in parts.values()):
        widths = sorted({len(part.hosts) for part in parts.values()})
        text = f"loads have {widths} workers; the {len(hosts)} that all have are used"
        repairs.append(Repair("unused", left, text))
        for load, part in parts.items():
            whole = Measured(part.hosts, {load: part.table}, stages={load: part.stages})
            cut = whole.only(hosts)
            tables |= cut.tables
            stages |= {key: kept for key, kept in cut.stages.items() if kept}
        found = replace(found, hosts=tuple(hosts), tables=tables, stages=stages)
    for load, table in found.tables.items():
        if note := waiting_note(table, first.allreduce, load in stages):
            said = f"load {load:g}: {note}" if len(parts) > 1 else note
            repairs.append(Repair("waits", len(table), said))
    return replace(found, repairs=tuple(repairs))
