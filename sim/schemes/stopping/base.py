"""What a stopping rule is, and how rules combine.

A rule answers ``enough(arrived)`` for any set of arrivals, and is monotone: more arrivals never
turn a yes into a no. Rules combine with ``|`` (either) and ``&`` (both). Engines ask in two ways
that say the same thing: the batch engine asks ``stopping_delay`` for a whole table at once, the
event engine holds a ``Tally`` and tells it of each arrival. A contract test holds both to
``enough``.

Since rules are monotone, a combined rule ends at the earlier or the later of its parts' instants.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from sim.schemes.stopping.tally import Tally
from sim.types import BoolArray, FloatArray

Opened = FloatArray | float
"""``(...)`` when each round started, in seconds on the clock of the arrivals."""


class StoppingRule(ABC):
    """When the master has enough; abstract.

    n stands for the number of messages of a round: with several per worker, that of all of them.
    """

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
    def tally(self, messages: int) -> Tally:
        """A fresh tally for one round of n = ``messages``."""

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

    def tally(self, messages: int) -> Tally:
        """Both tallies, either answer."""
        return _PairTally(self.left.tally(messages), self.right.tally(messages), needed=1)

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

    def tally(self, messages: int) -> Tally:
        """Both tallies, both answers."""
        return _PairTally(self.left.tally(messages), self.right.tally(messages), needed=2)

    @property
    def deadlines(self) -> tuple[float, ...]:
        """Those of both rules."""
        return self.left.deadlines + self.right.deadlines


class _PairTally(Tally):
    def __init__(self, left: Tally, right: Tally, needed: int) -> None:
        self.left, self.right, self.needed = left, right, needed

    def arrive(self, message: int) -> bool:
        return self.left.arrive(message) + self.right.arrive(message) >= self.needed

    def elapse(self, seconds: float) -> bool:
        return self.left.elapse(seconds) + self.right.elapse(seconds) >= self.needed
