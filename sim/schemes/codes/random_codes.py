"""Codes of plain sums: sparse random ones, known chances to straggle, and no partition twice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal, final

import numpy as np
import scipy
from annotated_types import Ge, Gt, Lt
from pydantic import AllowInfNan, BeforeValidator
from typing_extensions import override

from ...base.errors import InvalidParameter
from ...base.fields import Count, Seconds, Share, configured, not_bool, require_divisor
from ...base.types import BoolArray, FloatArray, IntArray, Loads
from ..base import Fixed, Guarantees, Independent, RandomOrder, SchemeFamily
from ..parts.assignments import Assignment, Encoded, Groups, shifted
from ..parts.deadlines import Deadline
from ..parts.decoders import CommonWeight, Decoder, OfCode, OnePerGroup
from ..parts.stop import Covered, DecodableWithin
from ..parts.stopping import FirstK
from .base import Counted, Decoded, Loaded, Seeded

# Sparse random codes: independent entries, alike everywhere or denser within communities.
#
# A worker whose row is empty has nothing to compute: nobody waits for it, and it never counts.


@configured
class Bernoulli(Seeded, Decoded, Loaded):
    """Each worker holds each partition with probability load / workers, independently.

    Args:
        load: d, partitions per worker on average.
        pruned: workers that drew more than 2 d partitions drop random ones until they have 2 d.

    Source: Charles, Papailiopoulos, Ellenberg, Approximate Gradient Coding via Sparse Random Graphs
    (arXiv 1711.06771), Bernoulli gradient codes."""

    name: ClassVar[str] = "bernoulli"
    pruned: bool = False

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        pruned = cls(load=2, wait_for=9, decoder="one_step", pruned=True)
        covered = cls(load=4, stop=Covered(cover=True), decoder="fixed", code_seed=3)
        decodable = cls(load=3, stop=DecodableWithin(decodable=2.0), decoder="sum")
        return cls(load=3, wait_for=6), pruned, covered, decodable

    @override
    def build(self, workers: int) -> Fixed:
        self.require_load(workers)
        rng = np.random.default_rng(self.code_seed)
        counts = rng.binomial(workers, self.load / workers, workers)
        if self.pruned:
            counts = np.minimum(counts, 2 * self.load)
        columns = row_choices(rng, counts, np.full(workers, workers))
        return self.coded(plain_code(columns, counts, workers))


@configured
class StochasticBlock(Seeded, Decoded, Loaded):
    """Communities of workers and partitions: dense inside, sparse outside.

    Worker j holds partition i with probability ``inside`` if they are of the same community of
    ``community`` consecutive ones, else with the probability that makes the mean load ``load``.
    With community = load and inside = 1 the groups are those of fractional repetition; with equal
    probabilities it is ``bernoulli``.

    Args:
        load: d, partitions per worker on average.
        community: b, workers in a community; must divide the number of workers.
        inside: p, the probability within a community; p b must not exceed d.

    Source: Charles, Papailiopoulos, Gradient Coding Using the Stochastic Block Model (arXiv
    1805.10378)."""

    name: ClassVar[str] = "stochastic_block"
    community: Count
    inside: Share

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(load=3, community=3, inside=0.8, wait_for=6),
            cls(load=3, community=3, inside=1.0, wait_for=6, decoder="one_step"),
            cls(load=4, community=6, inside=0.5, wait_for=8, code_seed=1),
        )

    @override
    def build(self, workers: int) -> Fixed:
        self.require_load(workers)
        require_divisor(self.community, workers, "community")
        n, d, b, p = workers, self.load, self.community, self.inside
        low, high = max(0.0, (d - (n - b)) / b), min(1.0, d / b)
        if not low - 1e-6 <= p <= high + 1e-6:  # as many digits as the error shows
            valid = f"must be between {low:g} and {high:g}, so that the mean load can be {d}"
            nearest = float(f"{low if p < low else high:g}")
            raise InvalidParameter("inside", p, valid, {"inside": nearest})
        outside = (d - p * b) / (n - b) if n > b else 0.0
        rng = np.random.default_rng(self.code_seed)
        near = rng.binomial(b, p, n)
        far = rng.binomial(n - b, min(max(outside, 0.0), 1.0), n)
        sizes = np.stack([near, far], axis=1).ravel()
        drawn = row_choices(rng, sizes, np.tile([b, n - b], n))
        first = np.repeat(np.arange(n) // b * b, near + far)
        inner = np.repeat(np.tile([True, False], n), sizes)
        columns = drawn + np.where(inner, first, b * (drawn >= first))
        return self.coded(plain_code(columns, near + far, n))


def row_choices(rng: np.random.Generator, sizes: IntArray, populations: IntArray) -> IntArray:
    """What ``rng.choice(population, size, replace=False, shuffle=False)`` gives for one row after
    the other, ``(rows,)`` each, in one array; where rows are short, in a tenth of the time.
    Source: Floyd's algorithm (Bentley, Floyd, CACM 30, 1987), as NumPy has it."""
    if np.any(sizes**2 > populations):
        pairs = zip(populations, sizes, strict=True)
        return np.concatenate([rng.choice(*pair, replace=False, shuffle=False) for pair in pairs])
    ends = np.cumsum(sizes)
    largest = np.arange(ends[-1]) + np.repeat(populations - ends, sizes)
    drawn = rng.integers(0, largest, endpoint=True)
    cells = np.repeat(np.arange(len(sizes)), sizes) * populations.max() + drawn
    cells.sort()
    for row in np.unique(cells[1:][cells[1:] == cells[:-1]] // populations.max()):
        taken = set[int]()
        for i in range(ends[row] - sizes[row], ends[row]):
            if drawn[i] in taken:  # then the largest, which none before it could be
                drawn[i] = largest[i]
            taken.add(int(drawn[i]))
    return drawn


def plain_code(columns: IntArray, loads: IntArray, partitions: int) -> Encoded:
    """The code in which a worker sends the sum of its partitions, of k in all: ``columns`` has
    those of one worker after the other, ``loads``, ``(n,)``, how many each has."""
    pointers = np.concatenate([[0], np.cumsum(loads)])
    entries = np.ones(len(columns)), columns, pointers
    matrix = scipy.sparse.csr_array(entries, shape=(len(loads), partitions))
    matrix.sort_indices()
    return Encoded(matrix)


# Codes for stragglers whose probability is known: unbiased sums.

Chance = Annotated[float, BeforeValidator(not_bool), Ge(0), Lt(1), AllowInfNan(False)]
"""The probability that a worker straggles."""

OwnChance = Annotated[float, BeforeValidator(not_bool), Gt(0), Lt(1), AllowInfNan(False)]


@configured
class StochasticGradientCoding(Seeded, Counted, Loaded):
    """Each partition on ``load`` random workers; every arrival counts 1 / (load (1 - p)) times.

    The decoded gradient is unbiased when each worker straggles with probability p. Its variance is
    p / (1 - p) sum_ij |N_i and N_j| / d^2 <g_i, g_j>, with N_i the holders of partition i. If a
    round ends at a number of arrivals and times grow with the load, workers that hold more come
    later, so their partitions weigh less than 1 on average.

    Args:
        load: d, workers that hold a partition, and partitions per worker on average.
        straggle_probability: p; unless given 1 - wait_for / senders, or 0, of the workers who have
            something to send.

    Source: Bitar, Wootters, El Rouayheb, Stochastic Gradient Coding for Straggler Mitigation in
    Distributed Learning (arXiv 1905.05383)."""

    name: ClassVar[str] = "stochastic_gradient_coding"
    straggle_probability: Chance | None = None

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        late = cls(load=2, straggle_probability=0.25, stop=Deadline(deadline=0.9))
        everywhere = cls(load=12, wait_for=9, straggle_probability=0.1, code_seed=4)
        return cls(load=3, wait_for=6), late, everywhere

    @override
    def build(self, workers: int) -> Fixed:
        self.require_load(workers)
        rng = np.random.default_rng(self.code_seed)
        holders = [rng.choice(workers, self.load, replace=False) for _ in range(workers)]
        columns = np.repeat(np.arange(workers), self.load)
        entries = np.ones(len(columns)), (np.concatenate(holders), columns)
        code = Encoded(scipy.sparse.csr_array(entries, shape=(workers, workers)))
        rule, chance = self.rule(code), self.straggle_probability
        if chance is None:
            if self.wait_for is None:
                valid = "give a number from 0 to below 1, or wait_for"
                raise InvalidParameter("straggle_probability", None, valid)
            chance = 1 - min(self.wait_for, code.senders) / code.senders
        decoder = CommonWeight(code, (1 / (self.load * (1 - chance)),) * (workers + 1))
        guarantees = Guarantees(copies=self.load, unbiased=Independent((chance,) * workers))
        return Fixed(self.name, code, rule, decoder, exact=None, guarantees=guarantees)


@configured
class HeterogeneousSplit(SchemeFamily):
    """Workers that straggle less get more: shares in proportion to (1 - p_j) / p_j, no redundancy.

    A worker's arrival counts 1 / (1 - p_j) times, so that the decoded gradient is unbiased. Among
    splits without redundancy this one has the least variance if all partitions' gradients point in
    one direction, as is assumed. Shares are fractions of a partition.

    Args:
        straggle_probabilities: p_1, ..., p_n, the chance that each worker is late.
        deadline: seconds after which a round ends; it also ends when all have arrived.

    Source: Song, Choi (2025)."""

    name: ClassVar[str] = "heterogeneous_split"
    straggle_probabilities: tuple[OwnChance, ...]
    deadline: Seconds

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(straggle_probabilities=(0.1,) * 6 + (0.4,) * 6, deadline=0.9),
            cls(straggle_probabilities=tuple(i / 20 for i in range(1, 13)), deadline=0.5),
        )

    @override
    def build(self, workers: int) -> Fixed:
        chances = np.array(self.straggle_probabilities)
        if len(chances) != workers:
            valid = f"must have one entry for each of the workers = {workers}, not {len(chances)}"
            raise InvalidParameter("straggle_probabilities", [*self.straggle_probabilities], valid)
        odds = (1 - chances) / chances
        code = Shares(tuple((workers * odds / odds.sum()).tolist()))
        decoder = OwnWeight(code, tuple((1 / (1 - chances)).tolist()))
        rule = FirstK(workers) | Deadline(self.deadline)
        guarantees = Guarantees(unbiased=Independent(self.straggle_probabilities))
        return Fixed(self.name, code, rule, decoder, exact=False, guarantees=guarantees)


