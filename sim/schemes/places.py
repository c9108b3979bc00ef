"""When the master stops waiting, where each worker sends several messages one after the other.

A message's *place* is its number among those of its worker, from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from ..numerics import row_max
from ..types import BoolArray, FloatArray
from .stopping import Clocked, FirstK, Opened, StoppingRule, Tally


@final
@dataclass(frozen=True)
class PerPlace(StoppingRule):
    """Stop when ``needed[p]`` workers' messages at place p have arrived, for every place p.

    Args:
        needed: arrivals at each place, 0 to n.
    """

    needed: tuple[int, ...]

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        by_place = arrived.reshape(*arrived.shape[:-1], -1, len(self.needed))
        return np.asarray((np.count_nonzero(by_place, axis=-2) >= self.needed).all(axis=-1))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The latest of the places' instants. Cost: one partial sort."""
        m = len(self.needed)
        ended = [
            FirstK(count).stopping_delay(delays[..., place::m], opened)
            for place, count in enumerate(self.needed)
            if count
        ]
        if not ended:
            return FirstK(0).stopping_delay(delays, opened)
        return ended[0] if len(ended) == 1 else row_max(np.stack(ended, axis=-1))

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return _PlaceTally(self.needed)


class _PlaceTally(Tally):
    """Counts down at each place."""

    def __init__(self, needed: tuple[int, ...]) -> None:
        self._missing = list(needed)
        self._open = sum(count > 0 for count in needed)
        self.alarms = [] if self._open else [0.0]

    @override
    def arrive(self, message: int, now: float) -> bool:
        place = message % len(self._missing)
        self._missing[place] -= 1
        self._open -= self._missing[place] == 0
        return self._open == 0

    @override
    def ring(self, now: float) -> bool:
        return self._open == 0


@final
@dataclass(frozen=True)
class AtPlace(StoppingRule):
    """A rule for one message a worker, applied to those at one place.

    Args:
        rule: the rule; one that does not depend on time.
        place: of the messages, from 0.
        places: m.
    """

    rule: StoppingRule
    place: int
    places: int

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return self.rule.enough(arrived[..., self.place :: self.places])

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        return self.rule.stopping_delay(delays[..., self.place :: self.places], opened)

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return _AtPlaceTally(self, self.rule.tally(messages // self.places, opened))


class _AtPlaceTally(Tally):
    """Tells another tally of the messages at its place."""

    def __init__(self, rule: AtPlace, inner: Tally) -> None:
        self._at, self._inner = rule, inner
        self.alarms = inner.alarms

    @override
    def arrive(self, message: int, now: float) -> bool:
        worker, place = divmod(message, self._at.places)
        if place == self._at.place:
            return self._inner.arrive(worker, now)
        return self._inner.ring(now)

    @override
    def ring(self, now: float) -> bool:
        return self._inner.ring(now)


@final
@dataclass(frozen=True)
class Later(Clocked):
    """Stop some seconds after another rule would: the master has enough, and asks for it.

    Args:
        rule: the other rule.
        seconds: how much later.
    """

    rule: StoppingRule
    seconds: float

    @property
    @override
    def monotone(self) -> bool:
        return self.rule.monotone

    @override
    def of(self, replication: int) -> Later:
        return Later(self.rule.of(replication), self.seconds)

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        """Whether there is enough to ask for."""
        return self.rule.enough(arrived)

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        return self.rule.stopping_delay(delays, opened) + self.seconds

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return _LaterTally(self.rule.tally(messages, opened), self.seconds)


class _LaterTally(Tally):
    """Sets an alarm when the other tally says yes."""

    def __init__(self, inner: Tally, seconds: float) -> None:
        self._inner, self._seconds, self._over = inner, seconds, np.inf
        self.alarms = inner.alarms

    @override
    def arrive(self, message: int, now: float) -> bool:
        return self._note(self._inner.arrive(message, now), now)

    @override
    def ring(self, now: float) -> bool:
        return self._note(self._inner.ring(now), now)

    def _note(self, enough: bool, now: float) -> bool:
        if enough and self._over == np.inf:
            self._over = now + self._seconds
            self.alarms.append(self._seconds)
        return now >= self._over


def last_of_each(workers: int, messages: int) -> PerPlace:
    """Every worker's last message, after which it is done, whatever it has left out before."""
    return PerPlace((0,) * (messages - 1) + (workers,))
