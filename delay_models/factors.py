"""Delays times a factor of the worker, of the round, of a rack in a round, or of the time that has
passed. So a factor is the same for all partitions of a worker; a factor of 2 means twice the time.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Literal, TypeAlias

import numpy as np
from annotated_types import Ge, MinLen
from numpy.random import Generator
from numpy.typing import NDArray
from pydantic import BeforeValidator, Discriminator, Tag
from typing_extensions import override

from ..sim.base.fields import Configurable, Count, configured, require_divisor
from .base import (
    NORMAL_END,
    DelayModel,
    FloatArray,
    IndependentPart,
    NonNegative,
    Part,
    Positive,
    Probability,
    exp,
    fewest,
)
from .compose import Around, Scaled
from .mixture import Law, Markov, Mixed, Mixture
from .parametric import Deterministic, Exponential, Gamma, LogNormal, ShiftedExponential

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


@configured
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
        return fewest(mine, self.base.workers_available())

    @property
    @override
    def random(self) -> bool:
        return self.base.random or bool(self.spread)

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


class SharedFactors(Multiplied, Mixed):
    """Workers of a rack share a factor in each round; abstract. There is a ``cdf`` where the factor
    takes few values: that of their mixture."""

    @property
    @abstractmethod
    def factors(self) -> DelayModel:
        """The law of racks' factors, as of so many workers."""

    @abstractmethod
    def racks(self, workers: int) -> NDArray[np.int64]:
        """The rack of each worker, counted from 0 in their order: ``(n,)``."""

    @property
    @override
    def random(self) -> bool:
        return self.base.random or self.factors.random

    @property
    @override
    def independent_rounds(self) -> bool:
        return self.base.independent and self.factors.independent

    @override
    def together(
        self, workers: int
    ) -> tuple[NDArray[np.int64], list[float], list[DelayModel]] | None:
        if self.mixed is None or not self.base.independent:
            return None
        return self.racks(workers), [*self.mixed[0]], [*self.mixed[1]]

    @override
    def begin(self, shared: Generator, workers: int) -> Any:
        return self.factors.start(shared, int(self.racks(workers).max()) + 1)

    @override
    def multipliers(self, state: Any, shared: Generator, rounds: int, workers: int) -> Factors:
        racks = self.racks(workers)
        count = int(racks.max()) + 1
        conditions, after = self.factors.evolve(state, shared, rounds, count)
        return self.factors.delays(conditions, shared, rounds, count)[:, racks], after

    @override
    def largest(self) -> float:
        return self.factors.longest()

    @cached_property
    @override
    def mixed(self) -> Law | None:
        law: Law = ((1.0,), (self.factors,))
        if isinstance(self.factors, Mixed) and self.factors.mixed is not None:
            law = self.factors.mixed
        values = [part.value for part in law[1] if isinstance(part, Deterministic)]
        if len(values) < len(law[1]) or min(values) == 0:
            return None
        return law[0], [Scaled(by=value, base=self.base) for value in values]

    @override
    def mean(self) -> float | None:
        factor, base = self.factors.mean(), self.base.mean()
        return None if factor is None or base is None else factor * base


@configured
class RoundEffects(SharedFactors):
    """Rounds that are slow for all workers: all delays of a round times one factor.

    Args:
        base: any model.
        factor: the law of a round's factor, a plain number instead of seconds; independent from
            round to round."""

    base: Part
    factor: IndependentPart

    @property
    @override
    def factors(self) -> DelayModel:
        return self.factor

    @override
    def racks(self, workers: int) -> NDArray[np.int64]:
        return np.zeros(workers, dtype=np.int64)

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        base, factor = Gamma(shape=3.0, scale=0.3), LogNormal(median=1, sigma=0.2)
        return (RoundEffects(base=base, factor=factor),)


@configured
class Spells(metaclass=Configurable):
    """A rack's factor that stays for some rounds, from a stationary start.

    Args:
        slow: the factor in a spell; it is 1 outside.
        enter: probability that a spell begins in the next round.
        leave: probability that a spell ends with the round.

    Raises ValueError: ``enter`` and ``leave`` are both 0, so that every start is stationary."""

    slow: Positive
    enter: Probability
    leave: Probability

    def __post_init__(self) -> None:
        if self.enter + self.leave == 0:
            raise ValueError("enter and leave are both 0; one must be above 0")

    @property
    def law(self) -> DelayModel:
        """The law of the factors of racks, a number a round."""
        normal, slow = Deterministic(value=1.0), Deterministic(value=self.slow)
        if self.slow == 1.0:
            return normal  # nothing is drawn, so that the base's own conditions keep their bits
        stays = 1 - self.leave
        return Markov(slow_to_slow=stays, fast_to_slow=self.enter, fast=normal, slow=slow)


