"""Sequential gradient codes: a straggler's result may be delivered some rounds later.

Source: Krishnan, Ebrahimi, Khisti, Sequential Gradient Coding for Straggler Mitigation (ICLR 2023),
the selective-repeat code, with the rounds of its authors' program. There several models are trained
in turn; here one model is, and its gradients are applied B updates late.
"""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from annotated_types import Ge
from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass
from typing_extensions import override

from sim.arrays import row_max
from sim.errors import InvalidParameter
from sim.fields import STRICT, Tolerance, not_bool, require_at_most_workers
from sim.schemes.base import Round, RoundOutcome, RoundScheme, SchemeFamily
from sim.schemes.stopping import Opened, StoppingRule, Tally, Window
from sim.steps import DecodedRounds
from sim.types import BoolArray, FloatArray, Rounds, Trace


@final
@dataclass(frozen=True, config=STRICT)
class Sequential(SchemeFamily):
    """A code for bursts of stragglers: a missing result is computed again ``B`` rounds later.

    The load is s + 1 with s = ceil(B stragglers / (W - 1 + B)), less than a code needs that must
    tolerate ``stragglers`` in every round. It pays off where stragglers persist.

    Args:
        variant: ``selective_repeat``.
        B: rounds after which a job is repeated and applied; must divide W - 1.
        W: rounds of the window in which stragglers are counted.
        stragglers: lambda, different stragglers that a window may have.
        tolerance: mu; who takes longer than (1 + mu) times the round's fastest is a straggler.
    """

    name: ClassVar[str] = "sequential"

    B: Annotated[int, BeforeValidator(not_bool), Ge(1)]
    W: Annotated[int, BeforeValidator(not_bool), Ge(2)]
    stragglers: Annotated[int, BeforeValidator(not_bool), Ge(0)]
    tolerance: Tolerance
    variant: Literal["selective_repeat"] = "selective_repeat"

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        return (
            cls(B=1, W=2, stragglers=4, tolerance=0.5),
            cls(B=2, W=3, stragglers=5, tolerance=1.0),
            cls(B=2, W=7, stragglers=12, tolerance=0.0),
            cls(B=3, W=4, stragglers=0, tolerance=1.0),
        )

    @override
    def build(self, workers: int) -> SelectiveRepeat:
        """Needs B to divide W - 1, stragglers at most workers, and a load of at most workers."""
        if (self.W - 1) % self.B:
            valid = ", ".join(str(b) for b in range(1, self.W) if (self.W - 1) % b == 0)
            raise InvalidParameter("B", self.B, f"must divide W - 1 = {self.W - 1}: {valid}")
        require_at_most_workers("stragglers", self.stragglers, workers)
        scheme = SelectiveRepeat(workers, self.B, self.W, self.stragglers, self.tolerance)
        if scheme.load > workers:  # one worker
            raise InvalidParameter("stragglers", self.stragglers, "must be 0 with workers = 1")
        return scheme


@final
@plain_dataclass(frozen=True, eq=False)
class Past:
    """What a selective-repeat code remembers, the newest round first.

    Attributes:
        round: rounds so far.
        counted: ``(R, W - 1, n)`` who straggled in rounds that count for the straggler model.
        missing: ``(R, B, n)`` who did not deliver the round's own job.
    """

    round: int
    counted: BoolArray
    missing: BoolArray


