"""Long tables: one row per call, with columns for the worker, the round and the seconds."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...sim.files import UnusableFile, require_cells, short
from ..base import FloatArray
from .columns import GAPS, NONE, Times, numbers, parse, settle
from .files import Held
from .measured import REMEDY, RawTable, Reading, Repair, Roles, also_needed
from .odd_columns import all_grow, derived_worker, require_columns
from .odd_rows import remarks, require_rounds
from .parts import allreduce_of, own_seconds, part_of_step, stage_seconds, with_sum
from .roles import between
from .wide import require_no_thousands

MOST_RUNS = 50  # different values of a column that says which run a row is of
SPLIT = "split it there, or sort it by worker and round"
Calls = pd.DataFrame  # ``worker`` and ``round`` (numbers from 0), ``seconds``; a row per row
MOST_LISTED = 6  # columns that are listed
MOST_LOADS = 1000  # loads that a table may have: with more, the column is something else


class LongTable:
    """A long table, of which each load becomes a part, of ``most`` cells, when it is asked for;
    ``role``: role to column. Raises UnusableFile: naming the first defect."""

    def __init__(self, held: Held, role: Roles, reading: Reading, most: int | None) -> None:
        held, role = with_sum(held, role, reading)
        self._reading, self._most, self._role = reading, most, role
        frame = held.frame
        reduced = reading.columns.get("allreduce", "")
        used = {*role.values(), reduced, *reading.stages}
        unused = [short(name) for name in frame.columns if name not in used]
        more = f", ... ({len(unused)})" if len(unused) > MOST_LISTED else ""
        listed = f"{', '.join(unused[:MOST_LISTED])}{more}"
        said = f"column{'s' * (len(unused) != 1)} not used: {listed}"
        self._assumed = (*held.assumed, said) if unused else held.assumed
        seconds, self._failed, self._unit, self._repairs = _seconds(held, role, reading)
        self._calls, self._spent = pd.DataFrame({"seconds": seconds}), pd.Series(seconds)
        self._status = _failures(frame, role)
        if self._status is not None:
            self._calls.loc[self._status[1], "seconds"] = np.nan
            self._failed = np.union1d(self._failed, self._status[1])
        self._hosts, self._calls["worker"] = _workers(frame[role["worker"]])
        for name in held.others:
            if name not in self._hosts:
                listed = ", ".join([*map(str, frame.columns), *self._hosts[:20]])
                text = f"no column and no worker is named {short(name)!r}"
                raise UnusableFile(f"{text}; there are {short(listed)}")
        self._dropped = self._numbers_of({*reading.drop} & {*held.others})
        self._kept = self._numbers_of({*reading.keep} & {*held.others})
        self._rounds, self._calls["round"] = _numbered(frame[role["round"]], "round")
        others = frame.drop(columns=[*role.values(), *reading.stages])
        self._own, self._reduced = bool(reduced), reduced or allreduce_of(others)
        self._others = others.drop(columns=[self._reduced] if self._reduced else [])
        self._others = self._others.reset_index(drop=True)
        if self._own:
            self._calls["allreduce"] = part_of_step(held, role, reading, reduced, "allreduce")
        for place, name in enumerate(reading.stages):
            self._calls[place] = part_of_step(held, role, reading, name, "stages")
            self._calls.loc[self._calls[place].isna(), "seconds"] = np.nan
        # By load, ascending; ``{None: None}`` without a column load.
        self.rows: dict[float | None, NDArray[np.int64] | None] = {None: None}
        if "load" in role:
            values, codes = _numbered(frame[role["load"]], "load")
            if (values < 0).any():
                raise UnusableFile("a load is negative")
            if len(values) > MOST_LOADS:
                text = f"holds {len(values)} different loads; must be at most {MOST_LOADS}"
                raise UnusableFile(text)
            order = np.argsort(codes, kind="stable")
            rows = np.split(order, np.cumsum(np.bincount(codes, minlength=len(values)))[:-1])
            self.rows = dict(zip(values.tolist(), rows, strict=True))

    def part(self, load: float | None) -> RawTable:
        """The calls at a load. Raises UnusableFile: rows are repeated or missing."""
        rows = self.rows[load]
        calls = self._calls if rows is None else self._calls.iloc[rows]
        if self._own:
            calls = own_seconds(calls, self._reduced, self._reading.retries)
        if self._dropped:
            calls = calls[~calls["worker"].isin(self._dropped)]
        assumed = [*self._assumed, *self._changes(calls)]
        if self._own:
            waited = f"what each worker waited in {short(self._reduced)}"
            assumed.append(f"own times: without {waited}, beyond the shortest of its round")
        calls, retried = self._one_each(calls)
        failed = int(np.isin(self._failed, calls.index).sum())
        workers, w = np.unique(calls["worker"].to_numpy(), return_inverse=True)
        rounds, r = np.unique(calls["round"].to_numpy(), return_inverse=True)
        cells = len(workers) * len(rounds)
        lacking = cells - len(calls)
        refuses = self._reading.missing == "refuse"
        if lacking and refuses:
            text = f"{len(calls)} rows for {len(rounds)} rounds of {len(workers)} workers"
            raise UnusableFile(f"{text}: {lacking} delays are missing; {REMEDY}")
        require_cells(cells, self._most)
        table = np.full((len(rounds), len(workers)), np.nan)
        table[r, w] = calls["seconds"].to_numpy()
        repairs = [*self._repairs, *retried, *_gaps(self._rounds[rounds])]
        stages = stage_seconds(calls, self._reading.stages, table, (r, w))
        if self._status is not None and refuses and np.isnan(table).any():
            name, bad = self._status
            failures = f"{len(bad)} call{'s' * (len(bad) != 1)} failed (first: row {bad[0] + 1})"
            remedy = f"{REMEDY}, --drop {short(name)} that they are delays"
            raise UnusableFile(f"column {short(name)} says that {failures}; {remedy}")
        if "seconds" not in self._reading.columns:
            _require_no_clock(self._role, table)
        hosts = tuple(self._hosts[worker] for worker in workers)
        odd = derived_worker(table[np.isfinite(table).all(axis=1)])
        odd = [(place, text) for place, text in odd if workers[place] not in self._kept]
        require_columns(odd, hosts, "worker")
        if self._reading.rows is None:
            require_rounds(table, lambda first, last: self._where(rounds, first, last))
            assumed += remarks(table, lambda first, last: self._where(rounds, first, last))
        failed, names = min(failed, int(np.isnan(table).sum())), self._rounds[rounds]
        names = names.astype(np.int64) if np.all(names == np.round(names)) else names
        said = tuple(repairs), self._unit, names, tuple(assumed), "" if self._own else self._reduced
        return RawTable(hosts, table, failed, *said, stages=stages, absent=lacking)

    def _where(self, rounds: NDArray[np.int64], first: int, last: int) -> str:
        name = short(self._role["round"])
        return f"--rows {name}={self._rounds[rounds[first]]:.15g}:{self._rounds[rounds[last]]:.15g}"

    def _numbers_of(self, names: set[str]) -> list[int]:
        return [place for place, host in enumerate(self._hosts) if host in names]

    def _changes(self, calls: Calls) -> Iterator[str]:
        """Columns that tell runs apart. Raises UnusableFile: one run takes clearly longer."""
        others = self._others.loc[calls.index]
        for name in others.columns if self._reading.rows is None else ():
            column = others[name]
            if column.dtype.kind not in "Oiub" or not 2 <= column.nunique() <= MOST_PHASES:
                continue
            by_round = column.groupby(calls["round"])
            if by_round.nunique().max() > 1 or column.isna().any():
                continue
            values = by_round.first()
            if int((values != values.shift()).sum()) != column.nunique():
                continue
            middle = calls["seconds"].groupby(column).median()
            times = float(middle.max() / middle.min()) if middle.min() > 0 else 1.0
            first = str(values.iloc[0])
            text = f"column {short(name)} is {short(first)} at first, then {short(values.iloc[-1])}"
            only = f"--rows {short(name)}={short(first)}"
            if times >= ANOTHER:
                slower = f"what is slower takes {times:.3g} times as long"
                remedy = f"several runs? {only} takes one, --drop {short(name)} all together"
                raise UnusableFile(f"{text}, and {slower}: {remedy}")
            if column.dtype.kind == "O":
                yield f"{text}: all are read as one run ({only} takes the first alone)"

    def _one_each(self, calls: Calls) -> tuple[Calls, list[Repair]]:
        """One row for each worker and round: calls may have been tried again. Raises UnusableFile:
        nobody said what repeated rows mean, or they are of several runs, which nothing can mean."""
        twice = calls.duplicated(["worker", "round"])
        count = int(twice.sum())
        if not count:
            return calls, []
        # Where rounds begin again for at least half of the workers, and each time some come again;
        # else rows are in no order, or single calls were tried again later.
        ordered = calls.sort_values("worker", kind="stable")
        falls = ordered[ordered["worker"].diff().eq(0) & ordered["round"].diff().lt(0)]
        workers = calls["worker"].nunique()
        if 2 * falls["worker"].nunique() >= workers and count >= 2 * max(len(falls), workers):
            restart = int(falls.index.min())
            text = f"round numbers begin again at row {restart + 1}: two runs in one file, or "
            remedy = self._tells_apart(calls) or f"--rows 1:{restart} takes the first; or {SPLIT}"
            raise UnusableFile(f"{text}rows out of order? {remedy}")
        if self._reading.retries == "refuse":
            row = calls[twice].iloc[0]
            worker, number = self._hosts[int(row["worker"])], self._rounds[int(row["round"])]
            apart = self._tells_apart(calls)
            lacking = workers * calls["round"].nunique() > len(calls) - count
            raise UnusableFile(
                f"two rows for worker {short(worker)}, round {number:g}"
                + (f", and {count - 1} more such rows" if count > 1 else "")
                + ": if calls were tried again, --retries last, or sum (of all)"
                + (f"; if not, {apart}" if apart else "")
                + also_needed(lacking, self._reading)
            )
        repeat = f"{count} rows repeat" if count > 1 else "1 row repeats"
        if self._reading.retries == "last":
            kept = calls.drop_duplicates(["worker", "round"], keep="last")
            text = f"{repeat} a worker and round: the last of each counts"
        else:
            # a try that failed took its time, too, if a later one did not fail
            spent = calls.assign(seconds=calls["seconds"].fillna(self._spent))
            tries = spent.groupby(["worker", "round"])["seconds"]
            known = (tries.transform("count") == tries.transform("size")) & calls["seconds"].notna()
            whole = calls.assign(seconds=tries.transform("sum").where(known))
            kept = whole.drop_duplicates(["worker", "round"], keep="last")
            text = f"{repeat} a worker and round: their seconds are added"
        return kept, [Repair("retry", count, text)]

    def _tells_apart(self, calls: Calls) -> str | None:
        """One or two other columns of few values with which every row is another call."""
        others = self._others.loc[calls.index]
        few = [name for name in others.columns if others[name].nunique() <= MOST_RUNS]
        for names in (*itertools.combinations(few, 1), *itertools.combinations(few[:10], 2)):
            keys = [pd.factorize(others[name])[0] for name in names]
            keyed = np.column_stack([calls["worker"], calls["round"], *keys])
            if not pd.DataFrame(keyed).duplicated().any():
                said = f"{short(' and '.join(map(str, names)))} says which: write a file for each"
                if len(names) == 1:
                    first = str(others[names[0]].iloc[0]).removesuffix(".0")
                    said += f", or --rows {short(names[0])}={short(first)}"
                return said
        return None


def _seconds(
    held: Held, role: Roles, reading: Reading
) -> tuple[FloatArray, NDArray[np.int64], str, list[Repair]]:
    frame = held.frame
    if "seconds" not in role:
        start, end = role["start"], role["end"]
        unit = held.unit_of(start)
        if held.unit_of(end) != unit:
            raise UnusableFile(f"columns {short(start)} and {short(end)} are in different units")
        what = f"the difference of {short(start)} and {short(end)}"
        gone, stamps = between(frame[start], frame[end], unit or reading.unit)
        times = Times("s", f"seconds from {short(start)} to {short(end)}")
        times = times if stamps else _settled(what, unit, gone, held, reading)
        return times.seconds(gone), NONE, times.why, _noted(times, what, len(gone))
    name = role["seconds"]
    unit = held.unit_of(name)
    what = "seconds" if unit in (None, "s") else str(unit)
    remedy = "say --columns seconds=..., or start=...,end=..."
    values, failed = numbers(frame[name], what, remedy, reading.missing != "refuse")
    where = f"column {short(name)}"
    times = _settled(where, unit, values, held, reading)
    if unit not in (None, "s") and name in held.pointed:
        require_no_thousands(held.pointed[name], values, str(unit))
    return times.seconds(values), failed, times.why, _noted(times, where, len(values))


def _settled(where: str, unit: str | None, values: FloatArray, held: Held, said: Reading) -> Times:
    if unit is None and held.unit is not None:
        unit, where = held.unit, held.where
    return settle(
        said.unit, unit, where, values, held.hint, also_needed(not np.isfinite(values).all(), said)
    )


def _noted(times: Times, where: str, count: int) -> list[Repair]:
    text = f"{where} says no unit: {times.assumed.partition(': ')[2]}"
    return [Repair("unit", count, text)] if times.assumed else []


def _numbered(column: pd.Series, what: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The different numbers, ascending, and for each row which of them it has."""
    remedy = ""
    if column.dtype.kind == "O":
        known = pd.to_numeric(column, errors="coerce").notna().to_numpy()
        before = int(np.argmin(known)) if not known.all() else 0
        remedy = f"--rows 1:{before} takes the rows before it" if before else ""
    values, _ = numbers(column, f"the {what}", remedy)
    if not np.isfinite(values).all():
        raise UnusableFile(f"a {what} is missing or infinite")
    codes, different = pd.factorize(values, sort=True)
    return np.asarray(different, dtype=np.float64), np.asarray(codes, dtype=np.int64)


