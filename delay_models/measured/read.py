"""Reads a table of measured delays: in a layout and a format of docs/traces.md, never a pickle.

A file is read rightly or not at all. Every defect is one ``TableError`` that names the file, the
place and, where there is one, the remedy; whatever is left out or mended is counted."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np
import pandas as pd

from ...sim.base.errors import Message, Option
from ...sim.base.files import MOST_CELLS, TRACE_ENDINGS, UnusableFile, files_of, short
from ...sim.base.reading import Reading
from .cells import numbers
from .cut import finished
from .files import (
    FileContents,
    TableInMemory,
    is_of_authors,
    read_authors,
    read_file,
    read_memory,
    retyped,
    with_durations,
)
from .long import LongTable
from .measured import AS_IT_IS, WORKERS_ROWS, MeasuredDelays, RawTable, TableError
from .names import (
    HOST_WORDS,
    ROLE_WORDS,
    SPELLINGS,
    is_call,
    parse,
    role_of,
    summary_word,
)
from .profiler import JSON_ENDINGS, RANK_IN_NAME, read_json, read_traces
from .roles import has_one_value_each, is_timed, roles_of
from .signs import waiting_note
from .wide import read_wide, stacked_with_allreduce

Load = float | None  # a key of ``MeasuredDelays.tables``.
Source = str | TableInMemory
JOB_IDS = ("job_id", "jobid", "job_idraw")
IN_MEMORY = "the table"  # what messages call a table that is in no file


def name_of(source: Source) -> str:
    """What messages call a table: its path, or ``IN_MEMORY``."""
    return source if isinstance(source, str) else IN_MEMORY


def read_measured(
    source: Source, options: Reading = AS_IT_IS, most: int | None = MOST_CELLS
) -> MeasuredDelays:
    """Read a table of delays: every load, the workers' names, and what was repaired. ``source`` is
    a file (its ending says the format), a folder or pattern of profiler traces, or a table in
    memory; ``most``: cells that it may have, or ``None``. Raises TableError: it is damaged, or
    ambiguous."""
    with _opened(source, options, most) as (loads, table_at, notes):
        return _together({load: table_at(load) for load in loads}, notes)


def read_one_load(
    source: Source, options: Reading = AS_IT_IS, most: int | None = MOST_CELLS
) -> MeasuredDelays:
    """Read the load that the options name, or the only one, whatever is wrong with the others.
    Raises TableError: as ``read_measured``; or there is no such load."""
    with _opened(source, options, most) as (loads, table_at, notes):
        load = options.load
        chosen = loads[0] if load is None and len(loads) == 1 else load
        if chosen not in loads:
            if None in loads:
                raise UnusableFile("load was given, but the table has no column load")
            known = (number if number is None or number % 1 else int(number) for number in loads)
            valid = short([*known])
            if load is None:
                raise UnusableFile(f"several loads are in the table; say which: load = {valid}")
            raise UnusableFile(f"no row has load = {load}; valid: {valid}")
        return _together({load: table_at(chosen)}, notes)


@contextmanager
def _opened(
    source: Source, options: Reading, most: int | None
) -> Iterator[tuple[list[Load], Callable[[Load], MeasuredDelays], list[Message]]]:
    """Loads of a table, what it holds at each, and what was done to all; errors name it."""
    try:
        contents, options, notes = _contents(source, options, most)
        _require_one(contents.frame, options, "event")
        role = roles_of(contents.frame, options)
        is_turned = role is None and "worker" in options.asked
        name_column = options.asked.get("worker")
        if is_turned:
            contents, options = _turned(contents, options)
        stacked = stacked_with_allreduce(contents, options) if role is None else None
        if stacked is not None:
            contents = stacked
            role = roles_of(contents.frame, options)
        if role is None:
            for long in {"rack", "load"} & {*options.asked}:
                of_long = Option("columns", {long: "..."})
                raise UnusableFile(of_long, " is of a long table, a row for each call")
            if options.retries != "refuse":
                of_long = Option("retries")
                raise UnusableFile(of_long, " is of a long table, a row for each call")
            if contents.others:
                no_such(contents.others[0], [*contents.frame.columns])
            _require_one(contents.frame, options, "group", len(contents.frame))
            wide = read_wide(contents, options)
            if is_turned:
                wide = _as_rows(wide, name_column)
            yield [None], lambda load: finished(wide, options), notes
        else:
            of_workers = options.asked.get("worker", "")
            _require_one(contents.frame, options, "group", of_workers=of_workers)
            _require_one(contents.frame, options, "unit")
            table = LongTable(contents, role, options, most)
            if stacked is not None:
                table.roles["worker"] = "names of columns"
            yield [*table.rows], lambda load: finished(table.at_load(load), options), notes
    except UnusableFile as error:
        raise TableError(name_of(source), error.message) from error


def _contents(
    source: Source, options: Reading, most: int | None
) -> tuple[FileContents, Reading, list[Message]]:
    """The rows and columns that count, with numbers where they were written as durations; how they
    are read, which the format may say; and what was done to all, a line each."""
    if not isinstance(source, str):
        contents = read_memory(source, most)
    elif is_of_authors(source):
        contents, options = read_authors(source, most, options)
    elif (files := files_of(source)) is not None:
        if files and not source.endswith(TRACE_ENDINGS) and not Path(source).is_dir():
            contents = _of_several(files, most, options)
        else:
            contents = read_traces(source, most)
    elif source.endswith(JSON_ENDINGS):
        contents = _named_by_file(read_json(source, most), source, options)
    else:
        contents = _named_by_file(read_file(source, most, options), source, options)
    frame = contents.frame
    if frame.empty:
        of_array = isinstance(source, np.ndarray) or name_of(source).endswith(".npz")
        raise UnusableFile(f"the table has no {'cells' if of_array else 'rows'}")
    for name in options.named:
        several = {*name.split("+")} <= {*frame.columns}
        if name not in frame.columns and not several:
            no_such(name, [*frame.columns])
    drop = [n for n in frame.columns if any(n == w or fnmatchcase(n, w) for w in options.drop)]
    known = {*frame.columns, *(way for way in options.drop for n in drop if fnmatchcase(n, way))}
    others = tuple(name for name in (*options.drop, *options.keep) if name not in known)
    # an array has no empty lines: a round in which nobody arrived is missing, and is counted
    has_no_lines = not isinstance(source, str) or source.endswith((".npz", ".npy", ".parquet"))
    whole = options.rows is None and has_no_lines
    rows = frame if whole else rows_of(frame, options.rows)
    kept = rows.drop(columns=drop)
    kept = retyped(kept) if len(kept) < len(frame) else kept
    contents = replace(contents, frame=kept, others=others)
    contents = _without_job_steps(contents)
    contents = _without_summaries(contents, options)
    contents = _with_joined(_with_factors(contents, options), options)
    if is_pai([*kept.columns]) and not options.asked:
        kept, notes = new_measurements(kept)
        return replace(contents, frame=kept), options, notes
    return with_durations(_valued(contents, options), options), options, []


def _of_several(files: Sequence[Path], most: int | None, options: Reading) -> FileContents:
    """The rows of several files, each of a worker whom its name names, unless a column does. Raises
    UnusableFile: their columns differ, or one cannot be read."""
    every = list[FileContents]()
    for file in files:
        is_json = file.name.endswith(JSON_ENDINGS)
        path = str(file)
        try:
            one = read_json(path, most) if is_json else read_file(path, most, options)
        except UnusableFile as error:
            raise TableError(str(file), error.message) from error
        every.append(_named_by_file(one, path, options))
    columns = [{*one.frame.columns} for one in every]
    if odd := next((index for index, names in enumerate(columns) if names != columns[0]), None):
        names = short(", ".join(map(str, every[odd].frame.columns)))
        raise UnusableFile(f"{files[odd].name} has other columns than {files[0].name} ({names})")
    first = every[0]
    assumed = first.assumed
    if "worker" not in map(role_of, map(str, first.frame.columns)):
        workers = _workers_of_files(files)
        frames = [
            one.frame.assign(worker=worker) for one, worker in zip(every, workers, strict=True)
        ]
        named = f"each of {len(files)} files is a worker's, by its name: {workers[0]}, ..."
        assumed = (*assumed, Message(named))
    else:
        frames = [one.frame for one in every]
    frame = pd.concat(frames, ignore_index=True)
    return replace(first, frame=frame, hint="", assumed=assumed)


def _workers_of_files(files: Sequence[Path]) -> list[str]:
    """What names the worker of each file: a rank's number or a host in its name, the name without
    the ending, or the folders in which paths differ."""
    names = [file.name.split(".")[0] for file in files]
    if len({*names}) < len(names):  # run/metrics.0.jsonl
        names = [file.name.rpartition(".")[0] for file in files]
    if len({*names}) < len(names):  # rank0/metrics.csv
        parts = [*zip(*(file.parts for file in files), strict=False)]
        differ = [part for part in parts if len({*part}) > 1]
        names = ["/".join(own) for own in zip(*differ, strict=True)]
    for form in (RANK_IN_NAME, HOST_IN_NAME):
        found = [form.search(name) for name in names]
        own = [match[1] for match in found if match is not None]
        if len({*own}) == len(files):
            return own
    runs = [name.partition(TAG)[0] for name in names]
    return runs if len({*runs}) == len(files) else names


TAG = "-tag-"  # between the run and the tag in the names of TensorBoard's files
HOST_IN_NAME = re.compile(
    rf"(?<![A-Za-z])((?:{'|'.join(sorted(HOST_WORDS))})[-_]?\d+)", re.IGNORECASE
)


def _named_by_file(contents: FileContents, path: str, options: Reading) -> FileContents:
    """With the name that a file gives to its column ``value``, if no column names it: what stands
    behind ``-tag-`` in names of TensorBoard's files, ``rank0-tag-step_time_ms.csv``, or else the
    file's whole name where it says a duration. Raises UnusableFile: a tag is no duration."""
    frame = contents.frame
    roles = {str(name): role_of(str(name)) for name in frame.columns}
    values = [name for name, role in roles.items() if role == "value"]
    if len(values) != 1 or {"seconds", "event", "start"} & {*roles.values()}:
        return contents
    stem = Path(path).name.removesuffix(".gz").rpartition(".")[0]
    _, is_tagged, tag = stem.partition(TAG)
    measure = RANK_IN_NAME.sub("", HOST_IN_NAME.sub("", tag or stem)).strip("-_. ")
    parsed = parse(measure)
    if {"seconds", "start", "clock"} & {*options.asked} or values[0] in options.named:
        known = {values[0]: parsed.unit} if parsed.unit is not None else {}
        return replace(contents, units={**contents.units, **known})
    is_duration = not parsed.wrong and is_timed(measure)
    if is_tagged and not is_duration:
        of_tag = f"column {short(values[0])} is {short(measure)}, by the file's name"
        if parsed.wrong != "a wait":
            wrong = parsed.wrong or "no duration by its name"
            raise UnusableFile(f"{of_tag} ({wrong}): export how long each call took")
        all_of_it = Option("columns", {"seconds": values[0]})
        raise UnusableFile(f"{of_tag} (a wait): say ", all_of_it, " if that is how long calls took")
    if not is_duration or measure in frame.columns:
        return contents
    said = Message(f"column {short(values[0])} is {short(measure)}, by the file's name")
    return replace(
        contents,
        frame=frame.rename(columns={values[0]: measure}),
        hint="",
        assumed=(*contents.assumed, said),
    )


