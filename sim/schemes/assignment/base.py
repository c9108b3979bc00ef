"""What an assignment is: who holds which partitions, and how each worker encodes its messages.

The encoding matrix B is sparse, one row per message: message j is sum_i B_ji g_i.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from sim.types import IntArray


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


@dataclass(frozen=True)
class UniformLoad(Assignment):
    """Every worker computes d of k = n partitions; abstract.

    Args:
        n: number of workers, and of partitions.
        load: d, partitions per worker, 1 to n.
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
    def loads(self) -> IntArray:
        """d for every worker."""
        return np.full(self.n, self.load, dtype=np.int64)


class OneMessage(Assignment):
    """Every worker sends one message, when it has computed its whole load; abstract."""

    @property
    def messages(self) -> int:
        """One."""
        return 1
