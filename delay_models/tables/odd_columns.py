"""Columns that are, by their numbers, something else than a worker's delays.

A maximum, a loss or a temperature beside the workers would be the slowest of all, and a row of
totals the slowest round. So nothing of that kind is read without a word: it is refused with the
options that settle it, ``--drop`` or ``--keep`` of columns, ``--rows`` of rows. What may well be
genuine, such as a warm-up, is said. A genuine table must not be refused: a finding counts only if
chance makes it in less than one table of a thousand, as far as the digits of the numbers say."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ...sim.files import UnusableFile, short
from ..base import FloatArray

Flags = NDArray[np.bool_]
BY_CHANCE = 1e-3  # of a finding in a table of independent delays, at most
SAMPLE = 48  # rows that a pattern is first looked for in
MANY, EDGE = 96, 8  # columns whose neighbours are looked at; of more, so many at either edge
MOST_COLUMNS = 2000  # columns from which on only counts and clocks are looked for
QUANTILES = {"median": 0.5, "25 % quantile": 0.25, "75 % quantile": 0.75}
QUANTILES |= {f"{share} % quantile": share / 100 for share in (5, 10, 90, 95, 99)}

MOST_DERIVED = 12  # columns that are made from others, at most
FAR, FARTHER = 30.0, 100.0  # times all others, of three columns or more and of two: another kind
STEADY = 8.0  # times as large as the median worker, if it varies much less than the others do
FEWEST = 3  # different numbers that a column has in many rows, and no worker among others with many
TRENDS = 0.9  # share of steps in one direction that no worker's delays have
Finding = tuple[int, str]  # the place of a column, and what its numbers are


@np.errstate(all="ignore")  # of damaged tables: what is infinite or no number is no finding
def odd_columns(table: FloatArray) -> list[Finding]:
    """Columns of ``(rounds, n)`` numbers that are no worker's delays, in order."""
    rows, n = table.shape
    if rows < 3 or not 2 <= n <= MOST_COLUMNS or not np.isfinite(table).all():
        return []
    found: dict[int, str] = dict(_copies(table))
    for look in (_constant, _few_values, _whole, _trends, _sizes):
        for place, text in look(table):
            found.setdefault(place, text)
    found = _with_derived(table, found)
    return sorted(found.items()) if len(found) < n else []


@np.errstate(all="ignore")
def derived_worker(table: FloatArray) -> list[Finding]:
    """Columns that are made from the others: a worker of a long table that is a summary."""
    rows, n = table.shape
    if rows < 3 or not 3 <= n <= MOST_COLUMNS or not np.isfinite(table).all():
        return []
    found = _with_derived(table, dict(_copies(table)))
    return sorted(found.items()) if len(found) < n - 1 else []


def _with_derived(table: FloatArray, found: dict[int, str]) -> dict[int, str]:
    for _ in range(MOST_DERIVED):
        left = np.array([place for place in range(table.shape[1]) if place not in found])
        derived = [*_derived(table[:, left])] if len(left) > 2 else []
        if not derived:
            break
        # A mean beside a sum is the mean of the others once the sum is known.
        for place, text in derived:
            head, copy, other = text.partition("is a copy of column ")
            if number := re.match(r"\d+", other):  # counted among those that are left
                text = f"{head}{copy}{left[int(number[0])]}{other[number.end() :]}"
            found[int(left[place])] = text
    return found


def resolutions(table: FloatArray) -> FloatArray:
    """Of each column: the largest power of ten of which all its numbers are multiples."""
    scale = np.max(np.abs(table), axis=0)
    found = np.where(scale > 0, 1e-9 * scale, 1.0)
    open_ = scale > 0
    for digits in range(-6, 10):
        unit = 10.0**-digits
        places = (open_ & (unit <= scale * 1.01)).nonzero()[0]
        if not len(places):
            continue
        ticks = table[:, places] / unit
        whole = places[(np.abs(ticks - np.rint(ticks)) < 1e-6).all(axis=0)]
        found[whole], open_[whole] = unit, False
    return found


