"""The law of a round's duration under the straggler policy ``cancel``. Sources: order statistics
for the first k arrivals; cover of groups, Tandon et al., Gradient Coding (arXiv 1612.03301); the
rule that stops at r arrivals or at cover is our derivation. Not modelled: unequal loads, workers
that remember the past, policies other than ``cancel``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from scipy.linalg import expm
from typing_extensions import override

from ..base.errors import InvalidParameter
from ..base.types import FloatArray
from ..schemes.arrivals import Arrivals, Demand
from .worker_time import WorkerTime, smallest

GAUSS_NODES, GAUSS_WEIGHTS = np.polynomial.legendre.leggauss(12)  # on a panel


def integrate(
    function: Callable[[FloatArray], FloatArray], knots: FloatArray, tolerance: float = 1e-11
) -> float:
    """Integral from the first knot to the last, by adaptive Gauss-Legendre panels of an elementwise
    function; put a knot where it has a kink. A panel is halved until it agrees with the sum of its
    halves to a tolerance relative to the whole integral, all panels side by side."""
    left, right = knots[:-1], knots[1:]
    coarse = _panels(function, left, right)
    scale, total = tolerance * float(np.abs(coarse).sum()), 0.0
    while 0 < left.size <= 4096:  # the rest is rounding, or a law with thousands of jumps
        middle = 0.5 * (left + right)
        first, second = _panels(function, left, middle), _panels(function, middle, right)
        split = (np.abs(first + second - coarse) > scale) & (left < middle) & (middle < right)
        total += float((first + second)[~split].sum())
        right = np.concatenate((middle[split], right[split]))
        left = np.concatenate((left[split], middle[split]))
        coarse = np.concatenate((first[split], second[split]))
    return total + float(coarse.sum())


def _panels(
    function: Callable[[FloatArray], FloatArray], left: FloatArray, right: FloatArray
) -> FloatArray:
    half = 0.5 * (right - left)[:, None]
    return np.asarray((half * function(left[:, None] + half * (1.0 + GAUSS_NODES))) @ GAUSS_WEIGHTS)


_LARGE = [1 - 1e-15, 1 - 1e-12, 1 - 1e-9, 1 - 1e-6, 0.999, 0.99, 0.9, 0.75, 0.5, 0.25]
SURVIVAL_LEVELS = np.concatenate((_LARGE, 10.0 ** -np.arange(1.0, 101.0)))
"""Values of ``sf`` at which the integrals are cut into panels."""


BEYOND_JUMP = 10.0 ** -np.arange(1.0, 31.0)
"""Of the chance that is left after a jump below the last of these levels: where to cut beyond."""

LEAST_CHANCE = 1e-300  # smaller ones lose their digits
LEAST_TAIL = LEAST_CHANCE * 1e30  # below it ``BEYOND_JUMP`` has no room
FLAT = 16.0  # a panel so many times as long as those beside it, or as what comes before it, is
MOST_KINKS = 2000  # of a measured law with more of them, the integral finds those that matter

MAX_SECONDS = 1e300  # seconds; beyond, a law's arguments overflow, and its values are nonsense


@dataclass(frozen=True)
class IterationTimeLaw:
    """How long one round lasts, in seconds, from the start of the round.

    Moments are integrals of the CDF, to about 1e-9 relative for a law with ``sf``. Without one, the
    part at probabilities below 1e-10 is extrapolated: a light tail has nothing there, and a Pareto
    mean with alpha 1.05 loses about 1e-6 relative, but most of the variance of a log-normal law
    with sigma 3 is there. Cost: about 15,000 evaluations of the worker's law."""

    demand: Demand  # the stopping rule, as arrivals and deadlines
    worker: WorkerTime  # the law of one worker's time at its load

    def sf(self, seconds: ArrayLike) -> FloatArray:
        """P(T > seconds), elementwise; small values keep their relative accuracy."""
        t = np.asarray(seconds, dtype=np.float64)
        if self.demand.quorum is not None:
            going = self._before_quorum(t, *self.demand.quorum)
        elif self.demand.arrivals is None:
            going = np.ones(t.shape)
        else:
            going = self._waiting(t, self.demand.arrivals)
        going = np.where(t >= self.demand.latest, 0.0, going)
        return np.where(t < self.demand.earliest, 1.0, going)

    def _waiting(self, t: FloatArray, asked: Arrivals) -> FloatArray:
        """P(not yet enough arrivals by t), elementwise."""
        return asked.sf(self.worker.sf(t), lambda: self.worker.cdf(t))

    def _before_quorum(self, t: FloatArray, asked: Arrivals, grace: float) -> FloatArray:
        """P(fewer than k arrivals by t - grace, and not all n by t); our derivation. With I the
        incomplete beta function, F a worker's law and f = F(t - grace), the first has probability
        I(1 - f), and I(1 - f / F) given that all have arrived by t."""
        early = self.worker.sf(t - grace)
        if self.demand.arrivals is None:
            return asked.sf(early, lambda: self.worker.cdf(t - grace))
        n, a, b = asked.workers, asked.workers - asked.high + 1, asked.high
        missing, reached = self.worker.sf(t), self.worker.cdf(t)
        with np.errstate(all="ignore"):
            some_missing = -np.expm1(n * np.log1p(-missing))
            given = np.where(reached > 0, np.clip((early - missing) / reached, 0.0, 1.0), 1.0)
            apart = np.where(reached > 0, missing * (1.0 - early) / reached, 0.0)
            steep = apart * ((a - 1) / given + (b - 1) / (1.0 - early)) > 1.0
        direct = special.betainc(a, b, early) - special.betainc(a, b, given)
        x = given[..., None] + apart[..., None] * (0.5 * (1.0 + GAUSS_NODES))
        log_density = special.xlogy(a - 1, x) + special.xlog1py(b - 1, -x) - special.betaln(a, b)
        # The difference of two numbers that are close.
        close = 0.5 * apart * (np.exp(log_density) @ GAUSS_WEIGHTS)
        rest = np.where(steep | (apart == 0.0), np.maximum(direct, 0.0), close)
        return np.asarray(some_missing * special.betainc(a, b, given) + rest)

    def cdf(self, seconds: ArrayLike) -> FloatArray:
        """P(T <= seconds), elementwise, to about 1e-15."""
        return np.asarray(1.0 - self.sf(seconds))

    def quantile(self, probability: ArrayLike) -> FloatArray:
        """The smallest t with ``cdf(t) >= probability``. ``InvalidParameter``: not in [0, 1]."""
        q = np.asarray(probability, dtype=np.float64)
        if not np.all((q >= 0.0) & (q <= 1.0)):
            raise InvalidParameter("probability", probability, "must be between 0 and 1")
        flat = q.ravel()
        return smallest(lambda t: self.cdf(t) >= flat, flat.size).reshape(q.shape)

    def mean(self) -> float:
        """E[T]; infinite for a tail that is heavy enough."""
        centre, tail = self._centre, self._tail_beyond(1)
        if not np.isfinite(centre + tail):
            return np.inf
        return centre + integrate(self.sf, self._above) + tail - integrate(self.cdf, self._below)

    def variance(self) -> float:
        """E[(T - E[T])^2]; infinite for a tail that is heavy enough. Computed around the median, so
        that a large constant part of T costs no digits."""
        centre, tail = self._centre, self._tail_beyond(2)
        if not np.isfinite(centre + tail):
            return np.inf
        above = integrate(lambda t: 2.0 * (t - centre) * self.sf(t), self._above)
        below = integrate(lambda t: 2.0 * (centre - t) * self.cdf(t), self._below)
        square = above + tail - 2.0 * centre * self._tail_beyond(1) + below
        return max(0.0, square - (self.mean() - centre) ** 2)

    def skewness(self) -> float:
        """E[(T - E[T])^3] / Var(T)^1.5; 0 for a constant, infinite without a third moment."""
        variance = self.variance()
        if variance == 0.0:
            return 0.0
        if self.tail_index() <= 3.0 or not np.isfinite(variance):
            return np.inf
        return float(self._third_moment() / variance**1.5)

    def _third_moment(self) -> float:
        """E[(T - E[T])^3], from the moments around the median."""
        centre, beyond = self._centre, [self._tail_beyond(power) for power in (1, 2, 3)]
        tail = beyond[2] - 3.0 * centre * beyond[1] + 3.0 * centre**2 * beyond[0]
        above = integrate(lambda t: 3.0 * (t - centre) ** 2 * self.sf(t), self._above)
        below = integrate(lambda t: 3.0 * (centre - t) ** 2 * self.cdf(t), self._below)
        shift = self.mean() - centre
        square = self.variance() + shift**2
        return float(above + tail - below - 3.0 * shift * square + 2.0 * shift**3)

    def tail_index(self) -> float:
        """Moments of an order below this are finite: the slope of the tail far out, to a tenth.
        Exact for a power law, large for lighter tails, infinite for a bounded one."""
        known = [49, 69] if self.worker.resolution == 0.0 else [15, 17]  # from 1e-40, or 1e-6
        near, far = self._passed[known]
        if far > MAX_SECONDS:
            return 0.0  # it falls by less than 1e60 in 300 powers of ten
        fallen = np.log(SURVIVAL_LEVELS[known[0]] / SURVIVAL_LEVELS[known[1]])
        return np.inf if near == far else round(float(fallen / np.log(far / near)), 1)

    @cached_property
    def _passed(self) -> FloatArray:
        """When ``sf`` passes each of the levels."""
        return smallest(lambda t: self.sf(t) <= SURVIVAL_LEVELS, SURVIVAL_LEVELS.size)

    @cached_property
    def _knots(self) -> FloatArray:
        """These instants, as far as the law's values are accurate, those at which it jumps or
        bends, and more at both ends of where it may be flat: a panel's nodes would miss what
        happens there."""
        passed = np.concatenate((self._passed, self._passed_beyond_jump))
        t = np.unique(passed[passed <= MAX_SECONDS])
        t = t[: int(np.count_nonzero(self.worker.sf(t) >= self.worker.resolution)) + 1]
        left, right = t[:-1], t[1:]
        width = right - left
        narrowest = np.minimum(
            np.concatenate((width[:1], width[:-1])), np.concatenate((width[1:], width[-1:]))
        )
        flat = (right > FLAT * left) | (width > FLAT * narrowest)
        flat &= left >= self._passed[2]  # the level 1 - 1e-9
        flat[-1:] = False  # of which ``_tail_beyond`` takes the slope
        steps = 0.5 ** np.arange(1, 40) * (right - left)[flat, None]
        ends = left[flat, None] + steps, right[flat, None] - steps
        return np.unique(np.concatenate((t, self._kinks_among(t), *map(np.ravel, ends))))

    @cached_property
    def _passed_beyond_jump(self) -> FloatArray:
        """When ``sf`` passes yet lower levels, if it jumps to a chance below all of them: where
        most workers take the same time, most rounds do, and few others can matter."""
        last = float(self._passed[-1])
        left = float(self.sf(last)) if last <= MAX_SECONDS else 0.0
        levels = left * BEYOND_JUMP
        levels = levels[levels >= LEAST_CHANCE]
        if not levels.size or left > 0.5 * SURVIVAL_LEVELS[-1]:
            return np.empty(0)
        return smallest(lambda t: self.sf(t) <= levels, levels.size)

    def _kinks_among(self, t: FloatArray) -> FloatArray:
        """Where the law of a round jumps or bends because a worker's does, between these knots."""
        kinks = self.worker.kinks
        if not t.size or kinks.size > MOST_KINKS:
            return np.empty(0)
        if self.demand.quorum is not None:
            _, grace = self.demand.quorum
            kinks = np.concatenate((kinks, kinks + grace))
        return np.asarray(kinks[(kinks > t[0]) & (kinks < t[-1])])

    @cached_property
    def _centre(self) -> float:
        """The knot nearest to the median, where the integrals below and above must meet."""
        median = float(self._passed[8])
        if not median <= MAX_SECONDS:
            return np.inf
        return float(self._knots[np.abs(self._knots - median).argmin()])

    @property
    def _above(self) -> FloatArray:
        return self._knots[self._knots >= self._centre]

    @property
    def _below(self) -> FloatArray:
        return self._knots[self._knots <= self._centre]

    def _tail_beyond(self, power: int) -> float:
        """Integral of ``power * t^(power - 1) * sf(t)`` beyond the last knot. ``sf`` is continued
        there as a power law, c t^-slope, with the slope of the last panel: exact in the limit for a
        Pareto law, and almost 0 for a light tail."""
        left = float(self.sf(self._knots[-1])) if self._knots.size else 1.0
        if left < LEAST_TAIL:
            return 0.0
        if self._knots.size < 2 or self._knots[-2] == 0.0:
            return np.inf
        a, b = self._knots[-2:]
        slope = float(np.log(self.sf(a) / left) / np.log(b / a))
        slack = 1e-9 if self.worker.resolution == 0.0 else 1e-4
        if slope <= power * (1.0 + slack):
            return np.inf
        return float(power * left * b**power / (slope - power))


