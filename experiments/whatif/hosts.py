"""Which hosts the job waits for: the seconds that each costs, and who stands out from chance."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from ...delay_models.base import FloatArray
from .rows import pieces
from .slowest import Slowest

DRAWS = 199
"""Times that the rounds' slowest workers are dealt out at random; two numbers are compared, so
chance makes somebody stand out in 1 % of the tables in which nobody does."""

MOST = 20
"""Hosts that are looked for."""

SEED = 20251125


def waits(table: FloatArray, medians: FloatArray) -> FloatArray:
    """Seconds a round that each worker makes the others wait, beyond the round's median.

    The k slowest share the wait up to the k-th slowest's delay in equal parts, so that two hosts
    which are slow together share the blame, though neither costs anything alone. The sum over
    workers is the mean of (slowest - median).

    Args:
        table: ``(R, n)`` seconds.
        medians: ``(R,)`` seconds.

    Returns:
        ``(n,)`` seconds.

    Source:
        The Shapley value of a maximum, as airports share the cost of a runway: Littlechild and
        Owen, Management Science 20 (1973).
    """
    rounds, n = table.shape
    total = np.zeros(n)
    for rows in pieces(rounds, n):
        part = table[rows]
        order = np.argsort(part, axis=1, kind="stable")
        beyond = np.take_along_axis(part, order, axis=1) - medians[rows, None]
        steps = np.diff(np.maximum(beyond, 0.0), axis=1, prepend=0.0)
        steps /= np.arange(n, 0, -1)
        np.cumsum(steps, axis=1, out=steps)
        total += np.bincount(order.ravel(), weights=steps.ravel(), minlength=n)
    return np.asarray(total / rounds)


def slow_alone(found: Slowest) -> tuple[FloatArray, FloatArray]:
    """What every worker costs by itself.

    Returns:
        ``(n,)`` seconds a round that go if a median host replaces this one (it is never the
        slowest, so the round ends with the next slowest); and ``(n,)`` shares of the rounds that
        this one ended.
    """
    first, worker, second = found.without(())
    gaps = first - second if found.of > 1 else np.zeros(len(first))
    rounds = len(first)
    cost = np.bincount(worker, weights=gaps, minlength=found.of) / rounds
    return cost, np.bincount(worker, minlength=found.of) / rounds


def standing_out(found: Slowest, blame: FloatArray, blocks: NDArray[np.int64]) -> list[int]:
    """The workers that are the slowest more often, or for longer, than chance explains.

    By chance, whoever is the slowest in a block of rounds might as well be any other worker. The
    one with most blame among those who stand out is taken away, and the question is asked again
    of the others: of two slow hosts, one may hide the other.

    Args:
        found: with K at least ``MOST`` + 2, or n.
        blame: ``(n,)``, as ``waits`` gives it.
        blocks: ``(R,)``, which block each round belongs to, so that a spell of one host counts
            once.

    Returns:
        Workers, in the order in which they were taken away; at most ``MOST``.
    """
    gone: list[int] = []
    draw = np.random.default_rng(SEED).integers
    while len(gone) < MOST and found.of - len(gone) > 2:
        first, worker, second = found.without(gone)
        places, inverse = np.unique(blocks * found.of + worker, return_inverse=True)
        owners = places % found.of
        out = np.zeros(found.of, dtype=bool)
        for weights in (first - second, np.ones(len(first))):
            sums = np.bincount(inverse, weights=weights).astype(np.float64)
            seen = np.bincount(owners, weights=sums, minlength=found.of)
            out |= seen > _by_chance(sums, found.of - len(gone), draw) * (1 + 1e-9)
        if not out.any():
            break
        gone.append(int(np.argmax(np.where(out, blame, -1.0))))
    return gone


def _by_chance(sums: FloatArray, workers: int, draw: Callable[..., NDArray[np.int64]]) -> float:
    """The most that any of the workers gets, in ``DRAWS`` deals."""
    deals = (
        np.bincount(draw(0, workers, len(sums)), weights=sums, minlength=workers).max()
        for _ in range(DRAWS)
    )
    return float(max(deals))
