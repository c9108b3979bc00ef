"""How the master combines the messages that arrived."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import scipy
from typing_extensions import override

from ...base.numerics import MOST_CG_STEPS, SubsetLeastSquares, sparse_least_squares
from ...base.types import BoolArray, ComplexArray, FloatArray
from ...training.steps import CommonlyWeighted
from .assignments import Assignment

# A decoder gives the decoding vector a, one number per message, and the partition weights w = B^T
# a, one per partition: the decoded gradient is sum_i w_i g_i, exact when every w_i is 1. With a
# complex code a is complex, and w is the real part of B^T a.

# Of the largest B that is made dense: 512 workers, 1 ms a set of arrivals.
MAX_DENSE_ENTRIES = 2**18


class Decoder(ABC):
    """A rule from arrivals to weights; abstract. ``a_j`` is 0 for whatever has not arrived. n
    stands for the number of messages of a round: with several per worker, that of all of them."""

    solves: ClassVar[bool] = False
    """Whether weights come from solving equations, so that rounding matters: see conditioning."""

    @property
    def operations(self) -> float:
        """About how many floating-point operations one set of arrivals takes, beyond reading it."""
        return 0.0

    @abstractmethod
    def decoding_vector(self, arrived: BoolArray) -> FloatArray | ComplexArray:
        """``(..., n)`` bool -> ``(..., n)``; complex for a complex code."""

    @abstractmethod
    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        """``(..., n)`` bool -> ``(..., k)``, the real part of ``decoding_vector(arrived) @ B``."""

    def common_weight(self, arrived: BoolArray) -> CommonlyWeighted | None:
        """What weights follow from counting, where all that are not 0 are the same number; ``None``
        unless overridden."""
        return None


@dataclass(frozen=True, eq=False)
class OfCode(Decoder):
    """A decoder that gives the weights of the messages of a code, ``assignment``; abstract."""

    assignment: Assignment

    @override
    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        return products(self.decoding_vector(arrived), self.assignment.encoding)


def decoding_error(weights: FloatArray) -> FloatArray:
    """``||w - 1||^2``: ``(..., k) -> (...)``."""
    return np.asarray(np.square(weights - 1.0).sum(axis=-1))


@final
@dataclass(frozen=True)
class SumArrived(Decoder):
    """Add what arrived, one partition a worker. ``rescale``: multiply by n over the number of
    arrivals, which makes the sum unbiased; with no arrival at all the result is 0."""

    rescale: bool = False

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        used, weight = self.common_weight(arrived)
        return np.asarray(used * weight[..., None])

    @override
    def common_weight(self, arrived: BoolArray) -> CommonlyWeighted:
        heard = np.count_nonzero(arrived, axis=-1) if self.rescale else arrived.shape[-1]
        return arrived, np.asarray(arrived.shape[-1] / np.maximum(heard, 1))

    @override
    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        """The decoding vector: B is the identity."""
        return self.decoding_vector(arrived)


@final
@dataclass(frozen=True)
class CommonWeight(OfCode):
    """Add what arrived, all messages of a real code with one weight that depends on their number:
    ``weights``, ``(n + 1,)``, for 0, 1, ..., n arrivals, from ``unbiased`` or ``least_error``."""

    weights: tuple[float, ...]

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        heard = np.count_nonzero(arrived, axis=-1)
        return np.asarray(arrived * np.array(self.weights)[heard][..., None])


def unbiased(code: Assignment, load: float | None = None) -> CommonWeight:
    """One-step decoding: the weight k / (m d) for m arrivals, d = ``load``, the mean sum of a row
    that is not empty unless given. Partition weights are then 1 on average over partitions and
    random sets of m arrivals, each of them if all have the same sum of coefficients. For a real
    code. Source: Charles, Papailiopoulos,
    Ellenberg, Approximate Gradient Coding via Sparse Random Graphs (arXiv 1711.06771)."""
    if load is None:
        load = float(code.encoding.sum()) / _messages(code) or 1.0  # else nobody has anything
    counts = np.arange(1, code.workers * code.messages + 1)
    return CommonWeight(code, (0.0, *(code.partitions / (counts * load)).tolist()))


def least_error(code: Assignment) -> CommonWeight:
    """The weight of least mean error ||w - 1||^2 over random sets of m arrivals. With b_j the rows
    of B, c = E<sum b, 1> / E||sum b||^2 over sets of m rows: our derivation. Of a symmetric design
    any two rows share lambda partitions, so that it is d / (d + lambda (m - 1))."""
    b = code.encoding
    n = _messages(code)
    own = float(np.square(b.data).sum()) / n
    everybody = float(np.square(b.sum(axis=0)).sum())
    shared = (everybody - n * own) / (n * (n - 1)) if n > 1 else 0.0
    counts = np.arange(1, b.shape[0] + 1)
    weights = float(b.sum()) / n / np.maximum(own + (counts - 1) * shared, 1e-300)
    return CommonWeight(code, (0.0, *weights.tolist()))


def _messages(code: Assignment) -> int:
    """How many are ever sent, at least 1: an empty row of B is none."""
    return max(1, int(np.count_nonzero(np.diff(code.encoding.indptr))))


@final
@dataclass(frozen=True)
class OnePerGroup(Decoder):
    """Add one message per covered group of ``size`` consecutive workers, times ``scale``. All
    members of a group send the same message; the decoding vector names the first that has come."""

    size: int
    scale: float = 1.0

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        grouped = arrived.reshape(*arrived.shape[:-1], -1, self.size)
        return np.asarray(self.scale * _first(grouped).reshape(arrived.shape))

    @override
    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        used, scale = self.common_weight(arrived)
        return np.repeat(scale * used, self.size, axis=-1)

    @override
    def common_weight(self, arrived: BoolArray) -> CommonlyWeighted:
        # NumPy reduces a short last axis ten times as slowly
        members = np.ascontiguousarray(arrived.reshape(-1, self.size).T)
        return members.any(axis=0).reshape(*arrived.shape[:-1], -1), np.asarray(self.scale)


@final
@dataclass(frozen=True)
class OnePerPartition(Decoder):
    """Add one message per covered partition, the first of those that carry it. Raises ValueError:
    a message of the code is no single partition, or a partition is in none."""

    code: Assignment

    def __post_init__(self) -> None:
        b = self.code.encoding
        if (np.diff(b.indptr) != 1).any() or (b.data != 1).any():
            kind = type(self.code).__name__
            raise ValueError(f"OnePerPartition needs a partition in each message, unlike {kind}")
        if self.code.carriers is None:
            raise ValueError("OnePerPartition: some partition is in no message")

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        vector, carriers = np.zeros(arrived.shape), self.code.carriers
        assert carriers is not None
        first = _first(arrived[..., carriers])
        for copy, messages in enumerate(carriers.T):  # no message is twice in one of them
            vector[..., messages] += first[..., copy]
        return vector

    @override
    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        return self.common_weight(arrived)[0].astype(np.float64)

    @override
    def common_weight(self, arrived: BoolArray) -> CommonlyWeighted:
        return np.asarray(arrived[..., self.code.carriers].any(axis=-1)), np.ones(())


def _first(arrived: BoolArray) -> BoolArray:
    return np.asarray(arrived & (np.cumsum(arrived, axis=-1) == 1))


@final
@dataclass(frozen=True, eq=False)
class Optimal(OfCode):
    """The a that minimises ``||B_F^T a - 1||`` over the arrived rows F, of smallest norm. Source:
    Charles, Papailiopoulos, Ellenberg, Approximate Gradient Coding via Sparse Random Graphs (arXiv
    1711.06771), optimal decoding. Cost: for each distinct set of r arrivals one system of size
    min(r, n - r) and some products with n x n matrices (``SubsetLeastSquares``), O(n k^2) where the
    set is badly conditioned; of matrices with more than ``MAX_DENSE_ENTRIES`` entries some hundred
    products with the sparse B, so that large codes that are badly conditioned are not solved
    exactly."""

    solves: ClassVar[bool] = True

    @property
    @override
    def operations(self) -> float:
        rows, columns = self._shape
        if self.large:
            return 4.0 * MOST_CG_STEPS * (float(self.assignment.loads.sum()) + rows + columns)
        return 5e3 + 6.0 * rows * columns + 0.02 * rows * columns**2

    @property
    def _shape(self) -> tuple[int, int]:
        return self.assignment.workers * self.assignment.messages, self.assignment.partitions

    @property
    def large(self) -> bool:
        """Whether B is too large to be made dense."""
        rows, columns = self._shape
        return rows * columns > MAX_DENSE_ENTRIES

    @cached_property
    def _dense(self) -> SubsetLeastSquares:
        encoding = np.asarray(self.assignment.encoding.toarray())
        return SubsetLeastSquares(encoding, np.ones(self.assignment.partitions))

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray | ComplexArray:
        if self.large:
            encoding = self.assignment.encoding
            return of_distinct(arrived, lambda masks: sparse_least_squares(encoding, masks))
        return of_distinct(arrived, self._dense.solve)


def of_distinct(arrived: BoolArray, solve: Callable[[BoolArray], np.ndarray]) -> np.ndarray:
    """Decoding vectors ``(..., n)``; ``solve``, ``(N, n) -> (N, n)``, sees each set once."""
    flat = arrived.reshape(-1, arrived.shape[-1])
    packed = np.packbits(flat, axis=1)
    keys = packed.view(np.dtype((np.void, packed.shape[1]))).ravel()
    _, first, inverse = np.unique(keys, return_index=True, return_inverse=True)
    return np.asarray(solve(flat[first])[inverse.ravel()].reshape(arrived.shape))


def products(vectors: FloatArray | ComplexArray, encoding: scipy.sparse.csr_array) -> FloatArray:
    """Partition weights, the real part of ``vectors @ B``: ``(..., n) -> (..., k)``."""
    weights = (encoding.T @ vectors.reshape(-1, vectors.shape[-1]).T).T.real
    return np.ascontiguousarray(weights).reshape(*vectors.shape[:-1], encoding.shape[1])


# What rounding makes of a code. Random real coefficients can be badly conditioned: then large
# multiples of gradients cancel in the decoded sum, and rounding decides how well.

PROBED_ORDERS = 16  # random orders of arrival that are decoded


@dataclass(frozen=True)
class Conditioning:
    """How large a code's numbers are, and how exactly it decodes in double precision. Gradients are
    decoded from products of a weight and a coefficient, so their round-off grows with
    ``largest_coefficient * largest_weight``."""

    largest_coefficient: float  # max ``|B_ji|``
    largest_weight: float  # max ``|a_j|``, over random sets of arrivals that end a round
    # Max ``||B^T a - 1||`` over the same sets. For an exact code this is what rounding leaves
    # (about 1e-12; far above it the code is exact on paper only), for an approximate one the root
    # of the largest decoding error.
    residual: float
