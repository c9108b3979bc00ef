"""Families of laws, which are fitted; laws, the results; and where variance comes from."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike
from scipy import special
from typing_extensions import override

from ...delay_models.base import MAX_DELAY_SECONDS, FloatArray
from ...delay_models.parametric import LogNormal, ScipyDelays
from ...sim.errors import ConfigError

# A ``DelayModel`` is what a simulation draws from, a ``Law`` what a likelihood needs, in seconds.

Section = dict[str, Any]  # the ``delay:`` section of a config, or that of a model in it
DIGITS = 6  # significant digits of a number in a config: far below any standard error
LARGE = 100_000  # delays of a sample above which a search looks at groups of neighbours
# Values at either end that stay alone: there laws begin and tails fall; and groups of the others.
SINGLE, GROUPS = 1_000, 10_000
WIDE = 0.05  # standard deviations; the values of a group that is wider stay alone, too


class CannotFit(ValueError):
    """A sample that a family cannot be fitted to; the message says why."""


@dataclass(frozen=True, eq=False)
class Weighed:
    """Values, ``(N,)``, and how many each of them stands for; ``None``: one. A long sample is
    searched by the means of groups of neighbours, which differ by so little that means of smooth
    functions stay what they are: to 1e-8 or so, where chance leaves 1 / sqrt(N)."""

    values: FloatArray
    counts: FloatArray | None = None

    @classmethod
    def of(cls, sample: FloatArray) -> Weighed:
        """All values of ``(N,)``, or groups of them where there are more than ``LARGE``."""
        if len(sample) <= LARGE:
            return cls(sample)
        ordered = np.sort(sample)
        middle = np.linspace(SINGLE, len(sample) - SINGLE, GROUPS + 1).astype(np.int64)
        starts = np.concatenate([np.arange(SINGLE), middle, np.arange(middle[-1] + 1, len(sample))])
        ends = np.append(starts[1:], len(sample))
        wide = ordered[ends - 1] - ordered[starts] > WIDE * float(ordered.std())
        starts = np.union1d(starts, np.flatnonzero(np.repeat(wide, ends - starts)))
        counts = np.diff(starts, append=len(sample)).astype(np.float64)
        return cls(np.add.reduceat(ordered, starts) / counts, counts)

    @property
    def total(self) -> float:
        """How many values there are in all."""
        return len(self.values) if self.counts is None else float(self.counts.sum())

    def sum(self, numbers: FloatArray) -> FloatArray:
        """Sum over the sample of ``(..., N)`` numbers, one for each value."""
        return np.asarray((numbers if self.counts is None else numbers * self.counts).sum(axis=-1))

    def mean(self, numbers: FloatArray) -> FloatArray:
        """Mean over the sample of ``(..., N)`` numbers, one for each value."""
        if self.counts is None:
            return np.asarray(numbers.mean(axis=-1))
        return self.sum(numbers) / self.total

    def std(self, numbers: FloatArray) -> float:
        """Standard deviation over the sample of ``(N,)`` numbers, one for each value."""
        if self.counts is None:
            return float(numbers.std())
        return float(np.sqrt(self.mean((numbers - self.mean(numbers)) ** 2)))


class Law(ABC):
    """A continuous law of one delay, with a density beside what its ``model``, which is drawn from,
    has; abstract."""

    model: Any

    @abstractmethod
    def logpdf(self, seconds: FloatArray) -> FloatArray:
        """Logarithm of the density at ``seconds``, elementwise."""

    def cdf(self, seconds: ArrayLike) -> FloatArray:
        """P(X <= seconds), elementwise."""
        return np.asarray(self.model.cdf(seconds))

    @abstractmethod
    def isf(self, probability: ArrayLike) -> FloatArray:
        """Seconds that X exceeds with the given probability, elementwise; precise near 0."""

    def longest(self) -> float:
        """The largest number of seconds that a draw can be, as ``DelayModel.longest``."""
        return float(self.model.longest())

    @abstractmethod
    def section(self) -> Section:
        """The law as the ``delay:`` section of a config."""


@dataclass(frozen=True)
class ScipyLaw(Law):
    """A parametric delay model with its density."""

    name: str
    model: ScipyDelays

    @override
    def logpdf(self, seconds: FloatArray) -> FloatArray:
        return np.asarray(self.model.law.logpdf(seconds), dtype=np.float64)

    @override
    def isf(self, probability: ArrayLike) -> FloatArray:
        return np.asarray(self.model.law.isf(probability), dtype=np.float64)

    @override
    def section(self) -> dict[str, Any]:
        fields = dataclasses.asdict(self.model)  # type: ignore[call-overload]
        return {"model": self.name, **{key: rounded(value) for key, value in fields.items()}}


def lognormal_section(logs: FloatArray, sigma: float) -> Section:
    """A section for delays with these logarithms, whose standard deviation is taken as given."""
    median = float(np.exp(float(logs.mean())))
    return {"model": "lognormal", "median": rounded(median), "sigma": rounded(sigma)}


@dataclass(frozen=True)
class TwoLogNormals(Law):
    """``fast`` with probability 1 - slow_share, else ``slow``."""

    fast: LogNormal
    slow: LogNormal
    slow_share: float

    def slow_probability(self, seconds: FloatArray) -> FloatArray:
        """P(the draw came from ``slow`` | its value), elementwise."""
        fast, slow = self._log_parts(seconds)
        return np.asarray(special.expit(slow - fast))

    @override
    def logpdf(self, seconds: FloatArray) -> FloatArray:
        return np.logaddexp(*self._log_parts(seconds))

    def _log_parts(self, seconds: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Weighted log densities of ``fast`` and of ``slow``."""
        fast, slow = (law.law.logpdf(seconds) for law in (self.fast, self.slow))
        return fast + np.log1p(-self.slow_share), slow + np.log(self.slow_share)

    @override
    def cdf(self, seconds: ArrayLike) -> FloatArray:
        share = self.slow_share
        return (1 - share) * self.fast.cdf(seconds) + share * self.slow.cdf(seconds)

    @override
    def isf(self, probability: ArrayLike) -> FloatArray:
        """Bisection between the quantiles of the two parts; 60 halvings."""
        share, wanted = self.slow_share, np.asarray(probability, dtype=np.float64)
        ends = [law.law.isf(wanted) for law in (self.fast, self.slow)]
        low, high = np.minimum(*ends), np.maximum(*ends)
        for _ in range(60):
            middle = (low + high) / 2
            above = (1 - share) * self.fast.sf(middle) + share * self.slow.sf(middle) > wanted
            low, high = np.where(above, middle, low), np.where(above, high, middle)
        return np.asarray((low + high) / 2)

    @override
    def longest(self) -> float:
        return max(self.fast.longest(), self.slow.longest())

    @override
    def section(self) -> dict[str, Any]:
        share = rounded(self.slow_share)
        return {
            "model": "mixture",
            "weights": [rounded(1 - share), share],
            "components": [ScipyLaw("lognormal", law).section() for law in (self.fast, self.slow)],
        }


