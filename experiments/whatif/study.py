"""Everything that is asked of one table, in numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from ...delay_models.base import FloatArray
from . import changes
from .changes import Change
from .effects import worker_factors
from .hosts import MOST, slow_alone, standing_out, waits
from .intervals import Blocks, blocks
from .rows import round_medians
from .slowdown import slowdown
from .slowest import Slowest, slowest

BoolArray = NDArray[np.bool_]

HOURS = 24.0

JUDGED = 50
"""Hosts, those to blame most, for which an interval is told; it takes a thousand means each."""


@dataclass(frozen=True)
class Estimate:
    """A mean over rounds, seconds, with a 95 % interval; NaN ends where there is one round."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Saving:
    """What a change saves.

    Attributes:
        kind, count, hosts, quantile, timeout: as ``Change`` has them.
        seconds: mean time of a round after it.
        saved: seconds a round; negative where rounds get longer.
        share: of the job's time.
        ended: of the rounds that never end as measured, how many end after it.
    """

    kind: str
    count: int
    hosts: tuple[int, ...]
    quantile: float
    timeout: float
    seconds: float
    saved: Estimate
    share: Estimate
    ended: int

    @property
    def hours(self) -> Estimate:
        """Hours that a day's work takes less."""
        return Estimate(*(HOURS * x for x in (self.share.value, self.share.low, self.share.high)))


@dataclass(frozen=True, eq=False)
class Host:
    """Numbers of every host, ``(n,)`` each.

    Attributes:
        factor: how many times slower than the median host, in what lasts (``worker_factors``).
        ends: share of the rounds that it ends.
        blame: seconds a round that it makes others wait (``waits``).
        alone: seconds a round that a median host in its place saves.
        low, high: the interval of ``alone``; NaN beyond the ``JUDGED`` first.
        order: all hosts, in the order in which they are replaced or dropped.
        standing: those that stand out from chance, which come first in ``order``.
    """

    factor: FloatArray
    ends: FloatArray
    blame: FloatArray
    alone: FloatArray
    low: FloatArray
    high: FloatArray
    order: tuple[int, ...]
    standing: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Study:
    """What was found in the rounds of one load.

    Attributes:
        load: or ``None``.
        names: of the hosts.
        table: ``(R, n)`` seconds, the rounds in which all arrive.
        missing: ``(R', n)`` bool, who never arrived in each of the other rounds.
        seconds: mean time of a round: its slowest worker.
        typical: m, the median over rounds of the round's median.
        median: the mean over rounds of it.
        waiting: share of the workers' time that they wait for the slowest.
        parts: seconds a round beyond m, by cause; they add up to ``seconds - typical``.
        host: of each host.
        savings: one per change.
        block: rounds in a block of the bootstrap.
        blocks: how many there are.
    """

    load: float | None
    names: tuple[str, ...]
    table: FloatArray
    missing: BoolArray
    seconds: float
    typical: float
    median: float
    waiting: float
    parts: dict[str, Estimate]
    host: Host
    savings: tuple[Saving, ...]
    block: int
    blocks: int

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return int(self.table.shape[1])

    @property
    def slowdown(self) -> float:
        """How many times longer a round takes than if every task took ``typical``."""
        return self.seconds / self.typical

    def saving(self, kind: str, count: int = 0) -> Saving:
        """The saving of one change, the first of its kind and count."""
        return next(s for s in self.savings if (s.kind, s.count) == (kind, count))


