"""Exact gradient codes by repetition."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import ClassVar, Literal, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import STRICT, Share, require_at_most_workers, require_divisor
from ..numerics import row_max
from ..types import BoolArray, FloatArray
from .assignments import CyclicCode, CyclicMds, Encoded, Groups
from .base import Claims, Fixed, RandomOrder, SchemeFamily
from .codes import Choosing, Loaded, Seeded, Stopped
from .cyclic_decoders import Banded, Cyclic, Interpolated
from .deadlines import Deadline
from .decoders import Decoder, OfCode, OnePerGroup, Optimal, SumArrived
from .partial_work import PartlyUncoded
from .random_codes import plain_code
from .stopping import Countdown, CoverGroups, FirstK, Opened, StoppingRule, Tally

LEAST_SQUARES = 512
"""Workers up to which cyclic MDS codes are decoded by least squares, whose memory is O(n^2)."""


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
        decoder = self.decoder_of(code, self.load, {"optimal": OnePerGroup(self.load)})
        coded = self.scheme(code, CoverGroups(self.load), decoder, self.load - 1)
        if self.decoder != "optimal":
            # Groups are alike and one_step weighs partitions by 1 in all, whoever arrived.
            fair = RandomOrder() if self.decoder == "one_step" and self.stop is None else None
            coded = replace(coded, exact=None, claims=Claims(copies=self.load, unbiased=fair))
        return _partly(coded, self.partial)


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
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

    Facts:
        load: d partitions a worker; share + (1 - share) d with ``partial``.
        stop: at the arrival n - d + 1 (with ``partial`` also when all first parts are in), or by
            ``stop``.
        decoding: elimination within the band of n - d + 1 arrived rows; least squares where fewer
            or more have arrived, or by ``decoder``.
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
        code, late = CyclicCode(workers, self.load, self.code_seed), self.load - 1
        decoder = _of_cyclic(Banded(code), self.decoder == "least_squares")
        coded = self.scheme(code, FirstK(workers - late), decoder, late)
        return _partly(coded, self.partial)


def _of_cyclic(exact: Cyclic, plain: bool) -> Decoder:
    """The decoder, or with ``plain`` least squares; a sum where nothing is coded."""
    if exact.assignment.load == 1:
        return SumArrived()
    return Optimal(exact.assignment) if plain else exact


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
        code, late = CyclicMds(workers, self.load), self.load - 1
        plain = workers <= LEAST_SQUARES if self.decoder is None else self.decoder != "lagrange"
        decoder = _of_cyclic(Interpolated(code), plain)
        return self.scheme(code, FirstK(workers - late), decoder, late)


# Fractional repetition for any number of workers.


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class GeneralizedFractionalRepetition(Stopped, Loaded):
    """Workers j, j + d, j + 2 d, ... split all partitions; stop at the first complete class.

    Any d - 1 stragglers leave a class complete. With a ``stop`` the master adds the class of which
    most partitions arrived. Where d divides the number of workers the loads are
    all d, and else those of a smaller class are larger.

    Args:
        load: d, the number of classes, and partitions per worker on average.

    Facts:
        load: about d partitions a worker: n over the workers in its class, of which there are n/d,
            rounded down or up.
        stop: when a class is complete, or by ``stop``.
        decoding: the sum of the complete class; with a ``stop``, of the class of which most
            partitions arrived.
        error: 0.
        time: the fastest of d classes, of each its slowest member; measured.
        source: Charalambides, Mahdavifar, Hero, Generalized Fractional Repetition Codes for Binary
            Coded Computations (arXiv 2109.10484). Class c holds the workers c, c + d, c + 2 d, ...;
            each class splits all the data among its workers, and the first complete class is
            enough.
        confirmed: ``schemes/test_codes.py``: ``test_classes_of_any_number_of_workers``,
            ``test_classes_are_as_even_as_can_be``,
            ``test_classes_of_equal_size_are_fractional_repetition``.
        ours: which class is added where ``stop`` ends a round before one is complete.
    """

    name: ClassVar[str] = "generalized_fractional_repetition"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(load=5),
            cls(load=3),
            cls(load=1),
            cls(load=12),
            cls(load=5, stop=FirstK(first=3)),
        )

    @override
    def build(self, workers: int) -> Fixed:
        """Any load up to workers."""
        require_at_most_workers("load", self.load, workers)
        rows = []
        for j in range(workers):
            place, size = j // self.load, len(range(j % self.load, workers, self.load))
            rows.append(np.arange(place * workers // size, (place + 1) * workers // size))
        code = plain_code(rows, workers)
        rule, decoder = CompleteClass(self.load), BestClass(code, self.load)
        return self.scheme(code, rule, decoder, self.load - 1)


@final
@plain_dataclass(frozen=True)
class CompleteClass(StoppingRule):
    """Stop when all workers j = c mod ``classes`` have arrived, for some c."""

    classes: int

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        complete = [arrived[..., c :: self.classes].all(axis=-1) for c in range(self.classes)]
        return np.asarray(np.any(complete, axis=0))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        """The earliest of the classes' latest delays. Cost: one pass."""
        earliest = row_max(delays[..., :: self.classes])
        for c in range(1, self.classes):
            np.minimum(earliest, row_max(delays[..., c :: self.classes]), out=earliest)
        return earliest

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        classes = range(self.classes)
        return _ClassTally([len(range(c, messages, self.classes)) for c in classes])


class _ClassTally(Countdown):
    """Counts down the workers missing in each class, and in the one that misses the fewest."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__(min(sizes))
        self._missing_in = sizes

    @override
    def arrive(self, message: int, now: float) -> bool:
        c = message % len(self._missing_in)
        self._missing_in[c] -= 1
        self.missing = min(self.missing, self._missing_in[c])
        return self.missing <= 0


@final
@plain_dataclass(frozen=True)
class BestClass(OfCode):
    """Add the messages of the class of which most partitions arrived, the lowest of several.

    Args:
        assignment: the code.
        classes: how many there are; worker j is of class j mod ``classes``.
    """

    assignment: Encoded
    classes: int

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        covered = arrived * np.asarray(np.diff(self.assignment.matrix.indptr))
        per_class = [covered[..., c :: self.classes].sum(axis=-1) for c in range(self.classes)]
        best = np.argmax(per_class, axis=0)
        own = np.arange(arrived.shape[-1]) % self.classes
        return np.asarray(arrived * (own == best[..., None]), dtype=np.float64)
