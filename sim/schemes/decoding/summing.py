"""Add up whatever arrived."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sim.schemes.decoding.base import Decoder
from sim.types import BoolArray, FloatArray


@final
@dataclass(frozen=True)
class SumArrived(Decoder):
    """Add what arrived, one partition a worker.

    Args:
        rescale: multiply by n over the number of arrivals, which makes the sum unbiased; with no
            arrival at all the result is 0.
    """

    rescale: bool = False

    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        """1 (or n/m) for each of the m arrivals."""
        weights = arrived.astype(np.float64)
        if self.rescale:
            heard = np.count_nonzero(arrived, axis=-1)
            weights *= (arrived.shape[-1] / np.maximum(heard, 1))[..., None]
        return weights

    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        """The same as the decoding vector: B is the identity."""
        return self.decoding_vector(arrived)