@dataclass(frozen=True)
class StagesLaw(IterationTimeLaw):
    """A round of independent exponential waits, one after the other, with ``(S,)`` rates per
    second. Cost: an exponential of an S x S matrix for each number of seconds; moments are sums."""

    rates: tuple[float, ...]

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray:
        """P(T > seconds), elementwise, to about 1e-14."""
        t = np.asarray(seconds, dtype=np.float64)
        # By then each wait is over with a chance that no double tells from 1.
        end = sum(800.0 / rate for rate in self.rates)
        generator = np.diag(self.rates[:-1], 1) - np.diag(self.rates)
        values = [
            1.0 if x <= 0 else 0.0 if x >= end else float(expm(generator * x)[0].sum())
            for x in t.ravel()
        ]
        return np.asarray(np.clip(np.reshape(values, t.shape), 0.0, 1.0))

    @override
    def mean(self) -> float:
        return sum(1.0 / rate for rate in self.rates)

    @override
    def variance(self) -> float:
        return sum(1.0 / rate**2 for rate in self.rates)

    @override
    def _third_moment(self) -> float:
        return sum(2.0 / rate**3 for rate in self.rates)

    @override
    def tail_index(self) -> float:
        return np.inf


FIRST_LEVELS = np.array([0, 1e-8, 1e-5, 1e-3, 0.02, 0.1, 0.3, 0.6, 0.9, 0.99, 0.9999, 1.0])
"""Chances that the first worker has arrived, at which integrals over it are cut into panels."""


