"""Long tables: a row per call, with columns for the worker, the round and the seconds."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ...sim.base.errors import EMPTY_MESSAGE, Message, Option
from ...sim.base.files import UnusableFile, reading, require_cells, short
from ...sim.base.reading import Reading
from ..base import FloatArray
from .cells import NO_ROWS, NUMBER_KINDS, numbers, says_failure, settle, status_word
from .files import FileContents
from .listening import ROUNDING_SECONDS
from .measured import (
    REMEDY_FOR_MISSING,
    MeasuredDelays,
    RawTable,
    Roles,
    Times,
    also_needed,
    require_durations,
)
from .names import apart_role, parse, role_of, summary_word
from .roles import (
    allreduce_of,
    allreduce_role,
    are_on,
    end_column,
    ends_in_seconds,
    heard_column,
    not_heard_value,
    own_seconds,
    part_of_step,
    place_of,
    said_of_seconds,
    stage_seconds,
    with_differences,
    with_sum,
)


def between(start: pd.Series, end: pd.Series, unit: str | float | None) -> tuple[FloatArray, bool]:
    """How long each call took, in the unit of the numbers, or in seconds of ISO time stamps; NaN
    where one is missing. And whether they are stamps. The difference is taken before anything is
    rounded: nanoseconds since 1970 are no doubles. Raises UnusableFile: they are no times, of two
    kinds, in an unknown unit, end before they start, or have a zone at one end alone."""
    numeric = [column.dtype.kind in NUMBER_KINDS for column in (start, end)]
    names = f"{short(start.name)} and {short(end.name)}"
    if any(numeric) and not all(numeric):
        raise UnusableFile(f"columns {names}: one holds numbers and one does not")
    if all(numeric):
        latest = max(float(start.max()), float(end.max()))
        if unit is None and latest > 1e11:  # seconds since 1970: in the year 5138
            text = f"column {short(start.name)} holds {start.max():.15g}, too large for seconds"
            what = " what they are, ms, us or ns"
            raise UnusableFile(f"{text} since 1970: say with ", Option("unit"), what)
        taken = (end - start).to_numpy(dtype=np.float64, na_value=np.nan)
        before = (end < start).to_numpy(dtype=np.bool_, na_value=False)
        taken = np.where(before, -1.0, taken)  # numbers without a sign have no negative difference
    else:
        first, last = (_stamps(column) for column in (start, end))
        zones = [_zone(column) for column in (start, end)]
        taken = (last - first).to_numpy() / np.timedelta64(1, "s")
        utc = {"", "Z", "z", "UTC", "+00:00", "+0000", "+00"}  # without a zone it is read as UTC
        if "" in zones and {*zones} != {""} and ({*zones} - utc or np.any(taken < 0)):
            zoned, other = (end, start) if zones[0] == "" else (start, end)
            text = f"{short(zoned.name)} has a zone, {''.join(zones)}, and {short(other.name)} has"
            raise UnusableFile(f"{text} none, which is UTC: write a zone at both ends, or at none")
    if np.any(taken < 0):
        row = int(np.flatnonzero(taken < 0)[0]) + 1
        text = f"row {row}: {short(end.name)} is before {short(start.name)}; valid: end >= start"
        raise UnusableFile(text)
    return np.asarray(taken, dtype=np.float64), not all(numeric)


def _stamps(column: pd.Series) -> pd.Series:
    try:
        with reading("time stamps"):
            return pd.to_datetime(column, format="ISO8601", utc=True)
    except UnusableFile as error:
        valid = "valid: ISO 8601, 2026-01-31T12:00:00.5Z"
        raise UnusableFile(f"column {short(column.name)}: {error}; {valid}") from error


def _zone(column: pd.Series) -> str:
    """The zone of stamps, as the first of them is written; empty: it has none."""
    if column.dtype.kind == "M":
        return str(getattr(column.dtype, "tz", None) or "")
    known = column.dropna()
    zone = r":\d.*?([Zz]|[+-]\d\d(?::?\d\d)?)$"
    match = re.search(zone, str(known.iloc[0])) if len(known) else None
    return match[1] if match else ""


Calls = pd.DataFrame  # ``worker`` and ``round`` (numbers from 0), ``seconds``; a row per row


class LongTable:
    """A long table, of which each load becomes a table, of ``most`` cells, when it is asked for;
    ``role``: role to column. Raises UnusableFile: naming the first defect."""

    def __init__(
        self, contents: FileContents, role: Roles, options: Reading, most: int | None
    ) -> None:
        self._clock = role.get("clock", "")
        contents, role = with_differences(contents, role, options)
        contents, role = with_sum(contents, role, options)
        self._options, self._most, frame = options, most, contents.frame
        others = frame.drop(columns=list({*role.values(), *options.stages}))
        self._others = others
        self._role = role
        self._own = reduced = allreduce_role(others, role, options)
        self._reduced = "" if reduced else allreduce_of(others)
        named = options.asked.get("rack")
        kinds = {str(name): role_of(str(name)) for name in others.columns}
        racks = [n for n, of in kinds.items() if n == named or (not named and of == "rack")]
        place = place_of(frame, role["worker"], others)
        seconds, not_heard, self._failed, times, where = _seconds(contents, role, options)
        self._not_heard_source = not_heard_value(options) if not_heard.any() else ""
        heard_by = ""
        said = heard_column(others, options)
        if said is not None and not said.heard.all():
            heard_by = said.name
            self._not_heard_source = f"column {short(said.name)}"
            not_heard = not_heard | ~said.heard
            seconds = np.where(not_heard, np.nan, seconds)
        end = end_column(frame, options)
        is_cut = bool(not_heard.any()) or options.missing == "later"
        if options.end_column is None and (options.round_end is not None or not is_cut):
            end = None
        self._ends_source = "" if end is None else f"column {short(end)}"
        used = (reduced, place, heard_by, end, *racks)
        unused = [short(name) for name in others.columns if name not in used]
        more = f", ... ({len(unused)})" if len(unused) > 6 else ""
        self._assumed = contents.assumed
        if unused:
            listed = f"columns not used: {', '.join(unused[:6])}{more}"
            self._assumed = (*self._assumed, Message(listed))
        name = role.get("seconds", "")
        if of_name := said_of_seconds(frame, name, options):
            self._assumed = (*self._assumed, of_name)
        is_group = place and not named and are_on(frame, role["worker"], place)
        if is_group and place not in racks:
            racks.append(place)
        roles = {**role, "rack": " and ".join(racks)} if racks else role
        # Role to what of the file has it.
        self.roles = {key: f"column {short(name)}" for key, name in roles.items()}
        if self._clock:
            self.roles["seconds"] += ", a clock"
        self._seconds = name
        self._unit = times
        unsaid = times.assumed(f"{where} says no unit")
        self._notes = [unsaid] if unsaid else []
        self._calls, self._spent = pd.DataFrame({"seconds": seconds}), pd.Series(seconds)
        self._calls["not_heard"] = not_heard
        if end is not None:
            self._calls["end"] = ends_in_seconds(frame[end], contents, times)
        self._status = _failures(others)
        if self._status is not None:
            self._calls.loc[self._status[1], "seconds"] = np.nan
            self._failed = np.union1d(self._failed, self._status[1])
        tries = [name for name, of in kinds.items() if of == "attempt"]
        self._tried = bool(tries)
        self._calls["try"] = 0  # of several rows of a worker and round the last one counts
        if tries and others[tries[0]].dtype.kind in NUMBER_KINDS:
            self._calls["try"] = others[tries[0]].to_numpy()
        self._hosts, self._calls["worker"] = _workers(frame[role["worker"]])
        for name in contents.others:
            if name not in self._hosts:
                listed = short(", ".join([*map(str, frame.columns), *self._hosts[:20]]))
                text = f"no column and no worker is named {short(name)!r}; there are {listed}"
                raise UnusableFile(text)
        free = [host for host in self._hosts if host not in (*options.keep, *options.drop)]
        if bad := [host for host in free if summary_word(host)]:
            text = f"worker {short(bad[0])} is a summary of others by its name"
            raise UnusableFile(f"{text}: ", Option("drop", bad))
        self._racks = {
            group: hosts
            for name in racks
            for group, hosts in _groups(frame[name], self._hosts, self._calls["worker"]).items()
        }
        self._host_of = dict[str, str]()
        if place:
            self._host_of = _places(frame[place], self._hosts, self._calls["worker"])
        self._rounds, self._calls["round"] = _numbered(frame[role["round"]], "round")
        if reduced:
            self._calls["allreduce"] = part_of_step(contents, role, options, reduced, "allreduce")
        for stage, name in enumerate(options.stages):
            self._calls[stage] = part_of_step(contents, role, options, name, "stages")
            self._calls.loc[self._calls[stage].isna(), "seconds"] = np.nan
        # By load, ascending; ``{None: None}`` without a column load.
        self.rows: dict[float | None, NDArray[np.int64] | None] = {None: None}
        if "load" in role:
            values, codes = _numbered(frame[role["load"]], "load")
            if (values < 0).any():
                raise UnusableFile("a load is negative")
            if len(values) > 1000:  # the column is something else
                text = f"holds {len(values)} different loads; must be at most 1000"
                raise UnusableFile(text)
            self.rows = {float(v): np.flatnonzero(codes == k) for k, v in enumerate(values)}

    def at_load(self, load: float | None) -> RawTable:
        """The calls at a load. Raises UnusableFile: rows are repeated or missing."""
        rows, options, assumed = self.rows[load], self._options, [*self._assumed]
        calls = self._calls if rows is None else self._calls.iloc[rows]
        ends = self._ends(calls) if self._ends_source else None
        if self._own:
            calls = own_seconds(calls, self._own, options)
            assumed.append(self._own_times(calls))
        if dropped := [worker for worker, host in enumerate(self._hosts) if host in options.drop]:
            calls = calls[~calls["worker"].isin(dropped)]
        calls, retried = self._one_each(calls)
        failed = int(np.isin(self._failed, calls.index).sum())
        workers, w = np.unique(calls["worker"].to_numpy(), return_inverse=True)
        rounds, r = np.unique(calls["round"].to_numpy(), return_inverse=True)
        lacking, refuses = len(workers) * len(rounds) - len(calls), options.missing == "refuse"
        if lacking and refuses:
            text = f"{len(calls)} rows for {len(rounds)} rounds of {len(workers)} workers"
            raise UnusableFile(f"{text}: {lacking} delays are missing; ", REMEDY_FOR_MISSING)
        require_cells(len(workers) * len(rounds), self._most)
        table = np.full((len(rounds), len(workers)), np.nan)
        table[r, w] = calls["seconds"].to_numpy()
        not_heard = np.zeros(table.shape, np.bool_)
        not_heard[r, w] = calls["not_heard"].to_numpy()
        stages = stage_seconds(calls, options.stages, table, (r, w))
        if self._status is not None and refuses and np.isnan(table[~not_heard]).any():
            name, bad = self._status
            failures = f"{len(bad)} call{'s' * (len(bad) != 1)} failed (first: row {bad[0] + 1})"
            raise UnusableFile(f"column {short(name)} says that {failures}; ", REMEDY_FOR_MISSING)
        if "seconds" not in options.asked and "seconds" in self.roles:
            require_durations(self.roles["seconds"], table, self._seconds)
        names = self._rounds[rounds]
        notes = [*self._notes, *map(Message, [*retried, *_gaps(names)])]
        names = names.astype(np.int64) if np.all(names == np.round(names)) else names
        hosts = tuple(self._hosts[worker] for worker in workers)
        fixed = dict[float | None, FloatArray]()
        if self._own:
            fixed[None] = calls.groupby("round")["transfer"].first().to_numpy(np.float64)
        measured = MeasuredDelays(
            hosts=hosts,
            tables={None: table},
            notes=tuple(notes),
            unit=self._unit,
            rounds={None: names},
            assumed=tuple(assumed),
            allreduce=self._reduced,
            stages={None: stages},
            roles=self.roles,
            groups=self._racks,
            host_of=self._host_of,
            fixed=fixed,
        )
        return RawTable(
            measured=measured,
            failed_cells=min(failed, int(np.isnan(table).sum())),
            absent_rows=lacking,
            clock=self._clock,
            not_heard=not_heard,
            not_heard_source=self._not_heard_source,
            ends=None if ends is None else ends.loc[rounds].to_numpy(),
            ends_source=self._ends_source,
        )

    def _ends(self, calls: Calls) -> pd.Series:
        """When each round stopped listening, by the number of the round, in seconds. Raises
        UnusableFile: rows of a round do not agree."""
        ends = calls.groupby("round")["end"]
        earliest = ends.min()
        latest = ends.max()
        differ = (latest - earliest > ROUNDING_SECONDS).to_numpy()
        if differ.any():
            row = int(np.argmax(differ))
            raise UnusableFile(
                f"{self._ends_source} says for round {self._rounds[latest.index[row]]:g} both "
                f"{earliest.iloc[row]:.6g} and {latest.iloc[row]:.6g} s; valid: one end a round"
            )
        return latest

    def _own_times(self, calls: Calls) -> Message:
        """What a worker's own time is, which columns say so, and how to read them otherwise."""
        name = short(self._own)
        if "allreduce" in self._options.asked:
            waited = f"what each worker waited in {name}"
            return Message(f"own times: without {waited}, beyond the shortest of its round")
        step = self.roles["seconds"].removeprefix("column ")
        transfer = float(calls["transfer"].median())
        return Message(
            f"own times: {step} holds the wait for the slowest, which is taken off: {name} less "
            f"the smallest of its round (the transfer, typically {transfer:.3g} s, which all "
            "pay); ",
            Option("columns", {"allreduce": ""}),
            " leaves the wait in",
        )

    def _apart(self, calls: Calls) -> Message:
        """Which column tells rows of one worker and round apart by its name, or else by what it
        holds, and how to say so; empty: none does."""
        ways = list[tuple[int, Message]]()
        for name in map(str, self._others.columns):
            column = self._others[name].iloc[calls.index]
            values = column.nunique()
            fractions = column.dtype.kind == "f" and bool((column % 1 != 0).any())
            if role_of(name) in ("attempt", "label", "status") and parse(name).whole != "phase":
                continue
            if values < 2 or values == len(column) or fractions or column.isna().any():
                continue
            if calls.assign(apart=column.to_numpy()).duplicated(["worker", "round", "apart"]).any():
                continue
            says = f"column {short(name)} tells such rows apart: say "
            role = apart_role(name)
            if role == "worker":
                joined = f"{self._role['worker']}+{name}"
                ways.append((0, Message(says, Option("columns", {"worker": joined}))))
            elif role == "round":
                joined = f"{name}+{self._role['round']}"
                ways.append((1, Message(says, Option("columns", {"round": joined}))))
            else:
                one = Option("rows", f"{name}={column.iloc[0]}")
                ways.append((2, Message(says, one, ", or another of its values")))
        return min(ways, key=lambda way: way[0], default=(0, EMPTY_MESSAGE))[1]

    def _one_each(self, calls: Calls) -> tuple[Calls, list[str]]:
        """One row for each worker and round: calls may have been tried again. Raises UnusableFile:
        nobody said what repeated rows mean, or they are of several runs, which nothing can mean."""
        twice = calls.duplicated(["worker", "round"])
        if not (count := int(twice.sum())):
            return calls, []
        # Where rounds begin again for at least half of the workers, and each time some come again;
        # else rows are in no order, or single calls were tried again later.
        ordered, workers = calls.sort_values("worker", kind="stable"), calls["worker"].nunique()
        falls = ordered[ordered["worker"].diff().eq(0) & ordered["round"].diff().lt(0)]
        apart = self._apart(calls) if self._options.retries == "refuse" else EMPTY_MESSAGE
        if 2 * falls["worker"].nunique() >= workers and count >= 2 * max(len(falls), workers):
            if apart:
                raise UnusableFile("round numbers come again for a worker: ", apart)
            restart = int(falls.index.min())
            first = Message(Option("rows", f"1:{restart}"), " takes the first; or ")
            raise UnusableFile(
                f"round numbers begin again at row {restart + 1}: two runs in one file, or rows "
                "out of order? ",
                EMPTY_MESSAGE if self._options.rows else first,
                "split it there, or sort it by worker and round",
            )
        if self._options.retries == "refuse":
            row = calls[twice].iloc[0]
            worker, number = self._hosts[int(row["worker"])], self._rounds[int(row["round"])]
            text = f"two rows for worker {short(worker)}, round {number:g}"
            text += f", and {count - 1} more such rows" if count > 1 else ""
            if apart:
                raise UnusableFile(f"{text}: ", apart)
            gaps = workers * calls["round"].nunique() > len(calls) - count
            how = Message(Option("retries", "last"), ", or sum (of all)")
            if not self._tried:
                which = ", last or sum, if calls were tried again"
                how = Message("say which counts with ", Option("retries"), which)
            raise UnusableFile(f"{text}: ", how, also_needed(gaps, self._options))
        kept, text = calls, "the last of each counts"
        if self._options.retries == "sum":
            # a try that failed took its time, too, if a later one did not fail
            spent, text = calls["seconds"].fillna(self._spent), "their seconds are added"
            tries = spent.groupby([calls["worker"], calls["round"]])
            known = tries.transform("count").eq(tries.transform("size")) & calls["seconds"].notna()
            kept = calls.assign(seconds=tries.transform("sum").where(known))
        repeat = f"{count} rows repeat" if count > 1 else "1 row repeats"
        kept = kept.sort_values("try", kind="stable")
        kept = kept.drop_duplicates(["worker", "round"], keep="last").sort_index()
        return kept, [f"{repeat} a worker and round: {text}"]


