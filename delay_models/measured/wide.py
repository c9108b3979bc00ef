"""Wide tables: a row per round and a column per worker, perhaps beside a column of labels."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...sim.base.errors import Message, Option
from ...sim.base.files import UnusableFile, reading, short
from ...sim.base.reading import Reading
from ..base import FloatArray
from .cells import NUMBER_KINDS, failed, numbers, settle
from .files import ISO_DATE, FileContents, of_moments
from .measured import (
    WORKERS_COLUMNS,
    MeasuredDelays,
    Names,
    RawTable,
    Times,
    also_needed,
    counting,
    require_durations,
    require_no_index,
)
from .names import (
    HOST_WORDS,
    is_allreduce,
    is_clock,
    is_whole_step,
    parse,
    role_of,
    summary_word,
    without_unit,
)
from .roles import (
    are_clocks,
    end_column,
    ends_in_seconds,
    is_no_clock,
    not_heard_value,
    of_rounds,
    restart_words,
    round_columns,
    workers_of,
)


def read_wide(contents: FileContents, options: Reading) -> RawTable:
    """Read a wide table, perhaps with a column of labels. Raises UnusableFile: a column is no
    worker's by its name, or counts."""
    contents, round_ends = without_round_ends(contents, options)
    every, column, notes = options.asked.get("round") == "", None, list[str]()
    if not every:
        contents, column = _labelled(contents, options)
        chosen, notes = workers_of([*map(str, contents.frame.columns)], options)
        contents = replace(contents, frame=contents.frame[chosen])
    frame, columns = contents.frame, [*map(str, contents.frame.columns)]
    if not columns:
        raise UnusableFile("the table has no cells")
    if column is not None and column.dtype.kind == "b":
        numbers(column, "the round")
    if all(dtype.kind in NUMBER_KINDS for dtype in frame.dtypes):
        # At once: pandas is slow by column.
        table, lost = np.ascontiguousarray(frame.to_numpy(np.float64, na_value=np.nan)), 0
    else:
        remedy, gaps = Message(Option("drop"), " leaves a column out"), options.missing != "refuse"
        cells = [numbers(values, "seconds", remedy, gaps) for _, values in frame.items()]
        table, lost = np.column_stack([v for v, _ in cells]), sum(len(f) for _, f in cells)
    not_heard = None
    if options.not_heard is not None:
        not_heard = table == options.not_heard
        table = np.where(not_heard, np.nan, table)
    rounds, source, numbered = dict[float | None, Names](), "rows, counted from 0", list[str]()
    if column is not None:
        order, source = _order(column), f"column {short(column.name)}"
        if order is not None:
            table, column = table[order], column.iloc[order]
            not_heard = None if not_heard is None else not_heard[order]
            round_ends = None if round_ends is None else round_ends.iloc[order]
        rounds[None] = column.to_numpy()
        ends = [f"{v:.15g}" if isinstance(v, float) else str(v) for v in column.iloc[[0, -1]]]
        call = "the first column, without a name," if column.name == "Unnamed: 0" else source
        numbered.append(f"{call} numbers the rounds, {short(ends[0])} to {short(ends[1])}")
    clocks = not every and not options.asked.get("workers") and are_clocks(columns, options)
    if clocks:
        table, kept, said = _differences(table)
        notes.append(said)
        not_heard = None if not_heard is None else not_heard[1:][kept]
        round_ends = None if round_ends is None else round_ends.iloc[1:][kept]
        labels = rounds.get(None, np.arange(len(kept) + 1))
        rounds[None] = labels[1:][kept]
    elif not every:
        free = [index for index, name in enumerate(columns) if name not in options.keep]
        require_no_index([columns[index] for index in free], table[:, free])
    hosts, times = _unit(columns, table, contents, options)
    assumed = [*contents.assumed, *map(Message, [*numbered, *notes])]
    if unsaid := times.assumed():
        assumed.append(unsaid)
    # Four times as many workers without names as rounds: perhaps they are rounds.
    if not rounds and 1 < len(table) <= len(hosts) / 4 and all(map(str.isdecimal, hosts)):
        turned = "if rows are workers, transpose the table, or say "
        size = f"{len(table)} rounds of {len(hosts)} workers"
        assumed.append(Message(f"{size}: {turned}", Option("columns", {"worker": ""})))
    seconds = times.seconds(table)
    if not set(columns) <= {*options.keep}:
        require_durations("every column", seconds)
    roles = {"worker": "names of columns", "round": source, "seconds": WORKERS_COLUMNS}
    return RawTable(
        measured=MeasuredDelays(
            hosts=hosts,
            tables={None: seconds},
            unit=times,
            rounds=rounds,
            assumed=tuple(assumed),
            roles=roles,
        ),
        failed_cells=lost,
        not_heard=not_heard,
        not_heard_source="" if not_heard is None else not_heard_value(options),
        ends=None if round_ends is None else ends_in_seconds(round_ends, contents, times),
        ends_source="" if round_ends is None else f"column {short(round_ends.name)}",
    )


