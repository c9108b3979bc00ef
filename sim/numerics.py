"""What NumPy offers, but not fast for many short rows, or not with the same bits on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from threadpoolctl import threadpool_limits

from .types import FloatArray

# Array primitives that NumPy has, but not fast for many short rows.


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


# Linear algebra on one thread: the bits of a product or a solve depend on the number of threads.
#
# So a table depends neither on a machine's cores, nor on how many cells are computed side by side.


@contextmanager
def one_thread() -> Iterator[None]:
    """The context in which everything is computed that ends up in a table.

    NumPy and SciPy have a BLAS each, and only one that has been loaded can be limited: a solver
    that imported SciPy's later would use all cores.
    """
    import scipy.linalg  # noqa: F401

    with threadpool_limits(1):
        yield
