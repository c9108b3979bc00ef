"""Exact gradient codes by repetition."""

from __future__ import annotations

from typing import ClassVar, Literal, final

from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import STRICT, Share, require_at_most_workers, require_divisor
from .assignments import CyclicCode, CyclicMds, Groups
from .base import Claims, Fixed, RandomOrder, SchemeFamily
from .codes import Choosing, Loaded, Seeded, Stopped, decoder_of
from .cyclic_decoders import Banded, Interpolated
from .deadlines import Deadline
from .decoders import Decoder, OnePerGroup, Optimal, SumArrived
from .partly_uncoded import PartlyUncoded
from .stopping import CoverGroups, FirstK

LEAST_SQUARES = 512
"""Workers up to which cyclic codes are decoded by least squares, which cost O(n^3)."""


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class FractionalRepetition(Choosing, Stopped, Loaded):
    """Groups of ``load`` workers hold the same partitions; stop when every group is covered.

    Optimal decoding is one message of each group, which is exact; the other decoders add whatever
    arrived, several messages of one group too.

    Args:
        load: d, partitions per worker; must divide the number of workers.
        partial: share of the data that is not coded: each worker first computes that share of its
            own partition, and everybody must deliver it (``PartlyUncoded``).

    Facts:
        load: d partitions a worker; share + (1 - share) d with ``partial``.
        stop: when every group has a member that arrived (with ``partial`` also when all first parts
            are in), or by ``stop``.
        decoding: one message of each group, or by ``decoder``.
        error: 0; with r random arrivals as ``stop`` n C(n-d, r) / C(n, r) on average
            (``eh.theory.group_erasure``), and n (n - d)(n - r) / (r d (n - 1)) with ``one_step``.
        time: the slowest of n/d groups, of each its fastest member: offset + scale H_(n/d) / d for
            exponential times (``eh.theory.mean_cover``), any law with a CDF
            (``eh.theory.scheme_iteration_time``).
        source: Tandon, Lei, Dimakis, Karampatziakis, Gradient Coding (arXiv 1612.03301), the
            fractional repetition scheme and the partial straggler schemes.
        confirmed: ``schemes/test_assignment.py``: ``test_groups_of_fractional_repetition``;
            ``theory/test_iteration_time.py``:
            ``test_reference_values_additive_law_thirty_workers``;
            ``schemes/test_partial_work.py``: ``test_an_uncoded_part_by_hand``.
        ours: none: that a round ends before n - d + 1 arrivals where all groups are covered is what
            the program of the authors of ErasureHead does.
    """

    name: ClassVar[str] = "fractional_repetition"

    partial: Share = 0.0

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """In groups, uncoded, everything everywhere, a part of the data uncoded, another stop."""
        return (
            cls(load=3),
            cls(load=1),
            cls(load=12),
            cls(load=3, partial=0.4),
            cls(load=3, stop=FirstK(first=6)),
            cls(load=3, stop=FirstK(first=6), decoder="one_step"),
        )

    def build(self, workers: int) -> Fixed | PartlyUncoded:
        """Needs load to divide workers; no ``partial`` with a ``stop`` or another decoder."""
        require_divisor(self.load, workers)
        code = Groups(workers, self.load)
        rule = self.rule_for(code, CoverGroups(self.load))
        decoder = decoder_of(self.decoder, code, self.load, optimal=OnePerGroup(self.load))
        exact, claims = self.always_exact, self.claims_of(self.load)
        if self.decoder != "optimal":
            # Groups are alike and one_step weighs partitions by 1 in all, whoever arrived.
            fair = RandomOrder() if self.decoder == "one_step" and self.stop is None else None
            exact, claims = None, Claims(copies=self.load, unbiased=fair)
        coded = Fixed(self.name, code, rule, decoder, exact, claims=claims)
        return _partly(coded, self.partial)


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class CyclicRepetition(Stopped, Seeded, Loaded):
    """Worker i holds partitions i ... i+load-1; stop at n - load + 1 arrivals.

    The master solves a_F B_F = 1 for the arrived rows F, by least squares or, with more than
    ``LEAST_SQUARES`` workers, within the band (``Banded``). The random code can be
    badly conditioned: see ``Scheme.conditioning``.

    Args:
        load: d, partitions per worker; any d - 1 stragglers are tolerated.
        code_seed: seed of the random code, apart from the run's seed: every replication and every
            run uses the same code.
        partial: as in ``fractional_repetition``.
        decoder: ``least_squares``, or ``elimination`` within the band; by the number of workers
            unless given.

    Facts:
        load: d partitions a worker; share + (1 - share) d with ``partial``.
        stop: at the arrival n - d + 1 (with ``partial`` also when all first parts are in), or by
            ``stop``.
        decoding: least squares over the arrived rows; elimination within the band for more than 512
            workers.
        error: 0 on paper; with n = 30 the coefficients and so the rounding grow fast with d:
            ``Scheme.conditioning`` measures both.
        time: E[T_(n-d+1)]: ``eh.theory.mean_first_k`` for exponential times, any law with a CDF
            (``eh.theory.scheme_iteration_time``).
        source: Tandon, Lei, Dimakis, Karampatziakis, Gradient Coding (arXiv 1612.03301), the cyclic
            repetition scheme and the partial straggler schemes.
        confirmed: ``schemes/test_assignment.py``:
            ``test_cyclic_code_solves_the_null_space_identity``; ``contracts/test_schemes.py``:
            ``test_exact_codes_of_thirty_workers``; ``schemes/test_assignment.py``:
            ``test_of_a_code_that_is_exact_on_paper_only``; ``schemes/test_decoding.py``:
            ``test_large_random_codes_decode``.
        ours: how the decoding vector is computed.
    """

    name: ClassVar[str] = "cyclic_repetition"

    partial: Share = 0.0
    decoder: Literal["least_squares", "elimination"] | None = None

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """Coded, uncoded, everything everywhere, another code, partly uncoded, another stop."""
        return (
            cls(load=4),
            cls(load=1),
            cls(load=12),
            cls(load=3, code_seed=5),
            cls(load=3, partial=0.4),
            cls(load=3, stop=Deadline(deadline=0.9)),
            cls(load=4, decoder="elimination"),
        )

    def build(self, workers: int) -> Fixed | PartlyUncoded:
        """Any load up to workers."""
        require_at_most_workers("load", self.load, workers)
        assignment = CyclicCode(workers, self.load, self.code_seed)
        rule = self.rule_for(assignment, FirstK(workers - self.load + 1))
        chosen = self.decoder or ("elimination" if workers > LEAST_SQUARES else "least_squares")
        banded = chosen == "elimination"
        decoder: Decoder = Banded(assignment) if banded else Optimal(assignment)
        if self.load == 1:
            decoder = SumArrived()
        exact, claims = self.always_exact, self.claims_of(self.load)
        coded = Fixed(self.name, assignment, rule, decoder, exact, claims=claims)
        return _partly(coded, self.partial)