def _without_job_steps(contents: FileContents) -> FileContents:
    """Without rows of the steps of jobs, as Slurm's ``sacct`` lists them beside the job's own row:
    ``12345.batch`` beside ``12345``."""
    frame = contents.frame
    jobs = [n for n in map(str, frame.columns) if parse(n).whole in JOB_IDS]
    if not jobs or frame[jobs[0]].dtype.kind not in "Of":
        return contents
    texts = frame[jobs[0]].map(str)
    steps = texts.str.fullmatch(r"\d[\d_\[\]-]*\.(batch|extern|interactive|\d+)").to_numpy(np.bool_)
    own = {*texts[~steps]}
    steps = steps & texts.str.partition(".")[0].isin(own).to_numpy(np.bool_)
    if not steps.any():
        return contents
    count = int(steps.sum())
    said = f"{count} rows of steps of jobs ({texts[steps].iloc[0]}, ...) are left out"
    left = frame[~steps].reset_index(drop=True)
    return replace(contents, frame=left, assumed=(*contents.assumed, Message(said)))


def _without_summaries(contents: FileContents, options: Reading) -> FileContents:
    """Without rows whose worker, round or label is a summary of others, such as ``TOTAL``."""
    frame = contents.frame
    roles = {name: role_of(name) for name in map(str, frame.columns)}
    names = {name for name, role in roles.items() if role in ("worker", "round", "label")}
    names |= {*map(str, frame.columns[:1]), *contents.index}
    texts = [name for name in frame.columns if frame[name].dtype.kind == "O" and name in names]
    summaries = np.zeros(len(frame), np.bool_)
    words = list[str]()
    for name in texts:
        if name in options.keep:
            continue
        labels = frame[name].map(lambda cell: str(cell).strip())
        of_name = labels.map(summary_word).to_numpy(np.bool_)
        if of_name.all():
            continue
        summaries = summaries | of_name
        words += [*labels[of_name]]
    if not summaries.any():
        return contents
    different = short(", ".join(dict.fromkeys(words)))
    count = int(summaries.sum())
    rows = "1 row is" if count == 1 else f"{count} rows are"
    said = Message(f"{rows} left out, of summaries by their labels ({different})")
    left = retyped(frame[~summaries].reset_index(drop=True))
    return replace(contents, frame=left, assumed=(*contents.assumed, said))


