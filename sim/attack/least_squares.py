"""Least squares: what one worker more or less does to the error, from one inverse.

With F the rows that arrived and a ridge e, M = B_F B_F^H + e I and a = M^-1 B_F 1, the least of
||B_F^H a - 1||^2 + e ||a||^2 is k - (B_F 1)^H a. Without row j it is larger by |a_j|^2 / (M^-1)_jj,
and the inverse is updated by one outer product (the leave-one-out formula of regression). The
ridge is small enough to leave the order of changes alone, and large enough that rows which depend
on each other do no harm.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Self, final

import numpy as np
from scipy import sparse
from typing_extensions import override

from ..types import BoolArray, FloatArray, IntArray
from .position import Position, allowed

RIDGE = 1e-8
"""Of the mean square of a row."""


@final
@dataclass(frozen=True, eq=False)
class LeastSquares(Position):
    """A set of stragglers of a code that is decoded by least squares.

    Attributes:
        gram: B B^H + e I, ``(n, n)``.
        sums: ``(n,)`` B 1.
        partitions: k.
        inverse: ``(n, n)`` that of the arrived rows and columns of ``gram``; 0 for stragglers.
        stragglers: who is missing.

    Cost: O(n^3) to begin with a set, O(n^2) for ``losing``, ``lost`` and each who returns.
    """

    gram: np.ndarray
    sums: np.ndarray
    partitions: int
    inverse: np.ndarray
    stragglers: BoolArray

    @classmethod
    def of(cls, matrix: sparse.csr_array, stragglers: BoolArray) -> Self:
        """A set of stragglers of the code with the encoding matrix B, ``(n, k)``."""
        gram = (matrix @ matrix.conj().T).toarray()
        np.fill_diagonal(gram, gram.diagonal() + RIDGE * max(gram.diagonal().real.mean(), 1e-300))
        sums = np.asarray(matrix.sum(axis=1)).ravel()
        inverse = _inverse(gram, stragglers)
        return cls(gram, sums, matrix.shape[1], inverse, stragglers)

    @override
    def at(self, stragglers: BoolArray) -> LeastSquares:
        inverse = _inverse(self.gram, stragglers)
        return LeastSquares(self.gram, self.sums, self.partitions, inverse, stragglers)

    @cached_property
    def error(self) -> float:
        """The error now, with the ridge."""
        return float(self.partitions - (self.sums.conj() @ self._vector).real)

    @override
    def losing(self) -> FloatArray:
        diagonal = self.inverse.diagonal().real
        errors = self.error + np.abs(self._vector) ** 2 / np.where(self.stragglers, 1, diagonal)
        return allowed(errors, self.stragglers)

    @override
    def lost(self, worker: int) -> LeastSquares:
        """Downdate the inverse by one outer product, O(n^2)."""
        column = self.inverse[:, worker]
        inverse = self.inverse - np.outer(column / column[worker].real, column.conj())
        inverse[worker], inverse[:, worker] = 0.0, 0.0
        return self._changed(inverse, worker, True)

    @override
    def swapped(self, returning: int, losing: int) -> LeastSquares:
        """Update the inverse by two outer products, O(n^2)."""
        steps, rest = self._steps(np.array([returning]))
        step = steps[:, 0]
        inverse = self.inverse + np.outer(step / rest[0], step.conj())
        return self._changed(inverse, returning, False).lost(losing)

    def _changed(self, inverse: np.ndarray, worker: int, straggles: bool) -> LeastSquares:
        stragglers = self.stragglers.copy()
        stragglers[worker] = straggles
        return LeastSquares(self.gram, self.sums, self.partitions, inverse, stragglers)

    @override
    def swapping(self, returning: IntArray) -> FloatArray:
        steps, rest = self._steps(returning)
        gains = steps.conj().T @ self.sums
        moved = steps * (gains / rest)
        vectors = self._vector[:, None] + moved
        diagonals = self.inverse.diagonal().real[:, None] + np.abs(steps) ** 2 / rest
        error = self.error - np.abs(gains) ** 2 / rest
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = error + np.abs(vectors) ** 2 / diagonals
        return allowed(errors.T, self.stragglers)

    def _steps(self, returning: IntArray) -> tuple[np.ndarray, FloatArray]:
        """``(n, I)`` and ``(I,)``: a return adds step step^H / rest to the inverse."""
        columns = self.gram[:, returning] * ~self.stragglers[:, None]
        steps = self.inverse @ columns
        own = self.gram[returning, returning].real
        rest = own - np.einsum("ni,ni->i", columns.conj(), steps).real
        steps[returning, np.arange(len(returning))] -= 1.0
        return steps, np.maximum(rest, 1e-3 * RIDGE * own)

    @cached_property
    def _vector(self) -> np.ndarray:
        return np.asarray(self.inverse @ self.sums)


def _inverse(gram: np.ndarray, stragglers: BoolArray) -> np.ndarray:
    arrived = np.flatnonzero(~stragglers)
    inverse = np.zeros_like(gram)
    inverse[np.ix_(arrived, arrived)] = np.linalg.inv(gram[np.ix_(arrived, arrived)])
    return inverse
