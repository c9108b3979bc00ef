"""ErasureHead: an approximate gradient code.

Source: Wang, Charles, Papailiopoulos, ErasureHead: Distributed Gradient Descent without Delays
Using Approximate Gradient Coding (arXiv 1901.09671).
"""

from __future__ import annotations

from math import comb
from typing import ClassVar, final

from pydantic.dataclasses import dataclass

from sim.schemes import assignment as assignments
from sim.schemes.base import (
    STRICT,
    Load,
    Scheme,
    SchemeFamily,
    Seconds,
    WaitFor,
    require_at_most_workers,
    require_divisor,
)
from sim.schemes.decoding import OnePerGroup
from sim.schemes.stopping import CoverGroups, Deadline, FirstK, StoppingRule


@final
@dataclass(frozen=True, config=STRICT)
class ErasureHead(SchemeFamily):
    """Fractional repetition, but stop at ``wait_for`` arrivals or when every group is covered.

    Args:
        load: d, partitions per worker; must divide the number of workers.
        wait_for: r, arrivals that end a round.
        rescale: divide by p = 1 - C(n-d, r)/C(n, r), the chance that a group is heard, which
            makes the decoded gradient unbiased. The authors' code does not.
        deadline: seconds after which a round ends in any case.
    """

    name: ClassVar[str] = "erasurehead"

    load: Load
    wait_for: WaitFor
    rescale: bool = False
    deadline: Seconds | None = None

    @classmethod
    def examples(cls) -> tuple[SchemeFamily, ...]:
        """For the contract tests."""
        return (
            cls(load=3, wait_for=6),
            cls(load=2, wait_for=12),
            cls(load=4, wait_for=5, rescale=True),
            cls(load=3, wait_for=6, deadline=0.9),
        )

    def build(self, workers: int) -> Scheme:
        """Needs load to divide workers and wait_for at most workers."""
        require_divisor(self.load, workers)
        require_at_most_workers("wait_for", self.wait_for, workers)
        rule: StoppingRule = FirstK(self.wait_for) | CoverGroups(self.load)
        if self.deadline is not None:
            rule = rule | Deadline(self.deadline)
        heard = 1 - comb(workers - self.load, self.wait_for) / comb(workers, self.wait_for)
        assignment = assignments.FractionalRepetition(workers, self.load)
        decoder = OnePerGroup(self.load, scale=1 / heard if self.rescale else 1.0)
        # r > n - d leaves no group unheard, whoever the stragglers are.
        exact = self.wait_for > workers - self.load and self.deadline is None
        return Scheme(self.name, assignment, rule, decoder, exact)
