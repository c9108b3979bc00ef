"""A set of stragglers, and what one change of it would do to the error. ``CommonWeights`` and
``ByLeastSquares`` foresee thousands of changes at the cost of a few decodings, up to rounding, and
only roughly for a complex code, whose imaginary part the master drops. A search goes by what they
foresee; what it reports, it has decoded."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import ClassVar, Self, final

import numpy as np
from scipy import sparse
from typing_extensions import override

from ..base.types import BoolArray, FloatArray, IntArray
from ..schemes.codes.cyclic import Cyclic
from ..schemes.codes.graph_codes import ByComponent
from ..schemes.parts.decoders import CommonWeight, Optimal
from .code import Code


class Position(ABC):
    """A set of stragglers; abstract, a value."""

    foresees: ClassVar[bool] = True  # whether a change costs far less than a decoding
    stragglers: BoolArray  # ``(n,)``

    @property
    @abstractmethod
    def error(self) -> float:
        """Decoding error with these stragglers, in partitions: 0 if exact."""

    @abstractmethod
    def at(self, stragglers: BoolArray) -> Position:
        """Another set of the same code."""

    @abstractmethod
    def losing(self) -> FloatArray:
        """``(n,)`` the error with one straggler more; -inf for those who straggle already."""

    @abstractmethod
    def swapping(self, returning: IntArray) -> FloatArray:
        """``(I, n)`` the error when one of these stragglers returns and another worker straggles;
        -inf for those who straggle already."""

    def lost(self, worker: int) -> Position:
        """The same with one straggler more; a subclass may know a faster way."""
        stragglers = self.stragglers.copy()
        stragglers[worker] = True
        return self.at(stragglers)

    def swapped(self, returning: int, losing: int) -> Position:
        """The same with one straggler for another; a subclass may know a faster way."""
        stragglers = self.stragglers.copy()
        stragglers[returning], stragglers[losing] = False, True
        return self.at(stragglers)


def possible(errors: FloatArray, stragglers: BoolArray) -> FloatArray:
    """``(..., n)`` errors where a change is possible and its error is a number; else -inf."""
    return np.where(stragglers | np.isnan(errors), -np.inf, errors)


@final
class ByDecoding(Position):
    """Decodes every set that it is asked for: n - s for ``losing``, and for each who returns."""

    foresees: ClassVar[bool] = False

    def __init__(self, code: Code, stragglers: BoolArray) -> None:
        self._code, self.stragglers = code, stragglers

    @override
    def at(self, stragglers: BoolArray) -> ByDecoding:
        return ByDecoding(self._code, stragglers)

    @property
    @override
    def error(self) -> float:
        return float(self._code.errors(self.stragglers[None])[0])

    @override
    def losing(self) -> FloatArray:
        return self._with_one_more(self.stragglers)

    @override
    def swapping(self, returning: IntArray) -> FloatArray:
        everybody = np.arange(len(self.stragglers))
        others = [self.stragglers & (everybody != worker) for worker in returning]
        return possible(np.array([self._with_one_more(some) for some in others]), self.stragglers)

    def _with_one_more(self, stragglers: BoolArray) -> FloatArray:
        free = np.flatnonzero(~stragglers)
        sets = np.tile(stragglers, (len(free), 1))
        sets[np.arange(len(free)), free] = True
        errors = np.full(len(stragglers), -np.inf)
        errors[free] = self._code.errors(sets)
        return possible(errors, stragglers)


@final
class CommonWeights(Position):
    """With u the sum of the m rows that arrived and c their weight, the error is ||c u - 1||^2.
    Cost: one product with B for ``losing``; one more, and n numbers, for each who returns."""

    def __init__(
        self, matrix: sparse.csr_array, weights: FloatArray, stragglers: BoolArray
    ) -> None:
        self._matrix, self._weights, self.stragglers = matrix, weights, stragglers
        self._sends = np.diff(matrix.indptr) > 0
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
        return possible(self._error(square, total, self._arrived - self._sends), self.stragglers)

    @override
    def swapping(self, returning: IntArray) -> FloatArray:
        rows = self._matrix[returning]
        products = self._matrix @ self._u
        returned = self._u @ self._u + 2.0 * products[returning] + self._squares[returning]
        shared = (rows @ self._matrix.T).toarray()
        square = returned[:, None] - 2.0 * (products + shared) + self._squares
        total = self._u.sum() + self._sums[returning, None] - self._sums
        arrived = self._arrived + self._sends[returning, None] - self._sends
        return possible(self._error(square, total, arrived), self.stragglers)

    @property
    def _arrived(self) -> IntArray:
        return np.asarray(np.count_nonzero(~self.stragglers & self._sends))

    def _error(self, square: FloatArray, total: FloatArray, arrived: IntArray) -> FloatArray:
        c = self._weights[np.maximum(arrived, 0)]
        return np.asarray(c * c * square - 2.0 * c * total + self._matrix.shape[1])


# With F the rows that arrived and a ridge e, M = B_F B_F^H + e I and a = M^-1 B_F 1, the least of
# ||B_F^H a - 1||^2 + e ||a||^2 is k - (B_F 1)^H a. Without row j it is larger by |a_j|^2 /
# (M^-1)_jj, and the inverse is updated by one outer product (the leave-one-out formula of
# regression). The ridge is small enough to leave the order of changes alone, and large enough that
# rows which depend on each other do no harm.

RIDGE = 1e-8  # the ridge e, in units of the mean square of a row


@final
@dataclass(frozen=True, eq=False)
class ByLeastSquares(Position):
    """A set of stragglers of a code that is decoded by least squares. Cost: O(n^3) to begin with a
    set, O(n^2) for ``losing``, ``lost`` and each who returns."""

    gram: np.ndarray  # B B^H + e I, ``(n, n)``
    sums: np.ndarray  # ``(n,)`` B 1
    partitions: int  # k
    # ``(n, n)`` that of the arrived rows and columns of ``gram``; 0 for stragglers.
    inverse: np.ndarray
    stragglers: BoolArray  # who is missing

    @classmethod
    def of(cls, matrix: sparse.csr_array, stragglers: BoolArray) -> Self:
        """A set of stragglers of the code with the encoding matrix B, ``(n, k)``."""
        gram = (matrix @ matrix.conj().T).toarray()
        np.fill_diagonal(gram, gram.diagonal() + RIDGE * max(gram.diagonal().real.mean(), 1e-300))
        sums = np.asarray(matrix.sum(axis=1)).ravel()
        return cls(gram, sums, matrix.shape[1], _inverse(gram, stragglers), stragglers)

    @override
    def at(self, stragglers: BoolArray) -> ByLeastSquares:
        return replace(self, inverse=_inverse(self.gram, stragglers), stragglers=stragglers)

    @cached_property
    def error(self) -> float:
        """The error now, with the ridge."""
        return float(self.partitions - (self.sums.conj() @ self._vector).real)

    @override
    def losing(self) -> FloatArray:
        diagonal = self.inverse.diagonal().real
        errors = self.error + np.abs(self._vector) ** 2 / np.where(self.stragglers, 1, diagonal)
        return possible(errors, self.stragglers)

    @override
    def lost(self, worker: int) -> ByLeastSquares:
        column = self.inverse[:, worker]
        inverse = self.inverse - np.outer(column / column[worker].real, column.conj())
        inverse[worker], inverse[:, worker] = 0.0, 0.0
        return self._changed(inverse, worker, True)

    @override
    def swapped(self, returning: int, losing: int) -> ByLeastSquares:
        steps, rest = self._steps(np.array([returning]))
        step = steps[:, 0]
        inverse = self.inverse + np.outer(step / rest[0], step.conj())
        return self._changed(inverse, returning, False).lost(losing)

    def _changed(self, inverse: np.ndarray, worker: int, straggles: bool) -> ByLeastSquares:
        stragglers = self.stragglers.copy()
        stragglers[worker] = straggles
        return replace(self, inverse=inverse, stragglers=stragglers)

    @override
    def swapping(self, returning: IntArray) -> FloatArray:
        steps, rest = self._steps(returning)
        gains = steps.conj().T @ self.sums
        vectors = self._vector[:, None] + steps * (gains / rest)
        diagonals = self.inverse.diagonal().real[:, None] + np.abs(steps) ** 2 / rest
        error = self.error - np.abs(gains) ** 2 / rest
        with np.errstate(divide="ignore", invalid="ignore"):
            errors = error + np.abs(vectors) ** 2 / diagonals
        return possible(errors.T, self.stragglers)

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


MOST_GRAM_CELLS = 2**24  # numbers in an n x n table: 128 MiB, 4096 workers


def nobody_straggles(code: Code) -> Position:
    """The empty set of stragglers, with the fastest foresight that the decoder allows."""
    nobody = np.zeros(code.workers, dtype=np.bool_)
    if code.assignment.messages > 1:
        return ByDecoding(code, nobody)
    match code.decoder:
        case CommonWeight(weights=weights):
            return CommonWeights(code.matrix, np.array(weights), nobody)
        case Optimal() | ByComponent() | Cyclic() if code.workers**2 <= MOST_GRAM_CELLS:
            return ByLeastSquares.of(code.matrix, nobody)
    return ByDecoding(code, nobody)
