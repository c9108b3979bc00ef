"""Partial work: a worker sends each partition's gradient as soon as it is computed.

Source: the multi-message scheme of Ozfatura et al. A worker's i-th of d pieces is done at i/d of
its time under the proportional load law; the other laws say it in ``sim.load_laws``.
"""

from __future__ import annotations

from dataclasses import dataclass as plain
from typing import ClassVar, final

import numpy as np
from pydantic.dataclasses import dataclass
from scipy import sparse

from sim.arrays import row_max
from sim.errors import InvalidParameter
from sim.schemes.assignment import Assignment
from sim.schemes.base import (
    STRICT,
    Load,
    Scheme,
    SchemeFamily,
    WaitFor,
    require_at_most_workers,
)
from sim.schemes.decoding import Decoder
from sim.schemes.stopping import FirstK, Opened, StoppingRule, Tally
from sim.types import BoolArray, FloatArray, IntArray


@final
@plain(frozen=True)
class CyclicPieces(Assignment):
    """Worker j computes partitions j, j+1, ..., j+d-1 (mod n) in this order, a message for each."""

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

    @property
    def messages(self) -> int:
        """d."""
        return self.load

    @property
    def encoding(self) -> sparse.csr_array:
        """One 1 per message."""
        rows = np.arange(self.n * self.load)
        columns = (rows // self.load + rows % self.load) % self.n
        return sparse.csr_array((np.ones(rows.size), (rows, columns)), shape=(rows.size, self.n))


def holders(n: int, load: int) -> IntArray:
    """``(n, d)`` which messages carry each partition."""
    piece = np.arange(load)
    return ((np.arange(n)[:, None] - piece) % n) * load + piece


@final
@plain(frozen=True)
class CoverPartitions(StoppingRule):
    """Stop when some worker has sent each partition; for ``CyclicPieces``."""

    n: int
    load: int

    def enough(self, arrived: BoolArray) -> BoolArray:
        """Every partition has a message."""
        return np.asarray(arrived[..., holders(self.n, self.load)].any(axis=-1).all(axis=-1))

    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The latest of the partitions' earliest messages. Cost: one gather, d passes."""
        messages = holders(self.n, self.load)
        earliest = delays[..., messages[:, 0]]
        for piece in range(1, self.load):
            np.minimum(earliest, delays[..., messages[:, piece]], out=earliest)
        return row_max(earliest)

    def tally(self, workers: int) -> Tally:
        """Remembers which partitions are covered."""
        return _PartitionTally(self.n, self.load)


class _PartitionTally(Tally):
    def __init__(self, n: int, load: int) -> None:
        self.n, self.load = n, load
        self.covered = bytearray(n)
        self.missing = n

    def arrive(self, worker: int) -> bool:
        partition = (worker // self.load + worker % self.load) % self.n
        if not self.covered[partition]:
            self.covered[partition] = 1
            self.missing -= 1
        return self.missing == 0

    def elapse(self, seconds: float) -> bool:
        return False


@final
@plain(frozen=True)
class OnePerPartition(Decoder):
    """Add one message per covered partition, the one with the lowest index."""

    n: int
    load: int

    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        """1 for one message of each covered partition."""
        messages = np.sort(holders(self.n, self.load), axis=1)
        carried = arrived[..., messages]
        first = carried & (np.cumsum(carried, axis=-1) == 1)
        vector = np.zeros(arrived.shape)
        vector[..., messages] = first
        return vector

    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        """1 on every covered partition."""
        covered = arrived[..., holders(self.n, self.load)].any(axis=-1)
        return np.asarray(covered, dtype=np.float64)


@final
@dataclass(frozen=True, config=STRICT)
class MultiMessage(SchemeFamily):
    """A message per finished partition, in cyclic order; stop when every partition is covered.

    Args:
        load: d, partitions per worker.
        wait_for: messages that end a round in any case; exact without it.
    """

    name: ClassVar[str] = "multi_message"

    load: Load
    wait_for: WaitFor | None = None

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """For the contract tests."""
        return cls(load=1), cls(load=3), cls(load=3, wait_for=10)

    def build(self, workers: int) -> Scheme:
        """Any load up to workers."""
        require_at_most_workers("load", self.load, workers)
        rule: StoppingRule = CoverPartitions(workers, self.load)
        if self.wait_for is not None:
            if self.wait_for > workers * self.load:
                valid = f"must be between 1 and the number of messages, {workers * self.load}"
                raise InvalidParameter("wait_for", self.wait_for, valid)
            rule = rule | FirstK(self.wait_for)
        assignment = CyclicPieces(workers, self.load)
        decoder = OnePerPartition(workers, self.load)
        return Scheme(self.name, assignment, rule, decoder, exact=self.wait_for is None)
