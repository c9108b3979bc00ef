"""The law as it was measured, and effects of workers and rounds on ranks around any law."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from scipy import special
from scipy.linalg import solveh_banded

from ...delay_models.base import FloatArray
from ...delay_models.empirical import Empirical
from ..statistics.spells import fading
from .law import ROUNDING, CannotFit, Law, require_spread, rounded
from .variance import Effects, components, lag_products, pooled, trust

# *Quantiles.* The sorted delays are a noisy quantile function. It is smoothed by the line of up to
# ``PIECES`` straight pieces that is nearest to it by least squares, so that the mean of each piece
# comes out right: quantiles read off one by one, with straight lines between them, are too long
# wherever the quantile function bends upwards, as before every tail.
#
# *Tail.* Delays beyond the last quantile get a generalized Pareto law from their
# probability-weighted moments, a0 = E[X] and a1 = E[X (1 - F(X))]: shape 2 - a0 / (a0 - 2 a1),
# scale 2 a0 a1 / (a0 - 2 a1) in the sign convention of ``Empirical``. Where that law would end
# before the longest delay, it ends just behind it, at the same mean: that is a wall.
#
# Source: Hosking and Wallis, Parameter and quantile estimation for the generalized Pareto
# distribution, Technometrics 29 (1987); the rest is our own.

PIECES = 64  # straight pieces of the quantile function of a long sample
DELAYS_PER_PIECE = 8  # that a piece needs
# Shapes of a tail that are taken. Heavier ones have no variance: at the same mean excess they
# predict mean arrivals no better, in samples of 480 to 12,000 delays of six laws, and means over
# thousands of simulated rounds differ by 10 % from run to run, where these differ by 3 %.
LIGHTEST_SHAPE, HEAVIEST_SHAPE = -0.95, 0.45


def fit_empirical(sample: FloatArray) -> Law:
    """One sort, and a system of equations with three diagonals."""
    require_spread(sample)
    ordered = np.sort(sample)
    size = len(ordered)
    if size < 2 * DELAYS_PER_PIECE:
        raise CannotFit(f"fewer than {2 * DELAYS_PER_PIECE} delays show no shape")
    pieces = min(PIECES, size // DELAYS_PER_PIECE)
    if (model := _with_tail(ordered, pieces)) is None:
        model = Empirical(quantiles=tuple(map(rounded, smoothed(ordered, pieces))))
    return model


def _with_tail(ordered: FloatArray, pieces: int) -> Empirical | None:
    """The tail reaches as far as two pieces; ``None`` where it would have no extent."""
    size = len(ordered)
    beyond = int(2 * size / pieces)
    if pieces < 5:  # two of them are no tail then
        return None
    quantiles = tuple(map(rounded, smoothed(ordered[: size - beyond], pieces)))
    excess = np.maximum(ordered[size - beyond :] - quantiles[-1], 0.0)
    if np.ptp(excess) <= ROUNDING * float(ordered[-1]):
        return None
    scale, shape = fit_tail(excess)
    tail = rounded(beyond / size)
    return Empirical(quantiles=quantiles, tail=tail, tail_scale=scale, tail_shape=shape)


def smoothed(ordered: FloatArray, pieces: int) -> FloatArray:
    """Ends of the straight pieces nearest to sorted delays ``(N,)``: ``(pieces + 1,)`` seconds."""
    at = (np.arange(len(ordered)) + 0.5) / len(ordered) * pieces
    piece = np.minimum(at.astype(np.int64), pieces - 1)
    right = at - piece
    left = 1 - right
    sums = partial(np.bincount, minlength=pieces + 1)
    diagonals = np.zeros((2, pieces + 1))
    diagonals[1] = sums(piece, left**2) + sums(piece + 1, right**2)
    diagonals[0, 1:] = sums(piece, left * right)[:-1]
    wanted = sums(piece, left * ordered) + sums(piece + 1, right * ordered)
    ends = np.clip(solveh_banded(diagonals, wanted), ordered[0], ordered[-1])
    ends[0] = ordered[0]
    return np.asarray(np.maximum.accumulate(ends))


def fit_tail(excess: FloatArray) -> tuple[float, float]:
    """Scale in seconds and shape of ascending seconds ``(N,)`` beyond the last quantile."""
    size = len(excess)
    mean = float(excess.mean())
    weighted = float(excess @ (1 - (np.arange(size) + 0.65) / size)) / size
    shape = 2 - mean / max(mean - 2 * weighted, 1e-12 * mean)
    shape = float(np.clip(shape, LIGHTEST_SHAPE, HEAVIEST_SHAPE))
    end = float(excess[-1]) * (1 + 1 / size)
    if shape < 0 and mean * (1 - shape) / -shape < end:
        shape = max(LIGHTEST_SHAPE, -mean / (end - mean)) if end > 2 * mean else LIGHTEST_SHAPE
        return rounded(max(mean * (1 - shape), -shape * end)), rounded(shape)
    return rounded(mean * (1 - shape)), rounded(shape)


# Effects of workers and rounds on the ranks of delays: a Gaussian copula around any law.
#
# Each delay is replaced by the normal number of its rank among all of them, and the variance of
# these numbers is split as that of delays is. So a wall stays where it is, however much workers
# differ, and a delay that is a hundred times too long counts as the longest one.


def latent(tables: Sequence[FloatArray]) -> list[FloatArray]:
    """Normal numbers in the order of the delays, of all ``(rounds, n)`` tables together."""
    values = np.concatenate([table.ravel() for table in tables])
    numbers = special.ndtri((pd.Series(values).rank().to_numpy() - 0.5) / len(values))
    split = np.split(numbers, np.cumsum([table.size for table in tables])[:-1])
    return [own.reshape(table.shape) for own, table in zip(split, tables, strict=True)]


def rank_effects(tables: Sequence[FloatArray], effects: Effects, spells: bool) -> dict[str, Any]:
    """Fields of the model ``empirical``: ``ranks``, ``round``, ``spells`` and ``persistence``. The
    mean of each worker is shrunk towards 0 by the part of it that is noise, and counted in standard
    deviations of what a worker varies by itself; so are the shares, where there are ranks.
    ``(rounds, n)`` tables have at least 2 rounds of 2 workers."""
    numbers = latent(tables)
    of_worker, of_round, rest = components(numbers)
    own = max(of_round + rest if effects.worker else of_worker + of_round + rest, 1e-12)
    fields: dict[str, Any] = {}
    if effects.worker:
        means = np.mean([n.mean(axis=0) - n.mean() for n in numbers], axis=0)
        means = trust(of_worker, rest / sum(map(len, numbers))) * means
        fields["ranks"] = [rounded(rank, 4) for rank in means / np.sqrt(own)]
    left = 1.0
    if effects.round:
        fields["round"] = rounded(min(of_round / own, 0.9999), 4)
        left -= fields["round"]
    if spells:
        share, persistence = what_stays(numbers)
        fields["spells"] = float(np.floor(min(share / own, left) * 1e4) / 1e4)
        fields["persistence"] = rounded(persistence, 4)
    return fields


def what_stays(numbers: Sequence[FloatArray]) -> tuple[float, float]:
    """Variance of what stays with a worker for a while, and its correlation from round to round.
    The covariance of a worker's numbers l rounds apart is V + S r**l, with V of lasting
    differences; for each r on a grid, V >= 0 and S >= 0 follow by least squares."""
    lags = min(max(len(n) for n in numbers) * 2 // 3, 50)
    if lags < 2:
        return 0.0, 0.0
    centred = [n - n.mean(axis=1, keepdims=True) for n in numbers]
    covariance, pairs = pooled([lag_products(n, lags) for n in centred])
    decays = np.linspace(0.0, 0.99, 100)
    curves = decays[:, None] ** np.arange(1, lags + 1)
    shares, _, misfits = fading(covariance, pairs / pairs.sum(), curves)
    best = int(np.argmin(misfits.round(15)))
    return float(shares[best]), float(decays[best])
