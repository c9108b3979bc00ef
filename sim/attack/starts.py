"""Sets of stragglers that theory suggests: whole partitions lost, extremes of singular vectors."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import svds

from ..types import BoolArray, FloatArray, IntArray
from .code import Code
from .sets import mask

DENSE = 2000
"""Workers, or partitions, up to which all singular vectors are computed."""

VECTORS = 4
"""Singular vectors that are tried, from the second on."""


def holders(code: Code) -> sparse.csr_array:
    """``(n, k)``: 1 where a worker holds a partition, in whichever of its messages."""
    b = code.matrix
    held = sparse.csr_array((np.ones(b.nnz), b.indices, b.indptr), shape=b.shape)
    return sparse.csr_array(_per_worker(held, code.workers).minimum(1.0))


def partition_after_partition(
    held: sparse.csr_array, rng: np.random.Generator | None = None
) -> IntArray:
    """All workers, in an order in which partition after partition loses all its holders.

    The next one is always the cheapest to lose, with the fewest holders left; of several the first,
    or a random one.

    Args:
        held: ``(n, k)``, see ``holders``.
        rng: chooses among equals.

    Cost: O(k) for each partition that is lost.
    """
    by_partition = sparse.csc_array(held)
    rows, ends = by_partition.indices, by_partition.indptr
    left = np.diff(ends).astype(np.float64)
    order, gone = list[int](), np.zeros(held.shape[0], dtype=np.bool_)
    left[left == 0] = np.inf
    noise = np.zeros(len(left)) if rng is None else rng.random(len(left)) / 2
    while np.isfinite(left).any():
        partition = int(np.argmin(left + noise))
        own = rows[ends[partition] : ends[partition + 1]]
        lost = np.sort(own[~gone[own]])
        order += lost.tolist()
        gone[lost] = True
        left -= np.asarray(held[lost].sum(axis=0)).ravel()
        left[left <= 0] = np.inf
    return np.array([*order, *np.flatnonzero(~gone)], dtype=np.int64)


def singular_vectors(code: Code) -> FloatArray:
    """``(n, v)``: where workers stand in the left singular vectors of B, from the second on.

    Cost: O(n^3), or some hundred products with B above ``DENSE``.
    """
    b = _per_worker(code.matrix, code.workers)
    if min(b.shape) < 2:
        return np.empty((code.workers, 0))
    if max(b.shape) <= DENSE:
        found = np.linalg.svd(b.toarray(), full_matrices=False)[0]
    else:
        start = np.random.default_rng(0).standard_normal(min(b.shape))
        vectors, values, _ = svds(b, k=min(1 + VECTORS, min(b.shape) - 1), v0=start)
        found = vectors[:, np.argsort(values)[::-1]]
    return np.asarray(found[:, 1 : 1 + VECTORS].real)


def extremes(vectors: FloatArray, stragglers: int) -> Iterator[BoolArray]:
    """The s workers at the lower end, at the upper end and at both ends of each vector."""
    for vector in vectors.T:
        for key in (vector, -vector, -np.abs(vector)):
            yield mask(np.argsort(key.round(12), kind="stable")[:stragglers], len(vector))


def _per_worker(rows: sparse.csr_array, workers: int) -> sparse.csr_array:
    """The sum of each worker's messages: ``(n m, k) -> (n, k)``."""
    messages = rows.shape[0] // workers
    if messages == 1:
        return rows
    own = np.repeat(np.arange(workers), messages)
    shape = (workers, rows.shape[0])
    adds = sparse.csr_array((np.ones(len(own)), (own, np.arange(len(own)))), shape=shape)
    return sparse.csr_array(adds @ rows)