def _seconds(
    contents: FileContents, role: Roles, options: Reading
) -> tuple[FloatArray, NDArray[np.bool_], NDArray[np.int64], Times, str]:
    """The seconds of each row, whether it says that the worker was not heard, the places of calls
    that failed, and whose unit it is."""
    frame, gaps = contents.frame, options.missing != "refuse"
    name = role.get("seconds") or role["start"]
    unit, where, failed = contents.unit_of(name), f"column {short(name)}", NO_ROWS
    if "seconds" in role:
        what = "seconds" if unit in (None, "s") else str(unit)
        remedy = Message("say ", Option("columns", {"seconds": "..."}))
        values, failed = numbers(frame[name], what, remedy, gaps)
        not_heard = values == options.not_heard
        values = np.where(not_heard, np.nan, values)
    else:
        start, end = frame[name], frame[role["end"]]
        not_heard = np.zeros(len(frame), np.bool_)
        if options.not_heard is not None and end.dtype.kind in NUMBER_KINDS:
            not_heard = (end == options.not_heard).to_numpy(np.bool_)
            end = end.mask(not_heard)
        where, span = (f"{short(name)} {word} {short(end.name)}" for word in ("and", "to"))
        if contents.unit_of(role["end"]) != unit:
            raise UnusableFile(f"columns {where} are in different units")
        values, stamps = between(start, end, unit or options.unit)
        if stamps:
            return values, not_heard, failed, Times("s", f"seconds from {span}"), where
        where = f"the difference of {where}"
    if unit is not None and contents.unit not in (None, unit):
        other = f"{contents.where} says {contents.unit}"
        raise UnusableFile(f"{where} says {unit}, and {other}: rename one")
    if unit is None and contents.unit is not None:
        unit, where = contents.unit, contents.where
    also = also_needed(not np.isfinite(values).all(), options)
    times = settle(options.unit, unit, where, values, contents.hint, also)
    return times.seconds(values), not_heard, failed, times, where


