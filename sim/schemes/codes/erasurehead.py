"""Fractional repetition: workers of a group hold the same partitions, one message is enough."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from math import expm1, fsum, log1p
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ...base.errors import InvalidParameter
from ...base.fields import Seconds, Share, configured, require_divisor
from ...base.numerics import row_max
from ...base.types import BoolArray, FloatArray
from ..base import Fixed, Guarantees, RandomOrder, SchemeFamily
from ..partial_work import PartlyUncoded, partly_uncoded
from ..parts.assignments import Encoded, Groups
from ..parts.deadlines import Deadline, Window
from ..parts.decoders import OfCode, OnePerGroup
from ..parts.stopping import CoverGroups, FirstK, GroupsState, Opened, StoppingRule, StoppingState
from .base import Choosing, Decoded, Loaded, Stopped
from .random_codes import plain_code


@configured
class FractionalRepetition(Choosing, Stopped, Loaded):
    """Groups of ``load`` workers hold the same partitions; stop when every group is covered.

    ``optimal`` decoding takes one message of each group and is exact; the other decoders add all
    that arrived, also several messages of one group.

    Args:
        load: d, partitions per worker; must divide the number of workers.
        partial: share of the data that is not coded: each worker first computes that share of its
            own partition, and everybody must deliver it.

    Source: Tandon, Lei, Dimakis, Karampatziakis, Gradient Coding (arXiv 1612.03301), the fractional
    repetition scheme and the partial straggler schemes."""

    name: ClassVar[str] = "fractional_repetition"
    partial: Share = 0.0

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """In groups, uncoded, everything everywhere, a part of the data uncoded, another stop."""
        plain = cls(load=3), cls(load=1), cls(load=12), cls(load=3, partial=0.4)
        early = FirstK(first=6)
        return *plain, cls(load=3, stop=early), cls(load=3, stop=early, decoder="one_step")

    def build(self, workers: int) -> Fixed | PartlyUncoded:
        """Needs load to divide workers; no ``partial`` with a ``stop`` or another decoder."""
        require_divisor(self.load, workers)
        code = Groups(workers, self.load)
        decoder = self.decoder_of(code, {"optimal": OnePerGroup(self.load)})
        coded = self.scheme(code, CoverGroups(self.load), decoder, self.load - 1)
        if self.decoder != "optimal":
            # Groups are alike and one_step weighs partitions by 1 in all, whoever arrived.
            fair = RandomOrder() if self.decoder == "one_step" and self.stop is None else None
            guarantees = Guarantees(copies=self.load, unbiased=fair)
            coded = replace(coded, exact=None, guarantees=guarantees)
        return partly_uncoded(coded, self.partial) if self.partial else coded


@configured
class ErasureHead(Decoded, Loaded):
    """Fractional repetition, but stop at ``wait_for`` arrivals or when every group is covered.

    The master adds one message of each group heard. Groups not heard are missing from the sum,
    unless ``wait_for > workers - load``: then no group can be missing and the scheme is exact.

    ``rescale`` divides the sum by p = 1 - C(n-d, r)/C(n, r), the chance that a group is heard among
    the first r arrivals, so that every partition weighs 1 on average where arrivals come in
    uniformly random order (independent delays of one law, no ties). With a deadline or a ``stop``
    the number of arrivals would be random and p too large, so it is refused beside them.

    Args:
        load: d, partitions per worker; must divide the number of workers.
        stop: when a round ends that does not cover every group, in place of ``wait_for``.
        rescale: divide by p. The authors' code does not.
        deadline: seconds after which a round ends in any case; the scheme is then never exact.

    Source: Wang, Charles, Papailiopoulos, ErasureHead: Distributed Gradient Descent without Delays
    Using Approximate Gradient Coding (arXiv 1901.09671); the early stop at a full cover is that of
    the authors' code."""

    name: ClassVar[str] = "erasurehead"
    rescale: bool = False
    deadline: Seconds | None = None

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """The last inexact and the first exact ``wait_for``, and the extremes of both fields."""
        waits = (3, 6), (3, 9), (3, 10), (2, 12), (1, 7), (12, 1)
        return (
            *(cls(load=load, wait_for=wait_for) for load, wait_for in waits),
            cls(load=4, wait_for=5, rescale=True),
            cls(load=3, wait_for=6, deadline=0.9),
            cls(load=3, stop=Window(window=0.5, at_least=3)),
            cls(load=3, wait_for=6, decoder="one_step"),
        )

    def build(self, workers: int) -> Fixed:
        """Needs load to divide workers, wait_for at most workers. Refuses ``rescale`` with a
        deadline, a stop or a decoder that is not optimal."""
        require_divisor(self.load, workers)
        code = Groups(workers, self.load)
        # A round stops at the r-th arrival (or by `stop`), or earlier, when every group is covered.
        rule = self.rule(code) | CoverGroups(self.load)
        exact = None if self.wait_for is None else self.wait_for > workers - self.load
        early = "stop" if self.wait_for is None else None
        if self.deadline is not None:
            rule, exact, early = rule | Deadline(self.deadline), False, "deadline"
        scale = 1.0
        if self.rescale:
            if early or self.wait_for is None:
                valid = f"must be false with a {early}, which leaves the number of arrivals random"
                raise InvalidParameter("rescale", self.rescale, valid, {"rescale": False})
            scale = 1 / chance_heard(workers, self.load, self.wait_for)
            if self.decoder != "optimal":
                valid = f"must be false with the decoder {self.decoder}"
                raise InvalidParameter("rescale", self.rescale, valid, {"rescale": False})
        if self.decoder != "optimal":
            exact = None
        fair = self.rescale or (self.decoder == "one_step" and not early)  # groups are alike
        tolerates = None
        if exact and self.wait_for is not None:
            tolerates = max(workers - self.wait_for, self.load - 1)
        guarantees = Guarantees(self.load, tolerates, RandomOrder() if fair else None)
        decoder = self.decoder_of(code, {"optimal": OnePerGroup(self.load, scale)})
        return Fixed(self.name, code, rule, decoder, exact, guarantees=guarantees)


