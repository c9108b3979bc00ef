"""A linear problem: training data in partitions, and a loss of the margins ``X beta``.

The margins ``X beta`` are handed from the loss to the gradient, so an iteration costs two products
with the training data, whatever n and k are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from hashlib import blake2b
from itertools import pairwise
from typing import Any, Self, TypeAlias

import numpy as np
import scipy
from typing_extensions import override

from ...base.types import FloatArray, IntArray
from ..steps import Held
from .objective import Csr, HeldGradients, Matrix, Objective, scores

# Equal features are merged into one.
#
# One-hot data have many columns that are equal on every training row: two values that occur once,
# in the same row, or a value that implies another. Their gradients are equal in every iteration.
# So a model never leaves the span of its start and of the classes of equal features, and can be
# trained in the coordinates b of an orthonormal basis S of that span: ``beta = S b``, ``X beta =
# (X S) b``, ``||beta|| = ||b||``, and each update of beta is the same update of b.
#
# Amazon Employee Access: 59,010 classes for 241,915 features, and half of the non-zeros are left.


def product(matrix: Any, columns: FloatArray, out: FloatArray | None = None) -> FloatArray:
    """Dense or sparse matrix times columns: ``(N, p)``, ``(..., p, R)`` -> ``(..., N, R)``, a new
    array or ``out``."""
    if columns.ndim > 2 and len(columns) == 1:
        return product(matrix, columns[0], None if out is None else out[0])[None]
    if isinstance(matrix, np.ndarray):
        return np.asarray(np.matmul(matrix, columns, out=out))
    if columns.ndim < 3:
        result = np.asarray(matrix @ columns)
    else:  # SciPy knows no axis in front. Its products round each column alike, whatever is beside.
        wide = np.asarray(matrix @ columns.swapaxes(0, 1).reshape(columns.shape[1], -1))
        result = wide.reshape(len(wide), len(columns), -1).swapaxes(0, 1)
    if out is None:
        return result
    out[...] = result
    return out


def class_basis(X: Csr) -> Csr:
    """The classes of equal columns of X, as an orthonormal basis S: ``(N, p) -> (p, q)``. Column c
    of S is ``1/sqrt(size)`` on the members of class c; columns of X without a non-zero are in no
    class. Then ``X S S^T = X``. Classes are in order of their number of non-zeros, the most first,
    and then of their first row: products with X S walk through memory almost in order. Cost: one
    pass over X and one 128-bit digest per column, which stands for the column."""
    columns = X.tocsc()  # row after row: sorted
    ends = columns.indptr.tolist()
    classes: dict[bytes, int] = {}
    label = np.full(X.shape[1], -1)
    representative: list[int] = []
    for j, (start, end) in enumerate(pairwise(ends)):
        if start == end:
            continue
        digest = blake2b(columns.indices[start:end].tobytes(), digest_size=16)
        digest.update(columns.data[start:end].tobytes())
        label[j] = classes.setdefault(digest.digest(), len(classes))
        if label[j] == len(representative):
            representative.append(j)
    heads = np.array(representative, dtype=np.int64)
    first_rows = columns.indices[columns.indptr[heads]]
    order = np.lexsort((first_rows, -np.diff(columns.indptr)[heads]))
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    members = np.flatnonzero(label >= 0)
    targets = rank[label[members]]
    values = 1 / np.sqrt(np.bincount(targets, minlength=order.size)[targets])
    return scipy.sparse.csr_array((values, (members, targets)), shape=(X.shape[1], order.size))


def merge(X: Csr, basis: Csr) -> Csr:
    """The product ``X S``, with sorted indices."""
    merged = scipy.sparse.csr_array(X @ basis)
    merged.sort_indices()
    return merged


def append_column(X: Csr, column: FloatArray) -> Csr:
    """X with one more column, of which only the non-zeros are stored."""
    both = X, scipy.sparse.csr_array(column[:, None])
    return scipy.sparse.csr_array(scipy.sparse.hstack(both, format="csr"))


NUMBERS_AT_ONCE = 2**15  # numbers of a temporary, 256 KiB: several fit in the second-level cache

RowWise: TypeAlias = Callable[[FloatArray, FloatArray], FloatArray]
"""Margins ``(N, R)`` and targets ``(N,)`` -> ``(N, R)``."""


@dataclass(frozen=True, eq=False)
class Problem(Objective):
    """A linear model and a loss of its margins; abstract. Final subclasses say what the loss of one
    row is. ``X^T`` is a view: for sparse rows it is column-compressed, and its product scatters
    each row into the result."""

    @property
    @override
    def parameters(self) -> int:
        """One a feature."""
        return self.features

    @property
    @override
    def kept(self) -> int:
        """The margins, of training and test rows."""
        return len(self._targets)

    @cached_property
    def _targets(self) -> FloatArray:
        return self.y if self.y_test is None else np.concatenate([self.y, self.y_test])

    @abstractmethod
    def row_losses(self, margins: FloatArray, targets: FloatArray) -> FloatArray:
        """The loss of each row: ``(N, R)`` and ``(N,)`` -> a new ``(N, R)``."""

    @abstractmethod
    def row_slopes(self, margins: FloatArray, targets: FloatArray) -> FloatArray:
        """The derivative of each row's loss by its margin: -> a new ``(N, R)``."""

    def losses_and_slopes(
        self, margins: FloatArray, targets: FloatArray, slopes: FloatArray | None
    ) -> FloatArray:
        """``row_losses`` of ``(..., N, R)`` margins; ``row_slopes``, too, are written where there
        is room for them. To be overridden where one costs less beside the other."""
        if slopes is not None:
            slopes[...] = _row_by_row(self.row_slopes, margins, targets)
        return _row_by_row(self.row_losses, margins, targets)

    @override
    def at(self, beta: FloatArray) -> FloatArray:
        """The margins of the training rows, and then those of the test rows. Cost: two products."""
        margins = np.empty((*beta.shape[:-2], self.kept, beta.shape[-1]))
        product(self.X, beta, margins[..., : self.rows, :])
        if self.X_test is not None:
            product(self.X_test, beta, margins[..., self.rows :, :])
        return margins

    @override
    def mean_loss(self, X: Matrix, y: FloatArray, beta: FloatArray) -> FloatArray:
        return self._mean_losses(product(X, beta), y, len(y))[0]

    @override
    def loss_at(self, at: FloatArray) -> FloatArray:
        return self._mean_losses(at, self._targets, self.rows)[0]

    @override
    def scores_at(self, at: FloatArray, beta: FloatArray) -> FloatArray:
        train, test = self._mean_losses(at, self._targets, self.rows)
        return scores(train, test, self.test_accuracy(beta))

    @override
    def scores_and_gradient_at(
        self, at: FloatArray, beta: FloatArray, weights: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Cost: one product with ``X^T``."""
        slopes = np.empty(at.shape)
        train, test = self._mean_losses(at, self._targets, self.rows, slopes)
        gradient = self._weighted(slopes[..., : self.rows, :], weights)
        return scores(train, test, self.test_accuracy(beta)), gradient

    def _mean_losses(
        self, margins: FloatArray, targets: FloatArray, first: int, slopes: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """Mean loss over the first rows, and over the others or NaN: ``(..., R)`` each. The slopes,
        too, are written where there is room for them."""
        if margins.ndim > 2 and len(margins) == 1:  # NumPy walks faster over two axes
            room = None if slopes is None else slopes[0]
            train, test = self._mean_losses(margins[0], targets, first, room)
            return train[None], test[None]
        total = np.zeros((2, *margins.shape[:-2], margins.shape[-1]))
        for rows in _in_cache(margins.shape[-2:]):
            room = None if slopes is None else slopes[..., rows, :]
            losses = self.losses_and_slopes(margins[..., rows, :], targets[rows], room)
            cut = max(first - rows.start, 0)
            for sums, own in zip(total, (losses[..., :cut, :], losses[..., cut:, :]), strict=True):
                if own.shape[-2]:
                    sums += np.ones(own.shape[-2]) @ own
        return total[0] / first, total[1] / (len(targets) - first or np.nan)

    @override
    def summed_gradient(
        self, X: Matrix, y: FloatArray, beta: FloatArray, weights: FloatArray | None = None
    ) -> FloatArray:
        """Cost: two products."""
        slopes = _row_by_row(self.row_slopes, product(X, beta), y)
        return product(X.T, slopes if weights is None else slopes * weights.T)

    @override
    def gradient_at(self, at: FloatArray, weights: FloatArray | None = None) -> FloatArray:
        """Cost: one product with ``X^T``."""
        return self._weighted(self.slopes(at), weights)

    def slopes(self, at: FloatArray) -> FloatArray:
        """The derivative of each training row's loss by its margin: a new ``(..., N, R)``."""
        margins = at[..., : self.rows, :]
        slopes = np.empty(margins.shape)
        for rows in _in_cache(margins.shape[-2:]):
            slopes[..., rows, :] = _row_by_row(self.row_slopes, margins[..., rows, :], self.y[rows])
        return slopes

    def _weighted(self, slopes: FloatArray, weights: FloatArray | None) -> FloatArray:
        """The gradient from slopes of all training rows, which are written over."""
        if slopes.ndim > 2 and len(slopes) == 1:
            return self._weighted(slopes[0], weights)[None]
        if weights is None:
            slopes /= self.rows
        else:
            scaled = np.ascontiguousarray(weights.T) / self.rows
            for rows, owner in self.pieces(slopes.size // self.rows):
                slopes[..., rows, :] *= scaled.take(owner, axis=0)
        return product(self.X.T, slopes)

    def pieces(self, width: int) -> Iterator[tuple[slice, IntArray]]:
        """A few training rows at a time, and the partition of each: ``(N, width)`` in the cache."""
        return ((rows, self._owner[rows]) for rows in _in_cache((self.rows, width)))

    @cached_property
    def _owner(self) -> IntArray:
        return np.repeat(np.arange(self.partitions), self.partition_sizes)

    @override
    def gradient_of(self, partition: int, beta: FloatArray) -> FloatArray:
        """``(1/N) g_i(beta)`` of partition i, without L2, at R models: ``(..., p, R)``. Cost: two
        products."""
        rows, X = self._blocks[partition]
        slopes = _row_by_row(self.row_slopes, product(X, beta), self.y[rows])
        slopes /= self.rows
        return product(X.T, slopes)

    @override
    def single_gradients(self, partition: IntArray, beta: FloatArray) -> FloatArray:
        """``gradient_of`` for ``(G,)`` partitions, with its bits, each at L models of its
        own: ``(G, L, p) -> (G, L, p)``. Cost: two products with each partition's rows. Small dense
        partitions are gathered, as many as stay in the cache, and share the calls."""
        gradients, models, _ = beta.shape
        at_once = NUMBERS_AT_ONCE * self.partitions // (self.rows * self.features)
        if at_once < 2 or gradients * models < 3 or not isinstance(self.X, np.ndarray):
            pairs = zip(partition.tolist(), beta, strict=True)
            columns = ((i, model[:, None]) for i, several in pairs for model in several)
            singles = [self.gradient_of(i, column) for i, column in columns]
            return np.array(singles).reshape(beta.shape)
        result = np.empty_like(beta)
        larger = partition < self.rows % self.partitions
        for (first, X, y), there in zip(self._stacks, (larger, ~larger), strict=True):
            own = there.nonzero()[0]
            for start in range(0, own.size, at_once):
                batch = own[start : start + at_once]
                index = partition[batch] - first
                rows, targets = X[index][:, None], y[index].repeat(models, axis=0)
                margins = rows @ beta[batch, ..., None]
                slopes = self.row_slopes(margins.reshape(-1, 1), targets.reshape(-1))
                slopes /= self.rows
                result[batch] = (rows.swapaxes(2, 3) @ slopes.reshape(margins.shape))[..., 0]
        return result

    @cached_property
    def _stacks(self) -> list[tuple[int, FloatArray, FloatArray]]:
        """Partitions of one size: the first one's number, ``(q, rows, p)`` and ``(q, rows)``."""
        size, larger = divmod(self.rows, self.partitions)
        cut, X = larger * (size + 1), np.asarray(self.X)
        return [
            (0, X[:cut].reshape(-1, size + 1, self.features), self.y[:cut].reshape(-1, size + 1)),
            (larger, X[cut:].reshape(-1, size, self.features), self.y[cut:].reshape(-1, size)),
        ]

    @override
    def held(self, held: int, rates: int, width: int) -> HeldGradients:
        return HeldSlopes(self, held, rates, width)

    @property
    @override
    def held_size(self) -> int:
        """A slope a row."""
        return self.rows

    def partition_gradients(self, beta: FloatArray) -> FloatArray:
        """Each partition's own gradient g_i, a sum over its rows: ``(p,) -> (p, k)``. For the
        theory; a run does not need them. Cost: two passes over the data, p x k memory."""
        slopes = self.slopes(product(self.X, beta[:, None]))
        return np.hstack([product(X.T, slopes[rows]) for rows, X in self._blocks])

    @override
    def merged(self, initial: FloatArray) -> tuple[Self, FloatArray, Csr | None]:
        """The same problem with equal features of sparse data merged (``class_basis``), its start
        ``(q,)``, and S: a model is ``S`` times a merged model. Dense data come back as they are,
        with ``None``. The part of the start that the classes do not span becomes the last
        coordinate, which no training row reads, but test rows and L2 do."""
        if self._merged_data is None:
            return self, initial, None
        basis, X, X_test = self._merged_data
        start = product(basis.T, initial)
        rest = initial - product(basis, start)
        rest -= product(basis, product(basis.T, rest))  # once more: exactly orthogonal to S
        length = float(np.linalg.norm(rest))
        if length > 1e-12 * float(np.linalg.norm(initial)):  # else it is round-off
            rest /= length
            X = append_column(X, np.zeros(self.rows))
            if X_test is not None:
                X_test = append_column(X_test, product(self.X_test, rest))
            basis, start = append_column(basis, rest), np.append(start, length)
        return replace(self, X=X, X_test=X_test), start, basis

    @cached_property
    def _merged_data(self) -> tuple[Csr, Csr, Csr | None] | None:
        if isinstance(self.X, np.ndarray) or isinstance(self.X_test, np.ndarray):
            return None
        basis = class_basis(self.X)
        X_test = None if self.X_test is None else merge(self.X_test, basis)
        return basis, merge(self.X, basis), X_test


class HeldSlopes(HeldGradients):
    """The same of a linear problem. A row's part of a gradient is its features times its slope. So
    the slopes are kept, which are mixed row by row before the one product with ``X^T``."""

    def __init__(self, problem: Problem, held: int, rates: int, width: int) -> None:
        self._problem = problem
        self._slopes = np.zeros((held, rates, problem.rows, width))

    @override
    def mixed(self, step: Held, at: FloatArray) -> FloatArray:
        """Renew some gradients and decode the weighted sum of all: ``(L, p, width)``, from the
        margins of the newest models. Cost: one product, and two passes over N numbers for each of
        the d and each model."""
        problem, slopes = self._problem, self._problem.slopes(at)
        renewed = np.ascontiguousarray(step.fresh.transpose(1, 2, 0))
        scaled = np.ascontiguousarray(step.weights.transpose(1, 2, 0)) / problem.rows
        for rows, owner in problem.pieces(slopes.size // problem.rows):
            newest = slopes[:, rows]
            mixed = np.zeros(newest.shape)
            for held, renew, weight in zip(self._slopes, renewed, scaled, strict=True):
                np.copyto(held[:, rows], newest, where=renew[owner])
                mixed += held[:, rows] * weight[owner]
            slopes[:, rows] = mixed
        return product(problem.X.T, slopes)


def _row_by_row(of: RowWise, margins: FloatArray, targets: FloatArray) -> FloatArray:
    """A loss or slope of each row, which knows two axes; L sets of rows are rows of one set."""
    if margins.ndim > 2 and len(margins) > 1:
        targets = np.tile(targets, len(margins))
    return of(margins.reshape(-1, margins.shape[-1]), targets).reshape(margins.shape)


def _in_cache(shape: tuple[int, ...]) -> Iterator[slice]:
    """Rows of an ``(N, R)`` array, a few at a time: temporaries of all would leave the cache."""
    step = max(1, NUMBERS_AT_ONCE // shape[1])
    return (slice(start, start + step) for start in range(0, shape[0], step))