def _workers(column: pd.Series) -> tuple[list[str], NDArray[np.int64]]:
    """The workers' names in order, numbers within names by size, and which one each row has."""
    if column.dtype.kind != "O":
        different, codes = _numbered(column, "worker")
        return [repr(value).removesuffix(".0") for value in different.tolist()], codes
    if column.isna().any():
        raise UnusableFile("a worker is missing")
    codes, found = pd.factorize(column.astype(str).str.strip())
    texts = [str(text) for text in found]
    order = sorted(range(len(texts)), key=lambda place: _natural(texts[place]))
    rank = np.empty(len(order), dtype=np.int64)
    rank[order] = np.arange(len(order))
    return [texts[place] for place in order], rank[codes]


def _natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """So that node10 comes after node9."""
    pieces = re.findall(r"[0-9]{1,15}|[^0-9]+|[0-9]+", name)
    return [(0, int(p), "") if p.isdecimal() and p.isascii() else (1, 0, p) for p in pieces], name


MOST_COUNTED = 10**9  # a number of rounds from which on a few digits are enough


def _gaps(numbers_of_rounds: NDArray[np.float64]) -> list[Repair]:
    steps = np.diff(numbers_of_rounds)
    if len(steps) < 2:
        return []
    usual = float(np.median(steps))
    wider = steps > usual
    if not wider.any() or np.mean(steps == usual) < 0.5:
        return []
    lost = int(np.sum(np.round(steps[wider] / usual) - 1))
    first = numbers_of_rounds[:-1][wider][0] + usual
    verb = "round is" if lost == 1 else "rounds are"
    count = f"{lost}" if lost < MOST_COUNTED else f"{lost:.3g}"
    text = f"{count} {verb} missing for all workers (first: {first:g})"
    return [Repair("gap", lost, f"{text}; the others follow each other")]


