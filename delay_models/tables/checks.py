"""What numbers are checked for, and never more than that: that a column does not count, that times
are as long as their unit lets expect, and that they do not only grow. Nothing here decides what a
column is."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

import numpy as np
from numpy.typing import NDArray

from ...sim.files import UnusableFile, short
from ..base import FloatArray

MAX_SECONDS_WITHOUT_UNIT = 100.0  # times that are typically larger are rather ms
MIN_ROUNDS_OF_CLOCK = 10  # from which on times that only grow are moments


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
        name = names[int(np.argmax(counts))]
        head = ", ".join(f"{number:.15g}" for number in table[:3, int(np.argmax(counts))])
        text = f"column {short(name)} counts up ({head}, ...), as the number of a round does"
        raise UnusableFile(
            f"{text}: say --columns {quote(f'round={name}')}; or --keep {quote(name)} if not"
        )


def require_durations(name: str, table: FloatArray) -> None:
    """Refuse (UnusableFile) ``(rounds, n)`` seconds that say when, not how long: they are beyond
    all durations, or grow in each of ten rounds or more for all of several workers."""
    with np.errstate(invalid="ignore"):
        steps = np.diff(table, axis=0)
        # No call takes 1e8 seconds, three years, and since 1970 there have been more.
        late = (table > 1e8).all(axis=0) & (steps >= 0).all(axis=0) & (len(table) > 1)
    grow = len(table) >= MIN_ROUNDS_OF_CLOCK and table.shape[1] > 1 and bool((steps > 0).all())
    if grow or late.any():
        how = "grows from round to round for every worker" if grow else "holds dates"
        text = f"{name} {how}: a clock? Give a start and an end (--columns start=...,end=...)"
        raise UnusableFile(f"{text}, or --columns seconds=... if it is how long each call took")


def typical_seconds(where: str, seen: FloatArray, also: str = "") -> float:
    """The typical one of times without a unit, perhaps with NaN or infinities. Raises UnusableFile:
    as seconds they would be absurd for training; ``also`` ends the line."""
    finite = seen[np.isfinite(seen)]
    middle = float(np.median(finite)) if finite.size else 0.0
    whole = bool(np.any(finite) and not np.any(np.mod(finite, 1)))
    # A few small whole numbers may be seconds, and so may be equal ones.
    whole = whole and (bool(finite.size >= 8 and np.ptp(finite) > 0) or middle >= 10)
    if middle >= MAX_SECONDS_WITHOUT_UNIT or whole:
        numbers = "all whole numbers, " if whole else ""
        text = f"{where} says no unit and is {numbers}typically {middle:.6g}"
        raise UnusableFile(f"{text}: say with --unit what they are, s, ms, us or ns{also}")
    return middle
