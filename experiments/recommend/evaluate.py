"""Evaluates candidates: a row of numbers for each, and what it did in its replications."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...sim.types import FloatArray
from ..config.errors import ConfigError
from ..run.pools import Died, Pool, map_unordered
from .measure import Known, Performance, Simulation, performance
from .question import ANYTHING, Order, Question, order
from .scenario import UNCHANGED, Perturbation

NUMBER = 8.0  # bytes of a number in a message
LONGER = 3  # runs are up to so many times as long as the config's, where iterations are short
MOST_ITERATIONS = 2000  # of uncoded, in the longest budget; others run ``LONGER`` as many


@dataclass(frozen=True, eq=False)
class Candidate:
    """A scheme that may be the best."""

    index: int  # among all; that of its row
    section: Mapping[str, Any]  # of the config, with a label if the config gives one
    given: bool = False  # whether the config names it; it stays for comparison
    listed: bool = True  # whether it was there at first, not found beside another one


@dataclass(frozen=True)
class Budget:
    """What the evaluation of a candidate may cost, and on which delays it is done."""

    replications: int
    tuning: bool = False  # on delays of their own, so that the race flatters nobody's rate
    theory: bool = False  # closed forms will do, where there are any
    work: bool = True  # look at what workers compute, too
    bar: Order = ANYTHING  # what a rate must match to be of interest; of no matter if ``given``
    perturbation: Perturbation = UNCHANGED  # of the delays


@dataclass(frozen=True, eq=False)
class Row:
    """What is known of a candidate, as columns of a table. A cost is until the goal."""

    candidate: Candidate
    label: str
    rung: int = 0  # the last one that it was on
    refused: str = ""  # why it cannot be simulated
    same: str = ""  # who does the same and needs no larger load
    violates: str = ""  # which of ``LIMITED`` it does not keep
    covered: bool = True  # whether every partition is heard often enough
    order: Order = ANYTHING  # sorts by what it takes
    value: float = np.nan  # what is compared: seconds, or a loss; NaN: not reached
    reached: int = 0  # replications that reach the goal, of
    replications: int = 0  # so many; 0: by a closed form
    trained: bool = False  # whether ``value`` is of losses, not of a count of iterations
    tuned: bool = False  # whether it is on the delays that choose rates
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
    alone: bool = False  # whether it is known that no task is of more than one partition
    barrierless: bool = False  # whether no barrier separates its rounds
    digest: str = ""  # equal for two that do the same

    @property
    def index(self) -> int:
        """Its number."""
        return self.candidate.index

    @property
    def given(self) -> bool:
        """Whether the config names it."""
        return self.candidate.given

    @property
    def scheme(self) -> str:
        """Its name in the registry of schemes."""
        return str(self.section["name"])

    @property
    def section(self) -> Mapping[str, Any]:
        """Of the config, with a label if the config gives one."""
        return self.candidate.section

    @property
    def progress(self) -> float:
        """How much of an exact iteration an update counts."""
        return self.clocked / self.counted

    @property
    def feasible(self) -> bool:
        """Whether it can be simulated and keeps the limits."""
        return not (self.refused or self.violates)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What is known of candidates, by index."""

    rows: Mapping[int, Row] = field(default_factory=dict)
    runs: Mapping[int, Performance] = field(default_factory=dict)  # of those that were simulated

    def __or__(self, newer: Evaluation) -> Evaluation:
        """This one, and what is newer in place of what was known."""
        return Evaluation({**self.rows, **newer.rows}, {**self.runs, **newer.runs})

    def values(self, row: Row, rate: float | None = None) -> FloatArray:
        """What a candidate takes at its own rate, or at another one, ``(R,)``."""
        return self.runs[row.index].at(row.rate if rate is None else rate)