def study(
    table: FloatArray,
    names: Sequence[str],
    load: float | None = None,
    counts: Sequence[int] | None = None,
    quantiles: Sequence[float] = (0.95, 0.99),
) -> Study:
    """Ask everything of one table.

    Args:
        table: ``(rounds, n)`` seconds, infinite where a worker never arrived; in some round all
            arrive, and no round's or worker's median is 0.
        names: of the hosts.
        load: of the table.
        counts: how many hosts are replaced, dropped or not waited for; each below n.
        quantiles: time-outs.

    Cost: a sort of every round, and four times the table's memory at most.
    """
    whole = np.isfinite(table).all(axis=1)
    missing = ~np.isfinite(table[~whole])
    table = table if whole.all() else table[whole]
    asked = changes.default_counts(table.shape[1]) if counts is None else counts
    medians = round_medians(table)
    found = slowest(table, max([MOST, *asked]) + 2)
    factors = worker_factors(table, medians)
    slow = slowdown(table, medians, factors)
    blame = waits(table, medians)
    alone, ends = slow_alone(found)
    grouped = blocks(_series(found, blame, medians))
    standing = standing_out(found, blame, grouped.of_rounds)
    others = np.argsort(-blame, kind="stable")
    others = others[~np.isin(others, standing)]
    order = (*standing, *others.tolist())
    low, high = _alone_intervals(found, alone, grouped)
    host = Host(factors, ends, blame, alone, low, high, order, tuple(standing))
    tried = chain(
        changes.of_causes(slow),
        changes.of_hosts(found, order, sorted({*asked, *range(1, len(standing) + 1)})),
        changes.of_timeouts(table, medians, quantiles),
    )
    judge = _Judge(slow.real, grouped, missing)
    parts = {cause: judge.estimate(part) for cause, part in slow.parts().items()}
    seconds = float(slow.real.mean())
    return Study(
        load,
        tuple(names),
        table,
        missing,
        seconds,
        slow.typical,
        float(medians.mean()),
        1 - float(table.mean()) / seconds,
        parts,
        host,
        tuple(map(judge.saving, tried)),
        grouped.length,
        grouped.count,
    )


def _series(found: Slowest, blame: FloatArray, medians: FloatArray) -> Iterator[FloatArray]:
    """What the blocks must be long enough for: rounds as a whole, and the worst hosts' spells."""
    first, worker, second = found.without(())
    yield first
    yield medians
    yield first - second
    for host in np.argsort(-blame, kind="stable")[:3]:
        yield np.where(worker == host, first - second, 0.0)


def _alone_intervals(
    found: Slowest, alone: FloatArray, grouped: Blocks
) -> tuple[FloatArray, FloatArray]:
    """Intervals of what the costliest hosts cost alone, ``(n,)`` each."""
    low, high = np.full_like(alone, np.nan), np.full_like(alone, np.nan)
    first, worker, second = found.without(())
    for host in np.argsort(-alone, kind="stable")[:JUDGED] if found.of > 1 else ():
        series = np.where(worker == host, first - second, 0.0)
        low[host], high[host] = grouped.interval(float(alone[host]), grouped.means(series))
    return low, high


class _Judge:
    """Compares changed rounds with those that were measured."""

    def __init__(self, real: FloatArray, grouped: Blocks, missing: BoolArray) -> None:
        self._real, self._grouped, self._missing = real, grouped, missing
        self._base = grouped.means(real)

    def estimate(self, series: FloatArray) -> Estimate:
        """Of the mean of ``(R,)`` seconds."""
        value = float(series.mean())
        return Estimate(value, *self._grouped.interval(value, self._grouped.means(series)))

    def saving(self, change: Change) -> Saving:
        """What a change saves."""
        saved = self._real - change.seconds
        value, seconds = float(saved.mean()), float(self._real.mean())
        resampled = self._grouped.means(saved)
        interval = self._grouped.interval
        return Saving(
            change.kind,
            change.count,
            change.hosts,
            change.quantile,
            change.timeout,
            float(change.seconds.mean()),
            Estimate(value, *interval(value, resampled)),
            Estimate(value / seconds, *interval(value / seconds, resampled / self._base)),
            self._ended(change),
        )

    def _ended(self, change: Change) -> int:
        """Of the rounds that never end, those that end after the change."""
        match change.kind:
            case changes.REPLACE | changes.DROP:
                left = np.delete(self._missing, change.hosts, axis=1)
                return int((~left.any(axis=1)).sum())
            case changes.WAIT:
                return int((self._missing.sum(axis=1) <= change.count).sum())
            case changes.BACKUP | changes.IDEAL | changes.MEDIAN_WORKER:
                return len(self._missing)
            case _:
                return 0
