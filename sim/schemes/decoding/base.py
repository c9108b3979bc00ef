"""What a decoder is, and how wrong a decoded gradient is.

A decoder gives the decoding vector a, one number per message, and the partition weights w = B^T a,
one per partition: the decoded gradient is sum_i w_i g_i, exact when every w_i is 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from sim.types import BoolArray, FloatArray


class Decoder(ABC):
    """A rule from arrivals to weights; abstract. ``a_j`` is 0 for whatever has not arrived.

    n stands for the number of messages of a round: with several per worker, that of all of them.
    """

    @abstractmethod
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        """``(..., n)`` bool -> ``(..., n)``."""

    @abstractmethod
    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        """``(..., n)`` bool -> ``(..., k)``, equal to ``decoding_vector(arrived) @ B``."""


def decoding_error(weights: FloatArray) -> FloatArray:
    """``||w - 1||^2``: ``(..., k) -> (...)``."""
    return np.asarray(np.square(weights - 1.0).sum(axis=-1))
