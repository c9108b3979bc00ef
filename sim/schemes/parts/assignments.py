"""Who holds which partitions, and how each worker encodes its messages.

The encoding matrix B is sparse, one row per message: message j is sum_i B_ji g_i. It may be
complex; then a message carries two real numbers for each coordinate of a gradient."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
import scipy
from typing_extensions import override

from ...base.fields import require_count
from ...base.types import IntArray, Loads

SYSTEM_ENTRIES_AT_ONCE = 2**22  # entries of the systems that are solved together: 32 MiB


class Assignment(ABC):
    """An encoding matrix and the loads that follow from it; abstract."""

    @property
    @abstractmethod
    def workers(self) -> int:
        """Number of workers n."""

    @property
    @abstractmethod
    def encoding(self) -> scipy.sparse.csr_array:
        """The encoding matrix B, ``(n m, k)``: one row per message, worker by worker."""

    @property
    def partitions(self) -> int:
        """Number of partitions k; n unless overridden."""
        return self.workers

    @property
    def messages(self) -> int:
        """Messages m that each worker sends per round, the last with its whole load; default 1."""
        return 1

    @cached_property
    def carriers(self) -> IntArray | None:
        """``(k, most)`` the messages that carry each partition, in ascending order, then its first
        again where there are fewer; ``None`` if a partition is in no message."""
        by_partition = self.encoding.tocsc()  # message after message: sorted
        counts = np.diff(by_partition.indptr)
        if not counts.all():
            return None
        copy = np.arange(counts.max())
        copy = np.where(copy < counts[:, None], copy, 0)
        return np.asarray(by_partition.indices[by_partition.indptr[:-1, None] + copy])

    @property
    def message_size(self) -> float:
        """Size of a message, in gradients; 1 unless overridden."""
        return 1.0

    @property
    def operations(self) -> float:
        """About how many floating-point operations ``encoding`` takes; 0 where that is little."""
        return 0.0

    @property
    @abstractmethod
    def loads(self) -> Loads:
        """``(n,)`` what each worker computes per round, in n-th parts of the data. These are
        partitions where k = n. With other k, a partition is n / k of them, so that loads and times
        of all codes can be compared."""

    @property
    def senders(self) -> int:
        """Workers who have something to compute, and so to send."""
        return int(np.count_nonzero(self.loads))


@dataclass(frozen=True)
class UniformLoad(Assignment):
    """Every worker computes d (``load``, 1 to n) of k = n partitions; abstract."""

    n: int
    load: int

    @property
    @override
    def workers(self) -> int:
        return self.n

    @property
    @override
    def loads(self) -> IntArray:
        return np.full(self.n, self.load, dtype=np.int64)


@final
@dataclass(frozen=True)
class Groups(UniformLoad):
    """Groups of d workers hold the same d partitions; a worker sends their plain sum. Worker j
    belongs to group j // d, and d divides n. With d = 1 this is the uncoded assignment. Memory is
    O(n d), and nothing of size n x k is made. Source: Tandon, Lei, Dimakis, Karampatziakis,
    Gradient Coding (arXiv 1612.03301), the fractional repetition scheme."""

    @property
    @override
    def encoding(self) -> scipy.sparse.csr_array:
        columns = (np.arange(self.n) // self.load)[:, None] * self.load + np.arange(self.load)
        return sparse_rows(columns, np.ones(columns.shape))


@final
@dataclass(frozen=True)
class CyclicCode(UniformLoad):
    """Worker i holds partitions i, i+1, ..., i+s (mod n), s = d - 1, with random coefficients.

    H is s x n Gaussian with the last column minus the sum of the others; B[i, i] = 1 and the rest
    of row i is -H[:, S2]^-1 H[:, S1]. Any n - s rows of B span the all-ones vector (with
    probability one), so any s stragglers are tolerated. The coefficients can be badly conditioned:
    ``Scheme.conditioning`` says how badly.

    H has a seed of its own, ``code_seed``, so that the code is the same in every replication.
    Source: Tandon, Lei, Dimakis, Karampatziakis, Gradient Coding (arXiv 1612.03301)."""

    code_seed: int = 0

    @property
    @override
    def operations(self) -> float:
        return float(self.n) * self.load**3

    @cached_property
    def encoding(self) -> scipy.sparse.csr_array:
        """Cost: n solves of size s, as many at a time as fit into ``SYSTEM_ENTRIES_AT_ONCE``
        entries."""
        n, s = self.n, self.load - 1
        columns = cyclic_support(n, self.load)
        values = np.ones((n, s + 1))
        if s:
            h = np.random.default_rng(self.code_seed).standard_normal((s, n))
            h[:, -1] = -h[:, :-1].sum(axis=1)
            h = h.T
            rows = max(1, SYSTEM_ENTRIES_AT_ONCE // s**2)
            for start in range(0, n, rows):
                supports = columns[start : start + rows]
                rest, own = h[supports[:, 1:]].transpose(0, 2, 1), -h[supports[:, 0]][:, :, None]
                values[start : start + rows, 1:] = np.linalg.solve(rest, own)[:, :, 0]
        return sparse_rows(columns, values)


@final
@dataclass(frozen=True)
class CyclicMds(UniformLoad):
    """Worker i holds partitions i, ..., i+s (mod n), s = d - 1, coded with roots of unity.

    Row i holds the coefficients, in ascending order, of g(x) = prod_j (x - w^j), w = exp(2 pi i/n),
    over s consecutive exponents j in the middle of 1, ..., n-1. All rows are multiples of g modulo
    x^n - 1, and so is the all-ones vector, since j = 0 is not among the exponents. By the BCH bound
    any n - s rows are independent, so they span it: any s stragglers are tolerated. With n - s odd
    the exponents are symmetric and B is real; with n - s even it is complex.

    The coefficient of x^t has the size prod_{l=1..t} sin(pi (s+1-l)/n) / sin(pi l/n), by the
    q-binomial theorem, and the phase 0 or pi (t - s)/n.

    Source: Raviv, Tandon, Dimakis, Tamo, Gradient Coding from Cyclic MDS Codes and Expander Graphs
    (arXiv 1707.03858)."""

    @property
    def real(self) -> bool:
        """Whether B is real."""
        return self.load == 1 or (self.n - self.load) % 2 == 0

    @property
    @override
    def message_size(self) -> float:
        """2 where B is complex."""
        return 1.0 if self.real else 2.0

    @cached_property
    def encoding(self) -> scipy.sparse.csr_array:
        """Cost: O(n d)."""
        s, offset = self.load - 1, np.arange(self.load)
        step = np.pi / self.n
        ratios = np.sin(step * (s + 1 - offset[1:])) / np.sin(step * offset[1:])
        row = np.concatenate([[1.0], np.cumprod(ratios)])
        if not self.real:
            row = row * np.exp(1j * step * (offset - s))
        columns = cyclic_support(self.n, self.load)
        return sparse_rows(columns, np.broadcast_to(row, columns.shape))


@final
@dataclass(frozen=True)
class Pieces(UniformLoad):
    """A worker computes its d partitions one after the other and sends a message for each: message
    j d + i is worker j's i-th piece. It holds partitions j, j+1, ..., j+d-1 (mod n), or if
    ``fractional`` those of group j // d, as in ``Groups``, where d divides n. It begins with the
    first of them, or if ``rotated`` with the (j mod d)-th.

    Sources: several messages per worker and round, Ozfatura, Gündüz, Ulukus, Speeding Up
    Distributed Gradient Descent by Utilizing Non-persistent Stragglers (2018); plain partitions,
    one after the other, Mohammadi Amiri, Gündüz, Computation Scheduling for Distributed Machine
    Learning with Straggling Workers (arXiv 1810.09992)."""

    fractional: bool = False
    rotated: bool = False

    @property
    @override
    def messages(self) -> int:
        return self.load

    @property
    @override
    def encoding(self) -> scipy.sparse.csr_array:
        carried = np.array(self.carried)[:, None]
        return sparse_rows(carried, np.ones(carried.shape), self.n)

    @cached_property
    def carried(self) -> tuple[int, ...]:
        """``(n d,)`` the partition that each message carries."""
        worker, offset = np.arange(self.n)[:, None], np.arange(self.load)
        if self.rotated:
            offset = (offset + worker) % self.load
        first = worker // self.load * self.load if self.fractional else worker
        return tuple(((first + offset) % self.n).ravel().tolist())


@final
@dataclass(frozen=True, eq=False)
class Encoded(Assignment):
    """Any encoding matrix B, ``(n m, k)`` without stored zeros, m ``messages`` per worker, the
    first m rows those of worker 0; a worker computes the partitions of its rows, and sends its i-th
    message after i/m of them. Two with the same entries are equal."""

    matrix: scipy.sparse.csr_array  # what else SciPy makes one of, such as an array, becomes one
    messages: int = 1

    def __post_init__(self) -> None:
        require_count("messages", self.messages)
        if not isinstance(self.matrix, scipy.sparse.csr_array):
            object.__setattr__(self, "matrix", scipy.sparse.csr_array(self.matrix))
        if len(self.matrix.shape) != 2 or self.matrix.shape[0] % self.messages:
            rows = "workers" if self.messages == 1 else f"workers times {self.messages}"
            raise ValueError(f"B has shape {self.matrix.shape}: must be ({rows}, partitions)")

    @property
    @override
    def workers(self) -> int:
        return int(self.matrix.shape[0]) // self.messages

    @property
    @override
    def partitions(self) -> int:
        return int(self.matrix.shape[1])

    @property
    @override
    def message_size(self) -> float:
        """2 where B is complex."""
        return 2.0 if np.iscomplexobj(self.matrix) else 1.0

    @property
    @override
    def encoding(self) -> scipy.sparse.csr_array:
        return self.matrix

    @cached_property
    def loads(self) -> Loads:
        """Partitions in each worker's rows, times n / k."""
        entries = np.diff(self.matrix.indptr[:: self.messages])
        cells = np.repeat(np.arange(self.workers), entries) * self.partitions + self.matrix.indices
        cells.sort()  # ``unique`` takes ten times as long
        # several messages may carry the same partition
        held = cells[np.diff(cells, prepend=-1) > 0] // self.partitions
        count = np.bincount(held, minlength=self.workers)
        if self.workers == self.partitions:
            return count
        return np.asarray(count * (self.workers / self.partitions), dtype=np.float64)

    @cached_property
    def _content(self) -> tuple[object, ...]:
        b, m = self.matrix.sorted_indices(), self.messages
        where = b.indptr.astype(np.int64).tobytes(), b.indices.astype(np.int64).tobytes()
        return m, b.shape, b.dtype.str, where, b.data.tobytes()

    @override
    def __eq__(self, other: object) -> bool:
        return isinstance(other, Encoded) and self._content == other._content

    @override
    def __hash__(self) -> int:
        return hash(self._content)


def cyclic_support(n: int, load: int) -> IntArray:
    """``(n, d)``: worker i holds partitions i, ..., i+d-1 (mod n)."""
    return np.asarray((np.arange(n)[:, None] + np.arange(load)) % n)


def sparse_rows(
    columns: IntArray, values: np.ndarray, k: int | None = None
) -> scipy.sparse.csr_array:
    """A sparse matrix from the ``(rows, d)`` columns of each row's entries, as they come."""
    count, d = columns.shape
    entries = values.ravel(), columns.ravel(), np.arange(count + 1) * d
    return scipy.sparse.csr_array(entries, shape=(count, k or count))


def shifted(offsets: IntArray, workers: int) -> Encoded:
    """Worker j holds partitions j + o (mod n), for every offset o."""
    columns = np.sort((np.arange(workers)[:, None] + offsets) % workers, axis=1)
    return Encoded(sparse_rows(columns, np.ones(columns.shape)))
