"""What is attacked, an encoding matrix with its decoder, and sets of stragglers to try."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from itertools import combinations, islice
from typing import Any, final

import numpy as np
from numpy.random import Generator
from scipy import sparse
from scipy.sparse.linalg import svds

from ..base.types import BoolArray, FloatArray, IntArray
from ..schemes.base import Fixed, RoundScheme, Scheme
from ..schemes.partial_work import PartlyUncoded
from ..schemes.parts.assignments import Assignment
from ..schemes.parts.decoders import Decoder, decoding_error

MASK_CELLS = 2**20  # numbers in the masks that are made at once


def mask(members: IntArray, workers: int) -> BoolArray:
    """``(N, s)`` or ``(s,)`` members -> ``(N, n)`` or ``(n,)``."""
    masks = np.zeros((*members.shape[:-1], workers), dtype=np.bool_)
    np.put_along_axis(masks, members, True, axis=-1)
    return masks


def every_set(workers: int, stragglers: int) -> Iterator[BoolArray]:
    """All C(n, s) sets as ``(N, n)`` masks, in lexicographic order, some thousand at a time."""
    order, step = combinations(range(workers), stragglers), max(1, MASK_CELLS // workers)
    while some := list(islice(order, step)):
        yield mask(np.array(some, dtype=np.int64).reshape(len(some), stragglers), workers)


def random_sets(workers: int, stragglers: int, count: int, rng: Generator) -> Iterator[BoolArray]:
    """Independent uniformly random sets as ``(N, n)`` masks, some thousand at a time."""
    step = max(1, MASK_CELLS // workers)
    for start in range(0, count, step):
        draws = rng.random((min(step, count - start), workers))
        yield mask(np.argsort(draws, axis=1)[:, :stragglers], workers)


DECODED_CELLS = 2**22  # numbers in the sets that are decoded at once: 32 MiB


@final
@dataclass(frozen=True)
class NoCode:
    """The reason why a scheme has no ``Code``."""

    reason: str


@final
@dataclass(frozen=True, eq=False)
class Code:
    """An encoding matrix, and the scheme's own decoder."""

    assignment: Assignment
    decoder: Decoder

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return self.assignment.workers

    @property
    def partitions(self) -> int:
        """Number of partitions k: the error of decoding nothing."""
        return self.assignment.partitions

    @cached_property
    def senders(self) -> BoolArray:
        """``(n,)`` who holds something: nobody ever hears of the others."""
        return np.asarray(self.assignment.loads > 0)

    @cached_property
    def matrix(self) -> sparse.csr_array:
        """B, ``(n m, k)``; a copy: SciPy sorts a matrix in place, and decoders know its order."""
        b = self.assignment.encoding.copy()
        b.sum_duplicates()
        return b

    def errors(self, stragglers: BoolArray) -> FloatArray:
        """``||w - 1||^2`` when all but these have arrived: ``(N, n)`` bool -> ``(N,)``. The
        scheme's own decoder finds w, in batches. NaN where it finds none."""
        messages = self.assignment.messages
        step = max(1, DECODED_CELLS // max(self.workers * messages, self.partitions))
        errors = np.empty(len(stragglers))
        for start in range(0, len(stragglers), step):
            heard = ~stragglers[start : start + step] & self.senders
            arrived = np.repeat(heard, messages, axis=1)
            errors[start : start + step] = decoding_error(self.decoder.partition_weights(arrived))
        return errors

    def same(self, other: Code) -> bool:
        """Whether both decode every set of stragglers alike, by construction."""
        mine, theirs = self.decoder, other.decoder

        def values(decoder: Any) -> list[object]:
            return [getattr(decoder, field.name) for field in fields(decoder)]

        return (
            type(mine) is type(theirs)
            and self.assignment == other.assignment
            and (mine == theirs or (is_dataclass(mine) and values(mine) == values(theirs)))
        )


def code_of(scheme: Scheme) -> Code | NoCode:
    """The code of a scheme whose rounds all decode by one encoding matrix; else why there is none.
    When a round ends does not matter here: an attacker decides who is heard."""
    match scheme:
        case Fixed(patience=None):
            return Code(scheme.assignment, scheme.decoder)
        case Fixed():
            return NoCode("its workers stop or start again by themselves")
        case PartlyUncoded():
            return NoCode("a part of its data is not coded, so that nobody may straggle")
        case RoundScheme():
            return NoCode("its rounds do not all decode by one encoding matrix")
        case _:
            return NoCode("it has no rounds")


# Sets that theory suggests: all holders of some partitions, and extremes of singular vectors.

MOST_DENSE_SIZE = 2000  # workers, or partitions, up to which all singular vectors are computed


def partition_orders(code: Code, ties: Sequence[Generator | None]) -> list[IntArray]:
    """Orders of all workers in which partition after partition loses all who hold it, in whichever
    of their messages. The next one is always the cheapest to lose, with the fewest holders left; of
    several the first, or a random one. Cost: O(k) for each partition that is lost."""
    b = code.matrix
    held = sparse.csr_array((np.ones(b.nnz), b.indices, b.indptr), shape=b.shape)
    held = sparse.csr_array(_per_worker(held, code.workers).minimum(1.0))
    return [_partition_after_partition(held, rng) for rng in ties]


def _partition_after_partition(held: sparse.csr_array, rng: Generator | None) -> IntArray:
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


def singular_vectors(code: Code, count: int = 4) -> FloatArray:
    """``(n, count)``: where workers stand in the left singular vectors of B, from the second on.
    Cost: O(n^3), or some hundred products with B above ``MOST_DENSE_SIZE``."""
    b = _per_worker(code.matrix, code.workers)
    if min(b.shape) < 2:
        return np.empty((code.workers, 0))
    if max(b.shape) <= MOST_DENSE_SIZE:
        left = np.linalg.svd(b.toarray(), full_matrices=False)[0]
    else:
        start = np.random.default_rng(0).standard_normal(min(b.shape))
        vectors, values, _ = svds(b, k=min(1 + count, min(b.shape) - 1), v0=start)
        left = vectors[:, np.argsort(values)[::-1]]
    return np.asarray(left[:, 1 : 1 + count].real)


def extremes(vectors: FloatArray, stragglers: int) -> Iterator[BoolArray]:
    """The s workers at the lower end, at the upper end and at both ends of each vector."""
    for vector in vectors.T:
        for key in (vector, -vector, -np.abs(vector)):
            yield mask(np.argsort(key.round(12), kind="stable")[:stragglers], len(vector))


def _per_worker(rows: sparse.csr_array, workers: int) -> sparse.csr_array:
    """The sum of each worker's messages: ``(n m, k) -> (n, k)``."""
    own = np.repeat(np.arange(workers), rows.shape[0] // workers)
    shape = (workers, rows.shape[0])
    adds = sparse.csr_array((np.ones(len(own)), (own, np.arange(len(own)))), shape=shape)
    return sparse.csr_array(adds @ rows)