class Family(ABC):
    """A family of laws that can be fitted to a sample; abstract."""

    name: ClassVar[str]  # the registry name
    parameters: ClassVar[tuple[str, ...]]  # free parameters, all of which the AIC counts

    @abstractmethod
    def fit(self, sample: FloatArray) -> Law:
        """The law that fits a sample ``(N,)`` best. Raises CannotFit: no likelihood is finite."""

    def refit(self, sample: FloatArray, near: Law) -> Law:
        """As ``fit``, for a sample much like the one that ``near`` was fitted to; may be faster."""
        return self.fit(sample)


def fitted(family: Family, sample: FloatArray, near: Law | None = None) -> Law:
    """The law of a family that fits a sample best, ready to be simulated; ``near`` as in ``refit``.
    Raises CannotFit: there is none, or its parameters or its delays are beyond any usable number,
    as the rate of delays of 1e-310 s is."""
    try:
        law = family.fit(sample) if near is None else family.refit(sample, near)
    except (ConfigError, ArithmeticError) as error:
        raise CannotFit("the delays are too small or too large: a parameter overflows") from error
    if law.longest() > MAX_DELAY_SECONDS:
        raise CannotFit("the tail is too heavy to simulate: it can give infinite delays")
    return law


def require_spread(sample: FloatArray, of_logs: bool = False) -> None:
    """Refuse a sample of equal values; ``of_logs``: also one with a delay of 0 s."""
    if of_logs and sample.min() <= 0:
        raise CannotFit("a delay of 0 s has no logarithm")
    if np.ptp(sample) <= 1e-12 * abs(float(sample.max())):
        raise CannotFit("all delays are equal; use the model deterministic")


def rounded(value: float, digits: int = DIGITS) -> float:
    """A float with so many digits, for readable configs; 4 do for a factor or a probability."""
    return float(f"{value:.{digits}g}")
