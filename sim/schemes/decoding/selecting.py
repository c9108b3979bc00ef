"""Take each part of the gradient from one of the messages that carry it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sim.schemes.assignment import CyclicPieces
from sim.schemes.decoding.base import Decoder
from sim.types import BoolArray, FloatArray


@final
@dataclass(frozen=True)
class OnePerGroup(Decoder):
    """Add one message per covered group of ``size`` consecutive workers, times ``scale``.

    All members of a group send the same message, so which one is taken does not matter; the
    decoding vector names the one with the lowest index.
    """

    size: int
    scale: float = 1.0

    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        """``scale`` for the first member of each group that arrived."""
        grouped = arrived.reshape(*arrived.shape[:-1], -1, self.size)
        first = grouped & (np.cumsum(grouped, axis=-1) == 1)
        return np.asarray(self.scale * first.reshape(arrived.shape))

    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        """``scale`` on every partition of a covered group."""
        grouped = arrived.reshape(*arrived.shape[:-1], -1, self.size)
        covered = self.scale * grouped.any(axis=-1)
        return np.repeat(covered, self.size, axis=-1)


@final
@dataclass(frozen=True)
class OnePerPartition(Decoder):
    """Add one message per covered partition, the one with the lowest index.

    Args:
        pieces: which messages carry each partition.
    """

    pieces: CyclicPieces

    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        """1 for the first message of each partition that arrived."""
        carried = arrived[..., self.pieces.carriers]
        vector = np.zeros(arrived.shape)
        vector[..., self.pieces.carriers] = carried & (np.cumsum(carried, axis=-1) == 1)
        return vector

    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        """1 on every covered partition."""
        covered = arrived[..., self.pieces.carriers].any(axis=-1)
        return np.asarray(covered, dtype=np.float64)