@final
@dataclass(frozen=True)
class Shares(Assignment):
    """The data, in order, cut into one share per worker: ``(n,)`` n-th parts, which add up to n."""

    shares: tuple[float, ...]

    @property
    @override
    def workers(self) -> int:
        return len(self.shares)

    @property
    @override
    def loads(self) -> Loads:
        return np.array(self.shares)

    @property
    @override
    def encoding(self) -> scipy.sparse.csr_array:
        n = self.workers
        ends = np.minimum(np.concatenate([[0.0], np.cumsum(self.shares)]), n)
        ends[-1] = n
        cuts = np.unique(np.concatenate([ends, np.arange(n)]))
        begins = cuts[:-1]  # of pieces, each of one partition and of one worker
        cells = np.searchsorted(ends, begins, side="right") - 1, begins.astype(np.int64)
        return scipy.sparse.csr_array((np.diff(cuts), cells), shape=(n, n))


@final
@dataclass(frozen=True)
class OwnWeight(OfCode):
    """Add what arrived, each worker's message with an ``(n,)`` weight of its own; a real code."""

    weights: tuple[float, ...]

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        return np.asarray(arrived * np.array(self.weights))


@configured
class IgnoreArbitrary(Counted, Loaded):
    """Add the most arrivals that share no partition, times k over the partitions they hold.

    Args:
        assignment: ``cyclic``: worker j holds partitions j, ..., j+d-1 (mod n). ``fractional``:
            groups of d workers hold the same d partitions, and d must divide the number of workers.

    Source: On Arbitrary Ignorance of Stragglers with Gradient Coding (IS-GC). The master takes
    arrivals that share no partition, as many as there are."""

    name: ClassVar[str] = "ignore_arbitrary"
    assignment: Literal["cyclic", "fractional"] = "cyclic"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        waits = (3, 6), (5, 4), (1, 9), (12, 1)
        cyclic = (cls(load=load, wait_for=wait_for) for load, wait_for in waits)
        return *cyclic, cls(load=3, wait_for=6, assignment="fractional")

    @override
    def build(self, workers: int) -> Fixed:
        self.require_load(workers)
        code: Assignment
        if self.assignment == "fractional":
            require_divisor(self.load, workers)
            code = Groups(workers, self.load)
            apart: Decoder = OnePerGroup(self.load)
        else:
            code = shifted(np.arange(self.load), workers)
            apart = Apart(code, self.load)
        # Which of several largest sets is taken depends on the workers' numbers; groups are alike.
        alike = self.stop is None and self.assignment == "fractional"
        guarantees = Guarantees(copies=self.load, unbiased=RandomOrder() if alike else None)
        decoder = Rescaled(apart, self.load)
        return Fixed(self.name, code, self.rule(code), decoder, exact=None, guarantees=guarantees)


