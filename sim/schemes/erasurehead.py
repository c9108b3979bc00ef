"""ErasureHead: an approximate gradient code.

``ErasureHead.build`` puts it together: groups of workers that hold the same partitions, a round
that stops at r arrivals or when every group is covered, and one message of each group heard.

Source: Wang, Charles, Papailiopoulos, ErasureHead: Distributed Gradient Descent without Delays
Using Approximate Gradient Coding (arXiv 1901.09671); the early stop at a full cover is that of the
authors' code.
"""

from __future__ import annotations

from math import expm1, fsum, log1p
from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from ..errors import InvalidParameter
from ..fields import STRICT, Seconds, require_divisor
from .assignments import Groups
from .base import Claims, Fixed, RandomOrder, SchemeFamily
from .codes import Decoded, Loaded
from .deadlines import Deadline, Window
from .decoders import OnePerGroup
from .stopping import CoverGroups


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class ErasureHead(Decoded, Loaded):
    """Fractional repetition, but stop at ``wait_for`` arrivals or when every group is covered.

    The master adds one message of each group heard. Groups not heard are missing from the sum,
    unless ``wait_for > workers - load``: then no group can be missing and the scheme is exact.

    ``rescale`` divides the sum by p = 1 - C(n-d, r)/C(n, r), the chance that a group is heard among
    the first r arrivals. A round that stops early has heard every group, as it would have after r
    arrivals, so the groups heard at the stop are those heard after r arrivals, and every partition
    weight is exactly 1 on average: the decoded gradient is unbiased. The price is that a round with
    a full cover, exact without ``rescale``, decodes to 1/p times the gradient. This takes arrivals
    in uniformly random order (independent delays of one law, no ties); with workers that stay slow,
    their groups weigh less than 1 and the others more. A deadline or a ``stop`` would leave the
    number of arrivals random and p too large, so they are refused together.

    Args:
        load: d, partitions per worker; must divide the number of workers.
        wait_for: r, arrivals that end a round.
        stop: when a round ends that does not cover every group, in place of ``wait_for``.
        rescale: divide by p. The authors' code does not.
        deadline: seconds after which a round ends in any case; the scheme is then never exact.

    Facts:
        stop: at the r-th arrival or when every group is covered, at ``deadline`` if that is first,
            or by ``stop``.
        decoding: one message of each group heard, divided by p with ``rescale``; or by ``decoder``.
        error: n C(n-d, r) / C(n, r) on average (``eh.theory.group_erasure``, which knows
            ``rescale`` too); d floor((n - r) / d) in the worst case.
        time: ``eh.theory.mean_erasurehead`` for exponential times, any law with a CDF, deadlines
            too (``eh.theory.scheme_iteration_time``).
        confirmed: ``theory/test_iteration_time.py``: ``test_erasurehead_cdf_in_exact_fractions``,
            ``test_reference_values_additive_law_thirty_workers``;
            ``theory/test_decoding_error.py``: ``test_moments_over_every_set_of_arrivals``;
            ``schemes/test_families.py``:
            ``test_rescaled_erasurehead_is_unbiased_over_every_order``.
        ours: the factor of ``rescale``, the deadline.
    """

    name: ClassVar[str] = "erasurehead"

    rescale: bool = False
    deadline: Seconds | None = None

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """The last inexact and the first exact ``wait_for``, and the extremes of both fields."""
        return (
            cls(load=3, wait_for=6),
            cls(load=3, wait_for=9),
            cls(load=3, wait_for=10),
            cls(load=2, wait_for=12),
            cls(load=1, wait_for=7),
            cls(load=12, wait_for=1),
            cls(load=4, wait_for=5, rescale=True),
            cls(load=3, wait_for=6, deadline=0.9),
            cls(load=3, stop=Window(window=0.5, at_least=3)),
            cls(load=3, wait_for=6, decoder="one_step"),
        )

    def build(self, workers: int) -> Fixed:
        """Needs load to divide workers, wait_for at most workers.

        Refuses ``rescale`` with a deadline, a stop or a decoder that is not optimal.
        """
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
        claims = Claims(self.load, tolerates, RandomOrder() if fair else None)
        own = {"optimal": OnePerGroup(self.load, scale)}
        decoder = self.decoder_of(code, self.load, own)
        return Fixed(self.name, code, rule, decoder, exact, claims=claims)


def chance_heard(workers: int, load: int, arrivals: int) -> float:
    """p = 1 - C(n-d, r)/C(n, r): some member of a group of d is among r random arrivals of n.

    A product of min(d, r) ratios, since the binomials of large clusters have thousands of digits.
    """
    if arrivals > workers - load:
        return 1.0
    few, many = sorted((load, arrivals))
    return -expm1(fsum(log1p(-many / (workers - i)) for i in range(few)))
