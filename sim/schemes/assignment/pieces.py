"""Partial work: a message for each finished partition, in cyclic order.

Sources: several messages per worker and round, Ozfatura, Gündüz, Ulukus, Speeding Up Distributed
Gradient Descent by Utilizing Non-persistent Stragglers (2018); plain partitions, one after the
other, Mohammadi Amiri, Gündüz, Computation Scheduling for Distributed Machine Learning with
Straggling Workers (arXiv 1810.09992).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy import sparse

from sim.schemes.assignment.base import UniformLoad
from sim.types import IntArray


@final
@dataclass(frozen=True)
class CyclicPieces(UniformLoad):
    """Worker j computes partitions j, j+1, ..., j+d-1 (mod n) in this order, a message for each.

    Message j d + i is worker j's i-th piece, partition j + i (mod n).
    """

    @property
    def messages(self) -> int:
        """d."""
        return self.load

    @property
    def encoding(self) -> sparse.csr_array:
        """One 1 per message."""
        count = self.n * self.load
        shape, pointers = (count, self.n), np.arange(count + 1)
        return sparse.csr_array((np.ones(count), np.array(self.carried), pointers), shape=shape)

    @cached_property
    def carried(self) -> tuple[int, ...]:
        """``(n d,)`` the partition that each message carries."""
        partitions = (np.arange(self.n)[:, None] + np.arange(self.load)) % self.n
        return tuple(partitions.ravel().tolist())

    @cached_property
    def carriers(self) -> IntArray:
        """``(n, d)`` the messages that carry each partition, in ascending order."""
        order = np.argsort(self.carried, kind="stable")
        return order.reshape(self.n, self.load)
