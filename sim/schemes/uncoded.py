"""Uncoded schemes: every worker holds one partition of its own.

Sources: plain synchronous gradient descent; backup workers, Chen et al. (arXiv 1604.00981) and
K-sync, Dutta et al. (arXiv 1803.01113), for ``ignore_stragglers``.
"""

from __future__ import annotations

from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from sim.errors import InvalidParameter
from sim.fields import STRICT, Seconds, WaitFor, require_at_most_workers
from sim.schemes.assignments import Groups
from sim.schemes.base import Fixed, SchemeFamily
from sim.schemes.decoders import SumArrived
from sim.schemes.stopping import Deadline, FirstK, StoppingRule


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
    """

    name: ClassVar[str] = "ignore_stragglers"

    wait_for: WaitFor | None = None
    rescale: bool = True
    deadline: Seconds | None = None

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
        )

    def build(self, workers: int) -> Fixed:
        """One partition a worker, stop at r or at the deadline."""
        rule: StoppingRule
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
        return Fixed(self.name, Groups(workers, 1), rule, SumArrived(self.rescale), exact)
