"""Evaluates candidates: a row of numbers for each, with what it did in its replications."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .....sim.base.errors import ConfigError
from .....sim.base.types import FloatArray
from ....config.names import shown_name
from ....run.pools import Died, Pool, map_unordered
from ..compare import ANYTHING, Interval, Order, order, ratio
from ..question import Question
from .measure import Budget, CandidateRuns, Facts, Performance, performance

MOST_ITERATIONS = 2000  # of uncoded, in the longest budget; others run three times as many


@dataclass(frozen=True, eq=False)
class Candidate:
    """A scheme that may be the best, and what is known of it, as columns of a table. A cost is
    until the goal."""

    index: int  # among all
    section: Mapping[str, Any]  # of the config, with a label if the config gives one
    given: bool = False  # whether the config names it; it stays for comparison
    listed: bool = True  # whether it was there at first, not found beside another one
    label: str = ""
    rung: int = 0  # the last one that it was on
    refused: str = ""  # why it cannot be simulated
    same: str = ""  # who does the same and needs no larger load
    violates: str = ""  # which of ``LIMITED`` it does not keep
    covered: bool = True  # whether every partition is heard often enough
    allowed: bool = False  # whether it may be recommended, see ``recommendable``
    run: Performance | None = None  # what it did; None: nothing, or a closed form is known
    tuned: bool = False  # whether that is on the delays that choose rates
    order: Order = ANYTHING  # sorts by what it takes
    value: float = np.nan  # what is compared: seconds, or a loss; NaN: not reached
    rate: float = np.nan  # learning rate; NaN without training
    iteration_time: float = np.nan  # mean seconds, up to the target if there is one
    effective_time: float = np.nan  # mean seconds of an exact iteration's progress
    # the same of the first rung, whose runs are as long as the config's
    clocked: float = np.nan
    counted: float = np.nan
    load: float = np.nan  # partitions that a worker holds
    busy: float = np.nan  # workers that compute at a time, and
    heard: float = np.nan  # gradients heard in a second, on average
    worker_seconds: float = np.nan  # of all workers, computing
    bytes: float = np.nan  # of messages that the master hears
    # mean decoding error of an update: n / k times that of k partitions, so that schemes compare
    error: float = np.nan
    staleness: float = np.nan  # mean, in updates
    least_heard: float = np.nan  # share of updates with the partition that is in fewest
    coverage: float = np.nan  # that share over a mean partition's
    exact: bool = False  # whether every update is exact and fresh
    coded: bool = False  # whether workers hold more than one partition for the sake of others
    group: int = 1  # workers that hold the same partitions, neighbours
    alone: bool = False  # whether it is known that no task is of more than one partition

    @property
    def shown(self) -> str:
        """What a reader sees of its label."""
        return shown_name(self.label, self.section["name"])

    @property
    def stock(self) -> bool:
        """Whether a stock training loop can run it: each worker sends one gradient in a round, of
        all that it computes, at the newest model. Others are a class of their own."""
        return self.plain and not self.staleness > 0

    barrierless: bool = False  # whether no barrier separates its rounds
    plain: bool = True  # whether there are rounds in which each worker sends one gradient
    digest: str = ""  # equal for two that do the same

    @property
    def scheme(self) -> str:
        """Its name in the registry of schemes."""
        return str(self.section["name"])

    @property
    def progress(self) -> float:
        """How much of an exact iteration an update counts."""
        return self.clocked / self.counted

    @property
    def feasible(self) -> bool:
        """Whether it can be simulated and keeps the limits."""
        return not (self.refused or self.violates)

    @property
    def trained(self) -> bool:
        """Whether it takes what losses say, not a count of iterations."""
        return self.run is not None and bool(self.run.rates)

    @property
    def replications(self) -> int:
        """Of its run; 0 without one."""
        return 0 if self.run is None else self.run.values.shape[1]

    @property
    def reached(self) -> int:
        """Replications that reach the goal."""
        return 0 if self.run is None else int(np.isfinite(self.values()).sum())

    @property
    def always(self) -> bool:
        """Whether every replication reaches the goal."""
        return self.reached == self.replications

    @property
    def iterations(self) -> float:
        """Mean iterations to the target, of the runs that reach it; NaN: none does."""
        needed = np.empty(0) if self.run is None else self.run.to_target[:1]
        return float(np.nanmean(needed)) if np.isfinite(needed).any() else np.nan

    def values(self, rate: float | None = None) -> FloatArray:
        """What its runs take at its own rate, or at another one, ``(R,)``."""
        assert self.run is not None
        return self.run.at(self.rate if rate is None else rate)

    def ratio(self, other: Candidate) -> Interval:
        """Of what the two take, with a paired 95 % interval; NaN where one misses the goal, or they
        are not known on the same delays."""
        if self.run is None or other.run is None or self.tuned or other.tuned:
            return np.nan, np.nan, np.nan
        if self.trained != other.trained:
            return np.nan, np.nan, np.nan
        run = self.run
        return ratio(self.values(), other.values(), run.criterion)

    def shown_ratio(self, other: Candidate) -> Interval:
        """The same as people see it: without an interval where all runs of both are the same."""
        middle, low, high = self.ratio(other)
        if np.isfinite(middle) and np.ptp(self.values()) == 0 == np.ptp(other.values()):
            return middle, np.nan, np.nan
        return middle, low, high


Rows = dict[int, Candidate]  # by index


@dataclass
class Evaluator:
    """Evaluates candidates of a question, in a pool if there is one."""

    question: Question
    pool: Pool | None = None
    progress: Callable[[float, int], None] = lambda done, total: None
    horizon: float = np.nan  # seconds of uncoded's iterations; NaN before its clock ran
    # Where the bar is, where it will be when the present step is done, and how many steps there are
    done: float = 0.0
    until: float = 0.0
    steps: int = 1

    def __call__(self, candidates: Mapping[Candidate, tuple[float, ...]], budget: Budget) -> Rows:
        """Each candidate at its learning rates (none: its clock alone). Raises ConfigError: one
        that the config names cannot be simulated."""
        asked = [self.simulation(row, rates, budget) for row, rates in candidates.items()]
        results: dict[int, Facts | str] = {}
        start = self.done

        def tell(done: float) -> None:  # as a step may ask again, a call fills most of what is left
            filled = 0.8 * (self.until - start) * done / max(1, len(asked))
            self.done = max(self.done, start + filled)
            self.progress(self.done, self.steps)

        for job, result in map_unordered(performance, asked, self.pool, tell):
            results[job.index] = result.reason if isinstance(result, Died) else result
        return {row.index: self._known(row, results[row.index], budget) for row in candidates}

    def simulation(
        self, candidate: Candidate, rates: tuple[float, ...], budget: Budget
    ) -> CandidateRuns:
        """A run of a candidate; where losses are looked at, it is long enough for the goal: up to
        three times as long as the config's, where iterations are short."""
        scenario, goal = self.question.scenario, self.question.goal
        iterations, seconds = scenario.iterations, candidate.clocked
        if rates and goal.kind == "budget" and 0 < seconds < np.inf:
            iterations = min(int(1.3 * goal.value / seconds) + 5, 3 * MOST_ITERATIONS)
        elif rates and 0 < seconds < np.inf:
            iterations = min(max(iterations, int(self.horizon / seconds)), 3 * iterations)
        most_load = self.question.limits.get("load", np.inf)
        if candidate.given:
            budget, most_load = replace(budget, bar=ANYTHING, common_bar=ANYTHING), np.inf
        return CandidateRuns(
            index=candidate.index,
            base=json.dumps(scenario.base),
            scheme=json.dumps(dict(candidate.section)),
            goal=goal,
            iterations=iterations,
            budget=budget,
            rates=rates,
            reported=(self.question.common_rate,) if budget.other_delays else rates,
            data_dir=scenario.data_dir,
            most_load=most_load,
        )

    def _known(self, candidate: Candidate, facts: Facts | str, budget: Budget) -> Candidate:
        """Nothing that was known but how long its iterations take, and what is known now."""
        section = candidate.section
        fields = (f"{key}={value}" for key, value in section.items() if key != "name")
        label = str(section.get("label") or " ".join([section["name"], *fields]))
        known = candidate.index, section, candidate.given, candidate.listed
        row = Candidate(*known, label, budget.rung, tuned=budget.other_delays > 0)
        if isinstance(facts, str):
            if row.given:
                raise ConfigError(facts)
            return replace(row, refused=facts)
        row = replace(row, **{"busy": candidate.busy, **facts})
        clocked, counted = candidate.clocked, candidate.counted
        if not clocked > 0:
            clocked, counted = row.iteration_time, row.effective_time
        row = replace(row, clocked=clocked, counted=counted)
        if row.run is not None:
            return self._costed(_at_its_rate(row, row.run))
        value = self.question.goal.value * row.effective_time
        of = (0.0, value) if value < np.inf else ANYTHING
        return self._costed(replace(row, order=of, value=value))

    def _costed(self, row: Candidate) -> Candidate:
        """With what it costs until the goal, and the first limit that it does not keep."""
        goal, features = self.question.goal, self.question.scenario.features
        seconds = np.nan
        if row.trained == self.question.trains:  # who does not get there goes on for ever
            seconds = row.value if row.order[0] == 0 else np.inf
        seconds = goal.value if goal.kind == "budget" else seconds
        sent = row.heard * 8.0 * features * seconds if features else np.nan  # 8 bytes a number
        row = replace(row, worker_seconds=row.busy * seconds, bytes=sent)
        limits = self.question.limits.items()  # unknown (NaN) costs break none
        over = (name for name, most in limits if getattr(row, name) > most * (1 + 1e-9))
        return replace(row, violates=next(over, ""))


