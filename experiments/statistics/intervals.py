"""Means of rounds that depend on each other: confidence intervals by blocks of rounds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from ...delay_models.base import FloatArray

LEVEL = 0.95  # of the intervals
DRAWS = 1000  # resampled sequences of blocks
SEED = 20251125
MOST_BLOCKS = 2000  # more rounds are taken together, which changes an interval by little
FEWEST_BLOCKS = 8  # longer correlations than a table can show are cut to leave so many
FINEST = 20_000  # values of a series whose correlation is looked at: of more, means of runs


@dataclass(frozen=True, eq=False)
class Blocks:
    """Consecutive rounds, and resampled sequences of such blocks."""

    length: int  # rounds of a block; the last one may have fewer
    rounds: int  # R
    drawn: FloatArray  # ``(DRAWS, blocks)``, how often each block is drawn

    @property
    def count(self) -> int:
        """How many blocks there are."""
        return int(self.drawn.shape[1])

    def means(self, series: FloatArray) -> FloatArray:
        """Means of ``(R,)`` over each resampled sequence, ``(DRAWS,)``."""
        starts = np.arange(0, self.rounds, self.length)
        sums = np.add.reduceat(series, starts)
        sizes = np.diff(starts, append=self.rounds)
        return np.asarray(self.drawn @ sums / (self.drawn @ sizes))

    def interval(self, value: float, resampled: FloatArray) -> tuple[float, float]:
        """Ends of the interval around ``value``, from what the resampled sequences give. Quantiles
        of the bootstrap, moved away from ``value`` by Student's quantile over the normal one: few
        blocks vary less than what they were drawn from. Source: Hesterberg, The American
        Statistician 69 (2015), expanded percentiles."""
        if self.count < 2:
            return float("nan"), float("nan")
        tail = (1 - LEVEL) / 2
        student = special.stdtrit(self.count - 1, tail) / special.ndtri(tail)
        wider = float(student * np.sqrt(self.count / (self.count - 1)))
        low, high = np.quantile(resampled, [tail, 1 - tail])
        return value + wider * (float(low) - value), value + wider * (float(high) - value)

    def intervals(
        self, values: FloatArray, judged: Iterable[int], series: Callable[[int], FloatArray]
    ) -> tuple[FloatArray, FloatArray]:
        """Around means of workers, ``(n,)`` each, by their ``(R,)`` series; NaN if not judged."""
        low, high = np.full_like(values, np.nan), np.full_like(values, np.nan)
        for worker in judged:
            means = self.means(series(worker))
            low[worker], high[worker] = self.interval(float(values[worker]), means)
        return low, high


def blocks(series: Iterable[FloatArray]) -> Blocks:
    """Blocks that suit ``(R,)`` series: block bootstrap, Carlstein, Ann. Statist. 14 (1986)."""
    lengths, rounds = [1], 1
    for values in series:
        rounds = len(values)
        lengths.append(block_length(values))
    length = max(min(max(lengths), rounds // FEWEST_BLOCKS), -(-rounds // MOST_BLOCKS))
    count = -(-rounds // length)
    rng = np.random.default_rng(SEED)
    chosen = rng.integers(0, count, (DRAWS, count)) + count * np.arange(DRAWS)[:, None]
    drawn = np.bincount(chosen.ravel(), minlength=DRAWS * count).reshape(DRAWS, count)
    return Blocks(length, rounds, drawn.astype(np.float64))


def block_length(series: FloatArray) -> int:
    """Rounds in a block for which the variance of the mean is estimated best. Source: Politis and
    White, Econometric Reviews 23 (2004), with the correction of Patton, Politis and White, 28
    (2009): flat-top window, circular blocks."""
    run = -(-len(series) // FINEST)
    if run > 1:
        series = series[: len(series) // run * run].reshape(-1, run).mean(axis=1)
    size = len(series)
    if size < 2 * FEWEST_BLOCKS:
        return run
    series = series / (float(np.abs(series).max()) or 1.0)
    looked = max(5, int(np.log10(size)))
    most = min(int(np.ceil(np.sqrt(size))) + looked, size - 1)
    length = 1 << (size + most).bit_length()
    spectrum = np.fft.rfft(series - series.mean(), length)
    # the autocovariance at lags 0 to ``most``, by the convolution theorem
    covariance = np.fft.irfft(np.abs(spectrum) ** 2, length)[: most + 1] / size
    if covariance[0] <= 1e-24:
        return run
    clear = np.abs(covariance[1:]) < 2 * np.sqrt(np.log10(size) / size) * covariance[0]
    quiet = np.convolve(clear, np.ones(looked, dtype=int), mode="valid") == looked
    last = int(np.argmax(quiet)) if quiet.any() else len(covariance) - 1
    reach = min(2 * max(last, 1), len(covariance) - 1)
    lags = np.arange(1, reach + 1)
    weighted = np.minimum(1.0, 2 * (1 - lags / reach)) * covariance[1 : reach + 1]
    total = covariance[0] + 2 * weighted.sum()
    if total <= 0:
        return run
    slope = 2 * float((lags * weighted).sum())
    best = (2 * slope**2 / (4 / 3 * total**2) * size) ** (1 / 3)
    return run * max(1, int(np.ceil(min(best, 3 * np.sqrt(size), size / 3))))


@dataclass(frozen=True, eq=False)
class Estimates:
    """A number of each worker and the ends of its 95 % interval, ``(n,)`` each; NaN: unknown."""

    value: FloatArray
    low: FloatArray
    high: FloatArray


def correlations(tables: Sequence[FloatArray]) -> Estimates:
    """At lag 1, with Fisher's interval; lags do not cross from one table to the next."""
    centred = [table - table.mean(axis=0) for table in tables]
    squares = np.sum([np.sum(table**2, axis=0) for table in centred], axis=0)
    products = np.sum([np.sum(table[1:] * table[:-1], axis=0) for table in centred], axis=0)
    pairs = sum(len(table) - 1 for table in tables)
    value = np.clip(products / np.where(squares > 0, squares, 1.0), -0.999, 0.999)
    reach = -float(special.ndtri((1 - LEVEL) / 2)) / np.sqrt(max(pairs - 2, 1))
    return Estimates(value, np.tanh(np.arctanh(value) - reach), np.tanh(np.arctanh(value) + reach))
