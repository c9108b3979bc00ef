"""How the master combines the messages that arrived.

A decoder gives the decoding vector a (n) and the partition weights w = B^T a (k): the decoded
gradient is sum_i w_i g_i, exact when every w_i is 1.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from sim.schemes.assignment import Assignment
from sim.types import BoolArray, FloatArray, IntArray


class Decoder(ABC):
    """A rule from arrivals to weights; abstract. ``a_j`` is 0 for whoever has not arrived."""

    @abstractmethod
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        """``(..., n)`` bool -> ``(..., n)``."""

    @abstractmethod
    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        """``(..., n)`` bool -> ``(..., k)``, equal to ``decoding_vector(arrived) @ B``."""


def decoding_error(weights: FloatArray) -> FloatArray:
    """``||w - 1||^2``: ``(..., k) -> (...)``."""
    return np.asarray(np.square(weights - 1.0).sum(axis=-1))


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
@dataclass(frozen=True, eq=False)
class LeastSquares(Decoder):
    """Optimal decoding: the a that minimises ``||B_F^T a - 1||`` over the arrived rows F.

    Cost: one n x k least-squares solve for each distinct set of arrivals.
    """

    assignment: Assignment

    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        """The least-squares solution of smallest norm."""
        encoding = self.assignment.encoding.toarray()
        target = np.ones(self.assignment.partitions)
        masks, inverse = _distinct(arrived.reshape(-1, arrived.shape[-1]))
        vectors = np.zeros(masks.shape)
        for vector, mask in zip(vectors, masks, strict=True):
            vector[mask] = np.linalg.lstsq(encoding[mask].T, target, rcond=None)[0]
        return vectors[inverse.ravel()].reshape(arrived.shape)

    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        """``a B``."""
        return np.asarray(self.decoding_vector(arrived) @ self.assignment.encoding.toarray())


def _distinct(masks: BoolArray) -> tuple[BoolArray, IntArray]:
    """Distinct rows of ``(N, n)`` masks, and which of them each row is; sorted as packed bits."""
    packed = np.packbits(masks, axis=1)
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return masks[first], inverse