def _partly(code: Fixed, share: float) -> Fixed | PartlyUncoded:
    """The code for what a share of the data leaves."""
    if share and not code.exact:
        valid = "must be 0 with a stop or with a decoder that is not optimal"
        raise InvalidParameter("partial", share, valid, {"partial": 0})
    return PartlyUncoded(code, share) if share else code


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class CyclicMdsCode(Stopped, Loaded):
    """``cyclic_repetition`` with a code from roots of unity: well conditioned, no random numbers.

    Row i of B is g(x) = prod_j (x - w^j) over load - 1 consecutive exponents (``CyclicMds``). With
    workers - load odd, B is complex and messages are twice as large, which matters on a network
    with a bandwidth. The master stops at n - load + 1 arrivals and solves a_F B_F = 1, by least
    squares or, with more than ``LEAST_SQUARES`` workers, by interpolation (``Interpolated``).

    Args:
        load: d, partitions per worker, up to workers - 1; any d - 1 stragglers are tolerated.
        decoder: ``least_squares``, or ``lagrange`` interpolation as for Reed-Solomon codes; by the
            number of workers unless given.

    Facts:
        load: d partitions a worker; messages are twice as large where n - d is odd.
        stop: at the arrival n - d + 1, or by ``stop``.
        decoding: least squares over the arrived rows; interpolation for more than 512 workers.
        error: 0, with n = 30 to 1e-10 for d up to 16; in 99 of 100 sets all weights are below 20.
        time: E[T_(n-d+1)]: ``eh.theory.mean_first_k`` for exponential times, any law with a CDF
            (``eh.theory.scheme_iteration_time``).
        source: Raviv, Tandon, Dimakis, Tamo, Gradient Coding from Cyclic MDS Codes and Expander
            Graphs (arXiv 1707.03858).
        confirmed: ``schemes/test_assignment.py``: ``test_cyclic_mds_codes_worked_out_by_hand``,
            ``test_cyclic_mds_rows_are_the_product_over_consecutive_exponents``;
            ``schemes/test_decoding.py``: ``test_cyclic_mds_codes_tolerate_any_stragglers``,
            ``test_cyclic_mds_codes_of_thirty_are_well_conditioned``,
            ``test_few_sets_of_cyclic_mds_codes_have_large_weights``;
            ``schemes/test_decoding.py``:
            ``test_interpolation_is_as_exact_as_least_squares``.
        ours: that a complex message counts as two real ones, and which roots are taken: those that
            make B real where n - s is odd.
    """

    name: ClassVar[str] = "cyclic_mds"

    decoder: Literal["least_squares", "lagrange"] | None = None

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        lagrange = (cls(load=4, decoder="lagrange"), cls(load=7, decoder="lagrange"))
        return cls(load=4), cls(load=1), cls(load=3), cls(load=11), *lagrange

    @override
    def build(self, workers: int) -> Fixed:
        """Any load up to workers - 1."""
        largest = max(workers - 1, 1)
        if self.load > largest:
            valid = f"must be between 1 and {largest}"
            raise InvalidParameter("load", self.load, valid, {"load": largest})
        assignment = CyclicMds(workers, self.load)
        chosen = self.decoder or ("lagrange" if workers > LEAST_SQUARES else "least_squares")
        lagrange = chosen == "lagrange"
        decoder: Decoder = Interpolated(assignment) if lagrange else Optimal(assignment)
        if self.load == 1:
            decoder = SumArrived()
        rule = self.rule_for(assignment, FirstK(workers - self.load + 1))
        exact, claims = self.always_exact, self.claims_of(self.load)
        return Fixed(self.name, assignment, rule, decoder, exact, claims=claims)
