"""Schemes whose waiting changes as a run goes on: with the losses, or with past arrivals."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from typing import ClassVar, final

import numpy as np
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import STRICT, Number, Tolerance, WaitFor, require_at_most_workers
from ..types import FloatArray, IntArray
from .base import Guarantees, RandomOrder, Round, RoundOutcome, SchemeFamily, Sees, SumOfWorkers
from .deadlines import DeadlineEach
from .stopping import FirstK, FirstKEach


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
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
@plain_dataclass(frozen=True, eq=False)
class Progress:
    """What ``GrowingK`` remembers of past rounds."""

    first: bool  # whether no round has ended yet: its gradient has none before it
    arrivals: IntArray  # ``(R,)`` r
    rounds: IntArray  # ``(R,)`` since the start or the last increase
    count: IntArray  # ``(R,)`` of changes of direction, less the others


@final
@plain_dataclass(frozen=True)
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


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
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
    def build(self, workers: int) -> RobustDeadline:
        require_at_most_workers("at_least", self.at_least, workers)
        return RobustDeadline(workers, self, exact=self.at_least == workers)


@final
@plain_dataclass(frozen=True)
class RobustDeadline(SumOfWorkers):
    """One partition a worker, a deadline from past arrivals; exact where everybody is waited for.
    The deadline of a round is known when it opens, so among workers whose times are independent of
    one law everybody is as likely to be in time, and the decoded gradient is unbiased. The state is
    ``(R, rounds, n)``: the latest arrivals, the newest round first."""

    family: AdaptiveDeadline
    exact: bool | None = False
    name = "adaptive_deadline"
    guarantees = Guarantees(copies=1, unbiased=RandomOrder())

    @override
    def start(self, replications: int) -> FloatArray:
        return np.empty((replications, 0, self.n))

    @override
    def plan(self, state: FloatArray) -> Round:
        deadline = DeadlineEach(robust_deadline(state.reshape(len(state), -1), self.family.kappa))
        return Round(self.ones, FirstK(self.n) | (deadline & FirstK(self.family.at_least)))

    @override
    def after(self, state: FloatArray, outcome: RoundOutcome) -> FloatArray:
        assert outcome.arrival is not None
        kept = state[:, : self.family.rounds - 1]
        return np.concatenate([outcome.arrival[:, None], kept], axis=1)


def robust_deadline(seconds: FloatArray, kappa: float) -> FloatArray:
    """median + kappa * MAD of each row, ``(R, N) -> (R,)``; infinite where half are infinite."""
    if seconds.shape[1] == 0:
        return np.full(len(seconds), np.inf)
    median = np.median(seconds, axis=1)
    known = np.isfinite(median)
    spread = np.median(np.abs(seconds - np.where(known, median, 0.0)[:, None]), axis=1)
    with np.errstate(invalid="ignore"):  # 0 times infinity, where the median is infinite anyway
        return np.where(known, median + kappa * spread, np.inf)
