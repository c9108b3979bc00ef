"""What was measured: a table for each load. How it is read, what is missing, what is refused.
Numbers are checked, and never decide what a column is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...sim.base.errors import EMPTY_MESSAGE, Message, Mistake, Option, Part
from ...sim.base.files import UnusableFile, short
from ...sim.base.reading import Reading
from ..base import MAX_DELAY_SECONDS, FloatArray
from .listening import Listening
from .names import EITHER_WORDS, PER_SECOND, parse
from .signs import left_out_rounds, median_of, unit_warnings

REMEDY_FOR_MISSING = Message(
    Option("missing", "drop-rounds"),
    " leaves such rounds out, ",
    Option("missing", "never"),
    ": it never arrives, ",
    Option("missing", "later"),
    ": its round had ended",
)


class TableError(Mistake):
    """A table of delays that cannot be used; the message names the file and the defect."""

    def __init__(self, path: str, *defect: Part) -> None:
        super().__init__(path, *defect)
        self.path = path
        self.defect = Message(*defect)
        self.message = Message(f"{path}: ", self.defect)


@dataclass(frozen=True)
class Times:
    """The unit of a file's times."""

    unit: str | float = "s"  # of ``PER_SECOND``, or how many seconds one is
    words: str = "seconds"  # the unit in words
    said_by: str | Option | None = None  # who says so
    typical: float | None = None  # the median of the file's times, where they are taken for seconds

    @property
    def why(self) -> Message:
        """The unit in words, and who says so."""
        return Message(self.words, *((", as ", self.said_by, " says") if self.said_by else ()))

    def assumed(self, lacking: str = "no unit is said") -> Message:
        """That they are taken for seconds, for what is ``lacking``; empty: somebody says so."""
        if self.typical is None:
            return EMPTY_MESSAGE
        taken = f"{lacking}: read as seconds, typically {self.typical:.4g} s; "
        return Message(taken, Option("unit", "ms"), " if not")

    def seconds(self, values: FloatArray) -> FloatArray:
        """Such values in seconds."""
        if isinstance(self.unit, float):
            return values * self.unit
        return values if self.unit == "s" else values / PER_SECOND[self.unit]

    def number_of(self, seconds: float) -> float:
        """What the file has for so many seconds."""
        if isinstance(self.unit, float):
            return seconds / self.unit
        return seconds * PER_SECOND[self.unit]


Names = NDArray[Any]  # names, or numbers, one each
Roles = Mapping[str, str]  # role to column of a long table
# What has the seconds of a table of a column per worker, and of a row per worker.
WORKERS_COLUMNS = "the workers' columns"
WORKERS_ROWS = "the workers' rows"
AS_IT_IS = Reading()  # nothing is said beyond what the file says


ByLoad = Mapping[float | None, FloatArray]  # by load, ``(rounds, n)`` seconds each
Stages = Mapping[str, FloatArray]  # ``(rounds, n)`` seconds of each stage of a step, in their order


@dataclass(frozen=True, eq=False)
class MeasuredDelays:
    """Measured delays of some workers, at one or several loads."""

    hosts: tuple[str, ...]  # workers' names, one a column; ``"0"``, ``"1"``, ... without any
    # ``{load: (rounds, n) seconds}``, loads ascending, the key ``None`` without a column load.
    # Finite and >= 0; infinite where a worker never arrived, or was not heard (``listening``), and
    # only if the file or the caller says so.
    tables: ByLoad
    notes: tuple[Message, ...] = ()  # what was left out, mended or counted, a line each
    unit: Times = Times()  # of the file; ``tables`` are in seconds
    rounds: Mapping[float | None, Names] = field(default_factory=dict)  # names, else 0, 1, 2, ...
    assumed: tuple[Message, ...] = ()  # what the file does not say, a sentence each
    read: tuple[Message, ...] = ()  # all this in lines for people
    allreduce: str = ""  # a column that looks like an all-reduce's time, not read; empty: none
    stages: Mapping[float | None, Stages] = field(default_factory=dict)  # they add up to ``tables``
    roles: Mapping[str, str] = field(default_factory=dict)  # role to what of the file has it
    # The workers of each group that a column names, such as ``rack r1``: of one column or several.
    groups: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    host_of: Mapping[str, str] = field(default_factory=dict)  # of each rank, if a column names it
    # ``(rounds,)`` seconds of each step that do not grow with the work, and are in ``tables``: the
    # transfer of an all-reduce, NaN if nobody's is known. Empty where no all-reduce is read.
    fixed: ByLoad = field(default_factory=dict)
    # Of loads whose rounds did not wait for everybody; empty where every round did.
    listening: Mapping[float | None, Listening] = field(default_factory=dict)

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return len(self.hosts)

    def only(self, hosts: Sequence[str]) -> MeasuredDelays:
        """These workers alone, in this order. Raises ValueError: one was not measured."""
        for host in hosts:
            if host not in self.hosts:
                raise ValueError(f"no worker is named {short(host)!r}")
        at = [self.hosts.index(host) for host in hosts]
        tables = {load: table[:, at] for load, table in self.tables.items()}
        stages = {
            load: {name: seconds[:, at] for name, seconds in of_load.items()}
            for load, of_load in self.stages.items()
        }
        listening = {load: of_load.only(at) for load, of_load in self.listening.items()}
        return replace(self, hosts=tuple(hosts), tables=tables, stages=stages, listening=listening)

    def names_of_rounds(self, load: float | None) -> Names:
        """What the file calls the rounds at a load, ``(rounds,)``; else they are counted from 0."""
        names = self.rounds.get(load)
        return np.arange(len(self.tables[load])) if names is None else names

    @property
    def warnings(self) -> list[Message]:
        """The notes, and signs of a wrong unit, a line each."""
        lines = [*self.notes, *map(Message, unit_warnings(self.tables, self.hosts))]
        middle = float(median_of(next(iter(self.tables.values()))))
        if middle > 60 and self.unit.unit == "s" and self.unit.said_by:
            # a number counts whatever a name says
            ms = Option("unit", "ms" if isinstance(self.unit.said_by, Option) else 0.001)
            text = f"steps take {middle:.4g} s: if the table is in ms, say "
            lines.append(Message(text, ms))
        return lines


