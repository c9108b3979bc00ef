"""Families: the classic ones, fitted by a formula or, with a shift and a shape, by profile
likelihood; and the law as it was measured."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import partial
from typing import Generic, Protocol, TypeVar

import numpy as np
from scipy import optimize, special
from scipy.linalg import solveh_banded

from .....delay_models import parametric
from .....delay_models.base import FloatArray
from .....delay_models.empirical import Empirical
from .law import LARGE, ROUNDING, TAIL, CannotFit, Family, Law, Weighed, require_spread, rounded
from .lognormals import fit_two_lognormals, refit_two_lognormals

# Families whose fit is a formula: exponential, shifted exponential, Pareto.
#
# The likelihood of a law that begins at an unknown point is greatest when it begins at the smallest
# observation, which is always too late: the minimum of N draws lies 1/(N rate) above the shift on
# average. The estimates here are the maximum-likelihood ones with that bias removed (they are the
# minimum-variance unbiased ones). Moving the start by its bias lowers the log-likelihood by about
# 1; the AIC is taken at the law that is reported.
#
# Source: own derivation from the minimum's law; the estimators are classical (Johnson, Kotz and
# Balakrishnan, Continuous Univariate Distributions 1, 1994, chapters 19 and 20).


def fit_exponential(sample: FloatArray) -> Law:
    """By maximum likelihood: rate = 1 / mean."""
    if (mean := float(sample.mean())) <= 0:
        raise CannotFit("all delays are 0 s; use the model deterministic")
    return parametric.Exponential(rate=1 / mean)


def fit_shifted_exponential(sample: FloatArray) -> Law:
    """With m the minimum: 1/rate = N (mean - m) / (N - 1), shift = m - 1/(N rate) >= 0."""
    require_spread(sample)
    size, least = len(sample), float(sample.min())
    scale = (float(sample.mean()) - least) * size / (size - 1)
    shift = max(0.0, least - scale / size)
    if shift == 0.0:
        scale = float(sample.mean())
    return parametric.ShiftedExponential(shift=shift, rate=1 / scale)


def fit_pareto(sample: FloatArray) -> Law:
    """log X is a shifted exponential: with 1/a = mean log(X/m), alpha = a (N - 2) / N and
    scale = m (1 - 1/((N - 1) a))."""
    require_spread(sample, of_logs=True)
    size, least = len(sample), float(sample.min())
    inverse = float(np.mean(np.log(sample / least)))
    alpha, scale = (size - 2) / (size * inverse), least * (1 - inverse / (size - 1))
    if size < 3 or scale <= 0:
        raise CannotFit("too few delays for a tail")
    return parametric.Pareto(alpha=alpha, scale=scale)


# The law as it was measured.
#
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
    """One sort, and a system of equations with three diagonals. The tail reaches as far as two
    pieces; there is none where it would have no extent."""
    require_spread(sample)
    ordered = np.sort(sample)
    size = len(ordered)
    if size < 2 * DELAYS_PER_PIECE:
        raise CannotFit(f"fewer than {2 * DELAYS_PER_PIECE} delays show no shape")
    pieces = min(PIECES, size // DELAYS_PER_PIECE)
    beyond = int(2 * size / pieces)
    if pieces >= 5:  # two of fewer are no tail
        quantiles = tuple(map(rounded, smoothed(ordered[: size - beyond], pieces)))
        excess = np.maximum(ordered[size - beyond :] - quantiles[-1], 0.0)
        if np.ptp(excess) > ROUNDING * float(ordered[-1]):
            scale, shape = fit_tail(excess)
            tail = rounded(beyond / size)
            return Empirical(quantiles=quantiles, tail=tail, tail_scale=scale, tail_shape=shape)
    return Empirical(quantiles=tuple(map(rounded, smoothed(ordered, pieces))))


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


# Families with a shift and a shape, fitted by profile likelihood: Weibull, lognormal, gamma.
#
# *Why not plain maximum likelihood.* The likelihood of each of the three grows without bound when
# the shift approaches the smallest observation (Weibull and gamma where shape < 1, lognormal
# always), so its maximum says nothing. It is an artefact of taking a measurement for a point: a
# measured value stands for an interval as wide as the resolution of the measurement.
#
# *What is done.* The smallest value m (with its ties) stands for the cell from m to the next larger
# value, and its density is taken at the middle of that cell. This bounds the likelihood, changes it
# nowhere else, and fades as N grows, since the cell shrinks. The profile likelihood, the best over
# the other parameters at each shift, is then maximised over 0 <= shift <= m: on a logarithmic grid
# of m - shift first, since there may be two maxima, then by golden section.
#
# *At the edge.* Where the best shift is m itself (shape <= 1), m is too late by the mean of the
# minimum of N draws; close to its start such a law has the distribution function (x/c)**shape,
# whose minimum has mean c N**(-1/shape) Gamma(1 + 1/shape), and the shift is moved by that.
#
# Source: own; the problem, and the cure of treating the smallest value as a cell, are described by
# Cheng and Iles, Corrected maximum likelihood in non-regular problems, JRSS B 49 (1987).

GRID = 48  # shifts at which the profile is evaluated before the search
LARGEST_SHAPE = 1e4


class Sized(Protocol):
    """Cells that a law is fitted to."""

    @property
    def size(self) -> float:
        """How many cells there are."""


AnyCells = TypeVar("AnyCells", bound=Sized)


@dataclass(frozen=True)
class WithShift(Generic[AnyCells]):
    """How a family with a shift is fitted to cells."""

    # The delay model; its fields are the two other parameters and the shift, in this order.
    model: type[parametric.LogNormal | parametric.Gamma | parametric.Weibull]
    # Best two other parameters for cells beyond the shift, and the mean log density.
    at_shift: Callable[[AnyCells, float], tuple[float, float, float]]
    # Of the two, c of the distribution function (x/c)**shape near the shift; ``None``: no such law.
    start_scale: Callable[[float, float], float] | None

    def fit(self, sample: FloatArray, cells_of: Callable[[FloatArray, float], AnyCells]) -> Law:
        """Profile likelihood over the shift: some 80 fits at a shift, the last to all cells, which
        ``cells_of`` makes of the sample: all, or groups of them where there are more than so
        many."""
        require_spread(sample)
        # The smallest value is moved to the middle of its cell.
        least = float(sample.min())
        middle = (least + float(sample[sample > least].min())) / 2
        middle = max(middle, float(np.nextafter(least, np.inf)))  # between neighbours there is none
        every = np.where(sample > least, sample, middle)
        gap, cells = float(every.min()) - least, cells_of(every, LARGE)
        whole = cells_of(every, np.inf)

        def loss(log_distance: float) -> float:
            return -self.at_shift(cells, least - np.exp(log_distance))[2]

        distances = np.empty(0)
        if least > 0:
            distances = np.geomspace(min(gap, least / 2) * 1e-2, least, GRID)
        shifts = np.concatenate([[0.0], least - distances])  # 0: the edge, shift = least
        losses = [-self.at_shift(cells, least)[2]] + [loss(float(np.log(d))) for d in distances]
        best = int(np.argmin(losses))
        shift = float(shifts[best])
        if best == 0:
            first, second, _ = self.at_shift(whole, least)
            bias = 0.0
            if self.start_scale is not None:
                bias = self.start_scale(first, second) * whole.size ** (-1 / first)
                bias *= float(special.gamma(1 + 1 / first))
            # Where the bias is lost to rounding, the next smaller number keeps densities finite.
            shift = min(least - bias, float(np.nextafter(least, -np.inf)))
        elif best < GRID:
            low, high = np.log(distances[max(best - 2, 0)]), np.log(distances[best])
            found = optimize.minimize_scalar(loss, bounds=(low, high), options={"xatol": 1e-6})
            shift = least - float(np.exp(found.x)) if found.fun < losses[best] else shift
        shift = max(0.0, shift)
        first, second, mean = self.at_shift(whole, shift)
        if not np.isfinite(mean) or first <= 0 or second <= 0:
            raise CannotFit("the likelihood has no finite maximum")
        names = (field.name for field in fields(self.model))
        return self.model(**dict(zip(names, (first, second, shift), strict=True)))


def lognormal_at(cells: Weighed, shift: float) -> tuple[float, float, float]:
    """Mean and standard deviation of log(x - shift)."""
    logs = np.log(cells.values - shift)
    mean, sigma = float(cells.mean(logs)), cells.std(logs)
    density = -mean - np.log(max(sigma, 1e-300)) - 0.5 * (1 + np.log(2 * np.pi))
    return float(np.exp(mean)), sigma, float(density)


def gamma_at(cells: Weighed, shift: float) -> tuple[float, float, float]:
    """log(shape) - digamma(shape) = log(mean) - mean(log), then scale = mean / shape: one root in
    one unknown, on two sums over the sample."""
    excess = cells.values - shift
    mean, log_mean = float(cells.mean(excess)), float(cells.mean(np.log(excess)))
    difference = max(np.log(mean) - log_mean, 1e-12)

    def equation(log_shape: float) -> float:
        return float(log_shape - special.digamma(np.exp(log_shape)) - difference)

    top = np.log(LARGEST_SHAPE)
    log_shape = top if equation(top) > 0 else optimize.brentq(equation, -12.0, top)
    shape = float(np.exp(log_shape))
    scale = mean / shape
    density = (shape - 1) * log_mean - shape - special.gammaln(shape) - shape * np.log(scale)
    return shape, scale, float(density)


def weibull_at(cells: Weighed, shift: float) -> tuple[float, float, float]:
    """The shape solves one equation, by Newton's method on log(shape), about six passes over the
    sample; then scale**shape = mean(x**shape). Sums rather than dot products: threads of a linear
    algebra library cost more than they save on vectors."""
    logs = np.log(cells.values - shift)
    log_mean, largest = float(cells.mean(logs)), float(logs.max())
    centred = logs - largest  # powers of numbers up to 1: no overflow
    shape = 1.2 / max(cells.std(logs), 1e-12)
    for _ in range(50):
        powers = np.exp(shape * centred)
        total = float(cells.sum(powers))
        powers *= centred
        first = float(cells.sum(powers)) / total
        powers *= centred
        second = float(cells.sum(powers)) / total
        gap = 1 / shape + (log_mean - largest) - first
        slope = -1 / shape**2 - (second - first**2)
        step = -gap / (slope * shape)
        shape = min(shape * float(np.exp(np.clip(step, -1.0, 1.0))), LARGEST_SHAPE)
        if abs(step) < 1e-10:
            break
    log_scale = largest + np.log(float(cells.mean(np.exp(shape * centred)))) / shape
    density = np.log(shape) - shape * log_scale + (shape - 1) * log_mean - 1
    return shape, float(np.exp(log_scale)), float(density)


def _gamma_begins(shape: float, scale: float) -> float:
    return scale * float(np.exp(special.gammaln(shape + 1) / shape))


def _weibull_begins(shape: float, scale: float) -> float:
    return scale


# A lognormal law begins more slowly than any power; for gamma, F(x) is about (x/scale)**shape /
# Gamma(shape + 1), for Weibull (x/scale)**shape.
LOGNORMAL = WithShift(parametric.LogNormal, lognormal_at, None)
GAMMA = WithShift(parametric.Gamma, gamma_at, _gamma_begins)
WEIBULL = WithShift(parametric.Weibull, weibull_at, _weibull_begins)

FAMILIES = {  # classic families: a handful of parameters each
    family.name: family
    for family in (
        Family("exponential", 1, fit_exponential),
        Family("shifted_exponential", 2, fit_shifted_exponential),
        Family("weibull", 3, partial(WEIBULL.fit, cells_of=Weighed.of)),
        Family("pareto", 2, fit_pareto),
        Family("lognormal", 3, partial(LOGNORMAL.fit, cells_of=Weighed.of)),
        Family("gamma", 3, partial(GAMMA.fit, cells_of=Weighed.of)),
        Family("mixture", 5, fit_two_lognormals, refit_two_lognormals),
    )
}

# Bends to whatever was measured; needs held-out rounds. As many parameters as a long sample has.
EMPIRICAL = Family("empirical", PIECES + 1 + len(TAIL), fit_empirical)
