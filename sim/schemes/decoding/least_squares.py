"""Optimal decoding of any code.

Source: Charles, Papailiopoulos, Ellenberg, Approximate Gradient Coding via Sparse Random Graphs
(arXiv 1711.06771), optimal decoding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np

from sim.schemes.assignment import Assignment
from sim.schemes.decoding.base import Decoder
from sim.types import BoolArray, FloatArray, IntArray


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
