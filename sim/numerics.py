"""What NumPy does slowly for many short rows, and linear algebra that rounds alike everywhere."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from scipy import sparse
from threadpoolctl import threadpool_limits

from .types import BoolArray, ComplexArray, FloatArray

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

    with threadpool_limits(1):
        yield


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