def _differences(clocks: FloatArray) -> tuple[FloatArray, NDArray[np.bool_], str]:
    """What passed between rows of clocks that run on, ``(R, n)``; which of the R - 1 rows are kept;
    and what is to be said. Raises UnusableFile: none runs on."""
    passed = np.diff(clocks, axis=0)
    with np.errstate(invalid="ignore"):
        kept = np.asarray(~(passed < 0).any(axis=1))
    if is_no_clock(passed) or not kept.any():
        raise UnusableFile("columns are clocks by their names, and never run on")
    said = "columns are clocks by their names: read is what passed since the row before"
    return passed[kept], kept, said + restart_words(int((~kept).sum()))


def without_round_ends(
    contents: FileContents, options: Reading
) -> tuple[FileContents, pd.Series | None]:
    """The columns that are workers' or labels, and the one that says when rounds stopped listening;
    ``None``: none does, or an option says something else."""
    name = end_column(contents.frame, options)
    if name is None:
        return contents, None
    column = contents.frame[name]
    contents = replace(contents, frame=contents.frame.drop(columns=[name]))
    return contents, column if options.round_end in (None, name) else None


# A worker's name before or after that of what was measured: rank0_step_s, step_s_rank0, step_s.0.
WORKER_FIRST = re.compile(r"(?P<worker>.*?\d+)[-_ ./:](?P<measure>\D.*)")
WORKER_LAST = re.compile(
    rf"(?P<measure>.+?)[-_ ./:](?P<worker>(?:(?:{'|'.join(sorted(HOST_WORDS))})[-_ ]?)?\d+)",
    re.IGNORECASE,
)


def stacked_with_allreduce(contents: FileContents, options: Reading) -> FileContents | None:
    """A table of several measures of each worker, among them a step and its all-reduce, as a row
    for each worker and round; ``None``: it is no such table, or is to be read otherwise."""
    if any(options.asked.values()) or "round" in options.asked:
        return None
    frame = contents.frame
    free = [name for name in map(str, frame.columns) if role_of(name) is None]
    rounds = [name for name in map(str, frame.columns) if role_of(name) is not None]
    found = _measures(free, WORKER_FIRST) or _measures(free, WORKER_LAST)
    measures = list(dict.fromkeys(measure for names in found.values() for measure in names))
    roles = {name: role_of(name) for name in (*measures, *rounds)}
    steps = [name for name in measures if roles[name] == "seconds" and is_whole_step(parse(name))]
    reduces = [name for name in measures if is_allreduce(name)]
    complete = all(len(names) == len(measures) for names in found.values())
    known = all(roles[name] in (None, "seconds") for name in measures)
    if len(steps) != 1 or len(reduces) != 1 or not complete or not known:
        return None
    if [roles[name] for name in rounds] not in ([], ["round"]):
        return None
    number = rounds[0] if rounds else "round"
    labels = frame[number] if rounds else pd.Series(range(len(frame)))
    rows = [
        pd.DataFrame(
            {"worker": worker, number: labels.to_numpy()}
            | {measure: frame[name].to_numpy() for measure, name in names.items()}
        )
        for worker, names in found.items()
    ]
    units = {
        measure: contents.units[name]
        for names in found.values()
        for measure, name in names.items()
        if name in contents.units
    }
    worker, names = next(iter(found.items()))
    said = f"columns are measures of workers, as {short(names[steps[0]])} is {steps[0]} of {worker}"
    return replace(
        contents,
        frame=pd.concat(rows, ignore_index=True),
        units=units,
        index=(),
        assumed=(*contents.assumed, Message(said)),
    )