MOST_PHASES = 10  # values of a column that says which run a row is of
ANOTHER = 1.25  # times as long as another run: from here on not read together without a word
PUNCTUATION = frozenset(("-", "--", "---", "?", "x"))
GOOD = frozenset(("ok", "success", "succeeded", "successful", "completed", "passed", "done"))
# Names of columns that say with a Boolean whether a call ended well, or badly.
BAD = frozenset(("failed", "failure", "error", "timeout", "timed_out", "killed", "crashed"))
CODES = frozenset(("exit_code", "exit_status", "return_code", "returncode", "rc", "error_code"))
HTTP = frozenset(("status", "status_code", "http_status", "http_code", "response_code", "code"))
# Names of columns that are not 0, or 400 and more, or hold a text, where a call failed.
REASONS = frozenset(("error", "exception", "error_message", "failure_reason", "traceback"))


def _failures(frame: pd.DataFrame, role: Roles) -> tuple[str, NDArray[np.int64]] | None:
    words, most = GAPS - PUNCTUATION, len(frame) / 2
    for name in frame.columns.difference([*role.values()], sort=False):
        column, whole = frame[name], parse(str(name)).whole
        if whole in REASONS and column.dtype.kind == "O" and column.notna().sum() < most:
            bad = column.notna().to_numpy()
        elif column.dtype.kind == "i" and whole in CODES and 0 < (column != 0).sum() < most:
            bad = (column != 0).to_numpy()
        elif column.dtype.kind == "i" and whole in HTTP and 0 < (column >= 400).sum() < most:
            bad = (column >= 400).to_numpy()
        elif column.dtype.kind == "O" and column.nunique() <= MOST_RUNS:
            said = {cell for cell in column.unique() if str(cell).strip().lower() in words}
            bad = column.isin(said).to_numpy() if said else np.zeros(len(column), bool)
        elif whole in GOOD | BAD and {*column.dropna().unique()} <= {0, 1}:
            bad = (column.astype(float) == (whole in BAD)).to_numpy()
        else:
            continue
        if bad.any() and not bad.all():
            return str(name), np.flatnonzero(bad)
    return None


def _require_no_clock(role: Roles, table: FloatArray) -> None:
    """Refuse seconds that only grow: they say when, not how long."""
    rounds, n = table.shape
    if "seconds" not in role or n < 2 or rounds < 10:
        return
    if np.all(np.diff(table, axis=0) > 0) or all_grow(table):
        name = short(role["seconds"])
        text = f"column {name} grows from round to round for every worker: a clock?"
        remedy = f"say --columns seconds={name} if it is how long each round took"
        raise UnusableFile(f"{text} give a start and an end, or {remedy}")
