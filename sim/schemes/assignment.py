"""Who holds which partitions, and how each worker encodes its message.

The encoding matrix B is n x k and sparse: worker j sends sum_i B_ji g_i.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy import sparse

from sim.types import FloatArray, IntArray


class Assignment(ABC):
    """An encoding matrix and the loads that follow from it; abstract."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """Number of workers n."""

    @property
    @abstractmethod
    def partitions(self) -> int:
        """Number of partitions k."""

    @property
    @abstractmethod
    def loads(self) -> IntArray:
        """``(n,)`` partitions that each worker computes per round."""

    @property
    @abstractmethod
    def messages(self) -> int:
        """Messages m that each worker sends per round."""

    @property
    @abstractmethod
    def encoding(self) -> sparse.csr_array:
        """The encoding matrix B, ``(n m, k)``: one row per message, worker by worker."""


@final
@dataclass(frozen=True)
class FractionalRepetition(Assignment):
    """Groups of d workers hold the same d partitions; a worker sends their plain sum.

    Worker j belongs to group j // d. With d = 1 this is the uncoded assignment.
    Memory is O(n d), and nothing of size n x k is made.

    Source: Tandon et al., Gradient Coding (2017), fractional repetition scheme.
    """

    n: int
    load: int

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return self.n

    @property
    def partitions(self) -> int:
        """k = n."""
        return self.n

    @property
    def groups(self) -> int:
        """Number of groups G = n / d."""
        return self.n // self.load

    @property
    def loads(self) -> IntArray:
        """d for every worker."""
        return np.full(self.n, self.load, dtype=np.int64)

    @property
    def messages(self) -> int:
        """One."""
        return 1

    @property
    def encoding(self) -> sparse.csr_array:
        """Ones where worker and partition share a group."""
        group = np.arange(self.n) // self.load
        columns = group[:, None] * self.load + np.arange(self.load)
        pointers = np.arange(self.n + 1) * self.load
        values = np.ones(self.n * self.load)
        return sparse.csr_array((values, columns.ravel(), pointers), shape=(self.n, self.n))


@final
@dataclass(frozen=True)
class CyclicRepetition(Assignment):
    """Worker i holds partitions i, i+1, ..., i+s (mod n), with random real coefficients.

    Any n - s rows of B span the all-ones vector (with probability one), so any s stragglers are
    tolerated. The coefficients can be badly conditioned: see ``conditioning``.

    Source: Tandon et al., Gradient Coding (2017), Algorithm 2: H is s x n Gaussian with the last
    column minus the sum of the others, B[i, i] = 1, the rest of row i is -H[:, S2]^-1 H[:, S1].

    Args:
        n: number of workers.
        stragglers: s, so that the load is s + 1.
        code_seed: seed of H, its own so that the code is the same in every replication.
    """

    n: int
    stragglers: int
    code_seed: int = 0

    @property
    def workers(self) -> int:
        """Number of workers n."""
        return self.n

    @property
    def partitions(self) -> int:
        """k = n."""
        return self.n

    @property
    def loads(self) -> IntArray:
        """s + 1 for every worker."""
        return np.full(self.n, self.stragglers + 1, dtype=np.int64)

    @property
    def messages(self) -> int:
        """One."""
        return 1

    @cached_property
    def encoding(self) -> sparse.csr_array:
        """The cyclic matrix of the source's Algorithm 2. Cost: n solves of size s."""
        n, s = self.n, self.stragglers
        columns = (np.arange(n)[:, None] + np.arange(s + 1)) % n
        values = np.ones((n, s + 1))
        if s:
            h = np.random.default_rng(self.code_seed).standard_normal((s, n))
            h[:, -1] = -h[:, :-1].sum(axis=1)
            rest = h.T[columns[:, 1:]].transpose(0, 2, 1)
            values[:, 1:] = np.linalg.solve(rest, -h.T[columns[:, 0]][:, :, None])[:, :, 0]
        rows = np.repeat(np.arange(n), s + 1)
        return sparse.csr_array((values.ravel(), (rows, columns.ravel())), shape=(n, n))

    def conditioning(self) -> FloatArray:
        """Largest absolute entry of B, and the largest residual of B's null-space identity.

        Returns:
            ``(2,)``: max |B_ij|, and the norm of the decoding residual ``|B^T a - 1|`` when the
            last s workers straggle. A residual far above 1e-12 says that the code is not exact in
            double precision.
        """
        dense = self.encoding.toarray()
        heard = dense[: self.n - self.stragglers]
        a = np.linalg.lstsq(heard.T, np.ones(self.n), rcond=None)[0]
        return np.array([np.abs(dense).max(), np.linalg.norm(heard.T @ a - 1)])