def _measures(names: Sequence[str], way: re.Pattern[str]) -> dict[str, dict[str, str]]:
    """For each worker the measures and their columns; empty: a name does not say both."""
    found: dict[str, dict[str, str]] = {}
    for name in names:
        match = way.fullmatch(name)
        if match is None:
            return {}
        found.setdefault(match["worker"], {})[match["measure"]] = name
    return found


def _labelled(contents: FileContents, options: Reading) -> tuple[FileContents, pd.Series | None]:
    """The column of labels, apart from the others: the one that was said, or is named after rounds,
    or is the index of a Parquet file, or is the first and has no name, or says when, or is text.
    Further columns that only say when or which are left out."""
    frame, asked = contents.frame, options.asked.get("round")
    free = [name for name in map(str, frame.columns) if name not in options.keep]
    kinds = {str(name): dtype.kind for name, dtype in frame.dtypes.items()}
    texts = [name for name in free if kinds[name] in "OM" and _is_text(frame[name])]
    ours = {*free[:1], *contents.index}
    texts = [
        name
        for name in texts
        if name in ours or role_of(name) or frame[name].nunique() < 2 or of_moments(frame[name])
    ]
    rounds = [n for n in round_columns(free) if role_of(n) or frame[n].is_unique]
    first = [name for name in free[:1] if name.startswith("Unnamed: ")]
    clocks = {name for name in free if is_clock(name) and not parse(name).whole.startswith("epoch")}
    clocks = clocks if len(clocks) == 1 else set()  # else they may be the workers'
    when = [
        name
        for name in free
        if role_of(name) in ("label", "group") or parse(name).whole == "time" or name in clocks
    ]
    columns = [*rounds, *(name for name in contents.index if name in free), *first, *when, *texts]
    if len(rounds) > 1 and not asked:
        text = f"columns {short(' and '.join(rounds))} could each number the rounds"
        raise UnusableFile(f"{text}: say ", Option("columns", {"round": rounds[0]}))
    if not (name := asked or (columns[0] if columns else "")):
        return contents, None
    column, constant = frame[name], [n for n in texts if frame[n].nunique() < 2]
    if first == [name] and name not in texts and not asked:
        values, _ = numbers(column, "the round", gaps=True)
        if not counting(values[:, None])[0]:
            text = "the first column has no name and does not count: "
            raise UnusableFile(
                text, Option("drop", [name]), ", or ", Option("keep", [name]), " if a worker's"
            )
    moments = [name for name in texts if of_moments(frame[name]) and len(texts) < len(free)]
    unused = [other for other in dict.fromkeys([*when, *moments, *constant]) if other != name]
    rest = [other for other in map(str, frame.columns) if other != name and other not in unused]
    if (name in texts or role_of(name) == "worker") and not asked:
        _require_labels(column, rest)
    notes = [Message(f"columns not used: {short(', '.join(unused))}")] if unused else []
    return replace(contents, frame=frame[rest], assumed=(*contents.assumed, *notes)), column


