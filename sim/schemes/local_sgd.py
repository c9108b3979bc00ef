"""Local steps: every worker trains a model of its own for some steps; then they are averaged."""

from __future__ import annotations

from dataclasses import dataclass as plain_dataclass
from dataclasses import replace
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from annotated_types import Ge, Lt
from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass
from typing_extensions import override

from ..errors import InvalidParameter
from ..fields import (
    STRICT,
    Configurable,
    Count,
    Load,
    Positive,
    WaitFor,
    not_bool,
    require_at_most_workers,
    require_divisor,
    require_size,
)
from ..steps import DecodedRounds, Local, Measured, Steps
from ..types import BoolArray, FloatArray, IntArray, Trace
from .assignments import Groups
from .base import Assigned, Guarantees, RandomOrder, Round, SchemeFamily, State
from .decoders import OnePerGroup
from .stop import Stop, ending, refuse_beside_stop
from .stopping import CoverGroups, FirstK, StoppingRule


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class Outer(metaclass=Configurable):
    """How the model moves at the end of a round.

    Args:
        rule: ``average``: to the mean of the models. ``nesterov``: along the mean difference, with
            Nesterov's momentum.
        learning_rate: of ``nesterov``; 0.7 unless given.
        momentum: of ``nesterov``, below 1; 0.9 unless given.
    """

    rule: Literal["average", "nesterov"]
    learning_rate: Positive | None = None
    momentum: Annotated[float, BeforeValidator(not_bool), Ge(0), Lt(1)] | None = None

    @property
    def factors(self) -> tuple[float, float]:
        """Learning rate and momentum; those of an average are 1 and 0."""
        if self.rule == "average":
            return 1.0, 0.0
        rate, momentum = self.learning_rate, self.momentum
        return 0.7 if rate is None else rate, 0.9 if momentum is None else momentum


@final
@dataclass(frozen=True, config=STRICT, kw_only=True)
class LocalSgd(SchemeFamily):
    """Workers take ``steps`` local steps on their own partitions; then their models are averaged.

    In a round each worker needs the sum of its steps' times. Each step has a row of the tape of its
    own, and the network is crossed once.

    An iteration is one local step, so that tables compare like with like. The last round is shorter
    if ``steps`` does not divide the iterations. Within a round the loss is that of the model at
    its opening, and iterations divide its time equally.

    With a load d, groups of d workers hold the same d partitions, and take the local steps of each
    of them: the master needs one answer of a group.

    Args:
        steps: H, local steps in a round.
        wait_for: r, arrivals that end a round; all that are needed unless given.
        load: d, partitions per worker; must divide the number of workers.
        stop: when a round ends, in place of ``wait_for``.
        outer: how the model moves at the end of a round; it is averaged unless this is given.

    Source: McMahan, Moore, Ramage, Hampson, Agüera y Arcas, Communication-Efficient Learning of
    Deep Networks from Decentralized Data (arXiv 1602.05629), federated averaging; Douillard et al.,
    DiLoCo (arXiv 2311.08105), the outer step with Nesterov's momentum; 0.7 and 0.9 are those of
    public implementations."""

    name: ClassVar[str] = "local_sgd"
    steps: Count
    wait_for: WaitFor | None = None
    load: Load = 1
    stop: Stop | None = None
    outer: Outer | None = None

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        coded = cls(steps=2, load=3), cls(steps=3, load=3, wait_for=5)
        momentum = cls(steps=5, outer=Outer(rule="nesterov"))
        early = cls(steps=4, stop=FirstK(first=9))
        return cls(steps=4), cls(steps=1), cls(steps=4, wait_for=8), *coded, momentum, early

    @override
    def build(self, workers: int) -> LocalRounds:
        require_size("steps", self.steps, workers)
        require_divisor(self.load, workers)
        outer = self.outer or Outer(rule="average")
        if outer.rule == "average":
            for name in ("learning_rate", "momentum"):
                if (value := getattr(outer, name)) is not None:
                    raise InvalidParameter(f"outer.{name}", value, "must be left out of an average")
        code = Groups(workers, self.load)
        rule: StoppingRule = CoverGroups(self.load)
        whole = None if self.stop is not None else self.wait_for or workers
        if self.stop is not None:
            refuse_beside_stop(wait_for=self.wait_for)
            rule = ending(self.stop, code) | rule
            if rule.remembers:
                valid = "must not follow past rounds: the plan of local steps never changes"
                raise InvalidParameter("stop", "adaptive", valid)
        elif self.wait_for is not None:
            require_at_most_workers("wait_for", self.wait_for, workers)
            rule = FirstK(self.wait_for) | rule
        return LocalRounds(code, rule, outer, whole, self.steps)