def _numbered(column: pd.Series, what: str) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """The different numbers, ascending, and for each row which of them it has."""
    remedy = Message("leave such rows out with ", Option("rows"))
    values, _ = numbers(column, f"the {what}", remedy)
    if not np.isfinite(values).all():
        raise UnusableFile(f"a {what} is missing or infinite")
    codes, different = pd.factorize(values, sort=True)
    return np.asarray(different, dtype=np.float64), np.asarray(codes, dtype=np.int64)


def _workers(column: pd.Series) -> tuple[list[str], NDArray[np.int64]]:
    """The workers' names in order, numbers within names by size, and which one each row has."""
    if column.dtype.kind in "iu" and column.notna().all():  # more digits than a double has
        codes, names = pd.factorize(column, sort=True)
        return [*map(str, names)], np.asarray(codes, dtype=np.int64)
    if column.dtype.kind != "O":
        different, codes = _numbered(column, "worker")
        return [repr(value).removesuffix(".0") for value in different.tolist()], codes
    if column.isna().any():
        raise UnusableFile("a worker is missing")
    texts = column.astype(str).str.strip()
    hosts = sorted(texts.unique(), key=natural)
    return hosts, np.asarray(pd.Categorical(texts, hosts).codes, dtype=np.int64)


def _groups(
    column: pd.Series, hosts: Sequence[str], worker: pd.Series
) -> dict[str, tuple[str, ...]]:
    """The hosts of each of a column's values, such as ``rack r1``; those without one are in none.
    Raises UnusableFile: a worker has two."""
    racks = column.map(_label).to_numpy()  # rows between empty ones keep their numbers
    known = pd.DataFrame({"worker": worker, "rack": racks}).dropna().drop_duplicates()
    twice = known[known["worker"].duplicated(keep=False)].sort_values("worker", kind="stable")
    if len(twice):
        first, name = int(twice["worker"].iloc[0]), short(column.name)
        text = " and ".join(map(short, twice.loc[twice["worker"] == first, "rack"][:2]))
        raise UnusableFile(
            f"column {name}: worker {short(hosts[first])} is in {text}; a worker belongs to one: ",
            Option("drop", [str(column.name)]),
            " leaves the column out",
        )
    members = known.sort_values("worker").groupby("rack", sort=False)["worker"]
    groups = {str(value): tuple(hosts[j] for j in group) for value, group in members}
    start = str(column.name).lower()
    names = {v: v if v.lower().startswith(start) else f"{column.name} {v}" for v in groups}  # rack7
    return {names[value]: groups[value] for value in sorted(groups, key=natural)}


