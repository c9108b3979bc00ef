"""What was measured: a table for each load. How it is read, what is missing, what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ...sim.files import UnusableFile, short
from ..base import LONGEST, FloatArray, PositiveSeconds

REMEDIES = "columns|drop|keep|rows|header|decimal|unit|missing|retries"  # options in errors
OPTION = re.compile(f"--({REMEDIES}) ")


class TableError(ValueError):
    """A table of delays that cannot be used; the message names the file and the defect."""

    def __init__(self, path: str, defect: str) -> None:
        super().__init__(f"{path}: {defect}")
        self.path, self.defect = path, defect


LAYOUTS = (  # in one phrase, for every error that needs it
    "valid: rounds x workers; or columns worker, round, seconds, or the like of host, step, "
    "duration_ms; else say --columns worker=...,round=...,seconds=..."
)


def as_fields(text: str) -> str:
    """An error's remedies as fields of a config: ``unit: ms``."""
    return OPTION.sub(r"\1: ", text)


Names = NDArray[Any]  # names, or numbers, one each
Unit = Literal["s", "ms", "us", "ns"]
UNITS: tuple[Unit, ...] = get_args(Unit)
Missing = Literal["refuse", "drop-rounds", "never"]
Retries = Literal["refuse", "last", "sum"]
Header = Literal["yes", "no"]
Decimal = Literal["point", "comma"]
# What a column of a long table can be; the last two are only what somebody says they are.
Role = Literal["worker", "round", "seconds", "start", "end", "load", "allreduce", "stages"]
ROLES: tuple[Role, ...] = get_args(Role)
Roles = Mapping[str, str]  # role to column of a long table


@dataclass(frozen=True)
class Reading:
    """How a table is to be read, where the file does not say it itself."""

    # role to column name. ``round`` alone names the index column of a wide table; an empty name
    # says that every column is a worker's. ``allreduce`` is how long the worker was in the
    # all-reduce, of which the wait for the slowest is taken off its seconds. ``stages`` are the
    # columns of parts of a step, in the order in which a worker does them and with ``+`` between
    # them; they make the step if no column is its seconds.
    columns: Mapping[Role, str] = field(default_factory=dict)
    drop: tuple[str, ...] = ()  # columns, or workers of a long table, that are left out
    # of all times, unless columns' names say it; a number is how many seconds one is, and wins
    unit: Unit | PositiveSeconds | None = None
    # a missing delay is an error, drops its round, or is of a worker that never arrives in it
    missing: Missing = "refuse"
    # several rows of one worker and round are an error, or the last one counts, or they add up
    retries: Retries = "refuse"
    load: float | None = None  # which is wanted of several; ``None``: all of them
    keep: tuple[str, ...] = ()  # columns (or workers) that are workers', whatever they look like
    # rows of the file that count: ``A:B`` or ``A:B:STEP``, from 1, both included; or
    # ``COLUMN=VALUE``, ``COLUMN=A:B[:STEP]``. With ``:`` all of them do, whatever they look like.
    rows: str | None = None
    header: Header | None = None  # whether the first row names workers; ``None``: as it looks
    # what stands before a fraction; the other groups thousands; ``None``: as it looks
    decimal: Decimal | None = None

    @property
    def stages(self) -> tuple[str, ...]:
        """The columns that are stages of a step."""
        return tuple(name.strip() for name in self.columns.get("stages", "").split("+") if name)

    @property
    def named(self) -> list[str]:
        """All columns that have a role."""
        return [*(n for role, n in self.columns.items() if role != "stages" and n), *self.stages]


def parse_columns(text: str | None) -> dict[Role, str]:
    """``worker=host,seconds=duration_ms`` as a mapping. Raises ValueError: naming a bad part."""
    columns: dict[Role, str] = {}
    for part in [] if text is None else text.split(","):
        role, equals, name = (piece.strip() for piece in part.partition("="))
        if not equals or role not in ROLES or role in columns:
            form = "must be role=column with commas between, each role once"
            raise ValueError(f"{form}; roles: {', '.join(ROLES)}")
        columns[role] = name
    return columns


AS_IT_IS = Reading()  # nothing is said beyond what the file says


@dataclass(frozen=True)
class Repair:
    """Something in the file that was not simply read, and how often."""

    # cells that are ``missing``, ``timeout``, ``zero``, ``infinite``, ``unused``; rounds
    # ``dropped``, or of times with ``waits``; ``retry`` rows; repeated samples (``hold``); round
    # numbers without rows (``gap``); no ``unit``
    kind: str
    count: int  # how many
    text: str = ""  # a line for people, with the count; empty where another repair says it


ByLoad = Mapping[float | None, FloatArray]  # by load, ``(rounds, n)`` seconds each
Stages = Mapping[str, FloatArray]  # ``(rounds, n)`` seconds of each stage of a step, in their order


def columns_of(stages: Stages, places: Sequence[int]) -> Stages:
    """The stages of these workers alone."""
    return {name: seconds[:, places] for name, seconds in stages.items()}


