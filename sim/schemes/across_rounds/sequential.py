"""Sequential gradient codes: a straggler's result may be delivered some rounds later."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from annotated_types import Ge
from pydantic import BeforeValidator
from typing_extensions import override

from ...base.errors import InvalidParameter
from ...base.fields import (
    Count,
    Number,
    Tolerance,
    configured,
    not_bool,
    refuse_naming,
    require_at_most,
    require_size,
)
from ...base.types import BoolArray, FloatArray, IntArray, Trace
from ...training.steps import DecodedRounds
from ..base import OfWorkers, Round, RoundOutcome, SchemeFamily
from ..parts.deadlines import Window, WindowOrAll
from ..parts.stopping import Countdown, Opened, StoppingState

Exempt = Literal["past", "current"]


@final
@dataclass(frozen=True, eq=False)
class BurstWindow(WindowOrAll):
    """Stop at (1 + tolerance) times the first arrival if the paper's model of stragglers allows for
    who is late then: at most lambda different ones in the last W rounds, this one included, and
    nobody now who straggled B to W - 1 rounds ago. Past rounds in which nobody repeated a job and
    at most s straggled are not counted; with ``exempt: current`` such a round is also allowed in
    any case. Where the model does not allow it, the round ends when everybody has arrived."""

    code: SequentialCode  # B, lambda, mu, s, and which rounds are exempt
    counted: BoolArray  # ``(R, W - 1, n)`` who straggled in the rounds before, the newest first
    strict: BoolArray  # ``(R,)`` whether somebody repeats a job
    idle: BoolArray  # ``(R,)`` where the round ends as it opens. Without the axis R, after ``of``

    @property
    @override
    def closing(self) -> Window:
        return Window(self.code.tolerance)

    @override
    def of(self, replication: int) -> BurstWindow:
        own = self.counted[replication], self.strict[replication], self.idle[replication]
        return BurstWindow(self.code, *own)

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        return np.asarray(arrived.all(axis=-1) | self.idle)

    @override
    def allows(self, late: BoolArray) -> BoolArray:
        few = np.count_nonzero(late | self.counted.any(axis=-2), axis=-1) <= self.code.stragglers
        banned = self.counted[..., self.code.burst - 1 :, :].any(axis=-2)
        allowed = few & ~(late & banned).any(axis=-1)
        if isinstance(self.code, SelectiveRepeat) and self.code.exempt == "current":
            allowed |= ~self.strict & (np.count_nonzero(late, axis=-1) <= self.code.spare)
        return np.asarray(allowed)

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        return np.where(self.idle, opened, super().stopping_delay(delays, opened))

    @override
    def stopping_state(self, messages: int, opened: float = 0.0) -> StoppingState:
        return Countdown(0) if self.idle else super().stopping_state(messages, opened)


@dataclass(frozen=True)
class SequentialCode(OfWorkers):
    """What both codes are made of; abstract."""

    burst: int  # B, less than W
    window: int  # W
    stragglers: int  # lambda
    tolerance: float  # mu
    exempt: Exempt = "past"  # rounds with at most s stragglers that the model does not count
    name = "sequential"
    exact = True

    @property
    @abstractmethod
    def lag(self) -> int:
        """Rounds from a job's first to its last."""

    @override
    def updates(self, iterations: int) -> int:
        return iterations + self.lag

    @override
    def start(self, replications: int) -> Past:
        nobody = np.zeros((replications, self.window - 1, self.n), dtype=np.bool_)
        return Past(0, nobody, np.zeros((replications, self.lag, self.n), dtype=np.int64))


@final
@dataclass(frozen=True, eq=False)
class Past:
    """What both codes remember, the newest round or job first."""

    round: int  # rounds so far
    # ``(R, W - 1, n)`` who straggled in rounds that count for the straggler model.
    counted: BoolArray
    # ``(R, lag, n)`` what each worker has tried and not delivered: pieces of each job, or 1 where
    # it did not deliver the round's own job.
    lacking: IntArray