def _places(column: pd.Series, hosts: Sequence[str], worker: pd.Series) -> dict[str, str]:
    """The host that a column names for each worker; those without one are left out."""
    places = column.map(_label).to_numpy()
    known = pd.DataFrame({"worker": worker, "place": places}).dropna().drop_duplicates("worker")
    known = known.sort_values("worker")
    pairs = zip(known["worker"], known["place"], strict=True)
    return {hosts[int(worker)]: str(place) for worker, place in pairs}


def _label(value: Any) -> str | None:
    """What a cell calls a rack; 3.0 is rack 3."""
    text = "" if pd.isna(value) else str(value).strip().removesuffix(".0")
    return text or None


def natural(name: str) -> tuple[list[tuple[int, int, str]], str]:
    """A key by which node10 comes after node9."""
    pieces = re.findall(r"[0-9]{1,15}|[^0-9]+", name)
    return [(0, int(p), "") if p.isdecimal() and p.isascii() else (1, 0, p) for p in pieces], name


def _gaps(rounds: NDArray[np.float64]) -> list[str]:
    """Rounds that no worker has, where at least half of the others follow at the usual distance."""
    steps = np.diff(rounds)
    usual = float(np.median(steps)) if len(steps) > 1 else np.inf
    wider = steps > usual
    if not wider.any() or np.mean(steps == usual) < 0.5:
        return []
    lost, first = int(np.sum(np.round(steps[wider] / usual) - 1)), rounds[:-1][wider][0] + usual
    many = "1 round is" if lost == 1 else f"{lost if lost < 10**9 else f'{lost:.3g}'} rounds are"
    return [f"{many} missing for all workers (first: {first:g}); the others follow each other"]


