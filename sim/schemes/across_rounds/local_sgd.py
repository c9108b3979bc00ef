"""Local steps: every worker trains a model of its own for some steps; then they are averaged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Annotated, ClassVar, Literal, final

import numpy as np
from annotated_types import Ge, Lt
from pydantic import AfterValidator, BeforeValidator
from typing_extensions import override

from ...base.errors import InvalidParameter
from ...base.fields import (
    Configurable,
    Count,
    Load,
    Positive,
    WaitFor,
    configured,
    not_bool,
    require_at_most_workers,
    require_divisor,
    require_size,
)
from ...base.types import BoolArray, FloatArray, IntArray, Trace
from ...training.steps import DecodedRounds, Levels, Local, Measured, Steps
from ..base import Assigned, Guarantees, RandomOrder, Round, SchemeFamily, State
from ..parts.assignments import Groups
from ..parts.decoders import OnePerGroup
from ..parts.stop import Stop, ending, refuse_beside
from ..parts.stopping import CoverGroups, FirstK, StoppingRule


@configured
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
class GroupSizes(dict[int, int]):
    """Periods to sizes, in a value that never changes."""

    @override
    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(sorted(self.items())))


@configured
class LocalSgd(SchemeFamily):
    """Workers take ``steps`` local steps on their own partitions; then their models are averaged.

    In a round each worker needs the sum of its steps' times. Each step has a row of the tape of its
    own, and the network is crossed once.

    An iteration is one local step, so that tables compare like with like. The last round is shorter
    if ``steps`` does not divide the iterations. Within a round the loss is that of the model at
    its opening, and iterations divide its time equally.

    With a load d, groups of d workers hold the same d partitions, and take the local steps of each
    of them: the master needs one answer of a group.

    With levels, neighbours average their models more often than all do: after step k of a round
    each group of the longest period that divides k does, and all its members go on when the last
    of them is there. Everybody is waited for. A worker that crashes takes the steps of its round
    again by itself: its group has gone on.

    Args:
        steps: H, local steps in a round.
        wait_for: r, arrivals that end a round; all that are needed unless given.
        load: d, partitions per worker; must divide the number of workers.
        stop: when a round ends, in place of ``wait_for``.
        outer: how the model moves at the end of a round; it is averaged unless this is given.
        levels: period in steps to workers in a group, such as ``{2: 8, 4: 32}``. Each period
            divides the next and the last one H, each size the next and the last one n; no size
            is n.

    Source: McMahan, Moore, Ramage, Hampson, Agüera y Arcas, Communication-Efficient Learning of
    Deep Networks from Decentralized Data (arXiv 1602.05629), federated averaging; Douillard et al.,
    DiLoCo (arXiv 2311.08105), the outer step with Nesterov's momentum; 0.7 and 0.9 are those of
    public implementations; levels: hierarchical SGD as in PyTorch's ``HierarchicalModelAverager``
    (arXiv 2010.12998; pytorch.org/blog/straggler-mitigation), which counts steps from 0."""

    name: ClassVar[str] = "local_sgd"
    steps: Count
    wait_for: WaitFor | None = None
    load: Load = 1
    stop: Stop | None = None
    outer: Outer | None = None
    levels: Annotated[dict[Count, Count], AfterValidator(GroupSizes)] | None = None

    @classmethod
    @override
    def examples(cls) -> tuple[SchemeFamily, ...]:
        coded = cls(steps=2, load=3), cls(steps=3, load=3, wait_for=5)
        momentum = cls(steps=5, outer=Outer(rule="nesterov"))
        early = cls(steps=4, stop=FirstK(first=9))
        grouped = (
            cls(steps=4, levels={2: 3}),
            cls(steps=8, levels={1: 2, 4: 6}, outer=momentum.outer),
        )
        plain = cls(steps=4), cls(steps=1), cls(steps=4, wait_for=8)
        return *plain, *coded, momentum, early, *grouped

    @override
    def build(self, workers: int) -> LocalRounds:
        require_size("steps", self.steps, workers)
        levels = self._checked_levels(workers)
        require_divisor(self.load, workers)
        outer = self.outer or Outer(rule="average")
        if outer.rule == "average":
            for name in ("learning_rate", "momentum"):
                if (value := getattr(outer, name)) is not None:
                    raise InvalidParameter(f"outer.{name}", value, "must be left out of an average")
        code = Groups(workers, self.load)
        if levels:
            return GroupedRounds(code, FirstK(workers), outer, workers, self.steps, levels=levels)
        rule: StoppingRule = CoverGroups(self.load)
        whole = None if self.stop is not None else self.wait_for or workers
        if self.stop is not None:
            refuse_beside("stop", wait_for=self.wait_for)
            rule = ending(self.stop, code) | rule
            if rule.remembers:
                valid = "must not follow past rounds: the plan of local steps never changes"
                raise InvalidParameter("stop", "adaptive", valid)
        elif self.wait_for is not None:
            require_at_most_workers("wait_for", self.wait_for, workers)
            rule = FirstK(self.wait_for) | rule
        return LocalRounds(code, rule, outer, whole, self.steps)

    def _checked_levels(self, workers: int) -> Levels:
        if self.levels is not None and not self.levels:
            valid = "must have a period and a group size, or be left out"
            raise InvalidParameter("levels", {}, valid)
        if not (levels := self.levels):
            return ()
        for name, value in (("wait_for", self.wait_for), ("stop", self.stop)):
            if value is not None:
                valid = "must be left out beside levels, since everybody is waited for"
                raise InvalidParameter(name, value, valid)
        if self.load > 1:
            raise InvalidParameter("load", self.load, "must be 1 beside levels", {"load": 1})
        ordered = tuple(sorted(levels.items()))
        for place, (what, whole) in enumerate((("period", self.steps), ("size", workers))):
            numbers = [*(level[place] for level in ordered), whole]
            if any(larger % smaller for smaller, larger in pairwise(numbers)):
                end = f"steps = {whole}" if what == "period" else f"workers = {whole}"
                valid = f"each {what} must divide the next, and the last one {end}"
                raise InvalidParameter("levels", levels, valid)
        if ordered[-1][1] == workers:
            valid = f"sizes must be below workers = {workers}: all average after steps"
            raise InvalidParameter("levels", levels, valid)
        return ordered


@dataclass(frozen=True)
class LocalRounds(Assigned):
    """Groups of workers, H local steps a round; see ``LocalSgd``."""

    assignment: Groups
    stopping: StoppingRule
    outer: Outer
    waits_for: int | None  # arrivals that end a round in any case; ``None``: not known
    local_steps: int = 1  # H
    rows: int | None = None  # local steps in all; known within a run
    levels: Levels = ()
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
        return OuterSteps(rounds, self.local_steps, last, self.outer, self.levels)


@final
@dataclass(frozen=True)
class GroupWaits:
    """When workers have done a round's steps, where groups of them wait for each other."""

    workers: int
    levels: Levels
    # Seconds from the first worker's beginning to each one's; ``None``: all begin together.
    begin: tuple[float, ...] | None = None

    def __call__(self, seconds: FloatArray) -> FloatArray:
        """``(..., n H)`` seconds of each step, worker by worker, -> ``(..., n)`` seconds from a
        worker's beginning. Cost: a pass, and some calls for each H-th part that is a period."""
        by_step = seconds.reshape(*seconds.shape[:-1], self.workers, -1)
        steps, period = by_step.shape[-1], self.levels[0][0]
        now = np.zeros(by_step.shape[:-1]) + (self.begin or 0.0)
        for done in range(period, steps + 1, period):
            stretch = by_step[..., done - period : done].copy()
            stretch[..., 0] += now
            now = np.add.accumulate(stretch, axis=-1)[..., -1]
            if done < steps:
                size = max(size for own, size in self.levels if done % own == 0)
                groups = now.reshape(*now.shape[:-1], -1, size)
                now = np.repeat(groups.max(axis=-1), size, axis=-1)
        return now if self.begin is None else now - self.begin


@final
@dataclass(frozen=True)
class GroupedRounds(LocalRounds):
    """The same with levels, in which everybody is waited for."""

    @override
    def plan(self, state: State = None) -> Round:
        return replace(super().plan(), patience=GroupWaits(self.workers, self.levels))

    @override
    def work_time(self, times: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Waiting for a group is no work."""
        seconds = times.reshape(*times.shape[:-1], self.workers, -1).sum(axis=-1)
        return seconds, seconds


@final
class OuterSteps(Steps):
    """One outer step a round of H local steps (``last`` in the last), from what was heard in it."""

    def __init__(
        self, rounds: DecodedRounds, local_steps: int, last: int, outer: Outer, levels: Levels
    ) -> None:
        self.times, self.local_steps = rounds.times, local_steps
        self.rounds, self._last, self._outer, self._levels = rounds, last, outer, levels

    @override
    def step(self, u: int) -> Local:
        steps = self._last if u == self.times.shape[1] - 1 else self.local_steps
        return Local(self.rounds.step(u).weights, steps, *self._outer.factors, self._levels)

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