class RawTable(NamedTuple):
    """What the file holds at one load, before it is known what a missing delay means."""

    measured: MeasuredDelays  # under the key ``None``, NaN where there is no delay
    failed_cells: int = 0  # how many of the missing ones say that the call failed
    absent_rows: int = 0  # of how many a long table has no row
    clock: str = ""  # the column of a clock, of which the delays are differences; empty: none
    # Cells of workers that were not heard, ``(rounds, n)``, and what says so; ``None``: nothing.
    not_heard: NDArray[np.bool_] | None = None
    not_heard_source: str = ""
    # When a round stopped listening, ``(rounds,)`` seconds, by a column, and which.
    ends: FloatArray | None = None
    ends_source: str = ""


def name_at(names: Names, index: int) -> str:
    """What a round is called in a sentence."""
    name = names[index]
    return short(f"{name:.15g}" if isinstance(name, float) else name)


def also_needed(missing: bool, options: Reading) -> Message:
    """What to say as well where something else is refused, so that one reading names both options:
    how a missing delay is read, if there is one and nothing was said."""
    if options.missing == "refuse" and missing:
        return Message(
            "; and since a delay is missing, ",
            Option("missing", "drop-rounds"),
            ", never or later says what it is",
        )
    return EMPTY_MESSAGE


MIN_ROUNDS_OF_CLOCK = 10  # from which on times that only grow are moments
FEWEST_STEPS_OF_EITHER = 6  # that grow, of a column that is a clock or a duration by its name


def counting(table: FloatArray) -> NDArray[np.bool_]:
    """Which columns of ``(rounds, n)`` numbers are whole and count up, ``(n,)``: evenly, or in any
    steps where others have fractions. Fewer than three rows tell nothing."""
    if len(table) < 3:
        return np.zeros(table.shape[1], bool)
    with np.errstate(invalid="ignore"):
        steps = np.diff(table, axis=0)
        fractions = np.any(table != np.round(table), axis=0)
        up = np.all(steps > 0, axis=0) & ~fractions
        even = np.all(steps == steps[:1], axis=0)
    return np.asarray(up & (even | bool(fractions.any()) | (len(table) >= MIN_ROUNDS_OF_CLOCK)))


def require_no_index(names: Sequence[str], table: FloatArray) -> None:
    """Refuse (UnusableFile) a column of ``(rounds, n)`` numbers that counts up."""
    counts = counting(table)
    if counts.any():
        first = int(np.argmax(counts))
        name, head = names[first], ", ".join(f"{number:.15g}" for number in table[:3, first])
        raise UnusableFile(
            f"column {short(name)} counts up ({head}, ...), as the number of a round does: say ",
            Option("columns", {"round": name}),
            "; or ",
            Option("keep", [name]),
            " if not",
        )


def require_durations(name: str, table: FloatArray, column: str = "") -> None:
    """Refuse (UnusableFile) ``(rounds, n)`` seconds that say when, not how long: they are beyond
    all durations, or grow in each of ten rounds or more for all of several workers; of a ``column``
    whose name may say either, in all of eight cells or more."""
    with np.errstate(invalid="ignore"):
        steps = np.diff(table, axis=0)
        # No call takes 1e8 seconds, three years, and since 1970 there have been more.
        late = (table > 1e8).all(axis=0) & (steps >= 0).all(axis=0) & (len(table) > 1)
    either = bool({*parse(column).words} & EITHER_WORDS)
    enough = steps.size >= FEWEST_STEPS_OF_EITHER if either else len(table) >= MIN_ROUNDS_OF_CLOCK
    grow = enough and table.shape[1] > 1 and bool((steps > 0).all())
    if grow or late.any():
        how = "grows from round to round for every worker" if grow else "holds dates"
        if column:
            raise UnusableFile(
                f"{name} {how}: say ",
                Option("columns", {"clock": column}),
                " if it is a clock that runs on, ",
                Option("columns", {"seconds": column}),
                " if it is how long each call took",
            )
        raise UnusableFile(
            f"{name} {how}: a clock? Give a start and an end (",
            Option("columns", {"start": "...", "end": "..."}),
            "), or name all columns with ",
            Option("keep"),
            " if each is how long a call took",
        )


