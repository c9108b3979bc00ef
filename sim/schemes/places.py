"""When the master stops waiting, where each worker sends several messages one after the other.

A message's *place* is its number among those of its worker, from 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from sim.arrays import row_max
from sim.schemes.stopping import FirstK, Opened, StoppingRule, Tally
from sim.types import BoolArray, FloatArray


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


def last_of_each(workers: int, messages: int) -> PerPlace:
    """Every worker's last message, after which it is done, whatever it has left out before."""
    return PerPlace((0,) * (messages - 1) + (workers,))
