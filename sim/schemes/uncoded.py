"""Uncoded schemes: every worker holds one partition of its own, and rules say who is waited for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

import numpy as np
from typing_extensions import override

from ..base.errors import InvalidParameter
from ..base.fields import (
    Grace,
    Number,
    Seconds,
    Tolerance,
    WaitFor,
    configured,
    require_at_most_workers,
)
from ..base.types import IntArray
from .base import (
    Fixed,
    Guarantees,
    RandomOrder,
    Round,
    RoundOutcome,
    SchemeFamily,
    Sees,
    SingleFamily,
    SumOfWorkers,
)
from .parts.assignments import Groups
from .parts.deadlines import Deadline, PastDeadline, Spread, Window
from .parts.decoders import SumArrived
from .parts.stop import Adaptive, Latest, Quorum, Stop, ending, refuse_beside
from .parts.stopping import FirstK, FirstKEach, StoppingRule


@configured
class Uncoded(SingleFamily):
    """Wait for all n workers; exact.

    Source: plain synchronous gradient descent."""

    name: ClassVar[str] = "uncoded"

    def build(self, workers: int) -> Fixed:
        """One partition a worker, stop at n."""
        code, rule, sums = Groups(workers, 1), FirstK(workers), SumArrived()
        guarantees = Guarantees(copies=1, tolerates=0)
        return Fixed(self.name, code, rule, sums, exact=True, guarantees=guarantees)


@configured
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
        both = cls(stop=Latest(all=(FirstK(first=4), Deadline(deadline=0.5))))
        return *first, *late, both, cls(stop=Spread(first=6, spread=2.0))

    def build(self, workers: int) -> Fixed:
        """One partition a worker, stop at r or at the deadline."""
        code = Groups(workers, 1)
        rule: StoppingRule
        if self.stop is not None:
            given = {"wait_for": self.wait_for, "grace": self.grace or None}
            refuse_beside("stop", **given, deadline=self.deadline)
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


@configured
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


@configured
class AdaptiveK(SchemeFamily):
    """``ignore_stragglers`` that waits for ``step`` workers more whenever training stalls.

    The master counts +1 when a decoded gradient has a negative inner product with the one before,
    and -1 otherwise. Once the count is above ``threshold``, and more than ``burn_in`` rounds have
    passed since the start or the last increase, r grows and both counts restart at 0. Needs a
    problem. The defaults are ours.

    Args:
        wait_for: r at the start, arrivals that end a round.
        step: how many arrivals more.
        burn_in: rounds in which r stays as it is.
        threshold: the count that must be exceeded.
        most: the largest r; the number of workers unless given.

    Source: Kas Hanna, Bitar, Parag, Dasari, El Rouayheb, Adaptive Stochastic Gradient Descent for
    Fast and Communication-Efficient Distributed Learning (arXiv 2208.03134), the statistical
    heuristic."""

    name: ClassVar[str] = "adaptive_k"
    wait_for: WaitFor
    step: WaitFor = 1
    burn_in: Number = 10
    threshold: Number = 5
    most: WaitFor | None = None

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        growing = cls(wait_for=4, step=5, burn_in=0, threshold=0, most=10)
        return growing, cls(wait_for=1), cls(wait_for=12)

    @override
    def build(self, workers: int) -> GrowingK:
        require_at_most_workers("wait_for", self.wait_for, workers)
        most = workers if self.most is None else self.most
        if not self.wait_for <= most <= workers:
            valid = f"must be between wait_for = {self.wait_for} and workers = {workers}"
            nearest = max(self.wait_for, min(most, workers))
            raise InvalidParameter("most", most, valid, {"most": nearest})
        return GrowingK(workers, self, most, exact=self.wait_for == workers)


@final
@dataclass(frozen=True, eq=False)
class Progress:
    """What ``GrowingK`` remembers of past rounds."""

    first: bool  # whether no round has ended yet: its gradient has none before it
    arrivals: IntArray  # ``(R,)`` r
    rounds: IntArray  # ``(R,)`` since the start or the last increase
    count: IntArray  # ``(R,)`` of changes of direction, less the others


@final
@dataclass(frozen=True)
class GrowingK(SumOfWorkers):
    """One partition a worker, r arrivals, at most ``most``; exact where r is n from the start."""

    sees: ClassVar[Sees] = Sees.LOSSES
    family: AdaptiveK
    most: int
    exact: bool | None = False
    name = "adaptive_k"

    @override
    def start(self, replications: int) -> Progress:
        nothing = np.zeros(replications, dtype=np.int64)
        return Progress(True, nothing + self.family.wait_for, nothing, nothing)

    @override
    def plan(self, state: Progress) -> Round:
        return Round(self.ones, FirstKEach(state.arrivals))

    @override
    def after(self, state: Progress, outcome: RoundOutcome) -> Progress:
        assert outcome.alignment is not None
        count = state.count + (0 if state.first else np.where(outcome.alignment < 0, 1, -1))
        rounds = state.rounds + 1
        stalls = (count > self.family.threshold) & (rounds > self.family.burn_in)
        more = np.minimum(state.arrivals + self.family.step, self.most)
        arrivals = np.where(stalls, more, state.arrivals)
        return Progress(False, arrivals, np.where(stalls, 0, rounds), np.where(stalls, 0, count))


@configured
class AdaptiveDeadline(SchemeFamily):
    """``ignore_stragglers`` with a deadline that follows past arrivals.

    A round ends when everybody has arrived, or at the deadline if at least ``at_least`` have. The
    deadline is median + kappa * MAD of all times to arrival in the last ``rounds`` rounds, where
    MAD is the median distance from the median. Who has not arrived counts as later than everybody;
    while half of the workers or more are too late, and in the first round, there is no deadline.

    Args:
        kappa: how many MADs above the median.
        at_least: arrivals before which a round never ends.
        rounds: how many past rounds count.

    Source: none: the scheme is ours, in the manner of robust statistics."""

    name: ClassVar[str] = "adaptive_deadline"
    kappa: Tolerance
    at_least: WaitFor = 1
    rounds: WaitFor = 10

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        brief = cls(kappa=0.0, at_least=9, rounds=1), cls(kappa=1.0, rounds=3)
        return cls(kappa=3.0), *brief, cls(kappa=1.0, at_least=12)

    @override
    def build(self, workers: int) -> Fixed:
        require_at_most_workers("at_least", self.at_least, workers)
        code, exact = Groups(workers, 1), self.at_least == workers
        past = PastDeadline(self.kappa, self.at_least, self.rounds)
        # The deadline is known as the round opens, so everybody is as likely to be in time.
        guarantees = Guarantees(copies=1, unbiased=RandomOrder())
        rule = ending(Adaptive(adaptive=past), code)
        return Fixed(self.name, code, rule, SumArrived(True), exact, guarantees=guarantees)
