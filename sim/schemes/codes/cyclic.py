"""Cyclic codes: worker i holds partitions i, ..., i + d - 1, any d - 1 stragglers are tolerated.

``Banded`` and ``Interpolated`` are exact where at least n - d + 1 messages arrived. With fewer, as
after a deadline, least squares decides (``Optimal``). It also does for ``Banded`` with more, which
have smaller weights together; a cluster that is too large for that leaves some aside."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Literal, final

import numpy as np
from typing_extensions import override

from ...base.fields import Share, configured, require_at_most_workers
from ...base.numerics import solve_each
from ...base.types import BoolArray, ComplexArray, FloatArray, IntArray
from ..base import Fixed, SchemeFamily
from ..partial_work import PartlyUncoded, partly_uncoded
from ..parts.assignments import SYSTEM_ENTRIES_AT_ONCE, CyclicCode, CyclicMds, UniformLoad
from ..parts.deadlines import Deadline, PastDeadline
from ..parts.decoders import Decoder, OfCode, Optimal, SumArrived, of_distinct
from ..parts.stop import Adaptive, Barrier
from ..parts.stopping import FirstK
from .base import Loaded, Seeded, Stopped

MAX_LEAST_SQUARES_WORKERS = 512  # of cyclic MDS codes: its memory is O(n^2)
FACTORS_AT_ONCE = 64  # factors of a product that are multiplied together
MAX_DENSE_WORKERS = 64  # workers up to which systems are solved densely, many in one call
WEIGHT_TOLERANCE = 1e-10  # weights of a small code further than this from 1 are corrected


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

    def solve_all(self, masks: BoolArray) -> FloatArray | ComplexArray:
        """``(N, n)`` sets that are enough -> ``(N, n)`` decoding vectors."""
        vectors = np.zeros(masks.shape, dtype=self.assignment.encoding.dtype)
        for vector, mask in zip(vectors, masks, strict=True):
            vector[:] = self.solve(np.flatnonzero(~mask))
        return vectors

    @cached_property
    def _optimal(self) -> Optimal:
        return Optimal(self.assignment)

    def _of_sets(self, masks: BoolArray) -> FloatArray | ComplexArray:
        enough = np.count_nonzero(masks, axis=1) > self.assignment.n - self.assignment.load
        vectors = np.zeros(masks.shape, dtype=self.assignment.encoding.dtype)
        vectors[enough] = self.solve_all(masks[enough])
        if not enough.all():
            vectors[~enough] = self._optimal.decoding_vector(masks[~enough])
        return vectors


@final
@dataclass(frozen=True, eq=False)
class Banded(Cyclic):
    """Solve ``a_F B_F = 1`` by elimination with pivots.

    The n - s rows B_F and the all-ones vector lie in one space of dimension n - s (s = d - 1), in
    which n - s coordinates determine a vector. Without its last s columns, and with its last rows
    put first, B_F is square and banded: row p has its entries within s places of p. For the random
    code of Tandon et al. it rounds less than least squares.

    Up to ``MAX_DENSE_WORKERS`` workers the systems are solved as dense ones, many in one call.
    Where rounding leaves the s columns that elimination does not see further than
    ``WEIGHT_TOLERANCE`` from 1, least squares correct the answer once: for n = 30 and the first
    code seed in one of a hundred sets.

    Cost: O(n d^2) for each distinct set of arrivals: n = 1000, d = 10: 1 ms; small n: n^3."""

    @property
    @override
    def operations(self) -> float:
        n, d = self.assignment.n, self.assignment.load
        return n**3 + 5e3 if n <= MAX_DENSE_WORKERS else 3e5 + 20.0 * n * d * (d + 10)

    @cached_property
    def _encoding(self) -> np.ndarray:
        return np.asarray(self.assignment.encoding.toarray())

    @override
    def solve_all(self, masks: BoolArray) -> FloatArray | ComplexArray:
        n, kept = self.assignment.n, self.assignment.n - self.assignment.load + 1
        vectors = np.zeros(masks.shape, dtype=self.assignment.encoding.dtype)
        surplus = np.count_nonzero(masks, axis=1) > kept
        if surplus.any() and not self._optimal.large:
            vectors[surplus] = self._optimal.decoding_vector(masks[surplus])
            vectors[~surplus] = self.solve_all(masks[~surplus])
            return vectors
        if n > MAX_DENSE_WORKERS:
            return super().solve_all(masks)
        order = np.arange(kept - n, kept) % n
        together = SYSTEM_ENTRIES_AT_ONCE // kept**2
        for start in range(0, len(masks), together):
            some = masks[start : start + together, order]
            rows = order[np.nonzero(some)[1].reshape(-1, kept)]
            systems = self._encoding[rows, :kept].transpose(0, 2, 1)
            answers = solve_each(systems, np.ones(rows.shape, dtype=vectors.dtype))
            np.put_along_axis(vectors[start : start + together], rows, answers, axis=1)
        rest = 1.0 - (self.assignment.encoding.T @ vectors.T).T
        for place in np.flatnonzero(np.abs(rest).max(axis=1) > WEIGHT_TOLERANCE):
            mask = masks[place]
            own = self._encoding[mask].T
            vectors[place, mask] += np.linalg.lstsq(own, rest[place], rcond=None)[0]
        return vectors

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

    Cost: O(n d + n log n) for each distinct set of arrivals."""

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
        residues = np.zeros(n, dtype=np.complex128)
        residues[missing] = -np.exp(least - logs) / x[missing]
        series = np.fft.fft(residues)[: first + 1]  # of 1/Q
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
    for start in range(0, len(roots), FACTORS_AT_ONCE):
        factors = at[:, None] - roots[start : start + FACTORS_AT_ONCE]
        factors[factors == 0] = 1.0
        logs += np.log(factors).sum(axis=1)
    return logs


