"""Exact decoders of cyclic codes, for clusters that are too large for least squares.

``Banded``        any code with shifted supports, by elimination within the band: O(n d^2)
``Interpolated``  the cyclic MDS code, by interpolation at roots of unity: O(n d + n log n)

Both are exact where at least n - d + 1 messages arrived. Of more messages than that, ``Banded``
leaves some aside. With fewer, as after a deadline, least squares decides (``Optimal``).
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ..types import BoolArray, ComplexArray, FloatArray, IntArray
from .assignments import CyclicMds, UniformLoad
from .decoders import OfCode, Optimal, of_distinct

AT_ONCE = 64
"""Factors of a product that are multiplied together."""


@dataclass(frozen=True, eq=False)
class Cyclic(OfCode):
    """A decoder of a code whose row i has the columns i, ..., i + d - 1 (mod n); abstract."""

    solves: ClassVar[bool] = True

    assignment: UniformLoad

    @abstractmethod
    def solve(self, missing: IntArray) -> FloatArray | ComplexArray:
        """The decoding vector, ``(n,)``, when all but these (at most d - 1) have arrived."""

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray | ComplexArray:
        return of_distinct(arrived, self._of_sets)

    def _of_sets(self, masks: BoolArray) -> FloatArray | ComplexArray:
        enough = np.count_nonzero(masks, axis=1) > self.assignment.n - self.assignment.load
        vectors = np.zeros(masks.shape, dtype=self.assignment.encoding.dtype)
        for place in np.flatnonzero(enough):
            vectors[place] = self.solve(np.flatnonzero(~masks[place]))
        if not enough.all():
            vectors[~enough] = Optimal(self.assignment).decoding_vector(masks[~enough])
        return vectors


@final
@dataclass(frozen=True, eq=False)
class Banded(Cyclic):
    """Solve ``a_F B_F = 1`` by elimination with pivots.

    The n - s rows B_F and the all-ones vector lie in one space of dimension n - s (s = d - 1), in
    which n - s coordinates determine a vector. Without its last s columns, and with its last rows
    put first, B_F is square and banded: row p has its entries within s places of p. For the random
    code of Tandon et al. it is as accurate as least squares, and faster than it by far: n = 1000,
    d = 10: 1 ms instead of 290.

    Cost: O(n d^2) for each distinct set of arrivals.
    """

    @property
    @override
    def operations(self) -> float:
        n, d = self.assignment.n, self.assignment.load
        return 3e5 + 20.0 * n * d * (d + 10)

    @override
    def solve(self, missing: IntArray) -> FloatArray | ComplexArray:
        """NaN where elimination meets a zero: the code does not decode from there."""
        from scipy.linalg import solve_banded  # a tenth of a second, for this decoder alone

        n, s = self.assignment.n, self.assignment.load - 1
        values = self.assignment.encoding.data.reshape(n, s + 1)
        arrived = np.ones(n, dtype=np.bool_)
        arrived[missing] = False
        begins = np.arange(-s, n - s)  # the column in which a row begins; below 0: its last entries
        begins = begins[arrived[begins]][: n - s]
        rows, places = begins % n, np.arange(n - s)
        band = np.zeros((2 * s + 1, n - s), dtype=values.dtype)
        for t in range(s + 1):
            columns = begins + t
            inside = (columns >= 0) & (columns < n - s)
            band[(s + columns - places)[inside], places[inside]] = values[rows, t][inside]
        vector = np.zeros(n, dtype=values.dtype)
        try:
            vector[rows] = solve_banded((s, s), band, np.ones(n - s), overwrite_ab=True)
        except np.linalg.LinAlgError:
            vector[rows] = np.nan
        return vector


@final
@dataclass(frozen=True, eq=False)
class Interpolated(Cyclic):
    """Decode the cyclic MDS code by interpolation at x_i = exp(2 pi i/n), as Reed-Solomon codes.

    Row i of B is x^i g(x), and g vanishes at s = d - 1 consecutive powers of w = x_1. The sum of
    a_i x^i g(x) is all ones if ``sum_i a_i x_i^m = n/g(1)`` for m = 0, and 0 for the other m at
    which g(w^m) is not 0. These m are consecutive, from -T on: so a_i x_i^-T is n/g(1) times the
    coefficient of x^T in the Lagrange polynomial of x_i among the arrived. With Q the polynomial
    whose roots are the missing x_j, that is ``Q(x_i) sum_(k <= T) q_(T-k) x_i^-k / n``, where q is
    the power series of 1/Q, by partial fractions: two Fourier transforms give all of it.

    Missing workers that are neighbours make any decoder lose digits: the sizes of a are then true.

    Sources: Raviv, Tandon, Dimakis, Tamo (arXiv 1707.03858); decoding as for Reed-Solomon codes,
    Halbawi, Azizan-Ruhi, Salehi, Hassibi, Improving Distributed Gradient Descent Using Reed-Solomon
    Codes (arXiv 1706.05436).

    Cost: O(n d + n log n) for each distinct set of arrivals.
    """

    assignment: CyclicMds

    @property
    @override
    def operations(self) -> float:
        return 3e5 + 100.0 * self.assignment.n * (self.assignment.load + 10)

    @cached_property
    def _points(self) -> ComplexArray:
        n = self.assignment.n
        return np.asarray(np.exp(2j * np.pi * np.arange(n) / n))

    @override
    def solve(self, missing: IntArray) -> FloatArray | ComplexArray:
        n, load, x = self.assignment.n, self.assignment.load, self._points
        first = (n - load + 1) // 2
        logs = _log_products(x[missing], x[missing])
        least = logs.real.min(initial=0.0)  # sizes of Q' go beyond those of floats
        parts = np.zeros(n, dtype=np.complex128)
        parts[missing] = -np.exp(least - logs) / x[missing]
        series = np.fft.fft(parts)[: first + 1]  # of 1/Q
        if not missing.size:
            series[0] = 1.0
        backwards = np.zeros(n, dtype=np.complex128)
        backwards[: first + 1] = series[::-1]
        with np.errstate(over="ignore", invalid="ignore"):
            products = np.exp(_log_products(x, x[missing]) - least)
            vector = products * np.fft.fft(backwards) * x[np.arange(n) * first % n]
            vector /= self.assignment.encoding.data[:load].sum()
        vector[missing] = 0.0
        return np.asarray(vector.real if self.assignment.real else vector)


def _log_products(at: ComplexArray, roots: ComplexArray) -> ComplexArray:
    """Logarithms of ``prod_j (x - root_j)`` at each x, without the factor that is 0."""
    logs = np.zeros(at.shape, dtype=np.complex128)
    for start in range(0, len(roots), AT_ONCE):
        factors = at[:, None] - roots[start : start + AT_ONCE]
        factors[factors == 0] = 1.0
        logs += np.log(factors).sum(axis=1)
    return logs