def _with_factors(contents: FileContents, options: Reading) -> FileContents:
    """With the numbers of columns times the factor that a name says: ``Duration (10 ms)``. A unit
    that is a number counts whatever a name says."""
    frame = contents.frame
    notes = list[Message]()
    columns = dict[str, pd.Series]()
    for name in map(str, frame.columns):
        factor = parse(name).factor
        if factor == 1 or isinstance(options.unit, float) or frame[name].dtype.kind not in "fiu":
            continue
        columns[name] = frame[name] * factor
        notes.append(Message(f"column {short(name)}: its numbers are taken times {factor:g}"))
    if not columns:
        return contents
    assumed = (*contents.assumed, *notes)
    return replace(contents, frame=frame.assign(**columns), assumed=assumed)


def _with_joined(contents: FileContents, options: Reading) -> FileContents:
    """With a column of the worker, or of the round, where somebody says that it is several: names
    with ``/`` between them, and rounds in the order of the columns. Raises UnusableFile: there is
    no such column."""
    frame = contents.frame
    for role in ("worker", "round"):
        joined = options.asked.get(role, "")
        names = joined.split("+")
        if len(names) < 2 or joined in frame.columns:
            continue
        for name in names:
            if name not in frame.columns:
                no_such(name, [*frame.columns])
        if role == "worker":
            texts = [frame[name].map(lambda cell: str(cell).removesuffix(".0")) for name in names]
            together = pd.concat(texts, axis=1).agg("/".join, axis=1)
            frame = frame.assign(**{joined: together})
        else:
            keys = frame[names].apply(lambda column: numbers(column, "the round")[0])
            frame = frame.assign(**{joined: keys.groupby(names).ngroup()})
    return replace(contents, frame=frame)