def _at_its_rate(row: Candidate, run: Performance) -> Candidate:
    """What it takes. A rate is chosen on the tuning delays; else the first is its own."""
    rates = run.rates or (np.nan,)
    orders = {rate: order(run.at(rate), run.criterion) for rate in rates}
    rate = min(orders, key=lambda rate: (orders[rate], rate)) if row.tuned else rates[0]
    iteration_time, (tier, value) = row.iteration_time, orders[rate]
    needed = run.to_target[run.rates.index(rate)] if run.rates else np.array([np.nan])
    if np.isfinite(needed).all():  # of the iterations that were needed
        iteration_time = float(run.at(rate).mean() / needed.mean())
    value = value if tier == 0 else np.nan
    return replace(row, order=orders[rate], value=value, rate=rate, iteration_time=iteration_time)


def recommendable(rows: Iterable[Candidate], question: Question) -> set[int]:
    """Who may be recommended: everybody that keeps the limits and covers the data. If nobody covers
    them, or that is not asked for, it is no constraint."""
    within = [row for row in rows if row.feasible]
    covers = {row.index for row in within if row.covered}
    all_of_them = {row.index for row in within}
    return all_of_them if question.request.allow_unheard or not covers else covers


def best_first(rows: Iterable[Candidate]) -> list[Candidate]:
    """The best first."""
    return sorted(rows, key=lambda row: (row.order, row.index))
