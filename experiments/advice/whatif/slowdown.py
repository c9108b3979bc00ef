"""Why steps are slow: the seconds of a step that three causes add to a typical task."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from ....delay_models.base import FloatArray
from ..statistics.job import pieces

WORKERS = "workers"
ROUNDS = "rounds"
REST = "rest"
CAUSES = (WORKERS, ROUNDS, REST)


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
    real = table.max(axis=1)
    alike = np.concatenate([(table[rows] / factors).max(axis=1) for rows in pieces(*table.shape)])
    largest = float(factors.max())
    typical = float(np.median(medians))
    of_round = medians / typical
    jobs = {
        (): np.full(len(medians), typical),
        (WORKERS,): np.full(len(medians), typical * largest),
        (ROUNDS,): medians,
        (REST,): alike / of_round,
        (WORKERS, ROUNDS): largest * medians,
        (WORKERS, REST): real / of_round,
        (ROUNDS, REST): alike,
        CAUSES: real,
    }
    return Slowdown(typical, {frozenset(causes): seconds for causes, seconds in jobs.items()})
