"""Delays times a factor of the worker, of the round, or of the time that has passed. So a factor is
the same for all partitions of a worker; a factor of 2 means twice the time."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import Annotated, Any, TypeAlias, final

import numpy as np
from annotated_types import Ge, MinLen
from numpy.random import Generator
from pydantic.dataclasses import dataclass
from typing_extensions import override

from .base import (
    NORMAL_END,
    STRICT,
    DelayModel,
    FloatArray,
    IndependentPart,
    NonNegative,
    Part,
    Positive,
    exp,
)
from .compose import Around, Scaled
from .mixture import Law, Markov, Mixed
from .parametric import Exponential, Gamma, LogNormal, ShiftedExponential

Factors: TypeAlias = "tuple[FloatArray, Any]"  # numbers > 0 of the next rounds, and the state


class Multiplied(Around):
    """The base's delays times a factor for each worker and round; abstract."""

    def begin(self, shared: Generator, workers: int) -> Any:
        """The state of the factors before round 0; ``None`` for factors without memory."""
        return None

    @abstractmethod
    def multipliers(self, state: Any, shared: Generator, rounds: int, workers: int) -> Factors:
        """The factors of the next rounds."""

    @abstractmethod
    def largest(self) -> float:
        """A number that no factor exceeds."""

    @override
    def longest(self) -> float:
        return self.base.longest() * self.largest()

    @override
    def start(self, shared: Generator, workers: int) -> Any:
        return self.begin(shared, workers), self.base.start(shared, workers)

    @override
    def evolve(self, state: Any, shared: Generator, rounds: int, workers: int) -> tuple[Any, Any]:
        factors, mine = self.multipliers(state[0], shared, rounds, workers)
        conditions, base = self.base.evolve(state[1], shared, rounds, workers)
        return (factors, conditions), (mine, base)

    @override
    def delays(self, conditions: Any, own: Generator, rounds: int, workers: int) -> FloatArray:
        factors, base = conditions
        return np.asarray(self.base.delays(base, own, rounds, workers) * factors)


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Heterogeneous(Multiplied, Mixed):
    """Workers of different speed: worker j's delays are those of ``base`` times its own factor.

    Args:
        base: any model.
        factors: one for each worker; a run with fewer workers takes the first ones.
        spread: instead of ``factors``, draw them once per replication from a log-normal law with
            median 1 and this sigma of the logarithm.

    Raises ValueError: not exactly one of ``factors`` and ``spread`` is given."""

    base: Part
    factors: Annotated[tuple[Positive, ...], MinLen(1)] | None = None
    spread: NonNegative | None = None

    def __post_init__(self) -> None:
        if (self.factors is None) == (self.spread is None):
            raise ValueError("give either factors, one for each worker, or spread, but not both")

    @override
    def begin(self, shared: Generator, workers: int) -> FloatArray:
        if self.factors is not None:
            return np.array([self.factors[:workers]])
        assert self.spread is not None
        return np.exp(self.spread * shared.standard_normal((1, workers)))

    @override
    def multipliers(
        self, state: FloatArray, shared: Generator, rounds: int, workers: int
    ) -> Factors:
        return state, state

    @override
    def largest(self) -> float:
        if self.factors is not None:
            return max(self.factors)
        assert self.spread is not None
        return exp(self.spread * NORMAL_END)

    @override
    def workers_available(self) -> int | None:
        mine = None if self.factors is None else len(self.factors)
        limits = [limit for limit in (mine, self.base.workers_available()) if limit is not None]
        return min(limits, default=None)

    @cached_property
    @override
    def mixed(self) -> Law | None:
        """The law of a worker picked at random among the ``factors``; ``None`` for a ``spread``."""
        if self.factors is None:
            return None
        values, counts = np.unique(self.factors, return_counts=True)
        laws = [Scaled(by=float(value), base=self.base) for value in values]
        return [float(count) for count in counts], laws

    @override
    def mean(self) -> float | None:
        """Of a worker picked at random: E[factor] E[X]."""
        if self.mixed is not None:
            return super().mean()
        mean = self.base.mean()
        assert self.spread is not None
        return None if mean is None else float(np.exp(self.spread**2 / 2)) * mean

    @override
    def worker_means(self, workers: int) -> FloatArray | None:
        means = self.base.worker_means(workers)
        if means is None or self.factors is None:
            return None
        return np.asarray(means * self.factors[:workers])

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        """For the contract tests; those with ``factors`` serve too few workers for them."""
        fast, slow = LogNormal(median=0.6, sigma=0.2), ShiftedExponential(shift=1.0, rate=2.0)
        sticky = Markov(slow_to_slow=0.8, fast_to_slow=0.1, fast=fast, slow=slow)
        return (Heterogeneous(base=slow, spread=0.3), Heterogeneous(base=sticky, spread=0.1))


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class RoundEffects(Multiplied):
    """Rounds that are slow for all workers: all delays of a round times one factor.

    Args:
        base: any model.
        factor: the law of a round's factor, a plain number instead of seconds; independent from
            round to round.

    There is no ``cdf``: the law of a product of two numbers has no closed form."""

    base: Part
    factor: IndependentPart

    @override
    def multipliers(self, state: None, shared: Generator, rounds: int, workers: int) -> Factors:
        return self.factor.sample(shared, rounds, 1), None

    @override
    def largest(self) -> float:
        return self.factor.longest()

    @override
    def mean(self) -> float | None:
        factor, base = self.factor.mean(), self.base.mean()
        return None if factor is None or base is None else factor * base

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        base, factor = Gamma(shape=3.0, scale=0.3), LogNormal(median=1, sigma=0.2)
        return (RoundEffects(base=base, factor=factor),)


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Drift(Multiplied):
    """All workers slowly become slower, or faster, so that delays stay positive and finite in a run
    of any length. Rounds differ, so there is no ``cdf``.

    Args:
        base: delays without the factor; any model.
        to: the factor, which goes in a straight line from 1 in round 0.
        over: rounds until it is reached; it stays from then on.
    """

    base: Part
    to: Positive
    over: Annotated[int, Ge(1)]

    @override
    def begin(self, shared: Generator, workers: int) -> int:
        """The state is the next round's number."""
        return 0

    @override
    def multipliers(self, state: int, shared: Generator, rounds: int, workers: int) -> Factors:
        """``1 + (to - 1) min(t / over, 1)``, ``(rounds, 1)``."""
        passed = np.minimum(np.arange(state, state + rounds) / self.over, 1.0)
        return ((1 - passed) + self.to * passed)[:, None], state + rounds

    @override
    def largest(self) -> float:
        return max(1.0, self.to)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        base = Exponential(rate=2.0)
        return (Drift(base=base, to=2.0, over=20), Drift(base=base, to=0.5, over=5))
