"""When the master stops waiting.

A rule answers ``enough(arrived)`` for any set of arrivals, and is monotone: more arrivals never
turn a yes into a no. Rules combine with ``|`` (either) and ``&`` (both). Engines ask in two ways
that say the same thing: the batch engine asks ``stopping_delay`` for a whole table at once, the
event engine holds a ``Tally`` and tells it of each arrival. A contract test holds both to
``enough``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from sim.arrays import row_max
from sim.types import BoolArray, FloatArray

Opened = FloatArray | float


class Tally(ABC):
    """A rule's memory within one round; abstract.

    Life cycle: made when a round starts, told of each arrival and of the deadline, dropped when
    the round ends. Once it has answered True it is not asked again.
    """

    @abstractmethod
    def arrive(self, worker: int) -> bool:
        """Note a message; True when the master has enough."""

    @abstractmethod
    def elapse(self, seconds: float) -> bool:
        """Note that ``seconds`` of the round have passed; True when the master has enough."""


class StoppingRule(ABC):
    """When the master has enough; abstract."""

    @abstractmethod
    def enough(self, arrived: BoolArray) -> BoolArray:
        """``(..., n)`` bool -> ``(...)`` bool, deadlines aside."""

    @abstractmethod
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """When a round ends: ``(..., n)`` seconds -> ``(...)`` seconds.

        Always one of the given delays or the deadline, to the bit; infinite when the rule is
        never satisfied.

        Args:
            delays: when each message arrives, on any clock.
            opened: ``(...)`` when the round started on that clock.
        """

    @abstractmethod
    def tally(self, workers: int) -> Tally:
        """A fresh tally for one round with n = ``workers``."""

    @property
    def deadlines(self) -> tuple[float, ...]:
        """Instants (seconds from the start of a round) at which the answer may change."""
        return ()

    @final
    def __or__(self, other: StoppingRule) -> AnyOf:
        """Stop as soon as either rule says so."""
        return AnyOf(self, other)

    @final
    def __and__(self, other: StoppingRule) -> AllOf:
        """Stop when both rules say so."""
        return AllOf(self, other)


def bisected_stopping_delay(rule: StoppingRule, delays: FloatArray) -> FloatArray:
    """``stopping_delay`` of any rule from ``enough`` alone: bisect on the sorted prefix.

    The definition that every faster version is held to. Cost: one sort and log2(n) calls.
    """
    ranked = np.sort(delays, axis=-1)
    n = delays.shape[-1]
    low = np.zeros(delays.shape[:-1], dtype=np.int64)
    high = np.full(delays.shape[:-1], n, dtype=np.int64)  # n: not even everyone is enough
    while np.any(low < high):
        middle = (low + high) // 2
        bound = np.take_along_axis(ranked, np.minimum(middle, n - 1)[..., None], axis=-1)
        yes = rule.enough((delays <= bound) & np.isfinite(delays))
        high = np.where(yes & (low < high), middle, high)
        low = np.where(~yes & (low < high), middle + 1, low)
    found = np.take_along_axis(ranked, np.minimum(low, n - 1)[..., None], axis=-1)[..., 0]
    return np.where(low < n, found, np.inf)


@final
@dataclass(frozen=True)
class FirstK(StoppingRule):
    """Stop at k arrivals."""

    k: int

    def enough(self, arrived: BoolArray) -> BoolArray:
        """At least k arrived."""
        return np.asarray(np.count_nonzero(arrived, axis=-1) >= self.k)

    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The k-th smallest delay. Cost: one partition, or one pass for k = 1 and k = n."""
        n = delays.shape[-1]
        if self.k == n:
            return row_max(delays)
        if self.k == 1:
            return np.asarray(delays.min(axis=-1))
        return np.asarray(np.partition(delays, self.k - 1, axis=-1)[..., self.k - 1])

    def tally(self, workers: int) -> Tally:
        """Counts down."""
        return _FirstKTally(self.k)


class _FirstKTally(Tally):
    def __init__(self, k: int) -> None:
        self.missing = k

    def arrive(self, worker: int) -> bool:
        self.missing -= 1
        return self.missing <= 0

    def elapse(self, seconds: float) -> bool:
        return False


@final
@dataclass(frozen=True)
class CoverGroups(StoppingRule):
    """Stop when every group of ``size`` consecutive workers has at least one arrival."""

    size: int

    def enough(self, arrived: BoolArray) -> BoolArray:
        """Every group is covered."""
        return np.asarray(self._by_group(arrived).any(axis=-1).all(axis=-1))

    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The latest of the groups' earliest delays. Cost: one pass."""
        return row_max(_earliest(delays, self.size))

    def tally(self, workers: int) -> Tally:
        """Remembers which groups are covered."""
        return _CoverTally(workers, self.size)

    def _by_group(self, arrived: BoolArray) -> BoolArray:
        return arrived.reshape(*arrived.shape[:-1], -1, self.size)