def _says_failure(status: str) -> bool:
    """Whether a status, in small letters, says that a call failed, perhaps as Slurm's two exit
    codes, ``1:0``."""
    if codes := re.fullmatch(r"(\d{1,3}):(\d{1,3})", status):
        return int(codes[1]) != 0 or int(codes[2]) != 0
    return says_failure(status)


def _failures(others: pd.DataFrame) -> tuple[str, NDArray[np.int64]] | None:
    """The first column that says by its name how calls ended, and the rows of those that failed; an
    empty cell says nothing, but where others name an error. Raises UnusableFile: its name does not
    say which of 0 and 1 is a failure."""
    failures = "failed", "failure", "error", "timed_out", "killed", "crashed"  # true: it failed
    reasons = "error", "exception", "error_message", "failure_reason", "traceback"
    truths = {"true": 1.0, "yes": 1.0, "false": 0.0, "no": 0.0}
    either = "status", "state", "result", "outcome"  # of which 0 and 1 may mean both
    for name in map(str, others.columns):
        column, whole = others[name], parse(name).whole
        if role_of(name) != "status":
            continue
        said, truth = column.dropna(), column.dtype.kind == "b"
        if column.dtype.kind == "O":
            said = said.map(lambda cell: status_word(str(cell)))
            truth = {*said} <= {*truths}
            said = said.map(truths) if truth else said
        if said.dtype.kind == "O":
            bad = said.map(_says_failure)
            if whole in reasons and column.isna().any():
                bad = said.notna()
        elif {*said.unique()} <= {0, 1} and not re.search("code|exit|return|rc", whole):
            if not truth and said.nunique() > 1 and whole in either:
                text = f"column {short(name)} holds 0 and 1, and which is a failure is not said"
                take, leave = Option("rows", f"{name}=1"), Option("drop", [name])
                raise UnusableFile(f"{text}: ", take, " takes those of 1; or ", leave)
            bad = said.astype(float) == (whole in (*failures, *reasons))
        elif not re.search("exit|return|rc|error", whole) and said.between(200, 208).any():
            bad = (said >= 400) | (said < 100)  # HTTP's
        else:
            bad = said != 0
        if 0 < bad.sum() < len(column):
            return name, np.flatnonzero(column.index.isin(bad.index[bad]))
    return None