@configured
class CyclicRepetition(Stopped, Seeded, Loaded):
    """Worker i holds partitions i ... i+load-1; stop at n - load + 1 arrivals.

    The master solves a_F B_F = 1 for the arrived rows F, by elimination within the band
    (``Banded``). The random code can be badly conditioned: see ``Scheme.conditioning``.

    Args:
        load: d, partitions per worker; any d - 1 stragglers are tolerated.
        code_seed: seed of the random code, apart from the run's seed: every replication and every
            run uses the same code.
        partial: as in ``fractional_repetition``.
        decoder: ``elimination`` within the band unless given, or ``least_squares``, which rounds a
            little worse.

    Source: Tandon, Lei, Dimakis, Karampatziakis, Gradient Coding (arXiv 1612.03301), the cyclic
    repetition scheme and the partial straggler schemes."""

    name: ClassVar[str] = "cyclic_repetition"
    partial: Share = 0.0
    decoder: Literal["least_squares", "elimination"] | None = None

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """Coded, uncoded, everything everywhere, another code, partly uncoded, other stops."""
        plain = cls(load=4), cls(load=1), cls(load=12), cls(load=3, code_seed=5)
        late = cls(load=3, stop=Deadline(deadline=0.9))
        barrier = cls(load=4, stop=Barrier(window=1.0, tolerates=3))
        past = cls(load=3, stop=Adaptive(adaptive=PastDeadline(kappa=1.0, at_least=6, rounds=3)))
        own = cls(load=4, decoder="elimination")
        return *plain, cls(load=3, partial=0.4), late, own, barrier, past

    def build(self, workers: int) -> Fixed | PartlyUncoded:
        """Any load up to workers."""
        require_at_most_workers("load", self.load, workers)
        code, late = CyclicCode(workers, self.load, self.code_seed), self.load - 1
        decoder = _of_cyclic(Banded(code), self.decoder == "least_squares")
        coded = self.scheme(code, FirstK(workers - late), decoder, late)
        return partly_uncoded(coded, self.partial) if self.partial else coded


@configured
class CyclicMdsCode(Stopped, Loaded):
    """``cyclic_repetition`` with a code from roots of unity: well conditioned, no random numbers.

    Row i of B is g(x) = prod_j (x - w^j) over load - 1 consecutive exponents (``CyclicMds``). With
    workers - load odd, B is complex and messages are twice as large, which matters on a network
    with a bandwidth. The master stops at n - load + 1 arrivals and solves a_F B_F = 1, by least
    squares or, with more than ``MAX_LEAST_SQUARES_WORKERS`` workers, by interpolation
    (``Interpolated``).

    Args:
        load: d, partitions per worker; any d - 1 stragglers are tolerated.
        decoder: ``least_squares``, or ``lagrange`` interpolation as for Reed-Solomon codes; by the
            number of workers unless given.

    Source: Raviv, Tandon, Dimakis, Tamo, Gradient Coding from Cyclic MDS Codes and Expander Graphs
    (arXiv 1707.03858)."""

    name: ClassVar[str] = "cyclic_mds"
    decoder: Literal["least_squares", "lagrange"] | None = None

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        lagrange = (cls(load=4, decoder="lagrange"), cls(load=7, decoder="lagrange"))
        return cls(load=4), cls(load=1), cls(load=3), cls(load=11), *lagrange, cls(load=12)

    @override
    def build(self, workers: int) -> Fixed:
        require_at_most_workers("load", self.load, workers)
        code, late = CyclicMds(workers, self.load), self.load - 1
        small = workers <= MAX_LEAST_SQUARES_WORKERS
        plain = small if self.decoder is None else self.decoder == "least_squares"
        decoder = _of_cyclic(Interpolated(code), plain)
        return self.scheme(code, FirstK(workers - late), decoder, late)


def _of_cyclic(exact: Cyclic, plain: bool) -> Decoder:
    if exact.assignment.load == 1:
        return SumArrived()
    return Optimal(exact.assignment) if plain else exact