def _earliest(delays: FloatArray, size: int) -> FloatArray:
    """Each group's smallest delay: ``(..., n) -> (..., n / size)``.

    NumPy reduces a short last axis slowly, so short groups are compared member by member.
    """
    groups = delays.shape[-1] // size
    if size > groups:
        return np.asarray(delays.reshape(*delays.shape[:-1], groups, size).min(axis=-1))
    earliest = delays[..., ::size].copy()
    for member in range(1, size):
        np.minimum(earliest, delays[..., member::size], out=earliest)
    return earliest


class _CoverTally(Tally):
    def __init__(self, workers: int, size: int) -> None:
        self.size = size
        self.covered = bytearray(workers // size)
        self.missing = workers // size

    def arrive(self, worker: int) -> bool:
        group = worker // self.size
        if not self.covered[group]:
            self.covered[group] = 1
            self.missing -= 1
        return self.missing == 0

    def elapse(self, seconds: float) -> bool:
        return False


@final
@dataclass(frozen=True)
class Deadline(StoppingRule):
    """Stop ``seconds`` after the round started, whoever has arrived."""

    seconds: float

    def enough(self, arrived: BoolArray) -> BoolArray:
        """Arrivals alone never satisfy a deadline."""
        return np.zeros(arrived.shape[:-1], dtype=np.bool_)

    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """``seconds`` after the round started, always."""
        return np.full(delays.shape[:-1], np.asarray(opened) + self.seconds)

    def tally(self, workers: int) -> Tally:
        """Waits for the clock."""
        return _DeadlineTally(self.seconds)

    @property
    def deadlines(self) -> tuple[float, ...]:
        """``seconds``."""
        return (self.seconds,)


class _DeadlineTally(Tally):
    def __init__(self, seconds: float) -> None:
        self.deadline = seconds
        self.over = False

    def arrive(self, worker: int) -> bool:
        return self.over

    def elapse(self, seconds: float) -> bool:
        self.over = self.over or seconds >= self.deadline
        return self.over


@final
@dataclass(frozen=True)
class AnyOf(StoppingRule):
    """Stop as soon as either rule says so; write ``left | right``."""

    left: StoppingRule
    right: StoppingRule

    def enough(self, arrived: BoolArray) -> BoolArray:
        """Either is satisfied."""
        return self.left.enough(arrived) | self.right.enough(arrived)

    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The earlier of the two."""
        return np.minimum(
            self.left.stopping_delay(delays, opened), self.right.stopping_delay(delays, opened)
        )

    def tally(self, workers: int) -> Tally:
        """Both tallies, either answer."""
        return _PairTally(self.left.tally(workers), self.right.tally(workers), needed=1)

    @property
    def deadlines(self) -> tuple[float, ...]:
        """Those of both rules."""
        return self.left.deadlines + self.right.deadlines


@final
@dataclass(frozen=True)
class AllOf(StoppingRule):
    """Stop when both rules say so; write ``left & right``."""

    left: StoppingRule
    right: StoppingRule

    def enough(self, arrived: BoolArray) -> BoolArray:
        """Both are satisfied."""
        return self.left.enough(arrived) & self.right.enough(arrived)

    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The later of the two."""
        return np.maximum(
            self.left.stopping_delay(delays, opened), self.right.stopping_delay(delays, opened)
        )

    def tally(self, workers: int) -> Tally:
        """Both tallies, both answers."""
        return _PairTally(self.left.tally(workers), self.right.tally(workers), needed=2)

    @property
    def deadlines(self) -> tuple[float, ...]:
        """Those of both rules."""
        return self.left.deadlines + self.right.deadlines


class _PairTally(Tally):
    def __init__(self, left: Tally, right: Tally, needed: int) -> None:
        self.left, self.right, self.needed = left, right, needed
        self.left_said = self.right_said = False

    def arrive(self, worker: int) -> bool:
        self.left_said = self.left_said or self.left.arrive(worker)
        self.right_said = self.right_said or self.right.arrive(worker)
        return self.left_said + self.right_said >= self.needed

    def elapse(self, seconds: float) -> bool:
        self.left_said = self.left_said or self.left.elapse(seconds)
        self.right_said = self.right_said or self.right.elapse(seconds)
        return self.left_said + self.right_said >= self.needed
