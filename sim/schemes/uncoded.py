"""Uncoded schemes: every worker holds one partition of its own."""

from __future__ import annotations

from typing import ClassVar, final

from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import STRICT, Grace, Seconds, Tolerance, WaitFor, require_at_most_workers
from .assignments import Groups
from .base import Fixed, Guarantees, RandomOrder, SchemeFamily
from .deadlines import Deadline, Window
from .decoders import SumArrived
from .stop import Latest, Quorum, Stop, ending, refuse_beside_stop
from .stopping import FirstK, StoppingRule


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Uncoded(SchemeFamily):
    """Wait for all n workers; exact.

    Source: plain synchronous gradient descent."""

    name: ClassVar[str] = "uncoded"

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """The one scheme of this family."""
        return (cls(),)

    def build(self, workers: int) -> Fixed:
        """One partition a worker, stop at n."""
        rule, guarantees = FirstK(workers), Guarantees(copies=1, tolerates=0)
        return Fixed(
            self.name, Groups(workers, 1), rule, SumArrived(), exact=True, guarantees=guarantees
        )


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class IgnoreStragglers(SchemeFamily):
    """Take the first ``wait_for`` of n (or what has come by ``deadline``), drop the rest.

    Args:
        wait_for: r, arrivals that end a round; no such end unless given.
        grace: seconds for which the master waits on after the r-th arrival, unless all come
            before: a quorum with grace, as in decoupled DiLoCo and in trainers that tolerate
            missed deadlines.
        rescale: multiply the sum of the m arrivals by n/m, as the authors of ErasureHead do. The
            decoded gradient is then unbiased when workers arrive in random order, with a deadline
            too, as long as somebody arrives; a round without arrivals decodes to 0.
        deadline: seconds after which a round ends in any case; alone, it lasts so long also where
            all have arrived (``wait_for: n`` beside it ends the round then).
        stop: when a round ends, in place of ``wait_for``, ``grace`` and ``deadline``.

    Source: backup workers, Chen, Pan, Monga, Bengio, Jozefowicz (arXiv 1604.00981); K-sync, Dutta
    et al. (arXiv 1803.01113); a quorum with grace: arXiv 2604.21428, whose grace adapts. The factor
    n / m is that of the authors of ErasureHead."""

    name: ClassVar[str] = "ignore_stragglers"
    wait_for: WaitFor | None = None
    rescale: bool = True
    deadline: Seconds | None = None
    stop: Stop | None = None
    grace: Grace = 0.0

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """From one arrival to all, plain and rescaled, with a deadline or a grace."""
        first = cls(wait_for=8), cls(wait_for=1), cls(wait_for=12), cls(wait_for=8, rescale=False)
        late = cls(deadline=0.9), cls(wait_for=9, deadline=0.9), cls(wait_for=6, grace=0.3)
        return *first, *late, cls(stop=Latest(all=(FirstK(first=4), Deadline(deadline=0.5))))

    def build(self, workers: int) -> Fixed:
        """One partition a worker, stop at r or at the deadline."""
        code = Groups(workers, 1)
        rule: StoppingRule
        if self.stop is not None:
            given = {"wait_for": self.wait_for, "grace": self.grace or None}
            refuse_beside_stop(**given, deadline=self.deadline)
            rule = ending(self.stop, code)
            return Fixed(self.name, code, rule, SumArrived(self.rescale), exact=None)
        if self.wait_for is not None:
            require_at_most_workers("wait_for", self.wait_for, workers)
            rule = ending(Quorum(first=self.wait_for, grace=self.grace), code)
            if self.deadline is not None:
                rule = rule | Deadline(self.deadline)
        elif self.grace:
            raise InvalidParameter("grace", self.grace, "needs wait_for, the arrivals it follows")
        elif self.deadline is not None:
            rule = Deadline(self.deadline)
        else:
            raise InvalidParameter("wait_for", None, f"give 1 to {workers}, or a deadline")
        exact = self.wait_for == workers and self.deadline is None
        unbiased = RandomOrder() if self.rescale and self.deadline is None else None
        guarantees = Guarantees(copies=1, tolerates=0 if exact else None, unbiased=unbiased)
        return Fixed(self.name, code, rule, SumArrived(self.rescale), exact, guarantees=guarantees)


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class TimeWindow(SchemeFamily):
    """Take what arrives by (1 + ``tolerance``) times the first arrival, drop the rest.

    With X_(1) the first arrival and X_(n) the last, and all times from the opening, a round ends at
    ``min(X_(n), max(X_(at_least), min((1 + tolerance) X_(1), deadline)))``.

    Args:
        tolerance: how much longer than the fastest worker a worker may take; 0.5 is half as long
            again. May be left out if there is a deadline.
        deadline: seconds after which the round ends even if the window is still open.
        at_least: arrivals before which a round never ends.
        rescale: as in ``ignore_stragglers``.

    Source: the barrier of several simulators of straggling workers."""

    name: ClassVar[str] = "window"
    tolerance: Tolerance | None = None
    deadline: Seconds | None = None
    at_least: WaitFor = 1
    rescale: bool = True

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        plain = cls(tolerance=0.5), cls(tolerance=0.0, rescale=False)
        late = cls(tolerance=2.0, deadline=0.9, at_least=8), cls(deadline=0.9, at_least=3)
        return *plain, *late, cls(tolerance=0.5, at_least=12)

    @override
    def build(self, workers: int) -> Fixed:
        require_at_most_workers("at_least", self.at_least, workers)
        closed: StoppingRule
        if self.tolerance is not None:
            closed = Window(self.tolerance)
            if self.deadline is not None:
                closed = closed | Deadline(self.deadline)
        elif self.deadline is not None:
            closed = Deadline(self.deadline)
        else:
            valid = "give a number of at least 0, or a deadline in seconds"
            raise InvalidParameter("tolerance", None, valid)
        everybody = FirstK(workers)
        exact = self.at_least == workers
        rule = everybody if exact else everybody | (closed & FirstK(self.at_least))
        unbiased = RandomOrder() if self.rescale else None  # somebody has always arrived
        guarantees = Guarantees(copies=1, tolerates=0 if exact else None, unbiased=unbiased)
        decoder = SumArrived(self.rescale)
        return Fixed(self.name, Groups(workers, 1), rule, decoder, exact, guarantees=guarantees)