@final
@dataclass(frozen=True)
class Apart(OfCode):
    """Add a largest set of arrivals at a distance of at least d from each other, on the circle,
    where worker j holds partitions j, ..., j+d-1 (mod n). From a given start it is best to go to
    the nearest arrival that is far enough, and so on. Some largest set has a member less than d
    places from the first arrival, or that could be added, so 2 d - 1 starts are enough. Cost: 2 n
    for each set of arrivals."""

    distance: int

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        flat = arrived.reshape(-1, arrived.shape[-1])
        n, d = flat.shape[1], self.distance
        # The first arrival at or after each place, going round; 0 where nobody came.
        twice = np.where(np.concatenate([flat, flat], axis=1), np.arange(2 * n), 2 * n)
        following = np.minimum.accumulate(twice[:, ::-1], axis=1)[:, ::-1][:, :n] % n
        first = following[:, 0]
        starts = (first[:, None] + np.arange(1 - d, d)) % n
        starts = np.where(np.take_along_axis(flat, starts, axis=1), starts, first[:, None])
        every = np.arange(len(flat))[:, None]
        gone, taken = np.zeros_like(starts), np.ones_like(starts)
        for _ in range(n // d):
            next_start = (starts + gone + d) % n
            step = d + (following[every, next_start] - next_start) % n
            fits = gone + step <= n - d
            gone, taken = np.where(fits, gone + step, n), taken + fits
        start = np.take_along_axis(starts, taken.argmax(axis=1)[:, None], axis=1)[:, 0]
        vector = np.zeros(flat.shape)
        rows, gone = np.flatnonzero(flat.any(axis=1)), np.zeros(len(flat), dtype=np.int64)
        while rows.size:
            here = (start[rows] + gone[rows]) % n
            vector[rows, here] = 1.0
            next_start = (here + d) % n
            gone[rows] += d + (following[rows, next_start] - next_start) % n
            rows = rows[gone[rows] <= n - d]
        return vector.reshape(arrived.shape)


@final
@dataclass(frozen=True)
class Rescaled(Decoder):
    """What a decoder of weights 0 and 1 adds, times k over the partitions in it, d a message."""

    decoder: Decoder
    load: int

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        vector = np.asarray(self.decoder.decoding_vector(arrived), dtype=np.float64)
        return vector * self._factor(vector.sum(axis=-1) * self.load, arrived.shape[-1])

    @override
    def partition_weights(self, arrived: BoolArray) -> FloatArray:
        weights = self.decoder.partition_weights(arrived)
        return weights * self._factor(weights.sum(axis=-1), arrived.shape[-1])

    def _factor(self, held: FloatArray, partitions: int) -> FloatArray:
        return np.asarray((partitions / np.maximum(held, 1.0))[..., None])
