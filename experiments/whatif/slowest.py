"""The slowest workers of each round: all that the end of a round depends on."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...delay_models.base import FloatArray
from .rows import pieces


@dataclass(frozen=True, eq=False)
class Slowest:
    """The K slowest workers of each round, the slowest first.

    Attributes:
        seconds: ``(R, K)``.
        workers: ``(R, K)``, indices; of equal delays the first worker's comes first.
        of: n.
    """

    seconds: FloatArray
    workers: NDArray[np.int64]
    of: int

    def without(self, gone: Collection[int]) -> tuple[FloatArray, NDArray[np.int64], FloatArray]:
        """The slowest of the workers that are left, which it is, and the next after it.

        Args:
            gone: at most K - 2 workers, or all but two of them.

        Returns:
            ``(R,)`` seconds, workers, and seconds.
        """
        left = np.ones(self.of, dtype=bool)
        left[list(gone)] = False
        there = left[self.workers]
        rounds = np.arange(len(there))
        first = there.argmax(axis=1)
        there[rounds, first] = False
        second = there.argmax(axis=1)
        return (
            self.seconds[rounds, first],
            self.workers[rounds, first],
            self.seconds[rounds, second],
        )

    def longest(self, gone: Collection[int]) -> FloatArray:
        """The slowest of the workers that are left, ``(R,)`` seconds; at most K - 1 are gone."""
        left = np.ones(self.of, dtype=bool)
        left[list(gone)] = False
        place = left[self.workers].argmax(axis=1)
        return np.asarray(self.seconds[np.arange(len(place)), place])


def slowest(table: FloatArray, count: int) -> Slowest:
    """The ``count`` slowest workers (at most n) of each round of ``(R, n)`` seconds."""
    rounds, n = table.shape
    count = min(count, n)
    seconds = np.empty((rounds, count))
    workers = np.empty((rounds, count), dtype=np.int64)
    for rows in pieces(rounds, n):
        part = table[rows]
        places = np.sort(np.argpartition(part, n - count, axis=1)[:, n - count :], axis=1)
        values = np.take_along_axis(part, places, axis=1)
        order = np.argsort(-values, axis=1, kind="stable")
        seconds[rows] = np.take_along_axis(values, order, axis=1)
        workers[rows] = np.take_along_axis(places, order, axis=1)
    return Slowest(seconds, workers, n)