@dataclass
class Evaluator:
    """Evaluates candidates of a question, in a pool if there is one."""

    question: Question
    pool: Pool | None = None
    progress: Callable[[float, int], None] = lambda done, total: None
    horizon: float = np.nan  # seconds of uncoded's iterations; NaN before its clock ran
    part: tuple[float, float, int] = (0.0, 1.0, 1)  # of the bar: start, length, and all
    done: float = 0.0  # of the bar, which never goes back

    def __call__(
        self,
        candidates: Mapping[Candidate, tuple[float, ...]],
        budget: Budget,
        known: Evaluation = Evaluation(),
    ) -> Evaluation:
        """Each candidate at its learning rates (none: its clock alone); ``known`` says how long its
        iterations take. Raises ConfigError: one that the config names cannot be simulated."""
        asked = [
            self.simulation(one, rates, budget, known.rows.get(one.index))
            for one, rates in candidates.items()
        ]
        found: dict[int, Known | str] = {}
        start, length, steps = self.part

        def tell(done: float) -> None:
            self.done = max(self.done, start + length * done / max(1, len(asked)))
            self.progress(self.done, steps)

        for job, result in map_unordered(performance, asked, self.pool, tell):
            found[job.index] = result.reason if isinstance(result, Died) else result
        rows, runs = dict[int, Row](), dict[int, Performance]()
        for one in candidates:
            of_one = found[one.index]
            if isinstance(of_one, str):
                if one.given:
                    raise ConfigError(of_one)
                rows[one.index] = replace(blank(one), refused=of_one)
                continue
            facts, did = of_one
            row = self._counted(replace(blank(one), tuned=budget.tuning, **facts))
            if (earlier := known.rows.get(one.index)) is not None and earlier.clocked > 0:
                row = replace(row, clocked=earlier.clocked, counted=earlier.counted)
            if did is not None:
                runs[one.index] = did
                row = _measured(row, did)
            rows[one.index] = self._costed(row)
        return Evaluation(rows, runs)

    def simulation(
        self, one: Candidate, rates: tuple[float, ...], budget: Budget, known: Row | None = None
    ) -> Simulation:
        """A run of a candidate; where losses are looked at, it is long enough for the goal."""
        scenario, goal = self.question.scenario, self.question.goal
        iterations, each = scenario.iterations, np.nan if known is None else known.clocked
        if rates and goal.kind == "budget" and 0 < each < np.inf:
            iterations = min(int(1.3 * goal.value / each) + 5, LONGER * MOST_ITERATIONS)
        elif rates and 0 < each < np.inf:
            iterations = min(max(iterations, int(self.horizon / each)), LONGER * iterations)
        return Simulation(
            index=one.index,
            base=json.dumps(scenario.base),
            scheme=json.dumps(dict(one.section)),
            iterations=iterations,
            replications=budget.replications,
            goal=goal,
            rates=rates,
            reported=(self.question.common_rate,) if budget.tuning else rates,
            bar=ANYTHING if one.given else budget.bar,
            data_dir=scenario.data_dir,
            perturbation=budget.perturbation,
            other_delays=int(budget.tuning),
            evidence=scenario.evidence,
            most_load=np.inf if one.given else self.question.limits.get("load", np.inf),
            theory=budget.theory,
            work=budget.work,
        )

    def _counted(self, row: Row) -> Row:
        """The row of a closed form, or of the first rung: by a count of iterations."""
        value = self.question.goal.value * row.effective_time
        order = (0.0, value) if value < np.inf else ANYTHING
        each = row.iteration_time, row.effective_time
        return replace(row, order=order, value=value, clocked=each[0], counted=each[1])

    def _costed(self, row: Row) -> Row:
        """The row with what it costs until the goal, and the first limit that it does not keep."""
        goal, features = self.question.goal, self.question.scenario.features
        seconds = np.nan
        if row.trained == self.question.trains:  # who does not get there goes on for ever
            seconds = row.value if row.order[0] == 0 else np.inf
        seconds = goal.value if goal.kind == "budget" else seconds
        sent = row.heard * NUMBER * features * seconds if features else np.nan
        row = replace(row, worker_seconds=row.busy * seconds, bytes=sent)
        limits = self.question.limits.items()  # unknown (NaN) costs break none
        over = (name for name, most in limits if getattr(row, name) > most * (1 + 1e-9))
        return replace(row, violates=next(over, ""))


def blank(one: Candidate) -> Row:
    """What is known of a candidate that could not be built."""
    fields = (f"{key}={value}" for key, value in one.section.items() if key != "name")
    return Row(one, str(one.section.get("label") or " ".join([one.section["name"], *fields])))


def _measured(row: Row, did: Performance) -> Row:
    """From its replications. A rate is chosen on the tuning delays; else the first is its own."""
    rates = did.rates or (np.nan,)
    orders = {rate: order(did.at(rate), did.criterion) for rate in rates}
    rate = min(orders, key=lambda rate: (orders[rate], rate)) if row.tuned else rates[0]
    values, of, iteration_time = did.at(rate), orders[rate], row.iteration_time
    needed = did.to_target[did.rates.index(rate)] if did.rates else np.array([np.nan])
    if np.isfinite(needed).all():  # of the iterations that were needed
        iteration_time = float(values.mean() / needed.mean())
    return replace(
        row,
        order=of,
        value=of[1] if of[0] == 0 else np.nan,
        reached=int(np.isfinite(values).sum()),
        replications=len(values),
        trained=bool(did.rates),
        rate=rate,
        iteration_time=iteration_time,
    )


def allowed(rows: Iterable[Row], question: Question) -> set[int]:
    """Who may be recommended: everybody that keeps the limits and covers the data. If nobody covers
    them, or that is not asked for, it is no constraint."""
    within = [row for row in rows if row.feasible]
    covers = {row.index for row in within if row.covered}
    all_of_them = {row.index for row in within}
    return all_of_them if question.request.allow_unheard or not covers else covers


def ranked(rows: Iterable[Row]) -> list[Row]:
    """The best first."""
    return sorted(rows, key=lambda row: (row.order, row.index))
