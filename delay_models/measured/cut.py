"""Rounds that were *cut*: they stopped listening before every worker was heard. Which cells were
not heard, when listening ended, and who began a round late. A name or an option says each; numbers
are checked, and never say it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from ...sim.base.errors import Message, Option
from ...sim.base.files import UnusableFile
from ...sim.base.reading import LAST_MESSAGE, Reading
from ..base import FloatArray
from .listening import ROUNDING_SECONDS, BoolArray, Listening, began_on_time, heard_words
from .measured import MeasuredDelays, Names, RawTable, complete, name_at


def finished(raw: RawTable, options: Reading) -> MeasuredDelays:
    """A table as it is used: with what is known of rounds that were cut, and otherwise without
    gaps. Raises UnusableFile: as ``with_listening`` and ``complete``."""
    return complete(raw._replace(measured=with_listening(raw, options)), options)


def with_listening(raw: RawTable, options: Reading) -> MeasuredDelays:
    """What was measured, with infinity in cells that were not heard and what is known of their
    rounds; as it is where everybody was heard. Raises UnusableFile: nothing says when a round
    stopped listening, or what says so cannot be."""
    measured = raw.measured
    table = measured.tables[None]
    not_heard = np.zeros(table.shape, np.bool_) if raw.not_heard is None else raw.not_heard
    if options.missing == "later":
        not_heard = not_heard | np.isnan(table) | (table == np.inf)
    if not not_heard.any():
        return measured
    if options.missing == "never":
        raise UnusableFile(
            f"{int(not_heard.sum()):,} cells were not heard, and came later: ",
            Option("missing", "never"),
            " is of workers that never arrive; say ",
            Option("missing", "later"),
            " or leave it out",
        )
    heard = ~not_heard
    ends, end_source, assumed = _ends(raw, heard, options)
    queued = options.late_work == "queued"
    on_time = began_on_time(heard, late_work_is_queued=queued)
    if queued:
        on_time[0] &= _is_first_round(options)
    elif options.late_work is None:
        assumed = [
            *assumed,
            Message(
                "late work is taken as dropped: a worker that was not heard begins the next round "
                "on time; ",
                Option("late_work", "queued"),
                " if not",
            ),
        ]
    listening = Listening(ends=ends, heard=heard, on_time=on_time)
    return replace(
        measured,
        tables={None: np.where(not_heard, np.inf, table)},
        listening={None: listening},
        roles={
            **measured.roles,
            "heard": _heard_source(raw, options),
            "round_end": end_source,
            "late_work": "queued" if queued else "dropped",
        },
        assumed=(*measured.assumed, *assumed),
        notes=(*measured.notes, *map(Message, notes_of(listening))),
    )


def notes_of(listening: Listening) -> list[str]:
    """What a reader of the numbers has to know of cut rounds, a line each."""
    rounds = len(listening.ends)
    cut = ~listening.heard.all(axis=1)
    lines = [
        f"{int((~listening.heard).sum()):,} cells not heard, in {int(cut.sum()):,} of {rounds:,} "
        f"rounds: they came after the round stopped listening; {heard_words(listening)}"
    ]
    backlog = int((~listening.on_time).sum())
    if backlog:
        lines.append(
            f"{backlog:,} cells left out as backlog: their worker was not heard in the round "
            "before, and began late; they say nothing of how long a task takes"
        )
    return lines


def _heard_source(raw: RawTable, options: Reading) -> str:
    if raw.not_heard_source:
        return raw.not_heard_source
    return "what is missing came later"


def _ends(
    raw: RawTable, heard: BoolArray, options: Reading
) -> tuple[FloatArray, str, list[Message]]:
    """When each round stopped listening, ``(rounds,)`` seconds; who says so; and what is assumed.
    Raises UnusableFile: nobody does, or a message came later than that."""
    table = raw.measured.tables[None]
    names = raw.measured.names_of_rounds(None)
    known = heard & np.isfinite(table)
    last = np.where(known, table, -np.inf).max(axis=1)
    counts = known.sum(axis=1)
    fewest = int(counts.min())
    assumed = list[Message]()
    if isinstance(options.round_end, int | float):
        ends = np.full(len(table), float(options.round_end))
        source = f"a deadline of {options.round_end:g} s"
    elif options.round_end == LAST_MESSAGE:
        ends = last
        source = "its last message"
    elif raw.ends is not None:
        ends = raw.ends
        source = raw.ends_source
    elif fewest == counts.max():
        ends = last
        source = "its last message"
        assumed = [
            Message(
                f"{fewest} workers are heard in every round: it is taken to stop listening at the "
                "last of them; ",
                Option("round_end", "..."),
                " if not",
            )
        ]
    else:
        raise UnusableFile(
            f"{fewest} to {int(counts.max())} of {table.shape[1]} workers are heard in a round, "
            "and nothing says when it stopped listening: say ",
            Option("round_end", LAST_MESSAGE),
            " if at its last message, or with ",
            Option("round_end"),
            " a deadline in seconds or a column",
        )
    if not known.any(axis=1).all() and ends is last:
        row = int(np.argmin(counts))
        raise UnusableFile(
            f"nobody was heard in round {name_at(names, row)}, so that no message says when it "
            "stopped listening: leave the round out, or say with ",
            Option("round_end"),
            " a deadline in seconds or a column",
        )
    return _checked(ends, last, names, source), source, assumed


def _checked(ends: FloatArray, last: FloatArray, names: Names, source: str) -> FloatArray:
    """The ends, at least as late as the last message of each round. Raises UnusableFile: an end is
    no time, or earlier than a message by more than rounding explains."""
    wrong = ~np.isfinite(ends) | (ends < 0)
    if wrong.any():
        row = int(np.argmax(wrong))
        raise UnusableFile(
            f"round {name_at(names, row)} stopped listening after {ends[row]:g} s, as {source} "
            "says; valid: seconds >= 0"
        )
    early = ends < last - ROUNDING_SECONDS
    if early.any():
        row = int(np.argmax(early))
        more = int(early.sum()) - 1
        raise UnusableFile(
            f"a message of round {name_at(names, row)} came after {last[row]:.6g} s, and {source} "
            f"says that it stopped listening after {ends[row]:.6g} s"
            f"{f', and so in {more} more rounds' if more else ''}: ",
            Option("round_end", LAST_MESSAGE),
            " takes the last message",
        )
    return np.maximum(ends, last)


def _is_first_round(options: Reading) -> bool:
    """Whether the first row that counts is the first round, in which nobody begins late. Raises
    UnusableFile: rows are left out between others, so that nobody knows who began late."""
    if options.rows is None or re.fullmatch(r"0?1?:\d*(:1)?", options.rows):
        return True
    bounds = options.rows.rpartition("=")[2].split(":")
    if len(bounds) == 3 and bounds[2] != "1":
        raise UnusableFile(
            Option("late_work", "queued"),
            " needs successive rounds: who was late in a round that ",
            Option("rows", options.rows),
            " leaves out is not known; valid: A:B",
        )
    return len(bounds) == 1  # COLUMN=VALUE is a run from its beginning
