"""The classic laws in closed form: what ``scipy.stats`` computes, to the bit, without its import of
half a second. Draws come from NumPy's generator, which is the same law and several times faster
than ``scipy.stats`` ``rvs``; the contract tests hold each draw to its CDF (Kolmogorov-Smirnov)."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike
from typing_extensions import override

from ..sim.base.fields import configured
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
)


def special() -> Any:
    """``scipy.special``, imported on first use: that takes a sixth of a second."""
    import scipy.special

    return scipy.special


class Standard(NamedTuple):
    """The law of a number Z >= 0 without a unit; functions are elementwise."""

    unit: float  # seconds for which Z is 1
    mean: float
    cdf: Callable[[FloatArray], FloatArray]  # P(Z <= z)
    sf: Callable[[FloatArray], FloatArray]  # P(Z > z), precise near 0
    logpdf: Callable[[FloatArray], FloatArray]
    ppf: Callable[[FloatArray], FloatArray]  # the inverse of ``cdf``
    isf: Callable[[FloatArray], FloatArray]  # the inverse of ``sf``
    least: float = 0.0  # Z is at least this


class Parametric(IndependentDelays):
    """``shift + unit * Z`` seconds; abstract. Subclasses draw all cells with one call of the
    generator, in order."""

    row_by_row = True
    shift: float

    @property
    @abstractmethod
    def standard(self) -> Standard:
        """The law of Z."""

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray:
        return self._of_z(self.standard.cdf, seconds)

    @override
    def sf(self, seconds: ArrayLike) -> FloatArray:
        return self._of_z(self.standard.sf, seconds)

    def logpdf(self, seconds: ArrayLike) -> FloatArray:
        """Logarithm of the density, elementwise; minus infinity before the least delay."""
        law = self.standard
        with np.errstate(divide="ignore", invalid="ignore"):
            known = self._of_z(law.logpdf, seconds) - np.log(law.unit)
        return np.where(np.asarray(seconds) < self.shift + law.least * law.unit, -np.inf, known)

    def _of_z(self, of: Callable[[FloatArray], FloatArray], seconds: ArrayLike) -> FloatArray:
        law = self.standard
        z = np.maximum((np.asarray(seconds) - self.shift) / law.unit, law.least)
        return np.asarray(of(z), dtype=np.float64)

    @override
    def ppf(self, probability: ArrayLike) -> FloatArray:
        return self._seconds(self.standard.ppf, probability)

    @override
    def isf(self, probability: ArrayLike) -> FloatArray:
        return self._seconds(self.standard.isf, probability)

    def _seconds(self, of: Callable[[FloatArray], FloatArray], chance: ArrayLike) -> FloatArray:
        p = np.asarray(chance, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            seconds = of(p) * self.standard.unit + self.shift
        return np.asarray(np.where((p >= 0) & (p <= 1), seconds, np.nan))

    @override
    def mean(self) -> float:
        """E[X] in seconds; infinite for a Pareto law with alpha <= 1."""
        return float(self.standard.mean * self.standard.unit + self.shift)


@configured
class Deterministic(IndependentDelays):
    """Every worker always takes ``value`` seconds."""

    value: Seconds

    random = False
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


class ExponentialDelays(Parametric):
    """``shift + Exp(rate)``; abstract."""

    rate: float

    @property
    @override
    def standard(self) -> Standard:
        of = special()
        return Standard(
            unit=1 / self.rate,
            mean=1.0,
            cdf=lambda z: -of.expm1(-z),
            sf=lambda z: np.exp(-z),
            logpdf=lambda z: -z,
            ppf=lambda q: -of.log1p(-q),
            isf=lambda q: -np.log(q),
        )

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
class Weibull(Parametric):
    """``shift + scale * W`` with W of the given shape; shape < 1 has a heavy tail."""

    shape: Positive
    scale: PositiveSeconds
    shift: Seconds = 0.0

    @property
    @override
    def standard(self) -> Standard:
        of, c = special(), self.shape
        return Standard(
            unit=self.scale,
            mean=of.gamma(1 + 1 / c),
            cdf=lambda z: -of.expm1(-np.power(z, c)),
            sf=lambda z: np.exp(-np.power(z, c)),
            logpdf=lambda z: np.log(c) + of.xlogy(c - 1, z) - np.power(z, c),
            ppf=lambda q: np.power(-of.log1p(-q), 1 / c),
            isf=lambda q: np.power(-np.log(q), 1 / c),
        )

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
class Pareto(Parametric):
    """P(X > t) = (scale/t)^alpha for t >= scale; ``scale`` is the smallest value in seconds."""

    shift: ClassVar[float] = 0.0  # type: ignore[misc]
    alpha: Positive
    scale: PositiveSeconds

    @property
    @override
    def standard(self) -> Standard:
        a = self.alpha
        return Standard(
            unit=self.scale,
            mean=a / (a - 1) if a > 1 else np.inf,
            cdf=lambda z: 1 - z**-a,
            sf=lambda z: z**-a,
            logpdf=lambda z: np.log(a) - (a + 1) * np.log(z),
            ppf=lambda q: (1 - q) ** (-1 / a),
            isf=lambda q: q ** (-1 / a),
            least=1.0,
        )

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
class LogNormal(Parametric):
    """``shift + median * exp(sigma * Z)`` with Z standard normal."""

    median: PositiveSeconds
    sigma: Positive
    shift: Seconds = 0.0

    @property
    @override
    def standard(self) -> Standard:
        of, sigma = special(), self.sigma

        def deviations(z: FloatArray) -> FloatArray:
            with np.errstate(divide="ignore"):
                return np.asarray(np.log(z) / sigma)

        return Standard(
            unit=self.median,
            mean=np.sqrt(np.exp(sigma * sigma)),
            cdf=lambda z: of.ndtr(deviations(z)),
            sf=lambda z: of.ndtr(-deviations(z)),
            logpdf=lambda z: np.where(
                z > 0,
                -(np.log(z) ** 2) / (2 * sigma**2) - np.log(sigma * z * np.sqrt(2 * np.pi)),
                -np.inf,
            ),
            ppf=lambda q: np.exp(sigma * of.ndtri(q)),
            isf=lambda q: np.exp(sigma * -of.ndtri(q)),
        )

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
class Gamma(Parametric):
    """``shift + scale * G`` with G gamma of the given shape."""

    shape: Positive
    scale: PositiveSeconds
    shift: Seconds = 0.0

    @property
    @override
    def standard(self) -> Standard:
        of, a = special(), self.shape
        return Standard(
            unit=self.scale,
            mean=a,
            cdf=lambda z: of.gammainc(a, z),
            sf=lambda z: of.gammaincc(a, z),
            logpdf=lambda z: of.xlogy(a - 1, z) - z - of.gammaln(a),
            ppf=lambda q: of.gammaincinv(a, q),
            isf=lambda q: of.gammainccinv(a, q),
        )

    @override
    def sum_of(self, draws: int) -> Gamma:
        return Gamma(shape=draws * self.shape, scale=self.scale, shift=draws * self.shift)

    @override
    def draw(self, rng: Generator, shape: tuple[int, ...]) -> FloatArray:
        return self.shift + self.scale * rng.standard_gamma(self.shape, shape)

    @override
    def longest(self) -> float:
        """Up to shape 1 NumPy's gamma draw is below the sum of two exponential draws; above it is
        b (1 + z / sqrt(9 b))^3 with b = shape - 1/3 and z a normal draw."""
        return self.shift + self.scale * (2 * self.shape + 1000)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        return (Gamma(shape=2.5, scale=0.4, shift=0.1),)
