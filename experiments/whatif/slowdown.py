"""Why rounds take longer than the ideal: workers, rounds, and the rest, adding up to the whole."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations

import numpy as np

from ...delay_models.base import FloatArray
from .rows import pieces

WORKERS, ROUNDS, REST = PARTS = ("workers", "rounds", "rest")


@dataclass(frozen=True, eq=False)
class Slowdown:
    """A job's rounds, and those of the same job with one cause or several taken out.

    A delay is m, what the median worker takes in the median round, times the lasting factor a_j of
    its worker, times the factor b_t = (median of round t) / m of its round, times what is left. A
    cause is taken out by setting its factors to 1: eight jobs, from the measured one to the ideal
    one, in which every task takes m.

    Attributes:
        real: ``(R,)`` seconds that the slowest worker takes.
        medians: ``(R,)`` seconds, m b_t.
        alike: ``(R,)`` seconds that the slowest takes if worker j is a_j times as fast.
        typical: m, the median over rounds of the round's median.
        largest: the largest a_j.
    """

    real: FloatArray
    medians: FloatArray
    alike: FloatArray
    typical: float
    largest: float

    def with_causes(self, *causes: str) -> FloatArray:
        """``(R,)`` seconds a round takes if these causes are there and the others are not."""
        m, a, b = self.typical, self.largest, self.medians / self.typical
        jobs = {
            (): np.full(len(b), m),
            (WORKERS,): np.full(len(b), m * a),
            (ROUNDS,): self.medians,
            (REST,): self.alike / b,
            (WORKERS, ROUNDS): a * self.medians,
            (WORKERS, REST): self.real / b,
            (ROUNDS, REST): self.alike,
            PARTS: self.real,
        }
        return np.asarray(jobs[tuple(cause for cause in PARTS if cause in causes)])

    def parts(self) -> dict[str, FloatArray]:
        """``(R,)`` seconds a round owes to each cause; together, real - m.

        Causes that are taken out later find less to save or more, so each part is the mean over the
        six orders in which the three can be added: their Shapley value, the one division that adds
        up and treats them alike.
        """
        found = {cause: np.zeros(len(self.real)) for cause in PARTS}
        orders = [*permutations(PARTS)]
        for order in orders:
            for place, cause in enumerate(order):
                before = self.with_causes(*order[:place])
                found[cause] += (self.with_causes(*order[: place + 1]) - before) / len(orders)
        return found


def slowdown(table: FloatArray, medians: FloatArray, factors: FloatArray) -> Slowdown:
    """Of ``(R, n)`` seconds, with ``(R,)`` medians of the rounds and ``(n,)`` workers' factors."""
    alike = [(table[rows] / factors).max(axis=1) for rows in pieces(*table.shape)]
    real = table.max(axis=1)
    typical = float(np.median(medians))
    return Slowdown(real, medians, np.concatenate(alike), typical, float(factors.max()))
