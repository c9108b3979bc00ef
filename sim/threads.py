"""Linear algebra on one thread: the bits of a product or a solve depend on the number of threads.

So a table depends neither on a machine's cores, nor on how many cells are computed side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits


@contextmanager
def one_thread() -> Iterator[None]:
    """The context in which everything is computed that ends up in a table.

    NumPy and SciPy have a BLAS each, and only one that has been loaded can be limited: a solver
    that imported SciPy's later would use all cores.
    """
    import scipy.linalg  # noqa: F401

    with threadpool_limits(1):
        yield
