"""The law of a round of local steps whose groups wait for each other.

With levels of period P_i and size g_i, P_0 = g_0 = 1 and L_0 the time of a step, the time of the
steps in a period is L_i = max of g_i / g_(i-1) copies of a sum of P_i / P_(i-1) copies of L_(i-1),
all independent; the last level is all n workers and all H steps (our derivation). So a law is
followed through sums and maxima, on a lattice: a step's time is rounded to it once, and then sums
(powers of a Fourier transform) and maxima (powers of a CDF) stay on it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import numpy as np
from numpy.typing import ArrayLike
from typing_extensions import override

from ..schemes.arrivals import Arrivals, Demand, NoFormula
from ..types import FloatArray
from .iteration_time import IterationTimeLaw
from .worker_time import WorkerTime, smallest

POINTS_PER_SPREAD, LEAST_PER_SPREAD = 400.0, 50.0  # lattice points between the quartiles of a step
MOST_POINTS = 2**20
BEYOND = 1e-12  # chance that a step of a round is beyond the lattice


@dataclass(frozen=True, eq=False)
class LevelsLaw(IterationTimeLaw):
    """A step, the H-th part of a round. The mean is off by about 1e-6 of the spread of a step."""

    steps: int  # H
    least: float  # seconds that every step takes
    spacing: float  # seconds between the points of the lattice
    chances: FloatArray  # of a round's time beyond H times ``least``, at the points from 0 on

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray:
        """P(T > seconds), elementwise; between the points it is a line."""
        beyond = (np.asarray(seconds, dtype=np.float64) - self.least) * self.steps / self.spacing
        reached = np.minimum(np.cumsum(self.chances), 1.0)
        ends = np.arange(len(reached)) + 0.5
        return np.asarray(np.where(beyond < 0, 1.0, 1.0 - np.interp(beyond, ends, reached)))

    @override
    def mean(self) -> float:
        return self.least + float(self._beyond @ self.chances)

    @override
    def variance(self) -> float:
        far = self._beyond - self._beyond @ self.chances
        return float(far**2 @ self.chances)

    @property
    def _beyond(self) -> FloatArray:
        return np.asarray(np.arange(len(self.chances)) * (self.spacing / self.steps))

    @override
    def tail_index(self) -> float:
        """That of the longest of n steps: sums and maxima have no heavier tails."""
        return IterationTimeLaw(self.demand, self.worker).tail_index()


def levels_law(
    worker: WorkerTime, levels: tuple[tuple[int, int], ...], workers: int, steps: int
) -> LevelsLaw | NoFormula:
    """The law of a step, given that of a worker's step, without ties, and the levels as periods and
    sizes. ``NoFormula``: the tail reaches further than ``MOST_POINTS``. Cost: some Fourier
    transforms of as many points; 0.1 s for 30 workers and ten steps of about a second."""
    everybody = Demand(Arrivals(workers, workers, workers))
    quartiles = np.array([0.0, 0.25, 0.75])
    start, low, high = smallest(lambda t: worker.cdf(t) > quartiles, 3).tolist()
    longest = IterationTimeLaw(everybody, worker)
    mean, spread, scale = longest.mean(), sqrt(longest.variance()), high - low
    far = float(smallest(lambda t: worker.sf(t) * workers * steps <= BEYOND, 1)[0])
    reach = steps * (mean - start) + 8.0 * sqrt(steps) * spread + far - start
    density = min(POINTS_PER_SPREAD, MOST_POINTS / reach * scale) if reach else LEAST_PER_SPREAD
    if not (reach < np.inf and density >= LEAST_PER_SPREAD):
        return NoFormula("levels: the tail of a step is too heavy for a lattice")
    spacing = scale / density or 1.0
    points = ceil(reach / spacing) + 1
    chances = np.diff(worker.cdf(start + (np.arange(points) + 0.5) * spacing), prepend=0.0)
    period = size = 1
    for longer, larger in (*levels, (steps, workers)):
        sums = np.fft.irfft(np.fft.rfft(chances) ** (longer // period), points)
        reached = np.clip(np.cumsum(sums), 0.0, 1.0) ** (larger // size)
        chances, period, size = np.diff(reached, prepend=0.0), longer, larger
    return LevelsLaw(everybody, worker, steps, start, spacing, chances)
