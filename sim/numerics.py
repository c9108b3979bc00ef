"""What NumPy does slowly for many short rows, and sums and linear algebra that round alike."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import final

import numpy as np
from scipy import sparse
from threadpoolctl import ThreadpoolController

from .types import BoolArray, ComplexArray, FloatArray, IntArray

SHORT = 256
"""Rows shorter than this are reduced faster column by column."""


def row_max(table: FloatArray) -> FloatArray:
    """The largest entry of each row: ``(..., n) -> (...)``.

    Cost: one pass; for short rows a transposed copy and one vectorised pass, a third of the time.
    """
    n = table.shape[-1]
    if n >= SHORT:
        return np.asarray(table.max(axis=-1))
    columns = np.ascontiguousarray(table.reshape(-1, n).T)
    return np.asarray(columns.max(axis=0).reshape(table.shape[:-1]))


@contextmanager
def one_thread() -> Iterator[None]:
    """The context in which everything is computed that ends up in a table.

    The bits of a product or a solve depend on the number of threads. On one thread, a table depends
    neither on a machine's cores nor on how many cells are computed side by side.
    """
    # NumPy and SciPy have a BLAS each, and only one that is loaded can be limited: a solver that
    # imported SciPy's later would use all cores.
    import scipy.linalg  # noqa: F401

    with _libraries(len(sys.modules)).limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """The libraries that compute with threads; looked for anew once more modules are loaded.

    Cost: 1 ms, which is half of a small cell.
    """
    return ThreadpoolController()


# Least squares with a large sparse matrix, for many sets of its rows at a time.

STEPS = 300
"""Of the iterative method: enough for a code with a condition number of some hundred."""

SMALLEST = 1e-14
"""A set is solved once ``||A^T r||`` has shrunk by this factor."""

WIDTH = 32
"""Sets that are solved together."""

CELLS = 2**20
"""Numbers of one array of the method, so that a code of 100,000 workers takes 10 sets at a time."""


def sparse_least_squares(encoding: sparse.csr_array, masks: BoolArray) -> FloatArray | ComplexArray:
    """For each set F of rows the a of smallest norm that minimises ``||B_F^T a - 1||``.

    Conjugate gradients on the normal equations from a = 0, which keeps a among the combinations of
    rows of B_F. What a set gets does not depend on the sets that are solved beside it: as many are
    always worked on together, and one that is solved stays as it is.

    Source: Hestenes, Stiefel, Methods of Conjugate Gradients (1952); as CGLS in Björck, Numerical
    Methods for Least Squares Problems (1996), section 7.4.

    Cost: at most ``STEPS`` times two products with B and six passes over n numbers for each set;
    for 1000 workers of load 5 at most 4 ms a set.

    Args:
        encoding: B, ``(n, k)``.
        masks: ``(N, n)`` which rows are in each set.

    Returns:
        ``(N, n)``, 0 for rows that are not in the set.
    """
    n = encoding.shape[0]
    width = max(1, min(WIDTH, CELLS // n))
    forth, back = encoding.T.tocsr(), encoding.conj().tocsr()
    vectors = np.zeros(masks.shape, dtype=encoding.dtype)
    for first in range(0, len(masks), width):
        some = masks[first : first + width]
        arrived = np.zeros((n, width))
        arrived[:, : len(some)] = some.T
        vectors[first : first + width] = _together(forth, back, arrived).T[: len(some)]
    return vectors


def _together(
    forth: sparse.csr_array, back: sparse.csr_array, arrived: FloatArray
) -> FloatArray | ComplexArray:
    """The same for as many sets as ``arrived (n, width)`` has columns."""
    rest = np.ones((forth.shape[0], arrived.shape[1]), dtype=forth.dtype)
    vectors = np.zeros(arrived.shape, dtype=forth.dtype)
    slope = (back @ rest) * arrived
    way = slope.copy()
    steep = _squares(slope)
    small = SMALLEST**2 * steep
    for _ in range(STEPS):
        going = steep > small
        if not going.any():
            break
        ahead = forth @ way
        length = _squares(ahead)
        step = np.where(going, steep, 0.0) / np.where(length > 0, length, 1.0)
        vectors += step * way
        rest -= step * ahead
        slope = back @ rest
        slope *= arrived
        before, steep = steep, _squares(slope)
        way *= steep / np.where(before > 0, before, 1.0)
        way += slope
    return vectors


def _squares(columns: FloatArray | ComplexArray) -> FloatArray:
    """The squared norm of each column: ``(m, width) -> (width,)``."""
    squares = np.square(columns.real).sum(axis=0)
    if np.iscomplexobj(columns):
        squares += np.square(columns.imag).sum(axis=0)
    return np.asarray(squares)


@final
class GradientTables:
    """Tables of gradients and their sums, one for each replication; every entry is zero at first.

    The sum follows each change, so a renewal costs a few passes over p numbers, however many
    entries there are. Each of ``size`` entries has the shape ``(L, p)`` of a gradient.
    """

    def __init__(self, width: int, size: int, gradient: tuple[int, int]) -> None:
        self._contents = np.zeros((width, size, *gradient))
        self._total = np.zeros((width, *gradient))
        self._renewals = np.zeros(width, dtype=np.int64)

    @property
    def total(self) -> FloatArray:
        """The sum of all entries of each table, ``(L, p, width)``; not a copy."""
        return self._total.transpose(1, 2, 0)

    def renew(
        self,
        column: IntArray,
        entry: IntArray,
        gradient: FloatArray,
        share: FloatArray | None = None,
    ) -> None:
        """Replace an entry of some tables, or mix gradients into them.

        Args:
            column: ``(c,)`` which replications' tables, none of them twice.
            entry: ``(c,)`` which entry of each.
            gradient: ``(c, L, p)`` the new gradients.
            share: ``(c,)`` weight of the new gradient; the old content has the rest. ``None``: 1.
        """
        before = self._contents[column, entry]
        change = gradient - before
        if share is not None:
            weight = share[:, None, None]
            change *= weight
            gradient = np.where(weight == 1, gradient, before + change)
        self._contents[column, entry] = gradient
        self._total[column] += change
        self._renewals[column] += 1
        # Rounding must not pile up in a long run. Adding up anew after as many renewals as there
        # are entries costs one more pass per renewal.
        for due in column[self._renewals[column] % self._contents.shape[1] == 0]:
            self._contents[due].sum(axis=0, out=self._total[due])

    def clear(self) -> None:
        """Make every entry of every table zero."""
        self._contents[:] = 0.0
        self._total[:] = 0.0
