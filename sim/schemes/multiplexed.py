"""The multiplexed sequential code: every round works on many jobs at once.

Source: Krishnan, Ebrahimi, Khisti, Sequential Gradient Coding for Straggler Mitigation (ICLR 2023),
the multiplexed code. There W - 1 + B models are trained in turn; here one model is, and its
gradients are applied W - 2 + B updates late.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from ..steps import DecodedRounds
from ..types import BoolArray, FloatArray, IntArray, Rounds, Trace
from .base import Round, RoundOutcome, RoundScheme
from .burst import BurstWindow


@final
@dataclass(frozen=True, eq=False)
class Jobs:
    """What a multiplexed code remembers, the newest round or job first.

    Attributes:
        round: rounds so far.
        counted: ``(R, W - 1, n)`` who straggled in each round.
        lacking: ``(R, W - 2 + B, n)`` pieces of each job that a worker has tried and not delivered.
    """

    round: int
    counted: BoolArray
    lacking: IntArray


@final
@dataclass(frozen=True)
class Multiplexed(RoundScheme):
    """W - 1 + B mini-tasks a round, one for each of as many jobs.

    A job's data are cut into W - 1 pieces for each worker and B groups, each coded with an (n,
    lambda) code. In rounds t, ..., t + W - 2 a worker computes its pieces of job t, one a round;
    in the B rounds after those its result for one group each, unless it still lacks a piece: then
    it delivers that instead. A straggler's results are lost, those of all mini-tasks. Job t is
    decoded after round t + W - 2 + B from all pieces and n - lambda results of each group.

    Under the straggler model (``BurstWindow``) that is always so. Whoever lacks a pieces at first
    straggled a times within B rounds, is in time in the rounds in which it makes up for them, and
    still lacks one at the g-th group only if it straggled less than W rounds before. So those who
    do not deliver for a group are stragglers of one window: at most lambda.

    Mini-tasks are equally long: a piece is 1/(W - 1 + B/(lambda + 1)) of a partition, and a coded
    result covers lambda + 1 parts. With lambda = n there is no code, and the B rounds are for
    missing pieces alone. Rounds before the first and after the last job take as long as others, as
    if there had been jobs before and were jobs after them.

    Args:
        n: number of workers, and of partitions.
        burst: B, less than W.
        window: W.
        stragglers: lambda.
        tolerance: mu.
    """

    n: int
    burst: int
    window: int
    stragglers: int
    tolerance: float

    name = "sequential"
    exact = True

    @property
    @override
    def workers(self) -> int:
        return self.n

    @property
    def lag(self) -> int:
        """Rounds from a job's first to its last, W - 2 + B."""
        return self.window - 2 + self.burst

    @property
    def load(self) -> float:
        """Partitions that a worker computes per round."""
        pieces = self.window - 1
        if self.stragglers == self.n:
            return (pieces + self.burst) / pieces
        coded = self.stragglers + 1
        return coded * (pieces + self.burst) / (self.burst + pieces * coded)

    @override
    def updates(self, iterations: int) -> int:
        return iterations + self.lag

    @override
    def start(self, replications: int) -> Jobs:
        return Jobs(
            0,
            np.zeros((replications, self.window - 1, self.n), dtype=np.bool_),
            np.zeros((replications, self.lag, self.n), dtype=np.int64),
        )

    @override
    def plan(self, state: Jobs) -> Round:
        nobody = np.zeros(len(state.counted), dtype=np.bool_)
        stopping = BurstWindow(
            tolerance=self.tolerance,
            spare=0,
            stragglers=self.stragglers,
            strict=~nobody,
            recent=np.asarray(state.counted.any(axis=1)),
            banned=np.asarray(state.counted[:, self.burst - 1 :].any(axis=1)),
            idle=nobody,
        )
        return Round(np.full(self.n, self.load), stopping)

    @override
    def after(self, state: Jobs, outcome: RoundOutcome) -> Jobs:
        """Raises ``RuntimeError`` where a job can never be decoded: the proof would be wrong."""
        late = ~outcome.arrived
        fresh = np.zeros_like(state.lacking[:, :1])
        lacking = np.concatenate([fresh, state.lacking], axis=1)  # of jobs t, t - 1, ...
        pieces, groups = lacking[:, : self.window - 1], lacking[:, self.window - 1 :]
        results = ~late[:, None] & (groups == 0)
        decoded = np.count_nonzero(results, axis=-1) >= self.n - self.stragglers
        left = groups - (~late[:, None] & (groups > 0))
        if not decoded.all() or left[:, -1].any():
            raise RuntimeError(f"a job of round {state.round} cannot be decoded in time")
        lacking = np.concatenate([pieces + late[:, None], left], axis=1)
        counted = np.concatenate([late[:, None], state.counted[:, :-1]], axis=1)
        return Jobs(state.round + 1, counted, lacking[:, :-1])

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        """All ones: every worker delivers its pieces of a job, and the others are decoded."""
        return np.ones(arrived.shape)

    @override
    def steps(self, trace: Trace) -> DecodedRounds:
        """Job t is applied when round t + W - 2 + B ends, to a model that many jobs further."""
        assert isinstance(trace.heard, Rounds)
        arrived, times = trace.heard.arrived, trace.times
        state = self.start(len(times))
        for t, heard in enumerate(np.moveaxis(arrived, 1, 0)):
            state = self.after(state, RoundOutcome(times[:, t], heard))
        everybody = np.ones_like(arrived[:, self.lag :])
        applied = times[:, self.lag :]
        return DecodedRounds(applied, everybody, self.weights, self.n, self.n, lag=self.lag)