@dataclass(frozen=True)
class BarrierLaw(IterationTimeLaw):
    """A round that ends at kappa times the first arrival if at most s are late then, else when all
    have arrived; without ties (our derivation). Given the first arrival u, the others are
    independent beyond it, so the number later than kappa u is binomial; what such rounds save is
    integrated over u and over the time at which the last would have come.

    Moments are accurate to about 1e-8, ``sf`` to about 1e-4, far below a run's error."""

    @cached_property
    def _everybody(self) -> IterationTimeLaw:
        return IterationTimeLaw(replace(self.demand, window=None), self.worker)

    @cached_property
    def _firsts(self) -> tuple[FloatArray, FloatArray]:
        """Nodes u and weights of the first arrival's law, ``(U,)`` each."""
        half = 0.5 * np.diff(FIRST_LEVELS)[:, None]
        chance = (FIRST_LEVELS[:-1, None] + half * (1.0 + GAUSS_NODES)).ravel()
        workers, _, _ = self._barrier
        level = (1.0 - chance) ** (1.0 / workers)
        firsts = smallest(lambda t: self.worker.sf(t) <= level, level.size)
        return firsts, (half * GAUSS_WEIGHTS).ravel()

    @property
    def _barrier(self) -> tuple[int, float, int]:
        """n, kappa - 1 and s."""
        assert self.demand.arrivals is not None
        assert self.demand.window is not None
        return self.demand.arrivals.workers, *self.demand.window

    def _saved(self, t: FloatArray, first: FloatArray) -> FloatArray:
        """P(at most s are late, and one of them comes after t | the first comes at u): ``(..., U)``
        for ``t (..., 1)`` or ``(..., U)`` and ``first (U,)``, where t >= kappa u."""
        workers, window, most = self._barrier
        beyond, others = self.worker.sf(first), workers - 1
        with np.errstate(all="ignore"):
            late = np.where(beyond > 0, self.worker.sf(first + window * first) / beyond, 0.0)
            missing = np.where(late > 0, np.minimum(self.worker.sf(t) / beyond / late, 1.0), 0.0)
            some_missing = np.log1p(-missing)
        saved = np.zeros(missing.shape)
        number = np.arange(1, most + 1)[:, None]
        choose = special.gammaln(others + 1) - special.gammaln(number + 1)
        log = choose - special.gammaln(others - number + 1) + special.xlogy(number, late)
        chances = np.exp(log + special.xlog1py(others - number, -late))  # so many are late
        for i in np.flatnonzero(chances.max(axis=1) > 1e-18):  # of thousands most are nothing
            saved -= chances[i] * np.expm1((i + 1) * some_missing)
        return saved

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray:
        t = np.asarray(seconds, dtype=np.float64)
        (workers, window, _), (first, weights) = self._barrier, self._firsts
        before = np.cumsum(weights) - weights
        some = np.empty(t.size)
        rows = max(1, 2**20 // first.size)  # at most 8 MiB a table
        for start in range(0, t.size, rows):
            at = t.ravel()[start : start + rows, None]
            closed = 1.0 - self.worker.sf(at / (1.0 + window)) ** workers
            share = np.clip(closed - before, 0.0, weights)
            some[start : start + rows] = (share * self._saved(at, first)).sum(axis=1)
        return np.asarray(np.clip(self._everybody.sf(t) - some.reshape(t.shape), 0.0, 1.0))

    @override
    def mean(self) -> float:
        everybody = self._everybody.mean()
        return everybody - self._saved_moment(1) if np.isfinite(everybody) else np.inf

    @override
    def variance(self) -> float:
        spread = self._everybody.variance()
        if not np.isfinite(spread):
            return np.inf
        saved = self._saved_moment(1)
        mean = self._everybody.mean()
        return max(0.0, spread + saved * (2.0 * mean - saved) - self._saved_moment(2))

    @override
    def _third_moment(self) -> float:
        everybody, mean = self._everybody.mean(), self.mean()
        spread = self._everybody.variance()
        cube = self._everybody._third_moment() + 3.0 * everybody * spread + everybody**3
        return cube - self._saved_moment(3) - 3.0 * mean * self.variance() - mean**3

    @override
    def tail_index(self) -> float:
        """That of the last arrival: more than s late ones are waited for."""
        return self._everybody.tail_index()

    def _saved_moment(self, power: int) -> float:
        """E[T_(n)^p - T^p], for p = 1, 2 or 3."""
        knots, (_, window, _), saved = self._everybody._knots, self._barrier, 0.0
        for u, weight in zip(*self._firsts, strict=True):
            closes = u + window * u
            edges = np.maximum(np.concatenate(([closes], knots)), closes)
            half = 0.5 * np.diff(edges)[:, None]
            t = edges[:-1, None] + half * (1.0 + GAUSS_NODES)
            chance = self._saved(t.reshape(-1, 1), np.array([u])).reshape(t.shape)
            values = power * t ** (power - 1) * chance * half
            saved += weight * float((values @ GAUSS_WEIGHTS).sum())
        return saved
