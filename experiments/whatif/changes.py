"""The changes that are tried: each says how long every round would have taken."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ...delay_models.base import FloatArray
from .slowdown import PARTS, Slowdown
from .slowest import Slowest

IDEAL, MEDIAN_WORKER, WITHOUT = "ideal", "median of the round", "without"
REPLACE, DROP, WAIT, BACKUP = "replace", "drop", "wait for", "backup"


@dataclass(frozen=True, eq=False)
class Change:
    """A change, and the rounds after it.

    Attributes:
        kind: one of the names above; ``without workers`` and so on for a cause of the slowdown.
        seconds: ``(R,)``, how long each round takes after it.
        count: hosts that are replaced, dropped or not waited for; 0 for other kinds.
        hosts: which, where they are the same in every round.
        quantile: of a time-out; NaN for other kinds.
        timeout: seconds; NaN for other kinds.
    """

    kind: str
    seconds: FloatArray
    count: int = 0
    hosts: tuple[int, ...] = ()
    quantile: float = np.nan
    timeout: float = np.nan


def of_causes(slow: Slowdown) -> Iterator[Change]:
    """The ideal, and the job without one of the three causes."""
    yield Change(IDEAL, np.full(len(slow.real), slow.typical))
    yield Change(MEDIAN_WORKER, slow.medians)
    for cause in PARTS:
        others = [other for other in PARTS if other != cause]
        yield Change(f"{WITHOUT} {cause}", slow.with_causes(*others))


def of_hosts(found: Slowest, order: Sequence[int], counts: Sequence[int]) -> Iterator[Change]:
    """The first m hosts of an order replaced, and dropped; the slowest m of each round not awaited.

    A median host in place of one is as fast as the median of the others in every round, so it is
    never the slowest: a round then ends with the slowest of the others. Dropped hosts leave their
    work to the others, whose times grow by n / (n - m), as under a proportional load law.

    Args:
        found: with K beyond every count.
        order: workers, the first to go first.
        counts: m, each below n.
    """
    n = found.of
    for m in counts:
        gone = tuple(order[:m])
        longest = found.longest(gone)
        yield Change(REPLACE, longest, m, gone)
        yield Change(DROP, longest * (n / (n - m)), m, gone)
    for m in counts:
        yield Change(WAIT, found.seconds[:, m], m)


def of_timeouts(
    table: FloatArray, medians: FloatArray, quantiles: Sequence[float]
) -> Iterator[Change]:
    """A task that outlasts a time-out is started once more elsewhere; the first copy to end counts.

    The copy takes the round's median. The time-out is a quantile of all delays: the least of them
    that is not exceeded by this share.

    Args:
        table: ``(R, n)`` seconds.
        medians: ``(R,)`` seconds.
        quantiles: between 0 and 1.
    """
    slowest = table.max(axis=1)
    for quantile in quantiles:
        timeout = float(np.quantile(table, quantile, method="inverted_cdf"))
        yield Change(BACKUP, np.minimum(slowest, timeout + medians), 0, (), quantile, timeout)


def default_counts(workers: int) -> list[int]:
    """Numbers of hosts: 1, 2, 3, 5, and 1, 2, 5 and 10 % of them, up to half."""
    shares = (int(np.ceil(share * workers)) for share in (0.01, 0.02, 0.05, 0.1))
    return sorted({m for m in (1, 2, 3, 5, *shares) if m <= workers // 2})
