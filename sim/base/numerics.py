"""What NumPy does slowly for many short rows, and sums and linear algebra that round alike."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property, lru_cache
from typing import final

import numpy as np
import scipy
from threadpoolctl import ThreadpoolController

from .types import BoolArray, ComplexArray, FloatArray, IntArray


def row_max(table: FloatArray) -> FloatArray:
    """The largest entry of each row: ``(..., n) -> (...)``. Cost: one pass; for short rows a
    transposed copy and one vectorised pass, a third of the time."""
    n = table.shape[-1]
    if n >= 256:  # entries; shorter rows are reduced faster column by column
        return np.asarray(table.max(axis=-1))
    columns = np.ascontiguousarray(table.reshape(-1, n).T)
    return np.asarray(columns.max(axis=0).reshape(table.shape[:-1]))


def kth_smallest(table: FloatArray, k: int) -> FloatArray:
    """The k-th smallest entry of each row, none of which is NaN: ``(..., n) -> (...)``. Cost: one
    partition. That of long rows takes half the time in single precision, which keeps the order but
    for entries that round alike: rows where the k-th is such a one are done again."""
    if table.shape[-1] < 256:  # entries
        return np.asarray(np.partition(table, k - 1, axis=-1)[..., k - 1])
    with np.errstate(over="ignore"):
        rough = table.astype(np.float32)
    alike = rough == np.partition(rough, k - 1, axis=-1)[..., k - 1, None]
    kth = np.take_along_axis(table, alike.argmax(axis=-1)[..., None], axis=-1)[..., 0]
    if np.count_nonzero(alike) > kth.size:
        several = np.count_nonzero(alike, axis=-1) > 1
        kth[several] = np.partition(table[several], k - 1, axis=-1)[..., k - 1]
    return np.asarray(kth)


def summed_by(index: IntArray, values: FloatArray | float, size: int) -> FloatArray:
    """``(size,)`` the sum of the values of each index, both ``(M,)``, added in their order; a
    negative index counts from the end. Cost: 2 ns a value, a tenth of what ``bincount`` takes;
    memory of some at a time, which that would all copy."""
    total = np.zeros(size)
    for start in range(0, len(index), 2**17):
        some = slice(start, start + 2**17)
        own = values[some] if isinstance(values, np.ndarray) else values
        np.add.at(total, index[some].astype(np.intp), own)
    return total


def generator(seed: int, *key: int) -> np.random.Generator:
    """Random numbers from a stream of its own for each key, the same ones for the same seed."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed, spawn_key=key)))


@contextmanager
def one_thread() -> Iterator[None]:
    """The context in which everything is computed that ends up in a table. The bits of a product or
    a solve depend on the number of threads. On one thread, a table depends neither on a machine's
    cores nor on how many cells are computed side by side."""
    # NumPy and SciPy have a BLAS each, and only one that is loaded can be limited: a solver that
    # imported SciPy's later would use all cores.
    import scipy.linalg  # noqa: F401

    libraries = _libraries(len(sys.modules))
    if all(library.num_threads == 1 for library in libraries.lib_controllers):
        yield  # within another such context, say: to limit them once more would take 0.1 ms
        return
    with libraries.limit(limits=1):
        yield


@lru_cache(maxsize=1)
def _libraries(modules: int) -> ThreadpoolController:
    """The libraries that compute with threads; to find them takes 1 ms, half of a small cell."""
    return ThreadpoolController()


# Least squares with a large sparse matrix, for many sets of its rows at a time.

MOST_CG_STEPS = 300  # enough for a code with a condition number of some hundred