def chance_heard(workers: int, load: int, arrivals: int) -> float:
    """p = 1 - C(n-d, r)/C(n, r): some member of a group of d is among r random arrivals of n. A
    product of min(d, r) ratios, since the binomials of large clusters have thousands of digits."""
    if arrivals > workers - load:
        return 1.0
    few, many = sorted((load, arrivals))
    return -expm1(fsum(log1p(-many / (workers - i)) for i in range(few)))


@configured
class GeneralizedFractionalRepetition(Stopped, Loaded):
    """Workers j, j + d, j + 2 d, ... split all partitions; stop at the first complete class.

    Any d - 1 stragglers leave a class complete. With a ``stop`` the master adds the class of which
    most partitions arrived. If d divides the number of workers, all loads are d; otherwise the
    workers of a smaller class have larger loads.

    Args:
        load: d, the number of classes, and partitions per worker on average.

    Source: Charalambides, Mahdavifar, Hero, Generalized Fractional Repetition Codes for Binary
    Coded Computations (arXiv 2109.10484). Class c holds the workers c, c + d, c + 2 d, ...; each
    class splits all the data among its workers, and the first complete class is enough."""

    name: ClassVar[str] = "generalized_fractional_repetition"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        early = cls(load=5, stop=FirstK(first=3))
        return cls(load=5), cls(load=3), cls(load=1), cls(load=12), early

    @override
    def build(self, workers: int) -> Fixed:
        self.require_load(workers)
        rank, own_class = np.divmod(np.arange(workers), self.load)
        size = np.bincount(own_class)[own_class]  # of each worker's class
        first, end = rank * workers // size, (rank + 1) * workers // size
        rows = [np.arange(*span) for span in zip(first, end, strict=True)]
        code = plain_code(np.concatenate(rows), end - first, workers)
        rule, decoder = CompleteClass(self.load), BestClass(code, self.load)
        return self.scheme(code, rule, decoder, self.load - 1)


@final
@dataclass(frozen=True)
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
    def stopping_state(self, messages: int, opened: float = 0.0) -> StoppingState:
        sizes = [len(range(c, messages, self.classes)) for c in range(self.classes)]
        return GroupsState(1, sizes, _classes(messages, self.classes))


@lru_cache(maxsize=32)  # every round asks
def _classes(messages: int, classes: int) -> tuple[tuple[int], ...]:
    return tuple((message % classes,) for message in range(messages))


@final
@dataclass(frozen=True)
class BestClass(OfCode):
    """Add the messages of the class, j mod ``classes``, of which most partitions arrived."""

    assignment: Encoded
    classes: int

    @override
    def decoding_vector(self, arrived: BoolArray) -> FloatArray:
        covered = arrived * np.asarray(np.diff(self.assignment.matrix.indptr))
        per_class = [covered[..., c :: self.classes].sum(axis=-1) for c in range(self.classes)]
        best = np.argmax(per_class, axis=0)
        own = np.arange(arrived.shape[-1]) % self.classes
        return np.asarray(arrived * (own == best[..., None]), dtype=np.float64)
