"""What the end of every round costs: causes and changes. Only the slowest workers of a round decide
when it ends: a change is one pass over them (``Slowest``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from ....delay_models.base import FloatArray
from ..statistics.groups import Group
from ..statistics.job import Job, Slowest, pieces

ALONE = 3  # of those that stand out, hosts that are replaced alone, too
WORKERS, ROUNDS, REST = CAUSES = ("workers", "rounds", "rest")
IDEAL, MEDIAN_WORKER, WITHOUT = "ideal", "median of the round", "without"
GROUP = f"{WITHOUT} group"
REPLACE, DROP, WAIT, BACKUP = "replace", "drop", "wait for", "backup"
REBALANCE, REPLACE_AND_WAIT = "rebalance", "replace and wait"


@dataclass(frozen=True, eq=False)
class Slowdown:
    """A job's rounds, and those of the same job with one cause or several taken out. A delay is m,
    what the median worker takes in the median round, times the lasting factor a_j of its worker,
    times the factor b_t = (median of round t) / m of its round, times what is left. A cause is
    taken out by setting its factors to 1: eight jobs, down to the ideal, whose tasks all take m."""

    typical: float  # m, the median over rounds of the round's median
    jobs: Mapping[frozenset[str], FloatArray]  # ``(R,)`` seconds a round, by the causes left in

    @property
    def real(self) -> FloatArray:
        """``(R,)`` seconds that the slowest worker takes."""
        return self.jobs[frozenset(CAUSES)]

    def parts(self) -> dict[str, FloatArray]:
        """``(R,)`` seconds a round owes to each cause; together, real - m. Causes that are taken
        out later find less to save or more, so each part is the mean over the six orders of adding
        the three: their Shapley value, the one division that adds up and treats them alike."""
        parts = {cause: np.zeros(len(self.real)) for cause in CAUSES}
        for order in permutations(CAUSES):
            for index, cause in enumerate(order):
                before, after = (self.jobs[frozenset(order[:end])] for end in (index, index + 1))
                parts[cause] += (after - before) / 6
        return parts


def slowdown(table: FloatArray, medians: FloatArray, factors: FloatArray) -> Slowdown:
    """Of ``(R, n)`` seconds, with ``(R,)`` medians of the rounds and ``(n,)`` workers' factors."""
    pieces_alike = [(table[rows] / factors).max(axis=1) for rows in pieces(*table.shape)]
    real, alike, largest = table.max(axis=1), np.concatenate(pieces_alike), float(factors.max())
    m = float(np.median(medians))
    b = medians / m
    jobs = {
        (): np.full(len(b), m),
        (WORKERS,): np.full(len(b), m * largest),
        (ROUNDS,): medians,
        (REST,): alike / b,
        (WORKERS, ROUNDS): largest * medians,
        (WORKERS, REST): real / b,
        (ROUNDS, REST): alike,
        CAUSES: real,
    }
    return Slowdown(m, {frozenset(causes): seconds for causes, seconds in jobs.items()})


@dataclass(frozen=True, eq=False)
class Change:
    """A change, and the rounds after it."""

    kind: str  # one of the names above; ``without workers`` and so on for a cause of the slowdown
    seconds: FloatArray  # ``(R,)``, how long each round takes after it
    count: int = 0  # hosts that are replaced, dropped or not waited for; 0 for other kinds
    hosts: tuple[int, ...] = ()  # which, where they are the same in every round
    quantile: float = np.nan  # of a time-out; NaN for other kinds
    timeout: float = np.nan  # seconds; NaN for other kinds
    # ``(R, m)``, whom each round does not wait for; -1: it came at the instant that ends the round
    late: NDArray[np.int64] | None = None
    name: str = ""  # of a group that the table names

    @property
    def missed(self) -> float:
        """How many parts of the gradient a mean round goes without."""
        return 0.0 if self.late is None else np.count_nonzero(self.late >= 0) / len(self.late)

    def least_heard(self, workers: int) -> tuple[int, float]:
        """The worker that the fewest rounds wait for, and their share."""
        if self.late is None:
            return 0, 1.0
        missed = np.bincount(self.late[self.late >= 0], minlength=workers)
        worker = int(missed.argmax())
        return worker, float(1 - missed[worker] / len(self.late))


