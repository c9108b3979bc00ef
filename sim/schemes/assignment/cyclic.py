"""Cyclic repetition: shifted supports with random real coefficients.

Source: Tandon, Lei, Dimakis, Karampatziakis, Gradient Coding (arXiv 1612.03301).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from scipy import sparse

from sim.schemes.assignment.base import OneMessage, UniformLoad


@final
@dataclass(frozen=True)
class CyclicRepetition(UniformLoad, OneMessage):
    """Worker i holds partitions i, i+1, ..., i+s (mod n), s = d - 1, with random coefficients.

    H is s x n Gaussian with the last column minus the sum of the others; B[i, i] = 1 and the rest
    of row i is -H[:, S2]^-1 H[:, S1]. Any n - s rows of B span the all-ones vector (with
    probability one), so any s stragglers are tolerated. The coefficients can be badly conditioned:
    ``Scheme.conditioning`` says how badly.

    Args:
        n: number of workers.
        load: d = s + 1.
        code_seed: seed of H, its own so that the code is the same in every replication.
    """

    code_seed: int = 0

    @cached_property
    def encoding(self) -> sparse.csr_array:
        """The source's cyclic matrix. Cost: n solves of size s."""
        n, s = self.n, self.load - 1
        columns = (np.arange(n)[:, None] + np.arange(s + 1)) % n
        values = np.ones((n, s + 1))
        if s:
            h = np.random.default_rng(self.code_seed).standard_normal((s, n))
            h[:, -1] = -h[:, :-1].sum(axis=1)
            rest = h.T[columns[:, 1:]].transpose(0, 2, 1)
            values[:, 1:] = np.linalg.solve(rest, -h.T[columns[:, 0]][:, :, None])[:, :, 0]
        rows = np.repeat(np.arange(n), s + 1)
        return sparse.csr_array((values.ravel(), (rows, columns.ravel())), shape=(n, n))