def sparse_least_squares(
    encoding: scipy.sparse.csr_array, masks: BoolArray
) -> FloatArray | ComplexArray:
    """For each set F of rows the a of smallest norm that minimises ``||B_F^T a - 1||``: ``(N, n)``
    sets -> ``(N, n)``, 0 for rows that are not in the set.

    Conjugate gradients on the normal equations from a = 0, which keeps a among the combinations of
    rows of B_F. What a set gets does not depend on the sets that are solved beside it: as many are
    always worked on together, and one that is solved stays as it is.

    Source: Hestenes, Stiefel, Methods of Conjugate Gradients (1952); as CGLS in Björck, Numerical
    Methods for Least Squares Problems (1996), section 7.4.

    Cost: at most ``MOST_CG_STEPS`` times two products with B and six passes over n numbers for each
    set; for 1000 workers of load 5 at most 4 ms a set."""
    n = encoding.shape[0]
    width = max(1, min(32, 2**20 // n))  # at most 2^20 numbers in an array
    forth, back = encoding.T.tocsr(), encoding.conj().tocsr()
    vectors = np.zeros(masks.shape, dtype=encoding.dtype)
    for first in range(0, len(masks), width):
        some = masks[first : first + width]
        arrived = np.zeros((n, width))
        arrived[:, : len(some)] = some.T
        vectors[first : first + width] = _together(forth, back, arrived).T[: len(some)]
    return vectors


def _together(
    forth: scipy.sparse.csr_array, back: scipy.sparse.csr_array, arrived: FloatArray
) -> FloatArray | ComplexArray:
    """The same for as many sets as ``arrived (n, width)`` has columns."""
    rest = np.ones((forth.shape[0], arrived.shape[1]), dtype=forth.dtype)
    vectors = np.zeros(arrived.shape, dtype=forth.dtype)
    slope = (back @ rest) * arrived
    way = slope.copy()
    steep = _squares(slope)
    small = 1e-14**2 * steep  # a set is solved once ``||A^T r||`` has shrunk by 1e-14
    for _ in range(MOST_CG_STEPS):
        going = steep > small
        if not going.any():
            break
        ahead = forth @ way
        length = _squares(ahead)
        step = np.where(going, steep, 0.0) / np.where(length > 0, length, 1.0)
        vectors += step * way
        rest -= step * ahead
        slope = back @ rest
        slope *= arrived
        before, steep = steep, _squares(slope)
        way *= steep / np.where(before > 0, before, 1.0)
        way += slope
    return vectors


def _squares(columns: FloatArray | ComplexArray) -> FloatArray:
    squares = np.square(columns.real).sum(axis=0)
    if np.iscomplexobj(columns):
        squares += np.square(columns.imag).sum(axis=0)
    return np.asarray(squares)


# Least squares with a small matrix, for many sets of its rows.

ROWS_PER_PRODUCT = 8  # a row's bits depend on its place in much larger products


@final
class SubsetLeastSquares:
    """The a of smallest norm that minimises ``||B_F^T a - t||``, for many sets F of the rows of B,
    ``(n, q)``.

    NumPy factors an n x k matrix for each set. Here a set takes a system of the size of F or of the
    missing rows M, whichever is smaller.

    With A = B_F^T, G = A^H A and a small number m, ``a += (G + m I)^-1 A^H (t - A a)`` is repeated
    from a = 0. That converges to the a of smallest norm whatever the rank of A, and what rounding
    leaves is that of the residual, as with an orthogonal factorisation. With P the inverse of G + m
    I for all rows, that for the rows F is ``P_FF - P_FM P_MM^-1 P_MF``.

    An exact code has combinations N of its rows that give nothing. Where no more rows are missing
    than there are of these, they turn the answer from all rows into one without M.

    A set for which the slope ``A^H (t - A a)`` does not vanish fast is badly conditioned, and gets
    NumPy's least squares. What a set gets does not depend on the sets that are solved beside it.

    Source: Riley, Solving systems of linear equations with a positive definite, symmetric, but
    possibly ill-conditioned matrix (1955), for the repetition."""

    def __init__(self, rows: np.ndarray, target: FloatArray) -> None:
        self._rows, self._target = rows, target
        self._n = len(rows)
        self._kept: dict[float, tuple[np.ndarray, np.ndarray]] = {}
        # Sets may take 2^22 entries together, of matrices of the size of G.
        products = 2**22 // max(rows.shape) ** 2 // ROWS_PER_PRODUCT
        self._together = max(1, products) * ROWS_PER_PRODUCT

    def solve(self, masks: BoolArray) -> np.ndarray:
        """``(N, n)`` which rows are in each set -> ``(N, n)``, 0 for rows that are not in it."""
        vectors = np.zeros(masks.shape, dtype=self._rows.dtype)
        counts = np.count_nonzero(masks, axis=1)
        for count in np.unique(counts):
            sets = np.flatnonzero(counts == count)
            for start in range(0, len(sets), self._together):
                batch = sets[start : start + self._together]
                vectors[batch] = self._of_one_size(masks[batch], int(count))
        return vectors

    def _of_one_size(self, masks: BoolArray, count: int) -> np.ndarray:
        vectors = np.zeros(masks.shape, dtype=self._rows.dtype)
        left = np.ones(len(masks), dtype=np.bool_)
        if self._n - count <= self._spare[0].shape[1]:
            vectors, left = self._without(masks)
        # Added to the diagonal, relative to its largest entry, so that every system has an answer;
        # the smaller one is for sets with a large condition number.
        for shift in (1e-7, 1e-10):
            if left.any():
                vectors[left], left[left] = self._refined(masks[left], count, shift)
        for index in np.flatnonzero(left):
            mask = masks[index]
            vectors[index] = 0.0
            vectors[index, mask] = np.linalg.lstsq(self._rows[mask].T, self._target, rcond=None)[0]
        return vectors

    def _shifted(self, shift: float) -> tuple[np.ndarray, np.ndarray]:
        """G + m I of all rows and P, ``(n, n)`` both."""
        if shift not in self._kept:
            gram = self._rows.conj() @ self._rows.T
            largest = float(gram.diagonal().real.max(initial=0.0))
            gram += (shift * largest or 1.0) * np.eye(self._n)
            self._kept[shift] = gram, np.linalg.inv(gram)
        return self._kept[shift]

    @cached_property
    def _spare(self) -> tuple[np.ndarray, np.ndarray]:
        """N, ``(n, s)``, and the answer from all rows, ``(n,)``."""
        rows = self._rows
        left, sizes, right = np.linalg.svd(rows, full_matrices=rows.shape[0] > rows.shape[1])
        smallest = max(rows.shape) * float(np.finfo(np.float64).eps) * sizes.max(initial=0.0)
        rank = int(np.count_nonzero(sizes > smallest))
        coordinates = (right[:rank].conj() @ self._target) / sizes[:rank]
        return left[:, rank:].conj(), left[:, :rank].conj() @ coordinates

    @cached_property
    def _first(self) -> np.ndarray:
        """The slope at 0 for all rows, ``(n,)``."""
        return np.asarray(self._rows.conj() @ self._target)

    def _slopes(self, vectors: np.ndarray) -> np.ndarray:
        """A^H (t - A a) for all rows: ``(N, n) -> (N, n)``."""
        return _in_blocks(self._target - _in_blocks(vectors, self._rows), self._rows.conj().T)

    def _without(self, masks: BoolArray) -> tuple[np.ndarray, BoolArray]:
        """Answers where at most s rows are missing, and which of them are none. Of the combinations
        that take the missing rows out, the one of smallest norm. The system squares their condition
        number, and a second turn makes up for it."""
        spare, answer = self._spare
        own = spare[_places(~masks)]
        systems = own @ own.conj().transpose(0, 2, 1)
        vectors = np.tile(answer, (len(masks), 1))
        with np.errstate(over="ignore", invalid="ignore"):  # of a set that has no such answer
            for _ in range(2):
                excess = vectors[~masks].reshape(len(masks), -1)
                shares = solve_each(systems, excess)[:, None, :] @ own.conj()
                vectors -= _in_blocks(shares[:, 0, :], spare.T)
            vectors[~masks] = 0.0
            steep = np.abs(self._slopes(vectors)).max(axis=1)
        # Less than ``_refined`` asks for: where rows are taken out, large weights round to a large
        # slope.
        return vectors, ~(steep <= 1e-8 * np.abs(self._first).max())

    def _refined(self, masks: BoolArray, count: int, shift: float) -> tuple[np.ndarray, BoolArray]:
        """Answers by repetition, and which of them have not been reached."""
        gram, inverse = self._shifted(shift)
        few = 2 * count <= self._n
        matrix, columns = (gram, _places(masks)) if few else (inverse, _places(~masks))
        every = np.arange(len(masks))[:, None]
        solve = _positive_definite(matrix[columns[:, :, None], columns[:, None, :]])
        vectors = np.zeros(masks.shape, dtype=self._rows.dtype)
        slopes = self._first * masks
        steep = first = np.abs(slopes).max(axis=1)
        going = first > 0
        for _ in range(5):  # enough for condition numbers to 70, with the smaller shift to 2000
            if not going.any():
                break
            if few:
                steps = np.zeros_like(vectors)
                steps[every, columns] = solve(slopes[every, columns])
            else:
                ahead = _in_blocks(slopes, inverse.T)
                slopes[every, columns] = -solve(ahead[every, columns])
                steps = _in_blocks(slopes, inverse.T) * masks
            vectors += steps * going[:, None]
            going &= steep > 1e-13 * first  # then one more turn leaves but rounding
            slopes = self._slopes(vectors) * masks
            steep = np.abs(slopes).max(axis=1)
        return vectors, going


def _places(masks: BoolArray) -> IntArray:
    """``(N, n)`` with as many in each row -> ``(N, count)``, the places of those."""
    return np.nonzero(masks)[1].reshape(len(masks), -1)


def _in_blocks(sides: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """``sides @ matrix``, each row with the same bits wherever it stands."""
    count = -(-len(sides) // ROWS_PER_PRODUCT)
    every = np.zeros((count * ROWS_PER_PRODUCT, sides.shape[1]), dtype=sides.dtype)
    every[: len(sides)] = sides
    products = every.reshape(count, ROWS_PER_PRODUCT, -1) @ matrix
    return np.asarray(products.reshape(count * ROWS_PER_PRODUCT, -1)[: len(sides)])


def _positive_definite(systems: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Solves ``(N, s, s)`` systems for ``(N, s)`` right sides, as often as wanted."""
    if systems.shape[1] <= 32:  # in one call; larger ones are factored one by one
        inverse = np.linalg.inv(systems)
        return lambda sides: np.asarray((inverse @ sides[:, :, None])[:, :, 0])
    from scipy.linalg import lapack

    own = np.iscomplexobj(systems)
    factor, solve = (lapack.zpotrf, lapack.zpotrs) if own else (lapack.dpotrf, lapack.dpotrs)
    factors = [factor(system.conj().T, clean=False)[0] for system in systems]
    return lambda sides: np.array([solve(*pair)[0] for pair in zip(factors, sides, strict=True)])


def solve_each(systems: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """Solve ``(N, s, s)`` systems for ``(N, s)`` right sides; NaN for one that is singular."""
    try:
        return np.asarray(np.linalg.solve(systems, sides[:, :, None])[:, :, 0])
    except np.linalg.LinAlgError:
        if len(systems) == 1:
            return np.full_like(sides, np.nan)
    both = zip(systems, sides, strict=True)
    return np.concatenate([solve_each(system[None], side[None]) for system, side in both])


@final
class GradientTables:
    """Tables of gradients and their sums, one for each replication; every entry is zero at first.
    The sum follows each change, so a renewal costs a few passes over p numbers, however many
    entries there are. Each of ``size`` entries has the shape ``(L, p)`` of a gradient."""

    def __init__(self, width: int, size: int, gradient: tuple[int, int]) -> None:
        self._contents = np.zeros((width, size, *gradient))
        self._total = np.zeros((width, *gradient))
        self._renewals = np.zeros(width, dtype=np.int64)

    @property
    def total(self) -> FloatArray:
        """The sum of all entries of each table, ``(L, p, width)``; not a copy."""
        return self._total.transpose(1, 2, 0)

    def renew(
        self, column: IntArray, entry: IntArray, fresh: FloatArray, share: FloatArray | None = None
    ) -> None:
        """Replace an entry of some tables, none of them twice, or mix ``(c, L, p)`` gradients into
        them, with ``(c,)`` shares; the old content has the rest."""
        before = self._contents[column, entry]
        change = fresh - before
        if share is not None:
            weight = share[:, None, None]
            change *= weight
            fresh = np.where(weight == 1, fresh, before + change)
        self._contents[column, entry] = fresh
        self._total[column] += change
        self._renewals[column] += 1
        # Rounding must not pile up in a long run. Adding up anew after as many renewals as there
        # are entries costs one more pass per renewal.
        for due in column[self._renewals[column] % self._contents.shape[1] == 0]:
            self._contents[due].sum(axis=0, out=self._total[due])

    def clear(self) -> None:
        """Make every entry of every table zero."""
        self._contents[:] = 0.0
        self._total[:] = 0.0