def _kind(value: Any) -> str:
    keys = value.keys() if isinstance(value, Mapping) else {"model"}
    spells = "model" not in keys and not keys.isdisjoint(("slow", "enter", "leave"))
    return "choice-slow" if spells or isinstance(value, Spells) else "choice-model"


def _placement(value: Any) -> Any:
    names = value if isinstance(value, list | tuple) else ()
    if isinstance(value, str) and value in ("within", "across"):
        return value
    if names and all(type(name) in (int, str) for name in names):
        return value
    valid = "must be within, across, or a list with the name of each worker's rack"
    raise ValueError(f"{value!r}: {valid}")


def placed_in_racks(
    placement: Literal["within", "across"], size: int, workers: int
) -> NDArray[np.int64]:
    """The rack of each worker where ``size`` workers have one, ``(n,)``: neighbours or apart."""
    worker = np.arange(workers)
    return worker // size if placement == "within" else worker % max(1, workers // size)


@configured
class GroupEffects(SharedFactors):
    """Racks whose workers are slow together: all delays of a rack in a round times one factor.

    The factors of different racks are independent. So a code whose groups lie in one rack loses
    whole groups at once, and one whose groups lie across racks does not.

    Args:
        base: delays without the factor; any model.
        size: g, workers of a rack, where ``placement`` is a word; it divides the workers.
        placement: ``within``: worker j is in rack j // g, so that neighbours, of whom codes make
            their groups, share one. ``across``: in rack j mod n / g. Or the rack of each worker,
            by any names; a run with fewer workers takes the first ones.
        factor: the law of a rack's factor in a round, a plain number instead of seconds that is
            never 0, independent from round to round; or spells, with ``slow`` (the factor in them,
            else 1), ``enter`` and ``leave`` (chances that one begins and ends after a round).

    One rack of all workers is ``round_effects``. The mean is a product, also in spells.

    Raises ValueError: ``size`` is missing or beside a list, or the factor can be 0.

    Source: Ford and others, Availability in Globally Distributed Storage Systems (OSDI 2010), on
    machines of a rack that fail together; one factor of a rack is our own model of it."""

    base: Part
    size: Count | None = None
    placement: Annotated[
        Literal["within", "across"] | Annotated[tuple[int | str, ...], MinLen(1)],
        BeforeValidator(_placement),
    ] = "within"
    factor: Annotated[
        Annotated[IndependentPart, Tag("choice-model")] | Annotated[Spells, Tag("choice-slow")],
        Discriminator(_kind),
    ]

    def __post_init__(self) -> None:
        listed = isinstance(self.placement, tuple)
        if listed == (self.size is not None):
            beside = "must be left out, since placement lists the rack of each worker"
            lacks = "missing; must be how many workers a rack has, or list the rack of each"
            raise ValueError(f"size = {self.size}: {beside}" if listed else f"size: {lacks}")
        zero = self.factors.cdf(0.0)
        if zero is not None and zero > 0:
            raise ValueError(f"factor: can be 0 (chance {zero:g}); must be above 0 always")

    @cached_property
    @override
    def factors(self) -> DelayModel:
        return self.factor.law if isinstance(self.factor, Spells) else self.factor

    @override
    def racks(self, workers: int) -> NDArray[np.int64]:
        if isinstance(self.placement, tuple):
            names = self.placement[:workers]
            known = {name: rack for rack, name in enumerate(dict.fromkeys(names))}
            return np.array([known[name] for name in names])
        assert self.size is not None
        return placed_in_racks(self.placement, self.size, workers)

    @override
    def require_workers(self, workers: int) -> None:
        super().require_workers(workers)
        if self.size is not None:
            require_divisor(self.size, workers, "size")

    @override
    def workers_available(self) -> int | None:
        mine = len(self.placement) if isinstance(self.placement, tuple) else None
        return fewest(mine, self.base.workers_available())

    @classmethod
    @override
    def examples(cls) -> tuple[DelayModel, ...]:
        """For the contract tests; a list of placements would serve too few workers for them."""
        base, normal = LogNormal(median=0.9, sigma=0.2), Deterministic(value=1.0)
        factor = Mixture(weights=(0.9, 0.1), components=(normal, Deterministic(value=5.0)))
        spells = Spells(slow=3.0, enter=0.03, leave=0.3)
        return (
            GroupEffects(base=base, size=4, placement="within", factor=spells),
            GroupEffects(base=base, size=3, placement="across", factor=factor),
            GroupEffects(base=base, size=2, factor=LogNormal(median=1, sigma=0.2)),
        )


@configured
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

    @property
    @override
    def random(self) -> bool:
        return self.base.random

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
