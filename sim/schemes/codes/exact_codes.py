"""Exact codes with more than a load: shorter messages, and workers of known, different speeds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
import scipy
from typing_extensions import override

from ...base.errors import InvalidParameter
from ...base.fields import (
    Count,
    Positive,
    configured,
    require_at_most,
    require_at_most_workers,
    require_size,
)
from ...base.numerics import SubsetLeastSquares
from ...base.types import BoolArray, FloatArray, IntArray
from ..base import Fixed, SchemeFamily
from ..parts.assignments import Encoded, UniformLoad, cyclic_support
from ..parts.decoders import OfCode, Optimal, of_distinct
from ..parts.stopping import FirstK
from .base import Loaded, Seeded, Stopped


@configured
class CommunicationEfficient(Stopped, Seeded, Loaded):
    """Messages of 1 / ``share`` of a gradient; stop at n - load + share arrivals.

    A gradient is cut into m = share parts, and worker j sends one combination of all parts of its
    d partitions, so that any s = d - m stragglers are tolerated. It pays only where messages take
    time: give a ``network``. With m = 1 it is an MDS code.

    Args:
        load: d, partitions per worker: j, ..., j+d-1 (mod n).
        share: m, parts of a gradient, 1 to load.

    Source: Ye, Abbe, Communication-Computation Efficient Gradient Coding (arXiv 1802.03475)."""

    name: ClassVar[str] = "communication_efficient"
    share: Count

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return cls(load=4, share=2), cls(load=1, share=1), cls(load=3, share=3, code_seed=2)

    @override
    def build(self, workers: int) -> Fixed:
        require_at_most_workers("load", self.load, workers)
        require_at_most("share", self.share, self.load, "load = ")
        code = ShortMessages(workers, self.load, self.share, self.code_seed)
        late = self.load - self.share
        return self.scheme(code, FirstK(workers - late), FirstPart(code), late)


@final
@dataclass(frozen=True)
class ShortMessages(UniformLoad):
    """V, from ``code_seed``, is an (n - s) x n Gaussian matrix; partition i has M_i = [X_i I] with
    M_i V_j = 0 for all workers j that do not hold it; worker j sends sum_i G_i M_i V_j, where the p
    / m x m matrix G_i is the gradient of partition i, and m = ``share``."""

    share: int
    code_seed: int

    @property
    @override
    def message_size(self) -> float:
        return 1.0 / self.share

    @cached_property
    def parts(self) -> FloatArray:
        """``(m, n, k)``: what of part v of partition i is in worker j's message. Cost: O(n^4)."""
        n, d, m = self.n, self.load, self.share
        v = np.random.default_rng(self.code_seed).standard_normal((n - d + m, n))
        top, bottom = v[: n - d], v[n - d :]
        support = cyclic_support(n, d)  # symmetric: partition i is held by workers i-d+1, ..., i
        shares = np.zeros((m, n, n))
        for i in range(n):
            holders = support[(i - d + 1) % n]
            others = np.setdiff1d(np.arange(n), holders)
            x = np.linalg.solve(top[:, others].T, -bottom[:, others].T).T  # (m, n - d)
            shares[:, holders, i] = x @ top[:, holders] + bottom[:, holders]
        return shares

    @cached_property
    def encoding(self) -> scipy.sparse.csr_array:
        """How the first part of each partition's gradient goes into the messages."""
        return scipy.sparse.csr_array(self.parts[0])


@final
@dataclass(frozen=True)
class FirstPart(OfCode):
    """The weights that decode the first part of the gradient, and nothing of the others. These have
    weights of their own, which decode just as well. Cost: for each distinct set of arrivals some
    products with matrices of n x k m (``SubsetLeastSquares``)."""

    solves: ClassVar[bool] = True
    assignment: ShortMessages

    @property
    @override
    def operations(self) -> float:
        n, m = self.assignment.n, self.assignment.share
        return 5e3 + 6.0 * m * n**2

    @cached_property
    def _least_squares(self) -> SubsetLeastSquares:
        n, m = self.assignment.n, self.assignment.share
        every = self.assignment.parts.transpose(1, 0, 2).reshape(n, m * n)
        return SubsetLeastSquares(every, np.concatenate([np.ones(n), np.zeros(n * (m - 1))]))

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        return of_distinct(arrived, self._least_squares.solve)


@configured
class HeterogeneityAware(Stopped, Seeded, Loaded):
    """Each partition on ``load`` workers, and each worker as many as suits its speed.

    Worker j computes about k d c_j / sum(c) partitions, so that without stragglers all are done at
    the same time. Any d - 1 stragglers are tolerated. Column j of B solves C_j b = 1, with C_j the
    holders' columns of a random d x n matrix C: for any d - 1 stragglers some combination of C's
    rows is zero on them, and sums the other columns' messages to the gradient.

    Args:
        load: d, copies of each partition, and partitions per worker on average.
        speeds: c_1, ..., c_n, up to a common factor.
        partitions: k; as many as workers unless given. Many follow the speeds more closely.

    Source: Wang, Guo, Tang, Li, Li, Heterogeneity-aware Gradient Coding for Straggler Tolerance
    (2019)."""

    name: ClassVar[str] = "heterogeneity_aware"
    speeds: tuple[Positive, ...]
    partitions: Count | None = None

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(load=2, speeds=(1,) * 4 + (2,) * 4 + (4,) * 4, partitions=28),
            cls(load=3, speeds=(1,) * 6 + (3,) * 6, code_seed=2),
            cls(load=1, speeds=(1,) * 12),
        )

    @override
    def build(self, workers: int) -> Fixed:
        require_at_most_workers("load", self.load, workers)
        if len(self.speeds) != workers:
            valid = f"must have one entry for each of the workers = {workers}"
            raise InvalidParameter("speeds", [*self.speeds], f"{valid}, not {len(self.speeds)}")
        partitions = self.partitions or workers
        require_size("partitions", partitions, self.load, "load")
        counts = portions(np.array(self.speeds), partitions * self.load, partitions)
        # Copies are laid one after the other, mod k.
        owner = np.repeat(np.arange(workers), counts)
        held = np.arange(len(owner)) % partitions
        holders = owner[np.argsort(held, kind="stable")].reshape(partitions, self.load)
        gaussian = np.random.default_rng(self.code_seed).standard_normal((self.load, workers))
        systems = gaussian.T[holders].transpose(0, 2, 1)
        values = np.linalg.solve(systems, np.ones((partitions, self.load, 1)))[:, :, 0]
        entries = values.ravel(), (holders.ravel(), np.repeat(np.arange(partitions), self.load))
        code = Encoded(scipy.sparse.csr_array(entries, shape=(workers, partitions)))
        late = self.load - 1
        # the slowest may hold nothing
        return self.scheme(code, FirstK(code.senders - late), Optimal(code), late)


def portions(speeds: FloatArray, total: int, most: int) -> IntArray:
    """Split ``total`` in proportion to speeds, no part above ``most``: largest remainders. What a
    worker cannot take goes to the others, in proportion to their speeds."""
    counts = np.zeros(len(speeds), dtype=np.int64)
    while (left := total - int(counts.sum())) > 0:
        free = counts < most
        ideal = np.where(free, left * speeds / speeds[free].sum(), 0.0)
        whole = np.floor(ideal).astype(np.int64)
        whole[np.argsort(whole - ideal, kind="stable")[: left - int(whole.sum())]] += 1
        counts = np.minimum(counts + whole, most)
    return counts