@dataclass(frozen=True, eq=False)
class Measured:
    """Measured delays of some workers, at one or several loads."""

    hosts: tuple[str, ...]  # workers' names, one a column; ``"0"``, ``"1"``, ... without any
    # ``{load: (rounds, n) seconds}``, loads ascending, the key ``None`` without a column load.
    # Finite and >= 0; infinite where a worker never arrived, and only if the caller asked for that.
    tables: ByLoad
    repairs: tuple[Repair, ...] = ()  # what was left out, mended or counted
    unit: str = "seconds"  # of the times, and why, in words
    rounds: Mapping[float | None, Names] = field(default_factory=dict)  # names, else 0, 1, 2, ...
    assumed: tuple[str, ...] = ()  # what the file does not say, a sentence each
    read: tuple[str, ...] = ()  # all this in lines for people; see ``read.as_read``
    allreduce: str = ""  # a column that looks like an all-reduce's time, not read; empty: none
    stages: Mapping[float | None, Stages] = field(default_factory=dict)  # they add up to ``tables``

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return len(self.hosts)

    def only(self, hosts: Sequence[str]) -> Measured:
        """These workers alone, in this order. Raises ValueError: one was not measured."""
        for host in hosts:
            if host not in self.hosts:
                raise ValueError(f"no worker is named {short(host)!r}")
        places = [self.hosts.index(host) for host in hosts]
        tables = {load: table[:, places] for load, table in self.tables.items()}
        stages = {load: columns_of(parts, places) for load, parts in self.stages.items()}
        return replace(self, hosts=tuple(hosts), tables=tables, stages=stages)

    def names_of_rounds(self, load: float | None) -> Names:
        """What the file calls the rounds at a load, ``(rounds,)``; else they are counted from 0."""
        found = self.rounds.get(load)
        return np.arange(len(self.tables[load])) if found is None else found

    @property
    def notes(self) -> list[str]:
        """The repairs, a line each."""
        return [repair.text for repair in self.repairs if repair.text]

    @property
    def warnings(self) -> list[str]:
        """The repairs, and signs of a wrong unit, a line each."""
        lines = [*self.notes, *unit_warnings(self.tables, self.hosts)]
        middle = float(median_of(next(iter(self.tables.values()))))
        if middle > LONG and self.unit.startswith("seconds, as"):
            lines.append(f"steps take {middle:.4g} s: if the table is in ms, say --unit ms")
        return lines


@dataclass(frozen=True, eq=False)
class RawTable:
    """What the file holds at one load, before it is known what a missing delay means."""

    hosts: tuple[str, ...]  # names of the workers
    table: FloatArray  # ``(rounds, n)`` seconds, NaN where there is none until that is settled
    failed: int  # how many of these say that the call failed
    repairs: tuple[Repair, ...] = ()  # what was done to the rows
    unit: str = "seconds"  # ``unit``, ``assumed``: as of what was measured
    rounds: Names | None = None  # their names; ``None``: 0, 1, 2, ...
    assumed: tuple[str, ...] = ()
    allreduce: str = ""  # a column, not read, that looks like the time of an all-reduce
    stages: Stages = field(default_factory=dict)  # ``(rounds, n)`` seconds of each


def name_at(names: Names, place: int) -> str:
    """What a round is called in a sentence."""
    name = names[place]
    return short(f"{name:.15g}" if isinstance(name, float) else name)


REMEDY = "--missing drop-rounds leaves such rounds out, --missing never means that it never arrives"


def also_needed(missing: bool, reading: Reading) -> str:
    """What to say as well where something else is refused, so that one reading names both options:
    how a missing delay is read, if there is one and nothing was said."""
    refuses = reading.missing == "refuse" and missing
    return f"; and since a delay is missing, {REMEDY}" if refuses else ""


