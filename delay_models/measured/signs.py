"""Signs in the numbers of a measured table, which change nothing in how it is read: that times
include the wait for the slowest worker (docs/traces.md), and that units are mixed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ...sim.base.errors import EMPTY_MESSAGE, Message, Option
from ..base import FloatArray

ROUNDS_PER_SUM = 10  # whose differences are added up
Sign = Literal["alike", "carried", ""]


def waiting(
    table: FloatArray,
    most: int = 1000,
    fewest: int = 20,
    next_round: float = -0.25,
    rhythm: float = 0.4,
) -> Sign:
    """Whether ``(T, n)`` seconds include the wait for the slowest worker of each round: ``alike``
    (or equal workers), ``carried``; empty: they need not. Only rounds with all workers count.
    ``most`` rounds, and workers, are looked at: of more, the first rounds, and workers at equal
    distances. ``fewest`` differences of workers, (n - 1) times rounds, can tell. Up to a
    correlation with the ``next_round`` a wait ends there; from one with rounds further on, workers
    take turns at being slow, in a ``rhythm``, which cancels in sums as well."""
    sample = table[:most, :: -(-table.shape[1] // most)]
    sample = sample[np.isfinite(sample).all(axis=1)]
    sample = sample[np.median(sample, axis=1) > 0]
    # One round is explained whole by the workers' factors.
    if (sample.shape[1] - 1) * len(sample) < fewest or len(sample) < 2:
        return ""
    if look_alike(sample):
        return "alike"
    ratio, largest = carried(sample)
    if ratio > largest:
        return ""
    # Correlations of differences from the round's mean with those 1 to ``ROUNDS_PER_SUM``
    # rounds before.
    beyond = sample - sample.mean(axis=1, keepdims=True)
    square = float(np.square(beyond).mean())
    lags = range(1, ROUNDS_PER_SUM + 1)
    before, *earlier = (float(np.mean(beyond[lag:] * beyond[:-lag])) / square for lag in lags)
    return "carried" if before <= next_round and max(earlier) < rhythm else ""


def left_out_rounds(table: FloatArray, left_out: NDArray[np.bool_]) -> str:
    """What leaving rounds out of ``(R, n)`` seconds may do, where a delay that is missing is 0, NaN
    or infinite: by how much the other delays of these ``(R,)`` rounds differ from those that
    stay."""
    known = np.isfinite(table) & (table > 0)
    others = table[left_out][known[left_out]]
    staying = table[~left_out][known[~left_out]]
    rounds = "this round may be a slow one" if left_out.sum() == 1 else "these may be the slow ones"
    what = f"{rounds}, since what is missing may be what was late"
    if not others.size or not staying.size:
        return f"{what}; no other delay of {'it' if left_out.sum() == 1 else 'them'} is known"
    times = float(np.median(others)) / float(np.median(staying))
    whose = "its" if left_out.sum() == 1 else "their"
    return f"{what}; {whose} other delays are typically {times:.3g} times those of whole rounds"


def look_alike(
    table: FloatArray, offset: float = 0.03, equal: float = 1e-3, nearly: float = 1e-2
) -> bool:
    """Whether the workers of ``(T, n)`` seconds > 0 take equally long in each round, but for a
    factor of each that is near 1 in all rounds: ranks that wait for each other may differ by this
    ``offset`` for good, by clocks and by what waiting takes. They are ``equal`` up to this
    ``relative_spread`` in a typical round, and ``nearly`` so in nine of ten: a coarse clock hides
    what is less than a tick."""
    factors = np.median(table / np.median(table, axis=1, keepdims=True), axis=0)
    if np.abs(factors - 1).max() > offset:
        return False
    own = table / factors
    apart, (rounds, n) = relative_spread(own), table.shape
    if apart > 2.5e-3 or relative_spread(own, 0.9) > nearly:
        return False
    means = own.mean(axis=1)
    within = float(np.square(own - means[:, None]).sum()) / max((rounds - 1) * (n - 1), 1)
    # With a coarse clock they are alike if rounds differ by nine times what independent workers
    # would make of it: own times of equal machines come as near as 3e-3.
    return apart <= equal or n * float(means.var(ddof=1)) > 9.0 * within


def awaited(table: FloatArray, chance: float = 0.03) -> int | None:
    """The worker whom the others of ``(T, n)`` seconds > 0, which include waiting, probably wait
    for: it alone does not have what waiting costs, so its times are the shortest, by more than the
    others differ. ``None``: some worker would have such an offset by ``chance``.
    Source: Grubbs, Ann. Math. Statist. 21 (1950), the outlier of a normal sample."""
    from scipy import special  # slow to import, and only tables need it

    offsets = (table / np.median(table, axis=1, keepdims=True)).mean(axis=0)
    n, first = len(offsets), int(np.argmin(offsets))
    others = np.delete(offsets, first)
    if n < 4 or (deviation := float(others.std(ddof=1))) <= 0:
        return None
    beyond = (others.mean() - offsets[first]) / (deviation * np.sqrt(1 + 1 / (n - 1)))
    return first if n * special.stdtr(n - 2, -beyond) <= chance else None


def relative_spread(table: FloatArray, share: float = 0.5) -> float:
    """Standard deviation over median of a round's workers, of ``(T, n)`` seconds > 0: as large as
    in the typical round, or as this share of them has at most."""
    return float(np.quantile(table.std(axis=1, ddof=1) / np.median(table, axis=1), share))


def carried(table: FloatArray, largest: float = 0.5) -> tuple[float, float]:
    """How far differences of ``(T, n)`` seconds from the round's mean are made up for within blocks
    of rounds, and the largest ratio that chance does not make, at most ``largest``; 0 for fewer
    than two blocks. The squared sums over blocks, over the sum of squares: 1 for independent times,
    more for lasting differences, and about 1 / ``ROUNDS_PER_SUM`` where a wait that begins late
    ends as much earlier."""
    from scipy import special  # slow to import, and only tables need it

    blocks, n = len(table) // ROUNDS_PER_SUM, table.shape[1]
    if blocks < 2:
        return 1.0, 0.0
    whole = table[: blocks * ROUNDS_PER_SUM]
    beyond = whole - whole.mean(axis=1, keepdims=True)
    squares = float(np.square(beyond).sum())
    sums = beyond.reshape(blocks, ROUNDS_PER_SUM, n).sum(axis=1)
    freedom = (n - 1) * blocks
    by_chance = 2 * float(special.gammaincinv(freedom / 2, 1e-3)) / freedom
    ratio = float(np.square(sums).sum()) / squares if squares > 0 else 1.0
    return ratio, min(largest, by_chance)


def known_above(rounds: int, workers: int) -> float:
    """Where a worker's own law is known from so many maxima of workers that are alike: above this
    value of its distribution function, that of the smallest maximum."""
    return float(rounds ** (-1 / workers))


def waiting_note(table: FloatArray, column: str = "", by_stage: bool = False) -> Message:
    """What to know of a table that includes the wait, a line; empty: it need not. ``column`` looks
    like the time of an all-reduce; ``by_stage``: stages are named, and tell who is slow."""
    sign = waiting(table)
    if not sign:
        return EMPTY_MESSAGE
    unless = ", unless the workers are equal" if sign == "alike" else ""
    text = f"these times include waiting for the slowest (all ranks look alike){unless}"
    if by_stage:
        return Message(f"{text}: who is slow is told by stage")
    share = 100 * known_above(*table.shape)
    return Message(
        f"{text}: only the law of the maximum can be known from them (and, of workers that are "
        f"alike, their own above its {share:.3g} % quantile); own times need an all-reduce column "
        "(",
        Option("columns", {"allreduce": column or "..."}),
        ") or profiler traces",
    )


# Signs that a table is not in seconds throughout are warnings, not errors: a worker may really be
# 300 times slower than another.

MAX_MEDIAN_RATIO = 200.0  # more looks like two units: ms are 1000 to the second
MIXED = "mixed units (milliseconds among seconds)?"


def unit_warnings(
    tables: Mapping[float | None, FloatArray], hosts: Sequence[str] | None = None
) -> list[str]:
    """One line for each implausible ratio in ``{load: (rounds, workers) seconds}``; infinite delays
    do not count. Without hosts, workers are named by their numbers."""
    lines: list[str] = []
    for load, table in tables.items():
        where = "" if load is None else f" at load {load:g}"
        before = len(lines)
        for axis, what in ((0, "worker"), (1, "round")):
            lines += _apart(median_of(table, axis), what, where, hosts if axis == 0 else None)
        middle = float(median_of(table))
        if len(lines) == before and middle > 0:
            lines += _cells(table, middle, where)
        if zeros := int(np.count_nonzero(table == 0)):
            lines.append(f"{zeros} delays{where} are exactly 0 s: were they measured?")
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


def _apart(medians: FloatArray, what: str, where: str, names: Sequence[str] | None) -> list[str]:
    medians = np.where(np.isfinite(medians), medians, 0.0)
    low, high = int(np.argmin(medians)), int(np.argmax(medians))
    if medians[low] <= 0 or medians[high] / medians[low] <= MAX_MEDIAN_RATIO:
        return []
    label, times = names or [str(i) for i in range(len(medians))], medians[high] / medians[low]
    text = f"the median of {what} {label[high]}{where} is {times:.0f} times that of {what}"
    return [f"{text} {label[low]}: {MIXED}"]


def _cells(table: FloatArray, middle: float, where: str) -> Iterator[str]:
    over = (table > MAX_MEDIAN_RATIO * middle) & np.isfinite(table)
    under = (table > 0) & (table < middle / MAX_MEDIAN_RATIO)
    for far, text in ((over, "over "), (under, "under 1/")):
        if far.any():
            ratio = float(np.median(table[far])) / middle
            many = f"{int(far.sum())} delays{where} are {text}{MAX_MEDIAN_RATIO:.0f} times"
            yield f"{many} the median (typically {ratio:.3g} times): {MIXED}"
