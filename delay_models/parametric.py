"""The classic laws, each a thin wrapper around ``scipy.stats``. Draws come from NumPy's generator,
which is the same law and several times faster than ``scipy.stats`` ``rvs``; the contract tests hold
each draw to its CDF (Kolmogorov-Smirnov)."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from typing_extensions import override

from ..sim.fields import configured
from .base import (
    EXPONENTIAL_END,
    NORMAL_END,
    DelayModel,
    FloatArray,
    IndependentDelays,
    PerSecond,
    Positive,
    PositiveSeconds,
    Seconds,
    exp,
    gamma_end,
)


def _stats() -> Any:
    """``scipy.stats``, imported on first use: it takes half a second that listing does not need."""
    import scipy.stats

    return scipy.stats


def special() -> Any:
    """``scipy.special``, imported on first use: that takes a sixth of a second."""
    import scipy.special

    return scipy.special


class ScipyDelays(IndependentDelays):
    """A model whose law is a frozen ``scipy.stats`` distribution; abstract. Subclasses draw all
    cells with one call of the generator, in order."""

    row_by_row = True

    @abstractmethod
    def distribution(self) -> Any:
        """The law of one cell, as a frozen ``scipy.stats`` distribution."""

    @cached_property
    def law(self) -> Any:
        """``distribution()``, made once: that takes a millisecond."""
        return self.distribution()

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray:
        return np.asarray(self.law.cdf(seconds), dtype=np.float64)

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray:
        return np.asarray(self.law.sf(seconds), dtype=np.float64)

    @override
    def ppf(self, probability: ArrayLike) -> FloatArray:
        return np.asarray(self.law.ppf(probability), dtype=np.float64)

    @override
    def mean(self) -> float:
        """E[X] in seconds; infinite for a Pareto law with alpha <= 1."""
        return float(self.law.mean())


@configured
class Deterministic(IndependentDelays):
    """Every worker always takes ``value`` seconds."""

    value: Seconds

    row_by_row = True

    @override
    def draw(self, rng: Generator, shape: tuple[int, ...]) -> FloatArray:
        return np.full(shape, self.value)

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray:
        return np.asarray(np.asarray(seconds) >= self.value, dtype=np.float64)

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray:
        return np.asarray(np.asarray(seconds) < self.value, dtype=np.float64)

    @override
    def sum_of(self, draws: int) -> Deterministic:
        return Deterministic(value=draws * self.value)

    @override
    def longest(self) -> float:
        return self.value

    @override
    def ppf(self, probability: ArrayLike) -> FloatArray:
        return np.full(np.shape(probability), self.value)

    @override
    def mean(self) -> float:
        return self.value

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (Deterministic(value=0.7),)


class ExponentialDelays(ScipyDelays):
    """``shift + Exp(rate)``; abstract."""

    shift: float
    rate: float

    @override
    def distribution(self) -> Any:
        return _stats().expon(loc=self.shift, scale=1 / self.rate)

    # What ``scipy.stats`` computes, to the bit: the most common law needs no import of it.

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray:
        return np.asarray(-special().expm1(-self._scaled(seconds)), dtype=np.float64)

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray:
        return np.asarray(np.exp(-self._scaled(seconds)), dtype=np.float64)

    def _scaled(self, seconds: ArrayLike) -> FloatArray:
        """Seconds beyond the shift, in units of the mean; 0 before it."""
        return np.asarray(np.maximum((np.asarray(seconds) - self.shift) / (1 / self.rate), 0.0))

    @override
    def ppf(self, probability: ArrayLike) -> FloatArray:
        chance = np.asarray(probability, dtype=np.float64)
        seconds = -special().log1p(-chance) * (1 / self.rate) + self.shift
        return np.asarray(np.where(chance >= 0, seconds, np.nan))

    @override
    def mean(self) -> float:
        return 1 / self.rate + self.shift

    @override
    def sum_of(self, draws: int) -> Gamma:
        return Gamma(shape=draws, scale=1 / self.rate, shift=draws * self.shift)

    @override
    def draw(self, rng: Generator, shape: tuple[int, ...]) -> FloatArray:
        delays = rng.exponential(1 / self.rate, shape)
        if self.shift:
            delays += self.shift
        return delays

    @override
    def longest(self) -> float:
        return self.shift + EXPONENTIAL_END / self.rate


@configured
class Exponential(ExponentialDelays):
    """Exp(rate), mean 1/rate seconds."""

    shift: ClassVar[float] = 0.0  # type: ignore[misc]
    rate: PerSecond

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (Exponential(rate=2.0),)


@configured
class ShiftedExponential(ExponentialDelays):
    """``shift + Exp(rate)``, mean shift + 1/rate seconds: the usual straggler model."""

    shift: Seconds
    rate: PerSecond

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (ShiftedExponential(shift=1.0, rate=2.0),)


@configured
class Weibull(ScipyDelays):
    """``shift + scale * W`` with W of the given shape; shape < 1 has a heavy tail."""

    shape: Positive
    scale: PositiveSeconds
    shift: Seconds = 0.0

    @override
    def distribution(self) -> Any:
        return _stats().weibull_min(self.shape, loc=self.shift, scale=self.scale)

    @override
    def draw(self, rng: Generator, shape: tuple[int, ...]) -> FloatArray:
        return self.shift + self.scale * rng.weibull(self.shape, shape)

    @override
    def longest(self) -> float:
        """A Weibull draw is a power of an exponential one."""
        return self.shift + self.scale * exp(np.log(EXPONENTIAL_END) / self.shape)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (Weibull(shape=0.7, scale=1.5), Weibull(shape=2.0, scale=1.5, shift=0.3))


@configured
class Pareto(ScipyDelays):
    """P(X > t) = (scale/t)^alpha for t >= scale; ``scale`` is the smallest value in seconds."""

    alpha: Positive
    scale: PositiveSeconds

    @override
    def distribution(self) -> Any:
        return _stats().pareto(self.alpha, scale=self.scale)

    # What ``scipy.stats`` computes, to the bit, as for exponential laws.

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray:
        return np.asarray(1 - self.sf(seconds))

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray:
        return np.asarray(np.maximum(np.asarray(seconds) / self.scale, 1.0) ** -self.alpha)

    @override
    def ppf(self, probability: ArrayLike) -> FloatArray:
        chance = np.asarray(probability, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            seconds = (1 - chance) ** (-1 / self.alpha) * self.scale
        return np.asarray(np.where((chance >= 0) & (chance <= 1), seconds, np.nan))

    @override
    def draw(self, rng: Generator, shape: tuple[int, ...]) -> FloatArray:
        """One Lomax draw per cell, moved by one (NumPy's ``pareto`` starts at 0)."""
        return self.scale * (1.0 + rng.pareto(self.alpha, shape))

    @override
    def longest(self) -> float:
        """The logarithm of a Pareto draw is exponential."""
        return self.scale * exp(EXPONENTIAL_END / self.alpha)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (Pareto(alpha=2.5, scale=0.4),)


@configured
class LogNormal(ScipyDelays):
    """``shift + median * exp(sigma * Z)`` with Z standard normal."""

    median: PositiveSeconds
    sigma: Positive
    shift: Seconds = 0.0

    @override
    def distribution(self) -> Any:
        return _stats().lognorm(self.sigma, loc=self.shift, scale=self.median)

    # What ``scipy.stats`` computes, to the bit, as for exponential laws.

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray:
        return np.asarray(special().ndtr(self._deviations(seconds)))

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray:
        return np.asarray(special().ndtr(-self._deviations(seconds)))

    def _deviations(self, seconds: ArrayLike) -> FloatArray:
        """Z for a number of seconds; minus infinity up to the shift."""
        with np.errstate(divide="ignore"):
            logs = np.log(np.maximum((np.asarray(seconds) - self.shift) / self.median, 0.0))
        return np.asarray(logs / self.sigma)

    @override
    def draw(self, rng: Generator, shape: tuple[int, ...]) -> FloatArray:
        return self.shift + self.median * np.exp(self.sigma * rng.standard_normal(shape))

    @override
    def longest(self) -> float:
        return self.shift + self.median * exp(self.sigma * NORMAL_END)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (LogNormal(median=0.8, sigma=0.5, shift=0.2),)


@configured
class Gamma(ScipyDelays):
    """``shift + scale * G`` with G gamma of the given shape."""

    shape: Positive
    scale: PositiveSeconds
    shift: Seconds = 0.0

    @override
    def distribution(self) -> Any:
        return _stats().gamma(self.shape, loc=self.shift, scale=self.scale)

    @override
    def sum_of(self, draws: int) -> Gamma:
        return Gamma(shape=draws * self.shape, scale=self.scale, shift=draws * self.shift)

    @override
    def draw(self, rng: Generator, shape: tuple[int, ...]) -> FloatArray:
        return self.shift + self.scale * rng.standard_gamma(self.shape, shape)

    @override
    def longest(self) -> float:
        return self.shift + self.scale * gamma_end(self.shape)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (Gamma(shape=2.5, scale=0.4, shift=0.1),)