def of_causes(slow: Slowdown) -> Iterator[Change]:
    """The ideal, and the job without one of the three causes."""
    yield Change(IDEAL, slow.jobs[frozenset()])
    yield Change(MEDIAN_WORKER, slow.jobs[frozenset([ROUNDS])])
    for cause in CAUSES:
        yield Change(f"{WITHOUT} {cause}", slow.jobs[frozenset(CAUSES) - {cause}])


def of_groups(job: Job, groups: Sequence[Group]) -> Iterator[Change]:
    """Each group of hosts without what they share."""
    for group in groups:
        hosts = tuple(group.hosts.tolist())
        yield Change(GROUP, group.without(job), len(hosts), hosts, name=group.name)


def of_hosts(
    slowest: Slowest, order: Sequence[int], counts: Sequence[int], standing: int
) -> Iterator[Change]:
    """The first m hosts of an order replaced, and dropped; the slowest m of each round not awaited;
    the first ``standing``, who stand out, replaced, some each alone, or m and then n - 1 awaited.
    A median host in place of one is as fast as the median of the others in every round, so it is
    never the slowest: a round then ends with the slowest of the others. Dropped hosts leave their
    work to the others, whose times grow by n / (n - m), as under a proportional load law."""
    n = slowest.of
    for m in counts:
        gone = tuple(order[:m])
        longest, _, _ = slowest.without(gone)
        yield Change(REPLACE, longest, m, gone)
        yield Change(DROP, longest * (n / (n - m)), m, gone)
        for host in order[1 : min(standing, ALONE)] if m == 1 else ():
            yield Change(REPLACE, slowest.without((host,))[0], 1, (host,))
    for m in counts:
        ends = slowest.seconds[:, m]
        late = np.where(slowest.seconds[:, :m] > ends[:, None], slowest.workers[:, :m], -1)
        yield Change(WAIT, ends, m, late=late)
    for m in range(1, min(standing, n - 3) + 1):
        gone = tuple(order[:m])
        longest, late, ends = slowest.without(gone)
        late = np.where(longest > ends, late, -1)
        yield Change(REPLACE_AND_WAIT, ends, m, gone, late=late[:, None])


def of_speeds(table: FloatArray) -> Iterator[Change]:
    """The work dealt by speed: each host gets n / t_j over the sum of 1 / t, where t_j is its mean.
    Times grow with the work, as under a proportional load law. The means are those of the *other*
    half of the ``(R, n)`` rounds: dealt by their own, rounds would gain from chance alone."""
    rounds, n = table.shape
    half = rounds // 2
    if n < 2 or not half:
        return
    seconds, halves = np.empty(rounds), (slice(half), slice(half, None))
    means = [table[rows].mean(axis=0) for rows in halves]
    if not np.all(means):  # a host that takes no time has no speed
        return
    for own, mean in zip(halves, reversed(means), strict=True):
        work = n * (1 / mean) / (1 / mean).sum()
        for rows in pieces(len(table[own]), n):
            seconds[own][rows] = (table[own][rows] * work).max(axis=1)
    yield Change(REBALANCE, seconds)


def of_timeouts(job: Job, quantiles: Sequence[float]) -> Iterator[Change]:
    """A task that outlasts a time-out is started once more elsewhere; the first copy to end counts.
    The copy takes the round's median. The time-out is a quantile of all ``(R, n)`` delays: the
    least of them that is not exceeded by this share."""
    slowest = job.slowest.seconds[:, 0]
    for quantile in quantiles:
        timeout = float(np.quantile(job.table, quantile, method="inverted_cdf"))
        yield Change(BACKUP, np.minimum(slowest, timeout + job.medians), 0, (), quantile, timeout)


def default_counts(workers: int) -> list[int]:
    """Numbers of hosts: 1, 2, 3, 5, and 1, 2, 5 and 10 % of them, up to half."""
    shares = (int(np.ceil(share * workers)) for share in (0.01, 0.02, 0.05, 0.1))
    return sorted({m for m in (1, 2, 3, 5, *shares) if m <= workers // 2})
