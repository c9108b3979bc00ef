"""A common weight for all arrivals: the error follows from the sum of their rows."""

from __future__ import annotations

from typing import final

import numpy as np
from scipy import sparse
from typing_extensions import override

from ..types import BoolArray, FloatArray, IntArray
from .position import Position, allowed


@final
class CommonWeights(Position):
    """With u the sum of the m rows that arrived and c their weight, the error is ||c u - 1||^2.

    Args:
        matrix: B, ``(n, k)``.
        weights: ``(n + 1,)`` c for m arrivals.
        stragglers: who is missing.

    Cost: one product with B for ``losing``; for each worker who returns, one more, and n numbers.
    """

    def __init__(
        self, matrix: sparse.csr_array, weights: FloatArray, stragglers: BoolArray
    ) -> None:
        self._matrix, self._weights, self.stragglers = matrix, weights, stragglers
        self._squares = np.asarray(matrix.multiply(matrix).sum(axis=1)).ravel()
        self._sums = np.asarray(matrix.sum(axis=1)).ravel()
        self._u = np.asarray(matrix.T @ (~stragglers).astype(np.float64))

    @override
    def at(self, stragglers: BoolArray) -> CommonWeights:
        return CommonWeights(self._matrix, self._weights, stragglers)

    @property
    @override
    def error(self) -> float:
        square, total = np.array(self._u @ self._u), np.array(self._u.sum())
        return float(self._error(square, total, self._arrived))

    @override
    def losing(self) -> FloatArray:
        square = self._u @ self._u - 2.0 * (self._matrix @ self._u) + self._squares
        total = self._u.sum() - self._sums
        return allowed(self._error(square, total, self._arrived - 1), self.stragglers)

    @override
    def swapping(self, returning: IntArray) -> FloatArray:
        rows = self._matrix[returning]
        products = self._matrix @ self._u
        returned = self._u @ self._u + 2.0 * products[returning] + self._squares[returning]
        shared = (rows @ self._matrix.T).toarray()
        square = returned[:, None] - 2.0 * (products + shared) + self._squares
        total = self._u.sum() + self._sums[returning, None] - self._sums
        return allowed(self._error(square, total, self._arrived), self.stragglers)

    @property
    def _arrived(self) -> int:
        return int(np.count_nonzero(~self.stragglers))

    def _error(self, square: FloatArray, total: FloatArray, arrived: int) -> FloatArray:
        c = self._weights[max(arrived, 0)]
        return np.asarray(c * c * square - 2.0 * c * total + self._matrix.shape[1])
