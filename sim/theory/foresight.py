"""What is known of workers' times before a run: in closed form, or else from a simulated sample.

The sample is drawn with a seed of its own, always the same, so that a scheme is a function of the
config alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, final

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln

from ..load_laws import LoadLaw
from ..types import FloatArray
from .worker_time import UnitDelay, worker_time_at

REPETITIONS, ROUNDS = 64, 256
"""Of the sample: independent runs, and rounds of each."""

REACH, STEP = 4.0, 1 / 64
"""Of the quadrature: where the sum is cut off, and the distance of its nodes."""


class KnownDelay(UnitDelay, Protocol):
    """A delay model, as far as it is needed here."""

    @property
    def independent(self) -> bool:
        """Every delay is an independent draw from one law."""

    def ppf(self, probability: ArrayLike) -> FloatArray | None:
        """Quantiles, or ``None`` without a closed form."""

    def rounds_available(self) -> int | None:
        """How many rounds it can give."""

    def sample(self, rng: np.random.Generator, rounds: int, workers: int) -> FloatArray:
        """Draw ``(rounds, workers)`` delays."""


@final
@dataclass(frozen=True)
class DelayForesight:
    """Seconds for one partition, under a delay model and a load law.

    Attributes:
        delay: the unit delays.
        law: how a worker's time grows with its load.
    """

    delay: KnownDelay
    law: LoadLaw

    def order_statistics(self, workers: int) -> FloatArray:
        """``(n,)`` mean seconds until the first, second, ... of n workers has done a partition.

        In closed form E T_(j) is the integral of the quantiles against the density of the j-th of n
        uniform numbers, a sum of 512 terms (tanh-sinh quadrature), to about 1e-10 relative for
        light tails.
        """
        quantiles = self._quantiles()
        if quantiles is None:
            return np.asarray(np.sort(self._sample(workers), axis=1).mean(axis=0))
        log_u, log_rest, weight, seconds = quantiles
        j = np.arange(1, workers + 1)[:, None]
        log_density = (j - 1) * log_u + (workers - j) * log_rest - betaln(j, workers + 1 - j)
        return np.asarray((np.exp(log_density) * weight * seconds).sum(axis=1))

    def chances(self, workers: int, seconds: float) -> FloatArray:
        """``(n,)`` chance of each worker to do a partition in so many seconds.

        Of a sample to about 1/130 of a chance of one half.
        """
        if self.delay.independent:
            time = worker_time_at(self.delay, self.law, 1)
            if time is not None:
                return np.full(workers, float(time.cdf(seconds)))
        return np.asarray((self._sample(workers) <= seconds).mean(axis=0))

    def _quantiles(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None:
        """log u, log(1 - u), du and the time of that quantile, at the nodes."""
        if not self.delay.independent:
            return None
        x = np.arange(-REACH, REACH + STEP / 2, STEP)
        z = np.pi * np.sinh(x)
        log_u, log_rest = -np.logaddexp(0.0, -z), -np.logaddexp(0.0, z)
        unit = self.delay.ppf(np.minimum(np.exp(log_u), 1.0 - 2.0**-53))
        if unit is None:
            return None
        seconds = self.law.worker_times(_Table(unit[:, None]), np.ones(1), 0, len(x))[:, 0]
        weight = np.exp(log_u + log_rest) * np.pi * np.cosh(x) * STEP
        return log_u, log_rest, weight, seconds

    def _sample(self, workers: int) -> FloatArray:
        """Seconds for one partition, ``(rounds, n)``."""
        rounds = min(ROUNDS, self.delay.rounds_available() or ROUNDS)
        tables = [
            self.delay.sample(np.random.default_rng([workers, r]), rounds, workers)
            for r in range(REPETITIONS)
        ]
        table = np.concatenate(tables)
        return self.law.worker_times(_Table(table), np.ones(workers), 0, len(table))


@final
@dataclass(frozen=True, eq=False)
class _Table:
    """A table of unit delays as a tape."""

    table: FloatArray

    @property
    def workers(self) -> int:
        return int(self.table.shape[1])

    @property
    def block_rounds(self) -> int:
        return len(self.table)

    def rows(self, start: int, stop: int, stream: int = 0) -> FloatArray:
        """The rows, for every stream."""
        return self.table[start:stop]