@final
@plain_dataclass(frozen=True)
class SelectiveRepeat(RoundScheme):
    """Job t is computed in round t, what is missing of it again in round t + B.

    Job t needs n - s results of an (n, s) code. If v > s workers have not delivered job t - B in
    round t - B, the first v - s of them by index compute it in round t, and everybody else job t.
    After the last job come B more rounds. There a job is only completed: a round without anything
    to repeat takes no time, and otherwise everybody computes as before.

    Under the straggler model (``BurstWindow``) nobody straggles while repeating, so every job can
    be decoded: stragglers that the model counts in rounds t, t + B, ..., t + W - 1 are all
    different, hence at most lambda, and these (W - 1 + B)/B rounds make up for s each.

    Args:
        n: number of workers, and of partitions.
        burst: B.
        window: W.
        stragglers: lambda.
        tolerance: mu.
        jobs: number of jobs T; known within a run.
    """

    n: int
    burst: int
    window: int
    stragglers: int
    tolerance: float
    jobs: int | None = None

    name = "sequential"
    exact = True

    @property
    @override
    def workers(self) -> int:
        return self.n

    @property
    def spare(self) -> int:
        """s, results of a job that may be missing."""
        return -(-self.burst * self.stragglers // (self.window - 1 + self.burst))

    @property
    def load(self) -> int:
        """Partitions that a worker computes per round."""
        return self.spare + 1

    @override
    def updates(self, iterations: int) -> int:
        return iterations + self.burst

    @override
    def within(self, iterations: int) -> SelectiveRepeat:
        return replace(self, jobs=iterations)

    @override
    def start(self, replications: int) -> Past:
        nobody = np.zeros((replications, self.window - 1, self.n), dtype=np.bool_)
        return Past(0, nobody, nobody[:, : self.burst])

    @override
    def plan(self, state: Past) -> Round:
        repeating, idle = self._repeating(state), self._idle(state)
        stopping = BurstWindow(
            tolerance=self.tolerance,
            spare=self.spare,
            stragglers=self.stragglers,
            strict=np.asarray(repeating.any(axis=-1)),
            recent=np.asarray(state.counted.any(axis=1)),
            banned=np.asarray(state.counted[:, self.burst - 1 :].any(axis=1)),
            idle=idle,
        )

        def nothing_to_do(times: FloatArray) -> FloatArray:
            return np.where(idle[:, None], 0.0, times)

        loads = np.full(self.n, self.load, dtype=np.int64)
        return Round(loads, stopping, nothing_to_do if idle.any() else None)

    @override
    def after(self, state: Past, outcome: RoundOutcome) -> Past:
        """Raises ``RuntimeError`` where a job can never be decoded: the proof would be wrong."""
        repeating = self._repeating(state)
        late = ~outcome.arrived & ~self._idle(state)[:, None]
        if (repeating & late).any():
            raise RuntimeError(f"job {state.round - self.burst} cannot be decoded in time")
        exempt = ~repeating.any(axis=1) & (np.count_nonzero(late, axis=1) <= self.spare)
        counted = late & ~exempt[:, None]
        return Past(
            state.round + 1,
            np.concatenate([counted[:, None], state.counted[:, :-1]], axis=1),
            np.concatenate([(late | repeating)[:, None], state.missing[:, :-1]], axis=1),
        )

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        """All ones where n - s results of a job are there, else all zeros."""
        enough = np.count_nonzero(arrived, axis=-1) >= self.n - self.spare
        return np.repeat(enough[..., None].astype(np.float64), self.n, axis=-1)

    @override
    def steps(self, trace: Trace) -> DecodedRounds:
        """Job t is applied when round t + B ends, to a model that has seen B jobs since."""
        assert isinstance(trace.heard, Rounds)
        arrived, times, late = trace.heard.arrived, trace.times, self.burst
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
        return DecodedRounds(times[:, late:], results, self.weights, self.n, self.n, lag=late)

    def _repeating(self, state: Past) -> BoolArray:
        """``(R, n)`` who computes the job of B rounds ago once more."""
        missing = state.missing[:, -1]
        too_many = np.count_nonzero(missing, axis=1) - self.spare
        return np.asarray(missing & (np.cumsum(missing, axis=1) <= too_many[:, None]))

    def _idle(self, state: Past) -> BoolArray:
        """``(R,)`` whether there is neither a new job nor one to repeat."""
        if self.jobs is None or state.round < self.jobs:
            return np.zeros(len(state.missing), dtype=np.bool_)
        return np.asarray(~self._repeating(state).any(axis=1))


@final
@plain_dataclass(frozen=True, eq=False)
class BurstWindow(StoppingRule):
    """Stop at (1 + tolerance) times the first arrival if the model allows for who is late then.

    The model counts stragglers of the last W rounds, this one included: at most lambda different
    ones, and nobody now who straggled B to W - 1 rounds ago. A round in which nobody repeats a job
    and at most s straggle is allowed in any case and not counted. Where the model does not allow
    it, the round ends when everybody has arrived; and never later than that.

    Args:
        tolerance: mu.
        spare: s.
        stragglers: lambda.
        strict: ``(R,)`` whether somebody repeats a job.
        recent: ``(R, n)`` who straggled in the W - 1 rounds before.
        banned: ``(R, n)`` who straggled B to W - 1 rounds ago.
        idle: ``(R,)`` where the round ends as it opens. Without the axis R, after ``of``.
    """

    tolerance: float
    spare: int
    stragglers: int
    strict: BoolArray
    recent: BoolArray
    banned: BoolArray
    idle: BoolArray

    @property
    @override
    def timed(self) -> bool:
        return True

    @property
    @override
    def needs_clock(self) -> bool:
        return True

    @override
    def of(self, replication: int) -> BurstWindow:
        return replace(
            self,
            strict=self.strict[replication],
            recent=self.recent[replication],
            banned=self.banned[replication],
            idle=self.idle[replication],
        )

    @override
    def enough(self, arrived: BoolArray) -> BoolArray:
        """Everybody: time aside, nothing else suffices."""
        return np.asarray(arrived.all(axis=-1) | self.idle)

    def allows(self, late: BoolArray) -> BoolArray:
        """Whether these may be late: ``(..., n)`` bool -> ``(...)`` bool."""
        exempt = ~self.strict & (np.count_nonzero(late, axis=-1) <= self.spare)
        few = np.count_nonzero(late | self.recent, axis=-1) <= self.stragglers
        return np.asarray(exempt | (few & ~(late & self.banned).any(axis=-1)))

    @override
    def stopping_delay(self, delays: FloatArray, opened: Opened = 0.0) -> FloatArray:
        closes = Window(self.tolerance).closes(np.asarray(delays.min(axis=-1)), opened)
        everybody = row_max(delays)
        allowed = self.allows(delays > closes[..., None])
        ended = np.where(allowed, np.minimum(closes, everybody), everybody)
        return np.where(self.idle, opened, ended)

    @override
    def tally(self, messages: int, opened: float = 0.0) -> Tally:
        return _BurstTally(self, messages, opened)


class _BurstTally(Tally):
    """Sets its alarm at the first arrival, and looks at who is late when it rings."""

    def __init__(self, rule: BurstWindow, messages: int, opened: float) -> None:
        self._window, self._opened, self._closes = rule, opened, np.inf
        self._late, self._out = np.ones(messages, dtype=np.bool_), messages
        self._over = bool(rule.idle)
        self.alarms = [0.0] if self._over else []

    @override
    def arrive(self, message: int, now: float) -> bool:
        if self._closes == np.inf:
            extra = self._window.tolerance * (now - self._opened)
            self._closes = now + extra
            self.alarms.append(extra)
        self._late[message] = False
        self._out -= 1
        return self.ring(now)

    @override
    def ring(self, now: float) -> bool:
        allowed = now == self._closes and bool(self._window.allows(self._late))
        self._over = self._over or allowed or self._out == 0
        return self._over
