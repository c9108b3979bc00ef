"""Stop when every part of the gradient has arrived at least once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np

from sim.arrays import row_max
from sim.schemes.assignment import CyclicPieces
from sim.schemes.stopping.base import Opened, StoppingRule
from sim.schemes.stopping.tally import Tally
from sim.types import BoolArray, FloatArray


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

    def tally(self, messages: int) -> Tally:
        """Remembers which groups are covered."""
        return _CoverTally(messages // self.size, _groups(messages, self.size))

    def _by_group(self, arrived: BoolArray) -> BoolArray:
        return arrived.reshape(*arrived.shape[:-1], -1, self.size)


@lru_cache(maxsize=32)
def _groups(messages: int, size: int) -> tuple[int, ...]:
    """The group of each message; remembered, since every round asks."""
    return tuple(message // size for message in range(messages))


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


@final
@dataclass(frozen=True)
class CoverPartitions(StoppingRule):
    """Stop when every partition has arrived in at least one message.

    Args:
        pieces: which messages carry each partition.
    """

    pieces: CyclicPieces

    def enough(self, arrived: BoolArray) -> BoolArray:
        """Every partition has a message."""
        return np.asarray(arrived[..., self.pieces.carriers].any(axis=-1).all(axis=-1))

    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The latest of the partitions' earliest messages. Cost: one gather, d passes."""
        carriers = self.pieces.carriers
        earliest = delays[..., carriers[:, 0]]
        for messages in carriers.T[1:]:
            np.minimum(earliest, delays[..., messages], out=earliest)
        return row_max(earliest)

    def tally(self, messages: int) -> Tally:
        """Remembers which partitions are covered."""
        return _CoverTally(self.pieces.partitions, self.pieces.carried)


class _CoverTally(Tally):
    """Counts down the parts not yet covered; ``part_of`` gives each message's part."""

    def __init__(self, parts: int, part_of: Sequence[int]) -> None:
        self.part_of = part_of
        self.covered = bytearray(parts)
        self.missing = parts

    def arrive(self, message: int) -> bool:
        part = self.part_of[message]
        if not self.covered[part]:
            self.covered[part] = 1
            self.missing -= 1
        return self.missing == 0

    def elapse(self, seconds: float) -> bool:
        return self.missing == 0