def _turned(contents: FileContents, options: Reading) -> tuple[FileContents, Reading]:
    """A table of a row per worker and a column per round, with its rows as columns."""
    name, frame = options.asked["worker"], contents.frame
    rounds = frame.drop(columns=[name] if name else [])
    turned = rounds.T.reset_index(drop=True).infer_objects()
    turned.columns = frame[name].map(str) if name else turned.columns.map(str)
    options = replace(options, columns={}, keep=(*turned.columns,))
    return replace(contents, frame=turned, units={}, index=()), options


def _as_rows(raw: RawTable, name_column: str | None) -> RawTable:
    """A turned table, said to be one of a row per worker; ``name_column`` names them, if any."""
    roles = {
        "worker": f"column {short(name_column)}" if name_column else "rows, counted from 0",
        "round": "columns, counted from 0",
        "seconds": WORKERS_ROWS,
    }
    return raw._replace(measured=replace(raw.measured, roles=roles))


def _valued(contents: FileContents, options: Reading) -> FileContents:
    """With the unit that a column says, and the name that an event gives to its value."""
    frame = contents.frame
    free = {role_of(name): name for name in map(str, frame.columns) if name not in options.named}
    if (unit := free.get("unit")) and len(said := frame[unit].dropna().map(str).unique()):
        spelt = SPELLINGS.get(said[0].strip().lower(), said[0]) if len(said) == 1 else None
        contents = replace(contents, unit=spelt, where=f"column {short(unit)}")
    event, value = free.get("event"), free.get("value")
    if event and value and "seconds" not in free and frame[event].nunique(dropna=False) == 1:
        call = str(frame[event].iloc[0])
        return replace(contents, frame=frame.rename(columns={value: call}).drop(columns=event))
    return contents