@final
@plain_dataclass(frozen=True)
class LocalRounds(Assigned):
    """Groups of workers, H local steps a round; see ``LocalSgd``."""

    assignment: Groups
    stopping: StoppingRule
    outer: Outer
    waits_for: int | None  # arrivals that end a round in any case; ``None``: not known
    local_steps: int = 1  # H
    rows: int | None = None  # local steps in all; known within a run
    name = "local_sgd"

    @property
    def covers(self) -> bool:
        """Whether every partition is heard in every round."""
        return self.waits_for is not None and self.waits_for > self.workers - self.assignment.load

    @property
    def exact(self) -> bool:  # type: ignore[override]
        """Local gradients are those of other models, unless there is one step."""
        return self.covers and self.local_steps == 1 and self.outer.rule == "average"

    @property
    @override
    def guarantees(self) -> Guarantees:
        """Of the weights of partitions, whatever steps are taken on them. Groups are alike."""
        load, tolerates = self.assignment.load, None
        if self.covers and self.waits_for is not None:
            tolerates = max(load - 1, self.workers - self.waits_for)
        fair = RandomOrder() if self.waits_for is not None else None
        return Guarantees(copies=load, tolerates=tolerates, unbiased=fair)

    @override
    def within(self, iterations: int) -> LocalRounds:
        return replace(self, rows=iterations)

    @override
    def plan(self, state: State = None) -> Round:
        return Round(self.assignment.loads, self.stopping, steps=self.local_steps, rows=self.rows)

    @override
    def weights(self, arrived: BoolArray) -> FloatArray:
        """The same for every partition that was heard, k in all; 0 where nobody was."""
        covered = OnePerGroup(self.assignment.load).partition_weights(arrived)
        covered *= (self.partitions / np.maximum(np.count_nonzero(covered, axis=-1), 1))[..., None]
        return covered

    @override
    def steps(self, trace: Trace) -> Steps:
        rounds, last = self.decoded(trace.times, trace.arrived), self.local_steps
        if trace.iterations is not None:
            last = trace.iterations - (trace.times.shape[1] - 1) * last
        return OuterSteps(rounds, self.local_steps, last, self.outer)


@final
class OuterSteps(Steps):
    """One outer step a round of H local steps (``last`` in the last), from what was heard in it."""

    def __init__(self, rounds: DecodedRounds, local_steps: int, last: int, outer: Outer) -> None:
        self.times, self.local_steps = rounds.times, local_steps
        self.rounds, self._last, self._outer = rounds, last, outer

    @override
    def step(self, u: int) -> Local:
        steps = self._last if u == self.times.shape[1] - 1 else self.local_steps
        return Local(self.rounds.step(u).weights, steps, *self._outer.factors)

    @override
    def arrived(self, together: int = 1) -> IntArray:
        return self.rounds.arrived(together)

    @override
    def measure(self) -> Measured:
        return self.rounds.measure()

    @property
    @override
    def alike(self) -> bool:
        """Where every partition was heard in every round, all replications take the same steps."""
        return self.rounds.exact