def _by_chance(
    differences: FloatArray, shuffled: FloatArray, tolerance: float, tried: int, noise: float = 0.0
) -> bool:
    """Whether differences that are all alike may be so by chance: others of the same numbers are as
    often as ``shuffled`` ones, their spread, or other columns' ``noise`` lets them be."""
    close = np.abs(shuffled - np.median(differences)) <= tolerance
    spread = float(np.ptp(shuffled))
    share = max(float(np.mean(close)), 2 * tolerance / spread if spread > 0 else 1.0)
    share = min(1.0, max(share, 2 * tolerance / noise if noise > 0 else 0.0))
    return tried * share ** (len(differences) - 1) > BY_CHANCE


def _pairs(one: FloatArray, other: FloatArray) -> FloatArray:
    return (one[:, None] - other[None, :])[~np.eye(len(one), dtype=bool)]


def twins(table: FloatArray) -> list[tuple[int, int]]:
    """Columns that repeat an earlier one, and which."""
    first: dict[bytes, int] = {}
    pairs = [(place, first.setdefault(c.tobytes(), place)) for place, c in enumerate(table.T)]
    return [(place, other) for place, other in pairs if other != place]


def _copies(table: FloatArray) -> Iterator[Finding]:
    """Columns that repeat an earlier one. Where most do, workers wait for each other."""
    n, found = table.shape[1], twins(table)
    if n == 2 or 2 * len(found) > n:
        return
    for place, other in found:
        sample = table[:SAMPLE]
        alike = np.mean(sample == sample[:, [place]], axis=0)
        usual = float(np.median(np.delete(alike, [place, other])))
        pairs = _pairs(sample[:, place], sample[:, place])
        chance = usual ** len(sample) * n**2 > BY_CHANCE
        if not chance and not _by_chance(np.zeros(len(sample)), pairs, 0.0, n**2):
            yield place, f"is a copy of column {other}"


def _derived(table: FloatArray) -> Iterator[Finding]:
    """Columns that are the maximum, the mean, the sum, ... of others, or that plus a constant."""
    rows, n = table.shape
    sample = table[np.unique(np.linspace(0, rows - 1, min(rows, SAMPLE)).astype(int))]
    tolerances = 1.001 * resolutions(sample)
    tried = n * (4 * n + 3) * (5 + len(QUANTILES))
    found: dict[int, str] = {}

    made_by_others = _of_others(sample)
    # Where workers wait for each other, all are alike but for this.
    noise = float(np.median(np.ptp(sample - made_by_others["mean of the others"], axis=0)))

    def judge(place: int, name: str, made: FloatArray) -> None:
        column, tolerance = sample[:, place], float(tolerances[place])
        gap = column - made
        if place in found or np.ptp(gap) > tolerance:
            return
        if not _by_chance(gap, _pairs(column, made), tolerance, tried, noise):
            constant = float(np.median(gap))
            plus = "" if abs(constant) <= tolerance else f" plus {constant:.4g}"
            # If one worker is always the slowest, it and the maximum differ by a constant.
            same = np.ptp(sample - column[:, None], axis=0) <= tolerance
            same[place] = False
            found[place] = f"is in every row the {name}{plus}"
            if same.any():
                found[place] = f"is a copy of column {int(np.argmax(same))}{plus}"

    for name, made in made_by_others.items():
        for hit in np.flatnonzero(np.ptp(sample - made, axis=0) <= tolerances):
            judge(int(hit), name, made[:, hit])
    if np.all(sample > 0):
        found = dict(_multiples(sample, made_by_others, tolerances, tried)) | found
    for place in range(n) if n <= MANY else [*range(EDGE), *range(n - EDGE, n)]:
        if place not in found:
            for name, made in _of_neighbours(sample, place, float(tolerances[place])):
                judge(place, name, made)
    # Where workers wait for each other, each is the mean of the others but for a tick of the clock.
    if found and 3 * len(found) <= 2 * n:
        # A worker that is always the slowest is the maximum, too: first what stands outermost.
        place = max(found, key=lambda each: (abs(each - (n - 1) / 2), each))
        yield place, found[place]