def _require_one(
    frame: pd.DataFrame, options: Reading, role: str, labels: int = 0, of_workers: str = ""
) -> None:
    """Refuse (UnusableFile) rows of several events, or of several jobs or runs, by the columns of
    this role; a ``labels`` of different values number the rounds, and one value for each worker of
    a column ``of_workers`` that was said is a worker's, such as a run of MLflow."""
    for name in map(str, frame.columns):
        if role_of(name) != role or name in {*options.named, *options.keep}:
            continue
        if of_workers in frame.columns and has_one_value_each(frame, of_workers, name):
            continue
        counts = frame[name].value_counts(dropna=False)
        is_own = parse(name).whole in JOB_IDS and len(counts) == len(frame)  # a job each
        if len(counts) in (0, 1, labels) or is_own or (options.rows or "").startswith(f"{name}="):
            continue
        values = [str(value).removesuffix(".0") for value in counts.index]
        first = str(frame[name].iloc[0]).removesuffix(".0")
        if role == "event":
            named = [(value, parse(value)) for value in values]
            calls = [v for v, n in named if is_call(n) or "round" in map(ROLE_WORDS.get, n.words)]
            first = calls[0] if len(calls) == 1 and not parse(calls[0]).wrong else "..."
        some = ", ".join(f"{short(v)} ({counts.iloc[index]})" for index, v in enumerate(values[:3]))
        text = f"rows are of several {short(name)}: {some}{', ...' if len(values) > 3 else ''}"
        raise UnusableFile(f"{text}: say ", Option("rows", f"{name}={first}"))


def _together(by_load: Mapping[Load, MeasuredDelays], notes: list[Message]) -> MeasuredDelays:
    """The tables, each under ``None`` before, with the workers that every load has; what is so of
    all is said once."""
    first = next(iter(by_load.values()))
    shared = set(first.hosts).intersection(*(own.hosts for own in by_load.values()))
    hosts = [host for host in first.hosts if host in shared]
    if not hosts:
        raise UnusableFile("no worker was measured at every load; say which load is wanted")
    notes = [*notes, *(note for own in by_load.values() for note in own.notes)]
    widths = sorted({own.workers for own in by_load.values()})
    if widths != [len(hosts)]:
        text = f"loads have {widths} workers; the {len(hosts)} that all have are used"
        notes.append(Message(text))
        by_load = {load: own.only(hosts) for load, own in by_load.items()}
    tables = {load: own.tables[None] for load, own in by_load.items()}
    stages = {load: of for load, own in by_load.items() if (of := own.stages.get(None))}
    rounds = {load: own.rounds[None] for load, own in by_load.items() if own.rounds}
    fixed = {load: own.fixed[None] for load, own in by_load.items() if own.fixed}
    listening = {load: own.listening[None] for load, own in by_load.items() if own.listening}
    assumed = tuple(dict.fromkeys(line for own in by_load.values() for line in own.assumed))
    for load, table in tables.items():
        # The signs are looked for in whole rounds, and those of cut ones are the fast.
        if load in listening:
            continue
        if note := waiting_note(table, first.allreduce, load in stages):
            notes.append(Message(f"load {load:g}: ", note) if len(by_load) > 1 else note)
    known = replace(first, hosts=tuple(hosts), tables=tables, rounds=rounds, stages=stages)
    # A load at which everybody was heard does not say who was heard at others.
    roles = {role: text for own in by_load.values() for role, text in own.roles.items()}
    return replace(
        known,
        notes=tuple(notes),
        assumed=assumed,
        fixed=fixed,
        listening=listening,
        roles=roles,
    )


def no_such(name: str, columns: Sequence[str]) -> None:
    """Raises UnusableFile: no column has this name."""
    there = short(", ".join(columns[:20]))
    raise UnusableFile(f"no column is named {short(name)!r}; there are {there}")