@final
@dataclass(frozen=True)
class Multiplexed(SequentialCode):
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
    if there had been jobs before and were jobs after them."""

    @property
    @override
    def lag(self) -> int:
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
    def plan(self, state: Past) -> Round:
        nobody = np.zeros(len(state.counted), dtype=np.bool_)
        stopping = BurstWindow(self, state.counted, strict=~nobody, idle=nobody)
        return Round(np.full(self.n, self.load), stopping)

    @override
    def after(self, state: Past, outcome: RoundOutcome) -> Past:
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
        return Past(state.round + 1, counted, lacking[:, :-1])

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        """All ones: every worker delivers its pieces of a job, and the others are decoded."""
        return np.ones(arrived.shape)

    @override
    def steps(self, trace: Trace) -> DecodedRounds:
        """Job t is applied when round t + W - 2 + B ends, to a model that many jobs further."""
        arrived, times = trace.arrived, trace.times
        state = self.start(len(times))
        for t, heard in enumerate(np.moveaxis(arrived, 1, 0)):
            state = self.after(state, RoundOutcome(times[:, t], heard))
        return self.decoded(times[:, self.lag :], np.ones_like(arrived[:, self.lag :]), self.lag)


@configured
class Sequential(SchemeFamily):
    """A code for bursts of stragglers: a missing result is computed again ``B`` rounds later.

    ``selective_repeat`` computes a job in one round and computes what is missing again B rounds
    later; its load is s + 1 with s = ceil(B stragglers / (W - 1 + B)). ``multiplexed`` spreads each
    job over W - 1 + B rounds, in mini-tasks; its load, a fraction of partitions, is (lambda + 1)(W
    - 1 + B) / (B + (W - 1)(lambda + 1)).

    Args:
        variant: ``selective_repeat`` or ``multiplexed``.
        B: rounds that a burst of stragglers may last; must divide W - 1, and with ``multiplexed``
            be at most that.
        W: rounds of the window in which stragglers are counted.
        stragglers: lambda, different stragglers that a window may have.
        tolerance: mu; who takes longer than (1 + mu) times the round's fastest is a straggler.
        exempt: ``past``: rounds before this one in which nobody repeated a job and at most s
            straggled do not count for the straggler model, as in the authors' program.
            ``current``: nor does this one, so it ends early whoever is late. All jobs can still be
            decoded, and rounds are never longer. For ``selective_repeat``.

    Source: Krishnan, Ebrahimi, Khisti, Sequential Gradient Coding for Straggler Mitigation (ICLR
    2023), the selective-repeat and the multiplexed code with the rounds of its authors' program.
    There several models are trained in turn; here one model is, and its gradients are applied B (or
    W - 2 + B) updates late."""

    name: ClassVar[str] = "sequential"
    B: Count
    W: Annotated[int, BeforeValidator(not_bool), Ge(2)]
    stragglers: Number
    tolerance: Tolerance
    variant: Literal["selective_repeat", "multiplexed"] = "selective_repeat"
    exempt: Exempt = "past"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(B=1, W=2, stragglers=4, tolerance=0.5),
            cls(B=2, W=3, stragglers=5, tolerance=1.0),
            cls(B=2, W=3, stragglers=5, tolerance=0.5, exempt="current"),
            cls(B=2, W=7, stragglers=12, tolerance=0.0),
            cls(B=3, W=4, stragglers=0, tolerance=1.0),
            cls(B=1, W=2, stragglers=4, tolerance=0.5, variant="multiplexed"),
            cls(B=2, W=4, stragglers=12, tolerance=1.0, variant="multiplexed"),
        )

    @override
    def build(self, workers: int) -> SelectiveRepeat | Multiplexed:
        require_size("W", self.W, workers)
        if self.variant == "multiplexed":
            require_at_most("stragglers", self.stragglers, workers, "workers = ", 0)
            require_at_most("B", self.B, self.W - 1, "W - 1 = ")
            if self.exempt == "current":
                valid = "must be past with multiplexed, which counts every round"
                raise InvalidParameter("exempt", self.exempt, valid, {"exempt": "past"})
            return Multiplexed(workers, self.B, self.W, self.stragglers, self.tolerance)
        if (self.W - 1) % self.B:
            fit = [b for b in range(1, self.W) if (self.W - 1) % b == 0]
            refuse_naming("B", self.B, fit, f"must divide W - 1 = {self.W - 1}")
        if workers == 1 and self.stragglers:  # nobody else has its results
            valid = "must be 0 with workers = 1"
            raise InvalidParameter("stragglers", self.stragglers, valid, {"stragglers": 0})
        require_at_most("stragglers", self.stragglers, workers, "workers = ", 0)
        model = self.B, self.W, self.stragglers, self.tolerance
        return SelectiveRepeat(workers, *model, self.exempt)


@final
@dataclass(frozen=True)
class SelectiveRepeat(SequentialCode):
    """Job t is computed in round t, what is missing of it again in round t + B.

    Job t needs n - s results of an (n, s) code. If v > s workers have not delivered job t - B in
    round t - B, the first v - s of them by index compute it in round t, and everybody else job t.
    After the last job come B more rounds. There a job is only completed: a round without anything
    to repeat takes no time, and otherwise everybody computes as before.

    Under the straggler model (``BurstWindow``) nobody straggles while repeating, so every job can
    be decoded: stragglers that the model counts in rounds t, t + B, ..., t + W - 1 are all
    different, hence at most lambda, and these (W - 1 + B)/B rounds make up for s each."""

    jobs: int | None = None  # number of jobs T; known within a run

    @property
    @override
    def lag(self) -> int:
        return self.burst

    @property
    def spare(self) -> int:
        """s, results of a job that may be missing after its first round."""
        return -(-self.burst * self.stragglers // (self.window - 1 + self.burst))

    @property
    def load(self) -> int:
        """Partitions that a worker computes per round."""
        return self.spare + 1

    @override
    def within(self, iterations: int) -> SelectiveRepeat:
        return replace(self, jobs=iterations)

    @override
    def plan(self, state: Past) -> Round:
        repeating, idle = self._repeating(state), self._idle(state)
        stopping = BurstWindow(self, state.counted, np.asarray(repeating.any(axis=-1)), idle)
        loads = np.full(self.n, self.load, dtype=np.int64)
        nothing = (lambda times: np.where(idle[:, None], 0.0, times)) if idle.any() else None
        return Round(loads, stopping, nothing)

    @override
    def after(self, state: Past, outcome: RoundOutcome) -> Past:
        """Raises ``RuntimeError`` where a job can never be decoded: the proof would be wrong."""
        repeating = self._repeating(state)
        late = ~outcome.arrived & ~self._idle(state)[:, None]
        if (repeating & late).any():
            raise RuntimeError(f"job {state.round - self.burst} cannot be decoded in time")
        exempt = ~repeating.any(axis=1) & (np.count_nonzero(late, axis=1) <= self.spare)
        counted, missing = late & ~exempt[:, None], late | repeating
        counted = np.concatenate([counted[:, None], state.counted[:, :-1]], axis=1)
        lacking = np.concatenate([missing[:, None], state.lacking[:, :-1]], axis=1)
        return Past(state.round + 1, counted, lacking)

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        """All ones where n - s results of a job are there, else all zeros."""
        enough = np.count_nonzero(arrived, axis=-1) >= self.n - self.spare
        return np.repeat(enough[..., None].astype(np.float64), self.n, axis=-1)

    @override
    def steps(self, trace: Trace) -> DecodedRounds:
        """Job t is applied when round t + B ends, to a model that has seen B jobs since."""
        arrived, times, late = trace.arrived, trace.times, self.burst
        jobs = times.shape[1] - late
        run, results = self.within(jobs), np.zeros((len(times), jobs, self.n), dtype=np.bool_)
        state = run.start(len(times))
        for t, heard in enumerate(np.moveaxis(arrived, 1, 0)):
            repeating = run._repeating(state)
            if t < jobs:
                results[:, t] = heard & ~repeating
            if t >= late:
                results[:, t - late] |= heard & repeating
            state = run.after(state, RoundOutcome(times[:, t], heard))
        return self.decoded(times[:, late:], results, late)

    def _repeating(self, state: Past) -> BoolArray:
        """``(R, n)`` who computes the job of B rounds ago once more."""
        missing = state.lacking[:, -1] > 0
        too_many = np.count_nonzero(missing, axis=1) - self.spare
        return np.asarray(missing & (np.cumsum(missing, axis=1) <= too_many[:, None]))

    def _idle(self, state: Past) -> BoolArray:
        """``(R,)`` whether there is neither a new job nor one to repeat."""
        if self.jobs is None or state.round < self.jobs:
            return np.zeros(len(state.lacking), dtype=np.bool_)
        return np.asarray(~self._repeating(state).any(axis=1))