def _multiples(
    sample: FloatArray, made_by_others: dict[str, FloatArray], tolerances: FloatArray, tried: int
) -> Iterator[Finding]:
    """Columns that are a multiple of what the others make, or a number divided by that."""
    logs = np.log(sample)
    near = tolerances / sample.min(axis=0)
    noise = float(np.median(np.ptp(logs - np.log(made_by_others["mean of the others"]), axis=0)))
    for name in ("maximum", "mean", "sum", "minimum"):
        made = np.log(made_by_others[f"{name} of the others"])
        for sign, said in ((1, "times"), (-1, "over")):
            gaps = logs - sign * made
            for place in np.flatnonzero(np.ptp(gaps, axis=0) <= 2 * near):
                pairs = _pairs(logs[:, place], sign * made[:, place])
                if not _by_chance(gaps[:, place], pairs, 2 * float(near[place]), tried, noise):
                    times = f"{float(np.exp(np.median(gaps[:, place]))):.4g} {said}"
                    yield int(place), f"is in every row {times} the {name} of the others"


def _of_others(table: FloatArray) -> dict[str, FloatArray]:
    """Of each column what the others make, ``(rows, n)`` each."""
    n = table.shape[1]
    order = np.argsort(table, axis=1, kind="stable")
    rank = np.empty_like(order)
    np.put_along_axis(rank, order, np.broadcast_to(np.arange(n), table.shape), axis=1)
    ascending = np.take_along_axis(table, order, axis=1)

    def of_rank(place: int) -> FloatArray:
        """Which of the others stands there, when they are sorted."""
        low, high = ascending[:, [place]], ascending[:, [min(place + 1, n - 1)]]
        return np.where(rank > place, low, high)

    total = table.sum(axis=1, keepdims=True) - table
    found = {"maximum of the others": of_rank(n - 2), "minimum of the others": of_rank(0)}
    found |= {"sum of the others": total, "mean of the others": total / (n - 1)}
    for name, share in QUANTILES.items():
        place = share * (n - 2)
        low, high = of_rank(math.floor(place)), of_rank(math.ceil(place))
        found[f"{name} of the others"] = low + (high - low) * (place - math.floor(place))
    return found


def _of_neighbours(
    table: FloatArray, place: int, tolerance: float
) -> Iterator[tuple[str, FloatArray]]:
    """What the columns just before, or behind, a column make, two of them or more."""
    before, behind, others = table[:, :place], table[:, place + 1 :], np.delete(table, place, 1)
    groups = (
        *((before[:, ::-1], "columns before it"), (behind, "columns behind it")),
        *((others, "first columns"), (others[:, ::-1], "last columns")),
    )
    column = table[:, [place]]
    for group, where in groups:
        if group.shape[1] < 2:
            continue
        total = np.cumsum(group, axis=1)
        ways: dict[str, FloatArray] = {
            "maximum": np.maximum.accumulate(group, axis=1),
            "minimum": np.minimum.accumulate(group, axis=1),
            "sum": total,
            "mean": total / np.arange(1, group.shape[1] + 1),
        }
        for name, made in ways.items():
            alike = np.ptp(column - made, axis=0) <= tolerance
            alike[0] = False
            for size in np.flatnonzero(alike)[::-1][:1]:
                yield f"{name} of the {size + 1} {where}", made[:, size]
        if group.shape[1] < others.shape[1]:
            for name, share in QUANTILES.items():
                yield f"{name} of the {where}", np.quantile(group, share, axis=1)


def _constant(table: FloatArray) -> Iterator[Finding]:
    rows, n = table.shape
    still = np.ptp(table, axis=0) == 0
    if not still.any() or 2 * still.sum() >= n + (n == 2):
        return
    commonest = [np.unique(column, return_counts=True)[1].max() for column in table[:, ~still].T]
    if n * float(np.median(commonest) / rows) ** (rows - 1) < BY_CHANCE:
        for place in np.flatnonzero(still):
            yield int(place), f"is {table[0, place]:.6g} in every row"


def _few_values(table: FloatArray) -> Iterator[Finding]:
    rows, n = table.shape
    if rows < 12:
        return
    counts = 1 + np.count_nonzero(np.diff(np.sort(table, axis=0), axis=0), axis=0)
    few = (counts > 1) & (counts <= FEWEST)
    if few.any() and 2 * few.sum() <= n and counts[~few].min() >= rows / 3:
        for place in np.flatnonzero(few):
            values = ", ".join(f"{value:.6g}" for value in np.unique(table[:, place]))
            yield int(place), f"is only ever {values}"