def rows_of(frame: pd.DataFrame, wanted: str | None) -> pd.DataFrame:
    """The rows that count. Raises UnusableFile: there are none, or more follow after an empty one
    and nothing was said."""
    if wanted is None:
        filled = np.flatnonzero(frame.notna().any(axis=1))
        if len({*np.diff(filled)}) > 1 or (len(filled) and filled[0]):
            empty = int(np.argmax(filled != np.arange(len(filled))))  # evenly: between all lines
            text = f"row {empty + 1} is empty, and {len(filled) - empty} more follow"
            take = Message("leave it out")
            if empty:
                take = Message(Option("rows", f"1:{empty}"), " takes those before it")
            raise UnusableFile(f"{text}: ", take)
        return frame.iloc[filled] if 0 < len(filled) < len(frame) else frame
    name, equals, value = wanted.rpartition("=")
    if equals and name not in frame.columns:
        no_such(name, [*frame.columns])
    column = frame[name] if equals else None
    if column is not None:
        same = value.strip().removesuffix(".0")
        exact = column.map(lambda cell: str(cell).strip().removesuffix(".0")) == same
        if exact.any():
            return frame[exact].reset_index(drop=True)
    bounds = r"(\d{0,15}):(\d{0,15})(?::([1-9]\d{0,8}))?"
    if (matched := re.fullmatch(bounds, value.strip())) is None:
        if equals:
            none = f": no cell of column {short(name)} is that"
            raise UnusableFile(Option("rows", short(wanted)), none)
        form = "A:B or A:B:STEP (from 1, both included), COLUMN=VALUE, or COLUMN=A:B"
        raise UnusableFile(Option("rows", short(wanted)), f": must be {form}")
    labels = np.arange(1, len(frame) + 1) if column is None else numbers(column, "rows")[0]
    first = float(matched[1] or (1 if column is None else np.nanmin(labels)))
    chosen = (labels >= first) & (labels <= float(matched[2] or "inf"))
    chosen &= np.mod(labels - first, float(matched[3] or 1)) == 0
    if not chosen.any():
        none = f": no row of {len(frame)} is there"
        raise UnusableFile(Option("rows", short(wanted)), none)
    return frame[chosen].reset_index(drop=True)


# Mini-batch times of jobs on Alibaba's PAI: columns worker, time, batch_time_norm. A sample every
# ten seconds shows the worker's latest mini-batch, so that it repeats until there is a new value: a
# repeated one is no new measurement. Times were normalised by those who published them.
#
# Source: https://github.com/alibaba/clusterdata, cluster-trace-gpu-v2020/mini-batch-time.


def is_pai(columns: list[str]) -> bool:
    """Whether columns are like that: a worker, a time, a batch time, and nothing that counts."""
    sampled = {"worker", "time"} <= {*columns} and "round" not in map(role_of, columns)
    return sampled and sum(parse(name).whole.startswith("batch_time") for name in columns) == 1


def new_measurements(frame: pd.DataFrame) -> tuple[pd.DataFrame, list[Message]]:
    """Each worker's new measurements in the order of time: columns worker, round, seconds. Of each
    the first so many are kept, as many as the worker with the fewest has. Raises UnusableFile: a
    worker or a time is missing, or sampled twice."""
    name = next(name for name in frame.columns if parse(name).whole.startswith("batch_time"))
    time, seconds = numbers(frame["time"], "the time")[0], numbers(frame[name], "seconds")[0]
    samples = pd.DataFrame({"worker": frame["worker"], "time": time, "seconds": seconds})
    lacking, twice = samples.isna().any(axis=1), samples.duplicated(["worker", "time"])
    for bad, text in (
        (lacking, "a worker, a time or a batch time is missing"),
        (twice, "a worker was sampled twice at one time; keep one"),
    ):
        if bad.any():
            raise UnusableFile(f"row {int(np.flatnonzero(bad)[0]) + 1}: {text}")
    samples = samples.sort_values(["worker", "time"], kind="stable")
    held = samples["seconds"].eq(samples.groupby("worker")["seconds"].shift())
    new = samples[~held].copy()
    new["round"] = new.groupby("worker").cumcount()
    most = int(new.groupby("worker").size().min())
    late = int((new["round"] >= most).sum())
    text = f"{int(held.sum())} of {len(samples)} samples repeat the worker's last one: held, no new"
    text += " measurements; left out. Rounds are each worker's measurements in order"
    notes = [text]
    if late:
        notes.append(f"{late} measurements are left out, so that every worker has {most}")
    if "norm" in name:
        notes.append(f"{name} is normalised: ratios mean something, seconds do not")
    kept = new[new["round"] < most][["worker", "round", "seconds"]].reset_index(drop=True)
    return kept, [*map(Message, notes)]
