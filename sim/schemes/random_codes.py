"""Sparse random codes: independent entries, alike everywhere or denser within communities.

A worker whose row is empty has nothing to compute: its message comes at once, and counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, final

import numpy as np
from annotated_types import Ge
from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass
from scipy import sparse
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import STRICT, Share, not_bool, require_at_most_workers, require_divisor
from ..types import IntArray
from .assignments import Encoded
from .base import Fixed, SchemeFamily
from .codes import Decoded, Loaded, Seeded, scheme_of
from .stop import Covered, DecodableWithin

Community = Annotated[int, BeforeValidator(not_bool), Ge(1)]
"""b, workers in a community."""


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Bernoulli(Seeded, Decoded, Loaded):
    """Each worker holds each partition with probability load / workers, independently.

    Args:
        load: d, partitions per worker on average.
        pruned: workers that drew more than 2 d partitions drop random ones until they have 2 d.

    Facts:
        load: d partitions a worker on average, a binomial number.
        error: k (k - d) / (r d) on average over codes with ``one_step``
            (``eh.theory.bernoulli_error``; 18.0 at n = 30, d = 3, r = 15); less with ``optimal``
            (8.05 there, measured).
        time: E[T_(r)] of workers with unequal loads; measured.
        source: Charles, Papailiopoulos, Ellenberg, Approximate Gradient Coding via Sparse Random
            Graphs (arXiv 1711.06771), Bernoulli gradient codes.
        confirmed: ``schemes/test_codes.py``:
            ``test_bernoulli_codes_have_the_error_of_the_formula``,
            ``test_optimal_decoding_of_random_codes``,
            ``test_pruned_rows_have_at_most_twice_the_load``.
        ours: which entries of a row that is too long are dropped, and that a worker with an empty
            row answers at once and counts.
    """

    name: ClassVar[str] = "bernoulli"

    pruned: bool = False

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(load=3, wait_for=6),
            cls(load=2, wait_for=9, decoder="one_step", pruned=True),
            cls(load=4, stop=Covered(cover=True), decoder="fixed", code_seed=3),
            cls(load=3, stop=DecodableWithin(decodable=2.0), decoder="sum"),
        )

    @override
    def build(self, workers: int) -> Fixed:
        """Any load up to workers."""
        require_at_most_workers("load", self.load, workers)
        rng = np.random.default_rng(self.code_seed)
        counts = rng.binomial(workers, self.load / workers, workers)
        if self.pruned:
            counts = np.minimum(counts, 2 * self.load)
        rows = [rng.choice(workers, count, replace=False, shuffle=False) for count in counts]
        return scheme_of(self, plain(rows, workers), self.load)


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
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

    Facts:
        load: d partitions a worker on average, a random number.
        error: with ``one_step`` ``eh.theory.stochastic_block_error`` (at n = 30, d = 3, r = 15,
            communities of 3: 9.31 with p = 1, 12.74 with p = 0.8); less with ``optimal`` (3.36 with
            p = 1).
        time: E[T_(r)] of workers with unequal loads; measured.
        source: Charles, Papailiopoulos, Gradient Coding Using the Stochastic Block Model (arXiv
            1805.10378).
        confirmed: ``schemes/test_codes.py``:
            ``test_stochastic_block_codes_have_the_error_of_the_formula``,
            ``test_a_block_code_with_equal_probabilities_is_bernoulli``,
            ``test_optimal_decoding_of_random_codes``, ``test_optimal_decoding_of_block_codes``.
        ours: the closed form of the error is our derivation; a worker with an empty row answers at
            once and counts.
    """

    name: ClassVar[str] = "stochastic_block"

    community: Community
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
        """Needs the community to divide workers, and a probability outside from 0 to 1."""
        require_at_most_workers("load", self.load, workers)
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
        rows = []
        for j in range(n):
            first = j // b * b
            inner = first + rng.choice(b, near[j], replace=False, shuffle=False)
            outer = rng.choice(n - b, far[j], replace=False, shuffle=False)
            rows.append(np.concatenate([inner, outer + b * (outer >= first)]))
        return scheme_of(self, plain(rows, n), d)


def plain(rows: Sequence[IntArray], partitions: int) -> Encoded:
    """The code in which a worker sends the sum of the partitions that it holds.

    Args:
        rows: the partitions of each worker.
        partitions: k.
    """
    held = [np.sort(row) for row in rows]
    pointers = np.concatenate([[0], np.cumsum([len(row) for row in held])])
    columns = np.concatenate(held)
    shape = (len(held), partitions)
    return Encoded(sparse.csr_array((np.ones(len(columns)), columns, pointers), shape=shape))