def _whole(table: FloatArray) -> Iterator[Finding]:
    rows, n = table.shape
    whole = table == np.round(table)
    columns = whole.all(axis=0)
    if columns.any() and 2 * columns.sum() <= n:
        others = whole[:, ~columns]
        if n * ((1 + others.sum()) / (1 + others.size)) ** rows < BY_CHANCE:
            for place in np.flatnonzero(columns):
                yield int(place), "holds whole numbers, the others fractions"
    broken = (~whole).mean(axis=0) > 0.5
    if n > 2 and rows > 3 and broken.any() and 2 * broken.sum() < n and columns[~broken].all():
        for place in np.flatnonzero(broken):
            yield int(place), "holds fractions, the others whole numbers"


def _trends(table: FloatArray) -> Iterator[Finding]:
    rows, n = table.shape
    if rows < 10:
        return
    steps = np.diff(table, axis=0)
    up, down = np.mean(steps > 0, axis=0), np.mean(steps < 0, axis=0)
    enough = 1.0 if rows < 16 else TRENDS
    moving = (up >= enough) | (down >= enough)
    always = (up == 1) | (down == 1)
    if rows >= 20:
        spread = table.std(axis=0)
        line = np.arange(rows) - (rows - 1) / 2
        slope = (line @ table) / (rows * line.std() * spread)
        slope[spread < 1e-9 * np.abs(table).max(axis=0)] = 0.0
        moving |= np.abs(np.nan_to_num(slope)) > 0.97
    counted = moving if 2 * moving.sum() < n + (n == 2) else always
    if not counted.all():
        for place in np.flatnonzero(counted):
            way = "grows" if steps[:, place].sum() > 0 else "falls"
            yield int(place), f"{way} in nearly every row"


def all_grow(table: FloatArray) -> bool:
    """Whether every column grows in nearly every row, perhaps beginning again: clocks."""
    if len(table) < 16 or table.shape[1] < 2 or not np.isfinite(table).all():
        return False
    steps = np.diff(table, axis=0)
    return bool(np.all(np.mean(steps > 0, axis=0) >= 0.85) and np.all(np.ptp(table, axis=0) > 0))


def _sizes(table: FloatArray) -> Iterator[Finding]:
    """Columns of another order of magnitude than all others, in both directions."""
    rows, n = table.shape
    middle = np.median(table, axis=0)
    if np.any(middle <= 0) or rows < 3:
        return
    widths = np.ptp(np.quantile(table, [0.25, 0.75], axis=0), axis=0) / middle
    order = np.argsort(middle, kind="stable")
    ratios = middle[order[1:]] / middle[order[:-1]]
    gap = int(np.argmax(ratios))
    low, high = order[: gap + 1], order[gap + 1 :]
    few = low if len(low) < len(high) else high
    far = np.zeros(n, bool)
    if ratios[gap] >= (FAR if n > 2 else FARTHER) and 2 * len(few) < n + (n == 2):
        far[few] = True
    else:
        away = np.exp(np.abs(np.log(middle / np.median(middle)))) >= STEADY
        if n > 3 and away.any() and 2 * away.sum() < n:
            far = away & (5 * widths < widths[~away].min())
    ends = dict.fromkeys(f"{end:.3g}" for end in (middle[~far].min(), middle[~far].max()))
    for place in np.flatnonzero(far):
        yield int(place), f"is typically {middle[place]:.4g}, the others {' to '.join(ends)}"


def require_columns(found: Sequence[Finding], names: Sequence[str], kind: str) -> None:
    """Refuse columns, or workers of a long table (``kind``); UnusableFile names the options."""
    if not found:
        return
    place, text = found[0]
    head, copy, other = text.partition("is a copy of column ")
    number = re.match(r"\d+", other)
    like = short(names[int(number[0])]) if number else ""
    what = f"{head}{copy.replace('column', kind)}{like}{other.lstrip('0123456789')}"
    listed = ",".join(names[each] for each, _ in found)
    either = f" or --drop {as_word(like)}" if like and len(found) == 1 else ""
    more = f", and {len(found) - 1} more like it" if len(found) > 1 else ""
    raise UnusableFile(
        f"{kind} {short(names[place])} {what}{more}, no worker's delays: --drop {as_word(listed)}"
        f"{either}, or --keep {as_word(listed)} if it is a worker's"
    )


def as_word(listed: str) -> str:
    """Names for an option, ready for a shell."""
    return listed if re.fullmatch(r"[\w,.\-]{1,200}", listed) else shlex.quote(short(listed))
