"""Uncoded schemes: every worker holds one partition of its own.

Sources: plain synchronous gradient descent; backup workers, Chen et al. (arXiv 1604.00981) and
K-sync, Dutta et al. (arXiv 1803.01113), for ``ignore_stragglers``. ``window`` is the barrier that
several simulators of straggling workers use: it follows the first arrival.
"""

from __future__ import annotations

from typing import ClassVar, final

from pydantic.dataclasses import dataclass
from typing_extensions import override

from sim.errors import InvalidParameter
from sim.fields import STRICT, Seconds, Tolerance, WaitFor, require_at_most_workers
from sim.schemes.assignments import Groups
from sim.schemes.base import Fixed, SchemeFamily
from sim.schemes.decoders import SumArrived
from sim.schemes.stop import ByDeadline, FirstArrivals, Latest, Stop, ending, refuse_beside_stop
from sim.schemes.stopping import Deadline, FirstK, StoppingRule, Window


@final
@dataclass(frozen=True, config=STRICT)
class Uncoded(SchemeFamily):
    """Wait for all n workers; exact."""

    name: ClassVar[str] = "uncoded"

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """There is one."""
        return (cls(),)

    def build(self, workers: int) -> Fixed:
        """One partition a worker, stop at n."""
        return Fixed(self.name, Groups(workers, 1), FirstK(workers), SumArrived(), exact=True)


@final
@dataclass(frozen=True, config=STRICT)
class IgnoreStragglers(SchemeFamily):
    """Take the first ``wait_for`` of n (or what has come by ``deadline``), drop the rest.

    Args:
        wait_for: r, arrivals that end a round; no such end unless given.
        rescale: multiply the sum of the m arrivals by n/m, as the authors of ErasureHead do. The
            decoded gradient is then unbiased when workers arrive in random order, with a deadline
            too, as long as somebody arrives; a round without arrivals decodes to 0.
        deadline: seconds after which a round ends in any case.
        stop: when a round ends, in place of ``wait_for`` and ``deadline``.
    """

    name: ClassVar[str] = "ignore_stragglers"

    wait_for: WaitFor | None = None
    rescale: bool = True
    deadline: Seconds | None = None
    stop: Stop | None = None

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """From one arrival to all, plain and rescaled, with a deadline beside or instead."""
        return (
            cls(wait_for=1),
            cls(wait_for=8),
            cls(wait_for=12),
            cls(wait_for=8, rescale=False),
            cls(deadline=0.9),
            cls(wait_for=9, deadline=0.9),
            cls(stop=Latest(all=(FirstArrivals(first=4), ByDeadline(deadline=0.5)))),
        )

    def build(self, workers: int) -> Fixed:
        """One partition a worker, stop at r or at the deadline."""
        code = Groups(workers, 1)
        rule: StoppingRule
        if self.stop is not None:
            refuse_beside_stop(wait_for=self.wait_for, deadline=self.deadline)
            rule = ending(self.stop, code)
            return Fixed(self.name, code, rule, SumArrived(self.rescale), exact=None)
        if self.wait_for is not None:
            require_at_most_workers("wait_for", self.wait_for, workers)
            rule = FirstK(self.wait_for)
            if self.deadline is not None:
                rule = rule | Deadline(self.deadline)
        elif self.deadline is not None:
            rule = Deadline(self.deadline)
        else:
            raise InvalidParameter("wait_for", None, f"give 1 to {workers}, or a deadline")
        exact = self.wait_for == workers and self.deadline is None
        return Fixed(self.name, code, rule, SumArrived(self.rescale), exact)


@final
@dataclass(frozen=True, config=STRICT)
class TimeWindow(SchemeFamily):
    """Take what arrives by (1 + ``tolerance``) times the first arrival, drop the rest.

    With X_(1) the first arrival and X_(n) the last, and all times from the opening, a round ends at
    ``min(X_(n), max(X_(at_least), min((1 + tolerance) X_(1), deadline)))``. So the window moves
    with the fastest worker: where a few calls are very fast, one lucky worker closes it early.

    Args:
        tolerance: how much longer than the fastest worker a worker may take; 0.5 is half as long
            again. May be left out if there is a deadline.
        deadline: seconds after which the round ends even if the window is still open.
        at_least: arrivals before which a round never ends.
        rescale: as in ``ignore_stragglers``.
    """

    name: ClassVar[str] = "window"

    tolerance: Tolerance | None = None
    deadline: Seconds | None = None
    at_least: WaitFor = 1
    rescale: bool = True

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(tolerance=0.5),
            cls(tolerance=0.0, rescale=False),
            cls(tolerance=2.0, deadline=0.9, at_least=8),
            cls(deadline=0.9, at_least=3),
            cls(tolerance=0.5, at_least=12),
        )

    @override
    def build(self, workers: int) -> Fixed:
        """Needs a tolerance or a deadline, at_least at most workers."""
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
        return Fixed(self.name, Groups(workers, 1), rule, SumArrived(self.rescale), exact)