def _is_text(column: pd.Series) -> bool:
    """Whether a column holds labels: moments or words, or numbers and labels of summaries."""
    known = column.dropna()
    if column.dtype.kind != "O" or known.empty:
        return column.dtype.kind == "M"
    texts = known.map(str)
    words = texts.str.contains("[A-Za-z]") | texts.str.match(ISO_DATE)
    labels = words.all() and not known.map(failed).all()
    return bool(labels or known.map(summary_word).any())


def _require_labels(column: pd.Series, others: Sequence[str]) -> None:
    """Refuse (UnusableFile) rows that are no rounds, or are workers, by their labels."""
    name, labels = short(column.name), [*map(str, column)]
    bad = np.flatnonzero([summary_word(label) for label in labels])
    if len(bad):
        ends = bad[0] > 0 and len(bad) == len(column) - bad[0]
        take = Message("leave such rows out")
        if ends:
            take = Message(Option("rows", f"1:{bad[0]}"), " takes those before it")
        text = f"row {bad[0] + 1} is labelled {short(labels[bad[0]])}, which is no round"
        raise UnusableFile(f"{text}: ", take)
    if of_moments(column):
        return
    stems = {re.split(r"[^a-z]+", label.lower())[0] for label in labels}
    numbered = (len(others) > 0 and all(map(str.isdecimal, others))) or of_rounds([*others])
    if numbered or role_of(str(column.name)) == "worker" or stems <= HOST_WORDS:
        text = f"column {name} names the rows ({short(labels[0])}), as workers are named"
        raise UnusableFile(f"{text}: say ", Option("columns", {"worker": str(column.name)}))
    if len({*labels}) < len(labels):
        text = f"column {name} holds texts that come again ({short(labels[0])}), no delays"
        raise UnusableFile(f"{text}: ", Option("drop", [str(column.name)]))


def _order(column: pd.Series) -> NDArray[np.int64] | None:
    """The order of the rounds that labels give; ``None`` where rows are in it, or one has none.
    Raises UnusableFile: numbers of rounds begin again."""
    values, moments = column, of_moments(column)
    if moments:
        with reading("time stamps"):
            values = pd.to_datetime(column, utc=True, format="ISO8601")
    elif column.dtype.kind == "O":
        return None
    if column.isna().any() or (values.is_monotonic_increasing and values.is_unique):
        return None
    if not moments and not values.is_unique:
        restart = int(np.flatnonzero(values.diff() <= 0)[0])
        text = f"round numbers of column {short(column.name)} begin again at row {restart + 1}"
        first = Option("rows", f"1:{restart}")
        split = " takes the first; or split it there"
        raise UnusableFile(f"{text}: two runs in one file? ", first, split)
    return np.asarray(values.argsort(kind="stable"), dtype=np.int64)


def _unit(
    columns: list[str], table: FloatArray, contents: FileContents, options: Reading
) -> tuple[tuple[str, ...], Times]:
    """The workers' names, without a unit that all have, and the unit of their times."""
    units = [contents.unit_of(name) for name in columns]
    first, where = units[0], f"column {short(columns[0])}"
    if first is not None and all(unit == first for unit in units):
        if options.unit is None and first == "us" and all(name.endswith("_us") for name in columns):
            us = Option("unit", "us")
            raise UnusableFile(f"{where} ends in us: if microseconds, say ", us)
        return tuple(map(without_unit, columns)), settle(options.unit, first, where, table)
    usual, count = Counter(units).most_common(1)[0]
    alone = usual is not None and 1 < count == len(units) - 1
    if (alone or {*units} - {"s", None}) and not isinstance(options.unit, float):
        odd = next(name for name, unit in zip(columns, units, strict=True) if unit != usual)
        text = f"columns {short(odd)} and {short(columns[units.index(usual)])} say different units"
        raise UnusableFile(f"{text}: rename them, or leave out what is no worker's")
    also = also_needed(not np.isfinite(table).all(), options)
    where = contents.where if contents.unit else "the table"
    return tuple(columns), settle(options.unit, contents.unit, where, table, contents.hint, also)
