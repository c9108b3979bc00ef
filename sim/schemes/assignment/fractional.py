"""Fractional repetition: groups of workers that hold the same partitions.

Source: Tandon, Lei, Dimakis, Karampatziakis, Gradient Coding (arXiv 1612.03301), the fractional
repetition scheme.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import sparse

from sim.schemes.assignment.base import OneMessage, UniformLoad


@final
@dataclass(frozen=True)
class FractionalRepetition(UniformLoad, OneMessage):
    """Groups of d workers hold the same d partitions; a worker sends their plain sum.

    Worker j belongs to group j // d, and d divides n. With d = 1 this is the uncoded assignment.
    Memory is O(n d), and nothing of size n x k is made.
    """

    @property
    def encoding(self) -> sparse.csr_array:
        """Ones where worker and partition share a group."""
        group = np.arange(self.n) // self.load
        columns = group[:, None] * self.load + np.arange(self.load)
        pointers = np.arange(self.n + 1) * self.load
        values = np.ones(self.n * self.load)
        return sparse.csr_array((values, columns.ravel(), pointers), shape=(self.n, self.n))