def complete(part: RawTable, reading: Reading) -> RawTable:
    """The part without gaps; ``reading`` says what a missing delay is. Raises UnusableFile: one is
    missing or infinite and nothing was said; one is negative or too long; no round is left."""
    hosts, table, failed = part.hosts, part.table, part.failed
    if table.size == 0:
        raise UnusableFile("the table has no cells")
    absent, endless = np.isnan(table), np.isinf(table)
    refuses = reading.missing == "refuse"
    for bad, said in (
        (absent & refuses, f"is missing or not a number (a short row?); {REMEDY}"),
        (endless & (refuses | (table < 0)), f"is infinite; {REMEDY}"),
        (table < 0, "is negative; leave the cell empty if the call failed, or --drop the worker"),
        ((table > LONGEST) & ~endless, f"is beyond {LONGEST:.0e} s; valid: finite seconds >= 0"),
    ):
        if bad.any():
            row, column = np.argwhere(bad)[0]
            name = row if part.rounds is None else name_at(part.rounds, row)
            place = f"the delay of round {name}, worker {short(hosts[column])}"
            others = int(bad.sum()) - 1
            more = f", and so {'is' if others == 1 else 'are'} {others} more" if others else ""
            defect, _, remedy = said.replace("the worker", short(hosts[column])).partition("; ")
            raise UnusableFile(f"{place} {defect}{more}; {remedy}")
    zero = table == 0
    gone = absent | endless | zero
    if refuses or not gone.any():
        return part
    counts = {"missing": int(absent.sum()) - failed, "timeout": failed}
    counts |= {"infinite": int(endless.sum()), "zero": int(zero.sum())}
    what = {"missing": "empty", "timeout": "failed", "infinite": "infinite", "zero": "0 s"}
    parts = ", ".join(f"{count} {what[kind]}" for kind, count in counts.items() if count)
    count = int(gone.sum())
    total = f"{count} of {table.size} delays {'is' if count == 1 else 'are'} missing ({parts})"
    rounds = gone.any(axis=1)
    hit = int(rounds.sum())
    if reading.missing == "drop-rounds":
        if rounds.all():
            worst = int(np.argmax(gone.sum(axis=0)))
            lost = f"of whose rounds {int(gone[:, worst].sum())} of {len(table)} are missing"
            leave = f"leave worker {short(hosts[worst])} out, {lost}, or say --missing never"
            raise UnusableFile(f"{total}; no round has every worker; {leave}")
        left = "is" if hit == 1 else "are"
        repair = Repair("dropped", hit, f"{total}: {hit} of {len(table)} rounds {left} left out")
        names = np.arange(len(table)) if part.rounds is None else part.rounds
        stages = {name: seconds[~rounds] for name, seconds in part.stages.items()}
        part = replace(part, rounds=names[~rounds], stages=stages)
        table = table[~rounds]
    else:
        text = f"{total}, in {hit} of {len(table)} rounds: these workers never arrive there"
        repair = Repair("never", int(gone.sum()), text)
        table = np.where(gone, np.inf, table)
    counted = (Repair(kind, count) for kind, count in counts.items() if count)
    return replace(part, table=table, repairs=(*part.repairs, repair, *counted))


# Signs that a table is not in seconds throughout are warnings, not errors: a worker may really be
# 300 times slower than another.

IMPLAUSIBLE = 200.0  # medians further apart look like two units: ms are 1000 to the second
LONG = 60.0  # a median delay of more seconds than this may be of milliseconds
MIXED = "mixed units (milliseconds among seconds)?"


def unit_warnings(tables: ByLoad, hosts: Sequence[str] | None = None) -> list[str]:
    """One line for each implausible ratio in ``{load: (rounds, workers) seconds}``; infinite delays
    do not count. Without hosts, workers are named by their numbers."""
    lines: list[str] = []
    for load, table in tables.items():
        place = "" if load is None else f" at load {load:g}"
        before = len(lines)
        for axis, what in ((0, "worker"), (1, "round")):
            lines += _apart(median_of(table, axis), what, place, hosts if axis == 0 else None)
        middle = float(median_of(table))
        if len(lines) == before and middle > 0:
            lines += _cells(table, middle, place)
        if zeros := int(np.count_nonzero(table == 0)):
            lines.append(f"{zeros} delays{place} are exactly 0 s: were they measured?")
    located = [load for load in tables if load is not None]
    if len(located) > 1:
        medians = np.array([median_of(tables[load]) for load in located])
        lines += _apart(medians, "load", "", [f"{load:g}" for load in located])
    return lines


def median_of(table: FloatArray, axis: int | None = None) -> FloatArray:
    """The median of the delays that are finite; infinity where there is none."""
    if np.isfinite(table).all():
        return np.asarray(np.median(table, axis=axis))
    import pandas as pd  # slow to import, and only tables with gaps need it

    known = np.where(np.isfinite(table), table, np.nan)
    columns = known.reshape(-1, 1) if axis is None else known if axis == 0 else known.T
    medians = np.nan_to_num(pd.DataFrame(columns).median().to_numpy(), nan=np.inf)
    return np.asarray(medians[0] if axis is None else medians)


def _apart(medians: FloatArray, what: str, place: str, names: Sequence[str] | None) -> list[str]:
    medians = np.where(np.isfinite(medians), medians, 0.0)
    low, high = int(np.argmin(medians)), int(np.argmax(medians))
    if medians[low] <= 0 or medians[high] / medians[low] <= IMPLAUSIBLE:
        return []
    label, times = names or [str(i) for i in range(len(medians))], medians[high] / medians[low]
    text = f"the median of {what} {label[high]}{place} is {times:.0f} times that of {what}"
    return [f"{text} {label[low]}: {MIXED}"]


def _cells(table: FloatArray, middle: float, place: str) -> Iterator[str]:
    over = (table > IMPLAUSIBLE * middle) & np.isfinite(table)
    under = (table > 0) & (table < middle / IMPLAUSIBLE)
    for far, text in ((over, "over "), (under, "under 1/")):
        if far.any():
            ratio = float(np.median(table[far])) / middle
            many = f"{int(far.sum())} delays{place} are {text}{IMPLAUSIBLE:.0f} times the median"
            yield f"{many} (typically {ratio:.3g} times): {MIXED}"