def _remedy_for_negative(number: float, host: str, not_heard: float | None) -> Message:
    """What to do about a negative delay of a host, which is such a number in the file."""
    if not_heard is not None:
        return Message(f"valid: seconds >= 0, or {not_heard:g} for a worker that was not heard")
    return Message(
        "leave the cell empty if the call failed, or ",
        Option("drop", [host]),
        f"; if {number:g} says that the worker was not heard, ",
        Option("not_heard", number),
    )


def complete(raw: RawTable, options: Reading) -> MeasuredDelays:
    """The part without gaps; ``options`` say what a missing delay is, and cells that were not heard
    are none. Raises UnusableFile: one is missing or infinite and nothing was said; one is negative
    or too long; no round is left."""
    measured = raw.measured
    failed, lacking = raw.failed_cells, raw.absent_rows
    hosts, table = measured.hosts, measured.tables[None]
    if table.size == 0:
        raise UnusableFile("the table has no cells")
    names = measured.names_of_rounds(None)
    listening = measured.listening.get(None)
    if listening is not None:
        # Checks are of delays that are known.
        table = np.where(listening.heard, table, 1.0)
    absent, endless, zero = np.isnan(table), np.isinf(table), table == 0
    refuses, beyond = options.missing == "refuse", (table > MAX_DELAY_SECONDS) & ~endless
    for kind, bad, defect in (
        ("missing", absent & refuses, "is missing or not a number (a short row?)"),
        ("missing", endless & (refuses | (table < 0)), "is infinite"),
        ("negative", table < 0, "is negative"),
        ("long", beyond, f"is beyond {MAX_DELAY_SECONDS:.0e} s"),
    ):
        if bad.any():
            row, column = np.argwhere(bad)[0]
            remedy = {
                "missing": REMEDY_FOR_MISSING,
                "negative": _remedy_for_negative(
                    measured.unit.number_of(float(table[row, column])),
                    hosts[column],
                    options.not_heard,
                ),
                "long": Message("valid: finite seconds >= 0"),
            }[kind]
            host, others = short(hosts[column]), int(bad.sum()) - 1
            where = f"the delay of round {name_at(names, row)}, worker {host}"
            if raw.clock:
                where += f", of column {short(raw.clock)},"
            more = f", and so {'is' if others == 1 else 'are'} {others} more" if others else ""
            raise UnusableFile(f"{where} {defect}{more}; ", remedy)
    if options.missing == "later":
        return measured
    gone = absent | endless | zero
    if refuses or not gone.any():
        return measured
    what = {"not in the table": lacking, "empty": int(absent.sum()) - failed - lacking}
    what |= {"failed": failed, "infinite": int(endless.sum()), "0 s": int(zero.sum())}
    reasons = ", ".join(f"{count} {reason}" for reason, count in what.items() if count)
    rounds, count = gone.any(axis=1), int(gone.sum())
    hit, is_one = int(rounds.sum()), "is" if count == 1 else "are"
    total = f"{count} of {table.size} delays {is_one} missing ({reasons})"
    if options.missing == "never":
        text = f"{total}, in {hit} of {len(table)} rounds: these workers never arrive there"
        measured = replace(measured, tables={None: np.where(gone, np.inf, table)})
    elif rounds.all():
        worst = int(np.argmax(gone.sum(axis=0)))
        lost = f"of whose rounds {int(gone[:, worst].sum())} of {len(table)} are missing"
        leave = f"leave worker {short(hosts[worst])} out, {lost}, or say "
        raise UnusableFile(
            f"{total}; no round has every worker; {leave}", Option("missing", "never")
        )
    else:
        left = f"{'is' if hit == 1 else 'are'} left out"
        text = f"{total}: {hit} of {len(table)} rounds {left}; {left_out_rounds(table, rounds)}"
        stages = {name: s[~rounds] for name, s in measured.stages.get(None, {}).items()}
        whole = measured.tables[None][~rounds]
        measured = replace(measured, tables={None: whole}, stages={None: stages})
        if listening is not None:
            measured = replace(measured, listening={None: listening.of_rounds(~rounds)})
        fixed = {load: seconds[~rounds] for load, seconds in measured.fixed.items()}
        measured = replace(measured, rounds={None: names[~rounds]}, fixed=fixed)
    return replace(measured, notes=(*measured.notes, Message(text)))
